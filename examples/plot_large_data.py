"""
Large data: blocks and a lattice
================================

A million queries and a million training rows make 10\\ :sup:`12` pairs, and most of them do not
matter. This example shows the two algorithms that avoid them, which are described in
:doc:`/user_guide/large_data`: blocks of rows that are skipped or added as a whole, and a lattice,
with which a Gaussian needs no pairs at all. At the end we measure the time.
"""

# %%
# Blocks
# ------
# Neighbouring training rows form a block, and neighbouring blocks form a group. Each has a
# bounding box. The black box contains a block of queries. The boxes give bounds on all distances,
# and so decide what to do with a block of training rows:
#
# - If no pair can have weight, the block is skipped.
# - If all its rows are within the support of all queries, ``"epanechnikov"`` is a parabola on all
#   pairs. A few sums over the block, its moments, give its contribution without visiting a pair.
#   Often this holds for a whole group.
# - Otherwise the block is visited pair by pair. Such blocks lie along the edge of the support.
#
# A Gaussian has no edge. It visits all blocks whose contribution exceeds rounding error.
#
# The boxes are those of the engine. This figure uses the private ``nwkr._pooling``, which may
# change without notice.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from scipy.spatial.distance import cdist

from nwkr import NadarayaWatsonRegressor
from nwkr._pooling._boxes import in_blocks
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import Neighbourhoods

BLUE, ORANGE, GREEN = "#56B4E9", "#E69F00", "#009E73"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def make_data(n, n_features=2):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, n_features))
    return X, np.sin(X.sum(axis=1)) + 0.1 * rng.normal(size=n)


def draw_boxes(ax, blocks, numbers, **style):
    lower, upper = blocks.lower[:, numbers].T, blocks.upper[:, numbers].T
    boxes = [Rectangle(low, *(high - low)) for low, high in zip(lower, upper)]
    ax.add_collection(PatchCollection(boxes, **style))


X, y = make_data(100_000)
figure, axes = plt.subplots(1, 2, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
for ax, name in zip(axes, ("epanechnikov", "gaussian")):
    model = NadarayaWatsonRegressor(name).fit(X, y)
    order, blocks = in_blocks(X, model.bandwidth_)
    pairs = pairs_of(X, X[order], model.bandwidth_)
    around = Neighbourhoods(pairs, model.kernel_, np.ones(len(X)), blocks)
    rows = min(around.of_queries(), key=lambda rows: np.abs(X[rows].mean(axis=0) - 0.5).sum())
    found = around.of([rows])
    n_pairs = len(blocks.rows(found.blocks)) * len(rows)

    draw_boxes(
        ax, blocks, np.arange(len(blocks)), facecolor="none", edgecolor="0.75", linewidth=0.4
    )
    draw_boxes(ax, blocks, found.blocks, facecolor=ORANGE, edgecolor="white", linewidth=0.4)
    for level, (numbers, inside) in zip((around.groups, blocks), found.within):
        draw_boxes(ax, level, numbers[inside[0]], facecolor=BLUE, edgecolor="white", linewidth=0.4)
    low, high = X[rows].min(axis=0), X[rows].max(axis=0)
    ax.add_patch(Rectangle(low, *(high - low), fill=False, edgecolor="black", linewidth=2))
    share = n_pairs / (len(rows) * len(X))
    ax.set_title(f"{name}: {share:.0%} of the pairs visited", loc="left")
    ax.set(xlim=(-1.6, 2.4), ylim=(-1.6, 2.4), aspect="equal", xlabel="$x_1$")
axes[0].set_ylabel("$x_2$")
figure.legend(
    handles=[
        Line2D([], [], color="black", marker="s", linestyle="", fillstyle="none", markersize=10),
        Patch(facecolor=ORANGE),
        Patch(facecolor=BLUE),
        Patch(facecolor="none", edgecolor="0.75"),
    ],
    labels=["queries", "visited pair by pair", "added by moments", "skipped"],
    loc="outside lower center",
    ncols=4,
    frameon=False,
)
plt.show()

# %%
# With more rows, blocks are smaller and bandwidths narrower, so the share of visited pairs falls.

# %%
# A lattice
# ---------
# A Gaussian is the convolution of two narrower ones. So each training row first spreads its weight
# onto the points of a lattice, and each query then collects weights from the lattice. No pair is
# visited. Both steps weight by :math:`e^{-u^2}`, where :math:`u` is a distance in bandwidths, and
# both are cut off where the weight is negligible.
#
# This is the whole algorithm, without the cells that make it fast:


def hop(rows, lattice, cut_off):
    squares = cdist(rows, lattice, "sqeuclidean")
    return np.where(squares < cut_off**2, np.exp(-squares), 0)


def lattice_around(rows, spacing, margin):
    axes = [np.arange(a - margin, b + margin, spacing) for a, b in zip(rows.min(0), rows.max(0))]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)


