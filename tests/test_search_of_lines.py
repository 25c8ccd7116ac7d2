"""The search with default parameters: means and lines, one bandwidth or one per feature."""

import inspect

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import local_line, slope
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_local_lines import CARS

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr._leave_one_out import MEANS, Form, LeaveOneOut
from nwkr._objective import by_criterion
from nwkr._pooling import Attention
from nwkr._window import FixedWindow
from nwkr.kernels import KERNELS

DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)


@pytest.fixture
def data(rng):
    X = rng.normal(size=(50, 3))
    y = np.column_stack([np.sin(2 * X[:, 0]) + X[:, 1], rng.normal(size=50)])
    return X, y, rng.integers(1, 4, 50).astype(float)


# -- criteria and their slopes ------------------------------------------------------------


def test_aicc_equals_r_np():
    """From np 0.60-20: regtype "ll", cv.aic, braking distances of R's cars."""
    model = NadarayaWatsonRegressorCV(
        bandwidths=[10.517451803], degrees=(1,), ridge=0.0, scoring="aicc"
    )
    assert_allclose(model.fit(CARS[:, :1], CARS[:, 1]).best_score_, -6.549059039, rtol=1e-9)


def test_gcv_equals_locfit():
    model = NadarayaWatsonRegressorCV("epanechnikov", [6.0], degrees=(1,), ridge=0.0, scoring="gcv")
    assert_allclose(model.fit(CARS[:, :1], CARS[:, 1]).best_score_, -252.635714938513, rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_slopes_equal_differences(name, degree, data):
    """Slopes of AICc, GCV and leave-one-out by each bandwidth."""
    X, y, weights = data
    attention = Attention(
        X, X, weights / weights.max(), KERNELS[name], leave_out=np.arange(50), counts=weights,
        unit=weights.max(), empty="nearest",
    )  # fmt: skip
    leave_one_out = LeaveOneOut(attention, y)
    shares, form = weights / weights.sum(), Form(1, 0.7) if degree else MEANS

    def fit_at(log_bandwidth):
        return next(leave_one_out.fits([FixedWindow(np.exp(log_bandwidth))], form))

    at = np.log([2.1, 1.6, 2.6])
    for criterion in ("aicc", "gcv"):

        def value(x, criterion=criterion):
            fit = fit_at(x)
            return by_criterion(criterion, fit, fit.fitted - y, shares, 50)[0]

        fit = fit_at(at)
        got = by_criterion(criterion, fit, fit.fitted - y, shares, 50)[1]
        assert_allclose(got, slope(value, at), rtol=1e-5, atol=1e-7)

    def error(x):
        return shares @ np.square(fit_at(x).predictions - y).sum(axis=1)

    fit = fit_at(at)
    got = fit.slopes(2 * shares[:, None] * (fit.predictions - y))
    assert_allclose(got, slope(error, at), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "boxcar"])
def test_leverages_and_fits_equal_the_linear_system(name, data):
    X, y, weights = data
    attention = Attention(
        X, X, weights / weights.max(), KERNELS[name], leave_out=np.arange(50), counts=weights,
        unit=weights.max(), empty="nearest",
    )  # fmt: skip
    (fit,) = LeaveOneOut(attention, y).fits([FixedWindow(np.full(3, 2.5))], Form(1, 0.7))
    counts = np.array([local_line(X, y, row, name, 2.5, 0.7, weights)[0] for row in X])
    assert_allclose(fit.leverages, np.diag(counts), rtol=1e-9)
    assert_allclose(fit.fitted, counts @ y, rtol=1e-9, atol=1e-10)


# -- the choice ---------------------------------------------------------------------------


def test_defaults():
    parameters = inspect.signature(NadarayaWatsonRegressorCV).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert defaults["degrees"] == (0, 1)
    assert defaults["per_feature"] == "auto"
    assert (defaults["ridge"], defaults["shrinkage"]) == (1.0, 0.02)


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error", "aicc", "gcv"])
def test_the_best_candidate_is_kept(scoring, data):
    X, y, weights = data
    model = NadarayaWatsonRegressorCV(scoring=scoring).fit(X, y, weights)
    table = pd.DataFrame(model.cv_results_)
    assert set(table.degree) == {0, 1}
    assert model.best_score_ == table.score.max()
    best = table.loc[table.score.idxmax()]
    assert model.degree_ == best.degree
    assert_array_equal(model.bandwidth_, best.bandwidth)
    plain = NadarayaWatsonRegressor(bandwidth=model.bandwidth_, degree=model.degree_)
    plain.fit(X, y, weights)
    assert_allclose(model.predict(X), plain.predict(X), rtol=1e-12)
    if scoring in (None, "neg_mean_squared_error"):
        score = -np.average(np.square(y - plain.predict(None)).mean(axis=1), weights=weights)
        assert_allclose(model.best_score_, score)


