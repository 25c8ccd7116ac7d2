"""Formulas found by evaluating a function on a symbol."""

import numpy as np
import pytest

from nwkr._symbolic import formula_of, kernel_of_formula

SAME = {
    "gaussian": [
        lambda u: np.exp(-0.5 * u * u),
        lambda u: np.exp(-np.square(u) / 2) / np.sqrt(2 * np.pi),
        lambda u: np.exp(-((u / np.sqrt(2)) ** 2)),
        lambda u: 2 * np.exp(1 - np.abs(u) ** 2 * 0.5),
    ],
    "epanechnikov": [
        lambda u: np.maximum(0.75 * (1 - u**2), 0),
        lambda u: 3 / 4 * np.maximum(np.zeros_like(u), (1 - u) * (1 + u)),
    ],
    "biweight": [lambda u: np.square(np.maximum(-u * u + 1, 0.0)) * 15 / 16],
    "triangular": [
        lambda u: np.maximum(0, 1 - np.abs(u)),
        lambda u: np.maximum(1 - np.abs(u), np.zeros_like(u)),
    ],
    "boxcar": [lambda u: 0.5 * (np.abs(u) <= 1.0), lambda u: 1 >= u, lambda u: 1.0 * (u <= 1)],
    "constant": [np.ones_like, lambda u: 3 * np.ones_like(u), lambda u: u * 0 + 2],
}
OTHER = [
    lambda u: np.exp(-(u**2)),
    lambda u: np.exp(u**2 / 2),
    lambda u: -np.exp(-(u**2) / 2),
    lambda u: np.exp(-(u**2) / 2) + 0 * u,
    lambda u: np.exp(-(u**2) / 2) ** 2,
    lambda u: np.exp(-(u**2) / 2) * (u < 90),
    lambda u: np.exp(-(u**2) / 2) * np.exp(-u),
    lambda u: np.maximum(1e-3, 1 - u),
    lambda u: np.maximum(0, u - 1),
    lambda u: np.maximum(0, 1 - u) ** 0.5,
    lambda u: np.maximum(0, 1 - u**2) ** 4,
    lambda u: np.maximum(0, 1 - u) + 1,
    lambda u: 0 * np.maximum(0, 1 - u),
    lambda u: u < 1,
    lambda u: u >= 1,
    lambda u: u <= 1.0000000001,
    lambda u: u <= np.inf,
    lambda u: -u,
    lambda u: 0 * u,
    lambda u: 1 - u,
    lambda u: 1 / (1 + u),
    lambda u: u / 0,
    lambda u: u**-1,
    lambda u: u**u,
    lambda u: np.abs(1 - u),
    lambda u: np.where(u < 1, 1.0, 0.0),
    lambda u: np.add(u, 1, where=True),
    lambda u: np.zeros_like(u, dtype=int),
    lambda u: np.add.reduce(u),
    lambda u: 1.0 if u > 3 else np.exp(-(u**2) / 2),
    lambda u: np.exp(-(np.asarray(u) ** 2) / 2),
    lambda u: np.exp(-(u**2) / np.array([2.0])),
    lambda u: u.copy(),
    lambda u: u.missing,
    lambda u: 1.0,
    lambda u: None,
    lambda: 1.0,
]


@pytest.mark.parametrize("name", SAME)
def test_equal_formulas_are_recognised(name):
    for number, function in enumerate(SAME[name]):
        assert kernel_of_formula(function) == name, number


@pytest.mark.parametrize("function", OTHER)
def test_other_formulas_are_not_recognised(function):
    assert kernel_of_formula(function) == ""


def test_a_normal_form_gives_the_formula():
    formula = formula_of(lambda u: 3 * np.maximum(2 - u, 0) ** 2)
    assert (formula.outer, formula.power, formula.factor) == ("maximum", 2, 12)
    assert formula.inner == (1, -0.5)
