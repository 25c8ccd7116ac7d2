"""
Local lines: edges, linear columns, slopes
==========================================

``degree=1`` fits a line in each window instead of a mean. This has three benefits: little bias at
the edges, columns that the search finds to be linear, and slopes with standard errors.
"""

# %%
# Edges
# -----
# At the edge all rows lie on one side of the query, and a mean is biased. A line follows the curve
# to the edge. Both fits have the same bandwidth; the difference is largest in the shaded fifths.

import matplotlib.pyplot as plt
import numpy as np

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def truth(x):
    return 2 * np.sin(x) + 2 * x


rng = np.random.default_rng(0)
x = rng.uniform(0, 5, 150)
X, y = x[:, None], truth(x) + rng.normal(scale=0.7, size=150)
grid = np.linspace(0, 5, 301)
edge = np.abs(grid - 2.5) > 1.5
fits = {
    "mean (degree=0)": (NadarayaWatsonRegressor(bandwidth=0.5), "#0072B2", "-"),
    "line (degree=1)": (NadarayaWatsonRegressor(bandwidth=0.5, degree=1), "#D55E00", "-."),
}

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(x, y, "o", color="0.75", markersize=3)
ax.plot(grid, truth(grid), "--", color="black", linewidth=1.2, label="truth")
for name, (model, color, style) in fits.items():
    curve = model.fit(X, y).predict(grid[:, None])
    ax.plot(grid, curve, style, color=color, linewidth=2, label=name)
    off = np.abs(curve - truth(grid))
    print(f"{name}: error {off[edge].mean():.2f} at the edges, {off[~edge].mean():.2f} between")
for start in (0, 4):
    ax.axvspan(start, start + 1, color="0.93", zorder=0)
ax.set(xlabel="x", ylabel="y", xlim=(-0.1, 5.1))
ax.legend(frameon=False)
plt.show()

# %%
# A linear column
# ---------------
# With bandwidth `inf`, the window includes all rows, and the fit is linear in the column. So the
# search finds linear columns. In this example the target is a wave in the first column, linear in
# the second, and independent of the third. A column without effect is linear too: its slope is
# near 0.

Z = rng.uniform(-2, 2, size=(300, 3))
z = np.sin(3 * Z[:, 0]) + Z[:, 1] + rng.normal(scale=0.3, size=300)
model = NadarayaWatsonRegressorCV().fit(Z, z)
print("degree:", model.degree_)
print("bandwidths:", model.bandwidth_.round(2))

middle = np.zeros((201, 3))
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
true_parts = [lambda t: np.sin(3 * t), lambda t: t, lambda t: 0 * t]
for column, (ax, part) in enumerate(zip(axes, true_parts)):
    along = middle.copy()
    along[:, column] = np.linspace(-2, 2, 201)
    ax.plot(along[:, column], part(along[:, column]), "--", color="black", label="truth")
    ax.plot(along[:, column], model.predict(along), color="#D55E00", linewidth=2, label="fit")
    width = model.bandwidth_[column]
    ax.set(xlabel=f"column {column}", title=f"bandwidth {width:.2g}")
axes[0].set_ylabel("prediction, other columns at 0")
axes[2].legend(frameon=False)
plt.show()

# %%
# Slopes and standard errors
# --------------------------
# ``local_slopes`` returns the coefficients of the lines: how the target changes with each column
# around a query. ``standard_error`` estimates how far a prediction would vary with other noise. It
# does not include bias, so the bandwidth must be small enough to follow the curve. The band on the
# left is the prediction plus and minus two standard errors. On the right, slopes are better with
# twice the bandwidth that is best for the curve.

model = NadarayaWatsonRegressorCV(degrees=(1,)).fit(X, y)
queries = grid[:, None]
curve, error = model.predict(queries), model.standard_error(queries)
inside = np.abs(curve - truth(grid)) < 2 * error
print(f"bandwidth {model.bandwidth_.item():.2f}; the truth is in the band at {inside.mean():.0%}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(x, y, "o", color="0.75", markersize=3)
left.fill_between(grid, curve - 2 * error, curve + 2 * error, color="#D55E00", alpha=0.25)
left.plot(grid, curve, color="#D55E00", linewidth=2, label="line, ± 2 standard errors")
left.plot(grid, truth(grid), "--", color="black", linewidth=1.2, label="truth")
left.set(xlabel="x", ylabel="y")
left.legend(frameon=False)
width = model.bandwidth_.item()
for factor, color, style in [(1, "#D55E00", "-"), (2, "#0072B2", "-.")]:
    wider = NadarayaWatsonRegressor(bandwidth=factor * width, degree=1).fit(X, y)
    slopes, label = wider.local_slopes(queries).ravel(), f"bandwidth {factor * width:.2f}"
    right.plot(grid, slopes, style, color=color, linewidth=2, label=label)
right.plot(grid, 2 * np.cos(grid) + 2, "--", color="black", linewidth=1.2)
right.set(xlabel="x", ylabel="slope")
right.legend(frameon=False)
plt.show()
