"""All ways of pooling give the same results, for any data and any method."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from oracles import predict
from sklearn.base import clone
from sklearn.metrics import pairwise_distances
from small import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)

import nwkr
from nwkr import _descent
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

BOTH = pytest.mark.parametrize(
    "Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier], ids=lambda c: c.__name__[14:]
)
BOTH_SEARCHES = pytest.mark.parametrize(
    "Search",
    [NadarayaWatsonRegressorCV, NadarayaWatsonClassifierCV],
    ids=lambda c: c.__name__[14:],
)
DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)
# Weights of these kernels have a kink at the edge, and so has the loss; descents may stop there.
KINKED = ["cosine", "epanechnikov", "triangular"]
BANDWIDTHS = {
    "narrow": 0.05,
    "one": 0.4,
    "wide": 50.0,
    "each": [0.3, 1.0],
    "off": [0.3, np.inf],
    "exact": [0.0, 0.5],
    "rule": "scott",
    "nearest": KNearest(7),
    "adaptive": Adaptive(0.5),
}


@pytest.fixture
def data(rng):
    """Rows, some of them equal in the first column; targets, weights and queries."""
    X = rng.normal(size=(100, 2))
    X[:30, 0] = np.round(X[:30, 0])
    y = np.sin(2 * X) + 0.3 * rng.normal(size=X.shape)
    queries = np.concatenate([1.2 * rng.normal(size=(40, 2)), X[:5], X[:3] + 30])
    return X, y, rng.uniform(0.2, 3, 100) * (np.arange(100) % 7 > 0), queries


def target_of(Estimator, y):
    """For a classifier, three classes cut from the first target."""
    if Estimator in (NadarayaWatsonClassifier, NadarayaWatsonClassifierCV):
        return np.digitize(y[:, 0], [-0.4, 0.6])
    return y


def predictions_of(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


def ways_for(kernel, bandwidth):
    """The ways that must agree with "dense"."""
    varies = isinstance(bandwidth, KNearest | Adaptive)
    exact = isinstance(bandwidth, list) and 0 in bandwidth
    return ["blocks"] if kernel != "gaussian" or varies or exact else ["blocks", "lattice"]


# -- predictions and weights --------------------------------------------------------------


@pytest.mark.parametrize(
    ("Estimator", "bandwidth"),
    [
        *((NadarayaWatsonRegressor, bandwidth) for bandwidth in BANDWIDTHS),
        (NadarayaWatsonClassifier, "one"),
        (NadarayaWatsonClassifier, "nearest"),
    ],
)
def test_predictions_agree(Estimator, kernel, bandwidth, data):
    X, y, weights, queries = data
    y = target_of(Estimator, y)
    bandwidths = BANDWIDTHS[bandwidth]
    dense = Estimator(kernel, bandwidths, algorithm="dense").fit(X, y, weights)
    tolerance = 1e-10 * np.abs(y).max()
    for algorithm in ways_for(kernel, bandwidths):
        model = Estimator(kernel, bandwidths, algorithm=algorithm).fit(X, y, weights)
        for rows in (queries, None):
            got, expected = predictions_of(model, rows), predictions_of(dense, rows)
            assert_allclose(got, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("algorithm", ["blocks", "lattice"])
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_predictions_do_not_depend_on_the_threads(algorithm, n_jobs, data):
    X, y, weights, queries = data
    alone, together = (
        NadarayaWatsonRegressor(bandwidth=0.4, algorithm=algorithm, n_jobs=number).fit(
            X, y, weights
        )
        for number in (1, n_jobs)
    )
    for rows in (queries, None):
        assert_array_equal(together.predict(rows), alone.predict(rows))
    assert_array_equal(together.attention_weights(queries), alone.attention_weights(queries))


@pytest.mark.parametrize(
    ("Estimator", "tol"),
    [
        (NadarayaWatsonRegressor, 1e-6),
        (NadarayaWatsonRegressor, 1e-2),
        (NadarayaWatsonClassifier, 1e-2),
    ],
)
def test_predictions_with_tol_are_within_the_tolerance(Estimator, kernel, tol, data):
    X, y, weights, queries = data
    y = target_of(Estimator, y)
    for bandwidth in (0.4, KNearest(7), Adaptive(0.4)):
        dense = Estimator(kernel, bandwidth, algorithm="dense").fit(X, y, weights)
        for algorithm in ways_for(kernel, bandwidth):
            model = Estimator(kernel, bandwidth, algorithm=algorithm, tol=tol).fit(X, y, weights)
            for rows in (queries, None):
                got, expected = predictions_of(model, rows), predictions_of(dense, rows)
                assert_allclose(got, expected, rtol=0, atol=(tol + 1e-10) * np.abs(y).max())


@pytest.mark.parametrize("algorithm", ["blocks", "lattice"])
def test_tol_drops_far_rows(algorithm, data):
    """Without this, the test above could pass with `tol` ignored."""
    X, y, *_ = data
    X = 0.1 * X + 5.0 * (X > 0)
    exact, quick = (
        NadarayaWatsonRegressor(bandwidth=1.0, algorithm=algorithm, tol=tol).fit(X, y)
        for tol in (0.0, 1e-2)
    )
    worst = np.abs(exact.predict(X) - quick.predict(X)).max()
    assert 0 < worst <= 1e-2 * np.abs(y).max()


@pytest.mark.parametrize(
    ("bandwidth", "handle_empty"),
    [
        ("narrow", "nearest"),
        ("narrow", "mean"),
        ("narrow", "nan"),
        ("nearest", "nearest"),
        ("adaptive", "nan"),
        ("exact", "nearest"),
    ],
)
def test_weights_agree(kernel, bandwidth, handle_empty, data):
    X, y, weights, queries = data
    options = {"kernel": kernel, "bandwidth": BANDWIDTHS[bandwidth], "handle_empty": handle_empty}
    dense = NadarayaWatsonRegressor(**options, algorithm="dense").fit(X, y, weights)
    for algorithm in ways_for(kernel, BANDWIDTHS[bandwidth]):
        model = NadarayaWatsonRegressor(**options, algorithm=algorithm).fit(X, y, weights)
        for rows in (queries, None):
            expected = dense.attention_weights(rows)
            got = model.attention_weights(rows)
            assert_allclose(got, expected, rtol=0, atol=1e-10)
            few = model.attention_weights(rows, sparse_output=True)
            assert_array_equal(few.toarray(), got)
            if handle_empty != "nan":
                assert few.nnz == np.count_nonzero(got)
                assert_allclose(few @ y, model.predict(rows), rtol=0, atol=1e-9)


@pytest.mark.parametrize("sparse_output", [False, True])
@pytest.mark.parametrize("top_k", [1, 5, 100])
def test_top_k_agrees(kernel, top_k, sparse_output, data):
    X, y, weights, queries = data
    options = {"kernel": kernel, "bandwidth": 0.2}
    every = NadarayaWatsonRegressor(**options, algorithm="dense").fit(X, y, weights)
    every = every.attention_weights(queries)
    largest = np.sort(every, axis=1)
    largest[:, :-top_k] = 0
    for algorithm in ways_for(kernel, 0.2):
        model = NadarayaWatsonRegressor(**options, algorithm=algorithm).fit(X, y, weights)
        got = model.attention_weights(queries, sparse_output=sparse_output, top_k=top_k)
        if sparse_output:
            assert got.nnz <= top_k * len(queries)
            got = got.toarray()
        # Of equal weights, any may be kept.
        assert_allclose(np.sort(got, axis=1), largest, rtol=0, atol=1e-10)
        assert_allclose(got[got > 0], every[got > 0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"gaussian", "exponential", "constant"}))
@pytest.mark.parametrize("algorithm", ["blocks", "auto"])
def test_handle_empty_error_agrees(kernel, algorithm, data):
    X, y, _, queries = data
    models = [
        NadarayaWatsonRegressor(kernel, 0.1, handle_empty="error", algorithm=way).fit(X, y)
        for way in ("dense", algorithm)
    ]
    for rows in (queries, None):
        for method in ("predict", "attention_weights"):
            messages = []
            for model in models:
                with pytest.raises(ValueError, match="No training row has weight") as error:
                    getattr(model, method)(rows)
                messages.append(str(error.value))
            assert messages[0] == messages[1]
    near = X[:10] + 1e-3
    assert_allclose(models[0].predict(near), models[1].predict(near), rtol=1e-10)


@pytest.mark.parametrize("algorithm", ["blocks", "lattice", "auto"])
def test_attention_weights_of_the_training_rows_agree(algorithm, data):
    X, y, weights, _ = data
    dense, model = (
        NadarayaWatsonRegressor(bandwidth=0.4, algorithm=way).fit(X, y, weights)
        for way in ("dense", algorithm)
    )
    assert_allclose(model.attention_weights_, dense.attention_weights_, rtol=0, atol=1e-12)
    assert_allclose(model.attention_weights_ @ y, model.predict(X), rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["blocks", "lattice", "auto"])
def test_float32_rows_agree(algorithm, data):
    X, y, weights, queries = (array.astype(np.float32) for array in data)
    model = NadarayaWatsonRegressor(bandwidth=0.4, algorithm=algorithm).fit(X, y, weights)
    expected = predict(queries[:45], X, y.astype(float), "gaussian", 0.4, sample_weight=weights)
    assert_allclose(model.predict(queries[:45]), expected, atol=1e-5)


# -- any data -----------------------------------------------------------------------------


@st.composite
def problems(draw):
    """Rows of many kinds, with some of them as queries, and bandwidths from tiny to huge."""
    n_rows, n_features = draw(st.integers(1, 90)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = random.normal(size=(n_rows, n_features))
    kind = draw(st.sampled_from(["normal", "clusters", "duplicates", "line", "grid"]))
    if kind == "clusters":
        X = 0.01 * X + 3 * random.integers(-1, 2, size=X.shape)
    elif kind == "duplicates":
        X = X[random.integers(0, max(1, n_rows // 6), n_rows)]
    elif kind == "line":
        X = X[:, :1] * np.arange(1, n_features + 1)
    elif kind == "grid":
        X = np.round(2 * X) / 2
    if draw(st.booleans()):
        X[:, draw(st.integers(0, n_features - 1))] = draw(st.sampled_from([0.0, 7.0, -1e6]))
    outliers = draw(st.integers(0, min(2, n_rows - 1)))
    X[:outliers] += 1e6 * random.normal(size=(outliers, n_features))
    queries = X[random.integers(0, n_rows, 25)]
    queries[::2] += 0.3 * random.normal(size=queries[::2].shape)
    bandwidth = draw(
        st.one_of(
            st.sampled_from([1e-6, 1e-3, 0.05, 0.5, 3.0, 1e3, 1e6]),
            st.sampled_from(["scott", KNearest(1), KNearest(min(5, n_rows)), Adaptive(0.5)]),
            st.lists(
                st.sampled_from([1e-6, 0.3, 2.0, 1e6, np.inf]),
                min_size=n_features,
                max_size=n_features,
            ),
        )
    )
    weights = random.uniform(0.1, 2, n_rows) if draw(st.booleans()) else None
    y = random.normal(size=(n_rows, 2))
    return X, y, weights, queries, bandwidth


def sum_of_others(X, weights):
    """The smallest sum of weights that any row leaves when it is left out."""
    return len(X) - 1 if weights is None else weights.sum() - weights.max()


def check_agreement(kernel, problem):
    X, y, weights, queries, bandwidth = problem
    if isinstance(bandwidth, KNearest) and weights is not None:
        weights = np.ceil(weights)  # enough rows, counted by weight
    dense = NadarayaWatsonRegressor(kernel, bandwidth, algorithm="dense").fit(X, y, weights)
    ways = ways_for(kernel, bandwidth)
    counted = np.atleast_1d(dense.bandwidth_)
    if "lattice" in ways and not np.isfinite(counted).any():
        ways.remove("lattice")
    others = sum_of_others(X, weights)
    asked = [queries, None] if others > 0 else [queries]
    if isinstance(bandwidth, KNearest) and others < bandwidth.k:
        asked = [queries]
    for algorithm in ways:
        model = NadarayaWatsonRegressor(kernel, bandwidth, algorithm=algorithm).fit(X, y, weights)
        for rows in asked:
            got, expected = model.predict(rows), dense.predict(rows)
            assert_allclose(got, expected, rtol=0, atol=1e-10 * np.abs(y).max())


@pytest.mark.parametrize("kernel", sorted(KERNELS))
@settings(max_examples=10)
@given(problem=problems())
def test_any_data_agrees(kernel, problem):
    check_agreement(kernel, problem)


# -- the search ---------------------------------------------------------------------------

LADDER = [0.05, 0.1, 0.1 * np.sqrt(2), 0.4, 3.0, [0.2, 1.0]]


def assert_same_search(model, dense):
    for name in ("score", "effective_dof", "empty_share"):
        got, expected = model.cv_results_[name], dense.cv_results_[name]
        assert_allclose(got, expected, rtol=1e-9, atol=1e-12, err_msg=name)
    assert_allclose(model.bandwidth_, dense.bandwidth_, rtol=1e-6)
    assert_allclose(model.best_score_, dense.best_score_, rtol=1e-9)


def check_search(Search, kernel, bandwidths, data, ways=None):
    X, y, weights, queries = data
    y = target_of(Search, y)
    dense = Search(kernel, bandwidths, algorithm="dense").fit(X, y, weights)
    for algorithm in ways or ways_for(kernel, 1.0):
        model = Search(kernel, bandwidths, algorithm=algorithm).fit(X, y, weights)
        assert_same_search(model, dense)
        assert_allclose(predictions_of(model, queries), predictions_of(dense, queries), atol=1e-9)


@BOTH_SEARCHES
def test_searches_agree(Search, kernel, data):
    check_search(Search, kernel, LADDER, data)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "boxcar", "biweight", "tricube"])
def test_searches_over_automatic_candidates_agree(kernel, data):
    check_search(NadarayaWatsonRegressorCV, kernel, "auto", data)


def test_candidates_without_a_lattice_are_searched_with_blocks(data):
    X, y, weights, _ = data
    candidates = [KNearest(5), 0.4, Adaptive(0.4), [0.0, 0.5], 0.2]
    dense, model = (
        NadarayaWatsonRegressorCV("gaussian", candidates, algorithm=way).fit(X, y, weights)
        for way in ("dense", "blocks")
    )
    assert_allclose(model.cv_results_["score"], dense.cv_results_["score"], rtol=1e-9)


def test_candidates_with_an_exact_column_agree(kernel, data):
    """A row without an equal in the exact column takes the nearest in this column."""
    X, y, weights, _ = data
    X = np.column_stack([np.where(np.arange(100) < 70, 0, np.arange(100)), X[:, 1]])
    check_search(
        NadarayaWatsonRegressorCV,
        kernel,
        [[0.0, 0.1], [0.0, 0.5], [0.0, 2.0]],
        (X, y, weights, np.column_stack([X[::3, 0] + 0.4, X[::3, 1]])),
        ways=["blocks"],
    )


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_searches_per_feature_agree(kernel, data, monkeypatch):
    """Compares loss and slopes at fixed places, because descents may take different steps."""
    X, y, weights, _ = (array[:50] for array in data)
    options = {"bandwidths": [1.5], "per_feature": True}
    places = np.array([[0.3, -0.2], [-0.5, 0.1], [1.1, 0.4]])
    found, minimize = [], _descent.minimize

    def at_places(objective, x, **options):
        found.append([objective(x + place) for place in places])
        return minimize(objective, x, **options)

    monkeypatch.setattr(_descent, "minimize", at_places)
    dense = NadarayaWatsonRegressorCV(kernel, **options, algorithm="dense").fit(X, y, weights)
    for algorithm in ways_for(kernel, 1.0):
        model = NadarayaWatsonRegressorCV(kernel, **options, algorithm=algorithm).fit(X, y, weights)
        for (loss, slopes), (expected, expected_slopes) in zip(found.pop(), found[0]):
            assert_allclose(loss, expected, rtol=1e-9)
            assert_allclose(slopes, expected_slopes, rtol=1e-8, atol=1e-9)
        assert model.best_score_ > model.cv_results_["score"][0]
        if kernel not in KINKED:
            # A descent ends where a step gains less than 1e-8; rounding decides which step that is.
            assert_allclose(model.best_score_, dense.best_score_, rtol=1e-6)


@pytest.mark.parametrize("algorithm", ["blocks", "lattice"])
def test_cross_validated_searches_agree(algorithm, data):
    X, y, weights, _ = data
    dense, model = (
        NadarayaWatsonRegressorCV(bandwidths=LADDER[2:], cv=3, algorithm=way).fit(X, y, weights)
        for way in ("dense", algorithm)
    )
    assert_allclose(model.cv_results_["score"], dense.cv_results_["score"], rtol=1e-9)
    assert_array_equal(model.bandwidth_, dense.bandwidth_)


@pytest.mark.parametrize("seed", [0, 1])
@BOTH_SEARCHES
def test_subsample_is_the_same_for_every_algorithm(Search, seed, data):
    X, y, weights, _ = data
    y = target_of(Search, y)
    options = {"bandwidths": [0.2, 0.4, 1.0], "subsample": 30, "random_state": seed}
    dense = Search(**options, algorithm="dense").fit(X, y, weights)
    others = Search(**{**options, "random_state": seed + 7}, algorithm="dense").fit(X, y, weights)
    assert not np.allclose(others.cv_results_["score"], dense.cv_results_["score"], rtol=1e-6)
    for algorithm in ("blocks", "lattice", "auto"):
        model = Search(**options, algorithm=algorithm).fit(X, y, weights)
        assert model.n_queries_ == 30
        assert_same_search(model, dense)


# -- which way is taken -------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["dense", "blocks", "lattice"])
@BOTH
def test_requested_algorithm_is_used(Estimator, algorithm, data):
    X, y, *_ = data
    model = Estimator(bandwidth=0.4, algorithm=algorithm).fit(X, target_of(Estimator, y))
    assert model.algorithm_ == algorithm
    assert model.algorithm == algorithm


@pytest.mark.parametrize("n_rows", [20, 700])
def test_small_problems_are_dense(n_rows, kernel, rng):
    X = rng.normal(size=(n_rows, 2))
    assert nwkr.NadarayaWatsonRegressor(kernel).fit(X, X[:, 0]).algorithm_ == "dense"


@pytest.mark.parametrize("metric", ["manhattan", "precomputed"])
def test_other_metrics_are_dense(metric, kernel, data):
    X, y, *_ = data
    X = pairwise_distances(X) if metric == "precomputed" else X
    assert NadarayaWatsonRegressor(kernel, 0.4, metric=metric).fit(X, y).algorithm_ == "dense"


@pytest.mark.parametrize(
    ("kernel", "bandwidth", "n_rows", "expected"),
    [
        ("epanechnikov", "scott", 20_000, "blocks"),
        ("boxcar", "scott", 20_000, "blocks"),
        ("tricube", KNearest(10), 10_000, "blocks"),
        ("gaussian", 2.0, 20_000, "lattice"),
        ("gaussian", 1e-4, 20_000, "blocks"),
        ("exponential", 1e3, 20_000, "dense"),
    ],
)
def test_auto_takes_the_fastest_way(kernel, bandwidth, n_rows, expected, rng):
    X, y = rng.normal(size=(n_rows, 1)), rng.normal(size=n_rows)
    model = nwkr.NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y)
    assert model.algorithm_ == expected
    dense = nwkr.NadarayaWatsonRegressor(kernel, bandwidth, algorithm="dense").fit(X, y)
    assert dense.algorithm_ == "dense"
    some = X[:: n_rows // 1000]
    tolerance = 1e-10 * np.abs(y).max()
    assert_allclose(model.predict(some), dense.predict(some), rtol=0, atol=tolerance)


def test_auto_agrees_with_dense(kernel, rng):
    """Uses a size where the way that auto takes depends on the kernel and the bandwidth."""
    X, y, queries = rng.normal(size=(9000, 1)), rng.normal(size=9000), rng.normal(size=(400, 1))
    for bandwidth in (0.01, 0.3):
        auto, dense = (
            nwkr.NadarayaWatsonRegressor(kernel, bandwidth, algorithm=way).fit(X, y)
            for way in ("auto", "dense")
        )
        tolerance = 1e-10 * np.abs(y).max()
        assert_allclose(auto.predict(queries), dense.predict(queries), rtol=0, atol=tolerance)


def test_few_queries_and_many_agree(rng):
    """Predicting all rows at once takes another way than predicting a few."""
    X, y = rng.normal(size=(6000, 1)), rng.normal(size=6000)
    for kernel in ("gaussian", "epanechnikov"):
        model = nwkr.NadarayaWatsonRegressor(kernel, 0.1).fit(X, y)
        few = model.predict(X[:50])
        assert_allclose(model.predict(X)[:50], few, rtol=0, atol=1e-9)


# -- combinations that are refused --------------------------------------------------------


def manhattan(a, b):
    return np.abs(a - b).sum()


REFUSED = {
    "blocks, a callable": ({"algorithm": "blocks", "metric": manhattan}, "metric='euclidean'"),
    "blocks, a name": ({"algorithm": "blocks", "metric": "cosine"}, "metric='euclidean'"),
    "blocks, precomputed": (
        {"algorithm": "blocks", "metric": "precomputed"},
        "metric='euclidean'.*metric='precomputed'",
    ),
    "lattice, a callable": ({"algorithm": "lattice", "metric": manhattan}, "metric='euclidean'"),
    "lattice, precomputed": (
        {"algorithm": "lattice", "metric": "precomputed"},
        "metric='euclidean'.*metric='precomputed'",
    ),
    "lattice, nearest": ({"algorithm": "lattice", "bandwidth": KNearest(3)}, r"KNearest\(k=3\)"),
    "lattice, adaptive": ({"algorithm": "lattice", "bandwidth": Adaptive(0.5)}, r"Adaptive\("),
    "lattice, exact": (
        {"algorithm": "lattice", "bandwidth": [0.0, 1.0]},
        "1 of them, and 1 with bandwidth 0",
    ),
    "lattice, zero": (
        {"algorithm": "lattice", "bandwidth": 0},
        "0 of them, and 2 with bandwidth 0",
    ),
    "lattice, off": (
        {"algorithm": "lattice", "bandwidth": np.inf},
        "0 of them, and 0 with bandwidth 0",
    ),
    **{
        f"lattice, {name}": ({"algorithm": "lattice", "kernel": name}, f"Gaussian.*{name!r}")
        for name in sorted(set(KERNELS) - {"gaussian"})
    },
    "lattice, a function": (
        {"algorithm": "lattice", "kernel": lambda u: 1 / (1 + u**2)},
        "Gaussian.*<lambda>",
    ),
}


def assert_refused(model, data, *words):
    before = vars(model).copy()
    with pytest.raises(ValueError) as error:
        model.fit(*data)
    message = str(error.value)
    for word in ("algorithm=", "Choose algorithm from", "'dense'", "'auto'", *words):
        assert re.search(word, message, re.DOTALL), f"{word!r} is not in {message!r}"
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


@pytest.mark.parametrize("case", REFUSED)
@BOTH
def test_unsupported_combinations_are_refused(Estimator, case, data):
    X, y, _, queries = data
    y, (parameters, words) = target_of(Estimator, y), REFUSED[case]
    rows = pairwise_distances(X) if parameters.get("metric") == "precomputed" else X
    assert_refused(Estimator(**{"bandwidth": 0.5} | parameters), (rows, y), words)
    # A fit that is refused leaves the earlier fit intact.
    model = Estimator("tricube", 0.7).fit(X, y)
    predictions = model.predict(queries)
    good = model.get_params()
    assert_refused(model.set_params(**{"kernel": "gaussian"} | parameters), (rows, y), words)
    assert_array_equal(model.set_params(**good).predict(queries), predictions)


@pytest.mark.parametrize("n_features", [5, 12])
@BOTH
def test_a_lattice_of_too_many_columns_is_refused(Estimator, n_features, rng):
    X, y = rng.normal(size=(30, n_features)), np.arange(30) % 3
    assert_refused(Estimator(bandwidth=1.0, algorithm="lattice"), (X, y), "1 to 4 features")
    # Columns with an infinite bandwidth do not count.
    bandwidth = np.append([1.0, 2.0], np.full(n_features - 2, np.inf))
    model = Estimator(bandwidth=bandwidth, algorithm="lattice").fit(X, y)
    dense = Estimator(bandwidth=bandwidth, algorithm="dense").fit(X, y)
    assert_allclose(predictions_of(model, None), predictions_of(dense, None), atol=1e-10)


@BOTH_SEARCHES
def test_searches_refuse_unsupported_combinations(Search, data):
    X, y, *_ = data
    y = target_of(Search, y)
    options = {"bandwidths": [0.5, 1.0]}
    for parameters, words in (
        ({"algorithm": "blocks", "metric": "manhattan"}, "metric='euclidean'"),
        ({"algorithm": "lattice", "kernel": "boxcar"}, "Gaussian"),
        ({"algorithm": "lattice", "bandwidths": [KNearest(4)]}, r"KNearest\(k=4\)"),
    ):
        assert_refused(Search(**options | parameters), (X, y), words)


@pytest.mark.parametrize("algorithm", ["tree", None, 1])
def test_unknown_algorithm_is_refused(algorithm, data):
    X, y, *_ = data
    with pytest.raises(ValueError, match=r"algorithm.*'blocks'.*") as error:
        NadarayaWatsonRegressor(algorithm=algorithm).fit(X, y)
    assert repr(algorithm) in str(error.value)


# -- copies -------------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", ["one", "nearest", "adaptive"])
@pytest.mark.parametrize("algorithm", ["blocks", "auto"])
@BOTH
def test_pickles_and_clones(Estimator, algorithm, bandwidth, data):
    X, y, weights, queries = data
    y = target_of(Estimator, y)
    model = Estimator("tricube", BANDWIDTHS[bandwidth], algorithm=algorithm).fit(X, y, weights)
    again = pickle.loads(pickle.dumps(model))
    fresh = clone(model)
    assert not hasattr(fresh, "algorithm_")
    for other in (again, fresh.fit(X, y, weights)):
        assert other.algorithm_ == model.algorithm_
        for rows in (queries, None):
            assert_array_equal(predictions_of(other, rows), predictions_of(model, rows))
            assert_array_equal(other.attention_weights(rows), model.attention_weights(rows))


def test_pickle_of_blocks_is_less_than_twice_that_of_dense(rng):
    X = rng.normal(size=(3000, 2))
    dense, blocks = (
        pickle.dumps(NadarayaWatsonRegressor(bandwidth=0.1, algorithm=way).fit(X, X[:, 0]))
        for way in ("dense", "blocks")
    )
    assert len(blocks) < 1.3 * len(dense)


def test_blocks_leave_out_rows_without_weight(kernel, data):
    X, y, weights, queries = data
    X = np.where(weights[:, None] > 0, X, 1e12)
    for algorithm in ways_for(kernel, 0.4):
        model = NadarayaWatsonRegressor(kernel, 0.4, algorithm=algorithm).fit(X, y, weights)
        left = weights > 0
        others = NadarayaWatsonRegressor(kernel, 0.4, algorithm="dense")
        others.fit(X[left], y[left], weights[left])
        assert_allclose(model.predict(queries), others.predict(queries), rtol=0, atol=1e-9)
        assert not model.attention_weights(queries)[:, ~left].any()


@pytest.mark.parametrize("seed", range(4))
def test_ties_stay_ties_with_a_tiny_bandwidth(seed):
    """On a grid, the expanded square loses the digits that tell a tie."""
    rng = np.random.default_rng(seed)
    X, y = np.round(2 * rng.normal(size=(300, 3))) / 2, rng.normal(size=300)
    dense, *others = (
        NadarayaWatsonRegressor(bandwidth=1e-6, algorithm=way).fit(X, y).predict(None)
        for way in ("dense", "blocks", "lattice")
    )
    for got in others:
        assert_allclose(got, dense, rtol=0, atol=1e-10 * np.abs(y).max())
