"""Mean and standard deviation of columns, with weights."""

from __future__ import annotations

import numpy as np

__all__ = ["moments_of", "varies"]

# A column is constant if its spread is a smaller share of its mean.
_ROUNDING = 1e-14


def moments_of(X: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of columns.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Rows, at any scale. A missing number counts as the mean of the column.
    counts : ndarray of shape (n_rows,)
        As how many rows each counts; those of 0 are ignored.

    Returns
    -------
    mean, spread : ndarray of shape (n_columns,)
        The moments. Both are 0 for a column without numbers.
    """
    if not counts.all():
        X, counts = X[counts > 0], counts[counts > 0]
    some, gaps = X.astype(float, copy=False), np.isnan(X)
    if gaps.any():
        masses = counts @ ~gaps
        mean = counts @ np.where(gaps, 0, some) / np.where(masses > 0, masses, 1)
        some = np.where(gaps, mean, some)
    shares = counts / counts.sum()
    mean = shares @ some
    # In units of the extent, so that squares neither overflow nor underflow.
    extent = np.abs(some - mean).max(axis=0, initial=0)
    unit = np.where(extent > 0, extent, 1)
    return mean, unit * np.sqrt(shares @ np.square((some - mean) / unit))


def varies(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Whether columns are not constant up to rounding, of shape (n_columns,)."""
    return spread > _ROUNDING * np.abs(mean)
