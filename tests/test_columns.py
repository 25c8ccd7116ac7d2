"""Distances between categories, ordered levels and cycles; data frames as input."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES, mixed_distances
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

# -- golden numbers of R's np, 0.60-20 -----------------------------------------------------

FEW_Y = [1, 3, 2, 5, 4]
FEW = pd.DataFrame(
    {
        "x": [0.0, 1.0, 2.0, 3.0, 5.0],
        "u": list("abacb"),
        "o": pd.Categorical([1, 2, 3, 2, 1], ordered=True),
    }
)
ASKED = pd.DataFrame(
    {
        "x": [0.5, 2.2],
        "u": list("ab"),
        "o": pd.Categorical([2, 1], categories=[1, 2, 3], ordered=True),
    }
)
LI_RACINE = [0.9, 0.6444313559575362, 0.7387004358795558]
OF_AITCHISON_AITKEN = 0.5697205671471086
OF_WANG_VAN_RYZIN = 0.8493218


def few(bandwidth, X=FEW, asked=ASKED, **parameters):
    return NadarayaWatsonRegressor(bandwidth=bandwidth, **parameters).fit(X, FEW_Y).predict(asked)


def test_li_and_racine_kernels_equal_np():
    expected = [1.905520191936, 3.293553725597]
    assert_allclose(few(LI_RACINE), expected, rtol=1e-11)
    assert_allclose(few(dict(zip("xuo", LI_RACINE))), expected, rtol=1e-11)
    by_name = pd.Series(LI_RACINE, index=list("xuo"))
    assert_allclose(few(by_name), expected, rtol=1e-11)
    polar, asked = (
        pl.DataFrame(
            {
                "x": frame["x"].to_numpy(),
                "u": frame["u"].to_list(),
                "o": pl.Series(["abc"[level - 1] for level in frame["o"]], dtype=pl.Enum("abc")),
            }
        )
        for frame in (FEW, ASKED)
    )
    assert_allclose(few(LI_RACINE, polar, asked), expected, rtol=1e-11)
    columns = {"categorical_features": [1], "ordered_features": [2]}
    numbers = [(frame["x"], frame["u"].map(ord), frame["o"].astype(int)) for frame in (FEW, ASKED)]
    X, asked = (np.column_stack(columns) for columns in numbers)
    assert_allclose(few(LI_RACINE, X, asked, **columns), expected, rtol=1e-11)


def test_a_series_gives_bandwidths_by_name_not_by_place():
    by_name = pd.Series(LI_RACINE, index=list("xuo"))
    expected = few(LI_RACINE)
    assert_array_equal(few(by_name[::-1]), expected)
    assert_array_equal(few(by_name.reset_index(drop=True)), expected)  # numbers are no names
    assert_array_equal(few(by_name[["u", "x"]]), few(by_name[["x", "u"]].to_dict()))
    search = NadarayaWatsonRegressorCV(bandwidths=[by_name[::-1]], degrees=(0,)).fit(FEW, FEW_Y)
    assert_array_equal(search.bandwidth_, LI_RACINE)
    adaptive = Adaptive(pd.Series([2.0, 0.5], index=["b", "a"]))
    X = pd.DataFrame({"a": [0.0, 1.0, 3.0], "b": [1.0, 0.0, 5.0]})
    model = NadarayaWatsonRegressor(bandwidth=adaptive).fit(X, [0.0, 1.0, 2.0])
    other = NadarayaWatsonRegressor(bandwidth=Adaptive([0.5, 2.0])).fit(X, [0.0, 1.0, 2.0])
    assert_array_equal(model.predict(X), other.predict(X))
    with pytest.raises(ValueError, match=r"^bandwidth must give columns.*'x'.*\[0, 1, 2\]"):
        NadarayaWatsonRegressor(bandwidth=by_name).fit(np.eye(3), np.arange(3.0))
    with pytest.raises(ValueError, match="bandwidth must be a non-negative number or 3"):
        few(pd.Series([], dtype=float))


def test_aitchison_aitken_kernel_is_another_bandwidth():
    bandwidth = [LI_RACINE[0], OF_AITCHISON_AITKEN, LI_RACINE[2]]
    assert_allclose(few(bandwidth), [1.769170557383, 3.249100380367], rtol=1e-11)


def test_a_number_and_a_category_equal_statsmodels():
    # From statsmodels 0.15.0: "lc", bw=[0.7, 0.477988531245981] with the Aitchison-Aitken kernel.
    found = few([0.7, 0.8], FEW[["x", "u"]], ASKED[["x", "u"]])
    assert_allclose(found, [1.6606445080425785, 3.0338048382449796], rtol=1e-12)


def test_wang_van_ryzin_kernel_is_two_columns():
    X, asked = (frame.assign(once_more=frame["o"].astype(str)) for frame in (FEW, ASKED))
    bandwidth = [LI_RACINE[0], OF_AITCHISON_AITKEN, LI_RACINE[2], OF_WANG_VAN_RYZIN]
    assert_allclose(few(bandwidth, X, asked), [2.063046841243, 3.186476117349], rtol=1e-7)


def test_ordered_levels_equal_np():
    bandwidth = [LI_RACINE[0], LI_RACINE[2]]
    X, asked = FEW[["x"]].assign(o=[1, 2, 5, 2, 1]), ASKED[["x"]].assign(o=[2, 1])
    expected = [2.46693044789, 3.814078067881]
    assert_allclose(few(bandwidth, X, asked, ordered_features=["o"]), expected, rtol=1e-11)
    for number in (True, False):  # numbers declared as levels, and words

        def declared(levels, number=number):
            words = np.array([1, 2, 5] if number else ["a", "b", "z"])
            return pd.Categorical(words[levels], categories=words, ordered=True)

        X, asked = X.assign(o=declared([0, 1, 2, 1, 0])), asked.assign(o=declared([1, 0]))
        assert_allclose(few(bandwidth, X, asked), expected, rtol=1e-11)
        expected = [2.437308219965, 3.447179384232]


# -- a plain formula over pairs of rows ------------------------------------------------------


def mixed(n, seed):
    """Rows with a number, a category, an ordered level and an hour, as numbers."""
    random = np.random.default_rng(seed)
    return np.column_stack(
        [
            random.normal(size=n),
            random.integers(0, 4, n),
            random.choice([0.0, 1.0, 4.0], n),
            random.uniform(0, 24, n),
        ]
    )


def as_frame(rows):
    return pd.DataFrame(
        {
            "x": rows[:, 0],
            "kind": np.array(list("abcdefgh"))[rows[:, 1].astype(int)],
            "size": pd.Categorical(rows[:, 2], categories=[0.0, 1.0, 4.0], ordered=True),
            "hour": rows[:, 3],
        }
    )


KINDS = "number", "category", "levels", 24
ROWS, QUERIES = mixed(60, 0), mixed(25, 1)
Y = np.sin(2 * ROWS[:, 0]) + ROWS[:, 1] % 3 + ROWS[:, 2] / 2 + np.cos(ROWS[:, 3] / 4)
HOURS = {"periodic_features": {"hour": 24}}
BANDWIDTH = np.array([0.7, 0.8, 1.3, 4.0])


def naive(kernel="gaussian", bandwidth=BANDWIDTH, queries=QUERIES, rows=ROWS):
    weights = PROFILES[kernel](mixed_distances(queries, rows, KINDS, bandwidth))
    assert weights.sum(axis=1).min() > 0
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_weights_equal_the_formula_over_pairs(kernel, algorithm):
    bandwidth = BANDWIDTH if np.isinf(KERNELS[kernel].support) else 3 * BANDWIDTH
    model = NadarayaWatsonRegressor(kernel, bandwidth, algorithm=algorithm, **HOURS)
    model.fit(as_frame(ROWS), Y)
    expected = naive(kernel, bandwidth)
    assert_allclose(model.predict(as_frame(QUERIES)), expected @ Y, rtol=1e-10)
    assert_allclose(model.attention_weights(as_frame(QUERIES)), expected, rtol=1e-8, atol=1e-13)
    assert_array_equal(model.bandwidth_, bandwidth)


@pytest.mark.parametrize("which", [0, 1, 2, 3])
@pytest.mark.parametrize("width", [0, np.inf])
def test_bandwidths_0_and_inf(which, width):
    bandwidth = np.where(np.arange(4) == which, width, 3 * BANDWIDTH)
    asked = QUERIES.copy()
    asked[:, which] = ROWS[: len(asked), which]
    model = NadarayaWatsonRegressor(bandwidth=bandwidth, **HOURS).fit(as_frame(ROWS), Y)
    expected = naive(bandwidth=bandwidth, queries=asked) @ Y
    assert_allclose(model.predict(as_frame(asked)), expected, rtol=1e-10)


def test_leave_one_out_equals_refits():
    for parameters in ({}, {"degree": 1}, {"kernel": "epanechnikov", "bandwidth": 3 * BANDWIDTH}):
        model = NadarayaWatsonRegressor(**{"bandwidth": BANDWIDTH, **HOURS, **parameters})
        frame = as_frame(ROWS)
        refits = cross_val_predict(model, frame, Y, cv=LeaveOneOut())
        assert_allclose(model.fit(frame, Y).predict(None), refits, rtol=1e-9)


def test_classes_equal_the_formula_over_pairs():
    labels = np.where(Y > 1, "up", "down")
    model = NadarayaWatsonClassifier(bandwidth=BANDWIDTH, **HOURS).fit(as_frame(ROWS), labels)
    expected = naive() @ (labels[:, None] == model.classes_)
    assert_allclose(model.predict_proba(as_frame(QUERIES)), expected, rtol=1e-10)


def test_nearest_rows_are_those_of_the_mixed_distance():
    for degree in (0, 1):
        model = NadarayaWatsonRegressor("tricube", KNearest(20), degree=degree, **HOURS)
        model.fit(as_frame(ROWS), Y)
        distances = mixed_distances(QUERIES, ROWS, KINDS, np.ones(4))
        widths = np.sort(distances, axis=1)[:, 19:20]
        weights = PROFILES["tricube"](distances / widths)
        expected = weights / weights.sum(axis=1, keepdims=True)
        assert_allclose(model.attention_weights(as_frame(QUERIES)), expected, atol=1e-10)


# -- rules of thumb ------------------------------------------------------------------------


def test_rules_of_thumb_by_kind_of_column():
    frame = as_frame(ROWS)
    model = NadarayaWatsonRegressor(**HOURS).fit(frame, Y)
    n, d = len(ROWS), 2  # numbers: x and the hour
    assert_allclose(model.bandwidth_[0], ROWS[:, 0].std() * n ** (-1 / (d + 4)))
    share = n ** (-2 / (d + 4))
    assert_allclose(np.exp(-1 / (2 * model.bandwidth_[1:3] ** 2)), share)
    one_kind = frame.assign(kind="a", size=frame["size"].astype(float))
    bandwidth = NadarayaWatsonRegressor(**HOURS).fit(one_kind, Y).bandwidth_
    assert np.isinf(bandwidth[1])
    assert np.isfinite(bandwidth[[0, 2, 3]]).all()
    # Hours around midnight spread as much as hours around noon.
    about = {}
    for middle in (0, 12):
        hours = (np.random.default_rng(0).normal(middle, 1, n)) % 24
        model = NadarayaWatsonRegressor(**HOURS).fit(frame.assign(hour=hours), Y)
        about[middle] = model.bandwidth_[3]
    assert_allclose(about[0], about[12], rtol=1e-10)


def test_bandwidths_by_column_name():
    frame = as_frame(ROWS)
    by_rule = NadarayaWatsonRegressor(**HOURS).fit(frame, Y).bandwidth_
    model = NadarayaWatsonRegressor(bandwidth={"hour": 2, "kind": 0.5}, **HOURS).fit(frame, Y)
    assert_array_equal(model.bandwidth_, [by_rule[0], 0.5, by_rule[2], 2])
    array = NadarayaWatsonRegressor(bandwidth={0: 0.3}).fit(ROWS, Y)
    assert array.bandwidth_[0] == 0.3
    for bandwidth, match in (
        ({"hours": 2}, "bandwidth must give columns .* got 'hours', and the columns are .*'hour'"),
        ({"hour": -1}, "non-negative number .* got -1 for 'hour'"),
        ({"hour": "scott"}, "got 'scott' for 'hour'"),
        ({7: 1}, "got 7"),
    ):
        with pytest.raises(ValueError, match=match):
            NadarayaWatsonRegressor(bandwidth=bandwidth, **HOURS).fit(frame, Y)


def test_a_callable_bandwidth_gets_features():
    seen = []

    def bandwidth(X, sample_weight):
        seen.append(X)
        return BANDWIDTH

    NadarayaWatsonRegressor(bandwidth=bandwidth, degree=1, **HOURS).fit(as_frame(ROWS), Y)
    (X,) = seen
    assert_allclose(X[:, :3], ROWS[:, :3])
    assert_allclose(X[:, 3] % 24, ROWS[:, 3])


# -- lines -----------------------------------------------------------------------------------


def test_lines_have_slopes_in_categories():
    """With infinite bandwidths, the line is a ridge regression on one-hot columns."""
    frame, asked = as_frame(ROWS)[["x", "kind"]], as_frame(QUERIES)[["x", "kind"]]
    frame, asked = (f.assign(size=r[:, 2]) for f, r in ((frame, ROWS), (asked, QUERIES)))
    lines = {"degree": 1, "ridge": 2.0, "bandwidth": np.inf, "ordered_features": ["size"]}
    model = NadarayaWatsonRegressor(**lines).fit(frame, Y)

    def design(some):
        encoder = OneHotEncoder(sparse_output=False).fit(frame[["kind"]])
        return np.hstack([some[["x", "size"]].to_numpy(), encoder.transform(some[["kind"]])])

    peer = make_pipeline(StandardScaler(), Ridge(alpha=2.0)).fit(design(frame), Y)
    assert_allclose(model.predict(asked), peer.predict(design(asked)), rtol=1e-10)


def test_lines_equal_weighted_ridge():
    """The line at each query is a weighted ridge regression."""
    frame, asked = as_frame(ROWS), as_frame(QUERIES)
    model = NadarayaWatsonRegressor(bandwidth=BANDWIDTH, degree=1, **HOURS).fit(frame, Y)

    def design(rows):
        angle = rows[:, 3] / 24 * 2 * np.pi
        circle = 24 / (2 * np.pi) * np.column_stack([np.cos(angle), np.sin(angle)])
        kinds = np.equal.outer(rows[:, 1], range(4)) * np.sqrt(0.5)
        return np.column_stack([rows[:, 0], kinds, circle, rows[:, 2]])

    Z, width = design(ROWS), BANDWIDTH[[0, 1, 1, 1, 1, 3, 3, 2]]
    penalty = 1 / (1 / width**2 + 1 / Z.var(axis=0))
    weights = PROFILES["gaussian"](mixed_distances(QUERIES, ROWS, KINDS, BANDWIDTH))
    expected = []
    for w, q in zip(weights, design(QUERIES)):
        a = w / w.sum()
        apart = Z - a @ Z
        left = (apart * w[:, None]).T @ apart + np.diag(penalty)
        slopes = np.linalg.solve(left, (apart * w[:, None]).T @ (Y - a @ Y))
        expected.append(a @ Y + (q - a @ Z) @ slopes)
    assert_allclose(model.predict(asked), expected, rtol=1e-9)
    effective = model.effective_weights(asked)
    assert_allclose(effective @ Y, expected, rtol=1e-9)


# -- the search ------------------------------------------------------------------------------


def test_the_search_takes_a_frame():
    frame = as_frame(mixed(150, 2))
    rows = mixed(150, 2)
    y = np.sin(2 * rows[:, 0]) + (rows[:, 1] == 2) + rows[:, 2] / 3
    model = NadarayaWatsonRegressorCV(**HOURS).fit(frame, y)
    assert model.bandwidth_.shape == (4,)
    assert all(len(bandwidth) == 4 for bandwidth in model.cv_results_["bandwidth"])
    assert model.score(None, y) > 0.9
    plain = NadarayaWatsonRegressor(bandwidth=model.bandwidth_, degree=model.degree_, **HOURS).fit(
        frame, y
    )
    assert_array_equal(plain.predict(frame), model.predict(frame))


@pytest.mark.parametrize("degree", [0, 1])
def test_slopes_of_the_search_equal_differences(degree):
    """Slopes by each feature's bandwidth equal differences of the criterion."""
    from nwkr._objective import by_criterion
    from nwkr._window import FixedWindow

    model = NadarayaWatsonRegressorCV(degrees=(degree,), per_feature=False, **HOURS)
    model.fit(as_frame(ROWS), Y)
    columns, window, (form,) = model._columns, BANDWIDTH.copy(), model._forms
    problem = model._problem(Y[model._rows], np.ones(len(Y)), None)
    weights = np.full(len(Y), 1 / len(Y))

    def criterion(bandwidth):
        window = FixedWindow(columns.by_column(bandwidth))
        (fit,) = problem.leave_one_out.fits([window], form)
        residuals = fit.fitted - problem.leave_one_out.targets
        value, slopes = by_criterion("aicc", fit, residuals, weights, len(Y))
        return value, columns.summed(slopes)

    found = criterion(window)[1]
    for feature in range(4):
        step = np.where(np.arange(4) == feature, 1e-5, 0)
        ends = [criterion(window * np.exp(sign * step))[0] for sign in (1, -1)]
        assert_allclose(found[feature], (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-8)


def test_folds_have_the_same_features():
    rows = mixed(80, 3)
    frame, y = as_frame(rows), rows[:, 0] + (rows[:, 1] == 1)
    candidates = [0.5 * BANDWIDTH, {"kind": 0.4, "x": 0.3}, 2 * BANDWIDTH]
    model = NadarayaWatsonRegressorCV(bandwidths=candidates, degrees=(0, 1), cv=4, **HOURS)
    model.fit(frame, y)
    for number, bandwidth in enumerate(candidates):
        plain = NadarayaWatsonRegressor(bandwidth=bandwidth, **HOURS)
        for degree in (0, 1):
            plain.set_params(degree=degree)
            predictions = cross_val_predict(plain, frame, y, cv=4)
            errors = ((predictions - y) ** 2).reshape(4, -1).mean(axis=1)
            place = [
                place
                for place, (width, of) in enumerate(
                    zip(model.cv_results_["bandwidth"], model.cv_results_["degree"])
                )
                if of == degree and place // 2 == number
            ]
            assert_allclose(np.take(model.cv_results_["score"], place), -errors.mean())


# -- input -------------------------------------------------------------------------------------


def test_unseen_levels():
    frame = as_frame(ROWS)
    asked = as_frame(QUERIES).assign(kind="zebra")
    rows = QUERIES.copy()
    rows[:, 1] = 99
    model = NadarayaWatsonRegressor(bandwidth=BANDWIDTH, **HOURS).fit(frame, Y)
    assert_allclose(model.predict(asked), naive(queries=rows) @ Y, rtol=1e-10)
    # All categories are equally far: the nearest rows are those in the other columns, with ties.
    few = pd.DataFrame({"kind": list("aabc")})
    model = NadarayaWatsonRegressor("boxcar", 0.5).fit(few, [1, 3, 5, 8])
    assert_allclose(model.predict(pd.DataFrame({"kind": ["a", "zebra"]})), [2, 17 / 4])
    between = pd.DataFrame({"size": [1.0, 4.0, 4.0]})
    lengths = mixed_distances([[2.0], [9.0]], between.to_numpy(), ["levels"], [1.0])
    model = NadarayaWatsonRegressor(bandwidth=1, ordered_features=["size"])
    weights = model.fit(between, [1, 2, 3]).attention_weights(pd.DataFrame({"size": [2.0, 9.0]}))
    expected = np.exp(-(lengths**2) / 2)
    assert_allclose(weights, expected / expected.sum(axis=1, keepdims=True), rtol=1e-12)


def test_a_missing_level_is_shown_as_missing():
    levels = pd.Categorical(list("abcabc"), categories=list("abc"), ordered=True)
    X = pd.DataFrame({"level": levels, "x": np.arange(6.0)})
    X.loc[::2, "level"] = None
    model = NadarayaWatsonRegressor(bandwidth=1.0).fit(X, X.x)
    shown = model.explain(X[:1], features=["level"])
    assert shown.level.isna().tolist() == [True, False, True, False, True]


def test_a_missing_category_is_a_category():
    column = np.array(["a", None, "b", None, "a"], dtype=object)
    words = np.where(column == None, "none", column)  # noqa: E711
    y, asked = [1, 2, 3, 4, 5], np.array([None, "b", "zebra"], dtype=object)
    frames = [
        (pd.DataFrame({"k": column}), pd.DataFrame({"k": asked})),
        (pd.DataFrame({"k": pd.Categorical(column)}), pd.DataFrame({"k": asked})),
        (pd.DataFrame({"k": pd.array(column, "string")}), pd.DataFrame({"k": asked})),
        (pl.DataFrame({"k": column}), pl.DataFrame({"k": asked})),
    ]
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(pd.DataFrame({"k": words}), y)
    expected = expected.predict(pd.DataFrame({"k": ["none", "b", "zebra"]}))
    for frame, asked in frames:
        model = NadarayaWatsonRegressor(bandwidth=0.5).fit(frame, y)
        assert_allclose(model.predict(asked), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda words: pd.DataFrame({"k": pd.Categorical(words)}),
        lambda words: pd.DataFrame({"k": pd.array(words, "string")}),
        lambda words: pd.DataFrame({"k": np.array(words, dtype=object)}),
        lambda words: pl.DataFrame({"k": pl.Series(words, dtype=pl.Categorical)}),
        lambda words: pl.DataFrame({"k": words}),
    ],
    ids=["category", "string", "object", "polars Categorical", "polars String"],
)
def test_all_types_of_text(make):
    words, y, asked = list("abacb"), [1, 2, 3, 4, 5], ["c", "a", "zebra"]
    model = NadarayaWatsonRegressor(bandwidth=0.5).fit(make(words), y)
    numbers = mixed_distances([[3], [1], [9]], [[1], [2], [1], [3], [2]], ["category"], [0.5])
    weights = np.exp(-(numbers**2) / 2)
    assert_allclose(model.predict(make(asked)), weights @ y / weights.sum(axis=1), rtol=1e-12)


