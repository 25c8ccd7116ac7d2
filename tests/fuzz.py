"""Random problems, compared with the plain formula in fifty digits: ``python tests/fuzz.py``.

The script prints the seed of a problem that fails: ``python tests/fuzz.py --seed 7`` repeats it.

A prediction may be off by what float64 allows: 1e-9 of the largest target, plus the change that
rounding the last digits of each distance would cause.
"""

import argparse
import sys
import warnings
from functools import partial

import fuzz_methods
import mpmath
import numpy as np
from oracles import EXTENDED
from scipy.spatial.distance import chebyshev
from sklearn.metrics import pairwise_distances
from small import SMALL

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor
from nwkr.bandwidths import Adaptive, KNearest

# Functions of the scaled distance that are not registered kernels.
CALLABLES = {
    "cauchy": lambda u: 1 / (1 + u**2),
    "matern": lambda u: (1 + np.sqrt(3) * u) * np.exp(-np.sqrt(3) * u),
    "long": lambda u: np.maximum(0, 1 - u / 3),
    "quartic": lambda u: np.exp(-(np.minimum(u, 1e9) ** 4)),
    "ring": lambda u: (u > 0.5) * np.exp(-u),
}
number = np.frompyfunc(lambda value: mpmath.mpf(float(value)), 1, 1)
root = np.frompyfunc(mpmath.sqrt, 1, 1)


# -- problems -----------------------------------------------------------------------------


