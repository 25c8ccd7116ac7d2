"""Use with scikit-learn's tools, and with all kinds of tables and storage."""

import pickle

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.special import erfc
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from versions import POLARS_HAS_NAMES

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.bandwidths import Silverman
from nwkr.kernels import KERNELS, Kernel

close = {"rtol": 1e-10, "atol": 1e-12}
BOTH = (NadarayaWatsonRegressor, NadarayaWatsonClassifier)


@pytest.fixture
def data(rng):
    """Training rows, targets for a regressor, labels for a classifier, weights and queries."""
    X = rng.normal(size=(60, 2)) * [1.0, 20.0]
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=60)
    return X, y, np.digitize(y, [-0.5, 0.5]), rng.uniform(size=60), 2 * X[:15] + 0.1


def pooled(model, X):
    return getattr(model, "predict_proba", model.predict)(X)


# -- search -------------------------------------------------------------------------------


def test_pipeline_passes_weights(Estimator, data):
    X, y, labels, weight, queries = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    pipeline = Pipeline([("scale", StandardScaler()), ("pool", Estimator(bandwidth=0.4))])
    pipeline.fit(X, targets, pool__sample_weight=weight)
    scale = StandardScaler().fit(X).transform
    model = Estimator(bandwidth=0.4).fit(scale(X), targets, weight)
    assert_array_equal(pooled(pipeline, queries), pooled(model, scale(queries)))
    assert pipeline.score(X, targets) == model.score(scale(X), targets)
    assert_array_equal(
        pipeline[-1].attention_weights(pipeline[:-1].transform(queries)),
        model.attention_weights(scale(queries)),
    )


BANDWIDTHS = [1e-6, 0.3, np.array([0.3, 100.0]), [0.3, 5.0], "scott", Silverman(), np.inf]


def test_grid_search(Estimator, data):
    X, y, labels, *_ = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    grid = {"bandwidth": BANDWIDTHS, "kernel": ["boxcar", "gaussian", KERNELS["tricube"], erfc]}
    search = GridSearchCV(Estimator(), grid, cv=3, error_score="raise").fit(X, targets)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == len(BANDWIDTHS) * 4
    assert np.isfinite(scores).all()
    best = search.cv_results_["params"][scores.argmax()]
    assert search.best_params_["bandwidth"] is best["bandwidth"]
    by_hand = Estimator(**best)
    assert_allclose(search.best_score_, cross_val_score(by_hand, X, targets, cv=3).mean())
    assert_array_equal(search.predict(X), by_hand.fit(X, targets).predict(X))
    # Only the first column matters, and the chosen array says so.
    assert (
        search.best_score_
        > scores[[p["bandwidth"] is np.inf for p in search.cv_results_["params"]]].max()
    )


def test_randomized_search(Estimator, data):
    X, y, labels, *_ = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    space = {"bandwidth": loguniform(0.01, 100), "kernel": sorted(KERNELS)}
    search = RandomizedSearchCV(Estimator(), space, n_iter=15, cv=3, random_state=0)
    search.set_params(error_score="raise").fit(X, targets)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    by_hand = Estimator(**search.best_params_)
    assert_allclose(search.best_score_, cross_val_score(by_hand, X, targets, cv=3).mean())
    arrays = {"bandwidth": [np.array([a, b]) for a in (0.2, 1.0) for b in (5.0, np.inf)]}
    search = RandomizedSearchCV(Estimator(), arrays, n_iter=4, cv=3, random_state=0)
    assert search.fit(X, targets).best_params_["bandwidth"].shape == (2,)


