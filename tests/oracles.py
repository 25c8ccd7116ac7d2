"""Plain formulas that tests compare with. This module uses nothing of nwkr."""

import mpmath
import numpy as np
from scipy.special import logsumexp

PROFILES = {
    "gaussian": lambda u: np.exp(-(u**2) / 2),
    "exponential": lambda u: np.exp(-u),
    "boxcar": lambda u: (u <= 1) * 1.0,
    "triangular": lambda u: np.maximum(0, 1 - u),
    "epanechnikov": lambda u: np.maximum(0, 1 - u**2),
    "biweight": lambda u: np.maximum(0, 1 - u**2) ** 2,
    "triweight": lambda u: np.maximum(0, 1 - u**2) ** 3,
    "tricube": lambda u: np.maximum(0, 1 - u**3) ** 3,
    "cosine": lambda u: np.cos(np.pi / 2 * np.minimum(u, 1)) * (u < 1),
    "constant": lambda u: np.ones_like(u),
}

EXTENDED = {  # functions of the squared distance, with the digits that mpmath is set to
    "gaussian": lambda u2: mpmath.exp(-u2 / 2),
    "exponential": lambda u2: mpmath.exp(-mpmath.sqrt(u2)),
    "boxcar": lambda u2: mpmath.mpf(u2 <= 1),
    "triangular": lambda u2: max(mpmath.mpf(0), 1 - mpmath.sqrt(u2)),
    "epanechnikov": lambda u2: max(mpmath.mpf(0), 1 - u2),
    "biweight": lambda u2: max(mpmath.mpf(0), 1 - u2) ** 2,
    "triweight": lambda u2: max(mpmath.mpf(0), 1 - u2) ** 3,
    "tricube": lambda u2: max(mpmath.mpf(0), 1 - mpmath.sqrt(u2) ** 3) ** 3,
    "cosine": lambda u2: mpmath.cos(mpmath.pi / 2 * mpmath.sqrt(u2)) if u2 < 1 else 0,
    "constant": lambda u2: mpmath.mpf(1),
}


def scaled_distances(Q, X, bandwidth):
    """(n_queries, n_train): scaled distances from differences in each feature."""
    Q, X = np.asarray(Q, float), np.asarray(X, float)
    return np.sqrt((((Q[:, None, :] - X[None, :, :]) / bandwidth) ** 2).sum(axis=2))


def log_totals_of_gaussian(queries, keys, bandwidth, weights, leave_out, **_):
    """(n_queries,): logarithms of the sums of Gaussian weights, which may underflow."""
    u = scaled_distances(queries, keys, bandwidth)
    log_weights = -(u**2) / 2 + np.log(weights)
    leaving = np.flatnonzero(leave_out >= 0)
    log_weights[leaving, leave_out[leaving]] = -np.inf
    return logsumexp(log_weights, axis=1)


def distances_of_kinds(Q, X, bandwidth, gap, is_label):
    """(n_queries, n_train): scaled distances with missing values and labels, column by column."""
    squares = np.zeros((len(Q), len(X)))
    for q, k, b, g, label in zip(np.asarray(Q, float).T, X.T, bandwidth, gap, is_label):
        q = q[:, None]
        apart = (q != k) * 1.0 if label else (q - k) ** 2
        apart = np.where(np.isnan(q) | np.isnan(k), g**2, apart)
        apart[np.isnan(q) & np.isnan(k)] = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            squares += np.where(apart > 0, apart / b**2, 0)
    return np.sqrt(squares)


def mixed_distances(Q, X, kinds, bandwidth):
    """(n_queries, n_train): distances of numbers, categories, ordered levels and cycles.

    `kinds` gives "number", "category", "levels", or a period for each column.
    """
    u2 = np.zeros((len(Q), len(X)))
    for i, query in enumerate(Q):
        for j, row in enumerate(X):
            for a, b, kind, width in zip(query, row, kinds, bandwidth):
                if kind == "category":
                    d2 = float(a != b)
                elif kind == "levels":
                    d2 = abs(a - b)
                elif kind == "number":
                    d2 = (a - b) ** 2
                else:
                    d2 = (kind / np.pi * np.sin(np.pi * (a - b) / kind)) ** 2
                u2[i, j] += d2 / width**2 if width else (np.inf if d2 else 0)
    return np.sqrt(u2)


