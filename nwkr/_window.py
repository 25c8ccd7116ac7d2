"""Windows: bandwidths resolved on training rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nwkr._mapped_columns import MappedColumns
from nwkr._nearest import NearPlaces, NearRows, arranged
from nwkr._pooling import Attention, Kinds
from nwkr.bandwidths import Adaptive, KNearest

__all__ = ["AdaptiveWindow", "FixedWindow", "MappedWindow", "NearestWindow", "Window"]

# Bandwidths with a larger ratio share no distances, because squares of it are out of range.
_LARGEST_RATIO = 1e100


class Window(ABC):
    """A resolved bandwidth.

    Attributes
    ----------
    bandwidth : ndarray of shape (n_features,), float or KNearest
        The bandwidth, or the rule that gives it for each query.
    name : object
        Name of the window in a table of results.
    by_query : bool
        Whether the width depends on the query.
    varies : bool
        Whether the width depends on the query or the training row.
    columns : MappedColumns or None
        The projected columns to which the bandwidth applies, if there is a projection.
    """

    bandwidth: Any
    by_query = False
    varies = True
    columns: MappedColumns | None = None

    @property
    def projection(self) -> np.ndarray | None:
        """The projection to columns in which the bandwidth is 1, if one has been learned."""
        return None

    @property
    def name(self) -> Any:
        """Name of the window in a table of results."""
        return copy(self.bandwidth)  # the caller may change it

    @abstractmethod
    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one without."""

    def take(self, rows: np.ndarray) -> Window:
        """The window for some of its training rows, or for all in another order."""
        return self

    def prepared(
        self, keys: np.ndarray, metric: str | Callable, kinds: Kinds | None = None
    ) -> Window:
        """The window with precomputed results that all queries share."""
        return self

    def multiple_of(self, other: Window) -> float | None:
        """The factor by which it is wider than another, if they are multiples of each other."""
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
        """The attention with this window, from one without."""
        return attention.replace(bandwidth=self.bandwidth)

    def multiple_of(self, other: Window) -> float | None:
        """The factor by which it is wider than another, if they are multiples of each other."""
        if self is other:
            return 1.0
        if not isinstance(other, FixedWindow) or self.columns is not other.columns:
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
class MappedWindow(FixedWindow):
    """A bandwidth for projected columns.

    Attributes
    ----------
    columns : MappedColumns
        The columns.
    """

    bandwidth: np.ndarray
    columns: MappedColumns

    @property
    def projection(self) -> np.ndarray | None:
        """The projection to columns in which the bandwidth is 1, if one has been learned."""
        if self.columns.matrix is not None:
            return None
        return self.columns.mixing / self.bandwidth[-len(self.columns.mixing) :, None]

    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one without."""
        keys, queries = self.columns.encode(attention.keys), self.columns.encode(attention.queries)
        mapped = attention.replace(keys=keys, queries=queries, blocks=None, kinds=None)
        return super().at(mapped)


@dataclass(frozen=True, eq=False)
class AdaptiveWindow(Window):
    """A bandwidth for each training row.

    Attributes
    ----------
    bandwidth : ndarray of shape (n_features,)
        The bandwidth where the density is average.
    key_widths : ndarray of shape (n_keys,)
        Factors of the bandwidth by training row.
    rule : Adaptive
        The rule that gives these factors.
    """

    bandwidth: np.ndarray
    key_widths: np.ndarray
    rule: Adaptive

    @property
    def name(self) -> Adaptive:
        """Name of the window in a table of results."""
        return self.rule

    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one without."""
        counted = np.isfinite(self.bandwidth) & (self.bandwidth > 0)
        if attention.kinds is not None:  # categories have no volume
            counted &= ~attention.kinds.is_label
        log_mass = np.count_nonzero(counted) * np.log(self.key_widths)
        weights = attention.weights * np.exp(log_mass.min() - log_mass)
        return attention.replace(
            bandwidth=self.bandwidth,
            key_widths=self.key_widths,
            weights=np.maximum(weights, np.finfo(float).tiny),  # queries may see no other keys
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
        The rule for the width.
    counts : ndarray of shape (n_keys,)
        The number of rows that each training row counts as: the scaled sample weights.
    units : ndarray of shape (n_columns,) or float, default=1.0
        1 for a column of distance, `inf` for other columns.
    near_rows : NearRows, NearPlaces or None, default=None
        The training rows, arranged for the search; None to arrange them at each call.
    """

    bandwidth: KNearest
    counts: np.ndarray
    units: np.ndarray | float = 1.0
    near_rows: NearRows | NearPlaces | None = None
    by_query = True

    def at(self, attention: Attention) -> Attention:
        """The attention with this window, from one without."""
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
        units = np.full(attention.keys.shape[1], self.units)
        return attention.replace(bandwidth=units, query_widths=widths)

    def take(self, rows: np.ndarray) -> Window:
        """The window for some of its training rows, or for all in another order."""
        return replace(self, counts=self.counts[rows], near_rows=None)

    def prepared(
        self, keys: np.ndarray, metric: str | Callable, kinds: Kinds | None = None
    ) -> Window:
        """The window with precomputed results that all queries share."""
        return replace(self, near_rows=self._arranged(keys, metric, kinds))

    def _arranged(self, keys, metric, kinds):
        if kinds is not None and np.isinf(self.units).any():
            kinds = kinds.take(np.flatnonzero(np.isfinite(self.units)))
        return arranged(self._of_distance(keys), self.counts, metric, kinds)

    def _of_distance(self, rows):
        counted = np.isfinite(self.units)
        return rows if np.all(counted) else rows[:, counted]
