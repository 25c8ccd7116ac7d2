"""Moments of blocks against sums over their pairs, all within the support."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import PROFILES, scaled_distances

from nwkr._pooling import Sizes
from nwkr._pooling._boxes import in_blocks
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._moments import Moments
from nwkr.kernels import KERNELS

POWERS = sorted(name for name, kernel in KERNELS.items() if kernel.power is not None)
EACH_POWER = pytest.mark.parametrize("kernel", POWERS)


def problem_of(n_features=2, shift=0.0, n_values=3, **widths):
    """Pairs that are all within a bandwidth, values, and blocks of the keys."""
    rng = np.random.default_rng(5)
    keys = rng.uniform(-1, 1, size=(150, n_features)) + shift
    queries = rng.uniform(-1, 1, size=(20, n_features)) + shift
    bandwidth = np.linspace(4.0, 6.0, n_features) * np.sqrt(n_features)
    order, blocks = in_blocks(keys, bandwidth, 12)
    values = rng.uniform(-1, 1, size=(n_values, 150))
    values[0] = np.abs(values[0])
    sizes = {"query_widths": 20, "key_widths": 150}
    widths = {name: rng.uniform(*limits, sizes[name]) for name, limits in widths.items()}
    return pairs_of(queries, keys[order], bandwidth, **widths), values, blocks


def plain_weights(kernel, pairs, multiple=1.0):
    u = scaled_distances(pairs.queries, pairs.keys, pairs.bandwidth * multiple)
    for side, factors in ((1, pairs.query_factors), (0, pairs.key_factors)):
        if factors is not None:
            u *= np.sqrt(np.expand_dims(factors, side))
    assert (u < 1).all()
    return PROFILES[kernel](u)


def sums_of(moments, numbers, rows):
    """Sums of all given blocks for all given queries."""
    return moments.sums([(numbers, np.ones((1, len(numbers)), bool))], [rows])


def assert_sums(moments, blocks, weights, values, numbers=None, rows=None):
    """Sums agree up to rounding, relative to the sum of absolute terms."""
    numbers = np.arange(len(blocks)) if numbers is None else numbers
    rows = np.arange(len(weights)) if rows is None else rows
    cols = blocks.rows(numbers)
    part = weights[np.ix_(rows, cols)]
    got, expected = sums_of(moments, numbers, rows), part @ values[:, cols].T
    error = np.abs(got - expected) / (part @ np.abs(values[:, cols]).T)
    assert got.shape == expected.shape
    assert error.max() < 1e-12


@pytest.mark.parametrize("n_values", [1, 2, 5])
@pytest.mark.parametrize("n_features", [1, 2, 3])
@EACH_POWER
def test_moments_equal_plain_sums(kernel, n_features, n_values):
    pairs, values, blocks = problem_of(n_features, n_values=n_values)
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts])
    assert_sums(moments, blocks, plain_weights(kernel, pairs), values)


@pytest.mark.parametrize("numbers", [[0], [5, 2], [7, 0, 3, 1]])
@EACH_POWER
def test_some_blocks_and_some_queries(kernel, numbers):
    pairs, values, blocks = problem_of()
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts])
    weights = plain_weights(kernel, pairs)
    for rows in ([4], [11, 3, 4]):
        assert_sums(moments, blocks, weights, values, np.array(numbers), np.array(rows))


@EACH_POWER
def test_each_part_sums_its_own_blocks(kernel):
    """Blocks come in two sizes."""
    pairs, values, blocks = problem_of()
    groups, weights = blocks.groups(4), plain_weights(kernel, pairs)
    moments = Moments(pairs, KERNELS[kernel], values, [groups.starts, blocks.starts])
    parts = [np.array([3, 1]), np.array([7]), np.array([2, 19, 4])]
    of_groups = np.array([2, 0]), np.array([[1, 0], [0, 0], [1, 1]], bool)
    of_blocks = np.array([5, 7, 6]), np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]], bool)
    sums = moments.sums([of_groups, of_blocks], parts)
    expected = []
    for number, rows in enumerate(parts):
        cols = np.concatenate(
            [
                level.rows(numbers[inside[number]])
                for level, (numbers, inside) in ((groups, of_groups), (blocks, of_blocks))
            ]
        )
        expected.append(weights[np.ix_(rows, cols)] @ values[:, cols].T)
    assert_allclose(sums, np.concatenate(expected), rtol=1e-11, atol=1e-11)
    nothing = [(numbers, np.zeros_like(inside)) for numbers, inside in (of_groups, of_blocks)]
    assert not moments.sums(nothing, parts).any()


@pytest.mark.parametrize("widths", [None, "query", "key"])
@pytest.mark.parametrize("apart", [1.0, 1e3, 1e7])
@EACH_POWER
def test_distant_parts_cost_no_digits(kernel, apart, widths, rng):
    """Digits relative to the supports are kept, in any unit."""
    places, unit = np.array([0.0, 1.0, 1.5, 40.0]) * apart, 1e-4 if widths else 1.0
    keys, queries = (
        np.concatenate([rng.uniform(-1, 1, (size, 2)) + place for place in places])
        for size in (30, 5)
    )
    options = {}
    if widths is not None:
        options[f"{widths}_widths"] = np.full(120 if widths == "key" else 20, 4 / unit)
    pairs = pairs_of(queries, keys, np.full(2, unit if widths else 4.0), **options)
    values, starts = rng.uniform(size=(2, 120)), np.arange(0, 121, 30)
    moments = Moments(pairs, KERNELS[kernel], values, [starts])
    within = np.eye(4, dtype=bool)
    within[2] = False
    sums = moments.sums([(np.arange(4), within)], list(np.arange(20).reshape(4, 5)))
    for part, inside in enumerate(within):
        rows, cols = np.arange(5 * part, 5 * part + 5), np.arange(30 * part, 30 * part + 30)
        u = scaled_distances(queries[rows], keys[cols], 4.0)
        expected = inside.any() * PROFILES[kernel](u) @ values[:, cols].T
        # The places themselves are rounded.
        assert_allclose(sums[rows], expected, rtol=1e-12 + 1e-15 * apart)


@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize("shift", [1e3, 1e6, -1e6])
@EACH_POWER
def test_a_common_shift_costs_no_digits(kernel, shift, n_features):
    pairs, values, blocks = problem_of(n_features, shift)
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts])
    assert_sums(moments, blocks, plain_weights(kernel, pairs), values)


@pytest.mark.parametrize("multiple", [0.9, 3.0, 1e4])
@EACH_POWER
def test_multiples_of_the_bandwidth(kernel, multiple):
    pairs, values, blocks = problem_of()
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts], multiple)
    assert_sums(moments, blocks, plain_weights(kernel, pairs, multiple), values)


@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("by", ["query_widths", "key_widths"])
@pytest.mark.parametrize("limits", [(0.9, 3.0), (5.0, 50.0)])
@EACH_POWER
def test_widths_by_query_and_by_key(kernel, by, limits, n_features):
    pairs, values, blocks = problem_of(n_features, **{by: limits})
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts])
    assert_sums(moments, blocks, plain_weights(kernel, pairs), values)


@EACH_POWER
def test_blocks_of_any_size(kernel):
    pairs, values, _ = problem_of()
    for size in (1, 2, 60, 150):
        order, blocks = in_blocks(pairs.keys, pairs.bandwidth, size)
        ordered = pairs_of(pairs.queries, pairs.keys[order], pairs.bandwidth)
        moments = Moments(ordered, KERNELS[kernel], values, [blocks.starts])
        assert_sums(moments, blocks, plain_weights(kernel, ordered), values)


@pytest.mark.parametrize("at_once", [1, 40, 150])
@EACH_POWER
def test_keys_at_once_do_not_change_results(kernel, at_once):
    pairs, values, blocks = problem_of()
    pairs.sizes = Sizes(keys_per_moments=at_once)
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts])
    assert_sums(moments, blocks, plain_weights(kernel, pairs), values)


@EACH_POWER
def test_columns_that_are_off(kernel):
    pairs, values, blocks = problem_of()
    bandwidth = np.append(pairs.bandwidth, np.inf)
    queries, keys = (
        np.column_stack([X, 1e9 * np.arange(len(X))]) for X in (pairs.queries, pairs.keys)
    )
    with_more = pairs_of(queries, keys, bandwidth)
    moments = Moments(with_more, KERNELS[kernel], values, [blocks.starts])
    assert_sums(moments, blocks, plain_weights(kernel, pairs), values)


@EACH_POWER
def test_float32_rows_have_float64_moments(kernel):
    pairs, values, blocks = problem_of()
    rounded = pairs_of(
        pairs.queries.astype(np.float32), pairs.keys.astype(np.float32), pairs.bandwidth
    )
    moments = Moments(rounded, KERNELS[kernel], values, [blocks.starts])
    assert sums_of(moments, np.array([0]), np.array([0])).dtype == np.float64
    assert_sums(moments, blocks, plain_weights(kernel, rounded), values)


@pytest.mark.parametrize("kernel", ["boxcar", "constant"])
def test_moments_of_equal_weights_are_sums_of_values(kernel):
    pairs, values, blocks = problem_of()
    moments = Moments(pairs, KERNELS[kernel], values, [blocks.starts])
    sums = sums_of(moments, np.arange(len(blocks)), np.arange(20))
    assert_allclose(sums, np.tile(values.sum(axis=1), (20, 1)), rtol=1e-13, atol=1e-13)
