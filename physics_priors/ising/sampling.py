"""Monte Carlo of any lattice model: heat bath or Metropolis by sublattice, many replicas, fixed sites, own fields."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physics_priors.ising.errors import LatticeError
from physics_priors.ising.lattice import Floats, Ints
from physics_priors.ising.model import Model, Spins, checked_spins, padded
from physics_priors.ising.seeding import replica_keys

Start = Literal["random", "up", "down"] | NDArray[np.int8]
_LARGEST_TABLE = 4_000_000
_FASTEST_ODDS = 700.0


class Sampler:
    """R replicas of a model at parameters theta; `run` goes on where it stopped, `state` and `restore` resume it.

    `own` [N] are log odds of single sites (soft labels, or a known site field times two); `free` [N] says which sites
    may change. Replica r depends on the seed and on r, not on how many there are.
    """

    def __init__(
        self,
        model: Model,
        theta: Floats,
        *,
        replicas: int = 1,
        seed: int = 0,
        start: Start = "random",
        own: Floats | None = None,
        free: NDArray[np.bool_] | None = None,
        method: Literal["heat_bath", "metropolis"] = "heat_bath",
        threads: int = 1,
    ) -> None:
        if method not in ("heat_bath", "metropolis"):
            raise LatticeError(f"method {method!r}: choose heat_bath or metropolis")
        self.model, self.method, self.threads = model, method, threads
        self.keys = replica_keys(seed, replicas)
        self.spins = np.ascontiguousarray(padded(started(start, replicas, len(model.lattice), seed)).T)
        self.sites = sublattice_order(model, free).astype(np.uint32)
        self.own = own
        self.done = 0
        self.theta = theta

    @property
    def theta(self) -> Floats:
        """The parameters [K]."""
        return self._theta

    @theta.setter
    def theta(self, theta: Floats) -> None:
        self._theta = checked_theta(self.model, theta)
        self._table = odds_table(self.model, self._theta)
        self._products = products(self.model, self.sites, self._table.stride)

    @property
    def own(self) -> Floats | None:
        """Log odds of single sites, [N], or [R, N] where they differ between replicas."""
        return self._own

    @own.setter
    def own(self, own: Floats | None) -> None:
        self._own = own
        odds = np.zeros(len(self.model.lattice)) if own is None else np.asarray(own, np.float64)
        if odds.shape[-1] != len(self.model.lattice) or odds.ndim > 2 or (odds.ndim == 2 and len(odds) != len(self)):
            raise LatticeError(f"log odds {odds.shape} for {len(self)} replicas of {len(self.model.lattice)} sites")
        down = np.exp(-np.clip(odds[..., self.sites], -_FASTEST_ODDS, _FASTEST_ODDS))
        self._down = np.ascontiguousarray(np.atleast_2d(down).T)

    def __len__(self) -> int:
        return len(self.keys)

    def run(self, sweeps: int) -> None:
        """Sweeps over all free sites, sublattice by sublattice."""
        from physics_priors.ising import kernels

        table, alone = self._table, self._down.shape[1] == 1

        def part(some: slice) -> None:
            spins = np.ascontiguousarray(self.spins[:, some])
            down = self._down if alone else np.ascontiguousarray(self._down[:, some])
            kernels.sweep(
                spins, self.sites, *self._products, table.base, table.odds, down, self.keys[some], self.done, sweeps,
                self.method == "metropolis",
            )  # fmt: skip
            self.spins[:, some] = spins

        if len(self) == 1:
            kernels.sweep_one(
                self.spins[:, 0], self.sites, *self._products, table.base, table.odds, self._down[:, 0], self.keys[0],
                self.done, sweeps, self.method == "metropolis",
            )  # fmt: skip
        else:
            parallel(part, len(self), self.threads)
        self.done += sweeps

    def statistics(self) -> Floats:
        """phi [R, K] now."""
        return statistics(self.model, self.spins)

    def record(self, samples: int, every: int = 1) -> Floats:
        """phi [samples, R, K], one sample every so many sweeps."""
        found = np.empty((samples, len(self), len(self.model.terms)))
        for sample in range(samples):
            self.run(every)
            found[sample] = self.statistics()
        return found

    def configurations(self) -> Spins:
        """All replicas [R, N], copied."""
        return np.ascontiguousarray(self.spins[: len(self.model.lattice)].T)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {"spins": self.spins.copy(), "done": self.done, "theta": self.theta.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state of a sampler of the same model and seed."""
        self.spins, self.done, self.theta = state["spins"].copy(), int(state["done"]), state["theta"]


