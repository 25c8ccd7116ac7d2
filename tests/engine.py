"""Call the engine in one step: attributes of `Attention` and arguments of methods by keyword."""

import numpy as np

from nwkr._pooling import Attention, distance_slopes


def pool(values, **attention):
    return Attention(**attention).pool(values)


def pool_each(multiples, values, **attention):
    return Attention(**attention).pool_each(values, multiples)


def slopes(values, sums, loss_slopes, **attention):
    """Slopes of a loss of pooled values by the logarithm of each bandwidth."""
    reached = ((sums.total > 0) & ~np.isneginf(sums.shift))[:, None]
    by_value = np.where(reached, loss_slopes, 0) / np.where(reached, sums.total[:, None], 1)
    pooled = np.nan_to_num(sums.finish())
    factors = np.column_stack([-(by_value * pooled).sum(axis=1), by_value])
    return distance_slopes(Attention(**attention), [(values, factors)], sums.shift)


def attend(visit, **attention):
    Attention(**attention).visit(visit)


def algorithm_of(values, **attention):
    return Attention(**attention).way(values)
