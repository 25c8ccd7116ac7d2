"""
Attention pooling by similarity
===============================

The `chapter on attention pooling
<https://d2l.ai/chapter_attention-mechanisms-and-transformers/attention-pooling.html>`_ of *Dive
into Deep Learning* introduces attention by way of Nadaraya-Watson regression. A query attends
to the training inputs, its keys, by their similarity; the answer is the mean of their targets,
the values, under these weights. This page goes through the figures of that chapter: four
kernels, their fits, the attention behind the fits, and what the width of the kernel does.
"""

# %%
# Four kernels
# ------------
# A kernel says how much weight a key gets at a given distance from the query. The Gaussian
# fades gradually and never ends; the boxcar counts all keys within distance 1 alike; the
# constant kernel does not look at the distance at all. The fourth, which falls in a straight
# line from 1 to 0, is called Epanechnikov in the chapter. Statistics knows it as the
# triangular kernel, and keeps the other name for the parabola :math:`1 - u^2`; so does nwkr.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm

from nwkr import NadarayaWatsonRegressor
from nwkr.kernels import KERNELS

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
names = ["gaussian", "boxcar", "constant", "triangular"]


def row_of_panels(height, **kwargs):
    figure, axes = plt.subplots(
        1, 4, figsize=(10, height), sharex=True, sharey=True, layout="constrained", **kwargs
    )
    return figure, axes


distance = np.linspace(-2.5, 2.5, 501)
figure, axes = row_of_panels(2.2)
for ax, name in zip(axes, names):
    ax.plot(distance, KERNELS[name](distance), color="black")
    ax.set_title(name)
    ax.set_xlabel("query - key")
axes[0].set_ylabel("weight")
plt.show()

# %%
# Any function of the distance can be a kernel too, just as one would write it down. This one
# is recognised as the Gaussian.

written_out = NadarayaWatsonRegressor(kernel=lambda u: np.exp(-(u**2) / 2), bandwidth=1.0)
print(written_out.fit([[0.0], [1.0]], [0.0, 1.0]).kernel_.name)

# %%
# Four fits
# ---------
# Forty points scatter about :math:`2 \sin x + x` with unit normal noise, and we ask for the
# curve at 0, 0.1, ..., 4.9. All kernels have bandwidth 1, as in the chapter.


def truth(x):
    return 2 * np.sin(x) + x


rng = np.random.default_rng(0)
keys = np.sort(rng.uniform(0, 5, 40))
values = truth(keys) + rng.normal(size=40)
queries = np.arange(0, 5, 0.1)


def fit(kernel, bandwidth):
    return NadarayaWatsonRegressor(kernel, bandwidth).fit(keys[:, None], values)


def show_fits(models, titles):
    figure, axes = row_of_panels(2.7)
    for ax, model, title in zip(axes, models, titles):
        ax.plot(keys, values, "o", color="0.65", markersize=4, label="data")
        ax.plot(queries, truth(queries), "--", color="black", linewidth=1.2, label="truth")
        ax.plot(
            queries, model.predict(queries[:, None]), color="#0072B2", linewidth=2.2, label="fit"
        )
        ax.set_title(title)
        ax.set_xlabel("x")
    axes[0].set_ylabel("y")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside right center")
    plt.show()


kernels = [fit(name, 1.0) for name in names]
show_fits(kernels, names)

# %%
# The constant kernel gives the mean of all targets, whatever the query. The boxcar's fit has
# steps, for keys enter and leave it with their whole weight. The triangular kernel does best
# here and the Gaussian stays rather flat, but that is a matter of width more than of shape: with
# bandwidth 1, the standard deviations of these kernels differ.

for name in ["gaussian", "boxcar", "triangular"]:
    print(f"{name:10}  standard deviation {KERNELS[name].std(n_features=1):.2f}")

# %%
# Brought to the standard deviation that the triangular kernel has, the Gaussian makes much the
# same curve. (Bandwidths given by rule, such as ``"scott"``, are translated in this way.)

same_width = fit("gaussian", KERNELS["triangular"].std(n_features=1))
triangular = kernels[3].predict(queries[:, None])
for label, model in [("bandwidth 1", kernels[0]), ("same width", same_width)]:
    gap = np.abs(model.predict(queries[:, None]) - triangular).mean()
    print(f"Gaussian, {label}: on average {gap:.2f} from the triangular kernel's fit")

# %%
# Four ways to attend
# -------------------
# Each row of a heat map shows how one query shares its attention among the keys: the weights
# in a row sum to 1. (The chapter draws the transpose, keys by queries.) They are what makes
# the prediction:

for model in kernels:
    weights = model.attention_weights(queries[:, None])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights @ values, model.predict(queries[:, None]))


def show_attention(models, titles):
    figure, axes = row_of_panels(2.9)
    attention = [model.attention_weights(queries[:, None]) for model in models]
    # One scale for all four, of square roots, so that small weights are seen beside large ones.
    scale = PowerNorm(0.5, vmin=0, vmax=np.max(attention))
    for ax, weights, title in zip(axes, attention, titles):
        image = ax.imshow(
            weights, norm=scale, aspect="auto", origin="lower", extent=(0.5, 40.5, -0.05, 4.95)
        )
        ax.set_title(title)
        ax.set_xlabel("key (sorted)")
    axes[0].set_ylabel("query")
    figure.colorbar(image, ax=axes, label="attention weight", pad=0.01)
    plt.show()


show_attention(kernels, names)

# %%
# The band is where the attention goes, and it bends because the keys are not spaced evenly. The
# boxcar's has sharp edges; the Gaussian's has none.

# %%
# Four widths
# -----------
# What does matter is the width. A narrow Gaussian attends to the next few keys, and its fit
# follows their noise; a wide one attends to nearly all, and its fit flattens out.

widths = [0.1, 0.2, 0.5, 1.0]
gaussians = [fit("gaussian", width) for width in widths]
titles = [f"bandwidth {width}" for width in widths]
show_fits(gaussians, titles)

# %%
# In the heat maps the band widens, and the weights in it grow smaller. At bandwidth 0.1 a
# lonely key can have nearly all the attention of the queries next to it.

show_attention(gaussians, titles)

# sphinx_gallery_thumbnail_number = 3
