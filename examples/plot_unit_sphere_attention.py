"""
Dot-product attention on the unit sphere
========================================

Transformers weight keys by a softmax of dot products. Nadaraya-Watson regression with a Gaussian
weights them by distance. For rows of length 1 the weights are equal, and the square of the
bandwidth is the temperature of the softmax. We check this on images of handwritten digits, and
look at the images with the largest weights.
"""

# %%
# Why it is the same
# ------------------
# For a query :math:`q` and a key :math:`k` of length 1,
#
# .. math:: \|q - k\|^2 = \|q\|^2 + \|k\|^2 - 2\, q \cdot k = 2 - 2\, q \cdot k
#
# so the weight of the Gaussian with bandwidth :math:`b` is
#
# .. math:: \exp\left(-\frac{\|q - k\|^2}{2 b^2}\right)
#           = \exp\left(-\frac{1}{b^2}\right) \exp\left(\frac{q \cdot k}{b^2}\right)
#
# The first factor is the same for all keys and cancels in the normalisation. The rest is a softmax
# of dot products with temperature :math:`b^2`.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize

from nwkr import NadarayaWatsonClassifier, NadarayaWatsonRegressor

X, y = load_digits(return_X_y=True)
X = normalize(X)
keys, queries, values, answers = train_test_split(X, y, test_size=200, random_state=0)

for bandwidth in [0.05, 0.1, 0.2, 0.5, 1.0]:
    temperature = bandwidth**2
    attention = softmax(queries @ keys.T / temperature, axis=1)
    model = NadarayaWatsonClassifier(bandwidth=bandwidth).fit(keys, values)
    np.testing.assert_allclose(model.attention_weights(queries), attention, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        model.predict_proba(queries), attention @ np.eye(10)[values], rtol=1e-9, atol=1e-12
    )
    print(f"bandwidth {bandwidth:.2f} and temperature {temperature:.4f} agree")

# %%
# Weight and angle
# ----------------
# On the sphere the dot product is the cosine of the angle between query and key. The left panel
# shows the weight against the angle. The right panels show 36 keys on a circle: the arrow is the
# query, and the area of a dot is the weight of the key.

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
figure, (curves, *circles) = plt.subplots(
    1, 4, figsize=(10, 2.9), width_ratios=[1.3, 1, 1, 1], layout="constrained"
)
angle = np.linspace(0, 180, 361)
around = np.radians(np.arange(5, 365, 10))
circle = np.column_stack([np.cos(around), np.sin(around)])
query = np.array([[np.cos(0.8), np.sin(0.8)]])

for temperature, style, ax in zip([0.01, 0.1, 1], ["k-", "k--", "k-."], circles):
    weight = np.exp((np.cos(np.radians(angle)) - 1) / temperature)
    curves.plot(angle, weight, style, label=f"{temperature}")

    model = NadarayaWatsonRegressor(bandwidth=np.sqrt(temperature)).fit(circle, around)
    area = 1000 * model.attention_weights(query).ravel()
    ax.plot(*circle.T, ".", color="0.75", markersize=2)
    ax.scatter(*circle.T, area, color="#0072B2", alpha=0.7, linewidth=0, zorder=2)
    ax.annotate("", query.ravel(), (0, 0), arrowprops={"arrowstyle": "->", "linewidth": 1.5})
    ax.set_title(f"temperature {temperature}", y=0.93)
    ax.set(aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.5))
    ax.axis("off")
curves.set(xlabel="angle between query and key (°)", xticks=range(0, 181, 45))
curves.set_ylabel("weight")
curves.legend(title="temperature", frameon=False, loc="upper right", reverse=True)
plt.show()

# %%
# Which temperature?
# ------------------
# We predict each image from all others. At a low temperature only the nearest key counts: the
# label is mostly right, but the probabilities are overconfident. At a high temperature all keys
# have nearly the same weight. The probabilities are best at about 0.01.

temperatures = np.geomspace(0.001, 1, 13)
losses, accuracies = [], []
for temperature in temperatures:
    model = NadarayaWatsonClassifier(bandwidth=np.sqrt(temperature)).fit(X, y)
    probability = model.predict_proba(None)
    losses.append(log_loss(y, probability))
    accuracies.append(np.mean(model.classes_[probability.argmax(axis=1)] == y))
best = temperatures[np.argmin(losses)]
print(f"Lowest log-loss at temperature {best:.3f}, bandwidth {np.sqrt(best):.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), sharex=True, layout="constrained")
left.loglog(temperatures, losses, "o-", color="#0072B2", markersize=5)
left.set(xlabel="temperature", ylabel="log-loss, leave-one-out", ylim=(0.02, 4))
left.annotate("best", (best, min(losses)), (0, -15), textcoords="offset points", ha="center")
right.plot(temperatures, accuracies, "s-", color="#D55E00", markersize=5)
right.set(xlabel="temperature", ylabel="accuracy, leave-one-out", ylim=(0.8, 1))
plt.show()

# %%
# The keys behind a prediction
# ----------------------------
# At this temperature few keys have large weights. The figure shows the three least certain
# predictions among 200 held-out images. Beside each query are the eight keys with the largest
# weights: their class, and their weight.

model = NadarayaWatsonClassifier(bandwidth=np.sqrt(best)).fit(keys, values)
unsure = np.argsort(model.predict_proba(queries).max(axis=1))[:3]
attention = model.attention_weights(queries[unsure])

figure, axes = plt.subplots(3, 9, figsize=(9, 4), layout="constrained")
for row, query, weights in zip(axes, unsure, attention):
    top = np.argsort(-weights)[:8]
    images = [queries[query], *keys[top]]
    labels = [f"query: {answers[query]}", *(f"{values[key]}: {weights[key]:.0%}" for key in top)]
    for ax, image, label in zip(row, images, labels):
        ax.imshow(image.reshape(8, 8), cmap="gray_r")
        ax.set_title(label, fontsize=10)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    row[0].spines[:].set(visible=True, color="#0072B2", linewidth=2)
plt.show()
