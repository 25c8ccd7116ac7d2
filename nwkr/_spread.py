"""More than the mean of the pooled values: their variance, and how many rows are behind them.

Arguments in, arrays out, where arguments are what pooling is called with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nwkr._pooling import attend, places, pool
from nwkr.kernels import Kernel

__all__ = ["among", "pooled_sample_size", "pooled_variance"]


def among(arguments: dict[str, Any], rows: np.ndarray, cols: np.ndarray | None = None):
    """What to call pooling with for some of the queries and, if given, some of the keys."""
    part = dict(arguments)
    for name in ("queries", "leave_out", "query_widths"):
        if part.get(name) is not None:
            part[name] = part[name][rows]
    if cols is None:
        return part
    part["blocks"] = None  # which are of all keys
    if part["metric"] == "precomputed":
        part["queries"] = part["queries"][:, cols]
    if part["leave_out"] is not None:
        part["leave_out"] = places(part["leave_out"], cols)
    for name in ("keys", "weights", "key_widths"):
        if part.get(name) is not None:
            part[name] = part[name][cols]
    return part


def pooled_variance(arguments: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pooled values and the variance about them, both (n_queries, n_values).

    As the difference of the pooled squares and the square of the mean; where these are nearly
    equal, so that the difference has lost its digits, from the weights themselves.
    """
    pooled = pool(values=np.hstack([values, values**2]), **arguments).finish()
    mean, squares = np.split(pooled, 2, axis=1)
    variance = squares - mean**2
    precision = np.finfo(np.result_type(arguments["queries"], arguments["keys"])).eps
    lost = (variance <= precision ** (1 / 3) * squares) & (squares > 0)
    again = np.flatnonzero(lost.any(axis=1))

    def add(rows, cols, attention):
        heaviest = attention.argmax(axis=1)
        for number, column in enumerate(values[cols].T):
            # From the value of the heaviest key: exactly 0 where all values are the same.
            apart = column - column[heaviest, None]
            apart -= np.einsum("ij,ij->i", attention, apart)[:, None]
            variance[again[rows], number] = np.einsum("ij,ij,ij->i", attention, apart, apart)

    if len(again):
        attend(add, **among(arguments, again))
    return mean, variance


def pooled_sample_size(arguments: dict[str, Any]) -> np.ndarray:
    """Effective sample size of each query, (n_queries,): NaN where no key has weight."""
    nothing = np.empty((len(arguments["weights"]), 0))
    sums = pool(values=nothing, **arguments)
    squared = arguments | {
        "kernel": _squared(arguments["kernel"]),
        "weights": arguments["weights"] ** 2,
    }
    squares = pool(values=nothing, **squared)
    # What stands in for the weights has no scale.
    scaled = ~np.isneginf(sums.shift)
    with np.errstate(divide="ignore", invalid="ignore"):  # where there is no weight
        log_size = 2 * np.log(sums.total) - np.log(squares.total)
        log_size[scaled] += 2 * sums.shift[scaled] - squares.shift[scaled]
    return np.exp(np.maximum(log_size, 0))


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
