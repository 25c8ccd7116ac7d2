"""The lattice against plain sums: certified sums are right, and others are not certified."""

import numpy as np
import pytest
from engine import pool, pool_each
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, scaled_distances
from sklearn import config_context

from nwkr._pooling import Attention, Sizes, in_blocks
from nwkr._pooling._lattice import Lattice
from nwkr._pooling._metric import pairs_of
from nwkr.kernels import KERNELS, Kernel

GAUSSIAN = KERNELS["gaussian"]
# Numbers of columns, each with a tolerance for which the lattice is small enough for a test.
SIZES = [(1, 0.0), (1, 1e-6), (1, 1e-3), (2, 0.0), (2, 1e-6), (2, 1e-3), (3, 1e-6), (3, 1e-3)]
EACH_SIZE = pytest.mark.parametrize(("n_features", "tol"), [*SIZES, (4, 1e-2)])
EACH_WAY = pytest.mark.parametrize("own", [False, True], ids=["others", "one's own"])


def problem_of(n_features=2, bandwidth=0.5, *, own=False, n_values=2, n_keys=150, n_queries=60):
    """Queries around the keys; or the keys themselves, each left out of its own sum."""
    rng = np.random.default_rng(4)
    keys = rng.normal(size=(n_keys, n_features)) * np.linspace(1, 3, n_features)
    problem = {
        "queries": keys if own else keys[rng.integers(0, n_keys, n_queries)] + 0.1,
        "keys": keys,
        "bandwidth": bandwidth * np.linspace(1, 2, n_features),
    }
    if own:
        problem["leave_out"] = np.arange(n_keys)
    weights = rng.uniform(0.1, 1, n_keys)
    values = rng.uniform(-1, 1, size=(n_values, n_keys))
    return problem, np.vstack([weights, weights * values])


def plain_sums(problem, weighted_values, factor=1.0):
    u = scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"] * factor)
    weights = PROFILES["gaussian"](u)
    leave_out = problem.get("leave_out")
    if leave_out is not None:
        leaving = np.flatnonzero(leave_out >= 0)
        weights[leaving, leave_out[leaving]] = 0
    return weights @ weighted_values.T


def assert_right(lattice, expected, tol):
    """Certified totals and pooled values (of order 1) are within the tolerance."""
    sums, certified = lattice.pool(n_jobs=1)
    assert_array_equal(sums.log_scale, 0)
    tol = max(tol, 1e-12)
    total, pooled = expected[certified, 0], expected[certified, 1:] / expected[certified, :1]
    assert_allclose(sums.total[certified], total, rtol=tol)
    assert_allclose(sums.finish()[certified], pooled, rtol=0, atol=tol)
    return certified


@EACH_WAY
@EACH_SIZE
def test_certified_sums_are_within_the_tolerance(n_features, tol, own):
    problem, values = problem_of(n_features, 0.8, own=own)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values, tol=tol)
    certified = assert_right(lattice, plain_sums(problem, values), tol)
    assert certified.mean() > 0.5


@pytest.mark.parametrize("tol", [0.0, 1e-6, 1e-3])
@pytest.mark.parametrize("bandwidth", [1e-3, 0.05, 5.0, 1e3])
@pytest.mark.parametrize("n_features", [1, 2])
def test_narrow_and_wide_windows(n_features, bandwidth, tol):
    problem, values = problem_of(n_features, bandwidth)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values, tol=tol)
    if lattice.fits_in_memory:
        certified = assert_right(lattice, plain_sums(problem, values), tol)
        assert certified.all() or bandwidth < 1
    else:
        assert (n_features, bandwidth) == (2, 1e-3)


@pytest.mark.parametrize("n_values", [0, 1, 5])
@EACH_WAY
def test_any_number_of_values(n_values, own):
    problem, values = problem_of(own=own, n_values=n_values)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.5


@pytest.mark.parametrize("multiple", [0.5, 3.0])
@EACH_WAY
def test_multiples_of_the_bandwidth(multiple, own):
    problem, values = problem_of(own=own)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values, multiple)
    assert assert_right(lattice, plain_sums(problem, values, multiple), 0.0).mean() > 0.5


