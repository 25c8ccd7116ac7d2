"""Blocks of work over threads, with BLAS held to one thread each, and memory for each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from threading import Lock, local
from typing import Any

import numpy as np
from joblib import cpu_count, effective_n_jobs
from threadpoolctl import ThreadpoolController

__all__ = ["each", "one_blas_thread", "scratch", "slices"]


def each(task: Callable[[Any], None], items: Iterable, n_jobs: int | None = None) -> None:
    """Call ``task(item)`` for every item, in threads.

    Parameters
    ----------
    task : callable
        What to do; it writes its result where no other item's task writes.
    items : iterable
        What to do it with.
    n_jobs : int or None, default=None
        Number of threads, -1 for one per processor. None is as many as BLAS may use at
        the moment, so that `threadpool_limits` and joblib's workers are respected.
    """
    left = deque(items)

    def work():
        for item in _taken(left):
            task(item)

    with one_blas_thread() as allowed:
        n_threads = allowed if n_jobs is None else 1 if n_jobs == 1 else effective_n_jobs(n_jobs)
        n_threads = min(n_threads, len(left))
        if n_threads <= 1:
            work()
            return
        used: list[dict] = []
        with ThreadPoolExecutor(n_threads, initializer=_furnish, initargs=(used,)) as pool:
            # Each thread takes the next item itself: whoever handed them out one by one would
            # wake for each, and be in the way.
            futures = [pool.submit(work) for _ in range(n_threads)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                left.clear()  # after an error or an interrupt
            for future in futures:
                future.result()
        _left.extend(
            {name: room for name, room in rooms.items() if room.nbytes <= _KEPT} for rooms in used
        )


def _taken(items):
    """Take items until none is left, which other threads take as well."""
    while True:
        try:
            item = items.popleft()
        except IndexError:
            return
        yield item


def slices(n: int, size: int) -> list[slice]:
    """Cut ``range(n)`` into slices."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


_of_thread = local()
# What threads have left that are gone, for those that come: of a few, and of these what is small.
_left: deque[dict] = deque(maxlen=8)
_KEPT = 2**23


def _furnish(used):
    try:
        _of_thread.rooms = _left.pop()
    except IndexError:
        _of_thread.rooms = {}
    used.append(_of_thread.rooms)


def scratch(name: str, size: int, dtype: np.dtype) -> np.ndarray:
    """An array to write to, the same at each call of a thread: fresh memory is slow.

    Parameters
    ----------
    name : str
        What it is for, of which a thread does one at a time.
    size : int
        How many elements it has.
    dtype : dtype
        Their type.

    Returns
    -------
    room : ndarray of shape (size,)
        What was left there.
    """
    if not hasattr(_of_thread, "rooms"):
        _of_thread.rooms = {}
    rooms, n_bytes = _of_thread.rooms, size * dtype.itemsize
    if name not in rooms or rooms[name].nbytes < n_bytes:
        rooms[name] = np.empty(n_bytes, np.uint8)
    return rooms[name][:n_bytes].view(dtype)


@cache
def _blas() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, so it is done once.
    return ThreadpoolController().select(user_api="blas")


# The limit is global to the process: with several callers at once, the first one sets it
# and the last one takes it back.
_lock = Lock()
_callers = 0
_limiter: Any = None
_allowed = 1


@contextmanager
def one_blas_thread():
    """Hold BLAS to one thread; gives the number of threads it may use otherwise.

    Within it, `each` still takes as many as BLAS had been allowed.
    """
    global _callers, _limiter, _allowed
    with _lock:
        if _callers == 0:
            libraries = _blas().lib_controllers
            _allowed = min((lib.num_threads for lib in libraries), default=0) or cpu_count()
            _limiter = _blas().limit(limits=1)
        _callers += 1
        allowed = _allowed
    try:
        yield allowed
    finally:
        with _lock:
            _callers -= 1
            if _callers == 0:
                _limiter.restore_original_limits()
                _limiter = None
