"""
Explaining a prediction
=======================

A Nadaraya-Watson prediction explains itself: it is the mean of the targets of known rows, with
known weights. We take apart the prediction for one patient, and ask how many rows are behind it:
about a hundred for most patients, but a handful for those who differ from all others.
"""

# %%
# A model, and a patient
# ----------------------
# The diabetes data hold ten measurements of 442 patients, and the progression of their disease a
# year later. The model learns one bandwidth for each measurement from all patients except number
# 17. A measurement with a wide bandwidth hardly counts. With ``degrees=(0,)`` every prediction is
# a mean with non-negative weights; those of a local line may be negative.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV
from nwkr.displays import ExplanationDisplay

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
patient, others = X.loc[[17]], X.drop(index=17)
model = NadarayaWatsonRegressorCV(degrees=(0,)).fit(others, y[others.index])

spreads = (model.bandwidth_ / others.std()).to_frame("bandwidth / standard deviation")
print(spreads.T.round(1).to_string())
(prediction,) = model.predict(patient)
print(f"Patient 17: predicted {prediction:.0f}, measured {y[17]:.0f}.")

# %%
# The rows behind it
# ------------------
# ``explain`` lists the training rows with the largest weights, by the index of the data frame. The
# contribution of a row is its weight times its target, and the sum over all rows is the prediction.

table = model.explain(patient, top_k=8)
print(table.round(3).to_string(index=False))

everything = model.explain(patient, top_k=None)
np.testing.assert_allclose(everything["contribution"].sum(), prediction)
np.testing.assert_allclose(everything["weight"].sum(), 1)

# %%
# Are they similar?
# -----------------
# The table shows the patient, followed by the eight rows with the largest weights. Its columns are
# the measurements with the smallest bandwidths, which count most. The rows are similar, but the
# progression of the disease ranges from 129 to 311. The ten measurements leave much of it
# unexplained.

counted = others.columns[np.argsort(model.bandwidth_ / others.std())[:4]]
alike = others.loc[table["row"], counted].assign(progression=y[table["row"]])
print(patient[counted].to_string())
print(alike.to_string())

# %%
# How many rows are behind it?
# ----------------------------
# ``effective_sample_size`` returns the effective number of rows behind a prediction, and
# ``predict(..., return_std=True)`` the spread of their targets. With ``X=None`` both refer to the
# training rows, each left out of its own prediction. A few patients differ from all others, and
# their predictions depend on a handful of rows.

n_behind = model.effective_sample_size(patient).item()
_, spread = model.predict(patient, return_std=True)
print(f"Patient 17: {n_behind:.0f} effective rows, targets with a spread of {spread.item():.0f}.")

n_behind_each = model.effective_sample_size(None)
print(
    "Effective rows behind a prediction, quartiles:",
    *np.quantile(n_behind_each, [0.25, 0.5, 0.75]).round(),
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
# The numbers to the right of the bars are the progression of the disease. The prediction for
# patient 17 is a mean of about a hundred patients with small weights. Half of the weight in the
# prediction on the right belongs to three patients.
