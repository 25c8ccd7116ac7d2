"""Blocks of rows, and the blocks that matter to each other, against naive loops."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, scaled_distances

from nwkr._pooling import DEFAULT_SIZES, Sizes
from nwkr._pooling._boxes import Blocks, Boxes, in_blocks
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._query_blocks import n_blocks
from nwkr.kernels import KERNELS, Kernel

RNG = np.random.default_rng(3)
NORMAL = RNG.normal(size=(203, 3))
ROWS = {
    "normal": NORMAL,
    "one column": NORMAL[:, :1],
    "float32": NORMAL.astype(np.float32),
    "one row": NORMAL[:1],
    "two rows": NORMAL[:2],
    "on a line": NORMAL[:, :1] * [1.0, -2.0, 0.0],
    "constant column": NORMAL * [1.0, 0.0, 1.0] + 5.0,
    "all equal": np.ones((203, 2)),
    "duplicates": NORMAL[RNG.integers(0, 9, 203)],
    "outliers": np.concatenate([NORMAL, 1e6 * NORMAL[:2]]),
    "far away": NORMAL + 1e6,
    "huge": NORMAL * 1e150,
}
COMPACT = sorted(name for name, kernel in KERNELS.items() if np.isfinite(kernel.support))
POWERS = sorted(name for name, kernel in KERNELS.items() if kernel.power is not None)
VARIANTS = ["plain", "query factors", "key factors", "left out", "one's own"]


# Several levels of blocks among a few hundred rows, and moments wherever possible.
SMALL = Sizes(
    blocks_per_group=3,
    queries_per_block=5,
    queries_per_group=15,
    blocks_within=0,
    pairs_per_moment=0,
)


def problem_of(
    variant="plain", *, n_features=2, bandwidth=0.9, n_keys=120, n_queries=40, sizes=DEFAULT_SIZES
):
    """Ordered keys and their blocks, pairs, weights, and the mask of keys left out."""
    rng = np.random.default_rng(8)
    keys = rng.normal(size=(n_keys, n_features))
    scale = np.full(n_features, bandwidth)
    order, blocks = in_blocks(keys, scale, 5)
    keys, queries = keys[order], 1.2 * rng.normal(size=(n_queries, n_features))
    options = {}
    if variant == "query factors":
        options["query_widths"] = rng.uniform(0.5, 2, n_queries)
    elif variant == "key factors":
        options["key_widths"] = rng.uniform(0.5, 2, n_keys)
    elif variant == "left out":
        options["leave_out"] = rng.integers(-1, n_keys, n_queries)
    elif variant == "one's own":
        queries, options["leave_out"] = keys, np.arange(n_keys)
    pairs = pairs_of(queries, keys, scale, sizes=sizes, **options)
    u = scaled_distances(queries, keys, scale)
    u /= options.get("query_widths", np.ones(len(queries)))[:, None]
    u /= options.get("key_widths", 1.0)
    counted = np.ones_like(u)
    if "leave_out" in options:
        leaving = np.flatnonzero(options["leave_out"] >= 0)
        counted[leaving, options["leave_out"][leaving]] = 0
    return pairs, blocks, rng.uniform(0.1, 1, n_keys), u, counted


# -- rows in blocks -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5, 32])
@pytest.mark.parametrize("rows", ROWS)
def test_blocks_hold_every_row_once_in_exact_boxes(rows, size):
    X = ROWS[rows]
    scale = np.full(X.shape[1], max(1.0, np.abs(X).max() / 1e6))
    order, blocks = in_blocks(X, scale, size)
    assert_array_equal(np.sort(order), np.arange(len(X)))
    assert blocks.starts[0] == 0
    assert blocks.starts[-1] == len(X)
    assert blocks.lower.shape == blocks.upper.shape == (X.shape[1], len(blocks))
    for number, part in enumerate(np.split(X[order], blocks.starts[1:-1])):
        assert len(part) > 0
        assert len(part) <= size or (part == part[0]).all()
        assert_array_equal(blocks.lower[:, number], part.min(axis=0))
        assert_array_equal(blocks.upper[:, number], part.max(axis=0))


@pytest.mark.parametrize("scale", [1e-300, 1e-6, 1e6, 1e300])
def test_rows_of_any_scale_are_ordered(scale):
    order, blocks = in_blocks(NORMAL, np.full(3, scale), 5)
    assert_array_equal(np.sort(order), np.arange(203))
    for number, part in enumerate(np.split(NORMAL[order], blocks.starts[1:-1])):
        assert_array_equal(blocks.lower[:, number], part.min(axis=0))


def test_a_column_that_is_off_is_not_split():
    order, blocks = in_blocks(NORMAL, np.array([1.0, np.inf, 1.0]), 5)
    without = in_blocks(NORMAL[:, [0, 2]], np.ones(2), 5)
    assert_array_equal(order, without[0])
    assert_array_equal(blocks.starts, without[1].starts)
    assert blocks.lower.shape == (3, len(blocks))
    # Where all columns are off, all rows are equal.
    order, blocks = in_blocks(NORMAL, np.full(3, np.inf), 5)
    assert_array_equal(np.sort(order), np.arange(203))
    assert len(blocks) == 1


def test_blocks_are_compact():
    """In one column, blocks of a k-d order do not overlap."""
    _, blocks = in_blocks(NORMAL[:, :1], np.ones(1), 5)
    assert (blocks.lower[0, 1:] >= blocks.upper[0, :-1]).all()


@pytest.fixture
def uneven():
    """Blocks of 3, 1, 4, 2 and 5 rows."""
    starts = np.array([0, 3, 4, 8, 10, 15])
    lower = np.arange(10.0).reshape(2, 5)
    return Blocks(starts, lower, lower + np.array([[3.0], [1.0]]))


CHOICES = [[0], [4], [0, 1, 2, 3, 4], [3, 1], [2, 4, 0], []]


def members(blocks, number):
    return list(range(blocks.starts[number], blocks.starts[number + 1]))


@pytest.mark.parametrize("chosen", CHOICES)
def test_rows_of_blocks(chosen, uneven):
    expected = [row for number in chosen for row in members(uneven, number)]
    assert_array_equal(uneven.rows(np.array(chosen, int)), expected)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_groups_are_neighbouring_blocks(size, uneven):
    groups = uneven.groups(size)
    parts = [range(first, min(first + size, 5)) for first in range(0, 5, size)]
    assert len(groups) == len(parts)
    for number, part in enumerate(parts):
        assert groups.starts[number] == uneven.starts[part[0]]
        assert groups.starts[number + 1] == uneven.starts[part[-1] + 1]
        assert_array_equal(groups.lower[:, number], uneven.lower[:, part].min(axis=1))
        assert_array_equal(groups.upper[:, number], uneven.upper[:, part].max(axis=1))


@pytest.mark.parametrize("size", [1, 4, 24, 30])
def test_boxes_around_neighbours(size):
    pairs, blocks, *_ = problem_of()
    pairs = pairs_of(pairs.queries, pairs.keys, np.array([0.3, 2.0]))
    boxes = Boxes(pairs, blocks)
    n_blocks = len(blocks)
    lower, upper, missing = boxes.around(np.arange(n_blocks), size)
    assert missing is None
    centres = (blocks.lower + blocks.upper).T / 2 / pairs.bandwidth
    beyond = (blocks.upper - blocks.lower) / 8  # whole boxes reach farther than the rows
    for number, centre in enumerate(centres):
        members = np.argsort(np.abs(centres - centre).max(axis=1))[:size]
        assert_array_equal(lower[:, number], (blocks.lower + beyond)[:, members].min(axis=1))
        assert_array_equal(upper[:, number], (blocks.upper - beyond)[:, members].max(axis=1))


# -- blocks that matter -------------------------------------------------------------------


@pytest.mark.parametrize("n_queries", [1, 5, 40])
def test_every_query_is_in_one_block(n_queries):
    pairs, blocks, weights, *_ = problem_of(n_queries=n_queries, sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS["gaussian"], weights, blocks)
    parts = around.of_queries()
    assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n_queries))
    assert max(map(len, parts)) <= 5
    some = np.arange(0, n_queries, 3)
    assert_array_equal(np.sort(np.concatenate(around.of_queries(some))), some)


def found_by_each(around, multiples=(1.0,)):
    """For each part: queries, visited blocks, their distances, groups and blocks within."""
    for parts in around.in_groups(around.of_queries()):
        found = around.of(parts, multiples)
        assert found.visited.any(axis=0).all()
        for number, rows in enumerate(parts):
            visited = found.visited[number]
            groups, blocks = (numbers[inside[number]] for numbers, inside in found.within)
            yield rows, found.blocks[visited], found.nearest[number, visited], groups, blocks


def test_groups_are_neighbouring_parts():
    sizes = Sizes(queries_per_block=5, queries_per_group=40)
    pairs, blocks, weights, *_ = problem_of(n_queries=400, sizes=sizes)
    around = Neighbourhoods(pairs, KERNELS["gaussian"], weights, blocks)
    parts = around.of_queries()
    groups = around.in_groups(parts)
    assert_array_equal(np.concatenate(parts), np.concatenate([np.concatenate(g) for g in groups]))
    assert min(len(np.concatenate(group)) for group in groups[:-1]) >= 24
    assert max(len(np.concatenate(group)) for group in groups) <= 48
    assert around.in_groups([]) == []


@pytest.mark.parametrize("rows", [None, np.arange(3, 1_000)])
def test_blocks_of_queries_shrink_with_the_number_of_keys_visited(rows):
    sizes = Sizes(least_queries_per_block=16)
    pairs, blocks, weights, *_ = problem_of(n_queries=1_000, sizes=sizes)
    around = Neighbourhoods(pairs, KERNELS["epanechnikov"], weights, blocks)
    sizes = []
    for n_visited in (0, 1e4, 5e4, 1e9):
        parts = around.of_queries(rows, n_visited)
        assert_array_equal(
            np.sort(np.concatenate(parts)), np.arange(1_000) if rows is None else rows
        )
        sizes.append(max(map(len, parts)))
    assert sizes[0] == sizes[1] > 1.9 * sizes[2] > 3 * sizes[3] > 8


@pytest.mark.parametrize("kernel", ["epanechnikov", "tricube"])
def test_visited_estimates_the_keys_of_a_block_of_queries(kernel):
    pairs, blocks, weights, *_ = problem_of(n_keys=2_000, bandwidth=0.2)
    sizes = Sizes(blocks_within=np.inf)  # no moments
    pairs = pairs_of(pairs.keys, pairs.keys, pairs.bandwidth, sizes=sizes)
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks)
    visited = [len(blocks.rows(around.all_of(rows))) for rows in around.of_queries()]
    assert 0.7 * np.mean(visited) < around.visited() < 3 * np.mean(visited)
    assert around.visited([1.0, 0.5, 2.0]) == around.visited([2.0]) > 1.2 * around.visited()
    # Smaller blocks would visit all keys, too.
    assert around.visited([100.0]) == 0


@pytest.mark.parametrize("kernel", ["gaussian", "exponential", "constant"])
def test_endless_kernels_have_no_estimate_of_visits(kernel):
    pairs, blocks, weights, *_ = problem_of(n_keys=2_000, bandwidth=0.2)
    assert Neighbourhoods(pairs, KERNELS[kernel], weights, blocks).visited() == 0


@pytest.mark.parametrize("tol", [0.0, 1e-3])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bandwidth", [0.15, 0.9])
def test_keys_left_out_are_negligible(kernel, bandwidth, variant, tol):
    pairs, blocks, key_weights, u, counted = problem_of(variant, bandwidth=bandwidth, sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS[kernel], key_weights, blocks, tol)
    weights = PROFILES[kernel](u) * counted * key_weights
    share = 0 if np.isfinite(KERNELS[kernel].support) else max(tol, 1e-13)
    together = []
    for rows, visited, _, groups, within in found_by_each(around):
        cols = [blocks.rows(visited), around.groups.rows(groups), blocks.rows(within)]
        together.append((rows, np.concatenate(cols)))
    alone = [(rows, blocks.rows(around.all_of(rows))) for rows in around.of_queries()]
    for rows, cols in together + alone:
        assert len(np.unique(cols)) == len(cols)
        elsewhere = np.setdiff1d(np.arange(len(key_weights)), cols)
        lost = weights[np.ix_(rows, elsewhere)].sum(axis=1)
        assert (lost <= share * weights[rows].sum(axis=1)).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"constant"}))
def test_most_pairs_are_left_out(kernel, variant):
    """Otherwise the test above would test nothing."""
    pairs, blocks, weights, *_ = problem_of(
        variant, n_features=1, bandwidth=0.01, n_keys=400, sizes=SMALL
    )
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks, tol=1e-2)
    seen = sum(len(rows) * len(blocks.rows(around.all_of(rows))) for rows in around.of_queries())
    assert seen < 0.85 * pairs.shape[0] * pairs.shape[1]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("multiples", [(1.0, 2.0), (4.0, 1.0)])
def test_keys_left_out_are_negligible_for_every_multiple(kernel, multiples, variant):
    pairs, blocks, key_weights, u, counted = problem_of(variant, bandwidth=0.15, sizes=SMALL)
    # A kernel without moments, because moments take one multiple at a time.
    facts = {name: getattr(KERNELS[kernel], name) for name in ("profile", "support", "log_profile")}
    around = Neighbourhoods(pairs, Kernel("own", **facts), key_weights, blocks, 1e-6)
    share = 0 if np.isfinite(KERNELS[kernel].support) else 1e-6
    for rows, visited, *_ in found_by_each(around, multiples):
        elsewhere = np.setdiff1d(np.arange(len(key_weights)), blocks.rows(visited))
        for multiple in multiples:
            weights = (PROFILES[kernel](u / multiple) * counted * key_weights)[rows]
            assert (weights[:, elsewhere].sum(axis=1) <= share * weights.sum(axis=1)).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_nearest_is_a_lower_bound_of_distances(variant):
    pairs, blocks, weights, u, _ = problem_of(variant, sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS["triangular"], weights, blocks)
    for rows, visited, distances, *_ in found_by_each(around):
        for number, nearest in zip(visited, distances, strict=True):
            least = (u[np.ix_(rows, blocks.rows(np.array([number])))] ** 2).min()
            assert nearest <= least * (1 + 1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_visited_blocks_are_nearer_than_the_others(kernel):
    pairs, blocks, weights, *_ = problem_of(bandwidth=0.05, n_keys=1_000, sizes=SMALL)
    around, n_less = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks), 0
    for rows in around.of_queries():
        lowest, highest = pairs.queries[rows].min(axis=0), pairs.queries[rows].max(axis=0)
        gaps = np.maximum(blocks.lower.T - highest, lowest - blocks.upper.T).clip(min=0)
        nearest = np.linalg.norm(gaps / pairs.bandwidth, axis=1)
        visited = np.isin(np.arange(len(blocks)), around.of([rows]).blocks)
        assert nearest[visited].max() < nearest[~visited].min(initial=np.inf) * (1 + 1e-9)
        n_less += not visited.all()
    assert n_less > 1


def keys_within(around):
    """For each part: queries, keys within the support, and visited keys."""
    for rows, visited, _, groups, blocks in found_by_each(around):
        within = np.concatenate([around.groups.rows(groups), around.blocks.rows(blocks)])
        yield rows, within, around.blocks.rows(visited)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", POWERS)
def test_keys_within_have_weight_for_every_query_of_a_part(kernel, variant):
    pairs, blocks, weights, u, _ = problem_of(variant, bandwidth=1.5, n_queries=100, sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks)
    n_within = 0
    for rows, cols, visited in keys_within(around):
        assert len(np.unique(cols)) == len(cols)
        assert (PROFILES[kernel](u[np.ix_(rows, cols)]) > 0).all()
        assert not np.isin(cols, visited).any()
        n_within += len(rows) * len(cols)
    # A key left out could not be subtracted from moments, so there are none.
    assert n_within == 0 if variant == "left out" else n_within > 0.01 * u.size


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - set(POWERS)))
def test_moments_are_for_powers_only(kernel):
    pairs, blocks, weights, *_ = problem_of(bandwidth=20.0)
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks)
    assert not around.by_moments()
    assert all(len(cols) == 0 for _, cols, _ in keys_within(around))


@pytest.mark.parametrize("kernel", POWERS)
def test_queries_of_width_zero_have_no_keys_within(kernel):
    """However wide the query's block: only exact matches count."""
    pairs, blocks, weights, *_ = problem_of(bandwidth=20.0, sizes=SMALL)
    widths = np.where(np.arange(40) < 25, 0.0, 1.0)
    pairs = pairs_of(pairs.queries, pairs.keys, pairs.bandwidth, query_widths=widths, sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks)
    for rows, cols, _ in keys_within(around):
        assert not (widths[rows] == 0).any() or len(cols) == 0


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("far", [0.0, 100.0])
@pytest.mark.parametrize("size", [1, 5])
def test_nearest_keys_are_in_the_nearest_blocks(size, far, variant):
    sizes = replace(SMALL, blocks_per_group=1) if size == 1 else SMALL  # also groups of one block
    pairs, blocks, weights, u, counted = problem_of(variant, sizes=sizes)
    if variant != "one's own":
        pairs.queries[:] += far
        apart = scaled_distances(pairs.queries, pairs.keys, pairs.bandwidth)
        factors = 1.0 if pairs.key_factors is None else np.sqrt(pairs.key_factors)
        u = apart * factors
    u[counted == 0] = np.inf
    nearest = u.argmin(axis=1)
    around = Neighbourhoods(pairs, KERNELS["boxcar"], weights, blocks)
    for rows in around.of_queries():
        assert np.isin(nearest[rows], blocks.rows(around.nearest(rows))).all()


