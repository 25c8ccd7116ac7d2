"""Derivatives of a loss of local fits by the bandwidths, through weights and penalty."""

from __future__ import annotations

import numpy as np

from nwkr._local import LocalFit

__all__ = ["bandwidth_slopes", "folded"]


def bandwidth_slopes(
    fit: LocalFit,
    values: np.ndarray,
    by_prediction: np.ndarray,
    by_leverage: np.ndarray | None = None,
) -> np.ndarray:
    """Derivatives of a loss by the logarithm of each bandwidth.

    The derivative of the loss by the weight of a key is the effective weight of the key times its
    residual, ``(1 + u'(z - mean)) (g'(y - mean) - b'(z - mean))`` over the total of the weights.
    The derivative through the leverage is the square of the first factor. Both are sums of pooled
    values.

    Parameters
    ----------
    fit : LocalFit
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
    slopes : ndarray of shape (n_features,)
        Derivatives; 0 where the bandwidth is 0 or infinite.
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
    of_one, of_y = level * rest, level * by_prediction
    of_z = rest * direction - level * slope
    of_squares = -folded(direction, slope, *lines.products)
    of_both = (direction[:, :, None] * by_prediction[:, None, :]).reshape(len(level), -1)
    of_penalty = -direction * slope
    if by_leverage is not None:
        strength = np.where(reached, by_leverage, 0)[:, None] / total
        of_one = of_one - strength * np.square(level)
        of_z = of_z - strength * 2 * level * direction
        of_squares = of_squares - strength * folded(direction, direction, *lines.products)
        of_penalty = of_penalty - strength * np.square(direction)
    factors = np.hstack([of_one, of_y, of_z, of_squares, of_both]) / total
    factors[~reached] = 0
    found = attention.bandwidth_slopes(values, factors, fit.sums.shift)

    # The penalty is the variance within the window, which depends on the bandwidth.
    # Slopes are multiplied by the trust: where it is almost 0, they add almost nothing.
    some = fit.trust > 1e-100
    strength = np.divide(1 - fit.trust, fit.trust, out=np.zeros(len(level)), where=some)
    share = fit.penalty * np.square(lines.spread / attention.scales[lines.telling])
    through_penalty = (strength[:, None] * of_penalty * 2 * fit.penalty * share).sum(axis=0)
    np.add.at(found, lines.telling, through_penalty)
    return found


def folded(
    ours: np.ndarray, theirs: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Coefficients of the products of columns in the product of two linear forms."""
    products = ours[..., first] * theirs[..., second]
    return np.where(first == second, products, products + ours[..., second] * theirs[..., first])
