"""Pairs of places on a sphere: blocks and products by the chords between them.

A place is a point of the unit sphere, and an arc is ``2 arcsin(chord / 2)``, so bounds and
products of chords in three dimensions apply to arcs. The plain formula is that of scikit-learn. It
uses the angles, whose differences keep the digits of small distances.
"""

from __future__ import annotations

from math import pi

import numpy as np
from sklearn.metrics.pairwise import haversine_distances

from nwkr._pooling._euclidean import EuclideanPairs
from nwkr._pooling._pairs import Pairs
from nwkr._pooling._product import pick

__all__ = ["SpherePairs", "on_sphere"]

# Arcs closer to half a circle than this have too few digits in the chord.
_NEARLY_OPPOSITE = 1e-3
# More than the rounding error of a chord, and of such an arc by the plain formula.
_ROUNDING, _ROUNDING_OPPOSITE = 1e-15, 1e-7
# Beyond these, squares of arcs in units of the bandwidth overflow or underflow.
_LEAST_BANDWIDTH = 1e-100


def on_sphere(places: np.ndarray) -> np.ndarray:
    """Points on the unit sphere.

    Parameters
    ----------
    places : ndarray of shape (n_places, 2)
        Latitudes and longitudes in radians.

    Returns
    -------
    points : ndarray of shape (n_places, 3)
        The points.
    """
    latitude, longitude = places.T.astype(float)
    radius = np.cos(latitude)
    around = np.cos(longitude), np.sin(longitude)
    return np.column_stack([radius * around[0], radius * around[1], np.sin(latitude)])


class SpherePairs(EuclideanPairs):
    """Pairs of places under the haversine metric.

    Parameters
    ----------
    queries, keys : ndarray of shape (n_queries, 2) and (n_keys, 2)
        Latitudes and longitudes in radians.
    bandwidth : float
        Scale of the arc, neither 0 nor infinite.
    points : tuple of two, each None or ndarray of shape (n_queries, 3) and (n_keys, 3)
        The places on the unit sphere, if known.
    """

    is_flat = False

    def __init__(self, queries, keys, bandwidth, points=(None, None)):
        q, k = (
            on_sphere(places) if known is None else known
            for places, known in zip((queries, keys), points)
        )
        centre = q.mean(axis=0) if len(q) else np.zeros(3)
        super().__init__(q, k, np.full(3, bandwidth), centre, np.arange(3))
        self._places, self._scale = (queries, keys), float(bandwidth)

    @staticmethod
    def can_be(bandwidth: float) -> bool:
        """Whether this bandwidth is supported."""
        return _LEAST_BANDWIDTH < bandwidth < np.inf

    def restrict(self, rows, cols, multiple=1.0, leaving=True) -> SpherePairs:
        """The pairs of some queries with some keys."""
        queries, keys = self._places
        places = np.take(queries, rows, axis=0), np.take(keys, cols, axis=0)
        points = np.take(self.queries, rows, axis=0), np.take(self.keys, cols, axis=0)
        part = SpherePairs(*places, multiple * self._scale, points)
        self._hand_on(part, rows, cols, leaving)
        return part

    def _base_squares(self, rows, cols):
        queries, keys = (side.astype(float, copy=False) for side in self._places)
        arcs = haversine_distances(queries[rows], pick(keys, cols))
        arcs /= self._scale
        return np.square(arcs, out=arcs)

    # Plain differences: points have no more digits than arcs.
    beyond_closest = Pairs.beyond_closest
    rounded_off = Pairs.rounded_off

    def bounds(self, nearest, farthest):
        bounds = []
        for squares, side in ((nearest, -1), (farthest, 1)):
            arcs = self._arcs(squares, side * _ROUNDING)
            arcs += side * _ROUNDING_OPPOSITE * (arcs > pi - _NEARLY_OPPOSITE)
            arcs /= self._scale
            bounds.append(np.square(arcs, out=arcs))
        return bounds

    def bent(self, squares: np.ndarray) -> np.ndarray:
        """From squared scaled chords to squared scaled arcs, in place."""
        arcs = self._arcs(squares)
        arcs /= self._scale
        return np.square(arcs, out=arcs)

    def _arcs(self, squares, slack=0.0):
        """Arcs, in place, over squared scaled chords that are longer by some slack."""
        np.maximum(squares, 0, out=squares)
        np.sqrt(squares, out=squares)
        squares *= self._scale / 2
        if slack:
            squares += slack / 2
            np.maximum(squares, 0, out=squares)
        np.minimum(squares, 1, out=squares)
        np.arcsin(squares, out=squares)
        squares *= 2
        return squares

    def product(self, factor, offset=0.0):
        return _ProductOfPlaces(self, factor, offset)

    def candidate_keys(self, rows, within, beyond):
        return slice(None)

    @property
    def flat(self) -> EuclideanPairs:
        """Pairs of the points, by chords."""
        return EuclideanPairs(self.queries, self.keys, self.bandwidth, self._centre, self.columns)


class _ProductOfPlaces:
    """``factor * u2 + offset``, by chords from a matrix product."""

    is_whole = False

    def __init__(self, pairs, factor, offset):
        self._pairs, self._factor, self._offset = pairs, factor, offset
        self._chords = pairs.flat.product(1.0)
        self.n_columns = self._chords.n_columns
        self._farthest = 4 * (1 - (_NEARLY_OPPOSITE / 2) ** 2) / float(pairs.bandwidth[0]) ** 2

    def query_extent(self, rows):
        return self._of_arcs(self._chords.query_extent(rows), self._pairs.query_factors, rows)

    def key_extent(self, cols):
        return self._of_arcs(self._chords.key_extent(cols), self._pairs.key_factors, cols)

    @staticmethod
    def _of_arcs(extent, factors, part):
        """An arc is half a circle to two radii at most."""
        radius, square, _ = extent
        factor = 1.0 if factors is None else float(factors[part].max())
        return radius * (pi / 2), square * (pi / 2) ** 2, factor

    def write(self, out, rows, cols, reach):
        if not self._chords.write(out, rows, cols, reach) or out.max() > self._farthest:
            return False
        self._pairs.bent(out)
        if self._pairs.query_factors is not None:
            out *= self._pairs.query_factors[rows][:, None]
        if self._pairs.key_factors is not None:
            out *= pick(self._pairs.key_factors, cols)
        if self._factor != 1:
            out *= self._factor
        if self._offset:
            out += self._offset
        return True
