"""Arrays of other namespaces go in and come out, with the numbers that NumPy gives."""

import copy
import inspect
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_array_api_input

from nwkr import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)
from nwkr._arrays import Arrays, as_numpy, library_of
from nwkr._validation import HAS_NAMESPACES
from nwkr.bandwidths import Adaptive, KNearest
from nwkr.kernels import KERNELS, Kernel

REGRESSORS = {
    "means": NadarayaWatsonRegressor(),
    "lines": NadarayaWatsonRegressor(degree=1),
    "compact": NadarayaWatsonRegressor("epanechnikov", 0.4, handle_empty="nan"),
    "by feature": NadarayaWatsonRegressor(bandwidth=[0.3, np.inf]),
    "nearest": NadarayaWatsonRegressor("boxcar", KNearest(7)),
    "adaptive": NadarayaWatsonRegressor(bandwidth=Adaptive(0.5)),
    "manhattan": NadarayaWatsonRegressor(metric="manhattan"),
    "search": NadarayaWatsonRegressorCV(bandwidths=[0.2, 0.3, 0.6], per_feature=False),
    "search of everything": NadarayaWatsonRegressorCV(),
}
CLASSIFIERS = {
    "means": NadarayaWatsonClassifier(),
    "triangular": NadarayaWatsonClassifier("triangular", 0.5),
    "trend": NadarayaWatsonClassifier(degree=1),
    "search": NadarayaWatsonClassifierCV(),
}


@pytest.fixture(autouse=True)
def dispatched(request):
    """Runs a test with scikit-learn's array API dispatch, unless the test switches it off."""
    dispatches = "arrays" in request.fixturenames
    if dispatches:
        request.getfixturevalue("arrays")  # skips the test if there are none
    with dispatching(dispatches):
        yield


def dispatching(dispatches=True):
    """With array API dispatch on or off."""
    if dispatches and not HAS_NAMESPACES:
        pytest.skip("this scikit-learn dispatches to no namespace as it is used here")
    return config_context(array_api_dispatch=dispatches)


@pytest.fixture
def data(rng):
    """Rows, targets, labels, weights and queries."""
    X = rng.normal(size=(60, 2))
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=60)
    labels = np.digitize(y, [-0.5, 0.5])
    weights = rng.uniform(0.2, 2, 60) * (np.arange(60) % 7 > 0)
    return X, y, labels, weights, rng.normal(size=(12, 2))


def there(arrays, *numpy, dtype="float64"):
    """NumPy arrays as arrays of another namespace, in a given type."""
    types = [dtype if array.dtype.kind == "f" else "int64" for array in numpy]
    found = [arrays.take(array.astype(its_type)) for array, its_type in zip(numpy, types)]
    return found[0] if len(found) == 1 else found


def assert_there(got, expected, arrays, dtype="float64", atol=1e-10):
    """The numbers of NumPy, as arrays of the namespace, on its device, in the given type."""
    assert library_of(got) == arrays.library
    assert got.device == arrays.device
    if expected.dtype.kind == "f":
        assert got.dtype == getattr(arrays.xp, dtype)
    assert_allclose(arrays.numpy(got), expected, rtol=0, atol=atol)


# -- results equal those of NumPy ---------------------------------------------------------


def tolerance_of(model, exact):
    """By how much results may differ, with this tolerance for given bandwidths.

    Rounding decides at which of its last steps a descent ends. These steps gain 1e-8 or less, so
    bandwidths and predictions agree to about the root of this.
    """
    return max(exact, 1e-3) if getattr(model, "per_feature", False) else exact


