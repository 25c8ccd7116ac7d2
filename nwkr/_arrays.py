"""Conversion between NumPy and other array libraries, such as tensors on a GPU.

Inputs are converted to NumPy once, and results are converted back. Only pairs of queries and keys
are computed on the device of the arrays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from sklearn import get_config

from nwkr._validation import (
    HAS_NAMESPACES,
    _convert_to_numpy,
    _max_precision_float_dtype,
    array_namespace,
    get_namespace_and_device,
)

__all__ = ["Arrays", "as_numpy", "library_of"]

# Libraries to which scikit-learn dispatches. NumPy converts all other arrays.
_LIBRARIES = ("array_api_strict", "cupy", "torch")


@dataclass(frozen=True)
class Arrays:
    """Arrays of a library, on a device, with a floating type.

    Attributes
    ----------
    like : array of shape (0,)
        An example.
    """

    like: Any

    @classmethod
    def of(cls, array: Any) -> Arrays | None:
        """The kind of an array; None if it is treated as a NumPy array.

        All arrays are, unless scikit-learn dispatches: ``set_config(array_api_dispatch=True)``.
        """
        dispatches = HAS_NAMESPACES and get_config()["array_api_dispatch"]
        if not dispatches or library_of(array) is None:
            return None
        xp, _, device = get_namespace_and_device(array)  # refuses unsupported arrays
        widest = _max_precision_float_dtype(xp, device)
        real = xp.isdtype(array.dtype, "real floating")
        return cls(xp.empty(0, dtype=array.dtype if real else widest, device=device))

    def __reduce__(self):
        return Arrays, (self.like,)

    @cached_property
    def xp(self) -> Any:
        """The namespace."""
        return array_namespace(self.like)

    @property
    def library(self) -> str:
        """The name of the library."""
        return library_of(self.like) or "numpy"

    @property
    def device(self) -> Any:
        """The device."""
        return self.like.device

    @cached_property
    def widest(self) -> Any:
        """The most precise floating type of the device: float64 or float32."""
        return _max_precision_float_dtype(self.xp, self.device)

    @property
    def has_float64(self) -> bool:
        """Whether the device has float64."""
        return self.widest == self.xp.float64

    @property
    def on_host(self) -> bool:
        """Whether the device is a CPU, which has caches and few threads."""
        return "cpu" in str(self.device).lower()

    def take(self, array: np.ndarray, dtype: Any = None) -> Any:
        """Convert a NumPy array to this library; by default with its type, if the device has it."""
        if dtype is None and array.dtype == np.float64:
            dtype = self.widest
        if dtype == self.xp.float32:
            array = array.astype(np.float32, copy=False)
        if not array.flags.writeable or not array.flags.c_contiguous:
            array = array.copy(order="C")
        return self.xp.asarray(array, dtype=dtype, device=self.device)

    def give(self, array: np.ndarray) -> Any:
        """Convert a NumPy array to this library; real numbers get the type of `like`."""
        if array.dtype.kind != "f":
            return self.take(array)
        return self.xp.astype(self.take(array), self.like.dtype, copy=False)

    def numpy(self, array: Any) -> np.ndarray:
        """Convert an array of this library to NumPy."""
        return _convert_to_numpy(array, self.xp)

    @contextmanager
    def in_full(self) -> Iterator[None]:
        """Compute products with full precision and without gradients, for any user settings."""
        if self.library != "torch":
            yield
            return
        torch = sys.modules["torch"]
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False), _all_digits(torch):
            yield


# Number of threads that need full precision, and the user's settings before the first one.
_lock = Lock()
_asking = [0]
_before: list[Any] = []


@contextmanager
def _all_digits(torch):
    """No TensorFloat-32 or bfloat16 in products, as long as a thread needs full precision."""
    products = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    in_full: Any
    # The settings of PyTorch 2.9 and later, and of earlier versions.
    name, in_full = "fp32_precision", "ieee"
    if not all(hasattr(product, name) for product in products):
        products, name, in_full = products[:1], "allow_tf32", False
    with _lock:
        if not _asking[0]:
            _before[:] = [getattr(product, name) for product in products]
            for product in products:
                setattr(product, name, in_full)
        _asking[0] += 1
    try:
        yield
    finally:
        with _lock:
            _asking[0] -= 1
            if not _asking[0]:
                for product, precision in zip(products, _before):
                    setattr(product, name, precision)


def library_of(array: Any) -> str | None:
    """Name of the library of an array; None for NumPy and arrays that NumPy converts."""
    names = (cls.__module__.partition(".")[0] for cls in type(array).__mro__)
    return next((name for name in names if name in _LIBRARIES), None)


def as_numpy(name: str, data: Any) -> Any:
    """An array of another library converted to NumPy; other data unchanged.

    Parameters
    ----------
    name : str
        Name of the data in messages.
    data : object
        An array, or other data.

    Returns
    -------
    data : object
        An ndarray if the data were an array of another library.

    Raises
    ------
    ValueError
        If NumPy cannot read its numbers, or if it requires gradients.
    """
    library = library_of(data)
    if library is None:
        foreign = hasattr(data, "__array_namespace__") and not isinstance(data, np.ndarray)
        return np.asarray(data) if foreign else data  # otherwise dispatching keeps JAX arrays
    if getattr(data, "requires_grad", False):
        raise ValueError(
            f"{name} must not require gradients, which nwkr does not support; got a tensor with "
            f"requires_grad=True. Pass {name}.detach()."
        )
    if str(data.dtype) == "torch.bfloat16":  # NumPy does not have this type
        data = data.float()
    try:
        return _convert_to_numpy(data, sys.modules[library])
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{name} must hold numbers that NumPy can read: {error}") from error
