"""The search for classes: its candidates, their scores, and the chosen one."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_param_validation
from suite import suite_of

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonClassifierCV

N = 150


def rows_of(kind, n_rows=N, seed=0):
    """Rows and labels with a trend, with a trend and bumps, or with bumps alone."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, size=(n_rows, 2))
    logits = {
        "trend": 1.5 * X[:, 0] - X[:, 1],
        "both": 1.5 * X[:, 0] + 3 * np.cos(2 * X[:, 1]),
        "bumps": 4 * np.cos(2 * X[:, 0]) * np.cos(2 * X[:, 1]),
    }[kind]
    return X, (rng.uniform(size=n_rows) < expit(logits)).astype(int)


def searched(X, y, *args, sample_weight=None, **params):
    return NadarayaWatsonClassifierCV(*args, **params).fit(X, y, sample_weight)


def plain(model, X, y, bandwidth, degree, ridge, sample_weight=None):
    params = {"kernel": model.kernel, "bandwidth": bandwidth, "degree": degree, "ridge": ridge}
    return NadarayaWatsonClassifier(**params).fit(X, y, sample_weight)


# -- candidates ---------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["gaussian", "epanechnikov"])
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_equal_the_classifier_with_each_candidate(kernel, weighted):
    X, y = rows_of("both", 80)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, 80) if weighted else None
    model = searched(X, y, kernel, sample_weight=weights)
    results = pd.DataFrame(model.cv_results_)
    assert set(zip(results["degree"], results["ridge"])) == {(0, np.inf), (1, np.inf), (1, 1.0)}
    assert results["multiple"][0] == np.inf
    for row in results.iloc[::5].itertuples():
        candidate = plain(model, X, y, row.bandwidth, row.degree, row.ridge, weights)
        loss = log_loss(y, candidate.predict_proba(None), sample_weight=weights)
        assert_allclose(row.score, -loss, rtol=1e-6)
    best = plain(model, X, y, model.bandwidth_, model.degree_, model.ridge_, weights)
    assert_allclose(model.predict_proba(X), best.predict_proba(X), rtol=1e-9, atol=1e-12)
    assert_allclose(
        model.best_score_, -log_loss(y, model.predict_proba(None), sample_weight=weights)
    )


def test_a_trend_of_very_many_classes_is_fitted_only_on_request():
    X, y = rows_of("trend")
    labels = 2 * y + (X[:, 0] > 0)
    model = NadarayaWatsonClassifierCV(bandwidths=[1.0])
    model._most_operations = N * 4**3
    assert set(model.fit(X, labels).cv_results_["degree"]) == {0, 1}
    model._most_operations -= 1
    assert set(model.fit(X, labels).cv_results_["degree"]) == {0}
    assert model.trend_ is None
    assert model.set_params(cv=2).fit(X, labels).degree_ == 0
    assert model.set_params(cv=None, degrees=[1]).fit(X, labels).degree_ == 1


def test_given_candidates():
    X, y = rows_of("both")
    model = searched(X, y, bandwidths=[0.3, 1.0, 3.0], ridge=2.0)
    results = model.cv_results_
    assert len(results["score"]) == 9
    assert set(zip(results["degree"], results["ridge"])) == {(0, np.inf), (1, np.inf), (1, 2.0)}
    assert model.best_score_ == max(results["score"])
    model = searched(X, y, bandwidths=[0.3, 1.0, 3.0], degrees=[1], ridge=np.inf)
    assert set(zip(model.cv_results_["degree"], model.cv_results_["ridge"])) == {(1, np.inf)}
    assert model.degree_ == 1


def test_effective_dof_decreases_towards_that_of_the_trend():
    X, y = rows_of("trend")
    results = pd.DataFrame(searched(X, y, per_feature=False).cv_results_)
    alone = results["effective_dof"][0]
    assert 2 < alone <= 3 + 1e-9
    steps = results[results["degree"] == 1][1:]
    assert (steps["effective_dof"] >= alone).all()
    for _, of_form in steps.groupby("ridge"):
        assert (np.diff(of_form["effective_dof"]) < 1e-9).all()  # narrow windows come first


def test_many_columns_have_no_slopes(rng):
    X = rng.normal(size=(60, 50))
    y = (X[:, 0] > 0).astype(int)
    model = searched(X, y, per_feature=False)
    assert set(model.cv_results_["ridge"]) == {np.inf}


@pytest.mark.parametrize("degrees", [[], [2], [True], ["0"], (0, 1, 2)], ids=str)
def test_degrees_are_validated(degrees):
    X, y = rows_of("trend", 40)
    with pytest.raises(ValueError, match="degrees must hold 0, 1 or both"):
        searched(X, y, degrees=degrees)


def test_other_metrics_have_no_trend():
    X, y = rows_of("trend", 60)
    model = searched(X, y, metric="manhattan")
    assert model.degree_ == 0
    assert model.trend_ is None
    with pytest.raises(ValueError, match="degree=1 needs metric='euclidean'"):
        searched(X, y, metric="manhattan", degrees=[1])


