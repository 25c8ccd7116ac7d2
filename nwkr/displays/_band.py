"""Bands around a curve of predictions."""

from __future__ import annotations

import numpy as np

from nwkr._pipeline import parts_of
from nwkr.displays._targets import given_targets, one_output

__all__ = ["band_of", "check_band"]

# The named bands, and their labels.
_BANDS = {
    "std": "± 1 standard deviation",
    "quantiles": "quantiles, {:.0%}",
    "interval": "interval, {:.0%}",
}


def check_band(band, classes):
    """Refuse unknown bands, and bands for the probabilities of classes."""
    if classes is not None and band is not None:
        raise ValueError(f"band must be None for a classifier; got {band!r}.")
    if band is not None and not callable(band) and band not in _BANDS:
        raise ValueError(f"band must be one of {list(_BANDS)}, a callable or None; got {band!r}.")


def band_of(estimator, queries, band, coverage, target):
    """Lower and upper ends of the band, and its name."""
    if callable(band):
        return {"band": np.asarray(band(queries), dtype=float)}
    parts = parts_of(estimator)
    model, inputs = parts.model, parts.rows_for(queries)
    if band == "std":
        if parts.of_targets:
            raise ValueError(
                "band must be 'quantiles', 'interval', a callable or None for transformed "
                "targets, because their standard deviation is not that of y; got 'std'."
            )
        mean, std = (one_output(part, target) for part in model.predict(inputs, return_std=True))
        return {"band": np.column_stack([mean - std, mean + std]), "band_name": _BANDS[band]}
    if band == "quantiles":
        ends = model.predict_quantiles(inputs, [(1 - coverage) / 2, (1 + coverage) / 2])
    else:
        ends = model.predict_interval(inputs, coverage=coverage)
    # Sorted, because a decreasing transformation swaps the ends.
    low_high = np.sort([given_targets(estimator, end) for end in np.moveaxis(ends, 1, 0)], axis=0)
    lows, highs = (one_output(end, target) for end in low_high)
    return {"band": np.column_stack([lows, highs]), "band_name": _BANDS[band].format(coverage)}
