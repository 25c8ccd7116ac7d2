"""Estimators over chunks equal the ordinary estimators on the same rows in memory."""

import inspect

import numpy as np
import pytest
from lazy import CLASSIFIERS, REGRESSORS, assert_alike, cut, fitted
from suite import without_address

import nwkr
from nwkr.bandwidths import Adaptive, KNearest, Scott

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
chunked = pytest.importorskip("nwkr.dask")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(rng):
    """Rows, targets, weights and queries, some of them far from all rows."""
    X = rng.normal(size=(220, 2)) * [1, 30] + [0, 1000]
    weights = rng.integers(0, 4, 220).astype(float)
    queries = rng.normal(size=(40, 2)) * [1, 30] + [0, 1000]
    queries[:2] += 100, 0
    return X, np.sin(X[:, 0]) + X[:, 1] / 100, weights, queries


def matern(u):
    return (1 + u) * np.exp(-u)


def test_parameters_are_those_of_the_ordinary_estimators():
    for name in chunked.__all__:
        ours, theirs = getattr(chunked, name), getattr(nwkr, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert repr(ours(kernel="tricube")) == repr(theirs(kernel="tricube"))


@pytest.mark.parametrize("degree", [0, 1])
def test_every_kernel_agrees(data, kernel, degree):
    X, y, weights, queries = data
    both = fitted(REGRESSORS, X, y, weights, kernel=kernel, degree=degree)
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)
    assert_alike(*both, queries)
    assert_alike(*both, None)


@pytest.mark.parametrize(
    "params",
    [
        {"kernel": matern},
        {"kernel": matern, "degree": 1, "bandwidth": 0.3},
        {"bandwidth": "silverman"},
        {"bandwidth": Scott(), "kernel": "biweight"},
        {"bandwidth": [0.5, 20.0], "degree": 1, "ridge": 0.1},
        {"bandwidth": [0.5, np.inf]},
        {"bandwidth": [0.5, np.inf], "degree": 1},
        {"bandwidth": [0.0, 10.0]},
        {"algorithm": "dense"},
        {"algorithm": "blocks", "kernel": "tricube"},
        {"metric": "manhattan", "bandwidth": 3.0},
        {"metric": "minkowski", "metric_params": {"p": 3}, "bandwidth": 3.0},
        {"tol": 1e-9},
    ],
    ids=without_address,
)
def test_every_parameter_agrees(data, params):
    X, y, weights, queries = data
    both = fitted(REGRESSORS, X, y, weights, **params)
    assert_alike(*both, queries)
    assert_alike(*both, None)


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
@pytest.mark.parametrize("degree", [0, 1])
def test_empty_neighbourhoods_agree(data, handle_empty, degree):
    X, y, weights, queries = data
    params = {"handle_empty": handle_empty, "degree": degree}
    both = fitted(REGRESSORS, X, y, weights, kernel="biweight", bandwidth=[0.2, 5], **params)
    assert_alike(*both, queries)
    assert_alike(*both, None)


def test_error_for_an_empty_neighbourhood_names_the_chunk(data):
    X, y, _, queries = data
    _, model = fitted(REGRESSORS, X, y, kernel="biweight", handle_empty="error")
    with pytest.raises(ValueError, match=r"Chunk 0 of X.*2 of 15 queries"):
        model.predict(cut(queries, 15)).compute()


@pytest.mark.parametrize("rows", [10, 50, 220])
@pytest.mark.parametrize("weighted", [False, True])
def test_outliers_do_not_change_the_rule_of_thumb(data, rows, weighted):
    X, y, weights, _ = data
    X = X.copy()
    X[7] *= 1e6  # an outlier in one column and not in the other
    X[:, 1] = np.round(X[:, 1])
    X[:150, 0] = np.sort(X[:150, 0])  # makes chunks differ
    weights = weights if weighted else np.ones(len(X))
    both = fitted(REGRESSORS, X, y, weights, rows=rows)
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)
    labels, class_weight = np.arange(220) % 3, {0: 1.0, 1: 0.0, 2: 2.0}
    both = fitted(CLASSIFIERS, X, labels, weights, rows=rows, class_weight=class_weight)
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)


