"""
Quickstart: a table, a model, and the rows behind a prediction
==============================================================

The diabetes data that scikit-learn ships hold ten measurements of each of 442 patients, and how far
their disease had progressed a year later. We fit the table as it is, without a knob, compare the
model with nearest neighbours and kernel ridge, and look at the patients behind one prediction.
"""

# %%
# Fit it
# ------
# :class:`~nwkr.NadarayaWatsonRegressorCV` needs no scaling and no parameter. It compares means with
# local lines, and one bandwidth for all features with one for each; every candidate predicts each
# patient from all others, and the best is kept. A bandwidth is a width in the units of its feature:
# with local lines, `inf` makes a feature linear.

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
# Tuning must be judged on other rows. So every model is tuned within the training part of each of
# five folds. Nearest neighbours and kernel ridge need columns of one scale, and a grid; kernel
# ridge needs a target of mean 0 as well.


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
print("R2 on rows kept apart, mean over 5 folds:")
for name, contender in contenders.items():
    print(f"    {name:26} {cross_val_score(contender, X, y, cv=folds).mean():.3f}")

# %%
# What does a prediction rest on?
# -------------------------------
# A prediction is a weighted sum of the training targets. ``explain`` lists the largest weights, and
# ``standard_error`` says how far the prediction would vary with other noise.

predicted, error = model.predict(patient).item(), model.standard_error(patient).item()
print(f"Patient 0: predicted {predicted:.0f} ± {error:.0f}, measured {y[0]:.0f}.")
table = model.explain(patient, top_k=5)
print(table.round(3).to_string(index=False))
print(X.loc[[0, *table["row"]], ["age", "sex", "bmi", "bp", "s5"]].to_string())

# %%
# Seen in a figure
# ----------------
# On the left, the search: what each candidate scored. On the right, the patients that weigh most in
# the prediction for patient 0.

from pathlib import Path

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10.5, 4.4), width_ratios=[1.2, 1], layout="constrained"
)
BandwidthDisplay.from_estimator(model, ax=left)
ExplanationDisplay.from_estimator(model, patient, top_k=10, ax=right)
right.set_ylabel("rows behind patient 0")

folder = Path(__file__).parent if "__file__" in globals() else Path()
figure.savefig(folder / "quickstart.png", dpi=150)
print("The figure is saved as", folder / "quickstart.png")
