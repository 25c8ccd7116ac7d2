"""Sums recomputed where tiles are uncertain, and stand-ins for queries without weight."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, scaled_distances

from nwkr._pooling._exactly import pool_exactly
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._values import WeightedValues
from nwkr.kernels import KERNELS


def made_again(sums, uncertain, pairs, kernel, values, *args, **options):
    """Recompute in one part, from pairs with all keys."""
    parts, weighted = (
        [np.arange(sums.shape[1])],
        WeightedValues(values[0], (values[1:] / values[0]).T),
    )
    args = (kernel, weighted, *args)
    return pool_exactly(sums, uncertain, parts, pairs, *args, **options)


def test_uncertain_sums_are_recomputed(kernel, rng):
    queries, keys = rng.normal(size=(10, 2)), rng.normal(size=(15, 2))
    values, multiples = rng.uniform(size=(3, 15)), (1.0, 2.0)
    uncertain = np.zeros((2, 10), bool)
    uncertain[0, [0, 7]] = uncertain[1, [3, 7]] = True
    pairs = pairs_of(queries, keys, np.ones(2))
    sums = np.full((2, 10, 3), 7.0)
    pooled = made_again(sums, uncertain, pairs, KERNELS[kernel], values, multiples)
    for number, multiple in enumerate(multiples):
        u, again = scaled_distances(queries, keys, multiple), uncertain[number]
        found = np.column_stack([pooled[number].total, pooled[number].weighted])
        found *= np.exp(pooled[number].log_scale)[:, None]
        expected = PROFILES[kernel](u[again]) @ values.T
        assert_allclose(found[again], expected, rtol=1e-11)
        assert_array_equal(found[~again], 7.0)


@pytest.mark.parametrize("n_keys", [1, 2, 9])
def test_mean_stands_in_without_the_key_left_out(n_keys, rng):
    values = 10.0 ** rng.integers(-30, 30, (2, n_keys)) * [[1], [-1]]
    X, lone = np.arange(n_keys)[:, None] + 0.25, rng.uniform(size=(3, n_keys)) < 0.7
    for leave_out in (None, np.arange(n_keys)[::-1], np.full(n_keys, -1)):
        # Every key is at least 0.25 away, beyond the bandwidth.
        pairs = pairs_of(X - 0.25, X, np.full(1, 0.01), leave_out=leave_out)
        args = KERNELS["boxcar"], values, (1.0, 2.0, 3.0)
        sums = np.full((3, n_keys, 2), 7.0)
        pooled = made_again(sums, lone, pairs, *args, empty="mean")
        for query in range(n_keys):
            counted = np.arange(n_keys) != (-1 if leave_out is None else leave_out[query])
            for alone, found in zip(lone[:, query], pooled):
                wanted = values[:, counted].sum(axis=1) if alone else [7, 7]
                assert_allclose([found.total[query], *found.weighted[query]], wanted, rtol=1e-13)
                assert found.reached[query] == (not alone)