@pytest.mark.parametrize("name", REGRESSORS)
def test_regression_equals_numpy(name, arrays, data):
    X, y, _, weights, queries = data
    here = clone(REGRESSORS[name]).fit(X, y, weights)
    model = clone(REGRESSORS[name]).fit(*there(arrays, X, y, weights))
    Q, atol = there(arrays, queries), tolerance_of(here, 1e-10)
    for rows, expected in ((Q, queries), (None, None)):
        assert_there(model.predict(rows), here.predict(expected), arrays, atol=atol)
        found = model.predict(rows, return_std=True)
        for got, wanted in zip(found, here.predict(expected, return_std=True), strict=True):
            assert_there(got, wanted, arrays, atol=tolerance_of(here, 1e-7))
        weights_of_rows = model.attention_weights(rows)
        assert_there(weights_of_rows, here.attention_weights(expected), arrays, atol=atol)
    assert_there(model.attention_weights_, here.attention_weights_, arrays, atol=atol)
    largest = here.attention_weights(queries, top_k=3)
    assert_there(model.attention_weights(Q, top_k=3), largest, arrays, atol=atol)
    if isinstance(here.bandwidth_, np.ndarray):
        assert_there(model.bandwidth_, here.bandwidth_, arrays, atol=tolerance_of(here, 1e-9))
    if hasattr(here, "best_score_"):
        assert model.best_score_ == pytest.approx(here.best_score_, rel=1e-6)
    assert model.algorithm_ == "dense"
    if name != "compact":  # leaves some queries without a prediction
        score = pytest.approx(here.score(X, y), rel=tolerance_of(here, 1e-6))
        assert model.score(*there(arrays, X, y)) == score


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classification_equals_numpy(name, arrays, data):
    X, _, labels, weights, queries = data
    here = clone(CLASSIFIERS[name]).fit(X, labels, weights)
    model = clone(CLASSIFIERS[name]).fit(*there(arrays, X, labels, weights))
    Q = there(arrays, queries)
    for rows, expected in ((Q, queries), (None, None)):
        assert_there(model.predict(rows), here.predict(expected), arrays)
        atol = tolerance_of(here, 1e-10)
        assert_there(model.predict_proba(rows), here.predict_proba(expected), arrays, atol=atol)
        found, wanted = model.predict_log_proba(rows), here.predict_log_proba(expected)
        assert_there(found, wanted, arrays, atol=tolerance_of(here, 1e-8))
    assert_array_equal(model.classes_, here.classes_)
    assert model.score(*there(arrays, X, labels)) == pytest.approx(here.score(X, labels))


@pytest.mark.parametrize(
    "method",
    [
        "score_samples",
        "effective_sample_size",
        "effective_weights",
        "gradient",
        "local_slopes",
        "standard_error",
    ],
)
def test_other_methods_follow_X(method, arrays, data):
    X, y, _, _, queries = data
    here = NadarayaWatsonRegressor(degree=1).fit(X, y)
    model = NadarayaWatsonRegressor(degree=1).fit(*there(arrays, X, y))
    found = getattr(model, method)(there(arrays, queries))
    assert_there(found, getattr(here, method)(queries), arrays, atol=1e-8)


def test_kernels_equal_numpy(kernel, arrays, data):
    X, y, _, _, queries = data
    here = NadarayaWatsonRegressor(kernel).fit(X, y)
    model = NadarayaWatsonRegressor(kernel).fit(*there(arrays, X, y))
    assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)


def test_several_outputs_equal_numpy(arrays, data):
    X, y, _, _, queries = data
    y = np.column_stack([y, y**2])
    here = NadarayaWatsonRegressor().fit(X, y)
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)


def test_float32_gives_float32(arrays, data):
    X, y, labels, _, queries = data
    here = NadarayaWatsonRegressor().fit(X, y)
    for targets in (there(arrays, y, dtype="float32"), there(arrays, y), y):  # X decides
        model = NadarayaWatsonRegressor().fit(there(arrays, X, dtype="float32"), targets)
        for rows, expected in ((there(arrays, queries, dtype="float32"), queries), (None, None)):
            assert_there(model.predict(rows), here.predict(expected), arrays, "float32", 1e-5)
            found = model.attention_weights(rows)
            assert_there(found, here.attention_weights(expected), arrays, "float32", 1e-5)
    here = NadarayaWatsonClassifier().fit(X, labels)
    model = NadarayaWatsonClassifier().fit(there(arrays, X, dtype="float32"), labels)
    found = model.predict_proba(there(arrays, queries, dtype="float32"))
    assert_there(found, here.predict_proba(queries), arrays, "float32", 1e-5)


