"""
More than a mean: spread, quantiles, intervals
==============================================

A prediction is a weighted mean of training targets. The same weights give the spread of these
targets, their quantiles, and the probability to exceed a threshold. In the data of this example
the noise grows from left to right.
"""

# %%
# A band of quantiles, and two kinds of interval
# ----------------------------------------------
# The data follow a sine, with normal noise whose standard deviation grows from 0.1 to 1. All bands
# are intended to cover 90 % of the targets. On the left, the band lies between the conditional
# quantiles 0.05 and 0.95. In the middle is the jackknife+: the curve plus and minus leave-one-out
# errors. Its coverage holds on average over all rows, and its width is nearly the same everywhere.
# On the right, the errors are in units of the local spread.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.displays import PredictionDisplay

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def truth(X):
    return 2 * np.sin(X)


def noise(x):
    return 0.1 + 0.18 * x


def sample(size, rng):
    x = rng.uniform(0, 5, size)
    return x[:, None], truth(x) + noise(x) * rng.normal(size=size)


X, y = sample(400, np.random.default_rng(0))
model = NadarayaWatsonRegressorCV(degrees=(0,)).fit(X, y)
bands = {
    "quantiles": lambda X: model.predict_quantiles(X, [0.05, 0.95]),
    "jackknife+": model.predict_interval,
    "jackknife+, scaled": lambda X: model.predict_interval(X, method="scaled"),
}

grid = np.linspace(0, 5, 201)
true_ends = norm.interval(0.9, truth(grid), noise(grid))
figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharey=True, layout="constrained")
for ax, (name, band) in zip(axes, bands.items()):
    PredictionDisplay.from_estimator(model, X, y, band=band, ax=ax, points_kwargs={"s": 5})
    ax.plot(grid, np.transpose(true_ends), ":", color="black", linewidth=1.3)
    ax.plot([], [], ":", color="black", linewidth=1.3, label="truth, 90%")
    ax.set_title(name, loc="left")
    ax.legend().set_visible(name == "quantiles")
    ax.label_outer()
plt.show()

# %%
# The quantiles follow the scatter, in steps, because they are targets of training rows. At small
# x, where the noise is small and the curve is steep, they are too wide, because they include the
# slope of the curve within a window. The jackknife+ is too wide at small x and too narrow at large
# x. The scaled intervals are better at both ends.
#
# We count how many of 6,000 new targets the intervals contain.

new, targets = sample(6000, np.random.default_rng(1))
third = np.digitize(new.ravel(), [5 / 3, 10 / 3])
print(f"{'Share of targets within:':24} all   left  middle  right")
for name, band in bands.items():
    lower, upper = band(new).T
    held = (lower <= targets) & (targets <= upper)
    left, middle, right = (held[third == part].mean() for part in range(3))
    print(f"{name:24} {held.mean():.3f} {left:.3f}  {middle:.3f}  {right:.3f}")

# %%
# The spread
# ----------
# ``predict(X, return_std=True)`` also returns the weighted standard deviation of the targets
# around each query. It is not the error of the mean. The left panel shows it; where the noise is
# small, the slope of the curve within a window adds to it. The right panel shows the effective
# number of rows behind each prediction. It is smaller at the ends, and tends to 1 far from all
# rows.

mean, std = model.predict(grid[:, None], return_std=True)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
left.plot(grid, std, color="#0072B2", linewidth=2, label="return_std")
left.plot(grid, noise(grid), "--", color="black", linewidth=1.2, label="truth")
left.set(xlabel="x", ylabel="standard deviation", ylim=(0, None))
left.legend()
right.plot(grid, model.effective_sample_size(grid[:, None]), color="#0072B2", linewidth=2)
right.set(xlabel="x", ylabel="effective sample size", ylim=(0, None))
plt.show()

# %%
# The curve itself
# ----------------
# How certain is the curve? ``predict_band`` uses the wild bootstrap: it gives the residuals random
# signs and fits them again, two hundred times in one pass. The inner band covers the curve at each
# single place with 95 %, the outer one everywhere at once. "The curve" is the truth after
# smoothing with the kernel. Half the chosen bandwidth smooths less, and gives wider bands.

half = NadarayaWatsonRegressor(bandwidth=model.bandwidth_ / 2).fit(X, y)
pointwise, everywhere = half.predict_band(grid[:, None], random_state=0)
display = PredictionDisplay.from_estimator(
    half, X, y, truth=truth, line_kwargs={"linewidth": 1.2}, points_kwargs={"s": 5}
)
for band, alpha, label in [(everywhere, 0.25, "everywhere"), (pointwise, 0.45, "pointwise")]:
    display.ax_.fill_between(grid, *band.T, color="#0072B2", alpha=alpha, linewidth=0, label=label)
display.ax_.legend()
plt.show()

held = np.mean((everywhere[:, 0] <= truth(grid)) & (truth(grid) <= everywhere[:, 1]))
print(f"The truth is within the simultaneous band at {held:.0%} of all places.")

# %%
# The whole distribution
# ----------------------
# ``predict_cdf`` returns the probability that a target is at most a threshold. The figure shows it
# for three queries and all thresholds, together with the truth.

thresholds = np.linspace(-4.5, 4.5, 400)
figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for x, color, style in [(0.5, "#0072B2", "-"), (2.0, "#D55E00", "--"), (4.5, "#009E73", "-.")]:
    ax.plot(thresholds, norm.cdf(thresholds, truth(x), noise(x)), color="0.6", linewidth=1)
    cdf = model.predict_cdf([[x]], thresholds).ravel()
    ax.step(thresholds, cdf, style, where="post", color=color, linewidth=1.8, label=f"x = {x}")
ax.set(xlabel="threshold", ylabel="P(y ≤ threshold)")
ax.legend(loc="upper left")
plt.show()

at = np.array([0.5, 2.0, 4.5])
likely = 1 - model.predict_cdf(at[:, None], 1.0).ravel()
print("Probability of a target above 1, at 0.5, 2.0, 4.5:", *likely.round(2))
print("Truth:", *norm.sf(1, truth(at), noise(at)).round(2))
