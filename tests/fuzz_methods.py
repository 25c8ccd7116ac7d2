"""Random problems, method against method: ``python tests/fuzz.py --methods``.

`fuzz.py` compares predictions and attention weights with the plain formula. This module compares
all other methods with these two, and pairs of estimators that must give the same results.
"""

import pickle
import warnings

import numpy as np
from oracles import PROFILES, refit_without_each, scaled_distances
from sklearn.metrics import pairwise_distances
from small import SMALL

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.bandwidths import Adaptive, KNearest

SMOOTH = ["gaussian", "biweight", "triweight", "tricube"]


class Problem:
    """Rows, targets, weights and queries, and the parameters of an estimator."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng([seed, 1])
        self.n, self.d = rng.choice([3, 12, 40, 90]), rng.choice([1, 2, 3, 5])
        X = rng.normal(size=(self.n, self.d))
        X = [X, np.round(2 * X) / 2, np.exp(2 * X), X[rng.integers(0, max(2, self.n // 3), self.n)]]
        self.scale = float(rng.choice([1.0, 1.0, 1e-8, 1e8, 1e100]))
        self.X = X[rng.integers(4)] * self.scale
        moved = self.X[:6] + 0.3 * self.scale * rng.normal(size=(1, self.d))
        self.Q = np.vstack([self.X[:4], moved])
        self.y = rng.normal(size=self.n) * rng.choice([1.0, 1e-50, 1e50])
        self.labels = rng.integers(0, 3, self.n)
        self.weights = None
        if rng.random() < 0.6:
            unit = rng.choice([1, 1e-200, 1e200])
            self.weights = unit * np.exp(rng.uniform(-2, 2, self.n))
            self.weights[:2] = self.weights.max()
        widths = rng.uniform(0.5, 2, self.d) if rng.random() < 0.4 else 1.0
        self.width = self.scale * rng.choice([0.2, 0.7, 2.0, 9.0])
        self.options = {
            "kernel": str(rng.choice(sorted(PROFILES))),
            "bandwidth": self.width * widths,
            "handle_empty": str(rng.choice(["nearest", "mean"])),
            "algorithm": str(rng.choice(["auto", "dense", "blocks"])),
        }
        self.small = rng.random() < 0.5

    @property
    def kernel(self):
        return self.options["kernel"]

    @property
    def bandwidth(self):
        return self.options["bandwidth"]

    @property
    def lines_are_ill_posed(self):
        """Whether weights are so large that no penalty counts beside them."""
        return self.weights is not None and self.weights.max() > 1e100

    @property
    def some_degree(self):
        """0 or 1; lines through few rows need a penalty that is not negligible for the weights."""
        return self.rng.integers(1 if self.lines_are_ill_posed else 2)

    def model(self, Estimator=NadarayaWatsonRegressor, **changes):
        model = Estimator(**self.options | changes)
        if self.small:
            model._sizes = SMALL
        return model

    def fit(self, X=None, **changes):
        return self.model(**changes).fit(self.X if X is None else X, self.y, self.weights)

    def at_an_edge(self, *bandwidths):
        """Whether rounding decides if a row is within a window, or which row is the nearest."""
        for bandwidth in bandwidths or [self.bandwidth]:
            for u in (scaled_distances(Q, self.X, bandwidth) for Q in (self.Q, self.X)):
                nearest = np.sort(u + 9e9 * (u == 0), axis=1)[:, :2]
                ties = np.ptp(nearest, axis=1) < 1e-9 * nearest[:, 0]
                if (np.abs(u - 1) < 1e-9).any() or (ties & (nearest[:, 0] > 0.99)).any():
                    return self.kernel != "constant"
        return False

    def close(self, got, expected, rtol=1e-9):
        size = rtol * np.abs(self.y).max()
        return np.shape(got) == np.shape(expected) and (np.abs(got - expected) <= size).all()


# -- the same rows in other arrays, batches and units -------------------------------------


def layouts(p):
    expected = p.fit().predict(p.Q)
    for X in (np.asfortranarray(p.X), np.repeat(p.X, 2, axis=1)[:, ::2], p.X.tolist()):
        assert np.array_equal(p.fit(X).predict(p.Q), expected)


def float32(p):
    if p.scale == 1e100:  # beyond its range
        return
    X, Q = p.X.astype(np.float32), p.Q.astype(np.float32)
    got, expected = p.fit(X).predict(Q), p.fit(X.astype(float)).predict(Q.astype(float))
    assert got.dtype == expected.dtype
    assert p.kernel == "boxcar" or p.close(got, expected, 1e-4)


def weights_in_other_units(p):
    if p.weights is None:
        return
    expected = p.fit().predict(p.Q)
    p.weights = p.weights / p.weights.max() * 2.0**40
    assert p.close(p.fit().predict(p.Q), expected)


def batches(p):
    whole, model = p.fit(), p.model()
    weights = np.ones(p.n) if p.weights is None else p.weights
    ends = np.unique(p.rng.integers(2, p.n, 3)) if p.n > 3 else [2]
    for rows in np.split(np.arange(p.n), ends):
        model.partial_fit(p.X[rows], p.y[rows], weights[rows])
    for Q in (p.Q, None):
        assert np.array_equal(model.predict(Q), whole.predict(Q))


def pickles(p):
    model = p.fit(degree=p.some_degree)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(p.Q), model.predict(p.Q))


def one_by_one(p):
    model = p.fit(degree=p.some_degree)
    assert p.close(np.concatenate([model.predict(q[None]) for q in p.Q]), model.predict(p.Q))


# -- other methods of the same estimator --------------------------------------------------


def linear_in_targets(p):
    model = p.fit(degree=p.some_degree)
    for Q in (p.Q, None):
        weights = model.effective_weights(Q)
        reach = max(1, np.abs(weights).sum(axis=1).max())
        assert p.close(weights @ p.y, model.predict(Q), 1e-9 * reach)
        assert np.abs(model.effective_weights(Q, sparse_output=True) - weights).max() == 0
        contributions = model.explain(Q, top_k=None).groupby("query")["contribution"].sum()
        assert p.close(contributions.to_numpy(), model.predict(Q), 1e-9 * reach)
        sizes = 1 / np.square(weights).sum(axis=1)
        assert np.allclose(model.effective_sample_size(Q), sizes, rtol=1e-7)
        residuals = p.y - model.predict(None)
        errors = np.sqrt(np.square(weights) @ np.square(residuals / np.abs(p.y).max()))
        assert p.close(model.standard_error(Q), errors * np.abs(p.y).max(), 1e-7 * reach)


def spreads(p):
    model, size = p.fit(), np.abs(p.y).max()
    weights = model.attention_weights(p.Q)
    mean, std = model.predict(p.Q, return_std=True)
    assert np.array_equal(mean, model.predict(p.Q))
    variance = np.einsum("ij,ij->i", weights, np.square((p.y - mean[:, None]) / size))
    assert np.abs(np.square(std / size) - variance).max() < 1e-9


def quantiles(p):
    model, levels = p.fit(), [0, 0.2, 0.5, 0.9, 1]
    weights = model.attention_weights(p.Q)
    for row, got in zip(weights, model.predict_quantiles(p.Q, levels)):
        for level, value in zip(levels, got):
            assert row[p.y == value].sum() > 0
            assert row[p.y < value].sum() - 1e-9 <= level <= row[p.y <= value].sum() + 1e-9
    thresholds = np.sort(p.y)[:3]
    shares = np.stack([weights @ (p.y <= t) for t in thresholds], axis=1)
    assert np.abs(model.predict_cdf(p.Q, thresholds) - shares).max() < 1e-9
    interval = model.predict_interval(p.Q, 0.75, method="quantile")
    assert np.array_equal(interval, model.predict_quantiles(p.Q, [0.125, 0.875]))


def draws(p):
    model = p.fit()
    weights = model.attention_weights(p.Q)
    samples = model.sample(p.Q, 50, random_state=0)
    for row, drawn in zip(weights, samples):
        assert np.isin(drawn, p.y[row > 0]).all()
        share = row[p.y <= np.median(p.y)].sum()
        found = (drawn <= np.median(p.y)).mean()
        # As often as that, give or take six standard errors.
        assert abs(found - share) <= 6 * np.sqrt((share * (1 - share) + 1e-9) / 50)


def densities(p):
    model, size = p.fit(), np.abs(p.y).max()
    weights, grid = model.attention_weights(p.Q), np.linspace(-1, 1, 5) * size
    z = (grid[:, None] - p.y) / size / 0.3
    expected = weights @ (np.exp(-(z**2) / 2) / 0.3 / np.sqrt(2 * np.pi)).T
    assert np.abs(model.predict_density(p.Q, grid, 0.3 * size) * size - expected).max() < 1e-9


def bands(p):
    model = p.fit(degree=p.some_degree)
    each, all_at_once = model.predict_band(p.Q, 0.8, n_bootstrap=40, random_state=0)
    weights, residuals = model.effective_weights(p.Q), p.y - model.predict(None)
    widest = np.abs(weights) @ np.abs(residuals)
    reach = max(1, np.abs(weights).sum(axis=1).max())
    for band in (each, all_at_once):
        assert p.close(band.mean(axis=1), model.predict(p.Q), 1e-9 * reach)
    half = np.ptp(each, axis=1) / 2
    assert (half <= widest + 1e-9 * reach * np.abs(p.y).max()).all()
    assert (np.ptp(all_at_once, axis=1) / 2 >= half * (1 - 1e-9)).all()


def intervals(p):
    model = p.fit(degree=p.some_degree)
    for method in ("jackknife+", "scaled", "quantile"):
        narrow, wide = (model.predict_interval(p.Q, c, method=method) for c in (0.3, 0.6))
        assert (wide[:, 0] <= narrow[:, 0]).all()
        assert (narrow[:, 1] <= wide[:, 1]).all()


def gradients(p):
    p.options["kernel"] = str(p.rng.choice(SMOOTH))
    p.options["bandwidth"] = np.maximum(p.bandwidth, p.scale)
    if p.at_an_edge() or p.scale == 1e100:  # slopes are out of range
        return
    model = p.fit(degree=p.some_degree)
    slopes, step = model.gradient(p.Q), 1e-6
    reached = (scaled_distances(p.Q, p.X, p.bandwidth) < 1).any(axis=1)
    for j in range(p.d):
        ahead = step * p.scale * (np.arange(p.d) == j)
        expected = (model.predict(p.Q + ahead) - model.predict(p.Q - ahead)) / (2 * step)
        assert p.close((slopes[:, j] * p.scale)[reached], expected[reached], 1e-3)


# -- other estimators that are the same ---------------------------------------------------


def refits(p):
    if p.weights is not None or p.n > 40:
        return
    model = p.fit(degree=p.some_degree)
    assert p.close(model.predict(None), refit_without_each(model, p.X, p.y), 1e-7)


def searches(p):
    widths = [p.width, 3 * p.width]
    if p.at_an_edge(*widths):
        return
    changes = {"bandwidths": widths, "degrees": (0,), "scoring": "neg_mean_absolute_error"}
    options = {name: value for name, value in p.options.items() if name != "bandwidth"}
    search = NadarayaWatsonRegressorCV(**options | changes).fit(p.X, p.y, p.weights)
    models = [p.fit(bandwidth=width) for width in widths]
    weights = np.ones(p.n) if p.weights is None else p.weights / p.weights.max()
    errors = [np.average(np.abs(p.y - m.predict(None)), weights=weights) for m in models]
    assert p.close(search.cv_results_["score"], -np.array(errors))
    best = models[widths.index(search.bandwidth_[0])]
    assert p.close(search.predict(p.Q), best.predict(p.Q))


def matrices(p):
    if p.scale == 1e100:  # a matrix of squares is out of range
        return
    axes = np.linalg.qr(p.rng.normal(size=(p.d, p.d)))[0] * p.rng.uniform(0.5, 2, p.d) * p.width
    got = p.fit(bandwidth=axes @ axes.T).predict(p.Q)
    p.X, p.Q = (np.linalg.solve(axes, rows.T).T for rows in (p.X, p.Q))
    p.options["bandwidth"] = 1.0
    assert p.at_an_edge() or p.close(got, p.fit().predict(p.Q), 1e-7)


def metrics(p):
    params = [{"p": 3}, {"p": 1.5}, {"p": 1}][p.rng.integers(3)]
    p.options["algorithm"] = "auto"
    if p.scale == 1e100:  # powers are out of range
        return
    D, DQ = (pairwise_distances(Q, p.X, metric="minkowski", **params) for Q in (p.X, p.Q))
    bandwidth = [p.width, np.inf, 0.0][p.rng.integers(3)]
    model = p.fit(bandwidth=bandwidth, metric="minkowski", metric_params=params)
    given = p.fit(D, bandwidth=bandwidth, metric="precomputed")
    if p.kernel != "boxcar":  # rounding may put a row within its window or not
        assert p.close(model.predict(p.Q), given.predict(DQ))
        assert p.close(model.predict(None), given.predict(None))


def the_past(p):
    model = p.fit(one_sided=0, handle_empty="nan")
    u = scaled_distances(p.Q, p.X, p.bandwidth)
    weights = PROFILES[p.kernel](u) * (p.X[:, 0] <= p.Q[:, :1])
    weights = weights * (1.0 if p.weights is None else p.weights / p.weights.max())
    got, total = model.predict(p.Q), weights.sum(axis=1)
    assert np.isnan(got[total == 0]).all() or p.kernel in ("gaussian", "exponential")
    some = total > 1e-200
    assert p.close(got[some], (weights @ p.y)[some] / total[some])


def widths_that_vary(p):
    if p.weights is not None or p.scale == 1e100:
        return
    for bandwidth in (KNearest(2), Adaptive(p.width)):
        model = p.fit(bandwidth=bandwidth)
        for Q in (p.Q, None):
            assert p.close(model.attention_weights(Q) @ p.y, model.predict(Q))
        assert np.isfinite(model.predict_quantiles(p.Q, [0.1, 0.5])).all()


# -- classes ------------------------------------------------------------------------------


def shares_of_classes(p):
    model = p.model(NadarayaWatsonClassifier).fit(p.X, p.labels, p.weights)
    for Q in (p.Q, None):
        shares = model.attention_weights(Q) @ np.equal.outer(p.labels, model.classes_)
        assert np.abs(model.predict_proba(Q) - shares).max() < 1e-9


def classes_with_a_trend(p):
    model, dense = (
        p.model(NadarayaWatsonClassifier, degree=1, algorithm=algorithm)
        for algorithm in (p.options["algorithm"], "dense")
    )
    for each in (model, dense):
        each.fit(p.X, p.labels, p.weights)
    for Q in (p.Q, None):
        probabilities = model.predict_proba(Q)
        assert (probabilities >= 0).all()
        assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-9
        apart = np.abs(dense.predict_proba(Q) - probabilities).max()
        assert apart < 1e-7 or p.lines_are_ill_posed


# -- the comparison -----------------------------------------------------------------------

RELATIONS = [
    layouts, float32, weights_in_other_units, batches, pickles, one_by_one, linear_in_targets,
    spreads, quantiles, draws, densities, bands, intervals, gradients, refits, searches, matrices,
    metrics, the_past, widths_that_vary, shares_of_classes, classes_with_a_trend,
]  # fmt: skip


def check(seed):
    """The fault found in a problem, as text; "" if there is none."""
    complaints = []
    for relation in RELATIONS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                relation(Problem(seed))
            except Exception as error:
                line = error.__traceback__.tb_next.tb_lineno
                name = type(error).__name__
                complaints.append(f"{relation.__name__}, line {line}: {name} {error}")
    return "; ".join(complaints)
