"""The estimated share of pairs that blocks of queries visit, against the true share."""

import numpy as np
import pytest
from engine import pool

from nwkr._pooling import Attention, Sizes, in_blocks
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._shares import Shares
from nwkr._pooling._tiles import Tiles
from nwkr.kernels import KERNELS


def shares(kernel, n_queries, n_keys, bandwidth, monkeypatch, n_distinct=None, n_columns=2):
    """The estimated share, and the true one."""
    rng = np.random.default_rng(4)
    keys, queries = rng.normal(size=(n_keys, n_columns)), rng.normal(size=(n_queries, n_columns))
    if n_distinct:
        keys, queries = (keys[rng.integers(0, n_distinct, n)] for n in (n_keys, n_queries))
    scale, weights, visited = np.full(n_columns, bandwidth), np.ones(n_keys), []
    order, blocks = in_blocks(keys, scale)
    around = Neighbourhoods(pairs_of(queries, keys[order], scale), kernel, weights, blocks)
    write = Tiles.write

    def counted(self, *args):
        tile = write(self, *args)
        visited.append(tile.size)
        return tile

    monkeypatch.setattr(Tiles, "write", counted)
    values = np.ones((n_keys, 1))
    problem = {"queries": queries, "keys": keys[order], "weights": weights, "kernel": kernel}
    problem["sizes"] = Sizes(least_pairs_to_compile=2**62)  # compiled code writes no tiles
    pool(**problem, bandwidth=scale, values=values, blocks=blocks, algorithm="blocks", n_jobs=1)
    return around.share(), sum(visited) / (n_queries * n_keys)


@pytest.mark.parametrize("bandwidth", [0.1, 0.4, 3.0])
@pytest.mark.parametrize("numbers", [(4000, 4000), (300, 8000), (8000, 1500)])
@pytest.mark.parametrize("kernel", ["gaussian", "tricube"])
def test_the_estimate_is_close(kernel, numbers, bandwidth, monkeypatch):
    told, visited = shares(KERNELS[kernel], *numbers, bandwidth, monkeypatch)
    assert 0.6 * visited < told < 1.7 * visited


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_repeated_rows_leave_little_to_visit(kernel, monkeypatch):
    """The nearest keys are at the query, so all others are soon negligible."""
    told, visited = shares(KERNELS[kernel], 4000, 4000, 0.02, monkeypatch, n_distinct=50)
    assert visited < 0.4
    assert 0.5 * visited < told < 2 * visited


@pytest.mark.parametrize("n_queries", [1, 10, 40, 200, 700])
def test_few_queries_need_no_estimate_of_their_own(n_queries, monkeypatch, rng):
    """The estimate for all keys as queries serves, unless blocks of few queries are larger."""
    keys, queries = rng.normal(size=(9000, 2)), rng.normal(size=(n_queries, 2))
    order, blocks = in_blocks(keys, np.ones(2))
    weights, kernel = np.ones(9000), KERNELS["epanechnikov"]
    attention = Attention(keys[:0], keys[order], weights, kernel, np.full(2, 0.1), blocks=blocks)
    prepared = attention.prepare().prepared
    asked, visited = [], Shares.visited
    monkeypatch.setattr(Shares, "visited", lambda *args: asked.append(1) or visited(*args))
    pairs = pairs_of(queries, keys[order], np.full(2, 0.1))
    around = Neighbourhoods(pairs, kernel, weights, blocks, prepared=prepared)
    share = around.share()
    assert bool(asked) == (n_queries == 700)
    if n_queries == 1:
        assert share == prepared.share[False]
    if n_queries == 10:
        assert share > 0.4  # two or more blocks of queries, each spread over all keys
