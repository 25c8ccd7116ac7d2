"""A bandwidth, resolved: from all that `bandwidth` may be to what pooling asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from nwkr._arrays import as_numpy
from nwkr._columns import Columns
from nwkr._counts import as_counts, count_rows
from nwkr._distances import spread_of_distances
from nwkr._feature_bandwidths import of_names, rule_by_spread, rule_of_thumb
from nwkr._mapped_columns import MappedColumns, refuse_matrix
from nwkr._nearest import NearPlaces, NearRows, arranged
from nwkr._pooling import Attention, Kinds
from nwkr._width_unit import in_unit
from nwkr.bandwidths import RULES, Adaptive, KNearest, RuleOfThumb
from nwkr.kernels import Kernel

__all__ = [
    "AdaptiveWindow",
    "FixedWindow",
    "NearestWindow",
    "Window",
    "resolve_by_spread",
    "resolve_window",
    "sees_rows",
]

# Bandwidths further apart share no distances: squares of their ratio would be out of range.
_LARGEST_RATIO = 1e100


class Window(ABC):
    """A bandwidth that is resolved on training rows.

    Attributes
    ----------
    bandwidth : ndarray of shape (n_features,), float or KNearest
        The bandwidth, or what gives it query by query.
    name : object
        What stands for it in a table of results.
    by_query : bool
        Whether the width depends on the query.
    varies : bool
        Whether it depends on the query or the training row.
    """

    bandwidth: Any
    by_query = False
    varies = True

    @property
    def name(self) -> Any:
        """What stands for it in a table of results."""
        return copy(self.bandwidth)  # the caller may change it

    @abstractmethod
    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one that has none."""

    def take(self, rows: np.ndarray) -> Window:
        """The window for some of its training rows, or for all in another order."""
        return self

    def prepared(
        self, keys: np.ndarray, metric: str | Callable, kinds: Kinds | None = None
    ) -> Window:
        """The window with what takes long to make, and is the same for all queries."""
        return self

    def multiple_of(self, other: Window) -> float | None:
        """By what factor it is wider than another, if that is all their difference."""
        return 1.0 if self is other else None


@dataclass(frozen=True, eq=False)
class FixedWindow(Window):
    """One bandwidth for all queries and training rows.

    Attributes
    ----------
    bandwidth : ndarray of shape (n_features,) or float
        The bandwidth, by feature for the euclidean metric.
    """

    bandwidth: np.ndarray | float
    varies = False

    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one that has none."""
        return attention.replace(bandwidth=self.bandwidth)

    def multiple_of(self, other: Window) -> float | None:
        """By what factor it is wider than another, if that is all their difference."""
        if self is other:
            return 1.0
        if not isinstance(other, FixedWindow):
            return None
        ours, theirs = np.atleast_1d(self.bandwidth), np.atleast_1d(other.bandwidth)
        scaled = np.isfinite(theirs) & (theirs > 0)
        if not scaled.any() or not np.array_equal(ours[~scaled], theirs[~scaled]):
            return None
        with np.errstate(over="ignore"):
            ratios = ours[scaled] / theirs[scaled]
        if not 1 / _LARGEST_RATIO < ratios[0] < _LARGEST_RATIO:
            return None
        alike = np.ptp(ratios) <= 1e-13 * ratios[0]
        return float(ratios[0]) if alike else None


@dataclass(frozen=True, eq=False)
class AdaptiveWindow(Window):
    """A bandwidth for each training row.

    Attributes
    ----------
    bandwidth : ndarray of shape (n_features,)
        The bandwidth where the density is average.
    key_widths : ndarray of shape (n_keys,)
        Factors of it by training row.
    rule : Adaptive
        Where these come from.
    """

    bandwidth: np.ndarray
    key_widths: np.ndarray
    rule: Adaptive

    @property
    def name(self) -> Adaptive:
        """What stands for it in a table of results."""
        return self.rule

    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one that has none."""
        counted = np.isfinite(self.bandwidth) & (self.bandwidth > 0)
        if attention.kinds is not None:  # the labels of a column have no volume
            counted &= ~attention.kinds.is_label
        log_mass = np.count_nonzero(counted) * np.log(self.key_widths)
        return attention.replace(
            bandwidth=self.bandwidth,
            key_widths=self.key_widths,
            weights=attention.weights * np.exp(log_mass.min() - log_mass),
            unit=attention.unit * np.exp(-log_mass.min()),
        )

    def take(self, rows: np.ndarray) -> Window:
        """The window for some of its training rows, or for all in another order."""
        return replace(self, key_widths=self.key_widths[rows])


