"""The engine: arrays in, pooled sums out. It knows no estimator.

    pool, pool_each, slopes, gradients, attend    here: what is called from outside
      |
    _choice                            which way is the fastest
      |
    _blocks     _lattice               only pairs that matter; no pairs, for a Gaussian
      |
    _neighbourhoods  _moments          which blocks matter; blocks that are within the support
      |
    _boxes                             rows in k-d order, in blocks
      |
    _dense  _slopes  _gradients        all tiles: their sums; how a loss changes with bandwidth,
      |                                and the sums with the query
    _tiles      _rows                  some pairs, in the cache; rows of weights, exactly
      |
    _metric                            pairs under any metric
      |
    _euclidean                         squared scaled distances, plainly or by a product
      |
    _pairs      _product               what all pairs can be asked; the product
      |
    _sums       _threads               results that merge; threads
      |
    _exponential                       the quickest exponential on this processor,
      |
    _compiled                          which may be one that numba compiles

It speaks attention's language, in which the estimators' words are:

    queries   rows that are asked about (`X` of `predict`)
    keys      rows that are known (`X` of `fit`)
    values    what is known of them (`y`; one-hot classes)
    weights   how much each known row counts (`sample_weight`)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nwkr._pooling._blocks import attend_blocks, sum_blocks
from nwkr._pooling._boxes import Blocks, in_blocks
from nwkr._pooling._choice import neighbourhoods, pool_pairs, way_of
from nwkr._pooling._gradients import query_gradients
from nwkr._pooling._lattice import MOST_COLUMNS
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._pairs import places
from nwkr._pooling._rows import row_blocks, weights_in_rows
from nwkr._pooling._slopes import bandwidth_slopes
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each, one_blas_thread
from nwkr.kernels import Kernel

__all__ = [
    "MOST_COLUMNS",
    "Blocks",
    "PooledSums",
    "algorithm_of",
    "attend",
    "gradients",
    "in_blocks",
    "one_blas_thread",
    "places",
    "pool",
    "pool_each",
    "slopes",
]


def pool(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    kernel: Kernel,
    bandwidth: np.ndarray | float,
    *,
    weights: np.ndarray,
    metric: str | Callable = "euclidean",
    leave_out: np.ndarray | None = None,
    query_widths: np.ndarray | None = None,
    key_widths: np.ndarray | None = None,
    empty: str | None = None,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    tol: float = 0.0,
    n_jobs: int | None = None,
) -> PooledSums:
    """Sum kernel weights, and values times these, over all keys for each query.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Queries; if precomputed, their distances to the keys, (n_queries, n_keys).
    keys : ndarray of shape (n_keys, n_features)
        Keys.
    values : ndarray of shape (n_keys, n_values)
        Values, best of order 1.
    kernel : Kernel
        The kernel.
    bandwidth : ndarray of shape (n_features,) or float
        Scale of each column for the euclidean metric, of the distance for all others.
    weights : ndarray of shape (n_keys,)
        Positive weights of the keys, at most 1.
    metric : str or callable, default="euclidean"
        "precomputed", or any metric of :func:`sklearn.metrics.pairwise_distances`.
    leave_out : ndarray of shape (n_queries,) or None, default=None
        For each query, the number of the key that it leaves out; -1 for none.
    query_widths, key_widths : ndarray of shape (n_queries,) and (n_keys,) or None, default=None
        Factors of the bandwidth, by query or by key, not both.
    empty : {"nearest", "mean"} or None, default=None
        What a query takes that no key has weight for: its nearest keys, all, or nothing.
    blocks : Blocks or None, default=None
        The blocks of the keys, if these are in k-d order.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        The way of pooling; "auto" is the fastest. All but "dense" need `blocks`.
    tol : float, default=0.0
        Relative error that a total may have; 0 stands for rounding.
    n_jobs : int or None, default=None
        Number of threads; the result does not depend on it.

    Returns
    -------
    sums : PooledSums
        Total and weighted sums.
    """
    return pool_each(
        (1.0,), queries, keys, values, kernel, bandwidth,
        weights=weights, metric=metric, leave_out=leave_out,
        query_widths=query_widths, key_widths=key_widths, empty=empty,
        blocks=blocks, algorithm=algorithm, tol=tol, n_jobs=n_jobs,
    )[0]  # fmt: skip


def pool_each(
    multiples: Sequence[float],
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    kernel: Kernel,
    bandwidth: np.ndarray | float,
    *,
    weights: np.ndarray,
    metric: str | Callable = "euclidean",
    leave_out: np.ndarray | None = None,
    query_widths: np.ndarray | None = None,
    key_widths: np.ndarray | None = None,
    empty: str | None = None,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    tol: float = 0.0,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool with several multiples of the bandwidth, which share the distances.

    What is not listed is as in :func:`pool`.

    Parameters
    ----------
    multiples : sequence of float
        Positive factors of the bandwidth.

    Returns
    -------
    sums : list of PooledSums
        Total and weighted sums, for each multiple.
    """
    least = min(multiples)
    pairs = pairs_of(queries, keys, least * bandwidth, metric, leave_out, query_widths, key_widths)
    return pool_pairs(
        pairs,
        kernel,
        np.vstack([weights, weights * values.T]),
        blocks=blocks,
        algorithm=algorithm,
        tol=tol,
        multiples=[multiple / least for multiple in multiples],
        empty=empty,
        n_jobs=n_jobs,
    )


