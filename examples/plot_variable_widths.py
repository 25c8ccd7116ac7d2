"""
Widths that vary
================

A narrow bandwidth suits regions with many rows, and a wide one suits sparse regions. A fixed
bandwidth cannot be both. ``KNearest`` gives each query its own width, and ``Adaptive`` gives each
training row its own. Both predict better than one fixed bandwidth in the two examples below, where
the rows are dense in one place and sparse elsewhere. For skewed columns, logarithms do as well.
"""

# %%
# A crash test
# ------------
# A classical data set for smoothing is the acceleration of a helmet in a simulated motorcycle
# accident. Our data imitate it, so that the truth is known. Most rows fall around the impact,
# where the curve changes fast, and few rows fall into the long rest.
#
# For each kind of width, leave-one-out chooses the best. ``KNearest`` uses a compact kernel, so
# that only `k` rows have weight. ``Adaptive`` has two parameters: the width where the density of
# rows is average, and the exponent of the density.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

from nwkr import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from nwkr.bandwidths import Adaptive, KNearest, Scott


def truth(time):
    return 45 * np.exp(-(((time - 33) / 5) ** 2)) - 110 * np.exp(-(((time - 21) / 4) ** 2))


def crash(seed):
    rng = np.random.default_rng(seed)
    time = np.append(rng.normal(23, 7, 120), rng.uniform(1, 90, 30)).clip(1, 90)
    return time[:, None], truth(time) + rng.normal(scale=12, size=150)


widths = [0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.7, 8.0]
kinds = {
    "fixed": ("gaussian", widths),
    "KNearest": ("tricube", [KNearest(k) for k in (4, 6, 8, 11, 16, 22, 32, 45, 64)]),
    "Adaptive": ("gaussian", [Adaptive(width, a) for width in widths for a in (0.5, 1)]),
}


def fit_each(rows):
    return {
        name: NadarayaWatsonRegressorCV(*kind, degrees=(0,)).fit(*rows)
        for name, kind in kinds.items()
    }


def chosen(model):
    """The chosen candidate."""
    return model.cv_results_["bandwidth"][np.argmax(model.cv_results_["score"])]


time, acceleration = crash(seed=0)
models = fit_each((time, acceleration))
for name, model in models.items():
    error = np.sqrt(-model.best_score_)
    print(f"{name:8}  leave-one-out error {error:.1f}, chosen: {chosen(model)}")

# %%
# The upper panels show the fits, the lower panels the width at each place, measured as the
# standard deviation of the kernel. The fixed width suits the impact, but follows single rows in
# the rest. The other two are narrow at the impact and wide in the rest.

grid = np.linspace(0, 90, 901)[:, None]
counts = np.ones(len(time))
fixed, nearest, adaptive = models.values()
of_queries = chosen(nearest).query_widths(grid, time, counts, "euclidean", leave_out=None)
of_rows = chosen(adaptive).key_widths(time, counts, adaptive.kernel_, adaptive.bandwidth_)
drawn = [
    (grid, np.full(len(grid), fixed.bandwidth_), "-"),
    (grid, of_queries * nearest.kernel_.std(1), "-"),
    (time, of_rows * adaptive.bandwidth_, "."),
]

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(
    2, 3, figsize=(10, 5), sharex=True, sharey="row", height_ratios=[2.2, 1], layout="constrained"
)
for (above, below), (name, model), (where, width, style) in zip(axes.T, models.items(), drawn):
    above.plot(time, acceleration, "o", color="0.7", markersize=3, label="rows")
    above.plot(grid, truth(grid), "--", color="black", linewidth=1.2, label="truth")
    above.plot(grid, model.predict(grid), color="#0072B2", linewidth=2, label="fit")
    above.set_title(name, loc="left")
    below.plot(where, width, style, color="#0072B2", markersize=4)
    below.set(yscale="log", xlabel="time (ms)")
axes[0, 2].legend(frameon=False, loc="lower right")
axes[0, 0].set_ylabel("acceleration (g)")
axes[1, 0].set_ylabel("width (ms)")
axes[1, 0].set_yticks([0.3, 1, 3, 10], ["0.3", "1", "3", "10"])
plt.show()

