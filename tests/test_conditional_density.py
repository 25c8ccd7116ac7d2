"""Draws from the conditional distribution and its density, against plain formulas and SciPy."""

import tracemalloc

import numpy as np
import pytest
from oracles import attention
from scipy.integrate import trapezoid
from scipy.stats import gaussian_kde, norm
from sklearn.exceptions import NotFittedError

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.bandwidths import KNearest

GRID = np.linspace(-1, 11, 31)


def make_data(rng, n=60, n_outputs=None):
    X, Q = rng.standard_normal((n, 2)), rng.standard_normal((15, 2))
    y = rng.standard_normal(n if n_outputs is None else (n, n_outputs)) + 5
    return X, y, Q, rng.random(n) + 0.1


def drawn(weights, y, n_samples, seed):
    """Targets drawn by the inverse of the cumulated weights."""
    at = np.random.RandomState(seed).random_sample((len(weights), n_samples))
    sums = weights.cumsum(axis=1)
    return np.array([y[s.searchsorted(a * s[-1], "right")] for s, a in zip(sums, at)])


# -- draws ---------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["nearest", "mean"])
def test_draws_are_targets_by_weight(kernel, empty, rng):
    X, y, Q, weight = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, [0.3, 0.5], handle_empty=empty).fit(X, y, weight)
    weights = attention(Q, X, kernel, [0.3, 0.5], weight, empty=empty)
    samples = model.sample(Q, 40, random_state=3)
    assert samples.shape == (15, 40)
    np.testing.assert_array_equal(samples, drawn(weights, y, 40, 3))


def test_draws_follow_the_cdf(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    samples, thresholds = model.sample(Q, 4000, random_state=0), [4, 5, 6]
    shares = [(samples <= threshold).mean(axis=1) for threshold in thresholds]
    # five standard deviations of a share
    np.testing.assert_allclose(np.transpose(shares), model.predict_cdf(Q, thresholds), atol=0.04)


def test_draws_of_X_none_leave_each_row_out(rng):
    X, y, _, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.01).fit(X, y)
    assert (model.sample(None, 5, random_state=0) != y[:, None]).all()
    weights = attention(X, X, "gaussian", 0.3, leave_self_out=True)
    model = NadarayaWatsonRegressor(bandwidth=0.3).fit(X, y)
    np.testing.assert_array_equal(model.sample(None, 5, random_state=0), drawn(weights, y, 5, 0))


def test_outputs_of_a_draw_come_from_one_row(rng):
    X, y, Q, _ = make_data(rng, n_outputs=3)
    samples = NadarayaWatsonRegressor().fit(X, y).sample(Q, 7)
    assert samples.shape == (15, 7, 3)
    assert (samples[:, :, None] == y).all(axis=3).any(axis=2).all()


def test_draws_about_lines_are_shifted_along_them(rng):
    X, y, Q, _ = make_data(rng, n_outputs=2)
    model = NadarayaWatsonRegressor(bandwidth=0.8, degree=1).fit(X, y)
    weights, slopes = model.attention_weights(Q), model.local_slopes(Q)
    rows = drawn(weights, np.arange(len(y)), 9, 1)
    moved = y[rows] + np.einsum("qsj,qjm->qsm", Q[:, None] - X[rows], slopes)
    np.testing.assert_allclose(model.sample(Q, 9, random_state=1), moved, rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
def test_algorithm_and_n_jobs_do_not_change_results(degree, rng):
    X, y, Q, _ = make_data(rng, n=3000)
    models = [
        NadarayaWatsonRegressor(bandwidth=0.2, degree=degree, algorithm=way, n_jobs=n_jobs)
        for way, n_jobs in (("dense", 1), ("blocks", 1), ("blocks", 2))
    ]
    one, other, threads = (model.fit(X, y) for model in models)
    for method, options in (("sample", (5, 0)), ("predict_density", (GRID,))):
        expected, found = getattr(one, method)(Q, *options), getattr(other, method)(Q, *options)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(getattr(threads, method)(Q, *options), found)


def test_weights_count_as_copies(rng):
    X, y, Q, _ = make_data(rng)
    counts = rng.integers(1, 4, len(y))
    weighted = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y, counts)
    copied = NadarayaWatsonRegressor(bandwidth=0.5).fit(X.repeat(counts, 0), y.repeat(counts))
    np.testing.assert_array_equal(weighted.sample(Q, 6, 0), copied.sample(Q, 6, 0))
    expected = copied.predict_density(Q, GRID)
    np.testing.assert_allclose(weighted.predict_density(Q, GRID), expected, rtol=1e-9, atol=1e-300)


def test_draws_after_a_search_or_with_varying_widths(rng):
    X, y, Q, _ = make_data(rng)
    for model in (NadarayaWatsonRegressorCV(), NadarayaWatsonRegressor(bandwidth=KNearest(7))):
        model.fit(X, y)
        assert np.isfinite(model.sample(Q, 3)).all()
        total = trapezoid(model.predict_density(Q, np.linspace(-9, 19, 999)), dx=28 / 998)
        np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "2", None])
def test_n_samples_must_be_a_positive_integer(wrong, rng):
    X, y, Q, _ = make_data(rng)
    with pytest.raises(ValueError, match=r"n_samples must be a positive integer; got"):
        NadarayaWatsonRegressor().fit(X, y).sample(Q, wrong)


