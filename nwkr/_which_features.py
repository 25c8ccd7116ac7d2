"""The kinds of the columns of `X`, from the parameters and the types of the columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwkr._column_values import declared_order
from nwkr._features import Category, Cycle, Feature, Levels, Number
from nwkr._numeric import (
    columns_in,
    held_by,
    is_frame,
    is_integer,
    is_number,
    is_plain,
    refuse_unreadable,
)

__all__ = ["chosen_places", "features_of", "place_of"]


def features_of(X: Any, categorical: Any, ordered: Any, periodic: Any) -> tuple[Feature, ...]:
    """The features of training rows.

    Parameters
    ----------
    X : array-like
        Training rows.
    categorical, ordered, periodic : object
        The parameters `categorical_features`, `ordered_features` and `periodic_features`.

    Returns
    -------
    features : tuple of Feature
        One feature for each column; empty if all columns are numbers.

    Raises
    ------
    ValueError
        If one of these does not name suitable columns of `X`.
    """
    refuse_unreadable("X", X)
    named, by_dtype = is_frame(X), isinstance(categorical, str)
    nothing_given = (by_dtype or categorical is None) and ordered is None and not periodic
    if nothing_given and (is_plain(X) or not (by_dtype and named)):
        return ()
    columns = list(columns_in(X))
    labels = [column.label for column in columns]
    if by_dtype:
        chosen = {c.number for c in columns if named and held_by(c) in ("categories", "text")}
    else:
        chosen = chosen_places("categorical_features", categorical, labels)
    in_order = chosen_places("ordered_features", ordered, labels)
    in_order |= {c.number for c in columns if c.number in chosen and declared_order(c) is not None}
    periods = _periods(periodic, labels)
    if both := (chosen | in_order) & set(periods):
        raise ValueError(
            f"periodic_features must name columns of numbers; got {labels[min(both)]!r}, which "
            f"holds categories."
        )
    features: list[Feature] = []
    for column in columns:
        if column.number in in_order:
            features.append(Levels.of(column))
        elif column.number in chosen:
            features.append(Category.of(column))
        elif column.number in periods:
            features.append(Cycle(column.label, periods[column.number]))
        else:
            features.append(Number(column.label))
    if all(type(feature) is Number for feature in features):
        return ()
    return tuple(features)


def place_of(parameter: str, key: Any, labels: list) -> int:
    """The position of a column that a parameter gives by its name or position.

    Parameters
    ----------
    parameter : str
        The parameter.
    key : str or int
        Name or position.
    labels : list
        Names of all columns.

    Returns
    -------
    place : int
        The position.
    """
    if isinstance(key, str) and key in labels:
        return labels.index(key)
    if is_integer(key) and 0 <= key < len(labels):
        return int(key)
    more = "" if len(labels) <= 10 else f" and {len(labels) - 10} more"
    raise ValueError(
        f"{parameter} must give columns of X by name or by position; got {key!r}, and the columns "
        f"are {labels[:10]!r}{more}."
    )


def chosen_places(parameter: str, given: Any, labels: list) -> set[int]:
    """Positions of the columns that a parameter gives by name, position or mask.

    Parameters
    ----------
    parameter : str
        The parameter.
    given : array-like or None
        Value of the parameter; None for no column.
    labels : list
        Names of all columns.

    Returns
    -------
    places : set of int
        The positions.
    """
    if given is None:
        return set()
    keys = list(given)
    if keys and all(isinstance(key, bool | np.bool_) for key in keys):
        if len(keys) != len(labels):
            raise ValueError(
                f"{parameter} must have one entry for each of {len(labels)} columns if it is a "
                f"mask; got {len(keys)}."
            )
        return set(np.flatnonzero(keys).tolist())
    return {place_of(parameter, key, labels) for key in keys}


def _periods(periodic, labels) -> dict[int, float]:
    """Periods by the position of the column."""
    periods = {}
    for key, period in (periodic or {}).items():
        if not is_number(period) or not 0 < float(period) < np.inf:
            raise ValueError(
                f"periodic_features must give a positive period for each column; got {period!r} "
                f"for {key!r}."
            )
        periods[place_of("periodic_features", key, labels)] = float(period)
    return periods
