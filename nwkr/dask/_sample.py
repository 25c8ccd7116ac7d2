"""A random sample of the rows of all chunks, with their positions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwkr.dask._form import Rows

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """Sampled rows.

    Attributes
    ----------
    size : float
        Number of rows to draw; infinite for all.
    X, y, sample_weight : ndarray
        The rows.
    chunk, number : ndarray of shape (n_rows,)
        The chunk of each, and its number there.
    place : ndarray of shape (n_rows,)
        Random numbers; the rows with the smallest are drawn.
    """

    size: float
    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray
    chunk: np.ndarray
    number: np.ndarray
    place: np.ndarray

    @classmethod
    def of(
        cls, chunk: int, rows: Rows | None, size: float, seed: int, classes: np.ndarray | None
    ) -> Sample | None:
        """Draw rows of a chunk, including one of each class.

        Parameters
        ----------
        chunk : int
            Number of the chunk.
        rows : Rows or None
            Its rows.
        size : float
            Number of rows to draw from all chunks.
        seed : int
            Seed for drawing.
        classes : ndarray or None
            The labels of which at least one row is drawn; None for none.

        Returns
        -------
        sample : Sample or None
            The rows; None if there are none.
        """
        if rows is None:
            return None
        place = np.random.default_rng([seed, chunk]).random(rows.n_all)[rows.numbers]
        arrays = rows.X, rows.y, rows.sample_weight
        sample = cls(size, *arrays, np.full(len(place), chunk), rows.numbers, place)
        return sample._drawn(classes)

    def at_keys(self, chunk: int, numbers: np.ndarray) -> np.ndarray:
        """For each row, its number among the given keys of a chunk; -1 for none."""
        leave_out = np.full(len(self.place), -1)
        own = np.flatnonzero(self.chunk == chunk)
        order = np.argsort(numbers)
        leave_out[own] = order[np.searchsorted(numbers[order], self.number[own])]
        return leave_out

    def take(self, some: np.ndarray) -> Sample:
        """Some of the rows."""
        parts = self.X, self.y, self.sample_weight, self.chunk, self.number, self.place
        return Sample(self.size, *(part[some] for part in parts))

    def merge(self, other: Sample, classes: np.ndarray | None = None) -> Sample:
        """The sample of both; the chunks of `other` are later."""
        names = "X", "y", "sample_weight", "chunk", "number", "place"
        parts = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in names)
        return Sample(self.size, *parts)._drawn(classes)

    def _drawn(self, classes):
        """The rows with the smallest random numbers, in order."""
        if len(self.place) <= self.size:
            return self
        order = np.argsort(self.place)
        if classes is not None:
            first = np.sort(np.unique(self.y[order], return_index=True)[1])
            order = np.append(order[first], np.delete(order, first))
        return self.take(np.sort(order[: int(self.size)]))
