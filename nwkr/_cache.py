"""Results of a fit that are computed on first use."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["Cache"]


class Cache:
    """Stores results. Pickles and copies leave them out, and compute them again.

    `fit` creates the cache, so predictions set no attributes of the estimator. Threads that need a
    result at the same time may each compute it. The results are equal, and there is no lock that a
    fork could leave held.
    """

    def __init__(self):
        self._made: dict[str, tuple[Hashable, Any]] = {}

    def get(self, name: str, terms: Hashable, make: Callable[[], Any]) -> Any:
        """The result for these terms: stored, or computed now to replace the stored one.

        Parameters
        ----------
        name : str
            Name of the result.
        terms : hashable
            Parameters that may have changed since the result was computed.
        make : callable
            Computes the result.

        Returns
        -------
        made : object
            The result.
        """
        made = self._made.get(name)
        if made is None or made[0] != terms:
            made = self._made[name] = terms, make()
        return made[1]

    def __reduce__(self):
        return Cache, ()
