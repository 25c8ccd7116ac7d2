"""Each training row predicted without itself, for many bandwidths at once.

Arrays in, arrays out: what the search for a bandwidth (`_search.py`) evaluates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nwkr._local import LocalFit, LocalLines
from nwkr._local_slopes import bandwidth_slopes
from nwkr._pooling import Attention, PooledSums
from nwkr._window import Window

__all__ = ["Fit", "LeaveOneOut"]


@dataclass(frozen=True)
class Fit:
    """What one bandwidth gives, for the rows that are asked about.

    Attributes
    ----------
    without, whole : LocalFit
        What is fitted at each row, without the row and with it.
    own : ndarray of shape (n_rows,)
        The weight that each row has at its own place.
    values : ndarray of shape (n_keys, n_values)
        What was pooled.
    """

    without: LocalFit
    whole: LocalFit
    own: np.ndarray
    values: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """Each row's prediction without itself, NaN where none stands in: (n_rows, n_outputs)."""
        return self.without.predictions

    @property
    def fitted(self) -> np.ndarray:
        """Each row's prediction with itself, (n_rows, n_outputs)."""
        return self.whole.predictions

    @property
    def leverages(self) -> np.ndarray:
        """Share of each row in its own prediction, were it not left out: (n_rows,)."""
        with np.errstate(over="ignore"):
            totals = np.exp(self.whole.sums.shift) * self.whole.sums.total
        # Where a kernel is 0 at 0, there may be no weight at all.
        shares = np.divide(self.own, totals, out=np.ones_like(totals), where=totals > 0)
        return shares * self.whole.leverage

    @property
    def empty_share(self) -> float:
        """Share of the rows that no other row has weight for."""
        return float(np.mean(~self.without.sums.reached))

    def slopes(self, by_prediction: np.ndarray) -> np.ndarray:
        """Derivatives by the logarithm of each bandwidth of a loss of the predictions.

        Parameters
        ----------
        by_prediction : ndarray of shape (n_rows, n_outputs)
            Derivatives of the loss by the predictions.

        Returns
        -------
        slopes : ndarray of shape (n_features,)
            Derivatives; 0 where the bandwidth is 0 or infinite.
        """
        return bandwidth_slopes(self.without, self.values, by_prediction)

    def slopes_of_fitted(self, by_fitted: np.ndarray, by_leverage: np.ndarray) -> np.ndarray:
        """Derivatives by the logarithm of each bandwidth of a loss of fits and leverages.

        Parameters
        ----------
        by_fitted : ndarray of shape (n_rows, n_outputs)
            Derivatives of the loss by :attr:`fitted`.
        by_leverage : ndarray of shape (n_rows,)
            Derivatives of the loss by :attr:`leverages`.

        Returns
        -------
        slopes : ndarray of shape (n_features,)
            Derivatives; 0 where the bandwidth is 0 or infinite.
        """
        own = by_leverage * self.own * np.exp(-self.whole.sums.shift)
        return bandwidth_slopes(self.whole, self.values, by_fitted, own)


@dataclass(frozen=True)
class LeaveOneOut:
    """Training rows, and which of them to predict.

    Attributes
    ----------
    attention : Attention
        The rows to predict, each of which leaves itself out, and all rows; without a window.
    targets : ndarray of shape (n_keys, n_outputs)
        The targets of all rows.
    ridge : float, default=inf
        Rows that say that a slope is 0.
    """

    attention: Attention
    targets: np.ndarray
    ridge: float = np.inf

    def fits(self, windows: Sequence[Window], degree: int = 0) -> list[Fit]:
        """Leave-one-out fits of many bandwidths; those in proportion share the distances.

        Parameters
        ----------
        windows : sequence of Window
            The bandwidths.
        degree : {0, 1}, default=0
            Whether a constant or a line is fitted in a window.

        Returns
        -------
        fits : list of Fit
            One for each window.
        """
        fits: dict[int, Fit] = {}
        for numbers in _in_proportion(windows):
            first = windows[numbers[0]]
            multiples = [windows[number].multiple_of(first) or 1.0 for number in numbers]
            attention = first.at(self.attention)
            assert attention.counts is not None
            lines = LocalLines.of(degree, self.ridge, attention.keys, attention.counts, first)
            values = lines.values(attention.keys, self.targets)
            # Where the width depends on whether the row is there, it is another pooling.
            whole = first.at(self.attention.replace(leave_out=None)) if first.by_query else None
            each = zip(numbers, multiples, lines.careful(attention).pool_each(values, multiples))
            for number, multiple, sums in each:
                scaled = attention.replace(bandwidth=multiple * attention.bandwidth)
                fits[number] = _fit(lines, scaled, values, sums, whole)
        return [fits[number] for number in range(len(windows))]


def _fit(lines, attention, values, sums, whole=None):
    """A fit from sums without each row; `whole` is the attention with it, if that differs."""
    left_out = attention.leave_out
    own = attention.kernel(0.0) * attention.weights[left_out]
    if whole is None:
        whole, itself = attention.replace(leave_out=None), values[left_out]
        with_itself = PooledSums(np.zeros(len(own)), own, own[:, None] * itself).merge(sums)
    else:
        with_itself = whole.pool(values)
    return Fit(
        lines.fit(attention, values, sums), lines.fit(whole, values, with_itself), own, values
    )


def _in_proportion(windows) -> Iterator[list[int]]:
    """Numbers of windows that differ by a factor only."""
    left = list(range(len(windows)))
    while left:
        first = windows[left[0]]
        group = [number for number in left if windows[number].multiple_of(first) is not None]
        yield group
        left = [number for number in left if number not in group]
