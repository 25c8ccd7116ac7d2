"""Nadaraya-Watson classification that finds its bandwidth."""

from __future__ import annotations

from nwkr._classifier import NadarayaWatsonClassifier
from nwkr._pooling import as_dense
from nwkr._scoring import log_loss
from nwkr._search import BandwidthSearch

__all__ = ["NadarayaWatsonClassifierCV"]


class NadarayaWatsonClassifierCV(BandwidthSearch, NadarayaWatsonClassifier):
    r"""Nadaraya-Watson classification that chooses its bandwidth by leave-one-out.

    Every candidate predicts each training row from all others, exactly, all candidates in one
    pass over the distances; the best is kept. It is a :class:`NadarayaWatsonClassifier` in
    all else.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidths : "auto" or list, default="auto"
        The candidates, each anything that `bandwidth` may be of :class:`NadarayaWatsonClassifier`.
        "auto" tries multiples of Scott's rule of thumb, a factor sqrt 2 apart, and goes on
        while the best is at an end.
    per_feature : bool, default=False
        Whether to go on from the best candidate to one bandwidth for each feature, by
        following the slopes of the loss (L-BFGS-B). A feature of few values starts as wide as their
        range. A feature may run out to `inf`, which switches it off. What is found is kept only if
        AIC prefers it: 2 per extra bandwidth.
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
        all up to 20,000 rows and 5,000 beyond; None is always all.
    random_state : int, RandomState instance or None, default=None
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
    best_score_ : float
        Its score.
    cv_results_ : dict
        One entry for each candidate, and one for the bandwidth per feature: "bandwidth",
        "score", "effective_dof" (the trace of the smoother) and "empty_share" (the share of
        rows that no other row has weight for); the first two only unless ``cv=None``.
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

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nwkr import NadarayaWatsonClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NadarayaWatsonClassifierCV().fit(X, y)
    >>> round(model.score(None, y), 2)
    0.95
    """

    _parameter_constraints: dict = {
        **BandwidthSearch._parameter_constraints,
        **{
            name: NadarayaWatsonClassifier._parameter_constraints[name]
            for name in ("class_weight", "outlier_label")
        },
    }
    _plain_class = NadarayaWatsonClassifier
    _default_scoring = "neg_log_loss"

    def __init__(
        self,
        kernel="gaussian",
        bandwidths="auto",
        *,
        per_feature=False,
        shrinkage=0.01,
        scoring=None,
        cv=None,
        gap=None,
        subsample="auto",
        random_state=None,
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
        self.per_feature = per_feature
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
        self._choose_trend(sample_weight)
        return super()._choose_window(X, y, sample_weight)

    @property
    def _degree(self):
        return 0

    @property
    def _fits_trend(self):
        return False

    def _deviance(self, predictions, values, weights):
        loss, slopes = log_loss(predictions, as_dense(values), weights)
        return 2 * loss, 2 * slopes
