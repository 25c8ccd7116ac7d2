"""Bandwidths by feature: rules of thumb, bandwidths by name, and the start of a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nwkr._columns import Columns
from nwkr._counts import count_rows
from nwkr._numeric import is_number
from nwkr._which_features import place_of
from nwkr.bandwidths import RuleOfThumb

__all__ = ["by_label", "of_names", "origin", "outlying", "rule_by_spread", "rule_of_thumb", "wider"]

# With a narrow bandwidth, a column with at most this many distinct values separates its values
# completely, and the derivatives of the loss are 0 there.
_FEW = 5
# Numbers with a range of more bandwidths have outliers. A normal column has about 30.
_MOST_BANDWIDTHS = 50.0


def rule_of_thumb(
    columns: Columns, rule: RuleOfThumb, keys: np.ndarray, sample_weight: np.ndarray
) -> np.ndarray:
    r"""The bandwidth of each feature by a rule of thumb, for the Gaussian.

    Rules apply to numbers, of which :math:`d` vary. Another category has the relative weight
    :math:`n^{-2 / (d + 4)}`.

    Parameters
    ----------
    columns : Columns
        The conversion of features to columns.
    rule : RuleOfThumb
        The rule.
    keys : ndarray of shape (n_samples, n_columns)
        Training rows.
    sample_weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    bandwidth : ndarray of shape (n_features,)
        Bandwidths; `inf` for features that do not vary.
    """
    if columns.plain:
        return rule(keys, sample_weight)
    table, numbers = columns.decode(keys, sample_weight), ~columns.categories
    bandwidth = np.full(columns.n_features, np.inf)
    bandwidth[numbers] = rule(table[:, numbers], sample_weight) if numbers.any() else 0
    varies = np.zeros(columns.n_features, bool)
    for number in np.flatnonzero(columns.categories):
        varies[number] = len(np.unique(table[:, number])) > 1
    return _with_categories(columns, bandwidth, varies, count_rows(sample_weight))


def rule_by_spread(
    columns: Columns, rule: RuleOfThumb, spread: np.ndarray, n_rows: float
) -> np.ndarray:
    """The bandwidth of each feature by a rule of thumb, from the spread of the columns.

    Parameters
    ----------
    columns : Columns
        The conversion of features to columns.
    rule : RuleOfThumb
        The rule.
    spread : ndarray of shape (n_columns,)
        Spread of each column; 0 for a constant one.
    n_rows : float
        Number of rows, by weight.

    Returns
    -------
    bandwidth : ndarray of shape (n_features,)
        Bandwidths; `inf` for features that do not vary.
    """
    if columns.plain:
        return rule.of_spread(spread, n_rows)
    numbers, bandwidth = ~columns.categories, np.full(columns.n_features, np.inf)
    if numbers.any():
        bandwidth[numbers] = rule.of_spread(columns.by_feature(spread)[numbers], n_rows)
    return _with_categories(columns, bandwidth, columns.summed(spread) > 0, n_rows)


def _with_categories(columns, bandwidth, varies, n_rows):
    """Add the bandwidths of categories that vary to those of numbers."""
    n_numbers = np.isfinite(bandwidth[~columns.categories]).sum()
    with np.errstate(divide="ignore"):
        of_category = 1 / np.sqrt(4 / (n_numbers + 4) * np.log(n_rows))
    categories = columns.categories
    bandwidth[categories] = np.where(varies[categories], of_category, np.inf)
    return bandwidth


def origin(columns: Columns, keys: np.ndarray, rule: np.ndarray) -> np.ndarray:
    """The start of a search for features for which multiples of the rule do not suit.

    Parameters
    ----------
    columns : Columns
        The conversion of features to columns.
    keys : ndarray of shape (n_samples, n_columns)
        Training rows.
    rule : ndarray of shape (n_features,)
        Their bandwidths by the rule of thumb.

    Returns
    -------
    origin : ndarray of shape (n_features,)
        The range of numbers with few distinct values, the rule for categories; NaN for others.
    """
    origin = np.full(columns.n_features, np.nan)
    for number, column in enumerate(columns.decode(keys).T):
        values = np.unique(column[np.isfinite(column)]).astype(float)
        if columns.categories[number]:
            origin[number] = rule[number]
        elif 0 < len(values) <= _FEW:
            origin[number] = values[-1] - values[0]
    return origin


def outlying(columns: Columns, keys: np.ndarray, rule: np.ndarray) -> np.ndarray:
    """Which features are numbers with outliers, far from which the derivatives of a loss are 0.

    Parameters
    ----------
    columns : Columns
        The conversion of features to columns.
    keys : ndarray of shape (n_samples, n_columns)
        Training rows.
    rule : ndarray of shape (n_features,)
        Their bandwidths by the rule of thumb.

    Returns
    -------
    outlying : ndarray of bool, of shape (n_features,)
        Whether they have outliers.
    """
    table = columns.decode(keys)
    with np.errstate(over="ignore"):
        extent = np.fmax.reduce(table, axis=0) - np.fmin.reduce(table, axis=0)
        return ~columns.categories & (extent > _MOST_BANDWIDTHS * rule)


def wider(columns: Columns, n_rows: float, n_some: float, rule: np.ndarray) -> np.ndarray:
    """The factor by which the rule is wider for a subsample.

    Parameters
    ----------
    columns : Columns
        The conversion of features to columns.
    n_rows, n_some : float
        Numbers of all rows and of the rows in the subsample.
    rule : ndarray of shape (n_features,)
        The rule for all rows.

    Returns
    -------
    factor : ndarray of shape (n_features,)
        The factor.
    """
    n_numbers = np.isfinite(rule[~columns.categories]).sum()
    of_numbers = (n_rows / n_some) ** (1 / (n_numbers + 4))
    if n_rows == n_some:
        return np.ones(columns.n_features)
    return np.where(columns.categories, np.sqrt(np.log(n_rows) / np.log(n_some)), of_numbers)


def by_label(bandwidth: Any) -> Any:
    """A pandas Series of bandwidths whose index holds names, as a dict; others unchanged."""
    if not hasattr(bandwidth, "to_dict"):
        return bandwidth
    by_name = len(bandwidth) > 0 and all(isinstance(label, str) for label in bandwidth.index)
    return bandwidth.to_dict() if by_name else bandwidth


def of_names(columns: Columns, bandwidth: Mapping, otherwise: np.ndarray) -> np.ndarray:
    """A bandwidth for each feature, from bandwidths by name, and others for the rest.

    Parameters
    ----------
    columns : Columns
        The conversion of features to columns.
    bandwidth : mapping
        Bandwidths by name or place.
    otherwise : ndarray of shape (n_features,)
        Bandwidths of all other features.

    Returns
    -------
    by_feature : ndarray of shape (n_features,)
        Bandwidths.

    Raises
    ------
    ValueError
        If one is not a non-negative number, or no column has the name.
    """
    by_feature = otherwise.copy()
    for label, width in bandwidth.items():
        place = place_of("bandwidth", label, columns.labels)
        if not is_number(width) or not float(width) >= 0:
            raise ValueError(
                f"bandwidth must have a non-negative number for each name; got {width!r} for "
                f"{label!r}."
            )
        by_feature[place] = width
    return by_feature
