"""The search for a bandwidth: what the `CV` estimators do when they are fitted."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import is_regressor
from sklearn.model_selection import GridSearchCV
from sklearn.utils import check_random_state

from nwkr._base import NadarayaWatsonBase
from nwkr._counts import count_rows
from nwkr._descent import descend
from nwkr._leave_one_out import Fit, LeaveOneOut
from nwkr._metrics import distances_worth_keeping
from nwkr._scoring import CRITERIA, as_scorer, in_units_of, score_predictions, unit_of
from nwkr._validation import Interval, StrOptions
from nwkr._window import FixedWindow, resolve_window, sees_rows

try:
    from sklearn.callback import CallbackSupportMixin as _Callbacks
except ImportError:  # before scikit-learn 1.9

    class _Callbacks:  # type: ignore[no-redef]
        """Nothing to support."""


__all__ = ["BandwidthSearch"]

# "auto" tries the rule of thumb times these powers of sqrt 2, and goes on by as many rungs,
# as often, while the best of them is the last.
_LADDER, _RUNGS, _EXTENSIONS = range(-7, 5), 6, 12
# Degrees of freedom, by row, that the narrowest should leave.
_FINE = 0.1
# All rows are scored up to this number; beyond it, so many.
_ALL, _SOME = 20_000, 5_000


@dataclass(frozen=True)
class _Problem:
    """What a bandwidth is judged by: the rows that are predicted, and what is true of them."""

    leave_one_out: LeaveOneOut
    y: np.ndarray  # in the unit
    unit: float
    values: np.ndarray
    sample_weight: np.ndarray  # of mean 1 over all rows
    n_samples: int  # all rows
    n_rows_for_each: float  # that is predicted


class BandwidthSearch(_Callbacks, NadarayaWatsonBase):
    """A bandwidth from the training rows, each predicted without itself."""

    _parameter_constraints: dict = {
        **NadarayaWatsonBase._parameter_constraints,
        "bandwidths": [StrOptions({"auto"}), "array-like"],
        "per_feature": ["boolean"],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "subsample": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "random_state": ["random_state"],
    }
    _parameter_constraints.pop("bandwidth")

    _plain_class: type[NadarayaWatsonBase]  # the same without a search
    _default_scoring: str

    @abstractmethod
    def _deviance(self, predictions, values, weights):
        """Twice the mean negative log-likelihood, but for a constant, and its slopes."""

    def _choose_window(self, X, y, sample_weight):
        self._check_search()
        weight = sample_weight[self._rows]
        distances = distances_worth_keeping(self._keys, self._metric)
        # What is the best does not depend on the scale of the weights, nor does what is tried.
        rule = self._resolve("scott", _of_mean_1(weight), distances)
        if self.cv is not None:
            return self._cross_validate(X, y, sample_weight, rule)
        self._arrange(rule)
        weight = sample_weight[self._rows]
        problem = self._problem(y[self._rows], _of_mean_1(weight), distances)
        if isinstance(self.bandwidths, str):
            tried = self._climb(problem, rule)
        else:
            tried = self._try(
                problem, [self._resolve(b, weight, distances) for b in self.bandwidths]
            )
        if self.per_feature:
            start = _best(tried, self.scoring)[0]
            tried += self._try(problem, self._descend(problem, rule, start))
        window = _best(tried, self.scoring)[0]
        self.best_score_ = self._in_units_of_y(problem, _scores(tried).max())
        self.cv_results_ = {name: [result[name] for _, result in tried] for name in tried[0][1]}
        self.cv_results_["score"] = [
            self._in_units_of_y(problem, score) for score in self.cv_results_["score"]
        ]
        return window

    def _check_search(self):
        if not isinstance(self.bandwidths, str) and len(self.bandwidths) == 0:
            raise ValueError("bandwidths must be 'auto' or at least one bandwidth; got none.")
        own = [name for name in CRITERIA if name == self.scoring]
        if own and (self._default_scoring != "neg_mean_squared_error" or self.cv is not None):
            raise ValueError(
                f"scoring={self.scoring!r} is a criterion of regression with cv=None; choose "
                f"another scoring."
            )
        if not self.per_feature:
            return
        for name, allowed in (
            ("cv", [None]),
            ("metric", ["euclidean"]),
            ("scoring", [None, self._default_scoring]),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"per_feature=True needs {name} from {allowed}, for it follows the slopes of "
                    f"the leave-one-out loss; got {name}={value!r}."
                )
        if self.kernel_.derivative is None:
            raise ValueError(
                f"per_feature=True needs a kernel with a derivative; got kernel "
                f"{self.kernel_.name!r}, which has none."
            )

    def _resolve(self, bandwidth, sample_weight, distances=None):
        return resolve_window(
            bandwidth,
            self._keys,
            sample_weight,
            self.kernel_,
            self._metric,
            self.n_jobs,
            distances,
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
            wanted = n_keys if n_keys <= _ALL else _SOME
        rows = np.arange(n_keys)
        if wanted is not None and wanted < n_keys:
            by_number = np.argsort(self._rows)  # so that the rows are the same in any order
            drawn = check_random_state(self.random_state).permutation(n_keys)
            if hasattr(self, "classes_"):  # one row of each first, as scores of classes need
                first = np.unique(y[by_number[drawn]], return_index=True)[1]
                drawn = np.append(drawn[np.sort(first)], np.delete(drawn, first))
            rows = np.sort(by_number[drawn[:wanted]])
        self.n_queries_ = len(rows)
        attention = self._without_window(keys if len(rows) == n_keys else keys[rows], rows)
        if distances is not None:
            attention = attention.replace(queries=distances[rows], metric="precomputed")
        unit = unit_of(self.scoring or self._default_scoring, y) if is_regressor(self) else 1.0
        return _Problem(
            LeaveOneOut(attention, self._values),
            y[rows] / unit if unit != 1 else y[rows],
            unit,
            self._values[rows],
            sample_weight[rows],
            n_keys,
            n_keys / len(rows),
        )

    def _try(self, problem, windows):
        """Windows, each with what is known of it."""
        with self._step(f"{len(windows)} bandwidths"):
            fits = problem.leave_one_out.fits(windows)
            return [
                (window, self._result(problem, window, fit)) for window, fit in zip(windows, fits)
            ]

    def _result(self, problem, window, fit: Fit) -> dict[str, Any]:
        trace = problem.n_rows_for_each * fit.leverages.sum()
        return {
            "bandwidth": window.name,
            "score": self._score(problem, fit, trace),
            "effective_dof": trace,
            "empty_share": fit.empty_share,
        }

    def _score(self, problem, fit, trace):
        if np.isnan(fit.predictions).any():  # as is what the estimator would do
            return -np.inf
        if self.scoring in CRITERIA:
            fitted = self._decode(fit.fitted) / problem.unit
            residuals = problem.y - fitted
            squares = residuals.reshape(len(residuals), -1) ** 2
            mean = np.average(squares.mean(axis=1), weights=problem.sample_weight)
            return -CRITERIA[self.scoring](float(mean), trace, problem.n_samples)
        alike = np.ptp(problem.sample_weight) == 0
        return score_predictions(
            self.scoring or self._default_scoring,
            problem.y,
            self._decode(fit.predictions) / problem.unit,
            None if alike else problem.sample_weight,
            getattr(self, "classes_", None),
            problem.leave_one_out.attention.queries,
        )

    def _in_units_of_y(self, problem, score):
        return in_units_of(problem.unit, self.scoring or self._default_scoring, score)

    def _climb(self, problem, rule):
        """Multiples of the rule of thumb, farther and farther while the best is the last."""
        if not np.isfinite(rule.bandwidth).any():  # constant data: nothing to choose
            return self._try(problem, [rule])

        def rungs(numbers):
            return self._try(problem, [FixedWindow(rule.bandwidth * 2 ** (n / 2)) for n in numbers])

        tried, low, high = rungs(_LADDER), _LADDER.start, _LADDER.stop
        for _ in range(_EXTENSIONS):
            scores = _scores(tried)
            best = len(tried) - 1 - scores[::-1].argmax()
            # A row far away makes the rule of thumb so wide that all others count alike.
            coarse = tried[0][1]["effective_dof"] < _FINE * problem.n_samples
            if best == len(tried) - 1 and not self._at_the_mean(tried[-2:]):
                tried, high = tried + rungs(range(high, high + _RUNGS)), high + _RUNGS
            elif (best == 0 or coarse) and not self._at_the_nearest(tried[:2]):
                tried, low = rungs(range(low - _RUNGS, low)) + tried, low - _RUNGS
            else:
                break
        return tried

    def _at_the_mean(self, tried):
        """Whether all rows count alike, and wider windows change nothing."""
        return _level(tried) and tried[-1][1]["effective_dof"] < 1 + 1e-6

    def _at_the_nearest(self, tried):
        """Whether only the nearest rows count, and narrower windows change nothing."""
        n_rows = len(np.unique(self._keys, axis=0))
        return _level(tried) and tried[0][1]["effective_dof"] > n_rows * (1 - 1e-6)

    def _descend(self, problem, rule, start):
        """One bandwidth for each feature, if that is worth them."""
        weights = problem.sample_weight / problem.sample_weight.sum()

        def objective(bandwidth):
            window = FixedWindow(bandwidth)
            with self._step("slopes"):
                (fit,) = problem.leave_one_out.fits([window])
                if np.isnan(fit.predictions).any():
                    return np.inf, np.zeros_like(bandwidth)
                deviance, changes = self._deviance(fit.predictions, problem.values, weights)
                if np.isneginf(deviance):
                    return -np.inf, np.zeros_like(bandwidth)
                return deviance, fit.slopes(changes)

        candidate = np.asarray(start.bandwidth) if isinstance(start, FixedWindow) else None
        found = descend(
            objective, self._keys, rule.bandwidth, candidate, self.shrinkage, count_rows(weights)
        )
        return [] if found is None else [FixedWindow(found)]

    def _cross_validate(self, X, y, sample_weight, rule):
        """The search of scikit-learn, over splits of the rows."""
        candidates = self.bandwidths
        if isinstance(candidates, str):
            candidates = [rule.bandwidth * 2 ** (number / 2) for number in _LADDER]
        if self.cv is None or isinstance(self.cv, Integral) or hasattr(self.cv, "split"):
            # Splits that are given number all rows; others may leave out what is absent.
            X, y, sample_weight = self._keys, y[self._rows], sample_weight[self._rows]
        names = set(self._plain_class._get_param_names()) - {"bandwidth"}
        plain = self._plain_class(**{name: getattr(self, name) for name in names})
        distances = None
        if not any(sees_rows(bandwidth) for bandwidth in candidates):
            distances = distances_worth_keeping(X, self._metric)
        if distances is not None:
            X = distances
            plain.set_params(metric="precomputed", metric_params=None)
        weighted = np.ptp(sample_weight) > 0
        scorer = as_scorer(self.scoring or self._default_scoring, weighted)
        # Routing has the weights count in the scores too, whatever the caller has set.
        with config_context(enable_metadata_routing=weighted):
            search = GridSearchCV(
                plain.set_fit_request(sample_weight=True) if weighted else plain,
                {"bandwidth": list(candidates)},
                scoring=scorer,
                cv=self.cv,
                refit=False,
            ).fit(X, y, **({"sample_weight": sample_weight} if weighted else {}))
        counted = sample_weight[sample_weight > 0]
        windows = [self._resolve(b, counted) for b in candidates]
        scores = search.cv_results_["mean_test_score"]
        self.n_queries_ = len(X)
        self.cv_results_ = {"bandwidth": [window.name for window in windows], "score": scores}
        tried = [(window, {"score": score}) for window, score in zip(windows, scores)]
        window, best = _best(tried, self.scoring)
        self.best_score_ = best["score"]
        return window

    def _begin_fit(self):
        if hasattr(self, "_init_callback_context"):
            context = self._init_callback_context(max_subtasks=None)
            context.call_on_fit_task_begin(estimator=self)

    def _end_fit(self):
        if hasattr(self, "_callback_fit_ctx"):
            self._callback_fit_ctx.call_on_fit_task_end(estimator=self)

    @contextmanager
    def _step(self, name):
        """A step of the search, for callbacks to follow."""
        if not hasattr(self, "_callback_fit_ctx"):
            yield
            return
        context = self._callback_fit_ctx.subcontext(task_name=name)
        context.call_on_fit_task_begin(estimator=self)
        yield
        context.call_on_fit_task_end(estimator=self)


def _of_mean_1(weights):
    shares = weights / weights.max()
    return shares / shares.mean()


def _best(tried, scoring):
    """The window with the best score; of equal ones the last, which of a ladder is the widest."""
    scores = _scores(tried)
    if np.isneginf(scores).all():
        raise ValueError(
            f"No bandwidth has a score by scoring={scoring!r}: it is not a number or minus "
            f"infinity, or there are rows that no other row has weight for. Choose larger "
            f"bandwidths, handle_empty='nearest' or 'mean', or another scoring."
        )
    return tried[len(tried) - 1 - scores[::-1].argmax()]


def _scores(tried):
    scores = np.array([result["score"] for _, result in tried], dtype=float)
    return np.where(np.isnan(scores), -np.inf, scores)


def _level(tried):
    first, second = _scores(tried)
    return bool(first == second or np.isclose(first, second, rtol=1e-9, atol=0))
