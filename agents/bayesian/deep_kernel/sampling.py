"""How deep kernels learn: chains of Hamiltonian Monte Carlo, one for each member, that go on where they were.

With a few dozen measurements, weights that maximise the likelihood explain the noise as well, and the uncertainty of
the Gaussian process on top of them is far too small (S. W. Ober, C. E. Rasmussen and M. van der Wilk, The promises
and pitfalls of deep kernel learning, UAI 2021). Weights drawn from the posterior do not. A chain also takes a new
measurement in cheaply: the posterior has moved a little, and a few proposals follow it (R. M. Neal, MCMC using
Hamiltonian dynamics, in Handbook of Markov Chain Monte Carlo, 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.bayesian.deep_kernel.likelihood import LogPosterior

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]
LEAPS = 8
"""Leapfrog steps of a proposal."""
_WANTED, _EAGER, _FIRST, _LEAST, _MOST = 0.8, 0.3, 0.05, 1e-4, 1.0
"""Acceptance to aim at, how fast steps are adapted to it, the first step, and the bounds of steps."""


@dataclass(frozen=True)
class Chains:
    """Where each chain stands, standard normal numbers [E, size], and the length of its leapfrog steps [E]."""

    xi: Floats
    step: Floats

    @staticmethod
    def begun(members: int, size: int, rng: np.random.Generator) -> Chains:
        """At draws from the middle half of the prior."""
        return Chains(0.5 * rng.normal(size=(members, size)), np.full(members, _FIRST))

    def plain(self) -> dict[str, Any]:
        """As plain values and arrays."""
        return {"xi": self.xi.copy(), "step": self.step.copy()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Chains:
        """The inverse of `plain`."""
        return cls(np.array(plain["xi"], dtype=np.float64), np.array(plain["step"], dtype=np.float64))


def moved(chains: Chains, target: LogPosterior, proposals: int, rng: np.random.Generator) -> Chains:
    """The chains after so many proposals each; steps are adapted on the way. Whatever is not finite is not accepted."""
    import torch

    xi, step = torch.from_numpy(chains.xi), chains.step
    value, slope = target(xi)
    for _ in range(proposals):
        momentum = torch.from_numpy(rng.normal(size=xi.shape))
        length = torch.from_numpy(step * rng.uniform(0.8, 1.2, len(step)))[:, None]
        tried, new, new_slope, energy = _leapfrog(target, xi, slope, momentum, length)
        gain = new - value - energy + 0.5 * momentum.square().sum(1)
        chance = torch.nan_to_num(gain.clamp(max=0.0).exp(), nan=0.0).numpy()
        taken = torch.from_numpy(rng.uniform(size=len(step)) < chance)
        xi, slope = (torch.where(taken[:, None], a, b) for a, b in ((tried, xi), (new_slope, slope)))
        value = torch.where(taken, new, value)
        step = np.clip(step * np.exp(_EAGER * (chance - _WANTED)), _LEAST, _MOST)
    return Chains(xi.numpy(), step)


def _leapfrog(
    target: LogPosterior, xi: torch.Tensor, slope: torch.Tensor, momentum: torch.Tensor, length: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A proposal: places [E, size], their values [E] and gradients, and the kinetic energy [E] on arrival."""
    value = slope.new_zeros(len(xi))
    momentum = momentum + 0.5 * length * slope
    for leap in range(LEAPS):
        xi = xi + length * momentum
        value, slope = target(xi)
        momentum = momentum + (0.5 if leap == LEAPS - 1 else 1.0) * length * slope
    return xi, value, slope, 0.5 * momentum.square().sum(1)
