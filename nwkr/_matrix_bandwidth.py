"""Matrices of bandwidths: checks, rules, and the columns that follow from them."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from nwkr._arrays import as_numpy
from nwkr._columns import Columns
from nwkr._mapped_columns import MappedColumns
from nwkr.bandwidths import RULES, RuleOfThumb
from nwkr.kernels import Kernel

__all__ = ["columns_of_matrix", "is_matrix", "refuse_matrix"]

# A correlation matrix with a smaller eigenvalue is singular up to rounding.
_LEAST_EIGENVALUE = 1e-12
# Allowed difference of a matrix from its transpose, in units of its diagonal.
_ROUNDING = 1e-10


def is_matrix(bandwidth: Any) -> bool:
    """Whether a bandwidth is a matrix, or a rule that returns one."""
    if isinstance(bandwidth, RuleOfThumb):
        return bandwidth.covariance
    if callable(bandwidth) or isinstance(bandwidth, str | Real | dict) or bandwidth is None:
        return False
    try:
        return np.ndim(as_numpy("bandwidth", bandwidth)) == 2
    except ValueError:  # a ragged list
        return False


def refuse_matrix(bandwidth: Any, what: str) -> None:
    """Refuse a matrix of bandwidths."""
    if is_matrix(bandwidth):
        raise ValueError(
            f"{what} does not support a matrix of bandwidths; got {bandwidth!r}. Give a number, or "
            f"one for each feature."
        )


def columns_of_matrix(
    bandwidth: Any,
    rows: np.ndarray,
    sample_weight: np.ndarray,
    kernel: Kernel,
    columns: Columns,
) -> MappedColumns:
    """The columns that have the distance of a matrix of bandwidths.

    Parameters
    ----------
    bandwidth : array-like of shape (n_features, n_features), or RuleOfThumb
        The matrix, or a rule that returns one.
    rows : ndarray of shape (n_samples, n_features)
        Training rows.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    kernel : Kernel
        The kernel, to which a rule is translated.
    columns : Columns
        The columns of the features.

    Returns
    -------
    columns : MappedColumns
        The columns.

    Raises
    ------
    ValueError
        If the matrix is not symmetric positive definite or has another size, or the rows contain
        other values than numbers.
    """
    columns.require_plain("A matrix of bandwidths")
    columns.require_all_there("A matrix of bandwidths", rows)
    if isinstance(bandwidth, RuleOfThumb):
        matrix = _by_rule(bandwidth, rows, sample_weight, kernel, columns.labels)
    else:
        matrix = _checked(bandwidth, columns.n_features)
    deviations = np.sqrt(np.diag(matrix))
    factor = np.linalg.cholesky(_correlations(matrix, deviations))
    inverse = solve_triangular(factor, np.diag(1 / deviations), lower=True, check_finite=False)
    return MappedColumns.of_rows(columns, rows, inverse, matrix)


def _by_rule(rule: RuleOfThumb, keys, sample_weight, kernel: Kernel, labels):
    """The matrix of a rule, translated to the kernel."""
    constant = [repr(labels[j]) for j in np.flatnonzero(np.ptp(keys, axis=0) == 0)]
    if constant:
        raise ValueError(
            f"bandwidth={rule!r} needs columns that vary, because it inverts their covariance; "
            f"constant: {', '.join(constant)}. Leave them out, or give one bandwidth for each "
            f"feature."
        )
    matrix = rule(keys, sample_weight)
    deviations = np.sqrt(np.diag(matrix))
    if not (deviations > 0).all() or not np.isfinite(matrix).all():
        raise ValueError(
            f"bandwidth={rule!r} needs columns whose variances are within the range of float64. "
            f"Scale them first."
        )
    values, vectors = np.linalg.eigh(_correlations(matrix, deviations))
    if values[0] < _LEAST_EIGENVALUE:
        shares = np.abs(vectors[:, 0])
        together = [repr(labels[j]) for j in np.flatnonzero(shares > 1e-3 * shares.max())]
        raise ValueError(
            f"bandwidth={rule!r} needs linearly independent columns, because it inverts their "
            f"covariance; collinear: {', '.join(together)}. Leave one of them "
            f"out, or give one bandwidth for each feature."
        )
    std = kernel.std(len(matrix))
    return matrix / (std if np.isfinite(std) else 1) ** 2


def _checked(bandwidth, n_features):
    """A matrix of bandwidths as an exactly symmetric array."""
    matrix = np.asarray(as_numpy("bandwidth", bandwidth))

    def refuse(what):
        raise ValueError(
            f"bandwidth must be a non-negative number or {n_features} of them, one for each "
            f"feature, a symmetric positive definite matrix of shape ({n_features}, {n_features}) "
            f"of finite numbers, one of {sorted(RULES)}, or a callable; got {what}: {bandwidth!r}."
        )

    if matrix.shape != (n_features, n_features):
        refuse(f"shape {matrix.shape}")
    if matrix.dtype.kind not in "fiu" or not np.isfinite(matrix).all():
        refuse("what are no finite numbers")
    if np.ma.is_masked(bandwidth):
        refuse("masked values")
    matrix = matrix.astype(float)
    if not (np.diag(matrix) > 0).all():
        refuse("a diagonal that is not positive")
    deviations = np.sqrt(np.diag(matrix))
    correlations = _correlations(matrix, deviations)
    if np.abs(correlations - correlations.T).max() > _ROUNDING:
        refuse("one that is not symmetric")
    least = np.linalg.eigvalsh((correlations + correlations.T) / 2)[0]
    if least < _LEAST_EIGENVALUE:
        refuse("one that is not positive definite")
    return matrix / 2 + matrix.T / 2


def _correlations(matrix, deviations):
    """A matrix in units of its diagonal, which becomes exactly 1."""
    correlations = matrix / deviations[:, None] / deviations
    np.fill_diagonal(correlations, 1)
    return correlations
