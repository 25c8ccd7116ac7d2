"""Pairs of rows under the euclidean metric, with a bandwidth for each column."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

from nwkr._pooling._pairs import Pairs, places
from nwkr._pooling._product import Product, pick
from nwkr._pooling._threads import slices
from nwkr._pooling._twofold import exact_product, exact_sum

__all__ = ["EuclideanPairs", "centre_of", "euclidean_pairs", "extent_of"]

# Above this, the difference of two squared distances has lost digits that a weight would show.
_DIGITS_LOST_ABOVE = 2.0**14
# A bandwidth below this share of the largest number in its column counts as 0: squares of scaled
# numbers would overflow.
_LEAST_BANDWIDTH = 1e-150
# Beyond this, sums of squares may overflow before they are known.
_GREATEST_SQUARE = 1e300
# Size of the tiles in which keys are searched for.
_PAIRS_AT_ONCE = 2**18


def euclidean_pairs(queries, keys, bandwidth, prepared=None) -> EuclideanPairs:
    """Pair queries with keys under the euclidean metric.

    Parameters
    ----------
    queries, keys : ndarray of shape (n_queries, n_features) and (n_keys, n_features)
        Queries and keys.
    bandwidth : ndarray of shape (n_features,)
        Scale of each column: 0 where they have to match, infinite where they do not count.
    prepared : Prepared or None, default=None
        What is known of the keys.

    Returns
    -------
    pairs : EuclideanPairs
        The pairs.
    """
    largest_key = _largest(keys) if prepared is None else prepared.extent.max(initial=0)
    matched = bandwidth <= _LEAST_BANDWIDTH * max(_largest(queries), largest_key)
    if matched.any():  # a look at each column takes longer than one at all numbers
        of_keys = extent_of(keys) if prepared is None else prepared.extent
        matched = bandwidth <= _LEAST_BANDWIDTH * np.maximum(extent_of(queries), of_keys)
    counted = ~matched & np.isfinite(bandwidth)
    of_matched = (queries[:, matched], keys[:, matched]) if matched.any() else None
    if not counted.all():
        queries, keys, bandwidth = queries[:, counted], keys[:, counted], bandwidth[counted]
    centre = centre_of(keys) if prepared is None else prepared.centre[counted]
    return EuclideanPairs(queries, keys, bandwidth, centre, np.flatnonzero(counted), of_matched)


def centre_of(keys: np.ndarray) -> np.ndarray:
    """A point near most keys, of shape (n_columns,)."""
    # The median resists outliers; a thousand rows are enough, as the centre need not be exact.
    return np.median(keys[:: 1 + len(keys) // 1000], axis=0)


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
        Their numbers among the features.
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
        part.dtype, part.call_size = self.dtype, self.call_size
        if leaving and self.leave_out is not None:
            part.leave_out = places(self.leave_out[rows], cols)
        if self.query_factors is not None:
            part.query_factors = self.query_factors[rows]
        if self.exact_queries is not None:
            part.exact_queries = self.exact_queries[rows]
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
    def must_match(self):
        return self._matched is not None

    def _base_squares(self, rows, cols):
        queries, keys, inverse_square = self._in_range
        queries, keys = queries[rows], pick(keys, cols)
        if not len(inverse_square):
            return np.zeros((len(queries), len(keys)))
        return cdist(queries, keys, "sqeuclidean", w=inverse_square)

    def beyond_closest(self, u2, closest, rows, cols=slice(None)):
        beyond = u2 - closest
        if self.key_factors is not None:
            return beyond
        queries, keys, inverse_square = self._in_range
        queries, keys = queries[rows], pick(keys, cols)
        factors = np.ones(len(u2)) if self.query_factors is None else self.query_factors[rows]
        for far in np.flatnonzero(closest.ravel() > _DIGITS_LOST_ABOVE):
            # q^2 - p^2 has lost its digits; (q - p) (q + p) keeps them.
            to_keys = queries[far] - keys
            nearest = u2[far].argmin()
            products = (keys[nearest] - keys) * (to_keys + to_keys[nearest])
            reached = np.isfinite(u2[far])
            # Columns of one scale are added before they are scaled: ties stay ties.
            products *= inverse_square / inverse_square[0]
            of_far = products.sum(axis=1) * inverse_square[0]
            beyond[far, reached] = factors[far] * of_far[reached]
        return beyond

    def rounded_off(self, u2, rows, cols):
        if self.key_factors is not None:
            return super().rounded_off(u2, rows, cols)  # as in beyond_closest
        queries, keys, inverse_square = self._in_range
        total, rest = np.zeros((2, len(rows)))
        for column, others, factor in zip(queries[rows].T, keys[cols].T, inverse_square):
            apart, low = exact_sum(column, -others)
            square, off = exact_product(apart, apart)
            square, more = exact_product(square, factor)
            total, carried = exact_sum(total, square)
            rest += carried + more + factor * (off + 2 * apart * low)
        if self.query_factors is not None:
            total, more = exact_product(total, self.query_factors[rows])
            rest = more + self.query_factors[rows] * rest
        return (total - u2) + rest

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

    def candidate_keys(self, rows, within, beyond):
        if self._matched is not None or np.isinf(within) or not self.shape[1]:
            return slice(None)
        reach, error = self._plain.reach(rows)
        if not max(within, beyond) < reach < _GREATEST_SQUARE:
            return slice(None)
        near, nearest = np.zeros(self.shape[1], bool), np.full(len(rows), np.inf)
        for cols in slices(len(near), max(1, _PAIRS_AT_ONCE // len(rows))):
            u2 = self._plain.squares(rows, cols)
            self.exclude_self(u2, rows, cols, fill=np.inf)
            nearest = np.minimum(nearest, u2.min(axis=1))  # so far
            bound = np.maximum(nearest + beyond, within) + 2 * error
            near[cols] = (u2 <= bound[:, None]).any(axis=0)
        return np.flatnonzero(near)

    @cached_property
    def _plain(self):
        return self.product(1.0)

    def mismatch_distances(self, rows, cols=slice(None)):
        if self._matched is None:
            return None
        queries, keys = self._matched
        # Divided by a power of 2, which is exact, so that squares stay in range.
        _, exponent = np.frexp(max(extent_of(keys).max(initial=0), extent_of(queries[rows]).max()))
        distances = cdist(np.ldexp(queries[rows], -exponent), np.ldexp(keys[cols], -exponent))
        with np.errstate(over="ignore"):
            return np.minimum(np.ldexp(distances, exponent), np.finfo(float).max)

    def mismatched(self, rows, cols=slice(None)):
        if self._matched is None:
            return super().mismatched(rows, cols)
        queries, keys = self._labels
        return queries[rows][:, None] != keys[cols]

    @cached_property
    def _labels(self):
        """Equal labels where rows are equal in the columns with bandwidth 0."""
        assert self._matched is not None
        rows = np.concatenate(self._matched)
        labels = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        return np.split(labels, [self.shape[0]])


def _largest(X):
    return max(X.max(initial=0), -X.min(initial=0))


def extent_of(X: np.ndarray) -> np.ndarray:
    """The greatest absolute number in each column, of shape (n_columns,)."""
    # Over the rows of all columns at once, which are short, it takes thirty times as long.
    return np.array([np.abs(column).max(initial=0) for column in X.T], float)
