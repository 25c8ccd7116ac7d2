"""Nadaraya-Watson classification."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._density import LocalDensity
from nwkr._explanation import Explanation
from nwkr._input import by_name, validate_rows
from nwkr._scoring import log_loss
from nwkr._search import BandwidthSearch
from nwkr._targets import ClassTargets
from nwkr._validation import StrOptions

__all__ = ["NadarayaWatsonClassifier", "NadarayaWatsonClassifierCV"]


class NadarayaWatsonClassifier(ClassifierMixin, LocalDensity, Explanation, NadarayaWatsonBase):
    r"""Nadaraya-Watson kernel classification: class probabilities by similarity.

    The probability of a class is its share of the weights around the query:

    .. math:: P(c \mid q) = \frac{\sum_{i: y_i = c} w_i\, K(\|q - x_i\| / b)}
                                 {\sum_i w_i\, K(\|q - x_i\| / b)}

    which is attention pooling with one-hot classes for values. It is also what Bayes' rule
    gives with a Parzen window for the density of each class, all of one bandwidth.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidth : float, array-like of shape (n_features,), str or callable, default="scott"
        Scale of the distance, in the same units as the columns of `X`: one for all columns
        or one for each; "scott" or "silverman" for a rule of thumb that follows the spread
        of each column; or a callable ``(X, sample_weight) -> float or array``. 0 stands for
        exact matches only, `inf` for a column that does not count.
    metric : str or callable, default="euclidean"
        "euclidean"; "precomputed", where `X` holds distances; or any metric of
        :func:`sklearn.metrics.pairwise_distances`. Except for "euclidean" the bandwidth is
        one number, in the units of the distance. Pairs at a distance `inf` do not count.
    metric_params : dict or None, default=None
        Parameters of the metric, by name, such as ``{"p": 3}`` for "minkowski".
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        What a query gets that no training row has weight for, as happens with kernels of
        compact support: the classes of the nearest training rows; the share of each class
        among all; NaN probabilities (and an error from `predict`); or an error.
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        How the sums are made. "dense" visits all pairs, in tiles; "blocks" only those that
        matter, which takes ``metric="euclidean"``; "lattice" has a Gaussian hop from training
        rows to lattice points and on to queries, for up to 4 features and one bandwidth for
        all rows. "auto" is the fastest of those that can serve.
    tol : float, default=0.0
        Relative error that a sum of weights may have, and error of a probability. 0 asks for
        no more than rounding, 0.1 is the most; "dense" never has more.
    class_weight : dict, "balanced" or None, default=None
        Factors of the rows' weights by class: ``{label: weight}``, 1 where none is given;
        "balanced" gives every class the same weight in total.
    n_jobs : int or None, default=None
        Number of threads. None takes as many as BLAS may use at the moment, -1 all
        processors. The prediction does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The bandwidth in use.
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
    NadarayaWatsonRegressor : The same for numbers.
    sklearn.neighbors.KNeighborsClassifier : Vote of the nearest training rows.

    References
    ----------
    E. A. Nadaraya, "On Estimating Regression", *Theory of Probability and Its Applications*
    9(1), 1964. `doi:10.1137/1109020 <https://doi.org/10.1137/1109020>`_

    E. Parzen, "On Estimation of a Probability Density Function and Mode", *Annals of
    Mathematical Statistics* 33(3), 1962.
    `doi:10.1214/aoms/1177704472 <https://doi.org/10.1214/aoms/1177704472>`_

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
    }

    def __init__(
        self,
        kernel="gaussian",
        bandwidth="scott",
        *,
        metric="euclidean",
        metric_params=None,
        handle_empty="nearest",
        algorithm="auto",
        tol=0.0,
        class_weight=None,
        n_jobs=None,
    ):
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.metric = metric
        self.metric_params = metric_params
        self.handle_empty = handle_empty
        self.algorithm = algorithm
        self.tol = tol
        self.class_weight = class_weight
        self.n_jobs = n_jobs

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict; the distances to the training rows, (n_queries, n_train), if
            ``metric="precomputed"``. None stands for the training rows, each left out of
            its own prediction (and no other row that repeats it).

        Returns
        -------
        y : ndarray of shape (n_queries,)
            The most probable class; of equally probable ones the first.

        Raises
        ------
        ValueError
            If a query has no weight and `handle_empty` is "error", or "nan", which no label
            stands for.
        """
        probabilities = self.predict_proba(X)
        unknown = np.flatnonzero(np.isnan(probabilities).any(axis=1))
        if len(unknown):
            raise ValueError(
                f"No training row has weight for {len(unknown)} of {len(probabilities)} "
                f"queries, the first of them row {unknown[0]}, and with handle_empty='nan' "
                f"they have no class. predict_proba gives NaN for them; handle_empty='nearest' "
                f"or 'mean' gives them a class."
            )
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_classes)
            Probability of each class, in the order of `classes_`; rows sum to 1.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.
        """
        check_is_fitted(self)
        return self._targets.decode(self._pooled(X))

    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_queries, n_classes)
            Logarithm of the probability of each class, ``-inf`` where that is 0.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.kernel == "constant"
        return tags

    def _validate_training(self, X, y):
        X, y = validate_rows(self, X, y)
        with by_name({"y": y}):
            check_classification_targets(y)
        return X, y

    def _encode(self, y, sample_weight):
        targets = ClassTargets.of(y)
        self.classes_ = targets.classes
        of_classes = self._class_weights(targets.values, sample_weight, y)
        weights = sample_weight * of_classes[targets.codes]
        if not (weights > 0).any():
            raise ValueError(
                f"class_weight must leave a row that has weight; got {self.class_weight!r}, with "
                f"which none has."
            )
        return targets, weights

    def _class_weights(self, one_hot, sample_weight, y):
        if self.class_weight == "balanced":
            class_totals = sample_weight @ one_hot
            # A class without weight stays without.
            return sample_weight.sum() / np.where(class_totals > 0, class_totals, np.inf)
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if not (weights >= 0).all() or not (weights < np.inf).all():
            raise ValueError(
                f"class_weight must hold non-negative weights; got {self.class_weight!r}."
            )
        return weights


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
    subsample : int, "auto" or None, default="auto"
        How many training rows, drawn at random, are predicted (from all others). "auto" is
        all up to 20,000 rows and 5,000 beyond; None is always all.
    random_state : int, RandomState instance or None, default=None
        Seed for drawing the subsample.
    metric : str or callable, default="euclidean"
        As of :class:`NadarayaWatsonClassifier`; "euclidean" if `per_feature`.
    metric_params : dict or None, default=None
        As of :class:`NadarayaWatsonClassifier`.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        As of :class:`NadarayaWatsonClassifier`. A bandwidth is scored for what it would do;
        with "nan" and "error" one that leaves a row without weight is never chosen.
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
        "class_weight": NadarayaWatsonClassifier._parameter_constraints["class_weight"],
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
        subsample="auto",
        random_state=None,
        metric="euclidean",
        metric_params=None,
        handle_empty="nearest",
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
        self.subsample = subsample
        self.random_state = random_state
        self.metric = metric
        self.metric_params = metric_params
        self.handle_empty = handle_empty
        self.algorithm = algorithm
        self.tol = tol
        self.class_weight = class_weight
        self.n_jobs = n_jobs

    def _deviance(self, predictions, values, weights):
        loss, slopes = log_loss(predictions, values, weights)
        return 2 * loss, 2 * slopes
