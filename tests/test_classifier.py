"""Behaviour of the classifier alone."""

import pickle
import tracemalloc

import numpy as np
import pytest
from means import NadarayaWatsonClassifierCV
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention
from scipy import sparse
from sklearn import config_context
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KernelDensity, RadiusNeighborsClassifier
from sklearn.utils.class_weight import compute_sample_weight

from nwkr import NadarayaWatsonClassifier
from nwkr._pooling import Sizes
from nwkr.kernels import KERNELS

close = {"rtol": 1e-10, "atol": 1e-13}


@pytest.fixture
def data(rng):
    """Training rows of three classes of different sizes, labels, queries."""
    y = np.repeat([0, 1, 2], [25, 10, 5])
    X = rng.normal(size=(40, 2)) + 0.7 * y[:, None]
    order = rng.permutation(40)
    return X[order], y[order], 2 * rng.normal(size=(20, 2))


def fitted(X, y, *args, sample_weight=None, **params):
    return NadarayaWatsonClassifier(*args, **params).fit(X, y, sample_weight)


# -- probabilities ------------------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nearest", "mean"])
def test_probabilities_are_the_class_shares_of_the_weights(kernel, handle_empty, data):
    X, y, queries = data
    queries = np.vstack([queries, [[20.0, 0.0]]])
    model = fitted(X, y, kernel, 0.5, handle_empty=handle_empty)
    # A Gaussian is endless: a far query takes the nearest row.
    empty = handle_empty if np.isfinite(KERNELS[kernel].support) else "nearest"
    for Q, weights in (
        (queries, attention(queries, X, kernel, 0.5, empty=empty)),
        (None, attention(X, X, kernel, 0.5, leave_self_out=True, empty=empty)),
    ):
        probabilities = model.predict_proba(Q)
        assert probabilities.shape == (len(weights), 3)
        assert (probabilities >= 0).all()
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
        expected = np.column_stack([weights[:, y == label].sum(axis=1) for label in (0, 1, 2)])
        assert_allclose(probabilities, expected, **close)
        assert_array_equal(model.predict(Q), probabilities.argmax(axis=1))


def test_log_probabilities_are_logs_of_probabilities(kernel, data):
    X, y, queries = data
    model = fitted(X, y, kernel, 0.5)
    for Q in (queries, None):
        with np.errstate(divide="ignore"):
            assert_array_equal(model.predict_log_proba(Q), np.log(model.predict_proba(Q)))


def test_log_probability_of_0_is_minus_infinity():
    model = fitted([[0.0], [1.0]], [0, 1], "boxcar", 0.5)
    assert_array_equal(model.predict_log_proba([[0.1], [1.2]]), [[0, -np.inf], [-np.inf, 0]])


def test_ties_go_to_the_first_class():
    model = fitted([[0.0], [2.0], [9.0]], ["b", "a", "c"], "gaussian", 1.0)
    assert_array_equal(model.predict([[1.0]]), ["a"])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("gaussian", "gaussian"),
        ("exponential", "exponential"),
        ("boxcar", "tophat"),
        ("epanechnikov", "epanechnikov"),
        ("triangular", "linear"),
        ("cosine", "cosine"),
    ],
)
def test_bayes_rule_with_a_density_per_class_agrees(kernel, name, weighted, data, rng):
    X, y, queries = data
    weight = rng.uniform(0.1, 2, size=40) if weighted else np.ones(40)
    joint = np.empty((len(queries), 3))
    for label in (0, 1, 2):
        rows = y == label
        density = KernelDensity(bandwidth=1.3, kernel=name)
        density.fit(X[rows], sample_weight=weight[rows])
        prior = weight[rows].sum() / weight.sum()
        joint[:, label] = prior * np.exp(density.score_samples(queries))
    reached = joint.any(axis=1)
    assert reached.sum() > 10
    posterior = joint[reached] / joint[reached].sum(axis=1, keepdims=True)
    model = fitted(X, y, kernel, 1.3, sample_weight=weight)
    assert_allclose(model.predict_proba(queries[reached]), posterior, rtol=1e-9, atol=1e-12)
    # Classes may be equally probable up to rounding.
    chosen = posterior[np.arange(len(posterior)), model.predict(queries[reached])]
    assert_allclose(chosen, posterior.max(axis=1), rtol=1e-9)


