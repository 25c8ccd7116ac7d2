"""Draws the figure of the kernels page: every registered kernel."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from nwkr.kernels import KERNELS


def draw_kernels(path: Path, n_columns: int = 5) -> None:
    """Draw the weight against the scaled distance, with one panel per kernel."""
    n_rows = -(-len(KERNELS) // n_columns)
    figure = Figure(figsize=(1.6 * n_columns, 1.5 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    u = np.linspace(-2.5, 2.5, 1001)
    for panel in panels.flat[len(KERNELS) :]:
        panel.set_axis_off()
    for panel, (name, kernel) in zip(panels.flat, KERNELS.items()):
        weights = kernel(u)
        panel.fill_between(u, weights, alpha=0.15)
        panel.plot(u, weights)
        panel.set_title(name)
        panel.spines[["top", "right"]].set_visible(False)
        panel.set(xticks=[-2, -1, 0, 1, 2], yticks=[0, 1], ylim=(0, 1.08))
    figure.supxlabel("distance / bandwidth", fontsize="medium")
    figure.supylabel("weight", fontsize="medium")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path)
