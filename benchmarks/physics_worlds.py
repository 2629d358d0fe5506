"""Worlds that a physics prior is tried in: each knows effects that the prior lacks, in every scenario.

A world is candidates, the value at each, and the noise; scenarios are `matched` (parameters of the prior), `shifted`
(two to three standard deviations off) and `misspecified` (the main term is another one).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.closed_form import critical_temperature
from physics_priors.ising.cluster import ClusterSampler
from physics_priors.ising.lattice import Lattice, square
from physics_priors.laws import FadingSignal, IsingOrder, Law, PulseSwitching, Resonance

Floats = NDArray[np.float64]
Scenario = Literal["matched", "shifted", "misspecified"]
_REPEATS = 10
SCENARIOS: tuple[Scenario, ...] = ("matched", "shifted", "misspecified")


@dataclass(frozen=True)
class World:
    """x [N, d] in the law's units, truth [N], the law that is the prior, and the standard deviation of one measurement;
    in a recording, which holds one measurement of each, these as `recorded` [N] instead.
    """

    x: Floats
    truth: Floats
    law: Law
    noise: float
    recorded: Floats | None = None

    def repeated(self, rng: np.random.Generator) -> float:
        """What ten repeats at one place say of the noise; of a recording, ten of its differences from the truth.

        None of these is zero where the amplifier's range does not end.
        """
        if self.recorded is None:
            return float(np.std(self.noise * rng.normal(size=_REPEATS), ddof=1))
        away = self.recorded - self.truth
        return float(np.std(rng.choice(away[away != 0.0], _REPEATS, replace=False), ddof=1))

    def measured(self, normal: Floats) -> Floats:
        """What measurements of all candidates bring [..., N], from standard normal numbers of that shape."""
        if self.recorded is not None:
            return np.broadcast_to(self.recorded, normal.shape)
        return np.asarray(self.truth + self.noise * normal)


def drawn(law: Law, scenario: Scenario, rng: np.random.Generator) -> Floats:
    """Parameters of the law [1, P]: of its prior, or outside of its bulk."""
    from scipy.special import ndtr

    z = rng.normal(size=len(law.parameters))
    if scenario == "shifted":
        z = np.sign(z) * rng.uniform(2.0, 3.0, size=z.size)
    return np.asarray(law.parameters.sample(ndtr(np.clip(z, -3.0, 3.0)))[None])


def oscillator(scenario: Scenario, rng: np.random.Generator) -> World:
    """Amplitude of a cantilever in contact: a background that grows with frequency beside the resonance, always; where
    misspecified two stronger modes hide it.
    """
    law, x = Resonance(), np.linspace(2.5e5, 4.5e5, 201)[:, None]
    theta = drawn(law, scenario, rng)
    theta[0, 0] = np.clip(theta[0, 0], 2.6e5, 4.4e5)
    truth = law.mean(theta, x)[0]
    top = truth.max()
    truth = np.hypot(truth, 0.05 * top * (1.0 + (x[:, 0] - 3.5e5) / 1e5))
    if scenario == "misspecified":
        quality = theta[0, 1]
        others = np.array([[f, quality, 1.7 * top / quality] for f in rng.uniform(2.6e5, 4.4e5, 2)])
        truth = truth * 0.3 + law.mean(others, x).sum(0)
    return World(x, truth, law, 0.03 * top)


def fading(scenario: Scenario, rng: np.random.Generator) -> World:
    """Signal to noise of a radiation-sensitive film: a little contamination takes signal away, always; where
    misspecified fading begins after a latent dose, and a second phase that lasts shows later.
    """
    from physics_priors.beam.radiolysis import left_fraction

    law, x = FadingSignal(), np.linspace(-0.5, 4.0, 181)[:, None]
    theta = drawn(law, scenario, rng)
    characteristic, height = theta[0]
    fluence = 10.0 ** x[:, 0]
    truth = law.mean(theta, x)[0] / (1.0 + 0.02 * np.sqrt(fluence / characteristic))
    if scenario == "misspecified":
        late = characteristic * 10.0 ** rng.uniform(0.8, 1.4)
        left = left_fraction(fluence, characteristic / 3.0, stages=6.0) + 0.3 * left_fraction(fluence, late, stages=8.0)
        truth = height * np.sqrt(fluence / characteristic) * left
    return World(x, truth, law, 0.10 * truth.max())


def switching(scenario: Scenario, rng: np.random.Generator) -> World:
    """Part switched by one pulse: the ensemble's shells feel uneven shares of the field, always; where misspecified
    two kinds of units switch at different voltages. Nobody maps a range in which little switches: parameters are drawn
    until half of the volume does somewhere and not everywhere.
    """
    law = PulseSwitching()
    bias, log_dwell = np.meshgrid(np.linspace(0.5, 10.0, 20), np.linspace(-5.0, 0.0, 10))
    x = np.stack([bias.ravel(), log_dwell.ravel()], axis=-1)
    truth = _switched(law, scenario, rng, x)
    while np.ptp(truth) < 0.5:
        truth = _switched(law, scenario, rng, x)
    return World(x, truth, law, 0.04)


def _switched(law: Law, scenario: Scenario, rng: np.random.Generator, x: Floats) -> Floats:
    from physics_priors.lgd.loops import PRIOR, Ensembles

    coercive, imprint, width, rate = drawn(law, scenario, rng)[0]
    theta = PRIOR.ordered({"coercive_V": coercive, "imprint_V": imprint, "width_V": width, "rate": rate})
    theta[PRIOR.names.index("least_share")], theta[PRIOR.names.index("initially_up")] = rng.uniform(0.85, 1.0), 0.0
    second = theta.copy()
    second[0], second[2] = theta[0] * rng.uniform(1.8, 2.5), 0.3 * theta[2]
    kinds = [theta, second] if scenario == "misspecified" else [theta]
    return np.asarray(np.mean([[_after(Ensembles, kind, *place) for place in x] for kind in kinds], axis=0))


def _after(ensembles: type, theta: Floats, bias_V: float, log_dwell: float) -> float:
    made = ensembles.fresh(theta[None])  # type: ignore[attr-defined]
    return float(made.drive(theta[None], np.array([bias_V]), 10.0**log_dwell)[1][0, 0])


def order(scenario: Scenario, rng: np.random.Generator) -> World:
    """Order of a small lattice against temperature: rounded by its size, always (a simulation of 64 x 64 sites); where
    misspecified the composition varies, so that the transition is smeared over a third of its temperature.
    """
    law, x = IsingOrder(), np.linspace(200.0, 1200.0, 151)[:, None]
    critical, amplitude, _ = drawn(law, scenario, rng)[0]
    spread = 1.0 + (np.linspace(-0.35, 0.35, 31) if scenario == "misspecified" else np.zeros(1))
    reduced, simulated = _lattice_order()
    truth = np.mean([np.interp(x[:, 0] / (critical * s), reduced, simulated) for s in spread], axis=0)
    return World(x, amplitude * truth, law, 0.03)


@cache
def _lattice_order() -> tuple[Floats, Floats]:
    """Mean |m| of the square lattice with 64 x 64 sites at temperatures in units of the critical one."""
    reduced = np.linspace(0.1, 5.0, 99)
    critical, lattice = critical_temperature("square"), square(64, 64)
    return reduced, np.array([_mean_order(lattice, 1.0 / (critical * t)) for t in reduced])


def _mean_order(lattice: Lattice, coupling: float) -> float:
    sampler = ClusterSampler(lattice, coupling, replicas=8, seed=1, start="up")
    sampler.swendsen_wang(60)
    found = []
    for _ in range(20):
        sampler.swendsen_wang(3)
        found.append(np.abs(sampler.configurations().astype(float).mean(-1)).mean())
    return float(np.mean(found))
