"""Explanations of predictions by training rows, and slopes of predictions."""

import mpmath
import numpy as np
import pandas as pd
import pytest
from means import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from oracles import attention
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS, Kernel

DIFFERENTIABLE = sorted(set(KERNELS) - {"boxcar"})


def make_data(rng, n=30, n_outputs=None):
    X, Q = rng.standard_normal((n, 3)), rng.standard_normal((7, 3))
    return X, rng.standard_normal(n if n_outputs is None else (n, n_outputs)), Q


# -- explain -------------------------------------------------------------------------------


@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
def test_rows_have_the_largest_weights(kernel, handle_empty, rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor(kernel, 0.8, handle_empty=handle_empty).fit(X, y)
    table = model.explain(Q, top_k=4)
    assert list(table.columns) == ["query", "row", "weight", "value", "contribution"]
    weights = np.nan_to_num(model.attention_weights(Q))
    for query, row in enumerate(weights):
        lines = table[table["query"] == query]
        largest = np.sort(row[row > 0])[::-1][:4]
        np.testing.assert_allclose(lines["weight"], largest, rtol=1e-14)
        np.testing.assert_array_equal(lines["weight"], row[lines["row"]])
        assert not lines["row"].duplicated().any()
    np.testing.assert_array_equal(table["value"], y[table["row"]])
    np.testing.assert_array_equal(table["contribution"], table["weight"] * table["value"])
    assert table["query"].is_monotonic_increasing


def test_ties_are_in_the_order_of_rows():
    model = NadarayaWatsonRegressor("boxcar", 5.0).fit([[i % 3] for i in range(30)], range(30))
    assert model.explain([[0], [1]], top_k=4)["row"].tolist() == [0, 1, 2, 3] * 2


def test_contributions_of_all_rows_sum_to_the_prediction(kernel, rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor(kernel).fit(X, y)
    for top_k in (30, None):
        table = model.explain(Q, top_k=top_k)
        sums = table.groupby("query")["contribution"].sum()
        np.testing.assert_allclose(sums, model.predict(Q), rtol=1e-10)


def test_explanations_of_X_none_leave_each_row_out(rng):
    X, y, _ = make_data(rng)
    weight = np.arange(30) % 4 * 1.0
    table = NadarayaWatsonRegressor().fit(X, y, weight).explain(None, top_k=None)
    assert (table["query"] != table["row"]).all()
    assert (weight[table["row"]] > 0).all()
    model = NadarayaWatsonRegressor().fit(X, y, weight)
    sums = table.groupby("query")["contribution"].sum()
    np.testing.assert_allclose(sums, model.predict(None), rtol=1e-10)


@pytest.mark.parametrize("estimator", [NadarayaWatsonClassifier(), NadarayaWatsonClassifierCV()])
def test_contributions_of_a_class_sum_to_its_probability(estimator, rng):
    X, y, Q = make_data(rng)
    labels = np.array(["ash", "elm", "oak"])[np.digitize(y, [-0.5, 0.5])]
    model = clone(estimator).set_params(class_weight={"elm": 2.0}).fit(X, labels)
    table = model.explain(Q, top_k=None)
    np.testing.assert_array_equal(table["value"], labels[table["row"]])
    sums = table.groupby(["query", "value"])["contribution"].sum().unstack()
    np.testing.assert_array_equal(sums.columns, model.classes_)
    np.testing.assert_allclose(sums, model.predict_proba(Q), rtol=1e-10)


@pytest.mark.parametrize("degree", [0, 1])
def test_one_class_has_the_weights_of_its_rows(degree, rng):
    X, _, Q = make_data(rng)
    model = NadarayaWatsonClassifier(degree=degree).fit(X, np.ones(len(X), int))
    found = model.explain(Q, top_k=None)
    np.testing.assert_allclose(found.groupby("query")["contribution"].sum(), 1)
    np.testing.assert_array_equal(found["value"], 1)


def test_names_are_kept(rng):
    X, y, Q = make_data(rng, n_outputs=2)
    days = pd.date_range("2020-01-01", periods=30)
    X = pd.DataFrame(X, index=days, columns=["a", "b", "c"])
    Y = pd.DataFrame(y, index=days, columns=["heat", "rain"])
    Q = pd.DataFrame(Q, index=list("tuvwxyz"), columns=["a", "b", "c"])
    model = NadarayaWatsonRegressorCV().fit(X, Y)
    table = model.explain(Q, top_k=2)
    assert list(table.columns) == ["query", "row", "output", "weight", "value", "contribution"]
    np.testing.assert_array_equal(table["query"], np.repeat(Q.index, 4))
    np.testing.assert_array_equal(table["output"], ["heat", "heat", "rain", "rain"] * 7)
    np.testing.assert_array_equal(
        table["value"], [Y.loc[row, output] for row, output in zip(table["row"], table["output"])]
    )
    sums = model.explain(Q, None).groupby(["query", "output"])["contribution"].sum().unstack()
    np.testing.assert_allclose(sums, model.predict(Q), rtol=1e-10)
    assert model.explain(None, top_k=1)["query"].isin(days).all()
    model.fit(X.to_numpy(), Y.to_numpy())
    again = model.explain(Q.to_numpy(), top_k=2)
    np.testing.assert_array_equal(days[again["row"]], table["row"])
    np.testing.assert_array_equal(again["output"], [0, 0, 1, 1] * 7)


def test_values_are_the_targets_bit_for_bit(rng):
    X, y, Q = make_data(rng)
    y = y.round(1) + 0.1
    table = NadarayaWatsonRegressor().fit(X, y).explain(Q)
    np.testing.assert_array_equal(table["value"], y[table["row"]])


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "all"])
def test_top_k_must_be_a_positive_integer(wrong, rng):
    X, y, Q = make_data(rng)
    with pytest.raises(ValueError, match="top_k must be None or a positive integer; got"):
        NadarayaWatsonRegressor().fit(X, y).explain(Q, top_k=wrong)


