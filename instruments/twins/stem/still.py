"""Any sample under a tuned beam that does no damage: oxides, particles, structures of one's own.

Dark-field images with all that a scan does wrong, energy-loss spectra of the atoms near the beam, patterns of the
convergent beam, and a stage that moves and tilts: columns of a tilted specimen are displaced as `mistilt` says.

What an operator does not know, each switched off by its argument at 0: residual aberrations (`residual`), a tilt of the
specimen (`mistilt_mrad`), drift (`drift_nm_s`), and the scan's distortions. Scenarios: `matched` draws the residual
aberrations and the tilt; `shifted` draws both four times as large; `misspecified` keeps them and adds a support that
scatters unevenly (`support`), which no image model of atoms alone has.

Not modelled: damage (`microscope`, `sulphur_sheet` have it), and what `docs/stem_twin.md` says of images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Capabilities, Field
from instruments.cost import electrons
from instruments.errors import InvalidRequest, OutOfReach
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.requests import ScanImage
from instruments.twins.reach import column as column_of
from instruments.twins.reach import shared, within
from instruments.twins.scenario import scenario_name
from instruments.twins.stem import exposed
from instruments.twins.stem.camera import binned, pattern, phase_of_atoms
from instruments.twins.stem.canvas import canvas_over, margin_nm
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.eels import Spectrometer, seen_nm2, spectrum
from instruments.twins.stem.lenses import drawn_start
from instruments.twins.stem.mistilt import attenuation, displaced
from instruments.twins.stem.render import scattering_nm2, scene, tiled
from instruments.twins.stem.samples import Recipe, StrontiumTitanate
from instruments.twins.stem.scan import NONE, Distortions, raster
from physics_priors.bounds import Bounds, violations
from physics_priors.energy_loss import EDGES
from physics_priors.optics.aberrations import Complexes
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CAMERA_NM, _CAMERA_PX = 8.0, 320
_SUPPORT_WAVES: Final = 24
_LARGEST_RAD: Final = 0.05


@dataclass(frozen=True)
class World:
    """B specimens; lengths in nm, tilts [B, 2] in rad."""

    clock_s: Floats
    registered_nm: Floats
    stage_nm: Floats
    tilt_rad: Floats
    mistilt_rad: Floats
    heading_nm_s: Floats
    species: Ints
    aberrations_nm: Complexes
    support: Floats
    """Waves of the support's unevenness, [B, waves, 4]: kx, ky [1/nm], amplitude, phase."""


