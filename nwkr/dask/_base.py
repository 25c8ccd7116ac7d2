"""The base class of estimators for chunks: `fit`, the graph of a prediction, and `to_local`."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._feature_bandwidths import by_label
from nwkr._features import Cycle
from nwkr._lazy import Tasks, sizes_of_blocks
from nwkr._leave_one_out import Form
from nwkr._local import LocalLines
from nwkr._metrics import TAKE_GAPS, resolve_metric
from nwkr._pooling import Terms, check_algorithm
from nwkr._resolve_window import resolve_by_spread
from nwkr._window import FixedWindow
from nwkr.bandwidths import RULES, Adaptive, KNearest, RuleOfThumb
from nwkr.dask._chunks import Chunks, check_queries
from nwkr.dask._columns import columns_of
from nwkr.dask._form import RowForm
from nwkr.dask._lattices import answers_by_lattice
from nwkr.dask._model import Model
from nwkr.dask._pairs import answers_by_pairs
from nwkr.dask._quartiles import cut_open, robust_survey
from nwkr.dask._survey import Survey
from nwkr.kernels import get_kernel

__all__ = ["ChunkedEstimator"]

# Seconds of a pair with one thread; only the ratio to the time of a lattice matters.
_FOR_PAIR = 2e-9


class ChunkedEstimator(BaseEstimator, metaclass=ABCMeta):
    """An estimator for chunks of training rows."""

    _plain_class: type[NadarayaWatsonBase]  # the estimator in memory, without a search
    _model: Model

    @abstractmethod
    def _surveying(self):
        """The function that surveys a chunk of rows."""

    def _counting(self):
        """The function that removes rows without weight."""
        return _itself

    @abstractmethod
    def _weighing(self, survey, plain):
        """The weights of rows as keys, and their sum relative to the heaviest."""

    def _trend_of(self, chunks, form, survey, weighing):
        """The survey of keys, and the trend with its parameters for a model."""
        return survey, {}

    def _told(self, model) -> dict[str, Any]:
        """Attributes of the estimator that come from a model."""
        return {}

    def _fit(self, X, y, sample_weight):
        """Survey the training rows, resolve kernel and bandwidth, and store the collections."""
        chunks = Chunks.of(X, y, sample_weight)
        form = RowForm(self._plain(X), exact=self._fits_lines)
        kernel = get_kernel(self.kernel)
        form, survey = self._survey_with_gaps(chunks, form)
        columns, of_columns = form.columns, survey.columns
        assert of_columns is not None
        weighing, mass = self._weighing(survey, form.plain)
        of_keys, trend = self._trend_of(chunks, form, survey, weighing)
        assert of_keys.columns is not None
        moments = of_keys.columns.mean, of_keys.spread_of_filled, of_keys.n_counted
        if self._goes_by_rule:
            survey = self._survey_for_rule(chunks, form, survey)

        def model_of(window, local_form):
            return Model(
                form=form,
                kernel=kernel,
                window=window,
                metric=form.plain._metric,
                lines=LocalLines.of_moments(
                    local_form.degree, local_form.ridge, *moments, window, columns
                ),
                weighing=replace(weighing, unit=of_keys.unit),
                handle_empty=self.handle_empty,
                algorithm=self.algorithm,
                tol=self.tol,
                n_keys=survey.n_rows,
                mass=mass,
                gaps=of_columns.gaps,
                lowest=of_columns.lowest,
                highest=of_columns.highest,
                **(trend if local_form.degree else {}),
            )

        found = self._choose(chunks, model_of, survey, columns)
        degree = found.get("degree_", getattr(self, "degree", 0))
        local_form = Form(degree, found.get("ridge_", getattr(self, "ridge", np.inf)))
        model = model_of(found.pop("window"), local_form)
        terms = Terms(model.metric, kernel, model.window.name, False, model.all_numbers)
        check_algorithm(self.algorithm, terms)
        if self.algorithm in ("auto", "lattice"):
            model = model.sharing_lattice(len(chunks.sizes))
        # All at the end, so that an error leaves the estimator unchanged.
        for name in ("n_features_in_", "feature_names_in_", "classes_", "outlier_label_"):
            if hasattr(form.plain, name):
                setattr(self, name, getattr(form.plain, name))
            elif hasattr(self, name):
                delattr(self, name)
        for name, value in (found | self._told(model)).items():
            setattr(self, name, value)
        self.kernel_, self.bandwidth_ = kernel, copy(columns.by_feature(model.window.bandwidth))
        self._chunks, self._model, self._n_rows = chunks, model, survey.n_rows
        return self

    def to_local(self):
        """The estimator for rows in memory, fitted on the same rows with the same bandwidth.

        All training rows are loaded.

        Returns
        -------
        estimator : estimator
            A :class:`nwkr.NadarayaWatsonRegressor` or :class:`nwkr.NadarayaWatsonClassifier`, also
            for a search, with its bandwidth and degree.
        """
        check_is_fitted(self)
        parts = self._chunks.X, self._chunks.y, self._chunks.sample_weight
        # One by one, because Dask warns if arrays and frames are computed together.
        X, y, sample_weight = (None if part is None else part.compute() for part in parts)
        found = {"bandwidth": self.bandwidth_}
        for name in ("degree", "ridge"):
            if hasattr(self, f"{name}_"):
                found[name] = getattr(self, f"{name}_")
        local = self._in_memory(self._plain_class, **found)
        return local.fit(X, y, sample_weight)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_model")

    @property
    def _fits_lines(self):
        """Whether columns may have slopes."""
        return bool(self.degree)

    @property
    def _goes_by_rule(self):
        """Whether the bandwidth is a rule of thumb."""
        some = isinstance(by_label(self.bandwidth), str | RuleOfThumb | dict)
        return some and self.metric == "euclidean"

    def _in_memory(self, estimator_class, **params):
        """An ordinary estimator with the parameters of this one, except for some."""
        names = set(estimator_class._get_param_names()) & set(self._get_param_names())
        return estimator_class(**{name: getattr(self, name) for name in names} | params)

    def _plain(self, X):
        """An ordinary estimator that checks rows."""
        if self.metric == "precomputed":
            raise ValueError(
                "metric='precomputed' needs all distances in memory; got chunks. Choose another "
                "metric, or fit the estimators of nwkr."
            )
        for name in ("one_sided", "gap"):
            if (value := getattr(self, name, None)) is not None:
                raise ValueError(
                    f"{name} needs all rows in memory; got chunks, and {name}={value!r}. Fit the "
                    f"estimators of nwkr."
                )
        if self._fits_lines and self.metric != "euclidean":
            raise ValueError(
                f"degree=1 needs metric='euclidean', because lines need columns; got "
                f"metric={self.metric!r}. degree=0 accepts any metric."
            )
        plain = self._in_memory(self._plain_class)
        plain._metric = resolve_metric(self.metric, self.metric_params)
        columns = columns_of(
            X,
            self.categorical_features,
            self.ordered_features,
            self.periodic_features,
            gaps=plain._metric in TAKE_GAPS,
        )
        if self.metric != "euclidean":
            columns.require_plain(f"metric={self.metric!r}")
        plain._columns = replace(columns, with_slopes=self._fits_lines)
        plain.n_features_in_ = columns.n_features
        names = list(getattr(X, "columns", ()))
        if names and all(isinstance(name, str) for name in names):
            plain.feature_names_in_ = np.asarray(names, dtype=object)
        return plain

    def _survey_with_gaps(self, chunks, form) -> tuple[RowForm, Survey]:
        """The survey, and the form of rows with the columns that have missing numbers."""
        survey = self._survey(chunks, form)
        assert survey.columns is not None
        columns = form.columns.missing_in(form.columns.by_feature(survey.columns.gaps))
        if columns.missing is not None:  # an indicator of missing numbers is a column too
            form = form.of(columns)
            survey = self._survey(chunks, form)
        if columns.gaps:
            form = form.of(columns.of_spread(survey.spread))
        return form, survey

    def _survey_for_rule(self, chunks, form, survey) -> Survey:
        """The survey with a spread of columns that is robust to outliers."""
        counting, of_numbers = self._counting(), survey
        if any(isinstance(feature, Cycle) for feature in form.columns.features):
            cut = partial(cut_open, columns=form.columns, mean=survey.columns.mean)
            of_numbers = self._survey(chunks, form, cut)
            counting = partial(_one_by_one, functions=(cut, counting))
        return replace(survey, robust=robust_survey(chunks, form, of_numbers, counting).robust)

    def _survey(self, chunks, form, changing=None) -> Survey:
        tasks, surveying = Tasks(), self._surveying()
        if changing is not None:
            surveying = partial(_one_by_one, functions=(changing, surveying))
        rows = chunks.rows(tasks, tasks.put("form", form))
        surveyed = [tasks.add("survey", n, surveying, key) for n, key in enumerate(rows)]
        survey = tasks.value(tasks.tree("merge-surveys", Survey.merge, surveyed)).compute()
        if survey is None:
            raise ValueError(
                "X must have rows with positive weight; got none in any chunk. Pass at least one."
            )
        if survey.columns is None:
            raise ValueError(
                f"class_weight must leave some row with positive weight; got "
                f"{self.class_weight!r}, with which all weights are 0."
            )
        return survey

    def _choose(self, chunks, model_of, survey, columns) -> dict[str, Any]:
        """The window, and further attributes of the fitted estimator."""
        return {"window": self._resolve(self.bandwidth, survey, survey.n_counted, columns)}

    def _resolve(self, bandwidth, survey, n_rows, columns) -> FixedWindow:
        """A fixed bandwidth for this many rows."""
        rule = RULES.get(bandwidth) if isinstance(bandwidth, str) else bandwidth
        of_thumb = isinstance(rule, RuleOfThumb)
        if not of_thumb and (callable(rule) or isinstance(rule, KNearest | Adaptive)):
            raise ValueError(
                f"bandwidth must be a number, one for each feature, or a rule of thumb for rows in "
                f"chunks; got {bandwidth!r}, which needs all rows at once. Choose a bandwidth on "
                f"a sample of them, or with a CV estimator."
            )
        euclidean = self.metric == "euclidean"
        survey = survey if survey.robust is not None else replace(survey, robust=survey.spread)
        if of_thumb and not euclidean:
            raise ValueError(
                f"bandwidth={bandwidth!r} needs metric='euclidean' for rows in chunks, because "
                f"other rules average distances over all pairs; got metric={self.metric!r}. Give a "
                f"number."
            )
        spread = survey.robust if euclidean else None
        kernel = get_kernel(self.kernel)
        return resolve_by_spread(bandwidth, spread, n_rows, kernel, columns)

    def _predicted(self, X, answer):
        """A lazy array of `answer` applied to the model and the pooled values of queries."""
        check_is_fitted(self)
        source = self._chunks.X if X is None else X
        if X is not None:
            check_queries(X)
        elif self._n_rows == 1:
            raise ValueError(
                "X=None leaves each training row out of its own prediction, which needs at least "
                "2 rows with positive weight; got 1."
            )
        tasks, model = Tasks(), self._model
        ways = {"model": model, "chunks": self._chunks, "answer": answer}
        if self._goes_by_lattice(X):
            answers = answers_by_lattice(tasks, queries=X, **ways)
        else:
            answers = answers_by_pairs(tasks, queries=X, **ways)
        nothing = np.empty((0, model.targets.values.shape[1]))
        return tasks.array(answers, sizes_of_blocks(source), answer(model, nothing))

    def _goes_by_lattice(self, X):
        """Whether to pool on a lattice, not pair by pair."""
        model = self._model
        if model.lattice is None:
            return False
        n_queries = np.nan if X is None else sum(sizes_of_blocks(X))
        n_queries = model.n_keys if np.isnan(n_queries) else n_queries
        pairs = _FOR_PAIR * n_queries * model.n_keys
        seconds = model.lattice.seconds(int(n_queries) + model.n_keys)
        return self.algorithm == "lattice" or seconds < pairs


def _itself(rows):
    return rows


def _one_by_one(rows, functions):
    """The composition of functions of rows."""
    for function in functions:
        rows = None if rows is None else function(rows)
    return rows
