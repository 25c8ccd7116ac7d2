"""A unit for widths, in which squares of them and of all numbers are in range."""

from __future__ import annotations

import numpy as np

__all__ = ["in_unit"]

# The largest numbers may be 2 to this power times the least width, so that squares stay in range.
# The least width is 2 to half of it below the median at most.
_RANGE_EXPONENT = 960


def in_unit(widths: np.ndarray, extent: float) -> tuple[np.ndarray, float, float]:
    """Widths in a unit in which squares of them, and of the numbers in rows, are in range.

    Parameters
    ----------
    widths : ndarray of shape (n_queries,)
        Widths.
    extent : float
        The largest absolute number in a row.

    Returns
    -------
    widths : ndarray of shape (n_queries,)
        The widths in this unit: 0 where they are too small for it.
    unit : float
        A power of 2 half way between the least width and the largest number: what is scaled by it
        keeps all digits.
    farthest : float
        Numbers beyond this are out of range, and to be cut off.
    """
    some = widths[widths > 0] if widths.any() else np.array([extent])
    middle = some[0] if len(some) == 1 else np.median(some)  # which takes its time
    least = max(some.min(), np.ldexp(middle, -_RANGE_EXPONENT // 2))
    exponent = np.frexp(least)[1]
    farthest = np.ldexp(1.0, min(exponent + _RANGE_EXPONENT, 1023))
    unit = np.ldexp(1.0, (np.frexp(min(extent, farthest))[1] + exponent) // 2)
    return np.where(widths >= least, np.minimum(widths, farthest) / unit, 0), unit, farthest
