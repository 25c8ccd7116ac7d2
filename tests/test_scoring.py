"""Criteria and scores against formulas, stored values and scikit-learn's metrics."""

from functools import partial
from math import inf

import numpy as np
import pytest
import sklearn
from means import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, criterion, slope
from sklearn import metrics
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.fixes import parse_version

from nwkr._scoring import (
    CRITERIA,
    aicc,
    as_scorer,
    brier_score,
    gcv,
    log_loss,
    score_predictions,
    squared_error,
)

# Since scikit-learn 1.7, there are Brier scores of several classes.
NEW_BRIER = parse_version(sklearn.__version__) >= parse_version("1.7")


@pytest.fixture
def truth(rng):
    """Labels, their probabilities and weights."""
    labels = np.array(["c", "a", "b"])[rng.integers(0, 3, 50)]
    return labels, rng.dirichlet(np.ones(3), 50), rng.uniform(0.1, 2, 50)


# -- criteria ---------------------------------------------------------------------------------

# For a Gaussian with bandwidth 0.9. Mean square, trace and GCV are from statsmodels 0.15.0.
STORED_X = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
STORED_Y = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
STORED_TRACE, STORED_GCV = 3.0404233990, 4.0553484451
STORED_MEAN_SQUARE = STORED_GCV * (1 - STORED_TRACE / 5) ** 2


def test_criteria_equal_stored_values():
    smoother = attention(STORED_X, STORED_X, "gaussian", 0.9)
    assert_allclose(np.trace(smoother), STORED_TRACE, rtol=1e-10)
    mean_square = np.mean((STORED_Y - smoother @ STORED_Y) ** 2)
    assert_allclose(mean_square, STORED_MEAN_SQUARE, rtol=1e-9)
    # Five rows allow three degrees of freedom, because the formula needs two more.
    assert gcv(mean_square, STORED_TRACE, 5) == aicc(mean_square, STORED_TRACE, 5) == inf
    unguarded = STORED_GCV * (1 - STORED_TRACE / 5) ** 2 / (1 - STORED_TRACE / 15) ** 2
    assert_allclose(gcv(mean_square, STORED_TRACE, 15), unguarded, rtol=1e-9)


@pytest.mark.parametrize("scoring", CRITERIA)
def test_the_search_gives_stored_values(scoring):
    """The same rows, three times each."""
    model = NadarayaWatsonRegressorCV(bandwidths=[0.9], scoring=scoring)
    model.fit(STORED_X.repeat(3, axis=0), STORED_Y.repeat(3))
    t, n = STORED_TRACE, 15
    expected = {
        "gcv": STORED_MEAN_SQUARE / (1 - t / n) ** 2,
        "aicc": np.log(STORED_MEAN_SQUARE) + (1 + t / n) / (1 - (t + 2) / n),
    }[scoring]
    assert_allclose(-model.best_score_, expected, rtol=1e-9)
    assert_allclose(model.cv_results_["effective_dof"], [t], rtol=1e-9)


@pytest.mark.parametrize("scoring", CRITERIA)
@pytest.mark.parametrize("bandwidth", [0.3, 1.0, 5.0])
def test_criteria_equal_their_formulas(scoring, bandwidth, rng):
    X, y = rng.normal(size=(30, 1)), rng.normal(size=30)
    smoother = attention(X, X, "gaussian", bandwidth)
    mean_square = np.mean((y - smoother @ y) ** 2)
    got = CRITERIA[scoring](mean_square, np.trace(smoother), 30)
    assert_allclose(got, criterion(scoring, smoother, y), rtol=1e-12)


@pytest.mark.parametrize("scoring", CRITERIA)
def test_criteria_without_degrees_of_freedom_are_infinite(scoring):
    function = CRITERIA[scoring]
    for trace in (8.0, 8.5, 10.0):
        assert function(0.0, trace, 10) == function(1.0, trace, 10) == inf
    assert np.isfinite(function(1.0, 7.99, 10))
    assert function(2.0, 3.0, 10) > function(1.0, 3.0, 10)
    assert function(1.0, 4.0, 10) > function(1.0, 3.0, 10)


def test_criteria_of_a_perfect_fit():
    assert aicc(0.0, 3.0, 10) == -inf
    assert gcv(0.0, 3.0, 10) == 0.0


# -- losses and their slopes ------------------------------------------------------------------


def test_squared_error_and_slopes_equal_formulas(rng):
    predictions, values = rng.normal(size=(2, 20, 3))
    weights = rng.dirichlet(np.ones(20))
    loss, slopes = squared_error(predictions, values, weights)
    expected = metrics.mean_squared_error(
        values, predictions, sample_weight=weights, multioutput="raw_values"
    )
    assert_allclose(loss, expected.sum(), rtol=1e-12)

    def of_flat(x):
        return squared_error(x.reshape(20, 3), values, weights)[0]

    assert_allclose(slopes.ravel(), slope(of_flat, predictions.ravel()), rtol=1e-6, atol=1e-10)


