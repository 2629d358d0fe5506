"""Which interactions an image asks for: models with their evidence, and what an isotropic model shows by chance.

Evidence is Laplace's around the full likelihood's maximum, the likelihood itself by integration along a tempered line
from no interaction. An isotropic model that orders by itself breaks the symmetry in every single image: rows in one
image do not prove anisotropy. So the anisotropy that is seen is held against images drawn from the isotropic models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.alloy import warren_cowley
from physics_priors.ising.image import SpinImage
from physics_priors.ising.lattice import Floats, Lattice
from physics_priors.ising.likelihood import Effort, Free, Posterior, fit, free_sites, log_likelihood
from physics_priors.ising.model import Field, Model, Pair, Term, Triangle
from physics_priors.ising.sampling import Sampler

MODELS: Mapping[str, tuple[Term, ...]] = {
    "no interaction": (Field(),),
    "pair": (Field(), Pair(1)),
    "further neighbours": (Field(), Pair(1), Pair(2), Pair(3)),
    "triangle": (Field(), Pair(1), Triangle()),
    "anisotropic": (Field(), Pair(1, 0), Pair(1, 1), Pair(1, 2)),
    "anisotropic, further": (Field(), Pair(1, 0), Pair(1, 1), Pair(1, 2), Pair(2), Pair(3)),
}
"""For triangular lattices with three shells. `further neighbours` is the isotropic one that can order in rows."""


@dataclass(frozen=True)
class Compared:
    """One model: its posterior, log evidence and the evidence's simulation error."""

    name: str
    posterior: Posterior
    log_likelihood: float
    log_evidence: float
    error: float


@dataclass(frozen=True)
class Anisotropy:
    """The spread of short-range order over the directions, seen and as an isotropic model shows it by chance."""

    seen: float
    expected: float
    p_value: float
    """Fraction of the isotropic model's images that are at least as anisotropic."""
    order_seen: float
    order_expected: float
    ordered: bool
    """Whether the isotropic model orders in rows by itself: two starts, rows and random, keep different row order."""


def compare(
    images: Sequence[SpinImage],
    models: Mapping[str, tuple[Term, ...]] = MODELS,
    *,
    prior_std: float = 1.0,
    effort: Effort = Effort(),  # noqa: B008 (frozen)
    seed: int = 0,
) -> list[Compared]:
    """Every model with its evidence relative to theta = 0, the best first."""
    free = [common_sites(image.lattice, models) for image in images]
    found = [_one(name, terms, images, free, prior_std, effort, seed) for name, terms in models.items()]
    return sorted(found, key=lambda one: -one.log_evidence)


def anisotropy(
    image: SpinImage, posterior: Posterior, *, draws: int = 24, sweeps: int = 300, seed: int = 0
) -> Anisotropy:
    """Hold the image's anisotropy against images of the same sites drawn from an isotropic posterior."""
    model = Model(image.lattice, posterior.terms)
    spread = _predictive(model, image, posterior, draws, sweeps, seed, rows=False)
    rows = _predictive(model, image, posterior, draws, sweeps, seed + 1, rows=True)
    seen, own = _anisotropy(image.lattice, image.spins[None]), row_order(image.lattice, image.spins[None])
    drawn, order = _anisotropy(image.lattice, spread), row_order(image.lattice, spread)
    kept = row_order(image.lattice, rows)
    apart = (kept.mean() - order.mean()) / np.sqrt(kept.var() / len(kept) + order.var() / len(order) + 1e-12)
    return Anisotropy(
        float(seen[0]), float(drawn.mean()), float((1 + (drawn >= seen[0]).sum()) / (1 + len(drawn))),
        float(own[0]), float(order.mean()), bool(apart > 4 or order.mean() > 0.5),
    )  # fmt: skip


def common_sites(lattice: Lattice, models: Mapping[str, tuple[Term, ...]]) -> Free:
    """The sites [N] that every model explains, so that evidences are about the same data."""
    terms = tuple({term.name: term for some in models.values() for term in some}.values())
    return free_sites(Model(lattice, terms))


def row_order(lattice: Lattice, spins: NDArray[np.int8]) -> Floats:
    """Largest of the three row-order amplitudes [R] in [0, 1]: alternating rows along a lattice direction."""
    patterns = row_patterns(lattice)
    away = spins - spins.mean(1, keepdims=True)
    return np.asarray(np.abs(away @ patterns.T / spins.shape[1]).max(1))


def row_patterns(lattice: Lattice) -> NDArray[np.float64]:
    """The three ways [3, N] of alternating rows on a triangular lattice, 1 and -1."""
    row, column = triangular_indices(lattice)
    return np.array([(-1.0) ** row, (-1.0) ** column, (-1.0) ** (row + column)])


def triangular_indices(lattice: Lattice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column [N] of the sites of a triangular lattice whose positions are in bond lengths."""
    row = np.round(lattice.positions[:, 1] / np.sqrt(0.75)).astype(np.int64)
    return row, np.round(lattice.positions[:, 0] - row / 2).astype(np.int64)


def _one(
    name: str, terms: tuple[Term, ...], images: Sequence[SpinImage], free: Sequence[Free], prior_std: float,
    effort: Effort, seed: int,
) -> Compared:  # fmt: skip
    posterior = fit(terms, images, prior_std=prior_std, effort=effort, seed=seed, free=free)
    log, error = log_likelihood(terms, images, posterior.theta, effort=effort, seed=seed, free=free)
    k = len(terms)
    prior = -0.5 * (posterior.theta @ posterior.theta) / prior_std**2 - k * np.log(prior_std)
    curvature = posterior.curvature + np.eye(k) / prior_std**2
    evidence = log + float(prior) - 0.5 * float(np.linalg.slogdet(curvature)[1])
    return Compared(name, posterior, log, evidence, error)


def _predictive(
    model: Model, image: SpinImage, posterior: Posterior, draws: int, sweeps: int, seed: int, *, rows: bool
) -> NDArray[np.int8]:
    """Spins [draws, N] at parameters drawn from the posterior, from a random start or from rows."""
    free = free_sites(model)
    out = []
    for number, theta in enumerate(posterior.draws(draws, seed)):
        chain = Sampler(model, theta, seed=seed * 131 + number, start=image.spins, free=free)
        start = (
            row_patterns(model.lattice)[number % 3]
            if rows
            else np.random.default_rng([seed, number]).choice([-1, 1], len(free))
        )
        chain.spins[: len(free), 0] = np.where(free, start, image.spins)
        chain.run(sweeps)
        out.append(chain.configurations()[0])
    return np.array(out)


def _anisotropy(lattice: Lattice, spins: NDArray[np.int8]) -> Floats:
    """Standard deviation [R] of the nearest-neighbour order over the three directions."""
    return np.asarray(np.stack([warren_cowley(lattice, spins, 1, way) for way in range(3)]).std(0))
