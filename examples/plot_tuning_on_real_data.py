"""
Tuning on real data
===================

Tuning must be judged on other rows. In this example every model is tuned on four fifths of the
rows and scored on the last fifth, over all five folds. We compare the default search of nwkr, means
with one common bandwidth, the rule of thumb, and well-known models of scikit-learn with usual
parameter grids. The default search needs no grid, and is among the best on each data set.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)

neighbours = {"n_neighbors": [2, 3, 5, 8, 12], "weights": ["distance"]}
scales = {"gamma": np.logspace(-3, 0, 7)}

regressors = {
    "the search": NadarayaWatsonRegressorCV(),
    "one bandwidth, means": NadarayaWatsonRegressorCV(degrees=(0,), per_feature=False),
    "rule of thumb": NadarayaWatsonRegressor(),
    "nearest neighbours": GridSearchCV(KNeighborsRegressor(), neighbours),
    "kernel ridge": GridSearchCV(
        KernelRidge(kernel="rbf"), scales | {"alpha": [0.01, 0.1, 1.0, 10.0]}
    ),
    "random forest": RandomForestRegressor(n_estimators=100, min_samples_leaf=3, random_state=0),
}
classifiers = {
    "the search": NadarayaWatsonClassifierCV(),
    "one bandwidth, means": NadarayaWatsonClassifierCV(degrees=(0,), per_feature=False),
    "rule of thumb": NadarayaWatsonClassifier(),
    "nearest neighbours": GridSearchCV(KNeighborsClassifier(), neighbours),
    "support vectors": GridSearchCV(
        SVC(), {"gamma": [0.003, 0.01, 0.03, 0.1], "C": [1.0, 10.0, 100.0]}
    ),
    "random forest": RandomForestClassifier(n_estimators=100, random_state=0),
}

# %%
# Nested scores
# -------------
# In each fold, models are tuned on the other four folds only: by leave-one-out (nwkr) or by five
# inner folds. Scores are R2 for regression and accuracy for classification. Small data sets are
# split twice, because single rows affect their scores.


def scores_of(models, load, Folds):
    """Mean scores of the models on one data set."""
    X, y = load(return_X_y=True)
    folds = Folds(n_splits=5, n_repeats=1 + (len(X) < 400), random_state=0)
    return {
        name: cross_val_score(
            make_pipeline(StandardScaler(), model), X, y, cv=folds, n_jobs=2
        ).mean()
        for name, model in models.items()
    }


regression = {"diabetes": load_diabetes, "linnerud": load_linnerud}
classification = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
}
results = {}
for data, load in regression.items():
    results[data] = scores_of(regressors, load, RepeatedKFold)
for data, load in classification.items():
    results[data] = scores_of(classifiers, load, RepeatedStratifiedKFold)

for data, scores in results.items():
    print(f"\n{data}")
    for name, score in scores.items():
        print(f"  {name:22}{score:7.3f}")

# %%
# The figure shows the scores, with nwkr in blue; higher is better. Linnerud's twenty rows contain
# almost no signal: predicting the mean scores about 0, and every model is worse.

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
names = [*list(regressors)[:4], "kernel ridge, support vectors", "random forest"]
fig, axes = plt.subplots(1, len(results), figsize=(10, 3), sharey=True, layout="constrained")
for ax, (data, scores) in zip(axes, results.items()):
    ours = [number < 3 for number in range(len(scores))]
    colours = ["#0072b2" if own else "#777777" for own in ours]
    ax.scatter(list(scores.values()), range(len(scores)), c=colours, zorder=2)
    ax.set(title=data, xlabel="R2" if data in regression else "accuracy")
    ax.grid(axis="y", alpha=0.4)
    ax.margins(x=0.15)
axes[0].set_yticks(range(len(names)), names)
axes[0].invert_yaxis()
plt.show()
