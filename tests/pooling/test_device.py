"""Pooling on the device of tensors, against plain sums and NumPy, for every kernel."""

import importlib
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import PROFILES, log_totals_of_gaussian, scaled_distances
from scipy import sparse

from nwkr._arrays import Arrays
from nwkr._pooling import Attention, Sizes
from nwkr.kernels import KERNELS, Kernel, get_kernel


@pytest.fixture
def problem(rng):
    """The arguments of pooling, for several tiles."""
    return {
        "queries": rng.normal(size=(43, 3)),
        "keys": rng.normal(size=(71, 3)),
        "weights": rng.uniform(0.1, 1, size=71),
        "bandwidth": np.array([0.9, 1.5, 2.0]),
        "leave_out": rng.integers(-1, 71, 43),
        "sizes": SMALL,
    }


@pytest.fixture
def values(rng):
    return rng.uniform(-1, 1, size=(71, 4))


SMALL = Sizes(bytes_per_tile=2 * 16 * 16, pairs_on_device=16 * 16)


def both(problem, arrays, values, multiples=(1.0,)):
    """Sums in the namespace and in NumPy."""
    attention = Attention(**problem)
    there = attention.replace(arrays=arrays).pool_each(values, multiples)
    return zip(there, attention.pool_each(values, multiples))


def assert_same(problem, arrays, values, multiples=(1.0,), rtol=1e-10):
    for there, here in both(problem, arrays, values, multiples):
        assert_allclose(there.finish(), here.finish(), rtol=0, atol=rtol * np.abs(values).max())
        reached = here.reached
        np.testing.assert_array_equal(there.reached, reached)
        logs = [s.shift[reached] + np.log(s.total[reached]) for s in (there, here)]
        assert_allclose(*logs, rtol=rtol, atol=rtol)


def plain_weights(kernel, problem):
    u = scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"])
    weights = PROFILES[kernel](u) * problem["weights"]
    left_out = np.flatnonzero(problem["leave_out"] >= 0)
    weights[left_out, problem["leave_out"][left_out]] = 0
    return weights


def test_sums_equal_plain_sums(kernel, arrays, problem, values):
    sums = Attention(**problem, kernel=KERNELS[kernel], arrays=arrays).pool(values)
    weights = plain_weights(kernel, problem)
    scale = np.exp(sums.shift)
    assert_allclose(scale * sums.total, weights.sum(axis=1), rtol=1e-10)
    expected = weights @ values
    assert_allclose(scale[:, None] * sums.weighted, expected, rtol=1e-10, atol=1e-13)


def test_several_bandwidths_equal_each_alone(kernel, arrays, problem, values):
    problem["kernel"] = KERNELS[kernel]
    assert_same(problem, arrays, values, multiples=(0.3, 0.3 * 2**0.5, 1.0, 20.0))


@pytest.mark.parametrize("empty", ["nearest", "mean", None])
def test_queries_without_weight_equal_numpy(kernel, arrays, problem, values, empty):
    problem |= {"kernel": KERNELS[kernel], "bandwidth": np.full(3, 0.05), "empty": empty}
    assert_same(problem, arrays, values)


@pytest.mark.parametrize("width", [1e-150, 1e-3, 1e9])
def test_narrow_and_wide_windows_equal_numpy(kernel, arrays, problem, values, width):
    problem |= {"kernel": KERNELS[kernel], "bandwidth": np.full(3, width), "empty": "nearest"}
    assert_same(problem, arrays, values)


@pytest.mark.parametrize("bandwidth", [[0, 0.8], [np.inf, 0.8], [0, np.inf], [np.inf, np.inf]])
def test_extreme_bandwidths_equal_numpy(kernel, arrays, problem, values, bandwidth):
    for name in ("queries", "keys"):
        problem[name] = problem[name][:, :2]
        problem[name][:, 0] = np.round(problem[name][:, 0])
    bandwidth = np.array(bandwidth, float)
    problem |= {"kernel": KERNELS[kernel], "bandwidth": bandwidth, "empty": "nearest"}
    assert_same(problem, arrays, values)


def test_widths_by_query_equal_numpy(kernel, arrays, problem, values):
    """Each width is the distance to some key, on the edge of a boxcar, or 0."""
    u = scaled_distances(problem["queries"], problem["keys"], problem["bandwidth"])
    widths = np.sort(u, axis=1)[:, 6]
    widths[:3] = 0
    problem |= {"kernel": KERNELS[kernel], "query_widths": widths, "empty": "nearest"}
    assert_same(problem, arrays, values)


def test_widths_by_key_equal_numpy(kernel, arrays, problem, values, rng):
    problem |= {"kernel": KERNELS[kernel], "key_widths": rng.uniform(0.2, 3, 71)}
    assert_same(problem, arrays, values)


