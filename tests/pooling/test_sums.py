"""Partial sums merge in any order, whatever their scale."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nwkr._pooling import PooledSums


def sums_of(log_weights, values):
    """Sums over some keys, scaled by the greatest weight; no weight at all where -inf."""
    shift = log_weights.max(axis=1, initial=-np.inf)
    shift[np.isinf(shift)] = 0
    weights = np.exp(log_weights - shift[:, None])
    return PooledSums(shift, weights.sum(axis=1), weights @ values)


@pytest.fixture
def problem(rng):
    """Logarithms of weights of which no query's can be summed as they are."""
    log_weights = rng.normal(size=(6, 30)) * [[1], [100], [1e3], [1e4], [1e5], [1]]
    log_weights -= np.array([0, 0, 2000, -2000, 1e6, 0])[:, None]
    log_weights[5] = -np.inf
    return log_weights, rng.normal(size=(30, 2))


def in_parts(log_weights, values, cuts):
    keys = np.split(np.arange(len(values)), cuts)
    return [sums_of(log_weights[:, part], values[part]) for part in keys]


@pytest.mark.parametrize("cuts", [[10, 20], [1, 29], [0, 15], [5, 5]])
def test_merging_gives_the_whole_in_any_order(problem, cuts):
    expected = sums_of(*problem).finish()
    a, b, c = in_parts(*problem, cuts)
    for merged in (a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b)):
        assert_allclose(merged.finish(), expected, rtol=1e-12)
        assert_allclose(
            merged.shift[:5] + np.log(merged.total[:5]),
            sums_of(*problem).shift[:5] + np.log(sums_of(*problem).total[:5]),
        )


def test_no_weight_finishes_as_nan_and_changes_nothing():
    nothing = PooledSums(np.array([0.0]), np.array([0.0]), np.array([[0.0]]))
    assert_array_equal(nothing.merge(nothing).finish(), [[np.nan]])
    stand_in = PooledSums(np.array([-np.inf]), np.array([3.0]), np.array([[1.0]]))
    assert_array_equal(nothing.merge(stand_in).merge(nothing).finish(), [[np.nan]])
    assert_array_equal(stand_in.finish(), [[1 / 3]])
    tiny = PooledSums(np.array([-5000.0]), np.array([2.0]), np.array([[6.0]]))
    for merged in (tiny.merge(nothing), nothing.merge(tiny), tiny.merge(stand_in)):
        assert_array_equal(merged.finish(), [[3.0]])
        assert_array_equal(merged.shift, [-5000.0])
