"""Rows in k-d order, cut into blocks with bounding boxes, and bounds of their distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from nwkr._pooling._kinds import Kinds, clipped_square
from nwkr._pooling._sizes import DEFAULT_SIZES
from nwkr._pooling._sphere import on_sphere

__all__ = ["Blocks", "Boxes", "Corners", "corners_of_runs", "in_blocks", "runs"]


# Measured: the share of a box's width that the same number of rows around one place takes.
_FILLED = 0.75
# Distances count as at most this, in units of the bandwidth, so that squares stay in range.
_FARTHEST = 1e150


class Corners(NamedTuple):
    """Corners of boxes around the present numbers.

    Attributes
    ----------
    lower, upper : ndarray of shape (n_columns, n_boxes)
        The corners; infinite and -infinite if there are no numbers.
    missing : ndarray of bool, of shape (n_columns, n_boxes), or None, default=None
        Where some row has a missing number; None for nowhere.
    """

    lower: np.ndarray
    upper: np.ndarray
    missing: np.ndarray | None = None

    def take(self, numbers: np.ndarray) -> Corners:
        """The corners of some boxes."""
        missing = None if self.missing is None else np.take(self.missing, numbers, axis=1)
        lower, upper = np.take(self.lower, numbers, axis=1), np.take(self.upper, numbers, axis=1)
        return Corners(lower, upper, missing)

    def around(self) -> Corners:
        """Corners of boxes around all boxes along the last axis."""
        missing = None if self.missing is None else np.logical_or.reduce(self.missing, axis=-1)
        return Corners(self.lower.min(axis=-1), self.upper.max(axis=-1), missing)

    def centres(self) -> Corners:
        """Corners of boxes that contain only the centres."""
        if self.missing is None:
            centre = (self.lower + self.upper) / 2
            return Corners(centre, centre)
        there = self.lower <= self.upper
        centre = (np.where(there, self.lower, 0) + np.where(there, self.upper, 0)) / 2
        return Corners(np.where(there, centre, np.inf), np.where(there, centre, -np.inf), ~there)


@dataclass(frozen=True)
class Blocks:
    """Rows in k-d order, cut into blocks.

    Attributes
    ----------
    starts : ndarray of shape (n_blocks + 1,)
        Where each block begins, and the number of rows.
    lower, upper, missing : ndarray of shape (n_features, n_blocks)
        As in :class:`Corners`, for boxes around the rows.
    """

    starts: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    missing: np.ndarray | None = None

    def __len__(self):
        return len(self.starts) - 1

    def rows(self, blocks: np.ndarray) -> np.ndarray:
        """Numbers of the rows in some blocks, in the order of these."""
        return runs(self.starts[blocks], self.sizes(blocks))

    def sizes(self, blocks: np.ndarray) -> np.ndarray:
        """Numbers of rows of some blocks."""
        return self.starts[blocks + 1] - self.starts[blocks]

    def groups(self, size: int) -> Blocks:
        """Blocks of several neighbouring blocks each."""
        first = np.arange(0, len(self), size)
        return Blocks(
            np.append(self.starts[first], self.starts[-1]),
            np.minimum.reduceat(self.lower, first, axis=1),
            np.maximum.reduceat(self.upper, first, axis=1),
            None if self.missing is None else np.logical_or.reduceat(self.missing, first, axis=1),
        )


def runs(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Ranges of numbers one after the other, each with its start and size."""
    first = np.repeat(starts - (sizes.cumsum() - sizes), sizes)
    return first + np.arange(len(first))


def corners_of_runs(rows: np.ndarray, starts: np.ndarray) -> Corners:
    """Corners of boxes around the rows from each start to the next.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows.
    starts : ndarray of shape (n_blocks,)
        Where each box begins.

    Returns
    -------
    corners : Corners
        The corners, of shape (n_features, n_blocks).
    """
    lower, upper = (bound.reduceat(rows, starts, axis=0).T for bound in (np.minimum, np.maximum))
    missing = np.isnan(lower)
    if not missing.any():
        return Corners(lower, upper)
    gaps = np.isnan(rows)
    lower = np.minimum.reduceat(np.where(gaps, np.inf, rows), starts, axis=0).T
    upper = np.maximum.reduceat(np.where(gaps, -np.inf, rows), starts, axis=0).T
    return Corners(lower, upper, missing)


