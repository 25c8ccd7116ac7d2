"""The dense algorithm: all pairs, one tile at a time.

A tile is three array operations: a product that gives squared distances, the kernel's
profile in place, and a product with the values. Sums are kept, the tile is not.

Tiles are inexact for queries so far from all keys that the weights underflow, and for queries so
near the edge of the support that rounding matters. Rows of weights replace their sums
(`_exactly.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, isclose
from typing import Any

import numpy as np
from scipy.sparse import issparse

from nwkr._pooling._exactly import pool_exactly
from nwkr._pooling._exponential import LOWEST
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._product import pick
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each, scratch, slices
from nwkr._pooling._tiles import Tiles
from nwkr._pooling._values import WeightedValues, as_dense
from nwkr.kernels import Kernel

__all__ = ["Dense", "Visit", "least_total", "pool_dense"]

# Totals are uncertain if exp(LOWEST), the lower limit of weights, is not negligible.
_LEAST_TOTAL = {np.dtype(np.float64): 2.0**-900, np.dtype(np.float32): 2.0**-70}
# Weights near the edge of the support have the error of the product, which matters in small totals.
_LEAST_TOTAL_AT_EDGE = {np.dtype(np.float64): 2.0**-6, np.dtype(np.float32): 1.0}
# The error of a weight doubles with each squaring, to 1e-12 after this many.
_MOST_SQUARINGS = 12


@dataclass(frozen=True)
class Visit:
    """Some queries, and the keys that they visit.

    Attributes
    ----------
    rows : slice
        The queries.
    keys : ndarray of shape (n_visited,) or None, default=None
        Numbers of the keys, in the order of the visit; all by default.
    needed : callable or None, default=None
        Maps the totals so far, of shape (n_multiples, n_rows), to the number of keys that each
        multiple needs, which does not decrease with the multiple. All by default.
    """

    rows: slice
    keys: np.ndarray | None = None
    needed: Callable[[np.ndarray], np.ndarray] | None = None


class Dense:
    """Pooling over pairs, one visit at a time.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    values : ndarray or CSC array of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    multiples : sequence of float, default=(1.0,)
        Factors of the bandwidth, the least of them 1.
    """

    def __init__(
        self,
        pairs: Pairs,
        kernel: Kernel,
        values: Any,
        multiples: Sequence[float] = (1.0,),
    ):
        self._pairs, self._kernel = pairs, kernel
        self._multiples, self._several = multiples, len(multiples) > 1
        # Squaring doubles the relative error of weights, which is too much for float32.
        dtype = np.float64 if self._several else None
        self._tiles = Tiles(pairs, kernel, dtype, rescaled=list(multiples) != [1.0])
        self._values = {
            np.dtype(np.float64): values,
            self._tiles.dtype: values.astype(self._tiles.dtype, copy=False),
        }
        self._at_once = values.shape[0] <= self._tiles.most_values
        self._key_weights = as_dense(values[:1])[0]
        self._chains = _chains(multiples, self._tiles.log_linear)
        thin = self._tiles.rounded and np.isfinite(kernel.support)
        self._least = least_total(self._tiles.dtype, thin)
        self.sums = np.zeros((len(multiples), pairs.shape[0], values.shape[0]))
        self._heaviest = np.ones(pairs.shape[0])  # of the keys that each query visits

    def pool(self, visit: Visit) -> None:
        """Pool for the queries of a visit; each query occurs at most once."""
        rows, n_met = visit.rows, 0
        weights_of_keys = self._key_weights
        if visit.keys is not None:
            weights_of_keys = np.take(weights_of_keys, visit.keys)
        self._heaviest[rows] = weights_of_keys.max()
        shape = len(self._multiples), self.sums.shape[2], rows.stop - rows.start
        sums = np.zeros(shape).swapaxes(1, 2)  # in the memory order of products
        for cols, reach, most in self._tiles.parts(rows, visit.keys):
            width = cols.stop - cols.start if isinstance(cols, slice) else len(cols)
            counts = [width] * len(sums)
            if visit.needed is not None:
                counts = np.clip(visit.needed(sums[:, :, 0]) - n_met, 0, width)
                if not counts.any():
                    break
            if not self._pool_at_once(rows, _first(cols, counts[0]), reach, sums):
                tile = self._tiles.write(rows, cols, reach)
                for number, weights in self._weights(tile, most, rows, cols, counts):
                    these = _first(cols, weights.shape[1])
                    values = pick(self._values[weights.dtype], these, axis=1)
                    _add_product(sums[number], weights, values)
            n_met += width
        self.sums[:, rows] = sums

    def _pool_at_once(self, rows, cols, reach, sums):
        """Add the sums of a tile without writing it; return whether this is possible."""
        if not self._at_once:
            return False
        values = pick(self._values[self._tiles.dtype], cols, axis=1)
        return self._tiles.pool(rows, cols, reach, values, sums[0])

    def _weights(self, tile, most, rows, cols, counts):
        """Number of each multiple, and its weights in a tile."""
        spare = scratch("spare", tile.size if self._several else 0, np.dtype(np.float64))
        for multiple, chain in self._chains:
            # The last chain may overwrite the tile.
            room = tile if chain is self._chains[-1][1] else spare.reshape(tile.shape)
            scaled, room = tile[:, : counts[chain[0]]], room[:, : counts[chain[0]]]
            if room.base is not tile.base or multiple != 1:
                scaled = self._tiles.rescale(scaled, multiple, out=room)
            weights = self._tiles.weights(scaled, most / multiple**2)
            self._pairs.exclude(weights, rows, _first(cols, weights.shape[1]))
            yield chain[0], weights
            for number in chain[1:]:
                weights = weights[:, : counts[number]]
                if self._tiles.underflow(most / self._multiples[number] ** 2):
                    # Products with subnormal numbers take a hundred times as long.
                    least = np.full(weights.shape[1], exp(LOWEST[weights.dtype] / 2))
                    np.maximum(weights, least, out=weights)
                yield number, np.square(weights, out=weights)

    def uncertain(self, sums: np.ndarray) -> np.ndarray:
        """Which sums have so little weight that they must be computed exactly."""
        return ~(sums[:, :, 0] > self._least * self._heaviest)


def pool_dense(
    pairs: Pairs,
    kernel: Kernel,
    values: WeightedValues,
    *,
    multiples: Sequence[float] = (1.0,),
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool the values over all pairs, with several bandwidths at once.

    The other parameters are those of :class:`Dense`.

    Parameters
    ----------
    values : WeightedValues
        Key weights, and the values times these.
    empty : {"nearest", "mean"} or None, default=None
        Replacement for queries without weights: nearest keys, all keys, or none.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    sums : list of PooledSums
        Total and weighted sums of each query, for each multiple.
    """
    dense = Dense(pairs, kernel, values.all, multiples)
    visits = [Visit(rows) for rows in slices(pairs.shape[0], pairs.sizes.queries_per_tile)]
    each(dense.pool, visits, n_jobs)
    sums, uncertain = dense.sums, dense.uncertain(dense.sums)
    return pool_exactly(
        sums,
        uncertain,
        [np.r_[visit.rows] for visit in visits],
        pairs,
        kernel,
        values,
        multiples,
        empty=empty,
        n_jobs=n_jobs,
    )


