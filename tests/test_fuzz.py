"""Problems of the fuzz that failed once."""

import mpmath
import pytest
from fuzz import check

# Lines without an outlier, without any row and out of range; the k-th row under the cosine.
SEEDS = [13, 23, 45, 1630, 2002]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_failed_once(seed):
    with mpmath.workdps(50):
        assert check(seed, {}) == ""
