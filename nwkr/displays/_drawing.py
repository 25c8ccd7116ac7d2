"""Shared drawing code of the displays: axes, legends, and lines that differ in print too."""

from __future__ import annotations

import numpy as np

__all__ = ["COLORS", "LINES", "add_legend", "axes_of", "merged", "need_matplotlib", "shortened"]

# The palette of Okabe and Ito, for colour-blind readers; its yellow and pink are too pale on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#AA3377", "#E69F00", "#56B4E9", "#000000")
# The last is dotted, with dots wide enough to be visible.
LINES = ("-", "--", "-.", (0, (1.5, 1)))


def need_matplotlib(caller):
    """Return pyplot, or raise an error that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{caller} needs matplotlib: pip install matplotlib.") from error
    return plt


def axes_of(display, ax, height=4.8):
    """The axes to draw on: new ones, in a figure of the given height, if `ax` is None."""
    plt = need_matplotlib(f"{type(display).__name__}.plot")
    if ax is None:
        _, ax = plt.subplots(layout="constrained", figsize=(6.4, height))
    return ax


def add_legend(ax, **kwargs):
    """Add a legend; if it would cover lines or points in every place, make room at the top."""
    legend = ax.legend(**kwargs)  # at the best of nine places
    low, high = ax.get_ylim()
    width, height = 1.2 * np.array(legend.get_window_extent().size) / ax.bbox.size
    x, y = _drawn(ax).T

    def beside(left):
        return (left <= x) & (x <= left + width)

    lefts, bottoms = ([0, (1 - size) / 2, 1 - size] for size in (width, height))
    in_a_row = [(bottom <= y) & (y <= bottom + height) for bottom in bottoms]
    if height < 1 and all((beside(left) & row).any() for left in lefts for row in in_a_row):
        lowest = min(y[beside(left) & (y <= 1)].max(initial=0) for left in lefts)
        ax.set_ylim(low, low + (high - low) * lowest / (1 - height))


def _drawn(ax):
    """Points on the lines and in the scatters of some axes, of shape (n, 2), from 0 to 1."""
    lines = [line.get_transform().transform_path(line.get_path()) for line in ax.lines]
    scatters = [
        dots.get_offset_transform().transform(np.ma.filled(dots.get_offsets(), np.nan))
        for dots in ax.collections
    ]
    points = scatters + [line.interpolated(30).vertices for line in lines]
    return ax.transAxes.inverted().transform(np.concatenate(points))


def merged(artist, defaults, given):
    """Keyword arguments for a class of artists; `given` ones replace defaults."""
    from matplotlib.cbook import normalize_kwargs  # "lw" replaces "linewidth"

    given = normalize_kwargs(given, artist)
    if {"c", "color"} & set(given):  # two names for one thing in a scatter plot
        defaults = {name: value for name, value in defaults.items() if name not in ("c", "color")}
    return {**defaults, **given}


def shortened(name, most=40):
    """A name that fits beside an axis: a long one without its middle."""
    name = str(name)
    return name if len(name) <= most else f"{name[: most - 16]}…{name[-15:]}"
