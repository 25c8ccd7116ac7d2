"""The search over chunks equals the ordinary search on the same rows in memory."""

import numpy as np
import pytest
from lazy import CLASSIFIERS_CV, REGRESSORS_CV, cut, fitted

import nwkr
from nwkr.bandwidths import KNearest

da = pytest.importorskip("dask.array")
chunked = pytest.importorskip("nwkr.dask")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(rng):
    X = rng.normal(size=(240, 2)) * [1, 10]
    y = np.sin(2 * X[:, 0]) + 0.1 * X[:, 1] + 0.1 * rng.normal(size=240)
    return X, y, rng.integers(0, 3, 240).astype(float)


def assert_same_search(local, over_chunks):
    np.testing.assert_allclose(over_chunks.bandwidth_, local.bandwidth_, rtol=1e-5)
    assert over_chunks.best_score_ == pytest.approx(local.best_score_, rel=1e-7)
    assert over_chunks.n_queries_ == local.n_queries_
    assert over_chunks.cv_results_.keys() == local.cv_results_.keys()
    for name in set(local.cv_results_) - {"bandwidth"}:
        found, expected = over_chunks.cv_results_[name], local.cv_results_[name]
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"scoring": "aicc"},
        {"scoring": "neg_mean_squared_error", "degrees": (1,)},
        {"scoring": "neg_mean_absolute_error", "degrees": (0,)},
        {"bandwidths": [0.2, [0.3, 5.0], "silverman"], "ridge": 0.1},
        {"kernel": "tricube", "handle_empty": "mean", "degrees": (0,)},
        {"metric": "manhattan", "handle_empty": "mean"},
    ],
    ids=str,
)
def test_regression_agrees(data, params):
    local, model = fitted(REGRESSORS_CV, *data, **params)
    assert_same_search(local, model)
    assert model.degree_ == local.degree_
    queries = data[0][:30] + 0.1
    found = model.predict(cut(queries, 20)).compute()
    np.testing.assert_allclose(found, local.predict(queries), rtol=1e-5)


def test_missing_numbers_and_cycles_agree(data):
    X, y, weights = data
    X[::7, 1], X[3::11, 0] = np.nan, np.nan
    local, model = fitted(REGRESSORS_CV, X, y, weights, periodic_features={1: 20.0})
    assert_same_search(local, model)
    found = model.predict(cut(X[:30] + 0.1, 20)).compute()
    np.testing.assert_allclose(found, local.predict(X[:30] + 0.1), rtol=1e-5)
    # A sample without missing numbers is predicted like the other rows.
    X[12:] = np.nan_to_num(X[12:])
    model = chunked.NadarayaWatsonRegressorCV(subsample=5, per_feature=False).fit(cut(X), cut(y))
    assert np.isfinite(model.best_score_)


@pytest.mark.parametrize("params", [{}, {"per_feature": True}, {"class_weight": "balanced"}])
def test_classification_agrees(data, params):
    X, y, weights = data
    labels = np.where(y > 0.8, "many", np.where(y > 0, "more", "few"))
    params = {"degrees": (0,), "per_feature": False} | params
    local, model = fitted(CLASSIFIERS_CV, X, labels, weights, **params)
    assert_same_search(local, model)
    queries = X[:30] + 0.1
    assert (model.predict(cut(queries, 20)).compute() == local.predict(queries)).all()


@pytest.mark.parametrize("scoring", [None, "aicc"])
def test_rows_with_hardly_any_weight_do_not_count(data, scoring):
    X, y, _ = data
    model = chunked.NadarayaWatsonRegressorCV(scoring=scoring)
    for few in (0, 1e-20):
        weights = np.where(np.arange(240) % 3 == 0, few, 1.0)
        model.fit(cut(X), cut(y), cut(weights))
        if few == 0:
            bandwidth, score = model.bandwidth_, model.best_score_
    np.testing.assert_allclose(model.bandwidth_, bandwidth, rtol=1e-5)
    assert model.best_score_ == pytest.approx(score, rel=1e-6)


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_a_sample_is_predicted_from_all_rows(data, kind):
    X, y, _ = data
    classes = REGRESSORS_CV
    params = {"bandwidths": [0.3], "subsample": 40, "random_state": 3}
    if kind == "classification":
        y = np.where(np.arange(240) == 77, 5, y > 0)  # one class has one row
        classes, params = CLASSIFIERS_CV, params | {"scoring": "accuracy", "degrees": (0,)}
    model = classes[1](**params).fit(cut(X), cut(y))
    assert model.n_queries_ == 40
    again = classes[1](**params).fit(cut(X), cut(y))
    assert again.best_score_ == model.best_score_
    # All rows are used for predictions, but only some are scored.
    whole = classes[0](**params | {"subsample": None}).fit(X, y)
    assert abs(model.best_score_ - whole.best_score_) < 0.3
    others = classes[1](**params | {"random_state": 5}).fit(cut(X), cut(y))
    assert others.best_score_ != model.best_score_