def test_queries_of_another_type(arrays, data):
    X, y, _, _, queries = data
    here = NadarayaWatsonRegressor().fit(X, y)
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    found = model.predict(there(arrays, queries, dtype="float32"))
    assert_there(found, here.predict(queries), arrays, "float32", 1e-5)
    whole = np.round(queries)
    found = model.predict(there(arrays, whole.astype(int)))
    assert_there(found, here.predict(whole), arrays)


def test_targets_and_weights_may_be_of_any_namespace(arrays, data):
    """X decides the namespace and the device of the results."""
    X, y, labels, weights, queries = data
    here = NadarayaWatsonRegressor().fit(X, y, weights)
    mixed = (y, weights), (y.tolist(), there(arrays, weights)), (there(arrays, y), weights)
    for targets, shares in mixed:
        model = NadarayaWatsonRegressor().fit(there(arrays, X), targets, shares)
        assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)
    model = NadarayaWatsonRegressor().fit(X, *there(arrays, y, weights))
    assert_array_equal(model.predict(queries), here.predict(queries))
    assert isinstance(model.predict(queries), np.ndarray)
    names = np.array(["low", "middle", "high"])[labels]
    model = NadarayaWatsonClassifier().fit(there(arrays, X), names)
    expected = NadarayaWatsonClassifier().fit(X, names)
    assert_array_equal(model.predict(there(arrays, queries)), expected.predict(queries))
    assert_there(model.predict_proba(None), expected.predict_proba(None), arrays)


@pytest.mark.parametrize("params", [{}, {"gap": 2}, {"one_sided": 0}])
def test_options_that_pool_in_numpy_return_arrays_of_X(params, arrays, data):
    """Rows with missing numbers, and rows that leave out more than themselves."""
    X, y, *_ = data
    X[::7, 1] = np.nan
    groups = np.arange(60) // 5
    Estimator = NadarayaWatsonRegressor if "one_sided" in params else NadarayaWatsonRegressorCV
    options = ({}, {}) if params else ({"groups": groups}, {"groups": there(arrays, groups)})
    here = Estimator(**params).fit(X, y, **options[0])
    model = Estimator(**params).fit(*there(arrays, X, y), **options[1])
    assert_there(model.predict(None), here.predict(None), arrays)
    assert_there(model.predict(there(arrays, X)), here.predict(X), arrays)


def test_partial_fit_of_arrays(arrays, data):
    X, y, *_, queries = data
    model = NadarayaWatsonRegressor(bandwidth=0.5)
    for rows in (slice(0, 20), slice(20, 60)):
        model.partial_fit(*there(arrays, X[rows], y[rows]))
    expected = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y).predict(queries)
    assert_there(model.predict(there(arrays, queries)), expected, arrays)


def test_bandwidths_may_be_arrays(arrays, data):
    X, y, *_, queries = data
    bandwidth = np.array([0.3, 0.5])
    here = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X, y)
    model = NadarayaWatsonRegressor(bandwidth=there(arrays, bandwidth)).fit(*there(arrays, X, y))
    assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)
    search = NadarayaWatsonRegressorCV(bandwidths=[there(arrays, bandwidth), 5.0])
    assert_there(search.fit(*there(arrays, X, y)).bandwidth_, bandwidth, arrays)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model", [REGRESSORS["means"], REGRESSORS["lines"], CLASSIFIERS["means"]])
def test_the_check_of_values(model, dtype, arrays):
    """scikit-learn's common checks test namespaces and types only."""
    device = "device1" if arrays.library == "array_api_strict" else "cpu"
    options = {"check_values": True, "check_sample_weight": True}
    with dispatching(False):  # the check itself dispatches
        check_array_api_input("", model, arrays.library, device, dtype, **options)


