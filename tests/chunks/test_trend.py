"""Classes with a trend over chunks equal the ordinary classifier on the same rows."""

import numpy as np
import pytest
from lazy import CLASSIFIERS, CLASSIFIERS_CV, assert_alike, cut, fitted

import nwkr

da = pytest.importorskip("dask.array")
chunked = pytest.importorskip("nwkr.dask")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(rng):
    """Rows, a number that determines the class, weights and queries, some of them far away."""
    X = rng.normal(size=(240, 2)) * [1, 30] + [0, 1000]
    z = X[:, 0] + np.sin(3 * X[:, 0]) + (X[:, 1] - 1000) / 60 + 0.3 * rng.normal(size=240)
    queries = np.vstack([X[::7] + 0.1, X[:2] + np.array([50, 0])])
    return X, z, rng.integers(0, 4, 240).astype(float), queries


def assert_same_probabilities(local, model, queries):
    assert_alike(local, model, queries, "predict_proba")
    assert_alike(local, model, None, "predict_proba")


@pytest.mark.parametrize("edges", [[0.0], [-0.7, 0.8]], ids=["two classes", "three classes"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ridge": 0.1, "class_weight": "balanced"},
        {"ridge": np.inf, "class_weight": {"a": 0.0, "b": 2.0, "c": 1.0}},
        {"kernel": "biweight", "handle_empty": "nan", "bandwidth": 0.5},
        {"bandwidth": np.inf, "algorithm": "blocks"},
        {"algorithm": "lattice"},
    ],
    ids=str,
)
def test_probabilities_agree(data, edges, params):
    X, z, weights, queries = data
    y = np.array(["b", "a", "c"])[np.digitize(z, edges)]
    if len(edges) == 1 and isinstance(params.get("class_weight"), dict):
        params = params | {"class_weight": {"a": 0.0}}  # class c has no rows
    local, model = fitted(CLASSIFIERS, X, y, weights, degree=1, **params)
    assert_same_probabilities(local, model, queries)
    if local.trend_ is not None:
        for step, name in (("scaler", "mean_"), ("scaler", "scale_"), ("logistic", "coef_")):
            found, expected = (getattr(each.trend_[step], name) for each in (model, local))
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        np.testing.assert_allclose(
            model.trend_.predict_proba(queries), local.trend_.predict_proba(queries), atol=1e-8
        )
    assert_same_probabilities(model.to_local(), model, queries)


def test_missing_numbers_agree(data):
    X, z, weights, queries = data
    X[::5, 0], X[2::7, 1], queries[::3, 0] = np.nan, np.nan, np.nan
    both = fitted(CLASSIFIERS, X, z > 0, weights, degree=1)
    assert_same_probabilities(*both, queries)


def test_one_class_agrees(data):
    X, _, weights, queries = data
    both = fitted(CLASSIFIERS, X, np.ones(240, int), weights, degree=1)
    assert both[1].trend_ is None
    assert_same_probabilities(*both, queries)


def test_separable_classes_in_one_chunk_each_agree(data):
    X, _, weights, queries = data
    X = X[np.argsort(X[:, 0])]
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    assert_same_probabilities(*fitted(CLASSIFIERS, X, y, weights, degree=1), queries)


def test_a_constant_column_and_rows_of_any_scale_agree(data):
    X, z, weights, queries = data
    for scale in (1e-100, 1e100):
        rows = np.column_stack([scale * X, np.full(240, 7.7)])
        places = np.column_stack([scale * queries, np.full(len(queries), 7.7)])
        assert_same_probabilities(*fitted(CLASSIFIERS, rows, z > 0, weights, degree=1), places)


