"""The engine: from arrays to pooled sums. It does not depend on the estimators.

    _attention   _shared_lattice       one object: queries, keys, window; what is pooled with it;
      |                                a lattice for keys in parts
      |
    _ways                              the ways, and which of them is the fastest
      |
    _way                               what a way is, and what it is asked to pool
      |
    _costs                             what it costs, by processor
      |
    _blocks     _lattice               only pairs that matter; no pairs, for a Gaussian
      |
    _visits                            which keys each block of queries meets
      |
    _neighbourhoods  _moments          which blocks matter; blocks that are within the support
      |
    _prepared                          what follows from the keys alone, made once
      |
    _boxes                             rows in k-d order, in blocks
      |
    _device                            the tiles of _dense where tensors are, as on a GPU
      |
    _dense  _slopes  _gradients        all tiles: their sums; how a loss changes with bandwidth,
      |                                and the sums with the query
    _tiles      _exactly               some pairs, in the cache; what these are uncertain of
      |
    _rows                              rows of weights, exactly
      |
    _metric                            pairs under any metric
      |
    _sphere                            pairs of places, by chords
      |
    _euclidean                         squared scaled distances, plainly or by a product
      |
    _pairs      _product               what all pairs can be asked; the product
      |
    _kinds                             labels, and numbers that may be missing
      |
    _sums  _error_free  _threads       results that merge; what rounding takes; threads
      |
    _exponential                       the quickest exponential on this processor,
      |
    _compiled                          which may be one that numba compiles
      |
    _sizes                             the sizes of tiles, blocks, ...

It uses the terms of attention. In the terms of the estimators these are:

    queries   rows to predict (`X` of `predict`)
    keys      training rows (`X` of `fit`)
    values    their targets (`y`; one-hot classes)
    weights   weights of the training rows (`sample_weight`)
"""

from nwkr._pooling._attention import Attention
from nwkr._pooling._boxes import Blocks, in_blocks
from nwkr._pooling._kinds import Kinds
from nwkr._pooling._lattice import Points
from nwkr._pooling._mask import Mask
from nwkr._pooling._metric import BOUNDED, Metric, distances_between, pairs_of
from nwkr._pooling._pairs import places
from nwkr._pooling._shared_lattice import SharedLattice
from nwkr._pooling._sizes import DEFAULT_SIZES, Sizes
from nwkr._pooling._sphere import on_sphere
from nwkr._pooling._sums import PooledSums
from nwkr._pooling._threads import each, one_blas_thread, slices
from nwkr._pooling._values import ValuesOnDemand, as_dense
from nwkr._pooling._way import Terms
from nwkr._pooling._ways import check_algorithm

__all__ = [
    "BOUNDED",
    "DEFAULT_SIZES",
    "Attention",
    "Blocks",
    "Kinds",
    "Mask",
    "Metric",
    "Points",
    "PooledSums",
    "SharedLattice",
    "Sizes",
    "Terms",
    "ValuesOnDemand",
    "as_dense",
    "check_algorithm",
    "distances_between",
    "each",
    "in_blocks",
    "on_sphere",
    "one_blas_thread",
    "pairs_of",
    "places",
    "slices",
]
