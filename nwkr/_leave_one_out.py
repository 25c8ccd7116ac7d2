"""Leave-one-out predictions of the training rows, for many bandwidths at once.

The search for a bandwidth (`_search.py`) evaluates them. Inputs and results are arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config

from nwkr._columns import Columns
from nwkr._local import LocalLines, n_values_of_lines
from nwkr._local_slopes import Changes, changes_of_lines
from nwkr._newton_slopes import changes_of_steps
from nwkr._newton_step import LocalLogits, NewtonStep, n_values_of_steps
from nwkr._pooling import Attention, Mask, PooledSums, as_dense
from nwkr._ridge_lines import lines_of
from nwkr._trend import Trend
from nwkr._window import FixedWindow, Window

__all__ = ["MEANS", "Fit", "Form", "LeaveOneOut"]

_COPIES_OF_SUMS = 2  # in memory while they are pooled


class Form(NamedTuple):
    """The form of a local fit.

    Attributes
    ----------
    degree : {0, 1}
        0 is a constant, 1 a line; with a trend, 1 is a step from it.
    ridge : float
        Penalty on the slopes, as a number of rows with slope 0.
    """

    degree: int
    ridge: float


MEANS = Form(0, np.inf)
"""Means of the targets."""


@dataclass(frozen=True)
class Fit:
    """The fits with one bandwidth, for the rows to predict.

    Attributes
    ----------
    fit_without, fit_whole : callable
        Functions that compute :attr:`without` and :attr:`whole`. A criterion may need only one.
    own : ndarray of shape (n_rows,)
        The weight of each row at its own place.
    values : ndarray of shape (n_keys, n_values)
        The pooled values.
    mixing : ndarray of shape (n_components, n_features) or None, default=None
        The projection to the last columns, if there is one.
    """

    fit_without: Callable[[], Any]
    fit_whole: Callable[[], Any]
    own: np.ndarray
    values: np.ndarray
    mixing: np.ndarray | None = None

    @classmethod
    def of_sums(
        cls,
        fit: Callable[..., Any],
        attention: Attention,
        sums: Callable[[], PooledSums],
        values: np.ndarray,
        with_itself: tuple[Attention, Callable[[], PooledSums]] | None = None,
        mixing: np.ndarray | None = None,
    ) -> Fit:
        """The fits from sums without each row.

        Parameters
        ----------
        fit : callable
            ``fit(attention, values, sums)`` fits at each row.
        attention : Attention
            The rows, each of which leaves itself out.
        sums : callable
            Returns their sums.
        values : ndarray of shape (n_keys, n_values)
            The pooled values.
        with_itself : tuple of Attention and callable, or None, default=None
            The same with each row; None to add the row to its sums.
        mixing : ndarray of shape (n_components, n_features) or None, default=None
            The projection to the last columns, if there is one.

        Returns
        -------
        fit : Fit
            The fits.
        """
        left_out = attention.leave_out
        own = attention.kernel(0.0) * attention.weights[left_out]

        def fit_without():
            return fit(attention, values, sums())

        def fit_whole():
            if with_itself is not None:
                whole, of_whole = with_itself
                return fit(whole, values, of_whole())
            itself = PooledSums(np.zeros(len(own)), own, own[:, None] * as_dense(values[left_out]))
            return fit(attention.replace(leave_out=None), values, itself.merge(sums()))

        return cls(fit_without, fit_whole, own, values, mixing)

    @cached_property
    def without(self) -> Any:
        """The fit at each row without the row: a LineFit, or LocalLogits."""
        return self.fit_without()

    @cached_property
    def whole(self) -> Any:
        """The fit at each row, including the row."""
        return self.fit_whole()

    @property
    def predictions(self) -> np.ndarray:
        """Leave-one-out prediction of each row, (n_rows, n_outputs); NaN for an empty window."""
        return self.without.predictions

    @property
    def fitted(self) -> np.ndarray:
        """Prediction of each row, including itself, (n_rows, n_outputs)."""
        return self.whole.predictions

    @property
    def leverages(self) -> np.ndarray:
        """Weight of each row in its own prediction if it is not left out, of shape (n_rows,)."""
        with np.errstate(over="ignore"):
            totals = np.exp(self.whole.sums.shift) * self.whole.sums.total
        # If a kernel is 0 at distance 0, the sum of the weights may be 0.
        shares = np.divide(self.own, totals, out=np.ones_like(totals), where=totals > 0)
        return shares * self.whole.leverage

    @property
    def empty_share(self) -> float:
        """Share of the rows for which no other row has weight."""
        return float(np.mean(~self.without.sums.reached))

    def slopes(self, by_prediction: np.ndarray) -> np.ndarray:
        """Derivatives of a loss of the predictions.

        Parameters
        ----------
        by_prediction : ndarray of shape (n_rows, n_outputs)
            Derivatives of the loss by the predictions.

        Returns
        -------
        slopes : ndarray of shape (n_columns,) or (n_components, n_features)
            Derivatives by the logarithm of each bandwidth, 0 where it is 0 or infinite; with a
            projection, derivatives by its entries.
        """
        of_steps = isinstance(self.without, LocalLogits)
        changes: Any = changes_of_steps if of_steps else changes_of_lines
        return self._by_distances(changes(self.without, self.values, by_prediction))

    def slopes_of_fitted(self, by_fitted: np.ndarray, by_leverage: np.ndarray) -> np.ndarray:
        """Derivatives of a loss of fits and leverages.

        Parameters
        ----------
        by_fitted : ndarray of shape (n_rows, n_outputs)
            Derivatives of the loss by :attr:`fitted`.
        by_leverage : ndarray of shape (n_rows,)
            Derivatives of the loss by :attr:`leverages`.

        Returns
        -------
        slopes : ndarray of shape (n_columns,) or (n_components, n_features)
            Derivatives, as of :meth:`slopes`.
        """
        own = by_leverage * self.own * np.exp(-self.whole.sums.shift)
        return self._by_distances(changes_of_lines(self.whole, self.values, by_fitted, own))

    def _by_distances(self, changes: Changes):
        if self.mixing is None:
            return changes.by_bandwidth()
        return changes.by_mixing(*self.mixing.shape)


@dataclass(frozen=True)
class LeaveOneOut:
    """Training rows, and the rows among them to predict.

    Attributes
    ----------
    attention : Attention
        The rows to predict, each of which leaves itself out, and all rows; without a bandwidth.
    targets : ndarray of shape (n_keys, n_outputs)
        The targets of all rows.
    features : Columns or None, default=None
        The features to which the columns belong; None if each column is a feature.
    trend : Trend or None, default=None
        The trend of all rows; with a trend, degree 1 is a step from it.
    mask : Mask or None, default=None
        The rows that each row to predict must not use, if it is not left out.
    """

    attention: Attention
    targets: np.ndarray
    features: Columns | None = None
    trend: Trend | None = None
    mask: Mask | None = None

    def fit(self, bandwidth: np.ndarray, form: Form = MEANS) -> Fit:
        """Leave-one-out fit of one bandwidth for each feature."""
        by_column = bandwidth if self.features is None else self.features.by_column(bandwidth)
        return next(self.fits([FixedWindow(by_column)], form))

    def fits(self, windows: Sequence[Window], form: Form = MEANS) -> Iterator[Fit]:
        """Leave-one-out fits of many bandwidths; multiples of one another share the distances.

        Parameters
        ----------
        windows : sequence of Window
            The bandwidths.
        form : Form, default=MEANS
            The form of the local fit.

        Yields
        ------
        fit : Fit
            One fit for each window, in order. `working_memory` limits how many share distances.
        """
        left = dict(enumerate(windows))
        found: dict[int, Fit] = {}
        for number in range(len(windows)):
            if number in left:
                numbers = [n for n, w in left.items() if w.multiple_of(left[number]) is not None]
                numbers = numbers[: self._n_together(form)]
                together = [left.pop(n) for n in numbers]
                found.update(zip(numbers, self._fits_together(together, form)))
            yield found.pop(number)

    @property
    def logits(self) -> np.ndarray:
        """The trend at the rows to predict, fitted without each of them."""
        assert self.trend is not None
        return self.trend.logits_without[self.attention.leave_out]

    def _fits_together(self, windows, form):
        """Fits for windows that are multiples of one another, which share the distances."""
        first = windows[0]
        multiples = [window.multiple_of(first) or 1.0 for window in windows]
        attention = first.at(self.attention)
        assert attention.counts is not None
        terms = form.ridge, attention.keys, attention.counts, first
        targets, features = self.targets, first.columns or self.features
        of_queries: dict[str, Any] = {}
        lines: LocalLines | NewtonStep
        if form.degree and self.trend is not None:
            targets, of_queries["logits"] = self.trend.targets, self.logits
            lines = NewtonStep.of(*terms, targets, self.trend.link, features)
        else:
            lines = lines_of(form.degree, *terms, features, attention.mask is not None)
        values = lines.values(attention.keys, targets)
        without, whole = _pooled_once(lines, attention, values, multiples), [None] * len(windows)
        if first.by_query or attention.mask is not None or len(windows) == 1:
            # If more than the row is left out, or the width depends on the row, pool separately;
            # also a single window, for which a criterion may need the sums with each row only.
            attention = first.at(self.attention.replace(leave_out=None, mask=self.mask))
            whole = _pooled_once(lines, attention, values, multiples)
        mixing = None if features is None else features.mixing
        fit = partial(lines.fit, **of_queries)
        return [
            Fit.of_sums(fit, scaled, sums, values, itself, mixing)
            for (scaled, sums), itself in zip(without, whole)
        ]

    def _n_values(self, form):
        """Maximal number of pooled values."""
        has_slopes = form.degree and np.isfinite(form.ridge)
        n_slopes = self.attention.keys.shape[1] if has_slopes else 0
        if form.degree and self.trend is not None:
            return n_values_of_steps(n_slopes, self.trend.link.n_logits)
        return n_values_of_lines(n_slopes, self.targets.shape[1])

    def _n_together(self, form):
        """Number of windows whose sums fit in memory at once."""
        n_numbers = len(self.attention.queries) * max(1, self._n_values(form)) * _COPIES_OF_SUMS
        return max(1, int(get_config()["working_memory"] * 2**20 / (8 * n_numbers)))


def _pooled_once(lines, attention, values, multiples):
    """The attention with each multiple of its bandwidth, and a function that returns its sums.

    The first call pools with all multiples.
    """

    @cache
    def pooled():
        return lines.careful(attention).pool_each(values, multiples)

    scaled = [attention.replace(bandwidth=m * attention.bandwidth) for m in multiples]
    return [(each, lambda number=number: pooled()[number]) for number, each in enumerate(scaled)]