@pytest.mark.parametrize("column", [[1.0] * 150 + [0.0] * 69 + [1e9], [-1e150, 1e150] * 110])
def test_spread_of_columns_that_vary_very_little_or_much(column):
    X = np.stack([column, np.arange(220.0) ** 7], axis=1)
    local, model = fitted(REGRESSORS, X, np.arange(220.0))
    np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-12)


def test_several_outputs_agree(data):
    X, y, weights, queries = data
    both = fitted(REGRESSORS, X, np.stack([y, 1e6 - y], axis=1), weights, degree=1)
    assert both[1].predict(cut(queries, 15)).chunks == ((15, 15, 10), (2,))
    assert_alike(*both, queries)


def test_rows_far_from_the_origin_and_of_any_scale(data):
    X, y, weights, queries = data
    for scale, offset in ((1e-150, 0), (1e150, 0), (1, 1e8)):
        both = fitted(REGRESSORS, scale * X + offset, 1e9 + y, weights)
        assert_alike(*both, scale * queries + offset)


@pytest.mark.parametrize("width", [1e-2, 1e-4])
def test_lines_in_narrow_windows_keep_their_digits(rng, width):
    # Moments about the centre of all rows would lose all digits in a window of this width.
    X = np.sort(rng.uniform(size=(300, 1)), axis=0)
    X = np.vstack([X, X + width * rng.uniform(size=(300, 1))])
    y = np.sin(2 * X[:, 0] / width)
    both = fitted(REGRESSORS, X, y, rows=170, bandwidth=width, degree=1, ridge=0.01)
    assert_alike(*both, X[::7] + width / 3)


def test_a_constant_column_and_constant_targets_agree(data):
    X, y, _, queries = data
    X, queries = X.copy(), queries.copy()
    X[:, 1] = queries[:, 1] = 0.1
    assert_alike(*fitted(REGRESSORS, X, y, degree=1), queries)
    _, model = fitted(REGRESSORS, X, np.full(len(X), 0.3))
    assert (model.predict(cut(queries)).compute() == 0.3).all()


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_chunks_of_any_length(data, rows):
    X, y, weights, queries = (part[:30] for part in data)
    both = fitted(REGRESSORS, X, y, weights, rows=rows, degree=1)
    assert_alike(*both, queries, rows=rows)
    assert_alike(*both, None)


def test_sums_are_merged_in_a_fixed_order(data):
    X, y, weights, queries = data
    _, model = fitted(REGRESSORS, X, y, weights)
    found = [model.predict(cut(queries, rows)).compute() for rows in (15, 15, 40)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], found[2], rtol=1e-12)


def test_unknown_and_empty_chunks(data):
    X, y, weights, queries = data
    whole = cut(np.column_stack([X, y, weights]))
    kept = (whole[:, 0] > 0.5) | (da.arange(len(X), chunks=50) >= 100)
    kept &= da.arange(len(X), chunks=50) < 150  # the last two chunks are empty
    some = whole[kept]
    model = chunked.NadarayaWatsonRegressor(degree=1).fit(some[:, :2], some[:, 2], some[:, 3])
    *X, y, weights = some.compute().T
    local = nwkr.NadarayaWatsonRegressor(degree=1).fit(np.stack(X, axis=1), y, weights)
    assert_alike(local, model, queries)
    assert_alike(local, model, None)
    lazy = cut(queries, 15)
    found = model.predict(lazy[(lazy[:, 0] > 0) & (da.arange(40, chunks=15) >= 15)])
    assert np.isnan(found.shape[0])
    kept = (queries[:, 0] > 0) & (np.arange(40) >= 15)
    np.testing.assert_allclose(found.compute(), local.predict(queries[kept]), rtol=1e-9)


def test_float32_agrees(data):
    X, y, _, queries = data
    X, queries = X.astype(np.float32), queries.astype(np.float32)
    local, model = fitted(REGRESSORS, X, y)
    found = model.predict(cut(queries, 15)).compute()
    np.testing.assert_allclose(found, local.predict(queries), rtol=1e-4)


