"""Numeric radial moments against moments with a formula, in logarithms."""

from functools import partial
from math import inf, log, pi

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import PROFILES
from scipy.special import gammaln

from nwkr import NadarayaWatsonRegressor
from nwkr._radial_moments import numeric_log_moment
from nwkr.kernels import KERNELS, Kernel, get_kernel

P = [0, 0.5, 1, 2, 9, 99, 201]


def log_matern(p):
    """The log moment of ``(1 + u) exp(-u)``."""
    return np.logaddexp(gammaln(p + 1), gammaln(p + 2))


MOMENTS = {
    "exp(-1000 u)": (lambda u: np.exp(-1000 * u), lambda p: gammaln(p + 1) - (p + 1) * log(1000)),
    "exp(-u / 1e6)": (lambda u: np.exp(-u / 1e6), lambda p: gammaln(p + 1) + (p + 1) * log(1e6)),
    "u < .01": (lambda u: u < 0.01, lambda p: (p + 1) * log(0.01) - log(p + 1)),
    "u < 1e20": (lambda u: u < 1e20, lambda p: (p + 1) * log(1e20) - log(p + 1)),
    "ring": (
        lambda u: (u >= 1) & (u <= 1.01),
        lambda p: (p + 1) * log(1.01) + np.log1p(-(1.01 ** -(p + 1))) - log(p + 1),
    ),
    "two shells": (
        lambda u: 1.0 * (u <= 1) + ((u >= 3) & (u <= 4)),
        lambda p: np.log(4 ** (p + 1.0) - 3 ** (p + 1.0) + 1) - log(p + 1),
    ),
    "matern": (lambda u: (1 + u) * np.exp(-u), log_matern),
}


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize("name", MOMENTS)
def test_moments_of_functions_equal_the_formula(name, p):
    function, expected = MOMENTS[name]
    assert_allclose(numeric_log_moment(function, p), expected(p), rtol=0, atol=1e-8)


@pytest.mark.parametrize("p", P)
def test_moments_of_registered_kernels_equal_the_formula(kernel, p):
    known = KERNELS[kernel].log_moment
    if kernel == "constant":
        assert numeric_log_moment(PROFILES[kernel], p) == inf
    elif known is not None:
        assert_allclose(numeric_log_moment(PROFILES[kernel], p), known(p), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("tail", "last"), [(2, 0), (4, 2), (8, 6)])
def test_high_moments_of_heavy_tails_are_infinite(tail, last):
    """``1 / (1 + u ** tail)`` has finite moments of order less than ``tail - 1``."""
    moment = partial(numeric_log_moment, lambda u: 1 / (1 + u**tail))
    assert_allclose(moment(last), log(pi / tail / np.sin(pi * (last + 1) / tail)), atol=1e-9)
    for p in (tail - 1, tail, tail + 10, 99, 200):
        assert moment(p) == inf


def test_error_names_a_kernel_without_weight():
    kernel = Kernel("pin", lambda u2: (u2 < 1e-300).astype(float))
    with pytest.raises(ValueError, match=r"kernel='pin' has no radial moment of order 2.*are 0"):
        kernel.std(1 + 2)
    kernel = Kernel("hole", lambda u2: np.where(u2 > 4, np.nan, 1.0))
    with pytest.raises(ValueError, match=r"kernel='hole' .* order 0.*not finite"):
        kernel.log_normalizer(1)


def test_integrals_end_at_the_support():
    assert_allclose(Kernel("box", np.ones_like, support=2.0).std(1), 2 / np.sqrt(3))


@pytest.mark.parametrize("n_features", [1, 3, 100, 200])
@pytest.mark.parametrize("scale", [1e-5, 0.01, 1.0, 1e4])
def test_rules_do_not_depend_on_the_units_of_a_function(n_features, scale, rng):
    X = rng.normal(size=(30, n_features))
    for name in ("gaussian", "exponential", "boxcar", "cosine"):
        written = NadarayaWatsonRegressor(lambda u, n=name: PROFILES[n](u / scale)).fit(X, X[:, 0])
        named = NadarayaWatsonRegressor(name).fit(X, X[:, 0])
        assert_allclose(written.bandwidth_ * scale, named.bandwidth_, rtol=1e-7)


def test_a_hundred_columns_and_a_heavy_tail(rng):
    X = rng.normal(size=(30, 100))
    model = NadarayaWatsonRegressor(lambda u: 1 / (1 + u * u)).fit(X, X[:, 0])
    # Without a standard deviation, the rule is used untranslated.
    assert_allclose(model.bandwidth_, NadarayaWatsonRegressor().fit(X, X[:, 0]).bandwidth_)
    assert get_kernel(lambda u: 1 / (1 + u * u)).std(100) == inf
