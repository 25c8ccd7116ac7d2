"""Predictions from more rows than memory holds, in chunks: time, tasks and memory.

    pip install -e ".[dask]"
    python benchmarks/bench_dask.py                       # a few minutes on two cores
    python benchmarks/bench_dask.py --rows 1e7 --features 1

Chunks are generated when needed, by threads of this process, so its peak memory includes
everything. The error is that of predictions against the true regression function; it falls with
the number of rows.
"""

import argparse
import resource
import time

import dask
import dask.array as da
import numpy as np

from nwkr.dask import NadarayaWatsonRegressor


def truth(X):
    return np.sin(2 * X[:, 0]) + X[:, 1:].sum(axis=1) / 2


def chunk_of(rows, n_features, first, block_info=None):
    """Features, with the target as the last column; each chunk is the same at every call."""
    number = block_info[None]["chunk-location"][0]
    rng = np.random.default_rng([first, number])
    X = rng.normal(size=(rows, n_features))
    return np.column_stack([X, truth(X) + 0.5 * rng.normal(size=rows)])


def table(n_rows, n_features, rows, first):
    chunks = ((rows,) * (n_rows // rows), (n_features + 1,))
    return da.map_blocks(
        chunk_of, rows, n_features, first, chunks=chunks, dtype=float, meta=np.empty((0, 0))
    )


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts in KiB


def run(n_rows, n_queries, n_features, rows):
    keys, queries = (
        table(n, n_features, rows, first) for first, n in enumerate((n_rows, n_queries))
    )
    before, begin = peak(), time.perf_counter()
    model = NadarayaWatsonRegressor().fit(keys[:, :-1], keys[:, -1])
    fitted = time.perf_counter()
    predicted = model.predict(queries[:, :-1])
    n_tasks = len(dict(predicted.__dask_graph__()))
    expected = queries[:, :-1].map_blocks(truth, drop_axis=1, dtype=float)
    error = float(da.sqrt(((predicted - expected) ** 2).mean()).compute())
    print(
        f"{n_features:8d} {n_rows:14,d} {n_queries:12,d} {n_rows // rows:7d} {n_tasks:7d} "
        f"{fitted - begin:8.0f} {time.perf_counter() - fitted:8.0f} {before:8.2f} {peak():8.2f} "
        f"{n_rows * (n_features + 1) * 8 / 2**30:8.1f} {error:9.5f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e8)
    parser.add_argument("--queries", type=float, default=1e6)
    parser.add_argument("--features", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--chunk", type=float, default=1e6)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rows = int(options.chunk)
    print(
        "features           rows      queries  chunks   tasks    fit s predict s   before     peak "
        "  of rows     error"
    )
    with dask.config.set(scheduler="threads", num_workers=options.threads):
        for n_features in options.features:
            run(int(options.rows), int(options.queries), n_features, rows)


if __name__ == "__main__":
    main()
