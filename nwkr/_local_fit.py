"""The result of local fits: means, slopes and effective weights at queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from nwkr._pooling import Attention, PooledSums, ValuesOnDemand
from nwkr._ridge import (
    LEAST_VARIANCE,
    NEGLIGIBLE,
    in_cache,
    inverse_root,
    least_shares,
    solve_flat,
    without_digits,
)

__all__ = ["LineFit", "LocalFit"]

# Matrices lose digits where, in units of their diagonal, an eigenvalue is smaller.
_LEAST_SHARE = 2.0**-20


@dataclass(frozen=True)
class LineFit(ABC):
    """Lines at queries, in units of the spread of the columns.

    Attributes
    ----------
    lines : LocalLines
        The columns and the penalty of the lines.
    attention : Attention
        Queries and keys.
    sums : PooledSums
        The pooled sums.
    mean : ndarray of shape (n_queries, n_outputs)
        Mean of the targets in the window.
    offset : ndarray of shape (n_queries, n_slopes)
        From the mean of the columns in the window to the query.
    trust : ndarray of shape (n_queries,)
        ``W / (W + ridge)`` with the number of rows ``W`` in the window: the shrinkage of slopes.
    rest : ndarray of shape (n_queries,)
        ``ridge / (W + ridge)``.
    penalty : ndarray of shape (n_queries, n_slopes)
        Variance of the columns within the window, by which slopes are penalised.
    """

    lines: Any
    attention: Attention
    sums: PooledSums
    mean: np.ndarray
    offset: np.ndarray
    trust: np.ndarray
    rest: np.ndarray
    penalty: np.ndarray

    @property
    @abstractmethod
    def scaled_slopes(self) -> np.ndarray:
        """Slopes per spread of the column, of shape (n_queries, n_slopes, n_outputs)."""

    @property
    @abstractmethod
    def directions(self) -> np.ndarray:
        """The direction in which effective weights change, of shape (n_queries, n_slopes)."""

    @property
    @abstractmethod
    def explained(self) -> np.ndarray:
        """By how much the line reduces the variance of the targets, (n_queries, n_outputs)."""

    @abstractmethod
    def forms(self, row: int, apart: np.ndarray) -> np.ndarray:
        """Some places in units of the inverse of ``C + ridge / W D`` at a query.

        Parameters
        ----------
        row : int
            Number of the query.
        apart : ndarray of shape (n_places, n_slopes)
            From the mean of the columns to the places.

        Returns
        -------
        forms : ndarray of shape (n_places,)
            Quadratic forms.
        """

    def take(self, rows: np.ndarray) -> Self:
        """The fit at some queries."""
        names = "mean", "offset", "trust", "rest", "penalty"
        some: dict[str, Any] = {name: getattr(self, name)[rows] for name in names}
        attention, sums = self.attention.take(rows), self.sums.take(rows)
        return replace(self, attention=attention, sums=sums, **some)

    @property
    def predictions(self) -> np.ndarray:
        """The lines at their queries, of shape (n_queries, n_outputs)."""
        if not self.lines.has_slopes:
            return self.mean
        return self.mean + np.einsum("nj,njm->nm", self.offset, self.scaled_slopes)

    @property
    def slopes(self) -> np.ndarray:
        """Slopes per unit of the column, of shape (n_queries, n_slopes, n_outputs)."""
        return self.scaled_slopes / self.lines.spread[:, None]

    @property
    def sums_of_residuals(self) -> np.ndarray:
        """Sums of the residuals times the effective weights, of shape (n_queries, n_outputs).

        By the equations of the lines, so they are 0 without a penalty.
        """
        ratio = np.divide(self.rest, self.trust, out=np.zeros_like(self.rest), where=self.trust > 0)
        terms = ratio, self.directions, self.penalty, self.scaled_slopes
        return np.einsum("n,nj,nj,njm->nm", *terms)

    @property
    def leverage(self) -> np.ndarray:
        """Effective weight of a key at its own place, relative to its share of the weights."""
        return 1 + np.einsum("nj,nj->n", self.offset, self.directions)


@dataclass(frozen=True)
class LocalFit(LineFit):
    """Lines at queries, each from the moments in its own window.

    Attributes
    ----------
    covariance : ndarray of shape (n_queries, n_slopes, n_slopes)
        Covariance of the columns in the window.
    with_y : ndarray of shape (n_queries, n_slopes, n_outputs)
        Covariance of columns and targets there.
    roots : dict of int to (ndarray, ndarray)
        Matrices that times their transpose are the inverse of ``C + ridge / W D``, and their
        transpose times `with_y`, at the queries where these have lost the digits.
    """

    covariance: np.ndarray
    with_y: np.ndarray
    roots: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @cached_property
    def _solved(self):
        """Slopes, (n_queries, n_slopes, n_outputs), and the solution for the offset."""
        sides = np.concatenate([self.with_y, self.offset[:, :, None]], axis=2)
        sides *= self.trust[:, None, None]
        unknown = ~(self.sums.total > 0)  # and handle_empty gives no prediction
        sides[unknown], n_slopes = np.nan, sides.shape[1]
        left_out, solved = unknown.copy(), np.empty_like(sides)
        left_out[np.fromiter(self.roots, int)] = True
        for part in in_cache(len(sides), n_slopes**2):
            left, flat = self._system(part), self._without_penalty[part]
            left[left_out[part]] = np.eye(n_slopes)
            if flat.any():
                of_flat = solve_flat(left[flat], sides[part][flat], self.penalty[part][flat])
                left[flat] = np.eye(n_slopes)
            solved[part] = np.linalg.solve(left, sides[part])
            if flat.any():
                solved[part][flat] = of_flat
        for row, (root, half) in self.roots.items():
            solved[row, :, :-1] = root @ half
            solved[row, :, -1] = root @ (root.T @ self.offset[row])
        return solved[:, :, :-1], solved[:, :, -1]

    @property
    def _without_penalty(self):
        """Queries with so many rows that the penalty is negligible."""
        return self.rest < NEGLIGIBLE

    def take(self, rows: np.ndarray) -> Self:
        some = super().take(rows)
        roots = {new: self.roots[old] for new, old in enumerate(rows) if old in self.roots}
        moments = {"covariance": self.covariance[rows], "with_y": self.with_y[rows]}
        return replace(some, **moments, roots=roots)

    def _system(self, rows=slice(None)):
        """The matrix of the equations for the slopes, ``trust * (C + ridge / W D)``."""
        trust, rest, penalty = self.trust[rows], self.rest[rows], self.penalty[rows]
        left = trust[..., None, None] * self.covariance[rows]
        diagonal = np.arange(left.shape[-1])
        left[..., diagonal, diagonal] += rest[..., None] * penalty
        return left

    def without_digits(self, places: np.ndarray) -> np.ndarray:
        """Numbers of the queries whose moments about the common centre have lost digits.

        Parameters
        ----------
        places : ndarray of shape (n_queries, n_slopes)
            The queries relative to the centre.

        Returns
        -------
        rows : ndarray of shape (n_lost,)
            The numbers.
        """
        diagonal, mean = np.einsum("njj->nj", self.covariance), np.abs(places - self.offset)
        penalty = self.rest[:, None] * self.penalty
        size = self.trust[:, None] * diagonal + penalty
        # Beyond the rows, slopes need more digits.
        squares = diagonal + mean * (mean + np.abs(self.offset))
        # Without a penalty, directions without variance have no slope, so they need no digits.
        penalty = np.where(self._without_penalty[:, None], size, penalty)
        return without_digits(self._system, size, penalty, self.trust[:, None] * squares)

    def add_roots(self, values: np.ndarray | ValuesOnDemand) -> None:
        """Solve from the keys for queries where the matrix has lost the digits of the solution.

        The window of an endless kernel may hold keys so far away that the bandwidth, and so the
        penalty, is lost in rounding of their squares, but not of the keys themselves.

        Parameters
        ----------
        values : ndarray or ValuesOnDemand, of shape (n_keys, n_values)
            The pooled values.
        """
        steep = self._steep
        if not len(steep):
            return
        attention = self.attention.take(steep)
        ridge = self.rest[steep, None] / self.trust[steep, None]
        filled, spread = self.lines.filled, self.lines.spread
        queries = filled(attention.queries)
        extra = np.sqrt(ridge * self.penalty[steep])

        def add(rows, cols, weights):
            keys = filled(attention.keys[cols])
            targets = values[cols][:, : self.mean.shape[1]]
            for number, shares in zip(rows, weights):
                row = int(steep[number])
                apart = (keys - queries[number]) / spread + self.offset[row]
                apart = np.vstack([np.sqrt(shares)[:, None] * apart, np.diag(extra[number])])
                of_y = np.sqrt(shares)[:, None] * (targets - self.mean[row])
                of_y = np.vstack([of_y, np.zeros((len(spread), of_y.shape[1]))])
                self.roots[row] = inverse_root(apart, of_y)

        attention.visit(add)

    @property
    def _steep(self):
        """Numbers of the queries where the matrix has lost its digits."""
        level = self.trust[:, None] * np.einsum("njj->nj", self.covariance)
        rest = self.rest[:, None] * self.penalty
        rows = np.flatnonzero((level * _LEAST_SHARE > rest).any(axis=1) & ~self._without_penalty)
        if not len(rows):
            return rows
        return rows[least_shares(self._system(rows)) < _LEAST_SHARE]

    def forms(self, row: int, apart: np.ndarray) -> np.ndarray:
        if row in self.roots:
            return np.square(apart @ self.roots[row][0]).sum(axis=1)
        trust, left = self.trust[row], self._system(row)
        if self._without_penalty[row]:
            inverse = np.linalg.pinv(left, rcond=LEAST_VARIANCE, hermitian=True)
        else:
            inverse = np.linalg.inv(left)
        return np.einsum("ij,jk,ik->i", apart, trust * inverse, apart)

    @property
    def scaled_slopes(self) -> np.ndarray:
        return self._solved[0]

    @property
    def directions(self) -> np.ndarray:
        return self._solved[1]

    @property
    def explained(self) -> np.ndarray:
        slopes = self.scaled_slopes
        squares = np.einsum("njm,njk,nkm->nm", slopes, self.covariance, slopes)
        return 2 * np.einsum("njm,njm->nm", slopes, self.with_y) - squares
