"""Checks of the data that scikit-learn lacks, or whose messages need more detail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import contextmanager

import numpy as np
from sklearn.utils.validation import validate_data

from nwkr._columns import Columns
from nwkr._metrics import TAKE_GAPS
from nwkr._numeric import explain_infinite, explain_missing, require_labels, require_numbers
from nwkr._validation import _check_sample_weight

__all__ = [
    "by_name",
    "names_of_columns",
    "names_of_rows",
    "validate_rows",
    "validate_weights",
]

_LEAST_WEIGHT = 1e-290


def validate_rows(estimator, X, y="no_validation", **options):
    """Check rows and, in `fit`, targets; set `n_features_in_` and names.

    Rows of `fit` are copied, so later changes of the data have no effect.
    """
    if X is None or (isinstance(X, Mapping) and not hasattr(X, "shape")):
        what = "None" if X is None else f"a dictionary ({type(X).__name__})"
        raise ValueError(
            f"X must be a table of rows and columns, such as a data frame or an array; got {what}."
        )
    data = {"X": X}
    in_fit = not isinstance(y, str)
    first = in_fit and options.get("reset", True)
    named = first or hasattr(estimator, "feature_names_in_")
    with by_name(data):
        if first:
            estimator._columns = Columns.of(
                X,
                estimator.categorical_features,
                estimator.ordered_features,
                estimator.periodic_features,
                gaps=estimator._metric in TAKE_GAPS,
            )
        elif not estimator._columns.plain:  # their contents matter only if the columns match
            names = _names_only(X) if named else X
            validate_data(estimator, names, reset=False, skip_check_array=True)
        labels = names_of_columns(X)
        X = estimator._columns.read(X)
        data["X"] = X = X if named or estimator._columns.plain else np.asarray(X)
    if in_fit and y is not None:
        data["y"] = y
        check = require_numbers if options.get("y_numeric") else require_labels
        check("y", y)
        options["copy"] = True
    # Infinite distances are allowed.
    finite = "allow-nan" if estimator._columns.gaps else estimator._metric != "precomputed"
    options["ensure_all_finite"] = finite
    # The check for infinity adds numbers up, which may exceed the range.
    with by_name(data), np.errstate(invalid="ignore"):
        checked = validate_data(estimator, X, y, dtype=[np.float64, np.float32], **options)
    if first:
        estimator._columns = estimator._columns.known(checked[0].shape[1], labels)
    return checked


def validate_weights(sample_weight, X):
    """Check weights of the rows: one per row, by default 1, and not all 0."""
    if sample_weight is None:
        return np.ones(len(X))
    require_numbers("sample_weight", sample_weight)
    with by_name({"sample_weight": sample_weight}):
        weights = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
    if not (weights > 0).any():
        raise ValueError("sample_weight must have a weight that is not zero; got only zeros.")
    # Relative to the largest weight, these weights are 0 up to rounding.
    return np.where(weights < _LEAST_WEIGHT * weights.max(), 0, weights)


def _names_only(X):
    """A pandas data frame with the columns of another kind of frame."""
    if not hasattr(X, "columns"):
        return X
    import pandas as pd

    return pd.DataFrame(columns=list(X.columns))


def names_of_rows(X):
    """The index of a data frame; None for other data."""
    return getattr(X, "index", None) if hasattr(X, "columns") else None


def names_of_columns(X):
    """The columns of a data frame, as a list; None for other data."""
    return list(X.columns) if hasattr(X, "columns") else None


@contextmanager
def by_name(data):
    """Add the data and the remedy to an error of scikit-learn."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        message = str(error)
        not_finite = re.match(r"Input (\w+) contains (NaN|infinity)", message)
        if not_finite:
            name, what = not_finite.groups()
            explain = explain_missing if what == "NaN" else explain_infinite
            raise ValueError(explain(name, data[name])) from error
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(_explained(data, message)) from error


def _explained(data, message):
    """A message of scikit-learn, completed."""
    for pattern, is_meant, before, after in _UNSAID:
        if re.search(pattern, message):
            meant = [name for name, value in data.items() if is_meant(value)] or list(data)
            said = message.rstrip(".") if after.startswith(".") else message
            return f"{before.format(' and '.join(meant))}{said}{after}"
    return message


def _shape(value):
    """The shape of data; None if they are ragged."""
    try:
        return np.shape(value)
    except ValueError:  # a ragged list
        return None


def _is_unreadable(value):
    try:
        np.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return True
    return False


def _any(value):
    return True


# For each message of scikit-learn: its pattern, its data, the text before it and after it.
_UNSAID = (
    (
        r"does not contain any features",
        _any,
        "X must be a table of rows and columns: ",
        ". Pass one row as a frame or an array of one row, such as X[:1].",
    ),
    (
        r"expecting \d+ features",
        _any,
        "",
        ". Pass the columns that fit was given, in their order; with metric='precomputed', the "
        "distance to each training row.",
    ),
    (
        r"feature names should match",
        _any,
        "X must have the columns of fit, in their order: ",
        "Select them by name, in the order of feature_names_in_.",
    ),
    (r"Expected (a )?2", _any, "X must be a table of rows and columns: ", ""),
    (
        r"with dim",
        lambda value: len(_shape(value) or ()) > 2,
        "{} must have no more dimensions than rows and columns: ",
        " Reshape it to two dimensions.",
    ),
    (
        r"at least 1 dimension",
        lambda value: _shape(value) == (),
        "{} must have one entry for each row of X: ",
        "",
    ),
    (
        r"inconsistent numbers",
        _any,
        "{} must have equally many rows: ",
        ". Pass one target for each row of X.",
    ),
    (
        r"0 (sample|feature)|at least one array or dtype",
        lambda value: 0 in (_shape(value) or ()),
        "{} must have rows and columns, at least one of each: ",
        ". Pass at least one.",
    ),
    (
        r"Sample weights must contain",
        _any,
        "sample_weight must have a weight that is not zero: ",
        " Rows with weight 0 are ignored.",
    ),
    (
        r"sample_weight\.shape|[Ss]ample weights must",
        _any,
        "sample_weight must be one number, or one for each row of X: ",
        "",
    ),
    (
        r"Negative values in data passed to `sample_weight`",
        _any,
        "sample_weight must not be negative: ",
        " Use weight 0 for rows to be ignored.",
    ),
    (r"unique column names", _any, "Columns of X must have different names: ", ""),
    (
        r"should be a 1d array",
        _any,
        "y must be one class label for each row: ",
        " For one column of 0 and 1 per class, use y.argmax(axis=1).",
    ),
    (
        r"Unknown label type",
        _any,
        "y must be class labels (text, whole numbers or booleans): ",
        " Use a regressor for numbers that are not labels; convert labels with y.astype(str).",
    ),
    # Messages that already name the data.
    (r"\b(X|y|sample_weight|\w+_features)\b", _any, "", ""),
    (
        r"",
        _is_unreadable,
        "{} must be real numbers: ",
        ". Pass a data frame, an array or a list of rows, all of the same length.",
    ),
)
