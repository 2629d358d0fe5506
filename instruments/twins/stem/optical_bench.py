"""A probe corrector to be tuned: heavy atoms on a thin amorphous film, dark-field images, Ronchigrams, and lenses.

What an operator does not know, each switched off by its argument at 0: gains, play, drift and image shift of the lenses
(`lenses`), drift of the sample (`drift_nm_s`), the scan's distortions, and aberrations that no lens of the task can
reach. Noise is fresh in every frame.

Scenarios: `matched` starts from |C1| and |A1| of 60 to 120 nm and residual aberrations of the sizes of
`lenses.RESIDUAL_NM`; `shifted` from 120 to 180 nm and twice those; `misspecified` as matched, but its lenses have five
times the play and drift, and the source is half as large again as the calibration says.

Not modelled: damage (the sample is a test object), contamination, chromatic aberration, and the thickness of the film.
The sample repeats outside of its field.
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
from instruments.twins.stem.camera import binned, film_phase, pattern, phase_of_atoms
from instruments.twins.stem.canvas import canvas_of_period
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.eels import Spectrometer, spectrum
from instruments.twins.stem.lenses import CHANGING, Lenses, LensState, begin, drawn_start, turned_to, waited
from instruments.twins.stem.render import Scene, scattering_nm2, scene
from instruments.twins.stem.scan import NONE, Distortions, raster
from physics_priors.bounds import Bounds, violations
from physics_priors.optics.aberrations import INDEX, NAMES, ROUND, TYPICAL_NM, Complexes
from physics_priors.optics.probe import Column
from physics_priors.optics.quality import rms_phase_rad, strehl

Floats = NDArray[np.float64]
_GOLD: Final = 79
_CARBON_NM3: Final = 100.0
"""Atoms of amorphous carbon in a cubic nanometre."""
_FILM_PX: Final = 640
_RANGE: Final = 500.0
"""Lenses reach this many times `TYPICAL_NM` to both sides of their start."""


@dataclass(frozen=True)
class World(LensState):
    """B columns with their lenses and samples."""

    clock_s: Floats
    registered_nm: Floats
    """Where the sample frame was declared to lie in the scanner's, [B, 2]."""
    heading_nm_s: Floats
    """Drift of the sample, [B, 2]."""
    atoms_nm: Floats
    """Gold atoms [B, N, 2]."""
    film: NDArray[np.float32]
    """Standard normal numbers [B, rows, columns] that make the film."""
    worse: NDArray[np.bool_]
    """Whose source and lenses are worse than an operator expects, [B]."""


