"""Dense pooling against plain sums, for every kernel."""

import tracemalloc

import numpy as np
import pytest
from engine import attend, pool, pool_each
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, log_totals_of_gaussian, scaled_distances

from nwkr._pooling import Sizes
from nwkr._pooling._dense import Dense, Visit
from nwkr._pooling._metric import pairs_of
from nwkr.kernels import KERNELS


@pytest.fixture
def problem(rng):
    """The arguments of pooling, with enough rows for several small tiles."""
    return {
        "queries": rng.normal(size=(83, 3)),
        "keys": rng.normal(size=(131, 3)),
        "values": rng.uniform(-1, 1, size=(131, 4)),
        "weights": rng.uniform(0.1, 1, size=131),
        "bandwidth": np.array([0.9, 1.5, 2.0]),
        "leave_out": rng.integers(-1, 131, 83),
    }


@pytest.fixture
def small_tiles(problem):
    problem["sizes"] = Sizes(queries_per_tile=16, bytes_per_tile=8 * 16 * 24)


def plain_weights(kernel, problem):
    u = scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"])
    weights = PROFILES[kernel](u) * problem["weights"]
    if problem["leave_out"] is not None:
        left_out = np.flatnonzero(problem["leave_out"] >= 0)
        weights[left_out, problem["leave_out"][left_out]] = 0
    return weights


@pytest.mark.parametrize("n_values", [1, 2, 4])
@pytest.mark.usefixtures("small_tiles")
def test_sums_equal_plain_sums(kernel, n_values, problem):
    problem["values"] = problem["values"][:, :n_values]
    sums = pool(kernel=KERNELS[kernel], **problem)
    weights = plain_weights(kernel, problem)
    scale = np.exp(sums.shift)
    assert_allclose(scale * sums.total, weights.sum(axis=1), rtol=1e-11)
    expected = weights @ problem["values"]
    assert_allclose(scale[:, None] * sums.weighted, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.usefixtures("small_tiles")
def test_tile_size_does_not_change_results(kernel, problem):
    in_small_tiles = pool(kernel=KERNELS[kernel], **problem).finish()
    del problem["sizes"]
    assert_allclose(in_small_tiles, pool(kernel=KERNELS[kernel], **problem).finish(), rtol=1e-11)


@pytest.mark.usefixtures("small_tiles")
def test_n_jobs_does_not_change_results(kernel, problem):
    alone = pool(kernel=KERNELS[kernel], **problem, n_jobs=1)
    for n_jobs in (None, 2, 5, -1):
        together = pool(kernel=KERNELS[kernel], **problem, n_jobs=n_jobs)
        assert_array_equal(together.total, alone.total)
        assert_array_equal(together.weighted, alone.weighted)


@pytest.mark.parametrize("n_queries", [1, 2, 17])
def test_few_queries(kernel, n_queries, problem):
    whole = pool(kernel=KERNELS[kernel], **problem).finish()
    problem["queries"] = problem["queries"][:n_queries]
    problem["leave_out"] = problem["leave_out"][:n_queries]
    assert_allclose(pool(kernel=KERNELS[kernel], **problem).finish(), whole[:n_queries], rtol=1e-11)


@pytest.mark.parametrize("distance", [30, 60, 1e4])
def test_totals_of_far_queries_are_kept_in_logarithms(distance, problem):
    """Densities need these totals, which underflow in float64."""
    problem["queries"] += distance
    sums = pool(kernel=KERNELS["gaussian"], **problem)
    expected = log_totals_of_gaussian(**problem)
    assert_allclose(sums.shift + np.log(sums.total), expected, rtol=1e-12)


def test_queries_without_weight_get_stand_ins(problem):
    problem |= {"bandwidth": np.full(3, 1e-3), "kernel": KERNELS["epanechnikov"]}
    u = scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"])
    weights = np.tile(problem["weights"], (83, 1))
    left_out = np.flatnonzero(problem["leave_out"] >= 0)
    for array, fill in ((u, np.inf), (weights, 0)):
        array[left_out, problem["leave_out"][left_out]] = fill
    assert_array_equal(pool(**problem).total, np.zeros(83))
    nearest = problem["values"][u.argmin(axis=1)]
    assert_allclose(pool(**problem, empty="nearest").finish(), nearest)
    mean = weights @ problem["values"] / weights.sum(axis=1, keepdims=True)
    assert_allclose(pool(**problem, empty="mean").finish(), mean)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_is_pooled_into_float64(kernel, dtype, problem):
    problem["bandwidth"] *= 3
    problem["queries"] = problem["queries"].astype(dtype)
    problem["keys"] = problem["keys"].astype(dtype)
    sums = pool(kernel=KERNELS[kernel], **problem)
    assert sums.total.dtype == sums.weighted.dtype == np.float64
    error = 1e-5 if dtype == np.float32 else 1e-12
    weights = plain_weights(kernel, problem)
    expected = weights @ problem["values"] / weights.sum(axis=1, keepdims=True)
    assert_allclose(sums.finish(), expected, atol=error)


def test_attention_equals_the_weights_pooled(kernel, problem):
    values = problem.pop("values")
    problem["empty"] = "nearest"
    attention = np.zeros((83, 131))

    def keep(rows, cols, weights):
        attention[np.ix_(rows, cols)] = weights

    attend(keep, kernel=KERNELS[kernel], **problem)
    assert_allclose(attention.sum(axis=1), 1)
    pooled = pool(kernel=KERNELS[kernel], values=values, **problem).finish()
    assert_allclose(attention @ values, pooled, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "boxcar"])
