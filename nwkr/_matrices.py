"""Matrices of weights, dense or sparse, built from blocks of rows in any order."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from nwkr._numeric import is_integer

__all__ = ["DenseMatrix", "SparseMatrix", "check_top_k", "keep_largest"]


class DenseMatrix:
    """An ndarray, written block by block.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    """

    def __init__(self, shape: tuple[int, int]):
        try:
            self._matrix = np.zeros(shape)
        except MemoryError as error:
            raise MemoryError(
                f"The weights of {shape[0]} queries over {shape[1]} training rows would take "
                f"{shape[0] * shape[1] / 2**27:.3g} GiB. Pass fewer queries, or keep the largest "
                f"weights only: sparse_output=True, top_k=10."
            ) from error

    def put(self, rows: np.ndarray, cols: np.ndarray, weights: np.ndarray) -> None:
        """Put weights at some rows, each of which comes once, and some columns.

        Parameters
        ----------
        rows, cols : ndarray of shape (n_rows,) and (n_cols,)
            Their numbers.
        weights : ndarray of shape (n_rows, n_cols)
            The weights; all others of these rows are 0.
        """
        self._matrix[np.ix_(rows, cols)] = weights

    def finish(self) -> np.ndarray:
        """The matrix."""
        return self._matrix


class SparseMatrix:
    """A CSR array, built in little more memory than its entries need.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    """

    def __init__(self, shape: tuple[int, int]):
        self._shape = shape
        self._parts: list[tuple[np.ndarray, ...]] = []

    def put(self, rows: np.ndarray, cols: np.ndarray, weights: np.ndarray) -> None:
        """Put weights at some rows, each of which comes once, and some columns.

        Parameters
        ----------
        rows, cols : ndarray of shape (n_rows,) and (n_cols,)
            Their numbers.
        weights : ndarray of shape (n_rows, n_cols)
            The weights; all others of these rows are 0.
        """
        if (cols[1:] < cols[:-1]).any():
            order = cols.argsort()
            cols, weights = cols[order], weights[:, order]
        counted = weights != 0
        cols = cols.astype(_index_type(self._shape[1]))
        entries = np.broadcast_to(cols, weights.shape)[counted], weights[counted]
        self._parts.append((rows, np.count_nonzero(counted, axis=1), *entries))

    def finish(self) -> sparse.csr_array:
        """The matrix; parts are released as they are copied."""
        starts = np.zeros(self._shape[0] + 1, np.int64)
        for rows, sizes, _, _ in self._parts:
            starts[1 + rows] = sizes
        np.cumsum(starts, out=starts)
        n_entries = starts[-1]
        index_type = _index_type(max(n_entries, *self._shape))
        indices, data = np.empty(n_entries, index_type), np.empty(n_entries)
        while self._parts:
            rows, sizes, cols, weights = self._parts.pop()
            places = np.repeat(starts[rows] - (sizes.cumsum() - sizes), sizes)
            places += np.arange(len(places))
            indices[places], data[places] = cols, weights
        return sparse.csr_array((data, indices, starts.astype(index_type)), shape=self._shape)


def _index_type(largest):
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64


def check_top_k(top_k: int | None) -> None:
    """Check the largest number of weights to keep."""
    if top_k is not None and not (is_integer(top_k) and top_k >= 1):
        raise ValueError(f"top_k must be None or a positive integer; got {top_k!r}.")


def keep_largest(weights: np.ndarray, top_k: int) -> None:
    """Set all but the largest weights of each row to 0."""
    smaller = np.argpartition(np.abs(weights), -top_k, axis=1)[:, :-top_k]
    np.put_along_axis(weights, smaller, 0, axis=1)
