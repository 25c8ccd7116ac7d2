"""Tiles of squared distances: two ways to compute them, and excluded pairs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import scaled_distances
from sklearn.metrics import pairwise_distances

from nwkr._pooling._metric import pairs_of

ROWS, COLS = slice(2, 9), slice(5, 20)


@pytest.fixture
def problem(rng):
    """Queries, keys and a bandwidth for each of 4 columns."""
    bandwidth = np.array([0.5, 3.0, 1e-100, 1e100])
    return (
        (rng.normal(size=(12, 4)) + 1e5) * bandwidth,
        (rng.normal(size=(25, 4)) + 1e5) * bandwidth,
        bandwidth,
    )


def test_squared_distances_equal_the_formula(problem):
    u2 = scaled_distances(*problem) ** 2
    pairs = pairs_of(*problem)
    assert_allclose(pairs.squared_distances(ROWS, COLS), u2[ROWS, COLS], rtol=1e-13)
    assert_allclose(pairs.squared_distances(np.array([3, 1])), u2[[3, 1]], rtol=1e-13)


@pytest.mark.parametrize("factor", [1.0, -0.7])
def test_the_product_equals_the_formula(problem, factor):
    u2 = scaled_distances(*problem) ** 2
    out = np.empty((7, 15))
    assert pairs_of(*problem).product(factor).write(out, ROWS, COLS, reach=400.0)
    assert_allclose(out, factor * u2[ROWS, COLS], atol=1e-9)


def test_an_inexact_product_is_refused(problem):
    product = pairs_of(*problem).product(1.0)
    out = np.empty((7, 15))
    assert not product.write(out, ROWS, COLS, reach=1e8)
    assert not product.write(out, ROWS, COLS, reach=np.inf)


@pytest.mark.parametrize(
    ("reach", "error"), [(20.0, 1e-3), (200.0, 1e-3), (1e4, 1e-3), (1e7, None)]
)
def test_an_inexact_float32_product_is_computed_in_float64(rng, reach, error):
    queries, keys = rng.normal(size=(2, 20, 2)).astype(np.float32) * np.float32(reach / 8)
    product = pairs_of(queries, keys, np.ones(2)).product(1.0)
    out = np.empty((20, 20), np.float32)
    every = slice(0, 20)
    written = product.write(out, every, every, reach**2)
    assert written == (error is not None)
    if written:
        assert_allclose(out, scaled_distances(queries, keys, 1) ** 2, atol=error, rtol=1e-6)


def test_beyond_closest_keeps_the_digits_of_far_distances():
    """Two keys close together, seen from 1e8 away."""
    queries, keys = np.array([[1e8]]), np.array([[0.0], [1e-8], [-3.0]])
    pairs = pairs_of(queries, keys, np.ones(1))
    u2 = pairs.squared_distances(np.array([0]))
    beyond = pairs.beyond_closest(u2, u2.min(axis=1, keepdims=True), np.array([0]))
    assert_allclose(beyond - beyond.min(), [[2.0, 0.0, 6e8 + 11]], rtol=1e-12)


@pytest.mark.parametrize("n_columns", [3, 400])
def test_beyond_closest_refines_only_keys_within_reach(n_columns, rng):
    queries, keys = rng.normal(size=(4, n_columns)), rng.normal(size=(700, n_columns))
    width, rows = 0.002 if n_columns == 3 else 0.1, np.array([0, 2, 3])
    queries[0] += 9.0
    pairs = pairs_of(queries, keys, np.full(n_columns, width))
    u2 = pairs.squared_distances(rows)
    closest = u2.min(axis=1, keepdims=True)
    exact = (queries[rows, None].astype(np.longdouble) - keys) / np.longdouble(width)
    exact = np.square(exact).sum(axis=2)
    exact -= np.take_along_axis(exact, u2.argmin(axis=1)[:, None], axis=1)
    for multiple in (1.0, 2.0, 8.0):  # of the bandwidth
        beyond = pairs.beyond_closest(u2, closest, rows, reach=1380.0) / multiple**2
        matter = exact / multiple**2 < 1380
        assert matter.any(axis=1).all()
        errors = np.abs(beyond - exact / multiple**2)[matter]
        assert errors.max() < 2e-11
    assert (beyond[~matter] > 1379).all()


@pytest.mark.parametrize("metric", ["manhattan", "cosine", lambda a, b: abs(a[0] - b[0])])
def test_other_metrics_equal_scipy(metric, rng):
    queries, keys = rng.normal(size=(12, 4)), rng.normal(size=(25, 4))
    expected = (pairwise_distances(queries, keys, metric=metric) / 0.3) ** 2
    pairs = pairs_of(queries, keys, 0.3, metric)
    assert_allclose(pairs.squared_distances(ROWS, COLS), expected[ROWS, COLS])
    assert pairs.product(1.0) is None
    given = pairs_of(pairwise_distances(queries, keys, metric=metric), keys, 0.3, "precomputed")
    assert_allclose(given.squared_distances(ROWS, COLS), expected[ROWS, COLS])


def test_columns_with_bandwidth_inf_are_ignored(problem):
    queries, keys, bandwidth = problem
    pairs = pairs_of(queries, keys, np.where([1, 1, 0, 0], bandwidth, np.inf))
    expected = scaled_distances(queries[:, :2], keys[:, :2], bandwidth[:2]) ** 2
    assert_allclose(pairs.squared_distances(ROWS, COLS), expected[ROWS, COLS], rtol=1e-12)
    nothing = pairs_of(queries, keys, np.full(4, np.inf))
    assert_array_equal(nothing.squared_distances(ROWS, COLS), np.zeros((7, 15)))


@pytest.mark.parametrize("tiny", [0.0, 1e-200])
def test_columns_with_bandwidth_zero_exclude_pairs(tiny, rng):
    queries, keys = rng.integers(0, 3, (2, 30, 3)).astype(float)
    pairs = pairs_of(queries, keys, np.array([tiny, 1.0, tiny]))
    apart = (queries[:, None, [0, 2]] != keys[None][:, :, [0, 2]]).any(axis=2)
    assert_array_equal(pairs.mismatched(ROWS, COLS), apart[ROWS, COLS])
    distances = scaled_distances(queries, keys, [1, np.inf, 1])
    found = pairs.mismatch_distances(ROWS)
    assert_allclose(found, distances[ROWS], rtol=1e-13)
    assert_array_equal(
        pairs.mismatch_distances(ROWS, COLS), pairs.mismatch_distances(ROWS)[:, COLS]
    )
    tile = np.ones((7, 15))
    pairs.exclude(tile, ROWS, COLS)
    assert_array_equal(tile, ~apart[ROWS, COLS])


def test_a_metric_with_bandwidth_zero_excludes_pairs(rng):
    queries, keys = rng.integers(0, 4, (2, 30, 1)).astype(float)
    pairs = pairs_of(queries, keys, 0.0, "manhattan")
    assert_array_equal(pairs.mismatched(ROWS, COLS), (queries != keys.T)[ROWS, COLS])
    assert pairs_of(queries, keys, 0.1, "manhattan").mismatched(ROWS, COLS) is None


def test_the_key_left_out_is_excluded(rng):
    leave_out = rng.permutation(np.r_[np.arange(9), -1, -1, -1])
    pairs = pairs_of(
        rng.normal(size=(12, 1)), rng.normal(size=(25, 1)), np.ones(1), "euclidean", leave_out
    )
    expected = np.ones((12, 25))
    for query, key in enumerate(leave_out):
        if key >= 0:
            expected[query, key] = 7
    tile = np.ones((7, 15))
    pairs.exclude(tile, ROWS, COLS, fill=7)
    assert_array_equal(tile, expected[ROWS, COLS])
    whole = np.ones((3, 25))
    pairs.exclude(whole, np.array([4, 0, 11]), fill=7)
    assert_array_equal(whole, expected[[4, 0, 11]])
