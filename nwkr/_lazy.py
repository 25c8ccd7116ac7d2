"""Dask collections: their detection, their blocks of rows, and tasks for blocks.

Dask is imported only when there are Dask data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial, wraps
from typing import Any
from uuid import uuid4

import numpy as np
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "Tasks",
    "is_lazy",
    "of_block",
    "over_blocks",
    "row_blocks",
    "sizes_of_blocks",
]


def is_lazy(data: Any) -> bool:
    """Whether data are a Dask collection."""
    dask = sys.modules.get("dask")
    return dask is not None and bool(dask.is_dask_collection(data))


def row_blocks(data: Any) -> list[Any]:
    """The blocks of rows of a Dask array, frame or series, each delayed."""
    if not hasattr(data, "numblocks"):
        return list(data.to_delayed())
    if data.ndim == 2 and data.numblocks[1] > 1:
        data = data.rechunk({1: -1})
    # Unchanged, arrays with one origin share its blocks, which are computed once.
    return data.to_delayed(optimize_graph=False).ravel().tolist()


def sizes_of_blocks(data: Any) -> tuple[float, ...]:
    """Numbers of rows of the blocks; NaN if unknown."""
    return data.chunks[0] if hasattr(data, "chunks") else (np.nan,) * data.npartitions


@contextmanager
def of_block(name: str, number: int) -> Iterator[None]:
    """Add the number of the block to errors."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Chunk {number} of {name} (counted from 0): {error}") from error


class Tasks:
    """A graph of tasks, from blocks of collections to a value or to an array in blocks."""

    def __init__(self):
        self._token, self._layer, self._blocks = uuid4().hex, {}, []

    def blocks(self, delayed: Sequence[Any]) -> list[Any]:
        """Add delayed objects as inputs of tasks.

        Parameters
        ----------
        delayed : sequence of Delayed
            The result of :func:`row_blocks`.

        Returns
        -------
        keys : list
            Keys of the inputs, for the arguments of a task.
        """
        self._blocks += delayed
        return [block.key for block in delayed]

    def put(self, name: str, value: Any) -> Any:
        """Add a value shared by many tasks; it is sent to each worker once.

        Parameters
        ----------
        name : str
            Name of the value.
        value : object
            The value.

        Returns
        -------
        key : tuple
            Key of the value, for the arguments of a task.
        """
        return self._keep(name, 0, value)

    def add(self, name: str, number: Any, function: Callable, *arguments: Any) -> Any:
        """Add a task.

        Parameters
        ----------
        name : str
            Name of the tasks of its kind.
        number : object
            Number of the task among these.
        function : callable
            A function without side effects, so that it can be called again elsewhere.
        *arguments : object
            Arguments of the function, or their keys.

        Returns
        -------
        key : tuple
            The key of the result.
        """
        return self._keep(name, number, (function, *arguments))

    def tree(self, name: str, merge: Callable, keys: Sequence[Any]) -> Any:
        """Merge results pair by pair, neighbours first: in the same order each time.

        Parameters
        ----------
        name : str
            Name of the tasks.
        merge : callable
            Maps two results to one.
        keys : sequence of tuple
            The keys of the results. A result may be None, which means that there is none.

        Returns
        -------
        key : tuple
            The key of the merged result.
        """
        level, keys = 0, list(keys)
        while len(keys) > 1:
            pairs = list(zip(keys[::2], keys[1::2]))
            merged = [
                self.add(name, (level, number), partial(_merged, merge), *pair)
                for number, pair in enumerate(pairs)
            ]
            keys, level = merged + keys[2 * len(pairs) :], level + 1
        return keys[0]

    def value(self, key: Any) -> Any:
        """The result of a task, delayed."""
        from dask.delayed import Delayed

        return Delayed(key, self._graph("tasks"), layer=f"tasks-{self._token}")

    def array(self, keys: Sequence[Any], sizes: Sequence[float], empty: np.ndarray) -> Any:
        """A Dask array whose blocks are results of tasks.

        Parameters
        ----------
        keys : sequence of tuple
            The keys of the blocks.
        sizes : sequence of float
            Number of rows of each.
        empty : ndarray
            An array without rows, otherwise like the blocks.

        Returns
        -------
        array : dask.array.Array
            The array.
        """
        from dask.array import Array

        tail = (0,) * (empty.ndim - 1)
        name = f"array-{uuid4().hex}"
        self._layer.update({(name, number, *tail): key for number, key in enumerate(keys)})
        chunks = (tuple(sizes), *((length,) for length in empty.shape[1:]))
        return Array(self._graph(name), name, chunks, dtype=empty.dtype)

    def _keep(self, name, number, task):
        key = (f"{name}-{self._token}", number)
        self._layer[key] = task
        return key

    def _graph(self, name):
        from dask.highlevelgraph import HighLevelGraph

        layer = name if name != "tasks" else f"tasks-{self._token}"
        return HighLevelGraph.from_collections(layer, dict(self._layer), self._blocks)


def _merged(merge, one, other):
    if one is None or other is None:
        return one if other is None else other
    return merge(one, other)


def over_blocks(empty: Callable[[Any, dict], Any]) -> Callable:
    """Decorate a method that takes rows, to apply it to the blocks of a Dask collection.

    Parameters
    ----------
    empty : callable
        Maps the estimator and the keyword arguments of the method to its result for no rows: an
        array, or a tuple of arrays.

    Returns
    -------
    decorator : callable
        The decorator. For a collection, the method returns a lazy array with the same blocks.
    """

    def decorate(method):
        @wraps(method)
        def respond(self, X, **options):
            if not is_lazy(X):
                return method(self, X, **options)
            check_is_fitted(self)
            nothing = empty(self, options)
            several = isinstance(nothing, tuple)
            model = copy(self)
            model.n_jobs = 1  # there are already as many tasks as threads
            tasks, sizes = Tasks(), sizes_of_blocks(X)
            model = tasks.put("model", _Response(model, method, options, nothing))
            keys = [
                tasks.add(method.__name__, number, _respond, model, block, number)
                for number, block in enumerate(tasks.blocks(row_blocks(X)))
            ]
            if not several:
                return tasks.array(keys, sizes, nothing)
            parts = (
                [tasks.add(f"part-{part}", n, _pick, key, part) for n, key in enumerate(keys)]
                for part in range(len(nothing))
            )
            return tuple(tasks.array(part, sizes, each) for part, each in zip(parts, nothing))

        return respond

    return decorate


class _Response:
    """A fitted estimator, and the method to call."""

    def __init__(self, estimator, method, options, nothing):
        self.estimator, self.name, self.options = estimator, method.__name__, options
        self.nothing = nothing


def _respond(response, block, number):
    if not len(block):
        return response.nothing
    with of_block("X", number):
        return getattr(response.estimator, response.name)(block, **response.options)


def _pick(results, number):
    return results[number]
