"""Learned projections, against plain formulas over pairs and differences."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, attention_by_distance, local_line, slope
from scipy.special import softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_friedman1

from nwkr import NadarayaWatsonClassifierCV, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr._columns import Columns
from nwkr._leave_one_out import MEANS, Form, LeaveOneOut
from nwkr._mapped_columns import MappedColumns
from nwkr._objective import by_criterion
from nwkr._pooling import Attention, distance_slopes
from nwkr._projection import learn, principal
from nwkr._trend import Trend
from nwkr._window import MappedWindow
from nwkr.kernels import KERNELS

DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)
P = np.array([[0.5, -0.3, 0.1], [0.2, 0.4, -0.1]])
LINES = Form(1, 0.7)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(40, 3)) * [1, 2, 0.5] + [0, 5, 0]
    y = np.column_stack([np.sin(X[:, 0] - X[:, 1]), rng.normal(size=40)])
    return X, y, rng.integers(1, 4, 40).astype(float)


@pytest.fixture
def index(rng):
    """Rows whose target depends on one direction, which is no feature's."""
    X = rng.normal(size=(150, 4))
    along = X @ [0.5, -0.5, 0.5, 0.5]
    return X, np.sin(2.5 * along) + 0.1 * rng.normal(size=150)


def leave_one_out(X, y, kernel="gaussian", weights=None, trend=None):
    weights = np.ones(len(X)) if weights is None else weights
    attention = Attention(
        X, X, weights / weights.max(), KERNELS[kernel], leave_out=np.arange(len(X)),
        counts=weights, unit=weights.max(), empty="nearest",
    )  # fmt: skip
    return LeaveOneOut(attention, y, Columns.of_numbers(X.shape[1]), trend=trend)


def fit_at(rows, projection, form=MEANS):
    columns = MappedColumns.of_rows(rows.features, rows.attention.keys, projection)
    return next(rows.fits([MappedWindow(columns.units, columns)], form))


def slopes_by_differences(function, projection):
    flat = slope(lambda x: function(x.reshape(projection.shape)), projection.ravel())
    return flat.reshape(projection.shape)


# -- losses and their slopes --------------------------------------------------------------


