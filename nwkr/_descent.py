"""The descent to one bandwidth for each feature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

__all__ = ["descend"]

# A feature's bandwidth stays within this factor of the rule of thumb.
_LARGEST_FACTOR = 1e3
# Maximal number of features that are switched off on trial, for any bandwidth.
_FEATURES_TRIED = 32
# With a bandwidth beyond this multiple of the rule of thumb, the search tries to switch the feature
# off, because the window covers all data.
_OFF_BEYOND = 8.0


def descend(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    origin: np.ndarray,
    rule: np.ndarray,
    candidate: np.ndarray | None,
    shrinkage: float,
    on_trial: np.ndarray,
    n_rows: float = np.inf,
) -> np.ndarray | None:
    """Find one bandwidth for each feature, with the least penalised deviance.

    Parameters
    ----------
    objective : callable
        Maps bandwidths, (n_features,), to the deviance and its derivatives by their logarithms.
    origin : ndarray of shape (n_features,)
        Bandwidths at which some features start, and to which they are shrunk; NaN for features
        that are shrunk to the candidate.
    rule : ndarray of shape (n_features,)
        The rule of thumb; infinite for a feature that is ignored.
    candidate : ndarray of shape (n_features,) or None
        The bandwidth to which the others are shrunk, and which they must improve on; None for the
        rule.
    shrinkage : float
        Strength of the penalty.
    on_trial : ndarray of bool, of shape (n_features,)
        Features that are switched off on trial even if their bandwidths are narrow.
    n_rows : float, default=inf
        Number of rows over which the deviance is the mean; infinite for a criterion that penalises
        the number of bandwidths itself.

    Returns
    -------
    bandwidth : ndarray of shape (n_features,) or None
        The bandwidths; None if the gain does not justify their number.
    """
    free = np.isfinite(rule)
    if not free.any():
        return None
    farthest = np.log(_LARGEST_FACTOR)
    common = np.zeros(np.count_nonzero(free))
    if candidate is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            common = np.log(candidate[free] / rule[free])
        common = np.clip(np.nan_to_num(common), -farthest / 2, farthest / 2)
    own = np.log(origin[free] / rule[free]).clip(max=farthest)
    apart = ~np.isnan(own)
    origin = np.where(apart, own, common)
    # Where the common candidate is so wide that all rows have equal weight, the slopes are 0. The
    # limit grows with the number of features, as squared distances do.
    wide = np.log(max(2, np.sqrt(len(common)) / 2))
    start = np.where(apart, own, np.minimum(common, wide))

    def bandwidth_of(x):
        bandwidth = rule.copy()
        bandwidth[free] *= np.exp(x)
        return bandwidth

    def penalty(x):
        apart = np.where(np.isfinite(x), x - origin, 0)
        return shrinkage * apart @ apart, 2 * shrinkage * apart

    def penalised(x):
        deviance, slopes = objective(bandwidth_of(x))
        if np.isinf(deviance):
            return deviance, np.zeros_like(x)
        of_penalty, its_slopes = penalty(x)
        return deviance + of_penalty, slopes[free] + its_slopes

    def descend_from(x):
        x, value = _down_the_slopes(penalised, x, farthest)
        return _switch_off(penalised, x, value, across)

    across = np.where(apart, own - np.log(2), np.log(_OFF_BEYOND))
    x, value = descend_from(start)
    if on_trial[free].any():
        without, value_without = _switch_off_each(penalised, x, value, across, on_trial[free])
        if value_without < value:  # then descend again in the others
            x, value = without, value_without
            if np.isfinite(x).any():
                x, value = descend_from(x)
    # As in AIC, each further bandwidth must lower the deviance by 2 / n_rows.
    cost = 2 * (len(x) - 1) / n_rows
    worth_it = value - penalty(x)[0] + cost < objective(bandwidth_of(common))[0]
    return bandwidth_of(x) if worth_it else None


def _down_the_slopes(objective, x, farthest):
    """Descend in the finite coordinates, each within a distance of 0; keep infinite ones."""
    moving = np.isfinite(x)

    def of_moving(some):
        value, slopes = objective(np.where(moving, _filled(moving, some), np.inf))
        return value, slopes[moving]

    found = minimize(
        of_moving,
        x[moving],
        jac=True,
        method="L-BFGS-B",
        bounds=[(-farthest, farthest)] * np.count_nonzero(moving),
        options={"ftol": 1e-8},
    )
    return np.where(moving, _filled(moving, found.x), np.inf), found.fun


def _switch_off(objective, x, value, across):
    """Switch off features with wide bandwidths, the widest first, if that is no worse."""
    order = np.argsort(across - x)
    order = order[x[order] >= across[order]]
    together = len(order)
    while together:  # many at once, because there may be many
        off = x.copy()
        off[order[:together]] = np.inf
        without = objective(off)[0]
        if without <= value:
            x, value, order = off, without, order[together:]
            together = min(together, len(order))
        else:
            together //= 2
    return x, value


def _switch_off_each(objective, x, value, across, on_trial):
    """Switch features off one by one, the widest bandwidths first, if that is better."""
    order = np.argsort(across - x)
    for feature in order[(np.isfinite(x) & on_trial)[order]][:_FEATURES_TRIED]:
        off = x.copy()
        off[feature] = np.inf
        without = objective(off)[0]
        if without < value:
            x, value = off, without
    return x, value


def _filled(where, numbers):
    """An array with the given numbers where a mask is True, and 0 elsewhere."""
    filled = np.zeros(len(where))
    filled[where] = numbers
    return filled
