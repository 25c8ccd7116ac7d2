"""Nadaraya-Watson classification."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from nwkr._base import NadarayaWatsonBase
from nwkr._class_parameters import class_weights, outlier_label_of
from nwkr._class_predictions import ClassPredictions
from nwkr._class_trend import ClassTrend
from nwkr._input import by_name, validate_rows
from nwkr._partial_fit import FitInBatches, known_classes, takes_batches
from nwkr._targets import ClassTargets
from nwkr._validation import Interval, StrOptions, _fit_context

__all__ = ["NadarayaWatsonClassifier"]


class NadarayaWatsonClassifier(
    ClassPredictions,
    ClassifierMixin,
    ClassTrend,
    FitInBatches,
    NadarayaWatsonBase,
):
    r"""Nadaraya-Watson kernel classification: class probabilities by similarity.

    By default, the probability of a class is its share of the weights around the query:

    .. math:: P(c \mid q) = \frac{\sum_{i: y_i = c} w_i\, K(\|q - x_i\| / b)}
                                 {\sum_i w_i\, K(\|q - x_i\| / b)}

    with kernel :math:`K`, bandwidth :math:`b`, and sample weights :math:`w_i` (times class
    weights). This is attention pooling of one-hot classes. It equals Bayes' rule with a Parzen
    window for the density of each class, and one bandwidth for all classes.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidth : float, array-like, dict, str, callable, KNearest or Adaptive, default="scott"
        Scale of the distance, in the units of the columns of `X`. A number applies to all columns,
        and a sequence gives one number for each. A dict, or a Series of pandas whose index holds
        names, gives numbers for some columns by name; the others get "scott". "scott" and
        "silverman" are rules of thumb that follow the spread of each column. A callable ``(X,
        sample_weight) -> float or array`` is a rule of your own. :class:`~nwkr.bandwidths.KNearest`
        gives each query a bandwidth of its own, and :class:`~nwkr.bandwidths.Adaptive` each
        training row. 0 allows exact matches only, and `inf` ignores the column. A symmetric
        positive definite matrix `H` of shape (n_features, n_features) defines the squared distance
        ``(q - x)' H^-1 (q - x)``; ``diag(b**2)`` equals `b`. ``Scott(covariance=True)`` computes
        such a matrix.
    degree : {0, 1}, default=0
        How probabilities are computed. 0: class shares of the weights around the query. 1: a trend,
        which is a logistic regression on all columns, corrected by one Newton step towards the
        classes around the query. Far from all training rows, and with bandwidth `inf` for all
        columns, the trend is not corrected. 1 needs the euclidean metric, and does not support
        `one_sided`.
    ridge : float, default=1.0
        With ``degree=1``, the penalty on the slopes of the step, as a number of rows for which the
        step is constant; `inf` is a step without slopes.
    metric : str or callable, default="euclidean"
        "euclidean"; "precomputed", if `X` holds distances; or any metric of
        :func:`sklearn.metrics.pairwise_distances`. For metrics other than "euclidean", the
        bandwidth is one number, in the units of the distance, and all columns must be numbers.
        Pairs at infinite distance do not count.
    metric_params : dict or None, default=None
        Parameters of the metric, by name, such as ``{"p": 3}`` for "minkowski".
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Columns that hold categories, whose distance is 1 if they differ and 0 otherwise.
        "from_dtype" selects the columns of a data frame that hold text or have a categorical type.
        Otherwise give names, positions or a mask. None selects no column.
    ordered_features : array-like or None, default=None
        Columns of ordered levels, by names, positions or a mask. The squared distance of two levels
        is the difference of their positions: numbers are their own positions, and the levels of an
        ordered categorical type are 1 apart. Ordered categorical columns of data frames need not be
        named.
    periodic_features : dict or None, default=None
        Periodic columns and their periods, such as ``{"hour": 24}``.
    one_sided : str, int or None, default=None
        Name or position of a column, such as the time. Only training rows whose value is not larger
        than that of the query count; with ``X=None``, only rows whose value is strictly smaller.
        Queries without such rows get NaN probabilities. Not for ``metric="precomputed"``.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        The prediction for a query for which no training row has weight, as happens with compact
        kernels: the class shares of the nearest training rows; those of all rows; NaN
        probabilities, and `outlier_label` from `predict`; or an error. With ``degree=1``, "nearest"
        and "mean" give the trend.
    outlier_label : label, "most_frequent" or None, default=None
        The label that `predict` returns for queries whose probabilities are NaN, because of
        ``handle_empty="nan"`` or `one_sided`: any label of the same type as the classes;
        "most_frequent" for the class with the most weight among all rows; None for an error.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        How the sums are computed. "dense" visits all pairs, in tiles. "blocks" visits only pairs
        that matter, for ``metric="euclidean"`` or "haversine". "lattice" sums a Gaussian through
        the points of a lattice, for one bandwidth for all rows and up to 4 numeric features without
        missing values. "auto" selects the fastest of these that supports the problem.
    tol : float, default=0.0
        Allowed relative error of a sum of weights, and absolute error of a probability, at most
        0.1. With 0, only rounding errors occur, as always with "dense".
    class_weight : dict, "balanced" or None, default=None
        Factors of the sample weights by class: ``{label: weight}``, with 1 for labels that are not
        given. "balanced" gives every class the same total weight.
    n_jobs : int or None, default=None
        Number of threads. None uses as many as BLAS may use at the moment, -1 uses all processors.
        Results do not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    trend_ : Pipeline or None
        The logistic regression, after a scaler. None with ``degree=0``, or for a single class.
    outlier_label_ : label or None
        The label for queries whose probabilities are NaN.
    bandwidth_ : ndarray of shape (n_features,) or (n_features, n_features), float, or KNearest
        The bandwidth in use: a number for each feature, or a matrix. A float if the metric is not
        euclidean; for :class:`~nwkr.bandwidths.KNearest` the object itself, and for
        :class:`~nwkr.bandwidths.Adaptive` its base.
    kernel_ : Kernel
        The kernel in use.
    algorithm_ : {"dense", "blocks", "lattice"}
        The algorithm for as many queries as training rows. With "auto", each prediction selects one
        again, by its number of queries.
    attention_weights_ : ndarray of shape (n_samples, n_samples)
        Weights of the training rows in their own predictions, each row included, computed when
        read.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen by `fit`, if all are strings.

    See Also
    --------
    NadarayaWatsonClassifierCV : The same with a search for the bandwidth and the degree.
    NadarayaWatsonRegressor : The same for numbers.
    sklearn.neighbors.KNeighborsClassifier : Vote of the nearest training rows.
    sklearn.neighbors.RadiusNeighborsClassifier : Vote of those within a radius, or none.

    References
    ----------
    E. A. Nadaraya, "On Estimating Regression", *Theory of Probability and Its Applications*
    9(1), 1964. `doi:10.1137/1109020 <https://doi.org/10.1137/1109020>`_

    E. Parzen, "On Estimation of a Probability Density Function and Mode", *Annals of
    Mathematical Statistics* 33(3), 1962.
    `doi:10.1214/aoms/1177704472 <https://doi.org/10.1214/aoms/1177704472>`_

    J. Fan, J. Chen, "One-Step Local Quasi-Likelihood Estimation", *Journal of the Royal
    Statistical Society B* 61(4), 1999. `doi:10.1111/1467-9868.00211
    <https://doi.org/10.1111/1467-9868.00211>`_

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nwkr import NadarayaWatsonClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NadarayaWatsonClassifier().fit(X, y)
    >>> model.predict_proba(X[70:71]).round(3)
    array([[0.   , 0.549, 0.451]])
    >>> round(model.score(None, y), 3)  # each row left out of its own prediction
    0.953
    """

    _parameter_constraints: dict = NadarayaWatsonBase._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "outlier_label": "no_validation",  # any label
        "degree": [Interval(Integral, 0, 1, closed="both")],
        "ridge": [Interval(Real, 0, np.inf, closed="both")],
    }

    def __init__(
        self,
        kernel="gaussian",
        bandwidth="scott",
        *,
        degree=0,
        ridge=1.0,
        metric="euclidean",
        metric_params=None,
        categorical_features="from_dtype",
        ordered_features=None,
        periodic_features=None,
        one_sided=None,
        handle_empty="nearest",
        outlier_label=None,
        algorithm="auto",
        tol=0.0,
        class_weight=None,
        n_jobs=None,
    ):
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.degree = degree
        self.ridge = ridge
        self.metric = metric
        self.metric_params = metric_params
        self.categorical_features = categorical_features
        self.ordered_features = ordered_features
        self.periodic_features = periodic_features
        self.one_sided = one_sided
        self.handle_empty = handle_empty
        self.outlier_label = outlier_label
        self.algorithm = algorithm
        self.tol = tol
        self.class_weight = class_weight
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Store the training rows, and compute the bandwidth.

        With ``degree=1``, the trend is fitted too. The data are copied, so later changes of the
        arrays have no effect.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows: the keys. An array, or a data frame with columns of numbers, text or
            categories; with ``metric="euclidean"``, values may be missing. The distances of the
            rows, (n_samples, n_samples), if ``metric="precomputed"``.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A row with weight k equals k copies. A row with weight 0 (or less than 1e-290
            of the largest) is ignored. If the sum of the weights is less than the effective number
            of rows, ``sum(w)^2 / sum(w^2)``, rules of thumb use the latter as the number of rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The estimator is then unchanged.
        TypeError
            If `X` is sparse, or a Dask collection, which the estimators of :mod:`nwkr.dask` accept.
        """
        return self._fit(X, y, sample_weight)

    @available_if(takes_batches)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Add a batch of training rows to the previous ones.

        After several batches, the estimator equals `fit` on all their rows, bit for bit. Each call
        takes about as long as `fit` on all rows so far. The bandwidth must be a number, or one for
        each feature, and `metric` must not be "precomputed"; otherwise this method does not exist.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. All columns must be numbers.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes, including those of later batches. Required on the first call, unless `fit`
            was called before, and optional later. A class without rows has probability 0.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, as in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data are invalid, or do not match the previous batches; if `classes` are missing
            on the first call, or differ later. The estimator is then unchanged.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonClassifier
        >>> model = NadarayaWatsonClassifier(bandwidth=1.0)
        >>> _ = model.partial_fit([[0], [1]], ["a", "b"], classes=["a", "b", "c"])
        >>> model.partial_fit([[3]], ["c"]).predict_proba([[2]]).round(3)
        array([[0.1 , 0.45, 0.45]])
        """
        known, first = known_classes(self, classes), not hasattr(self, "classes_")
        return (self._fit if first else self._append)(X, y, sample_weight, known)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.kernel == "constant"
        return tags

    def _validate_training(self, X, y, *, reset=True):
        X, y = validate_rows(self, X, y, reset=reset)
        with by_name({"y": y}):
            check_classification_targets(y)
        if self._fits_trend:
            X = X.astype(float, copy=False)  # moments need double precision
            self._columns = replace(self._columns, with_slopes=True)
        return X, y

    def _encode(self, y, sample_weight, classes=None):
        targets = ClassTargets.of(y, classes, self._sizes)
        self.classes_ = targets.classes
        totals = np.bincount(targets.codes, sample_weight, len(targets.classes))
        of_classes = class_weights(self.class_weight, targets.classes, totals)
        weights = sample_weight * of_classes[targets.codes]
        if not (weights > 0).any():
            raise ValueError(
                f"class_weight must leave some row with positive weight; got "
                f"{self.class_weight!r}, with which all weights are 0."
            )
        self.outlier_label_ = outlier_label_of(
            self.outlier_label, targets.classes, totals * of_classes
        )
        return targets, weights
