r"""One Newton step of a local likelihood, from the logits of the trend to those in a window.

With the kernel weights :math:`w_i` of a query :math:`q`, and for each logit the residuals
:math:`r_i` and the curvature :math:`v_i` of the rows under the trend, the logit changes by

.. math:: \Big(H^{-1} \sum_i w_i \, r_i \, \phi_i\Big)_0, \qquad
          H = \sum_i w_i \, v_i \, \phi_i \phi_i' + \bar v \, \mathrm{diag}(1, \text{ridge} D),
          \qquad \phi_i = (1, x_i - q)

with the mean :math:`\bar v` of the curvature and the variance :math:`D` of the columns within the
window, as for local lines. The penalty on the constant counts as one row on the trend, so the step
is 0 far from all rows. The penalty on the slopes counts as ``ridge`` rows without slope.

Residuals and curvature do not depend on the query, so the sums are pooled moments, from which
`nwkr/_newton_equations.py` solves for the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nwkr._columns import Columns
from nwkr._logistic import Link
from nwkr._newton_equations import LEAST_CURVATURE, Moments
from nwkr._pooling import Attention, PooledSums, ValuesOnDemand
from nwkr._ridge import shares_of_rows, without_digits
from nwkr._sloped_columns import SlopedColumns
from nwkr._window import Window

__all__ = ["LocalLogits", "NewtonStep", "n_values_of_steps"]

# If the trend is confident and wrong, an unlimited step would be too long.
_LONGEST = 4.0
# Queries farther from the rows than this, in units of the spread, count as at this distance: their
# step is at its limit, and the squares of distances must not overflow.
_FARTHEST = 1e100


@dataclass(frozen=True)
class NewtonStep:
    """A step of all logits, in the columns with slopes.

    Attributes
    ----------
    lines : SlopedColumns
        The columns with slopes, and the penalty.
    link : Link
        From logits to probabilities.
    curvature : ndarray of shape (n_logits,)
        Mean curvature over the keys.
    moves : bool
        Whether there is a step. There is none if all bandwidths are infinite.
    """

    lines: SlopedColumns
    link: Link
    curvature: np.ndarray
    moves: bool

    @classmethod
    def of(
        cls,
        ridge: float,
        keys: np.ndarray,
        counts: np.ndarray,
        window: Window,
        targets: np.ndarray,
        link: Link,
        features: Columns | None = None,
    ) -> NewtonStep:
        """The step for some keys.

        Parameters
        ----------
        ridge : float
            Penalty, as a number of rows without slope; `inf` gives constants.
        keys : ndarray of shape (n_keys, n_features)
            Keys.
        counts : ndarray of shape (n_keys,)
            The number of rows that each key counts as.
        window : Window
            The bandwidth.
        targets : ndarray of shape (n_keys, 2 * n_logits)
            Residuals and curvature.
        link : Link
            From logits to probabilities.
        features : Columns or None, default=None
            The features to which the columns belong; None if each column is a feature.

        Returns
        -------
        step : NewtonStep
            The step.
        """
        lines = SlopedColumns.of(1, ridge, keys, counts, window, features)
        mean = counts @ targets[:, link.n_logits :] / counts.sum()
        return cls.of_lines(lines, window, mean, link)

    @classmethod
    def of_lines(
        cls, lines: SlopedColumns, window: Window, curvature: np.ndarray, link: Link
    ) -> NewtonStep:
        """The step from known columns and mean curvature over the keys."""
        moves = window.by_query or bool(np.isfinite(window.bandwidth).any())
        return cls(lines, link, np.maximum(curvature, LEAST_CURVATURE), moves)

    def values(self, keys: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The values to pool: targets, times columns, curvature times products of columns.

        Parameters
        ----------
        keys : ndarray of shape (n_keys, n_features)
            Keys.
        targets : ndarray of shape (n_keys, 2 * n_logits)
            Residuals and curvature.

        Returns
        -------
        values : ndarray of shape (n_keys, n_values)
            Targets first.
        """
        if not self.lines.has_slopes:
            return targets
        z, n_rows = self.lines.scaled(keys), len(keys)
        first, second = self.lines.products
        curvature = targets[:, self.link.n_logits :, None]
        by_column = targets[:, :, None] * z[:, None, :]
        by_product = curvature * (z[:, first] * z[:, second])[:, None, :]
        parts = [targets, by_column, by_product]
        # Without rows, reshape cannot infer a size.
        return np.hstack([part.reshape(n_rows, np.prod(part.shape[1:])) for part in parts])

    def values_on_demand(self, keys: np.ndarray, targets: np.ndarray) -> Any:
        """The values of :meth:`values`, computed only for visited keys."""
        if not self.lines.has_slopes:
            return targets
        n_values = n_values_of_steps(len(self.lines.columns), self.link.n_logits)
        return ValuesOnDemand(self.values, n_values, keys, targets)

    def careful(self, attention: Attention) -> Attention:
        """The attention with a smaller tolerance, so that steps have the requested one."""
        return self.lines.careful(attention)

    def fit(
        self,
        attention: Attention,
        values: np.ndarray | ValuesOnDemand,
        sums: PooledSums | None = None,
        logits: np.ndarray | None = None,
    ) -> LocalLogits:
        """Step at each query.

        Parameters
        ----------
        attention : Attention
            Queries and keys.
        values : ndarray or ValuesOnDemand, of shape (n_keys, n_values)
            The result of :meth:`values`.
        sums : PooledSums or None, default=None
            Their pooled sums, if known.
        logits : ndarray of shape (n_queries, n_logits) or None, default=None
            The trend at the queries; None for 0.

        Returns
        -------
        fit : LocalLogits
            The steps.
        """
        sums = self.careful(attention).pool(values) if sums is None else sums
        return self._fit(attention, values, sums, logits)

    def fit_sums(
        self, attention: Attention, sums: PooledSums, logits: np.ndarray | None = None
    ) -> LocalLogits:
        """Step at each query from sums alone, as `LocalLines.fit_sums` fits lines."""
        return self._fit(attention, None, sums, logits)

    def _fit(self, attention, values, sums, logits):
        n_logits = self.link.n_logits
        shape = len(attention.queries), n_logits
        logits = np.zeros(shape) if logits is None else logits
        trust, rest = shares_of_rows(attention, sums, 1.0)
        if not self.moves:
            trust, rest = np.zeros_like(trust), np.ones_like(rest)
        means = np.where(trust[:, None] > 0, sums.finish(), 0.0)
        n_slopes = len(self.lines.columns)
        sizes = np.array([1, 1, n_slopes, n_slopes, n_slopes * (n_slopes + 1) // 2])
        pooled = np.split(means, np.cumsum(n_logits * sizes)[:-1], axis=1)
        by_logit = [part.reshape(*shape, size) for part, size in zip(pooled, sizes)]
        place, penalty = self.lines.scaled(attention.queries), self.lines.penalty(attention)
        constant, slopes = np.empty((2, *shape)), np.empty((2, *shape, n_slopes))
        offset = np.empty((*shape, n_slopes))
        for logit in range(n_logits):
            residual, curvature, by_z, curved, products = (part[:, logit] for part in by_logit)
            moments = Moments.of(
                residual[:, 0], curvature[:, 0], by_z, curved, products, place, self.lines.products
            )
            prior = rest * self.curvature[logit]
            level = prior[:, None] * np.minimum(self.lines.ridge, 1e300) * penalty
            if n_slopes and values is not None:
                self._count_anew(attention, values, logit, moments, trust, level)
            np.clip(moments.offset, -_FARTHEST, _FARTHEST, out=moments.offset)
            found = moments.solve(trust, prior, level, penalty)
            constant[:, :, logit], slopes[:, :, logit] = found[0], found[1]
            offset[:, logit] = found[2]
        steps = constant, slopes, offset
        return LocalLogits(self, attention, sums, logits, trust, rest, penalty, *steps)

    def _count_anew(self, attention, values, logit, moments, trust, level):
        """Moments about the local mean, for queries where those about the centre lost digits."""
        left = trust[:, None, None] * moments.covariance
        diagonal = np.einsum("njj->nj", left)
        mean = np.abs(moments.mean)
        squares = mean * (mean + np.abs(moments.offset))  # as for local lines
        squares = diagonal + (trust * moments.curvature)[:, None] * squares

        def system(rows):
            return left[rows] + level[rows, :, None] * np.eye(left.shape[1])

        again = without_digits(system, diagonal + level, level, squares)
        filled, spread = self.lines.filled, self.lines.spread

        def add(rows, cols, weights):
            keys = filled(attention.keys[cols]).astype(float)
            of_keys = values[cols]
            residuals, curvature = of_keys[:, logit], of_keys[:, self.link.n_logits + logit]
            for row, shares in zip(again[rows], weights):
                # Relative to the heaviest key, so that no digits are lost if the centre is far
                # away.
                heaviest = shares.argmax()
                apart = (keys - keys[heaviest]) / spread
                curved = shares * curvature
                total = curved.sum()
                mean = curved @ apart / (total or 1.0)
                moments.covariance[row] = (curved[:, None] * (apart - mean)).T @ apart
                moments.with_residual[row] = (shares * residuals) @ (apart - mean)
                place = (filled(attention.queries[row, None])[0] - keys[heaviest]) / spread
                moments.offset[row] = place - mean

        if len(again):
            attention.take(again).visit(add)


def n_values_of_steps(n_slopes: int, n_logits: int) -> int:
    """Number of values that steps pool: targets, times columns, curvature times products."""
    return n_logits * (2 * (1 + n_slopes) + n_slopes * (n_slopes + 1) // 2)


@dataclass(frozen=True)
class LocalLogits:
    """The trend and the steps at queries.

    Attributes
    ----------
    step : NewtonStep
        The step, with its columns and penalty.
    attention : Attention
        Queries and keys.
    sums : PooledSums
        The pooled sums.
    logits : ndarray of shape (n_queries, n_logits)
        The trend.
    trust : ndarray of shape (n_queries,)
        Share of the rows in the window in these rows plus the one on the trend.
    rest : ndarray of shape (n_queries,)
        Share of the one on the trend.
    penalty : ndarray of shape (n_queries, n_slopes)
        Variance of the columns within the window.
    constant : ndarray of shape (2, n_queries, n_logits)
        At the mean of the rows: the step, and the share of a row with residual 1.
    slopes : ndarray of shape (2, n_queries, n_logits, n_slopes)
        Slopes of both in the columns, in units of their spread.
    offset : ndarray of shape (n_queries, n_logits, n_slopes)
        From the mean of the rows to the query.
    """

    step: NewtonStep
    attention: Attention
    sums: PooledSums
    logits: np.ndarray
    trust: np.ndarray
    rest: np.ndarray
    penalty: np.ndarray
    constant: np.ndarray
    slopes: np.ndarray
    offset: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """The steps, of shape (n_queries, n_logits), limited in length."""
        return np.clip(self._steps, -_LONGEST, _LONGEST)

    @property
    def limited(self) -> np.ndarray:
        """The remaining share of each limited step, of shape (n_queries, n_logits)."""
        return _LONGEST / np.maximum(np.abs(self._steps), _LONGEST)

    @property
    def _steps(self):
        along = np.einsum("nlj,nlj->nl", self.slopes[0], self.offset)
        return self.constant[0] + along

    @property
    def predictions(self) -> np.ndarray:
        """Probabilities, of shape (n_queries, n_classes).

        If no key has weight, they are NaN or the trend's, according to `handle_empty`.
        """
        probabilities = self.step.link.probabilities(self.logits + self.steps)
        if self.attention.empty is None:
            probabilities[~(self.sums.total > 0)] = np.nan
        return probabilities

    @property
    def leverage(self) -> np.ndarray:
        """Share of a key in the step at its own place, relative to its share of the weights."""
        if not self.step.link.n_logits:
            return np.zeros(len(self.logits))
        link = self.step.link
        p = link.probabilities(self.logits)[:, link.of_logits]
        own = self.constant[1] + np.einsum("nlj,nlj->nl", self.slopes[1], self.offset)
        return (p * (1 - p) * own).mean(axis=1)
