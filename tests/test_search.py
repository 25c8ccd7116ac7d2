"""The searches for bandwidths: candidates, scores, and the fitted estimator."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from means import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, criterion, predict, refit_without_each, slope
from scipy.optimize import OptimizeResult
from sklearn import datasets, metrics
from sklearn.base import clone, is_classifier
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
)
from suite import suite_of

import nwkr
from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, _descent, _search
from nwkr.bandwidths import Adaptive, KNearest, Scott
from nwkr.kernels import KERNELS

PLAIN = {
    NadarayaWatsonRegressorCV: NadarayaWatsonRegressor,
    NadarayaWatsonClassifierCV: NadarayaWatsonClassifier,
}
BOTH = pytest.mark.parametrize("Search", PLAIN, ids=["regressor", "classifier"])
DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)
# One of each kind; others would repeat them.
SOME = pytest.mark.parametrize("kernel", ["gaussian", "exponential", "boxcar", "tricube"])
LADDER = [0.1 * 2 ** (j / 2) for j in range(10)]
# Rounding decides at which of its last steps a descent ends. These steps gain 1e-8 or less, so
# scores agree to a few times this, and bandwidths to about its root.
SAME_SCORE, SAME_BANDWIDTH = 1e-6, 2e-3


def wide_rule(X, sample_weight):
    """A candidate that is a function."""
    return 2.0 * X.std(axis=0)


EVERY_KIND = [
    0.5,
    [0.3, 1.0],
    np.array([1.0, 0.4]),
    "scott",
    "silverman",
    Scott(),
    KNearest(4),
    Adaptive(),
    Adaptive(0.4, 1.0),
    wide_rule,
    0,
    np.inf,
    [0.4, np.inf],
]


@pytest.fixture
def data(rng):
    """Rows; a target that depends on the first column; weights, some of them zero."""
    X = rng.normal(size=(40, 2))
    y = np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=40)
    return X, y, rng.uniform(0.2, 3, 40) * (np.arange(40) % 7 > 0)


def target_of(Search, y):
    """For a classifier, three classes cut from the target."""
    return np.digitize(y, [0.0, 0.6]) if Search is NadarayaWatsonClassifierCV else y


def left_out(model, X, y, sample_weight=None):
    """Leave-one-out predictions of a plain estimator, for the rows with weight."""
    model.fit(X, y, sample_weight)
    predictions = getattr(model, "predict_proba", model.predict)(None)
    return predictions if sample_weight is None else predictions[sample_weight > 0]


def mean_loss(Search, predictions, y, weights=None):
    """The default loss by its formula."""
    if Search is NadarayaWatsonClassifierCV:
        codes = np.unique(y, return_inverse=True)[1]
        losses = -np.log(np.maximum(predictions[np.arange(len(y)), codes], np.finfo(float).eps))
    else:
        losses = ((y - predictions) ** 2).reshape(len(y), -1).mean(axis=1)
    return np.average(losses, weights=weights)


def scott_of(kernel, X, sample_weight=None):
    return NadarayaWatsonRegressor(kernel).fit(X, X[:, 0], sample_weight).bandwidth_


def in_effective_rows(weights):
    """Weights that sum to Kish's effective number of rows."""
    return weights * (weights.sum() / (weights**2).sum())


# -- candidates ---------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@SOME
@BOTH
def test_every_kind_of_candidate_has_the_plain_score(Search, weighted, kernel, data):
    X, y, weights = data
    y, weights = target_of(Search, y), weights if weighted else None
    model = Search(kernel, EVERY_KIND).fit(X, y, weights)
    counted = slice(None) if weights is None else weights > 0
    of_counted = None if weights is None else weights[counted]
    for bandwidth, score in zip(EVERY_KIND, model.cv_results_["score"], strict=True):
        predictions = left_out(PLAIN[Search](kernel, bandwidth), X, y, weights)
        expected = -mean_loss(Search, predictions, y[counted], of_counted)
        assert_allclose(score, expected, rtol=1e-10, err_msg=str(bandwidth))
    scores = np.array(model.cv_results_["score"])
    assert model.best_score_ == scores.max()
    best = EVERY_KIND[np.flatnonzero(scores == scores.max())[-1]]
    plain = PLAIN[Search](kernel, best).fit(X, y, weights)
    assert_array_equal(model.predict(X), plain.predict(X))
    assert_array_equal(model.attention_weights(), plain.attention_weights())
    if isinstance(best, KNearest):
        assert model.bandwidth_ == best
    else:
        assert_array_equal(model.bandwidth_, plain.bandwidth_)


@pytest.mark.parametrize("handle_empty", ["nearest", "mean"])
def test_scores_equal_refits(handle_empty, kernel, rng):
    X, y, weights = rng.normal(size=(9, 2)), rng.normal(size=9), rng.uniform(0.2, 3, 9)
    candidates = [0.1, 0.5, [1.0, 0.3], 2.0]
    model = NadarayaWatsonRegressorCV(kernel, candidates, handle_empty=handle_empty)
    model.fit(X, y, weights)
    for bandwidth, score in zip(candidates, model.cv_results_["score"]):
        plain = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty=handle_empty)
        predictions = refit_without_each(plain, X, y, weights)
        assert_allclose(-score, np.average((y - predictions) ** 2, weights=weights), rtol=1e-10)


@pytest.mark.parametrize("metric", ["manhattan", "cosine", "precomputed"])
@SOME
@BOTH
def test_candidates_with_other_metrics(Search, metric, kernel, data):
    X, y, weights = data
    y = target_of(Search, y)
    keys = pairwise_distances(X) if metric == "precomputed" else X
    candidates = [0.2, 0.4, "scott", KNearest(5), 0.0, np.inf]
    model = Search(kernel, candidates, metric=metric).fit(keys, y, weights)
    for bandwidth, score in zip(candidates, model.cv_results_["score"]):
        plain = PLAIN[Search](kernel, bandwidth, metric=metric)
        predictions = left_out(plain, keys, y, weights)
        expected = -mean_loss(Search, predictions, y[weights > 0], weights[weights > 0])
        assert_allclose(score, expected, rtol=1e-10, err_msg=str(bandwidth))
    climbed = Search(kernel, metric=metric).fit(keys, y, weights)
    assert climbed.best_score_ >= model.cv_results_["score"][2] - 1e-12
    assert isinstance(climbed.bandwidth_, float)


@pytest.mark.parametrize(
    "bandwidths", [np.array([0.3, 1.0]), (0.3, 1.0), [0.3], np.array([[0.3, 0.4], [1.0, 2.0]])]
)
def test_bandwidths_takes_any_sequence(bandwidths, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=bandwidths).fit(X, y)
    assert len(model.cv_results_["score"]) == len(bandwidths)
    assert_array_equal(model.cv_results_["bandwidth"][0], np.broadcast_to(bandwidths[0], 2))


def test_ties_go_to_the_last_candidate(data):
    X, _, _ = data
    for bandwidths in ([0.2, 5.0], [5.0, 0.2]):
        model = NadarayaWatsonRegressorCV("boxcar", bandwidths).fit(X, np.ones(40))
        assert_array_equal(model.bandwidth_, np.full(2, bandwidths[-1]))
        assert model.best_score_ == 0


def test_equal_candidates_have_equal_scores(data):
    X, y, _ = data
    expected = -np.mean((y - left_out(NadarayaWatsonRegressor(bandwidth=0.5), X, y)) ** 2)
    model = NadarayaWatsonRegressorCV(bandwidths=[0.5, [0.5, 0.5], 2.0, 0.5]).fit(X, y)
    assert_allclose(np.delete(model.cv_results_["score"], 2), expected, rtol=1e-12)
    # With two columns, both rules are the same.
    model = NadarayaWatsonRegressorCV(bandwidths=["scott", "silverman"]).fit(X, y)
    assert_allclose(*model.cv_results_["score"], rtol=1e-12)


# -- "auto" ---------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@BOTH
def test_auto_is_a_ladder_of_multiples_of_the_rule(Search, weighted, kernel, data):
    X, y, weights = data
    weights = weights if weighted else None
    model = Search(kernel).fit(X, target_of(Search, y), weights)
    rule = scott_of(kernel, X, None if weights is None else in_effective_rows(weights))
    of_ladder = np.isfinite(model.cv_results_["multiple"])
    rungs = 2 * np.log2(np.array(model.cv_results_["bandwidth"])[of_ladder] / rule)
    assert_allclose(rungs, np.round(rungs), atol=1e-9)
    assert_array_equal(np.diff(np.round(rungs[:, 0])), 1)
    assert_allclose(rungs[:, 0], rungs[:, 1], atol=1e-9)
    assert len(rungs) >= 12
    # The best is inside the ladder, or all further candidates score the same.
    scores = np.array(model.cv_results_["score"])[of_ladder]
    best = int(np.argmax(scores))
    for end, inner in ((0, 1), (-1, -2)):
        if best == np.arange(len(scores))[end]:
            assert_allclose(scores[end], scores[inner], rtol=1e-8)


def best_of_all(model, X, y, rungs=range(-90, 70)):
    """The best score on a ladder from nearly 0 to nearly infinity."""
    rule = scott_of(model.kernel, X)
    return clone(model).set_params(bandwidths=[rule * 2 ** (n / 2) for n in rungs]).fit(X, y)


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "exponential", "tricube"])
def test_auto_extends_to_small_bandwidths(name):
    """Waves without noise: the nearest rows alone are best."""
    X = np.linspace(0, 60, 500)[:, None]
    y = np.sin(X[:, 0])
    model = NadarayaWatsonRegressorCV(name).fit(X, y)
    assert model.bandwidth_[0] < scott_of(name, X)[0] / 20
    assert_allclose(model.best_score_, best_of_all(model, X, y).best_score_, rtol=1e-8)
    assert model.score(None, y) > 0.999


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "exponential", "tricube"])
def test_auto_extends_to_large_bandwidths(name):
    """Noise: the mean of all rows is best."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
    model = NadarayaWatsonRegressorCV(name).fit(X, y)
    assert model.bandwidth_[0] > 100 * scott_of(name, X)[0]
    assert_allclose(model.best_score_, best_of_all(model, X, y).best_score_, rtol=1e-6)
    assert_allclose(model.predict(X), np.full(60, y.mean()), atol=1e-2)


@pytest.mark.parametrize("distance", [100.0, 1e3, 1e6])
def test_auto_passes_an_outlier(distance):
    """The outlier widens the rule so much that the whole ladder starts beyond the other rows."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 1)), [[distance]]])
    y = np.sin(3 * X[:, 0]) * (X[:, 0] < distance) + 0.1 * rng.normal(size=201)
    model = NadarayaWatsonRegressorCV().fit(X, y)
    assert_allclose(model.best_score_, best_of_all(model, X, y).best_score_, rtol=1e-3)


