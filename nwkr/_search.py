"""The search for a bandwidth: what the `CV` estimators do when they are fitted."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils import check_random_state

from nwkr._base import NadarayaWatsonBase
from nwkr._counts import count_rows, of_mean_1
from nwkr._descent import descend
from nwkr._feature_bandwidths import origin, wider
from nwkr._folds import scores_over_folds
from nwkr._leave_one_out import Fit, LeaveOneOut
from nwkr._left_out import LeftOut
from nwkr._metrics import distances_worth_keeping
from nwkr._objective import Problem, by_criterion
from nwkr._progress import Progress
from nwkr._ranking import best_of, level, scores_of
from nwkr._scoring import CRITERIA, in_units_of, score_predictions, unit_of
from nwkr._validation import Interval, StrOptions
from nwkr._window import FixedWindow, resolve_window

__all__ = ["BandwidthSearch"]

# "auto" tries the rule of thumb times these powers of sqrt 2. While the best is the last at either
# end, it tries so many more at that end, at most so often.
_LADDER, _RUNGS, _EXTENSIONS = range(-7, 5), 6, 12
# The ladder goes on downwards until its narrowest window has this many degrees of freedom a row.
_LEAST_FREEDOM = 0.1
# The bandwidths of a descent on some of the rows are made narrower for all rows, as the rule of
# thumb would be, and are tried times these powers of sqrt 2.
_NEARBY = range(-3, 4)
# Multiples of the rule of thumb among which a descent on a criterion starts from the best.
_STARTS = 2.0 ** np.arange(-3, 4)


class BandwidthSearch(Progress, LeftOut):
    """A bandwidth from the training rows, each predicted without itself."""

    _parameter_constraints: dict = {
        **LeftOut._parameter_constraints,
        "bandwidths": [StrOptions({"auto"}), "array-like"],
        "per_feature": ["boolean", StrOptions({"auto"})],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "subsample": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "random_state": ["random_state"],
    }
    _parameter_constraints.pop("bandwidth")

    # With subsample="auto" all rows are scored up to the first number; of more, the second.
    _most_rows_scored, _rows_drawn = 20_000, 5_000
    # A descent on a criterion of the fit looks at so many rows.
    _rows_of_descent = 2_000

    _plain_class: type[NadarayaWatsonBase]  # the same without a search
    _default_scoring: str

    def _comparable(self, residuals):
        """Residuals of the values in units that make the outputs comparable."""
        return residuals

    @abstractmethod
    def _deviance(self, predictions, values, weights):
        """Twice the mean negative log-likelihood, but for a constant, and its slopes."""

    @property
    def _degrees(self):
        """Degrees of what is fitted in a window that are to be compared."""
        return (0,)

    @property
    def _penalty(self):
        """The weight of the penalty on slopes, counted in rows."""
        return np.inf

    @property
    def _criterion(self):
        """The criterion of the fit that a descent minimises; None for leave-one-out."""
        return None

    def _choose_window(self, X, y, sample_weight):
        self._check_search()
        weight = sample_weight[self._rows]
        distances = distances_worth_keeping(self._keys, self._metric)
        # Weights of mean 1, so that neither the candidates nor the best depend on their scale.
        rule = self._resolve("scott", of_mean_1(weight), distances)
        if self.cv is not None:
            return self._cross_validate(X, y, sample_weight, rule)
        self._arrange(rule)
        weight = sample_weight[self._rows]
        problem = self._problem(y[self._rows], of_mean_1(weight), distances)
        candidates = None
        if not isinstance(self.bandwidths, str):
            candidates = [self._resolve(b, weight, distances) for b in self.bandwidths]
        tried = []
        for degree in self._degrees:
            if candidates is None:
                found = self._climb(problem, rule, degree)
            else:
                found = self._try(problem, candidates, degree)
            if self._goes_by_feature(rule):
                start = best_of(found, self.scoring)[0]
                windows = self._descend(problem, rule, start, degree)
                found += self._try(problem, windows, degree)
            tried += found
        window, best = best_of(tried, self.scoring)
        self._keep_results(problem, tried, best)
        return window

    def _keep_results(self, problem, tried, best):
        self._note_best(best)
        self.best_score_ = self._in_units_of_y(problem, best["score"])
        self.cv_results_ = {name: [result[name] for _, result in tried] for name in tried[0][1]}
        self.cv_results_["score"] = [
            self._in_units_of_y(problem, score) for score in self.cv_results_["score"]
        ]

    def _goes_by_feature(self, rule):
        """Whether to look for one bandwidth for each feature."""
        if self.per_feature != "auto":
            return self.per_feature
        varying = np.isfinite(self._columns.by_feature(rule.bandwidth)).sum() > 1
        return bool(varying and isinstance(self.bandwidths, str) and not self._per_feature_lacks())

    def _per_feature_lacks(self):
        """What keeps bandwidths from being one for each feature; None if nothing does."""
        criteria = list(CRITERIA) if self._default_scoring == "neg_mean_squared_error" else []
        for name, allowed in (
            ("cv", [None]),
            ("metric", ["euclidean"]),
            ("scoring", [None, self._default_scoring, *criteria]),
        ):
            value = getattr(self, name)
            if value not in allowed:
                return (
                    f"{name} from {allowed}, for it follows the slopes of the leave-one-out loss; "
                    f"got {name}={value!r}"
                )
        if self.kernel_.derivative is None:
            return f"a kernel with a derivative; got kernel {self.kernel_.name!r}, which has none"
        return None

    def _check_search(self):
        if not isinstance(self.bandwidths, str) and len(self.bandwidths) == 0:
            raise ValueError("bandwidths must be 'auto' or at least one bandwidth; got none.")
        own = [name for name in CRITERIA if name == self.scoring]
        if own and (self._default_scoring != "neg_mean_squared_error" or self.cv is not None):
            raise ValueError(
                f"scoring={self.scoring!r} is a criterion of regression with cv=None; choose "
                f"another scoring."
            )
        self._check_left_out(bool(own))
        if self.per_feature == "auto" or not self.per_feature:
            return
        if lacks := self._per_feature_lacks():
            raise ValueError(f"per_feature=True needs {lacks}.")

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
                "Leaving each training row out takes at least 2 rows with positive weight; got 1 "
                "sample."
            )
        wanted = self.subsample
        if wanted == "auto":
            wanted = n_keys if n_keys <= self._most_rows_scored else self._rows_drawn
        by_number = self._to_predict()
        rows = np.sort(by_number)
        if wanted is not None and wanted < len(rows):
            drawn = check_random_state(self.random_state).permutation(len(rows))
            if hasattr(self, "classes_"):  # one row of each first, as scores of classes need
                first = np.unique(y[by_number[drawn]], return_index=True)[1]
                drawn = np.append(drawn[np.sort(first)], np.delete(drawn, first))
            rows = np.sort(by_number[drawn[:wanted]])
        self.n_queries_ = len(rows)
        attention = self._without_window(keys if len(rows) == n_keys else keys[rows], rows)
        with_itself, attention = attention.mask, self._without(attention, rows)
        if distances is not None:
            attention = attention.replace(queries=distances[rows], metric="precomputed")
        unit = unit_of(self.scoring or self._default_scoring, y) if is_regressor(self) else 1.0
        return Problem(
            LeaveOneOut(attention, self._values, self._penalty, self._columns, mask=with_itself),
            y[rows] / unit if unit != 1 else y[rows],
            unit,
            self._values[rows],
            sample_weight[rows],
            n_keys,
            n_keys / len(rows),
        )

    def _try(self, problem, windows, degree, multiples=None):
        """Evaluate windows: each with its results."""
        multiples = [np.nan] * len(windows) if multiples is None else multiples
        with self._step(f"{len(windows)} bandwidths"):
            fits = problem.leave_one_out.fits(windows, degree)
            return [
                (window, self._result(problem, window, fit, degree, multiple))
                for window, fit, multiple in zip(windows, fits, multiples)
            ]

    def _result(self, problem, window, fit: Fit, degree, multiple) -> dict[str, Any]:
        trace = problem.n_rows_for_each * fit.leverages.sum()
        return {
            "bandwidth": self._columns.by_feature(window.name),
            "degree": degree,
            "multiple": multiple,
            "score": self._score(problem, fit, trace),
            "effective_dof": trace,
            "empty_share": fit.empty_share,
        }

    def _score(self, problem, fit, trace):
        if np.isnan(fit.predictions).any():  # the estimator would predict NaN, too
            return -np.inf
        if self.scoring in CRITERIA:
            fitted = self._targets.decode(fit.fitted) / problem.unit
            residuals = problem.y - fitted
            squares = residuals.reshape(len(residuals), -1) ** 2
            mean = np.average(squares.mean(axis=1), weights=problem.sample_weight)
            return -CRITERIA[self.scoring](float(mean), trace, problem.n_samples)
        alike = np.ptp(problem.sample_weight) == 0
        return score_predictions(
            self.scoring or self._default_scoring,
            problem.y,
            self._targets.decode(fit.predictions) / problem.unit,
            None if alike else problem.sample_weight,
            getattr(self, "classes_", None),
            problem.leave_one_out.attention.queries,
        )

    def _in_units_of_y(self, problem, score):
        return in_units_of(problem.unit, self.scoring or self._default_scoring, score)

    def _climb(self, problem, rule, degree):
        """Multiples of the rule of thumb, farther and farther while the best is the last."""
        if not np.isfinite(rule.bandwidth).any():  # constant data: nothing to choose
            return self._try(problem, [rule], degree, [1.0])

        def rungs(numbers):
            multiples = [2 ** (number / 2) for number in numbers]
            windows = [FixedWindow(rule.bandwidth * multiple) for multiple in multiples]
            return self._try(problem, windows, degree, multiples)

        tried, low, high = rungs(_LADDER), _LADDER.start, _LADDER.stop
        for _ in range(_EXTENSIONS):
            scores = scores_of(tried)
            best = len(tried) - 1 - scores[::-1].argmax()
            # A single row far away can make the rule so wide that all others have equal weight.
            coarse = tried[0][1]["effective_dof"] < _LEAST_FREEDOM * problem.n_samples
            if best == len(tried) - 1 and not self._at_the_mean(tried[-2:]):
                tried, high = tried + rungs(range(high, high + _RUNGS)), high + _RUNGS
            elif (best == 0 or coarse) and not self._at_the_nearest(tried[:2]):
                tried, low = rungs(range(low - _RUNGS, low)) + tried, low - _RUNGS
            else:
                break
        return tried

    def _at_the_mean(self, tried):
        """Whether all rows count alike, and wider windows change nothing."""
        less, least = (result["effective_dof"] for _, result in tried)
        means = tried[-1][1]["degree"] == 0 and self._order is None
        limit = 1 if means else less
        return level(tried) and least < limit + 1e-6

    def _at_the_nearest(self, tried):
        """Whether only the nearest rows count, and narrower windows change nothing."""
        n_rows = len(np.unique(np.nan_to_num(self._keys, nan=np.inf), axis=0))
        return level(tried) and tried[0][1]["effective_dof"] > n_rows * (1 - 1e-6)

    def _descend(self, problem, rule, start, degree):
        """One bandwidth for each feature, if these are better."""
        columns, criterion, candidate = self._columns, self._criterion, None
        scaled = columns.by_feature(rule.bandwidth)
        if isinstance(start, FixedWindow):
            candidate = columns.by_feature(start.bandwidth)
        if criterion is None:
            weights = problem.sample_weight / problem.sample_weight.sum()

            def by_leave_one_out(bandwidth):
                fit = problem.leave_one_out.fit(bandwidth, degree)
                if np.isnan(fit.predictions).any():
                    return np.inf, np.zeros_like(bandwidth)
                deviance, changes = self._deviance(fit.predictions, problem.values, weights)
                if not np.isfinite(deviance):
                    return deviance, np.zeros_like(bandwidth)
                return deviance, columns.summed(fit.slopes(changes))

            objective, n_rows = self._in_steps(by_leave_one_out), count_rows(weights)
            own = origin(columns, self._keys, scaled)
            found = descend(objective, own, scaled, candidate, self.shrinkage, n_rows)
            return [] if found is None else [FixedWindow(columns.by_column(found))]

        some, leave_one_out = self._some_rows(problem)
        attention, targets = leave_one_out.attention, leave_one_out.targets
        weights = attention.weights / attention.weights.sum()

        def by_fit(bandwidth):
            fit = leave_one_out.fit(bandwidth, degree)
            if np.isnan(fit.fitted).any():
                return np.inf, np.zeros_like(bandwidth)
            residuals = self._comparable(fit.fitted - targets)
            value, slopes = by_criterion(criterion, fit, residuals, weights, len(weights))
            return value, columns.summed(slopes)

        factor = wider(columns, len(self._rows), len(weights), scaled)
        objective, scaled = self._in_steps(by_fit), factor * scaled
        # The descent starts from the multiple that is the best by the criterion itself.
        starts = [scaled * multiple for multiple in _STARTS]
        if candidate is not None:
            starts.append(factor * candidate)
        start = min(starts, key=lambda bandwidth: objective(bandwidth)[0])
        own = origin(columns, attention.keys, scaled)
        found = descend(objective, own, scaled, start, self.shrinkage)
        if found is None:
            return []
        found = columns.by_column(found / factor)
        return [FixedWindow(found * 2 ** (number / 2)) for number in (_NEARBY if some else (0,))]

    def _some_rows(self, problem):
        """Whether a descent takes some of the rows only, and these, each left out of the rest."""
        n_keys = len(self._rows)
        drawn = np.argsort(self._rows)  # so that the rows are the same in any order
        if n_keys > self._rows_of_descent:
            order = check_random_state(self.random_state).permutation(n_keys)
            drawn = drawn[order[: self._rows_of_descent]]
        drawn = np.sort(drawn)
        attention = self._without_window(self._keys, np.arange(n_keys))
        if n_keys > len(drawn):
            attention = attention.take(drawn, drawn)
        leave_one_out = LeaveOneOut(attention, self._values[drawn], self._penalty, self._columns)
        return n_keys > len(drawn), leave_one_out

    def _cross_validate(self, X, y, sample_weight, rule):
        """The search of scikit-learn, over splits of the rows."""
        candidates = self.bandwidths
        if isinstance(candidates, str):
            by_rule = self._columns.by_feature(rule.bandwidth)
            candidates = [by_rule * 2 ** (number / 2) for number in _LADDER]
        if isinstance(self.cv, Integral) or hasattr(self.cv, "split"):
            # Splits that are given count all rows; others are made of the rows with weight.
            X = self._keys if self._columns.plain else X[self._rows]
            y, sample_weight = y[self._rows], sample_weight[self._rows]
        cv = self._splits(X, y)
        names = set(self._plain_class._get_param_names()) & set(self._get_param_names())
        params = {name: getattr(self, name) for name in names} | self._columns.of_table()
        plain, scoring = self._plain_class(**params), self.scoring or self._default_scoring
        grid = self._grid([self._columns.without_names(candidate) for candidate in candidates])
        params, scores = scores_over_folds(plain, grid, X, y, sample_weight, scoring, cv)
        counted = sample_weight[sample_weight > 0]
        windows = [self._resolve(p["bandwidth"], counted) for p in params]
        shown = [self._columns.by_feature(window.name) for window in windows]
        self.n_queries_ = len(X)
        tried = [
            (window, {"bandwidth": bandwidth, "degree": p.get("degree", 0), "score": score})
            for window, bandwidth, p, score in zip(windows, shown, params, scores)
        ]
        window, best = best_of(tried, self.scoring)
        self.best_score_ = best["score"]
        self.cv_results_ = {name: [result[name] for _, result in tried] for name in best}
        self._note_best(best)
        return window

    def _grid(self, bandwidths):
        """What scikit-learn's search compares."""
        return {"bandwidth": bandwidths}

    def _note_best(self, best):
        """Keep what was found beside the best bandwidth."""
