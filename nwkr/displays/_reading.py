"""What displays read of features: their names, numbers and typical values."""

from __future__ import annotations

from statistics import mode

import numpy as np
from sklearn.utils import check_array

from nwkr._features import Number
from nwkr._numeric import columns_in, held_by, is_frame, is_integer, require_numbers
from nwkr._pipeline import parts_of

__all__ = [
    "feature_number",
    "names_in",
    "names_of_features",
    "numbers_in",
    "require_method",
    "shown_name",
    "shown_numbers",
    "typical_rows",
    "values_of_others",
]


def names_of_features(estimator):
    """Names of the features of the last step; x0, x1, ... if it was fitted without names."""
    parts = parts_of(estimator)
    names = getattr(parts.model, "feature_names_in_", None)
    if names is None and parts.before:
        try:
            for step in parts.before:
                names = step.get_feature_names_out(names)
        except (AttributeError, ValueError):  # a step, or the input, has no names
            names = None
    return _numbered(parts.model.n_features_in_) if names is None else [str(name) for name in names]


def shown_name(estimator, name):
    """The name of a feature of the last step, marked if the pipeline has transformed it."""
    before = parts_of(estimator).before
    if not before:
        return name
    names = getattr(before[0], "feature_names_in_", None)
    if names is None:  # the first step may have no number of features either
        names = _numbered(getattr(before[0], "n_features_in_", 0))
    return f"transformed {name}" if name in names else name


def require_method(model, method):
    """Refuse an estimator that has no such method."""
    if not hasattr(model, method):
        raise TypeError(
            f"estimator must be an estimator of nwkr, or a pipeline or search that ends in one; "
            f"got {model!r}, which has no {method}."
        )


def names_in(X):
    """Names of the columns of a frame; x0, x1, ... of an array."""
    if hasattr(X, "columns"):
        return [str(name) for name in X.columns]
    return _numbered(np.shape(X)[1])


def feature_number(feature, names, parameter):
    """The number of a feature, from its number or name."""
    if is_integer(feature) and -len(names) <= feature < len(names):
        return int(feature) % len(names)
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    raise ValueError(
        f"{parameter} must name a feature of {names}, or number it from 0 to {len(names) - 1}; "
        f"got {feature!r}."
    )


def shown_numbers(features, names, columns):
    """Numbers of the one or two features to vary, whose columns must hold numbers."""
    if features is None:
        features = list(range(len(names)))
    elif isinstance(features, str | int | np.integer):
        features = [features]
    if len(features) not in (1, 2):
        raise ValueError(
            f"Plots show one or two features: features must be one or two of {names}; got "
            f"{len(features)} of them."
        )
    shown = [feature_number(feature, names, "features") for feature in features]
    if len(shown) > len(set(shown)):
        raise ValueError(f"features must differ from each other; got {names[shown[0]]!r} twice.")
    categories = [names[number] for number in shown if columns[number] is None]
    if categories:
        raise ValueError(
            f"features must be numeric; got categories {categories!r}. Show a numeric feature, of "
            f"rows X of one category; categories are fixed at the most frequent one in X."
        )
    empty = [names[number] for number in shown if np.isnan(columns[number]).all()]
    if empty:
        raise ValueError(
            f"features must have values in X; those of {empty!r} are all missing. Show another "
            f"feature, or pass rows X that have values."
        )
    return shown


def _numbered(n_features):
    return ["x"] if n_features == 1 else [f"x{number}" for number in range(n_features)]


def numbers_in(X):
    """The columns of some rows as numbers; None for categories of data frames."""
    if not is_frame(X):
        return list(check_array(X, dtype=float, ensure_all_finite="allow-nan").T)
    columns = list(columns_in(X))
    categories = {c.number for c in columns if held_by(c) in ("categories", "text")}
    require_numbers("X", X, but=frozenset(categories), gaps=True)
    return [None if c.number in categories else Number(None).read(c) for c in columns]


def typical_rows(X, columns, given):
    """Rows of the type of `X`, with typical values except for the given columns.

    Numbers are at their median, categories at the most frequent one.
    """
    n_rows = len(next(iter(given.values())))
    table = {}
    for column in columns_in(X):
        numbers = columns[column.number]
        if column.number in given:
            values = given[column.number]
        elif numbers is not None:
            present = numbers[~np.isnan(numbers)]
            values = np.full(n_rows, np.median(present) if len(present) else np.nan)
        else:
            held = [str(value) for value in column.values]
            place = held.index(mode(held))
            if hasattr(column.values, "iloc"):
                values = column.values.iloc[[place] * n_rows].array  # without its index
            else:
                values = column.values[[place] * n_rows]
        table[column.label] = values
    return type(X)(table) if is_frame(X) else np.column_stack(list(table.values()))


def values_of_others(rows, shown):
    """Values of the columns that are the same in all rows, by name."""
    named = zip(names_in(rows), columns_in(rows))
    return {
        name: np.asarray(column.values)[0] for name, column in named if column.number not in shown
    }
