"""Partial results of pooling, which merge in any order."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["MEAN_RANK", "PooledSums"]

# Where weights of different ranks meet, only those of the lowest rank count.
_KERNEL_RANK = (0.0, -np.inf)  # the kernel's own weights
MEAN_RANK = (np.inf, 0.0)  # all keys alike
_NO_RANK = (np.inf, np.inf)  # no weight


def _at_scale():
    return np.zeros(1)


def _of_kernel():
    return np.array([_KERNEL_RANK])


@dataclass(frozen=True)
class PooledSums:
    """Sums over some keys, for each query, of weights scaled by ``exp(-log_scale)``.

    Where no key has weight, the sums may be of what stands in for the weights. These weights are
    of a higher rank: beside any of a lower rank they are infinitely small. So the sums over some
    keys yield to those over others that have weight, or whose nearest keys are nearer, and sums
    over all keys can be made of parts, in any order.

    Attributes
    ----------
    log_scale : ndarray of shape (n_queries,)
        Logarithm of the scale that the weights were divided by.
    total : ndarray of shape (n_queries,)
        Sum of the scaled weights; 0 where there is none, and nothing stands in.
    weighted : ndarray of shape (n_queries, n_values)
        Sum of the scaled weights times the values.
    remainder : ndarray of shape (n_queries,) or (1,), default=0
        What rounding took from the logarithm. Far from all keys it decides between them.
    rank : ndarray of shape (n_queries, 2) or (1, 2), default=(0, -inf)
        Rank of the weights, in lexicographic order. The nearest keys that stand in have their
        distance in the columns with bandwidth 0; and their squared distance, unless the kernel
        has weight at that rank, which comes before. All keys alike come last.
    """

    log_scale: np.ndarray
    total: np.ndarray
    weighted: np.ndarray
    remainder: np.ndarray = field(default_factory=_at_scale)
    rank: np.ndarray = field(default_factory=_of_kernel)

    @property
    def reached(self) -> np.ndarray:
        """Which queries a key has weight for, of shape (n_queries,)."""
        return (self.total > 0) & (self.rank == _KERNEL_RANK).all(axis=1)

    @property
    def shift(self) -> np.ndarray:
        """The logarithm of the scale; ``-inf`` where no key has weight, whatever stands in."""
        return np.where(self.reached, self.log_scale, -np.inf)

    def merge(self, other: PooledSums) -> PooledSums:
        """Sums over the keys of both, pooled alike.

        Parameters
        ----------
        other : PooledSums
            Sums for the same queries, with the same window, over other keys.

        Returns
        -------
        sums : PooledSums
            Sums over all of these keys.
        """
        (ours, our_last), (theirs, their_last) = (side._rank_of_weights() for side in (self, other))
        lower = (ours < theirs) | ((ours == theirs) & (our_last < their_last))
        alike = (ours == theirs) & (our_last == their_last)
        lead = (self.log_scale - other.log_scale) + (self.remainder - other.remainder)
        lead = np.where(alike, lead, np.where(lower, np.inf, -np.inf))
        our_share, their_share = (np.exp(np.minimum(side, 0)) for side in (lead, -lead))
        larger = self.where(lead >= 0, other)
        return PooledSums(
            larger.log_scale,
            our_share * self.total + their_share * other.total,
            our_share[:, None] * self.weighted + their_share[:, None] * other.weighted,
            larger.remainder,
            larger.rank,
        )

    def _rank_of_weights(self):
        return np.where(self.total > 0, self.rank.T, np.reshape(_NO_RANK, (2, 1)))

    def take(self, rows: np.ndarray) -> PooledSums:
        """The sums of some queries."""
        n_queries = len(self.total)
        parts = (self.log_scale, self.total, self.weighted, self.remainder, self.rank)
        return PooledSums(*(part[rows] if len(part) == n_queries else part for part in parts))

    def where(self, these: np.ndarray, other: PooledSums) -> PooledSums:
        """These sums for some queries, the other ones for the rest."""
        return PooledSums(
            np.where(these, self.log_scale, other.log_scale),
            np.where(these, self.total, other.total),
            np.where(these[:, None], self.weighted, other.weighted),
            np.where(these, self.remainder, other.remainder),
            np.where(these[:, None], self.rank, other.rank),
        )

    def put(self, rows: np.ndarray, other: PooledSums) -> None:
        """Write the other sums, which are of some queries, in place of those of these queries."""
        self.log_scale[rows], self.total[rows] = other.log_scale, other.total
        self.weighted[rows] = other.weighted
        self.remainder[rows], self.rank[rows] = other.remainder, other.rank

    def finish(self) -> np.ndarray:
        """Pooled values, of shape (n_queries, n_values): NaN where there is no weight."""
        total = np.where(self.total > 0, self.total, np.nan)
        return self.weighted / total[:, None]
