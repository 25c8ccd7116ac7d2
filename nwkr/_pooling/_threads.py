"""Blocks of work over threads, with BLAS held to one thread each, and memory for each."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import product
from threading import RLock, local
from typing import Any

import numpy as np
from joblib import cpu_count, effective_n_jobs
from threadpoolctl import LibController, ThreadpoolController

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
    if not left:
        return

    def work():
        for item in _taken(left):
            task(item)

    def work_apart():
        with one_blas_thread():  # limits may be the thread's own
            work()

    with one_blas_thread() as allowed:
        n_threads = allowed if n_jobs is None else 1 if n_jobs == 1 else effective_n_jobs(n_jobs)
        n_threads = min(n_threads, len(left))
        if n_threads <= 1:
            work()
            return
        used: list[dict] = []
        with ThreadPoolExecutor(n_threads, initializer=_furnish, initargs=(used,)) as pool:
            # Each thread takes the next item itself: a dispatcher would contend for the GIL.
            futures = [pool.submit(work_apart) for _ in range(n_threads)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                left.clear()  # after an error or an interrupt
            for future in futures:
                future.result()
        for rooms in used:
            small = {name: room for name, room in rooms.items() if room.nbytes <= _LARGEST_KEPT}
            _left_over.append(small)


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
# Arrays of threads that have ended, for later ones: of a few threads, and up to a size in bytes.
_left_over: deque[dict] = deque(maxlen=8)
_LARGEST_KEPT = 2**23


def _furnish(used):
    try:
        _of_thread.rooms = _left_over.pop()
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


class _Library:
    """A BLAS library, and how its number of threads is read and set from any thread.

    Parameters
    ----------
    controller : LibController
        What threadpoolctl knows of it.
    """

    def __init__(self, controller: LibController):
        self.get: Callable[[], int] = controller.get_num_threads
        self.set: Callable[[int], object] = controller.set_num_threads
        # With OpenMP, MKL and BLIS, each thread has its own number.
        self.shared = (
            controller.internal_api == "openblas"
            and getattr(controller, "threading_layer", None) != "openmp"
        )
        if self.shared:
            # threadpoolctl may set the number of the process from one thread only.
            for prefix, suffix in product(("", "scipy_"), ("", "64_", "_64")):
                name = f"{prefix}openblas_{{}}_num_threads{suffix}"
                if hasattr(controller.dynlib, name.format("set")):
                    self.get = getattr(controller.dynlib, name.format("get"))
                    self.set = getattr(controller.dynlib, name.format("set"))


@cache
def _libraries() -> list[_Library]:
    # Finding them takes milliseconds, so it is done once: those of NumPy and SciPy are loaded.
    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    found = [_Library(controller) for controller in controllers]
    return [library for library in found if library.get()]


class _Limit:
    """Some libraries held to one thread, from when the first caller enters until the last leaves.

    Any step may be interrupted, and is done again then.

    Parameters
    ----------
    shared : bool
        Whether for those whose number is the process's, or those where each thread has its own.
    """

    def __init__(self, *, shared: bool):
        self._shared = shared
        self._callers: set[object] = set()
        self._numbers: dict[_Library, int] = {}  # what the libraries had been allowed

    def enter(self, caller: object) -> list[int]:
        """Hold the libraries to one thread; gives what they had been allowed."""
        libraries = [library for library in _libraries() if library.shared == self._shared]
        self._callers.add(caller)
        for library in libraries:
            number = library.get()
            # A number other than 1 is new, even if other callers hold the library: a limit of
            # the user's own may have ended meanwhile.
            if number != 1:
                self._numbers[library] = number
                library.set(1)
        return [self._numbers.get(library, 1) for library in libraries]

    def leave(self, caller: object) -> None:
        """Give the libraries back what they had been allowed, unless others still hold them."""
        self._callers.discard(caller)
        if not self._callers:
            self.end()

    def end(self) -> None:
        """Give the libraries back what they had been allowed."""
        self._callers.clear()
        for library, number in list(self._numbers.items()):
            if library.get() == 1:  # else the user has set it meanwhile
                library.set(number)
            self._numbers.pop(library, None)


_of_process = _Limit(shared=True)
_lock = RLock()  # a signal handler may enter while its own thread holds it


def _limit_of_thread() -> _Limit:
    if not hasattr(_of_thread, "limit"):
        _of_thread.limit = _Limit(shared=False)
    return _of_thread.limit


@contextmanager
def one_blas_thread():
    """Hold BLAS to one thread; gives the number of threads it may use otherwise.

    Within it, `each` still takes as many as BLAS had been allowed. Several threads may hold BLAS
    at once: it gets its own number back when the last of them leaves. Products are made within
    it alone, or their last digit would depend on who else holds it.

    A limit of the user's own that begins while another thread holds BLAS, and outlasts it, takes
    1 for the number to give back: `threadpool_limits` cannot tell whose it is.
    """
    caller = object()

    def leave():
        with _lock:
            _of_process.leave(caller)
        _limit_of_thread().leave(caller)

    try:
        with _lock:
            allowed = _of_process.enter(caller)
        allowed += _limit_of_thread().enter(caller)
        yield min(allowed, default=0) or cpu_count()
    finally:
        try:
            leave()
        except BaseException:
            leave()  # an interrupt came in between
            raise


def _begin_child():
    # The child has none of the threads that hold BLAS.
    _of_process.end()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_child
    )