def test_targets_are_rechunked_like_the_rows(data):
    X, y, weights, queries = data
    model = chunked.NadarayaWatsonRegressor().fit(
        da.from_array(X, chunks=(50, 1)), cut(y, 33), cut(weights, 220)
    )
    assert_alike(nwkr.NadarayaWatsonRegressor().fit(X, y, weights), model, queries)


@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 5.0, "b": 0.0}])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_classes_agree(data, class_weight, method):
    X, y, weights, queries = data
    labels = np.array(["a", "b", "c"])[np.digitize(y, [9.7, 10.2])]
    if isinstance(class_weight, dict):
        class_weight = {"c": 1.0, **class_weight}
    order = np.argsort(labels)  # no chunk has all classes
    X, labels, weights = X[order], labels[order], weights[order]
    both = fitted(CLASSIFIERS, X, labels, weights, class_weight=class_weight)
    np.testing.assert_array_equal(both[1].classes_, both[0].classes_)
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)
    expected = getattr(both[0], method)(queries)
    found = getattr(both[1], method)(cut(queries, 15))
    assert found.dtype == expected.dtype
    if method == "predict":
        np.testing.assert_array_equal(found.compute(), expected)
    else:
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("outlier_label", ["none of them", "most_frequent", None])
def test_outlier_label_agrees(data, outlier_label):
    X, y, weights, queries = data
    params = {"kernel": "tricube", "handle_empty": "nan", "outlier_label": outlier_label}
    local, model = fitted(CLASSIFIERS, X, np.where(y > 10, "a", "b"), weights, **params)
    assert model.outlier_label_ == local.outlier_label_
    found = model.predict(cut(queries, 15))
    if outlier_label is None:
        with pytest.raises(ValueError, match=r"Chunk 0 of X.*outlier_label"):
            found.compute()
        return
    expected = local.predict(queries)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.compute(), expected)


def test_frames_agree(data):
    X, y, weights, queries = data
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(y=y, w=weights)
    lazy = dd.from_pandas(frame, npartitions=4)
    model = chunked.NadarayaWatsonRegressor().fit(lazy[["a", "b"]], lazy.y, lazy.w)
    local = nwkr.NadarayaWatsonRegressor().fit(frame[["a", "b"]], y, weights)
    np.testing.assert_array_equal(model.feature_names_in_, ["a", "b"])
    queries = pd.DataFrame(queries, columns=["a", "b"])
    found = model.predict(dd.from_pandas(queries, npartitions=3)).compute()
    np.testing.assert_allclose(found, local.predict(queries), rtol=1e-9)
    np.testing.assert_allclose(model.to_local().predict(queries), found, rtol=1e-9)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(dd.from_pandas(queries[["b", "a"]], npartitions=3)).compute()


@pytest.fixture
def mixed(rng):
    """Rows with categories and ordered levels, some of them in few chunks or in none."""
    size = pd.CategoricalDtype(["small", "middle", "large", "huge"], ordered=True)
    frame = pd.DataFrame(
        {
            "place": np.repeat(["north", "south", "west"], 40),
            "x": rng.normal(size=120),
            "size": rng.choice(["small", "large", "huge"], 120),
            "right": rng.normal(size=120) > 0,
        }
    ).astype({"place": "category", "size": size})
    y = frame.x + (frame["place"] == "west") + 0.5 * frame["size"].cat.codes
    queries = frame.iloc[::7].assign(x=lambda rows: rows.x + 0.1)
    return frame, y.to_numpy(), queries


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"degree": 1},
        {"degree": 1, "kernel": "tricube", "bandwidth": [0.5, 1.0, 2.0, np.inf]},
        {"bandwidth": {"x": 0.3}},
        {"bandwidth": pd.Series([0.3], index=["x"])},
    ],
    ids=without_address,
)
def test_frames_with_categories_agree(mixed, params):
    X, y, queries = mixed
    lazy = dd.from_pandas(X, npartitions=4)
    model = chunked.NadarayaWatsonRegressor(**params).fit(lazy, cut_like(lazy, y))
    local = nwkr.NadarayaWatsonRegressor(**params).fit(X, y)
    np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-12)
    found = model.predict(dd.from_pandas(queries, npartitions=3)).compute()
    np.testing.assert_allclose(found, local.predict(queries), rtol=1e-9)
    np.testing.assert_allclose(model.predict(None).compute(), local.predict(None), rtol=1e-9)
    np.testing.assert_allclose(model.to_local().predict(queries), found, rtol=1e-9)


