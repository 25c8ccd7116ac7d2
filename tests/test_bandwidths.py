"""Rules of thumb against their formulas; allowed values of `bandwidth`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nwkr import NadarayaWatsonRegressor
from nwkr._resolve_window import resolve_window
from nwkr.bandwidths import RULES, Scott, Silverman
from nwkr.kernels import KERNELS, Kernel

GAUSSIAN = KERNELS["gaussian"]


@pytest.fixture
def X(rng):
    return rng.normal(size=(40, 3)) * [1.0, 20.0, 1e-3] + [0.0, 5.0, 100.0]


def resolve(bandwidth, X, weights=None, kernel=GAUSSIAN, metric="euclidean"):
    X = np.asarray(X, float)
    weights = np.ones(len(X)) if weights is None else weights
    return resolve_window(bandwidth, X, weights, kernel, metric).bandwidth


def test_rules_equal_their_formulas(X):
    n, d = X.shape
    assert_allclose(Scott()(X), X.std(axis=0) * n ** (-1 / (d + 4)), rtol=1e-9)
    silverman = X.std(axis=0) * (n * (d + 2) / 4) ** (-1 / (d + 4))
    assert_allclose(Silverman()(X), silverman, rtol=1e-9)
    assert_allclose(resolve("scott", X), Scott()(X), rtol=1e-15)
    assert_array_equal(resolve(Silverman(), X), resolve("silverman", X))


@pytest.mark.parametrize("rule", RULES.values())
def test_weights_count_as_copies(rule, X, rng):
    weights = rng.integers(1, 4, len(X))
    assert_allclose(rule(X, weights), rule(X.repeat(weights, axis=0)), rtol=1e-12)
    one = resolve(rule, X[:, :1], weights.astype(float), metric="manhattan")
    many = resolve(rule, X[:, :1].repeat(weights, axis=0), metric="manhattan")
    assert_allclose(one, many, rtol=1e-12)


@pytest.mark.parametrize("rule", RULES.values())
@pytest.mark.parametrize(("scale", "shift"), [(1e150, 0), (1e-150, 0), (1.0, 1e6), (3.0, -50)])
def test_rules_scale_and_shift_with_the_data(rule, scale, shift, rng):
    X = rng.normal(size=(40, 3))
    assert_allclose(rule(X * scale + shift), rule(X) * scale, rtol=1e-9)


@pytest.mark.parametrize("rule", RULES.values())
def test_a_constant_column_is_ignored(rule, X):
    constant = np.insert(X, 1, 0.1, axis=1)
    assert_array_equal(rule(constant), np.insert(rule(X), 1, np.inf))
    assert_array_equal(rule(X[:1]), [np.inf] * 3)


def quartile_range(column, copies):
    """The range between the smallest values that a quarter and three quarters of the rows reach."""
    rows = column.repeat(copies)
    return np.subtract(*np.quantile(rows, [0.75, 0.25], method="inverted_cdf"))


@pytest.mark.parametrize("rule", RULES.values())
@pytest.mark.parametrize("huge", [1e5, -1e10, 1e150])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_huge_value_changes_no_rule(rule, huge, weighted, rng):
    X = rng.normal(size=(1001, 2))
    weights = rng.integers(1, 4, 1001) if weighted else None
    with_it = X.copy()
    with_it[7, 1] = huge
    got = rule(with_it, weights)
    assert_array_equal(got[0], rule(X, weights)[0])
    expected = quartile_range(with_it[:, 1], 1 if weights is None else weights) / 1.349
    n = 1001 if weights is None else weights.sum()
    assert_allclose(got[1], expected * rule.factor(n, 2), rtol=1e-12)
    assert_allclose(got[1], rule(X, weights)[1], rtol=0.15)
    if weighted:
        assert_allclose(got, rule(with_it.repeat(weights, axis=0)), rtol=1e-12)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.normal(size=500),
        lambda rng: rng.uniform(size=500),
        lambda rng: rng.exponential(size=500),
        lambda rng: rng.lognormal(size=500),
        lambda rng: rng.standard_t(3, size=500),
        lambda rng: rng.integers(0, 2, 500) * 1.0,
        lambda rng: np.arange(500) % 10 == 0,  # nine of ten values are equal
        lambda rng: np.where(np.arange(500) % 10 == 0, 1, 0.1 + rng.integers(0, 3, 500) * 2e-17),
        lambda rng: np.where(np.arange(500) == 7, 1e5, 0),
    ],
)
def test_spread_without_quartiles_is_the_standard_deviation(draw, rng):
    column = np.asarray(draw(rng), float)
    assert_allclose(Scott()(column[:, None]), column.std() * 500**-0.2, rtol=1e-9)


def test_rules_are_translated_by_the_second_moment(kernel, X):
    got = resolve("scott", X, kernel=KERNELS[kernel])
    if kernel == "constant":
        assert_array_equal(got, Scott()(X))
    else:
        assert_allclose(got * KERNELS[kernel].std(3), Scott()(X))
        # Spherical Epanechnikov in d dimensions has variance 1 / (d + 4) along each axis.
        if kernel == "epanechnikov":
            assert_allclose(got, Scott()(X) * np.sqrt(7))


def test_translation_counts_varying_columns_only(X):
    epanechnikov = KERNELS["epanechnikov"]
    constant = np.insert(X, 0, 2.0, axis=1)
    assert_array_equal(
        resolve("scott", constant, kernel=epanechnikov)[1:],
        resolve("scott", X, kernel=epanechnikov),
    )


def test_kernels_smooth_equally_under_a_rule(rng):
    """With translated bandwidths, kernels give nearly the same curve."""
    X = rng.uniform(-3, 3, size=(2000, 1))
    y = np.sin(2 * X[:, 0])
    Q = np.linspace(-2.5, 2.5, 50)[:, None]
    gaussian = NadarayaWatsonRegressor().fit(X, y).predict(Q)
    for name in ("boxcar", "triangular", "epanechnikov", "biweight", "triweight", "tricube"):
        assert_allclose(NadarayaWatsonRegressor(name).fit(X, y).predict(Q), gaussian, atol=0.06)


def test_metrics_have_the_same_rule_on_a_line(X):
    line = X[:, :1]
    euclidean = resolve("scott", line)
    assert_allclose(resolve("scott", line, metric="manhattan"), euclidean[0])
    distances = np.abs(line - line.T)
    assert_allclose(resolve("scott", distances, metric="precomputed"), euclidean[0])
    assert resolve("scott", np.zeros((4, 4)), metric="precomputed") == np.inf


def test_numbers_and_callables_are_bandwidths(X):
    assert_array_equal(resolve(2, X), [2.0] * 3)
    assert_array_equal(resolve([1, 0.5, np.inf], X), [1, 0.5, np.inf])
    assert_array_equal(resolve(np.float32(0.5), X), [0.5] * 3)
    assert_array_equal(resolve(0, X), [0.0] * 3)
    weights = np.linspace(1, 2, len(X))
    assert_array_equal(
        resolve(lambda X, w: np.ptp(X, axis=0) * w[0], X, weights), np.ptp(X, axis=0)
    )
    assert resolve(lambda X, w: 7, X, metric="cosine") == 7.0
    # The value that a callable returns is not translated to the kernel.
    assert_array_equal(resolve(lambda X, w: 1.0, X, kernel=KERNELS["boxcar"]), [1.0] * 3)


def test_a_kernel_without_moments_uses_the_rule_untranslated(X):
    heavy = Kernel("heavy", lambda u2: 1 / (1 + u2))
    assert_array_equal(resolve("scott", X, kernel=heavy), Scott()(X))


@pytest.mark.parametrize(
    "wrong",
    [
        -1,
        np.nan,
        [1, 2],
        [1, 2, -3],
        [1, 2, np.nan],
        [],
        [[1, 2, 3]],
        "scot",
        "1.0",
        None,
        True,
        [1, [2, 3], 4],
        ["a", "b", "c"],
        1j,
        lambda X, w: -1.0,
        lambda X, w: "scott",
    ],
)
def test_other_values_are_refused(wrong, X):
    with pytest.raises(ValueError, match=r"bandwidth must be a non-negative number.*got"):
        resolve(wrong, X)


def test_other_metrics_require_one_number(X):
    with pytest.raises(ValueError, match=r"bandwidth must be a non-negative number, one of.*got"):
        resolve([1.0, 1.0, 1.0], X, metric="manhattan")


def test_a_rule_sees_rows_with_weight_only(rng):
    seen = []

    def rule(X, sample_weight):
        seen.extend([X, sample_weight])
        return 1.0

    X = rng.normal(size=(6, 2))
    weights = np.array([1.0, 0.0, 2.0, 0.0, 3.0, 1.0])
    NadarayaWatsonRegressor(bandwidth=rule).fit(X, X[:, 0], weights)
    assert_array_equal(seen[0], X[weights > 0])
    assert_array_equal(seen[1], weights[weights > 0])


@pytest.mark.parametrize("rule", RULES.values())
def test_rules_ignore_missing_values(rule, X, rng):
    weights = rng.integers(1, 4, len(X))
    X[:7, 0], X[5:9, 1] = np.nan, np.nan
    spreads = [
        np.sqrt(np.cov(c[~np.isnan(c)], fweights=weights[~np.isnan(c)], ddof=0)) for c in X.T
    ]
    assert_allclose(rule(X, weights), np.array(spreads) * rule.factor(weights.sum(), 3), rtol=1e-9)
    X[:, 2] = np.nan
    assert rule(X, weights)[2] == np.inf
