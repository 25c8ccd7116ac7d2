"""Sums and products together with their rounding errors, as two numbers.

They are needed for logarithms of weights far from all keys: they are huge, but their differences
matter.
"""

from __future__ import annotations

import numpy as np

__all__ = ["exact_product", "exact_sum"]

_SPLITTER = 2.0**27 + 1  # times it, a number of 53 digits is split in two halves


def exact_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of two numbers, and its rounding error (Knuth)."""
    total = a + b
    b_counted = total - a
    return total, (a - (total - b_counted)) + (b - b_counted)


def exact_product(a: np.ndarray, b: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Product of two numbers, and its rounding error (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    rest = a_high * b_high - product + a_high * b_low + a_low * b_high + a_low * b_low
    return product, rest


def _halves(a):
    """Two numbers with half as many digits whose sum is `a`."""
    spread = _SPLITTER * a
    high = spread - (spread - a)
    return high, a - high
