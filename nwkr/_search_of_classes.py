"""The search for classes: with a trend or without, and whether steps improve on the trend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nwkr._class_trend import ClassTrend
from nwkr._counts import count_rows
from nwkr._leave_one_out import MEANS, Form
from nwkr._newton_step import n_values_of_steps
from nwkr._pooling import as_dense
from nwkr._ranking import gain_of, level, scores_of
from nwkr._scoring import log_loss
from nwkr._search import BandwidthSearch

__all__ = ["ClassSearch"]

# Steps that need more sums than this are not tried.
_MOST_VALUES = 1_000
# With bandwidths="auto", steps are tried with the rule of thumb times these powers of sqrt 2, then
# with narrower windows, and with wider ones up to `_WIDE` times the rule.
_LADDER_OF_STEPS, _WIDE = range(-3, 5), 16
# A candidate must be better than the trend alone by this many standard errors.
_LEAST_GAIN = 2


class ClassSearch(BandwidthSearch, ClassTrend):
    """A classifier that chooses its bandwidth, and whether to use a trend."""

    degrees: Sequence[int]
    _default_scoring = "neg_log_loss"
    _rows_of_leave_one_out_descent = 2_000

    def _choose_window(self, X, y, sample_weight):
        self._trend, self._newton_step = None, None
        if 1 in self._degrees_compared:
            self._choose_trend(sample_weight)
        return super()._choose_window(X, y, sample_weight)

    @property
    def _degrees(self):
        # A trend needs columns, which only the euclidean metric has, and uses all other rows.
        served = self.metric == "euclidean" and self.one_sided is None
        return [d for d in self.degrees if d == 0 or served]

    @property
    def _forms(self):
        if self._trend is None:
            return [MEANS]
        forms = [*([MEANS] if 0 in self._degrees else []), Form(1, np.inf)]
        n_values = n_values_of_steps(len(self._trend.columns), self._trend.link.n_logits)
        if np.isfinite(self.ridge) and n_values <= _MOST_VALUES:
            forms.append(Form(1, self.ridge))
        return forms

    @property
    def _ridge(self):
        return self.ridge_

    @property
    def _fits_trend(self):
        return 1 in self._degrees

    @property
    def _trend_of_keys(self):
        return self._trend and self._trend.take(self._rows)

    @property
    def _forms_without_window(self):
        # The trend alone.
        return [] if self._trend is None else [Form(1, np.inf)]

    def _result(self, problem, window, fit, form, multiple):
        result = super()._result(problem, window, fit, form, multiple)
        if form.degree and self._trend is not None:
            result["effective_dof"] += self._trend.dof
        first = {"bandwidth": result.pop("bandwidth"), "degree": form.degree, "ridge": form.ridge}
        return first | result

    def _ladder(self, form):
        return _LADDER_OF_STEPS if form.degree else super()._ladder(form)

    def _at_the_mean(self, tried):
        # In wider windows the step is that of all rows, which the trend alone covers.
        if tried[-1][1]["degree"]:
            return tried[-1][1]["multiple"] > _WIDE or level(tried)
        return super()._at_the_mean(tried)

    def _at_the_nearest(self, tried):
        # In narrow windows the row on the trend dominates, and degrees of freedom stay few.
        if tried[0][1]["degree"]:
            return scores_of(tried).argmax() > 0 or level(tried)
        return super()._at_the_nearest(tried)

    def _clearly_best(self, problem, simple, tried, best):
        (trend,) = simple
        # As in AIC, each bandwidth costs one over the number of rows. The trend alone has none.
        weights = problem.sample_weight / problem.sample_weight.sum()
        costs = np.divide([self._n_bandwidths(*each) for each in tried], count_rows(weights))
        number = (scores_of(tried) - costs).argmax()
        best = tried[number]
        if best is trend:
            return trend
        gain, noise = gain_of(trend[1]["losses"] - best[1]["losses"], problem.sample_weight)
        return best if gain - costs[number] > _LEAST_GAIN * noise else trend

    def _n_bandwidths(self, window, result):
        """Number of chosen bandwidths."""
        if not np.isnan(result["multiple"]):
            return int(result["multiple"] < np.inf)
        return max(1, np.isfinite(self._shown(window)).sum())

    def _losses(self, predictions, values):
        of_truth = (predictions * as_dense(values)).sum(axis=1)
        return -np.log(np.maximum(of_truth, np.finfo(float).eps))

    def _note_best(self, best):
        super()._note_best(best)
        self.ridge_ = best.get("ridge", self.ridge)

    def _deviance(self, predictions, values, weights):
        loss, slopes = log_loss(predictions, as_dense(values), weights)
        return 2 * loss, 2 * slopes