@pytest.mark.parametrize("form", [MEANS, LINES], ids=["means", "lines"])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_equal_differences(kernel, form, data):
    """Slopes of leave-one-out, AICc and GCV by each number of the projection."""
    X, y, weights = data
    rows, shares = leave_one_out(X, y, kernel, weights), weights / weights.sum()

    def error(projection):
        return shares @ np.square(fit_at(rows, projection, form).predictions - y).sum(axis=1)

    fit = fit_at(rows, P, form)
    got = fit.slopes(2 * shares[:, None] * (fit.predictions - y))
    assert_allclose(got, slopes_by_differences(error, P), rtol=1e-5, atol=1e-7)
    for criterion in ("aicc", "gcv"):

        def value(projection, criterion=criterion):
            fit = fit_at(rows, projection, form)
            return by_criterion(criterion, fit, fit.fitted - y, shares, 40)[0]

        got = by_criterion(criterion, fit, fit.fitted - y, shares, 40)[1]
        assert_allclose(got, slopes_by_differences(value, P), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_equal_sums_over_pairs(kernel, data):
    """The plain formula of Weinberger and Tesauro, with the derivative of the kernel."""
    X, y, _ = data
    fit = fit_at(leave_one_out(X, y, kernel), P)
    got = fit.slopes(2 * (fit.predictions - y))
    apart = X[:, None] - X
    u2 = np.square(apart @ P.T).sum(axis=2)
    weights = PROFILES[kernel](np.sqrt(u2)) * (1 - np.eye(len(X)))
    changes = KERNELS[kernel].derivative(u2.copy()) * (1 - np.eye(len(X)))
    total = weights.sum(axis=1, keepdims=True)
    reached = total[:, 0] > 0
    weights, changes = (np.divide(a, total, where=total > 0, out=0 * a) for a in (weights, changes))
    predictions = np.where(reached[:, None], weights @ y, fit.predictions)
    assert_allclose(fit.predictions, predictions, rtol=1e-9, atol=1e-11)
    errors = 2 * (predictions - y)
    shares = changes * np.einsum("im,ijm->ij", errors, y[None] - predictions[:, None])
    expected = 2 * P @ np.einsum("ij,ija,ijb->ab", shares, apart, apart)
    assert_allclose(got, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("ridge", [np.inf, 0.7])
def test_slopes_of_classes_with_a_trend_equal_differences(ridge, data):
    X, y, _ = data
    codes = np.digitize(y[:, 0], [-0.4, 0.4])
    trend = Trend.of(X, np.arange(3), codes, np.ones(40), np.arange(3))
    rows, form = leave_one_out(X, np.eye(3)[codes], trend=trend), Form(1, ridge)

    def loss(projection):
        return -np.log(fit_at(rows, projection, form).predictions[np.arange(40), codes]).mean()

    fit = fit_at(rows, P, form)
    by_prediction = -np.eye(3)[codes] / fit.predictions / 40
    assert_allclose(fit.slopes(by_prediction), slopes_by_differences(loss, P), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("far", [0.0, 300.0])
@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_slopes_of_isolated_rows(kernel, far, data):
    X, y, _ = data
    X[:2] += far * np.array([1.0, 0.5, -1.0])
    rows = leave_one_out(X, y, kernel)

    def error(projection):
        return np.square(fit_at(rows, projection).predictions - y).sum()

    fit = fit_at(rows, P)
    got = fit.slopes(2 * (fit.predictions - y))
    expected = slope(lambda x: error(x.reshape(P.shape)), P.ravel(), step=1e-7).reshape(P.shape)
    assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", [MEANS, LINES], ids=["means", "lines"])
def test_a_diagonal_projection_equals_one_bandwidth_per_feature(form, data):
    X, y, weights = data
    bandwidth = np.array([0.8, 2.1, 1.4])
    rows = leave_one_out(X, y, weights=weights)
    mapped, plain = fit_at(rows, np.diag(1 / bandwidth), form), rows.fit(bandwidth, form)
    assert_allclose(mapped.predictions, plain.predictions, rtol=1e-9)
    assert_allclose(mapped.leverages, plain.leverages, rtol=1e-9)
    by_prediction = mapped.predictions - y
    by_projection = mapped.slopes(by_prediction)
    by_logarithm = -np.diag(by_projection) / bandwidth
    assert_allclose(by_logarithm, plain.slopes(by_prediction), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("form", [MEANS, Form(1, 0.0)], ids=["means", "lines"])
def test_rotated_rows_with_a_rotated_projection_are_equal(form, data, rng):
    """Lines are without a ridge, because the ridge is measured in units of the features."""
    X, y, _ = data
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    fit, turned = (
        fit_at(leave_one_out(rows, y), 2 * projection, form)
        for rows, projection in ((X, P), (X @ turn, P @ turn))
    )
    assert_allclose(turned.predictions, fit.predictions, rtol=1e-8, atol=1e-10)
    by_prediction = fit.predictions - y
    of_turned, of_fit = turned.slopes(by_prediction), fit.slopes(by_prediction)
    assert_allclose(of_turned @ turn.T, of_fit, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kernel", ["gaussian", "biweight"])
def test_slopes_of_blocks_equal_dense(kernel, rng):
    from nwkr._pooling import in_blocks

    keys, others = rng.normal(size=(2000, 2)), rng.normal(size=(2000, 3))
    order, blocks = in_blocks(keys, np.full(2, 0.2), 64)
    keys, others = keys[order], others[order]
    queries, of_queries = rng.normal(size=(60, 2)), rng.normal(size=(60, 3))
    values, factors = rng.normal(size=(2000, 1)), rng.normal(size=(60, 2))
    terms = [(values, factors)], np.zeros(60), (of_queries, others)
    attention = Attention(
        queries, keys, np.ones(2000), KERNELS[kernel], np.full(2, 0.2), algorithm="dense"
    )
    dense = distance_slopes(attention, *terms)
    apart = (queries[:, None] - keys) / 0.2
    changes = KERNELS[kernel].derivative(np.square(apart).sum(axis=2))
    shares = changes * (factors @ np.column_stack([np.ones(2000), values]).T)
    expected = 2 * np.einsum("ij,ija,ijb->ab", shares, apart, of_queries[:, None] - others)
    assert_allclose(dense, expected, rtol=1e-8, atol=1e-9)
    in_parts = attention.replace(blocks=blocks, algorithm="blocks")
    assert_allclose(distance_slopes(in_parts, *terms), dense, rtol=1e-8, atol=1e-9)


# -- the descent --------------------------------------------------------------------------


def test_principal_axes_keep_distances(rng):
    rows, weights = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)), np.full(50, 0.02)
    turned = principal(P, rows, weights)
    assert_allclose(turned.T @ turned, P.T @ P, rtol=1e-9, atol=1e-12)
    covariance = np.cov((rows @ turned.T).T)
    assert abs(covariance[0, 1]) < 1e-9 * covariance[0, 0]
    assert covariance[0, 0] > covariance[1, 1]
    assert_allclose(principal(-P, rows, weights), turned, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_the_descent_finds_the_least_penalised_loss(shrinkage, rng):
    """The loss is quadratic, so its minimum is known."""
    aim, bandwidth = rng.normal(size=(2, 2)), np.array([0.5, 2.0])

    def objective(projection):
        apart = projection - aim
        return np.square(apart).sum(), 2 * apart

    rows, weights = rng.normal(size=(30, 2)), np.full(30, 1 / 30)
    found = learn(objective, rows, weights, bandwidth, np.ones(2), 2, shrinkage)
    strength = shrinkage * bandwidth**2
    expected = (aim + strength * np.diag(1 / bandwidth)) / (1 + strength)
    assert_allclose(found.T @ found, expected.T @ expected, atol=1e-3)


# -- fitted models ------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [0, 1])
def test_predictions_equal_the_formula(degree, index, rng):
    X, y = index
    Q = rng.normal(size=(20, 4))
    model = NadarayaWatsonRegressorCV(degrees=(degree,), n_components="all").fit(X, y)
    projection = model.projection_
    plain = NadarayaWatsonRegressorCV(degrees=(degree,)).fit(X, y)
    assert model.score(None, y) > plain.score(None, y) + 0.1
    apart = np.linalg.norm((Q[:, None] - X) @ projection.T, axis=2)
    attention = attention_by_distance(apart, 1.0, "gaussian")
    assert_allclose(model.attention_weights(Q), attention, rtol=1e-8, atol=1e-12)
    effective = attention
    if degree:
        effective = [local_line(X, y, q, "gaussian", projection=projection)[0] for q in Q]
    assert_allclose(model.predict(Q), effective @ y, rtol=1e-8, atol=1e-10)
    assert_allclose(-model.best_score_, np.mean((y - model.predict(None)) ** 2), rtol=1e-9)
    assert_allclose(model.bandwidth_, 1 / np.linalg.norm(projection, axis=0), rtol=1e-12)
    expected = slope(lambda q: model.predict(q[None])[0], Q[0])
    assert_allclose(model.gradient(Q[:1])[0], expected, rtol=1e-5, atol=1e-7)
    apart = np.linalg.norm((Q[:, None] - X) @ projection.T, axis=2)
    volume = np.sqrt(np.linalg.det(projection @ projection.T))
    rank = len(projection)
    density = volume * np.exp(-np.square(apart) / 2).mean(axis=1) / (2 * np.pi) ** (rank / 2)
    assert_allclose(model.score_samples(Q), np.log(density), rtol=1e-8)


def test_one_component_is_the_direction_of_the_target(index, rng):
    X, y = index
    model = NadarayaWatsonRegressorCV(n_components=1).fit(X, y)
    assert model.projection_.shape == (1, 4)
    direction = model.projection_[0] / np.linalg.norm(model.projection_)
    assert abs(direction @ [0.5, -0.5, 0.5, 0.5]) > 0.99


def test_a_projection_undoes_a_rotation(rng):
    X, y = make_friedman1(200, n_features=6, noise=0.5, random_state=0)
    X = (X - 0.5) @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plain, model = (
        NadarayaWatsonRegressorCV(n_components=n_components).fit(X[:150], y[:150])
        for n_components in (None, 6)
    )
    assert model.score(X[150:], y[150:]) > plain.score(X[150:], y[150:])


@pytest.mark.parametrize("degrees", [(0,), (0, 1)])
def test_probabilities_equal_the_formula(degrees, rng):
    X = rng.normal(size=(200, 4))
    labels = np.where(np.sin(2 * X @ [0.5, 0.5, -0.5, 0.5]) > 0, "above", "below")
    model = NadarayaWatsonClassifierCV(degrees=degrees, n_components=2).fit(X, labels)
    plain = NadarayaWatsonClassifierCV(degrees=degrees).fit(X, labels)
    assert model.best_score_ > plain.best_score_ + 0.05
    Q = rng.normal(size=(20, 4))
    if not model.degree_:
        u2 = np.square((Q[:, None] - X) @ model.projection_.T).sum(axis=2)
        expected = softmax(-u2 / 2, axis=1) @ np.equal.outer(labels, model.classes_)
        assert_allclose(model.predict_proba(Q), expected, rtol=1e-8, atol=1e-12)
    expected = slope(lambda q: model.predict_proba(q[None])[0, 1], Q[0])
    assert_allclose(model.gradient(Q[:1])[0, :, 1], expected, rtol=1e-4, atol=1e-7)


def test_a_projection_of_noise_is_dropped(rng):
    """It is kept only where it is better than one bandwidth per feature."""
    X, y = rng.normal(size=(80, 5)), rng.normal(size=80)
    model = NadarayaWatsonRegressorCV(n_components="all", shrinkage=0.0).fit(X, y)
    plain = NadarayaWatsonRegressorCV(shrinkage=0.0).fit(X, y)
    assert model.projection_ is None
    assert_array_equal(model.predict(X), plain.predict(X))
    assert_array_equal(model.bandwidth_, plain.bandwidth_)


def test_no_projection_by_default(index):
    assert NadarayaWatsonRegressorCV().fit(*index).projection_ is None


def test_frames_pickles_clones_and_explanations(index):
    X, y = index
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = clone(NadarayaWatsonRegressorCV(degrees=(1,), n_components=2)).fit(frame, y)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(frame), model.predict(frame))
    shown = model.explain(frame[:3], top_k=2, features=["b"])
    assert_allclose(shown["b"], frame["b"][shown["row"]], rtol=1e-12)
    assert model.local_slopes(frame[:3]).shape == model.gradient(frame[:3]).shape == (3, 4)


def test_scaled_and_shifted_rows(index):
    X, y = index
    scale, shift = np.array([1e-3, 1.0, 1e4, 7.0]), 50.0
    model, other = (
        NadarayaWatsonRegressorCV(degrees=(0,), n_components=1).fit(rows, y)
        for rows in (X, (X + shift) * scale)
    )
    assert_allclose(other.projection_ * scale, model.projection_, rtol=1e-3)
    assert_allclose(other.predict(None), model.predict(None), rtol=1e-3, atol=1e-3)


def test_a_subsample_of_many_rows_is_used(index, rng):
    class OfSome(NadarayaWatsonRegressorCV):
        _rows_of_descent = 60

    X, y = index
    model = OfSome(degrees=(0,), n_components=1).fit(X, y)
    direction = model.projection_[0] / np.linalg.norm(model.projection_)
    assert abs(direction @ [0.5, -0.5, 0.5, 0.5]) > 0.97


def test_a_constant_column_has_no_part_in_it(index):
    X, y = index
    X = np.column_stack([X, np.full(len(X), 3.0)])
    model = NadarayaWatsonRegressorCV(n_components="all").fit(X, y)
    assert_array_equal(model.projection_[:, 4], 0)
    assert model.bandwidth_[4] == np.inf


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressorCV, NadarayaWatsonClassifierCV])
def test_constant_columns_or_three_rows_give_no_projection(Estimator, index):
    X, y = index
    y = y > np.median(y) if Estimator is NadarayaWatsonClassifierCV else y
    for rows, targets in ((np.ones((30, 2)), y[:30]), (X[:3], y[:3]), (X[:2], y[:2])):
        model = Estimator(n_components="all").fit(rows, targets)
        assert model.projection_ is None
        expected = Estimator().fit(rows, targets).predict(rows)
        assert_array_equal(model.predict(rows), expected)


def test_unsupported_combinations_are_refused(index):
    X, y = index

    def refused(words, X=X, y=y, Estimator=NadarayaWatsonRegressorCV, groups=None, **parameters):
        model = Estimator(**{"n_components": 2} | parameters)
        with pytest.raises(ValueError, match=words):
            model.fit(X, y, groups=groups)
        assert not hasattr(model, "projection_")

    refused("n_components must be at most the number of features, 4; got 5", n_components=5)
    refused("'n_components' parameter", n_components=0)
    refused("'n_components' parameter", n_components="every")
    refused("n_components=2 needs cv", cv=3)
    refused("n_components=2 needs metric", metric="manhattan")
    refused("n_components=2 needs scoring", scoring="r2")
    refused("n_components=2 needs a kernel with a derivative", kernel="boxcar")
    refused("n_components=2.*groups, gap or one_sided", gap=1)
    refused("n_components=2.*groups, gap or one_sided", groups=np.arange(len(X)) // 2)
    refused("n_components=2 takes numbers only", X=X.round(), categorical_features=[1])
    gaps = np.where(np.arange(4) == 1, np.where(X > 1, np.nan, X), X)
    refused("n_components=2 needs rows without missing numbers.*column 1", X=gaps)
    refused("n_components=2 needs cv", y=y > 0, Estimator=NadarayaWatsonClassifierCV, cv=3)
    model = NadarayaWatsonRegressorCV(n_components=2).fit(X, y)
    with pytest.raises(ValueError, match=r"NaN|missing"):
        model.predict(gaps)


def test_tensors_are_refused(arrays, index):
    with (
        config_context(array_api_dispatch=True),
        pytest.raises(ValueError, match=f"n_components=2.*array of {arrays.library}"),
    ):
        NadarayaWatsonRegressorCV(n_components=2).fit(*map(arrays.take, index))


def test_dask_collections_are_refused(index):
    pytest.importorskip("dask")
    import dask.array as da

    from nwkr.dask import NadarayaWatsonRegressorCV as Lazy

    with pytest.raises(ValueError, match="n_components must be None for Dask"):
        Lazy(n_components=2).fit(*map(da.from_array, index))


# -- matrices as candidates ---------------------------------------------------------------


@pytest.mark.parametrize("cv", [None, 3])
def test_matrices_are_candidates(cv, index):
    X, y = index
    along = np.full(4, 0.5) * [1, -1, 1, 1]
    narrow = np.linalg.inv(np.eye(4) / 4 + 20 * np.outer(along, along))
    narrow = (narrow + narrow.T) / 2
    candidates = [1.0, np.eye(4), narrow, "scott"]
    search = NadarayaWatsonRegressorCV(bandwidths=candidates, degrees=(0,), cv=cv).fit(X, y)
    assert_array_equal(search.bandwidth_, narrow)
    assert search.projection_ is None
    model = NadarayaWatsonRegressor(bandwidth=narrow).fit(X, y)
    assert_array_equal(search.predict(X), model.predict(X))
    if cv is None:
        errors = [
            np.mean((y - NadarayaWatsonRegressor(bandwidth=b).fit(X, y).predict(None)) ** 2)
            for b in candidates
        ]
        assert_allclose(search.cv_results_["score"], np.negative(errors), rtol=1e-9)


def test_matrices_are_drawn_by_their_diagonals(index):
    pytest.importorskip("matplotlib")
    from nwkr.displays import BandwidthDisplay

    sheared = np.eye(4) - 0.2 * (1 - np.eye(4))
    candidates = [0.25 * sheared, 1.0, 4 * sheared]
    search = NadarayaWatsonRegressorCV(bandwidths=candidates, degrees=(0,)).fit(*index)
    (line,) = BandwidthDisplay.from_estimator(search).lines_
    assert_allclose(line.get_xdata(), [0.5, 1.0, 2.0])


def test_a_bad_matrix_among_candidates_is_refused(index):
    with pytest.raises(ValueError, match="not positive definite"):
        NadarayaWatsonRegressorCV(bandwidths=[1.0, np.ones((4, 4))]).fit(*index)
