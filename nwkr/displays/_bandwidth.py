"""A picture of the search for a bandwidth."""

from __future__ import annotations

import re

import numpy as np

from nwkr.bandwidths import KNearest
from nwkr.displays._drawing import COLORS, axes_of, merged, need_matplotlib
from nwkr.displays._reading import names_of_features, reach

__all__ = ["BandwidthDisplay"]


class BandwidthDisplay:
    """The score of every bandwidth that was tried, and the one that was chosen.

    :meth:`from_estimator` makes and draws one.

    Numbers are drawn on a scale of logarithms. Where there is one for each feature, their
    geometric mean is (of those that are neither 0 nor infinite), and
    :class:`~nwkr.bandwidths.KNearest` by its `k`. All else, and mixtures, stand side by side
    in the order in which they were tried.

    Parameters
    ----------
    bandwidths : list
        What was tried, as in ``cv_results_``.
    scores : array-like of shape (n_candidates,)
        Their scores, as they are to be drawn.
    best : int
        Number of the chosen one.
    score_name : str, default="score"
        What the scores are.
    effective_dof : array-like of shape (n_candidates,) or None, default=None
        Their effective degrees of freedom.
    refined : bool, default=False
        Whether the last candidate is where the search for one bandwidth for each feature
        ended; it is then drawn apart.
    feature_name : str or None, default=None
        Name of the feature, where there is one only.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Scores of the candidates.
    refined_ : matplotlib Line2D or None
        The candidate with one bandwidth for each feature, if `refined`.
    best_ : matplotlib Line2D
        The ring around the chosen one.
    dof_axis_ : matplotlib Axes or None
        The upper axis, of degrees of freedom.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    nwkr.NadarayaWatsonRegressorCV : Regression that chooses its bandwidth.
    nwkr.NadarayaWatsonClassifierCV : Classification that does.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from nwkr import NadarayaWatsonRegressorCV
    >>> from nwkr.displays import BandwidthDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = NadarayaWatsonRegressorCV().fit(X[["bmi"]], y)
    >>> display = BandwidthDisplay.from_estimator(model)
    >>> print(display.ax_.get_xlabel(), "|", display.ax_.get_ylabel())
    bandwidth (bmi) | mean squared error, leave-one-out
    """

    def __init__(
        self,
        *,
        bandwidths,
        scores,
        best,
        score_name="score",
        effective_dof=None,
        refined=False,
        feature_name=None,
    ):
        self.bandwidths = bandwidths
        self.scores = scores
        self.best = best
        self.score_name = score_name
        self.effective_dof = effective_dof
        self.refined = refined
        self.feature_name = feature_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw how a search for a bandwidth went.

        Parameters
        ----------
        estimator : fitted CV estimator of nwkr, or pipeline that ends in one
            What has searched. Its score is drawn as it is if greater is better by it; a loss
            (``"neg_..."``, "aicc", "gcv") as a loss.
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        **kwargs : dict
            Keyword arguments of :meth:`plot`.

        Returns
        -------
        display : BandwidthDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator has not searched for a bandwidth.
        ImportError
            If matplotlib is not installed.
        """
        need_matplotlib("BandwidthDisplay.from_estimator")
        model, _ = reach(estimator)
        results = getattr(model, "cv_results_", {})
        if "bandwidth" not in results:
            raise ValueError(
                f"estimator must be a fitted NadarayaWatsonRegressorCV or "
                f"NadarayaWatsonClassifierCV, or end in one; got {model!r}, which has not "
                f"searched for a bandwidth."
            )
        scores = np.array(results["score"], dtype=float)
        best = len(scores) - 1 - np.where(np.isnan(scores), -np.inf, scores)[::-1].argmax()
        score_name, sign = _name_of_score(model)
        display = cls(
            bandwidths=results["bandwidth"],
            scores=sign * scores,
            best=int(best),
            score_name=score_name,
            effective_dof=results.get("effective_dof"),
            refined=model.per_feature,
            feature_name=names_of_features(estimator)[0] if model.n_features_in_ == 1 else None,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, line_kwargs=None):
        """Draw score against bandwidth.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        line_kwargs : dict or None, default=None
            Keyword arguments for the line of scores, as of `Axes.plot`.

        Returns
        -------
        display : BandwidthDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.ax_ = ax = axes_of(self, ax)
        self.figure_ = ax.figure
        from matplotlib.lines import Line2D

        places, numeric = _places(self.bandwidths)
        scores = np.asarray(self.scores, dtype=float)
        common = slice(len(scores) - 1) if self.refined else slice(None)
        along = np.argsort(places[common], kind="stable")
        along = along[np.isfinite(scores[along])]
        style = {"color": COLORS[0], "marker": "o", "markersize": 5}
        if not numeric:
            style["linestyle"] = "none"
        (self.line_,) = ax.plot(places[along], scores[along], **merged(Line2D, style, line_kwargs))
        self.refined_ = None
        if self.refined:
            (self.refined_,) = ax.plot(
                places[-1], scores[-1], "D", color=COLORS[1], label="one for each feature"
            )
        chosen = self._in_words(self.best)
        (self.best_,) = ax.plot(
            places[self.best],
            scores[self.best],
            "o",
            markersize=13,
            markeredgewidth=1.5,
            color="black",
            fillstyle="none",
            label=f"chosen: {chosen}",
        )
        if numeric:
            ax.set_xscale("log")
            _ticks_of_logarithms(ax, places)
        else:
            words = [self._in_words(number) for number in range(len(places))]
            ax.set_xticks(places, words, rotation=30, ha="right")
        ax.set(xlabel=self._name_of_bandwidths(numeric), ylabel=self.score_name)
        _look_closer(ax, scores[np.isfinite(scores)], scores[self.best])
        ax.legend()
        self.dof_axis_ = None
        if self.effective_dof is not None and len(along):
            freedom = np.asarray(self.effective_dof)
            self.dof_axis_ = _upper_axis(ax, places[along], freedom[along], numeric)
        return self

    def _in_words(self, number):
        if self.refined and number == len(self.bandwidths) - 1:
            return "one for each feature"
        bandwidth = self.bandwidths[number]
        if _is_numeric(bandwidth):
            return f"{_typical(bandwidth):.3g}"
        return re.sub(r"\w+=", "", str(bandwidth))

    def _name_of_bandwidths(self, numeric):
        if not numeric:
            return "bandwidth"
        if all(isinstance(bandwidth, KNearest) for bandwidth in self.bandwidths):
            return "k, the number of nearest rows"
        if self.feature_name is not None:
            return f"bandwidth ({self.feature_name})"
        alike = all(np.allclose(bandwidth, np.mean(bandwidth)) for bandwidth in self.bandwidths)
        return "bandwidth" if alike else "bandwidth (geometric mean of features)"


