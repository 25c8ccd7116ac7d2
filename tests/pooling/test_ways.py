"""The ways of pooling: refusals and the choice."""

import numpy as np
import pytest
from engine import algorithm_of, pool, pool_each
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from nwkr._pooling import _costs, _lattice, _ways, in_blocks
from nwkr._pooling._lattice import Lattice
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._values import WeightedValues
from nwkr._pooling._way import Problem, Terms, Way
from nwkr._pooling._ways import WAYS as WAYS_IN_USE
from nwkr._pooling._ways import check_algorithm, choose, pool_by_ways
from nwkr.kernels import KERNELS

WAYS = ["dense", "blocks", "lattice"]
COMPACT = sorted(name for name, kernel in KERNELS.items() if np.isfinite(kernel.support))


def problem_of(n_rows, n_features=2, bandwidth=None, *, kernel="gaussian", **options):
    """Normal rows as keys and queries, with Scott's bandwidth by default."""
    rng = np.random.default_rng(6)
    keys = rng.normal(size=(n_rows, n_features))
    if bandwidth is None:
        std = KERNELS[kernel].std(n_features)
        bandwidth = n_rows ** (-1 / (n_features + 4)) / (std if np.isfinite(std) else 1)
    scale = np.full(n_features, bandwidth)
    order, blocks = in_blocks(keys, np.where(scale > 0, scale, np.inf))
    pairs = pairs_of(keys[order], keys[order], scale, **options)
    return pairs, KERNELS[kernel], rng.uniform(0.1, 1, size=(2, n_rows)), blocks


def as_problem(pairs, kernel, values, blocks, metric="euclidean", tol=0.0):
    varies = pairs.query_factors is not None or pairs.key_factors is not None
    bandwidth = getattr(pairs, "bandwidth", 1.0)
    if getattr(pairs, "must_match", False):
        bandwidth = np.append(bandwidth, 0.0)
    terms = Terms(metric, kernel, bandwidth, varies)
    weighted = WeightedValues(values[0], (values[1:] / values[0]).T)
    return Problem(terms, pairs, weighted, blocks, tol)


def way(algorithm, *args, **options):
    return choose(algorithm, as_problem(*args, **options))[0].name


@pytest.mark.parametrize("algorithm", ["auto", *WAYS])
def test_without_blocks_the_way_is_dense(algorithm, kernel):
    pairs, kernel, values, _ = problem_of(300, kernel=kernel)
    assert way(algorithm, pairs, kernel, values, None) == "dense"


def test_blocks_require_euclidean_distances(kernel):
    pairs, kernel, values, blocks = problem_of(60, bandwidth=np.inf, kernel=kernel)
    assert as_problem(pairs, kernel, values, blocks).around is None
    apart = pairs_of(pairs.queries, pairs.keys, 1.0, "manhattan")
    assert as_problem(apart, kernel, values, blocks).around is None
    for algorithm in ("auto", "blocks", "lattice"):
        assert way(algorithm, apart, kernel, values, blocks, metric="manhattan") == "dense"


@pytest.mark.parametrize("algorithm", WAYS)
@pytest.mark.parametrize("n_rows", [10, 1000])
def test_a_requested_way_is_taken(algorithm, n_rows):
    assert way(algorithm, *problem_of(n_rows)) == algorithm


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_dense_and_blocks_serve_every_kernel(algorithm, kernel):
    assert way(algorithm, *problem_of(300, kernel=kernel)) == algorithm


NO_LATTICE = {
    "five columns": {"n_features": 5},
    "exact": {"bandwidth": 0.0},
    "query widths": {"query_widths": np.ones(300)},
    "key widths": {"key_widths": np.ones(300)},
    "others left out": {"leave_out": np.arange(300)[::-1]},
    **{name: {"kernel": name} for name in sorted(set(KERNELS) - {"gaussian"})},
}


@pytest.mark.parametrize("options", NO_LATTICE.values(), ids=NO_LATTICE)
def test_without_a_lattice_another_way_is_taken(options):
    assert way("lattice", *problem_of(300, **options)) in ("dense", "blocks")


def test_a_lattice_larger_than_memory_is_not_taken():
    problem = problem_of(20_000, 2, bandwidth=0.01)
    assert way("lattice", *problem) == "lattice"
    with config_context(working_memory=1):
        assert way("lattice", *problem) in ("dense", "blocks")
        assert way("auto", *problem) in ("dense", "blocks")


@pytest.mark.parametrize("n_features", [1, 2, 3, 10])
@pytest.mark.parametrize("n_rows", [50, 300])
def test_small_problems_are_dense(n_rows, n_features, kernel):
    assert way("auto", *problem_of(n_rows, n_features, kernel=kernel)) == "dense"


@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("kernel", COMPACT)
def test_large_problems_of_compact_kernels_go_by_blocks(kernel, n_features):
    assert way("auto", *problem_of(50_000, n_features, kernel=kernel)) == "blocks"


