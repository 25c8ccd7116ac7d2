"""Dense pooling: every query meets every key, one tile at a time.

A tile is three array operations: a product that gives squared distances, the kernel's
profile in place, and a product with the values. Sums are kept, the tile is not.

What the tiles cannot tell is left to whole rows (`_rows.py`): queries so far from all keys
that the weights underflow, or so near the edge of the support that rounding shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isclose

import numpy as np

from nwkr._pooling._distances import Pairs
from nwkr._pooling._rows import Rows, row_blocks
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each, scratch
from nwkr._pooling._tiles import QUERIES_PER_TILE, Tiles, slices
from nwkr.kernels import Kernel

__all__ = ["pool_dense"]

# A query is far where the least weight of a tile, exp(LOWEST), is something in its total.
_FAR = {np.dtype(np.float64): 2.0**-900, np.dtype(np.float32): 2.0**-70}
# Weights near the edge of the support carry the product's error: little else in the total,
# and it shows.
_THIN = {np.dtype(np.float64): 2.0**-6, np.dtype(np.float32): 1.0}
# The error of a weight doubles with each squaring: to 1e-12 at most here.
_SQUARINGS = 12


def pool_dense(
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    *,
    multiples: Sequence[float] = (1.0,),
    needed: Callable[[np.ndarray], np.ndarray] | None = None,
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool the values over all pairs, with several bandwidths at once.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    values : ndarray of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    multiples : sequence of float, default=(1.0,)
        Factors of the bandwidth, the least of them 1.
    needed : callable or None, default=None
        Told the totals so far, of shape (n_multiples, n_rows), it says how many of the keys,
        which come in the order of their importance, each multiple needs; for a wider one no
        fewer. All by default.
    empty : {"nearest", "mean"} or None, default=None
        What a query takes that no key has weight for: its nearest keys, all, or nothing.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    sums : list of PooledSums
        Total and weighted sums of each query, for each multiple.
    """
    n_queries, n_keys = pairs.shape
    shift = np.zeros((len(multiples), n_queries))
    sums = np.empty((len(multiples), n_queries, len(values)))
    # Squaring weights doubles their error, which float32 has no digits for.
    tiles = Tiles(pairs, kernel, None if len(multiples) == 1 else np.float64)
    by_dtype = {np.dtype(np.float64): values, tiles.dtype: values.astype(tiles.dtype, copy=False)}
    chains = _chains(multiples, tiles.log_linear)
    narrow = _THIN if tiles.by_product and np.isfinite(kernel.support) else _FAR

    def weights_of_each(tile, most, rows, cols, counts, spare):
        for multiple, chain in chains:
            # The last chain may have the place of the tile.
            room = tile if chain is chains[-1][1] else spare[: tile.size].reshape(tile.shape)
            scaled, room = tile[:, : counts[chain[0]]], room[:, : counts[chain[0]]]
            if room.base is not tile.base or multiple != 1:
                scaled = tiles.rescale(scaled, multiple, out=room)
            weights = tiles.weights(scaled, most / multiple**2)
            pairs.exclude(weights, rows, slice(cols.start, cols.start + weights.shape[1]))
            yield chain[0], weights
            for number in chain[1:]:
                weights = weights[:, : counts[number]]
                yield number, np.square(weights, out=weights)

    def pool_block(rows):
        spare = scratch("spare", tiles.size if len(multiples) > 1 else 0, np.dtype(np.float64))
        block_sums = np.zeros((len(multiples), rows.stop - rows.start, len(values)))
        for cols, tile, most in tiles.scan(rows):
            width = cols.stop - cols.start
            counts = np.full(len(multiples), width)
            if needed is not None:
                counts = np.clip(needed(block_sums[:, :, 0]) - cols.start, 0, width)
                if not counts.any():
                    break
            for number, weights in weights_of_each(tile, most, rows, cols, counts, spare):
                columns = by_dtype[weights.dtype][:, cols.start : cols.start + weights.shape[1]]
                _add_product(block_sums[number], weights, columns)
        sums[:, rows] = block_sums
        narrowly = ~(sums[:, rows, 0] > narrow[tiles.dtype])
        again = rows.start + np.flatnonzero(narrowly.any(axis=0))
        for block in row_blocks(len(again), n_keys):
            exactly = Rows(pairs, kernel, again[block], empty)
            for number, multiple in enumerate(multiples):
                part = np.flatnonzero(narrowly[number, again[block] - rows.start])
                these = again[block][part]
                sums[number, these], shift[number, these] = exactly.sums(values, multiple, part)

    each(pool_block, slices(n_queries, QUERIES_PER_TILE), n_jobs)
    return [PooledSums(*parts) for parts in zip(shift, sums[:, :, 0], sums[:, :, 1:])]


def _chains(multiples, log_linear):
    """Cut multiples into chains, each its first multiple and the numbers of its members.

    In a chain every multiple is the last one divided by sqrt 2, and the weights are its
    squares.
    """
    left = sorted(range(len(multiples)), key=lambda number: -multiples[number])
    chains = []
    while left:
        chain = [left.pop(0)]
        first = multiples[chain[0]]
        while log_linear and len(chain) <= _SQUARINGS:
            wanted = first / 2 ** (len(chain) / 2)
            found = [number for number in left if isclose(multiples[number], wanted, rel_tol=1e-13)]
            if not found:
                break
            chain.append(found[0])
            left.remove(found[0])
        chains.append((first, chain))
    return chains


def _add_product(sums, weights, values):
    """Add ``weights @ values.T`` to the sums."""
    if len(values) > 3:
        sums += weights @ values.T
        return
    # A matrix this thin costs BLAS more than its columns do one by one; and np.dot lets other
    # threads run meanwhile, which @ does not with a vector.
    for number, column in enumerate(values):
        sums[:, number] += np.dot(weights, column)
