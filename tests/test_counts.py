"""Sample weights as counts of rows: whole weights are copies; smaller weights have no scale."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, BaggingRegressor

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)
from nwkr._counts import as_counts, count_rows
from nwkr.bandwidths import RULES, Adaptive, KNearest

BANDWIDTHS = ["scott", Adaptive(), KNearest(5), 0.4]


@pytest.fixture
def data(rng):
    X = rng.normal(size=(60, 2))
    return X, np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=60), rng.normal(size=(9, 2))


def test_whole_weights_are_copies(rng):
    weights = rng.integers(1, 9, 50).astype(float)
    assert count_rows(weights) == weights.sum()
    assert_allclose(as_counts(weights), weights, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-305, 1e-300, 1e-3, 0.02, 1 / 50])
def test_weights_below_1_have_no_scale(scale, rng):
    assert_allclose(count_rows(np.full(50, scale)), 50, rtol=1e-12)
    uneven = rng.uniform(0.5, 1.5, 50)
    effective = uneven.sum() ** 2 / (uneven**2).sum()
    assert_allclose(count_rows(uneven * scale), effective, rtol=1e-12)
    counts = as_counts(uneven * scale)
    assert_allclose(counts.sum(), count_rows(uneven * scale), rtol=1e-12)
    # One row among many with hardly any weight.
    assert_allclose(count_rows(np.r_[1, np.full(10, 1e-200)]), 1)


@pytest.mark.parametrize("scale", [1e300, 1e307, np.finfo(float).max])
def test_weights_whose_sum_overflows(scale):
    weights = np.array([1.0, 0.5, 1.0, 0.25]) * scale
    assert count_rows(weights) == 2**52
    counts = as_counts(weights)
    assert_allclose(counts.sum(), 2**52, rtol=1e-12)
    assert_allclose(counts / counts[0], [1, 0.5, 1, 0.25], rtol=1e-12)


@pytest.mark.parametrize("rule", RULES.values())
def test_rules_count_the_effective_rows(rule, data):
    X = data[0]
    for scale in (1e-300, 1 / 60, 0.5):
        assert_allclose(rule(X, np.full(60, scale)), rule(X), rtol=1e-12)
    weights = np.linspace(1, 2, 60) / 90
    spread = np.sqrt(np.cov(X.T, aweights=weights, ddof=0).diagonal())
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert_allclose(rule(X, weights), spread * rule.factor(effective, 2), rtol=1e-9)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS, ids=str)
@pytest.mark.parametrize("scale", [1e-305, 1e-300, 1e-3, 1 / 60])
def test_equal_small_weights_equal_no_weights(scale, bandwidth, data):
    X, y, Q = data
    plain = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X, y)
    weighted = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X, y, np.full(60, scale))
    for method in ("predict", "predict_interval", "score_samples", "effective_sample_size"):
        got, expected = getattr(weighted, method)(Q), getattr(plain, method)(Q)
        assert_allclose(got, expected, rtol=1e-9, err_msg=method)
    assert np.isfinite(weighted.predict_interval(Q)).all()
    assert_allclose(weighted.predict(None), plain.predict(None), rtol=1e-9)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS, ids=str)
@pytest.mark.parametrize("scale", [1e-305, 1e-300, 1e300, 1e307])
def test_weights_of_any_scale_give_finite_results(scale, bandwidth, data):
    X, y, Q = data
    weights = np.linspace(1, 2, 60) * scale
    model = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X, y, weights)
    for method in ("predict", "predict_interval", "predict_band", "score_samples"):
        assert np.isfinite(getattr(model, method)(Q)).all(), method
    labels = (y > 0).astype(int)
    for class_weight in (None, "balanced", {0: 1.0, 1: 5.0}):
        model = NadarayaWatsonClassifier(bandwidth=0.4, class_weight=class_weight)
        one = model.fit(X, labels, weights / scale).predict_proba(Q)
        assert_allclose(model.fit(X, labels, weights).predict_proba(Q), one, rtol=1e-9)


def test_intervals_with_uneven_weights_count_the_effective_rows(data):
    """Twelve of 60 rows have nearly all weight, and 12 rows cannot give a 95 percent interval."""
    X, y, Q = data
    weights = np.r_[np.full(12, 1.0), np.full(48, 1e-9)]
    model = NadarayaWatsonRegressor(bandwidth=np.inf)
    for scale in (1e-9, 1.0):
        few = model.fit(X, y, weights * scale)
        assert np.isinf(few.predict_interval(Q, 0.95)).all()
        assert np.isfinite(few.predict_interval(Q, 0.9)).all()


def test_nearest_rows_with_uneven_weights(data):
    """`k` is counted in effective rows; if they are fewer than `k`, all rows are within."""
    X, y, _ = data
    weights = np.full(60, 1e-6)
    weights[:4] = [1, 2, 1, 2]
    weights /= weights.sum()  # 3.6 effective rows
    model = NadarayaWatsonRegressor("boxcar", KNearest(2)).fit(X, y, weights)
    seen = model.attention_weights(X) > 0
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    for row, of_row in zip(distances, seen):
        order = row.argsort()
        n_seen = 1 + np.searchsorted(weights[order].cumsum() * count_rows(weights), 2)
        assert_array_equal(np.flatnonzero(of_row), np.sort(order[:n_seen]))
    model = NadarayaWatsonRegressor("boxcar", KNearest(20)).fit(X, y, weights)
    assert_allclose(model.predict(X), np.average(y, weights=weights), rtol=1e-9)
    assert (model.attention_weights() > 0).sum(axis=1).min() == 59
    with pytest.raises(ValueError, match=r"k from 1 to n_samples.*k=61 with n_samples = 60"):
        NadarayaWatsonRegressor("boxcar", KNearest(61)).fit(X, y, weights)


def test_negligible_weights_equal_weights_of_0(data):
    X, y, Q = data
    weights = np.ones(60)
    weights[::3] = 1e-295
    for estimator, target in (
        (NadarayaWatsonRegressor("boxcar", 0.3), y),
        (NadarayaWatsonClassifier("boxcar", 0.3), y > 0),
    ):
        tiny = estimator.fit(X, target, weights).attention_weights(Q)
        absent = estimator.fit(X, target, np.where(weights < 1, 0, 1)).attention_weights(Q)
        assert_array_equal(tiny, absent)


@pytest.mark.parametrize("seed", [0, 1, 7, 10])
def test_searches_with_weights_far_apart(seed):
    """Slopes, their squares and their derivatives stay in the range of float64."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 2))
    y = np.sin(X[:, 0]) + 0.1 * rng.normal(size=20)
    weights = np.where(rng.random(20) < 0.3, 1e200, 1)
    for search, targets in ((NadarayaWatsonRegressorCV, y), (NadarayaWatsonClassifierCV, y > 0)):
        model = search(n_components=1).fit(X, targets, weights)
        assert np.isfinite(model.best_score_)
        predict = model.predict if search is NadarayaWatsonRegressorCV else model.predict_proba
        for rows in (X, None):
            assert np.isfinite(predict(rows)).all()


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov"])
@pytest.mark.parametrize("scoring", [None, "aicc", "gcv", "neg_log_loss"])
def test_a_row_with_hardly_any_weight_does_not_count_in_searches(scoring, kernel, isolated, rng):
    """The limit of a weight of 0, for the rule, the criteria, and the number of rows."""
    X = rng.normal(size=(40, 2))
    y = np.append(np.sin(2 * X[:, 0]) + 0.3 * rng.normal(size=40), 3.0)
    X = np.vstack([X, [[7, -7]] if isolated else [[0.1, 0.2]]])
    Search = NadarayaWatsonRegressorCV
    if scoring == "neg_log_loss":
        Search, y = NadarayaWatsonClassifierCV, (y > 0).astype(int)
    search = Search(kernel=kernel, scoring=scoring)
    absent, tiny = (clone(search).fit(X, y, np.append(np.ones(40), w)) for w in (0, 1e-20))
    assert_allclose(tiny.bandwidth_, absent.bandwidth_, rtol=1e-5)
    assert tiny.degree_ == absent.degree_
    assert_allclose(tiny.best_score_, absent.best_score_, rtol=1e-7)
    assert_allclose(tiny.predict(X[:9]), absent.predict(X[:9]), rtol=1e-5)


@pytest.mark.parametrize("bandwidth", ["scott", Adaptive(), KNearest(20)], ids=str)
def test_ensembles_pass_weights(bandwidth, data):
    """Boosting passes uneven weights that sum to 1."""
    X, y, Q = data
    model = NadarayaWatsonRegressor(bandwidth=bandwidth)
    for ensemble in (AdaBoostRegressor, BaggingRegressor):
        found = ensemble(model, n_estimators=4, random_state=0).fit(X, y).predict(Q)
        assert np.isfinite(found).all()
    boosted = AdaBoostClassifier(
        NadarayaWatsonClassifier(bandwidth=bandwidth), n_estimators=4, random_state=0
    ).fit(X, y > 0)
    plain = NadarayaWatsonClassifier(bandwidth=bandwidth).fit(X, y > 0)
    # The first stage equals the plain estimator, at any scale of the weights.
    assert_allclose(
        boosted.estimators_[0].predict_proba(Q), plain.predict_proba(Q), rtol=1e-9, atol=1e-12
    )
