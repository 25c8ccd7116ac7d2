"""The columns in which local fits have slopes, and the penalty on these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from nwkr._column_moments import moments_of, varies
from nwkr._columns import Columns
from nwkr._pooling import Attention
from nwkr._window import Window

__all__ = ["SlopedColumns"]

# The relative error of a fit is less than this many times that of its sums.
_ERROR_OF_FITS = 64
# A variance without one key is recomputed if it is a smaller share of the variance of all.
_LOST = 1e-4


@dataclass(frozen=True)
class SlopedColumns:
    """The columns in which a local fit has slopes, and the penalty on these.

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
    def without_columns(cls, ridge: float = np.inf, n_rows: float = 0.0) -> Self:
        """No columns, so no slopes: a constant."""
        none = np.empty(0, int)
        return cls(ridge, none, none, none, none, none, n_rows)

    @classmethod
    def of(
        cls,
        degree: int,
        ridge: float,
        keys: np.ndarray,
        counts: np.ndarray,
        window: Window,
        features: Columns | None = None,
    ) -> Self:
        """The columns for some keys.

        Parameters
        ----------
        degree : {0, 1}
            Degree of the local polynomial; 0 is a constant, which has no slopes.
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
        columns : SlopedColumns
            The columns.
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
    ) -> Self:
        """The columns for keys with known moments; other parameters are as in `of`.

        Parameters
        ----------
        centre, spread : ndarray of shape (n_features,)
            Mean and standard deviation of all columns.
        n_rows : float
            Number of keys, by weight.

        Returns
        -------
        columns : SlopedColumns
            The columns.
        """
        if not (degree and np.isfinite(ridge)):
            return cls.without_columns(ridge, n_rows)
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

    def scaled(self, X: np.ndarray) -> np.ndarray:
        """The columns with slopes, from the origin and in units of their spread."""
        origin = self.centre if self.origin is None else self.origin
        return (self.filled(X) - origin) / self.spread

    def beside(self, queries: np.ndarray, keys: np.ndarray, weights: np.ndarray) -> tuple:
        """The columns of both, in units of their spread, from the mean of the windows.

        So no digits are lost far from the centre, or if a query is far away.
        """
        queries, keys, some = self.filled(queries), self.filled(keys), weights.any(axis=1)
        near = (weights[some] @ keys).mean(axis=0) if some.any() else 0.0
        return (queries - near) / self.spread, (keys - near) / self.spread

    def filled(self, X: np.ndarray) -> np.ndarray:
        """The columns with slopes, with missing numbers replaced by their centre."""
        some = np.take(X.T, self.columns, axis=0).T  # by column, because columns are long
        gaps = np.isnan(some)
        return np.where(gaps, self.centre, some) if gaps.any() else some

    @property
    def products(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of both columns in each product of columns."""
        return _products_of(len(self.columns))

    def careful(self, attention: Attention) -> Attention:
        """The attention with a smaller tolerance, so that fits have the requested one."""
        return (
            attention.replace(tol=attention.tol / _ERROR_OF_FITS) if self.has_slopes else attention
        )

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
            if attention.query_widths is not None:  # and no columns are mixed
                scales = attention.query_widths[:, None] * attention.scales[self.telling]
                wide = np.square(self.distances / scales)
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


@cache
def _products_of(n_columns):
    return np.triu_indices(n_columns)