def kernel_of_slope(log_slope):
    """A Gaussian in other units."""
    return Kernel(
        "own",
        lambda u2: np.exp(log_slope * u2),
        log_profile=lambda u2: log_slope * u2,
        log_slope=log_slope,
    )


@pytest.mark.parametrize("log_slope", [-0.05, -2.0])
@EACH_WAY
def test_a_gaussian_in_other_units(log_slope, own):
    problem, values = problem_of(own=own)
    factor = (-2 * log_slope) ** -0.5
    lattice = Lattice(pairs_of(**problem), kernel_of_slope(log_slope), values)
    assert assert_right(lattice, plain_sums(problem, values, factor), 0.0).mean() > 0.5


@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_a_common_shift(shift):
    problem, values = problem_of()
    for name in ("queries", "keys"):
        problem[name] = problem[name] + shift
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    # Float64 holds the rows to 1e-16 of the shift.
    assert assert_right(lattice, plain_sums(problem, values), 1e-15 * shift).mean() > 0.5


def test_columns_that_are_off():
    problem, values = problem_of()
    expected = plain_sums(problem, values)
    for name in ("queries", "keys"):
        problem[name] = np.insert(problem[name], 1, 1e9 * problem[name][:, 0], axis=1)
    problem["bandwidth"] = np.insert(problem["bandwidth"], 1, np.inf)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, expected, 0.0).mean() > 0.5


def test_a_constant_column():
    problem, values = problem_of()
    problem["keys"][:, 1], problem["queries"][:, 1] = 7.0, 7.5
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.5


def test_float32_rows_are_pooled_in_float64():
    problem, values = problem_of()
    for name in ("queries", "keys"):
        problem[name] = problem[name].astype(np.float32)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.5


def test_some_queries_leave_a_key_out():
    problem, values = problem_of(own=True)
    problem["leave_out"] = np.where(np.arange(150) % 3, problem["leave_out"], -1)
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.5


@pytest.mark.parametrize("tol", [0.0, 1e-6, 1e-3])
def test_uncertified_queries_are_far_from_the_keys(tol):
    """Queries in a gap between the keys are not certified; all others are."""
    problem, values = problem_of(1, n_queries=150)
    problem["keys"] += 25.0 * (problem["keys"] > 0)
    problem["queries"] = np.linspace(problem["keys"].min(), problem["keys"].max(), 150)[:, None]
    _, certified = Lattice(pairs_of(**problem), GAUSSIAN, values, tol=tol).pool()
    total = plain_sums(problem, values)[:, 0]
    assert 0 < certified.sum() < 150
    assert total[certified].min() > total[~certified].max()
    assert total[~certified].max() < 1  # near the keys, totals are in the dozens


def test_isolated_keys_left_out_are_not_certified():
    """Without the key itself, the total is rounding error."""
    problem, values = problem_of(own=True)
    problem["keys"][[3, 40]] = [[30.0, 30.0], [-30.0, 30.0]]
    expected = plain_sums(problem, values)
    certified = assert_right(Lattice(pairs_of(**problem), GAUSSIAN, values), expected, 0.0)
    assert not certified[[3, 40]].any()
    assert certified.mean() > 0.5


@pytest.mark.parametrize("far", [30.0, 1e6, 1e100])
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_queries_beyond_the_lattice_are_not_certified(n_features, far):
    problem, values = problem_of(n_features)
    for number, side in ((0, far), (1, -far)):
        problem["queries"][number, -1] = side
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values, tol=1e-3)
    sums, certified = lattice.pool()
    assert not certified[:2].any()
    assert_array_equal(sums.total[:2], 0)
    assert certified[2:].any()


@pytest.mark.parametrize("n_features", [1, 2, 3])
@EACH_WAY
def test_n_jobs_does_not_change_results(n_features, own):
    problem, values = problem_of(n_features, own=own)
    lattice = Lattice(pairs_of(**problem, sizes=Sizes(cells_at_once=3)), GAUSSIAN, values, tol=1e-3)
    alone, certified = lattice.pool(n_jobs=1)
    for n_jobs in (None, 2, 3):
        together, again = lattice.pool(n_jobs=n_jobs)
        assert_array_equal(again, certified)
        assert_array_equal(together.total, alone.total)
        assert_array_equal(together.weighted, alone.weighted)


