"""The trend of classes: a logistic regression, and what it says of each row without that row.

A row's residual is to come of a trend that has not seen the row. One Newton step from the
coefficients with the row leads to those without, so no regression is fitted again:

    K. Rahnama Rad, A. Maleki, "A Scalable Estimate of the Out-of-Sample Prediction Error via
    Approximate Leave-One-Out Cross-Validation", Journal of the Royal Statistical Society B 82(4),
    2020. doi:10.1111/rssb.12374
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

__all__ = ["Link", "Trend"]

# C is looked for among powers of this number, from 1 on, between these exponents.
_BASE, _LEAST, _MOST = np.sqrt(10), -8, 8
# Newton's method up to so many coefficients, L-BFGS beyond.
_MOST_BY_NEWTON = 100
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
        """Number of logits: one for two classes, which is that of the second; else one for each."""
        return len(self.present) - (len(self.present) < 3)

    @property
    def of_logits(self) -> np.ndarray:
        """Numbers of the classes that have a logit, of shape (n_logits,)."""
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
        """Derivatives by the logits, (n_rows, n_logits), given those by the probabilities."""
        weighted = by_probability * probabilities
        mean = weighted.sum(axis=1, keepdims=True)
        return weighted[:, self.of_logits] - mean * probabilities[:, self.of_logits]


@dataclass(frozen=True)
class Trend:
    """A logistic regression of classes on all columns.

    Attributes
    ----------
    link : Link
        From logits to probabilities.
    columns, fill : ndarray of shape (n_slopes,)
        Numbers of the columns that it has slopes in, and what they have where it is missing.
    model : Pipeline or None
        A scaler and the regression; None if there is one class only.
    logits_without : ndarray of shape (n_samples, n_logits)
        What it says of each training row without that row.
    residuals, curvature : ndarray of shape (n_samples, n_logits)
        For each training row, without one copy of it: truth less probability; the product of the
        probability and its complement.
    dof : float
        Degrees of freedom for each logit.
    """

    link: Link
    columns: np.ndarray
    fill: np.ndarray
    model: Pipeline | None
    logits_without: np.ndarray
    residuals: np.ndarray
    curvature: np.ndarray
    dof: float

    @classmethod
    def of(
        cls,
        X: np.ndarray,
        columns: np.ndarray,
        codes: np.ndarray,
        counts: np.ndarray,
        classes: np.ndarray,
        most_together: int = 2_000,
    ) -> Trend:
        """The trend of rows.

        The strength of the penalty is the one with the best log loss, each row predicted without
        itself.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        columns : ndarray of shape (n_slopes,)
            Numbers of the columns that the trend is to have slopes in.
        codes : ndarray of shape (n_samples,)
            Number of each row's class.
        counts : ndarray of shape (n_samples,)
            As how many rows each counts; those of 0 do not take part.
        classes : ndarray of shape (n_classes,)
            Class labels.
        most_together : int, default=2000
            Beyond so many coefficients the curvature is taken class by class. What a row has
            contributed is then overestimated, which errs on the side of caution.

        Returns
        -------
        trend : Trend
            The trend.
        """
        rows = np.flatnonzero(counts)
        link = Link(np.unique(codes[rows]), len(classes))
        if not link.n_logits:
            nothing = np.zeros((len(X), 0))
            return cls(link, columns, columns, None, nothing, nothing, nothing, 0.0)
        gaps = np.isnan(X[:, columns])
        masses = counts @ ~gaps
        fill = counts @ np.where(gaps, 0, X[:, columns]) / np.where(masses > 0, masses, 1)
        X = np.where(gaps, fill, X[:, columns])
        scaler = StandardScaler().fit(X[rows], sample_weight=counts[rows])
        Z, weights, labels = scaler.transform(X[rows]), counts[rows], classes[codes[rows]]
        truth = np.equal.outer(codes, link.of_logits).astype(float)
        together = link.n_logits * (1 + len(columns)) <= most_together

        def fit(exponent):
            return _Regression(Z, labels, truth[rows], weights, _BASE**exponent, link, together)

        best = _climb(fit)
        model = Pipeline([("scaler", scaler), ("logistic", best.model)])
        logits_without = _logits(model, X)
        logits_without[rows] = best.logits_without(weights)
        without_copy = np.zeros_like(truth)
        without_copy[rows] = link.probabilities(best.logits_without_copy)[:, link.of_logits]
        curvature = without_copy * (1 - without_copy)
        residuals = truth - without_copy
        return cls(link, columns, fill, model, logits_without, residuals, curvature, best.dof)

    @property
    def targets(self) -> np.ndarray:
        """Residuals and curvature, of shape (n_samples, 2 * n_logits)."""
        return np.hstack([self.residuals, self.curvature])

    def take(self, rows: np.ndarray) -> Trend:
        """The same trend, with what it says of some of the rows."""
        of_rows = (self.logits_without[rows], self.residuals[rows], self.curvature[rows])
        return Trend(self.link, self.columns, self.fill, self.model, *of_rows, self.dof)

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of some rows, of shape (n_rows, n_logits)."""
        if self.model is None:
            return np.zeros((len(X), 0))
        return _logits(self.model, self._filled(X))

    def _filled(self, X):
        gaps = np.isnan(X[:, self.columns])
        return np.where(gaps, self.fill, X[:, self.columns])

    def parts(self, X: np.ndarray, logit: int) -> tuple[np.ndarray, np.ndarray]:
        """What a logit is made of: at the mean of the rows, (n_rows,), and by slope from there."""
        assert self.model is not None
        constant = np.full(len(X), self.model["logistic"].intercept_[logit])
        return constant, self.slopes[logit] * (self._filled(X) - self.model["scaler"].mean_)

    @property
    def slopes(self) -> np.ndarray:
        """Slopes of the logits by unit of the column, of shape (n_logits, n_slopes)."""
        if self.model is None:
            return np.zeros((0, len(self.columns)))
        return self.model["logistic"].coef_ / self.model["scaler"].scale_