@pytest.mark.parametrize("handle_empty", ["nan", "error"])
@pytest.mark.parametrize("distance", [3.0, 30.0, 1e3])
def test_auto_extends_until_every_row_has_a_neighbour(distance, handle_empty):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.uniform(-1, 1, size=(50, 1)), [[distance]]])
    y = np.sin(3 * X[:, 0])
    model = NadarayaWatsonRegressorCV("epanechnikov", handle_empty=handle_empty).fit(X, y)
    assert np.isfinite(model.best_score_)
    assert np.isfinite(model.predict(None)).all()


# -- corners ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4, 7, 10])
@SOME
@BOTH
def test_few_rows(Search, kernel, n, data):
    X, y = data[0][:n], np.arange(n) % 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")
        for per_feature in {False, kernel in DIFFERENTIABLE}:
            model = Search(kernel, per_feature=per_feature).fit(X, y)
            assert np.isfinite(model.best_score_)
            assert np.isfinite(model.predict(data[0])).all()


@BOTH
def test_one_row_is_refused(Search, data):
    X, _, _ = data
    with pytest.raises(ValueError, match="needs at least 2 rows with positive weight; got 1"):
        Search().fit(X[:1], [1])
    with pytest.raises(ValueError, match="needs at least 2 rows with positive weight; got 1"):
        Search().fit(X[:3], [1, 0, 1], [0, 2, 0])


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("constant", [0.0, 3.7, -1e300])
def test_a_constant_target_is_reproduced(constant, per_feature, data):
    X, _, weights = data
    model = NadarayaWatsonRegressorCV(per_feature=per_feature)
    model.fit(X, np.full(40, constant), weights)
    assert model.best_score_ == 0
    assert_array_equal(model.predict(X), np.full(40, constant))


@pytest.mark.parametrize("per_feature", [False, True])
@BOTH
def test_constant_rows_give_the_mean_of_the_others(Search, per_feature, data):
    X, y, _ = data
    y = target_of(Search, y)
    model = Search(per_feature=per_feature).fit(np.ones((40, 2)), y)
    assert_array_equal(model.bandwidth_, np.full(2, np.inf))
    # All bandwidths give the mean of all other rows.
    others = left_out(PLAIN[Search](bandwidth=np.inf), X, y)
    assert_allclose(model.best_score_, -mean_loss(Search, others, y))


@pytest.mark.parametrize("per_feature", [False, True])
@BOTH
def test_a_constant_column_is_off(Search, per_feature, data):
    X, y, weights = data
    y = target_of(Search, y)
    plain = Search(per_feature=per_feature).fit(X, y, weights)
    more = Search(per_feature=per_feature).fit(np.insert(X, 1, 0.1, axis=1), y, weights)
    same = SAME_BANDWIDTH if per_feature else 1e-9
    assert_allclose(more.bandwidth_, np.insert(plain.bandwidth_, 1, np.inf), rtol=same)


@pytest.mark.parametrize("per_feature", [False, True])
@BOTH
def test_duplicated_rows_predict_each_other(Search, per_feature, data):
    X, y, _ = data
    y = target_of(Search, y)
    model = Search(per_feature=per_feature).fit(X.repeat(2, axis=0), y.repeat(2))
    # Each row has a copy.
    assert_allclose(model.best_score_, 0, atol=1e-6)


@pytest.mark.parametrize("per_feature", [False, True])
def test_one_class_has_probability_1(per_feature, data):
    X, _, weights = data
    model = NadarayaWatsonClassifierCV(per_feature=per_feature).fit(X, ["a"] * 40, weights)
    assert model.best_score_ == 0
    assert_array_equal(model.predict_proba(X), np.ones((40, 1)))


@pytest.mark.parametrize("per_feature", [False, True])
def test_a_class_with_one_row(per_feature, data):
    X, _, _ = data
    model = NadarayaWatsonClassifierCV(per_feature=per_feature).fit(X, np.r_[np.arange(39) % 2, 2])
    assert np.isfinite(model.best_score_)
    # Left out, the only row of a class gets probability 0.
    assert model.predict_proba(None)[39, 2] == 0


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_brier_score"])
def test_one_row_per_class(scoring, data):
    X, _, _ = data
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")
        model = NadarayaWatsonClassifierCV(scoring=scoring).fit(X, np.arange(40))
    assert np.isfinite(model.best_score_)


@pytest.mark.parametrize("per_feature", [False, True])
def test_many_columns_and_few_rows(per_feature, rng):
    X = rng.normal(size=(100, 60))
    y = X[:, 0] + 0.1 * rng.normal(size=100)
    model = NadarayaWatsonRegressorCV(per_feature=per_feature, shrinkage=0.1).fit(X, y)
    assert -model.best_score_ <= 1.1 * np.var(y)
    if per_feature:
        assert model.bandwidth_[0] == model.bandwidth_.min()


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_scale_of_the_columns_cancels(scale, per_feature, data):
    X, y, weights = data
    plain = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(X, y, weights)
    scaled = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(X * scale, y, weights)
    same = SAME_BANDWIDTH if per_feature else 1e-9
    assert_allclose(scaled.bandwidth_, plain.bandwidth_ * scale, rtol=same)
    assert_allclose(scaled.best_score_, plain.best_score_, rtol=SAME_SCORE if per_feature else 1e-8)


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("scale", [1e-100, 1e-8, 1e8, 1e100])
def test_scale_of_the_target_cancels(scale, per_feature, data):
    X, y, weights = data
    plain = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(X, y, weights)
    scaled = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(X, y * scale, weights)
    same = SAME_BANDWIDTH if per_feature else 1e-9
    assert_allclose(scaled.bandwidth_, plain.bandwidth_, rtol=same)


# The power of a factor of the target by which each score grows.
POWERS = {
    None: 2,
    "gcv": 2,
    "neg_mean_absolute_error": 1,
    "neg_root_mean_squared_error": 1,
    "r2": 0,
    "aicc": 0,
}


@pytest.mark.parametrize("scoring", POWERS)
@pytest.mark.parametrize("scale", [2.0**-540, 2.0**-1000, 2.0**510, 2.0**1000])
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_targets_whose_squares_are_out_of_range(n_outputs, scale, scoring, data):
    """The choice is that of scaled targets; scores are clipped to the range of float64."""
    X, y, weights = data
    y = y if n_outputs is None else np.column_stack([y, y[::-1] / 4])
    plain = NadarayaWatsonRegressorCV(scoring=scoring).fit(X, y, weights)
    scaled = NadarayaWatsonRegressorCV(scoring=scoring).fit(X, y * scale, weights)
    assert_array_equal(scaled.bandwidth_, plain.bandwidth_)
    scores = np.array(plain.cv_results_["score"])
    if scoring == "aicc":
        scores = scores - 2 * np.log(scale)
    with np.errstate(over="ignore"):
        for _ in range(POWERS[scoring]):
            scores = scores * scale
    assert_allclose(scaled.cv_results_["score"], scores, rtol=1e-12)
    best = scores.max()
    assert_allclose(scaled.best_score_, best, rtol=1e-12)


@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error", "r2"])
@pytest.mark.parametrize("scale", [2.0**-540, 2.0**510])
def test_folds_of_targets_whose_squares_are_out_of_range(scale, scoring, data):
    X, y, weights = data
    plain = NadarayaWatsonRegressorCV(scoring=scoring, cv=3).fit(X, y, weights)
    scaled = NadarayaWatsonRegressorCV(scoring=scoring, cv=3).fit(X, y * scale, weights)
    assert_array_equal(scaled.bandwidth_, plain.bandwidth_)
    expected = plain.best_score_
    for _ in range(POWERS[scoring]):
        expected = expected * scale
    assert_allclose(scaled.best_score_, expected, rtol=1e-12)
    assert scaled.best_score_ == scaled.cv_results_["score"][scaled.best_index_]


def test_candidates_whose_ratio_overflows_in_squares(kernel, data):
    X, y, weights = data
    candidates = [1e-300, 1e-160, 1.0, 1e160]
    model = NadarayaWatsonRegressorCV(kernel, candidates).fit(X, y, weights)
    for bandwidth, score in zip(candidates, model.cv_results_["score"]):
        predictions = left_out(NadarayaWatsonRegressor(kernel, bandwidth), X, y, weights)
        expected = -mean_loss(type(model), predictions, y[weights > 0], weights[weights > 0])
        assert_allclose(score, expected, rtol=1e-10)


@pytest.mark.parametrize("per_feature", [False, True])
def test_float32_rows_give_nearly_the_same(per_feature, data):
    X, y, weights = data
    plain = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(X, y, weights)
    single = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(
        X.astype(np.float32), y, weights
    )
    assert_allclose(single.bandwidth_, plain.bandwidth_, rtol=1e-2)
    assert_allclose(single.best_score_, plain.best_score_, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, bool, np.float32])
def test_types_of_targets_give_the_same(dtype, data):
    X, y, weights = data
    y = (y > 0).astype(dtype)
    model = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y, weights)
    plain = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y.astype(float), weights)
    assert_array_equal(model.bandwidth_, plain.bandwidth_)
    assert model.predict(X).dtype == np.float64


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("scoring", [None, "r2", "gcv", "aicc"])
def test_a_column_of_targets_equals_a_vector(scoring, per_feature, data):
    X, y, weights = data
    per_feature = per_feature and scoring is None
    flat = NadarayaWatsonRegressorCV(scoring=scoring, per_feature=per_feature).fit(X, y, weights)
    column = clone(flat).fit(X, y[:, None], weights)
    same = SAME_BANDWIDTH if per_feature else 1e-9
    assert_allclose(column.bandwidth_, flat.bandwidth_, rtol=same)
    assert_allclose(column.best_score_, flat.best_score_, rtol=SAME_SCORE if per_feature else 1e-9)
    assert column.predict(X).shape == (40, 1)


