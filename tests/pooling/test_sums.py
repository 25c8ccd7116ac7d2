"""Partial sums, merged in any order, equal pooling over all keys."""

import numpy as np
import pytest
from engine import pool
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, nearest_widths, predict_extended, scaled_distances

from nwkr._pooling import Attention, PooledSums, in_blocks, places
from nwkr.kernels import KERNELS

N_QUERIES, N_KEYS = 12, 14
MULTIPLES = (1.0, 3.0)
VARIANTS = [
    "plain",
    "left out",
    "one's own",
    "grid",
    "far",
    "far grid",
    "far, query widths",
    "query widths",
    "query widths, grid",
    "key widths",
    "bandwidth 0",
    "bandwidth 0, twice",
    "bandwidth inf",
    "precomputed",
    "precomputed, bandwidth 0",
    "precomputed, query widths",
    "cityblock",
    "float32",
]


def problem_of(variant, rng):
    """Queries, keys partly beyond the support, and values."""
    keys, queries = rng.normal(size=(N_KEYS, 2)), 3 * rng.normal(size=(N_QUERIES, 2))
    options = {"bandwidth": np.array([0.4, 0.9])}
    if variant.endswith("grid"):
        keys, queries = (rng.integers(-3, 4, X.shape).astype(float) for X in (keys, queries))
    if variant == "left out":
        options["leave_out"] = rng.integers(-1, N_KEYS, N_QUERIES)
    elif variant == "one's own":
        keys = rng.integers(0, 6, keys.shape).astype(float)
        queries, options["leave_out"] = keys, np.arange(N_KEYS)
    elif variant.startswith("far"):
        # logarithms of weights have 18 digits before those that differ between keys
        queries = 1e9 * queries
        keys = 1 + 1e-9 * keys
        if variant.endswith("widths"):
            options["query_widths"] = rng.uniform(0.3, 3, N_QUERIES)
    elif variant.startswith("query widths"):
        widths = nearest_widths(scaled_distances(queries, keys, 1.0), 2)
        options |= {"bandwidth": np.ones(2), "query_widths": widths}
    elif variant == "key widths":
        options["key_widths"] = rng.uniform(0.3, 3, N_KEYS)
    elif variant.startswith("bandwidth 0"):
        columns = 1 if variant == "bandwidth 0" else 2
        keys[:, :columns] = rng.integers(0, 4, (N_KEYS, columns)) * 10.0 ** rng.integers(0, 5)
        keys[::3, :columns] *= 1e5  # some parts have none of these
        queries[:, :columns] = rng.integers(0, 8, (N_QUERIES, columns)) / 2
        options["bandwidth"][:columns] = 0
    elif variant == "bandwidth inf":
        options["bandwidth"][0] = np.inf
    elif variant.startswith("precomputed"):
        queries = rng.integers(0, 9, (N_QUERIES, N_KEYS)) / 4 + rng.integers(0, 2, (N_QUERIES, 1))
        queries[rng.uniform(size=queries.shape) < 0.2] = np.inf
        options |= {"bandwidth": 0.5, "metric": "precomputed"}
        if variant.endswith("bandwidth 0"):
            options["bandwidth"] = 0.0
        elif variant.endswith("query widths"):
            options |= {"bandwidth": 1.0, "query_widths": np.repeat([0.0, 0.5, 2.0], 4)}
    elif variant == "cityblock":
        options |= {"bandwidth": 0.5, "metric": "cityblock"}
    elif variant == "float32":
        keys, queries = keys.astype(np.float32), queries.astype(np.float32)
    options["weights"] = rng.uniform(0.1, 1, N_KEYS)
    return {"queries": queries, "keys": keys} | options, rng.normal(size=(N_KEYS, 3))


def merged(parts, pick):
    """Merge by a tree; `pick` chooses the next two parts."""
    parts = list(parts)
    while len(parts) > 1:
        one = parts.pop(pick(len(parts)))
        parts.append(one.merge(parts.pop(pick(len(parts)))))
    return parts[0]


def assert_alike(sums, expected, tolerance):
    assert_array_equal(sums.total > 0, expected.total > 0)
    assert_array_equal(sums.reached, expected.reached)
    assert_array_equal(np.isneginf(sums.shift), np.isneginf(expected.shift))
    assert_allclose(sums.finish(), expected.finish(), atol=tolerance, rtol=tolerance)
    ours, theirs = (np.log(s.total[s.reached]) + s.shift[s.reached] for s in (sums, expected))
    assert_allclose(ours, theirs, atol=tolerance, rtol=1e-14)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=8)
@given(data=st.data())
def test_merged_parts_equal_the_whole(variant, data):
    kernel = data.draw(st.sampled_from(sorted(KERNELS)), "kernel")
    empty = data.draw(st.sampled_from(["nearest", "mean", None]), "empty")
    owner = data.draw(st.lists(st.integers(0, 4), min_size=N_KEYS, max_size=N_KEYS), "owner")
    rng = np.random.default_rng(data.draw(st.integers(0, 999), "seed"))
    options, values = problem_of(variant, rng)
    whole = Attention(kernel=KERNELS[kernel], empty=empty, **options)
    parts = []
    for cols in (np.flatnonzero(np.equal(owner, number)) for number in sorted(set(owner))):
        parts.append(whole.take(cols=cols).pool_each(values[cols], MULTIPLES))
    tolerance = 1e-4 if variant == "float32" else 1e-10
    for of_multiple, expected in zip(zip(*parts), whole.pool_each(values, MULTIPLES)):
        found = merged(of_multiple, lambda n: data.draw(st.integers(0, n - 1), "next"))
        assert_alike(found, expected, tolerance)


