"""Whole rows of weights: one query against all keys, by the plain formula.

The slow and exact companion of the tiles: for queries whose weights cannot be summed
blindly, and for whoever wants to see the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nwkr._pooling._distances import Pairs
from nwkr.kernels import Kernel

__all__ = ["kernel_rows", "row_blocks"]

_PAIRS_PER_BLOCK = 2**18
# Weights below this are 0, and logarithms are kept above it: exp is slow where it underflows.
_TINY, _LOG_TINY = 1e-290, -690.0


def row_blocks(n_rows: int, n_keys: int) -> Iterator[slice]:
    """Cut rows into blocks of a few megabytes."""
    height = max(1, _PAIRS_PER_BLOCK // n_keys)
    for start in range(0, n_rows, height):
        yield slice(start, min(start + height, n_rows))


def kernel_rows(
    pairs: Pairs, kernel: Kernel, rows: np.ndarray, empty: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of kernel weights.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    rows : ndarray of shape (n_rows,)
        Numbers of the queries.
    empty : {"nearest", "mean"} or None, default=None
        What a row without weight gets: weight 1 at the nearest keys, which is where the
        Gaussian's weights go as its bandwidth shrinks; weight 1 everywhere; or nothing. For
        "nearest", what has bandwidth 0 comes first: the nearest in that, and the kernel's
        weights among these.

    Returns
    -------
    weights : ndarray of shape (n_rows, n_keys)
        Weights times ``exp(-shift)``.
    shift : ndarray of shape (n_rows,)
        Logarithm of each row's scale.
    """
    u2 = pairs.differences(rows)
    apart = _apart_from_nearest(pairs, rows) if empty == "nearest" else pairs.apart(rows)
    if apart is not None:
        u2[apart] = np.inf
    pairs.exclude_self(u2, rows, fill=np.inf)
    out_of_reach = np.isinf(u2)

    if kernel.log_profile is None:
        weights, shift = kernel.profile(u2.copy()), np.zeros(len(u2))
    else:
        weights, shift = _from_logarithms(pairs, kernel, rows, u2)
    weights[out_of_reach | (weights < _TINY)] = 0

    unreached = ~weights.any(axis=1)
    if empty == "nearest":
        closest = u2[unreached].min(axis=1, keepdims=True)
        weights[unreached] = (u2[unreached] == closest) & np.isfinite(closest)
    elif empty == "mean":
        weights[unreached] = 1
        pairs.exclude_self(weights, rows)
    return weights, shift


def _from_logarithms(pairs, kernel, rows, u2):
    """Weights in proportion to each row's greatest, and the logarithm of that."""
    closest = u2.min(axis=1, keepdims=True)
    closest[np.isinf(closest)] = 0
    shift = kernel.log_profile(closest.copy())
    if kernel.log_slope is None:
        weights = kernel.log_profile(u2.copy()) - shift
    else:
        weights = kernel.log_profile(pairs.excess(u2, closest, rows))
    np.exp(np.maximum(weights, _LOG_TINY, out=weights), out=weights)
    return weights, shift.ravel()


def _apart_from_nearest(pairs, rows):
    distances = pairs.coarse(rows)
    if distances is None:
        return None
    pairs.exclude_self(distances, rows, fill=np.inf)
    return distances > distances.min(axis=1, keepdims=True)
