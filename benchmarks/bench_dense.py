"""Speed and memory of dense pooling, compared with other packages.

    pip install -e ".[bench]"
    python benchmarks/bench_dense.py              # some minutes on two cores
    python benchmarks/bench_dense.py --slow-exp   # also without AVX-512

Contestants take turns (A B A B ...), so that a busy machine slows all of them equally. A time is
the median over the rounds, a ratio the median of the ratios within each round.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import e, log2
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
import scipy
import sklearn
from scipy.spatial.distance import cdist
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import ThreadpoolController, threadpool_limits

from nwkr import NadarayaWatsonRegressor
from nwkr._pooling._exponential import exponential_in_use
from nwkr.kernels import KERNELS

try:
    import torch
except ImportError:
    torch = None

N_THREADS = 2
ONE_ROW = (1_000, 3), (10_000, 3), (100_000, 3), (1_000_000, 2)  # rows and columns
QUERIES_PER_TILE, BYTES_PER_TILE = 512, 2**20  # as in nwkr
SIMD = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
# NumPy's float64 exponential is vectorised only with AVX-512. To simulate a processor without it,
# it is switched off in BLAS, PyTorch and numba too.
WITHOUT_AVX512 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
}


# -- data, and contestants: functions without arguments -----------------------------------


def make_data(n, n_features, dtype="float64"):
    """Training rows, targets and queries."""
    rng = np.random.default_rng(0)
    X, queries = rng.standard_normal((2, n, n_features))
    y = np.sin(X.sum(axis=1)) + 0.1 * rng.standard_normal(n)
    return X.astype(dtype), y, queries.astype(dtype)


def nwkr_predict(X, y, queries, kernel="gaussian", algorithm="dense"):
    model = NadarayaWatsonRegressor(kernel, algorithm=algorithm).fit(X, y)
    return lambda: model.predict(queries)


def fit_predict(model, X, y, queries):
    return lambda: model.fit(X, y).predict(queries)


def bare_loop(X, y, queries, bandwidth):
    """Product, exp2 and product over tiles as in nwkr; everything else is prepared beforehand."""
    dtype, height = X.dtype, QUERIES_PER_TILE
    width = BYTES_PER_TILE // (height * dtype.itemsize)
    q, k = queries / bandwidth, X / bandwidth
    # A few keys suffice to bring the largest log weight of each query near 0.
    shift = cdist(q, k[:1024], "sqeuclidean").min(axis=1)
    left = np.column_stack([q, (q * q).sum(axis=1) - shift, np.ones(len(q))]).astype(dtype)
    right = np.vstack([-2 * k.T, np.ones(len(k)), (k * k).sum(axis=1)])
    # In float32, exp is faster than exp2 where results underflow, as here with few columns.
    exp, scale = (np.exp2, log2(e)) if dtype == np.float64 else (np.exp, 1)
    right = (right * (-scale / 2)).astype(dtype)
    values = np.column_stack([np.ones(len(k)), y]).astype(dtype)
    result = np.empty(len(q))
    blas = ThreadpoolController().select(user_api="blas")

    def pool(start):
        rows = left[start : start + height]
        room, part = np.empty(len(rows) * width, dtype), np.empty((len(rows), 2), dtype)
        sums = np.zeros((len(rows), 2))
        for first in range(0, len(k), width):
            cols = slice(first, min(first + width, len(k)))
            tile = room[: len(rows) * (cols.stop - first)].reshape(len(rows), -1)
            np.matmul(rows, right[:, cols], out=tile)
            exp(tile, out=tile)
            sums += np.matmul(tile, values[cols], out=part)
        result[start : start + height] = sums[:, 1] / sums[:, 0]

    def run():
        with blas.limit(limits=1), ThreadPoolExecutor(N_THREADS) as threads:
            list(threads.map(pool, range(0, len(q), height)))
        return result

    return run


def torch_attention(X, y, queries, bandwidth):
    """Attention with scores q.k - |k|^2 / 2: the log weights up to a constant per query."""
    q, k = queries / bandwidth, X / bandwidth
    q = np.column_stack([q, np.ones(len(q))])
    k = np.column_stack([k, -(k * k).sum(axis=1) / 2])
    # With fewer columns of values, PyTorch would build the whole matrix, which is slow.
    v = np.column_stack([y, np.zeros((len(k), k.shape[1] - 1))])
    q, k, v = (torch.from_numpy(side.astype(X.dtype))[None, None] for side in (q, k, v))

    def run():
        with torch.inference_mode():
            attention = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0)
        return attention[0, 0, :, 0].numpy()

    return run


def gaussian_contestants(n, d, dtype):
    """Functions that compute the same result, which is checked."""
    X, y, queries = make_data(n, d, dtype)
    bandwidth = NadarayaWatsonRegressor().fit(X, y).bandwidth_
    contestants = {f"nwkr {dtype}": nwkr_predict(X, y, queries, algorithm="auto")}
    contestants[f"nwkr dense {dtype}"] = nwkr_predict(X, y, queries)
    contestants[f"bare loop {dtype}"] = bare_loop(X, y, queries, bandwidth)
    if torch:
        contestants[f"torch {dtype}"] = torch_attention(X, y, queries, bandwidth)
    check_agreement(contestants, X, y, queries, bandwidth)
    return contestants


def check_agreement(contestants, X, y, queries, bandwidth, n_checked=100):
    """Raise an error if a contestant's predictions for some queries differ from the formula."""
    some = np.linspace(0, len(queries) - 1, n_checked).astype(int)
    u2 = cdist(queries[some] / bandwidth, X / bandwidth, "sqeuclidean")
    weights = np.exp((u2.min(axis=1, keepdims=True) - u2) / 2)
    expected = weights @ y / weights.sum(axis=1)
    atol = 1e-10 if X.dtype == np.float64 else 1e-3
    for name, run in contestants.items():
        np.testing.assert_allclose(run()[some], expected, rtol=0, atol=atol, err_msg=name)


