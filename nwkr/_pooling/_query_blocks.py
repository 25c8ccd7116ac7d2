"""Blocks of neighbouring queries, and their sizes."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np

from nwkr._pooling._boxes import in_blocks
from nwkr._pooling._euclidean import EuclideanPairs

__all__ = ["cut", "n_blocks", "queries_per_block"]

# Queries that would form a smaller block are handled one by one.
_LEAST_QUERIES_TOGETHER = 4


def queries_per_block(pairs: EuclideanPairs, n_queries: int) -> int:
    """Size of a block for this many queries: smaller for few queries, to get smaller boxes."""
    # The more keys there are per query, the more a smaller box saves.
    largest = pairs.sizes.queries_per_block
    at_most = int(largest * sqrt(n_queries / pairs.shape[1]))
    if at_most < _LEAST_QUERIES_TOGETHER:
        return 1
    return min(max(int(4 * sqrt(n_queries)), 16), largest, at_most)


def n_blocks(pairs: EuclideanPairs, n_queries: int) -> int:
    """Approximate number of blocks for this many queries."""
    at_least = ceil(n_queries / queries_per_block(pairs, n_queries))
    if len(pairs.columns) == 1:
        return at_least
    return min(n_queries, 2 ** (at_least - 1).bit_length())  # a tree splits in two


def cut(pairs: EuclideanPairs, queries: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut queries into blocks of neighbouring queries.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys.
    queries : ndarray of shape (n_queries, n_columns)
        All queries of the pairs, or some.
    size : int
        Maximal number of queries in a block.

    Returns
    -------
    parts : list of ndarray
        Their numbers among these queries.
    """
    if len(queries) <= size:
        return [np.arange(len(queries))]
    order, blocks = in_blocks(queries, pairs.bandwidth, size, even=True, kinds=pairs.kinds)
    return np.split(order, blocks.starts[1:-1])
