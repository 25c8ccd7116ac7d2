"""Effective sample size and density of the rows at a query, against plain formulas."""

import re

import numpy as np
import pytest
from means import NadarayaWatsonRegressorCV
from oracles import (
    PROFILES,
    adaptive_factors,
    attention,
    attention_by_distance,
    nearest_widths,
    scaled_distances,
)
from scipy.spatial.distance import cdist
from sklearn.neighbors import KernelDensity

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS

# scikit-learn's names of kernels.
THEIRS = {
    "gaussian": "gaussian",
    "exponential": "exponential",
    "boxcar": "tophat",
    "triangular": "linear",
    "epanechnikov": "epanechnikov",
    "cosine": "cosine",
}
WITH_INTEGRAL = sorted(set(KERNELS) - {"constant"})


def make_data(rng, n=40, d=2):
    X, Q = rng.standard_normal((n, d)), rng.standard_normal((12, d))
    return X, rng.standard_normal(n), Q, rng.random(n) + 0.1


def log(density):
    with np.errstate(divide="ignore"):
        return np.log(density)


def integral(kernel, d):
    return np.exp(KERNELS[kernel].log_normalizer(d))


# -- the effective sample size -------------------------------------------------------------


@pytest.mark.parametrize("empty", ["nearest", "mean", "nan"])
def test_sample_size_equals_that_of_the_weights(kernel, empty, rng):
    X, y, Q, weight = make_data(rng)
    Q[0] = 20
    model = NadarayaWatsonRegressor(kernel, [0.3, 0.5], handle_empty=empty).fit(X, y, weight)
    weights = attention(Q, X, kernel, [0.3, 0.5], weight, empty=empty)
    if kernel in ("gaussian", "exponential"):
        weights = model.attention_weights(Q)  # the plain formula underflows
    expected = 1 / (weights**2).sum(axis=1)
    np.testing.assert_allclose(model.effective_sample_size(Q), expected, rtol=1e-9)


def test_sample_size_of_X_none_leaves_each_row_out(kernel, rng):
    X, y, _, _ = make_data(rng)
    weights = attention(X, X, kernel, 0.6, leave_self_out=True, empty="nearest")
    sizes = NadarayaWatsonRegressor(kernel, 0.6).fit(X, y).effective_sample_size(None)
    np.testing.assert_allclose(sizes, 1 / (weights**2).sum(axis=1), rtol=1e-9)


@pytest.mark.parametrize("light", [1e-150, 1e-280])
@pytest.mark.filterwarnings("error")
def test_sample_size_of_light_rows_without_the_heavy_one(light, kernel, rng):
    X, y, _, _ = make_data(rng)
    weights = np.where(np.arange(len(X)) == 3, 1.0, light)
    model = NadarayaWatsonRegressor(kernel, 0.6).fit(X, y, weights)
    alone = attention(X[3:4], np.delete(X, 3, axis=0), kernel, 0.6, empty="nearest")
    expected = 1 / (alone**2).sum()
    np.testing.assert_allclose(model.effective_sample_size(None)[3], expected, rtol=1e-9)


def test_sample_size_with_other_metrics_and_widths(rng):
    X, y, Q, _ = make_data(rng)
    distances = cdist(Q, X, "cityblock")
    width = nearest_widths(distances, 9)[:, None]
    weights = attention_by_distance(distances, width, "tricube")
    model = NadarayaWatsonRegressor("tricube", KNearest(9), metric="cityblock").fit(X, y)
    np.testing.assert_allclose(
        model.effective_sample_size(Q), 1 / (weights**2).sum(axis=1), rtol=1e-9
    )


def test_sample_size_without_an_exact_match(rng):
    # Weights among the nearest rows in the exact column.
    X, y, Q, _ = make_data(rng)
    X[:, 1] = rng.integers(0, 2, len(X))
    for kernel in KERNELS:
        model = NadarayaWatsonRegressor(kernel, [0.5, 0]).fit(X, y)
        weights = model.attention_weights(Q)
        np.testing.assert_allclose(
            model.effective_sample_size(Q), 1 / (weights**2).sum(axis=1), rtol=1e-9
        )