@pytest.mark.parametrize("model", [REGRESSORS["lines"], CLASSIFIERS["trend"]])
def test_methods_return_arrays_of_X_or_refuse(model, data):
    X, _, labels, *_ = data
    model = clone(model).fit(X, labels)
    with_rows = {
        name: method.__func__.__code__.co_filename
        for name, method in inspect.getmembers(model, inspect.ismethod)
        if not name.startswith("_") and "X" in inspect.signature(method).parameters
    }
    for name in set(with_rows) - {"fit", "partial_fit", "score"}:
        assert with_rows[name].endswith("_namespaces.py"), name


# -- tools around an estimator ------------------------------------------------------------


def test_copies_and_pickles(arrays, data):
    X, y, *_, queries = data
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    expected, Q = arrays.numpy(model.predict(there(arrays, queries))), there(arrays, queries)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_there(again.predict(Q), expected, arrays, atol=0)
    with pytest.raises(Exception, match="not fitted"):
        clone(model).predict(Q)


def test_a_failed_fit_leaves_the_estimator_unchanged(arrays, data):
    X, y, *_, queries = data
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    Q = there(arrays, queries)
    expected = arrays.numpy(model.predict(Q))
    bad = y.copy()
    bad[3] = np.nan
    with pytest.raises(ValueError, match="y must"):
        model.fit(*there(arrays, X[:30], bad[:30]))
    with pytest.raises(ValueError, match="y must"):
        model.fit(X, bad)
    assert_there(model.predict(Q), expected, arrays, atol=0)


def test_a_pipeline_and_a_grid_of_tensors(data):
    """array_api_strict does not take the indices of scikit-learn's folds."""
    torch = pytest.importorskip("torch")
    X, y, *_, queries = data
    pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    grid = GridSearchCV(pipe, {"nadarayawatsonregressor__bandwidth": [0.2, 0.5, 2.0]}, cv=3)
    here = clone(grid).fit(X, y)
    with dispatching():
        there = clone(grid).fit(torch.tensor(X), torch.tensor(y))
        assert there.best_params_ == here.best_params_
        assert_allclose(there.predict(torch.tensor(queries)).numpy(), here.predict(queries))
        scores = cross_val_score(pipe, torch.tensor(X), torch.tensor(y), cv=3)
    assert_allclose(scores, cross_val_score(pipe, X, y, cv=3))


# -- kernels that are functions -----------------------------------------------------------


def book(torch):
    """The kernels of the chapter on attention pooling, as the chapter writes them."""
    return {
        "gaussian": lambda x: torch.exp(-(x**2) / 2),
        "boxcar": lambda x: torch.abs(x) < 1.0,
        "constant": lambda x: 1.0 + 0 * x,
        "triangular": lambda x: torch.max(1 - torch.abs(x), torch.zeros_like(x)),
    }


@pytest.mark.parametrize("name", ["gaussian", "boxcar", "constant", "triangular"])
@pytest.mark.parametrize("dispatch", [True, False])
def test_kernels_of_the_book_in_torch(name, dispatch, data):
    """With array API dispatch and without."""
    torch = pytest.importorskip("torch")
    X, y, *_, queries = data
    function = book(torch)[name]
    expected = NadarayaWatsonRegressor(name).fit(X, y).predict(queries)
    with dispatching(dispatch):
        model = NadarayaWatsonRegressor(function).fit(torch.tensor(X), torch.tensor(y))
        found = model.predict(torch.tensor(queries))
    assert isinstance(found, torch.Tensor if dispatch else np.ndarray)
    assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-10)
    # The book's boxcar is open; the registered one is closed.
    assert (model.kernel_ is KERNELS[name]) == (name != "boxcar")


def matern(xp):
    return lambda u: (1 + u) * xp.exp(-u)


def test_functions_of_the_namespace_get_its_arrays(arrays, data):
    X, y, *_, queries = data
    met = []

    def function(u):
        met.append(library_of(u))
        return matern(arrays.xp)(u)

    here = NadarayaWatsonRegressor(matern(np)).fit(X, y)
    model = NadarayaWatsonRegressor(function).fit(*there(arrays, X, y))
    assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)
    assert_there(model.attention_weights(None), here.attention_weights(None), arrays)
    assert set(met) == {None, arrays.library}  # None: the symbol that identifies formulas
    assert model.kernel_.name == "function"


