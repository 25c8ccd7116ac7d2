"""Nadaraya-Watson classification that chooses its bandwidth."""

from __future__ import annotations

from nwkr._classifier import NadarayaWatsonClassifier
from nwkr._search_of_classes import ClassSearch
from nwkr._validation import _fit_context

__all__ = ["NadarayaWatsonClassifierCV"]


class NadarayaWatsonClassifierCV(ClassSearch, NadarayaWatsonClassifier):
    r"""Nadaraya-Watson classification that chooses its bandwidth, and whether to use a trend.

    Start with this classifier: it needs no parameters. It compares class shares of the weights
    around a query with a logistic regression, and with local steps from the regression. It also
    compares multiples of a rule of thumb with one bandwidth for each feature. Every candidate
    predicts each training row from all others, without refits, and the best one is kept. After
    `fit`, the estimator predicts like a :class:`NadarayaWatsonClassifier` with the chosen bandwidth
    and degree, and has its methods, except for `partial_fit`.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidths : "auto" or list, default="auto"
        The candidates: a list of values of `bandwidth` of :class:`NadarayaWatsonClassifier`.
        "auto" tries multiples of Scott's rule of thumb, a factor of sqrt 2 apart, and adds
        candidates while the best one is the narrowest or the widest.
    degrees : sequence of {0, 1}, default=(0, 1)
        The models to compare. 0: class shares of the weights around the query. 1: a trend with
        local steps, with and without slopes, and the trend alone, which is preferred unless the
        gain in log loss exceeds twice its standard error. With a metric other than "euclidean", or
        with `one_sided`, only 0 is used. A trend is also not compared with 0 if it would take
        minutes: if ``n_samples * n_classes**3`` exceeds 5e9; with groups, if
        ``n_groups * (n_classes * (1 + n_columns))**3`` does; with a gap, each row is a group.
    per_feature : "auto" or bool, default="auto"
        Whether to continue from the best candidate of each kind to one bandwidth for each feature.
        L-BFGS-B minimises the log loss. A feature with few values starts with their range as its
        bandwidth. A bandwidth may become `inf`, which switches the feature off. The result is kept
        only if AIC prefers it: 2 per extra bandwidth. "auto" does this with ``bandwidths="auto"``,
        if the kernel has a derivative and `metric`, `cv` and `scoring` allow it.
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
        For steps with slopes, the penalty on the slopes, as a number of rows for which the step is
        constant.
    shrinkage : float, default=0.01
        Penalty that keeps the bandwidths by feature close to the candidate from which they start:
        the sum of squares of ``log(bandwidth / candidate)``, times this, is added to twice the
        loss. For a feature with few values, the reference is their range. For a projection, it is
        the sum of squares of its changes, in units of these bandwidths. 0 is no penalty.
    scoring : str, callable or None, default=None
        The score that compares candidates, from all leave-one-out predictions together. None is the
        log loss. Alternatives are the name of a scikit-learn scorer, a scorer, or a function
        ``(y_true, y_pred) -> float`` whose greater values are better.
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
        descent to one bandwidth for each feature uses at most 2,000 rows; multiples of its result
        are then tried on all rows.
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
        Queries without such rows get NaN probabilities. Not for ``metric="precomputed"``. The
        search scores only rows with earlier rows.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        The prediction for a query for which no training row has weight, as happens with compact
        kernels: the class shares of the nearest training rows; those of all rows; NaN
        probabilities, and `outlier_label` from `predict`; or an error. With ``degree=1``, "nearest"
        and "mean" give the trend. The search scores these predictions; with "nan" and "error", a
        bandwidth that leaves a row without weight is never chosen.
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
    outlier_label_ : label or None
        The label for queries whose probabilities are NaN.
    bandwidth_ : ndarray of shape (n_features,) or (n_features, n_features), float, or KNearest
        The best bandwidth, in the forms of `bandwidth_` of :class:`NadarayaWatsonClassifier`. With
        a projection, the bandwidth between rows that differ in one feature only.
    projection_ : ndarray of shape (n_components, n_features) or None
        The projection: the scaled distance of two rows is the length of their projected
        difference. Components are uncorrelated, the largest spread first; there may be fewer than
        `n_components`. None if no projection was learned, or if none was kept.
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
        Lists with one entry for each candidate, for :class:`pandas.DataFrame` to show: "bandwidth",
        "degree", "ridge", "multiple" (of the rule of thumb; NaN if the bandwidth is no multiple of
        it, `inf` for the trend alone), "score", "effective_dof" (the trace of the smoother; with
        ``degree=1``, that of trend and step for each logit) and "empty_share" (the share of rows
        to which no other row gives weight). With `cv`, only "bandwidth", "degree" and "score".
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
    NadarayaWatsonClassifier : The same with a given bandwidth.

    Notes
    -----
    With scikit-learn 1.9 or later, ``model.set_callbacks(ProgressBar())`` shows the progress of
    `fit`, with ``ProgressBar`` from ``sklearn.callback``.

    References
    ----------
    P. Hall, "On Kullback-Leibler Loss and Density Estimation", *Annals of Statistics* 15(4),
    1987. `doi:10.1214/aos/1176350606 <https://doi.org/10.1214/aos/1176350606>`_

    J. Fan, J. Chen, "One-Step Local Quasi-Likelihood Estimation", *Journal of the Royal
    Statistical Society B* 61(4), 1999. `doi:10.1111/1467-9868.00211
    <https://doi.org/10.1111/1467-9868.00211>`_

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nwkr import NadarayaWatsonClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NadarayaWatsonClassifierCV().fit(X, y)
    >>> round(model.score(None, y), 2)
    0.97
    >>> model.degree_
    1

    All candidates as a data frame. Here the best is the trend alone:

    >>> import pandas as pd
    >>> table = pd.DataFrame(model.cv_results_)
    >>> list(table)
    ['bandwidth', 'degree', 'ridge', 'multiple', 'score', 'effective_dof', 'empty_share']
    >>> float(table["multiple"][model.best_index_])
    inf
    """

    _parameter_constraints: dict = ClassSearch._parameter_constraints | {
        "class_weight": NadarayaWatsonClassifier._parameter_constraints["class_weight"],
        "outlier_label": NadarayaWatsonClassifier._parameter_constraints["outlier_label"],
        "ridge": NadarayaWatsonClassifier._parameter_constraints["ridge"],
        "degrees": ["array-like"],
    }
    _plain_class = NadarayaWatsonClassifier

    def __init__(
        self,
        kernel="gaussian",
        bandwidths="auto",
        *,
        degrees=(0, 1),
        per_feature="auto",
        n_components=None,
        ridge=1.0,
        shrinkage=0.01,
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
        outlier_label=None,
        algorithm="auto",
        tol=0.0,
        class_weight=None,
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
        self.outlier_label = outlier_label
        self.algorithm = algorithm
        self.tol = tol
        self.class_weight = class_weight
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
        y : array-like of shape (n_samples,)
            Class labels.
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
