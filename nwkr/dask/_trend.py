"""The trend of classes over chunks: Newton's method, with one sum over all rows in each step.

The penalty is chosen as in memory (`nwkr/_trend.py`). The first candidates share their steps, so
rows are read once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from nwkr._lazy import Tasks
from nwkr._logistic import Link, LogisticRows
from nwkr._logistic_newton import Newton
from nwkr._trend import MOST_TOGETHER, STRENGTHS, Trend, climb, price_of, scaler_of
from nwkr.dask._chunks import Chunks
from nwkr.dask._form import RowForm, Weighing
from nwkr.dask._survey import Survey

__all__ = ["trend_over_chunks"]

_MOST_STEPS = 100


@dataclass(frozen=True)
class _Scaled:
    """Columns about their mean, in units of their spread.

    Attributes
    ----------
    columns : ndarray of shape (n_slopes,)
        Numbers of the columns.
    scaler : StandardScaler
        The scaler; the mean replaces missing numbers.
    """

    columns: np.ndarray
    scaler: StandardScaler

    def of(self, X: np.ndarray) -> np.ndarray:
        """The columns of some rows."""
        return np.nan_to_num(self.scaler.transform(X[:, self.columns]), nan=0.0)

    @classmethod
    def of_survey(cls, columns: np.ndarray, survey: Survey) -> _Scaled:
        """For columns of surveyed rows."""
        assert survey.columns is not None
        moments = survey.columns.mean[columns], survey.spread_of_filled[columns]
        return cls(columns, scaler_of(*moments))


@dataclass
class _Regression(Newton):
    """A logistic regression with a given penalty.

    Attributes
    ----------
    loss, dof : float
        Mean leave-one-out loss with the price of C; degrees of freedom for each logit.
    """

    loss: float = np.inf
    dof: float = 0.0


class _Regressions:
    """Regressions of all chunks."""

    def __init__(self, chunks, form, weighing, scaled, link, mass):
        self._chunks, self._form, self._mass = chunks, form, mass
        self._options = {"weighing": weighing, "scaled": scaled, "link": link}
        self._shape = link.n_logits, 1 + len(scaled.columns)
        self._found: dict[float, _Regression] = {}

    def fit(self, C):
        """The regression with a penalty."""
        if C not in self._found:
            middle, number = len(STRENGTHS) // 2, STRENGTHS.index(C)
            together = STRENGTHS[middle - 1 : middle + 2]
            if self._found:  # and the next one on the way
                together = STRENGTHS[number : number + 2]
                if number < middle:
                    together = STRENGTHS[max(0, number - 1) : number + 1]
            self._found |= {each.C: each for each in self._fit([self._start(C) for C in together])}
        return self._found[C]

    def _start(self, C):
        """The start of Newton's method: extrapolated from the two nearest in log C."""
        if not self._found:
            return _Regression(C, np.zeros(self._shape))
        near, next_to = sorted(self._found.values(), key=lambda each: abs(np.log(each.C / C)))[:2]
        share = np.log(C / near.C) / np.log(near.C / next_to.C)
        start = near.coefficients + share * (near.coefficients - next_to.coefficients)
        return _Regression(C, start)

    def _fit(self, regressions):
        left = regressions
        for _ in range(_MOST_STEPS):
            sums = self._sums(_derivatives, [each.coefficients for each in left])
            for each, of_rows in zip(left, sums):
                each.step(*of_rows, self._mass)
            left = [each for each in left if not each.ends]
            if not left:
                break
        known = [(each.coefficients, each.inverse) for each in regressions]
        for each, (loss, dof) in zip(regressions, self._sums(_without_copies, known)):
            each.loss, each.dof = (loss + price_of(each.C)) / self._mass, dof
        return regressions

    def _sums(self, of_rows, regressions):
        """Sums over all rows, for each regression."""
        return _sum_over(
            self._chunks,
            self._form,
            partial(_sums_of, of_rows=of_rows, regressions=regressions, **self._options),
        )


