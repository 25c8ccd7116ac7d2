"""Cost of spread, slopes, quantiles and intervals, relative to a prediction.

    pip install -e ".[bench]"
    python benchmarks/bench_distribution.py

Each is a multiple of `predict` for the same queries, both over all pairs (algorithm="dense"). Wall
time with two threads, where contestants take turns as in bench_dense.py; and processor time with
one thread, which other work on the machine disturbs less.
"""

import argparse
from time import process_time

import numpy as np
from bench_dense import N_THREADS, make_data, show_machine, show_ratio, show_times, take_turns
from threadpoolctl import threadpool_limits

from nwkr import NadarayaWatsonRegressor

# The measured methods, and how many times as long as `predict` each may take.
STD = "std", lambda model, Q: model.predict(Q, return_std=True), 1.25
GRADIENT = "gradient", lambda model, Q: model.gradient(Q), 2.5
QUANTILES = "quantiles", lambda model, Q: model.predict_quantiles(Q), 8
JACKKNIFE = "jackknife+", lambda model, Q: model.predict_interval(Q), 30
SCALED = "scaled", lambda model, Q: model.predict_interval(Q, method="scaled"), np.inf
SIZE = "sample size", lambda model, Q: model.effective_sample_size(Q), np.inf
DENSITY = "density", lambda model, Q: model.score_samples(Q), np.inf
BAND = "band", lambda model, Q: model.predict_band(Q, random_state=0), np.inf


def compare(n, d, parts, n_rounds, kernel="gaussian"):
    """Print times and ratios of some methods, for as many queries as training rows."""
    print(f"\n{kernel}, n = m = {n}, d = {d}: ns per pair, wall time")
    X, y, queries = make_data(n, d)
    model = NadarayaWatsonRegressor(kernel, algorithm="dense").fit(X, y)
    contestants = {"predict": lambda: model.predict(queries)}
    contestants |= {name: lambda run=run: run(model, queries) for name, run, _ in parts}
    seconds = take_turns(contestants, n_rounds)
    show_times(seconds, 1e9 / n**2)
    alone = NadarayaWatsonRegressor(kernel, algorithm="dense", n_jobs=1).fit(X, y)
    contestants = {"predict": lambda: alone.predict(queries)}
    contestants |= {name: lambda run=run: run(alone, queries) for name, run, _ in parts}
    processor = processor_times(contestants, n_rounds)
    for name, _, at_most in parts:
        show_ratio(f"{name} / predict", seconds[name] / seconds["predict"], at_most)
        ratio = processor[name] / processor["predict"]
        show_ratio(f"{name} / predict, processor", ratio, at_most)


def processor_times(contestants, n_rounds):
    """Processor seconds of each contestant in each round."""
    seconds = {name: np.empty(n_rounds) for name in contestants}
    for number in range(n_rounds):
        for name, run in contestants.items():
            start = process_time()
            run()
            seconds[name][number] = process_time() - start
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small; targets do not apply")
    quick = parser.parse_args().quick
    n, less, n_rounds = (2_000, 1_000, 3) if quick else (20_000, 5_000, 5)
    with threadpool_limits(N_THREADS, user_api="blas"):
        show_machine(n)
        for d in (1, 5):
            compare(n, d, [STD, GRADIENT, QUANTILES], n_rounds)
            compare(less, d, [JACKKNIFE, SCALED, SIZE, DENSITY, BAND], n_rounds)
        # The slope is another kernel, the boxcar, which is pooled separately: twice the work.
        gradient = (*GRADIENT[:2], np.inf)
        compare(less, 5, [STD, gradient, QUANTILES, JACKKNIFE], n_rounds, "epanechnikov")


if __name__ == "__main__":
    main()
