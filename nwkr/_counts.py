"""The number of rows, as given by their weights."""

from __future__ import annotations

from sys import float_info

import numpy as np

__all__ = ["MOST_ROWS", "as_counts", "count_of_sums", "count_rows", "of_mean_1"]

MOST_ROWS = 1e100
"""Larger counts than this are scaled down, because only their ratios matter."""


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
        number of rows.
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
    copies = min(heaviest * total, float_info.max)
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
    n_rows = min(count_rows(weights), MOST_ROWS)
    shares = weights / weights.max()
    return shares * (n_rows / shares.sum())


def of_mean_1(weights: np.ndarray) -> np.ndarray:
    """Weights, scaled to have mean 1."""
    shares = weights / weights.max()
    return shares / shares.mean()
