"""Bandwidth matrices, against plain formulas over pairs and against mapped rows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    PROFILES,
    attention_by_distance,
    local_line,
    newton_step,
    refit_without_each,
    slope,
)
from scipy.special import expit
from sklearn import config_context
from sklearn.model_selection import GridSearchCV

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonRegressor,
)
from nwkr.bandwidths import Adaptive, RuleOfThumb, Scott, Silverman
from nwkr.kernels import KERNELS

H = np.array([[0.9, 0.5, -0.2], [0.5, 0.8, 0.1], [-0.2, 0.1, 1.3]])


@pytest.fixture
def X(rng):
    return rng.normal(size=(60, 3)) @ [[1, 0.7, 0], [0, 0.5, 0.2], [0.1, 0, 1]]


@pytest.fixture
def y(X, rng):
    return np.sin(X[:, 0]) + X[:, 1] - X[:, 2] + 0.1 * rng.normal(size=len(X))


def distances(Q, X, matrix=H):
    """(n_queries, n_train): distances of pairs by the inverse of the matrix."""
    apart = np.asarray(Q)[:, None, :] - np.asarray(X)[None, :, :]
    return np.sqrt(np.einsum("qki,ij,qkj->qk", apart, np.linalg.inv(matrix), apart))


def mapped(X, matrix=H):
    """The rows mapped so that the matrix becomes the identity."""
    return np.linalg.solve(np.linalg.cholesky(matrix), np.asarray(X).T).T


def slopes_back(slopes, matrix=H):
    """Slopes by the original rows, from slopes by the mapped rows."""
    return slopes @ np.linalg.inv(np.linalg.cholesky(matrix))


@pytest.mark.parametrize("weighted", [False, True])
def test_distances_equal_the_formula(kernel, weighted, X, y, rng):
    Q = rng.normal(size=(20, 3))
    weight = rng.uniform(0.5, 2, len(X)) if weighted else None
    model = NadarayaWatsonRegressor(kernel, H).fit(X, y, weight)
    attention = attention_by_distance(
        distances(Q, X), 1.0, kernel, 1.0 if weight is None else weight, empty="nearest"
    )
    assert_allclose(model.attention_weights(Q), attention, rtol=1e-9, atol=1e-13)
    assert_allclose(model.predict(Q), attention @ y, rtol=1e-9, atol=1e-12)
    assert_array_equal(model.bandwidth_, H)


def test_distances_equal_mahalanobis(kernel, X, y, rng):
    Q = rng.normal(size=(20, 3))
    by_metric = NadarayaWatsonRegressor(
        kernel, 1.0, metric="mahalanobis", metric_params={"VI": np.linalg.inv(H)}
    )
    expected = by_metric.fit(X, y)
    model = NadarayaWatsonRegressor(kernel, H).fit(X, y)
    assert_allclose(model.predict(Q), expected.predict(Q), rtol=1e-9, atol=1e-12)
    assert_allclose(model.predict(None), expected.predict(None), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("degree", [0, 1])
def test_a_diagonal_matrix_equals_one_bandwidth_per_feature(degree, kernel, X, y, rng):
    Q, b = rng.normal(size=(20, 3)), np.array([0.8, 1.1, 1.7])
    for Estimator, targets, method in (
        (NadarayaWatsonRegressor, y, "predict"),
        (NadarayaWatsonClassifier, y > 0, "predict_proba"),
    ):
        plain = Estimator(kernel, b, degree=degree).fit(X, targets)
        model = Estimator(kernel, np.diag(b**2), degree=degree).fit(X, targets)
        for rows in (Q, None):
            found, expected = getattr(model, method)(rows), getattr(plain, method)(rows)
            assert_allclose(found, expected, rtol=1e-7, atol=1e-10)
    if KERNELS[kernel].derivative is not None:
        assert_allclose(model.gradient(Q), plain.gradient(Q), rtol=1e-6, atol=1e-9)


def projection(matrix=H):
    """A projection that gives the distances of the matrix."""
    return np.linalg.inv(np.linalg.cholesky(matrix))


@pytest.mark.parametrize("ridge", [0.5, 2.0])
@pytest.mark.parametrize("kernel", ["gaussian", "tricube"])
def test_lines_equal_the_formula(ridge, kernel, X, y, rng):
    """The bandwidth of a feature's slope is that along the feature."""
    Q, matrix = rng.normal(size=(15, 3)), 4 * H
    model = NadarayaWatsonRegressor(kernel, matrix, degree=1, ridge=ridge).fit(X, y)
    terms = {"kernel": kernel, "ridge": ridge, "projection": projection(matrix)}
    effective, slopes = zip(*(local_line(X, y, query, **terms) for query in Q))
    assert_allclose(model.effective_weights(Q), effective, rtol=1e-8, atol=1e-11)
    assert_allclose(model.predict(Q), effective @ y, rtol=1e-9)
    assert_allclose(model.local_slopes(Q), np.squeeze(slopes), rtol=1e-8, atol=1e-10)
    left_out = []
    for number in range(len(X)):
        rest, of_rest = np.delete(X, number, axis=0), np.delete(y, number)
        left_out.append(local_line(rest, of_rest, X[number], **terms)[0] @ of_rest)
    assert_allclose(model.predict(None), left_out, rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
def test_order_of_features_is_irrelevant(degree, X, y):
    turned = [2, 0, 1]
    model = NadarayaWatsonRegressor(bandwidth=H, degree=degree).fit(X, y)
    other = NadarayaWatsonRegressor(bandwidth=H[np.ix_(turned, turned)], degree=degree)
    assert_allclose(other.fit(X[:, turned], y).predict(None), model.predict(None), rtol=1e-9)


def test_lines_without_a_ridge_equal_least_squares(X, y):
    query, matrix = X[3] + 0.1, 4 * H
    weights = np.sqrt(PROFILES["gaussian"](distances(query[None], X, matrix))[0])
    design = np.column_stack([np.ones(len(X)), X - query])
    line = np.linalg.lstsq(weights[:, None] * design, weights * y, rcond=None)[0]
    model = NadarayaWatsonRegressor(bandwidth=matrix, degree=1, ridge=0.0).fit(X, y)
    assert_allclose(model.predict(query[None]), line[:1], rtol=1e-9)
    assert_allclose(model.local_slopes(query[None])[0], line[1:], rtol=1e-8)


def test_classes_with_a_trend_equal_the_formula(X, y, rng):
    """The trend and the slopes of the step are in the original features."""
    Q, labels = rng.normal(size=(15, 3)), np.where(y > 0, "above", "below")
    model = NadarayaWatsonClassifier(bandwidth=H, degree=1).fit(X, labels)
    plain = NadarayaWatsonClassifier(bandwidth=np.inf, degree=1).fit(X, labels)
    trend, counts = model._trend, np.ones(len(X))
    assert_allclose(model.trend_.predict_proba(Q), plain.predict_proba(Q), rtol=1e-6)
    of_rows = trend.residuals[:, 0], trend.curvature[:, 0]
    terms = {"kernel": "gaussian", "bandwidth": np.full(3, np.inf), "projection": projection()}
    level = trend.curvature.mean()
    steps = [newton_step(X, *of_rows, q, **terms, spread_of=(X, (counts, level))) for q in Q]
    logits = model.trend_.decision_function(Q) + steps
    assert_allclose(model.predict_proba(Q)[:, 1], expit(logits), rtol=1e-9, atol=1e-12)
    expected = slope(lambda q: model.predict_proba(q[None])[0, 1], Q[0])
    assert_allclose(model.gradient(Q[:1])[0, :, 1], expected, atol=1e-6)
    shares = model.explain(Q[:2], top_k=len(X)).groupby("query")["contribution"].sum()
    assert_allclose(shares, logits[:2], rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize("kernel", ["gaussian", "biweight"])
def test_gradients_equal_differences(degree, kernel, X, y):
    two = np.column_stack([y, X[:, 0] ** 2])
    model = NadarayaWatsonRegressor(kernel, 4 * H, degree=degree).fit(X, two)
    for query in X[:5] + 0.05:
        for output in range(2):
            expected = slope(lambda q, m=output: model.predict(q[None])[0, m], query)
            found = model.gradient(query[None])[0, :, output]
            assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("degree", [0, 1])
def test_leave_one_out_equals_refits(degree, X, y):
    """Without a ridge, because each refit measures the ridge in its own spread of the rows."""
    model = NadarayaWatsonRegressor(bandwidth=4 * H, degree=degree, ridge=0.0).fit(X, y)
    assert_allclose(model.predict(None), refit_without_each(model, X, y), rtol=1e-8)


@pytest.mark.parametrize("algorithm", ["blocks", "lattice"])
@pytest.mark.parametrize("degree", [0, 1])
def test_algorithms_agree(algorithm, degree, rng):
    matrix = np.array([[0.3, 0.2], [0.2, 0.3]])
    X, Q = (rng.normal(size=(n, 2)) @ [[1, 0.8], [0, 0.6]] for n in (3000, 50))
    y = X[:, 0] * X[:, 1]
    dense, other = (
        NadarayaWatsonRegressor(bandwidth=matrix, degree=degree, algorithm=name).fit(X, y)
        for name in ("dense", algorithm)
    )
    assert other.algorithm_ == algorithm
    assert_allclose(other.predict(Q), dense.predict(Q), rtol=1e-8, atol=1e-10)


def test_rows_far_from_zero_keep_their_digits(X, y):
    shift, X = 2.0**20, np.round(X * 2**16) / 2**16  # the shift itself loses no digits
    model = NadarayaWatsonRegressor(bandwidth=H, degree=1).fit(X, y)
    far = NadarayaWatsonRegressor(bandwidth=H, degree=1).fit(X + shift, y)
    assert_allclose(far.predict(X + shift), model.predict(X), rtol=1e-11)
    assert_allclose(far.gradient(X + shift), model.gradient(X), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_rows_of_any_scale(scale, X, y):
    model = NadarayaWatsonRegressor(bandwidth=H).fit(X, y)
    scaled = NadarayaWatsonRegressor(bandwidth=H * scale**2).fit(X * scale, y)
    assert_allclose(scaled.predict(X * scale), model.predict(X), rtol=1e-9)


def test_a_row_is_mapped_the_same_in_any_batch(X, y):
    model = NadarayaWatsonRegressor("boxcar", H * 1e-40, handle_empty="error").fit(X, y)
    for number in range(len(X)):
        assert_allclose(model.predict(X[number, None]), y[number, None], rtol=1e-14)


def test_densities_integrate_to_one(kernel, X, y, rng):
    if kernel == "constant":
        pytest.skip("the constant kernel has no density")
    Q = rng.normal(size=(10, 3))
    model = NadarayaWatsonRegressor(kernel, H).fit(X, y)
    volume = np.exp(KERNELS[kernel].log_normalizer(3)) * np.sqrt(np.linalg.det(H))
    density = PROFILES[kernel](distances(Q, X)).mean(axis=1) / volume
    assert_allclose(np.exp(model.score_samples(Q)), density, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(("rule", "factor"), [(Scott, 1.0), (Silverman, (3 + 2) / 4)])
def test_rules_give_the_covariance(rule, factor, kernel, X, y, rng):
    copies = rng.integers(0, 3, len(X))
    n = copies.sum()
    expected = (n * factor) ** (-2 / 7) * np.cov(X.T, fweights=copies, bias=True)
    found = rule(covariance=True)(X, copies)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    model = NadarayaWatsonRegressor(kernel, rule(covariance=True)).fit(X, y, copies)
    std = KERNELS[kernel].std(3)
    assert_allclose(model.bandwidth_, expected / (std**2 if np.isfinite(std) else 1), rtol=1e-9)
    assert_allclose(np.sqrt(np.diag(rule(covariance=True)(X))), rule()(X), rtol=1e-9)


def test_rules_are_equivariant_to_rotations(X, y):
    """Predictions are the same in all coordinates."""
    other = X @ [[2, 1, 0], [-1, 3, 0.5], [0, 0, 0.1]] + 7
    model = NadarayaWatsonRegressor(bandwidth=Scott(covariance=True))
    expected = model.fit(X, y).predict(X)
    assert_allclose(model.fit(other, y).predict(other), expected, rtol=1e-9)


def test_a_custom_rule(X, y):
    class Half(RuleOfThumb):
        covariance = True

        def factor(self, n_samples, n_features):
            return 0.5

    model = NadarayaWatsonRegressor(bandwidth=Half()).fit(X, y)
    assert_allclose(model.bandwidth_, np.cov(X.T, bias=True) / 4, rtol=1e-9)


def test_other_methods_and_searches(X, y):
    frame = pd.DataFrame(X, columns=list("abc"))
    model = NadarayaWatsonRegressor(bandwidth=H.tolist()).fit(frame, y)
    shown = model.explain(frame[:4], top_k=3, features=["b"])
    assert_allclose(shown["b"], frame["b"][shown["row"]], rtol=1e-12)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(frame), model.predict(frame))
    search = GridSearchCV(NadarayaWatsonRegressor(), {"bandwidth": [100 * H, H, "scott"]}, cv=3)
    assert search.fit(X, y).best_index_ > 0
    refitted = model.set_params(bandwidth=1.0).fit(frame, y)
    expected = NadarayaWatsonRegressor(bandwidth=1.0).fit(frame, y)
    assert_array_equal(refitted.predict(frame), expected.predict(frame))


def test_one_sided_with_a_matrix(X, y):
    model = NadarayaWatsonRegressor(bandwidth=H, one_sided=1).fit(X, y)
    for query in X[X[:, 1] > 0][:5]:
        before = X[:, 1] <= query[1]
        attention = attention_by_distance(distances(query[None], X[before]), 1.0, "gaussian")
        assert_allclose(model.predict(query[None]), attention @ y[before], rtol=1e-9)


def test_one_feature(X, y):
    model = NadarayaWatsonRegressor(bandwidth=[[0.25]]).fit(X[:, :1], y)
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(X[:, :1], y)
    assert_allclose(model.predict(X[:, :1]), expected.predict(X[:, :1]), rtol=1e-12)


BAD = [
    (np.eye(2), r"bandwidth must be.*\(3, 3\).*shape \(2, 2\)"),
    (np.ones((3, 2)), r"shape \(3, 2\)"),
    (H + np.triu(np.full((3, 3), 0.1), 1), "not symmetric"),
    (H - 2 * np.eye(3), "diagonal that is not positive"),
    (np.ones((3, 3)) + np.eye(3) * [0, 0, 5], "not positive definite"),
    (np.eye(3) + 2 * (1 - np.eye(3)), "not positive definite"),
    (np.diag([1, 1, np.inf]), "no finite numbers"),
    (np.diag([1, 1, np.nan]), "no finite numbers"),
    (H.astype(complex), "no finite numbers"),
    (H.astype(str), "no finite numbers"),
    (np.ma.masked_equal(H, H[0, 0]), "masked values"),
]


@pytest.mark.parametrize(("matrix", "words"), BAD, ids=range(len(BAD)))
def test_bad_matrices_are_refused(matrix, words, X, y):
    with pytest.raises(ValueError, match=words):
        NadarayaWatsonRegressor(bandwidth=matrix).fit(X, y)


def test_error_names_the_columns_without_an_inverse(X, y):
    frame = pd.DataFrame(X, columns=list("abc"))
    model = NadarayaWatsonRegressor(bandwidth=Scott(covariance=True))
    with pytest.raises(ValueError, match=r"constant: 'd'. Leave them out"):
        model.fit(frame.assign(d=7.1), y)
    with pytest.raises(ValueError, match=r"collinear: 'a', 'c', 'd'. Leave one"):
        model.fit(frame.assign(d=frame["a"] - 2 * frame["c"] + 1e5), y)
    assert not hasattr(model, "bandwidth_")


@pytest.mark.parametrize("bandwidth", [H, Scott(covariance=True)], ids=["matrix", "rule"])
def test_unsupported_combinations_are_refused(bandwidth, X, y):
    def refused(words, X=X, y=y, Estimator=NadarayaWatsonRegressor, **parameters):
        parameters = {"bandwidth": bandwidth} | parameters
        with pytest.raises(ValueError, match=words):
            Estimator(**parameters).fit(X, y)

    refused("metric='manhattan' does not support a matrix", metric="manhattan")
    refused("numbers only.*column 2", categorical_features=[2], X=np.round(X))
    refused("numbers only", periodic_features={0: 24})
    gaps = np.where(np.arange(3) == 1, np.where(X > 2, X, np.nan), X)
    refused("without missing numbers.*column 1", X=gaps)
    refused("Adaptive.*does not support a matrix", bandwidth=Adaptive(bandwidth))
    model = NadarayaWatsonRegressor(bandwidth=bandwidth)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(ValueError, match=r"NaN|missing"):
        model.fit(X, y).predict(gaps)


def test_tensors_are_refused(arrays, X, y):
    with (
        config_context(array_api_dispatch=True),
        pytest.raises(ValueError, match=f"array of {arrays.library} does not support a matrix"),
    ):
        NadarayaWatsonRegressor(bandwidth=H).fit(arrays.take(X), arrays.take(y))


def test_dask_collections_are_refused(X, y):
    pytest.importorskip("dask")
    import dask.array as da

    from nwkr.dask import NadarayaWatsonRegressor as Lazy

    with pytest.raises(ValueError, match="Dask collections does not support a matrix"):
        Lazy(bandwidth=H).fit(da.from_array(X), da.from_array(y))
