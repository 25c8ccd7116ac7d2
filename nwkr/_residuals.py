"""Residuals of the training rows, each predicted without itself."""

from __future__ import annotations

import numpy as np

from nwkr._base import NadarayaWatsonBase

__all__ = ["LeaveOneOutResiduals"]


class LeaveOneOutResiduals(NadarayaWatsonBase):
    """Regression with leave-one-out residuals, which are computed once for each fit."""

    _values: np.ndarray

    def _residuals(self):
        """Values less predictions by the other rows, (n_rows, n_values); NaN where there is none.

        They are of the rows that count, in units of the values, and not to be changed. For rows
        that nothing could predict, as the first of an order has no past, the size that the others
        have stands in.
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
        """Squares of the residuals, and the root of their mean around each row without itself.

        Both of shape (n_rows, n_values); where a residual is not known, the mean of all stands in.
        """
        squares = _known(np.square(self._residuals()))

        def make():
            sizes = np.sqrt(self._left_out().pool(squares).finish())
            sizes.flags.writeable = False
            return sizes

        return squares, self._keep("residual sizes", make)

    def _left_out(self):
        """The attention of each row that counts to all others."""
        return self._attention(None).take(self._rows)

    def _keep(self, name, make):
        # What fit has not resolved may have been set since.
        return self._cache.get(name, (self.handle_empty, self.algorithm, self.tol), make)


def _known(squares):
    """Squares of residuals; the mean replaces those that are not known."""
    known = ~np.isnan(squares[:, 0])
    return np.where(known[:, None], squares, squares[known].sum(axis=0) / max(1, known.sum()))
