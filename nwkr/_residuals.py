"""Leave-one-out residuals of the training rows."""

from __future__ import annotations

import numpy as np

from nwkr._base import NadarayaWatsonBase

__all__ = ["LeaveOneOutResiduals"]


class LeaveOneOutResiduals(NadarayaWatsonBase):
    """Regression with leave-one-out residuals, which are computed once for each fit."""

    _values: np.ndarray

    def _residuals(self):
        """Values minus leave-one-out predictions, (n_rows, n_values); NaN if there are none.

        They refer to the rows with weight, in units of the values, and must not be changed. Rows
        that cannot be predicted, such as the first in time, get the root mean square of the
        others.
        """

        def make():
            residuals = self._values - self._fit_lines(self._left_out()).predictions
            if self._order is not None:
                alone = ~self._order.predictable(self._rows)[self._rows]
                residuals[alone] = np.sqrt(_known(np.square(residuals))[alone])
            residuals.flags.writeable = False
            return residuals

        residuals = self._keep("residuals", make)
        reached = np.ones(len(self._X), bool)
        reached[self._rows] = ~np.isnan(residuals).any(axis=1)
        self._refuse_empty(reached)
        return residuals

    def _residual_sizes(self):
        """Squares of the residuals, and their local root mean square without each row.

        Both of shape (n_rows, n_values). The mean of all replaces unknown residuals.
        """
        squares = _known(np.square(self._residuals()))

        def make():
            sizes = np.sqrt(self._left_out().pool(squares).finish())
            sizes.flags.writeable = False
            return sizes

        return squares, self._keep("residual sizes", make)

    def _left_out(self):
        """The attention of each row with weight to all others."""
        return self._attention(None).take(self._rows)

    def _keep(self, name, make):
        # Parameters that fit does not resolve may have changed since.
        return self._cache.get(name, (self.handle_empty, self.algorithm, self.tol), make)


def _known(squares):
    """Squares of residuals; the mean replaces unknown ones."""
    known = ~np.isnan(squares[:, 0])
    return np.where(known[:, None], squares, squares[known].sum(axis=0) / max(1, known.sum()))
