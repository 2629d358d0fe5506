"""Move a dopant: bring a silicon atom in graphene to a wanted site of the lattice by where the beam stands, how long.

The survey is one look at the whole field, an `AtomPositions` frame; it says where the dopant and the lattice are. The
target is an atom of that look, at random from `nearest_bonds` to `farthest_bonds` away and at least `margin_nm` from
the border. An action is (x, y, dwell) in [-1, 1]: where the beam is parked, from the dopant and in units of `reach_nm`,
and for how long at most, from `shortest_s` to `longest_s` on a logarithmic scale. Where `watch` is on, the dwell ends
when the detector's trace rises as it does when silicon arrives under the beam. Contamination that the beam has grown is
bright too: after a dwell that ended in vain the level is 5 % higher, until something moves. Then a small frame around
the dopant is scanned: an action costs its seconds and its electrons, and imaging can move the dopant too.

The dopant is followed from look to look, and the target with the lattice. The value is the distance to the target
in bonds. When it is reached the reward is `discount_per_s` to the power of the seconds since the goal was set; every
action costs `price_per_s` and `price_per_megaelectron`. Then the next goal is drawn until `goals` are reached; where
the drift carries a target out of the field, another is drawn in its place, and the seconds go on. It ends then, or with
-1 when a look does not find the dopant, or after `tries`.

With `atoms_shown` the observation has, besides, as many atoms of the last look, and what its frame was: sites in it at
which no atom is seen are vacant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.dopant_task import DopantState, DopantTask
from environments.dopant_task import Looks as Looks  # its place in the settings of earlier campaigns
from environments.failures import accepted, with_failures
from environments.lattice import atoms_of
from environments.rows import KEPT
from environments.task import Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.keys import Keys
from instruments.request_columns import atom_positions
from physics_priors.bounds import Bounds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_FAR: Final = 1000.0
_KEPT: Final = 40
_LOST, _COUNT, _NUMBERS = 2, 7, 8
"""Columns of a state's numbers that are read here; the kernel's module, which names them all, loads Numba."""


@dataclass(frozen=True)
class State(DopantState):
    """B rows."""

    lattice_nm: Floats = field(metadata=KEPT)
    """[B, C, 2] as the survey saw it, NaN for none."""
    home_nm: Floats
    """Where the survey's lattice is now, less where it was then, [B, 2]."""
    bands: Floats
    """(low, high, samples) of the trace in which a dwell goes on, [B, 3]; samples 0 where it always does."""
    rise: Floats
    """[B] the level at which the survey says that a trace shows the dopant; that of `bands` may have been raised."""
    atoms_nm: Floats
    """[B, n, 2] as the last look saw them."""
    dopant_nm: Floats
    near_nm: Floats
    """[B, 3, 2]"""
    target_nm: Floats
    numbers: Floats
    """[B, 8], see `environments.dopant_kernel`."""
    frame_nm: Floats
    """(low, high) of x and of y of the last look that was taken, [B, 2, 2]."""
    failed: Bools
    """[B, steps] which actions brought nothing; no wider than the last of those."""

    def changed(self, **fields: Any) -> State:
        """The same with other fields: `dataclasses.replace`, without its price."""
        after = object.__new__(State)
        after.__dict__.update(self.__dict__)
        after.__dict__.update(fields)
        return after


