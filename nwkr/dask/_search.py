"""The search over chunks: sampled rows, each predicted from all others.

The search is that of the ordinary estimators (`nwkr/_search.py`), on a sample of the rows. Only
the leave-one-out sums differ: each chunk of keys pools for the sample, for many bandwidths at
once, and the sums are merged. A descent to one bandwidth for each feature uses the sample only;
multiples of its result are tried on all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from nwkr._feature_bandwidths import wider
from nwkr._lazy import Tasks
from nwkr._leave_one_out import Fit, Form, LeaveOneOut
from nwkr._search import BandwidthSearch
from nwkr._targets import ClassTargets
from nwkr._trend import Trend
from nwkr._window import FixedWindow
from nwkr.bandwidths import RULES, RuleOfThumb
from nwkr.dask._base import ChunkedEstimator
from nwkr.dask._chunks import Chunks
from nwkr.dask._columns import EncodedColumns
from nwkr.dask._form import Rows
from nwkr.dask._model import Model
from nwkr.dask._queries_and_keys import Keys
from nwkr.dask._sample import Sample

__all__ = ["ChunkedSearch", "SearchOverChunks"]

# With subsample="auto", all rows are predicted up to the first number; beyond it, the second
# number.
_MOST_ROWS, _ROWS_DRAWN = 20_000, 5_000
# The result on a sample is tried on all rows times these powers of sqrt 2.
_NEARBY = range(-3, 4)


class ChunkedSearch(ChunkedEstimator):
    """An estimator for chunks that chooses its bandwidth."""

    _searching_class: type[SearchOverChunks]

    @property
    def _fits_lines(self):
        return 1 in getattr(self, "degrees", (0,)) and self.metric == "euclidean"

    @property
    def _goes_by_rule(self):
        return self.metric == "euclidean"

    def _choose(self, chunks, model_of, survey, columns) -> dict[str, Any]:
        if self.cv is not None:
            raise ValueError(
                f"cv must be None for rows in chunks, which leaves each row out of its own "
                f"prediction; got {self.cv!r}. Split a sample of the rows, in memory."
            )
        units = columns.units if self.metric == "euclidean" else 1.0
        # With the trend, if there is one.
        any_model = model_of(FixedWindow(units), Form(1, np.inf))
        sample = self._draw(chunks, any_model)
        params = self.get_params(deep=False) | {"subsample": None, "algorithm": "auto"}
        search = self._searching_class(**params)
        search.over = _OverChunks(chunks, model_of, sample, any_model, survey.n_effective)
        search.resolve = lambda bandwidth, by_weight: self._resolve(
            bandwidth, survey, survey.n_counted if by_weight else survey.n_effective, columns
        )
        search.fit(sample.X, sample.y, sample.sample_weight)
        names = "degree_", "ridge_", "best_score_", "best_index_", "cv_results_", "n_queries_"
        found = {name: getattr(search, name) for name in names if hasattr(search, name)}
        return found | {"window": search._window}

    def _draw(self, chunks, model) -> Sample:
        """Rows to predict."""
        size = np.inf if self.subsample is None else self.subsample
        if size == "auto":
            size = np.inf if model.n_keys <= _MOST_ROWS else _ROWS_DRAWN
        seed = int(check_random_state(self.random_state).randint(2**31))
        classes = model.targets.classes if isinstance(model.targets, ClassTargets) else None
        tasks = Tasks()
        known = tasks.put("model", model)
        rows = chunks.rows(tasks, tasks.put("form", model.form))
        options = {"size": size, "seed": seed, "classes": classes}
        drawn = [
            tasks.add("sample", number, partial(_drawn, **options), known, number, part)
            for number, part in enumerate(rows)
        ]
        merge = partial(Sample.merge, classes=classes)
        return tasks.value(tasks.tree("merge-samples", merge, drawn)).compute()


def _drawn(model, chunk, rows, size, seed, classes):
    keys = model.keys(rows, arranged=False)  # some classes may be absent
    return Sample.of(chunk, None if keys is None else keys.rows, size, seed, classes)


@dataclass(frozen=True)
class _OverChunks:
    """Sums over all chunks of keys for a sample of them.

    Attributes
    ----------
    chunks : Chunks
        The training rows.
    model_of : callable
        Maps a window and a local fit to a model.
    sample : Sample
        The rows to predict.
    any_model : Model
        A model with some window.
    n_samples : float
        Effective number of training rows.
    """

    chunks: Chunks
    model_of: Callable[[FixedWindow, Form], Model]
    sample: Sample
    any_model: Model
    n_samples: float

    @property
    def trend(self) -> Trend | None:
        """The trend, with its results for the sample."""
        keys = self.own(self.any_model)
        return keys.trend and keys.trend.take(np.argsort(keys.rows.numbers))

    def own(self, model: Model) -> Keys:
        """The sample as keys."""
        sample = self.sample
        numbers = np.arange(len(sample.place))
        rows = Rows(sample.X, sample.y, sample.sample_weight, numbers, len(numbers))
        keys = model.keys(rows, arranged=False)
        assert keys is not None
        return keys

    def pool_each(self, model, multiples):
        """Sums of the sample, without each row itself, for multiples of the model's bandwidth."""
        tasks = Tasks()
        known = tasks.put("model", model)
        sample = tasks.put("sample", self.sample)
        rows = self.chunks.rows(tasks, tasks.put("form", model.form))
        pool = partial(_pool, multiples=multiples)
        sums = [tasks.add("pool", n, pool, known, sample, n, part) for n, part in enumerate(rows)]
        return tasks.value(tasks.tree("merge", _merge_each, sums)).compute()


