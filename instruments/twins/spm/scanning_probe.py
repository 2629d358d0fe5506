"""A ferroelectric surface under a scanning probe: the tip reads it, and writes it.

The polarisation of the sample obeys the scaled Landau-Ginzburg-Devonshire equation of physics sheet 5.2 (2-4 energy
with gradient term) with random fields, soft and dead grains, and a depolarisation that screening charge takes away
slowly.
The tip's field has the shape of `tip_shape`; pulses and paths write domains that later scans see, and so does any
spectroscopy with enough bias. Coercive voltages are effective ones: those of a homogeneous crystal are 10 to 100 times
too high (caution 12).

What a scaled Landau prior does not know, each switched off by its argument at 0: random fields (`disorder`), dead and
soft grains (`dead_share`, `soft_share`), depolarisation and screening (`depolarisation`), injected charge
(`injection`), the electrostatic response (`electrostatic`), drift (`drift_nm_s`), creep (`creep`) and hysteresis
(`hysteresis`) of the scanner, the height loop's noise (`height_noise_nm`) and line noise (`line_noise_nm`), and what
`electronics` adds. Tip convolution and the height loop's lag are always there, as are the lever's resonance and its
shift with stiffness and topography.

Scenarios: `matched` draws the hidden parameters from `sample.HIDDEN`; `shifted` draws each of them from more than three
standard deviations outside; `misspecified` keeps the matched ones with twice the share of dead and of soft grains,
three times the injected charge, and slow ions (`ionic`) whose strain follows the bias late and draws a loop of its own.

Not modelled: in-plane polarisation, writing by force or by the ac drive, wear, adhesion and capillaries, walls that go
on moving for longer than `rest_steps` after a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.errors import InvalidRequest, OutOfReach
from instruments.keys import Keys
from instruments.twins.domains import Floats
from instruments.twins.reach import within
from instruments.twins.scenario import scenario_name
from instruments.twins.spm import settings, spectra
from instruments.twins.spm.events import KINDS as BIASED
from instruments.twins.spm.events import Events
from instruments.twins.spm.imaging import TOPOGRAPHY, Loop
from instruments.twins.spm.lever import drive_of
from instruments.twins.spm.plan import SCANS, Plan, plan_of
from instruments.twins.spm.probing import Probe, Visit
from instruments.twins.spm.sample import TIPS, Look, draw
from instruments.twins.spm.scanner import Scanner
from instruments.twins.spm.signals.electronics import Electronics
from instruments.twins.spm.signals.lock_in import SingleFrequency
from instruments.twins.spm.signals.mode import Mode
from instruments.twins.spm.world import AMPLITUDE_V, CHANGING, SETPOINT_NN, World
from physics_priors.bounds import Bounds, violations

_MARGIN_NM = 100.0
_RATE = Bounds("Hz", 0.0, 1e6)


@dataclass(frozen=True)
class ScanningProbe:
    """A square, written and read by a tip; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = CHANGING

    field_nm: Annotated[float, Bounds("nm", 200.0, 1e5)] = 800.0
    grid: Annotated[int, Bounds("pixels", 16, 128)] = 80
    """Pixels a side of the hidden maps and of `truth`."""
    grown: Literal["poled", "labyrinth"] = "poled"
    period_nm: Annotated[float, Bounds("nm", 50.0, 1e4)] = 400.0
    """Of the labyrinth of domains that a film grows with."""
    wall_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 4.5
    """Half width delta of a wall. Walls thinner than a pixel are pinned by the grid, in place of finer defects."""
    tip_shape: Literal["sphere", "disc", "lorentzian"] = "sphere"
    tip_radius_nm: Annotated[float, Bounds("nm", 1.0, 500.0)] = 30.0
    roughness_nm: Annotated[float, Bounds("nm", 0.0)] = 1.0
    disorder: Annotated[float, Bounds("", 0.0, 10.0)] = 1.0
    depolarisation: Annotated[float, Bounds("", 0.0, 0.9)] = 0.05
    dead_share: Annotated[float, Bounds("", 0.0, 0.4)] = 0.04
    soft_share: Annotated[float, Bounds("", 0.0, 0.4)] = 0.08
    injection: Annotated[float, Bounds("", 0.0, 5.0)] = 1.0
    electrostatic: Annotated[float, Bounds("", 0.0, 10.0)] = 1.0
    ionic: Annotated[float, Bounds("", 0.0, 10.0)] = 1.0
    """disorder, injection, electrostatic and ionic multiply the sample's own; only a misspecified one has ions."""
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 10.0)] = 0.02
    drift_limit_nm: Annotated[float, Bounds("nm", 0.0, _MARGIN_NM)] = 60.0
    creep: Annotated[float, Bounds("", 0.0, 0.3)] = 0.02
    creep_s: Annotated[float, Bounds("s", 0.0, open_low=True)] = 0.5
    hysteresis: Annotated[float, Bounds("", 0.0, 0.1)] = 0.01
    """Bow of a line at its middle, relative to its length."""
    height_noise_nm: Annotated[float, Bounds("nm", 0.0)] = 0.05
    line_noise_nm: Annotated[float, Bounds("nm", 0.0)] = 0.1
    modulus_GPa: Annotated[float, Bounds("GPa", 0.0, open_low=True)] = 50.0
    """Reduced modulus of the Hertzian contact."""
    piezo_Hz: Annotated[float, Bounds("Hz", 10.0, 1e5)] = 1500.0
    """First resonance of the height piezo, which limits the gains."""
    piezo_quality: Annotated[float, Bounds("", 0.5, 100.0)] = 5.0
    detector_s: Annotated[float, Bounds("s", 1e-6, 1.0)] = 5e-5
    setpoint_nN: Annotated[float, Bounds("nN", 0.0, open_low=True)] = 50.0
    proportional: Annotated[float, Bounds("", 0.0, 100.0)] = 0.1
    integral_Hz: Annotated[float, Bounds("Hz", 0.0, 1e6)] = 800.0
    amplifier_V: Annotated[float, Bounds("V", 0.0, 1000.0, open_low=True)] = 10.0
    """Largest |bias| and drive together; the limits of the bias leave room for the drive that the mode begins with."""
    force_limit_nN: Annotated[float, Bounds("nN", 0.0, open_low=True)] = 1000.0
    travel_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 5000.0
    settle_s: Annotated[float, Bounds("s", 0.0)] = 0.02
    approach_s: Annotated[float, Bounds("s", 0.0)] = 20.0
    charge_s: Annotated[float, Bounds("s", 0.0, open_low=True)] = 60.0
    """Time in which injected charge leaves."""
    rest_steps: Annotated[int, Bounds("steps", 0, 10_000)] = 40
    """Longest time that the whole sample is followed after a request, eight times, in steps of the equation."""
    mode: Mode = field(default_factory=lambda: SingleFrequency(time_constant_s=3e-4))
    """How the lever is driven and read, from `instruments.twins.spm.signals`."""
    electronics: Electronics = field(default_factory=Electronics)

    def __post_init__(self) -> None:
        said = violations(self)
        if self.tip_shape not in TIPS:
            said.append(f"tip_shape {self.tip_shape!r}: choose {', '.join(TIPS)}")
        if self.grown not in ("poled", "labyrinth"):
            said.append(f"grown {self.grown!r}: choose poled or labyrinth")
        if not said and (self.wall_nm * self.grid / self.field_nm) ** 2 > 2 * _STABLE:
            most = np.sqrt(2 * _STABLE) * self.field_nm / self.grid
            said.append(f"wall_nm={self.wall_nm:g} makes the time step unstable on this grid: at most {most:.3g} nm")
        if said:
            raise InvalidRequest("ScanningProbe: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        largest_V = max(self.amplifier_V - np.nan_to_num(drive_of(self.mode)[0]), 0.0)
        volts = Bounds("V", -largest_V, largest_V)
        scan = _ordered(dict(self.mode.units)) | TOPOGRAPHY
        loops = {"piezoresponse": "pm", "on_field": "pm"}
        channels: dict[str, Mapping[str, str]] = {
            **dict.fromkeys(SCANS, scan),
            **dict.fromkeys(("BiasSpectroscopy", "BiasWaveform"), loops),
            **{kind: {"piezoresponse": "pm"} for kind in ("ContactKelvin", "Relaxation", "TipPulse", "TipPath")},
            **spectra.CHANNELS,
            **{kind: {} for kind in settings.KINDS},
        }
        return Capabilities(
            name="scanning_probe",
            family="SPM",
            simulated=True,
            requests=frozenset(channels),
            field=Field((0.0, 0.0), (self.field_nm, self.field_nm)),
            channels=channels,
            calibration=Calibration(flyback_s=0.0),
            limits={
                **dict.fromkeys(("low_V", "high_V", "bias_V", "read_V", "write_V", "dc_V"), volts),
                "amplitude_V": Bounds("V", 0.0, self.amplifier_V, open_low=True),
                "frequency_Hz": Bounds("Hz", 1.0, 5e6),
                "setpoint_nN": Bounds("nN", 0.0, self.force_limit_nN),
                "proportional": Bounds("", 0.0, 100.0),
                "integral_Hz": _RATE,
                "dwell_s": Bounds("s", 1e-5, 10.0),
                "width_s": Bounds("s", 1e-6, 1000.0),
                "interval_s": Bounds("s", 1e-4, 100.0),
                "shift_nm": Bounds("nm", -_MARGIN_NM, _MARGIN_NM),
            },
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        from instruments.twins.spm import kernels

        own, rows = random.fold(keys, 0), len(keys)
        look = Look(**{name: getattr(self, name) for name in Look.__dataclass_fields__})
        sample = draw(random.fold(own, 0), look, scenario_name(scenario))
        pol, scr = sample.polarisation.astype(np.float32), sample.polarisation.astype(np.float32)
        age = np.full(rows, 10.0) * sample.tip[:, 5]
        kernels.rest(pol, scr, sample.random_field, sample.softness, age, sample.tip, 400)
        angle = 2 * np.pi * random.uniform(random.fold(own, 1), 1)[:, 0]
        loop = [1.0, self.setpoint_nN, self.proportional, self.integral_Hz, 1.0]
        return World(
            clock_s=np.zeros(rows),
            probe_nm=np.zeros((rows, 2)),
            registered_nm=np.zeros((rows, 2)),
            creep_nm=np.zeros((rows, 2)),
            feedback=np.tile(loop, (rows, 1)),
            drive=np.tile(drive_of(self.mode), (rows, 1)),
            polarisation=pol,
            screening=scr,
            charge_V=np.zeros_like(pol),
            random_field=sample.random_field,
            softness=sample.softness,
            height_nm=sample.height_nm,
            surface_nm=sample.surface_nm,
            stiffness=sample.stiffness,
            tip=sample.tip,
            heading=np.stack([np.cos(angle), np.sin(angle)], axis=1),
            parameters=sample.parameters,
        )

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        self._refuse(world, batch)
        return self._cost(world, plan_of(world, batch, self.settle_s, self.approach_s, self.hysteresis))

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        return self.perform_part(world, batch, keys, 1.0)

    def perform_part(self, world: World, batch: RequestBatch, keys: Keys, reached: float) -> tuple[World, ResultBatch]:
        """As `perform`, ended at a fraction `reached` of its time: what would have been written later is not."""
        self._refuse(world, batch)
        plan = plan_of(world, batch, self.settle_s, self.approach_s, self.hysteresis)
        whole = self._cost(world, plan)
        cost = whole if reached >= 1.0 else whole.scaled(reached)
        arrival_s = world.clock_s + whole.seconds - plan.busy_s
        writable = replace(world, **{n: getattr(world, n).copy() for n in ("polarisation", "screening", "charge_V")})
        visit = Visit(arrival_s, world.clock_s + cost.seconds, self._residual_nm(world, plan, arrival_s), keys)
        values, axes = self._probe.measure(writable, batch, plan.work, visit)
        after = self._rested(settings.changed(writable, batch), plan, cost)
        units = {name: self.describe().channels[batch.kind][name] for name in values}
        done, where = np.ones(batch.rows, dtype=bool), plan.places_nm.mean(axis=1)
        return after, ResultBatch(batch.kind, values, units, axes, done, cost, where)

    def flawless(self) -> ScanningProbe:
        """Without noise, drift, creep and bow; the sample is the same."""
        faults = ("height_noise_nm", "line_noise_nm", "drift_nm_s", "creep", "hysteresis")
        quiet: dict[str, Any] = dict.fromkeys(faults, 0.0)
        silent = replace(self.electronics, temperature_K=0.0, detector_pm_rtHz=0.0, adc_bits=0)
        return replace(self, electronics=silent, **quiet)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """Maps [grid, grid] in the sample frame, row 0 at the smallest y, and the hidden parameters."""
        time_s = world.clock_s[:, None]
        return {
            "field_nm": self.field_nm,
            "polarisation": np.array(world.polarisation[row]),
            "screening": np.array(world.screening[row]),
            "charge_V": np.array(world.charge_V[row]),
            "softness": np.array(world.softness[row]),
            "random_field": np.array(world.random_field[row]),
            "height_nm": np.array(world.height_nm[row]),
            "stiffness": np.array(world.stiffness[row]),
            "drift_nm": self._scanner.drift_nm(world, time_s)[row, 0],
            "parameters": {name: float(values[row]) for name, values in world.parameters.items()},
        }

    @cached_property
    def _scanner(self) -> Scanner:
        return Scanner(self.drift_nm_s, self.drift_limit_nm, self.creep, self.creep_s, self.hysteresis)

    @cached_property
    def _probe(self) -> Probe:
        noises = (self.height_noise_nm, self.line_noise_nm)
        plant = (self.piezo_Hz, self.piezo_quality, self.detector_s)
        loop = Loop(self.electronics.stiffness_N_m, *plant, *noises)
        own = ("field_nm", "grid", "settle_s", "mode", "electronics", "modulus_GPa", "electrostatic", "ionic")
        return Probe(scanner=self._scanner, loop=loop, **{name: getattr(self, name) for name in own})

    def _residual_nm(self, world: World, plan: Plan, arrival_s: Floats) -> Floats:
        return self._scanner.residual_nm(world, plan.places_nm[:, 0], arrival_s - world.clock_s)

    def _refuse(self, world: World, batch: RequestBatch) -> None:
        """Raise what `price` promises, also where bias and drive together are too much for the amplifier."""
        within(self.describe(), batch)
        settings.check(self.mode, batch)
        if batch.kind not in BIASED:
            return
        peak = np.array([batch.row(row).peak_bias_V() for row in range(batch.rows)])
        together = peak + np.nan_to_num(world.drive[:, AMPLITUDE_V])
        if together.max() > self.amplifier_V * (1 + 1e-12):
            raise OutOfReach(
                f"scanning_probe: {batch.kind} asks for {peak.max():g} V on top of a drive of "
                f"{together.max() - peak.max():g} V; the amplifier gives {self.amplifier_V:g} V"
            )

    def _cost(self, world: World, plan: Plan) -> CostBatch:
        travel_nm = np.sqrt(((plan.places_nm[:, 0] - world.probe_nm) ** 2).sum(-1))
        contact = (plan.path_nm + travel_nm) * world.feedback[:, SETPOINT_NN]
        seconds = plan.busy_s + travel_nm / self.travel_nm_s + plan.approach_s
        return CostBatch(seconds, np.zeros(len(seconds)), contact, plan.bias_V_s)

    def _rested(self, world: World, plan: Plan, cost: CostBatch) -> World:
        """The world after a request's time: walls moved, screening followed, charge left, the scanner crept."""
        from instruments.twins.spm import kernels

        worked = plan.work.busy_s() if isinstance(plan.work, Events) else 0.0
        idle = np.maximum(cost.seconds - worked, 0.0) / world.parameters["switching_s"]
        maps = (world.polarisation, world.screening, world.random_field, world.softness)
        kernels.rest(*maps, idle, world.tip, self.rest_steps)
        left = np.exp(-cost.seconds / self.charge_s).astype(np.float32)
        residual = self._residual_nm(world, plan, world.clock_s)
        return replace(
            world,
            clock_s=world.clock_s + cost.seconds,
            probe_nm=plan.places_nm[:, -1].copy(),
            creep_nm=residual * np.exp(-cost.seconds / self.creep_s)[:, None],
            charge_V=world.charge_V * left[:, None, None],
        )


_STABLE = 1.3
"""Largest gradient coefficient [pixels^2] at which `kernels.STEP` is stable."""


def _ordered(units: dict[str, str]) -> dict[str, str]:
    """The piezoresponse first, where a mode gives it."""
    return {n: units[n] for n in sorted(units, key=lambda n: n != "piezoresponse")}
