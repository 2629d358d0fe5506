"""Spectra and camera frames of the STEM microscope: the beam is parked, atoms answer to it, and a detector reads.

What is recorded is of the atoms as they stood when the exposure began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import RequestBatch, ResultBatch
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.reach import shared, within
from instruments.twins.stem.camera import binned, pattern, phase_of_atoms
from instruments.twins.stem.eels import seen_nm2, spectrum
from instruments.twins.stem.render import tiled
from instruments.twins.stem.world import CLOCK, CURRENT, SCALE, World
from physics_priors.energy_loss import EDGES

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

Floats = NDArray[np.float64]
_WINDOW_NM: Final = 5.12
_PIXELS: Final = 320
_CARBON: Final = 6


def park(
    core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float
) -> tuple[World, ResultBatch]:
    """Park the beam for `exposure_s` and record a spectrum or a camera frame."""
    from instruments.twins.stem import event_requests

    within(core.describe(), batch)
    exposure_s = float(shared(batch, "exposure_s"))
    places = np.asarray(batch.each["position_nm"], dtype=np.float64)
    dwell = RequestBatch(
        "Dwell", batch.rows, {"position_nm": places}, {"longest_s": exposure_s, "sample_s": exposure_s, "until": None}
    )
    before = world.changed(species=world.species.copy(), bonding=world.bonding.copy(), moving=world.moving.copy())
    after, dwelt = event_requests.dwell(core, world, dwell, keys, reached)
    seconds = dwelt.cost.seconds - event_requests.latency_s(core, reached, exposure_s)
    record = _spectra if batch.kind == "PointSpectrum" else _frames
    values, axes = record(core, before, batch, places, seconds, random.fold(keys, 21))
    units = core.describe().channels[batch.kind]
    return after, ResultBatch(batch.kind, values, units, axes, dwelt.done, dwelt.cost, places)


def _spectra(
    core: StemMicroscope, world: World, batch: RequestBatch, places: Floats, seconds: Floats, keys: Keys
) -> tuple[dict[str, Floats], dict[str, tuple[Axis, ...]]]:
    own, energy_keV = core.spectrometer, core.column.energy_keV
    rows = []
    for row in range(batch.rows):
        place = _material_nm(core, world, row, places[row])
        atoms, species = _around(core, world, row, place)
        near = {
            name: seen_nm2(name, place, atoms, species, energy_keV, own.collection_mrad)
            for name, edge in EDGES.items()
            if (species == edge.species).any()
        }
        found = spectrum(own, energy_keV, core.thickness_nm, float(_CARBON), near)
        rows.append(found.counts(_electrons(world, row, seconds[row]), keys[row : row + 1]))
    return {"eels": np.stack(rows)}, {"eels": (Axis("energy_loss", "eV", own.loss_eV),)}


def _frames(
    core: StemMicroscope, world: World, batch: RequestBatch, places: Floats, seconds: Floats, keys: Keys
) -> tuple[dict[str, Floats], dict[str, tuple[Axis, ...]]]:
    side, frames = (_WINDOW_NM, _WINDOW_NM), []
    angle: Any = None
    for row in range(batch.rows):
        place = _material_nm(core, world, row, places[row])
        atoms, species = _around(core, world, row, place)
        phase = phase_of_atoms(core.column, atoms - place, species, (_PIXELS, _PIXELS), side)
        bright, angle = pattern(core.column, world.aberrations_nm[row], phase, side, np.zeros(2))
        bright, angle = binned(bright, angle, int(shared(batch, "binning")))
        current = float(world.moving[row, CURRENT])
        frames.append(core.detector.signal(bright, current, float(seconds[row]), keys[row : row + 1]))
    axis = np.asarray(1e3 * angle, dtype=np.float64)
    return {"pattern": np.stack(frames)}, {"pattern": (Axis("angle_y", "mrad", axis), Axis("angle_x", "mrad", axis))}


def _material_nm(core: StemMicroscope, world: World, row: int, place: Floats) -> Floats:
    """What lies under a parked beam when the exposure begins."""
    from instruments.twins.stem.event_frames import offset_nm

    time_s = np.array([world.moving[row, CLOCK] + core.latency_s])
    return np.asarray((1.0 + world.hidden[row, SCALE]) * place + offset_nm(world, row, time_s, parked=True)[0])


def _around(core: StemMicroscope, world: World, row: int, place: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Atoms [n, 2] and their species in the window around a place, the sheet repeated where it repeats."""
    where, species = core.positions_nm(world, row), world.species[row].astype(np.int64)
    half = _WINDOW_NM / 2
    if core.sites.periodic:
        where, whose = tiled(where, core.sites.extent_nm, place - half, place + half)
        species = species[whose]
    there = species > 0
    return np.ascontiguousarray(where[there]), species[there]


def _electrons(world: World, row: int, seconds: float) -> float:
    return float(world.moving[row, CURRENT]) * ELECTRONS_PER_PA_S * float(seconds)
