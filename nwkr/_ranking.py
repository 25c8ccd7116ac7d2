"""The choice of the best candidate of a search."""

from __future__ import annotations

import numpy as np

__all__ = ["best_of", "gain_of", "level", "scores_of"]


def best_of(tried, scoring):
    """The candidate with the best score; among equal scores the last, the widest of a ladder.

    Parameters
    ----------
    tried : list of tuple
        Windows, each with a dict of results, including its "score".
    scoring : str, callable or None
        The scoring, for the error message.

    Returns
    -------
    window, result : tuple
        The best.

    Raises
    ------
    ValueError
        If no candidate has a score.
    """
    scores = scores_of(tried)
    if np.isneginf(scores).all():
        raise ValueError(
            f"No bandwidth has a score: with scoring={scoring!r}, every candidate scored NaN or "
            f"-inf, or left rows without neighbours. Choose larger bandwidths, "
            f"handle_empty='nearest' or 'mean', or another scoring."
        )
    return tried[len(tried) - 1 - scores[::-1].argmax()]


def scores_of(tried) -> np.ndarray:
    """The scores of candidates, minus infinity for candidates without a score."""
    scores = np.array([result["score"] for _, result in tried], dtype=float)
    return np.where(np.isnan(scores), -np.inf, scores)


def level(tried) -> bool:
    """Whether two candidates have the same score."""
    first, second = scores_of(tried)
    return bool(first == second or np.isclose(first, second, rtol=1e-9, atol=0))


def gain_of(gains: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The mean of the gains of rows, which have weights, and its standard error."""
    weights = weights / weights.sum()
    gain = weights @ gains
    return float(gain), float(np.sqrt(np.square(weights) @ np.square(gains - gain)))
