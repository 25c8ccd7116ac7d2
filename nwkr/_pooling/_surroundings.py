"""The blocks of keys near some blocks of queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Surroundings"]


@dataclass(frozen=True)
class Surroundings:
    """The blocks of keys that some blocks of queries visit, or that lie within their support.

    Attributes
    ----------
    blocks : ndarray of shape (n_found,)
        Numbers of the blocks of keys that any of them visits pair by pair.
    visited : ndarray of bool, of shape (n_parts, n_found)
        Which of these each block of queries visits.
    nearest : ndarray of shape (n_parts, n_found)
        Lower bound of the squared scaled distances of the pairs.
    within : tuple of two
        For groups, and for other blocks: their numbers, and whether each lies within the
        support of all queries of a block, of shape (n_parts, n_numbers).
    """

    blocks: np.ndarray
    visited: np.ndarray
    nearest: np.ndarray
    within: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
