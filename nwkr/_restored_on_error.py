"""Estimators stay unchanged if `fit` fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["restored_on_error"]


@contextmanager
def restored_on_error(estimator: Any) -> Iterator[None]:
    """Restore all attributes of an estimator if an error is raised."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
