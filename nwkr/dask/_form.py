"""Checks of the rows of a chunk, by an ordinary estimator."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nwkr._base import NadarayaWatsonBase
from nwkr._columns import Columns
from nwkr._input import validate_rows, validate_weights
from nwkr._lazy import of_block
from nwkr._metrics import check_rows

__all__ = ["RowForm", "Rows", "Weighing"]


@dataclass(frozen=True)
class Rows:
    """The rows of a chunk of training data with weight.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Their features.
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Their targets.
    sample_weight : ndarray of shape (n_rows,)
        Their weights, which are positive.
    numbers : ndarray of shape (n_rows,)
        Their numbers among all rows of the chunk.
    n_all : int
        Number of the rows.
    """

    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray
    numbers: np.ndarray
    n_all: int

    def take(self, some: np.ndarray) -> Rows:
        """Some of the rows, or all in another order."""
        return Rows(
            self.X[some], self.y[some], self.sample_weight[some], self.numbers[some], self.n_all
        )


@dataclass(frozen=True)
class Weighing:
    """The weights of rows as keys.

    Attributes
    ----------
    targets : Targets or ClassTargets
        The conversion of targets, without rows.
    heaviest : float
        The greatest weight of a key.
    class_weights : ndarray of shape (n_classes,) or None
        Factors of the weights by class; None for regression.
    unit : float
        The number of rows that the heaviest key counts as.
    """

    targets: Any
    heaviest: float
    class_weights: np.ndarray | None
    unit: float

    def of(self, rows: Rows | None) -> tuple[Rows | None, np.ndarray]:
        """Rows with weight, and their weights relative to the heaviest; None if there are none."""
        if rows is None:
            return None, np.empty(0)
        weights = rows.sample_weight / self.heaviest
        if self.class_weights is not None:
            weights = weights * self.class_weights[self.targets.of_rows(rows.y).codes]
        counted = np.flatnonzero(weights)
        if len(counted) < len(weights):
            rows, weights = rows.take(counted), weights[counted]
        return (rows if len(counted) else None), weights

    def weighed(self, rows: Rows) -> Rows | None:
        """Rows with weight, with their weights as keys as sample weights."""
        counted, weights = self.of(rows)
        return counted and replace(counted, sample_weight=self.heaviest * weights)


@dataclass(frozen=True)
class RowForm:
    """The common form of all rows.

    Attributes
    ----------
    plain : estimator
        An ordinary estimator with the names and the number of features.
    exact : bool, default=False
        Whether moments are computed from the rows, which need float64.
    """

    plain: NadarayaWatsonBase
    exact: bool = False

    @property
    def columns(self) -> Columns:
        """The conversion of features to columns."""
        return self.plain._columns

    def of(self, columns: Columns) -> RowForm:
        """The form with more complete columns."""
        plain = copy(self.plain)
        plain._columns = columns
        return replace(self, plain=plain)

    def rows(self, number: int, X: Any, y: Any, sample_weight: Any = None) -> Rows | None:
        """The rows of a chunk with weight.

        Parameters
        ----------
        number : int
            Number of the chunk.
        X, y, sample_weight : array, frame or series
            The chunk; weights are 1 by default.

        Returns
        -------
        rows : Rows or None
            The rows; None if there is none.

        Raises
        ------
        ValueError
            If they are invalid.
        """
        with of_block("X, y and sample_weight", number):
            parts = (X, y) if sample_weight is None else (X, y, sample_weight)
            lengths = [len(part) for part in parts]
            if len(set(lengths)) > 1:
                raise ValueError(f"they must have equally many rows; got {lengths}.")
            if not len(X):
                return None
            X, y = self.plain._validate_training(X, y, reset=False)
            check_rows(self.plain._metric, X)
            X = self._encoded(X)
            if sample_weight is not None and not np.asarray(sample_weight).any():
                return None  # other chunks have rows
            weights = validate_weights(sample_weight, X)
            rows = Rows(X, y, weights, np.arange(len(X)), len(X))
            present = np.flatnonzero(weights)
            return rows if len(present) == len(X) else rows.take(present)

    def queries(self, number: int, X: Any) -> np.ndarray:
        """The queries of a chunk.

        Parameters
        ----------
        number : int
            Number of the chunk.
        X : array or frame
            The chunk.

        Returns
        -------
        queries : ndarray of shape (n_queries, n_features)
            The queries.
        """
        if not len(X):
            return self._encoded(np.empty((0, self.plain.n_features_in_)))
        with of_block("X", number):
            X = validate_rows(self.plain, X, reset=False)
            check_rows(self.plain._metric, X)
            return self._encoded(X)

    def _encoded(self, X):
        """Columns of distance, and of slopes."""
        X = X.astype(float, copy=False) if self.exact else X
        return self.columns.encode(X)
