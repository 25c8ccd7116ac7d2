"""Shared drawing code of the displays: axes, and lines that differ in print too."""

from __future__ import annotations

__all__ = ["COLORS", "LINES", "axes_of", "merged", "need_matplotlib", "shortened"]

# The palette of Okabe and Ito, for colour-blind readers; its yellow and pink are too pale on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#AA3377", "#E69F00", "#56B4E9", "#000000")
# The last is dotted, with dots wide enough to be visible.
LINES = ("-", "--", "-.", (0, (1.5, 1)))


def need_matplotlib(caller):
    """Return pyplot, or raise an error that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{caller} needs matplotlib: pip install "nwkr[plot]".') from error
    return plt


def axes_of(display, ax, height=4.8):
    """The axes to draw on: new ones, in a figure of the given height, if `ax` is None."""
    plt = need_matplotlib(f"{type(display).__name__}.plot")
    if ax is None:
        _, ax = plt.subplots(layout="constrained", figsize=(6.4, height))
    return ax


def merged(artist, defaults, given):
    """Keyword arguments for a class of artists; `given` ones replace defaults."""
    from matplotlib.cbook import normalize_kwargs  # so that "lw" replaces "linewidth"

    given = normalize_kwargs(given, artist)
    if {"c", "color"} & set(given):  # two names for one thing in a scatter plot
        defaults = {name: value for name, value in defaults.items() if name not in ("c", "color")}
    return {**defaults, **given}


def shortened(name, most=40):
    """A name that fits beside an axis: a long one without its middle."""
    name = str(name)
    return name if len(name) <= most else f"{name[: most - 16]}…{name[-15:]}"
