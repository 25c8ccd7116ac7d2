"""The estimators for chunks."""

from __future__ import annotations

import nwkr._classifier as _classifier
import nwkr._classifier_cv as _classifier_cv
import nwkr._regressor as _regressor
import nwkr._regressor_cv as _regressor_cv
from nwkr._validation import _fit_context
from nwkr.dask._outcomes import Classification, Regression
from nwkr.dask._search import ChunkedSearch, SearchOverChunks

__all__ = [
    "NadarayaWatsonClassifier",
    "NadarayaWatsonClassifierCV",
    "NadarayaWatsonRegressor",
    "NadarayaWatsonRegressorCV",
]


class NadarayaWatsonRegressor(Regression):
    """Nadaraya-Watson kernel regression for Dask collections.

    It corresponds to :class:`nwkr.NadarayaWatsonRegressor`, for training rows and queries in
    chunks, and has the same parameters. These need all rows at once, and are refused: a `bandwidth`
    that is a matrix, a function, :class:`~nwkr.bandwidths.KNearest` or
    :class:`~nwkr.bandwidths.Adaptive`; with a metric other than "euclidean", a rule of thumb;
    ``metric="precomputed"``; and `one_sided`. Each task uses one thread, whatever `n_jobs` is.

    Attributes
    ----------
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The bandwidth in use.
    kernel_ : Kernel
        The kernel in use.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen by `fit`, if all are strings.

    See Also
    --------
    nwkr.NadarayaWatsonRegressor : The same for rows in memory, with all its parameters.

    Examples
    --------
    >>> import dask.array as da
    >>> from nwkr.dask import NadarayaWatsonRegressor
    >>> X = da.arange(6.0, chunks=2).reshape(-1, 1)
    >>> model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, X[:, 0] ** 2)
    >>> model.predict(X + 0.5).compute().round(3)
    array([ 0.532,  2.536,  6.536, 12.536, 20.396, 24.838])
    """

    _parameter_constraints = _regressor.NadarayaWatsonRegressor._parameter_constraints
    __init__ = _regressor.NadarayaWatsonRegressor.__init__

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Survey the training rows, and compute the bandwidth.

        Every chunk is read, for ranges, moments and weights. The collections are stored, not their
        rows: persist them if each prediction should find the rows in memory.

        Parameters
        ----------
        X : Dask array or frame of shape (n_samples, n_features)
            Training rows: the keys.
        y : Dask array, series or frame of shape (n_samples,) or (n_samples, n_outputs)
            Targets: the values.
        sample_weight : Dask array or series of shape (n_samples,), default=None
            Weights. A row with weight k equals k copies. A row with weight 0 is ignored. If the sum
            of the weights is less than the effective number of rows, ``sum(w)^2 / sum(w^2)``, rules
            of thumb use the latter as the number of rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the data are not Dask collections.
        ValueError
            If a parameter or the data are invalid, with the number of the chunk. The estimator is
            then unchanged.
        """
        return self._fit(X, y, sample_weight)


class _RegressorSearch(SearchOverChunks, _regressor_cv.NadarayaWatsonRegressorCV):
    """The search of the regressor."""


class NadarayaWatsonRegressorCV(ChunkedSearch, Regression):
    """Kernel regression for Dask collections that chooses its bandwidth and its degree.

    It has the parameters of :class:`nwkr.NadarayaWatsonRegressorCV`, and searches in the same way:
    it predicts some rows, drawn at random from all chunks, from all others. Each step of the search
    is one graph, in which every chunk pools for these rows and many bandwidths at once. The descent
    to one bandwidth for each feature uses the drawn rows only; multiples of its result are tried
    with all rows. `cv`, `n_components`, `gap` and `one_sided` must be None, `fit` has no groups,
    and the candidates `bandwidths` have the limits of `bandwidth` in
    :class:`NadarayaWatsonRegressor`.

    Attributes
    ----------
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The best bandwidth.
    degree_ : {0, 1}
        The best degree.
    best_score_ : float
        The score of the best candidate. Greater is better, so losses are negative.
    best_index_ : int
        Its number among the candidates of ``cv_results_``.
    cv_results_ : dict
        Lists with one entry for each candidate, as in :class:`nwkr.NadarayaWatsonRegressorCV`.
    n_queries_ : int
        Number of training rows that were predicted to compare the candidates.
    kernel_ : Kernel
        The kernel in use.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen by `fit`, if all are strings.

    See Also
    --------
    nwkr.NadarayaWatsonRegressorCV : The same for rows in memory, with all its parameters.

    Examples
    --------
    >>> import dask.array as da
    >>> from nwkr.dask import NadarayaWatsonRegressorCV
    >>> X = da.linspace(0, 6, 200, chunks=50).reshape(-1, 1)
    >>> model = NadarayaWatsonRegressorCV().fit(X, da.sin(X[:, 0]))
    >>> model.degree_
    1
    """

    _searching_class = _RegressorSearch
    _parameter_constraints = _regressor_cv.NadarayaWatsonRegressorCV._parameter_constraints
    __init__ = _regressor_cv.NadarayaWatsonRegressorCV.__init__

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Choose the bandwidth and the degree.

        Every chunk is read several times: for ranges, moments and weights, to draw rows, and in
        each step of the search. The collections are stored, not their rows: persist them if they
        fit in the memory of the cluster.

        Parameters
        ----------
        X : Dask array or frame of shape (n_samples, n_features)
            Training rows: the keys.
        y : Dask array, series or frame of shape (n_samples,) or (n_samples, n_outputs)
            Targets: the values.
        sample_weight : Dask array or series of shape (n_samples,), default=None
            Weights. A row with weight k equals k copies. A row with weight 0 is ignored. If the sum
            of the weights is less than the effective number of rows, ``sum(w)^2 / sum(w^2)``, rules
            of thumb use the latter as the number of rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the data are not Dask collections.
        ValueError
            If a parameter or the data are invalid, with the number of the chunk. The estimator is
            then unchanged.
        """
        return self._fit(X, y, sample_weight)


