"""Image within dose: know where the atoms around defects are, relative to each other, for the least dose.

The survey is two looks (`AtomPositions`) at the whole field with little dose: their disagreement says how exact a
position is at which fluence (`environments.localising`). Defects are atoms whose brightness is off their kind's median
by more than `defect`; of interest are they and all atoms within `reach_nm`, or all atoms where there is no defect.

An action is (x, y, size, dwell) in [-1, 1]: look at a square frame whose middle is there, the field as [-1, 1], with a
side from `smallest_nm` (-1) to the field, and a dwell per pixel from `shortest_s` to `longest_s`, both logarithmic. A
frame is moved into the field where it would leave it. The value is the fraction of the atoms of interest that are known
to `wanted_pm`; an atom that the beam has destroyed before never is. The reward is the value's gain less
`price_per_megaelectron`. It ends when the value reaches `goal`, or after `tries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.lattice import atoms_of, picked
from environments.localising import Located, first, updated
from environments.places import extent_nm, to_nm
from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.errors import CalibrationUnknown, NotSupported
from instruments.keys import Keys
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixels = Annotated[int, Bounds("pixels", 2, 1024)]
_EDGE_NM = 0.05


@dataclass(frozen=True)
class State:
    """B rows; C atoms are those of the survey."""

    capabilities: Capabilities = field(metadata=SHARED)
    atoms: Located
    species: Floats
    defect: NDArray[np.int64]
    """[B, defects] atoms, -1: none."""
    interest: Bools
    """[B, C]"""
    settled: Floats
    """[B] fraction of the atoms of interest."""
    electrons: Floats
    count: NDArray[np.int64]
    usable: Bools
    """[B, tries]"""


@dataclass(frozen=True)
class ImageWithinDose:
    """The task; see the module's text for actions, value and reward."""

    wanted_pm: Annotated[float, Bounds("pm", 0.0, open_low=True)] = 0.5
    defect: Annotated[float, Bounds("", 0.0, 1.0)] = 0.28
    reach_nm: Annotated[float, POSITIVE_NM] = 0.36
    defects: Annotated[int, Bounds("defects", 1, 1000)] = 12
    """How many an observation has room for, those farthest off first."""
    shape: tuple[Pixels, Pixels] = (32, 32)
    """(rows, columns) of every look."""
    survey_dwell_s: Annotated[float, POSITIVE_S] = 4e-5
    smallest_nm: Annotated[float, POSITIVE_NM] = 0.4
    shortest_s: Annotated[float, POSITIVE_S] = 1e-7
    longest_s: Annotated[float, POSITIVE_S] = 1e-2
    goal: Annotated[float, Bounds("", 0.0, 1.0)] = 0.95
    price_per_megaelectron: Annotated[float, Bounds("1/Me", 0.0)] = 1e-3
    tries: Annotated[int, Bounds("tries", 1, 10_000)] = 40

    name = "image_within_dose"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if not self.shortest_s < self.longest_s:
            raise ValueError("shortest_s must be below longest_s")

    def check(self, capabilities: Capabilities) -> None:
        if "AtomPositions" not in capabilities.requests:
            raise NotSupported(f"{capabilities.name} has no AtomPositions, which {self.name} needs")
        if capabilities.calibration.current_pA is None:
            raise CalibrationUnknown(f"{capabilities.name}: {self.name} needs a known beam current (current_pA)")
        if not self.smallest_nm < min(capabilities.field.size_nm):
            raise NotSupported(f"smallest_nm={self.smallest_nm:g} does not fit into {capabilities.field}")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        n = self.defects
        sizes = {"defects": (-1.0, 1.0, 2 * n), "unsettled": (-1.0, 1.0, n), "need": (-1.0, 1.0, n)}
        sizes |= {"settled": (0.0, 1.0, 1), "lost": (0.0, 1.0, 1), "progress": (0.0, 1.0, 1)}
        return gymnasium.spaces.Dict(
            {k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        nothing = first(np.zeros((rows, 0, 2)), np.zeros((rows, 0)), np.zeros(rows))
        return State(
            capabilities=capabilities,
            atoms=nothing,
            species=np.zeros((rows, 0)),
            defect=np.full((rows, self.defects), -1),
            interest=np.zeros((rows, 0), dtype=bool),
            settled=np.zeros(rows),
            electrons=np.zeros(rows),
            count=np.zeros(rows, dtype=np.int64),
            usable=np.zeros((rows, self.tries), dtype=bool),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        frames = self._survey_frames(state)
        return [_looks_at(frames), _looks_at(frames)]

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        rows = len(state.count)
        position, intensity, species = atoms_of(results[0], rows)
        frames = self._survey_frames(state)
        fluence = self._fluence(state, frames)
        atoms = first(position, intensity, fluence, species)
        again, bright, _ = atoms_of(results[1], rows)
        atoms = updated(atoms, again, bright, fluence, _covered(atoms, frames))
        spent = results[0].cost.electrons + results[1].cost.electrons
        after = replace(state, atoms=atoms, species=species, electrons=spent)
        defect, interest = self._of_interest(after)
        after = replace(after, defect=defect, interest=interest)
        return replace(after, settled=self._settled(after))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        return [_looks_at(self._frames(state, np.asarray(actions, dtype=np.float64)))]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        rows, done = np.arange(len(actions)), results[0].done
        frames = self._frames(state, np.asarray(actions, dtype=np.float64))
        position, intensity, _ = atoms_of(results[0], len(rows))
        covered = _covered(state.atoms, frames) & done[:, None]
        atoms = updated(state.atoms, position, intensity, self._fluence(state, frames), covered)
        usable, count = state.usable.copy(), state.count + 1
        usable[rows, np.minimum(state.count, self.tries - 1)] = done
        spent = results[0].cost.electrons
        after = replace(state, atoms=atoms, electrons=state.electrons + spent, count=count, usable=usable)
        after = replace(after, settled=self._settled(after))
        reward = after.settled - state.settled - 1e-6 * self.price_per_megaelectron * spent
        ended = (after.settled >= self.goal) | (count >= self.tries)
        value = np.where(done, after.settled, np.nan)
        return after, Outcome(value, usable[:, : int(count.max())], reward, ended)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        place, left, need = self._around(state)
        lost = (state.atoms.lost & state.interest).sum(axis=1) / np.maximum(state.interest.sum(axis=1), 1)
        shown = {
            "defects": np.clip(np.nan_to_num(self._normal(state, place)), -1.0, 1.0).reshape(len(place), -1),
            "unsettled": left,
            "need": need,
            "settled": state.settled[:, None],
            "lost": lost[:, None],
            "progress": (state.count / self.tries)[:, None],
        }
        return {name: np.array(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        """Candidates: the whole field, then a frame around every defect, with a dwell in the middle of the range."""
        place = self._around(state)[0][row]
        places = place[np.isfinite(place[:, 0])]
        size = np.full((len(places), 1), self.frame_action(state.capabilities))
        around = np.concatenate([self._normal(state, places), size, np.zeros((len(places), 1))], axis=1)
        whole = np.array([[0.0, 0.0, 1.0, 0.0]])
        return Brief(
            objective="maximise",
            value_name="settled atoms",
            value_unit="",
            candidates=np.clip(np.concatenate([whole, around]), -1.0, 1.0),
            positions_nm=np.concatenate([[state.capabilities.field.center_nm], places]),
            extent_nm=extent_nm(state.capabilities.field),
        )

    def frame_action(self, capabilities: Capabilities) -> float:
        """The action's size of a frame that just holds the surroundings of a defect."""
        wanted, widest = 2.0 * (self.reach_nm + 2.0 * _EDGE_NM), min(capabilities.field.size_nm)
        return float(np.clip(2 * np.log(wanted / self.smallest_nm) / np.log(widest / self.smallest_nm) - 1, -1.0, 1.0))

    def _survey_frames(self, state: State) -> list[ScanImage]:
        whole = np.tile([0.0, 0.0, 1.0, 0.0], (len(state.count), 1))
        return [replace(frame, dwell_s=self.survey_dwell_s) for frame in self._frames(state, whole)]

    def _frames(self, state: State, actions: Floats) -> list[ScanImage]:
        area = state.capabilities.field
        side = self.smallest_nm * (min(area.size_nm) / self.smallest_nm) ** ((actions[:, 2] + 1) / 2)
        dwell_s = self.shortest_s * (self.longest_s / self.shortest_s) ** ((actions[:, 3] + 1) / 2)
        center = to_nm(area, actions[:, :2])
        frames = []
        for place, length, dwell in zip(center, side, dwell_s, strict=True):
            size = np.array(area.size_nm if length >= min(area.size_nm) * (1 - 1e-9) else (length, length))
            room = (np.array(area.size_nm) - size) / 2
            x, y = np.clip(place, np.array(area.center_nm) - room, np.array(area.center_nm) + room)
            frames.append(ScanImage((float(x), float(y)), (float(size[0]), float(size[1])), self.shape, float(dwell)))
        return frames

    def _fluence(self, state: State, frames: Sequence[ScanImage]) -> Floats:
        """e/nm^2 [B] of each frame."""
        current = float(state.capabilities.calibration.current_pA or 0.0) * ELECTRONS_PER_PA_S
        pixels = self.shape[0] * self.shape[1]
        return np.array([current * pixels * f.dwell_s / (f.size_nm[0] * f.size_nm[1]) for f in frames])

    def _of_interest(self, state: State) -> tuple[NDArray[np.int64], Bools]:
        """Defects [B, defects], the most unusual first, and the atoms of interest [B, C]."""
        places, rows = state.atoms.places_nm, len(state.count)
        off = _unusual(state.atoms.bright, state.species)
        defect = np.full((rows, self.defects), -1)
        interest = np.zeros(off.shape, dtype=bool)
        for row in range(rows):
            found = np.flatnonzero(off[row] > self.defect)
            found = found[np.argsort(-off[row, found], kind="stable")][: self.defects]
            defect[row, : len(found)] = found
            away = np.linalg.norm(places[row][:, None] - places[row][found][None], axis=-1)
            near = (away <= self.reach_nm).any(axis=1) if len(found) else np.ones(off.shape[1], dtype=bool)
            interest[row] = near & np.isfinite(places[row, :, 0])
        return defect, interest

    def _settled(self, state: State) -> Floats:
        known = state.interest & (state.atoms.sd_nm <= 1e-3 * self.wanted_pm)
        return np.asarray(known.sum(axis=1) / np.maximum(state.interest.sum(axis=1), 1), dtype=np.float64)

    def _around(self, state: State) -> tuple[Floats, Floats, Floats]:
        """Present places [B, n, 2] of the defects, the fraction of atoms around each that is not settled (-1: no
        defect), and the action's dwell in a frame around it that would settle the least known of them."""
        atoms, rows = state.atoms, len(state.count)
        place = picked(atoms.places_nm, state.defect) + atoms.shift_nm[:, None]
        left, need = np.full(state.defect.shape, -1.0), np.full(state.defect.shape, -1.0)
        area_nm2 = (2.0 * (self.reach_nm + 2.0 * _EDGE_NM)) ** 2
        current = float(state.capabilities.calibration.current_pA or 0.0) * ELECTRONS_PER_PA_S
        per_dwell = current * self.shape[0] * self.shape[1] / area_nm2
        sd = atoms.sd_nm
        for row in range(rows):
            for slot in np.flatnonzero(state.defect[row] >= 0):
                middle = atoms.places_nm[row, state.defect[row, slot]]
                near = np.linalg.norm(atoms.places_nm[row] - middle, axis=1) <= self.reach_nm
                open_ = near & ~atoms.lost[row] & (sd[row] > 1e-3 * self.wanted_pm)
                left[row, slot] = open_.sum() / max(int(near.sum()), 1)
                if open_.any():
                    more = atoms.fluence[row, open_] * (np.square(1e3 * sd[row, open_] / self.wanted_pm) - 1.0)
                    need[row, slot] = self._dwell_action(float(np.max(more)) / per_dwell)
        return place, left, need

    def _dwell_action(self, dwell_s: float) -> float:
        part = np.log(max(dwell_s, self.shortest_s) / self.shortest_s) / np.log(self.longest_s / self.shortest_s)
        return float(np.clip(2 * part - 1, -1.0, 1.0))

    def _normal(self, state: State, place_nm: Floats) -> Floats:
        area = state.capabilities.field
        return np.asarray((place_nm - np.array(area.center_nm)) / (np.array(area.size_nm) / 2))


def _looks_at(frames: Sequence[ScanImage]) -> RequestBatch:
    each = np.empty(len(frames), dtype=object)
    each[:] = frames
    return RequestBatch("AtomPositions", len(frames), {"frame": each}, {})


def _covered(atoms: Located, frames: Sequence[ScanImage]) -> Bools:
    """Which atoms [B, C] lie well inside of the frame of their row."""
    centers, sizes = (np.array([getattr(f, name) for f in frames])[:, None] for name in ("center_nm", "size_nm"))
    away = np.abs(atoms.places_nm + atoms.shift_nm[:, None] - centers)
    return np.asarray((away < sizes / 2 - _EDGE_NM).all(axis=-1))


def _unusual(bright: Floats, species: Floats) -> Floats:
    """By which part of its kind's median every atom's brightness [B, C] is off; 0 where it is not known."""
    off = np.zeros(bright.shape)
    for row, kinds in enumerate(species):
        for kind in np.unique(kinds[np.isfinite(kinds)]):
            same = kinds == kind
            level = np.median(bright[row, same])
            off[row, same] = np.abs(bright[row, same] / level - 1.0)
    return np.nan_to_num(off)
