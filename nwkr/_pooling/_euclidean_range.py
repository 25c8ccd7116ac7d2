"""From rows and bandwidths to euclidean pairs, in units in which squares are in range."""

from __future__ import annotations

import numpy as np

from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._kinds import centre_of, extent_of
from nwkr._pooling._matched import Matched
from nwkr._pooling._width_unit import in_unit

__all__ = ["euclidean_pairs", "euclidean_pairs_of_widths"]

# A bandwidth below this share of the largest key in its column counts as 0, because squares of
# scaled numbers would overflow.
_LEAST_BANDWIDTH = 1e-150
# Queries with numbers beyond this power of 2, in units of the bandwidth, are far from most keys:
# their distances are computed in a larger unit.
_FARTHEST_EXPONENT = 480
# Beyond these, numbers of queries are cut off; the second is for columns of other kinds.
_CUT_OFF_EXPONENT, _CUT_OFF_OF_SPECIAL = 1000, 499


def euclidean_pairs(queries, keys, bandwidth, prepared=None, kinds=None) -> EuclideanPairs:
    """Pair queries with keys under the euclidean metric.

    Parameters
    ----------
    queries, keys : ndarray of shape (n_queries, n_features) and (n_keys, n_features)
        Queries and keys.
    bandwidth : ndarray of shape (n_features,)
        Scale of each column: 0 for columns that must match, infinite for columns that are ignored.
    prepared : Prepared or None, default=None
        Precomputed results for the keys.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers.

    Returns
    -------
    pairs : EuclideanPairs
        The pairs.
    """
    special = None
    if kinds is not None:
        special = kinds.special(keys) if prepared is None else prepared.special
        special = special | kinds.special(queries)
        kinds = kinds if special.any() else None
    largest_key = _largest(keys) if prepared is None else prepared.extent.max(initial=0)
    matched = bandwidth <= _LEAST_BANDWIDTH * largest_key
    if matched.any() or kinds is not None:  # otherwise all columns at once, which is faster
        of_keys = extent_of(keys, kinds) if prepared is None else prepared.extent
        matched = bandwidth <= _LEAST_BANDWIDTH * of_keys
    centre = centre_of(keys, kinds) if prepared is None else prepared.centre
    if kinds is not None:
        centre = np.nan_to_num(np.where(np.isnan(centre), kinds.centre(queries), centre))
    counted, of_matched = ~matched & np.isfinite(bandwidth), None
    if matched.any():
        of_matched = Matched(queries[:, matched], keys[:, matched], kinds and kinds.take(matched))
    if not counted.all():
        queries, keys, bandwidth = queries[:, counted], keys[:, counted], bandwidth[counted]
        centre, kinds = centre[counted], kinds and kinds.take(counted)
        special = None if special is None else special[counted]
    columns = np.flatnonzero(counted)
    queries, outside, exponents = _far_queries(queries, keys, bandwidth, special)
    pairs = EuclideanPairs(queries, keys, bandwidth, centre, columns, of_matched, kinds, special)
    pairs.outside, pairs.exponents = outside, exponents
    return pairs


def euclidean_pairs_of_widths(
    queries, keys, bandwidth, widths, prepared=None, kinds=None
) -> EuclideanPairs:
    """Pair queries, each with a width, with keys under the euclidean metric.

    The other parameters are those of :func:`euclidean_pairs`.

    Parameters
    ----------
    bandwidth : ndarray of shape (n_features,)
        1 for a column of the distance, infinite for columns that are ignored.
    widths : ndarray of shape (n_queries,)
        Widths; 0 for queries with weight only for equal keys.

    Returns
    -------
    pairs : EuclideanPairs
        The pairs.
    """
    counted = np.isfinite(bandwidth)
    sizes = np.fmax.reduce(np.abs(queries[:, counted]), axis=1, initial=0.0)
    extents = extent_of(keys, kinds) if prepared is None else prepared.extent
    scaled = in_unit(widths, sizes, extents[counted].max(initial=0))
    given = tuple(X if counted.all() else X[:, counted] for X in (queries, keys))
    cut_off = max(sizes.max(initial=0), extents[counted].max(initial=0)) > scaled.farthest
    if cut_off:
        queries, keys = (np.clip(X, -scaled.farthest, scaled.farthest) for X in (queries, keys))
        prepared = None
    pairs = euclidean_pairs(queries, keys, scaled.unit * bandwidth, prepared, kinds)
    pairs.query_factors = scaled.factors
    pairs.outside, pairs.exponents = scaled.outside, scaled.exponents
    pairs.as_given = given if cut_off or scaled.outside is not None else None
    return pairs


def _far_queries(queries, keys, bandwidth, special):
    """The queries, cut off, with those so far from some keys that squares would overflow.

    For these, also the exponents of their units.
    """
    largest = _largest(queries) if special is None else np.inf
    if not np.ldexp(largest, 1 - _FARTHEST_EXPONENT) > bandwidth.min(initial=np.inf):
        return queries, None, None
    of_units, cut_off = np.frexp(bandwidth)[1], np.full(len(bandwidth), _CUT_OFF_EXPONENT)
    plain = slice(None)
    if special is not None:  # keys without a number in such a column are not far away
        cut_off[special], plain = _CUT_OFF_OF_SPECIAL, ~special
    with np.errstate(over="ignore"):
        limits = np.ldexp(1.0, of_units + cut_off)
    queries = np.clip(queries, -limits, limits)

    def sizes(rows):
        scaled = np.ldexp(rows[:, plain], -of_units[plain], dtype=float)
        return np.frexp(np.abs(scaled, out=scaled).max(axis=1, initial=0))[1]

    outside = sizes(queries) >= _FARTHEST_EXPONENT
    if not outside.any():
        return queries, None, None
    exponents = np.zeros(len(queries), int)
    for row in np.flatnonzero(outside):
        nearest = sizes(queries[row].astype(float) - keys).min(initial=_CUT_OFF_EXPONENT)
        exponents[row] = max(0, nearest - _FARTHEST_EXPONENT)
    return queries, outside, exponents


def _largest(X):
    return max(float(X.max(initial=0)), -float(X.min(initial=0)))
