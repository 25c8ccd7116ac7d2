"""Shrinkage of slopes towards 0."""

from __future__ import annotations

import numpy as np

from nwkr._pooling import Attention, PooledSums

__all__ = ["LARGEST_SQUARE", "LEAST_VARIANCE", "inverse_root", "share_of_rows", "solve_flat"]

LARGEST_SQUARE = 2.0**18
"""Moments about a common centre lose digits if the squared distance of the local mean from it is
more than this many times the local variance. Such queries are fitted again about their own mean.
"""
LEAST_VARIANCE = 1e-10
"""With ridge=0, directions with less than this share of the largest variance have no slope."""

# Below this size, a direction is lost in the rounding errors of the others.
_LEAST_SIZE = 2.0**-40


def share_of_rows(attention: Attention, sums: PooledSums, n_others: float) -> np.ndarray:
    """The share of a window's rows in these rows plus `n_others` rows, of shape (n_queries,).

    It is 0 for queries without weights, whose prediction comes from `handle_empty`.
    """
    reached = sums.reached
    if n_others == 0:
        return reached.astype(float)
    with np.errstate(over="ignore"):
        mass = np.exp(np.where(reached, sums.shift, 0)) * sums.total * attention.unit
    return np.where(reached, mass / (mass + n_others), 0.0)


def solve_flat(left: np.ndarray, right: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """The smallest slopes among those that fit equally well: the limit of a small penalty.

    Parameters
    ----------
    left : ndarray of shape (n_queries, n_slopes, n_slopes)
        Matrices, which are overwritten.
    right : ndarray of shape (n_queries, n_slopes, n_sides)
        Right-hand sides.
    penalty : ndarray of shape (n_queries, n_slopes)
        The variances by which slopes are penalised.

    Returns
    -------
    slopes : ndarray of shape (n_queries, n_slopes, n_sides)
        Solutions.
    """
    unit = np.sqrt(penalty)[:, :, None]
    left /= unit * unit.swapaxes(1, 2)
    return np.linalg.pinv(left, rcond=LEAST_VARIANCE, hermitian=True) @ (right / unit) / unit


def inverse_root(rows: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A matrix that times its transpose is the (pseudo-)inverse of ``rows.T @ rows``.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Rows, at least as many as columns, none of which is 0.
    right : ndarray of shape (n_rows, n_sides)
        Right-hand sides.

    Returns
    -------
    root : ndarray of shape (n_columns, n_columns)
        The matrix. Directions lost in rounding count as 0.
    solved : ndarray of shape (n_columns, n_sides)
        ``root.T @ rows.T @ right``, computed without squares of the rows.
    """
    unit = np.abs(rows).max(axis=0)
    left, sizes, directions = np.linalg.svd(rows / unit, full_matrices=False)
    known = sizes > _LEAST_SIZE * sizes[0]
    inverse = np.divide(1, sizes, out=np.zeros(len(sizes)), where=known)
    return directions.T * inverse / unit[:, None], known[:, None] * (left.T @ right)