def test_scores_equal_leave_one_out(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV().fit(X, y)
    for candidate in pd.DataFrame(model.cv_results_).iloc[::7].itertuples():
        plain = NadarayaWatsonRegressor(bandwidth=candidate.bandwidth, degree=candidate.degree)
        residuals = y - plain.fit(X, y).predict(None)
        assert_allclose(candidate.score, -np.mean(residuals**2), rtol=1e-9)
        trace = np.trace(plain.effective_weights(X))
        assert_allclose(candidate.effective_dof, trace, rtol=1e-8)


def test_multiples_are_of_the_rule(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV().fit(X, y)
    rule = NadarayaWatsonRegressor().fit(X, y).bandwidth_
    for multiple, bandwidth in zip(model.cv_results_["multiple"], model.cv_results_["bandwidth"]):
        if not np.isnan(multiple):
            assert_allclose(bandwidth, multiple * rule)
    assert np.isnan(model.cv_results_["multiple"]).sum() == 2  # one per feature, for each degree


def test_a_linear_target_gives_a_line(rng):
    """The best fit is ridge regression, which infinite windows give."""
    X = rng.normal(size=(200, 3))
    y = X @ [1.0, 2.0, -1.0] + 0.1 * rng.normal(size=200)
    model = NadarayaWatsonRegressorCV().fit(X, y)
    assert model.degree_ == 1
    peer = make_pipeline(StandardScaler(), Ridge(1.0)).fit(X, y)
    assert np.abs(model.predict(X) - peer.predict(X)).max() < 0.1


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mean_and_ridge_regression_are_candidates(weighted, rng):
    X, y = rng.normal(size=(30, 3)) * [1, 10, 0.1], rng.normal(size=30)
    weights = rng.integers(1, 4, 30).astype(float) if weighted else np.ones(30)
    model = NadarayaWatsonRegressorCV().fit(X, y, weights)
    peers = DummyRegressor(), make_pipeline(StandardScaler(), Ridge(1.0))
    for number, peer in enumerate(peers):
        squares = losses_of_refits(peer, X, y, weights)
        assert_allclose(-model.cv_results_["score"][number], np.average(squares, weights=weights))
        assert model.cv_results_["degree"][number] == number
        assert_array_equal(model.cv_results_["bandwidth"][number], [np.inf] * 3)


def losses_of_refits(model, X, y, weights):
    """The squared error of each row by a model of scikit-learn that is fitted to all others."""
    name = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
    names = [name, *(["standardscaler__sample_weight"] if hasattr(model, "steps") else [])]
    losses = np.empty(len(y))
    for row in range(len(y)):
        rest = np.arange(len(y)) != row
        fitted = clone(model).fit(X[rest], y[rest], **dict.fromkeys(names, weights[rest]))
        losses[row] = (y[row] - fitted.predict(X[[row]])[0]) ** 2
    return losses


@pytest.mark.parametrize(("degrees", "weighted"), [((0,), False), ((1,), False), ((0, 1), True)])
def test_each_step_must_be_clearly_better(degrees, weighted):
    """Among many windows, one is the best by chance."""
    chosen, above = set(), 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(40, 2))
        y = [0, 0.2, 0.8][seed % 3] * (X[:, 0] + np.sin(3 * X[:, 1])) + rng.normal(size=40)
        weights = rng.integers(1, 4, 40).astype(float) if weighted else np.ones(40)
        model = NadarayaWatsonRegressorCV(degrees=degrees, per_feature=seed < 6).fit(X, y, weights)
        table = pd.DataFrame(model.cv_results_)
        simple = len(degrees)

        def losses(number, table=table, terms=(X, y, weights)):
            window = {"bandwidth": table.bandwidth[number], "degree": table.degree[number]}
            plain = NadarayaWatsonRegressor(**window).fit(*terms)
            return (terms[1] - plain.predict(None)) ** 2

        kept, shares = 0, weights / weights.sum()
        for step in [*range(1, simple), table.score[simple:].idxmax()]:
            gains = losses(kept) - losses(step)
            error = np.sqrt(shares**2 @ (gains - shares @ gains) ** 2)
            kept = step if shares @ gains > error else kept
        assert_array_equal(model.bandwidth_, table.bandwidth[kept])
        assert (model.degree_, model.best_index_) == (table.degree[kept], kept)
        assert model.best_score_ == table.score[kept]
        chosen.add(min(kept, simple))
        above += table.score[kept] < table.score.max()
    assert {0, simple} <= chosen
    assert above  # so the best score does not decide


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_absolute_error", "aicc"])
def test_other_scores_are_compared_as_they_are(scoring):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
        model = NadarayaWatsonRegressorCV(scoring=scoring, per_feature=False).fit(X, y)
        assert model.best_score_ == max(model.cv_results_["score"])


@pytest.mark.parametrize("n", range(2, 11))
def test_few_rows(n, rng):
    """Nothing fails or warns, and predictions stay near the targets."""
    X, y = rng.normal(size=(n, 3)), rng.normal(size=n)
    for options in ({}, {"degrees": (1,)}, {"kernel": "epanechnikov"}):
        model = NadarayaWatsonRegressorCV(**options).fit(X, y)
        assert np.isfinite(model.best_score_)
        assert np.abs(model.predict(X)).max() <= 2 * np.abs(y).max()


def test_a_linear_column_gets_an_infinite_bandwidth(rng):
    X = rng.uniform(-2, 2, size=(300, 2))
    y = np.sin(3 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=300)
    model = NadarayaWatsonRegressorCV().fit(X, y)
    assert model.degree_ == 1
    assert np.isinf(model.bandwidth_[1])
    assert model.bandwidth_[0] < 1


def test_irrelevant_columns_cost_little(rng):
    """Five irrelevant binary columns next to a relevant one hardly change the error."""
    X = np.column_stack([rng.uniform(-2, 2, 200), rng.integers(0, 2, (200, 5))])
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=200)
    grid = np.linspace(-1.9, 1.9, 50)
    queries = np.column_stack([grid, np.tile([0, 1, 0, 1, 1], (50, 1))])
    alone = NadarayaWatsonRegressorCV().fit(X[:, :1], y).predict(queries[:, :1])
    among = NadarayaWatsonRegressorCV().fit(X, y).predict(queries)
    errors = [np.sqrt(np.mean((got - np.sin(2 * grid)) ** 2)) for got in (alone, among)]
    assert errors[1] < 1.5 * errors[0] + 0.01


