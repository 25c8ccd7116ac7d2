"""Displays: the artists that they draw hold the expected numbers."""

import inspect
import subprocess
import sys
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import oracles
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import PowerNorm, to_rgb
from means import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from scipy.integrate import trapezoid
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nwkr
from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, displays
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.displays import (
    AttentionDisplay,
    BandwidthDisplay,
    ExplanationDisplay,
    KernelDisplay,
    PredictionDisplay,
)
from nwkr.kernels import KERNELS, Kernel

NAMES = ["age", "height", "weight"]


@pytest.fixture(autouse=True)
def _no_figure_stays():
    yield
    plt.close("all")


@pytest.fixture
def data(rng):
    """Thirty rows of three named features, and targets."""
    X = pd.DataFrame(rng.normal(size=(30, 3)) * [10, 5, 20], columns=NAMES)
    return X, pd.Series(X["age"] / 10 + rng.normal(size=30), name="speed")


@pytest.fixture
def model(data):
    return NadarayaWatsonRegressor(bandwidth=[10.0, 5.0, 20.0]).fit(*data)


def draw_kernels(data, ax=None):
    return KernelDisplay.from_kernels(["gaussian", "boxcar"], ax=ax)


def draw_attention(data, ax=None):
    model = NadarayaWatsonRegressor().fit(*data)
    return AttentionDisplay.from_estimator(model, data[0][:7], sort_by="age", ax=ax)


def draw_prediction(data, ax=None):
    X, y = data[0][["age"]], data[1]
    model = NadarayaWatsonRegressor().fit(X, y)
    return PredictionDisplay.from_estimator(model, X, y, band="std", truth=np.sin, ax=ax)


def draw_bandwidth(data, ax=None):
    model = NadarayaWatsonRegressorCV(per_feature=True).fit(*data)
    return BandwidthDisplay.from_estimator(model, ax=ax)


def draw_explanation(data, ax=None):
    model = NadarayaWatsonRegressor().fit(*data)
    return ExplanationDisplay.from_estimator(model, data[0][:1], ax=ax)


DRAW = [draw_kernels, draw_attention, draw_prediction, draw_bandwidth, draw_explanation]


# -- all displays -----------------------------------------------------------------------------


def test_all_displays_are_tested(data):
    assert {type(draw(data)).__name__ for draw in DRAW} == set(displays.__all__)


def test_matplotlib_is_loaded_on_use():
    code = "import sys, nwkr.displays; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("draw", DRAW)
def test_error_without_matplotlib_says_how_to_install_it(draw, data, monkeypatch):
    display = draw(data)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    needed = "needs matplotlib: pip install matplotlib[.]$"
    with pytest.raises(ImportError, match=rf"^{type(display).__name__}\.from_\w+ {needed}"):
        draw(data)
    with pytest.raises(ImportError, match=rf"^{type(display).__name__}\.plot {needed}"):
        display.plot()


@pytest.mark.parametrize("draw", DRAW)
def test_a_display_draws_on_the_given_axes(draw, data):
    figure, ax = plt.subplots()
    display = draw(data, ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    figure.canvas.draw()


@pytest.mark.parametrize("draw", DRAW)
def test_a_display_stores_data_and_can_be_drawn_again(draw, data):
    display = draw(data)
    stored = {name: getattr(display, name) for name in inspect.signature(type(display)).parameters}
    again = type(display)(**stored)
    assert vars(again) == stored
    assert again.plot() is again
    assert again.figure_ is not display.figure_
    for first, second in zip(display.ax_.get_lines(), again.ax_.get_lines(), strict=True):
        np.testing.assert_array_equal(first.get_xydata(), second.get_xydata())
    assert again.ax_.get_xlabel() == display.ax_.get_xlabel() != ""
    assert again.ax_.get_ylabel() == display.ax_.get_ylabel() != ""


@pytest.mark.parametrize("draw", DRAW)
def test_unknown_keywords_are_refused(draw, data):
    with pytest.raises(TypeError, match="colour"):
        draw(data).plot(colour="red")


# -- kernels ----------------------------------------------------------------------------------


def test_each_line_is_the_profile(kernel):
    display = KernelDisplay.from_kernels(kernel, line_kwargs={"lw": 5})
    (line,) = display.lines_
    u, weights = line.get_data()
    np.testing.assert_allclose(weights, oracles.PROFILES[kernel](np.abs(u)), atol=1e-12)
    assert (u.min(), u.max()) == (-2.5, 2.5)
    assert line.get_linewidth() == 5
    assert display.ax_.get_legend() is None


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"constant"}))
def test_equal_std_draws_a_density_of_standard_deviation_1(kernel):
    display = KernelDisplay.from_kernels(kernel, equal_std=True, max_distance=15)
    u, weights = display.lines_[0].get_data()
    variance = trapezoid(u**2 * weights, u) / trapezoid(weights, u)
    assert variance == pytest.approx(1, rel=0.01)


def test_all_kernels_look_different():
    display = KernelDisplay.from_kernels()
    assert [line.get_label() for line in display.lines_] == list(KERNELS)
    looks = {(line.get_color(), line.get_linestyle()) for line in display.lines_}
    assert len(looks) == len(KERNELS)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == list(KERNELS)


def test_equal_std_needs_a_finite_standard_deviation():
    everything_else = KernelDisplay.from_kernels(equal_std=True)
    assert everything_else.names == [name for name in KERNELS if name != "constant"]
    with pytest.raises(ValueError, match=r"finite standard deviation .* 'constant'"):
        KernelDisplay.from_kernels(["gaussian", "constant"], equal_std=True)


def test_kernels_may_be_functions_and_objects():
    def cauchy(u):
        return 1 / (1 + u**2)

    half = Kernel("half", lambda u2: 0.5 ** np.sqrt(u2))
    display = KernelDisplay.from_kernels([cauchy, half, "boxcar"], max_distance=4)
    assert display.names == ["cauchy", "half", "boxcar"]
    u = display.distance
    np.testing.assert_allclose(display.lines_[0].get_ydata(), cauchy(u))
    np.testing.assert_allclose(display.lines_[1].get_ydata(), 0.5 ** np.abs(u))
    assert KernelDisplay.from_kernels(cauchy).names == ["cauchy"]
    assert KernelDisplay.from_kernels(half).names == ["half"]


def test_bad_kernels_are_refused():
    with pytest.raises(ValueError, match="kernel must be"):
        KernelDisplay.from_kernels("gausian")
    for distance in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="max_distance must be a positive number"):
            KernelDisplay.from_kernels(max_distance=distance)


# -- attention --------------------------------------------------------------------------------


@pytest.mark.parametrize("sort_by", ["height", 1, np.int64(1)])
def test_the_image_is_the_sorted_attention(data, model, sort_by):
    X, queries = data[0].to_numpy(), data[0][::3] + 0.1
    display = AttentionDisplay.from_estimator(model, queries, sort_by=sort_by)
    expected = oracles.attention(queries, X, "gaussian", [10, 5, 20])
    rows, cols = np.argsort(queries["height"]), np.argsort(X[:, 1])
    np.testing.assert_allclose(display.image_.get_array(), expected[rows][:, cols], atol=1e-12)
    assert display.ax_.get_xlabel() == "training row, by height"
    assert display.ax_.get_ylabel() == "query, by height"