def test_search_over_steps_of_a_pipeline_in_processes(data):
    X, y, *_ = data
    pipeline = Pipeline([("scale", StandardScaler()), ("pool", NadarayaWatsonRegressor())])
    grid = {
        "scale": [StandardScaler(), "passthrough"],
        "pool__bandwidth": [0.1, [0.2, np.inf]],
        "pool__kernel": ["gaussian", erfc],
    }
    alone = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    shared = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)
    assert_array_equal(shared.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
@pytest.mark.parametrize("handle_empty", ["nearest", "mean"])
def test_leave_one_out_equals_cross_validation(Estimator, kernel, handle_empty, data):
    X, y, labels = (array[:30] for array in data[:3])
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    model = Estimator(kernel, [0.2, 3.0], handle_empty=handle_empty)
    expected = cross_val_predict(model, X, targets, cv=LeaveOneOut())
    found = model.fit(X, targets).predict(None)
    if Estimator is NadarayaWatsonRegressor:
        assert_allclose(found, expected, **close)
    else:
        assert_array_equal(found, expected)
        expected = cross_val_predict(model, X, targets, cv=LeaveOneOut(), method="predict_proba")
        assert_allclose(model.predict_proba(None), expected, **close)


def test_leave_one_out_of_many_outputs_equals_cross_validation(kernel, data):
    X, y = (array[:30] for array in data[:2])
    Y = np.column_stack([y, 1e6 + X[:, 1], np.arange(30)])
    model = NadarayaWatsonRegressor(kernel, [0.2, 3.0])
    expected = cross_val_predict(model, X, Y, cv=LeaveOneOut())
    assert_allclose(model.fit(X, Y).predict(None), expected, **close)


def test_leave_one_out_of_precomputed_distances_equals_cross_validation(Estimator, kernel, data):
    X, labels = data[0][:30], data[2][:30]
    distances = cdist(X, X)
    model = Estimator(kernel, 2.0, metric="precomputed")
    method = "predict" if Estimator is NadarayaWatsonRegressor else "predict_proba"
    expected = cross_val_predict(model, distances, labels, cv=LeaveOneOut(), method=method)
    assert_allclose(pooled(model.fit(distances, labels), None), expected, **close)


def test_precomputed_distances_in_a_search(data):
    X, y, *_ = data
    grid = {"bandwidth": [0.5, 2.0, 8.0]}
    given = GridSearchCV(NadarayaWatsonRegressor(metric="precomputed"), grid, cv=4)
    direct = GridSearchCV(NadarayaWatsonRegressor(), grid, cv=4).fit(X, y)
    given.fit(cdist(X, X), y)
    assert_allclose(
        given.cv_results_["mean_test_score"], direct.cv_results_["mean_test_score"], rtol=1e-9
    )


# -- ensembles and wrappers ---------------------------------------------------------------


@pytest.mark.parametrize("Bagging", [BaggingRegressor, BaggingClassifier])
def test_bagging(Bagging, data):
    X, y, labels, weight, queries = data
    Base = BOTH[Bagging is BaggingClassifier]
    targets = y if Base is NadarayaWatsonRegressor else labels
    model = Bagging(Base("epanechnikov"), n_estimators=5, max_features=1, random_state=0)
    model.fit(X, targets, sample_weight=weight)
    members = [
        pooled(member, queries[:, columns])
        for member, columns in zip(model.estimators_, model.estimators_features_)
    ]
    assert_allclose(pooled(model, queries), np.mean(members, axis=0), **close)


def test_voting(data):
    X, y, labels, weight, queries = data
    narrow, wide = NadarayaWatsonClassifier(bandwidth=0.3), NadarayaWatsonClassifier("boxcar")
    model = VotingClassifier([("narrow", narrow), ("wide", wide)], voting="soft")
    model.fit(X, labels, sample_weight=weight)
    members = [clone(member).fit(X, labels, weight) for member in (narrow, wide)]
    expected = np.mean([member.predict_proba(queries) for member in members], axis=0)
    assert_allclose(model.predict_proba(queries), expected, **close)
    assert (
        VotingClassifier([("narrow", narrow), ("wide", wide)]).fit(X, labels).score(X, labels) > 0.5
    )

    narrow, wide = NadarayaWatsonRegressor(bandwidth=0.3), NadarayaWatsonRegressor("boxcar")
    model = VotingRegressor([("narrow", narrow), ("wide", wide)]).fit(X, y)
    members = [clone(member).fit(X, y).predict(queries) for member in (narrow, wide)]
    assert_allclose(model.predict(queries), np.mean(members, axis=0), **close)


def test_multi_output(data):
    X, _, labels, weight, queries = data
    Y = np.column_stack([labels, labels == 1])
    model = MultiOutputClassifier(NadarayaWatsonClassifier(bandwidth=0.5))
    model.fit(X, Y, sample_weight=weight)
    for column in (0, 1):
        alone = NadarayaWatsonClassifier(bandwidth=0.5).fit(X, Y[:, column], weight)
        assert_array_equal(model.predict(queries)[:, column], alone.predict(queries))
        assert_array_equal(model.predict_proba(queries)[column], alone.predict_proba(queries))
    wrapped = MultiOutputRegressor(NadarayaWatsonRegressor()).fit(X, Y)
    assert_allclose(
        wrapped.predict(queries), NadarayaWatsonRegressor().fit(X, Y).predict(queries), **close
    )


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method, rng):
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
    train, test = np.arange(300) < 200, np.arange(300) >= 200
    sharp = NadarayaWatsonClassifier("boxcar", bandwidth=0.05)
    model = CalibratedClassifierCV(sharp, method=method, cv=StratifiedKFold(4), ensemble=True)
    model.fit(X[train], y[train], sample_weight=rng.uniform(0.5, 1, size=200))
    probabilities = model.predict_proba(X[test])
    assert_allclose(probabilities.sum(axis=1), 1)
    sharp.fit(X[train], y[train])
    assert log_loss(y[test], probabilities) < log_loss(y[test], sharp.predict_proba(X[test]))