def problem_of(seed):
    """An estimator's parameters, training data and queries, as a dict."""
    rng = np.random.default_rng(seed)

    def some(*choices):
        return choices[rng.integers(len(choices))]

    n, d = some(2, 3, 9, 30, 60, 60), some(1, 1, 2, 2, 3, 5)
    X = rng.normal(size=(n, d))
    kind = some("normal", "normal", "clusters", "duplicates", "grid", "skewed", "constant column")
    X = {
        "clusters": 1e-3 * X + 3 * rng.integers(-1, 2, X.shape),
        "duplicates": X[rng.integers(0, max(1, n // 4), n)],
        "grid": np.round(2 * X) / 2,
        "skewed": np.exp(3 * X),
        "constant column": X * (np.arange(d) > 0) + some(0.0, 7.0),
    }.get(kind, X)
    Q = np.concatenate([X[rng.integers(0, n, 4)], X[rng.integers(0, n, 6)]])
    Q[4:] += some(1e-8, 0.1, 1.0) * rng.normal(size=Q[4:].shape)
    Q[8:] += some(0, 0, 30, 1e6)
    X[: some(0, 0, 0, 1)] += some(1e3, 1e6, 1e9)
    metric = some(*["euclidean"] * 6, "manhattan", "cosine", "precomputed", chebyshev)
    left_out = some(False, False, True)
    shift, scale = some(0, 0, 0, 10, 1e6), some(1, 1, 1, 1e-150, 1e-8, 1e8, 1e140)
    if metric != "euclidean":
        shift, scale = 0, some(1, 1e-8, 1e8)
    X, Q = scale * (X + shift), scale * (Q + shift)
    if metric == "precomputed":
        X, Q = pairwise_distances(X), pairwise_distances(Q, X)

    kernel = some(*sorted(EXTENDED), *sorted(EXTENDED), *CALLABLES)
    one = scale * some(1e-3, 0.05, 0.3, 0.7, 1.5, 10.0, 1e4)
    nearest = KNearest(int(rng.integers(1, 1 + n // 2)))
    bandwidth = some(one, 0.0, np.inf, nearest)
    if metric == "euclidean":
        each = one * rng.uniform(0.3, 3, d)
        limits = np.where(np.arange(d) == rng.integers(d), some(0.0, np.inf), each)
        adaptive = one if kernel == "ring" else Adaptive(one)  # no density at its rows
        bandwidth = some(one, one, 0.0, np.inf, each, limits, nearest, adaptive)

    weights = some(None, None, "uniform", "zeros", "uneven", "tiny", "huge")
    if weights is not None:
        least, greatest = (1e-9, 1e9) if weights == "uneven" else (0.1, 3)
        unit = {"tiny": 1e-200, "huge": 1e200}.get(weights, 1.0)
        zero = (rng.random(n) < 0.3) & (weights == "zeros") & (np.arange(n) > 1)
        exponents = rng.uniform(np.log(least), np.log(greatest), n)
        weights = np.where(zero, 0, unit * np.exp(exponents))
        if isinstance(bandwidth, KNearest):  # k counts rows by weight
            weights = rng.integers(1, 4, n).astype(float) if n > 9 else None

    classes = some(False, False, True)
    y = rng.integers(0, 3, n) if classes else rng.normal(size=(n, 2)) * some(1, 1e-100, 1e100)
    if not classes and some(False, True):
        y = y[:, 0] + some(0, 1e6)
    problem = {
        "X": laid_out(X, rng, some),
        "Q": laid_out(Q, rng, some),
        "y": y,
        "sample_weight": weights,
        "kernel": kernel,
        "bandwidth": bandwidth,
        "metric": metric,
        "handle_empty": some("nearest", "nearest", "mean", "nan", "error"),
        "algorithm": some("auto", "dense", "blocks", "lattice"),
        "tol": some(0.0, 0.0, 1e-6, 1e-2),
        "n_jobs": some(None, 1, 2),
        "left_out": left_out,
        "small": some(False, True),
    }
    lines = metric == "euclidean" and kernel in EXTENDED and not classes
    if lines and not isinstance(bandwidth, Adaptive) and some(False, True):
        problem |= {"degree": 1, "ridge": some(0.1, 1.0, 10.0), "tol": 0.0}
    return problem


def laid_out(X, rng, some):
    """The same rows in another memory layout or a narrower type."""
    form = some("C", "C", "C", "F", "strided", "read-only", "float32", "list", "int")
    if form == "float32" and 1e-6 < np.abs(X).max() < 1e30:
        return X.astype(np.float32)
    if form == "int" and 1 < np.abs(X).max() < 1e15:
        return np.round(X).astype(np.int64)
    if form == "F":
        return np.asfortranarray(X)
    if form == "strided":
        return np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3]
    X = X.copy()
    X.flags.writeable = form != "read-only"
    return X.tolist() if form == "list" else X


def estimator_of(problem):
    names = "bandwidth metric handle_empty algorithm tol n_jobs degree ridge".split()
    options = {name: problem[name] for name in names if name in problem}
    varies = isinstance(options["bandwidth"], KNearest | Adaptive)
    widths = np.atleast_1d(0.0 if varies else options["bandwidth"])
    on_lattice = problem["kernel"] == "gaussian" and np.shape(problem["X"])[1] < 5
    on_lattice &= bool(widths.all() and np.isfinite(widths).any())
    if problem["metric"] != "euclidean" or (options["algorithm"] == "lattice" and not on_lattice):
        options["algorithm"] = "auto"
    classes = problem["y"].dtype.kind == "i"
    Estimator = NadarayaWatsonClassifier if classes else NadarayaWatsonRegressor
    model = Estimator(CALLABLES.get(problem["kernel"], problem["kernel"]), **options)
    if problem["small"]:
        model._sizes = SMALL
    return model


# -- the plain formula --------------------------------------------------------------------


def kernel_weights(kernel, u):
    """Weights of scaled distances; a function of the user's is evaluated in float64."""
    if kernel in EXTENDED:
        return np.frompyfunc(lambda u: EXTENDED[kernel](u**2), 1, 1)(u)
    finite = (u < 1e300).astype(bool)
    return number(np.where(finite, CALLABLES[kernel](np.where(finite, u, 0).astype(float)), 0))


def distances_of(A, B, metric, bandwidth):
    """Distances, squared differences in exact columns, absolute errors and relative errors."""
    single = np.float32 in (np.asarray(A).dtype, np.asarray(B).dtype)
    A, B = np.asarray(A, float), np.asarray(B, float)
    digits = 1e-6 if single else 1e-12
    if metric == "cosine":
        D = cosine_distances(A, B)
        return D, 0 * D, digits * D + 1e-14, digits
    if metric != "euclidean":
        D = number(A if metric == "precomputed" else pairwise_distances(A, B, metric=metric))
        return D, 0 * D, digits * D, digits
    squares, error = number(np.zeros((len(A), len(B)))), 0
    apart = squares
    for a, b, width in zip(A.T, B.T, np.broadcast_to(bandwidth, A.shape[1])):
        gap = number(a)[:, None] - number(b)
        if width == 0:
            apart = apart + gap**2
        elif np.isfinite(width):
            squares = squares + (gap / number(width)) ** 2
            # Sums are taken about a centre, which removes a shift.
            farthest = np.abs(np.concatenate([a, b]) - np.median(b)).max()
            error = error + (6e-8 if single else 4e-16) * farthest / width
    return root(squares), apart, digits * root(squares) + error, digits


def cosine_distances(A, B):
    """1 minus the cosine of the angle between rows, rounded once; 1 for rows of zeros."""
    A, B = number(A), number(B)
    lengths = [root((X**2).sum(axis=1)) for X in (A, B)]
    A, B = (X / np.where(of == 0, 1, of)[:, None] for X, of in zip((A, B), lengths))
    D = 1 - A @ B.T
    return number(np.where(abs(D) < 1e-40, 0, D))


def nearest_width(distances, weights, k):
    """The distance to the k-th row, counted by weight."""
    order = np.argsort(distances.astype(float), kind="stable")
    return distances[order][np.searchsorted(weights[order].cumsum().astype(float), k)]


def plain_attention(problem, Q):
    """Weights, (n_queries, n_keys), their errors, queries with weight, and queries in doubt."""
    X, kernel, bandwidth, empty, weights = (
        problem[name] for name in ("X", "kernel", "bandwidth", "handle_empty", "sample_weight")
    )
    weights = number(np.ones(len(X)) if weights is None else weights)
    counted = np.tile((weights > 0).astype(bool), (len(Q), 1))
    if problem["left_out"]:
        np.fill_diagonal(counted, False)
    varies = isinstance(bandwidth, KNearest | Adaptive)
    scale, width = (bandwidth, 1.0) if problem["metric"] == "euclidean" else (1.0, bandwidth)
    scale, width = (getattr(bandwidth, "base", 1.0), 1.0) if varies else (scale, width)
    D, apart, error, digits = distances_of(Q, X, problem["metric"], scale)
    width = number(width)
    if isinstance(bandwidth, KNearest):
        width = [[nearest_width(row, weights * of, bandwidth.k)] for row, of in zip(D, counted)]
        width = np.array(width)
    elif varies:
        used = counted.any(axis=0)
        pilot, *_ = distances_of(X, X, "euclidean", scale)
        density = (kernel_weights(kernel, pilot) @ weights)[used]
        logs = np.frompyfunc(mpmath.log, 1, 1)(density)
        width = number(np.ones(len(X)))
        mean = (weights[used] * logs).sum() / weights.sum()
        width[used] = np.frompyfunc(mpmath.exp, 1, 1)((mean - logs) / 2)
        weights = weights * width ** -np.shape(X)[1]

    none, infinite = width == 0, mpmath.inf
    u = np.where(none, np.where(D == 0, D, infinite), D / np.where(none, 1, width))
    slack = np.where(none, 0, error / np.where(none, 1, width))
    if isinstance(bandwidth, KNearest):
        slack = np.where(u == 1, 0, slack)  # the k-th row is inside by definition
    least = np.where(counted, apart, infinite).min(axis=1) if empty == "nearest" else number(0)
    matched = counted & (apart == np.reshape(least, (-1, 1))).astype(bool)
    within = matched & (u < infinite).astype(bool)
    K, low, high = (
        np.where(within, kernel_weights(kernel, np.where(u > s, u - s, 0)), 0) * weights
        for s in (0, slack, -slack)
    )
    off = abs(low - high) + digits * K
    reached = (K > 0).any(axis=1)
    doubtful = np.where(reached, ~(high > 0).any(axis=1), (off > 0).any(axis=1))
    if problem["metric"] == "cosine":  # whether it is 0 or a rounding error
        doubtful |= (counted & (width <= error) & (D > 0) & (D <= error)).any(axis=1)
    for q in np.flatnonzero(~reached):
        far = np.where(matched[q], np.where(u[q] == infinite, D[q], u[q]), infinite)
        near = (far <= far.min()).astype(bool) if empty == "nearest" else counted[q]
        nearly = far <= far.min() * (1 + 1e-9) + np.min(slack)
        doubtful[q] |= empty == "nearest" and nearly.sum() > near.sum()
        K[q] = np.where(near, weights, 0)
        off[q] = digits * K[q]
    return K, off, reached, doubtful


def plain_line(problem, q, query, weights):
    """Weights of each target at a query, and the factors of their errors.

    Returns the weights of the targets; the factor of each attention weight's error; the factor of
    rounding from the penalty; and two bounds of the error from rounded coordinates: each target's
    slopes times the error of the query, and each residual's weight.
    """
    X = number(np.asarray(problem["X"], float))
    counts = problem["sample_weight"]
    counts = number(np.ones(len(X)) if counts is None else counts)
    # Rows count at least as their effective number.
    factor = max(1, counts.sum() / (counts**2).sum())
    counts, rows = factor * counts, (counts > 0).astype(bool)
    if problem["left_out"]:
        rows[q] = False
    total, share = factor * weights.sum(), weights / weights.sum()
    bandwidth = problem["bandwidth"]
    if isinstance(bandwidth, KNearest):
        distances = distances_of(query[None], np.asarray(problem["X"], float), "euclidean", 1.0)[0]
        bandwidth = nearest_width(distances[0], counts * rows, bandwidth.k)
    bandwidth = np.broadcast_to(bandwidth, X.shape[1])

    def variance_of(rows):
        mean = (counts * rows) @ X / (counts * rows).sum()
        return mean, (counts * rows) @ (X - mean) ** 2 / (counts * rows).sum()

    mean, variance = variance_of(counts > 0)
    some = (variance > 1e-28 * mean**2).astype(bool)
    if not isinstance(problem["bandwidth"], KNearest):
        some &= bandwidth > 0
    if not some.any():
        return share, np.abs(0 * share + 1), 1.0, np.zeros((1, len(X))), 0 * share
    within = variance_of(rows)[1] if problem["left_out"] else variance
    penalty = number(np.zeros(len(within)))
    for j, (width, its_variance) in enumerate(zip(bandwidth, within)):
        if width > 0 and its_variance > 0:
            wide = 0 if np.isinf(float(width)) else 1 / number(width) ** 2
            penalty[j] = 1 / (wide + 1 / its_variance)
    penalty = np.where(penalty > 0, penalty, variance)[some]
    centre = share @ X[:, some]
    apart, offset = X[:, some] - centre, number(query)[some] - centre
    # Units of the penalty make columns of any scale solvable.
    unit = root(penalty)
    left = (apart / unit).T @ (share[:, None] * apart / unit) * total
    left += np.diag([mpmath.mpf(problem["ridge"])] * len(unit))
    inverse = np.array((mpmath.matrix(left.tolist()) ** -1).tolist())
    along = total * inverse @ (offset / unit) / unit
    tilt = 1 + apart @ along
    steep = float(1 + total * len(unit) / problem["ridge"])
    off = 2e-15 * np.abs(X[:, some] - np.median(X[:, some].astype(float), axis=0)).max(axis=0)
    slopes = total * inverse @ (apart / unit).T * share / unit[:, None]
    return share * tilt, np.abs(tilt), steep, off[:, None] * slopes, share * (np.abs(along) @ off)


# -- the comparison -----------------------------------------------------------------------


def kind_of(problem):
    """The kind of prediction and of bandwidth, as text."""
    what = "lines" if "degree" in problem else "means"
    what = "classes" if problem["y"].dtype.kind == "i" else what
    bandwidth, metric = problem["bandwidth"], problem["metric"]
    varies = isinstance(bandwidth, KNearest | Adaptive)
    window = type(bandwidth).__name__ if varies else "one width"
    return f"{what}, {window}, {metric if metric == 'euclidean' else 'other metrics'}"


def complaint_of(problem, errors):
    """The fault found, as text; "" if there is none.

    Adds the error of the predictions, as a share of the largest target and of the allowed error, to
    `errors`.
    """
    X, y, weights = problem["X"], problem["y"], problem["sample_weight"]
    Q = X if problem["left_out"] else problem["Q"]
    K, off, reached, doubtful = plain_attention(problem, Q)
    values = np.eye(3)[y][:, np.unique(y)] if y.dtype.kind == "i" else y.reshape(len(y), -1)
    model, asked = estimator_of(problem), None if problem["left_out"] else Q
    try:
        model.fit(X, y, weights)
        got = getattr(model, "predict_proba", model.predict)(asked).reshape(len(Q), -1)
        attention = model.attention_weights(asked)
    except ValueError as error:
        refused = "handle_empty='error'" in str(error) and (doubtful | ~reached).any()
        return "" if refused else f"ValueError: {error}"
    for q in np.flatnonzero(~doubtful):
        if not reached[q] and problem["handle_empty"] in ("nan", "error"):
            if problem["handle_empty"] == "error" or not np.isnan(got[q]).all():
                return f"query {q} reaches no row; got {got[q]}"
            continue
        share, slack = K[q] / K[q].sum(), 4 * off[q] / K[q].sum()
        effective, lever, steep, moved, of_rows = share, 1, 1, np.zeros((1, len(X))), 0
        if "degree" in problem and reached[q]:
            if K[q].sum() > 1e20 * problem["ridge"]:
                continue  # fifty digits cannot hold both penalty and weights
            at = np.asarray(Q, float)[q]
            effective, lever, steep, moved, of_rows = plain_line(problem, q, at, K[q])
        expected = effective @ number(values)
        change = (slack * lever + of_rows) @ abs(number(values) - expected)
        change = change + abs(moved @ number(values)).sum(axis=0)
        size = np.abs(values).max() * max(1, float(np.abs(effective).sum()))
        rounded = np.finfo(got.dtype).eps  # float32 rows give float32 probabilities
        allowed = (1e-9 + problem["tol"] + 1e-14 * steep + rounded) * size + change
        error = abs(number(got[q]) - expected)
        if not np.isnan(got[q]).any():
            errors.append((float(error.max() / size), float((error / allowed).max())))
        if np.isnan(got[q]).any() or (error > allowed).any():
            expected, allowed = expected.astype(float), allowed.astype(float)
            return f"query {q}: got {got[q]}, expected {expected}, may be off {allowed}"
        apart = np.abs(attention[q] - share.astype(float))
        if not apart.max() <= 1e-9 + float(slack.sum()):
            return f"query {q}: attention is off by {apart.max()} at row {apart.argmax()}"
    return ""


def check(seed, errors):
    """The fault of one problem, which may be an exception; adds its errors by kind."""
    problem = problem_of(seed)
    of_kind = errors.setdefault(kind_of(problem), [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return complaint_of(problem, of_kind)
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="the number of problems")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone, with all that it is")
    parser.add_argument("--methods", action="store_true", help="compare methods with each other")
    arguments = parser.parse_args()
    mpmath.mp.dps = 50
    failures, errors = 0, {}
    complaint_about = fuzz_methods.check if arguments.methods else partial(check, errors=errors)
    if (seed := arguments.seed) is not None:
        problem = vars(fuzz_methods.Problem(seed)) if arguments.methods else problem_of(seed)
        for name, value in problem.items():
            print(f"{name} = {value!r}")
        sys.exit(complaint_about(seed) or 0)
    for seed in range(arguments.start, arguments.start + arguments.n):
        if complaint := complaint_about(seed):
            failures += 1
            print(f"--seed {seed}: {complaint}", flush=True)
    if not arguments.methods:
        print_largest(errors)
    sys.exit(f"{failures} of {arguments.n} failed" if failures else 0)


def print_largest(errors):
    print("predictions  of the targets  of what is allowed: the largest errors")
    for kind, found in sorted(errors.items()):
        of_targets, of_allowed = np.max([(0, 0), *found], axis=0)
        print(f"{len(found):11}  {of_targets:14.1e}  {of_allowed:18.1e}  {kind}")


if __name__ == "__main__":
    main()
