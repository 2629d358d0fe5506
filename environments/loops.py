"""Curves measured on a closed sweep: folding its cycles, and its rising and falling branch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid

Curves = NDArray[np.float64]


@dataclass(frozen=True)
class Branches:
    """One cycle as two branches from the sweep's ends: axes [m] in measuring order, values [B, m]."""

    rising_axis: NDArray[np.float64]
    rising: NDArray[np.float64]
    falling_axis: NDArray[np.float64]
    falling: NDArray[np.float64]


def cycles(axis: NDArray[np.float64]) -> int:
    """How many cycles a sweep has: its turning points from up to down; DataInvalid where it never turns."""
    steps = np.diff(np.append(axis, axis[0]))
    moving = np.sign(steps[steps != 0])
    turns = int(np.sum((moving > 0) & (np.roll(moving, -1) < 0)))
    if turns == 0 or np.all(np.sign(np.diff(axis)) >= 0) or np.all(np.sign(np.diff(axis)) <= 0):
        raise DataInvalid("a loop needs a sweep that goes up and comes down; this one only goes one way")
    return turns


def one_cycle(
    values: NDArray[np.float64], axis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values [B, n] and axis [n] of the mean cycle; DataInvalid where the cycles are not alike."""
    count = cycles(axis)
    if count == 1:
        return values, axis
    if len(axis) % count or not np.allclose(axis.reshape(count, -1), axis[: len(axis) // count]):
        raise DataInvalid(f"the {count} cycles of the sweep are not alike, so that they cannot be averaged")
    folded = values.reshape(len(values), count, -1)
    return np.ascontiguousarray(folded.mean(1)), axis[: len(axis) // count]


def branches(values: NDArray[np.float64], axis: NDArray[np.float64]) -> Branches:
    """The two branches of the mean cycle, the turning points belonging to both."""
    values, axis = one_cycle(values, axis)
    start = int(np.argmin(axis))
    order = (np.arange(len(axis) + 1) + start) % len(axis)
    top = int(np.argmax(axis[order]))
    up, down = order[: top + 1], order[top:]
    return Branches(axis[up], values[:, up], axis[down], values[:, down])


def at(values: NDArray[np.float64], axis: NDArray[np.float64], place: float) -> NDArray[np.float64]:
    """Values [B] at `place` on a monotone branch, linearly interpolated; NaN outside."""
    if axis[0] > axis[-1]:
        values, axis = values[:, ::-1], axis[::-1]
    if not axis[0] <= place <= axis[-1]:
        return np.full(len(values), np.nan)
    i = int(np.clip(np.searchsorted(axis, place, side="right") - 1, 0, len(axis) - 2))
    span = axis[i + 1] - axis[i]
    t = (place - axis[i]) / span if span > 0 else 0.0
    if t == 0.0:
        return np.array(values[:, i])
    if t == 1.0:
        return np.array(values[:, i + 1])
    return np.asarray((1.0 - t) * values[:, i] + t * values[:, i + 1])


def crossing(values: NDArray[np.float64], axis: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each of values [B, m] on a branch first crosses `level` [B] and stays there for two samples, [B].

    NaN where it does not.
    """
    above = values > level[:, None]
    change = above[:, 1:] != above[:, :-1]
    settled = np.ones_like(change)
    settled[:, :-1] = above[:, 2:] == above[:, 1:-1]
    found = change & settled
    i = np.argmax(found, axis=1)
    rows = np.arange(len(values))
    y0, y1 = values[rows, i], values[rows, i + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (level - y0) / (y1 - y0)
    return np.where(found.any(1), axis[i] + t * (axis[i + 1] - axis[i]), np.nan)
