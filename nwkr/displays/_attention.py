"""The display of attention weights."""

from __future__ import annotations

from itertools import pairwise
from numbers import Real

import numpy as np

from nwkr._pipeline import last_step
from nwkr.displays._drawing import (
    axes_of,
    label_axes,
    letters,
    merged,
    need_matplotlib,
    shortened,
    wrapped,
)
from nwkr.displays._reading import feature_number, names_of_features, require_method, shown_name

__all__ = ["AttentionDisplay"]

# Up to this many categories have a tick each.
_MOST_GROUPS = 8
# Cells on each side of the heat map, at most: smaller ones are hard to see.
_MOST_CELLS = 100


class AttentionDisplay:
    """Heat map of the attention weights of queries over training rows.

    Rows of the heat map are queries, columns are training rows. :meth:`from_estimator` computes and
    draws a display, and sorts both, so that similar rows are close to each other. Of more than 100
    queries or training rows, neighbours share a cell, whose colour is the largest of their weights.

    Parameters
    ----------
    weights : ndarray of shape (n_queries, n_train)
        Attention weights.
    query_values : ndarray of shape (n_queries,) or None, default=None
        Numbers to sort the queries by; None keeps their order.
    key_values : ndarray of shape (n_train,) or None, default=None
        Numbers to sort the training rows by; None keeps their order.
    feature_name : str or None, default=None
        Name of these numbers.
    query_labels : ndarray of shape (n_queries,) or None, default=None
        Tick label of each query, such as its category; None for the numbers.
    key_labels : ndarray of shape (n_train,) or None, default=None
        Tick label of each training row; None for the numbers.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The heat map.
    colorbar_ : matplotlib Colorbar or None
        Its colour bar.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    nwkr.NadarayaWatsonRegressor.attention_weights : The weights of a regressor.
    nwkr.NadarayaWatsonClassifier.attention_weights : The weights of a classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nwkr import NadarayaWatsonRegressor
    >>> from nwkr.displays import AttentionDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = NadarayaWatsonRegressor().fit(X[["bmi", "bp"]][:40], y[:40])
    >>> display = AttentionDisplay.from_estimator(model, X[["bmi", "bp"]][40:60])
    >>> display.weights.shape
    (20, 40)
    >>> print(display.ax_.get_xlabel(), "|", display.ax_.get_ylabel())
    training row, by first principal component | query, by first principal component
    """

    def __init__(
        self,
        *,
        weights,
        query_values=None,
        key_values=None,
        feature_name=None,
        query_labels=None,
        key_labels=None,
    ):
        self.weights = weights
        self.query_values = query_values
        self.key_values = key_values
        self.feature_name = feature_name
        self.query_labels = query_labels
        self.key_labels = key_labels

    @classmethod
    def from_estimator(cls, estimator, X=None, *, sort_by="auto", ax=None, **kwargs):
        """Compute and draw the attention weights of queries.

        Parameters
        ----------
        estimator : fitted estimator of nwkr, or pipeline or search that ends in one
            The estimator.
        X : array-like of shape (n_queries, n_features) or None, default=None
            Queries; None means the training rows, each left out of its own prediction.
        sort_by : "auto", int, str or None, default="auto"
            Feature by which queries and training rows are sorted: its number or name, as received
            by the last step of a pipeline. "auto" is the only feature, or for several features the
            first principal component of the training rows in units of the bandwidth. None keeps
            their order, and so does "auto" with ``metric="precomputed"``.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        **kwargs : dict
            Keyword arguments of :meth:`plot`.

        Returns
        -------
        display : AttentionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no feature `sort_by`, or if `attention_weights` raises one.
        TypeError
            If the estimator has no `attention_weights`.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("AttentionDisplay.from_estimator")
        model, queries = last_step(estimator, X)
        require_method(model, "attention_weights")
        weights = model.attention_weights(queries)
        order = {} if sort_by is None else _order(estimator, model, queries, sort_by)
        display = cls(weights=weights, **order)
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, vmax=None, colorbar=True, image_kwargs=None):
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        vmax : float or None, default=None
            Weight of the brightest colour. None is the upper quartile of the largest weights of
            the queries, so that a few large weights do not darken the others.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        image_kwargs : dict or None, default=None
            Keyword arguments of `Axes.imshow`.

        Returns
        -------
        display : AttentionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = axes_of(self, ax)
        self.figure_ = ax.figure
        from matplotlib.image import AxesImage

        weights = self.weights
        orders = [
            None if values is None else np.argsort(values, kind="stable")
            for values in (self.query_values, self.key_values)
        ]
        if orders[0] is not None:
            weights = weights[orders[0]]
        if orders[1] is not None:
            weights = weights[:, orders[1]]
        style = {
            "aspect": "auto",
            "interpolation": "nearest",
            "extent": (-0.5, weights.shape[1] - 0.5, -0.5, weights.shape[0] - 0.5),
            "origin": "lower",
            "cmap": "viridis",
            "vmin": 0.0,
            "vmax": _bright(weights) if vmax is None else vmax,
        }
        if "norm" in (image_kwargs or {}):
            del style["vmin"], style["vmax"]
        cells = _cells(weights)
        self.image_ = ax.imshow(cells, **merged(AxesImage, style, image_kwargs))
        self.colorbar_ = None
        if colorbar:
            beyond = np.nanmax(weights, initial=0) > self.image_.norm.vmax
            label = "attention weight"
            if cells.shape != weights.shape:
                label += ", largest in each cell"
            self.colorbar_ = self.figure_.colorbar(
                self.image_, ax=ax, label=label, extend="max" if beyond else "neither"
            )
        room = letters(ax)
        most = min(max(room[0] // 3, 8), 24)
        names = []
        for axis, what, values, labels, order, along in zip(
            (ax.xaxis, ax.yaxis),
            ("training row", "query"),
            (self.key_values, self.query_values),
            (self.key_labels, self.query_labels),
            orders[::-1],
            room,
        ):
            labels = values if labels is None else labels
            labels = None if labels is None else np.asarray(labels)[order]
            _set_ticks(axis, labels, along, most)
            names.append(what if values is None else f"{what}, by {shortened(self.feature_name)}")
        label_axes(ax, *names)
        if self.colorbar_ is not None:
            self.colorbar_.set_label(wrapped(label, letters(ax)[1]))
        return self


def _order(estimator, model, queries, sort_by):
    """The values by which queries and training rows are sorted, and their name."""
    precomputed = model._metric == "precomputed"
    if precomputed and sort_by != "auto":
        raise ValueError(
            f"sort_by must be 'auto' or None with metric='precomputed', which has no features; "
            f"got {sort_by!r}."
        )
    if precomputed:
        return {}
    rows = model._queries(queries)[0], model._X
    names, number = names_of_features(estimator), 0
    if isinstance(sort_by, str) and sort_by == "auto" and len(names) > 1:
        of_queries, of_keys = _first_component(model, *rows)
        name = "first principal component"
        return {"query_values": of_queries, "key_values": of_keys, "feature_name": name}
    if sort_by != "auto":
        number = feature_number(sort_by, names, "sort_by")
    # Categories by their numbers, in the order of their levels.
    of_queries, of_keys = (model._columns.decode(columns)[:, number] for columns in rows)
    query_labels, key_labels = (model._columns.shown(columns)[number] for columns in rows)
    return {
        "query_values": of_queries,
        "key_values": of_keys,
        "feature_name": shown_name(estimator, names[number]),
        "query_labels": query_labels,
        "key_labels": key_labels,
    }


def _first_component(model, queries, keys):
    """Places of rows along the first principal component of the keys, in units of the bandwidth."""
    window = model._window
    widths = model._columns.units if window.by_query else np.asarray(window.bandwidth, dtype=float)
    known = np.where(np.isnan(keys).all(axis=0), 0.0, keys)  # a column may hold no number
    middle = np.nanmedian(known, axis=0)
    apart = np.nan_to_num(keys - middle)  # missing values count as the middle
    # A tiny width replaces bandwidth 0, so that differences in these columns come first.
    least = np.where(widths > 0, widths, np.inf).min() * 1e-3
    widths = np.where(widths > 0, widths, least if np.isfinite(least) else 1.0)
    if np.isinf(widths).all():  # all weights are equal
        widths = model._columns.units
    axis = np.linalg.svd((apart - apart.mean(axis=0)) / widths, full_matrices=False)[2][0]
    axis *= np.sign(axis[np.abs(axis).argmax()])
    return np.nan_to_num(queries - middle) / widths @ axis, apart / widths @ axis


def _cells(weights):
    """The largest weights of neighbouring queries and training rows, if there are many."""
    for axis, length in enumerate(weights.shape):
        if length > _MOST_CELLS:
            starts = np.linspace(0, length, _MOST_CELLS, endpoint=False).astype(int)
            weights = np.fmax.reduceat(weights, starts, axis=axis)  # NaN only if all are NaN
    return weights


def _bright(weights):
    """The upper quartile of the largest weights of the queries."""
    largest = np.fmax.reduce(weights, axis=1)  # NaN only if all are NaN
    return np.nanquantile(largest, 0.75) if np.isfinite(largest).any() else 1.0


def _set_ticks(axis, labels, room, most):
    """Label ticks with the row number, or with the value of the feature, in `most` letters."""
    from matplotlib.ticker import MaxNLocator

    if labels is None:
        axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        return
    numbers = labels.dtype.kind in "fiub"
    words = _numbers_in_words(labels) if numbers else [_in_words(label, most) for label in labels]
    starts = [n for n, word in enumerate(words) if n == 0 or word != words[n - 1]]
    # Letters that a label takes: its own, or along the vertical axis its height.
    longest = max(map(len, words), default=0) + 2 if axis.axis_name == "x" else 3
    if not numbers and len(starts) <= _MOST_GROUPS:
        middles = [(a + b - 1) / 2 for a, b in pairwise([*starts, len(words)])]
        tilted = {"rotation": 30, "ha": "right"} if len(starts) * longest > room else {}
        axis.set_ticks(middles, [words[start] for start in starts], **tilted)
        return
    n_ticks = min(max(room // longest - 1, 1), 5)
    axis.set_major_locator(MaxNLocator(n_ticks, integer=True, min_n_ticks=1))
    axis.set_major_formatter(lambda place, _: words[int(place)] if 0 <= place < len(words) else "")


def _in_words(label, most):
    if label is None:
        return "unknown"
    return f"{label:.3g}" if isinstance(label, Real) else shortened(label, most)


def _numbers_in_words(values):
    """Numbers with as many decimals as their spread needs."""
    from matplotlib.ticker import Formatter

    known = values[np.isfinite(values)]
    spread = np.ptp(known) if len(known) else 0.0
    form = ".3g"
    if spread >= 1e-4 and np.abs(known).max() < 1e6:
        whole = (known == np.round(known)).all()
        form = f".{0 if whole else max(int(np.ceil(1.5 - np.log10(spread))), 0)}f"
    return [Formatter.fix_minus(format(value, "z" + form)) for value in values.tolist()]
