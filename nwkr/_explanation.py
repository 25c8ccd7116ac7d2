"""What is behind a prediction: the training rows that it comes from."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._effective import surface_gradients
from nwkr._input import names_of_rows

__all__ = ["Explanation"]


class Explanation(NadarayaWatsonBase):
    """Predictions that can be taken apart."""

    def explain(self, X, top_k=5):
        """The training rows with the largest weights in each prediction.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        top_k : int or None, default=5
            How many training rows to list for each query; None for all.

        Returns
        -------
        rows : DataFrame
            One line for each query and training row that has weight for it, those of largest
            weight first, with the columns

            - "query" and "row": the query and the training row, by the index of their data
              frame if they came in one, else by number;
            - "output": name or number of the output, for a regressor with several;
            - "weight": the attention weight, as `attention_weights` has it; with ``degree=1``
              the effective weight, as `effective_weights` has it, which may be negative;
            - "value": the target, or the class, of the training row;
            - "contribution": weight times value, of which the sum over all rows is the
              prediction; for a classifier the weight, of which the sum over all rows of a
              class is its probability.

        Raises
        ------
        ValueError
            If `top_k` is not between 1 and the number of training rows; if a query has no
            weight and ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1], [3]], [10, 20, 30])
        >>> model.explain([[0.5]], top_k=2).round(3)
           query  row  weight  value  contribution
        0      0    0   0.488   10.0         4.879
        1      0    1   0.488   20.0         9.757
        """
        import pandas as pd

        check_is_fitted(self)
        self._check_top_k(top_k)
        query, row, weight = self._largest_weights(self._attention(X), top_k)
        labels = self._row_names if X is None else names_of_rows(X)
        columns = {"query": _named(query, labels), "row": _named(row, self._row_names)}
        tables = [
            pd.DataFrame(columns | output | {"weight": weight, "value": y, "contribution": c})
            for output, y, c in self._targets.contributions(row, weight)
        ]
        # All outputs of a query together, and the rows of each in their order.
        number = np.repeat(np.arange(len(tables)), len(query))
        places = np.lexsort((number, np.tile(query, len(tables))))
        return pd.concat(tables).iloc[places].reset_index(drop=True)

    def gradient(self, X):
        r"""Slope of the prediction: how it changes with each feature of the query.

        It is the exact derivative of the fitted function, for the Gaussian for instance

        .. math:: \frac{\partial f}{\partial q_j}
                  = \sum_i a_i\, (y_i - f)\, \frac{x_{ij} - q_j}{b_j^2}

        with the attention weights :math:`a_i` and the bandwidth :math:`b`. With ``degree=1`` the
        slope of the line is added, and targets count by their distance from the line. At a kink,
        which is the edge of a window, or a training row under a kernel with a cusp
        ("triangular", "exponential"), it is the slope to one side or between both.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. None for the slopes of leave-one-out predictions.

        Returns
        -------
        slopes : ndarray of shape (n_queries, n_features) or (n_queries, n_features, n_outputs)
            Slopes, in units of `y` by units of the column; for a classifier those of the class
            probabilities, with one column for each class in the place of outputs. 0 where the
            bandwidth is 0 or `inf`, and where no row has weight, for what stands in is constant
            in the neighbourhood.

        Raises
        ------
        ValueError
            If the kernel has no derivative, like "boxcar" and functions; if the metric is not
            euclidean; if the bandwidth depends on the query, as :class:`~nwkr.bandwidths.KNearest`
            has it; if a query has no weight and ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1], [3]], [0, 1, 2])
        >>> model.gradient([[0.5], [1.5]]).round(3)
        array([[0.333],
               [0.636]])
        """
        check_is_fitted(self)
        kernel = self.kernel_
        if kernel.derivative is None and kernel.log_slope is None:
            raise ValueError(
                f"gradient needs a kernel with a derivative; kernel={kernel.name!r} has none. "
                f"Choose another kernel, 'epanechnikov' for instance, or a Kernel with a "
                f"derivative."
            )
        if self._metric != "euclidean":
            raise ValueError(f"gradient needs metric='euclidean'; got metric={self._metric!r}.")
        if self._window.by_query:
            raise ValueError(
                f"gradient needs a bandwidth that does not change with the query; got "
                f"{self._window.bandwidth}."
            )
        attention = self._attention(X)
        if self._lines.has_slopes:
            slopes = surface_gradients(self._fit_lines(attention), self._values)
        else:
            slopes = attention.gradients(self._values)
        self._refuse_empty(~np.isnan(slopes[:, :, 0]).any(axis=1))
        return self._targets.decode_sizes(slopes)

    def _largest_weights(self, attention, top_k):
        """Numbers of queries and training rows, and their weights, the largest first."""
        parts = []
        reached = np.empty(len(attention.queries), bool)

        def keep(rows, cols, weights):
            reached[rows], sizes = weights.any(axis=1), np.abs(weights)
            least = np.zeros((len(rows), 1))
            if top_k is not None and top_k < weights.shape[1]:
                least = np.partition(sizes, -top_k, axis=1)[:, -top_k, None]
            row, col = np.nonzero((sizes >= least) & (sizes > 0))
            weight, number = weights[row, col], self._rows[cols[col]]
            # Where weights are equal, the row that comes first in the data comes first.
            order = np.lexsort((number, -np.abs(weight), row))
            place = np.arange(len(row)) - np.searchsorted(row, row)
            order = order[place < (top_k or np.inf)]
            parts.append((rows[row[order]], number[order], weight[order]))

        self._visit_effective(attention, keep)
        self._refuse_empty(reached)
        query, row, weight = (np.concatenate(part) for part in zip(*parts))
        order = query.argsort(kind="stable")
        return query[order], row[order], weight[order]


def _named(numbers, names):
    return numbers if names is None else names[numbers]
