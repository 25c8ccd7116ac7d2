"""
The attention chapter in PyTorch
================================

This example repeats the chapter on attention pooling in *Dive into Deep Learning* with PyTorch
tensors: its data, kernels and four fits. The inputs and the results are tensors.
"""

# %%
# Switch on scikit-learn's array API dispatch. It needs the environment variable
# ``SCIPY_ARRAY_API=1``, set before SciPy is imported.

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")

import matplotlib.pyplot as plt
import torch
from sklearn import config_context

from nwkr import NadarayaWatsonRegressor


def gaussian(x):
    return torch.exp(-(x**2) / 2)


def boxcar(x):
    return torch.abs(x) < 1.0


def constant(x):
    return 1.0 + 0 * x


def epanechikov(x):
    return torch.max(1 - torch.abs(x), torch.zeros_like(x))


def f(x):
    return 2 * torch.sin(x) + x


torch.manual_seed(0)
x_train = torch.sort(torch.rand(40) * 5).values
y_train = f(x_train) + torch.randn(40)
x_val = torch.arange(0, 5, 0.1)

# %%
# Any of these functions may be the kernel. Predictions and weights are tensors on the device of
# the training rows, such as a GPU.

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(2, 4, figsize=(11, 5), sharex="row", sharey="row", layout="constrained")
for (curve, image), kernel in zip(axes.T, (gaussian, boxcar, constant, epanechikov)):
    with config_context(array_api_dispatch=True):
        model = NadarayaWatsonRegressor(kernel, bandwidth=1.0).fit(x_train[:, None], y_train)
        y_hat = model.predict(x_val[:, None])
        attention = model.attention_weights(x_val[:, None])
    curve.plot(x_train, y_train, "o", color="0.75", markersize=4)
    curve.plot(x_val, f(x_val), "--", color="black", linewidth=1)
    curve.plot(x_val, y_hat, color="#D55E00", linewidth=2)
    curve.set(title=kernel.__name__, xlabel="x")
    image.imshow(attention, aspect="auto", origin="lower", cmap="viridis", vmin=0, vmax=0.2)
    image.set(xlabel="training row")
axes[0, 0].set_ylabel("y")
axes[1, 0].set_ylabel("query")
plt.show()

# %%
# The book's formula gives the same numbers.

k = gaussian(x_val[:, None] - x_train[None, :])
with config_context(array_api_dispatch=True):
    model = NadarayaWatsonRegressor(gaussian, bandwidth=1.0).fit(x_train[:, None], y_train)
    print(torch.allclose(model.predict(x_val[:, None]), k @ y_train / k.sum(1), atol=1e-5))
