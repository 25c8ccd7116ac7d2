"""Bad input is refused: the error names the parameter, what is allowed, and what came.

A `fit` that fails leaves the estimator unchanged.
"""

import pickle
import re
import warnings
from functools import cache, partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from means import NadarayaWatsonClassifierCV
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from versions import POLARS_HAS_NAMES

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 2))
Y = RNG.normal(size=12)
LABELS = np.arange(12) % 3
DISTANCES = np.abs(X[:, :1] - X[:, 0])
BOTH = (NadarayaWatsonRegressor, NadarayaWatsonClassifier)
REGRESSOR, CLASSIFIER = BOTH[:1], BOTH[1:]


def with_entry(array, value, dtype=None):
    """A copy with one entry changed."""
    array = np.array(array, dtype=dtype)
    array.flat[3] = value
    return array


def case(name, got, *words, named=None, estimators=BOTH, **changes):
    """Rows of the tables below: `changes` are parameters or data that are refused.

    The message must contain `name`, or `named` where it is given, and all `words`: the allowed
    values and the value that came.
    """
    words = (named or rf"\b{name}\b", *words)
    return [
        pytest.param(Estimator, changes, words, id=f"{name}-{got}-{Estimator.__name__[14:]}")
        for Estimator in estimators
    ]


def state_of(model):
    """Each attribute's identity, and the contents of arrays."""
    return {
        name: (id(value), value.tobytes() if isinstance(value, np.ndarray) else None)
        for name, value in vars(model).items()
    }


def check_refused(Estimator, changes, words):
    changes = changes.copy()
    y = Y if Estimator is NadarayaWatsonRegressor else LABELS
    data = [changes.pop(name, good) for name, good in (("X", X), ("y", y), ("sample_weight", None))]

    model = Estimator(**changes)
    before = state_of(model)
    with pytest.raises((ValueError, TypeError)) as error:
        model.fit(*data)
    message = str(error.value)
    for word in words:
        assert re.search(word, message, re.DOTALL), f"{word!r} is not in {message!r}"
    assert state_of(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)

    model = Estimator("tricube", [0.7, 0.4]).fit(X[:9, ::-1], y[:9])
    predictions = model.predict(X)
    good = model.get_params()
    model.set_params(**changes)
    before = state_of(model)
    with pytest.raises(type(error.value)):
        model.fit(*data)
    assert state_of(model) == before
    assert_array_equal(model.set_params(**good).predict(X), predictions)


# -- parameters ---------------------------------------------------------------------------

EVERY_KERNEL = re.escape(str(sorted(KERNELS)))


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("kernel", "name", EVERY_KERNEL, "'gausian'", kernel="gausian"),
        *case("kernel", "number", "str.*callable", "3", kernel=3),
        *case("kernel", "None", "str.*callable", "None", kernel=None),
        *case("kernel", "list", "str.*callable", "gaussian", kernel=["gaussian"]),
    ],
)
def test_kernel_is_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("kernel", "row", "shape", r"\(\d+,\)", kernel=lambda u: u[0]),
        *case("kernel", "scalar", "shape", r"\(\)", kernel=lambda u: 1.0),
        *case("kernel", "transpose", "shape", r"\(\d+, 2\)", kernel=lambda u: u.T),
        *case("kernel", "nan", "finite", "nan", kernel=lambda u: np.nan * u),
        *case("kernel", "inf", "finite", "inf", kernel=lambda u: u * 0 + np.inf),
        *case("kernel", "minus", "non-negative", "-1", kernel=lambda u: u * 0 - 1),
        *case("kernel", "dips", "non-negative", "-0.5", kernel=lambda u: 0.5 - (u > 3)),
        *case("kernel", "complex", "real", "complex", kernel=lambda u: np.exp(1j * u)),
        *case("kernel", "text", "real", "<U", kernel=lambda u: u.astype(str)),
        *case("kernel", "nothing", "real", "object", kernel=lambda u: None),
        *case("kernel", "no-argument", "array", "argument", kernel=lambda: 1.0),
    ],
)
def test_callable_kernel_is_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


def test_callable_kernel_that_is_negative_far_away_is_refused():
    model = NadarayaWatsonRegressor(lambda u: np.where(u < 1e4, 1 / (1 + u), -1), bandwidth=1.0)
    model.fit(X, Y)
    with pytest.raises(ValueError, match=r"kernel must return finite, non-negative weights.*-1"):
        model.predict([[1e9, 0.0]])


