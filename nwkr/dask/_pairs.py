"""The graph that pools pair by pair: partial sums for all pairs of chunks, merged in a tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nwkr._lazy import Tasks, of_block, row_blocks
from nwkr._pooling import PooledSums
from nwkr.dask._chunks import Chunks
from nwkr.dask._model import Model

__all__ = ["answers_by_pairs"]


def answers_by_pairs(
    tasks: Tasks, model: Model, chunks: Chunks, queries: Any, answer: Callable
) -> list[Any]:
    """Add tasks that pool queries over all pairs with keys.

    There are as many tasks as pairs of chunks, and as many merges.

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
    left_out = queries is None
    known = tasks.put("model", model)
    rows = chunks.rows(tasks, tasks.put("form", model.form))
    keys = [tasks.add("keys", number, _keys, known, part) for number, part in enumerate(rows)]
    answers = []
    for row, block in enumerate(tasks.blocks(row_blocks(chunks.X if left_out else queries))):
        part = tasks.add("queries", row, _queries, known, row, block)
        sums = [
            tasks.add("pool", (row, col), _pool, known, part, of_chunk, left_out and row == col)
            for col, of_chunk in enumerate(keys)
        ]
        merged = tasks.tree(f"merge-{row}", PooledSums.merge, sums)
        own = keys[row] if left_out else None
        arguments = known, row, part, merged, answer, own
        answers.append(tasks.add("answer", row, _answer, *arguments))
    return answers


def _keys(model, rows):
    return model.keys(rows)


def _queries(model, number, X):
    return model.form.queries(number, X)


def _pool(model, queries, keys, own):
    if keys is None or not len(queries):
        return None
    return model.pool(queries, keys, keys.of_rows if own else None)


def _answer(model, number, queries, sums, answer, own):
    with of_block("X", number):
        values = model.fit(model.asked(queries, own), sums)
        if len(queries):
            model.form.plain._refuse_empty(sums.total > 0)
        return answer(model, values)
