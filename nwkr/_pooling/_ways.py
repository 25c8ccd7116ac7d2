"""The algorithms for pooling, and the choice: the requested one, or the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from nwkr._pooling._blocks import pool_blocks
from nwkr._pooling._costs import costs_of
from nwkr._pooling._dense import pool_dense
from nwkr._pooling._device import pool_on_device
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._lattice import MOST_COLUMNS, Lattice
from nwkr._pooling._metric import BOUNDED
from nwkr._pooling._prepared import boxes_within, share_near_ends
from nwkr._pooling._query_blocks import n_blocks
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._way import Problem, Terms, Way

__all__ = [
    "WAYS",
    "BlocksWay",
    "DenseWay",
    "LatticeWay",
    "check_algorithm",
    "choose",
    "pool_by_ways",
]

# Seconds per number of the steps that are done once for all keys.
_SECONDS_PER_NUMBER = 1.2e-9
# Below this many seconds, choosing takes longer than it saves.
_NOT_WORTH_A_CHOICE = 5e-4


class DenseWay(Way):
    """All pairs. It supports everything."""

    name = "dense"

    def refusal(self, terms: Terms) -> str | None:
        """Everything is supported."""
        return None

    def seconds(self, problem: Problem, multiple: float, n_together: int) -> float:
        """The time of all pairs; several bandwidths share the distances."""
        n_queries, n_keys = problem.pairs.shape
        for_pair = costs_of(problem.pairs).for_pair(problem.kernel, n_together)
        # All keys are scaled by the bandwidth, and all values are weighted.
        for_key = (8 + len(problem.values)) * _SECONDS_PER_NUMBER / n_together
        return 2e-4 / n_together + n_keys * (n_queries * for_pair + for_key)

    def pool(self, problem: Problem, multiples: Sequence[float]) -> list[PooledSums]:
        """Pool over all pairs, on the device of the rows."""
        pool: Any = pool_dense
        terms = problem.terms
        on_device = terms.metric == "euclidean" and terms.plain and not terms.masked
        if terms.arrays is not None and on_device:
            pool = partial(pool_on_device, terms.arrays)
        return pool(
            problem.pairs,
            problem.kernel,
            problem.values,
            multiples=multiples,
            empty=problem.empty,
            n_jobs=problem.n_jobs,
        )


class BlocksWay(Way):
    """Only the pairs that matter."""

    name = "blocks"

    def refusal(self, terms: Terms) -> str | None:
        """Only metrics with bounds are supported, in NumPy."""
        if terms.arrays is not None:
            library = terms.arrays.library
            return f"NumPy arrays, because only they are sorted; got X as an array of {library}"
        if terms.metric not in BOUNDED:
            return (
                f"metric='euclidean' or 'haversine', whose distances have bounds; got "
                f"metric={terms.metric!r}"
            )
        return None

    def serves(self, problem: Problem, multiple: float = 1.0) -> bool:
        """Whether there are blocks."""
        return problem.around is not None

    def seconds(self, problem: Problem, multiple: float, n_together: int) -> float:
        """The time of the pairs that matter, and of finding them."""
        around = problem.around
        assert around is not None
        n_queries, n_keys = problem.pairs.shape
        share = around.share(multiple)
        for_pair = costs_of(problem.pairs).for_pair(problem.kernel, n_together)
        n_groups = len(around.groups)
        n_parts = n_blocks(around.pairs, n_queries)
        for_block = 1e-4 + n_groups * 4e-7 + share * n_keys * 2e-8
        # Gathering the keys takes additional time.
        for_pairs = 1.15 * share * n_queries * n_keys * for_pair
        return for_pairs + (4e-4 + n_parts * for_block) / n_together

    def pool(
        self, problem: Problem, multiples: Sequence[float], rows: np.ndarray | None = None
    ) -> list[PooledSums]:
        """Pool over the pairs that matter, for some queries or all."""
        assert problem.around is not None
        return pool_blocks(
            problem.around,
            problem.values,
            rows=rows,
            multiples=multiples,
            empty=problem.empty,
            n_jobs=problem.n_jobs,
        )


class LatticeWay(Way):
    """A lattice, with blocks for the queries that it does not certify."""

    name, shares = "lattice", False

    def refusal(self, terms: Terms) -> str | None:
        """Only a Gaussian with one bandwidth for all rows in few columns is supported."""
        reason = _BLOCKS.refusal(terms)
        if reason is not None:
            return reason
        if terms.metric != "euclidean":
            return (
                f"metric='euclidean', because a lattice needs columns; got metric={terms.metric!r}"
            )
        if not terms.kernel.log_slope:
            return f"the Gaussian kernel, which it splits in two; got kernel {terms.kernel.name!r}"
        if terms.varies:
            return f"one bandwidth for all rows; got bandwidth={terms.bandwidth!r}"
        if not terms.plain:
            return "columns of numbers without missing values; got categories or missing values"
        if terms.masked:
            return "queries that use all training rows; got one_sided, which hides later ones"
        n_zero, n_counted = np.sum(terms.bandwidth == 0), np.sum(np.isfinite(terms.bandwidth))
        if n_zero or not 1 <= n_counted <= MOST_COLUMNS:
            # The bandwidths of a thousand features take longer to print than their distances.
            return (
                f"1 to {MOST_COLUMNS} features with a bandwidth that is neither 0 nor infinite; "
                f"got {n_counted - n_zero} of them, and {n_zero} with bandwidth 0"
            )
        return None

    def seconds(self, problem: Problem, multiple: float, n_together: int) -> float:
        """The time of the lattice, and of blocks for queries near keys off the lattice."""
        return self._lattice(problem, multiple)[1]

    def serves(self, problem: Problem, multiple: float = 1.0) -> bool:
        """Whether a lattice fits in memory."""
        pairs = problem.pairs
        if problem.around is None or not isinstance(pairs, EuclideanPairs):
            return False
        if pairs.must_match or not pairs.leaves_itself_out:
            return False
        if problem.values.sparse:  # each point would hold all of them
            return False
        return self._lattice(problem, multiple)[1] < np.inf

    def pool(self, problem: Problem, multiples: Sequence[float]) -> list[PooledSums]:
        """Pool over the lattice, and by blocks for sums that it does not certify."""
        return [self._pool_one(problem, multiple) for multiple in multiples]

    def _pool_one(self, problem, multiple):
        sums, certified = self._lattice(problem, multiple)[0].pool(problem.n_jobs)
        rest = np.flatnonzero(~certified)
        if not len(rest):
            return sums
        return sums.where(certified, _BLOCKS.pool(problem, [multiple], rest)[0])

    @staticmethod
    def _lattice(problem, multiple):
        """The best lattice, for all keys or for most, and the seconds of it and of blocks."""
        by_blocks = _BLOCKS.seconds(problem, multiple, 1)
        best: tuple[Lattice | None, float] = None, np.inf
        for lowest, highest, share_beyond in boxes_within(problem.corners):
            if best[1] <= share_beyond * by_blocks:
                break
            lattice = Lattice(
                problem.pairs,
                problem.kernel,
                problem.values.all,
                multiple,
                problem.tol,
                (lowest, highest),
                problem.light,
            )
            n_keys = problem.pairs.shape[1]
            near_beyond = share_near_ends(problem.corners, n_keys, lowest, highest, lattice.reach)
            seconds = lattice.seconds + near_beyond * by_blocks
            if lattice.fits_in_memory and seconds < best[1]:
                best = lattice, seconds
        return best


_DENSE, _BLOCKS, _LATTICE = DenseWay(), BlocksWay(), LatticeWay()
WAYS: tuple[Way, ...] = (_DENSE, _BLOCKS, _LATTICE)


def check_algorithm(algorithm: str, terms: Terms, ways: Sequence[Way] = WAYS) -> None:
    """Refuse an algorithm that does not support some terms.

    Parameters
    ----------
    algorithm : {"auto", "dense", "blocks", "lattice"}
        The requested algorithm.
    terms : Terms
        How queries attend to keys.
    ways : sequence of Way, default=WAYS
        All ways.

    Raises
    ------
    ValueError
        If it does not support them.
    """
    reasons = {way.name: way.refusal(terms) for way in ways}
    reason = reasons.get(algorithm)
    if reason is not None:
        others = sorted(repr(name) for name, against in reasons.items() if against is None)
        raise ValueError(
            f"algorithm={algorithm!r} needs {reason}. Choose algorithm from "
            f"{', '.join(others)}, 'auto'."
        )


def choose(
    algorithm: str,
    problem: Problem,
    multiples: Sequence[float] = (1.0,),
    ways: Sequence[Way] = WAYS,
) -> list[Way]:
    """Choose the algorithm for each of several multiples of the bandwidth.

    Parameters
    ----------
    algorithm : {"auto", "dense", "blocks", "lattice"}
        The requested algorithm.
    problem : Problem
        What to pool.
    multiples : sequence of float, default=(1.0,)
        Factors of the bandwidth.
    ways : sequence of Way, default=WAYS
        All ways.

    Returns
    -------
    ways : list of Way
        The requested one, if it supports the problem; for "auto" the fastest that does.
    """
    ways = [way for way in ways if way.refusal(problem.terms) is None]
    asked = [way for way in ways if way.name == algorithm]
    n_multiples = len(multiples)
    if not asked and _DENSE.seconds(problem, 1.0, n_multiples) * n_multiples < _NOT_WORTH_A_CHOICE:
        return [_DENSE] * n_multiples
    seconds = [
        {way: 0.0 for way in asked if way.serves(problem, multiple)}
        or _seconds(ways, problem, multiple, n_multiples)
        for multiple in multiples
    ]
    chosen = [min(times, key=times.__getitem__) for times in seconds]
    # Several bandwidths share distances, so these go together.
    together = [number for number, way in enumerate(chosen) if way.shares]
    if len({chosen[number] for number in together}) > 1 and not set(asked) & set(chosen):
        ways = [way for way in ways if way.shares]
        ways = [way for way in ways if all(way in seconds[number] for number in together)]
        best = min(ways, key=lambda way: sum(seconds[number][way] for number in together))
        for number in together:
            chosen[number] = best
    return chosen


def pool_by_ways(
    algorithm: str,
    problem: Problem,
    multiples: Sequence[float] = (1.0,),
    ways: Sequence[Way] = WAYS,
) -> list[PooledSums]:
    """Pool with several multiples of the bandwidth, each by its algorithm.

    The other parameters are those of :func:`choose`.

    Returns
    -------
    sums : list of PooledSums
        Total and weighted sums of each query, for each multiple.
    """
    chosen = choose(algorithm, problem, multiples, ways)
    sums: dict[int, PooledSums] = {}
    for way in ways:
        numbers = [number for number, its_way in enumerate(chosen) if its_way is way]
        if numbers:
            pooled = way.pool(problem, [multiples[number] for number in numbers])
            sums.update(zip(numbers, pooled))
    return [sums[number] for number in range(len(multiples))]


def _seconds(ways, problem, multiple, n_together):
    """Seconds of each algorithm that supports the problem and may be the fastest."""
    seconds: dict[Way, float] = {}
    for way in ways:
        if way is _LATTICE and Lattice.least_seconds(problem.pairs) > min(seconds.values()):
            continue
        if way.serves(problem, multiple):
            seconds[way] = way.seconds(problem, multiple, n_together)
    return seconds
