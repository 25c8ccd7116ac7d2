"""Functions of many shapes as kernels, in every method, against the plain formula."""

from functools import cache

import numpy as np
import pytest
from means import NadarayaWatsonClassifierCV, NadarayaWatsonRegressorCV
from numpy.testing import assert_allclose
from oracles import nearest_widths
from scipy.spatial.distance import cdist

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr._pooling import Attention
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import get_kernel

FUNCTIONS = {
    "matern 1/2": lambda u: np.exp(-np.minimum(u, 1e6)),
    "matern 3/2": lambda u: (1 + 3**0.5 * u) * np.exp(-(3**0.5) * u),
    "matern 5/2": lambda u: (1 + 5**0.5 * u + 5 / 3 * u * u) * np.exp(-(5**0.5) * u),
    "gamma": lambda u: (1 + u) ** 3 * np.exp(-u),
    "cauchy": lambda u: 1 / (1 + u * u),
    "inverse": lambda u: 1 / np.maximum(u, 1e-12),
    "sinc squared": lambda u: np.sinc(0.9 * np.minimum(u, 10.5)) ** 2,
    "table": lambda u: np.interp(u, [0, 1, 2], [1, 0.5, 0]),
    "ring": lambda u: (u > 0.5) & (u < 1.5),
    "little": lambda u: 1e-170 * np.exp(-u / 3),
    "least": lambda u: np.maximum(1e-300 - u * 1e-301, 0),
}
EUCLIDEAN = {
    "dense": {"bandwidth": [0.8, 1.3], "algorithm": "dense"},
    "blocks": {"bandwidth": [0.8, 1.3], "algorithm": "blocks"},
    "zero column": {"bandwidth": [0.0, 0.7]},
    "infinite column": {"bandwidth": [np.inf, 0.7]},
    "zero": {"bandwidth": 0.0},
    "infinite": {"bandwidth": np.inf},
    "nearest": {"bandwidth": KNearest(5)},
    "adaptive": {"bandwidth": Adaptive(0.8)},
}
SETTINGS = EUCLIDEAN | {
    "cosine": {"bandwidth": 0.4, "metric": "cosine"},
    "manhattan": {"bandwidth": 1.2, "metric": "manhattan"},
    "precomputed": {"bandwidth": 0.9, "metric": "precomputed"},
    "nearest manhattan": {"bandwidth": KNearest(5), "metric": "manhattan"},
}
close = {"rtol": 1e-9, "atol": 1e-11}


@cache
def data():
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.integers(3, size=24), rng.normal(size=24)]).astype(float)
    Q = np.vstack([X[:2], rng.uniform(0, 2, size=(5, 2)).round(1), [[1, 50], [7, 0.1], [1, 3e9]]])
    Q[2:5, 0] = [0, 1, 2]
    y, weight = rng.normal(size=24).round(3) + 5, rng.integers(1, 4, 24).astype(float)
    return X, y, rng.integers(3, size=24), weight, Q


def skip_without_density(function, setting):
    if (function, setting) == ("ring", "adaptive"):
        pytest.skip("the density of a ring is 0 at some rows")