ANY_BANDWIDTH = "number", "scott.*silverman", "callable"


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("bandwidth", "-1", "range.*0", "scott", "-1", bandwidth=-1),
        *case("bandwidth", "nan", "range.*0", "scott", "nan", bandwidth=np.nan),
        *case("bandwidth", "-inf", "range.*0", "scott", "-inf", bandwidth=-np.inf),
        *case("bandwidth", "None", "range.*0", "scott", "None", bandwidth=None),
        *case("bandwidth", "complex", "range.*0", "scott", "1j", bandwidth=1j),
        *case("bandwidth", "name", "scott", "'scot'", bandwidth="scot"),
        *case("bandwidth", "digits", "scott", "'1.0'", bandwidth="1.0"),
        *case("bandwidth", "empty", *ANY_BANDWIDTH, r"got \[\]", bandwidth=[]),
        *case("bandwidth", "none-of", *ANY_BANDWIDTH, r"\[\]", bandwidth=np.empty(0)),
        *case("bandwidth", "one-of-2", *ANY_BANDWIDTH, r"got \[1.0\]", bandwidth=[1.0]),
        *case("bandwidth", "3-of-2", *ANY_BANDWIDTH, r"\[1, 2, 3\]", bandwidth=[1, 2, 3]),
        *case("bandwidth", "2d", *ANY_BANDWIDTH, r"\[\[1, 2\]\]", bandwidth=[[1, 2]]),
        *case("bandwidth", "ragged", *ANY_BANDWIDTH, r"\[2\]", bandwidth=[1, [2]]),
        *case("bandwidth", "a-minus", *ANY_BANDWIDTH, r"got \[1, -1\]", bandwidth=[1, -1]),
        *case("bandwidth", "a-nan", *ANY_BANDWIDTH, "nan", bandwidth=[1.0, np.nan]),
        *case("bandwidth", "texts", *ANY_BANDWIDTH, "'b'", bandwidth=["a", "b"]),
        *case("bandwidth", "a-complex", *ANY_BANDWIDTH, "1j", bandwidth=[1, 1j]),
        *case("bandwidth", "a-None", *ANY_BANDWIDTH, "None", bandwidth=[1, None]),
        *case("bandwidth", "masked", *ANY_BANDWIDTH, "--", bandwidth=np.ma.masked_equal([1, 2], 2)),
        *case("bandwidth", "2-of-1", *ANY_BANDWIDTH, "2", bandwidth=[1, 2], metric="l1"),
    ],
)
def test_bandwidth_is_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("bandwidth", "minus", *ANY_BANDWIDTH, "-2", bandwidth=lambda X, w: -2),
        *case(
            "bandwidth",
            "nan",
            *ANY_BANDWIDTH,
            "nan",
            bandwidth=lambda X, w: [1, np.nan],
        ),
        *case("bandwidth", "None", *ANY_BANDWIDTH, "None", bandwidth=lambda X, w: None),
        *case(
            "bandwidth",
            "name",
            *ANY_BANDWIDTH,
            "'scott'",
            bandwidth=lambda X, w: "scott",
        ),
        *case(
            "bandwidth",
            "long",
            *ANY_BANDWIDTH,
            r"\[0.*0.*0",
            bandwidth=lambda X, w: [0, 0, 0],
        ),
    ],
)
def test_callable_bandwidth_is_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("metric", "name", "pairwise_distances", "'euclidian'", metric="euclidian"),
        # SciPy has metrics that scikit-learn lacks, which would fail in predict.
        *case("metric", "alias", "pairwise_distances", "'euclid'", metric="euclid"),
        *case("metric", "number", "str.*callable", "3", metric=3),
        *case("metric", "None", "str.*callable", "None", metric=None),
        *case("metric", "unary", "pairwise_distances", "lambda", metric=lambda a: 0.0),
        *case("metric", "text", "pairwise_distances", "'x'", metric=lambda a, b: "x"),
        *case("metric", "haversine", "2", metric="haversine", X=np.ones((12, 3))),
        *case("handle_empty", "name", "'nearest'", "'drop'", handle_empty="drop"),
        *case("handle_empty", "None", "'error'", "None", handle_empty=None),
        *case("algorithm", "name", "'auto'", "'kd_tree'", algorithm="kd_tree"),
        *case("tol", "minus", "range.*0", "-0.1", tol=-0.1),
        *case("tol", "too much", "range.*0.1", "0.5", tol=0.5),
        *case("tol", "nan", "range.*0", "nan", tol=np.nan),
        *case("n_jobs", "float", "None.*int", "1.5", n_jobs=1.5),
        # In Python, True equals 1 and False equals 0.
        *case("n_jobs", "True", "None.*int", "True", n_jobs=True),
        *case("tol", "False", "range.*0", "False", tol=False),
        *case("bandwidth", "True", "range.*0", "scott", "True", bandwidth=True),
        *case("bandwidth", "np.True", "range.*0", "scott", "True", bandwidth=np.True_),
        *case("bandwidth", "Trues", *ANY_BANDWIDTH, "True", bandwidth=[True, True]),
        *case("bandwidth", "True-called", *ANY_BANDWIDTH, "True", bandwidth=lambda X, w: True),
        *case("bandwidth", "k-True", "integer k", "k=True", bandwidth=KNearest(True)),
        *case("bandwidth", "k-float", "integer k", "k=2.0", bandwidth=KNearest(2.0)),
        *case("bandwidth", "exponent", "from 0 to 1", "True", bandwidth=Adaptive("scott", True)),
        *case("bandwidth", "base", *ANY_BANDWIDTH, "True", bandwidth=Adaptive(True)),
    ],
)
def test_other_parameters_are_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


