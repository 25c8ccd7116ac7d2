"""The profiles of the named kernels: weights as functions of squared distances.

Each kernel has up to three functions. The NumPy profile overwrites its argument, so that a tile
needs no second array. The profile for other array libraries returns a new array. The third is the
derivative.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

__all__ = [
    "boxcar",
    "constant",
    "cosine",
    "cosine_over",
    "derivative_of_cosine",
    "derivative_of_exponential",
    "derivative_of_gaussian",
    "derivative_of_power",
    "exponential",
    "exponential_over",
    "gaussian",
    "linear_over",
    "log_constant",
    "log_exponential",
    "log_gaussian",
    "power",
    "power_over",
    "triangular",
    "tricube",
]


# -- profiles: each overwrites its argument, so that a tile needs no second array --------


def gaussian(u2: np.ndarray) -> np.ndarray:
    """``exp(-u2 / 2)``."""
    return np.exp(log_gaussian(u2), out=u2)


def log_gaussian(u2: np.ndarray) -> np.ndarray:
    """``-u2 / 2``."""
    return np.multiply(u2, -0.5, out=u2)


def exponential(u2: np.ndarray) -> np.ndarray:
    """``exp(-u)``."""
    return np.exp(log_exponential(u2), out=u2)


def log_exponential(u2: np.ndarray) -> np.ndarray:
    """``-u``."""
    return np.negative(np.sqrt(u2, out=u2), out=u2)


def constant(u2: np.ndarray) -> np.ndarray:
    """1."""
    u2[...] = 1
    return u2


def log_constant(u2: np.ndarray) -> np.ndarray:
    """0."""
    u2[...] = 0
    return u2


def boxcar(u2: np.ndarray) -> np.ndarray:
    """1 where ``u <= 1``, else 0."""
    return np.less_equal(u2, 1, out=u2, casting="unsafe")


def triangular(u2: np.ndarray) -> np.ndarray:
    """``max(0, 1 - u)``."""
    return _one_minus(np.sqrt(u2, out=u2))


def power(u2: np.ndarray, power: int) -> np.ndarray:
    """``max(0, 1 - u2) ** power``."""
    rest = _one_minus(u2)
    rest *= 1 if power == 1 else rest ** (power - 1)
    return rest


def tricube(u2: np.ndarray) -> np.ndarray:
    """``max(0, 1 - u^3) ** 3``."""
    np.abs(u2, out=u2)
    with np.errstate(over="ignore"):
        np.multiply(u2, np.sqrt(u2), out=u2)
    return power(u2, 3)


def cosine(u2: np.ndarray) -> np.ndarray:
    """``cos(pi u / 2)`` within the support."""
    # The sine of the complement is exactly 0 at the edge and beyond.
    rest = _one_minus(np.sqrt(np.abs(u2, out=u2), out=u2))
    return np.sin(np.multiply(rest, pi / 2, out=rest), out=rest)


def _one_minus(t):
    """``max(0, 1 - t)`` in place."""
    np.subtract(1, t, out=t)
    # With an array, because NumPy's maximum with a scalar takes twice as long.
    return np.maximum(t, np.zeros(t.shape[-1:], t.dtype), out=t)


# -- derivatives of the profiles with respect to the squared distance ---------------------


def derivative_of_gaussian(u2: np.ndarray) -> np.ndarray:
    """Derivative of ``exp(-u2 / 2)``."""
    return np.multiply(gaussian(u2), -0.5, out=u2)


def derivative_of_exponential(u2: np.ndarray) -> np.ndarray:
    """Derivative of ``exp(-u)``; 0 at its cusp."""
    u = np.sqrt(u2)
    return np.divide(-np.exp(-u), 2 * u, out=np.zeros_like(u), where=u > 0)


def derivative_of_cosine(u2: np.ndarray) -> np.ndarray:
    """Derivative of ``cos(pi u / 2)``."""
    u = np.sqrt(np.abs(u2))
    # np.sinc(x) is sin(pi x) / (pi x).
    return np.where(u < 1, -(pi**2) / 8 * np.sinc(u / 2), 0)


def derivative_of_power(u2: np.ndarray, inner: int, outer: int) -> np.ndarray:
    """Derivative of ``(1 - u^inner)^outer`` on ``[0, 1]``; 0 at the cusp of a triangle."""
    if inner == 2:
        rest = _one_minus(u2)
        return np.multiply(rest ** (outer - 1) if outer > 1 else rest > 0, -outer, out=rest)
    u = np.sqrt(np.abs(u2))
    rest = np.maximum(1 - u**inner, 0) ** (outer - 1) * (u < 1)
    slope = u if inner == 3 else np.divide(1, u, out=np.zeros_like(u), where=u > 0)
    return -0.5 * inner * outer * rest * slope


# -- over the namespace `xp` of an array: each makes a new one -----------------------------


def linear_over(u2: Any, xp: Any, slope: float) -> Any:
    """The logarithm of a Gaussian, or of a constant."""
    return slope * u2


def exponential_over(u2: Any, xp: Any) -> Any:
    """The logarithm of an exponential."""
    return -xp.sqrt(u2)


def power_over(u2: Any, xp: Any, inner: int, outer: int) -> Any:
    """``(1 - u^inner)^outer`` within the support, 0 beyond it."""
    if outer == 0:
        return xp.astype(u2 <= 1, u2.dtype)
    if inner != 2:
        u = xp.sqrt(xp.abs(u2))
        u2 = u if inner == 1 else u * u * u
    rest = xp.clip(1 - u2, 0, None)
    return rest if outer == 1 else rest**outer


def cosine_over(u2: Any, xp: Any) -> Any:
    """The sine of the complement, which is exactly 0 at the edge and beyond."""
    return xp.sin(pi / 2 * xp.clip(1 - xp.sqrt(xp.abs(u2)), 0, None))
