"""Groups, gaps and the past: training rows are predicted without more rows than themselves."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)
from nwkr.bandwidths import KNearest
from nwkr.kernels import KERNELS

N = 24
LEFT_OUT = ["groups", "past", "rows", "column", "past and gap"]


def make_data(rng, n=N):
    """Rows in random order of time; some times are equal."""
    X = rng.standard_normal((n, 2))
    X[:, 1] = np.round(X[:, 1], 1)
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.standard_normal(n)
    return X, y, rng.integers(0, 9, n)


def options_of(kind, groups):
    """Parameters of a search, and further arguments of `fit`."""
    return {
        "groups": ({}, {"groups": groups}),
        "rows": ({"gap": 4}, {}),
        "column": ({"gap": (1, 0.25)}, {}),
        "past": ({"one_sided": 1}, {}),
        "past and gap": ({"one_sided": 1, "gap": (1, 0.25)}, {}),
    }[kind]


def kept(kind, X, groups):
    """The rows that each row is predicted from, as a mask (n, n)."""
    apart = X[:, [1]].T - X[:, [1]]  # a column of the other row minus that of the row
    number = np.arange(len(X))
    return {
        "groups": groups[:, None] != groups,
        "rows": np.abs(number[:, None] - number) > 4,
        "column": np.abs(apart) > 0.25 + 1e-9,
        "past": apart < -1e-9,
        "past and gap": apart < -0.25 - 1e-9,
    }[kind]


def refitted(model, X, y, keep, weight=None):
    """Predictions of each row by a fit to the rows kept for it."""
    found = np.full(len(X), np.nan)
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for number in np.flatnonzero(keep.any(axis=1)):
            some = keep[number]
            model.fit(X[some], y[some], None if weight is None else weight[some])
            found[number] = model.predict(X[[number]])[0]
    return found


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        *((kernel, kind) for kernel in sorted(KERNELS) for kind in ("groups", "past")),
        *((kernel, kind) for kernel in ("gaussian", "triangular") for kind in LEFT_OUT[2:]),
    ],
)
@pytest.mark.parametrize("degree", [0, 1])
def test_predictions_equal_those_of_refits(kernel, kind, degree, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    keep = kept(kind, X, groups)
    plain = NadarayaWatsonRegressor(kernel, 0.7, degree=degree)
    expected = refitted(plain, X, y, keep)
    seen = keep.any(axis=1)
    score = -mean_squared_error(y[seen], expected[seen])
    for algorithm in ("dense", "blocks"):
        model = NadarayaWatsonRegressorCV(
            kernel, [0.35, 0.7], degrees=[degree], algorithm=algorithm, **params
        )
        model.fit(X, y, **fit)
        np.testing.assert_allclose(model.cv_results_["score"][1], score, rtol=1e-9)
        model.set_params(bandwidths=[0.7]).fit(X, y, **fit)
        np.testing.assert_allclose(model.predict(None), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", LEFT_OUT)
@pytest.mark.parametrize("empty", ["nearest", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_without_weight_and_empty_windows(kind, empty, weighted, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    weight = rng.integers(0, 3, N) if weighted else np.ones(N)
    model = NadarayaWatsonRegressorCV(
        "epanechnikov", [0.2], degrees=[0], handle_empty=empty, **params
    )
    model.fit(X, y, weight, **fit)
    plain = NadarayaWatsonRegressor("epanechnikov", 0.2, handle_empty=empty)
    keep = kept(kind, X, groups) & (weight > 0)
    expected = refitted(plain, X, y, keep, weight)
    np.testing.assert_allclose(model.predict(None), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_probabilities_equal_those_of_refits(kind, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    labels = np.array(["a", "b", "c"])[np.digitize(y, [-0.7, 0.7])]
    model = NadarayaWatsonClassifierCV(bandwidths=[0.4, 0.9], **params)
    model.fit(X, labels, **fit)
    keep = kept(kind, X, groups)
    seen = keep.any(axis=1)
    for bandwidth, score in zip([0.4, 0.9], model.cv_results_["score"]):
        plain, shares = NadarayaWatsonClassifier(bandwidth=bandwidth), []
        for number in np.flatnonzero(seen):
            some = keep[number]
            found = plain.fit(X[some], labels[some]).predict_proba(X[[number]])[0]
            shares.append(found[plain.classes_ == labels[number]].sum())
        expected = np.log(np.maximum(shares, np.finfo(float).eps)).mean()
        np.testing.assert_allclose(score, expected, rtol=1e-9)
    proba = model.predict_proba(None)
    assert np.isnan(proba[~seen]).all()
    expected = -log_loss(labels[seen], proba[seen], labels=model.classes_)
    np.testing.assert_allclose(model.best_score_, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        *(("manhattan", kind) for kind in LEFT_OUT),
        ("precomputed", "groups"),
        ("precomputed", "rows"),
    ],
)
def test_other_metrics_equal_refits(kind, metric, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    rows = np.abs(X[:, None] - X).sum(axis=2) if metric == "precomputed" else X
    model = NadarayaWatsonRegressorCV(bandwidths=[0.5], metric=metric, **params)
    model.fit(rows, y, **fit)
    plain = NadarayaWatsonRegressor(bandwidth=0.5, metric="manhattan")
    expected = refitted(plain, X, y, kept(kind, X, groups))
    np.testing.assert_allclose(model.predict(None), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", LEFT_OUT)
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_nearest_rows_are_counted_among_the_kept(kind, metric, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    model = NadarayaWatsonRegressorCV("boxcar", [KNearest(5)], degrees=[0], metric=metric, **params)
    model.fit(X, y, **fit)
    expected = []
    for number, some in enumerate(kept(kind, X, groups)):
        apart = np.abs(X[some] - X[number])
        apart = np.hypot(*apart.T) if metric == "euclidean" else apart.sum(axis=1)
        if not some.any():
            expected.append(np.nan)
            continue
        width = np.sort(apart)[:5][-1]
        expected.append(y[some][apart <= width * (1 + 1e-12)].mean())
    np.testing.assert_allclose(model.predict(None), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["groups", "past and gap"])
@pytest.mark.parametrize("degree", [0, 1])
def test_bandwidths_per_feature_minimise_the_same_loss(kind, degree, rng):
    X, y, groups = make_data(rng, 80)
    X = np.column_stack([X, rng.standard_normal(80)])
    params, fit = options_of(kind, rng.integers(0, 20, 80))
    search = NadarayaWatsonRegressorCV(degrees=[degree], per_feature=True, **params)
    model = search.fit(X, y, **fit)
    plain = NadarayaWatsonRegressor(degree=degree, bandwidth=model.bandwidth_)
    keep = kept(kind, X, fit.get("groups", groups))
    left_out = refitted(plain, X, y, keep)
    seen = ~np.isnan(left_out)
    expected = -mean_squared_error(y[seen], left_out[seen])
    np.testing.assert_allclose(model.best_score_, expected, rtol=1e-8)
    common = NadarayaWatsonRegressorCV(degrees=[degree], per_feature=False, **params)
    assert model.best_score_ > common.fit(X, y, **fit).best_score_
    assert model.bandwidth_[2] > 2 * model.bandwidth_[0]  # y does not depend on it


@pytest.mark.parametrize("kind", ["groups", "past"])
def test_a_subsample_of_many_rows(kind, rng):
    X = rng.standard_normal((3000, 2))
    y, groups = X[:, 0] + rng.standard_normal(3000), rng.integers(0, 500, 3000)
    params, fit = options_of(kind, groups)
    both = [
        NadarayaWatsonRegressorCV(
            bandwidths=[0.1, 0.3], degrees=[0, 1], algorithm=way, subsample=200, **params
        ).fit(X, y, **fit)
        for way in ("dense", "blocks")
    ]
    scores = [model.cv_results_["score"] for model in both]
    np.testing.assert_allclose(*scores, rtol=1e-9)
    assert both[0].n_queries_ == 200
    np.testing.assert_allclose(*(model.predict(None) for model in both), rtol=1e-8, atol=1e-9)


# -- the purpose ---------------------------------------------------------------------------


def series(rng, n=500, phi=0.6):
    """A curve with noise that is correlated in time."""
    shocks, noise = rng.standard_normal(n), np.zeros(n)
    for number in range(1, n):
        noise[number] = phi * noise[number - 1] + shocks[number]
    t = np.arange(n, dtype=float)
    return t[:, None], 3 * np.sin(4 * np.pi * t / n), noise * np.sqrt(1 - phi**2)


def test_a_gap_prevents_fitting_correlated_noise(rng):
    X, truth, noise = series(rng)
    y = truth + noise
    plain, model = NadarayaWatsonRegressorCV().fit(X, y), NadarayaWatsonRegressorCV(gap=5).fit(X, y)
    # Without a gap, neighbours predict the noise, and the curve passes through all rows.
    assert plain.bandwidth_[0] < 1.5
    assert model.bandwidth_[0] > 4
    errors = [mean_squared_error(truth, fit.predict(X)) for fit in (plain, model)]
    assert errors[1] < errors[0] / 2


def test_groups_prevent_fitting_copies(rng):
    x = rng.uniform(0, 6, 60).repeat(4)
    y = np.sin(x) + (0.5 * rng.standard_normal(60)).repeat(4)
    groups = np.arange(60).repeat(4)
    plain = NadarayaWatsonRegressorCV(degrees=[0]).fit(x[:, None], y)
    model = NadarayaWatsonRegressorCV(degrees=[0]).fit(x[:, None], y, groups=groups)
    errors = [mean_squared_error(np.sin(x), fit.predict(x[:, None])) for fit in (plain, model)]
    assert plain.bandwidth_[0] < model.bandwidth_[0] / 10
    assert errors[1] < errors[0] / 2


# -- the fitted model -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_scores_and_weights_leave_out_the_same_rows(kind, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    model = NadarayaWatsonRegressorCV(bandwidths=[0.5], degrees=[0], **params).fit(X, y, **fit)
    keep, left_out = kept(kind, X, groups), model.predict(None)
    seen = keep.any(axis=1)
    np.testing.assert_allclose(model.score(None, y), r2_score(y[seen], left_out[seen]))
    weight = rng.random(N)
    expected = r2_score(y[seen], left_out[seen], sample_weight=weight[seen])
    np.testing.assert_allclose(model.score(None, y, weight), expected)
    weights = model.attention_weights(None)
    assert not weights[~keep & seen[:, None]].any()
    assert np.isnan(weights[~seen]).all()  # as the predictions
    np.testing.assert_allclose((model.attention_weights(None) @ y)[seen], left_out[seen])
    density = model.score_samples(None)
    again = NadarayaWatsonRegressor(bandwidth=0.5)
    expected = [
        again.fit(X[k], y[k]).score_samples(X[[n]])[0] for n, k in enumerate(keep) if k.any()
    ]
    np.testing.assert_allclose(density[seen], expected, rtol=1e-9)
    assert np.isneginf(density[~seen]).all()


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_scores_of_classes_leave_out_the_same_rows(kind, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    model = NadarayaWatsonClassifierCV(bandwidths=[0.5], **params).fit(X, y > 0, **fit)
    seen = kept(kind, X, groups).any(axis=1)
    found = model.predict_proba(None)[seen].argmax(axis=1)
    expected = accuracy_score((y > 0)[seen], found)
    np.testing.assert_allclose(model.score(None, y > 0), expected)


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_intervals_use_residuals_left_out(kind, rng):
    X, y, groups = make_data(rng)
    params, fit = options_of(kind, groups)
    model = NadarayaWatsonRegressorCV(bandwidths=[0.5], degrees=[0], **params).fit(X, y, **fit)
    residuals, queries = y - model.predict(None), X[:5] + np.array([0, 5])
    known = np.sqrt(np.nanmean(residuals**2))
    residuals = np.where(np.isnan(residuals), known, np.abs(residuals))
    weights = model.attention_weights(queries)
    without = (weights @ y)[:, None] - weights * y
    without /= 1 - weights
    place = int(np.ceil(0.9 * (N + 1))) - 1
    expected = np.sort(without + residuals)[:, place]
    np.testing.assert_allclose(model.predict_interval(queries)[:, 1], expected, rtol=1e-8)
    for method in (model.standard_error, lambda Q: model.predict_band(Q, n_bootstrap=5)[0]):
        assert np.isfinite(method(queries)).all()


# -- the interface --------------------------------------------------------------------------


def test_a_gap_of_k_leaves_out_times_within_k(rng):
    number = np.arange(40)
    X, y = number[:, None] * 0.1, rng.standard_normal(40)
    model = NadarayaWatsonRegressorCV("boxcar", [1.05], degrees=[0], gap=(0, 0.3)).fit(X, y)
    weights = model.attention_weights(None)
    apart = np.abs(number[:, None] - number)
    np.testing.assert_array_equal(weights > 0, (apart > 3) & (apart <= 10))


def test_columns_by_name_and_groups_of_any_labels(rng):
    X, y, groups = make_data(rng)
    frame = pd.DataFrame(X, columns=["x", "time"])
    for name, gap in (("time", ("time", 0.25)), (1, [1, 0.25])):
        params = {"bandwidths": [0.5], "degrees": [0]}
        by_name = NadarayaWatsonRegressorCV(**params, one_sided=name, gap=gap).fit(frame, y)
        by_number = NadarayaWatsonRegressorCV(**params, one_sided=1, gap=(1, 0.25)).fit(X, y)
        np.testing.assert_array_equal(by_name.predict(None), by_number.predict(None))
    expected = NadarayaWatsonRegressorCV(bandwidths=[0.5]).fit(X, y, groups=groups).predict(None)
    for labels in (
        [f"patient {g}" for g in groups],
        pd.Series(groups, dtype="category"),
        (groups - 3.5).tolist(),
    ):
        model = NadarayaWatsonRegressorCV(bandwidths=[0.5]).fit(X, y, groups=labels)
        np.testing.assert_array_equal(model.predict(None), expected)


@pytest.mark.parametrize("kind", ["groups", "rows", "past"])
def test_frames_with_categories(kind, rng):
    X, y, groups = make_data(rng)
    frame = pd.DataFrame({"site": pd.Categorical(rng.integers(0, 3, N)), "time": X[:, 1]})
    params, fit = options_of(kind, groups)
    model = NadarayaWatsonRegressorCV(
        bandwidths=[{"time": 0.5, "site": 0.7}], degrees=[0], **params
    )
    model.fit(frame, y, **fit)
    plain = NadarayaWatsonRegressor(bandwidth=[0.7, 0.5])
    expected = np.full(N, np.nan)
    for number, some in enumerate(kept(kind, X, groups)):
        if some.any():
            plain.fit(frame[some], y[some])
            expected[number] = plain.predict(frame.iloc[[number]])[0]
    np.testing.assert_allclose(model.predict(None), expected, rtol=1e-9)
    with pytest.raises(ValueError, match="one_sided must give a column of numbers; got 'site'"):
        NadarayaWatsonRegressor(one_sided="site").fit(frame, y)


def test_groups_are_routed_or_passed_on(rng):
    X, y, groups = make_data(rng)
    direct = NadarayaWatsonRegressorCV(bandwidths=[0.3, 0.6]).fit(X, y, groups=groups)
    pipe = make_pipeline(
        StandardScaler(with_std=False), NadarayaWatsonRegressorCV(bandwidths=[0.3, 0.6])
    )
    pipe.fit(X, y, nadarayawatsonregressorcv__groups=groups)
    assert pipe[-1].bandwidth_[0] == direct.bandwidth_[0]
    with config_context(enable_metadata_routing=True):
        inner = NadarayaWatsonRegressorCV(bandwidths=[0.3, 0.6]).set_fit_request(groups=True)
        outer = GridSearchCV(inner, {"ridge": [1.0]}, cv=GroupKFold(3))
        outer.fit(X, y, groups=groups)
        assert outer.best_estimator_.bandwidth_[0] == direct.bandwidth_[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_equal_those_of_cv_splits(weighted, rng):
    X, y, groups = make_data(rng)
    weight = rng.integers(0, 3, N) if weighted else None
    model = NadarayaWatsonRegressorCV(bandwidths=[0.3, 0.6], cv=GroupKFold(3))
    model.fit(X, y, weight, groups=groups)
    present = np.ones(N, bool) if weight is None else weight > 0
    X, y, groups = X[present], y[present], groups[present]
    fit = {} if weight is None else {"sample_weight": weight[present]}
    errors = []
    for train, test in GroupKFold(3).split(X, y, groups):
        of_train, of_test = ({k: v[part] for k, v in fit.items()} for part in (train, test))
        plain = NadarayaWatsonRegressor(bandwidth=0.3).fit(X[train], y[train], **of_train)
        errors.append(mean_squared_error(y[test], plain.predict(X[test]), **of_test))
    np.testing.assert_allclose(model.cv_results_["score"][0], -np.mean(errors), rtol=1e-9)


@pytest.mark.parametrize(
    ("params", "fit", "words"),
    [
        ({"gap": -1}, {}, "gap"),
        ({"gap": np.inf}, {}, "gap"),
        ({"gap": "time"}, {}, "gap"),
        ({"gap": (0,)}, {}, "gap must be None"),
        ({"gap": (0, "a")}, {}, "gap must be None"),
        ({"gap": ("time", 1)}, {}, "gap must give columns of X by name or by position"),
        ({"gap": (2, 1)}, {}, "gap must give columns of X by name or by position"),
        ({"gap": 1000}, {}, "No row can be predicted from another"),
        ({"one_sided": 2}, {}, "one_sided must give columns of X"),
        ({"one_sided": "time"}, {}, "one_sided must give columns of X"),
        ({"one_sided": 0, "gap": (1, 1.0)}, {}, "gap must be in the column of one_sided"),
        ({"one_sided": 0, "gap": 3}, {}, "gap must be None"),
        ({"one_sided": 0, "algorithm": "lattice"}, {}, "got one_sided"),
        ({"one_sided": 0, "cv": 3}, {}, "one_sided=0 needs cv=None"),
        ({"gap": 3, "cv": 3}, {}, "gap=3 needs cv=None"),
        ({"gap": 3, "scoring": "aicc"}, {}, "scoring='aicc' evaluates the fit to all rows"),
        ({"gap": 3}, {"groups": np.arange(N)}, "groups need gap=None"),
        ({"one_sided": 1}, {"groups": np.arange(N)}, "groups need one_sided=None"),
        ({}, {"groups": np.zeros(N)}, "No row can be predicted from another"),
        ({}, {"groups": np.arange(N - 1)}, "groups must have one label for each row of X, 24"),
        ({}, {"groups": np.zeros((N, 2))}, "groups must have one label for each row"),
        ({}, {"groups": [None, *range(N - 1)]}, "got a missing one at row 0"),
        ({}, {"groups": np.append(np.arange(N - 1.0), np.nan)}, "got a missing one at row 23"),
        ({}, {"groups": np.ma.masked_equal(np.arange(N), 5)}, "got a missing one at row 5"),
    ],
)
def test_bad_combinations_are_refused(params, fit, words, rng):
    X, y, _ = make_data(rng)
    with pytest.raises(ValueError, match=words):
        NadarayaWatsonRegressorCV(**params).fit(X, y, **fit)


def test_precomputed_distances_have_no_time_column():
    with pytest.raises(ValueError, match="one_sided, and gap with a column, need rows of features"):
        NadarayaWatsonRegressor(metric="precomputed", one_sided=0).fit(np.zeros((3, 3)), [1, 2, 3])
