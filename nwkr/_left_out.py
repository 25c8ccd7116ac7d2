"""What a search leaves out with each row: nothing else, its group, what is near, the future."""

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
    """Estimates that know what not to predict a row from."""

    _parameter_constraints: dict = {
        **NadarayaWatsonBase._parameter_constraints,
        "gap": [Interval(Real, 0, None, closed="left"), tuple, list, None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Remember the training rows, and find the bandwidth.

        `X` and what follows from the rest are copied: arrays may be changed afterwards.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows: the keys. Their distances, (n_samples, n_samples), if
            ``metric="precomputed"``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets: the values. Class labels, of shape (n_samples,), for the classifier.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights. A weight of k counts as k copies of the row, one of 0 (or less than 1e-290
            of the largest) as no row. Where rows are counted, weights that sum to less than
            their effective number of rows, ``sum(w)^2 / sum(w^2)``, count as that many.
        groups : array-like of shape (n_samples,), default=None
            Labels of groups of rows that belong together: measurements of one patient, copies of
            one row. Each row is predicted without all rows of its group. With `cv`, these are the
            groups for its splits.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described. The estimator is then as it was.
        """
        return self._fit(X, y, sample_weight, groups=as_numpy("groups", groups))

    def _check_left_out(self, by_criterion):
        """Check that what is left out goes together with how candidates are judged."""
        if self._order is None:
            return
        for name in ("gap", "one_sided"):
            value = getattr(self, name)
            if self.cv is not None and value is not None:
                raise ValueError(
                    f"{name}={value!r} needs cv=None, for it tells what each row is predicted "
                    f"without; got cv={self.cv!r}."
                )
        if by_criterion:
            raise ValueError(
                f"scoring={self.scoring!r} judges the fit to all rows, without regard to groups, "
                f"gap and one_sided; choose another scoring."
            )

    def _to_predict(self):
        """Numbers of the keys that can be predicted, in the order of the training rows."""
        by_number = np.argsort(self._rows)  # so that any choice is the same in any order
        if self._order is None:
            return by_number
        by_number = by_number[self._order.predictable(self._rows)[self._rows[by_number]]]
        if not len(by_number):
            raise ValueError(
                f"Some row must be left to predict another from; with gap={self.gap!r}, "
                f"one_sided={self.one_sided!r} and the groups given, none is: groups must be at "
                f"least 2 (with weight), and a gap shorter than the rows reach."
            )
        return by_number

    def _without(self, attention, rows):
        """The attention of some rows to all that they do not leave out."""
        if self._order is None:
            return attention
        return attention.replace(mask=self._order.left_out(self._rows, self._rows[rows]))

    def _splits(self, X, y):
        """What `cv` stands for, with the groups if there are any."""
        if self._order is None:
            return self.cv
        groups = self._order.places
        if len(groups) != len(X):  # rows without weight are absent
            groups = groups[self._rows]
        return list(check_cv(self.cv, y, classifier=is_classifier(self)).split(X, y, groups))
