"""Quantiles of values under the weights of each query.

First the share is pooled that each of some bins of the sorted values has, which is cheap; the
weights themselves are looked at only in the bin that holds the quantile.
"""

from __future__ import annotations

import numpy as np

from nwkr._effective import visit_rows
from nwkr._local import LocalFit
from nwkr._pooling import Attention

__all__ = ["pooled_quantiles", "quantiles_about"]

_BINS, _KEYS_PER_BIN = 32, 64  # so many bins, unless they would have fewer keys
# By how much, of it, a sum of weights may miss a share by rounding. So much of the weights may
# also be rounding at either end: that of keys at the very edge of the window, for one.
_ROUNDING = 1e-12


def pooled_quantiles(attention: Attention, y: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The smallest value, for each quantile, up to which values have that share of the weights.

    Parameters
    ----------
    attention : Attention
        The queries, and the keys that have the values.
    y : ndarray of shape (n_keys,)
        Values.
    quantiles : ndarray of shape (n_quantiles,)
        Quantiles.

    Returns
    -------
    found : ndarray of shape (n_queries, n_quantiles)
        Some of the values; NaN where no key has weight.
    """
    # What is compared with numbers takes all digits.
    attention = attention.replace(keys=attention.keys.astype(float, copy=False))
    wanted = np.maximum(quantiles * (1 - _ROUNDING), _ROUNDING)
    found = np.full((len(attention.queries), len(quantiles)), np.nan)
    order = y.argsort(kind="stable")
    rank = order.argsort()
    pending = np.arange(len(found))

    def look(rows, keys, wanted):
        """Find the quantiles of some queries among some keys, in the order of their numbers."""

        def find(numbers, cols, weights):
            in_order = rank[keys[cols]].argsort()
            values = y[keys[cols[in_order]]]
            sums = weights[:, in_order].cumsum(axis=1)
            for place, shares in enumerate(wanted[numbers].T):
                some = np.flatnonzero(~np.isnan(shares) & (sums[:, -1] > 0))
                found[rows[numbers[some]], place] = values[_reaching(sums[some], shares[some])]

        attention.take(rows, keys).visit(find)

    n_bins = min(_BINS, len(y) // _KEYS_PER_BIN)
    if n_bins > 1:
        bins = np.array_split(order, n_bins)
        ends = _pool_bins(attention, bins)
        pending = np.flatnonzero(~np.isnan(ends[:, -1]))
        ends = ends[pending]
        holding = np.column_stack([_reaching(ends, share) for share in wanted])
        starts = np.hstack([np.zeros((len(ends), 1)), ends[:, :-1]])
        for number, keys in enumerate(bins):
            here = holding == number
            some = np.flatnonzero(here.any(axis=1))
            if len(some):
                start, end = starts[some, number, None], ends[some, number, None]
                with np.errstate(divide="ignore", invalid="ignore"):  # where it is not here
                    within = np.minimum((wanted * ends[some, -1:] - start) / (end - start), 1)
                look(pending[some], np.sort(keys), np.where(here[some], within, np.nan))
        # Where the product and the plain formula disagree, by rounding, on what has weight.
        pending = pending[np.isnan(found[pending]).any(axis=1)]
    if len(pending):
        look(pending, np.arange(len(y)), np.tile(wanted, (len(pending), 1)))
    return found


def quantiles_about(fit: LocalFit, targets: np.ndarray, quantiles: np.ndarray) -> list[np.ndarray]:
    """Quantiles of the targets around local lines.

    Each target is moved to the query along its line; then as for :func:`pooled_quantiles`.

    Parameters
    ----------
    fit : LocalFit
        Lines at the queries.
    targets : ndarray of shape (n_keys, n_outputs)
        Targets.
    quantiles : ndarray of shape (n_quantiles,)
        Quantiles.

    Returns
    -------
    found : list of ndarray, each of shape (n_queries, n_quantiles)
        For each output; NaN where no key has weight.
    """
    wanted = np.maximum(quantiles * (1 - _ROUNDING), _ROUNDING)
    found = [np.full((len(fit.mean), len(quantiles)), np.nan) for _ in targets.T]

    def find(seen):
        some = np.flatnonzero(seen.weights.any(axis=1))
        for output, column in enumerate(targets.T):
            moved = seen.moved(column, output)[some]
            order = moved.argsort(axis=1)
            sums = np.take_along_axis(seen.weights[some], order, axis=1).cumsum(axis=1)
            moved = np.take_along_axis(moved, order, axis=1)
            for place, share in enumerate(wanted):
                reaching = _reaching(sums, share)[:, None]
                reached = np.take_along_axis(moved, reaching, axis=1)[:, 0]
                found[output][seen.rows[some], place] = reached

    visit_rows(fit, find)
    return found


def _pool_bins(attention, bins):
    """Shares of the weights up to the end of each bin, (n_queries, n_bins)."""
    values = np.zeros((len(attention.weights), len(bins)))
    for number, keys in enumerate(bins):
        values[keys, number] = 1
    return attention.pool(values).finish().cumsum(axis=1)


def _reaching(sums, share):
    """Number of the first sum in each row that reaches a share of the last."""
    return (sums < np.reshape(share * sums[:, -1], (-1, 1))).sum(axis=1)
