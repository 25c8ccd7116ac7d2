"""Derivatives of pooled values with respect to the query.

With the pooled value ``f`` of a query and its total ``T``, a pair adds ``(v - f) w K'(u2) / T``
times the change of its ``u2``, which is ``2 (q - k)`` by a column of the query (q and k in units
of its bandwidth). Up to its sign ``K'`` is a kernel too, so the sum over pairs is pooled, with
the values ``k``, ``v`` and ``v k``; for the Gaussian, whose derivative is itself, all in one.

Rows of weights (`_rows.py`) are used for queries where this is inexact: far from all keys or from
the centre, or with little weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nwkr._pooling._attention import Attention
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._rows import in_rows, row_blocks
from nwkr._pooling._threads import each, one_blas_thread
from nwkr._pooling._values import as_dense
from nwkr.kernels import KERNELS, Kernel

__all__ = ["gradients_through_weights", "query_gradients", "visit_changes"]

# Sums relative to the centre lose digits for queries many bandwidths away from it, and the error of
# the product matters in small totals.
_FARTHEST_FROM_CENTRE, _LEAST_TOTAL = 2.0**10, 2.0**-6
# Replaces the infinite squared distances of pairs that do not count.
_LARGEST_SQUARE = 1e100


def query_gradients(attention: Attention, values: Any) -> np.ndarray:
    """Derivatives of the pooled values by each column of the query.

    Parameters
    ----------
    attention : Attention
        Queries and keys, under the euclidean metric; a kernel that has a derivative, and a
        bandwidth that does not depend on the query.
    values : ndarray, CSR array or ValuesOnDemand, of shape (n_keys, n_values)
        Values, preferably of order 1.

    Returns
    -------
    gradients : ndarray of shape (n_queries, n_features, n_values)
        Derivatives, in units of the columns; 0 for bandwidths 0 and infinity; NaN for queries
        without weights if `empty` is None.
    """
    values = as_dense(values)
    attention = attention.replace(keys=attention.keys.astype(float, copy=False))
    pairs, scales = attention.pairs(), attention.scales
    gradients = np.zeros((len(attention.queries), len(scales), values.shape[1]))
    if len(pairs.columns):
        found = _by_column(attention, pairs, values)
        gradients[:, pairs.columns] = found / scales[pairs.columns, None]
    else:  # without slopes, it is unknown which queries have weight
        found = attention.pool(values).finish()[:, None]
    gradients[np.isnan(found).all(axis=(1, 2))] = np.nan
    return gradients


@one_blas_thread()
def visit_changes(
    attention: Attention,
    visit: Callable[[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, ...]], None],
) -> None:
    """Pass the weights and their derivatives by the squared distance to a callback.

    Parameters
    ----------
    attention : Attention
        Queries and keys, under the euclidean metric, and a kernel that has a derivative.
    visit : callable
        Called as ``visit(rows, cols, weights, (common, unit, rest))``, as in
        :meth:`Attention.visit`. Derivatives of the unnormalised weights by the squared scaled
        distance are ``common * weights + unit * rest``, with numbers `common` and `unit` for each
        row: far from all rows, sums may cancel the common part exactly.
    """
    pairs = attention.pairs()

    def show_part(part):
        for exactly in in_rows(pairs, attention.kernel, np.r_[part], attention.empty):
            cols = np.arange(len(attention.weights))[exactly.cols]
            weights, common, unit, rest = _weights_and_changes(pairs, exactly, attention.weights)
            total = weights.sum(axis=1, keepdims=True)
            total[total == 0] = 1
            visit(exactly.rows, cols, weights / total, (common, unit, rest / total))

    each(show_part, row_blocks(*pairs.shape), attention.n_jobs)


def gradients_through_weights(
    attention: Attention,
    n_outputs: int,
    parts_of: Callable[..., Sequence[np.ndarray]],
    sums: np.ndarray | None = None,
) -> np.ndarray:
    """Derivatives of sums over keys by each column of the query, through the weights.

    Parameters
    ----------
    attention : Attention
        As for :func:`visit_changes`.
    n_outputs : int
        Number of sums of a query.
    parts_of : callable
        Called as ``parts_of(rows, cols, weights)``, as in :meth:`Attention.visit`; returns the
        derivative of each sum by the weights, a sequence of n_outputs ndarrays of shape (n_rows,
        n_cols).
    sums : ndarray of shape (n_queries, n_outputs) or None, default=None
        Sums over the keys of the weights times these parts, if they have more digits than the
        parts.

    Returns
    -------
    gradients : ndarray of shape (n_queries, n_columns, n_outputs)
        Derivatives, in units of the columns; 0 for bandwidths 0 and infinity.
    """
    counted, scales = attention.pairs().columns, attention.scales
    units = scales[counted]
    gradients = np.zeros((len(attention.queries), len(scales), n_outputs))

    def add(rows, cols, weights, changes):
        keys, parts = attention.keys[cols][:, counted], parts_of(rows, cols, weights)
        for number, row in enumerate(rows):
            (common, unit, rest), shares = (part[number] for part in changes), weights[number]
            query, heaviest = attention.queries[row, counted], keys[shares.argmax()]
            # From the heaviest key, so that no digits are lost far from all keys.
            to_key, apart = (query - heaviest) / units, (heaviest - keys) / units
            # If numbers are missing, which are equally far from all others, from the query.
            gaps = np.flatnonzero(np.isnan(query) | np.isnan(keys).any(axis=0))
            apart[:, gaps] = np.nan_to_num((query[gaps] - keys[:, gaps]) / units[gaps])
            to_key[gaps] = 0
            factors = common * shares + unit * rest
            for output, part in enumerate(parts):
                whole = shares @ part[number] if sums is None else sums[row, output]
                slope = (factors * part[number]) @ apart + to_key * common * whole
                slope += to_key * unit * (rest @ part[number])
                gradients[row, counted, output] = 2 * slope / units

    visit_changes(attention, add)
    return gradients


def _by_column(attention, pairs, values):
    """Derivatives in units of the bandwidth, by the columns of the pairs."""
    assert isinstance(pairs, EuclideanPairs)
    kernel, weights = attention.kernel, attention.weights
    queries, keys = pairs.centred
    of_keys, own = _with_one(keys), np.zeros(len(keys.T), int)
    if pairs.kinds is not None:
        # The distance from a key with a missing number does not depend on the query's number.
        there = ~np.isnan(pairs.keys)
        gaps = np.flatnonzero(~there.all(axis=0))
        own[gaps] = of_keys.shape[1] + np.arange(len(gaps))
        of_keys = np.hstack([of_keys, there[:, gaps]])
    products = np.einsum("ia,ij->iaj", _with_one(values), of_keys)
    columns = products.reshape(len(keys), -1)[:, 1:]  # without 1 times 1, the total
    if kernel.log_slope is not None and pairs.key_factors is None:
        sums = slope_sums = attention.pool(columns)
        means, largest = sums.finish()[:, len(of_keys.T) - 1 :: len(of_keys.T)], 1.0
        factor = -kernel.log_slope
    else:
        sums = attention.pool(values)
        means = sums.finish()
        factors = np.ones(len(keys)) if pairs.key_factors is None else pairs.key_factors
        largest = factors.max()
        slope_kernel, factor = _slope_kernel(kernel)
        of_slopes = attention.replace(kernel=slope_kernel, weights=weights * (factors / largest))
        slope_sums = of_slopes.pool(columns)

    scale = largest * factor
    exact = (sums.shift != 0) | (np.abs(queries) > _FARTHEST_FROM_CENTRE).any(axis=1)
    if np.isfinite(kernel.support):
        exact |= sums.total <= _LEAST_TOTAL
    with np.errstate(all="ignore"):  # for queries that are recomputed exactly below
        relative = scale * np.exp(slope_sums.shift - sums.shift) / sums.total
        sums_of_slopes = np.column_stack([slope_sums.total, slope_sums.weighted])
        moments = (sums_of_slopes * relative[:, None]).reshape(len(queries), *products.shape[1:])
        about_mean = moments[:, 1:] - means[:, :, None] * moments[:, :1]
        gradients = about_mean[:, :, 1 : 1 + len(keys.T)] - queries[:, None] * about_mean[:, :, own]
    gradients = 2 * gradients.transpose(0, 2, 1)

    again = np.flatnonzero(exact)

    def make_exactly(part):
        for exactly in in_rows(pairs, kernel, again[part], attention.empty):
            gradients[exactly.rows] = _from_rows(pairs, kernel, exactly, values, weights)

    each(make_exactly, row_blocks(len(again), len(keys)), attention.n_jobs)
    if pairs.kinds is not None:
        missing = np.isnan(pairs.queries)[:, :, None] & ~np.isnan(gradients)
        gradients[missing] = 0
    return gradients


def _with_one(array):
    return np.column_stack([np.ones(len(array)), array])


def _slope_kernel(kernel):
    """The kernel that is the negative derivative of another, up to a factor, and the factor."""
    if kernel.log_slope is not None:
        return kernel, -kernel.log_slope
    if kernel.power:
        power = kernel.power - 1
        same = next(k for k in KERNELS.values() if k.power == power and k.support == kernel.support)
        return same, kernel.power

    def profile(u2):
        slope = kernel.derivative(np.minimum(u2, _LARGEST_SQUARE, out=u2))
        return np.negative(slope, out=slope)

    name = f"slope of {kernel.name}"
    return Kernel(name, profile, kernel.support, smooth=kernel.smooth), 1.0


def _from_rows(pairs, kernel, exactly, values, weights):
    """Gradients at some queries, relative to the closest key so that no digits cancel."""
    queries, keys = pairs.centred
    rows, cols = exactly.rows, exactly.cols
    there = None if pairs.kinds is None else ~np.isnan(pairs.keys[cols])
    keys, values = keys[cols], values[cols]
    attention, common, unit, rest = _weights_and_changes(pairs, exactly, weights)
    slopes = common[:, None] * attention + unit[:, None] * rest
    gradients = np.full((len(rows), len(keys.T), len(values.T)), np.nan)
    for number in np.flatnonzero(attention.any(axis=1)):
        attention[number] /= (total := attention[number].sum())
        apart = values - values[attention[number].argmax()]
        apart = apart - attention[number] @ apart
        shares = (slopes[number] / total)[:, None] * apart
        closest = np.abs(slopes[number]).argmax()
        to_closest = queries[rows[number]] - keys[closest]
        gradients[number] = (keys[closest] - keys).T @ shares
        # The shares without the rest add up to 0.
        gradients[number] += np.outer(unit[number] * to_closest, rest[number] / total @ apart)
        if there is not None and not there.all():
            gaps = np.flatnonzero(~there.all(axis=0))
            apart = (queries[rows[number], gaps] - keys[:, gaps]) * there[:, gaps]
            gradients[number][gaps] = apart.T @ shares
    return 2 * gradients


def _weights_and_changes(pairs, exactly, weights):
    """Rows of weights, and their derivatives, as `Rows.derivatives_beyond_closest` has them."""
    of_keys, found = weights[exactly.cols], exactly.weights()
    found *= of_keys
    common, unit, rest = exactly.derivatives_beyond_closest()
    rest = rest * of_keys
    rest[found == 0] = 0
    if pairs.key_factors is not None:
        rest *= pairs.key_factors[exactly.cols]
    return found, common, unit, rest
