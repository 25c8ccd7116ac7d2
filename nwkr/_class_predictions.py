"""Labels and probabilities of classes, their accuracy, and the rows behind them."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._attention_weights import AttentionWeights
from nwkr._density import LocalDensity
from nwkr._lazy import over_blocks
from nwkr._namespaces import follows_X
from nwkr._score import Score
from nwkr._targets import ClassTargets

__all__ = ["ClassPredictions"]


class ClassPredictions(Score, AttentionWeights, LocalDensity):
    """A classifier that predicts labels and probabilities."""

    _targets: ClassTargets

    @follows_X
    @over_blocks(lambda self, options: self._most_probable(np.empty((0, len(self.classes_)))))
    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict; the distances to the training rows, (n_queries, n_train), if
            ``metric="precomputed"``. None predicts the training rows, each left out of its own
            prediction (copies of a row stay in). For a Dask array or frame, the result is a lazy
            array with the same chunks.

        Returns
        -------
        y : ndarray of shape (n_queries,)
            The most probable class, the first one of equally probable classes; `outlier_label` for
            queries whose probabilities are NaN.

        Raises
        ------
        ValueError
            If probabilities are NaN and there is no `outlier_label`; if a query has no weight and
            ``handle_empty="error"``.
        """
        return self._most_probable(self._probabilities(X))

    def _probabilities(self, X):
        check_is_fitted(self)
        return self._targets.decode(self._pooled(X))

    def _most_probable(self, probabilities):
        """The label of the most probable class in each row, or the label of outliers."""
        labels = self.classes_[probabilities.argmax(axis=1)]
        unknown = np.isnan(probabilities).any(axis=1)
        if self.outlier_label_ is not None:
            stands_for_unknown = np.asarray(self.outlier_label_)
            labels = labels.astype(
                np.result_type(labels.dtype, stands_for_unknown.dtype), copy=False
            )
            labels[unknown] = stands_for_unknown
        elif unknown.any():
            raise ValueError(
                f"No training row has weight for {unknown.sum()} of {len(unknown)} "
                f"queries, the first of them row {unknown.argmax()}, and with "
                f"handle_empty={self.handle_empty!r}, one_sided={self.one_sided!r} they have no "
                f"class. Set outlier_label, or handle_empty='nearest' or 'mean' (without effect if "
                f"one_sided excludes all rows). predict_proba returns NaN for these queries."
            )
        return labels

    @follows_X
    @over_blocks(lambda self, options: np.empty((0, len(self.classes_))))
    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_classes)
            Probability of each class, in the order of `classes_`; rows sum to 1. NaN if no training
            row has weight and ``handle_empty="nan"``, or if `one_sided` leaves no row.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.
        """
        return self._probabilities(X)

    @follows_X
    @over_blocks(lambda self, options: np.empty((0, len(self.classes_))))
    def predict_log_proba(self, X):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_queries, n_classes)
            Logarithm of the probability of each class: ``-inf`` for 0, and NaN for NaN.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.
        """
        with np.errstate(divide="ignore"):
            return np.log(self._probabilities(X))

    def score(self, X, y, sample_weight=None):
        """Accuracy of the predicted labels.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. For None, training rows that no other row counts for
            with any bandwidth, such as the earliest with `one_sided`, are not scored, for any
            `handle_empty`.
        y : array-like of shape (n_queries,)
            True labels of these rows; those of the training rows for None.
        sample_weight : array-like of shape (n_queries,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            The weighted share of rows whose label is predicted.

        Raises
        ------
        ValueError
            If labels or weights are missing, or of another length than `X`; if a query has no
            label, as in `predict`.
        """
        return self._score_predictions(X, y, sample_weight)

    @follows_X
    def attention_weights(self, X=None, *, sparse_output=False, top_k=None):
        """Weights of the training rows in the predictions for `X`.

        A weight is the kernel at the distance of a row from the query, times the sample weight and
        the class weight of the row, divided by the sum of these products over all rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None, default=None
            Rows to predict; the distances to the training rows, (n_queries, n_train), if
            ``metric="precomputed"``. None means the training rows, each left out of its own
            prediction.
        sparse_output : bool, default=False
            Whether to return a sparse matrix, built without a dense one.
        top_k : int or None, default=None
            Keep the `top_k` largest weights of each row unchanged, and set the others to 0.

        Returns
        -------
        weights : ndarray or CSR array of shape (n_queries, n_train)
            Rows sum to 1 (to less with `top_k`). With ``degree=0``, the probability of a class is
            the sum of the weights of its training rows; with ``degree=1``, these are the weights in
            the step from the trend. The row of a query is NaN if its prediction is NaN. A sparse
            array stores a NaN for each training row then, or `top_k` of them.

        Raises
        ------
        ValueError
            If `top_k` is not a positive integer or None; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonClassifier
        >>> model = NadarayaWatsonClassifier(bandwidth=1.0).fit([[0], [1], [3]], ["a", "b", "b"])
        >>> model.attention_weights([[0.5]]).round(3)
        array([[0.488, 0.488, 0.024]])
        >>> model.predict_proba([[0.5]]).round(3)
        array([[0.488, 0.512]])
        """
        return self._attention_weights(X, sparse_output, top_k)

    @follows_X
    def effective_sample_size(self, X):
        r"""Effective number of training rows behind a prediction.

        With the attention weights :math:`a_i` of a query it is :math:`1 / \sum_i a_i^2`: the
        number of rows if all weights are equal, and 1 if one row has all the weight. A training
        row counts as one row, whatever its sample weight.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.

        Returns
        -------
        n_effective : ndarray of shape (n_queries,)
            From 1 to the number of training rows; NaN if the prediction is NaN.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.

        References
        ----------
        Leslie Kish, *Survey Sampling*, Wiley, 1965, section 11.7.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonClassifier
        >>> model = NadarayaWatsonClassifier(bandwidth=1.0).fit([[0], [1], [3]], ["a", "b", "b"])
        >>> model.effective_sample_size([[0.5], [9]]).round(2)
        array([2.1, 1. ])
        """
        return self._effective_sample_size(X)
