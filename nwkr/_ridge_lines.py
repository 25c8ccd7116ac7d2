r"""Ridge regression: lines in windows that hold all rows with equal weight.

With infinite bandwidths, all queries have the same equations
:math:`(C + \tfrac{\text{ridge}}{W} D) \, \beta = c`, so one decomposition of the keys serves them
all, with any number of columns: it is as small as the number of keys or of columns. If a query
leaves out a key, its equations differ from those by the key. They are solved by conjugate
gradients, with the inverse for all keys as the preconditioner, for all queries at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nwkr._columns import Columns
from nwkr._local import LocalLines
from nwkr._local_fit import LineFit
from nwkr._pooling import Attention, PooledSums, slices
from nwkr._ridge import LEAST_VARIANCE, NEGLIGIBLE, shares_of_rows
from nwkr._window import Window

__all__ = ["RidgeFit", "RidgeLines", "lines_of"]

# Numbers in a block of equations that are solved together.
_NUMBERS_AT_ONCE = 2**22
_MOST_STEPS, _TOLERANCE = 200, 1e-14
# A key is subtracted from the equations for all keys unless this loses digits: if it has a larger
# share of the weights, if some column has a smaller share of its variance without the key, or if
# some direction has a smaller share of its variance and penalty.
_LARGEST_SHARE, _LEAST_VARIANCE_LEFT, _LEAST_LEFT = 0.5, 1e-4, 1e-7


def lines_of(
    degree: int,
    ridge: float,
    keys: np.ndarray,
    counts: np.ndarray,
    window: Window,
    features: Columns | None = None,
    masked: bool = False,
) -> LocalLines:
    """Lines or constants for some keys; ridge regression if all keys have equal weight.

    The other parameters are those of :meth:`LocalLines.of`.

    Parameters
    ----------
    masked : bool, default=False
        Whether a mask hides keys from queries.

    Returns
    -------
    lines : LocalLines
        The lines.
    """
    varies = masked or window.varies or window.by_query
    shared = degree and ridge > 0 and not varies and np.isinf(window.bandwidth).all()
    kind = RidgeLines if shared else LocalLines
    return kind.of(degree, ridge, keys, counts, window, features)


class RidgeLines(LocalLines):
    """Lines in the same window for all queries."""

    def values(self, keys: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The values to pool: targets and columns."""
        return np.hstack([y, self.scaled(keys)])

    def _n_values(self, n_outputs):
        return n_outputs + len(self.columns)

    def fit(self, attention: Attention, values: Any, sums: PooledSums | None = None) -> Any:
        """Fit a line at each query; parameters are those of :meth:`LocalLines.fit`."""
        if not self.has_slopes:
            return super().fit(attention, values, sums)
        sums = self.careful(attention).pool(values) if sums is None else sums
        mean, of_columns = _split(sums.finish(), len(self.columns))
        offset, values = self.scaled(attention.queries) - of_columns, values[:]
        shares, penalty = shares_of_rows(attention, sums, self.ridge), self.penalty(attention)
        return RidgeFit(self, attention, sums, mean, offset, *shares, penalty, values)


