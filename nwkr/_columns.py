"""X to columns: of distance, which pooling sees, and of slopes, which lines have.

All that an estimator knows of categories, cycles and gaps is here. Rows come as a frame or an
array; :meth:`Columns.read` makes them a *table*, a float array with one column for each feature;
:meth:`Columns.encode` makes that *columns*, one or more for each feature. Where all features are
numbers the three are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from nwkr._counts import count_rows
from nwkr._features import Category, Cycle, Feature, Levels, Number
from nwkr._numeric import columns_in, in_columns, is_frame, require_numbers
from nwkr._which_features import features_of, place_of
from nwkr.bandwidths import RuleOfThumb

__all__ = ["Columns"]

# A column of no more different values than this is apart in all others when its bandwidth is
# narrow: no slope leads out of there.
_FEW = 5


@dataclass(frozen=True, eq=False)
class Columns:
    """How features become columns.

    Attributes
    ----------
    features : tuple of Feature
        The features; empty if all are numbers.
    n_features : int
        How many there are.
    labels : list
        Their names; their places, if they have none.
    with_slopes : bool, default=False
        Whether lines may be fitted, so that columns of slopes are made, too.
    """

    features: tuple[Feature, ...]
    n_features: int
    labels: list
    with_slopes: bool = False

    @classmethod
    def of(cls, X: Any, categorical: Any, ordered: Any, periodic: Any) -> Columns:
        """What the columns of training rows hold.

        Parameters
        ----------
        X : array-like
            Training rows.
        categorical, ordered, periodic : object
            What `categorical_features`, `ordered_features` and `periodic_features` may be.

        Returns
        -------
        columns : Columns
            The features.

        Raises
        ------
        ValueError
            If one of these does not name columns of `X`, or not such columns.
        """
        features = features_of(X, categorical, ordered, periodic)
        return cls(features, len(features), [feature.label for feature in features])

    def known(self, n_features: int, labels: list | None) -> Columns:
        """The same, with what else is known when the rows have been checked."""
        labels = list(range(n_features)) if labels is None else labels
        return replace(self, n_features=n_features, labels=labels)

    @classmethod
    def of_numbers(cls, n_features: int) -> Columns:
        """As many numbers."""
        return cls((), n_features, list(range(n_features)))

    @property
    def plain(self) -> bool:
        """Whether all features are numbers, each its own column."""
        return not self.features

    @cached_property
    def categories(self) -> np.ndarray:
        """Which features are categories, in an order or not, of shape (n_features,)."""
        return np.array([not f.is_number for f in self.features] or [False] * self.n_features)

    def require_plain(self, what: str) -> None:
        """Refuse categories and cycles where something takes numbers only."""
        labels = [feature.label for feature in self.features if type(feature) is not Number]
        if labels:
            raise ValueError(
                f"{what} takes numbers only; got categories or periodic features"
                f"{in_columns(labels)}. Encode them first, for instance with "
                f"OneHotEncoder(sparse_output=False) of scikit-learn."
            )

    def read(self, X: Any) -> Any:
        """Rows as a table of numbers; as they are, if they are numbers already.

        Parameters
        ----------
        X : array-like
            Rows, of fit or to predict.

        Returns
        -------
        table : array-like
            A data frame or an array with one column for each of `X`.

        Raises
        ------
        ValueError
            If a column does not hold what it held in fit.
        """
        but = frozenset(n for n, f in enumerate(self.features) if isinstance(f, Category | Levels))
        require_numbers("X", X, but=but)
        if self.plain:
            return X
        columns = columns_in(X)
        table = np.column_stack(
            [feature.read(column) for feature, column in zip(self.features, columns)]
        )
        if not is_frame(X):
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=list(X.columns))

    # -- from features to columns and back ------------------------------------------------

    def encode(self, table: np.ndarray) -> np.ndarray:
        """Columns of distance, feature by feature, and behind them those of slopes alone."""
        if self.plain:
            return table
        parts = [feature.distances(column) for feature, column in zip(self.features, table.T)]
        if self.with_slopes:
            parts += [feature.slopes(column) for feature, column in zip(self.features, table.T)]
        return np.hstack(parts)

    def decode(self, columns: np.ndarray) -> np.ndarray:
        """The table that columns were made of."""
        if self.plain:
            return columns
        parts = np.split(columns[:, : self._ends[-1]], self._ends[:-1], axis=1)
        return np.column_stack([f.values(part) for f, part in zip(self.features, parts)])

    def by_column(self, by_feature: np.ndarray) -> np.ndarray:
        """A bandwidth for each column: that of its feature, `inf` if it is for slopes alone."""
        if self.plain:
            return by_feature
        return np.where(self._of_distance, by_feature[self._feature_of], np.inf)

    @property
    def units(self) -> np.ndarray:
        """The bandwidth 1 for all features, by column."""
        return self.by_column(np.ones(self.n_features))

    def by_feature(self, bandwidth: Any) -> Any:
        """The bandwidth of each feature, from those of its columns, if there is one for each."""
        some = not self.plain and isinstance(bandwidth, np.ndarray)
        return bandwidth[self._starts] if some else bandwidth

    def summed(self, by_column: np.ndarray) -> np.ndarray:
        """The sum over the columns of each feature."""
        if self.plain:
            return by_column
        sums = np.zeros(self.n_features)
        np.add.at(sums, self._feature_of, by_column)
        return sums

    @cached_property
    def sloped(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the columns that have slopes, and of those that tell their bandwidths."""
        if self.plain:
            return (np.arange(self.n_features),) * 2
        sloped = np.concatenate([feature.sloped for feature in self.features])
        sloped = np.append(sloped, np.ones(len(self._feature_of) - len(sloped), bool))
        numbers = np.flatnonzero(sloped)
        telling = np.where(
            self._of_distance, np.arange(len(sloped)), self._starts[self._feature_of]
        )
        return numbers, telling[numbers]

    @cached_property
    def _widths(self):
        """How many columns of distance each feature has."""
        return np.array([len(feature.sloped) for feature in self.features])

    @property
    def _ends(self):
        return np.cumsum(self._widths)

    @property
    def _starts(self):
        return self._ends - self._widths

    @cached_property
    def _feature_of(self):
        """Which feature each column is of."""
        numbers = np.arange(self.n_features)
        of_distance = np.repeat(numbers, self._widths)
        if not self.with_slopes:
            return of_distance
        besides = [feature.slopes(np.zeros(1)).shape[1] for feature in self.features]
        return np.append(of_distance, np.repeat(numbers, besides))

    @property
    def _of_distance(self):
        return np.arange(len(self._feature_of)) < self._ends[-1]

    # -- bandwidths -----------------------------------------------------------------------

    def rule_of_thumb(
        self, rule: RuleOfThumb, columns: np.ndarray, sample_weight: np.ndarray
    ) -> np.ndarray:
        r"""The bandwidth of each feature by a rule of thumb, for the Gaussian.

        Rules are for numbers, of which they count :math:`d` that vary. A category has the weight
        :math:`n^{-2 / (d + 4)}` beside the same category.

        Parameters
        ----------
        rule : RuleOfThumb
            The rule.
        columns : ndarray of shape (n_samples, n_columns)
            Training rows.
        sample_weight : ndarray of shape (n_samples,)
            Weights.

        Returns
        -------
        bandwidth : ndarray of shape (n_features,)
            Bandwidths; `inf` for what does not vary.
        """
        if self.plain:
            return rule(columns, sample_weight)
        table, numbers = self.decode(columns), ~self.categories
        bandwidth = np.full(self.n_features, np.inf)
        bandwidth[numbers] = rule(table[:, numbers], sample_weight) if numbers.any() else 0
        varies = np.array([len(np.unique(column)) > 1 for column in table.T])
        return self._with_categories(bandwidth, varies, count_rows(sample_weight))

    def rule_by_spread(self, rule: RuleOfThumb, spread: np.ndarray, n_rows: float) -> np.ndarray:
        """The same where the spread of the columns is known.

        Parameters
        ----------
        rule : RuleOfThumb
            The rule.
        spread : ndarray of shape (n_columns,)
            Spread of each column; 0 for a constant one.
        n_rows : float
            Number of rows, by weight.

        Returns
        -------
        bandwidth : ndarray of shape (n_features,)
            Bandwidths; `inf` for what does not vary.
        """
        if self.plain:
            return rule.of_spread(spread, n_rows)
        numbers, bandwidth = ~self.categories, np.full(self.n_features, np.inf)
        if numbers.any():
            bandwidth[numbers] = rule.of_spread(spread[self._starts[numbers]], n_rows)
        return self._with_categories(bandwidth, self.summed(spread) > 0, n_rows)

    def _with_categories(self, bandwidth, varies, n_rows):
        """The bandwidths of numbers, and those of categories that vary."""
        n_numbers = np.isfinite(bandwidth[~self.categories]).sum()
        with np.errstate(divide="ignore"):
            of_category = 1 / np.sqrt(4 / (n_numbers + 4) * np.log(n_rows))
        bandwidth[self.categories] = np.where(varies[self.categories], of_category, np.inf)
        return bandwidth

    def origin(self, columns: np.ndarray, rule: np.ndarray) -> np.ndarray:
        """Where a search for bandwidths starts features that no multiple of the rule is for.

        Parameters
        ----------
        columns : ndarray of shape (n_samples, n_columns)
            Training rows.
        rule : ndarray of shape (n_features,)
            Their bandwidths by the rule of thumb.

        Returns
        -------
        origin : ndarray of shape (n_features,)
            The range of numbers of few different values, the rule for categories; NaN for others.
        """
        origin = np.full(self.n_features, np.nan)
        for number, column in enumerate(self.decode(columns).T):
            values = np.unique(column[np.isfinite(column)]).astype(float)
            if self.categories[number]:
                origin[number] = rule[number]
            elif 0 < len(values) <= _FEW:
                origin[number] = values[-1] - values[0]
        return origin

    def wider(self, n_rows: float, n_some: float, rule: np.ndarray) -> np.ndarray:
        """By what factor the rule is wider for some of the rows, (n_features,)."""
        n_numbers = np.isfinite(rule[~self.categories]).sum()
        of_numbers = (n_rows / n_some) ** (1 / (n_numbers + 4))
        if n_rows == n_some:
            return np.ones(self.n_features)
        return np.where(self.categories, np.sqrt(np.log(n_rows) / np.log(n_some)), of_numbers)

    def of_table(self) -> dict[str, Any]:
        """Parameters of an estimator that is fitted to the table."""
        places: dict[type, list] = {Category: [], Levels: [], Cycle: []}
        for place, feature in enumerate(self.features):
            if feature.is_number is isinstance(feature, Cycle):
                places[type(feature)].append(place)
        periods = {place: self.features[place].period for place in places[Cycle]}
        return {
            "categorical_features": places[Category] or None,
            "ordered_features": places[Levels] or None,
            "periodic_features": periods or None,
        }

    def without_names(self, bandwidth: Any) -> Any:
        """A bandwidth for the table, which has places and no names."""
        if not isinstance(bandwidth, Mapping):
            return bandwidth
        return {place_of("bandwidth", key, self.labels): b for key, b in bandwidth.items()}

    def of_names(self, bandwidth: Mapping, otherwise: np.ndarray) -> np.ndarray:
        """A bandwidth for each feature from one by name, and others for what is not named."""
        by_feature = otherwise.copy()
        for label, width in bandwidth.items():
            place = place_of("bandwidth", label, self.labels)
            good = isinstance(width, Real) and not isinstance(width, bool) and float(width) >= 0
            if not good:
                raise ValueError(
                    f"bandwidth must have a non-negative number for each name; got {width!r} for "
                    f"{label!r}."
                )
            by_feature[place] = width
        return by_feature
