"""scikit-learn's common checks, with test names that are the same in every process."""

import re

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks


def suite_of(estimators, expected_failures):
    """Parametrise a test with all common checks of scikit-learn that apply to the estimators.

    `expected_failures` takes an estimator and returns a dict of check names and reasons.
    """
    marker = parametrize_with_checks(estimators, expected_failed_checks=expected_failures)
    names, cases = marker.args
    # pytest 9 requires a list, which some releases of scikit-learn do not return.
    ids = marker.kwargs["ids"]
    return pytest.mark.parametrize(
        names, list(cases), ids=lambda value: without_address(ids(value))
    )


def without_address(value):
    """The value as text without memory addresses: pytest-xdist needs the same names everywhere."""
    return None if value is None else re.sub(r" ?at ?0x[0-9a-f]+", "", str(value))
