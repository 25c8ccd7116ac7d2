"""The keys that each block of queries visits, nearest first if the rest may be unnecessary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nwkr._pooling._boxes import runs
from nwkr._pooling._dense import Visit
from nwkr._pooling._neighbourhoods import MARGIN, Neighbourhoods
from nwkr._pooling._surroundings import Surroundings

__all__ = ["visits"]


def visits(
    around: Neighbourhoods, found: Surroundings, sizes: np.ndarray, multiples: Sequence[float]
) -> list[Visit]:
    """The visits: for each part, its queries and the keys that they visit.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    found : Surroundings
        The blocks of keys that matter to the parts.
    sizes : ndarray of shape (n_parts,)
        Number of queries of each part.
    multiples : sequence of float
        Factors of the bandwidth.

    Returns
    -------
    visits : list of Visit
        For each part that visits any block.
    """
    several = len(multiples) > 1
    n_keys = around.blocks.sizes(found.blocks)
    starts, met = n_keys.cumsum() - n_keys, []
    for end, size, visited, nearest in zip(sizes.cumsum(), sizes, found.visited, found.nearest):
        numbers, needed = np.flatnonzero(visited), None
        sorts = several or not np.isfinite(around.kernel.support)
        if sorts:
            # Near keys may make the rest negligible, so these come first.
            numbers = numbers[np.argsort(nearest[numbers])]
        keys = runs(starts[numbers], n_keys[numbers])
        # A single query usually visits one tile, before which there are no totals.
        if sorts and (several or size > 1 or len(keys) * 8 > around.pairs.sizes.bytes_per_tile):
            needed = _needed(around, found.blocks[numbers], nearest[numbers], multiples)
        if len(keys):
            met.append(Visit(slice(end - size, end), keys, needed))
    return met


def _needed(around, blocks, nearest, multiples):
    """A function of the totals so far: the number of keys needed, nearest blocks first."""
    if around.pairs.must_match or not around.falls:
        return None
    ends = np.append(0, around.blocks.sizes(blocks).cumsum())
    # Upper bounds of the weight of each block and all later ones.
    tails = np.zeros((len(multiples), len(blocks) + 1))
    for tail, multiple in zip(tails, multiples):
        weights = around.kernel.weights(nearest / (multiple**2 * MARGIN))
        tail[:-1] = np.cumsum((around.masses.of_blocks[blocks] * weights)[::-1])[::-1]
    narrowest_first = np.argsort(multiples)

    def needed(totals):
        least = around.least_share * totals.min(axis=1)
        counts = np.array([ends[np.searchsorted(-tail, -rest)] for tail, rest in zip(tails, least)])
        counts[narrowest_first] = np.maximum.accumulate(counts[narrowest_first])
        return counts

    return needed
