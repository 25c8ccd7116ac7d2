"""Prepared attention: results are the same, and nothing is added later."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nwkr import NadarayaWatsonRegressor
from nwkr._pooling import Attention, in_blocks
from nwkr._pooling._prepared import boxes_within, corners_of, share_near_ends
from nwkr._pooling._values import WeightedValues
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS


def attention_of(rng, kernel="gaussian", bandwidth=0.2, **options):
    keys = rng.normal(size=(3000, 2))
    bandwidth = np.array([bandwidth, 2 * bandwidth])
    order, blocks = in_blocks(keys, bandwidth)
    weights = rng.uniform(0.1, 1, len(keys))
    queries = rng.normal(size=(40, 2))
    attention = Attention(queries, keys[order], weights, KERNELS[kernel], bandwidth, blocks=blocks)
    return attention.replace(**options), rng.normal(size=(3000, 2))


@pytest.mark.parametrize("algorithm", ["auto", "dense", "blocks"])
@pytest.mark.parametrize("multiples", [(1.0,), (0.5, 2.0)])
def test_preparation_changes_no_bit(kernel, algorithm, multiples, rng):
    attention, values = attention_of(rng, kernel, algorithm=algorithm, empty="nearest")
    prepared = attention.replace(queries=attention.queries[:0]).prepare()
    prepared = prepared.replace(queries=attention.queries)
    assert prepared.prepared is not None
    assert prepared.way(values) == attention.way(values)
    pooled = (side.pool_each(values, multiples) for side in (attention, prepared))
    for plain, ours in zip(*pooled, strict=True):
        assert_array_equal(ours.total, plain.total)
        assert_array_equal(ours.weighted, plain.weighted)


CHANGES = {
    "keys": lambda attention: {"keys": attention.keys + 1},
    "weights": lambda attention: {"weights": attention.weights / 2},
    "blocks": lambda attention: {"blocks": None},
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_keys_are_not_prepared(name, rng):
    attention, _ = attention_of(rng)
    prepared = attention.prepare()
    assert prepared.replace(**CHANGES[name](attention)).prepared is None
    assert prepared.replace(bandwidth=attention.bandwidth.copy()).prepared is prepared.prepared
    other = prepared.replace(bandwidth=attention.bandwidth * 2).prepared
    assert other.share == {}
    assert other.masses is prepared.prepared.masses


@pytest.mark.parametrize("bandwidth", [0.1, "scott", KNearest(5), Adaptive(0.3)], ids=str)
@pytest.mark.parametrize("kernel", ["gaussian", "boxcar", "tricube"])
def test_predict_adds_nothing(kernel, bandwidth, rng):
    X = rng.normal(size=(2000, 2))
    model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, X[:, 0])
    before = pickle.dumps(model)
    model.predict(X[:1])
    model.predict(X)
    assert pickle.dumps(model) == before
    again = pickle.loads(before)
    assert_array_equal(again.predict(X[:5]), model.predict(X[:5]))


def test_boxes_exclude_outliers(rng):
    keys = rng.normal(size=(50_000, 2))
    keys[0], keys[1, 1] = 1e9, -1e5
    (lower, upper, share), *others = boxes_within(corners_of(keys))
    assert share == 0
    assert_array_equal(lower, keys.min(axis=0))
    assert_array_equal(upper, keys.max(axis=0))
    for lower, upper, share in others:
        inside = ((keys >= lower) & (keys <= upper)).all(axis=1)
        assert 1 - share <= inside.mean() < 1
        assert not inside[:2].any()


def test_share_of_rows_near_keys_beyond_a_box(rng):
    keys = rng.normal(size=(50_000, 2))
    lower, upper, reach = keys.min(axis=0), keys.max(axis=0), np.array([9.0, 1.0])
    assert share_near_ends(corners_of(keys), 50_000, lower, upper, reach) == 0
    upper[1] = 2.0
    share = share_near_ends(corners_of(keys), 50_000, lower, upper, reach)
    exact = (keys[:, 1] > 1).mean()
    assert exact < share < 2 * exact
    assert share_near_ends(corners_of(keys), 50_000, lower, upper, 9 * reach) == 1


def test_no_row_is_near_an_outlier(rng):
    keys = rng.normal(size=(50_000, 2))
    keys[0] = 0, 1e9
    corners = corners_of(keys)
    _, (lower, upper, _), *_ = boxes_within(corners)
    assert share_near_ends(corners, 50_000, lower, upper, np.full(2, 2.0)) < 1e-3


@pytest.mark.parametrize("cols", [slice(3, 9), np.array([4, 4, 0])])
def test_a_subset_of_weighted_values(cols, rng):
    weights, values = rng.uniform(size=20), rng.normal(size=(20, 3))
    some = WeightedValues(weights, values).take(cols)
    of_all = WeightedValues(weights, values)
    assert len(of_all) == 4
    assert_array_equal(of_all.all, np.vstack([weights, weights * values.T]))
    assert_array_equal(some, of_all.take(cols))


@pytest.mark.parametrize(("kernel", "expected"), [("gaussian", {False}), ("boxcar", {False, True})])
def test_shares_with_moments_are_for_kernels_with_moments(kernel, expected, rng):
    keys = rng.normal(size=(3000, 2))
    order, blocks = in_blocks(keys, np.ones(2))
    attention = Attention(keys[:0], keys[order], np.ones(3000), KERNELS[kernel], np.ones(2))
    assert attention.replace(blocks=blocks).prepare().prepared.share.keys() == expected
