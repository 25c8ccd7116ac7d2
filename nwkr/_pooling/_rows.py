"""Rows of weights: a query and all keys that have weight for it, by the plain formula.

They complement the tiles: for queries whose weights tiles cannot sum exactly, and for callers that
need the weights. The plain formula is slow, so the product first selects the keys that may have
weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import ceil

import numpy as np

from nwkr._pooling._error_free import exact_product
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._sums import MEAN_RANK, PooledSums
from nwkr._pooling._threads import slices
from nwkr.kernels import Kernel

__all__ = ["Rows", "in_rows", "row_blocks", "weights_in_rows"]

_PAIRS_PER_BLOCK = 2**18
_LEAST_ROWS_TOGETHER = 64  # in the search for keys
_LEAST_TASKS = 16  # for threads, if there are as many rows
# Smaller weights count as 0. Their logarithms are raised to this, because exp is slow at underflow.
_LEAST_WEIGHT, _LEAST_LOG_WEIGHT = 1e-290, -690.0
_SCALED_BELOW = 1e-150  # rows whose largest weight is smaller are scaled by it
_RELATIVE_STEP = 1e-5  # of a central difference
_FARTHEST = 1e300  # replaces infinite squared distances
# Distances from here on have lost digits of their squares. Which keys are the nearest is decided
# among those whose squares differ by no more than this, relative to the square of that distance.
_LEAST_FAR, _REACH_OF_TIES = 2.0**7, 2.0**-30


def in_rows(
    pairs: Pairs, kernel: Kernel, rows: np.ndarray, empty: str | None = None, widest: float = 1.0
) -> Iterator[Rows]:
    """Rows of weights, a few megabytes at a time, of the keys that may have weight.

    The other parameters are those of :class:`Rows`.

    Parameters
    ----------
    widest : float, default=1.0
        The greatest multiple of the bandwidth.
    """
    within, beyond = (kernel.support * widest) ** 2, 0.0
    if kernel.log_slope:
        within, beyond = 0.0, _LEAST_LOG_WEIGHT / kernel.log_slope * widest**2
    for block in slices(len(rows), _together(pairs.shape[1])):
        cols: slice | np.ndarray = slice(None)
        if empty != "mean":
            cols = pairs.candidate_keys(rows[block], within, beyond)
        n_cols = pairs.shape[1] if isinstance(cols, slice) else len(cols)
        n_parts = ceil(len(rows[block]) / _height(n_cols))
        for part in np.array_split(rows[block], n_parts):
            yield Rows(pairs, kernel, part, empty, cols)


def weights_in_rows(
    pairs: Pairs, kernel: Kernel, rows: np.ndarray, empty: str | None = None
) -> Iterator[tuple[np.ndarray, slice | np.ndarray, np.ndarray]]:
    """Numbers of some queries and of keys, and the weights, as in :func:`in_rows`."""
    # With map, each Rows object is released before its weights are used, which saves memory.
    found = in_rows(pairs, kernel, rows, empty)
    return map(lambda these: (these.rows, these.cols, these.weights()), found)


def row_blocks(n_rows: int, n_keys: int) -> list[slice]:
    """Cut rows into blocks for threads."""
    at_least = max(_height(n_keys), ceil(n_rows / _LEAST_TASKS))
    return slices(n_rows, min(at_least, _together(n_keys)))


def _height(n_keys):
    return max(1, _PAIRS_PER_BLOCK // max(1, n_keys))


def _together(n_keys):
    return _height(n_keys) * ceil(_LEAST_ROWS_TOGETHER / _height(n_keys))


class Rows:
    """Kernel weights of some queries, one bandwidth at a time.

    Parameters
    ----------
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    rows : ndarray of shape (n_rows,)
        Numbers of the queries.
    empty : {"nearest", "mean"} or None, default=None
        Replacement for a row without weights: weight 1 at the nearest keys, the limit of the
        Gaussian as its bandwidth shrinks; weight 1 everywhere; or none. For "nearest", columns
        with bandwidth 0 come first: the nearest keys in these, with the kernel's weights among
        them.
    cols : slice or ndarray of shape (n_cols,), default=slice(None)
        The keys; other keys have no weight for these queries.
    """

    _sums_of_unreached: np.ndarray | None = None

    def __init__(
        self,
        pairs: Pairs,
        kernel: Kernel,
        rows: np.ndarray,
        empty: str | None = None,
        cols: slice | np.ndarray = slice(None),
    ):
        self.rows, self.cols = rows, cols
        self._pairs, self._kernel, self._empty = pairs, kernel, empty
        u2 = pairs.squared_distances(rows, cols)
        apart, self._coarse = pairs.mismatched(rows, cols), np.zeros(len(u2))
        coarse = pairs.mismatch_distances(rows, cols) if empty == "nearest" else None
        if coarse is not None:
            pairs.exclude_self(coarse, rows, cols, fill=np.inf)
            self._coarse = coarse.min(axis=1, initial=np.inf)
            # If all keys are infinitely far away, none of them is the nearest.
            apart = (coarse > self._coarse[:, None]) | np.isinf(coarse)
        if apart is not None:
            u2[apart] = np.inf
        pairs.exclude_self(u2, rows, cols, fill=np.inf)
        self._u2, self._closest = u2, u2.min(axis=1, initial=np.inf)
        self._out = np.isinf(u2)  # excluded pairs
        self._within = np.isfinite(self._closest)
        self._exponents = pairs.exponents_of(rows)

    def weights(self) -> np.ndarray:
        """Weights of shape (n_rows, n_cols), each row with its own scale."""
        weights, _ = self._kernel_weights(np.arange(len(self.rows)), 1.0)
        if self._kernel.log_profile is not None:
            weights[weights < _LEAST_WEIGHT] = 0
        unreached = ~weights.any(axis=1)
        weights[unreached] = self._weights_of_unreached(unreached)
        return weights

    def sums(self, values: np.ndarray, multiple: float = 1.0, part=slice(None)) -> PooledSums:
        """Sums of the weights times the values.

        Parameters
        ----------
        values : ndarray of shape (1 + n_values, n_cols)
            Key weights, which are positive, and the values times these; always the same for
            these rows.
        multiple : float, default=1.0
            Factor of the bandwidth.
        part : slice or ndarray, default=slice(None)
            Which of the rows.

        Returns
        -------
        sums : PooledSums
            The sums.
        """
        numbers = np.arange(len(self.rows))[part]
        near = self._closest[numbers] <= (self._kernel.support * multiple) ** 2
        near = np.flatnonzero(near & self._within[numbers])
        sums = np.zeros((len(numbers), values.shape[0]))
        log_scale, remainder = np.zeros((2, len(numbers)))
        weights, log_scale[near] = self._kernel_weights(numbers[near], multiple)
        sums[near] = weights @ values.T
        if self._linear and len(near):
            remainder[near] = self._remainder(numbers[near], multiple, log_scale[near])
        if (exponents := self._exponents[numbers]).any():
            # In the unit of other queries. Logarithms out of range are the same for all keys.
            exponents = exponents if self._kernel.log_root is not None else 2 * exponents
            with np.errstate(over="ignore"):
                log_scale = np.maximum(np.ldexp(log_scale, exponents), -np.finfo(float).max)
                remainder = np.nan_to_num(np.ldexp(remainder, exponents), posinf=0, neginf=0)
        rank = np.column_stack([self._coarse[numbers], np.full(len(numbers), -np.inf)])
        unreached = ~(sums[:, 0] > 0)
        if unreached.any():
            if self._sums_of_unreached is None:  # the same for all multiples
                self._sums_of_unreached = self._weights_of_unreached() @ values.T
            sums[unreached] = self._sums_of_unreached[numbers[unreached]]
            log_scale[unreached] = remainder[unreached] = 0
            rank[unreached, 1] = self._closest[numbers[unreached]]
            if self._empty == "nearest":
                rest = self._reference[1][numbers[unreached]]
                remainder[unreached] = np.where(np.isfinite(rest), rest, 0)
            if self._empty == "mean":
                rank[unreached] = MEAN_RANK
        return PooledSums(log_scale, sums[:, 0], sums[:, 1:], remainder, rank)

    @property
    def _linear(self):
        """Whether the logarithms are linear in squared distances or distances."""
        return self._kernel.log_slope is not None or self._kernel.log_root is not None

    def _remainder(self, numbers, multiple, log_scale):
        """Rounding errors of the logarithms."""
        square, rest = (part[numbers] for part in self._reference)
        if self._kernel.log_slope is not None:
            slope = self._kernel.log_slope / multiple**2
        else:
            slope, root = self._kernel.log_root / multiple, np.sqrt(square)
            back, low = exact_product(root, root)
            rest = (((square - back) - low) + rest) / np.where(root > 0, 2 * root, 1)
            square = root
        logarithm, more = exact_product(square, slope)
        remainder = (logarithm - log_scale) + (more + slope * rest)
        return np.where(np.isfinite(remainder), remainder, 0)

    @cached_property
    def _reference(self):
        """Squared distances of the closest keys, and their rounding errors."""
        nearest, every = self._excess.argmin(axis=1), np.arange(len(self.rows))
        square, keys = self._u2[every, nearest], np.arange(self._pairs.shape[1])[self.cols][nearest]
        with np.errstate(over="ignore", invalid="ignore"):  # where all keys are excluded
            return square, self._pairs.rounded_off(square, self.rows, keys)

    def derivatives(self) -> np.ndarray:
        """Derivatives of the weights by the squared distance.

        Each row with the scale of its weights; 0 for replacement weights, and at a cusp.
        """
        if self._kernel.log_profile is None:
            assert self._kernel.derivative is not None
            derivatives = self._kernel.derivative(np.where(self._out, 1.0, self._u2))
            derivatives[self._out] = 0
            _, log_scale = self._kernel_weights(np.arange(len(self.rows)), 1.0)
            derivatives /= np.exp(log_scale)[:, None]
            return derivatives
        weights, _ = self._kernel_weights(np.arange(len(self.rows)), 1.0)
        if self._kernel.log_slope is not None:
            return self._kernel.log_slope * weights
        if self._kernel.log_root is not None:
            u = self._distances
            return np.divide(
                self._kernel.log_root / 2 * weights, u, out=np.zeros_like(u), where=u > 0
            )
        # At distance 0 the kernel may have a cusp, and no derivative.
        weights[self._u2 == 0] = 0
        u2 = np.where(weights > 0, self._u2, 1.0)
        step = _RELATIVE_STEP
        higher, lower = (self._kernel.log_profile(u2 * (1 + e)) for e in (step, -step))
        return weights * (higher - lower) / (2 * step * u2)

    def derivatives_beyond_closest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives of the weights as ``common * weights + unit * rest``.

        Far from all keys, the common part dominates, and sums over keys may cancel it exactly.

        Returns
        -------
        common, unit : ndarray of shape (n_rows,)
            If logarithms are linear in (squared) distances, and not scaled by key, the derivative
            of the logarithm at the closest key; else 0 and 1.
        rest : ndarray of shape (n_rows, n_cols)
            What remains, in the scale of the weights.
        """
        kernel, n_rows = self._kernel, len(self.rows)
        nothing, one = np.zeros(n_rows), np.ones(n_rows)
        if not self._linear or self._pairs.key_factors is not None:
            return nothing, one, self.derivatives()
        if kernel.log_slope is not None:
            return np.full(n_rows, kernel.log_slope), one, np.zeros(self._u2.shape)
        assert kernel.log_root is not None
        weights, _ = self._kernel_weights(np.arange(n_rows), 1.0)
        u = self._distances
        closest = np.take_along_axis(u, self._excess.argmin(axis=1)[:, None], axis=1)
        cusp, closest = closest[:, 0] == 0, np.where(closest > 0, closest, 1)
        # closest / u - 1, where u^2 - closest^2 has all digits.
        beyond = np.minimum(self._excess, np.finfo(float).max) / (closest + u)
        rest = np.divide(-beyond * weights, u, out=np.zeros_like(u), where=(weights > 0) & (u > 0))
        rest[cusp] = self.derivatives()[cusp]
        common = kernel.log_root / 2 / closest[:, 0]
        return np.where(cusp, 0, common), np.where(cusp, 1, common), rest

    @property
    def _distances(self):
        """Scaled distances, (n_rows, n_cols)."""
        with np.errstate(over="ignore"):
            return np.ldexp(np.sqrt(self._u2), self._exponents[:, None])

    def _kernel_weights(self, numbers, multiple):
        kernel, square = self._kernel, multiple**2
        if kernel.log_profile is None:
            weights = kernel.weights(self._u2[numbers] / square)
            weights[self._out[numbers]] = 0
            most = weights.max(axis=1, initial=0)
            # Products of small weights would underflow, so small weights are scaled; others keep
            # their bits.
            scale = np.where((most > 0) & (most < _SCALED_BELOW), most, 1)
            weights /= scale[:, None]
            return weights, np.log(scale)
        closest = np.where(self._within, self._closest, 0.0)[numbers]
        shift = kernel.log_weights(closest / square)
        if kernel.log_slope is not None:
            weights = kernel.log_weights(self._excess[numbers] / square)
        elif kernel.log_root is not None:
            # The difference of two roots, as that of the squares over their sum.
            more = np.ldexp(self._excess[numbers], -self._exponents[numbers, None]) / square
            more, closest = np.minimum(more, _FARTHEST), closest[:, None] / square
            total = np.sqrt(closest) + np.sqrt(closest + more)
            weights = np.divide(more, total, out=np.zeros_like(total), where=total > 0)
            weights *= kernel.log_root
        else:
            weights = kernel.log_weights(self._u2[numbers] / square) - shift[:, None]
        np.maximum(weights, np.full(weights.shape[1], _LEAST_LOG_WEIGHT), out=weights)
        np.exp(weights, out=weights)
        weights[self._out[numbers]] = 0
        return weights, shift

    @cached_property
    def _excess(self):
        closest = np.where(self._within, self._closest, 0.0)[:, None]
        reach = _REACH_OF_TIES
        if slope := self._kernel.log_slope:
            reach = _LEAST_LOG_WEIGHT / slope
        elif root := self._kernel.log_root:
            farthest = _LEAST_LOG_WEIGHT / root  # in distance, from the least one with lost digits
            reach = farthest * (2 * _LEAST_FAR + farthest)
        terms = self._u2, closest, self.rows, self.cols, reach
        excess = self._pairs.beyond_closest(*terms)
        # With rounding errors included, another key may be the closest.
        excess -= np.where(self._within, excess.min(axis=1, initial=np.inf), 0)[:, None]
        return excess

    def _weights_of_unreached(self, part=slice(None)):
        u2 = self._u2[part]
        if self._empty == "nearest":
            weights = (self._excess[part] == 0) & np.isfinite(u2)
            return weights.astype(float)
        weights = np.full(u2.shape, 1.0 if self._empty == "mean" else 0.0)
        self._pairs.exclude_self(weights, self.rows[part], self.cols)
        return weights
