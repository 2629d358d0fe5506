"""Move a dopant: bring a silicon atom in graphene to a wanted site of the lattice by where the beam stands, how long.

The survey is one look at the whole field, an `AtomPositions` frame; it says where the dopant and the lattice are. The
target is an atom of that look, at random from `nearest_bonds` to `farthest_bonds` away and at least `margin_nm` from
the border. An action is (x, y, dwell) in [-1, 1]: where the beam is parked, from the dopant and in units of `reach_nm`,
and for how long at most, from `shortest_s` to `longest_s` on a logarithmic scale. Where `watch` is on, the dwell ends
when the detector's trace rises as it does when silicon arrives under the beam. Then a small frame around the dopant is
scanned: an action costs its seconds and its electrons, and imaging can move the dopant too.

The dopant is followed from look to look, and the target with the lattice. The value is the distance to the target
in bonds. When it is reached the reward is `discount_per_s` to the power of the seconds since the goal was set; every
action costs `price_per_s` and `price_per_megaelectron`. Then the next goal is drawn until `goals` are reached. It ends
then, or with -1 when a look does not find the dopant, or after `tries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.lattice import atoms_of
from environments.places import extent_nm
from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments import keys as random
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities, Field
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.errors import CalibrationUnknown, NotSupported, OutOfReach
from instruments.keys import Keys
from instruments.request_columns import Conditions, atom_positions
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixels = Annotated[int, Bounds("pixels", 4, 1024)]
_FAR: Final = 1000.0
_MUCH: Final = 1e15
_KEPT: Final = 40


@dataclass(frozen=True)
class Looks:
    """How looks are made: small frames around the dopant, and the survey's over the field, both of this pixel time."""

    size_nm: Annotated[float, POSITIVE_NM] = 0.6
    shape: tuple[Pixels, Pixels] = (14, 14)
    dwell_s: Annotated[float, POSITIVE_S] = 1e-5
    survey_shape: tuple[Pixels, Pixels] = (96, 96)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "survey_shape", tuple(self.survey_shape))

    def survey(self, field: Field) -> ScanImage:
        """The frame of the survey."""
        return ScanImage(field.center_nm, field.size_nm, self.survey_shape, self.dwell_s)

    def close(self, field: Field) -> ScanImage:
        """The frame of a look, in the middle of the field."""
        side = min(self.size_nm, *field.size_nm)
        return ScanImage(field.center_nm, (side, side), self.shape, self.dwell_s)


@dataclass(frozen=True)
class State:
    """B rows."""

    capabilities: Capabilities = field(metadata=SHARED)
    frame: ScanImage = field(metadata=SHARED)
    low_nm: Floats = field(metadata=SHARED)
    high_nm: Floats = field(metadata=SHARED)
    keys: Keys
    lattice_nm: Floats
    """[B, C, 2] as the survey saw it, NaN for none."""
    home_nm: Floats
    """Where the survey's lattice is now, less where it was then, [B, 2]."""
    rise: Floats
    """Signal per electron above which silicon has come under the beam, [B]; infinite where that is not known."""
    atoms_nm: Floats
    """[B, n, 2] as the last look saw them."""
    dopant_nm: Floats
    near_nm: Floats
    """[B, 3, 2]"""
    target_nm: Floats
    distance: Floats
    """[B], in bonds."""
    moved: Bools
    lost: Bools
    reached: NDArray[np.int64]
    """Goals reached, [B]."""
    seconds: Floats
    """Since the goal was set, [B]."""
    electrons: Floats
    last_s: Floats
    """How long the last dwell took, [B]."""
    count: NDArray[np.int64]
    failed: Bools
    """[B, steps] which actions brought nothing; no wider than the last of those."""


