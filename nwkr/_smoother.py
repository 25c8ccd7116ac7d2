"""The fit as a linear smoother: weights of the targets, local slopes, standard errors."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._attention_weights import AttentionWeights
from nwkr._density import LocalDensity
from nwkr._effective import visit_rows
from nwkr._matrices import check_top_k
from nwkr._namespaces import follows_X
from nwkr._residuals import LeaveOneOutResiduals
from nwkr._targets import Targets

__all__ = ["LinearSmoother"]


class LinearSmoother(AttentionWeights, LocalDensity, LeaveOneOutResiduals):
    """Regression whose predictions are weighted sums of the targets."""

    _targets: Targets
    _has_lines: bool  # degree, as it was when the estimator was fitted

    @follows_X
    def attention_weights(self, X=None, *, sparse_output=False, top_k=None):
        """Weights of the training rows in the predictions for `X`.

        A weight is the kernel at the distance of a row from the query, times the sample weight of
        the row, divided by the sum of these products over all rows.

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
            Rows sum to 1 (to less with `top_k`). With ``degree=0``, ``weights @ y`` is the
            prediction; with ``degree=1``, use `effective_weights` for this. The row of a query is
            NaN if its prediction is NaN. A sparse array stores a NaN for each training row then, or
            `top_k` of them.

        Raises
        ------
        ValueError
            If `top_k` is not a positive integer or None; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1], [3]], [0, 1, 2])
        >>> model.attention_weights([[0.5]]).round(3)
        array([[0.488, 0.488, 0.024]])
        """
        return self._attention_weights(X, sparse_output, top_k)

    @follows_X
    def effective_sample_size(self, X):
        r"""Effective number of training rows behind a prediction.

        With the attention weights :math:`a_i` of a query it is :math:`1 / \sum_i a_i^2`: the
        number of rows if all weights are equal, and 1 if one row has all the weight. A training
        row counts as one row, whatever its sample weight. With ``degree=1`` the effective weights
        replace the attention weights, and for a line far beyond its rows the number may be less
        than 1.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.

        Returns
        -------
        n_effective : ndarray of shape (n_queries,)
            With ``degree=0``, from 1 to the number of training rows; NaN if the prediction is NaN.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.

        References
        ----------
        Leslie Kish, *Survey Sampling*, Wiley, 1965, section 11.7.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1], [3]], [0, 1, 2])
        >>> model.effective_sample_size([[0.5], [9]]).round(2)
        array([2.1, 1. ])
        """
        return self._effective_sample_size(X)

    @follows_X
    def effective_weights(self, X=None, *, sparse_output=False, top_k=None):
        r"""Weights of the training targets in the predictions for `X`.

        A local line is linear in the targets: with the attention weights :math:`a_i`,

        .. math:: f(q) = \sum_i l_i\, y_i, \qquad
                  l_i = a_i \, \big(1 + (x_i - \bar x)' (C + R)^{-1} (q - \bar x)\big)

        where :math:`\bar x` and :math:`C` are mean and covariance of the columns under the
        attention weights, and :math:`R` the penalty. The weights sum to 1, and those of rows on
        the far side of the window may be negative. With ``degree=0`` they are the attention
        weights.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None, default=None
            Rows to predict. None means the training rows, each left out of its own prediction.
        sparse_output : bool, default=False
            Whether to return a sparse matrix, built without a dense one.
        top_k : int or None, default=None
            Keep the `top_k` weights of each row with the largest absolute values, and set the
            others to 0.

        Returns
        -------
        weights : ndarray or CSR array of shape (n_queries, n_train)
            Rows sum to 1 (without `top_k`), and ``weights @ y`` is the prediction. The row of a
            query is NaN if its prediction is NaN. A sparse array stores a NaN for each training row
            then, or `top_k` of them.

        Raises
        ------
        ValueError
            If `top_k` is not a positive integer or None; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0, degree=1, ridge=0.1)
        >>> model.fit([[0], [1], [3]], [0, 1, 2]).effective_weights([[-0.5]]).round(2)
        array([[ 1.32, -0.31, -0.01]])
        """
        check_is_fitted(self)
        check_top_k(top_k)
        attention = self._attention(X)
        return self._matrix(attention, effective=True, sparse_output=sparse_output, top_k=top_k)

    @follows_X
    def local_slopes(self, X):
        r"""Slopes of the local lines: how the target changes with each feature around a query.

        This is the coefficient :math:`\beta_j` of the line in the window, which estimates the
        slope of the regression function. `gradient` is the derivative of the fitted surface, which
        also includes the movement of the window.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows, as in `predict`.

        Returns
        -------
        slopes : ndarray of shape (n_queries, n_features) or (n_queries, n_features, n_outputs)
            Slopes, in units of `y` per unit of the column; per step for ordered levels. 0 for a
            constant column, for bandwidth 0, and for queries that get a mean by `handle_empty`. NaN
            if the prediction is NaN, for unordered categories and for missing features.

        Raises
        ------
        ValueError
            If the degree is 0; if a query has no weight and ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0, degree=1, ridge=0.0)
        >>> model.fit([[0], [1], [3]], [0, 2, 6]).local_slopes([[0.5]]).round(6)
        array([[2.]])
        """
        check_is_fitted(self)
        if not self._has_lines:
            raise ValueError(
                "local_slopes needs degree=1, which fits a line in each window; got degree=0. "
                "gradient returns the derivative of the prediction for any degree."
            )
        fit = self._fit_lines(self._attention(X))
        self._refuse_empty(fit.sums.total > 0)
        queries = fit.attention.queries
        slopes = np.zeros((*queries.shape, self._values.shape[1]))
        slopes[:, self._lines.columns] = fit.slopes
        slopes = self._columns.slopes(slopes, queries, of_lines=True)
        slopes[~(fit.sums.total > 0)] = np.nan
        return self._targets.decode_sizes(slopes)

    @follows_X
    def standard_error(self, X):
        r"""Standard error of the prediction: its variation with other noise.

        With the effective weights :math:`l_i` and the leave-one-out residuals of the training
        rows, it is the estimate HC3 of MacKinnon and White,

        .. math:: \sqrt{\textstyle\sum_i l_i^2\, (y_i - f_{-i}(x_i))^2},

        which allows the noise to differ between places. It does not include the bias of smoothing,
        where the regression function is curved. A training row counts as one row, whatever its
        sample weight.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows, as in `predict`.

        Returns
        -------
        errors : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            Standard errors, in the units of `y`. NaN if the prediction is NaN, or if a row with
            weight has no leave-one-out prediction because of ``handle_empty="nan"``.

        Raises
        ------
        ValueError
            If a query or a training row has no weight and ``handle_empty="error"``.

        References
        ----------
        J. G. MacKinnon, H. White, "Some Heteroskedasticity-Consistent Covariance Matrix
        Estimators with Improved Finite Sample Properties", *Journal of Econometrics* 29(3),
        1985. `doi:10.1016/0304-4076(85)90158-7 <https://doi.org/10.1016/0304-4076(85)90158-7>`_

        Examples
        --------
        >>> import numpy as np
        >>> from nwkr import NadarayaWatsonRegressor
        >>> X = np.arange(20.0).reshape(-1, 1)
        >>> model = NadarayaWatsonRegressor(bandwidth=2.0).fit(X, X.ravel() % 3)
        >>> model.standard_error([[9.5]]).round(2)
        array([0.38])
        """
        check_is_fitted(self)
        residuals = self._residuals()
        fit = self._fit_lines(self._attention(X))
        self._refuse_empty(fit.sums.total > 0)
        errors = np.full(fit.mean.shape, np.nan)

        def add(seen):
            some = seen.weights.any(axis=1)
            squares = np.square(residuals[seen.cols])
            # An unknown residual is ignored where its row has no weight.
            counted = np.where(np.isnan(squares), 0, squares)
            unknown = (seen.effective != 0) @ np.isnan(squares)
            found = np.sqrt(np.square(seen.effective) @ counted)
            found[unknown > 0] = np.nan
            errors[seen.rows[some]] = found[some]

        visit_rows(fit, add)
        return self._targets.decode_sizes(errors)
