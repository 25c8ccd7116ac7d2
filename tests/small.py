"""The estimators with pieces so small that a hundred rows make several levels of blocks."""

import means

import nwkr
from nwkr._pooling import Sizes

SMALL = Sizes(
    least_keys=2,
    keys_per_block=8,
    blocks_per_group=3,
    queries_per_block=16,
    queries_per_group=15,
    least_queries_per_block=4,
    pairs_per_visit=300,
    blocks_within=0,
    pairs_per_moment=0,
)


class NadarayaWatsonRegressor(nwkr.NadarayaWatsonRegressor):
    """In small pieces."""

    _sizes = SMALL


class NadarayaWatsonClassifier(nwkr.NadarayaWatsonClassifier):
    """In small pieces."""

    _sizes = SMALL


class NadarayaWatsonRegressorCV(means.NadarayaWatsonRegressorCV):
    """In small pieces."""

    _sizes = SMALL


class NadarayaWatsonClassifierCV(means.NadarayaWatsonClassifierCV):
    """In small pieces."""

    _sizes = SMALL