class_weight_case = partial(case, "class_weight", estimators=CLASSIFIER)


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *class_weight_case("name", "'balanced'", "'equal'", class_weight="equal"),
        *class_weight_case("list", "dict", r"\[1, 2\]", class_weight=[1, 2]),
        *class_weight_case("minus", "non-negative", "-1", class_weight={0: -1}),
        *class_weight_case("nan", "non-negative", "nan", class_weight={1: np.nan}),
        *class_weight_case("inf", "non-negative", "inf", class_weight={1: np.inf}),
        *class_weight_case("unknown", r"\[0, 1, 2\]", class_weight={7: 1}),
        *class_weight_case("zeros", "zero|0", class_weight={0: 0, 1: 0, 2: 0}),
        *class_weight_case(
            "zero-for-all-with-weight",
            "zero|0",
            named="weight",
            class_weight={0: 0},
            sample_weight=(LABELS == 0) * 1.0,
        ),
    ],
)
def test_class_weight_is_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


# -- data of fit --------------------------------------------------------------------------

PRECOMPUTED = {"metric": "precomputed", "bandwidth": 1.0}


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("X", "nan", "missing", "column 1", metric="manhattan", X=with_entry(X, np.nan)),
        *case("X", "inf", "too large", "infinity", "column 1", X=with_entry(X, np.inf)),
        *case("X", "-inf", "too large", "infinity", X=with_entry(X, -np.inf)),
        *case("X", "None-in", "column 1", metric="manhattan", X=with_entry(X, None, object)),
        *case("X", "complex", "complex.* columns .0, 1", X=X + 0j),
        *case("X", "object", "text in column 1", X=with_entry(X, "a", object)),
        *case("X", "dict-in", "float", "dict", X=with_entry(X, {}, object)),
        *case("X", "text", "text in columns .0, 1", X=np.full((12, 2), "b")),
        *case("X", "no-rows", "minimum of 1", "0 sample", X=X[:0], y=Y[:0]),
        *case("X", "no-columns", "minimum of 1", "0 feature", X=X[:, :0]),
        *case("X", "1d", "table", "got 1D", r"reshape\(-1, 1\)", X=X[:, 0]),
        *case("X", "huge-int", "too large", X=with_entry(X, 10**400, object)),
        *case("X", "ragged", "real numbers", X=[[1, 2], [1]] * 6),
        *case("X", "square", "square", r"\(12, 2\)", X=X, **PRECOMPUTED),
        *case("X", "minus", "[Nn]egative", "distances", X=-DISTANCES, **PRECOMPUTED),
        *case("X", "far-nan", "NaN", X=with_entry(DISTANCES, np.nan), **PRECOMPUTED),
    ],
)
def test_training_rows_are_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("Estimator", BOTH)
def test_sparse_rows_and_queries_are_refused(Estimator, form):
    for make in (getattr(sparse, f"{form}_array"), getattr(sparse, f"{form}_matrix")):
        words = r"^X must be dense", "sparse_output=False", r"X\.toarray\(\)"
        check_refused(Estimator, {"X": make(X)}, words)
        model = Estimator().fit(X, LABELS)
        with pytest.raises(TypeError, match=r"X must be dense.*sparse_output=False.*X\.toarray"):
            model.predict(make(X))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": X[:, 0], "b": pd.Categorical([1, 2, 3] * 4)}),
        pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(list("xyz") * 4)}),
        pl.DataFrame({"a": X[:, 0], "b": pl.Series(list("xyz") * 4, dtype=pl.Categorical)}),
        pl.DataFrame({"a": X[:, 0], "b": pl.Series(list("xyz") * 4, dtype=pl.Enum(list("xyz")))}),
    ],
    ids=["pandas-numbers", "pandas-texts", "polars-categorical", "polars-enum"],
)
@pytest.mark.parametrize("Estimator", BOTH)
def test_categorical_columns_are_refused(Estimator, frame):
    # Their codes could pass for numbers.
    words = r"^X must be real numbers", "categories in column 'b'", "categorical_features"
    check_refused(Estimator, {"X": frame, "categorical_features": None}, words)
    model = Estimator().fit(pd.DataFrame({"a": X[:, 0], "b": X[:, 1]}), LABELS)
    with pytest.raises(ValueError, match=r"X must be real numbers; got categories in column 'b'"):
        model.predict(frame)


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("y", "None", "None", y=None),
        *case("y", "short", "12", "5", y=LABELS[:5]),
        *case("y", "long", "12", "24", y=np.tile(LABELS, 2)),
        *case("y", "nan", "NaN", y=with_entry(LABELS, np.nan, float)),
        *case("y", "inf", "infinity", y=with_entry(LABELS, np.inf, float)),
        *case("y", "complex", "got complex", y=Y + 0j),
        *case("y", "complex-objects", "got complex", y=(Y + 0j).astype(object)),
        *case("y", "sparse", "dense", y=sparse.csr_array(LABELS[:, None])),
        *case("y", "categories", "real", "categor", estimators=REGRESSOR, y=pd.Categorical(LABELS)),
        *case(
            "y",
            "text",
            "real",
            "got text",
            "classifier",
            estimators=REGRESSOR,
            y=LABELS.astype(str),
        ),
        *case(
            "y",
            "object",
            "real",
            "got text",
            estimators=REGRESSOR,
            y=with_entry(Y, "a", object),
        ),
        *case(
            "y",
            "None-in",
            "NaN|None",
            estimators=REGRESSOR,
            y=with_entry(Y, None, object),
        ),
        *case("y", "date", "real", "got dates", estimators=REGRESSOR, y=Y.astype("M8[s]")),
        *case("y", "3d", "2", "3", named="dim", estimators=REGRESSOR, y=np.zeros((12, 1, 1))),
        *case(
            "y",
            "numbers",
            "classes",
            "continuous",
            named="regression target",
            estimators=CLASSIFIER,
            y=Y,
        ),
        *case("y", "2d", "1d", r"\(12, 2\)", estimators=CLASSIFIER, y=np.ones((12, 2), int)),
    ],
)
def test_targets_are_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


