"""Derivatives of a loss of local fits by bandwidths, through the weights and the penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nwkr._local_fit import LineFit
from nwkr._pooling import Attention, distance_slopes

__all__ = ["Changes", "changes_of_lines"]


class Changes(NamedTuple):
    """Derivatives of a loss by the weights and by the penalty.

    Attributes
    ----------
    attention : Attention
        Queries and keys.
    lines : SlopedColumns
        What there are slopes in.
    forms : sequence of (ndarray, ndarray)
        The derivatives of the loss by the weights are the product of these forms: values of the
        keys, and their factors.
    shift : ndarray of shape (n_queries,)
        The shift of the weights.
    by_reach : ndarray of shape (n_slopes,)
        Derivatives by :meth:`SlopedColumns.reach`, on which the penalty depends.
    """

    attention: Attention
    lines: Any
    forms: Sequence[tuple[np.ndarray, np.ndarray]]
    shift: np.ndarray
    by_reach: np.ndarray

    def by_bandwidth(self) -> np.ndarray:
        """Derivatives by the logarithm of each bandwidth; 0 where it is 0 or infinite."""
        slopes, lines = distance_slopes(self.attention, self.forms, self.shift), self.lines
        reach = np.square(lines.distances / self.attention.scales[lines.telling])
        np.add.at(slopes, lines.telling, -2 * reach * self.by_reach)
        return slopes

    def by_mixing(self, n_mixed: int, n_others: int) -> np.ndarray:
        """Derivatives by the entries of the projection from the first columns to the last.

        Parameters
        ----------
        n_mixed, n_others : int
            Numbers of the last columns, which have bandwidth 1, and of the first columns.

        Returns
        -------
        slopes : ndarray of shape (n_mixed, n_others)
            Derivatives.
        """
        attention, lines = self.attention, self.lines
        others = attention.queries[:, :n_others], attention.keys[:, :n_others]
        slopes = distance_slopes(attention, self.forms, self.shift, others)[-n_mixed:]
        if lines.mixing is not None:
            slopes[:, lines.columns] += 2 * lines.mixing * np.square(lines.spread) * self.by_reach
        return slopes


def changes_of_lines(
    fit: LineFit,
    values: np.ndarray,
    by_prediction: np.ndarray,
    by_leverage: np.ndarray | None = None,
) -> Changes:
    """Derivatives of a loss of local fits by the weights and by the penalty.

    The derivative of the loss by the weight of a key is the effective weight of the key times its
    residual, ``(1 + u'(z - mean)) (g'(y - mean) - b'(z - mean))`` over the total of the weights.
    The derivative through the leverage is the square of the first factor. So their sum is the
    product of two linear forms.

    Parameters
    ----------
    fit : LineFit
        The fit.
    values : ndarray of shape (n_keys, n_values)
        The pooled values.
    by_prediction : ndarray of shape (n_queries, n_outputs)
        Derivatives of the loss by the predictions.
    by_leverage : ndarray of shape (n_queries,) or None, default=None
        Derivatives of the loss by the leverages of the queries, times the total of the weights,
        divided by the weight of a query at its own place.

    Returns
    -------
    changes : Changes
        The derivatives.
    """
    lines, attention, direction = fit.lines, fit.attention, fit.directions
    reached = fit.sums.reached
    total = np.where(reached, fit.sums.total, 1)[:, None]
    by_prediction = np.where(reached[:, None], by_prediction, 0)
    slope = np.einsum("njm,nm->nj", fit.scaled_slopes, by_prediction)
    mean = lines.scaled(attention.queries) - fit.offset
    level = (1 - np.einsum("nj,nj->n", mean, direction))[:, None]
    rest = np.einsum("nj,nj->n", mean, slope) - (by_prediction * fit.mean).sum(axis=1)
    rest = rest[:, None]
    of_penalty = -direction * slope
    if by_leverage is not None:
        strength = np.where(reached, by_leverage, 0)[:, None] / total
        of_penalty = of_penalty - strength * np.square(direction)
        rest, slope = rest - strength * level, slope + strength * direction
    n_outputs, n_slopes = by_prediction.shape[1], direction.shape[1]
    residual = np.hstack([rest, by_prediction, -slope]) / total
    forms = [(values[:, : n_outputs + n_slopes], residual)]
    if n_slopes:  # otherwise the other form is 1
        weight = np.hstack([level, direction])
        forms.append((values[:, n_outputs : n_outputs + n_slopes], weight))
    for _, factors in forms:
        factors[~reached] = 0

    # The penalty is the variance within the window, which depends on how far columns reach.
    # Slopes are multiplied by the trust: where it is almost 0, they add almost nothing.
    some = fit.trust > 1e-100
    strength = np.divide(fit.rest, fit.trust, out=np.zeros(len(level)), where=some)
    by_reach = -(strength[:, None] * of_penalty * np.square(fit.penalty)).sum(axis=0)
    return Changes(attention, lines, forms, fit.sums.shift, by_reach)
