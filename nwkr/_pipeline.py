"""The last estimator of a pipeline or search, and its transformed rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.utils.validation import check_is_fitted

__all__ = ["Parts", "last_step", "parts_of"]


class Parts(NamedTuple):
    """The parts of an estimator.

    Attributes
    ----------
    model : estimator
        The last step.
    before : list of transformer
        The steps before the last, in their order.
    of_targets : list of transformer
        Transformers whose inverses are applied to its predictions, in their order.
    """

    model: Any
    before: list
    of_targets: list

    def rows_for(self, X: Any) -> Any:
        """The rows that the last step is given for `X`; None for None."""
        for step in self.before:
            X = X if X is None else step.transform(X)
        return X


def last_step(estimator, X=None):
    """Return the last step of a pipeline, and the rows that it receives for `X`.

    A :class:`~sklearn.pipeline.Pipeline` forwards only the methods that scikit-learn knows. Call
    all others, such as `attention_weights`, `explain` or `predict_interval`, on its last step,
    with rows that the previous steps have transformed.

    Parameters
    ----------
    estimator : estimator
        A fitted pipeline; a fitted search such as :class:`~sklearn.model_selection.GridSearchCV`,
        whose best estimator is used; a fitted
        :class:`~sklearn.model_selection.TunedThresholdClassifierCV` or
        :class:`~sklearn.model_selection.FixedThresholdClassifier`, whose classifier is used; a
        fitted :class:`~sklearn.compose.TransformedTargetRegressor`, whose regressor is used, which
        predicts transformed targets; any of these within another; or any other estimator, which
        is its own last step.
    X : array-like of shape (n_queries, n_features) or None, default=None
        Rows for the whole pipeline.

    Returns
    -------
    model : estimator
        The last step.
    rows : array-like of shape (n_queries, n_columns) or None
        `X` as transformed by the previous steps; None for None, which means the training rows.

    Raises
    ------
    NotFittedError
        If a search, or a step before the last, is not fitted.
    TypeError
        If `estimator`, or the last step of a pipeline, is not an estimator.
    ValueError
        If a search has no best estimator, because of ``refit=False``.

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
    >>> model.predict_interval(rows, coverage=0.5).round(2)
    array([[-0.54,  1.58]])

    None stands for the training rows, each left out of its own prediction:

    >>> model, rows = last_step(pipe)
    >>> round(model.score(rows, [0, 1, 2]), 2)
    -0.3
    """
    parts = parts_of(estimator)
    return parts.model, parts.rows_for(X)


def parts_of(estimator: Any) -> Parts:
    """Take an estimator apart; see :func:`last_step`."""
    before: list = []
    of_targets: list = []
    while True:
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            raise TypeError(
                f"estimator must be a fitted estimator, or a pipeline or search that ends in one; "
                f"got {estimator!r}."
            )
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif hasattr(estimator, "steps"):
            if len(estimator) > 1:
                before.append(estimator[:-1])
            if estimator[-1] in (None, "passthrough"):
                raise TypeError(
                    f"estimator must end in an estimator; the last step of this pipeline is "
                    f"{estimator[-1]!r}, which does not predict. Remove that step, or replace "
                    f"it with an estimator of nwkr; got {estimator!r}."
                )
            estimator = estimator[-1]
        elif hasattr(estimator, "estimator") and hasattr(estimator, "refit"):  # a search
            check_is_fitted(estimator)
            if hasattr(estimator, "best_estimator_"):
                estimator = estimator.best_estimator_
            elif hasattr(estimator, "estimator_"):  # the search for a threshold
                estimator = estimator.estimator_
            else:
                raise ValueError(
                    f"estimator must be a search with refit=True, which stores the best "
                    f"estimator; got {estimator!r}."
                )
        elif isinstance(estimator, FixedThresholdClassifier):
            check_is_fitted(estimator)
            estimator = estimator.estimator_
        elif hasattr(estimator, "regressor") and hasattr(estimator, "check_inverse"):
            # A TransformedTargetRegressor, by its parameters.
            check_is_fitted(estimator)
            of_targets.insert(0, estimator.transformer_)
            estimator = estimator.regressor_
        else:
            return Parts(estimator, before, of_targets)
