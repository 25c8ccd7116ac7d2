"""Scores of leave-one-out predictions, and criteria of the fit."""

from __future__ import annotations

from copy import copy
from functools import partial
from inspect import Parameter, signature
from math import inf, ldexp, log

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, make_scorer

__all__ = [
    "CRITERIA",
    "aicc",
    "as_scorer",
    "brier_score",
    "gcv",
    "in_units_of",
    "log_loss",
    "score_predictions",
    "squared_error",
    "unit_of",
]


def aicc(mean_square: float, trace: float, n_samples: float) -> float:
    """Corrected Akaike criterion of a smoother; infinite with too many degrees of freedom.

    C. M. Hurvich, J. S. Simonoff, C.-L. Tsai, "Smoothing Parameter Selection in Nonparametric
    Regression Using an Improved Akaike Information Criterion", *Journal of the Royal
    Statistical Society B* 60(2), 1998. `doi:10.1111/1467-9868.00125
    <https://doi.org/10.1111/1467-9868.00125>`_
    """
    if trace + 2 >= n_samples:
        return inf
    penalty = (1 + trace / n_samples) / (1 - (trace + 2) / n_samples)
    return log(mean_square) + penalty if mean_square > 0 else -inf


def gcv(mean_square: float, trace: float, n_samples: float) -> float:
    """Generalised cross-validation; infinite with too many degrees of freedom.

    P. Craven, G. Wahba, "Smoothing Noisy Data with Spline Functions", *Numerische Mathematik*
    31, 1978. `doi:10.1007/BF01404567 <https://doi.org/10.1007/BF01404567>`_
    """
    return inf if trace + 2 >= n_samples else mean_square / (1 - trace / n_samples) ** 2


CRITERIA = {"aicc": aicc, "gcv": gcv}
"""Criteria of the mean squared residual and the trace of the smoother: the less, the better."""

# The power with which a score grows with a factor of the targets.
_POWERS = {
    "neg_mean_squared_error": 2,
    "gcv": 2,
    "neg_root_mean_squared_error": 1,
    "neg_mean_absolute_error": 1,
    "neg_median_absolute_error": 1,
    "neg_max_error": 1,
    "max_error": 1,
    "r2": 0,
    "explained_variance": 0,
    "aicc": 0,  # up to a constant
}


def unit_of(scoring, y) -> float:
    """A unit of the targets in which their scores neither overflow nor underflow.

    Parameters
    ----------
    scoring : str or callable
        As in `score_predictions`, or one of `CRITERIA`.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets.

    Returns
    -------
    unit : float
        A power of 2, which is exact: about the range of the targets, or 1 for constant targets and
        for scores whose scaling is unknown.
    """
    if not isinstance(scoring, str) or scoring not in _POWERS:
        return 1.0
    extent = np.max(y.max(axis=0) / 2 - y.min(axis=0) / 2)
    return ldexp(1.0, int(np.frexp(extent)[1]) - 1) if extent > 0 else 1.0


def in_units_of(unit: float, scoring, score: float) -> float:
    """The score of targets, from the score of the targets divided by a unit."""
    if unit == 1:
        return score
    if scoring == "aicc":
        return score - 2 * log(unit)
    for _ in range(_POWERS[scoring]):  # one by one, so that infinity stays infinity
        score = float(score) * unit
    return score


def squared_error(predictions, values, weights):
    """Mean squared error, and its derivatives by the predictions.

    Parameters
    ----------
    predictions : ndarray of shape (n_rows, n_values)
        Predictions.
    values : ndarray of shape (n_rows, n_values)
        True values.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, of sum 1.

    Returns
    -------
    loss : float
        The loss, summed over the values.
    slopes : ndarray of shape (n_rows, n_values)
        Its derivatives.
    """
    residuals = values - predictions
    return float(weights @ (residuals**2).sum(axis=1)), -2 * weights[:, None] * residuals


def log_loss(predictions, values, weights):
    """Mean negative logarithm of the true class's probability, and its derivatives.

    Parameters
    ----------
    predictions : ndarray of shape (n_rows, n_classes)
        Probabilities.
    values : ndarray of shape (n_rows, n_classes)
        One-hot classes.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, of sum 1.

    Returns
    -------
    loss : float
        The loss. As in scikit-learn, probabilities are clipped at the rounding error of 1.
    slopes : ndarray of shape (n_rows, n_classes)
        Its derivatives.
    """
    of_truth = (predictions * values).sum(axis=1)
    least = np.finfo(float).eps
    clipped = np.maximum(of_truth, least)
    slopes = np.where(of_truth > least, -weights / clipped, 0)
    return float(-weights @ np.log(clipped)), slopes[:, None] * values


def brier_score(predictions, values, weights):
    """Mean squared error of the probabilities; for two classes, of one of them."""
    error, _ = squared_error(predictions, values, weights)
    return error / 2 if values.shape[1] == 2 else error


