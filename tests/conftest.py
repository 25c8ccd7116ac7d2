"""Settings and data that all tests share."""

import os

# Before SciPy is imported, or scikit-learn's array API checks are skipped in silence.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Before NumPy is imported: each process of pytest-xdist has a processor, and BLAS no more.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib
import numpy as np
import pytest
from combinations import surplus
from hypothesis import settings

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr._arrays import Arrays
from nwkr._validation import HAS_NAMESPACES
from nwkr.kernels import KERNELS

matplotlib.use("agg")
settings.register_profile("alike", derandomize=True, deadline=None)
settings.load_profile("alike")


def pytest_addoption(parser):
    parser.addoption(
        "--all-kernels",
        action="store_true",
        help="test every kernel in all other cases of a test, not most kernels in one of them",
    )


def pytest_collection_modifyitems(config, items):
    for item in items:
        if " at 0x" in item.nodeid:  # which differs from process to process of pytest-xdist
            raise pytest.UsageError(f"ids=without_address (suite.py) is for {item.nodeid}")
    asked_for = any("::" in arg for arg in config.args)
    if not asked_for and not config.getoption("--all-kernels"):
        left_out = set(surplus(items))
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


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


@pytest.fixture
def data(rng):
    """Training rows, targets that serve both estimators, queries: some of them far away."""
    X = rng.uniform(size=(30, 2))
    y = rng.integers(3, size=30)
    return X, y, np.vstack([rng.uniform(size=(12, 2)), [[3.0, 1.0], [-2.0, 0.2]], X[:3]])


@pytest.fixture
def sample_weight(rng):
    """Weights, a third of them 0."""
    return rng.permutation(np.repeat([0.0, 0.5, 3.0], 10))
