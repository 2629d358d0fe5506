"""The expected maximum of lines in a normal variable, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def rises(levels: Floats, slopes: Floats, own_level: Floats, own_slope: Floats) -> Floats:
    """E max_i (a_i + b_i Z) - max_i a_i [N], over the lines (levels [t], slopes [N, t]) and an own one for each."""
    found = np.empty(len(slopes))
    a, b = np.empty(len(levels) + 1), np.empty(len(levels) + 1)
    for row in range(len(slopes)):
        a[:-1], b[:-1] = levels, slopes[row]
        a[-1], b[-1] = own_level[row], own_slope[row]
        found[row] = _rise(a, b)
    return found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no types
def _rise(a: Floats, b: Floats) -> float:
    """By the corners of the upper envelope: sum of (b' - b) f(-|c|), f(z) = phi(z) + z Phi(z)."""
    order = np.argsort(b)
    kept, corner = np.empty(len(a), np.int64), np.empty(len(a))
    count = 0
    for new in order:
        if count and b[new] == b[kept[count - 1]]:
            if a[new] <= a[kept[count - 1]]:
                continue
            count -= 1
        while count:
            last = kept[count - 1]
            at = (a[last] - a[new]) / (b[new] - b[last])
            if count > 1 and at <= corner[count - 1]:
                count -= 1
                continue
            corner[count] = at
            break
        kept[count] = new
        count += 1
    total = 0.0
    for i in range(1, count):
        z = -abs(corner[i])
        density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        total += (b[kept[i]] - b[kept[i - 1]]) * (density + z * 0.5 * math.erfc(-z / math.sqrt(2.0)))
    return max(total, 0.0)
