"""The interface of an algorithm for pooling, and its input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nwkr._arrays import Arrays
from nwkr._pooling._boxes import Blocks
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._metric import Metric
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._prepared import Prepared, corners_of, light_weight
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._values import WeightedValues
from nwkr.kernels import Kernel

__all__ = ["Problem", "Terms", "Way"]


@dataclass(frozen=True)
class Terms:
    """The parameters of pooling that do not depend on the data.

    Attributes
    ----------
    metric : str, callable or Metric
        The metric.
    kernel : Kernel
        The kernel.
    bandwidth : object
        The bandwidth: by column for the euclidean metric, if it does not vary.
    varies : bool, default=False
        Whether the width depends on the row.
    plain : bool, default=True
        Whether all columns hold numbers without missing values.
    arrays : Arrays or None, default=None
        The array library and device of the rows, if that is not NumPy.
    masked : bool, default=False
        Whether keys are hidden from queries, other than the one that each leaves out.
    """

    metric: str | Callable | Metric
    kernel: Kernel
    bandwidth: Any
    varies: bool = False
    plain: bool = True
    arrays: Arrays | None = None
    masked: bool = False


@dataclass(frozen=True)
class Problem:
    """Queries, keys and values, and parameters of pooling.

    Attributes
    ----------
    terms : Terms
        The parameters that do not depend on the data.
    pairs : Pairs
        Queries and keys.
    values : WeightedValues
        Key weights, and the values times these.
    blocks : Blocks or None, default=None
        The blocks of the keys, if these are in k-d order.
    tol : float, default=0.0
        Allowed relative error of a total; 0 means rounding only.
    empty : {"nearest", "mean"} or None, default=None
        Replacement for queries without weights: nearest keys, all keys, or none.
    n_jobs : int or None, default=None
        Number of threads.
    prepared : Prepared or None, default=None
        Precomputed results for the keys.
    """

    terms: Terms
    pairs: Pairs
    values: WeightedValues
    blocks: Blocks | None = None
    tol: float = 0.0
    empty: str | None = None
    n_jobs: int | None = None
    prepared: Prepared | None = None

    @property
    def kernel(self) -> Kernel:
        """The kernel."""
        return self.terms.kernel

    @cached_property
    def around(self) -> Neighbourhoods | None:
        """Neighbourhoods of blocks, if there can be any."""
        pairs = self.pairs
        if self.blocks is None or not isinstance(pairs, EuclideanPairs) or not len(pairs.columns):
            return None
        weights = self.values.weights
        return Neighbourhoods(pairs, self.kernel, weights, self.blocks, self.tol, self.prepared)

    @cached_property
    def corners(self) -> np.ndarray:
        """Numbers beyond which an increasing share of keys lies, at both ends of each column."""
        assert isinstance(self.pairs, EuclideanPairs)
        if self.prepared is None:
            return corners_of(self.pairs.keys)
        return self.prepared.corners[:, self.pairs.columns]

    @cached_property
    def light(self) -> float:
        """A weight that few keys fall below."""
        return light_weight(self.values.weights) if self.prepared is None else self.prepared.light


class Way(ABC):
    """An algorithm for pooling.

    Attributes
    ----------
    name : str
        Its name in the parameter `algorithm`.
    shares : bool
        Whether several bandwidths share distances, so that pooling them together is faster.
    """

    name: str
    shares = True

    @abstractmethod
    def refusal(self, terms: Terms) -> str | None:
        """Why these terms are not supported, for any queries and keys; None if they are."""

    def serves(self, problem: Problem, multiple: float = 1.0) -> bool:
        """Whether it supports these queries and keys, on supported terms."""
        return True

    @abstractmethod
    def seconds(self, problem: Problem, multiple: float, n_together: int) -> float:
        """Estimated seconds of pooling with one thread; only ratios matter.

        Parameters
        ----------
        problem : Problem
            The problem, which is supported.
        multiple : float
            Factor of the bandwidth.
        n_together : int
            Number of bandwidths that are pooled together.

        Returns
        -------
        seconds : float
            Seconds.
        """

    @abstractmethod
    def pool(self, problem: Problem, multiples: Sequence[float]) -> list[PooledSums]:
        """Pool with several multiples of the bandwidth, the least of all these 1."""