@dataclass(frozen=True)
class MoveDopant:
    """The task; see the module's text for actions, value and reward."""

    element: Annotated[int, Bounds("", 1, 118)] = 14
    goals: Annotated[int, Bounds("goals", 1, 1_000_000)] = 1
    nearest_bonds: Annotated[float, Bounds("bonds", 0.5, 100.0)] = 2.5
    farthest_bonds: Annotated[float, Bounds("bonds", 0.5, 100.0)] = 5.5
    margin_nm: Annotated[float, Bounds("nm", 0.0)] = 0.5
    reach_nm: Annotated[float, Bounds("nm", 0.01, 1.0)] = 0.2
    bond_nm: Annotated[float, Bounds("nm", 0.05, 0.5)] = 0.142
    shortest_s: Annotated[float, POSITIVE_S] = 0.15
    longest_s: Annotated[float, POSITIVE_S] = 15.0
    samples: Annotated[int, Bounds("samples", 1, 10_000)] = 150
    """Of the trace in the longest dwell."""
    watch: bool = True
    looks: Looks = field(default_factory=Looks)
    discount_per_s: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 0.9967
    price_per_s: Annotated[float, Bounds("1/s", 0.0)] = 1e-3
    price_per_megaelectron: Annotated[float, Bounds("1/Me", 0.0)] = 0.0
    tries: Annotated[int, Bounds("tries", 1, 100_000_000)] = 100

    name = "move_dopant"

    def __post_init__(self) -> None:
        if not (self.shortest_s < self.longest_s and self.nearest_bonds <= self.farthest_bonds):
            raise ValueError("shortest_s must be below longest_s, and nearest_bonds not above farthest_bonds")
        if self.looks.size_nm < 2.5 * self.bond_nm:
            raise ValueError(f"looks.size_nm={self.looks.size_nm:g} shows no neighbours: at least 2.5 bonds")

    def check(self, capabilities: Capabilities) -> None:
        for kind in ("AtomPositions", "Dwell"):
            if kind not in capabilities.requests:
                raise NotSupported(f"{capabilities.name} has no {kind}, which {self.name} needs")
        if capabilities.calibration.current_pA is None:
            raise CalibrationUnknown(f"{capabilities.name}: {self.name} needs a known beam current (current_pA)")
        if min(capabilities.field.size_nm) < self.looks.size_nm + 2 * self.margin_nm:
            raise OutOfReach(f"{self.name}: looks and margin do not fit into {capabilities.field}")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        sizes = {"dopant": (-1.0, 1.0, 2), "neighbours": (-1.0, 1.0, 6), "target": (-_FAR, _FAR, 2)}
        sizes |= {"last": (0.0, _FAR, 2), "progress": (0.0, 1.0, 2)}
        return gymnasium.spaces.Dict(
            {k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows, area = len(keys), capabilities.field
        half = np.array(area.size_nm) / 2
        nothing = np.zeros(rows)
        return State(
            capabilities=capabilities,
            frame=self.looks.close(area),
            low_nm=np.array(area.center_nm) - half,
            high_nm=np.array(area.center_nm) + half,
            keys=keys,
            lattice_nm=np.zeros((rows, 0, 2)),
            home_nm=np.zeros((rows, 2)),
            rise=np.full(rows, np.inf),
            atoms_nm=np.zeros((rows, 0, 2)),
            dopant_nm=np.zeros((rows, 2)),
            near_nm=np.full((rows, 3, 2), np.nan),
            target_nm=np.zeros((rows, 2)),
            distance=nothing,
            moved=np.zeros(rows, dtype=bool),
            lost=np.zeros(rows, dtype=bool),
            reached=np.zeros(rows, dtype=np.int64),
            seconds=nothing,
            electrons=nothing,
            last_s=nothing,
            count=np.zeros(rows, dtype=np.int64),
            failed=np.zeros((rows, 0), dtype=bool),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        frame = self.looks.survey(state.capabilities.field)
        return [RequestBatch("AtomPositions", len(state.count), {}, {"frame": frame})]

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        """Find the dopant that is nearest to the middle, its neighbours, and a first goal."""
        from environments.dopant_kernel import follow

        position, intensity, species = atoms_of(results[0], len(state.count))
        rows, count = species.shape
        place, near = np.tile(np.array(state.capabilities.field.center_nm), (rows, 1)), np.full((rows, 3, 2), np.nan)
        target, found, moved = np.zeros((rows, 2)), np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
        position, atoms = np.ascontiguousarray(position), np.full((rows, count, 2), np.nan)
        follow(position, np.ascontiguousarray(species), results[0].done, float(self.element), self.bond_nm, atoms,
               place, near, target, found, moved)  # fmt: skip
        counted = results[0].units.get("intensity") == "counts/electron"
        known = replace(
            state,
            lattice_nm=position,
            atoms_nm=_nearest_atoms(position, place),
            rise=self._rise(intensity, species) if counted else np.full(rows, np.inf),
            dopant_nm=place,
            near_nm=near,
            lost=~found,
        )
        return self._goal(known, found)

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        from environments.dopant_kernel import aimed

        rows = len(actions)
        place, seconds = np.empty((rows, 2)), np.empty(rows)
        aimed(np.asarray(actions, dtype=np.float64), state.dopant_nm, self.reach_nm, self.shortest_s, self.longest_s,
              state.low_nm, state.high_nm, place, seconds)  # fmt: skip
        each = {"position_nm": place, "longest_s": seconds, "until": self._until(state)}
        dwell = RequestBatch("Dwell", rows, each, {"sample_s": self.sample_s})
        half = np.array(state.frame.size_nm) / 2
        centers = np.minimum(np.maximum(state.dopant_nm, state.low_nm + half), state.high_nm - half)
        return [dwell, atom_positions(centers, state.frame)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        after, done = self._looked(state, results[1]), results[0].done & results[1].done
        spent = results[0].cost.seconds + results[1].cost.seconds
        electrons = results[0].cost.electrons + results[1].cost.electrons
        seconds, count = state.seconds + spent, state.count + 1
        arrived = done & ~after.lost & (after.distance < 0.5)
        reward = np.where(arrived, self.discount_per_s**seconds, 0.0) - 1.0 * after.lost
        reward = reward - self.price_per_s * spent - 1e-6 * self.price_per_megaelectron * electrons
        value = np.where(done & ~after.lost, after.distance, np.nan)
        failed = _failures(state, done)
        reached = state.reached + arrived
        ended = (reached >= self.goals) | after.lost | (count >= self.tries)
        after = replace(
            after,
            reached=reached,
            seconds=np.where(arrived, 0.0, seconds),
            electrons=state.electrons + electrons,
            last_s=results[0].cost.seconds,
            count=count,
            failed=failed,
        )
        if (arrived & ~ended).any():
            after = self._goal(after, arrived & ~ended)
        return after, Outcome(value, _accepted(failed, int(count.max())), reward, ended)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        from environments.dopant_kernel import shown

        rows = len(state.count)
        own, near, goal = (np.empty((rows, size), dtype=np.float32) for size in (2, 6, 2))
        shown(state.dopant_nm, state.near_nm, state.target_nm, state.low_nm, state.high_nm, self.reach_nm,
              self.bond_nm, own, near, goal)  # fmt: skip
        last, progress = np.empty((rows, 2), dtype=np.float32), np.empty((rows, 2), dtype=np.float32)
        np.minimum(state.last_s, _FAR, out=last[:, 0])
        last[:, 1] = state.moved
        np.divide(state.count, self.tries, out=progress[:, 0], casting="unsafe")
        np.divide(state.reached, self.goals, out=progress[:, 1], casting="unsafe")
        return {"dopant": own, "neighbours": near, "target": goal, "last": last, "progress": np.minimum(progress, 1.0)}

    def brief(self, state: State, row: int) -> Brief:
        """No list of candidates: the actions are a continuum."""
        return Brief("minimise", "distance to the target", "bonds", extent_nm=extent_nm(state.capabilities.field))

    @property
    def sample_s(self) -> float:
        """Between two samples of the trace."""
        return self.longest_s / self.samples

    def _rise(self, intensity: Floats, species: Floats) -> Floats:
        """Between the signal on a carbon and on the dopant, per electron, [B]."""
        own = np.where(species == self.element, intensity, np.nan)
        others = np.where(np.isfinite(species) & (species != self.element), intensity, np.nan)
        return np.array([_between(a, b) for a, b in zip(own, others, strict=True)])

    def _until(self, state: State) -> Any:
        """The condition of every row: the trace rises above what silicon under the beam makes of it."""
        until = np.zeros((len(state.count), 3))
        if self.watch:
            current = state.capabilities.calibration.current_pA or 0.0
            until[:, 0] = -_MUCH
            until[:, 1] = np.minimum(state.rise * current * ELECTRONS_PER_PA_S * self.sample_s, _MUCH)
            until[:, 2] = np.isfinite(state.rise)
        return Conditions(until)

    def _looked(self, state: State, result: ResultBatch) -> State:
        from environments.dopant_kernel import follow

        position, _, species = atoms_of(result, len(state.count))
        place, near, target = state.dopant_nm.copy(), state.near_nm.copy(), state.target_nm.copy()
        found, moved = np.empty(len(place), dtype=bool), np.empty(len(place), dtype=bool)
        before = _wide_enough(state.atoms_nm, position.shape[1])
        follow(np.ascontiguousarray(position), np.ascontiguousarray(species), result.done, float(self.element),
               self.bond_nm, before, place, near, target, found, moved)  # fmt: skip
        return replace(
            state,
            atoms_nm=before,
            dopant_nm=place,
            near_nm=near,
            target_nm=target,
            home_nm=state.home_nm + (target - state.target_nm),
            moved=moved,
            lost=result.done & ~found,
            distance=np.sqrt(np.square(target - place).sum(-1)) / self.bond_nm,
        )

    def _goal(self, state: State, rows: Bools) -> State:
        """A new goal in some rows, at random among the atoms of the survey that are far enough and not too far."""
        from environments.dopant_kernel import choose

        chosen = np.flatnonzero(rows)
        draws = random.uniform(random.fold(state.keys[chosen], state.reached[chosen] + 1), 1)[:, 0]
        target, distance = state.target_nm.copy(), state.distance.copy()
        bounds = self.nearest_bonds * self.bond_nm, self.farthest_bonds * self.bond_nm
        for row, draw in zip(chosen, draws, strict=True):
            choose(state.lattice_nm[row], state.home_nm[row], state.dopant_nm[row], draw, state.low_nm, state.high_nm,
                   self.margin_nm, *bounds, target[row])  # fmt: skip
            distance[row] = np.sqrt(np.square(target[row] - state.dopant_nm[row]).sum()) / self.bond_nm
        return replace(state, target_nm=target, distance=distance)


def _nearest_atoms(position: Floats, place: Floats) -> Floats:
    """The atoms [B, n, 2] nearest to a place [B, 2]: what the first look is compared with."""
    away = np.nan_to_num(np.square(position - place[:, None]).sum(-1), nan=np.inf)
    nearest = np.argsort(away, axis=1, kind="stable")[:, :_KEPT]
    return np.take_along_axis(position, nearest[..., None], axis=1)


def _between(own: Floats, others: Floats) -> float:
    if not np.isfinite(own).any() or not np.isfinite(others).any():
        return np.inf
    return float(0.4 * np.nanmedian(own) + 0.6 * np.nanmedian(others))


def _wide_enough(atoms_nm: Floats, count: int) -> Floats:
    """The atoms of the last look [B, n, 2] as an array of `count`, those left out that do not fit."""
    if atoms_nm.shape[1] == count:
        return atoms_nm.copy()
    wide = np.full((len(atoms_nm), count, 2), np.nan)
    kept = min(count, atoms_nm.shape[1])
    wide[:, :kept] = atoms_nm[:, :kept]
    return wide


def _failures(state: State, done: Bools) -> Bools:
    """Which actions brought nothing [B, steps]; it grows when one does."""
    if done.all():
        return state.failed
    steps = int(state.count.max()) + 1
    failed = np.pad(state.failed, [(0, 0), (0, max(0, steps - state.failed.shape[1]))])
    rows = np.flatnonzero(~done)
    failed[rows, state.count[rows]] = True
    return failed


def _accepted(failed: Bools, steps: int) -> Bools:
    if failed.shape[1] == 0:
        return np.broadcast_to(np.True_, (len(failed), steps))
    return ~np.pad(failed, [(0, 0), (0, max(0, steps - failed.shape[1]))])[:, :steps]