def test_rows_are_sorted_by_the_first_principal_component(data, model):
    X = data[0].to_numpy() / [10, 5, 20]  # in units of the bandwidth
    queries = data[0][::4] + 0.1
    display = AttentionDisplay.from_estimator(model, queries)
    expected = PCA(1).fit(X).transform(X).ravel()
    of_queries = PCA(1).fit(X).transform(queries.to_numpy() / [10, 5, 20]).ravel()
    sign = np.sign(np.corrcoef(expected, display.key_values)[0, 1])
    shift = np.mean(display.key_values)
    np.testing.assert_allclose(display.key_values - shift, sign * expected, atol=1e-9)
    np.testing.assert_allclose(display.query_values - shift, sign * of_queries, atol=1e-9)
    assert display.ax_.get_xlabel() == "training row, by first principal component"
    shown = np.asarray(display.image_.get_array())
    rows, cols = np.argsort(display.query_values), np.argsort(display.key_values)
    np.testing.assert_array_equal(shown, display.weights[rows][:, cols])
    along = shown @ np.arange(30)  # the mean place of each query's weight, from the left
    assert np.corrcoef(along, np.arange(len(along)))[0, 1] > 0.9


@pytest.mark.filterwarnings("error")
def test_a_column_without_a_number_is_ignored_in_sorting(data, model):
    X, y = data
    gap = X.assign(nothing=np.nan)
    bandwidth = [10, 5, 20, 1]
    with_gap = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(gap, y)
    display = AttentionDisplay.from_estimator(with_gap, gap[::4])
    expected = AttentionDisplay.from_estimator(model, X[::4])
    np.testing.assert_allclose(display.key_values, expected.key_values)
    np.testing.assert_allclose(display.query_values, expected.query_values)


@pytest.mark.parametrize(
    "params",
    [
        {"bandwidth": [0.0, np.inf, 5.0]},
        {"bandwidth": [0.0, 0.0, 0.0]},
        {"bandwidth": [np.inf] * 3},
        {"bandwidth": KNearest(5)},
        {"bandwidth": Adaptive(10.0)},
        {"bandwidth": np.diag([100.0, 25.0, 400.0]) + 3},
        {"bandwidth": 10.0, "metric": "manhattan"},
        {"degree": 1},
        {"periodic_features": {"age": 24.0}},
    ],
    ids=str,
)
def test_rows_can_be_sorted_for_every_bandwidth(data, params):
    X, y = data
    X = X.mask(X > 30) if "metric" not in params and "bandwidth" not in params else X
    model = NadarayaWatsonRegressor(**params).fit(X, y)
    for queries in (None, X[:5]):
        display = AttentionDisplay.from_estimator(model, queries)
        assert np.isfinite(display.key_values).all()
        assert np.isfinite(display.query_values).all()
        assert np.ptp(display.key_values) > 0


def test_categories_are_sorted_and_named(data):
    X, y = data
    kind = pd.Categorical(["cat", "dog", "eel"] * 10)
    X = X[["age"]].assign(kind=kind)
    model = NadarayaWatsonRegressor(bandwidth={"age": 50.0, "kind": 0.2}).fit(X, y)
    apart = AttentionDisplay.from_estimator(model, X)
    order = np.argsort(apart.key_values, kind="stable")
    assert (np.diff(kind.codes[order]) != 0).sum() == 2
    display = AttentionDisplay.from_estimator(model, X[:6], sort_by="kind")
    axis = display.ax_.xaxis
    assert [text.get_text() for text in axis.get_ticklabels()] == ["cat", "dog", "eel"]
    np.testing.assert_allclose(axis.get_ticklocs(), [4.5, 14.5, 24.5])
    np.testing.assert_allclose(display.ax_.yaxis.get_ticklocs(), [0.5, 2.5, 4.5])
    new = X[:1].assign(kind=pd.Categorical(["fox"]))
    display = AttentionDisplay.from_estimator(model, new, sort_by="kind")
    assert [text.get_text() for text in display.ax_.yaxis.get_ticklabels()] == ["unknown"]


def test_rows_are_sorted_by_a_single_feature(data):
    X, y = data[0][["age"]], data[1]
    display = AttentionDisplay.from_estimator(NadarayaWatsonRegressor().fit(X, y), X[:1])
    assert display.ax_.get_xlabel() == "training row, by age"
    np.testing.assert_array_equal(display.key_values, X["age"])
    assert [tick for tick in display.ax_.get_yticks() if abs(tick) < 0.5] == [0]
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor()).fit(X, y)
    assert AttentionDisplay.from_estimator(pipe).ax_.get_ylabel() == "query, by transformed age"
    pipe = make_pipeline("passthrough", NadarayaWatsonRegressor()).fit(X, y)
    assert AttentionDisplay.from_estimator(pipe).ax_.get_ylabel() == "query, by age"


def test_unsorted_rows_keep_their_order(data, model):
    display = AttentionDisplay.from_estimator(model, data[0][:4], sort_by=None)
    expected = oracles.attention(data[0][:4], data[0], "gaussian", [10, 5, 20])
    np.testing.assert_allclose(display.image_.get_array(), expected, atol=1e-12)
    assert display.ax_.get_xlabel() == "training row"


def test_X_none_shows_the_leave_one_out_attention(data, model):
    display = AttentionDisplay.from_estimator(model, sort_by="age")
    shown = display.image_.get_array()
    order = np.argsort(data[0]["age"].to_numpy())
    assert shown.shape == (30, 30)
    assert (np.diag(shown) == 0).all()
    np.testing.assert_allclose(shown, model.attention_weights()[np.ix_(order, order)])


def test_ticks_show_values_of_the_feature(data, model):
    display = AttentionDisplay.from_estimator(model, data[0][:7], sort_by="weight")
    ascending = np.sort(data[0]["weight"])
    written = display.ax_.xaxis.get_major_formatter()
    assert written(0) == f"{ascending[0]:.0f}".replace("-", "−")
    assert written(29) == f"{ascending[29]:.0f}"
    assert written(-1) == written(30) == ""


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ([2001, 2002, 2003], "2001", "2003"),
        ([-0.001, 0.4, 1.5], "0.00", "1.50"),
        ([1.24e9, 1.25e9, 1.26e9], "1.24e+09", "1.26e+09"),
        ([5.0, 5.0, 5.0], "5", "5"),
    ],
)
def test_ticks_have_the_decimals_that_the_spread_needs(values, first, last):
    X = pd.DataFrame({"x": values})
    display = AttentionDisplay.from_estimator(NadarayaWatsonRegressor().fit(X, [1.0, 2, 3]))
    written = display.ax_.yaxis.get_major_formatter()
    assert (written(0), written(2)) == (first, last)


