"""The integral or sum of a Gaussian over all values of a feature."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from scipy.special import ive, logsumexp

from nwkr._features import Category, Cycle, Feature, Levels

__all__ = ["log_mass"]


@singledispatch
def log_mass(feature: Feature, rate: float, columns: np.ndarray) -> np.ndarray:
    """Logarithm of the mass around each key: an integral for numbers, a sum for categories.

    Parameters
    ----------
    feature : Feature
        The feature.
    rate : float
        The weight at a squared distance ``d2`` is ``exp(-rate * d2)``.
    columns : ndarray of shape (n_keys, n_columns)
        Its columns of distance.

    Returns
    -------
    log_masses : ndarray of shape (n_keys,)
        Logarithms of the masses.
    """
    return np.full(len(columns), np.log(np.pi / rate) / 2)


@log_mass.register
def _(feature: Cycle, rate, columns):
    radius = feature.period / (2 * np.pi)
    mass = feature.period * ive(0, 2 * rate * radius**2)
    return np.full(len(columns), np.log(mass))


@log_mass.register
def _(feature: Category, rate, columns):
    n_levels = len(feature.levels) + feature.missing
    return np.full(len(columns), np.log1p((n_levels - 1) * np.exp(-rate)))


@log_mass.register
def _(feature: Levels, rate, columns):
    if feature.is_number:
        return np.full(len(columns), np.log(np.pi / rate) / 2)
    steps = np.abs(np.subtract.outer(feature.values(columns), feature.steps))
    return logsumexp(-rate * steps, axis=1)
