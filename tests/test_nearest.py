"""The k-th nearest row lies on the edge of its window, for any rows."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import (
    attention_by_distance,
    distances_of_kinds,
    nearest_widths,
    scaled_distances,
)
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr._nearest import NearRows, widths_of_near
from nwkr._pooling import Attention, Kinds, in_blocks
from nwkr._window import NearestWindow
from nwkr.bandwidths import KNearest
from nwkr.kernels import KERNELS

DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "lognormal": lambda rng, shape: np.exp(2 * rng.normal(size=shape)),
    "cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "shifted": lambda rng, shape: 1e6 + rng.normal(size=shape),
    # The outlier sees all other rows at the same distance, up to rounding.
    "beside an outlier": lambda rng, shape: np.concatenate(
        [np.full((1, shape[1]), 1e12), rng.normal(size=(shape[0] - 1, shape[1]))]
    ),
}


def near_rows(X, counts=None):
    return NearRows(X, np.ones(len(X)) if counts is None else counts)


def widths_of(near, queries, k, leave_out=None):
    leave_out = np.full(len(queries), -1) if leave_out is None else leave_out
    wanted = np.full(len(queries), k * (1 - 1e-12))
    return widths_of_near(near, min(k + 1, len(near)), queries, wanted, leave_out)


# -- equal to scikit-learn's neighbours -------------------------------------------------------


@pytest.mark.parametrize("dtype", [float, np.float32])
@pytest.mark.parametrize("n_features", [1, 2, 8, 20])
@pytest.mark.parametrize("draw", DRAWS)
def test_a_boxcar_equals_the_neighbours_regressor(draw, n_features, dtype, rng):
    if draw == "shifted" and dtype == np.float32:
        pytest.skip("rows on a grid of 1/16 have many ties")
    X, Q = (DRAWS[draw](rng, (300, n_features)).astype(dtype) for _ in range(2))
    Q = Q[1:]
    y = rng.normal(size=(300, 2))
    model = NadarayaWatsonRegressor("boxcar", KNearest(10)).fit(X, y)
    # In float64, because scikit-learn would round float32.
    other = KNeighborsRegressor(10, algorithm="kd_tree").fit(X.astype(float), y)
    assert_allclose(model.predict(Q), other.predict(Q.astype(float)), rtol=1e-9, atol=1e-12)
    others = y[other.kneighbors(return_distance=False)].mean(axis=1)
    assert_allclose(model.predict(None)[1:], others[1:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("draw", DRAWS)
def test_a_boxcar_equals_the_neighbours_classifier(draw, rng):
    X, Q = (DRAWS[draw](rng, (300, 1)) for _ in range(2))
    y = rng.integers(0, 3, 300)
    ours = NadarayaWatsonClassifier("boxcar", KNearest(7)).fit(X, y).predict_proba(Q)
    theirs = KNeighborsClassifier(7, algorithm="kd_tree").fit(X, y).predict_proba(Q)
    assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_features", [1, 3])
def test_blocks_equal_the_neighbours_regressor(n_features, rng):
    X, Q = rng.standard_cauchy((20_000, n_features)), rng.standard_cauchy((300, n_features))
    y = rng.normal(size=20_000)
    model = NadarayaWatsonRegressor("boxcar", KNearest(10)).fit(X, y)
    assert model.algorithm_ == "blocks"
    other = KNeighborsRegressor(10, algorithm="kd_tree").fit(X, y)
    assert_allclose(model.predict(Q), other.predict(Q), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("draw", DRAWS)
def test_a_nearest_row_on_the_edge_gets_the_weight(draw, algorithm, rng):
    X, Q = (DRAWS[draw](rng, (300, 1)) for _ in range(2))
    y = rng.normal(size=300)
    for kernel in ("epanechnikov", "triangular", "tricube"):
        model = NadarayaWatsonRegressor(kernel, KNearest(1), algorithm=algorithm).fit(X, y)
        nearest = np.abs(Q - X.T).argmin(axis=1)
        assert_allclose(model.predict(Q), y[nearest], rtol=1e-12)
        apart = np.abs(X - X.T) + np.diag(np.full(300, np.inf))
        assert_allclose(model.predict(None)[1:], y[apart.argmin(axis=1)][1:], rtol=1e-12)


@pytest.mark.parametrize("shift", [0, 1e6, -(2.0**40)])
@pytest.mark.parametrize("n_features", [1, 2, 3, 17])
def test_ties_count_on_any_shifted_grid(n_features, shift, rng):
    X = rng.integers(0, 5, (200, n_features)) + shift
    y = rng.normal(size=200)
    model = NadarayaWatsonRegressor("boxcar", KNearest(6)).fit(X, y)
    D = scaled_distances(X, X, 1.0)
    for queries, left_out in ((X, None), (None, np.arange(200))):
        inside = nearest_widths(D, 6, left_out=left_out)[:, None] >= D
        if left_out is not None:
            np.fill_diagonal(inside, False)
        assert_array_equal(model.attention_weights(queries) > 0, inside)


# -- outliers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("outlier", [1e6, 1e14, 1e100])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("k", [5, 300])
def test_an_outlier_does_not_change_other_predictions(k, algorithm, outlier, kernel, rng):
    X, y = rng.normal(size=(1_000, 1)), rng.normal(size=1_000)
    X[0] = outlier
    Q = np.append(rng.normal(size=(100, 1)), [[outlier]], axis=0)
    model = NadarayaWatsonRegressor(kernel, KNearest(k), algorithm=algorithm).fit(X, y)
    D = np.abs(Q - X.T)
    with np.errstate(over="ignore"):
        u = np.minimum(D / nearest_widths(D, k)[:, None], 1e10)
    expected = attention_by_distance(u, 1.0, kernel, 1.0, None, "nearest") @ y
    found = model.predict(Q)
    # The outlier sees all other rows at the same distance, up to rounding.
    assert_allclose(found[:-1], expected[:-1], rtol=1e-9, atol=1e-9)
    assert np.isfinite(found[-1])


@pytest.mark.parametrize("outlier", [1e6, 1e14])
def test_an_outlier_costs_moments_no_digits(outlier, rng):
    """Windows are so wide that whole blocks of rows are added at once."""
    X, y = rng.normal(size=(4_000, 1)), rng.normal(size=4_000)
    X[0] = outlier
    Q = rng.normal(size=(100, 1))
    model = NadarayaWatsonRegressor("epanechnikov", KNearest(1_500), algorithm="blocks").fit(X, y)
    D = np.abs(Q - X.T)
    expected = attention_by_distance(D, np.sort(D)[:, [1_499]], "epanechnikov") @ y
    assert_allclose(model.predict(Q), expected, rtol=1e-9, atol=1e-9)


# -- the search ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [1, 2, 15, 16, 40])
@pytest.mark.parametrize("draw", DRAWS)
def test_widths_equal_distances_by_the_plain_formula(draw, n_features, rng):
    X, Q = (DRAWS[draw](rng, (200, n_features)) for _ in range(2))
    # Processors with fused multiply-add may round each square once less.
    rtol = n_features * np.finfo(float).eps
    near, D = near_rows(X), cdist(Q, X)
    for k in (1, 4, 200):
        assert_allclose(widths_of(near, Q, k), np.sort(D, axis=1)[:, k - 1], rtol=rtol)
    counts, left_out = rng.integers(1, 9, 200).astype(float), np.arange(200)
    for k in (1, 30):
        expected = nearest_widths(cdist(X, X), k, counts, left_out)
        assert_allclose(widths_of(near_rows(X, counts), X, k, left_out), expected, rtol=rtol)


@pytest.mark.parametrize("n_features", [2, 20])
@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_rows_and_queries_at_any_scale(scale, n_features, rng):
    X, Q = rng.normal(size=(50, n_features)), rng.normal(size=(10, n_features))
    expected = np.sort(cdist(Q, X), axis=1)[:, 3]
    near = near_rows(X * scale)
    assert_allclose(widths_of(near, Q * scale, 4), expected * scale, rtol=1e-12)
    far = np.full((1, n_features), 1e305)  # beyond the range of all rows
    assert_allclose(widths_of(near_rows(X), far, 4), 1e305 * np.sqrt(n_features), rtol=1e-12)


@pytest.mark.parametrize("huge", [1e100, -1e200, 1e300, -1.7e308])
@pytest.mark.parametrize("n_features", [1, 20])
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_one_huge_row_affects_only_its_own_prediction(algorithm, n_features, huge, kernel, rng):
    """A row that far affects its own prediction only."""
    if kernel == "constant":
        pytest.skip("no row is far")
    X, Q, y = rng.normal(size=(60, n_features)), rng.normal(size=(9, n_features)), np.arange(60.0)
    expected = NadarayaWatsonRegressor(kernel, KNearest(5)).fit(X[1:], y[1:])
    X[0] = huge
    model = NadarayaWatsonRegressor(kernel, KNearest(5), algorithm=algorithm).fit(X, y)
    assert_allclose(model.predict(Q), expected.predict(Q), rtol=1e-9)
    found = model.predict(None)
    assert_allclose(found[1:], expected.predict(None), rtol=1e-9)
    assert 1 <= found[0] <= 59


def test_nearest_rows_are_exact_despite_rounding(rng):
    """With many columns far from zero, candidates come from a product, which loses digits."""
    X = rng.normal(size=(400, 30)) * 1e-6
    X[:200] += 1e4
    X[0] = 1e9
    expected = np.sort(cdist(X, X), axis=1)[:, 5]
    assert_allclose(widths_of(near_rows(X), X, 6), expected, rtol=1e-14)


def test_rows_are_arranged_once(rng, monkeypatch):
    X, y = rng.normal(size=(500, 2)), rng.normal(size=500)
    model = NadarayaWatsonRegressor("boxcar", KNearest(5)).fit(X, y)
    expected = model.predict(X[:20] + 0.1)
    loaded = pickle.loads(pickle.dumps(model))
    loaded.predict(X[:1])  # pickles leave out the arrangement

    def refuse(*args, **kwargs):
        raise AssertionError("once more")

    monkeypatch.setattr("nwkr._nearest.cKDTree", refuse)
    for one in (model, loaded):
        before, window = dict(vars(one)), dict(vars(one._window))
        assert_array_equal(one.predict(X[:20] + 0.1), expected)
        assert_array_equal(one.predict(None), model.predict(None))
        assert {name: id(value) for name, value in vars(one).items()} == {
            name: id(value) for name, value in before.items()
        }
        assert vars(one._window) == window


# -- missing values and labels ----------------------------------------------------------------

KINDS = Kinds(np.array([2.0, 1.0, 0.5]), np.array([False, True, False]))


def rows_of_kinds(rng, n_rows, share, shift=0.0, ties=False):
    rows = rng.normal(size=(n_rows, 3))
    if ties:
        rows = np.round(rows)
    rows[:, 1] = rng.integers(0, 50, n_rows)
    rows[rng.random(rows.shape) < share] = np.nan
    rows[:, [0, 2]] += shift
    return rows


@pytest.mark.parametrize("shares", [(0.0, 0.2), (0.2, 0.0), (0.2, 0.2), (0.6, 0.6)])
@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("by_blocks", [False, True])
def test_nearest_rows_with_missing_values_and_labels(shares, shift, ties, by_blocks, rng):
    """The window reaches to the k-th row and includes its ties."""
    queries, keys = (
        rows_of_kinds(rng, n_rows, share, shift, ties) for n_rows, share in zip((60, 300), shares)
    )
    keys[0, 2] = 1e9
    queries[:5] = keys[:5]
    blocks = None
    if by_blocks:
        order, blocks = in_blocks(keys, np.ones(3), 8, kinds=KINDS)
        keys = keys[order]
    values, leave_out = rng.normal(size=(300, 2)), rng.integers(-1, 300, 60)
    options = {"kinds": KINDS, "leave_out": leave_out, "blocks": blocks}
    attention = Attention(queries, keys, np.ones(300), KERNELS["boxcar"], **options)
    window = NearestWindow(KNearest(7), np.ones(300)).prepared(keys, "euclidean", KINDS)
    distances = distances_of_kinds(queries, keys, np.ones(3), KINDS.gap, KINDS.is_label)
    widths = nearest_widths(distances, 7, left_out=leave_out)
    wide = widths[:, None] * (1 + 1e-13)
    weights = attention_by_distance(distances, wide, "boxcar", left_out=leave_out)
    weights[leave_out < 0] = attention_by_distance(distances, wide, "boxcar")[leave_out < 0]
    assert ((weights > 0).sum(axis=1) >= 7).all()
    for each in (window, window.take(np.arange(300))):
        pooled = each.at(attention).pool(values).finish()
        assert_allclose(pooled, weights @ values, rtol=1e-9, atol=1e-12)


def test_a_tree_serves_labels_without_missing_numbers(rng):
    keys, queries = rng.normal(size=(2, 200, 3))
    kinds = Kinds(KINDS.gap, np.zeros(3, bool))
    near = NearRows(keys, np.ones(len(keys)), kinds)
    assert_array_equal(widths_of(near, queries, 5), widths_of(near_rows(keys), queries, 5))
    queries[3, 0] = np.nan
    distances = distances_of_kinds(queries, keys, np.ones(3), kinds.gap, kinds.is_label)
    assert_allclose(widths_of(near, queries, 5), nearest_widths(distances, 5), rtol=1e-14)
