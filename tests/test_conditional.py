"""Spread, quantiles and CDF of predictions, against weights from plain formulas."""

import pickle
import tracemalloc

import numpy as np
import pytest
from means import NadarayaWatsonRegressorCV
from oracles import attention, attention_by_distance, nearest_widths
from scipy.spatial.distance import cdist
from sklearn.exceptions import NotFittedError

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonRegressor,
)
from nwkr._pooling import Sizes
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

QUANTILES = [0, 0.05, 0.31, 0.5, 0.87, 1]


def bins_of(n_keys):
    """Sizes that make quantiles search bins of `n_keys` keys, at any cost."""
    return Sizes(keys_per_bin=n_keys, least_queries_in_bins=0, least_pairs_in_bins=0)


def make_data(rng, n=60, n_outputs=None):
    X, Q = rng.standard_normal((n, 2)), rng.standard_normal((15, 2))
    y = rng.standard_normal(n if n_outputs is None else (n, n_outputs)) + 5
    return X, y, Q, rng.random(n) + 0.1


def left_out_weights(X, kernel, bandwidth, weight):
    """Leave-one-out weights of the training rows; rows with sample weight 0 are queries only."""
    weights, present = np.zeros((len(X), len(X))), weight > 0
    keys, options = X[present], {"sample_weight": weight[present], "empty": "nearest"}
    weights[:, present] = attention(X, keys, kernel, bandwidth, **options)
    left_out = attention(keys, keys, kernel, bandwidth, leave_self_out=True, **options)
    weights[np.ix_(present, present)] = left_out
    return weights


def weighted_std(weights, y):
    mean = weights @ y
    return np.sqrt((weights * (y - mean[:, None]) ** 2).sum(axis=1))


def weighted_quantiles(weights, y, quantiles):
    """The smallest value at which the sum of weights reaches each quantile."""
    quantiles = np.clip(quantiles, 1e-12, 1 - 1e-12)  # smaller is rounding
    found = []
    for row in weights:
        present = row > 0
        order = np.argsort(y[present], kind="stable")
        cdf = row[present][order].cumsum()
        found.append(y[present][order][np.searchsorted(cdf / cdf[-1], quantiles)])
    return np.array(found)


# -- the standard deviation ----------------------------------------------------------------


@pytest.mark.parametrize("empty", ["nearest", "mean", "nan"])
def test_std_equals_that_of_the_weights(kernel, empty, rng):
    X, y, Q, weight = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, [0.3, 0.5], handle_empty=empty).fit(X, y, weight)
    mean, std = model.predict(Q, return_std=True)
    weights = attention(Q, X, kernel, [0.3, 0.5], weight, empty=empty)
    np.testing.assert_allclose(mean, model.predict(Q), rtol=1e-13)
    np.testing.assert_allclose(std, weighted_std(weights, y), rtol=1e-9, atol=1e-14)


def test_std_of_X_none_leaves_each_row_out(kernel, rng):
    X, y, _, weight = make_data(rng)
    weight[::7] = 0
    model = NadarayaWatsonRegressor(kernel, 0.4).fit(X, y, weight)
    mean, std = model.predict(None, return_std=True)
    weights = left_out_weights(X, kernel, 0.4, weight)
    np.testing.assert_allclose(mean, weights @ y, rtol=1e-12)
    np.testing.assert_allclose(std, weighted_std(weights, y), rtol=1e-9, atol=1e-14)


def test_std_of_several_outputs(rng):
    X, y, Q, _ = make_data(rng, n_outputs=4)
    mean, std = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict(Q, return_std=True)
    weights = attention(Q, X, "gaussian", 0.5)
    assert mean.shape == std.shape == (15, 4)
    for number in range(4):
        np.testing.assert_allclose(std[:, number], weighted_std(weights, y[:, number]), rtol=1e-10)


@pytest.mark.parametrize("offset", [0, 1e9, -3e15])
def test_std_of_shifted_targets_keeps_its_digits(offset, rng):
    X, _, Q, _ = make_data(rng)
    y = rng.integers(0, 3, len(X)) + offset
    std = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict(Q, return_std=True)[1]
    expected = weighted_std(attention(Q, X, "gaussian", 0.5), y - offset)
    np.testing.assert_allclose(std, expected, rtol=1e-9)