@BOTH
def test_n_jobs_does_not_change_results(Search, data):
    X, y, weights = data
    y = target_of(Search, y)
    alone = Search(per_feature=True, n_jobs=1).fit(X, y, weights)
    for n_jobs in (None, 2, 3):
        together = Search(per_feature=True, n_jobs=n_jobs).fit(X, y, weights)
        assert_array_equal(together.bandwidth_, alone.bandwidth_)
        assert together.cv_results_["score"] == alone.cv_results_["score"]


# -- scores -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [None, 3])
@pytest.mark.parametrize(
    ("scoring", "function"),
    [
        (None, lambda *a, **k: -metrics.mean_squared_error(*a, **k)),
        ("neg_mean_squared_error", lambda *a, **k: -metrics.mean_squared_error(*a, **k)),
        ("neg_mean_absolute_error", lambda *a, **k: -metrics.mean_absolute_error(*a, **k)),
        ("r2", metrics.r2_score),
        (metrics.make_scorer(metrics.explained_variance_score), metrics.explained_variance_score),
        (
            metrics.make_scorer(metrics.median_absolute_error, greater_is_better=False),
            lambda *a, **k: -metrics.median_absolute_error(*a, **k),
        ),
    ],
)
def test_scores_of_regression_equal_metrics(scoring, function, n_outputs, weighted, data, rng):
    X, y, weights = data
    weights = weights if weighted else None
    if n_outputs:
        y = y[:, None] * [1.0, 50.0, -0.1] + rng.normal(size=(40, 3))
    counted = slice(None) if weights is None else weights > 0
    of_counted = None if weights is None else weights[counted]
    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, scoring=scoring).fit(X, y, weights)
    expected = [
        function(
            y[counted],
            left_out(NadarayaWatsonRegressor(bandwidth=b), X, y, weights),
            sample_weight=of_counted,
        )
        for b in LADDER
    ]
    assert_allclose(model.cv_results_["score"], expected, rtol=1e-9)
    assert model.bandwidth_[0] == LADDER[int(np.argmax(expected))]


@SOME
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("scoring", "function"),
    [
        ("accuracy", lambda y, p, w: metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=w)),
        (
            "balanced_accuracy",
            lambda y, p, w: metrics.balanced_accuracy_score(y, p.argmax(axis=1), sample_weight=w),
        ),
        ("neg_log_loss", lambda y, p, w: -metrics.log_loss(y, p, sample_weight=w)),
        (
            "neg_brier_score",
            lambda y, p, w: -np.average(((p - np.eye(3)[y]) ** 2).sum(axis=1), weights=w),
        ),
        (
            metrics.make_scorer(metrics.f1_score, average="macro"),
            lambda y, p, w: metrics.f1_score(y, p.argmax(axis=1), sample_weight=w, average="macro"),
        ),
    ],
)
def test_scores_of_classification_equal_metrics(scoring, function, weighted, kernel, data):
    X, y, weights = data
    y, weights = target_of(NadarayaWatsonClassifierCV, y), weights if weighted else None
    counted = slice(None) if weights is None else weights > 0
    of_counted = None if weights is None else weights[counted]
    model = NadarayaWatsonClassifierCV(kernel, LADDER[::3], scoring=scoring).fit(X, y, weights)
    expected = [
        function(
            y[counted],
            left_out(NadarayaWatsonClassifier(kernel, b), X, y, weights),
            of_counted,
        )
        for b in LADDER[::3]
    ]
    assert_allclose(model.cv_results_["score"], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "neg_brier_score", "f1"])
def test_scores_of_two_classes_equal_metrics(scoring, data):
    X, y, weights = data
    y = np.array(["no", "yes"])[(y > 0).astype(int)]
    scorer = metrics.get_scorer(scoring)
    if scoring in ("f1", "average_precision", "neg_brier_score"):
        scoring = metrics.make_scorer(
            {
                "f1": metrics.f1_score,
                "average_precision": metrics.average_precision_score,
                "neg_brier_score": metrics.brier_score_loss,
            }[scoring],
            pos_label="yes",
            **({} if scoring == "f1" else {"response_method": "predict_proba"}),
            **({"greater_is_better": False} if scoring == "neg_brier_score" else {}),
        )
        scorer = scoring
    model = NadarayaWatsonClassifierCV(bandwidths=LADDER, scoring=scoring).fit(X, y, weights)
    counted = weights > 0
    for bandwidth, score in zip(LADDER, model.cv_results_["score"]):
        plain = NadarayaWatsonClassifier(bandwidth=bandwidth).fit(X, y, weights)

        class LeftOut:
            _estimator_type = "classifier"
            classes_ = plain.classes_
            __sklearn_tags__ = plain.__sklearn_tags__

            def predict_proba(self, X, plain=plain):
                return plain.predict_proba(None)[counted]

            def predict(self, X, plain=plain):
                return plain.predict(None)[counted]

        expected = scorer(LeftOut(), X, y[counted], sample_weight=weights[counted])
        assert_allclose(score, expected, rtol=1e-9)


def furthest_off(y_true, y_pred):
    return -np.max(np.abs(y_true - y_pred))


def test_a_function_is_a_scoring(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, scoring=furthest_off).fit(X, y)
    expected = [
        furthest_off(y, left_out(NadarayaWatsonRegressor(bandwidth=b), X, y)) for b in LADDER
    ]
    assert_allclose(model.cv_results_["score"], expected, rtol=1e-9)
    assert NadarayaWatsonRegressorCV(scoring=furthest_off).fit(X, y).best_score_ >= max(expected)


@pytest.mark.parametrize("scoring", [furthest_off, "neg_max_error"])
def test_scores_without_weights(scoring, data):
    """The score ignores the weights, which still weigh the averages."""
    X, y, weights = data
    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, scoring=scoring).fit(X, y, weights)
    expected = [
        furthest_off(y[weights > 0], left_out(NadarayaWatsonRegressor(bandwidth=b), X, y, weights))
        for b in LADDER
    ]
    assert_allclose(model.cv_results_["score"], expected, rtol=1e-9)


def test_a_function_of_labels_is_a_scoring(data):
    X, y, _ = data
    y = np.array(["a", "b"])[(y > 0).astype(int)]
    model = NadarayaWatsonClassifierCV(
        bandwidths=LADDER, scoring=lambda truth, labels: float(np.mean(truth == labels))
    ).fit(X, y)
    named = NadarayaWatsonClassifierCV(bandwidths=LADDER, scoring="accuracy").fit(X, y)
    assert_allclose(model.cv_results_["score"], named.cv_results_["score"])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("scoring", ["aicc", "gcv"])
def test_criteria_of_the_fit_equal_formulas(scoring, n_outputs, weighted, kernel, data, rng):
    X, y, weights = data
    weights = weights if weighted else None
    y = y if n_outputs is None else np.column_stack([y, 3 * rng.normal(size=40)])
    candidates = [0.25, 0.3, [0.5, 1.0], Adaptive(0.6), 0.9, 2.0, 8.0]
    model = NadarayaWatsonRegressorCV(kernel, candidates, scoring=scoring).fit(X, y, weights)
    expected, traces = [], []
    for bandwidth in candidates:
        smoother = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y, weights).attention_weights_
        if weights is not None:
            smoother = smoother[np.ix_(weights > 0, weights > 0)]
        rows = slice(None) if weights is None else weights > 0
        of_rows = None if weights is None else weights[rows]
        expected.append(-criterion(scoring, smoother, y[rows], of_rows))
        traces.append(np.trace(smoother))
    assert_allclose(model.cv_results_["score"], expected, rtol=1e-9)
    assert_allclose(model.cv_results_["effective_dof"], traces, rtol=1e-9)
    assert model.best_score_ == max(model.cv_results_["score"])


@pytest.mark.parametrize("scoring", ["aicc", "gcv"])
@pytest.mark.parametrize("scale", [1e-300, 1e-3, 0.02, 10.0, 1e300])
def test_criteria_do_not_depend_on_the_scale_of_weights(scale, scoring, rng):
    """Criteria count rows; larger weights do not make them copies."""
    X = rng.uniform(0, 6, size=(200, 1))
    y = np.sin(X[:, 0]) + 0.3 * rng.normal(size=200)
    plain = NadarayaWatsonRegressorCV(scoring=scoring).fit(X, y)
    same = clone(plain).fit(X, y, np.full(200, scale))
    weights = rng.uniform(0.5, 2, 200)
    uneven, scaled = (clone(plain).fit(X, y, w) for w in (weights, weights * scale))
    for one, other in ((plain, same), (uneven, scaled)):
        assert_allclose(other.bandwidth_, one.bandwidth_, rtol=1e-9)
        for name in ("score", "effective_dof"):
            assert_allclose(other.cv_results_[name], one.cv_results_[name], rtol=1e-9)
    assert 4 < plain.cv_results_["effective_dof"][np.argmax(plain.cv_results_["score"])] < 40


@pytest.mark.parametrize("options", [{}, {"per_feature": True}, {"cv": 3}], ids=str)
@BOTH
def test_scale_of_the_weights_cancels(Search, options, data):
    X, y, weights = data
    y = target_of(Search, y)
    plain = Search(**options).fit(X, y, weights)
    same = SAME_BANDWIDTH if "per_feature" in options else 1e-9
    for scale in (1e-300, 10.0, 1e300):
        scaled = Search(**options).fit(X, y, weights * scale)
        assert_allclose(scaled.bandwidth_, plain.bandwidth_, rtol=same)


@pytest.mark.parametrize("scoring", ["aicc", "gcv"])
def test_criteria_of_nearest_and_adaptive_widths(scoring, data):
    X, y, _ = data
    candidates = [KNearest(6), KNearest(15)]
    model = NadarayaWatsonRegressorCV(bandwidths=candidates, scoring=scoring).fit(X, y)
    for bandwidth, score, trace in zip(
        candidates, model.cv_results_["score"], model.cv_results_["effective_dof"]
    ):
        smoother = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X, y).attention_weights_
        assert_allclose(trace, np.trace(smoother), rtol=1e-9)
        assert_allclose(score, -criterion(scoring, smoother, y), rtol=1e-9)


