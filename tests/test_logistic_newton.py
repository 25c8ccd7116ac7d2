"""Newton's method for logistic regression equals scikit-learn's regression, also without rows."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from nwkr._logistic import Link, LogisticRows
from nwkr._logistic_newton import Newton, logits_without_parts

N = 40


@pytest.fixture(params=[2, 3], ids=["two classes", "three classes"])
def rows(request, rng):
    """Columns, class numbers and weights, and the link between logits and probabilities."""
    codes = rng.integers(0, request.param, N)
    Z = rng.normal(size=(N, 2)) + 0.5 * codes[:, None]
    return Z, codes, rng.integers(1, 4, N).astype(float), Link(np.arange(request.param), 3)


def regression(Z, codes, weights, C):
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
    return model.fit(Z, codes, sample_weight=weights)


def seen(rows, coefficients):
    Z, codes, weights, link = rows
    logits = coefficients[:, 0] + Z @ coefficients[:, 1:].T
    return LogisticRows(Z, link.truth(codes), weights, logits, link)


def probabilities(logits):
    one = logits.shape[1] == 1
    return expit(np.hstack([-logits, logits])) if one else softmax(logits, axis=1)


@pytest.mark.parametrize("C", [0.1, 10.0])
@pytest.mark.parametrize("far", [0.0, 8.0])
def test_steps_end_at_the_optimum(C, far, rows):
    Z, codes, weights, link = rows
    newton = Newton(C, np.full((link.n_logits, 3), far) * np.arange(link.n_logits + 2)[2:, None])
    for _ in range(100):
        there = seen(rows, newton.coefficients)
        newton.step(there.loss, there.gradient, there.curvature(), weights.sum())
        if newton.ends:
            break
    assert newton.ends
    model = regression(Z, codes, weights, C)
    np.testing.assert_allclose(newton.coefficients[:, 1:], model.coef_, rtol=1e-6, atol=1e-8)
    found = probabilities(seen(rows, newton.coefficients)._logits)
    np.testing.assert_allclose(found, model.predict_proba(Z), rtol=1e-6)


def test_leaving_out_a_large_part_equals_a_refit(rows):
    Z, codes, weights, _ = rows
    model = regression(Z, codes, weights, 2.0)
    coefficients = np.column_stack([model.intercept_, model.coef_])
    queries, part = np.arange(5), np.arange(10, 25)
    logits = logits_without_parts(seen(rows, coefficients), coefficients, 2.0, [(queries, part)], Z)
    others = np.delete(np.arange(N), part)
    refit = regression(Z[others], codes[others], weights[others], 2.0)
    found = probabilities(logits[queries])
    np.testing.assert_allclose(found, refit.predict_proba(Z[queries]), rtol=1e-6)
    assert np.isnan(logits[5:]).all()


def test_small_parts_are_left_out_by_one_step(rows):
    Z, codes, weights, _ = rows
    model = regression(Z, codes, weights, 2.0)
    coefficients = np.column_stack([model.intercept_, model.coef_])
    there, singles = seen(rows, coefficients), [(np.array([row]),) * 2 for row in range(N)]
    newton = Newton(2.0, coefficients)
    newton.step(there.loss, there.gradient, there.curvature(), weights.sum())
    expected = there.logits_without(weights, newton.inverse)
    found = logits_without_parts(there, coefficients, 2.0, singles, Z)
    small = weights <= weights.sum() / 20
    assert small.any()
    np.testing.assert_allclose(
        probabilities(found[small]), probabilities(expected[small]), rtol=1e-8
    )


def test_steps_class_by_class_are_exact_for_two_classes_and_close_for_more(rows):
    Z, codes, weights, link = rows
    model = regression(Z, codes, weights, 0.5)
    coefficients = np.column_stack([model.intercept_, model.coef_])
    parts = [(some, some) for some in np.split(np.arange(N), 20)]
    terms = seen(rows, coefficients), coefficients, 0.5, parts, Z
    exact, rough = (logits_without_parts(*terms, together) for together in (True, False))
    np.testing.assert_allclose(
        probabilities(rough), probabilities(exact), atol=1e-12 if link.n_logits == 1 else 0.1
    )
