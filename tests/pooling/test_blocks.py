"""Pooling by blocks against dense pooling and plain sums, for every kernel."""

from dataclasses import replace

import numpy as np
import pytest
from engine import attend, pool, pool_each, slopes
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    PROFILES,
    attention,
    attention_by_distance,
    log_totals_of_gaussian,
    scaled_distances,
    slope,
)

from nwkr._pooling import Sizes, in_blocks
from nwkr._pooling._blocks import pool_blocks
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._values import WeightedValues
from nwkr.kernels import KERNELS

DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)
# Changes of the plain problem.
VARIANTS = [
    "plain",
    "one value",
    "classes",
    "alike weights",
    "left out",
    "one's own",
    "one's own, some",
    "query widths",
    "query widths, some 0",
    "key widths",
    "a column that is off",
    "a column that is exact",
    "a column that is exact, unmatched",
    "all columns off",
    "duplicates",
    "far from 0",
    "outliers",
]
# The oracle finds the stand-ins of empty queries by distance alone, and in float64 it lacks digits
# of huge squares.
CONTRASTS = ["plain", "left out", "query widths, some 0", "key widths", "a column that is exact"]
PLAIN = [
    variant for variant in VARIANTS if not variant.endswith(("unmatched", "far from 0", "outliers"))
]


# Several levels of blocks among a few hundred rows, and moments wherever possible.
SMALL = Sizes(
    blocks_per_group=4,
    queries_per_block=16,
    queries_per_group=64,
    least_queries_per_block=4,
    pairs_per_visit=300,
    blocks_within=0,
    pairs_per_moment=0,
    keys_per_moments=64,
)


def problem_of(variant="plain", *, bandwidth=0.7, n_queries=50, n_keys=150, size=5):
    """The arguments of pooling, with keys in k-d order and their blocks."""
    rng = np.random.default_rng(11)
    keys, queries = rng.normal(size=(n_keys, 2)), 1.2 * rng.normal(size=(n_queries, 2))
    values, weights = rng.uniform(-1, 1, size=(n_keys, 3)), rng.uniform(0.1, 1, n_keys)
    problem = {"bandwidth": bandwidth * np.array([1.0, 1.5])}
    if variant == "one value":
        values = values[:, :1]
    elif variant == "classes":
        values = np.eye(4)[rng.integers(0, 4, n_keys)]
    elif variant == "alike weights":
        weights = np.ones(n_keys)
    elif variant == "left out":
        problem["leave_out"] = rng.integers(-1, n_keys, n_queries)
    elif variant.startswith("query widths"):
        widths = rng.uniform(0.3, 3, n_queries)
        if variant.endswith("0"):
            queries[:30] = keys[rng.integers(0, n_keys, 30)]  # some width of 0 has an exact match
            widths[:30] *= rng.integers(0, 2, 30)
        problem["query_widths"] = widths
    elif variant == "key widths":
        problem["key_widths"] = rng.uniform(0.3, 3, n_keys)
    elif variant == "a column that is off":
        problem["bandwidth"][0] = np.inf
    elif variant.startswith("a column that is exact"):
        keys[:, 0], queries[:, 0] = rng.integers(0, 3, n_keys), rng.integers(0, 3, n_queries)
        if variant.endswith("unmatched"):
            queries[::3, 0] = 3.2
        problem["bandwidth"][0] = 0.0
    elif variant == "all columns off":
        problem["bandwidth"][:] = np.inf
    elif variant == "duplicates":
        keys, queries = keys[rng.integers(0, 15, n_keys)], keys[rng.integers(0, 30, n_queries)]
    elif variant == "far from 0":
        keys, queries = keys + 1e6, queries + 1e6
    elif variant == "outliers":
        keys[:2] *= 1e6
        queries[:2] *= 1e6
    scale = np.where(problem["bandwidth"] > 0, problem["bandwidth"], np.inf)
    order, blocks = in_blocks(keys, scale, size)
    keys = keys[order]
    if variant.startswith("one's own"):
        queries, problem["leave_out"] = keys, np.arange(n_keys)
        if variant.endswith("some"):
            problem["leave_out"][::3] = -1
    return problem | {
        "queries": queries,
        "keys": keys,
        "values": values,
        "weights": weights,
        "blocks": blocks,
        "sizes": SMALL,
    }


