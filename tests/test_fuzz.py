"""Problems of the fuzz that failed once."""

import mpmath
import pytest
from fuzz import check

# Lines without any row, beside one row, beside a far one and out of range; the k-th row under the
# cosine, and rows of the same direction.
SEEDS = [23, 45, 459, 1630, 2002, 405, 571]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_failed_once(seed):
    with mpmath.workdps(50):
        assert check(seed, {}) == ""
