"""Arrays of other namespaces than NumPy, such as tensors on a GPU: there and back.

NumPy stands at both ends: whatever comes is moved to the host once, what goes out is moved back.
Only pairs of queries and keys are made where the arrays came from.
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

# Those that scikit-learn dispatches to. Arrays of any other are taken as NumPy takes them.
_LIBRARIES = ("array_api_strict", "cupy", "torch")


@dataclass(frozen=True)
class Arrays:
    """The arrays of a library, on a device, in a type of numbers.

    Attributes
    ----------
    like : array of shape (0,)
        One of them.
    """

    like: Any

    @classmethod
    def of(cls, array: Any) -> Arrays | None:
        """Those that an array is one of; None if it is taken as one of NumPy.

        So is everything unless scikit-learn dispatches: ``set_config(array_api_dispatch=True)``.
        """
        dispatches = HAS_NAMESPACES and get_config()["array_api_dispatch"]
        if not dispatches or library_of(array) is None:
            return None
        xp, _, device = get_namespace_and_device(array)  # refuses what it cannot dispatch to
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
        """The type of numbers with the most digits that the device has: float64 or float32."""
        return _max_precision_float_dtype(self.xp, self.device)

    @property
    def has_float64(self) -> bool:
        """Whether the device has float64."""
        return self.widest == self.xp.float64

    @property
    def on_host(self) -> bool:
        """Whether the device is a processor, which has caches and few threads."""
        return "cpu" in str(self.device).lower()

    def take(self, array: np.ndarray, dtype: Any = None) -> Any:
        """A NumPy array, as one of these; of its own type by default, if the device has that."""
        if dtype is None and array.dtype == np.float64:
            dtype = self.widest
        if dtype == self.xp.float32:
            array = array.astype(np.float32, copy=False)
        if not array.flags.writeable or not array.flags.c_contiguous:
            array = array.copy(order="C")
        return self.xp.asarray(array, dtype=dtype, device=self.device)

    def give(self, array: np.ndarray) -> Any:
        """A NumPy array, as one of these; real numbers in the type of `like`."""
        if array.dtype.kind != "f":
            return self.take(array)
        return self.xp.astype(self.take(array), self.like.dtype, copy=False)

    def numpy(self, array: Any) -> np.ndarray:
        """One of these, in NumPy."""
        return _convert_to_numpy(array, self.xp)

    @contextmanager
    def in_full(self) -> Iterator[None]:
        """Have products keep all digits, and no gradients, whatever the user has switched on."""
        if self.library != "torch":
            yield
            return
        torch = sys.modules["torch"]
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False), _all_digits(torch):
            yield


# How many ask for all digits, from several threads; and what the user had before the first did.
_lock = Lock()
_asking = [0]
_before: list[Any] = []


@contextmanager
def _all_digits(torch):
    """Neither TensorFloat-32 nor bfloat16 in products, as long as anyone asks for that."""
    products = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]
    in_full: Any
    # In the words of PyTorch 2.9, and of those before.
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
    """Name of the library of an array; None for NumPy, and what is taken as NumPy takes it."""
    names = (cls.__module__.partition(".")[0] for cls in type(array).__mro__)
    return next((name for name in names if name in _LIBRARIES), None)


def as_numpy(name: str, data: Any) -> Any:
    """What an array of another library holds, in NumPy; anything else as it is.

    Parameters
    ----------
    name : str
        What the data are called in messages.
    data : object
        An array, or anything else.

    Returns
    -------
    data : object
        An ndarray, if it was an array of another library.

    Raises
    ------
    ValueError
        If it holds no numbers that NumPy could read, or is part of a computation of gradients.
    """
    library = library_of(data)
    if library is None:
        foreign = hasattr(data, "__array_namespace__") and not isinstance(data, np.ndarray)
        return np.asarray(data) if foreign else data  # as of JAX, which dispatching would keep
    if getattr(data, "requires_grad", False):
        raise ValueError(
            f"{name} must not require gradients, for none go through nwkr; got a tensor with "
            f"requires_grad=True. Pass {name}.detach()."
        )
    if str(data.dtype) == "torch.bfloat16":  # which NumPy does not have
        data = data.float()
    try:
        return _convert_to_numpy(data, sys.modules[library])
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{name} must hold numbers that NumPy can read: {error}") from error
