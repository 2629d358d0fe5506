"""A ferroelectric film under a piezoresponse force microscope: the embedded default, and the twin to read first.

The sample (`domains`) is a labyrinth of up and down domains. Its image shows the domains, their walls, and an amplitude
that shares part of a hidden smooth field; hysteresis loops (`hysteresis`) depend on the closeness of a wall, on the
polarity and on the hidden field. So the image tells something about the loops, position tells something (the hidden
field is smooth), and neither is enough alone.

What a prior that matches does not know, each switched off by its argument at 0: drift of the sample (`drift_nm_s`,
linear, then bounded), loops whose fit failed (`failure_rate`: spikes, or garbage 10 to 500 times too big), the tip's
blur (`blur_nm`), noise (`noise_pm`, fresh at every acquisition).

Scenarios: `matched` draws the hidden parameters from `domains.HIDDEN`; `shifted` draws each of them from more than
three standard deviations outside; `misspecified` keeps the matched ones and adds terms: injected charge draws a loop of
its own over the ferroelectric one (`charge_pm`), and a network of grain boundaries weakens the response (`grain_loss`).

Not modelled: a loop leaves the film as it was, and there is one response at each bias, not one with the field on and
one with it off. Outside of the field the sample repeats itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import numpy as np

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins import hysteresis
from instruments.twins.domains import Floats, Sample, Waves, draw
from instruments.twins.failures import fail
from instruments.twins.hysteresis import LoopParameters
from instruments.twins.raster import Visit, pixel_centers, points, read, visit_line, visit_place, visit_raster
from instruments.twins.reach import column, shared, within
from instruments.twins.scenario import scenario_name
from physics_priors.bounds import Bounds, violations

IMAGE: Final = {"amplitude": "pm", "phase": "rad", "piezoresponse": "pm", "height": "nm"}
LOOP: Final = {"piezoresponse": "pm"}
Signals = tuple[dict[str, Floats], tuple[Axis, ...]]
_REFERENCE_DWELL_S: Final = 1e-3
_MARGIN_NM: Final = 100.0


@dataclass(frozen=True)
class World:
    """B films: `loops` [B, 8, N, N] in the order of LoopParameters' fields, `images` [B, 2, N, N] pm and nm."""

    clock_s: Floats
    probe_nm: Floats
    registered_nm: Floats
    """Where the sample frame was declared to lie in the scanner's, [B, 2]."""
    heading: Floats
    """Unit vector [B, 2] of the drift."""
    loops: Floats
    images: Floats
    polarisation: Floats
    parameters: dict[str, Floats]
    """Hidden parameters [B] by name, see `domains.HIDDEN`."""


