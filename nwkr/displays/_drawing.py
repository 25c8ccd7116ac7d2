"""Shared drawing code of the displays: axes, legends, and lines that differ in print too."""

from __future__ import annotations

from textwrap import fill

import numpy as np

__all__ = [
    "COLORS",
    "LINES",
    "add_legend",
    "axes_of",
    "ink",
    "label_axes",
    "legend_beside",
    "letters",
    "merged",
    "need_matplotlib",
    "shortened",
    "wrapped",
]

# The palette of Okabe and Ito, for colour-blind readers. Its yellow and pink are too pale on white,
# and its black is invisible in dark styles.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#AA3377", "#E69F00", "#56B4E9", "#8C6239")
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


def ink(ax):
    """The colour of text on some axes: black, or white in a dark style."""
    return ax.title.get_color()


def letters(ax):
    """About how many letters fit along the width and the height of some axes, laid out."""
    _lay_out(ax.figure.figure)
    width, height = ax.bbox.size * 72 / ax.figure.dpi  # in points
    return max(int(width / 5.5), 1), max(int(height / 5.5), 1)


def label_axes(ax, across, up):
    """Label the axes, in as many lines as the labels need."""
    for _ in range(2):  # the second time in the room that the labels have left
        room, room_above = letters(ax)
        ax.set(xlabel=wrapped(across, room + 4), ylabel=wrapped(up, room_above))
        if len(across) < 0.8 * room and len(up) < 0.8 * room_above:
            break


def legend_beside(ax, n_entries):
    """Add a legend to the right of the axes, small and in columns if it is long."""
    of_entry = {None: 2.8, "small": 2.3, "x-small": 1.9}  # its height, in letters
    height = letters(ax)[1]
    n_columns = {size: int(np.ceil(n_entries * each / height)) for size, each in of_entry.items()}
    size = next((size for size, columns in n_columns.items() if columns == 1), "x-small")
    anchor = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    ax.legend(ncols=n_columns[size], fontsize=size, frameon=False, **anchor)


def add_legend(ax, **kwargs):
    """Add a legend; if it would cover lines or points in every place, make room at the top."""
    for size in (None, "small", "x-small"):
        legend = ax.legend(fontsize=size, **kwargs)  # at the best of nine places
        _lay_out(ax.figure.figure)
        width, height = 1.2 * np.array(legend.get_window_extent().size) / ax.bbox.size
        if max(width, height) < 1:
            break
    low, high = ax.get_ylim()
    x, y = _drawn(ax).T

    def beside(left):
        return (left <= x) & (x <= left + width)

    lefts, bottoms = ([0, (1 - size) / 2, 1 - size] for size in (width, height))
    in_a_row = [(bottom <= y) & (y <= bottom + height) for bottom in bottoms]
    if height < 1 and all((beside(left) & row).any() for left in lefts for row in in_a_row):
        lowest = min(y[beside(left) & (y <= 1)].max(initial=0) for left in lefts)
        ax.set_ylim(low, low + (high - low) * lowest / (1 - height))


def _lay_out(figure):
    """Give the axes of a figure the size that they will have when it is drawn."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


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
    name, ending = str(name), min(15, most // 3)
    return name if len(name) <= most else f"{name[: most - ending - 1]}…{name[-ending:]}"


def wrapped(text, room):
    """A text in as many lines as it needs, of about `room` letters."""
    return fill(text, max(room, 12), break_long_words=False, break_on_hyphens=False)
