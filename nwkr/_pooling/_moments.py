"""Moments: what blocks of keys within the support add, without looking at a pair.

There a kernel ``(1 - u2) ** power`` is a polynomial. With q and k in units of the bandwidth
from a common centre, ``1 - (q - k)^2`` is the product of ``(q, q^2, 1)`` with
``(2 k, -1, 1 - k^2)``, and a power of it the product of their tensor powers. So a sum over keys
takes no more than the sum of the keys' tensor powers, their moments. These are about the centre
of the block, and are moved to the queries' own: far from both, digits would be lost.

The idea, in one dimension, is that of J. Fan and J. S. Marron, "Fast Implementations of
Nonparametric Curve Estimators", Journal of Computational and Graphical Statistics 3(1), 1994,
doi:10.1080/10618600.1994.10474629.
"""

from __future__ import annotations

import numpy as np

from nwkr._pooling._distances import EuclideanPairs
from nwkr.kernels import Kernel

__all__ = ["Moments"]

_KEYS_AT_ONCE = 2**15


class Moments:
    """Moments of blocks of keys.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys.
    kernel : Kernel
        A kernel that is a power of ``1 - u2`` within its support.
    values : ndarray of shape (n_values, n_keys)
        What is summed.
    starts : ndarray of shape (n_blocks + 1,)
        Where each block of keys begins, and the number of keys.
    multiple : float
        Factor of the bandwidth.
    """

    def __init__(
        self,
        pairs: EuclideanPairs,
        kernel: Kernel,
        values: np.ndarray,
        starts: np.ndarray,
        multiple: float,
    ):
        assert kernel.power is not None
        self._pairs, self._power = pairs, kernel.power
        self._inverse = 1 / (pairs.bandwidth * multiple)
        n_blocks, n_columns = len(starts) - 1, len(pairs.columns)
        self._centres = np.empty((n_blocks, n_columns))
        self._moments = np.empty((n_blocks, (n_columns + 2) ** self._power, len(values)))
        per_chunk = max(1, _KEYS_AT_ONCE * n_blocks // starts[-1])
        for first in range(0, n_blocks, per_chunk):
            blocks = slice(first, first + per_chunk)
            edges = starts[first : first + per_chunk + 1]
            self._write(blocks, slice(edges[0], edges[-1]), edges - edges[0], values)

    def _write(self, blocks, cols, edges, values):
        keys, sizes = self._pairs.keys[cols].astype(float), np.diff(edges)
        # The first row of a block is as good a centre as any, and never lies outside.
        self._centres[blocks] = keys[edges[:-1]]
        keys = (keys - np.repeat(self._centres[blocks], sizes, axis=0)) * self._inverse
        factors = self._pairs.key_factors
        factors = np.ones(len(keys)) if factors is None else factors[cols]
        squares = factors * np.einsum("ij,ij->i", keys, keys)
        features = _powers(
            np.column_stack([2 * factors[:, None] * keys, -factors, 1 - squares]), self._power
        )
        for number, column in enumerate(values[:, cols]):
            self._moments[blocks, :, number] = np.add.reduceat(
                features * column[:, None], edges[:-1], axis=0
            )

    def sums(self, blocks: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What some blocks add to the sums of some queries, all pairs within the support.

        Parameters
        ----------
        blocks : ndarray of shape (n_blocks,)
            Numbers of the blocks.
        rows : ndarray of shape (n_rows,)
            Numbers of the queries.

        Returns
        -------
        sums : ndarray of shape (n_rows, n_values)
            Their sums.
        """
        queries = np.take(self._pairs.queries, rows, axis=0)
        centre = queries.mean(axis=0, dtype=float)
        moments = np.take(self._moments, blocks, axis=0)
        n_values = moments.shape[2]
        moves = _moves((self._centres[blocks] - centre) * self._inverse)
        for _ in range(self._power):
            moments = moves @ moments.reshape(len(blocks), moves.shape[1], -1)
            moments = moments.swapaxes(1, 2)  # the axis that is done goes to the end
        total = moments.sum(axis=0).reshape(n_values, -1)
        queries = (queries - centre) * self._inverse
        factors = self._pairs.query_factors
        factors = np.ones(len(queries)) if factors is None else factors[rows]
        squares = np.einsum("ij,ij->i", queries, queries)
        return (
            _powers(
                np.column_stack(
                    [factors[:, None] * queries, factors * squares + (factors - 1), factors]
                ),
                self._power,
            )
            @ total.T
        )


def _powers(rows, power):
    """Tensor powers of rows, flattened."""
    powers = np.ones((len(rows), 1))
    for _ in range(power):
        powers = (powers[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    return powers


def _moves(steps):
    """Matrices that move what stands for a key by a step: from ``k`` to ``k + step``."""
    n_columns = steps.shape[1]
    moves = np.zeros((len(steps), n_columns + 2, n_columns + 2))
    diagonal = np.arange(n_columns + 2)
    moves[:, diagonal, diagonal] = 1
    moves[:, :n_columns, n_columns] = -2 * steps
    moves[:, n_columns + 1, :n_columns] = -steps
    moves[:, n_columns + 1, n_columns] = np.einsum("ij,ij->i", steps, steps)
    return moves
