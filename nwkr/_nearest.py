"""The distance to the k-th nearest row.

A tree, or a matrix product for many columns, proposes rows that may be near. Their distances are
then computed by the same plain formula as weights, column by column. So the k-th nearest row, and
rows at the same distance, lie exactly at the edge of a window of that width.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy.spatial import cKDTree
from sklearn.metrics.pairwise import haversine_distances
from sklearn.utils import gen_batches

from nwkr._pooling import Kinds, Mask, distances_between, each, on_sphere, pairs_of, slices

__all__ = ["NearPlaces", "NearRows", "arranged", "widths_of_near", "widths_under_metric"]

_MOST_COLUMNS_OF_TREE = 15
# The numbers in rows are in units of a typical one, and cut off at this power of 2, so that squares
# stay in range. Queries beyond it are compared with all rows.
_CUT_OFF_EXPONENT = 500
# Distances below this power of 2, in that unit, are in any order, because their squares underflow.
_LOST_EXPONENT = -480
_NUMBERS_AT_ONCE = 2**20
# A bound of the rounding error of a chord, and the size of arcs that need an exact formula.
_ROUNDING_OF_CHORD, _NEARLY_OPPOSITE = 1e-15, 3.0


class NearRows:
    """Rows, arranged for a fast search.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    counts : ndarray of shape (n_rows,)
        The number of rows that each row counts as.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers.

    Attributes
    ----------
    extent : float
        The largest absolute number in the rows.
    total : float
        The sum of the counts.
    in_any_order : float
        The candidates below this distance may not be the nearest, unless they are at distance 0.
    """

    def __init__(self, rows: np.ndarray, counts: np.ndarray, kinds: Kinds | None = None):
        self.rows, self.counts, self.kinds = rows, counts, kinds
        self.total = counts.sum()
        extent = [rows.max(), -rows.min()] if kinds is None else kinds.extent(rows)
        self.extent = float(np.max(extent))
        sizes = np.fmax.reduce(np.abs(rows[:: 1 + len(rows) // 1000]), axis=1)
        size = np.median(sizes[sizes > 0]) if (sizes > 0).any() else self.extent
        self._shift = -int(np.frexp(size)[1])
        self.in_any_order = float(np.ldexp(1.0, _LOST_EXPONENT - self._shift))
        scaled, in_range = self._scaled(rows)
        # Distances of queries that are not cut off are correctly ordered up to this.
        self._in_order = np.inf if in_range.all() else np.ldexp(1.0, _CUT_OFF_EXPONENT - 1)
        self._search: _Tree | _Screen | _ScreenOfKinds
        if kinds is not None and kinds.special(rows).any():
            self._search = _ScreenOfKinds(scaled, kinds, self._shift)
        else:
            self._search = (_Tree if rows.shape[1] <= _MOST_COLUMNS_OF_TREE else _Screen)(scaled)

    def _scaled(self, X):
        """Rows in the unit, cut off, and which of them are clearly within the range."""
        limit = np.ldexp(1.0, _CUT_OFF_EXPONENT)
        with np.errstate(over="ignore"):
            scaled = np.ldexp(X, self._shift, dtype=float)
        return np.clip(scaled, -limit, limit), ~(np.abs(scaled) > limit / 2).any(axis=1)

    def serving(self, queries: np.ndarray) -> NearRows:
        """A copy that accepts queries with missing numbers in columns without missing rows."""
        if self.kinds is None or not np.isnan(queries).any():
            return self
        other = copy(self)
        other._search = _ScreenOfKinds(self._scaled(self.rows)[0], self.kinds, self._shift)
        return other

    def __len__(self):
        return len(self.rows)

    def queries_at_once(self, n_near: int) -> int:
        """Number of queries for which this many rows may be searched in one call."""
        return max(1, _NUMBERS_AT_ONCE // self._search.numbers_for_query(n_near))

    def of(self, queries: np.ndarray, n_near: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows near some queries.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        n_near : int
            Number of rows for each.

        Returns
        -------
        numbers : ndarray of shape (n_queries, n_near)
            Their numbers.
        distances : ndarray of shape (n_queries, n_near)
            Distances of the rows, nearest first.
        beyond : ndarray of shape (n_queries,)
            A lower bound of the distance of all other rows, up to rounding.
        """
        scaled, in_range = self._scaled(queries)
        numbers, beyond = self._search.propose(scaled, n_near)
        distances = _distances(queries, self.rows, numbers, self.kinds)
        numbers, distances = _nearest_first(numbers, distances)
        if n_near == len(self):
            return numbers, distances, np.full(len(queries), np.inf)
        # Rows that are cut off are not ordered.
        beyond = np.where(in_range, np.minimum(beyond, self._in_order), 0)
        with np.errstate(over="ignore"):
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
        # More than the total rounding error of a square, relative to its terms.
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
    """Lower bounds of the distances to all rows that do not hold plain numbers only."""

    def __init__(self, rows, kinds, shift):
        self._rows, self._kinds, self._shift = np.ldexp(rows, -shift), kinds, shift

    def numbers_for_query(self, n_near):
        return n_near * self._rows.shape[1] + len(self._rows)

    def propose(self, queries, n_near):
        if n_near == len(self._rows):
            numbers = np.tile(np.arange(n_near), (len(queries), 1))
            return numbers, np.full(len(queries), np.inf)
        queries = np.ldexp(queries, -self._shift)
        unit = np.full(self._rows.shape[1], np.ldexp(1.0, -self._shift))
        product = pairs_of(queries, self._rows, unit, kinds=self._kinds).product(1.0)
        assert product is not None
        error = product.error(product.reach())
        lowest = product.squares(slice(None), slice(None))
        numbers = lowest.argpartition(n_near, axis=1)[:, : n_near + 1]
        beyond = np.take_along_axis(lowest, numbers[:, [n_near]], axis=1)[:, 0] - error
        return numbers[:, :n_near], np.sqrt(np.maximum(beyond, 0))


