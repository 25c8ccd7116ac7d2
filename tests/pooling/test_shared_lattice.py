"""A lattice for keys in parts: what the parts add to its points gives the plain sums."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import PROFILES, scaled_distances
from sklearn import config_context

from nwkr._pooling import SharedLattice
from nwkr.kernels import KERNELS


def problem(rng, n_features=2):
    keys = rng.normal(size=(300, n_features)) * 3
    weights = rng.uniform(0.1, 1, 300)
    return keys, weights, rng.uniform(-1, 1, size=(300, 2))


def lattice_of(keys, weights, **changes):
    ends = keys.min(axis=0), keys.max(axis=0)
    bandwidth = np.linspace(0.5, 1, keys.shape[1])
    of_keys = KERNELS["gaussian"], bandwidth, *ends, weights.sum(), 0.1, 2
    fields = "kernel bandwidth lowest highest mass light n_values".split()
    return SharedLattice(**(dict(zip(fields, of_keys)) | changes))


def points_of(lattice, keys, weights, values, n_parts):
    parts = zip(*(np.array_split(each, n_parts) for each in (keys, weights, values)))
    first, *others = (lattice.spread(*part) for part in parts)
    for other in others:
        first = first + other
    return first


@pytest.mark.parametrize(("n_features", "n_parts"), [(1, 7), (2, 1), (2, 7), (2, 300), (3, 7)])
def test_parts_add_up_to_plain_sums(rng, n_features, n_parts):
    tol = 1e-12 if n_features < 3 else 1e-6
    keys, weights, values = problem(rng, n_features)
    lattice = lattice_of(keys, weights, tol=tol).for_parts(300 // n_parts)
    queries = np.vstack([keys[:40] + 0.1, np.full((1, n_features), 60)])
    sums, certified = lattice.gather(queries, points_of(lattice, keys, weights, values, n_parts))
    assert certified.mean() > 0.5
    assert not certified[-1]
    expected = PROFILES["gaussian"](scaled_distances(queries, keys, lattice.bandwidth)) * weights
    expected, sums = expected[certified], sums.take(np.flatnonzero(certified))
    assert_allclose(sums.total, expected.sum(axis=1), rtol=tol)
    plain = expected @ values / expected.sum(axis=1, keepdims=True)
    assert_allclose(sums.finish(), plain, rtol=0, atol=tol)


@pytest.mark.parametrize("n_features", [1, 2])
def test_rows_of_a_part_are_left_out(rng, n_features):
    keys, weights, values = problem(rng, n_features)
    lattice, leave_out = lattice_of(keys, weights), np.where(np.arange(60) % 4, np.arange(60), -1)
    points, own = points_of(lattice, keys, weights, values, 5), slice(0, 60)
    part = keys[own], weights[own], values[own]
    sums, certified = lattice.gather(keys[own], points, leave_out, part)
    assert certified.mean() > 0.5
    expected = PROFILES["gaussian"](scaled_distances(keys[own], keys, lattice.bandwidth)) * weights
    expected[leave_out >= 0, leave_out[leave_out >= 0]] = 0
    expected, sums = expected[certified], sums.take(np.flatnonzero(certified))
    assert_allclose(sums.total, expected.sum(axis=1), rtol=1e-12)
    plain = expected @ values / expected.sum(axis=1, keepdims=True)
    assert_allclose(sums.finish(), plain, rtol=0, atol=1e-12)


def test_a_column_that_is_off(rng):
    keys, weights, values = problem(rng)
    some = lattice_of(keys, weights, bandwidth=np.array([0.5, np.inf]))
    alone = lattice_of(keys[:, :1], weights, bandwidth=np.array([0.5]))
    found, _ = some.gather(keys, points_of(some, keys, weights, values, 3))
    expected, _ = alone.gather(keys[:, :1], alone.spread(keys[:, :1], weights, values))
    assert_allclose(found.finish(), expected.finish(), rtol=1e-11)


def test_refused_problems(rng):
    keys, weights, _ = problem(rng)
    assert lattice_of(keys, weights).serves
    for changes in (
        {"kernel": KERNELS["tricube"]},
        {"kernel": KERNELS["constant"]},
        {"bandwidth": np.array([0.5, 0.0])},
        {"bandwidth": np.array([np.inf, np.inf])},
        {"bandwidth": np.array([1e-9, 1e-9])},  # too many points for any memory
    ):
        assert not lattice_of(keys, weights, **changes).serves
    many = problem(rng, 5)[0]
    assert not lattice_of(many, weights).serves
    with config_context(working_memory=0.1):
        assert not lattice_of(keys, weights).serves