# -- labels -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["ham", "eggs", "spam"]),
        np.array(["ham", "eggs", "spam"], dtype=object),
        np.array([7, -3, 5]),
        np.array([2.0, 0.0, 1.0]),
        np.array([20, 10, 30], dtype=np.uint8),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_kind(kernel, labels, data):
    X, y, queries = data
    plain = fitted(X, y, kernel, 0.5)
    model = fitted(X, labels[y], kernel, 0.5)
    order = np.argsort(labels)
    assert_array_equal(model.classes_, labels[order])
    assert model.classes_.dtype == labels.dtype
    for Q in (queries, None):
        assert_allclose(model.predict_proba(Q), plain.predict_proba(Q)[:, order], **close)
        predicted = model.predict(Q)
        assert predicted.dtype == labels.dtype
        assert_array_equal(predicted, model.classes_[model.predict_proba(Q).argmax(axis=1)])


def test_two_boolean_classes(data):
    X, y, queries = data
    model = fitted(X, y > 0)
    assert_array_equal(model.classes_, [False, True])
    assert model.predict(queries).dtype == bool


def test_one_class_has_probability_1(kernel, data):
    X, _, queries = data
    queries = np.vstack([queries, 1e3 * queries])
    for handle_empty in ("nearest", "mean"):
        model = fitted(X, np.full(40, "only"), kernel, 0.5, handle_empty=handle_empty)
        assert_array_equal(model.classes_, ["only"])
        for Q in (queries, None):
            assert_array_equal(model.predict_proba(Q), 1)
            assert_array_equal(model.predict_log_proba(Q), 0)
            assert_array_equal(model.predict(Q), "only")


def test_class_without_weight_has_probability_0(kernel, data):
    X, y, queries = data
    model = fitted(X, y, kernel, 0.5, sample_weight=(y != 1) * 1.0)
    without = fitted(X[y != 1], y[y != 1], kernel, 0.5)
    assert_array_equal(model.classes_, [0, 1, 2])
    assert_array_equal(model.predict_proba(queries)[:, 1], 0)
    assert_allclose(
        model.predict_proba(queries)[:, [0, 2]], without.predict_proba(queries), **close
    )


# -- class weights ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "class_weight", ["balanced", {0: 1, 1: 2.5, 2: 10}, {2: 3}, {0: 0}, {0: 1e-12, 1: 1, 2: 1e12}]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_multiply_row_weights(kernel, class_weight, weighted, data, rng):
    X, y, queries = data
    weight = rng.integers(0, 4, size=40).astype(float) if weighted else np.ones(40)
    of_rows = compute_sample_weight(class_weight, y)
    if class_weight == "balanced":
        totals = np.array([weight[y == label].sum() for label in (0, 1, 2)])
        of_rows = 1 / totals[y]
    # The bandwidth is a number, because a rule uses the row weights alone.
    model = fitted(X, y, kernel, 0.5, sample_weight=weight, class_weight=class_weight)
    expected = fitted(X, y, kernel, 0.5, sample_weight=weight * of_rows)
    for Q in (queries, None):
        assert_allclose(model.predict_proba(Q), expected.predict_proba(Q), **close)
        assert_allclose(model.attention_weights(Q), expected.attention_weights(Q), **close)


def test_balanced_gives_each_class_the_same_total(kernel, data, rng):
    X, y, queries = data
    for weight in (None, rng.uniform(size=40)):
        model = fitted(X, y, kernel, np.inf, sample_weight=weight, class_weight="balanced")
        assert_allclose(model.predict_proba(queries), 1 / 3)


@pytest.mark.parametrize("bandwidth", ["scott", 0.5])
@pytest.mark.parametrize("class_weight", ["balanced", {1: 4.0}])
def test_class_weights_with_sample_weights_or_copies(kernel, class_weight, bandwidth, data, rng):
    X, y, queries = data
    times = rng.integers(0, 4, size=40)
    weighted = fitted(X, y, kernel, bandwidth, sample_weight=times, class_weight=class_weight)
    repeated = fitted(
        np.repeat(X, times, axis=0),
        np.repeat(y, times),
        kernel,
        bandwidth,
        class_weight=class_weight,
    )
    assert_allclose(weighted.predict_proba(queries), repeated.predict_proba(queries), **close)


