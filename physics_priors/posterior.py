"""Posteriors that are priors again: on a grid where there are few parameters, with particles where there are more.

Both live in the uniforms that the prior makes its parameters of, so that bounds and units are the prior's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from physics_priors.bounds import Bounds
from physics_priors.prior import Model, Parameters

Floats = NDArray[np.float64]
Data = Mapping[str, NDArray[Any]]
"""Arrays [m, ...] by name, one entry for each of m observations."""
_EDGE = 1e-12


@dataclass(frozen=True)
class Grid:
    """The exact posterior up to `cells` per parameter, equal parts of the prior's probability: for one or two of them.

    log_weight [cells ** P] are unnormalised log probabilities, last parameter fastest; `evidence` sums them up.
    """

    prior: Parameters
    cells: int = 400
    log_weight: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        count = self.cells ** len(self.prior)
        if len(self.log_weight) == 0:
            object.__setattr__(self, "log_weight", np.full(count, -np.log(count)))

    @property
    def names(self) -> tuple[str, ...]:
        return self.prior.names

    @property
    def nodes(self) -> Floats:
        """Parameters [cells ** P, P] in the middle of the cells; not to be changed."""
        return _nodes(self.prior, self.cells)

    @property
    def weight(self) -> Floats:
        """Probability of each cell."""
        return _normalised(self.log_weight)

    @property
    def log_evidence(self) -> float:
        """Log probability of all the data taken in so far."""
        return float(_log_sum(self.log_weight))

    def updated(self, model: Model[Data, Data], design: Data, outcome: Data) -> Grid:
        """The posterior after some observations."""
        return replace(self, log_weight=self.log_weight + model.log_likelihood(self.nodes, design, outcome))

    def sample(self, uniforms: Floats) -> Floats:
        flat = uniforms.reshape(-1, len(self.prior))
        weight = np.broadcast_to(self.weight, (len(flat), len(self.log_weight)))
        drawn = []
        for axis in range(len(self.prior)):
            table = weight.reshape(len(flat), self.cells, -1)
            place = _inverse(table.sum(-1), flat[:, axis])
            drawn.append(place / self.cells)
            cell = np.minimum(place.astype(np.int64), self.cells - 1)
            weight = np.take_along_axis(table, cell[:, None, None], axis=1)[:, 0]
        return self.prior.sample(np.stack(drawn, axis=-1).reshape(uniforms.shape))

    def log_density(self, theta: Floats) -> Floats:
        cell = np.clip((self.prior.cumulative(theta) * self.cells).astype(np.int64), 0, self.cells - 1)
        index = np.ravel_multi_index(tuple(np.moveaxis(cell, -1, 0)), (self.cells,) * len(self.prior))
        relative = np.log(self.weight[index] + 1e-300) + len(self.prior) * np.log(self.cells)
        return np.asarray(self.prior.log_density(theta) + relative)

    def mean(self) -> Floats:
        """Posterior means, [P]."""
        return np.asarray(self.weight @ self.nodes)

    def interval(self, level: float = 0.95) -> Floats:
        """Equal-tailed intervals, [P, 2]."""
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        table = self.weight.reshape((self.cells,) * len(self.prior))
        found = []
        for axis, item in enumerate(self.prior):
            others = tuple(a for a in range(len(self.prior)) if a != axis)
            marginal = np.broadcast_to(table.sum(others), (2, self.cells))
            found.append(item.distribution.quantile(np.clip(_inverse(marginal, tails) / self.cells, _EDGE, 1 - _EDGE)))
        return np.array(found)


@dataclass(frozen=True)
class Particles:
    """A sequential Monte Carlo posterior: reweight, and when few particles carry it, resample and move them.

    The moves are Metropolis steps against all the data seen so far (N. Chopin, Biometrika 89, 539, 2002), so that it
    stays exact as the data grow. Random numbers depend on `seed` and on the number of updates only.
    """

    prior: Parameters
    count: Annotated[int, Bounds("particles", 10, 1_000_000)] = 1000
    seed: int = 0
    moves: Annotated[int, Bounds("steps", 1, 1000)] = 5
    z: Floats = field(default_factory=lambda: np.empty((0, 0)))
    """The particles [count, P] as standard normal numbers under the prior."""
    log_weight: Floats = field(default_factory=lambda: np.empty(0))
    updates: int = 0
    design: Data = field(default_factory=dict)
    outcome: Data = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.z) == 0:
            spread = np.random.default_rng([self.seed, 0]).normal(size=(self.count, len(self.prior)))
            object.__setattr__(self, "z", spread)
            object.__setattr__(self, "log_weight", np.full(self.count, -np.log(self.count)))

    @property
    def names(self) -> tuple[str, ...]:
        return self.prior.names

    @property
    def theta(self) -> Floats:
        """The particles [count, P] in the parameters' units."""
        return self._theta(self.z)

    @property
    def weight(self) -> Floats:
        """Probability of each particle."""
        return _normalised(self.log_weight)

    @property
    def effective(self) -> float:
        """How many equally weighted particles would be as good."""
        return float(1.0 / np.square(self.weight).sum())

    def updated(self, model: Model[Data, Data], design: Data, outcome: Data) -> Particles:
        """The posterior after some observations."""
        after = replace(
            self,
            log_weight=self.log_weight + model.log_likelihood(self.theta, design, outcome),
            updates=self.updates + 1,
            design=_joined(self.design, design),
            outcome=_joined(self.outcome, outcome),
        )
        return after if after.effective > self.count / 2 else after._renewed(model)

    def sample(self, uniforms: Floats) -> Floats:
        """Draws among the particles; only the first of each draw's uniforms is used."""
        index = np.searchsorted(np.cumsum(self.weight), np.asarray(uniforms)[..., 0])
        return self.theta[np.minimum(index, self.count - 1)]

    def log_density(self, theta: Floats) -> Floats:
        """Of a smoothed posterior: every particle is a normal kernel of Silverman's width."""
        from scipy.special import logsumexp, ndtri

        place = ndtri(np.clip(self.prior.cumulative(theta), _EDGE, 1 - _EDGE))
        size = len(self.prior)
        width = self._spread()[1] * (4 / ((size + 2) * self.effective)) ** (1 / (size + 4))
        away = np.square((place[..., None, :] - self.z) / width).sum(-1)
        constant = -np.log(width).sum() - 0.5 * size * np.log(2 * np.pi)
        kernel = logsumexp(np.log(self.weight + 1e-300) - 0.5 * away, axis=-1) + constant
        own = -0.5 * (np.square(place).sum(-1) + size * np.log(2 * np.pi))
        return np.asarray(self.prior.log_density(theta) + kernel - own)

    def mean(self) -> Floats:
        """Posterior means, [P]."""
        return np.asarray(self.weight @ self.theta)

    def interval(self, level: float = 0.95) -> Floats:
        """Equal-tailed intervals, [P, 2]."""
        tails, theta = np.array([(1 - level) / 2, (1 + level) / 2]), self.theta
        order = np.argsort(theta, axis=0)
        total = np.cumsum(self.weight[order], axis=0)
        ranked = np.take_along_axis(theta, order, axis=0)
        return np.array([ranked[np.searchsorted(total[:, i], tails), i] for i in range(theta.shape[1])])

    def _renewed(self, model: Model[Data, Data]) -> Particles:
        rng = np.random.default_rng([self.seed, self.updates])
        middle, _ = self._spread()
        away = self.z - middle
        covariance = (self.weight[:, None] * away).T @ away + 1e-9 * np.eye(len(self.prior))
        root = np.linalg.cholesky(covariance) * 2.38 / np.sqrt(len(self.prior))
        z = self.z[_systematic(self.weight, rng)]
        score = self._score(model, z)
        for _ in range(self.moves):
            tried = z + rng.normal(size=z.shape) @ root.T
            new = self._score(model, tried)
            taken = np.log(rng.uniform(size=len(z))) < new - score
            z, score = np.where(taken[:, None], tried, z), np.where(taken, new, score)
        return replace(self, z=z, log_weight=np.full(self.count, -np.log(self.count)))

    def _score(self, model: Model[Data, Data], z: Floats) -> Floats:
        fit = model.log_likelihood(self._theta(z), self.design, self.outcome)
        return np.asarray(fit - 0.5 * np.square(z).sum(-1))

    def _theta(self, z: Floats) -> Floats:
        from scipy.special import ndtr

        return self.prior.sample(np.clip(ndtr(z), _EDGE, 1 - _EDGE))

    def _spread(self) -> tuple[Floats, Floats]:
        middle = self.weight @ self.z
        return middle, np.sqrt(self.weight @ np.square(self.z - middle)) + 1e-9


