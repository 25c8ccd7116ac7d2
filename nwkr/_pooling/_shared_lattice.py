"""One lattice for keys in several parts, whose weights on its points are added.

Its geometry depends only on the ranges of all keys and on their weights, so it is the same for all
parts of keys and queries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._lattice import MOST_COLUMNS, Lattice, Points
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import one_blas_thread
from nwkr._pooling._values import WeightedValues
from nwkr.kernels import Kernel

__all__ = ["SharedLattice"]


@dataclass(frozen=True)
class SharedLattice:
    """The geometry of a lattice for all parts of the keys.

    Attributes
    ----------
    kernel : Kernel
        A Gaussian.
    bandwidth : ndarray of shape (n_features,)
        Scale of each column, positive.
    lowest, highest : ndarray of shape (n_features,)
        Ends of the columns of all keys.
    mass : float
        Sum of the weights of all keys.
    light : float
        A weight that few keys fall below.
    n_values : int
        Number of values of a key.
    tol : float, default=0.0
        Allowed relative error of a total; 0 means rounding only.
    width : int or None, default=None
        Width of a cell, in points.
    """

    kernel: Kernel
    bandwidth: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    mass: float
    light: float
    n_values: int
    tol: float = 0.0
    width: int | None = None

    @property
    def columns(self) -> np.ndarray:
        """Numbers of the columns with finite positive bandwidth."""
        return np.flatnonzero(np.isfinite(self.bandwidth))

    @property
    def serves(self) -> bool:
        """Whether there is a lattice, and it fits in memory."""
        some = 1 <= len(self.columns) <= MOST_COLUMNS and bool((self.bandwidth > 0).all())
        return bool(self.kernel.log_slope) and some and self._of_part(self._none).fits_in_memory

    def for_parts(self, n_rows: int) -> SharedLattice:
        """The same with a cell width that suits parts with this many rows."""
        return replace(self, width=self._of_part(self._none, n_rows=n_rows).width)

    def seconds(self, n_rows: int) -> float:
        """Estimated time of this many rows, keys and queries; only ratios matter."""
        return self._of_part(self._none, n_rows=n_rows).seconds

    @one_blas_thread()
    def spread(self, keys: np.ndarray, weights: np.ndarray, values: np.ndarray) -> Points:
        """The weights of a part of the keys on the points.

        Parameters
        ----------
        keys : ndarray of shape (n_keys, n_features)
            Keys.
        weights : ndarray of shape (n_keys,)
            Positive weights of the keys.
        values : ndarray of shape (n_keys, n_values)
            Values.

        Returns
        -------
        points : Points
            The weights on the points, which are added to those of other parts.
        """
        return self._of_part(keys, WeightedValues(weights, values).all).spread(n_jobs=1)

    @one_blas_thread()
    def gather(
        self,
        queries: np.ndarray,
        points: Points,
        leave_out: np.ndarray | None = None,
        own: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> tuple[PooledSums, np.ndarray]:
        """The sums of queries from the points.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        points : Points
            The weights of all keys on the points.
        leave_out : ndarray of shape (n_queries,) or None, default=None
            Number of the key that is the query itself and that it leaves out; -1 for none.
        own : tuple of ndarray or None, default=None
            The part with these keys, its weights and its values, as in :meth:`spread`.

        Returns
        -------
        sums : PooledSums
            Total and weighted sums of each query.
        certified : ndarray of shape (n_queries,)
            Which of them are exact enough.
        """
        keys, values = self._none, None
        if own is not None:
            keys, weights, of_keys = own
            values = WeightedValues(weights, of_keys).all
        part = self._of_part(keys, values, queries, leave_out=leave_out)
        return part.gather(points, n_jobs=1)

    @property
    def _none(self):
        return np.empty((0, len(self.bandwidth)))

    def _of_part(self, keys, values=None, queries=None, n_rows=None, leave_out=None):
        columns = self.columns
        queries = self._none if queries is None else queries
        lowest, highest, bandwidth = (
            ends[columns] for ends in (self.lowest, self.highest, self.bandwidth)
        )
        pairs = EuclideanPairs(queries[:, columns], keys[:, columns], bandwidth, lowest, columns)
        pairs.leave_out = leave_out
        if n_rows is not None:
            pairs.shape = (0, n_rows)  # without keys
        return Lattice(
            pairs,
            self.kernel,
            np.empty((1 + self.n_values, 0)) if values is None else values,
            tol=self.tol,
            box=(lowest, highest),
            light=self.light,
            mass=self.mass,
            width=self.width,
        )
