"""Checks that data are real numbers, by column, before NumPy converts other data to numbers.

NumPy would convert dates and durations to integers in some unit, use codes of categories as
numbers, and unmask masked values.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from nwkr._lazy import is_lazy

__all__ = [
    "Column",
    "columns_in",
    "explain_infinite",
    "explain_missing",
    "has_gaps",
    "held_by",
    "in_columns",
    "is_frame",
    "is_integer",
    "is_number",
    "is_plain",
    "refuse_unreadable",
    "require_count",
    "require_labels",
    "require_numbers",
]

# Types of numbers, which need no further check.
_PLAIN = re.compile(r"(torch\.)?(u?int|float)\d|bool|double")
# The kind of a column, by the name of its type in NumPy, pandas, PyArrow or polars.
_BY_DTYPE = (
    ("dates", r"date|timestamp"),
    ("periods", r"period"),
    ("durations", r"timedelta|duration"),
    ("times of day", r"time(32|64)?\b"),
    ("categories", r"categor|enum|dictionary"),
    ("text", r"(large_)?str(ing)?(_view)?(\[|$)|utf8|(large_)?binary|[<>|=][us]\d"),
    ("complex numbers", r"complex"),
)
# The kind of an object, by its class.
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
_AS_CATEGORIES = (
    "For categories, use a data frame with categorical_features='from_dtype', or name the "
    "columns in categorical_features."
)
_ADVICE = {
    "dates": "Convert them, with one origin t0 for all data: {since} is a number of days.",
    "periods": "Convert them, with one origin t0 for all data: (t.dt.to_timestamp() - t0) / "
    "pd.Timedelta('1D') is a number of days.",
    "durations": "Convert them: {days} is a number of days.",
    "times of day": "Convert them, for instance to hours: "
    "[t.hour + t.minute / 60 for t in column].",
    "categories": _AS_CATEGORIES,
    "text": f"Convert text that spells numbers with astype(float). {_AS_CATEGORIES}",
    "complex numbers": "Complex data not supported: use their real parts, their absolute "
    "values, or both parts as columns.",
}
_FROM_A_PIPELINE = (
    "The steps of a pipeline return data frames after set_output(transform='pandas')."
)
_SPELLED = "Convert text that spells numbers with astype(float)."
_MISSING = {
    "X": "Leave those rows out, fill them in, for instance with SimpleImputer of scikit-learn, or "
    "use metric='euclidean', which accepts missing values.",
    "sample_weight": "Give each row a weight, 0 for a row to be ignored.",
}


class Column(NamedTuple):
    """A column of data.

    Attributes
    ----------
    number : int
        Position of the column.
    label : object
        Name in a frame, position in an array, or None for one-dimensional data.
    dtype : str
        Name of the type, in lower case.
    values : array-like
        The values.
    """

    number: int
    label: Any
    dtype: str
    values: Any


def is_number(value: Any) -> bool:
    """Whether a value is one real number; booleans are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether a value is one integer; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def require_count(name: str, value: Any) -> None:
    """Refuse what is not a positive integer."""
    if not is_integer(value) or value < 1:
        raise ValueError(f"{name} must be a positive integer; got {value!r}.")


def is_plain(data: Any) -> bool:
    """Whether data are numbers by their types, and not masked."""
    if type(data) is np.ndarray:
        return data.dtype.kind in "fiub"
    return not np.ma.isMaskedArray(data) and all(map(_PLAIN.match, _dtypes(data)))


def is_frame(data: Any) -> bool:
    """Whether data are a data frame."""
    return hasattr(data, "columns") and hasattr(data, "dtypes")


def has_gaps(data: Any) -> bool:
    """Whether some values are masked, or objects that mean missing."""
    if is_plain(data):
        return False
    return bool(_masked(data)) or any(
        column.dtype == "object" and _n_missing(column.values) > 0
        for column in _unusual_columns(data)
    )


def columns_in(data: Any) -> Iterator[Column]:
    """The columns of one- or two-dimensional data."""
    for number, ((label, values), dtype) in enumerate(
        zip(_columns(data), itertools.cycle(_dtypes(data)))
    ):
        yield Column(number, label, dtype, values)


def require_numbers(
    name: str, data: Any, *, but: frozenset[int] = frozenset(), gaps: bool = False
) -> None:
    """Refuse data that are not real numbers, naming the columns and the remedy.

    Unrecognised data and NaN pass; scikit-learn converts or refuses them.

    Parameters
    ----------
    name : str
        Name of the data in messages.
    data : array-like
        Data frame, array or nested list.
    but : frozenset of int, default=frozenset()
        Positions of columns that may hold anything.
    gaps : bool, default=False
        Whether values may be missing.

    Raises
    ------
    TypeError
        If the data are sparse, or a Dask collection.
    ValueError
        If they hold dates, durations, categories, text or complex numbers, or nothing.
    """
    if isinstance(data, np.ndarray) and is_plain(data):
        return
    refuse_unreadable(name, data)
    found: dict[str, list] = {}
    missing = {}
    for column in _unusual_columns(data):
        what = None if column.number in but else held_by(column)
        if what == "nothing":
            missing[column.label] = _n_missing(column.values)
        elif what is not None:
            found.setdefault(what, []).append(column.label)
    for what, labels in found.items():
        advice = _ADVICE[what]
        if name != "X" and what in ("text", "categories"):
            advice = f"{_SPELLED} For labels use a classifier." if name == "y" else _SPELLED
        elif what == "text" and isinstance(data, np.ndarray):
            advice = f"{advice} {_FROM_A_PIPELINE}"
        if type(data).__module__.startswith("polars"):
            words = {"since": "(t - t0).dt.total_seconds() / 86400"}
            words["days"] = "t.dt.total_seconds() / 86400"
        else:
            words = {"since": "(t - t0) / pd.Timedelta('1D')", "days": "t / pd.Timedelta('1D')"}
        raise ValueError(
            f"{name} must be real numbers; got {what}{in_columns(labels)}. {advice.format(**words)}"
        )
    if not gaps:
        _refuse_missing(name, missing | _masked(data))