@lru_cache(maxsize=32)
def _nodes(prior: Parameters, cells: int) -> Floats:
    middle = (np.arange(cells) + 0.5) / cells
    axes = np.meshgrid(*[middle] * len(prior), indexing="ij")
    nodes = prior.sample(np.stack([axis.ravel() for axis in axes], axis=-1))
    nodes.setflags(write=False)
    return nodes


def _systematic(weight: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    places = (np.arange(len(weight)) + rng.uniform()) / len(weight)
    return np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)


def _inverse(weight: Floats, uniform: Floats) -> Floats:
    """Where [n] the cumulative sum of weights [n, cells] reaches a uniform [n], in cells, linear inside a cell."""
    total = np.cumsum(weight, axis=-1)
    wanted = uniform[:, None] * total[:, -1:]
    cell = np.minimum((total < wanted).sum(-1), weight.shape[-1] - 1)[:, None]
    inside = np.take_along_axis(weight, cell, axis=-1)
    before = np.take_along_axis(total, cell, axis=-1) - inside
    part = np.divide(wanted - before, inside, out=np.full_like(inside, 0.5), where=inside > 0)
    return np.asarray((cell + np.clip(part, 0.0, 1.0))[:, 0])


def _joined(old: Data, new: Data) -> Data:
    return {name: np.concatenate([old[name], new[name]]) if name in old else np.asarray(new[name]) for name in new}


def _normalised(log_weight: Floats) -> Floats:
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def _log_sum(values: Floats) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))
