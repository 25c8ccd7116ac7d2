"""Metrics: their parameters, float32 rows, infinite distances, and the number of calls."""

import pickle

import numpy as np
import pytest
from means import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import pairwise_distances, r2_score
from sklearn.metrics.pairwise import (
    PAIRWISE_BOOLEAN_FUNCTIONS,
    PAIRWISE_DISTANCE_FUNCTIONS,
    haversine_distances,
    nan_euclidean_distances,
)
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from suite import without_address

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.bandwidths import KNearest
from nwkr.kernels import KERNELS

ALL = [
    NadarayaWatsonRegressor,
    NadarayaWatsonClassifier,
    NadarayaWatsonRegressorCV,
    NadarayaWatsonClassifierCV,
]
REAL = sorted(
    set(PAIRWISE_DISTANCE_FUNCTIONS) - {"euclidean", "precomputed"}
    | {"braycurtis", "canberra", "chebyshev", "correlation", "hamming", "minkowski", "sqeuclidean"}
)
WITH_PARAMS = {
    "minkowski": {"p": 3},
    "mahalanobis": {"VI": np.array([[2.0, 0.5], [0.5, 1.0]])},
    "seuclidean": {"V": np.array([1.0, 4.0])},
}


def slanted(a, b, slope=1.0):
    """Asymmetric, so not a metric."""
    return abs(a[0] - b[0]) + max(0.0, slope * (b[1] - a[1]))


@pytest.fixture
def data(rng):
    """Rows that float32 holds exactly, targets for all estimators, and queries."""
    X, queries = (rng.integers(-16, 16, (n, 2)) / 16 for n in (30, 12))
    return X + 1 / 32, rng.permutation(np.repeat([0, 1, 2], 10)), queries + 1 / 64


def everything_of(model, queries, distances=None):
    """Results of all methods, by name; from rows, or from their distances."""
    given = queries if distances is None else distances
    yield "attention_weights", model.attention_weights(given)
    yield "left out", model.attention_weights(None)
    yield "sparse", model.attention_weights(given, sparse_output=True).toarray()
    yield "effective_sample_size", model.effective_sample_size(given)
    yield "explain", model.explain(given[:1])["weight"].to_numpy()
    if hasattr(model, "predict_proba"):
        yield "predict_proba", model.predict_proba(given)
        yield "left out", model.predict_proba(None)
        return
    yield "predict", model.predict(given)
    yield "left out", model.predict(None)
    yield "std", model.predict(given, return_std=True)[1]
    yield "predict_interval", model.predict_interval(given)
    yield "predict_quantiles", model.predict_quantiles(given, [0.2, 0.5])
    yield "predict_cdf", model.predict_cdf(given, [0.5, 1.5])
    yield "predict_band", model.predict_band(given, random_state=0)


def assert_alike(found, expected, **tolerance):
    for (name, ours), (_, theirs) in zip(found, expected, strict=True):
        for one, other in zip(np.atleast_1d(ours), np.atleast_1d(theirs), strict=True):
            assert_allclose(one, other, err_msg=name, **tolerance)


def test_float32_rows_equal_float64_for_few_rows():
    X = np.eye(3, dtype=np.float32)
    model = NadarayaWatsonRegressor(metric="cosine", bandwidth=0.3).fit(X, [1, 2, 3])
    assert_allclose(model.predict(X), [1.01150878, 2, 2.98849122])


@pytest.mark.parametrize("metric", [*REAL, *WITH_PARAMS, slanted])
@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifierCV])
def test_float32_rows_equal_float64(Estimator, metric, data):
    X, y, queries = data
    params = {"metric": metric, "metric_params": WITH_PARAMS.get(metric)}
    params |= {"bandwidths": [0.3, 0.5]} if "CV" in Estimator.__name__ else {"bandwidth": 0.4}
    if metric == "correlation":  # these rows have more than two numbers
        X, queries = (np.column_stack([Q, Q**2]) for Q in (X, queries))
    labels = "Classifier" in Estimator.__name__
    y = y if labels else y.astype(float)
    exact = Estimator(**params).fit(X, y)
    single = Estimator(**params).fit(X.astype(np.float32), y)
    assert single.bandwidth_ == exact.bandwidth_
    found = everything_of(single, queries.astype(np.float32))
    # Probabilities of float32 rows are rounded to float32, once.
    tolerance = {"rtol": 2.0**-24, "atol": 2.0**-149} if labels else {"rtol": 1e-9}
    assert_alike(found, everything_of(exact, queries), **tolerance)