def test_attention_of_a_pipeline_and_a_search(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    search = GridSearchCV(pipe, {"nadarayawatsonregressor__bandwidth": [0.5, 1]}, cv=2).fit(X, y)
    expected = AttentionDisplay.from_estimator(search.best_estimator_)
    display = AttentionDisplay.from_estimator(search)
    np.testing.assert_array_equal(display.weights, expected.weights)
    queries = AttentionDisplay.from_estimator(search, X[:5], sort_by="height")
    scaled = search.best_estimator_[:-1].transform(X)
    np.testing.assert_allclose(queries.query_values, scaled[:5, 1])
    np.testing.assert_allclose(queries.key_values, scaled[:, 1])
    assert queries.feature_name == "transformed height"
    alone = make_pipeline(NadarayaWatsonRegressor()).fit(X.to_numpy(), y)
    assert AttentionDisplay.from_estimator(alone, X[:5].to_numpy(), sort_by=2).feature_name == "x2"


def test_few_large_weights_do_not_set_the_colour_scale():
    weights = np.full((40, 10), 0.1)
    weights[0] = np.eye(10)[0]
    display = AttentionDisplay(weights=weights).plot()
    assert display.image_.norm.vmin == 0
    assert display.image_.norm.vmax == pytest.approx(0.1)
    assert display.colorbar_.extend == "max"
    all_of_it = display.plot(vmax=1.0)
    assert all_of_it.image_.norm.vmax == 1
    assert all_of_it.colorbar_.extend == "neither"
    assert display.plot(colorbar=False).colorbar_ is None


def test_many_rows_share_cells_that_show_the_largest_weight():
    weights = np.zeros((250, 1000))
    weights[[0, 101, 249], [999, 1, 500]] = 1.0
    display = AttentionDisplay(weights=weights).plot()
    cells = display.image_.get_array()
    assert cells.shape == (100, 100)
    bright = np.argwhere(cells == 1) + 0.5
    assert len(bright) == 3
    # The place of a cell is that of its rows.
    np.testing.assert_allclose(bright * [2.5, 10], [[0, 999], [101, 1], [249, 500]], atol=10)
    assert display.image_.get_extent() == [-0.5, 999.5, -0.5, 249.5]
    assert display.colorbar_.ax.get_ylabel() == "attention weight, largest in each cell"
    few = AttentionDisplay(weights=weights[:100, :100]).plot()
    np.testing.assert_array_equal(few.image_.get_array(), weights[:100, :100])
    assert few.colorbar_.ax.get_ylabel() == "attention weight"


def test_a_norm_replaces_the_limits():
    norm = PowerNorm(0.5, 0, 0.3)
    display = AttentionDisplay(weights=np.eye(3)).plot(image_kwargs={"norm": norm})
    assert display.image_.norm is norm


def test_rows_without_weight_are_left_blank(data):
    X, y = data
    X = X.to_numpy()
    model = NadarayaWatsonRegressor("boxcar", 5.0, handle_empty="nan").fit(X, y)
    display = AttentionDisplay.from_estimator(model, [[1e6] * 3, *X[:2]], sort_by=None)
    blank = np.ma.getmaskarray(display.image_.get_array())
    assert blank[0].all()
    assert not blank[1:].any()
    nothing = AttentionDisplay.from_estimator(model, [[1e6] * 3])
    assert nothing.image_.norm.vmax == 1


def test_bad_sort_by_is_refused(data, model):
    for sort_by in ("size", 3, -4, 1.0):
        with pytest.raises(ValueError, match=r"sort_by must name a feature of \['age', "):
            AttentionDisplay.from_estimator(model, sort_by=sort_by)
    distances = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    model = NadarayaWatsonRegressor(bandwidth=1.0, metric="precomputed").fit(
        distances, np.arange(5)
    )
    assert AttentionDisplay.from_estimator(model).weights.shape == (5, 5)
    with pytest.raises(ValueError, match="sort_by must be 'auto' or None with metric='precomp"):
        AttentionDisplay.from_estimator(model, sort_by=0)


# -- bandwidths -------------------------------------------------------------------------------


def test_losses_are_drawn_as_losses(data):
    X, y = data
    model = NadarayaWatsonRegressorCV().fit(X[["age"]], y)
    display = BandwidthDisplay.from_estimator(model)
    x, losses = display.lines_[0].get_data()
    bandwidths, scores = np.ravel(model.cv_results_["bandwidth"]), model.cv_results_["score"]
    in_order = np.argsort(bandwidths)
    np.testing.assert_allclose(x, bandwidths[in_order][:-1])
    np.testing.assert_allclose(losses, -np.array(scores)[in_order][:-1])
    assert np.isinf(bandwidths.max())
    ((place, loss),) = display.apart_[0].get_xydata()
    assert place >= 2 * x[-1]
    assert loss == pytest.approx(-np.array(scores)[in_order][-1])
    ticks = zip(display.ax_.get_xticks(), display.ax_.get_xticklabels())
    assert [text.get_text() for tick, text in ticks if tick > 1.25 * x[-1]] == ["∞"]
    assert display.ax_.get_xlabel() == "bandwidth (age)"
    assert display.ax_.get_xscale() == "log"
    assert display.best_.get_xdata() == pytest.approx(model.bandwidth_)
    assert display.best_.get_ydata() == pytest.approx(losses.min())
    assert display.best_.get_label() == f"chosen: {model.bandwidth_[0]:.3g}"


@pytest.mark.parametrize(
    ("scoring", "cv", "sign", "name"),
    [
        (None, None, -1, "mean squared error, leave-one-out"),
        ("neg_mean_absolute_error", 3, -1, "mean absolute error, cross-validated"),
        ("r2", None, 1, "r2, leave-one-out"),
        ("aicc", None, -1, "AICc"),
        ("gcv", None, -1, "GCV"),
        (lambda y, p: -np.abs(y - p).max(), None, 1, "<lambda>, leave-one-out"),
    ],
)
def test_the_axis_names_the_score(data, scoring, cv, sign, name):
    model = NadarayaWatsonRegressorCV(scoring=scoring, cv=cv, bandwidths=[2, 8, 32]).fit(*data)
    display = BandwidthDisplay.from_estimator(model)
    finite = np.isfinite(model.cv_results_["score"])
    drawn = display.lines_[0].get_ydata()
    np.testing.assert_allclose(drawn, sign * np.array(model.cv_results_["score"])[finite])
    assert display.ax_.get_ylabel() == name
    assert display.best_.get_ydata() == pytest.approx(sign * model.best_score_)
    assert (display.dof_axis_ is None) == (cv is not None)


def test_classifiers_show_the_log_loss(data):
    X, y = data
    model = NadarayaWatsonClassifierCV().fit(X, y > 0)
    display = BandwidthDisplay.from_estimator(make_pipeline(model))
    assert display.ax_.get_ylabel() == "log loss, leave-one-out"
    assert display.ax_.get_xlabel() == "bandwidth (geometric mean of features)"


def test_degrees_of_freedom_are_above_their_bandwidths(data):
    X, y = data
    model = NadarayaWatsonRegressorCV(bandwidths=[8, 2, 4]).fit(X[["age"]], y)
    display = BandwidthDisplay.from_estimator(model)
    np.testing.assert_allclose(display.lines_[0].get_xdata(), [2, 4, 8])
    np.testing.assert_allclose(display.dof_axis_.get_xticks(), [2, 4, 8])
    drawn = [float(text.get_text()) for text in display.dof_axis_.get_xticklabels()]
    expected = [
        np.trace(oracles.attention(X[["age"]], X[["age"]], "gaussian", width))
        for width in (2, 4, 8)
    ]
    np.testing.assert_allclose(drawn, expected, atol=0.5)
    assert display.dof_axis_.get_xlabel() == "effective degrees of freedom"


def test_a_chosen_projection_is_named(rng):
    X = rng.normal(size=(150, 2))
    model = nwkr.NadarayaWatsonRegressorCV(degrees=[0], n_components=1)
    model.fit(X, np.sin(3 * (X[:, 0] + X[:, 1])))
    assert model.projection_ is not None
    assert BandwidthDisplay.from_estimator(model).best_.get_label() == "chosen: projection"
    assert AttentionDisplay.from_estimator(model, X[:3]).weights.shape == (3, 150)


def test_a_chosen_trend_without_bandwidth_is_named():
    X, y = load_iris(return_X_y=True)
    display = BandwidthDisplay.from_estimator(nwkr.NadarayaWatsonClassifierCV().fit(X, y))
    assert display.best_.get_label() == "chosen: trend alone"


def test_bandwidths_per_feature_are_drawn_as_a_diamond(data):
    model = NadarayaWatsonRegressorCV(per_feature=True).fit(*data)
    display = BandwidthDisplay.from_estimator(model)
    tried = model.cv_results_["bandwidth"]
    assert len(display.lines_[0].get_xdata()) == len(tried) - 2
    assert len(display.apart_[0].get_xdata()) == 1  # inf
    finite = tried[-1][np.isfinite(tried[-1])]
    assert display.refined_[0].get_xdata() == pytest.approx(np.prod(finite) ** (1 / len(finite)))
    assert display.refined_[0].get_ydata() == pytest.approx(-model.cv_results_["score"][-1])
    assert display.best == np.argmax(model.cv_results_["score"])
    assert display.best_.get_label() == "chosen: one for each feature"


def test_means_and_lines_have_a_line_each(data):
    model = nwkr.NadarayaWatsonRegressorCV().fit(*data)
    display = BandwidthDisplay.from_estimator(model)
    results = pd.DataFrame(model.cv_results_)
    for degree, (name, line, diamond) in enumerate(
        zip(["mean", "line"], display.lines_, display.refined_, strict=True)
    ):
        ladder = results[(results.degree == degree) & results.multiple.notna()]
        ladder = ladder.sort_values("multiple")
        finite = np.isfinite(ladder.multiple)
        np.testing.assert_allclose(line.get_ydata(), -ladder.score[finite])
        np.testing.assert_allclose(display.apart_[degree].get_ydata(), -ladder.score[~finite])
        assert line.get_label() == name
        (found,) = -results[(results.degree == degree) & results.multiple.isna()].score
        assert diamond.get_ydata() == pytest.approx(found)
        assert diamond.get_label() == f"{name}, one for each feature"
        assert line.get_color() == diamond.get_color()
    assert len({line.get_color() for line in display.lines_}) == 2
    assert display.best_.get_ydata() == pytest.approx(-model.best_score_)
    assert display.best_.get_label().startswith(f"chosen: {['mean', 'line'][model.degree_]}, ")
    ticks = display.dof_axis_.get_xticks()
    drawn = [lines[model.degree_].get_xdata() for lines in (display.lines_, display.apart_)]
    assert set(ticks) <= set(np.concatenate(drawn))


def test_degrees_share_ticks_of_bandwidths_that_are_not_numbers(data):
    bandwidths = ["scott", 0.5, KNearest(5)]
    model = nwkr.NadarayaWatsonRegressorCV(bandwidths=bandwidths).fit(*data)
    display = BandwidthDisplay.from_estimator(model)
    for line in display.lines_:
        np.testing.assert_array_equal(line.get_xdata(), range(3))
    assert len(display.ax_.get_xticks()) == 3
    assert display.refined_ == []


def test_given_candidates_and_refined_ones_are_drawn_apart(data):
    model = nwkr.NadarayaWatsonRegressorCV(bandwidths=[3, 9], per_feature=True).fit(*data)
    display = BandwidthDisplay.from_estimator(model)
    assert [len(line.get_xdata()) for line in display.lines_] == [2, 2]
    assert [len(line.get_xdata()) for line in display.refined_] == [1, 1]


def test_infinite_bandwidths_are_drawn_at_the_end():
    display = BandwidthDisplay(
        bandwidths=[1.0, 2.0, np.array([np.inf, np.inf])],
        scores=[3.0, 2.0, 1.0],
        best=2,
        refined=[False, False, True],
    ).plot()
    assert display.ax_.get_xscale() == "log"
    np.testing.assert_allclose(display.lines_[0].get_xdata(), [1, 2])
    np.testing.assert_allclose(display.refined_[0].get_xydata(), [[4, 1]])


def test_given_numbers_are_drawn_as_a_line(data):
    display = BandwidthDisplay.from_estimator(
        NadarayaWatsonRegressorCV(bandwidths=[3, 9]).fit(*data)
    )
    np.testing.assert_allclose(display.lines_[0].get_xdata(), [3, 9])
    assert display.ax_.get_xlabel() == "bandwidth"


def test_numbers_of_neighbours_are_drawn_as_a_line(data):
    bandwidths = [KNearest(k) for k in (2, 5, 12)]
    display = BandwidthDisplay.from_estimator(
        NadarayaWatsonRegressorCV("tricube", bandwidths).fit(*data)
    )
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), [2, 5, 12])
    assert display.ax_.get_xlabel() == "k, the number of nearest rows"


