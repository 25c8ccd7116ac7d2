"""The ways of pooling, and which of them is the fastest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nwkr._pooling._blocks import pool_blocks
from nwkr._pooling._boxes import Blocks
from nwkr._pooling._dense import pool_dense
from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._lattice import Lattice, has_lattice
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._sums import PooledSums
from nwkr.kernels import Kernel

__all__ = ["neighbourhoods", "pool_pairs", "way_of"]


def pool_pairs(
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    *,
    blocks: Blocks | None = None,
    algorithm: str = "auto",
    tol: float = 0.0,
    multiples: Sequence[float] = (1.0,),
    empty: str | None = None,
    n_jobs: int | None = None,
) -> list[PooledSums]:
    """Pool the values, with several bandwidths, each in its way.

    What is not listed is as in :func:`nwkr._pooling._dense.pool_dense`.

    Parameters
    ----------
    blocks : Blocks or None, default=None
        The blocks of the keys, if these are in k-d order; without them the way is "dense".
    algorithm : {"auto", "dense", "blocks", "lattice"}, default="auto"
        The way to go; "auto" is the fastest.
    tol : float, default=0.0
        Relative error that a total may have; 0 stands for rounding.
    """
    around = None
    if algorithm != "dense":
        around = neighbourhoods(pairs, kernel, values[0], blocks, tol)

    def by_dense(multiples):
        return pool_dense(pairs, kernel, values, multiples=multiples, empty=empty, n_jobs=n_jobs)

    def by_blocks(multiples, rows=None):
        assert around is not None
        return pool_blocks(
            around, kernel, values, rows=rows, multiples=multiples, empty=empty, n_jobs=n_jobs
        )

    def by_lattice(multiples):
        return [by_lattices(multiple) for multiple in multiples]

    def by_lattices(multiple):
        assert isinstance(pairs, EuclideanPairs)
        sums, certified = Lattice(pairs, kernel, values, multiple, tol).pool(n_jobs)
        rest = np.flatnonzero(~certified)
        return sums.where(certified, by_blocks([multiple], rest)[0]) if len(rest) else sums

    ways = {"dense": by_dense, "blocks": by_blocks, "lattice": by_lattice}
    n_together = len(multiples)
    seconds = [_seconds(pairs, kernel, values, around, m, tol, n_together) for m in multiples]
    chosen = _ways(algorithm, seconds)
    sums: dict[int, PooledSums] = {}
    for way in sorted(set(chosen)):
        numbers = [number for number, name in enumerate(chosen) if name == way]
        sums.update(zip(numbers, ways[way]([multiples[number] for number in numbers])))
    return [sums[number] for number in range(len(multiples))]


def neighbourhoods(
    pairs: Pairs, kernel: Kernel, weights: np.ndarray, blocks: Blocks | None, tol: float = 0.0
) -> Neighbourhoods | None:
    """Neighbourhoods of blocks, if there can be any."""
    if blocks is None or not isinstance(pairs, EuclideanPairs) or not len(pairs.columns):
        return None
    return Neighbourhoods(pairs, kernel, weights, blocks, tol)


def way_of(
    algorithm: str,
    pairs: Pairs,
    kernel: Kernel,
    values: np.ndarray,
    around: Neighbourhoods | None,
    tol: float = 0.0,
) -> str:
    """Name the way of pooling to go.

    Parameters
    ----------
    algorithm : {"auto", "dense", "blocks", "lattice"}
        The way that is asked for.
    pairs : Pairs
        Queries and keys.
    kernel : Kernel
        The kernel.
    values : ndarray of shape (1 + n_values, n_keys)
        Key weights, and the values times these.
    around : Neighbourhoods or None
        Neighbourhoods of blocks, if there are any.
    tol : float, default=0.0
        Relative error that a total may have.

    Returns
    -------
    way : {"dense", "blocks", "lattice"}
        That way, if it can serve; of all that can, the fastest for "auto".
    """
    return _ways(algorithm, [_seconds(pairs, kernel, values, around, 1.0, tol, 1)])[0]


def _ways(algorithm, seconds):
    """The way for each multiple, given what all ways take for each."""
    ways = [
        algorithm if algorithm in times else min(times, key=times.__getitem__) for times in seconds
    ]
    # Several bandwidths share distances, so these go together.
    together = [number for number, way in enumerate(ways) if way != "lattice"]
    if algorithm not in ways and {ways[number] for number in together} == {"dense", "blocks"}:
        times = {way: sum(seconds[n][way] for n in together) for way in ("dense", "blocks")}
        for number in together:
            ways[number] = min(times, key=times.__getitem__)
    return ways


def _seconds(pairs, kernel, values, around, multiple, tol, n_together):
    """What each way takes that can serve, for one of several multiples.

    Seconds of one thread of a server processor with AVX-512 (NumPy 2.4, OpenBLAS), measured
    from 1e3 to 1e6 rows in 1 to 10 columns. Only their proportions count.
    """
    n_queries, n_keys = pairs.shape
    by_product = kernel.smooth or kernel.power is not None
    for_pair = 3e-9 if not by_product else 0.8e-9 if kernel.log_slope is None else 1.2e-9
    if kernel.log_slope is not None:  # squares are quicker than exponentials
        for_pair *= 0.3 + 0.7 / n_together
    seconds = {"dense": n_queries * n_keys * for_pair}
    if around is None:
        return seconds
    n_groups, n_columns = len(around.groups), len(around.pairs.columns)
    n_blocks = n_queries / around.queries_per_block(n_queries)
    share = around.share(multiple)
    for_block = 3e-4 + n_groups * n_columns * 2e-8 + share * n_keys * 8e-8
    # Keys are fetched first.
    seconds["blocks"] = 1.1 * share * seconds["dense"] + n_blocks * for_block / n_together
    if has_lattice(around.pairs, kernel):
        lattice = Lattice(around.pairs, kernel, values, multiple, tol)
        if lattice.fits_in_memory:
            seconds["lattice"] = lattice.seconds
    return seconds