def cut_like(lazy, y):
    sizes = tuple(lazy.map_partitions(len).compute())
    return da.from_array(y, chunks=(sizes,))


@pytest.mark.parametrize("degree", [0, 1])
def test_categories_with_many_levels_agree(rng, degree):
    codes = rng.integers(0, 50, 300)
    X = pd.DataFrame({"code": [f"c{code:02d}" for code in codes], "x": rng.normal(size=300)})
    X, y = X.astype({"code": "category"}), X.x + codes % 3
    model = chunked.NadarayaWatsonRegressor(degree=degree)
    model.fit(dd.from_pandas(X, npartitions=3), dd.from_pandas(y, npartitions=3))
    local = nwkr.NadarayaWatsonRegressor(degree=degree).fit(X, y)
    found = model.predict(dd.from_pandas(X[::9], npartitions=2)).compute()
    np.testing.assert_allclose(found, local.predict(X[::9]), rtol=1e-9)


@pytest.fixture
def with_gaps(rng):
    """Rows and queries with missing numbers, one column all missing in a chunk, and hours."""
    X = np.column_stack([rng.normal(size=(220, 2)), rng.normal(23, 3, 220) % 24])
    y = np.sin(X[:, 0]) + np.cos(X[:, 2] * np.pi / 12)
    X[rng.random(X.shape) < 0.15] = np.nan
    X[50:100, 1] = np.nan
    return X, y, rng.integers(0, 4, 220).astype(float), X[::7] + 0.1


@pytest.mark.parametrize("periodic", [None, {2: 24}])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"degree": 1},
        {"kernel": "tricube", "degree": 1, "algorithm": "blocks"},
        {"bandwidth": [0.5, np.inf, 2.0], "degree": 1},
        {"bandwidth": {1: 0.0}},
    ],
    ids=str,
)
def test_missing_numbers_and_cycles_agree(with_gaps, periodic, params):
    X, y, weights, queries = with_gaps
    both = fitted(REGRESSORS, X, y, weights, periodic_features=periodic, **params)
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)
    assert_alike(*both, queries)
    assert_alike(*both, None)
    assert_alike(both[1].to_local(), both[1], queries)


def test_spread_of_hours_around_midnight_with_outliers(with_gaps):
    X, y, weights, _ = with_gaps
    X[:, 2] = (X[:, 2] / 200 + 23.9) % 24
    X[7] = 1e6, 1e6, 12  # an outlier in every column
    both = fitted(REGRESSORS, X, y, weights, periodic_features={2: 24})
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)


def test_classes_with_missing_numbers_agree(with_gaps):
    X, y, weights, queries = with_gaps
    both = fitted(CLASSIFIERS, X, y > 0, weights, class_weight="balanced")
    assert_alike(*both, queries, "predict_proba")


def test_missing_categories_levels_and_numbers_of_a_frame_agree(mixed):
    X, y, queries = mixed
    X, queries = X.copy(), queries.copy()
    for frame in (X, queries):
        frame.iloc[::4, 0], frame.iloc[1::5, 1], frame.iloc[2::6, 2] = None, np.nan, None
    lazy = dd.from_pandas(X, npartitions=4)
    for degree in (0, 1):
        model = chunked.NadarayaWatsonRegressor(degree=degree).fit(lazy, cut_like(lazy, y))
        local = nwkr.NadarayaWatsonRegressor(degree=degree).fit(X, y)
        np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-12)
        found = model.predict(dd.from_pandas(queries, npartitions=3)).compute()
        np.testing.assert_allclose(found, local.predict(queries), rtol=1e-9)