@pytest.mark.parametrize("scoring", ["aicc", "gcv"])
def test_criteria_refuse_fits_without_degrees_of_freedom(scoring, data):
    """A bandwidth that leaves no degree of freedom is not chosen, however small its residuals."""
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=[1e-6, 1e-3, 1.0], scoring=scoring).fit(X, y)
    assert_array_equal(model.cv_results_["score"][:2], [-np.inf, -np.inf])
    assert_array_equal(model.bandwidth_, [1.0, 1.0])
    automatic = NadarayaWatsonRegressorCV(scoring=scoring).fit(X, y)
    assert automatic.best_score_ >= model.best_score_


@pytest.mark.parametrize("scoring", ["aicc", "gcv"])
def test_error_says_that_criteria_need_more_rows(scoring, data):
    """Three rows leave no degree of freedom; the message does not blame empty neighbourhoods."""
    X, y, _ = data
    with pytest.raises(ValueError, match=scoring):
        NadarayaWatsonRegressorCV(scoring=scoring).fit(X[:3], y[:3])


@pytest.mark.parametrize("bandwidths", ["auto", [0.3, 1.0]])
def test_a_scoring_without_a_number_is_refused(bandwidths, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=bandwidths, scoring=lambda a, b: np.nan)
    with pytest.raises(ValueError, match="scoring"):
        model.fit(X, y)


def test_candidates_with_nan_scores_are_passed_over(data):
    X, y, _ = data

    def unless_flat(y_true, y_pred):
        return -np.mean((y_true - y_pred) ** 2) if np.std(y_pred) > 0.3 else np.nan

    some = NadarayaWatsonRegressorCV(bandwidths=LADDER, scoring=unless_flat).fit(X, y)
    assert np.isnan(some.cv_results_["score"]).any()
    best = NadarayaWatsonRegressorCV(bandwidths=LADDER).fit(X, y)
    assert_array_equal(some.bandwidth_, best.bandwidth_)
    climbed = NadarayaWatsonRegressorCV(scoring=unless_flat).fit(X, y)
    assert np.isfinite(climbed.best_score_)


def test_log_loss_of_probability_0_is_finite():
    """As in scikit-learn, a probability is at least the rounding error of 1."""
    X, y = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]]), np.array([0, 0, 1, 1, 2])
    model = NadarayaWatsonClassifierCV("boxcar", [0.5]).fit(X, y)
    assert_allclose(model.best_score_, np.log(np.finfo(float).eps) / 5)
    probabilities = left_out(NadarayaWatsonClassifier("boxcar", 0.5), X, y)
    assert_allclose(model.best_score_, -metrics.log_loss(y, probabilities))


def test_class_weight_weighs_averages_but_not_scores(data):
    X, y, weights = data
    y = target_of(NadarayaWatsonClassifierCV, y)
    for class_weight in ({0: 1.0, 1: 5.0, 2: 0.5}, "balanced"):
        model = NadarayaWatsonClassifierCV(bandwidths=LADDER, class_weight=class_weight)
        model.fit(X, y, weights)
        for bandwidth, score in zip(LADDER, model.cv_results_["score"]):
            plain = NadarayaWatsonClassifier(bandwidth=bandwidth, class_weight=class_weight)
            predictions = left_out(plain, X, y, weights)
            counted = weights > 0
            loss = mean_loss(NadarayaWatsonClassifierCV, predictions, y[counted], weights[counted])
            assert_allclose(-score, loss, rtol=1e-9)


# -- empty neighbourhoods ---------------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nan", "error"])
@BOTH
def test_bandwidths_with_empty_rows_are_not_chosen(Search, handle_empty, data):
    X, y, weights = data
    y = target_of(Search, y)
    candidates = [0.05, 6.0, 0.3]
    model = Search("epanechnikov", candidates, handle_empty=handle_empty).fit(X, y, weights)
    assert_array_equal(model.cv_results_["score"][::2], [-np.inf, -np.inf])
    assert min(model.cv_results_["empty_share"][::2]) > 0
    assert model.cv_results_["empty_share"][1] == 0
    assert_array_equal(model.bandwidth_, [6.0, 6.0])
    nearest = Search("epanechnikov", candidates).fit(X, y, weights)
    assert np.isfinite(nearest.cv_results_["score"]).all()


@pytest.mark.parametrize("per_feature", [False, True])
@pytest.mark.parametrize("handle_empty", ["nan", "error"])
@BOTH
def test_error_if_every_bandwidth_has_empty_rows(Search, handle_empty, per_feature, data):
    X, y, _ = data
    model = Search("epanechnikov", [0.01, 0.05], handle_empty=handle_empty, per_feature=per_feature)
    with pytest.raises(ValueError, match=r"No bandwidth has a score.*handle_empty='nearest' or"):
        model.fit(X, target_of(Search, y))
    assert not vars(model).keys() - model.get_params().keys()


# -- other cross-validation -------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cv", [4, KFold(3), "splits"])
@BOTH
def test_cv_equals_grid_search(Search, cv, weighted, data):
    X, y, weights = data
    y = target_of(Search, y)
    if weighted and not isinstance(cv, list):  # rows without weight are in given splits only
        X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
    weights = weights if weighted else None
    if cv == "splits":
        cv = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y > 0))
    candidates = [0.3, [0.5, 1.0], 1.0, "scott", KNearest(5), Adaptive(), wide_rule]
    model = Search(bandwidths=candidates, cv=cv).fit(X, y, weights)
    best = candidates[int(np.argmax(model.cv_results_["score"]))]
    plain = PLAIN[Search](bandwidth=best).fit(X, y, weights)
    assert_allclose(model.predict(X), plain.predict(X), rtol=1e-12)
    assert set(model.cv_results_) == {"bandwidth", "degree", "score"}
    assert model.best_score_ == max(model.cv_results_["score"])
    if weighted and not isinstance(cv, list):  # rows without weight are dropped before splitting
        X, y, weights = (array[weights > 0] for array in (X, y, weights))
    assert model.n_queries_ == len(X)
    if isinstance(cv, int):
        cv = KFold(cv) if Search is NadarayaWatsonRegressorCV else StratifiedKFold(cv)
    splits = cv if isinstance(cv, list) else list(cv.split(X, y))
    for bandwidth, score in zip(candidates, model.cv_results_["score"], strict=True):
        plain = PLAIN[Search](bandwidth=bandwidth)
        losses = []
        for train, test in splits:
            of_train, of_test = (None if weights is None else weights[i] for i in (train, test))
            plain.fit(X[train], y[train], of_train)
            predictions = getattr(plain, "predict_proba", plain.predict)(X[test])
            losses.append(mean_loss(Search, predictions, y[test], of_test))
        assert_allclose(-score, np.mean(losses), rtol=1e-9)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "precomputed"])
@SOME
def test_cv_leave_one_out_equals_leave_one_out(metric, kernel, data):
    X, y, _ = data
    keys = pairwise_distances(X)[:9, :9] if metric == "precomputed" else X[:9]
    candidates = [0.05, 0.5, 2.0]
    exact = NadarayaWatsonRegressorCV(kernel, candidates, metric=metric).fit(keys, y[:9])
    refits = clone(exact).set_params(cv=LeaveOneOut()).fit(keys, y[:9])
    assert_allclose(refits.cv_results_["score"], exact.cv_results_["score"], rtol=1e-10)
    assert_array_equal(refits.bandwidth_, exact.bandwidth_)


@pytest.mark.parametrize("scoring", ["accuracy", None])
def test_cv_leave_one_out_of_classes_equals_leave_one_out(scoring, data):
    X, y, _ = data
    y = (y > 0)[:15]
    exact = NadarayaWatsonClassifierCV(bandwidths=LADDER[::3], scoring=scoring).fit(X[:15], y)
    refits = clone(exact).set_params(cv=LeaveOneOut()).fit(X[:15], y)
    assert_allclose(refits.cv_results_["score"], exact.cv_results_["score"], rtol=1e-10)


def test_auto_with_cv(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(cv=4).fit(X, y)
    rungs = 2 * np.log2(np.array(model.cv_results_["bandwidth"])[:, 0] / scott_of("gaussian", X)[0])
    assert_array_equal(np.diff(np.round(rungs)), 1)
    assert len(rungs) >= 12


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_absolute_error", "neg_max_error"])
def test_names_of_scores_with_cv(scoring, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, cv=4, scoring=scoring).fit(X, y)
    expected = [
        cross_val_score(NadarayaWatsonRegressor(bandwidth=b), X, y, cv=4, scoring=scoring).mean()
        for b in LADDER
    ]
    assert_allclose(model.cv_results_["score"], expected, rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_function_for_scoring_with_cv(weighted, data):
    X, y, weights = data
    X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
    weights = weights if weighted else None
    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, cv=4, scoring=furthest_off)
    model.fit(X, y, weights)
    for bandwidth, score in zip(LADDER, model.cv_results_["score"]):
        scores = []
        for train, test in KFold(4).split(X):
            of_train = None if weights is None else weights[train]
            plain = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X[train], y[train], of_train)
            scores.append(furthest_off(y[test], plain.predict(X[test])))
        assert_allclose(score, np.mean(scores), rtol=1e-9)


def test_a_scorer_with_cv_is_not_changed(data):
    X, y, _ = data
    scorer = metrics.make_scorer(metrics.r2_score)
    before = pickle.dumps(scorer)
    NadarayaWatsonRegressorCV(bandwidths=LADDER, cv=4, scoring=scorer).fit(X, y)
    assert pickle.dumps(scorer) == before


def test_a_function_of_an_estimator_with_cv(data):
    X, y, _ = data

    def scorer(estimator, X, y):
        return -np.max(np.abs(estimator.predict(X) - y))

    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, cv=4, scoring=scorer).fit(X, y)
    by_name = NadarayaWatsonRegressorCV(bandwidths=LADDER, cv=4, scoring=furthest_off).fit(X, y)
    assert_allclose(model.cv_results_["score"], by_name.cv_results_["score"])