def trend_over_chunks(
    chunks: Chunks, form: RowForm, weighing: Weighing, survey: Survey, present: np.ndarray
) -> tuple[Trend, np.ndarray]:
    """The trend of all rows.

    Parameters
    ----------
    chunks : Chunks
        The training rows.
    form : RowForm
        Their form.
    weighing : Weighing
        Their weights.
    survey : Survey
        Their survey.
    present : ndarray of shape (n_present,)
        Numbers of the classes that have rows with weight.

    Returns
    -------
    trend : Trend
        The trend, without rows.
    curvature : ndarray of shape (n_logits,)
        Mean curvature of all rows.
    """
    classes = weighing.targets.classes
    link, (columns, _) = Link(present, len(classes)), form.columns.sloped
    scaled = _Scaled.of_survey(columns, survey)
    if not link.n_logits:
        return Trend.of_model(link, columns, scaled.scaler.mean_, None, 0.0, None), np.empty(0)
    if link.n_logits * (1 + len(columns)) > MOST_TOGETHER:
        raise ValueError(
            f"degree=1 takes up to {MOST_TOGETHER} coefficients for rows in chunks; got "
            f"{link.n_logits} of {1 + len(columns)} each. Leave columns out, or fit the classifier "
            f"of nwkr on some of the rows."
        )
    best = climb(_Regressions(chunks, form, weighing, scaled, link, survey.n_counted).fit)
    logistic = LogisticRegression(C=best.C)
    logistic.classes_, logistic.n_features_in_ = classes[present], len(columns)
    logistic.intercept_, logistic.coef_ = best.coefficients[:, 0], best.coefficients[:, 1:]
    model = Pipeline([("scaler", scaled.scaler), ("logistic", logistic)])
    trend = Trend.of_model(link, columns, scaled.scaler.mean_, model, best.dof, best.inverse)
    ((curvature,),) = _sum_over(chunks, form, partial(_curvature, weighing=weighing, trend=trend))
    return trend, curvature / survey.n_counted


def _sum_over(chunks: Chunks, form: RowForm, of_rows: Any) -> Any:
    """A list of sums over all rows, from a function of the rows of a chunk."""
    tasks = Tasks()
    rows = chunks.rows(tasks, tasks.put("form", form))
    sums = [tasks.add("sums", number, of_rows, part) for number, part in enumerate(rows)]
    return tasks.value(tasks.tree("add-sums", _add, sums)).compute()


def _add(one, other):
    return [tuple(map(sum, zip(*pair))) for pair in zip(one, other)]


def _sums_of(rows, of_rows, regressions, weighing, scaled, link):
    rows, weights = weighing.of(rows)
    if rows is None:
        return None
    counts = weighing.unit * weights
    Z, truth = scaled.of(rows.X), link.truth(weighing.targets.of_rows(rows.y).codes)
    return [of_rows(Z, truth, counts, regression, link) for regression in regressions]


def _derivatives(Z, truth, counts, coefficients, link):
    rows = LogisticRows(Z, truth, counts, _logits(Z, coefficients), link)
    return rows.loss, rows.gradient, rows.curvature()


def _without_copies(Z, truth, counts, regression, link):
    coefficients, inverse = regression
    rows = LogisticRows(Z, truth, counts, _logits(Z, coefficients), link)
    without = rows.logits_without(np.minimum(counts, 1), inverse)
    return rows.loss_of(without), rows.dof(inverse)


def _curvature(rows, weighing, trend):
    rows, weights = weighing.of(rows)
    if rows is None:
        return None
    counts = weighing.unit * weights
    codes = weighing.targets.of_rows(rows.y).codes
    return [(counts @ trend.of_rows(rows.X, codes, counts).curvature,)]


def _logits(Z, coefficients):
    return coefficients[:, 0] + Z @ coefficients[:, 1:].T
