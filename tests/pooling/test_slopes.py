"""Slopes of a loss by each bandwidth, against differences of the plain formula."""

import numpy as np
import pytest
from engine import pool, slopes
from numpy.testing import assert_allclose, assert_array_equal
from oracles import attention, slope

from nwkr._pooling import DEFAULT_SIZES, Attention, Sizes, distance_slopes, in_blocks
from nwkr.kernels import KERNELS

DIFFERENTIABLE = sorted(name for name, kernel in KERNELS.items() if kernel.derivative is not None)
LOSSES = {
    "squared error": lambda f, v: ((v - f) ** 2).sum(axis=1),
    "log loss": lambda f, v: -np.log((v * f).sum(axis=1)),
}
LOSS_SLOPES = {
    "squared error": lambda f, v: 2 * (f - v),
    "log loss": lambda f, v: -v / (v * f).sum(axis=1, keepdims=True),
}


@pytest.fixture
def problem(rng):
    """Rows that predict each other, in three columns of unlike units and offsets."""
    X = rng.normal(size=(60, 3)) * [1.0, 50.0, 1e-3] + [0.0, 1e3, -2.0]
    return {
        "X": X,
        "values": rng.normal(size=(60, 2)),
        "weights": rng.uniform(0.1, 1, 60),
        "bandwidth": np.array([1.9, 80.0, 3e-3]),
    }


@pytest.fixture
def small_tiles(problem):
    problem["sizes"] = Sizes(queries_per_tile=16, bytes_per_tile=8 * 16 * 24)


def pooled_slopes(kernel, problem, loss="squared error", rows=None, n_jobs=None):
    """Slopes of the weighted loss of the rows, each left out of its own prediction."""
    X, values, weights = problem["X"], problem["values"], problem["weights"]
    rows = np.arange(len(X)) if rows is None else rows
    pairs = {
        "queries": X[rows], "keys": X, "values": values, "kernel": KERNELS[kernel],
        "bandwidth": problem["bandwidth"], "weights": weights, "leave_out": rows,
        "sizes": problem.get("sizes", DEFAULT_SIZES),
    }  # fmt: skip
    sums = pool(**pairs)
    predictions, truth = np.nan_to_num(sums.finish()), values[rows]
    loss_slopes = weights[rows, None] * LOSS_SLOPES[loss](predictions, truth)
    loss_slopes[~(sums.total > 0)] = 0
    return slopes(**pairs, sums=sums, loss_slopes=loss_slopes, n_jobs=n_jobs)


def plain_slopes(kernel, problem, loss="squared error", rows=slice(None)):
    X, values, weights = problem["X"], problem["values"], problem["weights"]

    def total(log_bandwidth):
        smoother = attention(X, X, kernel, np.exp(log_bandwidth), weights, True)[rows]
        reached = ~np.isnan(smoother).any(axis=1)
        losses = LOSSES[loss](smoother[reached] @ values, values[rows][reached])
        return weights[rows][reached] @ losses

    return slope(total, np.log(problem["bandwidth"]))


