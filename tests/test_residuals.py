"""Leave-one-out residuals: computed once, and no part of the estimator's state."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nwkr import NadarayaWatsonRegressor
from nwkr._base import NadarayaWatsonBase

ASKED = {
    "jackknife+": lambda model, Q: model.predict_interval(Q),
    "scaled": lambda model, Q: model.predict_interval(Q, method="scaled"),
    "band": lambda model, Q: model.predict_band(Q, n_bootstrap=9, random_state=0)[1],
    "standard error": lambda model, Q: model.standard_error(Q),
}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((60, 2))
    return X, np.sin(X[:, 0]) + rng.standard_normal(60), rng.standard_normal((3, 2))


@pytest.fixture
def n_left_out(monkeypatch):
    """Counts the predictions of training rows left out."""
    asked, attention = [], NadarayaWatsonBase._attention

    def counted(self, X):
        if X is None:
            asked.append(self)
        return attention(self, X)

    monkeypatch.setattr(NadarayaWatsonBase, "_attention", counted)
    return lambda: len(asked)


@pytest.mark.parametrize("degree", [0, 1])
def test_rows_are_left_out_once_for_several_methods(degree, data, n_left_out):
    X, y, Q = data
    model = NadarayaWatsonRegressor(bandwidth=0.5, degree=degree).fit(X, y)
    first = {name: ask(model, Q) for name, ask in ASKED.items()}
    assert n_left_out() == 2  # once for residuals, once for their sizes
    for name, ask in ASKED.items():
        alone = NadarayaWatsonRegressor(bandwidth=0.5, degree=degree).fit(X, y)
        assert_array_equal(ask(model, Q), first[name])
        assert_array_equal(ask(alone, Q), first[name])


@pytest.mark.parametrize("again", [copy, deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_cached_residuals_are_no_part_of_the_estimator(again, data):
    X, y, Q = data
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    before, size = dict(vars(model)), len(pickle.dumps(model))
    found = [ask(model, Q) for ask in ASKED.values()]
    assert all(vars(model)[name] is before[name] for name in before)
    assert len(vars(model)) == len(before)
    assert len(pickle.dumps(model)) == size
    for ask, expected in zip(ASKED.values(), found):
        assert_array_equal(ask(again(model), Q), expected)


def test_a_new_fit_or_new_parameters_give_new_residuals(data):
    X, y, Q = data
    model = NadarayaWatsonRegressor("boxcar", 0.3).fit(X, y)
    for ask in ASKED.values():
        ask(model, Q)
    model.set_params(handle_empty="mean")
    as_mean = NadarayaWatsonRegressor("boxcar", 0.3, handle_empty="mean").fit(X, y)
    for ask in ASKED.values():
        assert_array_equal(ask(model, Q), ask(as_mean, Q))
    model.fit(X, 2 * y)
    for ask in ASKED.values():
        assert_array_equal(ask(model, Q), ask(as_mean.fit(X, 2 * y), Q))
    with pytest.raises(ValueError, match="handle_empty='error'"):
        model.set_params(handle_empty="error").predict_interval(X)


def test_concurrent_threads_get_the_same_residuals(data):
    X, y, Q = data
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict_interval(Q)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: model.predict_interval(Q), range(8)):
            assert_array_equal(got, expected)


def test_error_numbers_a_row_without_prediction(rng):
    X = np.append(rng.uniform(size=9000), 9.0)[:, None]  # so many rows that they are reordered
    X[[123, -1]] = X[[-1, 123]]
    model = NadarayaWatsonRegressor("boxcar", 0.1, handle_empty="error").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="first of them row 123,"):
        model.predict_interval(X[:1])
