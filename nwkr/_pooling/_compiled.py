"""Powers of 2, compiled by numba, which is imported on first use.

A number v is split into an integer k and a rest r between -1/2 and 1/2. 2^r is a Taylor polynomial,
cut short as a sum of Chebyshev polynomials, which loses less; 2^k is a number whose bits are those
of k + bias, at the place of the exponent.

They are computed in place, or in one pass from a product of rows to sums over keys: a few hundred
weights at a time, which stay in the first-level cache.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, log
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.polynomial import Chebyshev, Polynomial

__all__ = ["compile_exp2", "compile_pool"]

# Number of mantissa bits, bias of the exponent, degree for an error of one digit.
_FORMATS = {np.dtype(np.float64): (52, 1023, 10), np.dtype(np.float32): (23, 127, 6)}
# Number of keys whose weights are computed at once for one query: together with the keys they fill
# at most half of a first-level cache.
_KEYS_AT_ONCE = 256


def compile_exp2(keep: bool) -> Callable[[np.ndarray, float | None], None]:
    """Compile a function that raises 2 to the numbers of an array, in place.

    Parameters
    ----------
    keep : bool
        Whether to cache the compiled function on disk.

    Returns
    -------
    exp2 : callable
        ``exp2(exponents, lowest)``, with exponents of shape (n_rows, n_cols), float64 or float32.
        Those below `lowest`, which must not underflow, count as `lowest`.
    """
    compiled = {dtype: _compile(dtype, keep) for dtype in _FORMATS}

    def exp2(exponents, lowest):
        compiled[exponents.dtype](*_lines(exponents), exponents.dtype.type(lowest))

    for dtype in _FORMATS:  # compile now, so that errors occur here
        exp2(np.zeros((1, 1), dtype), -1.0)
    return exp2


def _compile(dtype, keep):
    from numba import njit

    real, whole, n_digits, magic, highest, others = _constants(dtype)

    def raise_lines(memory, width, stride, lowest):
        for start in range(0, memory.size, stride):
            line = memory[start : start + width]
            for i in range(line.size):
                v = lowest if line[i] < lowest else line[i]
                shifted = v + magic
                r = v - (shifted - magic)
                power = highest
                for coefficient in others:
                    power = power * r + coefficient
                # numba accepts views only of values with a known NumPy type.
                bits = whole(real(shifted).view(whole) << n_digits)
                line[i] = power * bits.view(real)

    # Of fastmath only contraction: reordered sums would undo the rounding trick.
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    return njit(cache=keep, **options)(raise_lines)


def compile_pool(dtype: np.dtype, keep: bool) -> Callable[..., None]:
    """Compile a function that adds sums over keys, with weights that are powers of 2.

    Parameters
    ----------
    dtype : dtype
        Type of the weights, float64 or float32.
    keep : bool
        Whether to cache the compiled function on disk.

    Returns
    -------
    pool : callable
        ``pool(queries, keys, values, left_out, lowest, sums)`` adds ``values @ weights.T`` to the
        sums, of shape (n_values, n_rows), float64, where the weights are 2 to the numbers
        ``queries @ keys``. The queries have shape (n_rows, n_columns), the keys (n_columns,
        n_keys), the values (n_values, n_keys); there are at least two columns. Exponents below
        `lowest` count as `lowest`. The weight of the key at the position in `left_out` is 0 for
        each query; -1 means none, and None means that no query leaves a key out.
    """
    compiled = _compile_pool(np.dtype(dtype), keep)

    def pool(queries, keys, values, left_out, lowest, sums):
        # Copies with one layout, to avoid compiling for each layout.
        queries, keys, values = (np.array(a, dtype, order="C") for a in (queries, keys, values))
        places = np.array([] if left_out is None else left_out, np.int64)
        compiled(queries, keys, values, places, queries.dtype.type(lowest), sums)

    zeros = np.zeros((2, 2))
    pool(zeros, zeros, zeros, None, -1.0, zeros)  # compile now, so that errors occur here
    return pool


def _compile_pool(dtype, keep):
    from numba import njit

    real, whole, n_digits, magic, highest, others = _constants(dtype)

    def pool(queries, keys, values, left_out, lowest, sums):
        room, n_columns = np.empty(_KEYS_AT_ONCE, queries.dtype), len(keys)
        for start in range(0, keys.shape[1], _KEYS_AT_ONCE):
            # Loops along lines are vectorised only if the lines are known to be contiguous.
            some = keys[:, start : start + _KEYS_AT_ONCE].copy()
            of_some = values[:, start : start + _KEYS_AT_ONCE].copy()
            line = room[: some.shape[1]]
            for row in range(len(queries)):
                q = queries[row]
                for i in range(line.size):
                    line[i] = q[0] * some[0, i] + q[1] * some[1, i]
                # Two columns at a time: this halves the loads and stores of partial sums.
                for c in range(2, n_columns - 1, 2):
                    for i in range(line.size):
                        line[i] += q[c] * some[c, i] + q[c + 1] * some[c + 1, i]
                if n_columns % 2:
                    for i in range(line.size):
                        line[i] += q[n_columns - 1] * some[n_columns - 1, i]
                for i in range(line.size):
                    v = lowest if line[i] < lowest else line[i]
                    k = np.rint(v)
                    r = v - k
                    power = highest
                    for coefficient in others:
                        power = power * r + coefficient
                    bits = whole(real(k + magic).view(whole) << n_digits)
                    line[i] = power * bits.view(real)
                if left_out.size:
                    place = left_out[row] - start
                    if 0 <= place < line.size:
                        line[place] = 0
                for number in range(len(of_some)):
                    total = real(0)
                    for i in range(line.size):
                        total += line[i] * of_some[number, i]
                    sums[number, row] += total

    # Vectorised sums need reordering. Reordering does not affect np.rint, but it would undo the sum
    # and difference with the magic number.
    options: dict[str, Any] = {"fastmath": {"contract", "reassoc"}, "error_model": "numpy"}
    return njit(cache=keep, nogil=True, **options)(pool)


def _constants(dtype):
    """The constants for powers of 2."""
    n_digits, bias, degree = _FORMATS[dtype]
    real, whole = dtype.type, np.dtype(f"i{dtype.itemsize}").type
    # Adding this rounds to whole numbers, which the last bits then hold, with the bias added.
    magic = real(1.5 * 2.0**n_digits + bias)
    # In x = 2 r, which is between -1 and 1. Terms beyond the degree are small, and so is the error.
    taylor = [(log(2) / 2) ** i / factorial(i) for i in range(degree + 4)]
    beyond = Polynomial([0.0] * (degree + 1) + taylor[degree + 1 :])
    rest = beyond.convert(kind=Chebyshev).truncate(degree + 1).convert(kind=Polynomial).coef
    highest, *others = (real((taylor[i] + rest[i]) * 2.0**i) for i in range(degree, -1, -1))
    return real, whole, n_digits, magic, highest, tuple(others)


def _lines(tile):
    """The memory of a tile, and width and stride of its lines."""
    if tile.flags.c_contiguous:
        return tile.reshape(-1), tile.size, max(1, tile.size)
    # A loop along a line is vectorised only if the line is known to be contiguous.
    if tile.strides[1] != tile.itemsize:
        tile = tile.T
    assert tile.strides[1] == tile.itemsize
    (n_lines, width), stride = tile.shape, tile.strides[0] // tile.itemsize
    n_numbers = (n_lines - 1) * stride + width
    return as_strided(tile, (n_numbers,), (tile.itemsize,)), width, stride