class _Regression:
    """A logistic regression with a given penalty, and what each row has contributed."""

    def __init__(self, Z, labels, truth, weights, C, link, together):
        self._columns = np.hstack([np.ones((len(Z), 1)), Z])
        self._truth, self._weights, self._C = truth, weights, C
        by_newton = link.n_logits * self._columns.shape[1] <= _MOST_BY_NEWTON
        self.model = LogisticRegression(
            C=C,
            solver="newton-cholesky" if by_newton else "lbfgs",
            tol=1e-8 if by_newton else 1e-6,
            max_iter=1_000,
        )
        with warnings.catch_warnings():  # of classes that can be separated
            warnings.simplefilter("ignore")
            self.model.fit(Z, labels, sample_weight=weights)
        self._logits = _logits(self.model, Z)
        self._probabilities = link.probabilities(self._logits)[:, link.of_logits]
        self._together = together
        self._inverse = self._inverse_together() if self._together else self._inverse_by_class()
        self.logits_without_copy = self.logits_without(np.minimum(weights, 1))
        probabilities = link.probabilities(self.logits_without_copy)[:, link.of_logits]
        if link.n_logits == 1:
            truth, probabilities = (np.hstack([1 - p, p]) for p in (truth, probabilities))
        of_truth = np.maximum((probabilities * truth).sum(axis=1), np.finfo(float).eps)
        self.loss = -float(weights @ np.log(of_truth)) / float(weights.sum())

    def logits_without(self, weights: np.ndarray) -> np.ndarray:
        """Logits of each row, as they are without so much of the row's weight."""
        logits = self._logits.copy()
        residuals = self._truth - self._probabilities
        for rows, influence in self._influences():
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

    @property
    def dof(self) -> float:
        """Degrees of freedom for each logit: the trace of what the rows contribute."""
        trace = 0.0
        for rows, influence in self._influences():
            p, own = self._probabilities[rows], influence
            if influence.ndim == 3:
                own = np.einsum("njj->nj", influence) - (influence @ p[:, :, None])[:, :, 0]
            else:
                own = own * (1 - p)
            trace += float(self._weights[rows] @ (p * own).sum(axis=1))
        n_logits = self._logits.shape[1]
        return trace / (n_logits - (n_logits > 2))

    def _influences(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks of rows, and how the logits of each follow its residuals."""
        n_rows, n_logits = self._logits.shape
        n_at_once = max(1, _NUMBERS_AT_ONCE // n_logits**2)
        for start in range(0, n_rows, n_at_once):
            rows = slice(start, start + n_at_once)
            columns = self._columns[rows]
            if n_logits == 1 or not self._together:
                forms = [_forms(columns, inverse) for inverse in self._inverse]
                yield rows, np.column_stack(forms)
                continue
            influence = np.empty((len(columns), n_logits, n_logits))
            for logit, inverse in enumerate(self._inverse):
                product = columns @ inverse.reshape(columns.shape[1], -1)
                product = product.reshape(len(columns), n_logits, -1)
                influence[:, logit] = (product @ columns[:, :, None])[:, :, 0]
            yield rows, influence

    def _inverse_together(self):
        """Inverse of the curvature in all coefficients, by (logit, column, logit, column)."""
        n_logits, n_columns = self._logits.shape[1], self._columns.shape[1]
        if n_logits == 1:
            return self._inverse_by_class()
        hessian = np.empty((n_logits, n_columns, n_logits, n_columns))
        p, weights = self._probabilities, self._weights
        products = (p[:, :, None] * self._columns[:, None, :]).reshape(len(p), -1)
        for logit in range(n_logits):
            weighted = self._columns * (weights * p[:, logit])[:, None]
            hessian[logit] = -(weighted.T @ products).reshape(n_columns, n_logits, n_columns)
            hessian[logit, :, logit] += self._block(p[:, logit])
        # The probabilities do not change if all intercepts do alike.
        hessian[:, 0, :, 0] += np.einsum("jkjk->", hessian) / hessian[0, :, 0].size
        size = n_logits * n_columns
        return _inverse(hessian.reshape(size, size)).reshape(hessian.shape)

    def _inverse_by_class(self):
        return [_inverse(self._block(p * (1 - p))) for p in self._probabilities.T]

    def _block(self, curvature):
        weighted = self._columns * (self._weights * curvature)[:, None]
        block = weighted.T @ self._columns
        slopes = np.arange(1, len(block))
        block[slopes, slopes] += 1 / self._C
        return block


def _climb(fit):
    """From the exponent 0 in the direction in which the loss falls, as long as it does."""
    best = fit(0)
    for direction in (1, -1):
        exponent = direction
        while _LEAST <= exponent <= _MOST:
            tried = fit(exponent)
            if not tried.loss < best.loss:
                break
            best, exponent = tried, exponent + direction
        if exponent != direction:  # it fell, and does not in the other
            break
    return best


def _logits(model, X):
    return model.decision_function(X).reshape(len(X), -1)


def _forms(columns, matrix):
    """A bilinear form of each row with itself."""
    return np.einsum("ij,ij->i", columns @ matrix, columns)


def _inverse(matrix):
    """Inverse of a matrix of curvature, which is next to singular where classes are separable."""
    level = np.trace(matrix) / len(matrix)
    return np.linalg.inv(matrix + 1e-12 * level * np.eye(len(matrix)))
