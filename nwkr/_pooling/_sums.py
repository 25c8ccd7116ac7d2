"""Partial sums of pooling, which can be merged in any order."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["MEAN_RANK", "PooledSums"]

# When weights of different ranks are merged, only those of the lowest rank count.
_KERNEL_RANK = (0.0, -np.inf)  # the kernel's own weights
MEAN_RANK = (np.inf, 0.0)  # all keys with equal weight
_NO_RANK = (np.inf, np.inf)  # no weight


def _at_scale():
    return np.zeros(1)


def _of_kernel():
    return np.array([_KERNEL_RANK])


@dataclass(frozen=True)
class PooledSums:
    """Sums over some keys, for each query, of weights scaled by ``exp(-log_scale)``.

    If no key has weight, the sums may use the replacement weights of `handle_empty`. These have a
    higher rank: compared with weights of a lower rank they are infinitely small. So sums over keys
    without weight give way to sums over keys with weight, or with nearer nearest keys. Sums over
    all keys can then be merged from parts in any order.

    Attributes
    ----------
    log_scale : ndarray of shape (n_queries,)
        Logarithm of the scale by which the weights were divided.
    total : ndarray of shape (n_queries,)
        Sum of the scaled weights; 0 if there are neither weights nor replacements.
    weighted : ndarray of shape (n_queries, n_values)
        Sum of the scaled weights times the values.
    remainder : ndarray of shape (n_queries,) or (1,), default=0
        Rounding error of the logarithm, or of the distance of nearest keys as replacement. Far
        from all keys it decides between them.
    rank : ndarray of shape (n_queries, 2) or (1, 2), default=(0, -inf)
        Rank of the weights, in lexicographic order. For nearest keys as replacement, it is their
        distance in the columns with bandwidth 0, and then their squared distance, unless the
        kernel has weight there, which comes first. Equal weights for all keys come last.
    """

    log_scale: np.ndarray
    total: np.ndarray
    weighted: np.ndarray
    remainder: np.ndarray = field(default_factory=_at_scale)
    rank: np.ndarray = field(default_factory=_of_kernel)

    @property
    def reached(self) -> np.ndarray:
        """Queries for which some key has weight, of shape (n_queries,)."""
        return (self.total > 0) & (self.rank == _KERNEL_RANK).all(axis=1)

    @property
    def shift(self) -> np.ndarray:
        """The logarithm of the scale; ``-inf`` for queries without weights."""
        return np.where(self.reached, self.log_scale, -np.inf)

    def merge(self, other: PooledSums) -> PooledSums:
        """Merge with sums over other keys.

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
        more = self.remainder - other.remainder
        # Distances of nearest keys have rounding errors; other ranks are infinite.
        nearest = np.isfinite(our_last) & np.isfinite(their_last)
        with np.errstate(invalid="ignore"):
            apart = np.where(nearest, (our_last - their_last) + more, 0)
        lower = (ours < theirs) | ((ours == theirs) & ((our_last < their_last) & ~nearest))
        lower |= (ours == theirs) & (apart < 0)
        alike = (ours == theirs) & ((our_last == their_last) | nearest) & (apart == 0)
        lead = np.where(nearest, 0, (self.log_scale - other.log_scale) + more)
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
        """Replace the sums of some queries."""
        self.log_scale[rows], self.total[rows] = other.log_scale, other.total
        self.weighted[rows] = other.weighted
        self.remainder[rows], self.rank[rows] = other.remainder, other.rank

    def finish(self) -> np.ndarray:
        """Pooled values, of shape (n_queries, n_values); NaN for queries without weights."""
        total = np.where(self.total > 0, self.total, np.nan)
        return self.weighted / total[:, None]
