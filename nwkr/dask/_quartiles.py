"""Quartiles of all rows, for a spread that is robust to outliers.

The quartiles of all rows lie between the least and the greatest quartile of the chunks. This
nearly always proves that there are no outliers. Otherwise rows are counted in bins between these
ends, and again within one bin, until it holds one number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from nwkr._columns import Columns
from nwkr._features import Cycle
from nwkr._lazy import Tasks
from nwkr._quartiles import masses_below, may_be_gross, robust_spread
from nwkr.dask._chunks import Chunks
from nwkr.dask._form import RowForm, Rows
from nwkr.dask._survey import Survey

__all__ = ["cut_open", "robust_survey"]

_BINS = 1024


@dataclass(frozen=True)
class _Bins:
    """Weights in bins between two ends, for both quartiles of each column.

    Attributes
    ----------
    below : ndarray of shape (2, n_columns)
        Sum of the weights below the lower end.
    masses, lowest, highest : ndarray of shape (2, n_columns, n_bins)
        Sum of the weights in each bin, and the least and the greatest number there.
    """

    below: np.ndarray
    masses: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, rows: Rows, ends: np.ndarray, heaviest: float) -> _Bins:
        """Count rows between the ends, of shape (2, 2, n_columns): lower and upper of each."""
        n_columns, weights = rows.X.shape[1], rows.sample_weight / heaviest
        below, shape = np.zeros((2, n_columns)), (2, n_columns, _BINS)
        bins = cls(below, np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf))
        for quartile, column in np.ndindex(2, n_columns):
            (low, high), values = ends[quartile, :, column], rows.X[:, column].astype(float)
            place = quartile, column
            below[place] = weights[values < low].sum()
            within = (values >= low) & (values <= high)
            values, some = values[within], weights[within]
            # Halves, whose differences do not overflow.
            share = (values / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)
            numbers = np.minimum(share * _BINS, _BINS - 1).astype(int)
            bins.masses[place] = np.bincount(numbers, some, _BINS)
            np.minimum.at(bins.lowest[place], numbers, values)
            np.maximum.at(bins.highest[place], numbers, values)
        return bins

    def merge(self, other: _Bins) -> _Bins:
        """Bins of the rows of both."""
        return _Bins(
            self.below + other.below,
            self.masses + other.masses,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
        )

    def ends(self, masses: np.ndarray) -> np.ndarray:
        """Ends of the bins that hold the quartiles, (2, 2, n_columns), for a mass each."""
        reached = self.below[:, :, None] + np.cumsum(self.masses, axis=2)
        enough = reached >= masses_below(masses)[:, :, None]
        # Rounding may leave the last bin a little short of what it holds.
        last = _BINS - 1 - (self.masses[:, :, ::-1] > 0).argmax(axis=2)
        number = np.where(enough.any(axis=2), enough.argmax(axis=2), last)[:, :, None]
        ends = self.lowest, self.highest
        return np.stack([np.take_along_axis(e, number, axis=2)[:, :, 0] for e in ends], axis=1)


def robust_survey(chunks: Chunks, form: RowForm, survey: Survey, counting: Any) -> Survey:
    """The survey with a spread that is robust to outliers.

    Parameters
    ----------
    chunks : Chunks
        The training rows.
    form : RowForm
        Their form.
    survey : Survey
        Their survey.
    counting : callable
        Maps rows to rows with weight.

    Returns
    -------
    survey : Survey
        The same, with :attr:`Survey.robust`.
    """
    assert survey.columns is not None
    std, masses, ends = survey.spread, survey.columns.present, survey.columns.quartiles

    def undecided(ends):
        open_ends = (ends[:, 0] < ends[:, 1]).any(axis=0)
        return may_be_gross(std, ends[1, 0] - ends[0, 1]) & open_ends

    while undecided(ends).any():
        tasks = Tasks()
        rows = chunks.rows(tasks, tasks.put("form", form))
        count = partial(_count, ends=ends, heaviest=survey.heaviest, counting=counting)
        counted = [tasks.add("bins", number, count, part) for number, part in enumerate(rows)]
        ends = tasks.value(tasks.tree("merge-bins", _Bins.merge, counted)).compute().ends(masses)
    # The upper ends where that is not open, and too far apart to matter where it is.
    quartiles = np.stack([ends[0, 1], ends[1, 0]])
    decided = np.where(may_be_gross(std, quartiles[1] - quartiles[0]), quartiles, [[0.0], [0.0]])
    return replace(survey, robust=robust_spread(std, decided))


def cut_open(rows: Rows, columns: Columns, mean: np.ndarray) -> Rows:
    """Rows with periodic features as numbers on a line, cut opposite to their mean.

    Parameters
    ----------
    rows : Rows
        Some rows.
    columns : Columns
        The conversion of features to columns.
    mean : ndarray of shape (n_columns,)
        The mean of all rows.

    Returns
    -------
    rows : Rows
        The same; the number is in the first column of a periodic feature.
    """
    first, X = columns.by_feature(np.arange(rows.X.shape[1])), rows.X.copy()
    # Circles are cut opposite to the mean, where most of the weight is.
    weights = np.append(np.zeros(len(X)), 1.0)
    table = columns.decode(np.vstack([X, mean]), weights)[:-1]
    cycles = [number for number, f in enumerate(columns.features) if isinstance(f, Cycle)]
    X[:, first[cycles]] = table[:, cycles]
    return replace(rows, X=X)


def _count(rows, ends, heaviest, counting):
    rows = None if rows is None else counting(rows)
    return None if rows is None else _Bins.of(rows, ends, heaviest)
