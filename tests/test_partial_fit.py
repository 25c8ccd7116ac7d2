"""Rows in batches give the same estimator as all rows at once, bit for bit."""

import pickle

import numpy as np
import pandas as pd
import pytest
from means import NadarayaWatsonClassifierCV

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.bandwidths import Adaptive, KNearest, Scott

CLASSES = ["a", "b", "c"]


def make_data(rng, n=90, n_outputs=None):
    X, Q = rng.standard_normal((n, 2)), rng.standard_normal((15, 2))
    y = rng.standard_normal(n if n_outputs is None else (n, n_outputs))
    return X, y, Q, rng.integers(0, 3, n)


def in_batches(model, X, y, weight=None, sizes=(20, 50), **first):
    for number, part in enumerate(np.split(np.arange(len(X)), sizes)):
        rows = X.iloc[part] if hasattr(X, "iloc") else X[part]
        of_part = None if weight is None else weight[part]
        known = first if number == 0 else {}
        assert model.partial_fit(rows, y[part], sample_weight=of_part, **known) is model
    return model


def assert_same(one, other, Q):
    method = "predict_proba" if hasattr(one, "classes_") else "predict"
    for queries in (Q, None):
        found, expected = getattr(one, method)(queries), getattr(other, method)(queries)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(one.attention_weights(Q), other.attention_weights(Q))
    np.testing.assert_array_equal(one.bandwidth_, other.bandwidth_)
    assert one.algorithm_ == other.algorithm_


@pytest.mark.parametrize("weighted", [False, True])
def test_regressor_equals_fit_to_all_rows(kernel, weighted, rng):
    X, y, Q, weight = make_data(rng)
    weight = weight if weighted else None
    model = in_batches(NadarayaWatsonRegressor(kernel, [0.5, 0.7]), X, y, weight)
    whole = NadarayaWatsonRegressor(kernel, [0.5, 0.7]).fit(X, y, weight)
    assert_same(model, whole, Q)
    np.testing.assert_array_equal(model.predict_interval(Q), whole.predict_interval(Q))


@pytest.mark.parametrize("params", [{"class_weight": "balanced"}, {"class_weight": {"a": 3}}, {}])
def test_classifier_equals_fit_to_all_rows(params, rng):
    X, _, Q, weight = make_data(rng)
    y = np.array(CLASSES)[rng.integers(0, 3, len(X))]
    model = NadarayaWatsonClassifier(bandwidth=0.5, **params)
    in_batches(model, X, y, weight, classes=CLASSES[::-1])
    assert_same(model, NadarayaWatsonClassifier(bandwidth=0.5, **params).fit(X, y, weight), Q)


@pytest.mark.parametrize(
    "params",
    [
        {"degree": 1},
        {"metric": "manhattan"},
        {"bandwidth": [0.0, 0.5]},
        {"bandwidth": np.inf},
        {"algorithm": "blocks"},
        {"algorithm": "lattice"},
    ],
    ids=str,
)
def test_all_parameters_equal_fit_to_all_rows(params, rng):
    X, y, Q, _ = make_data(rng, n=1500, n_outputs=2)
    params = {"bandwidth": 0.5} | params
    model = in_batches(NadarayaWatsonRegressor(**params), X, y, sizes=(700, 710))
    assert_same(model, NadarayaWatsonRegressor(**params).fit(X, y), Q)


def test_batches_of_both_float_types(rng):
    X, y, _, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.5).partial_fit(X[:30].astype(np.float32), y[:30])
    assert model.partial_fit(X[30:], y[30:])._X.dtype == float


def test_frames_keep_their_names(rng):
    X, y, _, _ = make_data(rng)
    frame = pd.DataFrame(X, columns=["one", "other"], index=[f"row {n}" for n in range(len(X))])
    model = in_batches(NadarayaWatsonRegressor(bandwidth=0.5), frame, y)
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(frame, y).explain(None)
    pd.testing.assert_frame_equal(model.explain(None), expected)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame.rename(columns={"one": "two"}), y)


