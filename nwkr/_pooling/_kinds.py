"""Columns of labels, and columns of numbers that may be missing.

Their squared distances are sums of products of a number of the query with a number of the key, so
the matrix product (`_product.py`) computes them too. If missing values are put at the centre,
whose square is 0, the squared distance in a column lacks

    (gap - q^2) [k is missing]   and   [q is missing] (gap - k^2),

if the other one is present. The squared distance of labels is

    [q is a] [k is not a]   summed over all labels a.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Kinds", "Products", "centre_of", "clipped_square", "extent_of"]

_NO_LABEL = -(2**31)
# Sums of the squares of larger distances may overflow.
_LARGEST_ROOT = 1e153


def clipped_square(distance: np.ndarray) -> np.ndarray:
    """The square of a distance, clipped to a safe range."""
    return np.minimum(distance, _LARGEST_ROOT) ** 2


@dataclass(frozen=True, eq=False)
class Kinds:
    """The columns that do not hold plain numbers.

    Attributes
    ----------
    gap : ndarray of shape (n_columns,)
        Distance of a missing value (NaN) from a present one. Two missing values have distance 0.
    is_label : ndarray of bool, of shape (n_columns,)
        Which columns hold labels, as whole numbers below 2^31. Different labels have squared
        distance 1.
    """

    gap: np.ndarray
    is_label: np.ndarray

    def take(self, columns: np.ndarray) -> Kinds:
        """The kinds of some columns."""
        return Kinds(self.gap[columns], self.is_label[columns])

    def special(self, X: np.ndarray) -> np.ndarray:
        """Which columns hold labels or missing numbers, of shape (n_columns,)."""
        return self.is_label | np.isnan(X).any(axis=0)

    def extent(self, X: np.ndarray) -> np.ndarray:
        """The greatest distance from 0 or from a missing value in each column, (n_columns,)."""
        extent = [np.fmax.reduce(np.abs(column), initial=0) for column in X.T]
        return np.maximum(np.array(extent, float), self.gap)

    def centre(self, X: np.ndarray) -> np.ndarray:
        """The median of the present values in each column, (n_columns,); NaN if there are none."""
        there = [column[~np.isnan(column)] for column in X.T]
        return np.array([np.median(column) if len(column) else np.nan for column in there])

    def places(self, X: np.ndarray) -> np.ndarray:
        """Rows as plain numbers, near each other if the rows are near, for a k-d order."""
        places = X.astype(float)
        for column, is_label, gap in zip(places.T, self.is_label, self.gap):
            lowest, highest = np.fmin.reduce(column), np.fmax.reduce(column)
            if is_label and highest > lowest:  # labels are scaled to a range of 1
                column -= lowest
                column /= highest - lowest
                lowest = 0.0
            with np.errstate(over="ignore"):
                below = np.nan_to_num(lowest) - gap
            column[np.isnan(column)] = np.nan_to_num(below)
        return places

    def squares(
        self,
        column: int,
        queries: np.ndarray,
        keys: np.ndarray,
        exponent: int = 0,
        factor: float = 1.0,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Squared distances in a column, by the plain formula.

        Parameters
        ----------
        column : int
            Its number.
        queries, keys : ndarray
            Values of queries and keys in this column, in shapes that broadcast.
        exponent : int, default=0
            They are scaled by this power of 2, which is exact.
        factor : float, default=1.0
            Factor of the squares.
        out : ndarray or None, default=None
            Array for the result, a new one by default.

        Returns
        -------
        squares : ndarray
            The squares, of the broadcast shape.
        """
        gap = clipped_square(np.ldexp(self.gap[column], exponent)) * factor
        if self.is_label[column]:
            apart = clipped_square(np.ldexp(1.0, exponent)) * factor
            squares = np.multiply(queries != keys, apart, out=out)
        else:
            squares = np.subtract(queries, keys, out=out, dtype=float)
            squares *= squares
            if factor != 1:
                squares *= factor
        no_query, no_key = np.isnan(queries), np.isnan(keys)
        if no_query.any() or no_key.any():
            np.copyto(squares, gap, where=no_query ^ no_key)
            np.copyto(squares, 0, where=no_query & no_key)
        return squares

    def products(self, special, queries, keys, centre, bandwidth, sizes) -> Products:
        """Contributions of special columns to the squared distances of the centred columns.

        Parameters
        ----------
        special : ndarray of shape (n_special,)
            Numbers of the columns.
        queries, keys : ndarray of shape (n_queries, n_columns) and (n_keys, n_columns)
            Queries and keys.
        centre, bandwidth : ndarray of shape (n_columns,)
            Origin of the centred columns, which are in units of the bandwidth.
        sizes : Sizes
            The number of labels up to which they are multiplied; more labels are compared, which
            is faster.

        Returns
        -------
        products : Products
            The contributions.
        """
        products = Products(np.zeros(len(queries)), np.zeros(len(keys)))
        for number in special:
            q, k = queries[:, number].astype(float), keys[:, number].astype(float)
            gap = clipped_square(self.gap[number] / bandwidth[number])
            if self.is_label[number]:
                square = bandwidth[number] ** -2
                self._add_labels(products, number, q, k, gap, square, sizes.labels_multiplied)
            else:
                q, k = ((side - centre[number]) / bandwidth[number] for side in (q, k))
                self._add_missing(products, number, q, k, gap)
        return products

    @staticmethod
    def _add_missing(products, number, q, k, gap):
        no_query, no_key = np.isnan(q), np.isnan(k)
        if no_key.any():
            products.add(number, np.where(no_query, 0, gap - q * q), no_key)
        if no_query.any():
            products.add(number, no_query, np.where(no_key, 0, gap - k * k))
        products.bound(no_query * gap, no_key * gap)

    def _add_labels(self, products, number, q, k, gap, square, most):
        labels = np.unique(q)
        by_key = len(labels) > most
        if by_key:
            labels = np.unique(k)
        farthest = max(square, gap) / 2
        products.bound(*(np.full(len(side), farthest) for side in (q, k)))
        if len(labels) > most:
            no_query, no_key, more = np.isnan(q), np.isnan(k), gap - square
            products.compare(number, q, k, square)
            if more and no_key.any():
                products.add(number, ~no_query * more, no_key)
            if more and no_query.any():
                products.add(number, no_query, ~no_key * more)
            return
        for label in labels:
            sides = [np.isnan(x) if np.isnan(label) else x == label for x in (q, k)]
            sides[1 - by_key] = self.squares(number, label, q if by_key else k) * square
            products.add(number, *sides)


