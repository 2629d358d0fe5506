"""Worlds of the STEM microscope: which atoms are where, what landed on them, and what is hidden in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys
from physics_priors.beam.contamination import CONTAMINATION, background_fraction
from physics_priors.beam.knock_on import BARN_NM2
from physics_priors.distributions import LogUniform, Normal
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]
Small = NDArray[np.int8]

_SU = "T. Su et al., Sci. Adv. 5, eaav2252 (2019), 60 keV"
HIDDEN: Final = Parameters(
    (
        Parameter("hop_factor", "", LogUniform(0.5, 2.0), "rates of all hops over the law's: tunable"),
        Parameter("eject_barn", "barn", LogUniform(1e-3, 1e-2), "carbon beside a dopant; phosphorus 0.01, " + _SU),
        Parameter("fold_barn", "barn", LogUniform(0.003, 0.03), "three- to fourfold, a tenth of a hop: tunable"),
        Parameter("unfold_barn", "barn", LogUniform(0.01, 0.1), "four- to threefold: tunable"),
        Parameter("turn_barn", "barn", LogUniform(0.3, 3.0), "Stone-Wales beside nitrogen (0.9), phosphorus, " + _SU),
        Parameter("turn_back_barn", "barn", LogUniform(10.0, 50.0), "back again; nitrogen 22, " + _SU),
        Parameter("jump_barn", "barn", LogUniform(0.05, 0.5), "carbon jumps into a vacancy beside it: tunable"),
        Parameter("turn_silicon_barn", "barn", LogUniform(1e-3, 1e-2), "Stone-Wales beside silicon: tunable"),
        Parameter("capture_s", "1/s", LogUniform(1e-4, 1e-2), "a vacancy captures a carbon adatom: tunable"),
        Parameter("aniso_x", "", Normal(0.0, 1.0), "direction dependence of hops, in units of `anisotropy`"),
        Parameter("aniso_y", "", Normal(0.0, 1.0), "the same"),
        Parameter("aim_x", "", Normal(0.0, 1.0), "parked beam less scanned beam, in units of `aim_nm`"),
        Parameter("aim_y", "", Normal(0.0, 1.0), "the same"),
        Parameter("drift_x", "", Normal(0.0, 1.0), "drift of the sample, in units of `drift_nm_s`"),
        Parameter("drift_y", "", Normal(0.0, 1.0), "the same"),
        Parameter("scale", "", Normal(0.0, 1.0), "relative error of the scan's calibration, in units of `scale_error`"),
        *CONTAMINATION,
    )
)
"""What a world draws; `StemMicroscope` says how large each effect is."""

FACTOR, EJECT, FOLD, UNFOLD, TURN, TURN_BACK, JUMP, TURN_SILICON, CAPTURE = range(9)
ANISO_X, ANISO_Y, AIM_X, AIM_Y, DRIFT_X, DRIFT_Y, SCALE, BULK, GROWTH, FULL, DISORDER = range(9, 20)
HIDDEN_COLUMNS: Final = 20
"""Of `World.hidden`: cross sections in nm^2, lengths in nm, times in s, growth in electrons, full in counts per one."""
CLOCK, REGISTERED_X, REGISTERED_Y, STAGE_X, STAGE_Y, PARKED_X, PARKED_Y, ELECTRONS, CURRENT, LOGGED, BOOKS = range(11)
TOUCHED = 11
MOVING_COLUMNS: Final = 12
"""Of `World.moving`."""
NO_MAP, BOTH_MAPS, LANDED_ONLY = 0.0, 1.0, 2.0
"""Of `TOUCHED`: `settled` is written to when lenses change, which is rare."""
LOG: Final = 128
"""Events that are kept, the latest of them."""
HOPPED, EJECTED, FOLDED, UNFOLDED, TURNED, TURNED_BACK, JUMPED, CAPTURED, KNOCKED = range(9)
EVENTS: Final = (
    "hopped", "carbon ejected", "became fourfold", "became threefold", "bond turned", "bond turned back",
    "vacancy hopped", "vacancy filled", "carbon knocked out",
)  # fmt: skip
"""Kinds of events in the log, by number."""


@dataclass(frozen=True)
class World:
    """B samples under one microscope each; N sites."""

    site_keys: Keys
    """[B], of what belongs to a site for good."""
    hidden: Floats
    """[B, HIDDEN_COLUMNS], constant."""
    moving: Floats
    """[B, MOVING_COLUMNS]: clock, registration, stage, where the beam was last, electrons so far, current, events,
    lines in the book, which maps may hold more than zeros (`NO_MAP` and on)."""
    species: Small
    """[B, N], 0 for a vacancy."""
    bonding: Small
    """[B, N]: 0; 1 a fourfold dopant; 2 + k where the bond to neighbour k is turned by a right angle."""
    landed: Floats
    """Electrons by where the middle of the probe was, [B, rows, columns], since the lenses changed last, without
    those in the book: `StemMicroscope.landed` has them all."""
    booked: Floats
    """The book, [B, MOST_BOOKED, ENTRY], see `event_tuples`."""
    remembered: Floats
    """What the kernels know about the atoms, [B, MEMORY], see `event_tuples`: whoever edits those must set it to 0."""
    settled: Floats
    """Electrons by where they really fell, before that, [B, rows, columns]."""
    log: Floats
    """Events [B, LOG, 4]: instant, site, kind, destination; the n-th is in place n modulo LOG."""
    aberrations_nm: NDArray[np.complex128]
    """[B, 14]"""

    @property
    def clock_s(self) -> Floats:
        """Time since the beginning, [B]."""
        return self.moving[:, CLOCK]

    def changed(self, **fields: Any) -> World:
        """The same with other fields: `dataclasses.replace`, without its price."""
        after = object.__new__(World)
        after.__dict__.update(self.__dict__)
        after.__dict__.update(fields)
        return after

    def events(self, row: int) -> Floats:
        """The latest events [n, 4] of a row in order."""
        count = int(self.moving[row, LOGGED])
        order = np.arange(max(0, count - LOG), count) % LOG
        return np.asarray(self.log[row, order])


def drawn(keys: Keys, scenario: str) -> dict[str, Floats]:
    """The hidden numbers [B] of each world by name, in a scenario.

    shifted: hops are five times faster than the law says on average, and rarely as slow. misspecified: the same rates
    as matched, but directions differ threefold more and a parked beam is 0.05 nm off in a direction of its own.
    """
    numbers = HIDDEN.named(HIDDEN.sample(random.uniform(random.fold(keys, 0), len(HIDDEN))))
    if scenario == "shifted":
        numbers["hop_factor"] = 5.0 * numbers["hop_factor"]
    if scenario == "misspecified":
        numbers["aniso_x"], numbers["aniso_y"] = 3.0 * numbers["aniso_x"], 3.0 * numbers["aniso_y"]
    return numbers


@dataclass(frozen=True)
class Effects:
    """How large each effect is that a matching prior lacks; each is off at 0."""

    channels: float
    hop_spread: float
    disorder: float
    anisotropy: float
    aim_nm: float
    drift_nm_s: float
    scale_error: float
    contamination: float
    bulk_nm2: float
    area_A2: float


def packed(numbers: dict[str, Floats], effects: Effects, scenario: str) -> Floats:
    """The hidden numbers as the kernel takes them, [B, HIDDEN_COLUMNS]."""
    rows = len(numbers["hop_factor"])
    out = np.zeros((rows, HIDDEN_COLUMNS))
    shift = 5.0 if scenario == "shifted" else 1.0
    out[:, FACTOR] = shift * (numbers["hop_factor"] / shift) ** effects.hop_spread
    barns = ("eject_barn", "fold_barn", "unfold_barn", "turn_barn", "turn_back_barn", "jump_barn", "turn_silicon_barn")
    for place, name in enumerate(barns, EJECT):
        out[:, place] = effects.channels * numbers[name] * BARN_NM2
    out[:, CAPTURE] = effects.channels * numbers["capture_s"]
    for place, name in ((ANISO_X, "aniso_x"), (ANISO_Y, "aniso_y")):
        out[:, place] = effects.anisotropy * numbers[name]
    out[:, AIM_X : AIM_Y + 1] = effects.aim_nm * np.stack([numbers["aim_x"], numbers["aim_y"]], -1)
    if scenario == "misspecified":
        out[:, AIM_X : AIM_Y + 1] += 0.05 * _headings(numbers["aim_x"], numbers["aim_y"])
    out[:, DRIFT_X : DRIFT_Y + 1] = effects.drift_nm_s * np.stack([numbers["drift_x"], numbers["drift_y"]], -1)
    out[:, SCALE] = effects.scale_error * numbers["scale"]
    out[:, BULK] = effects.bulk_nm2
    out[:, GROWTH] = numbers["growth_fluence_e_A2"] * effects.area_A2
    out[:, FULL] = effects.contamination * background_fraction(numbers["full_nm"])
    out[:, DISORDER] = effects.disorder
    return out


def _headings(x: Floats, y: Floats) -> Floats:
    return np.stack([x, y], -1) / np.maximum(np.hypot(x, y), 1e-12)[:, None]