def test_functions_of_numpy_get_numpy_arrays(arrays, data):
    X, y, *_, queries = data
    here = NadarayaWatsonRegressor(matern(np)).fit(X, y)
    model = NadarayaWatsonRegressor(matern(np)).fit(*there(arrays, X, y))
    assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda u, xp: u - 1, "finite, non-negative"),
        (lambda u, xp: xp.exp(-u)[0, :], "of the shape of its argument"),
        (lambda u, xp: xp.where(u > 3e4, -1.0, xp.exp(-u)), "finite, non-negative"),
    ],
)
def test_functions_that_return_no_weights_are_refused(function, words, arrays, data):
    X, y, *_, queries = data
    kernel = lambda u: function(u, arrays.xp)
    with pytest.raises(ValueError, match=words):
        NadarayaWatsonRegressor(kernel, 1e-5).fit(*there(arrays, X, y)).predict(
            there(arrays, queries)
        )


# -- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["blocks", "lattice"])
def test_other_algorithms_are_refused(algorithm, arrays, data):
    X, y, *_ = data
    words = f"'{algorithm}' needs NumPy arrays.*got X as an array of {arrays.library}.*'dense'"
    with pytest.raises(ValueError, match=words):
        NadarayaWatsonRegressor(algorithm=algorithm).fit(*there(arrays, X, y))


@pytest.mark.parametrize("columns", [{"categorical_features": [0]}, {"periodic_features": {1: 7}}])
def test_special_columns_are_refused(columns, arrays, data):
    X, y, *_ = data
    model = NadarayaWatsonRegressor(**columns)
    words = f"X as an array of {arrays.library} takes numbers only; got .* in column"
    with pytest.raises(ValueError, match=words):
        model.fit(*there(arrays, np.round(X), y))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("predict_quantiles", ()),
        ("predict_cdf", (0.5,)),
        ("predict_interval", ()),
        ("predict_band", ()),
        ("predict_density", ([0.5, 1.0],)),
        ("sample", ()),
        ("explain", ()),
    ],
)
def test_unsupported_methods_are_refused(method, arguments, arrays, data):
    X, y, *_, queries = data
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    words = f"{method} needs NumPy arrays.*those of {arrays.library}.*array_api_dispatch=False"
    for rows in (there(arrays, queries), None):
        with pytest.raises(ValueError, match=words):
            getattr(model, method)(rows, *arguments)
    with dispatching(False):
        getattr(model, method)(queries, *arguments)


def test_sparse_weights_are_refused(arrays, data):
    X, y, *_ = data
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    with pytest.raises(ValueError, match="sparse_output=True needs NumPy arrays"):
        model.attention_weights(sparse_output=True)


def test_queries_of_another_namespace_are_refused(arrays, data):
    X, y, *_, queries = data
    model = NadarayaWatsonRegressor().fit(*there(arrays, X, y))
    for rows in (queries, queries.tolist()):
        for method in ("predict", "attention_weights", "score_samples", "predict_quantiles"):
            words = rf"NadarayaWatsonRegressor.{method}\(\) must use the same namespace"
            with pytest.raises(ValueError, match=words):
                getattr(model, method)(rows)
    model = NadarayaWatsonRegressor().fit(X, y)
    with pytest.raises(ValueError, match="must use the same namespace"):
        model.predict(there(arrays, queries))
    if arrays.library == "array_api_strict":
        model.fit(*there(arrays, X, y))
        with pytest.raises(ValueError, match="Devices used during fit"):
            model.predict(arrays.xp.asarray(queries))