def test_text_in_arrow():
    pa = pytest.importorskip("pyarrow")
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):

        def make(words, kind=kind):
            words = pd.array(pa.array(words).cast(kind), dtype=pd.ArrowDtype(kind))
            return pd.DataFrame({"k": words, "x": np.arange(len(words)) / 3})

        frame, asked = make(list("abac")), make(["a", "zebra", None])
        model = NadarayaWatsonRegressor(bandwidth=0.5).fit(frame, [1, 2, 3, 4])
        known = pd.DataFrame({"k": list("abac"), "x": frame["x"]})
        expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(known, [1, 2, 3, 4])
        assert_allclose(
            model.predict(asked), expected.predict(asked.astype({"k": object})), rtol=1e-12
        )


def test_categorical_columns_are_recognised():
    frame = as_frame(ROWS)[["x", "kind"]].assign(flag=ROWS[:, 2] > 0, number=ROWS[:, 2])
    expected = None
    for given in ([1, 3], ["kind", "number"], [False, True, False, True], np.array([1, 3])):
        model = NadarayaWatsonRegressor(categorical_features=given).fit(frame, Y)
        expected = model.predict(frame) if expected is None else expected
        assert_array_equal(model.predict(frame), expected)
    as_types = frame.astype({"number": "category"})
    assert_allclose(NadarayaWatsonRegressor().fit(as_types, Y).predict(as_types), expected)
    for given, match in (
        (["kinds"], "categorical_features must give columns .* got 'kinds'"),
        ([4], "got 4"),
        ([True, False], "one entry for each of 4 columns if it is a mask; got 2"),
        ([1.5], "got 1.5"),
    ):
        with pytest.raises(ValueError, match=match):
            NadarayaWatsonRegressor(categorical_features=given).fit(frame, Y)
    for periodic, match in (
        ({"kind": 24}, "periodic_features must name columns of numbers; got 'kind'"),
        ({"x": 0}, "positive period .* got 0 for 'x'"),
        ({"y": 1}, "periodic_features must give columns .* got 'y'"),
    ):
        with pytest.raises(ValueError, match=match):
            NadarayaWatsonRegressor(periodic_features=periodic).fit(frame, Y)
    with pytest.raises(ValueError, match=r"'kind' holds text, whose order is not known.*ordered"):
        NadarayaWatsonRegressor(ordered_features=["kind"]).fit(frame, Y)


