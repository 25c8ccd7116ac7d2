"""
Attention pooling by similarity
===============================

The `chapter on attention pooling
<https://d2l.ai/chapter_attention-mechanisms-and-transformers/attention-pooling.html>`_ of *Dive
into Deep Learning* introduces attention through Nadaraya-Watson regression. A query is compared
with the training inputs, the keys. The prediction is the mean of their targets, the values,
weighted by similarity. This example reproduces the figures of that chapter: four kernels, their
fits, their attention weights, and the effect of the width of the kernel. The width matters more
than the shape.
"""

# %%
# Four kernels
# ------------
# A kernel gives the weight of a key at a given distance from the query. The Gaussian decreases
# smoothly and is never 0. The boxcar gives all keys within distance 1 the same weight. The constant
# kernel ignores the distance. The fourth kernel falls on a straight line from 1 to 0. The chapter
# calls it Epanechnikov. In statistics and in nwkr it is the triangular kernel, and the Epanechnikov
# kernel is the parabola :math:`1 - u^2`.

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
# Any function of the distance can be a kernel too. This one is recognised as the Gaussian.

written_out = NadarayaWatsonRegressor(kernel=lambda u: np.exp(-(u**2) / 2), bandwidth=1.0)
print(written_out.fit([[0.0], [1.0]], [0.0, 1.0]).kernel_.name)

# %%
# Four fits
# ---------
# The data are forty points of :math:`2 \sin x + x` with standard normal noise. We predict the curve
# at 0, 0.1, ..., 4.9. All kernels have bandwidth 1, as in the chapter.


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
# The constant kernel predicts the mean of all targets for every query. The fit of the boxcar has
# steps, because keys enter and leave its window with full weight. The triangular kernel is best
# here, and the fit of the Gaussian is rather flat. The reason is the width more than the shape:
# with bandwidth 1, these kernels have different standard deviations.

for name in ["gaussian", "boxcar", "triangular"]:
    print(f"{name:10}  standard deviation {KERNELS[name].std(n_features=1):.2f}")

# %%
# With the same standard deviation as the triangular kernel, the Gaussian gives nearly the same
# curve. (Rules of thumb such as ``"scott"`` are translated between kernels in this way.)

same_width = fit("gaussian", KERNELS["triangular"].std(n_features=1))
triangular = kernels[3].predict(queries[:, None])
for label, model in [("bandwidth 1", kernels[0]), ("same width", same_width)]:
    gap = np.abs(model.predict(queries[:, None]) - triangular).mean()
    print(f"Gaussian, {label}: on average {gap:.2f} from the triangular kernel's fit")

# %%
# Attention weights
# -----------------
# Each row of a heat map shows the attention weights of one query over the keys. They sum to 1. (The
# chapter draws the transpose, keys by queries.) The prediction is their product with the values:

for model in kernels:
    weights = model.attention_weights(queries[:, None])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights @ values, model.predict(queries[:, None]))


def show_attention(models, titles):
    figure, axes = row_of_panels(2.9)
    attention = [model.attention_weights(queries[:, None]) for model in models]
    # One colour scale for all four, on square roots, so that small weights are visible too.
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
# The weights form a band, which bends because the keys are not evenly spaced. The band of the
# boxcar has sharp edges; that of the Gaussian has none.

# %%
# Four widths
# -----------
# The width matters most. A narrow Gaussian weights only the nearest keys, and its fit follows their
# noise. A wide Gaussian weights nearly all keys, and its fit is flat.

widths = [0.1, 0.2, 0.5, 1.0]
gaussians = [fit("gaussian", width) for width in widths]
titles = [f"bandwidth {width}" for width in widths]
show_fits(gaussians, titles)

# %%
# In the heat maps the band becomes wider and its weights smaller. At bandwidth 0.1, an isolated
# key may have nearly all the weight of the queries next to it.

show_attention(gaussians, titles)

# sphinx_gallery_thumbnail_number = 3
