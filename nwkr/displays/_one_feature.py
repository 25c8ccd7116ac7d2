"""Predictions over one feature: curves, with the data, a band and the truth."""

from __future__ import annotations

import numpy as np

from nwkr.displays._drawing import (
    COLORS,
    LINES,
    add_legend,
    ink,
    label_axes,
    legend_beside,
    merged,
    shortened,
)

__all__ = ["draw_one_feature"]


def draw_one_feature(display, line_kwargs, band_kwargs, truth_kwargs, points_kwargs):
    """Draw the curve of a regressor, or the probability of one class or of each."""
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.lines import Line2D

    ax, (x,) = display.ax_, display.grid
    if display.y is not None:
        for label, rows, height, style in _points(display):
            style = merged(PathCollection, {"label": label, **style}, points_kwargs)
            display.points_.append(ax.scatter(display.X[rows, 0], height, **style))
    if display.band is not None:
        style = {"label": display.band_name, "color": COLORS[0], "alpha": 0.3, "linewidth": 0}
        style = merged(PolyCollection, style, band_kwargs)
        display.band_ = ax.fill_between(x, *display.band.T, **style)
    if display.truth is not None:
        style = {"label": "truth", "color": ink(ax), "linestyle": "--", "linewidth": 1.2}
        (display.truth_,) = ax.plot(x, display.truth, **merged(Line2D, style, truth_kwargs))
    several = display.prediction.ndim == 2
    labels = [shortened(label) for label in display.classes] if several else ["fit"]
    for number, (label, curve) in enumerate(zip(labels, display.prediction.reshape(len(x), -1).T)):
        style = {"label": label, "linewidth": 2, **_style(number)}
        display.lines_ += ax.plot(x, curve, **merged(Line2D, style, line_kwargs))
    if display.classes is not None:
        ax.set_yticks(np.linspace(0, 1, 6))  # the tracks of the classes are below
    n_entries = len(ax.get_legend_handles_labels()[0])
    if n_entries > len(COLORS):
        legend_beside(ax, n_entries)
    label_axes(ax, shortened(display.feature_names[0]), shortened(display.target_name))
    if 1 < n_entries <= len(COLORS):
        add_legend(ax)


def _points(display):
    """Groups of rows to draw: label, rows, heights and style."""
    y = display.y
    if display.classes is None:
        size = np.clip(14_000 / len(y), 4, 14)  # smaller where there are many
        yield "data", slice(None), y, {"color": "0.6", "s": size}
    elif display.prediction.ndim == 1:  # of one class, drawn at probability 1 for its rows
        of_class = (y == display.classes).astype(float)
        yield "data", slice(None), of_class, {"color": "0.4", "marker": "|"}
    else:  # one track for each class, below
        high = min(0.05, 0.5 / len(display.classes))
        for number, label in enumerate(display.classes):
            rows = np.flatnonzero(y == label)
            color = _style(number)["color"]
            height = np.full(len(rows), -high * (number + 1))
            yield None, rows, height, {"color": color, "marker": "|", "s": 36 * (high / 0.05) ** 2}


def _style(number):
    return {"color": COLORS[number % len(COLORS)], "linestyle": LINES[number % len(LINES)]}
