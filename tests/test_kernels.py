"""Every registered kernel against its formula; its constants against quadrature."""

import copy
import pickle
from math import inf, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import PROFILES
from scipy.integrate import quad

from nwkr.kernels import KERNELS, Kernel, get_kernel

U = np.concatenate([np.linspace(0, 1.5, 301), [2.0, 5.0, 30.0]])


def test_the_formulas_cover_the_registry():
    assert sorted(PROFILES) == sorted(KERNELS)


def test_weights_equal_the_formula(kernel):
    assert_allclose(KERNELS[kernel](U), PROFILES[kernel](U), rtol=1e-13, atol=1e-15)


def test_weights_equal_those_of_attention(kernel):
    weights = KERNELS[kernel](U)
    assert weights[0] == 1
    assert np.all(weights >= 0)
    assert np.all(np.diff(weights) <= 0)


def test_support_is_exact(kernel):
    support = KERNELS[kernel].support
    if support == inf:
        assert np.all(KERNELS[kernel](np.array([1.0, 3.0, 37.0])) > 0)
    else:
        inside, outside = np.nextafter(support, [0, inf])
        assert KERNELS[kernel](inside) > 0
        assert KERNELS[kernel](outside) == 0


def test_log_profile_is_the_logarithm_of_the_profile(kernel):
    log_profile = KERNELS[kernel].log_profile
    if KERNELS[kernel].support < inf:
        assert log_profile is None
    else:
        assert_allclose(log_profile(U**2), np.log(PROFILES[kernel](U)), atol=1e-12)


def test_log_slope_is_the_slope_of_a_linear_logarithm(kernel):
    slope = KERNELS[kernel].log_slope
    linear = kernel in ("gaussian", "constant")
    assert (slope is not None) == linear
    if linear:
        assert_allclose(KERNELS[kernel](U), np.exp(slope * U**2))


def test_smooth_is_true_for_exactly_the_smooth_kernels(kernel):
    """A kernel is smooth if, and only if, rounding of its argument changes it by rounding alone."""
    error = 1e-12
    inner = U[U <= 1] ** 2
    profile = KERNELS[kernel].profile
    with np.errstate(invalid="ignore"):  # roots below 0 give NaN
        changes = [profile(inner + e) - profile(inner.copy()) for e in (error, -error)]
    assert KERNELS[kernel].smooth == bool(np.all(np.abs(changes) < 10 * error))


def radial_moment(kernel, p):
    upper = min(KERNELS[kernel].support, 60)
    return quad(lambda u: u**p * PROFILES[kernel](np.float64(u)), 0, upper, epsabs=0, limit=200)[0]


def test_derivatives_equal_those_of_the_profiles(kernel):
    derivative = KERNELS[kernel].derivative
    if kernel in ("boxcar", "constant"):
        assert derivative is None
        return
    u2, step = np.concatenate([np.linspace(0.01, 0.98, 50), np.linspace(1.02, 9, 50)]), 1e-6
    up, down = (PROFILES[kernel](np.sqrt(u2 + e)) for e in (step, -step))
    assert_allclose(derivative(u2.copy()), (up - down) / (2 * step), rtol=1e-6, atol=1e-8)
    assert np.isfinite(derivative(np.zeros(1)))


@pytest.mark.parametrize("n_features", [1, 2, 3, 10])
def test_constants_equal_those_of_the_density(kernel, n_features):
    kernel_ = KERNELS[kernel]
    if kernel == "constant":
        assert kernel_.std(n_features) == kernel_.log_normalizer(n_features) == inf
        return
    sphere = {1: 2, 2: 2 * pi, 3: 4 * pi, 10: pi**5 / 12}[n_features]
    mass = radial_moment(kernel, n_features - 1)
    variance = radial_moment(kernel, n_features + 1) / mass / n_features
    assert_allclose(kernel_.log_normalizer(n_features), np.log(sphere * mass), rtol=1e-8, atol=1e-8)
    assert_allclose(kernel_.std(n_features), sqrt(variance), rtol=1e-8)