# -- measuring and printing ---------------------------------------------------------------


def take_turns(contestants, n_rounds, pause=0.02):
    """Seconds of each contestant in each round, after a warm-up round."""
    seconds = {name: np.empty(1 + n_rounds) for name in contestants}
    for number in range(1 + n_rounds):
        for name, run in contestants.items():
            sleep(pause)  # threads of the contestant before spin for some milliseconds
            start = perf_counter()
            run()
            seconds[name][number] = perf_counter() - start
    return {name: times[1:] for name, times in seconds.items()}


def show_times(seconds, unit):
    for name, times in seconds.items():
        print(f"  {name:<34}{np.median(times) * unit:8.3f}", flush=True)


def show_ratio(name, ratio, at_most=np.inf, at_least=0):
    """Print the median of ratios, or a single ratio, next to its target."""
    ratio, verdict = np.median(ratio), ""
    if at_most < np.inf or at_least > 0:
        verdict = f"   at most {at_most}: " if at_most < np.inf else f"   at least {at_least}: "
        verdict += "ok" if at_least <= ratio <= at_most else "MISSED"
    print(f"  {name:<34}{ratio:8.3f}{verdict}", flush=True)


def show_machine(n):
    """Print the processor and versions, and one figure for comparing machines."""
    cpu = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else None
    print(f"{named[1] if named else platform.processor()}, {N_THREADS} threads")
    versions = {"NumPy": np, "SciPy": scipy, "scikit-learn": sklearn, "torch": torch}
    print(", ".join(f"{k} {v.__version__ if v else 'not installed'}" for k, v in versions.items()))
    print("SIMD that NumPy uses:", " ".join(SIMD) or "baseline")
    show_exponential()
    seconds = take_turns({"nwkr": nwkr_predict(*make_data(n, 3))}, 5)["nwkr"]
    print(f"Dense pooling: {np.median(seconds) * 1e9 / n**2:.2f} ns per pair (d = 3, float64)")


# -- measurements -------------------------------------------------------------------------


def show_exponential():
    """Print the exponential that large calls use; without AVX-512, timings depend on it."""
    print("Exponential in use:", exponential_in_use())


def dense(n, n_rounds, dtypes=("float64",)):
    """Gaussian pooling against the bare loop and PyTorch's attention."""
    print(f"\nGaussian, n = m = {n}, one output, Scott bandwidth: ns per pair")
    if not torch:
        print("  (torch is not installed: its rows are left out)")
    for d in (1, 3, 10, 50):
        contestants = {}
        for dtype in dtypes:
            contestants |= gaussian_contestants(n, d, dtype)
        seconds = take_turns(contestants, n_rounds)
        print(f"\nd = {d}")
        show_times(seconds, 1e9 / n**2)
        show_dense_ratios(seconds, dtypes)


def show_dense_ratios(seconds, dtypes):
    """Print ratios; the targets against other packages are for float64."""
    least = 1.4 if exponential_in_use() == "compiled" else 1.6
    for dtype in dtypes:
        targets = ({"at_most": 1.35}, {"at_least": least}) if dtype == "float64" else ({}, {})
        ours, dense = seconds[f"nwkr {dtype}"], seconds[f"nwkr dense {dtype}"]
        show_ratio(
            f"nwkr dense / bare loop, {dtype}", dense / seconds[f"bare loop {dtype}"], **targets[0]
        )
        if torch:
            theirs = seconds[f"torch {dtype}"]
            show_ratio(f"torch / nwkr, {dtype}", theirs / ours, **targets[1])
            show_ratio(f"torch / nwkr dense, {dtype}", theirs / dense)
    if len(dtypes) == 2:
        gain = seconds["nwkr dense float64"] / seconds["nwkr dense float32"]
        show_ratio("nwkr dense, float64 / float32", gain, at_least=1.3)


