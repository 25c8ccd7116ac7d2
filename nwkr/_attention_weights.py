"""Attention weights: the weight of each training row in a prediction."""

from __future__ import annotations

import numpy as np
from sklearn import get_config

from nwkr._base import NadarayaWatsonBase
from nwkr._matrices import DenseMatrix, SparseMatrix, check_top_k, keep_largest
from nwkr._namespaces import follows_X

__all__ = ["AttentionWeights"]


class AttentionWeights(NadarayaWatsonBase):
    """An estimator that returns its weights."""

    def _attention_weights(self, X, sparse_output, top_k):
        """The weights of all training rows for the queries `X`."""
        check_top_k(top_k)
        return self._matrix(self._attention(X), sparse_output=sparse_output, top_k=top_k)

    @property
    @follows_X
    def attention_weights_(self):
        """Weights of the training rows in their own predictions, each row included.

        An ndarray of shape (n_train, n_train), computed whenever it is read. It equals
        ``attention_weights(X)`` for the training rows `X`. Reading it is an AttributeError if it
        would not fit in scikit-learn's ``working_memory``.
        """
        n_train = len(self._X)
        if n_train**2 * 8 > get_config()["working_memory"] * 2**20:
            raise AttributeError(
                f"attention_weights_ would hold {n_train} x {n_train} numbers, more than "
                f"scikit-learn's working_memory of {get_config()['working_memory']} MiB. Call "
                f"attention_weights(X) for some rows, or with top_k and sparse_output=True for "
                f"the largest weights."
            )
        return self._matrix(self._attend(self._X))

    def __dir__(self):
        # The weights are not listed, because reading them computes them.
        names = set(object.__dir__(self)) - {"attention_weights_"}
        return [name for name in names if hasattr(self, name)]

    def _matrix(self, attention, *, effective=False, sparse_output=False, top_k=None):
        """The weights of all training rows, (n_queries, n_train)."""
        shape = len(attention.queries), len(self._X)
        matrix = (SparseMatrix if sparse_output else DenseMatrix)(shape)
        reached = np.empty(shape[0], bool)

        def keep(rows, cols, weights):
            reached[rows] = of_rows = weights.any(axis=1)
            if top_k is not None and top_k < weights.shape[1]:
                keep_largest(weights, top_k)
            if not of_rows.all():
                rows, weights = rows[of_rows], weights[of_rows]
            matrix.put(rows, self._rows[cols], weights)

        if effective:
            self._visit_effective(attention, keep)
        else:
            attention.visit(keep)
        self._refuse_empty(reached)
        cols = np.sort(self._rows)[:top_k]
        for row in np.flatnonzero(~reached):  # the prediction is NaN
            matrix.put(np.array([row]), cols, np.full((1, len(cols)), np.nan))
        return matrix.finish()
