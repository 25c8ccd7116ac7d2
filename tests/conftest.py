"""Settings and data that all tests share."""

import os

# This must be set before SciPy is imported: otherwise scikit-learn skips its array API checks.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# This must be set before NumPy is imported: each pytest-xdist process uses one processor.
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
        help="run every kernel in every case; by default, most kernels run in one case of a test",
    )


def pytest_collection_modifyitems(config, items):
    for item in items:
        if " at 0x" in item.nodeid:  # the address differs between processes of pytest-xdist
            raise pytest.UsageError(f"ids=without_address (suite.py) is for {item.nodeid}")
    asked_for = any("::" in arg for arg in config.args)
    if not asked_for and not config.getoption("--all-kernels"):
        left_out = set(surplus(items))
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(params=sorted(KERNELS))
def kernel(request):
    """The name of each kernel in turn."""
    return request.param


@pytest.fixture(params=["array_api_strict", "torch"])
def arrays(request):
    """Namespaces other than NumPy's: a strict one off the CPU, and PyTorch if installed."""
    if not HAS_NAMESPACES:
        pytest.skip("this scikit-learn dispatches to no namespace as it is used here")
    xp = pytest.importorskip(request.param)
    device = xp.Device("device1") if request.param == "array_api_strict" else "cpu"
    return Arrays(xp.empty(0, dtype=xp.float64, device=device))


@pytest.fixture(params=[NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def Estimator(request):
    """The regressor and the classifier in turn."""
    return request.param


@pytest.fixture
def rng():
    """A generator with the same seed in every test."""
    return np.random.default_rng(20)


@pytest.fixture
def data(rng):
    """Training rows, targets for both estimators, and queries, some of them far away."""
    X = rng.uniform(size=(30, 2))
    y = rng.integers(3, size=30)
    return X, y, np.vstack([rng.uniform(size=(12, 2)), [[3.0, 1.0], [-2.0, 0.2]], X[:3]])


@pytest.fixture
def sample_weight(rng):
    """Sample weights, a third of which are 0."""
    return rng.permutation(np.repeat([0.0, 0.5, 3.0], 10))