def test_std_of_a_constant_is_zero(kernel, rng):
    X, _, Q, weight = make_data(rng)
    model = NadarayaWatsonRegressor(kernel).fit(X, np.full(len(X), 0.1), weight)
    assert (model.predict(Q, return_std=True)[1] == 0).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_std_in_a_window_of_nearly_equal_targets(dtype):
    X = np.r_[np.arange(10.0), np.arange(10.0) + 1000][:, None].astype(dtype)
    y = np.r_[1 + 1e-9 * np.arange(10), np.full(10, -1e3 / 3)]
    model = NadarayaWatsonRegressor(bandwidth=3.0).fit(X, y)
    std = model.predict(np.array([[4.5], [1004]], dtype), return_std=True)[1]
    expected = weighted_std(attention([[4.5]], X, "gaussian", 3.0), 1e9 * (y - 1)) / 1e9
    # The targets have no more digits than this.
    np.testing.assert_allclose(std[0], expected[0], rtol=1e-5)
    assert std[1] == 0


def test_std_with_a_width_per_query(rng):
    X, y, Q, _ = make_data(rng)
    distances = cdist(Q, X)
    weights = attention_by_distance(distances, nearest_widths(distances, 7)[:, None], "biweight")
    model = NadarayaWatsonRegressor("biweight", KNearest(7)).fit(X, y)
    std = model.predict(Q, return_std=True)[1]
    np.testing.assert_allclose(std, weighted_std(weights, y), rtol=1e-9)


def test_std_uses_the_chosen_bandwidth(rng):
    X, y, Q, _ = make_data(rng)
    chosen = NadarayaWatsonRegressorCV().fit(X, y)
    plain = NadarayaWatsonRegressor(bandwidth=chosen.bandwidth_).fit(X, y)
    for ours, theirs in zip(chosen.predict(Q, return_std=True), plain.predict(Q, return_std=True)):
        np.testing.assert_array_equal(ours, theirs)


# -- quantiles -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_keys", [3, 1000])
@pytest.mark.parametrize("empty", ["nearest", "mean", "nan"])
def test_quantiles_equal_those_of_the_weights(kernel, n_keys, empty, rng):
    X, y, Q, weight = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, [0.3, 0.5], handle_empty=empty).fit(X, y, weight)
    model._sizes = bins_of(n_keys)
    found = model.predict_quantiles(Q, QUANTILES)
    weights = attention(Q, X, kernel, [0.3, 0.5], weight, empty=empty)
    reached = ~np.isnan(weights[:, 0])
    expected = weighted_quantiles(weights[reached], y, QUANTILES)
    np.testing.assert_array_equal(found[reached], expected)
    assert np.isnan(found[~reached]).all()


@pytest.mark.skipif(np.__version__ < "2", reason="numpy.quantile had no weights")
def test_the_oracle_equals_numpy(rng):
    X, y, Q, _ = make_data(rng)
    weights = attention(Q, X, "gaussian", 0.5)
    shares = np.clip(QUANTILES, 1e-12, 1 - 1e-12)
    expected = [np.quantile(y, shares, method="inverted_cdf", weights=row) for row in weights]
    np.testing.assert_array_equal(weighted_quantiles(weights, y, QUANTILES), expected)


@pytest.mark.skipif(np.__version__ < "2", reason="numpy.quantile had no weights")
@pytest.mark.parametrize("n_keys", [3, 1000])
def test_keys_on_the_edge_have_the_exact_weight(kernel, n_keys, rng):
    """Rounding must give keys at the very edge of a window no weight."""
    if kernel == "boxcar":
        pytest.skip("a boxcar has full weight on its edge")
    X, Q = rng.integers(0, 21, (300, 1)), rng.integers(0, 21, (60, 1))
    y = rng.standard_normal(300)
    model = NadarayaWatsonRegressor(kernel, 0.3).fit(X / 10, y)
    model._sizes = bins_of(n_keys)
    found = model.predict_quantiles(Q / 10, [0, 1])
    weights = attention(Q, X, kernel, 3)  # integers avoid rounding
    ends = [1e-12, 1 - 1e-12] if np.isinf(KERNELS[kernel].support) else [0, 1]
    expected = [np.quantile(y, ends, method="inverted_cdf", weights=row) for row in weights]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_keys", [3, 1000])
