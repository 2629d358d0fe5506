"""One spot of a ferroelectric under a biased tip: a light twin for learning how it switches, alone or by thousands.

The spot is an ensemble of units with a distribution of activation voltages (`physics_priors.lgd.loops`), which answers
`BiasWaveform` with and without the field. It remembers: what a waveform does depends on all that came before.

What a matching prior does not know, each switched off by its argument at 0: a slow wander of the baseline (`drift_pm`),
and the tip's electrostatic force on the field (`slope_pm_V`). Scenarios: `matched` draws the parameters from
`loops.PRIOR`; `shifted` draws width, amplitude and offset from its outer 2 % (with a coercive voltage or an imprint out
there most spots could not be switched within the limit, or would not hold at 0 V); `misspecified` keeps
matched ones and adds charge that is injected and leaks away (`charge_pm_V`, a loop that is not ferroelectric), and a
part of the switched volume that flips back before it is read (`retention_loss`).

Not modelled: places. The field is one spot of 1 nm; topography, contact mechanics and domain growth are other twins'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.reach import column, shared, within
from instruments.twins.scenario import scenario_name
from physics_priors.bounds import Bounds, violations
from physics_priors.lgd import loops
from physics_priors.lgd.landau import Landau
from physics_priors.lgd.materials import LEAD_TITANATE

Floats = NDArray[np.float64]
_NOISE_DWELL_S: Final = 1e-3
_SHIFTED: Final = (2, 3, 4)
_OUTER: Final = 0.02


@dataclass(frozen=True)
class World:
    """B spots: parameters theta [B, 8] of `loops.PRIOR`, their memory, the baseline's phase and pace, charge [V]."""

    clock_s: Floats
    F: Floats
    G: Floats
    count: NDArray[np.int64]
    charge_V: Floats
    theta: Floats
    phase: Floats
    misspecified: NDArray[np.bool_]


