"""Nadaraya-Watson estimation: attention pooling by similarity, for scikit-learn."""

from nwkr import bandwidths, displays, kernels
from nwkr._classifier import NadarayaWatsonClassifier
from nwkr._classifier_cv import NadarayaWatsonClassifierCV
from nwkr._pipeline import last_step
from nwkr._regressor import NadarayaWatsonRegressor
from nwkr._regressor_cv import NadarayaWatsonRegressorCV

__version__ = "0.1.0"

__all__ = [
    "NadarayaWatsonClassifier",
    "NadarayaWatsonClassifierCV",
    "NadarayaWatsonRegressor",
    "NadarayaWatsonRegressorCV",
    "__version__",
    "bandwidths",
    "displays",
    "kernels",
    "last_step",
]
