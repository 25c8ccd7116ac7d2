"""Intervals that hold the target of a new row with a given probability."""

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
from nwkr._residuals import LeaveOneOutResiduals
from nwkr.kernels import KERNELS

__all__ = ["PredictionIntervals", "check_coverage"]

_METHODS = "jackknife+", "scaled", "quantile"
_PAIRS_POOLED_AT_ONCE = 2**22


class PredictionIntervals(ConditionalDistribution, LocalDensity, LeaveOneOutResiduals):
    """Regression with intervals around its predictions."""

    @numpy_only
    def predict_interval(self, X, coverage=0.9, method="jackknife+"):
        r"""Predict intervals that hold the target with a given probability.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`. None only with ``method="quantile"``.
        coverage : float, default=0.9
            Share :math:`1 - \alpha` of new rows whose target the intervals are to hold, between
            0 and 1.
        method : {"jackknife+", "scaled", "quantile"}, default="jackknife+"
            "jackknife+" adds to the prediction what the predictions of the training rows were
            off by, each left out; "scaled" does so in units of what they are off by nearby, for
            targets that scatter more in some places than in others; "quantile" is the range between
            the conditional quantiles :math:`\alpha / 2` and :math:`1 - \alpha / 2`.

        Returns
        -------
        intervals : ndarray of shape (n_queries, 2) or (n_queries, 2, n_outputs)
            Lower and upper ends, in the units of `y`; infinite if there are fewer than
            :math:`1 / \alpha - 1` training rows, which is too few for the coverage.

        Raises
        ------
        ValueError
            If `coverage` is not between 0 and 1 or `method` is none of those above; if `X` is
            None, except for "quantile"; if a query, or a training row or query with some row
            left out, has no weight and ``handle_empty="error"``.

        Notes
        -----
        *"jackknife+"*. With the fit :math:`f_{-i}` without training row `i` and the row's
        residual :math:`r_i = |y_i - f_{-i}(x_i)|`, the interval goes from the
        :math:`\lfloor \alpha (n + 1) \rfloor`-th smallest :math:`f_{-i}(q) - r_i` to the
        :math:`\lceil (1 - \alpha)(n + 1) \rceil`-th smallest :math:`f_{-i}(q) + r_i`. No model
        is fitted again: a fit without a row is the fit less its share. If training rows and
        new rows are exchangeable (independent draws from one distribution, say), the interval
        holds a new target with a probability of at least :math:`1 - 2 \alpha`, whatever the
        distribution, and in practice of about :math:`1 - \alpha`. This is an average over new
        rows, no promise for each place, and for a bandwidth given beforehand: one that
        was found on the same rows is not found again without each.

        *"scaled"* has :math:`f_{-i}(q) \pm \rho_{-i}(q)\, r_i / \rho_{-i}(x_i)` instead, with the
        local size of the residuals :math:`\rho = (\sum_j a_j r_j^2)^{1/2}`, pooled like the
        targets and likewise without row `i`. It covers about :math:`1 - \alpha` of new targets,
        and nearly so in each place where the window holds more than a few rows; but as
        :math:`r_j` has a small share of :math:`y_i`, the proof does not hold for it.

        *"quantile"* promises nothing: it is about right where windows hold many rows, and too
        narrow where they hold few.

        A row of sample weight w counts as w residuals, and is left out as a whole. If leaving a
        row out empties a neighbourhood, `handle_empty` applies; with "nan" the residual is
        infinite. For :class:`~nwkr.bandwidths.KNearest` each row that is
        within the width is left out by pooling anew, which takes `k` times as long.

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
                f"X must be rows for method={method!r}, whose intervals are made of the residuals "
                f"of all training rows; X=None, which leaves each out, is for method='quantile'."
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
        # The local size of residuals is a mean, whatever is fitted to the targets.
        of_squares = fit if squares is None else CONSTANTS.fit(attention, squares)
        limits = np.empty((len(attention.queries), 2, n_outputs))

        def visit(rows, cols, weights):
            reached = weights.any(axis=1)
            limits[rows[~reached]] = np.nan
            rows, weights = rows[reached], weights[reached]
            for part in _batches(len(rows), max(1, at_once // len(targets))):
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
        """Queries, as numbers of `rows`, and keys without which the fit has to be made anew."""
        row, col = large.nonzero()
        parts = [(row, cols[col])]
        if self._window.by_query:
            # The width is another one without any of the keys that lie within it.
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
        for part in _batches(len(keys), max(1, _PAIRS_POOLED_AT_ONCE // len(targets))):
            # As all else here, with the spread of columns among all keys.
            without = self._attend(attention.queries[rows[part]], keys[part], n_jobs=1)
            fits[part] = lines.fit(without.replace(counts=None), values).predictions
        unknown = np.isnan(fits).any(axis=1)
        if self.handle_empty == "error" and unknown.any():
            raise ValueError(
                f"The intervals leave each training row out, and without row "
                f"{self._rows[keys[unknown][0]]} no other has weight for some query, which "
                f"handle_empty='error' refuses. Choose a larger bandwidth, or handle_empty from "
                f"'nearest', 'mean', 'nan'."
            )
        return fits


def _batches(n, size):
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def check_coverage(coverage):
    """Check that a coverage is a probability between 0 and 1."""
    if not isinstance(coverage, Real) or not 0 < float(coverage) < 1:
        raise ValueError(f"coverage must be a number between 0 and 1; got {coverage!r}.")