def started(start: Start, replicas: int, sites: int, seed: int) -> Spins:
    """Spins [R, N] to begin with; raises LatticeError where given ones do not fit."""
    if not isinstance(start, str):
        given = checked_spins(start, sites)
        return np.array(np.broadcast_to(given, (replicas, sites)), np.int8)
    if start == "random":
        rows = [np.random.default_rng([seed, 1, r]).integers(0, 2, sites) for r in range(replicas)]
        return (2 * np.array(rows) - 1).astype(np.int8)
    if start not in ("up", "down"):
        raise LatticeError(f"start {start!r}: choose random, up, down, or give spins")
    return np.full((replicas, sites), 1 if start == "up" else -1, np.int8)


def checked_theta(model: Model, theta: Floats) -> Floats:
    """Parameters [K] of a model; raises LatticeError where there are too many, too few, or infinite ones."""
    values = np.array(theta, dtype=np.float64, ndmin=1)
    if values.shape != (len(model.terms),):
        raise LatticeError(f"this model has the parameters {', '.join(model.names)}, got an array {values.shape}")
    if not np.isfinite(values).all():
        raise LatticeError("infinite parameters, as of zero temperature, leave nothing to sample: use a ground state")
    return values


@dataclass(frozen=True)
class Odds:
    """exp(-2 h) by the summed products of the terms: index = base + sum of stride times product."""

    odds: Floats
    base: int
    stride: NDArray[np.int32]
    """[m] of every product of `Model.partners`."""


def odds_table(model: Model, theta: Floats) -> Odds:
    """The table of a model; raises LatticeError where it would be too large."""
    widths = [int((model.owner == k).sum()) for k in range(len(theta))]
    sizes = [2 * width + 1 for width in widths]
    if np.prod([float(size) for size in sizes]) > _LARGEST_TABLE:
        raise LatticeError(f"{len(theta)} terms with {widths} partners are too many for a table: use fewer terms")
    strides = np.cumprod([1, *sizes[:-1]])
    sums = np.meshgrid(*[np.arange(-w, w + 1) for w in reversed(widths)], indexing="ij")
    half = sum(t * s.ravel() for t, s in zip(theta, reversed(sums), strict=True))
    base = int((strides * np.array(widths)).sum())
    odds = np.exp(np.clip(-2.0 * np.asarray(half), -_FASTEST_ODDS, _FASTEST_ODDS))
    return Odds(odds, base, strides[model.owner].astype(np.int32))


def products(model: Model, sites: NDArray[np.uint32], stride: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
    """Single partners [n, m] with their strides, and pairs of partners [n, m, 2] with theirs, of some sites."""
    triple = np.array([model.clusters[k].shape[1] == 3 for k in model.owner], bool)
    partners = model.partners[sites].astype(np.uint32)
    single, double = partners[:, ~triple, 0], partners[:, triple]
    return np.ascontiguousarray(single), stride[~triple], np.ascontiguousarray(double), stride[triple]


def sublattice_order(model: Model, free: NDArray[np.bool_] | None = None) -> Ints:
    """The free sites, one sublattice after the other: inside one, no site is another's partner."""
    order = model.__dict__.get("_order")
    if order is None:
        order = model.__dict__["_order"] = np.argsort(colours(model), kind="stable")
    return order if free is None else order[np.asarray(free, bool)[order]]


def colours(model: Model) -> Ints:
    """Sublattice [N] of every site, greedily: 2 on a square lattice, 3 on a triangular one where they close."""
    lattice, near = model.lattice, model.partners
    if lattice.shape is not None and all(cluster.shape[1] == 1 for cluster in model.clusters):
        return np.zeros(len(lattice), np.int64)
    colour = np.full(len(lattice) + 2, -1)
    for site in range(len(lattice)):
        taken = set(colour[near[site].ravel()].tolist())
        colour[site] = next(c for c in range(len(taken) + 1) if c not in taken)
    return colour[: len(lattice)]


def statistics(model: Model, spins: NDArray[np.int8]) -> Floats:
    """phi [R, K] of padded spins [N + 2, R], compiled."""
    from physics_priors.ising import kernels

    table, order, term = _flat_clusters(model)
    out = np.empty((len(model.terms), spins.shape[1]))
    kernels.statistics(spins, table, order, term, out)
    return out.T


def parallel(part: Any, rows: int, threads: int) -> None:
    """Call `part` on slices of the rows, in so many threads."""
    if threads <= 1 or rows == 1:
        part(slice(0, rows))
        return
    edges = np.linspace(0, rows, min(threads, rows) + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, [slice(a, b) for a, b in pairwise(edges.tolist())]))


def _flat_clusters(model: Model) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    kept = model.__dict__.get("_flat")
    if kept is None:
        tables = [np.pad(c, ((0, 0), (0, 3 - c.shape[1]))) for c in model.clusters]
        orders = [np.full(len(c), c.shape[1]) for c in model.clusters]
        terms = [np.full(len(c), k) for k, c in enumerate(model.clusters)]
        kept = np.concatenate(tables).astype(np.int32), np.concatenate(orders), np.concatenate(terms)
        model.__dict__["_flat"] = kept
    return kept