def test_few_rows_are_all_listed(rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor().fit(X[:3], y[:3])
    table = model.explain(Q)  # five by default, at most
    assert len(table) == 3 * len(Q)
    sums = table.groupby("query")["contribution"].sum()
    np.testing.assert_allclose(sums, model.predict(Q), rtol=1e-12)


def test_a_query_without_weight_has_no_explanation(rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonRegressor("boxcar", 1e-3, handle_empty="nan").fit(X, y)
    assert len(model.explain(Q)) == 0
    with pytest.raises(ValueError, match="handle_empty='error'"):
        model.set_params(handle_empty="error").explain(Q)


# -- slopes --------------------------------------------------------------------------------


def differences(predict, Q):
    """Central differences of sixth order, (n_queries, n_features, n_values), from one call."""
    (n_queries, n_features), step = np.shape(Q), 1e-4
    reach, factors = np.array([3, 2, 1, -1, -2, -3]), np.array([1, -9, 45, -45, 9, -1]) / 60
    steps = step * reach[:, None] * np.eye(n_features)[:, None]
    rows = np.asarray(Q)[:, None, None] + steps
    values = predict(rows.reshape(-1, n_features)).reshape(n_queries, n_features, len(reach), -1)
    return np.einsum("qfrv,r->qfv", values, factors) / step


@pytest.mark.parametrize(
    "bandwidth",
    [1.0, 0.3, [0.7, 2.0, np.inf], Adaptive(0.9), Adaptive([0.5, 1.0, np.inf], 1.0)],
    ids=str,
)
@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan"])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_equal_differences_of_predictions(kernel, bandwidth, handle_empty, rng):
    X, y, Q = make_data(rng, n_outputs=2)
    Q = np.vstack([Q[:4], [[30, 1, 1]]])
    model = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty=handle_empty)
    model.fit(X, y, rng.random(30) + 0.1)
    np.testing.assert_allclose(
        model.gradient(Q), differences(model.predict, Q), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_of_probabilities_equal_differences(kernel, rng):
    X, y, Q = make_data(rng)
    model = NadarayaWatsonClassifier(kernel, 1.5).fit(X, np.digitize(y, [-0.5, 0.5]))
    slopes = model.gradient(Q)
    assert slopes.shape == (7, 3, 3)
    np.testing.assert_allclose(slopes, differences(model.predict_proba, Q), atol=1e-6)
    np.testing.assert_allclose(slopes.sum(axis=2), 0, atol=1e-12)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_of_X_none_leave_each_row_out(kernel, rng):
    X, y, _ = make_data(rng)
    slopes = NadarayaWatsonRegressor(kernel, 1.5).fit(X, y).gradient(None)
    for number in range(30):
        others = np.arange(30) != number
        alone = NadarayaWatsonRegressor(kernel, 1.5).fit(X[others], y[others])
        np.testing.assert_allclose(slopes[number], alone.gradient(X[[number]])[0], atol=1e-10)


def test_slopes_with_exact_columns(rng):
    X, y, Q = make_data(rng)
    X[:, 1], Q[:, 1] = rng.integers(0, 2, 30), [0, 1, 0, 1, 0, 1, 7]
    for kernel in DIFFERENTIABLE:
        model = NadarayaWatsonRegressor(kernel, [1.0, 0.0, 2.0]).fit(X, y)
        expected = differences(model.predict, Q)[:, :, 0]
        np.testing.assert_allclose(model.gradient(Q), expected, rtol=1e-6, atol=1e-6)
        assert (model.gradient(Q)[:, 1] == 0).all()


@pytest.mark.parametrize("place", [0.3, 30.0, 1e4])
@pytest.mark.parametrize("name", ["gaussian", "exponential"])
def test_slopes_far_from_all_rows(name, place):
    # With two rows, the weights follow the logistic function of the difference of distances.
    X, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])
    found = NadarayaWatsonRegressor(name, 0.5).fit(X, y).gradient([[-place]])
    if name == "gaussian":
        odds = np.exp((place**2 - (place + 1) ** 2) / 2 / 0.25)
        np.testing.assert_allclose(found, [[odds / (1 + odds) ** 2 / 0.25]], rtol=1e-9)
    else:  # here the difference is constant
        np.testing.assert_allclose(found, 0, atol=1e-9)


