"""
Quickstart: a tuned model, and what it attends to
=================================================

The diabetes data that scikit-learn ships hold ten measurements of each of 442 patients, and
how far their disease had progressed a year later. We tune a Nadaraya-Watson regressor on
them, compare it with nearest neighbours, and look at the patients behind one prediction.
"""

# %%
# Two estimators, tuned alike
# ---------------------------
# The bandwidth says how near is near. Here it is one number for all features, so these are
# first brought to unit spread. For nearest neighbours the number of neighbours plays the same
# part. Cross-validation chooses both.

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonRegressor

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)


def tuned(regressor, **candidates):
    return GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("regress", regressor)]),
        {f"regress__{name}": values for name, values in candidates.items()},
        cv=KFold(5, shuffle=True, random_state=0),
    )


attention = tuned(NadarayaWatsonRegressor(), bandwidth=np.geomspace(0.25, 4, 9))
neighbors = tuned(KNeighborsRegressor(), n_neighbors=[1, 2, 4, 8, 12, 16, 24, 32, 64])

# %%
# How well do they predict?
# -------------------------
# Rows that chose a bandwidth cannot also judge it. So the tuning is repeated within each
# training part of an outer cross-validation, which is the same for both.

folds = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
print("Cross-validated R2, mean and standard deviation over 10 folds:")
for search in (attention, neighbors):
    scores = cross_val_score(search, X, y, cv=folds)
    name = type(search.estimator["regress"]).__name__
    print(f"    {name:24} {scores.mean():.3f} ± {scores.std():.3f}")

# %%
# Within the spread of the folds they are level. What sets the Nadaraya-Watson regressor apart is
# that its prediction is smooth in the features, and comes with the weights it is made of.

# %%
# What does a prediction rest on?
# -------------------------------
# We set the first patient aside, fit the others, and ask for the five largest of the weights
# that make the prediction.

patient, others = X.iloc[:1], X.iloc[1:]
attention.fit(others, y[others.index])
bandwidth = attention.best_params_["regress__bandwidth"]
print(f"Chosen bandwidth: {bandwidth:.2f} standard deviations of each feature.")

model = attention.best_estimator_
print(f"Patient 0: predicted {model.predict(patient)[0]:.0f}, measured {y[0]:.0f}.")

weights = model[-1].attention_weights(model[:-1].transform(patient), top_k=5).ravel()
top = np.argsort(-weights)[:5]
attended = others.iloc[top]
table = attended[["age", "bmi", "bp"]].assign(
    weight=weights[top].round(3), target=y[attended.index]
)
print(f"The five patients it attends to most have {weights.sum():.0%} of the weight:")
print(table.to_string())

# %%
# Seen in a figure
# ----------------
# On the left, the body mass index alone, with the default bandwidth: the weights that the same
# patient gives the others, and the curve that such weights make. On the right, the tuning of
# the model on all ten features.

from pathlib import Path

import matplotlib.pyplot as plt

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10.5})
shade = plt.get_cmap("Blues")
ring = {"marker": "o", "markersize": 9, "color": "white", "markeredgecolor": "black"}
figure, (left, right) = plt.subplots(
    1, 2, figsize=(10.5, 4.4), width_ratios=[1.3, 1], layout="constrained"
)

bmi, query = others[["bmi"]].to_numpy(), patient[["bmi"]].to_numpy()
progression = y[others.index].to_numpy()
by_bmi = NadarayaWatsonRegressor().fit(bmi, progression)
weight = by_bmi.attention_weights(query).ravel()
weight /= weight.max()
heavy_last = np.argsort(weight)
left.scatter(
    bmi[heavy_last],
    progression[heavy_last],
    s=12 + 48 * weight[heavy_last],
    color=shade(0.1 + 0.9 * weight[heavy_last]),
    edgecolor="0.6",
    linewidth=0.4,
)

floor = -60
grid = np.linspace(17, 43, 500)
kernel = by_bmi.kernel_((grid - query.item()) / by_bmi.bandwidth_)
left.bar(grid, 50 * kernel, np.ptp(grid) / 499, floor, color=shade(0.1 + 0.9 * kernel))
left.plot(grid, floor + 50 * kernel, color=shade(0.8), linewidth=1)
left.annotate("attention weight", (29, floor + 12), ha="right")

prediction = by_bmi.predict(query).item()
left.plot(grid, by_bmi.predict(grid[:, None]), color="black", linewidth=2)
left.vlines(query, floor, prediction, color="black", linewidth=1, linestyle=":")
left.plot(query, prediction, **ring, markeredgewidth=2)
left.annotate(
    "prediction: the mean\nof all, by weight",
    (query.item(), prediction),
    (36.2, 110),
    arrowprops={"arrowstyle": "-", "shrinkB": 6},
)
left.set(
    xlabel="body mass index (kg/m²)",
    ylabel="disease progression after a year",
    yticks=range(0, 351, 50),
    ylim=(floor, 350),
)
left.set_title("One prediction, by body mass index alone", loc="left")

neighbors.fit(others, progression)
right.axhline(neighbors.best_score_, color="0.5", linewidth=1.2, linestyle="--")
right.annotate("nearest neighbours", (0.25, neighbors.best_score_ + 0.008), color="0.35")

tried = attention.cv_results_["param_regress__bandwidth"].astype(float)
right.plot(tried, attention.cv_results_["mean_test_score"], "o-", color=shade(0.9), markersize=5)
right.plot(bandwidth, attention.best_score_, **ring, markeredgewidth=2)
right.annotate(f"chosen: {bandwidth:.2f}", (bandwidth, attention.best_score_ + 0.023), ha="center")
right.annotate("narrow: the nearest\nrow decides alone", (0.25, 0.03), color="0.35")
right.annotate("wide: all rows\ncount alike", (4, 0.03), color="0.35", ha="right")
right.set_xscale("log")
right.set_xticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
right.minorticks_off()
right.set(
    xlabel="bandwidth (standard deviations of each feature)",
    ylabel="cross-validated R²",
    ylim=(0, 0.5),
)
right.set_title("Tuning, on all ten features", loc="left")

folder = Path(__file__).parent if "__file__" in globals() else Path()
figure.savefig(folder / "quickstart.png", dpi=150)
