"""The display of a search for a bandwidth."""

from __future__ import annotations

import re

import numpy as np
from sklearn.base import is_classifier

from nwkr._pipeline import last_step
from nwkr.bandwidths import KNearest
from nwkr.displays._candidates import (
    forms_of,
    is_numeric,
    name_of_score,
    places_of,
    refined_by,
    typical_of,
)
from nwkr.displays._drawing import (
    COLORS,
    LINES,
    add_legend,
    axes_of,
    ink,
    label_axes,
    letters,
    merged,
    need_matplotlib,
    shortened,
    wrapped,
)
from nwkr.displays._reading import names_of_features, shown_name

__all__ = ["BandwidthDisplay"]

_WITHOUT_WINDOW = "trend alone"
_NAMES_OF_FORMS = {
    False: ("mean", "line"),
    True: ("share of weights", "step with slopes", "step", _WITHOUT_WINDOW),
}
_FOR_EACH = "one for each feature"


class BandwidthDisplay:
    """The score of every candidate bandwidth, and the chosen one.

    :meth:`from_estimator` computes and draws a display.

    Each kind of fit has a line: means and local lines, or, for classes, shares of the weights and
    steps from a trend with and without slopes. Bandwidths are drawn on a logarithmic scale; an
    infinite one is apart, at the tick ∞. One bandwidth for each feature is drawn at the geometric
    mean of those that are neither 0 nor infinite (at a tick of its own if there are none), and
    :class:`~nwkr.bandwidths.KNearest` at its `k`. Bandwidths of other or several types are drawn
    side by side in the order of the search. Scores much worse than most lie outside the axes.

    Parameters
    ----------
    bandwidths : list
        The candidates, as in ``cv_results_``.
    scores : array-like of shape (n_candidates,)
        Their scores, as drawn.
    best : int
        Number of the chosen candidate.
    score_name : str, default="score"
        Name of the scores.
    effective_dof : array-like of shape (n_candidates,) or None, default=None
        Their effective degrees of freedom.
    degrees : array-like of shape (n_candidates,) or None, default=None
        The kind of fit of each candidate, as its number in `names`. None means 0 for all.
    refined : array-like of bool of shape (n_candidates,) or None, default=None
        Whether each candidate has one bandwidth for each feature, found by a descent. These are
        drawn as diamonds. None means that there are none.
    best_name : str or None, default=None
        Name of the chosen candidate, such as "projection". None names it by its bandwidth.
    feature_name : str or None, default=None
        Name of the feature, if there is only one.
    names : sequence of str, default=("mean", "line")
        Names of the kinds of fit.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        Scores of the candidates, a line for each kind of fit.
    apart_ : list of matplotlib Line2D
        Scores of the candidates whose bandwidth is infinite, for each kind of fit that has some.
    refined_ : list of matplotlib Line2D
        Candidates with one bandwidth for each feature, for each kind of fit that has some.
    best_ : matplotlib Line2D
        The ring around the chosen candidate.
    dof_axis_ : matplotlib Axes or None
        The upper axis: degrees of freedom of the candidates of the chosen kind.
    ax_ : matplotlib Axes
        Axes with the plot.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    nwkr.NadarayaWatsonRegressorCV : Regression that chooses its bandwidth.
    nwkr.NadarayaWatsonClassifierCV : Classification that chooses its bandwidth.

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
        degrees=None,
        refined=None,
        best_name=None,
        feature_name=None,
        names=("mean", "line"),
    ):
        self.bandwidths = bandwidths
        self.scores = scores
        self.best = best
        self.score_name = score_name
        self.effective_dof = effective_dof
        self.degrees = degrees
        self.refined = refined
        self.best_name = best_name
        self.feature_name = feature_name
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the scores of a search for a bandwidth.

        Parameters
        ----------
        estimator : fitted CV estimator of nwkr, or pipeline that ends in one
            The estimator that has searched. A score of which greater values are better is drawn
            unchanged; the negative of a loss (``"neg_..."``, "aicc", "gcv") is drawn as the loss.
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
        model, _ = last_step(estimator)
        results = getattr(model, "cv_results_", {})
        if "bandwidth" not in results:
            raise ValueError(
                f"estimator must be a fitted NadarayaWatsonRegressorCV or "
                f"NadarayaWatsonClassifierCV, or end in one; got {model!r}, which has not "
                f"searched for a bandwidth."
            )
        scores = np.array(results["score"], dtype=float)
        score_name, sign = name_of_score(model)
        names = names_of_features(estimator)
        display = cls(
            bandwidths=results["bandwidth"],
            scores=sign * scores,
            best=model.best_index_,
            score_name=score_name,
            effective_dof=results.get("effective_dof"),
            degrees=forms_of(results),
            refined=refined_by(model),
            best_name=None if getattr(model, "projection_", None) is None else "projection",
            names=_NAMES_OF_FORMS[is_classifier(model)],
            feature_name=shown_name(estimator, names[0]) if len(names) == 1 else None,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, line_kwargs=None):
        """Draw score against bandwidth.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on; new ones if None.
        line_kwargs : dict or None, default=None
            Keyword arguments for the line of scores, passed to `Axes.plot`.

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
        scores = np.asarray(self.scores, dtype=float)
        places, numeric, apart = places_of(self.bandwidths, self._degrees, self._found)
        self._draw_scores(places, scores, numeric, apart, line_kwargs)
        self._draw_ring(places, scores)
        room, _ = letters(ax)
        if numeric:
            ax.set_xscale("log")
            _ticks_of_logarithms(ax, places, apart, room)
        else:
            words = {place: self._in_words(number) for number, place in enumerate(places)}
            ax.set_xticks(list(words), list(words.values()), rotation=30, ha="right")
        ax.margins(y=0.08)  # room for the ring
        _look_closer(ax, scores[np.isfinite(scores)], scores[self.best])
        self.dof_axis_ = None
        along = self._along(self._degrees[self.best], places)
        if self.effective_dof is not None and len(along):
            freedom = np.asarray(self.effective_dof)
            self.dof_axis_ = _upper_axis(ax, places[along], freedom[along], numeric, room)
        label_axes(ax, self._name_of_bandwidths(numeric), self.score_name)
        self._add_legend()
        return self

    def _draw_scores(self, places, scores, numeric, apart, line_kwargs):
        """Draw a line for each degree, and candidates with one bandwidth for each feature."""
        from matplotlib.lines import Line2D

        self.lines_, self.apart_, self.refined_ = [], [], []
        for degree in self._compared:
            color, name = COLORS[degree], self.names[degree] if len(self._compared) > 1 else None
            drawn = self._along(degree, places)
            style = {"color": color, "marker": "o", "markersize": 5, "label": name}
            style["linestyle"] = LINES[degree] if numeric else "none"
            style, lonely = merged(Line2D, style, line_kwargs), np.isin(places[drawn], list(apart))
            near, far = drawn[~lonely], drawn[lonely]
            self.lines_ += self.ax_.plot(places[near], scores[near], **style)
            if len(far):
                style |= {"linestyle": "none", "label": None}
                self.apart_ += self.ax_.plot(places[far], scores[far], **style)
            found = self._found & (self._degrees == degree) & np.isfinite(scores)
            if found.any():
                style = {"color": color, "label": ", ".join(filter(None, [name, _FOR_EACH]))}
                self.refined_ += self.ax_.plot(places[found], scores[found], "D", **style)

    def _draw_ring(self, places, scores):
        """Draw a ring around the chosen candidate."""
        chosen = self.best_name or self._in_words(self.best)
        if len(self._compared) > 1:
            form = self.names[self._degrees[self.best]]
            chosen = form if form == _WITHOUT_WINDOW else f"{form}, {chosen}"
        style = {"color": ink(self.ax_), "fillstyle": "none", "markersize": 13}
        style |= {"markeredgewidth": 1.5, "clip_on": False, "label": f"chosen: {chosen}"}
        (self.best_,) = self.ax_.plot(places[self.best], scores[self.best], "o", **style)

    def _add_legend(self):
        from matplotlib.legend_handler import HandlerTuple

        entries = {line.get_label(): line for line in self.lines_ if len(self._compared) > 1}
        if self.refined_:
            entries[_FOR_EACH] = tuple(self.refined_)  # side by side
        entries[self.best_.get_label()] = self.best_
        add_legend(
            self.ax_,
            handles=entries.values(),
            labels=entries.keys(),
            handler_map={tuple: HandlerTuple(ndivide=None)},
        )

    @property
    def _degrees(self):
        return np.array([0] * len(self.scores) if self.degrees is None else self.degrees)

    @property
    def _compared(self):
        return sorted(set(self._degrees.tolist()))

    @property
    def _found(self):
        return np.array([False] * len(self.scores) if self.refined is None else self.refined)

    def _along(self, degree, places):
        """Numbers of the candidates on the line of a degree, from left to right."""
        numbers = np.flatnonzero((self._degrees == degree) & ~self._found)
        numbers = numbers[np.isfinite(np.asarray(self.scores, dtype=float)[numbers])]
        return numbers[np.argsort(places[numbers], kind="stable")]

    def _in_words(self, number):
        if self._found[number]:
            return _FOR_EACH
        bandwidth = self.bandwidths[number]
        if is_numeric(bandwidth):
            return f"{typical_of(bandwidth):.3g}"
        return re.sub(r"\w+=", "", str(bandwidth))

    def _name_of_bandwidths(self, numeric):
        if not numeric:
            return "bandwidth"
        if all(isinstance(bandwidth, KNearest) for bandwidth in self.bandwidths):
            return "k, the number of nearest rows"
        if self.feature_name is not None:
            return f"bandwidth ({shortened(self.feature_name)})"
        alike = all(np.allclose(bandwidth, np.mean(bandwidth)) for bandwidth in self.bandwidths)
        return "bandwidth" if alike else "bandwidth (geometric mean of features)"


