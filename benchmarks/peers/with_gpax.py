"""GPax's deep kernel (image patch to value) as a policy: `python with_gpax.py`.

Its default network and kernel, trained from scratch at each step as its examples do; upper confidence bound.
"""

from __future__ import annotations

import gpax
import jax
import numpy as np
from conversation import Known, converse

START = 5
"""Random points before a model."""
HALF = 4
"""Pixels of a patch on either side of its centre."""
TRAINING_STEPS = 200
BEYOND = 2.0
"""Standard deviations above the mean that the bound lies."""


def patches(known: Known) -> np.ndarray:
    """What the first image shows around each candidate, [n, pixels], standardised."""
    images = known.problem["images"]
    if not images or known.problem["pixels"] is None:
        raise SystemExit("a deep kernel needs an image: this task has none")
    image = np.array(next(iter(images.values())), dtype=float)
    image = (image - image.mean()) / (image.std() or 1.0)
    around = np.pad(image, HALF, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(around, (2 * HALF + 1, 2 * HALF + 1))
    row, column = np.array(known.problem["pixels"]).T
    return windows[row, column].reshape(len(row), -1)


def choose(known: Known) -> int:
    """The highest upper confidence bound among free candidates; at random until a model can be made."""
    if len(known.measured) < START:
        return known.at_random()
    shown, free = patches(known), known.free
    values = np.array([value for _, value in known.measured])
    values = (values - values.mean()) / (values.std() or 1.0)
    at = shown[[place for place, _ in known.measured]]
    learn, say = jax.random.split(jax.random.PRNGKey(known.step_seed))
    model = gpax.viDKL(at.shape[1], 2)
    model.fit(learn, at, values, num_steps=TRAINING_STEPS, print_summary=False, progress_bar=False)
    mean, variance = model.predict(say, shown[free])
    return free[int(np.argmax(np.asarray(mean) + BEYOND * np.sqrt(np.asarray(variance))))]


if __name__ == "__main__":
    converse(choose)
