"""The target that a display shows: one output or class, as it was given."""

from __future__ import annotations

import numpy as np

from nwkr._numeric import is_integer
from nwkr._pipeline import parts_of
from nwkr.displays._reading import names_in

__all__ = ["class_column", "given_targets", "name_of_target", "one_output"]


def given_targets(estimator, values):
    """Targets as they were given, (n_rows,) or (n_rows, n_outputs), from those of the last step."""
    values = np.asarray(values)
    for transformer in parts_of(estimator).of_targets:
        columns = values[:, None] if values.ndim == 1 else values
        values = np.asarray(transformer.inverse_transform(columns)).reshape(values.shape)
    return values


def one_output(values, target):
    """The column of the output that is shown."""
    values = np.asarray(values)
    if values.ndim == 1 or values.shape[1] == 1:
        return values.ravel()
    if not is_integer(target) or not 0 <= target < values.shape[1]:
        raise ValueError(
            f"target must be the number of one of the outputs, from 0 to {values.shape[1] - 1}; "
            f"got {target!r}."
        )
    return values[:, target]


def name_of_target(y, target):
    """The name of the output that is shown."""
    names = names_in(y) if hasattr(y, "columns") else [getattr(y, "name", None)]
    name = names[0 if len(names) == 1 else target]
    return "y" if name is None else str(name)


def class_column(target, classes):
    """The column of the class that is shown; all columns if all classes are shown."""
    if target is None:
        return len(classes) - 1 if len(classes) <= 2 else slice(None)
    (found,) = np.nonzero(classes == target)
    if not len(found):
        raise ValueError(f"target must be one of the classes, {classes.tolist()}; got {target!r}.")
    return found[0]
