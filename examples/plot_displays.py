"""
Displays: a look at everything
==============================

The five displays of :mod:`nwkr.displays` draw what estimators say of themselves: their kernels,
how they chose a bandwidth, what they predict, what they attend to, and what one prediction rests
on. They are used as scikit-learn's displays are: ``from_estimator`` computes and draws, on the axes
that are given or on new ones; `plot` draws once more; axes, figure and artists stay at hand.
"""

# %%
# Kernels
# -------
# A kernel says how the weight of a row falls with its distance. In units of the bandwidth the
# profiles are hard to compare, for some reach much farther than others. On the right the distance
# is in standard deviations of each kernel: where these are alike, so is how much a kernel smooths.

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_diabetes, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nwkr import NadarayaWatsonClassifierCV, NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.displays import (
    AttentionDisplay,
    BandwidthDisplay,
    ExplanationDisplay,
    KernelDisplay,
    PredictionDisplay,
)

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def panels(n_columns, width=10, height=3.8, **kwargs):
    return plt.subplots(1, n_columns, figsize=(width, height), layout="constrained", **kwargs)[1]


some = ["gaussian", "exponential", "boxcar", "epanechnikov"]
left, right = panels(2)
KernelDisplay.from_kernels(some, ax=left)
KernelDisplay.from_kernels(some, equal_std=True, ax=right)
plt.show()

# %%
# Bandwidths
# ----------
# Of the diabetes data we take the body mass index alone, and then all ten features. Every
# candidate has predicted each patient from all others. The ring is around the one that was chosen;
# the upper axis shows the degrees of freedom. On the left all candidates are means. On the right,
# where nothing is set, the search compares means with local lines, and goes on to one bandwidth for
# each feature: the diamonds. The degrees of freedom are those of the lines, which were chosen.

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
y = y.rename("progression")
by_bmi = NadarayaWatsonRegressorCV(degrees=(0,)).fit(X[["bmi"]], y)
by_all = make_pipeline(
    StandardScaler().set_output(transform="pandas"), NadarayaWatsonRegressorCV()
).fit(X, y)

left, right = panels(2)
BandwidthDisplay.from_estimator(by_bmi, ax=left)
BandwidthDisplay.from_estimator(by_all, ax=right)
plt.show()

# %%
# Predictions
# -----------
# Over one feature the fit is a curve, about which a band may be drawn: here, between the quantiles
# that hold 90 % of the weights. Over two it is a surface. Where there are more, the others are held
# at their median, as on the right, where the points are patients of all kinds.

left, right = panels(2)
PredictionDisplay.from_estimator(by_bmi, X[["bmi"]], y, band="quantiles", ax=left)
PredictionDisplay.from_estimator(by_all, X, y, features=["bmi", "s5"], ax=right)
plt.show()

# %%
# Classifiers have probabilities: a curve for each class, and in the plane colours that blend
# where classes do. Lines are where the likeliest class changes. The wines are of three growers.

wine = load_wine(as_frame=True)
grower = wine.target.map({0: "first", 1: "second", 2: "third"})
two = wine.data[["alcohol", "flavanoids"]]
one = two[["flavanoids"]]

left, right = panels(2)
for ax, part in [(left, one), (right, two)]:
    classifier = NadarayaWatsonClassifierCV().fit(part, grower)
    PredictionDisplay.from_estimator(classifier, part, grower, ax=ax)
plt.show()

# %%
# Attention
# ---------
# A row of a heat map is a query, a column a training row, and the colour how much weight the one
# gives the other. Both are sorted, by the feature if there is only one, so that the picture shows
# where a query looks. By the body mass index alone that is at patients like it. With ten features
# rows are sorted by their first principal component, and a query looks at few. ``sort_by`` names
# a feature to sort by instead. Each patient is left out of its own prediction; sixty are easier to
# see than all.

left, right = panels(2)
for ax, features, title in [(left, ["bmi"], "by bmi alone"), (right, list(X), "by ten features")]:
    sixty = X[features][:60]
    model = make_pipeline(
        StandardScaler().set_output(transform="pandas"), NadarayaWatsonRegressor(bandwidth=0.5)
    ).fit(sixty, y[:60])
    AttentionDisplay.from_estimator(model, ax=ax)
    ax.set_title(title, loc="left")
plt.show()

# %%
# An explanation
# --------------
# Last, the rows behind one prediction: a bar for the weight of each, and its target to the right.
# We ask for a patient who is in the middle by all measures. Classes with a trend have bars for the
# parts of a logit. We ask for a wine that is between growers, whom intercept and features tell
# apart: the search has chosen the trend alone.

between = pd.DataFrame({"alcohol": [13.0], "flavanoids": [1.6]})
left, right = panels(2)
ExplanationDisplay.from_estimator(by_all, X.median().to_frame().T, ax=left)
ExplanationDisplay.from_estimator(classifier, between, ax=right)
plt.show()

# sphinx_gallery_thumbnail_number = 4