def test_sample_size_is_between_1_and_n():
    model = NadarayaWatsonRegressor("boxcar", 1.0).fit(np.r_[0, 0, 0, 0, 9.0][:, None], range(5))
    np.testing.assert_allclose(model.effective_sample_size([[0], [9], [30]]), [4, 1, 1])


def test_sample_size_of_a_classifier_and_a_search(rng):
    X, y, Q, _ = make_data(rng)
    for model in (NadarayaWatsonClassifier(), NadarayaWatsonRegressorCV()):
        model.fit(X, y > 0)
        expected = 1 / (model.attention_weights(Q) ** 2).sum(axis=1)
        np.testing.assert_allclose(model.effective_sample_size(Q), expected, rtol=1e-10)


def test_sample_size_of_an_empty_window_raises_with_handle_empty_error(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor("boxcar", 1e-3, handle_empty="error").fit(X, y)
    with pytest.raises(ValueError, match="handle_empty='error'"):
        model.effective_sample_size(Q)


# -- the density ---------------------------------------------------------------------------


# scikit-learn's integral of the cosine kernel is right in one dimension only.
@pytest.mark.parametrize(
    ("name", "d"), [(n, d) for n in sorted(THEIRS) for d in (1, 2, 4) if n != "cosine" or d == 1]
)
def test_density_equals_scikit_learns(name, d, rng):
    X, y, Q, weight = make_data(rng, d=d)
    theirs = KernelDensity(bandwidth=0.9, kernel=THEIRS[name]).fit(X, sample_weight=weight)
    ours = NadarayaWatsonRegressor(name, 0.9).fit(X, y, weight)
    expected = theirs.score_samples(Q)
    # Where our density is 0, scikit-learn's is a very small number.
    inside = expected > -100
    found = ours.score_samples(Q)
    assert inside.any()
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-9, atol=1e-9)
    assert (found[~inside] < -100).all()


