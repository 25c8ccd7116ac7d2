"""Plots of kernels, attention, predictions, bandwidths and explanations.

Displays work like those of scikit-learn: ``from_estimator`` computes and draws one, and `plot`
draws it again. ``ax_``, ``figure_`` and the artists are attributes that you can change. The
estimator may be a pipeline, or a search over one. Displays need matplotlib:
``pip install matplotlib``.
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