def kernels(n, n_rounds):
    """Time of each kernel, without targets."""
    print(f"\nAll kernels, n = m = {n}, d = 3, float64, Scott bandwidth: ns per pair")
    contestants = {name: nwkr_predict(*make_data(n, 3), name) for name in KERNELS}
    show_times(take_turns(contestants, n_rounds), 1e9 / n**2)


def latency(n_rounds, n=100):
    """A small problem, of which grid searches fit thousands."""
    print(f"\nfit + predict, n = m = {n}, d = 3: ms")
    models = {"nwkr": NadarayaWatsonRegressor(), "KernelRidge": KernelRidge(kernel="rbf")}
    contestants = {name: fit_predict(model, *make_data(n, 3)) for name, model in models.items()}
    seconds = take_turns(contestants, n_rounds, pause=0)
    show_times(seconds, 1e3)
    show_ratio("nwkr / KernelRidge", seconds["nwkr"] / seconds["KernelRidge"], at_most=1.5)


def one_row(n_rounds, sizes):
    """Predict a single row from small windows, as a server would."""
    print("\npredict of one row, windows of a few neighbours: ms")
    for n, d in sizes:
        X, y, queries = make_data(n, d)
        models = {
            "nwkr, gaussian": NadarayaWatsonRegressor("gaussian", 0.01),
            "nwkr, epanechnikov": NadarayaWatsonRegressor("epanechnikov", 0.1),
            "KNeighborsRegressor": KNeighborsRegressor(),
        }
        contestants = {
            name: partial(model.fit(X, y).predict, queries[:1]) for name, model in models.items()
        }
        seconds = take_turns(contestants, n_rounds, pause=0)
        print(f"\nn = {n}, d = {d}")
        show_times(seconds, 1e3)
        for name in list(models)[:2]:
            at_most = 2 if n > 100_000 else 1
            show_ratio(f"{name}: ms", seconds[name] * 1e3, at_most=at_most)


def memory(n):
    """Peak extra memory of fit + predict, in a separate process."""
    print(f"\nPeak extra memory of fit + predict, n = m = {n}, d = 3: MB")
    for name, peak in json.loads(in_subprocess("memory", n)).items():
        show_ratio(name, peak / 1e6, at_most=100)


def measure_memory(n):
    """Print peaks as JSON. The peak of getrusage is no use: on Linux it starts at the parent's."""
    run = fit_predict(NadarayaWatsonRegressor(), *make_data(n, 3))
    fit_predict(NadarayaWatsonRegressor(), *make_data(100, 3))()  # first-time set-up does not count
    on_linux = (clear := Path("/proc/self/clear_refs")).exists()
    if on_linux:
        clear.write_text("5")  # resets the peak of the process
        before = resident("VmRSS")
    tracemalloc.start()
    run()
    peaks = {"arrays (tracemalloc)": tracemalloc.get_traced_memory()[1]}
    if on_linux:
        peaks["whole process"] = resident("VmHWM") - before
    print(json.dumps(peaks))


def resident(field):
    """A figure of this process's memory, in bytes, on Linux."""
    return 1024 * int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def without_avx512(n, n_rounds):
    """The float64 figures again, with AVX-512 switched off."""
    names = " ".join(filter(re.compile("AVX512.*|X86_V4").match, SIMD))
    if not names:
        return print("\nNumPy finds no AVX-512 here, so the figures above are those without it.")
    environment = {"NPY_DISABLE_CPU_FEATURES": names} | WITHOUT_AVX512
    print("\nWith", " ".join(f"{name}={value!r}" for name, value in environment.items()))
    print(in_subprocess("exponential", **environment))
    print(in_subprocess("dense", n, n_rounds, **environment))


def in_subprocess(part, *sizes, **environment):
    """Output of this script for one part."""
    command = [sys.executable, __file__, "--part", part, *map(str, sizes)]
    return subprocess.check_output(command, env=os.environ | environment, text=True).rstrip()


PARTS = {"memory": measure_memory, "dense": dense, "exponential": show_exponential}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small; targets do not apply")
    parser.add_argument("--slow-exp", action="store_true", help="also without AVX-512")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if torch:
        torch.set_num_threads(N_THREADS)
    with threadpool_limits(N_THREADS, user_api="blas"):
        if options.part:
            part, *sizes = options.part
            return PARTS[part](*map(int, sizes))
        n, n_rounds = (2_000, 3) if options.quick else (20_000, 9)
        show_machine(n)
        dense(n, n_rounds, ("float64", "float32"))
        latency(n_rounds=20 if options.quick else 500)
        one_row(20 if options.quick else 200, ((1_000, 3),) if options.quick else ONE_ROW)
        memory(5 * n)
        kernels(n, 3)
        if options.slow_exp:
            without_avx512(n, n_rounds)


if __name__ == "__main__":
    main()