def _look_closer(ax, scores, best, farthest=10):
    """Hide scores that are so bad that all others would look equal."""
    apart = np.abs(scores - best)
    seen = farthest * np.median(apart)
    if 0 < seen < apart.max():
        side = np.sign(scores[apart.argmax()] - best)
        ax.set_ylim(*sorted([best - 0.07 * side * seen, best + side * seen]))


def _ticks_of_logarithms(ax, places, apart, room):
    """Plain numbers at 1, 2, 5, or fewer of them where they would overlap."""
    within = places[~np.isin(places, list(apart))]
    low, high = 0.8 * within.min(), 1.25 * within.max()
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = np.outer(powers, steps).ravel()
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        words = [f"{tick:g}" for tick in ticks]
        longest = max(map(len, words), default=0) + 2
        if len(words) * longest < room:
            break
    if not words:
        ticks, words = np.unique(within), [f"{place:.3g}" for place in np.unique(within)]
    every = 1 + len(words) * longest // room
    ax.set_xticks([*ticks[::every], *apart], [*words[::every], *apart.values()])
    ax.minorticks_off()


def _upper_axis(ax, places, freedom, numeric, room):
    """Degrees of freedom, at about evenly spaced candidates."""
    scaled = np.log(places) if numeric else places
    even = np.linspace(scaled.min(), scaled.max(), min(max(room // 9, 2), 6))
    nearest = np.unique(np.abs(np.subtract.outer(even, scaled)).argmin(axis=1))
    shown = {}  # the widest bandwidth of each number
    for number in nearest:
        dof = freedom[number]
        shown[f"{dof:.0f}" if dof >= 10 else f"{dof:.1f}"] = places[number]
    above = ax.secondary_xaxis("top")
    above.set_xticks(list(shown.values()), list(shown))
    above.minorticks_off()
    above.set_xlabel(wrapped("effective degrees of freedom", room))
    return above
