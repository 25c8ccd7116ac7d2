"""Estimators with block sizes so small that a hundred rows make several levels of blocks."""

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
    """The regressor with small blocks."""

    _sizes = SMALL


class NadarayaWatsonClassifier(nwkr.NadarayaWatsonClassifier):
    """The classifier with small blocks."""

    _sizes = SMALL


class NadarayaWatsonRegressorCV(means.NadarayaWatsonRegressorCV):
    """The regressor's search with small blocks."""

    _sizes = SMALL


class NadarayaWatsonClassifierCV(means.NadarayaWatsonClassifierCV):
    """The classifier's search with small blocks."""

    _sizes = SMALL