def test_changed_columns_are_refused():
    frame = as_frame(ROWS)
    model = NadarayaWatsonRegressor(**HOURS).fit(frame, Y)
    for asked, match in (
        (frame.drop(columns="kind"), "(?s)feature names should match.*missing.*- kind"),
        (frame.assign(more="a"), "(?s)feature names should match.*unseen.*- more"),
        (frame.assign(kind=1.5), "X must hold in column 'kind' what it held in fit, text; got num"),
        (frame.assign(x="a"), "X must be real numbers; got text in column 'x'"),
        (frame.assign(x=pd.Categorical(["a"] * 60)), "got categories in column 'x'"),
        (frame.assign(size=pd.Categorical(["a"] * 60)), "in column 'size' what it held in fit, nu"),
        (frame[["kind", "x", "size", "hour"]], "(?s)feature names should match.*same order"),
    ):
        with pytest.raises(ValueError, match=match):
            model.predict(asked)
    with pytest.raises(ValueError, match=r"one kind in each column; got text and numbers.*'kind'"):
        NadarayaWatsonRegressor().fit(frame.assign(kind=["a", 1] * 30), Y)
    with pytest.warns(UserWarning, match="valid feature names"):
        by_place = model.predict(frame.to_numpy())
    assert_allclose(by_place, model.predict(frame), rtol=1e-12)
    model = NadarayaWatsonRegressor(categorical_features=[1]).fit(ROWS, Y)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* expecting 4"):
        model.predict(ROWS[:, :3])