@pytest.mark.parametrize("distance", [60, 1e4, 1e8])
def test_totals_of_far_queries_are_kept_in_logarithms(distance, arrays, problem, values):
    problem["queries"] += distance
    sums = Attention(**problem, kernel=KERNELS["gaussian"], arrays=arrays).pool(values)
    expected = log_totals_of_gaussian(**problem)
    assert_allclose(sums.shift + np.log(sums.total), expected, rtol=1e-12)


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_far_queries_stay_on_the_device(kernel, arrays, problem, values, monkeypatch):
    """A Gaussian underflows at 40 bandwidths; falling back to NumPy would be slow."""
    problem |= {"kernel": KERNELS[kernel], "queries": problem["queries"] + 100}
    expected = Attention(**problem).pool(values).finish()

    def refuse(pairs, *args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("nwkr._pooling._exactly.in_rows", refuse)
    there = Attention(**problem, arrays=arrays).pool(values).finish()
    assert_allclose(there, expected, rtol=0, atol=1e-9)


def test_float32_is_pooled_into_float64(kernel, arrays, problem, values):
    problem |= {"kernel": KERNELS[kernel], "bandwidth": 3 * problem["bandwidth"]}
    for name in ("queries", "keys"):
        problem[name] = problem[name].astype(np.float32)
    sums = Attention(**problem, arrays=arrays).pool(values)
    assert sums.total.dtype == sums.weighted.dtype == np.float64
    weights = plain_weights(kernel, problem)
    expected = weights @ values / weights.sum(axis=1, keepdims=True)
    assert_allclose(sums.finish(), expected, rtol=0, atol=1e-5)


def test_sums_of_many_float32_weights_keep_their_digits(arrays):
    """A float32 sum of a million weights would stop growing."""
    keys = np.linspace(0, 1, 2**17, dtype=np.float32)[:, None]
    problem = {"queries": keys[:1], "keys": keys, "weights": np.ones(len(keys))}
    problem |= {"kernel": KERNELS["gaussian"], "bandwidth": np.array([50.0]), "sizes": SMALL}
    exact = Attention(**problem | {"keys": keys.astype(float)}).pool(keys.astype(float))
    for has_float64 in (True, False):
        if not has_float64:
            arrays = without_float64(arrays)
        sums = Attention(**problem, arrays=arrays).pool(keys.astype(float))
        assert_allclose(np.exp(sums.shift) * sums.total, exact.total, rtol=2e-6)
        assert_allclose(sums.finish(), exact.finish(), rtol=2e-6)


def without_float64(arrays):
    """The namespace on a device without float64, such as Apple's."""
    less = Arrays(arrays.xp.empty(0, dtype=arrays.xp.float32, device=arrays.device))
    less.__dict__["widest"] = arrays.xp.float32
    return less


@pytest.mark.parametrize("bandwidth", [1.0, 1e-60])
def test_devices_without_float64(kernel, arrays, problem, values, bandwidth):
    less = without_float64(arrays)
    taken = less.take

    def take(array, dtype=None):
        there = taken(array, dtype)
        assert there.dtype != arrays.xp.float64
        return there

    less.__dict__["take"] = take
    problem |= {"kernel": KERNELS[kernel], "bandwidth": np.full(3, bandwidth), "empty": "nearest"}
    assert_same(problem, less, values, rtol=3e-5)


def test_kernels_without_a_form_for_namespaces_use_numpy(arrays, problem, values):
    known = KERNELS["gaussian"]
    problem["kernel"] = Kernel("own", known.profile, log_profile=known.log_profile)
    assert_same(problem, arrays, values)
    problem["kernel"] = Kernel("own", KERNELS["tricube"].profile, support=1.0)
    assert_same(problem, arrays, values)
    problem["kernel"] = get_kernel(lambda u: np.exp(-u) * (1 + u))
    assert_same(problem, arrays, values)


def test_sparse_values_equal_dense_values(arrays, problem, rng):
    values = np.eye(90)[rng.integers(0, 90, 71)]
    problem["kernel"] = KERNELS["gaussian"]
    for there, here in both(problem, arrays, sparse.csr_array(values)):
        assert_allclose(there.finish(), here.finish(), rtol=0, atol=1e-10)


def test_partial_sums_merge(kernel, arrays, problem, values):
    problem |= {"kernel": KERNELS[kernel], "empty": "nearest"}
    problem["queries"][:5] += 30
    whole = Attention(**problem, arrays=arrays)
    parts = [whole.take(cols=cols).pool(values[cols]) for cols in (np.r_[:20], np.r_[20:71])]
    expected = whole.replace(arrays=None).pool(values).finish()
    assert_allclose(parts[1].merge(parts[0]).finish(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("arrays", ["array_api_strict"], indirect=True)
def test_memory_is_that_of_tiles(arrays, rng):
    """All weights at once would take 72 MB. The test traces NumPy's memory."""
    sizes = Sizes(bytes_per_tile=2**17, pairs_on_device=2**16)
    keys = rng.normal(size=(3000, 2))
    problem = {"queries": keys, "keys": keys, "weights": np.ones(3000), "arrays": arrays}
    problem["sizes"] = sizes
    attention = Attention(**problem, kernel=KERNELS["gaussian"], bandwidth=np.full(2, 0.3))
    tracemalloc.start()
    try:
        attention.pool(keys)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8e6


def test_settings_of_torch_do_not_change_results(problem, values):
    """Half precision, TensorFloat-32 and gradients are settings for training."""
    torch = pytest.importorskip("torch")
    arrays = Arrays(torch.empty(0, dtype=torch.float32))
    for name in ("queries", "keys"):
        problem[name] = problem[name].astype(np.float32)
    scale = torch.nn.Parameter(torch.ones(()))
    own = Kernel("own", KERNELS["gaussian"].profile, over=lambda u2, xp: xp.exp(-u2 / 2) * scale)
    problem["kernel"] = own
    expected = Attention(**problem, arrays=arrays).pool(values).finish()
    products = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [product.fp32_precision for product in products]
    try:
        torch.set_float32_matmul_precision("medium")
        during = [product.fp32_precision for product in products]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = Attention(**problem, arrays=arrays).pool(values).finish()
        assert [product.fp32_precision for product in products] == during
    finally:
        torch.set_float32_matmul_precision("highest")
        for product, precision in zip(products, before):
            product.fp32_precision = precision
    assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_torch_is_not_loaded():
    """It is optional, and loaded by the user."""
    assert not hasattr(importlib.import_module("nwkr._arrays"), "torch")
