"""Intervals that contain the target of a new row with a given probability."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._conditional import ConditionalDistribution
from nwkr._density import LocalDensity
from nwkr._effective import LocalRows
from nwkr._jackknife import FitsWithoutEach, jackknife_limits
from nwkr._local import CONSTANTS
from nwkr._namespaces import numpy_only
from nwkr._pooling import slices
from nwkr._residuals import LeaveOneOutResiduals
from nwkr.kernels import KERNELS

__all__ = ["PredictionIntervals", "check_coverage"]

_METHODS = "jackknife+", "scaled", "quantile"
_PAIRS_POOLED_AT_ONCE = 2**22


class PredictionIntervals(ConditionalDistribution, LocalDensity, LeaveOneOutResiduals):
    """Regression with intervals around its predictions."""

    @numpy_only
    def predict_interval(self, X, coverage=0.9, method="jackknife+"):
        r"""Predict intervals that contain the target with a given probability.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. None only with ``method="quantile"``.
        coverage : float, default=0.9
            Share :math:`1 - \alpha` of new rows whose target lies within the interval, between 0
            and 1.
        method : {"jackknife+", "scaled", "quantile"}, default="jackknife+"
            "jackknife+" adds the leave-one-out errors of the training rows to the prediction.
            "scaled" measures them in units of the errors nearby, for noise that differs between
            places. "quantile" is the range between the conditional quantiles :math:`\alpha / 2`
            and :math:`1 - \alpha / 2`.

        Returns
        -------
        intervals : ndarray of shape (n_queries, 2) or (n_queries, 2, n_outputs)
            Lower and upper ends, in the units of `y`; NaN if the prediction is NaN. Except for
            "quantile", they are infinite with fewer than :math:`1 / \alpha - 1` training rows,
            which are too few for this coverage.

        Raises
        ------
        ValueError
            If `coverage` is not between 0 and 1, or `method` is unknown; if `X` is None, except
            for "quantile"; if no row has weight for a query, also with one row left out, and
            ``handle_empty="error"``.

        Notes
        -----
        *"jackknife+"*. With the fit :math:`f_{-i}` without training row `i` and the row's residual
        :math:`r_i = |y_i - f_{-i}(x_i)|`, the interval goes from the
        :math:`\lfloor \alpha (n + 1) \rfloor`-th smallest :math:`f_{-i}(q) - r_i` to the
        :math:`\lceil (1 - \alpha)(n + 1) \rceil`-th smallest :math:`f_{-i}(q) + r_i`. No model is
        fitted again: the fit without a row is the fit minus the contribution of this row. If
        training rows and new rows are exchangeable (for instance, independent draws from one
        distribution), the interval contains a new target with probability at least
        :math:`1 - 2 \alpha` for any distribution, and in practice about :math:`1 - \alpha`. This
        is an average over new rows, not a guarantee for each place. It assumes a fixed bandwidth:
        a bandwidth that was chosen on the same rows is not chosen again without each row.

        *"scaled"* uses :math:`f_{-i}(q) \pm \rho_{-i}(q)\, r_i / \rho_{-i}(x_i)` instead. The
        local size of the residuals, :math:`\rho = (\sum_j a_j r_j^2)^{1/2}`, is pooled like the
        targets, also without row `i`. It covers about :math:`1 - \alpha` of new targets, also at
        each place where windows hold more than a few rows. The proof does not apply, because
        :math:`r_j` depends slightly on :math:`y_i`.

        *"quantile"* has no guarantee: its coverage is about right if windows hold many rows, and
        too low if they hold few.

        A row with sample weight w counts as w residuals, and is left out as a whole. If leaving a
        row out empties a neighbourhood, `handle_empty` applies; with "nan" the residual is
        infinite. With :class:`~nwkr.bandwidths.KNearest`, each row within the width is left out by
        pooling again, which takes `k` times as long.

        References
        ----------
        R. F. Barber, E. J. Candès, A. Ramdas, R. J. Tibshirani, "Predictive Inference with the
        Jackknife+", *Annals of Statistics* 49(1), 2021.
        `doi:10.1214/20-AOS1965 <https://doi.org/10.1214/20-AOS1965>`_

        J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, "Distribution-Free
        Predictive Inference for Regression", *Journal of the American Statistical Association*
        113, 2018, section 5.2, for the local scale.
        `doi:10.1080/01621459.2017.1307116 <https://doi.org/10.1080/01621459.2017.1307116>`_

        Examples
        --------
        >>> import numpy as np
        >>> from nwkr import NadarayaWatsonRegressor
        >>> X = np.arange(20.0).reshape(-1, 1)
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit(X, X.ravel() % 3)
        >>> model.predict_interval([[10.5]], coverage=0.8).round(2)
        array([[-0.38,  2.6 ]])
        """
        check_is_fitted(self)
        check_coverage(coverage)
        if method not in _METHODS:
            raise ValueError(f"method must be one of {list(_METHODS)}; got {method!r}.")
        if method == "quantile":
            return self.predict_quantiles(X, [(1 - coverage) / 2, (1 + coverage) / 2])
        if X is None:
            raise ValueError(
                f"X must be rows for method={method!r}, which uses the residuals of all training "
                f"rows; X=None works only with method='quantile'."
            )
        limits = self._jackknife(self._attention(X), coverage, method == "scaled")
        with np.errstate(invalid="ignore"):  # infinity times the scale of a constant
            decoded = self._targets.decode(limits)
        limits = self._targets.as_they_came(limits)
        return np.where(np.isinf(limits), limits, decoded)

    def _jackknife(self, attention, coverage, scaled):
        """Lower and upper ends, (n_queries, 2, n_values), in units of the values."""
        targets, n_outputs = self._values, self._values.shape[1]
        residuals, squares = np.abs(self._residuals()), None
        if scaled:
            squares, scale = self._residual_sizes()
            beside_none = np.where(residuals == 0, 0, np.inf)
            residuals = np.divide(residuals, scale, out=beside_none, where=scale > 0)
        fit, at_once = self._fit_lines(attention), attention.sizes.pairs_per_interval
        # The local size of residuals is always a mean, also with degree=1.
        of_squares = fit if squares is None else CONSTANTS.fit(attention, squares)
        limits = np.empty((len(attention.queries), 2, n_outputs))

        def visit(rows, cols, weights):
            reached = weights.any(axis=1)
            limits[rows[~reached]] = np.nan
            rows, weights = rows[reached], weights[reached]
            for part in slices(len(rows), max(1, at_once // len(targets))):
                some = rows[part]
                without = FitsWithoutEach(LocalRows(fit, some, cols, weights[part]))
                row, key = self._to_fit_anew(attention, some, cols, without.large)
                without.replace(row, key, self._fits_without(attention, some[row], key, targets))
                if squares is not None:
                    sizes = FitsWithoutEach(LocalRows(of_squares, some, cols, weights[part]))
                    row, key = self._to_fit_anew(attention, some, cols, sizes.large)
                    anew = self._fits_without(attention, some[row], key, squares, CONSTANTS)
                    sizes.replace(row, key, anew)
                for output, reach in enumerate(residuals.T):
                    if squares is not None:
                        size = sizes.of_output(squares[:, output], output)
                        with np.errstate(invalid="ignore"):  # infinity times 0 is unknown
                            reach = np.sqrt(np.maximum(size, 0)) * reach
                    fits = without.of_output(targets[:, output], output)
                    ends = jackknife_limits(fits, reach, self._counts, coverage)
                    limits[some, :, output] = np.transpose(ends)

        attention.visit(visit)
        self._refuse_empty(~np.isnan(limits[:, 0, 0]))
        return limits

    def _to_fit_anew(self, attention, rows, cols, large):
        """Queries (numbers of `rows`) and keys without which the fit must be pooled again."""
        row, col = large.nonzero()
        parts = [(row, cols[col])]
        if self._window.by_query:
            # Without a key that lies within the width, the width changes.
            def note(numbers, cols, weights):
                row, col = weights.nonzero()
                parts.append((numbers[row], cols[col]))

            within = attention.take(rows).replace(kernel=KERNELS["boxcar"], empty=None, n_jobs=1)
            within.visit(note)
        return tuple(np.concatenate(part) for part in zip(*parts))

    def _fits_without(self, attention, rows, keys, targets, lines=None):
        """Fits at queries that leave out one key each."""
        lines = self._lines if lines is None else lines
        values = lines.values(attention.keys, targets)
        fits = np.empty((len(keys), targets.shape[1]))
        for part in slices(len(keys), max(1, _PAIRS_POOLED_AT_ONCE // len(targets))):
            # With the spread of columns among all keys, as in the rest of this module.
            without = self._attend(attention.queries[rows[part]], keys[part], n_jobs=1)
            fits[part] = lines.fit(without.replace(counts=None), values).predictions
        unknown = np.isnan(fits).any(axis=1)
        if self.handle_empty == "error" and unknown.any():
            raise ValueError(
                f"The intervals leave each training row out. Without row "
                f"{self._rows[keys[unknown][0]]} no row has weight for some query, and "
                f"handle_empty='error'. Choose a larger bandwidth, or handle_empty from "
                f"'nearest', 'mean', 'nan'."
            )
        return fits


def check_coverage(coverage):
    """Check that a coverage is a probability between 0 and 1."""
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ValueError(f"coverage must be a number between 0 and 1; got {coverage!r}.")
