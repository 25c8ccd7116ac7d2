"""The engine in one call: attention's attributes and what is asked of it, by keyword."""

from nwkr._pooling import Attention


def pool(values, **attention):
    return Attention(**attention).pool(values)


def pool_each(multiples, values, **attention):
    return Attention(**attention).pool_each(values, multiples)


def slopes(values, sums, loss_slopes, **attention):
    return Attention(**attention).bandwidth_slopes(values, sums, loss_slopes)


def attend(visit, **attention):
    Attention(**attention).visit(visit)


def algorithm_of(values, **attention):
    return Attention(**attention).way(values)
