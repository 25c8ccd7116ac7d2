"""Boxes: rows in k-d order, cut into blocks, and which blocks matter to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from nwkr._pooling._distances import EuclideanPairs
from nwkr.kernels import Kernel

__all__ = ["Blocks", "Neighbourhoods", "in_blocks"]

_KEYS_PER_BLOCK = 128
_QUERIES_PER_BLOCK = 256
_FEWEST_BLOCKS = 64  # of queries, whatever their number: smaller boxes reach fewer keys
# Distances of boxes are rounded in other ways than those of rows.
_MARGIN = 1 + 1e-9
# Blocks are within a support where no weight is so small that rounding shows in their sum.
_WITHIN = 15 / 16
_MOST_MOMENTS = 64  # of a block: more take as long as its pairs


@dataclass(frozen=True)
class Blocks:
    """Rows in k-d order, cut into blocks.

    Attributes
    ----------
    starts : ndarray of shape (n_blocks + 1,)
        Where each block begins, and the number of rows.
    lower, upper : ndarray of shape (n_features, n_blocks)
        The corners of the boxes.
    """

    starts: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def __len__(self):
        return len(self.starts) - 1

    def rows(self, blocks: np.ndarray) -> np.ndarray:
        """Numbers of the rows in some blocks, in the order of these."""
        sizes = np.diff(self.starts)[blocks]
        first = np.repeat(self.starts[blocks] - (sizes.cumsum() - sizes), sizes)
        return first + np.arange(len(first))

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the blocks that some rows are in."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def positions(self, blocks: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Where `rows` stand among the rows of `blocks`; -1 for those that are elsewhere."""
        sizes = np.diff(self.starts)[blocks]
        offsets = np.full(len(self) + 1, -1)
        offsets[blocks] = sizes.cumsum() - sizes
        home = self.of_rows(rows)  # -1, hence the last, for no row
        return np.where(offsets[home] < 0, -1, offsets[home] + rows - self.starts[home])


def in_blocks(
    X: np.ndarray, scale: np.ndarray, size: int = _KEYS_PER_BLOCK
) -> tuple[np.ndarray, Blocks]:
    """Put rows in k-d order.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    scale : ndarray of shape (n_features,)
        Positive scales that make the columns comparable; `inf` for one that does not count.
    size : int, default=128
        How many rows a block may have, unless they are all equal.

    Returns
    -------
    order : ndarray of shape (n_rows,)
        Numbers of the rows, in k-d order.
    blocks : Blocks
        The blocks of ``X[order]``.
    """
    lowest = X.min(axis=0).astype(float)
    with np.errstate(over="ignore"):
        scaled = np.minimum((X - lowest) / scale, 1e100)
    tree = cKDTree(scaled, leafsize=size, compact_nodes=False)
    order, starts = tree.indices, []
    nodes = [tree.tree]
    while nodes:
        node = nodes.pop()
        if node.split_dim == -1:
            starts.append(node.start_idx)
        else:
            nodes += [node.greater, node.lesser]
    ordered = X[order]
    return order, Blocks(
        np.array([*starts, len(X)]),
        np.minimum.reduceat(ordered, starts, axis=0).T.astype(float, order="C"),
        np.maximum.reduceat(ordered, starts, axis=0).T.astype(float, order="C"),
    )