def test_options_for_numbers_only_refuse_categories():
    frame = as_frame(ROWS)
    match = r"takes numbers only; got .* in columns \['kind', 'size', 'hour'\].*OneHotEncoder"
    for parameters in ({"metric": "cosine"}, {"bandwidth": Adaptive()}):
        with pytest.raises(ValueError, match=match):
            NadarayaWatsonRegressor(**parameters, **HOURS).fit(frame, Y)


def test_a_frame_of_numbers_equals_its_array():
    """The engine gets no more columns, and predictions are bit for bit those of the array."""
    X = ROWS[:, [0, 3]]
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = NadarayaWatsonRegressor().fit(frame, Y)
    assert model._X.shape == X.shape
    assert_array_equal(model.predict(frame), NadarayaWatsonRegressor().fit(X, Y).predict(X))


def test_copies_keep_the_categories():
    import pickle

    frame = as_frame(ROWS)
    model = NadarayaWatsonRegressor(degree=1, **HOURS).fit(frame, Y)
    expected = model.predict(as_frame(QUERIES))
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(as_frame(QUERIES)), expected)
    assert_array_equal(clone(model).fit(frame, Y).predict(as_frame(QUERIES)), expected)


# -- missing numbers ---------------------------------------------------------------------------


def with_gaps(rows, seed, share=0.2):
    """Rows with some numbers and hours missing."""
    rows, random = rows.copy(), np.random.default_rng(seed)
    for column in (0, 3):
        rows[random.random(len(rows)) < share, column] = np.nan
    return rows


