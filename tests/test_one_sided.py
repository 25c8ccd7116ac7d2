"""Past rows only: each query is compared with a fit to the rows that are no later."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.metrics import r2_score

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.bandwidths import KNearest

METHODS = {
    "predict": (),
    "score_samples": (),
    "effective_sample_size": (),
    "predict_quantiles": ([0.2, 0.8],),
    "predict_cdf": ([0.0, 1.0],),
    "predict_density": ([0.0, 1.0], 0.4),
    "gradient": (),
    "effective_weights": (),
}


def make_data(rng, n=50, n_queries=12):
    """Times that repeat among rows and queries; some queries come before all rows."""
    X, Q = rng.standard_normal((n, 2)), rng.standard_normal((n_queries, 2))
    X[:, 0], Q[:, 0] = np.round(X[:, 0], 1), np.round(Q[:, 0], 1)
    Q[0, 0] = X[:, 0].min() - 1
    return X, np.sin(X[:, 0]) + X[:, 1], Q


def one_by_one(model, X, y, Q, method="predict", *args):
    """Results of a method for each query, from a fit to the rows no later; NaN without rows."""
    found = []
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for query in Q:
            past = X[:, 0] <= query[0]
            if past.any():
                answer = getattr(model.fit(X[past], y[past]), method)(query[None], *args)[0]
                if method == "effective_weights":
                    answer, weights = np.zeros(len(X)), answer
                    answer[past] = weights
                found.append(answer)
            else:
                found.append(np.nan)
    like = next(np.asarray(answer) for answer in found if np.ndim(answer) or not np.isnan(answer))
    return np.array([np.broadcast_to(answer, like.shape) for answer in found])


@pytest.mark.parametrize("degree", [0, 1])
def test_predictions_equal_fits_to_the_past(kernel, degree, rng):
    X, y, Q = make_data(rng)
    options = {"kernel": kernel, "bandwidth": [0.9, 0.6], "degree": degree}
    expected = one_by_one(NadarayaWatsonRegressor(**options), X, y, Q)
    assert np.isnan(expected[0])
    for algorithm in ("dense", "blocks"):
        model = NadarayaWatsonRegressor(**options, one_sided=0, algorithm=algorithm).fit(X, y)
        np.testing.assert_allclose(model.predict(Q), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("empty", ["nearest", "mean", "nan"])
def test_empty_windows_in_the_past(empty, rng):
    X, y, Q = make_data(rng)
    options = {"kernel": "epanechnikov", "bandwidth": 0.5, "handle_empty": empty}
    expected = one_by_one(NadarayaWatsonRegressor(**options), X, y, Q)
    model = NadarayaWatsonRegressor(**options, one_sided=0).fit(X, y)
    np.testing.assert_allclose(model.predict(Q), expected, rtol=1e-9)


def test_no_past_raises_with_handle_empty_error(rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor(one_sided=0, handle_empty="error").fit(X, y)
    with pytest.raises(ValueError, match="No training row has weight for 1 of 12 queries"):
        model.predict(Q)


@pytest.mark.parametrize("degree", [0, 1])
def test_rows_without_a_past_are_not_scored(degree, rng):
    """The same rows are scored for any `handle_empty`; "error" refuses only these."""
    X, y, _ = make_data(rng)
    has_past = X[:, 0] > X[:, 0].min()
    labels = np.where(y > 0, "up", "down")
    known = NadarayaWatsonRegressor(degree=degree, one_sided=0).fit(X, y).predict(None)
    shares = NadarayaWatsonClassifier(one_sided=0).fit(X, labels).predict_proba(None)[has_past]
    right = np.array(["down", "up"])[shares.argmax(axis=1)] == labels[has_past]
    for empty in ("nearest", "mean", "nan", "error"):
        model = NadarayaWatsonRegressor(degree=degree, one_sided=0, handle_empty=empty).fit(X, y)
        expected = r2_score(y[has_past], known[has_past])
        np.testing.assert_allclose(model.score(None, y), expected, rtol=1e-12)
        classes = NadarayaWatsonClassifier(one_sided=0, handle_empty=empty).fit(X, labels)
        assert classes.score(None, labels) == right.mean()
        assert model.handle_empty == empty
    narrow = NadarayaWatsonRegressor("boxcar", 1e-9, one_sided=0, handle_empty="error").fit(X, y)
    with pytest.raises(ValueError, match=r"No training row has weight for \d+ of 50 queries"):
        narrow.score(None, y)


@pytest.mark.parametrize("method", list(METHODS))
def test_methods_equal_fits_to_the_past(method, rng):
    X, y, Q = make_data(rng)
    Q = Q[1:]  # the others have a past
    expected = one_by_one(NadarayaWatsonRegressor(bandwidth=0.7), X, y, Q, method, *METHODS[method])
    model = NadarayaWatsonRegressor(bandwidth=0.7, one_sided=0).fit(X, y)
    found = getattr(model, method)(Q, *METHODS[method])
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_probabilities_equal_fits_to_the_past(rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonClassifier(bandwidth=0.5, one_sided=0).fit(X, y > 0)
    plain = NadarayaWatsonRegressor(bandwidth=0.5)
    expected = one_by_one(plain, X, (y > 0) * 1.0, Q)
    np.testing.assert_allclose(model.predict_proba(Q)[:, 1], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(model.predict(Q[1:]), expected[1:] > 0.5)
    with pytest.raises(ValueError, match="one_sided=0 they have no class"):
        model.predict(Q)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_nearest_rows_in_the_past(metric, rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor("boxcar", KNearest(4), metric=metric, one_sided=0).fit(X, y)
    expected = []
    for query in Q:
        past = X[:, 0] <= query[0]
        apart = np.abs(X[past] - query)
        apart = np.hypot(*apart.T) if metric == "euclidean" else apart.sum(axis=1)
        near = apart <= np.sort(apart)[:4].max(initial=-1) * (1 + 1e-12)
        expected.append(y[past][near].mean() if past.any() else np.nan)
    np.testing.assert_allclose(model.predict(Q), expected, rtol=1e-9)


def test_a_row_sees_itself_unless_it_is_left_out(rng):
    X, y = np.arange(5.0)[:, None], rng.standard_normal(5)
    model = NadarayaWatsonRegressor("boxcar", 0.5, one_sided=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y)
    np.testing.assert_allclose(model.predict(None)[1:], y[:-1])  # the nearest row before
    assert np.isnan(model.predict(None)[0])
    np.testing.assert_allclose(np.diag(model.attention_weights_), 1)
    weights = model.set_params(kernel="constant").fit(X, y).attention_weights(None)
    assert np.isnan(weights[0]).all()  # as the prediction
    assert not np.triu(weights[1:], 1).any()


@pytest.mark.parametrize("name", ["gaussian", "epanechnikov"])
@pytest.mark.parametrize("degree", [0, 1])
def test_many_rows_agree_with_dense(name, degree, rng):
    X = rng.uniform(size=(4000, 2))
    y = X.sum(axis=1) + rng.standard_normal(4000)
    Q = X[rng.permutation(4000)[:500]] + [0, 0.01]
    options = {"kernel": name, "bandwidth": 0.03, "degree": degree, "one_sided": 0}
    dense = NadarayaWatsonRegressor(**options, algorithm="dense").fit(X, y)
    blocks = NadarayaWatsonRegressor(**options, algorithm="blocks").fit(X, y)
    np.testing.assert_allclose(blocks.predict(Q), dense.predict(Q), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(blocks.predict(None), dense.predict(None), rtol=1e-8, atol=1e-9)


def test_one_sided_on_a_sphere(rng):
    X = np.column_stack([rng.uniform(-1.5, 1.5, 2000), rng.uniform(-3, 3, 2000)])
    options = {"metric": "haversine", "bandwidth": 0.2, "one_sided": 1}
    dense, blocks = (
        NadarayaWatsonRegressor("epanechnikov", **options, algorithm=way).fit(X, X[:, 0])
        for way in ("dense", "blocks")
    )
    for Q in (X[:200], None):
        np.testing.assert_allclose(blocks.predict(Q), dense.predict(Q), rtol=1e-9, atol=1e-10)


def test_one_sided_partial_fit(rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor(bandwidth=0.5, one_sided=0)
    for part in np.split(np.argsort(X[:, 0]), [20, 40]):
        model.partial_fit(X[part], y[part])
    whole = NadarayaWatsonRegressor(bandwidth=0.5, one_sided=0).fit(X, y)
    np.testing.assert_allclose(model.predict(Q), whole.predict(Q), rtol=1e-12)


def test_later_rows_change_nothing(rng):
    X, y, Q = make_data(rng)
    Q = Q[(Q[:, 0] < 0.5) & (Q[:, 0] >= X[:, 0].min())]
    later = X + np.array([10, 0])
    whole, early = np.vstack([X, later]), NadarayaWatsonRegressor(bandwidth=0.5, one_sided=0)
    expected = early.fit(X, y).predict(Q)
    found = early.fit(whole, np.append(y, 100 + y)).predict(Q)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_missing_time_is_refused(rng):
    X, y, Q = make_data(rng)
    Q[3, 0] = X[2, 0] = np.nan
    with pytest.raises(ValueError, match="one_sided must give a column without missing numbers"):
        NadarayaWatsonRegressor(one_sided=0).fit(X, y)
    model = NadarayaWatsonRegressor(one_sided=0).fit(X[3:], y[3:])
    with pytest.raises(ValueError, match=r"without missing numbers; got a missing one in row 3"):
        model.predict(Q)
