"""Conversion of targets to values and back: centre and scale, outputs, classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from nwkr._pooling import DEFAULT_SIZES, Sizes

__all__ = ["ClassTargets", "Contribution", "Targets"]

Contribution = tuple[dict[str, Any], np.ndarray, np.ndarray]
"""Labels of an output, the targets of some rows, and their contributions to predictions."""


@dataclass(frozen=True)
class Targets:
    """Numbers to predict.

    Attributes
    ----------
    y : ndarray of shape (n_samples, n_outputs)
        The targets, as passed.
    centre, scale : ndarray of shape (n_outputs,)
        Middle and half width of the range of the targets. Values are relative to the centre, so
        that a common offset costs no digits and a constant is reproduced exactly. They are in
        units of the scale, so that none overflows.
    one_output : bool
        Whether the targets had one dimension.
    names : list or None, default=None
        Names of the outputs.
    """

    y: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    one_output: bool
    names: list | None = None

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray, names: list | None = None) -> Targets:
        """Targets of rows; centre and scale are those of the rows with weight."""
        one_output, y = y.ndim == 1, y.reshape(len(y), -1).copy()
        present = y[sample_weight > 0]
        scale, centre = cls.unit_of(present.min(axis=0), present.max(axis=0))
        return cls(y, centre, scale, one_output, names)

    @staticmethod
    def unit_of(lowest: np.ndarray, highest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scale and centre of targets between two ends."""
        scale = highest / 2 - lowest / 2
        return scale, lowest + scale

    def of_rows(self, y: np.ndarray) -> Targets:
        """Targets of other rows, with the same centre and scale."""
        return replace(self, y=y.reshape(len(y), -1))

    @property
    def given(self) -> np.ndarray:
        """The targets in their original form."""
        return self.as_they_came(self.y)

    @property
    def values(self) -> np.ndarray:
        """The values to pool, of shape (n_samples, n_outputs) and order 1."""
        with np.errstate(over="ignore"):  # in rows without weight
            return (self.y - self.centre) / np.where(self.scale > 0, self.scale, 1)

    @property
    def comparable(self) -> np.ndarray:
        """Factors that bring the values of all outputs into one unit, of shape (n_outputs,)."""
        return self.scale / max(self.scale.max(), np.finfo(float).tiny)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Convert values to targets; the last axis is that of the outputs."""
        return self.as_they_came(self.centre + self.scale * values)

    def decode_sizes(self, sizes: np.ndarray) -> np.ndarray:
        """Convert differences, slopes and deviations of values to those of targets."""
        return self.as_they_came(self.scale * sizes)

    def decode_output(self, number: int, values: np.ndarray) -> np.ndarray:
        """Convert values of one output to targets, in an array of any shape."""
        return self.centre[number] + self.scale[number] * values

    def as_they_came(self, numbers: np.ndarray) -> np.ndarray:
        """Remove the last axis, of the outputs, if the targets had none."""
        return numbers[..., 0] if self.one_output else numbers

    def contributions(self, row: np.ndarray, weight: np.ndarray) -> Iterator[Contribution]:
        """Contributions of some rows, with these weights, to each output."""
        names = self.names or range(self.y.shape[1])
        for name, y in zip(names, self.y.T):
            labels = {"output": [name] * len(row)} if self.y.shape[1] > 1 else {}
            yield labels, y[row], weight * y[row]


@dataclass(frozen=True)
class ClassTargets:
    """Classes to predict by their probabilities.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels, sorted.
    codes : ndarray of shape (n_samples,)
        The number of each row's class.
    sizes : Sizes, default=DEFAULT_SIZES
        The number of classes from which values are sparse.
    """

    classes: np.ndarray
    codes: np.ndarray
    sizes: Sizes = DEFAULT_SIZES

    @classmethod
    def of(
        cls, y: np.ndarray, classes: np.ndarray | None = None, sizes: Sizes = DEFAULT_SIZES
    ) -> ClassTargets:
        """Targets of labelled rows, with sorted classes if they are known."""
        if classes is None:
            classes, codes = np.unique(y, return_inverse=True)
        else:
            unknown = ~np.isin(y, classes)
            if unknown.any():
                raise ValueError(
                    f"y must hold only the classes passed on the first call, "
                    f"{classes.tolist()}; got {np.unique(y[unknown]).tolist()}."
                )
            codes = np.searchsorted(classes, y)
        return cls(classes, codes.astype(np.int32), sizes)

    def of_rows(self, y: np.ndarray) -> ClassTargets:
        """Targets of other rows with the same classes."""
        return self.of(y, self.classes, self.sizes)

    @property
    def given(self) -> np.ndarray:
        """The labels in their original form."""
        return self.classes[self.codes]

    @property
    def values(self) -> Any:
        """The values to pool, one-hot classes of shape (n_samples, n_classes).

        With many classes, a CSR array, because almost all values are 0.
        """
        n_rows, n_classes = len(self.codes), len(self.classes)
        entries = np.ones(n_rows), self.codes.ravel(), np.arange(n_rows + 1)
        one_hot = sparse.csr_array(entries, shape=(n_rows, n_classes))
        return one_hot if n_classes > self.sizes.classes_multiplied else one_hot.toarray()

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Probabilities from pooled values, corrected for rounding; rows sum to 1."""
        return values / values.sum(axis=1, keepdims=True)

    def decode_sizes(self, sizes: np.ndarray) -> np.ndarray:
        """Slopes of probabilities, which equal slopes of the values."""
        return sizes

    def contributions(self, row: np.ndarray, weight: np.ndarray) -> Iterator[Contribution]:
        """Contributions of some rows to their classes: their weights."""
        yield {}, self.classes[self.codes[row]], weight
