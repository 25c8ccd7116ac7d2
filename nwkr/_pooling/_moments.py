"""Moments: sums over blocks of keys within the support, without visiting pairs.

There a kernel ``(1 - u2) ** power`` is a polynomial. With q and k in units of the bandwidth from a
common centre, ``1 - (q - k)^2`` is the product of ``(q, q^2 - 1, 1)`` with ``(2 k, -1, -k^2)``,
and a power of it the product of their tensor powers. So a sum over keys needs only the sum of the
tensor powers of the keys, their moments. These are relative to the centre of the block, and are
moved to the centre of the queries, because far from both, digits would be lost.

The idea, in one dimension, is that of J. Fan and J. S. Marron, "Fast Implementations of
Nonparametric Curve Estimators", Journal of Computational and Graphical Statistics 3(1), 1994,
doi:10.1080/10618600.1994.10474629.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nwkr._pooling._euclidean import EuclideanPairs
from nwkr.kernels import Kernel

__all__ = ["Moments"]

# Parts share a centre within this squared scaled distance; powers of larger numbers lose digits.
_LARGEST_SQUARE_TO_CENTRE = 4.0


class Moments:
    """Moments of blocks of keys, smaller and larger ones.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys.
    kernel : Kernel
        A kernel that is a power of ``1 - u2`` within its support.
    values : ndarray of shape (n_values, n_keys)
        Values to sum.
    levels : sequence of ndarray, each of shape (n_blocks + 1,)
        For each size of block, the start of each block, and the number of keys.
    multiple : float, default=1.0
        Factor of the bandwidth.
    """

    def __init__(
        self,
        pairs: EuclideanPairs,
        kernel: Kernel,
        values: np.ndarray,
        levels: Sequence[np.ndarray],
        multiple: float = 1.0,
    ):
        assert kernel.power is not None
        self._pairs, self._power = pairs, kernel.power
        self._inverse = 1 / (pairs.bandwidth * multiple)
        # The 1 is added on the side with factors, because next to large squares it would lose
        # digits.
        self._one_of_keys = float(pairs.key_factors is not None)
        self._largest_factor = 1.0 if pairs.key_factors is None else float(pairs.key_factors.max())
        sizes, n_columns = [len(starts) - 1 for starts in levels], len(pairs.columns)
        self._first = np.cumsum([0, *sizes])  # of each level
        self._centres = np.empty((sum(sizes), n_columns))
        self._moments = np.empty((sum(sizes), (n_columns + 2) ** self._power, len(values)))
        for before, size, starts in zip(self._first, sizes, levels):
            per_chunk = max(1, pairs.sizes.keys_per_moments * size // starts[-1])
            for first in range(0, size, per_chunk):
                edges = starts[first : first + per_chunk + 1]
                blocks = slice(before + first, before + first + len(edges) - 1)
                self._write(blocks, slice(edges[0], edges[-1]), edges - edges[0], values)

    def _write(self, blocks, cols, edges, values):
        keys, sizes = self._pairs.keys[cols].astype(float), np.diff(edges)
        # The first row of a block serves as its centre; it never lies outside.
        self._centres[blocks] = keys[edges[:-1]]
        keys = (keys - np.repeat(self._centres[blocks], sizes, axis=0)) * self._inverse
        factors = self._pairs.key_factors
        factors = np.ones(len(keys)) if factors is None else factors[cols]
        with np.errstate(over="ignore"):  # for rows so far from others that powers overflow
            squares = factors * np.einsum("ij,ij->i", keys, keys)
        ones = self._one_of_keys - squares
        features = _powers(
            np.column_stack([2 * factors[:, None] * keys, -factors, ones]), self._power
        )
        for number, column in enumerate(values[:, cols]):
            self._moments[blocks, :, number] = np.add.reduceat(
                features * column[:, None], edges[:-1], axis=0
            )

    def sums(
        self, found: Sequence[tuple[np.ndarray, np.ndarray]], parts: list[np.ndarray]
    ) -> np.ndarray:
        """Sums over the blocks within the support of all queries of a part.

        Parameters
        ----------
        found : sequence of tuple
            For each size of block, numbers of blocks, and which of them lie within the support for
            each part, an ndarray of bool, of shape (n_parts, n_numbers).
        parts : list of ndarray
            Numbers of the queries in each part.

        Returns
        -------
        sums : ndarray of shape (n_rows, n_values)
            The sums, part by part.
        """
        within = np.column_stack([inside for _, inside in found])
        blocks = np.concatenate(
            [first + numbers for first, (numbers, _) in zip(self._first, found)]
        )
        sums = [np.zeros((len(part), self._moments.shape[2])) for part in parts]
        for centre, numbers in self._near_each_other(parts, within.any(axis=1)):
            rows = np.concatenate([parts[number] for number in numbers])
            some = within[numbers].any(axis=0)
            totals = self._totals(blocks[some], within[numbers][:, some], centre)
            ends = np.cumsum([len(parts[number]) for number in numbers])[:-1]
            features = np.split(self._features(rows, centre), ends)
            for number, own, total in zip(numbers, features, totals):
                sums[number] = own @ total.T
        return np.concatenate(sums)

    def _near_each_other(self, parts, wanted):
        """Centres, and the numbers of the parts near each of them."""
        found: list[tuple[np.ndarray, float, list[int]]] = []
        for number in np.flatnonzero(wanted):
            part, factor = parts[number], self._largest_factor
            if self._pairs.query_factors is not None:
                factor = self._pairs.query_factors[part].max()
            centre = np.take(self._pairs.queries, part, axis=0).mean(axis=0, dtype=float)
            if found:
                first, its_factor, _ = found[-1]
                apart = np.sum(((centre - first) * self._inverse) ** 2)
            if not found or apart * max(factor, its_factor) > _LARGEST_SQUARE_TO_CENTRE:
                found.append((centre, factor, []))
            found[-1][2].append(int(number))
        return [(centre, numbers) for centre, _, numbers in found]

    def _totals(self, blocks, within, centre):
        """Sums of the moments of some blocks about a centre, for each part."""
        moments = np.take(self._moments, blocks, axis=0)
        n_values = moments.shape[2]
        moves = _moves((self._centres[blocks] - centre) * self._inverse)
        for _ in range(self._power):
            moments = moves @ moments.reshape(len(blocks), moves.shape[1], -1)
            moments = moments.swapaxes(1, 2)  # the axis that is done goes to the end
        totals = within.astype(float) @ moments.reshape(len(blocks), -1)
        return totals.reshape(len(within), n_values, -1)

    def _features(self, rows, centre):
        """The factors of moments about a centre for some queries."""
        queries = (np.take(self._pairs.queries, rows, axis=0) - centre) * self._inverse
        factors = self._pairs.query_factors
        factors = np.ones(len(queries)) if factors is None else factors[rows]
        squares = np.einsum("ij,ij->i", queries, queries)
        return _powers(
            np.column_stack(
                [factors[:, None] * queries, factors * squares - (1 - self._one_of_keys), factors]
            ),
            self._power,
        )


def _powers(rows, power):
    """Tensor powers of rows, flattened; undefined if they overflow."""
    powers = np.ones((len(rows), 1))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(power):
            powers = (powers[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    return powers


def _moves(steps):
    """Matrices that map the features of a key ``k`` to those of ``k + step``."""
    n_columns = steps.shape[1]
    moves = np.zeros((len(steps), n_columns + 2, n_columns + 2))
    diagonal = np.arange(n_columns + 2)
    moves[:, diagonal, diagonal] = 1
    moves[:, :n_columns, n_columns] = -2 * steps
    moves[:, n_columns + 1, :n_columns] = -steps
    moves[:, n_columns + 1, n_columns] = np.einsum("ij,ij->i", steps, steps)
    return moves
