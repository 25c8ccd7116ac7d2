"""
A learned metric
================

One bandwidth for each feature is not enough if the target depends on *combinations* of features.
With ``n_components``, the search learns a projection of the features whose distances predict best.
In the terms of attention, a learned linear map computes queries and keys. On both data sets below,
the search predicts better than without a projection.

The first data are Friedman's: ten features, of which five matter. We rotate them, so that every
column is a mixture of all ten.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import ortho_group
from sklearn.datasets import load_digits, make_friedman1
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
X, y = make_friedman1(1300, noise=1.0, random_state=0)
X = (X - 0.5) @ ortho_group.rvs(10, random_state=0)
known, new = slice(300), slice(300, None)
grid = {"alpha": [0.01, 0.1, 1.0], "gamma": np.logspace(-3, 0, 7)}
models = {
    "learned metric": NadarayaWatsonRegressorCV(n_components="all"),
    "one bandwidth for each feature": NadarayaWatsonRegressorCV(),
    "kernel ridge": make_pipeline(StandardScaler(), GridSearchCV(KernelRidge(kernel="rbf"), grid)),
    "random forest": RandomForestRegressor(random_state=0),
    "ridge": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 11))),
}
centre = y[known].mean()  # kernel ridge has no intercept
r2 = {}
for name, model in models.items():
    r2[name] = model.fit(X[known], y[known] - centre).score(X[new], y[new] - centre)
    print(f"{name:32} R2 on new rows {r2[name]:.2f}")

# %%
# ``projection_`` has a row for each component, in units of the bandwidth. The components are
# uncorrelated, and sorted by how far they spread: the first ones decide which rows are near.
metric = models["learned metric"]
spread = (X[known] @ metric.projection_.T).std(axis=0)
print("standard deviation of each component:", spread.round(1))

# %%
# The other data are images of digits, with 64 pixels as features. We learn ten components from
# 1,000 images, by the leave-one-out log loss. scikit-learn's ``NeighborhoodComponentsAnalysis``
# learns the same number of components by a related loss, for nearest neighbours.
images, digits = load_digits(return_X_y=True)
some, others, labels, truth = train_test_split(
    images, digits, train_size=1000, random_state=0, stratify=digits
)
plain = NadarayaWatsonClassifierCV(degrees=(0,), per_feature=False)
learned = NadarayaWatsonClassifierCV(degrees=(0,), per_feature=False, n_components=10)
components = NeighborhoodComponentsAnalysis(10, max_iter=50, random_state=0)
classifiers = {
    "one bandwidth": plain,
    "learned metric": learned,
    "NCA, 5 nearest": make_pipeline(components, KNeighborsClassifier(5)),
}
for name, model in classifiers.items():
    model.fit(some, labels)
    loss = log_loss(truth, model.predict_proba(others))
    print(f"{name:16} accuracy {model.score(others, truth):.3f}, log loss {loss:.2f}")

# %%
# The left panel shows the scores of the models, with nwkr in blue. The others show the two
# components with the largest spread of each projection, for new images: every image is at its
# place, drawn as its digit.
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
left.barh(list(r2), list(r2.values()), color=["#0072B2", "#56B4E9", "0.7", "0.7", "0.7"])
left.bar_label(left.containers[0], fmt="%.2f", padding=2)
left.set(xlim=(0, 1.1), xlabel="R² on new rows", title="Friedman 1, rotated")
left.invert_yaxis()
by_nca = components.transform(others)
places = {
    "Digits, learned metric": others @ learned.projection_[:2].T,
    "Digits, NCA": PCA(2).fit(components.transform(some)).transform(by_nca),
}
colors = ["#000000", "#0072B2", "#D55E00", "#009E73", "#AA3377"]
for axes, (title, points) in zip((middle, right), places.items()):
    for digit in range(10):
        axes.scatter(*points[truth == digit].T, s=18, marker=f"${digit}$", color=colors[digit % 5])
    axes.set(title=title, xlabel="first component", ylabel="second component")
plt.show()