@pytest.mark.parametrize("kernel", WITH_INTEGRAL)
@pytest.mark.parametrize("handle_empty", ["nearest", "error"])
def test_density_with_a_bandwidth_per_column(kernel, handle_empty, rng):
    X, y, Q, weight = make_data(rng, d=3)
    bandwidth = [0.7, np.inf, 1.3]
    model = NadarayaWatsonRegressor(kernel, bandwidth, handle_empty=handle_empty).fit(X, y, weight)
    kernels = PROFILES[kernel](scaled_distances(Q, X, bandwidth))
    density = kernels @ weight / weight.sum() / integral(kernel, 2) / (0.7 * 1.3)
    np.testing.assert_allclose(model.score_samples(Q), log(density), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kernel", WITH_INTEGRAL)
def test_density_of_X_none_leaves_each_row_out(kernel, rng):
    X, y, _, weight = make_data(rng)
    weight[3] = 0
    kernels = PROFILES[kernel](scaled_distances(X, X, 0.8))
    np.fill_diagonal(kernels, 0)
    density = kernels @ weight / (weight.sum() - weight) / integral(kernel, 2) / 0.8**2
    found = NadarayaWatsonRegressor(kernel, 0.8).fit(X, y, weight).score_samples(None)
    np.testing.assert_allclose(found, log(density), rtol=1e-9, atol=1e-9)


def test_density_far_from_all_rows():
    X = np.arange(10.0)[:, None]
    far = NadarayaWatsonRegressor(bandwidth=0.1).fit(X, X[:, 0]).score_samples([[20.0]])
    expected = -((11 / 0.1) ** 2) / 2 - np.log(0.1 * np.sqrt(2 * np.pi) * 10)
    np.testing.assert_allclose(far, expected, rtol=1e-12)
    assert NadarayaWatsonRegressor("boxcar").fit(X, X[:, 0]).score_samples([[99.0]]) == -np.inf


@pytest.mark.parametrize("kernel", WITH_INTEGRAL)
def test_density_integrates_to_one(kernel):
    X = np.array([[0.0], [1.0], [1.2], [4.0]])
    grid = np.linspace(-40, 45, 85_001)
    for bandwidth in (0.5, Adaptive(0.5), Adaptive(0.5, exponent=1)):
        model = NadarayaWatsonRegressor(kernel, bandwidth).fit(X, X[:, 0], [1, 2, 1, 1])
        density = np.exp(model.score_samples(grid[:, None]))
        assert density.sum() * 1e-3 == pytest.approx(1, abs=2e-3)


def test_density_with_exact_columns_is_a_share_in_them(rng):
    X, y, Q, _ = make_data(rng)
    X[:, 1], Q[:, 1] = rng.integers(0, 2, 40), rng.integers(0, 3, 12)
    same = Q[:, 1, None] == X[:, 1]
    kernels = PROFILES["gaussian"](np.abs(Q[:, :1] - X[:, 0]) / 0.5) * same
    density = kernels.sum(axis=1) / 40 / np.sqrt(2 * np.pi) / 0.5
    found = NadarayaWatsonRegressor(bandwidth=[0.5, 0]).fit(X, y).score_samples(Q)
    np.testing.assert_allclose(found, log(density), rtol=1e-10)


def test_density_in_no_dimension_is_a_share(rng):
    X, y, _, _ = make_data(rng)
    X = rng.integers(0, 2, (40, 2))
    everywhere = NadarayaWatsonRegressor(bandwidth=np.inf).fit(X, y)
    np.testing.assert_allclose(everywhere.score_samples(X), 0, atol=1e-14)
    share = [(X == row).all(axis=1).mean() for row in X]
    exact = NadarayaWatsonRegressor(bandwidth=0).fit(X, y)
    np.testing.assert_allclose(exact.score_samples(X), np.log(share), rtol=1e-12)


@pytest.mark.parametrize("kernel", WITH_INTEGRAL)
def test_density_with_a_width_per_query(kernel, rng):
    X, y, Q, _ = make_data(rng)
    distances = cdist(Q, X)
    width = nearest_widths(distances, 6)[:, None]
    u = distances / width
    u[np.abs(u - 1) < 1e-12] = 1
    density = PROFILES[kernel](u).mean(axis=1) / integral(kernel, 2) / width[:, 0] ** 2
    found = NadarayaWatsonRegressor(kernel, KNearest(6)).fit(X, y).score_samples(Q)
    np.testing.assert_allclose(found, log(density), rtol=1e-9, atol=1e-9)


def test_density_with_zero_width_is_infinite():
    model = NadarayaWatsonRegressor(bandwidth=KNearest(2)).fit([[0.0], [0], [1]], [0, 1, 2])
    assert model.score_samples([[0.0]]) == np.inf


@pytest.mark.parametrize("kernel", WITH_INTEGRAL)
def test_density_with_a_width_per_row(kernel, rng):
    X, y, Q, weight = make_data(rng)
    factors = adaptive_factors(X, kernel, 0.9, 0.5, weight)
    kernels = PROFILES[kernel](scaled_distances(Q, X, 0.9) / factors)
    density = kernels @ (weight / factors**2) / weight.sum() / integral(kernel, 2) / 0.9**2
    found = NadarayaWatsonRegressor(kernel, Adaptive(0.9)).fit(X, y, weight).score_samples(Q)
    np.testing.assert_allclose(found, log(density), rtol=1e-9, atol=1e-9)


def test_density_of_a_classifier_is_that_of_all_rows(rng):
    X, y, Q, _ = make_data(rng)
    classifier = NadarayaWatsonClassifier(bandwidth=0.5).fit(X, y > 0)
    regressor = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    np.testing.assert_allclose(classifier.score_samples(Q), regressor.score_samples(Q))


@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"metric": "cityblock"},
            r"needs metric='euclidean'.* got metric='cityblock'",
        ),
        ({"kernel": "constant"}, r"a kernel with a finite integral; kernel='constant' has none"),
    ],
)
def test_methods_without_a_density_are_absent(Estimator, parameters, reason, rng):
    X, y, _, _ = make_data(rng)
    model = Estimator(**parameters).fit(X, y > 0)
    assert not hasattr(model, "score_samples")
    with pytest.raises(AttributeError) as error:
        model.score_samples(X)
    assert re.search(reason, str(error.value.__cause__))


def test_density_requires_a_function_with_an_integral(rng):
    X, y, Q, _ = make_data(rng)
    model = NadarayaWatsonRegressor(lambda u: 1 / (1 + u), 1.0).fit(X, y)
    with pytest.raises(ValueError, match="a finite integral; kernel='<lambda>' has none"):
        model.score_samples(Q)