class NearPlaces:
    """Places on a sphere, arranged for a fast search by chords.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, 2)
        Latitudes and longitudes in radians.
    counts : ndarray of shape (n_rows,)
        The number of rows that each row counts as.

    Attributes
    ----------
    total : float
        The sum of the counts.
    in_any_order : float
        0, as distances of places are not too small to be ordered.
    """

    in_any_order = 0.0

    def __init__(self, rows: np.ndarray, counts: np.ndarray):
        self.rows, self.counts, self.total = rows.astype(float, copy=False), counts, counts.sum()
        self._tree = cKDTree(on_sphere(rows), balanced_tree=False)

    def __len__(self):
        return len(self.rows)

    def serving(self, queries: np.ndarray) -> NearPlaces:
        """Unchanged: no place has missing numbers."""
        return self

    def queries_at_once(self, n_near: int) -> int:
        """Number of queries for which this many places may be searched in one call."""
        return max(1, _NUMBERS_AT_ONCE // n_near)

    def of(self, queries: np.ndarray, n_near: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places near some queries, as in :meth:`NearRows.of`."""
        wanted = np.arange(1, min(n_near + 1, len(self)) + 1)
        chords, numbers = self._tree.query(on_sphere(queries), wanted)
        beyond = np.full(len(queries), np.inf)
        if n_near < len(self):
            beyond = 2 * np.arcsin(np.clip(chords[:, -1] - _ROUNDING_OF_CHORD, 0, 2) / 2)
        distances = _arcs(queries, self.rows, numbers := numbers[:, :n_near])
        return *_nearest_first(numbers, distances), beyond


def _nearest_first(numbers, distances):
    every, order = np.arange(len(distances))[:, None], distances.argsort(axis=1, kind="stable")
    return numbers[every, order], distances[every, order]


def _arcs(queries, rows, numbers):
    """Arcs from each query to its candidate rows, by scikit-learn's formula."""
    rows, queries = rows[numbers], queries.astype(float)[:, None]
    apart = np.sin((queries - rows) / 2) ** 2
    cosines = np.cos(queries[:, :, 0]) * np.cos(rows[:, :, 0])
    arcs = 2 * np.arcsin(np.sqrt(np.minimum(apart[:, :, 0] + cosines * apart[:, :, 1], 1)))
    # For nearly opposite places, the formula by a sine loses digits of the arc; use another one.
    for row in np.flatnonzero((arcs > _NEARLY_OPPOSITE).any(axis=1)):
        arcs[row] = haversine_distances(queries[row], rows[row])[0]
    return arcs


def arranged(
    rows: np.ndarray, counts: np.ndarray, metric: object, kinds: Kinds | None = None
) -> NearRows | NearPlaces | None:
    """Rows, arranged for a fast search; None for most metrics.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    counts : ndarray of shape (n_rows,)
        The number of rows that each row counts as.
    metric : str, callable or Metric
        The metric.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers.

    Returns
    -------
    near : NearRows, NearPlaces or None
        The arranged rows.
    """
    if metric == "haversine":
        return NearPlaces(rows, counts)
    return NearRows(rows, counts, kinds) if metric == "euclidean" else None


def _distances(queries, rows, numbers, kinds):
    """Distances of each query to its candidate rows, by the plain formula, at any scale."""
    rows = np.take(rows, numbers, axis=0).astype(float, copy=False)
    with np.errstate(over="ignore"):
        apart = np.abs(queries[:, None] - rows)
    if kinds is not None:
        apart[:, :, kinds.is_label] = np.sign(apart[:, :, kinds.is_label])
        no_query, no_row = np.isnan(queries)[:, None], np.isnan(rows)
        np.copyto(apart, kinds.gap, where=no_query ^ no_row)
        np.copyto(apart, 0, where=no_query & no_row)
    # Divided by powers of 2, which is exact, so that squares stay in range.
    exponents = np.frexp(apart.max(axis=2))[1]
    apart = np.ldexp(apart, -exponents[:, :, None])
    squares = np.zeros(exponents.shape)
    for column in range(apart.shape[2]):  # in the same order as for weights
        squares += np.square(apart[:, :, column])
    with np.errstate(over="ignore"):
        return np.ldexp(np.sqrt(squares), exponents)


def widths_of_near(
    near: NearRows | NearPlaces,
    n_near: int,
    queries: np.ndarray,
    wanted: np.ndarray,
    leave_out: np.ndarray,
    n_jobs: int | None = None,
    mask: Mask | None = None,
) -> np.ndarray:
    """Distance of each query to the nearest row up to which the counts reach the wanted number.

    Parameters
    ----------
    near : NearRows or NearPlaces
        The rows.
    n_near : int
        Number of candidates that is probably enough.
    queries : ndarray of shape (n_queries, n_features)
        Queries.
    wanted : ndarray of shape (n_queries,)
        The wanted sum of counts.
    leave_out : ndarray of shape (n_queries,)
        For each query, the number of the row to leave out; -1 for none.
    n_jobs : int or None, default=None
        Number of threads.
    mask : Mask or None, default=None
        Further rows that each query must not use.

    Returns
    -------
    widths : ndarray of shape (n_queries,)
        The distances; to the farthest row if the sum of all counts is less.
    """
    widths, near = np.empty(len(queries)), near.serving(queries)

    def measure(rows, n_near):
        numbers, distances, beyond = near.of(queries[rows], n_near)
        counted = np.where(numbers == leave_out[rows, None], 0, near.counts[numbers])
        if mask is not None:
            counted[mask.hides(rows, numbers)] = 0
        enough = counted.cumsum(axis=1) >= wanted[rows, None]
        # If there are no more rows, it is the last row with a count.
        enough[:, -1] |= n_near == len(near)
        found = enough[:, -1]
        last = distances[np.arange(len(rows)), enough.argmax(axis=1)]
        found &= last <= beyond
        if near.in_any_order > 0 and n_near < len(near):
            found &= (last == 0) | (distances[:, -1] > near.in_any_order)
        widths[rows[found]] = last[found]
        measure_all(rows[~found], 2 * n_near)

    def measure_all(rows, n_near, n_jobs=1):
        n_near = min(n_near, len(near))
        parts = [rows[part] for part in slices(len(rows), near.queries_at_once(n_near))]
        each(lambda part: measure(part, n_near), parts, n_jobs)

    measure_all(np.arange(len(queries)), n_near, n_jobs)
    return widths


def widths_under_metric(queries, keys, counts, metric, wanted, leave_out, mask=None):
    """Distance to the nearest rows up to the wanted count under any metric, if it is finite.

    All pairs are compared: a tree would need the triangle inequality, which not every metric has.
    """
    widths = np.empty(len(queries))
    for rows in gen_batches(len(queries), max(1, _NUMBERS_AT_ONCE // len(keys))):
        distances = distances_between(queries[rows], keys, metric)
        leaving = np.flatnonzero(leave_out[rows] >= 0)
        distances[leaving, leave_out[rows][leaving]] = np.inf
        if mask is not None:
            distances[mask.hides(rows)] = np.inf
        order = distances.argsort(axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
        n_counted = np.isfinite(distances).sum(axis=1)
        short = (counts[order].cumsum(axis=1) < wanted[rows, None]).sum(axis=1)
        last = np.minimum(short, n_counted - 1)
        widths[rows] = np.where(n_counted > 0, distances[np.arange(len(last)), last], 0)
    return widths
