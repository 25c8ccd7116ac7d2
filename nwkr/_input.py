"""What data may be: the checks that scikit-learn does not make, or not in these words."""

from __future__ import annotations

import re
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
    """Check rows and, in `fit`, targets, and set what scikit-learn keeps of their form.

    Rows of `fit` are copied: what their owner does with them later is no business of the estimator.
    """
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
        elif not estimator._columns.plain:  # what they hold matters only if they are the same
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
    # An infinite distance is one of a pair that does not count.
    finite = "allow-nan" if estimator._columns.gaps else estimator._metric != "precomputed"
    options["ensure_all_finite"] = finite
    with by_name(data):
        checked = validate_data(estimator, X, y, dtype=[np.float64, np.float32], **options)
    if first:
        estimator._columns = estimator._columns.known(checked[0].shape[1], labels)
    return checked


def validate_weights(sample_weight, X):
    """Check weights of the rows: one for each, by default 1, and not all 0."""
    if sample_weight is None:
        return np.ones(len(X))
    require_numbers("sample_weight", sample_weight)
    with by_name({"sample_weight": sample_weight}):
        weights = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
    if not (weights > 0).any():
        raise ValueError("sample_weight must have a weight that is not zero; got only zeros.")
    # Beside the largest, such a weight could not be told from 0 in all that is computed.
    return np.where(weights < _LEAST_WEIGHT * weights.max(), 0, weights)


def _names_only(X):
    """A frame of pandas with the columns of any other, whose names scikit-learn may not know."""
    if not hasattr(X, "columns"):
        return X
    import pandas as pd

    return pd.DataFrame(columns=list(X.columns))


def names_of_rows(X):
    """The index of a data frame; None for what has none."""
    return getattr(X, "index", None) if hasattr(X, "columns") else None


def names_of_columns(X):
    """The columns of a data frame, as a list; None for what has none."""
    return list(X.columns) if hasattr(X, "columns") else None


@contextmanager
def by_name(data):
    """Have an error of scikit-learn say what it is about, and what to do."""
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
        raise kind(_explained(" and ".join(data), message)) from error


def _explained(names, message):
    """A message of scikit-learn, with what it leaves unsaid."""
    for pattern, before, after in _UNSAID:
        if re.search(pattern, message):
            return f"{before.format(names)}{message}{after}"
    named = re.search(r"\b(X|y|sample_weight|\w+_features)\b", message)
    return message if named else f"{names} must be real numbers: {message}"


# What a message of scikit-learn says, what is put before it, and after it.
_UNSAID = (
    (r"expecting \d+ features", "", " Pass the columns that fit was given, in their order."),
    (r"feature names should match", "X must have the columns of fit, in their order: ", ""),
    (r"Expected (a )?2", "X must be a table of rows and columns: ", ""),
    (r"with dim", "{} must have no more dimensions than rows and columns: ", ""),
    (
        r"inconsistent numbers",
        "{} must have as many rows: ",
        ". Pass one target for each row of X.",
    ),
    (r"0 (sample|feature)", "{} must have rows and columns: ", " Pass at least one."),
    (
        r"sample_weight\.shape|[Ss]ample weights must",
        "sample_weight must be one number, or one for each row of X: ",
        "",
    ),
    (r"unique column names", "Columns of X need names of their own: ", ""),
    (
        r"Unknown label type",
        "y must be class labels (text, whole numbers or booleans): ",
        " Convert labels of another kind with y.astype(str).",
    ),
)