@pytest.mark.parametrize(
    ("Estimator", "changes", "words"),
    [
        *case("sample_weight", "minus", "Negative", sample_weight=-np.ones(12)),
        *case("sample_weight", "a-minus", "Negative", sample_weight=[1] * 11 + [-1]),
        *case(
            "sample_weight", "zeros", "zero", named="[Ss]ample.weight", sample_weight=np.zeros(12)
        ),
        *case("sample_weight", "zero", "zero", named="[Ss]ample.weight", sample_weight=0.0),
        *case("sample_weight", "nan", "NaN", sample_weight=[1] * 11 + [np.nan]),
        *case("sample_weight", "inf", "infinity", sample_weight=[1] * 11 + [np.inf]),
        *case("sample_weight", "5", r"\(12,\)", r"\(5,\)", sample_weight=[1] * 5),
        *case(
            "sample_weight", "2d", "1D", named="[Ss]ample.weight", sample_weight=np.ones((12, 2))
        ),
    ],
)
def test_sample_weight_is_refused(Estimator, changes, words):
    check_refused(Estimator, changes, words)


# -- queries ------------------------------------------------------------------------------


METHODS = ["predict", "predict_proba", "predict_log_proba", "attention_weights"]


def check_queries_refused(model, queries, match, error=ValueError):
    before = state_of(model)
    for method in METHODS:
        if hasattr(model, method):
            with pytest.raises(error, match=match):
                getattr(model, method)(queries)
    with pytest.raises(error, match=match):
        model.score(queries, LABELS)
    assert state_of(model) == before


@pytest.mark.parametrize("queries", [None, X], ids=["None", "X"])
def test_methods_before_fit_are_refused(Estimator, queries):
    check_queries_refused(Estimator(), queries, "not fitted yet", NotFittedError)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = Estimator().attention_weights_


@pytest.mark.parametrize("weight", [[1.0], [0.0, 2.0, 0.0]], ids=len)
def test_leave_one_out_of_one_row_is_refused(Estimator, weight):
    n = len(weight)
    model = Estimator(bandwidth=1.0).fit(X[:n], LABELS[:n], weight)
    assert_array_equal(model.predict(X), LABELS[n // 2])
    for method in METHODS:
        if hasattr(model, method):
            with pytest.raises(ValueError, match=r"X=None .*at least 2 rows.* got 1 sample"):
                getattr(model, method)(None)


@pytest.mark.parametrize(
    ("queries", "match"),
    [
        (np.ones((12, 1)), "X has 1 features.*expecting 2 features"),
        (np.ones((12, 3)), "X has 3 features.*expecting 2 features"),
        (with_entry(X, np.inf), "X must be finite.* infinity .* in column 1"),
        (X + 0j, "X must be real numbers; got complex numbers"),
        (with_entry(X, "a", object), "X must be real numbers; got text in column 1"),
        (X[:, 0], "Expected 2D array, got 1D array"),
        (X[:0], "0 sample.*minimum of 1"),
    ],
    ids=["1-column", "3-columns", "inf", "complex", "object", "1d", "no-rows"],
)
def test_queries_are_refused(Estimator, queries, match):
    model = Estimator().fit(X, LABELS)
    check_queries_refused(model, queries, f"(?s){match}")


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame] if POLARS_HAS_NAMES else [pd.DataFrame]
)
def test_other_columns_in_queries_are_refused(Estimator, make):
    def frame(*names):
        return make({name: X[:, number % 2] for number, name in enumerate(names)})

    model = Estimator().fit(frame("a", "b"), LABELS)
    names = "(?s)feature names should match those that were passed during fit.*"
    check_queries_refused(model, frame("b", "a"), names + "same order")
    check_queries_refused(model, frame("a", "c"), names + "unseen.*- c.*missing.*- b")
    check_queries_refused(model, frame("a"), names + "missing.*- b")
    check_queries_refused(model, frame("a", "b", "c"), names + "unseen.*- c")


@pytest.mark.parametrize(
    ("queries", "match"),
    [
        (DISTANCES[:, :5], "X has 5 features.*expecting 12 features"),
        (np.column_stack([DISTANCES, DISTANCES]), "X has 24 features.*expecting 12 features"),
        (-DISTANCES, "Negative values in data passed to X.*distances"),
        (with_entry(DISTANCES, -1e-300), "Negative values in data passed to X.*distances"),
        (with_entry(DISTANCES, np.nan), "X must hold distances, none of them NaN"),
    ],
    ids=["5-columns", "24-columns", "minus", "a-minus", "nan"],
)
def test_precomputed_queries_are_refused(Estimator, queries, match):
    model = Estimator(**PRECOMPUTED).fit(DISTANCES, LABELS)
    check_queries_refused(model, queries, match)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, 2.0, "all", np.nan, [2], True, np.True_], ids=repr)