def test_a_lattice_has_as_many_tasks_as_chunks(data):
    X, z, _, queries = data
    model = chunked.NadarayaWatsonClassifier(degree=1, algorithm="lattice")
    model.fit(cut(X), cut(z > 0))
    names = [key[0] for key in dict(model.predict(cut(queries, 15)).__dask_graph__())]
    assert sum(name.startswith("spread") for name in names) == 3
    assert not any(name.startswith("pool") for name in names)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"degrees": (1,), "class_weight": "balanced", "algorithm": "blocks", "ridge": 0.1},
        {"kernel": "tricube", "scoring": "accuracy", "per_feature": False},
    ],
    ids=str,
)
def test_the_search_agrees(rng, params):
    X = rng.uniform(-1, 1, size=(300, 2))
    z = np.sin(6 * X[:, 0]) + X[:, 1] + 0.2 * rng.normal(size=300)
    y, weights = np.digitize(z, [-0.5, 0.6]), rng.integers(1, 3, 300).astype(float)
    local, model = fitted(CLASSIFIERS_CV, X, y, weights, **params)
    assert np.isfinite(local.bandwidth_).any()  # not the trend alone
    assert (model.degree_, model.ridge_) == (local.degree_, local.ridge_)
    assert model.best_score_ == pytest.approx(local.best_score_, rel=1e-7)
    for name in set(local.cv_results_) - {"bandwidth"}:
        found, expected = model.cv_results_[name], local.cv_results_[name]
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-4)
    found = model.predict_proba(cut(X[:30], 20)).compute()
    np.testing.assert_allclose(found, local.predict_proba(X[:30]), atol=1e-4)
    np.testing.assert_allclose(model.to_local().predict_proba(X[:30]), found, atol=1e-8)


def test_a_sample_is_predicted_by_the_trend_of_all_rows(data):
    X, z, _, _ = data
    params = {"degrees": (1,), "bandwidths": [np.inf], "scoring": "neg_log_loss"}
    whole = nwkr.NadarayaWatsonClassifierCV(**params).fit(X, z > 0)
    model = chunked.NadarayaWatsonClassifierCV(**params, subsample=80).fit(cut(X), cut(z > 0))
    assert model.n_queries_ == 80
    np.testing.assert_allclose(model.trend_[-1].coef_, whole.trend_[-1].coef_, rtol=1e-6)
    assert model.best_score_ == pytest.approx(whole.best_score_, rel=0.5)


def test_too_many_coefficients_are_refused(rng):
    X, y = rng.normal(size=(60, 700)), np.arange(60) % 3
    with pytest.raises(ValueError, match="up to 2000 coefficients"):
        chunked.NadarayaWatsonClassifier(degree=1).fit(cut(X), cut(y))


def test_a_search_balances_classes_over_all_rows(data):
    """The shares of classes differ between the sample and all rows."""
    X, z, _, _ = data
    y = (z > 0.8).astype(int)
    balanced = dict(enumerate(len(y) / np.bincount(y)))
    params = {"degrees": [1], "per_feature": True, "subsample": 40, "random_state": 0}
    of_rule, of_factors = (
        chunked.NadarayaWatsonClassifierCV(class_weight=class_weight, **params).fit(cut(X), cut(y))
        for class_weight in ("balanced", balanced)
    )
    results = of_rule.cv_results_["score"], of_factors.cv_results_["score"]
    np.testing.assert_allclose(*results, rtol=1e-7)


@pytest.mark.parametrize("edges", [[0.0], [-0.7, 0.8]], ids=["two classes", "three classes"])
def test_scales_agree(data, edges):
    X, z, weights, queries = data
    y = np.digitize(z, edges)
    for scale in (1e160, 1e-160):
        both = fitted(CLASSIFIERS, scale * X, y, weights, degree=1)
        assert_same_probabilities(*both, scale * queries)
    many, more = (np.column_stack([rows, np.full(len(rows), 1e300)]) for rows in (X, queries))
    assert_same_probabilities(*fitted(CLASSIFIERS, many, y, weights, degree=1), more)


def test_weights_of_any_size_agree(data):
    X, z, weights, queries = data
    both = fitted(CLASSIFIERS, X, z > 0, 1e200 * weights, degree=1, bandwidth=np.inf)
    assert_same_probabilities(*both, queries)