@pytest.mark.parametrize("n_features", [1, 2])
def test_large_gaussian_problems_have_a_lattice(n_features):
    assert way("auto", *problem_of(100_000, n_features)) == "lattice"


@pytest.mark.parametrize("n_rows", [300, 20_000])
@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "triangular", "tricube"])
def test_dense_is_taken_if_all_pairs_matter(kernel, n_rows):
    assert way("auto", *problem_of(n_rows, 10, bandwidth=20.0, kernel=kernel)) == "dense"


def test_a_tolerance_makes_the_lattice_cheaper():
    """For some sizes, the lattice is the fastest way only with a tolerance."""
    problem = problem_of(100_000, 3)
    assert way("auto", *problem, tol=1e-2) == "lattice"
    assert way("auto", *problem_of(1000, 3), tol=1e-2) == "dense"


@pytest.mark.parametrize("algorithm", ["auto", *WAYS])
def test_algorithm_of_names_the_way_of_pool(algorithm, monkeypatch):
    """`algorithm_of` does not pool."""
    pairs, kernel, values, blocks = problem_of(400)
    taken = []
    for each_way in WAYS_IN_USE:

        def pool_and_note(*args, way=each_way, pool_by_way=each_way.pool):
            taken.append(way.name)
            return pool_by_way(*args)

        monkeypatch.setattr(each_way, "pool", pool_and_note)
    arguments = {
        "queries": pairs.queries, "keys": pairs.keys, "values": values[1:].T, "kernel": kernel,
        "bandwidth": pairs.bandwidth, "weights": values[0], "blocks": blocks,
        "algorithm": algorithm,
    }  # fmt: skip
    named = algorithm_of(**arguments)
    assert taken == []
    pool(**arguments)
    assert named == ("dense" if algorithm == "auto" else algorithm)
    assert taken[0] == named  # blocks pool what a lattice does not certify
    assert set(taken) <= {named, "blocks"}


class Constant(Way):
    """A fourth way, for the constant kernel only: all queries have the same sums."""

    name = "constant"

    def refusal(self, terms):
        return None if terms.kernel.name == "constant" else "the constant kernel"

    def seconds(self, problem, multiple, n_together):
        return 0.0

    def pool(self, problem, multiples):
        sums = np.tile(problem.values.all.sum(axis=1), (problem.pairs.shape[0], 1))
        return [PooledSums(np.zeros(len(sums)), sums[:, 0], sums[:, 1:])] * len(multiples)


def test_a_further_way_is_one_object(kernel):
    problem = as_problem(*problem_of(700, kernel=kernel))  # enough rows for a choice
    expected = pool_by_ways("dense", problem)[0].finish()
    ways = (*WAYS_IN_USE, Constant())
    taken = choose("auto", problem, ways=ways)[0].name
    assert (taken == "constant") == (kernel == "constant")
    assert_allclose(
        pool_by_ways("auto", problem, ways=ways)[0].finish(), expected, rtol=0, atol=1e-12
    )
    if kernel == "constant":
        assert check_algorithm("constant", problem.terms, ways) is None
    else:
        with pytest.raises(ValueError, match=r"'constant' needs the constant kernel\. Choose"):
            check_algorithm("constant", problem.terms, ways)


