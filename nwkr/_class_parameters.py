"""The parameters `class_weight` and `outlier_label` of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

__all__ = ["class_weights", "outlier_label_of"]


def class_weights(class_weight: Any, classes: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Factors of the sample weights by class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter of the classifier.
    classes : ndarray of shape (n_classes,)
        Labels.
    totals : ndarray of shape (n_classes,)
        Sum of the rows' weights in each class.

    Returns
    -------
    factors : ndarray of shape (n_classes,)
        Non-negative factors.

    Raises
    ------
    ValueError
        If a weight is negative or infinite.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        # A class without weight gets the factor 0.
        return totals.sum() / np.where(totals > 0, totals, np.inf)
    factors = compute_class_weight(class_weight, classes=classes, y=classes)
    if not (factors >= 0).all() or not (factors < np.inf).all():
        raise ValueError(f"class_weight must hold non-negative weights; got {class_weight!r}.")
    return factors


def outlier_label_of(label: Any, classes: np.ndarray, totals: np.ndarray) -> Any:
    """The label of queries for which no training row has weight.

    Parameters
    ----------
    label : label, "most_frequent" or None
        The parameter of the classifier.
    classes : ndarray of shape (n_classes,)
        Labels.
    totals : ndarray of shape (n_classes,)
        Sum of the rows' weights in each class, times its factor.

    Returns
    -------
    label : label or None
        The label; None if `label` is None.

    Raises
    ------
    ValueError
        If the label has another type than the classes.
    """
    if isinstance(label, str) and label == "most_frequent":
        return classes[totals.argmax()]
    if label is None:
        return None
    numbers, kinds = set("biuf"), {np.asarray(label).dtype.kind, classes.dtype.kind}
    if np.ndim(label) > 0 or not (len(kinds) == 1 or "O" in kinds or kinds <= numbers):
        raise ValueError(
            f"outlier_label must be one label of the same kind as those of the classes, "
            f"'most_frequent' or None; got {label!r} with classes such as {classes[0]!r}."
        )
    return label