@pytest.mark.parametrize("seed", [15, 20, 21])
def test_binary_columns_do_not_widen_the_start_of_the_descent(seed):
    """With one bandwidth for all columns, the window is wide because rows are few."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.uniform(0, 6, 100), rng.integers(0, 2, (100, 5))])
    y = np.sin(X[:, 0]) + 0.3 * rng.normal(size=100)
    without = [
        NadarayaWatsonRegressor(bandwidth=[width, *[np.inf] * 5]).fit(X, y).predict(None)
        for width in (0.2, 0.3, 0.4)
    ]
    best = min(np.mean((y - predictions) ** 2) for predictions in without)
    model = NadarayaWatsonRegressorCV(degrees=[0]).fit(X, y)
    assert -model.best_score_ < 1.05 * best


@pytest.mark.parametrize("seed", [19, 34, 36, 38])
def test_categories_with_constant_effects(seed):
    """Descents also start where all windows are wide."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(2, 120)).T, columns=["a", "b"])
    X["c"], X["d"] = rng.choice(list("uvwxyz"), 120), rng.choice(list("uvw"), 120)
    X["e"], X["f"] = rng.integers(0, 2, 120), rng.integers(0, 2, 120)
    y = X["a"] + np.sin(2 * X["b"]) + (X["c"] == "u") / 2 + X["e"] / 2 + rng.normal(size=120) / 2
    everywhere = dict.fromkeys("acdef", np.inf)
    lines = [
        NadarayaWatsonRegressor(bandwidth={"b": width, **everywhere}, degree=1).fit(X, y)
        for width in (0.3, 0.4, 0.55, 0.75, 1.0)
    ]
    best = min(np.mean((y - line.predict(None)) ** 2) for line in lines)
    model = NadarayaWatsonRegressorCV(degrees=[1]).fit(X, y)
    assert -model.best_score_ < 1.02 * best


def test_a_step_is_fitted_closely(rng):
    """Away from the step, y has no slope, so means and lines are equally good."""
    X = rng.uniform(size=(300, 1))
    y = (X[:, 0] > 0.5) + 0.05 * rng.normal(size=300)
    model = NadarayaWatsonRegressorCV().fit(X, y)
    assert model.score(None, y) > 0.95