def test_nearest_blocks_of_one_key_each():
    """With this key left out, another block holds the nearest."""
    keys = np.array([[0.0], [1.0], [10.0]])
    order, blocks = in_blocks(keys, np.ones(1), 1)
    pairs = pairs_of(keys[order], keys[order], np.ones(1), leave_out=np.arange(3), sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS["boxcar"], np.ones(3), blocks)
    nearest = {0.0: 1.0, 1.0: 0.0, 10.0: 1.0}
    for row in range(3):
        seen = pairs.keys[blocks.rows(around.nearest(np.array([row]))), 0]
        assert nearest[pairs.keys[row, 0]] in seen


def test_exact_columns_exclude_no_block(kernel):
    rng = np.random.default_rng(0)
    keys = np.column_stack([rng.integers(0, 3, 90), rng.normal(size=90)])
    order, blocks = in_blocks(keys, np.array([np.inf, 1.0]), 5)
    pairs = pairs_of(keys[:20], keys[order], np.array([0.0, 0.01]))
    around = Neighbourhoods(pairs, KERNELS[kernel], np.ones(90), blocks)
    assert not around.by_moments()
    for rows in around.of_queries():
        assert_array_equal(around.nearest(rows), np.arange(len(blocks)))
        assert_array_equal(np.sort(around.all_of(rows)), np.arange(len(blocks)))


