"""Arrange dopants: bring several silicon atoms in graphene to a pattern of sites, any atom to any site.

The survey is one look at the whole field; the dopants are the `dopants` silicon atoms nearest to its middle. The
targets are sites of that look: at random, one for each dopant, from `nearest_bonds` to `farthest_bonds` away from it,
`margin_nm` from the border and `apart_bonds` from each other; or those nearest to `points_nm`. An action is (which, x,
y, dwell) in [-1, 1]: `which` picks the dopant, its range being cut into as many equal parts, and the others are as in
`move_dopant`: where the beam is parked from it, and for how long at most. Then a small frame around it is scanned. The
other dopants may hop too. So in place of every `survey_every`th look the whole field is looked at; and where a dopant
that should be in a look is not, the next action is nothing but such a survey, whatever was asked for. All of it costs
its seconds and its electrons.

The value is the sum of the distances in bonds of the best assignment of dopants to targets, NaN while one is out of
sight. Whenever more targets are filled at once than ever before, each of those more is rewarded by `discount_per_s` to
the power of the seconds since the last time (or since the start); every action costs `price_per_s` and
`price_per_megaelectron`. It ends when all are filled, with -1 when a survey does not find all dopants, or after
`tries`. Targets and dopants are followed with the lattice. It is not compiled: many rows at once are slower than those
of `move_dopant`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.dopant_task import DopantState, DopantTask
from environments.dopants import Dopants, Look, distances, followed, found, shortest
from environments.failures import accepted, with_failures
from environments.lattice import atoms_of
from environments.rows import KEPT
from environments.target_sites import Wanted, sites_at_random, sites_next_to
from environments.task import Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import OutOfReach
from instruments.keys import Keys
from instruments.request_columns import atom_positions
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_FAR: Final = 1000.0
_FILLED_BONDS: Final = 0.5
_MOVED_BONDS: Final = 0.5
_EDGE_BONDS: Final = 1.4
"""A dopant as deep in a small look has to be seen in it, with its neighbours."""


@dataclass(frozen=True)
class State(DopantState):
    """B rows of k dopants."""

    lattice_nm: Floats = field(metadata=KEPT)
    """[B, C, 2] as the survey saw it, NaN for none."""
    dopants: Dopants
    targets_nm: Floats
    """[B, k, 2] in the survey's frame."""
    bands: Floats
    """(low, high, samples) of the trace in which a dwell beside each dopant goes on, [B, k, 3]."""
    rise: Floats
    """[B] the level of the survey."""
    last: Floats
    """[B, 3]: seconds of the last dwell, whether its dopant moved, which one it was."""
    seconds: Floats
    """[B] since more targets were filled than before."""
    count: NDArray[np.int64]
    most: NDArray[np.int64]
    """[B] actions, and the most targets that were filled at once."""
    unsure: Bools
    lost: Bools
    failed: Bools
    """[B, steps] which actions brought nothing; no wider than the last of those."""


