"""The result of a fit in windows: means, slopes and effective weights at queries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nwkr._pooling import Attention, PooledSums
from nwkr._ridge import LEAST_VARIANCE, solve_flat

__all__ = ["LocalFit"]

# A penalty of a smaller share of the rows is rounding beside them.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class LocalFit:
    """Lines at queries, in units of the columns' spread.

    Attributes
    ----------
    lines : LocalLines
        What they are lines in.
    attention : Attention
        Queries and keys.
    sums : PooledSums
        What pooling gave.
    mean : ndarray of shape (n_queries, n_outputs)
        Mean of the targets in the window.
    covariance : ndarray of shape (n_queries, n_slopes, n_slopes)
        Covariance of the columns there.
    with_y : ndarray of shape (n_queries, n_slopes, n_outputs)
        Covariance of columns and targets there.
    offset : ndarray of shape (n_queries, n_slopes)
        From the mean of the columns to the query.
    trust : ndarray of shape (n_queries,)
        ``W / (W + ridge)`` with the rows ``W`` in the window: how far a slope is believed.
    penalty : ndarray of shape (n_queries, n_slopes)
        Variance of the columns within the window, which a slope is measured by.
    """

    lines: Any
    attention: Attention
    sums: PooledSums
    mean: np.ndarray
    covariance: np.ndarray
    with_y: np.ndarray
    offset: np.ndarray
    trust: np.ndarray
    penalty: np.ndarray

    @cached_property
    def _solved(self):
        """Slopes, (n_queries, n_slopes, n_outputs), and the same solved for the offset."""
        right = np.concatenate([self.with_y, self.offset[:, :, None]], axis=2)
        left, right = self._system(), self.trust[:, None, None] * right
        unknown = np.isnan(self.sums.total) | ~(self.sums.total > 0)  # and nothing stands in
        left[unknown], right[unknown] = np.eye(left.shape[1]), np.nan
        flat, solved = self._without_penalty, np.empty_like(right)
        solved[~flat] = np.linalg.solve(left[~flat], right[~flat])
        if flat.any():
            solved[flat] = solve_flat(left[flat], right[flat], self.penalty[flat])
        return solved[:, :, :-1], solved[:, :, -1]

    @property
    def _without_penalty(self):
        """Which queries have so many rows that the penalty is nothing beside them."""
        return self.trust > 1 - _ROUNDING

    def take(self, rows: np.ndarray) -> LocalFit:
        """The fit at some queries."""
        return LocalFit(
            self.lines,
            self.attention.take(rows),
            self.sums.take(rows),
            self.mean[rows],
            self.covariance[rows],
            self.with_y[rows],
            self.offset[rows],
            self.trust[rows],
            self.penalty[rows],
        )

    def _system(self, rows=slice(None)):
        """The matrix that is solved for slopes, ``trust * (C + ridge / W D)``."""
        trust, penalty = self.trust[rows], self.penalty
        left = trust[..., None, None] * self.covariance[rows]
        penalty = (
            penalty[rows] if len(penalty) > 1 else np.broadcast_to(penalty[0], left.shape[:-1])
        )
        diagonal = np.arange(left.shape[-1])
        left[..., diagonal, diagonal] += (1 - trust)[..., None] * penalty
        return left

    def inverse(self, row: int) -> np.ndarray:
        """Inverse of ``C + ridge / W D`` at a query, of shape (n_slopes, n_slopes)."""
        trust, left = self.trust[row], self._system(row)
        if self._without_penalty[row]:
            return trust * np.linalg.pinv(left, rcond=LEAST_VARIANCE, hermitian=True)
        return trust * np.linalg.inv(left)

    @property
    def scaled_slopes(self) -> np.ndarray:
        """Slopes by the columns' spread, of shape (n_queries, n_slopes, n_outputs)."""
        return self._solved[0]

    @property
    def directions(self) -> np.ndarray:
        """What effective weights change along, of shape (n_queries, n_slopes)."""
        return self._solved[1]

    @property
    def predictions(self) -> np.ndarray:
        """The lines at their queries, of shape (n_queries, n_outputs)."""
        if not self.lines.has_slopes:
            return self.mean
        return self.mean + np.einsum("nj,njm->nm", self.offset, self._solved[0])

    @property
    def slopes(self) -> np.ndarray:
        """Slopes by unit of the column, of shape (n_queries, n_slopes, n_outputs)."""
        return self._solved[0] / self.lines.spread[:, None]

    @property
    def leverage(self) -> np.ndarray:
        """Effective weight of a key at its own place, relative to its share of the weights."""
        return 1 + np.einsum("nj,nj->n", self.offset, self._solved[1])
