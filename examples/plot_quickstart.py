"""
Quickstart: a table, a model, and the rows behind a prediction
==============================================================

The diabetes data of scikit-learn hold ten measurements of 442 patients, and the progression of
their disease a year later. We fit the unscaled table without setting any parameter, compare the
model with nearest neighbours and kernel ridge, and look at the patients behind one prediction. The
model is ahead of tuned nearest neighbours, and level with a tuned kernel ridge.
"""

# %%
# Fit it
# ------
# :class:`~nwkr.NadarayaWatsonRegressorCV` needs no scaling and no parameters. It compares means
# with local lines, and one bandwidth for all features with one for each. Every candidate predicts
# each patient from all others, and the best one is kept. A bandwidth has the units of its feature.
# With local lines, `inf` makes the fit linear in that feature.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonRegressorCV
from nwkr.displays import BandwidthDisplay, ExplanationDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
y = y.rename("progression")
patient, others = X.iloc[:1], X.iloc[1:]

model = NadarayaWatsonRegressorCV().fit(others, y[others.index])
print("The best is", "a mean." if model.degree_ == 0 else "a local line.")
print(pd.DataFrame({"bandwidth": model.bandwidth_, "spread": X.std()}).T.round(1).to_string())

# %%
# How well does it predict?
# -------------------------
# Tuning must be judged on other rows, so every model is tuned within the training part of each of
# five folds. Nearest neighbours and kernel ridge need scaled columns and a parameter grid. Kernel
# ridge also needs a target with mean 0.


def scaled(model, **grid):
    return make_pipeline(StandardScaler(), GridSearchCV(model, grid, cv=5))


def kernel_ridge():
    grid = {"alpha": [0.01, 0.1, 1.0], "gamma": [0.003, 0.01, 0.03]}
    return TransformedTargetRegressor(
        scaled(KernelRidge(kernel="rbf"), **grid), transformer=StandardScaler()
    )


contenders = {
    "NadarayaWatsonRegressorCV": NadarayaWatsonRegressorCV(),
    "KNeighborsRegressor": scaled(
        KNeighborsRegressor(),
        n_neighbors=[4, 8, 12, 16, 24, 32],
        weights=["uniform", "distance"],
    ),
    "KernelRidge": kernel_ridge(),
}
folds = KFold(5, shuffle=True, random_state=0)
print("R2 on held-out rows, mean over 5 folds:")
for name, contender in contenders.items():
    print(f"    {name:26} {cross_val_score(contender, X, y, cv=folds).mean():.3f}")

# %%
# Which rows are behind a prediction?
# -----------------------------------
# A prediction is a weighted sum of the training targets. ``explain`` lists the largest weights.
# ``standard_error`` estimates how far the prediction would vary with other noise.

predicted, error = model.predict(patient).item(), model.standard_error(patient).item()
print(f"Patient 0: measured {y[0]:.0f}, predicted {predicted:.0f} (standard error {error:.0f}).")
table = model.explain(patient, top_k=5)
print(table.round(3).to_string(index=False))
print(X.loc[[0, *table["row"]], ["age", "sex", "bmi", "bp", "s5"]].to_string())

# %%
# The figure
# ----------
# The left panel shows the score of each candidate in the search. The right panel shows the patients
# with the largest weights in the prediction for patient 0.

from pathlib import Path

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10.5, 4.4), width_ratios=[1.2, 1], layout="constrained"
)
BandwidthDisplay.from_estimator(model, ax=left)
ExplanationDisplay.from_estimator(model, patient, top_k=10, ax=right)
right.set_ylabel("rows behind patient 0")

if "__file__" in globals():  # a script; a notebook shows the figure itself
    path = Path(__file__).with_name("quickstart.png")
    figure.savefig(path, dpi=150)
    print("The figure is saved as", path)