def test_mixed_candidates_are_drawn_side_by_side(data):
    bandwidths = [Adaptive(10.0, 0.5), 0, "scott", np.inf, KNearest(5)]
    model = NadarayaWatsonRegressorCV(bandwidths=bandwidths).fit(*data)
    display = BandwidthDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), range(5))
    assert display.lines_[0].get_linestyle() == "None"
    names = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert names[:2] + names[3:] == ["Adaptive(10.0, 0.5)", "0", "inf", "KNearest(5)"]
    assert display.ax_.get_xscale() == "linear"


def test_candidates_without_a_score_are_not_drawn():
    display = BandwidthDisplay(
        bandwidths=[1.0, 2.0, 3.0, 4.0],
        scores=[np.nan, np.inf, 5.0, 4.0],
        best=3,
        effective_dof=[9.0, 8.0, 3.0, 2.0],
    ).plot()
    np.testing.assert_allclose(display.lines_[0].get_xydata(), [[3, 5], [4, 4]])
    np.testing.assert_allclose(display.dof_axis_.get_xticks(), [3, 4])


def test_very_bad_scores_are_outside_the_axes():
    scores = [1e6, 1.2, 1.1, 1.0, 1.1]
    display = BandwidthDisplay(bandwidths=[1, 2, 3, 4, 5], scores=scores, best=3).plot()
    low, high = display.ax_.get_ylim()
    assert low < 1 < 1.2 < high < 3
    upside_down = BandwidthDisplay(
        bandwidths=[1, 2, 3, 4, 5], scores=-np.array(scores), best=3
    ).plot()
    np.testing.assert_allclose(upside_down.ax_.get_ylim(), [-high, -low])
    level = BandwidthDisplay(bandwidths=[1, 2, 3], scores=[1, 1, 1], best=2).plot()
    assert level.ax_.get_ylim()[0] < 1 < level.ax_.get_ylim()[1]


