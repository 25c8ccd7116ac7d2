"""Windows, and the arguments of pooling that they give."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    PROFILES,
    adaptive_factors,
    distances_of_kinds,
    nearest_widths,
    scaled_distances,
)

from nwkr._columns import Columns
from nwkr._pooling import Attention, Kinds
from nwkr._resolve_window import resolve_window
from nwkr.bandwidths import Adaptive, KNearest, Scott
from nwkr.kernels import KERNELS

GAUSSIAN = KERNELS["gaussian"]


@pytest.fixture
def X(rng):
    return rng.normal(size=(30, 2)) * [1.0, 10.0]


def resolve(bandwidth, X, weights=None, kernel=GAUSSIAN, metric="euclidean"):
    weights = np.ones(len(X)) if weights is None else weights
    return resolve_window(bandwidth, X, weights, kernel, metric)


def attention_of(window, X, weights=None, metric="euclidean", leave_out=None):
    weights = np.ones(len(X)) if weights is None else weights
    return window.at(Attention(X, X, weights, GAUSSIAN, metric=metric, leave_out=leave_out))


def test_numbers_and_rules_are_resolved_once(X):
    window = resolve("scott", X)
    assert_allclose(window.bandwidth, Scott()(X))
    assert_array_equal(window.name, window.bandwidth)
    assert window.name is not window.bandwidth  # the user may change it
    attention = attention_of(window, X)
    assert_array_equal(attention.bandwidth, window.bandwidth)
    assert attention.query_widths is None
    assert attention.key_widths is None
    assert resolve(2.0, X, metric="manhattan").bandwidth == 2.0


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "precomputed"])
def test_nearest_widths_are_made_for_the_queries(metric, X, rng):
    weights = rng.integers(1, 4, 30).astype(float)
    distances = scaled_distances(X, X, 1.0)
    if metric == "manhattan":
        distances = np.abs(X[:, None] - X).sum(axis=2)
    given = distances if metric == "precomputed" else X
    window = resolve(KNearest(5), given, weights, metric=metric)
    assert window.bandwidth == window.name == KNearest(5)
    for leave_out in (None, np.arange(30)):
        attention = attention_of(window, given, weights / 3, metric, leave_out)
        expected = nearest_widths(distances, 5, weights, leave_out)
        (unit,) = np.unique(attention.bandwidth)
        assert_allclose(unit * attention.query_widths, expected, rtol=1e-9)
        assert_array_equal(attention.weights, weights / 3)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_adaptive_widths_are_made_for_the_rows(exponent, kernel, X, rng):
    weights = rng.integers(1, 4, 30).astype(float)
    bandwidth = np.array([1.5, 12.0])
    window = resolve(Adaptive(bandwidth, exponent), X, weights, KERNELS[kernel])
    expected = adaptive_factors(X, kernel, bandwidth, exponent, weights)
    assert_allclose(window.key_widths, expected, rtol=1e-9)
    assert_allclose(np.average(np.log(window.key_widths), weights=weights), 0, atol=1e-12)
    assert_array_equal(window.bandwidth, bandwidth)
    assert window.name == Adaptive(bandwidth, exponent) or window.name is window.rule
    # By the normaliser in two dimensions, scaled so that weights do not grow.
    attention = attention_of(window, X, weights / 3)
    ratios = attention.weights / (weights / 3 * expected**-2.0)
    assert_allclose(ratios, ratios[0])
    assert (attention.weights <= weights / 3 * (1 + 1e-12)).all()
    assert_array_equal(attention.key_widths, window.key_widths)


@pytest.mark.parametrize(
    ("bandwidth", "n_dimensions"),
    [([1.5, 12.0], 2), ([1.5, np.inf], 1), ([0.0, 12.0], 1), ([0.0, np.inf], 0)],
)
def test_dimensions_are_the_columns_in_use(bandwidth, n_dimensions, rng):
    X = np.column_stack([rng.integers(0, 3, 30), rng.normal(size=30)])
    window = resolve(Adaptive(bandwidth), X)
    weights = attention_of(window, X).weights
    ratios = weights / window.key_widths**-n_dimensions
    assert_allclose(ratios, ratios[0])


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"constant"}))
def test_every_row_has_the_mass_of_its_weight(kernel, rng):
    """The density that a row adds integrates to its weight, for any width."""
    X, weights = 1.5 ** np.arange(12.0)[:, None], rng.integers(1, 4, 12).astype(float)
    window = resolve(Adaptive(5.0, 0.8), X, weights, KERNELS[kernel])
    assert window.key_widths.max() > 1.5 * window.key_widths.min()
    grid, step = np.linspace(-300, 500, 8_001, retstep=True)
    attention = window.at(Attention(grid[:, None], X, weights / 3, KERNELS[kernel]))
    masses = []
    for row in range(12):
        sums = attention.take(cols=np.array([row])).pool(np.empty((1, 0)))
        masses.append(np.sum(np.exp(sums.shift) * sums.total) * step)
    assert_allclose(masses / weights, masses[0] / weights[0], rtol=0.02)


def test_adaptive_widths_with_missing_values_and_labels(X, rng):
    """A label has no volume, so each row has the same mass over the numbers."""
    X = np.column_stack([X, rng.integers(0, 3, 30)])
    X[rng.random(X.shape) < 0.2] = np.nan
    kinds, bandwidth = Kinds(np.array([2.0, 200.0, 1.0]), np.array([0, 0, 1], bool)), [1, 9, 0.8]
    columns = replace(Columns.of_numbers(3), kinds=kinds)
    window = resolve_window(Adaptive(bandwidth), X, np.ones(30), GAUSSIAN, columns=columns)
    u = distances_of_kinds(X, X, bandwidth, kinds.gap, kinds.is_label)
    density = PROFILES["gaussian"](u).sum(axis=1)
    widths = (density / np.exp(np.log(density).mean())) ** -0.5
    assert_allclose(window.key_widths, widths, rtol=1e-10)
    values = rng.normal(size=(30, 1))
    pooled = window.at(Attention(X, X, np.ones(30), GAUSSIAN, kinds=kinds)).pool(values)
    weights = PROFILES["gaussian"](u / widths) / widths**2
    expected = weights @ values / weights.sum(axis=1, keepdims=True)
    assert_allclose(pooled.finish(), expected, rtol=1e-10)
