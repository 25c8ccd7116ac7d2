"""The features of training rows in chunks, from the types of the columns or from their values."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np

from nwkr._columns import Columns
from nwkr._features import MOST_LEVELS
from nwkr._lazy import Tasks, row_blocks
from nwkr._numeric import columns_in, held_by
from nwkr._which_features import chosen_places

__all__ = ["EncodedColumns", "columns_of"]

# Maximal number of categories that are collected from all chunks.
_MOST_CATEGORIES = 100_000


class EncodedColumns(Columns):
    """Columns of rows that are already encoded."""

    @classmethod
    def like(cls, columns: Columns) -> EncodedColumns:
        """Encoded columns with the attributes of other columns."""
        return cls(**{field.name: getattr(columns, field.name) for field in fields(columns)})

    def encode(self, table: np.ndarray) -> np.ndarray:
        """The rows as they are."""
        return table

    def of_training(self, table: np.ndarray, rows: np.ndarray) -> Columns:
        """The same."""
        return self

    def of_keys(self, keys: np.ndarray, counts: np.ndarray) -> Columns:
        """The same."""
        return self


def columns_of(X: Any, categorical: Any, ordered: Any, periodic: Any, *, gaps: bool) -> Columns:
    """The features of training rows in chunks.

    Chunks are read only to find categories and levels that the types do not declare.

    Parameters
    ----------
    X : Dask array or frame
        Training rows.
    categorical, ordered, periodic : object
        The parameters `categorical_features`, `ordered_features` and `periodic_features`.
    gaps : bool
        Whether numbers may be missing.

    Returns
    -------
    columns : Columns
        The features.

    Raises
    ------
    ValueError
        If the categories of a categorical type are unknown, or if there are too many.
    """
    frame = hasattr(X, "columns")
    labels = list(X.columns) if frame else list(range(X.shape[1]))
    chosen: set[int] = set()
    if not isinstance(categorical, str):
        chosen |= chosen_places("categorical_features", categorical, labels)
    in_order = chosen_places("ordered_features", ordered, labels)
    declared = set()
    for column in columns_in(X._meta) if frame else ():
        known = getattr(getattr(X[column.label], "cat", None), "known", None)
        if known is False:
            raise ValueError(
                f"X must have known categories in each column; got unknown ones in column "
                f"{column.label!r}. Call X.categorize()."
            )
        if known:
            declared.add(column.number)
        elif isinstance(categorical, str) and held_by(column) == "text":
            chosen.add(column.number)
    wanted = {place: _MOST_CATEGORIES for place in chosen - declared}
    wanted |= {place: MOST_LEVELS for place in in_order - declared}
    values = _values_of(X, wanted) if wanted else {}
    for place, some in values.items():
        if len(some.dropna()) > wanted[place] == _MOST_CATEGORIES:
            raise ValueError(
                f"X must have up to {_MOST_CATEGORIES} categories in a column for rows in chunks; "
                f"got more in column {labels[place]!r}. Group them, or leave the column out."
            )
    table = _table(X, labels, values)
    columns = Columns.of(table, categorical, ordered, periodic, gaps=gaps)
    return columns.known(len(labels), labels if frame else None)


def _table(X, labels, values):
    """Rows that contain each category and level, and a missing category."""
    import pandas as pd

    if not hasattr(X, "columns"):
        n_rows = max(map(len, values.values()), default=1)
        columns = (np.resize(values.get(j, np.zeros(1)), n_rows) for j in range(len(labels)))
        return np.column_stack(list(columns))
    types = X._meta.dtypes
    sizes = [1 + len(getattr(dtype, "categories", ())) for dtype in types]
    n_rows = max(sizes + [len(some) for some in values.values()])

    def column_of(place, dtype):
        if place in values:
            some = values[place]
            return some.take(np.resize(np.arange(len(some)), n_rows)).reset_index(drop=True)
        if not hasattr(dtype, "categories"):
            return np.zeros(n_rows)
        codes = np.resize(np.arange(-1, len(dtype.categories)), n_rows)
        return pd.Categorical.from_codes(codes, dtype=dtype)

    return pd.DataFrame({label: column_of(j, types[label]) for j, label in enumerate(labels)})


def _values_of(X, wanted):
    """Distinct values of some columns, by position; for each at most one more than allowed."""
    tasks = Tasks()
    found = [
        tasks.add("values", number, partial(_values_in, wanted=wanted), block)
        for number, block in enumerate(tasks.blocks(row_blocks(X)))
    ]
    merge = partial(_merge_values, wanted=wanted)
    return tasks.value(tasks.tree("merge-values", merge, found)).compute()


def _values_in(block, wanted):
    import pandas as pd

    columns = {
        place: block.iloc[:, place] if hasattr(block, "iloc") else pd.Series(block[:, place])
        for place in wanted
    }
    return {place: _first(column, wanted[place]) for place, column in columns.items()}


def _merge_values(one, other, wanted):
    import pandas as pd

    return {
        place: _first(pd.concat([one[place], other[place]]), most) for place, most in wanted.items()
    }


def _first(values, most):
    values = values.drop_duplicates()
    return values if len(values) <= most + 1 else values.sort_values().head(most + 1)
