"""Derivatives of a loss of pooled values by bandwidths, or by a projection.

A loss depends on distances through the weights. Its derivative by the weight of a key is a linear
form, the sum of the values of the key times *factors* of the query, or a product of such forms.
Each pair contributes this product times K'(u2) times the derivative of its ``u2``. In units of the
bandwidth, this is ``-2 (q - k)^2`` by the logarithm of the bandwidth of a column, and
``2 (q - k) (r - l)`` by how much a column moves with another, in which query and key have r and l.
With the differences expanded, the sum over pairs is one product with the keys for all columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nwkr._pooling._attention import Attention
from nwkr._pooling._blocks import sum_blocks
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._product import pick
from nwkr._pooling._rows import in_rows
from nwkr._pooling._threads import each, slices
from nwkr._pooling._tiles import Tiles
from nwkr._pooling._values import WeightedValues
from nwkr.kernels import Kernel

__all__ = ["distance_slopes"]


def distance_slopes(
    attention: Attention,
    forms: Sequence[tuple[Any, np.ndarray]],
    shift: np.ndarray,
    others: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Derivatives of a loss, through the weights, by bandwidths or by a projection.

    Parameters
    ----------
    attention : Attention
        Queries and keys, under the euclidean metric, and a kernel that has a derivative.
    forms : sequence of (values, factors)
        The derivative of the loss by the weight that a query gives to a key is the product of these
        forms. A form is the sum of the factors of the query, of shape (n_queries, 1 + n_values),
        times 1 and the values of the key, an ndarray, CSR array or ValuesOnDemand of shape (n_keys,
        n_values). Factors are 0 for queries without weights.
    shift : ndarray of shape (n_queries,)
        Logarithm of the scale by which these weights are divided, from pooling.
    others : tuple of ndarray, of shape (n_queries, n_others) and (n_keys, n_others), or None
        Other columns of queries and keys.

    Returns
    -------
    slopes : ndarray of shape (n_features,) or (n_features, n_others)
        Derivatives by the logarithm of each bandwidth; with others, by how many bandwidths a
        column moves with each. 0 where the bandwidth is 0 or infinite.
    """
    pairs, weights = attention.pairs(), attention.weights
    around, weighted = attention.neighbourhoods(pairs, tol=0.0), []
    for values, factors in forms:
        weighted.append((WeightedValues(weights, values).all, factors))
        weights = np.ones_like(weights)  # once is enough

    def sums(rows, cols, part, n_jobs=1):
        of_part = others and (others[0][rows], pick(others[1], cols))
        some = [(pick(values, cols, axis=1), factors[rows]) for values, factors in weighted]
        return _scatter(part, attention.kernel, some, shift[rows], of_part, n_jobs=n_jobs)

    if around is None:
        total = sums(slice(None), slice(None), pairs, attention.n_jobs)
    else:
        total = sum_blocks(around, sums, attention.n_jobs)
    n_others = [] if others is None else others[0].shape[1:]
    slopes = np.zeros((len(attention.scales), *n_others))
    slopes[pairs.columns] = (-2 if others is None else 2) * total
    return slopes