@pytest.mark.parametrize("metric", WITH_PARAMS)
@pytest.mark.parametrize("Estimator", ALL)
def test_parameters_of_named_metrics(Estimator, metric, data):
    X, y, queries = data
    params = WITH_PARAMS[metric]
    model = clone(Estimator(metric=metric, metric_params=params)).fit(X, y)
    D, D_queries = (cdist(Q, X, metric, **params) for Q in (X, queries))
    given = Estimator(metric="precomputed").fit(D, y)
    assert_allclose(model.bandwidth_, given.bandwidth_)
    expected = everything_of(given, queries, D_queries)
    assert_alike(everything_of(model, queries), expected, rtol=1e-9, atol=1e-12)
    again = pickle.loads(pickle.dumps(model))
    assert_alike(everything_of(again, queries), everything_of(model, queries), rtol=0)


@pytest.mark.parametrize("Estimator", ALL)
def test_parameters_of_a_callable_metric(Estimator, data):
    X, y, queries = data
    model = Estimator(metric=slanted, metric_params={"slope": 3.0}).fit(X, y)
    D, D_queries = (pairwise_distances(Q, X.copy(), slanted, slope=3.0) for Q in (X, queries))
    given = Estimator(metric="precomputed").fit(D, y)
    assert_alike(everything_of(model, queries), everything_of(given, queries, D_queries), rtol=1e-9)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"metric_params": {"p": 3}}, "metric_params must be None with metric='euclidean'.*'p': 3"),
        ({"metric": "precomputed", "metric_params": {"p": 3}}, "metric_params must be None"),
        ({"metric": "minkowski", "metric_params": [3]}, "'metric_params' parameter.*dict"),
        ({"metric": "minkowski", "metric_params": {"q": 3}}, r"(?s)metric_params=\{'q': 3\}.*q=3"),
        ({"metric": "mahalanobis"}, "metric_params=None; got 'mahalanobis'.*VI"),
        ({"metric": slanted, "metric_params": {"slop": 1}}, r"metric_params=.*slop"),
    ],
    ids=without_address,
)
@pytest.mark.parametrize("Estimator", ALL)
def test_unknown_parameters_of_a_metric_are_refused(Estimator, params, match, data):
    X, y, _ = data
    X = np.abs(X) if params.get("metric") == "precomputed" else X
    model = Estimator(**params)
    with pytest.raises(ValueError, match=match):
        model.fit(X[:, :2] if X.shape[1] == 2 else X, y)
    assert not hasattr(model, "bandwidth_")


def test_empty_metric_params_equal_none(data):
    X, y, queries = data
    model = NadarayaWatsonRegressor(metric_params={}).fit(X, y)
    assert_array_equal(model.predict(queries), NadarayaWatsonRegressor().fit(X, y).predict(queries))


