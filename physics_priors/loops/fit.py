"""Least-squares fits of hysteresis loops, thousands at a time, with honest standard deviations.

The centres and the four widths of the full loop function are strongly correlated: at 5 % noise a free fit knows the
centres ten times worse than one with a common width. `form` says what is believed: "shared" (a0 to a3 and one width),
"sloped" (and the electrostatic slope a4), "free" (all nine).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from physics_priors.loops.shape import PARAMETERS, Loop, loop, read, rising

Floats = NDArray[np.float64]
Form = Literal["shared", "sloped", "free"]
_WIDTHS: Final = (0.03, 0.12, 0.35)
"""Widths to start from, in units of the bias range."""


def _form(name: str) -> Floats:
    """theta = matrix [9, m] @ the free numbers."""
    every = np.eye(PARAMETERS)
    common = every[:, 5:].sum(axis=1, keepdims=True)
    if name == "shared":
        return np.hstack([every[:, :4], common])
    if name == "sloped":
        return np.hstack([every[:, :5], common])
    if name == "free":
        return every
    raise ValueError(f"form {name!r}: choose shared, sloped or free")


@dataclass(frozen=True)
class LoopFit:
    """Loops fitted to responses [..., n]: theta [..., 9] and its covariance [..., 9, 9] from the residual.

    `converged` is False where the search failed or the response was not finite (then the numbers are NaN).
    """

    theta: Floats
    covariance: Floats
    noise: Floats
    r2: Floats
    converged: NDArray[np.bool_]

    @property
    def deviations(self) -> Floats:
        """Standard deviations [..., 9] of theta; 0 for what was held."""
        variance = np.einsum("...ii->...i", self.covariance)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def read(self) -> Loop:
        """What the fitted loops say."""
        return read(self.theta)

    def responses(self, bias_V: Floats) -> Floats:
        """The fitted responses [..., n]."""
        return loop(bias_V, self.theta)


def fit(bias_V: NDArray[Any], response: NDArray[Any], form: Form = "sloped") -> LoopFit:
    """Fit responses [..., n] along bias [n], any cycle or cycles of a triangular sweep.

    Raises ValueError where the shapes do not match or a branch is missing.
    """
    from physics_priors.loops import kernel

    bias = np.ascontiguousarray(bias_V, dtype=np.float64)
    rows = np.ascontiguousarray(response, dtype=np.float64).reshape(-1, len(bias))
    up, matrix = rising(bias), _form(form)
    if np.shape(response)[-1:] != bias.shape or min(up.sum(), (~up).sum()) < 4:
        raise ValueError(f"responses {np.shape(response)} need a bias of the same length with both branches in it")
    size = np.maximum(np.ptp(np.nan_to_num(rows), axis=1), 1e-300)
    scaled = rows / size[:, None]
    m = matrix.shape[1]
    found, normal = np.empty((len(rows), m + 2)), np.empty((len(rows), m, m))
    starts = _starts(bias, up, scaled, m)
    kernel.fit_rows(scaled, bias, up, matrix, starts, *_limits(bias, starts), found, normal)
    return _fit_of(found, normal, matrix, scaled, size, np.shape(response)[:-1])


def _starts(bias: Floats, up: NDArray[np.bool_], rows: Floats, m: int) -> Floats:
    """[tries, rows, m]: states from the ends of the bias, centres where the branches cross their middle."""
    rows = np.nan_to_num(rows)
    edge = 0.7 * np.abs(bias).max()
    low = np.median(rows[:, bias <= -edge], axis=1) if (bias <= -edge).any() else rows.min(axis=1)
    high = np.median(rows[:, bias >= edge], axis=1) if (bias >= edge).any() else rows.max(axis=1)
    middle = (low + high) / 2
    centres = [_middle(bias[side], rows[:, side], middle) for side in (up, ~up)]
    base = np.stack([low, high - low, *centres, *([np.zeros(len(rows))] if m > 5 else [])], axis=1)
    widths = m - base.shape[1]
    made = [np.hstack([base, np.full((len(rows), widths), part * np.ptp(bias))]) for part in _WIDTHS]
    return np.ascontiguousarray(np.stack(made))


def _middle(bias: Floats, rows: Floats, middle: Floats) -> Floats:
    """Where a branch lies nearest to its middle, weighting neighbours: robust against single outliers."""
    near = 1.0 / (1e-2 + np.square(rows - middle[:, None]))
    return np.asarray((near * bias).sum(axis=1) / near.sum(axis=1))


def _limits(bias: Floats, starts: Floats) -> tuple[Floats, Floats]:
    """Lowest and highest values [rows, m]: centres inside twice the sweep, widths from a tenth of a step."""
    _, rows, m = starts.shape
    reach, step = np.abs(bias).max(), np.abs(np.diff(bias)).max()
    low = np.concatenate([[-1e3, -1e3], [-2 * reach] * 2, [-1e3 / reach] * (m > 5), [0.1 * step] * (m - 4 - (m > 5))])
    high = np.concatenate([[1e3, 1e3], [2 * reach] * 2, [1e3 / reach] * (m > 5), [4 * reach] * (m - 4 - (m > 5))])
    return np.tile(low, (rows, 1)), np.tile(high, (rows, 1))


def _fit_of(
    found: Floats, normal: Floats, matrix: Floats, rows: Floats, size: Floats, shape: tuple[int, ...]
) -> LoopFit:
    m, n = matrix.shape[1], rows.shape[1]
    unit = np.ones((len(rows), PARAMETERS))
    unit[:, [0, 1, 4]] = size[:, None]
    theta = found[:, :m] @ matrix.T * unit
    variance = found[:, m] / (n - m)
    small = variance[:, None, None] * _inverse(normal)
    covariance = np.einsum("ij,rjk,lk->ril", matrix, small, matrix) * unit[:, :, None] * unit[:, None, :]
    with np.errstate(all="ignore"):
        r2 = 1.0 - found[:, m] / np.square(rows - rows.mean(axis=1, keepdims=True)).sum(axis=1)
    return LoopFit(
        theta.reshape(*shape, PARAMETERS),
        covariance.reshape(*shape, PARAMETERS, PARAMETERS),
        (np.sqrt(variance) * size).reshape(shape),
        r2.reshape(shape),
        (found[:, m + 1] == 1.0).reshape(shape),
    )


def _inverse(normal: Floats) -> Floats:
    """Inverses, NaN where a row holds none."""
    out = np.full_like(normal, np.nan)
    good = np.isfinite(normal).all(axis=(1, 2))
    if good.any():
        size = np.sqrt(np.maximum(np.einsum("rii->ri", normal[good]), 1e-100))
        scale = size[:, :, None] * size[:, None, :]
        out[good] = np.linalg.pinv(normal[good] / scale, hermitian=True) / scale
    return out