def plain_attention(function, setting, Q, left_out=None, keep=slice(None), empty="nan"):
    """(n_queries, n_train): weights by the plain formula, of the training rows in `keep`."""
    X, _, _, weight, _ = data()
    X, weight, K = X[keep], weight[keep], FUNCTIONS[function]
    options = SETTINGS[setting]
    bandwidth, metric = options["bandwidth"], options.get("metric", "euclidean")
    apart = np.zeros((len(Q), len(X)))  # squared differences in columns with bandwidth 0
    if metric != "euclidean":
        plain_names = {"manhattan": "cityblock", "precomputed": "euclidean"}
        distance = cdist(Q, X, plain_names.get(metric, metric))
    else:
        scale = np.ones(2) if isinstance(bandwidth, KNearest | Adaptive) else bandwidth
        scale = np.broadcast_to(scale, 2)
        apart = cdist(Q[:, scale == 0], X[:, scale == 0]) if (scale == 0).any() else apart
        counted = (scale > 0) & np.isfinite(scale)
        distance = np.zeros_like(apart)
        if counted.any():
            distance = cdist(Q[:, counted] / scale[counted], X[:, counted] / scale[counted])
    if isinstance(bandwidth, KNearest):
        width = nearest_widths(distance, bandwidth.k, weight, left_out)[:, None]
    elif isinstance(bandwidth, Adaptive):
        base = bandwidth.base
        density = (K(cdist(X, X) / base) * weight).sum(axis=1)
        log_density = np.log(density)
        log_density -= (weight * log_density).sum() / weight.sum()
        factors = np.exp(-0.5 * log_density)
        width, weight = base * factors, weight / factors**2
    else:
        width = 1.0 if metric == "euclidean" else bandwidth
    u = distance / width

    attention = np.zeros_like(u)
    for query in range(len(Q)):
        here = np.ones(len(X), bool)
        if left_out is not None:
            here[left_out[query]] = False
        at = here & (apart[query] == 0)
        if not at.any() and empty == "nearest":
            at = here & (apart[query] == apart[query, here].min())
        # Dividing by the largest weight keeps small weights in range.
        kernel = K(u[query, at])
        attention[query, at] = weight[at] * (kernel / (kernel.max(initial=0) or 1))
        if not attention[query].any() and empty == "mean":
            attention[query] = weight * here
        if not attention[query].any() and empty == "nearest":
            attention[query] = weight * at * (u[query] == u[query, at].min())
    with np.errstate(invalid="ignore"):
        return attention / attention.sum(axis=1, keepdims=True)


def fitted(Estimator, function, setting, empty, target, keep=slice(None)):
    X, *_, weight, _ = data()
    model = Estimator(FUNCTIONS[function], handle_empty=empty, **SETTINGS[setting])
    rows = cdist(X[keep], X[keep]) if setting == "precomputed" else X[keep]
    return model.fit(rows, target[keep], weight[keep])


def asked(setting, Q, keep=slice(None)):
    return cdist(Q, data()[0][keep]) if setting == "precomputed" else Q


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_methods_equal_the_plain_formula(function, setting):
    skip_without_density(function, setting)
    # Each function and each setting is tested with each of these.
    number = list(FUNCTIONS).index(function) + list(SETTINGS).index(setting)
    empty = ["nearest", "mean", "nan"][number % 3]
    X, y, classes, _, Q = data()
    model = fitted(NadarayaWatsonRegressor, function, setting, empty, y)
    classifier = fitted(NadarayaWatsonClassifier, function, setting, empty, classes)
    left_out = None if number % 2 else np.arange(len(X))
    given = None if left_out is not None else asked(setting, Q)
    plain = plain_attention(function, setting, X if given is None else Q, left_out, empty=empty)
    known = ~np.isnan(plain[:, 0])
    shares = np.where(known[:, None], plain, 0)
    mean = plain @ y

    attention = model.attention_weights(given)
    assert_allclose(attention, plain, **close)
    assert_allclose(
        model.attention_weights(given, sparse_output=True).toarray(), attention, **close
    )
    top = model.attention_weights(given, top_k=3, sparse_output=True).toarray()
    assert_allclose(np.sort(top)[known, -3:], np.sort(shares)[known, -3:], **close)
    assert_allclose(model.predict(given), mean, **close)
    std = np.sqrt((shares * (y - mean[:, None]) ** 2).sum(axis=1))
    found = model.predict(given, return_std=True)[1]
    assert_allclose(found, np.where(known, std, np.nan), rtol=1e-6, atol=1e-7)
    assert_allclose(model.effective_sample_size(given), 1 / (plain**2).sum(axis=1), rtol=1e-7)

    steps = [4.0, 5.01, 6.0]
    below = np.array([(plain * (y <= step)).sum(axis=1) for step in steps]).T
    assert_allclose(model.predict_cdf(given, steps), below, **close)
    order, levels = y.argsort(), [0.3719, 0.5123, 0.8141]
    sums = shares[:, order].cumsum(axis=1)
    plain_quantiles = np.array([y[order][(sums < q).sum(axis=1).clip(max=23)] for q in levels]).T
    quantiles = model.predict_quantiles(given, levels)
    assert_allclose(quantiles, np.where(known[:, None], plain_quantiles, np.nan))
    ends = model.predict_interval(given, coverage=0.63, method="quantile")
    assert_allclose(ends, model.predict_quantiles(given, [0.185, 0.815]))

    table = model.explain(given, top_k=None)
    assert_allclose(attention[table["query"], table["row"]], table["weight"], **close)
    assert len(table) == np.count_nonzero(attention[known])

    one_hot = np.eye(3)[classes]
    assert_allclose(classifier.predict_proba(given), plain @ one_hot, **close)