def _pool(model, sample, chunk, rows, multiples):
    keys = model.keys(rows)
    if keys is None:
        return None
    leave_out = sample.at_keys(chunk, keys.rows.numbers)
    attention = keys.attention.replace(queries=sample.X, leave_out=leave_out)
    fitting = model.fitting(model.lines)
    values = fitting.values(attention.keys, keys.targets)
    return fitting.careful(attention).pool_each(values, multiples)


def _merge_each(ours, theirs):
    return [one.merge(other) for one, other in zip(ours, theirs)]


@dataclass(frozen=True)
class _LeaveOneOut(LeaveOneOut):
    """Leave-one-out of a sample from all chunks.

    Attributes
    ----------
    over : _OverChunks or None, default=None
        The chunks.
    """

    over: _OverChunks | None = None

    def _fits_together(self, windows, form):
        assert self.over is not None
        first = windows[0]
        multiples = [window.multiple_of(first) or 1.0 for window in windows]
        model = self.over.model_of(first, form)
        keys, sample = self.over.own(model), self.over.sample
        asked, fitting = model.asked(sample.X, keys), model.fitting(model.lines)
        own, values = asked.attention, fitting.values(keys.attention.keys, keys.targets)
        # From sums only, because the other keys are in other chunks.
        of_queries = {} if asked.logits is None else {"logits": asked.logits}
        fit = partial(_fit_sums, fitting, of_queries)
        sums = self.over.pool_each(model, multiples)
        scaled = [own.replace(bandwidth=multiple * own.bandwidth) for multiple in multiples]
        return [
            Fit.of_sums(fit, attention, partial(sums.__getitem__, number), values)
            for number, attention in enumerate(scaled)
        ]


def _fit_sums(fitting, of_queries, attention, values, sums):
    return fitting.fit_sums(attention, sums, **of_queries)


class SearchOverChunks(BandwidthSearch):
    """A search on a sample that scores candidates on all chunks."""

    over: _OverChunks
    resolve: Callable[..., FixedWindow]

    def _validate_training(self, X, y, *, reset=True):
        # Already checked.
        self._columns = EncodedColumns.like(self.over.any_model.form.columns)
        self.n_features_in_ = self._columns.n_features
        return X, y

    def _encode(self, y, sample_weight, classes=None):
        # In the unit of all rows.
        model = self.over.any_model
        for name in ("classes_", "outlier_label_"):
            if hasattr(model.form.plain, name):
                setattr(self, name, getattr(model.form.plain, name))
        targets = model.targets.of_rows(y)
        if model.weighing.class_weights is not None:
            sample_weight = sample_weight * model.weighing.class_weights[targets.codes]
        return targets, sample_weight

    def _arrange(self, window):
        return np.arange(len(self._rows))

    def _check_projection(self):
        raise ValueError(
            f"n_components must be None for Dask collections; got {self.n_components!r}. Learn a "
            f"projection on some of the rows, with the estimator of nwkr."
        )

    def _resolve(self, bandwidth, sample_weight, distances=None):
        rule = RULES.get(bandwidth) if isinstance(bandwidth, str) else bandwidth
        if self.metric == "euclidean" or not isinstance(rule, RuleOfThumb):
            by_weight = np.array_equal(sample_weight, self.over.sample.sample_weight)
            return self.resolve(bandwidth, by_weight)
        # From the distances within the sample, with the number of all rows.
        window = super()._resolve(bandwidth, sample_weight, distances)
        share = len(self._rows) / self.over.any_model.n_keys
        return FixedWindow(window.bandwidth * rule.factor(1 / share, 1) / rule.factor(1, 1))

    def _problem(self, y, sample_weight, distances):
        self._within = super()._problem(y, sample_weight, distances)
        n_keys, within = self.over.any_model.n_keys, self._within.leave_one_out
        return replace(
            self._within,
            leave_one_out=_LeaveOneOut(**vars(within) | {"over": self.over}),
            n_samples=self.over.n_samples,
            n_rows_for_each=n_keys / len(self._rows),
        )

    def _descend(self, problem, rule, start, form):
        # Within the sample, which has fewer rows, so its windows are wider.
        columns, n_rows, n_keys = self._columns, len(self._rows), self.over.any_model.n_keys
        factor = wider(columns, n_keys, n_rows, columns.by_feature(rule.bandwidth))
        factor = columns.by_column(factor)
        factor[~np.isfinite(factor)] = 1.0
        rule, start = (FixedWindow(factor * window.bandwidth) for window in (rule, start))
        found = super()._descend(self._within, rule, start, form)
        nearby = _NEARBY if n_keys > n_rows and len(found) == 1 else (0,)
        return [
            FixedWindow(window.bandwidth / factor * 2 ** (number / 2))
            for window in found
            for number in nearby
        ]
