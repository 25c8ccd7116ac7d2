"""Nadaraya-Watson regression that finds its bandwidth."""

from __future__ import annotations

import numpy as np

from nwkr._leave_one_out import MEANS, Form
from nwkr._regressor import NadarayaWatsonRegressor
from nwkr._scoring import CRITERIA, squared_error
from nwkr._search import BandwidthSearch

__all__ = ["NadarayaWatsonRegressorCV"]


class NadarayaWatsonRegressorCV(BandwidthSearch, NadarayaWatsonRegressor):
    r"""Kernel regression that finds its bandwidth, and whether to fit lines.

    The estimator to start with: no parameter has to be set. It compares means with local lines,
    and one multiple of a rule of thumb for all features with one bandwidth for each feature.
    Every candidate predicts each training row from all others, exactly and without refits; the
    best is kept. In all else it is a :class:`NadarayaWatsonRegressor`.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidths : "auto" or list, default="auto"
        The candidates, each anything that `bandwidth` may be of :class:`NadarayaWatsonRegressor`,
        but a matrix.
        "auto" tries multiples of Scott's rule of thumb, a factor sqrt 2 apart, and goes on
        while the best is at an end.
    degrees : sequence of {0, 1}, default=(0, 1)
        What may be fitted in a window: 0 the mean of the targets, 1 a line. Metrics other than
        "euclidean" have means only.
    per_feature : "auto" or bool, default="auto"
        Whether to go on from the best candidate of each degree to one bandwidth for each
        feature, by following the slopes of AICc (of `scoring`, if it is "gcv" or
        "neg_mean_squared_error") with L-BFGS-B. A feature whose bandwidth runs out to `inf`
        is switched off with ``degree_=0``, and linear with ``degree_=1``. What is found is one
        more candidate. "auto" does so with ``bandwidths="auto"`` wherever the kernel has a
        derivative, and metric, `cv` and `scoring` allow it.
    ridge : float, default=1.0
        For lines, how many rows say that the slope is 0.
    shrinkage : float, default=0.02
        How strongly the features' bandwidths are drawn to the candidate they start from: the
        sum of squares of ``log(bandwidth / candidate)``, times this, is added to the logarithm
        of the loss. 0 is no restraint.
    scoring : str, callable or None, default=None
        What makes a candidate the best. None is the mean squared error of the leave-one-out
        predictions; else the name of a scorer of scikit-learn, a scorer, or a function
        ``(y_true, y_pred) -> float`` of which greater is better, of all leave-one-out predictions
        together; or "aicc" or "gcv", which judge the fit and its degrees of freedom instead.
        "neg_mean_squared_error" is None, but that the descent follows leave-one-out, too.
    cv : int, cross-validation generator, iterable or None, default=None
        None leaves each training row out of its own prediction, exactly and without refits.
        Anything else has :class:`sklearn.model_selection.GridSearchCV` compare the candidates.
    gap : float, tuple or None, default=None
        What else is left out with each row, for series whose noise is correlated in time: all
        rows at most so many rows away, in the order of `X`; or, with a pair such as
        ``("time", 3.0)``, those whose number in that column differs by at most so much. Rows that
        belong together otherwise are `groups` of `fit`.
    subsample : int, "auto" or None, default="auto"
        How many training rows, drawn at random, are predicted (from all others). "auto" is
        all up to 20,000 rows and 5,000 beyond; None is always all. The descent on AICc or GCV
        is on 2,000 rows at most, and its outcome is tried in multiples.
    random_state : int, RandomState instance or None, default=0
        Seed for drawing the subsample.
    metric : str or callable, default="euclidean"
        As of :class:`NadarayaWatsonRegressor`; "euclidean" if `per_feature`.
    metric_params : dict or None, default=None
        As of :class:`NadarayaWatsonRegressor`.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        As of :class:`NadarayaWatsonRegressor`.
    ordered_features : array-like or None, default=None
        As of :class:`NadarayaWatsonRegressor`.
    periodic_features : dict or None, default=None
        As of :class:`NadarayaWatsonRegressor`.
    one_sided : str, int or None, default=None
        As of :class:`NadarayaWatsonRegressor`. Candidates are judged by how well they predict each
        row from those before it; rows that nothing comes before are not judged.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        As of :class:`NadarayaWatsonRegressor`. A bandwidth is scored for what it would do;
        with "nan" and "error" one that leaves a row without weight is never chosen.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        As of :class:`NadarayaWatsonRegressor`.
    tol : float, default=0.0
        As of :class:`NadarayaWatsonRegressor`.
    n_jobs : int or None, default=None
        Number of threads. None takes as many as BLAS may use at the moment, -1 all
        processors. The result does not depend on it.

    Attributes
    ----------
    bandwidth_ : ndarray of shape (n_features,), float, or KNearest
        The best bandwidth.
    degree_ : {0, 1}
        The best degree.
    best_score_ : float
        Its score.
    cv_results_ : dict
        One entry for each candidate, for :class:`pandas.DataFrame` to show: "bandwidth",
        "degree", "multiple" of the rule of thumb (NaN where it is none), "score",
        "effective_dof" (the trace of the smoother) and "empty_share" (the share of rows that no
        other row has weight for). With `cv`, bandwidth, degree and score.
    n_queries_ : int
        Number of training rows that were predicted.
    kernel_ : Kernel
        The kernel in use.
    algorithm_ : {"dense", "blocks", "lattice"}
        The algorithm in use for as many queries as training rows; "auto" decides anew by the
        number of queries.
    attention_weights_ : ndarray of shape (n_samples, n_samples)
        Weights of the training rows in their own predictions; computed when it is read.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of features seen by `fit`, where all are strings.

    See Also
    --------
    NadarayaWatsonRegressor : The same with a given bandwidth.
    sklearn.linear_model.RidgeCV : Ridge regression with the same kind of search.

    References
    ----------
    W. Härdle, J. S. Marron, "Optimal Bandwidth Selection in Nonparametric Regression Function
    Estimation", *Annals of Statistics* 13(4), 1985.
    `doi:10.1214/aos/1176349748 <https://doi.org/10.1214/aos/1176349748>`_

    C. M. Hurvich, J. S. Simonoff, C.-L. Tsai, "Smoothing Parameter Selection in Nonparametric
    Regression Using an Improved Akaike Information Criterion", *Journal of the Royal Statistical
    Society B* 60(2), 1998. `doi:10.1111/1467-9868.00125
    <https://doi.org/10.1111/1467-9868.00125>`_

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
    """

    _plain_class = NadarayaWatsonRegressor
    _default_scoring = "neg_mean_squared_error"
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

    @property
    def _degrees(self):
        # Rows have columns to be lines in for the euclidean metric alone.
        return [d for d in self.degrees if d == 0 or self.metric == "euclidean"]

    @property
    def _degree(self):
        return self.degree_

    @property
    def _fits_lines(self):
        return 1 in self._degrees

    @property
    def _forms(self):
        return [Form(1, self.ridge) if degree else MEANS for degree in self._degrees]

    @property
    def _criterion(self):
        if self._order is not None:  # a criterion of the fit does not know what is left out
            return None
        return {None: "aicc"}.get(self.scoring, self.scoring if self.scoring in CRITERIA else None)

    def _check_search(self):
        super()._check_search()
        degrees = list(self.degrees)
        if not degrees or any(isinstance(d, bool) or d not in (0, 1) for d in degrees):
            raise ValueError(f"degrees must hold 0, 1 or both; got {self.degrees!r}.")
        self._check_degree(min(degrees))

    def _grid(self, bandwidths):
        return {"bandwidth": bandwidths, "degree": list(self._degrees)}

    def _note_best(self, best):
        self.degree_ = best["degree"]

    def _comparable(self, residuals):
        return self._targets.comparable * residuals

    def _deviance(self, predictions, values, weights):
        scale = self._targets.comparable
        loss, slopes = squared_error(scale * predictions, scale * values, weights)
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing is left to explain
            return np.log(loss), scale * slopes / loss