def require_labels(name: str, data: Any) -> None:
    """Refuse labels that are missing, masked or complex.

    Parameters
    ----------
    name : str
        Name of the data in messages.
    data : array-like
        Data frame, series, array or list.

    Raises
    ------
    TypeError
        If the data are sparse, or a Dask collection.
    ValueError
        If labels are missing or complex numbers.
    """
    refuse_unreadable(name, data)
    counts = {}
    for column in _unusual_columns(data):
        if held_by(column) == "complex numbers":
            raise ValueError(
                f"{name} must be class labels; got complex numbers{in_columns([column.label])}."
            )
        if n_missing := _n_missing(column.values):
            counts[column.label] = n_missing
    _refuse_missing(name, counts | _masked(data))


def explain_missing(name: str, data: Any) -> str:
    """The message of an error: the columns with missing values, and the remedy."""
    missing = {}
    for label, column in _columns(data):
        values = np.asarray(column)
        if values.dtype.kind not in "fiub":
            values = np.asarray(column, dtype=object)
        if n_missing := _n_missing(values):
            missing[label] = n_missing
    return _about_missing(name, missing)


def explain_infinite(name: str, data: Any) -> str:
    """The message of an error: the columns with infinite values, and the remedy."""
    infinite = [
        label
        for label, column in _columns(data)
        if any(
            isinstance(value, Real) and np.isinf(float(value))
            for value in np.asarray(column, dtype=object)
        )
    ]
    return (
        f"{name} must be finite; it contains infinity or a value too large for its type"
        f"{in_columns(infinite)}. Leave those rows out, or replace it by a large number."
    )


def refuse_unreadable(name: str, data: Any) -> None:
    """Refuse sparse data and data that are not in memory, naming the remedy."""
    if is_lazy(data):
        raise TypeError(
            f"{name} must be in memory; got a Dask collection ({type(data).__name__}). The "
            f"estimators of nwkr.dask can be fitted on it, and predict accepts it as X. Otherwise "
            f"pass {name}.compute()."
        )
    dtypes = list(data.dtypes) if is_frame(data) else []
    frame = bool(dtypes) and all(str(dtype).startswith("Sparse") for dtype in dtypes)
    if frame or sparse.issparse(data):
        dense = f"{name}.sparse.to_dense()" if frame else f"{name}.toarray()"
        raise TypeError(
            f"{name} must be dense; got sparse data ({type(data).__name__}). Let the previous step "
            f"return dense data, as OneHotEncoder(sparse_output=False) does, or convert them with "
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
        f"masked{in_columns(list(counts))}. {advice}"
    )


def in_columns(labels: list) -> str:
    """The columns, for a message."""
    if labels == [None] or not labels:
        return ""
    if len(labels) == 1:
        return f" in column {labels[0]!r}"
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return f" in columns {labels[:_MOST_NAMED]!r}{more}"


def _unusual_columns(data) -> Iterator[Column]:
    """The columns that do not hold plain numbers, by their types."""
    if not all(map(_PLAIN.match, _dtypes(data))):
        yield from (column for column in columns_in(data) if not _PLAIN.match(column.dtype))


def _dtypes(data) -> list[str]:
    """Names of the types of the columns, in lower case; a single one for arrays."""
    dtypes = data.dtypes if is_frame(data) else [getattr(data, "dtype", object)]
    return [str(np.dtype(dtype) if dtype is object else dtype).lower() for dtype in dtypes]


def _columns(data) -> Iterator[tuple[Any, Any]]:
    """Label and values of each column; the label is None for one-dimensional data."""
    if is_frame(data):
        for number, label in enumerate(data.columns):
            yield label, data.iloc[:, number] if hasattr(data, "iloc") else data[:, number]
        return
    if not hasattr(data, "dtype"):
        try:
            rows = data if isinstance(data, list | tuple) else ()
            masked = any(np.ma.isMaskedArray(row) for row in rows)
            data = np.ma.vstack(data) if masked else np.asarray(data, dtype=object)
        except ValueError:  # a ragged list
            return
    n_dims = len(getattr(data, "shape", ()))
    if n_dims == 1:
        yield None, data
    elif n_dims == 2:
        yield from ((number, data[:, number]) for number in range(data.shape[1]))


def held_by(column: Column) -> str | None:
    """The kind of a column that does not hold numbers, such as "dates"; None otherwise."""
    if column.dtype != "object":
        return next((what for what, form in _BY_DTYPE if re.match(form, column.dtype)), None)
    classes = {type(value) for value in np.asarray(column.values, dtype=object)}
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
    """Number of masked values, by column."""
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
