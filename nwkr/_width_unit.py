"""A unit for widths in which squares neither overflow nor underflow."""

from __future__ import annotations

import numpy as np

__all__ = ["in_unit"]

# Largest ratio of numbers to the smallest width, as a power of 2, so that squares stay in range.
# The smallest width is at most 2 to half of this power below the median.
_RANGE_EXPONENT = 960


def in_unit(widths: np.ndarray, extent: float) -> tuple[np.ndarray, float, float]:
    """Convert widths to a unit in which squares of widths and of numbers in rows are in range.

    Parameters
    ----------
    widths : ndarray of shape (n_queries,)
        Widths.
    extent : float
        The largest absolute number in a row.

    Returns
    -------
    widths : ndarray of shape (n_queries,)
        The widths in this unit; 0 if they are too small.
    unit : float
        A power of 2 half way between the smallest width and the largest number. Scaling by it is
        exact.
    farthest : float
        The largest number in range; larger numbers must be cut off.
    """
    some = widths[widths > 0] if widths.any() else np.array([extent])
    middle = some[0] if len(some) == 1 else np.median(some)  # the median is slow
    least = max(some.min(), np.ldexp(middle, -_RANGE_EXPONENT // 2))
    exponent = np.frexp(least)[1]
    farthest = np.ldexp(1.0, min(exponent + _RANGE_EXPONENT, 1023))
    unit = np.ldexp(1.0, (np.frexp(min(extent, farthest))[1] + exponent) // 2)
    return np.where(widths >= least, np.minimum(widths, farthest) / unit, 0), unit, farthest