def test_rows_without_weight_are_ignored_with_cv(data):
    """A fold would otherwise score such a row alone."""
    X, y, weights = (array[:15] for array in data)
    counted = weights > 0
    model = NadarayaWatsonRegressorCV(bandwidths=[0.3, 1.0], cv=LeaveOneOut()).fit(X, y, weights)
    others = clone(model).fit(X[counted], y[counted], weights[counted])
    assert_allclose(model.cv_results_["score"], others.cv_results_["score"])


def test_cv_with_empty_neighbourhoods(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV("epanechnikov", [0.05, 8.0], cv=4, handle_empty="nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about failed scores
        model.fit(X, y)
        assert_array_equal(model.bandwidth_, [8.0, 8.0])
        with pytest.raises(ValueError, match="No bandwidth has a score"):
            model.set_params(bandwidths=[0.05]).fit(X, y)


# -- one bandwidth per feature ----------------------------------------------------------------


def objective_of(model, X, y, sample_weight, monkeypatch):
    """The objective by log(bandwidth / rule), its centre of shrinkage, and the rule."""
    seen = []

    def minimize(objective, x, **options):
        seen.append(objective)
        return OptimizeResult(x=x, fun=objective(x)[0])

    monkeypatch.setattr(_descent, "minimize", minimize)
    model.fit(X, y, sample_weight)
    candidate = clone(model).set_params(per_feature=False).fit(X, y, sample_weight).bandwidth_
    rule = scott_of(model.kernel, X, in_effective_rows(sample_weight))
    origin = np.log(candidate / rule).clip(-np.log(1e3) / 2, np.log(1e3) / 2)
    return *seen, origin, rule


def deviance(Search, predictions, y, weights=None):
    """Twice the mean negative log-likelihood, up to a constant."""
    loss = mean_loss(Search, predictions, y, weights)
    return 2 * loss if Search is NadarayaWatsonClassifierCV else np.log(loss)


@pytest.mark.parametrize(
    ("target", "weighted", "shrinkage"),
    [
        ("one", False, 0.0),
        ("one", True, 0.3),
        ("several", True, 0.0),
        ("classes", False, 0.3),
        ("classes", True, 0.0),
    ],
)
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_equal_differences(kernel, target, weighted, shrinkage, rng, monkeypatch):
    X = rng.normal(size=(30, 3)) * [1.0, 100.0, 1e-3]
    weights = rng.uniform(0.2, 3, 30) if weighted else np.ones(30)
    y = {
        "one": rng.normal(size=30),
        "several": rng.normal(size=(30, 3)) * [1.0, 20.0, 0.1],
        "classes": rng.integers(0, 3, 30),
    }[target]
    Search = NadarayaWatsonClassifierCV if target == "classes" else NadarayaWatsonRegressorCV
    model = Search(kernel, per_feature=True, shrinkage=shrinkage)
    objective, origin, rule = objective_of(model, X, y, weights, monkeypatch)
    values = np.eye(3)[y] if target == "classes" else y

    def plainly(x):
        smoother = attention(X, X, kernel, rule * np.exp(x), weights, True, "nearest")
        fit = deviance(Search, smoother @ values, y, weights)
        return fit + shrinkage * ((x - origin) ** 2).sum()

    # Far enough from the minimum that no slope is 0. Scaling several outputs adds a constant.
    start = np.array([0.3, -0.2, 0.5])
    for x in (start, start + 0.4, start[::-1] + 1.0):
        value, slopes = objective(x)
        assert_allclose(
            value - objective(start)[0], plainly(x) - plainly(start), rtol=1e-9, atol=1e-10
        )
        assert_allclose(slopes, slope(plainly, x), rtol=1e-6, atol=1e-8)


def test_golden_numbers_of_r_np():
    """R's np finds these bandwidths on the data of statsmodels' own test, with the same loss."""
    random = np.random.RandomState(123456)
    random.binomial(2, 0.7, (60, 1))
    random.binomial(3, 0.7, (60, 1))
    c1 = random.normal(size=(60, 1))
    c2 = random.normal(10, 1, (60, 1))
    random.normal(10, 2, (60, 1))
    noise = random.normal(size=(60, 1))
    X, y = np.hstack([c1, c2]), (0.3 + 1.2 * c1 + 3.7 * c2 + noise).ravel()
    model = NadarayaWatsonRegressorCV(per_feature=True, shrinkage=0).fit(X, y)
    assert_allclose(model.bandwidth_, [0.6163835, 0.1649656], rtol=0.01)
    there = attention(X, X, "gaussian", [0.6163835, 0.1649656], leave_self_out=True) @ y
    assert -model.best_score_ <= np.mean((y - there) ** 2) * (1 + SAME_SCORE)


@pytest.mark.parametrize("target", ["one", "several", "classes"])
@pytest.mark.parametrize("name", ["gaussian", "exponential", "triweight"])
def test_the_bandwidths_found_are_a_minimum(name, target, rng):
    X = rng.uniform(-2, 2, (80, 2)) * [1.0, 30.0]
    signal = np.sin(3 * X[:, 0]) + 0.01 * X[:, 1]
    y = {
        "one": signal + 0.3 * rng.normal(size=80),
        "several": signal[:, None] * [1.0, -20.0] + rng.normal(size=(80, 2)),
        "classes": (signal + 0.2 * rng.normal(size=80) > 0).astype(int),
    }[target]
    Search = NadarayaWatsonClassifierCV if target == "classes" else NadarayaWatsonRegressorCV
    values = np.eye(2)[y] if target == "classes" else y
    model = Search(name, per_feature=True, shrinkage=0.05).fit(X, y)
    rule = scott_of(name, X)
    origin = np.log(Search(name).fit(X, y).bandwidth_ / rule)

    def penalised(x):
        smoother = attention(X, X, name, rule * np.exp(x), 1.0, True, "nearest")
        return deviance(Search, smoother @ values, y) + 0.05 * ((x - origin) ** 2).sum()

    x = np.log(model.bandwidth_ / rule)
    assert np.ptp(x) > 0
    for step in ([0.05, 0], [-0.05, 0], [0, 0.05], [0, -0.05], [0.05, 0.05], [-0.05, -0.05]):
        assert penalised(x + step) > penalised(x)


@pytest.mark.parametrize(
    ("n_samples", "worth"), [(12, False), (60, None), (120, None), (600, True)]
)
@pytest.mark.parametrize("weighted", [False, True])
@BOTH
def test_bandwidths_per_feature_are_kept_if_aic_improves(
    Search, weighted, n_samples, worth, rng, monkeypatch
):
    """AIC: n times the gain in deviance must exceed two for each further bandwidth."""
    X = rng.normal(size=(n_samples, 3))
    y = X[:, 0] + 0.2 * X[:, 1] + rng.normal(size=n_samples)
    values = y
    if Search is NadarayaWatsonClassifierCV:
        y = (y > 0).astype(int)
        values = np.eye(2)[y]
    weights = rng.uniform(0.5, 2, n_samples) if weighted else np.ones(n_samples)
    apart = np.log([0.8, 1.2, 2.0])
    common = Search().fit(X, y, weights)
    rule = scott_of("gaussian", X, in_effective_rows(weights))

    def minimize(objective, x, **options):
        x = np.log(common.bandwidth_ / rule) + apart
        return OptimizeResult(x=x, fun=objective(x)[0])

    def deviance_at(bandwidth):
        smoother = attention(X, X, "gaussian", bandwidth, weights, True, "nearest")
        return deviance(Search, smoother @ values, y, weights)

    monkeypatch.setattr(_descent, "minimize", minimize)
    model = Search(per_feature=True).fit(X, y, weights)
    found = common.bandwidth_ * np.exp(apart)
    gain = deviance_at(common.bandwidth_) - deviance_at(found)
    kept = gain * weights.sum() ** 2 / (weights**2).sum() > 2 * 2
    assert kept == worth or worth is None
    assert_allclose(model.bandwidth_, found if kept else common.bandwidth_, rtol=1e-9)
    assert np.max(model.cv_results_["score"]) == model.best_score_


@pytest.mark.parametrize(
    "load",
    [
        datasets.load_diabetes,
        datasets.load_linnerud,
        datasets.load_iris,
        datasets.load_wine,
        datasets.load_breast_cancer,
    ],
)
def test_per_feature_is_at_least_as_good_on_real_data(load):
    """By R2 of the targets, or of the class probabilities, on held-out rows."""
    X, y = load(return_X_y=True)
    Search, Folds, values = NadarayaWatsonRegressorCV, RepeatedKFold, y
    if y.dtype.kind == "i":
        Search, Folds = NadarayaWatsonClassifierCV, RepeatedStratifiedKFold
        values = np.eye(y.max() + 1)[y]
    predict = "predict" if values is y else "predict_proba"
    scores = []
    for train, test in Folds(n_splits=5, n_repeats=1, random_state=0).split(X, y):
        for per_feature in (False, True):
            model = make_pipeline(StandardScaler(), Search(per_feature=per_feature))
            predictions = getattr(model.fit(X[train], y[train]), predict)(X[test])
            scores.append(metrics.r2_score(values[test], predictions))
    common, each = np.mean(np.reshape(scores, (-1, 2)), axis=0)
    assert each > common - 0.01


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
@BOTH
def test_per_feature_scores_at_least_as_well(Search, kernel, data):
    X, y, weights = data
    y = target_of(Search, y)
    common = Search(kernel).fit(X, y, weights)
    model = Search(kernel, per_feature=True).fit(X, y, weights)
    assert model.best_score_ >= common.best_score_ - 1e-12
    n_common = len(common.cv_results_["score"])
    assert len(model.cv_results_["score"]) - n_common in (0, 1)
    assert model.cv_results_["score"][:n_common] == common.cv_results_["score"]
    # The entry has the score of the plain estimator.
    found = model.cv_results_["bandwidth"][-1]
    predictions = left_out(PLAIN[Search](kernel, found), X, y, weights)
    expected = mean_loss(Search, predictions, y[weights > 0], weights[weights > 0])
    assert_allclose(-model.cv_results_["score"][-1], expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "exponential"])
@BOTH
def test_an_irrelevant_column_is_switched_off(Search, name, rng):
    X = rng.normal(size=(200, 2)) * [1.0, 1e4]
    y = np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=200)
    y = (y > 0).astype(int) if Search is NadarayaWatsonClassifierCV else y
    model = Search(name, per_feature=True, shrinkage=0).fit(X, y)
    rule = scott_of(name, X)
    assert 0 < model.bandwidth_[0] < 0.5 * rule[0]
    assert model.bandwidth_[1] > 3 * rule[1]
    # By chance a finite bandwidth may score better; it is not kept for no gain.
    off = left_out(PLAIN[Search](name, [model.bandwidth_[0], np.inf]), X, y)
    assert model.best_score_ >= -mean_loss(Search, off, y) - 1e-12
    if name == "gaussian":
        assert model.bandwidth_[1] == np.inf
        alone = PLAIN[Search](name, model.bandwidth_[:1]).fit(X[:, :1], y)
        assert_allclose(model.predict(X), alone.predict(X[:, :1]), rtol=1e-9, atol=1e-9)


