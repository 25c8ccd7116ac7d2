"""Speed, memory and accuracy of pooling at a million rows, and the growth of time with rows.

    pip install -e .
    python benchmarks/bench_scale.py               # a quarter of an hour on two cores
    python benchmarks/bench_scale.py --only table  # one part: table, ratios, search or growth
    python benchmarks/bench_scale.py --grid        # is "auto" the fastest? an hour or more

Limits in seconds are for a machine whose dense pooling takes 0.7 ns per pair, and are scaled by the
time on this machine. Contestants take turns, as in bench_dense.py.
"""

import argparse
import multiprocessing
import signal
import tracemalloc
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np
from bench_dense import (
    N_THREADS,
    fit_predict,
    make_data,
    resident,
    show_machine,
    show_ratio,
    show_times,
    take_turns,
)
from sklearn.neighbors import RadiusNeighborsRegressor
from threadpoolctl import threadpool_limits

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV

REFERENCE = 0.7  # ns per pair
WAYS = "dense", "blocks", "lattice"
# kernel, tol, number of features, number of rows and of queries, limit in seconds
TABLE = [
    ("gaussian", 0.0, 1, 1_000_000, 2.5),
    ("gaussian", 0.0, 2, 1_000_000, 8),
    ("gaussian", 1e-6, 3, 1_000_000, 30),
    ("gaussian", 0.0, 5, 100_000, 8),
    ("epanechnikov", 0.0, 1, 1_000_000, 2.5),
    ("epanechnikov", 0.0, 2, 1_000_000, 10),
    ("epanechnikov", 0.0, 3, 1_000_000, 20),
    ("biweight", 0.0, 2, 1_000_000, 30),
]
# kernel, algorithm, number of features, largest exponent
GROWTH = [
    ("gaussian", "lattice", 1, 1.2),
    ("gaussian", "lattice", 2, 1.2),
    ("epanechnikov", "blocks", 1, 1.2),
    ("epanechnikov", "blocks", 2, 1.7),
]
SIZES = 1_000, 10_000, 100_000, 1_000_000
PATIENCE = 20  # limit in seconds for one way on the grid
MOST_MEGABYTES = 600
MOST_ERROR = 1e-10  # of a prediction, relative to the largest target; or tol if larger


# -- the machine --------------------------------------------------------------------------


def show_scale(n):
    """Print the time of dense pooling on this machine; return the factor for the limits."""
    X, y, queries = make_data(n, 3)
    model = NadarayaWatsonRegressor(algorithm="dense").fit(X, y)
    seconds = take_turns({"dense": lambda: model.predict(queries)}, 5)["dense"]
    figure = np.median(seconds) * 1e9 / n**2
    print(f'algorithm="dense": {figure:.2f} ns per pair, so limits are', end=" ")
    print(f"scaled by {figure / REFERENCE:.2f}", flush=True)
    return figure / REFERENCE


def in_a_process_of_its_own(function, *arguments):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


# -- a million rows -----------------------------------------------------------------------


def table(scale, quick):
    """Time, memory and accuracy of fit + predict."""
    print("\nfit + predict, n = m, normal data, Scott bandwidth")
    for kernel, tol, d, n, limit in TABLE:
        n //= 100 if quick else 1
        row = in_a_process_of_its_own(measure_row, kernel, tol, d, n, 1 if quick else 3)
        print(f"\n{kernel}, tol = {tol:g}, d = {d}, n = {n}: {row['algorithm']}")
        show_ratio("seconds", row["seconds"], at_most=round(limit * scale, 2))
        for name, peak in row["peaks"].items():
            show_ratio(f"MB, {name}", peak / 1e6, at_most=MOST_MEGABYTES)
        print(f"  {'error':<30}{row['error']:8.1e}", end="")
        print(f"   at most {max(tol, MOST_ERROR):g}:", end=" ")
        print("ok" if row["error"] <= max(tol, MOST_ERROR) else "MISSED", flush=True)