def test_class_weights_by_label(data):
    X, y, queries = data
    names = np.array(["x", "y", "z"])[y]
    by_name = fitted(X, names, class_weight={"y": 2, "z": 5})
    by_number = fitted(X, y, class_weight={1: 2, 2: 5})
    assert_array_equal(by_name.predict_proba(queries), by_number.predict_proba(queries))


# -- empty neighbourhoods -----------------------------------------------------------------


def test_handle_empty(data):
    X, y, _ = data
    far = np.array([[50.0, 60.0], [-70.0, -70.0]])
    nearest = [np.linalg.norm(X - query, axis=1).argmin() for query in far]
    model = fitted(X, y, "biweight", 0.5)
    assert_array_equal(model.predict(far), y[nearest])
    assert_array_equal(model.predict_proba(far), np.eye(3)[y[nearest]])

    prior = np.array([25, 10, 5]) / 40
    model = fitted(X, y, "biweight", 0.5, handle_empty="mean")
    assert_allclose(model.predict_proba(far), [prior, prior], rtol=1e-14)
    model = fitted(X, y, "biweight", 0.5, handle_empty="mean", class_weight={2: 20})
    assert_allclose(model.predict_proba(far), [np.array([25, 10, 100]) / 135] * 2, rtol=1e-14)
    assert_array_equal(model.predict(far), [2, 2])


def test_nan_requires_an_outlier_label(data):
    X, y, _ = data
    model = fitted(X, y, "biweight", 0.5, handle_empty="nan")
    queries = np.vstack([X[:3], [[50.0, 60.0]]])
    for method in (model.predict_proba, model.predict_log_proba):
        assert_array_equal(np.isnan(method(queries)).any(axis=1), [False, False, False, True])
    with pytest.raises(ValueError, match=r"1 of 4 queries, the first of them row 3, .*'nan'"):
        model.predict(queries)
    assert_array_equal(model.predict(queries[:3]), model.predict_proba(X[:3]).argmax(axis=1))


@pytest.mark.filterwarnings("ignore:Outlier label:UserWarning")  # of scikit-learn
@pytest.mark.parametrize(
    ("labels", "outlier"),
    [
        (np.array([0, 1, 2]), -1),
        (np.array([0, 1, 2], dtype=np.uint8), -1),
        (np.array([0.0, 1.0, 2.0]), 9),
        (np.array(["a", "b", "c"]), "nothing like it"),
        (np.array(["a", "b", "c"], dtype=object), "none"),
        (np.array(["a", "b", "c"]), "b"),
    ],
    ids=repr,
)
def test_outlier_label(labels, outlier, data):
    X, y, _ = data
    queries = np.vstack([X[:5], [[50.0, 60.0]]])
    model = fitted(X, labels[y], "biweight", 0.5, handle_empty="nan", outlier_label=outlier)
    radius = RadiusNeighborsClassifier(0.5, outlier_label=outlier)
    assert model.outlier_label_ == outlier
    predicted = model.predict(queries)
    assert predicted[-1] == outlier
    assert predicted.dtype == model.predict(queries[:5]).dtype
    assert_array_equal(predicted[:5], labels[model.predict_proba(queries[:5]).argmax(axis=1)])
    assert np.isnan(model.predict_proba(queries)[-1]).all()
    if np.append(labels, outlier).dtype == labels.dtype:  # scikit-learn requires this
        assert radius.fit(X, labels[y]).predict(queries[-1:]) == predicted[-1]
    # With other settings every query gets a prediction, so there are no outliers.
    model = fitted(X, labels[y], "biweight", 0.5, outlier_label=outlier)
    assert model.predict(queries)[-1] in labels