def rmse(model, X, truth):
    return np.sqrt(np.mean((model.predict(X) - truth) ** 2))


@pytest.mark.parametrize(
    ("n", "n_columns", "values", "noise"),
    [(400, 1, 2, 0.1), (100, 5, 2, 0.3), (400, 5, 2, 0.3), (300, 3, 3, 0.1)],
)
def test_irrelevant_columns_of_few_values(n, n_columns, values, noise, rng):
    """A narrow bandwidth separates the values of such a column, and slopes there are 0."""
    ratios = []
    for _ in range(3):
        x, Q = rng.uniform(-2, 2, size=(n, 1)), rng.uniform(-2, 2, size=(500, 1))
        y, truth = np.sin(2 * x[:, 0]) + noise * rng.normal(size=n), np.sin(2 * Q[:, 0])
        rows, queries = (rng.integers(0, values, (len(these), n_columns)) for these in (x, Q))
        alone = NadarayaWatsonRegressorCV().fit(x, y)
        model = NadarayaWatsonRegressorCV(per_feature=True).fit(np.hstack([x, rows]), y)
        ratios.append(rmse(model, np.hstack([Q, queries]), truth) / rmse(alone, Q, truth))
    assert np.mean(ratios) < 1.5


def test_relevant_columns_of_few_values(rng):
    """Two columns matter only together."""
    X, Q = (np.hstack([rng.normal(size=(n, 1)), rng.integers(0, 2, (n, 4))]) for n in (200, 500))
    truth, of_queries = ((Z[:, 1] != Z[:, 2]) + 0.2 * Z[:, 0] for Z in (X, Q))
    y = truth + 0.1 * rng.normal(size=200)
    model = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y)
    assert rmse(model, Q, of_queries) < 0.06
    assert (model.bandwidth_[1:3] < 0.6).all()
    assert (model.bandwidth_[3:] > 1).all()


@pytest.mark.parametrize("per_feature", [False, True])
def test_one_huge_value_does_not_spoil_the_search(per_feature, rng):
    X, Q = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
    y, truth = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=300), np.sin(2 * Q[:, 0])
    plain = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(X, y)
    for column in (0, 1):
        with_it = X.copy()
        with_it[5, column] = 1e5
        model = NadarayaWatsonRegressorCV(per_feature=per_feature).fit(with_it, y)
        assert rmse(model, Q, truth) < 1.1 * rmse(plain, Q, truth)


def test_pure_noise_is_smoothed_to_the_mean(rng):
    X, y = rng.normal(size=(100, 2)), rng.normal(size=100)
    model = NadarayaWatsonRegressorCV(per_feature=True, shrinkage=0).fit(X, y)
    assert -model.best_score_ <= np.var(y, ddof=1) * 100 / 99 * 1.001


def test_shrinkage_draws_bandwidths_together(rng):
    X = rng.normal(size=(80, 3)) * [1.0, 1e6, 1e-6]
    y = np.sin(2 * X[:, 0]) + 0.5e-6 * X[:, 1] + 0.3 * rng.normal(size=80)
    rule = scott_of("gaussian", X)
    spreads = []
    for shrinkage in (0.0, 0.01, 0.1, 1.0, 100.0):
        model = NadarayaWatsonRegressorCV(per_feature=True, shrinkage=shrinkage).fit(X, y)
        bandwidth = np.minimum(model.cv_results_["bandwidth"][-1] / rule, 1e3)
        spreads.append(np.ptp(np.log(bandwidth)))
    assert np.all(np.diff(spreads) < 0)
    assert spreads[-1] < 0.01
    assert spreads[0] > 1


@pytest.mark.parametrize("shrinkage", [0.01, 1.0])
def test_units_cancel_with_shrinkage(shrinkage, data):
    X, y, weights = data
    unit = np.array([1e-3, 1e5])
    plain = NadarayaWatsonRegressorCV(per_feature=True, shrinkage=shrinkage).fit(X, y, weights)
    other = clone(plain).fit(X * unit + [5.0, -3.0], y, weights)
    assert_allclose(other.bandwidth_, plain.bandwidth_ * unit, rtol=SAME_BANDWIDTH)


@pytest.mark.parametrize(
    "bandwidths",
    [[0.5], [0.2, 1.0], [[0.2, 3.0]], [KNearest(5)], [Adaptive()], [np.inf], [0.0], ["scott", 9.0]],
    ids=str,
)
def test_the_descent_starts_from_any_candidate(bandwidths, data):
    X, y, weights = data
    model = NadarayaWatsonRegressorCV(bandwidths=bandwidths, per_feature=True, shrinkage=0)
    automatic = clone(model).set_params(bandwidths="auto").fit(X, y, weights)
    model.fit(X, y, weights)
    assert np.isfinite(model.cv_results_["score"]).all()
    if bandwidths not in ([0.0], [np.inf]):  # the loss is flat there
        assert_allclose(model.best_score_, automatic.best_score_, rtol=0.1)


def test_the_default_scoring_has_a_name(data):
    X, y, _ = data
    plain = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y)
    named = NadarayaWatsonRegressorCV(per_feature=True, scoring="neg_mean_squared_error").fit(X, y)
    assert_array_equal(named.bandwidth_, plain.bandwidth_)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"cv": 3}, "per_feature=True needs cv=None, because.*got cv=3"),
        ({"cv": [([0], [1])]}, "per_feature=True needs cv.*got cv="),
        ({"metric": "manhattan"}, "needs metric='euclidean', because.*got metric='manhattan'"),
        ({"scoring": "r2"}, "needs scoring from.*neg_mean_squared_error.*got scoring='r2'"),
        ({"scoring": furthest_off}, "needs scoring from.*got scoring=<function furthest_off"),
        ({"kernel": "boxcar"}, "kernel with a derivative; got kernel 'boxcar'"),
        ({"kernel": "constant"}, "kernel with a derivative; got kernel 'constant'"),
    ],
)
def test_options_without_slopes_refuse_per_feature(params, match, data):
    X, y, _ = data
    with pytest.raises(ValueError, match=match):
        NadarayaWatsonRegressorCV(per_feature=True, **params).fit(X, y)


def heavy_tailed(u):
    return 1 / (1 + u**2)


def test_a_function_refuses_per_feature(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="kernel with a derivative; got kernel 'heavy_tailed'"):
        NadarayaWatsonRegressorCV(heavy_tailed, per_feature=True).fit(X, y)
    # A function that is a registered kernel has slopes.
    model = NadarayaWatsonRegressorCV(lambda u: np.exp(-(u**2) / 2), per_feature=True).fit(X, y)
    named = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y)
    assert_array_equal(model.bandwidth_, named.bandwidth_)


