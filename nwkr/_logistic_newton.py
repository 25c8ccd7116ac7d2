"""Newton's method for logistic regression, and fits without some rows by one Newton step.

The derivatives are sums over rows. A step from the coefficients of all rows to those without some
rows subtracts the sums over these rows, so it reads only them. For single rows the same step has a
closed form, `LogisticRows.logits_without`, which takes a hundredth of the time or less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nwkr._logistic import LogisticRows, inverse_of

__all__ = ["Newton", "logits_without_parts"]

# Newton's method ends when the mean loss has no larger derivative.
_LEAST_SLOPE = 1e-13
_ROUNDING = 1e-12
# For parts with a larger share of the rows, one step is not enough. If many parts are larger than
# this, they overlap, and one step is used nevertheless.
_LARGE, _MOST_STEPS = 1 / 20, 25


@dataclass
class Newton:
    """Coefficients of a logistic regression, on the way to the optimum.

    Attributes
    ----------
    C : float
        Inverse strength of the penalty.
    coefficients : ndarray of shape (n_logits, 1 + n_slopes)
        Constants and slopes.
    inverse : ndarray or None, default=None
        Inverse of the curvature.
    objective : float
        Penalised sum of the losses.
    before : ndarray or None, default=None
        The coefficients of the last step.
    ends : bool, default=False
        Whether Newton's method has converged.
    """

    C: float
    coefficients: np.ndarray
    inverse: np.ndarray | None = None
    objective: float = np.inf
    before: np.ndarray | None = None
    ends: bool = False

    def step(self, loss: float, gradient: np.ndarray, curvature: np.ndarray, mass: float) -> None:
        """Make a step.

        Parameters
        ----------
        loss, gradient, curvature : float and ndarrays
            Sum of the losses of the rows, and its derivatives as of :class:`LogisticRows`.
        mass : float
            Number of the rows.
        """
        at, slopes = self.coefficients, self.coefficients[:, 1:]
        objective = loss + float(np.square(slopes).sum()) / (2 * self.C)
        if self.before is not None and objective > self.objective * (1 + _ROUNDING):
            self.coefficients = (at + self.before) / 2  # too far
            self.ends = np.allclose(self.coefficients, at, rtol=_ROUNDING, atol=_ROUNDING)
            return
        gradient = gradient.copy()
        gradient[:, 1:] += slopes / self.C
        inverse = self.inverse = inverse_of(curvature, self.C)
        self.objective, self.before = objective, at
        self.ends = bool(np.abs(gradient).max() <= _LEAST_SLOPE * mass)
        if self.ends:
            return
        if inverse.ndim == 4:
            self.coefficients = at - np.tensordot(inverse, gradient, axes=2)
        else:
            self.coefficients = at - np.einsum("jkl,jl->jk", inverse, gradient)


def logits_without_parts(
    rows: LogisticRows,
    coefficients: np.ndarray,
    C: float,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    Z: np.ndarray,
    together: bool = True,
) -> np.ndarray:
    """Logits of some rows, each fitted without the rows that it leaves out.

    Parameters
    ----------
    rows : LogisticRows
        All rows of a regression.
    coefficients : ndarray of shape (n_logits, 1 + n_slopes)
        Its coefficients.
    C : float
        Inverse strength of its penalty.
    parts : sequence of tuple
        Numbers of some rows of `Z`, and numbers of the rows that each of these leaves out.
    Z : ndarray of shape (n_queries, n_slopes)
        Columns of the rows to predict.
    together : bool, default=True
        Whether the curvature includes derivatives by coefficients of different logits.

    Returns
    -------
    logits : ndarray of shape (n_queries, n_logits)
        The logits; NaN for those that leave out all rows.
    """
    loss, gradient, curvature = rows.loss, rows.gradient, rows.curvature(together)
    logits = np.full((len(Z), len(coefficients)), np.nan)
    masses, mass = np.array([rows.mass(some) for _, some in parts]), rows.mass()
    large = masses > _LARGE * mass
    to_the_end = large & (large.sum() * _LARGE <= 1)
    for (queries, some), left, ends in zip(parts, mass - masses, to_the_end):
        if len(some) == rows.n_rows:
            continue
        part, newton = rows.take(some), Newton(C, coefficients)
        newton.step(
            loss - part.loss, gradient - part.gradient, curvature - part.curvature(together), left
        )
        if ends:
            others = rows.take(np.setdiff1d(np.arange(rows.n_rows), some))
            for _ in range(_MOST_STEPS):
                if newton.ends:
                    break
                there = others.at(newton.coefficients)
                newton.step(there.loss, there.gradient, there.curvature(together), left)
        logits[queries] = newton.coefficients[:, 0] + Z[queries] @ newton.coefficients[:, 1:].T
    return logits
