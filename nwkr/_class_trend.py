"""Classes with a trend: a logistic regression, and a local step from it for each query."""

from __future__ import annotations

import numpy as np

from nwkr._class_parameters import class_weights
from nwkr._counts import as_counts
from nwkr._explanation import Explanation, named
from nwkr._namespaces import follows_X, numpy_only
from nwkr._newton_rows import gradients_of_logits, shares_of_steps
from nwkr._newton_step import LocalLogits, NewtonStep
from nwkr._targets import ClassTargets
from nwkr._trend import Trend

__all__ = ["ClassTrend"]


class ClassTrend(Explanation):
    """A classifier that may have a trend."""

    degree: int
    ridge: float
    _targets: ClassTargets
    _trend: Trend | None
    _newton_step: NewtonStep | None
    # A search does not try a trend whose leave-one-out takes more operations.
    _most_operations = 5e9

    @property
    def _degree(self):
        return self.degree

    @property
    def _ridge(self):
        return self.ridge

    @property
    def _fits_trend(self):
        """Whether a trend is fitted."""
        return bool(self.degree)

    @property
    def _is_quick(self):
        """Whether a trend and its leave-one-out are fast."""
        # Each row solves equations in all logits; if it leaves out others, in all coefficients.
        n_fits, n_unknowns = len(self._rows), len(self.classes_)
        if self._order is not None:
            n_fits = len(np.unique(self._order.places[self._rows]))
            n_unknowns *= 1 + len(self._columns.sloped[0])
        return n_fits * n_unknowns**3 <= self._most_operations

    @numpy_only
    def explain(self, X, top_k=5, *, features=None):
        """The training rows with the largest weights in each prediction, and the trend.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        top_k : int or None, default=5
            Largest number of training rows to list for each query and class; None for all.
        features : array-like or None, default=None
            Features of the training rows to include, by name, position or mask.

        Returns
        -------
        rows : DataFrame
            With ``degree=0``, one line for each query and training row with weight, the largest
            weight first, with the columns

            - "query" and "row": the query and the training row, by the index of their data frame,
              or by number for arrays;
            - "weight": the attention weight, as in `attention_weights`;
            - "value": the class of the training row;
            - "contribution": the weight, whose sum over all rows of a class is its probability;
            - the `features` of the training row, if given, under their names.

            With ``degree=1``, lines for each query and class (only for the second of two classes),
            with the columns

            - "query" and "class": the query, as above, and the class;
            - "part": "intercept" for the trend at the mean of the rows, "feature" for its change
              from there, "left out" for its change when the row is left out, if `X` is None, and
              "row" for the contribution of a training row to the step, the largest first;
            - "name": name or number of the feature, or the training row;
            - "weight": the attention weight of the training row;
            - "value": the feature of the query, or the class of the training row;
            - "contribution": to the logit of the class, which is the sum of all contributions;
            - the `features` of the training row, if given, under their names.

        Raises
        ------
        ValueError
            If `top_k` is not a positive integer or None; if a feature is unknown; if a query has no
            weight and ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonClassifier
        >>> model = NadarayaWatsonClassifier(bandwidth=1.0).fit([[0], [1], [3]], ["a", "b", "b"])
        >>> model.explain([[0.5]], top_k=2).round(3)
           query  row  weight value  contribution
        0      0    0   0.488     a         0.488
        1      0    1   0.488     b         0.488
        """
        return self._explain(X, top_k, features)

    @follows_X
    def gradient(self, X):
        r"""Slope of the class probabilities in each feature of the query.

        It is the exact derivative of `predict_proba`. For the Gaussian and ``degree=0`` it is

        .. math:: \frac{\partial P(c \mid q)}{\partial q_j}
                  = \sum_i a_i\, \big([y_i = c] - P(c \mid q)\big)\, \frac{x_{ij} - q_j}{b_j^2}

        with the attention weights :math:`a_i` and the bandwidth :math:`b`. With ``degree=1`` it
        includes the slope of the trend. Probabilities have kinks at the edge of a window, and at
        training rows for kernels with a cusp ("triangular", "exponential"). There the result is
        one of the one-sided slopes or between them.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. None for the slopes of leave-one-out predictions.

        Returns
        -------
        slopes : ndarray of shape (n_queries, n_features, n_classes)
            Slopes, per unit of the column, which sum to 0 over the classes. With ``degree=0`` they
            are 0 for bandwidth 0 or `inf`, and for queries that get class shares by `handle_empty`.
            NaN if the prediction is NaN, for categories and for missing features.

        Raises
        ------
        ValueError
            If the kernel has no derivative, such as "boxcar" and functions; if the metric is not
            euclidean; if the bandwidth depends on the query, as with
            :class:`~nwkr.bandwidths.KNearest`; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonClassifier
        >>> model = NadarayaWatsonClassifier(bandwidth=1.0).fit([[0], [1], [3]], ["a", "b", "b"])
        >>> model.gradient([[0.5]]).round(3)
        array([[[-0.274,  0.274]]])
        """
        return self._gradient(X)

    def _choose_window(self, X, y, sample_weight):
        self._choose_trend(sample_weight)
        return super()._choose_window(X, y, sample_weight)

    def _choose_trend(self, sample_weight):
        """Fit the trend, with class weights in the weights of the rows."""
        self._trend, self._newton_step = None, None
        if not self._fits_trend:
            return
        self._check_degree(1)
        codes, shares = self._targets.codes, sample_weight / sample_weight.max()
        of_classes = self._class_weights(np.bincount(codes, shares, len(self.classes_)))
        self._counts = as_counts((sample_weight * of_classes[codes])[self._rows])
        self._unit = float(self._counts.max() / (self.kernel_(0.0) or 1.0))
        counts = np.zeros(len(self._X))
        counts[self._rows] = self._counts
        self._trend = self._trend_of(counts)

    def _class_weights(self, totals):
        """Factors of the sample weights by class."""
        return class_weights(self.class_weight, self.classes_, totals)

    def _trend_of(self, counts):
        """The trend of the training rows, with the number of rows that each counts as."""
        (columns, _), mask = self._columns.sloped, None
        if self._order is not None:
            mask = self._order.left_out(np.flatnonzero(counts), np.arange(len(counts)))
        return Trend.of(self._X, columns, self._targets.codes, counts, self.classes_, mask)

    def _check_degree(self, degree):
        if degree and self._metric != "euclidean":
            raise ValueError(
                f"degree=1 needs metric='euclidean', because a trend needs columns; got "
                f"metric={self._metric!r}. degree=0 accepts any metric."
            )
        if degree and self.one_sided is not None:
            raise ValueError(
                f"degree=1 needs one_sided=None, because one trend serves all queries, so it also "
                f"uses rows later than a query; got one_sided={self.one_sided!r}. degree=0 uses "
                f"only earlier rows."
            )

    def _choose_lines(self):
        if not self._degree:
            self._trend = None
        self.trend_ = self._trend and self._trend.model
        if self._trend is not None:
            targets = self._trend.targets[self._rows]
            terms = self._ridge, self._keys, self._counts, self._window
            self._newton_step = NewtonStep.of(*terms, targets, self._trend.link, self._columns)
        return super()._choose_lines()

    def _values_to_pool(self, keys):
        if self._newton_step is None:
            return super()._values_to_pool(keys)
        assert self._trend is not None
        return self._newton_step.values_on_demand(keys, self._trend.targets[self._rows])

    def _fit_steps(self, X) -> LocalLogits:
        """The trend and the steps at the rows of `X`; for None, at the training rows."""
        assert self._newton_step is not None
        assert self._trend is not None
        attention = self._attention(X)
        logits = self._trend.logits_without
        if X is not None:
            logits = self._trend.logits(attention.queries)
        fit = self._newton_step.fit(attention, self._values_to_pool(attention.keys), logits=logits)
        self._refuse_empty(fit.sums.total > 0)
        return fit

    def _contributions(self, X, top_k, features=None):
        if self._newton_step is None or len(self.classes_) == 1:  # one class has no logits
            yield from super()._contributions(X, top_k, features)
            return
        assert self._trend is not None
        fit, targets = self._fit_steps(X), self._trend.targets[self._rows]
        queries, numbers = fit.attention.queries, np.arange(len(fit.logits))
        names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
        shown = np.column_stack(self._columns.shown(queries))
        for logit, number in enumerate(fit.step.link.of_logits):
            label = {"class": self.classes_[number]}
            constant, parts = self._trend.parts(queries, logit)
            by_column = np.zeros(queries.shape)
            by_column[:, self._trend.columns] = parts
            yield {"query": numbers, **label, "part": "intercept", "contribution": constant}
            yield {
                "query": np.repeat(numbers, len(names)),
                **label,
                "part": "feature",
                "name": np.tile(names, len(queries)).astype(object),
                "value": shown.ravel(),
                "contribution": self._columns.summed(by_column).ravel(),
            }
            if X is None:
                lost = fit.logits[:, logit] - self._trend.logits(queries)[:, logit]
                yield {"query": numbers, **label, "part": "left out", "contribution": lost}

            def visit(keep, logit=logit):
                def see(rows, cols, weights):
                    shares = shares_of_steps(fit, targets, logit, rows, cols, weights)
                    keep(rows, cols, shares, weights)

                fit.attention.visit(see)

            query, row, share, weight = self._largest(visit, top_k)
            yield {
                "query": query,
                **label,
                "part": "row",
                "name": np.asarray(named(row, self._row_names)).astype(object),
                "weight": weight,
                "value": self._targets.given[row],
                "contribution": share,
            } | self._features_of(row, features)

    def _gradients(self, X):
        if self._newton_step is None:
            return super()._gradients(X)
        assert self._trend is not None
        fit, targets = self._fit_steps(X), self._trend.targets[self._rows]
        by_logit = gradients_of_logits(fit, targets, self._trend)
        probabilities, link = fit.predictions[:, None], self._trend.link
        slopes = np.zeros((*by_logit.shape[:2], link.n_classes))
        slopes[:, :, link.of_logits] = by_logit
        mean = (probabilities * slopes).sum(axis=2, keepdims=True)
        return probabilities * (slopes - mean)

    def _pooled(self, X):
        return super()._pooled(X) if self._newton_step is None else self._fit_steps(X).predictions
