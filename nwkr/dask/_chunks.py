"""Collections of training rows and of queries in aligned chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nwkr._lazy import Tasks, is_lazy, row_blocks, sizes_of_blocks

__all__ = ["Chunks", "check_queries"]


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
            If one of them is not a Dask collection.
        ValueError
            If their chunks cannot be aligned.
        """
        for name, data in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            if data is None and name == "sample_weight":
                continue
            if not is_lazy(data):
                raise TypeError(
                    f"{name} must be a Dask array or frame; got {type(data).__name__}. For "
                    f"data in memory, use the estimators of nwkr, or dask.array.from_array."
                )
        if getattr(X, "ndim", 2) != 2:
            raise ValueError(
                f"X must be a table of rows and columns; got {X.ndim} dimensions. Use "
                f"X.reshape(-1, 1) for one column."
            )
        y = _cut_alike("y", y, X)
        if sample_weight is not None:
            sample_weight = _cut_alike("sample_weight", sample_weight, X)
        return cls(X, y, sample_weight)

    @property
    def sizes(self) -> tuple[float, ...]:
        """Numbers of rows of the chunks; NaN if unknown."""
        return sizes_of_blocks(self.X)

    def rows(self, tasks: Tasks, form: Any) -> list[Any]:
        """Tasks that check the rows of each chunk.

        Parameters
        ----------
        tasks : Tasks
            The tasks to which they are added.
        form : tuple
            Key of the form of the rows.

        Returns
        -------
        keys : list of tuple
            Keys of the rows of each chunk.
        """
        return [
            tasks.add("rows", number, _rows, form, number, *tasks.blocks(parts))
            for number, parts in enumerate(self.blocks)
        ]

    @property
    def blocks(self) -> list[tuple]:
        """The delayed rows, targets and, if there are any, weights of each chunk."""
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
            f"{name} must have as many chunks as X, because the numbers of rows are unknown; "
            f"got {len(ours)} and {len(wanted)}. Call compute_chunk_sizes() on arrays."
        )
    if sum(ours) != sum(wanted):
        raise ValueError(
            f"{name} must have as many rows as X; got {sum(ours)} and {sum(wanted)}. Pass one "
            f"for each row of X."
        )
    return data.rechunk({0: wanted})


def check_queries(X: Any) -> None:
    """Refuse queries that are not a Dask collection."""
    if not is_lazy(X):
        raise TypeError(
            f"X must be a Dask array or frame, or None for the training rows; got "
            f"{type(X).__name__}. For data in memory, use dask.array.from_array, or the "
            f"estimator that to_local() returns."
        )
