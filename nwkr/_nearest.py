"""The distance to the k-th nearest row.

A tree, or a product where columns are many, only proposes rows that may be near. What is measured
is the distance by the plain formula that weights are made from, column by column: so the k-th
nearest row is at the very edge of a window of that width, and rows that tie with it are, too.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy.spatial import cKDTree
from sklearn.utils import gen_batches

from nwkr._pooling import Kinds, distances_between, each, pairs_of, slices

__all__ = ["NearRows", "euclidean_widths", "widths_under_metric"]

_MOST_COLUMNS_OF_TREE = 15
# Rows are scaled so that their largest number is about 2 to the first exponent. Queries are cut off
# at 2 to the second, from where all rows are equally far. The squares of both stay in range.
_LARGEST_EXPONENT, _CUT_OFF_EXPONENT = 400, 500
_NUMBERS_AT_ONCE = 2**20


class NearRows:
    """Rows, arranged so that those near a query are soon found. A pickle holds the rows alone.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    kinds : Kinds or None, default=None
        What their columns hold besides numbers.

    Attributes
    ----------
    extent : float
        The largest absolute number in them.
    """

    def __init__(self, rows: np.ndarray, kinds: Kinds | None = None):
        self.rows, self.kinds = rows, kinds
        extent = [rows.max(), -rows.min()] if kinds is None else kinds.extent(rows)
        self.extent = float(np.max(extent))
        self._shift = int(_LARGEST_EXPONENT - np.frexp(self.extent)[1])
        self._search: _Tree | _Screen | _ScreenOfKinds
        if kinds is not None and kinds.special(rows).any():
            self._search = _ScreenOfKinds(rows, kinds, self._shift)
            return
        scaled = np.ldexp(rows, self._shift, dtype=float)
        self._search = (_Tree if rows.shape[1] <= _MOST_COLUMNS_OF_TREE else _Screen)(scaled)

    def serving(self, queries: np.ndarray) -> NearRows:
        """The same, for queries that may miss numbers where no row does."""
        if self.kinds is None or not np.isnan(queries).any():
            return self
        other = copy(self)
        other._search = _ScreenOfKinds(self.rows, self.kinds, self._shift)
        return other

    def __reduce__(self):
        return NearRows, (self.rows, self.kinds)

    def __len__(self):
        return len(self.rows)

    def queries_at_once(self, n_near: int) -> int:
        """For how many queries so many rows may be looked for in one call."""
        return max(1, _NUMBERS_AT_ONCE // self._search.numbers_for_query(n_near))

    def of(self, queries: np.ndarray, n_near: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows near some queries.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        n_near : int
            How many rows for each.

        Returns
        -------
        numbers : ndarray of shape (n_queries, n_near)
            Their numbers.
        distances : ndarray of shape (n_queries, n_near)
            Their distances; the nearest come first.
        beyond : ndarray of shape (n_queries,)
            No other row is nearer than that, but for rounding.
        """
        with np.errstate(over="ignore"):
            scaled = np.ldexp(queries, self._shift, dtype=float)
        limit = np.ldexp(1.0, _CUT_OFF_EXPONENT)
        numbers, beyond = self._search.propose(np.clip(scaled, -limit, limit), n_near)
        distances = _distances(queries, self.rows, numbers, self.kinds)
        order = distances.argsort(axis=1, kind="stable")
        numbers, distances = (np.take_along_axis(a, order, axis=1) for a in (numbers, distances))
        return numbers, distances, np.ldexp(beyond, -self._shift)


class _Tree:
    """Rows in a k-d tree, which rounds as the plain formula does."""

    def __init__(self, rows):
        self._tree = cKDTree(rows, balanced_tree=False)

    def numbers_for_query(self, n_near):
        return n_near * self._tree.m

    def propose(self, queries, n_near):
        numbers = self._tree.query(queries, np.arange(1, n_near + 1))[1]
        return numbers, np.full(len(queries), np.inf)


