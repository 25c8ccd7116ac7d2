"""The estimators over chunks: targets as values, and back."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin

import nwkr._classifier as _classifier
import nwkr._regressor as _regressor
from nwkr._targets import ClassTargets, Targets
from nwkr.dask._base import ChunkedEstimator
from nwkr.dask._survey import survey_classes, survey_numbers

__all__ = ["NadarayaWatsonClassifier", "NadarayaWatsonRegressor"]


class NadarayaWatsonRegressor(MultiOutputMixin, RegressorMixin, ChunkedEstimator):
    """Nadaraya-Watson kernel regression over Dask collections.

    The estimator of the same name in :mod:`nwkr`, for training rows and queries in chunks. It
    has the same parameters, with these limits: `bandwidth` is a number, one for each feature, or a
    rule of thumb; `metric` is not "precomputed", and with any other than "euclidean" the bandwidth
    is a number. A task has one thread, whatever `n_jobs` is.

    Attributes
    ----------
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The bandwidth in use.
    kernel_ : Kernel
        The kernel in use.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of features seen by `fit`, where all are strings.

    See Also
    --------
    nwkr.NadarayaWatsonRegressor : The same for rows in memory, with all its parameters.

    Examples
    --------
    >>> import dask.array as da
    >>> from nwkr.dask import NadarayaWatsonRegressor
    >>> X = da.arange(6.0, chunks=2).reshape(-1, 1)
    >>> model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, X[:, 0] ** 2)
    >>> model.predict(X + 0.5).compute().round(3)
    array([ 0.532,  2.536,  6.536, 12.536, 20.396, 24.838])
    """

    _plain_class = _regressor.NadarayaWatsonRegressor
    _parameter_constraints = _regressor.NadarayaWatsonRegressor._parameter_constraints
    __init__ = _regressor.NadarayaWatsonRegressor.__init__

    @property
    def _degree(self):
        return self.degree

    def predict(self, X):
        """Predict targets, the means of their conditional distributions.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict. None stands for the training rows, each left out of its own
            prediction (and no other row that repeats it).

        Returns
        -------
        y : dask.array.Array of shape (n_queries,) or (n_queries, n_outputs)
            Predictions, of the form that `y` had in `fit`, in the chunks of `X`. Nothing is
            pooled before they are computed; rows that are not as in `fit`, and queries without
            weight where ``handle_empty="error"``, are an error only then.
        """
        return self._predicted(X, _numbers)

    def _surveying(self):
        return survey_numbers

    def _targets_of(self, survey, plain):
        ends = survey.targets
        scale, centre = Targets.unit_of(ends.lowest, ends.highest)
        nothing = np.empty((0, len(scale)))
        targets = Targets(nothing, centre, scale, ends.one_output)
        return targets, None, survey.heaviest, survey.columns.mass


class NadarayaWatsonClassifier(ClassifierMixin, ChunkedEstimator):
    """Nadaraya-Watson kernel classification over Dask collections.

    The estimator of the same name in :mod:`nwkr`, for training rows and queries in chunks. It
    has the same parameters, with these limits: `bandwidth` is a number, one for each feature, or a
    rule of thumb; `metric` is not "precomputed", and with any other than "euclidean" the bandwidth
    is a number. A task has one thread, whatever `n_jobs` is.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    outlier_label_ : label or None
        The label of a query that no training row has weight for, if it has one.
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The bandwidth in use.
    kernel_ : Kernel
        The kernel in use.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of features seen by `fit`, where all are strings.

    See Also
    --------
    nwkr.NadarayaWatsonClassifier : The same for rows in memory, with all its parameters.

    Examples
    --------
    >>> import dask.array as da
    >>> from nwkr.dask import NadarayaWatsonClassifier
    >>> X = da.arange(6.0, chunks=2).reshape(-1, 1)
    >>> model = NadarayaWatsonClassifier(bandwidth=0.5).fit(X, X[:, 0] > 2)
    >>> model.predict(X + 0.6).compute()
    array([False, False,  True,  True,  True,  True])
    """

    _plain_class = _classifier.NadarayaWatsonClassifier
    _parameter_constraints = _classifier.NadarayaWatsonClassifier._parameter_constraints
    __init__ = _classifier.NadarayaWatsonClassifier.__init__

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : Dask array or frame of shape (n_queries, n_features), or None
            Rows to predict. None stands for the training rows, each left out of its own
            prediction (and no other row that repeats it).

        Returns
        -------
        y : dask.array.Array of shape (n_queries,)
            The most probable class, of equally probable ones the first, in the chunks of `X`.
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
            Probability of each class, in the order of `classes_`; rows sum to 1.
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

    def _surveying(self):
        weights = self.class_weight if isinstance(self.class_weight, dict) else {}
        absent = [label for label, weight in weights.items() if weight == 0]
        return partial(survey_classes, absent=absent)

    def _targets_of(self, survey, plain):
        classes = survey.targets
        plain.classes_ = classes.labels
        factors = plain._class_weights(classes.mass)
        plain.outlier_label_ = plain._resolve_outlier_label(factors * classes.mass)
        targets = ClassTargets(classes.labels, np.empty(0, np.int32))
        share = float((classes.heaviest * factors).max())
        mass = float((classes.mass * factors).sum()) / share
        return targets, factors, share * survey.heaviest, mass


def _numbers(model, values):
    return model.targets.decode(values)


def _labels(model, values):
    return model.form.plain._most_probable(_numbers(model, values))


def _logarithms(model, values):
    with np.errstate(divide="ignore"):
        return np.log(_numbers(model, values))
