"""Predictions at the limits of floating point, against the formula in many digits."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, predict, predict_extended, scaled_distances

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.kernels import KERNELS


def predicted(Q, X, y, kernel, bandwidth, **params):
    return NadarayaWatsonRegressor(kernel, bandwidth, **params).fit(X, y).predict(Q)


@pytest.fixture
def data(rng):
    """Queries, training rows and targets of spread 1."""
    X = rng.normal(size=(25, 2))
    return np.vstack([rng.normal(size=(6, 2)), X[:2]]), X, rng.normal(size=25)


@pytest.mark.parametrize("bandwidth", [1e-6, 1e-3, 0.1, 1.0, 30.0, 1e6])
def test_bandwidths_from_tiny_to_huge(kernel, bandwidth, data):
    Q, X, y = data
    expected = predict_extended(Q, X, y, kernel, bandwidth)
    assert_allclose(predicted(Q, X, y, kernel, bandwidth), expected, rtol=1e-9)


@pytest.mark.parametrize("distance", [5.0, 50.0, 1e3, 1e6, 1e9])
def test_far_queries(kernel, distance, data):
    Q, X, y = data
    Q = Q + distance * np.array([1.0, -0.3])
    expected = predict_extended(Q, X, y, kernel, 0.7)
    # Distances to all rows share so many digits that float64 has few left for their differences.
    assert_allclose(predicted(Q, X, y, kernel, 0.7), expected, rtol=max(1e-9, 1e-14 * distance))


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30, 1e150])
def test_scales_of_the_columns(kernel, scale, data):
    Q, X, y = data
    unit = np.array([scale, 1.0])
    for bandwidth in (0.6 * unit, 1e-6 * unit):
        expected = predict_extended(Q * unit, X * unit, y, kernel, bandwidth)
        assert_allclose(predicted(Q * unit, X * unit, y, kernel, bandwidth), expected, rtol=1e-9)


@pytest.mark.parametrize("rule", ["scott", "silverman"])
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_rules_follow_the_scale(rule, scale, data):
    Q, X, y = data
    assert_allclose(
        predicted(Q * scale, X * scale, y, "gaussian", rule),
        predicted(Q, X, y, "gaussian", rule),
        rtol=1e-9,
    )


@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_shifts(kernel, shift, data):
    Q, X, y = data
    Q, X = Q + shift, X + shift
    expected = predict_extended(Q, X, y, kernel, 0.5)
    assert_allclose(predicted(Q, X, y, kernel, 0.5), expected, rtol=1e-9)


@pytest.mark.parametrize("empty", ["nearest", "nan"])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("distance", [1e17, 1e100, 1e155, 1e300])
@pytest.mark.filterwarnings("error")
def test_queries_so_far_that_rows_share_all_digits(distance, algorithm, empty, kernel, data):
    """They follow the order of the rows in their direction, also where a column decides no more."""
    _, X, y = data
    X = np.column_stack([X[:, 0], np.round(X[:, 1])])
    Q = np.array([[1, 0.2], [0.2, -1], [1, 0.3], [-1, -1e-10]]) * distance
    Q[0, 1] = Q[1, 0] = 0.2
    expected = predict_extended(Q, X, y, kernel, 0.7, digits=700)
    model = NadarayaWatsonRegressor(kernel, 0.7, handle_empty=empty, algorithm=algorithm).fit(X, y)
    if empty == "nan" and np.isfinite(model.kernel_.support):
        expected[:] = np.nan
    assert_allclose(model.predict(Q), expected, rtol=1e-9)
    if empty == "nearest":
        assert_allclose(model.attention_weights(Q) @ y, expected, rtol=1e-9)
    # Others in the same batch are not affected.
    near = X[:3] + 0.1
    together = model.predict(np.vstack([near, Q]))[:3]
    assert_allclose(together, model.predict(near), rtol=1e-9, equal_nan=True)


def test_one_far_row_does_not_change_the_others(kernel, data):
    Q, X, y = data
    X = np.vstack([X, [[1e6, -1e6]]])
    y = np.append(y, 100.0)
    expected = predict_extended(Q, X, y, kernel, 0.4)
    assert_allclose(predicted(Q, X, y, kernel, 0.4), expected, rtol=1e-9)


def test_rows_on_the_edge_of_the_window(kernel):
    """Distances equal to the bandwidth, and queries without other rows."""
    X = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    y = np.sin(np.arange(len(X)))
    Q = np.vstack([X, X[:8] + 0.5, [[9.0, 2.0]]])
    for bandwidth in (1.0, 2.0, 4.0):
        expected = predict_extended(Q, X, y, kernel, bandwidth)
        assert_allclose(predicted(Q, X, y, kernel, bandwidth), expected, rtol=1e-12)


@pytest.mark.parametrize("spacing", [1e-3, 1e-6, 1e-9])
def test_narrow_clusters_far_apart(kernel, spacing, rng):
    centres = rng.normal(size=(5, 2)).repeat(6, axis=0)
    X = centres + spacing * rng.normal(size=centres.shape)
    y = rng.normal(size=len(X))
    Q = X[::3] + 0.1 * spacing
    expected = predict_extended(Q, X, y, kernel, spacing)
    assert_allclose(predicted(Q, X, y, kernel, spacing), expected, rtol=1e-9)


def test_float32_equals_the_formula_on_the_same_numbers(kernel, rng):
    X = rng.normal(size=(300, 3)).astype(np.float32)
    y, Q = rng.normal(size=300), rng.normal(size=(50, 3)).astype(np.float32)
    got = predicted(Q, X, y, kernel, 0.8)
    assert got.dtype == np.float64
    assert_allclose(got, predict(Q, X, y, kernel, 0.8, empty="nearest"), atol=2e-5)


@pytest.mark.parametrize("shift", [0, 1000])
def test_float32_far_queries(kernel, shift, rng):
    X = (rng.normal(size=(40, 2)) + shift).astype(np.float32)
    Q = X[:5] + np.float32([30, -20])
    y = rng.normal(size=40)
    expected = predict_extended(Q, X, y, kernel, 0.5)
    assert_allclose(predicted(Q, X, y, kernel, 0.5), expected, rtol=1e-6)


def test_float32_rows_whose_squares_overflow(kernel, rng):
    X = (rng.normal(size=(30, 2)) * 1e30).astype(np.float32)
    y = rng.normal(size=30)
    for bandwidth in (3e29, 1e20):
        expected = predict_extended(X, X, y, kernel, bandwidth)
        assert_allclose(predicted(X, X, y, kernel, bandwidth), expected, rtol=1e-5, atol=1e-5)


def test_duplicates_share_their_weight(kernel, data):
    Q, X, y = data
    expected = predict(Q, X, y, kernel, 0.9, empty="nearest")
    got = predicted(Q, X.repeat(3, axis=0), y.repeat(3), kernel, 0.9)
    assert_allclose(got, expected, rtol=1e-12)


def test_constant_columns_have_no_effect(kernel, data):
    Q, X, y = data
    plain = predicted(Q, X, y, kernel, "scott")
    X = np.column_stack([X, np.full(len(X), 0.1)])
    Q = np.column_stack([Q, np.linspace(-5, 5, len(Q))])
    assert_array_equal(predicted(Q, X, y, kernel, "scott"), plain)


def test_one_training_row(kernel):
    Q = [[1.0], [-3.0], [1e300]]
    for bandwidth in ("scott", 0.5, 0.0, np.inf):
        assert_array_equal(predicted(Q, [[1.0]], [7.3], kernel, bandwidth), [7.3] * 3)


def test_bandwidth_zero_takes_exact_matches(kernel):
    X, y = [[0.0], [1.0], [1.0], [5.0]], [1.0, 2.0, 4.0, 8.0]
    Q = [[1.0], [0.0], [4.0], [3.0]]
    # 4 is nearest to 5, and 3 is as near to 5 as to the two rows at 1.
    assert_allclose(predicted(Q, X, y, kernel, 0.0), [3.0, 1.0, 8.0, 14 / 3])
    assert_allclose(predicted(Q, X, y, kernel, 0.0, handle_empty="nan"), [3.0, 1.0, np.nan, np.nan])
    assert_allclose(predicted(Q, X, y, kernel, 0.0, handle_empty="mean"), [3.0, 1.0, 3.75, 3.75])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bandwidth", [1e-160, 5e-324, [1e-300, 0.5]])
@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.filterwarnings("error")
def test_negligible_bandwidths_equal_zero(bandwidth, degree, dtype, rng):
    """Predictions and gradients are those of bandwidth 0."""
    X = np.column_stack([rng.integers(1, 4, 40), rng.normal(size=40)]).astype(dtype)
    y = rng.normal(size=40)
    zero = np.where(np.asarray(bandwidth) < 1e-150, 0, bandwidth)
    model, peer = (
        NadarayaWatsonRegressor(bandwidth=width, degree=degree).fit(X, y)
        for width in (bandwidth, zero)
    )
    queries = np.concatenate([X[:3], X[:3] + dtype(0.01)])
    assert_array_equal(model.predict(queries), peer.predict(queries))
    assert_array_equal(model.predict(None), peer.predict(None))
    assert_allclose(model.gradient(queries), peer.gradient(queries), rtol=1e-9, atol=1e-12)


def test_bandwidth_zero_in_one_column(kernel, rng):
    X = np.column_stack([rng.integers(0, 3, 40), rng.normal(size=40)])
    y = rng.normal(size=40)
    for category in range(3):
        same = X[:, 0] == category
        Q = np.column_stack([np.full(5, category), rng.normal(size=5)])
        expected = predict_extended(Q[:, 1:], X[same, 1:], y[same], kernel, 0.5)
        assert_allclose(predicted(Q, X, y, kernel, [0.0, 0.5]), expected, rtol=1e-9)
    # No row has 9: among the nearest, which have 2, the other column decides.
    Q[:, 0] = 9
    assert_allclose(predicted(Q, X, y, kernel, [0.0, 0.5]), expected, rtol=1e-9)


def test_bandwidth_inf_switches_a_column_off(kernel, data):
    Q, X, y = data
    expected = predict_extended(Q[:, 1:], X[:, 1:], y, kernel, 0.5)
    assert_allclose(predicted(Q, X, y, kernel, [np.inf, 0.5]), expected, rtol=1e-9)
    assert_allclose(predicted(Q, X, y, kernel, np.inf), np.full(len(Q), y.mean()))


@pytest.mark.parametrize("bandwidth", [1e-9, 1e-3, 0.3, 1e9])
def test_other_metrics_with_extreme_bandwidths(kernel, bandwidth, data):
    Q, X, y = data
    expected = predict_extended(Q[:, :1], X[:, :1], y, kernel, bandwidth)
    X, Q = X[:, :1], Q[:, :1]
    assert_allclose(predicted(Q, X, y, kernel, bandwidth, metric="cityblock"), expected, rtol=1e-9)
    model = NadarayaWatsonRegressor(kernel, bandwidth, metric="precomputed")
    model.fit(np.abs(X - X.T), y)
    assert_allclose(model.predict(np.abs(Q - X.T)), expected, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e15])
def test_targets_with_an_offset(kernel, offset, data):
    Q, X, y = data
    got = predicted(Q, X, y + offset, kernel, 0.5) - offset
    rounding = 4 * np.spacing(abs(offset))
    assert_allclose(got, predicted(Q, X, y, kernel, 0.5), rtol=1e-12, atol=rounding)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_targets_of_any_size(kernel, scale, data):
    Q, X, y = data
    got = predicted(Q, X, y * scale, kernel, 0.5)
    assert_allclose(got / scale, predicted(Q, X, y, kernel, 0.5), rtol=1e-12, atol=1e-13)


@pytest.mark.filterwarnings("error")
def test_subnormal_rows(kernel, data):
    Q, X, y = (np.round(part * 4096) for part in data)
    unit = 2.0**-1070
    got = predicted(Q * unit, X * unit, y, kernel, 4096 * unit)
    assert_allclose(got, predicted(Q, X, y, kernel, 4096.0), rtol=1e-9)


@pytest.mark.filterwarnings("error")
def test_targets_at_both_ends_of_the_range(kernel, data):
    Q, X, y = data
    got = predicted(Q, X, 1.7e308 * np.sign(y), kernel, 0.5)
    assert_allclose(got / 1.7e308, predicted(Q, X, np.sign(y), kernel, 0.5), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("y", [0.1, 1e9 + 0.1, -3e-320, 1e308])
def test_constant_target_is_reproduced_exactly(kernel, y, rng):
    X = rng.normal(size=(50, 3))
    Q = np.vstack([rng.normal(size=(20, 3)), np.full((1, 3), 1e3)])
    assert_array_equal(predicted(Q, X, np.full(50, y), kernel, 0.5), np.full(21, y))


@pytest.mark.parametrize("total", [1e-200, 1.0, 1e200])
def test_scale_of_the_weights_cancels(kernel, total, data, rng):
    Q, X, y = data
    w = rng.uniform(size=len(y))
    model = NadarayaWatsonRegressor(kernel, 0.6).fit(X, y, total * w)
    expected = predict(Q, X, y, kernel, 0.6, sample_weight=w, empty="nearest")
    assert_allclose(model.predict(Q), expected, rtol=1e-10)


def test_probabilities_of_far_queries(data):
    Q, X, _ = data
    model = NadarayaWatsonClassifier(bandwidth=0.5).fit(X, np.arange(len(X)) % 3)
    probabilities = model.predict_proba(Q + 1e5)
    assert_allclose(probabilities.sum(axis=1), 1)
    nearest = np.argmin(((Q[:, None] + 1e5 - X) ** 2).sum(axis=2), axis=1)
    assert_array_equal(probabilities.argmax(axis=1), nearest % 3)


numbers = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-10, 10, width=16),
    st.sampled_from([1e6, -1e6, 0.1]),
)


@settings(max_examples=100)
@given(
    arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=numbers),
    arrays(float, st.tuples(st.integers(1, 4), st.just(2)), elements=numbers),
    st.sampled_from(sorted(set(PROFILES) & set(KERNELS))),
    st.sampled_from([0.25, 1.0, 8.0]),
)
def test_any_rows_and_queries(X, Q, name, bandwidth):
    # Windows that end within rounding of a row are tested on a grid above.
    assume(name != "boxcar" or not np.any(np.isclose(scaled_distances(Q, X, bandwidth), 1)))
    y = np.cos(np.arange(len(X)))
    expected = predict_extended(Q, X, y, name, bandwidth)
    got = predicted(Q, X, y, name, bandwidth)
    assert np.all((y.min() - 1e-12 <= got) & (got <= y.max() + 1e-12))
    # Far from all rows, distances share so many digits that float64 has no more.
    farthest = np.abs(Q[:, None] - X[None]).max() / bandwidth
    assert_allclose(got, expected, rtol=1e-9, atol=1e-9 + 1e-14 * farthest)


@pytest.mark.parametrize("scale", [1e-310, 1e-170, 1e-30, 1e30, 1e170, 1e307])
def test_nearest_rows_at_any_scale(scale, rng):
    X, y, queries = rng.normal(size=(40, 2)), rng.normal(size=40), rng.normal(size=(30, 2))
    for bandwidth in (0, 1e-200 * scale):
        model = NadarayaWatsonRegressor("epanechnikov", bandwidth).fit(scale * X, y)
        expected = y[scaled_distances(queries, X, 1).argmin(axis=1)]
        assert_allclose(model.predict(scale * queries), expected, rtol=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "biweight"])
@pytest.mark.parametrize("method", ["gradient", "effective_sample_size", "score_samples"])
@pytest.mark.parametrize("estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
@pytest.mark.parametrize("degree", [0, 1])
def test_a_far_query_changes_no_result_of_others(degree, estimator, method, kernel, data):
    Q, X, y = data
    y = y if estimator is NadarayaWatsonRegressor else np.digitize(y, [-0.5, 0.5])
    model = estimator(kernel, 0.8, degree=degree).fit(X, y)
    call = getattr(model, method)
    far = np.array([[1e3, 1.0], [-1e155, 0.3], [1e300, -1e299]])
    alone = np.concatenate([call(query[None]) for query in np.vstack([Q, far])])
    assert_allclose(call(np.vstack([Q, far])), alone, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("distance", [1e3, 1e10, 1e20, 1e155, 1e300])
def test_effective_sample_size_and_density_of_far_queries(distance, data):
    _, X, y = data
    Q = distance * np.array([[1.0, 0.3], [-0.2, 1.0]])
    model = NadarayaWatsonRegressor("exponential", 0.5).fit(X, y)
    weights = model.attention_weights(Q)
    assert_allclose(model.effective_sample_size(Q), 1 / (weights**2).sum(axis=1), rtol=1e-9)
    assert_allclose(model.score_samples(Q), -np.hypot(*Q.T) / 0.5, rtol=0.02)
    squares = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).score_samples(Q)
    with np.errstate(over="ignore"):
        assert_allclose(squares, -((np.hypot(*Q.T) / 0.5) ** 2) / 2, rtol=0.02)
