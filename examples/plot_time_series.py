"""
Time series: correlated noise, and past rows only
=================================================

Time series raise two problems. First, their noise is correlated: the neighbours of a left-out row
contain some of its noise, so leave-one-out chooses too narrow a bandwidth. ``gap`` leaves the
neighbours out too. Second, future rows are not known when a prediction is made. With ``one_sided``,
a prediction uses past rows only.
"""

# %%
# Correlated noise
# ----------------
# The data are a wave with autoregressive noise: each step keeps 60 % of the noise. If only the row
# itself is left out, its two neighbours predict it best. The chosen bandwidth is smaller than the
# distance between rows, and the curve follows the noise. With ``gap=5``, each row is predicted
# without the five rows before and after it. The noise of other rows is nearly uncorrelated with
# its own, because 0.6\ :sup:`5` is 0.08.

import matplotlib.pyplot as plt
import numpy as np

from nwkr import NadarayaWatsonRegressor, NadarayaWatsonRegressorCV

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

rng = np.random.default_rng(1)
time = np.arange(400.0)
wave = 3 * np.sin(2 * np.pi * time / 200)
noise = np.zeros(400)
for step in range(1, 400):
    noise[step] = 0.6 * noise[step - 1] + 0.8 * rng.normal()
X, y = time[:, None], wave + noise

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
for ax, gap in zip(axes, (None, 5)):
    model = NadarayaWatsonRegressorCV(gap=gap).fit(X, y)
    ax.scatter(time, y, s=5, color="0.7", label="rows")
    ax.plot(time, wave, ":", color="black", linewidth=1.3, label="truth")
    ax.plot(time, model.predict(X), color="#0072B2", linewidth=1.6, label="fit")
    ax.set(title=f"gap={gap}: bandwidth {model.bandwidth_[0]:.1f}", xlabel="time")
axes[0].set_ylabel("y")
axes[0].legend(loc="upper right")
plt.show()

# %%
# How long should the gap be? As long as the noise is correlated. Up to that length the error of
# the curve, which is known here, decreases. A longer gap costs little, although each row is then
# predicted from rows farther away.

print("gap   bandwidth   error of the curve")
for gap in (0, 1, 2, 3, 5, 8, 12):
    model = NadarayaWatsonRegressorCV(gap=gap).fit(X, y)
    error = np.sqrt(np.mean((model.predict(X) - wave) ** 2))
    print(f"{gap:3} {model.bandwidth_[0]:11.1f} {error:20.2f}")

# %%
# For other related rows, such as measurements of one patient, pass `groups` to ``fit``.
#
# Past rows only
# --------------
# A filter uses rows up to the present. With ``one_sided=0``, a query uses only rows whose column
# 0, the time, is not later than its own. The mean of such a window lags behind the curve. A line
# follows the slope of the curve, and hardly lags.

figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
ax.scatter(time, y, s=5, color="0.7")
ax.plot(time, wave, ":", color="black", linewidth=1.3, label="truth")
for degree, color, name in [(0, "#D55E00", "means"), (1, "#0072B2", "lines")]:
    model = NadarayaWatsonRegressor("epanechnikov", 40.0, degree=degree, one_sided=0)
    ax.plot(time, model.fit(X, y).predict(X), color=color, linewidth=1.6, label=f"past {name}")
ax.set(xlabel="time", ylabel="y")
ax.legend(loc="upper right")
plt.show()

# %%
# The search scores each bandwidth by predicting each row from strictly earlier rows, or with a
# gap, from rows that are some steps earlier. One step ahead, the latest rows predict best, because
# the noise is correlated. Further ahead the wave must be extrapolated, for which lines over longer
# windows are best.

print("steps ahead   degree   bandwidth   R2")
for ahead in (1, 5, 20):
    model = NadarayaWatsonRegressorCV(one_sided=0, gap=(0, ahead - 1)).fit(X, y)
    score = model.score(None, y)
    print(f"{ahead:11} {model.degree_:8} {model.bandwidth_[0]:11.1f} {score:6.2f}")
