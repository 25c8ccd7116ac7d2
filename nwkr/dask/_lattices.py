"""Chunks of keys hand their weights to one lattice, and chunks of queries read from it.

So there are as many tasks as chunks, not as pairs of chunks, and nothing that grows with the rows
is kept. The few queries that are so far from all keys that the lattice is not certain of them
look at the keys themselves, all together: each chunk of keys is read a second time if there are
any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Any

import numpy as np

from nwkr._lazy import Tasks, made, of_block, read_again, row_blocks
from nwkr.dask._chunks import Chunks
from nwkr.dask._model import Model, merge

__all__ = ["answers_by_lattice"]

# Queries from which on it is worth while to know which keys are near.
_MANY_QUERIES = 1000


@dataclass(frozen=True)
class _Read:
    """What a chunk of queries has read from the lattice.

    Attributes
    ----------
    values : ndarray of shape (n_queries, n_outputs)
        Pooled values.
    left : ndarray of shape (n_left,)
        Numbers of the queries whose values are not certain.
    queries : ndarray of shape (n_left, n_features)
        These queries.
    """

    values: np.ndarray
    left: np.ndarray
    queries: np.ndarray


def answers_by_lattice(
    tasks: Tasks, model: Model, chunks: Chunks, queries: Any, answer: Callable
) -> list[Any]:
    """Tasks that answer queries from a lattice.

    Parameters
    ----------
    tasks : Tasks
        The tasks that they are to be among.
    model : Model
        What tasks have to know.
    chunks : Chunks
        The training rows.
    queries : Dask array or frame
        The queries.
    answer : callable
        From the model and pooled values to what is asked for.

    Returns
    -------
    keys : list of tuple
        What stands for the answers of each chunk of queries.
    """
    blocks, known = chunks.blocks, tasks.put("model", model)
    handed = [
        tasks.add("spread", number, _spread, known, number, *tasks.blocks(parts))
        for number, parts in enumerate(blocks)
    ]
    points = tasks.tree("add", _add, handed)
    read = [
        tasks.add("gather", number, _gather, known, number, points, block)
        for number, block in enumerate(tasks.blocks(row_blocks(queries)))
    ]
    left = tasks.add("left", 0, _left, read)
    looks = [
        tasks.add("look", number, _look, known, number, left, parts)
        for number, parts in enumerate(read_again(tasks, blocks))
    ]
    sums = tasks.tree("merge", merge, looks)
    return [
        tasks.add("answer", number, _answer, known, number, part, left, sums, answer)
        for number, part in enumerate(read)
    ]


def _spread(model, number, *parts):
    keys = model.keys(model.form.rows(number, *parts), arranged=False)
    return None if keys is None else model.spread(keys)


def _add(one, other):
    if one is None or other is None:
        return one if other is None else other
    return add(one, other)


def _gather(model, number, points, X):
    queries = model.form.queries(number, X)
    values, certain = model.gather(queries, points)
    left = np.flatnonzero(~certain)
    return _Read(values, left, queries[left])


def _left(read):
    """The queries that are left of all chunks."""
    starts = np.cumsum([0] + [len(part.left) for part in read])
    return np.concatenate([part.queries for part in read]), starts


def _look(model, number, left, blocks):
    queries, _ = left
    if not len(queries):
        return None
    rows = model.form.rows(number, *made(blocks))
    keys = model.keys(rows, arranged=len(queries) >= _MANY_QUERIES)
    return None if keys is None else model.pool(queries, keys)


def _answer(model, number, read, left, sums, answer):
    queries, starts = left
    values = read.values
    if len(read.left):
        of_chunk = slice(starts[number], starts[number + 1])
        values = values.copy()
        values[read.left] = model.fit(queries[of_chunk], sums.take(np.r_[of_chunk]))
    with of_block("X", number):
        return answer(model, values)