def slopes(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    kernel: Kernel,
    bandwidth: np.ndarray,
    *,
    weights: np.ndarray,
    sums: PooledSums,
    loss_slopes: np.ndarray,
    leave_out: np.ndarray | None = None,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    n_jobs: int | None = None,
) -> np.ndarray:
    """Derivatives of a loss of the pooled values by the logarithm of each bandwidth.

    What is not listed is as in :func:`pool`; the metric is euclidean.

    Parameters
    ----------
    sums : PooledSums
        What :func:`pool` gave.
    loss_slopes : ndarray of shape (n_queries, n_values)
        Derivatives of the loss by the pooled values.

    Returns
    -------
    slopes : ndarray of shape (n_features,)
        Derivatives; 0 where the bandwidth is 0 or infinite.
    """
    pairs = pairs_of(queries, keys, bandwidth, leave_out=leave_out)
    weighted_values = np.vstack([weights, weights * values.T])
    counted = np.isfinite(bandwidth) & (bandwidth > 0)
    by_column = np.zeros(len(bandwidth))
    around = neighbourhoods(pairs, kernel, weights, blocks)
    if around is None or algorithm == "dense":
        total = bandwidth_slopes(pairs, kernel, weighted_values, sums, loss_slopes, n_jobs)
    else:

        def add(rows, cols, part):
            values_of_part = np.take(weighted_values, cols, axis=1)
            return bandwidth_slopes(
                part, kernel, values_of_part, sums.take(rows), loss_slopes[rows], n_jobs=1
            )

        total = sum_blocks(around, add, n_jobs)
    by_column[counted] = total
    return by_column


def gradients(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    kernel: Kernel,
    bandwidth: np.ndarray,
    *,
    weights: np.ndarray,
    leave_out: np.ndarray | None = None,
    key_widths: np.ndarray | None = None,
    empty: str | None = None,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    tol: float = 0.0,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Derivatives of the pooled values by each column of the query.

    What is not listed is as in :func:`pool`; the metric is euclidean, and the bandwidth does not
    depend on the query.

    Parameters
    ----------
    kernel : Kernel
        A kernel that has a derivative.

    Returns
    -------
    gradients : ndarray of shape (n_queries, n_features, n_values)
        Derivatives, in units of the columns; 0 where the bandwidth is 0 or infinite, NaN where
        no key has weight and nothing stands in.
    """
    keys = keys.astype(float, copy=False)
    pairs = pairs_of(queries, keys, bandwidth, leave_out=leave_out, key_widths=key_widths)

    def pooled(values, kernel, weights):
        return pool(
            queries, keys, values, kernel, bandwidth,
            weights=weights, leave_out=leave_out, key_widths=key_widths,
            empty=empty, blocks=blocks, algorithm=algorithm, tol=tol, n_jobs=n_jobs,
        )  # fmt: skip

    counted = np.isfinite(bandwidth) & (bandwidth > 0)
    by_column = np.zeros((len(queries), len(bandwidth), values.shape[1]))
    if counted.any():
        found = query_gradients(pairs, kernel, values, weights, pooled, empty, n_jobs)
    else:  # no slopes to tell from whether a query has weight
        found = pooled(values, kernel, weights).finish()[:, None]
    by_column[np.isnan(found).all(axis=(1, 2))] = np.nan
    if counted.any():
        by_column[:, counted] = found / bandwidth[counted, None]
    return by_column


def attend(
    visit: Callable[[np.ndarray, np.ndarray, np.ndarray], None],
    queries: np.ndarray,
    keys: np.ndarray,
    kernel: Kernel,
    bandwidth: np.ndarray | float,
    *,
    weights: np.ndarray,
    metric: str | Callable = "euclidean",
    leave_out: np.ndarray | None = None,
    query_widths: np.ndarray | None = None,
    key_widths: np.ndarray | None = None,
    empty: str | None = None,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    tol: float = 0.0,
    n_jobs: int | None = None,
) -> None:
    """Show the weights themselves, a block of rows at a time.

    What is not listed is as in :func:`pool`.

    Parameters
    ----------
    visit : callable
        Called as ``visit(rows, cols, attention)`` with the numbers of some queries, those of
        the keys that have weight for any of them, and the weights, an ndarray of shape
        (n_rows, n_cols) to keep or change; once for each query, from several threads. Rows
        sum to 1, or are 0 where no key has weight.
    """
    pairs = pairs_of(queries, keys, bandwidth, metric, leave_out, query_widths, key_widths)

    def show(rows, cols, attention):
        attention *= weights[cols]
        total = attention.sum(axis=1, keepdims=True)
        attention /= np.where(total > 0, total, 1)
        visit(rows, cols, attention)

    def show_part(part):
        for rows, cols, found in weights_in_rows(pairs, kernel, np.r_[part], empty):
            show(rows, np.arange(len(weights))[cols], found)

    around = neighbourhoods(pairs, kernel, weights, blocks, tol)
    if around is None or algorithm == "dense":
        each(show_part, row_blocks(*pairs.shape), n_jobs)
    else:
        attend_blocks(around, kernel, show, empty=empty, n_jobs=n_jobs)


def algorithm_of(
    queries: np.ndarray,
    keys: np.ndarray,
    values: np.ndarray,
    kernel: Kernel,
    bandwidth: np.ndarray | float,
    *,
    weights: np.ndarray,
    metric: str | Callable = "euclidean",
    leave_out: np.ndarray | None = None,
    query_widths: np.ndarray | None = None,
    key_widths: np.ndarray | None = None,
    empty: str | None = None,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    tol: float = 0.0,
    n_jobs: int | None = None,
) -> str:
    """Name the way that :func:`pool` takes, which has the same parameters.

    Returns
    -------
    algorithm : {"dense", "blocks", "lattice"}
        Its name.
    """
    pairs = pairs_of(queries, keys, bandwidth, metric, leave_out, query_widths, key_widths)
    around = neighbourhoods(pairs, kernel, weights, blocks, tol)
    return way_of(algorithm, pairs, kernel, np.vstack([weights, values.T]), around, tol)
