"""Exponentials of tiles are accurate with NumPy and with numba, and pooling agrees."""

import os
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import means
import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import distances_of_kinds, predict, predict_extended

import nwkr
from nwkr._pooling import Attention, Kinds, Sizes, _exponential, _tiles, in_blocks
from nwkr._pooling._compiled import compile_exp2, compile_pool
from nwkr._pooling._exponential import LOWEST, exponential_for, exponential_in_use
from nwkr.kernels import KERNELS

DTYPES = [np.dtype(np.float64), np.dtype(np.float32)]
SIMD = np.show_config(mode="dicts")["SIMD Extensions"]
AVX512 = [name for name in SIMD.get("found", ()) if name.startswith("AVX512") or name == "X86_V4"]


# Every call is large enough for the compiled exponential.
ANY_SIZE = Sizes(least_pairs_to_compile=0)


class NadarayaWatsonRegressor(nwkr.NadarayaWatsonRegressor):
    """The regressor, compiled for calls of any size."""

    _sizes = ANY_SIZE


class NadarayaWatsonRegressorCV(means.NadarayaWatsonRegressorCV):
    """The search, compiled for calls of any size."""

    _sizes = ANY_SIZE


@pytest.fixture
def not_vectorised(monkeypatch):
    """Simulates a processor without AVX-512."""
    of_numpy, of_numba = _exponential._of_numpy, _exponential._compiled
    monkeypatch.setattr(
        _exponential, "_of_numpy", lambda dtype: replace(of_numpy(dtype), name="numpy")
    )
    of_numba.cache_clear()
    yield
    of_numba.cache_clear()


@pytest.fixture
def compiled(not_vectorised):
    pytest.importorskip("numba")
    assert exponential_in_use() == "compiled"


@pytest.fixture
def problem(rng):
    X, queries = rng.normal(size=(2, 300, 2))
    return X, np.sin(X.sum(axis=1)) + 0.1 * rng.normal(size=300), queries


def assert_exponential(dtype, rng, n_pairs=2**40):
    exponential, lowest = exponential_for(dtype, n_pairs), LOWEST[dtype]
    exponents = np.sort(np.append(rng.uniform(lowest, 5, size=(1, 500)), [[-0.0, 0.0, lowest]]))
    given = (exponents * exponential.unit).astype(dtype).reshape(1, -1)
    with mpmath.workdps(30):
        base = mpmath.e if exponential.unit == 1 else mpmath.mpf(2)
        expected = [mpmath.power(base, float(x)) for x in given[0]]
    powers = exponential.apply(given.copy())
    assert powers.dtype == dtype
    error = [float(abs(power - e) / e) for power, e in zip(powers[0].tolist(), expected)]
    # NumPy promises 4 units in the last place.
    assert max(error) < 4 * np.finfo(dtype).eps
    return exponential, given


@pytest.mark.parametrize("dtype", DTYPES)
def test_exponential_of_numpy_is_accurate(dtype, rng):
    exponential, given = assert_exponential(dtype, rng, n_pairs=10)
    assert exponential.name.startswith("numpy")
    given -= 1000
    assert_array_equal(exponential.apply(given, clip=True) > 0, True)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_exponential_is_accurate(dtype, rng):
    exponential, given = assert_exponential(dtype, rng)
    assert exponential.name == "compiled"
    assert_array_equal(exponential.apply(given - 1000, clip=False) > 0, True)
    with np.errstate(invalid="ignore"):
        assert np.isnan(exponential.apply(np.full((1, 7), np.nan, dtype))).all()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "part", [np.s_[:, :], np.s_[:, :9], np.s_[2:5], np.s_[2:5, 4:9], np.s_[:, :1], np.s_[:0]]
)
def test_compiled_exponential_of_a_part_of_a_tile(dtype, order, part, rng):
    exponential = exponential_for(dtype, 2**40)
    tile = np.asarray(rng.uniform(-20, 0, size=(17, 13)), dtype, order=order)
    expected = tile.copy()
    expected[part] = np.exp2(tile[part])
    powers = exponential.apply(tile[part])
    assert powers.shape == expected[part].shape
    assert_allclose(tile, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bandwidth", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_numpy_and_compiled_predictions_agree(
    kernel, algorithm, dtype, bandwidth, problem, monkeypatch
):
    X, y, queries = (part.astype(dtype) for part in problem)
    model = NadarayaWatsonRegressor(kernel, bandwidth, algorithm=algorithm).fit(X, y)
    found = model.predict(queries), model.predict(None)
    monkeypatch.setattr(_exponential, "_compiled", lambda: None)
    error = 1e-12 if dtype == np.float64 else 1e-4
    assert_allclose(found[0], model.predict(queries), rtol=error, atol=error)
    assert_allclose(found[1], model.predict(None), rtol=error, atol=error)
    expected = predict_extended(queries[:3], X, y, kernel, bandwidth)
    assert_allclose(found[0][:3], expected, rtol=max(1e-10, error), atol=error)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_float32_rows_in_float64_tiles(algorithm, problem):
    """The product in float32 is too inexact here, so tiles are float64."""
    X, y, queries = (part.astype(np.float32) for part in problem)
    X[::2], queries[::3] = X[::2] + 1e6, queries[::3] + 1e6
    model = NadarayaWatsonRegressor(bandwidth=0.3, algorithm=algorithm).fit(X, y)
    expected = predict_extended(queries[:10], X, y, "gaussian", 0.3)
    assert_allclose(model.predict(queries)[:10], expected, atol=1e-5)


