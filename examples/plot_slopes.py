"""
Slopes: how a prediction changes
================================

``gradient`` returns the slopes of the fitted function, exactly: the derivative of the formula that
`predict` evaluates, by each feature. We compare it with the slopes of the truth, along a curve and
over a plane, and see that slopes want a wider window than curves do.
"""

# %%
# Along a curve
# -------------
# Three hundred points scatter about a curve that is known, and so is its slope. Leave-one-out
# chooses a bandwidth, which is right for the curve. Its slope swings about the true one: what is a
# small wiggle of the fit is a large one of the slope. With twice the bandwidth the curve is much
# the same, and the slope a lot better. (In theory, too, the best bandwidth for a slope is wider: as
# rows become more it shrinks like :math:`n^{-1/7}`, that for the curve like :math:`n^{-1/5}`.)

import matplotlib.pyplot as plt
import numpy as np

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.displays import PredictionDisplay
from nwkr.kernels import KERNELS

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def truth(x):
    return 2 * np.sin(x) + x


def true_slope(x):
    return 2 * np.cos(x) + 1


rng = np.random.default_rng(0)
x = rng.uniform(0, 5, 300)
y = truth(x) + rng.normal(scale=0.5, size=300)
chosen = NadarayaWatsonRegressorCV(degrees=(0,)).fit(x[:, None], y)
width = chosen.bandwidth_.item()
wider = NadarayaWatsonRegressor(bandwidth=2 * width).fit(x[:, None], y)
fits = [
    (chosen, f"bandwidth {width:.2f}, chosen", "#0072B2", "-"),
    (wider, f"bandwidth {2 * width:.2f}", "#D55E00", "-."),
]

grid = np.linspace(0, 5, 301)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(x, y, "o", color="0.7", markersize=3)
left.plot(grid, truth(grid), "--", color="black", linewidth=1.2)
right.plot(grid, true_slope(grid), "--", color="black", linewidth=1.2, label="truth")
for model, label, color, style in fits:
    fit, slope = model.predict(grid[:, None]), model.gradient(grid[:, None]).ravel()
    left.plot(grid, fit, style, color=color, linewidth=1.8)
    right.plot(grid, slope, style, color=color, linewidth=1.8, label=label)
    inside = (grid > 0.5) & (grid < 4.5)
    off = [np.sqrt(np.mean((a - b)[inside] ** 2))
           for a, b in [(fit, truth(grid)), (slope, true_slope(grid))]]  # fmt: skip
    print(f"{label:22}  off by {off[0]:.2f}, the slope by {off[1]:.2f}")
left.set(xlabel="x", ylabel="y")
right.set(xlabel="x", ylabel="slope")
figure.legend(frameon=False, loc="outside upper right", ncols=3)
plt.show()

# %%
# At the ends there are rows to one side only, and a weighted mean levels off there. Slopes tend to
# 0, whatever the truth. Local lines (``degree=1``) do not; their coefficients are estimates of the
# slope, too, which ``local_slopes`` returns.
#
# It is the slope of the fit to the last digit; differences of predictions only come near.

step = 1e-4
ahead, behind = (chosen.predict(grid[:, None] + side * step) for side in (1, -1))
difference = (ahead - behind) / (2 * step)
print(
    f"Differences: off by {np.abs(difference - chosen.gradient(grid[:, None]).ravel()).max():.0e}"
)

# %%
# Over a plane
# ------------
# Of two features there are two slopes at each place, which make an arrow: where the fit rises, and
# how steeply. The colours are the fit to 1,000 noisy points around a hill and a hollow, and the
# black arrows its gradient. White ones are true.


def surface(X):
    hill = np.exp(-((X - [1, 1]) ** 2).sum(axis=1))
    return hill - np.exp(-((X - [-1, -0.5]) ** 2).sum(axis=1))


def true_gradient(X):
    slopes = 0
    for height, centre in [(1, [1, 1]), (-1, [-1, -0.5])]:
        away = X - centre
        slopes = slopes - 2 * height * away * np.exp(-(away**2).sum(axis=1, keepdims=True))
    return slopes


X = rng.uniform(-2.5, 2.5, (1000, 2))
z = surface(X) + rng.normal(scale=0.2, size=1000)
model = NadarayaWatsonRegressorCV(degrees=(0,), per_feature=False).fit(X, z)
display = PredictionDisplay.from_estimator(model, X)
places = np.stack(np.meshgrid(*[np.linspace(-2, 2, 9)] * 2), axis=-1).reshape(-1, 2)
for slopes, color, thickness in [
    (true_gradient(places), "white", 0.009),
    (model.gradient(places), "black", 0.004),
]:
    display.ax_.quiver(
        *places.T, *slopes.T, color=color, width=thickness, angles="xy", scale_units="xy", scale=2
    )
display.ax_.set_aspect("equal")
plt.show()

# %%
# What kernels make of it
# -----------------------
# A kernel's own shape is seen in the slope before it is seen in the fit. With the Gaussian both are
# smooth. The slope of the Epanechnikov kernel's fit jumps whenever a row enters the window; that of
# the triangular kernel's whenever one is passed, too. The boxcar's fit is made of steps, which have
# no slope, and asking for one is an error.

few = slice(40)
figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
for ax, kernel in zip(axes, ["gaussian", "epanechnikov", "triangular"]):
    width = 0.4 / KERNELS[kernel].std(n_features=1)
    model = NadarayaWatsonRegressor(kernel, width).fit(x[few, None], y[few])
    fine = np.linspace(0, 5, 2001)
    ax.plot(fine, model.gradient(fine[:, None]).ravel(), color="#0072B2", linewidth=1.2)
    ax.plot(grid, true_slope(grid), "--", color="black", linewidth=1.2)
    ax.set_title(kernel, loc="left")
    ax.set_xlabel("x")
axes[0].set_ylabel("slope")
plt.show()

# sphinx_gallery_thumbnail_number = 2
