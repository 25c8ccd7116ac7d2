"""Missing values and labels, against distances computed number by number."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from engine import algorithm_of, attend, pool, pool_each, slopes
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, distances_of_kinds, slope
from scipy.special import logsumexp

from nwkr._pooling import (
    Attention,
    Kinds,
    Sizes,
    in_blocks,
    query_gradients,
)
from nwkr._pooling._boxes import Boxes, corners_of_runs
from nwkr._pooling._gradients import visit_changes
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import MARGIN
from nwkr.kernels import KERNELS

N_QUERIES, N_KEYS = 40, 60
# Several tiles, and several levels of blocks, among a few rows.
SMALL = Sizes(
    queries_per_tile=16,
    bytes_per_tile=8 * 16 * 24,
    blocks_per_group=3,
    queries_per_block=5,
    queries_per_group=15,
)
KINDS = Kinds(np.array([2.0, 1.0, 1.5, 0.7, 1.0]), np.array([0, 1, 0, 0, 1], bool))
NUMBERS = [0, 2, 3]
DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)


def rows_of(n_rows, n_labels, rng):
    """Numbers, labels, and numbers without missing values."""
    rows = rng.normal(size=(n_rows, 5))
    rows[:, 1], rows[:, 4] = rng.integers(0, n_labels, n_rows), rng.integers(0, 3, n_rows)
    return rows


def lose(rows, rng, share=0.15):
    """Remove a share of the numbers and labels, except in column 3."""
    lost = rng.random(rows.shape) < share
    lost[:, 3] = False
    rows[lost] = np.nan


def none(queries, keys, rng):
    """No missing values."""


def of_keys(queries, keys, rng):
    lose(keys, rng)


def of_queries(queries, keys, rng):
    lose(queries, rng)


def of_both(queries, keys, rng):
    lose(queries, rng)
    lose(keys, rng)


def a_column_of_keys(queries, keys, rng):
    of_both(queries, keys, rng)
    keys[:, [0, 1]] = np.nan


def a_column(queries, keys, rng):
    a_column_of_keys(queries, keys, rng)
    queries[:, [0, 1]] = np.nan


def a_row(queries, keys, rng):
    of_both(queries, keys, rng)
    queries[:2], keys[:3] = np.nan, np.nan


MISSING = {
    each.__name__.replace("_", " "): each
    for each in (none, of_keys, of_queries, of_both, a_column_of_keys, a_column, a_row)
}


def problem_of(missing="of both", *, n_labels=4, shift=0.0, seed=20):
    """The arguments of pooling."""
    rng = np.random.default_rng(seed)
    queries, keys = rows_of(N_QUERIES, n_labels, rng), rows_of(N_KEYS, n_labels, rng)
    MISSING[missing](queries, keys, rng)
    queries[:, NUMBERS] += shift
    keys[:, NUMBERS] += shift
    return {
        "queries": queries,
        "keys": keys,
        "sizes": SMALL,
        "values": rng.uniform(-1, 1, size=(N_KEYS, 2)),
        "weights": rng.uniform(0.1, 1, N_KEYS),
        "bandwidth": np.array([0.9, 1.5, 2.0, 1.2, 0.8]),
        "leave_out": rng.integers(-1, N_KEYS, N_QUERIES),
        "kinds": KINDS,
    }


def distances(problem, bandwidth=None):
    """Scaled distances, infinite where a key is left out."""
    bandwidth = problem["bandwidth"] if bandwidth is None else bandwidth
    sides = problem["queries"], problem["keys"]
    u = distances_of_kinds(*sides, bandwidth, KINDS.gap, KINDS.is_label)
    leave_out = problem.get("leave_out")
    if leave_out is not None:
        leaving = np.flatnonzero(leave_out >= 0)
        u[leaving, leave_out[leaving]] = np.inf
    return u


def plain_weights(kernel, u, problem, empty=None):
    """Weights by the formula; queries without weight get their stand-ins."""
    weights = np.where(np.isinf(u), 0, PROFILES[kernel](np.where(np.isinf(u), 1e3, u)))
    for row in np.flatnonzero(~weights.any(axis=1)):
        if empty == "nearest":
            weights[row] = np.isclose(u[row], u[row].min(), rtol=1e-13) & np.isfinite(u[row])
        elif empty == "mean":
            weights[row] = np.isfinite(u[row])
    return weights * problem["weights"]


def assert_pooled(sums, weights, problem, rtol=1e-10):
    with np.errstate(invalid="ignore"):
        expected = weights @ problem["values"] / weights.sum(axis=1, keepdims=True)
    assert_allclose(sums.finish(), expected, rtol=rtol, atol=rtol / 100)


@pytest.mark.parametrize("missing", MISSING)
def test_sums_equal_plain_sums(kernel, missing):
    problem = problem_of(missing)
    sums, weights = (
        pool(kernel=KERNELS[kernel], **problem),
        plain_weights(kernel, distances(problem), problem),
    )
    scale = np.exp(sums.shift)
    assert_allclose(scale * sums.total, weights.sum(axis=1), rtol=1e-11)
    expected = weights @ problem["values"]
    assert_allclose(scale[:, None] * sums.weighted, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("shift", [1e6, -1e6])
def test_shifted_columns(kernel, shift):
    problem = problem_of(shift=shift)
    weights = plain_weights(kernel, distances(problem), problem)
    assert_pooled(pool(kernel=KERNELS[kernel], **problem), weights, problem, rtol=1e-9)


@pytest.mark.parametrize("missing", ["none", "of both"])
def test_many_labels_are_compared(kernel, missing):
    """More labels than are multiplied."""
    problem = problem_of(missing, n_labels=50)
    weights = plain_weights(kernel, distances(problem), problem)
    assert_pooled(pool(kernel=KERNELS[kernel], **problem), weights, problem)


@pytest.mark.parametrize("by", ["query", "key", None])
def test_comparing_and_multiplying_labels_agree(kernel, by, rng):
    """With factors of the distance, and where a missing label differs by less than 1."""
    problem = problem_of() | {"kinds": Kinds(1.7 * KINDS.gap, KINDS.is_label)}
    if by is not None:
        n_rows = N_QUERIES if by == "query" else N_KEYS
        problem[f"{by}_widths"] = rng.uniform(0.5, 2, n_rows)
    multiplied = pool(kernel=KERNELS[kernel], **problem).finish()
    problem["sizes"] = replace(SMALL, labels_multiplied=0)
    compared = pool(kernel=KERNELS[kernel], **problem).finish()
    assert_allclose(compared, multiplied, rtol=1e-10, atol=1e-12)


def test_labels_of_keys_are_multiplied_if_few():
    problem = problem_of("none", n_labels=500)
    problem["keys"][:, 1] %= 3
    names = ("queries", "keys", "bandwidth", "kinds")
    pairs = pairs_of(**{name: problem[name] for name in names})
    assert pairs.products.columns == [1] * 3 + [4] * 3
    assert not pairs.products.comparisons
    weights = plain_weights("gaussian", distances(problem), problem)
    assert_pooled(pool(kernel=KERNELS["gaussian"], **problem), weights, problem)


@pytest.mark.parametrize("empty", ["nearest", "mean"])
@pytest.mark.parametrize("missing", ["none", "of both", "a column", "a row"])
def test_queries_without_weight_get_stand_ins(kernel, missing, empty):
    problem = problem_of(missing)
    problem["bandwidth"] = 0.1 * problem["bandwidth"]
    weights = plain_weights(kernel, distances(problem), problem, empty)
    assert_pooled(pool(kernel=KERNELS[kernel], **problem, empty=empty), weights, problem)


@pytest.mark.parametrize("missing", ["none", "of both", "a column", "a row"])
def test_totals_of_far_queries_are_kept_in_logarithms(missing):
    problem = problem_of(missing)
    problem["queries"][:, 3] += 1e4
    sums = pool(kernel=KERNELS["gaussian"], **problem)
    log_weights = -(distances(problem) ** 2) / 2 + np.log(problem["weights"])
    assert_allclose(sums.shift + np.log(sums.total), logsumexp(log_weights, axis=1), rtol=1e-12)


def test_far_queries_keep_their_digits():
    """Differences from the closest key are computed column by column."""
    problem = problem_of()
    problem["queries"][:, 3] = 2.0**30
    problem["keys"][:, 3] = np.round(problem["keys"][:, 3] * 4) * 2.0**-28
    # In column 3, exactly: (k - q)^2 - q^2, where k^2 is negligible.
    problem["bandwidth"] = np.array([0.9, 1.5, 2.0, 1.0, 0.8])
    near = problem | {"queries": problem["queries"].copy()}
    near["queries"][:, 3] = 0.0
    log_weights = -(distances(near) ** 2) / 2 + 2.0**30 * problem["keys"][:, 3]
    log_weights -= log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights) * problem["weights"]
    assert_pooled(pool(kernel=KERNELS["gaussian"], **problem), weights, problem, rtol=1e-7)


@pytest.mark.parametrize("missing", ["none", "of both", "a column", "a row"])
def test_bandwidth_zero_matches_labels_and_missing_values(kernel, missing):
    problem = problem_of(missing)
    problem["keys"][:, 0] = np.round(problem["keys"][:, 0])
    problem["queries"][:, 0] = np.round(problem["queries"][:, 0])
    problem["bandwidth"] = np.array([0.0, 0.0, 2.0, np.inf, 3.0])
    weights = plain_weights(kernel, distances(problem), problem)
    lone = ~weights.any(axis=1)
    assert lone.any() == (missing != "a column")
    assert_pooled(pool(kernel=KERNELS[kernel], **problem), weights, problem)
    # Where nothing matches, the nearest rows in these columns do.
    apart = distances(problem, np.array([1, 1, np.inf, np.inf, np.inf]))
    u = distances(problem, np.array([np.inf, np.inf, 2.0, np.inf, 3.0]))
    u[apart > apart.min(axis=1, keepdims=True)] = np.inf
    weights[lone] = plain_weights(kernel, u, problem, "nearest")[lone]
    assert_pooled(pool(kernel=KERNELS[kernel], **problem, empty="nearest"), weights, problem)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_any_scale(kernel, scale):
    problem = problem_of()
    weights = plain_weights(kernel, distances(problem), problem, "nearest")
    factor = np.where(KINDS.is_label, 1, scale)
    scaled = problem | {"kinds": Kinds(KINDS.gap * factor, KINDS.is_label)}
    for name in ("queries", "keys", "bandwidth"):
        scaled[name] = problem[name] * factor
    assert_pooled(pool(kernel=KERNELS[kernel], **scaled, empty="nearest"), weights, problem)


@pytest.mark.parametrize("by", ["query", "key"])
def test_widths_by_query_and_by_key(kernel, by, rng):
    problem = problem_of()
    widths = rng.uniform(0.5, 3, N_QUERIES if by == "query" else N_KEYS)
    u = distances(problem) / (widths[:, None] if by == "query" else widths)
    weights = plain_weights(kernel, u, problem, "nearest")
    sums = pool(kernel=KERNELS[kernel], **problem, **{f"{by}_widths": widths}, empty="nearest")
    assert_pooled(sums, weights, problem)


def test_a_query_of_width_zero_takes_exact_matches(kernel):
    problem = problem_of("a row") | {"leave_out": None}
    problem["queries"] = problem["keys"][:N_QUERIES].copy()
    pooled = pool(kernel=KERNELS[kernel], query_widths=np.zeros(N_QUERIES), **problem)
    weights = (distances(problem) == 0) * problem["weights"]
    assert weights[0].astype(bool).sum() == 3  # rows with all values missing
    assert_pooled(pooled, weights, problem)


def test_many_bandwidths_at_once_equal_each_alone(kernel):
    problem = problem_of()
    multiples = [0.3, 1.0, np.sqrt(2), 2.0]
    together = pool_each(multiples, kernel=KERNELS[kernel], **problem, empty="nearest")
    for multiple, sums in zip(multiples, together):
        u = distances(problem) / multiple
        assert_pooled(sums, plain_weights(kernel, u, problem, "nearest"), problem, rtol=1e-9)


def test_float32_agrees(kernel):
    problem = problem_of()
    problem["bandwidth"] = 3 * problem["bandwidth"]
    for name in ("queries", "keys"):
        problem[name] = problem[name].astype(np.float32)
    weights = plain_weights(kernel, distances(problem), problem, "nearest")
    sums = pool(kernel=KERNELS[kernel], **problem, empty="nearest")
    assert_pooled(sums, weights, problem, rtol=1e-4)


@pytest.mark.parametrize("n_labels", [4, 50])
def test_n_jobs_does_not_change_results(kernel, n_labels):
    problem = problem_of(n_labels=n_labels)
    alone = pool(kernel=KERNELS[kernel], **problem, n_jobs=1)
    together = pool(kernel=KERNELS[kernel], **problem, n_jobs=4)
    assert_array_equal(together.total, alone.total)
    assert_array_equal(together.weighted, alone.weighted)


@pytest.mark.parametrize("missing", ["of both", "a row"])
def test_attention_equals_the_formula(kernel, missing):
    problem = problem_of(missing)
    del problem["values"]
    found = np.zeros((N_QUERIES, N_KEYS))

    def keep(rows, cols, weights):
        found[np.ix_(rows, cols)] = weights

    attend(keep, kernel=KERNELS[kernel], **problem, empty="nearest")
    weights = plain_weights(kernel, distances(problem), problem, "nearest")
    assert_allclose(found, weights / weights.sum(axis=1, keepdims=True), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("n_labels", [4, 50])
@pytest.mark.parametrize("missing", ["none", "of both", "a row"])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_by_bandwidth_equal_differences(kernel, missing, n_labels):
    problem = problem_of(missing, n_labels=n_labels)
    problem["bandwidth"] = 2 * problem["bandwidth"]
    problem["queries"][:4, 3] += 60  # far from all keys
    n_far = 4 if np.isinf(KERNELS[kernel].support) else 0
    truth = np.random.default_rng(1).normal(size=(N_QUERIES, 2))

    def loss(log_bandwidth):
        u = distances(problem, np.exp(log_bandwidth))
        if kernel == "gaussian":  # in logarithms relative to the closest key
            u = np.sqrt(u**2 - u.min(axis=1, keepdims=True) ** 2)
        weights = plain_weights(kernel, u, problem)
        some = weights.any(axis=1)
        means = weights[some] @ problem["values"] / weights[some].sum(axis=1, keepdims=True)
        return ((truth[some] - means) ** 2).sum()

    sums = pool(kernel=KERNELS[kernel], **problem)
    reached = (sums.total > 0)[:, None]
    assert reached[:n_far].all()
    loss_slopes = 2 * np.where(reached, np.nan_to_num(sums.finish()) - truth, 0)
    found = slopes(sums=sums, loss_slopes=loss_slopes, kernel=KERNELS[kernel], **problem)
    expected = slope(loss, np.log(problem["bandwidth"]))
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("missing", ["of both", "a column of keys"])
@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_gradients_by_query_equal_differences(kernel, missing, by_key, far, rng):
    problem = problem_of(missing)
    values = problem.pop("values")
    problem["bandwidth"] = 2 * problem["bandwidth"]
    if far:
        problem["queries"][:, 3] += 30
    widths = rng.uniform(0.8, 1.5, N_KEYS) if by_key else np.ones(N_KEYS)
    if by_key:
        problem["key_widths"] = widths
    found = query_gradients(Attention(**problem, kernel=KERNELS[kernel]), values)
    assert found.shape == (N_QUERIES, 5, 2)
    assert_array_equal(np.nan_to_num(found[:, KINDS.is_label]), 0)
    for row in range(0, N_QUERIES, 5):
        numbers = np.flatnonzero(~np.isnan(problem["queries"][row]) & ~KINDS.is_label)
        lost = np.setdiff1d(np.arange(5), numbers)

        def mean(x, row=row, numbers=numbers, number=0):
            query = problem["queries"][[row]]
            query[0, numbers] = x
            of_row = {"queries": query, "leave_out": problem["leave_out"][[row]]}
            u = distances(problem | of_row) / widths
            if kernel == "gaussian" and not by_key:
                u = np.sqrt(u**2 - u.min() ** 2)
            weights = plain_weights(kernel, u, problem)
            return (weights @ values / weights.sum())[0, number] if weights.any() else np.nan

        for number in range(2):
            x = problem["queries"][row, numbers]
            expected = slope(lambda x, n=number: mean(x, number=n), x)
            assert_allclose(found[row, numbers, number], expected, rtol=1e-5, atol=1e-6)
            if not np.isnan(expected).any():
                assert_array_equal(found[row, lost], 0)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_changes_of_weights_equal_differences(kernel):
    problem = problem_of()
    del problem["values"]
    problem["bandwidth"] = 2 * problem["bandwidth"]
    found = np.zeros((N_QUERIES, N_KEYS))

    def keep(rows, cols, weights, changes):
        common, unit, rest = changes
        found[np.ix_(rows, cols)] = common[:, None] * weights + unit[:, None] * rest

    visit_changes(Attention(**problem, kernel=KERNELS[kernel]), keep)
    u2, step = distances(problem) ** 2, 1e-6
    ahead, here, behind = (
        plain_weights(kernel, np.sqrt(np.maximum(u2 + s, 0)), problem) for s in (step, 0, -step)
    )
    with np.errstate(invalid="ignore"):
        expected = (ahead - behind) / (2 * step) / here.sum(axis=1, keepdims=True)
    smooth = (np.abs(u2 - 1) > 1e-3) & (u2 > 1e-3) & here.any(axis=1)[:, None]
    assert_allclose(found[smooth], expected[smooth], rtol=1e-4, atol=1e-6)


def test_complete_numbers_give_the_same_bits_as_without_kinds(kernel):
    """Kinds without labels and missing values change no bit."""
    problem = problem_of("none") | {"kinds": None}
    plain = pool(kernel=KERNELS[kernel], **problem)
    problem["kinds"] = Kinds(KINDS.gap, np.zeros(5, bool))
    names = ("queries", "keys", "bandwidth", "kinds")
    assert pairs_of(**{name: problem[name] for name in names}).kinds is None
    sums = pool(kernel=KERNELS[kernel], **problem)
    assert_array_equal(sums.total, plain.total)
    assert_array_equal(sums.weighted, plain.weighted)


def test_complete_columns_add_no_products():
    problem = problem_of("of keys")
    problem["keys"][:, 2] = 1.0
    names = ("queries", "keys", "bandwidth", "kinds")
    pairs = pairs_of(**{name: problem[name] for name in names})
    assert set(pairs.products.columns) == {0, 1, 4}
    problem["bandwidth"] = np.array([np.inf, 1.0, 1.0, 1.0, np.inf])
    assert set(pairs_of(**{name: problem[name] for name in names}).products.columns) == {0}


def test_pickles_pool_the_same():
    problem = problem_of()
    values = problem.pop("values")
    attention = Attention(**problem, kernel=KERNELS["gaussian"])
    again = pickle.loads(pickle.dumps(attention))
    assert_array_equal(again.pool(values).finish(), attention.pool(values).finish())


def test_the_lattice_is_not_used():
    problem = problem_of("none") | {"algorithm": "lattice", "kernel": KERNELS["gaussian"]}
    assert algorithm_of(**problem) == "dense"


def test_the_centre_is_near_the_numbers_present():
    """It is that of the queries where a column of the keys is missing."""
    problem = problem_of("a column of keys", shift=1e6)
    names = ("queries", "keys", "bandwidth", "kinds")
    pairs = pairs_of(**{name: problem[name] for name in names})
    assert max(np.abs(side).max() for side in pairs.centred) < 10
    part = pairs.restrict(np.arange(3), np.arange(5))
    assert max(np.abs(side).max() for side in part.centred) < 10


# -- blocks -------------------------------------------------------------------------------


def in_order(problem, size=4):
    """The problem with its keys in blocks."""
    scale = np.where(problem["bandwidth"] > 0, problem["bandwidth"], np.inf)
    order, blocks = in_blocks(problem["keys"], scale, size, kinds=KINDS)
    assert_array_equal(np.sort(order), np.arange(N_KEYS))
    keys = problem["keys"][order]
    return problem | {"keys": keys, "blocks": blocks, "algorithm": "blocks"}


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("missing", MISSING)
def test_bounds_of_distances_hold(missing, by_key, rng):
    problem = in_order(problem_of(missing))
    options = {"key_widths": rng.uniform(0.5, 2, N_KEYS)} if by_key else {}
    names = ("queries", "keys", "bandwidth", "kinds")
    pairs = pairs_of(**{name: problem[name] for name in names}, **options)
    starts, edges = np.arange(0, N_QUERIES, 8), problem["blocks"].starts
    corners = corners_of_runs(problem["queries"], starts)
    nearest, farthest = Boxes(pairs, problem["blocks"]).distances(corners)
    u2 = (distances(problem | {"leave_out": None}) / options.get("key_widths", 1)) ** 2
    lowest = np.minimum.reduceat(np.minimum.reduceat(u2, starts, axis=0), edges[:-1], axis=1)
    highest = np.maximum.reduceat(np.maximum.reduceat(u2, starts, axis=0), edges[:-1], axis=1)
    assert (nearest <= lowest * MARGIN).all()
    assert (highest <= farthest * MARGIN).all()


NAN = np.nan


@pytest.mark.parametrize(
    ("keys", "queries", "nearest", "farthest"),
    [
        ([1, 2], [4, 6], 4, 25),
        ([NAN, NAN], [4, 6], 2, 2),
        ([1], [NAN], 2, 2),
        ([NAN, 1], [2], 1, 2),
        ([NAN, 1], [NAN, 9], 0, 64),
        ([NAN], [NAN], 0, 0),
    ],
)
def test_bounds_of_numbers_that_may_be_missing(keys, queries, nearest, farthest):
    assert_allclose(bounds_of(keys, queries, is_label=False), [nearest, farthest])


@pytest.mark.parametrize(
    ("keys", "queries", "nearest", "farthest"),
    [
        ([3], [3, 3], 0, 0),
        ([3], [4], 1, 1),
        ([1, 3], [3, 5], 0, 1),
        ([1, 2], [4, 9], 1, 1),
        ([NAN], [4], 2, 2),
        ([NAN, 4], [4, 4], 0, 2),
        ([NAN], [NAN], 0, 0),
    ],
)
def test_bounds_of_labels(keys, queries, nearest, farthest):
    assert_allclose(bounds_of(keys, queries, is_label=True), [nearest, farthest])


def bounds_of(keys, queries, is_label):
    """Bounds of distances in one column with bandwidth 1 / 2."""
    kinds = Kinds(np.sqrt([2.0]), np.array([is_label]))
    keys, queries = (np.array(side, float)[:, None] for side in (keys, queries))
    _, blocks = in_blocks(keys, np.ones(1), kinds=kinds)
    pairs = pairs_of(queries, keys, np.array([0.5]), kinds=kinds)
    bounds = Boxes(pairs, blocks).distances(corners_of_runs(queries, np.array([0])))
    return np.ravel(bounds) / 4


def test_blocks_keep_missing_values_and_labels_together(rng):
    keys = np.column_stack([rng.normal(size=2000), rng.integers(0, 4, 2000)])
    keys[rng.random(2000) < 0.1, 0] = np.nan
    kinds = Kinds(np.array([2.0, 1.0]), np.array([False, True]))
    _, blocks = in_blocks(keys, np.array([0.3, 0.1]), kinds=kinds)
    there = blocks.lower <= blocks.upper
    assert (blocks.missing[0] & there[0]).sum() <= 0.1 * len(blocks)
    assert (blocks.missing[0] & ~there[0]).sum() >= 4
    assert (blocks.lower[1] == blocks.upper[1]).mean() > 0.8


@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
@pytest.mark.parametrize("missing", MISSING)
def test_blocks_equal_dense(kernel, missing, empty):
    problem = problem_of(missing)
    for factor in (1.0, 0.3):
        narrow = in_order(problem | {"bandwidth": factor * problem["bandwidth"]})
        assert algorithm_of(kernel=KERNELS[kernel], **narrow) == "blocks"
        weights = plain_weights(kernel, distances(narrow), narrow, empty)
        assert_pooled(pool(kernel=KERNELS[kernel], **narrow, empty=empty), weights, narrow)


@pytest.mark.parametrize("by", ["query", "key"])
def test_blocks_with_widths_equal_dense(kernel, by, rng):
    problem = in_order(problem_of())
    widths = rng.uniform(0.3, 2, N_QUERIES if by == "query" else N_KEYS)
    u = distances(problem) / (widths[:, None] if by == "query" else widths)
    weights = plain_weights(kernel, u, problem, "nearest")
    sums = pool(kernel=KERNELS[kernel], **problem, **{f"{by}_widths": widths}, empty="nearest")
    assert_pooled(sums, weights, problem)


@pytest.mark.parametrize("missing", ["none", "of both", "a column", "a row"])
def test_blocks_for_far_and_shifted_queries_equal_dense(kernel, missing):
    problem = problem_of(missing, shift=1e6)
    problem["queries"][:9, 3] += 100
    problem = in_order(problem)
    weights = plain_weights(kernel, distances(problem), problem, "nearest")
    if kernel == "gaussian":
        u2 = distances(problem) ** 2
        u2 -= u2.min(axis=1, keepdims=True)
        weights = plain_weights(kernel, np.sqrt(u2), problem)
    sums = pool(kernel=KERNELS[kernel], **problem, empty="nearest")
    assert_pooled(sums, weights, problem, rtol=1e-8)


def test_blocks_with_bandwidths_zero_and_infinity_equal_dense(kernel):
    problem = problem_of("a row")
    problem["bandwidth"] = np.array([2.0, 0.0, 2.0, np.inf, 0.0])
    problem = in_order(problem)
    weights = plain_weights(kernel, distances(problem), problem)
    assert_pooled(pool(kernel=KERNELS[kernel], **problem), weights, problem)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_and_gradients_of_blocks_equal_dense(kernel, rng):
    problem = problem_of()
    problem["bandwidth"] = 2 * problem["bandwidth"]
    found = []
    ordered = in_order(problem)
    for each in (ordered, ordered | {"algorithm": "dense", "blocks": None}):
        sums = pool(kernel=KERNELS[kernel], **each)
        truth = np.random.default_rng(1).normal(size=(N_QUERIES, 2))
        loss_slopes = np.where((sums.total > 0)[:, None], np.nan_to_num(sums.finish()) - truth, 0)
        by_bandwidth = slopes(sums=sums, loss_slopes=loss_slopes, kernel=KERNELS[kernel], **each)
        values = each.pop("values")
        found.append(
            (by_bandwidth, query_gradients(Attention(**each, kernel=KERNELS[kernel]), values))
        )
    for by_blocks, by_pairs in zip(*found):
        assert_allclose(by_blocks, by_pairs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("algorithm", ["blocks", "auto"])
def test_preparation_changes_no_bit(kernel, algorithm):
    problem = in_order(problem_of("a row")) | {"algorithm": algorithm}
    values = problem.pop("values")
    attention = Attention(**problem, kernel=KERNELS[kernel], empty="nearest")
    nothing = attention.replace(queries=attention.queries[:0], leave_out=None).prepare()
    assert nothing.prepared is not None
    prepared = pickle.loads(pickle.dumps(nothing))
    for rows in (np.arange(N_QUERIES), np.array([3])):
        some = {"queries": attention.queries[rows], "leave_out": attention.leave_out[rows]}
        plain, ours = (
            which.replace(**some).pool(values) for which in (attention.take(np.arange(0)), prepared)
        )
        assert_array_equal(ours.total, plain.total)
        assert_array_equal(ours.weighted, plain.weighted)


def test_n_jobs_does_not_change_results_of_blocks(kernel):
    problem = in_order(problem_of())
    alone = pool(kernel=KERNELS[kernel], **problem, n_jobs=1)
    together = pool(kernel=KERNELS[kernel], **problem, n_jobs=4)
    assert_array_equal(together.total, alone.total)
    assert_array_equal(together.weighted, alone.weighted)


def test_attention_of_blocks_equals_the_formula(kernel):
    problem = in_order(problem_of("a row"))
    del problem["values"]
    found = np.zeros((N_QUERIES, N_KEYS))

    def keep(rows, cols, weights):
        found[np.ix_(rows, cols)] = weights

    attend(keep, kernel=KERNELS[kernel], **problem, empty="nearest")
    weights = plain_weights(kernel, distances(problem), problem, "nearest")
    assert_allclose(found, weights / weights.sum(axis=1, keepdims=True), rtol=1e-10, atol=1e-12)
