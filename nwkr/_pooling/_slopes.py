"""Derivatives of a loss of pooled values with respect to what squared distances are made of.

A loss depends on distances through the weights. Its derivative by the weight of a key is a sum of
the values of the key times *factors* of the query. Each pair contributes this sum times K'(u2)
times the derivative of its ``u2``. In units of the bandwidth, this is ``-2 (q - k)^2`` by the
logarithm of the bandwidth of a column, and ``2 (q - k) (r - l)`` by how much a column moves with
another, in which query and key have r and l. With the products expanded, the sum over pairs is one
product with the keys for all columns.
"""

from __future__ import annotations

import numpy as np

from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._rows import in_rows
from nwkr._pooling._threads import each, slices
from nwkr._pooling._tiles import Tiles
from nwkr.kernels import Kernel

__all__ = ["scatter"]


def scatter(
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    factors: np.ndarray,
    shift: np.ndarray,
    others: tuple[np.ndarray, np.ndarray] | None = None,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Products of differences, summed over pairs with the derivatives of a loss by ``u2``.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys, under the euclidean metric.
    kernel : Kernel
        A kernel that has a derivative.
    values : ndarray of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    factors : ndarray of shape (n_queries, 1 + n_values)
        Factors of 1 and of the values in the derivatives of the loss by the weights of a query,
        which are divided by ``exp(shift)``; 0 where no key has weight.
    shift : ndarray of shape (n_queries,)
        Logarithm of the scale of the weights.
    others : tuple of ndarray, of shape (n_queries, n_others) and (n_keys, n_others), or None
        Other columns of queries and keys; None, the default, for each column with itself.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    sums : ndarray of shape (n_columns,) or (n_columns, n_others)
        Sums of the squared differences in each column with a bandwidth other than 0 and infinity,
        in units of it; with others, of its products with the differences in each of these.
    """
    assert isinstance(pairs, EuclideanPairs)
    queries, keys = pairs.centred
    alike = others is None
    multiply = _squares if alike else _products
    if others is None:
        of_queries, of_keys = queries, keys
    else:
        centre = others[1].mean(axis=0)
        of_queries, of_keys = (rows - centre for rows in others)
    far = (shift != 0) & factors.any(axis=1)
    factors_by_tiles = np.where(far[:, None], 0, factors)
    tiles = Tiles(pairs, kernel, np.float64)
    blocks = slices(pairs.shape[0], pairs.sizes.queries_per_tile)
    parts = np.zeros((len(blocks), *multiply(queries[:0], of_queries[:0]).shape))

    def add(number):
        rows = blocks[number]
        for cols, tile, most in tiles.scan(rows):
            derivatives = tiles.derivatives(tile, most)
            pairs.exclude(derivatives, rows, cols)
            shares = factors_by_tiles[rows] @ values[:, cols]
            shares *= derivatives
            to_others = shares @ of_keys[cols]
            to_keys = to_others if alike else shares @ keys[cols]
            of_rows = shares.sum(axis=1)[:, None] * of_queries[rows]
            of_cols = shares.sum(axis=0)[:, None] * of_keys[cols]
            parts[number] += multiply(queries[rows], of_rows - to_others)
            parts[number] += multiply(keys[cols], of_cols) - multiply(to_keys, of_queries[rows])
            if alike and pairs.products is not None:
                parts[number] += pairs.products.sums(shares, rows, cols, queries.shape[1])

    each(add, range(len(blocks)), n_jobs)
    total = parts.sum(axis=0)
    for exactly in in_rows(pairs, kernel, np.flatnonzero(far)):
        near, near_others = keys[exactly.cols], of_keys[exactly.cols]
        shares = (factors[exactly.rows] @ values[:, exactly.cols]) * exactly.derivatives()
        for row, share in zip(exactly.rows, shares):
            # Relative to the key with the largest share, because differences of products would lose
            # digits.
            to_keys, nearest = queries[row] - near, np.abs(share).argmax()
            to_others = of_queries[row] - near_others
            product = multiply(to_keys[nearest, None], to_others[nearest, None])
            if alike:
                beyond = (near[nearest] - near) * (to_keys + to_keys[nearest])
                if pairs.kinds is not None:
                    pairs.put_special(beyond, row, exactly.cols, nearest)
                    for column, (squares,) in pairs.special_squares([row], exactly.cols):
                        product[column] = squares[nearest]
                total += share @ beyond
            else:
                total += (share[:, None] * (near[nearest] - near)).T @ to_others
                total += np.outer(to_keys[nearest], share @ (near_others[nearest] - near_others))
            if kernel.log_slope is None:  # else the shares add up to 0
                total += share.sum() * product
    return total


def _squares(ours, theirs):
    """Sums over the rows of the products of two columns with the same number."""
    return np.einsum("ij,ij->j", ours, theirs)


def _products(ours, theirs):
    """Sums over the rows of the products of any two columns."""
    return ours.T @ theirs
