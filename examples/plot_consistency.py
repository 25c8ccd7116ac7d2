"""
More data, smaller bandwidth: consistency
=========================================

A consistent estimator converges to the truth as the number of rows grows. A Nadaraya-Watson
regressor does, if its bandwidth shrinks at the right pace. We measure how fast its error falls in
one, two and three dimensions, and compare with theory.
"""

# %%
# Theory
# ------
# The mean squared error has two parts. The truth is curved within a bandwidth :math:`b` of the
# query, which gives a bias of about :math:`b^2`. Of :math:`n` rows in :math:`d` dimensions, about
# :math:`n b^d` lie within the bandwidth, so the variance of their mean is proportional to one over
# that number. Together, up to constants,
#
# .. math:: \text{MSE} \approx b^4 + \frac{1}{n b^d}
#
# The bandwidth :math:`b = n^{-1/(d+4)}` balances both parts, and the error falls like
# :math:`n^{-4/(d+4)}`. No estimator has a better rate for all functions with bounded second
# derivatives (`Stone, 1982 <https://doi.org/10.1214/aos/1176345969>`_). The rules ``"scott"`` and
# ``"silverman"`` shrink in this way.
#
# With a fixed bandwidth, the bias remains however many rows there are.

import matplotlib.pyplot as plt
import numpy as np

from nwkr import NadarayaWatsonRegressor

# %%
# The experiment
# --------------
# Rows are uniform on a cube, and the target is a wave with noise. Queries lie in the middle of the
# cube: near its faces all neighbours lie on one side, and the bias is larger, of the order of
# :math:`b`. One bandwidth shrinks by the formula. The other one suits 100 rows and stays fixed.


def truth(X):
    return np.sin(1.5 * X).sum(axis=1) / np.sqrt(X.shape[1])


def mean_squared_error(n_samples, n_features, bandwidth, n_repeats=60):
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(n_repeats):
        X = rng.uniform(-2, 2, (n_samples, n_features))
        y = truth(X) + rng.normal(scale=0.5, size=n_samples)
        queries = rng.uniform(-0.5, 0.5, (40, n_features))
        model = NadarayaWatsonRegressor(bandwidth=bandwidth).fit(X, y)
        errors.append(model.predict(queries) - truth(queries))
    return np.mean(np.square(errors))


sizes = 100 * 2 ** np.arange(9)
shrinking, fixed = {}, {}
for d in [1, 2, 3]:
    shrinking[d] = [mean_squared_error(n, d, n ** (-1 / (d + 4))) for n in sizes]
    fixed[d] = [mean_squared_error(n, d, 100 ** (-1 / (d + 4))) for n in sizes]

# %%
# The result
# ----------
# With the fixed bandwidth the error stops falling at the bias. With the shrinking one it falls as
# fast as in theory, and a little faster in two and three dimensions: the random positions of the
# rows within a wide bandwidth add a further error, which fades faster than the others.
#
# Convergence is slower in more dimensions: reducing the error to a tenth takes 18 times the rows
# at the rate :math:`n^{-4/5}`, and 56 times at :math:`n^{-4/7}`.

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
for ax, d in zip(axes, shrinking):
    rate = -4 / (d + 4)
    log_n, log_error = np.log(sizes[3:]), np.log(shrinking[d][3:])
    measured, _ = np.polyfit(log_n, log_error, 1)
    print(f"d = {d}: n^{measured:.2f} measured from {sizes[3]} rows on, n^{rate:.2f} in theory")

    # The line has the theoretical slope; only its height is fitted.
    line = np.exp(np.mean(log_error - rate * log_n)) * sizes**rate
    ax.loglog(sizes, line, "--", color="black", linewidth=1)
    ax.loglog(sizes, fixed[d], "s-", color="#D55E00", markersize=5, fillstyle="none")
    ax.loglog(sizes, shrinking[d], "o", color="#0072B2", markersize=6)
    ax.annotate(
        f"$n^{{-4/{d + 4}}}$",
        (sizes[5], line[5]),
        (-8, -18),
        textcoords="offset points",
        ha="right",
    )
    ax.set(title=f"d = {d}", xlabel="number of rows n")
axes[0].annotate("fixed bandwidth", (sizes[4], fixed[1][4] * 1.3), color="#D55E00")
axes[0].annotate("shrinking\nbandwidth", (sizes[6], shrinking[1][6] * 1.3), color="#0072B2")
axes[0].set_ylabel("mean squared error")
plt.show()