def _scatter(
    pairs: Pairs,
    kernel: Kernel,
    forms: Sequence[tuple[np.ndarray, np.ndarray]],
    shift: np.ndarray,
    others: tuple[np.ndarray, np.ndarray] | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Products of differences, summed over pairs with the derivatives of a loss by ``u2``.

    Parameters
    ----------
    pairs : Pairs
        Some of the queries and keys.
    kernel : Kernel
        The kernel.
    forms : sequence of (values, factors)
        1 and the values of the keys, of shape (1 + n_values, n_keys), in the first form times the
        key weights; and their factors.
    shift, others : ndarray and tuple
        As in :func:`distance_slopes`.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    sums : ndarray of shape (n_columns,) or (n_columns, n_others)
        Sums of the squared differences in each column with a bandwidth other than 0 and infinity,
        in units of it; with others, of its products with the differences in each of these.
    """
    assert isinstance(pairs, EuclideanPairs)
    differences = _Differences(pairs, others)
    far = (shift != 0) & forms[0][1].any(axis=1)
    by_tiles = [(values, np.where(far[:, None], 0, factors)) for values, factors in forms]
    tiles = Tiles(pairs, kernel, np.float64)
    blocks = slices(pairs.shape[0], pairs.sizes.queries_per_tile)
    parts = np.zeros((len(blocks), *differences.shape))

    def add(number):
        rows = blocks[number]
        for cols, tile, most in tiles.scan(rows):
            derivatives = tiles.derivatives(tile, most)
            pairs.exclude(derivatives, rows, cols)
            derivatives *= _product(by_tiles, rows, cols)
            differences.add_tile(parts[number], derivatives, rows, cols)

    each(add, range(len(blocks)), n_jobs)
    total = parts.sum(axis=0)
    for exactly in in_rows(pairs, kernel, np.flatnonzero(far)):
        shares = _product(forms, exactly.rows, exactly.cols) * exactly.derivatives()
        for row, share in zip(exactly.rows, shares):
            # The derivatives of a Gaussian add up to 0, as those of its pooled values do.
            rest = share.sum() if kernel.log_slope is None else 0.0
            differences.add_row(total, share, rest, row, exactly.cols)
    return total


def _product(forms, rows, cols):
    """The product of the forms for some queries and keys."""
    (values, factors), *others = forms
    product = factors[rows] @ values[:, cols]
    for values, factors in others:
        product *= factors[rows] @ values[:, cols]
    return product


class _Differences:
    """Differences of queries and keys in each column, times those in the same or other columns.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys.
    others : tuple of ndarray or None
        As in :func:`distance_slopes`.
    """

    def __init__(self, pairs, others):
        self._pairs, self._alike = pairs, others is None
        self._queries, self._keys = pairs.centred
        self._of_queries, self._of_keys = self._queries, self._keys
        if others is not None:
            centre = others[1].mean(axis=0)
            self._of_queries, self._of_keys = (rows - centre for rows in others)
        self.shape = self._multiply(self._queries[:0], self._of_queries[:0]).shape

    def _multiply(self, ours, theirs):
        """Sums over rows of products of columns: of corresponding columns, or of any two."""
        return np.einsum("ij,ij->j", ours, theirs) if self._alike else ours.T @ theirs

    def add_tile(self, sums, shares, rows, cols):
        """Add the products of all pairs of a tile, each times its share."""
        queries, keys = self._queries[rows], self._keys[cols]
        of_queries, of_keys = self._of_queries[rows], self._of_keys[cols]
        to_others = shares @ of_keys
        to_keys = to_others if self._alike else shares @ keys
        by_query = shares.sum(axis=1)[:, None] * of_queries
        by_key = shares.sum(axis=0)[:, None] * of_keys
        sums += self._multiply(queries, by_query - to_others)
        sums += self._multiply(keys, by_key) - self._multiply(to_keys, of_queries)
        if self._alike and self._pairs.products is not None:
            sums += self._pairs.products.sums(shares, rows, cols, queries.shape[1])

    def add_row(self, sums, share, rest, row, cols):
        """Add the products of a query and some keys, each times its share, whose sum is `rest`.

        Relative to the key with the largest share, because differences of products would lose
        digits.
        """
        pairs, nearest = self._pairs, np.abs(share).argmax()
        keys, of_keys = self._keys[cols], self._of_keys[cols]
        to_keys, to_others = self._queries[row] - keys, self._of_queries[row] - of_keys
        product = self._multiply(to_keys[nearest, None], to_others[nearest, None])
        if self._alike:
            beyond = (keys[nearest] - keys) * (to_keys + to_keys[nearest])
            if pairs.kinds is not None:
                of_keys = np.arange(pairs.shape[1])[cols]
                pairs.put_special(beyond, row, cols, of_keys[nearest])
                for column, (squares,) in pairs.special_squares([row], cols):
                    product[column] = squares[nearest]
            sums += share @ beyond
        else:
            sums += (share[:, None] * (keys[nearest] - keys)).T @ to_others
            sums += np.outer(to_keys[nearest], share @ (of_keys[nearest] - of_keys))
        if rest:
            sums += rest * product
