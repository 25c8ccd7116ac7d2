"""The formula of a function of the distance, found by calling it with a symbol.

Equal weights at some distances do not prove that two functions are equal. But a function that uses
NumPy's arithmetic can be called with a symbol, which records the formula. Formulas of the form

    factor * outer(polynomial in u) ** power,    outer one of exp, max(0, .), 0 <= .

have one normal form, so that equivalent formulas are equal. Other formulas are unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["Formula", "formula_of", "kernel_of_formula"]

# Functions of PyTorch with another name in NumPy.
_OF_TORCH = {"max": "maximum", "pow": "power", "le": "less_equal", "ge": "greater_equal"}
_CONSTANTS_LIKE = {np.zeros_like: 0.0, np.ones_like: 1.0}
# Coefficients are equal if they differ by less, which is a few rounding errors.
_EQUAL_WITHIN = 1e-15


class _UnknownError(TypeError):
    """A step without a normal form."""


@dataclass(frozen=True, eq=False)
class Formula(NDArrayOperatorsMixin):
    """A function of the distance ``u >= 0``, in normal form.

    Parameters
    ----------
    inner : tuple of float, default=(0.0, 1.0)
        Coefficients of the polynomial in u, the constant first; u itself by default.
    outer : {"", "exp", "maximum", "less_equal"}, default=""
        The function of the polynomial: none, its exponential, its maximum with 0, or 1 if it is at
        least 0, else 0.
    power : int, default=1
        The power of the result.
    factor : float, default=1.0
        The factor of the result.
    """

    inner: tuple[float, ...] = (0.0, 1.0)
    outer: str = ""
    power: int = 1
    factor: float = 1.0

    def same(self, other: Formula) -> bool:
        """Whether two formulas are equal up to a positive factor and rounding."""
        if (self.outer, self.power) != (other.outer, other.power):
            return False
        (own, of_other), factor = (np.trim_zeros(f.inner, "b") for f in (self, other)), self.factor
        if not self.outer and len(own) == len(of_other) == 1:
            factor, own, of_other = own[0], (1.0,), (1.0,)
        if len(own) != len(of_other) or not 0 < factor < np.inf:
            return False
        return np.allclose(own, of_other, rtol=_EQUAL_WITHIN, atol=0)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        rule = _RULES.get(ufunc)
        if rule is None or method != "__call__" or kwargs:
            raise _UnknownError(f"{ufunc.__name__} has no normal form")
        return rule(*map(_formula, inputs))

    def __array_function__(self, function, types, args, kwargs):
        if function not in _CONSTANTS_LIKE or len(args) != 1 or kwargs:
            raise _UnknownError(f"{function.__name__} has no normal form")
        return Formula((_CONSTANTS_LIKE[function],))

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        name = _OF_TORCH.get(function.__name__, function.__name__)
        if not hasattr(np, name):
            raise _UnknownError(f"{name} has no normal form")
        return getattr(np, name)(*args, **(kwargs or {}))

    def __array__(self, *args, **kwargs):
        raise _UnknownError("a symbol has no numbers")

    def __bool__(self):
        raise _UnknownError("a symbol is neither true nor false")


def formula_of(function: Callable) -> Formula | None:
    """Formula of a function of the distance; None if it has no normal form.

    Parameters
    ----------
    function : callable
        A function of an array.

    Returns
    -------
    formula : Formula or None
        The formula.
    """
    try:
        with np.errstate(all="ignore"):
            found = function(Formula())
    except Exception:  # a function not made for symbols may raise anything
        return None
    return found if isinstance(found, Formula) else None


def kernel_of_formula(function: Callable) -> str:
    """Name of the kernel with this formula, up to a factor and rounding; "" if there is none."""
    formula = formula_of(function)
    if formula is None:
        return ""
    return next((name for name, known in _known().items() if formula.same(known)), "")


@cache
def _known():
    functions = {
        "gaussian": lambda u: np.exp(-(u**2) / 2),
        "exponential": lambda u: np.exp(-u),
        "boxcar": lambda u: u <= 1,
        "triangular": lambda u: np.maximum(0, 1 - u),
        "epanechnikov": lambda u: np.maximum(0, 1 - u**2),
        "biweight": lambda u: np.maximum(0, 1 - u**2) ** 2,
        "triweight": lambda u: np.maximum(0, 1 - u**2) ** 3,
        "tricube": lambda u: np.maximum(0, 1 - u**3) ** 3,
        "constant": lambda u: 1 + 0 * u,
    }
    return {name: formula_of(function) for name, function in functions.items()}


def _formula(value: Any) -> Formula:
    if isinstance(value, Formula):
        return value
    if not isinstance(value, Real | np.bool_) or not np.isfinite(float(value)):
        raise _UnknownError(f"{type(value).__name__} is not a number")
    return Formula((float(value),))


def _polynomial(formula):
    if formula.outer:
        raise _UnknownError("not a polynomial")
    return np.array(formula.inner)


def _constant(formula):
    polynomial = _polynomial(formula)
    if polynomial[1:].any():
        raise _UnknownError("not a constant")
    return float(polynomial[0])


def _negative(a):
    return _multiply(a, Formula((-1.0,)))


def _add(a, b):
    return Formula(tuple(np.polynomial.polynomial.polyadd(_polynomial(a), _polynomial(b))))


def _subtract(a, b):
    return _add(a, _negative(b))


def _multiply(a, b):
    if b.outer:
        a, b = b, a
    if a.outer:
        return replace(a, factor=a.factor * _constant(b))
    return Formula(tuple(np.polynomial.polynomial.polymul(_polynomial(a), _polynomial(b))))


def _divide(a, b):
    divisor = _constant(b)
    if not divisor:
        raise _UnknownError("division by 0")
    if a.outer:
        return replace(a, factor=a.factor / divisor)
    return Formula(tuple(_polynomial(a) / divisor))


def _power(a, b):
    power = _constant(b)
    if not (power.is_integer() and 1 <= power <= 9):
        raise _UnknownError("not a small power")
    if a.outer == "exp":
        raise _UnknownError("a power of an exponential")
    if a.outer:
        return replace(a, power=a.power * int(power), factor=a.factor**power)
    return Formula(tuple(np.polynomial.polynomial.polypow(_polynomial(a), int(power))))


def _square(a):
    return _power(a, Formula((2.0,)))


def _absolute(a):
    polynomial = np.abs(_polynomial(a))
    if np.count_nonzero(polynomial) > 1:
        raise _UnknownError("a sum may change its sign")
    return Formula(tuple(polynomial))


def _exp(a):
    polynomial = _polynomial(a)
    return Formula((0.0, *polynomial[1:]), "exp", factor=float(np.exp(polynomial[0])))


def _maximum(a, b):
    """The maximum of a polynomial and 0, with a factor such that the polynomial is 1 at 0."""
    if not _polynomial(a).any():
        a, b = b, a
    polynomial, scale = _polynomial(a), abs(_polynomial(a)[0])
    if _polynomial(b).any() or not scale:
        raise _UnknownError("not what is above 0")
    return Formula(tuple(polynomial / scale), "maximum", factor=scale)


def _less_equal(a, b):
    return Formula(_subtract(b, a).inner, "less_equal")


def _greater_equal(a, b):
    return _less_equal(b, a)


_RULES: dict[np.ufunc, Callable[..., Formula]] = {
    np.negative: _negative,
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: _divide,
    np.power: _power,
    np.square: _square,
    np.absolute: _absolute,
    np.fabs: _absolute,
    np.exp: _exp,
    np.maximum: _maximum,
    np.less_equal: _less_equal,
    np.greater_equal: _greater_equal,
}