@pytest.mark.parametrize("sparse_output", [False, True])
def test_top_k_is_refused(Estimator, top_k, sparse_output):
    model = Estimator().fit(X, LABELS)
    got = re.escape(repr(top_k))
    with pytest.raises(ValueError, match=rf"top_k must be None or a positive integer; got {got}"):
        model.attention_weights(X, top_k=top_k, sparse_output=sparse_output)
    assert model.attention_weights(X, top_k=13).shape == (12, 12)


# -- mistakes of new users ----------------------------------------------------------------

DAY = pd.date_range("2020-01-01", periods=12)
WRONG_FITS = {
    "text": (
        {
            "X": pd.DataFrame({"a": X[:, 0], "kind": list("ab") * 6}),
            "categorical_features": None,
        },
        "X.*'kind'.*astype.*categorical_features",
    ),
    "dates": ({"X": pd.DataFrame({"a": X[:, 0], "when": DAY})}, "X.*'when'.*Timedelta"),
    "dates only": ({"X": DAY.to_numpy()[:, None]}, "X.*column 0.*Timedelta"),
    "NaN": (
        {"X": with_entry(X, np.nan), "metric": "manhattan"},
        "X.*column 1.*Leave those rows out.*SimpleImputer.*metric='euclidean'",
    ),
    "NA": (
        {"X": pd.DataFrame(X).astype("Float64").mask(X > 1), "metric": "manhattan"},
        "X.*columns? .*SimpleImputer",
    ),
    "masked": (
        {"X": np.ma.masked_greater(X, 1), "metric": "manhattan"},
        "X.*masked.*SimpleImputer",
    ),
    "infinity": ({"X": with_entry(X, np.inf)}, "X.*column 1.*Leave those rows out"),
    "sparse": ({"X": sparse.csr_array(X)}, r"X.*sparse_output=False.*toarray"),
    "categories": (
        {"X": pd.DataFrame({"c": pd.Categorical(LABELS)}), "categorical_features": None},
        "X.*'c'.*categorical_features",
    ),
    "complex": ({"X": X + 0j}, "X.*use their real parts"),
    "one dimension": ({"X": X[:, 0]}, r"X.*reshape\(-1, 1\)"),
    "no rows": ({"X": X[:0], "y": Y[:0]}, "^X and y.*rows.*Pass at least one"),
    "no columns": ({"X": X[:, :0]}, r"^X must have rows and columns.*\(12, 0\).*Pass at least one"),
    "empty frame": ({"X": pd.DataFrame()}, r"^X must have rows and columns.*[^.]\. Pass at least"),
    "no table": ({"X": None}, "^X must be a table of rows and columns, such as .*got None"),
    "dictionary": ({"X": {"a": X[:, 0]}}, r"^X must be a table.*got a dictionary \(dict\)"),
    "scalar": ({"X": 3.0}, "^X must be a table of rows and columns.*got scalar"),
    "file name": ({"X": "data.csv"}, "^X must be real numbers.*'data.csv'.*Pass a data frame"),
    "dictionaries": ({"X": [{"a": 1}] * 12}, "^X must be real numbers.*'dict'.*a list of rows"),
    "generator": ({"X": (n for n in X)}, "^X must be real numbers.*'generator'.*Pass a data frame"),
    "ragged": ({"X": [[1, 2], [1]] * 6}, "^X must be real numbers.*of the same length"),
    "list of texts": ({"X": ["a"] * 12}, "^X must be real numbers; got text.*astype"),
    "objects": ({"X": with_entry(X, {}, object)}, "^X must be real numbers.*'dict'"),
    "more dimensions": ({"X": X[:, :, None]}, "^X must have no more dimensions.*3.*Reshape"),
    "periods": ({"X": pd.DataFrame({"t": DAY.to_period("D")})}, "^X.*periods in column 't'.*days"),
    "durations": ({"X": pd.DataFrame({"t": DAY - DAY[0]})}, "^X.*durations in column 't'.*Timed"),
    "two kinds": (
        {"X": pd.DataFrame({"kind": pd.Series([1, "a"] * 6, dtype=object)})},
        "^X must hold categories of one kind.*'kind'.*astype",
    ),
    "names of two kinds": (
        {"X": pd.DataFrame(X, columns=["a", 1])},
        r"string names.*\['int', 'str'\].*X.columns.astype",
    ),
    "lengths": ({"y": LABELS[:5]}, r"X and y.*\[12, 5\].*one target for each row"),
    "no targets": ({"y": None}, "requires y to be passed"),
    "missing target": ({"y": with_entry(LABELS, np.nan, float)}, "y.*missing.*Leave those rows"),
    "masked target": ({"y": np.ma.masked_equal(LABELS, 1)}, "y.*masked.*Leave those rows"),
    "infinite target": ({"y": with_entry(LABELS, np.inf, float)}, "y.*finite.*Leave those rows"),
    "scalar target": ({"y": 3.0}, "^y must (have|be) one (entry|class label) for each row"),
    "targets of more dimensions": ({"y": np.ones((12, 1, 1))}, "y.*(3|1d).*"),
    "sparse targets": ({"y": sparse.csr_array(LABELS[:, None])}, r"^y must be dense.*toarray"),
    "complex targets": ({"y": Y + 1j}, "^y must be .*got complex numbers"),
    "weights": ({"sample_weight": [1] * 5}, r"sample_weight.*one for each row of X.*\(12,\)"),
    "missing weight": ({"sample_weight": [1] * 11 + [None]}, "sample_weight.*missing.*a weight"),
    "masked weight": ({"sample_weight": np.ma.masked_equal(LABELS, 1)}, "sample_weight.*masked"),
    "dates as weights": ({"sample_weight": DAY}, "sample_weight.*dates.*Timedelta"),
    "negative weight": (
        {"sample_weight": [1] * 11 + [-1]},
        "^sample_weight must not be negative.*weight 0",
    ),
    "no weight": ({"sample_weight": np.zeros(12)}, "^sample_weight must have a weight that is not"),
    "weights in columns": (
        {"sample_weight": np.ones((12, 2))},
        "^sample_weight must be one number.*1D array",
    ),
    "texts as weights": ({"sample_weight": ["a"] * 12}, "^sample_weight.*text.*astype.float..$"),
    "kernel": ({"kernel": "gausian"}, "kernel.*gaussian.*'gausian'"),
    "categories by name": (
        {"categorical_features": ["kind"]},
        r"^categorical_features.*by name or by position; got 'kind', and the columns are \[0, 1\]",
    ),
    "period": ({"periodic_features": {0: -24}}, "^periodic_features.*positive period.*-24"),
    "order": (
        {"X": pd.DataFrame({"k": list("ab") * 6}), "ordered_features": ["k"]},
        "^ordered_features.*'k' holds text.*pd.Categorical",
    ),
    "one_sided": ({"one_sided": "when"}, "^one_sided must give columns of X.*'when'"),
    "distances": (
        {"metric": "precomputed"},
        r"^X must be a square matrix of distances.*\(12, 2\)",
    ),
    "negative distances": ({"X": -DISTANCES, "metric": "precomputed"}, "Negative.*X.*distances"),
    "metric": ({"metric": "euclidian"}, "metric must be 'euclidean'.*'euclidian'"),
    "algorithm": ({"algorithm": "kd_tree"}, "algorithm.*'blocks'.*'kd_tree'"),
    "handle_empty": ({"handle_empty": "drop"}, "handle_empty.*'nearest'.*'drop'"),
    "tol": ({"tol": False}, "tol.*0.1.*False"),
    "n_jobs": ({"n_jobs": True}, "n_jobs.*None.*True"),
}
WRONG_TARGETS = {
    "text": (NadarayaWatsonRegressor, list("abc") * 4, "^y.*got text.*use a classifier"),
    "text in a column": (
        NadarayaWatsonRegressor,
        pd.DataFrame({"a": Y, "b": list("abc") * 4}),
        "^y.*text in column 'b'.*astype",
    ),
    "dates": (NadarayaWatsonRegressor, DAY, "^y must be real numbers; got dates.*Timedelta"),
    "numbers": (NadarayaWatsonClassifier, Y, "^y must be class labels.*continuous.*a regressor"),
    "one-hot": (
        NadarayaWatsonClassifier,
        np.eye(3, dtype=int)[LABELS],
        r"^y must be one class label for each row.*\(12, 3\).*argmax",
    ),
    "two kinds": (
        NadarayaWatsonClassifier,
        np.array([1, "a"] * 6, dtype=object),
        "^y must be class labels.*astype",
    ),
}
WRONG_BANDWIDTHS = {
    "length": ([1.0, 2.0, 3.0], r"bandwidth must be a non-negative number or 2 of them"),
    "name": ("scot", "bandwidth.*scott.*'scot'"),
    "negative": (-1.0, "bandwidth.*-1"),
    "k": (KNearest(True), "bandwidth.*integer k from 1 to n_samples.*True"),
    "True": ([True, True], "bandwidth must be a non-negative number or 2 of them.*True"),
}
WRONG_SEARCHES = {
    "bandwidths": ({"bandwidths": []}, "bandwidths must be 'auto' or at least one"),
    "subsample": ({"subsample": True}, "subsample.*int.*True"),
    "shrinkage": ({"shrinkage": True}, "shrinkage.*float.*True"),
    "scoring": ({"scoring": "aic"}, "'scoring' parameter|'aic' is not a valid scoring"),
    "scoring-1": ({"scoring": lambda e, X, y: e.bandwidth_}, "scoring.*'bandwidth_'.*cv"),
    "scoring-2": ({"scoring": lambda e, X, y: e.predict_cdf(X)}, "scoring.*'predict_cdf'.*cv"),
    "cv": ({"cv": True}, "cv.*True"),
    "cv-100": ({"cv": 100}, "^cv must make at most as many splits.*100.*Use fewer"),
    "one bandwidth": ({"bandwidths": 1.0}, "'bandwidths' parameter.*'auto'.*array-like.*1.0"),
    "degrees": ({"degrees": [2]}, r"^degrees must hold 0, 1 or both; got \[2\]"),
    "gap": ({"gap": ("when", 1.0)}, "^gap must give columns of X.*'when'"),
}
SEARCHES = {
    NadarayaWatsonRegressor: NadarayaWatsonRegressorCV,
    NadarayaWatsonClassifier: NadarayaWatsonClassifierCV,
}


