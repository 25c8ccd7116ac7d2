"""The number of threads, and restored BLAS settings."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from joblib import cpu_count
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from nwkr._pooling import _threads
from nwkr._pooling._threads import each, one_blas_thread, scratch, slices


def blas_threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def threads_used(n_jobs, n_items=8):
    """The number of threads that work at the same time."""
    used, blas, wait = set(), set(), threading.Barrier(2)

    def task(_):
        used.add(threading.get_ident())
        blas.update(blas_threads())
        try:  # long enough for a second thread to arrive
            wait.wait(timeout=0.05)
        except threading.BrokenBarrierError:
            wait.reset()

    each(task, range(n_items), n_jobs)
    assert blas <= {1}
    return len(used)


def test_every_item_is_done_once():
    done = np.zeros(50, int)

    def task(i):
        done[i] += 1

    each(task, range(50), 3)
    each(task, iter(()), 3)
    assert np.all(done == 1)


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, 1), (2, 2)])
def test_n_jobs_is_the_number_of_threads(n_jobs, expected):
    assert threads_used(n_jobs) == expected


@pytest.mark.parametrize("allowed", [1, 2])
def test_n_jobs_none_is_the_number_of_blas_threads(allowed):
    with threadpool_limits(allowed, user_api="blas"):
        if set(blas_threads()) != {allowed}:
            pytest.skip("BLAS has fewer threads on this machine")
        assert threads_used(None) == allowed
        assert set(blas_threads()) == {allowed}


def test_blas_threads_are_restored_after_overlapping_calls():
    before = blas_threads()
    inside, leave = threading.Barrier(2), threading.Event()

    def long(_):
        inside.wait(5)
        leave.wait(5)

    def short(_):
        inside.wait(5)

    first = threading.Thread(target=each, args=(long, [0]))
    second = threading.Thread(target=each, args=(short, [0]))
    first.start()
    second.start()
    second.join()
    assert set(blas_threads()) <= {1}  # the first still runs
    leave.set()
    first.join()
    assert blas_threads() == before


class Library:
    """A BLAS library with one number of threads, or one per thread."""

    def __init__(self, number, *, shared):
        self.number, self.shared, self.of_thread = number, shared, threading.local()

    def get(self):
        return self.number if self.shared else getattr(self.of_thread, "number", self.number)

    def set(self, number):
        if self.shared:
            self.number = number
        else:
            self.of_thread.number = number


@pytest.mark.parametrize("shared", [True, False])
def test_blas_threads_per_thread_or_process(shared, monkeypatch):
    library = Library(3, shared=shared)
    monkeypatch.setattr(_threads, "_libraries", lambda: [library])
    seen, together = [], threading.Barrier(3)

    def task(_):
        together.wait(10)  # as many threads as are allowed
        seen.append(library.get())

    def call():
        with one_blas_thread() as allowed:
            each(task, range(6))
        return allowed, library.get()

    assert call() == (3, 3)
    with ThreadPoolExecutor(1) as other:
        with one_blas_thread():
            assert other.submit(call).result() == (3, 1 if shared else 3)
        assert other.submit(library.get).result() == 3
    assert seen == [1] * 12
    assert library.get() == 3


def test_a_number_of_threads_set_meanwhile_is_kept(monkeypatch):
    library = Library(3, shared=True)
    monkeypatch.setattr(_threads, "_libraries", lambda: [library])
    with one_blas_thread():
        library.set(2)
        with one_blas_thread() as allowed:
            assert (allowed, library.get()) == (2, 1)
        assert library.get() == 1
    assert library.get() == 2
    with one_blas_thread():
        library.set(4)
    assert library.get() == 4


def test_without_blas_processors_are_counted(monkeypatch):
    monkeypatch.setattr(_threads, "_libraries", list)
    with one_blas_thread() as allowed:
        assert allowed == cpu_count()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_interrupts_at_any_moment_restore_blas(monkeypatch, rng):
    library, armed = Library(3, shared=True), []
    monkeypatch.setattr(_threads, "_libraries", lambda: [library])

    def interrupt(*_):
        if armed:
            armed.clear()  # once: a late signal may meet the next timer
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for delay in rng.uniform(1e-6, 1e-4, size=2000):
            with suppress(KeyboardInterrupt):
                armed.append(True)
                signal.setitimer(signal.ITIMER_REAL, delay)
                for _ in range(10):
                    with one_blas_thread():
                        pass
                armed.clear()
            armed.clear()
            assert library.get() == 3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_is_raised(n_jobs):
    before = blas_threads()
    with pytest.raises(ZeroDivisionError):
        each(lambda i: 1 / i, [1, 2, 0, 3], n_jobs)
    assert blas_threads() == before


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_no_item_is_started_after_an_error(n_jobs):
    begun = []

    def task(i):
        begun.append(i)
        if i == 0:
            raise ZeroDivisionError
        time.sleep(0.001)

    with pytest.raises(ZeroDivisionError):
        each(task, range(2000), n_jobs)
    assert len(begun) < 1000


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_small_memory_of_threads_is_reused(n_jobs):
    def rooms_for(name, size):
        together, rooms = threading.Barrier(n_jobs), []

        def take(_):
            together.wait(10)  # otherwise one thread might do everything
            rooms.append(scratch(name, size, np.dtype(float)))

        each(take, range(6), n_jobs)
        return {room.__array_interface__["data"][0] for room in rooms}

    rooms = rooms_for("small", 100)
    assert len(rooms) == n_jobs
    assert rooms_for("small", 50) == rooms
    rooms_for("large", 2**21)
    assert not any("large" in rooms for rooms in _threads._left_over)


def test_each_thread_has_its_own_memory():
    barrier, rooms = threading.Barrier(2), []

    def fill(number):
        room = scratch("own", 1000, np.dtype(float))
        barrier.wait(10)
        room[:] = number
        barrier.wait(10)
        rooms.append((room == number).all())

    each(fill, range(2), n_jobs=2)
    assert all(rooms)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 48])
def test_slices_cover_a_range(n):
    parts = slices(n, 16)
    assert_array_equal(np.concatenate([np.arange(n)[part] for part in parts]), np.arange(n))
    assert all(1 <= part.stop - part.start <= 16 for part in parts)
