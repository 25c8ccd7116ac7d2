"""
More rows than memory
=====================

The estimators of :mod:`nwkr.dask` are fitted on chunks, which are generated or read when needed,
and then discarded. In this example each chunk is generated from its number.
:doc:`/user_guide/more_than_one_machine` explains how to run the same code on several machines. We
fit a curve to more and more rows. Its error falls as in theory, and memory does not grow.
"""

# %%
# A table in chunks
# -----------------
# A Dask array stores how to generate each chunk. Nothing is generated yet.

from time import perf_counter

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from nwkr.dask import NadarayaWatsonRegressor

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
ROWS = 50_000
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def curve(x):
    return np.sin(2 * x) + 0.5 * np.exp(-50 * (x - 1) ** 2)


def chunk(block_info=None):
    rng = np.random.default_rng(block_info[None]["chunk-location"][0])
    x = rng.normal(size=ROWS)
    return np.column_stack([x, curve(x) + rng.normal(size=ROWS)])


def table(n_chunks):
    chunks = ((ROWS,) * n_chunks, (2,))
    return da.map_blocks(chunk, chunks=chunks, dtype=float, meta=np.empty((0, 0)))


table(20)

# %%
# Fit and predict
# ---------------
# ``fit`` reads each chunk once. ``predict`` returns a lazy array. When it is computed, each chunk
# of rows spreads its weights onto a lattice, and the lattices are added.

grid = np.linspace(-2, 2, 401)
queries = da.from_array(grid[:, None])
curves, errors, seconds = {}, {}, {}
for n_chunks in (1, 4, 20):
    rows = table(n_chunks)
    start = perf_counter()
    model = NadarayaWatsonRegressor().fit(rows[:, :1], rows[:, 1])
    n_rows = n_chunks * ROWS
    curves[n_rows] = model.predict(queries).compute()
    seconds[n_rows] = perf_counter() - start
    errors[n_rows] = np.sqrt(np.mean((curves[n_rows] - curve(grid)) ** 2))
    print(f"{n_rows:9,d} rows: {seconds[n_rows]:.1f} s, error {errors[n_rows]:.4f}")

# %%
# The left panel shows the curve and a few of the rows. In the middle, the fits approach the
# narrow bump at 1, where they differ most. The right panel shows the error of the whole curve.
# With Scott's bandwidth it falls approximately with the power -2/5 of the number of rows, the
# dashed line.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
first = table(1)[:1_500].compute()
left.scatter(*first.T, s=2, color="0.75", label="1,500 of the rows")
left.plot(grid, curve(grid), color="black", label="truth")
left.add_patch(Rectangle((0.6, 0.85), 0.8, 0.85, fill=False, edgecolor=BLUE, linewidth=1.5))
left.set(xlim=(-2, 2), ylim=(-3, 4.2), xlabel="x", ylabel="y")
middle.plot(grid, curve(grid), color="black", label="truth")
for (n_rows, fitted), color, style in zip(curves.items(), (ORANGE, GREEN, BLUE), (":", "-.", "--")):
    middle.plot(grid, fitted, style, color=color, linewidth=2, label=f"{n_rows:,d} rows")
middle.set(xlim=(0.6, 1.4), ylim=(0.85, 1.7), xlabel="x")
for panel in (left, middle):
    panel.legend(fontsize="small", loc="upper left", markerscale=3, frameon=False)
n_rows = np.array(list(errors))
right.loglog(n_rows, list(errors.values()), "o-", color=BLUE)
theory = errors[ROWS] * (n_rows / ROWS) ** (-2 / 5)
right.loglog(n_rows, theory, "--", color="0.5", label="$n^{-2/5}$")
right.legend(frameon=False)
right.set(xlabel="rows", ylabel="error of the curve")
plt.show()

# %%
# On a laptop
# -----------
# Threads of one process computed the chunks above. With a client, its workers do, and the code
# stays the same:
#
# .. code-block:: python
#
#    from distributed import Client, LocalCluster
#
#    if __name__ == "__main__":
#        client = Client(LocalCluster(n_workers=2, threads_per_worker=1))
