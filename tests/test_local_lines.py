"""Local lines: the formula, its limits, and every method of an estimator that fits them."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, local_line, nearest_widths, scaled_distances
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonRegressor
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

BANDWIDTHS = {
    "one": 1.2,
    "each": [0.8, 15.0, 0.2],
    "off": [0.8, np.inf, 0.2],
    "exact": [0.8, 15.0, 0.0],
}
DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)


@pytest.fixture
def data(rng):
    """Rows in three columns of unlike scale, two targets, integer weights, and queries."""
    X = rng.normal(size=(60, 3)) * [1, 10, 0.2] + [0, 30, 1]
    X[:, 2] = np.round(X[:, 2], 1)
    y = np.column_stack([X[:, 0] + np.sin(X[:, 1] / 5), rng.normal(size=60)])
    queries = np.vstack([X[:3], X[3:9] + 0.3 * rng.normal(size=(6, 3)) * [1, 10, 0]])
    return X, y, rng.integers(1, 4, 60).astype(float), queries


def line(*args, **params):
    return NadarayaWatsonRegressor(*args, degree=1, **params)


def refits(model, X, y, weights):
    """Predictions of each row by a model fitted without it."""
    kept = [np.arange(len(X)) != row for row in range(len(X))]
    return np.array(
        [
            clone(model).fit(X[k], y[k], weights[k]).predict(X[[row]])[0]
            for row, k in enumerate(kept)
        ]
    )


# -- the formula --------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", ["one", "exact"])
def test_pooled_moments_equal_the_formula(bandwidth, data):
    X, y, weights, _ = data
    model = line(bandwidth=BANDWIDTHS[bandwidth]).fit(X, y, weights)
    lines, n_slopes = model._lines, 3 if bandwidth == "one" else 2
    z = X - np.average(X, axis=0, weights=weights)
    z = (z / np.sqrt(np.average(z**2, axis=0, weights=weights)))[:, :n_slopes]
    squares = [z[:, i] * z[:, j] for i in range(n_slopes) for j in range(i, n_slopes)]
    with_y = [z[:, i] * y[:, j] for i in range(n_slopes) for j in range(2)]
    expected = np.column_stack([y, z, *squares, *with_y])
    assert_allclose(lines.values(X, y), expected, rtol=1e-12, atol=1e-12)
    some = lines.values_on_demand(X, y)
    assert some.shape == expected.shape
    for cols in (slice(3, 9), np.array([5, 2, 2])):
        assert_allclose(some[cols], expected[cols], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_predictions_equal_the_linear_system(kernel, bandwidth, algorithm, data):
    X, y, weights, queries = data
    bandwidth = BANDWIDTHS[bandwidth]
    model = line(kernel, bandwidth, ridge=0.7, algorithm=algorithm).fit(X, y, weights)
    reached = model.set_params(handle_empty="nan").fit(X, y, weights).predict(queries)
    reached = ~np.isnan(reached).any(axis=1)
    assert reached.any()
    for query, got in zip(queries[reached], model.predict(queries[reached])):
        counts, _ = local_line(X, y, query, kernel, bandwidth, 0.7, weights)
        assert_allclose(got, counts @ y, rtol=1e-10, atol=1e-10)


def test_lattice_agrees_with_dense(rng):
    X = rng.normal(size=(500, 2))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    dense = line(bandwidth=0.3, algorithm="dense").fit(X, y)
    lattice = line(bandwidth=0.3, algorithm="lattice").fit(X, y)
    assert lattice.algorithm_ == "lattice"
    for queries in (X[:40] + 0.1, None):
        assert_allclose(lattice.predict(queries), dense.predict(queries), rtol=0, atol=1e-9)


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_tol_bounds_the_error_of_predictions(tol, rng):
    X = rng.normal(size=(2000, 2))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    exactly = line(bandwidth=0.3, algorithm="dense").fit(X, y).predict(X)
    for algorithm in ("blocks", "lattice"):
        model = line(bandwidth=0.3, algorithm=algorithm, tol=tol).fit(X, y)
        assert np.abs(model.predict(X) - exactly).max() <= tol * np.abs(y).max()


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "boxcar"])
def test_nearest_widths_are_bandwidths_of_the_queries(name, data):
    X, y, weights, queries = data
    queries = queries[:, :1] + 0.01  # no ties
    model = line(name, KNearest(25)).fit(X[:, :1], y, weights)
    widths = nearest_widths(scaled_distances(queries, X[:, :1], 1.0), 25, weights)
    for query, width, got in zip(queries, widths * (1 + 1e-12), model.predict(queries)):
        counts, _ = local_line(X[:, :1], y, query, name, width, 1.0, weights)
        assert_allclose(got, counts @ y, rtol=1e-9, atol=1e-9)


# -- limits -------------------------------------------------------------------------------


def test_infinite_ridge_gives_the_mean(kernel, data):
    X, y, weights, queries = data
    expected = NadarayaWatsonRegressor(kernel, 8.0).fit(X, y, weights).predict(queries)
    endless = line(kernel, 8.0, ridge=np.inf).fit(X, y, weights).predict(queries)
    assert_array_equal(endless, expected)
    strong = line(kernel, 8.0, ridge=1e12).fit(X, y, weights).predict(queries)
    assert_allclose(strong, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("ridge", [0.5, 3.0])
def test_infinite_bandwidths_give_ridge_regression(kernel, ridge, data):
    X, y, weights, queries = data
    model = line(kernel, np.inf, ridge=ridge).fit(X, y, weights)
    fit_weights = {"standardscaler__sample_weight": weights, "ridge__sample_weight": weights}
    peer = make_pipeline(StandardScaler(), Ridge(ridge)).fit(X, y, **fit_weights)
    assert_allclose(model.predict(queries), peer.predict(queries), rtol=1e-10, atol=1e-10)


def test_infinite_bandwidths_without_ridge_give_least_squares(kernel, data):
    X, y, weights, queries = data
    model = line(kernel, np.inf, ridge=0.0).fit(X, y, weights)
    peer = LinearRegression().fit(X, y, weights)
    assert_allclose(model.predict(queries), peer.predict(queries), rtol=1e-9, atol=1e-9)


def test_one_infinite_bandwidth_makes_a_linear_column(rng):
    """y is curved in the first column and linear in the second, at any distance."""
    X = rng.uniform(-1, 1, size=(300, 2))
    y = np.sin(3 * X[:, 0]) + 5 * X[:, 1]
    model = line(bandwidth=[0.05, np.inf], ridge=0.0).fit(X, y)
    assert_allclose(model.predict([[0.3, 40.0]]), np.sin(0.9) + 200, rtol=2e-3)


def test_far_queries_get_the_value_of_the_nearest_row():
    X, y = np.linspace(0, 1, 60)[:, None], np.sin(9 * np.linspace(0, 1, 60)) + 0.5
    model = line(bandwidth=0.05).fit(X, y)
    assert_allclose(model.predict([[-5.0], [6.0], [1e6]]), [y[0], y[-1], y[-1]], atol=1e-3)
    assert abs(line(bandwidth=0.05, ridge=0.0).fit(X, y).predict([[-5.0]])[0]) > 5


def test_predictions_are_bounded(kernel, rng):
    """Predictions are at most ten times as large as the targets, in any window."""
    X, y = rng.uniform(size=(60, 2)), rng.normal(size=60)
    queries = rng.uniform(-1, 2, size=(80, 2))
    got = line(kernel, 0.1).fit(X, y).predict(queries)
    assert np.abs(got).max() < 10 * np.abs(y).max()


def test_golden_numbers_of_r_np():
    """From np 0.60-20: regtype "ll", Gaussian kernel, bandwidth 0.9."""
    X, y = np.array([0.0, 1, 2, 3, 5])[:, None], [1, 3, 2, 5, 4]
    model = line(bandwidth=0.9, ridge=0.0).fit(X, y)
    queries = [[0.5], [2.2], [4.0]]
    assert_allclose(
        model.predict(queries), [1.822687944753, 3.261393026971, 4.299234514239], rtol=1e-11
    )
    slopes = [[0.972788874963], [1.154243076299], [-0.092469750815]]
    assert_allclose(model.local_slopes(queries), slopes, rtol=1e-10)


CARS = np.array([
    4, 2, 4, 10, 7, 4, 7, 22, 8, 16, 9, 10, 10, 18, 10, 26, 10, 34, 11, 17, 11, 28, 12, 14, 12, 20,
    12, 24, 12, 28, 13, 26, 13, 34, 13, 34, 13, 46, 14, 26, 14, 36, 14, 60, 14, 80, 15, 20, 15, 26,
    15, 54, 16, 32, 16, 40, 17, 32, 17, 40, 17, 50, 18, 42, 18, 56, 18, 76, 18, 84, 19, 36, 19, 46,
    19, 68, 20, 32, 20, 48, 20, 52, 20, 56, 20, 64, 22, 66, 23, 54, 24, 70, 24, 92, 24, 93, 24, 120,
    25, 85,
]).reshape(-1, 2).astype(float)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "bandwidth", "expected"),
    [
        ("gaussian", 2, [5.99496876451, 15.564951940982, 24.735123471605, 37.479175749629,
                         47.263472727815, 56.619316033078, 96.004599251386]),
        ("epanechnikov", 6, [6.400500564362, 15.782246050782, 25.571422184135, 36.988198104784,
                             46.908692078715, 59.336472035348, 95.706016970944]),
        ("tricube", 6, [6.11430376549, 15.793498401064, 25.423305125912, 36.792687510507,
                        47.215606620878, 58.522410631587, 96.624589393082]),
    ],
)  # fmt: skip
def test_golden_numbers_of_locfit(name, bandwidth, expected):
    """From locfit 1.5-9.7: degree 1, braking distances of R's cars."""
    X, y = CARS[:, :1], CARS[:, 1]
    model = line(name, bandwidth, ridge=0.0).fit(X, y)
    rows = np.array([1, 5, 10, 20, 30, 40, 50]) - 1
    assert_allclose(model.predict(X[rows]), expected, rtol=1e-9)
    if name == "epanechnikov":
        assert_allclose(model.local_slopes(X[:1]), [[1.882563674731]], rtol=1e-9)
        trace = np.trace(model.effective_weights(X))
        assert_allclose(trace, 4.313008073530, rtol=1e-9)
        squares = np.mean((y - model.predict(X)) ** 2)
        assert_allclose(squares / (1 - trace / 50) ** 2, 252.635714938513, rtol=1e-9)
        assert_allclose(np.mean((y - model.predict(None)) ** 2), 247.110228380491, rtol=1e-9)


