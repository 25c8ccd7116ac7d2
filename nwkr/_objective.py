"""The objectives of a search: losses, criteria, and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np

from nwkr._leave_one_out import Fit, LeaveOneOut
from nwkr._scoring import CRITERIA

__all__ = ["Problem", "by_criterion"]


@dataclass(frozen=True)
class Problem:
    """The rows that score bandwidths, and their true targets.

    Attributes
    ----------
    leave_one_out : LeaveOneOut
        The rows to predict, and all rows.
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Targets of these rows, in the unit.
    unit : float
        The unit of the targets.
    values : ndarray of shape (n_rows, n_values)
        The targets as pooled values.
    sample_weight : ndarray of shape (n_rows,)
        Weights, whose sum over all rows is their effective number.
    n_samples : float
        Effective number of all rows.
    n_rows_for_each : float
        Number of rows that each predicted row represents.
    """

    leave_one_out: LeaveOneOut
    y: np.ndarray
    unit: float
    values: np.ndarray
    sample_weight: np.ndarray
    n_samples: float
    n_rows_for_each: float


def by_criterion(
    name: str,
    fit: Fit,
    residuals: np.ndarray,
    weights: np.ndarray,
    n_samples: float,
) -> tuple[float, np.ndarray]:
    """Logarithm of a criterion of the fit, and its derivatives.

    Parameters
    ----------
    name : {"aicc", "gcv"}
        The criterion.
    fit : Fit
        The fit at the rows, including themselves.
    residuals : ndarray of shape (n_rows, n_outputs)
        Fitted values minus the targets, in units that make the outputs comparable.
    weights : ndarray of shape (n_rows,)
        Weights of the rows, with sum 1.
    n_samples : float
        Effective number of all rows.

    Returns
    -------
    value : float
        The criterion; the logarithm of GCV.
    slopes : ndarray of shape (n_features,)
        Derivatives by the logarithm of each bandwidth.
    """
    mean_square = float(weights @ np.square(residuals).sum(axis=1))
    trace = n_samples * float(weights @ fit.leverages)
    value = CRITERIA[name](mean_square, trace, n_samples)
    if name == "gcv":
        value = log(value) if value > 0 else -inf
    nothing = np.zeros(len(fit.whole.attention.scales))
    if not np.isfinite(value):
        return value, nothing
    if name == "gcv":
        by_trace = 2 / (n_samples - trace)
    else:
        rest = 1 - (trace + 2) / n_samples
        by_trace = (2 - 2 / n_samples) / (n_samples * rest**2)
    by_fitted = 2 * weights[:, None] * residuals / mean_square
    return value, fit.slopes_of_fitted(by_fitted, n_samples * by_trace * weights)
