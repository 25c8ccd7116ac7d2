"""The interface of all metrics: pairs of queries and keys, in tiles.

A tile holds the squares of ``u = distance / bandwidth``. It is computed in one of two ways. The
*plain formula* is exact up to rounding. The *product* expands the square into a matrix product
with two extra columns. It is several times faster, but its error grows with the squared distance
from the centre. A tile uses the product if its error is harmless, and the plain formula otherwise.

Pairs may also be excluded independently of their distance: a query may leave a key out, and
columns with bandwidth 0 must match.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from nwkr._pooling._kinds import Kinds
from nwkr._pooling._mask import Mask
from nwkr._pooling._product import Product
from nwkr._pooling._sizes import DEFAULT_SIZES, Sizes

__all__ = ["Pairs", "places"]

# A squared distance counts as equal to the squared width of the query if their relative difference
# is less than this.
_TIE_TOLERANCE = 1e-14
# Larger squared distances count as this one, because infinite ones are of excluded pairs.
_GREATEST_SQUARE = 1e300


class Pairs:
    """All pairs of queries and keys.

    In every method `rows` and `cols` select queries and keys, by a slice or by their numbers.

    Parameters
    ----------
    n_queries, n_keys : int
        Their numbers.
    dtype : dtype
        Type of the weights.

    Attributes
    ----------
    call_size : int
        Number of pairs of the whole call, which may be larger.
    leave_out : ndarray of shape (n_queries,) or None
        For each query, the number of the key that it leaves out; -1 for none.
    mask : Mask or None
        Further keys that are hidden from each query.
    exact_queries : ndarray of bool, of shape (n_queries,), or None
        Queries of width 0, for which only keys at distance 0 count.
    query_factors, key_factors : ndarray of shape (n_queries,) and (n_keys,) or None
        Factors of the squared distances.
    outside : ndarray of bool, of shape (n_queries,), or None
        Queries for which squares of numbers would be out of range; None if there are none.
    exponents : ndarray of int, of shape (n_queries,), or None
        Powers of 2 by which the differences of these queries to keys are divided before they are
        squared; 0 for others.
    as_given : tuple of two ndarray, or None
        Queries and keys before numbers out of the range of the widths were cut off.
    sizes : Sizes
        Sizes of pieces of work.
    columns : ndarray of int
        Numbers of the columns in the distance; empty for a distance without columns.
    kinds : Kinds or None
        Columns that do not hold plain numbers; None if all do.
    """

    columns = np.empty(0, int)
    kinds: Kinds | None = None
    leave_out: np.ndarray | None = None
    mask: Mask | None = None
    exact_queries: np.ndarray | None = None
    query_factors: np.ndarray | None = None
    key_factors: np.ndarray | None = None
    outside: np.ndarray | None = None
    exponents: np.ndarray | None = None
    as_given: tuple[np.ndarray, np.ndarray] | None = None
    sizes: Sizes = DEFAULT_SIZES

    def __init__(self, n_queries, n_keys, dtype):
        self.shape = n_queries, n_keys
        self.call_size = n_queries * n_keys
        self.dtype = np.dtype(dtype)

    def _base_squares(self, rows, cols) -> np.ndarray:
        """Squared distances in units of the bandwidth, without the factors, in float64."""
        raise NotImplementedError

    def exponents_of(self, rows) -> np.ndarray:
        """Powers of 2 by which some queries are farther away than their squared distances tell."""
        if self.exponents is None or self.query_factors is not None:  # which undo them
            return np.broadcast_to(0, self.shape[0])[rows]
        return self.exponents[rows]

    def squared_distances(self, rows, cols=slice(None)) -> np.ndarray:
        """Squared scaled distances by the plain formula, in float64."""
        u2 = self._base_squares(rows, cols)
        if self.query_factors is not None:
            with np.errstate(over="ignore"):  # far keys, in units of a narrow width
                u2 *= self.query_factors[rows][:, None]
            np.minimum(u2, _GREATEST_SQUARE, out=u2)
            # The width is the distance to some key: keys at that distance must get exactly 1.
            u2[np.abs(u2 - 1) < self._tie_tolerance(rows)] = 1
        if self.key_factors is not None:
            u2 *= self.key_factors[cols]
        return u2

    def _tie_tolerance(self, rows):
        """Tolerance within which squared distances count as 1, if widths vary by query."""
        return _TIE_TOLERANCE

    def beyond_closest(self, u2, closest, rows, cols=slice(None), reach=np.inf) -> np.ndarray:
        """``u2 - closest``: squared scaled distances beyond those of the closest key.

        Those beyond `reach` need few digits, also in units of a wider bandwidth.
        """
        return u2 - closest

    def rounded_off(self, u2: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Rounding errors of squared scaled distances, each of one query and one key.

        As exact as :meth:`beyond_closest`: 0 if that is a plain difference.
        """
        return np.zeros(len(u2))

    def product(self, factor: float, offset: float = 0.0) -> Product | None:
        """``factor * u2 + offset`` by matrix products, if possible."""
        return None

    @cached_property
    def centred(self) -> tuple[np.ndarray, np.ndarray]:
        """Queries and keys in units of the bandwidth, from a common centre, if they have one."""
        raise NotImplementedError

    def candidate_keys(self, rows: np.ndarray, within: float, beyond: float) -> slice | np.ndarray:
        """Keys that may have weight for at least one of some queries: a superset.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the queries.
        within : float
            Keys count up to this squared scaled distance,
        beyond : float
            and up to this beyond that of the nearest key.

        Returns
        -------
        cols : slice or ndarray of shape (n_cols,)
            The keys.
        """
        return slice(None)

    @property
    def must_match(self) -> bool:
        """Whether some columns must be equal."""
        return False

    def mismatch_distances(self, rows, cols=slice(None)) -> np.ndarray | None:
        """Distances in the columns with bandwidth 0; None if there are none."""
        return None

    def mismatched(self, rows, cols=slice(None)) -> np.ndarray | None:
        """Pairs that differ although the bandwidth is 0; None if no bandwidth is 0."""
        if self.exact_queries is None or not self.exact_queries[rows].any():
            return None
        return (self._base_squares(rows, cols) > 0) & self.exact_queries[rows][:, None]

    def exclude(self, tile, rows, cols=slice(None), fill=0.0) -> None:
        """Write `fill` at excluded pairs."""
        mismatched = self.mismatched(rows, cols)
        if mismatched is not None:
            tile[mismatched] = fill
        self.exclude_self(tile, rows, cols, fill)

    def exclude_self(self, tile, rows, cols=slice(None), fill=0.0) -> None:
        """Write `fill` at pairs of a query with its left-out key or a hidden key."""
        if self.mask is not None:
            np.copyto(tile, fill, where=self.mask.hides(rows, cols))
        if self.leave_out is None:
            return
        left_out = places(self.leave_out[rows], cols)
        here = np.flatnonzero(left_out >= 0)
        tile[here, left_out[here]] = fill


def places(numbers: np.ndarray, cols: slice | np.ndarray) -> np.ndarray:
    """Positions of the keys with these numbers among the selected keys; -1 for others."""
    if isinstance(cols, slice):
        first = cols.start or 0
        inside = (numbers >= first) & (numbers < (np.inf if cols.stop is None else cols.stop))
        return np.where(inside, numbers - first, -1)
    if not len(cols):
        return np.full(len(numbers), -1)
    order = np.argsort(cols, kind="stable")  # fast, because the numbers come in runs
    found = order[np.searchsorted(cols, numbers, sorter=order).clip(max=len(cols) - 1)]
    return np.where(cols[found] == numbers, found, -1)
