"""Derivatives of a loss of Newton steps by bandwidths, through the weights and the penalty."""

from __future__ import annotations

import numpy as np

from nwkr._local_slopes import Changes
from nwkr._newton_step import LocalLogits

__all__ = ["changes_of_steps"]


def changes_of_steps(fit: LocalLogits, values: np.ndarray, by_prediction: np.ndarray) -> Changes:
    """Derivatives of a loss of the probabilities by the weights and by the penalty.

    The derivative of a logit by the weight of a key is the share of a row with residual 1 at the
    key, times the residual of the key after the step. This is a sum of pooled values.

    Parameters
    ----------
    fit : LocalLogits
        The fit.
    values : ndarray of shape (n_keys, n_values)
        The pooled values.
    by_prediction : ndarray of shape (n_queries, n_classes)
        Derivatives of the loss by the probabilities.

    Returns
    -------
    changes : Changes
        The derivatives.
    """
    step, attention = fit.step, fit.attention
    lines = step.lines
    known = fit.trust > 0
    by_logit = step.link.slopes(by_prediction, fit.predictions)
    by_logit = np.where(known[:, None] & (fit.limited == 1), by_logit, 0)
    # Both are linear in the columns, here relative to the common centre.
    mean = lines.scaled(attention.queries)[:, None] - fit.offset
    level, share = fit.constant - np.einsum("knlj,nlj->knl", fit.slopes, mean)
    slope, direction = fit.slopes
    of_residual = by_logit * share
    of_curvature = -of_residual * level
    of_z = by_logit[..., None] * direction
    of_curved_z = -by_logit[..., None] * (share[..., None] * slope + level[..., None] * direction)
    of_products = -by_logit[..., None] * _folded(direction, slope, *lines.products)
    parts = [np.zeros(len(by_logit)), of_residual, of_curvature, of_z, of_curved_z, of_products]
    total = np.where(known, fit.sums.total, 1)[:, None]
    factors = np.hstack([part.reshape(len(by_logit), -1) for part in parts]) / total

    # The penalty is the variance within the window, which depends on how far columns reach.
    by_reach = np.zeros(len(lines.columns))
    if lines.has_slopes:
        some = fit.trust > 1e-100
        rest = np.divide(fit.rest, fit.trust, out=np.zeros(len(some)), where=some)
        of_penalty = -np.einsum("nl,nlj,nlj,l->nj", by_logit, direction, slope, step.curvature)
        changes = lines.ridge * rest[:, None] * of_penalty * np.square(fit.penalty)
        by_reach = -changes.sum(axis=0)
    return Changes(attention, lines, [(values, factors)], fit.sums.shift, by_reach)


def _folded(
    ours: np.ndarray, theirs: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Coefficients of the products of columns in the product of two linear forms."""
    products = ours[..., first] * theirs[..., second]
    return np.where(first == second, products, products + ours[..., second] * theirs[..., first])