def test_outlier_label_most_frequent(data):
    X, y, _ = data
    far = [[50.0, 60.0]]
    params = {"handle_empty": "nan", "outlier_label": "most_frequent"}
    assert fitted(X, y, "biweight", 0.5, **params).predict(far) == [0]
    model = fitted(X, y, "biweight", 0.5, **params, class_weight={2: 20})
    assert model.outlier_label_ == 2
    assert model.predict(far) == [2]
    model = fitted(X, y, "biweight", 0.5, **params, sample_weight=np.where(y == 1, 9.0, 1.0))
    assert model.predict(far) == [1]


@pytest.mark.parametrize("outlier", ["none", [1], np.array([1, 2])], ids=str)
def test_outlier_label_of_another_kind_is_refused(outlier, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="outlier_label must be one label of the same kind"):
        fitted(X, y, outlier_label=outlier)


def test_handle_empty_error_raises(data):
    X, y, _ = data
    model = fitted(X, y, "biweight", 0.5, handle_empty="error")
    for method in (model.predict, model.predict_proba, model.predict_log_proba):
        with pytest.raises(ValueError, match=r"1 of 1 queries.*handle_empty='error'"):
            method([[50.0, 60.0]])
        method(X)


# -- score --------------------------------------------------------------------------------


def test_score_is_the_accuracy(kernel, data, rng):
    X, y, queries = data
    names, weight = np.array(["x", "y", "z"])[y], rng.uniform(size=40)
    model = fitted(X, names, kernel, 0.5)
    for Q in (X, None):
        assert model.score(Q, names) == accuracy_score(names, model.predict(Q))
        expected = accuracy_score(names, model.predict(Q), sample_weight=weight)
        assert_allclose(model.score(Q, names, sample_weight=weight), expected)
    assert model.score(queries, names[:20]) == np.mean(model.predict(queries) == names[:20])


# -- many classes -------------------------------------------------------------------------


def of_many_classes(rng, n=600, n_classes=90):
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n - n_classes))
    return rng.standard_normal((n_classes, 2))[y] * 3 + rng.standard_normal((n, 2)), y


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("handle_empty", ["nearest", "mean"])
def test_many_classes_get_their_shares_of_the_weights(handle_empty, algorithm, kernel, rng):
    X, y = of_many_classes(rng)
    weights, queries = rng.integers(0, 3, len(X)), 4 * rng.standard_normal((30, 2))
    model = NadarayaWatsonClassifier(
        kernel, 0.5, handle_empty=handle_empty, algorithm=algorithm, class_weight="balanced"
    ).fit(X, y, weights)
    one_hot = np.equal.outer(y, model.classes_).astype(float)
    for Q in (queries, None):
        expected = model.attention_weights(Q) @ one_hot
        assert_allclose(model.predict_proba(Q), expected, rtol=1e-9, atol=1e-12)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(queries), model.predict_proba(queries))
    assert set(again.explain(queries[:2], top_k=3)) >= {"weight"}


@pytest.mark.parametrize("per_feature", [False, True])
def test_a_search_over_many_classes_equals_that_over_few(per_feature, rng):
    X, y = of_many_classes(rng)
    options = {"bandwidths": [0.2, 0.4, 0.9], "per_feature": per_feature}
    found = NadarayaWatsonClassifierCV(**options).fit(X, y)
    expected = NadarayaWatsonClassifierCV(**options)
    expected._sizes = Sizes(classes_multiplied=1000)
    expected.fit(X, y)
    assert sparse.issparse(found._values)
    assert not sparse.issparse(expected._values)
    assert_allclose(found.cv_results_["score"], expected.cv_results_["score"], rtol=1e-6)
    assert_allclose(found.bandwidth_, expected.bandwidth_, rtol=1e-3)


def test_a_search_over_many_classes_stores_few_predictions(rng):
    X, y = of_many_classes(rng, n=3000, n_classes=500)
    model = NadarayaWatsonClassifierCV(bandwidths=[0.1 * 1.2**k for k in range(12)], n_jobs=1)
    model.fit(X[:2000], y[:2000])
    tracemalloc.start()
    try:
        with config_context(working_memory=24):
            model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 3000 * 500 * 8  # twelve bandwidths alone give this many
    assert len(pickle.dumps(model)) < 3000 * 500  # one byte per probability
