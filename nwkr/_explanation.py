"""Explanations of predictions: the training rows behind them, and slopes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._effective import surface_gradients
from nwkr._input import names_of_rows
from nwkr._matrices import check_top_k
from nwkr._namespaces import follows_X, numpy_only
from nwkr._pooling import query_gradients
from nwkr._which_features import chosen_places

__all__ = ["Explanation", "RegressionExplanation", "named"]


class Explanation(NadarayaWatsonBase):
    """An estimator that explains its predictions."""

    def _explain(self, X, top_k, features):
        """The table of the training rows behind each prediction."""
        import pandas as pd

        check_is_fitted(self)
        check_top_k(top_k)
        tables = list(self._contributions(X, top_k, features))
        # Keep the outputs of a query together, and the rows of each in order.
        query = np.concatenate([table["query"] for table in tables])
        number = np.repeat(np.arange(len(tables)), [len(table["query"]) for table in tables])
        found = pd.concat([pd.DataFrame(table) for table in tables])
        found["query"] = named(query, self._row_names if X is None else names_of_rows(X))
        return found.iloc[np.lexsort((number, query))].reset_index(drop=True)

    def _features_of(self, rows, features):
        """Some features of the training rows, by name."""
        if features is None:
            return {}
        if self._metric == "precomputed":
            raise ValueError(
                f"features must be None with metric='precomputed', which has no features; got "
                f"{features!r}."
            )
        labels = self._columns.labels
        shown = self._columns.shown(self._X[rows])
        taken = {"query", "row", "output", "class", "part", "name", "weight", "value"}
        return {
            f"{labels[n]} of row" if labels[n] in taken | {"contribution"} else labels[n]: shown[n]
            for n in sorted(chosen_places("features", features, labels))
        }

    def _contributions(self, X, top_k, features=None) -> Iterator[dict]:
        """Columns of the table of one output at a time, with "query" by number."""
        query, row, weight = self._largest_weights(self._attention(X), top_k)
        rows = {"query": query, "row": named(row, self._row_names)}
        own = self._features_of(row, features)
        for output, y, contribution in self._targets.contributions(row, weight):
            shares = {"weight": weight, "value": y, "contribution": contribution}
            yield rows | output | shares | own

    def _gradient(self, X):
        """The slope of each prediction in each feature."""
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
        slopes = self._gradients(X)
        self._refuse_empty(~np.isnan(slopes[:, :, 0]).any(axis=1))
        slopes = self._columns.slopes(slopes, self._queries(X)[0])
        return self._targets.decode_sizes(slopes)

    def _gradients(self, X):
        """Slopes of the values, of shape (n_queries, n_columns, n_values)."""
        attention = self._attention(X)
        if self._lines.has_slopes:
            return surface_gradients(self._fit_lines(attention), self._values)
        return query_gradients(attention, self._values)

    def _largest_weights(self, attention, top_k):
        """Numbers of queries and training rows, and their weights, the largest first."""
        reached = np.empty(len(attention.queries), bool)

        def visit(keep):
            def see(rows, cols, weights):
                reached[rows] = weights.any(axis=1)
                keep(rows, cols, weights)

            self._visit_effective(attention, see)

        found = self._largest(visit, top_k)
        self._refuse_empty(reached)
        return found

    def _largest(self, visit, top_k):
        """Numbers of queries and training rows, and their shares, the largest first."""
        parts = []

        def keep(rows, cols, weights, *others):
            sizes, least = np.abs(weights), np.zeros((len(rows), 1))
            if top_k is not None and top_k < weights.shape[1]:
                least = np.partition(sizes, -top_k, axis=1)[:, -top_k, None]
            row, col = np.nonzero((sizes >= least) & (sizes > 0))
            number = self._rows[cols[col]]
            # Rows with equal weights keep the order of the data.
            order = np.lexsort((number, -sizes[row, col], row))
            place = np.arange(len(row)) - np.searchsorted(row, row)
            order = order[place < (top_k or np.inf)]
            row, col = row[order], col[order]
            shown = [part[row, col] for part in (weights, *others)]
            parts.append((rows[row], number[order], *shown))

        visit(keep)
        found = [np.concatenate(part) for part in zip(*parts)]
        order = found[0].argsort(kind="stable")
        return [part[order] for part in found]


class RegressionExplanation(Explanation):
    """A regressor that explains its predictions."""

    @numpy_only
    def explain(self, X, top_k=5, *, features=None):
        """The training rows with the largest weights in each prediction.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        top_k : int or None, default=5
            Largest number of training rows to list for each query and output; None for all.
        features : array-like or None, default=None
            Features of the training rows to include, by name, position or mask.

        Returns
        -------
        rows : DataFrame
            One line for each query, output and training row with weight, the largest weight first,
            with the columns

            - "query" and "row": the query and the training row, by the index of their data frame,
              or by number for arrays;
            - "output": name or number of the output, if there are several;
            - "weight": the attention weight, as in `attention_weights`; with ``degree=1`` the
              effective weight, as in `effective_weights`, which may be negative;
            - "value": the target of the training row;
            - "contribution": weight times value, whose sum over all rows is the prediction;
            - the `features` of the training row, if given, under their names.

        Raises
        ------
        ValueError
            If `top_k` is not a positive integer or None; if a feature is unknown; if a query has no
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
        return self._explain(X, top_k, features)

    @follows_X
    def gradient(self, X):
        r"""Slope of the prediction in each feature of the query.

        It is the exact derivative of the fitted function. For the Gaussian it is

        .. math:: \frac{\partial f}{\partial q_j}
                  = \sum_i a_i\, (y_i - f)\, \frac{x_{ij} - q_j}{b_j^2}

        with the attention weights :math:`a_i` and the bandwidth :math:`b`. With ``degree=1`` the
        slope of the line is added, and targets are replaced by their distances from the line. The
        fitted function has kinks at the edge of a window, and at training rows for kernels with a
        cusp ("triangular", "exponential"). There the result is one of the one-sided slopes or
        between them.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. None for the slopes of leave-one-out predictions.

        Returns
        -------
        slopes : ndarray of shape (n_queries, n_features) or (n_queries, n_features, n_outputs)
            Slopes, in units of `y` per unit of the column. 0 for bandwidth 0, with ``degree=0``
            also for bandwidth `inf`, and for queries that get a mean by `handle_empty`. NaN if the
            prediction is NaN, for categories and for missing features.

        Raises
        ------
        ValueError
            If the kernel has no derivative, such as "boxcar" and functions; if the metric is not
            euclidean; if the bandwidth depends on the query, as with
            :class:`~nwkr.bandwidths.KNearest`; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1], [3]], [0, 1, 2])
        >>> model.gradient([[0.5], [1.5]]).round(3)
        array([[0.333],
               [0.636]])
        """
        return self._gradient(X)


def named(numbers, names):
    """The names of some numbers, if there are names."""
    return numbers if names is None else names[numbers]
