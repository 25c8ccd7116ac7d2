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

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nwkr._local_fit import LocalFit
from nwkr._pooling import Attention, PooledSums, ValuesOnDemand
from nwkr._ridge import in_cache, shares_of_rows
from nwkr._sloped_columns import SlopedColumns

__all__ = ["CONSTANTS", "LocalLines", "n_values_of_lines"]


@dataclass(frozen=True)
class LocalLines(SlopedColumns):
    """Lines in the columns with slopes; constants if there are none."""

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
        return n_values_of_lines(len(self.columns), n_outputs)

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
        covariance = np.empty((len(means), n_slopes, n_slopes))
        for part in in_cache(len(means), n_slopes**2):
            np.take(means[part], products, axis=1, out=covariance[part], mode="clip")
            covariance[part] -= z_mean[part, :, None] * z_mean[part, None, :]
        with_y = means[:, products[-1, -1] + 1 :].reshape(len(y_mean), n_slopes, n_outputs)
        with_y = with_y - z_mean[:, :, None] * y_mean[:, None, :]
        offset = self.scaled(attention.queries) - z_mean
        shares, penalty = shares_of_rows(attention, sums, self.ridge), self.penalty(attention)
        terms = self, attention, sums, y_mean, offset, *shares, penalty
        return LocalFit(*terms, covariance, with_y)

    def _means(self, attention, sums):
        mean = sums.finish()
        n_queries, n_outputs = mean.shape
        covariance, with_y = np.empty((n_queries, 0, 0)), np.empty((n_queries, 0, n_outputs))
        offset = penalty = np.empty((n_queries, 0))
        shares = np.zeros(n_queries), np.ones(n_queries)
        terms = self, attention, sums, mean, offset, *shares, penalty
        return LocalFit(*terms, covariance, with_y)

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


def n_values_of_lines(n_slopes: int, n_outputs: int) -> int:
    """Number of values that lines pool: targets, columns, and products of columns with both."""
    return n_outputs * (1 + n_slopes) + n_slopes * (n_slopes + 3) // 2


@cache
def _places_of_products(n_columns):
    """The number of the product of two columns, of shape (n_columns, n_columns)."""
    first, second = np.triu_indices(n_columns)
    places = np.empty((n_columns, n_columns), int)
    places[first, second] = places[second, first] = np.arange(len(first))
    return places


CONSTANTS = LocalLines.without_columns()
"""Local constants: means."""
