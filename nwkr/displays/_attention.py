"""A picture of attention weights."""

from __future__ import annotations

import numpy as np

from nwkr._pipeline import last_step
from nwkr.displays._drawing import axes_of, merged, need_matplotlib
from nwkr.displays._reading import feature_number, names_of_features

__all__ = ["AttentionDisplay"]


class AttentionDisplay:
    """Heat map of attention: how each query shares its weight among the training rows.

    A row of the picture is a query, a column a training row. :meth:`from_estimator` makes and
    draws one.

    Parameters
    ----------
    weights : ndarray of shape (n_queries, n_train)
        Attention weights.
    query_values : ndarray of shape (n_queries,) or None, default=None
        Numbers to sort the queries by; None leaves them as they are.
    key_values : ndarray of shape (n_train,) or None, default=None
        Numbers to sort the training rows by; None leaves them as they are.
    feature_name : str or None, default=None
        What these numbers are.

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
    nwkr.NadarayaWatsonRegressor.attention_weights : The weights that are drawn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nwkr import NadarayaWatsonRegressor
    >>> from nwkr.displays import AttentionDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = NadarayaWatsonRegressor().fit(X[["bmi", "bp"]][:40], y[:40])
    >>> display = AttentionDisplay.from_estimator(model, X[["bmi", "bp"]][40:60], sort_by="bmi")
    >>> display.weights.shape
    (20, 40)
    """

    def __init__(self, *, weights, query_values=None, key_values=None, feature_name=None):
        self.weights = weights
        self.query_values = query_values
        self.key_values = key_values
        self.feature_name = feature_name

    @classmethod
    def from_estimator(cls, estimator, X=None, *, sort_by=None, ax=None, **kwargs):
        """Draw what queries attend to.

        Parameters
        ----------
        estimator : fitted estimator of nwkr, pipeline that ends in one, or search for these
            What makes the weights.
        X : array-like of shape (n_queries, n_features) or None, default=None
            Queries; None stands for the training rows, each left out of its own prediction.
        sort_by : int, str or None, default=None
            Number or name of the feature that queries and training rows are sorted by, as the
            last step of a pipeline sees it. None leaves them as they are.
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
            If there is no feature `sort_by`, or as `attention_weights`.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("AttentionDisplay.from_estimator")
        model, queries = last_step(estimator, X)
        weights = model.attention_weights(queries)
        sorted_by = {}
        if sort_by is not None:
            if model._metric == "precomputed":
                raise ValueError(
                    f"sort_by must be None with metric='precomputed', which knows distances but "
                    f"no features; got {sort_by!r}."
                )
            names = names_of_features(estimator)
            number = feature_number(sort_by, names, "sort_by")
            # Categories by their numbers, in the order of their levels.
            of_queries, of_keys = (
                model._columns.decode(rows)[:, number]
                for rows in (model._queries(queries)[0], model._X)
            )
            sorted_by = {
                "query_values": of_queries,
                "key_values": of_keys,
                "feature_name": names[number],
            }
        display = cls(weights=weights, **sorted_by)
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, vmax=None, colorbar=True, image_kwargs=None):
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        vmax : float or None, default=None
            Weight of the brightest colour. None is what one query in twenty exceeds with the
            largest of its weights, so that a few do not keep the others in the dark.
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
        if self.query_values is not None:
            weights = weights[np.argsort(self.query_values, kind="stable")]
        if self.key_values is not None:
            weights = weights[:, np.argsort(self.key_values, kind="stable")]
        style = {
            "aspect": "auto",
            "interpolation": "nearest",
            "origin": "lower",
            "cmap": "viridis",
            "vmin": 0.0,
            "vmax": _bright(weights) if vmax is None else vmax,
        }
        if "norm" in (image_kwargs or {}):
            del style["vmin"], style["vmax"]
        self.image_ = ax.imshow(weights, **merged(AxesImage, style, image_kwargs))
        _label(ax.xaxis, "training row", self.key_values, self.feature_name)
        _label(ax.yaxis, "query", self.query_values, self.feature_name)
        self.colorbar_ = None
        if colorbar:
            beyond = np.nanmax(weights, initial=0) > self.image_.norm.vmax
            self.colorbar_ = self.figure_.colorbar(
                self.image_, ax=ax, label="attention weight", extend="max" if beyond else "neither"
            )
        return self


def _bright(weights):
    """What few queries exceed with the largest of their weights."""
    largest = np.fmax.reduce(weights, axis=1)  # NaN only where all are
    return np.nanquantile(largest, 0.95) if np.isfinite(largest).any() else 1.0


def _label(axis, what, values, feature_name):
    """Name an axis, and have its ticks say what value the feature has at a place."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(5, integer=True))
    if values is None:
        axis.set_label_text(what)
        return
    ascending = np.sort(values)

    def value_at(place, _):
        inside = 0 <= place < len(ascending)
        return f"{ascending[int(place)]:.3g}" if inside else ""

    axis.set_label_text(f"{what}, by {feature_name}")
    axis.set_major_formatter(value_at)
