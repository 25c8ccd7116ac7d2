"""Nadaraya-Watson regression that chooses its bandwidth."""

from __future__ import annotations

import numpy as np

from nwkr._leave_one_out import MEANS, Form
from nwkr._ranking import last_clear_gain
from nwkr._regressor import NadarayaWatsonRegressor
from nwkr._scoring import CRITERIA, squared_error
from nwkr._search import BandwidthSearch
from nwkr._validation import _fit_context

__all__ = ["NadarayaWatsonRegressorCV"]


class NadarayaWatsonRegressorCV(BandwidthSearch, NadarayaWatsonRegressor):
    r"""Kernel regression that chooses its bandwidth, and between means and local lines.

    Start with this estimator: it needs no parameters. It compares means with local lines, and
    multiples of a rule of thumb with one bandwidth for each feature. Every candidate predicts each
    training row from all others, exactly and without refits, and the best one is kept. The mean of
    all rows and ridge regression are candidates too, and are kept unless a window is clearly
    better. After `fit`, the estimator predicts like a :class:`NadarayaWatsonRegressor` with the
    chosen bandwidth and degree, and has its methods, except for `partial_fit`.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidths : "auto" or list, default="auto"
        The candidates: a list of values of `bandwidth` of :class:`NadarayaWatsonRegressor`.
        "auto" tries multiples of Scott's rule of thumb, a factor of sqrt 2 apart, and adds
        candidates while the best one is the narrowest or the widest. It also tries `inf`: the mean
        of all rows, and ridge regression.
    degrees : sequence of {0, 1}, default=(0, 1)
        The fits to compare: 0 is the mean of the targets in the window, 1 is a line. With metrics
        other than "euclidean", only means are fitted. Lines in windows are also not compared with
        means if this would take minutes: if ``n_samples * (1 + n_columns)**3`` exceeds 1e9, where
        `n_samples` counts up to 20,000. Ridge regression still is, unless rows leave out others.
        ``degrees=(1,)`` fits all lines anyway.
    per_feature : "auto" or bool, default="auto"
        Whether to continue from the best candidate of each degree to one bandwidth for each
        feature. L-BFGS-B minimises AICc, or `scoring` if it is "gcv" or "neg_mean_squared_error";
        with groups, `gap` or `one_sided`, the mean squared error of the leave-one-out predictions.
        The result is one more candidate. A bandwidth may become `inf`: a mean then ignores the
        feature, and a line is linear in it. "auto" does this with ``bandwidths="auto"``, if the
        kernel has a derivative and `metric`, `cv` and `scoring` allow it.
    n_components : int, "all" or None, default=None
        Whether to learn a projection of the features, with at most this number of components; "all"
        means the number of features. Distances are then those of the projected rows. L-BFGS-B
        starts from the bandwidths by feature and minimises the same loss. A projection can overfit,
        so it is tested first: each half of the rows is predicted with a projection learned from the
        other half. It becomes a candidate only if this is better than the best other candidate by
        more than the standard error. `X` must hold numbers without missing values. Groups, `gap`
        and `one_sided` cannot be used. The conditions on other parameters are those of
        `per_feature`.
    ridge : float, default=1.0
        The penalty on the slopes of lines, as a number of rows with slope 0.
    shrinkage : float, default=0.02
        Penalty that keeps the bandwidths by feature close to the candidate from which they start:
        the sum of squares of ``log(bandwidth / candidate)``, times this, is added to the logarithm
        of the loss. For a projection, it is the sum of squares of its changes, in units of these
        bandwidths. 0 is no penalty.
    scoring : str, callable or None, default=None
        The score that compares candidates, from all leave-one-out predictions together. None is the
        mean squared error. Alternatives are the name of a scikit-learn scorer, a scorer, or a
        function ``(y_true, y_pred) -> float`` whose greater values are better. "aicc" and "gcv"
        evaluate the fit to all rows and its degrees of freedom instead. "neg_mean_squared_error"
        equals None, but the descent to one bandwidth for each feature then minimises the
        leave-one-out error too.
    cv : int, cross-validation generator, iterable or None, default=None
        None leaves each training row out of its own prediction, exactly and without refits.
        Otherwise :class:`sklearn.model_selection.GridSearchCV` compares the candidates over these
        splits.
    gap : float, tuple or None, default=None
        Rows that are left out together with each row, for series with correlated noise, in the
        search and with ``X=None``. A number leaves out the rows up to this many positions away, in
        the order of `X`. A pair such as ``("time", 3.0)`` leaves out the rows whose value in that
        column differs by at most this much. For other related rows, pass `groups` to `fit`.
    subsample : int, "auto" or None, default="auto"
        Number of training rows that are predicted, each from all other rows. They are drawn at
        random. "auto" predicts all rows up to 20,000, and 5,000 beyond; None predicts all. The
        descent on AICc or GCV uses at most 2,000 rows; multiples of its result are then tried on
        all rows.
    random_state : int, RandomState instance or None, default=0
        Seed for drawing subsamples, and the halves for `n_components`.
    metric : str or callable, default="euclidean"
        "euclidean"; "precomputed", if `X` holds distances; or any metric of
        :func:`sklearn.metrics.pairwise_distances`. For metrics other than "euclidean", the
        bandwidth is one number, in the units of the distance, and all columns must be numbers.
        Pairs at infinite distance do not count. `per_feature` needs "euclidean".
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
        Queries without such rows get NaN. Not for ``metric="precomputed"``. The search scores only
        rows with earlier rows.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        The prediction for a query for which no training row has weight, as happens with compact
        kernels: the mean of the nearest training rows; the mean of all rows; NaN; or an error. If
        all distances are infinite, "nearest" gives NaN too. The search scores these predictions;
        with "nan" and "error", a bandwidth that leaves a row without weight is never chosen.
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
        The best bandwidth, in the forms of `bandwidth_` of :class:`NadarayaWatsonRegressor`. With a
        projection, the bandwidth between rows that differ in one feature only.
    projection_ : ndarray of shape (n_components, n_features) or None
        The projection: the scaled distance of two rows is the length of their projected
        difference. Components are uncorrelated, the largest spread first; there may be fewer than
        `n_components`. None if no projection was learned, or if none was kept.
    degree_ : {0, 1}
        The best degree.
    best_score_ : float
        The score of the best candidate. Greater is better, so losses are negative.
    best_index_ : int
        Its number among the candidates of ``cv_results_``.
    cv_results_ : dict
        Lists with one entry for each candidate, for :class:`pandas.DataFrame` to show: "bandwidth",
        "degree", "multiple" (of the rule of thumb; NaN if the bandwidth is no multiple of it, `inf`
        for an infinite bandwidth), "score", "effective_dof" (the trace of the smoother) and
        "empty_share" (the share of rows to which no other row gives weight). With `cv`, only
        "bandwidth", "degree" and "score".
    n_queries_ : int
        Number of training rows that were predicted to compare the candidates.
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
    NadarayaWatsonRegressor : The same with a given bandwidth.
    sklearn.linear_model.RidgeCV : Ridge regression with the same kind of search.

    Notes
    -----
    Among many windows, one is the best by chance. With ``bandwidths="auto"`` and the mean squared
    error, the search therefore starts from the mean of all rows, replaces it by ridge regression
    if that is clearly better, and replaces the result by the best window if that is clearly
    better. "Clearly" means by more than the standard error of the difference between the squared
    errors of the rows. Other scores are compared without such a test.

    With scikit-learn 1.9 or later, ``model.set_callbacks(ProgressBar())`` shows the progress of
    `fit`, with ``ProgressBar`` from ``sklearn.callback``.

    References
    ----------
    W. Härdle, J. S. Marron, "Optimal Bandwidth Selection in Nonparametric Regression Function
    Estimation", *Annals of Statistics* 13(4), 1985.
    `doi:10.1214/aos/1176349748 <https://doi.org/10.1214/aos/1176349748>`_

    C. M. Hurvich, J. S. Simonoff, C.-L. Tsai, "Smoothing Parameter Selection in Nonparametric
    Regression Using an Improved Akaike Information Criterion", *Journal of the Royal Statistical
    Society B* 60(2), 1998. `doi:10.1111/1467-9868.00125
    <https://doi.org/10.1111/1467-9868.00125>`_

    K. Q. Weinberger, G. Tesauro, "Metric Learning for Kernel Regression", *Proceedings of the
    Eleventh International Conference on Artificial Intelligence and Statistics*, PMLR 2, 2007.
    `proceedings.mlr.press/v2/weinberger07a <https://proceedings.mlr.press/v2/weinberger07a.html>`_

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nwkr import NadarayaWatsonRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = NadarayaWatsonRegressorCV().fit(X, y)
    >>> round(model.score(None, y), 2)  # R2 of the leave-one-out predictions
    0.51
    >>> model.degree_
    1

    All candidates as a data frame, and the best of them:

    >>> import pandas as pd
    >>> table = pd.DataFrame(model.cv_results_)
    >>> list(table)
    ['bandwidth', 'degree', 'multiple', 'score', 'effective_dof', 'empty_share']
    >>> table.nlargest(2, "score")[["degree", "score"]].round({"score": -1})
        degree   score
    33       1 -2910.0
    34       1 -2930.0
    """

    _plain_class = NadarayaWatsonRegressor
    _default_scoring = "neg_mean_squared_error"
    # Lines that take more operations are not compared with means.
    _most_operations = 1e9
    _parameter_constraints: dict = {
        **BandwidthSearch._parameter_constraints,
        "degrees": ["array-like"],
        "ridge": NadarayaWatsonRegressor._parameter_constraints["ridge"],
    }

    def __init__(
        self,
        kernel="gaussian",
        bandwidths="auto",
        *,
        degrees=(0, 1),
        per_feature="auto",
        n_components=None,
        ridge=1.0,
        shrinkage=0.02,
        scoring=None,
        cv=None,
        gap=None,
        subsample="auto",
        random_state=0,
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
        self.bandwidths = bandwidths
        self.degrees = degrees
        self.per_feature = per_feature
        self.n_components = n_components
        self.ridge = ridge
        self.shrinkage = shrinkage
        self.scoring = scoring
        self.cv = cv
        self.gap = gap
        self.subsample = subsample
        self.random_state = random_state
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
    def fit(self, X, y, sample_weight=None, groups=None):
        """Choose the bandwidth and the degree, and store the training rows.

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
        groups : array-like of shape (n_samples,), default=None
            Labels of groups of related rows, such as measurements of one patient, or copies of one
            row. In the search, and with ``X=None``, each row is predicted without all rows of its
            group. With `cv`, these are also the groups for its splits.

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
        return self._fit_without_groups(X, y, sample_weight, groups)

    @property
    def _degrees(self):
        # Lines need columns, which only the euclidean metric has.
        return [d for d in self.degrees if d == 0 or self.metric == "euclidean"]

    @property
    def _fits_lines(self):
        return 1 in self._degrees

    def _forms_of(self, degrees):
        return [Form(1, self.ridge) if degree else MEANS for degree in degrees]

    @property
    def _forms(self):
        return self._forms_of(self._degrees_compared)

    @property
    def _is_quick(self):
        """Whether lines at all rows to score are fast, and their sums fit in memory."""
        n_rows, n_unknowns = len(self._rows), 1 + len(self._columns.sloped[0])
        n_rows = min(n_rows, self._most_rows_scored)
        return n_rows * n_unknowns**3 <= self._most_operations

    @property
    def _criterion(self):
        if self._order is not None:  # a criterion of the full fit cannot leave rows out
            return None
        return {None: "aicc"}.get(self.scoring, self.scoring if self.scoring in CRITERIA else None)

    @property
    def _forms_without_window(self):
        # Ridge regression is fast with any number of columns, unless rows leave out others too.
        shared = self._order is None and self.ridge > 0
        return self._forms_of(self._degrees) if shared else self._forms

    def _clearly_best(self, problem, simple, tried, best):
        return last_clear_gain([*simple, best], problem.sample_weight)

    def _comparable(self, residuals):
        return self._targets.comparable * residuals

    def _losses(self, predictions, values):
        return np.square(self._comparable(predictions - values)).sum(axis=1)

    def _deviance(self, predictions, values, weights):
        scale = self._targets.comparable
        loss, slopes = squared_error(scale * predictions, scale * values, weights)
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing is left to explain
            return np.log(loss), scale * slopes / loss
