"""Squared scaled distances between queries and keys, a tile at a time.

Two ways lead to the square of ``u = distance / bandwidth``. The *product* expands the
square: one matrix product over two extra columns, fast, with an error that grows with the
squared distance from the centre. The *differences* are the plain formula, several times
slower and right to the last digits. A tile takes the product where its error cannot be
seen; what has to be exact asks for the differences.

Leave-one-out and columns with bandwidth 0 are kept apart from distances: they say which
pairs do not count, whatever the kernel makes of the distance.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances

from nwkr._pooling._product import Product, pick
from nwkr._pooling._threads import slices

__all__ = ["EuclideanPairs", "Pairs", "pairs_of", "places"]

# Squares above this have an error beyond rounding where their difference counts.
_LARGE = 2.0**14
# Distances to a query's width that differ by less are equal.
_TIED = 1e-14
# A bandwidth is as good as 0 where it is this small beside the data: squares would overflow.
_NOTHING = 1e-150
# Squares beyond this may overflow on the way.
_ENDLESS = 1e300
_PAIRS_PER_LOOK = 2**18


def pairs_of(
    queries,
    keys,
    bandwidth,
    metric="euclidean",
    leave_out=None,
    query_widths=None,
    key_widths=None,
) -> Pairs:
    """Pair queries with keys under a metric.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Queries; if precomputed, their distances to the keys, (n_queries, n_keys).
    keys : ndarray of shape (n_keys, n_features)
        Keys; if precomputed, any array of as many rows.
    bandwidth : ndarray of shape (n_features,) or float
        Scale of each column for the euclidean metric, of the distance for all others.
    metric : str or callable, default="euclidean"
        "precomputed", or any metric of :func:`sklearn.metrics.pairwise_distances`.
    leave_out : ndarray of shape (n_queries,) or None, default=None
        For each query, the number of the key that it leaves out; -1 for none.
    query_widths, key_widths : ndarray of shape (n_queries,) and (n_keys,) or None, default=None
        Factors of the bandwidth, by query or by key, not both.

    Returns
    -------
    pairs : Pairs
        The pairs.
    """
    pairs: Pairs
    if metric == "euclidean":
        pairs = _euclidean(queries, keys, bandwidth)
    else:
        pairs = _MetricPairs(queries, keys, bandwidth, metric)
    assert query_widths is None or key_widths is None
    pairs.leave_out = leave_out
    if query_widths is not None:
        # A width of 0 is the limit of a narrow window: what is apart does not count.
        pairs.exact = query_widths == 0
        pairs.query_factors = np.where(pairs.exact, 1.0, query_widths) ** -2.0
    if key_widths is not None:
        pairs.key_factors = key_widths**-2.0
    return pairs


class Pairs:
    """All pairs of queries and keys, which `rows` and `cols` select, slices or numbers."""

    leave_out: np.ndarray | None = None
    exact: np.ndarray | None = None  # queries that take exact matches only
    query_factors: np.ndarray | None = None  # of the squared distances
    key_factors: np.ndarray | None = None

    def __init__(self, n_queries, n_keys, dtype):
        self.shape = n_queries, n_keys
        self.dtype = np.dtype(dtype)  # of the weights

    def squares(self, rows, cols) -> np.ndarray:
        """Squared distances in units of the bandwidth, by the plain formula."""
        raise NotImplementedError

    def differences(self, rows, cols=slice(None)) -> np.ndarray:
        """Squared scaled distances by the plain formula, in float64."""
        u2 = self.squares(rows, cols)
        if self.query_factors is not None:
            u2 *= self.query_factors[rows][:, None]
            # The width is the distance to some key, and ties with it, however they round.
            u2[np.abs(u2 - 1) < _TIED] = 1
        if self.key_factors is not None:
            u2 *= self.key_factors[cols]
        return u2

    def excess(self, u2, closest, rows, cols=slice(None)) -> np.ndarray:
        """Squared scaled distances in excess of the closest key's."""
        return u2 - closest

    def product(self, factor: float, offset: float = 0.0) -> Product | None:
        """``factor * u2 + offset`` by matrix products, if possible."""
        return None

    @cached_property
    def centred(self) -> tuple[np.ndarray, np.ndarray]:
        """Queries and keys in units of the bandwidth, from a common centre, if they have one."""
        raise NotImplementedError

    def near(self, rows: np.ndarray, within: float, beyond: float) -> slice | np.ndarray:
        """Keys that have any of these queries near, and perhaps more.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the queries.
        within : float
            Squared scaled distance that is near.
        beyond : float
            Near is what is no further than this beyond the nearest, too.

        Returns
        -------
        cols : slice or ndarray of shape (n_cols,)
            The keys.
        """
        return slice(None)

    def coarse(self, rows, cols=slice(None)) -> np.ndarray | None:
        """Distances in what has bandwidth 0, in any unit; None if nothing has."""
        return None

    def apart(self, rows, cols=slice(None)) -> np.ndarray | None:
        """Where pairs differ in what has bandwidth 0; None if nothing has."""
        if self.exact is None or not self.exact[rows].any():
            return None
        return (self.squares(rows, cols) > 0) & self.exact[rows][:, None]

    def exclude(self, tile, rows, cols=slice(None), fill=0.0) -> None:
        """Put `fill` where a pair does not count."""
        apart = self.apart(rows, cols)
        if apart is not None:
            tile[apart] = fill
        self.exclude_self(tile, rows, cols, fill)

    def exclude_self(self, tile, rows, cols=slice(None), fill=0.0) -> None:
        """Put `fill` where a query meets the key that it leaves out."""
        if self.leave_out is None:
            return
        left_out = places(self.leave_out[rows], cols)
        here = np.flatnonzero(left_out >= 0)
        tile[here, left_out[here]] = fill