class NadarayaWatsonClassifier(Classification):
    """Nadaraya-Watson kernel classification for Dask collections.

    It corresponds to :class:`nwkr.NadarayaWatsonClassifier`, for training rows and queries in
    chunks, and has the same parameters, with the limits of :class:`NadarayaWatsonRegressor`. With
    ``degree=1`` rows are read about a dozen times, once for each Newton step of the trend, and 30
    more times if a line separates the classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    outlier_label_ : label or None
        The label for queries whose probabilities are NaN.
    trend_ : Pipeline or None
        The logistic regression, after a scaler. None with ``degree=0``, or for a single class.
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The bandwidth in use.
    kernel_ : Kernel
        The kernel in use.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen by `fit`, if all are strings.

    See Also
    --------
    nwkr.NadarayaWatsonClassifier : The same for rows in memory, with all its parameters.

    Examples
    --------
    >>> import dask.array as da
    >>> from nwkr.dask import NadarayaWatsonClassifier
    >>> X = da.arange(6.0, chunks=2).reshape(-1, 1)
    >>> model = NadarayaWatsonClassifier(bandwidth=0.5).fit(X, X[:, 0] > 2)
    >>> model.predict(X + 0.6).compute()
    array([False, False,  True,  True,  True,  True])
    """

    _parameter_constraints = _classifier.NadarayaWatsonClassifier._parameter_constraints
    __init__ = _classifier.NadarayaWatsonClassifier.__init__

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Survey the training rows, and compute the bandwidth.

        Every chunk is read, for ranges, moments, weights and classes. The collections are stored,
        not their rows: persist them if each prediction should find the rows in memory.

        Parameters
        ----------
        X : Dask array or frame of shape (n_samples, n_features)
            Training rows: the keys.
        y : Dask array or series of shape (n_samples,)
            Class labels.
        sample_weight : Dask array or series of shape (n_samples,), default=None
            Weights. A row with weight k equals k copies. A row with weight 0 is ignored. If the sum
            of the weights is less than the effective number of rows, ``sum(w)^2 / sum(w^2)``, rules
            of thumb use the latter as the number of rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the data are not Dask collections.
        ValueError
            If a parameter or the data are invalid, with the number of the chunk. The estimator is
            then unchanged.
        """
        return self._fit(X, y, sample_weight)


class _ClassifierSearch(SearchOverChunks, _classifier_cv.NadarayaWatsonClassifierCV):
    """The search of the classifier, with the trend and the class weights of all rows."""

    def _trend_of(self, counts):
        return self.over.trend

    def _class_weights(self, class_totals):
        return self.over.any_model.weighing.class_weights


class NadarayaWatsonClassifierCV(ChunkedSearch, Classification):
    """Kernel classification for Dask collections that chooses its bandwidth and its degree.

    It has the parameters of :class:`nwkr.NadarayaWatsonClassifierCV`, and searches like
    :class:`NadarayaWatsonRegressorCV`, with the same limits. For the trend, rows are read about a
    dozen more times: about 20 times in total.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    outlier_label_ : label or None
        The label for queries whose probabilities are NaN.
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The best bandwidth.
    degree_ : {0, 1}
        The best degree.
    ridge_ : float
        The ridge of the best candidate, `inf` for a step without slopes. It has no meaning with
        ``degree_=0``.
    trend_ : Pipeline or None
        The logistic regression, after a scaler. None with ``degree_=0``, or for a single class.
    best_score_ : float
        The score of the best candidate. Greater is better, so losses are negative.
    best_index_ : int
        Its number among the candidates of ``cv_results_``.
    cv_results_ : dict
        Lists with one entry for each candidate, as in :class:`nwkr.NadarayaWatsonClassifierCV`.
    n_queries_ : int
        Number of training rows that were predicted to compare the candidates.
    kernel_ : Kernel
        The kernel in use.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features seen by `fit`, if all are strings.

    See Also
    --------
    nwkr.NadarayaWatsonClassifierCV : The same for rows in memory, with all its parameters.

    Examples
    --------
    >>> import dask.array as da
    >>> from nwkr.dask import NadarayaWatsonClassifierCV
    >>> X = da.linspace(0, 6, 200, chunks=50).reshape(-1, 1)
    >>> model = NadarayaWatsonClassifierCV().fit(X, da.sin(X[:, 0]) > 0)
    >>> model.predict(X[50::100]).compute()
    array([ True, False])
    """

    _searching_class = _ClassifierSearch
    _parameter_constraints = _classifier_cv.NadarayaWatsonClassifierCV._parameter_constraints
    __init__ = _classifier_cv.NadarayaWatsonClassifierCV.__init__

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Choose the bandwidth and the degree.

        Every chunk is read several times: for ranges, moments and weights, to draw rows, and in
        each step of the search. The collections are stored, not their rows: persist them if they
        fit in the memory of the cluster.

        Parameters
        ----------
        X : Dask array or frame of shape (n_samples, n_features)
            Training rows: the keys.
        y : Dask array or series of shape (n_samples,)
            Class labels.
        sample_weight : Dask array or series of shape (n_samples,), default=None
            Weights. A row with weight k equals k copies. A row with weight 0 is ignored. If the sum
            of the weights is less than the effective number of rows, ``sum(w)^2 / sum(w^2)``, rules
            of thumb use the latter as the number of rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the data are not Dask collections.
        ValueError
            If a parameter or the data are invalid, with the number of the chunk. The estimator is
            then unchanged.
        """
        return self._fit(X, y, sample_weight)
