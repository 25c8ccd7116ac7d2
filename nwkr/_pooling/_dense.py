"""Dense pooling: every query meets every key, one tile at a time.

A tile is three array operations: a product that gives squared distances, the kernel's
profile in place, and a product with the values. Sums are kept, the tile is not.

What the tiles cannot tell is left to whole rows (`_rows.py`): queries so far from all keys
that the weights underflow, or so near the edge of the support that rounding shows.
"""

from __future__ import annotations

from math import e, log2

import numpy as np

from nwkr._pooling._distances import Pairs
from nwkr._pooling._rows import kernel_rows, row_blocks
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each
from nwkr.kernels import Kernel

__all__ = ["pool_dense"]

# A tile of float64 is a megabyte, which stays in a core's second-level cache.
_QUERIES_PER_TILE = 256
_PAIRS_PER_TILE = 2**17

# exp2 takes ten times longer where its result underflows. Weights of 2^_LOWEST in its place
# are nothing beside the total of a query that is not _FAR.
_LOWEST = {np.dtype(np.float64): -1000.0, np.dtype(np.float32): -120.0}
_FAR = {np.dtype(np.float64): 2.0**-900, np.dtype(np.float32): 2.0**-70}
# Weights near the edge of the support carry the product's error: little else in the total,
# and it shows.
_THIN = {np.dtype(np.float64): 2.0**-6, np.dtype(np.float32): 1.0}


def pool_dense(
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    *,
    empty: str | None = None,
    n_jobs: int | None = None,
) -> PooledSums:
    """Pool the values over all pairs.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    values : ndarray of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    empty : {"nearest", "mean"} or None, default=None
        What a query takes that no key has weight for: its nearest keys, all, or nothing.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    sums : PooledSums
        Total and weighted sums of each query.
    """
    n_queries, n_keys = pairs.shape
    shift, sums = np.zeros(n_queries), np.empty((n_queries, len(values)))
    tiles = _Tiles(pairs, kernel, values)
    narrow = _THIN if tiles.by_product and np.isfinite(kernel.support) else _FAR

    def pool_block(rows):
        block = tiles.sums(rows)
        narrowly = np.flatnonzero(~(block[:, 0] > narrow[pairs.dtype]))
        for part in row_blocks(len(narrowly), n_keys):
            again = narrowly[part]
            weights, scale = kernel_rows(pairs, kernel, rows.start + again, empty)
            block[again] = weights @ values.T
            shift[rows.start + again] = scale
        sums[rows] = block

    each(pool_block, _slices(n_queries, _QUERIES_PER_TILE), n_jobs)
    return PooledSums(shift, sums[:, 0], sums[:, 1:])


class _Tiles:
    """The tiles of dense pooling, a row of them at a time."""

    def __init__(self, pairs, kernel, values):
        n_queries, n_keys = pairs.shape
        self._pairs, self._kernel = pairs, kernel
        self._values = {np.dtype(np.float64): values, pairs.dtype: values.astype(pairs.dtype)}
        height = min(n_queries, _QUERIES_PER_TILE)
        self._columns = _slices(n_keys, max(_PAIRS_PER_TILE // height, 1))
        # With log-weights linear in u2, the product gives them finished, in powers of 2.
        self._log_linear = kernel.log_slope is not None
        self._factor = kernel.log_slope * log2(e) if self._log_linear else 1.0
        self._product = pairs.product(self._factor) if kernel.smooth else None
        self.by_product = self._product is not None
        self._radii = np.full(len(self._columns), np.inf)
        if self._product is not None:
            self._radii[:] = [self._product.key_norms[cols].max() for cols in self._columns]

    def sums(self, rows):
        """Sums over all keys, for a slice of queries."""
        height = rows.stop - rows.start
        sums = np.zeros((height, len(self._values[self._pairs.dtype])))
        room = np.empty(height * self._columns[0].stop, self._pairs.dtype)
        radius = 0.0 if self._product is None else self._product.query_norms[rows].max()
        for cols, reach in zip(self._columns, (radius + self._radii).tolist()):
            out = room[: height * (cols.stop - cols.start)].reshape(height, -1)
            weights = self._weights(self._scaled(rows, cols, reach, out), reach)
            self._pairs.exclude(weights, rows, cols)
            sums += _times(weights, self._values[weights.dtype][:, cols])
        return sums

    def _scaled(self, rows, cols, reach, out):
        """The factor times the squared distances."""
        if self._product is not None and self._product.write(out, rows, cols, reach):
            return out
        tile = self._pairs.differences(rows, cols)
        return np.multiply(tile, self._factor, out=tile) if self._log_linear else tile

    def _weights(self, tile, reach):
        if not self._log_linear:
            return self._kernel.profile(tile)
        lowest = _LOWEST[tile.dtype]
        if not self._factor * (reach * reach) >= lowest:
            # Against an array: NumPy's maximum with a scalar takes twice as long.
            np.maximum(tile, np.full(tile.shape[1], lowest, tile.dtype), out=tile)
        return np.exp2(tile, out=tile)


def _times(weights, values):
    if len(values) <= 3:  # a matrix this thin costs BLAS more than its columns do one by one
        return np.stack([weights @ column for column in values], axis=1)
    return weights @ values.T


def _slices(n, size):
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
