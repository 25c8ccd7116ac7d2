"""The number of rows, as given by their weights."""

from __future__ import annotations

import numpy as np

__all__ = ["as_counts", "count_of_sums", "count_rows", "effective_rows", "of_effective_rows"]

# No data set has more rows than this, beside which one row is rounding. Of larger weights only the
# ratios matter.
_MOST_ROWS = 2.0**52


def count_rows(weights: np.ndarray) -> float:
    """Number of rows, by weight.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        Positive weights.

    Returns
    -------
    count : float
        The sum of the weights, so that a weight of k equals k copies of a row, but at least Kish's
        effective number ``sum(w)^2 / sum(w^2)``. So equal weights that sum to 1 count as the
        number of rows. It is at most 2^52.
    """
    shares = weights / weights.max()
    return count_of_sums(float(weights.max()), float(shares.sum()), float(shares @ shares))


def count_of_sums(heaviest: float, total: float, squares: float) -> float:
    """Number of rows, by weight, from sums of their weights.

    Parameters
    ----------
    heaviest : float
        The greatest weight.
    total, squares : float
        Sum of the weights relative to the greatest, and of the squares of these ratios.

    Returns
    -------
    count : float
        The result of :func:`count_rows` for these weights.
    """
    copies = min(heaviest * total, _MOST_ROWS)
    return max(copies, total**2 / squares)


def as_counts(weights: np.ndarray) -> np.ndarray:
    """The number of rows that each row counts as: the weights, scaled to the number of rows.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        Positive weights.

    Returns
    -------
    counts : ndarray of shape (n_rows,)
        Weights of any scale that does not overflow when they are added up.
    """
    shares = weights / weights.max()
    return shares * (count_rows(weights) / shares.sum())


def effective_rows(weights: np.ndarray) -> float:
    """Kish's effective number of rows, ``sum(w)^2 / sum(w^2)``, for weights of any scale."""
    shares = weights / weights.max()
    return float(shares.sum() ** 2 / (shares @ shares))


def of_effective_rows(weights: np.ndarray) -> np.ndarray:
    """Weights, scaled so that their sum is the effective number of rows; only ratios matter."""
    shares = weights / weights.max()
    return shares * (effective_rows(weights) / shares.sum())
