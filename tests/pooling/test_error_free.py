"""Sums and products with their rounding errors, against fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nwkr._pooling._error_free import exact_product, exact_sum

NUMBERS = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)


@given(arrays(float, (2, 3), elements=NUMBERS))
def test_sums_with_their_errors_are_exact(numbers):
    a, b = numbers
    for parts, exact in (
        (exact_sum(a, b), lambda x, y: x + y),
        (exact_product(a, b), lambda x, y: x * y),
    ):
        for number in range(3):
            whole = exact(Fraction(a[number]), Fraction(b[number]))
            assert sum(Fraction(part[number]) for part in parts) == whole
            assert parts[0][number] == float(whole)
    assert not np.any(exact_product(a, 0.0))