GAPPY, ASKED_GAPPY = with_gaps(ROWS, 5), with_gaps(QUERIES, 6)


def chord(hours):
    angle = hours / 24 * 2 * np.pi
    return 24 / (2 * np.pi) * np.column_stack([np.cos(angle), np.sin(angle)])


def gappy_distances(queries=ASKED_GAPPY, rows=GAPPY, bandwidth=BANDWIDTH):
    """Distances where a missing number is as far from a present one as two rows are on average."""
    there = [rows[~np.isnan(rows[:, column])] for column in (0, 3)]
    gaps = 2 * there[0][:, 0].var(), 2 * chord(there[1][:, 3]).var(axis=0).sum()
    squares = np.zeros((len(queries), len(rows)))
    for column, gap in zip((0, 3), gaps):
        kinds = [kind if number == column else "none" for number, kind in enumerate(KINDS)]
        kinds = [KINDS[column]]
        part = mixed_distances(queries[:, [column]], rows[:, [column]], kinds, [1.0]) ** 2
        no_query, no_row = np.isnan(queries[:, column])[:, None], np.isnan(rows[:, column])
        part = np.where(no_query ^ no_row, gap, part)
        part[no_query & no_row] = 0
        squares += part / bandwidth[column] ** 2
    known = mixed_distances(queries[:, 1:3], rows[:, 1:3], KINDS[1:3], bandwidth[1:3])
    return np.sqrt(squares + known**2)


@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
@pytest.mark.parametrize("name", ["gaussian", "epanechnikov", "exponential"])
def test_missing_numbers_equal_the_formula_over_pairs(name, algorithm):
    bandwidth = BANDWIDTH if np.isinf(KERNELS[name].support) else 3 * BANDWIDTH
    model = NadarayaWatsonRegressor(name, bandwidth, algorithm=algorithm, **HOURS)
    model.fit(as_frame(GAPPY), Y)
    weights = PROFILES[name](gappy_distances(bandwidth=bandwidth))
    expected = weights / weights.sum(axis=1, keepdims=True)
    assert_allclose(model.attention_weights(as_frame(ASKED_GAPPY)), expected, rtol=1e-8, atol=1e-12)
    # A number missing in the query alone is equally far from all rows, which cancels.
    model.fit(as_frame(ROWS), Y)
    asked = as_frame(QUERIES).assign(x=np.nan)
    if name == "gaussian":
        off = NadarayaWatsonRegressor(name, np.where(np.arange(4) == 0, np.inf, bandwidth), **HOURS)
        expected = off.fit(as_frame(ROWS), Y).predict(asked)
        assert_allclose(model.predict(asked), expected, rtol=1e-10)


def test_lines_with_missing_numbers_equal_ridge():
    """With infinite bandwidths: ridge on numbers imputed by their means, and indicators."""
    X = GAPPY[:, [0, 3]]
    model = NadarayaWatsonRegressor(bandwidth=np.inf, degree=1, ridge=2.0).fit(X, Y)

    def design(rows):
        gaps = np.isnan(rows)
        return np.hstack([np.where(gaps, np.nanmean(X, axis=0), rows), gaps])

    peer = make_pipeline(StandardScaler(), Ridge(alpha=2.0)).fit(design(X), Y)
    asked = ASKED_GAPPY[:, [0, 3]]
    assert_allclose(model.predict(asked), peer.predict(design(asked)), rtol=1e-10)
    slopes = model.local_slopes(asked)
    assert_array_equal(np.isnan(slopes), np.isnan(asked))
    scaled = peer[-1].coef_[:2] / peer[0].scale_[:2]
    assert_allclose(slopes[0], np.where(np.isnan(asked[0]), np.nan, scaled), rtol=1e-9)


def test_slopes_of_missing_numbers_are_penalised_by_their_distance(rng):
    """The penalty is the variance within the window, in which a missing number is at a distance."""
    X, y, bandwidth, ridge = rng.normal(size=30), rng.normal(size=30), 0.8, 0.5
    X[::4] = np.nan
    gone = np.isnan(X)
    mean, gap = np.nanmean(X), 2 * np.nanvar(X)
    design = np.column_stack([np.where(gone, mean, X), gone])
    reach = np.array([1, gap]) / bandwidth**2
    penalty = ridge / (reach + 1 / design.var(axis=0))
    model = NadarayaWatsonRegressor(bandwidth=bandwidth, degree=1, ridge=ridge).fit(X[:, None], y)
    for query in (0.3, np.nan):
        missing = np.isnan(query)
        squares = np.where(gone == missing, np.nan_to_num(X - query) ** 2, gap)
        weights = np.exp(-squares / bandwidth**2 / 2)
        apart = design - [mean if missing else query, missing]
        columns = np.column_stack([np.ones(30), apart])
        left = columns.T @ (weights[:, None] * columns) + np.diag([0, *penalty])
        expected = np.linalg.solve(left, columns.T @ (weights * y))[0]
        assert_allclose(model.predict([[query]]), expected, rtol=1e-9)


