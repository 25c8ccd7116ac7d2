"""How many rows there are, given what each weighs."""

from __future__ import annotations

from sys import float_info

import numpy as np

__all__ = ["MOST_ROWS", "as_counts", "count_of_sums", "count_rows", "of_mean_1"]

MOST_ROWS = 1e100
"""Far more copies than can be told apart in float64: only their ratios count."""


def count_rows(weights: np.ndarray) -> float:
    """Number of rows, by weight.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        Positive weights.

    Returns
    -------
    count : float
        The sum of the weights, so that a weight of k is k copies of a row, but no less than
        Kish's effective number ``sum(w)^2 / sum(w^2)``: weights that only share something out,
        and sum to 1, say, are of as many rows as there are if they are all alike.
    """
    shares = weights / weights.max()
    return count_of_sums(float(weights.max()), float(shares.sum()), float(shares @ shares))


def count_of_sums(heaviest: float, total: float, squares: float) -> float:
    """Number of rows, by weight, from sums over their weights.

    Parameters
    ----------
    heaviest : float
        The greatest weight.
    total, squares : float
        Sum of the weights as shares of that, and of the squares of these shares.

    Returns
    -------
    count : float
        What :func:`count_rows` says of such weights.
    """
    copies = min(heaviest * total, float_info.max)
    return max(copies, total**2 / squares)


def as_counts(weights: np.ndarray) -> np.ndarray:
    """As how many rows each counts: the weights, scaled to the number of rows.

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
    """Weights, scaled so that their mean is 1."""
    shares = weights / weights.max()
    return shares / shares.mean()