@dataclass(frozen=True)
class MoveDopant(DopantTask):
    """The task; see the module's text for actions, value and reward."""

    goals: Annotated[int, Bounds("goals", 1, 1_000_000)] = 1
    tries: Annotated[int, Bounds("tries", 1, 100_000_000)] = 100
    atoms_shown: Annotated[int, Bounds("atoms", 0, 40)] = 0
    threads: Annotated[int, Bounds("threads", 1, 64)] = 1
    """That take in the looks of many rows; what is computed does not depend on how many."""

    name = "move_dopant"
    sought = "distance to the target"

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        sizes = {"dopant": (-1.0, 1.0, 2), "neighbours": (-1.0, 1.0, 6), "target": (-_FAR, _FAR, 2)}
        sizes |= {"last": (0.0, _FAR, 2), "progress": (0.0, 1.0, 2)}
        if self.atoms_shown:
            sizes |= {"atoms": (-_FAR, _FAR, 2 * self.atoms_shown), "frame": (-_FAR, _FAR, 4)}
        return gymnasium.spaces.Dict(
            {k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows, middle = len(keys), np.array(capabilities.field.center_nm, dtype=np.float64)
        return State(
            **self.begun(keys, capabilities),
            lattice_nm=np.zeros((rows, 0, 2)),
            home_nm=np.zeros((rows, 2)),
            bands=np.zeros((rows, 3)),
            rise=np.zeros(rows),
            atoms_nm=np.zeros((rows, 0, 2)),
            dopant_nm=np.tile(middle, (rows, 1)),
            near_nm=np.full((rows, 3, 2), np.nan),
            target_nm=np.zeros((rows, 2)),
            numbers=np.zeros((rows, _NUMBERS)),
            frame_nm=np.zeros((rows, 2, 2)),
            failed=np.zeros((rows, 0), dtype=bool),
        )

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        """Find the dopant that is nearest to the middle, its neighbours, and a first goal."""
        from environments.dopant_survey import closest

        position, intensity, species = atoms_of(results[0], len(state.keys))
        known = self._looked(state, results[0])
        bands = self.bands(state, results[0], intensity, species)
        known = known.changed(
            lattice_nm=np.ascontiguousarray(position),
            home_nm=np.zeros_like(state.home_nm),
            atoms_nm=closest(_plain(position), known.dopant_nm, _KEPT),
            bands=bands,
            rise=bands[:, 1].copy(),
            frame_nm=np.tile(np.stack([state.low_nm, state.high_nm], axis=-1), (len(known.numbers), 1, 1)),
        )
        return self._goal(known, known.numbers[:, _LOST] == 0.0)

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        own = np.asarray(actions, dtype=np.float64)
        dwell, centers = self.dwelling(state, own, state.dopant_nm, state.bands)
        return [dwell, atom_positions(centers, state.frame)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        rows, (dwell, look) = len(actions), results
        after = self._watched(self._framed(self._looked(state, look), state, look), actions, dwell)
        reward, value = np.empty(rows), np.empty(rows)
        ended, more = np.empty(rows, dtype=bool), np.empty(rows, dtype=bool)
        steps, fine, any_more = self.kernel.judge(
            dwell.done, look.done, dwell.cost.seconds, look.cost.seconds, dwell.cost.electrons, look.cost.electrons,
            self._settings, after.target_nm, after.low_nm, after.high_nm, after.numbers, reward, value, ended, more,
        )  # fmt: skip
        if not fine:
            after = after.changed(
                failed=with_failures(state.failed, dwell.done & look.done, state.numbers[:, _COUNT], steps)
            )
        if any_more:
            after = self._goal(after, more)
        return after, Outcome(value, accepted(after.failed, steps), reward, ended)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        out = np.empty((len(state.keys), 14), dtype=np.float32)
        self.kernel.shown(state.dopant_nm, state.near_nm, state.target_nm, state.numbers, state.low_nm, state.high_nm,
              self.reach_nm, self._settings, out)  # fmt: skip
        shown = {
            "dopant": out[:, :2],
            "neighbours": out[:, 2:8],
            "target": out[:, 8:10],
            "last": out[:, 10:12],
            "progress": out[:, 12:],
        }
        return {**shown, **self._sight(state)} if self.atoms_shown else shown

    def _sight(self, state: State) -> dict[str, NDArray[Any]]:
        """The atoms of the last look, nearest first and without the dopant, and its frame: in bonds, from the dopant.

        0 for atoms that are not there.
        """
        from environments.dopant_survey import closest

        rows, most = len(state.keys), self.atoms_shown
        near = closest(state.atoms_nm, state.dopant_nm, most + 1)[:, 1:]
        ways = np.zeros((rows, most, 2), dtype=np.float32)
        ways[:, : near.shape[1]] = np.nan_to_num((near - state.dopant_nm[:, None]) / self.bond_nm)
        frame = (state.frame_nm - state.dopant_nm[..., None]) / self.bond_nm
        return {
            "atoms": ways.reshape(rows, -1).clip(-_FAR, _FAR),
            "frame": frame.reshape(rows, 4).clip(-_FAR, _FAR).astype(np.float32),
        }

    def _framed(self, after: State, before: State, look: ResultBatch) -> State:
        """With the frames of looks at where the dopants were before."""
        if not self.atoms_shown:
            return after
        half, center = 0.5 * before.frame.size_nm[0], before.centers(before.dopant_nm)
        frame = np.stack([center - half, center + half], axis=-1)
        return after.changed(frame_nm=np.where(look.done[:, None, None], frame, before.frame_nm))

    @cached_property
    def _settings(self) -> Floats:
        """What the kernel takes."""
        prices = self.price_per_s, self.price_per_megaelectron
        return np.array([self.element, self.bond_nm, self.discount_per_s, *prices, self.goals, self.tries], dtype=float)

    def _looked(self, state: State, result: ResultBatch) -> State:
        values = result.values
        if "position" in values and "species" in values:
            position, species = values["position"], values["species"]
        else:
            position, _, species = atoms_of(result, len(state.keys))
        place, near, target = state.dopant_nm.copy(), state.near_nm.copy(), state.target_nm.copy()
        home, numbers = state.home_nm.copy(), state.numbers.copy()
        before, now = np.ascontiguousarray(state.atoms_nm[:, : position.shape[1]]), _plain(position)
        all_show = self.kernel.follow(
            self.threads, now, _plain(species), result.done, self._settings, before, place, near, target, home, numbers
        )
        if not all_show:
            unseen = ~result.done | (numbers[:, _LOST] > 0.0)
            now = np.where(unseen[:, None, None], _as_wide(before, now.shape[1]), now)
        return state.changed(
            atoms_nm=now, dopant_nm=place, near_nm=near, target_nm=target, home_nm=home, numbers=numbers
        )

    def _watched(self, state: State, actions: NDArray[Any], dwell: ResultBatch) -> State:
        """The levels after dwells some of which ended in vain."""
        if not self.watch:
            return state
        bands = state.bands.copy()
        changed = self.kernel.forgive(
            np.asarray(actions, dtype=np.float64), self.shortest_s, self.longest_s, dwell.cost.seconds, state.numbers,
            state.rise, bands,
        )  # fmt: skip
        return state.changed(bands=bands) if changed else state

    def _goal(self, state: State, rows: Bools) -> State:
        """A new goal in some rows, at random among the atoms of the survey that are far enough and not too far."""
        target, numbers = state.target_nm.copy(), state.numbers.copy()
        bounds = self.nearest_bonds * self.bond_nm, self.farthest_bonds * self.bond_nm
        self.kernel.choose(
            rows, state.keys, state.lattice_nm, state.home_nm, state.dopant_nm, state.low_nm, state.high_nm,
            self.margin_nm, *bounds, self.bond_nm, target, numbers,
        )  # fmt: skip
        return state.changed(target_nm=target, numbers=numbers)


def _plain(values: NDArray[Any]) -> Floats:
    """The same as contiguous floats; itself where it is."""
    if values.dtype == np.float64 and values.flags.c_contiguous:
        return values
    return np.ascontiguousarray(values, dtype=np.float64)


def _as_wide(atoms_nm: Floats, count: int) -> Floats:
    """Atoms [B, n, 2] as an array of `count`, no fewer, NaN for those that are not there."""
    missing = count - atoms_nm.shape[1]
    return np.pad(atoms_nm, [(0, 0), (0, missing), (0, 0)], constant_values=np.nan) if missing else atoms_nm
