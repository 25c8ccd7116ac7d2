"""The display of kernels."""

from __future__ import annotations

import numpy as np

from nwkr.displays._drawing import COLORS, LINES, axes_of, legend_beside, merged, need_matplotlib
from nwkr.kernels import KERNELS, Kernel, get_kernel

__all__ = ["KernelDisplay"]


class KernelDisplay:
    """Profiles of kernels: the weight of a training row by its distance from the query.

    :meth:`from_kernels` computes and draws a display.

    Parameters
    ----------
    distance : ndarray of shape (n_distances,)
        Scaled distances, on both sides of the query.
    weights : ndarray of shape (n_kernels, n_distances)
        Weight of a row at each distance, 1 at distance 0.
    names : list of str
        Names of the kernels.
    equal_std : bool, default=False
        Whether distances are in standard deviations of each kernel, rather than in bandwidths.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        A line for each kernel.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    nwkr.kernels.KERNELS : The named kernels.

    Examples
    --------
    >>> from nwkr.displays import KernelDisplay
    >>> display = KernelDisplay.from_kernels(["gaussian", "triangular"])
    >>> [line.get_label() for line in display.lines_]
    ['gaussian', 'triangular']
    """

    def __init__(self, *, distance, weights, names, equal_std=False):
        self.distance = distance
        self.weights = weights
        self.names = names
        self.equal_std = equal_std

    @classmethod
    def from_kernels(cls, kernels=None, *, equal_std=False, max_distance=None, ax=None, **kwargs):
        """Draw any selection of kernels.

        Parameters
        ----------
        kernels : str, Kernel, callable, list of these, or None, default=None
            Names in :data:`nwkr.kernels.KERNELS`, kernels, or functions of the scaled distance;
            None for all named kernels (with `equal_std`, those with a finite standard deviation).
        equal_std : bool, default=False
            Whether to measure distance in standard deviations of each kernel in one dimension, in
            which kernels of different shape smooth about equally. Otherwise distance is in units
            of the bandwidth.
        max_distance : float or None, default=None
            Distance up to which profiles are drawn, 2.5, or 3.5 with `equal_std`, if None.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        **kwargs : dict
            Keyword arguments of :meth:`plot`.

        Returns
        -------
        display : KernelDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `equal_std` and a kernel has no finite standard deviation, such as "constant"; if
            `max_distance` is not a positive number; or if :func:`nwkr.kernels.get_kernel` raises
            one.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("KernelDisplay.from_kernels")
        if max_distance is None:
            max_distance = 3.5 if equal_std else 2.5
        if not 0 < max_distance < np.inf:
            raise ValueError(f"max_distance must be a positive number; got {max_distance!r}.")
        if kernels is None:
            kernels = [k for k in KERNELS.values() if not equal_std or np.isfinite(k.std(1))]
        elif isinstance(kernels, (str, Kernel)) or callable(kernels):
            kernels = [kernels]
        kernels = [get_kernel(kernel) for kernel in kernels]
        distance = np.linspace(-max_distance, max_distance, 1001)
        units = [_std(kernel) if equal_std else 1.0 for kernel in kernels]
        display = cls(
            distance=distance,
            weights=np.array([kernel(unit * distance) for kernel, unit in zip(kernels, units)]),
            names=[kernel.name for kernel in kernels],
            equal_std=equal_std,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, line_kwargs=None):
        """Draw the profiles.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        line_kwargs : dict or None, default=None
            Keyword arguments for all lines, passed to `Axes.plot`.

        Returns
        -------
        display : KernelDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = axes_of(self, ax)
        self.figure_ = ax.figure
        from matplotlib.lines import Line2D

        self.lines_ = []
        for number, (name, weights) in enumerate(zip(self.names, self.weights)):
            style = {
                "label": name,
                "color": COLORS[number % len(COLORS)],
                "linestyle": LINES[number % len(LINES)],
            }
            self.lines_ += ax.plot(self.distance, weights, **merged(Line2D, style, line_kwargs))
        of = "standard deviation" if self.equal_std else "bandwidth"
        ax.set(xlabel=f"distance / {of}", ylabel="weight")
        if len(self.names) > 1:  # beside the curves, which fill the axes
            legend_beside(ax, len(self.names))
        return self


def _std(kernel):
    std = kernel.std(n_features=1)
    if not np.isfinite(std):
        raise ValueError(
            f"kernels must have a finite standard deviation with equal_std=True; that of "
            f"{kernel.name!r} is infinite."
        )
    return std