@dataclass(frozen=True)
class RidgeFit(LineFit):
    """Lines at queries, in the same window but for a key that each leaves out.

    Attributes
    ----------
    values : ndarray of shape (n_keys, n_outputs + n_slopes)
        Targets and columns of the keys.
    """

    values: np.ndarray

    @cached_property
    def scaled_slopes(self) -> np.ndarray:
        (n_queries, n_slopes), n_outputs = self.offset.shape, self.mean.shape[1]
        shape = n_queries, n_slopes, n_outputs
        if not self._leaves_out:
            shares = self.trust[:1], self.rest[:1]  # the same for all queries
            return np.broadcast_to(self._keys.slopes(*shares) if n_queries else 0.0, shape)
        slopes, rows = np.empty(shape), np.arange(n_queries)
        for output in range(n_outputs):
            right = self.trust[:, None] * self._with_y(rows, output)
            slopes[:, :, output] = self._solve(rows, right)
        for row, keys in self._without.items():
            slopes[row] = keys.slopes(self.trust[row], self.rest[row])
        return slopes

    @cached_property
    def directions(self) -> np.ndarray:
        return self._solve(np.arange(len(self.offset)), self.trust[:, None] * self.offset)

    @property
    def explained(self) -> np.ndarray:
        slopes, rows = self.scaled_slopes, np.arange(len(self.offset))
        ratio = np.divide(self.rest, self.trust, out=np.zeros(len(rows)), where=self.trust > 0)
        shrunk = ratio[:, None] * np.einsum("nj,njm->nm", self.penalty, np.square(slopes))
        for output in range(slopes.shape[2]):  # b'C b is b'c without the penalty
            with_y = self._with_y(rows, output)
            shrunk[:, output] += np.einsum("nj,nj->n", slopes[:, :, output], with_y)
        return shrunk

    def forms(self, row: int, apart: np.ndarray) -> np.ndarray:
        solved = self._solve(np.full(len(apart), row), self.trust[row] * apart)
        return np.einsum("ij,ij->i", apart, solved)

    @property
    def _leaves_out(self):
        return self.attention.leave_out is not None

    @property
    def _left_out(self):
        assert self.attention.leave_out is not None
        return self.attention.leave_out

    @cached_property
    def _keys(self):
        """The keys, and their decomposition."""
        return _Keys.of(self.values, self.attention.weights, self.offset.shape[1])

    @cached_property
    def _without(self):
        """Decompositions of all keys but one, for rows whose key cannot be subtracted."""
        leave_out, keys = self._left_out, self._keys
        large = keys.shares[leave_out] > _LARGEST_SHARE
        large |= (self.penalty < _LEAST_VARIANCE_LEFT).any(axis=1)
        others = np.flatnonzero(~large)
        large[others] = self._least_left(others) < _LEAST_LEFT
        found = {}
        for row in np.flatnonzero(large & (leave_out >= 0)):
            kept = np.arange(len(self.values)) != leave_out[row]
            some = self.values[kept], self.attention.weights[kept]
            found[int(row)] = _Keys.of(*some, self.offset.shape[1], self.penalty[row])
        return found

    def _least_left(self, rows):
        """What is left in the direction that loses most without the key, as a share."""
        share, others, columns, _ = self._own(rows)
        level = self.trust[rows, None] / others
        form = self._keys.form(columns, level, self.rest[rows, None])
        return 1 - (level * share / others)[:, 0] * form

    def _own(self, rows):
        """Share of the key that each query leaves out, its columns and its targets."""
        keys, numbers = self._keys, self._left_out[rows]
        share = np.where(numbers >= 0, keys.shares[numbers], 0)[:, None]
        return share, 1 - share, keys.columns[numbers], keys.targets[numbers]

    def _with_y(self, rows, output):
        """Covariance of the columns and an output, of shape (n_rows, n_slopes)."""
        with_y = self._keys.with_y[:, output]
        if not self._leaves_out:
            return np.broadcast_to(with_y, (len(rows), len(with_y)))
        some = [number for number, row in enumerate(rows) if row in self._without]
        share, others, columns, targets = self._own(np.delete(rows, some))
        found = np.empty((len(rows), len(with_y)))
        rest = np.delete(np.arange(len(rows)), some)
        found[rest] = with_y / others - share / others**2 * columns * targets[:, output, None]
        for number in some:
            found[number] = self._without[rows[number]].with_y[:, output]
        return found

    def _solve(self, rows, right):
        """Solve ``(trust * C + rest * D) x = right`` for some queries, each with its own side."""
        solved = np.empty(right.shape)
        for part in slices(len(rows), max(1, _NUMBERS_AT_ONCE // right.shape[1])):
            solved[part] = self._solve_together(rows[part], right[part])
        return solved

    def _solve_together(self, rows, right):
        trust, rest = self.trust[rows, None], self.rest[rows, None]
        if not self._leaves_out:
            return self._keys.inverse(right, trust, rest)
        solved, alone = np.empty(right.shape), np.isin(rows, list(self._without))
        for number in np.flatnonzero(alone):
            terms = right[number, None], trust[number, None], rest[number, None]
            solved[number] = self._without[int(rows[number])].inverse(*terms)[0]
        rows, right, trust, rest = rows[~alone], right[~alone], trust[~alone], rest[~alone]
        share, others, columns, _ = self._own(rows)
        level, penalty = trust / others, rest * self.penalty[rows]

        def product(x):
            own = level * share / others * np.einsum("ij,ij->i", columns, x)[:, None]
            return level * self._keys.product(x) - own * columns + penalty * x

        def inverse(x):
            return self._keys.inverse(x, level, rest)

        solved[~alone] = _conjugate_gradients(product, inverse, right)
        return solved


class _Keys(NamedTuple):
    """Keys about their mean, and their decomposition.

    Attributes
    ----------
    shares : ndarray of shape (n_keys,)
        Weights of the keys, with sum 1.
    targets, columns : ndarray of shape (n_keys, n_outputs) and (n_keys, n_slopes)
        From their means.
    with_y : ndarray of shape (n_slopes, n_outputs)
        Covariance of both.
    unit : ndarray of shape (n_slopes,)
        Units of the columns, in which the penalty is the same for all.
    axes, squares : ndarray of shape (n_axes, n_slopes) and (n_axes,)
        Principal axes of the columns in these units, and the variance along each.
    along : ndarray of shape (n_axes, n_outputs)
        Covariance of the targets with the columns along each axis.
    """

    shares: np.ndarray
    targets: np.ndarray
    columns: np.ndarray
    with_y: np.ndarray
    unit: np.ndarray
    axes: np.ndarray
    squares: np.ndarray
    along: np.ndarray

    @classmethod
    def of(cls, values, weights, n_slopes, penalty=None):
        """The keys with these values and weights; the penalty is 1 by default."""
        shares = weights / weights.sum()
        targets, columns = _split(values - shares @ values, n_slopes)
        unit = np.ones(n_slopes) if penalty is None else np.sqrt(penalty)
        root = np.sqrt(shares)[:, None]
        of_keys, sizes, axes = np.linalg.svd(root * columns / unit, full_matrices=False)
        # Not from the columns, in which the small sizes have lost their digits.
        along = sizes[:, None] * (of_keys.T @ (root * targets))
        with_y = columns.T @ (shares[:, None] * targets)
        return cls(shares, targets, columns, with_y, unit, axes, np.square(sizes), along)

    def slopes(self, trust, rest):
        """The slopes for all keys, of shape (n_slopes, n_outputs)."""
        factors = trust * self._inverse_sizes(trust, rest)
        return (self.axes.T * factors) @ self.along / self.unit[:, None]

    def product(self, x):
        """The covariance of the columns times some vectors, of shape (n_vectors, n_slopes)."""
        return ((x * self.unit) @ self.axes.T * self.squares) @ self.axes * self.unit

    def inverse(self, x, level, rest):
        """The inverse of ``level * C + rest * penalty`` times some vectors."""
        x = x / self.unit
        along = x @ self.axes.T
        found = (along * self._inverse_sizes(level, rest)) @ self.axes
        if len(self.axes) < len(self.unit):
            beyond, out = x - along @ self.axes, np.zeros_like(x)
            found += np.divide(beyond, rest, out=out, where=rest >= NEGLIGIBLE)
        return found / self.unit

    def form(self, x, level, rest):
        """Quadratic forms of this inverse, for rows `x` of the columns, none of them beyond."""
        along = (x / self.unit) @ self.axes.T
        return np.einsum("ij,ij->i", np.square(along), self._inverse_sizes(level, rest))

    def _inverse_sizes(self, level, rest):
        sizes = level * self.squares + rest
        # Without a penalty, directions without variance have no slope.
        flat = self.squares <= LEAST_VARIANCE * self.squares.max(initial=0)
        known = ~flat | (rest >= NEGLIGIBLE)
        return np.divide(1, sizes, out=np.zeros_like(sizes), where=known)


def _split(values, n_slopes):
    """Targets and columns."""
    return values[:, : values.shape[1] - n_slopes], values[:, values.shape[1] - n_slopes :]


def _conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    inverse: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
) -> np.ndarray:
    """Solve positive definite systems by preconditioned conjugate gradients, all at once.

    Parameters
    ----------
    product : callable
        The product of the matrices with vectors, one for each system.
    inverse : callable
        The product of matrices that are nearly the inverses with these.
    right : ndarray of shape (n_systems, n_unknowns)
        Right-hand sides.

    Returns
    -------
    solved : ndarray of shape (n_systems, n_unknowns)
        Solutions; NaN for a right-hand side with NaN.
    """
    solved = inverse(right)
    size, rest = _dot(right, solved), right - product(solved)
    step = ahead = inverse(rest)
    square = _dot(rest, ahead)
    for _ in range(_MOST_STEPS):
        going = square > _TOLERANCE**2 * size
        if not going.any():
            break
        changed = product(step)
        length = np.divide(square, _dot(step, changed), out=np.zeros_like(square), where=going)
        solved += length * step
        rest -= length * changed
        ahead = inverse(rest)
        before, square = square, _dot(rest, ahead)
        step = ahead + np.divide(square, before, out=np.zeros_like(square), where=going) * step
    return solved


def _dot(a, b):
    return np.einsum("ij,ij->i", a, b)[:, None]