def test_bad_input_is_refused_as_in_numpy(arrays, data):
    X, y, *_ = data
    bad = X.copy()
    bad[3, 1] = np.inf
    model = NadarayaWatsonRegressor()
    with pytest.raises(ValueError, match=r"X must be finite.*in column 1"):
        model.fit(*there(arrays, bad, y))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        model.fit(*there(arrays, X, y[:-1]))
    with pytest.raises(ValueError, match="X must be a table"):
        model.fit(there(arrays, X[:, 0]), there(arrays, y))
    with pytest.raises(ValueError, match="complex"):
        model.fit(arrays.xp.astype(there(arrays, X), arrays.xp.complex128), y)
    with pytest.raises(ValueError, match="expecting 2 features"):
        model.fit(*there(arrays, X, y)).predict(there(arrays, X[:, :1]))


# -- tensors ------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("dispatch", [True, False])
@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_results_carry_no_gradient(name, dispatch, torch, data):
    X, y, _, weights, _ = data
    given = {"X": torch.tensor(X), "y": torch.tensor(y), "sample_weight": torch.tensor(weights)}
    given[name].requires_grad_()
    with dispatching(dispatch):
        words = rf"{name} must not require gradients.*Pass {name}.detach\(\)"
        with pytest.raises(ValueError, match=words):
            NadarayaWatsonRegressor().fit(**given)
        given[name] = given[name].detach()
        model = NadarayaWatsonRegressor().fit(**given)
        with pytest.raises(ValueError, match="X must not require gradients"):
            model.predict(torch.tensor(X).requires_grad_())


