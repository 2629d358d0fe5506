"""Write vacancies: take one sulphur atom from each column of a line in MoS2 or WS2, and spoil nothing else.

The survey is one look at the field, an `AtomPositions` frame; it says where the columns are, and the targets are the
sulphur columns of the lattice row along x nearest to `center_nm`, or those nearest to `points_nm`. An action is
(what, x, y, dwell) in [-1, 1]. what below -1/3: look again; up to 1/3: park the beam at (x, y), the field as [-1, 1],
and watch: the dwell ends when the detector's trace drops by `drop` of the column's brightness; above: park it blindly
for the whole dwell. dwell is from `shortest_s` (-1) to `longest_s` on a logarithmic scale.

Every look costs sulphur, anywhere. The value is the fidelity as far as it was seen: targets with exactly one atom
missing, less targets with two and less columns elsewhere that lost any since the survey, over the number of targets. A
watched dwell whose trace fell in its course counts as seen; all else is known from looks alone. The reward is the gain
of that less `price_per_megaelectron` of what was spent. It ends with a look that finds no target left to write, with a
look that finds a metal column gone (a hole, reward -1), or after `tries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.lattice import atoms_of, matched, median_shift, picked, row_medians
from environments.needs import needs_atoms_and_dwells
from environments.places import extent_nm, to_nm
from environments.task import Brief, Outcome
from environments.vacancies import (
    MATCH_NM,
    Bools,
    Floats,
    Looks,
    State,
    fidelity,
    last_sample,
    line_of,
    nearest,
    pattern_of,
)
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.errors import OutOfReach
from instruments.keys import Keys
from instruments.requests import AtomPositions, Until
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds

LOOK: Final = -1.0
"""The first number of an action that looks; 0 watches, 1 does not."""
_SULPHUR, _SPACING_NM = 16, 0.3
_MUCH = 1e15


@dataclass(frozen=True)
class WriteVacancies:
    """The task; see the module's text for actions, value and reward."""

    center_nm: tuple[Annotated[float, Bounds("nm")], Annotated[float, Bounds("nm")]] = (0.0, 0.0)
    length_nm: Annotated[float, POSITIVE_NM] = 2.0
    every: Annotated[int, Bounds("columns", 1, 100)] = 1
    """Write every so manieth column of the line."""
    points_nm: tuple[tuple[float, float], ...] = ()
    """A pattern in the place of the line."""
    looks: Looks = field(default_factory=Looks)
    sample_s: Annotated[float, POSITIVE_S] = 1e-3
    shortest_s: Annotated[float, POSITIVE_S] = 1e-2
    longest_s: Annotated[float, POSITIVE_S] = 10.0
    brightness_scale: Annotated[float, Bounds("", 0.0, 1000.0, open_low=True)] = 1.0
    """Counts per electron of a trace on a column, over the intensity that `AtomPositions` gives it: for finders."""
    drop: Annotated[float, Bounds("", 0.0, 1.0, open_low=True, open_high=True)] = 0.2
    price_per_megaelectron: Annotated[float, Bounds("1/Me", 0.0)] = 1e-4
    tries: Annotated[int, Bounds("tries", 1, 10_000)] = 60

    name = "write_vacancies"

    def __post_init__(self) -> None:
        object.__setattr__(self, "center_nm", tuple(self.center_nm))
        object.__setattr__(self, "points_nm", tuple((float(x), float(y)) for x, y in self.points_nm))
        if not self.sample_s <= self.shortest_s < self.longest_s:
            raise ValueError("sample_s must not exceed shortest_s, which must be below longest_s")

    def check(self, capabilities: Capabilities) -> None:
        needs_atoms_and_dwells(capabilities, self.name)
        if not capabilities.field.contains(np.array(self._wanted_nm())):
            raise OutOfReach(f"the pattern of {self.name} does not fit into {capabilities.field}")

    @property
    def slots(self) -> int:
        """Targets that an observation has room for."""
        return len(self.points_nm) or int(self.length_nm / _SPACING_NM / self.every) + 2

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        n = self.slots
        sizes = {"targets": (-1.0, 1.0, 2 * n), "missing": (-1.0, 2.0, n), "last": (0.0, 100.0, 4)}
        sizes |= {"fidelity": (-100.0, 1.0, 1), "since_look": (0.0, 1.0, 1), "progress": (0.0, 1.0, 1)}
        return gymnasium.spaces.Dict(
            {k: gymnasium.spaces.Box(low, high, (size,), np.float32) for k, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        none, no = np.zeros((rows, 0)), np.zeros((rows, 0), dtype=bool)
        return State(
            capabilities=capabilities,
            columns_nm=np.zeros((rows, 0, 2)),
            bright=none,
            level=np.ones(rows),
            sulphur=no,
            target=no,
            first=none,
            missing=none,
            hole=np.zeros(rows, dtype=bool),
            shift_nm=np.zeros((rows, 2)),
            last=np.zeros((rows, 4)),
            fidelity=np.zeros(rows),
            electrons=np.zeros(rows),
            since_look=np.zeros(rows, dtype=np.int64),
            count=np.zeros(rows, dtype=np.int64),
            usable=np.zeros((rows, self.tries), dtype=bool),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return [self._look(state, None)]

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        position, intensity, species = atoms_of(results[0], len(state.count))
        sulphur = np.isfinite(intensity) & (species == _SULPHUR)
        level = row_medians(intensity, sulphur, 1.0)
        missing = np.where(sulphur, self.looks.missing(intensity / level[:, None]), np.nan)
        known = replace(state, columns_nm=position, bright=intensity, level=level, sulphur=sulphur)
        after = replace(known, target=self._targets(position, sulphur), first=missing, missing=missing)
        return replace(after, fidelity=fidelity(after))

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        looks = _looks(actions)
        place = to_nm(state.capabilities.field, actions[:, 1:3])
        until = np.empty(len(actions), dtype=object)
        until[:] = [
            Until("haadf", float(low), _MUCH) if watched else None
            for low, watched in zip(self._low(state, place), actions[:, 0] <= 1 / 3, strict=True)
        ]
        each = {"position_nm": place, "longest_s": self._seconds(actions), "until": until}
        dwell = RequestBatch("Dwell", len(actions), each, {"sample_s": self.sample_s}, wanted=~looks)
        return [dwell, self._look(state, looks)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        looked = results[1].done & _looks(actions)
        after = self._dwelt(state, actions, results[0])
        after = self._looked(after, results[1], looked)
        spent = results[0].cost.electrons + results[1].cost.electrons
        count, usable = state.count + 1, state.usable.copy()
        ok = np.where(_looks(actions), results[1].done, results[0].done)
        usable[np.arange(len(count)), np.minimum(state.count, self.tries - 1)] = ok
        since = np.where(looked, 0, state.since_look + 1)
        after = replace(
            after,
            fidelity=fidelity(after),
            electrons=state.electrons + spent,
            since_look=since,
            count=count,
            usable=usable,
        )
        left = (after.target & (after.missing == 0)).any(axis=1)
        ended = (looked & (after.hole | ~left)) | (count >= self.tries)
        price = 1e-6 * self.price_per_megaelectron * spent
        reward = after.fidelity - state.fidelity - price - 1.0 * (after.hole & looked)
        value = np.where(ok, after.fidelity, np.nan)
        return after, Outcome(value, usable[:, : int(count.max())], reward, ended)

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        place, index = self._slots(state)
        missing = np.nan_to_num(np.where(index >= 0, picked(state.missing[..., None], index)[..., 0], -1.0), nan=-1.0)
        shown = {
            "targets": np.clip(np.nan_to_num(self._normal(state, place)), -1.0, 1.0).reshape(len(index), -1),
            "missing": missing,
            "last": np.clip(state.last, 0.0, 100.0),
            "fidelity": np.clip(state.fidelity, -100.0, 1.0)[:, None],
            "since_look": np.minimum(state.since_look / self.tries, 1.0)[:, None],
            "progress": (state.count / self.tries)[:, None],
        }
        return {name: np.array(array, dtype=np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        place, index = self._slots(state)
        places = place[row][index[row] >= 0]
        watch, longest = np.zeros((len(places), 1)), np.ones((len(places), 1))
        write = np.concatenate([watch, self._normal(state, places), longest], axis=1)
        look = np.array([[LOOK, 0.0, 0.0, 0.0]])
        return Brief(
            objective="maximise",
            value_name="fidelity",
            value_unit="",
            candidates=np.clip(np.concatenate([look, write]), -1.0, 1.0),
            positions_nm=np.concatenate([[state.capabilities.field.center_nm], places]),
            extent_nm=extent_nm(state.capabilities.field),
        )

    def _look(self, state: State, wanted: Bools | None) -> RequestBatch:
        frame = self.looks.frame(state.capabilities.field)
        request = RequestBatch.of(AtomPositions(frame))
        return RequestBatch(request.kind, len(state.count), {}, request.shared, wanted=wanted)

    def _wanted_nm(self) -> list[tuple[float, float]]:
        (x, y), half = self.center_nm, self.length_nm / 2
        return list(self.points_nm) or [(x - half, y), (x + half, y)]

    def _targets(self, columns_nm: Floats, sulphur: Bools) -> Bools:
        return np.array([self._of_row(c, s) for c, s in zip(columns_nm, sulphur, strict=True)]).reshape(sulphur.shape)

    def _of_row(self, columns_nm: Floats, sulphur: Bools) -> Bools:
        """Which columns [C] of one row are to be written."""
        target = np.zeros(len(columns_nm), dtype=bool)
        if self.points_nm:
            target[pattern_of(columns_nm, sulphur, self.points_nm)] = True
        else:
            line = line_of(columns_nm, sulphur, self.center_nm, self.length_nm)
            target[line[:: self.every][: self.slots]] = True
        return target

    def _slots(self, state: State) -> tuple[Floats, NDArray[np.int64]]:
        """Present places [B, slots, 2] of the targets from left to right, and their columns [B, slots], -1: none."""
        index = np.full((len(state.count), self.slots), -1, dtype=np.int64)
        for row, target in enumerate(state.target):
            found = np.flatnonzero(target)
            found = found[np.lexsort((state.columns_nm[row, found, 1], state.columns_nm[row, found, 0]))]
            index[row, : len(found)] = found
        return picked(state.columns_nm, index) + state.shift_nm[:, None], index

    def _normal(self, state: State, place_nm: Floats) -> Floats:
        """Places as actions have them."""
        area = state.capabilities.field
        return np.asarray((place_nm - np.array(area.center_nm)) / (np.array(area.size_nm) / 2))

    def _seconds(self, actions: NDArray[Any]) -> Floats:
        part = (np.asarray(actions, dtype=np.float64)[:, 3] + 1) / 2
        return np.asarray(self.shortest_s * (self.longest_s / self.shortest_s) ** part)

    def _low(self, state: State, place_nm: Floats) -> Floats:
        """Counts per sample [B] below which a trace has dropped, where the beam is meant to be."""
        bright = np.nan_to_num(picked(state.bright[..., None], nearest(state, place_nm))[:, 0, 0], nan=0.0)
        whole = np.where(bright > 0, bright, state.level)
        electrons = float(state.capabilities.calibration.current_pA or 0.0) * ELECTRONS_PER_PA_S * self.sample_s
        return np.asarray((1.0 - self.drop) * self.brightness_scale * whole * electrons)

    def _dwelt(self, state: State, actions: NDArray[Any], result: ResultBatch) -> State:
        """What the traces of dwells told; a drop is an atom of the nearest column."""
        place = to_nm(state.capabilities.field, actions[:, 1:3])
        trace = np.asarray(result.values.get("haadf", np.full((len(place), 1), np.nan)), dtype=np.float64)
        dwelt, low = result.done.copy(), self._low(state, place)
        dropped = dwelt & (trace[:, 0] >= low) & (last_sample(trace) < low)
        level = np.nan_to_num(trace[:, 0] * (1.0 - self.drop) / low, nan=0.0)
        column = nearest(state, place)[:, 0]
        hit = np.flatnonzero(dropped & (column >= 0))
        missing = state.missing.copy()
        missing[hit, column[hit]] = np.maximum(missing[hit, column[hit]], 1.0)
        looks = _looks(actions)
        told = np.stack([looks, dwelt & ~looks, dropped, np.where(looks, 0.0, level)], axis=-1)
        return replace(state, missing=missing, last=np.array(told, dtype=np.float64))

    def _looked(self, state: State, result: ResultBatch, looked: Bools) -> State:
        position, intensity, _ = atoms_of(result, len(looked))
        index = matched(state.columns_nm, position, state.shift_nm, MATCH_NM)
        relative = np.nan_to_num(picked(intensity[..., None], index)[..., 0] / state.level[:, None], nan=0.0)
        inside = self.looks.judged(state.columns_nm + state.shift_nm[:, None], state.capabilities.field)
        here = np.isfinite(state.first) & inside
        missing = np.where(looked[:, None] & here, self.looks.missing(relative), state.missing)
        metal = np.isfinite(state.bright) & ~state.sulphur & inside
        hole = looked & (metal & (index < 0)).any(axis=1)
        shift = median_shift(state.columns_nm, picked(position, index), state.shift_nm)
        return replace(
            state, missing=missing, hole=state.hole | hole, shift_nm=np.where(looked[:, None], shift, state.shift_nm)
        )


def _looks(actions: NDArray[Any]) -> Bools:
    return np.asarray(np.asarray(actions)[:, 0] < -1 / 3)