def test_the_search_in_a_frame_with_categories_agrees(mixed):
    X, y, queries = mixed
    lazy = dd.from_pandas(X, npartitions=3)
    model = chunked.NadarayaWatsonRegressorCV().fit(lazy, cut_like(lazy, y))
    local = nwkr.NadarayaWatsonRegressorCV().fit(X, y)
    assert model.best_score_ == pytest.approx(local.best_score_, rel=1e-6)
    np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-3)
    found = model.predict(dd.from_pandas(queries, npartitions=3)).compute()
    np.testing.assert_allclose(found, local.predict(queries), rtol=1e-3)


def test_unsupported_columns_are_refused(mixed, monkeypatch):
    X, y, _ = mixed
    lazy, unknown = dd.from_pandas(X, npartitions=2), dd.from_pandas(X, npartitions=2)
    unknown["place"] = unknown["place"].cat.as_unknown()
    text = dd.from_pandas(X.astype({"place": object}), npartitions=2)
    monkeypatch.setattr("nwkr.dask._columns._MOST_CATEGORIES", 2)
    for match, params, frame in (
        (r"known categories.*'place'.*categorize", {}, unknown),
        ("up to 2 categories.*'place'", {}, text),
        ("must be real numbers.*'place'", {"categorical_features": None}, text),
        ("order is not known", {"ordered_features": ["place"]}, text),
        ("'y'", {"ordered_features": ["y"]}, lazy),
        ("takes numbers only", {"metric": "manhattan"}, lazy),
    ):
        with pytest.raises(ValueError, match=match):
            chunked.NadarayaWatsonRegressor(**params).fit(frame, cut_like(frame, y))


@pytest.mark.parametrize("degree", [0, 1])
def test_text_and_undeclared_levels_agree(mixed, degree):
    X, y, queries = mixed
    text = {"place": object}
    X, queries = (frame.astype(text).drop(columns="size") for frame in (X, queries))
    X["steps"], queries["steps"] = np.arange(120) // 30 * 2, 3  # only one level per chunk
    X.iloc[::7, 0] = None
    lazy = dd.from_pandas(X, npartitions=4)
    params = {"degree": degree, "ordered_features": ["steps"]}
    model = chunked.NadarayaWatsonRegressor(**params).fit(lazy, cut_like(lazy, y))
    local = nwkr.NadarayaWatsonRegressor(**params).fit(X, y)
    np.testing.assert_allclose(model.bandwidth_, local.bandwidth_, rtol=1e-12)
    found = model.predict(dd.from_pandas(queries, npartitions=3)).compute()
    np.testing.assert_allclose(found, local.predict(queries), rtol=1e-9)
    np.testing.assert_allclose(model.to_local().predict(queries), found, rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1])
