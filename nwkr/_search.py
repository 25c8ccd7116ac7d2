"""The search for a bandwidth in `fit` of the `CV` estimators."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_random_state

from nwkr._counts import effective_rows, of_effective_rows
from nwkr._descents import Descents
from nwkr._folds import scores_over_folds
from nwkr._leave_one_out import Fit, LeaveOneOut
from nwkr._metrics import distances_worth_keeping
from nwkr._objective import Problem
from nwkr._ranking import best_of, level, scores_of
from nwkr._resolve_window import resolve_window
from nwkr._scoring import CRITERIA, in_units_of, score_predictions, unit_of
from nwkr._window import FixedWindow

__all__ = ["BandwidthSearch"]

# "auto" tries the rule of thumb times these powers of sqrt 2. While the best one is at an end, it
# adds candidates at that end, up to a number of times.
_LADDER, _RUNGS, _EXTENSIONS = range(-7, 5), 6, 12
# The ladder continues downwards until its narrowest window has this many degrees of freedom per
# row.
_LEAST_FREEDOM = 0.1


class BandwidthSearch(Descents):
    """An estimator that chooses its bandwidth by leave-one-out, or by cross-validation."""

    # With subsample="auto", all rows are scored up to the first number; beyond it, the second
    # number.
    _most_rows_scored, _rows_drawn = 20_000, 5_000

    @property
    def _degree(self):
        return self.degree_

    @property
    def _degrees_compared(self):
        """The degrees to compare: a slow degree 1 is fitted only if it is the only one."""
        several = {0, 1} <= set(self._degrees)
        return [0] if several and not self._is_quick else self._degrees

    def _ladder(self, form):
        """The first multiples of the rule of thumb, as powers of sqrt 2."""
        return _LADDER

    @property
    @abstractmethod
    def _forms_without_window(self):
        """The forms that are also tried without a window."""

    @abstractmethod
    def _clearly_best(self, problem, simple, tried, best):
        """The best candidate if it is clearly better than those without a window, or one of these.

        Among many windows one is the best by chance.
        """

    def _without_windows(self, problem):
        """Candidates without a window: their bandwidth is infinite."""
        if not isinstance(self.bandwidths, str):
            return []
        nowhere = [self._resolve(np.inf, problem.sample_weight)]
        forms = self._forms_without_window
        return [c for form in forms for c in self._try(problem, nowhere, form, [np.inf])]

    def _best_of(self, problem, tried):
        """The best candidate, or one without a window if it is nearly as good."""
        best = best_of(tried, self.scoring)
        simple = [candidate for candidate in tried if candidate[1]["multiple"] == np.inf]
        if not simple or self._scoring != self._default_scoring:
            return best
        return self._clearly_best(problem, simple, tried, best)

    def _check_search(self):
        super()._check_search()
        degrees = list(self.degrees)
        if not degrees or any(isinstance(d, bool) or d not in (0, 1) for d in degrees):
            raise ValueError(f"degrees must hold 0, 1 or both; got {self.degrees!r}.")
        self._check_degree(min(degrees))

    def _choose_window(self, X, y, sample_weight):
        self._check_search()
        self.projection_ = None
        weight = sample_weight[self._rows]
        distances = distances_worth_keeping(self._keys, self._metric)
        # The search depends neither on the scale of the weights nor on rows with hardly any weight.
        rule = self._resolve("scott", of_effective_rows(weight), distances)
        if self.cv is not None:
            return self._cross_validate(X, y, sample_weight, rule)
        self._arrange(rule)
        weight = sample_weight[self._rows]
        problem = self._problem(y[self._rows], of_effective_rows(weight), distances)
        candidates = None
        if not isinstance(self.bandwidths, str):
            candidates = [self._resolve(b, weight, distances) for b in self.bandwidths]
        tried, starts = self._without_windows(problem), []
        for form in self._forms:
            if candidates is None:
                found = self._climb(problem, rule, form)
            else:
                found = self._try(problem, candidates, form)
            if self._goes_by_feature(rule):
                start = best_of(found, self.scoring)[0]
                windows = self._descend(problem, rule, start, form)
                found += self._try(problem, windows, form)
            starts.append((best_of(found, self.scoring)[0], form))
            tried += found
        if self.n_components is not None:
            losses = self._best_of(problem, tried)[1]["losses"]
            for start, form in starts:
                windows = self._project(problem, rule, start, form, losses)
                tried += self._try(problem, windows, form)
        window, best = self._best_of(problem, tried)
        self._keep_results(tried, best, problem.unit)
        self.projection_ = window.projection
        return window

    def _keep_results(self, tried, best, unit):
        """Store the candidates, with their scores in the units of y."""
        shown = [name for name in best if name != "losses"]
        self.cv_results_ = {name: [result[name] for _, result in tried] for name in shown}
        scores = [in_units_of(unit, self._scoring, score) for score in self.cv_results_["score"]]
        self.cv_results_["score"] = scores
        self.best_index_ = next(n for n, (_, result) in enumerate(tried) if result is best)
        self.best_score_ = scores[self.best_index_]
        self._note_best(best)

    def _unit_of(self, y):
        return unit_of(self._scoring, y) if is_regressor(self) else 1.0

    def _goes_by_feature(self, rule):
        """Whether to search for one bandwidth for each feature."""
        if self.per_feature != "auto":
            return self.per_feature
        varying = np.isfinite(self._columns.by_feature(rule.bandwidth)).sum() > 1
        return bool(varying and isinstance(self.bandwidths, str) and not self._per_feature_lacks())

    def _resolve(self, bandwidth, sample_weight, distances=None):
        return resolve_window(
            bandwidth,
            self._keys,
            sample_weight,
            self.kernel_,
            self._metric,
            self.n_jobs,
            distances,
            columns=self._columns,
        )

    def _problem(self, y, sample_weight, distances):
        keys, n_keys = self._keys, len(self._rows)
        if n_keys == 1:
            raise ValueError(
                "Leaving each training row out needs at least 2 rows with positive weight; got 1 "
                f"sample. Pass more rows, or use {self._plain_class.__name__}."
            )
        wanted = self.subsample
        if wanted == "auto":
            wanted = n_keys if n_keys <= self._most_rows_scored else self._rows_drawn
        by_number = self._to_predict()
        rows = np.sort(by_number)
        if wanted is not None and wanted < len(rows):
            drawn = check_random_state(self.random_state).permutation(len(rows))
            if hasattr(self, "classes_"):  # at least one row of each class, which scores need
                first = np.unique(y[by_number[drawn]], return_index=True)[1]
                drawn = np.append(drawn[np.sort(first)], np.delete(drawn, first))
            rows = np.sort(by_number[drawn[:wanted]])
        self.n_queries_ = len(rows)
        attention = self._without_window(keys if len(rows) == n_keys else keys[rows], rows)
        with_itself, attention = attention.mask, self._without(attention, rows)
        if distances is not None:
            attention = attention.replace(queries=distances[rows], metric="precomputed")
        unit = self._unit_of(y)
        return Problem(
            LeaveOneOut(
                attention, self._values, self._columns, mask=with_itself, trend=self._trend_of_keys
            ),
            y[rows] / unit if unit != 1 else y[rows],
            unit,
            self._values[rows],
            sample_weight[rows],
            effective_rows(sample_weight),
            n_keys / len(rows),
        )

    def _try(self, problem, windows, form, multiples=None):
        """Evaluate windows, and yield each with its results."""
        multiples = [np.nan] * len(windows) if multiples is None else multiples
        with self._step(f"{len(windows)} bandwidths"):
            fits = problem.leave_one_out.fits(windows, form)
            return [
                (window, self._result(problem, window, fit, form, multiple))
                for window, fit, multiple in zip(windows, fits, multiples)
            ]

    def _result(self, problem, window, fit: Fit, form, multiple) -> dict[str, Any]:
        trace = problem.n_rows_for_each * fit.leverages.sum()
        return {
            "bandwidth": self._shown(window),
            "degree": form.degree,
            "multiple": multiple,
            "score": self._score(problem, fit),
            "effective_dof": trace,
            "empty_share": fit.empty_share,
            "losses": self._losses(fit.predictions, problem.values),
        }

    def _shown(self, window):
        """The bandwidth that represents a window in the results."""
        return (window.columns or self._columns).by_feature(window.name)

    def _score(self, problem, fit):
        if np.isnan(fit.predictions).any():  # the estimator would predict NaN too
            return -np.inf
        if self.scoring in CRITERIA:
            fitted = self._targets.decode(fit.fitted) / problem.unit
            residuals = problem.y - fitted
            squares = residuals.reshape(len(residuals), -1) ** 2
            means = np.column_stack([squares.mean(axis=1), fit.leverages])
            square, leverage = np.average(means, axis=0, weights=problem.sample_weight).tolist()
            n_samples = problem.n_samples
            return -CRITERIA[self.scoring](square, n_samples * leverage, n_samples)
        alike = np.ptp(problem.sample_weight) == 0
        return score_predictions(
            self._scoring,
            problem.y,
            self._targets.decode(fit.predictions) / problem.unit,
            None if alike else problem.sample_weight,
            getattr(self, "classes_", None),
            problem.leave_one_out.attention.queries,
        )

    def _climb(self, problem, rule, form):
        """Multiples of the rule of thumb, with further ones while the best is at an end."""
        if not np.isfinite(rule.bandwidth).any():  # constant data: nothing to choose
            return self._try(problem, [rule], form, [1.0])

        def rungs(numbers):
            multiples = [2 ** (number / 2) for number in numbers]
            windows = [FixedWindow(rule.bandwidth * multiple) for multiple in multiples]
            return self._try(problem, windows, form, multiples)

        ladder = self._ladder(form)
        tried, low, high = rungs(ladder), ladder.start, ladder.stop
        for _ in range(_EXTENSIONS):
            scores = scores_of(tried)
            best = len(tried) - 1 - scores[::-1].argmax()
            # A single outlier can make the rule so wide that all other rows have equal weight.
            coarse = tried[0][1]["effective_dof"] < _LEAST_FREEDOM * problem.n_samples
            if best == len(tried) - 1 and not self._at_the_mean(tried[-2:]):
                tried, high = tried + rungs(range(high, high + _RUNGS)), high + _RUNGS
            elif (best == 0 or coarse) and not self._at_the_nearest(tried[:2]):
                tried, low = rungs(range(low - _RUNGS, low)) + tried, low - _RUNGS
            else:
                break
        return tried

    def _at_the_mean(self, tried):
        """Whether all rows have equal weight, so that wider windows change nothing."""
        less, least = (result["effective_dof"] for _, result in tried)
        means = tried[-1][1]["degree"] == 0 and self._order is None
        limit = 1 if means else less
        return level(tried) and least < limit + 1e-6

    def _at_the_nearest(self, tried):
        """Whether only the nearest rows have weight, so that narrower windows change nothing."""
        n_rows = len(np.unique(np.nan_to_num(self._keys, nan=np.inf), axis=0))
        return level(tried) and tried[0][1]["effective_dof"] > n_rows * (1 - 1e-6)

    def _cross_validate(self, X, y, sample_weight, rule):
        """The search by scikit-learn's cross-validation."""
        candidates = self.bandwidths
        if isinstance(candidates, str):
            by_rule = self._columns.by_feature(rule.bandwidth)
            candidates = [by_rule * 2 ** (number / 2) for number in _LADDER]
        if isinstance(self.cv, Integral) or hasattr(self.cv, "split"):
            # Given splits refer to all rows; other splits are made of the rows with weight.
            X = self._keys if self._columns.plain else X[self._rows]
            y, sample_weight = y[self._rows], sample_weight[self._rows]
        cv, unit = self._splits(X, y), self._unit_of(y)
        y = y / unit if unit != 1 else y
        names = set(self._plain_class._get_param_names()) & set(self._get_param_names())
        params = {name: getattr(self, name) for name in names} | self._columns.of_table()
        plain, scoring = self._plain_class(**params), self._scoring
        grid = self._grid([self._columns.without_names(candidate) for candidate in candidates])
        params, scores = scores_over_folds(plain, grid, X, y, sample_weight, scoring, cv)
        counted = sample_weight[sample_weight > 0]
        windows = [self._resolve(p["bandwidth"], counted) for p in params]
        shown = [self._shown(window) for window in windows]
        self.n_queries_ = len(X)
        tried = [
            (window, {"bandwidth": bandwidth, "degree": p.get("degree", 0), "score": score})
            for window, bandwidth, p, score in zip(windows, shown, params, scores)
        ]
        window, best = best_of(tried, self.scoring)
        self._keep_results(tried, best, unit)
        return window

    def _grid(self, bandwidths):
        """The parameter grid for scikit-learn's search."""
        return {"bandwidth": bandwidths, "degree": self._degrees_compared}

    def _note_best(self, best):
        """Store the results of the search other than the bandwidth."""
        self.degree_ = best["degree"]
