"""Powers of 2, compiled by numba, which is imported when it is first needed.

A number v is split into a whole number k and a rest r of at most 1/2 either way. 2^r is a Taylor
polynomial; 2^k is a number whose bits are those of k + bias, at the place of the exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, log
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

__all__ = ["compile_exp2"]

# Number of digits after the point, bias of the exponent, degree for an error of half a digit.
_FORMATS = {np.dtype(np.float64): (52, 1023, 12), np.dtype(np.float32): (23, 127, 7)}


def compile_exp2(keep: bool) -> Callable[[np.ndarray, float | None], None]:
    """Compile a function that raises 2 to the numbers of an array, in place.

    Parameters
    ----------
    keep : bool
        Whether the next process is to find the compiled function on disk.

    Returns
    -------
    exp2 : callable
        ``exp2(exponents, lowest)``, with exponents of shape (n_rows, n_cols), float64 or float32.
        Those below `lowest`, which must not underflow, count as `lowest`.
    """
    compiled = {dtype: _compile(dtype, keep) for dtype in _FORMATS}

    def exp2(exponents, lowest):
        compiled[exponents.dtype](*_lines(exponents), exponents.dtype.type(lowest))

    for dtype in _FORMATS:  # now, so that any error comes now
        exp2(np.zeros((1, 1), dtype), -1.0)
    return exp2


def _compile(dtype, keep):
    from numba import njit

    n_digits, bias, degree = _FORMATS[dtype]
    real, whole = dtype.type, np.dtype(f"i{dtype.itemsize}").type
    # Sums with this are rounded to whole numbers, which their last bits hold with the bias added.
    magic = real(1.5 * 2.0**n_digits + bias)
    taylor = [real(log(2) ** i / factorial(i)) for i in range(degree, -1, -1)]
    highest, others = taylor[0], tuple(taylor[1:])

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
                # numba takes views of what is seen to be a NumPy number only.
                bits = whole(real(shifted).view(whole) << n_digits)
                line[i] = power * bits.view(real)

    # Of what fastmath means, only contraction: any other order of sums would undo the magic.
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    return njit(cache=keep, **options)(raise_lines)


def _lines(tile):
    """The memory of a tile, and width and stride of the lines that it has there."""
    if tile.flags.c_contiguous:
        return tile.reshape(-1), tile.size, max(1, tile.size)
    # Only if lines are known to be contiguous is the loop along them vectorised.
    if tile.strides[1] != tile.itemsize:
        tile = tile.T
    assert tile.strides[1] == tile.itemsize
    (n_lines, width), stride = tile.shape, tile.strides[0] // tile.itemsize
    n_numbers = (n_lines - 1) * stride + width
    return as_strided(tile, (n_numbers,), (tile.itemsize,)), width, stride
