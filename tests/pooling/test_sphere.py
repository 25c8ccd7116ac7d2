"""Places on a sphere: blocks and products by chords are as exact as arcs."""

import pickle

import mpmath
import numpy as np
import pytest
from engine import algorithm_of, attend, pool, pool_each
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, attention_by_distance, nearest_widths
from sklearn.metrics.pairwise import haversine_distances

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr._nearest import NearPlaces, widths_of_near
from nwkr._pooling import Sizes, _sphere, in_blocks, pairs_of
from nwkr._pooling._boxes import Boxes, corners_of_runs
from nwkr._pooling._metric import MetricPairs
from nwkr._pooling._sphere import SpherePairs
from nwkr.bandwidths import KNearest
from nwkr.kernels import KERNELS

# Several levels of blocks among a few rows.
SMALL = Sizes(blocks_per_group=3, queries_per_group=15, queries_per_block=5)
# Spreads of places, with a bandwidth for each.
SPREADS = {"all around": (None, 0.5), "a country": (0.1, 0.05), "a street": (1e-6, 1e-6)}


def places_of(n_places, spread, rng):
    if spread is None:
        return np.column_stack(
            [np.arcsin(rng.uniform(-1, 1, n_places)), rng.uniform(-np.pi, np.pi, n_places)]
        )
    return np.array([0.8, 3.1]) + spread * rng.normal(size=(n_places, 2))


def opposite(places):
    return np.column_stack([-places[:, 0], places[:, 1] + np.pi])


def problem_of(spread="all around", seed=20):
    """The arguments of pooling, with queries at keys and opposite to keys."""
    rng = np.random.default_rng(seed)
    extent, bandwidth = SPREADS[spread]
    queries, keys = places_of(60, extent, rng), places_of(150, extent, rng)
    queries[:3], queries[3:6] = opposite(keys[:3]), keys[3:6]
    order, blocks = in_blocks(keys, np.ones(2), 5, metric="haversine")
    return {
        "queries": queries,
        "keys": keys[order],
        "values": rng.uniform(-1, 1, size=(150, 2)),
        "weights": rng.uniform(0.1, 1, 150),
        "bandwidth": bandwidth,
        "metric": "haversine",
        "leave_out": rng.integers(-1, 150, 60),
        "blocks": blocks,
        "sizes": SMALL,
    }


def plain_weights(kernel, u, problem):
    """Weights by the formula, relative to the nearest key; without weight, the nearest."""
    u = u.copy()
    leaving = np.flatnonzero(problem["leave_out"] >= 0)
    u[leaving, problem["leave_out"][leaving]] = np.inf
    nearest = u.min(axis=1, keepdims=True)
    if kernel == "gaussian":
        weights = np.exp(-(u**2 - nearest**2) / 2)
    elif kernel == "exponential":
        weights = np.exp(nearest - u)
    else:
        weights = np.where(np.isinf(u), 0, PROFILES[kernel](np.where(np.isinf(u), 1e3, u)))
    lone = ~weights.any(axis=1)
    weights[lone] = (u == nearest)[lone]
    return weights * problem["weights"]


def assert_pooled(sums, weights, problem, **tolerances):
    expected = weights @ problem["values"] / weights.sum(axis=1, keepdims=True)
    assert_allclose(sums.finish(), expected, **tolerances)


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("spread", SPREADS)
def test_sums_equal_plain_sums(kernel, spread, algorithm):
    problem = problem_of(spread) | {"algorithm": algorithm}
    assert algorithm_of(kernel=KERNELS[kernel], **problem) == algorithm
    u = haversine_distances(problem["queries"], problem["keys"]) / problem["bandwidth"]
    multiples = (1.0, 0.5, np.sqrt(2))
    together = pool_each(multiples, kernel=KERNELS[kernel], **problem, empty="nearest")
    for multiple, sums in zip(multiples, together):
        weights = plain_weights(kernel, u / multiple, problem)
        # up to the digits in differences of arcs
        atol = 1e-9 if spread != "a street" else 1e-7
        assert_pooled(sums, weights, problem, rtol=0, atol=atol)


