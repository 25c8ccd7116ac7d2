"""
Why the training loss cannot choose the bandwidth
=================================================

The bandwidth of a kernel can be learned like any other parameter, by minimising a loss. But this
must not be the loss on the training rows themselves. This example shows how such a fit fails, and
that leaving each row out of its own prediction solves the problem.
"""

# %%
# Every row is its own nearest neighbour
# --------------------------------------
# If a training row is the query, it is also a key, at distance 0. The narrower the kernel, the
# larger its own weight. In the limit the prediction is its own target, noise included, and the
# training loss is 0. Bandwidth 0 is this limit:

import matplotlib.pyplot as plt
import numpy as np

from nwkr import NadarayaWatsonRegressor


def truth(x):
    return 2 * np.sin(x) + x


rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 5, 40))
y = truth(x) + rng.normal(size=40)
X = x[:, None]


def fit(width):
    return NadarayaWatsonRegressor(bandwidth=width).fit(X, y)


np.testing.assert_allclose(fit(0).predict(X), y)
np.testing.assert_array_equal(fit(0).attention_weights_, np.eye(40))

# %%
# Two losses, two descents
# ------------------------
# ``predict(X)`` includes each row in its own prediction. ``predict(None)`` leaves it out: the
# result is that of a model which was fitted to the other rows only.


def training_loss(width):
    return np.mean((fit(width).predict(X) - y) ** 2)


def leave_one_out_loss(width):
    return np.mean((fit(width).predict(None) - y) ** 2)


def descend(loss, width=2.0):
    """Widths of the descent, each narrower by a tenth, as long as the loss decreases."""
    widths = [width]
    while loss(0.9 * widths[-1]) < loss(widths[-1]):
        widths.append(0.9 * widths[-1])
    return np.array(widths)


downhill = {loss: descend(loss) for loss in (training_loss, leave_one_out_loss)}
for loss, path in downhill.items():
    print(f"{loss.__name__:18}  stops at width {path[-1]:.1g}, where it is {loss(path[-1]):.2g}")

# %%
# The training loss has no minimum: the descent stops only where the weights of all other rows
# underflow, and the loss is rounding error. The leave-one-out loss has a minimum, because a row
# must be predicted from its neighbours. The truth and the variance of the noise, 1, are known
# here, and so is the expected loss on new rows. Its minimum is close to that of leave-one-out. The
# small markers show each descent from width 2; the open marker is its end.

grid = np.linspace(0, 5, 501)


def loss_on_new_rows(width):
    return 1 + np.mean((fit(width).predict(grid[:, None]) - truth(grid)) ** 2)


widths = np.geomspace(5e-5, 5, 150)
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(widths, [loss_on_new_rows(width) for width in widths], color="black", linestyle="--")
for (loss, path), color, marker in zip(downhill.items(), ["#D55E00", "#0072B2"], ["s", "o"]):
    ax.plot(widths, [loss(width) for width in widths], color=color)
    ax.plot(path[::3], [loss(width) for width in path[::3]], marker, color=color, markersize=4)
    ax.plot(
        path[-1],
        loss(path[-1]),
        marker,
        color="white",
        markersize=9,
        markeredgecolor=color,
        markeredgewidth=2,
    )
ax.annotate("leave-one-out", (1e-4, 2.7), color="#0072B2")
ax.annotate("on new rows", (1e-4, 2.2))
ax.annotate("on the training rows", (1e-4, 0.2), color="#D55E00")
ax.set(xscale="log", xlabel="width of the kernel", ylabel="mean squared error", ylim=(-0.1, 3))
plt.show()

# %%
# The two fits
# ------------
# With its tiny width, the model on the left predicts the target of the nearest key for each query.
# The model on the right has learned the curve.

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
titles = ["Training loss", "Leave-one-out"]
for ax, path, color, title in zip(axes, downhill.values(), ["#D55E00", "#0072B2"], titles):
    ax.plot(x, y, "o", color="0.6", markersize=5)
    ax.plot(grid, truth(grid), "--", color="black", linewidth=1.2)
    ax.plot(grid, fit(path[-1]).predict(grid[:, None]), color=color, linewidth=2)
    ax.set_title(f"{title}: width {path[-1]:.1g}", loc="left")
    ax.set_xlabel("x")
axes[1].annotate("truth", (0.85, 1.75))
axes[1].annotate("fit", (4.5, 3.05), color="#0072B2")
axes[0].set_ylabel("y")
plt.show()
