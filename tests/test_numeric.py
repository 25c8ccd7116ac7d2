"""Data that are not real numbers are refused, with the column named."""

import datetime as dt
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from means import NadarayaWatsonClassifierCV
from numpy.testing import assert_allclose
from scipy import sparse

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV

REGRESSORS = NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
CLASSIFIERS = NadarayaWatsonClassifier, NadarayaWatsonClassifierCV

N = 6
NUMBERS = np.arange(float(N))
X = np.column_stack([NUMBERS, NUMBERS**2])
LABELS = np.arange(N) % 2
DAYS = pd.date_range("2020-01-01", periods=N)
DATES = [day.date() for day in DAYS]
TIMES = [dt.time(hour) for hour in range(N)]
GAP = [1, 2, None, 4, None, 6]


def refused_by_fit(Estimator, match, X=X, y=None, sample_weight=None, **parameters):
    y = (LABELS if Estimator in CLASSIFIERS else NUMBERS) if y is None else y
    model = Estimator(**parameters)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y, sample_weight)
    assert vars(model) == before


def refused_as_rows(data, match, **parameters):
    for Estimator in REGRESSORS + CLASSIFIERS:
        refused_by_fit(Estimator, match, X=data, **parameters)
    names = getattr(data, "columns", None)
    known = np.ones((N, len(X.T if names is None else names))) * NUMBERS[:, None]
    known = known if names is None else type(data)(dict(zip(names, known.T)))
    model = NadarayaWatsonRegressor(metric=parameters.get("metric", "euclidean"))
    model.fit(known, NUMBERS)
    for method in (model.predict, model.attention_weights, model.explain, model.predict_interval):
        with pytest.raises((ValueError, TypeError), match=match):
            method(data)


# -- dates, durations, times of day ------------------------------------------------------------

SINCE = r"\(t - t0\) / pd\.Timedelta\('1D'\)"
LENGTH = r"Convert them: t / pd\.Timedelta\('1D'\)"
POLARS_SINCE = r"\(t - t0\)\.dt\.total_seconds\(\) / 86400"
DATED = {
    "ns": (DAYS.astype("M8[ns]"), "dates", SINCE),
    "s": (DAYS.astype("M8[s]"), "dates", SINCE),
    "time zone": (DAYS.tz_localize("Europe/Berlin"), "dates", SINCE),
    "NaT": (DAYS.where(DAYS != DAYS[2]), "dates", SINCE),
    "timedelta": (DAYS - DAYS[0], "durations", LENGTH),
    "period": (DAYS.to_period("D"), "periods", r"\(t\.dt\.to_timestamp\(\) - t0\)"),
    "date": (np.array(DATES, dtype=object), "dates", SINCE),
    "datetime": (DAYS.to_pydatetime(), "dates", SINCE),
    "timestamps": (np.array([*DAYS], dtype=object), "dates", SINCE),
    "timedeltas": (np.array([dt.timedelta(i) for i in range(N)]), "durations", LENGTH),
    "periods": (np.array([*DAYS.to_period("D")]), "periods", r"\.to_timestamp\(\)"),
    "times": (np.array(TIMES), "times of day", r"t\.hour \+ t\.minute / 60"),
}


@pytest.mark.parametrize("name", DATED)
def test_dates_in_a_frame_are_refused(name):
    column, what, advice = DATED[name]
    frame = pd.DataFrame({"length": NUMBERS, "when": column})
    match = rf"X must be real numbers; got {what} in column 'when'.*{advice}"
    refused_as_rows(frame, match)
    # NumPy sees a frame of dates only as integers.
    refused_by_fit(NadarayaWatsonRegressor, match, X=frame[["when"]])


@pytest.mark.parametrize("name", DATED)
def test_dates_as_targets_or_weights_are_refused(name):
    column, what, advice = DATED[name]
    for Estimator in REGRESSORS:
        for data in (column, pd.Series(column), list(column)):
            refused_by_fit(Estimator, rf"^y must be real numbers; got {what}\..*{advice}", y=data)
        frame = pd.DataFrame({"length": NUMBERS, "when": column})
        refused_by_fit(Estimator, f"^y must .* {what} in column 'when'.*{advice}", y=frame)
    match = f"^sample_weight must be real numbers; got {what}"
    refused_by_fit(NadarayaWatsonRegressor, match, sample_weight=column)


