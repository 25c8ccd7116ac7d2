"""Dense pooling: every query meets every key, one tile at a time.

A tile is three array operations: a product that gives squared distances, the kernel's
profile in place, and a product with the values. Sums are kept, the tile is not.

What the tiles cannot tell is left to whole rows (`_rows.py`): queries so far from all keys
that the weights underflow, or so near the edge of the support that rounding shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import e, isclose, log2

import numpy as np

from nwkr._pooling._distances import Pairs
from nwkr._pooling._rows import Rows, row_blocks
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each
from nwkr.kernels import Kernel

__all__ = ["Tiles", "pool_dense"]

# A tile of float64 is a megabyte, which stays in a core's second-level cache.
_QUERIES_PER_TILE = 256
_PAIRS_PER_TILE = 2**17

# exp2 takes ten times longer where its result underflows. Weights of 2^_LOWEST in its place
# are nothing beside the total of a query that is not _FAR.
_LOWEST = {np.dtype(np.float64): -1000.0, np.dtype(np.float32): -120.0}
_FAR = {np.dtype(np.float64): 2.0**-900, np.dtype(np.float32): 2.0**-70}
# The error of a weight doubles with each squaring: at most 2^7-fold here.
_SQUARINGS = 7
# Weights near the edge of the support carry the product's error: little else in the total,
# and it shows.
_THIN = {np.dtype(np.float64): 2.0**-6, np.dtype(np.float32): 1.0}


def pool_dense(
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    *,
    multiples: Sequence[float] = (1.0,),
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
    tiles = Tiles(pairs, kernel, values, multiples)
    narrow = _THIN if tiles.by_product and np.isfinite(kernel.support) else _FAR

    def pool_block(rows):
        sums[:, rows] = tiles.sums(rows)
        narrowly = ~(sums[:, rows, 0] > narrow[tiles.dtype])
        again = rows.start + np.flatnonzero(narrowly.any(axis=0))
        for block in row_blocks(len(again), n_keys):
            exactly = Rows(pairs, kernel, again[block], empty)
            for number, multiple in enumerate(multiples):
                part = np.flatnonzero(narrowly[number, again[block] - rows.start])
                these = again[block][part]
                sums[number, these], shift[number, these] = exactly.sums(values, multiple, part)

    each(pool_block, _slices(n_queries, _QUERIES_PER_TILE), n_jobs)
    return [PooledSums(*parts) for parts in zip(shift, sums[:, :, 0], sums[:, :, 1:])]


class Tiles:
    """The tiles of dense pooling, a row of them at a time."""

    def __init__(self, pairs, kernel, values, multiples):
        n_queries, n_keys = pairs.shape
        self._pairs, self._kernel = pairs, kernel
        # Squaring weights doubles their error, which float32 has no digits for.
        self.dtype = pairs.dtype if len(multiples) == 1 else np.dtype(np.float64)
        self._values = {np.dtype(np.float64): values, self.dtype: values.astype(self.dtype)}
        self._columns = _slices(n_keys, _PAIRS_PER_TILE // min(n_queries, _QUERIES_PER_TILE))
        # With log-weights linear in u2, the product gives them finished, in powers of 2.
        self._log_linear = kernel.log_slope is not None
        self._factor = kernel.log_slope * log2(e) if self._log_linear else 1.0
        self._ladder = _chains(multiples, self._log_linear)
        self._product = pairs.product(self._factor) if kernel.smooth else None
        self.by_product = self._product is not None
        if self._product is not None:
            self._extents = [self._product.key_extent(cols) for cols in self._columns]

    def sums(self, rows):
        """Sums over all keys for a slice of queries, for each multiple."""
        height = rows.stop - rows.start
        n_multiples = sum(len(chain) for _, chain in self._ladder)
        sums = np.zeros((n_multiples, height, len(self._values[self.dtype])))
        room = np.empty((2, height * self._columns[0].stop), self.dtype)
        for cols, reach in zip(self._columns, self._reaches(rows)):
            out, spare = room[:, : height * (cols.stop - cols.start)].reshape(2, height, -1)
            tile = self._scaled(rows, cols, reach, out)
            for number, weights in self._weights(tile, reach, spare):
                self._pairs.exclude(weights, rows, cols)
                sums[number] += _times(weights, self._values[weights.dtype][:, cols])
        return sums

    def _reaches(self, rows):
        """Upper bounds of the squared distances in each tile."""
        if self._product is None:
            return [np.inf] * len(self._columns)
        radius, factor = self._product.query_extent(rows)
        return [(radius + r) * (radius + r) * factor * f for r, f in self._extents]

    def _scaled(self, rows, cols, reach, out):
        """The factor times the squared distances."""
        if self._product is not None and self._product.write(out, rows, cols, reach):
            return out
        tile = self._pairs.differences(rows, cols)
        return np.multiply(tile, self._factor, out=tile) if self._log_linear else tile

    def _weights(self, tile, reach, spare):
        """The weights for one multiple after the other, each in the place of the last."""
        for multiple, chain in self._ladder:
            weights = tile
            if multiple != 1:
                weights = np.multiply(tile, multiple**-2.0, out=spare)
            weights = self._profile(weights, reach / multiple**2)
            yield chain[0], weights
            for number in chain[1:]:
                yield number, np.square(weights, out=weights)

    def _profile(self, tile, reach):
        if not self._log_linear:
            return self._kernel.profile(tile)
        lowest = _LOWEST[tile.dtype]
        if not self._factor * reach >= lowest:
            # Against an array: NumPy's maximum with a scalar takes twice as long.
            np.maximum(tile, np.full(tile.shape[1], lowest, tile.dtype), out=tile)
        return np.exp2(tile, out=tile)


def _chains(multiples, log_linear):
    """Cut multiples into chains, each its first multiple and the numbers of its members.

    In a chain every multiple is the last one divided by sqrt 2, and the weights are its
    squares. The multiple 1 comes last, for it needs no copy of the tile.
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


def _times(weights, values):
    if len(values) <= 3:  # a matrix this thin costs BLAS more than its columns do one by one
        return np.stack([weights @ column for column in values], axis=1)
    return weights @ values.T


def _slices(n, size):
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
