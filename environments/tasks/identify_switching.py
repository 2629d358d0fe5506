"""Identify switching: learn coercive voltage and imprint of the spot under the tip with the least tip time.

An action is a waveform: the biases of the next `pulses` pulses in units of `limit_V`, each followed by a reading at 0
V. Triangles, first-order reversal curves and anything else are sequences of such actions; the spot remembers them all.
The task keeps a reference posterior of the loop prior (`physics_priors.lgd.loops`) from what was measured. The value is
its doubt, the root mean square of the standard deviations of coercive voltage and imprint; the reward is how much its
logarithm fell. It ends when both lie within `bound_V` of their estimates with the probability `confidence`, jointly and
as far as the posterior knows, or after `waveforms` actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported, OutOfReach
from instruments.keys import Keys
from physics_priors.bounds import POSITIVE_S, Bounds
from physics_priors.lgd import loops
from physics_priors.posterior import Particles

Floats = NDArray[np.float64]
_CLIP_PM = 1000.0
_HIGHEST = 1e4
_MOVES = 8


@dataclass(frozen=True)
class State:
    """B rows: what was applied and read, N pulses each (NaN where nothing came), and the reference posterior."""

    asked: NDArray[np.int64]
    """Waveforms asked for, [B]."""
    applied: NDArray[np.int64]
    """Pulses applied, [B]."""
    bias_V: Floats
    read_pm: Floats
    z: Floats
    """[B, n, P] particles as standard normal numbers under the prior, log_weight [B, n], updates [B]."""
    log_weight: Floats
    updates: NDArray[np.int64]
    mean_V: Floats
    sd_V: Floats
    """[B, 2] of coercive voltage and imprint."""
    sure: Floats
    """Probability [B] that both lie within the bound of their means."""
    last: Floats
    """[B, 2, pulses]: the last action and its readings [pm], 0 where there is none."""
    usable: NDArray[np.bool_]
    """[B, waveforms]"""
    center_nm: tuple[float, float] = field(metadata=SHARED)


@dataclass(frozen=True)
class IdentifySwitching:
    """The task; `noise_pm` is the standard deviation of one reading, known from readings at rest."""

    pulses: Annotated[int, Bounds("pulses", 1, 1000)] = 8
    waveforms: Annotated[int, Bounds("waveforms", 1, 10_000)] = 64
    limit_V: Annotated[float, Bounds("V", 0.0, open_low=True)] = 10.0
    dwell_s: Annotated[float, POSITIVE_S] = 1e-3
    """Length of a pulse, and of the reading after it."""
    noise_pm: Annotated[float, Bounds("pm", 0.0, open_low=True)] = 6.0
    bound_V: Annotated[float, Bounds("V", 0.0)] = 0.1
    confidence: Annotated[float, Bounds("", 0.0, 1.0)] = 0.95
    particles: Annotated[int, Bounds("particles", 50, 100_000)] = 300

    name = "identify_switching"

    def check(self, capabilities: Capabilities) -> None:
        if "piezoresponse" not in capabilities.channels.get("BiasWaveform", {}):
            raise NotSupported(f"{capabilities.name} has no BiasWaveform with a piezoresponse, which {self.name} needs")
        allowed = capabilities.limits.get("bias_V")
        if allowed is not None and not (allowed.contains(self.limit_V) and allowed.contains(-self.limit_V)):
            raise OutOfReach(f"limit_V={self.limit_V:g} is more than {capabilities.name} may apply, {allowed}")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        box = gymnasium.spaces.Box
        return gymnasium.spaces.Dict(
            {
                "waveform": box(-1.0, 1.0, (self.pulses,), np.float32),
                "readings": box(-_CLIP_PM, _CLIP_PM, (self.pulses,), np.float32),
                "believed": box(-_CLIP_PM, _CLIP_PM, (4,), np.float32),
                "settings": box(0.0, _HIGHEST, (3,), np.float32),
                "progress": box(0.0, 1.0, (1,), np.float32),
            }
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (self.pulses,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows, fresh = len(keys), Particles(loops.PRIOR, self.particles, 0, _MOVES)
        mean, sd, sure = self._told(fresh)
        none = np.zeros(rows, np.int64)
        pulses = self.pulses * self.waveforms
        return State(
            asked=none,
            applied=none.copy(),
            bias_V=np.zeros((rows, pulses)),
            read_pm=np.full((rows, pulses), np.nan),
            z=np.tile(fresh.z, (rows, 1, 1)),
            log_weight=np.tile(fresh.log_weight, (rows, 1)),
            updates=none.copy(),
            mean_V=np.tile(mean, (rows, 1)),
            sd_V=np.tile(sd, (rows, 1)),
            sure=np.full(rows, sure),
            last=np.zeros((rows, 2, self.pulses)),
            usable=np.zeros((rows, self.waveforms), bool),
            center_nm=capabilities.field.center_nm,
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return []

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        return state

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        each = {"position_nm": np.tile(state.center_nm, (len(actions), 1)), "bias_V": self.limit_V * actions}
        shared = {"dwell_s": self.dwell_s, "off_field": True, "read_V": 0.0}
        return [RequestBatch("BiasWaveform", len(actions), each, shared)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        readings = self._readings(results[0], len(actions))
        after = replace(state, **{name: getattr(state, name).copy() for name in _CHANGING})
        for row in range(len(actions)):
            self._take(after, row, np.asarray(actions[row], dtype=np.float64), readings[row])
        after.asked[:] += 1
        doubt, before = _doubt(after), _doubt(state)
        came = np.isfinite(readings).any(1)
        ended = (after.sure >= self.confidence) | (after.asked >= self.waveforms)
        usable = after.usable[:, : int(after.asked.max())]
        return after, Outcome(np.where(came, doubt, np.nan), usable, np.log(before / doubt), ended)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        rows = len(state.asked)
        settings = np.tile([self.limit_V, self.dwell_s, self.noise_pm], (rows, 1))
        shown = {
            "waveform": state.last[:, 0],
            "readings": np.clip(state.last[:, 1], -_CLIP_PM, _CLIP_PM),
            "believed": np.clip(np.concatenate([state.mean_V, state.sd_V], axis=1), -_CLIP_PM, _CLIP_PM),
            "settings": np.minimum(settings, _HIGHEST),
            "progress": (state.asked / self.waveforms)[:, None],
        }
        return {name: np.array(values, dtype=np.float32) for name, values in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        return Brief(objective="minimise", value_name="doubt about the switching voltages", value_unit="V")

    def _readings(self, result: ResultBatch, rows: int) -> Floats:
        """Readings [B, pulses], NaN where there is none."""
        found = result.values.get("piezoresponse")
        nothing = np.full((rows, self.pulses), np.nan)
        return nothing if found is None else np.array(found, dtype=np.float64).reshape(rows, self.pulses)

    def _take(self, state: State, row: int, action: Floats, readings: Floats) -> None:
        """Take one row's waveform in, in place; pulses after the last reading are taken as never applied."""
        seen = np.isfinite(readings)
        count = int(np.flatnonzero(seen).max(initial=-1)) + 1
        state.last[row] = [action, np.where(seen, readings, 0.0)]
        if not count:
            return
        begin = int(state.applied[row])
        state.bias_V[row, begin : begin + count] = self.limit_V * action[:count]
        state.read_pm[row, begin : begin + count] = readings[:count]
        state.applied[row] = begin + count
        state.usable[row, state.asked[row]] = True
        posterior = self._updated(state, row, begin, begin + count)
        state.z[row], state.log_weight[row], state.updates[row] = posterior.z, posterior.log_weight, posterior.updates
        state.mean_V[row], state.sd_V[row], state.sure[row] = self._told(posterior)

    def _updated(self, state: State, row: int, begin: int, end: int) -> Particles:
        pulse = np.arange(end)
        old = {"pulse": pulse[:begin]}, {"piezoresponse_pm": state.read_pm[row, :begin]}
        model = loops.LoopModel(state.bias_V[row, :end].copy(), self.dwell_s, self.noise_pm)
        particles = Particles(
            loops.PRIOR, self.particles, 0, _MOVES, state.z[row], state.log_weight[row], int(state.updates[row]), *old
        )
        return loops.taken_in(particles, model, begin, state.read_pm[row, begin:end])

    def _told(self, posterior: Particles) -> tuple[Floats, Floats, float]:
        """Mean and standard deviation [2] of coercive voltage and imprint, and how sure that is."""
        theta, weight = posterior.theta, posterior.weight
        mean, sd = loops.told_V(theta, weight, self.dwell_s)
        return mean, sd, loops.sure(theta, weight, self.dwell_s, self.bound_V)


_CHANGING = (
    "asked",
    "applied",
    "bias_V",
    "read_pm",
    "z",
    "log_weight",
    "updates",
    "mean_V",
    "sd_V",
    "sure",
    "last",
    "usable",
)


def _doubt(state: State) -> Floats:
    """Root mean square [B] of the two standard deviations."""
    return np.asarray(np.sqrt(np.mean(np.square(state.sd_V), axis=1)))
