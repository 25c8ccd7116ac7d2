"""From `X` to columns: columns of distance for pooling, and columns of slopes for lines.

This module handles categories, periodic features and missing numbers. Rows are a frame or an
array; :meth:`Columns.read` makes them a *table*, a float array with one column for each feature;
:meth:`Columns.encode` turns the table into *columns*, one or more for each feature. If all
features are numbers, the three are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from nwkr._distances import spread_of
from nwkr._features import Category, Cycle, Feature, Levels, Number
from nwkr._numeric import columns_in, has_gaps, in_columns, is_frame, require_numbers
from nwkr._pooling import Kinds
from nwkr._which_features import features_of, place_of

__all__ = ["Columns"]

# sqrt(2) times a larger number would overflow.
_LARGEST_SPREAD = 1e308


@dataclass(frozen=True, eq=False)
class Columns:
    """The conversion of features to columns.

    Attributes
    ----------
    features : tuple of Feature
        The features; empty if all are numbers.
    n_features : int
        Number of features.
    labels : list
        Names of the features, or positions if they have no names.
    gaps : bool, default=False
        Whether numbers may be missing.
    with_slopes : bool, default=False
        Whether lines may be fitted, which need columns of slopes too.
    missing : ndarray of shape (n_features,) or None, default=None
        Which numbers are missing in some of the training rows, if lines may be fitted.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers, and the distance to missing values.
    mixing : ndarray of shape (n_components, n_features) or None, default=None
        The projection of the features to further columns of distance, if there is one.
    """

    features: tuple[Feature, ...]
    n_features: int
    labels: list
    gaps: bool = False
    with_slopes: bool = False
    missing: np.ndarray | None = None
    kinds: Kinds | None = None
    mixing: np.ndarray | None = None

    @classmethod
    def of(
        cls, X: Any, categorical: Any, ordered: Any, periodic: Any, *, gaps: bool = False
    ) -> Columns:
        """The features of training rows.

        Parameters
        ----------
        X : array-like
            Training rows.
        categorical, ordered, periodic : object
            The parameters `categorical_features`, `ordered_features` and `periodic_features`.
        gaps : bool, default=False
            Whether numbers may be missing.

        Returns
        -------
        columns : Columns
            The features.

        Raises
        ------
        ValueError
            If one of these does not name suitable columns of `X`.
        """
        features = features_of(X, categorical, ordered, periodic)
        return cls(features, len(features), [feature.label for feature in features], gaps)

    def of_training(self, table: np.ndarray, rows: np.ndarray) -> Columns:
        """The columns of training rows, some of them with weight, before they are encoded."""
        return self.missing_in(np.isnan(table[rows]).any(axis=0))

    def missing_in(self, missing: np.ndarray) -> Columns:
        """A copy that marks the features with missing training values, (n_features,)."""
        if not (self.gaps and self.with_slopes and missing.any()):
            return replace(self, missing=None)
        features = self.features or tuple(map(Number, self.labels))
        return replace(self, features=features, missing=missing)

    def of_keys(self, keys: np.ndarray, counts: np.ndarray) -> Columns:
        """A copy with the distance to a missing value: the mean distance of two rows."""
        return self.of_spread(spread_of(keys, counts)) if self.gaps else self

    def of_spread(self, spread: np.ndarray) -> Columns:
        """A copy for keys with these standard deviations of their columns, (n_columns,)."""
        is_label = np.zeros(len(spread), bool)
        if not self.plain:
            coded = [feature.is_coded for feature in self.features]
            is_label[: self._ends[-1]] = np.repeat(coded, self._widths)
        gap = np.where(is_label, 1, np.sqrt(2) * np.minimum(spread, _LARGEST_SPREAD))
        return replace(self, kinds=Kinds(gap, is_label))

    def known(self, n_features: int, labels: list | None) -> Columns:
        """A copy with the number of features and the labels of the checked rows."""
        labels = list(range(n_features)) if labels is None else labels
        return replace(self, n_features=n_features, labels=labels)

    @classmethod
    def of_numbers(cls, n_features: int) -> Columns:
        """Columns of `n_features` numeric features."""
        return cls((), n_features, list(range(n_features)))

    @property
    def plain(self) -> bool:
        """Whether all features are numbers, each its own column."""
        return not self.features

    @cached_property
    def categories(self) -> np.ndarray:
        """Which features are categories, ordered or not, of shape (n_features,)."""
        return np.array([not f.is_number for f in self.features] or [False] * self.n_features)

    def require_plain(self, what: str) -> None:
        """Refuse categories and periodic features for something that takes numbers only."""
        labels = [feature.label for feature in self.features if type(feature) is not Number]
        if labels:
            raise ValueError(
                f"{what} takes numbers only; got categories or periodic features"
                f"{in_columns(labels)}. Encode them first, for instance with "
                f"OneHotEncoder(sparse_output=False) of scikit-learn."
            )

    def require_all_there(self, what: str, table: np.ndarray) -> None:
        """Refuse missing numbers if something does not support them."""
        missing = np.isnan(table).any(axis=0)
        if missing.any():
            labels = [label for label, some in zip(self.labels, missing) if some]
            raise ValueError(
                f"{what} needs rows without missing numbers; some are missing{in_columns(labels)}. "
                f"Leave those rows out, or use one bandwidth for each feature."
            )

    def read(self, X: Any) -> Any:
        """Rows as a table of numbers; unchanged if they are numbers already.

        Parameters
        ----------
        X : array-like
            Rows, of fit or to predict.

        Returns
        -------
        table : array-like
            A data frame or an array with one column for each column of `X`.

        Raises
        ------
        ValueError
            If the type of a column differs from `fit`.
        """
        but = frozenset(n for n, f in enumerate(self.features) if isinstance(f, Category | Levels))
        require_numbers("X", X, but=but, gaps=self.gaps)
        if self.plain and not (self.gaps and has_gaps(X)):
            return X
        columns = columns_in(X)
        features = self.features or repeat(Number(None))
        table = np.column_stack(
            [feature.read(column) for feature, column in zip(features, columns)]
        )
        if not is_frame(X):
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=list(X.columns))

    # -- from features to columns and back ------------------------------------------------

    def encode(self, table: np.ndarray) -> np.ndarray:
        """Columns of distance, feature by feature, followed by columns of slopes only."""
        if self.plain:
            return table
        parts = [feature.distances(column) for feature, column in zip(self.features, table.T)]
        if self.with_slopes:
            parts += [feature.slopes(column) for feature, column in zip(self.features, table.T)]
        if self.missing is not None:
            parts.append(np.isnan(table[:, self.missing]).astype(float))
        return np.hstack(parts)

    def decode(self, columns: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """The table of some columns; periodic features are cut where the rows weigh least."""
        if self.plain:
            return columns
        parts = np.split(columns[:, : self._ends[-1]], self._ends[:-1], axis=1)
        return np.column_stack([f.values(part, weights) for f, part in zip(self.features, parts)])

    def named(self, by_column: np.ndarray) -> list:
        """Names of the features with a marked column."""
        marked = self.summed(by_column.astype(float)) > 0
        return [label for label, some in zip(self.labels, marked) if some]

    def apart(self, scales: np.ndarray, rows: np.ndarray) -> Iterator[tuple]:
        """Each feature, its bandwidth, and its columns of distance for some rows."""
        widths = self.by_feature(scales)
        for feature, width, start, end in zip(self.features, widths, self._starts, self._ends):
            yield feature, width, rows[:, start:end]

    def shown(self, columns: np.ndarray) -> list[np.ndarray]:
        """The original values of each feature, from the columns."""
        table = self.decode(columns).T
        return [f.shown(values) for f, values in zip(self.features or repeat(Number(None)), table)]

    def by_column(self, by_feature: np.ndarray) -> np.ndarray:
        """A bandwidth for each column: its feature's, or `inf` for a column of slopes only."""
        if self.plain:
            return by_feature
        return np.where(self._of_distance, by_feature[self._feature_of], np.inf)

    @property
    def log_stretch(self) -> float:
        """Logarithm of a volume over that in the columns."""
        return 0.0

    def column_of_number(self, parameter: str, key: Any) -> tuple[int, int]:
        """The positions of a numeric feature, given by a parameter, and of its column."""
        place = place_of(parameter, key, self.labels)
        if self.plain:
            return place, place
        if type(self.features[place]) is not Number:
            raise ValueError(
                f"{parameter} must give a column of numbers; got {key!r}, which holds categories "
                f"or is periodic."
            )
        return place, int(self._starts[place])

    @property
    def units(self) -> np.ndarray:
        """The bandwidth 1 for all features, by column."""
        return self.by_column(np.ones(self.n_features))

    def by_feature(self, bandwidth: Any) -> Any:
        """The bandwidth of each feature, from the bandwidths of the columns."""
        some = not self.plain and isinstance(bandwidth, np.ndarray)
        return bandwidth[self._starts] if some else bandwidth

    def summed(self, by_column: np.ndarray) -> np.ndarray:
        """The sum over the columns of each feature, along the last axis."""
        if self.plain:
            return by_column
        return by_column @ np.equal.outer(self._feature_of, np.arange(self.n_features))

    def slopes(
        self, by_column: np.ndarray, queries: np.ndarray, *, of_lines: bool = False
    ) -> np.ndarray:
        """Slopes in the features, from those in the columns.

        Parameters
        ----------
        by_column : ndarray of shape (n_queries, n_columns, n_outputs)
            Slopes in the columns.
        queries : ndarray of shape (n_queries, n_columns)
            The queries.
        of_lines : bool, default=False
            Whether the slopes are those of lines; ordered levels then have a slope per step.

        Returns
        -------
        slopes : ndarray of shape (n_queries, n_features, n_outputs)
            Slopes; NaN for categories and for missing numbers.
        """
        slopes = by_column
        if not self.plain:
            pairs = zip(self._starts, self._ends, self.features)
            slopes = np.stack(
                [f.slope(by_column[:, a:b], queries[:, a:b]) for a, b, f in pairs], axis=1
            )
            for number in np.flatnonzero(~self._of_distance & ~self._of_gap & of_lines):
                slopes[:, self._feature_of[number]] = by_column[:, number]
        slopes[np.isnan(self.decode(queries))] = np.nan
        return slopes

    @cached_property
    def sloped(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the columns with slopes, and of the columns with their bandwidths."""
        if self.plain:
            return (np.arange(self.n_features),) * 2
        sloped = np.concatenate([feature.sloped for feature in self.features])
        sloped = np.append(sloped, np.ones(len(self._feature_of) - len(sloped), bool))
        numbers = np.flatnonzero(sloped)
        telling = np.where(
            self._of_distance, np.arange(len(sloped)), self._starts[self._feature_of]
        )
        return numbers, telling[numbers]

    @property
    def unit_distances(self) -> np.ndarray:
        """The distance that 1 makes in each column with a slope, of shape (n_slopes,).

        For the indicator of missing values, it is the distance of a missing value from others.
        """
        numbers = self.sloped[0]
        if self.missing is None or self.kinds is None:
            return np.ones(len(numbers))
        pairs = zip(self._starts, self._ends)
        of_missing = np.array([np.hypot.reduce(self.kinds.gap[a:b]) for a, b in pairs])
        return np.where(self._of_gap, of_missing[self._feature_of], 1.0)[numbers]

    @cached_property
    def _widths(self):
        """Number of columns of distance of each feature."""
        return np.array([len(feature.sloped) for feature in self.features])

    @property
    def _ends(self):
        return np.cumsum(self._widths)

    @property
    def _starts(self):
        return self._ends - self._widths

    @cached_property
    def _feature_of(self):
        """The number of the feature of each column."""
        numbers = np.arange(self.n_features)
        of_distance = np.repeat(numbers, self._widths)
        if not self.with_slopes:
            return of_distance
        besides = [feature.slopes(np.zeros(1)).shape[1] for feature in self.features]
        of_gaps = [] if self.missing is None else numbers[self.missing]
        return np.concatenate([of_distance, np.repeat(numbers, besides), of_gaps]).astype(int)

    @property
    def _of_gap(self):
        n_gaps = 0 if self.missing is None else np.count_nonzero(self.missing)
        return np.arange(len(self._feature_of)) >= len(self._feature_of) - n_gaps

    @property
    def _of_distance(self):
        return np.arange(len(self._feature_of)) < self._ends[-1]

    def of_table(self) -> dict[str, Any]:
        """Parameters of an estimator that is fitted to the table."""
        features = list(enumerate(self.features))
        categories = [place for place, f in features if isinstance(f, Category)]
        levels = [place for place, f in features if isinstance(f, Levels) and not f.is_number]
        periods = {place: f.period for place, f in features if isinstance(f, Cycle)}
        return {
            "categorical_features": categories or None,
            "ordered_features": levels or None,
            "periodic_features": periods or None,
        }

    def without_names(self, bandwidth: Any) -> Any:
        """A bandwidth for the table, which has positions and no names."""
        if not isinstance(bandwidth, Mapping):
            return bandwidth
        return {place_of("bandwidth", key, self.labels): b for key, b in bandwidth.items()}
