"""Sparse values give the same sums as arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from nwkr._pooling import Attention, distance_slopes, in_blocks, query_gradients
from nwkr._pooling._values import ValuesOnDemand, WeightedValues, as_dense
from nwkr.kernels import KERNELS


@pytest.fixture
def one_hot(rng):
    return np.equal.outer(rng.integers(70, size=400), np.arange(70)).astype(float)


def attention_of(rng, kernel, algorithm, bandwidth=0.4, **options):
    keys, weights = rng.standard_normal((400, 2)), rng.uniform(0.5, 1, 400)
    order, blocks = in_blocks(keys, np.ones(2))
    keys = keys[order]
    queries, leave_out = keys[:150], np.arange(150)
    leave_out[::7] = -1
    options = {"leave_out": leave_out, "blocks": blocks, "algorithm": algorithm} | options
    return Attention(queries, keys, weights, KERNELS[kernel], np.full(2, bandwidth), **options)


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar", "epanechnikov"])
@pytest.mark.parametrize("algorithm", ["dense", "blocks", "lattice", "auto"])
@pytest.mark.parametrize("bandwidth", [0.01, 0.4, 4.0])
@pytest.mark.parametrize("empty", ["nearest", "mean", None])
def test_sums_of_sparse_values_equal_dense(kernel, algorithm, bandwidth, empty, one_hot, rng):
    attention = attention_of(rng, kernel, algorithm, bandwidth, empty=empty)
    multiples = 1.0, 2.0, 2.1
    expected = attention.pool_each(one_hot, multiples)
    got = attention.pool_each(sparse.csr_array(one_hot), multiples)
    for sums, of_array in zip(got, expected):
        assert_allclose(sums.finish(), of_array.finish(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_slopes_and_gradients_of_sparse_values_equal_dense(algorithm, one_hot, rng):
    attention = attention_of(rng, "gaussian", algorithm)
    factors, values = rng.standard_normal((150, 71)), sparse.csr_array(one_hot)
    shift = np.zeros(150)
    expected = distance_slopes(attention, [(one_hot, factors)], shift)
    assert_allclose(distance_slopes(attention, [(values, factors)], shift), expected, rtol=1e-9)
    assert_allclose(
        query_gradients(attention, values), query_gradients(attention, one_hot), rtol=1e-9
    )


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("cols", [slice(3, 9), np.array([7, 2, 2])], ids=["slice", "numbers"])
def test_a_subset_of_keys(cols, asked_before, one_hot, rng):
    weights = rng.uniform(size=400)
    values = WeightedValues(weights, sparse.csr_array(one_hot))
    expected = np.vstack([weights, weights * one_hot.T])
    if asked_before:
        assert_allclose(values.all.toarray(), expected)
    assert values.sparse
    assert not WeightedValues(weights, one_hot).sparse
    assert sparse.issparse(values.take(cols))
    assert_allclose(as_dense(values.take(cols)), expected[:, cols])


def test_values_on_demand(rng):
    """Values are made only for keys that are near."""
    keys, asked = np.sort(rng.uniform(0, 100, size=(4000, 1)), axis=0), []

    def make(cols):
        asked.append(keys[cols])
        return np.column_stack([keys[cols], np.square(keys[cols])])

    order, blocks = in_blocks(keys, np.ones(1))
    keys = keys[order]
    attention = Attention(
        np.full((1, 1), 30.0),
        keys,
        np.ones(4000),
        KERNELS["biweight"],
        np.ones(1),
        blocks=blocks,
        algorithm="blocks",
    )
    expected = attention.pool(make(slice(None))).finish()
    asked.clear()
    values = ValuesOnDemand(make, 2, np.arange(4000))
    assert values.shape == (4000, 2)
    assert_array_equal(attention.pool(values).finish(), expected)
    assert max(len(some) for some in asked) < 400
