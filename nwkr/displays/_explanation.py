"""A picture of the training rows behind one prediction."""

from __future__ import annotations

import numpy as np
from sklearn.base import is_classifier

from nwkr._pipeline import last_step
from nwkr.displays._drawing import COLORS, axes_of, merged, need_matplotlib

__all__ = ["ExplanationDisplay"]


class ExplanationDisplay:
    """The training rows that one prediction attends to most: a bar for the weight of each.

    The target of each row stands beside its bar. :meth:`from_estimator` makes and draws one.

    Parameters
    ----------
    rows : list of length n_rows
        Names or numbers of the training rows, from the largest weight on.
    weights : ndarray of shape (n_rows,)
        Attention weights; effective weights of a fit of lines.
    values : ndarray of shape (n_rows,)
        Targets of the rows.
    prediction : float or label
        What is predicted.
    classes : ndarray of shape (n_classes,) or None, default=None
        Classes, for bars in their colours.
    degree : {0, 1}, default=0
        Whether the weights are of means, or the effective ones of lines.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        A bar for each row, from top to bottom.
    texts_ : list of matplotlib Text
        Targets beside the bars.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    nwkr.NadarayaWatsonRegressor.explain : The table that is drawn.

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

    def __init__(self, *, rows, weights, values, prediction, classes=None, degree=0):
        self.rows = rows
        self.weights = weights
        self.degree = degree
        self.values = values
        self.prediction = prediction
        self.classes = classes

    @classmethod
    def from_estimator(cls, estimator, X, *, top_k=10, ax=None, **kwargs):
        """Draw what one prediction rests on.

        Parameters
        ----------
        estimator : fitted estimator of nwkr, pipeline that ends in one, or search for these
            What predicts.
        X : array-like of shape (1, n_features)
            The row to predict.
        top_k : int, default=10
            How many training rows to show.
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
            If `X` is not one row, there are several outputs, or as `explain`.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("ExplanationDisplay.from_estimator")
        if X is None or len(X) != 1:
            raise ValueError(
                f"X must be one row, (1, n_features); got {'None' if X is None else len(X)}."
            )
        model, query = last_step(estimator, X)
        prediction = np.asarray(estimator.predict(X))
        if prediction.size > 1:
            raise ValueError(
                f"estimator must have one output to be explained in a picture; got "
                f"{prediction.size}."
            )
        table = model.explain(query, top_k=top_k)
        if "row" not in table:  # classes with a trend
            label = prediction.item() if prediction.item() in set(table["class"]) else None
            of_class = table["class"] == (table["class"].iloc[0] if label is None else label)
            table = table[of_class & (table["part"] == "row")].rename(columns={"name": "row"})
        display = cls(
            rows=table["row"].tolist(),
            weights=table["weight"].to_numpy(),
            values=table["value"].to_numpy(),
            prediction=prediction.item(),
            classes=model.classes_ if is_classifier(model) else None,
            degree=getattr(model, "degree_", getattr(model, "degree", 0)),
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, bar_kwargs=None, text_kwargs=None):
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        bar_kwargs : dict or None, default=None
            Keyword arguments for the bars, as of `Axes.barh`.
        text_kwargs : dict or None, default=None
            Keyword arguments for the targets beside them, as of `Axes.bar_label`.

        Returns
        -------
        display : ExplanationDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = axes_of(self, ax)
        self.figure_ = ax.figure
        from matplotlib.patches import Rectangle
        from matplotlib.ticker import MaxNLocator

        color = [COLORS[0]] * len(self.rows)
        if self.classes is not None:
            numbers = np.searchsorted(self.classes, self.values)
            color = [COLORS[number % len(COLORS)] for number in numbers]
        places = range(len(self.rows))
        style = merged(Rectangle, {"color": color, "height": 0.7}, bar_kwargs)
        self.bars_ = ax.barh(places, self.weights, **style)
        words = [_in_words(value) for value in self.values]
        self.texts_ = ax.bar_label(self.bars_, words, **{"padding": 4, **(text_kwargs or {})})
        ax.set_yticks(places, [str(row) for row in self.rows])
        ax.invert_yaxis()
        ax.margins(x=0.15)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        name = "effective weight" if self.degree else "attention weight"
        value = "target" if self.classes is None else "class"
        ax.set(xlabel=f"{name} (beside the bars: {value})", ylabel="training row")
        share = f"{np.sum(self.weights):.0%} of the weight shown"
        ax.set_title(
            f"prediction: {_in_words(self.prediction)} ({share})", loc="left", fontsize="medium"
        )
        return self


def _in_words(value):
    return str(value) if isinstance(value, str | bool) else f"{value:.4g}"