@cache
def pickled(Estimator):
    y = LABELS.astype(float) if issubclass(Estimator, NadarayaWatsonRegressor) else LABELS
    model = Estimator().fit(X[::2], y[::2])
    return pickle.dumps((model, model.predict(X)))


def fitted_before(Estimator):
    """An estimator fitted to other rows, and its predictions."""
    return pickle.loads(pickled(Estimator))


def walk_through(model, data, match):
    """Fails on the first fit and on a later one, and changes nothing."""
    y = LABELS.astype(float) if isinstance(model, NadarayaWatsonRegressor) else LABELS
    given = {"X": X, "y": y, "sample_weight": None} | data
    before = state_of(model)
    with pytest.raises((ValueError, TypeError, AttributeError), match=f"(?s){match}"):
        model.fit(**given)
    assert state_of(model) == before
    fitted, predictions = fitted_before(type(model))
    fitted.set_params(**model.get_params())
    before = state_of(fitted)
    with pytest.raises((ValueError, TypeError, AttributeError), match=f"(?s){match}"):
        fitted.fit(**given)
    assert state_of(fitted) == before
    if not set(model.get_params()) & set(data):
        fitted.set_params(**type(model)().get_params())
        assert_array_equal(fitted.predict(X), predictions)


@pytest.mark.parametrize("search", [False, True], ids=["plain", "CV"])
@pytest.mark.parametrize("name", WRONG_FITS)
def test_mistaken_training_rows_are_refused(Estimator, search, name):
    changes, match = WRONG_FITS[name]
    data = {key: value for key, value in changes.items() if key in ("X", "y", "sample_weight")}
    parameters = {key: value for key, value in changes.items() if key not in data}
    make = SEARCHES[Estimator] if search else Estimator
    walk_through(make(**parameters), data, match)


