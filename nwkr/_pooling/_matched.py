"""Columns with bandwidth 0, in which a query and a key must be equal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist

from nwkr._pooling._kinds import Kinds, extent_of
from nwkr._pooling._product import pick

__all__ = ["Matched"]


@dataclass(frozen=True, eq=False)
class Matched:
    """The columns in which queries and keys must be equal.

    Attributes
    ----------
    queries, keys : ndarray of shape (n_queries, n_columns) and (n_keys, n_columns)
        Queries and keys.
    kinds : Kinds or None
        Columns that do not hold plain numbers.
    """

    queries: np.ndarray
    keys: np.ndarray
    kinds: Kinds | None

    def take(self, rows: np.ndarray, cols: np.ndarray) -> Matched:
        """The columns for some of the queries and some of the keys."""
        return Matched(self.queries[rows], self.keys[cols], self.kinds)

    def differ(self, rows, cols) -> np.ndarray:
        """Which pairs of some queries and some keys differ."""
        queries, keys = self.groups
        return queries[rows][:, None] != keys[cols]

    @cached_property
    def groups(self) -> list[np.ndarray]:
        """Numbers of queries and of keys that are equal for equal rows."""
        rows = np.concatenate([self.queries, self.keys])
        if self.kinds is not None:  # a missing value equals another
            rows = np.nan_to_num(rows, nan=np.inf)
        groups = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        return np.split(groups, [len(self.queries)])

    def distances(self, rows, cols) -> np.ndarray:
        """Distances of some queries to some keys, in the units of the columns."""
        queries, keys = self.queries[rows], pick(self.keys, cols)
        # Divided by a power of 2, which is exact, so that squares stay in range.
        extents = [extent_of(X, self.kinds).max(initial=0) for X in (queries, keys)]
        _, exponent = np.frexp(max(extents))
        queries, keys = np.ldexp(queries, -exponent), np.ldexp(keys, -exponent)
        if self.kinds is None:
            distances = cdist(queries, keys)
        else:
            squares = [
                self.kinds.squares(number, queries[:, number, None], keys[:, number], -exponent)
                for number in range(len(self.kinds.gap))
            ]
            distances = np.sqrt(np.sum(squares, axis=0))
        with np.errstate(over="ignore"):
            return np.minimum(np.ldexp(distances, exponent), np.finfo(float).max)