def _name_of_score(model):
    """What the score of a search is called, and the sign that it is drawn with."""
    how = "leave-one-out" if model.cv is None else "cross-validated"
    scoring = model._default_scoring if model.scoring is None else model.scoring
    if scoring in ("aicc", "gcv"):
        return {"aicc": "AICc", "gcv": "GCV"}[scoring], -1
    if not isinstance(scoring, str):
        return f"{getattr(scoring, '__name__', 'score')}, {how}".replace("_", " "), 1
    sign = -1 if scoring.startswith("neg_") else 1
    return f"{scoring.removeprefix('neg_')}, {how}".replace("_", " "), sign


def _is_numeric(bandwidth):
    return np.asarray(bandwidth).dtype.kind in "fiu"


def _typical(bandwidth):
    """The geometric mean over the features; of those that are neither 0 nor off, if any is."""
    bandwidth = np.atleast_1d(np.asarray(bandwidth, dtype=float))
    between = bandwidth[(bandwidth > 0) & np.isfinite(bandwidth)]
    return np.exp(np.log(between).mean()) if len(between) else bandwidth.mean()


def _places(bandwidths):
    """Where candidates are drawn, and whether these places are numbers on a log scale."""
    if all(isinstance(bandwidth, KNearest) for bandwidth in bandwidths):
        return np.array([float(bandwidth.k) for bandwidth in bandwidths]), True
    if all(_is_numeric(bandwidth) for bandwidth in bandwidths):
        places = np.array([_typical(bandwidth) for bandwidth in bandwidths])
        if (places > 0).all() and np.isfinite(places).all():
            return places, True
    return np.arange(len(bandwidths), dtype=float), False


def _look_closer(ax, scores, best, farthest=10):
    """Leave out of sight what is so bad that all others would look alike."""
    apart = np.abs(scores - best)
    seen = farthest * np.median(apart)
    if 0 < seen < apart.max():
        side = np.sign(scores[apart.argmax()] - best)
        ax.set_ylim(*sorted([best - 0.07 * side * seen, best + side * seen]))


def _ticks_of_logarithms(ax, places):
    """Plain numbers at 1, 2, 5; at powers of 10 where there are many."""
    from matplotlib.ticker import LogLocator, NullLocator

    few = places.max() < 1000 * places.min()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    ax.xaxis.set_major_formatter(lambda place, _: f"{place:g}")
    ax.xaxis.set_minor_locator(NullLocator())


def _upper_axis(ax, places, freedom, numeric, n_ticks=6):
    """Degrees of freedom, at about evenly spaced ones of the candidates."""
    scaled = np.log(places) if numeric else places
    even = np.linspace(scaled.min(), scaled.max(), n_ticks)
    shown = np.unique(np.abs(np.subtract.outer(even, scaled)).argmin(axis=1))
    above = ax.secondary_xaxis("top")
    above.set_xticks(
        places[shown], [f"{dof:.0f}" if dof >= 10 else f"{dof:.1f}" for dof in freedom[shown]]
    )
    above.minorticks_off()
    above.set_xlabel("effective degrees of freedom")
    return above
