"""Squared scaled distances by a matrix product: fast, and exact enough for most tiles."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.sparse import issparse

__all__ = ["Product", "pick"]

# The largest allowed error of the product in u2; usually it is a hundredth of this.
_TOLERANCE: dict[np.dtype, float] = {np.dtype(np.float64): 2.0**-34, np.dtype(np.float32): 2.0**-11}
# The squared distance up to which the error is within this, by type; float64 replaces float32
# if that is too inexact.
_FARTHEST: dict[np.dtype, dict[np.dtype, float]] = {
    of_rows: {
        np.dtype(dtype): tolerance / float(np.finfo(dtype).eps)
        for dtype in (of_rows.type, np.float64)
    }
    for of_rows, tolerance in _TOLERANCE.items()
}

# Queries from outside the range get this number, which is beyond any tolerance.
_FAR = 1e140


class Product:
    """``factor * u2 + offset`` by a matrix product, if that is exact enough.

    With ``q`` and ``k`` in units of the bandwidth from a common centre, the product of the
    rows ``(q, q^2, 1)`` and ``(-2 k, 1, k^2)`` is ``(q - k)^2``. Columns of other kinds than
    numbers add products of their own (`_kinds.py`).
    """

    def __init__(self, pairs, factor, offset):
        self._dtype = pairs.dtype
        (n_queries, n_keys), n_columns = pairs.shape, len(pairs.columns)
        by_query, by_key = pairs.query_factors, pairs.key_factors
        self._special = pairs.products
        n_special = 0 if self._special is None else len(self._special.columns)
        self.n_columns = n_columns + 2 + n_special
        self._queries = np.empty((self.n_columns, n_queries))
        queries = pairs.in_units(pairs.queries, self._queries[:n_columns])
        if pairs.outside is not None:
            queries[:, pairs.outside] = _FAR
        q2 = _square(queries)
        np.multiply(q2, factor, out=self._queries[n_columns])
        self._queries[n_columns + 1] = 1
        self._keys = np.empty((self.n_columns, n_keys))
        keys = pairs.in_units(pairs.keys, self._keys[:n_columns])
        k2 = _square(keys)
        keys *= -2 * factor
        self._keys[n_columns] = 1
        np.multiply(k2, factor, out=self._keys[n_columns + 1])
        if self._special is not None:
            if n_special:
                self._queries[n_columns + 2 :] = self._special.of_queries
                np.multiply(factor, self._special.of_keys, out=self._keys[n_columns + 2 :])
            q2, k2 = q2 + self._special.query_bounds, k2 + self._special.key_bounds
        if by_query is not None:
            with np.errstate(over="ignore"):  # in rows that exceed the tolerance anyway
                self._queries *= by_query
        if by_key is not None:
            self._keys *= by_key
            self._keys[n_columns + 1] += offset  # where the queries have 1
        else:
            self._queries[n_columns] += offset  # where the keys have 1
        self._extents, self._factor = ((q2, by_query), (k2, by_key)), factor
        self._sides = {}

    @staticmethod
    def farthest(dtype: np.dtype) -> float:
        """The squared distance up to which the product is exact enough for rows of this type."""
        return _FARTHEST[dtype][dtype]

    def in_type(self, dtype: np.dtype) -> list[np.ndarray]:
        """The factors, of shape (n_columns + 2, n_queries) and (n_columns + 2, n_keys)."""
        if dtype not in self._sides:
            with np.errstate(over="ignore"):  # in rows that exceed the tolerance anyway
                self._sides[dtype] = [
                    side.astype(dtype, copy=False) for side in (self._queries, self._keys)
                ]
        return self._sides[dtype]

    def query_extent(self, rows):
        """Greatest norm of the queries, mean of its square, and their greatest factor."""
        return self._extent(*self._extents[0], rows)

    def key_extent(self, cols):
        """Greatest norm of the keys, mean of its square, and their greatest factor."""
        return self._extent(*self._extents[1], cols)

    @staticmethod
    def _extent(squares, factors, part):
        squares = squares[part]
        factor = 1.0 if factors is None else float(factors[part].max())
        return sqrt(squares.max()), float(squares.sum()) / len(squares), factor

    def reach(self, rows=slice(None), cols=slice(None)):
        """An upper bound of the squared scaled distances of some queries to some keys."""
        query, _, by_query = self.query_extent(rows)
        key, _, by_key = self.key_extent(cols)
        return (query + key) ** 2 * by_query * by_key

    def error(self, reach):
        """An upper bound of the error of :meth:`squares`, if these are at most `reach`."""
        return 2 * self.n_columns * np.finfo(float).eps * reach

    def squares(self, rows, cols):
        """The product of some queries with some keys, for any error."""
        squares = self._queries[:, rows].T @ self._keys[:, cols]
        self._compare(squares, rows, cols)
        return squares

    def write(self, out, rows, cols, reach):
        """Write a tile into `out` if it is exact enough; return whether it did.

        `reach` is an upper bound of the squared scaled distances in the tile.
        """
        sides = self.sides(rows, cols, reach)
        if sides is None:
            return False
        queries, keys = sides
        np.matmul(queries, keys, out=out, casting="same_kind")
        self._compare(out, rows, cols)
        return True

    def sides(self, rows, cols, reach):
        """The factors of a tile, if it is a product; None if that is too inexact."""
        for dtype, farthest in _FARTHEST[self._dtype].items():
            if reach <= farthest:
                queries, keys = self.in_type(dtype)
                return queries[:, rows].T, pick(keys, cols, axis=1)
        return None

    @property
    def is_whole(self):
        """Whether tiles are products only."""
        return self._special is None or not self._special.comparisons

    def _compare(self, tile, rows, cols):
        """Add the contributions of compared labels to a tile."""
        if self.is_whole:
            return
        (_, by_query), (_, by_key) = self._extents
        for _, queries, keys, square in self._special.comparisons:
            apart = queries[rows][:, None] != pick(keys, cols)
            square = self._factor * square
            if by_query is not None:
                square = square * by_query[rows][:, None]
            if by_key is not None:
                square = square * pick(by_key, cols)
            np.add(tile, square, out=tile, where=apart, casting="same_kind")


def _square(columns):
    return np.einsum("ij,ij->j", columns, columns)


def pick(array: np.ndarray, which: slice | np.ndarray, axis: int = 0) -> np.ndarray:
    """The selected part of an array; np.take is faster for numbers, an index for slices."""
    if isinstance(which, slice) or issparse(array):
        return array[(slice(None),) * axis + (which,)]
    return np.take(array, which, axis=axis)
