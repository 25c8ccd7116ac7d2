"""Each training row predicted without itself, for many bandwidths at once.

Arrays in, arrays out: what the search for a bandwidth (`_search.py`) evaluates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nwkr._pooling import Blocks, PooledSums, pool_each, slopes
from nwkr._window import Window
from nwkr.bandwidths import KNearest
from nwkr.kernels import Kernel

__all__ = ["Fit", "LeaveOneOut"]

# Bandwidths further apart share no distances: squares of their ratio would be out of range.
_FAR = 1e100


@dataclass(frozen=True)
class Fit:
    """What one bandwidth gives, for the rows that are asked about.

    Attributes
    ----------
    sums : PooledSums
        The pooled sums.
    predictions : ndarray of shape (n_rows, n_values)
        Pooled values, each row left out of its own; NaN where nothing has weight and nothing
        stands in for it.
    leverages : ndarray of shape (n_rows,)
        Share of a row in its own prediction, were it not left out.
    fitted : ndarray of shape (n_rows, n_values) or None, default=None
        Predictions in which it is not, where they do not follow from the above: for widths
        that depend on whether it is.
    """

    sums: PooledSums
    predictions: np.ndarray
    leverages: np.ndarray
    fitted: np.ndarray | None = None

    @property
    def empty_share(self) -> float:
        """Share of the rows that no other row has weight for."""
        return float(np.mean(~(self.sums.total > 0) | np.isneginf(self.sums.shift)))

    def with_itself(self, values: np.ndarray) -> np.ndarray:
        """Predictions in which each row has its share, given the rows' values."""
        if self.fitted is not None:
            return self.fitted
        share = self.leverages[:, None]
        return share * values + (1 - share) * np.where(share < 1, self.predictions, 0)


@dataclass(frozen=True)
class LeaveOneOut:
    """Training rows, and which of them to predict.

    Attributes
    ----------
    queries : ndarray of shape (n_rows, n_features)
        The rows to predict; their distances to all keys, if precomputed.
    leave_out : ndarray of shape (n_rows,)
        Their numbers among the keys.
    keys, values, weights, kernel, metric, empty, n_jobs, blocks, algorithm, tol
        As in :func:`nwkr._pooling.pool`.
    """

    queries: np.ndarray
    leave_out: np.ndarray
    keys: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    kernel: Kernel
    metric: str | Callable
    empty: str | None
    n_jobs: int | None
    blocks: Blocks | None = None
    algorithm: str = "auto"
    tol: float = 0.0

    def fits(self, windows: Sequence[Window]) -> list[Fit]:
        """Leave-one-out fits of many bandwidths; those in proportion share the distances."""
        fits: dict[int, Fit] = {}
        for numbers in _in_proportion(windows):
            first = windows[numbers[0]]
            multiples = [_ratio(windows[number], first) or 1.0 for number in numbers]
            arguments = self._arguments(first, self.leave_out)
            own_weights = self.kernel(0.0) * arguments["weights"][self.leave_out]
            for number, sums in zip(numbers, pool_each(multiples, **arguments, empty=self.empty)):
                fits[number] = _fit(sums, own_weights)
            if isinstance(first.bandwidth, KNearest):
                fits[numbers[0]] = self._not_left_out(first, fits[numbers[0]], own_weights)
        return [fits[number] for number in range(len(windows))]

    def slopes(self, window: Window, fit: Fit, loss_slopes: np.ndarray) -> np.ndarray:
        """Derivatives of a loss by the logarithm of each bandwidth.

        Parameters
        ----------
        window : Window
            One bandwidth for each feature.
        fit : Fit
            The fit of that bandwidth.
        loss_slopes : ndarray of shape (n_rows, n_values)
            Derivatives of the loss by the predictions.

        Returns
        -------
        slopes : ndarray of shape (n_features,)
            Derivatives; 0 where the bandwidth is 0 or infinite.
        """
        return slopes(
            self.queries,
            self.keys,
            self.values,
            self.kernel,
            window.bandwidth,
            weights=self.weights,
            sums=fit.sums,
            loss_slopes=loss_slopes,
            leave_out=self.leave_out,
            blocks=self.blocks,
            algorithm=self.algorithm,
            n_jobs=self.n_jobs,
        )

    def _arguments(self, window, leave_out) -> dict[str, Any]:
        arguments = window.arguments(
            self.queries, self.keys, self.weights, self.metric, leave_out, self.n_jobs
        )
        return arguments | {
            "values": self.values,
            "kernel": self.kernel,
            "blocks": self.blocks,
            "algorithm": self.algorithm,
            "tol": self.tol,
        }

    def _not_left_out(self, window, fit, own_weights):
        """The fit, with what becomes of it where each row counts for its own width."""
        (sums,) = pool_each([1.0], **self._arguments(window, None), empty=self.empty)
        with np.errstate(over="ignore", divide="ignore"):
            leverages = own_weights / (np.exp(sums.shift) * sums.total)
        return replace(fit, leverages=leverages, fitted=sums.finish())


def _fit(sums, own_weights):
    reached = (sums.total > 0) & ~np.isneginf(sums.shift)
    with np.errstate(over="ignore"):  # beside nothing, a row has all the weight
        others = np.where(reached, np.exp(sums.shift) * sums.total, 0) / own_weights
    return Fit(sums, sums.finish(), 1 / (1 + others))


def _in_proportion(windows) -> Iterator[list[int]]:
    """Numbers of windows that differ by a factor only."""
    left = list(range(len(windows)))
    while left:
        first = windows[left[0]]
        group = [number for number in left if _ratio(windows[number], first) is not None]
        yield group
        left = [number for number in left if number not in group]


def _ratio(window, other) -> float | None:
    """By what factor a window is wider than another, if that is all their difference."""
    if window is other:
        return 1.0
    if any(w.key_widths is not None for w in (window, other)):
        return None
    if not all(isinstance(w.bandwidth, float | np.ndarray) for w in (window, other)):
        return None
    ours, theirs = np.atleast_1d(window.bandwidth), np.atleast_1d(other.bandwidth)
    scaled = np.isfinite(theirs) & (theirs > 0)
    if not scaled.any() or not np.array_equal(ours[~scaled], theirs[~scaled]):
        return None
    ratios = ours[scaled] / theirs[scaled]
    if not 1 / _FAR < ratios[0] < _FAR:
        return None
    alike = np.ptp(ratios) <= 1e-13 * ratios[0]
    return float(ratios[0]) if alike else None