def test_leave_one_out_equals_r_np():
    X, y = CARS[:, :1], CARS[:, 1]
    model = line(bandwidth=4.922891709, ridge=0.0).fit(X, y)
    assert_allclose(np.mean((y - model.predict(None)) ** 2), 242.74559954, rtol=1e-8)


# -- invariances --------------------------------------------------------------------------


def test_scales_and_shifts_cancel(kernel, data):
    X, y, weights, queries = data
    scale, shift = np.array([3.0, 1e-7, 1e5]), np.array([10.0, 1e-6, -1e5])
    bandwidth = np.array([0.8, 15.0, 0.2])
    plain = line(kernel, bandwidth).fit(X, y, weights).predict(queries)
    moved = line(kernel, bandwidth * scale).fit(X * scale + shift, y, weights)
    # Rounding moves the edge of a window.
    tolerance = 1e-7 if KERNELS[kernel].support == 1 else 1e-9
    assert_allclose(moved.predict(queries * scale + shift), plain, rtol=0, atol=tolerance)


def test_a_weight_of_k_equals_k_copies(kernel, data):
    X, y, weights, queries = data
    repeated = np.repeat(np.arange(60), weights.astype(int))
    weighted = line(kernel, 8.0).fit(X, y, weights)
    copies = line(kernel, 8.0).fit(X[repeated], y[repeated])
    assert_allclose(weighted.predict(queries), copies.predict(queries), rtol=1e-9, atol=1e-10)


