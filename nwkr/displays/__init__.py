"""Plots of kernels, attention, predictions, bandwidths and explanations.

Displays are used as those of scikit-learn are: ``from_estimator`` makes and draws one, `plot`
draws it again, and ``ax_``, ``figure_`` and the artists are there to be changed. A pipeline, or
a search over one, may stand in for the estimator. They need matplotlib, which
``pip install "nwkr[plot]"`` brings.
"""

from nwkr.displays._attention import AttentionDisplay
from nwkr.displays._bandwidth import BandwidthDisplay
from nwkr.displays._explanation import ExplanationDisplay
from nwkr.displays._kernel import KernelDisplay
from nwkr.displays._prediction import PredictionDisplay

__all__ = [
    "AttentionDisplay",
    "BandwidthDisplay",
    "ExplanationDisplay",
    "KernelDisplay",
    "PredictionDisplay",
]
