"""Variance of the pooled values, and the effective number of rows behind them.

The functions map an attention to arrays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nwkr._effective import visit_rows
from nwkr._local import LocalLines
from nwkr._local_fit import LineFit
from nwkr._pooling import Attention
from nwkr.kernels import Kernel

__all__ = ["local_sample_size", "local_variance", "pooled_sample_size"]

_LEAST_LOG_TOTAL = -230.0  # the squares of smaller totals may underflow
_LEAST_WEIGHT = 1e-140  # and of smaller weights


def local_variance(
    lines: LocalLines, attention: Attention, targets: np.ndarray
) -> tuple[LineFit, np.ndarray]:
    """Fits, and the variance of the targets around them, of shape (n_queries, n_outputs).

    The variance is computed from pooled squares, or from the weights if the difference of squares
    loses its digits.
    """
    values, n_outputs = lines.values(attention.keys, targets), targets.shape[1]
    sums = attention.pool(np.hstack([values, targets**2]))
    of_values = replace(sums, weighted=sums.weighted[:, : values.shape[1]])
    fit, squares = lines.fit(attention, values, of_values), sums.finish()[:, -n_outputs:]
    variance = squares - fit.mean**2 - fit.explained
    precision = np.finfo(np.result_type(attention.queries, attention.keys)).eps
    lost = (variance <= precision ** (1 / 3) * squares) & (squares > 0)
    again = np.flatnonzero(lost.any(axis=1))

    def add(seen):
        weights, heaviest = seen.weights, seen.cols[seen.weights.argmax(axis=1)]
        for number, column in enumerate(targets.T):
            # Relative to the value of the heaviest key, so that it is exactly 0 for equal values.
            apart = column[seen.cols] - column[heaviest, None]
            apart -= np.einsum("ij,ij->i", weights, apart)[:, None]
            apart -= seen.along(seen.fit.scaled_slopes[seen.rows, :, number])
            squares = np.einsum("ij,ij,ij->i", weights, apart, apart)
            variance[again[seen.rows], number] = squares

    if len(again):
        visit_rows(fit.take(again), add)
    return fit, variance


def local_sample_size(fit: LineFit) -> np.ndarray:
    """Effective sample size of local lines, (n_queries,); NaN for queries without weights."""
    squares = np.full(len(fit.mean), np.nan)

    def add(seen):
        some = seen.weights.any(axis=1)
        squares[seen.rows[some]] = np.square(seen.effective).sum(axis=1)[some]

    visit_rows(fit, add)
    return 1 / squares


def pooled_sample_size(attention: Attention) -> np.ndarray:
    """Effective sample size of each query, (n_queries,); NaN for queries without weights."""
    nothing = np.empty((len(attention.weights), 0))
    sums = attention.pool(nothing)
    squared = attention.replace(kernel=_squared(attention.kernel), weights=attention.weights**2)
    squares = squared.pool(nothing)
    # Weights of handle_empty have no scale.
    scaled = ~np.isneginf(sums.shift)
    with np.errstate(divide="ignore", invalid="ignore"):  # for queries without weights
        log_total, log_squares = np.log(sums.total), np.log(squares.total)
        log_size = 2 * log_total - log_squares
        # First the shifts, which are huge far from all rows.
        shift = np.maximum(sums.shift, -np.finfo(float).max / 4)
        in_range = scaled & (shift == sums.shift)
        log_size[in_range] += 2 * shift[in_range] - squares.shift[in_range]
        size = np.exp(np.maximum(log_size, 0))
    uneven = attention.weights.min(initial=1) < _LEAST_WEIGHT
    if attention.kernel.log_profile is not None and not uneven:
        return size

    # Squares of small weights underflow; squares of their shares of the total do not. Weights of
    # handle_empty may be small too, if a bandwidth is 0.
    discrete = np.any(np.asarray(attention.bandwidth) == 0)
    little = np.where(scaled, log_total + sums.shift < _LEAST_LOG_TOTAL, discrete)
    again = np.flatnonzero((little | uneven) & (sums.total > 0))

    def count(rows, cols, weights):
        size[again[rows]] = 1 / np.einsum("ij,ij->i", weights, weights)

    if len(again):
        attention.take(again).visit(count)
    return size


def _squared(kernel: Kernel) -> Kernel:
    """The kernel whose weights are the squares of another's."""

    def square(u2):
        weights = kernel.profile(u2)
        return np.square(weights, out=weights)

    log_profile = kernel.log_profile
    return Kernel(
        f"{kernel.name} squared",
        square,
        kernel.support,
        log_profile=None if log_profile is None else lambda u2: 2 * log_profile(u2),
        log_slope=None if kernel.log_slope is None else 2 * kernel.log_slope,
        log_root=None if kernel.log_root is None else 2 * kernel.log_root,
        smooth=kernel.smooth,
        power=None if kernel.power is None else 2 * kernel.power,
    )
