"""The last estimator of a pipeline, and its transformed rows."""

from __future__ import annotations

__all__ = ["last_step"]


def last_step(estimator, X=None):
    """Return the last step of a pipeline, and the rows that it receives for `X`.

    A :class:`~sklearn.pipeline.Pipeline` forwards only the methods that scikit-learn knows. Call
    all others, such as `attention_weights`, `explain` or `predict_interval`, on its last step,
    with rows that the previous steps have transformed.

    Parameters
    ----------
    estimator : estimator
        A fitted pipeline; a fitted search such as :class:`~sklearn.model_selection.GridSearchCV`,
        whose best estimator is used; or any other estimator, which is its own last step.
    X : array-like of shape (n_queries, n_features) or None, default=None
        Rows for the whole pipeline.

    Returns
    -------
    model : estimator
        The last step.
    rows : array-like of shape (n_queries, n_columns) or None
        `X` as transformed by the previous steps; None for None, which means the training rows.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from nwkr import NadarayaWatsonRegressor, last_step
    >>> pipe = make_pipeline(StandardScaler(), NadarayaWatsonRegressor())
    >>> pipe = pipe.fit([[0], [10], [30]], [0, 1, 2])
    >>> model, rows = last_step(pipe, [[5]])
    >>> model.attention_weights(rows).round(2)
    array([[0.49, 0.49, 0.02]])
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not hasattr(estimator, "steps"):
        return estimator, X
    return estimator[-1], X if X is None or len(estimator) == 1 else estimator[:-1].transform(X)
