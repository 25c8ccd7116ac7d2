"""Behaviour of both estimators: parameters, leave-one-out, metrics, empty neighbourhoods, state."""

import copy
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, get_ident

import joblib
import numpy as np
import pandas as pd
import pytest
from either import ENDLESS, pooled, values_of
from means import NadarayaWatsonClassifierCV
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, attention, refit_without_each
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_info, threadpool_limits

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.bandwidths import KNearest
from nwkr.kernels import KERNELS

close = {"rtol": 1e-10, "atol": 1e-12}
BANDWIDTH = 0.3


# -- parameters and attributes ------------------------------------------------------------


def test_default_parameters(Estimator):
    parameters = inspect.signature(Estimator).parameters
    defaults = {
        "kernel": "gaussian",
        "bandwidth": "scott",
        "degree": 0,
        "ridge": 1.0,
        "metric": "euclidean",
        "metric_params": None,
        "categorical_features": "from_dtype",
        "ordered_features": None,
        "periodic_features": None,
        "one_sided": None,
        "handle_empty": "nearest",
        "algorithm": "auto",
        "tol": 0.0,
        "n_jobs": None,
    }
    if Estimator is NadarayaWatsonClassifier:
        defaults |= {"class_weight": None, "outlier_label": None}
    assert {name: parameter.default for name, parameter in parameters.items()} == defaults
    by_position = [
        name for name, parameter in parameters.items() if parameter.kind != parameter.KEYWORD_ONLY
    ]
    assert by_position == ["kernel", "bandwidth"]


def test_method_signatures(Estimator):
    signatures = {
        "fit": "(self, X, y, sample_weight=None)",
        "predict": "(self, X)",
        "score": "(self, X, y, sample_weight=None)",
        "attention_weights": "(self, X=None, *, sparse_output=False, top_k=None)",
        "effective_sample_size": "(self, X)",
        "score_samples": "(self, X)",
        "explain": "(self, X, top_k=5, *, features=None)",
        "gradient": "(self, X)",
    }
    if Estimator is NadarayaWatsonClassifier:
        signatures |= {"predict_proba": "(self, X)", "predict_log_proba": "(self, X)"}
    else:
        signatures |= {
            "predict": "(self, X, *, return_std=False)",
            "predict_quantiles": "(self, X, quantiles=(0.05, 0.5, 0.95))",
            "predict_cdf": "(self, X, thresholds)",
            "predict_interval": "(self, X, coverage=0.9, method='jackknife+')",
            "predict_band": "(self, X, coverage=0.95, n_bootstrap=200, random_state=None)",
        }
    for name, signature in signatures.items():
        assert str(inspect.signature(getattr(Estimator, name))) == signature


@pytest.mark.parametrize("bandwidth", [0.5, [0.5, 2.0], "scott", "silverman"])
def test_fitted_attributes(Estimator, kernel, bandwidth, data):
    X, y, _ = data
    model = Estimator(kernel, bandwidth)
    assert model.fit(X, y) is model
    assert model.bandwidth_.shape == (2,)
    assert model.bandwidth_.dtype == np.float64
    assert model.kernel_ is KERNELS[kernel]
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")
    assert model.algorithm_ == "dense"
    assert model.get_params()["bandwidth"] is bandwidth


def test_one_number_is_used_for_all_columns(Estimator, kernel, data):
    X, y, queries = data
    one, each = Estimator(kernel, 0.3).fit(X, y), Estimator(kernel, [0.3, 0.3]).fit(X, y)
    assert_array_equal(one.bandwidth_, [0.3, 0.3])
    assert_array_equal(pooled(one, queries), pooled(each, queries))


@pytest.mark.parametrize("bandwidth", ["scott", "silverman", 0.5])
def test_bandwidth_of_other_metrics_is_a_float(Estimator, bandwidth, data):
    X, y, _ = data
    assert isinstance(
        Estimator(bandwidth=bandwidth, metric="manhattan").fit(X, y).bandwidth_, float
    )


def test_algorithm_and_tol_do_not_change_dense_results(Estimator, kernel, data):
    X, y, queries = data
    expected = pooled(Estimator(kernel).fit(X, y), queries)
    for params in ({"algorithm": "dense"}, {"tol": 0.1}):
        assert_array_equal(pooled(Estimator(kernel, **params).fit(X, y), queries), expected)