@dataclass(frozen=True)
class OpticalBench:
    """The twin; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = ("clock_s", "registered_nm", *CHANGING)

    column: Column = field(default_factory=Column)
    lenses: Lenses = field(default_factory=Lenses)
    distortions: Distortions = field(default_factory=Distortions)
    detector: Detector = field(default_factory=Detector)
    spectrometer: Spectrometer = field(default_factory=Spectrometer)
    field_nm: Annotated[float, Bounds("nm", 8.0, 60.0)] = 20.0
    """Side of the sample, which repeats."""
    current_pA: Annotated[float, Bounds("pA", 0.0, 1000.0, open_low=True)] = 50.0
    atoms_nm2: Annotated[float, Bounds("1/nm^2", 0.0, 20.0)] = 1.0
    """Gold atoms on the film."""
    film_nm: Annotated[float, Bounds("nm", 0.0, 20.0)] = 3.0
    """Thickness of the amorphous carbon."""
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 1.0)] = 0.002
    flyback_s: Annotated[float, Bounds("s", 0.0, 1.0)] = 60e-6
    settle_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.5
    """Time that a change of lenses takes."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("OpticalBench: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        return Capabilities(
            name="optical_bench",
            family="STEM",
            simulated=True,
            requests=frozenset({"ScanImage", "CameraFrame", "PointSpectrum", "SetAberrations", "Register"}),
            field=Field((0.0, 0.0), (self.field_nm, self.field_nm)),
            channels={
                "ScanImage": {"dark_field": "counts"},
                "CameraFrame": {"ronchigram": "counts"},
                "PointSpectrum": {"energy_loss": "counts"},
                "SetAberrations": {},
                "Register": {},
            },
            calibration=exposed.calibration(self),
            limits={
                "dwell_s": Bounds("s", 1e-7, 1e-2),
                "exposure_s": Bounds("s", 1e-4, 100.0),
                "shift_nm": Bounds("nm", -self.field_nm, self.field_nm),
            },
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name = scenario_name(scenario)
        worse = np.full(len(keys), name == "misspecified")
        scale, coarse_nm = (2.0, (120.0, 180.0)) if name == "shifted" else (1.0, (60.0, 120.0))
        start = drawn_start(random.fold(keys, 1), scale, coarse_nm)
        lenses = begin(self._lenses(name == "misspecified"), start, random.fold(keys, 2))
        return World(
            **{name: getattr(lenses, name) for name in LensState.__dataclass_fields__},
            clock_s=np.zeros(len(keys)),
            registered_nm=np.zeros((len(keys), 2)),
            heading_nm_s=self.drift_nm_s * random.normal(random.fold(keys, 3), 2),
            atoms_nm=self._atoms(random.fold(keys, 4)),
            film=random.normal(random.fold(keys, 5), _FILM_PX**2).reshape(-1, _FILM_PX, _FILM_PX).astype(np.float32),
            worse=worse,
        )

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        if batch.kind == "SetAberrations":
            self._asked(world, batch)
        return exposed.cost(self, batch, {"SetAberrations": self.settle_s, "Register": 0.0})

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        cost = self.price(world, batch)
        values, axes, place = self._measure(world, batch, keys)
        result = ResultBatch(
            batch.kind,
            values,
            dict.fromkeys(values, "counts"),
            dict.fromkeys(values, axes),
            np.ones(batch.rows, dtype=bool),
            cost,
            place,
        )
        return self._after(world, batch, cost.seconds, random.fold(keys, 2)), result

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        values = world.aberrations_nm[row]
        return {
            "aberrations_nm": values,
            "strehl": float(strehl(self.column, values)),
            "rms_phase_rad": float(rms_phase_rad(self.column, values)),
            "atoms_nm": world.atoms_nm[row],
        }

    def flawless(self) -> OpticalBench:
        return replace(self, lenses=Lenses(0.0, 0.0, 0.0, 0.0, 0.0), distortions=NONE, drift_nm_s=0.0)

    def _lenses(self, worse: bool) -> Lenses:
        own = self.lenses
        return replace(own, play_nm=5 * own.play_nm, drift_nm_s=5 * own.drift_nm_s) if worse else own

    def _column(self, world: World, row: int) -> Column:
        return replace(self.column, source_nm=1.5 * self.column.source_nm) if world.worse[row] else self.column

    def _atoms(self, keys: Keys) -> Floats:
        count = max(1, round(self.atoms_nm2 * self.field_nm**2))
        return self.field_nm * (random.uniform(keys, 2 * count).reshape(len(keys), count, 2) - 0.5)

    def _measure(
        self, world: World, batch: RequestBatch, keys: Keys
    ) -> tuple[dict[str, Floats], tuple[Axis, ...], Floats]:
        if batch.kind == "ScanImage":
            center = column_of(batch, "center_nm").astype(np.float64)
            images = [self._image(world, batch, row, keys[row : row + 1]) for row in range(batch.rows)]
            return {"dark_field": np.stack(images)}, exposed.image_axes(batch), center
        if batch.kind == "CameraFrame":
            seen = [self._ronchigram(world, batch, row, keys[row : row + 1]) for row in range(batch.rows)]
            axis = np.asarray(1e3 * seen[0][1])
            place = column_of(batch, "position_nm").astype(np.float64)
            axes = (Axis("angle_y", "mrad", axis), Axis("angle_x", "mrad", axis))
            return {"ronchigram": np.stack([counts for counts, _ in seen])}, axes, place
        if batch.kind == "PointSpectrum":
            place = column_of(batch, "position_nm").astype(np.float64)
            energies = (Axis("energy", "eV", self.spectrometer.loss_eV),)
            return {"energy_loss": self._spectra(batch, keys)}, energies, place
        return {}, (), np.full((batch.rows, 2), np.nan)

    def _spectra(self, batch: RequestBatch, keys: Keys) -> Floats:
        """Spectra [B, channels] of the film, which is the same everywhere; gold has no edge in range."""
        seen = {"C K": _CARBON_NM3 * self.film_nm}
        one = spectrum(self.spectrometer, self.column.energy_keV, self.film_nm, 6.0, seen)
        came = electrons(self.current_pA, float(shared(batch, "exposure_s")))
        return np.stack([one.counts(came, keys[row : row + 1]) for row in range(batch.rows)])

    def _beam_shift_nm(self, world: World, row: int) -> Floats:
        """What is added to a place that is asked for, to get the place on the sample."""
        drifted = world.clock_s[row] * world.heading_nm_s[row]
        return np.asarray(world.registered_nm[row] + world.image_shift_nm[row] - drifted)

    def _image(self, world: World, batch: RequestBatch, row: int, key: Keys) -> Floats:
        frame = batch.row(row)
        assert isinstance(frame, ScanImage)
        shift = self._beam_shift_nm(world, row)
        lines = raster(frame, self.distortions, shift, -world.heading_nm_s[row], self.flyback_s, random.fold(key, 0))
        places = lines.places_nm()
        fraction = self._scene(world, row).at(places.reshape(-1, 2)).reshape(frame.shape)
        return self.detector.signal(fraction, self.current_pA, frame.dwell_s, random.fold(key, 1))

    def _scene(self, world: World, row: int) -> Scene:
        """Gold atoms and the film, which is a uniform background, on one period of the sample."""
        column, side = self._column(world, row), self.field_nm
        canvas = canvas_of_period(column, (side, side))
        atoms = world.atoms_nm[row]
        strength = scattering_nm2(np.full(len(atoms), _GOLD))
        made = scene(
            canvas, atoms, strength, np.full(len(atoms), 0.007), column, world.aberrations_nm[row], (side, side)
        )
        film = _CARBON_NM3 * self.film_nm * float(scattering_nm2(np.array(6)))
        return Scene(canvas, made.coefficients + film)

    def _ronchigram(self, world: World, batch: RequestBatch, row: int, key: Keys) -> tuple[Floats, Floats]:
        column, side = self._column(world, row), (self.field_nm, self.field_nm)
        phase = film_phase(column, world.film[row].astype(np.float64), self.film_nm, side, _CARBON_NM3)
        gold = np.full(world.atoms_nm.shape[1], _GOLD)
        phase = phase + phase_of_atoms(column, world.atoms_nm[row], gold, (_FILM_PX, _FILM_PX), side)
        place = np.asarray(column_of(batch, "position_nm")[row], dtype=np.float64) + self._beam_shift_nm(world, row)
        bright, angle = pattern(column, world.aberrations_nm[row], phase, side, place)
        bright, angle = binned(bright, angle, int(shared(batch, "binning")))
        return self.detector.signal(bright, self.current_pA, float(shared(batch, "exposure_s")), key), angle

    def _after(self, world: World, batch: RequestBatch, seconds: Floats, keys: Keys) -> World:
        if batch.kind == "Register":
            return replace(world, registered_nm=column_of(batch, "shift_nm").astype(np.float64))
        kind = self._lenses(bool(world.worse.any()))
        if batch.kind == "SetAberrations":
            world = turned_to(kind, world, self._asked(world, batch))
        return replace(waited(kind, world, seconds, keys), clock_s=world.clock_s + seconds)

    def _asked(self, world: World, batch: RequestBatch) -> Complexes:
        """What the lenses shall be set to since the start, [B, 14]; OutOfReach beyond their range."""
        names = shared(batch, "names")
        values = column_of(batch, "values_nm").astype(np.float64)
        asked = world.asked_nm.copy()
        for place, name in enumerate(names):
            step = values[:, place, 0] + 1j * values[:, place, 1]
            asked[:, INDEX[name]] = step + (asked[:, INDEX[name]] if shared(batch, "relative") else 0.0)
        asked = np.where(ROUND, asked.real + 0j, asked)
        over = np.abs(asked) > _RANGE * TYPICAL_NM
        if over.any():
            worst = NAMES[int(np.argmax(over.any(axis=0)))]
            most = _RANGE * TYPICAL_NM[INDEX[worst]]
            raise OutOfReach(f"optical_bench: {worst} can be set to at most {most:g} nm from its start")
        return asked