def measure_row(kernel, tol, d, n, n_rounds):
    """Seconds, peaks in bytes, and the error of one row of the table."""
    model = NadarayaWatsonRegressor(kernel, tol=tol)
    with threadpool_limits(N_THREADS, user_api="blas"):
        fit_predict(model, *make_data(3_000, d))()  # first-time set-up does not count
        X, y, queries = make_data(n, d)
        run = fit_predict(model, X, y, queries)
        peaks = {}
        on_linux = (clear := Path("/proc/self/clear_refs")).exists()
        if on_linux:
            clear.write_text("5")  # resets the peak of the process
            before = resident("VmRSS")
        seconds = take_turns({"nwkr": run}, n_rounds)["nwkr"]
        if on_linux:
            peaks["whole process"] = resident("VmHWM") - before
        predicted = run()
        tracemalloc.start()
        run()
        peaks["arrays (tracemalloc)"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    some = np.random.default_rng(1).choice(n, 200, replace=False)
    expected = [plain_sum(query, X, y, kernel, model.bandwidth_) for query in queries[some]]
    error = np.abs(predicted[some] - expected).max() / np.abs(y).max()
    return {
        "algorithm": model.algorithm_,
        "seconds": np.median(seconds),
        "peaks": peaks,
        "error": error,
    }


def plain_sum(query, X, y, kernel, bandwidth):
    """The plain formula; the target of the nearest row for queries without weight."""
    u2 = (((X - query) / bandwidth) ** 2).sum(axis=1)
    if kernel == "gaussian":
        weights = np.exp((u2.min() - u2) / 2)
    else:
        weights = np.maximum(1 - u2, 0) ** {"epanechnikov": 1, "biweight": 2}[kernel]
    return weights @ y / weights.sum() if weights.any() else y[u2.argmin()]


# -- compared with scikit-learn -----------------------------------------------------------


def parabola(width):
    """Epanechnikov weights for scikit-learn's neighbours, as a function of arrays of distances."""
    return lambda distances: 1 - (distances / width) ** 2


def ratios(scale, quick):
    """RadiusNeighborsRegressor with the same weights and as many threads."""
    n, n_rounds = (2_000, 3) if quick else (20_000, 9)
    X, y, queries = make_data(n, 2)
    for kernel, at_least in (("epanechnikov", 12), ("boxcar", 5)):
        print(f"\nfit + predict, {kernel}, n = m = {n}, d = 2: s")
        width = NadarayaWatsonRegressor(kernel).fit(X, y).bandwidth_.mean()
        weights = "uniform" if kernel == "boxcar" else parabola(width)
        ours = NadarayaWatsonRegressor(kernel, width, handle_empty="nan")
        theirs = RadiusNeighborsRegressor(width, weights=weights, n_jobs=N_THREADS)
        models = {"nwkr": ours, "RadiusNeighborsRegressor": theirs}
        contestants = {name: fit_predict(m, X, y, queries) for name, m in models.items()}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more samples have no neighbors")
            one, other = (run() for run in contestants.values())
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
            seconds = take_turns(contestants, n_rounds)
        show_times(seconds, 1)
        gain = seconds["RadiusNeighborsRegressor"] / seconds["nwkr"]
        show_ratio("RadiusNeighbors / nwkr", gain, at_least=at_least)


# -- the search ---------------------------------------------------------------------------


def search(scale, quick):
    """Exact leave-one-out of 12 bandwidths over all rows, relative to one fit + predict."""
    n = 10_000 if quick else 1_000_000
    for kernel, d in product(("gaussian", "epanechnikov"), (1, 2)):
        print(f"\nLeave-one-out of 12 bandwidths, {kernel}, n = {n}, d = {d}: s")
        X, y, queries = make_data(n, d)
        plain = NadarayaWatsonRegressor(kernel)
        rule = plain.fit(X, y).bandwidth_
        bandwidths = [rule * 2 ** (j / 2) for j in range(-7, 5)]
        searching = NadarayaWatsonRegressorCV(kernel, bandwidths, subsample=None)
        contestants = {
            "12 bandwidths": partial(searching.fit, X, y),
            "one fit + predict": fit_predict(plain, X, y, queries),
        }
        seconds = take_turns(contestants, 1)
        show_times(seconds, 1)
        show_ratio("12 / one", np.divide(*seconds.values()), at_most=15)


# -- growth -------------------------------------------------------------------------------


def growth(scale, quick):
    """Seconds of fit + predict against n, and the exponent of a line through them in logarithms."""
    sizes = np.geomspace(1_000 if quick else 10_000, 10_000 if quick else 1_000_000, 5)
    sizes = sizes.round(-3).astype(int)
    print("\nfit + predict, n = m: s")
    print(f"  {'':<30}" + "".join(f"{n:>10,}" for n in sizes))
    exponents = {}
    for kernel, algorithm, d, limit in GROWTH:
        model = NadarayaWatsonRegressor(kernel, algorithm=algorithm)
        medians = []
        for n in sizes:
            times = take_turns({"": fit_predict(model, *make_data(n, d))}, 5 if n < 3e5 else 3)
            medians.append(np.median(times[""]))
        name = f"{kernel}, {algorithm}, d = {d}"
        exponents[name] = np.polyfit(np.log(sizes), np.log(medians), 1)[0], limit
        print(f"  {name:<30}" + "".join(f"{s:>10.3f}" for s in medians), flush=True)
    print("\nExponent of n")
    for name, (exponent, limit) in exponents.items():
        show_ratio(name, exponent, at_most=limit)


# -- is "auto" the fastest? ---------------------------------------------------------------


def grid(scale, sizes, quick):
    """Time of "auto" relative to the fastest way, over a grid of problems."""
    features, multiples = ((1, 3), (0.3, 3)) if quick else ((1, 2, 3, 5, 10), (0.1, 0.3, 1, 3))
    print("\nfit + predict, n = m, bandwidth in multiples of Scott's: s", end=" ")
    print(f'("-": not supported; ">": more than {PATIENCE} s)')
    names = "kernel", "n", "d", "bandwidth", *WAYS, "auto", "took", "auto / best"
    print("".join(f"{name:>13}" for name in names))
    found = []
    for n, kernel, d, multiple in product(sizes, ("gaussian", "epanechnikov"), features, multiples):
        data = make_data(n, d)
        rule = NadarayaWatsonRegressor(kernel, algorithm="dense").fit(*data[:2]).bandwidth_
        models = {
            way: NadarayaWatsonRegressor(kernel, multiple * rule, algorithm=way)
            for way in (*WAYS, "auto")
        }
        first = {way: seconds_of(models[way], data) for way in WAYS[1:]}
        hopeless = scale * REFERENCE * 1e-9 * n**2 > PATIENCE
        first["dense"] = np.inf if hopeless else seconds_of(models["dense"], data)
        cells = [kernel, n, d, multiple, *(as_text(first[way]) for way in WAYS)]
        if any(seconds < np.inf for seconds in first.values()):
            seconds, ratio = auto_beside_best(models, first, data)
            found.append(ratio)
            took = getattr(models["auto"], "algorithm_", "?")
            cells += [as_text(seconds), took, f"{ratio:.2f}", "" if ratio <= 1.3 else "MISSED"]
        print("".join(f"{cell:>13}" for cell in cells), flush=True)
    print(f"{len(found)} problems, {sum(ratio > 1.3 for ratio in found)} of them above 1.3")
    show_ratio("worst auto / best", max(found), at_most=1.3)


def seconds_of(model, data, patience=PATIENCE):
    """Seconds of one fit + predict; NaN if the way cannot serve, inf after `patience` seconds."""
    X, y, queries = data
    try:
        with at_most(patience):
            start = perf_counter()
            model.fit(X, y)
            if model.algorithm not in ("auto", model.algorithm_):
                return np.nan  # too large for working memory
            model.predict(queries)
            return perf_counter() - start
    except ValueError:
        return np.nan
    except TimeoutError:
        return np.inf


def auto_beside_best(models, first, data, long=2.0):
    """Seconds of "auto", and their ratio to the fastest way, given one run of each way."""
    best = np.nanmin(list(first.values()))
    seconds = seconds_of(models["auto"], data, 3 * PATIENCE)
    if seconds == np.inf or best > long:
        return seconds, seconds / best
    close = [way for way, seconds in first.items() if seconds < 2 * best]
    contestants = {way: fit_predict(models[way], *data) for way in (*close, "auto")}
    times = take_turns(contestants, int(np.clip(1 / best, 3, 9)))
    of_auto = times.pop("auto")
    fastest = min(times.values(), key=np.median)
    return np.median(of_auto), np.median(of_auto / fastest)


@contextmanager
def at_most(seconds):
    """Raise TimeoutError after so many seconds; not on Windows, which lacks the signal."""

    def stop(number, frame):
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def as_text(seconds):
    return "-" if np.isnan(seconds) else ">" if np.isinf(seconds) else f"{seconds:.3f}"


PARTS = {"table": table, "ratios": ratios, "search": search, "growth": growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small; targets do not apply")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument(
        "--grid", nargs="*", type=int, metavar="N", help=f"the grid instead; N from {SIZES}"
    )
    options = parser.parse_args()
    with threadpool_limits(N_THREADS, user_api="blas"):
        n = 2_000 if options.quick else 20_000
        show_machine(n)
        scale = show_scale(n)
        if options.grid is not None:
            sizes = options.grid or (SIZES[:1] if options.quick else SIZES)
            return grid(scale, sizes, options.quick)
        for part in options.only:
            PARTS[part](scale, options.quick)


if __name__ == "__main__":
    main()