@pytest.mark.parametrize("bandwidth", [0.3, np.array([0.2, 1.5])])
def test_predictions_equal_the_plain_formula(Estimator, kernel, bandwidth, data):
    X, y, queries = data
    model = Estimator(kernel, bandwidth).fit(X, y)
    weights = attention(queries, X, kernel, bandwidth, empty="nearest")
    assert_allclose(pooled(model, queries), weights @ values_of(model, y), **close)
    assert_allclose(model.attention_weights(queries), weights, **close)


@pytest.mark.parametrize("radius", [0.5, 30.0, 5e3, 1e7])
def test_function_gets_distances_in_units_of_the_data(Estimator, radius, rng):
    X, y = radius * rng.uniform(0, 9, size=(60, 1)), rng.integers(3, size=60)
    written = Estimator(lambda distance: distance <= radius, bandwidth=1.0).fit(X, y)
    named = Estimator("boxcar", bandwidth=radius).fit(X, y)
    for Q in (X + radius / 3, None):
        assert_allclose(pooled(written, Q), pooled(named, Q), **close)


@pytest.mark.parametrize("scale", [1e-200, 0.75, 1e200])
@pytest.mark.parametrize("power", [2, 2.5])  # a registered kernel, and one that is not
def test_a_constant_factor_of_a_kernel_cancels(Estimator, scale, power, data):
    X, y, queries = data
    one = Estimator(lambda u: np.maximum(0, 1 - u**power), 0.5).fit(X, y)
    scaled = Estimator(lambda u: scale * np.maximum(0, 1 - u**power), 0.5).fit(X, y)
    for Q in (queries, None):
        assert_allclose(pooled(scaled, Q), pooled(one, Q), **close)


# -- empty neighbourhoods -----------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "precomputed"])
def test_handle_empty_in_attention_and_predict(
    Estimator, kernel, metric, handle_empty, data, sample_weight
):
    X, y, queries = data
    weighted = sample_weight > 0
    distances = cdist(queries, X, "euclidean" if metric == "precomputed" else "cityblock")
    if metric == "euclidean":
        distances = cdist(queries, X)
    fit_on, asked = (cdist(X, X), distances) if metric == "precomputed" else (X, queries)
    model = Estimator(kernel, 0.1, metric=metric, handle_empty=handle_empty)
    model.fit(fit_on, y, sample_weight)

    weights = PROFILES[kernel](distances / 0.1) * sample_weight
    for row in np.flatnonzero(~weights.any(axis=1)):
        if kernel in ENDLESS or handle_empty == "nearest":
            weights[row] = distances[row] == distances[row, weighted].min()
            weights[row] *= sample_weight
        elif handle_empty == "mean":
            weights[row] = sample_weight
        else:
            weights[row, weighted] = np.nan
    weights /= weights.sum(axis=1, keepdims=True)
    weights[:, ~weighted] = 0
    empty = np.isnan(weights).any(axis=1)
    assert empty.any() == (handle_empty == "nan" and kernel not in ENDLESS)

    assert_allclose(model.attention_weights(asked), weights, **close)
    assert_allclose(pooled(model, asked), weights @ values_of(model, y), **close)


def test_nearest_rows_at_equal_distance_share_the_weight(Estimator):
    X, y = np.array([[-1.0], [1.0], [1.0], [4.0]]), np.array([0, 3, 3, 7])
    model = Estimator("epanechnikov", 0.5).fit(X, y, sample_weight=[2, 1, 1, 5])
    assert_allclose(model.attention_weights([[0.0], [9.0]]), [[0.5, 0.25, 0.25, 0], [0, 0, 0, 1]])
    assert_allclose(pooled(model, [[0.0]])[0], [[0.5, 0.5, 0], 1.5][values_of(model, y).ndim == 1])


@pytest.mark.parametrize("n_queries", [20, 2000])
def test_error_names_the_first_empty_query(Estimator, n_queries, rng):
    X, y = rng.uniform(size=(400, 1)), rng.integers(3, size=400)
    queries = rng.uniform(size=(n_queries, 1))
    queries[[n_queries - 7, n_queries - 2]] = 9.0
    model = Estimator("boxcar", 0.5, handle_empty="error").fit(X, y)
    message = rf"2 of {n_queries} queries, the first of them row {n_queries - 7},.*handle_empty"
    for method in (model.predict, model.attention_weights):
        with pytest.raises(ValueError, match=message):
            method(queries)
        method(queries[: n_queries - 7])
    with pytest.raises(ValueError, match=message):
        model.attention_weights(queries, sparse_output=True)


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
def test_handle_empty_ignores_a_column_with_infinite_bandwidth(Estimator, handle_empty, data):
    X, y, queries = data
    model = Estimator("boxcar", [0.1, np.inf], handle_empty=handle_empty).fit(X, y)
    alone = Estimator("boxcar", 0.1, handle_empty=handle_empty).fit(X[:, :1], y)
    for Q in (queries, None):
        first = None if Q is None else Q[:, :1]
        assert_allclose(pooled(model, Q), pooled(alone, first), **close)
        assert_allclose(model.attention_weights(Q), alone.attention_weights(first), **close)


