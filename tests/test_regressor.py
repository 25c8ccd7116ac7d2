"""Behaviour of the regressor alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, predict, scaled_distances
from scipy.special import softmax
from sklearn.metrics import r2_score
from sklearn.neighbors import RadiusNeighborsRegressor

from nwkr import NadarayaWatsonRegressor


@pytest.fixture
def data(rng):
    """Training rows, targets and queries."""
    X = rng.normal(size=(40, 2))
    return X, np.sin(X[:, 0]) + rng.normal(size=40), rng.normal(size=(15, 2))


def fitted(X, y, *args, sample_weight=None, **params):
    return NadarayaWatsonRegressor(*args, **params).fit(X, y, sample_weight)


# -- other packages -----------------------------------------------------------------------


def test_golden_numbers_of_statsmodels():
    # From KernelReg(reg_type="lc") of statsmodels 0.15.0, and its leave-one-out criterion.
    X, y = np.array([[0.0], [1.0], [2.0], [3.0], [5.0]]), np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    model = fitted(X, y, "gaussian", 0.9)
    expected = [2.031916210265, 3.131575347843, 4.313581084905]
    assert_allclose(model.predict([[0.5], [2.2], [4.0]]), expected, rtol=1e-11)
    assert_allclose(np.mean((y - model.predict(None)) ** 2), 3.204633839692, rtol=1e-11)
    assert_allclose(np.trace(model.attention_weights_), 3.0404233990, rtol=1e-10)


@pytest.mark.parametrize("n_outputs", [None, 3])
@pytest.mark.parametrize("radius", [0.2, 0.8, 3.0])
def test_boxcar_is_the_mean_within_a_radius(radius, n_outputs, rng):
    X, queries = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
    y = rng.normal(size=300 if n_outputs is None else (300, n_outputs))
    neighbors = RadiusNeighborsRegressor(radius, weights="uniform").fit(X, y)
    reached = np.array([len(found) > 0 for found in neighbors.radius_neighbors(queries)[1]])
    expected = neighbors.predict(queries[reached])
    for handle_empty in ("nearest", "nan"):
        found = fitted(X, y, "boxcar", radius, handle_empty=handle_empty).predict(queries)
        assert_allclose(found[reached], expected, rtol=1e-10, atol=1e-13)
    assert_array_equal(np.isnan(found.reshape(200, -1)).any(axis=1), ~reached)


def test_gaussian_is_a_softmax(data):
    X, y, queries = data
    queries = np.vstack([queries, 100 + queries])  # plain weights would give 0 / 0 there
    bandwidth = np.array([0.3, 0.7])
    weights = softmax(-(scaled_distances(queries, X, bandwidth) ** 2) / 2, axis=1)
    model = fitted(X, y, "gaussian", bandwidth)
    assert_allclose(model.predict(queries), weights @ y, rtol=1e-9)


# -- forms of y ---------------------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
def test_shapes_of_y(kernel, handle_empty, data, rng):
    X, y, queries = data
    queries = np.vstack([queries, [[9.0, 0.0]]])
    Y = np.column_stack([y, 1e3 * rng.normal(size=(40, 2))])
    model = fitted(X, y, kernel, 0.5, handle_empty=handle_empty)
    column = fitted(X, y[:, None], kernel, 0.5, handle_empty=handle_empty)
    many = fitted(X, Y, kernel, 0.5, handle_empty=handle_empty)
    for Q, n in ((queries, 16), (None, 40)):
        assert model.predict(Q).shape == (n,)
        assert column.predict(Q).shape == (n, 1)
        assert many.predict(Q).shape == (n, 3)
        assert_array_equal(column.predict(Q)[:, 0], model.predict(Q))
        for number in range(3):
            alone = fitted(X, Y[:, number], kernel, 0.5, handle_empty=handle_empty)
            assert_allclose(many.predict(Q)[:, number], alone.predict(Q), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, bool, np.float32])
def test_predictions_are_floats_for_every_type_of_y(kernel, dtype, data, rng):
    X, _, queries = data
    y = rng.integers(0, 2 if dtype is bool else 100, size=40).astype(dtype)
    for targets in (y, np.column_stack([y, y])):
        found = fitted(X, targets, kernel, 0.5).predict(queries)
        assert found.dtype == np.float64
        assert_array_equal(found, fitted(X, targets.astype(float), kernel, 0.5).predict(queries))
    assert_allclose(
        fitted(X, y, kernel, 0.5).predict(queries),
        predict(queries, X, y.astype(float), kernel, 0.5, empty="nearest"),
        rtol=1e-10,
    )


def test_integer_y_gives_nan_with_handle_empty_nan(data):
    X, _, _ = data
    model = fitted(X, np.arange(40), "boxcar", 0.1, handle_empty="nan")
    assert np.isnan(model.predict([[99.0, 0.0]])).all()


# -- values of y --------------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.1, -1 / 3, 0.0, 7, 1e-300, 1e300, -np.pi * 1e9])
def test_constant_y_is_reproduced_exactly(kernel, constant, data):
    X, y, queries = data
    queries = np.vstack([queries, 1e4 * queries])
    weight = np.abs(y)
    both = np.column_stack([np.full(40, constant), y])
    for handle_empty in ("nearest", "mean"):
        model = fitted(X, np.full(40, constant), kernel, 0.3, handle_empty=handle_empty)
        assert_array_equal(model.predict(queries), constant)
        assert_array_equal(model.predict(None), constant)
        model = fitted(X, both, kernel, 0.3, sample_weight=weight, handle_empty=handle_empty)
        assert_array_equal(model.predict(queries)[:, 0], constant)


@pytest.mark.parametrize("offset", [1e9, -1e15])
def test_offset_of_y_costs_no_digits(kernel, offset, data):
    X, y, queries = data
    shifted = y + offset
    model = fitted(X, shifted, kernel, 0.5)
    # The formula on differences from the offset, to which the offset is added exactly.
    for Q, weights in (
        (queries, attention(queries, X, kernel, 0.5, empty="nearest")),
        (None, attention(X, X, kernel, 0.5, leave_self_out=True, empty="nearest")),
    ):
        expected = weights @ (shifted - offset) + offset
        assert_allclose(model.predict(Q), expected, rtol=0, atol=2 * np.spacing(abs(offset)))


@pytest.mark.parametrize("scale", [1e-300, 1e-6, 1.0, 1e6, 1e300])
def test_predictions_are_within_the_range_of_y(kernel, scale, data):
    X, y, queries = data
    y = y * scale
    queries = np.vstack([queries, 1e3 * queries, X])
    slack = 4 * np.finfo(float).eps * np.abs(y).max()
    for bandwidth in (1e-3, 0.5, 1e3):
        for handle_empty in ("nearest", "mean"):
            model = fitted(X, y, kernel, bandwidth, handle_empty=handle_empty)
            for found in (model.predict(queries), model.predict(None)):
                assert (found >= y.min() - slack).all()
                assert (found <= y.max() + slack).all()


def test_y_near_the_largest_float(kernel, data):
    X, y, queries = data
    largest = np.finfo(float).max
    y = y / 1000  # scikit-learn's check of the sum must not overflow
    y[[3, 8]] = [1, -0.9]  # their difference overflows
    expected = predict(queries, X, y, kernel, 0.5, empty="nearest") * largest
    found = fitted(X, y * largest, kernel, 0.5).predict(queries)
    assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * largest)


def test_targets_of_rows_without_weight_are_ignored(kernel, data):
    X, y, queries = data
    present = np.arange(40) % 3 > 0
    expected = fitted(X[present], y[present], kernel, 0.5).predict(queries)
    for strange in (1e12, -1e300):
        targets = np.where(present, y, strange)
        model = fitted(X, targets, kernel, 0.5, sample_weight=present * 1.0)
        assert_allclose(model.predict(queries), expected, rtol=1e-10, atol=1e-13)
        constant = np.where(present, 0.1, strange)
        model = fitted(X, constant, kernel, 0.5, sample_weight=present * 1.0)
        assert_array_equal(model.predict(queries), 0.1)


# -- score --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_score_is_r2(kernel, n_outputs, data, rng):
    X, y, queries = data
    if n_outputs is not None:
        y = np.column_stack([y] * n_outputs) * [1.0, 5.0]
    weight = rng.uniform(size=40)
    model = fitted(X, y, kernel, 0.5)
    for Q in (X, None):
        assert_allclose(model.score(Q, y), r2_score(y, model.predict(Q)))
        expected = r2_score(y, model.predict(Q), sample_weight=weight)
        assert_allclose(model.score(Q, y, sample_weight=weight), expected)
    assert model.score(queries, y[:15]) == r2_score(y[:15], model.predict(queries))


@pytest.mark.parametrize("exponent", [-1000, -600, -100, 100, 600, 1000])
@pytest.mark.filterwarnings("error")
def test_score_does_not_depend_on_the_unit_of_the_targets(exponent, data):
    X, y, _ = data
    both = np.column_stack([y, y + X[:, 0]])
    scaled = both * [2.0**exponent, 1.0]
    for degree in (0, 1):
        model = NadarayaWatsonRegressor("biweight", 0.6, degree=degree)
        expected = model.fit(X, both).score(X, both)
        assert_allclose(model.fit(X, scaled).score(X, scaled), expected, rtol=1e-9)


def test_score_of_X_none_leaves_each_row_out(data):
    X, y, _ = data
    model = fitted(X, y, "gaussian", 1e-3)
    assert_allclose(model.score(X, y), 1)
    assert model.score(None, y) < 0.5


def test_a_regressor_lacks_methods_of_classifiers(data):
    X, y, _ = data
    model = fitted(X, y)
    for name in ("predict_proba", "predict_log_proba", "decision_function", "classes_"):
        assert not hasattr(model, name)
