"""Masks: hidden keys have no effect on the query."""

import numpy as np
import pytest
from engine import attend, pool, pool_each, slopes
from numpy.testing import assert_allclose, assert_array_equal

from nwkr._pooling import Attention, Mask, in_blocks
from nwkr._pooling._block_mask import BlockMask
from nwkr.kernels import KERNELS

KINDS = ["groups", "nearby", "future"]


def make_mask(kind, places, of_queries):
    if kind == "groups":
        places, of_queries = np.floor(places * 6), np.floor(of_queries * 6)
        return Mask(places, of_queries, of_queries)
    if kind == "nearby":
        return Mask(places, of_queries - 0.1, of_queries + 0.1)
    return Mask(places, of_queries, np.full(len(of_queries), np.inf))


def make_data(rng, kind, n=160, n_queries=12, along=True):
    """Rows in the order of a masked column, or in another order."""
    keys, queries = rng.random((n, 2)), rng.random((n_queries, 2))
    order, blocks = in_blocks(keys, np.ones(2), 8)
    keys = keys[order]
    if along:
        mask = make_mask(kind, keys[:, 0], queries[:, 0])
    else:
        mask = make_mask(kind, rng.random(n), rng.random(n_queries))
    values, weights = rng.normal(size=(n, 2)), rng.uniform(0.1, 1, n)
    return {"queries": queries, "keys": keys, "weights": weights, "mask": mask}, values, blocks


def one_by_one(function, attention, values):
    """Results of a function for each query, from the keys that it sees."""
    found = []
    for number in range(len(attention["queries"])):
        seen = ~attention["mask"].hides(np.array([number]))[0]
        alone = attention | {
            "queries": attention["queries"][[number]],
            "keys": attention["keys"][seen],
            "weights": attention["weights"][seen],
            "mask": None,
        }
        if attention.get("query_widths") is not None:
            alone["query_widths"] = attention["query_widths"][[number]]
        if attention.get("key_widths") is not None:
            alone["key_widths"] = attention["key_widths"][seen]
        found.append(function(values[seen], **alone))
    return found


def log_totals(sums):
    with np.errstate(divide="ignore"):
        return sums.shift + np.log(sums.total)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("along", [True, False])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("empty", ["nearest", "mean"])