@pytest.mark.parametrize("exponent", [-500, -10, 10, 500])
@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def test_lines_with_missing_numbers_do_not_depend_on_units(Estimator, exponent, rng):
    X = rng.normal(size=(60, 2))
    y = X[:, 0] > 0 if Estimator is NadarayaWatsonClassifier else np.sin(X[:, 0])
    X[rng.random(X.shape) < 0.2] = np.nan
    unit, answers = np.array([2.0**exponent, 1.0]), []
    for rows in (X, X * unit):
        model = Estimator(degree=1).fit(rows, y)
        answer = getattr(model, "predict_proba", model.predict)
        answers.append((answer(rows), answer(None)))
    assert_allclose(answers[0], answers[1], rtol=1e-9, atol=1e-12)


def test_leaving_out_rows_with_missing_numbers():
    # The distance of a missing number is still that of all training rows.
    model = NadarayaWatsonRegressor(bandwidth=BANDWIDTH, **HOURS).fit(as_frame(GAPPY), Y)
    weights = np.exp(-(gappy_distances(GAPPY) ** 2) / 2)
    np.fill_diagonal(weights, 0)
    assert_allclose(model.predict(None), weights @ Y / weights.sum(axis=1), rtol=1e-9)


@pytest.mark.parametrize("exponent", [-900, -600, 600, 900])
@pytest.mark.filterwarnings("error")
def test_missing_numbers_at_any_scale(exponent, rng):
    X, Q = rng.normal(size=(40, 2)), rng.normal(size=(15, 2))
    X[::5, 0], Q[::4, 1] = np.nan, np.nan
    y, unit = rng.normal(size=40), np.array([2.0**exponent, 1.0])
    for algorithm in ("dense", "blocks"):
        model = NadarayaWatsonRegressor("biweight", algorithm=algorithm)
        expected = model.fit(X, y).predict(Q)
        assert_allclose(model.fit(X * unit, y).predict(Q * unit), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, 2, None, 4, None, 6], dtype="Int64"),
        pd.array([1, 2, None, 4, None, 6], dtype="Float64"),
        np.array([1, 2, None, 4, None, 6], dtype=float),
        np.array([1, 2, None, 4, None, 6], dtype=object),
        np.array([1, 2, pd.NA, 4, pd.NA, 6], dtype=object),
        pl.Series([1, 2, None, 4, None, 6]),
        pl.Series([1.0, 2, None, 4, None, 6]),
    ],
    ids=["Int64", "Float64", "NaN", "None", "NA", "polars Int64", "polars Float64"],
)
def test_all_types_of_missing_numbers(column):
    make = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    plain = np.column_stack([[1, 2, np.nan, 4, np.nan, 6], np.arange(6)])
    frame, y = make({"b": column, "a": np.arange(6)}), np.arange(6.0)
    for Estimator in (NadarayaWatsonRegressor, NadarayaWatsonRegressorCV):
        expected = Estimator().fit(plain, y).predict(plain)
        assert_allclose(Estimator().fit(frame, y).predict(frame), expected, rtol=1e-12)


def test_masked_arrays_and_nullable_booleans():
    mask = np.array([[0, 0], [0, 1], [1, 0], [0, 0]], bool)
    values = np.arange(8.0).reshape(4, 2)
    expected = NadarayaWatsonRegressor().fit(np.where(mask, np.nan, values), np.arange(4.0))
    asked = np.array([[1.0, 3.0], [np.nan, 2.0]])
    masked = np.ma.array(np.where(mask, 999, values), mask=mask)
    for rows in (masked, masked.astype(int), [*masked], masked.astype(object).tolist()):
        model = NadarayaWatsonRegressor().fit(rows, np.arange(4.0))
        assert_allclose(model.predict(asked), expected.predict(asked), rtol=1e-12)
    flags = pd.DataFrame({"f": pd.array([True, None, False, True], dtype="boolean")})
    numbers = pd.DataFrame({"f": [1, np.nan, 0, 1]})
    as_objects = pd.DataFrame({"f": np.array([True, None, False, True], dtype=object)})
    expected = NadarayaWatsonRegressor().fit(numbers, np.arange(4)).predict(numbers)
    for frame in (flags, as_objects, pl.DataFrame({"f": [True, None, False, True]})):
        model = NadarayaWatsonRegressor().fit(frame, np.arange(4))
        assert_allclose(model.predict(frame), expected, rtol=1e-12)


def test_constant_columns_are_switched_off():
    frame = as_frame(ROWS)
    expected = NadarayaWatsonRegressorCV(**HOURS).fit(frame, Y)
    nothing = np.array([None] * 60, dtype=object)
    for column in (np.full(60, np.nan), nothing, ["a"] * 60, pd.Categorical(nothing, ["a"])):
        model = NadarayaWatsonRegressorCV(**HOURS).fit(frame.assign(more=column), Y)
        assert np.isinf(model.bandwidth_[4])
        asked = as_frame(QUERIES).assign(more=column[:25])
        assert_allclose(model.predict(asked), expected.predict(as_frame(QUERIES)), rtol=1e-6)


def test_the_search_uses_missingness():
    random = np.random.default_rng(7)
    X = random.normal(size=(200, 2))
    X[random.random(X.shape) < 0.3] = np.nan
    y = np.nan_to_num(X[:, 0]) + 2 * np.isnan(X[:, 1]) + 0.1 * random.normal(size=200)
    assert NadarayaWatsonRegressorCV().fit(X, y).score(None, y) > 0.95


def test_partial_fit_with_missing_numbers():
    X, y = GAPPY[:, [0, 3]], Y
    batches = NadarayaWatsonRegressor(bandwidth=1.0, degree=1)
    batches.partial_fit(X[:20], y[:20]).partial_fit(X[20:], y[20:])
    whole = NadarayaWatsonRegressor(bandwidth=1.0, degree=1).fit(X, y)
    assert_array_equal(batches.predict(X), whole.predict(X))
    model = NadarayaWatsonRegressor(bandwidth=1.0, **HOURS).fit(as_frame(ROWS), Y)
    with pytest.raises(ValueError, match="partial_fit takes numbers only; got categories"):
        model.partial_fit(as_frame(ROWS), Y)


# -- densities ---------------------------------------------------------------------------------


