"""Reproduces the chapter "Attention Pooling by Similarity" of *Dive into Deep Learning*.

Compares its data, four kernels and four widths with the plain formula. The chapter's "Epanechikov"
is the triangular kernel, and its attention matrix is the transpose of ours.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, predict

from nwkr import NadarayaWatsonRegressor
from nwkr.kernels import KERNELS

# Our names of kernels, and the functions of the distance that the chapter writes.
FUNCTIONS = {
    "gaussian": lambda x: np.exp(-(x**2) / 2),
    "boxcar": lambda x: np.abs(x) < 1.0,
    "constant": lambda x: 1.0 + 0 * x,
    "triangular": lambda x: np.maximum(1 - np.abs(x), np.zeros_like(x)),
}
WIDTHS = [0.1, 0.2, 0.5, 1]

same = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(params=range(3))
def data(request):
    """Training rows, targets and queries; three random draws."""
    rng = np.random.default_rng(request.param)
    x = np.sort(rng.uniform(0, 5, 40))
    y = 2 * np.sin(x) + x + rng.normal(size=40)
    return x[:, None], y, np.arange(0, 5, 0.1)[:, None]


@pytest.mark.parametrize("given", ["name", "function"])
@pytest.mark.parametrize("kernel", sorted(FUNCTIONS))
def test_kernels_of_the_chapter(kernel, given, data):
    X, y, queries = data
    model = NadarayaWatsonRegressor(kernel if given == "name" else FUNCTIONS[kernel], bandwidth=1)
    model.fit(X, y)
    expected = attention(queries, X, kernel, 1.0)
    assert not np.isnan(expected).any()  # the chapter has no empty neighbourhood
    assert_allclose(model.attention_weights(queries), expected, **same)
    assert_allclose(model.predict(queries), predict(queries, X, y, kernel, 1.0), **same)


@pytest.mark.parametrize("given", ["bandwidth", "function"])
@pytest.mark.parametrize("width", WIDTHS)
def test_widths_of_the_chapter(width, given, data):
    X, y, queries = data
    if given == "bandwidth":
        model = NadarayaWatsonRegressor("gaussian", bandwidth=width)
    else:
        model = NadarayaWatsonRegressor(lambda x: np.exp(-(x**2) / (2 * width**2)), bandwidth=1)
    model.fit(X, y)
    assert_allclose(
        model.attention_weights(queries), attention(queries, X, "gaussian", width), **same
    )
    assert_allclose(model.predict(queries), predict(queries, X, y, "gaussian", width), **same)


def test_matrix_is_the_transpose_of_the_chapters(data):
    X, y, queries = data
    weights = FUNCTIONS["gaussian"](X - queries.T)  # keys by queries
    pooled = weights / weights.sum(axis=0)
    model = NadarayaWatsonRegressor("gaussian", bandwidth=1).fit(X, y)
    assert_allclose(model.attention_weights(queries), pooled.T, **same)
    assert_allclose(model.predict(queries), y @ pooled, **same)


@pytest.mark.parametrize("scale", [1, 3.7])
@pytest.mark.parametrize("kernel", sorted(set(FUNCTIONS) - {"boxcar"}))  # the test below has boxcar
def test_function_of_a_registered_kernel_equals_the_name(kernel, scale, data):
    X, y, queries = data
    queries = np.vstack([queries, [[-1e3], [50.0], [1e6], [1e200]]])
    for bandwidth in [*WIDTHS, 1e-6, "scott"]:
        named = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, y)
        written = NadarayaWatsonRegressor(lambda x: scale * FUNCTIONS[kernel](x), bandwidth)
        written.fit(X, y)
        assert_array_equal(written.bandwidth_, named.bandwidth_)
        assert_array_equal(written.predict(queries), named.predict(queries))
        assert_array_equal(written.predict(None), named.predict(None))
        assert_array_equal(written.attention_weights(queries), named.attention_weights(queries))


def test_boxcar_differs_from_the_chapters_at_the_edge_only():
    X, y = np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 2.0, 9.0])
    ours = NadarayaWatsonRegressor("boxcar", bandwidth=1).fit(X, y)
    chapters = NadarayaWatsonRegressor(FUNCTIONS["boxcar"], bandwidth=1).fit(X, y)
    assert_array_equal(ours.predict([[0.0], [0.5]]), [1.0, 1.0])
    assert_array_equal(chapters.predict([[0.0], [0.5]]), [0.0, 1.0])


def test_every_registered_kernel_can_be_written_as_a_function(kernel, data):
    X, y, queries = data
    named = NadarayaWatsonRegressor(kernel, 0.3).fit(X, y)
    written = NadarayaWatsonRegressor(lambda u: KERNELS[kernel](u), 0.3).fit(X, y)
    assert_allclose(written.predict(queries), named.predict(queries), **same)
