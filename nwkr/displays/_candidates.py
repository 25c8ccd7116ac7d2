"""The candidates of a search for a bandwidth: their forms, their scores and their places."""

from __future__ import annotations

import numpy as np

from nwkr.bandwidths import KNearest

__all__ = ["forms_of", "is_numeric", "name_of_score", "places_of", "refined_by", "typical_of"]


def forms_of(results):
    """The degree of each candidate; steps without slopes and the trend alone are apart."""
    degrees = np.array(results["degree"])
    if "ridge" in results:
        degrees = degrees + ((degrees == 1) & np.isinf(results["ridge"]))
        degrees[np.isposinf(results["multiple"])] = 3
    return degrees


def refined_by(model):
    """Which candidates come after the given ones, or the multiples of a rule, of their degree."""
    results = model.cv_results_
    if "multiple" not in results:
        return [False] * len(results["score"])
    if isinstance(model.bandwidths, str):
        return list(np.isnan(results["multiple"]))
    degrees = forms_of(results)
    return list(_numbers_within(degrees) >= len(model.bandwidths))


def _numbers_within(degrees):
    """Number of previous candidates of the same degree."""
    return np.array([(degrees[:number] == degrees[number]).sum() for number in range(len(degrees))])


def name_of_score(model):
    """The name of the score of a search, and the sign with which it is drawn."""
    how = "leave-one-out" if model.cv is None else "cross-validated"
    scoring = model._scoring
    if scoring in ("aicc", "gcv"):
        return {"aicc": "AICc", "gcv": "GCV"}[scoring], -1
    if not isinstance(scoring, str):
        return f"{getattr(scoring, '__name__', 'score')}, {how}".replace("_", " "), 1
    sign = -1 if scoring.startswith("neg_") else 1
    return f"{scoring.removeprefix('neg_')}, {how}".replace("_", " "), sign


def is_numeric(bandwidth):
    """Whether a bandwidth is a number or an array."""
    return np.asarray(bandwidth).dtype.kind in "fiu"


def typical_of(bandwidth):
    """The geometric mean over the features whose bandwidth is neither 0 nor infinite, if any."""
    bandwidth = np.atleast_1d(np.asarray(bandwidth, dtype=float))
    if bandwidth.ndim == 2:  # a matrix holds squares
        bandwidth = np.sqrt(np.diag(bandwidth))
    between = bandwidth[(bandwidth > 0) & np.isfinite(bandwidth)]
    return np.exp(np.log(between).mean()) if len(between) else bandwidth.mean()


def places_of(bandwidths, degrees, found):
    """Positions of the candidates, whether on a logarithmic scale, and ticks apart from it."""
    if all(isinstance(bandwidth, KNearest) for bandwidth in bandwidths):
        return np.array([float(bandwidth.k) for bandwidth in bandwidths]), True, {}
    if all(is_numeric(bandwidth) for bandwidth in bandwidths):
        places = np.array([typical_of(bandwidth) for bandwidth in bandwidths], dtype=float)
        between = (places > 0) & np.isfinite(places)
        if between.any() and between[~found & ~np.isposinf(places)].all():
            low, high = places[between].min(), places[between].max()
            away = max(2.0, (high / low) ** 0.12)
            low, high = low / away, high * away
            apart = {low: "0"} if (places == 0).any() else {}
            apart |= {high: "∞"} if np.isposinf(places).any() else {}
            return np.clip(places, low, high), True, apart
    return _numbers_within(degrees).astype(float), False, {}
