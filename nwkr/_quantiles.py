"""Quantiles of values under the weights of each query.

For many queries, the sorted values are first cut into bins, and the share of each bin is pooled,
which is fast. Weights are then computed only in the bin that contains the quantile.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from nwkr._effective import visit_rows
from nwkr._local_fit import LineFit
from nwkr._pooling import Attention

__all__ = ["pooled_quantiles", "quantiles_about"]

_MOST_BINS = 32
# If fewer than one in this many keys has weight, sorting the keys with weight is faster than
# picking them from all sorted keys.
_SPARSE_ABOVE = 16
# Relative rounding error of a sum of weights. Weights of this share at either end may be rounding
# errors too, such as those of keys at the edge of the window.
_ROUNDING = 1e-12


def pooled_quantiles(attention: Attention, y: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """For each quantile, the smallest value up to which values have that share of the weights.

    Parameters
    ----------
    attention : Attention
        The queries, and the keys of the values.
    y : ndarray of shape (n_keys, n_outputs)
        Values.
    quantiles : ndarray of shape (n_quantiles,)
        Quantiles.

    Returns
    -------
    found : ndarray of shape (n_queries, n_quantiles, n_outputs)
        Quantiles, which are among the values; NaN for queries without weights.
    """
    # Sums are compared with numbers, which needs double precision.
    attention = attention.replace(keys=attention.keys.astype(float, copy=False))
    wanted = np.maximum(quantiles * (1 - _ROUNDING), _ROUNDING)
    found = np.full((len(attention.queries), len(quantiles), y.shape[1]), np.nan)
    sizes, n_pairs = attention.sizes, len(found) * len(y)
    n_bins = min(_MOST_BINS, len(y) // sizes.keys_per_bin)
    # For few queries, or few pairs per output, bins cost more than they save.
    many = len(found) > sizes.least_queries_in_bins
    many &= n_pairs > sizes.least_pairs_in_bins * y.shape[1]
    # Weights are shared by all outputs; bins are computed for each output.
    if n_bins > 1 and many:
        for output, column in enumerate(y.T):
            _look_in_bins(attention, column, n_bins, wanted, found[:, :, output])
    else:
        _look(attention, y, np.tile(wanted, (len(found), 1)), found)
    return found


def _look(attention, y, wanted, found):
    """Find quantiles from the weights.

    `wanted`, of shape (n_queries, n_quantiles), are shares of the weights; NaN for quantiles to
    skip.
    """
    order = cache(lambda output: y[:, output].argsort(kind="stable"))

    def find(rows, cols, weights):
        if not len(cols):
            return
        for output, values in enumerate(y.T):
            if len(cols) < len(y) // _SPARSE_ABOVE:
                in_order = values[cols].argsort(kind="stable")
            else:  # all values are already sorted
                place = np.full(len(y), -1)
                place[cols] = np.arange(len(cols))
                in_order = place[order(output)]
                in_order = in_order[in_order >= 0]
            sums = np.take(weights, in_order, axis=1).cumsum(axis=1)
            values = values[cols[in_order]]
            # Searching each row is faster than comparing all sums with each quantile.
            limits = wanted[rows] * sums[:, -1:]
            reaching = np.array([row.searchsorted(limit) for row, limit in zip(sums, limits)])
            row, number = np.nonzero(~np.isnan(limits) & (sums[:, -1:] > 0))
            found[rows[row], number, output] = values[reaching[row, number]]

    attention.visit(find)


def _look_in_bins(attention, y, n_bins, wanted, found):
    """Find quantiles of one output: first their bins, then from the weights within these."""
    order = y.argsort(kind="stable")
    bins = np.array_split(order, n_bins)
    ends = _pool_bins(attention, bins)
    pending = np.flatnonzero(~np.isnan(ends[:, -1]))
    ends = ends[pending]
    holding = np.column_stack([_reaching(ends, share) for share in wanted])
    starts = np.hstack([np.zeros((len(ends), 1)), ends[:, :-1]])

    def look(rows, keys, wanted):
        among = np.full((*wanted.shape, 1), np.nan)
        _look(attention.take(rows, keys), y[keys, None], wanted, among)
        row, number = np.nonzero(~np.isnan(among[:, :, 0]))
        found[rows[row], number] = among[row, number, 0]

    for number, keys in enumerate(bins):
        here = holding == number
        some = np.flatnonzero(here.any(axis=1))
        if len(some):
            start, end = starts[some, number, None], ends[some, number, None]
            # Elsewhere the quantile is in another bin.
            with np.errstate(divide="ignore", invalid="ignore"):
                within = np.minimum((wanted * ends[some, -1:] - start) / (end - start), 1)
            look(pending[some], np.sort(keys), np.where(here[some], within, np.nan))
    # For pairs of which, by rounding, only one of product and plain formula has weight.
    pending = pending[np.isnan(found[pending]).any(axis=1)]
    if len(pending):
        look(pending, np.arange(len(y)), np.tile(wanted, (len(pending), 1)))


def quantiles_about(fit: LineFit, targets: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Quantiles of the targets around local lines.

    Each target is moved to the query along its line; then as for :func:`pooled_quantiles`.

    Parameters
    ----------
    fit : LineFit
        Lines at the queries.
    targets : ndarray of shape (n_keys, n_outputs)
        Targets.
    quantiles : ndarray of shape (n_quantiles,)
        Quantiles.

    Returns
    -------
    found : ndarray of shape (n_queries, n_quantiles, n_outputs)
        Quantiles; NaN for queries without weights.
    """
    wanted = np.maximum(quantiles * (1 - _ROUNDING), _ROUNDING)
    found = np.full((len(fit.mean), len(quantiles), targets.shape[1]), np.nan)

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
                found[seen.rows[some], place, output] = reached

    visit_rows(fit, find)
    return found


def _pool_bins(attention, bins):
    """Shares of the weights up to the end of each bin, (n_queries, n_bins)."""
    values = np.zeros((len(attention.weights), len(bins)))
    for number, keys in enumerate(bins):
        values[keys, number] = 1
    return attention.pool(values).finish().cumsum(axis=1)


def _reaching(sums, share):
    """Number of the first sum in each row that reaches a share of the last sum."""
    return (sums < np.reshape(share * sums[:, -1], (-1, 1))).sum(axis=1)
