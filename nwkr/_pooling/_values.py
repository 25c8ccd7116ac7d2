"""Products of values and key weights, for all keys or for visited keys.

Values that are mostly 0, such as one-hot classes if there are many, are sparse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from nwkr._pooling._product import pick

__all__ = ["ValuesOnDemand", "WeightedValues", "as_dense"]


class ValuesOnDemand:
    """Values that are computed on demand for visited keys.

    Parameters
    ----------
    make : callable
        ``make(*parts)`` returns the values of some keys, from the parts of the sources for these
        keys.
    n_values : int
        Number of values of a key.
    *sources : ndarray of shape (n_keys, ...)
        The arrays from which values are computed.
    """

    def __init__(self, make: Callable[..., np.ndarray], n_values: int, *sources: np.ndarray):
        self._make, self._sources = make, sources
        self.shape = len(sources[0]), n_values

    def __getitem__(self, cols: slice | np.ndarray) -> np.ndarray:
        return self._make(*(pick(source, cols) for source in self._sources))


class WeightedValues:
    """Key weights, and the values times these, for all keys or for visited keys.

    Parameters
    ----------
    weights : ndarray of shape (n_keys,)
        Weights of the keys.
    values : ndarray, CSR array or ValuesOnDemand, of shape (n_keys, n_values)
        Their values. If they are sparse, so are the products.
    """

    def __init__(self, weights: np.ndarray, values: Any):
        self.weights, self._values = weights, values
        self._all: Any = None

    @property
    def sparse(self) -> bool:
        """Whether the values are sparse."""
        return sparse.issparse(self._values)

    def __len__(self):
        return 1 + self._values.shape[1]

    @property
    def all(self) -> Any:
        """Weights and weighted values of all keys, of shape (1 + n_values, n_keys)."""
        if self._all is None:
            self._all = self._weigh(self.weights, self._values[:])
        return self._all

    def take(self, cols: slice | np.ndarray) -> Any:
        """Weights and weighted values of some keys, of shape (1 + n_values, n_cols)."""
        if self._all is not None:
            return pick(self._all, cols, axis=1)
        of_cols = isinstance(self._values, np.ndarray)
        values = pick(self._values, cols) if of_cols else self._values[cols]
        return self._weigh(pick(self.weights, cols), values)

    @staticmethod
    def _weigh(weights, values):
        if sparse.issparse(values):
            columns = sparse.csr_array(weights[:, None]), values.multiply(weights[:, None])
            return sparse.hstack(columns, format="csr").T
        weighted = np.empty((1 + values.shape[1], len(weights)))
        weighted[0] = weights
        np.multiply(values.T, weights, out=weighted[1:])
        return weighted


def as_dense(values: Any) -> np.ndarray:
    """Values as an ndarray."""
    return values.toarray() if sparse.issparse(values) else values
