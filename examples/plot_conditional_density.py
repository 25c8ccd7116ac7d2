"""
Conditional densities with two peaks
====================================

If the target follows one of two branches, its mean lies on neither. ``predict_density`` returns the
whole distribution of the target at each query, and ``sample`` draws from it.
"""

# %%
# A fork
# ------
# For ``x > 0`` the targets follow one of two branches, at random. The mean lies between the
# branches, where there are no targets. The density has a ridge along each branch. In the right
# panel, ``sample`` draws new targets from the fitted model. Each draw is a training target, chosen
# by weight, so the draws fork as the training rows do.

import matplotlib.pyplot as plt
import numpy as np

from nwkr import NadarayaWatsonRegressor

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

rng = np.random.default_rng(0)
x = rng.uniform(-2, 3, 800)
branch = rng.choice([-1, 1], 800, p=[0.35, 0.65])
y = branch * np.maximum(x, 0) + rng.normal(0, 0.3, 800)
model = NadarayaWatsonRegressor(bandwidth=0.2).fit(x[:, None], y)

grid, y_grid = np.linspace(-2, 3, 151), np.linspace(-4, 4, 201)
density = model.predict_density(grid[:, None], y_grid, bandwidth=0.2)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
left.pcolormesh(grid, y_grid, density.T, cmap="Blues", vmax=1, rasterized=True)
left.plot(grid, model.predict(grid[:, None]), color="#D55E00", linewidth=2, label="mean")
left.set(title="predict_density", xlabel="x", ylabel="y")
left.legend(loc="upper left")

draws = model.sample(grid[:, None], n_samples=5, random_state=0)
right.scatter(x, y, s=6, color="0.75", label="training rows")
right.scatter(grid.repeat(5), draws.ravel(), s=6, color="#0072B2", alpha=0.6, label="sample")
right.set(title="sample", xlabel="x")
right.legend(loc="upper left")
plt.show()

# %%
# The density at three places
# ---------------------------
# By default, Scott's rule sets the bandwidth of the target at each query, from the spread of the
# targets around it. The rule suits distributions with one peak. Two distant peaks make the spread
# large, and the bandwidth too wide. The solid lines, with a bandwidth of 0.2, separate the peaks.

figure, axes = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
for ax, place in zip(axes, (-1.0, 1.0, 2.0)):
    given = model.predict_density([[place]], y_grid, bandwidth=0.2)[0]
    rule = model.predict_density([[place]], y_grid)[0]
    true = sum(
        share
        * np.exp(-(((y_grid - sign * max(place, 0)) / 0.3) ** 2) / 2)
        / 0.3
        / np.sqrt(2 * np.pi)
        for sign, share in ((-1, 0.35), (1, 0.65))
    )
    ax.plot(y_grid, true, ":", color="black", linewidth=1.3, label="truth")
    ax.plot(y_grid, rule, "--", color="#D55E00", linewidth=1.6, label="Scott's rule")
    ax.plot(y_grid, given, color="#0072B2", linewidth=1.8, label="bandwidth=0.2")
    ax.set(title=f"x = {place}", xlabel="y", ylim=(0, None))
axes[0].set_ylabel("density")
axes[1].legend(loc="upper left")
plt.show()
