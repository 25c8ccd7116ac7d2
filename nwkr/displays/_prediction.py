"""The display of predictions over one feature or two."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from nwkr.displays._band import band_of, check_band
from nwkr.displays._drawing import axes_of, letters, need_matplotlib, shortened, wrapped
from nwkr.displays._one_feature import draw_one_feature
from nwkr.displays._reading import (
    names_in,
    numbers_in,
    shown_numbers,
    typical_rows,
    values_of_others,
)
from nwkr.displays._targets import class_column, name_of_target, one_output
from nwkr.displays._two_features import draw_two_features

__all__ = ["PredictionDisplay"]

# Maximal number of values of other features in the title.
_MOST_VALUES = 3
# Of more rows than this, up to as many are drawn, evenly spaced in the data.
_MOST_POINTS = 10_000


class PredictionDisplay:
    """The fitted function, over one feature as a curve, or over two as filled contours.

    :meth:`from_estimator` computes and draws a display.

    Parameters
    ----------
    grid : list of one or two ndarrays, of shapes (n_0,) and (n_1,)
        Positions of the predictions along each feature.
    prediction : ndarray of shape (n_0[, n_1][, n_classes])
        Predictions of a regressor at these positions; the probability of one class, or of each.
    feature_names : list of str
        Names of the features.
    target_name : str, default="y"
        Name of the prediction.
    band : ndarray of shape (n_0, 2) or None, default=None
        Lower and upper end of a band about the curve.
    band_name : str, default="band"
        Name of the band.
    truth : ndarray of shape (n_0,) or None, default=None
        The true function, if known.
    X : ndarray of shape (n_samples, 1) or (n_samples, 2), default=None
        The data, in these features.
    y : ndarray of shape (n_samples,) or None, default=None
        Their targets; None leaves the data out of the plot.
    classes : label, ndarray of shape (n_classes,), or None, default=None
        The class of the probability, or all classes; None for a regressor.
    fixed : dict or None, default=None
        Values of the other features, by name, for the title.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        Over one feature, the curve, or one for each class.
    band_ : matplotlib PolyCollection or None
        The band.
    truth_ : matplotlib Line2D or None
        The true curve.
    points_ : list of matplotlib PathCollection
        The data, by class if there are several.
    surface_ : matplotlib QuadContourSet, AxesImage or None
        Over two features, filled contours; the blended colours of several classes.
    boundaries_ : list of matplotlib QuadContourSet
        Over two features, the lines where one class has probability 1/2, or where the most
        probable of several classes changes.
    colorbar_ : matplotlib Colorbar or None
        Colour bar of the filled contours.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    sklearn.inspection.PartialDependenceDisplay : Predictions over a feature, averaged over
        the others.
    sklearn.inspection.DecisionBoundaryDisplay : Regions of classes of any estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from nwkr import NadarayaWatsonRegressor
    >>> from nwkr.displays import PredictionDisplay
    >>> X = np.linspace(0, 5, 50)[:, None]
    >>> y = np.sin(X).ravel()
    >>> model = NadarayaWatsonRegressor(bandwidth=0.2).fit(X, y)
    >>> display = PredictionDisplay.from_estimator(model, X, y, truth=np.sin)
    >>> [line.get_label() for line in display.ax_.get_lines()]
    ['truth', 'fit']
    """

    def __init__(
        self,
        *,
        grid,
        prediction,
        feature_names,
        target_name="y",
        band=None,
        band_name="band",
        truth=None,
        X=None,
        y=None,
        classes=None,
        fixed=None,
    ):
        self.grid = grid
        self.prediction = prediction
        self.feature_names = feature_names
        self.target_name = target_name
        self.band = band
        self.band_name = band_name
        self.truth = truth
        self.X = X
        self.y = y
        self.classes = classes
        self.fixed = fixed

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        features=None,
        target=None,
        band=None,
        coverage=0.9,
        truth=None,
        grid_resolution=None,
        ax=None,
        **kwargs,
    ):
        """Compute and draw predictions, and the data.

        Parameters
        ----------
        estimator : fitted estimator, pipeline or search
            The estimator.
        X : array-like of shape (n_samples, n_features)
            Data. The plot covers their range.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their targets; None leaves the data out of the plot. Of more than 10,000 rows, up to
            10,000 are drawn, evenly spaced in the data.
        features : int, str, list of one or two of these, or None, default=None
            Numbers or names of the features to vary; the others are fixed at their median, or at
            the most frequent category, as the title says. None varies all, if there are one or two.
        target : int, label or None, default=None
            The output to show, by number, or the class to show. None shows the second of two
            classes, and all of more classes.
        band : {"std", "quantiles", "interval"}, callable or None, default=None
            The band around the curve of a regressor: plus and minus one standard deviation, from
            `predict_quantiles`, from `predict_interval`, or from a function of the rows that
            returns lower and upper ends, (n_queries, 2).
        coverage : float, default=0.9
            Coverage of the quantiles or the interval.
        truth : callable or None, default=None
            The true function of the rows, if known.
        grid_resolution : int or None, default=None
            Number of positions along each feature; None means 400 for one feature and 100 for two.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        **kwargs : dict
            Keyword arguments of :meth:`plot`.

        Returns
        -------
        display : PredictionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there are more than two features to show, if a feature or the target is unknown, or
            if there are several outputs and no `target`; if `grid_resolution` is not an integer
            above 1; if there is a band for a classifier, or a band or truth over two features.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("PredictionDisplay.from_estimator")
        names, columns = names_in(X), numbers_in(X)
        if hasattr(estimator, "_columns"):
            columns = [None if c else v for c, v in zip(estimator._columns.categories, columns)]
        shown = shown_numbers(features, names, columns)
        classes = estimator.classes_ if is_classifier(estimator) else None
        if len(shown) == 2 and (band is not None or truth is not None):
            raise ValueError("band and truth must be None over two features; got one of them.")
        check_band(band, classes)
        n_places = {1: 400, 2: 100}[len(shown)] if grid_resolution is None else grid_resolution
        if not (isinstance(n_places, int | np.integer) and n_places > 1):
            raise ValueError(f"grid_resolution must be an integer above 1; got {n_places!r}.")
        grid = [_across(columns[number], n_places) for number in shown]
        places = [g.ravel() for g in np.meshgrid(*grid, indexing="ij")]
        queries = typical_rows(X, columns, dict(zip(shown, places)))

        data: dict[str, Any] = {}
        if classes is None:
            prediction = one_output(estimator.predict(queries), target)
            data["target_name"] = name_of_target(y, target)
        else:
            column = class_column(target, classes)
            prediction = estimator.predict_proba(queries)[:, column]
            data["classes"] = classes[column]
            several = prediction.ndim == 2
            data["target_name"] = "probability" if several else f"P({classes[column]})"
        if y is not None:
            some = slice(None, None, -(-len(y) // _MOST_POINTS))
            data["X"] = np.column_stack([columns[number][some] for number in shown])
            data["y"] = (np.asarray(y) if classes is not None else one_output(y, target))[some]
        if band is not None:
            data |= band_of(estimator, queries, band, coverage, target)
        if truth is not None:
            data["truth"] = np.asarray(truth(queries), dtype=float).ravel()
        display = cls(
            grid=grid,
            prediction=prediction.reshape(*map(len, grid), *prediction.shape[1:]),
            feature_names=[names[number] for number in shown],
            fixed=values_of_others(queries, shown),
            **data,
        )
        return display.plot(ax, **kwargs)

    def plot(
        self,
        ax=None,
        *,
        line_kwargs=None,
        band_kwargs=None,
        truth_kwargs=None,
        points_kwargs=None,
        contour_kwargs=None,
        colorbar=True,
    ):
        """Draw the predictions, and the data.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        line_kwargs : dict or None, default=None
            Keyword arguments for the curves, passed to `Axes.plot`.
        band_kwargs : dict or None, default=None
            Keyword arguments for the band, passed to `Axes.fill_between`.
        truth_kwargs : dict or None, default=None
            Keyword arguments for the true curve, passed to `Axes.plot`.
        points_kwargs : dict or None, default=None
            Keyword arguments for the data, passed to `Axes.scatter`.
        contour_kwargs : dict or None, default=None
            Keyword arguments for filled contours, passed to `Axes.contourf`.
        colorbar : bool, default=True
            Whether to draw a colour bar beside these.

        Returns
        -------
        display : PredictionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = axes_of(self, ax)
        self.figure_ = self.ax_.figure
        self.lines_, self.points_, self.boundaries_ = [], [], []
        self.band_ = self.truth_ = self.surface_ = self.colorbar_ = None
        if len(self.grid) == 1:
            draw_one_feature(self, line_kwargs, band_kwargs, truth_kwargs, points_kwargs)
        else:
            draw_two_features(self, contour_kwargs, points_kwargs, colorbar)
        if self.fixed:
            title = wrapped(_in_words(self.fixed), letters(self.ax_)[0])
            self.ax_.set_title(title, loc="left", fontsize="medium")
        return self


def _in_words(fixed):
    """The values of the other features, or their number if there are many."""
    numbers = [name for name, value in fixed.items() if isinstance(value, Real)]
    hidden = [] if len(fixed) <= _MOST_VALUES else numbers
    if len(fixed) - len(hidden) > _MOST_VALUES:
        return f"{len(fixed)} other features at their median or most frequent category"
    said = [
        f"{shortened(name, 24)} = {f'{value:.4g}' if name in numbers else shortened(value, 24)}"
        for name, value in fixed.items()
        if name not in hidden
    ]
    if hidden:
        said.append(f"{len(hidden)} other feature{'s' * (len(hidden) > 1)} at the median")
    return ", ".join(said)


def _across(column, n_places):
    """Positions across a column, and slightly beyond."""
    low, high = np.nanmin(column), np.nanmax(column)
    margin = 0.04 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, n_places)