def places(numbers: np.ndarray, cols: slice | np.ndarray) -> np.ndarray:
    """Where the keys with these numbers stand among some; -1 where they do not."""
    if isinstance(cols, slice):
        first = cols.start or 0
        inside = (numbers >= first) & (numbers < (np.inf if cols.stop is None else cols.stop))
        return np.where(inside, numbers - first, -1)
    if not len(cols):
        return np.full(len(numbers), -1)
    order = np.argsort(cols, kind="stable")  # quick, for they come in runs
    found = order[np.searchsorted(cols, numbers, sorter=order).clip(max=len(cols) - 1)]
    return np.where(cols[found] == numbers, found, -1)


def _euclidean(queries, keys, bandwidth):
    matched = bandwidth <= _NOTHING * np.maximum(_extent(queries), _extent(keys))
    counted = ~matched & np.isfinite(bandwidth)
    of_matched = (queries[:, matched], keys[:, matched]) if matched.any() else None
    if not counted.all():
        queries, keys, bandwidth = queries[:, counted], keys[:, counted], bandwidth[counted]
    # A robust centre, from a thousand rows or so: it only has to be near.
    centre = np.median(keys[:: 1 + len(keys) // 1000], axis=0)
    return EuclideanPairs(queries, keys, bandwidth, centre, np.flatnonzero(counted), of_matched)


class EuclideanPairs(Pairs):
    """Pairs of rows under the euclidean metric.

    Parameters
    ----------
    queries, keys : ndarray of shape (n_queries, n_columns) and (n_keys, n_columns)
        The columns that distances are made of.
    bandwidth : ndarray of shape (n_columns,)
        Their scales, positive and finite.
    centre : ndarray of shape (n_columns,)
        A point near queries and keys.
    columns : ndarray of shape (n_columns,)
        Their numbers.
    matched : tuple of ndarray or None, default=None
        What queries and keys have in the columns with bandwidth 0.
    """

    def __init__(self, queries, keys, bandwidth, centre, columns, matched=None):
        super().__init__(len(queries), len(keys), np.result_type(queries, keys))
        self.queries, self.keys, self.bandwidth = queries, keys, bandwidth
        self.columns = columns
        self._centre, self._matched = centre, matched

    def restrict(self, rows, cols, multiple=1.0, leaving=True) -> EuclideanPairs:
        """The pairs of some queries with some keys.

        Parameters
        ----------
        rows, cols : ndarray of shape (n_rows,) and (n_cols,)
            Numbers of the queries and of the keys.
        multiple : float, default=1.0
            Factor of the bandwidth.
        leaving : bool, default=True
            Whether queries leave out the keys that they leave out.

        Returns
        -------
        pairs : EuclideanPairs
            The pairs.
        """
        # np.take is ten times faster than an index.
        queries, keys = np.take(self.queries, rows, axis=0), np.take(self.keys, cols, axis=0)
        centre, matched = queries.mean(axis=0, dtype=float), self._matched
        if matched is not None:
            matched = matched[0][rows], matched[1][cols]
        bandwidth = multiple * self.bandwidth
        part = EuclideanPairs(queries, keys, bandwidth, centre, self.columns, matched)
        part.dtype = self.dtype
        if leaving and self.leave_out is not None:
            part.leave_out = places(self.leave_out[rows], cols)
        if self.query_factors is not None:
            part.query_factors = self.query_factors[rows]
        if self.exact is not None:
            part.exact = self.exact[rows]
        if self.key_factors is not None:
            part.key_factors = self.key_factors[cols]
        return part

    @cached_property
    def leaves_itself_out(self) -> bool:
        """Whether any key that a query leaves out is where the query is."""
        if self.leave_out is None:
            return True
        leaving = np.flatnonzero(self.leave_out >= 0)
        queries = np.take(self.queries, leaving, axis=0)
        return np.array_equal(queries, np.take(self.keys, self.leave_out[leaving], axis=0))

    @property
    def matches(self) -> bool:
        """Whether some columns have to be equal."""
        return self._matched is not None

    def squares(self, rows, cols):
        queries, keys, inverse_square = self._in_range
        queries, keys = queries[rows], pick(keys, cols)
        if not len(inverse_square):
            return np.zeros((len(queries), len(keys)))
        return cdist(queries, keys, "sqeuclidean", w=inverse_square)

    def excess(self, u2, closest, rows, cols=slice(None)):
        excess = u2 - closest
        if self.key_factors is not None:
            return excess
        queries, keys, inverse_square = self._in_range
        queries, keys = queries[rows], pick(keys, cols)
        factors = np.ones(len(u2)) if self.query_factors is None else self.query_factors[rows]
        for far in np.flatnonzero(closest.ravel() > _LARGE):
            # As a difference of squares it has lost its digits; as a product it keeps them.
            to_keys = queries[far] - keys
            nearest = u2[far].argmin()
            products = (keys[nearest] - keys) * (to_keys + to_keys[nearest])
            reached = np.isfinite(u2[far])
            # Like columns are added before they are scaled, so that ties stay ties.
            products *= inverse_square / inverse_square[0]
            of_far = products.sum(axis=1) * inverse_square[0]
            excess[far, reached] = factors[far] * of_far[reached]
        return excess

    @cached_property
    def _in_range(self):
        """Columns divided by powers of 2, which is exact, so that squares stay in range."""
        mantissa, exponent = np.frexp(self.bandwidth)
        scale = np.ldexp(1.0, -exponent)
        return self.queries * scale, self.keys * scale, mantissa**-2.0

    @cached_property
    def centred(self):
        """Queries and keys in units of the bandwidth, from a common centre."""
        return tuple(self.in_units(X, np.empty(X.shape[::-1])).T for X in (self.queries, self.keys))

    def in_units(self, X: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write columns of rows, in units of the bandwidth, from the centre."""
        # A column at a time: rows are short, and NumPy's loops want to be long.
        out[:] = X.T
        out -= self._centre[:, None]
        out /= self.bandwidth[:, None]
        return out

    def product(self, factor, offset=0.0):
        return Product(self, factor, offset)

    def near(self, rows, within, beyond):
        if self._matched is not None or np.isinf(within) or not self.shape[1]:
            return slice(None)
        reach, error = self._plain.reach(rows)
        if not max(within, beyond) < reach < _ENDLESS:
            return slice(None)
        near, nearest = np.zeros(self.shape[1], bool), np.full(len(rows), np.inf)
        for cols in slices(len(near), max(1, _PAIRS_PER_LOOK // len(rows))):
            u2 = self._plain.squares(rows, cols)
            self.exclude_self(u2, rows, cols, fill=np.inf)
            nearest = np.minimum(nearest, u2.min(axis=1))  # so far
            bound = np.maximum(nearest + beyond, within) + 2 * error
            near[cols] = (u2 <= bound[:, None]).any(axis=0)
        return np.flatnonzero(near)

    @cached_property
    def _plain(self):
        return self.product(1.0)

    def coarse(self, rows, cols=slice(None)):
        if self._matched is None:
            return None
        queries, keys = self._matched
        # Divided by a power of 2, which is exact, so that squares stay in range.
        _, exponent = np.frexp(max(_extent(keys).max(initial=0), _extent(queries[rows]).max()))
        return cdist(np.ldexp(queries[rows], -exponent), np.ldexp(keys[cols], -exponent))

    def apart(self, rows, cols=slice(None)):
        if self._matched is None:
            return super().apart(rows, cols)
        queries, keys = self._labels
        return queries[rows][:, None] != keys[cols]

    @cached_property
    def _labels(self):
        """Equal labels where rows are equal in the columns with bandwidth 0."""
        assert self._matched is not None
        rows = np.concatenate(self._matched)
        labels = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        return np.split(labels, [self.shape[0]])


def _extent(X):
    # Over the rows of all columns at once, which are short, it takes thirty times as long.
    return np.array([np.abs(column).max() for column in X.T], float)


class _MetricPairs(Pairs):
    def __init__(self, queries, keys, bandwidth, metric):
        super().__init__(len(queries), len(keys), np.float64)
        self._queries, self._keys = queries, keys
        self._bandwidth, self._metric = bandwidth, metric

    def _distances(self, rows, cols):
        if self._metric == "precomputed":
            return self._queries[rows][:, cols].astype(float)
        distances = pairwise_distances(self._queries[rows], self._keys[cols], metric=self._metric)
        if not (distances >= 0).all():
            raise ValueError(
                f"metric must give distances, which are not negative; {self._metric!r} gave "
                f"{distances.min()}."
            )
        return distances

    def squares(self, rows, cols):
        distances = self._distances(rows, cols)
        # The limits of the bandwidth: pairs that are apart do not count for 0.
        distances /= self._bandwidth if self._bandwidth > 0 else np.inf
        return np.square(distances, out=distances)

    def coarse(self, rows, cols=slice(None)):
        return None if self._bandwidth > 0 else self._distances(rows, cols)

    def apart(self, rows, cols=slice(None)):
        if self._bandwidth > 0:
            return super().apart(rows, cols)
        return self._distances(rows, cols) > 0
