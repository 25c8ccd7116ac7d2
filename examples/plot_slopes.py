"""
Slopes: how a prediction changes
================================

``gradient`` returns the exact slopes of the fitted function: the derivatives of the formula of
`predict` in each feature. We compare them with the true slopes, along a curve and over a plane.
Slopes need a wider bandwidth than curves.
"""

# %%
# Along a curve
# -------------
# The data are three hundred noisy points of a known curve. Leave-one-out chooses a bandwidth that
# suits the curve. The slope of this fit oscillates around the true slope, because small waves of
# the fit have large slopes. With twice the bandwidth, the curve is nearly the same, and the slope
# is much better. (In theory, too, the best bandwidth for a slope is wider: it shrinks like
# :math:`n^{-1/7}`, and the best bandwidth for the curve like :math:`n^{-1/5}`.)

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
    print(f"{label:22}  error of the curve {off[0]:.2f}, of the slope {off[1]:.2f}")
left.set(xlabel="x", ylabel="y")
right.set(xlabel="x", ylabel="slope")
figure.legend(frameon=False, loc="outside upper right", ncols=3)
plt.show()

# %%
# At the ends, rows lie on one side only, and a weighted mean is flat. So its slope tends to 0,
# even if the true slope does not. Local lines (``degree=1``) avoid this. Their coefficients, from
# ``local_slopes``, also estimate the slope.
#
# ``gradient`` is exact; finite differences of predictions are approximations:

step = 1e-4
ahead, behind = (chosen.predict(grid[:, None] + side * step) for side in (1, -1))
difference = (ahead - behind) / (2 * step)
print(
    "Error of finite differences:",
    f"{np.abs(difference - chosen.gradient(grid[:, None]).ravel()).max():.0e}",
)

# %%
# Over a plane
# ------------
# With two features, the two slopes at each place form an arrow, which points in the direction of
# steepest ascent. The colours show the fit to 1,000 noisy points of a surface with a hill and a
# hollow. Black arrows are its gradient, white arrows the true gradient.


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
# Slopes of different kernels
# ---------------------------
# The shape of a kernel affects the slope more than the fit. With the Gaussian both are smooth.
# With the Epanechnikov kernel, the slope jumps where a row enters or leaves the window. With the
# triangular kernel it also jumps where the query passes a row. The fit of the boxcar is a step
# function, for which ``gradient`` raises an error.

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
