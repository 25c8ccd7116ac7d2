"""The dense algorithm on the device of tensors.

The tiles are those of NumPy (`_dense.py`), with functions that all array namespaces have: a
product that gives squared distances, the kernel's profile, a product with the values. Rows and
values are copied to the device once, and sums are copied back. Rows of weights in NumPy replace
uncertain sums (`_exactly.py`).

Logarithms of weights are shifted by that of the closest key so far, so that queries may be
arbitrarily far away. (In NumPy these queries are few, and recomputing them is faster than
shifting.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from nwkr._arrays import Arrays
from nwkr._pooling._dense import least_total, pool_dense
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._exactly import pool_exactly
from nwkr._pooling._kinds import extent_of
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import slices
from nwkr._pooling._values import WeightedValues, as_dense
from nwkr.kernels import Kernel

__all__ = ["pool_on_device"]

_QUERIES_PER_TILE = 2**12
_KEYS_PER_SUM = 2**12  # in float32, which loses digits with the number of terms
# Logarithms of weights down to here need no shift.
_LOWEST = {np.dtype(np.float64): -600.0, np.dtype(np.float32): -40.0}
# Logarithms of weights that are negligible in float32, relative to that of the closest key.
_SLOW_BELOW = -70.0
# Larger squared distances have lost digits that matter for weights.
_FARTHEST = {np.dtype(np.float64): 2.0**18, np.dtype(np.float32): 2.0**11}
# Rows beyond this, in units of the bandwidth, have squares that overflow in float32.
_LARGEST = 2.0**60
_TIE_TOLERANCE = 64  # roundings: a key at the width of a query gets exactly 1


def pool_on_device(
    arrays: Arrays,
    pairs: EuclideanPairs,
    kernel: Kernel,
    values: WeightedValues,
    *,
    multiples: Sequence[float] = (1.0,),
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool the values over all pairs on a device, with several bandwidths at once.

    The other parameters are those of :func:`nwkr._pooling._dense.pool_dense`.

    Parameters
    ----------
    arrays : Arrays
        The library and the device of the tiles.
    pairs : EuclideanPairs
        Queries and keys, in NumPy.
    kernel : Kernel
        The kernel.
    values : WeightedValues
        Key weights, and the values times these.
    n_jobs : int or None, default=None
        Number of threads for sums that are recomputed in NumPy.

    Returns
    -------
    sums : list of PooledSums
        Total and weighted sums of each query, for each multiple.
    """
    options: dict[str, Any] = {"multiples": multiples, "empty": empty, "n_jobs": n_jobs}
    dtype = pairs.dtype if arrays.has_float64 else np.dtype(np.float32)
    sides = pairs.in_range[:2] if dtype == np.float32 else ()
    if any(extent_of(side).max(initial=0) > _LARGEST for side in sides):
        return pool_dense(pairs, kernel, values, **options)
    tiles = _Tiles(arrays, pairs, kernel, values, multiples, dtype)
    # On a CPU, several tiles must fit in the cache at once.
    on_host = pairs.sizes.bytes_per_tile // dtype.itemsize
    pairs_per_tile = on_host if arrays.on_host else pairs.sizes.pairs_on_device
    n_queries, n_keys = pairs.shape
    height = min(n_queries, _QUERIES_PER_TILE, max(1, int(pairs_per_tile**0.5)))
    width = max(1, pairs_per_tile // max(1, height))
    columns = slices(n_keys, min(width, _KEYS_PER_SUM) if dtype == np.float32 else width)
    sums = np.zeros((len(multiples), n_queries, len(values)))
    closest = np.zeros(n_queries)
    # Only arrays of array_api_strict make NumPy warn.
    with arrays.in_full(), np.errstate(over="ignore", invalid="ignore"):
        for rows in slices(n_queries, height):
            sums[:, rows], closest[rows] = tiles.pool(rows, columns)

    log_scales = np.zeros((len(multiples), n_queries))
    if tiles.shifted:
        for log_scale, multiple in zip(log_scales, multiples):
            assert kernel.log_profile is not None
            log_scale[:] = kernel.log_profile(
                np.where(np.isfinite(closest), closest, 0) / multiple**2
            )
    least = least_total(tiles.dtype, thin=tiles.by_product and np.isfinite(kernel.support))
    heaviest = values.weights.max(initial=0)
    uncertain = ~(sums[:, :, 0] > least * heaviest) | ~(closest <= _FARTHEST[tiles.dtype])
    if pairs.exact_queries is not None:
        uncertain |= pairs.exact_queries
    return pool_exactly(
        sums,
        uncertain,
        [np.arange(n_queries)[rows] for rows in slices(n_queries, height)],
        pairs,
        kernel,
        values,
        log_scales=log_scales,
        **options,
    )


class _Tiles:
    """The tiles of all pairs, and the sums over them."""

    def __init__(self, arrays, pairs, kernel, values, multiples, dtype):
        self._arrays, self._pairs, self._kernel = arrays, pairs, kernel
        self._values, self._multiples = values, multiples
        self.dtype, self._type = dtype, getattr(arrays.xp, dtype.name)
        self._product: Any = pairs.product(1.0) if kernel.smooth and len(pairs.columns) else None
        self.by_product = self._product is not None
        self._slow_below = arrays.on_host and dtype == np.float32
        self.shifted = kernel.log_profile is not None and self._reaches_too_far()

    def _reaches_too_far(self):
        if not len(self._pairs.columns):
            return False
        reach = np.inf if self._product is None else self._product.reach()
        if not np.isfinite(reach):
            return True
        return self._kernel.log_profile(np.array([reach]))[0] < _LOWEST[self.dtype]

    def pool(self, rows: slice, columns: list[slice]) -> tuple[Any, np.ndarray]:
        """Sums for some queries, and their squared distance to the closest key, in NumPy."""
        xp, arrays = self._arrays.xp, self._arrays
        height, width = rows.stop - rows.start, len(self._values)
        sums = [_Sum(arrays, (height, width)) for _ in self._multiples]
        closest = arrays.take(np.full((height, 1), np.inf), self._type)
        for cols in columns:
            u2, out = self._squares(rows, cols)
            if self.shifted:
                far = u2 if out is None else xp.where(out, xp.inf, u2)
                before, closest = closest, xp.minimum(closest, xp.min(far, axis=1, keepdims=True))
            if out is not None:
                u2 = xp.where(out, _finite(closest, 0, xp) if self.shifted else 0, u2)
            values = self._values_of(cols)
            for sum_, multiple in zip(sums, self._multiples):
                weights = self._over(u2, multiple)
                if self._kernel.log_profile is not None:
                    if self.shifted:
                        shift = self._over(_finite(closest, 0, xp), multiple)
                        earlier = self._over(_finite(before, closest, xp), multiple)
                        sum_.rescale(xp.exp(_finite(earlier - shift, 0, xp)))
                        weights -= shift
                        if self._slow_below:  # underflow is slow on CPUs
                            weights = xp.clip(weights, _SLOW_BELOW, None)
                    weights = xp.exp(weights)
                if out is not None:
                    weights = xp.where(out, 0, weights)
                sum_.add(xp.matmul(weights, values))
        found = np.stack([sum_.numpy() for sum_ in sums])
        if not self.shifted:
            return found, np.zeros(height)
        return found, _as_float64(arrays, closest)[:, 0]

    def _squares(self, rows, cols):
        """Squared distances of a tile, and the excluded pairs (None if there are none)."""
        xp, pairs = self._arrays.xp, self._pairs
        out, shape = None, (rows.stop - rows.start, cols.stop - cols.start)
        farthest = 0.0 if self._product is None else self._product.farthest(self.dtype)
        if self._product is not None and self._product.reach(rows, cols) <= farthest:
            queries, keys = self._sides
            u2 = xp.matmul(queries[rows, :], keys[:, cols])  # may be slightly negative
        elif not len(pairs.columns):
            u2 = xp.zeros(shape, dtype=self._type, device=self._arrays.device)
        else:
            u2 = self._plain_squares(rows, cols)
            if self._overflows:
                out = ~xp.isfinite(u2)
        for mask in (self._left_out(rows, cols), self._mismatched(rows, cols)):
            if mask is not None:
                out = mask if out is None else out | mask
        return u2, out

    def _plain_squares(self, rows, cols):
        xp = self._arrays.xp
        queries, keys, inverse_squares = self._plain_sides
        u2 = None
        for column, inverse_square in enumerate(inverse_squares):
            apart = queries[rows, column][:, None] - keys[cols, column][None, :]
            square = apart * apart
            square *= inverse_square
            u2 = square if u2 is None else u2 + square
        by_query, by_key = self._factors
        if by_query is not None:
            u2 = u2 * by_query[rows][:, None]
            tolerance = _TIE_TOLERANCE * float(np.finfo(self.dtype).eps)
            u2 = xp.where(xp.abs(u2 - 1) < tolerance, 1, u2)
        return u2 if by_key is None else u2 * by_key[cols][None, :]

    def _left_out(self, rows, cols):
        leave_out = self._pairs.leave_out
        if leave_out is None:
            return None
        numbers = leave_out[rows]
        if not ((numbers >= cols.start) & (numbers < cols.stop)).any():
            return None
        of_keys = self._arrays.take(np.arange(cols.start, cols.stop))
        return self._arrays.take(numbers)[:, None] == of_keys[None, :]

    def _mismatched(self, rows, cols):
        if not self._pairs.must_match:
            return None
        queries, keys = self._groups
        return queries[rows][:, None] != keys[cols][None, :]

    def _over(self, u2, multiple):
        """Logarithms of weights if the kernel has them, else weights, in a new array."""
        kernel, arrays = self._kernel, self._arrays
        if multiple != 1:
            u2 = u2 / multiple**2
        if kernel.over is not None:
            return kernel.over(u2, arrays.xp)
        in_numpy = _as_float64(arrays, u2)
        function = kernel.weights if kernel.log_profile is None else kernel.log_weights
        return arrays.take(function(in_numpy), self._type)

    def _values_of(self, cols):
        if self._values.sparse:  # a dense array would not fit in memory
            return self._arrays.take(as_dense(self._values.take(cols)).T, self._type)
        return self._all_values[cols, :]

    @cached_property
    def _all_values(self):
        return self._arrays.take(self._values.all.T, self._type)

    @cached_property
    def _sides(self):
        queries, keys = self._product.in_type(self.dtype)
        return self._arrays.take(queries.T, self._type), self._arrays.take(keys, self._type)

    @cached_property
    def _plain_sides(self):
        queries, keys, inverse_squares = self._pairs.in_range
        sides = (self._arrays.take(side, self._type) for side in (queries, keys))
        return *sides, [float(square) for square in inverse_squares]

    @cached_property
    def _overflows(self):
        """Whether plain squares may overflow."""
        queries, keys, inverse_squares = self._pairs.in_range
        extent = extent_of(queries) + extent_of(keys)
        most = float(np.sum(np.square(extent) * inverse_squares))
        for factors in (self._pairs.query_factors, self._pairs.key_factors):
            most *= 1 if factors is None else max(1, float(factors.max()))
        return not most < np.finfo(self.dtype).max

    @cached_property
    def _factors(self):
        factors = self._pairs.query_factors, self._pairs.key_factors
        return [None if side is None else self._arrays.take(side, self._type) for side in factors]

    @cached_property
    def _groups(self):
        return [self._arrays.take(groups) for groups in self._pairs.matched.groups]


class _Sum:
    """A sum over tiles in float64, or as two float32 numbers if a device has no float64."""

    def __init__(self, arrays, shape):
        self._arrays, self._rest = arrays, None
        self._total = arrays.take(np.zeros(shape), arrays.widest)
        if not arrays.has_float64:
            self._rest = arrays.take(np.zeros(shape), arrays.widest)

    def rescale(self, factors):
        factors = self._arrays.xp.astype(factors, self._arrays.widest, copy=False)
        self._total *= factors
        if self._rest is not None:
            self._rest *= factors

    def add(self, part):
        xp = self._arrays.xp
        if self._rest is None:
            self._total += xp.astype(part, self._arrays.widest, copy=False)
            return
        total = self._total + part
        counted = total - self._total
        self._rest += (self._total - (total - counted)) + (part - counted)
        self._total = total

    def numpy(self):
        total = _as_float64(self._arrays, self._total)
        return total if self._rest is None else total + _as_float64(self._arrays, self._rest)


def _as_float64(arrays, array):
    return arrays.numpy(array).astype(float)


def _finite(array, otherwise, xp):
    return xp.where(xp.isfinite(array), array, otherwise)