def test_slopes_of_shifted_rows_keep_their_digits(rng):
    X, y, Q = make_data(rng)
    Q, away = np.vstack([Q, X[:3]]), np.array([1e6, 0, 0])
    both = np.vstack([X, X + away])
    for kernel in DIFFERENTIABLE:
        near = NadarayaWatsonRegressor(kernel, 1.5).fit(X, y).gradient(Q)
        model = NadarayaWatsonRegressor(kernel, 1.5).fit(both, np.r_[y, y])
        np.testing.assert_allclose(model.gradient(Q), near, atol=1e-8)
        np.testing.assert_allclose(model.gradient(Q + away), near, atol=1e-8)


def extended_line(query, X, y, kernel, bandwidth, ridge, degree):
    """A local mean or line at a query, in the digits that mpmath is set to."""
    rows, y = mpmath.matrix(X), mpmath.matrix(y)
    n, d = rows.rows, rows.cols
    apart = [[(query[j] - rows[i, j]) / bandwidth for j in range(d)] for i in range(n)]
    squares = [mpmath.fsum(a**2 for a in of_row) for of_row in apart]
    logs = [-u2 / 2 if kernel == "gaussian" else -mpmath.sqrt(u2) for u2 in squares]
    weights = [mpmath.exp(each - max(logs)) for each in logs]
    design = mpmath.matrix(n, 1 + d * degree)
    for i in range(n):
        for j in range(design.cols):
            design[i, j] = rows[i, j - 1] - query[j - 1] if j else 1
    left = design.T * mpmath.diag(weights) * design
    for j in range(1, design.cols):
        variance = mpmath.mpf(float(np.var(X[:, j - 1])))
        left[j, j] += ridge * mpmath.exp(-max(logs)) / (1 / bandwidth**2 + 1 / variance)
    unit = mpmath.diag([1 / mpmath.sqrt(left[j, j]) for j in range(design.cols)])
    right = unit * design.T * mpmath.diag(weights) * y
    return (unit * mpmath.lu_solve(unit * left * unit, right))[0]


