"""Ordinary estimators with Dask collections: blocks of queries, and refusals."""

import subprocess
import sys

import numpy as np
import pytest

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(60, 2))
    return X, X.sum(axis=1), rng.normal(size=(25, 2))


def test_predictions_are_lazy_and_have_the_chunks_of_the_queries(rows):
    X, y, queries = rows
    model = NadarayaWatsonRegressor().fit(X, y)
    found = model.predict(da.from_array(queries, chunks=(10, 1)))
    assert found.chunks == ((10, 10, 5),)
    np.testing.assert_allclose(found.compute(), model.predict(queries), rtol=1e-12)


def test_several_outputs_and_standard_deviations(rows):
    X, y, queries = rows
    model = NadarayaWatsonRegressor().fit(X, np.stack([y, -y, y**2], axis=1))
    found = model.predict(da.from_array(queries, chunks=(10, 2)), return_std=True)
    assert [part.chunks for part in found] == 2 * [((10, 10, 5), (3,))]
    for part, expected in zip(found, model.predict(queries, return_std=True)):
        np.testing.assert_allclose(part.compute(), expected, rtol=1e-12)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_classes_are_lazy(rows, method):
    X, y, queries = rows
    model = NadarayaWatsonClassifier("epanechnikov").fit(X, np.where(y > 0, "above", "below"))
    found = getattr(model, method)(da.from_array(queries, chunks=(10, 2)))
    expected = getattr(model, method)(queries)
    assert found.dtype == expected.dtype
    if method == "predict":
        np.testing.assert_array_equal(found.compute(), expected)
    else:
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-12, atol=1e-12)


def test_blocks_of_unknown_length_and_without_rows(rows):
    X, y, queries = rows
    model = NadarayaWatsonRegressor().fit(X, y)
    lazy = da.from_array(queries, chunks=(10, 2))
    some = lazy[(lazy[:, 0] > 0) & (da.arange(25, chunks=10) >= 10)]
    found = model.predict(some).compute()
    np.testing.assert_allclose(found, model.predict(some.compute()), rtol=1e-12)


def test_frames_keep_their_names(rows):
    X, y, queries = rows
    model = NadarayaWatsonRegressor().fit(pd.DataFrame(X, columns=["a", "b"]), y)
    frame = pd.DataFrame(queries, columns=["a", "b"])
    found = model.predict(dd.from_pandas(frame, npartitions=3))
    np.testing.assert_allclose(found.compute(), model.predict(frame), rtol=1e-12)
    wrong = model.predict(dd.from_pandas(frame.rename(columns={"b": "c"}), npartitions=3))
    with pytest.raises(ValueError, match=r"Chunk . of X.*feature names"):
        wrong.compute()


def test_errors_name_the_chunk(rows):
    X, y, queries = rows
    queries[17, 1] = np.inf
    found = NadarayaWatsonRegressor().fit(X, y).predict(da.from_array(queries, chunks=(10, 2)))
    with pytest.raises(ValueError, match=r"Chunk 1 of X.*finite"):
        found.compute()


@pytest.mark.parametrize(
    "estimator",
    [NadarayaWatsonRegressor(), NadarayaWatsonClassifier(), NadarayaWatsonRegressorCV()],
)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_fit_refuses_collections(rows, estimator, which):
    X, y, _ = rows
    data = [X, y > 0, np.ones(len(y))]
    data[which] = da.from_array(data[which])
    with pytest.raises(TypeError, match=r"nwkr\.dask"):
        estimator.fit(*data)


def test_methods_without_blocks_refuse_collections(rows):
    X, y, queries = rows
    model = NadarayaWatsonRegressor().fit(X, y)
    with pytest.raises(TypeError, match=r"X\.compute\(\)"):
        model.attention_weights(da.from_array(queries))


def test_dask_is_loaded_for_collections_only():
    code = """
import sys, nwkr
model = nwkr.NadarayaWatsonRegressor().fit([[0.0], [1.0]], [0.0, 1.0])
model.predict([[0.5]])
assert not [name for name in sys.modules if name.split(".")[0] in ("dask", "distributed")]
assert "nwkr.dask" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_error_without_dask_says_how_to_install_it():
    code = """
import sys
sys.modules["dask"] = None
import nwkr
try:
    import nwkr.dask
except ImportError as error:
    assert 'pip install "dask[array,dataframe]"' in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)
