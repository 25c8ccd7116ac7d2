"""The engine: from arrays to pooled sums. It does not depend on the estimators.

The path of a call:

    _attention                     queries, keys, weights and bandwidth, in one object
    _ways                          the choice of an algorithm, which is one of
    _dense, _blocks, _lattice      all pairs; the pairs that matter; no pairs, for a Gaussian
    _tiles                         some of the pairs, few enough for the cache
    _exactly, _rows                queries whose sums tiles cannot resolve, once more
    _sums                          the result, which can be merged with that of other keys

`doc/source.rst` lists all modules, each after those that it imports.

It uses the terms of attention. In the terms of the estimators these are:

    queries   rows to predict (`X` of `predict`)
    keys      training rows (`X` of `fit`)
    values    their targets (`y`; one-hot classes)
    weights   weights of the training rows (`sample_weight`)
"""

from nwkr._pooling._attention import Attention
from nwkr._pooling._boxes import Blocks, in_blocks
from nwkr._pooling._gradients import gradients_through_weights, query_gradients
from nwkr._pooling._kinds import Kinds
from nwkr._pooling._lattice import Points
from nwkr._pooling._mask import Mask
from nwkr._pooling._metric import BOUNDED, Metric, distances_between, pairs_of
from nwkr._pooling._pairs import places
from nwkr._pooling._shared_lattice import SharedLattice
from nwkr._pooling._sizes import DEFAULT_SIZES, Sizes
from nwkr._pooling._slopes import distance_slopes
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
    "distance_slopes",
    "distances_between",
    "each",
    "gradients_through_weights",
    "in_blocks",
    "on_sphere",
    "one_blas_thread",
    "pairs_of",
    "places",
    "query_gradients",
    "slices",
]
