"""An estimate of the share of the pairs that blocks of queries visit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from math import ceil

import numpy as np

from nwkr._pooling._boxes import Boxes, Corners, corners_of_runs
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._prepared import Masses
from nwkr._pooling._query_blocks import n_blocks
from nwkr.kernels import Kernel

__all__ = ["Shares"]

_BOXES_SAMPLED = 16
# For fewer queries, a separate estimate takes longer than it saves.
_FEW_QUERIES = 512
_LARGEST_EXPONENT = 600.0  # sums of such powers do not overflow


class Shares:
    """The share of the keys that blocks of queries visit, for queries distributed like the keys.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    masses : Masses
        Weights of the blocks.
    groups, blocks : Boxes
        Boxes of groups of blocks, and of the blocks.
    reach : callable
        ``reach(nearest, farthest, mass, multiple)`` is the squared scaled distance beyond which no
        key matters to a box, from its distances to the groups, and their masses.
    least_share : float
        The share of a total that may be skipped.
    """

    def __init__(
        self,
        pairs: EuclideanPairs,
        kernel: Kernel,
        masses: Masses,
        groups: Boxes,
        blocks: Boxes,
        reach: Callable[..., float],
        least_share: float,
    ):
        self._pairs, self._kernel, self._masses = pairs, kernel, masses
        self._groups, self._blocks = groups, blocks
        self._reach, self._least_share = reach, least_share

    @cached_property
    def as_many(self) -> bool:
        """Whether blocks of queries have the size for as many queries as keys."""
        here, there = (n_blocks(self._pairs, n_rows) for n_rows in self._pairs.shape)
        alone = here == self._pairs.shape[0]  # each query is its own block
        return alone or here / 2 <= there <= here * 2

    def from_prepared(self, share: float) -> float | None:
        """The share of these queries, derived from the share of all keys as queries.

        None if a separate estimate is needed.
        """
        n_queries, _ = self._pairs.shape
        if self.as_many:
            return share
        # A few queries are spread over all keys, and each block of them over its part of these.
        few = n_queries < _FEW_QUERIES
        return min(1.0, share + 1 / n_blocks(self._pairs, n_queries)) if few else None

    def n_within(self, within: float) -> float:
        """Estimated number of keys in groups within this squared distance of a query."""
        probes = np.linspace(0, len(self._groups) - 1, _BOXES_SAMPLED).astype(int)
        corners = self._groups.corners.take(probes)
        _, farthest = self._groups.distances(corners, self._typical_factors())
        return float(((farthest <= within) @ self._groups.sizes).mean())

    def visited(self, multiple: float, mass: np.ndarray, within: float = -np.inf) -> float:
        """The estimated share of the keys that is visited.

        Parameters
        ----------
        multiple : float
            Factor of the bandwidth.
        mass : ndarray of shape (n_groups,)
            Weights of the groups.
        within : float, default=-inf
            Blocks entirely within this squared scaled distance are not visited.

        Returns
        -------
        share : float
            The share, from 0 to 1.
        """
        pairs, n_keys = self._pairs, self._pairs.shape[1]
        if pairs.query_factors is not None and pairs.shape[0] <= _BOXES_SAMPLED:
            # A few queries with varying widths are tested individually, by groups.
            rows, level = pairs.queries.astype(float), self._groups
            corners = corners_of_runs(rows, np.arange(len(rows)))
            factors = (pairs.query_factors[:, None],) * 2
        else:
            corners, factors, level = self._typical_boxes, self._typical_factors(), self._blocks
        nearest, farthest = level.distances(corners, factors)
        bounds = zip(*self._groups.distances(corners, factors))
        reach = np.array([self._reach(n, f, mass, multiple) for n, f in bounds])[:, None]
        n_visited = ((nearest < reach) & (farthest > within)) @ level.sizes
        endless = self._kernel.log_profile is not None and np.isinf(self._kernel.support)
        if endless and not pairs.must_match:
            # The sums so far show when the rest is negligible.
            n_needed = self._n_needed(nearest, corners.centres(), factors, level, multiple)
            n_visited = np.minimum(n_visited, n_needed)
        return float(n_visited.mean()) / n_keys

    def _n_needed(self, nearest, centres, factors, level, multiple):
        """Number of keys visited, nearest blocks first, until the others are negligible."""
        mass = self._masses.of_blocks if level is self._blocks else self._masses.of_groups
        _, farthest = level.distances(centres, factors)
        at_once = self._pairs.sizes.bytes_per_tile / (8 * self._queries_per_block)
        n_needed = []
        for near, far in zip(nearest, farthest):
            weights = self._kernel.log_weights(far / multiple**2)
            scale = weights.max()
            if scale == -np.inf:
                n_needed.append(level.sizes.sum())
                continue
            least = self._least_share * (mass @ np.exp(weights - scale))
            order = np.argsort(near)
            bounds = self._kernel.log_weights(near[order] / multiple**2) - scale
            bounds = np.exp(np.minimum(bounds, _LARGEST_EXPONENT))
            tails = np.cumsum((mass[order] * bounds)[::-1])[::-1]
            n_keys = level.sizes[order][tails > least].sum()
            n_needed.append(ceil(n_keys / at_once) * at_once)
        return np.array(n_needed)

    @cached_property
    def _queries_per_block(self):
        n_queries = self._pairs.shape[int(self.as_many)]
        return n_queries / n_blocks(self._pairs, n_queries)

    @cached_property
    def _typical_boxes(self) -> Corners:
        starts, n_queries = self._blocks.blocks.starts, self._pairs.shape[int(self.as_many)]
        keys = np.linspace(0, starts[-1] - 1, _BOXES_SAMPLED)
        numbers = np.searchsorted(starts, keys, side="right") - 1
        size = len(self._blocks) / n_blocks(self._pairs, n_queries)
        return self._blocks.around(numbers, size)

    def _typical_factors(self):
        factors = self._pairs.query_factors
        factor = 1.0 if factors is None else float(np.median(factors))
        return factor, factor
