"""Whole rows of weights: one query against all keys, by the plain formula.

The slow and exact companion of the tiles: for queries whose weights cannot be summed
blindly, and for whoever wants to see the weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nwkr._pooling._distances import Pairs
from nwkr.kernels import Kernel

__all__ = ["Rows", "row_blocks"]

_PAIRS_PER_BLOCK = 2**18
# Weights below this are 0, and logarithms are kept above it: exp is slow where it underflows.
_TINY, _LOG_TINY = 1e-290, -690.0


def row_blocks(n_rows: int, n_keys: int) -> Iterator[slice]:
    """Cut rows into blocks of a few megabytes."""
    height = max(1, _PAIRS_PER_BLOCK // n_keys)
    for start in range(0, n_rows, height):
        yield slice(start, min(start + height, n_rows))


class Rows:
    """Kernel weights of some queries, for one bandwidth after the other.

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
    """

    def __init__(self, pairs: Pairs, kernel: Kernel, rows: np.ndarray, empty: str | None = None):
        self._pairs, self._kernel, self._rows, self._empty = pairs, kernel, rows, empty
        u2 = pairs.differences(rows)
        apart = _apart_from_nearest(pairs, rows) if empty == "nearest" else pairs.apart(rows)
        if apart is not None:
            u2[apart] = np.inf
        pairs.exclude_self(u2, rows, fill=np.inf)
        self._u2, self._closest = u2, u2.min(axis=1)
        self._sums_of_unreached: np.ndarray | None = None

    def weights(self) -> np.ndarray:
        """Weights of shape (n_rows, n_keys), each row on a scale of its own."""
        weights, _ = self._kernel_weights(np.arange(len(self._rows)), 1.0)
        unreached = ~weights.any(axis=1)
        weights[unreached] = self._weights_of_unreached(unreached)
        return weights

    def sums(
        self, values: np.ndarray, multiple: float = 1.0, part=slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the weights times the values.

        Parameters
        ----------
        values : ndarray of shape (n_values, n_keys)
            Values; always the same for these rows.
        multiple : float, default=1.0
            Factor of the bandwidth.
        part : slice or ndarray, default=slice(None)
            Which of the rows.

        Returns
        -------
        sums : ndarray of shape (n_rows, n_values)
            Sums, times ``exp(-shift)``.
        shift : ndarray of shape (n_rows,)
            Logarithm of each row's scale; ``-inf`` for a row without weight.
        """
        if self._sums_of_unreached is None:  # alike for all multiples
            self._sums_of_unreached = self._weights_of_unreached() @ values.T
        numbers = np.arange(len(self._rows))[part]
        sums, shift = self._sums_of_unreached[numbers], np.full(len(numbers), -np.inf)
        within = self._closest[numbers] <= (self._kernel.support * multiple) ** 2
        within = np.flatnonzero(within & np.isfinite(self._closest[numbers]))
        weights, scale = self._kernel_weights(numbers[within], multiple)
        reached = weights.any(axis=1)
        sums[within[reached]] = weights[reached] @ values.T
        shift[within[reached]] = scale[reached]
        return sums, shift

    def _kernel_weights(self, numbers, multiple):
        kernel, u2 = self._kernel, self._u2[numbers]
        closest = np.where(np.isfinite(self._closest), self._closest, 0.0)[numbers, None]
        if kernel.log_profile is None:
            weights, shift = kernel.profile(u2 / multiple**2), np.zeros(len(u2))
        else:
            shift = kernel.log_profile(closest / multiple**2).ravel()
            if kernel.log_slope is None:
                weights = kernel.log_profile(u2 / multiple**2) - shift[:, None]
            else:
                excess = self._pairs.excess(u2, closest, self._rows[numbers])
                weights = kernel.log_profile(excess / multiple**2)
            np.exp(np.maximum(weights, _LOG_TINY, out=weights), out=weights)
        weights[np.isinf(u2) | (weights < _TINY)] = 0
        return weights, shift

    def _weights_of_unreached(self, part=slice(None)):
        u2 = self._u2[part]
        if self._empty == "nearest":
            weights = (u2 == self._closest[part, None]) & np.isfinite(u2)
            return weights.astype(float)
        weights = np.full(u2.shape, 1.0 if self._empty == "mean" else 0.0)
        self._pairs.exclude_self(weights, self._rows[part])
        return weights


def _apart_from_nearest(pairs, rows):
    distances = pairs.coarse(rows)
    if distances is None:
        return pairs.apart(rows)
    pairs.exclude_self(distances, rows, fill=np.inf)
    return distances > distances.min(axis=1, keepdims=True)
