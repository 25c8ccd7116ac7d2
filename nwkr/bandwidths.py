"""How wide: from data to a bandwidth.

A bandwidth is the scale of the kernel's profile, ``u = distance / bandwidth``, in the units
of the column of `X` (of the distance, for metrics other than euclidean). A *rule* is a
callable ``(X, sample_weight) -> bandwidth``; those below carry the bandwidth of the Gaussian,
and are translated to other kernels when an estimator is fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

from nwkr.kernels import Kernel

__all__ = ["RULES", "Scott", "Silverman", "resolve_bandwidth"]


class _RuleOfThumb:
    """A rule of the form ``spread * factor(n_samples, n_features)``."""

    def factor(self, n_samples: float, n_features: int) -> float:
        raise NotImplementedError

    def __call__(self, X: Any, sample_weight: Any = None) -> np.ndarray:
        """Bandwidth for the Gaussian kernel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights; a weight of k counts as k rows.

        Returns
        -------
        bandwidth : ndarray of shape (n_features,)
            In the units of each column of `X`; `inf` for a constant column, which is
            left without effect and does not count as a feature.
        """
        X = np.asarray(X)
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        spread = _spread(X, weights)
        varying = spread > 0
        n_varying = max(1, int(varying.sum()))
        return np.where(varying, spread * self.factor(weights.sum(), n_varying), np.inf)


@dataclass(frozen=True)
class Scott(_RuleOfThumb):
    r"""Scott's rule of thumb, :math:`\sigma_j\, n^{-1/(d+4)}` for column `j`.

    The standard deviation :math:`\sigma_j` and the number of rows :math:`n` are weighted,
    so that a weight of k equals k copies of the row; :math:`d` is the number of columns
    that vary.

    References
    ----------
    D. W. Scott, *Multivariate Density Estimation*, Wiley, 2015.
    `doi:10.1002/9781118575574 <https://doi.org/10.1002/9781118575574>`_

    Examples
    --------
    >>> from nwkr.bandwidths import Scott
    >>> Scott()([[0.0], [1.0], [2.0], [3.0]]).round(3)
    array([0.847])
    """

    def factor(self, n_samples: float, n_features: int) -> float:
        """Bandwidth for data of unit spread."""
        return float(n_samples ** (-1 / (n_features + 4)))


@dataclass(frozen=True)
class Silverman(_RuleOfThumb):
    r"""Silverman's rule of thumb, :math:`\sigma_j\, (n (d+2)/4)^{-1/(d+4)}` for column `j`.

    It is best for estimating the density of normal data with a Gaussian kernel. The
    quantities are those of :class:`Scott`.

    References
    ----------
    B. W. Silverman, *Density Estimation for Statistics and Data Analysis*, Chapman and
    Hall, 1986. `doi:10.1201/9781315140919 <https://doi.org/10.1201/9781315140919>`_

    Examples
    --------
    >>> from nwkr.bandwidths import Silverman
    >>> Silverman()([[0.0], [1.0], [2.0], [3.0]]).round(3)
    array([0.897])
    """

    def factor(self, n_samples: float, n_features: int) -> float:
        """Bandwidth for data of unit spread."""
        return float((n_samples * (n_features + 2) / 4) ** (-1 / (n_features + 4)))


RULES: dict[str, _RuleOfThumb] = {"scott": Scott(), "silverman": Silverman()}
"""The rules that have a name."""


def resolve_bandwidth(
    bandwidth: Any,
    X: np.ndarray,
    sample_weight: np.ndarray,
    kernel: Kernel,
    metric: str | Callable = "euclidean",
) -> np.ndarray | float:
    """Bandwidth of a kernel on the training rows.

    Parameters
    ----------
    bandwidth : float, array-like of shape (n_features,), str or callable
        A number, one number for each feature (euclidean metric only), the name of a rule in
        :data:`RULES`, or a callable ``(X, sample_weight) -> number or numbers``.
    X : ndarray of shape (n_samples, n_features)
        Training rows; their distances, (n_samples, n_samples), if precomputed.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    kernel : Kernel
        The kernel that the bandwidth is for.
    metric : str or callable, default="euclidean"
        The metric.

    Returns
    -------
    bandwidth : ndarray of shape (n_features,), or float if the metric is not euclidean
        In the units of the columns of `X`, or of the distance.

    Raises
    ------
    ValueError
        If the bandwidth is negative or NaN, not numeric, or of the wrong length.
    """
    euclidean = metric == "euclidean"
    rule = RULES.get(bandwidth) if isinstance(bandwidth, str) else bandwidth
    resolved: Any = rule
    if isinstance(rule, _RuleOfThumb):
        if euclidean:
            resolved = rule(X, sample_weight)
        else:
            spread = _spread_of_distances(X, sample_weight, metric)
            resolved = spread * rule.factor(sample_weight.sum(), 1) if spread > 0 else np.inf
        std = kernel.std(max(1, int(np.isfinite(resolved).sum())))
        resolved = resolved / (std if np.isfinite(std) else 1)
    elif callable(rule):
        resolved = rule(X, sample_weight)

    shape = (X.shape[1],) if euclidean else ()
    allowed = "a non-negative number" + (
        f" or {X.shape[1]} of them, one for each feature" if euclidean else ""
    )
    try:
        numbers = np.asarray(resolved)
        good = numbers.dtype.kind in "fiu" and numbers.shape in ((), shape) and numbers.size > 0
        good = good and bool((numbers >= 0).all())
    except ValueError:  # a ragged list
        good = False
    if not good:
        came = f"{bandwidth!r} gave {resolved!r}" if callable(bandwidth) else repr(bandwidth)
        raise ValueError(
            f"bandwidth must be {allowed}, one of {sorted(RULES)}, or a callable that returns "
            f"such numbers from (X, sample_weight); got {came}."
        )
    return np.full(shape, numbers, dtype=float) if euclidean else float(numbers)


def _spread(X, weights):
    """Weighted standard deviation of each column; exactly 0 where it is constant."""
    lowest, highest = X.min(axis=0).astype(float), X.max(axis=0).astype(float)
    extent = highest - lowest
    # Within [0, 1], so that squares neither overflow nor underflow.
    scaled = (X - lowest) / np.where(extent > 0, extent, 1)
    mean = np.average(scaled, axis=0, weights=weights)
    return extent * np.sqrt(np.average((scaled - mean) ** 2, axis=0, weights=weights))


def _spread_of_distances(X, weights, metric):
    """``sqrt(mean(distance^2) / 2)``: the standard deviation, for distances on a line."""
    if metric == "precomputed":
        blocks = iter([X])
    else:
        blocks = pairwise_distances_chunked(X, metric=metric, working_memory=64)
    row_means = np.concatenate([np.average(np.square(D), axis=1, weights=weights) for D in blocks])
    return float(np.sqrt(np.average(row_means, weights=weights) / 2))
