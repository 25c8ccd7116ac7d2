"""Training rows in batches."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._input import names_of_columns, names_of_rows, validate_weights
from nwkr._metrics import check_metric, resolve_metric
from nwkr._namespaces import in_numpy
from nwkr._pooling import one_blas_thread
from nwkr._restored_on_error import restored_on_error
from nwkr.bandwidths import RULES

__all__ = ["FitInBatches", "known_classes", "takes_batches"]


def takes_batches(estimator: Any) -> bool:
    """Return True if an estimator can be fitted in batches, or raise."""
    if not hasattr(estimator, "bandwidth"):
        raise ValueError(
            f"partial_fit needs a fixed bandwidth; {type(estimator).__name__} searches for one on "
            f"all rows. Call fit with all rows."
        )
    bandwidth = estimator.bandwidth
    varies = callable(bandwidth) or isinstance(bandwidth, str)
    if varies or not (isinstance(bandwidth, Real) or np.ndim(bandwidth) == 1):
        raise ValueError(
            f"partial_fit needs a bandwidth that is a number, or one for each feature, so that "
            f"new rows do not change it; got bandwidth={bandwidth!r}. Call fit with all rows, or "
            f"resolve a rule first: {next(iter(RULES.values()))!r}(X) gives numbers."
        )
    if estimator.metric == "precomputed":
        raise ValueError(
            "partial_fit needs rows of features, whose distances to later rows can be computed; "
            "got metric='precomputed'."
        )
    return True


def known_classes(classifier: Any, classes: Any) -> np.ndarray:
    """All classes of all batches, sorted; they must be passed on the first call."""
    known = getattr(classifier, "classes_", None)
    if classes is None and known is None:
        raise ValueError(
            "classes must be passed on the first call to partial_fit: the classes of all batches, "
            "for instance classes=np.unique(y)."
        )
    if classes is not None and known is not None and not np.array_equal(np.unique(classes), known):
        raise ValueError(
            f"classes must be those of the first call, {known.tolist()}; got "
            f"{np.unique(classes).tolist()}."
        )
    return np.unique(classes) if known is None else known


class FitInBatches(NadarayaWatsonBase):
    """An estimator that can be fitted in batches."""

    @one_blas_thread()
    def _append(self, X, y, sample_weight, classes=None):
        """Fit on the previous training rows followed by these."""
        check_is_fitted(self)
        self._columns.require_plain("partial_fit")
        with restored_on_error(self):
            X, y, sample_weight = in_numpy(X=X, y=y, sample_weight=sample_weight)
            self._metric = resolve_metric(self.metric, self.metric_params)
            names, of_outputs = names_of_rows(X), names_of_columns(y)
            X, y = self._validate_training(X, y, reset=False)
            sample_weight = validate_weights(sample_weight, X)
            check_metric(self._metric, X)
            before = self._targets.given
            if before.shape[1:] != y.shape[1:] or of_outputs != self._output_names:
                raise ValueError(
                    f"y must have the outputs of the previous targets, of shape "
                    f"(n_samples, {', '.join(map(str, before.shape[1:]))}); got an array of shape "
                    f"{y.shape}."
                )
            weights_before = self._sample_weight
            if weights_before is None:
                weights_before = np.ones(len(self._X))
            old = self._row_names
            self._row_names = None if names is None or old is None else old.append(names)
            self._fit_rows(
                np.concatenate([self._columns.decode(self._X), X]),
                np.concatenate([before, y]),
                np.concatenate([weights_before, sample_weight]),
                classes,
            )
        return self