@pytest.mark.parametrize("ridge", [0, 1e-9])
@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize(
    ("kernel", "distance"),
    [("gaussian", 3), ("gaussian", 8), *(("exponential", 10.0**k) for k in (1, 6, 100, 200, 300))],
)
@pytest.mark.filterwarnings("error")
def test_slopes_whose_parts_cancel(kernel, distance, degree, ridge, rng):
    """Parts that cancel exactly are far greater than the slope."""
    X = rng.normal(size=(8, 2))
    y, Q = np.sin(X[:, 0]) + X[:, 1], distance * np.array([[1, 0.3]])
    model = NadarayaWatsonRegressor(kernel, 0.5, degree=degree, ridge=ridge).fit(X, y)
    with mpmath.workdps(120 + 4 * round(np.log10(distance))):
        query, step = [mpmath.mpf(each) for each in Q[0]], distance * mpmath.mpf("1e-30")
        terms = X, y, kernel, mpmath.mpf("0.5"), ridge, degree
        expected = []
        for column in range(2):
            ends = [list(query), list(query)]
            ends[0][column] += step
            ends[1][column] -= step
            high, low = (extended_line(end, *terms) for end in ends)
            expected.append(float((high - low) / (2 * step)))
    got = model.gradient(Q)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-13 / distance)


