"""Shrinkage of slopes towards 0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nwkr._pooling import Attention, PooledSums, slices

__all__ = [
    "LEAST_VARIANCE",
    "NEGLIGIBLE",
    "in_cache",
    "inverse_root",
    "least_shares",
    "shares_of_rows",
    "solve_flat",
    "without_digits",
]

# Moments about a common centre lose digits if the squared distance of the local mean from it is
# more than this many times the local variance. Such queries are fitted again about their own mean.
_LARGEST_SQUARE = 2.0**18
NEGLIGIBLE = 1e-14
"""A penalty with a smaller share of the rows is negligible."""

LEAST_VARIANCE = 1e-10
"""With ridge=0, directions with less than this share of the largest variance have no slope."""

# Matrices of several queries are computed together up to this many numbers.
_NUMBERS_IN_CACHE = 2**17
# Below this size, a direction is lost in the rounding errors of the others.
_LEAST_SIZE = 2.0**-40


def shares_of_rows(
    attention: Attention, sums: PooledSums, n_others: float
) -> tuple[np.ndarray, np.ndarray]:
    """The shares of a window's rows, and of `n_others` rows, in all of these rows.

    Both have shape (n_queries,), and add up to 1. Each has its own digits where it is small. For
    queries without weights, whose prediction comes from `handle_empty`, the share of the rows is 0.
    """
    reached = sums.reached
    if n_others == 0:
        return reached.astype(float), (~reached).astype(float)
    with np.errstate(over="ignore"):
        mass = np.exp(np.where(reached, sums.shift, 0)) * sums.total * attention.unit
    mass = np.where(reached, mass, 0.0)
    return mass / (mass + n_others), n_others / (mass + n_others)


def in_cache(n_queries: int, n_numbers: int) -> list[slice]:
    """Cut queries, each with so many numbers, into parts that stay in the cache."""
    return slices(n_queries, max(1, _NUMBERS_IN_CACHE // max(1, n_numbers)))


def least_shares(left: np.ndarray) -> np.ndarray:
    """The least eigenvalue of each matrix in units of its diagonal, of shape (n_queries,)."""
    size = np.einsum("njj->nj", left)
    unit = np.sqrt(np.where(size > 0, size, 1))
    return np.linalg.eigvalsh(left / (unit[:, :, None] * unit[:, None, :]))[:, 0]


def without_digits(
    system: Callable[[np.ndarray], np.ndarray],
    size: np.ndarray,
    penalty: np.ndarray,
    squares: np.ndarray,
) -> np.ndarray:
    """Numbers of the queries that moments about a common centre do not tell enough about.

    Parameters
    ----------
    system : callable
        Returns the matrices of the equations for the slopes, for some queries.
    size : ndarray of shape (n_queries, n_slopes)
        Their diagonals.
    penalty : ndarray of shape (n_queries, n_slopes)
        What the penalty adds to their diagonal, or a lower bound of their eigenvalues.
    squares : ndarray of shape (n_queries, n_slopes)
        What was on their diagonal before the square of the mean was subtracted.

    Returns
    -------
    rows : ndarray of shape (n_lost,)
        The numbers, in order.
    """
    size = np.where(size > 0, size, 1)
    squares = (squares / size).max(axis=1, initial=0)
    rows = np.flatnonzero(squares > _LARGEST_SQUARE * (penalty / size).min(axis=1, initial=1))
    return rows[squares[rows] > _LARGEST_SQUARE * least_shares(system(rows))]


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
