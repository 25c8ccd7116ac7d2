"""Pairs with other metrics: one formula for all types, and infinite distances."""

import numpy as np
import pytest
from engine import pool
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import nan_euclidean_distances

from nwkr._pooling._metric import Metric, distances_between, pairs_of
from nwkr._pooling._rows import weights_in_rows
from nwkr.kernels import KERNELS

ROWS, COLS = slice(2, 9), slice(5, 20)
# All metrics without parameters that take real numbers in any number of columns.
NAMES = [
    "braycurtis", "canberra", "chebyshev", "cityblock", "correlation", "cosine", "hamming", "l1",
    "l2", "manhattan", "minkowski", "nan_euclidean", "sqeuclidean",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_computed_in_float64(name, rng):
    queries, keys = (rng.normal(size=(n, 4)).astype(np.float32) for n in (12, 25))
    expected = distances_between(queries.astype(float), keys.astype(float), name)
    assert_allclose(expected, pairwise_distances(queries.astype(float), keys, name), rtol=1e-12)
    pairs = pairs_of(queries, keys, 0.5, name)
    assert pairs.squared_distances(ROWS, COLS).dtype == np.float64
    assert_array_equal(pairs.squared_distances(slice(0, 12)), (expected / 0.5) ** 2)


@pytest.mark.parametrize("name", ["l2", "nan_euclidean", "minkowski"])
def test_shifted_rows_keep_their_digits(name, rng):
    queries, keys = rng.integers(-40, 40, (2, 20, 3)) / 8.0  # the shift rounds none of them
    shifted = distances_between(queries + 2.0**40, keys + 2.0**40, name)
    assert_allclose(shifted, cdist(queries, keys), rtol=1e-14)


def test_parameters_are_passed_on(rng):
    queries, keys = rng.normal(size=(2, 20, 3))
    found = distances_between(queries, keys, Metric("minkowski", {"p": 3}))
    assert_allclose(found, (np.abs(queries[:, None] - keys) ** 3).sum(axis=2) ** (1 / 3))
    slanted = Metric(lambda a, b, slope: abs(a[0] - slope * b[0]), {"slope": 2.0})
    assert_allclose(
        distances_between(queries, keys, slanted), np.abs(queries[:, :1] - 2 * keys[:, 0])
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bandwidth", [0.0, 0.7, 1e300, np.inf])
@pytest.mark.parametrize("metric", ["precomputed", lambda a, b: a[0] - b[0] if a > b else np.inf])
def test_pairs_at_infinite_distance_are_excluded(metric, bandwidth, rng):
    queries, keys = rng.integers(0, 9, (2, 30, 1)).astype(float)
    past = queries > keys.T
    distances = np.where(past, queries - keys.T, np.inf)
    given = distances if metric == "precomputed" else queries
    pairs = pairs_of(given, keys, bandwidth, metric)
    u2 = pairs.squared_distances(ROWS, COLS)
    assert np.isfinite(u2).all()
    counts = past & (bandwidth > 0)  # no distance is 0
    with np.errstate(invalid="ignore"):
        expected = (distances / (bandwidth or 1)) ** 2
    assert_allclose(u2[counts[ROWS, COLS]], expected[ROWS, COLS][counts[ROWS, COLS]])
    tile = np.ones((7, 15))
    pairs.exclude(tile, ROWS, COLS)
    assert_array_equal(tile, counts[ROWS, COLS])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bandwidth", [1e-160, 1e-250, 1e-300, 0.0])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e300])
def test_nearest_keys_have_all_weight_if_the_bandwidth_is_negligible(kernel, bandwidth, scale, rng):
    distances = rng.integers(1, 5, (30, 40)) * scale
    pairs = pairs_of(distances, np.empty((40, 1)), bandwidth, "precomputed")
    (_, cols, weights), *more = weights_in_rows(pairs, KERNELS[kernel], np.arange(30), "nearest")
    assert not more
    assert cols == slice(None)
    assert_array_equal(weights > 0, distances == distances.min(axis=1, keepdims=True))
    assert_allclose(weights[weights > 0], 1)
    (_, _, weights), *_ = weights_in_rows(pairs, KERNELS[kernel], np.arange(30))
    assert not weights.any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
def test_stand_ins_where_all_distances_are_infinite(kernel, empty, rng):
    """No key is nearest; the mean is that of all keys."""
    distances, values = rng.uniform(0, 1, (30, 40)), rng.normal(size=(40, 2))
    distances[rng.random((30, 40)) < 0.5] = np.inf
    distances[:9] = np.inf
    keys = np.empty((40, 1))
    pooled = pool(
        values, queries=distances, keys=keys, kernel=KERNELS[kernel], bandwidth=2.0,
        weights=np.ones(40), metric="precomputed", empty=empty,
    ).finish()  # fmt: skip
    weights = np.where(np.isfinite(distances), PROFILES[kernel](np.minimum(distances, 9) / 2), 0)
    expected = weights[9:] @ values / weights[9:].sum(axis=1, keepdims=True)
    assert_allclose(pooled[9:], expected)
    stands_in = values.mean(axis=0) if empty == "mean" else np.nan
    assert_allclose(pooled[:9], np.broadcast_to(stands_in, (9, 2)))
    pairs = pairs_of(distances, keys, 2.0, "precomputed")
    found = [w for *_, w in weights_in_rows(pairs, KERNELS[kernel], np.arange(9), empty)]
    assert_array_equal(np.concatenate(found), np.full((9, 40), float(empty == "mean")))


@pytest.mark.parametrize("bandwidth", [0.0, 0.1])
def test_each_pair_is_measured_once(kernel, bandwidth, rng):
    calls = []

    def metric(a, b):
        calls.append((a[0], b[0]))
        return abs(a[0] - b[0])

    queries, keys = rng.integers(0, 9, (30, 1)).astype(float), np.arange(9.0)[:, None]
    pairs = pairs_of(queries, keys, bandwidth, metric)
    for _ in weights_in_rows(pairs, KERNELS[kernel], np.arange(30), "nearest"):
        assert len(calls) == 30 * 9


@pytest.mark.parametrize(("given", "text"), [(-0.5, "-0.5"), (np.nan, "nan")])
def test_negative_and_missing_distances_are_refused(given, text):
    with pytest.raises(ValueError, match=f"non-negative distances; <function.* returned {text}"):
        distances_between(np.ones((2, 1)), np.ones((3, 1)), lambda a, b: given)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_missing_numbers_equal_nan_euclidean(shift, rng):
    """The distance is scikit-learn's with all digits; pairs without common columns are excluded."""
    queries, keys = rng.normal(size=(20, 4)) + shift, rng.normal(size=(30, 4)) + shift
    for rows in (queries, keys):
        rows[rng.random(rows.shape) < 0.3] = np.nan
    queries[0], queries[1], keys[0] = np.nan, [np.nan, np.nan, 0.0, 0.0], [0.0, 0.0, np.nan, np.nan]
    expected = nan_euclidean_distances(queries - shift, keys - shift)
    nothing = np.isnan(expected)
    assert nothing[0].all()
    assert nothing[1, 0]
    found = distances_between(queries, keys, "nan_euclidean")
    assert_array_equal(np.isinf(found), nothing)
    assert_allclose(found[~nothing], expected[~nothing], rtol=1e-6 if shift else 1e-12, atol=1e-7)
    sums = pool(
        np.ones((30, 1)), queries=queries, keys=keys, weights=np.ones(30),
        kernel=KERNELS["gaussian"], metric="nan_euclidean",
    )  # fmt: skip
    weights = np.where(nothing, 0, np.exp(-(np.where(nothing, 0, expected) ** 2) / 2))
    assert_allclose(sums.total * np.exp(sums.shift), weights.sum(axis=1), rtol=1e-6)
