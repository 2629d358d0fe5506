"""What the agents for switching share: a posterior of the loop prior, from all that was applied and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.protocol import AgentError, Observation, Problem, Transition
from agents.remembering import Remembering
from physics_priors.lgd import loops
from physics_priors.posterior import Particles

Floats = NDArray[np.float64]
_MOVES = 8
_NEEDED = ("readings", "settings")


class BelievingInLoops(Remembering):
    """Keeps the pulses, their readings, and the particles of `loops.PRIOR` that go with them."""

    _count: int
    _settings: Floats
    """Largest bias [V], length of a pulse [s], standard deviation of a reading [pm]; empty before the first reading."""
    _bias_V: Floats
    _read_pm: Floats
    _posterior: Particles

    def begin(self, problem: Problem, seed: int) -> None:
        super().begin(problem, seed)
        low, high = np.asarray(problem.low), np.asarray(problem.high)
        if problem.choices is not None or np.any(low != -1.0) or np.any(high != 1.0):
            raise AgentError(
                "this agent chooses waveforms: actions must be biases in [-1, 1], as identify_switching has"
            )
        self._settings, self._bias_V, self._read_pm = np.empty(0), np.empty(0), np.empty(0)
        self._posterior = Particles(loops.PRIOR, self._count, self.seed, _MOVES)

    def tell(self, transition: Transition) -> None:
        super().tell(transition)
        self._settle(transition.observation)
        if not np.isfinite(transition.value):
            return
        action = np.ravel(np.asarray(transition.decision.action, dtype=np.float64))
        readings = np.asarray(transition.observation["readings"], dtype=np.float64)
        self._take(self._settings[0] * action, readings)

    def state(self) -> dict[str, Any]:
        kept = {"settings": self._settings, "bias_V": self._bias_V, "read_pm": self._read_pm}
        particles = {"z": self._posterior.z, "log_weight": self._posterior.log_weight}
        arrays = {name: array.copy() for name, array in (kept | particles).items()}
        return {**super().state(), **arrays, "updates": self._posterior.updates}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._settings, self._bias_V, self._read_pm = (
            np.array(state[name], dtype=np.float64) for name in ("settings", "bias_V", "read_pm")
        )
        data = {"pulse": np.arange(len(self._bias_V))}, {"piezoresponse_pm": self._read_pm}
        z, weight = (np.array(state[name], dtype=np.float64) for name in ("z", "log_weight"))
        self._posterior = Particles(
            loops.PRIOR, self._count, self.seed, _MOVES, z, weight, int(state["updates"]), *data
        )

    def beliefs(self) -> Mapping[str, Any]:
        """Draws of the posterior with weights, their correlations, and what was applied and read."""
        if not len(self._settings):
            return {}
        theta, weight = self._posterior.theta, self._posterior.weight
        mean, sd = loops.told_V(theta, weight, float(self._settings[1]))
        return {
            "names": list(loops.PRIOR.names),
            "theta": theta,
            "weight": weight,
            "correlations": loops.correlations(theta, weight),
            "mean_V": mean,
            "sd_V": sd,
            "bias_V": self._bias_V,
            "read_pm": self._read_pm,
            "settings": self._settings,
        }

    @property
    def posterior(self) -> Particles:
        """What is believed now."""
        return self._posterior

    def _settle(self, observation: Observation) -> None:
        missing = [name for name in _NEEDED if name not in observation]
        if missing:
            raise AgentError(f"this agent needs {missing[0]!r} in the observation, as identify_switching gives it")
        self._settings = np.asarray(observation["settings"], dtype=np.float64)

    def _take(self, bias_V: Floats, readings: Floats) -> None:
        begin = len(self._bias_V)
        self._bias_V = np.concatenate([self._bias_V, bias_V])
        self._read_pm = np.concatenate([self._read_pm, readings])
        self._posterior = loops.taken_in(self._posterior, self._model(), begin, readings)

    def _model(self) -> loops.LoopModel:
        return loops.LoopModel(self._bias_V, float(self._settings[1]), float(self._settings[2]))
