"""Regressor and classifier alike: what they pool, and from what."""

import numpy as np

from nwkr.kernels import KERNELS

# What a query gets that lies far from all keys: the nearest key, in the limit, where the kernel
# never ends.
ENDLESS = {name for name, kernel in KERNELS.items() if np.isinf(kernel.support)}


def pooled(model, X):
    """What the model pools: predictions or probabilities."""
    return getattr(model, "predict_proba", model.predict)(X)


def values_of(model, y):
    """What the model pools from: the targets, or one column for each class."""
    return np.equal.outer(y, model.classes_) * 1.0 if hasattr(model, "classes_") else y


def empty_of(kernel, handle_empty):
    """What a query far from all keys gets."""
    return "nearest" if kernel in ENDLESS else handle_empty
