"""The choice of the best candidate of a search."""

from __future__ import annotations

import numpy as np

__all__ = ["best_of", "gain_of", "last_clear_gain", "level", "scores_of"]


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


def last_clear_gain(steps, weights):
    """The last of some candidates that is clearly better than the one kept before it.

    The first one with a score is kept. Each later one replaces it if its mean gain exceeds the
    standard error of the gain.

    Parameters
    ----------
    steps : list of tuple
        Windows, the simplest first, each with a dict of results, including its "score" and the
        "losses" of rows. At least one has a score.
    weights : ndarray of shape (n_rows,)
        Weights of the rows.

    Returns
    -------
    window, result : tuple
        The one that is kept.
    """
    best, *others = [step for step in steps if np.isfinite(step[1]["score"])]
    for step in others:
        gain, noise = gain_of(best[1]["losses"] - step[1]["losses"], weights)
        best = step if gain > noise else best
    return best
