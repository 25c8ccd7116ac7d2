"""Confidence bands: equal to refits of resamples, and they contain the smoothed curve."""

import tracemalloc

import numpy as np
import pytest
from means import NadarayaWatsonRegressorCV
from oracles import attention
from sklearn import config_context

from nwkr import NadarayaWatsonRegressor
from nwkr.bandwidths import KNearest


def make_data(rng, n=50, n_outputs=None):
    X, Q = rng.standard_normal((n, 2)), rng.standard_normal((8, 2))
    return X, rng.standard_normal(n if n_outputs is None else (n, n_outputs)) + 5, Q


def by_refits(model, X, y, Q, signs):
    """Deviations of the curve, (n_bootstrap, n_queries), with one fit per resample."""
    residuals = y - model.predict(None)
    centre = model.predict(Q)
    resampled = [
        NadarayaWatsonRegressor(model.kernel, model.bandwidth).fit(X, y + sign * residuals)
        for sign in signs
    ]
    return np.array([m.predict(Q) - centre for m in resampled])


@pytest.mark.parametrize("bandwidth", [0.5, KNearest(9)], ids=str)
def test_bands_equal_those_of_refits(kernel, bandwidth, rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y)
    pointwise, simultaneous = model.predict_band(Q, 0.8, n_bootstrap=30, random_state=4)
    signs = np.random.RandomState(4).choice([-1.0, 1.0], size=(30, 50))
    sizes = np.abs(by_refits(model, X, y, Q, signs))
    fit, std = model.predict(Q), np.sqrt((sizes**2).mean(axis=0))
    half = np.sort(sizes, axis=0)[23]  # the 24th of 30
    np.testing.assert_allclose(pointwise, np.column_stack([fit - half, fit + half]), rtol=1e-9)
    relative = np.divide(sizes, std, out=np.zeros_like(sizes), where=std > 1e-12)
    half = std * np.sort(relative.max(axis=1))[23]
    np.testing.assert_allclose(simultaneous, np.column_stack([fit - half, fit + half]), rtol=1e-9)


def test_simultaneous_bands_are_never_narrower(rng):
    X, y, Q = make_data(rng)
    for queries in (Q, None):
        model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
        pointwise, simultaneous = model.predict_band(queries, random_state=0)
        assert (np.ptp(simultaneous, axis=1) >= np.ptp(pointwise, axis=1)).all()


def test_bands_of_several_outputs_equal_those_of_each(rng):
    X, Y, Q = make_data(rng, n_outputs=2)
    together = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, Y).predict_band(Q, random_state=1)
    for number in range(2):
        alone = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, Y[:, number])
        for band, expected in zip(together, alone.predict_band(Q, random_state=1)):
            np.testing.assert_allclose(band[:, :, number], expected, rtol=1e-10)


def test_bands_of_X_none(rng):
    X, y, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    pointwise, _ = model.predict_band(None, 0.9, n_bootstrap=20, random_state=2)
    weights = attention(X, X, "gaussian", 0.5, leave_self_out=True)
    signs = np.random.RandomState(2).choice([-1.0, 1.0], size=(20, 50))
    sizes = np.abs(weights @ (signs * (y - weights @ y)).T)
    half = np.sort(sizes, axis=1)[:, 17]
    expected = np.column_stack([weights @ y - half, weights @ y + half])
    np.testing.assert_allclose(pointwise, expected, rtol=1e-10)


def test_rows_without_weight_do_not_change_bands(rng):
    X, y, Q = make_data(rng)
    weight = np.arange(50) % 3 * 1.0
    some = weight > 0
    whole = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y, weight)
    part = NadarayaWatsonRegressor(bandwidth=0.5).fit(X[some], y[some], weight[some])
    bands = [model.predict_band(Q, random_state=3) for model in (whole, part)]
    np.testing.assert_allclose(*bands, rtol=1e-10)


def test_constant_targets_have_bands_of_zero_width(kernel, rng):
    X, _, Q = make_data(rng)
    bands = NadarayaWatsonRegressor(kernel).fit(X, np.full(50, 0.1)).predict_band(Q)
    np.testing.assert_array_equal(bands, np.full((2, 8, 2), 0.1))


def test_bands_of_isolated_rows():
    X, y = np.r_[0, 0.5, 1, 5, 9][:, None], np.r_[1, 2, 1, 4, 3.0]
    Q = [[0.5], [5], [7]]
    model = NadarayaWatsonRegressor("boxcar", 1.0, handle_empty="nan").fit(X, y)
    for band in model.predict_band(Q, random_state=0):
        assert np.isfinite(band[0]).all()
        assert np.isnan(band[1:]).all()
    with pytest.raises(ValueError, match="handle_empty='error'"):
        model.set_params(handle_empty="error").predict_band(Q)


def test_random_state_fixes_the_bands(rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressorCV().fit(X, y)
    bands = [model.predict_band(Q, random_state=state) for state in (0, 0, 1)]
    np.testing.assert_array_equal(bands[0], bands[1])
    assert (bands[0][0] != bands[2][0]).any()


@pytest.mark.parametrize("spread", [lambda x: 0.3, lambda x: 0.6 * x], ids=["even", "growing"])
def test_bands_contain_the_smoothed_curve(spread):
    rng = np.random.default_rng(5)
    grid = np.linspace(0.1, 0.9, 25)[:, None]
    by_place, at_once = [], []
    for _ in range(200):
        X = rng.random((300, 1))
        curve = np.sin(6 * X[:, 0])
        y = curve + spread(X[:, 0]) * rng.standard_normal(300)
        model = NadarayaWatsonRegressor(bandwidth=0.06).fit(X, y)
        held = [
            (band[:, 0] <= smoothed) & (smoothed <= band[:, 1])
            for smoothed in [model.attention_weights(grid) @ curve]
            for band in model.predict_band(grid, 0.9, random_state=0)
        ]
        by_place.append(held[0].mean())
        at_once.append(held[1].all())
    assert 0.87 <= np.mean(by_place) <= 0.93
    assert 0.82 <= np.mean(at_once) <= 0.95


@pytest.mark.parametrize("wrong", [0, -1, 2.5, None, "many"])
def test_n_bootstrap_is_validated(wrong, rng):
    X, y, Q = make_data(rng)
    with pytest.raises(ValueError, match="n_bootstrap must be a positive integer; got"):
        NadarayaWatsonRegressor().fit(X, y).predict_band(Q, n_bootstrap=wrong)


@pytest.mark.parametrize("degree", [0, 1])
def test_resamples_are_made_in_batches(degree, rng):
    X, y, Q = make_data(rng, n=4000)
    model = NadarayaWatsonRegressor(bandwidth=0.5, degree=degree, n_jobs=1).fit(X, y)
    expected = model.predict_band(Q, n_bootstrap=200, random_state=0)
    with config_context(working_memory=1):
        tracemalloc.start()
        try:
            got = model.predict_band(Q, n_bootstrap=200, random_state=0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 5e6  # float64 signs of every row in every resample take 6.4e6
    for band, of_all in zip(got, expected):
        np.testing.assert_allclose(band, of_all, rtol=1e-12)
