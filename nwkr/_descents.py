"""The descents of a search: to one bandwidth for each feature, and to a projection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.utils import check_random_state

from nwkr._columns import Columns
from nwkr._counts import count_rows, effective_rows
from nwkr._descent import descend
from nwkr._feature_bandwidths import origin, outlying, wider
from nwkr._leave_one_out import Fit, Form, LeaveOneOut
from nwkr._mapped_columns import MappedColumns
from nwkr._objective import by_criterion
from nwkr._projection import learn
from nwkr._ranking import gain_of
from nwkr._search_parameters import SearchParameters
from nwkr._window import FixedWindow, MappedWindow, Window

__all__ = ["Descents"]

# The result of a descent on a subsample is narrowed in the proportion of the rule of thumb, and
# tried on all rows times these powers of sqrt 2.
_NEARBY = range(-3, 4)
# Multiples of the rule of thumb. A descent on a criterion starts from the best of these.
_STARTS = 2.0 ** np.arange(-3, 4)
# With fewer rows, no half has two rows to predict from each other.
_LEAST_HALVED = 4


@dataclass(frozen=True)
class _Slope:
    """The loss of rows that a descent minimises.

    Attributes
    ----------
    leave_one_out : LeaveOneOut
        The rows, each predicted without itself.
    form : Form
        The fit in a window.
    loss : callable
        Maps a fit to the loss and its derivatives.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, with sum 1.
    """

    leave_one_out: LeaveOneOut
    form: Form
    loss: Callable[[Fit], tuple[float, np.ndarray]]
    weights: np.ndarray

    @property
    def columns(self) -> Columns:
        """The features of the columns."""
        assert self.leave_one_out.features is not None
        return self.leave_one_out.features

    @property
    def rows(self) -> np.ndarray:
        """The keys."""
        return self.leave_one_out.attention.keys

    def by_feature(self, bandwidth: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss, and its derivatives by the logarithm of the bandwidth of each feature."""
        value, slopes = self._at(FixedWindow(self.columns.by_column(bandwidth)))
        return value, self.columns.summed(slopes)

    def by_projection(self, projection: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss, and its derivatives by the entries of a projection."""
        columns = MappedColumns.of_rows(self.columns, self.rows, projection)
        return self._at(MappedWindow(columns.units, columns))

    def _at(self, window: Window):
        return self.loss(next(self.leave_one_out.fits([window], self.form)))


class Descents(SearchParameters):
    """A search that descends from the best of its other candidates."""

    # Number of rows in a descent on a criterion of the fit, or to a projection.
    _rows_of_descent = 2_000
    # Number of rows in a descent on the leave-one-out loss.
    _rows_of_leave_one_out_descent: float = np.inf

    def _comparable(self, residuals):
        """Residuals of the values, in units that make the outputs comparable."""
        return residuals

    @abstractmethod
    def _deviance(self, predictions, values, weights):
        """Twice the mean negative log-likelihood, up to a constant, and its derivatives."""

    @abstractmethod
    def _losses(self, predictions, values):
        """The loss of each row."""

    @property
    def _trend_of_keys(self):
        """The trend, with its residuals at the keys."""
        return None

    @property
    def _criterion(self):
        """The criterion of the fit that a descent minimises; None for leave-one-out."""
        return None

    def _descend(self, problem, rule, start, form):
        """One bandwidth for each feature, if it is better."""
        columns, criterion, candidate = self._columns, self._criterion, None
        slope = self._slope_of_features(problem, form)
        objective = self._in_steps(slope.by_feature)
        scaled = columns.by_feature(rule.bandwidth)
        factor = wider(columns, len(self._rows), len(slope.rows), scaled)
        scaled = factor * scaled
        own = origin(columns, slope.rows, scaled)
        if isinstance(start, FixedWindow) and start.columns is None:
            candidate = factor * columns.by_feature(start.bandwidth)
        candidates = [candidate]
        if criterion is not None:
            # Descents start from the best multiples by the same criterion: of all features, and of
            # those without a start of their own. Either may lead to the better end.
            starts = [scaled * multiple for multiple in _STARTS]
            starts += [] if candidate is None else [candidate]
            of_some = [np.where(np.isnan(own), bandwidth, own) for bandwidth in starts]
            lists = [of_some] if np.isnan(own).all() else [starts, of_some]
            best = {int(np.argmin([objective(start)[0] for start in each])) for each in lists}
            candidates = [of_some[number] for number in sorted(best)]
        n_rows, on_trial = np.inf, np.ones(len(scaled), bool)
        if criterion is None:  # leave-one-out favours too many features
            n_rows, on_trial = count_rows(slope.weights), outlying(columns, slope.rows, scaled)
        ends = [
            descend(objective, own, scaled, candidate, self.shrinkage, on_trial, n_rows)
            for candidate in candidates
        ]
        multiples = self._multiples(len(slope.rows) < len(self._rows))
        return [
            FixedWindow(columns.by_column(end / factor) * multiple)
            for end in ends
            if end is not None
            for multiple in multiples
        ]

    def _slope_of_features(self, problem, form):
        """The loss that a descent to one bandwidth for each feature minimises."""
        if self._criterion is not None:
            return self._slope(form, self._rows_of_descent)
        most = self._rows_of_leave_one_out_descent
        if len(problem.sample_weight) > most:
            return self._slope(form, most)
        weights = problem.sample_weight / problem.sample_weight.sum()
        loss = self._loss(problem.values, weights)
        return _Slope(problem.leave_one_out, form, loss, weights)

    def _project(self, problem, rule, start, form, losses):
        """A projection of the features, if it predicts better than another candidate.

        Parameters
        ----------
        problem : Problem
            The rows on which candidates are compared.
        rule, start : Window
            The rule of thumb, and the best candidate with the same form.
        form : Form
            The fit in a window.
        losses : ndarray of shape (n_rows,)
            The losses of the rows by the other candidate.

        Returns
        -------
        windows : list of MappedWindow
            The projection, with multiples if it was learned from a subsample; empty if it is no
            better.
        """
        leave_one_out, n_keys = problem.leave_one_out, len(self._rows)
        if n_keys < _LEAST_HALVED or not np.isfinite(rule.bandwidth).any():  # nothing to learn from
            return []
        # A projection always fits the rows from which it was learned. So each half of the rows is
        # predicted with a projection that is learned from the other half.
        halves = np.empty(n_keys, int)
        order = check_random_state(self.random_state).permutation(n_keys)
        halves[np.argsort(self._rows)] = order % 2
        found = []
        for half in range(2):
            window = self._learn(rule, start, form, np.flatnonzero(halves != half))
            predictions = next(leave_one_out.fits([window], form)).predictions
            found.append(self._losses(predictions, problem.values))
        of_half = np.where(halves[leave_one_out.attention.leave_out] == 0, *found)
        gain, noise = gain_of(losses - of_half, problem.sample_weight)
        if not gain > noise:
            return []
        window = self._learn(rule, start, form)
        multiples = self._multiples(n_keys > self._rows_of_descent)
        return [MappedWindow(window.bandwidth * multiple, window.columns) for multiple in multiples]

    def _learn(self, rule, start, form, among=None):
        """A projection from a subsample of all rows, or of some, scaled to all rows."""
        columns = self._columns
        slope = self._slope(form, self._rows_of_descent, among)
        bandwidth = scaled = columns.by_feature(rule.bandwidth)
        if isinstance(start, FixedWindow) and start.columns is None:
            bandwidth = columns.by_feature(start.bandwidth)
            bandwidth = np.where(bandwidth > 0, bandwidth, scaled)
        n_components = self.n_components
        if isinstance(n_components, str):
            n_components = columns.n_features
        factor = wider(columns, len(self._rows), len(slope.rows), scaled).max()
        objective = self._in_steps(slope.by_projection)
        terms = slope.rows, slope.weights, factor * bandwidth, factor * scaled
        found = factor * learn(objective, *terms, n_components, self.shrinkage)
        mapped = MappedColumns.of_rows(columns, self._keys, found)
        return MappedWindow(mapped.units, mapped)

    def _slope(self, form, most, among=None):
        """The loss of a subsample of limited size, of all rows or of some."""
        n_keys = len(self._rows)
        drawn = np.argsort(self._rows)  # independent of their internal order
        if among is not None:
            drawn = drawn[np.isin(drawn, among)]
        if len(drawn) > most:
            order = check_random_state(self.random_state).permutation(len(drawn))
            drawn = drawn[order[: int(most)]]
        drawn = np.sort(drawn)
        attention = self._without_window(self._keys, np.arange(n_keys))
        attention = self._without(attention, np.arange(n_keys))
        if n_keys > len(drawn):
            attention = attention.take(drawn, drawn)
        values, weights = self._values[drawn], attention.weights
        trend = self._trend_of_keys
        some = LeaveOneOut(attention, values, self._columns, trend=trend and trend.take(drawn))
        if attention.mask is not None:  # rows that leave out all drawn rows are not predicted
            known = np.flatnonzero(attention.mask.seen(np.ones((len(drawn), 1)))[:, 0])
            some = replace(some, attention=attention.take(known))
            values, weights = values[known], weights[known]
        weights = weights / weights.sum()
        return _Slope(some, form, self._loss(values, weights), weights)

    def _loss(self, values, weights):
        """A function from a fit to the minimised loss and its derivatives."""

        def by_leave_one_out(fit):
            if not np.isnan(fit.predictions).any():
                deviance, changes = self._deviance(fit.predictions, values, weights)
                if np.isfinite(deviance):
                    return deviance, fit.slopes(changes)
                return deviance, np.zeros(len(fit.without.attention.scales))
            return np.inf, np.zeros(len(fit.without.attention.scales))

        def by_fit(fit):
            if np.isnan(fit.fitted).any():
                return np.inf, np.zeros(len(fit.whole.attention.scales))
            residuals = self._comparable(fit.fitted - values)
            return by_criterion(self._criterion, fit, residuals, weights, effective_rows(weights))

        return by_leave_one_out if self._criterion is None else by_fit

    def _multiples(self, of_subsample):
        """Multiples of the result to try."""
        return [2 ** (number / 2) for number in (_NEARBY if of_subsample else (0,))]
