"""Results for the keys, computed once, so that a query visits only keys near it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwkr._pooling._boxes import Blocks

__all__ = ["Masses", "Prepared", "boxes_within", "corners_of", "light_weight", "share_near_ends"]

# The shares of the keys outside of boxes at either end of a column.
_TRIMMED_SHARES = (0.0, 1e-4, 1e-3, 1e-2)
# A box is extended at either end by this fraction of its remaining extent, so that it holds all
# normal rows.
_MARGIN = 0.25
# The quantile of the weights that counts as light, and the least light weight.
_LIGHT_QUANTILE, _LEAST_LIGHT_WEIGHT = 0.05, 1e-12


class Masses:
    """Groups of blocks, and the weights of the keys in each.

    Parameters
    ----------
    blocks : Blocks
        The blocks of the keys.
    weights : ndarray of shape (n_keys,)
        Positive weights of the keys.
    per_group : int
        Number of blocks in a group.

    Attributes
    ----------
    groups : Blocks
        Neighbouring blocks together.
    of_groups, of_blocks : ndarray of shape (n_groups,) and (n_blocks,)
        Sums of weights.
    heaviest : ndarray of shape (n_groups,)
        The greatest weight in each group.
    total : float
        The sum of all weights.
    """

    def __init__(self, blocks: Blocks, weights: np.ndarray, per_group: int):
        self.groups = blocks.groups(per_group)
        starts = self.groups.starts[:-1]
        self.of_groups = np.add.reduceat(weights, starts)
        self.heaviest = np.maximum.reduceat(weights, starts)
        self.of_blocks = np.add.reduceat(weights, blocks.starts[:-1])
        self.total = weights.sum()


@dataclass(frozen=True, eq=False)
class Prepared:
    """Results that depend on the keys only, and on the number of keys that matter to a query.

    Attributes
    ----------
    extent, centre : ndarray of shape (n_features,)
        The greatest absolute number in each column, and an approximate median.
    special : ndarray of bool, of shape (n_features,), or None
        Which columns hold labels or missing numbers; None if none does.
    masses : Masses
        Groups of blocks, and the weights in each.
    light : float
        A weight that few keys fall below.
    corners : ndarray of shape (n_corners, n_features)
        Numbers beyond which increasing shares of keys lie, at the lower end of each column and the
        upper one: first the least, last the greatest. NaN for columns that no lattice is in.
    share : dict
        The share of the keys that matters to a query, with moments and without.
    n_within : float or None
        Number of keys entirely within a support; None if unknown.
    points : ndarray of shape (n_keys, 3) or None, default=None
        The keys on the unit sphere, if they are places.
    """

    extent: np.ndarray
    centre: np.ndarray
    special: np.ndarray | None
    masses: Masses
    light: float
    corners: np.ndarray
    share: dict[bool, float]
    n_within: float | None = None
    points: np.ndarray | None = None


def light_weight(weights: np.ndarray) -> float:
    """A weight that few keys fall below, from a sample."""
    some = weights[:: 1 + len(weights) // 1000]
    return max(float(np.quantile(some, _LIGHT_QUANTILE)), _LEAST_LIGHT_WEIGHT)


def corners_of(keys: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
    """Numbers beyond which an increasing share of keys lies, at both ends of each column.

    Parameters
    ----------
    keys : ndarray of shape (n_keys, n_columns)
        The keys.
    columns : ndarray of shape (n_wanted,) or None, default=None
        Numbers of the columns, all by default.

    Returns
    -------
    corners : ndarray of shape (n_corners, n_columns)
        The least number of each column, and numbers with increasing shares of keys below; then
        numbers with keys above, up to the greatest. NaN in other columns, and without keys.
    """
    if columns is not None:
        corners = corners_of(keys[:0])
        corners[:, columns] = corners_of(keys[:, columns])
        return corners
    if not len(keys):
        return np.full((2 * len(_TRIMMED_SHARES), keys.shape[1]), np.nan)
    n_left_out = [int(trim * len(keys)) for trim in _TRIMMED_SHARES]
    places = [*n_left_out, *(len(keys) - 1 - n for n in reversed(n_left_out))]
    return np.array([np.partition(column, places)[places] for column in keys.T], float).T


def boxes_within(corners: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Boxes around all keys, and around decreasing shares of them.

    Parameters
    ----------
    corners : ndarray of shape (n_corners, n_columns)
        The result of :func:`corners_of`, for some columns.

    Returns
    -------
    boxes : list of tuple
        The corners of each, of shape (n_columns,), and the share of keys that may be outside.
    """
    n_columns, (least, *_, greatest), boxes = corners.shape[1], corners, []
    for number, trim in enumerate(_TRIMMED_SHARES):
        lower, upper = corners[number], corners[-1 - number]
        # Include keys that are slightly beyond.
        near = _MARGIN * (upper - lower)
        lower, upper = np.maximum(lower - near, least), np.minimum(upper + near, greatest)
        boxes.append((lower, upper, 2 * n_columns * trim))
    return boxes


def share_near_ends(
    corners: np.ndarray, n_keys: int, lower: np.ndarray, upper: np.ndarray, reach: np.ndarray
) -> float:
    """Estimated share of rows, distributed like the keys, within reach of keys beyond a box.

    Parameters
    ----------
    corners : ndarray of shape (n_corners, n_columns)
        The result of :func:`corners_of`.
    n_keys : int
        Number of keys.
    lower, upper : ndarray of shape (n_columns,)
        Corners of the box.
    reach : ndarray of shape (n_columns,)
        How far a row reaches.

    Returns
    -------
    share : float
        The share, between 0 and 1.
    """
    shares = np.array([*_TRIMMED_SHARES, *(1 - trim for trim in reversed(_TRIMMED_SHARES))])
    near = 0.0
    for places, low, high, far in zip(corners.T, lower, upper, reach):
        ends = low - far, low, low + far, high - far, high, high + far
        *below, from_low, from_high, at_high, above = np.interp(ends, places, shares)
        # An outlier far beyond the box is near no row.
        if low > places[0]:
            near += min(1.0, n_keys * (below[1] - below[0])) * from_low
        if high < places[-1]:
            near += min(1.0, n_keys * (above - at_high)) * (1 - from_high)
    return float(min(near, 1.0))
