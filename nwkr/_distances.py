"""The spread of the distances between rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwkr._pooling import distances_between, slices

__all__ = ["spread_of", "spread_of_distances"]

# Size of the blocks in which distances are averaged.
_PAIRS_AT_ONCE = 2**22


def spread_of_distances(X: np.ndarray, weights: np.ndarray, metric: Any) -> float:
    """``sqrt(mean(distance^2) / 2)``: the standard deviation, for distances on a line.

    Over the pairs with finite distances.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; their distances, if precomputed.
    weights : ndarray of shape (n_samples,)
        Positive weights.
    metric : str or callable
        The metric.

    Returns
    -------
    spread : float
        The spread.
    """
    weights = weights / weights.max()
    roots, masses = np.zeros(len(X)), np.zeros(len(X))  # by row
    for rows in slices(len(X), max(1, _PAIRS_AT_ONCE // len(X))):
        distances = distances_between(X[rows], X, metric)
        counts = np.isfinite(distances)
        distances[~counts] = 0
        greatest = distances.max() or 1.0  # so that squares stay in range
        masses[rows] = counts @ weights
        squares = np.square(distances / greatest) @ weights
        roots[rows] = greatest * np.sqrt(squares / np.where(masses[rows] > 0, masses[rows], 1))
    greatest, mass = roots.max() or 1.0, weights @ masses
    mean = (weights * masses) @ np.square(roots / greatest) / (mass or 1.0)
    return float(greatest * np.sqrt(mean / 2))


def spread_of(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted standard deviation of the present numbers in each column; 0 if there are none.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Rows, with NaN for missing numbers.
    weights : ndarray of shape (n_samples,)
        Positive weights.

    Returns
    -------
    spread : ndarray of shape (n_columns,)
        The root of half the mean squared distance of two rows.
    """
    spread = np.zeros(X.shape[1])
    for number, column in enumerate(X.T):
        there = ~np.isnan(column)
        if there.any():
            some, shares = column[there].astype(float), weights[there] / weights[there].sum()
            exponent = np.frexp(np.abs(some).max())[1]
            some = np.ldexp(some, -exponent)  # so that squares stay in range
            spread[number] = np.ldexp(np.sqrt(shares @ (some - shares @ some) ** 2), exponent)
    return spread
