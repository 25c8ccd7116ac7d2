"""scikit-learn's common checks, and its further checks that apply."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import (
    check_class_weight_balanced_classifiers,
    check_classifiers_predictions,
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
)
from suite import suite_of, without_address

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.kernels import KERNELS, Kernel


def matern(u):
    """A kernel that is not registered."""
    return (1 + u) * np.exp(-u)


def expected_failures(estimator):
    if estimator.metric != "precomputed":
        return {}
    return {"check_estimators_nan_inf": "an infinite distance is one of a pair that does not count"}


# The number of features differs between checks, so only rules can give arrays.


def fifth_of_range(X, sample_weight):
    """One bandwidth per feature that is the same for weights and for copies."""
    extent = np.ptp(X, axis=0)
    return np.where(extent > 0, extent / 5, 1)


def half_of_range(X, sample_weight):
    return 2.5 * fifth_of_range(X, sample_weight)


def without_last_feature(X, sample_weight):
    bandwidth = fifth_of_range(X, sample_weight)
    if len(bandwidth) > 2:
        bandwidth[-1] = np.inf
    return bandwidth


def _poor(tags):
    (tags.regressor_tags or tags.classifier_tags).poor_score = True
    return tags


class MeanRegressor(NadarayaWatsonRegressor):
    """Its bandwidth is so wide that it cannot learn; its tags say so."""

    def __sklearn_tags__(self):
        return _poor(super().__sklearn_tags__())


class MeanClassifier(NadarayaWatsonClassifier):
    """Its bandwidth is so wide that it cannot learn; its tags say so."""

    def __sklearn_tags__(self):
        return _poor(super().__sklearn_tags__())


INSTANCES = [
    NadarayaWatsonRegressor(),
    NadarayaWatsonRegressor(degree=1),
    NadarayaWatsonRegressor(Kernel("linear", KERNELS["triangular"].profile, support=1.0)),
    NadarayaWatsonRegressor("exponential"),
    NadarayaWatsonRegressor("constant"),
    NadarayaWatsonRegressor(bandwidth=fifth_of_range),
    NadarayaWatsonRegressor(bandwidth=without_last_feature),
    NadarayaWatsonRegressor(bandwidth=0.0),
    MeanRegressor(bandwidth=1e6),
    # Compact kernels. With "mean", some queries are empty; with "nan", the window reaches all.
    NadarayaWatsonRegressor("epanechnikov", half_of_range, handle_empty="mean"),
    NadarayaWatsonRegressor("epanechnikov", 4.0, handle_empty="nan"),
    NadarayaWatsonRegressor(metric="manhattan"),
    NadarayaWatsonRegressor("cosine", "silverman", metric="precomputed"),
    NadarayaWatsonRegressor(algorithm="dense", n_jobs=2),
    NadarayaWatsonClassifier(),
    NadarayaWatsonClassifier(matern),
    NadarayaWatsonClassifier("triangular", "silverman"),
    # Checks expect a class with nearly all class weight to win nearly all queries. Queries with an
    # empty window take their nearest rows instead, so the boxcar needs a wide window.
    NadarayaWatsonClassifier("boxcar", half_of_range),
    NadarayaWatsonClassifier("epanechnikov", half_of_range),
    # The window reaches every query of the checks, so that "error" does not raise.
    NadarayaWatsonClassifier("epanechnikov", 60.0, handle_empty="error"),
    MeanClassifier(bandwidth=np.inf),
    NadarayaWatsonClassifier("biweight", metric="manhattan"),
    NadarayaWatsonClassifier("epanechnikov", class_weight="balanced", metric="precomputed"),
    NadarayaWatsonClassifier(class_weight="balanced"),
    NadarayaWatsonClassifier(degree=1),
    NadarayaWatsonClassifier(degree=1, ridge=np.inf, class_weight="balanced"),
    NadarayaWatsonClassifier("epanechnikov", half_of_range, degree=1, ridge=0.0),
]


@suite_of(INSTANCES, expected_failures)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
        check_param_validation,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize(
    "params",
    [{}, {"degree": 1}, {"kernel": matern}, {"metric": "precomputed"}],
    ids=without_address,
)
@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def test_further_checks(Estimator, params, check):
    check(Estimator.__name__, Estimator(**params))


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"constant"}))
def test_further_checks_of_classifiers(kernel):
    X, y = make_blobs([200, 20], centers=[[0, 0], [2, 2]], cluster_std=1.0, random_state=0)
    train, test = np.arange(len(X)) % 2 == 0, np.arange(len(X)) % 2 == 1
    classifier = NadarayaWatsonClassifier(kernel, bandwidth=3.0)
    check_class_weight_balanced_classifiers(
        "NadarayaWatsonClassifier", classifier, X[train], y[train], X[test], y[test], [1, 10]
    )
    check_classifiers_predictions(X, y, "NadarayaWatsonClassifier", classifier)


@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def test_only_the_constant_kernel_is_tagged_as_poor(Estimator, kernel):
    tags = Estimator(kernel).__sklearn_tags__()
    assert (tags.regressor_tags or tags.classifier_tags).poor_score == (kernel == "constant")


@pytest.mark.parametrize("Estimator", [NadarayaWatsonRegressor, NadarayaWatsonClassifier])
def test_tags(Estimator):
    tags = Estimator().__sklearn_tags__()
    assert not tags.input_tags.pairwise
    assert not tags.input_tags.sparse
    assert tags.input_tags.allow_nan
    assert not tags.input_tags.categorical  # otherwise checks round X to integers
    assert not Estimator(metric="manhattan").__sklearn_tags__().input_tags.allow_nan
    assert tags.target_tags.multi_output == (Estimator is NadarayaWatsonRegressor)
    precomputed = Estimator(metric="precomputed").__sklearn_tags__().input_tags
    assert precomputed.pairwise
    assert precomputed.positive_only
