"""Checks of the parameters of a search."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn.base import is_regressor

from nwkr._arrays import Arrays
from nwkr._base import NadarayaWatsonBase
from nwkr._left_out import LeftOut
from nwkr._matrix_bandwidth import refuse_matrix
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
        "n_components": [Interval(Integral, 1, None, closed="left"), StrOptions({"all"}), None],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "subsample": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "random_state": ["random_state"],
    }
    _parameter_constraints.pop("bandwidth")

    _plain_class: type[NadarayaWatsonBase]  # the same without a search
    _default_scoring: str

    @property
    def _scoring(self):
        """The scoring in use."""
        return self._default_scoring if self.scoring is None else self.scoring

    def _per_feature_lacks(self):
        """The reason why there cannot be one bandwidth for each feature; None if there can."""
        criteria = list(CRITERIA) if is_regressor(self) else []
        for name, allowed in (
            ("cv", [None]),
            ("metric", ["euclidean"]),
            ("scoring", [None, self._default_scoring, *criteria]),
        ):
            value = getattr(self, name)
            if value not in allowed:
                choice = f"={allowed[0]!r}" if len(allowed) == 1 else f" from {allowed}"
                return (
                    f"{name}{choice}, because it needs derivatives of the loss; "
                    f"got {name}={value!r}"
                )
        if self.kernel_.derivative is None:
            return f"a kernel with a derivative; got kernel {self.kernel_.name!r}, which has none"
        return None

    def _check_search(self):
        if not isinstance(self.bandwidths, str) and len(self.bandwidths) == 0:
            raise ValueError("bandwidths must be 'auto' or at least one bandwidth; got none.")
        if not isinstance(self.bandwidths, str) and (arrays := Arrays.of(self._like)):
            for bandwidth in self.bandwidths:
                refuse_matrix(bandwidth, f"X as an array of {arrays.library}")
        own = [name for name in CRITERIA if name == self.scoring]
        if own and (not is_regressor(self) or self.cv is not None):
            raise ValueError(
                f"scoring={self.scoring!r} is a criterion of regression with cv=None; choose "
                f"another scoring."
            )
        self._check_left_out(bool(own))
        wanted = self.per_feature != "auto" and self.per_feature
        if wanted and (lacks := self._per_feature_lacks()):
            raise ValueError(f"per_feature=True needs {lacks}.")
        if self.n_components is not None:
            self._check_projection()

    def _check_projection(self):
        """Refuse a projection where none can be learned."""
        name = f"n_components={self.n_components!r}"
        if lacks := self._per_feature_lacks():
            raise ValueError(f"{name} needs {lacks}.")
        if self._order is not None:
            raise ValueError(
                f"{name} predicts each row from all others, so it cannot be combined with groups, "
                f"gap or one_sided. Use n_components=None."
            )
        if arrays := Arrays.of(self._like):
            raise ValueError(
                f"{name} needs NumPy arrays or data frames; got X as an array of "
                f"{arrays.library}. Use n_components=None."
            )
        self._columns.require_plain(name)
        self._columns.require_all_there(name, self._X[self._rows])
        n_features = self._columns.n_features
        if not isinstance(self.n_components, str) and self.n_components > n_features:
            raise ValueError(
                f"n_components must be at most the number of features, {n_features}; got "
                f"{self.n_components}. Use 'all' for all features."
            )
