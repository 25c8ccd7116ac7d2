"""KNearest and Adaptive as bandwidths, against naive loops and in scikit-learn's tools."""

import pickle
from math import hypot

import numpy as np
import pytest
from means import NadarayaWatsonRegressorCV
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    adaptive_factors,
    attention_by_distance,
    nearest_widths,
    scaled_distances,
)
from sklearn.base import clone
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation
from suite import suite_of

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonRegressor,
)
from nwkr.bandwidths import RULES, Adaptive, KNearest


@pytest.fixture
def data(rng):
    """Rows of uneven density, targets, integer weights and queries."""
    X = rng.normal(size=(40, 2)) * rng.choice([0.1, 2.0], size=(40, 1))
    queries = np.concatenate([rng.normal(size=(12, 2)), X[:4], X[:2] + 50])
    return X, rng.normal(size=(40, 2)), rng.integers(1, 4, 40).astype(float), queries


def attention_of_nearest(D, k, kernel, weights=None, left_out=None):
    widths = nearest_widths(D, k, weights, left_out)
    weights = 1.0 if weights is None else weights
    return attention_by_distance(D, widths[:, None], kernel, weights, left_out, "nearest")


def assert_attends(model, expected, X, y):
    """The attention weights are as expected, and predictions are their averages of `y`."""
    attention = model.attention_weights(X)
    # At the very edge of a kernel, a weight is a rounding error.
    assert_allclose(attention, expected, rtol=1e-9, atol=1e-9)
    assert_allclose(model.predict(X), attention @ y, rtol=1e-10, atol=1e-10)


# -- KNearest ---------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 7, 40])
def test_nearest_equals_the_naive_loop(k, kernel, data):
    X, y, weights, queries = data
    for weight in (None, weights):
        model = NadarayaWatsonRegressor(kernel, KNearest(k)).fit(X, y, weight)
        expected = attention_of_nearest(scaled_distances(queries, X, 1.0), k, kernel, weight)
        assert_attends(model, expected, queries, y)


@pytest.mark.parametrize("k", [1, 2, 7, 39])
def test_a_row_left_out_does_not_count_itself(k, kernel, data):
    X, y, weights, _ = data
    D = scaled_distances(X, X, 1.0)
    for weight in (None, weights):
        model = NadarayaWatsonRegressor(kernel, KNearest(k)).fit(X, y, weight)
        assert_attends(model, attention_of_nearest(D, k, kernel, weight, np.arange(40)), None, y)


@pytest.mark.parametrize("light", [1e-20, 1e-280])
def test_the_others_of_a_dominant_row_left_out_keep_their_weight(light, kernel, data):
    X, y, _, _ = data
    weights = np.where(np.arange(40) == 3, 1.0, light)
    model = NadarayaWatsonRegressor(kernel, KNearest(5)).fit(X, y, weights)
    D = scaled_distances(X[3:4], np.delete(X, 3, axis=0), 1.0)
    # They count as fewer than 5 rows, so all are within the width.
    expected = attention_of_nearest(D, 39, kernel, None) @ np.delete(y, 3, axis=0)
    np.testing.assert_allclose(model.predict(None)[3], expected[0], rtol=1e-9)


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev", "cosine", "canberra"])
def test_nearest_with_any_metric(metric, kernel, data):
    X, y, weights, queries = data
    model = NadarayaWatsonRegressor(kernel, KNearest(5), metric=metric).fit(X, y, weights)
    expected = attention_of_nearest(pairwise_distances(queries, X, metric), 5, kernel, weights)
    assert_attends(model, expected, queries, y)
    D = pairwise_distances(X, metric=metric)
    assert_attends(model, attention_of_nearest(D, 5, kernel, weights, np.arange(40)), None, y)


def test_nearest_with_a_callable_metric(kernel, data):
    X, y, weights, queries = data

    def slanted(a, b):
        return abs(a[0] - b[0]) + 3 * abs(a[1] - b[1])

    model = NadarayaWatsonRegressor(kernel, KNearest(5), metric=slanted).fit(X, y, weights)
    D = np.abs(queries[:, None] - X) @ [1.0, 3.0]
    assert_attends(model, attention_of_nearest(D, 5, kernel, weights), queries, y)


