"""What a way of pooling is, and what it is asked to pool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nwkr._pooling._boxes import Blocks
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._metric import Metric
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._sums import PooledSums
from nwkr.kernels import Kernel

__all__ = ["Problem", "Terms", "Way", "neighbourhoods"]


@dataclass(frozen=True)
class Terms:
    """How queries attend to keys, whichever these are.

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
    """

    metric: str | Callable | Metric
    kernel: Kernel
    bandwidth: Any
    varies: bool = False


@dataclass(frozen=True)
class Problem:
    """Queries, keys and values, and how to pool these.

    Attributes
    ----------
    terms : Terms
        How queries attend to keys.
    pairs : Pairs
        Queries and keys.
    values : ndarray of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    blocks : Blocks or None, default=None
        The blocks of the keys, if these are in k-d order.
    tol : float, default=0.0
        Relative error that a total may have; 0 stands for rounding.
    empty : {"nearest", "mean"} or None, default=None
        What a query takes that no key has weight for: its nearest keys, all, or nothing.
    n_jobs : int or None, default=None
        Number of threads.
    """

    terms: Terms
    pairs: Pairs
    values: np.ndarray
    blocks: Blocks | None = None
    tol: float = 0.0
    empty: str | None = None
    n_jobs: int | None = None

    @property
    def kernel(self) -> Kernel:
        """The kernel."""
        return self.terms.kernel

    @cached_property
    def around(self) -> Neighbourhoods | None:
        """Neighbourhoods of blocks, if there can be any."""
        return neighbourhoods(self.pairs, self.kernel, self.values[0], self.blocks, self.tol)


def neighbourhoods(
    pairs: Pairs, kernel: Kernel, weights: np.ndarray, blocks: Blocks | None, tol: float = 0.0
) -> Neighbourhoods | None:
    """Neighbourhoods of blocks, if there can be any."""
    if blocks is None or not isinstance(pairs, EuclideanPairs) or not len(pairs.columns):
        return None
    return Neighbourhoods(pairs, kernel, weights, blocks, tol)


class Way(ABC):
    """A way of pooling.

    Attributes
    ----------
    name : str
        What the parameter `algorithm` calls it.
    shares : bool
        Whether several bandwidths share distances, so that they are better pooled together.
    """

    name: str
    shares = True

    @abstractmethod
    def refusal(self, terms: Terms) -> str | None:
        """What it needs that these terms lack, whichever the queries and keys; None if nothing."""

    @abstractmethod
    def seconds(self, problem: Problem, multiple: float, n_together: int) -> float:
        """What pooling takes, on one thread: only proportions count.

        Parameters
        ----------
        problem : Problem
            What to pool, on terms that it does not refuse.
        multiple : float
            Factor of the bandwidth,
        n_together : int
            which is one of so many.

        Returns
        -------
        seconds : float
            Seconds; infinite if it cannot serve these queries and keys.
        """

    @abstractmethod
    def pool(self, problem: Problem, multiples: Sequence[float]) -> list[PooledSums]:
        """Pool with several multiples of the bandwidth, the least of all these 1."""
