"""Tasks that choose under which condition, and where, the next image of a lattice is taken.

Every image costs the same dose. Its atoms give a histogram of local configurations (own kind, like neighbours in each
shell), all that the pseudo-likelihood of pair interactions sees. Conditions are static context: two images of the brief
that are named after what they hold, [conditions, patches]. An action is (patch, condition) in [-1, 1] and means the
nearest candidate.

Reward: the information about the prior's parameters that the image brought, in nats, by the prior's own account.
Value: the nearest-neighbour short-range order of the image. It ends after `images` images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.lattice_images import Floats, Look
from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported
from instruments.keys import Keys
from physics_priors.ising.design import LatticePrior


@dataclass(frozen=True)
class Conditions:
    """Candidates [n]: condition and patch of each, and the numbers [n, 2] that the prior wants to know of it."""

    condition: NDArray[np.int64]
    patch: NDArray[np.int64]
    values: Floats
    shape: tuple[int, int]

    @staticmethod
    def of(values: Floats, patches: int) -> Conditions:
        """Every condition [m, 2] with every patch, condition by condition."""
        condition, patch = np.divmod(np.arange(len(values) * patches), patches)
        return Conditions(condition, patch, values[condition], (len(values), patches))

    @property
    def actions(self) -> Floats:
        """[n, 2] in [-1, 1]: (patch, condition)."""
        rows, columns = self.shape
        return np.stack([2 * (self.patch + 0.5) / columns - 1, 2 * (self.condition + 0.5) / rows - 1], axis=1)

    def nearest(self, actions: NDArray[Any]) -> NDArray[np.int64]:
        """Candidate [B] that each action [B, 2] means."""
        counts = np.array(self.shape[::-1])
        cell = np.clip(np.floor((np.asarray(actions) + 1) / 2 * counts), 0, counts - 1).astype(np.int64)
        return np.asarray(cell[:, 1] * self.shape[1] + cell[:, 0])

    def images(self, names: tuple[str, str]) -> dict[str, Floats]:
        """The two numbers of every candidate as images [conditions, patches]."""
        return {name: self.values[:, i].reshape(self.shape) for i, name in enumerate(names)}


@dataclass(frozen=True)
class State:
    """B rows after up to N images: picks, values, accepted [B, N], histograms [B, N, bins], nats [B] known so far."""

    plan: Conditions = field(metadata=SHARED)
    capabilities: Capabilities = field(metadata=SHARED)
    count: NDArray[np.int64]
    picks: NDArray[np.int64]
    values: Floats
    accepted: NDArray[np.bool_]
    histograms: Floats
    nats: Floats


class LatticeImages(ABC):
    """What tasks have in common that choose the condition and the patch of the next image of a lattice."""

    name: str
    images: int
    look: Look
    prior: Any
    """A `physics_priors.ising.design.LatticePrior`."""
    value_name = "nearest-neighbour order"

    def check(self, capabilities: Capabilities) -> None:
        if missing := {"AtomPositions", "SetSample"} - capabilities.requests:
            raise NotSupported(
                f"{capabilities.name} has no {' and no '.join(sorted(missing))}, which {self.name} needs"
            )

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        candidates = len(self.conditions().patch)
        sizes = {"histogram": (0.0, 1e6, int(np.prod(self.look.bins))), "tried": (0.0, 1.0, candidates)}
        sizes |= {"last": (-2.0, 2.0, 1), "progress": (0.0, 1.0, 1)}
        boxes: dict[str, gymnasium.Space[Any]] = {
            k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()
        }
        return gymnasium.spaces.Dict(boxes)

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows, n, bins = len(keys), self.images, int(np.prod(self.look.bins))
        return State(
            plan=self.conditions(),
            capabilities=capabilities,
            count=np.zeros(rows, np.int64),
            picks=np.zeros((rows, n), np.int64),
            values=np.full((rows, n), np.nan),
            accepted=np.zeros((rows, n), bool),
            histograms=np.zeros((rows, n, bins)),
            nats=np.full(rows, _nats(self.prior, np.empty((0, 2)), np.empty((0, bins)))),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return []

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        return state

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        pick = state.plan.nearest(actions)
        frames = self.look.frames(state.capabilities.field)
        chosen = np.empty(len(pick), object)
        chosen[:] = [frames[p] for p in state.plan.patch[pick]]
        return [self.set_sample(state, pick), RequestBatch("AtomPositions", len(pick), {"frame": chosen}, {})]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        pick, rows = state.plan.nearest(actions), np.arange(len(actions))
        read = [self.look.read(results[1], int(row)) if bool(results[0].done[row]) else (0.0, np.nan) for row in rows]
        at = (rows, np.minimum(state.count, self.images - 1))
        value, accepted = np.array([r[1] for r in read]), state.accepted.copy()
        picks, values, histograms = state.picks.copy(), state.values.copy(), state.histograms.copy()
        picks[at], values[at], accepted[at] = pick, value, np.isfinite(value)
        histograms[at] = np.array([np.broadcast_to(r[0], histograms.shape[2]) for r in read])
        nats = np.array([self._known(state.plan, picks[r], histograms[r]) for r in rows])
        count = state.count + 1
        after = replace(
            state, count=count, picks=picks, values=values, accepted=accepted, histograms=histograms, nats=nats
        )
        made = accepted[:, : min(int(count.max()), self.images)]
        return after, Outcome(value, made, nats - state.nats, count >= self.images)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        rows, last = np.arange(len(state.count)), np.clip(state.count - 1, 0, self.images - 1)
        tried = np.zeros((len(rows), len(state.plan.patch)), np.float32)
        for row in rows:
            tried[row, state.picks[row, : state.count[row]]] = 1.0
        return {
            "histogram": state.histograms[rows, last].astype(np.float32),
            "tried": tried,
            "last": np.clip(np.nan_to_num(state.values[rows, last]), -2, 2)[:, None].astype(np.float32),
            "progress": np.clip(state.count / self.images, 0, 1)[:, None].astype(np.float32),
        }

    def brief(self, state: State, row: int) -> Brief:
        centres = np.array([frame.center_nm for frame in self.look.frames(state.capabilities.field)])
        return Brief(
            objective="map",
            value_name=self.value_name,
            value_unit="",
            candidates=state.plan.actions,
            positions_nm=centres[state.plan.patch],
            pixels=np.stack([state.plan.condition, state.plan.patch], axis=1),
            images=state.plan.images(self.prior.context),
        )

    def appraise(self, capabilities: Capabilities, results: Sequence[ResultBatch]) -> Floats:
        """True order [n] from flawless images of all candidates."""
        return np.array([self.look.read(result, 0)[1] for result in results])

    @abstractmethod
    def conditions(self) -> Conditions:
        """The candidates."""

    @abstractmethod
    def set_sample(self, state: State, pick: NDArray[np.int64]) -> RequestBatch:
        """The request that brings the conditions about."""

    def _known(self, plan: Conditions, picks: NDArray[np.int64], histograms: Floats) -> float:
        seen = histograms.sum(1) > 0
        return _nats(self.prior, plan.values[picks[seen]], histograms[seen])


def _nats(prior: LatticePrior, conditions: Floats, histograms: Floats) -> float:
    """Half the log determinant of what is known: differences of it are information [nats]."""
    belief = prior.believed(conditions, list(histograms))
    return float(-0.5 * np.linalg.slogdet(belief.covariance)[1])