def test_log_loss_and_slopes_equal_formulas(truth):
    labels, probabilities, weights = truth
    one_hot = np.equal.outer(labels, ["a", "b", "c"]) * 1.0
    loss, slopes = log_loss(probabilities, one_hot, weights / weights.sum())
    expected = metrics.log_loss(labels, probabilities, sample_weight=weights)
    assert_allclose(loss, expected, rtol=1e-12)

    def of_flat(x):
        return log_loss(x.reshape(50, 3), one_hot, weights / weights.sum())[0]

    numeric = slope(of_flat, probabilities.ravel(), step=1e-6)
    assert_allclose(slopes.ravel(), numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("probability", [0.0, 1e-300, 1e-17, 1.1e-15, 0.5, 1.0])
def test_log_loss_is_clipped_as_in_scikit_learn(probability):
    probabilities = np.array([[probability, 1 - probability], [0.25, 0.75]])
    one_hot = np.array([[1.0, 0.0], [0.0, 1.0]])
    loss, slopes = log_loss(probabilities, one_hot, np.array([0.5, 0.5]))
    assert np.isfinite(loss)
    assert np.isfinite(slopes).all()
    assert_allclose(loss, metrics.log_loss([0, 1], probabilities), rtol=1e-12)
    # A clipped probability has slope 0.
    assert_allclose(slopes[0], [-0.5 / probability if probability > 1e-15 else 0, 0])


def test_brier_score_and_slopes_equal_formulas(truth):
    labels, probabilities, weights = truth
    one_hot = np.equal.outer(labels, ["a", "b", "c"]) * 1.0
    score = brier_score(probabilities, one_hot, weights / weights.sum())
    naive = sum(w * ((p - v) ** 2).sum() for w, p, v in zip(weights, probabilities, one_hot))
    assert_allclose(score, naive / weights.sum(), rtol=1e-12)
    if NEW_BRIER:
        expected = metrics.brier_score_loss(labels, probabilities, sample_weight=weights)
        assert_allclose(score, expected, rtol=1e-12)


def test_brier_score_of_two_classes(truth, rng):
    _, _, weights = truth
    labels, of_second = rng.integers(0, 2, 50), rng.uniform(size=50)
    probabilities = np.column_stack([1 - of_second, of_second])
    score = brier_score(probabilities, np.eye(2)[labels], weights / weights.sum())
    expected = metrics.brier_score_loss(labels, of_second, sample_weight=weights)
    assert_allclose(score, expected, rtol=1e-12)


# -- scores by name, scorer or function -------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize(
    ("name", "metric", "sign"),
    [
        ("neg_mean_squared_error", metrics.mean_squared_error, -1),
        ("neg_mean_absolute_error", metrics.mean_absolute_error, -1),
        ("neg_median_absolute_error", metrics.median_absolute_error, -1),
        ("neg_mean_absolute_percentage_error", metrics.mean_absolute_percentage_error, -1),
        ("neg_root_mean_squared_error", metrics.root_mean_squared_error, -1),
        ("r2", metrics.r2_score, 1),
        ("explained_variance", metrics.explained_variance_score, 1),
    ],
)
def test_names_of_regression_equal_metrics(name, metric, sign, n_outputs, weighted, rng):
    shape = 40 if n_outputs is None else (40, n_outputs)
    y, predictions = rng.normal(size=shape), rng.normal(size=shape)
    weights = rng.uniform(0.1, 2, 40) if weighted else None
    expected = sign * metric(y, predictions, sample_weight=weights)
    for scoring in (name, metrics.get_scorer(name)):
        assert_allclose(score_predictions(scoring, y, predictions, weights), expected, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("accuracy", metrics.accuracy_score),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("f1_macro", lambda *a, **k: metrics.f1_score(*a, **k, average="macro")),
    ],
)
def test_names_of_classification_by_label_equal_metrics(name, metric, weighted, truth):
    labels, probabilities, weights = truth
    weights = weights if weighted else None
    classes = np.array(["a", "b", "c"])
    expected = metric(labels, classes[probabilities.argmax(axis=1)], sample_weight=weights)
    for scoring in (name, metrics.get_scorer(name)):
        score = score_predictions(scoring, labels, probabilities, weights, classes)
        assert_allclose(score, expected, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_names_of_classification_by_probability_equal_metrics(weighted, truth):
    labels, probabilities, weights = truth
    weights = weights if weighted else None
    given = labels, probabilities, weights, np.array(["a", "b", "c"])
    expected = -metrics.log_loss(labels, probabilities, sample_weight=weights)
    assert_allclose(score_predictions("neg_log_loss", *given), expected, rtol=1e-12)
    if not weighted:  # scikit-learn has no weighted one-vs-one score
        expected = metrics.roc_auc_score(labels, probabilities, multi_class="ovr")
        assert_allclose(score_predictions("roc_auc_ovr", *given), expected, rtol=1e-12)
    if NEW_BRIER:
        expected = -metrics.brier_score_loss(labels, probabilities, sample_weight=weights)
        assert_allclose(score_predictions("neg_brier_score", *given), expected, rtol=1e-12)


def test_names_of_binary_classification_equal_metrics(rng):
    y, of_second = rng.integers(0, 2, 30), rng.uniform(size=30)
    given = y, np.column_stack([1 - of_second, of_second]), None, np.array([0, 1])
    for name, expected in {
        "roc_auc": metrics.roc_auc_score(y, of_second),
        "average_precision": metrics.average_precision_score(y, of_second),
        "neg_brier_score": -metrics.brier_score_loss(y, of_second),
        "f1": metrics.f1_score(y, of_second > 0.5),
    }.items():
        assert_allclose(score_predictions(name, *given), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["neg_log_loss", "neg_brier_score"])
def test_classes_without_rows(name):
    """Probabilities have these classes too, which scikit-learn's own scorers refuse."""
    probabilities = np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]])
    y, classes = np.array([0, 0]), np.array([0, 1, 2])
    one_hot = np.array([[1, 0, 0], [1, 0, 0]])
    expected = {
        "neg_log_loss": np.mean(np.log([0.5, 0.1])),
        "neg_brier_score": -np.mean(((probabilities - one_hot) ** 2).sum(axis=1)),
    }[name]
    assert_allclose(score_predictions(name, y, probabilities, None, classes), expected)


