"""All private names of scikit-learn that nwkr uses."""

from sklearn.base import _fit_context
from sklearn.utils._array_api import _convert_to_numpy
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints
from sklearn.utils.validation import _check_sample_weight

try:  # scikit-learn 1.9: arrays of other namespaces in all its checks
    from sklearn.utils._array_api import (
        _max_precision_float_dtype,
        array_api_compat,
        check_same_namespace,
        get_namespace_and_device,
    )

    array_namespace = array_api_compat.array_namespace
    HAS_NAMESPACES = True
except ImportError:
    HAS_NAMESPACES = False
    _max_precision_float_dtype = array_namespace = None
    check_same_namespace = get_namespace_and_device = None

__all__ = [
    "HAS_NAMESPACES",
    "Interval",
    "StrOptions",
    "_check_sample_weight",
    "_convert_to_numpy",
    "_fit_context",
    "_max_precision_float_dtype",
    "array_namespace",
    "check_same_namespace",
    "get_namespace_and_device",
    "validate_parameter_constraints",
]


class Interval(_Interval):
    """An interval that does not contain True and False, although Python treats them as 1 and 0."""

    def is_satisfied_by(self, val):
        """Whether a parameter is a number within the interval."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)
