"""Settings and data that all tests share."""

import os

# Before SciPy is imported, or scikit-learn's array API checks are skipped in silence.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import matplotlib
import numpy as np
import pytest
from hypothesis import settings

from nwkr.kernels import KERNELS

matplotlib.use("agg")
settings.register_profile("alike", derandomize=True, deadline=None)
settings.load_profile("alike")


@pytest.fixture(params=sorted(KERNELS))
def kernel(request):
    """The name of every kernel."""
    return request.param


@pytest.fixture
def rng():
    """A generator that starts alike in every test."""
    return np.random.default_rng(20)