@pytest.mark.parametrize("shape", ["falls", "rises", "waves"])
def test_no_legend_covers_a_score(shape):
    widths = np.geomspace(0.1, 10, 30)
    place = np.linspace(0, 1, 30)
    waves = 1 + np.sin(40 * place)
    scores = {"falls": 2 - place, "rises": 1 + place, "waves": waves}[shape]
    display = BandwidthDisplay(
        bandwidths=[*widths, *widths],
        scores=[*scores, *(scores if shape == "waves" else scores[::-1] + 0.1)],
        best=int(scores.argmin()),
        degrees=[0] * 30 + [1] * 30,
        refined=([False] * 29 + [True]) * 2,
    ).plot()
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend()
    box = legend.get_window_extent()
    inside = display.ax_.get_window_extent()
    for line in (*display.lines_, *display.refined_, display.best_):
        path = line.get_transform().transform_path(line.get_path())
        assert not path.intersects_bbox(box, filled=False)
        assert inside.count_contains(path.vertices) == len(path.vertices)
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["mean", "line", "one for each feature", display.best_.get_label()]


def test_bad_searches_are_refused(data, model):
    for estimator in (model, NadarayaWatsonRegressorCV(), make_pipeline(StandardScaler())):
        with pytest.raises(
            ValueError, match="estimator must be a fitted NadarayaWatsonRegressorCV"
        ):
            BandwidthDisplay.from_estimator(estimator)


# -- predictions ------------------------------------------------------------------------------


def test_a_curve_with_points_band_and_truth(data):
    X, y = data[0][["age"]], data[1]
    model = NadarayaWatsonRegressor(bandwidth=3.0).fit(X, y)
    ends = {}

    def band(queries):
        ends["fit"] = model.predict(queries)
        return np.column_stack([ends["fit"] - 1, ends["fit"] + 2])

    display = PredictionDisplay.from_estimator(
        model, X, y, band=band, truth=lambda X: X / 10, line_kwargs={"ls": ":"}
    )
    (line,) = display.lines_
    x, fit = line.get_data()
    assert x.min() < X["age"].min() < X["age"].max() < x.max()
    expected = oracles.predict(x[:, None], X.to_numpy(), y.to_numpy(), "gaussian", 3.0)
    np.testing.assert_allclose(fit, expected)
    assert line.get_linestyle() == ":"
    np.testing.assert_allclose(display.truth_.get_ydata(), x / 10)
    np.testing.assert_allclose(display.points_[0].get_offsets(), np.column_stack([X, y]))
    corners = display.band_.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(fit.min() - 1)
    assert corners[:, 1].max() == pytest.approx(fit.max() + 2)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("age", "speed")
    written = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert written == ["data", "band", "truth", "fit"]


def test_of_many_rows_some_are_drawn():
    X, y = np.arange(25_000.0)[:, None], np.arange(25_000.0)
    model = NadarayaWatsonRegressor(bandwidth=100.0).fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y, grid_resolution=5)
    drawn = display.points_[0].get_offsets()
    np.testing.assert_array_equal(drawn, np.column_stack([X, y])[::3])
    assert display.grid[0][-1] > 24_999
    labels = NadarayaWatsonClassifier(bandwidth=100.0).fit(X, y > 5)
    display = PredictionDisplay.from_estimator(labels, X, y > 5, grid_resolution=5)
    assert len(display.points_[0].get_offsets()) == len(drawn)


def test_the_legend_covers_no_point(rng):
    X, y = rng.uniform(size=(500, 1)), rng.uniform(size=500)
    model = NadarayaWatsonRegressor().fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y)
    display.figure_.canvas.draw()
    points = display.ax_.transData.transform(display.points_[0].get_offsets())
    assert display.ax_.get_legend().get_window_extent().count_contains(points) == 0
    assert display.ax_.get_window_extent().count_contains(points) == 500


def test_bands_equal_those_of_the_estimator(data):
    X, y = data[0][["age"]], data[1]
    model = NadarayaWatsonRegressor(bandwidth=3.0).fit(X, y)
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor(bandwidth=0.3)).fit(X, y)
    for estimator in (model, pipe):
        draw = PredictionDisplay.from_estimator
        kinds = [
            draw(estimator, X, y, band=b, coverage=0.8) for b in ("std", "quantiles", "interval")
        ]
        queries = pd.DataFrame({"age": kinds[0].grid[0]})
        last = model
        if estimator is pipe:
            queries, last = pipe[:-1].transform(queries), pipe[-1]
        mean, std = last.predict(queries, return_std=True)
        expected = [
            np.column_stack([mean - std, mean + std]),
            last.predict_quantiles(queries, [0.1, 0.9]),
            last.predict_interval(queries, coverage=0.8),
        ]
        for display, ends in zip(kinds, expected):
            np.testing.assert_allclose(display.band, ends, atol=1e-12)
        names = [display.band_.get_label() for display in kinds]
        assert names == ["± 1 standard deviation", "quantiles, 80%", "interval, 80%"]


def test_target_selects_one_of_several_outputs(data):
    X, y = data[0][["age"]], data[1]
    both = pd.DataFrame({"speed": y, "power": -y})
    model = NadarayaWatsonRegressor(bandwidth=3.0).fit(X, both)
    for band in (None, "std", "quantiles", "interval"):
        display = PredictionDisplay.from_estimator(model, X, both, target=1, band=band)
        queries = pd.DataFrame({"age": display.grid[0]})
        np.testing.assert_allclose(display.prediction, model.predict(queries)[:, 1])
        np.testing.assert_allclose(display.points_[0].get_offsets()[:, 1], -y)
        assert display.ax_.get_ylabel() == "power"
        if band is not None:
            inside = (display.band[:, 0] <= display.prediction) & (
                display.prediction <= display.band[:, 1]
            )
            assert inside.mean() > 0.9
    for target in (None, 2, -1, "power"):
        with pytest.raises(ValueError, match="target must be the number of one of the outputs"):
            PredictionDisplay.from_estimator(model, X, both, target=target)


def test_two_features_make_a_surface(data):
    X, y = data[0][["age", "weight"]], data[1]
    model = NadarayaWatsonRegressor(bandwidth=[5.0, 10.0]).fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y, grid_resolution=20)
    age, weight = display.grid
    assert display.prediction.shape == (20, 20)
    expected = oracles.predict(
        [[age[3], weight[11]]], X.to_numpy(), y.to_numpy(), "gaussian", [5, 10]
    )
    assert display.prediction[3, 11] == pytest.approx(expected[0])
    levels = display.surface_.levels
    assert levels[0] <= display.prediction.min() <= display.prediction.max() <= levels[-1]
    np.testing.assert_allclose(display.points_[0].get_offsets(), X)
    np.testing.assert_allclose(display.points_[0].get_array(), y)
    assert display.points_[0].norm is display.surface_.norm
    assert display.colorbar_.ax.get_ylabel() == "speed"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("age", "weight")
    # The surface is higher at high ages, so the axes are not swapped.
    inside = display.surface_.get_paths()[-2].get_extents()
    assert inside.x0 > np.median(X["age"])
    assert display.plot(colorbar=False).colorbar_ is None


