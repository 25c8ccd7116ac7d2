"""Exact recomputation of uncertain sums from rows of weights, and replacement weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nwkr._pooling._pairs import Pairs
from nwkr._pooling._rows import in_rows
from nwkr._pooling._sums import MEAN_RANK, PooledSums
from nwkr._pooling._threads import each
from nwkr._pooling._values import WeightedValues, as_dense
from nwkr.kernels import Kernel

__all__ = ["pool_exactly"]


def pool_exactly(
    sums: np.ndarray,
    uncertain: np.ndarray,
    parts: Sequence[np.ndarray],
    pairs: Pairs,
    kernel: Kernel,
    values: WeightedValues,
    multiples: Sequence[float],
    *,
    near: Callable[[np.ndarray, str | None], tuple[np.ndarray, Pairs]] | None = None,
    log_scales: np.ndarray | None = None,
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Recompute uncertain sums exactly.

    Parameters
    ----------
    sums : ndarray of shape (n_multiples, n_queries, 1 + n_values)
        The sums of the tiles, which are overwritten.
    uncertain : ndarray of bool, of shape (n_multiples, n_queries)
        Which of these to recompute.
    parts : sequence of ndarray
        Numbers of all uncertain queries; each array is for one thread.
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    values : WeightedValues
        Key weights, and the values times these.
    multiples : sequence of float
        Factors of the bandwidth.
    near : callable or None, default=None
        ``near(queries, empty)`` returns the numbers of all keys that may have weight for some
        queries, or are their replacements, and the pairs with these. All keys by default.
    log_scales : ndarray of shape (n_multiples, n_queries) or None, default=None
        Logarithms of the scales of the weights in the sums; 0 by default.
    empty : {"nearest", "mean"} or None, default=None
        Replacement for queries without weights: nearest keys, all keys, or none.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    pooled : list of PooledSums
        Total and weighted sums of each query, for each multiple.
    """
    n_queries = sums.shape[1]
    log_scales = np.zeros(sums.shape[:2]) if log_scales is None else log_scales
    pooled = [
        PooledSums(log_scale, part[:, 0], part[:, 1:]) for log_scale, part in zip(log_scales, sums)
    ]
    for number in np.flatnonzero(uncertain.any(axis=1)):
        rank = np.repeat(pooled[number].rank, n_queries, axis=0)
        pooled[number] = replace(pooled[number], remainder=np.zeros(n_queries), rank=rank)
    # The mean is the same for all queries except for a left-out key, so it is added at the end.
    mean_at_end = empty == "mean" and pairs.mask is None
    of_rows = None if mean_at_end else empty

    def make_again(part):
        again = part[uncertain[:, part].any(axis=0)]
        if near is None:
            of_part, rows, cols = pairs, again, None
        else:
            (cols, of_part), rows = near(again, of_rows), np.arange(len(again))
        for exactly in in_rows(of_part, kernel, rows, of_rows, max(multiples)):
            these, again = np.split(again, [len(exactly.rows)])
            of_these = values.take(exactly.cols if cols is None else cols[exactly.cols])
            for of_multiple, wanted, multiple in zip(pooled, uncertain, multiples):
                some = np.flatnonzero(wanted[these])
                of_multiple.put(these[some], exactly.sums(of_these, multiple, some))

    each(make_again, [part for part in parts if uncertain[:, part].any()], n_jobs)
    if mean_at_end:
        _put_mean(pooled, uncertain, values, pairs.leave_out)
    return pooled


def _put_mean(pooled, uncertain, weighted_values, leave_out):
    """Write sums over all keys for queries without weights."""
    lone = [wanted & ~sums.reached for sums, wanted in zip(pooled, uncertain)]
    if not np.any(lone):
        return
    values = as_dense(weighted_values.all)
    others = everything = values.sum(axis=1, keepdims=True)
    if leave_out is None:
        leave_out = np.full(len(lone[0]), -1)
    else:
        # Add the sums before and after the key, because subtracting the key could lose all digits.
        before, after = (np.cumsum(side, axis=1) for side in (values, values[:, ::-1]))
        others = np.hstack([np.zeros_like(values), everything])
        others[:, 1:-1] += before[:, :-1]
        others[:, :-2] += after[:, -2::-1]
    for of_multiple, alone in zip(pooled, lone):
        rows = np.flatnonzero(alone)
        total, *weighted = others[:, leave_out[rows]]
        mean = PooledSums(
            np.zeros(len(rows)),
            total,
            np.reshape(weighted, (len(weighted), len(rows))).T,
            rank=np.array([MEAN_RANK]),
        )
        of_multiple.put(rows, mean)