@dataclass(frozen=True)
class Switching:
    """A spot that switches; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = ("clock_s", "F", "G", "count", "charge_V")

    noise_pm: Annotated[float, Bounds("pm", 0.0)] = 6.0
    """Standard deviation of one reading of 1 ms; it falls with the root of the time."""
    drift_pm: Annotated[float, Bounds("pm", 0.0)] = 0.5
    """Amplitude of the baseline's wander."""
    drift_period_s: Annotated[float, Bounds("s", 0.0, open_low=True)] = 2.0
    slope_pm_V: Annotated[float, Bounds("pm/V")] = -1.0
    charge_pm_V: Annotated[float, Bounds("pm/V")] = 1.5
    charge_time_s: Annotated[float, Bounds("s", 0.0, open_low=True)] = 0.02
    retention_loss: Annotated[float, Bounds("", 0.0, 1.0)] = 0.15
    limit_V: Annotated[float, Bounds("V", 0.0, 200.0, open_low=True)] = 10.0
    settle_s: Annotated[float, Bounds("s", 0.0)] = 0.0
    dwell_s: Annotated[float, Bounds("s", 1e-6, 10.0)] = 1e-3
    """Length of the pulses that `truth` speaks of."""

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("Switching: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        return Capabilities(
            name="switching",
            family="SPM",
            simulated=True,
            requests=frozenset({"BiasWaveform"}),
            field=Field((0.0, 0.0), (1.0, 1.0)),
            channels={"BiasWaveform": {"on_field": "pm", "piezoresponse": "pm"}},
            calibration=Calibration(),
            limits={
                "bias_V": Bounds("V", -self.limit_V, self.limit_V),
                "read_V": Bounds("V", -self.limit_V, self.limit_V),
                "dwell_s": Bounds("s", 1e-6, 10.0),
            },
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name, rows = scenario_name(scenario), len(keys)
        uniforms = random.uniform(random.fold(keys, 0), len(loops.PRIOR))
        if name == "shifted":
            sides = random.uniform(random.fold(keys, 1), len(loops.PRIOR)) < 0.5
            outer = np.where(sides, _OUTER / 2 * uniforms, 1 - _OUTER / 2 * uniforms)
            uniforms[:, _SHIFTED] = outer[:, _SHIFTED]
        theta = loops.PRIOR.sample(uniforms)
        memory = loops.Ensembles.fresh(theta)
        phase = 2 * np.pi * random.uniform(random.fold(keys, 2), 1)[:, 0]
        wrong = np.full(rows, name == "misspecified")
        return World(np.zeros(rows), memory.F, memory.G, memory.count, np.zeros(rows), theta, phase, wrong)

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        return self._cost(batch, self._bias(batch))

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        within(self.describe(), batch)
        return self._apply(world, batch, keys, self._bias(batch).shape[1])

    def perform_part(self, world: World, batch: RequestBatch, keys: Keys, reached: float) -> tuple[World, ResultBatch]:
        """The pulses that were complete by then; the others were not begun, and read NaN."""
        after, result = self._apply(world, batch, keys, int(reached * self._bias(batch).shape[1]))
        done = np.zeros(batch.rows, dtype=bool)
        return after, replace(result, cost=self._cost(batch, self._bias(batch)).scaled(reached), done=done)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """Parameters, coercive voltage and imprint for pulses of `dwell_s`, a clean saturated loop, and the density."""
        theta = world.theta[row : row + 1]
        coercive, imprint = loops.targets_V(theta, self.dwell_s)[0]
        bias_V = loops.staircase(-self.limit_V, self.limit_V, 128, 2)
        loop = loops.off_field(theta, bias_V, self.dwell_s)[0, 128:]
        return {
            "parameters": {name: float(v) for name, v in zip(loops.PRIOR.names, theta[0], strict=True)},
            "coercive_V": float(coercive),
            "imprint_V": float(imprint),
            "bias_V": bias_V[128:],
            "loop_pm": loop,
        }

    def flawless(self) -> Switching:
        return replace(self, noise_pm=0.0, drift_pm=0.0)

    def _apply(self, world: World, batch: RequestBatch, keys: Keys, pulses: int) -> tuple[World, ResultBatch]:
        whole = self._bias(batch)
        bias, dwell_s = whole[:, :pulses], shared(batch, "dwell_s")
        memory = loops.Ensembles(world.F.copy(), world.G.copy(), world.count.copy())
        during, after = memory.drive(world.theta, bias, dwell_s, shared(batch, "read_V"))
        charge_V = self._charges(world, bias, dwell_s)
        clean = {
            "on_field": self._on_field(world, bias, during, dwell_s),
            "piezoresponse": self._off_field(world, after),
        }
        extra = self._wander(world, batch, bias.shape[1]) + self._injected(world, charge_V)
        noise = random.normal(keys, 2 * whole.shape[1]).reshape(batch.rows, 2, -1)[:, :, :pulses]
        noise = noise * self.noise_pm * np.sqrt(_NOISE_DWELL_S / dwell_s)
        kept = ("on_field", "piezoresponse") if shared(batch, "off_field") else ("on_field",)
        values = {name: _padded(clean[name] + extra + noise[:, i], whole.shape[1]) for i, name in enumerate(kept)}
        cost = self._cost(batch, whole)
        moved = replace(
            world,
            clock_s=world.clock_s + cost.seconds,
            F=memory.F,
            G=memory.G,
            count=memory.count,
            charge_V=charge_V[:, -1] if pulses else world.charge_V,
        )
        axes = (_axis(batch, whole),)
        where = np.zeros((batch.rows, 2))
        done = np.ones(batch.rows, dtype=bool)
        units = dict.fromkeys(values, "pm")
        return moved, ResultBatch(batch.kind, values, units, dict.fromkeys(values, axes), done, cost, where)

    def _bias(self, batch: RequestBatch) -> Floats:
        return np.ascontiguousarray(column(batch, "bias_V"), dtype=np.float64)

    def _cost(self, batch: RequestBatch, bias: Floats) -> CostBatch:
        dwell_s, off = shared(batch, "dwell_s"), bool(shared(batch, "off_field"))
        pulses, nothing = bias.shape[1], np.zeros(batch.rows)
        seconds = self.settle_s + pulses * dwell_s * (2 if off else 1)
        volts = (np.abs(bias).sum(1) + (abs(shared(batch, "read_V")) * pulses if off else 0.0)) * dwell_s
        return CostBatch(np.full(batch.rows, seconds), nothing, nothing, volts)

    def _off_field(self, world: World, up: Floats) -> Floats:
        loss = np.where(world.misspecified, self.retention_loss, 0.0)[:, None]
        settled = (world.theta[:, 1:2] < 0).astype(float)
        return loops.piezoresponse_pm(world.theta, up * (1 - loss) + settled * loss)

    def _on_field(self, world: World, bias: Floats, up: Floats, dwell_s: float) -> Floats:
        theta = world.theta
        hold = theta[:, 0:1] * (1 - theta[:, 5:6] * loops.log_dwell(dwell_s))
        reduced = (bias - theta[:, 1:2]) / hold
        mean = up * loops.branch(_polynomial(), reduced) - (1 - up) * loops.branch(_polynomial(), -reduced)
        return np.asarray(theta[:, 3:4] * mean + theta[:, 4:5] + self.slope_pm_V * bias)

    def _charges(self, world: World, bias: Floats, dwell_s: float) -> Floats:
        """Injected charge [B, T] as the voltage it follows, after each pulse and its reading."""
        kept = np.exp(-dwell_s / self.charge_time_s)
        now, seen = world.charge_V, np.empty_like(bias)
        for t in range(bias.shape[1]):
            now = (now * kept + bias[:, t] * (1 - kept)) * kept
            seen[:, t] = now
        return seen

    def _injected(self, world: World, charge_V: Floats) -> Floats:
        return np.asarray(self.charge_pm_V * charge_V * world.misspecified[:, None])

    def _wander(self, world: World, batch: RequestBatch, pulses: int) -> Floats:
        dwell_s = shared(batch, "dwell_s") * (2 if shared(batch, "off_field") else 1)
        at = world.clock_s[:, None] + self.settle_s + dwell_s * np.arange(1, pulses + 1)
        return np.asarray(self.drift_pm * np.sin(2 * np.pi * at / self.drift_period_s + world.phase[:, None]))


def _polynomial() -> Landau:
    """Lead titanate's, of which only the shape of its branches is used."""
    return LEAD_TITANATE.landau(298.15)


def _axis(batch: RequestBatch, bias: Floats) -> Axis:
    """The bias itself where all rows share it, else the number of the pulse."""
    return (
        Axis("bias", "V", bias[0].copy())
        if "bias_V" in batch.shared
        else Axis("pulse", "", np.arange(float(bias.shape[1])))
    )


def _padded(values: Floats, length: int) -> Floats:
    missing = length - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan) if missing else values
