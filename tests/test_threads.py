"""Concurrent predictions in several threads: results are the same, and BLAS settings are kept."""

import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.bandwidths import KNearest

SECONDS = 60  # to wait for another thread, which normally comes at once
BLAS = ThreadpoolController().select(user_api="blas").lib_controllers


def blas_threads():
    return {library.num_threads for library in BLAS}


@pytest.fixture(autouse=True)
def limits():
    """Two BLAS threads, even on a machine with one processor."""
    with threadpool_limits(2, user_api="blas"):
        before = threadpool_info()
        yield
        assert threadpool_info() == before


class Gate:
    """A kernel that can call a function first, and records its threads."""

    def __init__(self):
        self.first, self.threads, self.blas = None, set(), set()

    def __call__(self, u):
        self.threads.add(threading.get_ident())
        self.blas |= blas_threads()
        if self.first is not None:
            first, self.first = self.first, None
            first()
        return 1 / (1 + u) ** 2


def gated(rng, **parameters):
    X = rng.normal(size=(600, 2))
    gate = Gate()
    model = NadarayaWatsonRegressor(gate, 1.0, **parameters).fit(X, X[:, 0])
    gate.threads.clear()
    return model, gate, X


@pytest.fixture
def other():
    """Another thread."""
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_blas_has_one_thread_in_every_thread(n_jobs, other, rng):
    model, gate, X = gated(rng, n_jobs=n_jobs)
    here = model.predict(X)
    assert_array_equal(other.submit(model.predict, X).result(), here)
    assert gate.blas <= {1}


WAYS = {
    "dense": {"algorithm": "dense", "bandwidth": 0.3},
    "blocks": {"algorithm": "blocks", "bandwidth": 0.4, "kernel": "biweight"},
    "lattice": {"algorithm": "lattice", "bandwidth": 0.3},
    "nearest": {"bandwidth": KNearest(5)},
}


@pytest.mark.parametrize("way", WAYS)
def test_four_threads_predict_the_same_bits(way, rng):
    X, queries = rng.normal(size=(4000, 2)), rng.normal(size=(1000, 2))
    model = NadarayaWatsonRegressor(**WAYS[way]).fit(X, np.sin(X))
    expected, end = model.predict(queries), monotonic() + 0.2

    def predict_again(_):
        while True:  # at least once
            assert_array_equal(model.predict(queries), expected)
            if monotonic() > end:
                return

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(predict_again, range(4)))


def test_four_threads_fit_the_same(rng):
    X = rng.normal(size=(300, 2))
    y = np.sin(X[:, 0])

    def fit(_):
        return NadarayaWatsonRegressorCV().fit(X, y).bandwidth_

    expected = fit(None)
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(fit, range(8)):
            assert_array_equal(found, expected)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("first", ["main", "other"])
def test_blas_limit_lasts_until_the_last_prediction_ends(first, error, other, rng):
    short, short_gate, X = gated(rng, n_jobs=1)
    long, long_gate, _ = gated(rng, n_jobs=1)

    def fail():
        if error is not None:
            raise error

    def predict_short():
        short_gate.first = fail
        if error is None:
            short.predict(X)
        else:
            with pytest.raises(error):
                short.predict(X)
        assert blas_threads() <= {1}  # the other prediction continues

    if first == "other":
        long_gate.first = lambda: other.submit(predict_short).result(SECONDS)
        long.predict(X)
    else:
        inside, leave = threading.Event(), threading.Event()

        def wait():
            inside.set()
            assert leave.wait(SECONDS)

        long_gate.first = wait
        going_on = other.submit(long.predict, X)
        assert inside.wait(SECONDS)
        predict_short()
        leave.set()
        going_on.result(SECONDS)


def test_a_users_limit_holds_in_other_threads(other, rng):
    model, gate, X = gated(rng)
    with threadpool_limits(1, user_api="blas"):
        other.submit(model.predict, X).result()
        assert blas_threads() <= {1}
    assert len(gate.threads) == 1


def test_a_users_limit_may_end_during_a_prediction(other, rng):
    model, gate, X = gated(rng, n_jobs=1)
    inside, leave = threading.Event(), threading.Event()

    def wait():
        inside.set()
        assert leave.wait(SECONDS)

    gate.first = wait
    with threadpool_limits(3, user_api="blas"):
        going_on = other.submit(model.predict, X)
        assert inside.wait(SECONDS)
    leave.set()
    going_on.result(SECONDS)
    assert blas_threads() <= {1, 2}  # not the limit that has ended


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_during_a_prediction():
    script = """
        import os, threading
        import numpy as np
        from threadpoolctl import ThreadpoolController, threadpool_limits
        from nwkr import NadarayaWatsonRegressor

        threadpool_limits(2, user_api="blas")
        blas = ThreadpoolController().select(user_api="blas").lib_controllers
        before = [library.num_threads for library in blas]
        X = np.random.default_rng(0).normal(size=(1000, 20))
        model = NadarayaWatsonRegressor(bandwidth=3.0).fit(X, X[:, 0])
        end = threading.Event()

        def predict_again():
            while not end.is_set():
                model.predict(X[:200])

        other = threading.Thread(target=predict_again)
        other.start()
        for _ in range(8):
            child = os.fork()
            if child == 0:
                os._exit([library.num_threads for library in blas] != before)
            X.T @ X
            assert os.waitpid(child, 0)[1] == 0
        end.set()
        other.join()
        assert [library.num_threads for library in blas] == before
    """
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        check=True,
        timeout=SECONDS,
    )