# -- the density ---------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["nearest", "mean"])
def test_density_equals_scipy_with_the_weights(kernel, empty, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, [0.6, 0.7], handle_empty=empty).fit(X, y)
    density = model.predict_density(Q, GRID)
    for row, weights in zip(density, attention(Q, X, kernel, [0.6, 0.7], empty=empty)):
        if 1 / (weights @ weights) > 1 + 1e-9:
            expected = gaussian_kde(y, weights=weights)(GRID)
        else:
            expected = norm.pdf(GRID, y[weights.argmax()], y.std())
        np.testing.assert_allclose(row, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("degree", [0, 1])
def test_density_with_a_given_bandwidth(degree, rng):
    X, y, Q, weight = make_data(rng, n_outputs=2)
    model = NadarayaWatsonRegressor(bandwidth=0.6, degree=degree).fit(X, y, weight)
    weights = attention(Q, X, "gaussian", 0.6, weight)
    slopes = model.local_slopes(Q) if degree else np.zeros((len(Q), 2, 2))
    moved = y + np.einsum("qij,qjm->qim", Q[:, None] - X, slopes)
    expected = np.einsum("qi,qigm->qgm", weights, norm.pdf(GRID[:, None], moved[:, :, None], 0.4))
    np.testing.assert_allclose(model.predict_density(Q, GRID, 0.4), expected, rtol=1e-7)


def test_density_of_X_none_leaves_each_row_out(rng):
    X, y, _, _ = make_data(rng)
    weights = attention(X, X, "gaussian", 0.5, leave_self_out=True)
    expected = [gaussian_kde(y, weights=w)(GRID) for w in weights]
    found = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict_density(None, GRID)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-300)


@pytest.mark.parametrize("degree", [0, 1])
def test_density_integrates_to_one(kernel, degree, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, 0.8, degree=degree).fit(X, 1e6 * y)
    grid = np.linspace(-30e6, 40e6, 4001)
    density = model.predict_density(Q, grid)
    assert (density >= 0).all()
    np.testing.assert_allclose(trapezoid(density, grid), 1, atol=1e-6)


def test_density_has_the_units_of_y(rng):
    X, y, Q, _ = make_data(rng)
    one = NadarayaWatsonRegressor().fit(X, y).predict_density(Q, GRID)
    for unit in (1e-150, 1e150):
        other = NadarayaWatsonRegressor().fit(X, unit * y).predict_density(Q, unit * GRID)
        np.testing.assert_allclose(unit * other, one, rtol=1e-9, atol=1e-300)


def test_equal_targets_in_a_window_use_the_spread_of_all():
    X, y = [[0], [0], [9], [9]], np.array([1.0, 1, 3, 5])
    model = NadarayaWatsonRegressor("boxcar", 1.0).fit(X, y)
    expected = norm.pdf([0, 1, 2], 1, y.std() * 2**-0.2)
    np.testing.assert_allclose(model.predict_density([[0]], [0, 1, 2])[0], expected, rtol=1e-12)


def test_constant_targets_need_a_given_bandwidth():
    model = NadarayaWatsonRegressor().fit([[0], [1], [2]], [3, 3, 3])
    expected = norm.pdf([2, 3], 3, 0.5)
    np.testing.assert_allclose(model.predict_density([[1]], [2, 3], 0.5)[0], expected, rtol=1e-12)
    with pytest.raises(ValueError, match=r"bandwidth='scott' needs training targets y that differ"):
        model.predict_density([[1]], [2, 3])


@pytest.mark.parametrize("wrong", [0, -1, np.nan, np.inf, "silverman", None, True, [1.0]])
def test_target_bandwidth_is_validated(wrong, rng):
    X, y, Q, _ = make_data(rng)
    with pytest.raises(ValueError, match=r"bandwidth must be 'scott' or a positive number"):
        NadarayaWatsonRegressor().fit(X, y).predict_density(Q, GRID, wrong)


@pytest.mark.parametrize("wrong", [[], [[1, 2]], "a", [np.nan]])
def test_grid_is_validated(wrong, rng):
    X, y, Q, _ = make_data(rng)
    with pytest.raises(ValueError, match=r"y_grid must be a number or a list of numbers"):
        NadarayaWatsonRegressor().fit(X, y).predict_density(Q, wrong)


# -- both ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sample", "predict_density"])
def test_empty_neighbourhoods(method):
    X, y, Q, options = [[0], [1]], [3, 4], [[0.2], [7]], (1,)
    model = NadarayaWatsonRegressor("boxcar", 1.0, handle_empty="nan").fit(X, y)
    np.testing.assert_array_equal(
        np.isnan(getattr(model, method)(Q, *options)).ravel(), [False, True]
    )
    model.set_params(handle_empty="error")
    with pytest.raises(ValueError, match="No training row has weight for 1 of 2 queries"):
        getattr(model, method)(Q, *options)


@pytest.mark.parametrize("method", ["sample", "predict_density"])
def test_an_unfitted_model_or_a_classifier_is_refused(method):
    with pytest.raises(NotFittedError):
        getattr(NadarayaWatsonRegressor(), method)([[0]], 1)
    assert not hasattr(NadarayaWatsonClassifier(), method)


@pytest.mark.parametrize("method", ["sample", "predict_density"])
@pytest.mark.parametrize("degree", [0, 1])
def test_methods_hold_no_full_matrix(method, degree, rng):
    X, y, Q = rng.standard_normal((3000, 2)), rng.standard_normal(3000), np.zeros((3000, 2))
    model = NadarayaWatsonRegressor(bandwidth=0.2, degree=degree, n_jobs=1).fit(X, y)
    tracemalloc.start()
    getattr(model, method)(Q, 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 / 2
