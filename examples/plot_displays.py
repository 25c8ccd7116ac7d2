"""
The displays
============

The five displays of :mod:`nwkr.displays` draw kernels, the search for a bandwidth, predictions,
attention weights, and the rows behind one prediction. They work like scikit-learn's displays:
``from_estimator`` computes and draws on new or given axes, `plot` draws again, and the display
keeps its axes, figure and artists as attributes.
"""

# %%
# Kernels
# -------
# A kernel gives the weight of a row at each distance. In units of the bandwidth (left), profiles
# are hard to compare, because their widths differ. In the right panel the distance is in standard
# deviations of each kernel: kernels with the same standard deviation smooth about equally.

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
# We fit the diabetes data, first with the body mass index alone, then with all ten features. Each
# candidate is scored by leave-one-out. A ring marks the chosen candidate, and the upper axis shows
# the degrees of freedom. The infinite bandwidth is apart, at the right end. In the left panel all
# candidates are means; the error of the infinite bandwidth is so large that it lies outside the
# axes. The right panel shows the default search: it compares means with local lines, and continues
# to one bandwidth for each feature (diamonds). Its upper axis refers to the lines, which were
# chosen.

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
# Over one feature the fit is a curve, optionally with a band: here, between the quantiles 0.05 and
# 0.95. Over two features it is a surface. Further features are fixed at their median, as in the
# right panel; the points there are all patients, with any values of their other features.

left, right = panels(2)
PredictionDisplay.from_estimator(by_bmi, X[["bmi"]], y, band="quantiles", ax=left)
PredictionDisplay.from_estimator(by_all, X, y, features=["bmi", "s5"], ax=right)
plt.show()

# %%
# For a classifier, the display draws a curve of the probability of each class, or in two
# dimensions a colour for each class, blended by probability. Lines separate the regions of the
# most probable class. The wines come from three growers.

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
# In a heat map, rows are queries, columns are training rows, and the colour is the weight. Both
# are sorted: by the feature if there is only one, and by the first principal component of several
# features. ``sort_by`` names another feature to sort by. A model of the body mass index alone
# weights patients with a similar index. A model of all ten features weights few patients. Each
# patient is left out of its own prediction. The figure shows sixty patients, to be readable.

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
# The last display shows the rows behind one prediction: a bar for the weight of each, with its
# target to the right. We explain a patient with median values of all features. For classes with a
# trend, the bars are the parts of a logit. We explain a wine between two growers. The search has
# chosen the trend alone, so the parts are the intercept and the features.

between = pd.DataFrame({"alcohol": [12.8], "flavanoids": [1.5]})
left, right = panels(2)
ExplanationDisplay.from_estimator(by_all, X.median().to_frame().T, ax=left)
ExplanationDisplay.from_estimator(classifier, between, ax=right)
plt.show()

# sphinx_gallery_thumbnail_number = 4