def test_other_features_are_held_at_their_median(data, model):
    X, y = data
    display = PredictionDisplay.from_estimator(
        model, X, y, features=["weight", 0], grid_resolution=5
    )
    middle = X.median()
    query = [[display.grid[1][4], middle["height"], display.grid[0][2]]]
    expected = oracles.predict(query, X.to_numpy(), y.to_numpy(), "gaussian", [10, 5, 20])
    assert display.prediction[2, 4] == pytest.approx(expected[0])
    assert display.feature_names == ["weight", "age"]
    assert display.ax_.get_title("left") == f"height = {middle['height']:.4g}"
    curve = PredictionDisplay.from_estimator(model, X, features="height")
    assert curve.fixed == {"age": middle["age"], "weight": middle["weight"]}
    assert curve.points_ == []
    assert curve.ax_.get_xlabel() == "height"


@pytest.mark.filterwarnings("error")
def test_features_that_cannot_be_shown_are_refused_or_fixed_as_missing(data, model):
    X, y = data
    gap = X.assign(nothing=np.nan)
    with_gap = NadarayaWatsonRegressor(bandwidth=[10, 5, 20, 1]).fit(gap, y)
    display = PredictionDisplay.from_estimator(with_gap, gap, features="age")
    expected = PredictionDisplay.from_estimator(model, X, features="age")
    np.testing.assert_allclose(display.prediction, expected.prediction)
    assert np.isnan(display.fixed["nothing"])
    with pytest.raises(ValueError, match="features must differ from each other; got 'age' twice"):
        PredictionDisplay.from_estimator(model, X, features=["age", 0])
    for features in ("nothing", ["age", "nothing"]):
        with pytest.raises(ValueError, match=r"^features must have values in X.*\['nothing'\] are"):
            PredictionDisplay.from_estimator(with_gap, gap, features=features)


@pytest.fixture
def classes(rng):
    """Rows of two features, and three classes with a corner each."""
    X = np.concatenate([rng.normal(size=(20, 2)) + corner for corner in ([0, 0], [4, 0], [0, 4])])
    return X, np.repeat(["blue", "orange", "green"], 20)


def test_the_title_gives_the_values_of_other_features(data):
    X, y = data[0].assign(kind=["cat", "dog", "dog"] * 10, age=40.0), data[1]
    model = NadarayaWatsonRegressor().fit(X, y)

    def title(X, model=model, features="height"):
        display = PredictionDisplay.from_estimator(model, X, features=features, grid_resolution=5)
        return display.ax_.get_title("left")

    weight = X["weight"].median()
    assert title(X) == f"age = 40, weight = {weight:.4g}, kind = dog"
    assert title(X, features=["height", "weight"]) == "age = 40, kind = dog"
    many = X.assign(first=0, second=1)
    of_many = NadarayaWatsonRegressor().fit(many, y)
    assert title(many, of_many) == "kind = dog, 4 other features at the median"
    cats = many.assign(**{f"kind {n}": X["kind"] for n in range(3)})
    of_cats = NadarayaWatsonRegressor().fit(cats, y)
    assert title(cats, of_cats) == "8 other features at their median or most frequent category"
    assert title(X[["age"]], NadarayaWatsonRegressor().fit(X[["age"]], y), None) == ""
    with pytest.raises(ValueError, match=r"features must be numeric; got categories \['kind'\]"):
        title(X, features="kind")


def test_probability_of_one_class(classes):
    X, y = classes
    model = NadarayaWatsonClassifier(bandwidth=0.7).fit(X[:, :1], y == "orange")
    display = PredictionDisplay.from_estimator(model, X[:, :1], y == "orange")
    x, probability = display.lines_[0].get_data()
    expected = oracles.predict(x[:, None], X[:, :1], y == "orange", "gaussian", 0.7)
    np.testing.assert_allclose(probability, expected, atol=1e-12)
    points = display.points_[0].get_offsets()
    np.testing.assert_array_equal(points, np.column_stack([X[:, 0], y == "orange"]))
    assert display.ax_.get_ylabel() == "P(True)"
    model = NadarayaWatsonClassifier(bandwidth=0.7).fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y, target="green", grid_resolution=30)
    np.testing.assert_allclose(display.surface_.levels, np.linspace(0, 1, 11))
    assert display.colorbar_.ax.get_ylabel() == "P(green)"
    along = display.boundaries_[0].get_paths()[0].vertices
    np.testing.assert_allclose(model.predict_proba(along)[:, 1], 0.5, atol=0.05)
    assert [len(points.get_offsets()) for points in display.points_] == [20, 20, 20]


def test_three_classes_over_one_feature(classes):
    X, y = classes[0][:, [1]], classes[1]
    model = NadarayaWatsonClassifier(bandwidth=0.7).fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y)
    curves = np.array([line.get_ydata() for line in display.lines_])
    np.testing.assert_allclose(curves.T, model.predict_proba(display.grid[0][:, None]))
    assert [line.get_label() for line in display.lines_] == ["blue", "green", "orange"]
    assert len({line.get_linestyle() for line in display.lines_}) == 3
    for label, points, line in zip(model.classes_, display.points_, display.lines_):
        np.testing.assert_array_equal(points.get_offsets()[:, 0], X[y == label, 0])
        assert (points.get_offsets()[:, 1] < 0).all()
        assert to_rgb(points.get_facecolor()[0, :3]) == to_rgb(line.get_color())
    assert display.ax_.get_ylabel() == "probability"


def test_three_classes_over_two_features(classes):
    X, y = classes
    model = NadarayaWatsonClassifier(bandwidth=0.5).fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y, grid_resolution=120)
    left, right, low, high = display.surface_.get_extent()
    assert left < X[:, 0].min() < X[:, 0].max() < right
    assert low < X[:, 1].min() < X[:, 1].max() < high
    image = display.surface_.get_array()
    colors = [to_rgb(points.get_facecolor()[0, :3]) for points in display.points_]
    for corner, color in zip([image[0, 0], image[-1, 0], image[0, -1]], colors):
        # The colour is paler than the points, and nearest to that of its class.
        distances = [np.linalg.norm(1 - (1 - np.array(c)) * 0.6 - corner) for c in colors]
        assert np.argmin(distances) == colors.index(color)
    marks = {points.get_paths()[0].vertices.tobytes() for points in display.points_}
    assert len(marks) == 3
    for boundary in display.boundaries_:
        along = np.concatenate([path.vertices for path in boundary.get_paths()])
        first, second = np.sort(model.predict_proba(along), axis=1)[:, :-3:-1].T
        np.testing.assert_allclose(first, second, atol=0.05)


def test_constant_predictions_are_drawn(classes):
    X = classes[0]
    level = NadarayaWatsonRegressor().fit(X, np.full(60, 7.0))
    display = PredictionDisplay.from_estimator(level, X, np.full(60, 7.0), grid_resolution=9)
    assert display.surface_.levels[0] < 7 < display.surface_.levels[-1]
    only = NadarayaWatsonClassifier().fit(X, ["one"] * 60)
    display = PredictionDisplay.from_estimator(only, X, ["one"] * 60, grid_resolution=9)
    assert display.boundaries_ == []