@dataclass(frozen=True, eq=False)
class NearestWindow(Window):
    """A width for each query, the distance to its k-th nearest training row.

    Attributes
    ----------
    bandwidth : KNearest
        What gives the width.
    counts : ndarray of shape (n_keys,)
        As how many rows each training row counts: the sample weights, scaled to be counts.
    units : ndarray of shape (n_columns,) or float, default=1.0
        1 for a column of distance, `inf` for one that is none.
    near_rows : NearRows, NearPlaces or None, default=None
        The training rows, arranged for the search; None to arrange them at each call.
    """

    bandwidth: KNearest
    counts: np.ndarray
    units: np.ndarray | float = 1.0
    near_rows: NearRows | NearPlaces | None = None
    by_query = True

    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one that has none."""
        near_rows = self.near_rows
        keys, queries = self._of_distance(attention.keys), self._of_distance(attention.queries)
        euclidean = attention.metric == "euclidean"
        if euclidean and near_rows is None:
            near_rows = self._arranged(attention.keys, "euclidean", attention.kinds)
        options = {"n_jobs": attention.n_jobs, "near_rows": near_rows, "mask": attention.mask}
        widths = self.bandwidth.query_widths(
            queries, keys, self.counts, attention.metric, attention.leave_out, **options
        )
        if not euclidean:
            return attention.replace(bandwidth=1.0, query_widths=widths)
        assert isinstance(near_rows, NearRows)
        extent = np.fmax.reduce(np.abs(queries), axis=None, initial=near_rows.extent)
        widths, unit, farthest = in_unit(widths, extent)
        if extent > farthest:
            # Whatever is out of range counts as if it were at its end.
            attention = attention.replace(
                queries=np.clip(attention.queries, -farthest, farthest),
                keys=np.clip(attention.keys, -farthest, farthest),
                blocks=None,
            )
        units = np.full(attention.keys.shape[1], unit * self.units)
        return attention.replace(bandwidth=units, query_widths=widths)

    def take(self, rows: np.ndarray) -> Window:
        """The window for some of its training rows, or for all in another order."""
        return replace(self, counts=self.counts[rows], near_rows=None)

    def prepared(
        self, keys: np.ndarray, metric: str | Callable, kinds: Kinds | None = None
    ) -> Window:
        """The window with what takes long to make, and is the same for all queries."""
        return replace(self, near_rows=self._arranged(keys, metric, kinds))

    def _arranged(self, keys, metric, kinds):
        if kinds is not None and np.isinf(self.units).any():
            kinds = kinds.take(np.flatnonzero(np.isfinite(self.units)))
        return arranged(self._of_distance(keys), self.counts, metric, kinds)

    def _of_distance(self, rows):
        counted = np.isfinite(self.units)
        return rows if np.all(counted) else rows[:, counted]


def resolve_window(
    bandwidth: Any,
    X: np.ndarray,
    sample_weight: np.ndarray,
    kernel: Kernel,
    metric: str | Callable = "euclidean",
    n_jobs: int | None = None,
    distances: np.ndarray | None = None,
    kinds: Kinds | None = None,
    columns: Columns | None = None,
) -> Window:
    """Resolve anything that `bandwidth` may be on the training rows.

    Parameters
    ----------
    bandwidth : float, array-like of shape (n_features,), dict, str, callable, KNearest or Adaptive
        A number, one number for each feature (euclidean metric only), numbers for some features
        by their names, the name of a rule in :data:`RULES`, a callable
        ``(X, sample_weight) -> number or numbers``, or widths that vary.
    X : ndarray of shape (n_samples, n_columns)
        Training rows; their distances, (n_samples, n_samples), if precomputed.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    kernel : Kernel
        The kernel that the bandwidth is for.
    metric : str or callable, default="euclidean"
        The metric.
    n_jobs : int or None, default=None
        Number of threads.
    distances : ndarray of shape (n_samples, n_samples) or None, default=None
        Distances of the rows under the metric, where they are known.
    kinds : Kinds or None, default=None
        What columns hold besides numbers.
    columns : Columns or None, default=None
        The features that the columns of `X` are of; None if each is a feature.

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
    columns = Columns.of_numbers(X.shape[1]) if columns is None else columns
    kinds = columns.kinds if kinds is None else kinds
    if isinstance(columns, MappedColumns):
        return FixedWindow(columns.units)
    if isinstance(bandwidth, KNearest):
        k, total = bandwidth.k, max(counts.sum(), len(counts))
        whole = isinstance(k, Integral) and not isinstance(k, bool)
        if not (whole and 1 <= k <= total * (1 + 1e-12)):
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
            f"bandwidth=Adaptive(...) needs metric='euclidean', whose space has a number of "
            f"dimensions; got metric={metric!r}. KNearest(k) takes any metric."
        )
    number = isinstance(bandwidth.exponent, Real) and not isinstance(bandwidth.exponent, bool)
    if not (number and 0 <= bandwidth.exponent <= 1):
        raise ValueError(
            f"bandwidth=Adaptive(base, exponent) needs an exponent from 0 to 1; got "
            f"{bandwidth.exponent!r}."
        )
    refuse_matrix(bandwidth.base, "bandwidth=Adaptive(base)")
    scale = _resolve_bandwidth(bandwidth.base, X, sample_weight, kernel, columns=columns)
    key_widths = bandwidth.key_widths(X, sample_weight, kernel, scale, n_jobs, kinds)
    return AdaptiveWindow(scale, key_widths, bandwidth)


def _resolve_bandwidth(
    bandwidth, X, sample_weight, kernel, metric="euclidean", distances=None, columns=None
):
    """Numbers, for all bandwidths but those that vary."""
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
    """Resolve numbers and rules of thumb for training rows whose spread is known.

    What is not listed is as in :func:`resolve_window`.

    Parameters
    ----------
    spread : ndarray of shape (n_columns,) or None
        Spread of each column; 0 for a constant one. None for a metric other than the euclidean,
        which takes one number.
    n_samples : float
        Number of rows, by weight.

    Returns
    -------
    window : FixedWindow
        The bandwidth for these rows.
    """
    refuse_matrix(bandwidth, "A fit to Dask collections")
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
    """A resolved bandwidth as an array, checked: one number, or one for each feature."""
    allowed = "a non-negative number" + (
        f" or {shape[0]} of them, one for each feature" if shape else ""
    )
    try:
        numbers = np.asarray(as_numpy("bandwidth", resolved))
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
    return np.full(shape, numbers, dtype=float) if shape else float(numbers)


def sees_rows(bandwidth: Any) -> bool:
    """Whether a bandwidth is a function that needs the rows themselves, not only distances."""
    return callable(bandwidth) and not isinstance(bandwidth, RuleOfThumb)