def test_permutation_importance(Estimator, data):
    X, y, labels, weight, _ = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    model = Estimator(bandwidth=[0.3, np.inf]).fit(X, targets)
    found = permutation_importance(
        model, X, targets, n_repeats=3, random_state=0, sample_weight=weight
    )
    assert_array_equal(found.importances[1], 0)  # the irrelevant column
    assert (found.importances[0] > 0.1).all()


def test_partial_dependence(Estimator, data):
    X, y, labels, *_ = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels > 0
    model = Estimator(bandwidth=[0.4, 10.0]).fit(X, targets)
    display = PartialDependenceDisplay.from_estimator(
        model, X, [0, (0, 1)], grid_resolution=7, kind="average"
    )
    plt.close(display.figure_)
    result = display.pd_results[0]
    for value, average in zip(result["grid_values"][0], result["average"][0]):
        held = np.column_stack([np.full(60, value), X[:, 1]])
        answers = pooled(model, held)
        expected = answers.mean() if answers.ndim == 1 else answers[:, 1].mean()
        assert_allclose(average, expected, **close)


def test_metadata_routing(Estimator, data):
    X, y, labels, weight, queries = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    with config_context(enable_metadata_routing=True):
        model = Estimator(bandwidth=0.3)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler(with_mean=False).set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model).fit(X, targets, sample_weight=weight)
        by_hand = clone(model).fit(scaler.fit_transform(X), targets, sample_weight=weight)
        assert_array_equal(pooled(pipeline, queries), pooled(by_hand, scaler.transform(queries)))
        assert pipeline.score(X, targets, sample_weight=weight) == by_hand.score(
            scaler.transform(X), targets, sample_weight=weight
        )

        # scikit-learn 1.6 cannot pass weights to the score of a pipeline
        search = GridSearchCV(model, {"bandwidth": [0.3, 1.0]}, cv=KFold(3))
        search.fit(X, targets, sample_weight=weight)
        for bandwidth, score in zip((0.3, 1.0), search.cv_results_["mean_test_score"]):
            scores = []
            for train, test in KFold(3).split(X):
                fold = Estimator(bandwidth=bandwidth).fit(X[train], targets[train], weight[train])
                scores.append(fold.score(X[test], targets[test], weight[test]))
            assert_allclose(score, np.mean(scores))


# -- copies and stores --------------------------------------------------------------------


def scaled_erfc(u):
    """A kernel that pickles by name."""
    return erfc(u / 2)


def half_spread(X, sample_weight):
    """A rule that pickles by name."""
    return X.std(axis=0) / 2