def test_unknown_predictions_are_left_blank(classes):
    X = classes[0]
    model = NadarayaWatsonRegressor("boxcar", 0.3, handle_empty="nan").fit(X, X[:, 0])
    display = PredictionDisplay.from_estimator(model, X, X[:, 0], grid_resolution=30)
    assert np.isnan(display.prediction).any()
    assert np.isfinite(display.surface_.levels).all()
    labels = NadarayaWatsonClassifier("boxcar", 0.3, handle_empty="nan").fit(*classes)
    display = PredictionDisplay.from_estimator(labels, *classes, grid_resolution=30)
    unknown = np.isnan(display.prediction).any(axis=2)
    assert unknown.any()
    image = display.surface_.get_array()
    assert np.ma.getmaskarray(image).any(axis=2).sum() == unknown.sum()


def test_polars_frames_are_drawn(data):
    X, y = pl.DataFrame(data[0]), data[1]
    model = NadarayaWatsonRegressor(bandwidth=10.0).fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y, features="age")
    assert display.ax_.get_xlabel() == "age"
    assert AttentionDisplay.from_estimator(model, X[:3], sort_by=0).weights.shape == (3, 30)
    assert len(ExplanationDisplay.from_estimator(model, X[:1], top_k=4).rows) == 4


def test_other_estimators_are_drawn(data):
    from sklearn.linear_model import LinearRegression

    X, y = data
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True]}, cv=2).fit(X, y)
    display = PredictionDisplay.from_estimator(search, X, y, features="age")
    assert np.ptp(np.diff(display.prediction)) < 1e-12


def test_bad_parameters_of_predictions_are_refused(data, classes):
    X, y = data
    model = NadarayaWatsonRegressor().fit(X, y)
    draw = PredictionDisplay.from_estimator
    for features in (None, [0, 1, 2], []):
        with pytest.raises(ValueError, match=r"features must be one or two of \['age', "):
            draw(model, X, y, features=features)
    with pytest.raises(ValueError, match=r"features must name a feature of .*; got 'size'"):
        draw(model, X, y, features=["age", "size"])
    for extra in ({"band": "std"}, {"truth": np.sin}):
        with pytest.raises(ValueError, match="band and truth must be None over two features"):
            draw(model, X, y, features=[0, 1], **extra)
    with pytest.raises(ValueError, match=r"band must be one of .*; got 'confidence'"):
        draw(model, X, y, features=0, band="confidence")
    for resolution in (0, 1, 2.5):
        with pytest.raises(ValueError, match="grid_resolution must be an integer above 1"):
            draw(model, X, y, features=0, grid_resolution=resolution)
    classifier = NadarayaWatsonClassifier().fit(*classes)
    with pytest.raises(ValueError, match="band must be None for a classifier; got 'std'"):
        draw(classifier, *classes, features=0, band="std")
    with pytest.raises(ValueError, match=r"target must be one of .*, \['blue', .*; got 'red'"):
        draw(classifier, *classes, target="red")


# -- explanations -----------------------------------------------------------------------------


def test_bars_are_the_largest_weights(data, model):
    X, y = data
    named = X.set_axis([f"row {number}" for number in range(30)])
    model = NadarayaWatsonRegressor(bandwidth=[10, 5, 20]).fit(named, y)
    display = ExplanationDisplay.from_estimator(model, X[4:5] + 1.0, top_k=6)
    weights = oracles.attention(X[4:5] + 1.0, X, "gaussian", [10, 5, 20])[0]
    largest = np.argsort(-weights)[:6]
    np.testing.assert_allclose([bar.get_width() for bar in display.bars_], weights[largest])
    heights = [bar.get_y() + bar.get_height() / 2 for bar in display.bars_]
    np.testing.assert_allclose(heights, range(6))
    assert display.ax_.yaxis_inverted()
    assert display.ax_.get_ylim() == (5.5, -0.5)  # bars fill the axes
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == [f"row {number}" for number in largest]
    right = display.target_axis_
    assert right.get_ylabel() == "target"
    values = [text.get_text() for text in right.get_yticklabels()]
    assert values == [f"{value:.4g}" for value in y[largest]]
    np.testing.assert_allclose(right.get_yticks(), heights)
    title = display.ax_.get_title("left")
    assert f"{weights @ y:.4g}" in title
    assert f"{weights[largest].sum():.0%}" in title


def test_bars_have_the_colours_of_their_classes(classes):
    X, y = classes
    model = NadarayaWatsonClassifier(bandwidth=2.0).fit(X, y)
    display = ExplanationDisplay.from_estimator(model, [[2.0, 1.0]], top_k=12)
    weights = oracles.attention([[2.0, 1.0]], X, "gaussian", 2.0)[0]
    largest = np.argsort(-weights)[:12]
    assert display.target_axis_.get_ylabel() == "class"
    shown = [text.get_text() for text in display.target_axis_.get_yticklabels()]
    assert shown == list(y[largest])
    colors = {}
    for label, bar in zip(y[largest], display.bars_):
        colors.setdefault(label, set()).add(bar.get_facecolor())
    assert len(colors) > 1
    assert all(len(of_class) == 1 for of_class in colors.values())
    assert len(set.union(*colors.values())) == len(colors)
    assert f"prediction: {model.predict([[2.0, 1.0]])[0]} (" in display.ax_.get_title("left")


def test_weights_of_lines_are_named_effective(data):
    X, y = data[0], data[1]
    for degree, name in ((0, "attention weight"), (1, "effective weight")):
        model = NadarayaWatsonRegressor(degree=degree).fit(X, y)
        display = ExplanationDisplay.from_estimator(model, X[:1])
        assert display.ax_.get_xlabel() == name
        np.testing.assert_allclose(display.weights, model.explain(X[:1], top_k=10)["weight"])


@pytest.mark.parametrize("named", [False, True])
def test_a_logit_is_explained_in_parts(classes, named):
    X, y = classes
    y = y if named else np.unique(y, return_inverse=True)[1]
    for some in (y, y == y[0]):
        model = NadarayaWatsonClassifier(bandwidth=1.0, degree=1).fit(X, some)
        display = ExplanationDisplay.from_estimator(model, [[2.0, 1.0]], top_k=4)
        (label,) = model.predict([[2.0, 1.0]])
        two = len(model.classes_) == 2
        shown = True if two else label
        table = model.explain([[2.0, 1.0]], top_k=4)
        table = table[table["class"] == shown]
        np.testing.assert_array_equal(display.weights, table["contribution"])
        assert display.ax_.get_xlabel() == f"contribution to the logit of {shown}"
        assert display.ax_.get_title("left") == f"prediction: {label}"
        assert display.ax_.get_ylabel() == "part of the logit"
        rows = [text.get_text() for text in display.ax_.get_yticklabels()]
        assert rows == ["intercept", "0", "1", *map(str, table["name"][3:])]
        at_bars = [text.get_text() for text in display.ax_.texts]
        assert at_bars == [f"{part:+.2f}" for part in table["contribution"]]
        values = [text.get_text() for text in display.target_axis_.get_yticklabels()]
        assert values == ["", "2", "1", *(str(some[int(row)]) for row in rows[3:])]
        colors = [bar.get_facecolor()[:3] for bar in display.bars_]
        assert {colors[0], colors[1], colors[2]} == {to_rgb("0.5")}
        assert len({*colors[3:]}) == len({*values[3:]})
        assert to_rgb("0.5") not in colors[3:]