# -- distances that are infinite -------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bandwidth", [0.4, KNearest(3), "scott", np.inf])
def test_a_metric_can_restrict_to_the_past(kernel, bandwidth, rng):
    time, y = np.sort(rng.uniform(0, 5, 40)), rng.normal(size=40)
    D = time[:, None] - time
    D[D < 0] = np.inf  # the present is in a row's own past
    model = NadarayaWatsonRegressor(kernel, bandwidth, metric="precomputed").fit(D, y)
    widths = model.bandwidth_
    if isinstance(bandwidth, KNearest):
        widths = np.sort(D, axis=1)[:, 2:3]
        widths[:2, 0] = [0, time[1] - time[0]]  # there are fewer than three rows
    if isinstance(bandwidth, str):
        squares = np.where(np.isfinite(D), D, 0) ** 2
        spread = np.sqrt(squares.sum() / np.isfinite(D).sum() / 2)
        assert_allclose(
            NadarayaWatsonRegressor(metric="precomputed").fit(D, y).bandwidth_, spread * 40**-0.2
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        u = np.where(D == 0, 0, D / widths)
    u[np.isinf(D)] = np.inf if kernel != "constant" else 0
    if np.isinf(np.max(widths)):
        u[np.isfinite(D)] = 0
    u = np.where(np.abs(u - 1) < 1e-14, 1, u)
    weights = np.where(np.isfinite(D) & ~np.isinf(u), PROFILES[kernel](np.minimum(u, 1e3)), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    assert_allclose(model.attention_weights(D), weights, rtol=1e-9, atol=1e-12)
    assert_allclose(model.predict(D), weights @ y, rtol=1e-9)
    # The first row has no past, so its prediction is empty.
    predictions = model.predict(None) if bandwidth != KNearest(3) else np.r_[np.nan, y[1:]]
    assert np.isnan(predictions[0])
    assert np.isfinite(predictions[1:]).all()


@pytest.mark.parametrize("handle_empty", ["nearest", "nan", "mean", "error"])
def test_queries_at_infinite_distance_from_all_rows(handle_empty, kernel, data):
    X, y, _ = data
    D = cdist(X, X)
    queries = D[:3].copy()
    queries[1] = np.inf
    params = {"metric": "precomputed", "handle_empty": handle_empty, "bandwidth": 2.0}
    model = NadarayaWatsonRegressor(kernel, **params).fit(D, y)
    classes = NadarayaWatsonClassifier(kernel, **params).fit(D, y)
    if handle_empty == "error":
        for method in (model.predict, classes.predict_proba):
            with pytest.raises(ValueError, match="No training row has weight for 1 of 3 queries"):
                method(queries)
        return
    predictions, shares = model.predict(queries), classes.predict_proba(queries)
    stand_in = y.mean() if handle_empty == "mean" else np.nan
    assert_allclose(predictions[1], stand_in)
    assert_allclose(shares[1], np.full(3, 1 / 3 if handle_empty == "mean" else np.nan))
    assert_allclose(predictions[[0, 2]], model.predict(D[[0, 2]]))
    if handle_empty != "mean":
        with pytest.raises(ValueError, match="handle_empty"):
            classes.predict(queries)


@pytest.mark.parametrize("handle_empty", ["nearest", "nan", "mean", "error"])
def test_a_search_with_a_metric_of_the_past(handle_empty, rng):
    """The earliest row has no past. It is scored only if the mean of the others predicts it."""
    time = rng.uniform(0, 5, 60)
    y = np.sin(2 * time) + rng.normal(0, 0.1, 60)
    D = time[:, None] - time
    D[D < 0] = np.inf
    options = {"metric": "precomputed", "handle_empty": handle_empty}
    candidates, errors = [0.05, 0.2, 1.0], []
    search = NadarayaWatsonRegressorCV(bandwidths=candidates, **options).fit(D, y)
    others = np.arange(60) != time.argmin()
    scored = others | (handle_empty == "mean")
    for bandwidth in candidates:
        weights = np.where(D < np.inf, np.exp(-0.5 * (np.minimum(D, 99) / bandwidth) ** 2), 0)
        np.fill_diagonal(weights, 0)
        weights[~others] = others
        predictions = weights @ y / weights.sum(axis=1)
        errors.append(np.mean(np.square(y - predictions)[scored]))
    assert_allclose(search.cv_results_["score"], -np.array(errors))
    assert search.bandwidth_ == candidates[np.argmin(errors)]
    labels = NadarayaWatsonClassifierCV(**options).fit(D, y > 0)
    assert labels.n_queries_ == scored.sum()
    if handle_empty != "error":
        model = NadarayaWatsonRegressor(bandwidth=candidates[-1], **options).fit(D, y)
        assert_allclose(model.score(None, y), r2_score(y[scored], predictions[scored]))


def test_a_search_needs_a_finite_distance():
    distances = np.where(np.eye(4) > 0, 0, np.inf)
    with pytest.raises(ValueError, match="all distances between different rows are infinite"):
        NadarayaWatsonRegressorCV(metric="precomputed").fit(distances, np.arange(4.0))


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (np.nan, "X must hold distances, none of them NaN.*NaN at .3, 4."),
        (-1, "Negative values in data passed to X"),
        (-np.inf, "Negative values in data passed to X"),
    ],
)
@pytest.mark.parametrize("Estimator", ALL)
def test_negative_and_missing_distances_are_refused(Estimator, bad, match, data):
    X, y, _ = data
    D = cdist(X, X)
    model = Estimator(metric="precomputed").fit(D, y)
    D[3, 4] = bad
    with pytest.raises(ValueError, match=match):
        Estimator(metric="precomputed").fit(D, y)
    with pytest.raises(ValueError, match=match):
        model.attention_weights(D)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize("bandwidth", [1e-160, KNearest(1)])
