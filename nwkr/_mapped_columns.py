r"""Columns of distance that are projections of the features, also for a matrix of bandwidths.

With a projection :math:`P`, the distance of a query and a key is

.. math:: u^2 = \lVert P q - P k \rVert^2,

With a matrix :math:`H = L L'` of bandwidths it is :math:`(q - k)' H^{-1} (q - k)`, the distance
of :math:`P = L^{-1}`. So pooling works on ordinary columns with bandwidth 1. They stand behind the
columns of the features, which have no bandwidth, but slopes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nwkr._columns import Columns

__all__ = ["MappedColumns"]


@dataclass(frozen=True, eq=False, kw_only=True)
class MappedColumns(Columns):
    """Numbers, and columns of distance that are projections of them.

    Attributes
    ----------
    mixing : ndarray of shape (n_components, n_features)
        The projection.
    centre : ndarray of shape (n_features,)
        A central point of the rows, which is subtracted so that no digits are lost far from 0.
    matrix : ndarray of shape (n_features, n_features) or None, default=None
        The matrix of bandwidths, if the projection follows from one.
    """

    mixing: np.ndarray
    centre: np.ndarray
    matrix: np.ndarray | None = None

    @classmethod
    def of_rows(
        cls,
        columns: Columns,
        rows: np.ndarray,
        projection: np.ndarray,
        matrix: np.ndarray | None = None,
    ) -> MappedColumns:
        """Columns for a projection, given some training rows of shape (n_rows, n_features)."""
        return cls(
            features=(),
            n_features=columns.n_features,
            labels=columns.labels,
            with_slopes=columns.with_slopes,
            mixing=projection,
            centre=np.median(rows, axis=0).astype(float),
            matrix=matrix,
        )

    def encode(self, table: np.ndarray) -> np.ndarray:
        """The numbers, followed by the columns of distance."""
        centred = np.subtract(table.T, self.centre[:, None], dtype=float)
        columns = np.zeros((len(centred) + len(self.mixing), len(table)))
        columns[: len(centred)] = table.T
        # Element by element, so that the bits of a mapped row do not depend on the other rows.
        for number, mixed in zip(centred, self.mixing.T):
            columns[len(centred) :] += np.multiply.outer(mixed, number)
        return np.ascontiguousarray(columns.T)

    def decode(self, columns: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """The table of some columns."""
        return columns[:, : self.n_features]

    def by_column(self, by_feature: np.ndarray) -> np.ndarray:
        """The bandwidth of each column; bandwidths of features are not used."""
        return np.repeat([np.inf, 1.0], self.mixing.shape[::-1])

    def by_feature(self, bandwidth: Any) -> Any:
        """The matrix; for a projection, the step along each feature that gives distance 1."""
        if self.matrix is not None:
            return self.matrix
        with np.errstate(divide="ignore"):
            return 1 / np.linalg.norm(self.mixing / bandwidth[self.n_features :, None], axis=0)

    def summed(self, by_column: np.ndarray) -> np.ndarray:
        """The column of each feature."""
        return by_column[..., : self.n_features]

    @property
    def log_stretch(self) -> float:
        """Logarithm of a volume over that in the columns."""
        return -float(np.log(np.linalg.svd(self.mixing, compute_uv=False)).sum())

    def slopes(
        self, by_column: np.ndarray, queries: np.ndarray, *, of_lines: bool = False
    ) -> np.ndarray:
        """Slopes in the features, from slopes in the columns; see :meth:`Columns.slopes`."""
        of_numbers, of_mixed = np.split(by_column, [self.n_features], axis=1)
        return of_numbers + np.einsum("aj,nam->njm", self.mixing, of_mixed)