@pytest.mark.parametrize("top_k", [1, 12, 30])
@pytest.mark.parametrize("given", [False, True])
def test_labels_beside_bars_do_not_overlap(data, top_k, given):
    X, y = data
    X = X.set_axis(
        [f"row {number}, which has a rather long name of its own" for number in range(30)]
    )
    model = NadarayaWatsonRegressor(bandwidth=[10, 5, 20]).fit(X, 1e9 * y)
    ax = plt.subplots()[1] if given else None
    text_kwargs = {"color": "red"}
    display = ExplanationDisplay.from_estimator(
        model, X[:1], top_k=top_k, ax=ax, text_kwargs=text_kwargs
    )
    display.figure_.canvas.draw()
    inside = display.ax_.get_window_extent()
    for axis, side in ((display.ax_, -1), (display.target_axis_, 1)):
        boxes = [text.get_window_extent() for text in axis.get_yticklabels()]
        assert len(boxes) == top_k
        assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes))
        assert all(b.x1 < inside.x0 if side < 0 else b.x0 > inside.x1 for b in boxes)
    assert {text.get_color() for text in display.target_axis_.get_yticklabels()} == {"red"}
    assert 20 < len(display.ax_.get_yticklabels()[0].get_text()) <= 40
    assert inside.width > 0.25 * display.figure_.bbox.width


def test_explanation_of_a_pipeline(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor(bandwidth=1.0)).fit(X, y)
    display = ExplanationDisplay.from_estimator(pipe, X[:1], top_k=3, bar_kwargs={"color": "red"})
    expected = pipe[-1].attention_weights(pipe[:-1].transform(X[:1]))[0]
    np.testing.assert_allclose(display.weights, -np.sort(-expected)[:3])
    assert display.prediction == pytest.approx(pipe.predict(X[:1])[0])
    assert {bar.get_facecolor() for bar in display.bars_} == {(1, 0, 0, 1)}


def test_bad_explanations_are_refused(data, model):
    X, y = data
    shapes = [(None, "None"), (X[:2], r"shape \(2, 3\)"), (X.iloc[0], r"shape \(3,\)")]
    for rows, came in shapes:
        with pytest.raises(ValueError, match=rf"X must be one row, .* X\[:1\]; got {came}"):
            ExplanationDisplay.from_estimator(model, rows)
    with pytest.raises(ValueError, match="top_k"):
        ExplanationDisplay.from_estimator(model, X[:1], top_k=0)
    both = NadarayaWatsonRegressor().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match=r"estimator must have one output .*; got 2"):
        ExplanationDisplay.from_estimator(both, X[:1])


# -- legibility -------------------------------------------------------------------------------

LONG = "a rather long name for a column of a table"


def explain_classes(ax):
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = nwkr.NadarayaWatsonClassifier(degree=1).fit(X, y.map(lambda k: f"{LONG}, {k}"))
    ExplanationDisplay.from_estimator(model, X[:1], ax=ax)


def compare_bandwidths(ax):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    BandwidthDisplay.from_estimator(
        nwkr.NadarayaWatsonRegressorCV().fit(X[["bmi", "bp"]], y), ax=ax
    )


def predict_over_one(ax):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X[["bmi"]].set_axis([LONG], axis=1)
    model = NadarayaWatsonRegressor().fit(X, y.rename(LONG))
    PredictionDisplay.from_estimator(model, X, y.rename(LONG), band="quantiles", ax=ax)


def predict_classes(ax):
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = X.iloc[:, :2].set_axis([LONG, f"{LONG} too"], axis=1)
    model = nwkr.NadarayaWatsonClassifier().fit(X, y.map(lambda k: f"{LONG}, {k}"))
    PredictionDisplay.from_estimator(model, X, y.map(lambda k: f"{LONG}, {k}"), ax=ax)


def attend_to_categories(ax):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X[["bmi"]].assign(**{LONG: np.resize([f"{LONG} {k}" for k in range(3)], len(X))})
    AttentionDisplay.from_estimator(
        NadarayaWatsonRegressor().fit(X, y), X[:50], sort_by=LONG, ax=ax
    )


def attend_to_numbers(ax):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    AttentionDisplay.from_estimator(NadarayaWatsonRegressor().fit(X, y), X[:50], ax=ax)


@pytest.mark.parametrize("width", [4, 6.4])
@pytest.mark.parametrize(
    "draw",
    [
        explain_classes,
        compare_bandwidths,
        predict_over_one,
        predict_classes,
        attend_to_categories,
        attend_to_numbers,
    ],
)
def test_text_is_inside_the_figure_and_tick_labels_are_apart(draw, width):
    figure, ax = plt.subplots(figsize=(width, 0.75 * width), layout="constrained")
    draw(ax)
    figure.canvas.draw()
    whole = figure.bbox.padded(1)
    for axes in [*figure.axes, *ax.child_axes]:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_ticklocs(), axis.get_ticklabels())
            written = [text for tick, text in ticks if low <= tick <= high and text.get_text()]
            for text in [axis.label, *written]:
                box = text.get_window_extent()
                assert whole.contains(box.x0, box.y0), text
                assert whole.contains(box.x1, box.y1), text
            if not any(text.get_rotation() for text in written):
                boxes = [text.get_window_extent() for text in written]
                assert not any(one.overlaps(other) for one, other in pairwise(boxes)), written
    box = ax._left_title.get_window_extent()
    assert whole.x0 <= box.x0
    assert box.x1 <= whole.x1


@pytest.mark.parametrize("n_features", [1, 2])
def test_many_classes_have_a_legend_beside_the_axes(n_features, rng):
    X = rng.normal(size=(300, n_features))
    y = np.argsort(np.argsort(X[:, 0])) // 10
    model = nwkr.NadarayaWatsonClassifier().fit(X, y)
    display = PredictionDisplay.from_estimator(model, X, y)
    display.figure_.canvas.draw()
    box = display.ax_.get_legend().get_window_extent()
    assert len(display.ax_.get_legend().get_texts()) == 30
    assert box.x0 >= display.ax_.bbox.x1
    assert display.figure_.bbox.padded(1).contains(box.x1, box.y1)
    assert display.ax_.bbox.width > 0.4 * display.figure_.bbox.width


def test_lines_are_visible_in_a_dark_style(data):
    X, y = data[0][["age"]], data[1]
    model = NadarayaWatsonRegressorCV().fit(X, y)
    with plt.style.context("dark_background"):
        ring = BandwidthDisplay.from_estimator(model).best_
        truth = PredictionDisplay.from_estimator(model, X, y, truth=lambda X: X["age"]).truth_
        zero = ExplanationDisplay.from_estimator(model, X[:1]).ax_.lines[0]
    assert [line.get_color() for line in (ring, truth, zero)] == ["white"] * 3