@dataclass(eq=False)
class Products:
    """Products of a number of the query and a number of the key; their sum is a distance.

    Attributes
    ----------
    query_bounds, key_bounds : ndarray of shape (n_queries,) and (n_keys,)
        Upper bounds of the contributions: for a pair, the sum of both bounds.
    columns : list of int
        The column of each product.
    of_queries, of_keys : list of ndarray of shape (n_queries,) and (n_keys,)
        The factors of each product.
    comparisons : list of tuple
        Columns with many labels: the number of the column, the labels of queries and keys, and the
        squared distance of different labels.
    """

    query_bounds: np.ndarray
    key_bounds: np.ndarray
    columns: list[int] = field(default_factory=list)
    of_queries: list[np.ndarray] = field(default_factory=list)
    of_keys: list[np.ndarray] = field(default_factory=list)
    comparisons: list[tuple] = field(default_factory=list)

    def add(self, column: int, of_queries: np.ndarray, of_keys: np.ndarray) -> None:
        """Add a product."""
        self.columns.append(column)
        self.of_queries.append(of_queries)
        self.of_keys.append(of_keys)

    def compare(self, column: int, queries: np.ndarray, keys: np.ndarray, square: float) -> None:
        """Add a column of labels to compare."""
        labels = (np.nan_to_num(X, nan=_NO_LABEL).astype(np.int32) for X in (queries, keys))
        self.comparisons.append((column, *labels, square))

    def bound(self, of_queries: np.ndarray, of_keys: np.ndarray) -> None:
        """Add to the bounds."""
        self.query_bounds += of_queries
        self.key_bounds += of_keys

    def sums(self, shares, rows, cols, n_columns):
        """Sums over some pairs of shares times squared distances, by column.

        Parameters
        ----------
        shares : ndarray of shape (n_rows, n_cols)
            Factors of the squared distances of the pairs.
        rows, cols : slice or ndarray
            The queries and the keys.
        n_columns : int
            The number of columns.

        Returns
        -------
        sums : ndarray of shape (n_columns,)
            The sums.
        """
        sums = np.zeros(n_columns)
        for column, of_queries, of_keys in zip(self.columns, self.of_queries, self.of_keys):
            sums[column] += of_queries[rows] @ (shares @ of_keys[cols])
        for column, queries, keys, square in self.comparisons:
            apart = queries[rows][:, None] != keys[cols]
            sums[column] += square * np.einsum("ij,ij->", shares, apart)
        return sums


def extent_of(X: np.ndarray, kinds: Kinds | None = None) -> np.ndarray:
    """The greatest absolute number in each column, of shape (n_columns,)."""
    if kinds is not None:
        return kinds.extent(X)
    # Column by column, because a reduction over short rows takes thirty times as long.
    return np.array([np.abs(column).max(initial=0) for column in X.T], float)


def centre_of(keys: np.ndarray, kinds: Kinds | None = None) -> np.ndarray:
    """A point near most keys, of shape (n_columns,)."""
    # The median resists outliers; a thousand rows are enough, as the centre need not be exact.
    some = keys[:: 1 + len(keys) // 1000]
    return np.median(some, axis=0) if kinds is None else kinds.centre(some)
