"""Settings and data that all tests share."""

import os

# Before SciPy is imported, or scikit-learn's array API checks are skipped in silence.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import matplotlib
import numpy as np
import pytest
from hypothesis import settings

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr._arrays import Arrays
from nwkr._validation import HAS_NAMESPACES
from nwkr.kernels import KERNELS

matplotlib.use("agg")
settings.register_profile("alike", derandomize=True, deadline=None)
settings.load_profile("alike")


def pytest_collection_modifyitems(items):
    """Refuse names that differ from process to process, with which pytest-xdist cannot work."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"ids=without_address (suite.py) is for {item.nodeid}")


@pytest.fixture(params=sorted(KERNELS))
def kernel(request):
    """The name of every kernel."""
    return request.param


@pytest.fixture(params=["array_api_strict", "torch"])
def arrays(request):
    """Arrays of another namespace than NumPy's: the strictest, elsewhere, and tensors if any."""
    if not HAS_NAMESPACES:
        pytest.skip("this scikit-learn dispatches to no namespace as it is used here")
    xp = pytest.importorskip(request.param)
    device = xp.Device("device1") if request.param == "array_api_strict" else "cpu"
    return Arrays(xp.empty(0, dtype=xp.float64, device=device))


@pytest.fixture(params=[NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def Estimator(request):
    """Both estimators."""
    return request.param


@pytest.fixture
def rng():
    """A generator that starts alike in every test."""
    return np.random.default_rng(20)
