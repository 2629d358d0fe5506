# mypy: disable-error-code="untyped-decorator, no-any-return"
"""The stroke that mends most, for many rows, biases and signs at once, compiled; and what a stroke told.

As the agent `adaptive_writing` finds them, one row after the other. Importing this loads Numba. Lengths in pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ALONG = 0.5
"""A stroke goes on as long as a place is worth this share of its best one."""
_FEW = 8


@njit(cache=True, error_model="numpy")
def best_strokes(
    image: Floats, target: Floats, tried: Floats, reach: Floats, biases: Floats, patience: float, dots: bool,
    strokes: Floats, worth: Floats,
) -> None:  # fmt: skip
    """Ends (x0, y0, x1, y1) of the best strokes [B, biases, 2, 4], up and down, and their worth [B, biases, 2].

    image, target and tried [B, side, side]; a stroke writes what lies within reach [B] times its bias. The worth counts
    pixels mended less those spoiled, by the class they belong to; a place counts `patience` for each time it was tried
    in vain. Where `dots`, strokes are single places.
    """
    side = image.shape[1]
    each, gain = np.empty((side, side)), np.empty((side, side))
    for b in range(len(image)):
        up = 0
        for y in range(side):
            for x in range(side):
                up += target[b, y, x] > 0.0
        share = max(up / side**2, 1e-6)
        for sense in range(2):
            sign = 1.0 if sense == 0 else -1.0
            _worths(image[b], target[b], tried[b], sign, share, patience, each)
            for k in range(len(biases)):
                _spread(each, reach[b] * biases[k], gain)
                worth[b, k, sense] = _stroke(gain, max(2.0 * reach[b] * biases[k], 1.0), dots, strokes[b, k, sense])


@njit(cache=True, error_model="numpy")
def told(
    before: Floats, after: Floats, ends: Floats, bias: Floats, reach: Floats, seen: Floats, tried: Floats
) -> None:  # fmt: skip
    """How far strokes reached, seen [B] in pixels per bias (NaN: nothing to be said), and tried [B, side, side].

    before and after [B, side, side], ends [B, 4], bias [B] with its sign; `reach` [B] is what was believed.
    """
    side = before.shape[1]
    away = np.empty(side * side)
    for b in range(len(before)):
        seen[b] = np.nan
        size, sign = abs(bias[b]), 1.0 if bias[b] > 0.0 else -1.0
        if size == 0.0:
            continue
        count, turned = 0, 0
        for y in range(side):
            for x in range(side):
                far = _away(float(x), float(y), ends[b])
                if far <= reach[b] * size and np.sign(after[b, y, x]) != sign:
                    tried[b, y, x] += 1.0
                if far > 3.0 * reach[b] or np.sign(before[b, y, x]) == sign:
                    continue
                away[count] = far
                count += 1
                turned += np.sign(after[b, y, x]) == sign
        if count > _FEW:
            reached = np.sort(away[:count])[min(turned, count - 1)] if turned else 0.5
            seen[b] = max(reached, 0.5) / size


@njit(cache=True, forceinline=True)
def _worths(
    image: Floats, target: Floats, tried: Floats, sign: float, share: float, patience: float, each: Floats
) -> None:
    """What turning each pixel to a sign is worth."""
    for y in range(len(each)):
        for x in range(len(each)):
            each[y, x] = 0.0
            if np.sign(image[y, x]) != sign:
                weight = 0.5 / share if target[y, x] > 0.0 else 0.5 / max(1.0 - share, 1e-6)
                each[y, x] = weight * patience ** tried[y, x] if target[y, x] == sign else -weight


@njit(cache=True, forceinline=True)
def _spread(each: Floats, radius: float, gain: Floats) -> None:
    """The sum over a disc around each pixel, its rim soft by one pixel."""
    side, half = len(each), math.ceil(radius + 0.5)
    gain[:] = 0.0
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            part = min(max(radius + 0.5 - math.hypot(dx, dy), 0.0), 1.0)
            if part == 0.0:
                continue
            for y in range(max(0, -dy), min(side, side - dy)):
                for x in range(max(0, -dx), min(side, side - dx)):
                    gain[y, x] += part * each[y + dy, x + dx]


@njit(cache=True, forceinline=True)
def _stroke(gain: Floats, width: float, dots: bool, ends: Floats) -> float:
    """The best stroke's ends, and its worth."""
    side, best = len(gain), np.argmax(gain)
    y, x = best // side, best % side
    most, worth = gain[y, x], -np.inf
    ends[:] = np.array([x, y, x, y])
    if dots:
        return most
    for way in range(4):
        wx, wy = (1, 0, 1, 1)[way], (0, 1, 1, -1)[way]
        ahead, first = _along(gain, x, y, wx, wy)
        behind, second = _along(gain, x, y, -wx, -wy)
        along = (most + first + second) / width
        if along > worth:
            worth = along
            ends[:] = np.array([x - behind * wx, y - behind * wy, x + ahead * wx, y + ahead * wy])
    return max(most, worth)


@njit(cache=True, forceinline=True)
def _along(gain: Floats, x: int, y: int, wx: int, wy: int) -> Any:
    """How many pixels further a stroke goes, and what they are worth."""
    side, enough = len(gain), max(_ALONG * gain[y, x], 1e-9)
    count, total = 0, 0.0
    while True:
        x, y = x + wx, y + wy
        if not (0 <= x < side and 0 <= y < side) or gain[y, x] < enough:
            return count, total
        count, total = count + 1, total + gain[y, x]


@njit(cache=True, forceinline=True)
def _away(x: float, y: float, ends: Floats) -> float:
    """Distance of a place from a stroke."""
    wx, wy = ends[2] - ends[0], ends[3] - ends[1]
    along = ((x - ends[0]) * wx + (y - ends[1]) * wy) / max(wx * wx + wy * wy, 1e-12)
    t = min(max(along, 0.0), 1.0)
    return math.hypot(x - ends[0] - t * wx, y - ends[1] - t * wy)
