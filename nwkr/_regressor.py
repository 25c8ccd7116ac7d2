"""Nadaraya-Watson regression."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from nwkr._bands import ConfidenceBands
from nwkr._base import NadarayaWatsonBase
from nwkr._conditional_density import ConditionalDensity
from nwkr._explanation import RegressionExplanation
from nwkr._input import validate_rows
from nwkr._intervals import PredictionIntervals
from nwkr._lazy import over_blocks
from nwkr._namespaces import follows_X
from nwkr._partial_fit import FitInBatches, takes_batches
from nwkr._ridge_lines import lines_of
from nwkr._score import Score
from nwkr._smoother import LinearSmoother
from nwkr._targets import Targets
from nwkr._validation import Interval, _fit_context

__all__ = ["NadarayaWatsonRegressor"]


class NadarayaWatsonRegressor(
    MultiOutputMixin,
    Score,
    RegressorMixin,
    PredictionIntervals,
    ConfidenceBands,
    LinearSmoother,
    ConditionalDensity,
    RegressionExplanation,
    FitInBatches,
    NadarayaWatsonBase,
):
    r"""Nadaraya-Watson kernel regression: attention pooling by similarity.

    By default, the prediction is the mean of the training targets, weighting training rows near the
    query more:

    .. math:: f(q) = \frac{\sum_i w_i\, K(\|q - x_i\| / b)\, y_i}
                          {\sum_i w_i\, K(\|q - x_i\| / b)}

    with kernel :math:`K`, bandwidth :math:`b` and sample weights :math:`w_i`. In the terms of
    attention, :math:`q` is the query, the training rows :math:`x_i` are the keys, the targets
    :math:`y_i` the values, and the normalised weights the attention weights.

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
        The fit in the window of a query: 0 is the mean of the targets; 1 is a line, which has less
        bias, in particular at the edges of the data. 1 needs the euclidean metric.
    ridge : float, default=1.0
        With ``degree=1``, the penalty on the slopes, as a number of rows with slope 0. 0 is plain
        local linear regression, which may extrapolate wildly from windows with few rows; `inf` is a
        mean.
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
        Queries without such rows get NaN. Not for ``metric="precomputed"``.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        The prediction for a query for which no training row has weight, as happens with compact
        kernels: the mean of the nearest training rows; the mean of all rows; NaN; or an error. If
        all distances are infinite, "nearest" gives NaN too.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        How the sums are computed. "dense" visits all pairs, in tiles. "blocks" visits only pairs
        that matter, for ``metric="euclidean"`` or "haversine". "lattice" sums a Gaussian through
        the points of a lattice, for one bandwidth for all rows and up to 4 numeric features without
        missing values. "auto" selects the fastest of these that supports the problem.
    tol : float, default=0.0
        Allowed relative error of a sum of weights, and of a prediction relative to the largest
        absolute target, at most 0.1. With 0, only rounding errors occur, as always with "dense".
    n_jobs : int or None, default=None
        Number of threads. None uses as many as BLAS may use at the moment, -1 uses all processors.
        Results do not depend on it.

    Attributes
    ----------
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
    NadarayaWatsonRegressorCV : The same with a search for the bandwidth and the degree.
    NadarayaWatsonClassifier : The same for class labels.
    sklearn.neighbors.KNeighborsRegressor : Mean of the nearest training rows.
    sklearn.kernel_ridge.KernelRidge : Ridge regression in the space of a kernel.

    References
    ----------
    E. A. Nadaraya, "On Estimating Regression", *Theory of Probability and Its Applications*
    9(1), 1964. `doi:10.1137/1109020 <https://doi.org/10.1137/1109020>`_

    \G. S. Watson, "Smooth Regression Analysis", *Sankhya A* 26(4), 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from nwkr import NadarayaWatsonRegressor
    >>> X = np.arange(6.0).reshape(-1, 1)
    >>> y = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 25.0])
    >>> model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    >>> model.predict([[2.5]]).round(3)
    array([6.536])
    >>> model.predict(None).round(3)  # each row left out of its own prediction
    array([ 1.007,  2.009,  5.007, 10.007, 16.984, 15.983])
    """

    _parameter_constraints: dict = NadarayaWatsonBase._parameter_constraints | {
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
        algorithm="auto",
        tol=0.0,
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
        self.algorithm = algorithm
        self.tol = tol
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Store the training rows, and compute the bandwidth.

        The data are copied, so later changes of the arrays have no effect.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows: the keys. An array, or a data frame with columns of numbers, text or
            categories; with ``metric="euclidean"``, values may be missing. The distances of the
            rows, (n_samples, n_samples), if ``metric="precomputed"``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets: the values.
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
    def partial_fit(self, X, y, sample_weight=None):
        """Add a batch of training rows to the previous ones.

        After several batches, the estimator equals `fit` on all their rows, bit for bit. Each call
        takes about as long as `fit` on all rows so far. The bandwidth must be a number, or one for
        each feature, and `metric` must not be "precomputed"; otherwise this method does not exist.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. All columns must be numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, as in `fit`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data are invalid, or do not match the previous batches. The estimator is then
            unchanged.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0)
        >>> model.partial_fit([[0], [1]], [0, 1]).predict([[2]]).round(3)
        array([0.818])
        >>> model.partial_fit([[3]], [2]).predict([[2]]).round(3)
        array([1.349])
        """
        if not hasattr(self, "bandwidth_"):
            return self._fit(X, y, sample_weight)
        return self._append(X, y, sample_weight)

    def _nothing_predicted(self, options):
        nothing = self._targets.decode(np.empty((0, self._values.shape[1])))
        return (nothing, nothing) if options.get("return_std") else nothing

    @follows_X
    @over_blocks(_nothing_predicted)
    def predict(self, X, *, return_std=False):
        r"""Predict targets, the means of their conditional distributions.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict; the distances to the training rows, (n_queries, n_train), if
            ``metric="precomputed"``. None predicts the training rows, each left out of its own
            prediction (copies of a row stay in). For a Dask array or frame, the result is a lazy
            array with the same chunks.
        return_std : bool, default=False
            Whether to return the standard deviation too, :math:`\sqrt{\sum_i a_i (y_i - f)^2}`
            with the attention weights :math:`a_i` and the prediction :math:`f`; with ``degree=1``
            the local line replaces :math:`f`. It measures the spread of the targets around a query,
            not the error of the prediction.

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            Predictions, in the form of `y` in `fit`. NaN if no training row has weight and
            ``handle_empty="nan"``, or if `one_sided` leaves no row.
        std : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            Standard deviations, in the units of `y`; only if `return_std`.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.
        """
        return self._predict_with_std(X) if return_std else self._targets.decode(self._pooled(X))

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination, R2, of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. For None, training rows that no other row counts for
            with any bandwidth, such as the earliest with `one_sided`, are not scored, for any
            `handle_empty`.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            True targets of these rows; those of the training rows for None.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            R2, averaged over the outputs. It is 1 for exact predictions, and 0 for those that are
            as good as the mean of `y`.

        Raises
        ------
        ValueError
            If targets, weights or predictions are NaN, or of different lengths; if a scored row
            has no weight and ``handle_empty="error"``.
        """
        return self._score_predictions(X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.kernel == "constant"
        return tags

    @property
    def _degree(self):
        return self.degree

    @property
    def _fits_lines(self):
        return bool(self.degree)

    def _choose_lines(self):
        self._check_degree(self._degree)
        self._has_lines = bool(self._degree)
        terms = self._keys, self._counts, self._window, self._columns, self._order is not None
        return lines_of(self._degree, self.ridge, *terms)

    def _check_degree(self, degree):
        if degree and self._metric != "euclidean":
            raise ValueError(
                f"degree=1 needs metric='euclidean', because lines need columns; got "
                f"metric={self._metric!r}. degree=0 accepts any metric."
            )

    def _validate_training(self, X, y, *, reset=True):
        X, y = validate_rows(self, X, y, multi_output=True, y_numeric=True, reset=reset)
        if self._fits_lines:
            X = X.astype(float, copy=False)  # moments of lines need double precision
            self._columns = replace(self._columns, with_slopes=True)
        return X, y.astype(float, copy=False)

    def _encode(self, y, sample_weight, classes=None):
        return Targets.of(y, sample_weight, self._output_names), sample_weight
