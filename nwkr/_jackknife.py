"""Fits without each training row, and the intervals from their residuals.

The fit without a row is the fit to all rows minus the contribution of the row, so no model is
fitted again.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from nwkr._effective import LocalRows

__all__ = ["FitsWithoutEach", "jackknife_limits"]

# A row with at most this share can be removed from a fit without loss of digits.
_LARGEST_SHARE = 0.5
_ROUNDING = 1e-12


class FitsWithoutEach:
    """Fits at some queries, without each key in turn.

    Parameters
    ----------
    seen : LocalRows
        The queries and keys.
    """

    def __init__(self, seen: LocalRows):
        self._seen, self._n_keys = seen, len(seen.fit.attention.weights)
        self._in_order = np.array_equal(seen.cols, np.arange(self._n_keys))
        leverages = seen.leverages
        #: Pairs whose fit cannot be computed in this way; the caller must replace it.
        self.large = leverages > _LARGEST_SHARE
        self._factors = seen.effective / (1 - np.minimum(leverages, _LARGEST_SHARE))
        self._anew: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def replace(self, row: np.ndarray, key: np.ndarray, fits: np.ndarray) -> None:
        """Use these fits for some pairs of a query and a key."""
        self._anew = row, key, fits

    def of_output(self, targets: np.ndarray, number: int) -> np.ndarray:
        """Fits of one output without each key, (n_queries, n_keys)."""
        fit = self._seen.fit.predictions[self._seen.rows, number, None]
        without = fit - self._factors * self._seen.residuals(targets, number)
        if not self._in_order:
            some, without = without, np.repeat(fit, self._n_keys, axis=1)
            without[:, self._seen.cols] = some
        if self._anew is not None:
            row, key, fits = self._anew
            without[row, key] = fits[:, number]
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
        Half-width from the residual of each key.
    counts : ndarray of shape (n_keys,)
        The number of rows that each key counts as.
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
    """The smallest number in each row with ``coverage * (n + 1)`` counts up to it.

    Infinite if there are too few. NaN counts as infinite. The numbers are reordered.
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