# -- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"bandwidths": []}, "bandwidths must be 'auto' or at least one bandwidth; got none"),
        ({"bandwidths": "scott"}, "'bandwidths' parameter.*Got 'scott'"),
        ({"bandwidths": 1.0}, "'bandwidths' parameter.*Got 1.0"),
        ({"bandwidths": None}, "'bandwidths' parameter.*Got None"),
        ({"bandwidths": [1.0, -2.0]}, "bandwidth must be a non-negative number.*got -2.0"),
        ({"bandwidths": [1.0, np.nan]}, "bandwidth must be a non-negative number.*got nan"),
        ({"bandwidths": ["scot"]}, "bandwidth must be a non-negative number.*got 'scot'"),
        ({"bandwidths": [None]}, "bandwidth must be a non-negative number.*got None"),
        ({"bandwidths": [[1.0, 2.0, 3.0]]}, r"or 2 of them.*got \[1.0, 2.0, 3.0\]"),
        ({"bandwidths": [KNearest(0)]}, "needs an integer k from 1 to n_samples.*got k=0"),
        ({"bandwidths": [KNearest(99)]}, "needs an integer k from 1 to n_samples.*got k=99"),
        ({"bandwidths": [KNearest(40)]}, r"KNearest\(k=40\) needs at least 40 .*got 39"),
        ({"bandwidths": [Adaptive(exponent=3)]}, "needs an exponent from 0 to 1; got 3"),
        ({"per_feature": 1.5}, "'per_feature' parameter.*Got 1.5"),
        ({"shrinkage": -1}, "'shrinkage' parameter.*Got -1"),
        ({"scoring": "mse"}, "'mse' is not a valid scoring"),
        ({"scoring": 3}, "'scoring' parameter.*Got 3"),
        ({"cv": "five"}, "'cv' parameter.*Got 'five'"),
        ({"subsample": 0}, "'subsample' parameter.*Got 0"),
        ({"subsample": 0.5}, "'subsample' parameter.*Got 0.5"),
        ({"random_state": "x"}, "'random_state' parameter.*Got 'x'"),
        ({"kernel": "gauss"}, "kernel must be.*got 'gauss'"),
        ({"metric": "nonsense"}, "metric must be.*got 'nonsense'"),
        ({"handle_empty": "zero"}, "'handle_empty' parameter.*Got 'zero'"),
        ({"scoring": "aicc", "cv": 3}, "scoring='aicc' is a criterion of regression with cv=None"),
        ({"scoring": "gcv", "cv": 3}, "scoring='gcv' is a criterion of regression with cv=None"),
    ],
    ids=str,
)
def test_errors_name_the_parameter_and_its_value(params, match, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(**params)
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert not vars(model).keys() - model.get_params().keys()


@pytest.mark.parametrize("scoring", ["aicc", "gcv"])
def test_classifiers_refuse_criteria(scoring, data):
    X, y, _ = data
    with pytest.raises(ValueError, match=f"scoring='{scoring}' is a criterion of regression"):
        NadarayaWatsonClassifierCV(scoring=scoring).fit(X, y > 0)


@BOTH
def test_searches_have_no_parameter_bandwidth(Search):
    assert "bandwidth" not in Search().get_params()
    with pytest.raises(ValueError, match="Invalid parameter 'bandwidth'"):
        Search().set_params(bandwidth=1.0)
    with pytest.raises(TypeError, match="bandwidth"):
        Search(bandwidth=1.0)


# -- subsamples ---------------------------------------------------------------------------------


def test_subsample_scores_some_rows_against_all(kernel, data):
    X, y, weights = data
    candidates = [0.3, 1.0, KNearest(5), Adaptive()]
    model = NadarayaWatsonRegressorCV(kernel, candidates, subsample=10, random_state=3)
    model.fit(X, y, weights)
    assert model.n_queries_ == 10
    # Only rows with weight are scored, against all keys.
    counted = np.flatnonzero(weights > 0)
    rows = np.sort(np.random.RandomState(3).choice(len(counted), 10, replace=False))
    for bandwidth, score in zip(candidates, model.cv_results_["score"]):
        predictions = left_out(NadarayaWatsonRegressor(kernel, bandwidth), X, y, weights)[rows]
        squares = (y[counted][rows] - predictions) ** 2
        expected = np.average(squares, weights=weights[counted][rows])
        assert_allclose(-score, expected, rtol=1e-9)


@pytest.mark.parametrize("metric", ["manhattan", "precomputed"])
def test_subsample_with_another_metric(metric, data):
    X, y, _ = data
    keys = pairwise_distances(X) if metric == "precomputed" else X
    model = NadarayaWatsonRegressorCV(bandwidths=[0.5], metric=metric, subsample=12, random_state=1)
    model.fit(keys, y)
    rows = np.sort(np.random.RandomState(1).choice(40, 12, replace=False))
    predictions = left_out(NadarayaWatsonRegressor(bandwidth=0.5, metric=metric), keys, y)
    assert_allclose(-model.best_score_, np.mean((y - predictions)[rows] ** 2), rtol=1e-9)


@pytest.mark.parametrize("per_feature", [False, True])
@BOTH
def test_random_state_fixes_the_subsample(Search, per_feature, data):
    X, y, weights = data
    y = target_of(Search, y)
    model = Search(subsample=15, random_state=7, per_feature=per_feature)
    first, second = (clone(model).fit(X, y, weights) for _ in range(2))
    assert first.cv_results_["score"] == second.cv_results_["score"]
    assert_array_equal(first.bandwidth_, second.bandwidth_)
    other = clone(model).set_params(random_state=8).fit(X, y, weights)
    assert other.cv_results_["score"] != first.cv_results_["score"]
    shared = np.random.RandomState(7)
    drawn = [clone(model).set_params(random_state=shared).fit(X, y, weights) for _ in range(2)]
    assert drawn[0].n_queries_ == drawn[1].n_queries_ == 15


@pytest.mark.parametrize("subsample", ["auto", None, 40, 1000])
def test_large_subsamples_are_all_rows(subsample, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(subsample=subsample).fit(X, y)
    assert model.n_queries_ == 40
    assert_allclose(model.best_score_, -np.mean((y - model.predict(None)) ** 2), rtol=1e-9)


class OfFewRows(NadarayaWatsonRegressorCV):
    """A search for which 31 rows are very many."""

    _most_rows_scored, _rows_drawn = 30, 8


def test_subsample_auto_draws_from_very_many_rows(data):
    limits = NadarayaWatsonRegressorCV._most_rows_scored, NadarayaWatsonRegressorCV._rows_drawn
    assert limits == (20_000, 5_000)
    X, y, _ = data
    assert OfFewRows().fit(X[:30], y[:30]).n_queries_ == 30
    assert OfFewRows().fit(X[:31], y[:31]).n_queries_ == 8
    assert OfFewRows(subsample=None).fit(X, y).n_queries_ == 40
    # Rows without weight are not drawn.
    weights = np.r_[np.ones(30), np.zeros(10)]
    assert OfFewRows().fit(X, y, weights).n_queries_ == 30


def test_degrees_of_freedom_are_those_of_all_rows(rng):
    X, y = rng.normal(size=(400, 2)), rng.normal(size=400)
    every = NadarayaWatsonRegressorCV(bandwidths=[0.3, 1.0]).fit(X, y)
    some = NadarayaWatsonRegressorCV(bandwidths=[0.3, 1.0], subsample=150, random_state=0)
    some.fit(X, y)
    dof = some.cv_results_["effective_dof"]
    assert_allclose(dof, every.cv_results_["effective_dof"], rtol=0.2)
    assert some.cv_results_["effective_dof"] != every.cv_results_["effective_dof"]


def test_subsample_of_one_row(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(subsample=1, random_state=0).fit(X, y)
    assert model.n_queries_ == 1
    assert np.isfinite(model.best_score_)


# -- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_feature", [False, True])
@BOTH
def test_cv_results_make_a_table(Search, per_feature, data):
    X, y, weights = data
    y = target_of(Search, y)
    model = Search(bandwidths=EVERY_KIND, per_feature=per_feature).fit(X, y, weights)
    table = pd.DataFrame(model.cv_results_)
    numbers = ["multiple", "score", "effective_dof", "empty_share"]
    ridge = ["ridge"] if is_classifier(model) else []
    assert list(table) == ["bandwidth", "degree", *ridge, *numbers]
    assert len(table) == len(EVERY_KIND) + per_feature
    assert all(table.dtypes[numbers] == np.float64)
    assert table.score.max() == model.best_score_
    assert table.bandwidth[6] == KNearest(4)
    assert table.bandwidth[7] == Adaptive()
    assert_array_equal(table.bandwidth[1], [0.3, 1.0])
    assert_array_equal(table.bandwidth[10], [0.0, 0.0])
    assert pd.DataFrame(Search(cv=3).fit(X, y).cv_results_).shape == (12, 3)


def test_columns_of_the_table(kernel, data):
    X, y, weights = data
    candidates = [*LADDER, [0.2, np.inf], Adaptive(), np.inf]
    model = NadarayaWatsonRegressorCV(kernel, candidates).fit(X, y, weights)
    table = pd.DataFrame(model.cv_results_)
    counted = weights > 0
    for bandwidth, dof, share in zip(candidates, table.effective_dof, table.empty_share):
        plain = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty="nan").fit(X, y, weights)
        assert_allclose(dof, np.trace(plain.attention_weights_[np.ix_(counted, counted)]))
        assert_allclose(share, np.isnan(plain.predict(None)[counted]).mean())


@BOTH
def test_fitted_attributes(Search, data):
    X, y, weights = data
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = Search("biweight").fit(frame, target_of(Search, y), weights)
    assert model.bandwidth_.shape == (2,)
    assert isinstance(model.best_score_, float)
    assert model.n_queries_ == np.sum(weights > 0)
    assert model.kernel_ is KERNELS["biweight"]
    assert model.algorithm_ == "dense"
    assert model.n_features_in_ == 2
    assert list(model.feature_names_in_) == ["a", "b"]
    assert not hasattr(model, "best_estimator_")
    if Search is NadarayaWatsonClassifierCV:
        assert_array_equal(model.classes_, [0, 1, 2])


@pytest.mark.parametrize(
    ("name", "params"),
    [*((name, {}) for name in KERNELS), ("tricube", {"per_feature": True}), ("cosine", {"cv": 3})],
    ids=str,
)
@BOTH
def test_the_model_equals_the_plain_estimator(Search, name, params, data, rng):
    X, y, weights = data
    y = target_of(Search, y)
    model = Search(name, **params).fit(X, y, weights)
    plain = PLAIN[Search](name, model.bandwidth_).fit(X, y, weights)
    for queries in (rng.normal(size=(10, 2)), X, None):
        assert_array_equal(model.predict(queries), plain.predict(queries))
        assert_array_equal(model.attention_weights(queries), plain.attention_weights(queries))
    assert_array_equal(model.attention_weights_, plain.attention_weights_)
    assert model.score(X, y) == plain.score(X, y)
    assert model.score(None, y) == plain.score(None, y)
    sparse = model.attention_weights(X, sparse_output=True, top_k=3)
    assert_array_equal(sparse.toarray(), plain.attention_weights(X, top_k=3))
    if Search is NadarayaWatsonClassifierCV:
        assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
        assert_array_equal(model.predict_log_proba(X), plain.predict_log_proba(X))


@BOTH
def test_fit_forgets_the_earlier_fit(Search, data):
    X, y, weights = data
    y = target_of(Search, y)
    model = Search(per_feature=True).fit(X, y, weights)
    again = model.set_params(per_feature=False).fit(X[:, :1], y)
    fresh = clone(model).fit(X[:, :1], y)
    assert_array_equal(again.bandwidth_, fresh.bandwidth_)
    assert again.cv_results_["score"] == fresh.cv_results_["score"]
    assert vars(again).keys() == vars(fresh).keys()


# -- scikit-learn's tools -----------------------------------------------------------------------


@BOTH
def test_pickle_and_clone(Search, data):
    X, y, weights = data
    y = target_of(Search, y)
    model = Search(bandwidths=[0.3, KNearest(5), Adaptive()], shrinkage=0.5).fit(X, y, weights)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.best_score_ == model.best_score_
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "bandwidth_")
    assert "shrinkage=0.5" in repr(model)


@BOTH
def test_pipelines_and_nested_searches(Search, data):
    X, y, _ = data
    y = target_of(Search, y)
    pipeline = make_pipeline(StandardScaler(), Search()).fit(X * [1.0, 1e6], y)
    alone = Search().fit(StandardScaler().fit_transform(X), y)
    assert_allclose(pipeline[-1].bandwidth_, alone.bandwidth_)
    scores = cross_val_score(Search(), X, y, cv=3, error_score="raise")
    nested = []
    splits = StratifiedKFold(3) if Search is NadarayaWatsonClassifierCV else KFold(3)
    for train, test in splits.split(X, y):
        nested.append(Search().fit(X[train], y[train]).score(X[test], y[test]))
    assert_allclose(scores, nested)
    names = ["gaussian", "epanechnikov", "tricube"]
    search = GridSearchCV(Search(), {"kernel": names}, cv=3, error_score="raise").fit(X, y)
    by_kernel = [cross_val_score(Search(name), X, y, cv=3).mean() for name in names]
    assert_allclose(search.cv_results_["mean_test_score"], by_kernel)
    assert search.best_estimator_.bandwidth_.shape == (2,)


def test_groups_as_splits(data):
    X, y, _ = data
    groups = np.arange(40) // 4
    splits = list(GroupKFold(5).split(X, y, groups))
    model = NadarayaWatsonRegressorCV(bandwidths=LADDER, cv=splits).fit(X, y)
    search = GridSearchCV(
        NadarayaWatsonRegressor(),
        {"bandwidth": LADDER},
        cv=GroupKFold(5),
        scoring="neg_mean_squared_error",
    ).fit(X, y, groups=groups)
    assert_allclose(model.cv_results_["score"], search.cv_results_["mean_test_score"])


def test_accuracy_on_iris():
    X, y = datasets.load_iris(return_X_y=True)
    for params in ({}, {"per_feature": True}, {"kernel": "epanechnikov"}):
        model = NadarayaWatsonClassifierCV(**params).fit(X, y)
        assert model.score(None, y) > 0.92


def test_predictions_equal_the_formula(data):
    X, y, weights = data
    model = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y, weights)
    expected = predict(X, X, y, "gaussian", model.bandwidth_, sample_weight=weights)
    assert_allclose(model.predict(X), expected, rtol=1e-9, atol=1e-10)


