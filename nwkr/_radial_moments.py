"""Radial moments of kernels: the integral of ``u^p K(u)`` over ``u > 0``, in logarithms.

They give the integral of a kernel in several dimensions, and its standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log

import numpy as np
from scipy.special import betaln, gammaln

__all__ = ["log_moment_exponential", "log_moment_power", "numeric_log_moment"]

# Logarithms of u: dense where kernels bend, and as far as powers of u do not overflow.
_LOG_U = np.unique(np.r_[-115:115:11501j, -9:9:18001j])
_POINTS_PER_INTERVAL = 16  # of _LOG_U; 1 where the integrand begins and ends
# Parts of the integrand below this share of its peak (a logarithm) are ignored.
_LEAST_LOG_SHARE = -45.0
# Logarithm of a weight near underflow: beyond it the integrand is unknown.
_LEAST_LOG_WEIGHT = -650.0
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(12)
_TOLERANCE = 1e-13
_HALVINGS = 60


def log_moment_exponential(p: float, inner: float) -> float:
    """The log moment of ``K(u) = exp(-u^inner / inner)``."""
    power = (p + 1) / inner
    return float((power - 1) * log(inner) + gammaln(power))


def log_moment_power(p: float, inner: float, outer: float) -> float:
    """The log moment of ``K(u) = (1 - u^inner)^outer`` on ``[0, 1]``."""
    return float(betaln((p + 1) / inner, outer + 1) - log(inner))


def numeric_log_moment(
    kernel: Callable[[np.ndarray], np.ndarray], p: float, name: str = "kernel"
) -> float:
    """The log moment of any kernel, integrated numerically over ``log(u)``.

    Parameters
    ----------
    kernel : callable
        Weights of an array of distances.
    p : float
        Order of the moment.
    name : str, default="kernel"
        Name of the kernel in messages.

    Returns
    -------
    log_moment : float
        Logarithm of the integral; ``inf`` if it diverges, or converges too slowly.

    Raises
    ------
    ValueError
        If no weight is positive, or one is NaN.
    """

    def log_integrand(t):
        with np.errstate(all="ignore"):
            return (p + 1) * t + np.log(kernel(np.exp(t)))

    found = log_integrand(_LOG_U)
    peak = found.max()
    if not np.isfinite(peak):
        where = "0 at all" if np.isneginf(peak) else "not finite at some"
        raise ValueError(
            f"kernel={name!r} has no radial moment of order {p:g}, the integral of u**{p:g} * "
            f"K(u), that can be computed: its weights are {where} of the distances that were "
            f"tried. Rules of thumb and densities need it; give bandwidth as a number."
        )
    counts = found > peak + _LEAST_LOG_SHARE
    unseen = found - (p + 1) * _LOG_U < _LEAST_LOG_WEIGHT
    if counts[-1] or (counts & unseen).any():
        return inf
    comes_and_goes = np.flatnonzero(np.diff(counts))
    first, last = np.flatnonzero(counts)[[0, -1]]
    numbers = np.r_[first:last:_POINTS_PER_INTERVAL, last, comes_and_goes, comes_and_goes + 1]
    return peak + log(
        _integral(lambda t: np.exp(log_integrand(t) - peak), _LOG_U[np.unique(numbers)])
    )


def _integral(function, edges):
    """Integral of a function that may jump, by halving intervals until they are exact."""
    lower, upper = edges[:-1], edges[1:]
    coarse, total = _parts(function, lower, upper), 0.0
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        lower, upper = np.r_[lower, middle], np.r_[middle, upper]
        fine = _parts(function, lower, upper)
        both = fine.reshape(2, -1).sum(axis=0)
        exact = np.abs(both - coarse) <= _TOLERANCE * (total + both.sum())
        total += both[exact].sum()
        rest = np.tile(~exact, 2)
        if not rest.any():
            return total
        lower, upper, coarse = lower[rest], upper[rest], fine[rest]
    return total + coarse.sum()


def _parts(function, lower, upper):
    half = (upper - lower) / 2
    at = (lower + half)[:, None] + half[:, None] * _NODES
    return function(at) @ _NODE_WEIGHTS * half