class _Screen:
    """Lower bounds of the distances to all rows, by a product."""

    def __init__(self, rows):
        # The median resists outliers; a thousand rows are enough, as it need not be exact.
        self._centre = np.median(rows[:: 1 + len(rows) // 1000], axis=0)
        # More than all roundings of a square together, relative to those that it is made of.
        self._sure = 1 - 4 * (rows.shape[1] + 4) * np.finfo(float).eps
        rows = rows - self._centre
        squares = self._sure * np.einsum("ij,ij->i", rows, rows)
        self._rows = np.vstack([-2 * rows.T, squares, np.ones(len(rows))])

    def numbers_for_query(self, n_near):
        return n_near * len(self._rows) + self._rows.shape[1]

    def propose(self, queries, n_near):
        queries = queries - self._centre
        squares = self._sure * np.einsum("ij,ij->i", queries, queries)
        lowest = np.column_stack([queries, np.ones(len(queries)), squares]) @ self._rows
        if n_near == lowest.shape[1]:
            numbers = np.tile(np.arange(n_near), (len(queries), 1))
            return numbers, np.full(len(queries), np.inf)
        numbers = lowest.argpartition(n_near, axis=1)[:, : n_near + 1]
        beyond = np.take_along_axis(lowest, numbers[:, [n_near]], axis=1)[:, 0]
        return numbers[:, :n_near], np.sqrt(np.maximum(beyond, 0))


class _ScreenOfKinds:
    """Lower bounds of the distances to all rows, where these hold more than numbers."""

    def __init__(self, rows, kinds, shift):
        self._rows, self._kinds, self._shift = rows, kinds, shift

    def numbers_for_query(self, n_near):
        return n_near * self._rows.shape[1] + len(self._rows)

    def propose(self, queries, n_near):
        if n_near == len(self._rows):
            numbers = np.tile(np.arange(n_near), (len(queries), 1))
            return numbers, np.full(len(queries), np.inf)
        queries = np.ldexp(queries, -self._shift)
        unit = np.full(self._rows.shape[1], np.ldexp(1.0, _LARGEST_EXPONENT - self._shift))
        product = pairs_of(queries, self._rows, unit, kinds=self._kinds).product(1.0)
        assert product is not None
        _, error = product.reach(slice(None))
        lowest = product.squares(slice(None), slice(None))
        numbers = lowest.argpartition(n_near, axis=1)[:, : n_near + 1]
        beyond = np.take_along_axis(lowest, numbers[:, [n_near]], axis=1)[:, 0] - error
        return numbers[:, :n_near], np.ldexp(np.sqrt(np.maximum(beyond, 0)), _LARGEST_EXPONENT)


def _distances(queries, rows, numbers, kinds):
    """Distances of each query to some rows of its own, by the plain formula, at any scale."""
    rows = np.take(rows, numbers, axis=0).astype(float, copy=False)
    apart = np.abs(queries[:, None] - rows)
    if kinds is not None:
        apart[:, :, kinds.is_label] = np.sign(apart[:, :, kinds.is_label])
        no_query, no_row = np.isnan(queries)[:, None], np.isnan(rows)
        np.copyto(apart, np.sqrt(kinds.gap), where=no_query ^ no_row)
        np.copyto(apart, 0, where=no_query & no_row)
    # Divided by powers of 2, which is exact, so that squares stay in range.
    exponents = np.frexp(apart.max(axis=2))[1]
    apart = np.ldexp(apart, -exponents[:, :, None])
    squares = np.zeros(exponents.shape)
    for column in range(apart.shape[2]):  # one after the other, as for weights
        squares += np.square(apart[:, :, column])
    return np.ldexp(np.sqrt(squares), exponents)


def euclidean_widths(
    near: NearRows,
    n_near: int,
    queries: np.ndarray,
    counts: np.ndarray,
    wanted: np.ndarray,
    leave_out: np.ndarray,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Distance of each query to the row up to which rows count as many as is wanted.

    Parameters
    ----------
    near : NearRows
        The rows.
    n_near : int
        How many of them are likely to be enough.
    queries : ndarray of shape (n_queries, n_features)
        Queries.
    counts : ndarray of shape (n_rows,)
        As how many each row counts.
    wanted : ndarray of shape (n_queries,)
        As how many rows together have to count.
    leave_out : ndarray of shape (n_queries,)
        For each query, the number of the row that does not count; -1 for none.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    widths : ndarray of shape (n_queries,)
        The distances; to the farthest row, if all together count less.
    """
    widths, near = np.empty(len(queries)), near.serving(queries)

    def measure(rows, n_near):
        numbers, distances, beyond = near.of(queries[rows], n_near)
        counted = np.where(numbers == leave_out[rows, None], 0, counts[numbers])
        enough = counted.cumsum(axis=1) >= wanted[rows, None]
        # Without more rows to come, it is the last that counts.
        enough[:, -1] |= n_near == len(near)
        found = enough[:, -1]
        last = np.take_along_axis(distances, enough.argmax(axis=1)[:, None], axis=1)[:, 0]
        found &= last <= beyond
        widths[rows[found]] = last[found]
        measure_all(rows[~found], 2 * n_near)

    def measure_all(rows, n_near, n_jobs=1):
        n_near = min(n_near, len(near))
        parts = [rows[part] for part in slices(len(rows), near.queries_at_once(n_near))]
        each(lambda part: measure(part, n_near), parts, n_jobs)

    measure_all(np.arange(len(queries)), n_near, n_jobs)
    return widths


def widths_under_metric(queries, keys, counts, metric, wanted, leave_out):
    """The same under any metric, without regard to infinite distances.

    All pairs are compared: a tree would need the triangle inequality, which not every metric has.
    """
    widths = np.empty(len(queries))
    for rows in gen_batches(len(queries), max(1, _NUMBERS_AT_ONCE // len(keys))):
        distances = distances_between(queries[rows], keys, metric)
        leaving = np.flatnonzero(leave_out[rows] >= 0)
        distances[leaving, leave_out[rows][leaving]] = np.inf
        order = distances.argsort(axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
        n_counted = np.isfinite(distances).sum(axis=1)
        short = (counts[order].cumsum(axis=1) < wanted[rows, None]).sum(axis=1)
        last = np.minimum(short, n_counted - 1)
        widths[rows] = np.where(n_counted > 0, distances[np.arange(len(last)), last], 0)
    return widths
