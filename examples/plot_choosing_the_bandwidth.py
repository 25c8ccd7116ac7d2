"""
Choosing the bandwidth
======================

Nothing affects a fit more than its bandwidth. This example chooses it by leave-one-out: first one
bandwidth for all features, then one for each. We compare the choices of AICc and GCV, and judge
all of them on held-out rows. The first fits are means with one bandwidth
(``degrees=(0,), per_feature=False``). The last ones use the default search, which also compares
local lines.
"""

# %%
# Thirteen bandwidths in one pass
# -------------------------------
# The diabetes data hold ten measurements of 442 patients, and the progression of their disease a
# year later. :class:`~nwkr.NadarayaWatsonRegressorCV` predicts every patient from all others. It
# tries an infinite bandwidth and twelve multiples of a rule of thumb, and keeps the best. All
# candidates share the distances, so the search takes one pass over the pairs of patients. Refitting
# without each patient gives the same predictions, but takes longer for a single bandwidth than the
# search for all.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import KFold, LeaveOneOut, cross_val_predict, cross_val_score

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV

X, y = load_diabetes(return_X_y=True)

start = perf_counter()
model = NadarayaWatsonRegressorCV(degrees=(0,), per_feature=False).fit(X, y)
searched = perf_counter()
plain = NadarayaWatsonRegressor(bandwidth=model.bandwidth_)
refitted = cross_val_predict(plain, X, y, cv=LeaveOneOut())
end = perf_counter()
np.testing.assert_allclose(model.predict(None), refitted, rtol=1e-10)

n_tried = len(model.cv_results_["score"])
print(f"{n_tried} bandwidths by leave-one-out: {searched - start:.2f} s")
print(f"1 bandwidth, by {len(X)} refits: {end - searched:.2f} s")
print(f"The best is {model.bandwidth_[0] / X[:, 0].std():.2f} standard deviations.")

# %%
# Leave-one-out, AICc and GCV
# ---------------------------
# AICc and GCV use the loss on all training rows, and penalise the *effective degrees of freedom*,
# the trace of the smoother. After the transformation :math:`\exp(\text{AICc} - 1)` of AICc, all
# three criteria estimate the squared error on new rows. The figure divides it by the variance of
# the target, so that 1 is the error of the mean of all patients. The upper axes show the degrees
# of freedom of each bandwidth, and the markers show the choice of each criterion. The code prints
# R² on held-out rows for each choice, over five folds with a search in each.

folds = KFold(5, shuffle=True, random_state=0)
multiples = 2 ** np.arange(-4.5, 3.1, 1 / 6)
criteria = {
    "leave-one-out": ("neg_mean_squared_error", "#0072B2", "-", "o"),
    "AICc": ("aicc", "#D55E00", "--", "s"),
    "GCV": ("gcv", "#009E73", "-.", "^"),
}


def draw_losses(ax, X):
    bandwidths = np.outer(multiples, X.std(axis=0))
    for label, (scoring, color, line, marker) in criteria.items():
        search = NadarayaWatsonRegressorCV(
            bandwidths=bandwidths, degrees=(0,), scoring=scoring
        ).fit(X, y)
        loss = -np.array(search.cv_results_["score"])
        if scoring == "aicc":
            loss = np.exp(np.minimum(loss, 99) - 1)
        loss /= np.var(y)
        best = np.argmin(loss)
        ax.plot(multiples, loss, line, color=color, linewidth=1.8)
        ax.plot(multiples[best], loss[best], marker, color=color, markersize=9,
                fillstyle="none", markeredgewidth=2, label=label, linestyle=line)  # fmt: skip
        freedom = np.array(search.cv_results_["effective_dof"])
        print(
            f"{X.shape[1]:2} features, {label:13}  {multiples[best]:.2f} standard deviations,"
            f" {freedom[best]:3.0f} degrees of freedom,"
            f" held-out R2 {cross_val_score(search, X, y, cv=folds).mean():.2f}"
        )
    return freedom


plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
for ax, part, title in zip(axes, [X[:, [2]], X], ["Body mass index alone", "All ten features"]):
    ax.set(xscale="log", xlim=(0.045, 8), ylim=(0.5, 1.3))
    freedom = draw_losses(ax, part)
    shown = [n for n in (2, 5, 20, 100, 400) if n < freedom[0]]
    above = ax.secondary_xaxis("top")
    above.set_xticks(np.interp(shown, freedom[::-1], multiples[::-1]), shown)
    above.set_xlabel("effective degrees of freedom", labelpad=6)
    above.minorticks_off()
    ax.set_xticks([1 / 16, 1 / 4, 1, 4], ["1/16", "1/4", "1", "4"])
    ax.minorticks_off()
    ax.set_xlabel("bandwidth / standard deviation")
    ax.set_title(title, loc="left", pad=10)
axes[0].set_ylabel("loss / variance of the target")
axes[0].legend(frameon=False)
plt.show()

# %%
# With one feature the three criteria nearly agree. With ten features, many patients have almost no
# neighbours, and each of them uses nearly one degree of freedom. AICc and GCV spread this penalty
# over all rows and choose a wider bandwidth. Leave-one-out corrects each row by its own weight,
# and is slightly better here.