def test_the_nearest_row_has_all_weight_where_squares_overflow(kernel, bandwidth, scale, rng):
    X, y, queries = rng.normal(size=(30, 1)) * scale, rng.normal(size=30), rng.normal(size=(9, 1))
    queries = queries * scale
    if isinstance(bandwidth, float):
        bandwidth *= scale
    elif np.isinf(KERNELS[kernel].support):
        pytest.skip("other rows have weight too")
    nearest = np.abs(queries - X.T).argmin(axis=1)
    for metric in ("manhattan", "chebyshev", "precomputed"):
        given = [np.abs(Q - X.T) for Q in (X, queries)] if metric == "precomputed" else [X, queries]
        model = NadarayaWatsonRegressor(kernel, bandwidth, metric=metric).fit(given[0], y)
        assert_allclose(model.predict(given[1]), y[nearest])
        assert_allclose(model.attention_weights(given[1]) @ y, y[nearest])


@pytest.mark.parametrize("bandwidth", [0.0, 1e-300, 1e-20, KNearest(1)], ids=str)
@pytest.mark.parametrize("n_columns", [3, 400])
@pytest.mark.parametrize("metric", ["cosine", "correlation"])
def test_rows_of_the_same_direction_match(metric, n_columns, bandwidth, kernel, rng):
    """Their distance is exactly 0, despite rounding and for rows of any length."""
    X, y = rng.normal(size=(60, n_columns)), rng.normal(size=60)
    lengths = 10.0 ** rng.integers(-150, 150, (60, 1))
    model = NadarayaWatsonRegressor(kernel, bandwidth, metric=metric, handle_empty="nan")
    model.fit(np.vstack([X, lengths * X]), np.r_[y, -y])
    for queries in (X, X[7:8], 3 * X[:5], lengths * X):
        assert_allclose(model.predict(queries), np.zeros(len(queries)), atol=1e-12)


def test_squares_of_distances_keep_the_digits_of_shifted_rows(rng):
    X, y = rng.normal(size=(50, 3)) + 1e6, rng.normal(size=50)
    params = {"metric": "l2", "metric_params": {"squared": True}}
    model = NadarayaWatsonRegressor(bandwidth=0.0, handle_empty="nan", **params).fit(X, y)
    assert_allclose(model.predict(X), y)


# -- input of metrics ------------------------------------------------------------------------


def test_haversine_equals_the_formula(rng):
    places = np.radians(np.column_stack([rng.uniform(-90, 90, 40), rng.uniform(-180, 360, 40)]))
    y = rng.normal(size=40)
    model = NadarayaWatsonRegressor(bandwidth=0.2, metric="haversine").fit(places, y)
    weights = np.exp(-0.5 * (haversine_distances(places) / 0.2) ** 2)
    assert_allclose(model.predict(places), weights @ y / weights.sum(axis=1))
    poles = np.array([[np.pi / 2, 0], [-np.float32(np.pi / 2), 1]])
    assert np.isfinite(model.predict(poles)).all()