FORMS = [
    {},
    {"kernel": "cosine", "bandwidth": 0.7},
    {"kernel": KERNELS["tricube"], "bandwidth": np.array([0.5, 9.0])},
    {"kernel": Kernel("ours", scaled_erfc), "bandwidth": "silverman"},
    {"kernel": scaled_erfc, "bandwidth": half_spread},
    {"kernel": erfc, "bandwidth": Silverman()},
    {"metric": "manhattan", "handle_empty": "mean", "n_jobs": 2},
]


@pytest.mark.parametrize("params", FORMS, ids=range(len(FORMS)))
def test_clone(Estimator, params, data):
    X, _, labels, *_ = data
    model = Estimator(**params)
    assert vars(clone(model)).keys() == vars(model).keys()
    for name, value in params.items():
        assert getattr(model, name) is value
    model.fit(X, labels)
    for name, value in params.items():
        assert getattr(model, name) is value  # fit changes no parameter
    again = clone(model)
    assert not hasattr(again, "bandwidth_")
    assert_array_equal(pooled(again.fit(X, labels), X), pooled(model, X))


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("params", FORMS, ids=range(len(FORMS)))
def test_pickle(Estimator, params, protocol, data):
    X, _, labels, weight, queries = data
    model = Estimator(**params).fit(X, labels, weight)
    again = pickle.loads(pickle.dumps(model, protocol))
    assert vars(again).keys() == vars(model).keys()
    assert_array_equal(pooled(again, queries), pooled(model, queries))
    assert_array_equal(pooled(again, None), pooled(model, None))
    assert_array_equal(again.attention_weights_, model.attention_weights_)


@pytest.mark.parametrize("mmap_mode", [None, "r"])
@pytest.mark.parametrize("params", FORMS, ids=range(len(FORMS)))
def test_joblib(Estimator, params, mmap_mode, data, tmp_path):
    X, _, labels, weight, queries = data
    model = Estimator(**params).fit(X, labels, weight)
    joblib.dump(model, tmp_path / "model")
    again = joblib.load(tmp_path / "model", mmap_mode=mmap_mode)
    assert_array_equal(pooled(again, queries), pooled(model, queries))
    assert_array_equal(pooled(again, None), pooled(model, None))
    assert_array_equal(again.attention_weights_, model.attention_weights_)


@pytest.mark.parametrize("params", FORMS, ids=range(len(FORMS)))
def test_skops(Estimator, params, data, tmp_path):
    X, _, labels, weight, queries = data
    model = Estimator(**params).fit(X, labels, weight)
    skops.io.dump(model, tmp_path / "model.skops")
    trusted = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    ours = ("nwkr.", __name__, "scipy.special.erfc", "functools.partial")
    assert all(name.startswith(ours) for name in trusted), trusted
    again = skops.io.load(tmp_path / "model.skops", trusted=trusted)
    assert_array_equal(pooled(again, queries), pooled(model, queries))
    assert_array_equal(pooled(again, None), pooled(model, None))


# -- tables -------------------------------------------------------------------------------


def as_pandas(X):
    return pd.DataFrame(X, columns=["first", "second"])


def as_polars(X):
    return pl.DataFrame(X, schema=["first", "second"])


TABLES = {
    "pandas": (as_pandas, pd.Series),
    "polars": (as_polars, pl.Series),
    "lists": (np.ndarray.tolist, np.ndarray.tolist),
    "fortran": (np.asfortranarray, np.asarray),
    "strided": (lambda X: np.repeat(X, 2, axis=0)[::2], lambda y: np.repeat(y, 2)[::2]),
    "backwards": (lambda X: X[::-1].copy()[::-1], lambda y: y[::-1].copy()[::-1]),
    "big-endian": (lambda X: X.astype(">f8"), np.asarray),
    "nullable": (lambda X: as_pandas(X).astype("Float64"), lambda y: pd.Series(y)),
    "objects": (lambda X: X.astype(object), np.asarray),
}


