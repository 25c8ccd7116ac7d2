"""Comparison of candidates by scikit-learn's cross-validation."""

from __future__ import annotations

import numpy as np
from sklearn import config_context
from sklearn.model_selection import GridSearchCV

from nwkr._metrics import distances_worth_keeping, resolve_metric
from nwkr._resolve_window import sees_rows
from nwkr._scoring import as_scorer

__all__ = ["scores_over_folds"]


def scores_over_folds(model, grid, X, y, sample_weight, scoring, cv):
    """Compare candidates by cross-validation.

    Parameters
    ----------
    model : estimator
        The estimator without a search.
    grid : dict
        Values of its parameters, including "bandwidth".
    X : ndarray of shape (n_samples, n_features)
        Rows; distances, if precomputed.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    sample_weight : ndarray of shape (n_samples,)
        Weights, which also weight the scores if they differ.
    scoring : str or callable
        As in :func:`nwkr._scoring.score_predictions`.
    cv : int, cross-validation generator or iterable
        The splits.

    Returns
    -------
    params : list of dict
        The candidates.
    scores : ndarray of shape (n_candidates,)
        Their mean scores.
    """
    distances = None
    if not any(sees_rows(bandwidth) for bandwidth in grid["bandwidth"]):
        metric = resolve_metric(model.metric, model.metric_params)
        distances = distances_worth_keeping(X, metric)
    if distances is not None:
        X = distances
        model.set_params(metric="precomputed", metric_params=None)
    weighted = np.ptp(sample_weight) > 0
    # Metadata routing passes the weights to the scores, for any setting of the caller.
    with config_context(enable_metadata_routing=weighted):
        search = GridSearchCV(
            model.set_fit_request(sample_weight=True) if weighted else model,
            grid,
            scoring=as_scorer(scoring, weighted),
            cv=cv,
            refit=False,
        )
        try:
            search.fit(X, y, **({"sample_weight": sample_weight} if weighted else {}))
        except ValueError as error:
            if "n_splits" not in str(error):
                raise
            raise ValueError(
                f"cv must make at most as many splits as there are rows, and rows of each class; "
                f"got {cv!r}: {error} Use fewer splits, or cv=None."
            ) from error
    return search.cv_results_["params"], search.cv_results_["mean_test_score"]