@pytest.mark.parametrize("wrong", ["degrees", "order"])
@pytest.mark.parametrize("Estimator", ALL)
def test_haversine_refuses_degrees_and_swapped_columns(Estimator, wrong, rng):
    places = np.array([[52.5, 13.4], [48.1, 11.6], [53.6, 10.0], [-33.9, 151.2]])
    y = [0, 1, 0, 1]
    model = Estimator(metric="haversine")
    bad = places if wrong == "degrees" else np.radians(places)[:, ::-1]
    match = r"\(latitude, longitude\) in radians.*row 3.*np.radians.*order"
    match = match if wrong == "order" else match.replace("row 3", "row 2")
    with pytest.raises(ValueError, match=match):
        model.fit(bad, y)
    assert not hasattr(model, "bandwidth_")
    model.fit(np.radians(places), y)
    with pytest.raises(ValueError, match=match):
        model.predict(bad)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", sorted(PAIRWISE_BOOLEAN_FUNCTIONS))
@pytest.mark.parametrize("Estimator", ALL)
def test_boolean_metrics_do_not_warn(Estimator, metric, rng):
    X, queries = rng.integers(0, 2, (30, 8)) * 1.0, rng.integers(0, 2, (5, 8)) * 1.0
    X[:, 0] = queries[:, 0] = 1
    y = rng.permutation(np.repeat([0, 1, 2], 10))
    try:
        D, D_queries = (pairwise_distances(Q == 1, X == 1, metric) for Q in (X, queries))
    except ValueError:
        pytest.skip("this release of SciPy lacks the metric")
    if np.isnan(D).any():
        pytest.skip("the metric is undefined for these rows")
    model = Estimator(metric=metric).fit(X, y)
    given = Estimator(metric="precomputed").fit(D, y)
    assert_alike(everything_of(model, queries), everything_of(given, queries, D_queries), rtol=1e-9)


def test_boolean_metrics_warn_about_other_numbers(rng):
    X, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    with pytest.warns(DataConversionWarning, match="metric='jaccard' only dist.*0 and 1") as caught:
        model = NadarayaWatsonRegressor(metric="jaccard", bandwidth=1.0).fit(X, y)
    assert len(caught) == 1
    with pytest.warns(DataConversionWarning, match="metric='jaccard'") as caught:
        model.predict(X)
    assert len(caught) == 1


@pytest.mark.parametrize("Estimator", ALL)
@pytest.mark.parametrize(
    "changed",
    [{"metric": "precomputed"}, {"metric": "manhattan", "metric_params": None}, {"metric": 3}],
    ids=str,
)
def test_parameters_changed_after_fit_have_no_effect(Estimator, changed, data):
    """As in scikit-learn, changed parameters require another fit."""
    X, y, queries = data
    params = {"p": 3}
    model = Estimator(metric="minkowski", metric_params=params).fit(X, y)
    expected = list(everything_of(model, queries))
    model.set_params(**changed)
    params["p"] = 1
    assert_alike(everything_of(model, queries), expected, rtol=0)


# -- widths by rank --------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["braycurtis", "cosine", "sqeuclidean", slanted])
def test_nearest_rows_without_the_triangle_inequality(metric, rng):
    """A tree would assume the triangle inequality."""
    X, queries = rng.uniform(0, 1, (300, 3)) ** 4, rng.uniform(0, 1, (200, 3)) ** 4
    y = rng.normal(size=300)
    model = NadarayaWatsonRegressor("boxcar", KNearest(7), metric=metric).fit(X, y)
    D = pairwise_distances(queries, X, metric)
    nearest = D.argsort(axis=1)[:, :7]
    assert_allclose(model.predict(queries), y[nearest].mean(axis=1))
    if metric != slanted:
        peer = KNeighborsRegressor(7, metric=metric, algorithm="brute").fit(X, y)
        assert_allclose(model.predict(queries), peer.predict(queries))


