"""Names of features for the displays."""

from __future__ import annotations

from statistics import mode

import numpy as np
from sklearn.utils import check_array

from nwkr._features import Number
from nwkr._numeric import columns_in, held_by, is_frame, require_numbers
from nwkr._pipeline import last_step

__all__ = [
    "feature_number",
    "names_in",
    "names_of_features",
    "numbers_in",
    "shown_name",
    "typical_rows",
]


def names_of_features(estimator):
    """Names of the features of the last step; x0, x1, ... if it has none."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    model, _ = last_step(estimator)
    names = getattr(model, "feature_names_in_", None)
    if names is None and hasattr(estimator, "steps"):
        try:
            names = estimator[:-1].get_feature_names_out()
        except (AttributeError, ValueError):  # a step, or the input, has no names
            names = None
    return _numbered(model.n_features_in_) if names is None else [str(name) for name in names]


def shown_name(estimator, name):
    """The name of a feature of the last step; "transformed ..." if the input has it too."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not hasattr(estimator, "steps") or len(estimator) == 1:
        return name
    before = getattr(estimator, "feature_names_in_", None)
    before = _numbered(estimator.n_features_in_) if before is None else before
    return f"transformed {name}" if name in before else name


def names_in(X):
    """Names of the columns of a frame; x0, x1, ... of an array."""
    if hasattr(X, "columns"):
        return [str(name) for name in X.columns]
    return _numbered(np.shape(X)[1])


def feature_number(feature, names, parameter):
    """The number of a feature, from its number or name."""
    numbered = isinstance(feature, int | np.integer) and not isinstance(feature, bool)
    if numbered and -len(names) <= feature < len(names):
        return int(feature) % len(names)
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    raise ValueError(
        f"{parameter} must name a feature of {names}, or number it from 0 to {len(names) - 1}; "
        f"got {feature!r}."
    )


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
            values = np.full(n_rows, np.nanmedian(numbers))
        else:
            held = [str(value) for value in column.values]
            place = held.index(mode(held))
            if hasattr(column.values, "iloc"):
                values = column.values.iloc[[place] * n_rows].array  # without its index
            else:
                values = column.values[[place] * n_rows]
        table[column.label] = values
    return type(X)(table) if is_frame(X) else np.column_stack(list(table.values()))
