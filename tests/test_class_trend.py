"""Classes with a trend: the formula, its limits, the trend, weights, and robustness."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import logits_without_each, newton_step
from scipy.special import expit, softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import LeaveOneOut as EachRow
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonClassifierCV
from nwkr import _scoring as scoring
from nwkr._leave_one_out import Form, LeaveOneOut
from nwkr._trend import Trend
from nwkr._window import FixedWindow
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

close = {"rtol": 1e-9, "atol": 1e-11}
N = 60


def fitted(X, y, *args, sample_weight=None, **params):
    return NadarayaWatsonClassifier(*args, **{"degree": 1} | params).fit(X, y, sample_weight)


@pytest.fixture(params=[2, 3], ids=["two classes", "three classes"])
def data(request, rng):
    """Rows in columns of unlike scale, labels with a trend and a bend, queries near and far."""
    X = rng.normal(size=(N, 2)) * [1, 10] + [0, 30]
    bend = X[:, 0] + np.abs(X[:, 1] - 30) / 8
    y = np.digitize(bend + 0.5 * rng.normal(size=N), [1.5] if request.param == 2 else [0.5, 1.8])
    queries = np.vstack([X[:3], X[3:9] + np.array([0.3, 2]), [[3.0, 60.0]], [[-200.0, 30.0]]])
    return X, y, queries


def from_logits(logits):
    one = logits.shape[1] == 1
    return expit(np.hstack([-logits, logits])) if one else softmax(logits, axis=1)


def by_the_formula(model, X, queries, *, kernel, bandwidth, ridge, weights=None, keep=None):
    """Probabilities at queries, or of rows left out for None, from one linear system per logit.

    `keep`, (N, N), says which rows each row is predicted from; all others by default.
    """
    keep = ~np.eye(len(X), dtype=bool) if keep is None else keep
    trend, counts = model._trend, np.ones(len(X)) if weights is None else weights
    bandwidth = np.broadcast_to(np.asarray(bandwidth, float), X.shape[1])
    logits = trend.logits(X if queries is None else queries).copy()
    if queries is None:
        logits = trend.logits_without.copy()
    level = counts @ trend.curvature / counts.sum()
    for number in range(len(logits)):
        kept = keep[number] if queries is None else np.full(len(X), True)
        query = X[number] if queries is None else queries[number]
        for logit in range(logits.shape[1]):
            logits[number, logit] += newton_step(
                X[kept],
                trend.residuals[kept, logit],
                trend.curvature[kept, logit],
                query,
                kernel,
                bandwidth,
                ridge,
                counts[kept],
                (X[kept], (counts[kept], level[logit])),
            )
    return from_logits(logits)


# -- the step -----------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [1.5, [0.8, 12.0], [0.8, np.inf]], ids=str)
@pytest.mark.parametrize("ridge", [1.0, 0.3, np.inf])
def test_probabilities_are_one_newton_step_from_the_trend(kernel, bandwidth, ridge, data):
    X, y, queries = data
    model = fitted(X, y, kernel, bandwidth, ridge=ridge)
    terms = {"kernel": kernel, "bandwidth": bandwidth, "ridge": ridge}
    for Q in (queries, None):
        probabilities = model.predict_proba(Q)
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
        assert_allclose(probabilities, by_the_formula(model, X, Q, **terms), **close)
        assert_array_equal(model.predict(Q), model.classes_[probabilities.argmax(axis=1)])


def test_undetermined_slopes_are_0_without_a_ridge(rng):
    X = np.column_stack([rng.normal(size=N), np.ones(N)])
    X[:, 1] += X[:, 0]
    y = (X[:, 0] + rng.normal(size=N) > 0).astype(int)
    exact = fitted(X, y, bandwidth=0.7, ridge=0.0).predict_proba(X)
    nearly = fitted(X, y, bandwidth=0.7, ridge=1e-9).predict_proba(X)
    assert_allclose(exact, nearly, rtol=1e-5)


@pytest.mark.parametrize("bandwidth", [KNearest(9), Adaptive()], ids=str)
def test_varying_widths_give_probabilities(bandwidth, data):
    X, y, queries = data
    Z = X / [1, 10]
    model = fitted(Z, y, bandwidth=bandwidth, ridge=np.inf)
    weights = model.attention_weights(queries / [1, 10])
    total = 1 / np.square(weights).sum(axis=1)  # weights are sums over rows up to a factor
    probabilities = model.predict_proba(queries / [1, 10])
    assert np.isfinite(probabilities).all()
    assert (total > 1).any()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize("algorithm", ["blocks", "lattice"])
@pytest.mark.parametrize("ridge", [1.0, np.inf])
def test_all_algorithms_agree(algorithm, ridge, rng):
    X = rng.normal(size=(3_000, 2)) + np.array([5, -3])
    y = (np.sin(3 * X[:, 0]) + X[:, 1] + 3 > rng.logistic(size=3_000)).astype(int)
    kernel = "gaussian" if algorithm == "lattice" else "biweight"
    dense = fitted(X, y, kernel, 0.4, ridge=ridge, algorithm="dense")
    other = fitted(X, y, kernel, 0.4, ridge=ridge, algorithm=algorithm)
    assert other.algorithm_ == algorithm
    for Q in (X[:200] + 0.01, None):
        assert_allclose(other.predict_proba(Q), dense.predict_proba(Q), rtol=1e-8, atol=1e-9)
    rough = fitted(X, y, kernel, 0.4, ridge=ridge, algorithm=algorithm, tol=1e-4)
    assert_allclose(rough.predict_proba(X), dense.predict_proba(X), atol=1e-3)


def test_narrow_windows_far_from_the_centre_are_exact(rng):
    # Moments about the common centre would lose all digits there.
    X = np.vstack([rng.normal(size=(N, 1)), 1e7 + 1e-3 * rng.normal(size=(N, 1))])
    y = (np.vstack([X[:N], (X[N:] - 1e7) * 1e3]).ravel() > rng.normal(size=2 * N)).astype(int)
    queries = np.vstack([X[:3] + 0.1, X[N : N + 5] + 1e-4])
    for ridge in (1.0, 1e-6):
        model = fitted(X, y, bandwidth=1e-3, ridge=ridge)
        terms = {"kernel": "gaussian", "bandwidth": 1e-3, "ridge": ridge}
        expected = by_the_formula(model, X, queries, **terms)
        assert_allclose(model.predict_proba(queries), expected, rtol=1e-6)


# -- slopes -------------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [1.5, [0.8, 12.0], [0.8, np.inf]], ids=str)
@pytest.mark.parametrize("ridge", [1.0, 0.3, np.inf])
@pytest.mark.parametrize("kernel", ["gaussian", "biweight", "tricube"])
def test_gradients_are_slopes_of_the_probabilities(kernel, bandwidth, ridge, data):
    X, y, queries = data
    model = fitted(X, y, kernel, bandwidth, ridge=ridge)
    found = model.gradient(queries)
    assert found.shape == (len(queries), 2, len(model.classes_))
    for feature, step in enumerate([1e-5, 1e-4]):
        apart = step * np.eye(2)[feature]
        ahead, behind = model.predict_proba(queries + apart), model.predict_proba(queries - apart)
        expected = (ahead - behind) / (2 * step)
        assert_allclose(found[:, feature], expected, rtol=1e-5, atol=1e-8)


def test_gradient_of_the_trend_alone(data):
    X, y, queries = data
    model = fitted(X, y, bandwidth=np.inf)
    apart = np.array([1e-5, 0])
    ahead, behind = model.predict_proba(queries + apart), model.predict_proba(queries - apart)
    assert_allclose(model.gradient(queries)[:, 0], (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("ridge", [1.0, 0.0, np.inf])
@pytest.mark.parametrize("kernel", ["gaussian", "biweight"])
def test_slopes_of_the_loss_by_bandwidth_equal_differences(kernel, ridge, data):
    X, y, _ = data
    model = fitted(X, y, kernel, [0.8, 12.0], ridge=ridge)
    attention = model._without_window(X, np.arange(N))
    leave_one_out = LeaveOneOut(attention, model._values, trend=model._trend)
    truth = np.eye(len(model.classes_))[y]

    def loss(log_bandwidth):
        (fit,) = leave_one_out.fits([FixedWindow(np.exp(log_bandwidth))], Form(1, ridge))
        value, slopes = scoring.log_loss(fit.predictions, truth, np.full(N, 1 / N))
        return value, fit.slopes(slopes)

    assert_allclose(loss(np.log([0.8, 12.0]))[0], log_loss(y, model.predict_proba(None)))
    start = np.log([1.1, 9.0])
    for feature in range(2):
        apart = 1e-5 * np.eye(2)[feature]
        expected = (loss(start + apart)[0] - loss(start - apart)[0]) / 2e-5
        assert_allclose(loss(start)[1][feature], expected, rtol=1e-5, atol=1e-9)


# -- explanations -------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["gaussian", "biweight"])
def test_contributions_sum_to_the_logits(kernel, data):
    X, y, queries = data
    X = pd.DataFrame(X, columns=["a", "b"], index=[f"row {number}" for number in range(N)])
    queries = pd.DataFrame(queries, columns=["a", "b"])
    names = np.array(["no", "perhaps", "yes"])
    model = fitted(X, names[y], kernel, [0.8, 12.0])
    for Q in (queries, None):
        table = model.explain(Q, top_k=None)
        logits = table.pivot_table("contribution", ["query"], "class", aggfunc="sum", sort=False)
        labels = model.classes_[-logits.shape[1] :]
        found = from_logits(logits[labels].to_numpy())
        assert_allclose(found, model.predict_proba(Q), rtol=1e-9, atol=1e-12)
        assert_array_equal(logits.index, queries.index if Q is not None else X.index)
        assert set(table["part"]) == {"intercept", "feature", "row"} | (
            {"left out"} if Q is None else set()
        )
    trend = model.explain(queries).query("part != 'row'").groupby(["query", "class"], sort=False)
    expected = model.trend_.decision_function(queries.to_numpy())
    assert_allclose(trend["contribution"].sum(), expected.ravel(), rtol=1e-9)
    rows = model.explain(queries[:1], top_k=4).query("part == 'row'")
    assert (rows.groupby("class").size() == 4).all()
    weights = pd.Series(model.attention_weights(queries[:1])[0], index=X.index)
    assert_allclose(rows["weight"], weights[rows["name"]], rtol=1e-9)
    assert_array_equal(rows["value"], pd.Series(names[y], index=X.index)[rows["name"]])
    for _, some in rows.groupby("class"):
        assert_array_equal(
            some["contribution"].abs().sort_values(ascending=False), some["contribution"].abs()
        )


# -- limits -------------------------------------------------------------------------------


def test_infinite_bandwidth_is_logistic_regression(kernel, data):
    X, y, queries = data
    model = fitted(X, y, kernel, np.inf)
    regression = LogisticRegression(C=model.trend_[-1].C, tol=1e-10, solver="newton-cholesky")
    expected = make_pipeline(StandardScaler(), regression).fit(X, y).predict_proba(queries)
    assert_allclose(model.predict_proba(queries), expected, rtol=1e-4, atol=1e-6)
    assert_allclose(model.predict_proba(queries), model.trend_.predict_proba(queries), **close)


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"constant"}))
def test_far_queries_get_the_trend(kernel, data):
    X, y, _ = data
    model = fitted(X, y, kernel, [0.7, 7.0])
    far = np.array([[40.0, 30.0], [0.0, 900.0], [-1e9, 1e9]])
    assert_allclose(model.predict_proba(far), model.trend_.predict_proba(far), rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_extremely_far_queries_get_the_trend(ridge, data):
    X, y, _ = data
    far = np.array([[1e200, -1e200], [0.0, 1e170], [-1e250, 0.0]])
    model = fitted(X, y, "gaussian", 0.7, ridge=ridge)
    assert_allclose(model.predict_proba(far), model.trend_.predict_proba(far), rtol=1e-9, atol=1e-9)
    assert_array_equal(model.gradient(far) == 0, True)
    sane(fitted(X, y, "gaussian", [0.7, np.inf], ridge=ridge), far)


def test_the_step_corrects_the_trend(rng):
    X = rng.uniform(-3, 3, size=(600, 1))
    truth = expit(3 * np.cos(2 * X[:, 0]))
    y = (rng.uniform(size=600) < truth).astype(int)
    model = fitted(X, y, bandwidth=0.3)
    trend = model.trend_.predict_proba(X)[:, 1]
    assert np.abs(model.predict_proba(X)[:, 1] - truth).mean() < 0.5 * np.abs(trend - truth).mean()


def test_leave_one_out_loss_is_no_lower_than_that_of_new_rows():
    # The labels are noise, so a lower loss would show that a row's own label leaks.
    losses = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(40, 5)), np.arange(40) % 2
        model = fitted(X, y)
        new = rng.normal(size=(400, 5))
        on_new = log_loss(np.arange(400) % 2, model.predict_proba(new))
        losses.append(log_loss(y, model.predict_proba(None)) - on_new)
    assert np.mean(losses) > -2 * np.std(losses) / np.sqrt(len(losses))


# -- empty neighbourhoods -----------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_handle_empty(algorithm, data):
    X, y, _ = data
    far = np.array([X[0], [50.0, 30.0]])
    for handle_empty in ("nearest", "mean"):
        params = {"handle_empty": handle_empty, "algorithm": algorithm}
        model = fitted(X, y, "biweight", [0.7, 7.0], **params)
        assert_allclose(model.predict_proba(far)[1], model.trend_.predict_proba(far)[1], **close)
    params = {"handle_empty": "nan", "outlier_label": -1, "algorithm": algorithm}
    model = fitted(X, y, "biweight", [0.7, 7.0], **params)
    assert_array_equal(np.isnan(model.predict_proba(far)).all(axis=1), [False, True])
    assert_array_equal(model.predict(far) == -1, [False, True])
    params = {"handle_empty": "error", "algorithm": algorithm}
    model = fitted(X, y, "biweight", [0.7, 7.0], **params)
    with pytest.raises(ValueError, match="1 of 2 queries, the first of them row 1"):
        model.predict_proba(far)


def test_a_trend_requires_the_euclidean_metric(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="degree=1 needs metric='euclidean'"):
        fitted(X, y, metric="manhattan")


def test_a_trend_cannot_be_one_sided(data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"degree=1 needs one_sided=None, .*got one_sided=0"):
        fitted(X, y, one_sided=0)


# -- the trend ----------------------------------------------------------------------------


def parts_of(model, X, y, weights):
    """The columns of the trend, the truth and the probabilities of its logits; its logits."""
    scaler, regression = model.trend_
    columns = np.column_stack([np.ones(N), scaler.transform(X)])
    logits = regression.decision_function(columns[:, 1:]).reshape(N, -1)
    one = logits.shape[1] == 1
    truth = np.equal.outer(y, model.classes_[1:] if one else model.classes_).astype(float)
    p = from_logits(logits)[:, -logits.shape[1] :]
    return (columns, truth, p, weights, regression.C), logits


@pytest.mark.parametrize("heavy", [1.0, 3.0])
def test_trend_without_each_row_is_one_newton_step_away(heavy, data, rng):
    X, y, _ = data
    weights = np.where(rng.uniform(size=N) < 0.3, heavy, 1.0)
    model = fitted(X, y, sample_weight=weights)
    trend, (terms, logits) = model._trend, parts_of(model, X, y, weights)
    truth = terms[1]
    expected = logits + logits_without_each(*terms, weights)
    assert_allclose(trend.logits_without, expected, rtol=1e-5, atol=1e-6)
    expected = from_logits(logits + logits_without_each(*terms, np.ones(N)))[:, -logits.shape[1] :]
    assert_allclose(trend.residuals, truth - expected, atol=1e-6)
    assert_allclose(trend.curvature, expected * (1 - expected), atol=1e-6)


def test_trend_without_each_row_is_close_to_a_refit(data):
    X, y, _ = data
    model = fitted(X, y)
    scaler, regression = model.trend_
    Z = scaler.transform(X)
    refits = np.empty((N, len(model.classes_)))
    for row in range(N):
        kept = np.arange(N) != row
        refit = LogisticRegression(C=regression.C, tol=1e-8, solver="newton-cholesky")
        refits[row] = refit.fit(Z[kept], y[kept]).predict_proba(Z[[row]])[0]
    without = from_logits(model._trend.logits_without)
    with_itself = model.trend_.predict_proba(X)
    assert np.abs(without - refits).max() < 0.2 * np.abs(with_itself - refits).max()


def test_a_weak_penalty_has_a_cost():
    # With nearly separable classes, few rows decide, and the loss alone prefers C = 100.
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    X = rng.normal(size=(30, 2)) + 3 * y[:, None]
    Z, candidates, losses = StandardScaler().fit_transform(X), 10 ** np.arange(-1, 2.6, 0.5), []
    for C in candidates:
        regression = LogisticRegression(C=C, solver="newton-cholesky")
        p = cross_val_predict(regression, Z, y, cv=EachRow(), method="predict_proba")
        losses.append(log_loss(y, p, normalize=False))
    prior = norm.logpdf(np.maximum(0, np.log10(candidates)))
    assert np.argmin(losses) > np.argmin(losses - prior)
    assert fitted(X, y).trend_[-1].C == pytest.approx(candidates[np.argmin(losses - prior)])


LEFT_OUT = {
    "pairs": np.arange(N) // 2,
    "five groups": np.arange(N) % 5,
    "gap": 3,
}


def searched(X, y, kind, sample_weight=None, **params):
    """A search that leaves out groups or a gap, and the rows that each row is predicted from."""
    left_out, number = LEFT_OUT[kind], np.arange(N)
    params = {"degrees": [1], "bandwidths": [[0.8, 12.0]]} | params
    if kind == "gap":
        model = NadarayaWatsonClassifierCV(gap=left_out, **params).fit(X, y, sample_weight)
        return model, np.abs(number[:, None] - number) > left_out
    model = NadarayaWatsonClassifierCV(**params)
    model.fit(X, y, sample_weight, groups=left_out)
    return model, left_out[:, None] != left_out


@pytest.mark.parametrize("kind", ["pairs", "gap"])
@pytest.mark.parametrize("heavy", [1.0, 1.5])
def test_trend_without_a_group_or_a_gap_is_one_newton_step(kind, heavy, data, rng):
    X, y, _ = data
    weights = np.where(rng.uniform(size=N) < 0.3, heavy, 1.0)
    model, keep = searched(X, y, kind, weights)
    trend, (terms, logits) = model._trend, parts_of(model, X, y, weights)
    expected = logits + logits_without_each(*terms, weights * ~keep)
    # Up to a constant of all logits, which does not change the probabilities.
    found, expected = (from_logits(each) for each in (trend.logits_without, expected))
    assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    truth, p = terms[1], expected[:, -logits.shape[1] :]
    assert_allclose(trend.residuals, truth - p, atol=1e-6)
    assert_allclose(trend.curvature, p * (1 - p), atol=1e-6)


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_trend_without_a_group_or_a_gap_is_close_to_a_refit(kind, data):
    X, y, _ = data
    model, keep = searched(X, y, kind)
    scaler, regression = model.trend_
    Z = scaler.transform(X)
    refits = np.empty((N, len(model.classes_)))
    refit = LogisticRegression(C=regression.C, tol=1e-10, solver="newton-cholesky")
    for kept in np.unique(keep, axis=0):
        rows = (keep == kept).all(axis=1)
        refits[rows] = refit.fit(Z[kept], y[kept]).predict_proba(Z[rows])
    without = from_logits(model._trend.logits_without)
    if kind == "five groups":  # a fifth of the rows takes more than one step
        assert_allclose(without, refits, atol=1e-5)
    with_all = model.trend_.predict_proba(X)
    assert np.abs(without - refits).max() < 0.2 * np.abs(with_all - refits).max()


@pytest.mark.parametrize("kind", LEFT_OUT)
@pytest.mark.parametrize("kernel", ["gaussian", "tricube"])
@pytest.mark.parametrize("ridge", [1.0, np.inf])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_steps_leave_out_the_same_rows(kind, kernel, ridge, algorithm, data):
    X, y, queries = data
    params = {"kernel": kernel, "ridge": ridge}
    model, keep = searched(X, y, kind, algorithm=algorithm, **params)
    terms = params | {"bandwidth": [0.8, 12.0], "keep": keep}
    form = model.cv_results_["ridge"].index(ridge)
    # The search may prefer a step without slopes.
    terms["ridge"] = model.ridge_
    left_out = model.predict_proba(None)
    assert_allclose(left_out, by_the_formula(model, X, None, **terms), **close)
    assert_allclose(
        model.predict_proba(queries), by_the_formula(model, X, queries, **terms), **close
    )
    assert_allclose(model.best_score_, -log_loss(y, left_out))
    assert model.score(None, y) == np.mean(model.predict(None) == y)
    terms["ridge"] = ridge
    expected = -log_loss(y, by_the_formula(model, X, None, **terms))
    assert_allclose(model.cv_results_["score"][form], expected)


def test_groups_of_one_row_give_the_results_of_no_groups(data):
    X, y, queries = data
    model = NadarayaWatsonClassifierCV(degrees=[1]).fit(X, y)
    grouped = NadarayaWatsonClassifierCV(degrees=[1]).fit(X, y, groups=np.arange(N)[::-1])
    assert grouped.trend_[-1].C == model.trend_[-1].C
    assert_allclose(grouped.cv_results_["score"], model.cv_results_["score"], rtol=1e-9)
    for Q in (queries, None):
        assert_allclose(grouped.predict_proba(Q), model.predict_proba(Q), **close)


def test_contributions_without_a_group_add_up_to_the_logits(data):
    X, y, _ = data
    model, keep = searched(X, y, "five groups")
    table = model.explain(None, top_k=None)
    logits = table.pivot_table("contribution", "query", "class", aggfunc="sum", sort=False)
    found = from_logits(logits[model.classes_[-logits.shape[1] :]].to_numpy())
    assert_allclose(found, model.predict_proba(None), rtol=1e-9, atol=1e-12)
    rows = table[(table["part"] == "row") & (table["contribution"] != 0)]
    assert keep[rows["query"].astype(int), rows["name"].astype(int)].all()


def test_a_row_without_weight_is_predicted_without_its_group(data, rng):
    X, y, _ = data
    weights = rng.integers(0, 2, N)
    model, _ = searched(X, y, "five groups", weights)
    some, groups = weights > 0, LEFT_OUT["five groups"]
    rest = NadarayaWatsonClassifierCV(degrees=[1], bandwidths=[[0.8, 12.0]])
    rest.fit(X[some], y[some], groups=groups[some])
    assert_allclose(model.predict_proba(None)[some], rest.predict_proba(None), rtol=1e-6)
    # A copy with weight is left out by the same rows, and leaves out the same rows.
    absent = np.flatnonzero(~some)[:3]
    for row in absent:
        same = np.flatnonzero(some & (groups == groups[row]))[0]
        moved = X.copy()
        moved[row] = X[same]
        again, _ = searched(moved, y, "five groups", weights)
        found = again.predict_proba(None)
        assert_allclose(found[row], found[same], rtol=1e-9)


def test_a_row_that_leaves_out_only_rows_without_weight_is_predicted_by_all(data):
    X, y, _ = data
    weights = np.arange(N) % 5 > 0
    model = NadarayaWatsonClassifierCV(degrees=[1], bandwidths=[[0.8, 12.0]], gap=0)
    model.fit(X, y, weights.astype(float))
    without = model.predict_proba(None)[~weights]
    assert_allclose(without, model.predict_proba(X[~weights]), rtol=1e-6)


def test_rows_that_leave_out_all_rows_have_no_prediction(data):
    X, y, queries = data
    model = NadarayaWatsonClassifierCV(gap=35, degrees=[1], bandwidths=[1.5]).fit(X, y)
    unknown = np.isnan(model.predict_proba(None)).any(axis=1)
    assert_array_equal(np.flatnonzero(unknown), np.arange(24, 36))
    assert np.isfinite(model.predict_proba(queries)).all()
    with pytest.raises(ValueError, match="No row can be predicted from another"):
        NadarayaWatsonClassifierCV().fit(X, y, groups=np.zeros(N))


def test_many_coefficients_are_updated_class_by_class(data):
    X, y, _ = data
    classes, codes = np.unique(y, return_inverse=True)
    exact, rough = (
        Trend.of(X, np.arange(2), codes, np.ones(N), classes, most_together=most)
        for most in (2_000, 1)
    )
    # The approximation is cautious: it makes a row's own class less probable.
    found, limit = (from_logits(t.logits_without) for t in (rough, exact))
    assert log_loss(y, found) >= log_loss(y, limit) - 1e-9
    assert np.abs(found - limit).max() < 0.2


# -- weights ------------------------------------------------------------------------------


def test_weights_count_as_copies(data, rng):
    X, y, queries = data
    weights = rng.integers(0, 4, N)
    copies = np.repeat(np.arange(N), weights)
    weighted = fitted(X, y, sample_weight=weights).predict_proba(queries)
    assert_allclose(weighted, fitted(X[copies], y[copies]).predict_proba(queries), rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-9, 1 / N, 0.5])
def test_a_factor_of_small_weights_cancels(factor, data, rng):
    X, y, queries = data
    weights = rng.uniform(0.2, 1, N)
    model = fitted(X, y, sample_weight=weights)
    scaled = fitted(X, y, sample_weight=factor * weights)
    assert_allclose(scaled.predict_proba(queries), model.predict_proba(queries), rtol=1e-6)
    assert_allclose(scaled.predict_proba(None), model.predict_proba(None), rtol=1e-6)


def test_class_weights_multiply_row_weights(data):
    X, y, queries = data
    classed = fitted(X, y, bandwidth=3.0, class_weight={0: 2.0, 1: 0.5})
    weighted = fitted(X, y, bandwidth=3.0, sample_weight=np.array([2.0, 0.5, 1.0])[y])
    assert_allclose(classed.predict_proba(queries), weighted.predict_proba(queries), rtol=1e-6)


def test_classes_and_rows_without_weight_are_ignored(data):
    X, y, queries = data
    weights = (y != 1).astype(float)
    model = fitted(X, y, sample_weight=weights)
    rest = fitted(X[y != 1], y[y != 1])
    for Q, rows in ((queries, slice(None)), (None, y != 1)):
        probabilities = model.predict_proba(Q)
        assert_array_equal(probabilities[:, 1], 0)
        expected = rest.predict_proba(Q)
        found = np.delete(probabilities, 1, axis=1)
        assert_allclose(found[rows], expected, rtol=1e-6, atol=1e-9)


# -- robustness ---------------------------------------------------------------------------


def sane(model, *queries):
    for Q in (*queries, None):
        probabilities = model.predict_proba(Q)
        assert np.isfinite(probabilities).all()
        assert (probabilities >= 0).all()
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def attacks(rng):
    X = rng.normal(size=(80, 3))
    y = (X[:, 0] > 0).astype(int)
    yield "separable", X, y
    yield "far apart", X + 1e3 * y[:, None], y
    yield "one class", X, np.zeros(80, int)
    yield "one row of a class", X, (np.arange(80) == 7).astype(int)
    yield "one row of each of some classes", X, np.where(np.arange(80) < 9, np.arange(80) + 1, 0)
    yield "two rows of each class", X, np.arange(80) // 2
    yield "more columns than rows", rng.normal(size=(30, 50)), np.arange(30) % 3
    yield "constant columns", np.column_stack([X[:, 0], np.ones(80), np.full(80, 1e9)]), y
    yield "only constant columns", np.ones((80, 2)), y
    yield "columns that repeat", np.repeat(X[:, :1], 4, axis=1), y
    yield "rows that repeat", np.repeat(X[:8], 10, axis=0), np.tile([0, 1], 40)
    yield "two rows", X[:2], np.array([0, 1])
    yield "single precision", X.astype(np.float32), y
    yield "far from the origin", X + 1e8, y
    yield "large numbers", 1e100 * X, y
    yield "small numbers", 1e-100 * X, y
    yield "huge numbers", 1e200 * X, y
    yield "tiny numbers", 1e-200 * X, y
    yield "text", X, np.array(["no", "yes"])[y]


ATTACKS = {name: (X, y) for name, X, y in attacks(np.random.default_rng(3))}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("kernel", "bandwidth", "ridge"),
    [
        ("gaussian", "scott", 1.0),
        ("gaussian", 1e-3, 0.0),
        ("exponential", 1e-3, 1.0),
        ("boxcar", 1e6, 1.0),
        ("boxcar", 0.0, 0.0),
        ("triangular", "scott", np.inf),
    ],
)
@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_data_cause_no_warning_and_no_error(name, kernel, bandwidth, ridge):
    X, y = ATTACKS[name]
    sane(fitted(X, y, kernel, bandwidth, ridge=ridge), X[:9], X[:9] * 1.3 + 0.1, 1e3 * X[:4])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("left_out", ["pairs", "halves", "gap"])
@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_data_cause_no_warning_without_groups_or_a_gap(name, left_out):
    (X, y), params = ATTACKS[name], {"degrees": [1], "bandwidths": [1.0, np.inf]}
    number = np.arange(len(X))
    groups = {"pairs": number // 2, "halves": number % 2, "gap": None}[left_out]
    gap = min(2, len(X) - 2) if left_out == "gap" else None
    if name == "two rows":  # each row is a group
        groups = None if gap is not None else number
    for weight in (1.0, 1e200):
        model = NadarayaWatsonClassifierCV(gap=gap, **params)
        sane(model.fit(X, y, np.full(len(X), weight), groups=groups), X[:9] * 1.3 + 0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e-200, 1e-160, 1e160])
def test_units_of_the_columns_cancel(factor, rng):
    X = np.column_stack([rng.normal(size=(60, 2)), np.full(60, 0.1)])
    y, weights = np.arange(60) % 3, rng.uniform(0.1, 5, size=60)
    expected = NadarayaWatsonClassifier(degree=1).fit(X, y, sample_weight=weights)
    model = NadarayaWatsonClassifier(degree=1).fit(factor * X, y, sample_weight=weights)
    for queries in (X, X + 0.5):
        probabilities = model.predict_proba(factor * queries)
        assert_allclose(probabilities, expected.predict_proba(queries), rtol=1e-8)
    assert_allclose(model.predict_proba(None), expected.predict_proba(None), rtol=1e-8)


def test_a_hundred_classes(rng):
    X = rng.normal(size=(400, 2))
    y = np.arange(400) % 100
    sane(fitted(X, y), X[:20] + 0.1)


def test_labels_of_any_kind(data):
    X, y, queries = data
    plain = fitted(X, y).predict_proba(queries)
    named = fitted(X, np.array(["b", "a", "c"])[y])
    order = np.argsort(["b", "a", "c"][: plain.shape[1]])
    assert_allclose(named.predict_proba(queries), plain[:, order], rtol=1e-6)
    assert_array_equal(named.trend_.classes_, named.classes_)


def test_order_of_rows_is_irrelevant(data, rng):
    X, y, queries = data
    order = rng.permutation(N)
    shuffled = fitted(X[order], y[order])
    assert_allclose(shuffled.predict_proba(queries), fitted(X, y).predict_proba(queries), rtol=1e-6)


def test_pickles_and_batches_predict_the_same(data):
    X, y, queries = data
    model = fitted(X, y, bandwidth=1.5)
    assert_array_equal(
        pickle.loads(pickle.dumps(model)).predict_proba(queries), model.predict_proba(queries)
    )
    batches = NadarayaWatsonClassifier(bandwidth=1.5, degree=1)
    batches.partial_fit(X[:30], y[:30], classes=np.unique(y)).partial_fit(X[30:], y[30:])
    assert_array_equal(batches.predict_proba(queries), model.predict_proba(queries))


def test_degree_0_has_no_trend(data):
    X, y, _ = data
    assert fitted(X, y, degree=0).trend_ is None


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_huge_counts_make_the_penalty_vanish(algorithm, rng):
    """With columns that are functions of one another, only the penalty determines the slopes."""
    x, y = np.round(rng.normal(size=(60, 1)), 1), rng.integers(0, 3, 60)
    X = np.column_stack([x, 2 * x, x**2])
    options = {"bandwidth": 0.3, "degree": 1, "algorithm": algorithm}
    model = NadarayaWatsonClassifier("boxcar", **options).fit(X, y, np.full(60, 1e200))
    probabilities = model.predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()
    assert model.score(X, y) > 0.4


@pytest.mark.parametrize("seed", range(3))
def test_algorithms_agree_where_few_rows_decide(seed):
    """The penalty is small beside the weights, and almost nothing else bounds the steps."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(240, 2))
    y = np.digitize(X[:, 0] + np.sin(3 * X[:, 0]) + X[:, 1] / 2, [-0.7, 0.8])
    weights = rng.uniform(1, 2, 240) * 1e8
    dense, blocks = (
        fitted(X, y, bandwidth=0.1, algorithm=algorithm, sample_weight=weights)
        for algorithm in ("dense", "blocks")
    )
    for queries in (X + 0.05, None):
        got, expected = (model.predict_proba(queries) for model in (blocks, dense))
        assert_allclose(got, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_constant_columns_of_any_size_do_not_matter(size, data):
    X, y, queries = data[:3]
    many = np.column_stack([X, np.full(len(X), size)])
    got = fitted(many, y, bandwidth=0.5)
    expected = fitted(X, y, bandwidth=0.5)
    more = np.column_stack([queries, np.full(len(queries), size)])
    assert_allclose(got.predict_proba(more), expected.predict_proba(queries), **close)
