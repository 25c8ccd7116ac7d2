"""Fixtures of the tests with Dask collections."""

import pytest


@pytest.fixture
def one_thread():
    """All tasks of a graph run in the thread that computes it."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        yield
