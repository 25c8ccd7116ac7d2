"""Widths of queries, in a unit in which squares neither overflow nor underflow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["ScaledWidths", "in_unit"]

# Largest ratio of numbers to the smallest width, as a power of 2, so that squares stay in range.
# The smallest width is at most 2 to half of this power below the median.
_RANGE_EXPONENT = 960
# A query whose width is this power of 2 below the numbers that are cut off does not reach them.
_BEYOND_REACH = 60


class ScaledWidths(NamedTuple):
    """Widths in a unit.

    Attributes
    ----------
    unit : float
        A power of 2, so that scaling by it is exact.
    factors : ndarray of shape (n_queries,)
        Factors of squared distances: the inverse squares of the widths; 1 for a width of 0.
    farthest : float
        The largest number in range; larger ones must be cut off.
    outside : ndarray of bool, of shape (n_queries,), or None
        Queries out of range; None if all are within.
    exponents : ndarray of int, of shape (n_queries,), or None
        The unit of these queries, as a power of 2 times the common unit; 0 for others. The factors
        of their distances are in this unit.
    """

    unit: float
    factors: np.ndarray
    farthest: float
    outside: np.ndarray | None
    exponents: np.ndarray | None


def in_unit(widths: np.ndarray, queries: np.ndarray, extent: float) -> ScaledWidths:
    """Convert widths to a unit in which squares of widths and of numbers in rows are in range.

    Parameters
    ----------
    widths : ndarray of shape (n_queries,)
        Widths.
    queries : ndarray of shape (n_queries,)
        The largest absolute number in each query.
    extent : float
        The largest absolute number in a key.

    Returns
    -------
    scaled : ScaledWidths
        The widths in this unit.
    """
    widths = np.minimum(widths, np.finfo(float).max)
    some, extent = widths[widths > 0], max(extent, queries.max(initial=0))
    if not len(some):
        some = np.array([extent or 1.0])
    # The median is slow; of numbers divided by 2, as it adds two.
    middle = some[0] if len(some) == 1 else 2 * np.median(some / 2)
    least = max(some.min(), np.ldexp(middle, -_RANGE_EXPONENT // 2))
    exponent = np.frexp(least)[1]
    farthest = np.ldexp(1.0, min(exponent + _RANGE_EXPONENT, 1023))
    unit = np.ldexp(1.0, min((np.frexp(min(extent, farthest))[1] + exponent) // 2, 1023))
    exact = widths == 0
    with np.errstate(over="ignore"):  # for queries out of range
        scaled = np.where(exact, 1.0, widths / unit)
    outside = ~exact & (widths < least)
    if extent > farthest:
        outside |= ~exact & (widths > np.ldexp(farthest, -_BEYOND_REACH))
        outside |= ~exact & (queries > farthest / 4)
    if not outside.any():
        return ScaledWidths(unit, scaled**-2.0, farthest, None, None)
    mantissas, of_widths = np.frexp(widths)
    exponents = np.where(outside, of_widths - np.frexp(unit)[1], 0)
    scaled[outside] = 2 * mantissas[outside]
    return ScaledWidths(unit, scaled**-2.0, farthest, outside, exponents)