@pytest.mark.usefixtures("compiled")
def test_numpy_and_compiled_searches_agree(problem, monkeypatch):
    X, y, _ = problem
    search = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y)
    monkeypatch.setattr(_exponential, "_compiled", lambda: None)
    again = NadarayaWatsonRegressorCV(per_feature=True).fit(X, y)
    assert_allclose(search.bandwidth_, again.bandwidth_, rtol=1e-4)
    assert_allclose(search.best_score_, again.best_score_, rtol=1e-8)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_tiles_use_the_compiled_exponential(kernel, problem, monkeypatch):
    X, y, queries = problem
    asked = []

    def compiled():
        asked.append(True)
        return exponential

    exponential = _exponential._compiled()
    monkeypatch.setattr(_exponential, "_compiled", compiled)
    NadarayaWatsonRegressor(kernel, algorithm="dense").fit(X, y).predict(queries)
    assert asked


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_n_jobs_does_not_change_results(algorithm, rng):
    X = rng.normal(size=(3000, 3))
    y = X.sum(axis=1)
    alone, several = (
        NadarayaWatsonRegressor(bandwidth=0.3, algorithm=algorithm, n_jobs=n_jobs).fit(X, y)
        for n_jobs in (1, 3)
    )
    assert_array_equal(alone.predict(X), several.predict(X))


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_columns", [2, 3, 4, 7])
@pytest.mark.parametrize("n_keys", [0, 1, 256, 700])
def test_compiled_sums_equal_the_formula(n_keys, n_columns, dtype, rng):
    pool = compile_pool(dtype, True)
    queries, keys = rng.normal(size=(5, n_columns)), rng.normal(size=(n_columns, n_keys))
    values, sums = rng.uniform(1, 2, size=(3, n_keys)), rng.uniform(1, 2, size=(3, 5))
    left_out = np.array([-1, 0, 255, 256, 699])
    weights = np.exp2(np.maximum(queries @ keys, -2.0))
    expected = sums + values @ weights.T
    found = sums.copy()
    # Memory order and gaps do not matter.
    pool(np.asfortranarray(queries, dtype), keys.astype(dtype), values, None, -2.0, found)
    error = 1e-12 if dtype == np.float64 else 1e-4
    assert_allclose(found, expected, rtol=error)
    for row in range(1, 5):
        weights[row, left_out[row] : left_out[row] + 1] = 0
    found, wide = sums.copy(), np.repeat(keys, 2, axis=1)[:, ::2]
    pool(queries, wide, values, left_out, -2.0, found)
    assert_allclose(found, sums + values @ weights.T, rtol=error)


@pytest.fixture
def calls(monkeypatch):
    """A list that gets the number of keys of each compiled sum."""
    calls, pool_for = [], _exponential.pool_for

    def counted(*args):
        pool = pool_for(*args)

        def call(queries, keys, *others):
            calls.append(keys.shape[1])
            pool(queries, keys, *others)

        return pool and call

    monkeypatch.setattr(_tiles, "pool_for", counted)
    return calls


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bandwidth", [0.2, 0.5, 5.0])
def test_compiled_sums_equal_sums_of_tiles(
    bandwidth, weighted, n_outputs, dtype, algorithm, problem, calls, rng, monkeypatch
):
    X, y, queries = problem
    y = y if n_outputs == 1 else np.column_stack([y, y**2, 1 - y])
    # Weights underflow, but the product is exact enough.
    queries[:20] *= np.linspace(1, 20 if dtype == np.float64 else 2, 20)[:, None]
    weight = rng.uniform(0, 3, size=300) if weighted else None
    X, queries = X.astype(dtype), queries.astype(dtype)
    model = NadarayaWatsonRegressor(bandwidth=bandwidth, algorithm=algorithm)
    model.fit(X, y, sample_weight=weight)
    found = [model.predict(queries)]
    assert calls
    calls.clear()
    found += [model.predict(None)]
    assert calls
    monkeypatch.setattr(_tiles, "pool_for", lambda *args: None)
    error = 1e-12 if dtype == np.float64 else 1e-3
    assert_allclose(found[0], model.predict(queries), rtol=error, atol=error)
    assert_allclose(found[1], model.predict(None), rtol=error, atol=error)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_compiled_sums_leave_out_a_huge_weight(algorithm, calls, rng):
    """The weight is skipped, not subtracted: subtraction would lose all others."""
    X = rng.normal(size=(400, 2))
    y = X.sum(axis=1)
    weight = np.where(np.arange(400) == 7, 1e30, 1)
    model = NadarayaWatsonRegressor(bandwidth=0.3, algorithm=algorithm)
    model.fit(X, y, sample_weight=weight)
    others = np.arange(400) != 7
    expected = predict(X[[7]], X[others], y[others], "gaussian", 0.3)
    assert_allclose(model.predict(None)[7], expected[0], rtol=1e-10)
    assert calls


