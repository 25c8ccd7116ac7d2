"""The base class of regressors and classifiers: parameters, `fit`, pooling, `handle_empty`."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from copy import copy
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator

from nwkr._arrays import Arrays
from nwkr._cache import Cache
from nwkr._columns import Columns
from nwkr._counts import as_counts
from nwkr._effective import visit_rows
from nwkr._input import names_of_columns, names_of_rows, validate_rows, validate_weights
from nwkr._local import CONSTANTS
from nwkr._matrix_bandwidth import refuse_matrix
from nwkr._metrics import TAKE_GAPS, check_metric, check_rows, resolve_metric
from nwkr._namespaces import OnHost, in_numpy, like_of, shown
from nwkr._pooling import (
    BOUNDED,
    DEFAULT_SIZES,
    Attention,
    Terms,
    check_algorithm,
    in_blocks,
    one_blas_thread,
    slices,
)
from nwkr._resolve_window import resolve_window
from nwkr._restored_on_error import restored_on_error
from nwkr._row_order import order_of
from nwkr._validation import (
    HAS_NAMESPACES,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from nwkr._window import FixedWindow
from nwkr.bandwidths import RULES, Adaptive, KNearest
from nwkr.kernels import get_kernel

__all__ = ["NadarayaWatsonBase"]

# In memory while lines are fitted.
_COPIES_OF_SUMS = 8
# Parameters that take effect if they are changed after fit, without another fit.
_READ_AFTER_FIT = "handle_empty", "algorithm", "tol", "n_jobs"


class NadarayaWatsonBase(BaseEstimator, metaclass=ABCMeta):
    """An estimator that pools the values of its training rows."""

    _parameter_constraints: dict = {
        "kernel": [str, callable],
        "bandwidth": [
            Interval(Real, 0, np.inf, closed="both"),
            "array-like",
            StrOptions(set(RULES)),
            KNearest,
            Adaptive,
            callable,
            dict,
        ],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "ordered_features": ["array-like", None],
        "periodic_features": [dict, None],
        "metric": [str, callable],
        "metric_params": [dict, None],
        "one_sided": [str, Integral, None],
        "handle_empty": [StrOptions({"nearest", "mean", "nan", "error"})],
        "algorithm": [StrOptions({"auto", "dense", "blocks", "lattice"})],
        "tol": [Interval(Real, 0, 0.1, closed="both")],
        "n_jobs": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
        ],
    }

    _columns: Columns  # of distance, and of slopes
    _sizes = DEFAULT_SIZES
    _X, _rows, _sample_weight = OnHost(), OnHost(), OnHost()
    _key_weights, _counts = OnHost(), OnHost()
    _shared = OnHost()  # attributes of the attention of all queries

    @abstractmethod
    def _validate_training(self, X, y, *, reset=True):
        """Return checked `X` and `y`; set `n_features_in_` and names, or compare with them."""

    @abstractmethod
    def _encode(self, y, sample_weight, classes=None):
        """Return the targets (of `classes`, if given), and the weights of the rows."""

    @one_blas_thread()
    def _fit(self, X, y, sample_weight, classes=None, groups=None):
        """Check and store the data."""
        self._begin_fit()
        with restored_on_error(self):
            self._like = like_of(X, y)
            X, y, sample_weight = in_numpy(X=X, y=y, sample_weight=sample_weight)
            self._metric = resolve_metric(self.metric, self.metric_params)
            self._row_names, self._output_names = names_of_rows(X), names_of_columns(y)
            X, y = self._validate_training(X, y)
            sample_weight = validate_weights(sample_weight, X)
            check_metric(self._metric, X)
            if self._metric != "euclidean":
                self._columns.require_plain(f"metric={self.metric!r}")
            if arrays := Arrays.of(self._like):
                self._columns.require_plain(f"X as an array of {arrays.library}")
            self._fit_rows(X, y, sample_weight, classes, groups)
        self._end_fit()
        return self

    def _fit_rows(self, X, y, sample_weight, classes=None, groups=None):
        """Store rows that have been checked."""
        self._targets, key_weights = self._encode(y, sample_weight / sample_weight.max(), classes)

        # A row with weight 0 is ignored everywhere.
        key_weights = key_weights / key_weights.max()
        rows = np.flatnonzero(key_weights)
        self.kernel_ = get_kernel(self.kernel, Arrays.of(self._like))
        self._columns = self._columns.of_training(X, rows)
        self._blocks, self._order = None, order_of(self, X, groups)
        self._store(self._columns.encode(X), rows)
        self._sample_weight = None if (sample_weight == 1).all() else sample_weight
        self._key_weights, self._counts = key_weights[rows], as_counts(sample_weight[rows])
        # The largest count of a row, over the weight of the kernel at distance 0.
        self._unit = float(self._counts.max() / (self.kernel_(0.0) or 1.0))
        self._columns = self._columns.of_keys(self._keys, self._counts)
        window = self._window = self._choose_window(X, y, sample_weight)
        arrays, masked = Arrays.of(self._like), self.one_sided is not None
        if window.columns is not None:  # rows are mapped once, and then pooled like others
            self._columns, self._window = window.columns, FixedWindow(window.bandwidth)
            self._store(self._columns.encode(X), self._rows)
        self.bandwidth_ = shown(copy(self._columns.by_feature(window.bandwidth)), arrays)
        terms = Terms(self._metric, self.kernel_, window.name, window.varies, True, arrays, masked)
        check_algorithm(self.algorithm, terms)
        self._window = self._window.take(self._arrange(self._window))
        self._shared = self._share()
        self._lines = self._choose_lines()
        self.algorithm_ = self._choose_algorithm()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = HAS_NAMESPACES
        tags.input_tags.allow_nan = self.metric in TAKE_GAPS
        tags.input_tags.pairwise = tags.input_tags.positive_only = self.metric == "precomputed"
        return tags

    def _store(self, X, rows):
        """Store the training rows, and the numbers of those with weight, in the order of keys."""
        self._X, self._rows, self._cache = X, rows, Cache()

    # Keys and values are rows and targets in another order, so pickles leave them out.

    @property
    def _keys(self):
        """The rows with weight, in the order of their blocks."""
        if self._blocks is None and len(self._rows) == len(self._X):
            return self._X

        def make():
            if self._metric == "precomputed":
                return self._X[np.ix_(self._rows, self._rows)]
            return np.take(self._X, self._rows, axis=0)

        return self._cache.get("keys", None, make)

    @property
    def _values(self):
        """The values of the keys."""
        return self._cache.get("values", None, lambda: self._targets.values[self._rows])

    def _queries(self, X):
        """Queries, and the key that each leaves out (None if there is none)."""
        if X is None:
            if len(self._rows) == 1:
                raise ValueError(
                    "X=None leaves each training row out of its own prediction, which needs "
                    "at least 2 rows with positive weight; got 1 sample."
                )
            leave_out = np.full(len(self._X), -1)
            leave_out[self._rows] = np.arange(len(self._rows))
            return self._X, leave_out
        X = validate_rows(self, *in_numpy(X=X), reset=False)
        check_rows(self._metric, X)
        return self._columns.encode(X), None

    def _predictable(self):
        """Which training rows can be predicted from another one, with some bandwidth."""
        predictable = np.ones(len(self._X), bool)
        if self._order is not None:
            predictable = self._order.predictable(self._rows)
        if self._metric == "precomputed" and self.handle_empty != "mean":
            counts = np.isfinite(self._X) & np.isin(np.arange(len(self._X)), self._rows)
            np.fill_diagonal(counts, False)
            predictable &= counts.any(axis=1)
        return predictable

    def _choose_window(self, X, y, sample_weight):
        """The bandwidth, resolved on the rows with weight."""
        if arrays := Arrays.of(self._like):
            refuse_matrix(self.bandwidth, f"X as an array of {arrays.library}")
        keys, weight = self._keys, sample_weight[self._rows]
        options = {"n_jobs": self.n_jobs, "columns": self._columns}
        return resolve_window(self.bandwidth, keys, weight, self.kernel_, self._metric, **options)

    def _arrange(self, window):
        """Sort the rows with weight into k-d order, if there are many; return the order."""
        order = np.arange(len(self._rows))
        many = len(order) >= self._sizes.least_keys or self.algorithm in ("blocks", "lattice")
        many &= Arrays.of(self._like) is None
        if many and self._metric in BOUNDED and self.algorithm != "dense":
            scale = self._columns.units if window.by_query else window.bandwidth
            size, kinds, metric = self._sizes.keys_per_block, self._columns.kinds, self._metric
            order, self._blocks = in_blocks(self._keys, scale, size, metric=metric, kinds=kinds)
            self._store(self._X, self._rows[order])
            self._key_weights, self._counts = self._key_weights[order], self._counts[order]
        return order

    def _choose_lines(self):
        """The local fit: here a constant."""
        return CONSTANTS

    def _values_to_pool(self, keys):
        """The values of the keys, with the further columns that the local fit pools."""
        return self._lines.values_on_demand(keys, self._values)

    def _choose_algorithm(self):
        """The algorithm for as many queries as there are keys."""
        if self._blocks is None or self._window.by_query:
            # For any widths, blocks skip most rows.
            return "dense" if self._blocks is None else "blocks"
        attention = self._attend(self._keys)
        return attention.way(self._values_to_pool(attention.keys))

    def _check_parameters(self, names):
        if not get_config()["skip_parameter_validation"]:
            constraints = {name: self._parameter_constraints[name] for name in names}
            values = {name: getattr(self, name) for name in names}
            validate_parameter_constraints(constraints, values, type(self).__name__)

    def _begin_fit(self):
        """Called before each fit; subclasses may override it."""

    def _end_fit(self):
        """Called after each fit; subclasses may override it."""

    def _without_window(self, queries, leave_out=None, **options):
        """Queries and training rows, without a bandwidth."""
        if self._metric == "precomputed" and queries.shape[1] != len(self._rows):
            queries = queries[:, self._rows]
        stands_in = self.handle_empty if self.handle_empty in ("nearest", "mean") else None
        mask = None if self._order is None else self._order.of_queries(self._rows, queries)
        options = {"n_jobs": self.n_jobs, "mask": mask} | options
        return Attention(
            queries,
            self._keys,
            self._key_weights,
            self.kernel_,
            metric=self._metric,
            kinds=self._columns.kinds,
            leave_out=leave_out,
            counts=self._counts,
            unit=self._unit,
            empty=stands_in,
            blocks=self._blocks,
            algorithm=self.algorithm,
            tol=self.tol,
            sizes=self._sizes,
            arrays=Arrays.of(self._like),
            **options,
        )

    def _attend(self, queries, leave_out=None, **options):
        """Queries and training rows, with a bandwidth."""
        self._check_parameters(_READ_AFTER_FIT)
        attention = self._without_window(queries, leave_out, **options).replace(**self._shared)
        return self._arranged_window().at(attention) if self._window.by_query else attention

    def _share(self):
        """Attributes of the attention that do not depend on the queries, by name."""
        nothing = self._X[:0]
        if self._window.by_query:  # the widths of queries are not known yet
            self._arranged_window()
            units = self._columns.units if self._metric == "euclidean" else 1.0
            options = {"bandwidth": units, "query_widths": np.empty(0)}
            return {"prepared": self._without_window(nothing, **options).prepare().prepared}
        attention = self._window.at(self._without_window(nothing)).prepare()
        names = "prepared", "weights", "unit", "bandwidth", "key_widths"
        return {name: getattr(attention, name) for name in names}

    def _arranged_window(self):
        """The window, with the keys arranged for its search."""
        terms = self._metric, self._columns.kinds
        return self._cache.get("window", None, lambda: self._window.prepared(self._keys, *terms))

    def _attention(self, X):
        """The attention of `X`; for None, of the training rows, each left out."""
        options = {}
        if X is None and self._order is not None:
            options["mask"] = self._order.left_out(self._rows, np.arange(len(self._X)))
        return self._attend(*self._queries(X), **options)

    def _pooled(self, X):
        """Pooled values, of shape (n_queries, n_values), for `X` or None."""
        attention = self._attention(X)
        values = self._values_to_pool(attention.keys)
        n_numbers = max(1, values.shape[1]) * _COPIES_OF_SUMS
        at_once = int(get_config()["working_memory"] * 2**20 / (8 * n_numbers))
        parts = [attention]
        if at_once < len(attention.queries):
            parts = [attention.take(rows) for rows in slices(len(attention.queries), at_once or 1)]
        fits = (self._lines.fit(part, values) for part in parts)
        predictions, totals = zip(*((fit.predictions, fit.sums.total) for fit in fits))
        self._refuse_empty(np.concatenate(totals) > 0)
        return np.concatenate(predictions)

    def _fit_lines(self, attention):
        """The local fit of each query."""
        return self._lines.fit(attention, self._values_to_pool(attention.keys))

    def _visit_effective(self, attention, visit):
        """Pass the weights of the targets in the predictions to a callback, block by block."""
        if not self._lines.has_slopes:
            attention.visit(visit)
            return
        fit = self._fit_lines(attention)
        visit_rows(fit, lambda seen: visit(seen.rows, seen.cols, seen.effective))

    def _refuse_empty(self, reached):
        if self.handle_empty == "error" and not reached.all():
            raise ValueError(
                f"No training row has weight for {(~reached).sum()} of {len(reached)} queries, "
                f"the first of them row {reached.argmin()}, and handle_empty='error'. Choose a "
                f"larger bandwidth, a kernel of wider support, or handle_empty from 'nearest', "
                f"'mean', 'nan'."
            )
