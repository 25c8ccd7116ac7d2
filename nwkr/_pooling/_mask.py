"""Masks: keys that a query must not use.

Keys have positions in an order, and each query has an interval whose keys are hidden from it. The
group of a row is an interval with one position; its neighbours in time and the future are
intervals too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Mask"]

# A smaller variance of numbers of order 1 may be rounding error.
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Mask:
    """For each query, an interval of positions whose keys are hidden from it.

    Attributes
    ----------
    places : ndarray of shape (n_keys,)
        Position of each key.
    lowest, highest : ndarray of shape (n_queries,)
        The ends of each interval, which are included.
    """

    places: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    def hides(self, rows: slice | np.ndarray, cols: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Which keys are hidden from some queries, of shape (n_rows, n_cols).

        `cols` selects the same keys for all queries, or has a row of keys for each.
        """
        lowest, highest = self.lowest[rows][:, None], self.highest[rows][:, None]
        places = self.places[cols]
        hidden = places >= lowest
        hidden &= places <= highest
        return hidden

    def take(self, rows: np.ndarray | None = None, cols: np.ndarray | None = None) -> Mask:
        """The mask of some queries and some keys, of all by default."""
        return Mask(
            self.places if cols is None else self.places[cols],
            self.lowest if rows is None else self.lowest[rows],
            self.highest if rows is None else self.highest[rows],
        )

    def seen(self, values: np.ndarray) -> np.ndarray:
        """Sums over the keys that are not hidden from each query.

        Parameters
        ----------
        values : ndarray of shape (n_keys, n_values)
            Values to sum.

        Returns
        -------
        sums : ndarray of shape (n_queries, n_values)
            The sums, computed without subtraction.
        """
        order, first, last = self._ends()
        values, nothing = values[order], np.zeros((1, values.shape[1]))
        before = np.vstack([nothing, values.cumsum(axis=0)])
        after = np.vstack([values[::-1].cumsum(axis=0)[::-1], nothing])
        return before[first] + after[last]

    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Queries that hide the same keys, and these keys, by number."""
        order, first, last = self._ends()
        size = len(order) + 1
        ends, of_queries = np.unique(first * size + last, return_inverse=True)
        by_part, n_queries = of_queries.argsort(kind="stable"), np.bincount(of_queries)
        queries = np.split(by_part, np.cumsum(n_queries)[:-1])
        return [(some, order[end // size : end % size]) for some, end in zip(queries, ends)]

    def _ends(self):
        """Keys by position, and for each query the range of positions that it hides."""
        order = self.places.argsort(kind="stable")
        places = self.places[order]
        first = places.searchsorted(self.lowest, "left")
        last = places.searchsorted(self.highest, "right")
        return order, first, np.maximum(first, last)

    def variances(self, columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Variances of columns over the keys not hidden from each query; 0 if it may be rounding.

        Parameters
        ----------
        columns : ndarray of shape (n_keys, n_columns)
            Columns, of order 1.
        counts : ndarray of shape (n_keys,)
            The number of rows that each key counts as.

        Returns
        -------
        variances : ndarray of shape (n_queries, n_columns)
            The variances.
        """
        n_columns, counts = columns.shape[1], counts[:, None]
        sums = self.seen(np.hstack([counts, counts * columns, counts * columns**2]))
        means = sums[:, 1:] / np.where(sums[:, :1] > 0, sums[:, :1], 1)
        variances = means[:, n_columns:] - means[:, :n_columns] ** 2
        return np.where(variances > _ROUNDING, variances, 0)
