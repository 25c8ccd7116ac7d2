"""The weights of a query as a distribution over the training targets: spread, CDF, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._effective import visit_rows
from nwkr._namespaces import numpy_only
from nwkr._quantiles import pooled_quantiles, quantiles_about
from nwkr._spread import local_variance
from nwkr._targets import Targets

__all__ = ["ConditionalDistribution", "check_numbers"]


class ConditionalDistribution(NadarayaWatsonBase):
    """Regression that predicts the distribution of the target, not only its mean."""

    _targets: Targets

    @numpy_only
    def predict_quantiles(self, X, quantiles=(0.05, 0.5, 0.95)):
        r"""Predict quantiles of the target.

        The `p`-quantile is the smallest training target :math:`y` such that the targets up to
        :math:`y` have a share of at least `p` of the attention weights :math:`a_i`:

        .. math:: Q(p) = \min \Big\{y : \sum_{i: y_i \le y} a_i \ge p \Big\}

        This is the inverse of the weighted empirical CDF:
        ``numpy.quantile(y, p, method="inverted_cdf", weights=a)``, with a relative tolerance of
        1e-12 for rounding errors of the sum. For 0 and 1 it is the smallest and the largest target
        with weight, where total shares of less than 1e-12 are ignored. With ``degree=1``, the
        targets are first moved to the query along the local line: they are the prediction plus
        their distances from the line.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        quantiles : float or array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            From 0 to 1.

        Returns
        -------
        values : ndarray of shape (n_queries, n_quantiles) or (n_queries, n_quantiles, n_outputs)
            Quantiles, in the units of `y`; they never decrease as `quantiles` increase. NaN if the
            prediction is NaN.

        Raises
        ------
        ValueError
            If a quantile is not from 0 to 1; if a query has no weight and
            ``handle_empty="error"``.

        References
        ----------
        N. Meinshausen, "Quantile Regression Forests", *Journal of Machine Learning Research* 7,
        2006 (the same with the weights of a forest).

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor("boxcar", 2.5)
        >>> model.fit([[0], [1], [2], [3], [9]], [5, 1, 4, 2, 3])
        NadarayaWatsonRegressor(bandwidth=2.5, kernel='boxcar')
        >>> model.predict_quantiles([[1.5]], [0.25, 0.5, 1])
        array([[1., 2., 5.]])
        """
        check_is_fitted(self)
        quantiles = check_numbers("quantiles", quantiles, 0, 1)
        attention = self._attention(X)
        if self._lines.has_slopes:
            values = quantiles_about(self._fit_lines(attention), self._values, quantiles)
            found = self._targets.decode(values)
        else:
            values = pooled_quantiles(attention, self._targets.y[self._rows], quantiles)
            found = self._targets.as_they_came(values)
        self._refuse_empty(~np.isnan(values).any(axis=(1, 2)))
        return found

    @numpy_only
    def predict_cdf(self, X, thresholds):
        r"""Predict the probability that the target is at most a threshold.

        It is the share :math:`\sum_{i: y_i \le t} a_i` of the training targets up to the threshold
        :math:`t` in the attention weights. With ``degree=1``, the targets are first moved to the
        query along the local line, as in `predict_quantiles`.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        thresholds : float or array-like of shape (n_thresholds,)
            In the units of `y`.

        Returns
        -------
        probabilities : ndarray of shape (n_queries, n_thresholds[, n_outputs])
            From 0 to 1; they never decrease as `thresholds` increase. NaN if the prediction is NaN.

        Raises
        ------
        ValueError
            If a threshold is not a number; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor("boxcar", 2.5)
        >>> _ = model.fit([[0], [1], [2], [3], [9]], [5, 1, 4, 2, 3])
        >>> model.predict_cdf([[1.5], [8]], [1, 2, 4.5])
        array([[0.25, 0.5 , 0.75],
               [0.  , 0.  , 1.  ]])
        """
        check_is_fitted(self)
        thresholds = check_numbers("thresholds", thresholds, -np.inf, np.inf)
        if self._lines.has_slopes:
            return self._cdf_about_lines(X, thresholds)
        steps, places = np.unique(thresholds, return_inverse=True)
        # Shares between the thresholds: their sums can neither decrease nor exceed 1.
        between = [np.searchsorted(steps, y) for y in self._targets.y[self._rows].T]
        values = np.hstack([np.equal.outer(b, np.arange(len(steps) + 1)) for b in between])
        sums = self._attention(X).pool(values.astype(float))
        self._refuse_empty(sums.total > 0)
        shares = sums.finish().reshape(len(sums.total), len(between), -1)
        below = shares.cumsum(axis=2)
        below /= below[:, :, -1:]
        cdf = below[:, :, places.ravel()].transpose(0, 2, 1)
        return self._targets.as_they_came(cdf)

    def _cdf_about_lines(self, X, thresholds):
        """Shares of the attention weights of targets, moved along the line, up to thresholds."""
        fit = self._fit_lines(self._attention(X))
        self._refuse_empty(fit.sums.total > 0)
        cdf = np.full((len(fit.mean), len(thresholds), fit.mean.shape[1]), np.nan)

        def add(seen):
            some = np.flatnonzero(seen.weights.any(axis=1))
            for output, column in enumerate(self._values.T):
                moved = self._targets.decode_output(output, seen.moved(column, output))
                for number, threshold in enumerate(thresholds):
                    shares = np.where(moved <= threshold, seen.weights, 0).sum(axis=1)
                    cdf[seen.rows[some], number, output] = np.minimum(shares, 1)[some]

        visit_rows(fit, add)
        return self._targets.as_they_came(cdf)

    def _predict_with_std(self, X):
        """Predictions, and the standard deviation of the targets around each query."""
        fit, variance = local_variance(self._lines, self._attention(X), self._values)
        self._refuse_empty(fit.sums.total > 0)
        std = self._targets.decode_sizes(np.sqrt(np.maximum(variance, 0)))
        return self._targets.decode(fit.predictions), std


def check_numbers(name: str, numbers: Any, lowest: float, highest: float) -> np.ndarray:
    """Return a number or several as an array, checked to lie within limits."""
    try:
        checked = np.atleast_1d(np.asarray(numbers))
        good = checked.dtype.kind in "fiu" and checked.ndim == 1 and len(checked) > 0
        good = good and not np.ma.is_masked(numbers)
        good = good and bool(((checked >= lowest) & (checked <= highest)).all())
    except (TypeError, ValueError):
        good = False
    if not good:
        limits = "" if np.isinf(lowest) else f" from {lowest} to {highest}"
        raise ValueError(f"{name} must be a number or a list of numbers{limits}; got {numbers!r}.")
    return checked.astype(float)
