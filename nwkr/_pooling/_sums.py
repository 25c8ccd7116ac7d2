"""Partial results of pooling, which can be merged in any order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["PooledSums"]


@dataclass(frozen=True)
class PooledSums:
    """Sums over some keys, for each query, of weights scaled by ``exp(-shift)``.

    Attributes
    ----------
    shift : ndarray of shape (n_queries,)
        Logarithm of the scale that the weights were divided by; ``-inf`` where no key has
        weight, and the sums are of what stands in for the weights.
    total : ndarray of shape (n_queries,)
        Sum of the scaled weights.
    weighted : ndarray of shape (n_queries, n_values)
        Sum of the scaled weights times the values.
    """

    shift: np.ndarray
    total: np.ndarray
    weighted: np.ndarray

    def merge(self, other: PooledSums) -> PooledSums:
        """Sums over the keys of both."""
        shift = np.maximum(self.log_scale(), other.log_scale())
        ours, theirs = (
            np.exp(side.log_scale() - np.where(np.isneginf(shift), 0, shift))
            for side in (self, other)
        )
        return PooledSums(
            shift,
            ours * self.total + theirs * other.total,
            ours[:, None] * self.weighted + theirs[:, None] * other.weighted,
        )

    def take(self, rows: np.ndarray) -> PooledSums:
        """The sums of some queries."""
        return PooledSums(self.shift[rows], self.total[rows], self.weighted[rows])

    def where(self, these: np.ndarray, other: PooledSums) -> PooledSums:
        """These sums for some queries, the other ones for the rest."""
        return PooledSums(
            np.where(these, self.shift, other.shift),
            np.where(these, self.total, other.total),
            np.where(these[:, None], self.weighted, other.weighted),
        )

    def log_scale(self) -> np.ndarray:
        """The shift; ``-inf`` where there is no weight, which has no say in a merger."""
        return np.where(self.total > 0, self.shift, -np.inf)

    def finish(self) -> np.ndarray:
        """Pooled values, of shape (n_queries, n_values): NaN where no key has weight."""
        total = np.where(self.total > 0, self.total, np.nan)
        return self.weighted / total[:, None]