def test_functions_of_truth_and_prediction(truth, rng):
    y, predictions = rng.normal(size=(2, 20))
    seen = []

    def closeness(y_true, y_pred, power=2.0):
        seen.append((y_true, y_pred))
        return -np.mean(np.abs(y_true - y_pred) ** power)

    expected = -metrics.mean_squared_error(y, predictions)
    assert_allclose(score_predictions(closeness, y, predictions), expected)
    assert_array_equal(seen, [(y, predictions)])
    # For classes, the function gets labels.
    labels, probabilities, _ = truth
    classes = np.array(["a", "b", "c"])
    got = score_predictions(metrics.accuracy_score, labels, probabilities, None, classes)
    assert got == np.mean(labels == classes[probabilities.argmax(axis=1)])


@pytest.mark.parametrize(
    "loss",
    [
        metrics.mean_absolute_error,
        metrics.max_error,
        metrics.mean_tweedie_deviance,
        metrics.zero_one_loss,
        partial(metrics.mean_pinball_loss, alpha=0.1),
    ],
)
def test_losses_of_scikit_learn_are_refused(loss, rng):
    X, y = rng.normal(size=(20, 1)), np.arange(20.0) % 2
    for Search in (NadarayaWatsonRegressorCV, NadarayaWatsonClassifierCV):
        for cv in (None, 3):
            with pytest.raises(ValueError, match=r"^scoring .* a loss.*greater_is_better=False"):
                Search(scoring=loss, cv=cv).fit(X, y)


def test_a_loss_is_minimised_by_a_scorer_as_the_message_says(rng):
    X, y = rng.normal(size=(2, 40, 1))
    of_loss = metrics.make_scorer(metrics.mean_absolute_error, greater_is_better=False)
    searches = [
        NadarayaWatsonRegressorCV(scoring=scoring, degrees=(0,)).fit(X, y[:, 0])
        for scoring in (of_loss, "neg_mean_absolute_error")
    ]
    assert_array_equal(searches[0].bandwidth_, searches[1].bandwidth_)


def test_functions_of_an_estimator(rng):
    X, y = rng.normal(size=(2, 20))

    class Same(RegressorMixin, BaseEstimator):
        def predict(self, X):
            return X

    def scorer(estimator, X, y):
        return -np.max(np.abs(estimator.predict(X) - y))

    assert as_scorer(scorer)(Same(), X, y) == -np.max(np.abs(X - y))
    assert score_predictions(scorer, y, X) == -np.max(np.abs(X - y))


def test_scorers_of_probabilities(truth):
    labels, probabilities, _ = truth
    seen = []
    scorer = metrics.make_scorer(
        lambda y_true, p: seen.append(p) or 1.5, response_method="predict_proba"
    )
    classes = np.array(["a", "b", "c"])
    assert score_predictions(scorer, labels, probabilities, None, classes) == 1.5
    assert_array_equal(seen, [probabilities])


