"""What a mask hides of blocks of keys, from blocks of queries as a whole."""

from __future__ import annotations

import numpy as np

from nwkr._pooling._boxes import Blocks
from nwkr._pooling._mask import Mask

__all__ = ["BlockMask"]

# Masses whose difference is less, relative to them, may be equal.
_ROUNDING = 1e-12


class BlockMask:
    """What is known of a mask for blocks of queries and keys as a whole.

    Parameters
    ----------
    mask : Mask
        The mask.
    levels : tuple of Blocks
        Blocks of the keys; first the groups, of which masses are known.
    weights : ndarray of shape (n_keys,)
        Positive weights of the keys.
    masses : ndarray of shape (n_groups,)
        Of each group, at least what a query without a mask sees.
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
        """The most of each group that may be hidden from a query, of shape (n_groups,)."""
        span = (self._mask.highest - self._mask.lowest).max(initial=0)
        heaviest = np.empty(len(groups))
        for number, (start, end) in enumerate(zip(groups.starts[:-1], groups.starts[1:])):
            places = self._mask.places[start:end]
            order = places.argsort()
            sums = np.append(0, weights[start:end][order].cumsum())
            places = places[order]
            # Within the longest interval that ends at each key; a little longer, for rounding.
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
        """At least what all queries of each block see of each group, (n_parts, n_groups)."""
        return np.where(self.shows(bounds, 0, slice(None)), self._masses, self._rest)

    def shows(
        self, bounds: tuple[np.ndarray, ...], level: int, numbers: slice | np.ndarray
    ) -> np.ndarray:
        """Which blocks of keys all queries of each block see; as :meth:`hides`."""
        lowest, _, _, highest = bounds
        first, last = (ends[numbers] for ends in self._levels[level])
        return (last < lowest) | (first > highest)

    def hides(self, bounds: tuple[np.ndarray, ...], level: int, numbers: np.ndarray) -> np.ndarray:
        """Which blocks of keys no query of each block sees, of shape (n_parts, n_numbers).

        Parameters
        ----------
        bounds : tuple of four
            Bounds of the intervals.
        level : int
            Which of the levels,
        numbers : ndarray of shape (n_numbers,)
            and which blocks of it.
        """
        _, lowest, highest, _ = bounds
        first, last = (ends[numbers] for ends in self._levels[level])
        return (first >= lowest) & (last <= highest)
