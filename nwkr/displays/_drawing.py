"""What displays share in drawing: axes, and lines that are told apart in print too."""

from __future__ import annotations

__all__ = ["COLORS", "LINES", "axes_of", "merged", "need_matplotlib", "shortened"]

# Of Okabe and Ito, for colour-blind readers too; their yellow and pink are too pale on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#AA3377", "#E69F00", "#56B4E9", "#000000")
# The last is dotted, in dots that are wide enough to be seen.
LINES = ("-", "--", "-.", (0, (1.5, 1)))


def need_matplotlib(caller):
    """Return pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f'{caller} needs matplotlib: pip install "nwkr[plot]".') from error
    return plt


def axes_of(display, ax, height=4.8):
    """The axes to draw a display on: new ones, in a figure of a height, if `ax` is None."""
    plt = need_matplotlib(f"{type(display).__name__}.plot")
    if ax is None:
        _, ax = plt.subplots(layout="constrained", figsize=(6.4, height))
    return ax


def merged(artist, defaults, given):
    """Keyword arguments for a class of artists, where `given` ones replace defaults."""
    from matplotlib.cbook import normalize_kwargs  # so that "lw" replaces "linewidth"

    given = normalize_kwargs(given, artist)
    if {"c", "color"} & set(given):  # two names for one thing in a scatter plot
        defaults = {name: value for name, value in defaults.items() if name not in ("c", "color")}
    return {**defaults, **given}


def shortened(name, most=40):
    """A name as it fits beside an axis, without its middle if it is long."""
    name = str(name)
    return name if len(name) <= most else f"{name[: most - 16]}…{name[-15:]}"