def one_hot(problem, rng):
    problem["values"] = np.eye(3)[rng.integers(0, 3, 60)]
    # so wide that each row has a neighbour of its class
    problem["bandwidth"] = 2 * problem["bandwidth"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
@pytest.mark.usefixtures("small_tiles")
def test_slopes_equal_differences(kernel, weighted, loss, problem, rng):
    if not weighted:
        problem["weights"] = np.ones(60)
    if loss == "log loss":
        one_hot(problem, rng)
    expected = plain_slopes(kernel, problem, loss)
    assert np.abs(expected).min() > 1e-3  # the comparison needs nonzero slopes
    assert_allclose(pooled_slopes(kernel, problem, loss), expected, rtol=1e-6)


@pytest.mark.parametrize("n_values", [1, 4])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_any_number_of_values(kernel, n_values, problem, rng):
    problem["values"] = rng.normal(size=(60, n_values))
    expected = plain_slopes(kernel, problem)
    assert_allclose(pooled_slopes(kernel, problem), expected, rtol=1e-6)


@pytest.mark.parametrize("multiple", [0.1, 0.3, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_narrow_and_wide(kernel, multiple, problem):
    problem["bandwidth"] *= multiple
    expected = plain_slopes(kernel, problem)
    got = pooled_slopes(kernel, problem)
    assert_allclose(got, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max() + 1e-8)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_slopes_of_some_rows(kernel, problem):
    rows = np.array([5, 8, 9, 30, 59])
    expected = plain_slopes(kernel, problem, rows=rows)
    assert_allclose(pooled_slopes(kernel, problem, rows=rows), expected, rtol=1e-6)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_duplicated_rows_have_no_effect_on_slopes(kernel, problem):
    """At distance 0 a bandwidth changes nothing, whatever the slope of the kernel."""
    problem["X"] = problem["X"][np.arange(60) // 2]
    expected = plain_slopes(kernel, problem)
    assert_allclose(pooled_slopes(kernel, problem), expected, rtol=1e-6)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_columns_that_are_off_or_exact(kernel, problem):
    column = np.arange(60) % 2
    problem["X"] = np.column_stack([problem["X"][:, 0], column, problem["X"][:, 1:]])
    others = dict(problem, X=problem["X"][:, [0, 2, 3]])
    problem["bandwidth"] = np.insert(problem["bandwidth"], 1, np.inf)
    got = pooled_slopes(kernel, problem)
    assert got[1] == 0
    assert_allclose(got[[0, 2, 3]], plain_slopes(kernel, others), rtol=1e-6)
    # Only rows of the same kind see each other: two separate problems.
    problem["bandwidth"][1] = 0.0
    got = pooled_slopes(kernel, problem)
    assert got[1] == 0
    kinds = [
        dict(others, **{name: others[name][column == kind] for name in ("X", "values", "weights")})
        for kind in (0, 1)
    ]
    expected = sum(plain_slopes(kernel, kind) for kind in kinds)
    assert_allclose(got[[0, 2, 3]], expected, rtol=1e-6)


def test_slopes_are_0_if_all_columns_are_off(problem):
    problem["bandwidth"] = np.full(3, np.inf)
    assert_array_equal(pooled_slopes("gaussian", problem), np.zeros(3))


@pytest.mark.parametrize("kernel", sorted(set(DIFFERENTIABLE) - {"exponential"}))
def test_isolated_rows_add_nothing_to_slopes(kernel, problem):
    expected = plain_slopes(kernel, problem)
    for name, value in (("X", [1e7, 0, 0]), ("values", [3.0, -3.0]), ("weights", 1.0)):
        problem[name] = np.concatenate([problem[name], [value]])
    assert_allclose(pooled_slopes(kernel, problem), expected, rtol=1e-6)


@pytest.mark.parametrize("distance", [10.0, 30.0, 40.0, 100.0, 1000.0])
@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
def test_slopes_of_rows_far_from_all_others(kernel, distance):
    """Their weights are out of range, but ratios of weights are not."""
    near = distance + np.array([0.0, 0.3, 0.7]) / (distance if kernel == "gaussian" else 1)
    problem = {
        "X": np.concatenate([[0.0], near])[:, None],
        "values": np.array([[0.0], [1.0], [3.0], [2.0]]),
        "weights": np.array([1.0, 0.5, 1.0, 0.7]),
        "bandwidth": np.array([1.0]),
    }

    def loss(log_bandwidth):
        # Distances relative to the nearest row keep their digits.
        excess = near - near[0]
        if kernel == "gaussian":
            excess = excess * (near + near[0]) / 2 / np.exp(log_bandwidth)
        weights = np.exp(-excess / np.exp(log_bandwidth)) * problem["weights"][1:]
        return (weights @ problem["values"][1:, 0] / weights.sum()) ** 2

    expected = slope(loss, [0.0])
    assert abs(expected) > 0.1
    got = pooled_slopes(kernel, problem, rows=np.array([0]))
    # Differences of the loss lose digits as the squares grow.
    assert_allclose(got, expected, rtol=max(1e-6, 1e-11 * distance**2))


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
@pytest.mark.usefixtures("small_tiles")
def test_n_jobs_does_not_change_results(kernel, problem):
    alone = pooled_slopes(kernel, problem, n_jobs=1)
    for n_jobs in (2, 5):
        assert_array_equal(pooled_slopes(kernel, problem, n_jobs=n_jobs), alone)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_units_of_a_column_cancel(kernel, scale, problem):
    expected = pooled_slopes(kernel, problem)
    unit = np.array([scale, 1.0, 1 / scale])
    problem |= {"X": problem["X"] * unit, "bandwidth": problem["bandwidth"] * unit}
    assert_allclose(pooled_slopes(kernel, problem), expected, rtol=1e-9)


@pytest.mark.parametrize("kernel", DIFFERENTIABLE)
def test_float32_agrees(kernel, problem):
    problem["X"] = problem["X"].astype(np.float32)
    expected = plain_slopes(kernel, problem)
    assert_allclose(pooled_slopes(kernel, problem), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("kernel", "distance"), [*((name, 0.0) for name in DIFFERENTIABLE), ("gaussian", 45.0)]
)
@pytest.mark.parametrize("algorithm", ["dense", "blocks"])
def test_slopes_of_a_product_of_forms(kernel, distance, algorithm, rng):
    keys, bandwidth = rng.normal(size=(90, 2)), np.array([1.5, 2.5])
    queries, weights = distance + rng.normal(size=(40, 2)), rng.uniform(0.1, 1, 90)
    order, blocks = in_blocks(keys, bandwidth, 16)
    keys, options = keys[order], {"blocks": blocks, "algorithm": algorithm}
    attention = Attention(queries, keys, weights, KERNELS[kernel], bandwidth, **options)
    shift = attention.pool(np.ones((90, 1))).shift
    shift[np.isneginf(shift)] = 0  # no key has weight
    forms = [(rng.normal(size=(90, n)), rng.normal(size=(40, 1 + n))) for n in (3, 1, 2)]
    squares = np.square((queries[:, None] - keys) / bandwidth)
    u2 = squares.sum(axis=2)
    by_pair = KERNELS[kernel].derivative(u2) * weights / np.exp(shift)[:, None]
    for values, factors in forms:
        by_pair *= factors[:, :1] + factors[:, 1:] @ values.T
    expected = -2 * np.einsum("ij,ijc->c", by_pair, squares)
    assert_allclose(distance_slopes(attention, forms, shift), expected, rtol=1e-8, atol=1e-9)
