"""The distribution of the target at each query, as draws and as a density."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nwkr._base import NadarayaWatsonBase
from nwkr._conditional import check_numbers
from nwkr._effective import LocalRows
from nwkr._namespaces import numpy_only
from nwkr._numeric import is_number, require_count
from nwkr._pooling import slices
from nwkr._targets import Targets

__all__ = ["ConditionalDensity"]

_NUMBERS_AT_ONCE = 2**18
# A weighted sample with fewer effective rows has no spread of its own.
_LEAST_ROWS = 1 + 1e-12


class ConditionalDensity(NadarayaWatsonBase):
    """Regression that draws from the conditional distribution, and returns its density."""

    _targets: Targets

    @numpy_only
    def sample(self, X, n_samples=1, random_state=None):
        r"""Draw targets from their conditional distribution at some rows.

        Each draw is the target of a training row, chosen with the attention weights of the query
        as probabilities. This is the distribution of `predict_quantiles` and `predict_cdf`. With
        ``degree=1`` the target is moved to the query along the local line, as for these methods.
        All outputs of a draw come from the same training row.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        n_samples : int, default=1
            Number of targets to draw for each row.
        random_state : int, RandomState instance or None, default=None
            Seed for the draws. The same seed gives the same draws, whatever `algorithm` and
            `n_jobs` are.

        Returns
        -------
        samples : ndarray of shape (n_queries, n_samples) or (n_queries, n_samples, n_outputs)
            Draws, in the units of `y`; NaN if the prediction is NaN.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer; if a query has no weight and
            ``handle_empty="error"``.

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor("boxcar", 2.5)
        >>> _ = model.fit([[0], [1], [2], [3], [9]], [5, 1, 4, 2, 3])
        >>> model.sample([[1.5], [8]], n_samples=5, random_state=0)
        array([[4., 4., 4., 4., 1.],
               [3., 3., 3., 3., 3.]])
        """
        check_is_fitted(self)
        require_count("n_samples", n_samples)
        attention = self._attention(X)
        n_queries, n_outputs = len(attention.queries), self._values.shape[1]
        at = check_random_state(random_state).random_sample((n_queries, n_samples))
        samples = np.full((n_queries, n_samples, n_outputs), np.nan)
        fit = self._fit_lines(attention) if self._lines.has_slopes else None

        def draw(rows, cols, weights):
            some = weights.any(axis=1)
            rows, weights = rows[some], weights[some]
            if not len(rows):
                return
            # So that draws do not depend on the internal order of the rows.
            order = self._rows[cols].argsort()
            sums = np.take(weights, order, axis=1).cumsum(axis=1)
            places = [s.searchsorted(a * s[-1], "right") for s, a in zip(sums, at[rows])]
            drawn = order[np.array(places)]
            if fit is None:
                samples[rows] = self._targets.y[self._rows[cols[drawn]]]
                return
            seen = LocalRows(fit, rows, cols, weights)
            for output, column in enumerate(self._values.T):
                moved = np.take_along_axis(seen.moved(column, output), drawn, axis=1)
                samples[rows, :, output] = self._targets.decode_output(output, moved)

        attention.visit(draw)
        self._refuse_empty(~np.isnan(samples[:, 0, 0]))
        return self._targets.as_they_came(samples)

    @numpy_only
    def predict_density(self, X, y_grid, bandwidth="scott"):
        r"""Predict the density of the target at some numbers.

        It is the kernel estimate of the conditional density, with a Gaussian around the target
        of each training row, weighted by the attention weights :math:`a_i` of the query:

        .. math:: p(y \mid q) = \sum_i \frac{a_i}{b} \, \varphi\Big(\frac{y - y_i}{b}\Big).

        With ``degree=1`` the targets are moved to the query along the local line, as in
        `predict_quantiles`. It is never negative, and its integral over all numbers is 1.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Rows to predict, as in `predict`.
        y_grid : float or array-like of shape (n_grid,)
            Where to evaluate the density, in the units of `y`.
        bandwidth : "scott" or float, default="scott"
            The bandwidth :math:`b` of the target: a number, in the units of `y`; or Scott's rule
            for the weighted targets of each query,

            .. math:: b(q) &= s(q) \, n(q)^{-1/5}, \qquad n(q) = 1 / \sum_i a_i^2, \\
                      s^2(q) &= \frac{\sum_i a_i (y_i - f(q))^2}{1 - 1 / n(q)},

            where a row with sample weight w counts as w rows. If one row has all the weight, or
            all targets with weight are equal, :math:`s(q)` is the standard deviation of all
            training targets.

        Returns
        -------
        density : ndarray of shape (n_queries, n_grid[, n_outputs])
            Density, in units of ``1 / y``; for several outputs the density of each. NaN if the
            prediction is NaN.

        Raises
        ------
        ValueError
            If `y_grid` does not hold numbers; if `bandwidth` is neither "scott" nor a positive
            number; if it is "scott" and all training targets are equal; if a query has no weight
            and ``handle_empty="error"``.

        See Also
        --------
        scipy.stats.gaussian_kde : The same for one query, with its `weights`.

        References
        ----------
        R. J. Hyndman, D. M. Bashtannyk, G. K. Grunwald, "Estimating and Visualizing Conditional
        Densities", *Journal of Computational and Graphical Statistics* 5(4), 1996.
        `doi:10.1080/10618600.1996.10474715 <https://doi.org/10.1080/10618600.1996.10474715>`_

        Examples
        --------
        >>> from nwkr import NadarayaWatsonRegressor
        >>> model = NadarayaWatsonRegressor(bandwidth=1.0)
        >>> _ = model.fit([[0], [1], [2], [3], [9]], [5, 1, 4, 2, 3])
        >>> model.predict_density([[1.5]], [0, 2, 4, 6]).round(3)
        array([[0.096, 0.159, 0.155, 0.07 ]])
        """
        check_is_fitted(self)
        y_grid = check_numbers("y_grid", y_grid, -np.inf, np.inf)
        scale = np.where(self._targets.scale > 0, self._targets.scale, 1)
        width = None if _is_scott(bandwidth) else _check_width(bandwidth)
        grid = (y_grid[:, None] - self._targets.centre) / scale
        spread = self._spread_of_targets()
        if width is None and not (spread > 0).all():
            raise ValueError(
                "bandwidth='scott' needs training targets y that differ; all of them are equal. "
                "Pass a positive number as bandwidth."
            )
        attention = self._attention(X)
        fit = self._fit_lines(attention) if self._lines.has_slopes else None
        density = np.full((len(attention.queries), *grid.shape), np.nan)

        def add(rows, cols, weights):
            some = weights.any(axis=1)
            rows, weights = rows[some], weights[some]
            if not len(rows):
                return
            seen = None if fit is None else LocalRows(fit, rows, cols, weights)
            n_rows = 1 / (np.square(weights) @ (1 / self._counts[cols]))
            for output, column in enumerate(self._values.T):
                targets = column[cols] if seen is None else seen.moved(column, output)
                targets = np.broadcast_to(targets, weights.shape)
                if width is None:
                    widths = _spreads(targets, weights, n_rows, spread[output])
                    widths *= np.maximum(n_rows, 1) ** -0.2
                else:
                    widths = np.full(len(rows), width / scale[output])
                for number, row in enumerate(rows):
                    density[row, :, output] = _mixture(
                        grid[:, output], targets[number], weights[number], widths[number]
                    )

        attention.visit(add)
        self._refuse_empty(~np.isnan(density[:, 0, 0]))
        return self._targets.as_they_came(density / scale)

    def _spread_of_targets(self):
        """Standard deviation of all values, of shape (n_values,)."""
        shares = self._counts / self._counts.sum()
        squares = shares @ np.square(self._values - shares @ self._values)
        return np.where(np.ptp(self._values, axis=0) > 0, np.sqrt(squares), 0)


def _is_scott(bandwidth):
    return isinstance(bandwidth, str) and bandwidth == "scott"


def _check_width(bandwidth):
    if not is_number(bandwidth) or not 0 < float(bandwidth) < np.inf:
        raise ValueError(
            f"bandwidth must be 'scott' or a positive number, in the units of y; got {bandwidth!r}."
        )
    return float(bandwidth)


def _spreads(targets, weights, n_rows, of_all):
    """Standard deviation of the targets of each query, (n_queries,)."""
    # Relative to the target of the heaviest key, so that it is exactly 0 for equal targets.
    heaviest = weights.argmax(axis=1)[:, None]
    apart = np.where(weights > 0, targets - np.take_along_axis(targets, heaviest, axis=1), 0)
    apart = apart - np.einsum("ij,ij->i", weights, apart)[:, None]
    squares = np.einsum("ij,ij,ij->i", weights, apart, apart)
    known = (n_rows > _LEAST_ROWS) & (squares > 0)
    spreads = np.sqrt(squares / np.where(known, 1 - 1 / n_rows, 1))
    return np.where(known, spreads, of_all)


def _mixture(grid, targets, weights, width):
    """Density of a mixture of Gaussians of one width, of shape (n_grid,)."""
    near = np.flatnonzero(weights)
    density = np.zeros(len(grid))
    for part in slices(len(near), max(1, _NUMBERS_AT_ONCE // len(grid))):
        some = near[part]
        with np.errstate(over="ignore", under="ignore"):
            apart = (grid - targets[some, None]) / width
            np.square(apart, out=apart)
            apart *= -0.5
            density += weights[some] @ np.exp(apart, out=apart)
    return density / (width * np.sqrt(2 * np.pi))
