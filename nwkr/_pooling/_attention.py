"""Attention: queries, keys and a bandwidth, and all that is pooled with their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nwkr._arrays import Arrays
from nwkr._pooling._blocks import attend_blocks
from nwkr._pooling._boxes import Blocks
from nwkr._pooling._kinds import Kinds, centre_of, extent_of
from nwkr._pooling._lattice import MOST_COLUMNS
from nwkr._pooling._mask import Mask
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._pairs import Pairs, places
from nwkr._pooling._prepared import Prepared, corners_of, light_weight
from nwkr._pooling._rows import row_blocks, weights_in_rows
from nwkr._pooling._sizes import DEFAULT_SIZES, Sizes
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each, one_blas_thread
from nwkr._pooling._values import WeightedValues
from nwkr._pooling._way import Problem, Terms
from nwkr._pooling._ways import choose, pool_by_ways
from nwkr.kernels import Kernel

__all__ = ["Attention"]


@dataclass(frozen=True)
class Attention:
    """Queries, keys, and the parameters of their weights.

    Attributes
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Queries; if precomputed, their distances to the keys, (n_queries, n_keys).
    keys : ndarray of shape (n_keys, n_features)
        Keys.
    weights : ndarray of shape (n_keys,)
        Positive weights of the keys, at most 1.
    kernel : Kernel
        The kernel.
    bandwidth : ndarray of shape (n_features,) or float, default=1.0
        Scale of each column for the euclidean metric, of the distance for all others.
    metric : str or callable, default="euclidean"
        "precomputed", or any metric of :func:`sklearn.metrics.pairwise_distances`.
    kinds : Kinds or None, default=None
        Columns that do not hold plain numbers, for the euclidean metric.
    leave_out : ndarray of shape (n_queries,) or None, default=None
        For each query, the number of the key that it leaves out; -1 for none.
    mask : Mask or None, default=None
        Further keys that are hidden from each query.
    query_widths, key_widths : ndarray of shape (n_queries,) and (n_keys,) or None, default=None
        Factors of the bandwidth, by query or by key, not both.
    counts : ndarray of shape (n_keys,) or None, default=None
        The number of rows that each key counts as. Pooling does not use it.
    unit : float, default=1.0
        The number of rows that a total of 1 counts as.
    empty : {"nearest", "mean"} or None, default=None
        The result for a query for which no key has weight: the mean of its nearest keys, the mean
        of all keys, or none.
    blocks : Blocks or None, default=None
        The blocks of the keys, if these are in k-d order.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        The algorithm; "auto" is the fastest. All except "dense" need `blocks`.
    tol : float, default=0.0
        Allowed relative error of a total; 0 means rounding only.
    n_jobs : int or None, default=None
        Number of threads; the result does not depend on it.
    prepared : Prepared or None, default=None
        The result of :meth:`prepare`.
    arrays : Arrays or None, default=None
        The device for pooling, such as a GPU; NumPy by default. Inputs and results are NumPy
        arrays.
    sizes : Sizes, default=DEFAULT_SIZES
        Sizes of pieces of work.
    """

    queries: np.ndarray
    keys: np.ndarray
    weights: np.ndarray
    kernel: Kernel
    bandwidth: np.ndarray | float = 1.0
    metric: str | Callable = "euclidean"
    kinds: Kinds | None = None
    leave_out: np.ndarray | None = None
    mask: Mask | None = None
    query_widths: np.ndarray | None = None
    key_widths: np.ndarray | None = None
    counts: np.ndarray | None = None
    unit: float = 1.0
    empty: str | None = None
    blocks: Blocks | None = None
    algorithm: str = "auto"
    tol: float = 0.0
    n_jobs: int | None = None
    prepared: Prepared | None = None
    arrays: Arrays | None = None
    sizes: Sizes = DEFAULT_SIZES

    def replace(self, **changes: Any) -> Attention:
        """A copy with other attributes."""
        prepared, changed = self.prepared, set()
        if prepared is not None:
            changed = {name for name in changes if not _is(changes[name], getattr(self, name))}
            if changed & {"keys", "weights", "metric", "blocks", "kinds", "sizes"}:
                prepared = None
            elif changed & {"kernel", "bandwidth", "key_widths", "tol"}:
                prepared = replace(prepared, share={}, n_within=None)
        return replace(self, **{"prepared": prepared} | changes)

    @one_blas_thread()
    def prepare(self) -> Attention:
        """A copy in which results that depend only on keys and bandwidth are precomputed."""
        nothing = np.empty((len(self.keys), 0))
        around = None if self.blocks is None else self._problem(self.pairs(), nothing).around
        if around is None:
            return self
        known_scales = np.isfinite(self.scales) & (self.scales > 0)
        counted = np.flatnonzero(np.broadcast_to(known_scales, self.keys.shape[1:]))
        corners = corners_of(self.keys, counted if len(counted) <= MOST_COLUMNS else counted[:0])
        known = self.query_widths is None
        ways = {False, around.has_moments} if known else ()
        share = {by_moments: around.share_of(by_moments) for by_moments in ways}
        prepared = Prepared(
            extent_of(self.keys, self.kinds),
            centre_of(self.keys, self.kinds),
            None if self.kinds is None else self.kinds.special(self.keys),
            around.masses,
            light_weight(self.weights),
            corners,
            share,
            around.n_within() if known else None,
            around.pairs.keys if self.metric == "haversine" else None,
        )
        return self.replace(prepared=prepared)

    def take(self, rows: np.ndarray | None = None, cols: np.ndarray | None = None) -> Attention:
        """The attention of some of the queries to some of the keys.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,) or None, default=None
            Numbers of the queries, all by default.
        cols : ndarray of shape (n_cols,) or None, default=None
            Numbers of the keys, all by default. A selection of keys has no blocks.

        Returns
        -------
        attention : Attention
            The part.
        """
        part = self
        if rows is not None:
            part = part.replace(
                queries=part.queries[rows],
                leave_out=_some(part.leave_out, rows),
                mask=part.mask and part.mask.take(rows),
                query_widths=_some(part.query_widths, rows),
            )
        if cols is not None:
            part = part.replace(
                queries=part.queries[:, cols] if part.metric == "precomputed" else part.queries,
                keys=part.keys[cols],
                weights=part.weights[cols],
                leave_out=None if part.leave_out is None else places(part.leave_out, cols),
                mask=part.mask and part.mask.take(None, cols),
                key_widths=_some(part.key_widths, cols),
                counts=_some(part.counts, cols),
                blocks=None,
            )
        return part

    def pool(self, values: Any) -> PooledSums:
        """Sum the kernel weights, and the weighted values, over all keys for each query.

        Parameters
        ----------
        values : ndarray, CSR array or ValuesOnDemand, of shape (n_keys, n_values)
            Values, preferably of order 1.

        Returns
        -------
        sums : PooledSums
            Total and weighted sums.
        """
        return self.pool_each(values, (1.0,))[0]

    @one_blas_thread()
    def pool_each(self, values: Any, multiples: Sequence[float]) -> list[PooledSums]:
        """Pool with several multiples of the bandwidth, which share the distances.

        Parameters
        ----------
        values : ndarray, CSR array or ValuesOnDemand, of shape (n_keys, n_values)
            Values, preferably of order 1.
        multiples : sequence of float
            Positive factors of the bandwidth.

        Returns
        -------
        sums : list of PooledSums
            Total and weighted sums, for each multiple.
        """
        least = min(multiples)
        problem = self._problem(self.pairs(least), values, least)
        return pool_by_ways(self.algorithm, problem, [multiple / least for multiple in multiples])

    @one_blas_thread()
    def visit(self, visit: Callable[[np.ndarray, np.ndarray, np.ndarray], None]) -> None:
        """Pass the weights to a callback, by blocks of rows.

        Parameters
        ----------
        visit : callable
            Called as ``visit(rows, cols, weights)`` with the numbers of some queries, those of the
            keys that have weight for any of them, and the weights, an ndarray of shape (n_rows,
            n_cols) to keep or change; once for each query, from several threads. Rows sum to 1, or
            are 0 for queries without weights.
        """
        pairs = self.pairs()

        def show(rows, cols, found):
            found *= self.weights[cols]
            total = found.sum(axis=1, keepdims=True)
            found /= np.where(total > 0, total, 1)
            visit(rows, cols, found)

        def show_part(part):
            for rows, cols, found in weights_in_rows(pairs, self.kernel, np.r_[part], self.empty):
                show(rows, np.arange(len(self.weights))[cols], found)

        around = self.neighbourhoods(pairs)
        if around is None:
            each(show_part, row_blocks(*pairs.shape), self.n_jobs)
        else:
            attend_blocks(around, show, empty=self.empty, n_jobs=self.n_jobs)

    @one_blas_thread()
    def way(self, values: np.ndarray) -> str:
        """The algorithm of :meth:`pool` for these values: "dense", "blocks" or "lattice"."""
        problem = self._problem(self.pairs(), values)
        return choose(self.algorithm, problem)[0].name

    @property
    def scales(self) -> np.ndarray:
        """The bandwidth of each column, for the euclidean metric."""
        return np.atleast_1d(self.bandwidth)

    def pairs(self, multiple: float = 1.0) -> Pairs:
        """The pairs of queries and keys, for a multiple of the bandwidth."""
        widths = self.query_widths, self.key_widths
        options = (self.leave_out, *widths, self.prepared, self.kinds, self.sizes, self.mask)
        return pairs_of(self.queries, self.keys, multiple * self.bandwidth, self.metric, *options)

    def neighbourhoods(self, pairs: Pairs, tol: float | None = None) -> Neighbourhoods | None:
        """Neighbourhoods of blocks for these pairs, with another `tol`; None to visit all pairs."""
        if self.algorithm == "dense":
            return None
        exact = self if tol is None else self.replace(tol=tol)
        return exact._problem(pairs, np.empty((len(self.keys), 0))).around

    def _problem(self, pairs, values, multiple=1.0):
        prepared = self.prepared
        if multiple != 1 and prepared is not None:
            prepared = replace(prepared, share={}, n_within=None)
        varies = self.query_widths is not None or self.key_widths is not None
        of_pairs = pairs.kinds is None, self.arrays, pairs.mask is not None
        terms = Terms(self.metric, self.kernel, self.bandwidth, varies, *of_pairs)
        weighted = WeightedValues(self.weights, values)
        # The range of widths may be so large that there is no unit for all blocks.
        blocks = self.blocks if pairs.as_given is None else None
        return Problem(terms, pairs, weighted, blocks, self.tol, self.empty, self.n_jobs, prepared)


def _is(value, other):
    """Whether two values are the same object, or equal numbers."""
    if value is other:
        return True
    return isinstance(value, int | float | np.ndarray) and np.array_equal(value, other)


def _some(array, numbers):
    return None if array is None else array[numbers]
