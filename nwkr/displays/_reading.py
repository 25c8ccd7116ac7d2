"""Names of features, as displays show them."""

from __future__ import annotations

import numpy as np

from nwkr._pipeline import last_step

__all__ = ["feature_number", "names_in", "names_of_features"]


def names_of_features(estimator):
    """Names of the features that the last step sees; x0, x1, ... where it saw none."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    model, _ = last_step(estimator)
    names = getattr(model, "feature_names_in_", None)
    if names is None and hasattr(estimator, "steps"):
        try:
            names = estimator[:-1].get_feature_names_out()
        except (AttributeError, ValueError):  # a step, or the input, has no names
            names = None
    return _numbered(model.n_features_in_) if names is None else [str(name) for name in names]


def names_in(X):
    """Names of the columns of a frame; x0, x1, ... of an array."""
    if hasattr(X, "columns"):
        return [str(name) for name in X.columns]
    return _numbered(np.shape(X)[1])


def feature_number(feature, names, parameter):
    """The number of a feature that is given by number or name."""
    numbered = isinstance(feature, int | np.integer) and not isinstance(feature, bool)
    if numbered and -len(names) <= feature < len(names):
        return int(feature) % len(names)
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    raise ValueError(
        f"{parameter} must name a feature of {names}, or number it from 0 to {len(names) - 1}; "
        f"got {feature!r}."
    )


def _numbered(n_features):
    return ["x"] if n_features == 1 else [f"x{number}" for number in range(n_features)]
