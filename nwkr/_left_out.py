"""The rows that a search leaves out with each row: its group, its neighbours, or the future."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from nwkr._arrays import as_numpy
from nwkr._base import NadarayaWatsonBase
from nwkr._validation import Interval, _fit_context

__all__ = ["LeftOut"]


class LeftOut(NadarayaWatsonBase):
    """An estimator that leaves out groups, gaps or the future."""

    _parameter_constraints: dict = {
        **NadarayaWatsonBase._parameter_constraints,
        "gap": [Interval(Real, 0, None, closed="left"), tuple, list, None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Store the training rows, and choose the bandwidth.

        The data are copied, so later changes of the arrays have no effect.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows: the keys. Their distances, (n_samples, n_samples), if
            ``metric="precomputed"``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets: the values. Class labels, of shape (n_samples,), for the classifier.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A row with weight k equals k copies. A row with weight 0 (or less than 1e-290
            of the largest) is ignored. If the sum of the weights is less than the effective number
            of rows, ``sum(w)^2 / sum(w^2)``, rules of thumb use the latter as the number of rows.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups of related rows, such as measurements of one patient, or copies of one
            row. Each row is predicted without all rows of its group. With `cv`, these are the
            groups for its splits.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The estimator is then unchanged.
        """
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
