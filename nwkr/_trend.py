"""The trend of classes: a logistic regression, and its leave-one-out residuals.

The residual of a row must come from a trend without the row. One Newton step leads from the
coefficients with the row to those without it, so no regression is fitted again:

    K. Rahnama Rad, A. Maleki, "A Scalable Estimate of the Out-of-Sample Prediction Error via
    Approximate Leave-One-Out Cross-Validation", Journal of the Royal Statistical Society B 82(4),
    2020. doi:10.1111/rssb.12374
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from nwkr._column_moments import moments_of, varies
from nwkr._logistic import Link, LogisticRows, inverse_of
from nwkr._logistic_newton import logits_without_parts
from nwkr._pooling import Mask

__all__ = ["MOST_TOGETHER", "STRENGTHS", "Trend", "climb", "price_of", "scaler_of"]

STRENGTHS = tuple(float(np.sqrt(10) ** exponent) for exponent in range(-8, 9))
"""Candidates for C, the inverse strength of the penalty. The search starts at 1."""
# Newton's method up to this many coefficients, L-BFGS beyond.
_MOST_BY_NEWTON = 100
MOST_TOGETHER = 2_000
"""Up to this many coefficients, their curvature is computed together."""


@dataclass(frozen=True)
class Trend:
    """A logistic regression of classes on all columns.

    Attributes
    ----------
    link : Link
        From logits to probabilities.
    columns, fill : ndarray of shape (n_slopes,)
        Numbers of the columns with slopes, and their values for missing numbers.
    model : Pipeline or None
        A scaler and the regression; None for a single class.
    logits_without : ndarray of shape (n_samples, n_logits)
        The logits of each training row, fitted without the rows that it leaves out.
    residuals, curvature : ndarray of shape (n_samples, n_logits)
        For each training row, from the trend without one copy of it, or without the rows that it
        leaves out: indicator minus probability; probability times its complement.
    dof : float
        Degrees of freedom for each logit.
    inverse : ndarray or None, default=None
        Inverse of the curvature in all coefficients, for :meth:`of_rows`.
    """

    link: Link
    columns: np.ndarray
    fill: np.ndarray
    model: Pipeline | None
    logits_without: np.ndarray
    residuals: np.ndarray
    curvature: np.ndarray
    dof: float
    inverse: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        X: np.ndarray,
        columns: np.ndarray,
        codes: np.ndarray,
        counts: np.ndarray,
        classes: np.ndarray,
        mask: Mask | None = None,
        most_together: int = MOST_TOGETHER,
    ) -> Trend:
        """The trend of rows.

        The penalty has the best leave-one-out log loss, after the price of :func:`price_of`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        columns : ndarray of shape (n_slopes,)
            Numbers of the columns with slopes.
        codes : ndarray of shape (n_samples,)
            Number of each row's class.
        counts : ndarray of shape (n_samples,)
            The number of rows that each row counts as; rows with 0 are ignored.
        classes : ndarray of shape (n_classes,)
            Class labels.
        mask : Mask or None, default=None
            The counted rows that each row leaves out; None if this is only the row.
        most_together : int, default=2000
            With more coefficients than this, the curvature is computed class by class. This
            overestimates the contribution of a row, so leave-one-out residuals are conservative.

        Returns
        -------
        trend : Trend
            The trend.
        """
        rows = np.flatnonzero(counts)
        link = Link(np.unique(codes[rows]), len(classes))
        if not link.n_logits:
            return cls.of_model(link, columns, columns, None, 0.0, None).of_rows(X, codes, counts)
        parts = parts_of_rows = None
        if mask is not None:
            parts, parts_of_rows = mask.parts(), mask.take(rows).parts()
        some, weights = X[np.ix_(rows, columns)], counts[rows]
        fill, spread = moments_of(some, weights)
        scaler = scaler_of(fill, spread)
        some = np.where(np.isnan(some), fill, some)
        Z, labels, truth = scaler.transform(some), classes[codes[rows]], link.truth(codes[rows])
        together = link.n_logits * (1 + len(columns)) <= most_together
        terms = link, together, parts_of_rows
        best = climb(lambda C: _Regression(Z, labels, truth, weights, C, *terms))
        model = Pipeline([("scaler", scaler), ("logistic", best.model)])
        fitted = cls.of_model(link, columns, fill, model, best.rows.dof(best.inverse), best.inverse)
        return replace(fitted.of_rows(X, codes, counts, parts), inverse=None)

    @classmethod
    def of_model(
        cls,
        link: Link,
        columns: np.ndarray,
        fill: np.ndarray,
        model: Pipeline | None,
        dof: float,
        inverse: np.ndarray | None,
    ) -> Trend:
        """The trend without rows, for a fitted regression."""
        nothing = np.zeros((0, link.n_logits))
        return cls(link, columns, fill, model, nothing, nothing, nothing, dof, inverse)

    def of_rows(
        self, X: np.ndarray, codes: np.ndarray, counts: np.ndarray, parts: Any = None
    ) -> Trend:
        """The same trend with results for rows that it was fitted to.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            All rows of the fit, or some.
        codes : ndarray of shape (n_rows,)
            Number of each row's class.
        counts : ndarray of shape (n_rows,)
            The number of rows that each row counts as; rows with 0 were ignored in the fit.
        parts : list of tuple or None, default=None
            Numbers of rows, and numbers (among the fitted rows) of the rows that each of
            these leaves out. None if a row leaves out only itself.

        Returns
        -------
        trend : Trend
            The trend.
        """
        if self.model is None:
            nothing = np.zeros((len(X), 0))
            return replace(self, logits_without=nothing, residuals=nothing, curvature=nothing)
        assert self.inverse is not None
        rows, truth, logits = np.flatnonzero(counts), self.link.truth(codes), self.logits(X)
        Z, weights = self.model["scaler"].transform(self._filled(X)), counts[rows]
        seen = LogisticRows(Z[rows], truth[rows], weights, logits[rows], self.link)
        if parts is None:
            without_copy = logits.copy()
            without_copy[rows] = seen.logits_without(np.minimum(weights, 1), self.inverse)
            logits[rows] = seen.logits_without(weights, self.inverse)
        else:
            terms = _coefficients(self.model["logistic"]), self.model["logistic"].C, parts, Z
            together = self.inverse.ndim == 4
            logits = without_copy = logits_without_parts(seen, *terms, together)
        p = self.link.probabilities(without_copy)[:, self.link.of_logits]
        # A row that leaves out all rows has no residual.
        residuals, curvature = np.nan_to_num(truth - p), np.nan_to_num(p * (1 - p))
        return replace(self, logits_without=logits, residuals=residuals, curvature=curvature)

    @property
    def targets(self) -> np.ndarray:
        """Residuals and curvature, of shape (n_samples, 2 * n_logits)."""
        return np.hstack([self.residuals, self.curvature])

    def take(self, rows: np.ndarray) -> Trend:
        """The same trend, with the results of some of the rows."""
        names = "logits_without", "residuals", "curvature"
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def logits(self, X: np.ndarray) -> np.ndarray:
        """Logits of some rows, of shape (n_rows, n_logits)."""
        if self.model is None:
            return np.zeros((len(X), 0))
        return _logits(self.model, self._filled(X))

    def _filled(self, X):
        gaps = np.isnan(X[:, self.columns])
        return np.where(gaps, self.fill, X[:, self.columns])

    def parts(self, X: np.ndarray, logit: int) -> tuple[np.ndarray, np.ndarray]:
        """The parts of a logit: at the mean of the rows, (n_rows,), and by slope from there."""
        assert self.model is not None
        constant = np.full(len(X), self.model["logistic"].intercept_[logit])
        return constant, self.slopes[logit] * (self._filled(X) - self.model["scaler"].mean_)

    @property
    def slopes(self) -> np.ndarray:
        """Slopes of the logits per unit of the column, of shape (n_logits, n_slopes)."""
        if self.model is None:
            return np.zeros((0, len(self.columns)))
        return self.model["logistic"].coef_ / self.model["scaler"].scale_


class _Regression:
    """A logistic regression with a given penalty, and its leave-one-out loss."""

    def __init__(self, Z, labels, truth, weights, C, link, together, parts=None):
        by_newton = link.n_logits * (1 + Z.shape[1]) <= _MOST_BY_NEWTON
        self.model = LogisticRegression(
            C=C,
            solver="newton-cholesky" if by_newton else "lbfgs",
            tol=1e-12 if by_newton else 1e-6,
            max_iter=1_000,
        )
        with warnings.catch_warnings():  # about separable classes
            warnings.simplefilter("ignore")
            self.model.fit(Z, labels, sample_weight=weights)
        self.rows = LogisticRows(Z, truth, weights, _logits(self.model, Z), link)
        self.inverse = inverse_of(self.rows.curvature(together), C)
        if parts is None:  # each row without one copy of it
            without = self.rows.logits_without(np.minimum(weights, 1), self.inverse)
        else:
            terms = _coefficients(self.model), C, parts, Z, together
            without = logits_without_parts(self.rows, *terms)
        self.loss = (self.rows.loss_of(without) + price_of(C)) / float(weights.sum())


def price_of(C: float) -> float:
    """The cost of a weak penalty, in units of the total log loss.

    The more separable the classes are, the fewer rows decide the leave-one-out loss, so its minimum
    is often at too large a C. Above 1, the price is that of a normal prior of log10(C) with
    standard deviation 1.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.

    Returns
    -------
    price : float
        0 up to C = 1.
    """
    return max(0.0, float(np.log10(C))) ** 2 / 2


def climb(fit: Callable[[float], Any]) -> Any:
    """The best inverse strength, found by steps from 1 while the loss falls.

    Parameters
    ----------
    fit : callable
        Maps C to an object with a `loss`.

    Returns
    -------
    best : object
        The object for the best C.
    """
    middle = len(STRENGTHS) // 2
    best = fit(STRENGTHS[middle])
    for beyond in (STRENGTHS[middle + 1 :], STRENGTHS[:middle][::-1]):
        start = best
        for C in beyond:
            tried = fit(C)
            if not tried.loss < best.loss:
                break
            best = tried
        if best is not start:  # the loss fell in this direction, so it rises in the other
            break
    return best


def scaler_of(mean: np.ndarray, spread: np.ndarray) -> StandardScaler:
    """A scaler for columns with these moments, whose squares may overflow or underflow.

    A constant column is in units of its size, so that its rounding errors stay small.
    """
    scaler = StandardScaler()
    size = np.ldexp(1.0, np.frexp(mean)[1] - 1)
    scaler.mean_, scaler.scale_ = mean, np.where(varies(mean, spread), spread, size)
    with np.errstate(over="ignore"):
        scaler.var_ = np.square(spread)
    scaler.n_features_in_ = len(mean)
    return scaler


def _coefficients(model):
    return np.column_stack([model.intercept_, model.coef_])


def _logits(model, X):
    return model.decision_function(X).reshape(len(X), -1)
