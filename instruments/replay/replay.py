"""Recorded data as an instrument: it answers at the places and with the sweep that were recorded, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities
from instruments.cost import electrons
from instruments.errors import DataInvalid, NotSupported, OutOfReach
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.replay.choose import Choice
from instruments.replay.found import Wanted
from instruments.replay.place import locate
from instruments.replay.recording import Image, Recording, Spectra
from instruments.replay.resample import resample
from instruments.replay.source import Source, Structure
from instruments.replay.sweep import Sweep, sweep_of
from instruments.twins.reach import column, within
from physics_priors.bounds import Bounds, violations


@dataclass(frozen=True)
class World:
    """Where the probe is, [B, 2] nm: all that changes on recorded data."""

    probe_nm: NDArray[np.float64]


@dataclass(frozen=True)
class Replay:
    """A recording behind the seam. The same place asked twice gives the same values: noise was recorded once.

    What the recording does not hold is an argument: what waiting, travelling and dwelling would have cost. Every
    request costs settling, travel from the last place and its dwell; electrons flow only while dwelling, the beam is
    blanked else. With current_pA unknown on a STEM no electrons are booked and the calibration says so: dose limits
    are refused. The only scenario is `matched`: a recording is what it is.
    """

    changing: ClassVar[tuple[str, ...]] = ("probe_nm",)

    path: str
    family: Literal["STEM", "SPM"] = "SPM"
    dataset: str | None = None
    """Name of the data inside the file, where it holds several arrays."""
    axis_dataset: str | None = None
    x_dataset: str | None = None
    y_dataset: str | None = None
    """Names of the axes inside the file (beside a .npy), where it does not link them."""
    axis_name: str | None = None
    axis_unit: str | None = None
    """Name and unit of the spectral axis, where the file does not say; in V it is swept by BiasSpectroscopy."""
    value_name: str | None = None
    value_unit: str | None = None
    """Name and unit of what was measured, where the file does not say."""
    unit_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] | None = None
    """Length of one unit of the file's positions, where it gives none (then of a pixel) or a wrong one."""
    grid: tuple[int, int] | None = None
    """(rows, columns) of spectra that are kept as a flat list."""
    structure: Structure = "auto"
    """The structural image: what was recorded, if anything (auto); nothing; what was recorded, or an error (file); or
    the mean of every spectrum (mean), which stands for a map taken beforehand and reveals every place a little."""
    image_path: str | None = None
    image_dataset: str | None = None
    """The structural image, where it is in another file or does not say itself that it shows the same field."""
    settle_s: Annotated[float, Bounds("s", 0.0, 3600.0)] = 0.1
    travel_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 1000.0
    dwell_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 0.01
    """Of every bias step, or the exposure of a whole spectrum otherwise."""
    current_pA: Annotated[float, Bounds("pA", 0.0)] | None = None
    """Beam current; None takes what the file says, if it says anything."""
    force_nN: Annotated[float, Bounds("nN", 0.0)] = 0.0
    """Force of the tip while it travels in contact."""
    recording: Recording = field(init=False, repr=False, compare=False)
    capabilities: Capabilities = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        said = violations(self)
        if said:
            raise DataInvalid("; ".join(said))
        recording = self._source().load()
        object.__setattr__(self, "recording", recording)
        object.__setattr__(self, "capabilities", self._capabilities(recording))

    def describe(self) -> Capabilities:
        return self.capabilities

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        unknown = sorted(set(scenario) - {"name"})
        if unknown:
            raise DataInvalid(f"unknown scenario key {unknown[0]!r}; known: name")
        if scenario.get("name", "matched") != "matched":
            raise DataInvalid(f"a recording has no scenario {scenario['name']!r}: what was recorded is only 'matched'")
        return World(np.repeat(np.array([self.capabilities.field.center_nm]), len(keys), axis=0))

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        return self._price(world, batch, *self._ends(batch))

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        first, last = self._ends(batch)
        cost = self._price(world, batch, first, last)
        result = self._image(batch, cost) if batch.kind == "ScanImage" else self._spectrum(batch, cost)
        return replace(world, probe_nm=last), result

    def flawless(self) -> Replay:
        return self

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """The whole recorded map: values [rows, columns, n] and the places of `Sites`, [rows * columns, 2] nm."""
        spectra = self.recording.spectra
        if spectra is None:
            return {"images": {image.name: image.values for image in self.recording.images}}
        return {
            "kind": self._sweep().kind,
            "channel": spectra.name,
            "unit": spectra.unit,
            "axis": spectra.axis,
            "values": np.asarray(spectra.values, dtype=np.float64),
            "positions_nm": spectra.sites().positions_nm,
        }

    def _source(self) -> Source:
        choice = Choice(
            dataset=self.dataset,
            axis_name=self.axis_name,
            axis_unit=self.axis_unit,
            value_name=self.value_name,
            value_unit=self.value_unit,
            unit_nm=self.unit_nm,
            grid=_pair(self.grid),
        )
        wanted = Wanted(self.dataset, self.axis_dataset, self.x_dataset, self.y_dataset)
        return Source(self.path, wanted, choice, self.structure, self.image_path, self.image_dataset)

    def _capabilities(self, recording: Recording) -> Capabilities:
        channels: dict[str, dict[str, str]] = {}
        settings: dict[str, Mapping[str, float]] = {}
        if recording.spectra is not None:
            sweep = sweep_of(recording.spectra.axis, self.dwell_s)
            channels[sweep.kind] = {recording.spectra.name: recording.spectra.unit}
            settings[sweep.kind] = sweep.settings
        if recording.images:
            channels["ScanImage"] = {image.name: image.unit for image in recording.images}
        return Capabilities(
            name=f"replay of {locate(self.path).name}",
            family=self.family,
            simulated=False,
            requests=frozenset(channels),
            field=recording.field(),
            channels=channels,
            calibration=self._calibration(recording),
            sites=None if recording.spectra is None else recording.spectra.sites(),
            settings=settings,
            episodes=True,
        )

    def _calibration(self, recording: Recording) -> Calibration:
        if self.current_pA is None:
            return recording.calibration
        return replace(recording.calibration, current_pA=self.current_pA)

    def _sweep(self) -> Sweep:
        if self.recording.spectra is None:
            raise NotSupported(f"{self.capabilities.name} holds no spectra")
        return sweep_of(self.recording.spectra.axis, self.dwell_s)

    def _ends(self, batch: RequestBatch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where a request begins and where it leaves the probe, [B, 2] nm each; refuses what was not recorded."""
        within(self.capabilities, batch)
        if batch.kind == "ScanImage":
            _unrotated(batch)
            center, half = column(batch, "center_nm").astype(float), column(batch, "size_nm").astype(float) / 2
            return center - half, center + half
        self._same_sweep(batch)
        place = self._places(batch)
        return place, place

    def _same_sweep(self, batch: RequestBatch) -> None:
        for name, recorded in self.capabilities.settings[batch.kind].items():
            asked = column(batch, name).astype(float)
            if not np.allclose(asked, recorded, rtol=1e-6, atol=1e-9):
                fixed = ", ".join(f"{n}={v:g}" for n, v in self.capabilities.settings[batch.kind].items())
                said = f"{self.capabilities.name} holds one sweep only, {fixed}"
                raise OutOfReach(f"{said}; asked for {name}={asked[0]:g}")

    def _places(self, batch: RequestBatch) -> NDArray[np.float64]:
        spectra, (rows, cols) = self._nearest(batch)
        return np.stack([spectra.x_nm[cols], spectra.y_nm[rows]], axis=1)

    def _nearest(self, batch: RequestBatch) -> tuple[Spectra, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        spectra = self.recording.spectra
        if spectra is None:
            raise NotSupported(f"{self.capabilities.name} holds no spectra")
        return spectra, spectra.nearest(column(batch, "position_nm").astype(float))

    def _price(
        self, world: World, batch: RequestBatch, first: NDArray[np.float64], last: NDArray[np.float64]
    ) -> CostBatch:
        path_nm = np.linalg.norm(first - world.probe_nm, axis=1)
        bias_V = np.zeros(batch.rows)
        if batch.kind == "ScanImage":
            rows, columns = batch.shared["shape"]
            dwell_s = rows * columns * column(batch, "dwell_s").astype(float)
            scanned_nm = rows * column(batch, "size_nm")[:, 0].astype(float)
        else:
            sweep = self._sweep()
            dwell_s, scanned_nm = np.full(batch.rows, sweep.seconds), np.zeros(batch.rows)
            bias_V = np.full(batch.rows, sweep.mean_bias_V)
        seconds = self.settle_s + path_nm / self.travel_nm_s + dwell_s
        contact = (path_nm + scanned_nm) * (self.force_nN if self.family == "SPM" else 0.0)
        return CostBatch(seconds, dwell_s * self._electrons_per_s(), contact, bias_V * dwell_s)

    def _electrons_per_s(self) -> float:
        current_pA = self.capabilities.calibration.current_pA
        return 0.0 if self.family == "SPM" or current_pA is None else electrons(current_pA, 1.0)

    def _spectrum(self, batch: RequestBatch, cost: CostBatch) -> ResultBatch:
        spectra, (rows, cols) = self._nearest(batch)
        values = spectra.at(rows, cols)
        name, place = spectra.name, np.stack([spectra.x_nm[cols], spectra.y_nm[rows]], axis=1)
        done = np.asarray(np.isfinite(values).any(axis=1))
        return ResultBatch(batch.kind, {name: values}, {name: spectra.unit}, {name: (spectra.axis,)}, done, cost, place)

    def _image(self, batch: RequestBatch, cost: CostBatch) -> ResultBatch:
        center, size = column(batch, "center_nm").astype(float), column(batch, "size_nm").astype(float)
        rows, columns = shape = tuple(batch.shared["shape"])
        asked = batch.shared.get("channels") or tuple(self.capabilities.channels["ScanImage"])
        images = [image for image in self.recording.images if image.name in asked]
        values = {i.name: _windows(i, center, size, shape) for i in images}
        axes = (_pixels("y", center[0, 1], size[0, 1], rows), _pixels("x", center[0, 0], size[0, 0], columns))
        done = np.array([any(bool(np.isfinite(v[b]).any()) for v in values.values()) for b in range(batch.rows)])
        units = {image.name: image.unit for image in images}
        return ResultBatch(batch.kind, values, units, {i.name: axes for i in images}, done, cost, center)


def _pair(grid: Any) -> tuple[int, int] | None:
    if grid is None:
        return None
    rows, columns = (int(n) for n in grid)
    if rows < 1 or columns < 1:
        raise DataInvalid(f"grid=({rows}, {columns}) must be two positive numbers, rows and columns")
    return rows, columns


def _windows(
    image: Image, center_nm: NDArray[np.float64], size_nm: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    return np.stack([resample(image, c, s, shape) for c, s in zip(center_nm, size_nm, strict=True)])


def _unrotated(batch: RequestBatch) -> None:
    if np.any(column(batch, "rotation_rad").astype(float) != 0):
        raise NotSupported("a recorded image cannot be rotated: ask for rotation_rad=0")


def _pixels(name: str, center_nm: float, size_nm: float, number: int) -> Axis:
    return Axis(name, "nm", center_nm + size_nm * ((np.arange(number) + 0.5) / number - 0.5))
