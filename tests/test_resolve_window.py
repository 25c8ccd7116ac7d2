"""Resolving each form of `bandwidth` to a window."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import adaptive_factors

from nwkr._resolve_window import resolve_window
from nwkr._window import FixedWindow
from nwkr.bandwidths import Adaptive, KNearest, Scott
from nwkr.kernels import KERNELS


@pytest.fixture
def X(rng):
    return rng.normal(size=(30, 2)) * [1.0, 10.0]


def resolve(bandwidth, X, metric="euclidean"):
    return resolve_window(bandwidth, X, np.ones(len(X)), KERNELS["gaussian"], metric)


@pytest.mark.parametrize("base", ["scott", "silverman", 2.0, [1.0, 3.0], lambda X, w: 0.7])
def test_the_base_of_adaptive_is_any_fixed_bandwidth(base, X):
    window = resolve(Adaptive(base), X)
    assert_allclose(window.bandwidth, resolve(base, X).bandwidth)
    expected = adaptive_factors(X, "gaussian", window.bandwidth)
    assert_allclose(window.key_widths, expected, rtol=1e-9)


def test_resolved_windows_show_the_given_bandwidth(X):
    assert isinstance(resolve(1.0, X), FixedWindow)
    assert resolve(Adaptive("silverman", 0.3), X).name == Adaptive("silverman", 0.3)
    assert resolve(KNearest(2), X).name == KNearest(2)


@pytest.mark.parametrize("k", [0, -1, 31, 2.0, "3", None])
def test_bad_numbers_of_neighbours_are_refused(k, X):
    with pytest.raises(ValueError, match=r"KNearest\(k\) needs an integer k from 1 to n_samples"):
        resolve(KNearest(k), X)


@pytest.mark.parametrize("exponent", [-0.1, 1.1, np.nan, "0.5", None])
def test_bad_exponents_are_refused(exponent, X):
    with pytest.raises(ValueError, match=r"Adaptive\(base, exponent\) needs an exponent from 0 to"):
        resolve(Adaptive("scott", exponent), X)


@pytest.mark.parametrize("base", ["scot", -1.0, [1.0, 2.0, 3.0], None, KNearest(3), Adaptive()])
def test_bad_bases_are_refused(base, X):
    with pytest.raises(ValueError, match=r"bandwidth must be a non-negative number.*got"):
        resolve(Adaptive(base), X)


@pytest.mark.parametrize("rule", [Scott, KNearest, Adaptive, dict])
def test_classes_in_place_of_objects_are_refused(rule, X):
    with pytest.raises(TypeError, match=rf"^bandwidth.*got the class {rule.__name__}. Call it"):
        resolve(rule, X)


def test_adaptive_requires_a_euclidean_space(X):
    with pytest.raises(ValueError, match=r"Adaptive\(...\) needs metric='euclidean'.*'manhattan'"):
        resolve(Adaptive(), X, metric="manhattan")
