"""Collections of training rows and of queries: chunk beside chunk."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from nwkr._columns import Columns
from nwkr._lazy import Tasks, is_lazy, row_blocks, sizes_of_blocks
from nwkr._numeric import columns_in, held_by

__all__ = ["Chunks", "EncodedColumns", "check_queries", "columns_of"]


@dataclass(frozen=True)
class Chunks:
    """Training rows in chunks.

    Attributes
    ----------
    X, y, sample_weight : Dask array, frame or series
        The collections; weights may be None.
    """

    X: Any
    y: Any
    sample_weight: Any = None

    @classmethod
    def of(cls, X: Any, y: Any, sample_weight: Any = None) -> Chunks:
        """Collections with the same chunks, those of `X`.

        Parameters
        ----------
        X, y, sample_weight : Dask array, frame or series
            The collections; weights may be None.

        Returns
        -------
        chunks : Chunks
            The chunks.

        Raises
        ------
        TypeError
            If one of them is no Dask collection.
        ValueError
            If they cannot be cut alike.
        """
        for name, data in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            if data is None and name == "sample_weight":
                continue
            if not is_lazy(data):
                raise TypeError(
                    f"{name} must be a Dask array or frame; got {type(data).__name__}. What fits "
                    f"in memory is fitted by the estimators of nwkr, or becomes a Dask array with "
                    f"dask.array.from_array."
                )
        if getattr(X, "ndim", 2) != 2:
            raise ValueError(
                f"X must be a table of rows and columns; got {X.ndim} dimensions. Take "
                f"X.reshape(-1, 1) for one column."
            )
        y = _cut_alike("y", y, X)
        if sample_weight is not None:
            sample_weight = _cut_alike("sample_weight", sample_weight, X)
        return cls(X, y, sample_weight)

    @property
    def sizes(self) -> tuple[float, ...]:
        """Numbers of rows of the chunks, NaN where they are not known."""
        return sizes_of_blocks(self.X)

    def rows(self, tasks: Tasks, form: Any) -> list[Any]:
        """Tasks that check the rows of each chunk.

        Parameters
        ----------
        tasks : Tasks
            The tasks that they are to be among.
        form : tuple
            What stands for the form of the rows.

        Returns
        -------
        keys : list of tuple
            What stands for the rows of each chunk.
        """
        return [
            tasks.add("rows", number, _rows, form, number, *tasks.blocks(parts))
            for number, parts in enumerate(self.blocks)
        ]

    @property
    def blocks(self) -> list[tuple]:
        """Of each chunk the rows, targets and, if there are any, weights: each delayed."""
        parts = (self.X, self.y, self.sample_weight)
        return list(zip(*(row_blocks(data) for data in parts if data is not None)))


def _rows(form, number, *parts):
    return form.rows(number, *parts)


def _cut_alike(name, data, X):
    """A collection in the chunks of `X`."""
    ours, wanted = sizes_of_blocks(data), sizes_of_blocks(X)
    if ours == wanted:
        return data
    if np.isnan(ours).any() or np.isnan(wanted).any():
        if len(ours) == len(wanted):
            return data
        raise ValueError(
            f"{name} must have as many chunks as X, for the numbers of their rows are not known; "
            f"got {len(ours)} and {len(wanted)}. compute_chunk_sizes() of an array finds them."
        )
    if sum(ours) != sum(wanted):
        raise ValueError(
            f"{name} must have as many rows as X; got {sum(ours)} and {sum(wanted)}. Pass one "
            f"for each row of X."
        )
    return data.rechunk({0: wanted})


def check_queries(X: Any) -> None:
    """Refuse queries that are in no collection."""
    if not is_lazy(X):
        raise TypeError(
            f"X must be a Dask array or frame, or None for the training rows; got "
            f"{type(X).__name__}. What fits in memory becomes a Dask array with "
            f"dask.array.from_array; to_local() gives an estimator that takes it as it is."
        )


class EncodedColumns(Columns):
    """Columns of rows that are encoded already, of which all is known."""

    @classmethod
    def like(cls, columns: Columns) -> EncodedColumns:
        """Those that other columns make."""
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
    """What the columns of training rows in chunks hold, as far as their types say.

    Parameters
    ----------
    X : Dask array or frame
        Training rows.
    categorical, ordered, periodic : object
        What `categorical_features`, `ordered_features` and `periodic_features` may be.
    gaps : bool
        Whether numbers may be missing.

    Returns
    -------
    columns : Columns
        The features.

    Raises
    ------
    ValueError
        If what a column holds shows only in its rows.
    """
    if ordered is not None:
        raise ValueError(
            "ordered_features must be None for rows in chunks, whose levels show only in their "
            "rows; the type of a column may declare an order of categories."
        )
    if not hasattr(X, "columns"):
        if categorical not in ("from_dtype", None):
            raise ValueError(
                f"categorical_features must be None for arrays in chunks, whose categories show "
                f"only in their rows; got {categorical!r}. Pass a frame with columns of "
                f"categories."
            )
        columns = Columns.of(np.zeros((1, X.shape[1])), None, None, periodic, gaps=gaps)
        return columns.known(X.shape[1], None)
    for column in columns_in(X._meta):
        known = getattr(getattr(X[column.label], "cat", None), "known", None)
        if known is False or (known is None and held_by(column) == "text"):
            raise ValueError(
                f"X must have columns of known categories where it holds categories or text, as "
                f"in column {column.label!r}. X.categorize() makes them so."
            )
    table = _with_each_category(X._meta)
    columns = Columns.of(table, categorical, None, periodic, gaps=gaps)
    text = [f.label for f in columns.features if not f.is_number and not _is_category(X, f.label)]
    if text:
        raise ValueError(
            f"categorical_features must name columns whose type is category for rows in chunks; "
            f"got {text!r}. Convert them with X.astype({{{text[0]!r}: 'category'}}).categorize()."
        )
    return columns.known(len(X.columns), list(X.columns))


def _is_category(X, label):
    return hasattr(X._meta[label].dtype, "categories")


def _with_each_category(meta):
    """Rows in which each category comes, and none."""
    import pandas as pd

    types = meta.dtypes
    n_rows = 1 + max((len(getattr(dtype, "categories", ())) for dtype in types), default=0)

    def values_of(dtype):
        if not hasattr(dtype, "categories"):
            return np.zeros(n_rows)
        codes = np.resize(np.arange(-1, len(dtype.categories)), n_rows)
        return pd.Categorical.from_codes(codes, dtype=dtype)

    return pd.DataFrame({label: values_of(dtype) for label, dtype in types.items()})
