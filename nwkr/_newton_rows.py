"""Newton steps row by row: the contribution of each row, and derivatives by the query."""

from __future__ import annotations

import numpy as np

from nwkr._newton_step import LocalLogits
from nwkr._pooling import gradients_through_weights
from nwkr._trend import Trend

__all__ = ["gradients_of_logits", "shares_of_steps"]


class _StepRows:
    """Some queries of a fit, and some keys."""

    def __init__(self, fit, rows, cols, weights):
        self.fit, self.rows = fit, rows
        sides = fit.attention.queries[rows], fit.attention.keys[cols]
        self._queries, self._keys = fit.step.lines.beside(*sides, weights)

    def at(self, which, logit):
        """The step (0), or the share of a row with residual 1 (1), at each key."""
        slopes = self.fit.slopes[which, self.rows, logit]
        mean = self._queries - self.fit.offset[self.rows, logit]
        constant = self.fit.constant[which, self.rows, logit] - (mean * slopes).sum(axis=1)
        return constant[:, None] + slopes @ self._keys.T


def shares_of_steps(
    fit: LocalLogits, targets: np.ndarray, logit: int, rows, cols, weights
) -> np.ndarray:
    """Contributions of keys to the steps of some queries.

    Parameters
    ----------
    fit : LocalLogits
        The fit.
    targets : ndarray of shape (n_keys, 2 * n_logits)
        Residuals and curvature.
    logit : int
        Number of the logit.
    rows : ndarray of shape (n_rows,)
        Numbers of the queries.
    cols : ndarray of shape (n_cols,)
        Numbers of the keys.
    weights : ndarray of shape (n_rows, n_cols)
        Attention weights.

    Returns
    -------
    shares : ndarray of shape (n_rows, n_cols)
        Shares, which sum to the step over all keys.
    """
    share = _StepRows(fit, rows, cols, weights).at(1, logit) * fit.limited[rows, logit, None]
    return weights * share * targets[cols, logit]


def gradients_of_logits(fit: LocalLogits, targets: np.ndarray, trend: Trend) -> np.ndarray:
    """Derivatives of the logits by each column of the query.

    They are sums of the derivatives of the trend, of the step, and of the step through the weights.
    The other parameters are those of :func:`shares_of_steps`.

    Parameters
    ----------
    trend : Trend
        The trend.

    Returns
    -------
    gradients : ndarray of shape (n_queries, n_features, n_logits)
        Derivatives.
    """
    step, n_logits = fit.step, fit.step.link.n_logits

    def parts_of(rows, cols, weights):
        seen, of_keys, parts = _StepRows(fit, rows, cols, weights), targets[cols], []
        for logit in range(n_logits):
            left = of_keys[:, logit] - of_keys[:, n_logits + logit] * seen.at(0, logit)
            parts.append(seen.at(1, logit) * left)
        return parts

    if step.moves:
        gradients = gradients_through_weights(fit.attention, n_logits, parts_of)
    else:
        gradients = np.zeros((len(fit.logits), len(fit.attention.scales), n_logits))
    # The row on the trend moves with the query.
    rest = np.divide(fit.rest, fit.trust, out=np.zeros_like(fit.trust), where=fit.trust > 0)
    prior = rest[:, None] * step.curvature
    at_query = fit.constant + np.einsum("knlj,nlj->knl", fit.slopes, fit.offset)
    by_column = (1 - prior * at_query[1])[..., None] * fit.slopes[0]
    by_column = by_column - (prior * at_query[0])[..., None] * fit.slopes[1]
    gradients[:, step.lines.columns] += by_column.swapaxes(1, 2) / step.lines.spread[:, None]
    gradients *= (fit.limited == 1)[:, None, :]
    gradients[:, trend.columns] += trend.slopes.T
    return gradients
