"""Derivatives of a loss of pooled values with respect to the bandwidth of each column.

A loss depends on the bandwidth through the weights. Its derivative by the weight of a key is a sum
of the values of the key times *factors* of the query. Each pair contributes this sum times K'(u2)
times the derivative of its ``u2``, which is ``-2 (q - k)^2`` by the logarithm of the bandwidth of
a column (q and k in units of it). With the square expanded, the sum over pairs is one product with
the keys for all columns.
"""

from __future__ import annotations

import numpy as np

from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._rows import in_rows
from nwkr._pooling._threads import each, slices
from nwkr._pooling._tiles import Tiles
from nwkr.kernels import Kernel

__all__ = ["bandwidth_slopes"]


def bandwidth_slopes(
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    factors: np.ndarray,
    shift: np.ndarray,
    n_jobs: int | None = None,
) -> np.ndarray:
    """Derivatives of a loss by the logarithm of each bandwidth.

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
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    slopes : ndarray of shape (n_columns,)
        One for each column with a bandwidth other than 0 and infinity.
    """
    assert isinstance(pairs, EuclideanPairs)
    queries, keys = pairs.centred
    far = (shift != 0) & factors.any(axis=1)
    factors_by_tiles = np.where(far[:, None], 0, factors)
    tiles = Tiles(pairs, kernel, np.float64)
    blocks = slices(pairs.shape[0], pairs.sizes.queries_per_tile)
    parts = np.zeros((len(blocks), queries.shape[1]))

    def add(number):
        rows = blocks[number]
        for cols, tile, most in tiles.scan(rows):
            derivatives = tiles.derivatives(tile, most)
            pairs.exclude(derivatives, rows, cols)
            shares = factors_by_tiles[rows] @ values[:, cols]
            shares *= derivatives
            parts[number] += shares.sum(axis=1) @ queries[rows] ** 2
            parts[number] += shares.sum(axis=0) @ keys[cols] ** 2
            parts[number] -= 2 * ((shares @ keys[cols]) * queries[rows]).sum(axis=0)
            if pairs.products is not None:
                parts[number] += pairs.products.sums(shares, rows, cols, queries.shape[1])

    each(add, range(len(blocks)), n_jobs)
    total = parts.sum(axis=0)
    for exactly in in_rows(pairs, kernel, np.flatnonzero(far)):
        near, values_of_near = keys[exactly.cols], values[:, exactly.cols]
        shares = (factors[exactly.rows] @ values_of_near) * exactly.derivatives()
        for row, query, share in zip(exactly.rows, queries[exactly.rows], shares):
            # Relative to the key with the largest share, because differences of squares would lose
            # digits.
            to_keys, nearest = query - near, np.abs(share).argmax()
            beyond = (near[nearest] - near) * (to_keys + to_keys[nearest])
            square = to_keys[nearest] ** 2
            if pairs.kinds is not None:
                pairs.put_special(beyond, row, exactly.cols, nearest)
                for column, (squares,) in pairs.special_squares([row], exactly.cols):
                    square[column] = squares[nearest]
            total += share @ beyond
            if kernel.log_slope is None:  # else the shares add up to 0
                total += share.sum() * square
    return -2 * total
