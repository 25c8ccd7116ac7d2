"""Blocks: only the pairs that matter, as many small problems instead of a large one.

Keys and queries are put in k-d order and cut into blocks of rows that lie together, each in its
box. A block of queries meets those blocks of keys that can have weight for it
(`_neighbourhoods.py`): for a kernel of compact support those within reach, for any other those
without which the sums are the same up to rounding. Blocks of keys that lie wholly within a
support are added by their moments (`_moments.py`), without looking at a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nwkr._pooling._dense import pool_dense
from nwkr._pooling._distances import EuclideanPairs
from nwkr._pooling._moments import Moments
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._rows import Rows, row_blocks
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each
from nwkr.kernels import Kernel

__all__ = ["attend_blocks", "pool_blocks", "sum_blocks"]


def pool_blocks(
    around: Neighbourhoods,
    kernel: Kernel,
    values: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    multiples: Sequence[float] = (1.0,),
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool the values over the pairs that matter, with several bandwidths at once.

    What is not listed is as in :func:`nwkr._pooling._dense.pool_dense`.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    rows : ndarray of shape (n_rows,) or None, default=None
        Numbers of the queries to pool for, all by default; the others get nothing.
    """
    if around.by_moments and len(multiples) > 1:
        # These differ from one bandwidth to the next, and are worth more than shared distances.
        options: dict[str, Any] = {"rows": rows, "empty": empty, "n_jobs": n_jobs}
        return [
            sums
            for multiple in multiples
            for sums in pool_blocks(around, kernel, values, multiples=[multiple], **options)
        ]
    pairs = around.pairs
    shift = np.full((len(multiples), pairs.shape[0]), -np.inf)
    sums = np.zeros((len(multiples), pairs.shape[0], len(values)))
    moments = []
    if around.by_moments:
        levels = around.groups, around.blocks
        moments = [Moments(pairs, kernel, values, of.starts, multiples[0]) for of in levels]

    def pool_block(rows):
        # Of these queries; all are written at once, for they stand anywhere.
        block_shift = np.full((len(multiples), len(rows)), -np.inf)
        block_sums = np.zeros((len(multiples), len(rows), len(values)))
        found = around.of(rows, multiples)
        for of_level, numbers in zip(moments, found.within):
            if len(numbers):
                block_sums[0] += of_level.sums(numbers, rows)
                block_shift[0] = 0
        numbers, needed = found.blocks, None
        if not around.by_moments:
            order = np.argsort(found.nearest)  # what is near may make the rest needless
            numbers = numbers[order]
            needed = around.needed(numbers, found.nearest[order], multiples)
        if len(numbers):
            cols, part = around.part(rows, numbers)
            values_of_part = np.take(values, cols, axis=1)
            pooled = pool_dense(
                part, kernel, values_of_part, multiples=multiples, needed=needed, n_jobs=1
            )
            for number, of_pairs in enumerate(pooled):
                np.copyto(block_shift[number], of_pairs.shift, where=of_pairs.total > 0)
                block_sums[number, :, 0] += of_pairs.total
                block_sums[number, :, 1:] += of_pairs.weighted
        lone = np.isneginf(block_shift)
        if empty is not None and lone.any():
            standing = _standing_in(around, kernel, values, multiples, empty, rows, lone)
            np.copyto(block_sums, standing, where=lone[:, :, None])
        shift[:, rows], sums[:, rows] = block_shift, block_sums

    each(pool_block, around.of_queries(rows), n_jobs)
    return [PooledSums(*parts) for parts in zip(shift, sums[:, :, 0], sums[:, :, 1:])]


def _standing_in(around, kernel, values, multiples, empty, rows, lone):
    """Sums of what stands in for the weights of lone queries: the nearest keys, or all."""
    pairs, standing = around.pairs, np.zeros((len(multiples), len(rows), len(values)))
    if empty == "mean":
        standing += values.sum(axis=1)
        if pairs.leave_out is not None:
            left_out = pairs.leave_out[rows]
            standing -= np.where(left_out < 0, 0, values[:, left_out]).T
        return standing
    alone = np.flatnonzero(lone.any(axis=0))
    cols, part = around.part(rows[alone], around.nearest(rows[alone]))
    values_of_part = np.take(values, cols, axis=1)
    for block in row_blocks(len(alone), len(cols)):
        exactly = Rows(part, kernel, np.r_[block], empty)
        for number, multiple in enumerate(multiples):
            these = np.flatnonzero(lone[number, alone[block]])
            sums, _ = exactly.sums(values_of_part, multiple, these)
            standing[number, alone[block][these]] = sums
    return standing


def attend_blocks(
    around: Neighbourhoods,
    kernel: Kernel,
    visit: Callable[[np.ndarray, np.ndarray, np.ndarray], None],
    *,
    empty: str | None = None,
    n_jobs: int | None = None,
) -> None:
    """Show the weights of the pairs that matter.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    kernel : Kernel
        The kernel.
    visit : callable
        Called as ``visit(rows, cols, weights)`` with numbers of queries and of keys, and the
        kernel's weights, an ndarray of shape (n_rows, n_cols); once for each query, from
        several threads.
    empty : {"nearest", "mean"} or None, default=None
        What a query takes that no key has weight for: its nearest keys, all, or nothing.
    n_jobs : int or None, default=None
        Number of threads.
    """

    def attend_block(rows):
        numbers = around.all_of(rows)
        if empty == "nearest":
            numbers = np.union1d(numbers, around.nearest(rows))
        elif empty == "mean":
            numbers = np.arange(len(around.blocks))
        cols, part = around.part(rows, numbers)
        for block in row_blocks(len(rows), max(1, len(cols))):
            weights = Rows(part, kernel, np.r_[block], empty).weights()
            visit(rows[block], cols, weights)

    each(attend_block, around.of_queries(), n_jobs)


def sum_blocks(
    around: Neighbourhoods,
    add: Callable[[np.ndarray, np.ndarray, EuclideanPairs], np.ndarray],
    n_jobs: int | None = None,
) -> np.ndarray:
    """Sum something over the pairs that matter, column by column.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    add : callable
        ``add(rows, cols, pairs)`` is the share of some queries with some keys: their numbers,
        and their pairs; an ndarray of shape (n_columns,).
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    total : ndarray of shape (n_columns,)
        The sums.
    """
    parts = around.of_queries()
    shares = [np.zeros(len(around.pairs.columns))] * len(parts)

    def add_block(number):
        found = around.all_of(parts[number])
        if len(found):
            cols, pairs = around.part(parts[number], found)
            shares[number] = add(parts[number], cols, pairs)

    each(add_block, range(len(parts)), n_jobs)
    return np.sum(shares, axis=0)
