"""Predictions over two features: filled contours, or blended colours of classes."""

from __future__ import annotations

import numpy as np

from nwkr.displays._drawing import (
    COLORS,
    label_axes,
    legend_beside,
    letters,
    merged,
    shortened,
)

__all__ = ["draw_two_features"]

MARKERS = ("o", "^", "s", "D", "v", "P", "X")


def draw_two_features(display, contour_kwargs, points_kwargs, colorbar):
    """Draw the surface of a regressor, the probability of a class, or the classes."""
    ax = display.ax_
    if display.prediction.ndim == 3:
        _blend(display)
    else:
        _fill(display, contour_kwargs)
        if colorbar:
            display.colorbar_ = display.figure_.colorbar(
                display.surface_, ax=ax, label=shortened(display.target_name)
            )
    if display.y is not None:
        _draw_points(display, points_kwargs)
    label_axes(ax, *map(shortened, display.feature_names))


def _fill(display, contour_kwargs):
    from matplotlib.contour import QuadContourSet
    from matplotlib.ticker import MaxNLocator

    heights = display.prediction
    if display.classes is None:
        low, high = np.nanmin(heights), np.nanmax(heights)
        margin = 0 if low < high else 1
        levels = MaxNLocator(12).tick_values(low - margin, high + margin)
    else:
        levels = [n / 10 for n in range(11)]
    style = merged(QuadContourSet, {"levels": levels, "cmap": "cividis"}, contour_kwargs)
    display.surface_ = display.ax_.contourf(*display.grid, heights.T, **style)
    if display.classes is not None:
        _draw_boundary(display, heights - 0.5)


def _blend(display):
    """Blend the colours of the classes by their shares, and draw the borders between classes."""
    from matplotlib.colors import to_rgb

    shares = display.prediction
    colors = np.array([to_rgb(COLORS[n % len(COLORS)]) for n in range(shares.shape[2])])
    blend = 1 - np.dot(shares, 1 - colors) * 0.6  # paler than the points
    (left, *_, right), (low, *_, high) = display.grid
    display.surface_ = display.ax_.imshow(
        np.swapaxes(blend, 0, 1).clip(0, 1),
        extent=(left, right, low, high),
        origin="lower",
        aspect="auto",
    )
    for number in range(len(colors)):
        others = np.delete(shares, number, axis=2).max(axis=2, initial=0)
        _draw_boundary(display, shares[:, :, number] - others)


def _draw_boundary(display, ahead):
    if np.nanmin(ahead) < 0 < np.nanmax(ahead):
        style = {"levels": [0], "colors": "black", "linewidths": 1.2}
        display.boundaries_.append(display.ax_.contour(*display.grid, ahead.T, **style))


def _draw_points(display, points_kwargs):
    from matplotlib.collections import PathCollection

    def draw(rows, **style):
        style = merged(PathCollection, {"s": 20, "edgecolor": "black", **style}, points_kwargs)
        display.points_.append(display.ax_.scatter(*display.X[rows].T, **style))

    if display.classes is None:
        surface = display.surface_
        draw(slice(None), c=display.y, norm=surface.norm, cmap=surface.cmap, linewidth=0.5)
        return
    several = display.prediction.ndim == 3
    labels = display.classes if several else np.unique(display.y)
    greys = np.linspace(1, 0, len(labels))
    most = min(max(letters(display.ax_)[0] // 3, 8), 20)  # letters of a name beside the axes
    for number, (label, grey) in enumerate(zip(labels, greys)):
        style = {
            "marker": MARKERS[number % len(MARKERS)],
            "label": shortened(label, most),
            "linewidth": 0.6,
        }
        if several:
            style["color"] = COLORS[number % len(COLORS)]
        else:
            style |= {"color": str(grey), "edgecolor": "black" if grey > 0.4 else "white"}
        draw(display.y == label, **style)
    if several:
        legend_beside(display.ax_, len(labels))
    else:  # the colour bar is beside the axes
        display.ax_.legend()