def plain_attention(kernel, problem, empty="nan"):
    """Weights that sum to 1 in each row, by the plain formula."""
    bandwidth = problem["bandwidth"]
    matched, off = bandwidth == 0, np.isinf(bandwidth)
    scale = np.where(matched | off, 1.0, bandwidth)
    keys, queries = (problem[name][:, ~off & ~matched] for name in ("keys", "queries"))
    u = scaled_distances(queries, keys, scale[~off & ~matched])
    width = 1.0
    if "query_widths" in problem:
        width = problem["query_widths"][:, None]
    elif "key_widths" in problem:
        width = problem["key_widths"]
    exact = [problem[name][:, matched] for name in ("queries", "keys")]
    u[(exact[0][:, None] != exact[1]).any(axis=2)] = np.inf
    left_out = problem.get("leave_out")
    if left_out is not None and (left_out < 0).any():  # queries with -1 leave out an additional key
        u = np.column_stack([u, np.full(len(u), np.inf)])
        weights = np.append(problem["weights"], 0)
        return attention_by_distance(u, width, kernel, weights, left_out, empty)[:, :-1]
    return attention_by_distance(u, width, kernel, problem["weights"], left_out, empty)


def assert_alike(sums, expected, rtol=1e-10):
    """Totals agree in proportion, weighted sums absolutely: values are of order 1."""
    assert_array_equal(sums.total > 0, expected.total > 0)
    reached = expected.total > 0
    assert_array_equal(np.isneginf(sums.shift[reached]), np.isneginf(expected.shift[reached]))
    finite = reached & ~np.isneginf(expected.shift)
    ours, theirs = (np.log(s.total[finite]) + s.shift[finite] for s in (sums, expected))
    assert_allclose(ours, theirs, rtol=1e-13, atol=rtol)
    assert_allclose(sums.finish(), expected.finish(), rtol=0, atol=rtol)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bandwidth", [0.2, 3.0])
def test_blocks_agree_with_dense(kernel, bandwidth, variant):
    problem = problem_of(variant, bandwidth=bandwidth)
    problem |= {"kernel": KERNELS[kernel], "empty": "nearest"}
    assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
@pytest.mark.parametrize("bandwidth", [1e-6, 0.05])
@pytest.mark.parametrize("variant", ["left out", "key widths", "duplicates"])
def test_queries_without_weight_agree_with_dense(kernel, variant, bandwidth, empty):
    problem = problem_of(variant, bandwidth=bandwidth)
    problem |= {"kernel": KERNELS[kernel], "empty": empty}
    assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("variant", PLAIN)
