r"""Fits as weighted sums of the targets: effective weights, residuals and leverages of each key.

Like the mean, a local line is linear in the targets: :math:`f(q) = \sum_i l_i y_i` with the
effective weights

.. math:: l_i = a_i \, (1 + (x_i - \bar x)' u), \qquad u = (C + R)^{-1} (q - \bar x)

and the attention weights :math:`a_i`. They sum to 1, and may be negative. For local constants they
are the attention weights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nwkr._local_fit import LineFit
from nwkr._pooling import gradients_through_weights

__all__ = ["LocalRows", "surface_gradients", "visit_rows"]


class LocalRows:
    """Some queries of a fit, and some keys.

    Parameters
    ----------
    fit : LineFit
        The fit.
    rows : ndarray of shape (n_rows,)
        Numbers of the queries.
    cols : ndarray of shape (n_cols,)
        Numbers of the keys; other keys have no weight for these queries.
    weights : ndarray of shape (n_rows, n_cols)
        Attention weights.
    """

    def __init__(self, fit: LineFit, rows: np.ndarray, cols: np.ndarray, weights: np.ndarray):
        self.fit, self.rows, self.cols, self.weights = fit, rows, cols, weights
        sides = fit.attention.queries[rows], fit.attention.keys[cols]
        _, self._keys = fit.lines.beside(*sides, weights)
        self._means = weights @ self._keys

    @property
    def effective(self) -> np.ndarray:
        """Effective weights, of shape (n_rows, n_cols); 0 for queries without weights."""
        effective = self.weights * (1 + self.along(self.fit.directions[self.rows]))
        # Effective weights sum to 1. This determines the weight of a key that dominates all others;
        # it is so near the mean that the formula gives a rounding error.
        rows, heaviest = np.arange(len(effective)), self.weights.argmax(axis=1)
        effective[rows, heaviest] = 0
        effective[rows, heaviest] = 1 - effective.sum(axis=1)
        effective[~self.weights.any(axis=1)] = 0
        return effective

    @property
    def leverages(self) -> np.ndarray:
        """Effective weight of each key in a fit at its own place, (n_rows, n_cols).

        The window is that of the query. Leaving out the key reduces the fit at the query by its
        effective weight times its residual, divided by 1 minus this value.
        """
        leverages = self.weights.copy()
        for number, row in enumerate(self.rows):
            leverages[number] *= 1 + self.fit.forms(row, self._keys - self._means[number])
        return leverages

    def residuals(self, targets: np.ndarray, number: int) -> np.ndarray:
        """Distance of each key above the line of each query.

        Parameters
        ----------
        targets : ndarray of shape (n_keys,)
            The output of all keys.
        number : int
            Number of the output.

        Returns
        -------
        residuals : ndarray of shape (n_rows, n_cols)
            Residuals.
        """
        residuals = targets[self.cols] - self.fit.mean[self.rows, number, None]
        residuals -= self.along(self.fit.scaled_slopes[self.rows, :, number])
        return residuals

    def moved(self, targets: np.ndarray, number: int) -> np.ndarray:
        """The targets of the keys, moved to each query along its line.

        Parameters
        ----------
        targets : ndarray of shape (n_keys,)
            The output of all keys.
        number : int
            Number of the output.

        Returns
        -------
        moved : ndarray of shape (n_rows, n_cols)
            The predictions plus the residuals.
        """
        return self.fit.predictions[self.rows, number, None] + self.residuals(targets, number)

    def along(self, coefficients: np.ndarray) -> np.ndarray:
        """Differences of keys and local means times coefficients of the columns.

        Parameters
        ----------
        coefficients : ndarray of shape (n_rows, n_slopes)
            Coefficients of each query.

        Returns
        -------
        products : ndarray of shape (n_rows, n_cols)
            Their products.
        """
        offset = np.einsum("ij,ij->i", self._means, coefficients)
        return coefficients @ self._keys.T - offset[:, None]


def visit_rows(fit: LineFit, visit: Callable[[LocalRows], None]) -> None:
    """Pass the rows of a fit to a callback, by blocks of queries, from several threads.

    Parameters
    ----------
    fit : LineFit
        The fit.
    visit : callable
        Called with each block, once for each query.
    """
    fit.attention.visit(lambda rows, cols, weights: visit(LocalRows(fit, rows, cols, weights)))


def surface_gradients(fit: LineFit, targets: np.ndarray) -> np.ndarray:
    """Derivatives of the predictions by each column of the query.

    The slope of the line, plus the change of the fit through the weights.

    Parameters
    ----------
    fit : LineFit
        The fit.
    targets : ndarray of shape (n_keys, n_outputs)
        Targets.

    Returns
    -------
    gradients : ndarray of shape (n_queries, n_features, n_outputs)
        Derivatives; NaN for queries without weights if `handle_empty` gives NaN.
    """

    def parts_of(rows, cols, weights):
        seen = LocalRows(fit, rows, cols, weights)
        levels = 1 + seen.along(fit.directions[rows])
        return [levels * seen.residuals(column, m) for m, column in enumerate(targets.T)]

    terms = fit.attention, targets.shape[1], parts_of, fit.sums_of_residuals
    gradients = gradients_through_weights(*terms)
    gradients[:, fit.lines.columns] += fit.slopes
    gradients[np.isnan(fit.mean).any(axis=1)] = np.nan
    return gradients
