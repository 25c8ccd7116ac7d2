"""The sizes of the pieces that the engine works on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_SIZES", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """How large the pieces are, and from which size on a shortcut is worth while.

    Sizes decide about speed and memory. No result depends on them but for rounding.

    Attributes
    ----------
    queries_per_tile, bytes_per_tile : int
        The largest tile. A megabyte stays in the second-level cache of a core; with much smaller
        ones threads wait for the interpreter's lock.
    pairs_on_device : int
        The same on a device of its own, where few large steps are quicker than many small ones.
        A handful of tiles are in memory at a time.
    least_keys : int
        Fewer keys are not put in blocks, unless a way of pooling asks for these.
    keys_per_block, blocks_per_group : int
        Keys in a block at most, and neighbouring blocks in a group.
    queries_per_block, queries_per_group : int
        Queries in a block at most, and queries that look for their keys together.
    least_queries_per_block, pairs_per_visit : int
        A block of queries that visits more pairs than these is cut, down to so many queries.
    blocks_within, pairs_per_moment : float
        Moments are used where so many blocks of keys are within the support of a query, and a
        moment of a key takes as long as so many pairs.
    keys_per_moments : int
        Keys whose moments are made at once.
    cell_widths : tuple of int
        The widths that a cell of the lattice may have, in points.
    cells_at_once, weights_at_once, rows_at_once : int
        Cells of the lattice at once, and at most so many weights of a product there, of so many
        rows: what these hand to the points stays in the cache.
    keys_per_bin, least_queries_in_bins, least_pairs_in_bins : int
        Quantiles are looked for in bins of at least so many keys, where the queries and their
        pairs with the keys are more than these.
    least_pairs_to_compile : int
        Calls with fewer pairs do not load numba, which takes a second, once.
    labels_multiplied : int
        Columns with more different labels than this are compared instead of multiplied.
    classes_multiplied : int
        Up to so many classes, a product with all is as quick as one with those that are not 0.
    pairs_per_interval : int
        Pairs whose fits without a key are held at once.
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