# %%
# A single sample may be a coincidence. This is the average over twenty samples:

errors = {name: [] for name in kinds}
for seed in range(20):
    for name, model in fit_each(crash(seed)).items():
        off = np.sqrt(np.mean((model.predict(grid) - truth(grid.ravel())) ** 2))
        errors[name].append([np.sqrt(-model.best_score_), off])
for name, pairs in errors.items():
    left_out, off = np.mean(pairs, axis=0)
    print(f"{name:8}  leave-one-out error {left_out:.2f}, distance from the truth {off:.1f}")

# %%
# The noise alone gives an error of 12. The rest of the error is the distance from the truth.

# %%
# Skewed features
# ---------------
# Many non-negative quantities have most values near zero and a long tail. So do these two
# measurements of tumours of the breast. A narrow fixed width fits single rows in the tail, and a
# wide one blurs the dense part. One remedy is to take logarithms of the columns. Varying widths
# need no transformation. ``KNearest`` has one distance for both features, so we divide them by
# their spread. All models are shares of weights (``degrees=(0,)``), and each has one width to
# choose. We judge them on held-out rows: twice five folds, with a search in each.

cancer = load_breast_cancer(as_frame=True)
measured = cancer.data[["area error", "symmetry error"]]
spread = measured.std().to_numpy()
X = measured.to_numpy() / spread
malignant = cancer.target.to_numpy() == 0


def multiples_of_scott(X):
    return [multiple * Scott()(X) for multiple in 2 ** np.arange(-3, 2.1, 0.5)]


neighbors = [KNearest(k) for k in (8, 16, 32, 45, 64, 90)]
one_width = {"degrees": (0,), "per_feature": False}
kinds = {
    "fixed": (X, "gaussian", multiples_of_scott(X)),
    "fixed, of logarithms": (np.log(X), "gaussian", multiples_of_scott(np.log(X))),
    "KNearest": (X, "tricube", neighbors),
    "Adaptive": (X, "gaussian", [Adaptive(width) for width in multiples_of_scott(X)]),
}
models = {
    name: NadarayaWatsonClassifierCV(kernel, bandwidths, **one_width).fit(rows, malignant)
    for name, (rows, kernel, bandwidths) in kinds.items()
}
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
for name, model in models.items():
    rows, *_ = kinds[name]
    losses = -cross_val_score(model, rows, malignant, cv=folds, scoring="neg_log_loss")
    print(f"{name:20}  log loss on held-out rows: {losses.mean():.2f}")

# %%
# Circles are benign tumours, triangles malignant ones. On the black line both are equally
# probable. With the fixed width, single rows in the tails bend this line and surround it with
# certainty. With varying widths the probabilities are moderate where rows are few.

across, up = np.meshgrid(np.geomspace(5, 600, 161), np.geomspace(0.0075, 0.083, 161))
plane = np.column_stack([across.ravel(), up.ravel()]) / spread
shades = plt.get_cmap("RdBu_r")(np.linspace(0.15, 0.85, 10))

figure, axes = plt.subplots(1, 4, figsize=(10, 3.4), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items()):
    queries = np.log(plane) if "logarithms" in name else plane
    probability = model.predict_proba(queries)[:, 1].reshape(across.shape)
    filled = ax.contourf(across, up, probability, np.linspace(0, 1, 11), colors=shades)
    ax.contour(across, up, probability, [0.5], colors="black", linewidths=1.5)
    for group, marker, fill in [(~malignant, "o", "none"), (malignant, "^", "full")]:
        rows = measured[group].to_numpy().T
        ax.plot(*rows, marker, color="0.25", markersize=2.5, markeredgewidth=0.4, fillstyle=fill)
    ax.set_title(name, loc="left")
    ax.set(xscale="log", yscale="log", xlabel="area error (log scale)")
    ax.set_xticks([10, 100], ["10", "100"])
    ax.set_yticks([0.01, 0.02, 0.05], ["0.01", "0.02", "0.05"])
    ax.minorticks_off()
axes[0].set_ylabel("symmetry error (log scale)")
figure.colorbar(filled, ax=axes, label="P(malignant)", ticks=[0, 0.5, 1], pad=0.01, aspect=30)
plt.show()