def test_quantiles_of_X_none_leave_each_row_out(kernel, n_keys, rng):
    X, y, _, weight = make_data(rng)
    weight[::7] = 0
    model = NadarayaWatsonRegressor(kernel, 0.4).fit(X, y, weight)
    model._sizes = bins_of(n_keys)
    found = model.predict_quantiles(None, QUANTILES)
    weights = left_out_weights(X, kernel, 0.4, weight)
    np.testing.assert_array_equal(found, weighted_quantiles(weights, y, QUANTILES))


@pytest.mark.parametrize("metric", ["cityblock", "precomputed"])
@pytest.mark.parametrize("n_keys", [3, 1000])
def test_quantiles_with_other_metrics_and_widths(metric, n_keys, rng):
    X, y, Q, _ = make_data(rng)
    distances = cdist(Q, X, "cityblock")
    width = nearest_widths(distances, 9)[:, None]
    weights = attention_by_distance(distances, width, "tricube")
    if metric == "precomputed":
        X, Q = cdist(X, X, "cityblock"), distances
    model = NadarayaWatsonRegressor("tricube", KNearest(9), metric=metric).fit(X, y)
    model._sizes = bins_of(n_keys)
    found = model.predict_quantiles(Q, QUANTILES)
    np.testing.assert_array_equal(found, weighted_quantiles(weights, y, QUANTILES))


def test_quantiles_of_many_rows_and_outputs(rng):
    X, y = rng.standard_normal((3000, 2)), rng.standard_normal((3000, 2)).round(1)
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    found = model.predict_quantiles(X[:50], [0.2, 0.5])
    weights = attention(X[:50], X, "gaussian", 0.5)
    assert found.shape == (50, 2, 2)
    for number in range(2):
        expected = weighted_quantiles(weights, y[:, number], [0.2, 0.5])
        np.testing.assert_array_equal(found[:, :, number], expected)


def test_quantiles_tolerate_rounding_in_sums_of_weights():
    y = np.arange(1.0, 11)
    model = NadarayaWatsonRegressor("constant").fit(np.zeros((10, 1)), y)
    shares = np.arange(1, 11) / 10
    for n_keys in (2, 1000):
        model._sizes = bins_of(n_keys)
        np.testing.assert_array_equal(model.predict_quantiles([[0]], shares), [y])


def test_quantiles_count_weights_as_copies(rng):
    X, y, Q, _ = make_data(rng)
    count = rng.integers(0, 4, len(X))
    weighted = NadarayaWatsonRegressor("boxcar", 0.8).fit(X, y, count)
    copied = NadarayaWatsonRegressor("boxcar", 0.8).fit(X.repeat(count, 0), y.repeat(count))
    shares = np.linspace(0, 1, 21)
    np.testing.assert_array_equal(
        weighted.predict_quantiles(Q, shares), copied.predict_quantiles(Q, shares)
    )


def test_quantiles_increase(rng):
    X, y, Q, _ = make_data(rng, n=500)
    found = NadarayaWatsonRegressor().fit(X, y).predict_quantiles(Q, np.linspace(0, 1, 101))
    assert (np.diff(found, axis=1) >= 0).all()


def test_one_quantile_gives_one_column(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor().fit(X, y)
    np.testing.assert_array_equal(
        model.predict_quantiles(Q, 0.5), model.predict_quantiles(Q, [0.5])
    )


def test_quantiles_are_the_same_for_all_number_types(rng):
    X, y, Q, _ = make_data(rng)
    X, Q = X.astype("float32"), Q.astype("float32")
    narrow = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict_quantiles(Q)
    wide = NadarayaWatsonRegressor(bandwidth=0.5).fit(X.astype(float), y).predict_quantiles(Q)
    np.testing.assert_array_equal(narrow, wide)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, [0.5, np.nan], [], [[0.5]], "median", None])
