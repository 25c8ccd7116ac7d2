"""Values times the weights of their keys: of all, or of those that are looked at."""

from __future__ import annotations

import numpy as np

from nwkr._pooling._product import pick

__all__ = ["WeightedValues"]


class WeightedValues:
    """Key weights, and the values times these: for all keys, or for those that are looked at.

    Parameters
    ----------
    weights : ndarray of shape (n_keys,)
        Weights of the keys.
    values : ndarray of shape (n_keys, n_values)
        Their values; anything that can be indexed by numbers of keys and has a shape.
    """

    def __init__(self, weights: np.ndarray, values: np.ndarray):
        self.weights, self._values = weights, values
        self._all: np.ndarray | None = None

    def __len__(self):
        return 1 + self._values.shape[1]

    @property
    def all(self) -> np.ndarray:
        """Those of all keys, of shape (1 + n_values, n_keys)."""
        if self._all is None:
            self._all = self._weigh(self.weights, self._values)
        return self._all

    def take(self, cols: slice | np.ndarray) -> np.ndarray:
        """Those of some keys, of shape (1 + n_values, n_cols)."""
        if self._all is not None:
            return pick(self._all, cols, axis=1)
        return self._weigh(pick(self.weights, cols), self._values[cols])

    @staticmethod
    def _weigh(weights, values):
        weighted = np.empty((1 + values.shape[1], len(weights)))
        weighted[0] = weights
        np.multiply(values.T, weights, out=weighted[1:])
        return weighted
