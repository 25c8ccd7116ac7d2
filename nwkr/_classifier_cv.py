"""Nadaraya-Watson classification that finds its bandwidth."""

from __future__ import annotations

import numpy as np

from nwkr._classifier import NadarayaWatsonClassifier
from nwkr._counts import count_rows
from nwkr._leave_one_out import MEANS, Form
from nwkr._pooling import as_dense
from nwkr._ranking import level, scores_of
from nwkr._scoring import log_loss
from nwkr._search import BandwidthSearch
from nwkr._window import FixedWindow

__all__ = ["NadarayaWatsonClassifierCV"]

# A step whose sums would be more than these is not tried.
_MOST_VALUES = 1_000
# With bandwidths="auto", a step is tried in windows of the rule of thumb times these powers of
# sqrt 2, and on in narrower ones, and in wider ones up to so many times the rule.
_LADDER_OF_STEPS, _WIDE = range(-3, 5), 16
# By how many of its standard errors a candidate has to be better than the trend alone.
_LEAST_GAIN = 2


class NadarayaWatsonClassifierCV(BandwidthSearch, NadarayaWatsonClassifier):
    r"""Nadaraya-Watson classification that finds its bandwidth, and whether to follow a trend.

    The classifier to start with: no parameter has to be set. It compares shares of the weights
    around a query with a logistic regression, and with steps from there; and one multiple of a rule
    of thumb for all features with one bandwidth for each feature. Every candidate predicts each
    training row from all others, without refits; the best is kept. In all else it is a
    :class:`NadarayaWatsonClassifier`.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidths : "auto" or list, default="auto"
        The candidates, each anything that `bandwidth` may be of :class:`NadarayaWatsonClassifier`,
        but a matrix.
        "auto" tries multiples of Scott's rule of thumb, a factor sqrt 2 apart, and goes on
        while the best is at an end.
    degrees : sequence of {0, 1}, default=(0, 1)
        What the probabilities may be made of: 0 shares of the weights around the query; 1 a trend
        and steps from there, with and without slopes, and the trend alone, which is preferred
        unless the gain in log loss is more than twice its standard error. With a metric other than
        "euclidean", groups, a gap or `one_sided` there are shares only.
    per_feature : "auto" or bool, default="auto"
        Whether to go on from the best candidate of each kind to one bandwidth for each feature, by
        following the slopes of the loss (L-BFGS-B). A feature of few values starts as wide as their
        range. A feature may run out to `inf`, which switches it off. What is found is kept only if
        AIC prefers it: 2 per extra bandwidth. "auto" does so with ``bandwidths="auto"`` wherever
        the kernel has a derivative, and metric, `cv` and `scoring` allow it.
    ridge : float, default=1.0
        For steps with slopes, how many rows say that a slope is 0.
    shrinkage : float, default=0.01
        How strongly the features' bandwidths are drawn to the candidate they start from: the
        sum of squares of ``log(bandwidth / candidate)``, times this, is added to twice the loss.
        A feature of few values is drawn to their range. 0 is no restraint.
    scoring : str, callable or None, default=None
        What makes a bandwidth the best. None is the log loss; else the name of a scorer of
        scikit-learn, a scorer, or a function ``(y_true, y_pred) -> float`` of which greater
        is better, of all leave-one-out predictions together.
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
        all up to 20,000 rows and 5,000 beyond; None is always all. The descent to one bandwidth
        for each feature is on 2,000 rows at most, and its outcome is tried in multiples.
    random_state : int, RandomState instance or None, default=0
        Seed for drawing the subsample.
    metric : str or callable, default="euclidean"
        As of :class:`NadarayaWatsonClassifier`; "euclidean" if `per_feature`.
    metric_params : dict or None, default=None
        As of :class:`NadarayaWatsonClassifier`.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        As of :class:`NadarayaWatsonClassifier`.
    ordered_features : array-like or None, default=None
        As of :class:`NadarayaWatsonClassifier`.
    periodic_features : dict or None, default=None
        As of :class:`NadarayaWatsonClassifier`.
    one_sided : str, int or None, default=None
        As of :class:`NadarayaWatsonClassifier`. Candidates are judged by how well they predict each
        row from those before it; rows that nothing comes before are not judged.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        As of :class:`NadarayaWatsonClassifier`. A bandwidth is scored for what it would do;
        with "nan" and "error" one that leaves a row without weight is never chosen.
    outlier_label : label, "most_frequent" or None, default=None
        As of :class:`NadarayaWatsonClassifier`.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        As of :class:`NadarayaWatsonClassifier`.
    tol : float, default=0.0
        As of :class:`NadarayaWatsonClassifier`.
    class_weight : dict, "balanced" or None, default=None
        As of :class:`NadarayaWatsonClassifier`.
    n_jobs : int or None, default=None
        Number of threads. None takes as many as BLAS may use at the moment, -1 all
        processors. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    outlier_label_ : label or None
        The label in use for queries that no training row has weight for.
    bandwidth_ : ndarray of shape (n_features,), float, or KNearest
        The best bandwidth.
    degree_ : {0, 1}
        The best degree.
    ridge_ : float
        The ridge of the best candidate, `inf` for a step without slopes; without a meaning if
        ``degree_=0``.
    trend_ : Pipeline or None
        The logistic regression, behind a scaler; None with ``degree_=0``, or of one class.
    best_score_ : float
        Its score.
    cv_results_ : dict
        One entry for each candidate, for :class:`pandas.DataFrame` to show: "bandwidth",
        "degree", "ridge", "multiple" of the rule of thumb (NaN where it is none, `inf` for the
        trend alone), "score", "effective_dof" (the trace of the smoother; for each logit that of
        trend and step) and "empty_share" (the share of rows that no other row has weight for).
        With `cv`, bandwidth, degree and score.
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
    NadarayaWatsonClassifier : The same with a given bandwidth.

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
    """

    _parameter_constraints: dict = {
        **BandwidthSearch._parameter_constraints,
        **{
            name: NadarayaWatsonClassifier._parameter_constraints[name]
            for name in ("class_weight", "outlier_label", "ridge")
        },
        "degrees": ["array-like"],
    }
    _plain_class = NadarayaWatsonClassifier
    _default_scoring = "neg_log_loss"
    _rows_of_leave_one_out_descent = 2_000

    def __init__(
        self,
        kernel="gaussian",
        bandwidths="auto",
        *,
        degrees=(0, 1),
        per_feature="auto",
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

    def _choose_window(self, X, y, sample_weight):
        self._trend, self._newton_step = None, None
        if self._order is None or 0 not in self.degrees:
            self._choose_trend(sample_weight)
        return super()._choose_window(X, y, sample_weight)

    @property
    def _degrees(self):
        # Rows have columns for a trend for the euclidean metric alone.
        return [d for d in self.degrees if d == 0 or self.metric == "euclidean"]

    @property
    def _forms(self):
        if self._trend is None:
            return [MEANS]
        forms = [MEANS] if 0 in self._degrees else []
        forms.append(Form(1, np.inf))
        n_slopes = len(self._trend.columns)
        n_values = self._trend.link.n_logits * (1 + n_slopes) * (4 + n_slopes) // 2
        if np.isfinite(self.ridge) and n_values <= _MOST_VALUES:
            forms.append(Form(1, self.ridge))
        return forms

    @property
    def _degree(self):
        return self.degree_

    @property
    def _ridge(self):
        return self.ridge_

    @property
    def _fits_trend(self):
        return 1 in self._degrees

    @property
    def _trend_of_keys(self):
        return self._trend and self._trend.take(self._rows)

    def _check_search(self):
        super()._check_search()
        degrees = list(self.degrees)
        if not degrees or any(isinstance(d, bool) or d not in (0, 1) for d in degrees):
            raise ValueError(f"degrees must hold 0, 1 or both; got {self.degrees!r}.")
        self._check_degree(min(degrees))

    def _without_windows(self, problem):
        if self._trend is None or not isinstance(self.bandwidths, str):
            return []
        nowhere = FixedWindow(np.full(self._X.shape[1], np.inf))
        return self._try(problem, [nowhere], Form(1, np.inf), [np.inf])

    def _result(self, problem, window, fit, form, multiple):
        result = super()._result(problem, window, fit, form, multiple)
        if form.degree and self._trend is not None:
            result["effective_dof"] += self._trend.dof
        # "multiple" and what else is known of all candidates comes behind.
        return (
            {"bandwidth": result.pop("bandwidth"), "degree": form.degree}
            | {"ridge": form.ridge}
            | result
        )

    def _ladder(self, form):
        return _LADDER_OF_STEPS if form.degree else super()._ladder(form)

    def _at_the_mean(self, tried):
        # Beyond, a step is that of all rows; with no window it is left out.
        if tried[-1][1]["degree"]:
            return tried[-1][1]["multiple"] > _WIDE or level(tried)
        return super()._at_the_mean(tried)

    def _at_the_nearest(self, tried):
        # In narrow windows the one row on the trend has its say: degrees of freedom stay few.
        if tried[0][1]["degree"]:
            return scores_of(tried).argmax() > 0 or level(tried)
        return super()._at_the_nearest(tried)

    def _best_of(self, problem, tried):
        best, trend = super()._best_of(problem, tried), tried[0]
        by_log_loss = (self.scoring or self._default_scoring) == self._default_scoring
        if not by_log_loss or trend[1]["multiple"] != np.inf:
            return best
        # By Akaike's criterion, each bandwidth more costs one over the number of rows.
        weights = problem.sample_weight / problem.sample_weight.sum()
        costs = np.array([self._n_bandwidths(*candidate) - 1 for candidate in tried])
        costs = costs / count_rows(weights)
        number = (scores_of(tried) - costs).argmax()
        best = tried[number]
        if best is trend:
            return trend
        # A window has to earn its place: many have been tried, and one of them fits best by chance.
        gains = self._losses(problem, *trend) - self._losses(problem, *best)
        gain = weights @ gains
        noise = np.sqrt(np.square(weights) @ np.square(gains - gain))
        return best if gain - costs[number] > _LEAST_GAIN * noise else trend

    def _n_bandwidths(self, window, result):
        """How many bandwidths have been chosen."""
        if not np.isnan(result["multiple"]):
            return 1
        return max(1, np.isfinite(self._columns.by_feature(window.bandwidth)).sum())

    def _losses(self, problem, window, result):
        """The loss of each row."""
        form = Form(result["degree"], result["ridge"])
        fit = next(problem.leave_one_out.fits([window], form))
        of_truth = (fit.predictions * as_dense(problem.values)).sum(axis=1)
        return -np.log(np.maximum(of_truth, np.finfo(float).eps))

    def _grid(self, bandwidths):
        return {"bandwidth": bandwidths, "degree": list(self._degrees)}

    def _note_best(self, best):
        self.degree_ = best["degree"]
        self.ridge_ = best.get("ridge", self.ridge)

    def _deviance(self, predictions, values, weights):
        loss, slopes = log_loss(predictions, as_dense(values), weights)
        return 2 * loss, 2 * slopes