def test_constants_equal_those_in_books():
    assert_allclose(KERNELS["gaussian"].log_normalizer(3), 1.5 * np.log(2 * pi))
    variances = {
        "gaussian": 1,
        "exponential": 2,
        "boxcar": 1 / 3,
        "triangular": 1 / 6,
        "epanechnikov": 1 / 5,
        "biweight": 1 / 7,
        "triweight": 1 / 9,
        "tricube": 35 / 243,
        "cosine": 1 - 8 / pi**2,
    }
    for name, variance in variances.items():
        assert_allclose(KERNELS[name].std(1) ** 2, variance, rtol=1e-10)


def test_moments_without_a_formula_are_integrated():
    for name in ("gaussian", "exponential", "epanechnikov"):
        known = KERNELS[name]
        plain = Kernel(name, known.profile, known.support)
        for n_features in (1, 2, 5):
            assert_allclose(plain.std(n_features), known.std(n_features), rtol=1e-7)
    assert Kernel("heavy", lambda u2: 1 / (1 + u2)).std(1) == inf


def test_call_takes_any_shape_and_keeps_its_argument(kernel):
    u = np.array([[0.2, -0.7], [1.0, 3.0]])
    before = u.copy()
    weights = KERNELS[kernel](u)
    assert_array_equal(u, before)
    assert weights.shape == u.shape
    assert KERNELS[kernel](0.2) == KERNELS[kernel]([0.2])[0] == weights[0, 0]
    assert_array_equal(KERNELS[kernel](-u), weights)


def test_float32_profiles_stay_float32(kernel):
    u2 = np.linspace(0, 2, 50, dtype=np.float32)
    weights = KERNELS[kernel].profile(u2.copy())
    assert weights.dtype == np.float32
    assert_allclose(weights, PROFILES[kernel](np.sqrt(u2.astype(float))), atol=1e-6)


def test_get_kernel_takes_names_and_kernels(kernel):
    assert get_kernel(kernel) is KERNELS[kernel]
    assert get_kernel(KERNELS[kernel]) is KERNELS[kernel]
    assert pickle.loads(pickle.dumps(KERNELS[kernel])) is KERNELS[kernel]
    assert copy.deepcopy(KERNELS[kernel]) is KERNELS[kernel]


def test_a_custom_kernel_can_be_pickled():
    kernel = Kernel("squared", np.square, 2.0)
    assert pickle.loads(pickle.dumps(kernel)) == kernel


@pytest.mark.parametrize("factor", [1, 3, 1 / sqrt(2 * pi)])
def test_a_formula_of_a_registered_kernel_gives_this_kernel(kernel, factor):
    found = get_kernel(lambda u: factor * PROFILES[kernel](u))
    if kernel == "cosine":  # its formula has no normal form
        assert found.name == "<lambda>"
        assert_allclose(found(U), factor * KERNELS[kernel](U), atol=1e-15)
    else:
        assert found is KERNELS[kernel]


@pytest.mark.parametrize(
    "function",
    [
        lambda u: u <= 1 + 1e-9,
        lambda u: u <= 1.004,
        lambda u: np.exp(-(u**2) / 2) + (np.abs(u - 95) < 1e-3),
        lambda u: np.exp(-(u**2) / 2) * (1 + (u == 1e5)),
        lambda u: np.exp(-(u**2) / 2 * (1 + 1e-12)),
        lambda u: np.where(u == 0.3, 0.7, np.maximum(0, 1 - u)),
        lambda u: np.exp(-np.minimum(u, 1e9)),
        lambda u: np.exp(-np.asarray(u)),  # the formula is hidden from the symbol
    ],
)
def test_a_formula_close_to_a_registered_kernel_stays_a_function(function):
    kernel = get_kernel(function)
    assert kernel not in KERNELS.values()
    u = np.array([0.0, 0.3, 1.0, 1 + 1e-9, 1.004, 30.0, 95.0, 1e5])
    assert_allclose(kernel(u), function(u), rtol=1e-15)


def test_a_function_that_treats_a_symbol_differently_stays_a_function():
    def function(u):
        return np.exp(-u) if isinstance(u, np.ndarray) else np.exp(-(u**2) / 2)

    assert get_kernel(function)(2.0) == np.exp(-2)