def test_columns_that_are_off_add_no_distance():
    rng = np.random.default_rng(0)
    keys = np.column_stack([1e9 * rng.normal(size=90), rng.normal(size=90)])
    scale = np.array([np.inf, 0.3])
    order, blocks = in_blocks(keys, scale, 5)
    around = Neighbourhoods(
        pairs_of(keys[:20], keys[order], scale), KERNELS["tricube"], np.ones(90), blocks
    )
    u = np.abs(keys[:20, None, 1] - keys[order, 1]) / 0.3
    for rows in around.of_queries():
        elsewhere = np.setdiff1d(np.arange(90), blocks.rows(around.all_of(rows)))
        assert (u[np.ix_(rows, elsewhere)] >= 1).all()


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov", "triangular"])
def test_part_has_the_pairs_of_its_queries_and_keys(kernel):
    pairs, blocks, weights, u, counted = problem_of("left out")
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks)
    rows, numbers = np.array([3, 1, 30]), np.array([7, 2, 15])
    cols, part = around.part(rows, numbers)
    assert_array_equal(cols, blocks.rows(numbers))
    u2 = part.squared_distances(np.arange(3))
    assert_allclose(u2, u[np.ix_(rows, cols)] ** 2, rtol=1e-12)
    part.exclude_self(u2, np.arange(3), fill=np.nan)
    assert_array_equal(np.isnan(u2), counted[np.ix_(rows, cols)] == 0)