def test_predictions_are_affine_in_the_targets(kernel, data):
    X, y, weights, queries = data
    plain = line(kernel, 8.0).fit(X, y, weights).predict(queries)
    other = line(kernel, 8.0).fit(X, 1e6 - 30 * y, weights).predict(queries)
    assert_allclose(other, 1e6 - 30 * plain, rtol=1e-12)
    assert_array_equal(line(kernel, 8.0).fit(X, np.full(60, 0.1)).predict(queries), 0.1)


def test_outputs_are_fitted_separately(kernel, data):
    X, y, weights, queries = data
    both = line(kernel, 8.0).fit(X, y, weights).predict(queries)
    for output in range(2):
        alone = line(kernel, 8.0).fit(X, y[:, output], weights).predict(queries)
        assert_allclose(both[:, output], alone, rtol=1e-11, atol=1e-12)


def test_float32_rows_are_fitted_in_float64(kernel, data):
    X, y, weights, queries = (array.astype(np.float32) for array in data)
    got = line(kernel, 8.0).fit(X, y, weights).predict(queries)
    doubled = (array.astype(float) for array in (X, y, weights))
    assert_allclose(got, line(kernel, 8.0).fit(*doubled).predict(queries.astype(float)), rtol=1e-9)


def test_narrow_windows_far_from_the_centre_keep_their_digits():
    """In windows a millionth of the data wide, y is a line, and the fit finds this line."""
    X = np.concatenate([np.linspace(0, 1e-5, 50), [1.0, 2.0, 50.0]])[:, None]
    y = 3e5 * X[:, 0]
    got = line(bandwidth=1e-6, ridge=0.0).fit(X, y).predict(X[:50] + 1e-8)
    # Targets are stored in units of their range, 1.5e7, which limits their digits.
    assert_allclose(got, 3e5 * (X[:50, 0] + 1e-8), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_collinear_and_constant_columns(ridge, rng):
    x = rng.normal(size=(40, 1))
    y = 2 * x[:, 0] + 1
    X = np.hstack([x, 3 * x, np.full((40, 1), 7.0)])
    got = line(bandwidth=np.inf, ridge=ridge).fit(X, y).predict(X)
    peer = Ridge(ridge) if ridge else LinearRegression()
    expected = make_pipeline(StandardScaler(), peer).fit(X, y).predict(X)
    assert_allclose(got, expected, rtol=1e-7)
    model = line(bandwidth=1.0, ridge=ridge).fit(np.full((5, 2), 3.0), np.arange(5.0))
    assert_allclose(model.predict([[3.0, 3.0], [4.0, 9.0]]), [2.0, 2.0])


@pytest.mark.parametrize(
    "kernel", ["constant", lambda u: 1 / (1 + np.log1p(u))], ids=["constant", "log"]
)
def test_tiny_bandwidths_with_an_endless_kernel(kernel, rng):
    """Two equal columns are one with half the penalty, at any bandwidth."""
    x, y = rng.normal(size=(30, 1)), rng.normal(size=30)
    for bandwidth in (1e-5, 1e-8):
        one = line(kernel, bandwidth, ridge=0.5).fit(x, y)
        # Both columns together give the distances of one with a smaller bandwidth.
        two = line(kernel, bandwidth * np.sqrt(2)).fit(np.hstack([x, x]), y)
        asked = x[:5] + 0.1
        pair = np.hstack([asked, asked])
        assert_allclose(two.predict(pair), one.predict(asked), rtol=1e-7)
        both = two.local_slopes(pair).sum(axis=1, keepdims=True)
        assert_allclose(both, one.local_slopes(asked), rtol=1e-6)
        assert_allclose(two.predict(None), one.predict(None), rtol=1e-7)
        assert_allclose(two.effective_weights(pair) @ y, two.predict(pair), rtol=1e-7)
        assert_allclose(two.predict_interval(pair), one.predict_interval(asked), rtol=1e-7)


def test_effective_weights_with_one_dominant_row(rng):
    """The sum of effective weights is 1, however steep the line."""
    X = rng.normal(size=(2, 4))
    model = line(bandwidth=1e5, ridge=0.01).fit(X, [1.0, -0.3], [1e9, 1.0])
    queries = X + 0.1 * rng.normal(size=(2, 4))
    effective = model.effective_weights(queries)
    assert_allclose(effective.sum(axis=1), 1, rtol=1e-12)
    assert_allclose(effective @ [1.0, -0.3], model.predict(queries), rtol=1e-3)


@pytest.mark.parametrize("ridge", [0.0, 1.0, np.inf])
def test_one_row_and_two_rows(ridge, kernel):
    assert_allclose(line(kernel, 1.0, ridge=ridge).fit([[1.0]], [5.0]).predict([[1.5], [9]]), 5)
    model = line(kernel, 1.0, ridge=ridge).fit([[0.0], [1.0]], [5.0, 7.0])
    assert np.isfinite(model.predict([[0.5], [-30.0]])).all()
    assert_allclose(model.predict(None), [7.0, 5.0])


# -- leave-one-out ------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [*BANDWIDTHS, "nearest"])
def test_leave_one_out_equals_refits(kernel, bandwidth, data):
    X, y, weights, _ = data
    X, y, weights = X[:25], y[:25], weights[:25]
    bandwidth = KNearest(12) if bandwidth == "nearest" else BANDWIDTHS[bandwidth]
    expected = refits(line(kernel, bandwidth), X, y, weights)
    for algorithm in ("dense", "blocks"):
        model = line(kernel, bandwidth, algorithm=algorithm).fit(X, y, weights)
        assert_allclose(model.predict(None), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-149, 1.0, 1e100])
