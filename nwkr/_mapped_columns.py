r"""Columns for a matrix of bandwidths: rows, mapped so that the bandwidth is 1 in each column.

With :math:`H = L L'` the distance of a query and a key is

.. math:: u^2 = (q - k)' H^{-1} (q - k) = \lVert L^{-1} q - L^{-1} k \rVert^2,

so pooling works on ordinary columns, and slopes follow by the chain rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from scipy.linalg import solve_triangular

from nwkr._arrays import Arrays, as_numpy
from nwkr._columns import Columns
from nwkr.bandwidths import RULES, RuleOfThumb
from nwkr.kernels import Kernel

__all__ = ["MappedColumns", "columns_of_training", "is_matrix", "refuse_matrix"]

# A correlation matrix with a smaller eigenvalue is singular up to rounding.
_LEAST_EIGENVALUE = 1e-12
# Allowed difference of a matrix from its transpose, in units of its diagonal.
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False, kw_only=True)
class MappedColumns(Columns):
    """Numbers, mapped by a matrix of bandwidths.

    Attributes
    ----------
    matrix : ndarray of shape (n_features, n_features)
        The matrix of bandwidths.
    factor : ndarray of shape (n_features, n_features)
        Its lower Cholesky factor.
    centre : ndarray of shape (n_features,)
        A central point of the rows, which is subtracted so that no digits are lost far from 0.
    """

    matrix: np.ndarray
    factor: np.ndarray
    centre: np.ndarray

    def encode(self, table: np.ndarray) -> np.ndarray:
        """Columns of distance, in which the bandwidth is 1."""
        rows = np.subtract(table.T, self.centre[:, None], dtype=float)
        # Element by element, so that the bits of a mapped row do not depend on the other rows.
        for number, column in enumerate(self.factor.T):
            rows[number] /= column[number]
            rows[number + 1 :] -= np.multiply.outer(column[number + 1 :], rows[number])
        return np.ascontiguousarray(rows.T)

    def decode(self, columns: np.ndarray, weights: Any = 1.0) -> np.ndarray:
        """The table of some columns, up to rounding."""
        return columns @ self.factor.T + self.centre

    def by_feature(self, bandwidth: Any) -> Any:
        """The matrix of bandwidths."""
        return self.matrix

    @property
    def log_stretch(self) -> float:
        """Logarithm of a volume over that in the columns."""
        return float(np.log(np.diag(self.factor)).sum())

    def slopes(
        self, by_column: np.ndarray, queries: np.ndarray, *, of_lines: bool = False
    ) -> np.ndarray:
        """Slopes in the features, from those in the columns; see :meth:`Columns.slopes`."""
        in_front = np.moveaxis(by_column, 1, 0)
        flat = in_front.reshape(len(in_front), -1)
        solved = solve_triangular(self.factor, flat, trans="T", lower=True, check_finite=False)
        return np.moveaxis(solved.reshape(in_front.shape), 0, 1)

    def column_of_number(self, parameter: str, key: Any) -> tuple[int, int]:
        """Refuse, because the matrix mixes the columns of features."""
        self.require_by_feature(parameter)

    def require_by_feature(self, what: str) -> NoReturn:
        """Refuse something that needs each column to belong to one feature."""
        raise ValueError(
            f"{what} needs separate columns for each feature, which a matrix of bandwidths mixes. "
            f"Give one bandwidth for each feature."
        )


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
            f"{what} does not support a matrix of bandwidths, which is only for the bandwidth of "
            f"NadarayaWatsonRegressor and NadarayaWatsonClassifier; got {bandwidth!r}. Give "
            f"a number, or one for each feature."
        )


def columns_of_training(
    estimator: Any, table: np.ndarray, rows: np.ndarray, sample_weight: np.ndarray
) -> Columns:
    """The conversion of features to columns, for the bandwidth of an estimator.

    Parameters
    ----------
    estimator : estimator
        The estimator; its kernel and metric are resolved.
    table : ndarray of shape (n_samples, n_features)
        Training rows.
    rows : ndarray of shape (n_rows,)
        Numbers of the rows with weight.
    sample_weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    columns : Columns
        The columns of the estimator, mapped if its bandwidth is a matrix.

    Raises
    ------
    ValueError
        If the bandwidth is a matrix that is not symmetric positive definite or has another size,
        or the rows contain other values than numbers.
    """
    columns = estimator._columns.of_training(table, rows)
    bandwidth = getattr(estimator, "bandwidth", None)  # a search has none
    if not is_matrix(bandwidth):
        return columns
    if estimator._metric != "euclidean":
        refuse_matrix(bandwidth, f"metric={estimator.metric!r}")
    if arrays := Arrays.of(estimator._like):
        refuse_matrix(bandwidth, f"X as an array of {arrays.library}")
    columns.require_plain("A matrix of bandwidths")
    if np.isnan(table).any():
        missing = [f"{columns.labels[j]!r}" for j in np.flatnonzero(np.isnan(table).any(axis=0))]
        raise ValueError(
            f"A matrix of bandwidths needs rows without missing numbers; some are missing in "
            f"{', '.join(missing)}. Leave those rows out, or give one bandwidth for each feature."
        )
    if isinstance(bandwidth, RuleOfThumb):
        matrix = _by_rule(
            bandwidth, table[rows], sample_weight[rows], estimator.kernel_, columns.labels
        )
    else:
        matrix = _checked(bandwidth, columns.n_features)
    deviations = np.sqrt(np.diag(matrix))
    factor = deviations[:, None] * np.linalg.cholesky(_correlations(matrix, deviations))
    return MappedColumns(
        features=(),
        n_features=columns.n_features,
        labels=columns.labels,
        with_slopes=columns.with_slopes,
        matrix=matrix,
        factor=factor,
        centre=np.median(table[rows], axis=0).astype(float),
    )


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