def attention(Q, X, kernel, bandwidth, sample_weight=1.0, leave_self_out=False, empty="nan"):
    """(n_queries, n_train): rows sum to 1; `empty` is the rule for rows without weight."""
    u = scaled_distances(Q, X, bandwidth)
    weights = PROFILES[kernel](u) * sample_weight
    mean = np.ones_like(weights) * sample_weight
    if leave_self_out:
        np.fill_diagonal(weights, 0)
        np.fill_diagonal(mean, 0)
        np.fill_diagonal(u, np.inf)
    for row in np.flatnonzero(weights.sum(axis=1) == 0):
        if empty == "nearest":
            weights[row] = (u[row] == u[row].min()) * sample_weight
        elif empty == "mean":
            weights[row] = mean[row]
    with np.errstate(invalid="ignore"):
        return weights / weights.sum(axis=1, keepdims=True)


def predict(Q, X, y, kernel, bandwidth, **kwargs):
    """(n_queries,) or (n_queries, n_outputs)."""
    return attention(Q, X, kernel, bandwidth, **kwargs) @ y


def refit_without_each(estimator, X, y, sample_weight=None):
    """Predictions by n refits: each row is predicted by an estimator fitted without it."""
    from sklearn import config_context
    from sklearn.base import clone

    model, predictions = clone(estimator), []
    # Checks of input take most of the time and have their own tests.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for i in range(len(X)):
            others = np.arange(len(X)) != i
            weight = None if sample_weight is None else sample_weight[others]
            model.fit(X[others], y[others], weight)
            predict = getattr(model, "predict_proba", model.predict)
            predictions.append(predict(X[i : i + 1]))
    return np.concatenate(predictions)


def predict_extended(Q, X, y, kernel, bandwidth, digits=60):
    """(n_queries,): predictions in many digits; the nearest rows where all weights are 0."""
    with mpmath.workdps(digits):
        profile = EXTENDED[kernel]
        bandwidth = np.broadcast_to(bandwidth, np.shape(X)[1])
        predictions = []
        for query in np.asarray(Q).tolist():
            squares = [
                mpmath.fsum(
                    ((mpmath.mpf(a) - mpmath.mpf(b)) / mpmath.mpf(float(h))) ** 2
                    for a, b, h in zip(query, key, bandwidth)
                )
                for key in np.asarray(X).tolist()
            ]
            weights = [profile(u2) for u2 in squares]
            if not any(weights):
                weights = [mpmath.mpf(u2 == min(squares)) for u2 in squares]
            values = [mpmath.mpf(value) for value in np.asarray(y).tolist()]
            predictions.append(float(mpmath.fdot(weights, values) / mpmath.fsum(weights)))
    return np.array(predictions)


