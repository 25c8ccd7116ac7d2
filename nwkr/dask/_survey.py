"""A survey of all training rows before pooling: ranges, moments and classes, merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nwkr._counts import count_of_sums
from nwkr._quartiles import quartiles
from nwkr.dask._form import Rows

__all__ = [
    "Classes",
    "Moments",
    "Outputs",
    "Survey",
    "survey_classes",
    "survey_numbers",
]


@dataclass(frozen=True)
class Moments:
    """Weighted mean and spread of the present numbers of columns.

    Attributes
    ----------
    mass : float
        Sum of the weights.
    gaps : ndarray of bool, of shape (n_columns,)
        Columns with missing numbers.
    present : ndarray of shape (n_columns,)
        Sum of the weights of the rows with present numbers.
    lowest, highest, mean, spread : ndarray of shape (n_columns,)
        Ends, mean and standard deviation.
    quartiles : ndarray of shape (2, 2, n_columns)
        Bounds of the lower and the upper quartile.
    """

    mass: float
    gaps: np.ndarray
    present: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    quartiles: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, weights: np.ndarray) -> Moments:
        """Moments of rows."""
        there = ~np.isnan(X)
        complete, mass, n_columns = there.all(axis=0), float(weights.sum()), X.shape[1]
        present, mean, spread = np.full(n_columns, mass), *np.zeros((2, n_columns))
        lowest, highest = np.full(n_columns, np.inf), np.full(n_columns, -np.inf)
        ends = np.stack(2 * [[lowest, highest]])
        for number, values in enumerate(X.T):
            some = weights
            if not complete[number]:
                values, some = values[there[:, number]], weights[there[:, number]]
                present[number] = some.sum()
            if not len(values):
                continue
            ends[:, :, number] = quartiles(values[:, None], some)
            low, high = lowest[number], highest[number] = float(values.min()), float(values.max())
            extent = high - low
            # Within [0, 1], so that squares neither overflow nor underflow.
            scaled = (values.astype(float) - low) / (extent or 1.0)
            centre = np.average(scaled, weights=some)
            scaled -= centre
            variance = np.average(np.square(scaled, out=scaled), weights=some)
            mean[number], spread[number] = low + extent * centre, extent * np.sqrt(variance)
        return cls(mass, ~complete, present, lowest, highest, mean, spread, ends)

    def merge(self, other: Moments) -> Moments:
        """Moments of the rows of both (T. F. Chan, G. H. Golub, R. J. LeVeque, 1983)."""
        lowest = np.minimum(self.lowest, other.lowest)
        highest = np.maximum(self.highest, other.highest)
        present = self.present + other.present
        total = np.where(present > 0, present, 1)
        ours, theirs = self.present / total, other.present / total
        apart = np.where(ours * theirs > 0, other.mean - self.mean, 0)
        unit = np.maximum(highest - lowest, np.finfo(float).tiny)
        variance = (
            ours * (self.spread / unit) ** 2
            + theirs * (other.spread / unit) ** 2
            + ours * theirs * (apart / unit) ** 2
        )
        mean = np.where(ours > 0, self.mean, other.mean) + theirs * apart
        (low, high), (other_low, other_high) = (q.quartiles.swapaxes(0, 1) for q in (self, other))
        ends = np.stack([np.minimum(low, other_low), np.maximum(high, other_high)], axis=1)
        mass, gaps = self.mass + other.mass, self.gaps | other.gaps
        spread = unit * np.sqrt(variance)
        return Moments(mass, gaps, present, lowest, highest, mean, spread, ends)

    def times(self, factor: float) -> Moments:
        """The same under weights that are all multiplied by a factor."""
        return replace(self, mass=factor * self.mass, present=factor * self.present)


@dataclass(frozen=True)
class Outputs:
    """Ends of the targets.

    Attributes
    ----------
    lowest, highest : ndarray of shape (n_outputs,)
        The ends.
    one_output : bool
        Whether they had one dimension.
    """

    lowest: np.ndarray
    highest: np.ndarray
    one_output: bool

    def merge(self, other: Outputs) -> Outputs:
        """Ends of the targets of both."""
        lowest = np.minimum(self.lowest, other.lowest)
        return Outputs(lowest, np.maximum(self.highest, other.highest), self.one_output)

    def times(self, factor: float) -> Outputs:
        """The same for other weights."""
        return self


@dataclass(frozen=True)
class Classes:
    """The classes of the rows.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        Their labels, sorted.
    mass, heaviest : ndarray of shape (n_classes,)
        Sum of the weights, and the greatest of them.
    """

    labels: np.ndarray
    mass: np.ndarray
    heaviest: np.ndarray

    def merge(self, other: Classes) -> Classes:
        """The classes of the rows of both."""
        labels = np.unique(np.concatenate([self.labels, other.labels]))
        mass, heaviest = np.zeros((2, len(labels)))
        for part in (self, other):
            places = np.searchsorted(labels, part.labels)
            mass[places] += part.mass
            heaviest[places] = np.maximum(heaviest[places], part.heaviest)
        return Classes(labels, mass, heaviest)

    def times(self, factor: float) -> Classes:
        """The same for weights that are all multiplied by a factor."""
        return replace(self, mass=factor * self.mass, heaviest=factor * self.heaviest)


@dataclass(frozen=True)
class Survey:
    """The survey of training rows.

    Attributes
    ----------
    heaviest : float
        The greatest weight. All other weights are shares of it.
    squares : float
        Sum of the squared weights of the rows with weight.
    columns : Moments or None
        Moments of the features over the rows with weight; None if there are none.
    targets : Outputs or Classes
        Survey of the targets.
    n_rows : int
        Number of rows with weight.
    robust : ndarray of shape (n_columns,) or None, default=None
        Spread of each column, robust to outliers.
    """

    heaviest: float
    squares: float
    columns: Moments | None
    targets: Any
    n_rows: int
    robust: np.ndarray | None = None

    @property
    def n_counted(self) -> float:
        """Number of rows, by weight."""
        assert self.columns is not None
        return count_of_sums(self.heaviest, self.columns.mass, self.squares)

    @property
    def n_effective(self) -> float:
        """Kish's effective number of rows."""
        assert self.columns is not None
        return self.columns.mass**2 / self.squares

    @property
    def unit(self) -> float:
        """The number of rows that the heaviest row counts as."""
        assert self.columns is not None
        return self.n_counted / self.columns.mass

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation of each column; exactly 0 for a constant column."""
        assert self.columns is not None
        varies = self.columns.highest > self.columns.lowest
        return np.where(varies, self.columns.spread, 0)

    @property
    def spread_of_filled(self) -> np.ndarray:
        """The same with missing numbers at the mean."""
        assert self.columns is not None
        return self.spread * np.sqrt(self.columns.present / self.columns.mass)

    def merge(self, other: Survey) -> Survey:
        """Survey of the rows of both."""
        heaviest = max(self.heaviest, other.heaviest)
        one, other = self.relative_to(heaviest), other.relative_to(heaviest)
        columns = one.columns if other.columns is None else other.columns
        if one.columns is not None and other.columns is not None:
            columns = one.columns.merge(other.columns)
        return Survey(
            heaviest,
            one.squares + other.squares,
            columns,
            one.targets.merge(other.targets),
            one.n_rows + other.n_rows,
        )

    def relative_to(self, heaviest: float) -> Survey:
        """The same with weights relative to another one."""
        factor = self.heaviest / heaviest
        columns = None if self.columns is None else self.columns.times(factor)
        targets = self.targets.times(factor)
        return Survey(heaviest, factor**2 * self.squares, columns, targets, self.n_rows)


def survey_numbers(rows: Rows | None) -> Survey | None:
    """Survey a chunk of rows with numeric targets; None means no rows."""
    if rows is None:
        return None
    y = rows.y.reshape(len(rows.y), -1)
    ends = Outputs(y.min(axis=0), y.max(axis=0), rows.y.ndim == 1)
    return _survey(rows, ends, np.ones(len(y), bool))


def survey_classes(rows: Rows | None, absent: list) -> Survey | None:
    """Survey a chunk of rows with classes, some of which may have weight 0."""
    if rows is None:
        return None
    labels, codes = np.unique(rows.y, return_inverse=True)
    shares = rows.sample_weight / rows.sample_weight.max()
    heaviest = np.zeros(len(labels))
    np.maximum.at(heaviest, codes, shares)
    classes = Classes(labels, np.bincount(codes, weights=shares), heaviest)
    return _survey(rows, classes, ~np.isin(rows.y, absent))


def _survey(rows, targets, counted):
    heaviest = float(rows.sample_weight.max())
    shares = rows.sample_weight[counted] / heaviest
    columns = Moments.of(rows.X[counted], shares) if counted.any() else None
    return Survey(heaviest, float(shares @ shares), columns, targets, len(shares))
