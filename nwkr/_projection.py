"""The descent to a projection of the features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

__all__ = ["learn", "principal"]

# A projection onto fewer components than features starts from the best of these multiples.
_MULTIPLES = 2.0 ** np.arange(-1, 4)
# A feature that is switched off at the start is scaled by this multiple of the rule of thumb.
_OFF = 8.0
_OPTIONS = {"ftol": 1e-7, "maxiter": 200}


def learn(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    rows: np.ndarray,
    weights: np.ndarray,
    bandwidth: np.ndarray,
    rule: np.ndarray,
    n_components: int,
    shrinkage: float,
) -> np.ndarray:
    """Find a projection with the least penalised deviance.

    Parameters
    ----------
    objective : callable
        Maps a projection, (n_components, n_features), to the deviance and its derivatives.
    rows : ndarray of shape (n_rows, n_features)
        Training rows.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, with sum 1.
    bandwidth : ndarray of shape (n_features,)
        The bandwidths at the start; infinite for a feature that is switched off.
    rule : ndarray of shape (n_features,)
        The rule of thumb, the start if all features are switched off; infinite for a constant
        feature.
    n_components : int
        Maximal number of components.
    shrinkage : float
        Strength of the penalty: factor of the sum of squares of the changes from the start, in
        units of the bandwidths.

    Returns
    -------
    projection : ndarray of shape (n_components, n_features)
        The projection, along its principal axes.
    """
    units = np.where(np.isfinite(bandwidth), bandwidth, _OFF * rule)
    start = np.eye(len(units))[np.isfinite(bandwidth)]
    if not len(start):
        units, start = rule, np.eye(len(units))[np.isfinite(rule)]
    projection = start / units
    if n_components < len(start):
        projection = principal(projection, rows, weights)[:n_components]
        projection = min((m * projection for m in _MULTIPLES), key=lambda p: objective(p)[0])
    counted = np.isfinite(units)
    start = (projection[:, counted] * units[counted]).ravel()

    def in_full(x):
        full = np.zeros(projection.shape)
        full[:, counted] = x.reshape(len(full), -1) / units[counted]
        return full

    def penalised(x):
        deviance, slopes = objective(in_full(x))
        if np.isinf(deviance):
            return deviance, np.zeros_like(x)
        slopes, apart = (slopes[:, counted] / units[counted]).ravel(), x - start
        return deviance + shrinkage * apart @ apart, slopes + 2 * shrinkage * apart

    found = minimize(penalised, start, jac=True, method="L-BFGS-B", options=_OPTIONS)
    return principal(in_full(found.x), rows, weights)


def principal(projection: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A projection with the same distances and uncorrelated components, the largest spread first.

    Parameters
    ----------
    projection : ndarray of shape (n_components, n_features)
        A projection.
    rows : ndarray of shape (n_rows, n_features)
        Rows.
    weights : ndarray of shape (n_rows,)
        Their weights, with sum 1.

    Returns
    -------
    projection : ndarray of shape (n_components, n_features)
        The projection. The sign of each component is such that its main feature has a positive
        weight.
    """
    deviations = np.sqrt(weights)[:, None] * (rows - weights @ rows)
    _, _, axes = np.linalg.svd(deviations @ projection.T, full_matrices=False)
    turned = axes @ projection
    loads = turned * np.linalg.norm(deviations, axis=0)
    largest = np.abs(loads).argmax(axis=1)[:, None]
    return turned * np.sign(np.take_along_axis(loads, largest, axis=1))