def in_blocks(
    X: np.ndarray,
    scale: np.ndarray,
    size: int = DEFAULT_SIZES.keys_per_block,
    *,
    even: bool = False,
    kinds: Kinds | None = None,
    metric: str = "euclidean",
) -> tuple[np.ndarray, Blocks]:
    """Sort rows into k-d order.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    scale : ndarray of shape (n_features,)
        Scales that make the columns comparable, such as bandwidths; a column with 0 or `inf` is
        ignored.
    size : int, default=32
        Maximal number of rows in a block, unless they are all equal.
    even : bool, default=False
        Whether blocks have about equal numbers of rows. Otherwise boxes are rounder, and computed
        faster.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers.
    metric : {"euclidean", "haversine"}, default="euclidean"
        The metric. Places are sorted in space, and need no scale.

    Returns
    -------
    order : ndarray of shape (n_rows,)
        Numbers of the rows, in k-d order.
    blocks : Blocks
        The blocks of ``X[order]``.
    """
    if metric == "haversine":
        X, scale = on_sphere(X), np.ones(3)
    scale = np.where(scale > 0, scale, np.inf)
    counted = np.flatnonzero(np.isfinite(scale))
    if len(counted) == 1:  # in one column, k-d order is sorted order
        order = np.argsort(X[:, counted[0]])
        starts = list(range(0, len(X), size))
    else:
        order, starts = _in_tree(X if kinds is None else kinds.places(X), scale, size, even)
    lower, upper, missing = corners_of_runs(np.take(X, order, axis=0), np.array(starts))
    lower, upper = lower.astype(float, order="C"), upper.astype(float, order="C")
    return order, Blocks(np.array([*starts, len(X)]), lower, upper, missing)


def _in_tree(X, scale, size, even):
    """The order of rows in a k-d tree, and where each of its leaves begins."""
    lowest = np.array([column.min() for column in X.T], float)  # faster than all columns at once
    with np.errstate(over="ignore"):
        scaled = np.minimum((X - lowest) / scale, 1e100)
    tree = cKDTree(scaled, leafsize=size, compact_nodes=False, balanced_tree=even)
    starts, nodes = [], [tree.tree]
    while nodes:
        node = nodes.pop()
        if node.split_dim == -1:
            starts.append(node.start_idx)
        else:
            nodes += [node.greater, node.lesser]
    return tree.indices, starts