@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize("n_queries", [1, 30, 200, 1000, 5000])
def test_n_blocks_is_the_number_of_blocks_of_queries(n_features, n_queries):
    pairs, blocks, weights, *_ = problem_of(n_features=n_features, n_keys=1000, n_queries=n_queries)
    around = Neighbourhoods(pairs, KERNELS["gaussian"], weights, blocks)
    assert n_blocks(pairs, n_queries) == len(around.of_queries())


@pytest.mark.parametrize("kernel", COMPACT)
def test_share_estimates_the_share_of_pairs_visited(kernel):
    pairs, blocks, weights, *_ = problem_of(bandwidth=0.3, n_keys=1000, n_queries=1)
    own = pairs_of(pairs.keys, pairs.keys, pairs.bandwidth)
    around = Neighbourhoods(own, KERNELS[kernel], weights, blocks)
    visited = sum(
        len(rows) * len(blocks.rows(visited)) for rows, visited, *_ in found_by_each(around)
    )
    expected = visited / 1000**2
    assert 0.7 * expected < around.share() < 1.4 * expected


def test_a_kernel_of_moments_alone_visits_nothing():
    pairs, blocks, weights, *_ = problem_of(n_keys=1000)
    around = Neighbourhoods(pairs, KERNELS["constant"], weights, blocks)
    assert around.by_moments()
    assert around.share() == 0


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov", "tricube"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_one_block_of_queries_measures_groups_once(kernel, variant, monkeypatch):
    """It finds the same blocks alone as among others."""
    pairs, blocks, weights, *_ = problem_of(variant, n_keys=600, sizes=SMALL)
    around = Neighbourhoods(pairs, KERNELS[kernel], weights, blocks)
    parts = around.of_queries()
    together, looked_at = around.of(parts), []
    distances = Boxes.distances

    def counted(self, corners, *args):
        looked_at.append(self)
        return distances(self, corners, *args)

    monkeypatch.setattr(Boxes, "distances", counted)
    for part, visited, nearest in zip(parts, together.visited, together.nearest):
        looked_at.clear()
        alone = around.of([part])
        assert len(looked_at) == 2  # groups, and some of their blocks
        assert_array_equal(alone.blocks, together.blocks[visited])
        assert_array_equal(alone.nearest[0], nearest[visited])