def test_leaving_out_the_row_that_makes_the_variance(scale, data):
    """The spread of columns is that of the other rows, in any units."""
    X, y, weights, _ = (part[:20] for part in data)
    X = X[:, :2] + 0.0
    X[3] = 1e9
    weights = weights[:20]
    for bandwidth in (np.inf, 2e9):
        model = line("triangular", bandwidth * scale).fit(X * scale, y[:20], weights)
        expected = refits(line("triangular", bandwidth * scale), X * scale, y[:20], weights)
        assert_allclose(model.predict(None), expected, rtol=1e-6, atol=1e-8)


def test_leaving_out_a_row_with_nearly_all_the_weight():
    X, y, weights = np.array([[-0.5], [1.5], [0.0]]), [-3.0, -1.0, 2.0], np.array([6e-3, 40, 1.7e8])
    model = line("epanechnikov", 10.0, ridge=10.0).fit(X, y, weights)
    # The expected values come from a fit to the other two; the weight of the third cancels.
    refit = line("epanechnikov", 10.0, ridge=10.0).fit(X[:2], y[:2], weights[:2])
    assert_allclose(model.predict(None)[2], refit.predict(X[2:])[0], rtol=1e-12)


def test_leaving_out_one_of_two_rows():
    X = np.array([[1e6, 1e6 + 0.3, 1e6 - 2], [0.4, -2.1, 0.9]])
    model = line("tricube", np.inf).fit(X, [1.0, 2.0], [3.9e199, 2.9e200])
    assert_allclose(model.predict(None), [2.0, 1.0], rtol=1e-12)