# -- leave-one-out ------------------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
def test_leave_one_out_equals_refits(Estimator, kernel, handle_empty, data, sample_weight):
    X, y, _ = data
    model = Estimator(kernel, 0.1, handle_empty=handle_empty).fit(X, y, sample_weight)
    expected = refit_without_each(model, X, y, sample_weight)
    # The test needs both rows without neighbours and rows with some.
    alone = np.isnan(expected.reshape(len(X), -1)).any(axis=1)
    assert alone.any() == (handle_empty == "nan" and kernel not in ENDLESS)
    assert not alone.all()
    assert_allclose(pooled(model, None), expected, **close)


@pytest.mark.parametrize("bandwidth", [[0.1, 0.4], [0.2, np.inf], [0.3, 0.0], 0.0, np.inf], ids=str)
def test_leave_one_out_with_every_form_of_bandwidth(kernel, bandwidth, data, sample_weight):
    X, y, _ = data
    X = X.round(1)  # makes rows equal in a column
    model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y, sample_weight)
    assert_allclose(model.predict(None), refit_without_each(model, X, y, sample_weight), **close)


def test_leave_one_out_with_handle_empty_error(Estimator, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="handle_empty='error'"):
        Estimator("boxcar", 1e-9, handle_empty="error").fit(X, y).predict(None)
    model = Estimator("boxcar", 2.0, handle_empty="error").fit(X, y)
    assert_allclose(pooled(model, None), refit_without_each(model, X, y), **close)


def test_leave_one_out_keeps_duplicates_of_the_row(Estimator, kernel):
    X, y = np.array([[0.0], [0.0], [5.0], [7.0]]), np.array([0, 1, 0, 1])
    model = Estimator(kernel, 1e-3).fit(X, y)
    if kernel != "constant":
        assert_array_equal(model.predict(None), [1, 0, 1, 0])
    assert_allclose(pooled(model, None), refit_without_each(model, X, y), **close)


def test_leave_one_out_of_many_rows(Estimator, kernel, rng):
    X, y = rng.normal(size=(700, 3)), rng.integers(3, size=700)
    model = Estimator(kernel, 0.8).fit(X, y)
    weights = attention(X, X, kernel, 0.8, leave_self_out=True, empty="nearest")
    assert_allclose(pooled(model, None), weights @ values_of(model, y), **close)


# -- metrics ------------------------------------------------------------------------------


def haversine(Q, X):
    (lat_q, lon_q), (lat, lon) = Q.T[:, :, None], X.T[:, None, :]
    chord = np.sin((lat - lat_q) / 2) ** 2
    chord += np.cos(lat_q) * np.cos(lat) * np.sin((lon - lon_q) / 2) ** 2
    return 2 * np.arcsin(np.sqrt(chord))


def farthest_coordinate(a, b):
    return np.abs(a - b).max()


METRICS = {
    "manhattan": lambda Q, X: cdist(Q, X, "cityblock"),
    "cityblock": lambda Q, X: np.abs(Q[:, None] - X).sum(axis=2),
    "l1": lambda Q, X: cdist(Q, X, "cityblock"),
    "l2": cdist,
    "nan_euclidean": cdist,
    "minkowski": cdist,
    "sqeuclidean": lambda Q, X: cdist(Q, X) ** 2,
    "cosine": lambda Q, X: (
        1 - Q @ X.T / np.outer(np.linalg.norm(Q, axis=1), np.linalg.norm(X, axis=1))
    ),
    "haversine": haversine,
    "chebyshev": lambda Q, X: np.abs(Q[:, None] - X).max(axis=2),
    "canberra": lambda Q, X: cdist(Q, X, "canberra"),
    "braycurtis": lambda Q, X: cdist(Q, X, "braycurtis"),
    "hamming": lambda Q, X: cdist(Q, X, "hamming"),
    farthest_coordinate: lambda Q, X: cdist(Q, X, "chebyshev"),
}