@pytest.mark.parametrize("unit", ["D", "s", "ns"])
@pytest.mark.parametrize(("kind", "what"), [("M8", "dates"), ("m8", "durations")])
def test_dates_in_arrays_are_refused(kind, what, unit):
    array = X.astype("int64").astype(f"{kind}[{unit}]")
    refused_as_rows(array, rf"X must be real numbers; got {what} in columns \[0, 1\]")
    one = np.column_stack([NUMBERS.astype(object), np.array(DATES, dtype=object)])
    refused_as_rows(one, "X must be real numbers; got dates in column 1")
    refused_as_rows(one.tolist(), "X must be real numbers; got dates in column 1")


@pytest.mark.parametrize(
    ("column", "what", "advice"),
    [
        (DATES, "dates", POLARS_SINCE),
        (DAYS.to_pydatetime().tolist(), "dates", POLARS_SINCE),
        ([dt.timedelta(i) for i in range(N)], "durations", r"t\.dt\.total_seconds\(\) / 86400"),
        (TIMES, "times of day", r"t\.hour"),
    ],
    ids=["date", "datetime", "duration", "time"],
)
def test_dates_in_polars_are_refused(column, what, advice):
    frame = pl.DataFrame({"length": NUMBERS, "when": column})
    refused_as_rows(frame, rf"X must be real numbers; got {what} in column 'when'.*{advice}")
    for y in (frame["when"], frame[["when"]]):
        refused_by_fit(NadarayaWatsonRegressor, f"y must .* {what}.*{advice}", y=y)


def test_dates_in_pyarrow_are_refused():
    pa = pytest.importorskip("pyarrow")
    for kind, values, what in (
        (pa.timestamp("ns"), DAYS, "dates"),
        (pa.timestamp("s", "UTC"), DAYS.tz_localize("UTC"), "dates"),
        (pa.date32(), DATES, "dates"),
        (pa.duration("us"), DAYS - DAYS[0], "durations"),
        (pa.time64("us"), TIMES, "times of day"),
        (pa.string(), list("abcdef"), "text"),
        (pa.dictionary(pa.int32(), pa.string()), list("abcdef"), "categories"),
    ):
        column = pd.array(pa.array(list(values), type=kind), dtype=pd.ArrowDtype(kind))
        frame = pd.DataFrame({"length": NUMBERS, "when": column})
        match = f"X must be real numbers; got {what} in column 'when'"
        refused_as_rows(frame, match, categorical_features=None)
        refused_by_fit(NadarayaWatsonRegressor, f"y must be .*{what}", y=frame["when"])
    gap = pd.DataFrame({"a": NUMBERS, "b": pd.array(GAP, dtype=pd.ArrowDtype(pa.float64()))})
    match = "X must have no missing values; 2 values .* in column 'b'"
    refused_as_rows(gap, match, metric="manhattan")
    whole = pd.DataFrame(X, dtype=pd.ArrowDtype(pa.float64()))
    assert_same_predictions(whole)


def assert_same_predictions(data):
    got = NadarayaWatsonRegressor().fit(data, NUMBERS).predict(data)
    assert_allclose(got, NadarayaWatsonRegressor().fit(X, NUMBERS).predict(X), rtol=1e-12)


def test_the_advised_conversions_work():
    """Each conversion is read from the message and run."""
    column = {name: pd.Series(DATED[name][0]) for name in ("ns", "s", "period", "timedelta")}
    column |= {name: DATED[name][0] for name in ("date", "datetime", "timedeltas")}
    column["days"] = np.array(DATES, "M8[D]")
    column["polars dates"], column["polars"] = pl.Series(DATES), pl.Series([*column["timedeltas"]])
    for name, t in column.items():
        with pytest.raises(ValueError, match="y must be real numbers") as error:
            NadarayaWatsonRegressor().fit(X, t)
        code = re.search(r": ([^:]*) is a number of days", str(error.value))[1]
        days = eval(code, {"t": t, "t0": DAYS[0] if name == "period" else t[0], "pd": pd})
        assert_allclose(np.asarray(days, dtype=float), NUMBERS)
    with pytest.raises(ValueError, match="y must be real numbers") as error:
        NadarayaWatsonRegressor().fit(X, TIMES)
    code = re.search(r"hours: (\[.*\])", str(error.value))[1]
    assert_allclose(eval(code, {"column": TIMES}), NUMBERS)


