"""
Parzen windows and Nadaraya-Watson classification
=================================================

A density classifier estimates the density of each class, multiplies it by the class frequency, and
predicts the class with the larger product. With Parzen windows as density estimates, its labels and
probabilities equal those of Nadaraya-Watson classification. We check both on benign and malignant
tumours of the breast.
"""

# %%
# Why it is the same
# ------------------
# The Parzen density of a class of :math:`n_c` rows, with kernel :math:`K` of integral
# :math:`Z` and bandwidth :math:`b`, in :math:`d` dimensions, is
#
# .. math:: p_c(x) = \frac{1}{n_c} \sum_{i: y_i = c} \frac{1}{Z b^d} K(\|x - x_i\| / b)
#
# and the frequency of that class among the :math:`n` rows is :math:`n_c / n`. In their product,
# :math:`n_c` cancels:
#
# .. math:: \frac{n_c}{n} p_c(x) = \frac{1}{n Z b^d} \sum_{i: y_i = c} K(\|x - x_i\| / b)
#
# Bayes' rule divides this by its sum over the classes, and the factor in front cancels too. The
# result is the share of class :math:`c` in the weights: the prediction of
# :class:`~nwkr.NadarayaWatsonClassifier`. For two classes it exceeds one half where the difference
# of the two products is positive. The only assumption is the same bandwidth for all classes.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import scale

from nwkr import NadarayaWatsonClassifier

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
diagnosis = np.where(y == 0, "malignant", "benign")
classes = np.unique(diagnosis)
for name in classes:
    print(f"{name:9}  {np.mean(diagnosis == name):.0%} of {len(y)} tumours")


def log_products(X, y, queries, kernel, bandwidth):
    """Logarithm of class frequency times density at the queries, a column for each class."""
    columns = []
    for name in classes:
        # One leaf for all rows: a deeper tree saves time, but loses half of the digits.
        density = KernelDensity(kernel=kernel, bandwidth=bandwidth, leaf_size=len(X))
        log_density = density.fit(X[y == name]).score_samples(queries)
        columns.append(np.log(np.mean(y == name)) + log_density)
    return np.column_stack(columns)


# %%
# One feature
# -----------
# We use the mean radius of the cell nuclei, and a Gaussian with bandwidth 1. The upper panel shows
# the density of each class times its frequency. The lower panel shows the probability from the
# classifier. It is one half where the curves above cross.

radius = X[["mean radius"]].to_numpy()
line = np.linspace(5, 30, 1001)[:, None]

products = log_products(radius, diagnosis, line, "gaussian", bandwidth=1.0)
model = NadarayaWatsonClassifier(bandwidth=1.0).fit(radius, diagnosis)
probability = model.predict_proba(line)
np.testing.assert_allclose(probability, softmax(products, axis=1), rtol=1e-10)
np.testing.assert_array_equal(model.predict(line), classes[products.argmax(axis=1)])

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
colors, styles, places = ["#0072B2", "#D55E00"], ["-", "--"], [(8.0, 0.1), (20.3, 0.042)]
for column, name in enumerate(classes):
    curve = np.exp(products[:, column])
    rows = radius[diagnosis == name]
    above.fill_between(line.ravel(), curve, color=colors[column], alpha=0.15, linewidth=0)
    above.plot(line, curve, styles[column], color=colors[column])
    above.annotate(name, places[column], color=colors[column])
    below.plot(rows, np.full(len(rows), column), "|", color=colors[column], alpha=0.5)
below.plot(line, probability[:, 1], color="black")

boundary = line[np.argmax(probability[:, 1] > 0.5)].item()
for ax in (above, below):
    ax.axvline(boundary, color="black", linewidth=1, linestyle=":")
below.plot(boundary, 0.5, "o", color="white", markeredgecolor="black", markeredgewidth=1.5)
below.annotate(f"one half, at {boundary:.1f}", (boundary + 0.6, 0.46))
above.set(ylabel="frequency × density", ylim=(0, None))
below.set(xlabel="mean radius", ylabel="P(malignant)")
plt.show()

# %%
# Two features, six kernels
# -------------------------
# The argument holds for any kernel and any number of features. `KernelDensity` has six of nwkr's
# kernels, partly under other names. Where a compact kernel reaches no row, all densities are 0, and
# the classifier follows `handle_empty`.

pair = scale(X[["mean radius", "mean texture"]])
bandwidth = 0.4
across, up = np.meshgrid(np.linspace(-2.5, 4.5, 141), np.linspace(-2.5, 5, 151))
plane = np.column_stack([across.ravel(), up.ravel()])

names_in_sklearn = {
    "gaussian": "gaussian",
    "exponential": "exponential",
    "boxcar": "tophat",
    "triangular": "linear",
    "epanechnikov": "epanechnikov",
    "cosine": "cosine",
}
for kernel, name in names_in_sklearn.items():
    products = log_products(pair, diagnosis, plane, name, bandwidth)
    reached = np.isfinite(products).any(axis=1)
    by_density = softmax(products[reached], axis=1)
    model = NadarayaWatsonClassifier(kernel, bandwidth).fit(pair, diagnosis)
    by_attention = model.predict_proba(plane[reached])
    np.testing.assert_allclose(by_attention, by_density, rtol=1e-10, atol=1e-12)

    # The boxcar counts rows. Where the counts of both classes are equal, rounding decides.
    decided = ~np.isclose(*by_density.T)
    np.testing.assert_array_equal(
        model.predict(plane[reached][decided]), classes[by_density[decided].argmax(axis=1)]
    )
    print(f"{kernel:12}  equal where a row is in reach: {reached.mean():4.0%} of the plane")

# %%
# The figure shows the difference of the densities and the probability, for the Gaussian. They look
# different, because a density also shows how many rows are near, and a probability does not. But
# the difference is 0 where the probability is one half. Circles are benign tumours, triangles
# malignant ones.

products = log_products(pair, diagnosis, plane, "gaussian", bandwidth)
difference = np.diff(np.exp(products), axis=1).reshape(across.shape)
model = NadarayaWatsonClassifier(bandwidth=bandwidth).fit(pair, diagnosis)
probability = model.predict_proba(plane)[:, 1].reshape(across.shape)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharex=True, sharey=True, layout="constrained")
shades = plt.get_cmap("RdBu_r")(np.linspace(0.15, 0.85, 10))
steps = np.array([0.005, 0.02, 0.05, 0.1, 0.2])
panels = [
    ("Frequency × density, malignant minus benign", difference, [*-steps[::-1], 0, *steps], 0),
    ("P(malignant)", probability, np.linspace(0, 1, 11), 0.5),
]
for ax, (title, height, levels, middle) in zip(axes, panels):
    filled = ax.contourf(across, up, height, levels, colors=shades)
    figure.colorbar(filled, ax=ax, ticks=levels, pad=0.01, aspect=30)
    ax.contour(across, up, height, [middle], colors="black", linewidths=2)
    for name, marker, fill in zip(classes, ["o", "^"], ["none", "full"]):
        rows = pair[diagnosis == name].T
        ax.plot(*rows, marker, color="0.25", markersize=3, markeredgewidth=0.5, fillstyle=fill)
    ax.set_title(title, loc="left")
    ax.set_xlabel("mean radius (standardised)")
axes[0].set_ylabel("mean texture (standardised)")
plt.show()

# sphinx_gallery_thumbnail_number = 2
