"""The spread of numbers, robust to outliers, from quartiles and the standard deviation."""

from __future__ import annotations

import numpy as np

__all__ = [
    "covariance_of_columns",
    "masses_below",
    "may_be_gross",
    "quartiles",
    "robust_spread",
    "spread_of_columns",
]

_ROUNDING = 1e-12
# The standard deviation of normal data is the interquartile range divided by the first number.
# If it is more than the second number times this, the cause is a few outliers.
_NORMAL_RANGE, _LARGEST_EXCESS = 1.349, 5.0


def masses_below(mass: float | np.ndarray) -> np.ndarray:
    """Cumulative weights of the two quartiles, (2, ...), from the sums of all weights."""
    return np.multiply.outer([0.25, 0.75], mass) * (1 - _ROUNDING)


def quartiles(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Lower and upper quartile of each column.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Numbers.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, positive.

    Returns
    -------
    quartiles : ndarray of shape (2, n_columns)
        Numbers of each column.
    """
    wanted, found = masses_below(weights.sum()), np.empty((2, X.shape[1]))
    alike = (weights == weights[0]).all()  # takes a third of the time
    for number, column in enumerate(X.T):
        if alike:
            places = np.ceil(wanted / weights[0]).astype(int) - 1
            found[:, number] = np.partition(column, places)[places]
        else:
            order = column.argsort()
            places = weights[order].cumsum().searchsorted(wanted)
            found[:, number] = column[order[places]]
    return found


def robust_spread(std: np.ndarray, quartiles: np.ndarray) -> np.ndarray:
    """Standard deviation of each column, or an estimate from quartiles if there are outliers.

    Parameters
    ----------
    std : ndarray of shape (n_columns,)
        Standard deviations.
    quartiles : ndarray of shape (2, n_columns)
        Quartiles.

    Returns
    -------
    spread : ndarray of shape (n_columns,)
        The spread.
    """
    low, high = quartiles
    only_rounding = high - low <= _ROUNDING * np.maximum(-low, high)
    robust = np.where(only_rounding, 0, high - low) / _NORMAL_RANGE
    return np.where((robust > 0) & (std > _LARGEST_EXCESS * robust), robust, std)


def may_be_gross(std: np.ndarray, least_range: np.ndarray) -> np.ndarray:
    """Whether outliers may dominate a standard deviation, from a bound on the quartiles."""
    return std > _LARGEST_EXCESS / _NORMAL_RANGE * least_range


def covariance_of_columns(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted covariance of the columns."""
    lowest, highest = X.min(axis=0).astype(float), X.max(axis=0).astype(float)
    extent = np.where(highest > lowest, highest - lowest, 1)
    scaled = (X - lowest) / extent  # as in spread_of_columns
    scaled -= np.average(scaled, axis=0, weights=weights)
    covariance = (weights[:, None] * scaled).T @ scaled / weights.sum()
    return extent[:, None] * covariance * extent


def spread_of_columns(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Robust weighted standard deviation of each column; exactly 0 for a constant column.

    Missing numbers are ignored; a column without any number gets 0.
    """
    missing = np.isnan(X)
    if missing.any():
        of_columns = ((c[~gaps, None], weights[~gaps]) for c, gaps in zip(X.T, missing.T))
        return np.array([spread_of_columns(c, w)[0] if len(c) else 0.0 for c, w in of_columns])
    lowest, highest = X.min(axis=0).astype(float), X.max(axis=0).astype(float)
    extent = highest - lowest
    # Within [0, 1], so that squares neither overflow nor underflow.
    scaled = (X - lowest) / np.where(extent > 0, extent, 1)
    mean = np.average(scaled, axis=0, weights=weights)
    std = extent * np.sqrt(np.average((scaled - mean) ** 2, axis=0, weights=weights))
    return robust_spread(std, quartiles(X, weights))