def least_total(dtype: np.dtype, thin: bool) -> float:
    """The total, relative to the heaviest key, above which sums of tiles are exact enough.

    Parameters
    ----------
    dtype : dtype
        Type of the tiles.
    thin : bool
        Whether weights near the edge of a support have the error of a product.

    Returns
    -------
    least : float
        The total.
    """
    return (_LEAST_TOTAL_AT_EDGE if thin else _LEAST_TOTAL)[dtype]


def _chains(multiples, log_linear):
    """Cut multiples into chains, each its first multiple and the numbers of its members.

    In a chain every multiple is the previous one divided by sqrt 2, and its weights are the
    squares of the previous weights.
    """
    left = sorted(range(len(multiples)), key=lambda number: -multiples[number])
    chains = []
    while left:
        chain = [left.pop(0)]
        first = multiples[chain[0]]
        while log_linear and len(chain) <= _MOST_SQUARINGS:
            wanted = first / 2 ** (len(chain) / 2)
            found = [number for number in left if isclose(multiples[number], wanted, rel_tol=1e-13)]
            if not found:
                break
            chain.append(found[0])
            left.remove(found[0])
        chains.append((first, chain))
    return chains


def _first(cols, width):
    """The first `width` of some columns."""
    return slice(cols.start, cols.start + width) if isinstance(cols, slice) else cols[:width]


def _add_product(sums, weights, values):
    """Add ``weights @ values.T`` to the sums."""
    if issparse(values):
        sums.T[:] += values @ np.ascontiguousarray(weights.T)  # in the layout that SciPy needs
        return
    if len(values) > 3:
        sums.T[:] += values @ weights.T
        return
    # BLAS is faster for few columns one by one; and np.dot releases the interpreter's lock, which @
    # does not with a vector.
    for number, column in enumerate(values):
        sums[:, number] += np.dot(weights, column)
