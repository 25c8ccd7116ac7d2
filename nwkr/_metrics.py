"""From `metric` and `metric_params` to distances, and checks of their rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import check_non_negative

from nwkr._pooling import Metric, distances_between

__all__ = [
    "TAKE_GAPS",
    "check_metric",
    "check_rows",
    "distances_worth_keeping",
    "resolve_metric",
]

TAKE_GAPS = ("euclidean", "nan_euclidean")
"""Metrics for rows with missing numbers."""


def resolve_metric(
    metric: str | Callable, metric_params: Mapping[str, Any] | None
) -> str | Callable | Metric:
    """Join a metric with its parameters.

    Parameters
    ----------
    metric : str or callable
        "euclidean", "precomputed", or any metric of :func:`sklearn.metrics.pairwise_distances`.
    metric_params : mapping or None
        Its parameters, by name.

    Returns
    -------
    metric : str, callable or Metric
        The metric for pooling.

    Raises
    ------
    ValueError
        If there are parameters for a metric that has none.
    """
    if not metric_params:
        return metric
    if isinstance(metric, str) and metric in ("euclidean", "precomputed"):
        raise ValueError(
            f"metric_params must be None with metric={metric!r}, which has no parameters; got "
            f"{metric_params!r}."
        )
    return Metric(metric, dict(metric_params))


def check_metric(metric: str | Callable | Metric, X: np.ndarray) -> None:
    """Check that a metric can be used for training rows.

    Parameters
    ----------
    metric : str, callable or Metric
        The metric.
    X : ndarray of shape (n_samples, n_features)
        Rows; distances, if precomputed.

    Raises
    ------
    ValueError
        If the metric cannot be used for these rows.
    """
    if metric == "precomputed" and X.shape[0] != X.shape[1]:
        raise ValueError(
            f"X must be a square matrix of distances, (n_samples, n_samples), with "
            f"metric='precomputed'; got shape {X.shape}."
        )
    check_rows(metric, X)
    if metric in ("euclidean", "precomputed"):
        return
    tried = metric if isinstance(metric, Metric) else Metric(metric)
    try:
        with config_context(skip_parameter_validation=False):
            tried(X[:1], X[:2])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"metric must be 'euclidean', 'precomputed', or a name or callable that "
            f"sklearn.metrics.pairwise_distances accepts for this X and "
            f"metric_params={dict(tried.params) or None!r}; got {metric!r}: {error}"
        ) from error


def check_rows(metric: str | Callable | Metric, X: np.ndarray) -> None:
    """Check that rows, to fit or to predict, have the units of a metric.

    Parameters
    ----------
    metric : str, callable or Metric
        The metric.
    X : ndarray of shape (n_samples, n_features)
        Rows; distances, if precomputed.

    Raises
    ------
    ValueError
        If the rows are not distances, or are degrees instead of radians.
    """
    name = metric.name if isinstance(metric, Metric) else metric
    if name == "precomputed":
        _refuse_what_is_no_distance(X)
    elif name == "haversine":
        _refuse_degrees(X)
    elif Metric(name).boolean and not np.isin(X, (0, 1)).all():
        warnings.warn(
            f"metric={metric!r} only distinguishes 0 from other numbers, and X holds numbers other "
            f"than 0 and 1, which are treated as 1. Encode X as zeros and ones, or choose another "
            f"metric.",
            DataConversionWarning,
            stacklevel=2,
        )


def distances_worth_keeping(X: np.ndarray, metric: str | Callable | Metric) -> np.ndarray | None:
    """Distances among rows for many bandwidths, if they fit in memory.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    metric : str, callable or Metric
        The metric.

    Returns
    -------
    distances : ndarray of shape (n_samples, n_samples) or None
        The distances; None if they are precomputed, if they exceed scikit-learn's working memory,
        or for the euclidean metric, for which recomputing is faster.
    """
    n_bytes = 8 * len(X) ** 2
    if metric in ("euclidean", "precomputed") or n_bytes > get_config()["working_memory"] * 2**20:
        return None
    return distances_between(X, X, metric)


def _refuse_what_is_no_distance(X):
    if np.isnan(X).any():
        row, column = np.argwhere(np.isnan(X))[0]
        raise ValueError(
            f"X must hold distances, none of them NaN, with metric='precomputed'; got NaN at "
            f"[{row}, {column}]. Use inf for pairs to be ignored."
        )
    check_non_negative(X, "X, which must hold distances with metric='precomputed'")


def _refuse_degrees(X):
    if X.shape[1] == 2 and (np.abs(X[:, 0]) > np.pi / 2 * (1 + 1e-6)).any():
        row = np.abs(X[:, 0]).argmax()
        raise ValueError(
            f"metric='haversine' takes two columns, (latitude, longitude) in radians, and no "
            f"latitude beyond pi / 2; got {X[row, 0]} in the first column, at row {row}. Convert "
            f"degrees with np.radians, and check the order of the columns."
        )
