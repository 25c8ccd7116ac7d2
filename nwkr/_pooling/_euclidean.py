"""Pairs of rows under the euclidean metric, with a bandwidth for each column."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

from nwkr._pooling._error_free import exact_product, exact_sum
from nwkr._pooling._kinds import Products
from nwkr._pooling._pairs import Pairs, places
from nwkr._pooling._product import Product, pick
from nwkr._pooling._threads import scratch, slices

__all__ = ["EuclideanPairs"]

# Differences of larger squared distances have lost digits that matter for weights.
_DIGITS_LOST_ABOVE = 2.0**14
# Differences of this size have digits to spare.
_FEW = 2.0**10
# Sums of squares that may exceed this are not computed, because they could overflow.
_GREATEST_SQUARE = 1e300
# The largest number whose square is in range of error-free products.
_LARGEST_IN_UNIT = 2.0**490
# Pairs of a tile in the search for candidate keys.
_PAIRS_AT_ONCE = 2**18
# This many numbers fit in the cache.
_PAIRS_IN_CACHE = 2**16


class EuclideanPairs(Pairs):
    """Pairs of rows under the euclidean metric.

    Parameters
    ----------
    queries, keys : ndarray of shape (n_queries, n_columns) and (n_keys, n_columns)
        The columns of the distance.
    bandwidth : ndarray of shape (n_columns,)
        Scales of the columns, positive and finite.
    centre : ndarray of shape (n_columns,)
        A point near queries and keys.
    columns : ndarray of shape (n_columns,)
        Numbers of the columns among the features.
    matched : Matched or None, default=None
        The columns with bandwidth 0.
    kinds : Kinds or None, default=None
        The columns that do not hold plain numbers.
    special : ndarray of bool, of shape (n_columns,), or None, default=None
        Which of the columns are among these, if known.

    Attributes
    ----------
    is_flat : bool
        Whether distances are those of the columns, without further conversion.
    special : ndarray of shape (n_special,)
        Positions of the columns that do not hold plain numbers.
    """

    is_flat = True

    def __init__(
        self, queries, keys, bandwidth, centre, columns, matched=None, kinds=None, special=None
    ):
        super().__init__(len(queries), len(keys), np.result_type(queries, keys))
        self.queries, self.keys, self.bandwidth = queries, keys, bandwidth
        self.columns = columns
        self._centre, self.matched = centre, matched
        self.special = np.zeros(0, int)
        if kinds is not None:
            if special is None:
                special = kinds.special(queries) | kinds.special(keys)
            self.special = np.flatnonzero(special)
            self.kinds = kinds if len(self.special) else None

    def restrict(self, rows, cols, multiple=1.0, leaving=True) -> EuclideanPairs:
        """The pairs of some queries with some keys.

        Parameters
        ----------
        rows, cols : ndarray of shape (n_rows,) and (n_cols,)
            Numbers of the queries and of the keys.
        multiple : float, default=1.0
            Factor of the bandwidth.
        leaving : bool, default=True
            Whether to apply the left-out keys.

        Returns
        -------
        pairs : EuclideanPairs
            The pairs.
        """
        # np.take is ten times faster than an index.
        queries, keys = np.take(self.queries, rows, axis=0), np.take(self.keys, cols, axis=0)
        centre, matched = queries.mean(axis=0, dtype=float), self.matched
        if self.kinds is not None:
            centre = self.kinds.centre(queries)
            centre = np.where(np.isnan(centre), self._centre, centre)
        if matched is not None:
            matched = matched.take(rows, cols)
        bandwidth = multiple * self.bandwidth
        part = EuclideanPairs(queries, keys, bandwidth, centre, self.columns, matched, self.kinds)
        self._hand_on(part, rows, cols, leaving)
        return part

    def _hand_on(self, part, rows, cols, leaving):
        part.dtype, part.call_size, part.sizes = self.dtype, self.call_size, self.sizes
        if leaving and self.leave_out is not None:
            part.leave_out = places(self.leave_out[rows], cols)
        if self.mask is not None:
            part.mask = self.mask.take(rows, cols)
        if self.query_factors is not None:
            part.query_factors = self.query_factors[rows]
        if self.exact_queries is not None:
            part.exact_queries = self.exact_queries[rows]
        if self.key_factors is not None:
            part.key_factors = self.key_factors[cols]
        if self.outside is not None and self.exponents is not None and self.outside[rows].any():
            part.outside, part.exponents = self.outside[rows], self.exponents[rows]

    def bounds(self, nearest, farthest):
        """Bounds of squared scaled distances, from those by columns."""
        return nearest, farthest

    @cached_property
    def leaves_itself_out(self) -> bool:
        """Whether each left-out key is at the place of its query, and none is hidden."""
        if self.mask is not None:
            return False
        if self.leave_out is None:
            return True
        leaving = np.flatnonzero(self.leave_out >= 0)
        queries = np.take(self.queries, leaving, axis=0)
        return np.array_equal(queries, np.take(self.keys, self.leave_out[leaving], axis=0))

    @cached_property
    def hides_left_out(self) -> bool:
        """Whether a mask hides all left-out keys."""
        if self.mask is None or self.leave_out is None:
            return self.mask is not None
        leaving = np.flatnonzero(self.leave_out >= 0)
        return bool(self.mask.hides(leaving, self.leave_out[leaving][:, None]).all())

    @property
    def must_match(self):
        return self.matched is not None

    def _base_squares(self, rows, cols):
        queries, keys, inverse_square = self.in_range
        queries, keys = queries[rows], pick(keys, cols)
        if not len(inverse_square):
            return np.zeros((len(queries), len(keys)))
        if self.kinds is not None:
            squares = self._squares_of_kinds(queries, keys)
        else:
            squares = cdist(queries, keys, "sqeuclidean", w=inverse_square)
        if self.outside is not None and (outside := self.outside[rows]).any():
            of_rows = np.arange(self.shape[0])[rows]
            for row in np.flatnonzero(outside):
                squares[row] = self._squares_in_unit(of_rows[row], cols)
        return squares

    def _squares_in_unit(self, row, cols):
        """Squared distances of a query from outside the range, in its own unit."""
        assert self.exponents is not None
        queries, keys = self.as_given or (self.queries, self.keys)
        keys, (*_, factors) = pick(keys, cols).astype(float, copy=False), self.in_range
        units = np.frexp(self.bandwidth)[1] + self.exponents[row]
        squares = np.zeros(len(keys))
        with np.errstate(over="ignore"):
            for column, (number, others) in enumerate(zip(queries[row].astype(float), keys.T)):
                factor, exponent = factors[column], -units[column]
                if self.kinds is not None and column in self.special:
                    number, others = np.ldexp(number, exponent), np.ldexp(others, exponent)
                    squares += self.kinds.squares(column, number, others, exponent, factor)
                    continue
                apart = np.ldexp(number - others, exponent)
                apart = np.clip(apart, -_LARGEST_IN_UNIT, _LARGEST_IN_UNIT)
                squares += factor * np.square(apart)
        return squares

    def _squares_of_kinds(self, queries, keys):
        *_, inverse_square = self.in_range
        plain = np.delete(np.arange(len(inverse_square)), self.special)
        if len(plain):
            scales = inverse_square[plain]
            squares = cdist(queries[:, plain], keys[:, plain], "sqeuclidean", w=scales)
        else:
            squares = np.zeros((len(queries), len(keys)))
        # In parts that fit in the cache.
        height = max(1, _PAIRS_IN_CACHE // max(1, len(keys)))
        room = scratch("squares", height * len(keys), np.dtype(float)).reshape(height, -1)
        for part in slices(len(queries), height):
            rows = queries[part]
            for _, of_column in self._special_squares(rows, keys, room[: len(rows)]):
                squares[part] += of_column
        return squares

    def _special_squares(self, queries, keys, out=None):
        *_, inverse_square = self.in_range
        for column in self.special:
            sides = queries[:, column, None], keys[:, column]
            yield column, self._squares_of_column(column, *sides, inverse_square[column], out)

    def _squares_of_column(self, column, queries, keys, factor=1.0, out=None):
        assert self.kinds is not None
        exponent = -np.frexp(self.bandwidth[column])[1]
        return self.kinds.squares(column, queries, keys, exponent, factor, out)

    def special_squares(self, rows, cols):
        """Columns that do not hold plain numbers, and their contributions to the squares."""
        if self.kinds is not None:
            queries, keys, _ = self.in_range
            yield from self._special_squares(queries[rows], pick(keys, cols))

    def put_special(self, beyond, row, cols, nearest, unit=1.0):
        """Write the differences to the nearest key for columns that do not hold plain numbers."""
        keys = pick(self.keys, cols)
        of_nearest = dict(self.special_squares([row], np.array([nearest])))
        for column, (squares,) in self.special_squares([row], cols):
            assert self.kinds is not None
            number = self.queries[row, column] + keys[:, column] + self.keys[nearest, column]
            lost = np.isnan(number) | self.kinds.is_label[column]
            change = squares - of_nearest[column][0]
            np.copyto(beyond[:, column], change / unit, where=lost)

    def beyond_closest(self, u2, closest, rows, cols=slice(None), reach=np.inf):
        beyond = u2 - closest
        if self.key_factors is not None:
            return beyond
        numbers, exponents = np.arange(self.shape[1])[cols], self.exponents_of(rows)
        factors = np.ones(len(u2)) if self.query_factors is None else self.query_factors[rows]
        # With wider bandwidths too: there digits are lost above the same limit, in their unit.
        needed = beyond <= reach * np.maximum(1, closest / _DIGITS_LOST_ABOVE)
        needed &= np.isfinite(u2)
        for far in np.flatnonzero(closest.ravel() > _DIGITS_LOST_ABOVE):
            near = np.flatnonzero(needed[far])
            nearest, least = near[u2[far, near].argmin()], 0
            few = -_FEW if reach > 1 and not exponents[far] else 0.0
            # Among keys whose distances share all digits, another one may be nearer.
            for _ in self.columns:
                terms = rows[far], numbers[near], numbers[nearest], exponents[far]
                of_near = self._beyond_key(*terms)
                least = of_near.argmin()
                if of_near[least] >= few:
                    break
                nearest = near[least]
            if exponents[far]:
                with np.errstate(over="ignore"):
                    of_near = np.ldexp(of_near - of_near[least], exponents[far])
            beyond[far, near] = factors[far] * of_near
        return beyond

    def _beyond_key(self, row, numbers, nearest, exponent):
        """Squared distances of a query beyond that of one key, divided by a power of 2."""
        queries, keys, inverse_square = self.in_range
        beyond = np.empty(len(numbers))
        # q^2 - p^2 has lost its digits; (q - p) (q + p) keeps them.
        to_nearest = np.ldexp(queries[row] - keys[nearest], -exponent)
        at_once = max(1, _PAIRS_IN_CACHE // max(1, len(self.columns)))
        for part in slices(len(numbers), at_once):
            some = np.take(keys, numbers[part], axis=0)
            products = keys[nearest] - some
            np.subtract(queries[row], some, out=some)
            if exponent:
                np.ldexp(some, -exponent, out=some)
            products *= np.add(some, to_nearest, out=some)
            # Columns of one scale are added before they are scaled: ties stay ties.
            products *= inverse_square / inverse_square[0]
            if self.kinds is not None:
                unit = np.ldexp(inverse_square[0], exponent)
                self.put_special(products, row, numbers[part], nearest, unit)
            beyond[part] = products.sum(axis=1) * inverse_square[0]
        return beyond

    def rounded_off(self, u2, rows, cols):
        if self.key_factors is not None:
            return super().rounded_off(u2, rows, cols)  # as in beyond_closest
        queries, keys, factors = self.in_range
        total, rest = np.zeros((2, len(rows)))
        exponents = self.exponents_of(rows)
        for part in slices(len(factors), max(1, _PAIRS_AT_ONCE // max(1, len(rows)))):
            # By column, as their squares are added one by one.
            of_part = queries[rows, part].T, keys[cols, part].T, factors[part, None], exponents
            squares, errors = self._exact_squares(part.start, *of_part)
            rest += errors.sum(axis=0)
            for square in squares:
                total, carried = exact_sum(total, square)
                rest += carried
        if self.query_factors is not None:
            total, more = exact_product(total, self.query_factors[rows])
            rest = more + self.query_factors[rows] * rest
            if self.outside is not None:  # within their widths, no digits are lost
                return np.where(self.outside[rows], 0, (total - u2) + rest)
        return (total - u2) + rest

    def _exact_squares(self, start, queries, keys, factors, exponents):
        """Scaled squares of differences, (n_columns, n_pairs), from a column on; their errors."""
        apart, low = exact_sum(queries, -keys)
        if exponents.any():
            apart, low = np.ldexp(apart, -exponents), np.ldexp(low, -exponents)
        square, off = exact_product(apart, apart)
        off += 2 * apart * low
        for column in self.special:
            if 0 <= (number := column - start) < len(apart):
                assert self.kinds is not None
                exact = self._squares_of_column(column, queries[number], keys[number])
                plain = ~(np.isnan(apart[number]) | self.kinds.is_label[column])
                square[number] = np.where(plain, square[number], exact)
                off[number] = np.where(plain, off[number], 0)
        square, more = exact_product(square, factors)
        return square, more + factors * off

    @cached_property
    def products(self) -> Products | None:
        """Contributions of columns that do not hold plain numbers."""
        if self.kinds is None:
            return None
        units = self._centre, self.bandwidth
        return self.kinds.products(self.special, self.queries, self.keys, *units, self.sizes)

    @cached_property
    def in_range(self):
        """Columns divided by powers of 2, which is exact, so that squares stay in range."""
        mantissa, exponent = np.frexp(self.bandwidth)
        sides = self.queries, self.keys
        queries, keys = (np.ldexp(X, -exponent, dtype=float, order="C") for X in sides)
        return queries, keys, mantissa**-2.0

    @cached_property
    def centred(self):
        """Queries and keys in units of the bandwidth, from a common centre."""
        return tuple(self.in_units(X, np.empty(X.shape[::-1])).T for X in (self.queries, self.keys))

    def in_units(self, X: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Write columns of rows, in units of the bandwidth, from the centre."""
        # A column at a time: rows are short, and NumPy is fast on long loops.
        out[:] = X.T
        out -= self._centre[:, None]
        out /= self.bandwidth[:, None]
        if self.kinds is not None:
            out[self.kinds.is_label] = 0
            np.copyto(out, 0, where=np.isnan(out))
        return out

    def product(self, factor, offset=0.0):
        return Product(self, factor, offset)

    def candidate_keys(self, rows, within, beyond):
        if self.matched is not None or np.isinf(within) or not self.shape[1]:
            return slice(None)
        if self.outside is not None and self.outside[rows].any():
            return slice(None)
        reach = self._plain.reach(rows)
        error = self._plain.error(reach)
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
        return None if self.matched is None else self.matched.distances(rows, cols)

    def mismatched(self, rows, cols=slice(None)):
        if self.matched is not None:
            return self.matched.differ(rows, cols)
        return None if self.exact_queries is None else self._differ(rows, cols)

    def _differ(self, rows, cols):
        """Pairs that are not at distance 0, of queries with width 0."""
        assert self.exact_queries is not None
        exact = np.flatnonzero(self.exact_queries[rows])
        if not len(exact):
            return None
        queries, keys = self.as_given or (self.queries, self.keys)
        queries, keys = queries[rows], pick(keys, cols)
        differ = np.zeros((len(queries), len(keys)), bool)
        for column, (of_query, of_key) in enumerate(zip(queries[exact].T, keys.T)):
            of_query = of_query[:, None]
            apart = of_query != of_key
            if self.kinds is not None and column in self.special:
                missing, others = np.isnan(of_query), np.isnan(of_key)
                apart &= ~(missing & others)
                if not self.kinds.gap[column]:
                    apart &= ~(missing | others)
            differ[exact] |= apart
        return differ
