"""
Series: correlated noise, and only the past
===========================================

Rows that follow each other in time know too much of each other. Their noise is correlated, so that
the neighbours of a row that is left out give its noise away; and what comes later is not known when
a prediction is made. ``gap`` and ``one_sided`` are for these two.
"""

# %%
# Noise that lasts
# ----------------
# A wave with noise of which each step keeps 60 %. Left out alone, each row is best predicted by its
# two neighbours: the bandwidth that is found is less than the distance between rows, and the curve
# follows the noise. With ``gap=5`` each row is predicted without the five before and after it, and
# the rows farther away know little of its noise: 0.6\ :sup:`5` is 0.08.

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
# How long should the gap be? As long as the noise is correlated. The error of the curve, which is
# known here, falls until then; a gap that is longer costs little, but has each row predicted from
# farther away.

print("gap   bandwidth   error of the curve")
for gap in (0, 1, 2, 3, 5, 8, 12):
    model = NadarayaWatsonRegressorCV(gap=gap).fit(X, y)
    error = np.sqrt(np.mean((model.predict(X) - wave) ** 2))
    print(f"{gap:3} {model.bandwidth_[0]:11.1f} {error:20.2f}")

# %%
# Rows that belong together otherwise, like measurements of one patient, are `groups` of ``fit``.
#
# Only the past
# -------------
# A filter knows the rows up to now. With ``one_sided=0`` only rows count whose column 0, the time,
# is no larger than the query's. The mean of a window that lies wholly in the past lags behind. A
# line knows where the curve is going, and hardly lags.

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
# The search judges bandwidths by how well each row is predicted from those strictly before it, or
# with a gap from those that are some steps earlier. For the next row the last ones are the best
# guide, for their noise lasts. Farther ahead the wave has to be continued, which takes lines over
# longer windows.

print("steps ahead   degree   bandwidth   R2")
for ahead in (1, 5, 20):
    model = NadarayaWatsonRegressorCV(one_sided=0, gap=(0, ahead - 1)).fit(X, y)
    score = model.score(None, y)
    print(f"{ahead:11} {model.degree_:8} {model.bandwidth_[0]:11.1f} {score:6.2f}")
