"""The blocks of keys that matter to a block of queries.

The search has two steps. It tests groups of blocks first, because most groups are far away or
entirely within the support. Neighbouring blocks of queries are searched together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nwkr._pooling._block_mask import BlockMask
from nwkr._pooling._boxes import Blocks, Boxes, Corners, corners_of_runs
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._prepared import Masses, Prepared
from nwkr._pooling._query_blocks import cut, queries_per_block
from nwkr._pooling._shares import Shares
from nwkr._pooling._surroundings import Surroundings
from nwkr._pooling._threads import slices
from nwkr.kernels import Kernel

__all__ = ["MARGIN", "Neighbourhoods"]

# If a block visits a larger share of the keys, a smaller block would visit them too.
_LARGEST_SHARE_VISITED = 0.5
# The share of a total that may always be skipped, because it is less than rounding.
_NEGLIGIBLE_SHARE = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-7}
# Bounds are relaxed by this, because distances of boxes and of rows are rounded differently.
MARGIN = 1 + 1e-9
# A block lies within the support if all its weights are above this, so that rounding errors are
# negligible in their sums.
_LEAST_WEIGHT_WITHIN = 2.0**-10
_MOST_MOMENTS_PER_BLOCK = 64  # more moments take as long as the pairs of the block


class _QueryBoxes(NamedTuple):
    """Boxes around blocks of queries."""

    corners: Corners
    factors: tuple  # least and greatest factor of the squared distances from each
    whole: np.ndarray | None  # whether blocks may lie within the support of each
    intervals: tuple[np.ndarray, ...] | None  # bounds of what a mask hides from each


class Neighbourhoods:
    """Queries in blocks, and the blocks of keys that matter to each.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys, the keys in k-d order.
    kernel : Kernel
        The kernel.
    weights : ndarray of shape (n_keys,)
        Positive weights of the keys.
    blocks : Blocks
        The blocks of the keys.
    tol : float, default=0.0
        Allowed relative error of a total; half of it may be skipped.
    prepared : Prepared or None, default=None
        Precomputed results for the keys.

    Attributes
    ----------
    has_moments : bool
        Whether blocks within the support can be added by moments.
    """

    def __init__(
        self,
        pairs: EuclideanPairs,
        kernel: Kernel,
        weights: np.ndarray,
        blocks: Blocks,
        tol: float = 0.0,
        prepared: Prepared | None = None,
    ):
        self.pairs, self.blocks, self.kernel = pairs, blocks, kernel
        self._prepared = prepared
        if prepared is None:
            self.masses = Masses(blocks, weights, pairs.sizes.blocks_per_group)
        else:
            self.masses = prepared.masses
        self.groups = self.masses.groups
        self._boxes, self._group_boxes = (
            Boxes(pairs, level) for level in (self.blocks, self.groups)
        )
        self.has_moments = (
            kernel.power is not None
            and not pairs.must_match
            and pairs.kinds is None
            and pairs.is_flat
            and (pairs.leaves_itself_out or pairs.hides_left_out)
            and (len(pairs.columns) + 2) ** kernel.power <= _MOST_MOMENTS_PER_BLOCK
        )
        self._within = kernel.support**2 / MARGIN
        if kernel.power:
            self._within = 1 - _LEAST_WEIGHT_WITHIN ** (1 / kernel.power)
        self._n_within: dict[float, float] = {}
        self._found_shares: dict[tuple[float, bool], float] = {}
        self._parts: dict[int, list[np.ndarray]] = {}
        self._alone: dict[tuple[float, ...], Surroundings] = {}
        self._mass = self.masses.of_groups
        if pairs.leave_out is not None:
            # A query may leave out the heaviest key of a group.
            self._mass = self._mass - self.masses.heaviest
        self._block_mask: BlockMask | None = None
        if pairs.mask is not None:
            levels = self.groups, self.blocks
            self._block_mask = BlockMask(pairs.mask, levels, weights, np.maximum(self._mass, 0))
        # Half of the tolerance, because a prediction has the errors of two sums.
        self.least_share = max(tol / 2, _NEGLIGIBLE_SHARE[pairs.dtype])
        self._log_share = np.log(self.least_share / self.masses.total)
        # The weight of other kernels may grow with the distance, so there is no bound.
        self.falls = np.isfinite(kernel.support) or kernel.log_profile is not None

    def by_moments(self, multiples: Sequence[float] = (1.0,)) -> bool:
        """Whether blocks within the support are added by moments, which needs enough of them."""
        if not self.has_moments or len(multiples) > 1:
            return False
        n_queries, n_keys = self.pairs.shape
        moments = (len(self.pairs.columns) + 2) ** (self.kernel.power or 0)
        if n_queries < moments * self.pairs.sizes.pairs_per_moment:
            return False  # moments would take longer than all pairs
        n_within = self.n_within(multiples[0])
        if n_queries * n_within < n_keys * moments * self.pairs.sizes.pairs_per_moment:
            return False  # moments would take longer than the pairs
        return n_within >= self.pairs.sizes.blocks_within * n_keys / len(self.blocks)

    def n_within(self, multiple: float = 1.0) -> float:
        """Estimated number of keys in groups entirely within a support."""
        prepared = self._prepared
        if multiple == 1 and prepared is not None and prepared.n_within is not None:
            return prepared.n_within
        if multiple not in self._n_within:
            self._n_within[multiple] = self._shares.n_within(self._within * multiple**2)
        return self._n_within[multiple]

    def of_queries(
        self, rows: np.ndarray | None = None, n_visited: float = 0.0
    ) -> list[np.ndarray]:
        """Cut queries into blocks of neighbouring queries.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,) or None, default=None
            Numbers of the queries, all by default.
        n_visited : float, default=0
            About how many keys a block visits: where these are many, blocks are smaller, for
            their boxes reach fewer.

        Returns
        -------
        parts : list of ndarray
            The blocks.
        """
        n_queries = self.pairs.shape[0] if rows is None else len(rows)
        size = queries_per_block(self.pairs, n_queries)
        sizes = self.pairs.sizes
        least, n_pairs = sizes.least_queries_per_block, sizes.pairs_per_visit
        while size >= 2 * least and size * n_visited > n_pairs:
            size //= 2
        if rows is not None:
            return [rows[part] for part in cut(self.pairs, self.pairs.queries[rows], size)]
        if size not in self._parts:
            self._parts[size] = cut(self.pairs, self.pairs.queries, size)
        return self._parts[size]

    def in_groups(self, parts: list[np.ndarray]) -> list[list[np.ndarray]]:
        """Collect neighbouring blocks of queries in groups."""
        size = max(1, self.pairs.sizes.queries_per_group // len(parts[0])) if parts else 1
        return [parts[group] for group in slices(len(parts), size)]

    def visited(self, multiples: Sequence[float] = (1.0,)) -> float:
        """Estimated number of keys that a block visits; 0 if smaller blocks visit as many."""
        if not np.isfinite(self.kernel.support):
            return 0.0  # the sums so far determine how many keys each row needs
        share = self.share(max(multiples))
        return share * self.blocks.starts[-1] if share < _LARGEST_SHARE_VISITED else 0.0

    def of(self, parts: list[np.ndarray], multiples: Sequence[float] = (1.0,)) -> Surroundings:
        """The blocks of keys that matter to some neighbouring blocks of queries.

        Parameters
        ----------
        parts : list of ndarray
            Numbers of the queries in each block.
        multiples : sequence of float
            Factors of the bandwidth; only one if blocks are added by moments.

        Returns
        -------
        surroundings : Surroundings
            The blocks that matter.
        """
        pairs = self.pairs
        if pairs.shape[0] == 1:
            # Stored, because the visit of a single query also gives its share.
            if tuple(multiples) not in self._alone:
                self._alone[tuple(multiples)] = self._of(parts, multiples)
            return self._alone[tuple(multiples)]
        return self._of(parts, multiples)

    def _of(self, parts, multiples):
        boxes = self._around(parts)
        groups, reach, nearest, farthest = self._groups_near(boxes, multiples)
        near, inside = self._parted(boxes, multiples, 0, groups, nearest, farthest, reach)
        some = near.any(axis=0)

        blocks = self._in_groups(groups[some])
        member = np.searchsorted(groups[some], blocks // self.pairs.sizes.blocks_per_group)
        of_near = near[:, some][:, member]
        nearest, farthest = self._boxes.distances(boxes.corners, boxes.factors, blocks)
        visited, inside_too = self._parted(boxes, multiples, 1, blocks, nearest, farthest, reach)
        visited &= of_near
        inside_too &= of_near
        some = visited.any(axis=0)
        return Surroundings(
            blocks[some],
            visited[:, some],
            nearest[:, some],
            ((groups, inside), (blocks, inside_too)),
        )

    def _around(self, parts):
        """Boxes around some blocks of queries."""
        pairs = self.pairs
        factors: tuple = 1.0, 1.0
        sizes = np.array([len(rows) for rows in parts])
        rows, starts = np.concatenate(parts), sizes.cumsum() - sizes
        corners = corners_of_runs(np.take(pairs.queries, rows, axis=0), starts)
        if pairs.query_factors is not None:
            of_rows = pairs.query_factors[rows]
            factors = tuple(
                bound.reduceat(of_rows, starts)[:, None] for bound in (np.minimum, np.maximum)
            )
        # Queries of width 0 use exact matches only, hence no whole blocks.
        exact = pairs.exact_queries
        whole = None if exact is None else ~np.logical_or.reduceat(exact[rows], starts)
        intervals = None if self._block_mask is None else self._block_mask.intervals(rows, starts)
        return _QueryBoxes(corners, factors, whole, intervals)

    def _groups_near(self, boxes, multiples):
        """The groups that may matter to boxes of queries, the reach of each box, and distances."""
        corners, factors, _, intervals = boxes
        mask, mass = self._block_mask, self._mass
        if mask is not None:
            mass = mask.masses(intervals)

        def reach_of(nearest, farthest, mass):
            bounds = zip(nearest, farthest, np.broadcast_to(mass, nearest.shape))
            reaches = [max(self._reach(*b, m) for m in multiples) for b in bounds]
            return np.array(reaches)[:, None]

        # A block far from all boxes together is far from each.
        extremes, around, n_boxes = factors, corners, corners.lower.shape[1]
        if n_boxes > 1:
            extremes = np.min(factors[0]), np.max(factors[1])
            around = corners.take(np.arange(n_boxes)[None]).around()
        nearest, farthest = self._group_boxes.distances(around, extremes)
        reach = reach_of(nearest, farthest, mass if mask is None else mass.min(axis=0))
        groups = np.flatnonzero(nearest[0] < reach[0])
        if n_boxes == 1:
            return groups, reach, nearest[:, groups], farthest[:, groups]
        nearest, farthest = self._group_boxes.distances(corners, factors, groups)
        reach = np.minimum(reach, reach_of(nearest, farthest, mass[..., groups]))
        return groups, reach, nearest, farthest

    def _parted(self, boxes, multiples, level, numbers, nearest, farthest, reach):
        """Which groups (level 0) or blocks (1) to visit, and which lie within the support."""
        mask, intervals = self._block_mask, boxes.intervals
        inside = np.zeros(farthest.shape, bool)
        if self.by_moments(multiples):
            inside = farthest <= self._within * multiples[0] ** 2
            if boxes.whole is not None:
                inside &= boxes.whole[:, None]
            if mask is not None:
                inside &= mask.shows(intervals, level, numbers)
        near = (nearest < reach) & ~inside
        if mask is not None:
            near &= ~mask.hides(intervals, level, numbers)
        return near, inside

    def all_of(
        self, rows: np.ndarray, multiples: Sequence[float] = (1.0,), empty: str | None = None
    ) -> np.ndarray:
        """Numbers of the blocks that matter to a block of queries.

        With ``empty="nearest"`` also the blocks of the nearest keys; with "mean", all blocks.
        """
        if empty == "mean":
            return np.arange(len(self.blocks))
        found = self.of([rows], multiples)
        groups, blocks = (numbers[inside[0]] for numbers, inside in found.within)
        numbers = np.concatenate([found.blocks, self._in_groups(groups), blocks])
        return np.union1d(numbers, self.nearest(rows)) if empty == "nearest" else numbers

    def _in_groups(self, groups):
        """Numbers of the blocks in some groups."""
        size = self.pairs.sizes.blocks_per_group
        blocks = (groups[:, None] * size + np.arange(size)).ravel()
        return blocks[: np.searchsorted(blocks, len(self.blocks))]

    def _reach(self, nearest, farthest, mass, multiple):
        """Squared scaled distance beyond which no key matters."""
        kernel = self.kernel
        if self.pairs.must_match or not self.falls:
            return np.inf
        if np.isfinite(kernel.support):
            return (kernel.support * multiple) ** 2 * MARGIN
        assert kernel.log_profile is not None
        # A lower bound of the total.
        some = mass > 0
        lowest = kernel.log_weights(farthest[some] / multiple**2)
        scale = lowest.max(initial=-np.inf)
        if scale == -np.inf:
            return np.inf
        log_total = scale + np.log(mass[some] @ np.exp(lowest - scale))
        nothing = kernel.log_weights(nearest / multiple**2) < log_total + self._log_share
        return nearest[nothing].min(initial=np.inf)

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the blocks that contain the nearest keys of some queries."""
        if self.pairs.must_match:
            return np.arange(len(self.blocks))
        queries = np.take(self.pairs.queries, rows, axis=0)
        box = corners_of_runs(queries, np.array([0]))
        _, (farthest,) = self._group_boxes.distances(box)
        if self._block_mask is not None:
            seen = self._block_mask.masses(self._block_mask.intervals(rows, np.zeros(1, int)))[0]
            farthest = farthest[seen > 0]
        elif self.pairs.leave_out is not None:
            farthest = farthest[np.diff(self.groups.starts) > 1]
        (nearest,), _ = self._boxes.distances(box)
        return np.flatnonzero(nearest <= farthest.min(initial=np.inf) * MARGIN)

    @cached_property
    def _shares(self):
        boxes = self._group_boxes, self._boxes
        return Shares(self.pairs, self.kernel, self.masses, *boxes, self._reach, self.least_share)

    def share(self, multiple: float = 1.0) -> float:
        """Estimated share of the pairs that matter, for queries distributed like the keys."""
        return self.share_of(self.by_moments([multiple]), multiple)

    def share_of(self, by_moments: bool, multiple: float = 1.0) -> float:
        """The share with moments, or without."""
        prepared = self._prepared
        known = multiple == 1 and prepared is not None and by_moments in prepared.share
        if prepared is not None and known:
            share = self._shares.from_prepared(prepared.share[by_moments])
            if share is not None:
                return share
        key = multiple, by_moments
        if key not in self._found_shares:
            self._found_shares[key] = self._find_share(multiple, by_moments)
        return self._found_shares[key]

    def _find_share(self, multiple, by_moments):
        if self.pairs.query_factors is not None and self.pairs.shape[0] == 1:
            found = self.of([np.zeros(1, int)], [multiple])
            return float(self.blocks.sizes(found.blocks).sum()) / self.pairs.shape[1]
        mass = self.masses.of_groups if self._block_mask is not None else self._mass
        within = self._within * multiple**2 if by_moments else -np.inf
        return self._shares.visited(multiple, mass, within)

    def part(
        self, rows: np.ndarray, blocks: np.ndarray, multiple: float = 1.0, leaving: bool = True
    ) -> tuple[np.ndarray, EuclideanPairs]:
        """Numbers of the keys in some blocks, and the pairs of some queries with these."""
        cols = self.blocks.rows(blocks)
        return cols, self.pairs.restrict(rows, cols, multiple, leaving)
