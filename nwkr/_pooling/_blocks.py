"""The blocks algorithm: only pairs that matter, as many small dense problems.

Keys and queries are sorted into k-d order and cut into blocks of neighbouring rows with bounding
boxes. A block of queries visits only the blocks of keys that matter to it (`_neighbourhoods.py`):
for a compact kernel those within its support, for other kernels those whose weight exceeds
rounding error. Blocks of keys entirely within the support are added by their moments
(`_moments.py`), without visiting pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from nwkr._pooling._dense import Dense, Visit
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._exactly import pool_exactly
from nwkr._pooling._moments import Moments
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._rows import weights_in_rows
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each
from nwkr._pooling._values import WeightedValues, as_dense
from nwkr._pooling._visits import visits

__all__ = ["attend_blocks", "pool_blocks", "sum_blocks"]

_KEYS_PER_ROUND = 2**19
_FEW_PARTS = 4
# A difference has enough digits if the subtracted number is at most this many times the difference.
_LARGEST_SUBTRACTED = 2.0**10


def pool_blocks(
    around: Neighbourhoods,
    values: WeightedValues,
    *,
    rows: np.ndarray | None = None,
    multiples: Sequence[float] = (1.0,),
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool the values over the pairs that matter, with several bandwidths at once.

    The other parameters are those of :func:`nwkr._pooling._dense.pool_dense`.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    values : WeightedValues
        Key weights, and the values times these.
    rows : ndarray of shape (n_rows,) or None, default=None
        Numbers of the queries to pool, all by default; the sums of the others are 0.
    """
    if len(multiples) > 1 and any(around.by_moments([multiple]) for multiple in multiples):
        # Moments are computed for each bandwidth, and save more than shared distances.
        alone = partial(pool_blocks, around, values, rows=rows, empty=empty, n_jobs=n_jobs)
        return [alone(multiples=[multiple])[0] for multiple in multiples]
    sums = np.zeros((len(multiples), around.pairs.shape[0], len(values)))
    uncertain = np.zeros(sums.shape[:2], bool)
    moments = None
    if around.by_moments(multiples):
        levels = around.groups.starts, around.blocks.starts
        moments = Moments(around.pairs, around.kernel, as_dense(values.all), levels, multiples[0])

    def pool_round(groups):
        visits = [(group.dense, visit) for group in groups for visit in group.visits]
        each(lambda task: task[0].pool(task[1]), visits, n_jobs)
        for group in groups:
            sums[:, group.rows], uncertain[:, group.rows] = group.finish(sums.shape)

    def near(queries, empty):
        return around.part(queries, around.all_of(queries, multiples, empty))

    # Short steps are done before and after, where threads would only wait for each other.
    parts = around.of_queries(rows, around.visited(multiples))
    if len(parts) > _FEW_PARTS:
        values.all  # noqa: B018 - they are weighted once, not for each part again
    prepare = partial(_prepare, around, values, multiples, moments)
    for groups in _rounds(map(prepare, around.in_groups(parts))):
        pool_round(groups)
        groups.clear()  # releases them before the next are made
    return pool_exactly(
        sums,
        uncertain,
        around.of_queries(rows) if uncertain.any() else [],
        around.pairs,
        around.kernel,
        values,
        multiples,
        near=near,
        empty=empty,
        n_jobs=n_jobs,
    )


@dataclass
class _Group:
    """The work for some neighbouring blocks of queries."""

    rows: np.ndarray
    sizes: np.ndarray  # of the blocks
    within: np.ndarray | None = None  # sums over keys within their support
    own: np.ndarray | None = None  # contributions of left-out keys
    dense: Dense | None = None
    visits: Sequence[Visit] = ()
    n_keys: int = 0

    def finish(self, shape):
        """Sums of these queries, and which of them are uncertain."""
        n_multiples, _, n_values = shape
        sums = np.zeros((n_multiples, len(self.rows), n_values))
        if self.within is not None:
            sums[0] += self.within
        if self.dense is not None:
            sums += self.dense.sums
        if self.own is not None:
            sums[0] -= self.own
        # If moments overflow, sums are NaN.
        uncertain = ~(sums[:, :, 0] > 0) if self.dense is None else self.dense.uncertain(sums)
        if self.own is not None:
            uncertain[0] |= (np.abs(self.own) > _LARGEST_SUBTRACTED * np.abs(sums[0])).any(axis=1)
        return sums, uncertain


def _prepare(around, values, multiples, moments, parts):
    """The group of some blocks of queries."""
    found, scale = around.of(parts, multiples), min(multiples)
    group = _Group(np.concatenate(parts), np.array([len(part) for part in parts]))
    if moments is not None:
        group.within = moments.sums(found.within, parts)
        if around.pairs.leave_out is not None and not around.pairs.hides_left_out:
            group.own = _of_keys(values, around.pairs.leave_out[group.rows])
    if len(found.blocks):
        cols, pairs = around.part(group.rows, found.blocks, scale, leaving=moments is None)
        values_of_group = values.take(cols)
        group.dense = Dense(pairs, around.kernel, values_of_group, [m / scale for m in multiples])
        group.visits = visits(around, found, group.sizes, multiples)
        group.n_keys = len(cols)
    return group


def _of_keys(values, numbers):
    """Values of keys, of shape (n_numbers, n_values); 0 for number -1."""
    return np.where(numbers < 0, 0, as_dense(values.take(numbers))).T


def _rounds(groups):
    """Merge groups, as many as fit in memory."""
    together, n_keys = [], 0
    for group in groups:
        together.append(group)
        n_keys += group.n_keys
        if n_keys > _KEYS_PER_ROUND:
            yield together
            together, n_keys = [], 0
    yield together


def attend_blocks(
    around: Neighbourhoods,
    visit: Callable[[np.ndarray, np.ndarray, np.ndarray], None],
    *,
    empty: str | None = None,
    n_jobs: int | None = None,
) -> None:
    """Pass the weights of the pairs that matter to a callback.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    visit : callable
        Called as ``visit(rows, cols, weights)`` with numbers of queries and of keys, and the
        kernel's weights, an ndarray of shape (n_rows, n_cols); once for each query, from
        several threads.
    empty : {"nearest", "mean"} or None, default=None
        Replacement for queries without weights: nearest keys, all keys, or none.
    n_jobs : int or None, default=None
        Number of threads.
    """

    def attend_block(rows):
        cols, part = around.part(rows, around.all_of(rows, empty=empty))
        for some, near, weights in weights_in_rows(
            part, around.kernel, np.arange(len(rows)), empty
        ):
            visit(rows[some], cols[near], weights)

    each(attend_block, around.of_queries(), n_jobs)


def sum_blocks(
    around: Neighbourhoods,
    add: Callable[[np.ndarray, np.ndarray, EuclideanPairs], np.ndarray],
    n_jobs: int | None = None,
) -> Any:
    """Sum a function over the pairs that matter.

    Parameters
    ----------
    around : Neighbourhoods
        Queries and keys.
    add : callable
        ``add(rows, cols, pairs)`` returns the contribution of some queries and keys, from their
        numbers and their pairs: an ndarray.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    total : ndarray or float
        The sums; 0 if no pair matters.
    """
    parts = around.of_queries()
    shares: list = [0.0] * len(parts)

    def add_block(number):
        found = around.all_of(parts[number])
        if len(found):
            cols, pairs = around.part(parts[number], found)
            shares[number] = add(parts[number], cols, pairs)

    each(add_block, range(len(parts)), n_jobs)
    return sum(shares)