@pytest.mark.parametrize("empty", ["nearest", "mean", "nan"])
@pytest.mark.parametrize("leave_out", [False, True])
def test_merged_parts_equal_the_formula(kernel, leave_out, empty, rng):
    keys = rng.integers(0, 5, (20, 2)).astype(float)
    queries = keys if leave_out else rng.integers(-9, 12, (25, 2)).astype(float)
    values, bandwidth = rng.normal(size=(20, 2)), np.array([0.8, 1.1])
    whole = Attention(
        queries,
        keys,
        np.ones(20),
        KERNELS[kernel],
        bandwidth,
        leave_out=np.arange(20) if leave_out else None,
        empty=None if empty == "nan" else empty,
    )
    parts = (whole.take(cols=cols).pool(values[cols]) for cols in np.split(rng.permutation(20), 5))
    expected = attention(queries, keys, kernel, bandwidth, leave_self_out=leave_out, empty=empty)
    assert_allclose(merged(parts, rng.integers).finish(), expected @ values, atol=1e-9)


@pytest.mark.parametrize("ways", [("blocks", "blocks"), ("dense", "blocks"), ("auto", "lattice")])
def test_parts_pooled_in_different_ways_merge(kernel, ways, rng):
    keys, queries = rng.normal(size=(300, 2)), 3 * rng.normal(size=(60, 2))
    values, leave_out = rng.normal(size=(300, 1)), rng.integers(-1, 300, 60)
    if "lattice" in ways:  # the lattice leaves out keys at the place of the query only
        leave_out[:] = -1
    for empty in ("nearest", "mean", None):
        alike = {"kernel": KERNELS[kernel], "bandwidth": np.full(2, 0.3), "empty": empty}
        parts = []
        for way, cols in zip(ways, np.split(rng.permutation(300), 2)):
            order, blocks = in_blocks(keys[cols], alike["bandwidth"], 10)
            cols = cols[order]
            out = places(leave_out, cols)
            part = Attention(
                queries, keys[cols], np.ones(150), leave_out=out, blocks=blocks, **alike
            )
            parts.append(part.replace(algorithm=way).pool(values[cols]))
        options = {"queries": queries, "keys": keys, "weights": np.ones(300)} | alike
        assert_alike(
            merged(parts, rng.integers), pool(values, leave_out=leave_out, **options), 1e-9
        )


def test_far_queries_choose_the_same_keys_in_parts(rng):
    """The bits that decide between parts are below those of the logarithm of a weight."""
    keys, queries = 1 + 1e-12 * rng.normal(size=(9, 2)), np.array([[1e12, -3e11], [-1e12, 7e5]])
    y, bandwidth = rng.normal(size=9), np.array([1.0, 0.7])
    whole = Attention(queries, keys, np.ones(9), KERNELS["gaussian"], bandwidth)
    parts = [whole.take(cols=np.array([col])).pool(y[col : col + 1, None]) for col in range(9)]
    expected = predict_extended(queries, keys, y, "gaussian", bandwidth)
    assert_allclose(merged(parts, rng.integers).finish()[:, 0], expected, atol=1e-6)
    alone = [part.finish() for part in parts]
    assert np.ptp(alone) > 1


def test_the_nearest_keys_of_all_parts_stand_in():
    def part(keys, y):
        return pool(
            np.array(y)[:, None],
            queries=np.array([[9.0], [2.0], [1.1]]),
            keys=np.array(keys)[:, None],
            weights=np.ones(len(keys)),
            kernel=KERNELS["boxcar"],
            bandwidth=np.array([0.2]),
            empty="nearest",
        )

    found = part([1.0], [1.0]).merge(part([3.0], [3.0]))
    assert_array_equal(found.finish(), [[3.0], [2.0], [1.0]])
    assert_array_equal(found.reached, [False, False, True])
    assert_array_equal(found.take(np.array([2, 0])).finish(), [[1.0], [3.0]])
    assert_array_equal(found.take(np.array([2, 0])).reached, [True, False])


def test_empty_sums_finish_as_nan_and_change_nothing():
    def of(log_scale, total, weighted, **rank):
        return PooledSums(np.array([log_scale]), np.array([total]), np.array([[weighted]]), **rank)

    nothing = of(0.0, 0.0, 0.0)
    assert_array_equal(nothing.merge(nothing).finish(), [[np.nan]])
    assert_array_equal(nothing.merge(nothing).reached, [False])
    stands_in = of(0.0, 3.0, 1.0, rank=np.array([[0.0, 2.0]]))
    assert_array_equal(nothing.merge(stands_in).merge(nothing).finish(), [[1 / 3]])
    assert_array_equal(nothing.merge(stands_in).shift, [-np.inf])
    tiny = of(-5000.0, 2.0, 6.0)
    for sums in (tiny.merge(nothing), nothing.merge(tiny), tiny.merge(stands_in)):
        assert_array_equal(sums.finish(), [[3.0]])
        assert_array_equal(sums.shift, [-5000.0])
