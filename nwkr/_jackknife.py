"""Fits without one training row each, and the intervals that their residuals make.

A fit without a row is the fit with all, less the row's share; nothing is fitted again.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from nwkr._effective import LocalRows

__all__ = ["LARGEST_SHARE", "FitsWithoutEach", "jackknife_limits"]

# A row with a share of at most this can be taken out of a fit without loss of digits.
LARGEST_SHARE = 0.5
_ROUNDING = 1e-12


class FitsWithoutEach:
    """Fits at some queries, without each key in turn.

    Parameters
    ----------
    seen : LocalRows
        The queries, seen from the keys.
    """

    def __init__(self, seen: LocalRows):
        self._seen, self._n_keys = seen, len(seen.fit.attention.weights)
        self._in_order = np.array_equal(seen.cols, np.arange(self._n_keys))
        leverages = seen.leverages
        #: Pairs whose fit cannot be found this way: the caller has to replace it.
        self.large = leverages > LARGEST_SHARE
        self._factors = seen.effective / (1 - np.minimum(leverages, LARGEST_SHARE))
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
    """The least number in each row up to which there are ``coverage * (n + 1)``, by count.

    Infinite where all together do not suffice. NaN counts as infinite. The numbers are reordered.
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
