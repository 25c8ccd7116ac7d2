"""The rows that a search leaves out with each row: its group, its neighbours, or the future."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from nwkr._arrays import as_numpy
from nwkr._base import NadarayaWatsonBase
from nwkr._validation import Interval

__all__ = ["LeftOut"]


class LeftOut(NadarayaWatsonBase):
    """An estimator that leaves out groups, gaps or the future."""

    _parameter_constraints: dict = {
        **NadarayaWatsonBase._parameter_constraints,
        "gap": [Interval(Real, 0, None, closed="left"), tuple, list, None],
    }

    def _fit_without_groups(self, X, y, sample_weight, groups):
        """Fit, and predict each row without the rows of its group."""
        return self._fit(X, y, sample_weight, groups=as_numpy("groups", groups))

    def _check_left_out(self, by_criterion):
        """Check that the rows left out are compatible with the scoring."""
        if self._order is None:
            return
        for name in ("gap", "one_sided"):
            value = getattr(self, name)
            if self.cv is not None and value is not None:
                raise ValueError(
                    f"{name}={value!r} needs cv=None, because it defines the rows to leave out; "
                    f"got cv={self.cv!r}."
                )
        if by_criterion:
            raise ValueError(
                f"scoring={self.scoring!r} evaluates the fit to all rows and ignores groups, gap "
                f"and one_sided; choose another scoring."
            )

    def _to_predict(self):
        """Numbers of the keys that can be predicted, in the order of the training rows."""
        by_number = np.argsort(self._rows)  # makes a choice independent of the internal order
        by_number = by_number[self._predictable()[self._rows[by_number]]]
        if not len(by_number) and self._order is None:
            raise ValueError(
                "No row can be predicted from another: all distances between different rows are "
                "infinite. Pass finite distances for pairs that count."
            )
        if not len(by_number):
            raise ValueError(
                f"No row can be predicted from another: gap={self.gap!r}, "
                f"one_sided={self.one_sided!r} and groups leave out all other rows. There must be "
                f"at least 2 groups (with weight), and the gap must be shorter than the data."
            )
        return by_number

    def _without(self, attention, rows):
        """The attention of some rows, with the rows that they leave out."""
        if self._order is None:
            return attention
        return attention.replace(mask=self._order.left_out(self._rows, self._rows[rows]))

    def _splits(self, X, y):
        """The splits of `cv`, by the groups if they are given."""
        if self._order is None:
            return self.cv
        groups = self._order.places
        if len(groups) != len(X):  # rows without weight are ignored
            groups = groups[self._rows]
        return list(check_cv(self.cv, y, classifier=is_classifier(self)).split(X, y, groups))