@pytest.mark.parametrize("estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
@pytest.mark.parametrize("exponent", [-900, -600, 600, 900])
@pytest.mark.filterwarnings("error")
def test_slopes_at_any_scale(estimator, exponent, rng):
    X, y, Q = make_data(rng)
    unit, y = np.array([2.0**exponent, 1.0, 1.0]), y if "R" in estimator.__name__ else y > 0
    for degree in (0, 1):
        model = estimator("biweight", 1.5, degree=degree)
        expected = model.fit(X, y).gradient(Q)
        model.set_params(bandwidth=1.5 * unit)
        found = model.fit(X * unit, y).gradient(Q * unit)
        unit_of_slopes = unit.reshape((1, 3) + (1,) * (found.ndim - 2))
        np.testing.assert_allclose(found * unit_of_slopes, expected, rtol=1e-9, atol=1e-12)


def test_slopes_of_a_constant_are_zero(rng):
    X, _, Q = make_data(rng)
    for kernel in DIFFERENTIABLE:
        slopes = NadarayaWatsonRegressor(kernel).fit(X, np.full(30, 0.1)).gradient(Q)
        assert (slopes == 0).all()


def test_slopes_of_float32_are_float32(rng):
    X, y, Q = (array.astype("float32") for array in make_data(rng))
    narrow = NadarayaWatsonRegressor("biweight", 1.5).fit(X, y).gradient(Q)
    wide = NadarayaWatsonRegressor("biweight", 1.5).fit(X.astype(float), y).gradient(Q)
    np.testing.assert_allclose(narrow, wide, rtol=1e-12, atol=1e-12)


def test_slopes_equal_the_plain_formula(rng):
    X, y, Q = make_data(rng)
    weights = attention(Q, X, "gaussian", [0.5, 1.0, 2.0])
    residuals = y - (weights @ y)[:, None]
    expected = [
        (w * r) @ (X - q) / np.square([0.5, 1.0, 2.0]) for w, r, q in zip(weights, residuals, Q)
    ]
    for model in (
        NadarayaWatsonRegressor(bandwidth=[0.5, 1.0, 2.0]),
        NadarayaWatsonRegressorCV(bandwidths=[[0.5, 1.0, 2.0]]),
    ):
        np.testing.assert_allclose(model.fit(X, y).gradient(Q), expected, rtol=1e-9)


def test_slopes_of_a_custom_kernel(rng):
    X, y, Q = make_data(rng)
    kernel = Kernel("cauchy", lambda u2: 1 / (1 + u2), derivative=lambda u2: -1 / (1 + u2) ** 2)
    model = NadarayaWatsonRegressor(kernel).fit(X, y)
    expected = differences(model.predict, Q)[:, :, 0]
    np.testing.assert_allclose(model.gradient(Q), expected, atol=1e-7)


@pytest.mark.parametrize("kernel", ["boxcar", lambda u: 1 / (1 + u)], ids=["boxcar", "function"])
def test_slopes_require_a_derivative(kernel, rng):
    X, y, Q = make_data(rng)
    with pytest.raises(ValueError, match="gradient needs a kernel with a derivative; kernel="):
        NadarayaWatsonRegressor(kernel).fit(X, y).gradient(Q)


def test_slopes_require_columns_and_a_fixed_bandwidth(rng):
    X, y, Q = make_data(rng)
    with pytest.raises(ValueError, match="gradient needs metric='euclidean'; got metric='cosine'"):
        NadarayaWatsonRegressor(metric="cosine").fit(X, y).gradient(Q)
    with pytest.raises(ValueError, match=r"does not change with the query; got KNearest\(k=3\)"):
        NadarayaWatsonRegressor(bandwidth=KNearest(3)).fit(X, y).gradient(Q)
    with pytest.raises(ValueError, match="handle_empty='error'"):
        NadarayaWatsonRegressor("cosine", 1e-3, handle_empty="error").fit(X, y).gradient(Q)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
@pytest.mark.parametrize("handle_empty", ["nearest", "mean", "nan", "error"])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_slopes_are_0_where_all_columns_are_exact_or_off(kernel, handle_empty, algorithm, rng):
    X, y, _ = make_data(rng, n_outputs=2)
    options = {"handle_empty": handle_empty, "algorithm": algorithm}
    wide = NadarayaWatsonRegressor(kernel, np.inf, **options).fit(X, y)
    np.testing.assert_array_equal(wide.gradient(X[:4]), np.zeros((4, 3, 2)))
    np.testing.assert_array_equal(wide.gradient(None), np.zeros((30, 3, 2)))
    constant = NadarayaWatsonRegressor(kernel, "scott", **options).fit(np.ones((30, 3)), y)
    np.testing.assert_array_equal(constant.gradient(X[:4]), np.zeros((4, 3, 2)))

    exact = NadarayaWatsonClassifier(kernel, [0, np.inf, 0], **options).fit(X, np.arange(30) % 3)
    np.testing.assert_array_equal(exact.gradient(X[:4]), np.zeros((4, 3, 3)))
    apart = X[:4] + 1.0
    if handle_empty == "error":
        with pytest.raises(ValueError, match="No training row has weight for 4 of 4 queries"):
            exact.gradient(apart)
    else:
        stands_in = np.nan if handle_empty == "nan" else 0.0
        np.testing.assert_array_equal(exact.gradient(apart), np.full((4, 3, 3), stands_in))


# -- models in pipelines -------------------------------------------------------------------


def test_methods_of_the_last_step_of_a_pipeline(rng):
    X, y, Q = make_data(rng)
    pipe = make_pipeline(StandardScaler(), PCA(2), NadarayaWatsonRegressor()).fit(X, y)
    model, before = pipe[-1], pipe[:-1].transform(Q)
    mean, std = pipe.predict(Q, return_std=True)
    np.testing.assert_array_equal(mean, pipe.predict(Q))
    np.testing.assert_array_equal(std, model.predict(before, return_std=True)[1])
    assert model.predict_interval(before).shape == (7, 2)
    sums = model.explain(before, top_k=None).groupby("query")["contribution"].sum()
    np.testing.assert_allclose(sums, pipe.predict(Q), rtol=1e-10)
    # The slope by the columns of X is that by the scaled columns, divided by the scale.
    whole = model.gradient(before) @ (pipe[1].components_ / pipe[0].scale_)
    np.testing.assert_allclose(whole, differences(pipe.predict, Q)[:, :, 0], atol=1e-7)


def test_names_pass_through_a_pipeline(rng):
    X, y, _ = make_data(rng)
    days = pd.date_range("2020-01-01", periods=30)
    X = pd.DataFrame(X, index=days, columns=["a", "b", "c"])
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    pipe.set_output(transform="pandas").fit(X, y)
    assert pipe[-1].explain(pipe[:-1].transform(X[:3]))["row"].isin(days).all()
    assert list(pipe[-1].feature_names_in_) == ["a", "b", "c"]