@pytest.mark.parametrize("dispatch", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int64", "int8", "bool"])
def test_types_of_tensors(dtype, dispatch, torch, data):
    X, y, *_ = data
    given = torch.tensor(np.round(4 * X)).to(getattr(torch, dtype))
    rows = given.double().numpy()
    expected = NadarayaWatsonRegressor(bandwidth=2.0).fit(rows, y).predict(rows)
    with dispatching(dispatch):
        model = NadarayaWatsonRegressor(bandwidth=2.0).fit(given, torch.tensor(y))
        found = model.predict(given)
    if dispatch:
        assert found.dtype == (given.dtype if given.is_floating_point() else torch.float64)
        assert_allclose(found.double().numpy(), expected, rtol=1e-2, atol=1e-2)
    else:
        assert isinstance(found, np.ndarray)
        assert_allclose(found, expected, atol=1e-4)


def test_tensors_of_other_layouts(torch, data):
    X, y, *_, queries = data
    expected = NadarayaWatsonRegressor().fit(X, y).predict(queries)
    with dispatching():
        rows = torch.tensor(np.repeat(X, 2, axis=0))[::2]
        columns = torch.tensor(np.ascontiguousarray(queries.T)).T
        weights = torch.ones(1, dtype=torch.float64).expand(60)
        assert not rows.is_contiguous()
        model = NadarayaWatsonRegressor().fit(rows, torch.tensor(y), weights)
        assert_allclose(model.predict(columns).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("dispatch", [True, False])
def test_tensors_without_numbers_are_refused(dispatch, torch):
    with dispatching(dispatch):
        with pytest.raises(ValueError, match="X must hold numbers that NumPy can read"):
            NadarayaWatsonRegressor().fit(torch.zeros(5, 2, device="meta"), torch.zeros(5))


def test_results_share_no_memory(torch, data):
    """Results and inputs may be changed afterwards."""
    X, y, *_ = data
    with dispatching():
        given = torch.tensor(X)
        model = NadarayaWatsonRegressor().fit(given, torch.tensor(y))
        expected = model.predict(None).clone()
        given *= 0
        model.bandwidth_ *= 0
        model.predict(None)[:] = 0
        model.attention_weights_[:] = 0
        assert torch.equal(model.predict(None), expected)


def test_tensors_without_dispatch_are_numpy_arrays(torch, data):
    """Without dispatch, tensors are converted to NumPy."""
    X, y, labels, weights, queries = data
    given = [torch.tensor(array) for array in (X, y, weights)]
    model = NadarayaWatsonRegressor().fit(*given)
    expected = NadarayaWatsonRegressor().fit(X, y, weights)
    found = model.predict(torch.tensor(queries))
    assert isinstance(found, np.ndarray)
    assert_array_equal(found, expected.predict(queries))
    assert isinstance(model.predict_quantiles(torch.tensor(queries)), np.ndarray)
    model = NadarayaWatsonClassifier().fit(torch.tensor(X), torch.tensor(labels))
    assert isinstance(model.predict_proba(torch.tensor(queries)), np.ndarray)


def test_fit_with_dispatch_and_predict_without(torch, data):
    X, y, *_, queries = data
    with dispatching():
        model = NadarayaWatsonRegressor().fit(torch.tensor(X), torch.tensor(y))
    found = model.predict(queries)
    assert isinstance(found, np.ndarray)
    assert_allclose(found, NadarayaWatsonRegressor().fit(X, y).predict(queries))


def test_estimators_move_between_namespaces(arrays, data):
    """With scikit-learn's own function, which our messages name."""
    from sklearn.utils._array_api import move_estimator_to

    X, y, *_, queries = data
    model = NadarayaWatsonRegressor().fit(X, y)
    expected = model.predict(queries)
    moved = move_estimator_to(model, arrays.xp, arrays.device)
    assert_there(moved.predict(there(arrays, queries)), expected, arrays)
    assert_there(moved.bandwidth_, model.bandwidth_, arrays)


def test_dispatch_settings_apply_in_all_threads(torch, data):
    X, y, *_ = data
    product = torch.backends.cuda.matmul
    before = product.fp32_precision
    function = lambda u: (1 + u) * torch.exp(-u)  # called from several threads, in blocks of rows
    try:
        product.fp32_precision = "tf32"
        with dispatching():
            model = NadarayaWatsonRegressor(function, n_jobs=4)
            model.fit(torch.tensor(X), torch.tensor(y))
            with ThreadPoolExecutor(4) as threads:
                for found in threads.map(lambda _: weights_of(model, X), range(20)):
                    assert_allclose(found.sum(axis=1), 1)
        assert product.fp32_precision == "tf32"
    finally:
        product.fp32_precision = before


def weights_of(model, X):
    with dispatching(False):  # a setting of each thread
        return model.attention_weights(X)


# -- conversions --------------------------------------------------------------------------


class Foreign:
    """An array of a library that scikit-learn does not dispatch to, such as JAX."""

    def __init__(self, array):
        self.array = array
        self.dtype, self.shape, self.ndim = array.dtype, array.shape, array.ndim

    def __array_namespace__(self):
        raise AssertionError

    def __array__(self, dtype=None, copy=None):
        return self.array.astype(dtype or self.array.dtype)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, key):
        return Foreign(self.array[key])


@pytest.mark.parametrize("dispatch", [True, False])
def test_arrays_of_other_libraries_equal_numpy(dispatch, data):
    X, y, *_, queries = data
    expected = NadarayaWatsonRegressor().fit(X, y).predict(queries)
    with dispatching(dispatch):
        model = NadarayaWatsonRegressor().fit(Foreign(X), Foreign(y))
        assert_array_equal(model.predict(Foreign(queries)), expected)


def test_arrays_are_not_changed(arrays):
    array = np.arange(6.0).reshape(2, 3)
    array.flags.writeable = False
    for given in (array, array[:, ::-1], np.asfortranarray(array), array[:0]):
        assert_array_equal(arrays.numpy(arrays.take(given)), given)
        assert_array_equal(as_numpy("X", arrays.take(given)), given)
    assert as_numpy("X", None) is None
    assert Arrays.of(array) is None
    assert re.match("array_api_strict|torch", arrays.library)


def test_kernels_with_a_form_for_namespaces(arrays, data):
    X, y, *_, queries = data
    own = Kernel("own", KERNELS["biweight"].profile, over=KERNELS["biweight"].over, support=1.0)
    here = NadarayaWatsonRegressor("biweight", 0.8).fit(X, y)
    model = NadarayaWatsonRegressor(own, 0.8).fit(*there(arrays, X, y))
    assert_there(model.predict(there(arrays, queries)), here.predict(queries), arrays)
