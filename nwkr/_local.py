r"""Local fits: a constant, or a line whose slopes are shrunk towards 0.

With the kernel weights :math:`w_i` of a query :math:`q` (sample weights included, counted in rows)
and their sum :math:`W`, a local line minimises

.. math:: \sum_i w_i \, (y_i - a - b'(x_i - q))^2 + \text{ridge} \sum_j D_j b_j^2,
          \qquad D_j = \frac{1}{1 / b_j^2 + 1 / s_j^2}

with the bandwidth :math:`b_j` of a column and its variance :math:`s_j^2`. :math:`D_j` is the
variance of a column within the window, so the penalty counts as ``ridge`` rows with slope 0. The
fit is computed from pooled moments: with the means :math:`\bar x, \bar y`, the covariances
:math:`C` of the columns and :math:`c` of columns and targets, all under the weights,

.. math:: f(q) = \bar y + (q - \bar x)' \beta,
          \qquad \beta = (C + \tfrac{\text{ridge}}{W} D)^{-1} c.

A local constant is a line in no columns, so it needs no separate code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from nwkr._column_moments import moments_of, varies
from nwkr._columns import Columns
from nwkr._local_fit import LocalFit
from nwkr._pooling import Attention, PooledSums, ValuesOnDemand
from nwkr._ridge import shares_of_rows
from nwkr._window import Window

__all__ = ["CONSTANTS", "LocalFit", "LocalLines"]

# The relative error of a line is less than this many times that of its sums.
_ERROR_OF_LINES = 64
# A variance without one key is recomputed if it is a smaller share of the variance of all.
_LOST = 1e-4


@dataclass(frozen=True)
class LocalLines:
    """Lines in the columns with slopes; constants if there are none.

    Attributes
    ----------
    ridge : float
        Penalty, as a number of rows with slope 0.
    columns, telling : ndarray of shape (n_slopes,)
        Numbers of the columns with slopes, and of the columns with their bandwidths.
    centre, spread : ndarray of shape (n_slopes,)
        Mean and standard deviation of these columns over the keys.
    distances : ndarray of shape (n_slopes,)
        The distance that this standard deviation makes, in the units of the bandwidth.
    n_rows : float
        Number of keys, by weight.
    mixing : ndarray of shape (n_mixed, n_slopes) or None, default=None
        How far the last columns move with each column that has a slope, where they are mixed of
        these.
    origin : ndarray of shape (n_slopes,) or None, default=None
        Where the columns are 0 as values; None for the centre.
    """

    ridge: float
    columns: np.ndarray
    telling: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    distances: np.ndarray
    n_rows: float
    mixing: np.ndarray | None = None
    origin: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        degree: int,
        ridge: float,
        keys: np.ndarray,
        counts: np.ndarray,
        window: Window,
        features: Columns | None = None,
    ) -> LocalLines:
        """Lines (degree 1) or constants (degree 0) for some keys.

        Parameters
        ----------
        degree : {0, 1}
            Degree of the local polynomial.
        ridge : float
            Penalty, as a number of rows with slope 0; `inf` gives constants.
        keys : ndarray of shape (n_keys, n_features)
            Keys.
        counts : ndarray of shape (n_keys,)
            The number of rows that each key counts as.
        window : Window
            The bandwidth. A column with bandwidth 0 has no slope, because all keys with weight are
            equal.
        features : Columns or None, default=None
            The features to which the columns belong; None if each column is a feature.

        Returns
        -------
        lines : LocalLines
            The lines.
        """
        n_rows = float(counts.sum())
        moments = moments_of(keys if degree else keys[:, :0], counts)
        return cls.of_moments(degree, ridge, *moments, n_rows, window, features)

    @classmethod
    def of_moments(
        cls,
        degree: int,
        ridge: float,
        centre: np.ndarray,
        spread: np.ndarray,
        n_rows: float,
        window: Window,
        features: Columns | None = None,
    ) -> LocalLines:
        """Lines or constants for keys with known moments; other parameters are as in `of`.

        Parameters
        ----------
        centre, spread : ndarray of shape (n_features,)
            Mean and standard deviation of all columns.
        n_rows : float
            Number of keys, by weight.

        Returns
        -------
        lines : LocalLines
            The lines.
        """
        if not (degree and np.isfinite(ridge)):
            return replace(CONSTANTS, ridge=ridge, n_rows=n_rows)
        columns = telling = np.arange(len(spread))
        mixing, distances = None, spread
        if features is not None:
            (columns, telling), mixing = features.sloped, features.mixing
            distances = features.unit_distances * spread[columns]
        slopes = varies(centre, spread)[columns]
        if not window.by_query:
            slopes &= window.bandwidth[telling] > 0
        columns, telling = columns[slopes], telling[slopes]
        mixing = None if mixing is None else mixing[:, slopes]
        moments = centre[columns], spread[columns], distances[slopes]
        return cls(ridge, columns, telling, *moments, n_rows, mixing)

    @property
    def has_slopes(self) -> bool:
        """Whether there are lines, not only constants."""
        return len(self.columns) > 0

    def values(self, keys: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The values to pool: targets, columns, and products of columns with both.

        Parameters
        ----------
        keys : ndarray of shape (n_keys, n_features)
            Keys.
        y : ndarray of shape (n_keys, n_outputs)
            Targets, preferably of order 1.

        Returns
        -------
        values : ndarray of shape (n_keys, n_values)
            Targets first.
        """
        if not self.has_slopes:
            return y
        z, y = self.scaled(keys).T, y.T
        end = len(y) + len(z)
        # One row for each column of values, as the weighting needs it.
        values = np.empty((self._n_values(len(y)), len(keys)))
        values[: len(y)], values[len(y) : end] = y, z
        for number, column in enumerate(z):
            start, end = end, end + len(z) - number
            np.multiply(column, z[number:], out=values[start:end])
        np.multiply(z[:, None], y, out=values[end:].reshape(len(z), *y.shape))
        return values.T

    def values_on_demand(self, keys: np.ndarray, y: np.ndarray) -> Any:
        """The values of :meth:`values`, computed only for visited keys."""
        if not self.has_slopes:
            return y
        return ValuesOnDemand(self.values, self._n_values(y.shape[1]), keys, y)

    def _n_values(self, n_outputs):
        n_slopes = len(self.columns)
        return n_outputs + n_slopes + len(self.products[0]) + n_slopes * n_outputs

    def careful(self, attention: Attention) -> Attention:
        """The attention with a smaller tolerance, so that lines have the requested one."""
        return (
            attention.replace(tol=attention.tol / _ERROR_OF_LINES) if self.has_slopes else attention
        )

    def fit(
        self,
        attention: Attention,
        values: np.ndarray | ValuesOnDemand,
        sums: PooledSums | None = None,
    ) -> LocalFit:
        """Fit a line at each query.

        Parameters
        ----------
        attention : Attention
            Queries and keys.
        values : ndarray or ValuesOnDemand, of shape (n_keys, n_values)
            The result of :meth:`values`, also on demand.
        sums : PooledSums or None, default=None
            Their pooled sums, if known.

        Returns
        -------
        fit : LocalFit
            The lines.
        """
        sums = self.careful(attention).pool(values) if sums is None else sums
        fit = self.fit_sums(attention, sums)
        if self.has_slopes:
            self._count_anew(fit, values, fit.without_digits(self.scaled(attention.queries)))
            fit.add_roots(values)
        return fit

    def fit_sums(self, attention: Attention, sums: PooledSums) -> LocalFit:
        """Fit a line at each query from sums alone.

        Lost digits of the sums cannot be restored, so :attr:`origin` must be near the queries, in
        units of the bandwidth.

        Parameters
        ----------
        attention : Attention
            Queries and their bandwidth, with any keys or none.
        sums : PooledSums
            Pooled values of all keys.

        Returns
        -------
        fit : LocalFit
            The lines.
        """
        if not self.has_slopes:
            return self._means(attention, sums)
        n_slopes = len(self.columns)
        n_values = sums.weighted.shape[1]
        n_outputs = (n_values - n_slopes * (n_slopes + 3) // 2) // (1 + n_slopes)
        means, end = sums.finish(), n_outputs + n_slopes
        y_mean, z_mean = means[:, :n_outputs], means[:, n_outputs:end]
        products = end + _places_of_products(n_slopes)
        covariance = np.take(means, products.ravel(), axis=1).reshape(-1, n_slopes, n_slopes)
        covariance -= z_mean[:, :, None] * z_mean[:, None, :]
        with_y = means[:, products[-1, -1] + 1 :].reshape(len(y_mean), n_slopes, n_outputs)
        with_y = with_y - z_mean[:, :, None] * y_mean[:, None, :]
        moments = y_mean, covariance, with_y, self.scaled(attention.queries) - z_mean
        shares, penalty = shares_of_rows(attention, sums, self.ridge), self.penalty(attention)
        return LocalFit(self, attention, sums, *moments, *shares, penalty)

    def _means(self, attention, sums):
        mean = sums.finish()
        n_queries, n_outputs = mean.shape
        covariance, with_y = np.empty((n_queries, 0, 0)), np.empty((n_queries, 0, n_outputs))
        offset = penalty = np.empty((n_queries, 0))
        moments = mean, covariance, with_y, offset
        shares = np.zeros(n_queries), np.ones(n_queries)
        return LocalFit(self, attention, sums, *moments, *shares, penalty)

    def penalty(self, attention: Attention) -> np.ndarray:
        """The variance of each column within the windows, in units of its variance.

        Parameters
        ----------
        attention : Attention
            Queries and keys.

        Returns
        -------
        penalty : ndarray of shape (n_queries, n_slopes)
            Variances.
        """
        with np.errstate(over="ignore", divide="ignore"):
            wide = self.reach(attention)[None]
            if attention.query_widths is not None:
                wide = wide / np.square(attention.query_widths)[:, None]
            within = 1 / (wide + 1 / self._variance(attention))
        # A column that is constant without the key has no slope, for any penalty.
        penalty = np.where(within > 0, within, 1.0)
        return np.broadcast_to(penalty, (len(attention.queries), len(self.columns)))

    def reach(self, attention: Attention) -> np.ndarray:
        """Squared distance that a spread of each column makes in units of the bandwidth."""
        reach = np.square(self.distances / attention.scales[self.telling])
        if self.mixing is not None:
            scales = attention.scales[-len(self.mixing) :, None]
            reach = reach + np.square(self.mixing * self.spread / scales).sum(axis=0)
        return reach

    def _variance(self, attention):
        """The variance of each column among the keys that a query does not leave out.

        In units of the variance among all keys.
        """
        leave_out, counts = attention.leave_out, attention.counts
        if counts is None or (leave_out is None and attention.mask is None):
            return np.ones((1, len(self.columns)))
        if attention.mask is not None:
            return attention.mask.variances(self.scaled(attention.keys), counts)
        out = np.where(leave_out >= 0, leave_out, 0)
        shares = np.where(leave_out >= 0, counts[out] / self.n_rows, 0.0)[:, None]
        rest = np.maximum(1 - shares, np.finfo(float).eps)
        place = (self.filled(np.take(attention.keys, out, axis=0)) - self.centre) / self.spread
        variance = (1 - shares / rest * np.square(place)) / rest
        # If one key has nearly all of the weight or variance, differences lose their digits.
        lost = variance * np.square(rest) < _LOST
        for key in np.unique(out[lost.any(axis=1)]):
            kept = np.where(np.arange(len(counts)) == key, 0.0, counts)
            rest = self._spread_of(attention.keys, kept) ** 2 if kept.any() else 0.0
            variance = np.where(lost & (out == key)[:, None], rest, variance)
        return np.maximum(variance, 0)

    def _spread_of(self, keys, counts):
        """Standard deviations of the columns, weighted by counts, in units of those of all keys."""
        mean, spread = moments_of(self.filled(keys), counts)
        return np.where(varies(mean, spread), spread / self.spread, 0)

    def _count_anew(self, fit, values, again):
        """Moments about the local mean, for queries where those about the centre lost digits."""
        attention = fit.attention
        covariance, with_y, offset = fit.covariance, fit.with_y, fit.offset

        def add(rows, cols, weights):
            keys = self.filled(attention.keys[cols])
            targets = values[cols][:, : with_y.shape[2]]
            for row, shares in zip(again[rows], weights):
                # Relative to the heaviest key, so that no digits are lost if the centre is far
                # away.
                heaviest = shares.argmax()
                apart = (keys - keys[heaviest]) / self.spread
                mean = shares @ apart
                of_query = self.filled(attention.queries[row, None])[0] - keys[heaviest]
                offset[row] = of_query / self.spread - mean
                apart = shares[:, None] * (apart - mean)
                covariance[row] = apart.T @ ((keys - keys[heaviest]) / self.spread)
                with_y[row] = apart.T @ (targets - targets[heaviest])

        if len(again):
            attention.take(again).visit(add)

    def scaled(self, X: np.ndarray) -> np.ndarray:
        """The columns with slopes, from the origin and in units of their spread."""
        origin = self.centre if self.origin is None else self.origin
        return (self.filled(X) - origin) / self.spread

    def filled(self, X: np.ndarray) -> np.ndarray:
        """The columns with slopes, with missing numbers replaced by their centre."""
        some = np.take(X.T, self.columns, axis=0).T  # by column, because columns are long
        gaps = np.isnan(some)
        return np.where(gaps, self.centre, some) if gaps.any() else some

    @property
    def products(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of both columns in each product of columns."""
        return _products_of(len(self.columns))


@cache
def _products_of(n_columns):
    return np.triu_indices(n_columns)


@cache
def _places_of_products(n_columns):
    """The number of the product of two columns, of shape (n_columns, n_columns)."""
    first, second = _products_of(n_columns)
    places = np.empty((n_columns, n_columns), int)
    places[first, second] = places[second, first] = np.arange(len(first))
    return places


_NONE, _NO_COLUMNS = np.empty(0), np.empty(0, int)
CONSTANTS = LocalLines(np.inf, _NO_COLUMNS, _NO_COLUMNS, _NONE, _NONE, _NONE, 0.0)
"""Local constants: means."""