@dataclass(frozen=True)
class FerroelectricFilm:
    """A square film seen by PFM; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = ("clock_s", "probe_nm", "registered_nm")

    field_nm: Annotated[float, Bounds("nm", 100.0, 1e5)] = 2000.0
    grid: Annotated[int, Bounds("pixels", 8, 1024)] = 64
    """Pixels a side of the hidden maps and of `truth`."""
    noise_pm: Annotated[float, Bounds("pm", 0.0)] = 3.0
    """Standard deviation of each quadrature at a dwell of 1 ms; it falls with the root of the dwell."""
    blur_nm: Annotated[float, Bounds("nm", 0.0)] = 25.0
    likeness: Annotated[float, Bounds("", -1.0, 1.0)] = 0.6
    """Correlation of the image's amplitude with the hidden field."""
    failure_rate: Annotated[float, Bounds("", 0.0, 1.0)] = 0.05
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 10.0)] = 0.05
    drift_limit_nm: Annotated[float, Bounds("nm", 0.0, _MARGIN_NM)] = 60.0
    charge_pm: Annotated[float, Bounds("pm", 0.0)] = 5.0
    grain_loss: Annotated[float, Bounds("", 0.0, 1.0)] = 0.6
    travel_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 2000.0
    settle_s: Annotated[float, Bounds("s", 0.0)] = 0.1
    flyback_s: Annotated[float, Bounds("s", 0.0)] = 0.01
    setpoint_nN: Annotated[float, Bounds("nN", 0.0)] = 50.0
    conditioning_cycles: Annotated[int, Bounds("cycles", 0, 10)] = 1
    """Bias cycles before the recorded ones, as practice is; with 0 a loop begins in the as-grown state."""
    sweep_V: Annotated[float, Bounds("V", 0.0, 20.0, open_low=True)] = 8.0
    """Half range of the sweep that `truth` speaks of."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("FerroelectricFilm: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        volts = Bounds("V", -20.0, 20.0)
        return Capabilities(
            name="ferroelectric_film",
            family="SPM",
            simulated=True,
            requests=frozenset({"ScanImage", "LineScan", "BiasSpectroscopy", "Register"}),
            field=Field((0.0, 0.0), (self.field_nm, self.field_nm)),
            channels={"ScanImage": IMAGE, "LineScan": IMAGE, "BiasSpectroscopy": LOOP, "Register": {}},
            calibration=Calibration(flyback_s=self.flyback_s),
            limits={
                "low_V": volts,
                "high_V": volts,
                "dwell_s": Bounds("s", 1e-5, 10.0),
                "shift_nm": Bounds("nm", -_MARGIN_NM, _MARGIN_NM),
            },
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        own = random.fold(keys, 0)
        sample = draw(random.fold(own, 0), self.grid, self.field_nm, self.likeness, scenario_name(scenario))
        angle = 2 * np.pi * random.uniform(random.fold(own, 1), 1)[:, 0]
        return World(
            clock_s=np.zeros(len(keys)),
            probe_nm=np.zeros((len(keys), 2)),
            registered_nm=np.zeros((len(keys), 2)),
            heading=np.stack([np.cos(angle), np.sin(angle)], axis=1),
            loops=self._loop_maps(sample),
            images=self._image_maps(sample),
            polarisation=sample.polarisation,
            parameters=sample.parameters,
        )

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        return self._cost(world, self._visit(world, batch))

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        within(self.describe(), batch)
        visit = self._visit(world, batch)
        cost = self._cost(world, visit)
        material_px = self._material_px(world, visit, world.clock_s + cost.seconds - visit.busy_s)
        values, axes = self._measure(world, batch, material_px, keys)
        units = {name: self.describe().channels[batch.kind][name] for name in values}
        after = replace(world, clock_s=world.clock_s + cost.seconds, probe_nm=visit.places_nm[:, -1].copy())
        if batch.kind == "Register":
            after = replace(after, registered_nm=np.array(column(batch, "shift_nm"), dtype=np.float64))
        done, where = np.ones(batch.rows, dtype=bool), visit.places_nm.mean(axis=1)
        return after, ResultBatch(batch.kind, values, units, dict.fromkeys(values, axes), done, cost, where)

    def flawless(self) -> FerroelectricFilm:
        return replace(self, noise_pm=0.0, failure_rate=0.0, drift_nm_s=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """Noise-free maps [grid, grid] in the sample frame, for steady sweeps of +-sweep_V in 64 points."""
        loop = LoopParameters(*world.loops[row].reshape(len(world.loops[row]), -1))
        bias_V = hysteresis.staircase(-self.sweep_V, self.sweep_V, 64, 2)
        response = hysteresis.response(loop, bias_V)[:, 64:]
        maps = {
            "loop_area": hysteresis.area(bias_V[64:], response),
            "coercive_V": (loop.rise_V - loop.fall_V) / 2,
            "imprint_V": (loop.rise_V + loop.fall_V) / 2,
            "remanence_pm": hysteresis.remanence(loop),
            "domains": np.sign(world.polarisation[row]),
        }
        shaped = {name: values.reshape(self.grid, self.grid) for name, values in maps.items()}
        return {
            **shaped,
            "loops_pm": response.reshape(self.grid, self.grid, 64),
            "bias_V": bias_V[64:],
            "drift_nm": self._drift(world, world.clock_s[:, None])[row, 0],
            "parameters": {name: float(values[row]) for name, values in world.parameters.items()},
        }

    def _loop_maps(self, sample: Sample) -> Floats:
        theta = {name: value[:, None, None] for name, value in sample.parameters.items()}
        coercive_V = theta["coercive_V"] * np.exp(
            theta["hardening"] * sample.hidden - theta["wall_softening"] * sample.wall
        )
        imprint_V = theta["imprint_V"] * sample.polarisation + 0.1 * sample.hidden
        amplitude_pm = theta["amplitude_pm"] * np.exp(0.15 * sample.hidden) * (1 - theta["wall_closing"] * sample.wall)
        loop = LoopParameters(
            up=(1 + sample.polarisation) / 2,
            rise_V=imprint_V + coercive_V,
            fall_V=imprint_V - coercive_V,
            width_V=0.3 * coercive_V,
            amplitude_pm=amplitude_pm * (1 - self.grain_loss * sample.grains),
            offset_pm=0.1 * amplitude_pm * sample.polarisation,
            charge_pm=self.charge_pm * sample.charge,
            slope_pm_V=np.broadcast_to(theta["slope_pm_V"], coercive_V.shape),
        )
        return np.stack([getattr(loop, name) for name in LoopParameters.__dataclass_fields__], axis=1)

    def _image_maps(self, sample: Sample) -> Floats:
        amplitude_pm = sample.parameters["amplitude_pm"][:, None, None] * np.exp(0.25 * sample.visible)
        response_pm = amplitude_pm * sample.polarisation * (1 - self.grain_loss * sample.grains)
        waves = Waves(self.grid, self.field_nm)
        tip = waves.hump(np.full(len(response_pm), self.blur_nm))
        height_nm = 0.5 * sample.rough - 2.0 * sample.grains
        return np.stack([waves.apply(response_pm, tip), waves.apply(height_nm, tip)], axis=1)

    def _visit(self, world: World, batch: RequestBatch) -> Visit:
        if batch.kind == "ScanImage":
            return visit_raster(batch, self.settle_s, self.flyback_s)
        if batch.kind == "LineScan":
            return visit_line(batch, self.settle_s)
        if batch.kind == "BiasSpectroscopy":
            bias_V = self._bias(batch, self.conditioning_cycles)
            return visit_place(points(batch, "position_nm"), self.settle_s, shared(batch, "dwell_s"), bias_V)
        return visit_place(world.probe_nm[:, None], 0.0, 0.0, np.zeros(0))

    def _cost(self, world: World, visit: Visit) -> CostBatch:
        travel_nm = np.linalg.norm(visit.places_nm[:, 0] - world.probe_nm, axis=1)
        contact = (visit.path_nm + travel_nm) * self.setpoint_nN
        seconds = visit.busy_s + travel_nm / self.travel_nm_s
        return CostBatch(seconds, np.zeros(len(travel_nm)), contact, np.full(len(travel_nm), visit.bias_V_s))

    def _material_px(self, world: World, visit: Visit, arrival_s: Floats) -> Floats:
        """What really lies under the tip [B, K, 2]: drift moves the sample, registration follows it."""
        drift = self._drift(world, arrival_s[:, None] + visit.times_s)
        material_nm = visit.places_nm + world.registered_nm[:, None] - drift
        return np.asarray((material_nm / self.field_nm + 0.5) * self.grid - 0.5)

    def _drift(self, world: World, time_s: Floats) -> Floats:
        """Where the sample frame lies in the scanner's, [B, K, 2] nm at times [B, K]."""
        length = np.minimum(self.drift_nm_s * time_s, self.drift_limit_nm)
        return np.asarray(length[..., None] * world.heading[:, None])

    def _measure(self, world: World, batch: RequestBatch, material_px: Floats, keys: Keys) -> Signals:
        if batch.kind == "Register":
            return {}, ()
        if batch.kind == "BiasSpectroscopy":
            return self._loops(world, batch, material_px, keys)
        return self._image(world, batch, material_px, keys)

    def _image(self, world: World, batch: RequestBatch, material_px: Floats, keys: Keys) -> Signals:
        response, height = np.moveaxis(read(world.images, material_px), 1, 0)
        noise = random.normal(keys, 3 * response.shape[1]).reshape(batch.rows, 3, -1)
        deviation = self._noise_sd_pm(batch)
        in_phase, quadrature = response + deviation * noise[:, 0], deviation * noise[:, 1]
        found = {
            "amplitude": np.hypot(in_phase, quadrature),
            "phase": _phase(in_phase, quadrature),
            "piezoresponse": in_phase,
            "height": height + 0.05 * noise[:, 2],
        }
        axes = _image_axes(batch)
        shape = (batch.rows, *(len(axis.values) for axis in axes))
        wanted = batch.shared["channels"] or tuple(found)
        return {name: found[name].reshape(shape) for name in wanted}, axes

    def _loops(self, world: World, batch: RequestBatch, material_px: Floats, keys: Keys) -> Signals:
        loop = LoopParameters(*np.moveaxis(read(world.loops, material_px)[:, :, 0], 1, 0))
        recorded_V = self._bias(batch, 0)
        clean = hysteresis.response(loop, self._bias(batch, self.conditioning_cycles))[:, -len(recorded_V) :]
        noisy = clean + self._noise_sd_pm(batch) * random.normal(keys, len(recorded_V))
        loops = fail(noisy, loop.amplitude_pm, self.failure_rate, random.fold(keys, 1))
        return {"piezoresponse": loops}, (Axis("bias", "V", recorded_V),)

    def _bias(self, batch: RequestBatch, conditioning_cycles: int) -> Floats:
        low, high, count, cycles = (shared(batch, name) for name in ("low_V", "high_V", "points", "cycles"))
        return hysteresis.staircase(low, high, count, cycles + conditioning_cycles)

    def _noise_sd_pm(self, batch: RequestBatch) -> float:
        return float(self.noise_pm * np.sqrt(_REFERENCE_DWELL_S / shared(batch, "dwell_s")))


def _phase(in_phase: Floats, quadrature: Floats) -> Floats:
    """Phase from -pi/2 to 3 pi/2, so that neither polarity, 0 or pi, lies at the seam."""
    phase = np.arctan2(quadrature, in_phase)
    return np.where(phase < -np.pi / 2, phase + 2 * np.pi, phase)


def _image_axes(batch: RequestBatch) -> tuple[Axis, ...]:
    """Axes of an image relative to its centre, and of a line from its start, in nm."""
    if batch.kind == "LineScan":
        length = np.linalg.norm(points(batch, "end_nm") - points(batch, "start_nm"), axis=2)
        return (Axis("along", "nm", np.linspace(0.0, float(length[0, 0]), shared(batch, "points"))),)
    (width, height), (rows, columns) = shared(batch, "size_nm"), shared(batch, "shape")
    return Axis("y", "nm", pixel_centers(height, rows)), Axis("x", "nm", pixel_centers(width, columns))
