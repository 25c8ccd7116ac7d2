"""Each training row predicted without itself, for many bandwidths at once.

Arrays in, arrays out: what the search for a bandwidth (`_search.py`) evaluates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nwkr._pooling import Attention, PooledSums
from nwkr._window import Window

__all__ = ["Fit", "LeaveOneOut"]


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
    attention : Attention
        The rows to predict, each of which leaves itself out, and all rows; without a window.
    values : ndarray of shape (n_keys, n_values)
        The values of all rows.
    """

    attention: Attention
    values: np.ndarray

    def fits(self, windows: Sequence[Window]) -> list[Fit]:
        """Leave-one-out fits of many bandwidths; those in proportion share the distances."""
        fits: dict[int, Fit] = {}
        for numbers in _in_proportion(windows):
            first = windows[numbers[0]]
            multiples = [windows[number].multiple_of(first) or 1.0 for number in numbers]
            attention = first.at(self.attention)
            own_weights = attention.kernel(0.0) * attention.weights[attention.leave_out]
            for number, sums in zip(numbers, attention.pool_each(self.values, multiples)):
                fits[number] = _fit(sums, own_weights)
            if first.by_query:
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
        return window.at(self.attention).bandwidth_slopes(self.values, fit.sums, loss_slopes)

    def _not_left_out(self, window, fit, own_weights):
        """The fit, with what becomes of it where each row counts for its own width."""
        sums = window.at(self.attention.replace(leave_out=None)).pool(self.values)
        with np.errstate(over="ignore"):
            totals = np.exp(sums.shift) * sums.total
        # Where a kernel is 0 at 0, there may be no weight at all.
        leverages = np.divide(own_weights, totals, out=np.ones_like(totals), where=totals > 0)
        return replace(fit, leverages=leverages, fitted=sums.finish())


def _fit(sums, own_weights):
    reached = (sums.total > 0) & ~np.isneginf(sums.shift)
    with np.errstate(over="ignore", divide="ignore"):
        others = np.where(reached, np.exp(sums.shift) * sums.total, 0)
        # Beside nothing, a row has all the weight; beside others none, if a kernel is 0 at 0.
        others = np.divide(others, own_weights, out=np.zeros_like(others), where=others > 0)
    return Fit(sums, sums.finish(), 1 / (1 + others))


def _in_proportion(windows) -> Iterator[list[int]]:
    """Numbers of windows that differ by a factor only."""
    left = list(range(len(windows)))
    while left:
        first = windows[left[0]]
        group = [number for number in left if windows[number].multiple_of(first) is not None]
        yield group
        left = [number for number in left if number not in group]
