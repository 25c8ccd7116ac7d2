"""Fits without one training row each, and the intervals that their residuals make.

A fit without a row is the fit with all, less the row's share; nothing is fitted again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from nwkr._pooling import pool
from nwkr._spread import pooled_sample_size, pooled_variance

__all__ = ["LARGEST_SHARE", "FitsWithoutEach", "LocalFit", "Residuals", "local_fit"]

# A row's share can be taken off a fit, without loss of digits, if it is no more than this.
LARGEST_SHARE = 0.5
_ROUNDING = 1e-12


@dataclass(frozen=True)
class LocalFit:
    """Means at some queries and, on request, what their local scale is made of.

    Attributes
    ----------
    mean : ndarray of shape (n_queries, n_values)
        Pooled values.
    variance : ndarray of shape (n_queries, n_values) or None, default=None
        Their variance.
    sample_size : ndarray of shape (n_queries, 1) or None, default=None
        Effective number of rows behind them.
    """

    mean: np.ndarray
    variance: np.ndarray | None = None
    sample_size: np.ndarray | None = None

    def scale(self, overall, number=slice(None)):
        """Local scale, given the overall mean square; of one of the values or of all."""
        assert self.variance is not None
        assert self.sample_size is not None
        size = self.sample_size[:, 0] if isinstance(number, int) else self.sample_size
        return _local_scale(self.variance[:, number], size, overall)


def local_fit(arguments: dict[str, Any], values: np.ndarray, scaled: bool) -> LocalFit:
    """Fit some queries, with what their local scale is made of if `scaled`."""
    if not scaled:
        return LocalFit(pool(values=values, **arguments).finish())
    sample_size = pooled_sample_size(arguments)[:, None]
    return LocalFit(*pooled_variance(arguments, values), sample_size)


class FitsWithoutEach:
    """Fits at some queries, without each key in turn.

    Parameters
    ----------
    attention : ndarray of shape (n_queries, n_cols)
        Attention weights.
    cols : ndarray of shape (n_cols,)
        The keys that these are of; all others have none.
    values : ndarray of shape (n_keys, n_values)
        Values of all keys.
    scaled : bool
        Whether the local scale is asked for.
    """

    def __init__(self, attention, cols, values, scaled):
        self._attention, self._cols, self._values, self._scaled = attention, cols, values, scaled
        self._in_order = np.array_equal(cols, np.arange(len(values)))
        # Where a share is larger, something else takes the place of the fit.
        shares = attention if attention.max() <= LARGEST_SHARE else attention.clip(0, LARGEST_SHARE)
        self._rest = 1 - shares
        if scaled:
            squares = np.einsum("ij,ij->i", attention, attention)
            self._sample_size = 1 / squares
            self._sample_size_without = self._rest**2
            self._sample_size_without /= squares[:, None] - shares**2
        self._replaced: tuple[np.ndarray, np.ndarray, LocalFit] | None = None

    def replace(self, row, key, fit):
        """Take, for some queries and keys, these fits of one query each instead."""
        self._replaced = row, key, fit

    def output(self, number, overall):
        """Means and scales for one of the values, (n_queries, n_keys); None if not scaled."""
        values = self._values[self._cols, number]
        mean = self._attention @ values
        apart = values - mean[:, None]
        share = self._attention * apart
        share /= self._rest
        means = self._of_all_keys(mean, mean[:, None] - share)
        scales = None
        if self._scaled:
            variance = np.einsum("ij,ij,ij->i", self._attention, apart, apart)
            share *= apart
            without = np.subtract(variance[:, None], share, out=share)
            without = np.maximum(without, 0, out=without)
            without /= self._rest
            scales = self._of_all_keys(
                _local_scale(variance, self._sample_size, overall),
                _local_scale(without, self._sample_size_without, overall),
            )
        if self._replaced is not None:
            row, key, fit = self._replaced
            means[row, key] = fit.mean[:, number]
            if scales is not None:
                scales[row, key] = fit.scale(overall, number)
        return means, scales

    def _of_all_keys(self, with_all, without):
        if self._in_order:
            return without
        everywhere = np.repeat(with_all[:, None], len(self._values), axis=1)
        everywhere[:, self._cols] = without
        return everywhere


def _local_scale(variance, sample_size, overall):
    """Standard deviation, with the overall mean square in it as if it were one more row."""
    squares = sample_size * variance
    squares += overall
    squares /= sample_size + 1
    return np.sqrt(squares, out=squares)


class Residuals:
    """What the predictions of the keys are off by, each left out.

    Parameters
    ----------
    values : ndarray of shape (n_keys, n_values)
        Values of the keys.
    fit : LocalFit
        Their fits, each left out.
    counts : ndarray of shape (n_keys,)
        As how many residuals each counts.
    """

    def __init__(self, values, fit, counts):
        self._counts = counts
        self._sizes = np.abs(values - fit.mean)
        known = ~np.isnan(self._sizes[:, 0])
        self.overall = np.zeros(values.shape[1])
        if known.any():
            squares = self._sizes[known] ** 2
            self.overall = np.average(squares, weights=counts[known], axis=0)
        if fit.variance is not None:
            scale = fit.scale(self.overall)
            self._sizes = self._sizes / np.where(scale > 0, scale, 1)

    def limits(self, fits, coverage):
        """Lower and upper ends at some queries, (n_queries, 2, n_values)."""
        limits = []
        for number, sizes in enumerate(self._sizes.T):
            mean, scale = fits.output(number, self.overall[number])
            reach = sizes if scale is None else np.multiply(scale, sizes, out=scale)
            lower = -_order_statistic(reach - mean, self._counts, coverage)
            upper = _order_statistic(np.add(mean, reach, out=mean), self._counts, coverage)
            limits.append([lower, upper])
        return np.transpose(limits, (2, 1, 0))


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
