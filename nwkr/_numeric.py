"""Whether data are real numbers, told by column before NumPy takes something else for them.

Dates and durations would become integers in some unit, codes of categories would pass for
numbers, and values behind a mask would come back.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import Any

import numpy as np
from scipy import sparse

from nwkr._lazy import is_lazy

__all__ = ["explain_not_finite", "require_labels", "require_numbers"]

# Types of numbers, which need no look.
_PLAIN = re.compile(r"(torch\.)?(u?int|float)\d|bool|double")
# What a column holds, by the name of its type in NumPy, pandas, PyArrow or polars.
_BY_DTYPE = (
    ("dates", r"date|timestamp"),
    ("periods", r"period"),
    ("durations", r"timedelta|duration"),
    ("times of day", r"time(32|64)?\b"),
    ("categories", r"categor|enum|dictionary"),
    ("text", r"(large_)?str(ing)?(_view)?(\[|$)|utf8|(large_)?binary|[<>|=][us]\d"),
    ("complex numbers", r"complex"),
)
# What an object is, by its class.
_BY_CLASS = (
    ("dates", (date, np.datetime64)),
    ("durations", (timedelta, np.timedelta64)),
    ("times of day", (time,)),
    ("text", (str, bytes)),
    ("complex numbers", (complex, np.complexfloating)),
    ("nothing", (type(None), np.ma.core.MaskedConstant)),
)
_BY_CLASS_NAME = {"Period": "periods", "NAType": "nothing"}  # of pandas
_MOST_NAMED = 10  # columns, in a message
_ENCODE = "Encode them first, for instance with OneHotEncoder(sparse_output=False)"
_ADVICE = {
    "dates": "Convert them, with one origin t0 for all data: {since} is a number of days.",
    "periods": "Convert them, with one origin t0 for all data: (t.dt.to_timestamp() - t0) / "
    "pd.Timedelta('1D') is a number of days.",
    "durations": "Convert them: {days} is a number of days.",
    "times of day": "Convert them, for instance to hours: "
    "[t.hour + t.minute / 60 for t in column].",
    "categories": f"{_ENCODE} of scikit-learn.",
    "text": f"{_ENCODE} of scikit-learn; convert text that spells numbers with astype(float).",
    "complex numbers": "Complex data not supported: take their real parts, their absolute "
    "values, or both parts as columns.",
}
_SPELLED = "Convert text that spells numbers with astype(float); for labels take a classifier."
_MISSING = {
    "X": "Leave those rows out, or fill them in, for instance with SimpleImputer of scikit-learn.",
    "sample_weight": "Give each row a weight, 0 for one that is not to count.",
}


def require_numbers(name: str, data: Any) -> None:
    """Refuse what is not real numbers, naming the columns and what to do.

    What is not recognised, and NaN, passes for scikit-learn to convert or refuse.

    Parameters
    ----------
    name : str
        What the data are called in messages.
    data : array-like
        Data frame, array or nested list.

    Raises
    ------
    TypeError
        If the data are sparse, or a Dask collection.
    ValueError
        If they hold dates, durations, categories, text or complex numbers, or nothing.
    """
    _refuse_lazy(name, data)
    _refuse_sparse(name, data)
    found: dict[str, list] = {}
    missing = {}
    for label, dtype, column in _unusual_columns(data):
        what = _held(dtype, column)
        if what == "nothing":
            missing[label] = _n_missing(column)
        elif what is not None:
            found.setdefault(what, []).append(label)
    for what, labels in found.items():
        advice = _ADVICE[what]
        if name != "X" and what == "text":
            advice = _SPELLED
        if type(data).__module__.startswith("polars"):
            words = {"since": "(t - t0).dt.total_seconds() / 86400"}
            words["days"] = "t.dt.total_seconds() / 86400"
        else:
            words = {"since": "(t - t0) / pd.Timedelta('1D')", "days": "t / pd.Timedelta('1D')"}
        raise ValueError(
            f"{name} must be real numbers; got {what}{_in(labels)}. {advice.format(**words)}"
        )
    _refuse_missing(name, missing | _masked(data))


def require_labels(name: str, data: Any) -> None:
    """Refuse labels that are missing, masked or complex; all else may be one.

    Parameters
    ----------
    name : str
        What the data are called in messages.
    data : array-like
        Data frame, series, array or list.

    Raises
    ------
    TypeError
        If the data are sparse, or a Dask collection.
    ValueError
        If labels are missing or complex numbers.
    """
    _refuse_lazy(name, data)
    _refuse_sparse(name, data)
    counts = {}
    for label, dtype, column in _unusual_columns(data):
        if _held(dtype, column) == "complex numbers":
            raise ValueError(f"{name} must be class labels; got complex numbers{_in([label])}.")
        if n_missing := _n_missing(column):
            counts[label] = n_missing
    _refuse_missing(name, counts | _masked(data))


def explain_not_finite(name: str, data: Any) -> str:
    """Say which columns hold values that are missing or infinite, and what to do."""
    missing, infinite = {}, []
    for label, column in _columns(data):
        values = np.asarray(column)
        if values.dtype.kind not in "fiub":
            values = np.asarray(column, dtype=object)
        if n_missing := _n_missing(values):
            missing[label] = n_missing
        elif np.isinf(values.astype(float)).any():
            infinite.append(label)
    if missing:
        return _about_missing(name, missing)
    return (
        f"{name} must be finite; it contains infinity or a value too large for its type"
        f"{_in(infinite)}. Leave those rows out, or put a large number there."
    )


def _refuse_lazy(name, data):
    if is_lazy(data):
        raise TypeError(
            f"{name} must be in memory; got a Dask collection ({type(data).__name__}). The "
            f"estimators of nwkr.dask are fitted on chunks, and predict takes rows in chunks; for "
            f"all else, or if it fits in memory, pass {name}.compute()."
        )


def _refuse_sparse(name, data):
    dtypes = list(data.dtypes) if _is_frame(data) else []
    frame = bool(dtypes) and all(str(dtype).startswith("Sparse") for dtype in dtypes)
    if frame or sparse.issparse(data):
        dense = f"{name}.sparse.to_dense()" if frame else f"{name}.toarray()"
        raise TypeError(
            f"{name} must be dense; got sparse data ({type(data).__name__}). Have the step before "
            f"make dense data, as OneHotEncoder(sparse_output=False) does, or convert them with "
            f"{dense}."
        )


def _refuse_missing(name, counts):
    if counts:
        raise ValueError(_about_missing(name, counts))


def _about_missing(name, counts):
    several = "values are" if sum(counts.values()) > 1 else "value is"
    advice = _MISSING.get(name, "Leave those rows out.")
    return (
        f"{name} must have no missing values; {sum(counts.values())} {several} NaN, None, NA or "
        f"masked{_in(list(counts))}. {advice}"
    )


def _in(labels):
    """Where that is, for a message."""
    if labels == [None] or not labels:
        return ""
    if len(labels) == 1:
        return f" in column {labels[0]!r}"
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return f" in columns {labels[:_MOST_NAMED]!r}{more}"


def _unusual_columns(data) -> Iterator[tuple[Any, str, Any]]:
    """Label, type and values of each column, but for those of plain numbers."""
    dtypes = data.dtypes if _is_frame(data) else [getattr(data, "dtype", object)]
    names = [str(np.dtype(dtype) if dtype is object else dtype).lower() for dtype in dtypes]
    if all(_PLAIN.match(name) for name in names):
        return
    for (label, column), name in zip(_columns(data), itertools.cycle(names)):
        if not _PLAIN.match(name):
            yield label, name, column


def _columns(data) -> Iterator[tuple[Any, Any]]:
    """Label and values of each column; the label is None for data of one dimension."""
    if _is_frame(data):
        for number, label in enumerate(data.columns):
            yield label, data.iloc[:, number] if hasattr(data, "iloc") else data[:, number]
        return
    if not hasattr(data, "dtype"):
        try:
            data = np.asarray(data, dtype=object)
        except ValueError:  # ragged, which is for NumPy to say
            return
    n_dims = len(getattr(data, "shape", ()))
    if n_dims == 1:
        yield None, data
    elif n_dims == 2:
        yield from ((number, data[:, number]) for number in range(data.shape[1]))


def _is_frame(data):
    return hasattr(data, "columns") and hasattr(data, "dtypes")


def _held(dtype, column):
    """What a column holds, if that is known not to be numbers."""
    if dtype != "object":
        return next((what for what, pattern in _BY_DTYPE if re.match(pattern, dtype)), None)
    classes = {type(value) for value in np.asarray(column, dtype=object)}
    for what, kinds in _BY_CLASS:
        if any(issubclass(each, kinds) for each in classes):
            return what
    names = {each.__name__ for each in classes}
    return next((what for name, what in _BY_CLASS_NAME.items() if name in names), None)


def _n_missing(column):
    import pandas as pd

    values = column if isinstance(column, np.ndarray) else np.asarray(column, dtype=object)
    return int(pd.isna(values).sum()) + sum(
        value is np.ma.masked for value in values if values.dtype == object
    )


def _masked(data):
    """How many values are masked, by column."""
    if isinstance(data, list | tuple):
        if not any(isinstance(row, np.ma.MaskedArray) for row in data):
            return {}
        masks = [np.ma.getmaskarray(row) for row in data]
        if len({mask.shape for mask in masks}) > 1:
            return {}
        mask = np.array(masks)
    elif np.ma.isMaskedArray(data):
        mask = np.ma.getmaskarray(data)
    else:
        return {}
    return {label: int(column.sum()) for label, column in _columns(mask) if column.any()}
