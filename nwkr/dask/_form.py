"""What the rows of a chunk have to look like: the checks of an ordinary estimator, by chunk."""

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

__all__ = ["Form", "Rows", "Weighing"]


@dataclass(frozen=True)
class Rows:
    """Rows of a chunk of training data that have weight.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Their features.
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Their targets.
    sample_weight : ndarray of shape (n_rows,)
        Their weights, which are positive.
    numbers : ndarray of shape (n_rows,)
        Where they are among all rows of the chunk.
    n_all : int
        Number of these.
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
    """What rows weigh as keys.

    Attributes
    ----------
    targets : Targets or ClassTargets
        What targets are, without rows.
    heaviest : float
        The greatest weight of a key.
    class_weights : ndarray of shape (n_classes,) or None
        Factors of the weights by class; None where there are no classes.
    unit : float
        As how many rows the heaviest key counts.
    """

    targets: Any
    heaviest: float
    class_weights: np.ndarray | None
    unit: float

    def of(self, rows: Rows | None) -> tuple[Rows | None, np.ndarray]:
        """Rows that count, and their weights as shares of the heaviest; None if there is none."""
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
        """Rows that count, with their weights as keys for sample weights."""
        counted, weights = self.of(rows)
        return counted and replace(counted, sample_weight=self.heaviest * weights)


@dataclass(frozen=True)
class Form:
    """What all rows have in common.

    Attributes
    ----------
    plain : estimator
        An ordinary estimator that knows the names and the number of features.
    exact : bool, default=False
        Whether moments are made of the rows, which need the digits of float64.
    """

    plain: NadarayaWatsonBase
    exact: bool = False

    @property
    def columns(self) -> Columns:
        """How features become columns."""
        return self.plain._columns

    def of(self, columns: Columns) -> Form:
        """The same with columns of which more is known."""
        plain = copy(self.plain)
        plain._columns = columns
        return replace(self, plain=plain)

    def rows(self, number: int, X: Any, y: Any, sample_weight: Any = None) -> Rows | None:
        """The rows of a chunk that have weight.

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
            If they are not as they have to be.
        """
        with of_block("X, y and sample_weight", number):
            parts = (X, y) if sample_weight is None else (X, y, sample_weight)
            lengths = [len(part) for part in parts]
            if len(set(lengths)) > 1:
                raise ValueError(f"they must have as many rows; got {lengths}.")
            if not len(X):
                return None
            X, y = self.plain._validate_training(X, y, reset=False)
            check_rows(self.plain._metric, X)
            X = self._encoded(X)
            if sample_weight is not None and not np.asarray(sample_weight).any():
                return None  # in other chunks there are others
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