def test_pooled_values_equal_the_plain_formula(kernel, variant):
    problem = problem_of(variant, bandwidth=0.5)
    got = pool(**problem, kernel=KERNELS[kernel], algorithm="blocks").finish()
    weights = plain_attention(kernel, problem)
    assert_array_equal(np.isnan(got[:, 0]), np.isnan(weights[:, 0]))
    assert_allclose(got, weights @ problem["values"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("variant", ["plain", "left out", "one's own", "classes"])
def test_totals_equal_plain_totals(kernel, variant):
    problem = problem_of(variant)
    sums = pool(**problem, kernel=KERNELS[kernel], algorithm="blocks")
    weights = PROFILES[kernel](
        scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"])
    )
    if "leave_out" in problem:
        leaving = np.flatnonzero(problem["leave_out"] >= 0)
        weights[leaving, problem["leave_out"][leaving]] = 0
    expected = weights @ problem["weights"]
    scale = np.where(expected > 0, np.exp(sums.shift), 0)
    assert_allclose(scale * sums.total, expected, rtol=1e-10)


@pytest.mark.parametrize("tol", [1e-6, 1e-2])
@pytest.mark.parametrize("variant", ["plain", "one's own", "query widths", "key widths"])
def test_errors_are_within_the_tolerance(kernel, variant, tol):
    problem = problem_of(variant, bandwidth=0.3) | {"kernel": KERNELS[kernel]}
    dense = pool(**problem, algorithm="dense")
    assert_alike(pool(**problem, algorithm="blocks", tol=tol), dense, rtol=tol + 1e-10)


@pytest.mark.parametrize("size", [1, 40, 150])
@pytest.mark.parametrize("variant", ["left out"])
def test_block_size_does_not_change_results(kernel, variant, size):
    problem = problem_of(variant, size=size) | {"kernel": KERNELS[kernel], "empty": "nearest"}
    assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("n_features", [1, 3, 5])
@pytest.mark.parametrize("variant", ["plain", "one's own"])
def test_any_number_of_columns(kernel, n_features, variant):
    rng = np.random.default_rng(2)
    bandwidth = np.full(n_features, 0.6 * n_features)
    keys = rng.normal(size=(150, n_features))
    order, blocks = in_blocks(keys, bandwidth, 6)
    problem = problem_of() | {"keys": keys[order], "bandwidth": bandwidth, "blocks": blocks}
    problem["queries"] = rng.normal(size=(50, n_features))
    if variant == "one's own":
        problem |= {"queries": keys[order], "leave_out": np.arange(150)}
    problem |= {"kernel": KERNELS[kernel], "empty": "nearest"}
    assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("large", ["value", "weight", "both"])
def test_a_key_left_out_leaves_no_trace(kernel, large):
    """The sums of the other keys are exact, even if this key is much larger."""
    problem = problem_of("one's own", bandwidth=2.0) | {"kernel": KERNELS[kernel]}
    problem["values"][:, 2] = np.arange(150) == 60  # a class of its own
    if large != "weight":
        problem["values"][60, :2] = 1e9, -1e9
    if large != "value":
        problem["weights"] *= np.where(np.arange(150) == 60, 1.0, 1e-9)
    got = pool(**problem, algorithm="blocks").finish()[60]
    weights = plain_attention(kernel, problem)[60]
    assert_allclose(got[:2], weights @ problem["values"][:, :2], rtol=0, atol=1e-10)
    assert got[2] == 0


@pytest.mark.parametrize(("kernel", "distance"), [("gaussian", 9.0), ("exponential", 45.0)])
def test_a_key_left_out_does_not_make_others_negligible(kernel, distance):
    """If it counted, all others would be negligible."""
    keys = np.append(np.linspace(0, 0.5, 40), distance)[:, None]
    order, blocks = in_blocks(keys, np.ones(1), 1)
    values, weights = np.cos(keys[order]), np.where(keys[order, 0] > 1, 1.0, 1e-9)
    problem = {
        "queries": keys[40:], "keys": keys[order], "values": values, "weights": weights,
        "bandwidth": np.ones(1), "leave_out": weights.argmax()[None], "kernel": KERNELS[kernel],
        "blocks": blocks, "sizes": replace(SMALL, blocks_per_group=1),
    }  # fmt: skip
    expected = plain_attention(kernel, problem) @ values
    assert_allclose(pool(**problem, algorithm="blocks").finish(), expected, rtol=1e-10)


@pytest.mark.parametrize("distance", [30.0, 1e3, 1e6])
def test_far_queries_agree_with_dense(kernel, distance):
    problem = problem_of() | {"kernel": KERNELS[kernel], "empty": "nearest"}
    problem["queries"][::2] += distance
    assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("distance", [30.0, 60.0, 1e4])
def test_totals_of_far_queries_are_kept_in_logarithms(distance):
    problem = problem_of("left out")
    problem["queries"] += distance
    sums = pool(**problem, kernel=KERNELS["gaussian"], algorithm="blocks")
    expected = log_totals_of_gaussian(**problem)
    assert_allclose(sums.shift + np.log(sums.total), expected, rtol=1e-12)


@pytest.mark.parametrize("n_queries", [1, 2, 17])
def test_few_queries_agree_with_dense(kernel, n_queries):
    problem = problem_of() | {"kernel": KERNELS[kernel], "empty": "nearest"}
    problem["queries"] = problem["queries"][:n_queries]
    assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("n_keys", [1, 2, 7])
def test_few_keys_agree_with_dense(kernel, n_keys):
    for variant in ("plain", "one's own") if n_keys > 1 else ("plain",):
        problem = problem_of(variant, n_keys=n_keys, size=2)
        problem |= {"kernel": KERNELS[kernel], "empty": "nearest"}
        assert_alike(pool(**problem, algorithm="blocks"), pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("variant", ["plain", "one's own", "query widths", "key widths"])
def test_float32_is_pooled_into_float64(kernel, variant):
    problem = problem_of(variant, bandwidth=1.0) | {"empty": "nearest"}
    for name in ("queries", "keys"):
        problem[name] = problem[name].astype(np.float32)
    sums = pool(**problem, kernel=KERNELS[kernel], algorithm="blocks")
    assert sums.total.dtype == sums.weighted.dtype == np.float64
    expected = plain_attention(kernel, problem, "nearest") @ problem["values"]
    # At the edge of a kernel, a weight is a rounding error, which matters in a small total.
    assert_allclose(sums.finish(), expected, atol=2e-5)


@pytest.mark.parametrize("variant", CONTRASTS)
def test_n_jobs_does_not_change_results(kernel, variant):
    problem = problem_of(variant) | {"kernel": KERNELS[kernel], "empty": "nearest"}
    alone = pool(**problem, algorithm="blocks", n_jobs=1)
    for n_jobs in (2, 3):
        together = pool(**problem, algorithm="blocks", n_jobs=n_jobs)
        for name in ("shift", "total", "weighted"):
            assert_array_equal(getattr(together, name), getattr(alone, name))


@pytest.mark.parametrize("rows", [[5], [47, 3, 40], list(range(0, 50, 2))])
@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
def test_a_subset_of_queries(kernel, empty, rows):
    problem = problem_of("left out", bandwidth=0.2)
    names = ("queries", "keys", "bandwidth", "leave_out")
    pairs = pairs_of(**{name: problem[name] for name in names})
    around = Neighbourhoods(pairs, KERNELS[kernel], problem["weights"], problem["blocks"])
    values = WeightedValues(problem["weights"], problem["values"])
    (every,) = pool_blocks(around, values, empty=empty)
    (some,) = pool_blocks(around, values, empty=empty, rows=np.array(rows))
    assert_alike(some.take(rows), every.take(rows), rtol=1e-12)
    others = some.take(np.setdiff1d(np.arange(50), rows))
    assert not others.total.any()
    assert not others.weighted.any()


LADDERS = {
    "sqrt 2": [2 ** (j / 2) for j in range(-4, 3)],
    "unsorted": [3.0, 0.31, 1.7, 0.3],
    "limits": [1e-8, 1e-3, 1.0, 1e9, 1.0],
}


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("variant", ["plain", "one's own", "a column that is exact, unmatched"])
def test_many_bandwidths_at_once_equal_each_alone(kernel, variant, ladder):
    problem = problem_of(variant) | {"kernel": KERNELS[kernel], "empty": "nearest"}
    bandwidth = problem.pop("bandwidth")
    together = pool_each(LADDERS[ladder], bandwidth=bandwidth, **problem, algorithm="blocks")
    for multiple, sums in zip(LADDERS[ladder], together, strict=True):
        assert_alike(sums, pool(bandwidth=multiple * bandwidth, **problem, algorithm="dense"))


@pytest.mark.parametrize("empty", [None, "mean"])
def test_many_bandwidths_agree_for_queries_without_weight(kernel, empty):
    problem = problem_of("left out") | {"kernel": KERNELS[kernel], "empty": empty}
    bandwidth = problem.pop("bandwidth")
    multiples = [0.01, 0.1, 0.3, 1.0]
    together = pool_each(multiples, bandwidth=bandwidth, **problem, algorithm="blocks")
    for multiple, sums in zip(multiples, together, strict=True):
        assert_alike(sums, pool(bandwidth=multiple * bandwidth, **problem, algorithm="dense"))


def attention_of(kernel, problem, **options):
    """The weights that `attend` shows, as one array."""
    problem = {name: value for name, value in problem.items() if name != "values"}
    shape = len(problem["queries"]), len(problem["keys"])
    weights, shown = np.zeros(shape), np.zeros(shape[0], int)

    def keep(rows, cols, part):
        weights[np.ix_(rows, cols)] = part
        shown[rows] += 1

    attend(keep, **problem, kernel=KERNELS[kernel], algorithm="blocks", **options)
    assert_array_equal(shown, 1)
    return weights


@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
@pytest.mark.parametrize("variant", CONTRASTS)
def test_attention_equals_the_plain_formula(kernel, variant, empty):
    problem = problem_of(variant, bandwidth=0.15)
    expected = plain_attention(kernel, problem, empty or "nan")
    # A query without near keys has weights 0; with width 0, the oracle finds the nearest key by the
    # plain distance.
    got = attention_of(kernel, problem, empty=empty)
    assert_allclose(got, np.nan_to_num(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_jobs", [3])
def test_n_jobs_does_not_change_attention(kernel, n_jobs):
    problem = problem_of("one's own", bandwidth=0.3)
    alone = attention_of(kernel, problem, empty="nearest", n_jobs=1)
    assert_array_equal(attention_of(kernel, problem, empty="nearest", n_jobs=n_jobs), alone)


def slopes_of(kernel, problem, algorithm, n_jobs=None):
    """Slopes of the squared error of the keys, each left out of its own prediction."""
    problem = problem | {"kernel": KERNELS[kernel], "algorithm": algorithm, "n_jobs": n_jobs}
    sums = pool(**problem)
    reached = (sums.total > 0)[:, None]
    residuals = np.nan_to_num(sums.finish()) - problem["values"]
    loss_slopes = np.where(reached, 2 * problem["weights"][:, None] * residuals, 0)
    return slopes(**problem, sums=sums, loss_slopes=loss_slopes)


@pytest.mark.parametrize("bandwidth", [0.1, 0.5, 5.0])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_agree_with_dense(kernel, bandwidth):
    problem = problem_of("one's own", bandwidth=bandwidth)
    dense = slopes_of(kernel, problem, "dense")
    got = slopes_of(kernel, problem, "blocks", n_jobs=1)
    assert_allclose(got, dense, rtol=0, atol=1e-9 * np.abs(dense).max())
    for n_jobs in (2, 3):
        assert_array_equal(slopes_of(kernel, problem, "blocks", n_jobs), got)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_equal_differences(kernel):
    problem = problem_of("one's own", bandwidth=0.8)
    X, values, weights = problem["keys"], problem["values"], problem["weights"]

    def loss(log_bandwidth):
        smoother = attention(X, X, kernel, np.exp(log_bandwidth), weights, True)
        reached = ~np.isnan(smoother).any(axis=1)
        errors = ((values[reached] - smoother[reached] @ values) ** 2).sum(axis=1)
        return weights[reached] @ errors

    expected = slope(loss, np.log(problem["bandwidth"]))
    assert np.abs(expected).min() > 1e-3  # the comparison needs nonzero slopes
    assert_allclose(slopes_of(kernel, problem, "blocks"), expected, rtol=1e-6)


@pytest.mark.parametrize("bandwidth", [0.0, np.inf])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_of_columns_that_are_off_or_exact(kernel, bandwidth):
    problem = problem_of("one's own")
    column = np.round(problem["keys"][:, 0])
    for name in ("queries", "keys"):
        problem[name] = np.column_stack([column, problem["keys"][:, 1]])
    problem["bandwidth"] = np.array([bandwidth, 0.7])
    order, problem["blocks"] = in_blocks(problem["keys"], np.array([np.inf, 0.7]), 6)
    for name in ("queries", "keys", "values", "weights"):
        problem[name] = problem[name][order]
    got, dense = (slopes_of(kernel, problem, way) for way in ("blocks", "dense"))
    assert got[0] == 0
    assert dense[1] != 0
    assert_allclose(got, dense, rtol=1e-9)
