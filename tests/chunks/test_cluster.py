"""Two worker processes, one of which may be lost, give the same bits as one process."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import nwkr

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
resource = pytest.importorskip("resource")  # not on Windows
distributed = pytest.importorskip("distributed")
cloudpickle = pytest.importorskip("cloudpickle")
chunked = pytest.importorskip("nwkr.dask")


@pytest.fixture(scope="module")
def client():
    """Two workers with one thread each, whose BLAS would otherwise use two."""
    # The workers may be unable to import this file.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    settings = {
        "distributed.nanny.pre-spawn-environ": {
            name: "2" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        },
        "distributed.comm.timeouts.connect": "60s",
        "distributed.scheduler.active-memory-manager.start": False,
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any port
            memory_limit="450MiB",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def data(rng):
    X = rng.normal([0, 100], size=(400, 2))
    y = np.sin(2 * X[:, 0]) + 0.1 * X[:, 1]
    queries = np.vstack([X[::9] + 0.05, [[50, 100]]])
    return X, y, rng.integers(0, 3, 400).astype(float), queries


def cut(array, rows=60):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


@pytest.mark.parametrize(
    "params",
    [
        {"algorithm": "lattice", "degree": 1},
        {"algorithm": "dense", "degree": 1},
        {"kernel": "tricube"},
    ],
    ids=str,
)
def test_predictions_equal_those_of_one_process(client, data, params):
    X, y, weights, queries = data
    model = chunked.NadarayaWatsonRegressor(**params).fit(cut(X), cut(y), cut(weights))
    lazy = model.predict(cut(queries, 15))
    found = lazy.compute()
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_array_equal(found, lazy.compute())
    expected = nwkr.NadarayaWatsonRegressor(**params).fit(X, y, weights).predict(queries)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_search_and_persisted_rows_equal_one_process(client, data):
    X, y, weights, queries = data
    lazy = [part.persist() for part in (cut(X), cut(y), cut(weights))]
    model = chunked.NadarayaWatsonRegressorCV(degrees=(1,)).fit(*lazy)
    local = nwkr.NadarayaWatsonRegressorCV(degrees=(1,)).fit(X, y, weights)
    np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-5)
    found = model.predict(cut(queries, 15)).compute()
    np.testing.assert_allclose(found, model.to_local().predict(queries), rtol=1e-9)


def test_classes_of_a_frame_equal_one_process(client, data):
    X, y, weights, queries = data
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(y=np.where(y > 10, "up", "down"), w=weights)
    lazy = dd.from_pandas(frame, npartitions=4)
    model = chunked.NadarayaWatsonClassifier(degree=1).fit(lazy[["a", "b"]], lazy.y, lazy.w)
    local = nwkr.NadarayaWatsonClassifier(degree=1).fit(frame[["a", "b"]], frame.y, frame.w)
    queries = pd.DataFrame(queries, columns=["a", "b"])
    found = model.predict_proba(dd.from_pandas(queries, npartitions=2)).compute()
    np.testing.assert_allclose(found, local.predict_proba(queries), rtol=0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["lattice", "dense"])
def test_unknown_empty_and_tiny_chunks(client, data, algorithm):
    X, y, _, queries = (part[:40].astype(np.float32) for part in data)
    kept = np.arange(40) // 5 != 3
    lazy = da.from_array(X, chunks=((5,) * 7 + (1,) * 5, (2,)))
    some = da.arange(40, chunks=lazy.chunks[0]) // 5 != 3
    targets = da.from_array(y, chunks=lazy.chunks[0])[some]
    model = chunked.NadarayaWatsonRegressor(algorithm=algorithm).fit(lazy[some], targets)
    found = model.predict(cut(queries[-6:], 1)).compute()
    expected = nwkr.NadarayaWatsonRegressor().fit(X[kept], y[kept]).predict(queries[-6:])
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_killing_a_worker_changes_no_bit(client, tmp_path):
    killed = tmp_path / "killed"

    def make(first, last, block_info=None):
        number = block_info[None]["chunk-location"][0]
        if last and number == 5 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.random.default_rng(first + number).normal(size=(200, 2))

    def table(n_chunks, first, last=False):
        chunks = ((200,) * n_chunks, (2,))
        return da.map_blocks(make, first, last, chunks=chunks, dtype=float, meta=np.empty((0, 0)))

    keys, queries = table(8, 0), table(8, 100, last=True)
    lazy = []
    for algorithm in ("lattice", "dense"):
        model = chunked.NadarayaWatsonRegressor(algorithm=algorithm, degree=1)
        lazy.append(model.fit(keys[:, :1], keys[:, 1]).predict(queries[:, :1]))
    found = dask.compute(*lazy)
    assert killed.exists()
    client.wait_for_workers(2, timeout=60)
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_array_equal(found, dask.compute(*lazy))


def _peak_of_memory():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def test_rows_are_not_kept_in_memory(client, data):
    n_chunks, shape = 24, (10_000, 60)

    def make(block_info=None):
        X = np.zeros(shape, np.float32)
        X[:, :2] = np.random.default_rng(block_info[None]["chunk-location"][0]).random((len(X), 2))
        return X

    nothing = np.empty((0, 0), np.float32)
    chunks = (shape[:1] * n_chunks, shape[1:])
    X = da.map_blocks(make, chunks=chunks, dtype=np.float32, meta=nothing)
    model = chunked.NadarayaWatsonRegressor(bandwidth=[0.01] + 59 * [np.inf], algorithm="lattice")
    places = np.linspace(0.05, 0.95, 10)
    queries = da.from_array(np.hstack([places[:, None], np.zeros((10, 59))]), chunks=(5, 60))
    model.fit(X[:20_000], X[:20_000, 1]).predict(queries).compute()
    workers, before = client.run(os.getpid), client.run(_peak_of_memory)
    found = model.fit(X, X[:, 1]).predict(queries).compute()
    np.testing.assert_allclose(found, 0.5, atol=0.01)  # the columns are independent
    assert client.run(os.getpid) == workers
    grown = sum(client.run(_peak_of_memory).values()) - sum(before.values())
    assert grown < n_chunks * 4 * np.prod(shape) / 2


def watched(u):
    """A Gaussian that fails where threads multiply."""
    try:
        distributed.get_worker()
    except ValueError:  # on the client
        return np.exp(-(u**2) / 2)
    n_blas = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}
    names = [thread.name for thread in threading.enumerate()]
    started = [name for name in names if name.startswith("ThreadPoolExecutor-")]
    return np.exp(-(u**2) / 2) if n_blas == {1} and not started else np.full_like(u, np.nan)


def test_threads_do_not_multiply(client, data):
    X, y, _, queries = data
    assert set(client.run(_blas_threads).values()) != {1}
    model = chunked.NadarayaWatsonRegressor(watched, 0.5, n_jobs=2).fit(cut(X), cut(y))
    expected = nwkr.NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict(queries[:-1])
    found = model.predict(cut(queries[:-1], 15)).compute()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    found = model.to_local().predict(cut(queries[:-1], 15)).compute()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def _blas_threads():
    return max(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas")


def test_an_error_names_the_chunk(client, data):
    X, y, _, _ = data
    X[130, 1] = np.inf
    with pytest.raises(ValueError, match=r"Chunk 2 of X.*finite.*column 1"):
        chunked.NadarayaWatsonRegressor().fit(cut(X), cut(y))