def attention_by_distance(distances, width, kernel, sample_weight=1.0, left_out=None, empty="nan"):
    """(n_queries, n_train), for a `width` that may vary by query (a column) or key (a row).

    `left_out` gives the row that each query leaves out. With a width of 0, keys at distance 0 have
    weight. If a query has no weight, it gets the nearest rows, by distance in units of the width.
    """
    distances = np.array(distances, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.where(distances == 0, 0, distances / width)
    allowed = np.ones_like(u)
    if left_out is not None:
        allowed[np.arange(len(u)), left_out] = 0
    u[allowed == 0] = np.inf
    weights = np.where(np.isfinite(u), PROFILES[kernel](u), 0) * sample_weight
    for row in np.flatnonzero(weights.sum(axis=1) == 0):
        # Where the width is 0 and all distances are positive, use the distance itself.
        far = distances[row] if np.isinf(u[row].min()) else u[row]
        nearest = far == far[allowed[row] > 0].min()
        if empty != "nan":
            weights[row] = allowed[row] * sample_weight * (nearest if empty == "nearest" else 1)
    with np.errstate(invalid="ignore"):
        return weights / weights.sum(axis=1, keepdims=True)


def nearest_widths(distances, k, sample_weight=None, left_out=None):
    """(n_queries,): each query's distance to its `k`-th nearest row, counted by weight."""
    widths = []
    for query, row in enumerate(np.asarray(distances, float)):
        counted = 0
        for number in np.argsort(row, kind="stable"):
            if left_out is not None and number == left_out[query]:
                continue
            counted += 1 if sample_weight is None else sample_weight[number]
            if counted >= k:
                widths.append(row[number])
                break
    return np.array(widths)


def adaptive_factors(X, kernel, bandwidth, exponent=0.5, sample_weight=None):
    """(n_train,): (density / geometric mean of the densities) ** -exponent."""
    weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
    density = (PROFILES[kernel](scaled_distances(X, X, bandwidth)) * weight).sum(axis=1)
    geometric_mean = np.exp((weight * np.log(density)).sum() / weight.sum())
    return (density / geometric_mean) ** -exponent


def criterion(name, smoother, y, sample_weight=None):
    """AICc or GCV of a smoother matrix, from the mean squared residual over all outputs.

    The number of rows is Kish's effective number, and its product with the weighted mean of the
    leverages is the trace.
    """
    weights = np.ones(len(y)) if sample_weight is None else sample_weight
    n_samples = weights.sum() ** 2 / (weights**2).sum()
    trace = n_samples * np.average(np.diag(smoother), weights=weights)
    if trace + 2 >= n_samples:
        return np.inf
    squares = ((y - smoother @ y) ** 2).reshape(len(y), -1).mean(axis=1)
    mean_square = np.average(squares, weights=sample_weight)
    if name == "gcv":
        return mean_square / (1 - trace / n_samples) ** 2
    return np.log(mean_square) + (1 + trace / n_samples) / (1 - (trace + 2) / n_samples)


def slope(function, x, step=1e-5):
    """Derivatives of a function of an array, by central differences of sixth order.

    The step is small because a longer one could cross the edge of a kernel.
    """
    x, steps = np.asarray(x, float), {1: 45, 2: -9, 3: 1}
    slopes = np.zeros(len(x))
    for j, direction in enumerate(np.eye(len(x))):
        for reach, factor in steps.items():
            ahead, behind = (x + side * reach * step * direction for side in (1, -1))
            slopes[j] += factor * (function(ahead) - function(behind)) / (60 * step)
    return slopes


def local_line(
    X, y, query, kernel, bandwidth=np.inf, ridge=1.0, weights=None, spread_of=None, projection=None
):
    """A line at a query: weighted least squares with a penalty on slopes, as a linear system.

    Returns each target's weight at the query, (n,), and the slopes, (n_features, n_outputs). The
    penalty is measured in the spread of the rows, or in that of `spread_of` where it is given. With
    a projection, distances are those of projected rows, and the bandwidth of a feature is the
    change in this feature alone that gives a distance of 1.
    """
    X, y = np.asarray(X, float), np.asarray(y, float).reshape(len(X), -1)
    weights = np.ones(len(X)) if weights is None else np.asarray(weights, float)
    bandwidth = np.broadcast_to(np.asarray(bandwidth, float), X.shape[1:])
    rows, of_rows = (X, weights) if spread_of is None else spread_of
    variance = np.average((rows - np.average(rows, axis=0, weights=of_rows)) ** 2, 0, of_rows)
    some = (bandwidth > 0) & (variance > 0)
    wide = bandwidth > 0
    u = scaled_distances(np.asarray(query, float)[None, wide], X[:, wide], bandwidth[wide])[0]
    reach = 1 / np.square(bandwidth[some])
    if projection is not None:
        u = np.sqrt(np.square((X - query) @ np.transpose(projection)).sum(axis=1))
        reach = np.square(projection).sum(axis=0)[some]
    counts = weights * PROFILES[kernel](u) * (X == query)[:, ~wide].all(axis=1)
    penalty = ridge / (reach + 1 / variance[some])
    design = np.column_stack([np.ones(len(X)), (X - query)[:, some]])
    left = design.T @ (counts[:, None] * design) + np.diag([0, *penalty])
    solved = np.linalg.solve(left, design.T * counts)
    slopes = np.zeros((X.shape[1], y.shape[1]))
    slopes[some] = solved[1:] @ y
    return solved[0], slopes


def newton_step(
    X, residuals, curvature, query, kernel, bandwidth, ridge=1.0, weights=None, spread_of=None,
    projection=None,
):  # fmt: skip
    """Change of one logit at a query: one Newton step of the local likelihood, as a linear system.

    `spread_of` holds the rows and the counts that give the mean curvature and the spread of the
    columns. A projection acts as in `local_line`.
    """
    X, (rows, of_rows) = np.asarray(X, float), spread_of
    weights = np.ones(len(X)) if weights is None else weights
    mean = np.average(rows, axis=0, weights=of_rows[0])
    variance = np.average((rows - mean) ** 2, axis=0, weights=of_rows[0])
    some = (bandwidth > 0) & (variance > 0) & np.isfinite(ridge)
    u = scaled_distances(np.asarray(query, float)[None], X, bandwidth)[0]
    reach = 1 / np.square(bandwidth[some])
    if projection is not None:
        u = np.sqrt(np.square((X - query) @ np.transpose(projection)).sum(axis=1))
        reach = np.square(projection).sum(axis=0)[some]
    counts = weights * PROFILES[kernel](u)
    penalty = 1 / (reach + 1 / variance[some])
    design = np.column_stack([np.ones(len(X)), (X - query)[:, some]])
    prior = of_rows[1] * np.append(1, (ridge if some.any() else 0) * penalty)
    left = design.T @ (design * (counts * curvature)[:, None]) + np.diag(prior)
    scale = 1 / np.sqrt(np.diag(left))
    right = scale * ((counts * residuals) @ design)
    return np.clip(scale[0] * np.linalg.solve(scale * left * scale[:, None], right)[0], -4, 4)


def logits_without_each(columns, truth, probabilities, weights, C, removed):
    """Change of each row's logits by one Newton step of logistic regression, without some weight.

    `columns` (n_rows, n_columns) starts with a constant, which is not penalised. `truth` and
    `probabilities` are (n_rows, n_logits); with two classes, the one logit is that of the second.
    `removed` is the weight taken off the row itself, (n_rows,), or off all rows, (n_rows, n_rows).
    """
    removed = np.diag(removed) if np.ndim(removed) == 1 else removed
    n_rows, n_columns = columns.shape
    n_logits = truth.shape[1]
    penalty = np.kron(np.eye(n_logits), np.diag(np.append(0, np.full(n_columns - 1, 1 / C))))
    changes = np.empty((n_rows, n_logits))

    def curvature_of(row):
        p = probabilities[row]
        within = p * (1 - p) if n_logits == 1 else np.diag(p) - np.outer(p, p)
        return np.kron(np.reshape(within, (n_logits,) * 2), np.outer(columns[row], columns[row]))

    whole = penalty + sum(weights[row] * curvature_of(row) for row in range(n_rows))
    for row in range(n_rows):
        # At the coefficients of all rows, the gradient without some rows is minus theirs.
        gradient, left = np.zeros(n_logits * n_columns), whole.copy()
        for other in np.flatnonzero(removed[row]):
            residual = truth[other] - probabilities[other]
            gradient += np.kron(residual, columns[other]) * removed[row, other]
            left -= removed[row, other] * curvature_of(other)
        change = -np.linalg.lstsq(left, gradient, rcond=1e-12)[0]
        changes[row] = change.reshape(n_logits, n_columns) @ columns[row]
    return changes
