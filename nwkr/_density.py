"""The effective number of training rows behind a prediction, and their density."""

from __future__ import annotations

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._namespaces import follows_X
from nwkr._numeric import in_columns
from nwkr._spread import local_sample_size, pooled_sample_size
from nwkr.kernels import KERNELS, get_kernel

__all__ = ["LocalDensity"]


def _has_density(estimator):
    """Return True if the parameters of an estimator define a density, or raise."""
    # The fitted value takes precedence.
    metric = getattr(estimator, "_metric", estimator.metric)
    kernel = getattr(estimator, "kernel_", estimator.kernel)
    if metric != "euclidean":
        raise ValueError(
            f"score_samples needs metric='euclidean', because other metrics have no volumes; got "
            f"metric={metric!r}."
        )
    if isinstance(kernel, str) or kernel in KERNELS.values():
        _log_integral(get_kernel(kernel), 1)
    return True


class LocalDensity(NadarayaWatsonBase):
    """An estimator that measures the amount of data behind a prediction."""

    def _effective_sample_size(self, X):
        """The effective number of training rows behind each prediction for `X`."""
        check_is_fitted(self)
        attention = self._attention(X)
        if self._lines.has_slopes:
            sample_size = local_sample_size(self._fit_lines(attention))
        else:
            sample_size = pooled_sample_size(attention)
        self._refuse_empty(~np.isnan(sample_size))
        return sample_size

    @available_if(_has_density)
    @follows_X
    def score_samples(self, X):
        r"""Logarithm of the density of the training rows at some rows.

        This is the Parzen window estimate with the kernel and bandwidth of the fit,

        .. math:: p(q) = \frac{\sum_i w_i\, K(u_i)}
                              {\sum_i w_i \; \prod_j b_j \; \int K(\|u\|)\, du}

        with the scaled distances :math:`u_i` and the weights :math:`w_i` of the training rows, and
        the bandwidths :math:`b_j` of the columns. With one bandwidth for all columns it equals
        :class:`sklearn.neighbors.KernelDensity`. Low values show that a prediction is an
        extrapolation.

        With categories it is a density per cell: the Gaussian weights of a category are divided by
        their sum over all levels in `fit`, and those of a periodic feature by their integral over
        the period.

        A column with bandwidth `inf` does not count as a dimension. A column with bandwidth 0 is
        discrete: only rows that are equal in it count, and the density is not divided by its
        width. With :class:`~nwkr.bandwidths.KNearest` it is the estimate of Loftsgaarden and
        Quesenberry, and with :class:`~nwkr.bandwidths.Adaptive` that of Abramson. `handle_empty`
        is ignored.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows, as in `predict`; None for the training rows, each left out of its own density.

        Returns
        -------
        log_density : ndarray of shape (n_queries,)
            Natural logarithm of the density; ``-inf`` if no row has weight.

        Raises
        ------
        AttributeError
            If the metric is not euclidean, because volumes are then unknown; if the kernel is
            "constant", which has no finite integral.
        ValueError
            If the kernel is a function without a finite integral; with categories, if the kernel
            is not Gaussian or the bandwidth depends on the query; if numbers are missing.

        References
        ----------
        E. Parzen, "On Estimation of a Probability Density Function and Mode", *Annals of
        Mathematical Statistics* 33(3), 1962.
        `doi:10.1214/aoms/1177704472 <https://doi.org/10.1214/aoms/1177704472>`_

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0).fit([[0], [1], [3]], [0, 1, 2])
        >>> model.score_samples([[0.5], [9]]).round(2)
        array([ -1.42, -20.02])
        """
        check_is_fitted(self)
        attention = self._attention(X).replace(empty=None)
        attention, log_volume = _by_volume(attention, self._columns)
        sums = attention.pool(np.empty((len(self._rows), 0)))
        # The weights of the engine are relative to the largest: divide by the weight in total.
        total = self._key_weights.sum()
        if attention.mask is not None:
            total = attention.mask.seen(self._key_weights[:, None])[:, 0]
        elif attention.leave_out is not None:
            total = total - np.append(self._key_weights, 0)[attention.leave_out]
        with np.errstate(divide="ignore", invalid="ignore"):  # for queries without any row
            log_density = sums.shift + np.log(sums.total) - np.log(total) - log_volume
        known = (sums.total > 0) & (sums.shift > -np.finfo(float).max)
        return np.where(known, log_density, -np.inf)


def _by_volume(attention, columns):
    """The attention with weights divided by volumes, and the logarithm of their unit."""
    gaps = np.isnan(attention.queries).any(axis=0) | np.isnan(attention.keys).any(axis=0)
    if columns.plain and not gaps.any():
        return attention, _log_volume(attention) + columns.log_stretch
    if gaps.any():
        raise ValueError(
            f"score_samples needs rows without missing numbers; got some "
            f"missing{in_columns(columns.named(gaps))}. Leave those rows out."
        )
    if attention.kernel.log_slope is None or attention.query_widths is not None:
        raise ValueError(
            f"score_samples with categories or periodic features needs kernel='gaussian', whose "
            f"weights are products over features, and a bandwidth that does not change with the "
            f"query; got kernel={attention.kernel.name!r} and {attention.bandwidth!r}."
        )
    masses = np.zeros(len(attention.keys))
    for feature, width, of_keys in columns.apart(attention.scales, attention.keys):
        if 0 < width < np.inf:
            masses += feature.log_masses(of_keys, -attention.kernel.log_slope / width**2)
    log_volume = masses.min()
    weights = attention.weights * np.exp(log_volume - masses)
    return attention.replace(weights=weights), log_volume


def _log_volume(attention):
    """Logarithm of the integral of a weight that is 1 at distance 0."""
    kernel, bandwidth = attention.kernel, attention.bandwidth
    scaled = bandwidth[np.isfinite(bandwidth) & (bandwidth > 0)]
    if not len(scaled):
        return np.log(kernel(0.0))
    log_volume = _log_integral(kernel, len(scaled)) + np.log(scaled).sum()
    if attention.query_widths is not None:
        with np.errstate(divide="ignore"):
            log_volume = log_volume + len(scaled) * np.log(attention.query_widths)
    if attention.key_widths is not None:
        # The weights are already divided by the volumes, in units of the smallest.
        log_volume = log_volume + len(scaled) * np.log(attention.key_widths.min())
    return log_volume


def _log_integral(kernel, n_features):
    log_integral = kernel.log_normalizer(n_features)
    if not np.isfinite(log_integral):
        raise ValueError(
            f"score_samples needs a kernel with a finite integral; kernel={kernel.name!r} has none."
        )
    return log_integral
