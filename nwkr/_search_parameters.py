"""Checks of the parameters of a search."""

from __future__ import annotations

from numbers import Integral, Real

from nwkr._base import NadarayaWatsonBase
from nwkr._left_out import LeftOut
from nwkr._mapped_columns import refuse_matrix
from nwkr._progress import Progress
from nwkr._scoring import CRITERIA
from nwkr._validation import Interval, StrOptions

__all__ = ["SearchParameters"]


class SearchParameters(Progress, LeftOut):
    """The parameters of a search, and checks of their combinations."""

    _parameter_constraints: dict = {
        **LeftOut._parameter_constraints,
        "bandwidths": [StrOptions({"auto"}), "array-like"],
        "per_feature": ["boolean", StrOptions({"auto"})],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "subsample": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "random_state": ["random_state"],
    }
    _parameter_constraints.pop("bandwidth")

    _plain_class: type[NadarayaWatsonBase]  # the same without a search
    _default_scoring: str

    def _per_feature_lacks(self):
        """The reason why there cannot be one bandwidth for each feature; None if there can."""
        criteria = list(CRITERIA) if self._default_scoring == "neg_mean_squared_error" else []
        for name, allowed in (
            ("cv", [None]),
            ("metric", ["euclidean"]),
            ("scoring", [None, self._default_scoring, *criteria]),
        ):
            value = getattr(self, name)
            if value not in allowed:
                return (
                    f"{name} from {allowed}, because it needs derivatives of the loss; "
                    f"got {name}={value!r}"
                )
        if self.kernel_.derivative is None:
            return f"a kernel with a derivative; got kernel {self.kernel_.name!r}, which has none"
        return None

    def _check_search(self):
        if not isinstance(self.bandwidths, str) and len(self.bandwidths) == 0:
            raise ValueError("bandwidths must be 'auto' or at least one bandwidth; got none.")
        if not isinstance(self.bandwidths, str):
            for bandwidth in self.bandwidths:
                refuse_matrix(bandwidth, "A search over bandwidths")
        own = [name for name in CRITERIA if name == self.scoring]
        if own and (self._default_scoring != "neg_mean_squared_error" or self.cv is not None):
            raise ValueError(
                f"scoring={self.scoring!r} is a criterion of regression with cv=None; choose "
                f"another scoring."
            )
        self._check_left_out(bool(own))
        if self.per_feature == "auto" or not self.per_feature:
            return
        if lacks := self._per_feature_lacks():
            raise ValueError(f"per_feature=True needs {lacks}.")