def test_a_density_sums_to_1_over_all_cells():
    frame = as_frame(ROWS)
    model = NadarayaWatsonRegressor(bandwidth=[0.7, 0.8, 1.3, 2.0], **HOURS)
    model.fit(frame, Y)
    x, hours = np.linspace(-8, 8, 161), np.arange(0, 24, 0.25)
    total = 0.0
    for kind in "abcd":
        for size in (0.0, 1.0, 4.0):
            grid = [g.ravel() for g in np.meshgrid(x, hours, indexing="ij")]
            sizes = pd.Categorical(np.full(len(grid[0]), size), [0.0, 1.0, 4.0], ordered=True)
            cell = pd.DataFrame({"x": grid[0], "kind": kind, "size": sizes, "hour": grid[1]})
            total += np.exp(model.score_samples(cell)).sum() * 0.1 * 0.25
    assert_allclose(total, 1, rtol=1e-6)


def test_density_with_categories_needs_a_gaussian_and_no_gaps():
    frame = as_frame(ROWS)
    for parameters in ({"kernel": "epanechnikov"}, {"bandwidth": KNearest(5)}):
        model = NadarayaWatsonRegressor(**parameters, **HOURS).fit(frame, Y)
        with pytest.raises(
            ValueError, match=r"categories or periodic features needs kernel='gauss"
        ):
            model.score_samples(frame)
    model = NadarayaWatsonRegressor(**HOURS).fit(as_frame(GAPPY), Y)
    match = r"score_samples needs rows without missing numbers.*columns \['x', 'hour'\]"
    with pytest.raises(ValueError, match=match):
        model.score_samples(frame)
    model = NadarayaWatsonRegressor().fit(ROWS, Y)
    with pytest.raises(ValueError, match=r"rows without missing numbers.*column 0"):
        model.score_samples(np.where(np.arange(4) == 0, np.nan, ROWS))


# -- displays and explanations -----------------------------------------------------------------


def test_explanations_show_categories():
    frame = as_frame(ROWS)
    asked = as_frame(QUERIES)[:2]
    for Estimator, y in ((NadarayaWatsonRegressor, Y), (NadarayaWatsonClassifier, Y > 1)):
        model = Estimator(bandwidth=BANDWIDTH, **HOURS).fit(frame, y)
        table = model.explain(asked, top_k=4, features=["kind", "size", "hour", "x"])
        for column in ("x", "hour"):
            assert_allclose(table[column], frame.loc[table["row"], column])
        for column in ("kind", "size"):
            assert table[column].tolist() == frame.loc[table["row"], column].tolist()
        assert list(model.explain(asked, features=[1]).columns)[-1] == "kind"
        with pytest.raises(ValueError, match=r"features must give columns .* got 'kinds'"):
            model.explain(asked, features=["kinds"])
    words = frame.assign(size=frame["size"].cat.rename_categories(["S", "M", "L"]))
    model = NadarayaWatsonRegressor(bandwidth=BANDWIDTH, degree=1, **HOURS).fit(words, Y)
    table = model.explain(words[:3], features=["size"])
    assert table["size"].tolist() == words.loc[table["row"], "size"].tolist()
    named = pd.DataFrame({"weight": [1.0, 2.0, 4.0]})
    table = (
        NadarayaWatsonRegressor(bandwidth=1)
        .fit(named, [1, 2, 3])
        .explain(named[:1], top_k=None, features=["weight"])
    )
    assert table["weight of row"].tolist() == [1, 2, 4]


def test_explanations_of_a_trend_are_by_feature():
    frame, labels = as_frame(GAPPY), np.where(Y > 1, "up", "down")
    model = NadarayaWatsonClassifier(bandwidth=BANDWIDTH, degree=1, **HOURS).fit(frame, labels)
    table = model.explain(frame[:2], top_k=None)
    parts = table[(table["part"] == "feature") & (table["query"] == 0)]
    assert parts["name"].tolist() == list(frame.columns)
    assert parts["value"].tolist()[1:3] == frame.loc[0, ["kind", "size"]].tolist()
    logits = table.groupby("query")["contribution"].sum()
    probability = model.predict_proba(frame[:2])[:, 1]
    assert_allclose(1 / (1 + np.exp(-logits)), probability, rtol=1e-9)
    assert np.isfinite(model.predict_proba(as_frame(ASKED_GAPPY))).all()
    left_out = cross_val_predict(model, frame, labels, cv=LeaveOneOut(), method="predict_proba")
    assert np.abs(model.predict_proba(None) - left_out).max() < 0.1  # approximate for the trend


