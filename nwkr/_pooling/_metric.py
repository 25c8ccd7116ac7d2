"""From a metric to pairs: euclidean, precomputed, or any other metric of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import local
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import PAIRWISE_BOOLEAN_FUNCTIONS

from nwkr._pooling._euclidean_range import euclidean_pairs, euclidean_pairs_of_widths
from nwkr._pooling._kinds import Kinds
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._sizes import DEFAULT_SIZES
from nwkr._pooling._sphere import SpherePairs

__all__ = ["BOUNDED", "Metric", "MetricPairs", "distances_between", "pairs_of"]

BOUNDED = ("euclidean", "haversine")
"""Metrics whose distances have bounds by columns."""

# Pairs this many bandwidths apart are excluded, because larger squares overflow.
_FARTHEST = 1e150

# Metrics that are 1 minus a product; its rounding depends on the shape of the tile.
_ROUNDED = ("cosine", "correlation")


def pairs_of(
    queries,
    keys,
    bandwidth,
    metric="euclidean",
    leave_out=None,
    query_widths=None,
    key_widths=None,
    prepared=None,
    kinds=None,
    sizes=DEFAULT_SIZES,
    mask=None,
) -> Pairs:
    """Pair queries with keys under a metric.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Queries; if precomputed, their distances to the keys, (n_queries, n_keys).
    keys : ndarray of shape (n_keys, n_features)
        Keys; if precomputed, any array with one row per key.
    bandwidth : ndarray of shape (n_features,) or float
        Scale of each column for the euclidean metric, of the distance for all others.
    metric : str, callable or Metric, default="euclidean"
        "euclidean", "precomputed", or anything that :func:`distances_between` takes.
    leave_out : ndarray of shape (n_queries,) or None, default=None
        For each query, the number of the key that it leaves out; -1 for none.
    query_widths, key_widths : ndarray of shape (n_queries,) and (n_keys,) or None, default=None
        Factors of the bandwidth, by query or by key, not both.
    prepared : Prepared or None, default=None
        Precomputed results for the keys, if the metric is euclidean.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers, if the metric is euclidean.
    sizes : Sizes, default=DEFAULT_SIZES
        Sizes of pieces of work.
    mask : Mask or None, default=None
        Further keys that are hidden from each query.

    Returns
    -------
    pairs : Pairs
        The pairs.
    """
    pairs: Pairs
    if metric == "euclidean" and query_widths is not None:
        pairs = euclidean_pairs_of_widths(queries, keys, bandwidth, query_widths, prepared, kinds)
    elif metric == "euclidean":
        pairs = euclidean_pairs(queries, keys, bandwidth, prepared, kinds)
    elif metric == "haversine" and SpherePairs.can_be(bandwidth):
        points = None if prepared is None else prepared.points
        pairs = SpherePairs(queries, keys, bandwidth, (None, points))
    else:
        pairs = MetricPairs(queries, keys, bandwidth, metric)
    assert query_widths is None or key_widths is None
    pairs.leave_out, pairs.mask, pairs.sizes = leave_out, mask, sizes
    if query_widths is not None:
        # A width of 0 is the limit of a narrow window: only keys at distance 0 count.
        pairs.exact_queries = query_widths == 0
        if pairs.query_factors is None:
            pairs.query_factors = np.where(pairs.exact_queries, 1.0, query_widths) ** -2.0
    if key_widths is not None:
        pairs.key_factors = key_widths**-2.0
    return pairs


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric with parameters.

    Attributes
    ----------
    name : str or callable
        Any metric of :func:`sklearn.metrics.pairwise_distances` but "precomputed".
    params : mapping, default={}
        Its parameters, by name.
    """

    name: str | Callable
    params: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return repr(self.name)

    @property
    def boolean(self) -> bool:
        """Whether the metric only distinguishes 0 from other numbers."""
        return isinstance(self.name, str) and self.name in PAIRWISE_BOOLEAN_FUNCTIONS

    @property
    def takes_gaps(self) -> bool:
        """Whether the metric accepts missing numbers."""
        return self.name == "nan_euclidean" and not self.params

    def __call__(self, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Distances, of shape (n_queries, n_keys), always in float64."""
        dtype = bool if self.boolean else float
        queries, keys = (X.astype(dtype, copy=False) for X in (queries, keys))
        if self.takes_gaps and (np.isnan(queries).any() or np.isnan(keys).any()):
            return _over_what_is_there(queries, keys)
        if self.name in ("l2", "nan_euclidean") and self.params.keys() <= {"squared"}:
            # scikit-learn expands the square, which loses digits of shifted rows.
            return cdist(
                queries, keys, "sqeuclidean" if self.params.get("squared") else "euclidean"
            )
        rounding = self.rounding(queries.shape[1])
        if rounding:  # the lengths of rows do not matter, but their squares may overflow
            queries, keys = _of_order_one(queries), _of_order_one(keys)
        # As a view, because scikit-learn treats identical arrays as a symmetric problem.
        keys = keys.view()
        distances = pairwise_distances(queries, keys, metric=self.name, **self.params)
        distances = distances.astype(float, copy=False)
        if rounding:  # rows of the same direction must match, in tiles of any shape
            distances[distances <= rounding] = 0
        return distances

    def rounding(self, n_columns: int) -> float:
        """The largest error of a distance that is nearly 0; 0 if the error is relative."""
        return (n_columns + 4) * np.finfo(float).eps if self.name in _ROUNDED else 0.0


def _of_order_one(X):
    """Rows times powers of 2, so that the largest number of each is from 0.5 to 1."""
    _, exponents = np.frexp(np.abs(X).max(axis=1, keepdims=True))
    return np.ldexp(X, -exponents)


def _over_what_is_there(queries, keys):
    """Euclidean distances over the present columns, scaled up to all columns."""
    n_columns = queries.shape[1]
    nothing = Kinds(np.zeros(n_columns), np.zeros(n_columns, bool))
    pairs = euclidean_pairs(queries, keys, np.ones(n_columns), kinds=nothing)
    squares = pairs.squared_distances(slice(None))
    n_there = (~np.isnan(queries)).astype(float) @ (~np.isnan(keys)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        squares *= n_columns / n_there
    squares[n_there == 0] = np.inf  # the pair is excluded
    return np.sqrt(squares, out=squares)


def distances_between(
    queries: np.ndarray, keys: np.ndarray, metric: str | Callable | Metric
) -> np.ndarray:
    """Distances of queries to keys under any metric.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Queries; if precomputed, their distances to the keys, (n_queries, n_keys).
    keys : ndarray of shape (n_keys, n_features)
        Keys; not used if precomputed.
    metric : str, callable or Metric
        "precomputed", a metric of :func:`sklearn.metrics.pairwise_distances`, or either with
        parameters.

    Returns
    -------
    distances : ndarray of shape (n_queries, n_keys)
        Non-negative distances in float64; infinite for excluded pairs.

    Raises
    ------
    ValueError
        If the metric gives NaN or a negative number.
    """
    if metric == "precomputed":
        return queries.astype(float)
    metric = metric if isinstance(metric, Metric) else Metric(metric)
    distances = metric(queries, keys)
    if not (distances >= 0).all():
        raise ValueError(
            f"metric must return non-negative distances; {metric!r} returned {distances.min()}."
        )
    return distances


class MetricPairs(Pairs):
    """Pairs under any metric, or with precomputed distances.

    A pair is excluded if its distance is infinite, or so many times the bandwidth that its
    square would overflow.

    Parameters
    ----------
    queries, keys : ndarray of shape (n_queries, n_features) and (n_keys, n_features)
        Rows, as in :func:`distances_between`.
    bandwidth : float
        Scale of the distance, from 0 to infinity.
    metric : str, callable or Metric
        The metric.
    """

    def __init__(self, queries, keys, bandwidth, metric):
        super().__init__(len(queries), len(keys), np.float64)
        self._queries, self._keys, self._metric = queries, keys, metric
        self._bandwidth = bandwidth
        self._farthest = min(_FARTHEST * bandwidth, np.finfo(float).max)
        self._latest = local()

    def _distances(self, rows, cols):
        # The latest tile is stored, because its distances are needed twice, and a function of two
        # rows is slow.
        if not _same(getattr(self._latest, "place", None), (rows, cols)):
            if self._metric == "precomputed":
                distances = self._queries[rows][:, cols].astype(float)
            else:
                distances = distances_between(self._queries[rows], self._keys[cols], self._metric)
            distances.flags.writeable = False
            self._latest.place, self._latest.distances = (rows, cols), distances
        return self._latest.distances

    def _tie_tolerance(self, rows):
        tolerance = super()._tie_tolerance(rows)
        metric = self._metric if isinstance(self._metric, Metric) else Metric(self._metric)
        rounding = metric.rounding(self._keys.shape[1])
        if self.query_factors is None or not rounding:
            return tolerance
        # Rounding of both distances and of their squares.
        factors = np.sqrt(self.query_factors[rows]) / (self._bandwidth or 1.0)
        return tolerance + 4 * rounding * factors[:, None]

    def _base_squares(self, rows, cols):
        distances = self._distances(rows, cols)
        # Excluded pairs get 0, which is valid for every kernel.
        u = np.zeros_like(distances)
        scale = self._bandwidth if self._bandwidth > 0 else np.inf
        np.divide(distances, scale, out=u, where=distances <= self._farthest)
        return np.square(u, out=u)

    def mismatched(self, rows, cols=slice(None)):
        distances = self._distances(rows, cols)
        too_far = distances > self._farthest
        if self.exact_queries is not None and self.exact_queries[rows].any():
            return too_far | ((distances > 0) & self.exact_queries[rows][:, None])
        return too_far if too_far.any() else None

    def mismatch_distances(self, rows, cols=slice(None)):
        mismatched = self.mismatched(rows, cols)
        return None if mismatched is None else np.where(mismatched, self._distances(rows, cols), 0)


def _same(place, other):
    """Whether two tiles are of the same queries and keys."""
    return place is not None and all(
        ours is theirs or (isinstance(ours, slice) and isinstance(theirs, slice) and ours == theirs)
        for ours, theirs in zip(place, other)
    )
