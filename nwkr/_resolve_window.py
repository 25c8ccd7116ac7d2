"""From the parameter `bandwidth` to a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nwkr._arrays import as_numpy
from nwkr._columns import Columns
from nwkr._counts import as_counts, count_rows
from nwkr._distances import spread_of_distances
from nwkr._feature_bandwidths import by_label, of_names, rule_by_spread, rule_of_thumb
from nwkr._matrix_bandwidth import columns_of_matrix, is_matrix, refuse_matrix
from nwkr._numeric import is_integer, is_number
from nwkr._window import AdaptiveWindow, FixedWindow, MappedWindow, NearestWindow, Window
from nwkr.bandwidths import RULES, Adaptive, KNearest, RuleOfThumb
from nwkr.kernels import Kernel

__all__ = ["resolve_by_spread", "resolve_window", "sees_rows"]


def resolve_window(
    bandwidth: Any,
    X: np.ndarray,
    sample_weight: np.ndarray,
    kernel: Kernel,
    metric: str | Callable = "euclidean",
    n_jobs: int | None = None,
    distances: np.ndarray | None = None,
    columns: Columns | None = None,
) -> Window:
    """Resolve the parameter `bandwidth` on the training rows.

    Parameters
    ----------
    bandwidth : float, array-like, dict, str, callable, KNearest or Adaptive
        A number, one number for each feature or a matrix (euclidean metric only), numbers for some
        features by their names, the name of a rule in :data:`RULES`, a callable
        ``(X, sample_weight) -> number or numbers``, or widths that vary.
    X : ndarray of shape (n_samples, n_columns)
        Training rows; their distances, (n_samples, n_samples), if precomputed.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    kernel : Kernel
        The kernel of the bandwidth.
    metric : str or callable, default="euclidean"
        The metric.
    n_jobs : int or None, default=None
        Number of threads.
    distances : ndarray of shape (n_samples, n_samples) or None, default=None
        Distances of the rows under the metric, if known.
    columns : Columns or None, default=None
        The features to which the columns of `X` belong; None if each column is a feature.

    Returns
    -------
    window : Window
        The bandwidth for these rows.

    Raises
    ------
    ValueError
        If `bandwidth` is negative, NaN, not numeric, or of the wrong length.
    TypeError
        If it is a class.
    """
    if isinstance(bandwidth, type):
        raise TypeError(
            f"bandwidth must be an object, not a class; got the class {bandwidth.__name__}. Call "
            f"it first, as in Scott() or KNearest(10)."
        )
    counts = as_counts(sample_weight)
    columns = Columns.of_numbers(X.shape[1]) if columns is None else columns
    if is_matrix(bandwidth):
        if metric != "euclidean":
            refuse_matrix(bandwidth, f"metric={metric!r}")
        mapped = columns_of_matrix(bandwidth, X, sample_weight, kernel, columns)
        return MappedWindow(mapped.units, mapped)
    if isinstance(bandwidth, KNearest):
        k, total = bandwidth.k, max(counts.sum(), len(counts))
        if not (is_integer(k) and 1 <= k <= total * (1 + 1e-12)):
            raise ValueError(
                f"bandwidth=KNearest(k) needs an integer k from 1 to n_samples, counted by "
                f"sample_weight; got k={k!r} with n_samples = {total:g}."
            )
        return NearestWindow(bandwidth, counts, columns.units)
    if not isinstance(bandwidth, Adaptive):
        return FixedWindow(
            _resolve_bandwidth(bandwidth, X, sample_weight, kernel, metric, distances, columns)
        )
    columns.require_plain("bandwidth=Adaptive(...)")
    if metric != "euclidean":
        raise ValueError(
            f"bandwidth=Adaptive(...) needs metric='euclidean', because other metrics "
            f"have no dimension; got metric={metric!r}. KNearest(k) accepts any metric."
        )
    if not (is_number(bandwidth.exponent) and 0 <= bandwidth.exponent <= 1):
        raise ValueError(
            f"bandwidth=Adaptive(base, exponent) needs an exponent from 0 to 1; got "
            f"{bandwidth.exponent!r}."
        )
    refuse_matrix(bandwidth.base, "bandwidth=Adaptive(base)")
    scale = _resolve_bandwidth(bandwidth.base, X, sample_weight, kernel, columns=columns)
    key_widths = bandwidth.key_widths(X, sample_weight, kernel, scale, n_jobs, columns.kinds)
    return AdaptiveWindow(scale, key_widths, bandwidth)


def _resolve_bandwidth(
    bandwidth, X, sample_weight, kernel, metric="euclidean", distances=None, columns=None
):
    """The bandwidth as numbers, unless it varies."""
    bandwidth = by_label(bandwidth)
    euclidean = metric == "euclidean"
    if isinstance(bandwidth, dict) and euclidean:
        rule = _resolve_bandwidth("scott", X, sample_weight, kernel, columns=columns)
        return columns.by_column(of_names(columns, bandwidth, columns.by_feature(rule)))
    rule = RULES.get(bandwidth) if isinstance(bandwidth, str) else bandwidth
    resolved: Any = rule
    if isinstance(rule, RuleOfThumb):
        if euclidean:
            resolved = rule_of_thumb(columns, rule, X, sample_weight)
        else:
            if distances is not None:
                X, metric = distances, "precomputed"
            spread = spread_of_distances(X, sample_weight, metric)
            resolved = spread * rule.factor(count_rows(sample_weight), 1) if spread > 0 else np.inf
        resolved = _for_kernel(resolved, kernel)
    elif callable(rule):
        resolved = rule(columns.decode(X) if euclidean else X, sample_weight)
    numbers = _as_numbers(bandwidth, resolved, (columns.n_features,) if euclidean else ())
    return columns.by_column(numbers) if euclidean else numbers


def resolve_by_spread(
    bandwidth: Any,
    spread: np.ndarray | None,
    n_samples: float,
    kernel: Kernel,
    columns: Columns,
) -> FixedWindow:
    """Resolve numbers and rules of thumb from the spread of the training rows.

    The other parameters are those of :func:`resolve_window`.

    Parameters
    ----------
    spread : ndarray of shape (n_columns,) or None
        Spread of each column; 0 for a constant one. None for a metric other than euclidean, which
        needs one number.
    n_samples : float
        Number of rows, by weight.

    Returns
    -------
    window : FixedWindow
        The bandwidth for these rows.
    """
    refuse_matrix(bandwidth, "A fit to Dask collections")
    bandwidth = by_label(bandwidth)
    if spread is None:
        return FixedWindow(_as_numbers(bandwidth, bandwidth, ()))
    if isinstance(bandwidth, dict):
        rule = resolve_by_spread("scott", spread, n_samples, kernel, columns).bandwidth
        numbers = of_names(columns, bandwidth, columns.by_feature(rule))
        return FixedWindow(columns.by_column(numbers))
    resolved: Any = RULES.get(bandwidth) if isinstance(bandwidth, str) else bandwidth
    if isinstance(resolved, RuleOfThumb):
        resolved = _for_kernel(rule_by_spread(columns, resolved, spread, n_samples), kernel)
    numbers = _as_numbers(bandwidth, resolved, (columns.n_features,))
    return FixedWindow(columns.by_column(numbers))


def _for_kernel(bandwidth, kernel):
    """The bandwidth of a Gaussian, translated to another kernel."""
    std = kernel.std(max(1, int(np.isfinite(bandwidth).sum())))
    return bandwidth / (std if np.isfinite(std) else 1)


def _as_numbers(bandwidth, resolved, shape):
    """A resolved bandwidth as a checked array: one number, or one for each feature."""
    allowed = "a non-negative number" + (
        f" or {shape[0]} of them, one for each feature" if shape else ""
    )
    try:
        numbers = np.asarray(as_numpy("bandwidth", resolved))
        good = numbers.dtype.kind in "fiu" and numbers.shape in ((), shape) and numbers.size > 0
        good = good and bool((numbers >= 0).all()) and not np.ma.is_masked(resolved)
    except ValueError:  # a ragged list
        good = False
    if not good:
        came = f"{bandwidth!r} gave {resolved!r}" if callable(bandwidth) else repr(bandwidth)
        raise ValueError(
            f"bandwidth must be {allowed}, one of {sorted(RULES)}, or a callable that returns "
            f"such numbers from (X, sample_weight); got {came}."
        )
    return np.full(shape, numbers, dtype=float) if shape else float(numbers)


def sees_rows(bandwidth: Any) -> bool:
    """Whether a bandwidth is a function that needs the rows themselves, not only distances."""
    return callable(bandwidth) and not isinstance(bandwidth, RuleOfThumb)