keys = 1.7 * make_data(60)[0]  # in bandwidths
query, spacing, cut_off = np.array([[1.0, -1.0]]), 0.7, 3.0
lattice = lattice_around(keys, spacing, cut_off)
handed_on = hop(keys, lattice, cut_off).sum(axis=0)
collected = handed_on * hop(query, lattice, cut_off)[0]

# %%
# Areas show weights. The left panel shows the weights that all training rows have spread onto the
# lattice, the right panel the weights that one query collects. The dashed circles are the cut-offs
# of one row and of the query.

figure, axes = plt.subplots(1, 2, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
for ax, weights, colour, centre, title in (
    (axes[0], handed_on, ORANGE, keys[7], "first step: from rows to the lattice"),
    (axes[1], collected, BLUE, query[0], "second step: from the lattice to a query"),
):
    ax.plot(*lattice.T, ".", color="0.8", markersize=2, zorder=0)
    ax.scatter(*lattice.T, 180 * weights / weights.max(), color=colour, linewidth=0)
    ax.add_patch(Circle(centre, cut_off, fill=False, linestyle="--", edgecolor="0.3"))
    ax.set_title(title, loc="left")
    ax.set(aspect="equal", xlabel="$x_1$ (bandwidths)")
axes[0].plot(*keys.T, "k+", markersize=6, label="training rows")
axes[0].plot(*keys[7], "kP", markersize=8)
axes[1].plot(*query[0], "k*", markersize=12, label="query")
for ax in axes:
    ax.legend(loc="upper left", frameon=False)
axes[0].set_ylabel("$x_2$ (bandwidths)")
plt.show()

# %%
# The lattice need not be fine. With a spacing of :math:`s` bandwidths in two dimensions, the
# relative error is at most :math:`4 e^{-\pi^2 / (2 s^2)}`. The measured errors are below this
# bound:

straight = np.exp(-cdist(keys, keys, "sqeuclidean") / 2).sum(axis=1)
for spacing in (1.2, 0.9, 0.7, 0.5, 0.4):
    lattice = lattice_around(keys, spacing, margin=6)
    hops = hop(keys, lattice, cut_off=6)
    total = hops @ hops.sum(axis=0) * spacing**2 / (np.pi / 2)
    error = np.abs(total / straight - 1).max()
    bound = 4 * np.exp(-((np.pi / spacing) ** 2) / 2)
    print(f"spacing {spacing}: error {error:.0e}, at most {bound:.0e}")

# %%
# Time
# ----
# The parameter ``algorithm`` selects an algorithm by name. We fit and predict the same number of
# rows.

sizes = np.array([1_000, 3_000, 10_000, 30_000])
ways = {"dense": ("black", "o", 2), "blocks": (ORANGE, "s", -8), "lattice": (GREEN, "^", -3)}


def seconds(model, n):
    start = perf_counter()
    model.fit(*make_data(n)).predict(make_data(n)[0])
    return perf_counter() - start


figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True, sharey=True, layout="constrained")
for ax, kernel in zip(axes, ("epanechnikov", "gaussian")):
    for way, (colour, marker, up) in ways.items():
        if (kernel, way) == ("epanechnikov", "lattice"):
            continue  # needs a Gaussian
        model = NadarayaWatsonRegressor(kernel, algorithm=way)
        seconds(model, 100)  # warm up: the first call loads libraries
        times = [min(seconds(model, n) for _ in range(2 if n <= 10_000 else 1)) for n in sizes]
        ax.plot(sizes, times, marker=marker, color=colour)
        ax.annotate(way, (sizes[-1], times[-1]), xytext=(8, up), textcoords="offset points")
    ax.set_title(kernel, loc="left")
    ax.set(xscale="log", yscale="log", xlabel="training rows, and queries", xlim=(800, 70_000))
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.minorticks_off()
axes[0].set_ylabel("fit and predict (s)")
plt.show()

# %%
# With three times as many rows there are nine times as many pairs. The time of all pairs grows
# nearly as fast, once the pairs outweigh the fixed costs. With the Epanechnikov kernel the time of
# blocks grows more slowly. With the Gaussian, blocks skip few pairs at these sizes and save
# no time, but the time of the lattice grows hardly faster than the number of rows. The default
# ``algorithm="auto"`` selects the algorithm with the shortest estimated time; ``algorithm_`` is
# its name.

for n in sizes:
    print(f"{n:6,} rows: {NadarayaWatsonRegressor().fit(*make_data(n)).algorithm_}")
