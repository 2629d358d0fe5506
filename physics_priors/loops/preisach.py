"""First-order reversal curves (FORC) and the Preisach density of switching units behind them.

A unit switches up at H_u + H_c and down at H_u - H_c. Curves that start from saturation up turn at H_r and rise again:
M(H_r, H) for H >= H_r, and the density is rho = -1/2 d2M / dH_r dH at H_r = H_u - H_c, H = H_u + H_c, with area element
dH_r dH, so that it integrates to 1 where M runs from -1 to 1. Curves from saturation down are the mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Start = Literal["up", "down"]


@dataclass(frozen=True)
class Density:
    """rho [r, h] at the reversal fields [r] and fields [h] of cell centres."""

    reversal: Floats
    field: Floats
    rho: Floats

    @property
    def coercive(self) -> Floats:
        """H_c [r, h] of every cell."""
        return np.asarray(np.abs(self.field[None, :] - self.reversal[:, None]) / 2)

    @property
    def bias(self) -> Floats:
        """H_u [r, h] of every cell."""
        return np.asarray((self.field[None, :] + self.reversal[:, None]) / 2)

    def moments(self) -> tuple[float, float, float]:
        """Integral, mean H_c, mean H_u."""
        area = _steps(self.reversal)[:, None] * _steps(self.field)[None, :]
        mass = self.rho * area
        total = float(mass.sum())
        return total, float((mass * self.coercive).sum() / total), float((mass * self.bias).sum() / total)


def curves(coercive: Floats, bias: Floats, reversal: Floats, field: Floats, start: Start = "up") -> Floats:
    """M [r, h] of units (H_c, H_u) [n] on rising grids; before the reversal it is held at what it is there."""
    if start == "down":
        return -curves(coercive, -bias, -reversal[::-1], -field[::-1])[::-1, ::-1]
    up_at, down_at = bias + coercive, bias - coercive
    counts = np.zeros((len(reversal) + 1, len(field) + 1))
    np.add.at(counts, (np.searchsorted(reversal, down_at), np.searchsorted(field, up_at)), 1.0)
    still_down = counts[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1]
    return np.asarray(1.0 - 2.0 * still_down[1:, 1:] / len(coercive))


def density(
    reversal: NDArray[Any], field: NDArray[Any], moment: NDArray[Any], start: Start = "up", smooth: int = 0
) -> Density:
    """Density from curves [r, h] on rising grids; `smooth` > 0 fits quadratics to (2 smooth + 1)^2 points (Pike 1999).

    Before the reversal a curve must hold its first value (`extended` sees to it): then there is no density. Without
    smoothing every cell is the mixed difference of its corners, which adds up exactly. Raises ValueError where shapes
    do not match, or where smoothing is asked of an uneven grid.
    """
    r, h, m = (np.asarray(v, dtype=np.float64) for v in (reversal, field, moment))
    if m.shape != (len(r), len(h)) or (np.diff(r) <= 0).any() or (np.diff(h) <= 0).any():
        raise ValueError(f"curves {m.shape} need rising reversal fields and fields, got {r.shape} and {h.shape}")
    sign = -0.5 if start == "up" else 0.5
    if smooth == 0:
        mixed = np.diff(np.diff(m, axis=0), axis=1) / np.diff(r)[:, None] / np.diff(h)[None, :]
        return Density((r[1:] + r[:-1]) / 2, (h[1:] + h[:-1]) / 2, sign * mixed)
    return Density(r, h, sign * _mixed(r, h, m, smooth))


def extended(reversal: Floats, field: Floats, moment: Floats, start: Start = "up") -> Floats:
    """Curves [r, h] with the half before the reversal held at the value that each has where it turns."""
    before = field[None, :] < reversal[:, None] if start == "up" else field[None, :] > reversal[:, None]
    turning = [np.interp(turn, field[~off], row[~off]) for turn, row, off in zip(reversal, moment, before, strict=True)]
    return np.where(before, np.array(turning)[:, None], moment)


def from_waveform(bias_V: Floats, response: Floats, points: int = 41) -> tuple[Floats, Floats, Floats]:
    """Reversal fields [r], fields [points] and curves [r, points] of a waveform of reversals from saturation down.

    bias [n] rises from its lowest value to a reversal and falls back, again and again, each time higher; `response` is
    what was read at each step, scaled here so that the outermost states are -1 and 1.
    """
    lowest = bias_V.min()
    turns = [i for i in range(1, len(bias_V) - 1) if bias_V[i] > bias_V[i - 1] and bias_V[i] >= bias_V[i + 1]]
    field = np.linspace(lowest, bias_V.max(), points)
    low, high = np.min(response), np.max(response)
    scaled = 2.0 * (response - low) / (high - low) - 1.0
    rows = []
    for turn in turns:
        end = turn + 1
        while end < len(bias_V) and bias_V[end] <= bias_V[end - 1]:
            end += 1
        rows.append(np.interp(field, bias_V[turn:end][::-1], scaled[turn:end][::-1]))
    reversal = bias_V[turns]
    order = np.argsort(reversal, kind="stable")
    kept = order[np.concatenate([[True], np.diff(reversal[order]) > 0])]
    return reversal[kept], field, extended(reversal[kept], field, np.array(rows)[kept], "down")


def _mixed(r: Floats, h: Floats, m: Floats, smooth: int) -> Floats:
    """Mixed derivative as the x y coefficient of a local quadratic; windows at the rim reach over mirrored data."""
    from scipy.ndimage import correlate

    steps_r, steps_h = np.diff(r), np.diff(h)
    if np.ptp(steps_r) > 1e-6 * steps_r[0] or np.ptp(steps_h) > 1e-6 * steps_h[0]:
        raise ValueError("smoothing needs even steps of the reversal field and of the field")
    x = np.arange(-smooth, smooth + 1.0)
    weights = np.outer(x, x) / np.square(np.outer(x, x)).sum() / (steps_r[0] * steps_h[0])
    return np.asarray(correlate(m, weights, mode="nearest"))


def _steps(values: Floats) -> Floats:
    """Width of the cell around each centre of an even grid."""
    return np.gradient(values) if len(values) > 1 else np.ones(1)
