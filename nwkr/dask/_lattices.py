"""The graph that pools on a lattice: chunks of keys add weights, chunks of queries read sums.

There are as many tasks as chunks, not as pairs of chunks, and memory does not grow with the rows.
Queries far from all keys may be uncertain on the lattice. They are collected and pooled pair by
pair, for which each chunk of keys is read a second time. Training rows that leave themselves out
are always read a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Any

import numpy as np

from nwkr._lazy import Tasks, of_block, row_blocks
from nwkr._pooling import PooledSums
from nwkr.dask._chunks import Chunks
from nwkr.dask._model import Model
from nwkr.dask._queries_and_keys import Asked
from nwkr.dask._read_again import made, read_again

__all__ = ["answers_by_lattice"]

# The number of queries from which sorting the keys by place pays off.
_MANY_QUERIES = 1000


@dataclass(frozen=True)
class _Read:
    """The results for a chunk of queries on the lattice.

    Attributes
    ----------
    values : ndarray of shape (n_queries, n_outputs)
        Pooled values.
    left : ndarray of shape (n_left,)
        Numbers of the queries with uncertain values.
    asked : Asked
        These queries.
    """

    values: np.ndarray
    left: np.ndarray
    asked: Asked


def answers_by_lattice(
    tasks: Tasks, model: Model, chunks: Chunks, queries: Any, answer: Callable
) -> list[Any]:
    """Add tasks that pool queries on a lattice.

    Parameters
    ----------
    tasks : Tasks
        The tasks to which they are added.
    model : Model
        The model for all tasks.
    chunks : Chunks
        The training rows.
    queries : Dask array or frame or None
        The queries; None for the training rows, each left out of its own answer.
    answer : callable
        Maps the model and pooled values to results.

    Returns
    -------
    keys : list of tuple
        Keys of the results of each chunk of queries.
    """
    blocks, known = chunks.blocks, tasks.put("model", model)
    handed = [
        tasks.add("spread", number, _spread, known, number, *tasks.blocks(parts))
        for number, parts in enumerate(blocks)
    ]
    points, again = tasks.tree("add", add, handed), read_again(tasks, blocks)
    if queries is None:
        read = [
            tasks.add("gather", number, _gather_own, known, number, points, parts)
            for number, parts in enumerate(again)
        ]
    else:
        read = [
            tasks.add("gather", number, _gather, known, number, points, block)
            for number, block in enumerate(tasks.blocks(row_blocks(queries)))
        ]
    left = tasks.add("left", 0, _left, read)
    looks = [
        tasks.add("look", number, _look, known, number, left, parts, queries is None)
        for number, parts in enumerate(again)
    ]
    sums = tasks.tree("merge", PooledSums.merge, looks)
    return [
        tasks.add("answer", number, _answer, known, number, part, left, sums, answer)
        for number, part in enumerate(read)
    ]


def _spread(model, number, *parts):
    keys = model.keys(model.form.rows(number, *parts), arranged=False)
    return None if keys is None else model.spread(keys)


def _gather(model, number, points, X):
    return _read(model, points, model.asked(model.form.queries(number, X)), None)


def _gather_own(model, number, points, blocks):
    X, *_ = blocks = made(blocks)
    own = model.keys(model.form.rows(number, *blocks), arranged=False)
    return _read(model, points, model.asked(model.form.queries(number, X), own), own)


def _read(model, points, asked, own):
    values, certified = model.gather(asked, points, own)
    left = np.flatnonzero(~certified)
    return _Read(values, left, asked.alone(left))


def _left(read):
    """The uncertain queries of all chunks, the start of each chunk, and their numbers."""
    starts = np.cumsum([0] + [len(part.left) for part in read])
    queries = np.concatenate([part.asked.attention.queries for part in read])
    return queries, starts, np.concatenate([part.left for part in read])


def _look(model, number, left, blocks, own):
    queries, starts, numbers = left
    if not len(queries):
        return None
    rows = model.form.rows(number, *made(blocks))
    keys = model.keys(rows, arranged=len(queries) >= _MANY_QUERIES)
    if keys is None:
        return None
    leave_out = None
    if own:
        of_chunk, leave_out = slice(starts[number], starts[number + 1]), np.full(len(queries), -1)
        leave_out[of_chunk] = keys.of_rows[numbers[of_chunk]]
    return model.pool(queries, keys, leave_out)


def _answer(model, number, read, left, sums, answer):
    _, starts, _ = left
    values = read.values
    if len(read.left):
        of_chunk = np.arange(starts[number], starts[number + 1])
        values = values.copy()
        values[read.left] = model.fit(read.asked, sums.take(of_chunk))
    with of_block("X", number):
        return answer(model, values)
