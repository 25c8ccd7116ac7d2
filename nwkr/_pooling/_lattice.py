r"""The lattice algorithm: a Gaussian in two steps, from keys to lattice points and to queries.

A Gaussian is the convolution of two of half its variance. In units of the bandwidth, with
lattice points g and the midpoint m of a key k and a query q, for each column

.. math:: \sum_g e^{-(k-g)^2}\, e^{-(q-g)^2} = e^{-(k-q)^2/2} \sum_g e^{-2(g-m)^2},

and the last sum hardly depends on m: by Poisson's summation formula it is constant up to a
relative error of :math:`2 e^{-\pi^2 / (2 s^2)}` for spacing s. All terms are positive, so the
relative error of every pair is small, also in the tails.

Each step is cut off at a distance c. The loss of a pair is less than :math:`2 e^{-c^2}` for each
column, and less than :math:`e^{-2 c^2}` if the two have no point in common. So a total is exact
enough if it is large compared with the loss of the keys around. Another algorithm computes the few
other queries, and queries near outlying keys that are not on the lattice, because it would be too
large.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, e, exp, log, log2, pi, prod, sqrt

import numpy as np
from sklearn import get_config

from nwkr._pooling._costs import costs_of
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._prepared import corners_of, light_weight
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each, slices
from nwkr.kernels import Kernel

__all__ = ["MOST_COLUMNS", "Lattice", "Points"]

MOST_COLUMNS = 4
_LEAST_TOL = 1e-12  # the limit of rounding
_ROUNDING = 2.0**-45
_SECONDS_PER_COLUMN, _SECONDS_PER_ROW = 1.3e-3, 2.5e-7  # at least
_PART_OF_MEMORY = 4  # the points may take 1 / 4 of scikit-learn's working memory
_POINTS_AT_ONCE = 2**19


@dataclass(frozen=True)
class Points:
    """The weights of keys on the points of a lattice. Those of several parts can be added.

    Attributes
    ----------
    sums : ndarray
        Weights, and values times weights, at each point.
    losses : ndarray
        Lost weight for the queries of each cell.
    """

    sums: np.ndarray
    losses: np.ndarray

    def __add__(self, other: Points) -> Points:
        return Points(self.sums + other.sums, self.losses + other.losses)


class Lattice:
    """A lattice that covers most keys.

    Parameters
    ----------
    pairs : EuclideanPairs
        Queries and keys, without factors of the bandwidth.
    kernel : Kernel
        A Gaussian.
    values : ndarray of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    multiple : float, default=1.0
        Factor of the bandwidth.
    tol : float, default=0.0
        Allowed relative error of a total; 0 means rounding only.
    box : tuple of two, each ndarray of shape (n_columns,), or None, default=None
        The corners of the covered box, around all keys by default.
    light : float or None, default=None
        A small weight of a key: the cut-off is for a query near one such key.
    mass : float or None, default=None
        Sum of the weights of all keys, those of the pairs by default.
    width : int or None, default=None
        Width of a cell, in points; the fastest by default.

    Attributes
    ----------
    seconds : float
        Estimated time of pooling.
    fits_in_memory : bool
        Whether it fits in memory.
    width : int
        Width of a cell, in points.
    """

    def __init__(
        self,
        pairs: EuclideanPairs,
        kernel: Kernel,
        values: np.ndarray,
        multiple: float = 1.0,
        tol: float = 0.0,
        box: tuple[np.ndarray, np.ndarray] | None = None,
        light: float | None = None,
        mass: float | None = None,
        width: int | None = None,
    ):
        assert kernel.log_slope is not None
        self._pairs, self._values = pairs, values
        self._bandwidth = pairs.bandwidth * (multiple / sqrt(-2 * kernel.log_slope))
        if box is None:
            lowest, *_, highest = corners_of(pairs.keys)
            box = lowest, highest
        self._lowest, highest = box
        n_columns = len(self._bandwidth)
        mass = float(values[0].sum()) if mass is None else mass
        # A quarter of it each for spacing and cut-off, as a prediction has the errors of two sums.
        self._tol = max(tol, _LEAST_TOL)
        self._spacing = pi / sqrt(2 * log(8 * n_columns / self._tol))
        light = light_weight(values[0]) if light is None else light
        cut_off = sqrt(log(8 * n_columns * max(mass, light) / (self._tol * light)))
        self._lost = 2 * n_columns * exp(-(cut_off**2))
        # The last term is for what rounding may hide in differences of masses.
        self._lost_afar = (exp(-2 * cut_off**2) + 1e-15 * self._lost) * mass
        self._margin = ceil(cut_off / self._spacing)
        with np.errstate(over="ignore"):  # such lattices are too large in any case
            widths = pairs.sizes.cell_widths if width is None else (width,)
            extents = (highest - self._lowest) / self._bandwidth / self._spacing
            costs = {cell: self._seconds(cell, extents) for cell in widths}
        self.seconds = min(costs.values())
        self.width = min(costs, key=costs.__getitem__)
        # The points of a cell, and the points around it within the cut-off.
        self._reached = self.width + 2 * self._margin + 1
        self._n_cells = np.minimum(extents // self.width + 1, 2**31)
        *outer, last = (int(n) * self.width + 2 * self._margin + 1 for n in self._n_cells)
        memory = get_config()["working_memory"] * 2**20 / _PART_OF_MEMORY
        self.fits_in_memory = prod(outer) * last * len(values) * 8 <= memory
        self._shape = (*outer, len(values), last)

    @property
    def _reach_in_cells(self):
        """Number of cells over which keys and queries share points."""
        return 1 + ceil(2 * self._margin / self.width)

    @property
    def reach(self) -> np.ndarray:
        """Distance within which a key off the lattice affects sums, of shape (n_columns,)."""
        return self._reach_in_cells * self.width * self._spacing * self._bandwidth

    @staticmethod
    def least_seconds(pairs: EuclideanPairs) -> float:
        """A lower bound of the seconds of any lattice."""
        return _SECONDS_PER_COLUMN + sum(pairs.shape) * _SECONDS_PER_ROW

    def _seconds(self, width, extents):
        """Estimated seconds, with one thread of the machine of the constants."""
        n_values, n_columns = len(self._values), len(extents)
        reached = width + 2 * self._margin + 1
        n_points = float(reached) ** n_columns * n_values
        n_rows = sum(self._pairs.shape)
        n_cells = min(n_rows, prod(extents // width + 1))
        for_weights = costs_of(self._pairs).number * n_columns * reached
        for_row = _SECONDS_PER_ROW + for_weights + 0.07e-9 * n_points
        for_cell = 1e-4 + 2e-9 * n_points
        return n_columns * _SECONDS_PER_COLUMN + n_rows * for_row + n_cells * for_cell

    def pool(self, n_jobs: int | None = None) -> tuple[PooledSums, np.ndarray]:
        """Pool over the lattice.

        Parameters
        ----------
        n_jobs : int or None, default=None
            Number of threads.

        Returns
        -------
        sums : PooledSums
            Total and weighted sums of each query.
        certified : ndarray of shape (n_queries,)
            Which of them are exact enough.
        """
        return self.gather(self.spread(n_jobs), n_jobs)

    def spread(self, n_jobs: int | None = None) -> Points:
        """From keys to lattice points.

        Parameters
        ----------
        n_jobs : int or None, default=None
            Number of threads.

        Returns
        -------
        points : Points
            The weights on the points.
        """
        lattice = np.zeros(self._shape)
        cells, members, places = self._by_cell(self._pairs.keys)
        losses = self._losses(cells, members, places)
        held = (cells >= 0).all(axis=1)
        cells, members = cells[held], [rows for rows, here in zip(members, held) if here]
        size = self._reached ** (len(self._bandwidth) - 1), len(self._values) * self._reached
        found: dict[int, np.ndarray] = {}

        def spread_cell(number):
            found[number] = np.zeros(size)
            for rows in self._chunks(members[number]):
                *outer, last = self._weights(places[rows], cells[number])
                values = np.take(self._values, rows, axis=1)
                right = (values.T[:, :, None] * last[:, None, :]).reshape(len(rows), -1)
                # np.dot releases the interpreter's lock; @ does not with a single row.
                found[number] += np.dot(_products(outer, len(rows)).T, right)

        at_once = min(self._pairs.sizes.cells_at_once, max(1, _POINTS_AT_ONCE // prod(size)))
        for first in range(0, len(cells), at_once):
            numbers = range(first, min(first + at_once, len(cells)))
            each(spread_cell, numbers, n_jobs)
            # Sequentially, in the same order for any number of threads.
            for number in numbers:
                part = lattice[self._around(cells[number])]
                part += found.pop(number).reshape(part.shape)
        return Points(lattice, losses)

    def _losses(self, cells, members, places):
        """Bounds of the loss by the cut-off, for the queries of each cell."""
        reach = self._reach_in_cells
        shape = self._n_cells.astype(int) + 2 * reach
        masses, missing = np.zeros((2, *shape))
        for cell, rows in zip(cells, members):
            if (cell >= 0).all():
                masses[tuple(cell.astype(int) + reach)] = self._values[0][rows].sum()
            else:  # keys off the lattice
                beyond = places[rows] // self.width + reach
                beyond = beyond[((beyond >= 0) & (beyond < shape)).all(axis=1)]
                missing[tuple(beyond.astype(int).T)] = 1
        for axis in range(len(shape)):
            masses, missing = (
                np.take(sums, np.arange(2 * reach + 1, shape[axis] + 1), axis)
                - np.take(sums, np.arange(shape[axis] - 2 * reach), axis)
                for sums in (np.insert(m.cumsum(axis), 0, 0, axis) for m in (masses, missing))
            )
        return np.where(missing > 0, np.inf, self._lost * masses)

    def gather(self, points: Points, n_jobs: int | None = None) -> tuple[PooledSums, np.ndarray]:
        """From lattice points to queries.

        Parameters
        ----------
        points : Points
            The weights of all keys on the points.
        n_jobs : int or None, default=None
            Number of threads.

        Returns
        -------
        sums : PooledSums
            Total and weighted sums of each query.
        certified : ndarray of shape (n_queries,)
            Which of them are exact enough.
        """
        lattice, losses = points.sums, points.losses
        n_queries, _ = self._pairs.shape
        sums = np.zeros((n_queries, len(self._values)))
        own, lost = np.zeros(n_queries), np.zeros(n_queries)
        cells, members, places = self._by_cell(self._pairs.queries)

        def gather_cell(number):
            part = lattice[self._around(cells[number])]
            part = part.reshape(self._reached ** (len(cells[number]) - 1), -1)
            for rows in self._chunks(members[number]):
                *outer, last = self._weights(places[rows], cells[number])
                left = np.dot(_products(outer, len(rows)), part)
                left = left.reshape(len(rows), -1, self._reached)
                sums[rows] = np.einsum("nvp,np->nv", left, last)
                lost[rows] = losses[tuple(cells[number].astype(int))]
                own[rows] = prod(np.einsum("np,np->n", one, one) for one in (*outer, last))

        within = [
            number
            for number, cell in enumerate(cells)
            if (cell >= 0).all() and (cell < self._n_cells).all()
        ]
        each(gather_cell, within, n_jobs)
        together = sums[:, 0].copy()
        leave_out = self._pairs.leave_out
        if leave_out is not None:
            # The left-out key contributes by the same two steps, so only rounding errors remain of
            # it.
            own[leave_out < 0] = 0
            sums -= own[:, None] * self._values[:, leave_out].T
        scale = (sqrt(pi / 2) / self._spacing) ** len(self._bandwidth)
        sums /= scale
        error = lost + self._lost_afar + _ROUNDING * together / scale
        certified = error <= self._tol / 4 * sums[:, 0]
        return PooledSums(np.zeros(n_queries), sums[:, 0], sums[:, 1:]), certified

    def _by_cell(self, X):
        """Cells with rows, the rows of each, and the position of every row among the points."""
        with np.errstate(over="ignore", invalid="ignore"):
            places = (X.T - self._lowest[:, None]) / (self._bandwidth * self._spacing)[:, None]
            cells = places // self.width
        # All rows beyond the lattice have the cell -1.
        beyond = ~((cells >= 0) & (cells < self._n_cells[:, None])).all(axis=0)
        cells[:, beyond] = -1
        names = np.zeros(len(X), np.int64)
        for column, n_cells in zip(cells, self._n_cells):
            names = names * int(n_cells) + column.astype(np.int64)
        names[beyond] = -1
        order = np.argsort(names, kind="stable")
        starts = np.flatnonzero(np.diff(names[order], prepend=-2))
        members = np.split(order, starts[1:])
        return cells[:, order[starts]].T, members, places.T

    def _chunks(self, rows):
        """Cut rows into parts whose weights fit in one product."""
        n_weights = self._reached ** max(1, len(self._bandwidth) - 1)
        height = max(1, int(self._pairs.sizes.weights_at_once // n_weights))
        height = min(height, self._pairs.sizes.rows_at_once)
        return [rows[part] for part in slices(len(rows), height)]

    def _weights(self, places, cell):
        """Weights between rows of a cell and its points, column by column."""
        points = np.arange(-self._margin, self.width + self._margin + 1.0)
        factor = -log2(e) * self._spacing**2
        weights = []
        for place, first in zip(places.T, cell * self.width):
            apart = (place - first)[:, None] - points
            np.square(apart, out=apart)
            apart *= factor
            weights.append(np.exp2(apart, out=apart))
        return weights

    def _around(self, cell):
        """The slices of the lattice with the points within reach of a cell."""
        first = (cell * self.width).astype(int)
        *outer, last = (slice(start, start + self._reached) for start in first)
        return (*outer, slice(None), last)


def _products(weights, n_rows):
    """All products of the weights of each row."""
    products = np.ones((n_rows, 1))
    for one in weights:
        products = (products[:, :, None] * one[:, None, :]).reshape(n_rows, -1)
    return products
