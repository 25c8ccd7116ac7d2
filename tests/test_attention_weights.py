"""Attention weights: all rows or the largest, dense or sparse; the attribute is lazy."""

import copy
import inspect
import pickle
import tracemalloc
from io import BytesIO

import joblib
import numpy as np
import pytest
from either import empty_of, pooled, values_of
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.validation import check_is_fitted

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor

close = {"rtol": 1e-10, "atol": 1e-12}
BANDWIDTH = 0.3


@pytest.mark.parametrize("handle_empty", ["nearest", "mean"])
def test_rows_sum_to_1_and_average_y_to_the_prediction(
    Estimator, kernel, handle_empty, data, sample_weight
):
    X, y, queries = data
    model = Estimator(kernel, BANDWIDTH, handle_empty=handle_empty).fit(X, y, sample_weight)
    for Q in (queries, None):
        weights = model.attention_weights(Q)
        assert weights.shape == (len(X if Q is None else Q), len(X))
        assert (weights >= 0).all()
        assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
        assert_allclose(weights @ values_of(model, y), pooled(model, Q), **close)
        expected = attention(
            X if Q is None else Q,
            X,
            kernel,
            BANDWIDTH,
            sample_weight,
            leave_self_out=Q is None,
            empty=empty_of(kernel, handle_empty),
        )
        # The formula gives the nearest rows their sample weights, even where these are 0.
        reached = ~np.isnan(expected).any(axis=1)
        assert_allclose(weights[reached], expected[reached], **close)


def test_weights_of_X_none_are_leave_one_out(Estimator, kernel, data):
    X, y, _ = data
    model = Estimator(kernel, BANDWIDTH).fit(X, y)
    weights = model.attention_weights()
    assert_array_equal(np.diag(weights), 0)
    assert_array_equal(weights, model.attention_weights(None))
    expected = attention(X, X, kernel, BANDWIDTH, leave_self_out=True, empty="nearest")
    assert_allclose(weights, expected, **close)


def test_attention_weights_attribute_includes_each_row_itself(
    Estimator, kernel, data, sample_weight
):
    X, y, _ = data
    model = Estimator(kernel, BANDWIDTH).fit(X, y, sample_weight)
    assert_array_equal(model.attention_weights_, model.attention_weights(X))
    assert (np.diag(model.attention_weights_)[sample_weight > 0] > 0).all()
    assert_allclose(model.attention_weights_ @ values_of(model, y), pooled(model, X), **close)


@pytest.mark.parametrize("top_k", [None, 1, 5, 30])
@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
@pytest.mark.parametrize("kernel", ["gaussian", "triangular"])
def test_sparse_equals_dense(Estimator, kernel, handle_empty, top_k, data, sample_weight):
    X, y, queries = data
    model = Estimator(kernel, BANDWIDTH, handle_empty=handle_empty).fit(X, y, sample_weight)
    for Q in (queries, None):
        dense = model.attention_weights(Q, top_k=top_k)
        as_sparse = model.attention_weights(Q, sparse_output=True, top_k=top_k)
        assert isinstance(dense, np.ndarray)
        assert isinstance(as_sparse, sparse.csr_array)
        assert as_sparse.has_canonical_format
        assert_array_equal(as_sparse.toarray(), dense)


def test_sparse_equals_dense_over_many_blocks(Estimator, rng):
    X, y = rng.uniform(size=(900, 2)), rng.integers(3, size=900)
    model = Estimator("biweight", 0.1, n_jobs=2).fit(X, y)
    as_sparse = model.attention_weights(X, sparse_output=True)
    assert as_sparse.nnz < 900**2 / 10
    assert_array_equal(as_sparse.toarray(), model.attention_weights(X))
    assert_allclose(as_sparse @ values_of(model, y), pooled(model, X), **close)