@pytest.mark.parametrize("degree", [0, 1])
@pytest.mark.parametrize("name", ["gaussian", "tricube"])
def test_gradients_are_of_numbers_and_cycles(name, degree):
    frame, asked = as_frame(ROWS), as_frame(QUERIES)
    model = NadarayaWatsonRegressor(name, 3 * BANDWIDTH, degree=degree, **HOURS).fit(frame, Y)
    slopes = model.gradient(asked)
    for place, column in ((0, "x"), (3, "hour")):
        ends = [model.predict(asked.assign(**{column: asked[column] + e})) for e in (1e-5, -1e-5)]
        assert_allclose(slopes[:, place], (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-8)
    assert np.isnan(slopes[:, 1:3]).all()
    if degree:
        assert np.isfinite(model.local_slopes(asked)[:, [0, 2, 3]]).all()
        assert np.isnan(model.local_slopes(asked)[:, 1]).all()
    gappy = model.gradient(as_frame(ASKED_GAPPY))
    assert_array_equal(np.isnan(gappy[:, 0]), np.isnan(ASKED_GAPPY[:, 0]))


def test_displays_draw_categories():
    from nwkr.displays import AttentionDisplay, ExplanationDisplay, PredictionDisplay

    frame, labels = as_frame(GAPPY), np.where(Y > 1, "up", "down")
    polar = pl.DataFrame({"x": ROWS[:, 0], "kind": frame["kind"].to_list()})
    model = NadarayaWatsonRegressor(bandwidth=BANDWIDTH, **HOURS).fit(frame, Y)
    display = PredictionDisplay.from_estimator(
        model, frame, Y, features="hour", band="std", grid_resolution=20
    )
    asked = pd.DataFrame(
        {
            "x": np.nanmedian(GAPPY[:, 0]),
            "kind": frame["kind"].mode()[0],
            "size": pd.Categorical([frame["size"].mode()[0]] * 20, [0.0, 1.0, 4.0], ordered=True),
            "hour": display.grid[0],
        }
    )
    assert_allclose(display.prediction, model.predict(asked))
    PredictionDisplay.from_estimator(model, frame, Y, features=["x", "hour"], grid_resolution=5)
    other = NadarayaWatsonClassifier(bandwidth=[0.7, 0.8]).fit(polar, labels)
    PredictionDisplay.from_estimator(other, polar, labels, features=["x"])
    with pytest.raises(ValueError, match=r"features must be numeric.*categories \['kind'\]"):
        PredictionDisplay.from_estimator(model, frame, Y, features="kind")
    numbers = NadarayaWatsonRegressor(categorical_features=[1]).fit(ROWS, Y)
    with pytest.raises(ValueError, match=r"categories \['x1'\]"):
        PredictionDisplay.from_estimator(numbers, ROWS, Y, features=1)
    PredictionDisplay.from_estimator(numbers, ROWS, Y, features=0)
    drawn = AttentionDisplay.from_estimator(model, as_frame(QUERIES), sort_by="kind")
    assert_array_equal(drawn.key_values, GAPPY[:, 1])
    ExplanationDisplay.from_estimator(model, frame[:1])


def test_all_methods_take_a_frame():
    """A frame with categories, missing values and hours needs no preparation."""
    frame, asked = as_frame(GAPPY), as_frame(ASKED_GAPPY)
    for degree in (0, 1):
        model = NadarayaWatsonRegressor(bandwidth=BANDWIDTH, degree=degree, **HOURS).fit(frame, Y)
        for X in (asked, None):
            n = 60 if X is None else 25
            assert X is None or model.predict_interval(X).shape == (n, 2)
            assert model.predict_quantiles(X).shape[0] == n
            assert model.predict_band(X, n_bootstrap=20)[0].shape == (n, 2)
            assert np.isfinite(model.standard_error(X)).all()
            assert np.isfinite(model.effective_sample_size(X)).all()
            assert np.isfinite(model.predict(X, return_std=True)[1] if X is not None else 0).all()
            assert_allclose(model.effective_weights(X) @ Y, model.predict(X))
        assert np.isfinite(model.predict_cdf(asked, [0.0, 1.0])).all()


def test_searches_pipelines_and_scores_take_a_frame():
    frame = as_frame(GAPPY)
    grid = GridSearchCV(
        NadarayaWatsonRegressor(**HOURS), {"bandwidth": ["scott", {"kind": 0.3}, 1.0]}
    ).fit(frame, Y)
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    scaler = ColumnTransformer(
        [("scale", StandardScaler(), ["x"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    steps = make_pipeline(scaler, NadarayaWatsonRegressor(**HOURS)).fit(frame, Y)
    assert steps[-1].feature_names_in_.tolist() == ["x", "kind", "size", "hour"]
    assert np.isfinite(steps.predict(as_frame(ASKED_GAPPY))).all()
    assert np.isfinite(cross_val_score(NadarayaWatsonRegressorCV(**HOURS), frame, Y, cv=3)).all()


def test_many_levels_take_one_column():
    random = np.random.default_rng(3)
    codes = random.integers(0, 1000, 3000)
    frame = pd.DataFrame({"id": [f"id {code}" for code in codes], "x": random.normal(size=3000)})
    y = codes % 7 + frame["x"].to_numpy()
    model = NadarayaWatsonRegressor(bandwidth=[0.5, 0.5], degree=1).fit(frame, y)
    assert model._X.shape == (3000, 2)
    rows = np.column_stack([codes, frame["x"]])
    distances = mixed_distances(rows[:9], rows, ["category", "number"], [0.5, 0.5])
    weights = np.exp(-(distances**2) / 2)
    assert_allclose(
        model.attention_weights(frame[:9]), weights / weights.sum(axis=1, keepdims=True), atol=1e-12
    )
    plain = NadarayaWatsonRegressor(bandwidth=[0.5, 0.5], algorithm="blocks").fit(frame, y)
    asked = frame[:9].assign(id="another")
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(frame[["x"]], y).predict(asked[["x"]])
    assert_allclose(plain.predict(asked), expected, rtol=1e-9)
    assert plain.gradient(frame[:3]).shape == (3, 2)
    many = pd.DataFrame({"k": pd.Categorical(codes[:200], range(1000), ordered=True)})
    model = NadarayaWatsonRegressor().fit(many, y[:200])
    assert_allclose(
        model.predict(many),
        NadarayaWatsonRegressor().fit(codes[:200, None], y[:200]).predict(codes[:200, None]),
    )


def test_unusual_column_types():
    """Categories of dates and of intervals, bytes, float32, and weights as copies."""
    frame = as_frame(ROWS)[["x"]].astype("float32")
    days = pd.Categorical(pd.date_range("2020", periods=3).repeat(20))
    sizes = pd.cut(frame["x"], 3)
    spelled = np.array([b"a", b"b"] * 30, dtype=object)
    for column in (days, sizes, spelled):
        codes = pd.factorize(column)[0].astype(str)
        found = NadarayaWatsonRegressor(bandwidth=0.5).fit(frame.assign(k=column), Y)
        expected = NadarayaWatsonRegressor(bandwidth=0.5, categorical_features=["k"])
        if column is sizes:  # ordered
            codes = pd.Categorical(column).codes
            expected.set_params(categorical_features=None, ordered_features=["k"])
        expected.fit(frame.assign(k=codes), Y)
        assert_allclose(
            found.predict(frame.assign(k=column)),
            expected.predict(frame.assign(k=codes)),
            rtol=1e-6,
        )
    counts = np.random.default_rng(1).integers(0, 3, 60)
    gappy = as_frame(GAPPY)
    copies = gappy.loc[gappy.index.repeat(counts)]
    for degree in (0, 1):
        model = NadarayaWatsonRegressor(degree=degree, **HOURS)
        by_weight = clone(model).fit(gappy, Y, counts.astype(float))
        by_copies = clone(model).fit(copies, np.repeat(Y, counts))
        assert_allclose(by_weight.predict(gappy), by_copies.predict(gappy), rtol=1e-8)


def test_error_names_the_column_with_an_infinite_number():
    frame = pd.DataFrame(
        {"gap": [1.0, np.nan, 2.0], "word": ["a", "b", "a"], "huge": [1.0, 2.0, 3.0]}
    )
    model = NadarayaWatsonRegressor().fit(frame, [1.0, 2.0, 3.0])
    frame.loc[1, "huge"] = np.inf
    for refuse in (model.predict, lambda rows: clone(model).fit(rows, [1.0, 2.0, 3.0])):
        with pytest.raises(ValueError, match=r"X must be finite; .* in column 'huge'"):
            refuse(frame)


@pytest.mark.parametrize("columns", [["x"], ["k", "x"]])
def test_error_names_the_columns_of_another_frame(columns):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "k": ["a", "b", "a"]})
    model = NadarayaWatsonRegressor().fit(frame, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"^X must have the columns of fit, in their order: "):
        model.predict(frame[columns])
