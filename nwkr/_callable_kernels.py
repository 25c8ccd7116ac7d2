"""Kernels given as functions of the scaled distance: calls and checks."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from nwkr._arrays import Arrays, library_of
from nwkr._validation import HAS_NAMESPACES

__all__ = [
    "PROBE",
    "ThereAndBack",
    "arrays_for",
    "farthest_of",
    "name_of",
    "profile_of_function",
    "profile_over",
    "weights_of_function",
]

# Powers of a larger distance may overflow.
_LARGEST_DISTANCE = 1e30
# The distances at which a function is tried: dense where kernels bend, and up to where the Gaussian
# underflows. They have two rows, like a tile.
PROBE = np.r_[0:2:401j, 2:40:380j, 1e3].reshape(2, -1)


def farthest_of(function: Callable) -> float:
    """The largest distance for calls of a function; infinite if its weights do not fall to 0."""
    try:
        weight = weights_of_function(function, np.array([_LARGEST_DISTANCE]))
        return inf if weight.any() else _LARGEST_DISTANCE
    except ValueError:  # raised again if the distance occurs in a call
        return inf


def profile_of_function(function: Callable, farthest: float, u2: np.ndarray) -> np.ndarray:
    """Weights of squared distances, which are overwritten; 0 beyond `farthest`."""
    u = np.sqrt(u2, out=u2)
    if farthest < inf:
        np.minimum(u, farthest, out=u)
    return weights_of_function(function, u)


def weights_of_function(function: Callable, u: np.ndarray) -> np.ndarray:
    """Weights of distances, checked. The function may overwrite its argument."""
    shape, name = u.shape, name_of(function)
    try:
        with np.errstate(all="ignore"):  # the weights are checked below
            weights = np.asarray(function(u))
    except (TypeError, ValueError) as error:
        # NumPy raises ValueError for the truth value of an array; other errors are the function's.
        if isinstance(error, ValueError) and "truth value" not in str(error):
            raise
        raise TypeError(
            f"kernel must take an array of scaled distances, as in np.where(u < 1, 1.0, 0.0); "
            f"{name} raised: {error}"
        ) from error
    if weights.shape != shape or weights.dtype.kind not in "fiub":
        raise ValueError(
            f"kernel must return real weights of the shape of its argument, {shape}; "
            f"{name} returned shape {weights.shape}, dtype {weights.dtype}."
        )
    lowest, highest = weights.min(initial=0), weights.max(initial=0)
    if not (lowest >= 0 and highest < inf):
        with np.errstate(all="ignore"):
            at_zero, at_one = np.isfinite(function(np.array([0.0, 1.0])))
        cap = "; cap the distance, as in np.maximum(u, 1e-12)" if at_one and not at_zero else ""
        raise ValueError(
            f"kernel must return finite, non-negative weights, at distance 0 too{cap}; {name} "
            f"returned values from {lowest} to {highest}."
        )
    return np.require(weights, float, "W")


def name_of(function: Callable) -> str:
    """Name of a function in messages."""
    return getattr(function, "__name__", type(function).__name__)


# -- functions of other arrays than NumPy's -----------------------------------------------


@dataclass(frozen=True)
class ThereAndBack:
    """A function of arrays of another library, as a function of NumPy arrays.

    Attributes
    ----------
    function : callable
        The function.
    arrays : Arrays
        The arrays that it accepts and returns.
    """

    function: Callable
    arrays: Arrays

    @property
    def __name__(self) -> str:
        return name_of(self.function)

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Weights at distances."""
        with self.arrays.in_full():
            return np.asarray(self.arrays.numpy(self.function(self.arrays.take(u))))


def arrays_for(function: Callable, arrays: Arrays | None) -> Arrays | None:
    """The arrays that a function accepts: the given ones, NumPy's (None), or PyTorch tensors.

    Parameters
    ----------
    function : callable
        A function of the distance.
    arrays : Arrays or None
        The array library of the distances.

    Returns
    -------
    arrays : Arrays or None
        The arrays for calls of the function; None (NumPy) also if it accepts no arrays.
    """
    if arrays is not None and _takes(function, arrays):
        return arrays
    torch = sys.modules.get("torch")
    if torch is None or not HAS_NAMESPACES or _takes(function, None):
        return None
    tensors = Arrays(torch.empty(0, dtype=torch.float64, device="cpu"))
    return tensors if _takes(function, tensors) else None


def _takes(function, arrays):
    u = PROBE.copy()
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy's functions warn about tensors
            weights = function(u if arrays is None else arrays.take(u))
    except Exception:  # a function that does not support them may raise anything
        return False
    return arrays is None or library_of(weights) == arrays.library


def profile_over(function: ThereAndBack, farthest: float, u2: Any, xp: Any) -> Any:
    """Weights of squared distances, in a new array of the library that a function accepts."""
    u = xp.sqrt(u2)
    if farthest < inf:
        u = xp.clip(u, None, farthest)
    weights = function.function(u)
    if weights.shape == u2.shape:
        weights = xp.astype(weights, u2.dtype)
        if xp.all((weights >= 0) & (weights < inf)):
            return weights
    weights_of_function(function, function.arrays.numpy(u).astype(float))  # raises the error
    return weights