# %%
# Few rows
# --------
# With few rows the leave-one-out loss is noisy, and rises only slowly towards narrow bandwidths.
# So leave-one-out sometimes chooses far too narrow a bandwidth. AICc penalises narrow bandwidths
# more, and is more stable. We draw thirty rows two hundred times. The right panel shows the sample
# for which the two fits differ most.


def truth(x):
    return 2 * np.sin(x) + x


grid = np.linspace(0, 5, 201)[:, None]
candidates = 2 ** np.arange(-4.5, 1.1, 0.5)
samples = []
chosen, distance = np.empty((2, 200)), np.empty((2, 200))
for seed in range(200):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 5, (30, 1))
    samples.append((x, truth(x.ravel()) + rng.normal(size=30)))
    for row, scoring in enumerate(["neg_mean_squared_error", "aicc"]):
        search = NadarayaWatsonRegressorCV(bandwidths=candidates, degrees=(0,), scoring=scoring)
        search.fit(*samples[-1])
        chosen[row, seed] = search.bandwidth_.item()
        distance[row, seed] = np.mean((search.predict(grid) - truth(grid.ravel())) ** 2)

apart = np.argmax(chosen[1] / chosen[0])
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
edges = np.append(candidates, 2**1.5) / 2**0.25
right.plot(*samples[apart], "o", color="0.65", markersize=4)
for row, label in enumerate(["leave-one-out", "AICc"]):
    print(f"{label:13}  mean squared distance from the truth {distance[row].mean():.3f}")
    _, color, line, _ = criteria[label]
    style = {"color": color, "linestyle": line, "linewidth": 2}
    left.hist(chosen[row], edges, histtype="step", **style)
    fit = NadarayaWatsonRegressor(bandwidth=chosen[row, apart]).fit(*samples[apart])
    right.plot(grid, fit.predict(grid), label=label, **style)
right.plot(grid, truth(grid), ":", color="black", linewidth=1.5, label="truth")
left.set(xscale="log", xlabel="chosen bandwidth", ylabel="samples, of 200")
left.set_xticks([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2], ["1/16", "1/8", "1/4", "1/2", "1", "2"])
left.minorticks_off()
right.set(xlabel="x", ylabel="y")
figure.legend(frameon=False, loc="outside upper center", ncols=3)
plt.show()

# %%
# A bandwidth for each feature
# ----------------------------
# One common bandwidth treats all features as equally important. The default search starts from the
# best common bandwidth, minimises AICc over one bandwidth for each feature, and compares means
# with local lines. We try it on Friedman's data: the target is a formula of five features, linear
# in two of them, and five more features have no effect. With local lines, a bandwidth of `inf`
# makes the fit linear in a feature, with a slope near 0 if it has no effect. The distance then
# ignores this feature, so that the nearest rows are similar in the features that matter. We
# compare with a random forest, which can also ignore features.

friedman, target = make_friedman1(1800, n_features=10, noise=1.0, random_state=0)
new = slice(800, None)
sizes = [100, 200, 400, 800]
contenders = {
    "a bandwidth for each": (NadarayaWatsonRegressorCV(), "#0072B2", "o-"),
    "random forest": (RandomForestRegressor(random_state=0), "#009E73", "^-."),
    "one for all, means": (
        NadarayaWatsonRegressorCV(degrees=(0,), per_feature=False),
        "#D55E00",
        "s--",
    ),
}

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for label, (model, color, style) in contenders.items():
    start, scores = perf_counter(), []
    for size in sizes:
        model.fit(friedman[:size], target[:size])
        scores.append(model.score(friedman[new], target[new]))
    print(f"{label:20}  R2 {scores[-1]:.2f} with {sizes[-1]} rows,", end=" ")
    print(f"{perf_counter() - start:.1f} s for all sizes")
    right.plot(sizes, scores, style, color=color, label=label)
    if hasattr(model, "bandwidth_"):
        spreads = np.minimum(model.bandwidth_ / friedman.std(axis=0), 8)
        left.plot(range(1, 11), spreads, style[0], color=color, markersize=7)
left.axvline(5.5, color="0.7", linewidth=1)
left.axvline(3.5, color="0.7", linewidth=1, linestyle=":")
for place, text in [(2, "matter"), (4.5, "linear"), (8, "do not matter")]:
    left.text(place, 11, text, ha="center")
left.set(yscale="log", xlabel="feature", ylabel="bandwidth / standard deviation", ylim=(0.2, 16))
left.set_xticks(range(1, 11))
left.set_yticks([1 / 4, 1 / 2, 1, 2, 4, 8], ["1/4", "1/2", "1", "2", "4", "inf"])
left.minorticks_off()
right.set(xscale="log", xlabel="training rows", ylabel="R² on new rows")
right.set_xticks(sizes, sizes)
right.minorticks_off()
figure.legend(frameon=False, loc="outside upper center", ncols=3)
plt.show()

# sphinx_gallery_thumbnail_number = 3
