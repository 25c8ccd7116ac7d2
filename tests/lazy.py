"""Estimators fitted to the same rows in memory and in chunks."""

import numpy as np
import pytest

import nwkr

da = pytest.importorskip("dask.array")
chunked = pytest.importorskip("nwkr.dask")

# The ordinary estimators, and those over chunks.
REGRESSORS = nwkr.NadarayaWatsonRegressor, chunked.NadarayaWatsonRegressor
CLASSIFIERS = nwkr.NadarayaWatsonClassifier, chunked.NadarayaWatsonClassifier
REGRESSORS_CV = nwkr.NadarayaWatsonRegressorCV, chunked.NadarayaWatsonRegressorCV
CLASSIFIERS_CV = nwkr.NadarayaWatsonClassifierCV, chunked.NadarayaWatsonClassifierCV


def cut(array, rows=90):
    """A Dask array with chunks of so many rows."""
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def fitted(classes, X, y, weights=None, rows=90, **params):
    """Both estimators, fitted to the same rows."""
    local, over_chunks = (cls(**params) for cls in classes)
    parts = [None if part is None else cut(part, rows) for part in (X, y, weights)]
    return local.fit(X, y, weights), over_chunks.fit(*parts)


def assert_alike(local, over_chunks, queries, method="predict", rows=15):
    """Both predict the same for queries, or for None."""
    expected = getattr(local, method)(queries)
    found = getattr(over_chunks, method)(None if queries is None else cut(queries, rows))
    assert found.dtype == expected.dtype
    assert found.ndim == expected.ndim
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-9, atol=1e-9)
