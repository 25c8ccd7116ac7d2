"""A chunk of keys, and queries that ask for predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nwkr._local import LocalLines
from nwkr._newton_step import NewtonStep
from nwkr._pooling import Attention, PooledSums
from nwkr._trend import Trend
from nwkr.dask._form import Rows

__all__ = ["Asked", "Keys"]


@dataclass(frozen=True)
class Keys:
    """A chunk of keys.

    Attributes
    ----------
    attention : Attention
        The keys and their window, without queries.
    targets : ndarray of shape (n_keys, n_outputs)
        Their targets, in the common unit; where there is a trend, residuals and curvature.
    rows : Rows
        The rows of these keys.
    trend : Trend or None
        The trend, with its results for them.
    """

    attention: Attention
    targets: np.ndarray
    rows: Rows
    trend: Trend | None

    @property
    def of_rows(self) -> np.ndarray:
        """The number of the key of each row of the chunk, -1 for none, of shape (n_all,)."""
        numbers = np.full(self.rows.n_all, -1)
        numbers[self.rows.numbers] = np.arange(len(self.rows.numbers))
        return numbers


@dataclass(frozen=True)
class Asked:
    """Queries to predict.

    Attributes
    ----------
    attention : Attention
        The queries and their window, with the keys that they leave out, if any.
    logits : ndarray of shape (n_queries, n_logits) or None
        The logits of the trend, if there is one.
    """

    attention: Attention
    logits: np.ndarray | None

    def take(self, rows: np.ndarray) -> Asked:
        """Some of the queries."""
        logits = None if self.logits is None else self.logits[rows]
        return Asked(self.attention.take(rows), logits)

    def alone(self, rows: np.ndarray) -> Asked:
        """Some of the queries, with only the keys that they leave out."""
        some = self.take(rows)
        if some.attention.leave_out is None:
            return some
        keys = np.unique(some.attention.leave_out)
        attention = some.attention.take(None, keys[keys >= 0])
        if not len(attention.keys):  # of rows without weight
            attention = attention.replace(leave_out=None)
        return replace(some, attention=attention)

    def fit(self, fitting: LocalLines | NewtonStep, sums: PooledSums) -> np.ndarray:
        """Predictions of a fit from sums."""
        if isinstance(fitting, NewtonStep):
            return fitting.fit_sums(self.attention, sums, self.logits).predictions
        return fitting.fit_sums(self.attention, sums).predictions