@pytest.mark.parametrize(
    ("name", "bad"),
    [("n_jobs", "x"), ("n_jobs", 0), ("tol", -1), ("algorithm", None), ("handle_empty", "drop")],
)
def test_parameters_of_predictions_are_checked_after_set_params(Estimator, name, bad):
    fitted, predictions = fitted_before(Estimator)
    good = fitted.get_params()[name]
    fitted.set_params(**{name: bad})
    methods = ["predict", "attention_weights", "explain", "gradient", "score_samples"]
    methods += ["predict_interval", "standard_error"] if hasattr(fitted, "predict_band") else []
    for method in methods:
        with pytest.raises(ValueError, match=f"'{name}' parameter of .*{bad!r}"):
            getattr(fitted, method)(X)
    with pytest.raises(ValueError, match=f"'{name}' parameter of .*{bad!r}"):
        fitted.attention_weights_  # noqa: B018
    assert_array_equal(fitted.set_params(**{name: good}).predict(X), predictions)


def test_other_parameters_are_those_of_the_fit(Estimator):
    fitted, predictions = fitted_before(Estimator)
    density = fitted.score_samples(X)
    others = fitted.get_params().keys() - {"handle_empty", "algorithm", "tol", "n_jobs"}
    fitted.set_params(**dict.fromkeys(others, "x"))
    assert_array_equal(fitted.predict(X), predictions)
    assert_array_equal(fitted.score_samples(X), density)


def test_local_slopes_are_those_of_the_fitted_degree():
    lines = NadarayaWatsonRegressor(degree=1).fit(X, X[:, 0])
    slopes = lines.local_slopes(X)
    assert_array_equal(lines.set_params(degree=0).local_slopes(X), slopes)
    means = NadarayaWatsonRegressor(degree=0).fit(X, X[:, 0]).set_params(degree=1)
    with pytest.raises(ValueError, match=r"local_slopes needs degree=1"):
        means.local_slopes(X)


@pytest.mark.parametrize("search", [False, True], ids=["plain", "CV"])
@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_mistaken_targets_are_refused(search, name):
    Estimator, y, match = WRONG_TARGETS[name]
    walk_through((SEARCHES[Estimator] if search else Estimator)(), {"y": y}, match)


@pytest.mark.parametrize("search", [False, True], ids=["plain", "CV"])
@pytest.mark.parametrize("name", WRONG_BANDWIDTHS)
def test_mistaken_bandwidths_are_refused(Estimator, search, name):
    bandwidth, match = WRONG_BANDWIDTHS[name]
    if search:
        walk_through(SEARCHES[Estimator](bandwidths=["scott", bandwidth]), {}, match)
    else:
        walk_through(Estimator(bandwidth=bandwidth), {}, match)


@pytest.mark.parametrize("name", WRONG_SEARCHES)
def test_mistaken_searches_are_refused(Estimator, name):
    changes, match = WRONG_SEARCHES[name]
    walk_through(SEARCHES[Estimator](**changes), {}, match)