def test_nearest_of_precomputed_distances(kernel, data):
    X, y, weights, queries = data
    weights[::5] = 0
    D, D_queries = scaled_distances(X, X, 1.0), scaled_distances(queries, X, 1.0)
    given = NadarayaWatsonRegressor(kernel, KNearest(5), metric="precomputed").fit(D, y, weights)
    direct = NadarayaWatsonRegressor(kernel, KNearest(5)).fit(X, y, weights)
    for ours, theirs in ((D_queries, queries), (None, None)):
        assert_allclose(given.predict(ours), direct.predict(theirs), rtol=1e-9, atol=1e-9)
        got, expected = given.attention_weights(ours), direct.attention_weights(theirs)
        assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("k", [1, 3, 6, 11])
def test_a_weight_of_k_equals_k_copies(k, kernel, data):
    X, y, weights, queries = data
    copies = weights.astype(int)
    weighted = NadarayaWatsonRegressor(kernel, KNearest(k)).fit(X, y, weights)
    copied = NadarayaWatsonRegressor(kernel, KNearest(k))
    copied.fit(X.repeat(copies, axis=0), y.repeat(copies, axis=0))
    assert_allclose(weighted.predict(queries), copied.predict(queries), rtol=1e-9, atol=1e-9)


def test_a_row_without_weight_is_ignored(kernel, data):
    X, y, weights, queries = data
    weights[[0, 1, 17]] = 0
    left = weights > 0
    some = NadarayaWatsonRegressor(kernel, KNearest(4)).fit(X, y, weights)
    others = NadarayaWatsonRegressor(kernel, KNearest(4)).fit(X[left], y[left], weights[left])
    assert_allclose(some.predict(queries), others.predict(queries), rtol=1e-12)
    assert_allclose(some.predict(None)[left], others.predict(None), rtol=1e-12)
    assert_allclose(some.predict(None)[~left], others.predict(X[~left]), rtol=1e-12)


def test_fractional_weights_sum_to_rows(kernel, rng):
    """Ten weights of a tenth count as one row, despite rounding."""
    X, y = np.arange(20.0)[:, None], rng.normal(size=20)
    weights = np.where(np.arange(20) < 10, 0.1, 3.0)
    model = NadarayaWatsonRegressor(kernel, KNearest(1)).fit(X, y, weights)
    # The ten rows start at -1.
    expected = attention_by_distance(np.abs(X.T + 1), 10.0, kernel, weights, empty="nearest")
    assert_attends(model, expected, [[-1.0]], y)


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_ties_with_the_kth_row_are_within_the_width(k, kernel):
    X = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    y = np.sin(np.arange(30.0))
    D = scaled_distances(X, X, 1.0)
    for left_out in (None, np.arange(30)):
        expected = attention_of_nearest(D, k, kernel, left_out=left_out)
        model = NadarayaWatsonRegressor(kernel, KNearest(k)).fit(X, y)
        assert_attends(model, expected, X if left_out is None else None, y)


