"""The model for all tasks: sums over pairs of chunks, and results from the merged sums.

A partial result is pooled over one chunk of keys. All have one common centre and unit, so they can
be merged (`PooledSums`). Fits are computed from the merged sums only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from nwkr._local import LocalLines
from nwkr._newton_step import NewtonStep
from nwkr._pooling import DEFAULT_SIZES, Attention, Points, PooledSums, SharedLattice, in_blocks
from nwkr._trend import Trend
from nwkr._window import FixedWindow
from nwkr.dask._form import RowForm, Rows, Weighing
from nwkr.dask._queries_and_keys import Asked, Keys
from nwkr.kernels import Kernel

__all__ = ["Model"]

# Queries further apart than this, in bandwidths, need moments about different centres.
_REACH = 512.0
# Few keys weigh less than this share of the mean; the lattice must be exact near them too.
_LIGHT = 0.1


@dataclass(frozen=True)
class Model:
    """The parameters of pooling over chunks of keys.

    Attributes
    ----------
    form : RowForm
        The form of the rows.
    kernel : Kernel
        The kernel.
    window : FixedWindow
        The bandwidth.
    metric : str, callable or Metric
        The metric.
    lines : LocalLines
        The local fit.
    weighing : Weighing
        The weights of rows, and the conversion of targets.
    handle_empty : {"nearest", "mean", "nan", "error"}
        The prediction for queries without weights.
    algorithm : {"auto", "dense", "blocks", "lattice"}
        The algorithm; except for "lattice", within each pair of chunks.
    tol : float
        Allowed relative error of a sum.
    n_keys : int
        Number of keys.
    mass : float
        Sum of the weights of all keys.
    gaps : ndarray of bool, of shape (n_columns,)
        Columns with missing numbers of keys.
    lowest, highest : ndarray of shape (n_columns,)
        Ranges of the columns of all keys.
    trend : Trend or None, default=None
        The trend of classes, without rows.
    curvature : ndarray of shape (n_logits,) or None, default=None
        Mean curvature of all rows under it.
    lattice : SharedLattice or None, default=None
        The lattice that keys and queries share.
    """

    form: RowForm
    kernel: Kernel
    window: FixedWindow
    metric: Any
    lines: LocalLines
    weighing: Weighing
    handle_empty: str
    algorithm: str
    tol: float
    n_keys: int
    mass: float
    gaps: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    trend: Trend | None = None
    curvature: np.ndarray | None = None
    lattice: SharedLattice | None = None

    @property
    def targets(self) -> Any:
        """The conversion of targets, without rows."""
        return self.weighing.targets

    def fitting(self, lines: LocalLines) -> LocalLines | NewtonStep:
        """The local fit, from lines with some centre."""
        if self.trend is None:
            return lines
        assert self.curvature is not None
        return NewtonStep.of_lines(lines, self.window, self.curvature, self.trend.link)

    def asked(self, queries: np.ndarray, own: Keys | None = None) -> Asked:
        """Queries, which may be the rows of a chunk that leave themselves out."""
        attention, logits = self._attention(queries), None
        if own is not None:
            attention = own.attention.replace(queries=queries, leave_out=own.of_rows)
        if self.trend is not None:
            logits = self.trend.logits(queries)
            if own is not None:
                assert own.trend is not None
                logits[own.rows.numbers] = own.trend.logits_without
        return Asked(attention, logits)

    @property
    def all_numbers(self) -> bool:
        """Whether all columns with finite bandwidth hold numbers without missing values."""
        kinds = self.form.columns.kinds
        special = self.gaps if kinds is None else self.gaps | kinds.is_label
        return not (special & np.isfinite(self.window.bandwidth)).any()

    def sharing_lattice(self, n_chunks: int) -> Model:
        """The same with a lattice for all chunks of keys, if possible."""
        dense = self.trend is not None or not sparse.issparse(self.targets.values)
        dense &= self.metric == "euclidean"
        if not (dense and self.all_numbers):
            return self
        bandwidth, columns = np.asarray(self.window.bandwidth), self.lines.columns
        centre, lowest, highest = self.lines.centre, self.lowest[columns], self.highest[columns]
        if (np.maximum(highest - centre, centre - lowest) > _REACH * bandwidth[columns]).any():
            return self  # moments about one centre would lose digits
        some = np.zeros((1, len(bandwidth)))
        n_targets = self.targets.values.shape[1]
        if self.trend is not None:
            n_targets = self.trend.targets.shape[1]
        fitting = self.fitting(self.lines)
        values = fitting.values(some, np.zeros((1, n_targets)))
        lattice = SharedLattice(
            self.kernel,
            bandwidth,
            self.lowest,
            self.highest,
            self.mass,
            _LIGHT * self.mass / self.n_keys,
            values.shape[1],
            fitting.careful(self._attention(some)).tol,
        )
        if not lattice.serves:
            return self
        return replace(self, lattice=lattice.for_parts(max(1, self.n_keys // n_chunks)))

    def keys(self, rows: Rows | None, *, arranged: bool = True) -> Keys | None:
        """Keys of a chunk, if there are any.

        Parameters
        ----------
        rows : Rows or None
            Rows of the chunk that have weight.
        arranged : bool, default=True
            Whether to sort them by place, which helps with many queries.

        Returns
        -------
        keys : Keys or None
            The keys.
        """
        rows, weights = self.weighing.of(rows)
        if rows is None:
            return None
        blocks = None
        many = arranged and len(weights) >= DEFAULT_SIZES.least_keys
        many |= self.algorithm == "blocks"
        if many and self.metric == "euclidean" and self.algorithm != "dense":
            scale, kinds = np.asarray(self.window.bandwidth), self.form.columns.kinds
            order, blocks = in_blocks(rows.X, scale, kinds=kinds)
            rows, weights = rows.take(order), weights[order]
        counts = self.weighing.unit * weights
        attention = self._attention(rows.X[:0]).replace(
            keys=rows.X, weights=weights, counts=counts, blocks=blocks
        )
        targets = self.targets.of_rows(rows.y)
        trend = self.trend and self.trend.of_rows(rows.X, targets.codes, counts)
        values = targets.values if trend is None else trend.targets
        return Keys(attention.prepare(), values, rows, trend)

    def pool(
        self, queries: np.ndarray, keys: Keys, leave_out: np.ndarray | None = None
    ) -> PooledSums:
        """Sums over a chunk of keys, for each query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            The queries.
        keys : Keys
            The keys.
        leave_out : ndarray of shape (n_queries,) or None, default=None
            The number of the key that each query leaves out, -1 for none.

        Returns
        -------
        sums : PooledSums
            The sums.
        """
        attention = keys.attention.replace(queries=queries, leave_out=leave_out)
        parts = []
        for rows, lines in self._by_centre(queries):
            fitting = self.fitting(lines)
            values = fitting.values(keys.attention.keys, keys.targets)
            some = attention if rows is None else attention.take(rows)
            parts.append((rows, fitting.careful(some).pool(values)))
        return _together(parts, len(queries))

    def fit(self, asked: Asked, sums: PooledSums | None) -> np.ndarray:
        """Pooled values of each query.

        Parameters
        ----------
        asked : Asked
            The queries.
        sums : PooledSums or None
            Their sums over all keys; None for no queries.

        Returns
        -------
        values : ndarray of shape (n_queries, n_outputs)
            Pooled values.
        """
        queries = asked.attention.queries
        found = np.empty((len(queries), self.targets.values.shape[1]))
        if sums is None:
            return found
        for rows, lines in self._by_centre(queries):
            if rows is None:
                return asked.fit(self.fitting(lines), sums)
            found[rows] = asked.take(rows).fit(self.fitting(lines), sums.take(rows))
        return found

    def spread(self, keys: Keys) -> Points:
        """The weights of a chunk of keys on the points of the lattice."""
        assert self.lattice is not None
        attention = keys.attention
        values = self.fitting(self.lines).values(attention.keys, keys.targets)
        return self.lattice.spread(attention.keys, attention.weights, values)

    def gather(
        self, asked: Asked, points: Points, own: Keys | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pooled values of queries from the points of the lattice, and which are certified."""
        assert self.lattice is not None
        queries, leave_out, of_keys = asked.attention.queries, asked.attention.leave_out, None
        if not len(queries):
            return self.fit(asked, None), np.empty(0, bool)
        fitting = self.fitting(self.lines)
        if own is not None:
            keys, weights = own.attention.keys, own.attention.weights
            of_keys = keys, weights, fitting.values(keys, own.targets)
        sums, certified = self.lattice.gather(queries, points, leave_out, of_keys)
        values = asked.fit(fitting, sums)
        return values, certified & np.isfinite(values).all(axis=1)

    def _attention(self, queries):
        """Queries and their window, without keys."""
        return Attention(
            queries,
            np.empty((0, queries.shape[1])),
            np.empty(0),
            self.kernel,
            self.window.bandwidth,
            metric=self.metric,
            kinds=self.form.columns.kinds,
            unit=self.weighing.unit / float(self.kernel(0.0) or 1.0),
            empty=self.handle_empty if self.handle_empty in ("nearest", "mean") else None,
            algorithm="auto" if self.algorithm == "lattice" else self.algorithm,
            tol=self.tol,
            n_jobs=1,
        )

    def _by_centre(self, queries):
        """Groups of neighbouring queries, with lines relative to one of them."""
        lines, bandwidth = self.lines, self.window.bandwidth
        if not lines.has_slopes:
            return [(None, lines)]
        step = _REACH * np.asarray(bandwidth)[lines.columns]
        places = lines.filled(queries)
        cells = np.rint((places - lines.centre) / step)
        if not cells.any():
            return [(None, lines)]
        of_query = np.unique(cells, axis=0, return_inverse=True)[1].ravel()
        order = np.argsort(of_query, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(of_query[order])) + 1)
        return [(rows, replace(lines, origin=places[rows[0]])) for rows in groups]


def _together(parts: Sequence[tuple], n_queries: int) -> PooledSums:
    """Sums of all queries, from the sums of groups."""
    (rows, sums), *_ = parts
    if rows is None:
        return sums
    whole = PooledSums(
        np.empty(n_queries),
        np.empty(n_queries),
        np.empty((n_queries, sums.weighted.shape[1])),
        np.empty(n_queries),
        np.empty((n_queries, 2)),
    )
    for rows, sums in parts:
        whole.put(rows, sums)
    return whole
