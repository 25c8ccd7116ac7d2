"""Fits without one training row each, and the intervals that their residuals make.

A fit without a row is the fit with all, less the row's share; nothing is fitted again.
"""

from __future__ import annotations

from math import ceil

import numpy as np

__all__ = ["LARGEST_SHARE", "FitsWithoutEach", "jackknife_limits"]

# A row's share can be taken off a fit, without loss of digits, if it is no more than this.
LARGEST_SHARE = 0.5
_ROUNDING = 1e-12


class FitsWithoutEach:
    """Fits at some queries, without each key in turn.

    Parameters
    ----------
    attention : ndarray of shape (n_queries, n_cols)
        Attention weights; rows sum to 1.
    cols : ndarray of shape (n_cols,)
        Numbers of the keys that these are of; all others have none.
    values : ndarray of shape (n_keys, n_values)
        Values of all keys.
    """

    def __init__(self, attention: np.ndarray, cols: np.ndarray, values: np.ndarray):
        self._attention, self._cols, self._values = attention, cols, values
        self._in_order = np.array_equal(cols, np.arange(len(values)))
        # Where a share is larger, something else takes the place of the fit.
        self._rest = 1 - (
            attention if attention.max() <= LARGEST_SHARE else attention.clip(0, LARGEST_SHARE)
        )
        self._pooled_anew: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def replace(self, row: np.ndarray, key: np.ndarray, pooled: np.ndarray) -> None:
        """Take instead, for pairs of a query and a key, these pooled values."""
        self._pooled_anew = row, key, pooled

    def of_value(self, number: int) -> np.ndarray:
        """One of the values, pooled without each key, (n_queries, n_keys)."""
        values = self._values[self._cols, number]
        fit = (self._attention @ values)[:, None]
        moved = values - fit
        moved *= self._attention
        moved /= self._rest
        without = np.subtract(fit, moved, out=moved)
        if not self._in_order:
            some, without = without, np.repeat(fit, len(self._values), axis=1)
            without[:, self._cols] = some
        if self._pooled_anew is not None:
            row, key, pooled = self._pooled_anew
            without[row, key] = pooled[:, number]
        return without


def jackknife_limits(
    fits: np.ndarray, reach: np.ndarray, counts: np.ndarray, coverage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of jackknife+ intervals.

    Parameters
    ----------
    fits : ndarray of shape (n_queries, n_keys)
        Fits without each key. They are overwritten.
    reach : ndarray of shape (n_queries, n_keys) or (n_keys,)
        How far each key's residual reaches to both sides.
    counts : ndarray of shape (n_keys,)
        As how many each counts.
    coverage : float
        The coverage.

    Returns
    -------
    lower, upper : ndarray of shape (n_queries,)
        The ends.
    """
    lower = -_order_statistic(reach - fits, counts, coverage)
    fits += reach
    return lower, _order_statistic(fits, counts, coverage)


def _order_statistic(numbers, counts, coverage):
    """The number in each row that, with those below, makes up ``coverage * (n + 1)`` of them.

    Infinite where all do not. What is NaN is larger than all numbers, and infinite. The numbers
    are put in another order.
    """
    wanted = coverage * (counts.sum() + 1) * (1 - _ROUNDING)
    if (counts == counts[0]).all():
        place = ceil(wanted / counts[0]) - 1
        if place >= len(counts):
            return np.full(len(numbers), np.inf)
        numbers.partition(place, axis=1)
        found = numbers[:, place]
    else:
        order = numbers.argsort(axis=1)
        reached = counts[order].cumsum(axis=1) >= wanted
        first = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
        found = np.take_along_axis(numbers, first, axis=1)[:, 0]
        found = np.where(reached[:, -1], found, np.inf)
    return np.where(np.isnan(found), np.inf, found)
