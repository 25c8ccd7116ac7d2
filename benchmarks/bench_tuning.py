"""Speed of the search for a bandwidth, compared with other packages.

    pip install -e ".[bench]"
    python benchmarks/bench_tuning.py

Contestants take turns, as in bench_dense.py.
"""

import argparse
import tracemalloc

import numpy as np
from bench_dense import N_THREADS, make_data, show_machine, show_ratio, show_times, take_turns
from sklearn.model_selection import GridSearchCV
from statsmodels.nonparametric.kernel_regression import KernelReg
from threadpoolctl import threadpool_limits

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV


def ladder(X, n_bandwidths):
    """Multiples of the rule of thumb, a factor sqrt 2 apart."""
    rule = NadarayaWatsonRegressor().fit(X, X[:, 0]).bandwidth_
    return [rule * 2 ** (j / 2) for j in range(-n_bandwidths // 2 - 1, n_bandwidths // 2 - 1)]


# Published time of R np 0.60 for one bandwidth per feature at n = 5,000.
R_NP_SECONDS = 157
MEANS = {"degrees": (0,), "per_feature": False}


def per_feature(n, n_rounds, degree):
    """One bandwidth per feature, by gradients and by the simplex search of statsmodels."""
    kind = ("means", "lines")[degree]
    print(f"\nA bandwidth for each feature, {kind}, n = {n}, d = 2: s")
    X, y, _ = make_data(n, 2)
    model = NadarayaWatsonRegressorCV(
        degrees=(degree,),
        per_feature=True,
        ridge=0.0,
        shrinkage=0,
        scoring="neg_mean_squared_error",
    )
    found = {}

    def ours():
        found["nwkr"] = model.fit(X, y).bandwidth_

    def theirs():
        kernel_reg = KernelReg([y], [*X.T], "cc", reg_type=("lc", "ll")[degree], bw="cv_ls")
        found["statsmodels"] = np.asarray(kernel_reg.bw)

    seconds = take_turns({"nwkr": ours, "statsmodels": theirs}, n_rounds)
    show_times(seconds, 1)
    show_ratio("statsmodels / nwkr", seconds["statsmodels"] / seconds["nwkr"], at_least=60)
    losses = {}
    for name, bandwidth in found.items():
        fitted = NadarayaWatsonRegressor(bandwidth=np.abs(bandwidth), degree=degree, ridge=0.0)
        fitted.fit(X, y)
        losses[name] = np.mean((y - fitted.predict(None)) ** 2)
        print(f"  {name + ' found':<30}{bandwidth}, loss {losses[name]:.9f}")
    # The simplex stops when its loss is within a thousandth of the minimum.
    show_ratio("loss, nwkr / statsmodels", losses["nwkr"] / losses["statsmodels"], at_most=1.0)


def no_knob(n, n_features):
    """The search with default parameters: means and lines, one bandwidth or one per feature."""
    print(f"\nDefault parameters, n = {n}, d = {n_features}: s")
    X, y, _ = make_data(n, n_features)
    seconds = take_turns({"nwkr": lambda: NadarayaWatsonRegressorCV().fit(X, y)}, 1)
    show_times(seconds, 1)
    if n == 5_000:
        show_ratio("R np, as published / nwkr", R_NP_SECONDS / seconds["nwkr"], at_least=10)


def many_bandwidths(n, n_rounds):
    """Exact leave-one-out of 12 bandwidths, relative to one prediction."""
    print(f"\nLeave-one-out of 12 bandwidths, n = {n}, d = 3: s")
    X, y, queries = make_data(n, 3)
    search = NadarayaWatsonRegressorCV(bandwidths=ladder(X, 12), **MEANS)
    plain = NadarayaWatsonRegressor().fit(X, y)
    seconds = take_turns(
        {"12 bandwidths": lambda: search.fit(X, y), "one predict": lambda: plain.predict(queries)},
        n_rounds,
    )
    show_times(seconds, 1)
    show_ratio("12 / one", seconds["12 bandwidths"] / seconds["one predict"], at_most=5)


def grid_search(n, n_rounds):
    """The same candidates by leave-one-out, and by 5-fold cross-validation with refits."""
    print(f"\n20 bandwidths, n = {n}, d = 5: s")
    X, y, _ = make_data(n, 5)
    bandwidths = ladder(X, 20)
    search = NadarayaWatsonRegressorCV(bandwidths=bandwidths, **MEANS)
    grid = GridSearchCV(
        NadarayaWatsonRegressor(),
        {"bandwidth": bandwidths},
        cv=5,
        scoring="neg_mean_squared_error",
        refit=False,
    )
    seconds = take_turns(
        {"leave-one-out": lambda: search.fit(X, y), "5-fold GridSearchCV": lambda: grid.fit(X, y)},
        n_rounds,
    )
    show_times(seconds, 1)
    ratio = seconds["5-fold GridSearchCV"] / seconds["leave-one-out"]
    show_ratio("GridSearchCV / leave-one-out", ratio, at_least=5)


def memory(n):
    """Peak memory of the arrays in a search over 12 bandwidths."""
    print(f"\nPeak extra memory of 12 bandwidths, n = {n}, d = 3: MB")
    X, y, _ = make_data(n, 3)
    search = NadarayaWatsonRegressorCV(bandwidths=ladder(X, 12), **MEANS)
    tracemalloc.start()
    search.fit(X, y)
    show_ratio("arrays (tracemalloc)", tracemalloc.get_traced_memory()[1] / 1e6)
    tracemalloc.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small; targets do not apply")
    quick = parser.parse_args().quick
    with threadpool_limits(N_THREADS, user_api="blas"):
        show_machine(2_000 if quick else 20_000)
        grid_search(200 if quick else 1_000, 5)
        many_bandwidths(2_000 if quick else 20_000, 5)
        memory(2_000 if quick else 20_000)
        per_feature(200 if quick else 1_000, 3, degree=0)
        per_feature(100 if quick else 500, 3, degree=1)
        for n, n_features in [(300, 2)] if quick else [(5_000, 2), (5_000, 10), (100_000, 5)]:
            no_knob(n, n_features)


if __name__ == "__main__":
    main()
