"""What the probe sees at its places: scans without bias, and bias steps that write while they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from instruments import keys as random
from instruments.batch import RequestBatch
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.domains import Floats, Waves
from instruments.twins.spm import spectra
from instruments.twins.spm.events import Events
from instruments.twins.spm.imaging import Loop, heights, scan_axes, shaped, under_tip
from instruments.twins.spm.lever import read, resonance_Hz
from instruments.twins.spm.plan import framed
from instruments.twins.spm.scanner import Lines, Scanner
from instruments.twins.spm.signals.contact import Contact
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.mode import Mode
from instruments.twins.spm.world import World

Found = tuple[dict[str, Any], dict[str, tuple[Axis, ...]]]
"""Channels [B, ...] and their axes."""
_LOCAL = ("piezo_pm", "electrostatic_pm_V", "potential_V", "ionic_pm_V2", "quality")
_READ_SHARE = 0.35
"""Width of the area that is read, in radii of the tip."""


@dataclass(frozen=True)
class Visit:
    """When the tip arrives and ends, [B] s; how far it is still short on arrival, [B, 2] nm; the randomness."""

    arrival_s: Floats
    end_s: Floats
    residual_nm: Floats
    keys: Keys


@dataclass(frozen=True)
class Probe:
    """The parts of the instrument that see; the world holds what they look at."""

    field_nm: float
    grid: int
    settle_s: float
    scanner: Scanner
    loop: Loop
    mode: Mode
    electronics: Electronics
    modulus_GPa: float
    electrostatic: float
    ionic: float

    def measure(self, world: World, batch: RequestBatch, work: Lines | Events | None, visit: Visit) -> Found:
        """Channels and axes of a request; bias writes into the maps of `world`, until the visit ends."""
        if work is None:
            return {}, {}
        if isinstance(work, Events):
            return self._biased(world, batch, work, visit)
        return self._scanned(world, batch, work, visit)

    def _scanned(self, world: World, batch: RequestBatch, lines: Lines, visit: Visit) -> Found:
        rows, (count, length) = batch.rows, lines.shape
        passes, times = lines.passes_nm().reshape(rows, -1, 2), lines.times_s(self.settle_s)
        material = self.scanner.material_nm(world, passes, times, visit.arrival_s, visit.residual_nm)
        forward = material.reshape(rows, 2 * count, length, 2)[:, 0::2].reshape(rows, -1, 2)
        contact, axes, key = self._unbiased(world, forward), scan_axes(framed(batch), lines), random.fold(visit.keys, 1)
        if batch.kind in spectra.CHANNELS:
            found = spectra.read(batch, contact, lines.dwell_s, world.drive, self.electronics, key)
            axes = (*axes, spectra.axis(batch))
            return shaped(found, rows, axes), dict.fromkeys(found, axes)
        surface = under_tip(world.surface_nm[:, None], material, self.field_nm)[0].reshape(rows, 2 * count, length)
        found = heights(world, surface, lines.dwell_s, self.loop, visit.keys)
        found |= read(self.mode, contact, lines.dwell_s, world.drive, self.electronics, key)
        wanted = batch.shared["channels"] or tuple(found)
        return shaped({name: found[name] for name in wanted}, rows, axes), dict.fromkeys(wanted, axes)

    def _biased(self, world: World, batch: RequestBatch, events: Events, visit: Visit) -> Found:
        after_s = self.settle_s + events.starts_s + events.lasts_s / 2
        where = (world, events.places_nm, after_s, visit.arrival_s, visit.residual_nm)
        material = self.scanner.material_nm(*where)
        shown = events.until(np.maximum(visit.end_s - visit.arrival_s - self.settle_s, 0.0))
        ions_V = shown.lagging_V(world.parameters["ionic_s"])
        seen = (*self._written(world, shown, material), events.bias_V, ions_V)
        values: dict[str, Any] = {}
        for word, (name, pick) in enumerate(events.picks.items()):
            flat, key = pick.reshape(len(pick), -1), random.fold(visit.keys, 16 + word)
            there = np.take_along_axis(material, flat[..., None], axis=1)
            contact = self._contact(world, there, *(np.take_along_axis(array, flat, axis=1) for array in seen))
            if batch.kind in spectra.CHANNELS:
                found = spectra.read(batch, contact, events.each_s, world.drive, self.electronics, key)
                return {n: v[:, 0] for n, v in found.items()}, dict.fromkeys(found, (spectra.axis(batch),))
            got = read(self.mode, contact, events.each_s, world.drive, self.electronics, key)
            values[name] = got["piezoresponse"].reshape(pick.shape)
        return values, dict(events.axes)

    def _written(self, world: World, events: Events, material_nm: Floats) -> tuple[Floats, Floats]:
        """Polarisation and injected charge [B, K] under the tip at the end of every step, which write as they go."""
        from instruments.twins.spm import kernels

        places_px = (material_nm / self.field_nm + 0.5) * self.grid - 0.5
        lasts = events.lasts_s / world.parameters["switching_s"][:, None]
        steps = np.concatenate([places_px, events.bias_V[..., None], lasts[..., None]], axis=-1)
        seen, charge_V = np.empty(lasts.shape), np.empty(lasts.shape)
        maps = (world.polarisation, world.screening, world.charge_V, world.random_field, world.softness)
        kernels.drive(*maps, steps, lasts.shape[1], world.tip, seen, charge_V)
        return seen, charge_V

    def _unbiased(self, world: World, material_nm: Floats) -> Contact:
        """Contacts at places [B, K, 2] without bias."""
        waves = Waves(self.grid, self.field_nm)
        blur = waves.hump(np.maximum(_READ_SHARE * world.parameters["tip_radius_nm"], 0.6 * waves.pixel_nm))
        alive = np.where(world.softness < 1.0, world.polarisation, 0.0)
        maps = np.stack([waves.apply(alive, blur), waves.apply(world.charge_V.astype(np.float64), blur)], axis=1)
        pol, charge = under_tip(maps, material_nm, self.field_nm)
        none = np.zeros_like(pol)
        return self._contact(world, material_nm, pol, charge, none, none)

    def _contact(
        self, world: World, material_nm: Floats, pol: Floats, charge_V: Floats, bias_V: Floats, ions_V: Floats
    ) -> Contact:
        """Contacts [B, K]: piezoelectric, electrostatic and ionic response added up, and the resonance there."""
        theta = {name: world.parameters[name][:, None] for name in _LOCAL}
        surface = np.stack([world.stiffness, world.surface_nm - world.height_nm], axis=1)
        stiffness, bridged = under_tip(surface, material_nm, self.field_nm)
        force = self.electrostatic * theta["electrostatic_pm_V"] * (bias_V - theta["potential_V"] - charge_V)
        resonance = resonance_Hz(world, stiffness, bridged, self.electronics.stiffness_N_m, self.modulus_GPa)
        ions = self.ionic * theta["ionic_pm_V2"] * ions_V
        return Contact.of(theta["piezo_pm"] * pol + force + ions, resonance, theta["quality"])