@pytest.mark.parametrize("degree", [0, 1])
def test_missing_numbers_in_some_batches(degree, rng):
    X, y, Q, _ = make_data(rng)
    X[50:60, 0] = X[75:, 1] = np.nan  # the first batch is complete
    model = in_batches(NadarayaWatsonRegressor(bandwidth=0.5, degree=degree), X, y)
    assert_same(model, NadarayaWatsonRegressor(bandwidth=0.5, degree=degree).fit(X, y), Q)


def test_partial_fit_continues_from_fit_or_a_pickle(rng):
    X, y, Q, _ = make_data(rng)
    model = pickle.loads(pickle.dumps(NadarayaWatsonRegressor(bandwidth=0.5).fit(X[:40], y[:40])))
    model.partial_fit(X[40:], y[40:])
    assert_same(model, NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y), Q)
    classifier = NadarayaWatsonClassifier(bandwidth=0.5).fit(X[:40], y[:40] > 0)
    classifier.partial_fit(X[40:], y[40:] > 0)
    assert_same(classifier, NadarayaWatsonClassifier(bandwidth=0.5).fit(X, y > 0), Q)


def test_cached_results_are_renewed(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X[:40], y[:40])
    model.predict_interval(Q)
    model.partial_fit(X[40:], y[40:])
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict_interval(Q)
    np.testing.assert_array_equal(model.predict_interval(Q), expected)


def test_a_class_without_rows_has_probability_0(rng):
    X, _, Q, _ = make_data(rng)
    model = NadarayaWatsonClassifier(bandwidth=0.5, class_weight="balanced")
    model.partial_fit(X, np.where(X[:, 0] > 0, "a", "c"), classes=CLASSES)
    assert model.classes_.tolist() == CLASSES
    assert (model.predict_proba(Q)[:, 1] == 0).all()
    np.testing.assert_allclose(model.predict_proba(Q).sum(axis=1), 1)


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bandwidth", ["scott", "silverman", Scott(), KNearest(3), Adaptive(1.0), lambda X, w: 1.0]
)
@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def test_bandwidths_from_the_rows_are_refused(Estimator, bandwidth):
    model = Estimator(bandwidth=bandwidth)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as error:
        model.partial_fit([[0]], [0])
    assert "partial_fit needs a bandwidth that is a number" in str(error.value.__cause__)


@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressorCV, NadarayaWatsonClassifierCV])
def test_searches_lack_partial_fit(Estimator):
    with pytest.raises(AttributeError) as error:
        Estimator().partial_fit([[0]], [0])
    assert f"{Estimator.__name__} searches for one on all rows" in str(error.value.__cause__)


def test_precomputed_distances_are_refused():
    assert not hasattr(NadarayaWatsonRegressor(bandwidth=1, metric="precomputed"), "partial_fit")


def test_classes_are_required_in_the_first_batch(rng):
    X, y = [[0], [1]], ["a", "b"]
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        NadarayaWatsonClassifier(bandwidth=1).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y must hold only the classes.*\['a'\]; got \['b'\]"):
        NadarayaWatsonClassifier(bandwidth=1).partial_fit(X, y, classes=["a"])
    model = NadarayaWatsonClassifier(bandwidth=1).partial_fit(X, y, classes=y)
    with pytest.raises(ValueError, match=r"classes must be those of the first call"):
        model.partial_fit(X, y, classes=["a", "b", "c"])


@pytest.mark.parametrize(
    ("X", "y", "weight", "words"),
    [
        ([[0, 1]], [1], None, "expecting 1 feature"),
        ([[np.inf]], [1], None, "X"),
        ([[0]], [np.inf], None, "y"),
        ([[0]], [[1, 2]], None, "y must have the outputs of the previous targets"),
        ([[0]], [1, 2], None, "equally many rows"),
        ([[0]], [1], [-1], "sample_weight"),
    ],
)
def test_a_bad_batch_changes_nothing(X, y, weight, words):
    model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1]], [0, 1])
    before = vars(model).copy()
    with pytest.raises(ValueError, match=words):
        model.partial_fit(X, y, weight)
    assert vars(model) == before
