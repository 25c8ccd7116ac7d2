"""Rows of weights by the plain formula."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, scaled_distances

from nwkr._pooling._distances import pairs_of
from nwkr._pooling._rows import Rows, row_blocks
from nwkr.kernels import KERNELS


@pytest.mark.parametrize(("n_rows", "n_keys"), [(0, 5), (7, 1), (1000, 3000), (3, 10**7)])
def test_blocks_cover_the_rows_once(n_rows, n_keys):
    numbers = np.arange(n_rows)
    blocks = list(row_blocks(n_rows, n_keys))
    assert_array_equal(
        np.concatenate([numbers[:0], *(numbers[block] for block in blocks)]), numbers
    )
    assert all((block.stop - block.start - 1) * n_keys < 2**18 for block in blocks)


def test_rows_are_the_formula(kernel, rng):
    queries, keys = rng.normal(size=(10, 2)), rng.normal(size=(15, 2))
    rows = np.array([7, 0, 3])
    exactly = Rows(pairs_of(queries, keys, np.ones(2)), KERNELS[kernel], rows)
    expected = PROFILES[kernel](scaled_distances(queries, keys, 1.0)[rows])
    weights = exactly.weights()
    scale = expected.max(axis=1, keepdims=True) / weights.max(axis=1, keepdims=True)
    assert_allclose(scale * weights, expected, rtol=1e-12, atol=1e-15)
    values = np.stack([rng.uniform(size=15), rng.normal(size=15)])
    for multiple in (1.0, 0.5, 3.0):
        sums, shift = exactly.sums(values, multiple, slice(1, 3))
        expected = PROFILES[kernel](scaled_distances(queries, keys, multiple)[rows[1:]]) @ values.T
        assert_allclose(sums * np.exp(shift)[:, None], expected, rtol=1e-11, atol=1e-14)


def test_logarithms_bring_far_rows_into_range():
    queries, keys = np.array([[100.0], [1e5]]), np.linspace(0, 1, 11)[:, None]
    far = Rows(pairs_of(queries, keys, np.ones(1)), KERNELS["gaussian"], np.arange(2))
    weights = far.weights()
    assert_array_equal(weights.max(axis=1), [1, 1])
    assert_allclose(np.log(weights[0]), -((100 - keys[:, 0]) ** 2 - 99**2) / 2, atol=1e-11)
    sums, shift = far.sums(np.ones((1, 11)))
    assert_allclose(sums, weights.sum(axis=1, keepdims=True))
    assert_allclose(shift, [-(99.0**2) / 2, -((1e5 - 1) ** 2) / 2])


@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
def test_rows_without_weight(empty, rng):
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
        sums, shift = exactly.sums(values, multiple, np.array([2, 0]))
        assert_allclose(sums, expected[[2, 0]] @ values.T)
        assert_array_equal(shift, [-np.inf, -np.inf])


def test_nothing_is_left_where_all_is_left_out(kernel):
    pairs = pairs_of(np.zeros((1, 1)), np.zeros((1, 1)), np.ones(1), leave_out=np.array([0]))
    for empty in (None, "nearest", "mean"):
        exactly = Rows(pairs, KERNELS[kernel], np.array([0]), empty)
        assert_array_equal(exactly.weights(), [[0.0]])
        assert_array_equal(exactly.sums(np.ones((1, 1)))[0], [[0.0]])


def test_sums_are_replaced_where_they_are_uncertain(kernel, rng):
    queries, keys = rng.normal(size=(10, 2)), rng.normal(size=(15, 2))
    values, multiples, numbers = rng.uniform(size=(3, 15)), (1.0, 2.0), np.array([7, 0, 3])
    exactly = Rows(pairs_of(queries, keys, np.ones(2)), KERNELS[kernel], numbers)
    sums, shift = np.full((2, 10, 3), np.nan), np.full((2, 10), np.nan)
    uncertain = np.zeros((2, 10), bool)
    uncertain[0, [0, 7]] = uncertain[1, [3, 5]] = True
    exactly.replace(sums, shift, numbers, uncertain, values, multiples)
    for number, rows in ((0, [0, 7]), (1, [3])):
        u = scaled_distances(queries[rows], keys, multiples[number])
        made = sums[number, rows] * np.exp(shift[number, rows])[:, None]
        assert_allclose(made, PROFILES[kernel](u) @ values.T, rtol=1e-11)
        assert_array_equal(np.flatnonzero(~np.isnan(shift[number])), rows)
        assert_array_equal(np.flatnonzero(~np.isnan(sums[number, :, 0])), rows)