def test_pooling_equals_that_without_hidden_keys(kernel, kind, along, algorithm, empty, rng):
    attention, values, blocks = make_data(rng, kind, along=along)
    attention |= {"kernel": KERNELS[kernel], "bandwidth": np.array([0.07, 0.1]), "empty": empty}
    sums = pool(values, **attention, algorithm=algorithm, blocks=blocks)
    expected = one_by_one(pool, attention, values)
    finished = np.vstack([each.finish() for each in expected])
    assert_allclose(sums.finish(), finished, rtol=1e-9, atol=1e-12)
    assert_array_equal(sums.reached, np.concatenate([each.reached for each in expected]))
    totals = np.concatenate([log_totals(each) for each in expected])
    assert_allclose(log_totals(sums), totals, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("widths", ["query_widths", "key_widths"])
@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "exponential"])
def test_varying_widths_equal_those_without_hidden_keys(kind, widths, name, rng):
    attention, values, blocks = make_data(rng, kind)
    attention |= {"kernel": KERNELS[name], "bandwidth": np.full(2, 0.1), "empty": "nearest"}
    attention[widths] = rng.uniform(0.5, 2, 12 if widths == "query_widths" else 160)
    sums = pool(values, **attention, algorithm="blocks", blocks=blocks)
    expected = np.vstack([each.finish() for each in one_by_one(pool, attention, values)])
    assert_allclose(sums.finish(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_several_bandwidths_at_once_equal_each_alone(kernel, kind, algorithm, rng):
    attention, values, blocks = make_data(rng, kind)
    attention |= {"kernel": KERNELS[kernel], "bandwidth": np.full(2, 0.05)}
    multiples = [1.0, 2**0.5, 2.0, 3.0]
    found = pool_each(multiples, values, **attention, algorithm=algorithm, blocks=blocks)
    for multiple, sums in zip(multiples, found):
        alone = attention | {"bandwidth": multiple * attention["bandwidth"]}
        expected = np.vstack([each.finish() for each in one_by_one(pool, alone, values)])
        assert_allclose(sums.finish(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["epanechnikov", "boxcar", "biweight"])
@pytest.mark.parametrize("itself", [False, True])
def test_blocks_by_moments_agree_with_dense(kind, name, itself, rng):
    attention, values, blocks = make_data(rng, kind, n=2000, n_queries=600)
    attention |= {"kernel": KERNELS[name], "bandwidth": np.full(2, 0.6)}
    if itself:  # queries are keys, which some masks hide
        attention["queries"] = attention["keys"][:600]
        attention["leave_out"] = rng.integers(0, 600, 600) if kind == "nearby" else np.arange(600)
        attention["mask"] = make_mask(kind, attention["keys"][:, 0], attention["keys"][:600, 0])
    whole = Attention(**attention, blocks=blocks)
    around = whole.neighbourhoods(whole.pairs())
    assert around.by_moments() != (itself and kind == "nearby")
    found, expected = (
        pool(values, **attention, algorithm=way, blocks=blocks).finish()
        for way in ("blocks", "dense")
    )
    assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["manhattan", "precomputed"])
def test_other_metrics_equal_those_without_hidden_keys(kind, metric, rng):
    attention, values, _ = make_data(rng, kind)
    attention |= {"kernel": KERNELS["gaussian"], "bandwidth": 0.1, "metric": "manhattan"}
    expected = np.vstack([each.finish() for each in one_by_one(pool, attention, values)])
    if metric == "precomputed":
        apart = np.abs(attention["queries"][:, None] - attention["keys"]).sum(axis=2)
        attention |= {"queries": apart, "metric": metric}
    assert_allclose(pool(values, **attention).finish(), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_attention_equals_that_without_hidden_keys(kernel, kind, algorithm, rng):
    attention, values, blocks = make_data(rng, kind)
    attention |= {"kernel": KERNELS[kernel], "bandwidth": np.full(2, 0.1), "empty": "nearest"}
    shown = np.zeros((12, 160))

    def show(rows, cols, weights):
        shown[np.ix_(rows, cols)] = weights

    attend(show, **attention, algorithm=algorithm, blocks=blocks)
    assert not shown[attention["mask"].hides(np.arange(12))].any()
    sums = pool(values, **attention)
    assert_allclose(shown @ values, np.nan_to_num(sums.finish()), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "cosine"])
def test_slopes_by_bandwidth_equal_differences(kind, algorithm, name, rng):
    attention, values, blocks = make_data(rng, kind)
    attention |= {"kernel": KERNELS[name], "bandwidth": np.array([0.2, 0.3])}
    attention |= {"algorithm": algorithm, "blocks": blocks}
    loss_slopes = rng.normal(size=(12, 2))

    def loss(logarithms):
        sums = pool(values, **attention | {"bandwidth": np.exp(logarithms)})
        return (loss_slopes * np.nan_to_num(sums.finish())).sum()

    found = slopes(values, pool(values, **attention), loss_slopes, **attention)
    at, step = np.log(attention["bandwidth"]), 1e-5 * np.eye(2)
    expected = [(loss(at + one) - loss(at - one)) / 2e-5 for one in step]
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_seen_sums_values_and_empty_intervals_hide_nothing(rng):
    places, values = rng.integers(0, 5, 30).astype(float), rng.normal(size=(30, 3))
    mask = Mask(places, np.array([1.0, 3, 7, -1, 2.5]), np.array([3.0, 3, 9, np.inf, 2.25]))
    hidden = mask.hides(slice(None))
    assert_allclose(mask.seen(values), ~hidden @ values, atol=1e-14)
    assert not hidden[[2, 4]].any()
    assert hidden[3].all()


def test_masks_of_parts(rng):
    mask = make_mask("nearby", rng.random(30), rng.random(8))
    hidden, rows, cols = mask.hides(slice(None)), np.array([5, 2]), np.array([3, 9, 28])
    assert_array_equal(mask.take(rows, cols).hides(slice(None)), hidden[np.ix_(rows, cols)])
    assert_array_equal(mask.hides(rows, cols), hidden[np.ix_(rows, cols)])
    of_each = rng.integers(0, 30, (2, 4))
    expected = np.take_along_axis(hidden[rows], of_each, axis=1)
    assert_array_equal(mask.hides(rows, of_each), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("along", [True, False])
def test_bounds_of_block_masks_hold(kind, along, rng):
    attention, _, blocks = make_data(rng, kind, along=along)
    groups, weights, mask = blocks.groups(4), attention["weights"], attention["mask"]
    mask_of_blocks = BlockMask(
        mask, (groups, blocks), weights, np.add.reduceat(weights, groups.starts[:-1])
    )
    rows, starts = rng.permutation(12), np.array([0, 3, 4, 9])
    seen = ~mask.hides(rows)
    # The least weight of each key over the queries of a part.
    least = np.minimum.reduceat(seen * weights, starts)
    any_seen = np.logical_or.reduceat(seen, starts)
    bounds = mask_of_blocks.intervals(rows, starts)
    by_query = np.add.reduceat(seen * weights, groups.starts[:-1], axis=1)
    assert (mask_of_blocks.masses(bounds) <= np.minimum.reduceat(by_query, starts) + 1e-12).all()
    hidden = mask_of_blocks.hides(bounds, 1, np.arange(len(blocks)))
    assert not (hidden & np.logical_or.reduceat(any_seen, blocks.starts[:-1], axis=1)).any()
    assert least.any()


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_queries_that_hide_the_same_keys(kind, rng):
    of_queries = np.round(rng.random(40), 1)
    mask = make_mask(kind, np.round(rng.random(30), 2), of_queries)
    hidden = np.zeros((40, 30), bool)
    parts = mask.parts()
    for queries, keys in parts:
        hidden[np.ix_(queries, keys)] = True
    assert_array_equal(hidden, mask.hides(np.arange(40)))
    assert_array_equal(np.sort(np.concatenate([queries for queries, _ in parts])), np.arange(40))
    assert len(parts) == len(np.unique(hidden, axis=0))
