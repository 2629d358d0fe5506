"""Parallel tempering: replicas along a ladder of parameters exchange places, so that cold ones cross barriers.

R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 57, 2607 (1986).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats
from physics_priors.ising.model import Model, Spins
from physics_priors.ising.sampling import Sampler


class Ladder:
    """A model at parameters `ladder` [L, K], each with R replicas; neighbours try to exchange after every round."""

    def __init__(self, model: Model, ladder: Floats, *, replicas: int = 8, seed: int = 0, **options: Any) -> None:
        self.ladder = np.asarray(ladder, np.float64)
        if self.ladder.ndim != 2 or len(self.ladder) < 2:
            raise LatticeError("a ladder needs two sets of parameters at least, [L, K]")
        self.rungs = [
            Sampler(model, theta, replicas=replicas, seed=seed * 1009 + rung, **options)
            for rung, theta in enumerate(self.ladder)
        ]
        self.seed, self.rounds = seed, 0
        self.accepted = np.zeros(len(self.rungs) - 1)

    def round(self, sweeps: int = 1) -> Floats:
        """Sweeps on every rung, then exchanges; phi [L, R, K] before them."""
        for rung in self.rungs:
            rung.run(sweeps)
        phi = np.stack([rung.statistics() for rung in self.rungs])
        self._exchange(phi.copy())
        self.rounds += 1
        return phi

    def record(self, rounds: int, sweeps: int = 1) -> Floats:
        """phi [rounds, L, R, K]."""
        return np.stack([self.round(sweeps) for _ in range(rounds)])

    @property
    def acceptance(self) -> Floats:
        """Fraction of accepted exchanges between neighbouring rungs, [L - 1]."""
        return self.accepted / max(self.rounds / 2, 0.5)

    def configurations(self, rung: int) -> Spins:
        """Spins [R, N] of one rung."""
        return self.rungs[rung].configurations()

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"rungs": [r.state() for r in self.rungs], "rounds": self.rounds, "accepted": self.accepted.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of a ladder of the same model and seed."""
        for rung, kept in zip(self.rungs, state["rungs"], strict=True):
            rung.restore(kept)
        self.rounds, self.accepted = int(state["rounds"]), state["accepted"].copy()

    def _exchange(self, phi: Floats) -> None:
        draw = np.random.default_rng([self.seed, self.rounds]).uniform(size=phi.shape[:2])
        for low in range(self.rounds % 2, len(self.rungs) - 1, 2):
            step = self.ladder[low + 1] - self.ladder[low]
            gain = (phi[low] - phi[low + 1]) @ step
            swap = np.log(draw[low]) < gain
            a, b = self.rungs[low].spins, self.rungs[low + 1].spins
            a[:, swap], b[:, swap] = b[:, swap], a[:, swap].copy()
            self.accepted[low] += swap.mean()
