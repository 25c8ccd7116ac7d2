"""Random problems that failed in an earlier version."""

import fuzz_methods
import mpmath
import pytest
from fuzz import check

# These problems have lines without any row, near one row, near a far row and out of range, the k-th
# nearest row under the cosine metric, and rows of the same direction.
SEEDS = [23, 45, 459, 1630, 2002, 405, 900147]


@pytest.mark.parametrize("seed", SEEDS)
def test_problems_that_once_failed(seed):
    with mpmath.workdps(50):
        assert check(seed, {}) == ""


# Weights of 1e200, ties, and classes with a trend where blocks find no row.
@pytest.mark.parametrize("seed", [15, 39, 27, 162])
def test_methods_agree(seed):
    assert fuzz_methods.check(seed) == ""
