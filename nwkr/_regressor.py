"""Nadaraya-Watson regression."""

from __future__ import annotations

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from nwkr._base import NadarayaWatsonBase

__all__ = ["NadarayaWatsonRegressor"]


class NadarayaWatsonRegressor(MultiOutputMixin, RegressorMixin, NadarayaWatsonBase):
    r"""Nadaraya-Watson kernel regression: attention pooling by similarity.

    The prediction is the mean of the training targets, weighted by how near each training
    row lies to the query:

    .. math:: f(q) = \frac{\sum_i w_i\, K(\|q - x_i\| / b)\, y_i}
                          {\sum_i w_i\, K(\|q - x_i\| / b)}

    with kernel :math:`K`, bandwidth :math:`b` and sample weights :math:`w_i`. In the words of
    attention, :math:`q` is the query, the training rows :math:`x_i` are the keys, the targets
    :math:`y_i` the values, and the fractions the attention weights.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Name in :data:`nwkr.kernels.KERNELS`, a :class:`~nwkr.kernels.Kernel`, or a function
        of the non-negative scaled distance that returns weights of the same shape.
    bandwidth : float, array-like of shape (n_features,), str or callable, default="scott"
        Scale of the distance, in the same units as the columns of `X`: one for all columns
        or one for each; "scott" or "silverman" for a rule of thumb that follows the spread
        of each column; or a callable ``(X, sample_weight) -> float or array``. 0 stands for
        exact matches only, `inf` for a column that does not count.
    metric : str or callable, default="euclidean"
        "euclidean"; "precomputed", where `X` holds distances; or any metric of
        :func:`sklearn.metrics.pairwise_distances`. Except for "euclidean" the bandwidth is
        one number, in the units of the distance.
    handle_empty : {"nearest", "mean", "nan", "error"}, default="nearest"
        What a query gets that no training row has weight for, as happens with kernels of
        compact support: the mean of the nearest training rows; the mean of all; NaN; or an
        error.
    algorithm : {"auto", "dense"}, default="auto"
        How the sums are made; "dense" visits all pairs, in tiles.
    tol : float, default=0.0
        Relative error that a prediction may have. 0 asks for no more than rounding; "dense"
        never has more.
    n_jobs : int or None, default=None
        Number of threads. None takes as many as BLAS may use at the moment, -1 all
        processors. The prediction does not depend on it.

    Attributes
    ----------
    bandwidth_ : ndarray of shape (n_features,), or float if the metric is not euclidean
        The bandwidth in use.
    kernel_ : Kernel
        The kernel in use.
    algorithm_ : str
        The algorithm in use.
    attention_weights_ : ndarray of shape (n_samples, n_samples)
        Weights of the training rows in their own predictions; computed when it is read.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of features seen by `fit`, where all are strings.

    See Also
    --------
    NadarayaWatsonClassifier : The same for class labels.
    sklearn.neighbors.KNeighborsRegressor : Mean of the nearest training rows.
    sklearn.kernel_ridge.KernelRidge : Ridge regression in the space of a kernel.

    References
    ----------
    E. A. Nadaraya, "On Estimating Regression", *Theory of Probability and Its Applications*
    9(1), 1964. `doi:10.1137/1109020 <https://doi.org/10.1137/1109020>`_

    \G. S. Watson, "Smooth Regression Analysis", *Sankhya A* 26(4), 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from nwkr import NadarayaWatsonRegressor
    >>> X = np.arange(6.0).reshape(-1, 1)
    >>> y = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 25.0])
    >>> model = NadarayaWatsonRegressor(bandwidth=0.5).fit(X, y)
    >>> model.predict([[2.5]]).round(3)
    array([6.536])
    >>> model.predict(None).round(3)  # each row left out of its own prediction
    array([ 1.007,  2.009,  5.007, 10.007, 16.984, 15.983])
    """

    def __init__(
        self,
        kernel="gaussian",
        bandwidth="scott",
        *,
        metric="euclidean",
        handle_empty="nearest",
        algorithm="auto",
        tol=0.0,
        n_jobs=None,
    ):
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.metric = metric
        self.handle_empty = handle_empty
        self.algorithm = algorithm
        self.tol = tol
        self.n_jobs = n_jobs

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict; the distances to the training rows, (n_queries, n_train), if
            ``metric="precomputed"``. None stands for the training rows, each left out of
            its own prediction (and no other row that repeats it).

        Returns
        -------
        y : ndarray of shape (n_queries,) or (n_queries, n_outputs)
            Predictions, of the form that `y` had in `fit`.

        Raises
        ------
        ValueError
            If a query has no weight and ``handle_empty="error"``.
        """
        check_is_fitted(self)
        y = self._centre + self._scale * self._pooled(X)
        return y.ravel() if self._one_output else y

    def _validate_training(self, X, y):
        X, y = validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=[np.float64, np.float32]
        )
        if y.dtype.kind not in "fiub":
            raise ValueError(f"y must be real numbers; got dtype {y.dtype}.")
        return X, y.astype(float, copy=False)

    def _encode(self, y, sample_weight):
        self._one_output = y.ndim == 1
        y = y.reshape(len(y), -1)
        # About the centre of their range, so that no digit is lost to a common offset, and a
        # constant is reproduced exactly; in units of it, so that none overflows.
        lowest, highest = y.min(axis=0), y.max(axis=0)
        self._scale = (highest - lowest) / 2
        self._centre = lowest + self._scale
        return (y - self._centre) / np.where(self._scale > 0, self._scale, 1), sample_weight
