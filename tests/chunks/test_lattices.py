"""Chunks pooled over a lattice: the same predictions, with as many tasks as chunks."""

import tracemalloc

import numpy as np
import pytest
from lazy import cut
from sklearn import config_context

import nwkr

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
chunked = pytest.importorskip("nwkr.dask")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=[1, 2])
def data(request, rng):
    """Rows, targets, weights and queries, some of them far from all rows."""
    n_features = request.param
    X = rng.normal(size=(600, n_features)) * 5 + 1000
    weights = rng.integers(0, 4, 600).astype(float)
    far = np.linspace(-100, 200, 5)[:, None] + 1000 * np.ones(n_features)
    queries = np.vstack([X[::20] + 0.1, far])
    return X, np.sin(X).sum(axis=1), weights, queries


def kinds_of_tasks(lazy):
    """Numbers of tasks of each kind."""
    names = [key[0] for key in dict(lazy.__dask_graph__()) if isinstance(key, tuple)]
    kinds = [name.rsplit("-", 1)[0] for name in names]
    return {kind: kinds.count(kind) for kind in kinds}


def goes_by_lattice(lazy):
    return "spread" in kinds_of_tasks(lazy)


@pytest.mark.parametrize("params", [{}, {"degree": 1}, {"degree": 1, "ridge": 0.1}], ids=str)
def test_predictions_agree(data, params):
    X, y, weights, queries = data
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice", **params)
    model.fit(cut(X), cut(y), cut(weights))
    found = model.predict(cut(queries, 8))
    assert goes_by_lattice(found)
    local = nwkr.NadarayaWatsonRegressor(**params).fit(X, y, weights)
    np.testing.assert_allclose(found.compute(), local.predict(queries), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("params", [{}, {"degree": 1}, {"degree": 1, "ridge": 0.1}], ids=str)
def test_training_rows_left_out_agree(data, params):
    X, y, weights, _ = data
    X[:3], X[250] = X[:3] + 200, X[250] - 300  # two chunks must read all keys
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice", **params)
    found = model.fit(cut(X), cut(y), cut(weights)).predict(None)
    tasks = kinds_of_tasks(found)
    assert tasks["spread"] == tasks["gather"] == tasks["look"] == tasks["answer"] == 7
    assert "pool" not in tasks
    local = nwkr.NadarayaWatsonRegressor(**params).fit(X, y, weights)
    np.testing.assert_allclose(found.compute(), local.predict(None), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
def test_classes_of_training_rows_left_out_agree(data, degree):
    X, y, weights, _ = data
    X[7], labels = X[7] + 200, np.digitize(y, [-0.5, 0.5])
    params = {"degree": degree, "class_weight": {0: 0.0, 1: 1.0, 2: 2.0}}
    model = chunked.NadarayaWatsonClassifier(algorithm="lattice", **params)
    found = model.fit(cut(X), cut(labels), cut(weights)).predict_proba(None)
    assert goes_by_lattice(found)
    local = nwkr.NadarayaWatsonClassifier(**params).fit(X, labels, weights)
    np.testing.assert_allclose(found.compute(), local.predict_proba(None), rtol=0, atol=1e-9)


def test_classes_agree(data):
    X, y, weights, queries = data
    labels, class_weight = np.digitize(y, [-0.5, 0.5]), {0: 1.0, 1: 0.2, 2: 3.0}
    model = chunked.NadarayaWatsonClassifier(algorithm="lattice", class_weight=class_weight)
    found = model.fit(cut(X), cut(labels), cut(weights)).predict_proba(cut(queries, 8))
    assert goes_by_lattice(found)
    local = nwkr.NadarayaWatsonClassifier(class_weight=class_weight).fit(X, labels, weights)
    np.testing.assert_allclose(found.compute(), local.predict_proba(queries), rtol=0, atol=1e-11)


@pytest.mark.parametrize("rows", [1, 37, 1000])
def test_chunks_of_any_length(data, rows):
    X, y, weights, queries = (part[:80] for part in data)
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice", degree=1)
    found = model.fit(cut(X, rows), cut(y, rows), cut(weights, rows)).predict(cut(queries, rows))
    local = nwkr.NadarayaWatsonRegressor(degree=1).fit(X, y, weights)
    np.testing.assert_allclose(found.compute(), local.predict(queries), rtol=1e-9)


def test_unknown_and_empty_chunks_of_float32(data):
    X, y, _, queries = data
    X, queries = X.astype(np.float32), queries.astype(np.float32)
    kept = np.arange(600) % 300 >= 100
    some = da.arange(600, chunks=100) % 300 >= 100
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice")
    model.fit(cut(X)[some], cut(y)[some])
    found = model.predict(cut(queries, 8)[da.arange(35, chunks=8) >= 8])
    local = nwkr.NadarayaWatsonRegressor().fit(X[kept], y[kept])
    np.testing.assert_allclose(found.compute(), local.predict(queries[8:]), rtol=1e-3, atol=1e-3)


def test_frames_agree(data):
    X, y, _, queries = data
    columns = [f"x{number}" for number in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=columns).assign(y=y)
    lazy = dd.from_pandas(frame, npartitions=4)
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice").fit(lazy[columns], lazy.y)
    found = model.predict(dd.from_pandas(pd.DataFrame(queries, columns=columns), npartitions=3))
    local = nwkr.NadarayaWatsonRegressor().fit(X, y)
    np.testing.assert_allclose(found.compute(), local.predict(queries), rtol=1e-9, atol=1e-9)


def test_there_are_as_many_tasks_as_chunks(rng):
    X = rng.normal(size=(640, 2))
    for n_keys, n_queries in ((4, 8), (16, 32), (64, 8)):
        keys, queries = cut(X, 640 // n_keys), cut(X, 640 // n_queries)
        model = chunked.NadarayaWatsonRegressor(algorithm="lattice").fit(keys, keys[:, 0])
        tasks = kinds_of_tasks(model.predict(queries))
        expected = {"spread": n_keys, "add": n_keys - 1, "look": n_keys, "merge": n_keys - 1}
        expected |= {"gather": n_queries, "left": 1, "answer": n_queries}
        assert {kind: tasks[kind] for kind in expected} == expected
        pairs = model.set_params(algorithm="dense").fit(keys, keys[:, 0]).predict(queries)
        assert kinds_of_tasks(pairs)["pool"] == n_keys * n_queries


def test_the_way_with_fewer_pairs_is_taken():
    X = da.random.default_rng(0).normal(size=(200_000, 1), chunks=20_000)
    model = chunked.NadarayaWatsonRegressor(bandwidth=0.1).fit(X, X[:, 0])
    assert goes_by_lattice(model.predict(X))
    assert goes_by_lattice(model.predict(X[X[:, 0] > 0]))  # their number is unknown
    assert goes_by_lattice(model.predict(None))
    assert not goes_by_lattice(model.predict(X[:5]))
    with config_context(working_memory=1e-3):
        assert not goes_by_lattice(model.fit(X, X[:, 0]).predict(X))
    model.set_params(kernel="tricube")
    assert not goes_by_lattice(model.fit(X, X[:, 0]).predict(X))


def test_lines_in_narrow_windows_use_pairs(rng):
    X = rng.uniform(size=(300, 1))
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice", degree=1, bandwidth=1e-4)
    assert not goes_by_lattice(model.fit(cut(X), cut(X[:, 0])).predict(cut(X)))


@pytest.mark.parametrize("persisted", [False, True])
def test_keys_are_read_a_second_time_only_for_remaining_queries(persisted):
    n_made = []

    def make(block_info=None):
        n_made.append(1)
        return np.random.default_rng(len(n_made)).normal(size=(50, 2))

    X = da.map_blocks(make, chunks=((50,) * 4, (2,)), dtype=float, meta=np.empty((0, 0)))
    near, far = (da.from_array(np.full((3, 1), place)) for place in (0.0, 90.0))
    if persisted:
        X = X.persist()
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice", bandwidth=1.0)
    model.fit(X[:, :1], X[:, 1])
    n_made.clear()
    model.predict(near).compute()
    assert len(n_made) == (0 if persisted else 4)
    n_made.clear()
    model.predict(far).compute()
    assert len(n_made) == (0 if persisted else 8)
    n_made.clear()
    model.predict(None).compute()
    assert len(n_made) == (0 if persisted else 8)


def test_memory_does_not_grow_with_the_rows():
    def make(block_info=None):
        number = block_info[None]["chunk-location"][0]
        return np.random.default_rng(number).normal(size=(10_000, 2))

    def peak(n_chunks):
        chunks = ((10_000,) * n_chunks, (2,))
        X = da.map_blocks(make, chunks=chunks, dtype=float, meta=np.empty((0, 0)))
        model = chunked.NadarayaWatsonRegressor(algorithm="lattice", bandwidth=0.1)
        tracemalloc.start()
        model.fit(X[:, :1], X[:, 1]).predict(da.from_array(np.ones((5, 1)))).compute()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # loads what stays in memory
    assert peak(16) < 1.3 * peak(4)


def test_queries_with_missing_numbers_read_the_keys(data):
    X, y, weights, queries = data
    queries[::3, 0] = np.nan
    for degree in (0, 1):
        params = {"degree": degree, "bandwidth": 1.0}
        model = chunked.NadarayaWatsonRegressor(algorithm="lattice", **params)
        found = model.fit(cut(X), cut(y), cut(weights)).predict(cut(queries, 8))
        assert goes_by_lattice(found)
        local = nwkr.NadarayaWatsonRegressor(**params).fit(X, y, weights)
        np.testing.assert_allclose(found.compute(), local.predict(queries), rtol=1e-9, atol=1e-9)


def test_keys_with_missing_numbers_use_pairs(data):
    X, y, _, _ = data
    X[5, 0] = np.nan
    model = chunked.NadarayaWatsonRegressor(bandwidth=1.0)
    model.fit(cut(X), cut(y))
    assert model._model.lattice is None
    with pytest.raises(ValueError, match="without missing values"):
        model.set_params(algorithm="lattice").fit(cut(X), cut(y))


def test_error_names_the_chunk_with_bad_rows(data):
    X, y, _, queries = data
    model = chunked.NadarayaWatsonRegressor(algorithm="lattice").fit(cut(X), cut(y))
    queries[20, 0] = np.inf
    with pytest.raises(ValueError, match=r"Chunk 2 of X.*finite"):
        model.predict(cut(queries, 8)).compute()
