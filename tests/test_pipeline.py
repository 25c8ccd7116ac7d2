"""`last_step` of pipelines and searches, and the rows that it gets."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
    last_step,
)
from nwkr.displays import AttentionDisplay, ExplanationDisplay, PredictionDisplay


@pytest.fixture(autouse=True)
def _no_figure_stays():
    yield
    plt.close("all")


@pytest.fixture
def data(rng):
    return 100 + 5 * rng.normal(size=(30, 2)), rng.normal(size=30)


def test_methods_of_the_last_step_agree_with_the_pipeline(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor()).fit(X, y)
    model, rows = last_step(pipe, X[:4])
    assert model is pipe[-1]
    assert np.allclose(model.attention_weights(rows) @ y, pipe.predict(X[:4]), rtol=1e-12)


def test_X_none_stands_for_the_training_rows(data):
    X, y = data
    model, rows = last_step(make_pipeline(StandardScaler(), NadarayaWatsonRegressor()).fit(X, y))
    assert rows is None
    assert model.predict(rows).shape == (30,)


def test_a_search_gives_its_best_pipeline(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    search = GridSearchCV(pipe, {"nadarayawatsonregressor__bandwidth": [0.1, 1.0]}, cv=3).fit(X, y)
    model, rows = last_step(search, X)
    assert model is search.best_estimator_[-1]
    assert np.array_equal(rows, search.best_estimator_[0].transform(X))


def test_an_estimator_alone_is_its_own_last_step(data):
    model = NadarayaWatsonRegressor()
    assert last_step(model, data[0]) == (model, data[0])
    assert last_step(make_pipeline(model), data[0]) == (model, data[0])


ENCODE = make_column_transformer(
    (OneHotEncoder(sparse_output=False), ["kind"]), (StandardScaler(), ["size", "age"])
)


@pytest.fixture
def table(rng):
    X = pd.DataFrame({"size": rng.lognormal(4, 0.5, 40), "age": rng.normal(size=40)})
    X["kind"] = rng.choice(["house", "flat"], 40)
    return X, np.exp(X["size"] / 100 + 0.1 * rng.normal(size=40)).rename("price")


def log_targets(regressor):
    return TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp)


@pytest.mark.parametrize(
    "nest",
    [
        lambda model: make_pipeline(ENCODE, model),
        lambda model: make_pipeline(ENCODE, make_pipeline(StandardScaler(), model)),
        lambda model: make_pipeline(ENCODE, make_pipeline(model)),
        lambda model: GridSearchCV(make_pipeline(ENCODE, model), {"verbose": [False]}, cv=2),
        lambda model: make_pipeline(ENCODE, GridSearchCV(model, {"tol": [0.0]}, cv=2)),
    ],
    ids=["pipeline", "nested", "nested-alone", "search", "search-within"],
)
@pytest.mark.parametrize("Model", [NadarayaWatsonRegressor, NadarayaWatsonRegressorCV])
def test_nested_pipelines_and_searches(nest, Model, table):
    X, y = table
    whole = nest(Model()).fit(X, y)
    model, rows = last_step(whole, X[:6])
    np.testing.assert_allclose(model.predict(rows), whole.predict(X[:6]), rtol=1e-12)
    np.testing.assert_allclose(model.effective_weights(rows) @ y, whole.predict(X[:6]), rtol=1e-9)
    ends = model.predict_interval(rows)
    assert ((ends[:, 0] < whole.predict(X[:6])) & (whole.predict(X[:6]) < ends[:, 1])).all()
    contributions = model.explain(rows, top_k=40).groupby("query")["contribution"].sum()
    np.testing.assert_allclose(contributions, whole.predict(X[:6]), rtol=1e-9)
    model, rows = last_step(whole)
    assert rows is None
    assert model.score(rows, y) < whole.score(X, y)
    display = AttentionDisplay.from_estimator(whole, X[:6])
    assert display.weights.shape == (6, 40)


@pytest.mark.parametrize("Model", [NadarayaWatsonClassifier, NadarayaWatsonClassifierCV])
def test_classifiers_in_a_pipeline(Model, table):
    X, y = table[0], table[1] > table[1].median()
    whole = make_pipeline(ENCODE, Model()).fit(X, y)
    model, rows = last_step(whole, X[:6])
    np.testing.assert_array_equal(model.predict_proba(rows), whole.predict_proba(X[:6]))
    assert model.attention_weights(rows).shape == (6, 40)
    assert set(model.explain(rows)["query"]) == set(range(6))


@pytest.mark.parametrize(
    "around", [FixedThresholdClassifier, TunedThresholdClassifierCV, FrozenEstimator]
)
@pytest.mark.parametrize("within", [False, True])
def test_threshold_classifiers_and_frozen_estimators(around, within, table):
    X, y = table[0], table[1] > table[1].median()
    pipe = make_pipeline(ENCODE, NadarayaWatsonClassifier())
    if around is FrozenEstimator:
        whole = FrozenEstimator(pipe.fit(X, y))
    elif within:
        whole = make_pipeline(ENCODE, around(pipe[-1])).fit(X, y)
    else:
        whole = around(pipe).fit(X, y)
    model, rows = last_step(whole, X[:6])
    np.testing.assert_allclose(model.predict_proba(rows), pipe.fit(X, y).predict_proba(X[:6]))
    assert AttentionDisplay.from_estimator(whole, X[:6]).weights.shape == (6, 40)


def test_scores_of_X_none_equal_refits_of_the_last_step(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor(bandwidth=0.5)).fit(X, y)
    model, rows = last_step(pipe)
    refits = cross_val_predict(model, pipe[:-1].transform(X), y, cv=len(X))
    np.testing.assert_allclose(model.predict(rows), refits, rtol=1e-9)


@pytest.mark.parametrize("around", [False, True])
def test_transformed_targets(around, table):
    X, y = table
    whole = (
        log_targets(make_pipeline(ENCODE, NadarayaWatsonRegressor()))
        if around
        else make_pipeline(ENCODE, log_targets(NadarayaWatsonRegressor()))
    ).fit(X, y)
    model, rows = last_step(whole, X[:6])
    np.testing.assert_allclose(np.exp(model.predict(rows)), whole.predict(X[:6]), rtol=1e-12)
    explained = ExplanationDisplay.from_estimator(whole, X[:1], top_k=5)
    np.testing.assert_allclose(explained.values, y[explained.rows], rtol=1e-12)
    assert explained.prediction == pytest.approx(whole.predict(X[:1])[0])
    for band in ("interval", "quantiles"):
        display = PredictionDisplay.from_estimator(
            whole, X, y, features="size", band=band, grid_resolution=20
        )
        inside = (display.band[:, 0] < display.prediction) & (
            display.prediction < display.band[:, 1]
        )
        assert inside.mean() > 0.9
    with pytest.raises(ValueError, match=r"band must be 'quantiles', 'interval'.*transformed"):
        PredictionDisplay.from_estimator(whole, X, y, features="size", band="std")


def test_decreasing_transformations_of_targets(data):
    X, y = data
    whole = TransformedTargetRegressor(
        NadarayaWatsonRegressor(), func=np.negative, inverse_func=np.negative
    ).fit(X, y)
    plain = NadarayaWatsonRegressor().fit(X, y)
    bands = [
        PredictionDisplay.from_estimator(
            model, X, y, features=0, band="quantiles", grid_resolution=9
        ).band
        for model in (whole, plain)
    ]
    assert (bands[0][:, 0] <= bands[0][:, 1]).all()
    assert np.abs(bands[0] - bands[1]).max() < np.ptp(y)


def test_error_names_other_and_unfitted_estimators(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    grid = {"nadarayawatsonregressor__tol": [0.0]}
    for unfitted in (pipe, GridSearchCV(pipe, grid), log_targets(pipe)):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            last_step(unfitted, X)
    for nothing in (None, "passthrough", NadarayaWatsonRegressor):
        with pytest.raises(TypeError, match="estimator must be a fitted estimator, or a pipeline"):
            last_step(nothing, X)
    for last in (None, "passthrough"):
        for before in (StandardScaler(), NadarayaWatsonRegressor()):
            with pytest.raises(TypeError, match=f"is {last!r}, which .* Remove that step"):
                last_step(make_pipeline(before, last), X)
    unfitted = make_pipeline(StandardScaler(), FixedThresholdClassifier(NadarayaWatsonClassifier()))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        last_step(unfitted, X)
    search = GridSearchCV(pipe, grid, cv=2, refit=False).fit(X, y)
    with pytest.raises(ValueError, match=r"estimator must be a search with refit=True.*; got"):
        last_step(search, X)
    line = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    with pytest.raises(TypeError, match=r"an estimator of nwkr.*LinearRegression.*no attention_w"):
        AttentionDisplay.from_estimator(line, X)
    with pytest.raises(TypeError, match=r"an estimator of nwkr.*LinearRegression.*no explain"):
        ExplanationDisplay.from_estimator(line, X[:1])