def test_dates_may_be_labels():
    """As in scikit-learn's classifiers, for dates of any unit."""
    for unit in ("D", "ns"):
        labels = np.array(["2020-01-01", "2020-05-01"], f"M8[{unit}]")[LABELS]
        model = NadarayaWatsonClassifier(bandwidth=0).fit(X, labels)
        np.testing.assert_array_equal(model.predict(X), labels)
        labels[2] = "NaT"
        for Estimator in CLASSIFIERS:
            refused_by_fit(Estimator, "^y must have no missing values; 1 value is", y=labels)
    match = r"^y must be class labels .*y\.astype\(str\)"
    refused_by_fit(NadarayaWatsonClassifier, match, y=np.array(DATES, dtype=object))


# -- missing and masked values -----------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pd.array(GAP, dtype="Int64"),
        pd.array(GAP, dtype="Float64"),
        pd.array([None if value is None else value > 3 for value in GAP], dtype="boolean"),
        np.array(GAP, dtype=float),
        np.array(GAP, dtype=object),
        np.array([pd.NA if value is None else value for value in GAP], dtype=object),
        pd.Series(np.ma.array(NUMBERS, mask=[value is None for value in GAP])),
        pl.Series(GAP),
    ],
    ids=["Int64", "Float64", "boolean", "NaN", "None", "NA", "masked", "polars"],
)
def test_missing_values_are_refused(column):
    make = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    words = "must have no missing values; 2 values are"
    frame, match = make({"a": NUMBERS, "b": column}), rf"^X {words} .* in column 'b'.*SimpleImputer"
    refused_as_rows(frame, match, metric="manhattan")
    for Estimator in REGRESSORS + CLASSIFIERS:
        refused_by_fit(Estimator, rf"^y {words} .*Leave those rows out", y=column)
        refused_by_fit(Estimator, rf"^sample_weight {words} .* a weight", sample_weight=column)


def test_missing_labels_are_refused():
    text = np.array(["a", "b", None, "a", "b", "a"], dtype=object)
    for labels in (text, list(text), pd.Series(text, dtype="string"), pd.Categorical(text)):
        for Estimator in CLASSIFIERS:
            refused_by_fit(Estimator, "^y must have no missing values; 1 value is", y=labels)
    refused_by_fit(NadarayaWatsonClassifier, "^y must have no missing values", y=pl.Series([*text]))


def test_masked_values_are_missing():
    mask = NUMBERS == 3
    masked = np.ma.array(np.where(mask, 999, NUMBERS), mask=mask)
    words = "must have no missing values; 1 value is"
    table = np.ma.column_stack([NUMBERS, masked])
    for rows in (table, [*table], table.astype(object).tolist()):
        refused_as_rows(rows, f"X {words} .* in column 1", metric="manhattan")
    for Estimator in REGRESSORS + CLASSIFIERS:
        whole = masked.astype(int)
        for y in (whole, whole[:, None], [1, 0, np.ma.masked, 0, 1, 0]):
            refused_by_fit(Estimator, f"y {words}", y=y)
        refused_by_fit(Estimator, f"sample_weight {words}", sample_weight=masked)
    refused_by_fit(NadarayaWatsonRegressor, f"y {words} .* in column 1", y=table)


@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def test_scores_refuse_masked_values(Estimator):
    model = Estimator().fit(X, NUMBERS.astype(int))
    masked = np.ma.array(NUMBERS.astype(int), mask=NUMBERS == 3)
    for rows in (X, None):
        with pytest.raises(ValueError, match="y must have no missing values; 1 value is"):
            model.score(rows, masked)
        with pytest.raises(ValueError, match="sample_weight must have no missing values"):
            model.score(rows, NUMBERS.astype(int), masked)


