"""A bandwidth, resolved: from all that `bandwidth` may be to what pooling asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

from nwkr._counts import as_counts, count_rows
from nwkr.bandwidths import RULES, Adaptive, KNearest, RuleOfThumb
from nwkr.kernels import Kernel

__all__ = ["Window", "resolve_window"]


@dataclass(frozen=True)
class Window:
    """A bandwidth that is resolved on training rows: what pooling asks for.

    Attributes
    ----------
    bandwidth : ndarray of shape (n_features,), float or KNearest
        The bandwidth, or what gives it query by query.
    sample_weight : ndarray of shape (n_keys,)
        As how many rows each training row counts: the sample weights, scaled to be counts.
    key_widths : ndarray of shape (n_keys,) or None, default=None
        Factors of the bandwidth by training row.
    rule : Adaptive or None, default=None
        Where these come from.
    """

    bandwidth: Any
    sample_weight: np.ndarray
    key_widths: np.ndarray | None = None
    rule: Adaptive | None = None

    @property
    def name(self) -> Any:
        """What stands for it in a table of results."""
        return self.bandwidth if self.rule is None else self.rule

    def take(self, rows: np.ndarray) -> Window:
        """The window for some of its training rows, or for all in another order."""
        widths = None if self.key_widths is None else self.key_widths[rows]
        return replace(self, sample_weight=self.sample_weight[rows], key_widths=widths)

    def arguments(self, queries, keys, weights, metric, leave_out, n_jobs) -> dict[str, Any]:
        """What to call pooling with."""
        arguments = {
            "queries": queries,
            "keys": keys,
            "bandwidth": self.bandwidth,
            "weights": weights,
            "metric": metric,
            "leave_out": leave_out,
            "key_widths": self.key_widths,
            "n_jobs": n_jobs,
        }
        if isinstance(self.bandwidth, KNearest):
            widths = self.bandwidth.query_widths(
                queries, keys, self.sample_weight, metric, leave_out, n_jobs
            )
            arguments["bandwidth"], arguments["query_widths"] = 1.0, widths
            if metric == "euclidean":
                # In units of the data, as a power of 2: squares of the widths stay in range.
                unit = np.ldexp(1.0, np.frexp(np.abs(keys).max())[1])
                arguments["bandwidth"] = np.full(keys.shape[1], unit)
                arguments["query_widths"] = widths / unit
        if self.key_widths is not None:
            counted = np.isfinite(self.bandwidth) & (self.bandwidth > 0)
            log_mass = np.count_nonzero(counted) * np.log(self.key_widths)
            arguments["weights"] = weights * np.exp(log_mass.min() - log_mass)
        return arguments


def resolve_window(
    bandwidth: Any,
    X: np.ndarray,
    sample_weight: np.ndarray,
    kernel: Kernel,
    metric: str | Callable = "euclidean",
    n_jobs: int | None = None,
) -> Window:
    """Resolve anything that `bandwidth` may be on the training rows.

    Parameters
    ----------
    bandwidth : float, array-like of shape (n_features,), str, callable, KNearest or Adaptive
        A number, one number for each feature (euclidean metric only), the name of a rule in
        :data:`RULES`, a callable ``(X, sample_weight) -> number or numbers``, or widths that
        vary.
    X : ndarray of shape (n_samples, n_features)
        Training rows; their distances, (n_samples, n_samples), if precomputed.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    kernel : Kernel
        The kernel that the bandwidth is for.
    metric : str or callable, default="euclidean"
        The metric.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    window : Window
        The bandwidth for these rows.

    Raises
    ------
    ValueError
        If `bandwidth` is negative, NaN, not numeric, or of the wrong length.
    """
    counts = as_counts(sample_weight)
    if isinstance(bandwidth, KNearest):
        k, total = bandwidth.k, max(counts.sum(), len(counts))
        if not (isinstance(k, int | np.integer) and 1 <= k <= total * (1 + 1e-12)):
            raise ValueError(
                f"bandwidth=KNearest(k) needs an integer k from 1 to n_samples, counted by "
                f"sample_weight; got k={k!r} with n_samples = {total:g}."
            )
        return Window(bandwidth, counts)
    if not isinstance(bandwidth, Adaptive):
        return Window(_resolve_bandwidth(bandwidth, X, sample_weight, kernel, metric), counts)
    if metric != "euclidean":
        raise ValueError(
            f"bandwidth=Adaptive(...) needs metric='euclidean', whose space has a number of "
            f"dimensions; got metric={metric!r}. KNearest(k) takes any metric."
        )
    if not (isinstance(bandwidth.exponent, Real) and 0 <= bandwidth.exponent <= 1):
        raise ValueError(
            f"bandwidth=Adaptive(base, exponent) needs an exponent from 0 to 1; got "
            f"{bandwidth.exponent!r}."
        )
    scale = _resolve_bandwidth(bandwidth.base, X, sample_weight, kernel)
    key_widths = bandwidth.key_widths(X, sample_weight, kernel, scale, n_jobs)
    return Window(scale, counts, key_widths, bandwidth)


def _resolve_bandwidth(bandwidth, X, sample_weight, kernel, metric="euclidean"):
    """Numbers, for all bandwidths but those that vary."""
    euclidean = metric == "euclidean"
    rule = RULES.get(bandwidth) if isinstance(bandwidth, str) else bandwidth
    resolved: Any = rule
    if isinstance(rule, RuleOfThumb):
        if euclidean:
            resolved = rule(X, sample_weight)
        else:
            spread = _spread_of_distances(X, sample_weight, metric)
            resolved = spread * rule.factor(count_rows(sample_weight), 1) if spread > 0 else np.inf
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


def _spread_of_distances(X, weights, metric):
    """``sqrt(mean(distance^2) / 2)``: the standard deviation, for distances on a line."""
    if metric == "precomputed":
        blocks = iter([X])
    else:
        blocks = pairwise_distances_chunked(X, metric=metric, working_memory=64)
    weights = weights / weights.max()
    row_means = np.concatenate([np.average(np.square(D), axis=1, weights=weights) for D in blocks])
    return float(np.sqrt(np.average(row_means, weights=weights) / 2))
