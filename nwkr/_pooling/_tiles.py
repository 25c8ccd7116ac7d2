"""Tiles: a few hundred queries against a few hundred keys, small enough for the cache."""

from __future__ import annotations

from collections.abc import Iterator
from math import e, log2

import numpy as np

from nwkr._pooling._distances import Pairs
from nwkr._pooling._threads import scratch
from nwkr.kernels import Kernel

__all__ = ["LOWEST", "QUERIES_PER_TILE", "Tiles", "slices"]

QUERIES_PER_TILE = 512
# A tile of float64 is four megabytes: beyond the second-level cache of a core, but with smaller
# ones threads wait for the interpreter's lock.
_PAIRS_PER_TILE = 2**19

# Exponentials take ten times longer where they underflow: no logarithm is less than this,
# unless so few would be that seeing to it takes longer. Squared distances beyond _RARELY times
# their mean are few.
LOWEST = {np.dtype(np.float64): -693.0, np.dtype(np.float32): -83.0}
_RARELY = 10


class Tiles:
    """The tiles of all pairs, a row of them at a time.

    A tile holds squared scaled distances u2; for kernels whose log-weights are linear in these,
    the finished logarithms; for those that are powers of ``1 - u2``, that. The product gives
    any of them.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    dtype : dtype or None, default=None
        Type of the tiles, that of the pairs by default; float64 where the product is too
        inexact.
    """

    def __init__(self, pairs: Pairs, kernel: Kernel, dtype=None):
        n_queries, n_keys = pairs.shape
        self._pairs, self._kernel = pairs, kernel
        self.dtype = pairs.dtype if dtype is None else np.dtype(dtype)
        width = max(1, _PAIRS_PER_TILE // min(n_queries, QUERIES_PER_TILE))
        self._columns = slices(n_keys, width)
        self.size = min(n_queries, QUERIES_PER_TILE) * min(n_keys, width)  # of the largest
        self.log_linear = kernel.log_slope is not None
        # NumPy's exp2 is the faster in float64; in float32 it is not always.
        double = self.dtype == np.float64
        self._exp: np.ufunc = np.exp2 if double else np.exp
        self._unit = log2(e) if double else 1.0
        self._factor, self._offset = 1.0, 0.0
        if kernel.log_slope is not None:
            self._factor = kernel.log_slope * self._unit
        elif kernel.smooth and kernel.power is not None:
            self._factor, self._offset = -1.0, 1.0
        self._product = pairs.product(self._factor, self._offset) if kernel.smooth else None
        self.by_product = self._product is not None
        if self._product is not None:
            self._extents = [self._product.key_extent(cols) for cols in self._columns]

    def scan(self, rows: slice) -> Iterator[tuple[slice, np.ndarray, float]]:
        """Go through the tiles of some queries.

        Parameters
        ----------
        rows : slice
            The queries.

        Yields
        ------
        cols : slice
            The keys.
        tile : ndarray of shape (n_rows, n_cols)
            The tile, good until the next one.
        most : float
            Few of the squared scaled distances in it are larger.
        """
        height = rows.stop - rows.start
        room = scratch("tile", height * self._columns[0].stop, self.dtype)
        for cols, (reach, mean) in zip(self._columns, self._distances(rows)):
            tile = room[: height * (cols.stop - cols.start)].reshape(height, -1)
            if self._product is None or not self._product.write(tile, rows, cols, reach):
                tile = self._pairs.differences(rows, cols)
                if self._factor != 1:
                    tile *= self._factor
                if self._offset:
                    tile += self._offset
            yield cols, tile, min(reach, _RARELY * mean)

    def rescale(self, tile: np.ndarray, multiple: float, out: np.ndarray) -> np.ndarray:
        """What a tile is for a multiple of the bandwidth."""
        square = multiple**-2.0
        scaled = np.multiply(tile, square, out=out)
        if self._offset:
            scaled += self._offset * (1 - square)
        return scaled

    def _distances(self, rows):
        """Upper bounds and means of the squared distances in each tile."""
        if self._product is None:
            return [(np.inf, np.inf)] * len(self._columns)
        radius, square, factor = self._product.query_extent(rows)
        return [
            ((radius + r) * (radius + r) * factor * f, (square + s) * factor * f)
            for r, s, f in self._extents
        ]

    def weights(self, tile: np.ndarray, most: float) -> np.ndarray:
        """Turn a tile into weights, in place."""
        if self._offset:
            # Against an array: NumPy's maximum with a scalar takes twice as long.
            np.maximum(tile, np.zeros(tile.shape[1], tile.dtype), out=tile)
            power = self._kernel.power or 0
            rest = tile.copy() if power > 2 else tile
            for _ in range(power - 1):
                tile *= rest
            return tile
        if not self.log_linear:
            return self._kernel.profile(tile)
        lowest = LOWEST[tile.dtype] * self._unit
        if not self._factor * most >= lowest:
            np.maximum(tile, np.full(tile.shape[1], lowest, tile.dtype), out=tile)
        return self._exp(tile, out=tile)

    def derivatives(self, tile: np.ndarray, most: float) -> np.ndarray:
        """Turn a tile into the kernel's derivatives by the squared distance, in place."""
        if self._kernel.log_slope is not None:
            return np.multiply(self.weights(tile, most), self._kernel.log_slope, out=tile)
        assert self._kernel.derivative is not None
        if self._offset:
            np.subtract(self._offset, tile, out=tile)
        return self._kernel.derivative(tile)


def slices(n: int, size: int) -> list[slice]:
    """Cut ``range(n)`` into slices."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