@pytest.mark.parametrize("widths", [(1,), (5,), (64,)])
@pytest.mark.parametrize("at_once", [1, 2**10])
@EACH_WAY
def test_sizes_of_cells_and_products_do_not_change_results(widths, at_once, own):
    problem, values = problem_of(own=own, n_keys=60)
    sizes = Sizes(cell_widths=widths, weights_at_once=at_once, rows_at_once=7)
    lattice = Lattice(pairs_of(**problem, sizes=sizes), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.5


@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_uneven_weights_are_certified(spread):
    """Certification compares with the weights around each query, not with the largest weight."""
    problem, values = problem_of()
    values /= values[0]
    rng = np.random.default_rng(8)
    weights = np.exp(spread * rng.normal(size=150))
    values *= weights / weights.max()
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.9


def test_a_heavy_key_far_away_leaves_others_certified():
    problem, values = problem_of(1)
    problem["keys"][3], values[0, 3] = 40.0, 1.0
    values[:, np.arange(150) != 3] *= 1e-6
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values)
    assert assert_right(lattice, plain_sums(problem, values), 0.0).mean() > 0.9


@pytest.mark.parametrize("far", [3.0, 12.0, 1e3, 1e9])
@pytest.mark.parametrize("n_features", [1, 2])
def test_keys_beyond_the_lattice_leave_distant_queries_certified(n_features, far):
    problem, values = problem_of(n_features, bandwidth=0.3)
    box = problem["keys"].min(axis=0), problem["keys"].max(axis=0)
    problem["keys"][3] = box[1] + far
    lattice = Lattice(pairs_of(**problem), GAUSSIAN, values, box=box)
    certified = assert_right(lattice, plain_sums(problem, values), 0.0)
    near = (problem["queries"] > box[1] - 0.5).all(axis=1)
    assert far > 5 or not certified[near].any()
    assert far < 100 or certified.mean() > 0.9


# -- problems without a lattice -----------------------------------------------------------


def has_lattice(problem, values, kernel=GAUSSIAN):
    """Whether pooling uses a lattice if requested."""
    order, blocks = in_blocks(problem["keys"], np.ones(len(problem["bandwidth"])), 8)
    assert_array_equal(np.sort(order), np.arange(len(order)))
    attention = Attention(**problem, kernel=kernel, weights=values[0], algorithm="lattice")
    return attention.replace(blocks=blocks).way(values[1:].T) == "lattice"


def test_only_a_gaussian_has_a_lattice(kernel):
    problem = problem_of()
    assert has_lattice(*problem, KERNELS[kernel]) == (kernel == "gaussian")
    assert has_lattice(*problem, kernel_of_slope(-3.0))
    assert not has_lattice(*problem, Kernel("own", KERNELS["gaussian"].profile))


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5, 8])
def test_only_few_columns_have_a_lattice(n_features):
    problem, values = problem_of(n_features, bandwidth=30.0)
    assert has_lattice(problem, values) == (n_features <= 4)
    # Columns that are off do not count.
    problem["bandwidth"][1:] = np.inf
    assert has_lattice(problem, values)
    problem["bandwidth"][:] = np.inf
    assert not has_lattice(problem, values)


