"""From a metric to pairs: euclidean, precomputed, or any other that scikit-learn knows."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import pairwise_distances

from nwkr._pooling._euclidean import euclidean_pairs
from nwkr._pooling._pairs import Pairs

__all__ = ["MetricPairs", "pairs_of"]


def pairs_of(
    queries,
    keys,
    bandwidth,
    metric="euclidean",
    leave_out=None,
    query_widths=None,
    key_widths=None,
) -> Pairs:
    """Pair queries with keys under a metric.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Queries; if precomputed, their distances to the keys, (n_queries, n_keys).
    keys : ndarray of shape (n_keys, n_features)
        Keys; if precomputed, any array of as many rows.
    bandwidth : ndarray of shape (n_features,) or float
        Scale of each column for the euclidean metric, of the distance for all others.
    metric : str or callable, default="euclidean"
        "precomputed", or any metric of :func:`sklearn.metrics.pairwise_distances`.
    leave_out : ndarray of shape (n_queries,) or None, default=None
        For each query, the number of the key that it leaves out; -1 for none.
    query_widths, key_widths : ndarray of shape (n_queries,) and (n_keys,) or None, default=None
        Factors of the bandwidth, by query or by key, not both.

    Returns
    -------
    pairs : Pairs
        The pairs.
    """
    pairs: Pairs
    if metric == "euclidean":
        pairs = euclidean_pairs(queries, keys, bandwidth)
    else:
        pairs = MetricPairs(queries, keys, bandwidth, metric)
    assert query_widths is None or key_widths is None
    pairs.leave_out = leave_out
    if query_widths is not None:
        # A width of 0 is the limit of a narrow window: what is apart does not count.
        pairs.exact_queries = query_widths == 0
        pairs.query_factors = np.where(pairs.exact_queries, 1.0, query_widths) ** -2.0
    if key_widths is not None:
        pairs.key_factors = key_widths**-2.0
    return pairs


class MetricPairs(Pairs):
    def __init__(self, queries, keys, bandwidth, metric):
        super().__init__(len(queries), len(keys), np.float64)
        self._queries, self._keys = queries, keys
        self._bandwidth, self._metric = bandwidth, metric

    def _distances(self, rows, cols):
        if self._metric == "precomputed":
            return self._queries[rows][:, cols].astype(float)
        distances = pairwise_distances(self._queries[rows], self._keys[cols], metric=self._metric)
        if not (distances >= 0).all():
            raise ValueError(
                f"metric must give distances, which are not negative; {self._metric!r} gave "
                f"{distances.min()}."
            )
        return distances

    def _base_squares(self, rows, cols):
        distances = self._distances(rows, cols)
        # The limits of the bandwidth: pairs that are apart do not count for 0.
        distances /= self._bandwidth if self._bandwidth > 0 else np.inf
        return np.square(distances, out=distances)

    def mismatch_distances(self, rows, cols=slice(None)):
        return None if self._bandwidth > 0 else self._distances(rows, cols)

    def mismatched(self, rows, cols=slice(None)):
        if self._bandwidth > 0:
            return super().mismatched(rows, cols)
        return self._distances(rows, cols) > 0
