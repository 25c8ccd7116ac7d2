"""The searches restricted to means and leave-one-out, which have plain formulas.

`test_search_of_lines.py` tests lines and criteria of the fit, `test_search_of_classes.py` classes
with a trend.
"""

from inspect import signature

import nwkr


def with_defaults(estimator_class, **defaults):
    """The constructor of a class with other defaults."""
    theirs = signature(estimator_class.__init__)
    parameters = [
        p.replace(default=defaults.get(p.name, p.default)) for p in theirs.parameters.values()
    ]
    ours = theirs.replace(parameters=parameters)

    def __init__(self, *args, **kwargs):
        given = ours.bind(self, *args, **kwargs)
        given.apply_defaults()
        estimator_class.__init__(*given.args, **given.kwargs)

    __init__.__signature__ = ours  # scikit-learn reads the parameters of an estimator from it
    return __init__


DEFAULTS = {"degrees": (0,), "per_feature": False, "shrinkage": 0.01, "random_state": None}


class NadarayaWatsonRegressorCV(nwkr.NadarayaWatsonRegressorCV):
    """With other defaults."""

    __init__ = with_defaults(nwkr.NadarayaWatsonRegressorCV, **DEFAULTS)

    @property
    def _criterion(self):
        return None if self.scoring is None else super()._criterion


class NadarayaWatsonClassifierCV(nwkr.NadarayaWatsonClassifierCV):
    """With other defaults."""

    __init__ = with_defaults(nwkr.NadarayaWatsonClassifierCV, **DEFAULTS)
