"""Boxes: rows in k-d order, cut into blocks, and bounds of the distances between these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

__all__ = ["Blocks", "Boxes", "in_blocks", "runs"]

_KEYS_PER_BLOCK = 32


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
        return runs(self.starts[blocks], np.diff(self.starts)[blocks])

    def groups(self, size: int) -> Blocks:
        """Blocks that are made of as many neighbouring ones."""
        first = np.arange(0, len(self), size)
        return Blocks(
            np.append(self.starts[first], self.starts[-1]),
            np.minimum.reduceat(self.lower, first, axis=1),
            np.maximum.reduceat(self.upper, first, axis=1),
        )


def runs(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Numbers that run on from each start, as many as its size."""
    first = np.repeat(starts - (sizes.cumsum() - sizes), sizes)
    return first + np.arange(len(first))


def in_blocks(
    X: np.ndarray, scale: np.ndarray, size: int = _KEYS_PER_BLOCK, *, even: bool = False
) -> tuple[np.ndarray, Blocks]:
    """Put rows in k-d order.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    scale : ndarray of shape (n_features,)
        Scales that make the columns comparable, as bandwidths do; a column with 0 or `inf` does
        not count.
    size : int, default=32
        How many rows a block may have, unless they are all equal.
    even : bool, default=False
        Whether blocks have about as many rows each; or else rounder boxes, and sooner.

    Returns
    -------
    order : ndarray of shape (n_rows,)
        Numbers of the rows, in k-d order.
    blocks : Blocks
        The blocks of ``X[order]``.
    """
    scale = np.where(scale > 0, scale, np.inf)
    counted = np.flatnonzero(np.isfinite(scale))
    if len(counted) == 1:  # in one column the order of a tree is that of size
        order = np.argsort(X[:, counted[0]])
        starts = list(range(0, len(X), size))
    else:
        order, starts = _in_tree(X, scale, size, even)
    ordered = np.take(X, order, axis=0)
    return order, Blocks(
        np.array([*starts, len(X)]),
        np.minimum.reduceat(ordered, starts, axis=0).T.astype(float, order="C"),
        np.maximum.reduceat(ordered, starts, axis=0).T.astype(float, order="C"),
    )


def _in_tree(X, scale, size, even):
    """The order of rows in a k-d tree, and where each of its leaves begins."""
    lowest = np.array([column.min() for column in X.T], float)  # quicker than all at once
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
    """Boxes of keys, in the columns that count.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys, the keys in k-d order.
    blocks : Blocks
        The blocks of the keys.
    """

    def __init__(self, pairs, blocks):
        which = pairs.columns if len(pairs.columns) < len(blocks.lower) else slice(None)
        self.corners = blocks.lower[which], blocks.upper[which]
        self._inverse = (1 / pairs.bandwidth)[:, None, None]
        self._key_factors = None
        if pairs.key_factors is not None:
            starts = blocks.starts[:-1]
            self._key_factors = (
                np.minimum.reduceat(pairs.key_factors, starts),
                np.maximum.reduceat(pairs.key_factors, starts),
            )

    def around(self, numbers, size):
        """Corners of boxes around some of these and what is next to each, so many together.

        Parameters
        ----------
        numbers : ndarray of shape (n_numbers,)
            Which boxes.
        size : int
            How many are together; all at most.

        Returns
        -------
        lower, upper : ndarray of shape (n_columns, n_numbers)
            The corners.
        """
        lower, upper = self.corners
        centres, size = lower / 2 + upper / 2, min(size, lower.shape[1])
        with np.errstate(over="ignore"):
            apart = np.abs(centres[:, numbers, None] - centres[:, None]) * self._inverse
        members = np.argpartition(apart.max(axis=0), size - 1, axis=1)[:, :size]
        return lower[:, members].min(axis=2), upper[:, members].max(axis=2)

    def distances(self, lower, upper, factors=(1.0, 1.0), numbers=None):
        """Bounds of the squared scaled distances to other boxes: nothing is nearer, or farther.

        Parameters
        ----------
        lower, upper : ndarray of shape (n_columns, n_others)
            Corners of the others.
        factors : tuple of two, each float or ndarray of shape (n_others, 1)
            Least and greatest factor of the squared distances from within these.
        numbers : ndarray of shape (n_numbers,) or None, default=None
            Which boxes, all by default.

        Returns
        -------
        nearest, farthest : ndarray of shape (n_others, n_numbers)
            The bounds.
        """
        lowest, highest = self.corners
        if numbers is not None:
            lowest, highest = (np.take(side, numbers, axis=1) for side in (lowest, highest))
        lowest, highest = lowest[:, None], highest[:, None]
        lower, upper = lower[:, :, None], upper[:, :, None]
        gaps = np.maximum(lowest - upper, lower - highest)
        np.maximum(gaps, 0, out=gaps)
        spans = np.maximum(highest - lower, upper - lowest)
        bounds = []
        with np.errstate(over="ignore"):
            for number, apart in enumerate((gaps, spans)):
                apart *= self._inverse
                apart *= apart
                squares = apart.sum(axis=0)
                squares *= factors[number]
                if self._key_factors is not None:
                    of_keys = self._key_factors[number]
                    squares *= of_keys if numbers is None else of_keys[numbers]
                bounds.append(squares)
        return bounds
