"""A fitted logistic regression row by row: the contribution of each row.

All results except the logits without a row are sums over rows, so parts of the rows add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, logsumexp, softmax

from nwkr._pooling import slices

__all__ = ["Link", "LogisticRows", "inverse_of"]

_NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True)
class Link:
    """From logits to probabilities.

    Attributes
    ----------
    present : ndarray of shape (n_present,)
        Numbers of the classes that have rows; all others have probability 0.
    n_classes : int
        Number of all classes.
    """

    present: np.ndarray
    n_classes: int

    @property
    def n_logits(self) -> int:
        """Number of logits: one (of the second class) for two classes, else one for each class."""
        return len(self.present) - (len(self.present) < 3)

    @property
    def of_logits(self) -> np.ndarray:
        """Numbers of the classes with a logit, of shape (n_logits,)."""
        return self.present[len(self.present) - self.n_logits :]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of all classes, (n_rows, n_classes), for logits of (n_rows, n_logits)."""
        probabilities = np.zeros((len(logits), self.n_classes))
        if self.n_logits == 1:
            probabilities[:, self.present] = expit(np.hstack([-logits, logits]))
        elif self.n_logits:
            probabilities[:, self.present] = softmax(logits, axis=1)
        else:
            probabilities[:, self.present] = 1
        probabilities[np.isnan(logits).any(axis=1)] = np.nan
        return probabilities

    def slopes(self, by_probability: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Derivatives by the logits, (n_rows, n_logits), from derivatives by the probabilities."""
        weighted = by_probability * probabilities
        mean = weighted.sum(axis=1, keepdims=True)
        return weighted[:, self.of_logits] - mean * probabilities[:, self.of_logits]

    def truth(self, codes: np.ndarray) -> np.ndarray:
        """Indicators of the classes of the logits, (n_rows, n_logits)."""
        return np.equal.outer(codes, self.of_logits).astype(float)


class LogisticRows:
    """Rows of a logistic regression.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_slopes)
        Columns with slopes.
    truth : ndarray of shape (n_rows, n_logits)
        1 if a row has the class of the logit, else 0.
    weights : ndarray of shape (n_rows,)
        The number of rows that each row counts as.
    logits : ndarray of shape (n_rows, n_logits)
        The logits of the regression.
    link : Link
        From logits to probabilities.
    """

    def __init__(
        self,
        Z: np.ndarray,
        truth: np.ndarray,
        weights: np.ndarray,
        logits: np.ndarray,
        link: Link,
    ):
        self._columns = np.hstack([np.ones((len(Z), 1)), Z])
        self._truth, self._weights, self._logits, self._link = truth, weights, logits, link
        self._probabilities = link.probabilities(logits)[:, link.of_logits]

    @property
    def n_rows(self) -> int:
        """Number of rows, not weighted."""
        return len(self._columns)

    def take(self, some: np.ndarray) -> LogisticRows:
        """Some of the rows."""
        part = copy(self)
        of_rows = {name: each for name, each in vars(self).items() if isinstance(each, np.ndarray)}
        vars(part).update({name: each[some] for name, each in of_rows.items()})
        return part

    def at(self, coefficients: np.ndarray) -> LogisticRows:
        """The same rows with other coefficients, of shape (n_logits, 1 + n_slopes)."""
        logits = self._columns @ coefficients.T
        return LogisticRows(self._columns[:, 1:], self._truth, self._weights, logits, self._link)

    def mass(self, some: slice | np.ndarray = slice(None)) -> float:
        """Number of rows by their weights, for all rows or some."""
        return float(self._weights[some].sum())

    @property
    def loss(self) -> float:
        """Sum of the log losses."""
        return float(self._weights @ self._losses)

    @cached_property
    def _losses(self):
        logits = self._logits
        if self._link.n_logits == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        return logsumexp(logits, axis=1) - (self._logits * self._truth).sum(axis=1)

    @property
    def gradient(self) -> np.ndarray:
        """Derivatives of the loss by constants and slopes, of shape (n_logits, 1 + n_slopes)."""
        apart = self._weights[:, None] * (self._probabilities - self._truth)
        return apart.T @ self._columns

    def curvature(self, together: bool = True) -> np.ndarray:
        """Second derivatives of the loss, (n_logits, 1 + n_slopes) twice.

        Parameters
        ----------
        together : bool, default=True
            Whether to include derivatives by coefficients of different logits. If not, or if there
            is one logit, the shape is (n_logits, 1 + n_slopes, 1 + n_slopes).

        Returns
        -------
        curvature : ndarray
            The derivatives.
        """
        p, weights = self._probabilities, self._weights
        n_logits, n_columns = p.shape[1], self._columns.shape[1]
        if n_logits == 1 or not together:
            return np.stack([self._block(q * (1 - q)) for q in p.T])
        hessian = np.empty((n_logits, n_columns, n_logits, n_columns))
        products = (p[:, :, None] * self._columns[:, None, :]).reshape(-1, n_logits * n_columns)
        for logit in range(n_logits):
            weighted = self._columns * (weights * p[:, logit])[:, None]
            hessian[logit] = -(weighted.T @ products).reshape(n_columns, n_logits, n_columns)
            hessian[logit, :, logit] += self._block(p[:, logit])
        return hessian

    def _block(self, curvature):
        weighted = self._columns * (self._weights * curvature)[:, None]
        return weighted.T @ self._columns

    def logits_without(self, weights: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        """Logits of each row, fitted without this part of its weight.

        Parameters
        ----------
        weights : ndarray of shape (n_rows,)
            The part of the weight to leave out.
        inverse : ndarray
            The result of :func:`inverse_of` for the curvature of all rows.

        Returns
        -------
        logits : ndarray of shape (n_rows, n_logits)
            The logits.
        """
        logits = self._logits.copy()
        residuals = self._truth - self._probabilities
        for rows, influence in self._influences(inverse):
            p, some = self._probabilities[rows], weights[rows, None]
            if influence.ndim == 2:
                rest = np.maximum(1 - some * p * (1 - p) * influence, np.finfo(float).eps)
                logits[rows] -= some * influence * residuals[rows] / rest
                continue
            # The curvature is diag(p) - pp'.
            curved = influence - p[:, None, :] @ influence
            curved *= (-some * p)[:, :, None]
            curved += np.eye(logits.shape[1])
            shift = np.linalg.solve(curved, residuals[rows, :, None])
            logits[rows] -= some * (influence @ shift)[..., 0]
        return logits

    def loss_of(self, logits: np.ndarray) -> float:
        """Sum of the log losses of other logits of the rows, up to rounding.

        Rows whose logits are NaN have no loss.
        """
        truth, probabilities = self._truth, self._link.probabilities(logits)
        probabilities = probabilities[:, self._link.of_logits]
        if self._link.n_logits == 1:
            truth, probabilities = (np.hstack([1 - p, p]) for p in (truth, probabilities))
        of_truth = np.maximum((probabilities * truth).sum(axis=1), np.finfo(float).eps)
        return -float(self._weights @ np.nan_to_num(np.log(of_truth)))

    def dof(self, inverse: np.ndarray) -> float:
        """Degrees of freedom for each logit: the sum of the contributions of the rows."""
        trace = 0.0
        for rows, influence in self._influences(inverse):
            p, own = self._probabilities[rows], influence
            if influence.ndim == 3:
                own = np.einsum("njj->nj", influence) - (influence @ p[:, :, None])[:, :, 0]
            else:
                own = own * (1 - p)
            trace += float(self._weights[rows] @ (p * own).sum(axis=1))
        n_logits = self._logits.shape[1]
        return trace / (n_logits - (n_logits > 2))

    def _influences(self, inverse) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of rows, and the derivatives of the logits of each row by its residuals."""
        n_rows, n_logits = self._logits.shape
        n_at_once = max(1, _NUMBERS_AT_ONCE // n_logits**2)
        for rows in slices(n_rows, n_at_once):
            columns = self._columns[rows]
            if inverse.ndim == 3:
                yield rows, np.column_stack([_forms(columns, block) for block in inverse])
                continue
            influence = np.empty((len(columns), n_logits, n_logits))
            for logit, of_logit in enumerate(inverse):
                product = columns @ of_logit.reshape(columns.shape[1], -1)
                product = product.reshape(len(columns), n_logits, -1)
                influence[:, logit] = (product @ columns[:, :, None])[:, :, 0]
            yield rows, influence


def inverse_of(curvature: np.ndarray, C: float) -> np.ndarray:
    """Inverse of the curvature of all rows and of the penalty on the slopes.

    Parameters
    ----------
    curvature : ndarray
        The curvature of all rows, of either shape.
    C : float
        Inverse strength of the penalty.

    Returns
    -------
    inverse : ndarray
        The inverse, of the same shape.
    """
    penalised, slopes = curvature.copy(), np.arange(1, curvature.shape[1])
    if curvature.ndim == 3:
        penalised[:, slopes, slopes] += 1 / C
        return np.stack([_inverse(block) for block in penalised])
    logits = np.arange(len(curvature))[:, None]
    penalised[logits, slopes, logits, slopes] += 1 / C
    # A common change of all intercepts does not change the probabilities.
    n_logits, n_columns = curvature.shape[:2]
    penalised[:, 0, :, 0] += np.einsum("jkjk->", penalised) / n_columns**2
    size = n_logits * n_columns
    return _inverse(penalised.reshape(size, size)).reshape(curvature.shape)


def _forms(columns, matrix):
    """The bilinear form of each row with itself."""
    return np.einsum("ij,ij->i", columns @ matrix, columns)


def _inverse(matrix):
    """Inverse of a matrix of curvature, which is nearly singular for separable classes."""
    level = np.trace(matrix) / len(matrix)
    return np.linalg.inv(matrix + 1e-12 * level * np.eye(len(matrix)))