def exact_arcs(queries, keys):
    with mpmath.workdps(40):
        arcs = np.empty((len(queries), len(keys)))
        for row, (a, b) in enumerate(queries.tolist()):
            for number, (c, d) in enumerate(keys.tolist()):
                h = mpmath.sin((mpmath.mpf(a) - c) / 2) ** 2
                h += mpmath.cos(a) * mpmath.cos(c) * mpmath.sin((mpmath.mpf(b) - d) / 2) ** 2
                arcs[row, number] = 2 * mpmath.asin(mpmath.sqrt(h))
        return arcs


@pytest.mark.parametrize("apart", [1e-12, 1e-8, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("is_opposite", [False, True])
def test_arcs_keep_their_digits(apart, is_opposite, rng):
    """Exact arcs have scikit-learn's digits; chords have 1e-9."""
    keys = places_of(20, None, rng)
    queries = keys + apart * rng.normal(size=(20, 2))
    queries = opposite(queries) if is_opposite else queries
    arcs = exact_arcs(queries, keys)
    pairs = pairs_of(queries, keys, 1.0, "haversine")
    assert isinstance(pairs, SpherePairs)
    plain = np.sqrt(pairs.squared_distances(slice(None)))
    assert_array_equal(plain, haversine_distances(queries, keys))
    tile, product = np.empty((20, 20)), pairs.product(1.0)
    written = product.write(tile, slice(0, 20), slice(0, 20), 4.0)
    assert written == (arcs.max() < np.pi - 1e-3)
    if written:
        close = arcs < 1e-3
        assert_allclose(np.sqrt(tile)[~close], arcs[~close], rtol=1e-9)
        assert_allclose(tile[close], arcs[close] ** 2, atol=1e-14)


@pytest.mark.parametrize("spread", SPREADS)
def test_bounds_of_arcs_hold(spread, rng):
    problem = problem_of(spread)
    queries, blocks = problem["queries"], problem["blocks"]
    pairs = pairs_of(queries, problem["keys"], problem["bandwidth"], "haversine")
    starts = np.arange(0, 60, 4)
    corners = corners_of_runs(pairs.queries, starts)
    nearest, farthest = Boxes(pairs, blocks).distances(corners)
    u2 = (haversine_distances(queries, problem["keys"]) / problem["bandwidth"]) ** 2
    edges = blocks.starts[:-1]
    lowest = np.minimum.reduceat(np.minimum.reduceat(u2, starts, axis=0), edges, axis=1)
    highest = np.maximum.reduceat(np.maximum.reduceat(u2, starts, axis=0), edges, axis=1)
    assert (nearest <= lowest).all()
    assert (highest <= farthest).all()
    assert nearest.any()


@pytest.mark.parametrize("bandwidth", [0.0, 1e-200, np.inf])
def test_bandwidths_zero_and_infinity(kernel, bandwidth):
    problem = problem_of() | {"bandwidth": bandwidth, "empty": "nearest"}
    names = ("queries", "keys", "bandwidth", "metric")
    assert type(pairs_of(**{name: problem[name] for name in names})) is MetricPairs
    u = haversine_distances(problem["queries"], problem["keys"])
    u = np.zeros_like(u) if bandwidth == np.inf else np.where(u == 0, 0, u * 1e150)
    sums = pool(kernel=KERNELS[kernel], **problem)
    if bandwidth == np.inf or kernel != "constant":
        weights = plain_weights("boxcar", u, problem)
        assert_pooled(sums, weights, problem, rtol=1e-9)


def test_attention_equals_the_formula(kernel):
    problem = problem_of()
    del problem["values"]
    found = np.zeros((60, 150))

    def keep(rows, cols, weights):
        found[np.ix_(rows, cols)] = weights

    attend(keep, kernel=KERNELS[kernel], **problem, empty="nearest")
    u = haversine_distances(problem["queries"], problem["keys"]) / problem["bandwidth"]
    weights = plain_weights(kernel, u, problem)
    assert_allclose(found, weights / weights.sum(axis=1, keepdims=True), rtol=0, atol=1e-12)


# -- nearest places -----------------------------------------------------------------------


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("ties", [False, True])
def test_nearest_places_equal_sorted_arcs(spread, ties, rng):
    keys, queries = places_of(300, SPREADS[spread][0], rng), places_of(50, SPREADS[spread][0], rng)
    if ties:
        keys = keys[rng.integers(0, 20, 300)]
    queries[:5], queries[5:10] = keys[:5], opposite(keys[:5])
    near, wanted = NearPlaces(keys, np.ones(300)), np.full(50, 7.0)
    distances = haversine_distances(queries, keys)
    for k in (7, 300):
        wanted = np.full(50, k * (1 - 1e-12))
        widths = widths_of_near(near, 7, queries, wanted, np.full(50, -1))
        assert_allclose(widths, nearest_widths(distances, k), rtol=4e-15, atol=0)


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_windows_to_the_nearest_places(kernel, spread, algorithm, rng):
    X, Q = places_of(300, SPREADS[spread][0], rng), places_of(40, SPREADS[spread][0], rng)
    y = rng.normal(size=300)
    model = NadarayaWatsonRegressor(
        kernel, KNearest(9), metric="haversine", algorithm=algorithm
    ).fit(X, y)
    for queries, left_out in ((Q, None), (None, np.arange(300))):
        distances = haversine_distances(X if queries is None else queries, X)
        widths = nearest_widths(distances, 9, left_out=left_out)[:, None]
        exact = widths * (1 + 1e-13) if kernel == "boxcar" else widths
        weights = attention_by_distance(distances, exact, kernel, left_out=left_out)
        assert_allclose(model.predict(queries), weights @ y, rtol=1e-9, atol=1e-9)


# -- estimators ---------------------------------------------------------------------------


def test_many_places_are_in_blocks(rng):
    X, y = places_of(3000, None, rng), rng.normal(size=3000)
    model = NadarayaWatsonRegressor("tricube", 0.1, metric="haversine").fit(X, y)
    assert model.algorithm_ == "blocks"
    plain = NadarayaWatsonRegressor("tricube", 0.1, metric="precomputed")
    plain.fit(haversine_distances(X), y)
    Q = places_of(50, None, rng)
    assert_allclose(model.predict(Q), plain.predict(haversine_distances(Q, X)), rtol=1e-9)
    assert_allclose(model.predict(None), plain.predict(None), rtol=1e-9)
    labels = NadarayaWatsonClassifier(bandwidth=0.1, metric="haversine").fit(X, y > 0)
    u = haversine_distances(Q, X) / 0.1
    weights = PROFILES["gaussian"](u)
    expected = weights @ (y > 0) / weights.sum(axis=1)
    assert_allclose(labels.predict_proba(Q)[:, 1], expected, rtol=1e-9)


def test_a_search_over_places(rng):
    X = places_of(400, None, rng)
    y = np.sin(3 * X[:, 0]) + 0.1 * rng.normal(size=400)
    models = [
        NadarayaWatsonRegressorCV(metric=metric).fit(rows, y)
        for metric, rows in (("haversine", X), ("precomputed", haversine_distances(X)))
    ]
    assert_allclose(models[0].bandwidth_, models[1].bandwidth_, rtol=1e-6)
    assert_allclose(models[0].predict(None), models[1].predict(None), rtol=1e-6)


def test_places_have_no_lattice(rng):
    X, y = places_of(100, None, rng), rng.normal(size=100)
    model = NadarayaWatsonRegressor(metric="haversine", algorithm="lattice")
    with pytest.raises(ValueError, match=r"lattice' needs metric='euclidean'.*'blocks', 'dense'"):
        model.fit(X, y)


@pytest.mark.parametrize("bandwidth", [0.1, KNearest(9)], ids=str)
def test_preparation_changes_no_bit(bandwidth, rng, monkeypatch):
    """Places are mapped to the sphere once."""
    X, y, Q = places_of(2000, None, rng), rng.normal(size=2000), places_of(5, None, rng)
    model = NadarayaWatsonRegressor("tricube", bandwidth, metric="haversine").fit(X, y)
    prepared = model._shared["prepared"]
    assert prepared is not None
    sizes, on_sphere = [], _sphere.on_sphere

    def counted(places):
        sizes.append(len(places))
        return on_sphere(places)

    monkeypatch.setattr(_sphere, "on_sphere", counted)
    found = model.predict(Q)
    assert sizes
    assert max(sizes) <= 5
    attention = model._attention(Q)
    plain = attention.replace(prepared=None).pool(model._values)
    assert_array_equal(attention.pool(model._values).finish(), plain.finish())
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(Q), found)
