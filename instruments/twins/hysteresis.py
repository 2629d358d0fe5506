"""Ferroelectric hysteresis under a bias staircase, for many places at once.

The fraction of material that points up, u, switches by nucleation with hazards that rise like a softplus of the bias:
up beyond `rise_V`, down beyond `fall_V`, over a width. A full loop is then that of physics.md section 6 with tanh
branches, and a sweep that is too small switches only a part. Bias is the tip's; u = 1 gives a positive response.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LoopParameters:
    """What a place's loop is made of, [B] each."""

    up: Floats
    """Fraction up before the sweep."""
    rise_V: Floats
    fall_V: Floats
    width_V: Floats
    amplitude_pm: Floats
    """Half of the step between fully down and fully up."""
    offset_pm: Floats
    charge_pm: Floats
    """Half height of the lens-shaped loop that injected charge draws: not ferroelectric, scales with the sweep."""
    slope_pm_V: Floats
    """Electrostatic response to the bias."""


@lru_cache(maxsize=64)
def staircase(low_V: float, high_V: float, points: int, cycles: int = 1) -> Floats:
    """Bias [points * cycles] of triangular sweeps 0, high, low, 0 in equal steps; step 0 is at 0 V. Not writable."""
    corners = np.array([0.0, high_V, low_V, 0.0])
    path = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(corners)))])
    bias_V = np.tile(np.interp(np.arange(points) * path[-1] / points, path, corners), cycles)
    bias_V.flags.writeable = False
    return bias_V


def switching(loop: LoopParameters, bias_V: Floats) -> Floats:
    """Fraction up [B, n] along bias [n], which starts from the as-grown fraction."""
    bound = 2.0 / loop.width_V[:, None]
    to_up = np.logaddexp(0.0, (bias_V - loop.rise_V[:, None]) * bound)
    to_down = np.logaddexp(0.0, (loop.fall_V[:, None] - bias_V) * bound)
    up = np.empty((len(loop.up), len(bias_V)))
    up[:, 0] = loop.up
    for first, last in _legs(bias_V):
        start, leg = up[:, first, None], slice(first + 1, last + 1)
        if bias_V[last] > bias_V[first]:
            up[:, leg] = 1.0 - (1.0 - start) * np.exp(to_up[:, first, None] - to_up[:, leg])
        else:
            up[:, leg] = start * np.exp(to_down[:, first, None] - to_down[:, leg])
    return up


def response(loop: LoopParameters, bias_V: Floats) -> Floats:
    """Piezoresponse [B, n] in pm along bias [n]."""
    ferroelectric = loop.amplitude_pm[:, None] * (2.0 * switching(loop, bias_V) - 1.0)
    electrostatic = loop.offset_pm[:, None] + loop.slope_pm_V[:, None] * bias_V
    return np.asarray(ferroelectric + electrostatic + loop.charge_pm[:, None] * _lens(bias_V))


def area(bias_V: Floats, response_pm: Floats) -> Floats:
    """Signed area [...] in pm V of one cycle [..., n]; positive where the falling branch lies above."""
    next_V, next_pm = np.roll(bias_V, -1), np.roll(response_pm, -1, axis=-1)
    return np.asarray(0.5 * np.sum(bias_V * next_pm - next_V * response_pm, axis=-1))


def remanence(loop: LoopParameters) -> Floats:
    """Half of the opening [B] of the full ferroelectric loop at 0 V, in pm."""
    falling = np.tanh(-loop.fall_V / loop.width_V)
    rising = np.tanh(-loop.rise_V / loop.width_V)
    return np.asarray(loop.amplitude_pm * (falling - rising) / 2)


def _legs(bias_V: Floats) -> Iterator[tuple[int, int]]:
    """First and last index of every monotonic stretch."""
    rising = np.diff(bias_V) > 0
    turns = [0, *(np.flatnonzero(rising[1:] != rising[:-1]) + 1).tolist(), len(bias_V) - 1]
    return pairwise(turns)


def _lens(bias_V: Floats) -> Floats:
    """-1 .. 1: half an ellipse below while the bias rises and above while it falls."""
    middle, half = (bias_V.max() + bias_V.min()) / 2, (bias_V.max() - bias_V.min()) / 2
    height = np.sqrt(np.clip(1.0 - ((bias_V - middle) / half) ** 2, 0.0, None))
    return np.asarray(np.where(np.roll(bias_V, -1) > bias_V, -height, height))
