"""The display of the training rows behind one prediction."""

from __future__ import annotations

import numpy as np
from sklearn.base import is_classifier

from nwkr._pipeline import last_step
from nwkr.displays._drawing import (
    COLORS,
    axes_of,
    ink,
    letters,
    merged,
    need_matplotlib,
    shortened,
    wrapped,
)
from nwkr.displays._reading import require_method
from nwkr.displays._targets import given_targets

__all__ = ["ExplanationDisplay"]

# The thickest bar, in points, so that a single bar is not a block.
_THICKEST = 24


class ExplanationDisplay:
    """The training rows with the largest weights in one prediction, as bars.

    The target of each row is to the right of its bar. For classes with a trend, the bars are the
    contributions of intercept, features and training rows to the logit. :meth:`from_estimator`
    computes and draws a display.

    Parameters
    ----------
    rows : list of length n_rows
        Names or numbers of the training rows, the largest weight first.
    weights : ndarray of shape (n_rows,)
        Lengths of the bars: attention weights, or the quantity named in `weight_name`.
    values : array-like of shape (n_rows,)
        Targets of the rows.
    prediction : float or label
        The prediction.
    classes : ndarray of shape (n_classes,) or None, default=None
        Classes, to colour the bars by class.
    weight_name : str, default="attention weight"
        Name of the lengths of the bars.
    parts : list of str of length n_rows or None, default=None
        Kind of each bar: "row", "intercept" or "feature"; the value of a feature is to its right.
        None means "row" for all.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        A bar for each row, from top to bottom.
    target_axis_ : matplotlib Axes
        The axis to the right, whose tick labels are the targets.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    nwkr.NadarayaWatsonRegressor.explain : The table of a regressor.
    nwkr.NadarayaWatsonClassifier.explain : The table of a classifier.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nwkr import NadarayaWatsonRegressor
    >>> from nwkr.displays import ExplanationDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = NadarayaWatsonRegressor(bandwidth=0.04).fit(X[1:], y[1:])
    >>> display = ExplanationDisplay.from_estimator(model, X[:1], top_k=3)
    >>> display.rows
    [51, 2, 341]
    """

    def __init__(
        self,
        *,
        rows,
        weights,
        values,
        prediction,
        classes=None,
        weight_name="attention weight",
        parts=None,
    ):
        self.rows = rows
        self.weights = weights
        self.values = values
        self.prediction = prediction
        self.classes = classes
        self.weight_name = weight_name
        self.parts = parts

    @classmethod
    def from_estimator(cls, estimator, X, *, top_k=10, ax=None, **kwargs):
        """Compute and draw the rows behind one prediction.

        Parameters
        ----------
        estimator : fitted estimator of nwkr, or pipeline or search that ends in one
            The estimator.
        X : array-like of shape (1, n_features)
            The row to predict.
        top_k : int, default=10
            Number of training rows to show.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        **kwargs : dict
            Keyword arguments of :meth:`plot`.

        Returns
        -------
        display : ExplanationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `X` is not one row, if there are several outputs, or if `explain` raises one.
        TypeError
            If the estimator has no `explain`.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("ExplanationDisplay.from_estimator")
        shape = np.shape(X)
        if len(shape) != 2 or shape[0] != 1:
            raise ValueError(
                f"X must be one row, of shape (1, n_features), such as X[:1]; got "
                f"{'None' if X is None else f'shape {shape}'}."
            )
        model, query = last_step(estimator, X)
        require_method(model, "explain")
        prediction = np.asarray(estimator.predict(X))
        if prediction.size > 1:
            raise ValueError(
                f"estimator must have one output for this display; got {prediction.size}."
            )
        table = model.explain(query, top_k=top_k)
        data = {"prediction": prediction.item()}
        if is_classifier(model):
            data["classes"] = model.classes_
        if "part" in table:  # classes with a trend
            names = set(table["class"])
            label = data["prediction"] if data["prediction"] in names else table["class"].iloc[0]
            table = table[table["class"] == label]
            data["parts"] = table["part"].tolist()
            data["rows"] = table["name"].where(table["part"] != "intercept", "intercept").tolist()
            data["weight_name"] = f"contribution to the logit of {label}"
        else:
            data["rows"] = table["row"].tolist()
            if getattr(model, "degree_", getattr(model, "degree", 0)):
                data["weight_name"] = "effective weight"
        column = "contribution" if "part" in table else "weight"
        values = given_targets(estimator, table["value"]).tolist()
        display = cls(weights=table[column].to_numpy(), values=values, **data)
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, bar_kwargs=None, text_kwargs=None):
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        bar_kwargs : dict or None, default=None
            Keyword arguments for the bars, passed to `Axes.barh`.
        text_kwargs : dict or None, default=None
            Keyword arguments for the targets, and for the numbers at the bars, passed to `Text`.

        Returns
        -------
        display : ExplanationDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_rows = len(self.rows)
        # Room for a line of text at each bar; a few bars need no more.
        height = min(max(4.8, 1.5 + 0.22 * n_rows), 1.5 + 0.5 * n_rows)
        self.ax_ = ax = axes_of(self, ax, height=height)
        self.figure_ = ax.figure
        from matplotlib.patches import Rectangle
        from matplotlib.text import Text
        from matplotlib.ticker import MaxNLocator

        of_row = np.array([part == "row" for part in self.parts or ["row"] * n_rows], dtype=bool)
        color = np.full(n_rows, COLORS[0] if self.classes is None else "0.5", dtype=object)
        values = np.array(self.values, dtype=object)
        if self.classes is not None:
            numbers = np.searchsorted(self.classes, values[of_row].tolist())
            color[of_row] = [COLORS[number % len(COLORS)] for number in numbers]
            values[of_row] = self.classes[numbers]  # labels, not numbers such as 1.0
        places, (across, up) = range(n_rows), letters(ax)
        most = _most_letters(across, self.rows, map(_in_words, values))
        style = {"color": list(color), "height": min(0.7, _THICKEST * n_rows / (5.5 * up))}
        self.bars_ = ax.barh(places, self.weights, **merged(Rectangle, style, bar_kwargs))
        ax.set_ylim(n_rows - 0.5, -0.5)
        ax.axvline(0, color=ink(ax), linewidth=0.8)
        self.target_axis_ = right = ax.secondary_yaxis("right")
        right.tick_params(right=False)
        value, bar = "target", "training row"
        title = f"prediction: {_in_words(self.prediction)}"
        if self.classes is not None:
            value = "class"
        numbers = []
        if self.parts is None:
            title += f" ({np.sum(self.weights):.0%} of the weight shown)"
        else:
            value = "value, or class of a training row" if of_row.any() else "value"
            bar = "part of the logit"
            # The bar of a small part may be invisible.
            numbers = ax.bar_label(self.bars_, fmt="{:+.2f}", padding=3)
        names = [shortened(row, most) for row in self.rows]
        words = [shortened(_in_words(value), most) for value in values]
        for _ in range(2):  # the second time in the room that text has left
            across, up = letters(ax)
            size = {"fontsize": min(10.0, max(4.0, 0.75 * 5.5 * up / n_rows))}
            style = merged(Text, size, text_kwargs)
            ax.set_yticks(places, names, **size)
            right.set_yticks(places, words, **style)
            for number in numbers:
                number.set(**style)
            if numbers:
                ax.margins(x=min(max(0.2, 11 / across), 0.6))
            ax.xaxis.set_major_locator(MaxNLocator(min(max(across // 8, 2), 5)))
            right.set_ylabel(wrapped(value, up), labelpad=8)
            beside = across + max(map(len, words), default=0)
            ax.set(xlabel=wrapped(shortened(self.weight_name, 60), beside), ylabel=bar)
            ax.set_title(wrapped(title, beside), loc="left", fontsize="medium")
        return self


def _most_letters(across, rows, values):
    """The letters of a name beside the bars, so that names take two thirds of the width."""
    shorter, longer = sorted(max(map(len, map(str, side)), default=0) for side in (rows, values))
    room = 2 * across // 3
    return min(max(room - min(shorter, room // 2), 12), longer, 40)


def _in_words(value):
    if value is None or value != value:  # an intercept has none
        return ""
    return f"{value:.4g}" if isinstance(value, float) else shortened(value)
