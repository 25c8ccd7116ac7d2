"""Rows of weights against the plain formula."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, scaled_distances

from nwkr._pooling._metric import pairs_of
from nwkr._pooling._rows import Rows, in_rows
from nwkr.kernels import KERNELS


def in_one(sums):
    """Total and weighted sums, (n_queries, 1 + n_values), without a common scale."""
    return np.column_stack([sums.total, sums.weighted]) * np.exp(sums.log_scale)[:, None]


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("widths", [None, "query", "key"])
@pytest.mark.parametrize("bandwidth", [0.01, 0.2, 3.0])
def test_rows_have_all_keys_with_weight(kernel, bandwidth, widths, leave_out, rng):
    queries, keys = rng.normal(size=(150, 3)), rng.normal(size=(200, 3))
    keys[40:60] = keys[0]
    queries[:80] = keys[:80]
    options = {"leave_out": np.arange(150)} if leave_out else {}
    if widths is not None:
        options[f"{widths}_widths"] = rng.uniform(0.5, 2, 150 if widths == "query" else 200)
    pairs = pairs_of(queries, keys, np.full(3, bandwidth), **options)
    numbers = rng.permutation(150)[:140]
    for empty in (None, "nearest", "mean"):
        expected = Rows(pairs, KERNELS[kernel], numbers, empty).weights()
        parts = list(in_rows(pairs, KERNELS[kernel], numbers, empty))
        assert_array_equal(np.concatenate([part.rows for part in parts]), numbers)
        made = np.zeros((140, 200))
        for part, first in zip(parts, np.cumsum([0, *(len(part.rows) for part in parts)])):
            made[np.ix_(first + np.arange(len(part.rows)), np.arange(200)[part.cols])] = (
                part.weights()
            )
        assert_allclose(made, expected, rtol=1e-12)


def test_rows_of_narrow_windows_leave_out_most_keys(rng):
    X = rng.normal(size=(2000, 5))
    for name, bandwidth in [("biweight", 0.3), ("gaussian", 0.01)]:
        pairs = pairs_of(X, X, np.full(5, bandwidth), leave_out=np.arange(2000))
        counted = [len(part.cols) for part in in_rows(pairs, KERNELS[name], np.arange(2000))]
        assert max(counted) < 500


def test_blocks_of_rows_are_small(rng):
    pairs = pairs_of(rng.normal(size=(100, 1)), rng.normal(size=(30_000, 1)), np.ones(1))
    sizes = [part.weights().size for part in in_rows(pairs, KERNELS["gaussian"], np.arange(100))]
    assert sum(sizes) == 100 * 30_000
    assert max(sizes) <= 2**18


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8, 1e148])
def test_candidate_keys_include_the_nearest_at_any_scale(scale, rng):
    queries, keys = rng.normal(size=(30, 2)) * scale, rng.normal(size=(40, 2)) * scale
    pairs = pairs_of(queries, keys, np.ones(2))
    distances = scaled_distances(queries, keys, 1.0)
    near = np.zeros(40, bool)
    near[pairs.candidate_keys(np.arange(30), 1.0, 0.0)] = True
    assert near[distances.argmin(axis=1)].all()
    assert near[(distances <= 1).any(axis=0)].all()


def test_rows_equal_the_formula(kernel, rng):
    queries, keys = rng.normal(size=(10, 2)), rng.normal(size=(15, 2))
    rows = np.array([7, 0, 3])
    exactly = Rows(pairs_of(queries, keys, np.ones(2)), KERNELS[kernel], rows)
    expected = PROFILES[kernel](scaled_distances(queries, keys, 1.0)[rows])
    weights = exactly.weights()
    scale = expected.max(axis=1, keepdims=True) / weights.max(axis=1, keepdims=True)
    assert_allclose(scale * weights, expected, rtol=1e-12, atol=1e-15)
    values = np.stack([rng.uniform(size=15), rng.normal(size=15)])
    for multiple in (1.0, 0.5, 3.0):
        sums = exactly.sums(values, multiple, slice(1, 3))
        expected = PROFILES[kernel](scaled_distances(queries, keys, multiple)[rows[1:]]) @ values.T
        assert_allclose(in_one(sums), expected, rtol=1e-11, atol=1e-14)


def test_logarithms_keep_far_rows_in_range():
    queries, keys = np.array([[100.0], [1e5]]), np.linspace(0, 1, 11)[:, None]
    far = Rows(pairs_of(queries, keys, np.ones(1)), KERNELS["gaussian"], np.arange(2))
    weights = far.weights()
    assert_array_equal(weights.max(axis=1), [1, 1])
    assert_allclose(np.log(weights[0]), -((100 - keys[:, 0]) ** 2 - 99**2) / 2, atol=1e-11)
    sums = far.sums(np.ones((1, 11)))
    assert_allclose(sums.total, weights.sum(axis=1))
    assert_allclose(sums.shift, [-(99.0**2) / 2, -((1e5 - 1) ** 2) / 2])


@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
def test_rows_without_weight_get_stand_ins(empty, rng):
    queries, keys = rng.normal(size=(10, 2)), rng.normal(size=(15, 2))
    narrow = pairs_of(queries, keys, np.full(2, 1e-3), leave_out=np.arange(10))
    rows = np.array([7, 0, 3])
    exactly = Rows(narrow, KERNELS["biweight"], rows, empty)
    u = scaled_distances(queries, keys, 1.0)[rows]
    u[np.arange(3), rows] = np.inf
    expected = {
        None: np.zeros((3, 15)),
        "nearest": u == u.min(axis=1, keepdims=True),
        "mean": np.isfinite(u),
    }[empty]
    assert_array_equal(exactly.weights(), expected)
    values = np.stack([rng.uniform(size=15), rng.normal(size=15)])
    for multiple in (1.0, 2.0):
        sums = exactly.sums(values, multiple, np.array([2, 0]))
        assert_allclose(in_one(sums), expected[[2, 0]] @ values.T)
        assert_array_equal(sums.shift, [-np.inf, -np.inf])


def test_all_keys_left_out_give_zeros(kernel):
    pairs = pairs_of(np.zeros((1, 1)), np.zeros((1, 1)), np.ones(1), leave_out=np.array([0]))
    for empty in (None, "nearest", "mean"):
        exactly = Rows(pairs, KERNELS[kernel], np.array([0]), empty)
        assert_array_equal(exactly.weights(), [[0.0]])
        assert_array_equal(exactly.sums(np.ones((1, 1))).total, [0.0])
