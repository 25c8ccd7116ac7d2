"""Work in several threads, with one BLAS thread each, and memory for each thread."""

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
        The work. It must write its result where no other task writes.
    items : iterable
        Arguments of the task.
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
        with one_blas_thread():  # limits may be per thread
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
    """Take items until none is left, shared with other threads."""
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
# Arrays of ended threads, for reuse: of a few threads, up to a size in bytes.
_left_over: deque[dict] = deque(maxlen=8)
_LARGEST_KEPT = 2**23


def _furnish(used):
    try:
        _of_thread.rooms = _left_over.pop()
    except IndexError:
        _of_thread.rooms = {}
    used.append(_of_thread.rooms)


def scratch(name: str, size: int, dtype: np.dtype) -> np.ndarray:
    """A scratch array, reused by a thread because fresh memory is slow.

    Parameters
    ----------
    name : str
        Its purpose; a thread uses one array for each at a time.
    size : int
        Number of elements.
    dtype : dtype
        Their type.

    Returns
    -------
    room : ndarray of shape (size,)
        The array, with arbitrary contents.
    """
    if not hasattr(_of_thread, "rooms"):
        _of_thread.rooms = {}
    rooms, n_bytes = _of_thread.rooms, size * dtype.itemsize
    if name not in rooms or rooms[name].nbytes < n_bytes:
        rooms[name] = np.empty(n_bytes, np.uint8)
    return rooms[name][:n_bytes].view(dtype)


class _Library:
    """A BLAS library, whose number of threads can be read and set from any thread.

    Parameters
    ----------
    controller : LibController
        Its controller of threadpoolctl.
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
    # Finding the libraries takes milliseconds, so it is done once, after NumPy and SciPy are
    # loaded.
    controllers = ThreadpoolController().select(user_api="blas").lib_controllers
    found = [_Library(controller) for controller in controllers]
    return [library for library in found if library.get()]


class _Limit:
    """Libraries limited to one thread, from the first caller that enters to the last that leaves.

    Any step may be interrupted, and is then repeated.

    Parameters
    ----------
    shared : bool
        Whether the number of threads belongs to the process, or to each thread.
    """

    def __init__(self, *, shared: bool):
        self._shared = shared
        self._callers: set[object] = set()
        self._numbers: dict[_Library, int] = {}  # number of threads before the limit

    def enter(self, caller: object) -> list[int]:
        """Limit the libraries to one thread; return the number before."""
        libraries = [library for library in _libraries() if library.shared == self._shared]
        self._callers.add(caller)
        for library in libraries:
            number = library.get()
            # A number other than 1 is new, even if other callers limit the library: a limit of the
            # user may have ended meanwhile.
            if number != 1:
                self._numbers[library] = number
                library.set(1)
        return [self._numbers.get(library, 1) for library in libraries]

    def leave(self, caller: object) -> None:
        """Restore the numbers of threads, unless other callers still limit them."""
        self._callers.discard(caller)
        if not self._callers:
            self.end()

    def end(self) -> None:
        """Restore the numbers of threads."""
        self._callers.clear()
        for library, number in list(self._numbers.items()):
            if library.get() == 1:  # otherwise the user has set it meanwhile
                library.set(number)
            self._numbers.pop(library, None)


_of_process = _Limit(shared=True)
_lock = RLock()  # a signal handler may enter while its thread holds the lock


def _limit_of_thread() -> _Limit:
    if not hasattr(_of_thread, "limit"):
        _of_thread.limit = _Limit(shared=False)
    return _of_thread.limit


@contextmanager
def one_blas_thread():
    """Limit BLAS to one thread; return the number of threads that it may use otherwise.

    Within this context, `each` still uses the number of threads before the limit. Several threads
    may limit BLAS at once; the last one that leaves restores the number. All products are computed
    within this context, so that their last digit does not depend on other threads.

    A limit of the user that begins while another thread limits BLAS, and outlasts it, restores 1,
    because `threadpool_limits` cannot distinguish the two.
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
            leave()  # after an interrupt in between
            raise


def _begin_child():
    # The child process has none of the threads that limit BLAS.
    _of_process.end()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_child
    )