class Boxes:
    """Boxes of keys, in the columns of the distance.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys, the keys in k-d order.
    blocks : Blocks
        The blocks of the keys.
    """

    def __init__(self, pairs, blocks):
        self.blocks = blocks
        which = pairs.columns if len(pairs.columns) < len(blocks.lower) else slice(None)
        missing = None if blocks.missing is None else blocks.missing[which]
        self.corners = Corners(blocks.lower[which], blocks.upper[which], missing)
        self._inverse = (1 / pairs.bandwidth)[:, None, None]
        self._kinds, self._special = pairs.kinds, pairs.special
        self._pairs_bounds = pairs.bounds
        self._key_factors = None
        if pairs.key_factors is not None:
            starts = blocks.starts[:-1]
            self._key_factors = (
                np.minimum.reduceat(pairs.key_factors, starts),
                np.maximum.reduceat(pairs.key_factors, starts),
            )

    def __len__(self):
        return len(self.blocks)

    @property
    def sizes(self) -> np.ndarray:
        """Number of keys in each."""
        return np.diff(self.blocks.starts)

    def around(self, numbers, size):
        """Corners of boxes around rows of some boxes and of their neighbours.

        Parameters
        ----------
        numbers : ndarray of shape (n_numbers,)
            Which boxes.
        size : float
            Number of boxes that hold the rows: at most all, and less than 1 for a part of a box.

        Returns
        -------
        corners : Corners
            The corners, of shape (n_columns, n_numbers).
        """
        lower, upper, missing = self.corners
        n_boxes = min(max(1, round(size)), lower.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            centres = lower / 2 + upper / 2
            apart = np.abs(centres[:, numbers, None] - centres[:, None]) * self._inverse
        if self._kinds is not None:
            of_labels = np.minimum(apart, self._inverse)[self._kinds.is_label]
            apart[self._kinds.is_label] = of_labels
            apart[np.isnan(apart)] = 0
        members = np.argpartition(apart.max(axis=0), n_boxes - 1, axis=1)[:, :n_boxes]
        # Whole boxes reach farther than these rows, because they hold others too.
        beyond = 0.5 - _FILLED / 2 * min(1, size) ** (1 / len(lower))
        beyond = np.maximum(beyond * upper - beyond * lower, 0)
        if self._kinds is not None:
            beyond[self._kinds.is_label] = 0
        inner = Corners(lower + beyond, upper - beyond, missing)
        return inner.take(members).around()

    def distances(self, corners, factors=(1.0, 1.0), numbers=None):
        """Lower and upper bounds of the squared scaled distances to other boxes.

        Parameters
        ----------
        corners : Corners
            Corners of the others, of shape (n_columns, n_others).
        factors : tuple of two, each float or ndarray of shape (n_others, 1)
            Least and greatest factor of the squared distances from these boxes.
        numbers : ndarray of shape (n_numbers,) or None, default=None
            Numbers of the boxes, all by default.

        Returns
        -------
        nearest, farthest : ndarray of shape (n_others, n_numbers)
            The bounds.
        """
        ours = self.corners if numbers is None else self.corners.take(numbers)
        lowest, highest = ours.lower[:, None], ours.upper[:, None]
        lower, upper = corners.lower[:, :, None], corners.upper[:, :, None]
        gaps = np.maximum(lowest - upper, lower - highest)
        np.maximum(gaps, 0, out=gaps)
        spans = np.maximum(highest - lower, upper - lowest)
        bounds = []
        with np.errstate(over="ignore"):
            for apart in (gaps, spans):
                apart *= self._inverse
                # Squares stay finite, so that far boxes have an order.
                np.minimum(apart, _FARTHEST, out=apart)
                apart *= apart
            for column in self._special:
                self._bound(column, gaps[column], spans[column], ours, corners)
            sums = self._pairs_bounds(gaps.sum(axis=0), spans.sum(axis=0))
            for number, squares in enumerate(sums):
                squares *= factors[number]
                if self._key_factors is not None:
                    of_keys = self._key_factors[number]
                    squares *= of_keys if numbers is None else of_keys[numbers]
                bounds.append(squares)
        return bounds

    def _bound(self, column, nearest, farthest, ours, theirs):
        """Write bounds for columns with labels or missing numbers."""
        inverse = float(self._inverse[column, 0, 0])
        if self._kinds.is_label[column]:
            for squares in (nearest, farthest):
                squares[:] = np.where(squares > 0, inverse**2, 0)
        gap = clipped_square(self._kinds.gap[column] * inverse)
        key_there, query_there = (
            side.lower[column] <= side.upper[column] for side in (ours, theirs)
        )
        no_key, no_query = (
            np.zeros_like(there) if side.missing is None else side.missing[column]
            for side, there in ((ours, key_there), (theirs, query_there))
        )
        query_there, no_query = query_there[:, None], no_query[:, None]
        nearest[~(key_there & query_there)], farthest[~(key_there & query_there)] = np.inf, 0
        one_missing = (no_key & query_there) | (no_query & key_there)
        np.minimum(nearest, gap, out=nearest, where=one_missing)
        np.maximum(farthest, gap, out=farthest, where=one_missing)
        np.copyto(nearest, 0, where=no_key & no_query)
