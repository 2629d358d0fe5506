"""Requests that set something: the height loop, the drive, contact, registration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from instruments.batch import RequestBatch
from instruments.errors import NotSupported
from instruments.twins.reach import column
from instruments.twins.spm.lever import tunable
from instruments.twins.spm.signals.mode import Mode
from instruments.twins.spm.world import (
    AMPLITUDE_V,
    CONTACT,
    FREQUENCY_HZ,
    INTEGRAL_HZ,
    ON,
    PROPORTIONAL,
    SETPOINT_NN,
    World,
)

KINDS: Final = ("SetFeedback", "SetDrive", "Approach", "Withdraw", "Register")
_FEEDBACK: Final = {"setpoint_nN": SETPOINT_NN, "proportional": PROPORTIONAL, "integral_Hz": INTEGRAL_HZ}
_DRIVE: Final = {"amplitude_V": AMPLITUDE_V, "frequency_Hz": FREQUENCY_HZ}


def check(mode: Mode, batch: RequestBatch) -> None:
    """Raise NotSupported for a set-point as a current, or a frequency where the mode has none to set."""
    if batch.kind == "SetFeedback" and any(value is not None for value in np.ravel(column(batch, "setpoint_pA"))):
        raise NotSupported("scanning_probe has no tunnelling current: give the set-point as a force, setpoint_nN")
    if batch.kind == "SetDrive" and any(value is not None for value in np.ravel(column(batch, "frequency_Hz"))):
        tunable(mode, "frequency_Hz")


def changed(world: World, batch: RequestBatch) -> World:
    """The world with what a request sets; the same world for any other request. A tip that works is in contact."""
    if batch.kind == "Register":
        return replace(world, registered_nm=np.array(column(batch, "shift_nm"), dtype=np.float64))
    if batch.kind == "SetDrive":
        return replace(world, drive=_set(world.drive, batch, _DRIVE))
    feedback = world.feedback.copy()
    if batch.kind == "SetFeedback":
        feedback = _set(feedback, batch, _FEEDBACK)
        feedback[:, ON] = np.asarray(column(batch, "on"), dtype=np.float64)
        return replace(world, feedback=feedback)
    if batch.kind == "Approach":
        feedback = _set(feedback, batch, {"setpoint_nN": SETPOINT_NN})
    feedback[:, CONTACT] = 0.0 if batch.kind == "Withdraw" else 1.0
    return replace(world, feedback=feedback)


def _set(values: Any, batch: RequestBatch, columns: dict[str, int]) -> Any:
    """Values [B, n] with the fields of a request in their columns, where they are not None."""
    found = np.array(values, dtype=np.float64)
    for name, index in columns.items():
        given = np.array([np.nan if v is None else float(v) for v in np.ravel(column(batch, name))])
        found[:, index] = np.where(np.isnan(given), found[:, index], given)
    return found
