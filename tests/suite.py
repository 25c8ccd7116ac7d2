"""scikit-learn's suite of checks, and names of cases that are the same in every process."""

import re

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks


def suite_of(estimators, expected_failures):
    """Parametrise a test with all checks of scikit-learn's suite that apply to the estimators.

    `expected_failures` is called with each estimator and gives reasons by the check's name.
    """
    marker = parametrize_with_checks(estimators, expected_failed_checks=expected_failures)
    names, cases = marker.args
    # As a list, which pytest 9 wants and some releases of scikit-learn do not give.
    ids = marker.kwargs["ids"]
    return pytest.mark.parametrize(
        names, list(cases), ids=lambda value: without_address(ids(value))
    )


def without_address(value):
    """A value as text without addresses in memory: pytest-xdist wants the same in every process."""
    return None if value is None else re.sub(r" ?at ?0x[0-9a-f]+", "", str(value))