@pytest.mark.parametrize("bandwidth", [0.5, 1e-9])
def test_memory_is_that_of_tiles(name, bandwidth, rng):
    """All weights at once would take 72 MB, for near queries and for far ones."""
    keys = rng.normal(size=(3000, 2))
    problem = {"kernel": KERNELS[name], "bandwidth": np.full(2, bandwidth), "empty": "nearest"}
    problem |= {"queries": keys.copy(), "keys": keys, "weights": np.ones(3000), "n_jobs": 1}
    pool(keys[:, :1], **problem)  # without AVX-512, the first call compiles
    tracemalloc.start()
    try:
        pool(keys[:, :1], **problem)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


LADDERS = {
    "sqrt 2": [2 ** (j / 2) for j in range(-7, 5)],
    "finer, unsorted": [2 ** (j / 4) for j in (3, -5, 0, 1, 2, -6, -2, 7)],
    "any": [0.3, 1.7, 0.31, 8.0],
    "limits": [1e-8, 1e-3, 1.0, 1e9],
    "one": [0.7],
}


@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("empty", [None, "nearest", "mean"])
@pytest.mark.usefixtures("small_tiles")
def test_many_bandwidths_at_once_equal_each_alone(kernel, ladder, empty, problem):
    problem |= {"kernel": KERNELS[kernel], "empty": empty}
    bandwidth = problem.pop("bandwidth")
    together = pool_each(LADDERS[ladder], bandwidth=bandwidth, **problem)
    for multiple, sums in zip(LADDERS[ladder], together):
        alone = pool(bandwidth=multiple * bandwidth, **problem)
        assert_array_equal(sums.total > 0, alone.total > 0)
        assert_allclose(sums.finish(), alone.finish(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("by", ["query", "key"])
@pytest.mark.parametrize("scale", [1.0, 1e-8])
@pytest.mark.usefixtures("small_tiles")
def test_widths_by_query_and_by_key(kernel, by, scale, problem, rng):
    queries = by == "query"
    widths = scale * rng.uniform(0.5, 3, 83 if queries else 131)
    problem |= {"kernel": KERNELS[kernel], "empty": "nearest", f"{by}_widths": widths}
    u = scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"])
    u /= widths[:, None] if queries else widths
    left_out = np.flatnonzero(problem["leave_out"] >= 0)
    u[left_out, problem["leave_out"][left_out]] = np.inf
    weights = PROFILES[kernel](np.where(np.isinf(u), 1e3, u)) * np.isfinite(u)
    if scale < 1:
        weights = (u == u.min(axis=1, keepdims=True)) * 1.0
        if kernel == "constant":
            weights = np.isfinite(u) * 1.0
    empty = weights.sum(axis=1) == 0
    weights[empty] = u[empty] == u[empty].min(axis=1, keepdims=True)
    weights *= problem["weights"]
    expected = weights @ problem["values"] / weights.sum(axis=1, keepdims=True)
    assert_allclose(pool(**problem).finish(), expected, rtol=1e-9, atol=1e-12)


def test_a_query_of_width_zero_takes_exact_matches(kernel, problem):
    problem["queries"] = problem["keys"][:83].copy()
    problem["leave_out"] = None
    widths = np.where(np.arange(83) % 2, 0.0, 1.0)
    pooled = pool(kernel=KERNELS[kernel], query_widths=widths, **problem).finish()
    assert_allclose(pooled[1::2], problem["values"][1:83:2])
    plain = pool(kernel=KERNELS[kernel], **problem).finish()
    assert_allclose(pooled[::2], plain[::2])


def dense_of(kernel, problem, multiples=(1.0,)):
    names = ("queries", "keys", "bandwidth", "leave_out", "sizes")
    pairs = pairs_of(**{name: problem[name] for name in names})
    values = np.vstack([problem["weights"], problem["weights"] * problem["values"].T])
    return Dense(pairs, KERNELS[kernel], values, multiples), values


@pytest.mark.parametrize("multiples", [(1.0,), (1.0, 2.5)])
@pytest.mark.usefixtures("small_tiles")
def test_queries_of_a_visit_are_pooled_with_its_keys(kernel, multiples, problem, rng):
    dense, values = dense_of(kernel, problem, multiples)
    weights = [
        plain_weights(kernel, problem | {"bandwidth": multiple * problem["bandwidth"]})
        for multiple in multiples
    ]
    visits = [Visit(slice(0, 9), rng.permutation(131)[:70]), Visit(slice(9, 20), np.array([5]))]
    for visit in visits:
        dense.pool(visit)
    for of_multiple, plain in zip(dense.sums, weights):
        for visit in visits:
            part = values[:, visit.keys] / problem["weights"][visit.keys]
            expected = plain[visit.rows][:, visit.keys] @ part.T
            assert_allclose(of_multiple[visit.rows], expected, rtol=1e-9, atol=1e-12)
    assert not dense.sums[:, 20:].any()


@pytest.mark.usefixtures("small_tiles")
def test_only_needed_keys_are_pooled(problem):
    """Keys are pooled in their order, and `needed` is called before each tile."""
    problem["leave_out"], order, asked = None, np.arange(131)[::-1], []

    def needed(totals):
        asked.append(totals.copy())
        return np.array([30, 60])

    dense, values = dense_of("gaussian", problem, (1.0, 2.0))
    dense.pool(Visit(slice(0, 16), order, needed))
    assert len(asked) >= 3
    assert not asked[0].any()
    for sums, multiple, count in zip(dense.sums, (1.0, 2.0), (30, 60)):
        u = scaled_distances(problem["queries"], problem["keys"], multiple * problem["bandwidth"])
        met = order[:count]
        expected = PROFILES["gaussian"](u[:16, met]) @ values[:, met].T
        assert_allclose(sums[:16], expected, rtol=1e-10)
    assert_array_equal(asked[-1], dense.sums[:, :16, 0])


@pytest.mark.parametrize("width", [1.0, 0.03, 0.01])
def test_squares_of_weights_are_not_subnormal(width, problem):
    """Products with subnormal numbers take a hundred times as long."""
    problem["bandwidth"] = width * problem["bandwidth"]
    problem["leave_out"], multiples = None, tuple(2.0 ** (np.arange(8) / 2))
    pairs = pairs_of(problem["queries"], problem["keys"], problem["bandwidth"])
    values = np.vstack([problem["weights"], problem["values"].T])
    dense, found = Dense(pairs, KERNELS["gaussian"], values, multiples), []
    yield_weights = dense._weights

    def weights(*terms):
        for number, tile in yield_weights(*terms):
            found.append(tile.copy())
            yield number, tile

    dense._weights = weights
    dense.pool(Visit(slice(0, 83)))
    found = np.array(found)
    assert len(found) == len(multiples)
    assert not ((found > 0) & (found < np.finfo(float).tiny)).any()
