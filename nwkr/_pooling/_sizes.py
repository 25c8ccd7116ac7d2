"""Sizes of tiles, blocks and other pieces of work."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_SIZES", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """Sizes of pieces of work, and thresholds for shortcuts.

    Sizes affect speed and memory. Results depend on them only by rounding.

    Attributes
    ----------
    queries_per_tile, bytes_per_tile : int
        The largest tile. A megabyte fits in the second-level cache of a core. With much smaller
        tiles, threads wait for the interpreter's lock.
    pairs_on_device : int
        The largest tile on a separate device, where few large steps are faster than many small
        ones. A few tiles are in memory at a time.
    least_keys : int
        Fewer keys are not put in blocks, unless the algorithm is set explicitly.
    keys_per_block, blocks_per_group : int
        Maximal number of keys in a block, and of neighbouring blocks in a group.
    queries_per_block, queries_per_group : int
        Maximal number of queries in a block, and of queries that search their keys together.
    least_queries_per_block, pairs_per_visit : int
        A block of queries that visits more pairs than this is cut, down to this many queries.
    blocks_within, pairs_per_moment : float
        Moments are used if this many blocks of keys are within the support of a query. A moment of
        a key takes as long as this many pairs.
    keys_per_moments : int
        Number of keys whose moments are computed at once.
    cell_widths : tuple of int
        Allowed widths of a cell of the lattice, in points.
    cells_at_once, weights_at_once, rows_at_once : int
        Cells of the lattice at once, and at most so many weights of a product there, of so many
        rows, so that the results stay in the cache.
    keys_per_bin, least_queries_in_bins, least_pairs_in_bins : int
        Quantiles use bins of at least this many keys, if there are more queries and pairs than
        these.
    least_pairs_to_compile : int
        Calls with fewer pairs do not load numba, which takes a second.
    labels_multiplied : int
        Columns with more distinct labels than this are compared instead of multiplied.
    classes_multiplied : int
        Up to this many classes, a dense product is as fast as a sparse one.
    pairs_per_interval : int
        Number of pairs whose fits without a key are in memory at once.
    """

    queries_per_tile: int = 512
    bytes_per_tile: int = 2**20
    pairs_on_device: int = 2**24
    least_keys: int = 1024
    keys_per_block: int = 32
    blocks_per_group: int = 8
    queries_per_block: int = 512
    queries_per_group: int = 8192
    least_queries_per_block: int = 128
    pairs_per_visit: int = 2**22
    blocks_within: float = 6
    pairs_per_moment: float = 2
    keys_per_moments: int = 2**15
    cell_widths: tuple[int, ...] = (4, 8, 16, 32)
    cells_at_once: int = 256
    weights_at_once: int = 2**18
    rows_at_once: int = 1024
    keys_per_bin: int = 64
    least_queries_in_bins: int = 64
    least_pairs_in_bins: int = 2**21
    least_pairs_to_compile: int = 2**20
    labels_multiplied: int = 32
    classes_multiplied: int = 64
    pairs_per_interval: int = 2**16


DEFAULT_SIZES = Sizes()
