"""
Mixed columns: bike rentals by hour, weather and kind of day
============================================================

The rows are hours of bike rentals in a city. The columns are the hour, a temperature with missing
values, the weather as text, and whether it is a working day. The data frame needs no preprocessing.
The data are simulated, so that the truth is known.
"""

# %%
# Hours are periodic, weather is a category, and some temperatures are missing. Working days have
# two rush hours; on other days people ride in the afternoon.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nwkr import NadarayaWatsonRegressorCV

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
WEATHER = {"clear": 1.0, "cloudy": 0.85, "rain": 0.4}


def truth(frame):
    hour, warm = frame["hour"], 1 + 0.03 * (frame["temperature"].fillna(15) - 15)
    rush = sum(np.exp(2 * (np.cos(2 * np.pi * (hour - peak) / 24) - 1) * 4) for peak in (8, 17.5))
    leisure = np.exp(2 * (np.cos(2 * np.pi * (hour - 15) / 24) - 1))
    by_day = np.where(frame["working"], 300 * rush, 250 * leisure)
    return (20 + by_day) * warm * frame["weather"].map(WEATHER).astype(float)


rng = np.random.default_rng(0)
n = 800
frame = pd.DataFrame(
    {
        "hour": rng.integers(0, 24, n),
        "temperature": rng.normal(15, 8, n).round(1),
        "weather": rng.choice(list(WEATHER), n, p=[0.5, 0.3, 0.2]),
        "working": rng.random(n) < 5 / 7,
    }
)
rentals = truth(frame) * rng.lognormal(sigma=0.1, size=n)
frame.loc[rng.random(n) < 0.2, "temperature"] = np.nan
frame.head()

# %%
# The search finds a bandwidth for each column. The bandwidth of temperature and weather is `inf`:
# they enter the local lines as a slope and as additive effects. The bandwidth of "working" is
# narrow, because working days and other days have different curves.

model = NadarayaWatsonRegressorCV(periodic_features={"hour": 24}).fit(frame, rentals)
print(dict(zip(frame.columns, model.bandwidth_.round(2).tolist())))
print(f"R2 of the leave-one-out predictions: {model.score(None, rentals):.3f}")

# %%
# Every curve is continuous at midnight.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
hours = np.linspace(0, 24, 193)
styles = {"clear": ("#0072B2", "-"), "cloudy": ("#D55E00", "--"), "rain": ("#009E73", "-.")}
for ax, working in zip(axes, (True, False)):
    for weather, (color, line) in styles.items():
        asked = pd.DataFrame(
            {"hour": hours, "temperature": 15.0, "weather": weather, "working": working}
        )
        ax.plot(hours, model.predict(asked), line, color=color, linewidth=2, label=weather)
        ax.plot(hours, truth(asked), color="black", linewidth=0.8)
    ax.set(
        title="working days" if working else "other days",
        xlabel="hour",
        xlim=(0, 24),
        xticks=range(0, 25, 6),
    )
axes[0].set_ylabel("rentals in an hour")
axes[1].legend(frameon=False, title="15 degrees (thin: truth)", loc="upper left")
plt.show()

# %%
# ``explain`` lists the rows behind a prediction, with their features. The query may lack a
# temperature.

asked = pd.DataFrame({"hour": [8], "temperature": [np.nan], "weather": ["rain"], "working": [True]})
model.explain(asked, top_k=5, features=list(frame.columns)).round(3)
