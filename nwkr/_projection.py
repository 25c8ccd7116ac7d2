"""A projection of the features, by descent along the slopes of a loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

__all__ = ["learn", "principal"]

# A projection on fewer components than there are features starts from the best of these multiples.
_MULTIPLES = 2.0 ** np.arange(-1, 4)
# A feature that is off at the start is measured by this multiple of the rule of thumb.
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
    """Find a projection of least penalised deviance.

    Parameters
    ----------
    objective : callable
        From a projection, (n_components, n_features), to the deviance and its slopes.
    rows : ndarray of shape (n_rows, n_features)
        Training rows.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, of sum 1.
    bandwidth : ndarray of shape (n_features,)
        The bandwidths that it starts from; infinite for a feature that is off.
    rule : ndarray of shape (n_features,)
        The rule of thumb, which it starts from if all are off; infinite for a constant feature.
    n_components : int
        How many components it has, at most.
    shrinkage : float
        How strongly it is drawn to where it starts: the sum of squares of what is added to it, in
        units of the bandwidths, is multiplied with this.

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
        slopes = (slopes[:, counted] / units[counted]).ravel()
        return deviance + shrinkage * (x - start) @ (x - start), slopes + 2 * shrinkage * (
            x - start
        )

    found = minimize(penalised, start, jac=True, method="L-BFGS-B", options=_OPTIONS)
    return principal(in_full(found.x), rows, weights)


def principal(projection: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The same distances by components that are uncorrelated, those of the largest spread first.

    Parameters
    ----------
    projection : ndarray of shape (n_components, n_features)
        A projection.
    rows : ndarray of shape (n_rows, n_features)
        Rows.
    weights : ndarray of shape (n_rows,)
        Their weights, of sum 1.

    Returns
    -------
    projection : ndarray of shape (n_components, n_features)
        The projection. Of each component the feature that makes the most of it counts upwards.
    """
    deviations = np.sqrt(weights)[:, None] * (rows - weights @ rows)
    _, _, axes = np.linalg.svd(deviations @ projection.T, full_matrices=False)
    turned = axes @ projection
    loads = turned * np.linalg.norm(deviations, axis=0)
    largest = np.abs(loads).argmax(axis=1)[:, None]
    return turned * np.sign(np.take_along_axis(loads, largest, axis=1))
