"""Prediction intervals: equal to those of n fits, and they reach their coverage."""

from functools import cache

import numpy as np
import pytest
from means import NadarayaWatsonRegressorCV
from oracles import attention
from scipy.spatial.distance import cdist
from sklearn.base import clone

from nwkr import NadarayaWatsonRegressor
from nwkr._jackknife import jackknife_limits
from nwkr._pooling import Sizes
from nwkr.bandwidths import KNearest
from nwkr.kernels import KERNELS


def make_data(rng, n=24, n_outputs=None):
    X = rng.standard_normal((n, 2))
    y = rng.standard_normal(n if n_outputs is None else (n, n_outputs)) + 5
    Q = np.vstack([rng.standard_normal((5, 2)), X[:1], [[9, 9]]])
    return X, y, Q, rng.integers(1, 4, n).astype(float)


def without_each(model, X, y, weight=None):
    """Estimators fitted without one row each."""
    n = len(X)
    weight = np.ones(n) if weight is None else weight
    others = [np.arange(n) != i for i in range(n)]
    return [clone(model).fit(X[rest], y[rest], weight[rest]) for rest in others]


def by_refits(model, X, y, Q, coverage, weight=None, scaled=False, models=None):
    """Intervals from n estimators, each fitted without one row."""
    n = len(X)
    models = models or without_each(model, X, y, weight)
    weight = np.ones(n) if weight is None else weight
    others = [np.arange(n) != i for i in range(n)]
    predictions = [m.predict(np.vstack([Q, X[[i]]])) for i, m in enumerate(models)]
    residuals = np.abs([y[i] - of_model[-1] for i, of_model in enumerate(predictions)])
    fits = np.array([of_model[:-1] for of_model in predictions])
    reach = residuals[:, None] * np.ones(len(Q))
    if scaled:
        squares = residuals**2
        squares[np.isnan(squares)] = np.nanmean(squares) if not np.isnan(squares).all() else 0
        for i, m in enumerate(models):
            weights = m.attention_weights(np.vstack([Q, X[[i]]]))
            scales = np.sqrt(weights @ squares[others[i]])
            reach[i] *= scales[:-1] / scales[-1]
    upper = [order_statistic(column, weight, coverage) for column in (fits + reach).T]
    lower = [-order_statistic(column, weight, coverage) for column in (reach - fits).T]
    intervals = np.column_stack([lower, upper])
    intervals[np.isnan(clone(model).fit(X, y, weight).predict(Q))] = np.nan
    return intervals


def order_statistic(numbers, counts, coverage):
    """The ceil(coverage (n + 1))-th smallest number, counted by weight; NaN is the largest."""
    numbers = np.where(np.isnan(numbers), np.inf, numbers)
    counted, wanted = 0, coverage * (counts.sum() + 1) * (1 - 1e-12)
    for number in np.argsort(numbers):
        counted += counts[number]
        if counted >= wanted:
            return numbers[number]
    return np.inf


@pytest.mark.parametrize(
    ("bandwidth", "handle_empty"),
    # Wide windows are never empty.
    [
        (0.3, "nearest"),
        (0.3, "mean"),
        (0.3, "nan"),
        ([1.0, 2.0], "nearest"),
        (KNearest(4), "nearest"),
    ],
    ids=str,
)
def test_intervals_equal_those_of_n_fits(kernel, bandwidth, handle_empty, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty=handle_empty).fit(X, y)
    models = without_each(model, X, y)
    for method in ("jackknife+", "scaled"):
        expected = by_refits(model, X, y, Q, 0.8, scaled=method == "scaled", models=models)
        found = model.predict_interval(Q, coverage=0.8, method=method)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", ["jackknife+", "scaled"])
@pytest.mark.parametrize("bandwidth", [0.5, KNearest(6)], ids=str)
@pytest.mark.parametrize("name", ["gaussian", "boxcar", "biweight"])
def test_weighted_intervals_equal_those_of_n_fits(name, bandwidth, method, rng):
    X, y, Q, weight = make_data(rng)
    model = NadarayaWatsonRegressor(name, bandwidth).fit(X, y, weight)
    expected = by_refits(model, X, y, Q, 0.75, weight, scaled=method == "scaled")
    found = model.predict_interval(Q, coverage=0.75, method=method)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_rows_without_weight_are_ignored(rng):
    X, y, Q, weight = make_data(rng)
    weight[::5] = 0
    present = weight > 0
    whole = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y, weight)
    part = NadarayaWatsonRegressor(bandwidth=0.5).fit(X[present], y[present], weight[present])
    np.testing.assert_allclose(whole.predict_interval(Q), part.predict_interval(Q), rtol=1e-12)


def test_equal_weights_count_as_rows(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.5)
    by_twos = model.fit(X, y, np.full(24, 2.0)).predict_interval(Q, 0.9)
    np.testing.assert_allclose(by_twos, by_refits(model, X, y, Q, 0.9, np.full(24, 2.0)))


