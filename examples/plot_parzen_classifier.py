"""
Parzen windows and classification by attention
==============================================

To classify by density, one estimates how densely each class populates the space, counts in the
share of each class among the rows, and decides for the larger. With Parzen windows for the
densities this is Nadaraya-Watson classification: decision by decision, and probability by
probability. We check both on tumours of the breast, benign and malignant.
"""

# %%
# Why it is the same
# ------------------
# The Parzen density of a class of :math:`n_c` rows, with kernel :math:`K` of integral
# :math:`Z` and bandwidth :math:`b`, in :math:`d` dimensions, is
#
# .. math:: p_c(x) = \frac{1}{n_c} \sum_{i: y_i = c} \frac{1}{Z b^d} K(\|x - x_i\| / b)
#
# and the share of that class among the :math:`n` rows is :math:`n_c / n`. In their product
# :math:`n_c` cancels:
#
# .. math:: \frac{n_c}{n} p_c(x) = \frac{1}{n Z b^d} \sum_{i: y_i = c} K(\|x - x_i\| / b)
#
# Bayes' rule divides this by its sum over the classes, and then the factor in front cancels
# too. What remains is the part of the weights that goes to rows of class :math:`c`: the
# prediction of :class:`~nwkr.NadarayaWatsonClassifier`. For two classes it is above one half
# wherever the difference of the two products is positive. All this takes one bandwidth for all
# classes; nothing else.

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
    """Logarithm of share times density at the queries, a column for each class."""
    columns = []
    for name in classes:
        # One leaf for all rows: the tree saves time, but costs half of the digits.
        density = KernelDensity(kernel=kernel, bandwidth=bandwidth, leaf_size=len(X))
        log_density = density.fit(X[y == name]).score_samples(queries)
        columns.append(np.log(np.mean(y == name)) + log_density)
    return np.column_stack(columns)


# %%
# One feature
# -----------
# Take the mean radius of the cells' nuclei, and a Gaussian of bandwidth 1. Above, the densities
# of the two classes, each times its share; below, the probability by attention. It passes one
# half where the curves above cross.

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
above.set(ylabel="share × density", ylim=(0, None))
below.set(xlabel="mean radius", ylabel="P(malignant), by attention")
plt.show()

# %%
# Two features, six kernels
# -------------------------
# Nothing in the argument depends on the kernel, or on the number of features. `KernelDensity`
# shares six kernels with nwkr, under its own names. Those of compact support reach only so far:
# where no row is in reach, all densities are 0 and decide nothing, and the classifier does what
# `handle_empty` says.

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

    # The boxcar counts rows, and where it counts as many of each class, rounding decides.
    decided = ~np.isclose(*by_density.T)
    np.testing.assert_array_equal(
        model.predict(plane[reached][decided]), classes[by_density[decided].argmax(axis=1)]
    )
    print(f"{kernel:12}  alike wherever it reaches: {reached.mean():4.0%} of the plane")

# %%
# For the Gaussian, the difference of the densities beside the probability. They look unlike,
# for the density says how much is known and the probability does not; but one is 0 where the
# other is one half. Open circles are benign tumours, triangles malignant ones.

products = log_products(pair, diagnosis, plane, "gaussian", bandwidth)
difference = np.diff(np.exp(products), axis=1).reshape(across.shape)
model = NadarayaWatsonClassifier(bandwidth=bandwidth).fit(pair, diagnosis)
probability = model.predict_proba(plane)[:, 1].reshape(across.shape)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharex=True, sharey=True, layout="constrained")
shades = plt.get_cmap("RdBu_r")(np.linspace(0.15, 0.85, 10))
steps = np.array([0.005, 0.02, 0.05, 0.1, 0.2])
panels = [
    ("Share × density, malignant less benign", difference, [*-steps[::-1], 0, *steps], 0),
    ("P(malignant), by attention", probability, np.linspace(0, 1, 11), 0.5),
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