# -- interruptions ----------------------------------------------------------------------------


class Failing:
    """A scoring that raises on its third call."""

    __name__ = "failing"

    def __init__(self, error):
        self.error, self.calls = error, 0

    def __call__(self, y_true, y_pred):
        self.calls += 1
        if self.calls == 3:
            raise self.error
        return -float(np.mean(y_true != y_pred))


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(1)], ids=repr
)
@pytest.mark.parametrize("fitted", [False, True])
@BOTH
def test_an_interrupted_search_leaves_the_estimator_unchanged(Search, fitted, error, data):
    X, y, _ = data
    y = target_of(Search, y)
    model = Search()
    if fitted:
        model.fit(X[:30, :1], y[:30])
        predictions = model.predict(X[:, :1])
    model.set_params(scoring=Failing(error))
    before = vars(model).copy()
    with pytest.raises(type(error)):
        model.fit(X, y)
    assert model.scoring.calls == 3
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)
    if fitted:
        assert_array_equal(model.predict(X[:, :1]), predictions)
        assert model.bandwidth_.shape == (1,)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("per_feature", [False, True])
def test_a_kernel_that_fails_midway_changes_nothing(per_feature, n_jobs, data, monkeypatch):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(per_feature=per_feature, n_jobs=n_jobs)
    fitted = clone(model).fit(X, y)
    before = vars(fitted).copy()
    fits, calls = _search.LeaveOneOut.fits, []

    def failing(self, windows, degree):
        calls.append(windows)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fits(self, windows, degree)

    monkeypatch.setattr(_search.LeaveOneOut, "fits", failing)
    # The second call extends the ladder or follows the slopes.
    noise = np.random.default_rng(0).normal(size=40)
    for estimator in (model, fitted):
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X, noise)
    assert not hasattr(model, "bandwidth_")
    assert all(vars(fitted)[name] is before[name] for name in before)


# -- tables of results ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("Search", "params"),
    [
        (nwkr.NadarayaWatsonRegressorCV, {}),
        (nwkr.NadarayaWatsonRegressorCV, {"cv": 2, "bandwidths": [0.3, "scott"]}),
        (nwkr.NadarayaWatsonRegressorCV, {"bandwidths": ["scott", KNearest(5), [0.3, 0.4]]}),
        (nwkr.NadarayaWatsonRegressorCV, {"bandwidths": [0.3, 1.0], "metric": "manhattan"}),
        (nwkr.NadarayaWatsonClassifierCV, {}),
        (nwkr.NadarayaWatsonClassifierCV, {"cv": 2, "bandwidths": [0.3, "scott"]}),
    ],
    ids=str,
)
def test_results_are_a_frame(Search, params):
    X, y = datasets.make_moons(60, noise=0.3, random_state=0)
    model = Search(**params).fit(X, y)
    table = pd.DataFrame(model.cv_results_)
    columns = ["bandwidth", "degree", "multiple", "score", "effective_dof", "empty_share"]
    if "cv" in params:
        columns = ["bandwidth", "degree", "score"]
    elif is_classifier(model):
        columns.insert(2, "ridge")
    assert list(table) == columns
    chosen = table.loc[model.best_index_]
    assert chosen["score"] == model.best_score_
    assert chosen["degree"] == model.degree_
    assert_array_equal(chosen["bandwidth"], model.bandwidth_)
    assert set(table["degree"]) == ({0} if "metric" in params else {0, 1})
    again = clone(model).fit(X, y)
    pd.testing.assert_frame_equal(pd.DataFrame(again.cv_results_), table)


# -- callbacks --------------------------------------------------------------------------------


class Recorder:
    """A callback of scikit-learn's protocol that records its calls."""

    def __init__(self):
        self.record = []

    def setup(self, estimator, context):
        self.record.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.record.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None):
        self.record.append(("end", context.task_name))

    def teardown(self, estimator, context):
        self.record.append(("teardown", context.task_name))


@pytest.fixture
def recorder():
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    return Recorder()


@pytest.mark.parametrize("params", [{}, {"per_feature": True}, {"cv": 3}, {"bandwidths": LADDER}])
@BOTH
def test_callbacks_follow_the_search(Search, params, recorder, data):
    X, y, weights = data
    y = target_of(Search, y)
    model = Search(**params).set_callbacks(recorder)
    assert model.fit(X, y, weights) is model
    (first, *inner, last) = recorder.record
    assert first == ("setup", "fit")
    assert last == ("teardown", "fit")
    assert inner[0] == ("begin", "fit")
    assert inner[-1] == ("end", "fit")
    steps = inner[1:-1]
    # Steps are numbered, named and sequential.
    assert [what for what, _ in steps] == ["begin", "end"] * (len(steps) // 2)
    assert all(begun == ended for (_, begun), (_, ended) in zip(steps[::2], steps[1::2]))
    if "cv" in params:
        assert not steps
    else:
        n_bandwidths = len(LADDER) if "bandwidths" in params else 12
        assert ("begin", f"{n_bandwidths} bandwidths") in steps
    assert (("begin", "slopes") in steps) == ("per_feature" in params)
    # Callbacks do not change the fit, and serve another fit.
    plain = clone(model).set_callbacks().fit(X, y, weights)
    assert_array_equal(plain.bandwidth_, model.bandwidth_)
    n_told = len(recorder.record)
    model.fit(X, y, weights)
    assert len(recorder.record) == 2 * n_told
    assert vars(model).keys() - vars(plain).keys() == {"_skl_callbacks"}


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("fitted", [False, True])
def test_callbacks_are_torn_down_after_an_error(fitted, error, recorder, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV()
    if fitted:
        model.fit(X, y)
    model.set_params(scoring=Failing(error)).set_callbacks(recorder)
    before = vars(model).copy()
    with pytest.raises(type(error)):
        model.fit(X, y)
    assert recorder.record[0] == ("setup", "fit")
    assert recorder.record[-1] == ("teardown", "fit")
    assert sum(what == "teardown" for what, _ in recorder.record) == 1
    assert ("end", "fit") not in recorder.record
    assert vars(model) == before
    # They serve another fit.
    recorder.record.clear()
    model.set_params(scoring=None).fit(X, y)
    assert recorder.record[-2:] == [("end", "fit"), ("teardown", "fit")]


def test_a_failing_callback_leaves_the_estimator_unchanged(recorder, data):
    X, y, _ = data

    def fail(estimator, context, *, X=None, y=None):
        if context.task_name != "fit":
            raise RuntimeError("no more")

    recorder.on_fit_task_end = fail
    model = NadarayaWatsonRegressorCV().set_callbacks(recorder)
    before = vars(model).copy()
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, y)
    assert vars(model) == before
    assert recorder.record[-1] == ("teardown", "fit")


# -- scikit-learn's common checks -------------------------------------------------------------

MIXED = [1.5, "scott", KNearest(3), Adaptive(), np.inf]
INSTANCES = [
    NadarayaWatsonRegressorCV(),
    NadarayaWatsonClassifierCV(),
    NadarayaWatsonClassifierCV("epanechnikov"),
    NadarayaWatsonRegressorCV(per_feature=True, shrinkage=1.0),
    NadarayaWatsonClassifierCV(bandwidths=[0.5, "scott"], cv=3),
    NadarayaWatsonRegressorCV(bandwidths=MIXED),
    NadarayaWatsonRegressorCV(scoring="aicc"),
    NadarayaWatsonRegressorCV(metric="precomputed"),
]


SETS_N_COMPONENTS = [
    "check_dont_overwrite_parameters",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
]


def expected_failures(estimator):
    failures = {}
    if estimator.cv is not None or estimator.metric == "precomputed":
        # The check sets a projection, which needs rows of features and leave-one-out.
        failures |= dict.fromkeys(SETS_N_COMPONENTS, "the check sets n_components")
    if estimator.per_feature or estimator.scoring == "aicc":
        # The check sets cv; these searches work with leave-one-out only.
        failures["check_sample_weight_equivalence_on_dense_data"] = "the check sets cv"
    if estimator.metric == "precomputed":
        failures["check_estimators_nan_inf"] = "inf is the distance of a pair that does not count"
    return failures


@suite_of(INSTANCES, expected_failures)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [check_param_validation, check_dataframe_column_names_consistency],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize("estimator", INSTANCES[:2], ids=str)
def test_further_checks(estimator, check):
    check(type(estimator).__name__, clone(estimator))