def test_quantiles_outside_0_to_1_are_refused(wrong, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor().fit(X, y)
    with pytest.raises(ValueError, match=r"quantiles must be .* from 0 to 1; got"):
        model.predict_quantiles(Q, wrong)


def test_quantiles_of_an_empty_window_raise_with_handle_empty_error(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor("boxcar", 1e-3, handle_empty="error").fit(X, y)
    for method in (model.predict_quantiles, lambda Q: model.predict_cdf(Q, 0)):
        with pytest.raises(ValueError, match="No training row has weight for 15 of 15 queries"):
            method(Q)


# -- the CDF -------------------------------------------------------------------------------


def test_cdf_is_the_share_of_the_weights(kernel, rng):
    X, y, Q, weight = make_data(rng)
    thresholds = [7, -np.inf, y[3], 5, np.inf, y[3]]
    weights = attention(Q, X, kernel, 0.6, weight, empty="nearest")
    found = NadarayaWatsonRegressor(kernel, 0.6).fit(X, y, weight).predict_cdf(Q, thresholds)
    expected = weights @ np.less_equal.outer(y, thresholds)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    assert (found[:, 1] == 0).all()
    assert (found[:, 4] == 1).all()
    assert (np.diff(found[:, np.argsort(thresholds)], axis=1) >= 0).all()


def test_cdf_of_several_outputs_leaves_each_row_out(rng):
    X, y, _, _ = make_data(rng, n_outputs=3)
    found = NadarayaWatsonRegressor(bandwidth=0.6).fit(X, y).predict_cdf(None, [4, 5])
    weights = attention(X, X, "gaussian", 0.6, leave_self_out=True)
    for number in range(3):
        expected = weights @ np.less_equal.outer(y[:, number], [4, 5])
        np.testing.assert_allclose(found[:, :, number], expected, atol=1e-12)


def test_cdf_and_quantiles_are_inverse(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor().fit(X, y)
    quantiles = model.predict_quantiles(Q, [0.1, 0.4, 0.9])
    for query, values in zip(Q, quantiles):
        assert (model.predict_cdf([query], values)[0] >= [0.1, 0.4, 0.9]).all()
        below = np.nextafter(values, -np.inf)
        assert (model.predict_cdf([query], below)[0] < [0.1, 0.4, 0.9]).all()


@pytest.mark.parametrize("wrong", [np.nan, [[1.0]], [], "high"])
def test_thresholds_are_validated(wrong, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor().fit(X, y)
    with pytest.raises(ValueError, match="thresholds must be a number or a list of numbers; got"):
        model.predict_cdf(Q, wrong)


# -- all methods ---------------------------------------------------------------------------

METHODS = {
    "std": lambda model, Q: model.predict(Q, return_std=True),
    "quantiles": lambda model, Q: model.predict_quantiles(Q),
    "cdf": lambda model, Q: model.predict_cdf(Q, [-1, 0, 1]),
    "jackknife+": lambda model, Q: model.predict_interval(Q),
    "scaled": lambda model, Q: model.predict_interval(Q, method="scaled"),
    "band": lambda model, Q: model.predict_band(Q, n_bootstrap=20, random_state=0),
    "gradient": lambda model, Q: model.gradient(Q),
    "sample size": lambda model, Q: model.effective_sample_size(Q),
    "density": lambda model, Q: model.score_samples(Q),
    "explain": lambda model, Q: model.explain(Q),
}


@pytest.mark.parametrize("bandwidth", [0.5, 1e-3])
@pytest.mark.parametrize("method", METHODS)
def test_methods_hold_no_full_matrix(method, bandwidth, rng):
    n = 2000
    X, Q = rng.standard_normal((2, n, 2))
    model = NadarayaWatsonRegressor(bandwidth=bandwidth, n_jobs=1).fit(X, X[:, 0])
    METHODS[method](model, Q[:10])
    model.predict(Q)  # without AVX-512, the first large call compiles
    tracemalloc.start()
    METHODS[method](model, Q)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n * 8 / 2


@pytest.mark.parametrize(
    ("kernel", "bandwidth"),
    [
        ("gaussian", 0.5),
        ("gaussian", KNearest(20)),
        ("exponential", Adaptive(0.3)),
        ("boxcar", [0.2, np.inf]),
        ("epanechnikov", Adaptive(0.3)),
        ("tricube", 0.02),
        ("tricube", KNearest(20)),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_blocks_agree_with_dense(method, kernel, bandwidth, rng):
    if method == "gradient" and (kernel == "boxcar" or isinstance(bandwidth, KNearest)):
        return
    n = 300 if isinstance(bandwidth, KNearest) else 500
    X, Q = rng.standard_normal((n, 2)), rng.standard_normal((100, 2))
    y, weight = rng.standard_normal(n), rng.integers(0, 3, n)
    expected, found = (
        np.asarray(METHODS[method](model.fit(X, y, weight), Q), float)
        for model in (
            NadarayaWatsonRegressor(kernel, bandwidth, algorithm="dense"),
            NadarayaWatsonRegressor(kernel, bandwidth, algorithm="blocks"),
        )
    )
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_lattice_agrees_with_dense(method, rng):
    X, Q = rng.standard_normal((700, 2)), rng.standard_normal((200, 2))
    y = rng.standard_normal(700)
    expected, found = (
        np.asarray(METHODS[method](model.fit(X, y), Q), float)
        for model in (
            NadarayaWatsonRegressor(bandwidth=0.5, algorithm="dense"),
            NadarayaWatsonRegressor(bandwidth=0.5, algorithm="lattice"),
        )
    )
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_n_jobs_does_not_change_results(method, rng):
    X, Q = rng.standard_normal((2, 1500, 2))
    model = NadarayaWatsonRegressor("biweight", 0.3, n_jobs=1).fit(X, X[:, 0])
    alone = METHODS[method](model, Q)
    together = METHODS[method](model.set_params(n_jobs=2), Q)
    np.testing.assert_array_equal(np.asarray(alone), np.asarray(together))


@pytest.mark.parametrize("method", METHODS)
def test_methods_change_nothing(method, rng):
    X, Q = rng.standard_normal((2, 200, 2))
    y = rng.standard_normal(200)
    model = NadarayaWatsonRegressor("biweight", 0.3).fit(X, y)
    before, copies = pickle.dumps(model), [array.copy() for array in (X, y, Q)]
    METHODS[method](model, Q)
    assert pickle.dumps(model) == before
    for array, copy in zip((X, y, Q), copies):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("method", METHODS)
def test_methods_before_fit_are_refused(method):
    with pytest.raises(NotFittedError):
        METHODS[method](NadarayaWatsonRegressor(), [[0.0]])


@pytest.mark.parametrize("method", METHODS)
def test_methods_take_lists_integers_and_one_query(method):
    model = NadarayaWatsonRegressor(bandwidth=2.0).fit([[i] for i in range(20)], list(range(20)))
    found = np.asarray(METHODS[method](model, [[7]]), float)
    assert np.isfinite(found).all()


def test_a_classifier_lacks_these_methods():
    for name in ("predict_quantiles", "predict_cdf", "predict_interval", "predict_band"):
        assert not hasattr(NadarayaWatsonClassifier, name)
        assert hasattr(NadarayaWatsonRegressorCV, name)


@pytest.mark.parametrize("bandwidth", [0.01, 10.0])
def test_quantiles_of_one_query_take_the_memory_of_its_weights(bandwidth, rng):
    X, y = rng.uniform(size=(60_000, 1)), rng.standard_normal(60_000)
    model = NadarayaWatsonRegressor(bandwidth=bandwidth, n_jobs=1).fit(X, y)
    expected = weighted_quantiles(model.attention_weights([[0.5]]), y, [0.3])
    tracemalloc.start()
    try:
        found = model.predict_quantiles([[0.5]], 0.3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, expected)
    assert peak < 20 * y.nbytes


def test_quantiles_of_many_outputs_make_one_pass_over_the_weights(rng):
    X, Y, Q = rng.uniform(size=(300, 2)), rng.standard_normal((300, 40)), rng.uniform(size=(80, 2))
    n_calls = []

    def metric(a, b):
        n_calls.append(1)
        return np.abs(a - b).sum()

    model = NadarayaWatsonRegressor(bandwidth=0.1, metric=metric).fit(X, Y)
    n_calls.clear()
    found = model.predict_quantiles(Q, [0.2, 0.6])
    assert len(n_calls) <= 80 * 300
    for output in (0, 39):
        alone = NadarayaWatsonRegressor(bandwidth=0.1, metric="manhattan").fit(X, Y[:, output])
        np.testing.assert_array_equal(found[:, :, output], alone.predict_quantiles(Q, [0.2, 0.6]))
