"""The fastest exponential for a tile: one of NumPy's, or a compiled one.

NumPy vectorises exponentials of float64 only with AVX-512. On other processors they take most of
the time of a Gaussian. The compiled one (`_compiled.py`), which needs numba, takes a fifth of this
time. With AVX-512 both are equally fast, and NumPy's is used.

The choice depends on the processor, the installation, and the size of the whole call. It does not
depend on threads and tiles, so these do not change the result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from math import e, log2

import numpy as np

from nwkr._pooling._compiled import compile_exp2, compile_pool
from nwkr._pooling._sizes import DEFAULT_SIZES, Sizes

__all__ = ["LOWEST", "Exponential", "exponential_for", "exponential_in_use", "pool_for"]

# Results of exponents below these are near the smallest normal numbers: negligible, and slow.
LOWEST = {np.dtype(np.float64): -693.0, np.dtype(np.float32): -83.0}

_COMPILED, _VECTORISED, _PLAIN = "compiled", "numpy, AVX-512", "numpy"
# NumPy's names of the features for its AVX-512 loops, before version 2.4 and since.
_AVX512 = {"AVX512_SKX", "X86_V4"}


@dataclass(frozen=True)
class Exponential:
    """A function that raises e to the numbers of an array, in place.

    Attributes
    ----------
    name : {"compiled", "numpy, AVX-512", "numpy"}
        Its name.
    unit : float
        A factor that exponents must already contain: log2(e) if the function is a power of 2.
    function : callable
        ``function(exponents, lowest)`` overwrites the exponents, in its unit. Those below `lowest`
        count as `lowest`; for NumPy's functions, None means no limit.
    """

    name: str
    unit: float
    function: Callable[[np.ndarray, float | None], None]

    @property
    def compiled(self) -> bool:
        """Whether it is the compiled one."""
        return self.name == _COMPILED

    def apply(self, exponents: np.ndarray, clip: bool = True) -> np.ndarray:
        """Raise e to the exponents, in place.

        Parameters
        ----------
        exponents : ndarray of shape (n_rows, n_cols)
            Exponents in this unit, of float64 or float32.
        clip : bool, default=True
            Whether many exponents may be so low that the result would underflow.

        Returns
        -------
        powers : ndarray of shape (n_rows, n_cols)
            The same array.
        """
        # The compiled function clips at no cost.
        clip = clip or self.compiled
        self.function(exponents, LOWEST[exponents.dtype] * self.unit if clip else None)
        return exponents


def exponential_for(dtype: np.dtype, n_pairs: int, sizes: Sizes = DEFAULT_SIZES) -> Exponential:
    """The exponential for a call with this many pairs.

    Parameters
    ----------
    dtype : dtype
        Type of most exponents, float64 or float32; the other type works as well.
    n_pairs : int
        Number of pairs of the whole call.
    sizes : Sizes, default=DEFAULT_SIZES
        The number of pairs from which the compiled one is used.

    Returns
    -------
    exponential : Exponential
        The fastest.
    """
    of_numpy = _of_numpy(np.dtype(dtype))
    if n_pairs < sizes.least_pairs_to_compile or of_numpy.name == _VECTORISED:
        return of_numpy
    return _compiled() or of_numpy


def pool_for(
    dtype: np.dtype, n_pairs: int, sizes: Sizes = DEFAULT_SIZES
) -> Callable[..., None] | None:
    """Product, exponential and sums in one function, if the compiled exponential is used.

    Parameters
    ----------
    dtype : dtype
        Type of the weights, float64 or float32.
    n_pairs : int
        Number of pairs of the whole call.
    sizes : Sizes, default=DEFAULT_SIZES
        The number of pairs from which the compiled one is used.

    Returns
    -------
    pool : callable or None
        As :func:`nwkr._pooling._compiled.compile_pool` returns; None if NumPy is used.
    """
    return _compiled_pool(dtype) if exponential_for(dtype, n_pairs, sizes).compiled else None


def exponential_in_use(n_pairs: int = DEFAULT_SIZES.least_pairs_to_compile) -> str:
    """The name of the exponential for a call with this many pairs.

    Parameters
    ----------
    n_pairs : int
        Number of pairs of the whole call; by default enough for the compiled one.

    Returns
    -------
    name : {"compiled", "numpy, AVX-512", "numpy"}
        Its name.
    """
    return exponential_for(np.dtype(np.float64), n_pairs).name


@cache
def _of_numpy(dtype: np.dtype) -> Exponential:
    """The faster of np.exp2 and np.exp."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    enabled = {*extensions.get("baseline", ()), *extensions.get("found", ())}
    name = _VECTORISED if enabled & _AVX512 else _PLAIN
    # np.exp has its own loops, for float32 also without AVX-512. On Linux with AVX-512, np.exp2
    # uses those of a library and is faster. If neither is vectorised they are equal.
    if name == _VECTORISED:
        base_2 = sys.platform == "linux"
    else:
        base_2 = dtype == np.float64
    ufunc, unit = (np.exp2, log2(e)) if base_2 else (np.exp, 1.0)

    def function(exponents, lowest):
        if lowest is not None:
            # With an array, because NumPy's maximum with a scalar takes twice as long.
            limits = np.full(exponents.shape[-1:], lowest, exponents.dtype)
            np.maximum(exponents, limits, out=exponents)
        ufunc(exponents, out=exponents)

    return Exponential(name, unit, function)


@cache
def _compiled() -> Exponential | None:
    """The compiled exponential; None if it is not available."""
    exp2 = _compile(compile_exp2)
    return exp2 and Exponential(_COMPILED, log2(e), exp2)


@cache
def _compiled_pool(dtype: np.dtype) -> Callable[..., None] | None:
    """Compiled sums; None if they are not available."""
    return _compile(partial(compile_pool, dtype))


def _compile(compiler):
    """The result of a compiler function; None if it fails."""
    for keep in (True, False):  # there may be no writable cache folder
        # On any error of numba, NumPy is used: numba may be missing, too old for this NumPy or
        # Python, or unable to compile.
        with suppress(Exception):
            return compiler(keep)
    return None