@pytest.mark.parametrize("unit", [0.1, 1 / 3, 1e-7])
def test_ties_stay_ties_despite_rounding(unit, kernel):
    """On a grid whose steps are not exact in float64."""
    X = np.stack(np.meshgrid(np.arange(6.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    y = np.sin(np.arange(30.0))
    whole = NadarayaWatsonRegressor(kernel, KNearest(3)).fit(X, y)
    parts = NadarayaWatsonRegressor(kernel, KNearest(3)).fit(X * unit, y)
    assert_allclose(parts.predict(None), whole.predict(None), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_features", [1, 2, 20])
def test_only_copies_have_weight_if_the_width_is_0(n_features, kernel, rng):
    X = rng.normal(size=(30, n_features))
    X[10:14] = X[3]
    y, weights = rng.normal(size=30), rng.uniform(1, 2, 30)
    copies = np.array([3, 10, 11, 12, 13])
    model = NadarayaWatsonRegressor(kernel, KNearest(5)).fit(X, y, weights)
    expected = np.average(y[copies], weights=weights[copies])
    assert_allclose(model.predict(X[[3]]), [expected], rtol=1e-12)
    attention = model.attention_weights(X[[3]])[0]
    assert_array_equal(np.flatnonzero(attention), copies)
    # Left out, the row sees its other copies.
    model = NadarayaWatsonRegressor(kernel, KNearest(4)).fit(X, y, weights)
    expected = np.average(y[copies[1:]], weights=weights[copies[1:]])
    assert_allclose(model.predict(None)[3], expected, rtol=1e-12)


@pytest.mark.parametrize(("n", "n_features"), [(8, 1), (40, 2), (60, 18)])
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_k_rows_are_within_the_width_for_shifted_rows(shift, n, n_features, rng):
    X = rng.normal(size=(n, n_features)) + shift
    model = NadarayaWatsonRegressor("boxcar", KNearest(3)).fit(X, np.arange(n))
    for attention in (model.attention_weights(), model.attention_weights(X)):
        assert_array_equal((attention > 0).sum(axis=1), 3)


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_nearest_at_any_scale(scale, kernel, data):
    X, y, weights, queries = data
    plain = NadarayaWatsonRegressor(kernel, KNearest(4)).fit(X, y, weights)
    scaled = NadarayaWatsonRegressor(kernel, KNearest(4)).fit(X * scale, y, weights)
    expected = plain.predict(queries)
    assert_allclose(scaled.predict(queries * scale), expected, rtol=1e-9, atol=1e-9)
    assert_allclose(scaled.predict(None), plain.predict(None), rtol=1e-9, atol=1e-9)


def test_nearest_in_float32(kernel, data):
    X, y, weights, queries = data
    X, queries = X.astype(np.float32), queries.astype(np.float32)
    model = NadarayaWatsonRegressor(kernel, KNearest(6)).fit(X, y, weights)
    expected = attention_of_nearest(scaled_distances(queries, X, 1.0), 6, kernel, weights) @ y
    # In float32, a weight at the edge of a kernel is a rounding error relative to the others.
    assert_allclose(model.predict(queries), expected, atol=1e-3)


def test_nearest_boxcar_is_the_mean_of_the_nearest(data):
    X, y, _, queries = data
    model = NadarayaWatsonRegressor("boxcar", KNearest(6)).fit(X, y)
    nearest = scaled_distances(queries, X, 1.0).argsort(axis=1)[:, :6]
    assert_allclose(model.predict(queries), y[nearest].mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize("k", [0, -3, 41, 2.0, "2", None])
def test_bad_numbers_of_neighbours_are_refused(k, data):
    X, y, _, _ = data
    model = NadarayaWatsonRegressor(bandwidth=KNearest(k))
    with pytest.raises(
        ValueError, match=r"KNearest\(k\) needs an integer k from 1.*n_samples = 40"
    ):
        model.fit(X, y)


def test_k_of_all_rows_is_refused_with_a_row_left_out(data):
    X, y, weights, queries = data
    model = NadarayaWatsonRegressor(bandwidth=KNearest(40)).fit(X, y)
    assert np.isfinite(model.predict(queries)).all()
    with pytest.raises(ValueError, match=r"KNearest\(k=40\) needs at least 40 training rows.*39"):
        model.predict(None)
    # Rows are counted by weight, without the heaviest row.
    weights[5] = 10
    k = int(weights.sum()) - 10
    assert NadarayaWatsonRegressor(bandwidth=KNearest(k)).fit(X, y, weights).predict(None).size
    with pytest.raises(ValueError, match="needs at least"):
        NadarayaWatsonRegressor(bandwidth=KNearest(k + 1)).fit(X, y, weights).predict(None)


# -- Adaptive ---------------------------------------------------------------------------------


def attention_of_adaptive(Q, X, bandwidth, exponent, kernel, weights=None, left_out=None):
    factors = adaptive_factors(X, kernel, bandwidth, exponent, weights)
    weights = np.ones(len(X)) if weights is None else weights
    by_row = weights * factors ** -float(X.shape[1])
    D = scaled_distances(Q, X, bandwidth)
    return attention_by_distance(D, factors, kernel, by_row, left_out, "nearest")


@pytest.mark.parametrize("exponent", [0.0, 0.3, 0.5, 1.0])
def test_adaptive_equals_the_naive_loop(exponent, kernel, data):
    X, y, weights, queries = data
    bandwidth = np.array([0.9, 1.4])
    near = queries[:-2]  # for the others, the plain formula underflows
    for weight in (None, weights):
        model = NadarayaWatsonRegressor(kernel, Adaptive(bandwidth, exponent)).fit(X, y, weight)
        expected = attention_of_adaptive(near, X, bandwidth, exponent, kernel, weight)
        assert_attends(model, expected, near, y)
        assert np.isfinite(model.predict(queries)).all()
        expected = attention_of_adaptive(X, X, bandwidth, exponent, kernel, weight, np.arange(40))
        assert_attends(model, expected, None, y)


def test_a_weight_of_k_equals_k_copies_for_adaptive(kernel, data):
    X, y, weights, queries = data
    copies = weights.astype(int)
    weighted = NadarayaWatsonRegressor(kernel, Adaptive()).fit(X, y, weights)
    copied = NadarayaWatsonRegressor(kernel, Adaptive())
    copied.fit(X.repeat(copies, axis=0), y.repeat(copies, axis=0))
    assert_allclose(weighted.predict(queries), copied.predict(queries), rtol=1e-9, atol=1e-9)


def test_exponent_0_is_a_fixed_width(kernel, data):
    X, y, weights, queries = data
    for base in ("scott", 0.8):
        adaptive = NadarayaWatsonRegressor(kernel, Adaptive(base, 0)).fit(X, y, weights)
        fixed = NadarayaWatsonRegressor(kernel, base).fit(X, y, weights)
        assert_array_equal(adaptive.bandwidth_, fixed.bandwidth_)
        for Q in (queries, None):
            assert_allclose(adaptive.predict(Q), fixed.predict(Q), rtol=1e-10, atol=1e-12)


def test_widths_follow_the_density(rng):
    X = np.concatenate([rng.normal(size=(90, 1)) * 0.1, rng.normal(size=(10, 1)) + 20])
    factors = adaptive_factors(X, "gaussian", 0.5)
    model = NadarayaWatsonRegressor(bandwidth=Adaptive(0.5)).fit(X, X[:, 0])
    # Of two rows at the same distance, the one in the denser region is narrower and has less
    # weight.
    query = (X[[0]] + X[[95]]) / 2
    attention = model.attention_weights(query)[0]
    assert factors[0] < 1 < factors[95]
    assert attention[95] > attention[0]


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_adaptive_at_any_scale(scale, kernel, data):
    X, y, weights, queries = data
    plain = NadarayaWatsonRegressor(kernel, Adaptive()).fit(X, y, weights)
    scaled = NadarayaWatsonRegressor(kernel, Adaptive()).fit(X * scale, y, weights)
    expected = plain.predict(queries)
    assert_allclose(scaled.predict(queries * scale), expected, rtol=1e-9, atol=1e-9)


def test_adaptive_with_weights_far_apart(kernel, data):
    X, y, _, queries = data
    weights = np.where(np.arange(40) % 3 == 0, 1e-200, 1.0)
    model = NadarayaWatsonRegressor(kernel, Adaptive()).fit(X, y, weights)
    for place in (queries, queries + 1e6):
        found = model.predict(place)
        assert (found >= y.min() - 1e-9).all()
        assert (found <= y.max() + 1e-9).all()


def test_adaptive_requires_a_euclidean_space(data):
    X, y, _, _ = data
    model = NadarayaWatsonRegressor(bandwidth=Adaptive(), metric="manhattan")
    with pytest.raises(ValueError, match=r"Adaptive\(...\) needs metric='euclidean'.*manhattan"):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (Adaptive(exponent=2), "exponent from 0 to 1; got 2"),
        (Adaptive(exponent="x"), "exponent from 0 to 1; got 'x'"),
        (Adaptive(-1.0), "non-negative number.*got -1.0"),
        (Adaptive("scot"), "non-negative number.*got 'scot'"),
        (Adaptive([1.0, 2.0, 3.0]), "non-negative number.*got"),
        (Adaptive(KNearest(3)), r"non-negative number.*got KNearest\(k=3\)"),
    ],
)
def test_bad_adaptive_bandwidths_are_refused(wrong, match, data):
    X, y, _, _ = data
    with pytest.raises(ValueError, match=match):
        NadarayaWatsonRegressor(bandwidth=wrong).fit(X, y)


# -- both ---------------------------------------------------------------------------------


VARIABLE = [KNearest(3), KNearest(7), Adaptive(), Adaptive(0.5, 1.0), Adaptive("silverman", 0.2)]


@pytest.mark.parametrize("bandwidth", VARIABLE, ids=str)
def test_class_probabilities_equal_means_of_labels(bandwidth, kernel, data):
    X, _, weights, queries = data
    codes = np.arange(40) % 3
    classifier = NadarayaWatsonClassifier(kernel, bandwidth).fit(X, codes, weights)
    regressor = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, np.eye(3)[codes], weights)
    for Q in (queries, None):
        expected = regressor.predict(Q)
        assert_allclose(classifier.predict_proba(Q), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bandwidth", VARIABLE, ids=str)
def test_sparse_weights_and_top_k(bandwidth, kernel, data):
    X, y, weights, queries = data
    model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y, weights)
    dense = model.attention_weights(queries)
    assert_array_equal(model.attention_weights(queries, sparse_output=True).toarray(), dense)
    largest = model.attention_weights(queries, top_k=2)
    assert_allclose(largest.sum(axis=1), np.sort(dense, axis=1)[:, -2:].sum(axis=1))
    assert_allclose(model.attention_weights_ @ y, model.predict(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bandwidth", VARIABLE[1:4], ids=str)
def test_queries_are_independent(bandwidth, kernel, data):
    X, y, weights, queries = data
    model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y, weights)
    together = model.predict(queries)
    alone = np.concatenate([model.predict(query[None]) for query in queries])
    assert_allclose(alone, together, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bandwidth", VARIABLE, ids=str)
def test_n_jobs_does_not_change_results(bandwidth, data):
    X, y, weights, queries = data
    model = NadarayaWatsonRegressor(bandwidth=bandwidth, n_jobs=1).fit(X, y, weights)
    other = NadarayaWatsonRegressor(bandwidth=bandwidth, n_jobs=2).fit(X, y, weights)
    assert_array_equal(model.predict(queries), other.predict(queries))
    assert_array_equal(model.predict(None), other.predict(None))


def test_grid_search_over_varying_widths(data):
    X, y, _, _ = data
    y = np.sin(2 * X[:, 0])
    candidates = [KNearest(10), KNearest(3), Adaptive(), Adaptive(0.2), 0.2]
    search = GridSearchCV(
        NadarayaWatsonRegressor(), {"bandwidth": candidates}, cv=4, error_score="raise"
    ).fit(X, y)
    alone = [
        cross_val_score(NadarayaWatsonRegressor(bandwidth=b), X, y, cv=4).mean() for b in candidates
    ]
    assert_allclose(search.cv_results_["mean_test_score"], alone)
    assert search.best_params_["bandwidth"] == candidates[int(np.argmax(alone))]
    pipeline = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    grid = {"nadarayawatsonregressor__bandwidth": candidates}
    assert np.isfinite(
        GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y).best_score_
    )


def test_varying_widths_beat_a_fixed_one_for_uneven_density(rng):
    """Waves are narrow where rows are dense, and wide where they are sparse."""
    t = rng.uniform(0, 12, 400)
    X, truth = np.exp(t)[:, None], np.sin(2 * t)
    y = truth + 0.4 * rng.normal(size=400)

    def error(bandwidths):
        model = NadarayaWatsonRegressorCV(bandwidths=bandwidths).fit(X, y)
        return np.mean((model.predict(X) - truth) ** 2)

    fixed = error("auto")
    assert error([Adaptive(multiple, 1.0) for multiple in (1, 10, 30, 100)]) < 0.8 * fixed
    assert error([KNearest(k) for k in (5, 8, 12)]) < 0.25 * fixed


@pytest.mark.parametrize("bandwidth", VARIABLE, ids=str)
def test_clone_pickle_repr_equality(bandwidth, data):
    X, y, weights, queries = data
    model = NadarayaWatsonRegressor(bandwidth=bandwidth)
    assert repr(bandwidth) in repr(model)
    assert eval(repr(bandwidth), {"KNearest": KNearest, "Adaptive": Adaptive}) == bandwidth
    assert clone(model).get_params()["bandwidth"] == bandwidth
    assert hash(bandwidth) == hash(pickle.loads(pickle.dumps(bandwidth)))
    fitted = model.fit(X, y, weights)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(loaded.predict(queries), fitted.predict(queries))
    assert_array_equal(loaded.predict(None), fitted.predict(None))
    with pytest.raises(AttributeError):
        bandwidth.k = 5  # frozen


def test_equality():
    assert KNearest(3) == KNearest(3) != KNearest(4)
    assert Adaptive() == Adaptive("scott", 0.5) != Adaptive("silverman")
    assert Adaptive(exponent=0.2) != Adaptive()
    assert not {KNearest(3), Adaptive()} & set(RULES)


def test_fitted_attributes(data):
    X, y, _, _ = data
    assert NadarayaWatsonRegressor(bandwidth=KNearest(3)).fit(X, y).bandwidth_ == KNearest(3)
    adaptive = NadarayaWatsonRegressor(bandwidth=Adaptive([0.3, 0.5])).fit(X, y)
    assert_array_equal(adaptive.bandwidth_, [0.3, 0.5])


# -- scikit-learn's common checks -------------------------------------------------------------

# The checks of scores have ten features. The third nearest row is then so far that a Gaussian of
# that width reaches nearly all rows, so a compact kernel is used.
INSTANCES = [
    NadarayaWatsonRegressor("epanechnikov", KNearest(3)),
    NadarayaWatsonRegressor("biweight", KNearest(3), metric="precomputed"),
    NadarayaWatsonClassifier(bandwidth=KNearest(3)),
    NadarayaWatsonRegressor(bandwidth=Adaptive()),
    NadarayaWatsonClassifier("epanechnikov", Adaptive()),
]


def expected_failures(estimator):
    if estimator.metric != "precomputed":
        return {}
    return {"check_estimators_nan_inf": "an infinite distance is one of a pair that does not count"}


@suite_of(INSTANCES, expected_failures)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", INSTANCES[-3:], ids=str)
def test_parameters(estimator):
    check_param_validation(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.filterwarnings("error")
def test_nearest_rows_apart_by_the_range_of_numbers(k, kernel):
    """Widths from 1e-300 to 1e300 in one batch, and 0 where rows equal the query."""
    X = np.array([[0, 0], [1e300, 0], [1e300, 1], [1e300, 3], [1, 2], [5, 4], [0, 1e-300]])
    X = np.vstack([X, [[0, 3e-300], [1e-300, 1e-300], [3, -1e300], [1, 2], [7e290, 2]]])
    y = np.sin(3.0 * np.arange(len(X)))
    Q = np.vstack([X, [[2e-300, 0], [-1e300, -1e300], [1e10, 3], [7e290, 5]]])
    distances = np.array([[hypot(*(query - row)) for row in X] for query in Q])
    widths = nearest_widths(distances, k)[:, None]
    with np.errstate(over="ignore", under="ignore"):
        in_range = np.where(widths > 0, np.minimum(distances, 1e300 * widths), distances)
        expected = attention_by_distance(in_range, widths, kernel, empty="nearest") @ y
    model = NadarayaWatsonRegressor(kernel, KNearest(k)).fit(X, y)
    assert_allclose(model.predict(Q), expected, rtol=1e-9)
    assert_allclose([model.predict(query[None])[0] for query in Q], expected, rtol=1e-9)
    assert_allclose(model.attention_weights(Q) @ y, expected, rtol=1e-9)
