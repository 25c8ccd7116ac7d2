"""Kernels: weights as functions of the scaled distance.

The parameter `kernel` of the estimators is a name in :data:`KERNELS`, a function of the scaled
distance, or a :class:`Kernel`. The latter is a *profile*, the weight as a function of the
**squared** scaled distance ``u2 = (distance / bandwidth) ** 2``, together with the properties that
pooling and the bandwidth rules need. It does not depend on data or bandwidths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from math import exp, inf, isinf, log, pi, sqrt
from typing import Any

import numpy as np
from scipy.special import gammaln

from nwkr import _profiles
from nwkr._arrays import Arrays
from nwkr._callable_kernels import (
    PROBE,
    ThereAndBack,
    arrays_for,
    farthest_of,
    name_of,
    profile_of_function,
    profile_over,
    weights_of_function,
)
from nwkr._radial_moments import log_moment_exponential, log_moment_power, numeric_log_moment
from nwkr._symbolic import kernel_of_formula

__all__ = ["KERNELS", "Kernel", "get_kernel"]

Profile = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Kernel:
    r"""A kernel: the weight of a key at a given scaled distance from the query.

    With the scaled distance :math:`u = \|q - k\| / \text{bandwidth}`, the weight is
    :math:`K(u) = \text{profile}(u^2)`.

    Parameters
    ----------
    name : str
        Name of the kernel.
    profile : callable
        Maps an array of squared scaled distances to an array of weights of the same shape:
        non-negative, non-increasing, 1 at distance 0. It may overwrite its argument. It is not
        called with infinite distances, whose weight is 0.
    support : float, default=inf
        Scaled distance beyond which the weight is 0; `inf` if it is never 0.
    log_profile : callable or None, default=None
        Logarithm of `profile`, for kernels that are positive everywhere. With it, the
        weights of far keys are compared without underflow.
    log_slope : float or None, default=None
        The number ``c`` if ``profile(u2) == exp(c * u2)``, as for the Gaussian.
    smooth : bool, default=False
        Whether a rounding error in `u2` (which may make it negative) causes no larger error in the
        weight. False for profiles with a jump or a cusp at 0.
    power : int or None, default=None
        The number ``p`` if ``profile(u2) == (1 - u2) ** p`` within the support.
    derivative : callable or None, default=None
        Derivative of `profile` with respect to the squared distance, if there is one; 0 at a cusp.
        It may overwrite its argument.
    log_moment : callable or None, default=None
        Maps `p` to the logarithm of the radial moment
        :math:`\int_0^\infty u^p K(u)\,du`, integrated numerically if None.
    over : callable or None, default=None
        The profile for arrays of other libraries than NumPy. ``over(u2, xp)`` maps an array of
        squared scaled distances to a new array, with the functions of its namespace ``xp``. If
        `smooth`, distances may be slightly negative. It returns the logarithms of the weights if
        there is a `log_profile`, else the weights. If None, such arrays are converted to NumPy and
        back.
    log_root : float or None, default=None
        The number ``c`` if ``profile(u2) == exp(c * sqrt(u2))``, as for the exponential kernel.
        With `log_slope` or this, weights far from all keys keep their digits.

    Examples
    --------
    >>> import numpy as np
    >>> from nwkr.kernels import KERNELS
    >>> KERNELS["epanechnikov"](np.array([0.0, 0.5, 1.0, 2.0]))
    array([1.  , 0.75, 0.  , 0.  ])
    >>> KERNELS["epanechnikov"].std(n_features=1)  # sqrt(1/5)
    0.447...
    """

    name: str
    profile: Profile
    support: float = inf
    log_profile: Profile | None = None
    log_slope: float | None = None
    smooth: bool = False
    power: int | None = None
    derivative: Profile | None = None
    log_moment: Callable[[float], float] | None = None
    over: Callable[[Any, Any], Any] | None = None
    log_root: float | None = None

    def __call__(self, u: Any) -> np.ndarray:
        """Weights at scaled distances.

        Parameters
        ----------
        u : array-like
            Scaled distances, ``distance / bandwidth``; the sign is ignored.

        Returns
        -------
        weights : ndarray
            Weights, of the same shape as `u`.
        """
        u = np.asarray(u, dtype=float)
        with np.errstate(over="ignore"):
            # The square of a finite distance may overflow; its weight is that of a far distance.
            u2 = np.minimum(np.square(u), np.where(np.isinf(u), inf, _LARGEST))
        return self.weights(np.atleast_1d(u2)).reshape(u.shape)

    def weights(self, u2: np.ndarray) -> np.ndarray:
        """Weights at squared scaled distances: the profile if they are finite, else 0.

        Pairs that do not count have infinite distances. The profile is not called with them,
        because it might return NaN.

        Parameters
        ----------
        u2 : ndarray
            Squared scaled distances, which may be overwritten.

        Returns
        -------
        weights : ndarray
            Weights, of the same shape.
        """
        return _where_finite(self.profile, u2, 0)

    def log_weights(self, u2: np.ndarray) -> np.ndarray:
        """Logarithms of the weights, if there is a `log_profile`; ``-inf`` for infinite distances.

        Parameters
        ----------
        u2 : ndarray
            Squared scaled distances, which may be overwritten.

        Returns
        -------
        log_weights : ndarray
            Logarithms, of the same shape.
        """
        assert self.log_profile is not None
        return _where_finite(self.log_profile, u2, -inf)

    def log_normalizer(self, n_features: int) -> float:
        r"""Logarithm of the kernel's integral, :math:`\int K(\|u\|)\,du`.

        Parameters
        ----------
        n_features : int
            Number of dimensions of the integral.

        Returns
        -------
        log_integral : float
            Subtract it from the log-weight to get a log-density with bandwidth 1.
        """
        log_sphere = log(2) + n_features / 2 * log(pi) - gammaln(n_features / 2)
        return float(log_sphere + self._log_radial_moment(n_features - 1))

    def std(self, n_features: int) -> float:
        """Standard deviation along each axis of the normalised kernel.

        Kernels with the same ``bandwidth * std`` smooth about equally, so bandwidths are
        translated between kernels by this number.

        Parameters
        ----------
        n_features : int
            Number of dimensions of the space.

        Returns
        -------
        std : float
            For bandwidth 1; `inf` if the integral diverges.
        """
        mass = self._log_radial_moment(n_features - 1)
        spread = self._log_radial_moment(n_features + 1)
        return inf if isinf(spread) else sqrt(exp(spread - mass) / n_features)

    def __reduce__(self):
        # Registered kernels are pickled by name.
        if KERNELS.get(self.name) is self:
            return get_kernel, (self.name,)
        return Kernel, tuple(getattr(self, field.name) for field in fields(self))

    def _log_radial_moment(self, p: float) -> float:
        if self.log_moment is not None:
            return self.log_moment(p)
        return numeric_log_moment(lambda u: self(u) * (u <= self.support), p, self.name)


def _where_finite(function, u2, otherwise):
    if u2.max(initial=0) < inf:
        return function(u2)
    infinite = u2 == inf
    u2[infinite] = 0
    found = function(u2)
    found[infinite] = otherwise
    return found


def get_kernel(kernel: str | Kernel | Callable, arrays: Arrays | None = None) -> Kernel:
    """Return the kernel for a name, a function or a kernel.

    Parameters
    ----------
    kernel : str, Kernel or callable
        A name in :data:`KERNELS`; a kernel; or a function of the non-negative scaled
        distance that takes arrays, and returns weights of the same shape, finite and
        non-negative. A function whose formula is that of a registered kernel, up to
        rounding and a constant factor, gives that kernel.
    arrays : Arrays or None, default=None
        The array library of the distances; NumPy by default. A function that does not accept its
        arrays gets NumPy arrays or PyTorch tensors, whichever it accepts.

    Returns
    -------
    kernel : Kernel
        The kernel.

    Raises
    ------
    ValueError
        If the name is unknown, or the function returns another shape, NaN, infinity or
        negative weights.
    TypeError
        If `kernel` has another type, or the function does not accept arrays.

    Notes
    -----
    A registered Gaussian is 5 times faster than a function that computes the same at 3,000 rows,
    70 times at 20,000 (one column), and does not underflow. So a function is replaced by a
    registered kernel if their formulas agree. Equal weights at some distances would not prove
    this. Instead the function is called with a symbol, which records its formula if it consists of
    ``+ - * / **``, ``exp``, ``abs``, ``maximum`` with 0, and ``<=``. Other functions are called
    for all weights, except for infinite distances, and for distances beyond 1e30 if the weight is
    0 there.

    Examples
    --------
    >>> import numpy as np
    >>> from nwkr.kernels import get_kernel
    >>> get_kernel("tricube").support
    1.0
    >>> get_kernel(lambda u: np.exp(-(u**2) / 2)).name
    'gaussian'
    """
    if isinstance(kernel, Kernel):
        return kernel
    named = isinstance(kernel, str)
    if named and kernel in KERNELS:
        return KERNELS[kernel]
    if callable(kernel):
        return _from_function(kernel, arrays)
    raise (ValueError if named else TypeError)(
        f"kernel must be a Kernel, a function of the scaled distance, or one of "
        f"{sorted(KERNELS)}; got {kernel!r}."
    )


def _power_kernel(name, profile, inner, outer):
    """``K(u) = (1 - u^inner)^outer`` on ``[0, 1]``."""
    return Kernel(
        name,
        profile,
        support=1.0,
        smooth=inner > 1,
        power=outer if inner == 2 or outer == 0 else None,
        derivative=partial(_profiles.derivative_of_power, inner=inner, outer=outer)
        if outer
        else None,
        log_moment=partial(log_moment_power, inner=inner, outer=outer),
        over=partial(_profiles.power_over, inner=inner, outer=outer),
    )


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            "gaussian",
            _profiles.gaussian,
            log_profile=_profiles.log_gaussian,
            log_slope=-0.5,
            smooth=True,
            derivative=_profiles.derivative_of_gaussian,
            log_moment=partial(log_moment_exponential, inner=2),
            over=partial(_profiles.linear_over, slope=-0.5),
        ),
        Kernel(
            "exponential",
            _profiles.exponential,
            log_profile=_profiles.log_exponential,
            derivative=_profiles.derivative_of_exponential,
            log_moment=partial(log_moment_exponential, inner=1),
            over=_profiles.exponential_over,
            log_root=-1.0,
        ),
        _power_kernel("boxcar", _profiles.boxcar, inner=1, outer=0),
        _power_kernel("triangular", _profiles.triangular, inner=1, outer=1),
        _power_kernel("epanechnikov", partial(_profiles.power, power=1), inner=2, outer=1),
        _power_kernel("biweight", partial(_profiles.power, power=2), inner=2, outer=2),
        _power_kernel("triweight", partial(_profiles.power, power=3), inner=2, outer=3),
        _power_kernel("tricube", _profiles.tricube, inner=3, outer=3),
        Kernel(
            "cosine",
            _profiles.cosine,
            support=1.0,
            smooth=True,
            derivative=_profiles.derivative_of_cosine,
            over=_profiles.cosine_over,
        ),
        Kernel(
            "constant",
            _profiles.constant,
            log_profile=_profiles.log_constant,
            log_slope=0.0,
            smooth=True,
            power=0,
            over=partial(_profiles.linear_over, slope=0.0),
        ),
    )
}
"""The named kernels: gaussian, exponential, boxcar, triangular, epanechnikov, biweight, triweight,
tricube, cosine and constant. :doc:`/user_guide/kernels` shows their formulas."""


# -- functions of the scaled distance -----------------------------------------------------

_LARGEST = np.finfo(float).max


def _from_function(function: Callable, arrays: Arrays | None) -> Kernel:
    formula, taken = kernel_of_formula(function), arrays_for(function, arrays)
    if taken is not None:
        function = ThereAndBack(function, taken)
    weights = weights_of_function(function, PROBE.copy())
    known = KERNELS.get(formula)
    # A function may treat a symbol differently from numbers.
    if known and np.allclose(weights, weights[0, 0] * known(PROBE), rtol=1e-10, atol=1e-300):
        return known
    farthest = farthest_of(function)
    over = None
    if isinstance(function, ThereAndBack) and taken is arrays:
        over = partial(profile_over, function, farthest)
    return Kernel(name_of(function), partial(profile_of_function, function, farthest), over=over)
