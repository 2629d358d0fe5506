# mypy: disable-error-code="no-untyped-def"
"""Compiled pass over the spectra of a stream: noise floor, mask, what was left out. Loaded only when it is used."""

from __future__ import annotations

import numpy as np
from numba import njit

_FAST = {"reassoc", "contract", "arcp", "nsz"}
_CLIPS, _CLIP = 2, np.float32(6.0)
_ONE, _NOTHING = np.float32(1.0), np.float32(0.0)


@njit(cache=True, fastmath=_FAST)
def _mean_below(power, comb, first, last, most):
    """Mean power of the bins outside the comb that lie below `most`, and how many they are."""
    total, count = np.float32(0.0), np.float32(0.0)
    for k in range(first, last):
        use = (_ONE - comb[k]) * (_ONE if power[k] < most else _NOTHING)
        total += use * power[k]
        count += use
    return total, count


@njit(cache=True)
def _floors(power, comb, floors, room):
    """Mean noise power of each block of bins, clipped of peaks, then the median of five blocks."""
    blocks, n = len(floors), len(power)
    for block in range(blocks):
        first, last = block * n // blocks, (block + 1) * n // blocks
        total, count = _mean_below(power, comb, first, last, np.float32(np.inf))
        for _ in range(_CLIPS):
            if count > 0:
                total, count = _mean_below(power, comb, first, last, _CLIP * total / count)
        room[block] = total / count if count >= 8 else -1.0
    near = np.empty(5)
    for block in range(blocks):
        found = 0
        for other in range(max(block - 2, 0), min(block + 3, blocks)):
            if room[other] >= 0.0:
                near[found] = room[other]
                found += 1
        reach = 3
        while found == 0 and reach < blocks:
            for other in (block - reach, block + reach):
                if 0 <= other < blocks and room[other] >= 0.0:
                    near[found] = room[other]
                    found += 1
            reach += 1
        floors[block] = np.median(near[:found]) if found else 0.0


@njit(cache=True, fastmath=_FAST)
def _powers(parts, power):
    for k in range(len(power)):
        power[k] = parts[2 * k] * parts[2 * k] + parts[2 * k + 1] * parts[2 * k + 1]


@njit(cache=True, fastmath=_FAST)
def _masked(parts, power, comb, first, last, threshold):
    """Zero what is outside the comb or below the threshold; power left out, and bins kept."""
    left, kept = np.float32(0.0), np.float32(0.0)
    for k in range(first, last):
        keep = comb[k] * (_ONE if power[k] > threshold else _NOTHING)
        parts[2 * k] *= keep
        parts[2 * k + 1] *= keep
        left += (_ONE - keep) * power[k]
        kept += keep
    return left, kept


@njit(cache=True)
def clean(spectra, comb, factor, floors, told):
    """Mask spectra [rows, 2 n] (interleaved) in place; floors [rows, blocks], told [rows, 2]: power left out, bins."""
    rows, n = len(spectra), len(comb)
    power, room = np.empty(n, np.float32), np.empty(floors.shape[1])
    for row in range(rows):
        _powers(spectra[row], power)
        _floors(power, comb, floors[row], room)
        left, kept = 0.0, 0.0
        blocks = floors.shape[1]
        for block in range(blocks):
            first, last = block * n // blocks, (block + 1) * n // blocks
            more, some = _masked(spectra[row], power, comb, first, last, np.float32(factor * floors[row, block]))
            left += more
            kept += some
        told[row, 0], told[row, 1] = left, kept
