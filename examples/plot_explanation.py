"""
Explaining a prediction
=======================

Why 187? A Nadaraya-Watson prediction has a plain answer: it is the mean of what these rows
measured, with these weights. We take one prediction for a patient apart, down to the last part, and
ask how much there is behind it.
"""

# %%
# A model, and a patient
# ----------------------
# The diabetes data hold ten measurements of each of 442 patients, and how far their disease had
# progressed a year later. The model learns one bandwidth for each measurement from all patients but
# number 17. A wide bandwidth means that a measurement hardly counts. With ``degrees=(0,)`` every
# prediction is a mean, so that the weights are shares; those of a local line may be negative.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.displays import ExplanationDisplay

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
patient, others = X.loc[[17]], X.drop(index=17)
model = NadarayaWatsonRegressorCV(degrees=(0,)).fit(others, y[others.index])

spreads = dict(zip(X, (model.bandwidth_ / others.std()).round(1)))
print("Bandwidths, in standard deviations:", spreads)
(prediction,) = model.predict(patient)
print(f"Patient 17: predicted {prediction:.0f}, measured {y[17]:.0f}.")

# %%
# The rows behind it
# ------------------
# ``explain`` lists the training rows with the largest weights, by the index of the data frame. What
# a row contributes is its weight times its target, and the sum over all rows is the prediction.

table = model.explain(patient, top_k=8)
print(table.round(3).to_string(index=False))

everything = model.explain(patient, top_k=None)
np.testing.assert_allclose(everything["contribution"].sum(), prediction)
np.testing.assert_allclose(everything["weight"].sum(), 1)

# %%
# Are they alike?
# ---------------
# The rows can be looked up. Here are those eight below the patient, in the measurements with the
# smallest bandwidths, which count most. They do look alike; and yet their disease progressed by
# anything from 67 to 311. What the ten measurements leave open is a lot.

counted = others.columns[np.argsort(model.bandwidth_ / others.std())[:4]]
alike = others.loc[table["row"], counted].assign(progression=y[table["row"]])
print(patient[counted].to_string())
print(alike.to_string())

# %%
# How much is behind it?
# ----------------------
# ``effective_sample_size`` says of how many rows a prediction is effectively the mean, and
# ``predict(..., return_std=True)`` how far their targets spread. With None for the rows, each of
# the training rows is asked about, and left out. A few patients are unlike all others, and a
# handful of rows decide about them.

n_behind = model.effective_sample_size(patient).item()
_, spread = model.predict(patient, return_std=True)
print(f"Patient 17: as of {n_behind:.0f} rows, which spread by {spread.item():.0f}.")

n_behind_each = model.effective_sample_size(None)
print(
    "Rows behind a prediction, quartiles:", *np.quantile(n_behind_each, [0.25, 0.5, 0.75]).round()
)
lonely = others.index[[n_behind_each.argmin()]]
rest = X.drop(index=lonely)
without = NadarayaWatsonRegressor(bandwidth=model.bandwidth_).fit(rest, y[rest.index])

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True, layout="constrained")
for ax, fitted, who in [(axes[0], model, patient.index), (axes[1], without, lonely)]:
    ExplanationDisplay.from_estimator(fitted, X.loc[who], top_k=12, ax=ax)
    ax.set_ylabel(f"rows behind patient {who.item()}")
plt.show()

# %%
# The numbers to the right of the bars are how far the disease of each had progressed. Behind
# patient 17 stand dozens, none of whom matters much. On the right, the prediction is a matter of
# one or two.
