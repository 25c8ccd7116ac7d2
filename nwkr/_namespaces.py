"""Results in the array library, on the device and with the floating type of `X`.

An estimator stores the kind of its training rows in an empty array, `_like`. All its other arrays
are NumPy arrays, in one object, because scikit-learn expects array attributes to have the kind of
`X`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from nwkr._arrays import Arrays, as_numpy, library_of
from nwkr._validation import check_same_namespace

__all__ = ["OnHost", "follows_X", "in_numpy", "like_of", "numpy_only", "shown"]


class OnHost:
    """An attribute whose arrays are always NumPy arrays."""

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, estimator, owner=None) -> Any:
        if estimator is None:
            return self
        try:
            return vars(estimator)["_on_host"].attributes[self._name]
        except KeyError:
            raise AttributeError(f"{self._name} is set by fit") from None

    def __set__(self, estimator, value):
        before = vars(estimator).get("_on_host", _Held({})).attributes
        vars(estimator)["_on_host"] = _Held(before | {self._name: value})


class _Held:
    """Attributes by name. Instances never change, so that an estimator can be restored."""

    def __init__(self, attributes):
        self.attributes = attributes


def like_of(X: Any, y: Any) -> Any:
    """An empty array of the kind of the results for training rows.

    Parameters
    ----------
    X, y : array-like
        Rows and targets, as passed.

    Returns
    -------
    like : array of shape (0,)
        An array with the library, the device and the floating type of `X`. For NumPy it is float64,
        except for float32 rows with labels or integer targets, as in scikit-learn.
    """
    arrays = Arrays.of(X)
    if arrays is not None:
        return arrays.like
    X, y = as_numpy("X", X), as_numpy("y", y)
    short = getattr(X, "dtype", None) == np.float32 and isinstance(y, np.ndarray)
    return np.empty(0, np.float32 if short and y.dtype.kind != "f" else np.float64)


def in_numpy(**data: Any) -> list[Any]:
    """Data by name, with arrays of other libraries converted to NumPy."""
    return [as_numpy(name, each) for name, each in data.items()]


def shown(attribute: Any, arrays: Arrays | None) -> Any:
    """A public attribute: an array has the kind of `X`."""
    if arrays is None or not isinstance(attribute, np.ndarray):
        return attribute
    return arrays.take(attribute)


def follows_X(method: Callable) -> Callable:
    """Decorate a method that returns NumPy arrays, to return arrays of the kind of `X`."""

    @wraps(method)
    def respond(self, *args, **options):
        check_is_fitted(self)
        X = args[0] if args else options.get("X")
        return _given(method(self, *args, **options), _home(self, X, method), self._like)

    return respond


def numpy_only(method: Callable) -> Callable:
    """Decorate a method that supports only NumPy arrays, to refuse others by name."""

    @wraps(method)
    def respond(self, *args, **options):
        check_is_fitted(self)
        arrays = _home(self, args[0] if args else options.get("X"), method)
        if arrays is not None:
            raise ValueError(
                f"{method.__name__} needs NumPy arrays; {type(self).__name__} was fitted on those "
                f"of {arrays.library}. Call it in sklearn.config_context(array_api_dispatch=False)"
                f", where it accepts and returns NumPy arrays."
            )
        return method(self, *args, **options)

    return respond


def _home(estimator, X, method):
    """The kind of arrays for the results of `X`; None for NumPy."""
    fitted = Arrays.of(estimator._like)
    if X is None:
        return fitted
    if fitted is not None or Arrays.of(X) is not None:
        check_same_namespace(X, estimator, attribute="_like", method=method.__name__)
    return Arrays.of(X)


def _given(found, arrays, like):
    if isinstance(found, tuple):
        return tuple(_given(part, arrays, like) for part in found)
    if arrays is not None and issparse(found):
        raise ValueError(
            f"sparse_output=True needs NumPy arrays; got X as an array of {arrays.library}. Use "
            f"top_k without sparse_output to keep only the largest weights."
        )
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
        return found
    if arrays is not None:
        return arrays.give(found)
    if found.dtype.kind != "f" or library_of(like) is not None:
        return found
    return found.astype(like.dtype, copy=False)