@pytest.mark.parametrize("metric", ["cityblock", "precomputed"])
@pytest.mark.parametrize("bandwidth", [0.7, KNearest(5)], ids=str)
def test_intervals_with_other_metrics(metric, bandwidth, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor("tricube", bandwidth, metric="cityblock").fit(X, y)
    expected = by_refits(model, X, y, Q, 0.8)
    if metric == "precomputed":
        model.set_params(metric=metric).fit(cdist(X, X, "cityblock"), y)
        Q = cdist(Q, X, "cityblock")
    np.testing.assert_allclose(model.predict_interval(Q, 0.8), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", ["jackknife+", "scaled", "quantile"])
def test_intervals_of_several_outputs_equal_those_of_each(method, rng):
    X, Y, Q, _ = make_data(rng, n_outputs=3)
    together = NadarayaWatsonRegressor(bandwidth=0.7).fit(X, Y).predict_interval(Q, 0.8, method)
    assert together.shape == (7, 2, 3)
    for number in range(3):
        alone = NadarayaWatsonRegressor(bandwidth=0.7).fit(X, Y[:, number])
        expected = alone.predict_interval(Q, 0.8, method)
        np.testing.assert_allclose(together[:, :, number], expected, rtol=1e-10)


def test_duplicates_share_a_window(rng):
    # A pair of rows alone in the window: half the weight each, or all of it with the other left
    # out.
    X, y = np.r_[0, 0, 5, 5, 9.0][:, None], np.r_[1, 3, 4, 8, 2.0]
    model = NadarayaWatsonRegressor("boxcar", 1.0).fit(X, y)
    found = model.predict_interval([[0.0], [5], [9]], 0.5)
    np.testing.assert_allclose(found, by_refits(model, X, y, np.r_[0, 5, 9.0][:, None], 0.5))


def test_quantile_intervals_are_conditional_quantiles(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.7).fit(X, y)
    for X in (Q, None):
        found = model.predict_interval(X, 0.8, "quantile")
        np.testing.assert_array_equal(found, model.predict_quantiles(X, [0.1, 0.9]))


@pytest.mark.parametrize("method", ["jackknife+", "scaled"])
def test_empty_neighbourhoods_have_no_intervals(method, rng):
    X, y, _, _ = make_data(rng)
    model = NadarayaWatsonRegressor("boxcar", 1.0, handle_empty="nan").fit(X, y)
    assert np.isnan(model.predict_interval([[50.0, 0.0]], method=method)).all()


@pytest.mark.parametrize("method", ["jackknife+", "scaled"])
def test_too_few_rows_give_infinite_intervals(method, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor()
    assert np.isinf(model.fit(X[:8], y[:8]).predict_interval(Q, 0.9, method)).all()
    assert np.isfinite(model.fit(X[:9], y[:9]).predict_interval(Q, 0.9, method)).all()
    constant = model.fit(X[:8], np.ones(8)).predict_interval(Q, 0.9, method)
    np.testing.assert_array_equal(constant, np.tile([-np.inf, np.inf], (7, 1)))


@pytest.mark.parametrize("counts", [np.ones(99), np.repeat([1.0, 2.0], [51, 24])], ids=["1", "2"])
def test_rounding_of_the_coverage_requires_no_further_row(counts):
    """In floats, 0.55 times 100 is a little more than 55."""
    reach = np.arange(1.0, len(counts) + 1)[None]
    lower, upper = jackknife_limits(np.zeros_like(reach), reach, counts, 0.55)
    expected = 1 + np.searchsorted(counts.cumsum(), 55)
    assert upper == -lower == expected


@pytest.mark.parametrize("method", ["jackknife+", "scaled"])
def test_a_constant_has_intervals_of_zero_width(kernel, method, rng):
    X, _, Q, _ = make_data(rng)
    found = (
        NadarayaWatsonRegressor(kernel).fit(X, np.full(24, 0.1)).predict_interval(Q, 0.9, method)
    )
    np.testing.assert_array_equal(found, np.full((7, 2), 0.1))


def test_intervals_shift_and_scale_with_the_targets(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.7)
    for method in ("jackknife+", "scaled"):
        found = model.fit(X, y).predict_interval(Q, 0.8, method)
        moved = model.fit(X, 1e-3 * y + 1e6).predict_interval(Q, 0.8, method)
        np.testing.assert_allclose((moved - 1e6) * 1e3, found, atol=1e-6)


def test_intervals_of_a_search_use_its_bandwidth(rng):
    X, y, Q, _ = make_data(rng)
    chosen = NadarayaWatsonRegressorCV().fit(X, y)
    plain = NadarayaWatsonRegressor(bandwidth=chosen.bandwidth_).fit(X, y)
    np.testing.assert_array_equal(chosen.predict_interval(Q), plain.predict_interval(Q))


def test_threads_and_blocks_do_not_change_intervals(rng):
    X, y = rng.standard_normal((300, 2)), rng.standard_normal(300)
    model = NadarayaWatsonRegressor("epanechnikov", 0.3, n_jobs=1).fit(X, y)
    Q = rng.standard_normal((200, 2))
    found = model.predict_interval(Q, method="scaled")
    model._sizes = Sizes(pairs_per_interval=1)
    threads = model.set_params(n_jobs=2).predict_interval(Q, method="scaled")
    np.testing.assert_allclose(threads, found, rtol=1e-12)


# -- coverage ------------------------------------------------------------------------------


@cache
def simulated_coverage(method, noise, n_sets=200, n=100):
    """Mean share of new targets within intervals of coverage 0.9, by thirds of the range."""
    rng = np.random.default_rng(7)
    held = np.empty((n_sets, 3))
    for number in range(n_sets):
        X = rng.random((n + 90, 1))
        X[n:, 0] = np.sort(X[n:, 0])
        y = np.sin(6 * X[:, 0]) + noise(X[:, 0]) * rng.standard_normal(len(X))
        model = NadarayaWatsonRegressor(bandwidth=0.06).fit(X[:n], y[:n])
        lower, upper = model.predict_interval(X[n:], method=method).T
        held[number] = ((lower <= y[n:]) & (y[n:] <= upper)).reshape(3, -1).mean(axis=1)
    return held.mean(axis=0)


def even(x):
    return 0.3


def growing(x):
    return 0.05 + 0.6 * x


@pytest.mark.parametrize("noise", [even, growing])
@pytest.mark.parametrize("method", ["jackknife+", "scaled"])
def test_coverage_is_reached(method, noise):
    assert 0.88 <= simulated_coverage(method, noise).mean() <= 0.94


def test_only_scaled_intervals_cover_equally_everywhere():
    plain, scaled = (simulated_coverage(method, growing) for method in ("jackknife+", "scaled"))
    assert plain[0] > 0.97
    assert plain[2] < 0.8
    assert (scaled > 0.88).all()
    assert (scaled < 0.93).all()


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, 1, -0.5, 90, np.nan, "0.9", None, True])
def test_coverage_must_be_a_probability(wrong, rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor().fit(X, y)
    for method in (model.predict_interval, model.predict_band):
        with pytest.raises(ValueError, match="coverage must be a number between 0 and 1; got"):
            method(Q, coverage=wrong)


def test_unknown_methods_are_refused(rng):
    X, y, Q, _ = make_data(rng)
    with pytest.raises(ValueError, match=r"method must be one of \['jackknife\+', .*; got 'cv\+'"):
        NadarayaWatsonRegressor().fit(X, y).predict_interval(Q, method="cv+")


@pytest.mark.parametrize("method", ["jackknife+", "scaled"])
def test_X_none_is_refused(method, rng):
    X, y, _, _ = make_data(rng)
    with pytest.raises(ValueError, match="X must be rows for method="):
        NadarayaWatsonRegressor().fit(X, y).predict_interval(None, method=method)


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="got 1 sample"):
        NadarayaWatsonRegressor().fit([[0.0]], [1]).predict_interval([[0.0]])


def test_a_window_that_leaving_out_empties_raises_with_handle_empty_error():
    X, y = np.r_[0, 0.1, 5, 5.1][:, None], np.arange(4.0)
    model = NadarayaWatsonRegressor("boxcar", 1.0, handle_empty="error").fit(X, y)
    with pytest.raises(ValueError, match="No training row has weight for 1 of 2 queries"):
        model.predict_interval([[0.0], [2.5]])
    with pytest.raises(ValueError, match="Without row 0 no row has weight for some query"):
        model.predict_interval([[-0.95]])
    alone = NadarayaWatsonRegressor("boxcar", 1.0, handle_empty="error").fit(X[:3], y[:3])
    with pytest.raises(ValueError, match="the first of them row 2"):
        alone.predict_interval([[0.0]])


def test_the_oracle_equals_the_plain_formula(rng):
    # Without the library: a fit without a row is the formula over all others.
    X, y, Q, _ = make_data(rng)
    n, rows = len(X), np.arange(len(X))
    for kernel in KERNELS:
        without = np.array(
            [attention(Q, X[rows != i], kernel, 2.0, empty="nearest") @ y[rows != i] for i in rows]
        )
        left_out = attention(X, X, kernel, 2.0, leave_self_out=True, empty="nearest") @ y
        residuals = np.abs(y - left_out)[:, None]
        place = int(np.ceil(0.8 * (n + 1)))
        lower = np.sort(without - residuals, axis=0)[n - place]
        upper = np.sort(without + residuals, axis=0)[place - 1]
        found = NadarayaWatsonRegressor(kernel, 2.0).fit(X, y).predict_interval(Q, 0.8)
        np.testing.assert_allclose(found, np.column_stack([lower, upper]), rtol=1e-10)
