"""More than the mean of the pooled values: their variance, and how many rows are behind them.

Attention in, arrays out.
"""

from __future__ import annotations

import numpy as np

from nwkr._pooling import Attention
from nwkr.kernels import Kernel

__all__ = ["pooled_sample_size", "pooled_variance"]

_LOG_LITTLE = -230.0  # of totals whose squares may underflow


def pooled_variance(attention: Attention, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pooled values and the variance about them, both (n_queries, n_values).

    As the difference of the pooled squares and the square of the mean; where these are nearly
    equal, so that the difference has lost its digits, from the weights themselves.
    """
    pooled = attention.pool(np.hstack([values, values**2])).finish()
    mean, squares = np.split(pooled, 2, axis=1)
    variance = squares - mean**2
    precision = np.finfo(np.result_type(attention.queries, attention.keys)).eps
    lost = (variance <= precision ** (1 / 3) * squares) & (squares > 0)
    again = np.flatnonzero(lost.any(axis=1))

    def add(rows, cols, weights):
        heaviest = weights.argmax(axis=1)
        for number, column in enumerate(values[cols].T):
            # From the value of the heaviest key: exactly 0 where all values are the same.
            apart = column - column[heaviest, None]
            apart -= np.einsum("ij,ij->i", weights, apart)[:, None]
            variance[again[rows], number] = np.einsum("ij,ij,ij->i", weights, apart, apart)

    if len(again):
        attention.take(again).visit(add)
    return mean, variance


def pooled_sample_size(attention: Attention) -> np.ndarray:
    """Effective sample size of each query, (n_queries,): NaN where no key has weight."""
    nothing = np.empty((len(attention.weights), 0))
    sums = attention.pool(nothing)
    squared = attention.replace(kernel=_squared(attention.kernel), weights=attention.weights**2)
    squares = squared.pool(nothing)
    # What stands in for the weights has no scale.
    scaled = ~np.isneginf(sums.shift)
    with np.errstate(divide="ignore", invalid="ignore"):  # where there is no weight
        log_total, log_squares = np.log(sums.total), np.log(squares.total)
        log_total[scaled] += sums.shift[scaled]
        log_squares[scaled] += squares.shift[scaled]
        size = np.exp(np.maximum(2 * log_total - log_squares, 0))
    if attention.kernel.log_profile is not None:
        return size

    # Squares of little weights underflow. As shares of the total they do not. Where a bandwidth is
    # 0, weights may be little that stand in.
    discrete = np.any(np.asarray(attention.bandwidth) == 0)
    little = np.where(scaled, log_total < _LOG_LITTLE, discrete & (sums.total > 0))
    again = np.flatnonzero(little)

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
        smooth=kernel.smooth,
        power=None if kernel.power is None else 2 * kernel.power,
    )