@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "boxcar", "tricube"])
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: getattr(metric, "__name__", metric))
def test_any_metric_equals_the_plain_formula(Estimator, kernel, metric, data, sample_weight):
    X, y, queries = data
    if metric == "haversine":
        queries = queries / 2  # latitudes must stay between the poles
    distances = METRICS[metric](queries, X)
    bandwidth = 0.7 * float(np.median(distances))
    model = Estimator(kernel, bandwidth, metric=metric, handle_empty="nan")
    model.fit(X, y, sample_weight)
    assert model.bandwidth_ == bandwidth
    weights = PROFILES[kernel](distances / bandwidth) * sample_weight
    assert weights.any()
    with np.errstate(invalid="ignore"):
        weights /= weights.sum(axis=1, keepdims=True)
    weights[:, sample_weight == 0] = 0
    expected = weights @ values_of(model, y)
    assert_allclose(model.attention_weights(queries), weights, rtol=1e-7, atol=1e-9)
    assert_allclose(pooled(model, queries), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("metric", ["manhattan", "cosine", farthest_coordinate])
@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "boxcar", "tricube"])
def test_leave_one_out_of_any_metric_equals_refits(Estimator, kernel, metric, data, sample_weight):
    X, y, _ = data
    model = Estimator(kernel, 0.1, metric=metric).fit(X, y, sample_weight)
    assert_allclose(pooled(model, None), refit_without_each(model, X, y, sample_weight), **close)


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
def test_precomputed_equals_euclidean(Estimator, kernel, handle_empty, data, sample_weight):
    X, y, queries = data
    params = {"kernel": kernel, "bandwidth": 0.1, "handle_empty": handle_empty}
    direct = Estimator(**params).fit(X, y, sample_weight)
    given = Estimator(metric="precomputed", **params).fit(cdist(X, X), y, sample_weight)
    for Q, distances in ((queries, cdist(queries, X)), (None, None)):
        assert_allclose(pooled(given, distances), pooled(direct, Q), **close)
        assert_allclose(given.attention_weights(distances), direct.attention_weights(Q), **close)
    assert_allclose(given.attention_weights_, direct.attention_weights_, **close)


def test_rules_on_precomputed_distances(Estimator, data, sample_weight):
    X, y, _ = data
    for rule in ("scott", "silverman"):
        direct = Estimator(bandwidth=rule, metric="l2").fit(X, y, sample_weight)
        given = Estimator(bandwidth=rule, metric="precomputed")
        given.fit(cdist(X, X), y, sample_weight)
        assert_allclose(given.bandwidth_, direct.bandwidth_, rtol=1e-12)


# -- sample weights -----------------------------------------------------------------------


WIDTHS = [("scott", "euclidean"), ("silverman", "manhattan"), (0.2, "euclidean")]


@pytest.mark.parametrize(("bandwidth", "metric"), WIDTHS)
def test_rows_without_weight_are_ignored(Estimator, kernel, metric, bandwidth, data, sample_weight):
    X, y, queries = data
    present = sample_weight > 0
    X = np.where(present[:, None], X, 1e6 * X - 1e8)
    model = Estimator(kernel, bandwidth, metric=metric)
    expected = clone(model).fit(X[present], y[present], sample_weight[present])
    model.fit(X, y, sample_weight)
    assert_allclose(model.bandwidth_, expected.bandwidth_, rtol=1e-13)
    assert_allclose(pooled(model, queries), pooled(expected, queries), **close)
    assert_allclose(pooled(model, None)[present], pooled(expected, None), **close)


@pytest.mark.parametrize(("bandwidth", "metric"), WIDTHS)
def test_weights_count_as_copies(Estimator, kernel, metric, bandwidth, data, rng):
    X, y, queries = data
    times = rng.integers(0, 4, size=len(X))
    weighted = Estimator(kernel, bandwidth, metric=metric).fit(X, y, sample_weight=times)
    repeated = clone(weighted).fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(weighted.bandwidth_, repeated.bandwidth_, rtol=1e-12)
    assert_allclose(pooled(weighted, queries), pooled(repeated, queries), **close)


def test_a_constant_factor_of_the_weights_cancels(Estimator, kernel, data, sample_weight):
    X, y, queries = data
    model = Estimator(kernel, 0.2)
    expected = pooled(model.fit(X, y, sample_weight), queries)
    for scale in (1e-300, 1e-3, 7.0, 1e300):
        found = pooled(model.fit(X, y, sample_weight * scale), queries)
        assert_allclose(found, expected, **close)


