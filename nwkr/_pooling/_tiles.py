"""Tiles: a few hundred queries against a few hundred keys, small enough for the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nwkr._pooling._exponential import LOWEST, exponential_for, pool_for
from nwkr._pooling._pairs import Pairs, places
from nwkr._pooling._threads import scratch, slices
from nwkr.kernels import Kernel

__all__ = ["Tiles"]

# Product, exponential and sums are computed in one compiled pass up to this many columns and
# values; beyond, BLAS is faster.
_MOST_COLUMNS = 18
_MOST_VALUES = 5

# Exponents are clipped, except in tiles where almost none would underflow: few squared distances
# are beyond this many times their mean.
_TIMES_MEAN = 10
# A jump of the kernel becomes a ramp with this slope in the squared distance. The error of the
# product is a fraction of its width.
_RAMP_SLOPE = 2.0**26


class Tiles:
    """The tiles of all pairs, a row of them at a time.

    A tile holds squared scaled distances u2; for kernels whose log-weights are linear in these,
    their logarithms; for powers of ``1 - u2``, this base; for kernels with a jump at the
    edge of the support, the weights. The product gives any of them.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    dtype : dtype or None, default=None
        Type of the tiles, that of the pairs by default; float64 if the product is too inexact.
    rescaled : bool, default=False
        Whether tiles will be rescaled.
    """

    def __init__(self, pairs: Pairs, kernel: Kernel, dtype=None, rescaled: bool = False):
        n_queries, n_keys = pairs.shape
        self._pairs, self._kernel = pairs, kernel
        self.dtype = pairs.dtype if dtype is None else np.dtype(dtype)
        width = self._width(min(n_queries, pairs.sizes.queries_per_tile))
        self._columns = slices(n_keys, width)
        self.log_linear = kernel.log_slope is not None
        self._factor, self._offset = 1.0, 0.0
        self._jumps = kernel.power == 0 and kernel.support == 1 and not rescaled
        self._jumps &= pairs.dtype == np.float64 and pairs.query_factors is None
        if kernel.log_profile is not None:
            self._exponential = exponential_for(self.dtype, pairs.call_size, pairs.sizes)
        if kernel.log_slope is not None:
            self._factor = kernel.log_slope * self._exponential.unit
        elif self._jumps:
            self._factor, self._offset = -_RAMP_SLOPE, _RAMP_SLOPE + 0.5
        elif kernel.smooth and kernel.power is not None:
            self._factor, self._offset = -1.0, 1.0
        self._product = None
        if kernel.smooth or self._jumps:
            self._product = pairs.product(self._factor, self._offset)
        # Whether weights near the edge of the support contain the error of the product.
        self.rounded = self._product is not None and not self._jumps
        if self._product is not None:
            self._extents = [self._product.key_extent(cols) for cols in self._columns]
        self._pool = self._compiled_pool(rescaled)

    def _compiled_pool(self, rescaled):
        """The function that computes weights and their sums in one pass, if that is the fastest."""
        pairs, product = self._pairs, self._product
        if product is None or not self.log_linear or product.n_columns > _MOST_COLUMNS:
            return None
        if rescaled or pairs.must_match or pairs.exact_queries is not None:
            return None
        if pairs.mask is not None:
            return None
        if not product.is_whole:
            return None
        return pool_for(self.dtype, pairs.call_size, pairs.sizes)

    @property
    def most_values(self) -> int:
        """Maximal number of columns of values for :meth:`pool`."""
        return 0 if self._pool is None else _MOST_VALUES

    def scan(
        self, rows: slice, keys: np.ndarray | None = None
    ) -> Iterator[tuple[slice | np.ndarray, np.ndarray, float]]:
        """Iterate over the tiles of some queries.

        Parameters
        ----------
        rows : slice
            The queries.
        keys : ndarray of shape (n_visited,) or None, default=None
            Numbers of the keys that they visit, all by default.

        Yields
        ------
        cols : slice or ndarray
            The keys.
        tile : ndarray of shape (n_rows, n_cols)
            The tile, valid until the next one.
        most : float
            A bound that few of the squared scaled distances in it exceed.
        """
        for cols, reach, most in self.parts(rows, keys):
            yield cols, self.write(rows, cols, reach), most

    def parts(
        self, rows: slice, keys: np.ndarray | None = None
    ) -> Iterator[tuple[slice | np.ndarray, float, float]]:
        """Iterate over the tiles of some queries, without writing them.

        Other parameters and results are as in :meth:`scan`.

        Yields
        ------
        reach : float
            Upper bound of the squared scaled distances in the tile.
        """
        columns: Sequence[slice | np.ndarray] = self._columns
        distances = self._distances(rows)
        if keys is not None:
            width = min(len(keys), self._width(rows.stop - rows.start))
            columns = [keys[part] for part in slices(len(keys), width)]
            distances = [(max(reach), max(mean)) for reach, mean in [zip(*distances)]]
            distances *= len(columns)
        for cols, (reach, mean) in zip(columns, distances):
            yield cols, reach, min(reach, _TIMES_MEAN * mean)

    def write(self, rows: slice, cols: slice | np.ndarray, reach: float) -> np.ndarray:
        """Write one of the parts; it is valid until the next one."""
        height = rows.stop - rows.start
        n_cols = cols.stop - cols.start if isinstance(cols, slice) else len(cols)
        tile = scratch("tile", height * n_cols, self.dtype).reshape(height, -1)
        if not self._by_product(tile, rows, cols, reach):
            tile = self._pairs.squared_distances(rows, cols)
            if self._jumps:
                tile = self._kernel.weights(tile)
            elif self._factor == 0:  # also if distances overflow
                tile[:] = self._offset
            elif self._factor != 1:
                tile *= self._factor
                tile += self._offset
        return tile

    def pool(
        self,
        rows: slice,
        cols: slice | np.ndarray,
        reach: float,
        values: np.ndarray,
        sums: np.ndarray,
    ) -> bool:
        """Add ``weights @ values.T`` of one of the parts to sums, without writing its tile.

        Parameters
        ----------
        rows, cols : slice, slice or ndarray
            Queries and keys.
        reach : float
            As in :meth:`parts`.
        values : ndarray of shape (n_values, n_cols)
            Values of these keys; :attr:`most_values` at most.
        sums : ndarray of shape (n_rows, n_values), in Fortran order
            The sums, which are updated.

        Returns
        -------
        added : bool
            Whether the product is exact enough in the type of the tiles.
        """
        assert self._pool is not None
        assert self._product is not None
        sides = self._product.sides(rows, cols, reach)
        if sides is None or sides[0].dtype != self.dtype:
            return False
        leave_out = self._pairs.leave_out
        left_out = None if leave_out is None else places(leave_out[rows], cols)
        lowest = LOWEST[self.dtype] * self._exponential.unit
        self._pool(*sides, values, left_out, lowest, sums.T)
        return True

    def _width(self, height):
        """Number of keys of a tile for this many queries."""
        return max(1, self._pairs.sizes.bytes_per_tile // (height * self.dtype.itemsize))

    def _by_product(self, tile, rows, cols, reach):
        """Write a tile as a product if that is exact enough; return whether it did."""
        if self._product is None or not self._product.write(tile, rows, cols, reach):
            return False
        if not self._jumps:
            return True
        # Exact if no pair is on the ramp: then all numbers are 0 or 1, and equal their squares.
        flat = np.clip(tile, 0, 1, out=tile).ravel()
        return np.einsum("i->", flat) == np.dot(flat, flat)  # einsum is twice as fast as sum

    def rescale(self, tile: np.ndarray, multiple: float, out: np.ndarray) -> np.ndarray:
        """The tile for a multiple of the bandwidth."""
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
        if self._jumps:
            return tile
        if self._offset:
            # Against an array: NumPy's maximum with a scalar takes twice as long.
            np.maximum(tile, np.zeros(tile.shape[1], tile.dtype), out=tile)
            power = self._kernel.power or 0
            rest = tile.copy() if power > 2 else tile
            for _ in range(power - 1):
                tile *= rest
            return tile
        if not self.log_linear:
            # Their profiles call NumPy's exponential themselves.
            if self._kernel.log_profile is None or not self._exponential.compiled:
                return self._kernel.weights(tile)
            exponents = self._kernel.log_weights(tile)
            exponents *= self._exponential.unit
            return self._exponential.apply(exponents)
        return self._exponential.apply(tile, clip=self.underflow(most))

    def underflow(self, most: float) -> bool:
        """Whether many weights of a log-linear kernel underflow, if few distances exceed `most`."""
        return not self._factor * most >= LOWEST[self.dtype] * self._exponential.unit

    def derivatives(self, tile: np.ndarray, most: float) -> np.ndarray:
        """Turn a tile into the kernel's derivatives by the squared distance, in place."""
        if self._kernel.log_slope is not None:
            return np.multiply(self.weights(tile, most), self._kernel.log_slope, out=tile)
        assert self._kernel.derivative is not None
        if self._offset:
            np.subtract(self._offset, tile, out=tile)
        return self._kernel.derivative(tile)