def test_other_functions_are_evaluated_as_they_are():
    def boxcar(u):
        return np.abs(u) < 1

    kernel = get_kernel(boxcar)
    assert kernel.name == "boxcar"
    assert_array_equal(kernel([0.0, 0.5, 1.0]), [1, 1, 0])
    assert get_kernel(lambda u: np.exp(-(u**2))).log_slope is None
    assert get_kernel(lambda u: np.exp(-(u**2) / 2) * (u < 30)).name == "<lambda>"


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda u: 1.0, ValueError, r"shape"),
        (lambda u: u[:1], ValueError, r"shape of its argument, \(2, 391\)"),
        (lambda u: u - 1, ValueError, r"non-negative weights.*from -1"),
        (lambda u: np.log(u * 0 - 1), ValueError, r"finite"),
        (lambda u: 1 / (u * 0), ValueError, r"finite"),
        (lambda u: 1 / u, ValueError, r"at distance 0 too; cap.*np.maximum\(u, 1e-12\).* to inf"),
        (lambda u: u**-2.0, ValueError, r"np.maximum\(u, 1e-12\)"),
        (lambda u: np.sin(u) ** 2 / u**2, ValueError, r"np.maximum\(u, 1e-12\).* from nan"),
        (lambda u: -np.log(u), ValueError, r"np.maximum\(u, 1e-12\)"),
        (lambda u: np.nan * u, ValueError, r"at distance 0 too; <lambda> returned"),
        (lambda u: 1 if u < 1 else 0, TypeError, r"array.*np.where\(u < 1.*truth value"),
        (lambda u: max(0, 1 - u), TypeError, r"array.*np.where\(u < 1.*truth value"),
        (lambda u: u + 1j, ValueError, r"real weights.*complex"),
        (lambda u: __import__("math").exp(-u), TypeError, r"must take an array"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_functions_are_refused(function, error, message):
    with pytest.raises(error, match=message):
        get_kernel(function)


def test_kernels_are_not_evaluated_at_infinity():
    def asked(u2):
        assert np.isfinite(u2).all()
        return np.exp(-u2)

    kernel = Kernel("asked", asked, log_profile=lambda u2: np.log(asked(u2)))
    u = np.array([0.0, 1.0, inf])
    assert_array_equal(kernel(u), [1, np.exp(-1), 0])
    assert_allclose(kernel.log_weights(u**2), [0, -1, -inf], rtol=1e-15)
    assert kernel(inf) == 0
    of_function = get_kernel(lambda u: asked(np.array(u) ** 2))
    assert_array_equal(of_function(u), [1, np.exp(-1), 0])
    # Large finite distances are evaluated.
    assert KERNELS["constant"](1e200) == 1


@pytest.mark.parametrize("exponent", [1, 2, 3, 10])
def test_powers_may_overflow_where_the_weight_is_0(exponent):
    kernel = get_kernel(lambda u: (1 + u) ** exponent * np.exp(-u))
    assert_array_equal(kernel([1e3, 1e60, 1e154, 1e300]), 0)
    heavy = get_kernel(lambda u: (1 + u) ** -0.5)
    assert_allclose(heavy([1e60, 1e100]), [1e-30, 1e-50])


def test_weights_are_copies_of_what_a_function_returns():
    kernel = get_kernel(lambda u: np.broadcast_to(1.0, u.shape))
    kernel.profile(np.ones((2, 2)))[0] = 0


def test_a_function_is_checked_at_every_evaluation():
    kernel = get_kernel(lambda u: np.where(u == 0.123456, -1.0, 1 / (1 + u)))
    with pytest.raises(ValueError, match="non-negative"):
        kernel([0.123456])


@pytest.mark.parametrize("wrong", ["epan", "Gaussian", ""])
def test_unknown_names_are_refused(wrong):
    with pytest.raises(ValueError, match=rf"kernel must be .*'gaussian'.* got '{wrong}'"):
        get_kernel(wrong)


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match=r"kernel must be .* got 3"):
        get_kernel(3)
