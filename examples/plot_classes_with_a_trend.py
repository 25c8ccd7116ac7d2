"""
Classes with a trend
====================

With ``degree=0`` the probability of a class is its share of the weights around a query. These
shares are flat where rows are sparse, and noisy where classes meet. With ``degree=1`` a classifier
starts from a logistic regression and corrects it by one step towards the classes around the query.
In this example the border between two classes bends. A logistic regression alone cannot follow it,
and class shares alone cannot continue it beyond the data. With ``degree=1`` the log loss on new
rows is the lowest of the three.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonClassifierCV


def draw(n_rows, seed):
    """Rows of two columns, and classes whose logits have a trend and a bend."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 2)) * 1.5
    logits = 2 * X[:, 0] + 2.5 * np.sin(1.5 * X[:, 1])
    return X, (rng.uniform(size=n_rows) < expit(logits)).astype(int)


plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
X, y = draw(500, seed=0)
new, truth = draw(5_000, seed=1)
models = {
    "degree=0": NadarayaWatsonClassifierCV(degrees=[0]).fit(X, y),
    "trend alone": NadarayaWatsonClassifier(bandwidth=np.inf, degree=1).fit(X, y),
    "degree=1": NadarayaWatsonClassifierCV(degrees=[1]).fit(X, y),
}

# %%
# The surfaces
# ------------
# Colours show probabilities. On the black line both classes are equally probable; the true line is
# dashed. Far from all rows, ``degree=0`` predicts the class of the nearest rows with certainty, and
# ``degree=1`` follows the trend.

across = np.linspace(-6, 6, 121)
grid = np.stack(np.meshgrid(across, across), axis=-1)
figure, panels = plt.subplots(1, 3, figsize=(10, 3.8), sharey=True, layout="constrained")
for panel, (name, model) in zip(panels, models.items(), strict=True):
    surface = model.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(121, 121)
    shades = panel.contourf(
        across, across, surface, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.6
    )
    panel.contour(across, across, surface, levels=[0.5], colors="black", linewidths=1.5)
    panel.plot(-1.25 * np.sin(1.5 * across), across, "--", color="black", linewidth=1.3)
    for label, color in enumerate(["#B2182B", "#2166AC"]):
        panel.scatter(*X[y == label].T, s=7, color=color, edgecolors="white", linewidths=0.3)
    loss = log_loss(truth, model.predict_proba(new))
    panel.set(title=f"{name}: log loss {loss:.3f}", xlabel="x1", xlim=(-6, 6), ylim=(-6, 6))
panels[0].set_ylabel("x2")
figure.colorbar(shades, ax=panels, label="probability of class 1", shrink=0.9)
plt.show()

# %%
# Calibration, and certainty
# --------------------------
# New rows are grouped by their predicted probability. The left panel shows the share of class 1 in
# each group; on the diagonal it equals the prediction. All models are close to it. The trend alone
# is closest, and yet its log loss is the largest, because it is seldom certain: the right panel
# counts the new rows in each group. The other two are certain more often. In between they are a
# little too cautious: classes are farther from one half than predicted.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
styles = {
    "degree=0": ("o-", "#0072B2"),
    "trend alone": ("s--", "#D55E00"),
    "degree=1": ("D-.", "#009E73"),
}
for name, model in models.items():
    probability = model.predict_proba(new)[:, 1]
    shares, foretold = calibration_curve(truth, probability, n_bins=10)
    counts, edges = np.histogram(probability, bins=10, range=(0, 1))
    style, color = styles[name]
    left.plot(foretold, shares, style, color=color, markersize=5, label=name)
    right.plot((edges[1:] + edges[:-1]) / 2, counts, style, color=color, markersize=5)
left.set(xlabel="probability of class 1", ylabel="share of class 1 among new rows")
right.set(xlabel="probability of class 1", ylabel="new rows in the group", ylim=(0, None))
left.legend(frameon=False)
plt.show()

# %%
# The search compares all three and further models by leave-one-out, and keeps the best.

model = NadarayaWatsonClassifierCV().fit(X, y)
print(f"degree {model.degree_}, bandwidths {model.bandwidth_.round(2)}")