@pytest.mark.parametrize(
    "changes",
    [
        {"bandwidth": np.array([0.0, 1.0])},
        {"query_widths": np.full(60, 2.0)},
        {"key_widths": np.full(150, 2.0)},
        {"leave_out": np.arange(60)},  # keys that are not the queries
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_other_problems_have_no_lattice(changes):
    problem, values = problem_of()
    assert has_lattice(problem, values)
    assert not has_lattice(problem | changes, values)


def test_queries_may_leave_nothing_out():
    problem, values = problem_of(own=True)
    problem["queries"] = np.concatenate([problem["keys"], [[0.5, 0.5]]])
    problem["leave_out"] = np.append(np.arange(150), -1)
    assert has_lattice(problem, values)


# -- in pooling ---------------------------------------------------------------------------


def pooling_of(n_features=2, bandwidth=0.5, own=False):
    """The arguments of :func:`pool`."""
    problem, values = problem_of(n_features, bandwidth, own=own)
    order, blocks = in_blocks(problem["keys"], problem["bandwidth"], 8)
    keys = problem["keys"][order]
    return problem | {
        "queries": keys if own else problem["queries"],
        "keys": keys,
        "values": (values[1:] / values[0]).T,
        "weights": values[0],
        "kernel": GAUSSIAN,
        "blocks": blocks,
        "empty": "nearest",
    }


def assert_alike(sums, expected, rtol=1e-10):
    totals = (np.log(side.total) + side.shift for side in (sums, expected))
    assert_allclose(*totals, rtol=1e-13, atol=rtol)
    assert_allclose(sums.finish(), expected.finish(), rtol=0, atol=rtol)


@pytest.mark.parametrize("tol", [0.0, 1e-6, 1e-3])
@EACH_WAY
def test_uncertified_queries_are_pooled_by_blocks(own, tol):
    problem = pooling_of(own=own)
    if not own:
        problem["queries"][::3] *= 9  # many are far from all keys, and some beyond the lattice
        problem["queries"][0] = 1e8
    got = pool(**problem, algorithm="lattice", tol=tol)
    assert_alike(got, pool(**problem, algorithm="dense"), rtol=tol + 1e-10)
    for n_jobs in (2, 3):
        together = pool(**problem, algorithm="lattice", tol=tol, n_jobs=n_jobs)
        assert_array_equal(together.total, got.total)
        assert_array_equal(together.weighted, got.weighted)


@pytest.mark.parametrize("outliers", ["one", "heavy tails"])
def test_outliers_leave_the_rest_to_a_lattice(outliers, rng):
    keys = rng.normal(size=(20_000, 2))
    if outliers == "one":
        keys[7] = 1e9
    else:
        keys = rng.standard_cauchy(size=keys.shape)
    order, blocks = in_blocks(keys, np.ones(2))
    keys, values = keys[order], rng.uniform(-1, 1, size=(len(keys), 1))
    attention = Attention(keys, keys, np.ones(len(keys)), GAUSSIAN, np.full(2, 0.3), blocks=blocks)
    attention = attention.replace(empty="nearest", algorithm="lattice")
    assert attention.way(values) == "lattice"
    some = rng.integers(0, len(keys), 300)
    got = attention.pool(values).take(some)
    expected = attention.take(rows=some).replace(algorithm="dense").pool(values)
    assert_alike(got, expected)


@EACH_WAY
def test_each_bandwidth_has_its_lattice(own):
    problem = pooling_of(own=own)
    bandwidth, multiples = problem.pop("bandwidth"), [2.0, 0.3, 0.5, 30.0]
    together = pool_each(multiples, bandwidth=bandwidth, **problem, algorithm="lattice")
    for multiple, sums in zip(multiples, together, strict=True):
        assert_alike(sums, pool(bandwidth=multiple * bandwidth, **problem, algorithm="dense"))


def test_a_lattice_larger_than_memory_is_not_built(monkeypatch):
    problem, values = problem_of(bandwidth=1e-3)
    with config_context(working_memory=1):
        assert not Lattice(pairs_of(**problem), GAUSSIAN, values).fits_in_memory
        wide, _ = problem_of(bandwidth=10.0)
        assert Lattice(pairs_of(**wide), GAUSSIAN, values).fits_in_memory

        monkeypatch.setattr(Lattice, "pool", None)
        problem = pooling_of(bandwidth=1e-3)
        got = pool(**problem, algorithm="lattice")
        assert_alike(got, pool(**problem, algorithm="dense"))


@pytest.mark.parametrize("bandwidth", [1e-6, 1e-30, 1e-100])
def test_memory_is_estimated_before_allocation(bandwidth):
    """For any number of points."""
    problem, values = problem_of(4, bandwidth)
    assert not Lattice(pairs_of(**problem), GAUSSIAN, values).fits_in_memory
