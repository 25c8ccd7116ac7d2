"""Positions of the training rows, and the rows that each row leaves out.

Groups, gaps in time and past rows have one representation: a row has a position, and leaves out
the rows in an interval around it, or all rows from there on (`nwkr/_pooling/_mask.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from nwkr._arrays import as_numpy
from nwkr._numeric import is_number
from nwkr._pooling import Mask
from nwkr._which_features import place_of

__all__ = ["Order", "groups_of", "order_of"]

# Relative differences of positions up to this are rounding errors.
_ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class Order:
    """Positions of the training rows, and the interval that a row leaves out.

    Attributes
    ----------
    places : ndarray of shape (n_samples,)
        The position of each training row.
    gap : float, default=0.0
        Rows whose positions differ by at most this are left out together.
    column : int or None, default=None
        The column with the positions of queries, if only earlier rows count.
    """

    places: np.ndarray
    gap: float = 0.0
    column: int | None = None

    @property
    def one_sided(self) -> bool:
        """Whether only earlier rows count."""
        return self.column is not None

    def of_queries(self, rows: np.ndarray, queries: np.ndarray) -> Mask | None:
        """The training rows that queries must not use: later ones.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the training rows.
        queries : ndarray of shape (n_queries, n_columns)
            Queries.

        Returns
        -------
        mask : Mask or None
            The mask; None if they use all rows.
        """
        if self.column is None:
            return None
        at = np.asarray(queries[:, self.column], float)
        if np.isnan(at).any():
            raise ValueError(
                f"one_sided must give a column without missing numbers; got a missing one in row "
                f"{int(np.isnan(at).argmax())} of X."
            )
        return Mask(self.places[rows], np.nextafter(at, np.inf), np.full(len(at), np.inf))

    def left_out(self, rows: np.ndarray, which: np.ndarray) -> Mask:
        """The rows that training rows leave out of their own predictions.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the training rows with weight.
        which : ndarray of shape (n_queries,)
            Numbers of the rows to predict.

        Returns
        -------
        mask : Mask
            The mask.
        """
        at = self.places[which]
        gap = self.gap + _ROUNDING * max(self.gap, np.abs(self.places).max()) if self.gap else 0.0
        highest = np.full(len(at), np.inf) if self.one_sided else at + gap
        return Mask(self.places[rows], at - gap, highest)

    def predictable(self, rows: np.ndarray) -> np.ndarray:
        """Which training rows can be predicted from at least one other row.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,)
            Numbers of the training rows with weight.

        Returns
        -------
        predictable : ndarray of bool, of shape (n_samples,)
            The others cannot be predicted with any bandwidth.
        """
        mask = self.left_out(rows, np.arange(len(self.places)))
        return mask.seen(np.ones((len(rows), 1)))[:, 0] > 0


def groups_of(groups: Any, n_samples: int) -> np.ndarray:
    """Numbers of the groups of rows, checked.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Labels.
    n_samples : int
        Number of rows.

    Returns
    -------
    numbers : ndarray of shape (n_samples,)
        The same number for the same label.

    Raises
    ------
    ValueError
        If there is not one label for each row, or one is missing.
    """
    import pandas as pd

    try:
        labels = column_or_1d(as_numpy("groups", groups))
    except ValueError as error:
        raise ValueError(f"groups must have one label for each row of X: {error}") from error
    if len(labels) != n_samples:
        raise ValueError(
            f"groups must have one label for each row of X, {n_samples}; got {len(labels)}."
        )
    numbers, _ = pd.factorize(labels, sort=True)  # as in splits by group
    if np.ma.isMaskedArray(groups):
        numbers[np.ma.getmaskarray(groups).ravel()] = -1
    if (numbers < 0).any():
        raise ValueError(
            f"groups must have a label for each row of X; got a missing one at row "
            f"{int((numbers < 0).argmax())}. Give each row without a group a label of its own."
        )
    return numbers.astype(float)


def order_of(estimator: Any, X: np.ndarray, groups: Any = None) -> Order | None:
    """The positions of the training rows, from the parameters of an estimator, and groups.

    Parameters
    ----------
    estimator : estimator
        The estimator, with `one_sided`, and perhaps `gap`.
    X : ndarray of shape (n_samples, n_features)
        Table of the training rows.
    groups : array-like of shape (n_samples,) or None, default=None
        Labels of groups.

    Returns
    -------
    order : Order or None
        The positions; None if each row uses all others.

    Raises
    ------
    ValueError
        If the parameters are invalid, or cannot be combined.
    """
    one_sided, gap = estimator.one_sided, getattr(estimator, "gap", None)
    if groups is not None:
        for name, value in (("gap", gap), ("one_sided", one_sided)):
            if value is not None:
                raise ValueError(f"groups need {name}=None; got {name}={value!r}.")
        return Order(groups_of(groups, len(X)))
    if one_sided is None and gap is None:
        return None
    if one_sided is None and not isinstance(gap, tuple | list):
        return Order(np.arange(len(X), dtype=float), _checked_gap(gap, gap))
    if estimator.metric == "precomputed":
        raise ValueError(
            "one_sided, and gap with a column, need rows of features; got metric='precomputed'."
        )
    column, width = one_sided, 0.0
    if gap is not None:
        if not isinstance(gap, tuple | list) or len(gap) != 2:
            _checked_gap(gap, None)
        column, width = gap[0], _checked_gap(gap, gap[1])
    columns = estimator._columns
    place, number = columns.column_of_number("one_sided" if gap is None else "gap", column)
    if one_sided is not None and place_of("one_sided", one_sided, columns.labels) != place:
        raise ValueError(
            f"gap must be in the column of one_sided, as in gap=({one_sided!r}, 1.0); got "
            f"gap={gap!r}."
        )
    places = X[:, place].astype(float)
    if not np.isfinite(places).all():
        raise ValueError(
            f"gap and one_sided must give a column without missing numbers; got missing numbers in "
            f"column {column!r}."
        )
    return Order(places, width, None if one_sided is None else number)


def _checked_gap(gap, width):
    if not is_number(width) or not 0 <= float(width) < np.inf:
        raise ValueError(
            f"gap must be None, a non-negative number of rows, or a column and such a number in "
            f"its units, as in ('time', 3.0) (with one_sided, of the same column); got {gap!r}."
        )
    return float(width)
