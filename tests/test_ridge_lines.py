"""Ridge regression: lines without a window, against lines with one system for each query."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr._local import LocalLines
from nwkr._pooling import Attention
from nwkr._ridge_lines import RidgeLines, lines_of
from nwkr._window import FixedWindow
from nwkr.kernels import KERNELS


def columns_of(rng, n_rows, n_columns):
    """Columns at several scales; one that varies only in one row, and one nearly so."""
    X = rng.normal(size=(n_rows, n_columns)) * rng.uniform(0.1, 9, n_columns) + 3
    if n_columns > 4:
        X[:, 1] = np.arange(n_rows) == 3
        X[:, 2] = np.arange(n_rows) < 3
        X[:, 3] = 1e-4 * rng.normal(size=n_rows) + (np.arange(n_rows) == 2)
        X[:, 4] = 7.0
    return X


@pytest.fixture(params=["equal", "copies", "one heavy"])
def counts(request, rng):
    if request.param == "equal":
        return np.ones(15)
    if request.param == "copies":
        return rng.integers(1, 5, 15).astype(float)
    return np.where(np.arange(15) == 5, 1000.0, rng.uniform(0.5, 2, 15))


@pytest.mark.parametrize("leaves_out", [False, True])
@pytest.mark.parametrize("n_columns", [1, 6, 40])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("ridge", [0.1, 1.0, 20.0])
def test_fits_equal_one_system_for_each_query(leaves_out, n_columns, n_outputs, ridge, counts, rng):
    X, y = columns_of(rng, 15, n_columns), rng.normal(size=(15, n_outputs))
    queries, leave_out = 3 + rng.normal(size=(7, n_columns)), None
    if leaves_out:
        queries, leave_out = X, np.where(np.arange(15) == 6, -1, np.arange(15))
    nowhere, weights = np.full(n_columns, np.inf), counts / counts.max()
    attention = Attention(
        queries, X, weights, KERNELS["gaussian"], nowhere, leave_out=leave_out, counts=counts,
        unit=counts.max(), empty="nearest",
    )  # fmt: skip
    terms = 1, ridge, X, counts, FixedWindow(nowhere)
    fits = [kind.of(*terms) for kind in (LocalLines, RidgeLines)]
    plain, shared = (lines.fit(attention, lines.values(X, y)) for lines in fits)
    for name in ("predictions", "slopes", "explained", "leverage", "directions"):
        expected = getattr(plain, name)
        if name in ("directions", "leverage") and not leaves_out and n_columns == 40:
            continue  # beyond the rows they depend on the penalty alone
        assert_allclose(getattr(shared, name), expected, rtol=1e-7, atol=1e-8, err_msg=name)
    places = (X[:4] - X[0]) / plain.lines.spread[0] if n_columns == 1 else plain.offset[:4]
    if leaves_out or n_columns < 15:
        assert_allclose(shared.forms(4, places), plain.forms(4, places), rtol=1e-7, atol=1e-8)
    some = np.array([5, 1])
    assert_allclose(shared.take(some).predictions, shared.predictions[some], rtol=1e-9, atol=1e-11)


def test_only_windows_with_all_rows_are_shared(rng):
    X, counts = rng.normal(size=(9, 2)), np.ones(9)

    def kind(bandwidth, degree=1, ridge=1.0, masked=False):
        window = FixedWindow(np.asarray(bandwidth, float))
        return type(lines_of(degree, ridge, X, counts, window, masked=masked))

    assert kind([np.inf, np.inf]) is RidgeLines
    for other in (
        kind([np.inf, 1.0]),
        kind([np.inf, np.inf], degree=0),
        kind([np.inf, np.inf], ridge=0.0),
        kind([np.inf, np.inf], masked=True),
    ):
        assert other is LocalLines


@pytest.mark.parametrize(("n_rows", "n_columns"), [(30, 4), (30, 2000)])
def test_predictions_equal_ridge_regression(n_rows, n_columns, rng):
    X, new = rng.normal(size=(n_rows, n_columns)), rng.normal(size=(5, n_columns))
    y = X[:, :3].sum(axis=1) + rng.normal(size=n_rows)
    model = NadarayaWatsonRegressor(bandwidth=np.inf, degree=1, ridge=2.5).fit(X, y)
    mean, spread = X.mean(axis=0), X.std(axis=0)
    plain = Ridge(2.5).fit((X - mean) / spread, y)
    assert_allclose(model.predict(new), plain.predict((new - mean) / spread), rtol=1e-9)
    assert_allclose(model.local_slopes(new), np.tile(plain.coef_ / spread, (5, 1)), rtol=1e-7)
    for row in range(3):
        kept = np.arange(n_rows) != row
        refit = NadarayaWatsonRegressor(bandwidth=np.inf, degree=1, ridge=2.5)
        refit.fit(X[kept], y[kept])
        assert_allclose(model.predict(None)[row], refit.predict(X[row, None])[0], rtol=1e-9)


def test_methods_agree_with_the_effective_weights(rng):
    X, y, new = rng.normal(size=(25, 60)), rng.normal(size=25), rng.normal(size=(4, 60))
    model = NadarayaWatsonRegressor(bandwidth=np.inf, degree=1, ridge=5.0).fit(X, y)
    for queries, predictions in ((new, model.predict(new)), (None, model.predict(None))):
        assert_allclose(model.effective_weights(queries) @ y, predictions, rtol=1e-8, atol=1e-10)
    weights = model.effective_weights(new)
    errors = np.sqrt(np.square(weights) @ np.square(y - model.predict(None)))
    assert_allclose(model.standard_error(new), errors, rtol=1e-8)
    slopes = model.local_slopes(new)[0]
    residuals = y - y.mean() - (X - X.mean(axis=0)) @ slopes
    spread = np.sqrt(np.mean(np.square(residuals)))
    assert_allclose(model.predict(new, return_std=True)[1], spread, rtol=1e-8)
    assert_allclose(model.gradient(new), model.local_slopes(new), rtol=1e-9)
    # Jackknife+: the fits without each row, plus or minus its residual.
    without = []
    for row in range(25):
        kept = np.arange(25) != row
        lines = Ridge(5.0).fit((X[kept] - X[kept].mean(0)) / X.std(0), y[kept])
        without.append(lines.predict((new - X[kept].mean(0)) / X.std(0)))
    residuals = np.abs(y - model.predict(None))[:, None]
    place = int(np.ceil(0.8 * 26)) - 1
    upper = np.sort(np.array(without) + residuals, axis=0)[place]
    assert_allclose(model.predict_interval(new, coverage=0.8)[:, 1], upper, rtol=1e-7)


@pytest.mark.parametrize("n_columns", [120, 1500])
def test_a_search_over_many_columns_finds_ridge_regression(n_columns, rng):
    X = rng.normal(size=(160, n_columns))
    X[:, :] += 3 * rng.normal(size=(160, 4)) @ rng.normal(size=(4, n_columns))
    y = X @ rng.normal(size=n_columns)
    model = NadarayaWatsonRegressorCV()
    model._most_operations = 1e6
    model.fit(X[:80], y[:80])
    table = model.cv_results_
    of_lines = [m for m, d in zip(table["multiple"], table["degree"]) if d == 1]
    assert of_lines == [np.inf]
    assert model.degree_ == 1
    assert np.isinf(model.bandwidth_).all()
    means = NadarayaWatsonRegressorCV(degrees=(0,)).fit(X[:80], y[:80])
    errors = [1 - each.score(X[80:], y[80:]) for each in (model, means)]
    assert errors[0] < 0.5 * errors[1]
    assert_allclose(-np.mean(np.square(y[:80] - model.predict(None))), model.best_score_, rtol=1e-8)


def test_groups_have_ridge_regression_only_with_few_columns(rng):
    X, y, groups = rng.normal(size=(40, 3)), rng.normal(size=40), np.arange(40) // 2
    model = NadarayaWatsonRegressorCV().fit(X, y, groups=groups)
    assert 1 in model.cv_results_["degree"]
    model._most_operations = 1
    assert set(model.fit(X, y, groups=groups).cv_results_["degree"]) == {0}


@pytest.mark.parametrize("ridge", [1e-8, 1e-14])
@pytest.mark.parametrize("n_columns", [2, 23, 24])
def test_a_row_that_alone_tells_columns_apart_is_left_out_exactly(ridge, n_columns, rng):
    X, y = rng.normal(size=(24, n_columns)), rng.normal(size=24)
    if n_columns == 2:  # collinear but for one row
        X[:, 1] = X[:, 0] + (np.arange(24) == 3)
    model = NadarayaWatsonRegressor(degree=1, bandwidth=np.inf, ridge=ridge)
    expected = [
        model.fit(np.delete(X, row, axis=0), np.delete(y, row)).predict(X[[row]])[0]
        for row in range(len(X))
    ]
    assert_allclose(model.fit(X, y).predict(None), expected, rtol=1e-6, atol=1e-6)
