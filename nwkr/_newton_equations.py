"""The equations of a Newton step for one logit: moments of the rows in a window, and solutions.

The rows in the window are joined by one row on the trend, which lies at the query. Relative to the
mean of all of them, weighted by curvature, the equations for the constant and for the slopes are
separate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwkr._ridge import LEAST_VARIANCE, solve_flat

__all__ = ["LEAST_CURVATURE", "Moments"]

LEAST_CURVATURE = 1e-100
"""Less curvature counts as this much, so that quotients do not overflow."""
# A penalty that is a smaller share of what it is added to is lost in rounding.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Moments:
    """Moments of one logit under the attention weights of queries.

    Attributes
    ----------
    residual, curvature : ndarray of shape (n_queries,)
        Means of the residuals and of the curvature.
    mean : ndarray of shape (n_queries, n_slopes)
        Mean of the columns, weighted by curvature.
    covariance : ndarray of shape (n_queries, n_slopes, n_slopes)
        Mean of the curvature times the products of the columns about their mean.
    with_residual : ndarray of shape (n_queries, n_slopes)
        Mean of the residuals times the columns about their mean.
    offset : ndarray of shape (n_queries, n_slopes)
        From the mean to the query.
    """

    residual: np.ndarray
    curvature: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    with_residual: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(
        cls,
        residual: np.ndarray,
        curvature: np.ndarray,
        by_z: np.ndarray,
        curved: np.ndarray,
        products: np.ndarray,
        place: np.ndarray,
        numbers: tuple[np.ndarray, np.ndarray],
    ) -> Moments:
        """The moments, from means about a common centre.

        Parameters
        ----------
        residual, curvature : ndarray of shape (n_queries,)
            Means of the residuals and of the curvature.
        by_z, curved : ndarray of shape (n_queries, n_slopes)
            Means of the residuals, and of the curvature, times the columns.
        products : ndarray of shape (n_queries, n_products)
            Means of the curvature times products of two columns.
        place : ndarray of shape (n_queries, n_slopes)
            The columns of the queries.
        numbers : tuple of ndarray
            The numbers of both columns in each product.

        Returns
        -------
        moments : Moments
            The moments.
        """
        n_queries, n_slopes = by_z.shape
        total = np.where(curvature > 0, curvature, 1)[:, None]
        mean = curved / total
        covariance = np.empty((n_queries, n_slopes, n_slopes))
        first, second = numbers
        covariance[:, first, second] = covariance[:, second, first] = products
        covariance -= curvature[:, None, None] * mean[:, :, None] * mean[:, None, :]
        with_residual = by_z - mean * residual[:, None]
        return cls(residual, curvature, mean, covariance, with_residual, place - mean)

    def solve(
        self, trust: np.ndarray, prior: np.ndarray, level: np.ndarray, penalty: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Solve for the step, and for the share of a row with residual 1.

        Parameters
        ----------
        trust : ndarray of shape (n_queries,)
            Share of the rows in the window in these rows plus the one on the trend.
        prior : ndarray of shape (n_queries,)
            Curvature of the row on the trend, times its share.
        level : ndarray of shape (n_queries, n_slopes)
            The penalty on the slopes.
        penalty : ndarray of shape (n_queries, n_slopes)
            Variance of the columns within the window.

        Returns
        -------
        constants : tuple of two ndarray of shape (n_queries,)
            At the mean of the rows, including the one on the trend: the step, and the share.
        slopes : tuple of two ndarray of shape (n_queries, n_slopes)
            Slopes of both.
        offset : ndarray of shape (n_queries, n_slopes)
            From that mean to the query.
        """
        weight = trust * self.curvature + prior
        weight = np.where(weight > 0, np.maximum(weight, LEAST_CURVATURE), 1)
        # The row on the trend lies at the query, so it moves the mean towards the query.
        toward = (prior / weight)[:, None] * self.offset
        rest = self.offset - toward
        constants = trust / weight * self.residual, trust / weight
        right = self.with_residual - toward * self.residual[:, None]
        right = trust[:, None, None] * np.stack([right, rest], axis=2)
        left = trust[:, None, None] * self.covariance
        left += (prior * trust * self.curvature / weight)[:, None, None] * (
            self.offset[:, :, None] * self.offset[:, None, :]
        )
        diagonal = np.arange(left.shape[1])
        # With very many rows, as without a ridge, the penalty is less than rounding.
        flat = (level <= LEAST_VARIANCE * left[:, diagonal, diagonal]).any(axis=1)
        left[:, diagonal, diagonal] += level
        solved = np.empty_like(right)
        solved[~flat] = _solve(left[~flat], right[~flat])
        if flat.any():
            solved[flat] = _solve_flat(left[flat], right[flat], penalty[flat])
        return constants, (solved[:, :, 0], solved[:, :, 1]), rest


def _solve(left, right):
    """Solutions of the equations for the slopes, at any scale."""
    size = np.einsum("njj->nj", left)
    unit = np.sqrt(np.where(size > 0, size, 1))[:, :, None]
    left = left / unit / unit.swapaxes(1, 2)
    # More than rounding error, so that no matrix is singular.
    left += _ROUNDING * np.eye(left.shape[1])
    return np.linalg.solve(left, right / unit) / unit


def _solve_flat(left, right, penalty):
    """Solutions of the equations without a penalty."""
    size = np.einsum("njj->nj", left).max(axis=1, initial=0)[:, None, None]
    size[size < LEAST_CURVATURE] = np.inf  # no slopes where rows have no curvature
    return solve_flat(left / size, right / size, penalty)
