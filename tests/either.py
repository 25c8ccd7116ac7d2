"""One interface to the regressor and the classifier: their predictions and their targets."""

import numpy as np

from nwkr.kernels import KERNELS

# With an endless kernel, a query far from all keys gets the nearest key, which is the limit.
ENDLESS = {name for name, kernel in KERNELS.items() if np.isinf(kernel.support)}


def pooled(model, X):
    """Predictions of a regressor, probabilities of a classifier."""
    return getattr(model, "predict_proba", model.predict)(X)


def values_of(model, y):
    """Values that the model averages: the targets, or one column of 0 and 1 per class."""
    return np.equal.outer(y, model.classes_) * 1.0 if hasattr(model, "classes_") else y


def empty_of(kernel, handle_empty):
    """The `handle_empty` that decides the prediction of a query far from all keys."""
    return "nearest" if kernel in ENDLESS else handle_empty
