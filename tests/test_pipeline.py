"""The last step of a pipeline, and the rows that it sees."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonRegressor, last_step


@pytest.fixture
def data(rng):
    return 100 + 5 * rng.normal(size=(30, 2)), rng.normal(size=30)


def test_its_methods_speak_of_what_the_pipeline_predicts(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor()).fit(X, y)
    model, rows = last_step(pipe, X[:4])
    assert model is pipe[-1]
    assert np.allclose(model.attention_weights(rows) @ y, pipe.predict(X[:4]), rtol=1e-12)


def test_none_stands_for_the_training_rows(data):
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
