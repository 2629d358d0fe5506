"""Loops whose fit failed: what a harmonic-oscillator fit writes when it did not converge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys

Floats = NDArray[np.float64]


def fail(loops: Floats, scale: Floats, rate: float, keys: Keys) -> Floats:
    """The loops [B, n], a share `rate` of them spoilt: half with one to three spikes, half garbage from end to end.

    What is wrong is 10 to 500 times `scale` [B] large, log-uniform, of either sign.
    """
    steps = loops.shape[1]
    chance = random.uniform(keys, 4 + steps)
    failed, spiky = chance[:, 0] < rate, chance[:, 1] < 0.5
    size = (scale * 10.0 * 50.0 ** chance[:, 2])[:, None] * (2.0 * chance[:, 4:] - 1.0)
    spikes = _first_places(chance[:, 4:], 1 + (3 * chance[:, 3]).astype(np.int64))
    wrong = failed[:, None] & (spikes | ~spiky[:, None])
    return np.where(wrong, loops + size, loops)


def _first_places(chance: Floats, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True at the `counts` [B] places of each row [B, n] where chance is farthest from a half: the tallest spikes."""
    order = np.argsort(-np.abs(chance - 0.5), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return np.asarray(rank < counts[:, None])
