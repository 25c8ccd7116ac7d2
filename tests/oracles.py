"""Plain formulas, for tests to compare with. Nothing of nwkr is used here."""

import mpmath
import numpy as np

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


def scaled_distances(Q, X, bandwidth):
    """(n_queries, n_train): feature by feature, nothing expanded."""
    Q, X = np.asarray(Q, float), np.asarray(X, float)
    return np.sqrt((((Q[:, None, :] - X[None, :, :]) / bandwidth) ** 2).sum(axis=2))


def attention(Q, X, kernel, bandwidth, sample_weight=1.0, leave_self_out=False, empty="nan"):
    """(n_queries, n_train): rows sum to 1; `empty` says what rows without weight become."""
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
    """Predictions of n estimators, each fitted without the row that it predicts."""
    from sklearn.base import clone

    predictions = []
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        weight = None if sample_weight is None else sample_weight[others]
        model = clone(estimator).fit(X[others], y[others], weight)
        predictions.append(
            (model.predict_proba if hasattr(model, "predict_proba") else model.predict)(
                X[i : i + 1]
            )
        )
    return np.concatenate(predictions)


def predict_extended(Q, X, y, kernel, bandwidth, digits=60):
    """(n_queries,): the formula in many digits; nearest rows where no weight is left."""
    with mpmath.workdps(digits):
        profile = {
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
        }[kernel]
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