def test_huge_counts_make_the_penalty_vanish(data):
    X, y, weights, queries = data
    X = np.column_stack([X, X[:, 0]])  # a duplicate column, which makes the least squares singular
    queries = np.column_stack([queries, queries[:, 0]])
    few = line(bandwidth=[2.0, 20.0, 0.5, 2.0], ridge=0.0).fit(X, y, weights)
    many = line(bandwidth=[2.0, 20.0, 0.5, 2.0]).fit(X, y, 1e30 * weights)
    assert_allclose(many.predict(queries), few.predict(queries), rtol=1e-8, atol=1e-8)


def test_squares_times_weights_may_leave_the_range_of_floats(data):
    X, y, weights, queries = data
    # With so many rows, the penalty is negligible.
    huge = line(bandwidth=5e140).fit(1e140 * X, y, 1e200 * weights)
    plain = line(bandwidth=5.0, ridge=0.0).fit(X, y, weights)
    assert_allclose(huge.predict(1e140 * queries), plain.predict(queries), rtol=1e-9)
    # Rows count at least as their effective number.
    tiny = line(bandwidth=5e-150).fit(1e-150 * X, y, 1e-200 * weights)
    plain = line(bandwidth=5.0).fit(X, y, 1e-3 * weights)
    assert_allclose(tiny.predict(1e-150 * queries), plain.predict(queries), rtol=1e-9)


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_queries_that_no_row_reaches(algorithm, data):
    X, y, weights, queries = data
    model = line("boxcar", [1.0, 10.0, 0.2], handle_empty="nan", algorithm=algorithm)
    model.fit(X, y, weights)
    far = queries + 1e3
    assert np.isnan(model.predict(far)).all()
    assert np.isnan(model.predict(np.vstack([far, queries]))[: len(far)]).all()
    with pytest.raises(ValueError, match="handle_empty='error'"):
        model.set_params(handle_empty="error").fit(X, y, weights).predict(far)


def test_leaving_out_the_only_row_that_varies():
    X = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 8.0]])
    y = np.array([0.0, 1.0, 4.0, 9.0])
    model = line(bandwidth=[2.0, np.inf]).fit(X, y)
    assert_allclose(model.predict(None), refits(model, X, y, np.ones(4)), rtol=1e-9)


# -- empty windows ------------------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
def test_empty_windows_get_the_mean_as_with_degree_0(handle_empty, data):
    X, y, weights, _ = data
    far = np.array([[100.0, 0, 0], [0, 0, 99]])
    models = [
        NadarayaWatsonRegressor("biweight", 0.5, degree=d, handle_empty=handle_empty)
        for d in (0, 1)
    ]
    constant, fitted = (model.fit(X, y, weights) for model in models)
    assert_allclose(fitted.predict(far), constant.predict(far))
    slopes = fitted.local_slopes(far)
    assert np.isnan(slopes).all() if handle_empty == "nan" else (slopes == 0).all()
    assert_allclose(fitted.gradient(far), constant.gradient(far))


def test_empty_windows_raise_with_handle_empty_error(data):
    X, y, _, _ = data
    model = line("biweight", 0.5, handle_empty="error").fit(X, y)
    for method in ("predict", "local_slopes", "standard_error", "explain", "gradient"):
        with pytest.raises(ValueError, match="handle_empty='error'"):
            getattr(model, method)([[100.0, 0, 0]])


# -- every method -------------------------------------------------------------------------


