"""The score of predictions, also of leave-one-out predictions."""

from __future__ import annotations

from copy import copy

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_consistent_length

from nwkr._base import NadarayaWatsonBase
from nwkr._numeric import require_labels

__all__ = ["Score"]

# The largest exponent of 2 of a number whose square, in any type, is far from the limits.
_IN_RANGE = 50


class Score(NadarayaWatsonBase):
    """An estimator that scores its predictions."""

    def _score_predictions(self, X, y, sample_weight):
        """Accuracy of a classifier, R2 of a regressor.

        For None, training rows that no other row counts for with any bandwidth are not scored, for
        any `handle_empty`.
        """
        for name, data in (("y", y), ("sample_weight", sample_weight)):
            if np.ma.isMaskedArray(data):  # scikit-learn would use masked values
                require_labels(name, data)
        of_training = X is None and hasattr(self, "_order")
        predictable = self._predictable() if of_training else np.array(True)
        classes = is_classifier(self)
        if predictable.all():
            try:
                if classes:
                    return accuracy_score(y, self.predict(X), sample_weight=sample_weight)
                return self._r2(y, self.predict(X), sample_weight)
            except ValueError as error:
                if "inconsistent numbers" not in str(error):
                    raise
                rows = "training rows" if X is None else "rows of X"
                raise ValueError(
                    f"y and sample_weight must have one entry for each of the {rows}: {error}."
                ) from error
        refuses, model = self.handle_empty == "error", self
        if refuses:  # only for rows that are scored
            model = copy(self).set_params(handle_empty="nan")
        answers = model.predict_proba(None) if classes else model.predict(None)
        check_consistent_length(answers, y, sample_weight)
        if refuses:
            self._refuse_empty(~predictable | ~np.isnan(answers).reshape(len(answers), -1).any(1))
        weight = None if sample_weight is None else np.asarray(sample_weight)[predictable]
        y, answers = np.asarray(y)[predictable], np.asarray(answers)[predictable]
        if classes:
            return accuracy_score(y, self._most_probable(answers), sample_weight=weight)
        return self._r2(y, answers, weight)

    def _r2(self, y, answers, weight):
        """R2, also of targets whose squares are out of range."""
        exponents = np.frexp(self._targets.scale)[1]
        if (np.abs(exponents) > _IN_RANGE).any():
            unit = np.ldexp(1.0, exponents - 1)  # powers of 2, which are exact
            y, answers = (np.asarray(each, dtype=float) / unit for each in (y, answers))
        return r2_score(y, answers, sample_weight=weight)
