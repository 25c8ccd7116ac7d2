"""Masks: which keys a query does not see.

Keys have a place in some order, and each query has an interval of it whose keys do not count for
it. The group of a row is such an interval, of one place; so is what is near it in time; so is the
future. What holds for intervals serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Mask"]

# A variance of what is of order 1 that is less may be rounding.
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Mask:
    """Intervals of an order, one for each query, whose keys it does not see.

    Attributes
    ----------
    places : ndarray of shape (n_keys,)
        Where each key is in the order.
    lowest, highest : ndarray of shape (n_queries,)
        The ends of each interval, which belong to it.
    """

    places: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    def hides(self, rows: slice | np.ndarray, cols: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Which keys some queries do not see, of shape (n_rows, n_cols).

        Keys are all the same for all queries; or `cols` has a row of them for each.
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
        """Sums over the keys that each query sees.

        Parameters
        ----------
        values : ndarray of shape (n_keys, n_values)
            What to sum.

        Returns
        -------
        sums : ndarray of shape (n_queries, n_values)
            The sums, of which nothing has been subtracted.
        """
        order = self.places.argsort(kind="stable")
        places, values = self.places[order], values[order]
        nothing = np.zeros((1, values.shape[1]))
        before = np.vstack([nothing, values.cumsum(axis=0)])
        after = np.vstack([values[::-1].cumsum(axis=0)[::-1], nothing])
        first = places.searchsorted(self.lowest, "left")
        last = places.searchsorted(self.highest, "right")
        return before[first] + after[np.maximum(first, last)]

    def variances(self, columns: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Variances of columns over the keys that each query sees; 0 where that may be rounding.

        Parameters
        ----------
        columns : ndarray of shape (n_keys, n_columns)
            Columns, of order 1.
        counts : ndarray of shape (n_keys,)
            As how many each key counts.

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