def test_diabetes_is_as_accurate_as_comparable_models():
    """R2 of ridge regression is 0.482 here, of tuned nearest neighbours 0.44, of forests 0.43."""
    X, y = load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)
    assert cross_val_score(NadarayaWatsonRegressorCV(), X, y, cv=folds).mean() > 0.48


def test_friedman_is_as_accurate_as_comparable_models():
    X, y = make_friedman1(400, noise=1.0, random_state=0)
    folds = KFold(4, shuffle=True, random_state=0)
    assert cross_val_score(NadarayaWatsonRegressorCV(), X, y, cv=folds).mean() > 0.88


# -- robustness ---------------------------------------------------------------------------


def test_the_search_is_deterministic(data):
    X, y, _ = data
    models = [NadarayaWatsonRegressorCV(n_jobs=n).fit(X, y) for n in (1, 2, None)]
    for model in models[1:]:
        assert_array_equal(model.bandwidth_, models[0].bandwidth_)
        assert model.cv_results_["score"] == models[0].cv_results_["score"]


class OfFewRows(NadarayaWatsonRegressorCV):
    """A search for which 301 rows are many."""

    _rows_of_descent = 300


def test_many_rows_are_searched_by_a_subsample(rng):
    X = rng.normal(size=(1000, 3))
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.3 * rng.normal(size=1000)
    by_all = NadarayaWatsonRegressorCV().fit(X, y)
    by_some = OfFewRows().fit(X, y)
    assert_array_equal(by_some.bandwidth_, clone(by_some).fit(X, y).bandwidth_)
    assert by_some.best_score_ > 1.05 * by_all.best_score_
    # The order of the rows is irrelevant, with blocks and without.
    blocks = OfFewRows(algorithm="blocks").fit(X, y)
    assert_allclose(blocks.bandwidth_, by_some.bandwidth_, rtol=1e-2)


@pytest.mark.parametrize("metric", ["manhattan", "precomputed"])
def test_other_metrics_have_means_only(metric, data):
    X, y, _ = data
    rows = np.abs(X[:, None] - X).sum(axis=2) if metric == "precomputed" else X
    model = NadarayaWatsonRegressorCV(metric=metric).fit(rows, y)
    assert model.degree_ == 0
    with pytest.raises(ValueError, match="degree=1 needs metric='euclidean'"):
        NadarayaWatsonRegressorCV(metric=metric, degrees=(1,)).fit(rows, y)


@pytest.mark.parametrize("degrees", [(), (2,), (0, 1.5), (True,), "01", ("0",)])
def test_bad_degrees_are_refused(degrees, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="degrees"):
        NadarayaWatsonRegressorCV(degrees=degrees).fit(X, y)


@pytest.mark.parametrize("name", sorted(set(KERNELS) - set(DIFFERENTIABLE)))
def test_kernels_without_slopes_have_one_bandwidth(name, data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(name).fit(X, y)
    assert not np.isnan(model.cv_results_["multiple"]).any()


def test_cv_compares_degrees_too(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=[0.5, 1.0, 4.0], cv=4).fit(X, y)
    table = pd.DataFrame(model.cv_results_)
    assert len(table) == 6
    best = table.loc[table.score.idxmax()]
    assert model.degree_ == best.degree
    plain = NadarayaWatsonRegressor(bandwidth=best.bandwidth, degree=int(best.degree))
    assert_allclose(
        cross_val_score(plain, X, y, cv=4, scoring="neg_mean_squared_error").mean(), best.score
    )


def test_methods_use_the_chosen_degree(data):
    X, y, weights = data
    model = NadarayaWatsonRegressorCV(degrees=(1,)).fit(X, y, weights)
    plain = NadarayaWatsonRegressor(bandwidth=model.bandwidth_, degree=1).fit(X, y, weights)
    for method in ("local_slopes", "standard_error", "gradient", "effective_sample_size"):
        assert_allclose(getattr(model, method)(X[:5]), getattr(plain, method)(X[:5]), rtol=1e-9)


def test_lines_with_very_many_columns_are_fitted_only_on_request(data):
    X, y, _ = data
    model = NadarayaWatsonRegressorCV(bandwidths=[1.0])
    model._most_operations = 50 * 4**3
    assert set(model.fit(X, y).cv_results_["degree"]) == {0, 1}
    model._most_operations -= 1
    assert set(model.fit(X, y).cv_results_["degree"]) == {0}
    assert model.set_params(cv=2).fit(X, y).degree_ == 0
    assert model.set_params(cv=None, degrees=[1]).fit(X, y).degree_ == 1
