"""Random problems that failed in an earlier version."""

import mpmath
import pytest
from fuzz import check

# These problems have lines without any row, beside one row, beside a far row and out of range, the
# k-th nearest row under the cosine kernel, and rows of the same direction.
SEEDS = [23, 45, 459, 1630, 2002, 405, 571]


@pytest.mark.parametrize("seed", SEEDS)
def test_problems_that_once_failed(seed):
    with mpmath.workdps(50):
        assert check(seed, {}) == ""