REFUSED = {
    "metric": ({"metric": "manhattan"}, {"dense"}),
    "kernel": ({"kernel": KERNELS["boxcar"]}, {"dense", "blocks"}),
    "varies": ({"varies": True}, {"dense", "blocks"}),
    "exact": ({"bandwidth": np.array([0.0, 1.0])}, {"dense", "blocks"}),
    "off": ({"bandwidth": np.array([np.inf, np.inf])}, {"dense", "blocks"}),
    "many": ({"bandwidth": np.ones(5)}, {"dense", "blocks"}),
    "few that count": ({"bandwidth": np.append(np.ones(4), np.inf)}, set(WAYS)),
    "nothing": ({}, set(WAYS)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_ways_refuse_problems_they_do_not_serve(case):
    changes, serving = REFUSED[case]
    terms = {"metric": "euclidean", "kernel": KERNELS["gaussian"], "bandwidth": np.ones(2)}
    terms = Terms(**terms | changes)
    assert {each_way.name for each_way in WAYS_IN_USE if not each_way.refusal(terms)} == serving
    for each_way in WAYS_IN_USE:
        if each_way.name in serving:
            check_algorithm(each_way.name, terms)
        else:
            with pytest.raises(ValueError, match=r"needs .*; got .*Choose algorithm from"):
                check_algorithm(each_way.name, terms)


def pooling_of(n_rows, kernel="gaussian", n_features=2):
    """The arguments of :func:`pool_each`, without the bandwidth."""
    pairs, kernel, values, blocks = problem_of(n_rows, n_features, kernel=kernel)
    return pairs.bandwidth, {
        "queries": pairs.queries, "keys": pairs.keys, "values": values[1:].T, "kernel": kernel,
        "weights": values[0], "blocks": blocks, "empty": "nearest",
    }  # fmt: skip


@pytest.mark.parametrize("algorithm", ["auto", *WAYS])
def test_several_multiples_equal_each_alone(algorithm, kernel):
    """The multiples may go different ways, and results keep their order."""
    bandwidth, arguments = pooling_of(200, kernel)
    multiples = [3.0, 0.5, 1e-3, 1.1, 50.0]
    together = pool_each(multiples, bandwidth=bandwidth, **arguments, algorithm=algorithm)
    for multiple, sums in zip(multiples, together, strict=True):
        alone = pool(bandwidth=multiple * bandwidth, **arguments, algorithm="dense")
        assert_allclose(sums.finish(), alone.finish(), rtol=0, atol=1e-10)


def test_a_ladder_uses_lattices_where_they_fit(monkeypatch):
    """For narrow bandwidths the lattice exceeds memory; for wide ones it fits."""
    bandwidth, arguments = pooling_of(300)
    multiples, built = [1.0, 1e-4, 3.0, 2e-4], []
    pool_over_lattice = Lattice.pool

    def follow(lattice, n_jobs=None):
        built.append(lattice)
        return pool_over_lattice(lattice, n_jobs)

    monkeypatch.setattr(Lattice, "pool", follow)
    with config_context(working_memory=20):
        together = pool_each(multiples, bandwidth=bandwidth, **arguments, algorithm="lattice")
    assert len(built) == 2
    for multiple, sums in zip(multiples, together, strict=True):
        alone = pool(bandwidth=multiple * bandwidth, **arguments, algorithm="dense")
        assert_allclose(sums.finish(), alone.finish(), rtol=0, atol=1e-10)


# -- merging sums of some queries ---------------------------------------------------------


@pytest.fixture
def two_sums(rng):
    return [
        PooledSums(rng.normal(size=5), rng.uniform(size=5), rng.normal(size=(5, 2)))
        for _ in range(2)
    ]


@pytest.mark.parametrize("rows", [[0], [4, 1], [], [2, 2, 0, 3]])
def test_sums_of_a_subset_of_queries(rows, two_sums):
    sums, _ = two_sums
    some = sums.take(np.array(rows, int))
    for name in ("shift", "total", "weighted"):
        part, whole = getattr(some, name), getattr(sums, name)
        assert part.shape == (len(rows), *whole.shape[1:])
        for number, row in enumerate(rows):
            assert_array_equal(part[number], whole[row])


@pytest.mark.parametrize("these", [[True] * 5, [False] * 5, [True, False, False, True, True]])
def test_sums_from_either_of_two(these, two_sums):
    ours, theirs = two_sums
    either = ours.where(np.array(these), theirs)
    for name in ("shift", "total", "weighted"):
        for row, first in enumerate(these):
            side = ours if first else theirs
            assert_array_equal(getattr(either, name)[row], getattr(side, name)[row])


# -- costs -----------------------------------------------------------------------------


@pytest.mark.parametrize("exponential", ["numpy, AVX-512", "compiled", "numpy"])
def test_costs_are_known_for_every_exponential(exponential, kernel):
    costs = _costs._COSTS[exponential]
    assert 0 < costs.for_pair(KERNELS[kernel], 8) <= costs.for_pair(KERNELS[kernel])
    assert costs.for_pair(KERNELS["gaussian"], 8) < costs.for_pair(KERNELS["gaussian"])


def test_a_slow_exponential_favours_the_lattice(monkeypatch):
    problem, taken = problem_of(20_000, 3), []
    for costs in (_costs._COSTS["numpy, AVX-512"], _costs._COSTS["numpy"]):
        for module in (_lattice, _ways):
            monkeypatch.setattr(module, "costs_of", lambda pairs, costs=costs: costs)
        taken.append(way("auto", *problem))
    assert taken == ["dense", "lattice"]


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov"])
def test_the_number_of_queries_matters(kernel):
    """With many queries, a few keys are enough for a choice of way."""
    pairs, *rest = problem_of(1500, 1, 0.01, kernel=kernel)
    many = pairs_of(np.tile(pairs.queries, (50, 1)), pairs.keys, pairs.bandwidth)
    assert way("auto", many, *rest) != "dense"
    one = pairs_of(pairs.queries[:1], pairs.keys, pairs.bandwidth)
    assert way("auto", one, *rest) == "dense"


def test_one_query_among_many_keys_uses_blocks(kernel):
    pairs, *rest = problem_of(200_000, 1, 1e-3, kernel=kernel)
    one = pairs_of(pairs.queries[:1], pairs.keys, pairs.bandwidth)
    assert way("auto", one, *rest) == ("blocks" if kernel != "constant" else "dense")


def test_the_lattice_certifies_most_normal_rows():
    problem = as_problem(*problem_of(16_000, 3, 0.8))
    lattice, _ = _ways.LatticeWay._lattice(problem, 1.0)
    _, certified = lattice.pool()
    assert certified.mean() > 0.9