# -- number of calls of a metric -------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bandwidths": [0.1, 0.5, "scott", KNearest(3), KNearest(5)]},
        {"bandwidths": [0.1, 0.5, "silverman"], "subsample": 7, "random_state": 0},
        {"bandwidths": [0.1, 0.2, 0.4, 0.8], "cv": KFold(3)},
        {"cv": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("Search", ALL[2:])
def test_a_search_measures_each_pair_once(Search, params, data):
    X, y, _ = data
    calls = []

    def metric(a, b):
        calls.append(1)
        return slanted(a, b)

    search = Search(metric=metric, **params).fit(X, y)
    assert len(calls) <= 30**2 * (1 if "cv" not in params else 2) + 2
    with config_context(working_memory=0):
        frugal = Search(metric=slanted, **params).fit(X, y)
    assert search.bandwidth_ == frugal.bandwidth_
    assert_allclose(search.cv_results_["score"], frugal.cv_results_["score"], rtol=1e-9)
    assert_allclose(search.best_score_, frugal.best_score_, rtol=1e-9)


@pytest.mark.parametrize("cv", [None, 3])
def test_callable_bandwidths_get_rows(cv, data):
    X, y, _ = data
    seen = []

    def spread(X, sample_weight):
        seen.append(X.shape[1])
        return X.std()

    NadarayaWatsonRegressorCV(bandwidths=[spread, 1.0], metric=slanted, cv=cv).fit(X, y)
    assert set(seen) == {2}


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
def test_a_prediction_measures_each_pair_once(kernel, data):
    X, y, queries = data
    calls = []

    def metric(a, b):
        calls.append(1)
        return slanted(a, b)

    model = NadarayaWatsonRegressor(kernel, 1.0, metric=metric).fit(X, y)
    calls.clear()
    model.predict(queries)
    assert len(calls) == len(queries) * len(X)


@pytest.mark.parametrize("bandwidth", [0.8, "scott", KNearest(12)], ids=str)
def test_nan_euclidean_takes_missing_numbers(bandwidth, rng):
    """Pairs without a common column have no weight."""
    X, Q = rng.normal(size=(120, 3)), rng.normal(size=(15, 3))
    for rows in (X, Q):
        rows[rng.random(rows.shape) < 0.2] = np.nan
    X[0], X[1], y = [np.nan, np.nan, 1.0], [1.0, 0.0, np.nan], rng.normal(size=120)
    distances, to_training = nan_euclidean_distances(X), nan_euclidean_distances(Q, X)
    assert np.isnan(distances).any()
    distances, to_training = (np.nan_to_num(each, nan=np.inf) for each in (distances, to_training))
    ours = NadarayaWatsonRegressor(bandwidth=bandwidth, metric="nan_euclidean").fit(X, y)
    given = NadarayaWatsonRegressor(bandwidth=bandwidth, metric="precomputed").fit(distances, y)
    assert_allclose(ours.predict(Q), given.predict(to_training), rtol=1e-7)
    assert_allclose(ours.predict(None), given.predict(None), rtol=1e-7)
    labels = NadarayaWatsonClassifier(bandwidth=bandwidth, metric="nan_euclidean").fit(X, y > 0)
    assert (labels.predict(X) == (y > 0)).mean() > 0.5


def test_a_search_with_nan_euclidean(rng):
    X, y = rng.normal(size=(90, 3)), rng.normal(size=90)
    X[:, :2][rng.random((90, 2)) < 0.1] = np.nan
    model = NadarayaWatsonRegressorCV(metric="nan_euclidean").fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.bandwidth_ > 0


@pytest.mark.parametrize("metric", ["manhattan", "haversine", "precomputed"])
def test_other_metrics_refuse_missing_numbers(metric):
    X = np.array([[0.0, 1.0], [1.0, np.nan]])
    with pytest.raises(ValueError, match=r"missing|NaN"):
        NadarayaWatsonRegressor(metric=metric).fit(X, [0, 1])
