"""Every private name of scikit-learn that nwkr uses, and nothing else."""

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_sample_weight

__all__ = ["Interval", "StrOptions", "_check_sample_weight", "_fit_context"]


class Interval(_Interval):
    """An interval that True and False do not lie in, though Python has them for 1 and 0."""

    def is_satisfied_by(self, val):
        """Whether a parameter is a number within the interval."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)