@pytest.mark.usefixtures("compiled")
def test_compiled_sums_are_not_used(problem, calls):
    """With many columns or values, other kernels, exact columns, or an inexact product."""
    X, y, queries = problem

    def pool(X, y, queries, kernel="gaussian", bandwidth=0.3):
        model = NadarayaWatsonRegressor(kernel, bandwidth, algorithm="dense").fit(X, y)
        expected = predict_extended(queries[:5], X, y, kernel, bandwidth)
        assert_allclose(model.predict(queries)[:5], expected, rtol=1e-9, atol=1e-9)

    pool(np.tile(X, 9), y, np.tile(queries, 9), bandwidth=2.0)
    pool(X, y, queries, kernel="epanechnikov", bandwidth=3.0)
    X[::2], queries[::3] = X[::2] + 1e6, queries[::3] + 1e6
    pool(X, y, queries)
    model = NadarayaWatsonRegressor(bandwidth=[0.3, 0.0], algorithm="dense").fit(np.round(X), y)
    model.predict(np.round(queries))
    model = NadarayaWatsonRegressor(bandwidth=3.0, algorithm="dense")
    model.fit(X[1::2], np.outer(y[1::2], np.arange(5))).predict(queries)
    assert not calls


def without_numba():
    return None


def without_anything_to_compile_with():
    return ModuleType("numba")


def with_a_compiler_that_fails():
    module = ModuleType("numba")

    def njit(**options):
        raise RuntimeError("no compiler for this processor")

    module.njit = njit
    return module


@pytest.mark.usefixtures("not_vectorised")
@pytest.mark.parametrize(
    "numba", [without_numba, without_anything_to_compile_with, with_a_compiler_that_fails]
)
def test_numpy_is_used_without_numba(numba, problem, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", numba())
    assert exponential_in_use() == "numpy"
    X, y, queries = problem
    model = NadarayaWatsonRegressor(bandwidth=0.3, algorithm="dense").fit(X, y)
    expected = predict(queries, X, y, "gaussian", 0.3)
    assert_allclose(model.predict(queries), expected, rtol=1e-10)


@pytest.mark.usefixtures("compiled")
def test_a_cache_folder_is_not_required(monkeypatch):
    tried = []

    def compile_without_folder(keep):
        tried.append(keep)
        if keep:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_exp2(keep)

    monkeypatch.setattr(_exponential, "compile_exp2", compile_without_folder)
    _exponential._compiled.cache_clear()
    assert exponential_in_use() == "compiled"
    assert tried == [True, False]


def told_by(code, **environment):
    """Output of Python on a processor without AVX-512."""
    if AVX512:
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(AVX512)
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, env=os.environ | environment, text=True).split()


def test_only_large_calls_load_numba():
    pytest.importorskip("numba")
    code = """
import sys
import numpy as np
from nwkr import NadarayaWatsonRegressor
X = np.random.default_rng(0).normal(size=(1100, 3))
model = NadarayaWatsonRegressor(algorithm="dense").fit(X, X[:, 0])
print("numba" in sys.modules)
model.predict(X[:900])
print("numba" in sys.modules)
model.predict(X)
print("numba" in sys.modules)
"""
    assert told_by(code) == ["False", "False", "True"]


def test_numpy_is_used_without_avx512_and_numba():
    code = """
import sys
sys.modules["numba"] = None
from nwkr._pooling._exponential import exponential_in_use
print(exponential_in_use())
"""
    assert told_by(code) == ["numpy"]


@pytest.mark.skipif(not AVX512, reason="NumPy uses no AVX-512 here")
def test_numpy_is_used_with_avx512():
    assert exponential_in_use() == exponential_in_use(10) == "numpy, AVX-512"


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("n_labels", [3, 50])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_compiled_sums_of_missing_values_and_labels(algorithm, n_labels, calls, rng):
    """These are products too, unless labels are compared."""
    queries, keys = rng.normal(size=(40, 3)), rng.normal(size=(300, 3))
    for rows in (queries, keys):
        rows[:, 1] = rng.integers(0, n_labels, len(rows))
        rows[rng.random(rows.shape) < 0.1] = np.nan
    kinds, bandwidth = Kinds(np.array([2.0, 1.0, 0.5]), np.array([0, 1, 0], bool)), np.full(3, 0.7)
    order, blocks = in_blocks(keys, bandwidth, kinds=kinds)
    values, keys = rng.normal(size=(300, 2)), keys[order]
    options = {"bandwidth": bandwidth, "kinds": kinds, "blocks": blocks, "algorithm": algorithm}
    options["sizes"] = ANY_SIZE
    sums = Attention(queries, keys, np.ones(300), KERNELS["gaussian"], **options).pool(values)
    assert bool(calls) == (n_labels == 3)
    u = distances_of_kinds(queries, keys, bandwidth, kinds.gap, kinds.is_label)
    weights = np.exp(-(u**2) / 2)
    assert_allclose(sums.finish(), weights @ values / weights.sum(axis=1)[:, None], rtol=1e-10)