@pytest.fixture(params=["gaussian", "epanechnikov", "exponential", "boxcar"])
def fitted(request, data):
    X, y, weights, queries = data
    model = line(request.param, [1.5, 20.0, 0.5], ridge=0.7).fit(X, y, weights)
    lines = [local_line(X, y, q, request.param, [1.5, 20, 0.5], 0.7, weights) for q in queries]
    a = attention(queries, X, request.param, [1.5, 20, 0.5], weights)
    return model, np.array([counts for counts, _ in lines]), [s for _, s in lines], a


def test_effective_weights_give_the_predictions(fitted, data):
    _, y, _, queries = data
    model, counts, _, a = fitted
    got = model.effective_weights(queries)
    assert_allclose(got, counts, rtol=1e-9, atol=1e-12)
    assert_allclose(got.sum(axis=1), 1)
    assert_allclose(got @ y, model.predict(queries))
    assert_allclose(model.attention_weights(queries), a, rtol=1e-9, atol=1e-12)
    assert_allclose(model.effective_weights(queries, sparse_output=True).toarray(), got)
    assert_allclose(model.effective_weights() @ y, model.predict(None))
    largest = model.effective_weights(queries, top_k=2)
    assert ((largest != 0).sum(axis=1) == np.minimum((counts != 0).sum(axis=1), 2)).all()
    assert_allclose(np.abs(largest).max(axis=1), np.abs(counts).max(axis=1))


def test_slopes_equal_the_linear_system(fitted, data):
    model, _, slopes, _ = fitted
    assert_allclose(model.local_slopes(data[3]), slopes, rtol=1e-8, atol=1e-10)


def test_constant_columns_have_slope_0(data):
    X, y, _, queries = data
    with pytest.raises(ValueError, match=r"local_slopes needs degree=1.*got degree=0"):
        NadarayaWatsonRegressor().fit(X, y).local_slopes(queries)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_equal_differences(name, data):
    X, y, weights, _ = data
    X = X[:, :2] * [1, 0.1]
    model = line(name, [1.1, 1.3]).fit(X, y, weights)
    queries = X[10:16] + 0.0371
    step = 1e-6
    got = model.gradient(queries)
    for column in range(2):
        apart = step * np.eye(2)[column]
        expected = (model.predict(queries + apart) - model.predict(queries - apart)) / (2 * step)
        assert_allclose(got[:, column], expected, rtol=1e-5, atol=1e-6)


def test_gradient_of_a_linear_column_is_its_slope(rng):
    X = rng.uniform(-1, 1, size=(100, 2))
    y = np.sin(3 * X[:, 0]) + 5 * X[:, 1]
    model = line(bandwidth=[0.3, np.inf]).fit(X, y)
    assert_array_equal(model.gradient(X)[:, 1], model.local_slopes(X)[:, 1])


def test_std_equals_that_of_the_residuals(fitted, data):
    X, y, _, queries = data
    model, counts, slopes, a = fitted
    mean, std = model.predict(queries, return_std=True)
    assert_allclose(mean, model.predict(queries), rtol=1e-12)
    for row, query in enumerate(queries):
        residuals = y - counts[row] @ y - (X - query) @ slopes[row]
        expected = np.sqrt(a[row] @ (residuals - a[row] @ residuals) ** 2 + 0 * a[row].sum())
        about = y - a[row] @ y - (X - a[row] @ X) @ slopes[row]
        assert_allclose(std[row], np.sqrt(a[row] @ about**2), rtol=1e-7, atol=1e-9)
        assert_allclose(std[row], expected, rtol=1e-7, atol=1e-9)


def test_std_is_0_on_a_line():
    X = np.linspace(0, 1, 30)[:, None]
    model = line(bandwidth=0.2, ridge=0.0).fit(X, 3 * X[:, 0] + 1)
    assert_allclose(model.predict(X, return_std=True)[1], 0, atol=1e-12)


def test_quantiles_and_cdf_are_of_shifted_targets(fitted, data):
    X, y, _, queries = data
    model, counts, slopes, a = fitted
    wanted = [0.0, 0.11, 0.53, 0.89, 1.0]
    quantiles = model.predict_quantiles(queries, wanted)
    thresholds = np.array([-1.0, 0.21, 1.5])
    cdf = model.predict_cdf(queries, thresholds)
    for row in range(len(queries)):
        about = y - a[row] @ y - (X - a[row] @ X) @ slopes[row]
        moved = counts[row] @ y + about
        for output in range(2):
            order = moved[:, output].argsort()
            reached = np.searchsorted(a[row][order].cumsum(), wanted[1:-1])
            expected = moved[order[reached], output]
            assert_allclose(quantiles[row, 1:-1, output], expected, rtol=1e-8, atol=1e-8)
            shares = [a[row] @ (moved[:, output] <= t) for t in thresholds]
            assert_allclose(cdf[row, :, output], shares, atol=1e-9)
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_sample_size_uses_effective_weights(fitted, data):
    model, counts, _, _ = fitted
    got = model.effective_sample_size(data[3])
    assert_allclose(got, 1 / (counts**2).sum(axis=1), rtol=1e-8)