class Neighbourhoods:
    """Queries in blocks, and which blocks of keys matter to each.

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
        Share of the total of a query that may be left out.
    """

    def __init__(
        self,
        pairs: EuclideanPairs,
        kernel: Kernel,
        weights: np.ndarray,
        blocks: Blocks,
        tol: float = 0.0,
    ):
        self.pairs, self.blocks, self._kernel = pairs, blocks, kernel
        # Whether blocks within the support are added by moments.
        self.by_moments = (
            kernel.power is not None
            and not pairs.matches
            and (len(pairs.columns) + 2) ** kernel.power <= _MOST_MOMENTS
        )
        self._lower, self._upper = blocks.lower[pairs.columns], blocks.upper[pairs.columns]
        starts = blocks.starts[:-1]
        self._mass = np.add.reduceat(weights, starts)
        self._log_share = np.log(max(tol, np.finfo(pairs.dtype).eps) / weights.sum())
        self._several = np.diff(blocks.starts) > 1
        self._least: np.ndarray | float = 1.0
        self._greatest: np.ndarray | float = 1.0
        if pairs.key_factors is not None:
            self._least = np.minimum.reduceat(pairs.key_factors, starts)
            self._greatest = np.maximum.reduceat(pairs.key_factors, starts)
        if pairs.leave_out is not None:
            # A query may leave out the heaviest key of a block.
            self._mass = self._mass - np.maximum.reduceat(weights, starts)

    def of_queries(self, rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Cut queries, all or the given ones, into blocks: numbers of those that lie together."""
        queries = self.pairs.queries if rows is None else self.pairs.queries[rows]
        size = min(max(len(queries) // _FEWEST_BLOCKS, 16), _QUERIES_PER_BLOCK)
        order, blocks = in_blocks(queries, self.pairs.bandwidth, size)
        return np.split(order if rows is None else rows[order], blocks.starts[1:-1])

    def distances(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the squared scaled distances between some queries and each block of keys.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the queries.

        Returns
        -------
        nearest, farthest : ndarray of shape (n_blocks,)
            No pair is nearer, and none is farther.
        """
        queries = np.take(self.pairs.queries, rows, axis=0)
        nearest, farthest = self.between_boxes(queries.min(axis=0), queries.max(axis=0))
        if self.pairs.query_factors is not None:
            factors = self.pairs.query_factors[rows]
            nearest *= factors.min()
            farthest *= factors.max()
        return nearest, farthest

    def between_boxes(self, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the squared scaled distances between a box and each block of keys."""
        lower, upper = lower[:, None], upper[:, None]
        inverse = (1 / self.pairs.bandwidth)[:, None]
        gaps = np.maximum(self._lower - upper, lower - self._upper)
        np.maximum(gaps, 0, out=gaps)
        spans = np.maximum(self._upper - lower, upper - self._lower)
        with np.errstate(over="ignore"):
            gaps *= inverse
            spans *= inverse
            nearest = np.einsum("ij,ij->j", gaps, gaps)
            farthest = np.einsum("ij,ij->j", spans, spans)
            nearest *= self._least
            farthest *= self._greatest
        return nearest, farthest

    def reach(self, nearest: np.ndarray, farthest: np.ndarray, multiple: float = 1.0) -> float:
        """Squared scaled distance beyond which no key matters, given :meth:`distances`."""
        kernel = self._kernel
        if self.pairs.matches:
            return np.inf
        if np.isfinite(kernel.support):
            return (kernel.support * multiple) ** 2 * _MARGIN
        if kernel.log_profile is None:
            return np.inf
        # The total is at least this.
        lowest = kernel.log_profile(farthest / multiple**2)
        scale = lowest[self._mass > 0].max(initial=-np.inf)
        if np.isneginf(scale):
            return np.inf
        log_total = scale + np.log(self._mass @ np.exp(lowest - scale))
        matter = kernel.log_profile(nearest / multiple**2) >= log_total + self._log_share
        return float(nearest[matter].max())

    def within(self, farthest: np.ndarray, multiple: float = 1.0) -> np.ndarray:
        """Which blocks are within the support and can be added by moments."""
        if not self.by_moments:
            return np.zeros(len(farthest), bool)
        return farthest <= (self._kernel.support * multiple) ** 2 * _WITHIN

    def share(self, n_probes: int, multiple: float = 1.0) -> float:
        """About what share of the pairs matters, were the queries where the keys are."""
        probes = np.unique(np.linspace(0, len(self.blocks) - 1, n_probes).astype(int))
        factor = 1.0
        if self.pairs.query_factors is not None:
            factor = float(np.median(self.pairs.query_factors))
        sizes, within = np.diff(self.blocks.starts), 0.0
        for probe in probes:
            bounds = self.between_boxes(self._lower[:, probe], self._upper[:, probe])
            nearest, farthest = (factor * bound for bound in bounds)
            matter = nearest <= self.reach(nearest, farthest, multiple)
            matter &= ~self.within(farthest, multiple)
            within += sizes[matter].sum()
        return within / (len(probes) * self.blocks.starts[-1])

    def to_nearest(self, nearest: np.ndarray, farthest: np.ndarray) -> float:
        """Squared scaled distance within which the nearest key is, given :meth:`distances`."""
        if self.pairs.matches:
            return np.inf
        if self.pairs.leave_out is not None:
            farthest = farthest[self._several]
        return float(farthest.min(initial=np.inf)) * _MARGIN

    def part(self, rows: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, EuclideanPairs]:
        """Numbers of the keys in some blocks, and the pairs of some queries with these."""
        cols, leave_out = self.blocks.rows(found), None
        if self.pairs.leave_out is not None:
            leave_out = self.blocks.positions(found, self.pairs.leave_out[rows])
        return cols, self.pairs.restrict(rows, cols, leave_out)