@dataclass(frozen=True)
class StillSample:
    """The twin; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = ("clock_s", "registered_nm", "stage_nm", "tilt_rad")

    sample: Recipe = field(default_factory=StrontiumTitanate)
    column: Column = field(default_factory=lambda: Column(100.0, 25.0, 0.06))
    distortions: Distortions = field(default_factory=Distortions)
    detector: Detector = field(default_factory=Detector)
    spectrometer: Spectrometer = field(default_factory=Spectrometer)
    current_pA: Annotated[float, Bounds("pA", 0.0, 1000.0, open_low=True)] = 20.0
    residual: Annotated[float, Bounds("", 0.0, 10.0)] = 0.05
    """Residual aberrations, as a part of those of a column out of tune; C1 and A1 are up to 40 nm times this."""
    mistilt_mrad: Annotated[float, Bounds("mrad", 0.0, 40.0)] = 2.0
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 1.0)] = 0.002
    support: Annotated[float, Bounds("", 0.0, 10.0)] = 0.3
    """Unevenness of the support in `misspecified`, as a part of the sample's mean brightness."""
    flyback_s: Annotated[float, Bounds("s", 0.0, 1.0)] = 60e-6
    settle_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 1.0
    """Time that a movement of the stage takes."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("StillSample: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        return Capabilities(
            name="still_sample",
            family="STEM",
            simulated=True,
            requests=frozenset({"ScanImage", "CameraFrame", "PointSpectrum", "MoveStage", "Register"}),
            field=Field((0.0, 0.0), self.sample.sites().extent_nm),
            channels={
                "ScanImage": {"dark_field": "counts"},
                "CameraFrame": {"diffraction": "counts"},
                "PointSpectrum": {"energy_loss": "counts"},
                "MoveStage": {},
                "Register": {},
            },
            calibration=exposed.calibration(self),
            limits={"dwell_s": Bounds("s", 1e-7, 1e-2), "exposure_s": Bounds("s", 1e-4, 100.0)},
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name, rows = scenario_name(scenario), len(keys)
        times = 4.0 if name == "shifted" else 1.0
        coarse = 40.0 * self.residual * times
        drawn = random.uniform(random.fold(keys, 4), 4 * _SUPPORT_WAVES).reshape(rows, _SUPPORT_WAVES, 4)
        amplitude = self.support * np.sqrt(2.0 / _SUPPORT_WAVES) * (name == "misspecified")
        turn = 2 * np.pi * drawn[:, :, 0]
        reach = 0.2 + 1.0 * drawn[:, :, 1]
        waves = [reach * np.cos(turn), reach * np.sin(turn), np.full_like(turn, amplitude), 2 * np.pi * drawn[:, :, 3]]
        return World(
            clock_s=np.zeros(rows),
            registered_nm=np.zeros((rows, 2)),
            stage_nm=np.zeros((rows, 2)),
            tilt_rad=np.zeros((rows, 2)),
            mistilt_rad=1e-3 * self.mistilt_mrad * times * random.normal(random.fold(keys, 2), 2),
            heading_nm_s=self.drift_nm_s * random.normal(random.fold(keys, 3), 2),
            species=self.sample.populate(random.fold(keys, 0)),
            aberrations_nm=drawn_start(random.fold(keys, 1), self.residual * times, (0.0, coarse)),
            support=np.stack(waves, axis=-1),
        )

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        if batch.kind == "MoveStage":
            self._tilted(world, batch)
        return exposed.cost(self, batch, {"MoveStage": self.settle_s, "Register": 0.0})

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        cost = self.price(world, batch)
        made = [self._measure(world, batch, row, keys[row : row + 1]) for row in range(batch.rows)]
        name = next(iter(self.describe().channels[batch.kind]), "")
        values = {name: np.stack([one for one, _ in made])} if name else {}
        place = next((n for n in ("center_nm", "position_nm") if n in batch.each or n in batch.shared), "")
        where = column_of(batch, place).astype(np.float64) if place else np.full((batch.rows, 2), np.nan)
        units, axes = dict.fromkeys(values, "counts"), dict.fromkeys(values, made[0][1])
        done = np.ones(batch.rows, dtype=bool)
        return self._after(world, batch, cost.seconds), ResultBatch(batch.kind, values, units, axes, done, cost, where)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        return {
            "positions_nm": self.sample.sites().positions_nm,
            "species": world.species[row],
            "aberrations_nm": world.aberrations_nm[row],
            "mistilt_rad": world.mistilt_rad[row] + world.tilt_rad[row],
        }

    def flawless(self) -> StillSample:
        return replace(self, distortions=NONE, residual=0.0, mistilt_mrad=0.0, drift_nm_s=0.0, support=0.0)

    def _measure(self, world: World, batch: RequestBatch, row: int, key: Keys) -> tuple[Floats, tuple[Axis, ...]]:
        if batch.kind == "ScanImage":
            return self._image(world, batch, row, key)
        if batch.kind == "CameraFrame":
            return self._diffraction(world, batch, row, key)
        if batch.kind == "PointSpectrum":
            return self._spectrum(world, batch, row, key)
        return np.zeros(0), ()

    def _shift_nm(self, world: World, row: int) -> Floats:
        """What is added to a place that is asked for, to get the place on the specimen."""
        drifted = world.clock_s[row] * world.heading_nm_s[row]
        return np.asarray(world.registered_nm[row] - world.stage_nm[row] - drifted)

    def _atoms(self, world: World, row: int, low: Floats, high: Floats) -> tuple[Floats, Ints, Floats, Floats]:
        """Places [M, 2] of the tilted atoms in a box, their species, depths and thermal displacements."""
        sites = self.sample.sites()
        places = displaced(sites.positions_nm, world.mistilt_rad[row] + world.tilt_rad[row])
        whose = np.arange(len(sites))
        if sites.periodic:
            places, whose = tiled(places, sites.extent_nm, low, high)
        return places, world.species[row][whose], sites.positions_nm[whose, 2], sites.thermal_nm[whose]

    def _image(self, world: World, batch: RequestBatch, row: int, key: Keys) -> tuple[Floats, tuple[Axis, ...]]:
        frame = batch.row(row)
        assert isinstance(frame, ScanImage)
        values, shift = world.aberrations_nm[row], self._shift_nm(world, row)
        lines = raster(frame, self.distortions, shift, -world.heading_nm_s[row], self.flyback_s, random.fold(key, 0))
        places = lines.places_nm().reshape(-1, 2)
        reach = margin_nm(self.column, values)
        canvas = canvas_over(self.column, places.min(axis=0), places.max(axis=0), reach)
        low = np.array(canvas.corner_nm)
        atoms, species, depth, thermal = self._atoms(world, row, low, low + np.array(canvas.extent_nm))
        strength = scattering_nm2(species) * attenuation(np.column_stack([atoms, depth]), species)
        fraction = scene(canvas, atoms, strength, thermal, self.column, values).at(places)
        fraction = (fraction + self._uneven(world, row, places)).reshape(frame.shape)
        signal = self.detector.signal(fraction, self.current_pA, frame.dwell_s, random.fold(key, 1))
        return signal, exposed.image_axes(batch)

    def _uneven(self, world: World, row: int, places: Floats) -> Floats:
        """Scattering of the support [n]: never below 0."""
        kx, ky, amplitude, phase = world.support[row].T
        sites = self.sample.sites()
        mean = float(np.sum(scattering_nm2(sites.species))) / float(np.prod(sites.extent_nm))
        waves = np.cos(2 * np.pi * (places[:, :1] * kx + places[:, 1:] * ky) + phase) @ amplitude
        return np.asarray(mean * np.maximum(float(amplitude.sum()) / 2 + waves, 0.0))

    def _diffraction(self, world: World, batch: RequestBatch, row: int, key: Keys) -> tuple[Floats, tuple[Axis, ...]]:
        place = np.asarray(column_of(batch, "position_nm")[row], dtype=np.float64) + self._shift_nm(world, row)
        half = np.full(2, _CAMERA_NM / 2)
        atoms, species, _, _ = self._atoms(world, row, place - half, place + half)
        near = np.all(np.abs(atoms - place) < half, axis=1)
        box = (_CAMERA_NM, _CAMERA_NM)
        phase = phase_of_atoms(self.column, atoms[near] - place, species[near], (_CAMERA_PX, _CAMERA_PX), box)
        bright, angle = pattern(self.column, world.aberrations_nm[row], phase, box, np.zeros(2))
        bright, angle = binned(bright, angle, int(shared(batch, "binning")))
        counts = self.detector.signal(bright, self.current_pA, float(shared(batch, "exposure_s")), key)
        return counts, (Axis("angle_y", "mrad", 1e3 * angle), Axis("angle_x", "mrad", 1e3 * angle))

    def _spectrum(self, world: World, batch: RequestBatch, row: int, key: Keys) -> tuple[Floats, tuple[Axis, ...]]:
        place = np.asarray(column_of(batch, "position_nm")[row], dtype=np.float64) + self._shift_nm(world, row)
        atoms, species, _, _ = self._atoms(world, row, place - 2.0, place + 2.0)
        energy, collection = self.column.energy_keV, self.spectrometer.collection_mrad
        edges = [name for name, edge in EDGES.items() if np.any(species == edge.species)]
        near = {name: seen_nm2(name, place, atoms, species, energy, collection) for name in edges}
        thickness = float(np.ptp(self.sample.sites().positions_nm[:, 2])) + 0.3
        mean = float(np.mean(species[species > 0])) if np.any(species) else 6.0
        one = spectrum(self.spectrometer, energy, thickness, mean, near)
        came = electrons(self.current_pA, float(shared(batch, "exposure_s")))
        return one.counts(came, key), (Axis("energy", "eV", self.spectrometer.loss_eV),)

    def _after(self, world: World, batch: RequestBatch, seconds: Floats) -> World:
        after = replace(world, clock_s=world.clock_s + seconds)
        if batch.kind == "Register":
            return replace(after, registered_nm=column_of(batch, "shift_nm").astype(np.float64))
        if batch.kind == "MoveStage":
            moved = world.stage_nm + column_of(batch, "shift_nm").astype(np.float64)[:, :2]
            return replace(after, stage_nm=moved, tilt_rad=self._tilted(world, batch))
        return after

    def _tilted(self, world: World, batch: RequestBatch) -> Floats:
        """Tilts [B, 2] after a movement; OutOfReach beyond 50 mrad, where the image model ends."""
        tilt = world.tilt_rad + column_of(batch, "tilt_rad").astype(np.float64)
        if np.any(np.abs(tilt) > _LARGEST_RAD):
            raise OutOfReach(f"still_sample tilts by at most {_LARGEST_RAD:g} rad")
        return np.asarray(tilt)
