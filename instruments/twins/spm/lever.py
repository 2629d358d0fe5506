"""The lever in contact: its resonance from the set force, the local stiffness and the topography, and its reading."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from instruments.errors import NotSupported
from instruments.keys import Keys
from instruments.twins.domains import Floats
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.mode import Mode
from instruments.twins.spm.world import AMPLITUDE_V, FREQUENCY_HZ, SETPOINT_NN, World

_STIFFER, _BRIDGED = 0.3, 0.05
"""Stiffness of the contact: times exp(0.3 stiffness), and 5 % more for every nm that the tip bridges above a valley."""
_AMPLITUDES, _FREQUENCIES = ("drive_V", "peak_V"), ("drive_Hz", "start_Hz")


def resonance_Hz(world: World, stiffness: Floats, bridged_nm: Floats, lever_N_m: float, modulus_GPa: float) -> Floats:
    """Contact resonance [B, K] at places of relative stiffness and bridged height [B, K], at each row's set-point."""
    from physics_priors.oscillator import contact

    force = np.maximum(world.feedback[:, SETPOINT_NN], 1e-3)
    hertz = contact.hertz_stiffness_N_m(force, world.parameters["tip_radius_nm"], modulus_GPa)
    local = np.exp(_STIFFER * stiffness) * (1.0 + _BRIDGED * bridged_nm)
    return contact.resonance_Hz(world.parameters["free_Hz"][:, None], hertz[:, None] * local / lever_N_m)


def driven(mode: Mode, drive: Floats) -> Mode:
    """The mode with the drive [2] of one row: amplitude [V] and frequency [Hz]."""
    names = {f.name for f in fields(mode)}  # type: ignore[arg-type]
    changed = {n: float(drive[AMPLITUDE_V]) for n in _AMPLITUDES if n in names}
    changed |= {n: float(drive[FREQUENCY_HZ]) for n in _FREQUENCIES if n in names}
    return replace(mode, **changed)  # type: ignore[type-var]


def drive_of(mode: Mode) -> tuple[float, float]:
    """Amplitude [V] and frequency [Hz] that a mode begins with; NaN for what it has not."""
    found = [
        next((float(getattr(mode, n)) for n in names if hasattr(mode, n)), np.nan)
        for names in (_AMPLITUDES, _FREQUENCIES)
    ]
    return found[0], found[1]


def tunable(mode: Mode, name: str) -> None:
    """Raise NotSupported where a mode has no single drive frequency to set."""
    if name == "frequency_Hz" and np.isnan(drive_of(mode)[1]):
        raise NotSupported(f"{type(mode).__name__} has no single drive frequency: set the band in its configuration")


def read(
    mode: Mode, contact: Contact, dwell_s: Floats, drive: Floats, electronics: Electronics, keys: Keys
) -> dict[str, Any]:
    """Channels [B, K], row by row: dwell [B] and drive [B, 2] may differ."""
    rows = []
    for b in range(len(keys)):
        own = Contact(contact.response_pm_V[b : b + 1], contact.resonance_Hz[b : b + 1], contact.quality[b : b + 1])
        rows.append(driven(mode, drive[b]).measure(own, float(dwell_s[b]), electronics, keys[b : b + 1]))
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