def test_weights_of_any_ratio(Estimator, kernel):
    X, y = np.array([[0.0], [1.0], [100.0]]), np.array([0, 1, 2])
    for least, most in ((1e-100, 1e100), (1e-140, 1e140)):
        model = Estimator(kernel, 0.5).fit(X, y, [least, most, least])
        assert_allclose(model.attention_weights(X[1:]).sum(axis=1), 1)
        assert_array_equal(model.predict(X[1:2]), 1)
        assert not np.isnan(pooled(model, X)).any()
        assert not np.isnan(pooled(model, None)).any()


def test_weights_of_1_equal_no_weights(Estimator, kernel, data):
    X, y, queries = data
    model = Estimator(kernel)
    expected = pooled(model.fit(X, y), queries)
    assert_array_equal(pooled(model.fit(X, y, np.ones(len(X))), queries), expected)
    assert_array_equal(pooled(model.fit(X, y, 1.0), queries), expected)


# -- threads ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "boxcar", "epanechnikov", "cosine"])
def test_results_do_not_depend_on_the_number_of_threads(kernel, dtype, rng):
    X = rng.normal(size=(600, 3)).astype(dtype)
    y = rng.integers(3, size=600)
    model = NadarayaWatsonClassifier(kernel, 0.7).fit(X, y)

    def results():
        return pooled(model, X), pooled(model, None), model.attention_weights(X)

    expected = results()
    for n_jobs in (1, 2, 3, -1):
        model.set_params(n_jobs=n_jobs)
        for found, wanted in zip(results(), expected):
            assert_array_equal(found, wanted)
    model.set_params(n_jobs=None)
    for limit in (1, 2):
        with threadpool_limits(limit):
            for found, wanted in zip(results(), expected):
                assert_array_equal(found, wanted)


def test_n_jobs_is_the_number_of_threads(rng):
    X = rng.normal(size=(600, 1))
    meeting, tickets, threads = Barrier(2), [], set()

    def kernel(u):
        threads.add(get_ident())
        if tickets:
            tickets.pop()
            meeting.wait(timeout=60)  # breaks unless another thread arrives
        return 1 / (1 + u) ** 2

    model = NadarayaWatsonRegressor(kernel, n_jobs=1).fit(X, X[:, 0])
    for method in (model.predict, model.attention_weights):
        threads.clear()
        model.set_params(n_jobs=1)
        method(X)
        assert threads == {get_ident()}
        model.set_params(n_jobs=2)
        tickets[:] = [1, 2]
        method(X)


def test_one_model_serves_many_threads(Estimator, rng):
    X, y = rng.normal(size=(600, 2)), rng.integers(3, size=600)
    model = Estimator(n_jobs=2).fit(X, y)
    expected = pooled(model, X)
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: pooled(model, X), range(12)):
            assert_array_equal(found, expected)


def test_thread_limits_are_restored(data):
    X, y, queries = data

    def limits():
        return [library["num_threads"] for library in threadpool_info()]

    before = limits()
    model = NadarayaWatsonRegressor("boxcar", 0.1, handle_empty="error").fit(X, y)
    model.predict(X)
    with pytest.raises(ValueError, match="handle_empty"):
        model.predict(queries)
    assert limits() == before


# -- state --------------------------------------------------------------------------------


def state_of(model):
    """Each attribute's identity and contents."""
    return {name: (id(value), joblib.hash(value)) for name, value in vars(model).items()}


def test_only_fit_changes_the_estimator(Estimator, data, sample_weight):
    X, y, queries = data
    model = Estimator("boxcar", 0.2).fit(X, y, sample_weight)
    before = state_of(model)
    for Q in (queries, None):
        pooled(model, Q)
        model.predict(Q)
        model.attention_weights(Q)
        model.attention_weights(Q, sparse_output=True, top_k=3)
        model.score(Q, y[: len(queries)] if Q is not None else y)
    _ = model.attention_weights_
    assert state_of(model) == before


def test_inputs_are_not_changed(Estimator, kernel, data, sample_weight):
    arrays = [*data, sample_weight, cdist(data[0], data[0])]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    X, y, queries, sample_weight, distances = arrays
    model = Estimator(kernel).fit(X, y, sample_weight)
    pooled(model, queries)
    model.predict(None)
    model.attention_weights(queries, top_k=2)
    pooled(Estimator(kernel, metric="precomputed").fit(distances, y, sample_weight), distances)
    for array, copied in zip(arrays, before):
        assert_array_equal(array, copied)