@pytest.mark.parametrize("kernel", ["gaussian", "boxcar"])
@pytest.mark.parametrize("table", TABLES)
def test_tables_equal_arrays(Estimator, kernel, table, data):
    X, y, labels, weight, queries = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    frame, column = TABLES[table]
    model = Estimator(kernel).fit(frame(X), column(targets), column(weight))
    expected = Estimator(kernel).fit(X, targets, weight)
    named = table in ("pandas", "nullable") or (table == "polars" and POLARS_HAS_NAMES)
    assert hasattr(model, "feature_names_in_") == named
    if named:
        assert_array_equal(model.feature_names_in_, ["first", "second"])
    assert_allclose(pooled(model, frame(queries)), pooled(expected, queries), **close)
    assert_allclose(pooled(model, None), pooled(expected, None), **close)
    assert_allclose(
        model.attention_weights(frame(queries)), expected.attention_weights(queries), **close
    )
    assert isinstance(model.predict(frame(queries)), np.ndarray)
    score = model.score(frame(X), column(targets), column(weight))
    assert_allclose(score, expected.score(X, targets, weight))


@pytest.mark.parametrize("make", [as_pandas, as_polars] if POLARS_HAS_NAMES else [as_pandas])
def test_feature_names(Estimator, make, data):
    X, _, labels, *_ = data
    model = Estimator().fit(make(X), labels)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        Estimator().fit(X, labels).predict(make(X))
    model.predict(None)
    assert not hasattr(model.fit(X, labels), "feature_names_in_")


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "precomputed"])
def test_read_only_memory_maps(Estimator, kernel, metric, data, tmp_path):
    X, y, labels, weight, queries = data
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    if metric == "precomputed":
        X, queries = cdist(X, X), cdist(queries, X)
    mapped = []
    for number, array in enumerate((X, targets, weight, queries)):
        np.save(tmp_path / f"{number}.npy", array)
        mapped.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
        assert not mapped[-1].flags.writeable
    model = Estimator(kernel, metric=metric).fit(*mapped[:3])
    expected = Estimator(kernel, metric=metric).fit(X, targets, weight)
    assert_array_equal(pooled(model, mapped[3]), pooled(expected, queries))
    assert_array_equal(pooled(model, None), pooled(expected, None))
    assert_array_equal(model.attention_weights_, expected.attention_weights_)


@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f4", "f8"), ("f8", "f4")])
def test_float32(Estimator, kernel, dtypes, data):
    X, y, labels, weight, queries = data
    X, queries = X.astype("f4").astype("f8"), queries.astype("f4").astype("f8")  # exact in both
    targets = y if Estimator is NadarayaWatsonRegressor else labels
    for bandwidth in (0.5, "scott"):
        model = Estimator(kernel, bandwidth).fit(X.astype(dtypes[0]), targets, weight)
        expected = Estimator(kernel, bandwidth).fit(X, targets, weight)
        assert model.bandwidth_.dtype == np.float64
        for Q in (queries, None):
            found = pooled(model, Q if Q is None else Q.astype(dtypes[1]))
            # As in scikit-learn, float32 rows with labels give float32 results.
            short = dtypes[0] == "f4" and targets is labels
            assert found.dtype == (np.float32 if short else np.float64)
            # On the edge of the boxcar, the last digit may decide.
            assert_allclose(found, pooled(expected, Q), rtol=1e-3, atol=2e-4)


def test_integer_rows_equal_floats(Estimator, kernel, rng):
    X, labels = rng.integers(-5, 5, size=(40, 2)), rng.integers(3, size=40)
    for dtype in (np.int64, np.int8, np.uint8, bool):
        given = np.abs(X).astype(dtype)
        model = Estimator(kernel, 1.5).fit(given, labels)
        expected = Estimator(kernel, 1.5).fit(given.astype(float), labels)
        assert_array_equal(pooled(model, given), pooled(expected, given.astype(float)))


# -- accuracy -----------------------------------------------------------------------------


def test_scores_beat_the_baseline(data):
    X, y, labels, *_ = data
    regressor = NadarayaWatsonRegressor(bandwidth=[0.15, np.inf])
    found = cross_val_predict(regressor, X, y, cv=5)
    assert r2_score(y, found) > 0.9
    classifier = NadarayaWatsonClassifier(bandwidth=[0.15, np.inf])
    baseline = cross_val_score(LogisticRegression(), X, labels, cv=5).mean()
    assert cross_val_score(classifier, X, labels, cv=5).mean() > baseline + 0.2
