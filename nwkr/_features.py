"""The kinds of columns of `X`: numbers, categories, ordered levels, and periodic numbers.

A feature reads its column into numbers, one for each row, with NaN for missing values. It turns
these into columns of *distance*, whose squared differences sum to the squared distance of two rows
in the feature: ``(a - b)^2`` for numbers, 1 for different categories, the number of steps between
ordered levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ive, logsumexp

from nwkr._column_values import (
    as_floats,
    declared_order,
    kind_of,
    numbered_labels,
    numbers_of,
    require_alike,
)
from nwkr._numeric import Column, held_by

__all__ = ["MOST_LEVELS", "Category", "Cycle", "Feature", "Levels", "Number"]

MOST_LEVELS = 32
"""A category with more levels than this is one column of codes, which are compared."""
# Each category has its own axis; two different categories have distance 1.
_ON_ITS_AXIS = np.sqrt(0.5)
_UNKNOWN = -1.0


@dataclass(frozen=True, eq=False)
class Feature(ABC):
    """A column of X.

    Attributes
    ----------
    label : object
        The name of the column in a data frame, or its position in an array.
    """

    label: Any

    @property
    def is_number(self) -> bool:
        """Whether the feature counts as a number."""
        return False

    @property
    def is_coded(self) -> bool:
        """Whether its column of distance holds codes, which are compared."""
        return False

    @abstractmethod
    def read(self, column: Column) -> np.ndarray:
        """The column as numbers, (n_rows,); NaN for missing values."""

    @abstractmethod
    def distances(self, values: np.ndarray) -> np.ndarray:
        """Columns of distance, (n_rows, n_columns), from the numbers."""

    @abstractmethod
    def values(self, distances: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """The numbers, (n_rows,), from the columns of distance."""

    @property
    @abstractmethod
    def sloped(self) -> np.ndarray:
        """Which of these columns have slopes in a line, (n_columns,)."""

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """Further columns with slopes in a line, (n_rows, n_slopes)."""
        return np.empty((len(values), 0))

    def shown(self, values: np.ndarray) -> np.ndarray:
        """The original values of the column, from the numbers."""
        return values

    def slope(self, by_column: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """Slope in the feature, (n_rows, n_outputs), from slopes in its columns of distance."""
        return np.full((len(by_column), by_column.shape[2]), np.nan)  # categories have no slope

    def log_masses(self, distances: np.ndarray, rate: float) -> np.ndarray:
        """Logarithms, (n_rows,), of the sums of ``exp(-rate * d2)`` over all values of the feature.

        Here ``d2`` is their squared distance from that of a row. For numbers it is an integral.
        """
        return np.full(len(distances), np.log(np.pi / rate) / 2)


@dataclass(frozen=True, eq=False)
class Number(Feature):
    """Numbers, including booleans."""

    is_number = True

    def read(self, column: Column) -> np.ndarray:
        """Numbers as they are."""
        return as_floats(column)

    def distances(self, values: np.ndarray) -> np.ndarray:
        """One column with the numbers themselves."""
        return values[:, None]

    def values(self, distances: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """The column."""
        return distances[:, 0]

    @property
    def sloped(self) -> np.ndarray:
        """The column has a slope."""
        return np.ones(1, bool)

    def slope(self, by_column: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """The slope in the column."""
        return by_column[:, 0]


@dataclass(frozen=True, eq=False)
class Cycle(Feature):
    """Periodic numbers, such as hours with the period of a day.

    Attributes
    ----------
    period : float
        The period.
    """

    period: float
    is_number = True

    def read(self, column: Column) -> np.ndarray:
        """Numbers as they are."""
        return as_floats(column)

    def distances(self, values: np.ndarray) -> np.ndarray:
        """Positions on a circle as long as the period, which keeps small differences."""
        angles = np.remainder(values, self.period) / self._radius
        return self._radius * np.column_stack([np.cos(angles), np.sin(angles)])

    def values(self, distances: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """Positions on a line; the circle is cut opposite to most of them."""
        middle = np.nansum(distances.T * weights, axis=1)
        middle = np.arctan2(middle[1], middle[0])
        angles = np.arctan2(distances[:, 1], distances[:, 0]) - middle
        return self._radius * ((angles + np.pi) % (2 * np.pi) - np.pi + middle)

    @property
    def sloped(self) -> np.ndarray:
        """Both columns have slopes."""
        return np.ones(2, bool)

    def shown(self, values: np.ndarray) -> np.ndarray:
        """From 0 up to the period."""
        return np.remainder(values, self.period)

    def slope(self, by_column: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """The slope along the circle."""
        cos, sin = distances.T[:, :, None] / self._radius
        return cos * by_column[:, 1] - sin * by_column[:, 0]

    def log_masses(self, distances: np.ndarray, rate: float) -> np.ndarray:
        """Logarithm of the integral over the period."""
        mass = self.period * ive(0, 2 * rate * self._radius**2)
        return np.full(len(distances), np.log(mass))

    @property
    def _radius(self):
        return self.period / (2 * np.pi)


@dataclass(frozen=True, eq=False)
class Category(Feature):
    """Unordered categories. A category that fit has not seen has distance 1 from all others.

    Attributes
    ----------
    levels : ndarray of shape (n_levels,)
        The categories that fit has seen.
    missing : bool
        Whether the category is missing in some training rows; "missing" is then a level.
    """

    levels: np.ndarray
    missing: bool

    @property
    def is_coded(self) -> bool:
        """Whether there are so many levels that they are one column of codes."""
        return len(self.levels) + self.missing > MOST_LEVELS

    @classmethod
    def of(cls, column: Column) -> Category:
        """The categories of a column of training rows."""
        codes, levels = numbered_labels(column)
        used = np.unique(codes[codes >= 0])
        levels = levels[used]
        if kind_of(levels) in ("text", "numbers"):
            levels = np.sort(levels)
        return cls(column.label, levels, bool((codes < 0).any()))

    def read(self, column: Column) -> np.ndarray:
        """Numbers of the levels; the next number if missing, a negative number if unseen."""
        codes, levels = numbered_labels(column)
        require_alike(column, self.levels, levels)
        missing = float(len(self.levels)) if self.missing else _UNKNOWN
        numbers = np.append(numbers_of(levels, self.levels), missing)
        return numbers[codes]

    def distances(self, values: np.ndarray) -> np.ndarray:
        """One column for each level, and one for all unknown levels."""
        if self.is_coded:
            return values[:, None]
        columns = np.zeros((len(values), len(self.levels) + self.missing + 1))
        columns[np.arange(len(values)), values.astype(int)] = _ON_ITS_AXIS
        return columns

    def values(self, distances: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """Numbers of the levels."""
        if self.is_coded:
            return distances[:, 0]
        numbers = distances.argmax(axis=1)
        return np.where(numbers == distances.shape[1] - 1, _UNKNOWN, numbers)

    @property
    def sloped(self) -> np.ndarray:
        """Each known level has an effect, unless there are too many."""
        if self.is_coded:
            return np.zeros(1, bool)
        return np.arange(len(self.levels) + self.missing + 1) < len(self.levels) + self.missing

    def shown(self, values: np.ndarray) -> np.ndarray:
        """The categories; None for missing and unknown categories."""
        levels = np.append(self.levels.astype(object), [None, None])
        return levels[np.where(values < 0, -1, values).astype(int)]

    def log_masses(self, distances: np.ndarray, rate: float) -> np.ndarray:
        """Logarithm of the sums over the levels."""
        n_levels = len(self.levels) + self.missing
        return np.full(len(distances), np.log1p((n_levels - 1) * np.exp(-rate)))


@dataclass(frozen=True, eq=False)
class Levels(Feature):
    """Ordered levels, whose squared distance is the number of steps between them.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,) or None
        The levels in order; None if they are numbers, which are their own positions.
    places : ndarray of shape (n_labels,) or None
        Their positions.
    steps : ndarray of shape (n_steps,)
        Positions of the levels that `fit` has seen.
    """

    labels: Any
    places: Any
    steps: np.ndarray

    @property
    def is_number(self) -> bool:
        """Whether there are so many levels that their positions are treated as numbers."""
        return not self._stepwise

    @classmethod
    def of(cls, column: Column) -> Levels:
        """The levels of a column of training rows."""
        labels = declared_order(column)
        if labels is None and held_by(column) is not None:
            raise ValueError(
                f"ordered_features must name columns of numbers, or of categories whose order is "
                f"declared; column {column.label!r} holds {held_by(column)}, whose order is not "
                f"known. Declare it with pd.Categorical(column, categories=[...], ordered=True)."
            )
        places = None
        if labels is not None:
            places = np.arange(float(len(labels)))
            if kind_of(labels) == "numbers":
                numbers = labels.astype(float)
                if (np.diff(numbers) > 0).all():
                    labels = places = None
                elif (np.diff(numbers) < 0).all():
                    places = -numbers
        feature = cls(column.label, labels, places, np.empty(0))
        found = feature.read(column)
        return cls(column.label, labels, places, np.unique(found[~np.isnan(found)]))

    def read(self, column: Column) -> np.ndarray:
        """Positions of the levels; NaN for missing and undeclared levels."""
        if self.labels is None and held_by(column) is None:
            return as_floats(column)
        codes, levels = numbered_labels(column)
        if self.labels is None:
            require_alike(column, self.steps, levels)
            return np.append(levels.astype(float), np.nan)[codes]
        require_alike(column, self.labels, levels)
        numbers = np.append(numbers_of(levels, self.labels).astype(int), -1)
        return np.append(self.places, np.nan)[numbers[codes]]

    def distances(self, values: np.ndarray) -> np.ndarray:
        """One column for each step, 1 above it and 0 below, and one for positions in between."""
        if not self._stepwise:
            return values[:, None]
        low, gaps = self.steps[:-1], np.diff(self.steps)
        share = np.clip((values[:, None] - low) / gaps, 0, 1)
        # A position between two levels lies off the path between their corners, such that its
        # squared distance to either is the length of the way.
        between = (gaps * share * (1 - share)).sum(axis=1)
        beyond = np.abs(values - np.clip(values, *self.steps[[0, -1]]))
        off = np.nan_to_num(np.sqrt(between + beyond))
        return np.column_stack([np.sqrt(gaps) * share, off])

    def values(self, distances: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """Positions of levels that fit has seen; NaN for missing levels."""
        if not self._stepwise:
            return distances[:, 0]
        gaps = np.diff(self.steps)
        climbed = (distances[:, :-1] * np.sqrt(gaps)).sum(axis=1)
        nearest = np.abs(np.subtract.outer(self.steps - self.steps[0], climbed)).argmin(axis=0)
        return np.where(np.isnan(climbed), np.nan, self.steps[nearest])

    @property
    def sloped(self) -> np.ndarray:
        """None if there are steps: a line has one slope along the positions of the levels."""
        return np.zeros(len(self.steps), bool) if self._stepwise else np.ones(1, bool)

    def slopes(self, values: np.ndarray) -> np.ndarray:
        """The position of the level."""
        return values[:, None] if self._stepwise else np.empty((len(values), 0))

    def shown(self, values: np.ndarray) -> np.ndarray:
        """The levels; None for missing levels."""
        if self.labels is None:
            return values
        order = np.argsort(self.places)
        numbers = order[np.searchsorted(self.places, np.nan_to_num(values), sorter=order)]
        shown = self.labels.astype(object)[numbers]
        shown[np.isnan(values)] = None
        return shown

    def slope(self, by_column: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """The slope in the position of the level, if positions are treated as numbers."""
        return super().slope(by_column, distances) if self._stepwise else by_column[:, 0]

    def log_masses(self, distances: np.ndarray, rate: float) -> np.ndarray:
        """Logarithm of the sums over the levels, unless their positions are treated as numbers."""
        if not self._stepwise:
            return super().log_masses(distances, rate)
        steps = np.abs(np.subtract.outer(self.values(distances), self.steps))
        return logsumexp(-rate * steps, axis=1)

    @property
    def _stepwise(self):
        return 0 < len(self.steps) <= MOST_LEVELS
