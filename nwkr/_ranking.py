"""Which of the candidates of a search is the best."""

from __future__ import annotations

import numpy as np

__all__ = ["best_of", "level", "scores_of"]


def best_of(tried, scoring):
    """The candidate with the best score; of equal ones the last, which of a ladder is the widest.

    Parameters
    ----------
    tried : list of tuple
        Windows, each with a dict of what is known of it, its "score" for one.
    scoring : str, callable or None
        What the scores are by.

    Returns
    -------
    window, result : tuple
        The best.

    Raises
    ------
    ValueError
        If none has a score.
    """
    scores = scores_of(tried)
    if np.isneginf(scores).all():
        raise ValueError(
            f"No bandwidth has a score: by scoring={scoring!r} every candidate scored NaN or -inf, "
            f"or left rows without neighbours. Choose larger "
            f"bandwidths, handle_empty='nearest' or 'mean', or another scoring."
        )
    return tried[len(tried) - 1 - scores[::-1].argmax()]


def scores_of(tried) -> np.ndarray:
    """The scores of candidates, minus infinity where there is none."""
    scores = np.array([result["score"] for _, result in tried], dtype=float)
    return np.where(np.isnan(scores), -np.inf, scores)


def level(tried) -> bool:
    """Whether two candidates have the same score."""
    first, second = scores_of(tried)
    return bool(first == second or np.isclose(first, second, rtol=1e-9, atol=0))
