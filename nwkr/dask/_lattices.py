"""Chunks of keys hand their weights to one lattice, and chunks of queries read from it.

So there are as many tasks as chunks, not as pairs of chunks, and nothing that grows with the rows
is kept. The few queries that are so far from all keys that the lattice is not certain of them
look at the keys themselves, all together: each chunk of keys is read a second time if there are
any. Training rows that leave themselves out are read a second time in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from typing import Any

import numpy as np

from nwkr._lazy import Tasks, made, of_block, read_again, row_blocks
from nwkr.dask._chunks import Chunks
from nwkr.dask._model import Asked, Model, merge

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
    asked : Asked
        These queries.
    """

    values: np.ndarray
    left: np.ndarray
    asked: Asked


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
    queries : Dask array or frame or None
        The queries; None for the training rows, each left out of its own answer.
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
    points, again = tasks.tree("add", _add, handed), read_again(tasks, blocks)
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
    return _read(model, points, model.asked(model.form.queries(number, X)), None)


def _gather_own(model, number, points, blocks):
    X, *_ = blocks = made(blocks)
    own = model.keys(model.form.rows(number, *blocks), arranged=False)
    return _read(model, points, model.asked(model.form.queries(number, X), own), own)


def _read(model, points, asked, own):
    values, certain = model.gather(asked, points, own)
    left = np.flatnonzero(~certain)
    return _Read(values, left, asked.alone(left))


def _left(read):
    """The queries that are left of all chunks, where those of each start, and their numbers."""
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