def test_an_empty_mask_is_ignored():
    assert_same_predictions(np.ma.array(X))
    assert_same_predictions(np.ma.array(X, mask=np.zeros_like(X)))
    assert_same_predictions([np.ma.array(row) for row in X])


def test_infinity_is_refused():
    frame = pd.DataFrame({"a": NUMBERS, "b": np.where(NUMBERS == 2, np.inf, 1)})
    refused_as_rows(frame, "^X must be finite; it contains infinity .* in column 'b'")
    refused_by_fit(NadarayaWatsonRegressor, "^y must be finite", y=frame["b"])
    refused_by_fit(
        NadarayaWatsonRegressor, "^sample_weight must be finite", sample_weight=frame["b"]
    )


# -- text, categories, complex numbers, sparse data --------------------------------------------


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_text_is_refused(make):
    frame = make({"a": NUMBERS, "b": list("abcdef"), "c": list("123456")})
    words = "must be real numbers; got text in"
    match = rf"^X {words} columns \['b', 'c'\].*astype\(float\).*categorical_features"
    refused_as_rows(frame, match, categorical_features=None)
    for Estimator in REGRESSORS:
        refused_by_fit(Estimator, rf"^y {words} columns .*astype\(float\).*classifier", y=frame)
    for column in (list("abcdef"), list("123456"), np.array([b"1"] * N)):
        match = r"^sample_weight must be real numbers; got text\..*astype\(float\)"
        refused_by_fit(NadarayaWatsonRegressor, match, sample_weight=column)
    frame = pd.DataFrame({"a": NUMBERS, "b": pd.array(list("abcdef"), "string")})
    refused_as_rows(frame, words, categorical_features=None)
    refused_as_rows([[1, "a"]] * N, "^X must be real numbers; got text in column 1")


def test_complex_numbers_are_refused():
    match = "X must be real numbers; got complex numbers in column"
    refused_as_rows(X + 0j, match)
    refused_as_rows((X + 0j).astype("complex64").astype(object), match)
    refused_as_rows(pd.DataFrame({"a": NUMBERS, "b": NUMBERS + 0j}), f"{match} 'b'")


@pytest.mark.parametrize("data", [sparse.csr_array(X), sparse.coo_matrix(X)], ids=["csr", "coo"])
def test_sparse_data_are_refused(data):
    advice = r"must be dense; .*OneHotEncoder\(sparse_output=False\).*{}\.toarray\(\)"
    refused_as_rows(data, "X " + advice.format("X"))
    refused_by_fit(NadarayaWatsonRegressor, "^y " + advice.format("y"), y=data)
    refused_by_fit(NadarayaWatsonClassifier, "^y " + advice.format("y"), y=data)


def test_messages_shorten_many_columns():
    match = r"in columns \[0, 1, 2, 3, 4, 5, 6, 7, 8, 9\] and 990 more\."
    refused_by_fit(NadarayaWatsonRegressor, match, X=np.full((N, 1000), "a"))


def test_sparse_columns_are_refused():
    a, b = (pd.arrays.SparseArray(column) for column in X.T)
    refused_as_rows(pd.DataFrame({"a": a, "b": b}), r"X must be dense; .*X\.sparse\.to_dense\(\)")


def test_other_numeric_types_are_taken():
    assert_same_predictions(X.tolist())
    assert_same_predictions(tuple(map(tuple, X)))
    assert_same_predictions(X.astype(object))
    assert_same_predictions(pd.DataFrame(X, columns=["a", "b"]))
    assert_same_predictions(pd.DataFrame(X).astype("Int64"))
    assert_same_predictions(pl.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(int)}))
    flags = np.column_stack([NUMBERS, NUMBERS > 2])
    expected = NadarayaWatsonRegressor().fit(flags, NUMBERS).predict(flags)
    for make, kind in ((pd.DataFrame, bool), (pd.DataFrame, "boolean"), (pl.DataFrame, bool)):
        flag = pd.Series(NUMBERS > 2).astype(kind)
        frame = make({"a": NUMBERS, "b": flag if make is pd.DataFrame else flag.to_numpy()})
        assert_allclose(NadarayaWatsonRegressor().fit(frame, NUMBERS).predict(frame), expected)
