"""Results that follow from a fit, made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["Cache"]


class Cache:
    """Keeps what was made, out of pickles and copies, which make it again.

    An estimator has one from `fit` on, so that nothing of its own is written afterwards. Threads
    that ask at once may each make a thing: it is the same, and no lock is held at a fork.
    """

    def __init__(self):
        self._made: dict[str, tuple[Hashable, Any]] = {}

    def get(self, name: str, terms: Hashable, make: Callable[[], Any]) -> Any:
        """What was made on these terms, or is made now and takes the place of any other.

        Parameters
        ----------
        name : str
            What it is.
        terms : hashable
            What it depends on that may have changed.
        make : callable
            Makes it.

        Returns
        -------
        made : object
            What it made, now or earlier.
        """
        made = self._made.get(name)
        if made is None or made[0] != terms:
            made = self._made[name] = terms, make()
        return made[1]

    def __reduce__(self):
        return Cache, ()