def score_predictions(scoring, y, predictions, sample_weight=None, classes=None, X=None) -> float:
    """Score predictions as scikit-learn would score the estimator.

    Parameters
    ----------
    scoring : str or callable
        Name of a scorer, a scorer, or a function ``(y_true, y_pred) -> float``.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        True targets or labels.
    predictions : ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_classes)
        Predictions; probabilities for classes.
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Weights.
    classes : ndarray of shape (n_classes,) or None, default=None
        Class labels, for a classifier.
    X : ndarray of shape (n_samples, n_features) or None, default=None
        The predicted rows, for scorers that use them; if None, the predictions are passed instead.

    Returns
    -------
    score : float
        The score; greater is better.

    Raises
    ------
    AttributeError, TypeError
        If a scorer uses more of the estimator than its predictions.
    ValueError
        If a scorer predicts other rows than the given ones, or cannot score them, or if a function
        is a loss.
    """
    if classes is not None and scoring in ("neg_log_loss", "neg_brier_score"):
        # scikit-learn's scorers need every class among the rows; its Brier score (before 1.7), two
        # classes.
        one_hot = np.equal.outer(y, classes).astype(float)
        shares = np.full(len(y), 1.0) if sample_weight is None else sample_weight
        shares = shares / shares.sum()
        if scoring == "neg_brier_score":
            return -brier_score(predictions, one_hot, shares)
        return -log_loss(predictions, one_hot, shares)[0]
    if scoring == "neg_mean_squared_error":
        # scikit-learn's scorer takes longer than a small search.
        squares = np.square(y - predictions).reshape(len(y), -1).mean(axis=1)
        return -float(np.average(squares, weights=sample_weight))
    X = predictions if X is None else X
    known = _KnownTargets(X, predictions)
    if classes is not None:
        known = _KnownProbabilities(X, predictions, classes)
    scorer = as_scorer(scoring)
    weights = {}
    if sample_weight is not None and _takes_weights(scorer):
        weights["sample_weight"] = sample_weight
    try:
        score = scorer(known, X, y, **weights)
    except (AttributeError, TypeError) as error:
        lacks = getattr(error, "name", None) if getattr(error, "obj", None) is known else None
        if not lacks and type(known).__name__ not in str(error):
            raise
        asked = repr(lacks) if lacks else "another response"
        raise type(error)(
            f"scoring={scoring!r} uses {asked} of the estimator, but with cv=None a scorer may "
            f"use only {known.offered} of the rows it is given: it scores leave-one-out "
            f"predictions, for which no estimator is fitted. Choose a scorer that uses only "
            f"these, or set cv to a number of folds, for which estimators are fitted."
        ) from error
    except ValueError as error:
        if not isinstance(scoring, str):
            raise
        of_what = "numbers" if classes is None else "class labels"
        raise ValueError(
            f"scoring must be a scorer of {of_what}; got {scoring!r}, which cannot score these "
            f"predictions: {error}"
        ) from error
    if np.ndim(score) > 0:
        raise ValueError(
            f"scoring must return one number, where greater is better; {scoring!r} returned an "
            f"array of shape {np.shape(score)}."
        )
    return float(score)


def as_scorer(scoring, weighted=False):
    """The scorer for a name, a scorer, or a function of true and predicted values.

    Parameters
    ----------
    scoring : str or callable
        As in `score_predictions`.
    weighted : bool, default=False
        Whether it requests weights, if it can.

    Returns
    -------
    scorer : callable
        Called as ``scorer(estimator, X, y)``.
    """
    if scoring in ("neg_log_loss", "neg_brier_score") and not weighted:
        return partial(_score_probabilities, scoring)
    if callable(scoring) and _n_required(scoring) == 2:
        _refuse_loss(scoring)
        scoring = make_scorer(scoring)
    scorer = get_scorer(scoring)
    if weighted and hasattr(scorer, "set_score_request"):
        scorer = copy(scorer)  # do not change the caller's scorer
        with config_context(enable_metadata_routing=True):
            scorer.set_score_request(sample_weight=_takes_weights(scorer))
    return scorer


def _score_probabilities(scoring, estimator, X, y):
    # scikit-learn's scorers need every class among the scored rows.
    probabilities = estimator.predict_proba(X)
    return score_predictions(scoring, y, probabilities, classes=estimator.classes_)


def _refuse_loss(function):
    """Refuse a loss of scikit-learn: a search for its greatest value would choose the worst."""
    metric = getattr(function, "func", function)  # of a partial
    name = getattr(metric, "__name__", "")
    of_sklearn = str(getattr(metric, "__module__", "")).startswith("sklearn.metrics")
    if of_sklearn and name.endswith(("_error", "_loss", "_deviance")):
        raise ValueError(
            f"scoring must be a function whose greater values are better; got {name}, a loss. "
            f"Use make_scorer({name}, greater_is_better=False), or the name of a scorer."
        )


def _takes_weights(scorer):
    metric = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in signature(metric).parameters


def _n_required(function):
    parameters = signature(function).parameters.values()
    return sum(
        p.default is Parameter.empty
        and p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        for p in parameters
    )


class _Known(BaseEstimator):
    """A stand-in for an estimator that has only predictions for some rows."""

    offered: str

    def __init__(self, rows, predictions):
        self._rows, self._predictions = rows, predictions

    def _of(self, X):
        if X is not self._rows and not np.array_equal(X, self._rows):
            raise ValueError(
                "A scorer of leave-one-out predictions may predict only all of the rows that it is "
                "given. To predict other rows, set cv to a number of folds."
            )
        return self._predictions


class _KnownTargets(RegressorMixin, _Known):
    """A stand-in with predicted targets."""

    offered = "predict"

    def predict(self, X):
        return self._of(X)


class _KnownProbabilities(ClassifierMixin, _Known):
    """A stand-in with predicted probabilities."""

    offered = "predict, predict_proba and classes_"

    def __init__(self, rows, predictions, classes):
        super().__init__(rows, predictions)
        self.classes_ = classes

    def predict_proba(self, X):
        return self._of(X)

    def predict(self, X):
        return self.classes_[np.argmax(self._of(X), axis=1)]
