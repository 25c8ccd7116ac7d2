"""The values of one column of any library, as numbers or as labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwkr._numeric import Column

__all__ = [
    "as_floats",
    "declared_order",
    "kind_of",
    "numbered_labels",
    "numbers_of",
    "require_alike",
]


def as_floats(column: Column) -> np.ndarray:
    """Numbers of a column, with NaN for missing values."""
    values = column.values
    if hasattr(values, "iloc"):
        return values.to_numpy(dtype=float, na_value=np.nan)
    if not isinstance(values, np.ndarray):
        values = values.to_numpy()  # polars
    if values.dtype == object:
        import pandas as pd

        gaps = pd.isna(values) | np.array([value is np.ma.masked for value in values], bool)
        values = np.where(gaps, np.nan, values)
    return np.ma.filled(values.astype(float), np.nan)


def declared_order(column: Column) -> np.ndarray | None:
    """The labels of a categorical column in their declared order; None if it has none."""
    dtype: Any = getattr(column.values, "dtype", None)
    if getattr(dtype, "ordered", False) and hasattr(dtype, "categories"):
        return np.asarray(dtype.categories)
    if column.dtype.startswith("enum"):
        return np.asarray(dtype.categories.to_list(), dtype=object)
    return None


def numbered_labels(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """A number for each row, -1 for a missing value, and the labels that the numbers stand for."""
    import pandas as pd

    values = column.values
    if hasattr(values, "cat") and hasattr(values, "iloc"):
        return values.cat.codes.to_numpy(), np.asarray(values.cat.categories)
    if not isinstance(values, np.ndarray):
        values = np.asarray(values.to_list(), dtype=object)
    if np.ma.isMaskedArray(values):
        values = np.where(np.ma.getmaskarray(values), np.nan, values.data.astype(object))
    if values.dtype == object:
        values = np.array([None if v is np.ma.masked else v for v in values] + [None])[:-1]
    codes, labels = pd.factorize(values)
    if kind_of(labels) == "a mixture":
        raise ValueError(
            f"X must hold categories of one kind in each column; got text and numbers in column "
            f"{column.label!r}. Convert them with astype(str)."
        )
    return codes, np.asarray(labels)


def numbers_of(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The number of each label among the known labels; -1 for unknown labels."""
    import pandas as pd

    return pd.Index(known).get_indexer(pd.Index(labels)).astype(float)


def kind_of(labels: np.ndarray) -> str:
    """Whether labels are text, numbers, a mixture of both, or something else."""
    from pandas.api.types import infer_dtype

    kind = infer_dtype(labels, skipna=True)
    if kind in ("integer", "floating", "boolean", "mixed-integer-float", "decimal"):
        return "numbers"
    if kind in ("mixed", "mixed-integer"):
        return "a mixture"
    return "text" if kind == "string" else kind


def require_alike(column: Column, known: np.ndarray, labels: np.ndarray) -> None:
    """Refuse labels of another kind than in fit, such as numbers instead of text."""
    before, now = kind_of(known), kind_of(labels)
    if len(known) and len(labels) and before != now and {before, now} <= {"text", "numbers"}:
        raise ValueError(
            f"X must hold in column {column.label!r} what it held in fit, {before}; got {now}."
        )
