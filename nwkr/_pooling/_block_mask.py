"""The blocks of keys that a mask hides from blocks of queries."""

from __future__ import annotations

import numpy as np

from nwkr._pooling._boxes import Blocks
from nwkr._pooling._mask import Mask

__all__ = ["BlockMask"]

# Masses with a smaller relative difference may be equal.
_ROUNDING = 1e-12


class BlockMask:
    """Bounds on a mask for whole blocks of queries and keys.

    Parameters
    ----------
    mask : Mask
        The mask.
    levels : tuple of Blocks
        Blocks of the keys; first the groups, whose masses are known.
    weights : ndarray of shape (n_keys,)
        Positive weights of the keys.
    masses : ndarray of shape (n_groups,)
        For each group, a lower bound of the weight for a query without a mask.
    """

    def __init__(
        self, mask: Mask, levels: tuple[Blocks, ...], weights: np.ndarray, masses: np.ndarray
    ):
        self._mask, self._masses = mask, masses
        self._levels = [
            tuple(
                bound.reduceat(mask.places, level.starts[:-1]) for bound in (np.minimum, np.maximum)
            )
            for level in levels
        ]
        rest = masses - self._heaviest(levels[0], weights)
        self._rest = np.where(rest > _ROUNDING * masses, rest, 0.0)

    def _heaviest(self, groups, weights):
        """Upper bounds of the weight of each group hidden from a query, of shape (n_groups,)."""
        span = (self._mask.highest - self._mask.lowest).max(initial=0)
        heaviest = np.empty(len(groups))
        for number, (start, end) in enumerate(zip(groups.starts[:-1], groups.starts[1:])):
            places = self._mask.places[start:end]
            order = places.argsort()
            sums = np.append(0, weights[start:end][order].cumsum())
            places = places[order]
            # Within the longest interval that ends at each key, slightly longer for rounding.
            first = places.searchsorted(places - span * (1 + _ROUNDING), "left")
            last = places.searchsorted(places, "right")
            heaviest[number] = (sums[last] - sums[first]).max()
        return heaviest

    def intervals(self, rows: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, ...]:
        """Bounds of the intervals of some blocks of queries.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the queries.
        starts : ndarray of shape (n_parts,)
            Where each block of them begins.

        Returns
        -------
        bounds : tuple of four, each ndarray of shape (n_parts, 1)
            Least and greatest of the lower ends, and of the upper ends.
        """
        return tuple(
            bound.reduceat(ends[rows], starts)[:, None]
            for ends in (self._mask.lowest, self._mask.highest)
            for bound in (np.minimum, np.maximum)
        )

    def masses(self, bounds: tuple[np.ndarray, ...]) -> np.ndarray:
        """Lower bounds of the visible weight of each group for each block, (n_parts, n_groups)."""
        return np.where(self.shows(bounds, 0, slice(None)), self._masses, self._rest)

    def shows(
        self, bounds: tuple[np.ndarray, ...], level: int, numbers: slice | np.ndarray
    ) -> np.ndarray:
        """Which blocks of keys are visible for all queries of each block; as :meth:`hides`."""
        lowest, _, _, highest = bounds
        first, last = (ends[numbers] for ends in self._levels[level])
        return (last < lowest) | (first > highest)

    def hides(self, bounds: tuple[np.ndarray, ...], level: int, numbers: np.ndarray) -> np.ndarray:
        """Which blocks of keys are hidden from all queries of each block, (n_parts, n_numbers).

        Parameters
        ----------
        bounds : tuple of four
            Bounds of the intervals.
        level : int
            Number of the level.
        numbers : ndarray of shape (n_numbers,)
            Numbers of its blocks.
        """
        _, lowest, highest, _ = bounds
        first, last = (ends[numbers] for ends in self._levels[level])
        return (first >= lowest) & (last <= highest)