@dataclass(frozen=True)
class ArrangeDopants(DopantTask):
    """The task; see the module's text for actions, value and reward."""

    dopants: Annotated[int, Bounds("atoms", 1, 100)] = 3
    points_nm: tuple[tuple[float, float], ...] = ()
    """The pattern, x and y in the field's frame; none: at random."""
    apart_bonds: Annotated[float, Bounds("bonds", 0.5, 100.0)] = 2.5
    survey_every: Annotated[int, Bounds("actions", 1, 1_000_000)] = 20
    tries: Annotated[int, Bounds("tries", 1, 100_000_000)] = 200

    name = "arrange_dopants"
    sought = "distance to the targets"

    def __post_init__(self) -> None:
        super().__post_init__()
        points = tuple((float(x), float(y)) for x, y in self.points_nm)
        object.__setattr__(self, "points_nm", points)
        if points and len(points) != self.dopants:
            raise ValueError(f"points_nm names {len(points)} places for {self.dopants} dopants: name one for each")

    def check(self, capabilities: Capabilities) -> None:
        super().check(capabilities)
        if self.points_nm and not capabilities.field.contains(np.array(self.points_nm)):
            raise OutOfReach(f"{self.name}: points_nm {self.points_nm} are not all in {capabilities.field}")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        k = self.dopants
        sizes = {"dopants": (-1.0, 1.0, 2 * k), "neighbours": (-1.0, 1.0, 6 * k), "targets": (-1.0, 1.0, 2 * k)}
        sizes |= {"last": (0.0, _FAR, 4), "progress": (0.0, 1.0, 2)}
        return gymnasium.spaces.Dict(
            {name: gymnasium.spaces.Box(low, high, (size,), np.float32) for name, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        return State(
            **self.begun(keys, capabilities),
            lattice_nm=np.zeros((rows, 0, 2)),
            dopants=Dopants.nothing(rows, self.dopants, capabilities.field.center_nm),
            targets_nm=np.zeros((rows, self.dopants, 2)),
            bands=np.zeros((rows, self.dopants, 3)),
            rise=np.zeros(rows),
            last=np.zeros((rows, 3)),
            seconds=np.zeros(rows),
            count=np.zeros(rows, dtype=np.int64),
            most=np.zeros(rows, dtype=np.int64),
            unsure=np.zeros(rows, dtype=bool),
            lost=np.zeros(rows, dtype=bool),
            failed=np.zeros((rows, 0), dtype=bool),
        )

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        """Find the dopants and the targets; a row with too few dopants ends with its first action."""
        rows = len(state.keys)
        position, intensity, species = atoms_of(results[0], rows)
        lattice = np.ascontiguousarray(position)
        middle = np.array(state.capabilities.field.center_nm, dtype=np.float64)
        ground, enough = found(position, species, self.element, middle, self.dopants)
        every = np.ones(state.bands.shape[:2], dtype=bool)
        known = replace(state.dopants, ground_nm=ground)
        known, _ = followed(known, Look(position, species, enough, every, every), lattice, self.element, self.bond_nm)
        bands = self.bands(state, results[0], intensity, species)
        wide = np.repeat(bands[:, None], self.dopants, axis=1)
        state = replace(state, lattice_nm=lattice, dopants=known, bands=wide, rise=bands[:, 1].copy(), lost=~enough)
        state = replace(state, targets_nm=self._pattern(state))
        return replace(state, most=self._filled(state))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        rows, which, due = np.arange(len(actions)), self._which(actions), self._due(state)
        beside = state.dopants.now_nm[rows, which], state.bands[rows, which]
        dwell, centers = self.dwelling(state, _rest(actions), *beside, ~state.unsure)
        return [
            dwell,
            replace(atom_positions(centers, state.frame), wanted=~due),
            RequestBatch("AtomPositions", len(rows), {}, self.surveying(state), due),
        ]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        dwell, close, whole = results
        rows, which, due = np.arange(len(actions)), self._which(actions), self._due(state)
        done = (state.unsure | dwell.done) & np.where(due, whole.done, close.done)
        before = state.dopants.ground_nm[rows, which]
        after = self._followed(state, which, close, whole)
        moved = np.hypot(*(after.dopants.ground_nm[rows, which] - before).T) > _MOVED_BONDS * self.bond_nm
        spent = [sum(getattr(r.cost, name) for r in results) for name in ("seconds", "electrons")]
        after = replace(
            self._watched(after, which, _rest(actions), dwell, moved),
            last=np.stack([dwell.cost.seconds, moved, which], axis=1),
            seconds=state.seconds + spent[0],
            count=state.count + 1,
        )
        steps = int(after.count.max())
        if not done.all():
            after = replace(after, failed=with_failures(state.failed, done, state.count, steps))
        return self._judged(after, done, spent[0], spent[1], steps)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        rows, middle = len(state.keys), 0.5 * (state.low_nm + state.high_nm)
        half = 0.5 * (state.high_nm - state.low_nm)
        near = np.nan_to_num(state.dopants.near_nm / self.reach_nm)
        shown = {
            "dopants": np.clip((state.dopants.now_nm - middle) / half, -1.0, 1.0),
            "neighbours": np.clip(near, -1.0, 1.0),
            "targets": np.clip((state.targets_nm + state.dopants.home_nm[:, None] - middle) / half, -1.0, 1.0),
            "last": np.clip(np.column_stack([state.last, state.unsure]), 0.0, _FAR),
            "progress": np.stack([np.minimum(state.count / self.tries, 1.0), self._filled(state) / self.dopants], 1),
        }
        return {name: array.reshape(rows, -1).astype(np.float32) for name, array in shown.items()}

    def _which(self, actions: NDArray[Any]) -> NDArray[np.int64]:
        """The dopant [B] that each action picks."""
        part = np.floor((np.asarray(actions[:, 0], dtype=np.float64) + 1.0) / 2.0 * self.dopants)
        return np.clip(part, 0, self.dopants - 1).astype(np.int64)

    def _due(self, state: State) -> Bools:
        """Where [B] the whole field is looked at by the next action."""
        return np.asarray(state.unsure | ((state.count + 1) % self.survey_every == 0))

    def _followed(self, state: State, which: NDArray[np.int64], close: ResultBatch, whole: ResultBatch) -> State:
        """After the looks: where the dopants are, in which rows one is out of sight, and where one is gone."""
        due, rows = self._due(state), np.arange(len(which))
        half, edge = 0.5 * state.frame.size_nm[0], _EDGE_BONDS * self.bond_nm
        own = np.zeros(state.bands.shape[:2], dtype=bool)
        own[rows, which] = True
        center = state.centers(state.dopants.now_nm[rows, which])
        away = np.abs(state.dopants.now_nm - center[:, None]).max(-1)
        may, must = own | (away < half + 0.5 * self.bond_nm), own | (away < half - edge)
        known, gone = self._seen(state, state.dopants, close, ~due & close.done, may, must)
        every = np.ones_like(own)
        known, lost = self._seen(state, known, whole, due & whole.done, every, every)
        unsure = np.where(due & whole.done, False, state.unsure | gone.any(1))
        return replace(state, dopants=known, unsure=unsure, lost=state.lost | lost.any(1))

    def _seen(
        self, state: State, known: Dopants, result: ResultBatch, rows: Bools, may: Bools, must: Bools
    ) -> tuple[Dopants, Bools]:
        position, _, species = atoms_of(result, len(rows))
        look = Look(position, species, rows, may, must)
        return followed(known, look, state.lattice_nm, self.element, self.bond_nm)

    def _watched(self, state: State, which: NDArray[np.int64], rest: Floats, dwell: ResultBatch, moved: Bools) -> State:
        """The levels after dwells some of which ended in vain; those beside a dopant that moved are the survey's."""
        if not self.watch:
            return state
        from environments.dopant_kernel import LOST, MOVED, NUMBERS

        rows, numbers = np.arange(len(which)), np.zeros((len(which), NUMBERS))
        numbers[:, MOVED], numbers[:, LOST] = moved, state.unsure | state.lost
        own, bands = state.bands[rows, which], state.bands.copy()
        self.kernel.forgive(rest, self.shortest_s, self.longest_s, dwell.cost.seconds, numbers, state.rise, own)
        bands[rows, which] = own
        return replace(state, bands=bands)

    def _judged(
        self, state: State, done: Bools, seconds: Floats, electrons: Floats, steps: int
    ) -> tuple[State, Outcome]:
        """Value, reward and end of an action that took so many seconds and electrons [B]."""
        usable = done & ~state.unsure & ~state.lost
        value = np.where(usable, shortest(self._away(state)) / self.bond_nm, np.nan)
        filled = np.where(usable, self._filled(state), state.most)
        more = np.maximum(filled - state.most, 0)
        reward = more * self.discount_per_s**state.seconds - self.price_per_s * seconds
        reward = reward - 1e-6 * self.price_per_megaelectron * electrons - state.lost
        ended = state.lost | (usable & (filled == self.dopants)) | (state.count >= self.tries)
        after = replace(state, most=state.most + more, seconds=np.where(more > 0, 0.0, state.seconds))
        return after, Outcome(value, accepted(state.failed, steps), reward, ended)

    def _away(self, state: State) -> Floats:
        """From every dopant to every target, [B, k, k] nm."""
        return distances(state.dopants.ground_nm, state.targets_nm)

    def _filled(self, state: State) -> NDArray[np.int64]:
        """How many targets [B] have a dopant."""
        return np.asarray((self._away(state).min(1) < _FILLED_BONDS * self.bond_nm).sum(1))

    def _pattern(self, state: State) -> Floats:
        """The targets [B, k, 2]: sites of the survey."""
        if self.points_nm:
            return sites_next_to(np.array(self.points_nm), state.lattice_nm)
        near, far, apart = (self.bond_nm * b for b in (self.nearest_bonds, self.farthest_bonds, self.apart_bonds))
        wanted = Wanted(near, far, apart, self.margin_nm, self.bond_nm)
        ground = state.dopants.ground_nm
        return sites_at_random(state.keys, ~state.lost, state.lattice_nm, ground, state.low_nm, state.high_nm, wanted)


def _rest(actions: NDArray[Any]) -> Floats:
    """(x, y, dwell) of the actions [B, 4]."""
    return np.ascontiguousarray(actions[:, 1:], dtype=np.float64)
