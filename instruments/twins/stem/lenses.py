"""Lenses and multipoles: what they are set to, what they do, and how they drift meanwhile.

A lens answers a step with its own gain and with play: after a change of direction the first bit of current does
nothing (magnetic hysteresis, the simplest law of it). C1 and A1 also drift, steadily and at random, and every lens
moves the image a little. What an operator knows is what was asked for, never what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from physics_priors.bounds import Bounds, violations
from physics_priors.optics.aberrations import COUNT, INDEX, ORDER, ROUND, TYPICAL_NM, Complexes

Floats = NDArray[np.float64]
CHANGING: Final = ("asked_nm", "played_nm", "drifted_nm")
"""Fields of `LensState` that differ after its beginning."""
_DRIFTING: Final = (INDEX["C1"], INDEX["A1"])


@dataclass(frozen=True)
class Lenses:
    """Faults of the lenses; each is off at 0. Rates and play are for C1 and A1, and in proportion for the others."""

    gain_error: Annotated[float, Bounds("", 0.0, 0.5)] = 0.03
    """Standard deviation of each lens's gain from 1."""
    play_nm: Annotated[float, Bounds("nm", 0.0, 100.0)] = 0.6
    """Width of the play, in nm of defocus; in proportion to `TYPICAL_NM` for the others."""
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 10.0)] = 0.01
    """Standard deviation of the steady drift of C1 and of each part of A1."""
    walk_nm: Annotated[float, Bounds("nm/s^0.5", 0.0, 10.0)] = 0.02
    """Random walk of the same, standard deviation after one second."""
    image_shift: Annotated[float, Bounds("nm/nm", 0.0, 1.0)] = 0.005
    """Shift of the image for each nm of defocus, and in proportion for the others; its direction is hidden."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("Lenses: " + "; ".join(said))


@dataclass(frozen=True)
class LensState:
    """B columns, all arrays complex [B, 14] in nm unless said otherwise."""

    asked_nm: Complexes
    """Sum of what was asked for since the start."""
    played_nm: Complexes
    """What of it got through the play."""
    drifted_nm: Complexes
    start_nm: Complexes
    gain: Floats
    rate_nm_s: Complexes
    shift: Complexes
    """Image shift x + i y for each nm that got through."""

    @property
    def aberrations_nm(self) -> Complexes:
        """What the beam sees."""
        return self.start_nm + self.gain * self.played_nm + self.drifted_nm

    @property
    def image_shift_nm(self) -> Floats:
        """Where the beam is moved to, [B, 2] nm."""
        moved = (self.shift * np.abs(self.played_nm)).sum(axis=-1)
        return np.stack([moved.real, moved.imag], axis=-1)


L = TypeVar("L", bound=LensState)


def begin(lenses: Lenses, start_nm: Complexes, keys: Keys) -> LensState:
    """Columns at their start, with gains, drifts and shifts of their own."""
    drawn = random.normal(keys, 5 * COUNT).reshape(len(keys), 5, COUNT)
    none = np.zeros((len(keys), COUNT), dtype=np.complex128)
    rate = none.copy()
    rate[:, _DRIFTING] = lenses.drift_nm_s * (drawn[:, 1] + 1j * drawn[:, 2])[:, _DRIFTING]
    shift = lenses.image_shift * (drawn[:, 3] + 1j * drawn[:, 4]) / TYPICAL_NM
    return LensState(none, none, none, start_nm, 1.0 + lenses.gain_error * drawn[:, 0], _real_where_round(rate), shift)


def turned_to(lenses: Lenses, state: L, asked_nm: Complexes) -> L:
    """The lenses set to `asked_nm` [B, 14] since the start."""
    half = 0.5 * lenses.play_nm * TYPICAL_NM
    real, imaginary = (
        np.clip(old, new - half, new + half)
        for old, new in ((state.played_nm.real, asked_nm.real), (state.played_nm.imag, asked_nm.imag))
    )
    moved = np.where(asked_nm == state.asked_nm, state.played_nm, real + 1j * imaginary)
    return replace(state, asked_nm=asked_nm, played_nm=_real_where_round(moved))


def waited(lenses: Lenses, state: L, seconds: Floats, keys: Keys) -> L:
    """The lenses after `seconds` [B], with the random walk of `keys`."""
    drawn = random.normal(keys, 2 * len(_DRIFTING)).reshape(len(keys), 2, -1)
    step = state.rate_nm_s * seconds[:, None]
    step[:, _DRIFTING] += lenses.walk_nm * np.sqrt(seconds)[:, None] * (drawn[:, 0] + 1j * drawn[:, 1])
    return replace(state, drifted_nm=state.drifted_nm + _real_where_round(step))


def _real_where_round(values: Complexes) -> Complexes:
    return np.where(ROUND, values.real + 0j, values)


def drawn_start(keys: Keys, scale: float, coarse_nm: tuple[float, float]) -> Complexes:
    """Aberrations [B, 14] of columns out of tune.

    |C1| and |A1| are uniform between the two numbers of `coarse_nm`; the others are normal, `scale` times the sizes in
    `RESIDUAL_NM`.
    """
    uniform = random.uniform(random.fold(keys, 0), 4)
    normal = random.normal(random.fold(keys, 1), 2 * COUNT).reshape(len(keys), 2, COUNT)
    values = scale * RESIDUAL_NM * (normal[:, 0] + 1j * normal[:, 1]) / np.sqrt(2.0)
    values[:, ROUND] *= np.sqrt(2.0)
    low, high = coarse_nm
    size = low + (high - low) * uniform[:, :2]
    values[:, INDEX["C1"]] = size[:, 0] * np.where(uniform[:, 2] < 0.5, -1.0, 1.0)
    values[:, INDEX["A1"]] = size[:, 1] * np.exp(2j * np.pi * uniform[:, 3])
    return _real_where_round(values)


RESIDUAL_NM: Final = np.where(
    ORDER == 2, 200.0, np.array([0.0, 0.0, 0.0, 0.0, 2e3, 400.0, 400.0, 4e3, 4e3, 4e3, 4e5, 1e5, 1e5, 1e5])
)
"""Sizes of the aberrations of a corrected column that is out of tune; those of fourth and fifth order stay."""
