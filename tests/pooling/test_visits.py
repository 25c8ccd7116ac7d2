"""Visits: the number of keys that each width needs, given the totals so far."""

import numpy as np
import pytest

from nwkr._pooling import in_blocks
from nwkr._pooling._metric import pairs_of
from nwkr._pooling._neighbourhoods import Neighbourhoods
from nwkr._pooling._visits import visits
from nwkr.kernels import KERNELS

MULTIPLES = (4.0, 1.0)  # the widest first


@pytest.fixture
def needed():
    """A function of totals, for a single query and 200 keys on a line."""
    keys = np.linspace(0, 60, 200)[:, None]
    order, blocks = in_blocks(keys, np.ones(1), 5)
    pairs = pairs_of(np.zeros((1, 1)), keys[order], np.ones(1))
    around = Neighbourhoods(pairs, KERNELS["gaussian"], np.ones(200), blocks)
    found = around.of([np.array([0])], MULTIPLES)
    (visit,) = visits(around, found, np.array([1]), MULTIPLES)
    return visit.needed


def test_larger_totals_need_fewer_keys(needed):
    few, many = needed(np.ones((2, 1))), needed(np.full((2, 1), 1e-9))
    assert (few < many).all()
    assert (needed(np.zeros((2, 1))) >= many).all()


def test_a_wider_window_needs_as_many_keys(needed):
    """Weights of the narrow window are powers of the wide one's, which needs the same keys."""
    wide, narrow = needed(np.array([[1.0], [1.0]]))
    assert narrow < wide
    # So far, no key has weight in the narrow window.
    wide, narrow = needed(np.array([[1.0], [0.0]]))
    assert narrow <= wide
