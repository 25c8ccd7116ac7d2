"""Tiles: the formula on some pairs, and weights that do not underflow."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, scaled_distances, slope

from nwkr._pooling import Sizes
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._tiles import Tiles
from nwkr.kernels import KERNELS

BANDWIDTH = np.array([0.4, 0.7, 2.0])
ROWS = slice(3, 19)
SMALL = Sizes(queries_per_tile=16, bytes_per_tile=8 * 16 * 24)
# Allowed errors of squared distances in a tile, by type.
ERROR = {np.float64: 1e-11, np.float32: 1e-3}


@pytest.fixture
def data(rng):
    return rng.normal(size=(40, 3)), rng.normal(size=(70, 3))


def tiles_of(kernel, queries, keys, bandwidth=BANDWIDTH, dtype=None, **kwargs):
    return Tiles(pairs_of(queries, keys, bandwidth, sizes=SMALL, **kwargs), KERNELS[kernel], dtype)


def scanned(tiles, rows=ROWS):
    """Copies of the tiles of a scan, because each tile is valid until the next only."""
    return [(cols, tile.copy(), most) for cols, tile, most in tiles.scan(rows)]


def assert_squares(kernel, tile, u2, error):
    """A tile holds squared distances, proportional logarithms, or 1 minus the square."""
    if kernel in ("epanechnikov", "biweight", "triweight"):
        tile = 1 - tile
    if kernel == "boxcar" and set(np.unique(tile)) <= {0, 1}:  # the weights
        assert_array_equal(tile, u2 <= 1)
        return
    if kernel == "constant":
        assert_array_equal(tile, 0)  # the logarithms
        return
    unit = (tile / u2).flat[u2.argmax()] if kernel == "gaussian" else 1.0
    assert_allclose(tile / unit, u2, rtol=error, atol=error)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_tiles_equal_the_formula(kernel, dtype, data):
    queries, keys = (X.astype(dtype) for X in data)
    u2 = scaled_distances(queries, keys, BANDWIDTH)[ROWS] ** 2
    for cols, tile, _ in scanned(tiles_of(kernel, queries, keys)):
        assert_squares(kernel, tile, u2[:, cols], ERROR[dtype])


def test_tiles_have_all_pairs_once(kernel, data):
    seen = np.zeros(70, int)
    for cols, tile, _ in scanned(tiles_of(kernel, *data)):
        assert tile.shape == (16, cols.stop - cols.start)
        seen[cols] += 1
    assert_array_equal(seen, 1)


@pytest.mark.parametrize("widths", [None, "query_widths", "key_widths"])
def test_widths_by_query_and_by_key(kernel, widths, data, rng):
    queries, keys = data
    kwargs, factor = {}, 1.0
    if widths is not None:
        factor = rng.uniform(0.3, 3, 40 if widths == "query_widths" else 70)
        kwargs = {widths: factor}
        factor = factor[:, None] if widths == "query_widths" else factor
    u2 = (scaled_distances(queries, keys, BANDWIDTH) / factor)[ROWS] ** 2
    tiles = tiles_of(kernel, queries, keys, **kwargs)
    for cols, tile, most in scanned(tiles):
        assert_squares(kernel, tile, u2[:, cols], 1e-10)
        # The limit of a tile is that of its smallest width.
        by_product = KERNELS[kernel].smooth or (kernel == "boxcar" and widths != "query_widths")
        assert u2[:, cols].mean() < most < 100 * u2.max() or not by_product


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_equal_the_profile(kernel, dtype, data):
    queries, keys = (X.astype(dtype) for X in data)
    u = scaled_distances(queries, keys, BANDWIDTH)[ROWS]
    tiles = tiles_of(kernel, queries, keys)
    for cols, tile, most in tiles.scan(ROWS):
        weights = tiles.weights(tile, most)
        assert weights is tile or weights.base is tile.base  # in place
        assert_allclose(weights, PROFILES[kernel](u[:, cols]), rtol=1e-3, atol=ERROR[dtype])
        assert (weights >= 0).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("distance", [5.0, 30.0, 1e3, 1e6])
def test_underflowing_weights_are_clipped(dtype, distance, data):
    """Subnormal numbers are slow, so they do not occur in large tiles."""
    queries, keys = (X.astype(dtype) for X in data)
    queries += dtype(distance)
    u = scaled_distances(queries, keys, BANDWIDTH)[ROWS]
    tiles = tiles_of("gaussian", queries, keys)
    for cols, tile, most in tiles.scan(ROWS):
        weights, expected = tiles.weights(tile, most), PROFILES["gaussian"](u[:, cols])
        # A clipped weight is still negligible.
        least = 1e-36 if weights.dtype == np.float32 else 1e-300
        assert_allclose(
            np.maximum(weights, least),
            np.maximum(expected, least),
            rtol=0.05 if dtype == np.float32 else 1e-8,
        )
        assert weights.min() >= np.finfo(weights.dtype).tiny


@pytest.mark.parametrize("distance", [20.0, 100.0, 1e6])
def test_few_far_queries_do_not_change_others(distance, data):
    queries, keys = data
    queries[10] += distance
    u = scaled_distances(queries, keys, BANDWIDTH)[ROWS]
    tiles = tiles_of("gaussian", queries, keys)
    for cols, tile, most in tiles.scan(ROWS):
        weights = tiles.weights(tile, most)
        assert_allclose(weights, PROFILES["gaussian"](u[:, cols]), rtol=1e-8, atol=1e-290)


def test_inexact_tiles_use_differences(kernel, data):
    """Rows a few bandwidths apart, a million from their centre."""
    queries, keys = data
    far = np.array([1e6, 0.0, 0.0])
    u2 = scaled_distances(queries + far, keys + far, BANDWIDTH)[ROWS] ** 2
    # The centre is near the other half of the keys.
    keys = np.concatenate([keys - far, keys - far, keys + far])
    for cols, tile, _ in scanned(tiles_of(kernel, queries + far, keys)):
        late = np.arange(cols.start, cols.stop) >= 140
        if late.any():
            part = slice(max(cols.start, 140) - 140, cols.stop - 140)
            assert_squares(kernel, tile[:, late], u2[:, part], 1e-9)


def test_one_pair_far_from_all_others(kernel, data):
    """The error of a tile is that of its farthest rows, not of its mean."""
    queries, keys = data
    queries[10] += 1e5
    keys[20] += 1e5
    u2 = scaled_distances(queries, keys, BANDWIDTH)[ROWS] ** 2
    for cols, tile, _ in scanned(tiles_of(kernel, queries, keys)):
        assert_squares(kernel, tile, u2[:, cols], 1e-9)


@pytest.mark.parametrize("shift", [0.0, 1e4, 0.1])
def test_pairs_on_the_edge_of_a_boxcar_are_exact(shift):
    """On a grid, most tiles have pairs on the edge, which a product cannot decide."""
    grid = np.stack(np.meshgrid(*[np.arange(9.0)] * 2), axis=-1).reshape(-1, 2) + shift
    for bandwidth in (1.0, 2.0, 5.0):
        u2 = scaled_distances(grid, grid, bandwidth) ** 2
        tiles = tiles_of("boxcar", grid, grid, np.full(2, bandwidth))
        for cols, tile, most in tiles.scan(ROWS):
            weights, inside = tiles.weights(tile, most), u2[ROWS, cols] <= 1
            assert set(np.unique(weights)) <= {0, 1}
            apart = np.abs(u2[ROWS, cols] - 1) > (0 if shift.is_integer() else 1e-12)
            assert_array_equal(weights[apart], inside[apart])


@pytest.mark.parametrize("metric", ["manhattan", "precomputed"])
def test_other_metrics_equal_the_profile(metric, kernel, data):
    queries, keys = data
    distances = np.abs(queries[:, None] - keys).sum(axis=2)
    given = distances if metric == "precomputed" else queries
    tiles = tiles_of(kernel, given, keys, 0.7, metric=metric)
    assert not tiles.rounded
    for cols, tile, most in tiles.scan(ROWS):
        weights = tiles.weights(tile, most)
        assert_allclose(weights, PROFILES[kernel](distances[ROWS, cols] / 0.7), atol=1e-12)


@pytest.mark.parametrize(
    "name", sorted(name for name in KERNELS if KERNELS[name].derivative is not None)
)
def test_derivatives_equal_those_of_the_profile(name, data):
    u2 = scaled_distances(*data, BANDWIDTH)[ROWS] ** 2
    tiles = tiles_of(name, *data, dtype=np.float64)
    for cols, tile, most in tiles.scan(ROWS):
        derivatives = tiles.derivatives(tile, most)
        expected = [
            slope(lambda square: PROFILES[name](np.sqrt(square[0])), [square], step=1e-7 * square)
            for square in u2[:, cols].ravel()
        ]
        assert_allclose(derivatives.ravel(), np.ravel(expected), rtol=1e-5, atol=1e-6)
