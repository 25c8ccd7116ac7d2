"""Confidence bands of the curve, by resampling the residuals."""

from __future__ import annotations

import numpy as np
from sklearn import get_config
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nwkr._intervals import check_coverage
from nwkr._namespaces import numpy_only
from nwkr._numeric import require_count
from nwkr._pooling import slices
from nwkr._residuals import LeaveOneOutResiduals
from nwkr._targets import Targets

__all__ = ["ConfidenceBands"]

# Number of resampled residuals in memory at once, and the bytes of each.
_NUMBERS_AT_ONCE, _BYTES_PER_NUMBER = 2**24, 32


class ConfidenceBands(LeaveOneOutResiduals):
    """Regression with bands around its curve."""

    _targets: Targets

    @numpy_only
    def predict_band(self, X, coverage=0.95, n_bootstrap=200, random_state=None):
        r"""Confidence bands of the curve, by the wild bootstrap.

        `predict_interval` is about new targets. A band is about the prediction, and shows how it
        varies with other noise. Each leave-one-out residual gets a random sign and is added to the
        curve, and the curve is fitted again. As the fit is linear in the targets, pooling the
        residuals with their signs :math:`\varepsilon_{bi}` gives the deviations of resample `b`
        from the curve, :math:`D_b(q) = \sum_i l_i\, \varepsilon_{bi}\, (y_i - f_{-i}(x_i))`, with
        the weights :math:`l_i` of `effective_weights`.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows at which to compute the band, as in `predict`.
        coverage : float, default=0.95
            Probability with which a band covers the curve, between 0 and 1.
        n_bootstrap : int, default=200
            Number of resamples.
        random_state : int, RandomState instance or None, default=None
            Seed for drawing the signs.

        Returns
        -------
        pointwise : ndarray of shape (n_queries, 2) or (n_queries, 2, n_outputs)
            Lower and upper ends that cover the curve at each single query: the prediction plus and
            minus the `coverage` quantile of :math:`|D_b(q)|`.
        simultaneous : ndarray of the same shape
            Lower and upper ends that cover the curve at all queries at once (for each output),
            never narrower. The half-width is the standard deviation of :math:`D_b(q)`, times the
            `coverage` quantile of the largest :math:`|D_b(q)|` in units of this standard
            deviation.

        Raises
        ------
        ValueError
            If `coverage` is not between 0 and 1, or `n_bootstrap` not a positive integer; if a
            query or a training row has no weight and ``handle_empty="error"``.

        Notes
        -----
        The bands cover the expectation of the prediction: the true curve after smoothing with the
        kernel. Where smoothing flattens peaks, and at the edge of the data, the true curve may lie
        outside. A smaller bandwidth than the best one for prediction makes this bias small
        compared with the band. The bandwidth is treated as fixed. With fewer than about 20 rows in
        a window, the simultaneous band covers the curve less often than requested. Rows are
        resampled as a whole, whatever their sample weights, and the residuals of a row get the
        same sign in all outputs. With ``handle_empty="nan"``, bands are NaN at queries that use a
        row without a leave-one-out prediction.

        References
        ----------
        W. Härdle, J. S. Marron, "Bootstrap Simultaneous Error Bars for Nonparametric
        Regression", *Annals of Statistics* 19(2), 1991.
        `doi:10.1214/aos/1176348120 <https://doi.org/10.1214/aos/1176348120>`_

        R. Davidson, E. Flachaire, "The Wild Bootstrap, Tamed at Last", *Journal of Econometrics*
        146(1), 2008, for random signs.
        `doi:10.1016/j.jeconom.2008.08.003 <https://doi.org/10.1016/j.jeconom.2008.08.003>`_

        Examples
        --------
        >>> import numpy as np
        >>> from nwkr import NadarayaWatsonRegressor
        >>> X = np.arange(20.0).reshape(-1, 1)
        >>> model = NadarayaWatsonRegressor(bandwidth=2.0).fit(X, X.ravel() % 3)
        >>> pointwise, simultaneous = model.predict_band(X[9:12], random_state=0)
        >>> pointwise.shape
        (3, 2)
        >>> bool((np.ptp(simultaneous, axis=1) >= np.ptp(pointwise, axis=1)).all())
        True
        """
        check_is_fitted(self)
        check_coverage(coverage)
        require_count("n_bootstrap", n_bootstrap)
        residuals = self._residuals().copy()
        unknown = np.isnan(residuals).any(axis=1, keepdims=True)
        residuals[unknown[:, 0]] = 0
        random, both = check_random_state(random_state), np.array([-1, 1], np.int8)
        places = self._rows.argsort().argsort()  # signs do not depend on the order

        attention = self._attention(X)
        fit = self._fit_lines(attention)
        self._refuse_empty(fit.sums.total > 0)
        (n_rows, n_values), n_queries = residuals.shape, len(fit.mean)
        sizes = np.empty((n_queries, n_values, n_bootstrap))
        # A few resamples at a time: each is one more output for all training rows.
        numbers = n_rows * n_values * (1 + len(self._lines.columns))
        memory = get_config()["working_memory"] * 2**20 // _BYTES_PER_NUMBER
        at_once = max(1, int(min(_NUMBERS_AT_ONCE, memory) // numbers))
        for some in slices(n_bootstrap, at_once):
            signs = random.choice(both, size=(some.stop - some.start, n_rows))[:, places]
            resampled = (signs.T[:, None, :] * residuals[:, :, None]).reshape(n_rows, -1)
            values = self._lines.values(attention.keys, resampled)
            deviations = self._lines.fit(attention, values).predictions
            sizes[:, :, some] = np.abs(deviations).reshape(n_queries, n_values, -1)
        if unknown.any():
            sizes[attention.pool(unknown.astype(float)).finish()[:, 0] > 0] = np.nan
        return tuple(self._around(fit.predictions, w) for w in _half_widths(sizes, coverage))

    def _around(self, mean, widths):
        return self._targets.decode(np.stack([mean - widths, mean + widths], axis=1))


def _half_widths(sizes, coverage):
    """Half-widths of both bands, (n_queries, n_values), given the sizes of all deviations."""
    pointwise = np.quantile(sizes, coverage, axis=2, method="inverted_cdf")
    std = np.sqrt(np.mean(sizes**2, axis=2, keepdims=True))
    known = ~np.isnan(std[:, 0, 0])
    relative = np.divide(sizes, std, out=np.zeros_like(sizes), where=std > 0)
    largest = relative[known].max(axis=0, initial=0)
    factor = np.quantile(largest, coverage, axis=1, method="inverted_cdf")
    return pointwise, factor * std[:, :, 0]
