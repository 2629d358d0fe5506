"""Relaxation after a pulse: the stretched exponential of Kohlrausch, Williams and Watts, and its fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_BETAS: Final = np.linspace(0.2, 1.2, 21)
_TIMES: Final = 48
_STEPS: Final = 30


@dataclass(frozen=True)
class Relaxation:
    """A exp(-(t / tau)^beta) + C fitted to responses [..., n]; [...] each."""

    amplitude: Floats
    tau_s: Floats
    beta: Floats
    rest: Floats
    noise: Floats
    r2: Floats

    @property
    def mean_s(self) -> Floats:
        """Mean relaxation time."""
        return mean_time_s(self.tau_s, self.beta)


def stretched(time_s: ArrayLike, amplitude: ArrayLike, tau_s: ArrayLike, beta: ArrayLike, rest: ArrayLike) -> Floats:
    """A exp(-(t / tau)^beta) + C, broadcast over all arguments."""
    reduced = np.asarray(time_s, dtype=np.float64) / np.asarray(tau_s)
    return np.asarray(amplitude * np.exp(-(reduced ** np.asarray(beta))) + rest)


def mean_time_s(tau_s: ArrayLike, beta: ArrayLike) -> Floats:
    """Area under exp(-(t / tau)^beta): (tau / beta) Gamma(1 / beta)."""
    from scipy.special import gamma

    b = np.asarray(beta, dtype=np.float64)
    return np.asarray(np.asarray(tau_s) / b * gamma(1.0 / b))


def fit(time_s: NDArray[Any], response: NDArray[Any]) -> Relaxation:
    """Least squares over responses [..., n] at times [n] > 0; tau from a third of the first time to ten times the last.

    The best of a grid of (tau, beta), where amplitude and rest are known, refined by Gauss-Newton steps. Raises
    ValueError where the shapes do not match.
    """
    time = np.asarray(time_s, dtype=np.float64)
    if time.ndim != 1 or len(time) < 5 or np.shape(response)[-1:] != time.shape or not (time > 0).all():
        raise ValueError(f"responses {np.shape(response)} need five or more times above 0, got {time.shape}")
    rows = np.asarray(response, dtype=np.float64).reshape(-1, len(time))
    limits = np.array([[np.log(time.min() / 3), 0.1], [np.log(time.max() * 10), 2.0]])
    shape = _from_grid(time, rows, limits)
    for _ in range(_STEPS):
        shape = _refined(time, rows, shape, limits)
    linear, cost = _linear(time, rows, shape)
    spread = np.square(rows - rows.mean(axis=1, keepdims=True)).sum(axis=1)
    fields = (linear[:, 0], np.exp(shape[:, 0]), shape[:, 1], linear[:, 1], np.sqrt(cost / (len(time) - 4)))
    made = (*fields, 1.0 - cost / np.maximum(spread, 1e-300))
    return Relaxation(*(value.reshape(np.shape(response)[:-1]) for value in made))


def _from_grid(time: Floats, rows: Floats, limits: Floats) -> Floats:
    taus = np.linspace(limits[0, 0], limits[1, 0], _TIMES)
    grid = np.stack(np.meshgrid(taus, _BETAS, indexing="ij"), axis=-1).reshape(-1, 2)
    costs = np.stack([_linear(time, rows, np.tile(one, (len(rows), 1)))[1] for one in grid])
    return np.asarray(grid[costs.argmin(axis=0)])


def _linear(time: Floats, rows: Floats, shape: Floats) -> tuple[Floats, Floats]:
    """Best (amplitude, rest) [rows, 2] and sums of squares [rows] for (log tau, beta) [rows, 2]."""
    decay = stretched(time, 1.0, np.exp(shape[:, :1]), shape[:, 1:], 0.0)
    about, over = decay - decay.mean(axis=1, keepdims=True), rows - rows.mean(axis=1, keepdims=True)
    amplitude = (about * over).sum(axis=1) / np.maximum(np.square(about).sum(axis=1), 1e-300)
    rest = rows.mean(axis=1) - amplitude * decay.mean(axis=1)
    cost = np.square(over - amplitude[:, None] * about).sum(axis=1)
    return np.stack([amplitude, rest], axis=1), cost


def _refined(time: Floats, rows: Floats, shape: Floats, limits: Floats) -> Floats:
    """One damped Gauss-Newton step of (log tau, beta), taken where it helps; half, a quarter ... where it does not."""
    linear, cost = _linear(time, rows, shape)
    step = _step(time, rows, shape, linear)
    best, least = shape, cost
    for part in (1.0, 0.5, 0.1):
        trial = np.clip(shape + part * step, limits[0], limits[1])
        _, next_cost = _linear(time, rows, trial)
        better = next_cost < least
        best, least = np.where(better[:, None], trial, best), np.where(better, next_cost, least)
    return best


def _step(time: Floats, rows: Floats, shape: Floats, linear: Floats) -> Floats:
    tau, beta, amplitude = np.exp(shape[:, :1]), shape[:, 1:], linear[:, :1]
    power = (time / tau) ** beta
    decay = np.exp(-power)
    by_tau = amplitude * decay * power * beta
    by_beta = -amplitude * decay * power * np.log(time / tau)
    basis = np.stack([by_tau, by_beta, decay, np.ones_like(decay)], axis=-1)
    rest = rows - amplitude * decay - linear[:, 1:]
    size = np.sqrt(np.square(basis).sum(axis=1)) + 1e-300
    basis = basis / size[:, None, :]
    matrix = np.einsum("rni,rnj->rij", basis, basis) + 1e-9 * np.eye(4)
    solved = np.linalg.solve(matrix, np.einsum("rni,rn->ri", basis, rest)[..., None])[..., 0]
    return np.asarray(solved[:, :2] / size[:, :2])
