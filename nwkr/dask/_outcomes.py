"""Conversion of targets to values and back, for chunks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

import nwkr._classifier as _classifier
import nwkr._regressor as _regressor
from nwkr._class_parameters import class_weights, outlier_label_of
from nwkr._lazy import is_lazy
from nwkr._targets import ClassTargets, Targets
from nwkr.dask._base import ChunkedEstimator
from nwkr.dask._form import Weighing
from nwkr.dask._survey import survey_classes, survey_numbers
from nwkr.dask._trend import trend_over_chunks

__all__ = ["Classification", "Regression"]


class Regression(MultiOutputMixin, RegressorMixin, ChunkedEstimator):
    """Regression for chunks."""

    _plain_class = _regressor.NadarayaWatsonRegressor

    def predict(self, X):
        """Predict targets, the means of their conditional distributions.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict. None predicts the training rows, each left out of its own prediction
            (copies of a row stay in).

        Returns
        -------
        y : dask.array.Array of shape (n_queries,) or (n_queries, n_outputs)
            Predictions, in the form of `y` in `fit`, in the chunks of `X`. They are lazy: invalid
            rows, and queries without weight with ``handle_empty="error"``, raise an error only when
            they are computed.
        """
        return self._predicted(X, _numbers)

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination, R2, of the predictions.

        Predictions and targets are computed at once, and loaded into memory.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict, as in `predict`.
        y : array-like or Dask collection of shape (n_queries,) or (n_queries, n_outputs)
            True targets of these rows; those of the training rows for None.
        sample_weight : array-like or Dask collection of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            R2, averaged over the outputs. It is 1 for exact predictions, and 0 for those that are
            as good as the mean of `y`.

        Raises
        ------
        ValueError
            If rows, targets or weights are invalid; if a prediction is NaN; if a query has no
            weight and ``handle_empty="error"``.
        """
        answers, weight = self.predict(X).compute(), _loaded(sample_weight)
        return r2_score(_loaded(y), answers, sample_weight=weight)

    def _surveying(self):
        return survey_numbers

    def _weighing(self, survey, plain):
        ends = survey.targets
        scale, centre = Targets.unit_of(ends.lowest, ends.highest)
        nothing = np.empty((0, len(scale)))
        targets = Targets(nothing, centre, scale, ends.one_output)
        return Weighing(targets, survey.heaviest, None, survey.unit), survey.columns.mass


class Classification(ClassifierMixin, ChunkedEstimator):
    """Classification for chunks."""

    _plain_class = _classifier.NadarayaWatsonClassifier

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict. None predicts the training rows, each left out of its own prediction
            (copies of a row stay in).

        Returns
        -------
        y : dask.array.Array of shape (n_queries,)
            The most probable class, the first one of equally probable classes, in the chunks of
            `X`; `outlier_label` for queries whose probabilities are NaN. Labels are lazy: invalid
            rows, and queries without a label, raise an error only when they are computed.
        """
        return self._predicted(X, _labels)

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict, as in `predict`.

        Returns
        -------
        probabilities : dask.array.Array of shape (n_queries, n_classes)
            Probability of each class, in the order of `classes_`; rows sum to 1. NaN for queries
            that no training row has weight for, with ``handle_empty="nan"``.
        """
        return self._predicted(X, _numbers)

    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict, as in `predict`.

        Returns
        -------
        log_probabilities : dask.array.Array of shape (n_queries, n_classes)
            Logarithm of the probability of each class, ``-inf`` where that is 0.
        """
        return self._predicted(X, _logarithms)

    def score(self, X, y, sample_weight=None):
        """Accuracy of the predicted labels.

        Labels are computed at once, and loaded into memory.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict, as in `predict`.
        y : array-like or Dask collection of shape (n_queries,)
            True labels of these rows; those of the training rows for None.
        sample_weight : array-like or Dask collection of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The weighted share of rows whose label is predicted.

        Raises
        ------
        ValueError
            If rows, labels or weights are invalid; if a query has no label.
        """
        answers, weight = self.predict(X).compute(), _loaded(sample_weight)
        return accuracy_score(_loaded(y), answers, sample_weight=weight)

    def _counting(self):
        return partial(_of_other_classes, absent=self._absent)

    def _surveying(self):
        return partial(survey_classes, absent=self._absent)

    @property
    def _absent(self):
        """Labels of classes that have no weight."""
        weights = self.class_weight if isinstance(self.class_weight, dict) else {}
        return [label for label, weight in weights.items() if weight == 0]

    def _weighing(self, survey, plain):
        classes = survey.targets
        plain.classes_ = classes.labels
        factors = class_weights(self.class_weight, classes.labels, classes.mass)
        plain.outlier_label_ = outlier_label_of(
            self.outlier_label, classes.labels, factors * classes.mass
        )
        targets = ClassTargets(classes.labels, np.empty(0, np.int32))
        share = float((classes.heaviest * factors).max())
        mass = float((classes.mass * factors).sum()) / share
        return Weighing(targets, share * survey.heaviest, factors, survey.unit), mass

    def _trend_of(self, chunks, form, survey, weighing):
        if not self._fits_lines:
            return survey, {}
        of_keys = survey
        if self.class_weight is not None:
            of_keys = self._survey(chunks, form, weighing.weighed)
        weighing = replace(weighing, unit=of_keys.unit)
        present = np.flatnonzero(survey.targets.mass * weighing.class_weights)
        trend, curvature = trend_over_chunks(chunks, form, weighing, of_keys, present)
        return of_keys, {"trend": trend, "curvature": curvature}

    def _told(self, model):
        return {"trend_": model.trend and model.trend.model}


def _loaded(data):
    return data.compute() if is_lazy(data) else data


def _numbers(model, values):
    return model.targets.decode(values)


def _labels(model, values):
    return model.form.plain._most_probable(_numbers(model, values))


def _logarithms(model, values):
    with np.errstate(divide="ignore"):
        return np.log(_numbers(model, values))


def _of_other_classes(rows, absent):
    counted = np.flatnonzero(~np.isin(rows.y, absent))
    return rows.take(counted) if len(counted) else None