@pytest.mark.parametrize(
    ("queries", "match"),
    [
        (X[:, :1], "X has 1 features.*Pass the columns that fit was given, in their order"),
        (X[0], r"X must be a table.*reshape\(1, -1\)"),
        (sparse.csr_array(X), r"X.*sparse_output=False.*toarray"),
        (X.astype("M8[s]"), r"X.*dates in columns \[0, 1\].*Timedelta"),
        (X.astype(str), "X.*text in columns.*astype.*categorical_features"),
        (X[:0], "X must have rows.*Pass at least one"),
    ],
    ids=["columns", "1d", "sparse", "dates", "text", "no-rows"],
)
def test_mistaken_queries_are_refused(Estimator, queries, match):
    for make in (Estimator, SEARCHES[Estimator]):
        model = make().fit(X, LABELS)
        before = state_of(model)
        for method in (model.predict, model.attention_weights, model.explain, model.gradient):
            with pytest.raises((ValueError, TypeError), match=f"(?s){match}"):
                method(queries)
        assert state_of(model) == before
        with pytest.raises(NotFittedError, match=r"not fitted yet. Call 'fit'"):
            make().predict(queries)


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (lambda frame: frame.iloc[0], r"^X must be a table.*3 features\. Pass one row.*X\[:1\]"),
        (lambda frame: dict(frame.iloc[0]), r"^X must be a table.*got a dictionary \(dict\)"),
    ],
    ids=["series", "dictionary"],
)
def test_one_row_of_text_and_numbers_is_refused_unless_it_is_a_table(Estimator, row, match):
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(c=list("xyz") * 4)
    model = Estimator().fit(frame, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names of columns
        with pytest.raises(ValueError, match=match):
            model.predict(row(frame))


def test_text_in_arrays_from_a_pipeline_is_refused_with_the_remedy(Estimator):
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(c=list("xyz") * 4)
    keep = ColumnTransformer([("keep", "passthrough", ["c"])], remainder="passthrough")
    pipe = make_pipeline(keep, Estimator())
    with pytest.raises(ValueError, match=r"text in column 0.*set_output\(transform='pandas'\)"):
        pipe.fit(frame, LABELS)
    pipe.set_output(transform="pandas").fit(frame, LABELS).predict(frame)


def test_scores_of_another_shape_are_refused():
    for Search, scoring, what in (
        (NadarayaWatsonRegressorCV, "accuracy", "numbers"),
        (NadarayaWatsonClassifierCV, "neg_max_error", "class labels"),
    ):
        y = np.array(["a", "b", "c"])[LABELS] if what == "class labels" else Y
        walk_through(
            Search(scoring=scoring),
            {"y": y},
            f"^scoring must be a scorer of {what}; got '{scoring}'",
        )


def test_unknown_parameters_are_refused(Estimator):
    for make in (Estimator, SEARCHES[Estimator]):
        with pytest.raises(TypeError, match="unexpected keyword argument 'n_neighbors'"):
            make(n_neighbors=2)
        with pytest.raises(ValueError, match=r"Invalid parameter 'gamma'.*'kernel'"):
            make().set_params(gamma=1)


def test_search_over_one_row_is_refused(Estimator):
    match = f"at least 2 rows.*got 1 sample. Pass more rows, or use {Estimator.__name__}"
    walk_through(SEARCHES[Estimator](), {"X": X[:1], "y": [0]}, match)


def test_score_with_another_number_of_rows_is_refused(Estimator):
    model = Estimator().fit(X, LABELS)
    for rows, what in ((X, "rows of X"), (None, "training rows")):
        for wrong in ((LABELS[:5],), (LABELS, np.ones(5))):
            match = rf"one entry for each of the {what}: .*\[.*5"
            with pytest.raises(ValueError, match=match):
                model.score(rows, *wrong)


def test_columns_that_fit_did_not_see_are_refused(Estimator):
    frame = pd.DataFrame(X, columns=["age", "income"]).assign(kind=list("abc") * 4)
    for make in (Estimator, SEARCHES[Estimator]):
        model = make().fit(frame, LABELS)
        for queries, match in (
            (frame[["age", "income"]], "X must have the columns of fit.*missing:\n- kind"),
            (frame.rename(columns={"age": "Age"}), "unseen at fit time:\n- Age.*missing:\n- age"),
            (frame[["income", "age", "kind"]], "same order.*Select them by name"),
            (frame.assign(age="old"), "X must be real numbers; got text in column 'age'"),
            (frame.assign(kind=1), "'kind' what it held in fit, text; got numbers"),
            (frame.assign(age=np.inf), "X must be finite.*column 'age'"),
        ):
            with pytest.raises(ValueError, match=f"(?s){match}"):
                model.predict(queries)
        assert np.isfinite(model.predict(frame.assign(kind="new"))).all()


def test_booleans_for_numbers_are_refused():
    model = NadarayaWatsonRegressor().fit(X, Y)
    for wrong in (True, False, np.True_):
        for method, name in (
            (model.predict_band, "n_bootstrap"),
            (model.predict_band, "coverage"),
            (model.predict_interval, "coverage"),
            (model.predict_quantiles, "quantiles"),
            (model.predict_cdf, "thresholds"),
            (model.explain, "top_k"),
        ):
            with pytest.raises(ValueError, match=f"{name} must be .* got {wrong!r}"):
                method(X, **{name: wrong})
    for wrong in (["0.5"], [0.5, None], np.ma.masked_equal([0.5, 0.7], 0.7), [1j]):
        with pytest.raises(ValueError, match="quantiles must be a number or a list of numbers"):
            model.predict_quantiles(X, wrong)
    with pytest.raises(ValueError, match="thresholds must be"):
        model.predict_cdf(X, DAY.to_numpy())