@pytest.mark.parametrize("unknown", ["mse", "", "AICC"])
def test_unknown_names_are_refused(unknown):
    with pytest.raises(ValueError, match=r"scor"):
        score_predictions(unknown, np.zeros(2), np.zeros(2))


# -- custom scorers -----------------------------------------------------------------------------


def of_quantiles(estimator, X, y):
    return -np.abs(estimator.predict_quantiles(X, 0.5)[:, 0] - y).mean()


def of_deviations(estimator, X, y):
    return -estimator.predict(X, return_std=True)[1].mean()


def of_an_attribute(estimator, X, y):
    return -estimator.bandwidth_[0]


@pytest.mark.parametrize(
    ("scoring", "asked"),
    [
        (of_quantiles, "'predict_quantiles'"),
        (of_an_attribute, "'bandwidth_'"),
        ("roc_auc", "another response"),
        (of_deviations, "another response"),
    ],
)
def test_scorers_of_more_than_predictions_need_cv(scoring, asked, rng):
    X, y = rng.normal(size=(30, 2)), np.arange(30.0) % 2
    error = TypeError if scoring is of_deviations else AttributeError
    with pytest.raises(error, match=rf"scoring=.* uses .*{asked}.* only predict .*cv"):
        NadarayaWatsonRegressorCV(scoring=scoring).fit(X, y)
    if "another" not in asked:
        match = rf"uses .*{asked}.* only predict, predict_proba and classes_"
        with pytest.raises(AttributeError, match=match):
            NadarayaWatsonClassifierCV(scoring=scoring).fit(X, y)
    if scoring is of_quantiles:  # as the message advises
        assert np.isfinite(NadarayaWatsonRegressorCV(scoring=scoring, cv=3).fit(X, y).best_score_)


def test_errors_of_a_scorer_are_raised(rng):
    def scoring(estimator, X, y):
        return X.no_such_name

    with pytest.raises(AttributeError, match=r"^'numpy\.ndarray' object has no attribute"):
        NadarayaWatsonRegressorCV(scoring=scoring).fit(rng.normal(size=(9, 1)), np.arange(9.0))


def test_a_score_must_be_one_number(rng):
    X, y = rng.normal(size=(20, 1)), rng.normal(size=20)
    model = NadarayaWatsonRegressorCV(scoring=lambda truth, predictions: truth - predictions)
    with pytest.raises(ValueError, match=r"scoring must return one number.*shape \(20,\)"):
        model.fit(X, y)


@pytest.mark.parametrize("subsample", [None, 20])
def test_scorers_get_the_training_rows(subsample, rng):
    """Scorers get the training rows, not the predictions."""
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    seen = []

    def scoring(estimator, X, y):
        seen.append(X)
        return -np.average((y - estimator.predict(X)) ** 2, weights=X[:, 0] > 0)

    model = NadarayaWatsonRegressorCV(
        bandwidths=[0.4, 0.9], scoring=scoring, subsample=subsample, random_state=0
    ).fit(X, y)
    rows = [np.flatnonzero((X == row).all(axis=1))[0] for row in seen[0]]
    assert len(rows) == (subsample or 40)
    for bandwidth, score in zip([0.4, 0.9], model.cv_results_["score"]):
        weights = attention(X, X, "gaussian", bandwidth, leave_self_out=True)
        errors = (y - weights @ y)[rows] ** 2
        assert_allclose(-score, errors[X[rows, 0] > 0].mean(), rtol=1e-9)

    def of_some(estimator, X, y):
        return -np.mean((y[:5] - estimator.predict(X[:5])) ** 2)

    with pytest.raises(ValueError, match="may predict only all of the rows"):
        NadarayaWatsonRegressorCV(scoring=of_some).fit(X, y)


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", "neg_log_loss", "top_k_accuracy", "f1_macro"])
def test_a_subsample_has_a_row_of_each_class(scoring, rng):
    X = rng.normal(size=(200, 2))
    y = np.repeat(["a", "b", "c"], [190, 9, 1])
    for random_state in range(5):
        options = {"subsample": 10, "random_state": random_state, "bandwidths": [0.3, 1.0]}
        model = NadarayaWatsonClassifierCV(scoring=scoring, **options).fit(X, y)
        assert np.isfinite(model.best_score_)
        assert model.n_queries_ == 10


def test_a_subsample_with_all_classes_is_a_plain_draw(rng):
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    seen = []

    def scoring(estimator, X, y):
        seen.append(X)
        return 0.0

    NadarayaWatsonClassifierCV(scoring=scoring, subsample=30, random_state=1).fit(X, y)
    chosen = np.random.RandomState(1).choice(60, 30, replace=False)
    assert_array_equal(seen[0], X[np.sort(chosen)])
