"""Rules for the bandwidth, and bandwidths that vary by query or by training row.

A bandwidth is the scale of the kernel's profile, ``u = distance / bandwidth``, in the units of the
column of `X` (of the distance, for metrics other than euclidean). A *rule* is a callable
``(X, sample_weight) -> bandwidth``. The rules below return the bandwidth for the Gaussian, and
`fit` translates it to other kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nwkr._counts import count_rows
from nwkr._nearest import arranged, widths_of_near, widths_under_metric
from nwkr._pooling import Attention, in_blocks, one_blas_thread
from nwkr._quartiles import covariance_of_columns, spread_of_columns

__all__ = ["RULES", "Adaptive", "KNearest", "RuleOfThumb", "Scott", "Silverman"]

_ROUNDING = 1e-12


class RuleOfThumb:
    """A rule of the form ``spread * factor(n_samples, n_features)``, for the Gaussian.

    To write your own, subclass it and define `factor`. `fit` translates its bandwidth to the kernel
    in use, as for the named rules.

    Attributes
    ----------
    covariance : bool
        Whether the bandwidth is a matrix, made from the covariance matrix of the columns instead of
        the spread of each. False unless a subclass says otherwise.

    Examples
    --------
    >>> from nwkr.bandwidths import RuleOfThumb
    >>> class Halved(RuleOfThumb):
    ...     def factor(self, n_samples, n_features):
    ...         return 0.5 * n_samples ** (-1 / (n_features + 4))
    >>> Halved()([[0.0], [1.0], [2.0], [3.0]]).round(3)
    array([0.424])
    """

    covariance = False

    def factor(self, n_samples: float, n_features: int) -> float:
        """Bandwidth for data of unit spread.

        Parameters
        ----------
        n_samples : float
            Number of rows, by weight.
        n_features : int
            Number of columns that vary.

        Returns
        -------
        factor : float
            Multiplied by the spread of a column, it is the bandwidth of this column.
        """
        raise NotImplementedError

    def __call__(self, X: Any, sample_weight: Any = None) -> np.ndarray:
        """Bandwidth for the Gaussian kernel.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. Missing values (NaN) are ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights; a weight of k counts as k rows. If their sum is less than the effective number
            of rows, ``sum(w)^2 / sum(w^2)``, the latter is used.

        Returns
        -------
        bandwidth : ndarray of shape (n_features,) or (n_features, n_features)
            In the units of each column of `X`. A constant column gets `inf`, so that it has no
            effect, and does not count as a feature. A matrix if `covariance` is True, in the units
            of products of two columns.
        """
        X = np.asarray(X)
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        if self.covariance:
            factor = self.factor(count_rows(weights), X.shape[1])
            return covariance_of_columns(X, weights / weights.max()) * factor**2
        return self.of_spread(spread_of_columns(X, weights / weights.max()), count_rows(weights))

    def of_spread(self, spread: np.ndarray, n_samples: float) -> np.ndarray:
        """Bandwidth for the Gaussian kernel, from the spread of the data.

        Parameters
        ----------
        spread : ndarray of shape (n_features,)
            Spread of each column; 0 for a constant one.
        n_samples : float
            Number of rows, by weight.

        Returns
        -------
        bandwidth : ndarray of shape (n_features,)
            In the units of each column; `inf` for a constant column.
        """
        varying = spread > 0
        n_varying = max(1, int(varying.sum()))
        return np.where(varying, spread * self.factor(n_samples, n_varying), np.inf)


@dataclass(frozen=True)
class Scott(RuleOfThumb):
    r"""Scott's rule of thumb, :math:`\sigma_j\, n^{-1/(d+4)}` for column `j`.

    The standard deviation :math:`\sigma_j` and the number of rows :math:`n` are weighted, so that
    a weight of k equals k copies of the row; :math:`d` is the number of columns that vary. If the
    sum of the weights is less than their effective number of rows, :math:`(\sum w)^2 / \sum w^2`,
    the latter is used. The rule is robust to outliers: if the standard deviation is more than 5
    times the interquartile range over 1.349 (both are equal for normal data), the latter replaces
    it, unless it is 0.

    Parameters
    ----------
    covariance : bool, default=False
        Whether to return a matrix, :math:`n^{-2/(d+4)}\, \Sigma` with the weighted covariance
        :math:`\Sigma` of the columns. No column may be constant or linearly dependent on others.
        The covariance is not robust to outliers.

    References
    ----------
    D. W. Scott, *Multivariate Density Estimation*, Wiley, 2015.
    `doi:10.1002/9781118575574 <https://doi.org/10.1002/9781118575574>`_

    Examples
    --------
    >>> from nwkr.bandwidths import Scott
    >>> Scott()([[0.0], [1.0], [2.0], [3.0]]).round(3)
    array([0.847])
    """

    covariance: bool = False

    def factor(self, n_samples: float, n_features: int) -> float:
        return float(n_samples ** (-1 / (n_features + 4)))


@dataclass(frozen=True)
class Silverman(RuleOfThumb):
    r"""Silverman's rule of thumb, :math:`\sigma_j\, (n (d+2)/4)^{-1/(d+4)}` for column `j`.

    It is optimal for the density of normal data with a Gaussian kernel. The quantities are defined
    as in :class:`Scott`.

    Parameters
    ----------
    covariance : bool, default=False
        Whether to return a matrix, :math:`(n (d+2)/4)^{-2/(d+4)}\, \Sigma` with the weighted
        covariance :math:`\Sigma` of the columns. No column may be constant or linearly dependent
        on others. The covariance is not robust to outliers.

    References
    ----------
    B. W. Silverman, *Density Estimation for Statistics and Data Analysis*, Chapman and
    Hall, 1986. `doi:10.1201/9781315140919 <https://doi.org/10.1201/9781315140919>`_

    Examples
    --------
    >>> from nwkr.bandwidths import Silverman
    >>> Silverman()([[0.0], [1.0], [2.0], [3.0]]).round(3)
    array([0.897])
    """

    covariance: bool = False

    def factor(self, n_samples: float, n_features: int) -> float:
        return float((n_samples * (n_features + 2) / 4) ** (-1 / (n_features + 4)))


@dataclass(frozen=True)
class KNearest:
    r"""A width for each query: its distance to the `k`-th nearest training row.

    The width is large where rows are sparse and small where they are dense. Rows at the same
    distance as the `k`-th are within the width too. If `k` rows equal the query, only rows equal to
    the query count. In leave-one-out, a row does not count itself. If fewer than `k` rows are left,
    because distances are infinite, or because of `one_sided`, groups or a gap, the width is the
    largest of the remaining distances.

    A row of weight w counts as w rows. If the sum of the weights is less than their effective
    number of rows, :math:`(\sum w)^2 / \sum w^2`, the weights are scaled to that sum, so weights
    that sum to 1 are allowed. If this sum is less than `k`, all rows are within the width.

    Parameters
    ----------
    k : int
        Number of rows within the width, from 1 to the number of training rows, or to the sum of
        their weights if that is greater. `fit` refuses other numbers. Leave-one-out needs one row
        more.

    References
    ----------
    D. O. Loftsgaarden and C. P. Quesenberry, "A Nonparametric Estimate of a Multivariate
    Density Function", *Annals of Mathematical Statistics* 36(3), 1965.
    `doi:10.1214/aoms/1177700079 <https://doi.org/10.1214/aoms/1177700079>`_

    Examples
    --------
    >>> from nwkr import NadarayaWatsonRegressor
    >>> from nwkr.bandwidths import KNearest
    >>> model = NadarayaWatsonRegressor("boxcar", KNearest(2))
    >>> model.fit([[0], [1], [2], [50], [70]], [0, 1, 2, 3, 4]).predict([[0.4], [61]])
    array([0.5, 3.5])
    """

    k: int

    @one_blas_thread()
    def query_widths(
        self,
        queries,
        keys,
        sample_weight,
        metric,
        leave_out,
        n_jobs=None,
        near_rows=None,
        mask=None,
    ):
        """Width of each query, for the estimators.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            Queries.
        keys : ndarray of shape (n_keys, n_features)
            Training rows.
        sample_weight : ndarray of shape (n_keys,)
            Number of rows that each row counts as.
        metric : str or callable
            The metric.
        leave_out : ndarray of shape (n_queries,) or None
            For each query, the number of the training row to leave out.
        n_jobs : int or None, default=None
            Number of threads.
        near_rows : NearRows, NearPlaces or None, default=None
            The training rows, if they are already arranged for the search.
        mask : Mask or None, default=None
            Further training rows that each query must not use. If fewer than `k` are left, the
            width is the distance to the farthest of them.

        Returns
        -------
        widths : ndarray of shape (n_queries,)
            In the units of the distance.

        Raises
        ------
        ValueError
            If fewer than `k` rows are left, also counted by their weights, and there is no `mask`.
        """
        total = sample_weight.sum() if near_rows is None else near_rows.total
        leaves_out = leave_out is not None
        counted = np.full(len(queries), total)
        if leaves_out:
            own, heaviest = np.append(sample_weight, 0)[leave_out], sample_weight.argmax()
            # The others of a row that dominates all of them, without cancellation.
            others = np.delete(sample_weight, heaviest).sum()
            counted = np.where(2 * own > total, others, total - own)
        else:
            leave_out = np.full(len(queries), -1)
        if mask is not None:
            counted = np.minimum(counted, mask.seen(sample_weight[:, None])[:, 0])
        wanted = np.minimum(self.k, counted) * (1 - _ROUNDING)
        # Uneven weights may count as fewer than `k` rows: then all rows are within the width.
        left = max(counted.min(initial=np.inf), len(keys) - bool((leave_out >= 0).any()))
        if mask is None and left < self.k * (1 - _ROUNDING):
            raise ValueError(
                f"bandwidth={self} needs at least {self.k} training rows besides the one that "
                f"is left out, counted by sample_weight; got {left:g}."
            )
        if near_rows is None:
            near_rows = arranged(keys, sample_weight, metric)
        if near_rows is None:
            terms = sample_weight, metric, wanted, leave_out, mask
            return widths_under_metric(queries, keys, *terms)
        n_near = self.k + leaves_out
        return widths_of_near(near_rows, n_near, queries, wanted, leave_out, n_jobs, mask)


@dataclass(frozen=True)
class Adaptive:
    r"""A width for each training row: wide where the density of rows is low.

    The bandwidth `base` is multiplied at row :math:`i` by :math:`\lambda_i = (f(x_i) / g)^{-a}`
    with the Parzen density :math:`f` of bandwidth `base`, its geometric mean :math:`g` over the
    rows and the `exponent` :math:`a`; the weight is divided by :math:`\lambda_i^d`, so that
    every row has the same mass. For the euclidean metric only.

    Parameters
    ----------
    base : float, array-like of shape (n_features,), dict, str or callable, default="scott"
        The bandwidth where the density is average: a value of `bandwidth`, except a matrix,
        `KNearest` or `Adaptive`.
    exponent : float, default=0.5
        How strongly widths depend on the density, from 0 (not at all) to 1. With 1/2 the bias of
        the density estimate is of a higher order in the bandwidth.

    References
    ----------
    I. S. Abramson, "On Bandwidth Variation in Kernel Estimates", *Annals of Statistics* 10(4),
    1982. `doi:10.1214/aos/1176345986 <https://doi.org/10.1214/aos/1176345986>`_

    B. W. Silverman, *Density Estimation for Statistics and Data Analysis*, Chapman and Hall,
    1986, section 5.3. `doi:10.1201/9781315140919 <https://doi.org/10.1201/9781315140919>`_

    Examples
    --------
    >>> from nwkr import NadarayaWatsonRegressor
    >>> from nwkr.bandwidths import Adaptive
    >>> model = NadarayaWatsonRegressor(bandwidth=Adaptive(1.0))
    >>> model.fit([[0], [1], [2], [9]], [0, 1, 2, 3]).attention_weights([[5]]).round(2)
    array([[0.  , 0.  , 0.59, 0.41]])
    """

    base: Any = "scott"
    exponent: float = 0.5

    def key_widths(self, keys, sample_weight, kernel, scale, n_jobs=None, kinds=None):
        """Factor of the bandwidth at each training row, for the estimators.

        Parameters
        ----------
        keys : ndarray of shape (n_keys, n_features)
            Training rows.
        sample_weight : ndarray of shape (n_keys,)
            Number of rows that each row counts as.
        kernel : Kernel
            The kernel.
        scale : ndarray of shape (n_features,)
            The bandwidth `base`, resolved.
        n_jobs : int or None, default=None
            Number of threads.
        kinds : Kinds or None, default=None
            Columns that do not hold plain numbers.

        Returns
        -------
        widths : ndarray of shape (n_keys,)
            Factors, of geometric mean 1.
        """
        order, blocks = in_blocks(keys, scale, kinds=kinds)
        ordered = np.take(keys, order, axis=0)
        attention = Attention(
            ordered,
            ordered,
            sample_weight[order] / sample_weight.max(),
            kernel,
            scale,
            kinds=kinds,
            blocks=blocks,
            n_jobs=n_jobs,
        )
        sums = attention.pool(np.empty((len(keys), 0)))
        if not (sums.total > 0).all():
            raise ValueError(
                f"bandwidth=Adaptive(...) needs a positive density at each training row; "
                f"kernel={kernel.name!r} gives {np.count_nonzero(~(sums.total > 0))} of "
                f"{len(keys)} rows no weight, not even their own. Choose another kernel or a "
                f"wider base."
            )
        log_density = np.empty(len(keys))
        log_density[order] = sums.shift + np.log(sums.total)
        log_density -= np.average(log_density, weights=sample_weight / sample_weight.max())
        return np.exp(-self.exponent * log_density)


RULES: dict[str, RuleOfThumb] = {"scott": Scott(), "silverman": Silverman()}
"""The rules by name: "scott" is :class:`~nwkr.bandwidths.Scott`, and "silverman" is
:class:`~nwkr.bandwidths.Silverman`."""
