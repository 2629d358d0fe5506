"""The lattice Landau-Khalatnikov model with random-field defects (FerroSim), known from reinforcement learning.

dP_i/dt = -gamma [beta P_i^3 + alpha P_i + k (2 P_i - S_nn P_j) - (E_i - d S P)] on a square lattice, each component
alone. 2 P - S_nn P is no Laplacian with four neighbours: the uniform state feels alpha - 2 k. A cell
beyond an edge is absent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.lgd.system import Diverged, UnstableStep

Array = NDArray[Any]


@dataclass(frozen=True)
class Lattice:
    """The model's numbers; `of` says whether d acts on the total of P over the lattice, or on its mean."""

    alpha: float = -1.85
    beta: float = 1.25
    gamma: float = 2.0
    coupling: float = 1.0
    own: float = 2.0
    depolarisation: float = 0.2
    of: Literal["total", "mean"] = "total"
    periodic: bool = True

    def __post_init__(self) -> None:
        numbers = (self.alpha, self.beta, self.gamma, self.coupling, self.own, self.depolarisation)
        if not all(math.isfinite(v) for v in numbers) or self.beta <= 0 or self.gamma <= 0:
            raise ValueError("Lattice: all numbers finite, beta and gamma above 0")
        if self.of not in ("total", "mean"):
            raise ValueError(f"Lattice: of={self.of!r}: choose total or mean")

    def coercive(self) -> float:
        """Coercive field of one cell without neighbours, (2/3) |alpha| sqrt(|alpha| / 3 beta)."""
        return 2 / 3 * abs(self.alpha) * math.sqrt(abs(self.alpha) / (3 * self.beta))

    def uniform(self) -> float:
        """P of the uniform state without depolarisation, sqrt(((4 - own) k - alpha) / beta)."""
        return math.sqrt(max((4 - self.own) * self.coupling - self.alpha, 0.0) / self.beta)

    def stable_step(self, shape: tuple[int, int], largest: float) -> float:
        """The largest stable step while |P| <= `largest`."""
        held = self.depolarisation * shape[0] * shape[1] if self.of == "total" else self.depolarisation
        stiff = max(abs(self.alpha), 3 * self.beta * largest**2 + self.alpha)
        return 2 / (self.gamma * (stiff + abs(self.coupling) * (abs(self.own) + 4) + abs(held)))

    def run(self, P: ArrayLike, waves: ArrayLike, step: float, field: ArrayLike = 0.0) -> tuple[Array, Array]:
        """P [B, C, n, m] after a field waves [steps, C] of steps `step`, and its mean [B, steps, C] on the way.

        `field` is what defects add, [B, C, n, m] or what broadcasts to it. Raises UnstableStep and Diverged.
        """
        from physics_priors.lgd import lattice_kernels

        state, wave = np.array(P, dtype=np.float64), np.ascontiguousarray(waves, dtype=np.float64)
        local = np.ascontiguousarray(np.broadcast_to(np.asarray(field, dtype=np.float64), state.shape))
        self._check(state, step, float(np.max(np.abs(wave), initial=0.0) + np.max(np.abs(local), initial=0.0)))
        cells = state.shape[2] * state.shape[3]
        held = self.depolarisation / (1 if self.of == "total" else cells)
        seen = np.empty((len(state), len(wave), state.shape[1]))
        lattice_kernels.run(
            state,
            local,
            wave,
            self.alpha,
            self.beta,
            self.coupling,
            self.own,
            held,
            self.gamma * step,
            self.periodic,
            seen,
        )
        if not np.all(np.isfinite(state)):
            raise Diverged("P is no number any more: a smaller step, or a smaller field")
        return state, seen

    def _check(self, P: Array, step: float, field: float) -> None:
        largest = max(float(np.max(np.abs(P))), 1.2 * self._reach(field))
        stable = self.stable_step((P.shape[2], P.shape[3]), largest)
        if not 0 < step <= stable:
            raise UnstableStep(f"a step of {step:g} is not in (0, {stable:.4g}], where explicit integration is stable")

    def _reach(self, field: float) -> float:
        """|P| at the field, all neighbours alike: beta P^3 + (alpha + (own - 4) k) P = field."""
        roots = np.roots([self.beta, 0.0, self.alpha + (self.own - 4) * abs(self.coupling), -field])
        return float(np.max(np.real(roots[np.abs(np.imag(roots)) < 1e-9])))


def random_fields(uniforms: ArrayLike, strength: float, share: float) -> Array:
    """Defect fields of size +-`strength` in a `share` of the cells, made from uniforms of the field's shape."""
    u = np.asarray(uniforms, dtype=np.float64)
    return np.where(u < share / 2, -strength, np.where(u > 1 - share / 2, strength, 0.0))