@pytest.mark.parametrize("bandwidth", ["scott", KNearest(9)], ids=str)
def test_pickles_hold_the_data_once(Estimator, bandwidth, rng):
    X, y = rng.normal(size=(3000, 4)), rng.integers(3, size=3000)
    model = Estimator(bandwidth=bandwidth).fit(X, y)
    size = len(pickle.dumps(model))
    # Rows and targets; weights, counts and positions of the keys; counts of a varying window.
    columns = 4 + (bandwidth != "scott")
    boxes = X.nbytes / 8 + len(X)  # of blocks of at least 16 rows
    assert size < X.nbytes + columns * 8 * len(X) + boxes + 4000
    pooled(model, X[:100])
    _ = model.attention_weights_[0, 0]
    assert len(pickle.dumps(model)) == size


class Unlucky:
    """A rule of thumb that fails."""

    def __init__(self, error):
        self.error = error

    def __call__(self, X, sample_weight):
        raise self.error("no")


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyboardInterrupt])
def test_a_late_error_in_fit_leaves_the_estimator_unchanged(Estimator, error, data):
    X, y, queries = data
    other = np.column_stack([X, X[:, 0]]), np.repeat([5, 8], 15)  # other columns and classes

    model = Estimator("tricube", [0.3, 0.5]).fit(X, y)
    predictions = pooled(model, queries)
    model.set_params(kernel="boxcar", bandwidth=Unlucky(error))
    before = state_of(model)
    with pytest.raises(error):
        model.fit(*other)
    assert state_of(model) == before
    assert_array_equal(pooled(model, queries), predictions)

    model = Estimator(bandwidth=Unlucky(error))
    before = state_of(model)
    with pytest.raises(error):
        model.fit(*other)
    assert state_of(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_fit_forgets_the_earlier_fit(Estimator, data):
    X, y, queries = data
    model = Estimator().fit(np.column_stack([X, X])[:20], y[:20] + 7)
    again, once = model.fit(X, y), Estimator().fit(X, y)
    assert vars(again).keys() == vars(once).keys()
    assert_array_equal(pooled(again, queries), pooled(once, queries))
    assert again.n_features_in_ == 2


# -- arrays that the caller changes -------------------------------------------------------


@pytest.mark.parametrize("search", [False, True], ids=["plain", "CV"])
@pytest.mark.parametrize("how", ["dense", "blocks", "precomputed", "frame", "float32"])
@pytest.mark.parametrize("regression", [True, False], ids=["regression", "classes"])
def test_arrays_may_change_after_fit(regression, how, search, rng):
    X = rng.normal(size=(40, 2)).astype("float32" if how == "float32" else float)
    queries = X[:5] + 0.1
    options = {"algorithm": how} if how in ("dense", "blocks") else {}
    bandwidth = np.array([0.5, 0.8])
    if how == "precomputed":
        queries, X = cdist(queries, X), cdist(X, X)
        options, bandwidth = {"metric": "precomputed"}, 0.7
    y = rng.normal(size=40) if regression else rng.integers(0, 3, 40)
    weight = rng.uniform(0.5, 2, 40)
    rows = pd.DataFrame(X, columns=["a", "b"]) if how == "frame" else X
    asked = pd.DataFrame(queries, columns=["a", "b"]) if how == "frame" else queries
    widths = [bandwidth, bandwidth * 2]
    if search:
        make = NadarayaWatsonRegressorCV if regression else NadarayaWatsonClassifierCV
        model = make(bandwidths=widths, **options)
    else:
        make = NadarayaWatsonRegressor if regression else NadarayaWatsonClassifier
        model = make(bandwidth=bandwidth, **options)
    model.fit(rows, y, weight)

    def answers():
        predictions = [model.predict(asked), model.predict(None), model.attention_weights(asked)]
        if regression:
            predictions += [model.predict_quantiles(asked), model.predict_interval(asked)]
        return [*predictions, model.attention_weights_, model.explain(asked)["value"]]

    given = answers()
    before = copy.deepcopy(given)
    # Arrays that the estimator has returned may change too.
    given += [model.bandwidth_, *(model.cv_results_["bandwidth"] if search else [])]
    for array in (X, y, weight, *widths, *given):
        if isinstance(array, np.ndarray):
            array[...] = 1
    if how == "frame":
        rows.iloc[:] = 3.0
    for expected, got in zip(before, answers()):
        np.testing.assert_array_equal(got, expected)
