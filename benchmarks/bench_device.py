"""Dense pooling of tensors, compared with NumPy and attention in PyTorch; on a GPU if there is one.

    pip install -e ".[bench]"
    SCIPY_ARRAY_API=1 python benchmarks/bench_device.py           # some minutes
    SCIPY_ARRAY_API=1 python benchmarks/bench_device.py --quick   # seconds: does everything run?

Contestants take turns, as in `bench_dense.py`; times are medians, in ns per pair of a query and a
key. Without a GPU, tensors are on the CPU, and the script says so.
"""

import argparse
import os
import platform
from resource import RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported

import numpy as np
import sklearn
import torch
from sklearn import config_context
from threadpoolctl import threadpool_limits

from nwkr import NadarayaWatsonRegressor

try:
    from pykeops.torch import LazyTensor
except ImportError:
    LazyTensor = None

# SDPA may be off by this much, because its float32 tiles are not centred.
CLOSE = {"float64": 1e-9, "float32": 1e-2}


def make_data(n, n_features, dtype):
    """Training rows, targets and queries."""
    rng = np.random.default_rng(0)
    X, queries = rng.standard_normal((2, n, n_features)).astype(dtype)
    y = np.sin(X.sum(axis=1)) + 0.1 * rng.standard_normal(n)
    return X, y.astype(dtype), queries


def wait(device):
    """Wait until the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


# -- contestants: functions without arguments that return NumPy arrays ---------------------


def of_nwkr(X, y, queries, device=None, **params):
    """Predictions of nwkr, from tensors on a device or from NumPy arrays."""
    model = NadarayaWatsonRegressor(algorithm="dense", **params)
    if device is None:
        model.fit(X, y)
        return lambda: model.predict(queries)
    X, y, queries = (torch.asarray(array, device=device) for array in (X, y, queries))
    with config_context(array_api_dispatch=True):
        model.fit(X, y)

    def run():
        with config_context(array_api_dispatch=True):
            return model.predict(queries).cpu().numpy()

    return run


def scaled(X, y, queries, bandwidth, device):
    """Tensors on the device, with rows in units of the bandwidth."""
    arrays = queries / bandwidth, X / bandwidth, y
    return [torch.asarray(array.astype(X.dtype), device=device) for array in arrays]


def of_sdpa(X, y, queries, bandwidth, device):
    """Scores q.k - |k|^2 / 2, which are the log weights up to a constant per query."""
    q, k, y = scaled(X, y, queries, bandwidth, device)
    q, k = torch.hstack([q, q.new_ones(len(q), 1)]), torch.hstack([k, -(k * k).sum(1)[:, None] / 2])
    # Values need as many columns as keys, in a number that GPU kernels support.
    width = -(-q.shape[1] // 8) * 8
    v = torch.hstack([y[:, None], y.new_zeros(len(y), width - 1)])
    q, k = (torch.nn.functional.pad(side, (0, width - side.shape[1])) for side in (q, k))

    def run():
        with torch.inference_mode():
            pooled = torch.nn.functional.scaled_dot_product_attention(
                q[None, None], k[None, None], v[None, None], scale=1.0
            )
        return pooled[0, 0, :, 0].cpu().numpy()

    return run


def of_keops(X, y, queries, bandwidth, device):
    """Lazy pairs of KeOps."""
    q, k, y = scaled(X, y, queries, bandwidth, device)

    def run():
        d2 = ((LazyTensor(q[:, None]) - LazyTensor(k[None])) ** 2).sum(-1)
        return (-d2 / 2).sumsoftmaxweight(LazyTensor(y[None, :, None]), axis=1).cpu().numpy()[:, 0]

    return run


def contestants(n, d, dtype, device):
    """Functions that compute the same result, which is checked."""
    X, y, queries = make_data(n, d, dtype)
    bandwidth = NadarayaWatsonRegressor().fit(X, y).bandwidth_
    found = {"nwkr, NumPy": of_nwkr(X, y, queries)}
    found[f"nwkr, torch {device}"] = of_nwkr(X, y, queries, device)
    found[f"SDPA, torch {device}"] = of_sdpa(X, y, queries, bandwidth, device)
    if LazyTensor is not None:
        found[f"KeOps, {device}"] = of_keops(X, y, queries, bandwidth, device)
    expected = NadarayaWatsonRegressor(algorithm="dense").fit(X.astype(float), y)
    expected = expected.predict(queries[:100].astype(float))
    for name, run in list(found.items()):
        error = np.abs(run()[:100] - expected).max()
        if not error < CLOSE[dtype]:
            print(f"  {name} is {error:.1e} off, so it is left out")
            del found[name]
    return found


def take_turns(found, device, rounds):
    """Median seconds of each contestant."""
    seconds = {name: [] for name in found}
    for _ in range(rounds):
        for name, run in found.items():
            wait(device)
            start = perf_counter()
            run()
            wait(device)
            seconds[name].append(perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}


def show_times(n, rounds, device):
    print(f"\nGaussian, n = m = {n:,}, Scott bandwidth: ns per pair")
    for dtype in ("float64", "float32"):
        for d in (1, 3, 10, 50):
            seconds = take_turns(contestants(n, d, dtype, device), device, rounds)
            times = ", ".join(f"{name} {1e9 * s / n**2:.3f}" for name, s in seconds.items())
            print(f"  {dtype}, d = {d:2}: {times}", flush=True)


def show_memory(n, n_queries, device):
    """One prediction from a million rows; all weights together would take terabytes."""
    X, y, queries = make_data(n, 3, "float32")
    run = of_nwkr(X, y, queries[:n_queries], device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    before = getrusage(RUSAGE_SELF).ru_maxrss
    start = perf_counter()
    run()
    wait(device)
    seconds = perf_counter() - start
    if device == "cuda":
        peak, where = torch.cuda.max_memory_allocated() / 2**20, "of the GPU"
    else:  # on Linux, in kilobytes
        peak, where = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 2**10, "more"
    pairs = n * n_queries
    print(f"\nn = {n:,}, m = {n_queries:,}, d = 3, float32: {seconds:.1f} s, ", end="")
    print(f"{1e9 * seconds / pairs:.4f} ns per pair, {peak:,.0f} MiB {where}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small problems only")
    parser.add_argument("--n", type=int, default=20_000, help="number of rows, and of queries")
    parser.add_argument(
        "--threads", type=int, default=2, help="threads of NumPy, and of PyTorch on a CPU"
    )
    options = parser.parse_args()
    quick = options.quick
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else "no GPU: tensors are on the CPU"
    print(f"{where}; {platform.processor() or platform.machine()}, {options.threads} threads")
    print(
        f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}, PyTorch {torch.__version__}"
    )
    if LazyTensor is None:
        print("KeOps is not installed: it is left out")
    n = 10_000 if quick else 1_000_000
    with threadpool_limits(options.threads):
        # Memory comes first, because its peak would include the other measurements.
        show_memory(n, n if device == "cuda" else n // 1_000, device)
        show_times(1_000 if quick else options.n, 3 if quick else 5, device)


if __name__ == "__main__":
    main()
