"""The estimators for Dask collections, whose rows may exceed the memory of one machine."""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'nwkr.dask needs Dask: pip install "dask[array,dataframe]". ({error})'
    ) from error

from nwkr.dask._estimators import (
    NadarayaWatsonClassifier,
    NadarayaWatsonClassifierCV,
    NadarayaWatsonRegressor,
    NadarayaWatsonRegressorCV,
)

__all__ = [
    "NadarayaWatsonClassifier",
    "NadarayaWatsonClassifierCV",
    "NadarayaWatsonRegressor",
    "NadarayaWatsonRegressorCV",
]