def test_standard_errors_equal_hc3(fitted, data):
    X, y, weights, queries = data
    model, counts, _, _ = fitted
    residuals = y - refits(model, X, y, weights)
    expected = np.sqrt(counts**2 @ residuals**2)
    assert_allclose(model.standard_error(queries), expected, rtol=1e-7)
    constant = NadarayaWatsonRegressor(model.kernel, [1.5, 20.0, 0.5]).fit(X, y, weights)
    residuals = y - constant.predict(None)
    expected = np.sqrt(constant.attention_weights(queries) ** 2 @ residuals**2)
    assert_allclose(constant.standard_error(queries), expected, rtol=1e-7)


def test_standard_errors_equal_the_spread_over_simulated_fits(rng):
    """The noise is larger on the right."""
    X = np.sort(rng.uniform(size=(150, 1)), axis=0)
    noise, queries = 0.1 + 0.4 * X[:, 0], np.array([[0.2], [0.8]])
    draws = np.sin(4 * X) + noise[:, None] * rng.normal(size=(150, 400))
    model = line(bandwidth=0.12).fit(X, draws)
    spread = model.predict(queries).std(axis=1)
    estimate = np.sqrt(np.mean(model.standard_error(queries) ** 2, axis=1))
    assert_allclose(estimate, spread, rtol=0.12)


def test_contributions_sum_to_the_prediction(fitted, data):
    queries = data[3]
    model, counts, _, _ = fitted
    table = model.explain(queries, top_k=None)
    sums = table.groupby(["query", "output"])["contribution"].sum().unstack()
    assert_allclose(sums, model.predict(queries))
    first = model.explain(queries[:1], top_k=3).query("output == 0")
    order = np.argsort(-np.abs(counts[0]), kind="stable")[:3]
    assert_array_equal(first["row"], order)
    assert_allclose(first["weight"], counts[0][order], rtol=1e-9)


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov"])
@pytest.mark.parametrize("bandwidth", [1.2, 0.4])
def test_intervals_equal_the_jackknife(name, bandwidth, rng):
    X, y = rng.normal(size=(30, 2)), rng.normal(size=30)
    queries = 0.8 * rng.normal(size=(6, 2))
    model = line(name, bandwidth, ridge=0.8).fit(X, y)
    residuals = np.abs(y - model.predict(None))
    fits = np.empty((6, 30))
    for left in range(30):
        kept = np.arange(30) != left
        for row, query in enumerate(queries):
            with np.errstate(all="ignore"):
                reached = (scaled_distances(query[None], X[kept], bandwidth) < 1).any()
            if name != "gaussian" and not reached:
                nearest = scaled_distances(query[None], X[kept], 1.0)[0].argmin()
                fits[row, left] = y[kept][nearest]
                continue
            # The penalty is measured in the spread of columns over all rows.
            counts, _ = local_line(
                X[kept], y[kept], query, name, bandwidth, 0.8, spread_of=(X, np.ones(30))
            )
            fits[row, left] = counts @ y[kept]
    place = int(np.ceil(0.8 * 31)) - 1
    upper = np.sort(fits + residuals, axis=1)[:, place]
    lower = -np.sort(residuals - fits, axis=1)[:, place]
    got = model.predict_interval(queries, coverage=0.8)
    assert_allclose(got, np.column_stack([lower, upper]), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", ["jackknife+", "scaled", "quantile"])
@pytest.mark.parametrize("bandwidth", [0.3, KNearest(40), Adaptive(0.3)])
def test_intervals_reach_their_coverage(method, bandwidth, rng):
    X = rng.uniform(-1, 1, size=(1200, 1))
    y = 3 * X[:, 0] + np.sin(4 * X[:, 0]) + 0.3 * rng.normal(size=1200)
    n_train = 300
    model = line(bandwidth=bandwidth).fit(X[:n_train], y[:n_train])
    lower, upper = model.predict_interval(X[n_train:], coverage=0.9, method=method).T
    covered = np.mean((lower <= y[n_train:]) & (y[n_train:] <= upper))
    assert 0.84 < covered < 0.96


def test_bands_equal_fits_to_resampled_residuals(data):
    X, y, weights, queries = data
    model = line(bandwidth=[1.5, 20.0, 0.5]).fit(X, y, weights)
    pointwise, simultaneous = model.predict_band(queries, 0.9, n_bootstrap=30, random_state=3)
    signs = np.random.RandomState(3).choice([-1.0, 1.0], size=(30, 60))
    residuals = y - model.predict(None)
    counts = model.effective_weights(queries)
    sizes = np.abs(np.einsum("qi,bi,im->qmb", counts, signs, residuals))
    half = np.quantile(sizes, 0.9, axis=2, method="inverted_cdf")
    mean = model.predict(queries)
    assert_allclose(pointwise, np.stack([mean - half, mean + half], axis=1), rtol=1e-9, atol=1e-9)
    assert (np.ptp(simultaneous, axis=1) >= np.ptp(pointwise, axis=1) * (1 - 1e-9)).all()


def test_density_does_not_depend_on_the_degree(data):
    X, y, weights, queries = data
    models = [NadarayaWatsonRegressor(bandwidth=3.0, degree=d).fit(X, y, weights) for d in (0, 1)]
    assert_array_equal(*(model.score_samples(queries) for model in models))


# -- as an estimator ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"degree": 2}, "degree"),
        ({"degree": True}, "degree"),
        ({"ridge": -1.0}, "ridge"),
        ({"ridge": np.nan}, "ridge"),
        ({"ridge": "1"}, "ridge"),
    ],
)
def test_parameters_are_validated(params, message, data):
    X, y, _, _ = data
    model = NadarayaWatsonRegressor(**{"degree": 1} | params)
    with pytest.raises(ValueError, match=f"The '{message}' parameter"):
        model.fit(X, y)


