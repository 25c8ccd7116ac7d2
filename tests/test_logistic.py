"""Derivatives and parts of a logistic regression, against differences and scikit-learn."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.linear_model import LogisticRegression

from nwkr._logistic import Link, LogisticRows, inverse_of


@pytest.fixture(params=[2, 3])
def rows(request, rng):
    """Columns, classes, weights, and a link for all classes except one."""
    codes = rng.integers(0, request.param, 40) + 1
    Z = rng.normal(size=(40, 2)) + 0.5 * codes[:, None]
    link = Link(np.arange(1, request.param + 1), request.param + 1)
    return Z, codes, rng.integers(1, 4, 40).astype(float), link


def seen(rows, coefficients, some=slice(None)):
    Z, codes, weights, link = rows
    coefficients = coefficients.reshape(link.n_logits, -1)
    logits = coefficients[:, 0] + Z @ coefficients[:, 1:].T
    return LogisticRows(Z[some], link.truth(codes[some]), weights[some], logits[some], link)


def test_derivatives_equal_differences_of_the_loss(rows, rng):
    coefficients = rng.normal(size=3 * rows[3].n_logits)
    there = seen(rows, coefficients)
    gradient = approx_fprime(coefficients, lambda at: seen(rows, at).loss, 1e-6)
    np.testing.assert_allclose(there.gradient.ravel(), gradient, atol=1e-3)
    curvature = approx_fprime(coefficients, lambda at: seen(rows, at).gradient.ravel(), 1e-6)
    found = there.curvature()
    np.testing.assert_allclose(found.reshape(curvature.shape), curvature, atol=1e-3)
    if found.ndim == 4:
        blocks = np.einsum("jkjl->jkl", found)
        np.testing.assert_allclose(there.curvature(together=False), blocks, rtol=1e-12)


def test_parts_of_the_rows_sum_to_the_whole(rows, rng):
    coefficients = rng.normal(size=3 * rows[3].n_logits)
    whole = seen(rows, coefficients)
    parts = [seen(rows, coefficients, some) for some in (slice(0, 13), slice(13, None))]
    assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-12)
    gradient = sum(part.gradient for part in parts)
    np.testing.assert_allclose(gradient, whole.gradient, rtol=1e-12, atol=1e-12)
    curvature = sum(part.curvature() for part in parts)
    np.testing.assert_allclose(curvature, whole.curvature(), rtol=1e-12, atol=1e-12)
    inverse = inverse_of(whole.curvature(), 2.0)
    assert sum(part.dof(inverse) for part in parts) == pytest.approx(whole.dof(inverse), rel=1e-12)
    weights = rows[2]
    without = [
        part.logits_without(weights[some], inverse)
        for part, some in zip(parts, (slice(0, 13), slice(13, None)))
    ]
    np.testing.assert_allclose(
        np.vstack(without), whole.logits_without(weights, inverse), rtol=1e-12
    )


def test_a_newton_step_stays_at_the_optimum(rows):
    Z, codes, weights, _ = rows
    model = LogisticRegression(C=0.5, tol=1e-10).fit(Z, codes, sample_weight=weights)
    optimum = np.column_stack([model.intercept_, model.coef_])
    there = seen(rows, optimum)
    gradient = there.gradient
    gradient[:, 1:] += optimum[:, 1:] / 0.5
    inverse = inverse_of(there.curvature(), 0.5).reshape(gradient.size, gradient.size)
    np.testing.assert_allclose(inverse @ gradient.ravel(), 0, atol=1e-4)