def test_rows_of_all_chunks_are_equally_likely_in_the_sample():
    from nwkr.dask._form import Rows
    from nwkr.dask._sample import Sample

    counts = np.zeros(60)
    for seed in range(400):
        parts = []
        for chunk, size in enumerate((10, 50)):
            numbers = np.arange(size)
            rows = Rows(np.ones((size, 1)), numbers, np.ones(size), numbers, size)
            parts.append(Sample.of(chunk, rows, 6, seed, None))
        drawn = parts[0].merge(parts[1])
        assert len(drawn.place) == 6
        counts[drawn.number + np.where(drawn.chunk == 0, 0, 10)] += 1
    # Each row is drawn 40 times on average, with a standard deviation of 6.
    assert counts.min() > 40 - 5 * 6
    assert counts.max() < 40 + 5 * 6


def test_bandwidths_found_on_a_sample_are_scored_in_multiples_on_all(data):
    X, y, _ = data
    model = chunked.NadarayaWatsonRegressorCV(subsample=60).fit(cut(X), cut(y))
    tried = np.array(model.cv_results_["bandwidth"][-7:])
    np.testing.assert_allclose(tried / tried[3], np.outer(2 ** (np.arange(-3, 4) / 2), [1, 1]))
    local = nwkr.NadarayaWatsonRegressorCV().fit(X, y)
    errors = [np.mean((np.asarray(each.predict(None)) - y) ** 2) for each in (model, local)]
    assert errors[0] < 1.5 * errors[1]


@pytest.mark.parametrize(("slope", "degree"), [(0.0, 0), (1.0, 1)])
def test_a_window_must_be_clearly_better_than_none(slope, degree):
    """Some window predicts these rows better than the mean or the plane, but not clearly."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(60, 3))
    y = slope * (X[:, 0] + X[:, 1]) + 2 * rng.normal(size=60)
    local, over_chunks = fitted(REGRESSORS_CV, X, y, np.ones(60), per_feature=False)
    assert_same_search(local, over_chunks)
    assert over_chunks.degree_ == local.degree_ == degree
    np.testing.assert_array_equal(over_chunks.bandwidth_, [np.inf] * 3)
    assert over_chunks.best_score_ < max(over_chunks.cv_results_["score"])


def test_to_local_gives_the_ordinary_search(data):
    X, y, weights = data
    _, model = fitted(REGRESSORS_CV, X, y, weights)
    local = model.to_local()
    assert type(local) is nwkr.NadarayaWatsonRegressor
    assert local.degree == model.degree_
    found = model.predict(cut(X[:30] + 0.1)).compute()
    np.testing.assert_allclose(found, local.predict(X[:30] + 0.1), rtol=1e-9)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"cv": 3}, "cv must be None"),
        ({"bandwidths": [KNearest(3)]}, "KNearest"),
        ({"bandwidths": []}, "at least one"),
        ({"degrees": (2,)}, "degrees must"),
        ({"scoring": "aicc", "per_feature": True, "metric": "manhattan"}, "per_feature=True needs"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_and_change_nothing(data, params, match):
    X, y, _ = data
    model = chunked.NadarayaWatsonRegressorCV(bandwidths=[1.0], degrees=(0,)).fit(cut(X), cut(y))
    before = vars(model).copy()
    model.set_params(**params)
    with pytest.raises(ValueError, match=match):
        model.fit(cut(X), cut(y))
    assert all(vars(model)[name] is value for name, value in before.items() if name not in params)
