"""Blocks of rows that tasks read a second time, without keeping them in memory in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nwkr._lazy import Tasks

__all__ = ["made", "read_again"]

# Blocks that share more of their tasks than this are not computed one by one.
_MOST_SHARED = 1.5


class _Source:
    """Blocks that are computed where they are needed.

    Parameters
    ----------
    graph : dict
        The tasks that compute the blocks.
    keys : list
        The keys of the blocks.
    """

    def __init__(self, graph: dict, keys: list):
        self.graph, self.keys = graph, keys

    def make(self) -> tuple:
        """The blocks."""
        import dask

        return tuple(dask.get(self.graph, self.keys))


def read_again(tasks: Tasks, blocks: Sequence[Sequence[Any]]) -> list[Any]:
    """Arguments for tasks that read blocks a second time.

    Blocks are not kept in memory in between: each task that needs one computes it again. Blocks
    that are in memory, or that share most of their tasks, are kept.

    Parameters
    ----------
    tasks : Tasks
        The tasks to which they are added.
    blocks : sequence of sequence of Delayed
        The blocks of each task.

    Returns
    -------
    arguments : list
        Arguments from which :func:`made` computes the blocks of each task.
    """
    from dask.optimization import cull

    sources, n_tasks = [], 0
    whole: set[Any] = set()
    graphs: dict[int, dict] = {}
    for parts in blocks:
        graph: dict = {}
        keys = [part.key for part in parts]
        for part in parts:
            layers = part.__dask_graph__()
            of_all = graphs.setdefault(id(layers), dict(layers))
            graph |= dict(cull(of_all, [part.key])[0])
        sources.append(_Source(graph, keys))
        whole |= graph.keys()
        n_tasks += len(graph)
    in_memory = any(_holds_data(task) for source in sources for task in source.graph.values())
    if in_memory or n_tasks > _MOST_SHARED * len(whole):
        return [tasks.blocks(parts) for parts in blocks]
    return [tasks.put(f"source-{number}", source) for number, source in enumerate(sources)]


def made(blocks: Any) -> tuple:
    """The blocks of an argument from :func:`read_again`."""
    return blocks.make() if isinstance(blocks, _Source) else tuple(blocks)


def _holds_data(task):
    """Whether the value of a task is data, or a future."""
    value = getattr(task, "value", task)
    kind = type(value)
    return hasattr(value, "nbytes") or hasattr(value, "memory_usage") or kind.__name__ == "Future"