@pytest.mark.parametrize("setting", ["dense", "blocks", "infinite column", "zero column"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_densities_equal_the_plain_formula(function, setting):
    X, y, _, weight, Q = data()
    model = fitted(NadarayaWatsonRegressor, function, setting, "nan", y)
    scale = np.array(SETTINGS[setting]["bandwidth"])
    counted = (scale > 0) & np.isfinite(scale)
    try:
        volume = get_kernel(FUNCTIONS[function]).log_normalizer(counted.sum())
    except ValueError:
        volume = np.inf
    if not np.isfinite(volume):
        with pytest.raises(ValueError, match="integral"):
            model.score_samples(Q)
        return
    u = cdist(Q[:, counted] / scale[counted], X[:, counted] / scale[counted])
    same = (Q[:, None, scale == 0] == X[None, :, scale == 0]).all(axis=2)
    with np.errstate(divide="ignore"):
        parts = np.log(FUNCTIONS[function](u) * same) + np.log(weight / weight.sum())
    expected = np.logaddexp.reduce(parts, axis=1) - volume - np.log(scale[counted]).sum()
    assert_allclose(model.score_samples(Q), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("setting", "method"),
    [
        ("dense", "jackknife+"),
        ("zero column", "scaled"),
        ("manhattan", "scaled"),
        ("nearest", "jackknife+"),
    ],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_intervals_equal_the_plain_formula(function, setting, method):
    X, y, _, weight, Q = data()
    Q = Q[:-1]
    n, empty = len(X), "nearest"
    others = [np.arange(n) != i for i in range(n)]
    weights = [
        plain_attention(function, setting, np.vstack([Q, X[i]]), keep=keep, empty=empty)
        for i, keep in enumerate(others)
    ]
    fits = np.array([W @ y[keep] for W, keep in zip(weights, others)])
    residuals = np.abs(y - fits[:, -1])
    reach = np.tile(residuals[:, None], len(Q))
    if method == "scaled":
        scales = np.sqrt([W @ residuals[keep] ** 2 for W, keep in zip(weights, others)])
        reach = reach * scales[:, :-1] / scales[:, -1:]
    fits, wanted = fits[:, :-1], 0.7 * (weight.sum() + 1)

    def limit(ends):
        order = ends.argsort()
        return ends[order][np.searchsorted(weight[order].cumsum(), wanted * (1 - 1e-12))]

    expected = [(-limit(r - f), limit(f + r)) for f, r in zip(fits.T, reach.T)]
    model = fitted(NadarayaWatsonRegressor, function, setting, empty, y)
    found = model.predict_interval(Q, coverage=0.7, method=method)
    assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("setting", ["zero column", "adaptive"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bands_equal_those_of_refits(function, setting):
    skip_without_density(function, setting)
    X, y, *_, Q = data()
    left_out = plain_attention(function, setting, X, np.arange(len(X)), empty="nearest")
    plain = plain_attention(function, setting, Q, empty="nearest")
    signs = np.random.RandomState(3).choice([-1.0, 1.0], size=(50, len(X)))
    sizes = np.abs(plain @ (signs * (y - left_out @ y)).T)
    width = np.quantile(sizes, 0.9, axis=1, method="inverted_cdf")
    model = fitted(NadarayaWatsonRegressor, function, setting, "nearest", y)
    band, _ = model.predict_band(Q, coverage=0.9, n_bootstrap=50, random_state=3)
    assert_allclose(band, np.stack([plain @ y - width, plain @ y + width], axis=1), rtol=1e-8)


@pytest.mark.parametrize("setting", ["dense", "zero column", "precomputed", "nearest"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_searches_equal_the_plain_formula(function, setting):
    X, y, classes, weight, Q = data()
    options = dict(SETTINGS[setting])
    bandwidths = [options.pop("bandwidth")]
    rows = asked(setting, X)
    left_out = plain_attention(function, setting, X, np.arange(len(X)), empty="nearest")
    plain = plain_attention(function, setting, Q, empty="nearest")

    model = NadarayaWatsonRegressorCV(FUNCTIONS[function], bandwidths, **options)
    model.fit(rows, y, weight)
    score = -np.average((y - left_out @ y) ** 2, weights=weight)
    assert_allclose(model.best_score_, score, rtol=1e-9)
    assert_allclose(model.predict(asked(setting, Q)), plain @ y, **close)
    assert_allclose(model.attention_weights(None), left_out, **close)

    one_hot = np.eye(3)[classes]
    classifier = NadarayaWatsonClassifierCV(FUNCTIONS[function], bandwidths, **options)
    classifier.fit(rows, classes, weight)
    assert_allclose(classifier.predict_proba(asked(setting, Q)), plain @ one_hot, **close)
    assert_allclose(classifier.predict_proba(None), left_out @ one_hot, **close)


@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressorCV, NadarayaWatsonClassifierCV])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_search_finds_bandwidths(function, Estimator):
    X, y, classes, weight, _ = data()
    model = Estimator(FUNCTIONS[function])
    model.fit(X, y if Estimator is NadarayaWatsonRegressorCV else classes, weight)
    assert np.isfinite(model.best_score_)
    assert model.best_score_ == model.cv_results_["score"][model.best_index_]


def test_handle_empty_error_raises():
    _, y, *_, Q = data()
    for function in ("table", "ring", "gamma", "least"):
        model = fitted(NadarayaWatsonRegressor, function, "dense", "error", y)
        assert np.isfinite(model.predict(Q[:2])).all()
        for method in ("predict", "attention_weights", "predict_quantiles", "explain"):
            with pytest.raises(ValueError, match="handle_empty"):
                getattr(model, method)(Q)


def test_gradients_are_refused():
    _, y, *_, Q = data()
    for function in FUNCTIONS:
        model = fitted(NadarayaWatsonRegressor, function, "dense", "nearest", y)
        with pytest.raises(ValueError, match=r"gradient needs a kernel with a derivative"):
            model.gradient(Q)


@pytest.mark.parametrize("empty", ["nearest", "mean", None])
def test_a_row_at_infinite_distance_has_no_weight(empty):
    X, y, _, weight, Q = data()
    E = cdist(Q, X)
    E[:4, ::2] = np.inf
    E[4] = np.inf
    options = {"bandwidth": 0.9, "metric": "precomputed", "empty": empty}
    for kernel in map(get_kernel, [*FUNCTIONS.values(), "constant", "tricube", "exponential"]):
        attention = Attention(E, X, weight / weight.max(), kernel, **options)
        found = attention.pool(y[:, None]).finish()[:, 0]
        shown = np.zeros(E.shape)

        def note(rows, cols, weights, shown=shown):
            shown[np.ix_(rows, cols)] = weights

        attention.visit(note)
        K = kernel(E / 0.9) * np.isfinite(E)
        K = K / np.maximum(K.max(axis=1, keepdims=True), 1e-320) * weight
        reached = K.any(axis=1)
        assert_allclose(shown[reached], K[reached] / K[reached].sum(axis=1)[:, None], **close)
        assert_allclose(found[reached], (K @ y / K.sum(axis=1).clip(1e-9))[reached], **close)
        assert_allclose(shown[4].sum() * np.nan_to_num(found[4]), shown[4] @ y, **close)


def test_adaptive_widths_require_a_positive_density():
    X, y, *_ = data()
    model = NadarayaWatsonRegressor(FUNCTIONS["ring"], Adaptive(1e-3))
    with pytest.raises(ValueError, match=r"Adaptive.*density.*kernel='<lambda>'.*no weight"):
        model.fit(X, y)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
@pytest.mark.parametrize("bandwidth", [1e-160, 1e-100, 1e-40])
def test_powers_of_far_distances_that_overflow(bandwidth, metric):
    def kernel(u):
        return (1 + u**8) * np.exp(-u)  # infinity times 0

    _, y, _, _, Q = data()
    X = np.random.default_rng(0).normal(size=(24, 2))
    model = NadarayaWatsonRegressor(kernel, bandwidth, metric=metric).fit(X, y)
    assert_allclose(model.predict(Q), y[cdist(Q, X, metric).argmin(axis=1)])
