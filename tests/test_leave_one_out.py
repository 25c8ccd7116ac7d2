"""Leave-one-out for many bandwidths at once, against formulas, predict(None) and n refits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, attention_by_distance, refit_without_each
from sklearn import config_context
from sklearn.metrics import pairwise_distances

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr._leave_one_out import LeaveOneOut
from nwkr._pooling import Attention, Mask, Sizes
from nwkr._resolve_window import resolve_window
from nwkr._window import FixedWindow
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

LADDERS = {
    "sqrt 2": [0.1 * 2 ** (j / 2) for j in range(10)],
    "finer, unsorted": [0.6 * 2 ** (j / 4) for j in (3, -5, 0, 1, 2, -6, -2, 7)],
    "unrelated": [0.31, 1.7, 0.3, 8.0, 1e-3, 1e6],
    "per feature": [[0.5, 1.0], [1.0, 2.0], [0.25, 0.5], [0.5, 1.0001], [0.5, 0.7], [1e-3, 2e-3]],
    "off and exact": [0.0, np.inf, [0.0, 0.5], [0.0, 1.0], [np.inf, 0.5], [0.0, np.inf]],
    "widths": [KNearest(1), KNearest(4), Adaptive(), Adaptive(0.5, 0.9)],
    "all kinds": ["scott", 0.7, KNearest(3), [0.5, 1.0], Adaptive(), [1.0, 2.0], np.inf, 1.4],
}
# Quantities that are the same whether a row is left out or not.
ALIKE = [[b for b in ladder if not isinstance(b, KNearest)] for ladder in LADDERS.values()]
METRICS = ["euclidean", "manhattan", "cosine", "precomputed"]


@pytest.fixture
def data(rng):
    """Rows, some repeated, many equal in one column; targets; weights."""
    X = np.column_stack([rng.integers(0, 4, 30) / 2, rng.normal(size=30)])
    X[[3, 7]] = X[12]
    return X, rng.normal(size=(30, 2)), rng.uniform(0.2, 3, 30)


@pytest.fixture
def few(rng):
    """Few rows, so that each can be left out by a refit; some without weight."""
    X = np.column_stack([rng.integers(0, 3, 7) / 2, rng.normal(size=7)])
    X[4] = X[6]
    targets = {
        "one": rng.normal(size=7),
        "several": rng.normal(size=(7, 3)),
        "classes": np.arange(7) % 2,
    }
    return X, targets, rng.uniform(0.2, 3, 7) * (np.arange(7) != 1)


def leave_one_out(
    X, values, weights, kernel, metric="euclidean", empty="nearest", rows=None, **options
):
    rows = np.arange(len(X)) if rows is None else rows
    weights = np.ones(len(X)) if weights is None else weights
    attention = Attention(
        X[rows], X, weights / weights.max(), KERNELS[kernel],
        metric=metric, leave_out=rows, counts=weights, empty=empty, **options,
    )  # fmt: skip
    return LeaveOneOut(attention, values.reshape(len(X), -1))


def windows_of(bandwidths, X, weights, kernel, metric="euclidean"):
    weights = np.ones(len(X)) if weights is None else weights
    return [resolve_window(b, X, weights, KERNELS[kernel], metric) for b in bandwidths]


def fits_of(bandwidths, X, y, weights, kernel, metric="euclidean", empty="nearest", **kwargs):
    windows = windows_of(bandwidths, X, weights, kernel, metric)
    return leave_one_out(X, y, weights, kernel, metric, empty, **kwargs).fits(windows)


# -- predictions --------------------------------------------------------------------------


@pytest.mark.parametrize("ladder", LADDERS)
def test_every_bandwidth_gives_the_result_of_predict(ladder, kernel, data):
    X, y, weights = data
    for empty in ("nearest", "mean", None):
        fits = fits_of(LADDERS[ladder], *data, kernel, empty=empty)
        for bandwidth, fit in zip(LADDERS[ladder], fits):
            model = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty=empty or "nan")
            expected = model.fit(X, y, weights).predict(None)
            assert_allclose(fit.predictions, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("ladder", ["sqrt 2", "finer, unsorted", "unrelated", "per feature"])
def test_every_bandwidth_gives_the_formula(ladder, kernel, data):
    X, y, weights = data
    for empty in ("nearest", "mean", None):
        fits = fits_of(LADDERS[ladder], X, y, weights, kernel, empty=empty)
        for bandwidth, fit in zip(LADDERS[ladder], fits):
            if kernel in ("gaussian", "exponential") and np.min(bandwidth) < 0.01:
                continue  # the plain formula underflows
            expected = attention(X, X, kernel, bandwidth, weights, True, empty or "nan") @ y
            assert_allclose(fit.predictions, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("target", "empty", "weighted"),
    [
        ("one", "nearest", False),
        ("one", "nearest", True),
        ("one", "mean", True),
        ("one", "nan", True),
        ("several", "nearest", True),
        ("classes", "nearest", False),
        ("classes", "mean", True),
    ],
)
def test_every_bandwidth_gives_the_result_of_refits(target, empty, weighted, kernel, few):
    X, targets, weights = few
    y, weights = targets[target], weights if weighted else None
    Estimator = NadarayaWatsonClassifier if target == "classes" else NadarayaWatsonRegressor
    values = np.eye(2)[y] if target == "classes" else y.reshape(len(y), -1)
    # A row without weight is ignored here and in the refits.
    counted = np.ones(len(X), bool) if weights is None else weights > 0
    of_counted = None if weights is None else weights[counted]
    bandwidths = [0.15, [0.5, 0.7], [0.0, 0.5], 0.0]
    fits = fits_of(bandwidths, X[counted], values[counted], of_counted, kernel, empty=empty)
    for bandwidth, fit in zip(bandwidths, fits):
        model = Estimator(kernel, bandwidth, handle_empty=empty)
        with config_context(assume_finite=True, skip_parameter_validation=True):
            expected = refit_without_each(model, X, y, weights).reshape(len(X), -1)
        assert_allclose(fit.predictions, expected[counted], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", ["manhattan", "cosine"])
def test_other_metrics_give_the_result_of_refits(metric, kernel, few):
    X, targets, weights = few
    X, y = X[weights > 0] + 2, targets["one"][weights > 0]
    weights = weights[weights > 0]
    scale = np.median(pairwise_distances(X, metric=metric))
    bandwidths = [0.1 * scale, 0.6 * scale, 1.2 * scale]
    for bandwidth, fit in zip(bandwidths, fits_of(bandwidths, X, y, weights, kernel, metric)):
        model = NadarayaWatsonRegressor(kernel, bandwidth, metric=metric)
        expected = refit_without_each(model, X, y, weights)
        assert_allclose(fit.predictions.ravel(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
def test_other_metrics_give_the_formula(metric, kernel, data):
    X, y, weights = data
    X = X + np.array([1.0, 2.0])
    D = pairwise_distances(X, metric="euclidean" if metric == "precomputed" else metric)
    keys = D if metric == "precomputed" else X
    bandwidths = [s * np.median(D) for s in (0.02, 0.3, 0.3 * np.sqrt(2), 0.6)]
    bandwidths += [KNearest(1), KNearest(5), "scott"] + ([] if metric == "cosine" else [0.0])
    for bandwidth, fit in zip(bandwidths, fits_of(bandwidths, keys, y, weights, kernel, metric)):
        model = NadarayaWatsonRegressor(kernel, bandwidth, metric=metric).fit(keys, y, weights)
        assert_allclose(fit.predictions, model.predict(None), rtol=1e-10, atol=1e-10)
        if isinstance(bandwidth, float) and kernel not in ("gaussian", "exponential"):
            plain = attention_by_distance(D, bandwidth, kernel, weights, np.arange(30), "nearest")
            assert_allclose(fit.predictions, plain @ y, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("ladder", LADDERS)
def test_a_subset_of_rows_gives_the_same_predictions(ladder, kernel, data):
    rows = np.array([2, 3, 7, 11, 12, 29])
    every = fits_of(LADDERS[ladder], *data, kernel)
    for whole, some in zip(every, fits_of(LADDERS[ladder], *data, kernel, rows=rows)):
        assert_allclose(some.predictions, whole.predictions[rows], rtol=1e-11, atol=1e-12)
        assert_allclose(some.leverages, whole.leverages[rows], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("ladder", ["sqrt 2", "all kinds"])
def test_n_jobs_does_not_change_results(ladder, kernel, data):
    sizes = Sizes(queries_per_tile=8)
    alone, together = (
        fits_of(LADDERS[ladder], *data, kernel, n_jobs=n_jobs, sizes=sizes) for n_jobs in (1, 3)
    )
    for fit, other in zip(alone, together):
        assert_array_equal(fit.predictions, other.predictions)
        assert_array_equal(fit.leverages, other.leverages)


def test_a_class_with_one_row(kernel, rng):
    """With this row left out, its class has no row."""
    X, codes = rng.normal(size=(12, 2)), np.r_[np.arange(11) % 2, 2]
    for fit in fits_of([0.2, 0.5, 2.0, 0.0], X, np.eye(3)[codes], None, kernel):
        assert_array_equal(fit.predictions[11, 2], 0)
        assert_allclose(fit.predictions.sum(axis=1), 1)
        # The row is a neighbour of all others.
        assert np.isfinite(fit.predictions).all()


def test_two_rows_predict_each_other(kernel):
    X, y = np.array([[0.0], [1.0]]), np.array([3.0, -2.0])
    for fit in fits_of([1e-3, 0.5, 2.0, 0.0, np.inf, KNearest(1), Adaptive()], X, y, None, kernel):
        assert_allclose(fit.predictions.ravel(), y[::-1])


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_scale_of_the_columns_cancels(scale, kernel, data):
    X, y, weights = data
    ladder = np.array([0.13 * 2 ** (j / 2) for j in range(8)])
    for fit, scaled in zip(
        fits_of(ladder, X, y, weights, kernel),
        fits_of(scale * ladder, X * scale, y, weights, kernel),
    ):
        assert_allclose(scaled.predictions, fit.predictions, rtol=1e-9, atol=1e-9)


def test_float32_rows_agree(kernel, rng):
    X = rng.normal(size=(60, 2)).astype(np.float32)
    y = rng.normal(size=60)
    ladder = [0.3 * 2 ** (j / 2) for j in range(5)]
    for bandwidth, fit in zip(ladder, fits_of(ladder, X, y, None, kernel)):
        expected = attention(X, X, kernel, bandwidth, 1.0, True, "nearest") @ y
        assert_allclose(fit.predictions.ravel(), expected, atol=1e-4)


# -- each row's weight in its own prediction ------------------------------------------------


@pytest.mark.parametrize("ladder", ALIKE, ids=list(LADDERS))
def test_leverages_are_the_diagonal_of_the_smoother(ladder, kernel, data):
    X, y, weights = data
    for weight in (None, weights):
        for bandwidth, fit in zip(ladder, fits_of(ladder, X, y, weight, kernel)):
            model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y, weight)
            diagonal = np.diag(model.attention_weights_)
            assert_allclose(fit.leverages, diagonal, rtol=1e-9, atol=1e-12, err_msg=str(bandwidth))


@pytest.mark.parametrize("metric", ["manhattan", "precomputed"])
def test_leverages_with_other_metrics(metric, kernel, data):
    X, y, weights = data
    keys = pairwise_distances(X) if metric == "precomputed" else X
    for bandwidth, fit in zip([0.1, 0.9], fits_of([0.1, 0.9], keys, y, weights, kernel, metric)):
        model = NadarayaWatsonRegressor(kernel, bandwidth, metric=metric).fit(keys, y, weights)
        assert_allclose(fit.leverages, np.diag(model.attention_weights_), rtol=1e-9)


@pytest.mark.parametrize("ladder", ALIKE, ids=list(LADDERS))
def test_fitted_values_are_predictions_of_the_training_rows(ladder, kernel, data):
    X, y, weights = data
    fits = (fits_of(ladder, *data, kernel, empty=empty) for empty in ("nearest", "mean", None))
    for bandwidth, *each in zip(ladder, *fits):
        expected = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y, weights).predict(X)
        for fit in each:
            got = fit.fitted
            assert_allclose(got, expected, rtol=1e-9, atol=1e-9, err_msg=str(bandwidth))


@pytest.mark.parametrize("k", [1, 4])
def test_fitted_values_count_a_row_among_its_own_nearest(k, kernel, data):
    """In its own prediction, a row counts among its k nearest; left out, it does not."""
    X, y, weights = data
    (fit,) = fits_of([KNearest(k)], *data, kernel)
    model = NadarayaWatsonRegressor(kernel, KNearest(k)).fit(X, y, weights)
    assert_allclose(fit.leverages, np.diag(model.attention_weights_), rtol=1e-9, atol=1e-12)
    assert_allclose(fit.fitted, model.predict(X), rtol=1e-9, atol=1e-9)


# -- empty neighbourhoods ---------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["nearest", None])
def test_empty_rows_are_counted(empty, kernel, data):
    X, y, weights = data
    ladder = [*LADDERS["sqrt 2"], 1e-3, 1e-9, 0.0, np.inf, [0.0, 0.2], [0.0, np.inf]]
    for bandwidth, fit in zip(ladder, fits_of(ladder, X, y, weights, kernel, empty=empty)):
        n_empty = 0
        widths = np.broadcast_to(bandwidth, 2)
        for i, row in enumerate(X):
            n_empty += not any(
                _has_weight(np.abs(row - other), widths, KERNELS[kernel].support)
                for j, other in enumerate(X)
                if j != i
            )
        assert fit.empty_share == pytest.approx(n_empty / len(X), abs=1e-12), bandwidth
        if empty is None:
            assert np.isnan(fit.predictions).any(axis=1).sum() == n_empty
        else:
            assert np.isfinite(fit.predictions).all()


def _has_weight(differences, widths, support):
    u2 = 0.0
    for difference, width in zip(differences, widths):
        if width == 0 and difference > 0:
            return False
        u2 += 0.0 if width == 0 else (difference / width) ** 2
    return u2 <= support**2


def test_error_and_nan_apply_to_rows_without_weight_only(kernel, data):
    """With handle_empty="error" a fit raises if, and only if, handle_empty="nan" gives NaN."""
    X, y, weights = data
    for bandwidth, fit in zip(
        [0.02, 0.3, 5.0], fits_of([0.02, 0.3, 5.0], *data, kernel, empty=None)
    ):
        model = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty="error").fit(X, y, weights)
        if np.isnan(fit.predictions).any():
            with pytest.raises(ValueError, match="No training row has weight"):
                model.predict(None)
        else:
            assert_allclose(model.predict(None), fit.predictions, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_rows_are_pooled_only_as_a_criterion_needs_them(masked, monkeypatch, rng):
    X, y, groups = rng.normal(size=(30, 2)), rng.normal(size=(30, 1)), np.arange(30.0) // 2
    mask = Mask(groups, groups, groups) if masked else None
    attention = Attention(
        X, X, np.ones(30), KERNELS["gaussian"], leave_out=np.arange(30), counts=np.ones(30),
        mask=mask,
    )  # fmt: skip
    pooled, pool_each = [], Attention.pool_each

    def noted(self, values, multiples):
        pooled.append((self.leave_out is not None, len(multiples)))
        return pool_each(self, values, multiples)

    monkeypatch.setattr(Attention, "pool_each", noted)

    def pooled_for(widths, *names):
        windows = [FixedWindow(np.full(2, width)) for width in widths]
        pooled.clear()
        for fit in LeaveOneOut(attention, y).fits(windows):
            for name in names:
                getattr(fit, name)
        return pooled

    assert pooled_for([0.5], "predictions") == [(True, 1)]
    assert pooled_for([0.5], "fitted", "leverages") == [(False, 1)]
    assert pooled_for([0.5, 1.0, 2.0], "predictions") == [(True, 3)]
    with_itself = [(True, 3), (False, 3)] if masked else [(True, 3)]
    assert pooled_for([0.5, 1.0, 2.0], "predictions", "fitted") == with_itself