@pytest.mark.parametrize("left_out", ["groups", "gap"])
def test_search_with_rows_left_out_together(left_out):
    X, y = rows_of("trend", 120)
    groups = {"groups": np.arange(120) // 3} if left_out == "groups" else {}
    params = {"gap": 2} if left_out == "gap" else {}
    model = NadarayaWatsonClassifierCV(**params).fit(X, y, **groups)
    assert set(model.cv_results_["degree"]) == {0, 1}
    assert model.degree_ == 1
    assert_allclose(model.best_score_, -log_loss(y, model.predict_proba(None)))
    model._most_operations = 0
    assert set(model.fit(X, y, **groups).cv_results_["degree"]) == {0}


def test_one_sided_has_no_trend():
    X, y = rows_of("trend", 60)
    model = searched(X, y, one_sided=0)
    assert model.degree_ == 0
    with pytest.raises(ValueError, match="degree=1 needs one_sided=None"):
        searched(X, y, one_sided=0, degrees=[1])


def test_groups_in_splits_and_in_the_trend():
    X, y = rows_of("trend", 200)
    model = NadarayaWatsonClassifierCV(bandwidths=[1.0, 4.0], cv=GroupKFold(4))
    model.fit(X, y, groups=np.arange(200) // 4)
    assert model.degree_ == 1
    assert model.trend_ is not None
    step = model.predict_proba(X) - model.trend_.predict_proba(X)
    assert 0 < np.abs(step).mean() < 0.1


def test_cv_equals_scores_of_splits():
    X, y = rows_of("both")
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    model = searched(X, y, bandwidths=[0.4, 1.0], cv=folds)
    grid = {"bandwidth": [0.4, 1.0], "degree": [0, 1]}
    other = GridSearchCV(NadarayaWatsonClassifier(), grid, scoring="neg_log_loss", cv=folds)
    other.fit(X, y)
    assert_allclose(model.best_score_, other.best_score_)
    assert model.degree_ == other.best_params_["degree"]
    assert_allclose(model.predict_proba(X), other.predict_proba(X))


# -- the choice ---------------------------------------------------------------------------


def test_the_trend_alone_is_chosen_unless_a_step_gains():
    trends = [searched(*rows_of("trend", seed=seed)) for seed in range(8)]
    alone = [np.isinf(model.bandwidth_).all() and model.degree_ == 1 for model in trends]
    assert np.mean(alone) > 0.8
    both = searched(*rows_of("both", 400))
    assert np.isfinite(both.bandwidth_).any()
    assert both.best_score_ > both.cv_results_["score"][0] + 0.05


@pytest.mark.parametrize(("load", "first"), [(load_iris, 1), (load_wine, 0)])
def test_the_first_bandwidth_also_costs_one_over_the_number_of_rows(load, first):
    # Here the best step gains more than twice its standard error, but less than one in total.
    X, y = (each[first::2] for each in load(return_X_y=True))
    model = searched(X, y, per_feature=False)
    scores = np.array(model.cv_results_["score"])
    gains = len(y) * (scores - scores[0])
    assert 0 < gains.max() < 1
    assert np.isinf(model.bandwidth_).all()


def test_means_may_be_chosen_where_there_is_no_trend():
    X, y = rows_of("bumps", 600)
    model = searched(X, y)
    new, labels = rows_of("bumps", 600, seed=1)
    loss = log_loss(labels, model.predict_proba(new))
    assert loss < log_loss(labels, searched(X, y, degrees=[0]).predict_proba(new)) + 0.02
    assert loss < 0.8 * log_loss(labels, np.full((600, 2), 0.5))


def test_one_bandwidth_per_feature():
    X, y = rows_of("both", 400)
    model = searched(X, y, degrees=[1])
    common = searched(X, y, degrees=[1], per_feature=False)
    assert model.best_score_ > common.best_score_
    assert model.bandwidth_[0] > 2 * model.bandwidth_[1]  # only the second column is curved


@pytest.mark.parametrize("left_out", ["nothing", "groups", "gap", "one_sided"])
def test_descents_on_a_subsample_are_scored_on_all_rows(left_out):
    X, y = rows_of("both", 600)
    params = {"gap": {"gap": 3}, "one_sided": {"one_sided": 0}}.get(left_out, {})
    groups = np.arange(600) // 3 if left_out == "groups" else None
    model = NadarayaWatsonClassifierCV(**params)
    model._rows_of_leave_one_out_descent = 300
    results = pd.DataFrame(model.fit(X, y, groups=groups).cv_results_)
    found = results[results["multiple"].isna()]
    assert len(found) > 0
    for _, of_form in found.groupby(["degree", "ridge"]):
        assert len(of_form) == 7
        ratios = [wide / narrow for narrow, wide in pairwise(of_form["bandwidth"])]
        assert_allclose(ratios, np.sqrt(2), rtol=1e-12)


def test_other_scores():
    X, y = rows_of("both")
    model = searched(X, y, scoring="accuracy")
    assert model.best_score_ == max(model.cv_results_["score"])
    assert_allclose(model.best_score_, accuracy_score(y, model.predict(None)))


def test_random_state_fixes_the_search():
    X, y = rows_of("both", 300)
    params = {"subsample": 100, "random_state": 3}
    first, second = searched(X, y, **params), searched(X, y, **params)
    assert_array_equal(first.bandwidth_, second.bandwidth_)
    assert first.cv_results_["score"] == second.cv_results_["score"]
    assert first.n_queries_ == 100


def test_scale_of_the_weights_cancels():
    X, y = rows_of("both")
    weights = np.random.default_rng(2).uniform(0.2, 1, N)
    model = searched(X, y, sample_weight=weights, per_feature=False)
    scaled = searched(X, y, sample_weight=weights / N, per_feature=False)
    assert scaled.degree_ == model.degree_
    assert_allclose(scaled.best_score_, model.best_score_, rtol=1e-6)


@pytest.mark.parametrize(
    "labels",
    [np.zeros(N, int), (np.arange(N) == 3).astype(int), np.arange(N) // 2, np.arange(N) % 2],
    ids=["one class", "one row of a class", "two rows of each class", "no pattern"],
)
@pytest.mark.filterwarnings("error")
def test_rare_classes(labels):
    X, _ = rows_of("trend")
    model = searched(X, labels, per_feature=False)
    probabilities = model.predict_proba(np.vstack([X[:5], [[50.0, -80.0]]]))
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


# -- accuracy -----------------------------------------------------------------------------


def logistic():
    grid = {"logisticregression__C": np.logspace(-2, 2, 5)}
    steps = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
    return GridSearchCV(steps, grid, scoring="neg_log_loss", cv=5)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_loss_on_real_data(load):
    X, y = load(return_X_y=True)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    def loss(model):
        return log_loss(y, cross_val_predict(model, X, y, cv=folds, method="predict_proba"))

    assert loss(NadarayaWatsonClassifierCV()) < loss(logistic()) + 0.02


def test_leave_one_out_predicts_the_loss_of_new_rows():
    gaps = []
    for seed in range(10):
        X, y = rows_of("both", 200, seed)
        new, labels = rows_of("both", 1_000, 100 + seed)
        model = searched(X, y, per_feature=False)
        gaps.append(log_loss(labels, model.predict_proba(new)) + model.best_score_)
    # The best of many candidates is a little too good by chance.
    assert abs(np.mean(gaps)) < 0.03


def calibration_error(y, probabilities, n_bins=10):
    """Mean difference of predicted and observed shares, over bins of the prediction."""
    bins = np.minimum((probabilities * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, y - probabilities, n_bins)
    return np.abs(gaps).sum() / len(y)


def test_probabilities_are_calibrated():
    X, y = rows_of("both", 600)
    new, labels = rows_of("both", 4_000, seed=1)
    foretold = searched(X, y, per_feature=False).predict_proba(new)[:, 1]
    for peer in (logistic(), RandomForestClassifier(min_samples_leaf=5, random_state=0)):
        error = calibration_error(labels, clone(peer).fit(X, y).predict_proba(new)[:, 1])
        assert calibration_error(labels, foretold) < error + 0.02
    assert calibration_error(labels, foretold) < 0.06


# -- scikit-learn's common checks ---------------------------------------------------------

INSTANCES = [NadarayaWatsonClassifierCV()]


@suite_of(INSTANCES, lambda estimator: {})
def test_common_checks(estimator, check):
    check(estimator)


def test_parameters_are_validated():
    check_param_validation("NadarayaWatsonClassifierCV", NadarayaWatsonClassifierCV())


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize("value", [1e2, 1e12])
def test_outliers_in_an_irrelevant_column(value, degree, rng):
    """Beside them the slopes of the loss are 0, and no descent widens the window."""
    X = rng.normal(size=(200, 2))
    y = np.sin(2 * X[:, 0]) + 0.2 * rng.normal(size=200) > 0
    X[3:8, 1] = value
    alone = NadarayaWatsonClassifierCV(degrees=[degree]).fit(X[:, :1], y)
    model = NadarayaWatsonClassifierCV(degrees=[degree]).fit(X, y)
    assert model.best_score_ > alone.best_score_ - 0.03
    assert model.bandwidth_[1] == np.inf


def test_irrelevant_columns_of_two_values(rng):
    """They start with wide windows: narrow ones separate the values, and have no slopes."""
    x, binary = rng.uniform(0, 6, size=300), rng.integers(0, 2, size=(300, 2))
    y = np.sin(x) + 0.3 * rng.normal(size=300) > 0
    alone = NadarayaWatsonClassifierCV(degrees=[1]).fit(x[:, None], y)
    model = NadarayaWatsonClassifierCV(degrees=[1]).fit(np.column_stack([x, binary]), y)
    assert model.best_score_ > alone.best_score_ - 0.02
    assert (model.bandwidth_[1:] > 0.5).all()