def test_sparse_is_built_without_a_dense_matrix(rng):
    X = rng.uniform(size=(3000, 1))
    model = NadarayaWatsonRegressor("boxcar", 1e-3, n_jobs=1).fit(X, X[:, 0])
    model.attention_weights(X[:10], sparse_output=True)
    tracemalloc.start()
    try:
        weights = model.attention_weights(X, sparse_output=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < weights.shape[0] * weights.shape[1] * 8 / 3


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_rows_of_nan_among_sparse_rows_stay_sparse(algorithm, rng):
    X = rng.uniform(size=(10_000, 1))
    model = NadarayaWatsonRegressor("boxcar", 1e-4, handle_empty="nan", algorithm=algorithm)
    model.set_params(n_jobs=1).fit(X, X[:, 0])
    queries = X[::4].copy()
    model.attention_weights(queries, sparse_output=True)
    queries[::250] = 5.0
    tracemalloc.start()
    try:
        weights = model.attention_weights(queries, sparse_output=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A dense block of queries would take 25e6 bytes.
    assert peak < 10e6
    in_row = np.diff(weights.indptr)
    assert_array_equal(in_row == 10_000, queries[:, 0] == 5)
    assert in_row[queries[:, 0] < 5].max() < 20
    assert_array_equal(np.isnan(weights.sum(axis=1)), queries[:, 0] == 5)


@pytest.mark.parametrize("top_k", [1, np.int64(4), 29, 30])
def test_top_k_keeps_the_largest_weights_unchanged(Estimator, kernel, top_k, data):
    X, y, queries = data
    model = Estimator(kernel, BANDWIDTH).fit(X, y)
    for Q in (queries, None):
        every, kept = model.attention_weights(Q), model.attention_weights(Q, top_k=top_k)
        assert ((kept == every) | (kept == 0)).all()
        assert_array_equal(np.sort(kept)[:, -top_k:], np.sort(every)[:, -top_k:])
        assert (np.count_nonzero(kept, axis=1) <= top_k).all()


def test_rows_without_weight_have_columns_of_zeros(Estimator, kernel, data, sample_weight):
    X, y, queries = data
    queries = np.vstack([queries, X])  # includes queries without weight
    for handle_empty in ("nearest", "mean", "nan"):
        model = Estimator(kernel, BANDWIDTH, handle_empty=handle_empty).fit(X, y, sample_weight)
        for weights in (
            model.attention_weights(queries),
            model.attention_weights(queries, sparse_output=True).toarray(),
            model.attention_weights(),
            model.attention_weights_,
        ):
            assert_array_equal(weights[:, sample_weight == 0], 0)
            assert (np.nan_to_num(weights, nan=1)[:, sample_weight > 0].any(axis=0)).all()


def test_attention_weights_attribute_stays_within_working_memory(Estimator, rng):
    X, y = rng.uniform(size=(400, 1)), rng.integers(3, size=400)
    model = Estimator().fit(X, y)
    with config_context(working_memory=1):  # MiB; 400 x 400 numbers are 1.28e6 bytes
        with pytest.raises(AttributeError, match=r"400 x 400.*working_memory of 1 MiB.*") as error:
            _ = model.attention_weights_
        assert "attention_weights(X)" in str(error.value)
        assert not hasattr(model, "attention_weights_")
        check_is_fitted(model)
        assert model.attention_weights(X).shape == (400, 400)
        assert Estimator().fit(X[:360], y[:360]).attention_weights_.shape == (360, 360)
    assert model.attention_weights_.shape == (400, 400)


@pytest.fixture
def evaluations(monkeypatch):
    """A list that gets an item whenever an estimator's `attention_weights_` is read."""
    counted = []
    for cls in (NadarayaWatsonRegressor, NadarayaWatsonClassifier):
        monkeypatch.setattr(
            cls, "attention_weights_", property(lambda self: counted.append(1) or np.eye(1))
        )
    return counted


def displays(model):
    """Call everything that displays, copies or inspects a model."""
    dir(model)
    repr(model)
    str(model)
    estimator_html_repr(model)
    model._repr_html_()
    model._repr_mimebundle_()
    inspect.getmembers(model)
    pickle.loads(pickle.dumps(model))
    joblib.dump(model, BytesIO())
    copy.copy(model)
    copy.deepcopy(model)
    clone(model)
    check_is_fitted(model)
    model.get_params()


def test_attention_weights_attribute_is_never_read_by_displays(Estimator, data, evaluations):
    X, y, queries = data
    model = Estimator().fit(X, y)
    pipeline = make_pipeline(StandardScaler(), Estimator()).fit(X, y)
    search = GridSearchCV(pipeline, {f"{pipeline.steps[-1][0]}__bandwidth": [0.5, 1.0]}, cv=2)
    search.fit(X, y)
    model.predict(queries)
    for shown in (model, pipeline, search, search.best_estimator_):
        displays(shown)
    assert not evaluations
    _ = model.attention_weights_
    assert len(evaluations) == 1


def test_dir_lists_all_attributes_except_attention_weights_(Estimator, data):
    X, y, _ = data
    model = Estimator()
    assert "bandwidth_" not in dir(model)
    model.fit(X, y)
    assert {"bandwidth_", "kernel_", "algorithm_", "n_features_in_", "predict"} <= set(dir(model))
    assert "attention_weights" in dir(model)
    assert "attention_weights_" not in dir(model)
    assert all(hasattr(model, name) for name in dir(model))