def test_categories_and_levels_of_an_array_agree(data, degree):
    X, y, weights, queries = data
    X = np.column_stack([X, np.arange(220) // 30, np.round(X[:, 0] * 20), np.round(X[:, 0])])
    X[5, 2] = np.nan
    queries = X[::9] + np.array([0.1, 1.0, 1.0, 0.5, 0.5])
    params = {"degree": degree, "categorical_features": [2], "ordered_features": [3, 4]}
    both = fitted(REGRESSORS, X, y, weights, **params)  # one column has too many levels to multiply
    np.testing.assert_allclose(both[1].bandwidth_, both[0].bandwidth_, rtol=1e-12)
    assert_alike(*both, queries)
    assert_alike(*both, None)


def test_to_local_gives_the_ordinary_estimator(data):
    X, y, weights, queries = data
    _, model = fitted(REGRESSORS, X, y, weights, kernel="tricube", degree=1, handle_empty="mean")
    local = model.to_local()
    assert type(local) is nwkr.NadarayaWatsonRegressor
    assert local.get_params() | {"bandwidth": "scott"} == model.get_params()
    assert_alike(local, model, queries)


def test_score_agrees(data):
    X, y, _, _ = data
    local, model = fitted(REGRESSORS, X, y)
    assert model.score(cut(X), cut(y)) == pytest.approx(local.score(X, y), rel=1e-9)
    weighted, weights = local.score(X, y, np.arange(220)), cut(np.arange(220))
    assert model.score(cut(X), y, weights) == pytest.approx(weighted, rel=1e-9)
    assert model.score(None, y) == pytest.approx(local.score(None, y), rel=1e-9)
    local, model = fitted(CLASSIFIERS, X, y > 10)
    assert model.score(cut(X), cut(y > 10)) == local.score(X, y > 10)
    # The numbers of rows in the blocks of a frame are unknown.
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b"]).assign(y=y, one=1.0), npartitions=3)
    model = chunked.NadarayaWatsonRegressor().fit(frame[["a", "b"]], frame["y"])
    local = nwkr.NadarayaWatsonRegressor().fit(X, y)
    score = model.score(frame[["a", "b"]], frame["y"], frame["one"])
    assert score == pytest.approx(local.score(X, y), rel=1e-9)


def assert_refused(error, match, params=None, **data):
    model = chunked.NadarayaWatsonRegressor(bandwidth=3.0).fit(data["X"], data["y"])
    before = vars(model).copy()
    changed = {name: value for name, value in data.items() if name in ("X", "y", "sample_weight")}
    model.set_params(**(params or {}))
    wrong = data.get("wrong", {})
    with pytest.raises(error, match=match):
        model.fit(**(changed | wrong))
    kept = {name: value for name, value in before.items() if name not in (params or {})}
    assert all(vars(model)[name] is value for name, value in kept.items())


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"bandwidth": KNearest(3)}, "KNearest"),
        ({"bandwidth": Adaptive()}, "Adaptive"),
        ({"bandwidth": lambda X, w: 1.0}, "needs all rows"),
        ({"bandwidth": -1.0}, "bandwidth"),
        ({"bandwidth": [1.0]}, "one for each feature"),
        ({"bandwidth": "wide"}, "bandwidth"),
        ({"metric": "precomputed"}, "precomputed"),
        ({"one_sided": 0}, "one_sided needs all rows in memory"),
        ({"metric": "manhattan", "bandwidth": "scott"}, "Give a number"),
        ({"metric": "manhattan", "degree": 1}, "degree=1 needs"),
        ({"kernel": "epanechnikov", "algorithm": "lattice"}, "the Gaussian kernel"),
        ({"tol": 1.0}, "tol"),
    ],
    ids=without_address,
)
def test_bad_parameters_are_refused_and_change_nothing(data, params, match):
    X, y, _, _ = data
    assert_refused(ValueError, match, params, X=cut(X), y=cut(y))


def test_bad_data_are_refused_and_change_nothing(data):
    X, y, weights, _ = data
    good = {"X": cut(X), "y": cut(y)}
    infinite, negative = X.copy(), weights.copy()
    infinite[120, 1], negative[199] = np.inf, -1
    for error, match, wrong in (
        (TypeError, "X must be a Dask array", {"X": X}),
        (TypeError, "y must be a Dask array", {"y": y}),
        (ValueError, "table of rows and columns", {"X": cut(X[:, 0])}),
        (ValueError, "as many rows as X", {"y": cut(y[1:])}),
        (ValueError, r"Chunk 1 of X.*finite.*column 1", {"X": cut(infinite)}),
        (ValueError, r"Chunk 2 of X.*[Nn]egative", {"sample_weight": cut(negative)}),
        (ValueError, "positive weight", {"sample_weight": cut(0 * weights)}),
    ):
        assert_refused(error, match, wrong=wrong, **good)


def test_bad_queries_are_refused(data):
    X, y, _, queries = data
    _, model = fitted(REGRESSORS, X, y)
    with pytest.raises(TypeError, match="to_local"):
        model.predict(queries)
    with pytest.raises(ValueError, match=r"Chunk 0 of X.*expecting 2 features"):
        model.predict(cut(queries[:, :1])).compute()
    queries[33, 0] = np.inf
    with pytest.raises(ValueError, match=r"Chunk 2 of X.*finite"):
        model.predict(cut(queries, 15)).compute()


def test_leave_one_out_of_one_row_is_refused():
    model = chunked.NadarayaWatsonRegressor(bandwidth=1.0)
    model.fit(da.ones((1, 1)), da.ones(1))
    with pytest.raises(ValueError, match="at least 2 rows"):
        model.predict(None)


def test_an_unfitted_estimator_is_refused(data):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        chunked.NadarayaWatsonRegressor().predict(cut(data[0]))
