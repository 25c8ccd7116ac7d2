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
        Logarithm of the scale that the weights were divided by.
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
        # A side without weight has no say in the shift.
        ours, theirs = self.total > 0, other.total > 0
        shift = np.maximum(
            np.where(ours, self.shift, -np.inf), np.where(theirs, other.shift, -np.inf)
        )
        shift = np.where(ours | theirs, shift, 0.0)
        a = np.where(ours, np.exp(np.minimum(self.shift - shift, 0)), 0.0)
        b = np.where(theirs, np.exp(np.minimum(other.shift - shift, 0)), 0.0)
        return PooledSums(
            shift,
            a * self.total + b * other.total,
            a[:, None] * self.weighted + b[:, None] * other.weighted,
        )

    def finish(self) -> np.ndarray:
        """Pooled values, of shape (n_queries, n_values): NaN where no key has weight."""
        total = np.where(self.total > 0, self.total, np.nan)
        return self.weighted / total[:, None]
