"""
Rows that no memory holds
=========================

The estimators of :mod:`nwkr.dask` are fitted on chunks, which are made or read where they are
needed and forgotten. Here a chunk is generated from its number; :doc:`the chapter
</user_guide/more_than_one_machine>` says how the same runs on several machines. We fit a curve to
more and more rows, and see that its error falls as it should while memory does not grow.
"""

# %%
# A table in chunks
# -----------------
# A Dask array knows how to make each chunk. Nothing is made yet.

from time import perf_counter

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

from nwkr.dask import NadarayaWatsonRegressor

BLUE, ORANGE = "#0072B2", "#E69F00"
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
# ``fit`` reads each chunk once. ``predict`` gives a lazy array. When that is computed, each chunk
# of rows hands its weights to a lattice, and the lattices add up.

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
# With Scott's bandwidth the error falls about as the power -2/5 of the number of rows: the dashed
# line. The bump at 1 is narrow, and shows it best.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
first = table(1)[:1_500].compute()
left.scatter(*first.T, s=3, color="0.8", label="1,500 of the rows")
left.plot(grid, curve(grid), color="black", label="truth")
for (n_rows, fitted), color in zip(curves.items(), ("#56B4E9", BLUE, ORANGE)):
    left.plot(grid, fitted, color=color, label=f"{n_rows:,d} rows")
left.set(xlim=(-2, 2), ylim=(-3, 3), xlabel="x", ylabel="y")
left.legend(frameon=False, fontsize="small", loc="lower right")
n_rows = np.array(list(errors))
right.loglog(n_rows, list(errors.values()), "o-", color=BLUE)
right.loglog(n_rows, errors[ROWS] * (n_rows / ROWS) ** (-2 / 5), "--", color="0.5")
right.set(xlabel="rows", ylabel="error of the curve")
plt.show()

# %%
# On a laptop
# -----------
# The chunks above went to threads of one process. With a client they go to its workers, and the
# code stays as it is:
#
# .. code-block:: python
#
#    from distributed import Client, LocalCluster
#
#    if __name__ == "__main__":
#        client = Client(LocalCluster(n_workers=2, threads_per_worker=1))
