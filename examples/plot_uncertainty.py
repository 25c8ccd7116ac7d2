"""
More than a mean: spread, quantiles, intervals
==============================================

A prediction is a mean of training targets, by weight. The same weights say more: how far these
targets spread, where their quantiles are, how likely one is to exceed a threshold. We look at all
of that on data that scatter the more, the farther to the right they are.
"""

# %%
# A band of quantiles, and two kinds of interval
# ----------------------------------------------
# The data follow a sine, with normal noise whose standard deviation grows from 0.1 to 1. The bands
# below are all for 90 % of the targets. On the left they lie between the conditional quantiles 0.05
# and 0.95. In the middle is the jackknife+: the curve plus and minus what predictions of rows
# that were left out were off by. It is made for intervals that hold as many targets as they
# promise, over all rows, and knows of one width only. On the right the same is done in units of the
# local spread.

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
# The quantiles follow the scatter, in steps, for they are targets of rows. On the left, where there
# is little noise and the curve is steep, they are too wide: they hold what the curve does within a
# window, too. The jackknife+ is too wide there and too narrow on the right; the scaled one is
# better in both places.
#
# Do they hold as many as they promise? We count, in 6,000 new rows.

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
# ``predict(X, return_std=True)`` returns the standard deviation besides the mean: of the targets
# around a query, as they are weighted. This is no error of the mean. It is drawn on the left; there
# again, the slope of the curve within a window adds to it where the noise is small. On the right is
# of how many rows each prediction is effectively the mean. There are fewer at the ends, and where a
# query is far from all rows there would be one.

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
# How sure is the curve? ``predict_band`` answers with the wild bootstrap: it gives the rows'
# residuals random signs and fits them again, two hundred times in one pass. The inner band holds
# the curve at each place by itself, the outer one everywhere at once, both with 95 %. What they
# hold is the truth as the kernel smooths it; half the chosen bandwidth smooths off little, and
# makes the bands wider.

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
print(f"The truth is within the outer band at {held:.0%} of all places.")

# %%
# The whole distribution
# ----------------------
# ``predict_cdf`` says how likely a target is at most some threshold. Here it is at three queries,
# for all thresholds, beside what is true.

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
print("Chance of a target above 1, at 0.5, 2.0, 4.5:", *likely.round(2))
print("What is true:", *norm.sf(1, truth(at), noise(at)).round(2))