@pytest.mark.parametrize("metric", ["manhattan", "cosine", "precomputed"])
def test_lines_require_the_euclidean_metric(metric):
    with pytest.raises(ValueError, match=rf"degree=1 needs metric='euclidean'.*{metric}"):
        line(bandwidth=1.0, metric=metric).fit(np.eye(3), [1.0, 2.0, 3.0])


def test_pickles_and_copies_predict_the_same(data):
    X, y, weights, queries = data
    model = line(bandwidth=2.0, ridge=0.3).fit(X, y, weights)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict(queries), model.predict(queries))
    again = clone(model).fit(X, y, weights)
    assert_array_equal(again.predict(queries), model.predict(queries))


def test_n_jobs_does_not_change_results(rng):
    X = rng.normal(size=(1500, 2))
    y = np.sin(X[:, 0])
    for algorithm in ("dense", "blocks", "lattice"):
        models = [line(bandwidth=0.3, algorithm=algorithm, n_jobs=n).fit(X, y) for n in (1, 3)]
        for queries in (X + 0.1, None):
            assert_array_equal(*(model.predict(queries) for model in models))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weights", ["heavy", "one heavy row"])
def test_algorithms_agree_where_few_rows_decide(weights, seed):
    """The penalty is small beside the weights, and almost nothing else bounds the slopes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(240, 2))
    y = np.sin(3 * X[:, 0]) + X[:, 1]
    w = (
        rng.uniform(1, 2, 240) * 1e8
        if weights == "heavy"
        else np.where(np.arange(240) == 7, 1e12, 1)
    )
    dense, *others = (
        line(bandwidth=0.1, algorithm=algorithm).fit(X, y, w)
        for algorithm in ("dense", "blocks", "lattice")
    )
    for queries in (X + 0.05, None):
        expected = dense.predict(queries)
        for other in others:
            got = other.predict(queries)
            assert_allclose(got, expected, rtol=0, atol=3e-10 * np.abs(y).max())


@pytest.mark.parametrize("handle_empty", ["nan", "error"])
def test_memory_of_predictions_is_limited(handle_empty, rng):
    """Lines need sums of products of columns for each query: here 4 MiB, and copies of them."""
    X, y = rng.normal(size=(30, 30)), rng.normal(size=30)
    queries = np.vstack([rng.normal(size=(1_000, 30)), np.full((1, 30), 99.0)])
    model = NadarayaWatsonRegressor("boxcar", 20.0, degree=1, handle_empty=handle_empty).fit(X, y)

    def predict():
        try:
            return model.predict(queries)
        except ValueError as error:
            return str(error)

    whole, peaks = predict(), []
    for limit in (1_024, 4):
        with config_context(working_memory=limit):
            tracemalloc.start()
            found = predict()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        if handle_empty == "nan":
            assert_allclose(found, whole, rtol=1e-9)
        else:
            assert found == whole
            assert "1 of 1001 queries, the first of them row 1000" in found
    assert peaks[0] > 8 * 2**20 > peaks[1]
