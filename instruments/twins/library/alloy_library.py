"""A combinatorial library of Mo(1-x)Re(x)S2-like monolayers under a scanning transmission electron microscope.

A member has a composition and a heat treatment. Metal atoms do not move at the microscope: an image shows the order
that was frozen in, so that only interactions over k T_eff can be seen in it. `SetSample(member=...)` changes the
member; `AtomPositions` answers as an ideal detector at the price and dose of its frame: every metal atom with its
brightness and the species it seems to be, wrong more often the fewer electrons an atom was seen by.

Hidden are the energies of nearest and second pairs. What a prior of pairs does not know, each switched off by its
argument at 0: `triangle_eV` (a three-body energy that is odd in composition) and `barrier_error` (members cooled
slowly froze in elsewhere than their record says); both act in the scenario `misspecified` only.

Scenarios: `matched` draws the energies from `PAIR_EV`, `SECOND_EV`; `shifted` beyond their upper ends.

Not modelled: damage by the beam, drift, tilt, contamination, sulphur, gradients inside a member.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import electrons
from instruments.errors import InvalidRequest, NotSupported, OutOfReach
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.requests import ScanImage
from instruments.twins.library.atoms import Detector, most_atoms, seen
from instruments.twins.library.members import frozen_spins, model_of
from instruments.twins.library.requests import frames
from instruments.twins.reach import column, within
from instruments.twins.scenario import scenario_name
from physics_priors.bounds import Bounds, violations
from physics_priors.ising.library import Member, Record

PAIR_EV: Final = (0.004, 0.026)
SECOND_EV: Final = (-0.004, 0.004)
"""Where `matched` draws the energies of nearest and second pairs from, uniformly; positive: like atoms attract."""
NUMBERS: Final = (42.0, 75.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """B libraries: energies [B, 3] eV of nearest pairs, second pairs and triangles, barrier [B] eV, member [B]."""

    seeds: NDArray[np.uint64]
    energies_eV: Floats
    barrier_eV: Floats
    member: NDArray[np.int64]
    probe_nm: Floats


@dataclass(frozen=True)
class AlloyLibrary:
    """The twin; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = ("member", "probe_nm")

    record: Record = field(default_factory=Record)
    side: Annotated[int, Bounds("sites", 12, 256)] = 64
    spacing_nm: Annotated[float, Bounds("nm", 0.05, 5.0)] = 0.316
    anneal_sweeps: Annotated[int, Bounds("sweeps", 1, 100_000)] = 300
    triangle_eV: Annotated[float, Bounds("eV", -1.0, 1.0)] = 0.006
    barrier_error: Annotated[float, Bounds("", -0.5, 0.5)] = 0.08
    current_pA: Annotated[float, Bounds("pA", 0.0, 1e6)] = 30.0
    contrast: Annotated[float, Bounds("", 1.0, 20.0)] = 2.59
    """Brightness of the heavy species over that of the light one."""
    spread: Annotated[float, Bounds("", 0.0, 1.0)] = 0.08
    collected: Annotated[float, Bounds("", 0.0, 1.0, open_low=True)] = 0.01
    jitter_nm: Annotated[float, Bounds("nm", 0.0, 1.0)] = 0.008
    exchange_s: Annotated[float, Bounds("s", 0.0)] = 60.0
    """Time to change the member."""
    settle_s: Annotated[float, Bounds("s", 0.0)] = 1.0

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("AlloyLibrary: " + "; ".join(said))

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, in the order of their names."""
        return self.record.members

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        width, height = self.side * self.spacing_nm, self.side * self.spacing_nm * np.sqrt(0.75)
        found = {"position": "nm", "intensity": "", "species": ""}
        return Capabilities(
            name="alloy_library",
            family="STEM",
            simulated=True,
            requests=frozenset({"AtomPositions", "SetSample"}),
            field=Field((0.0, 0.0), (width, float(height))),
            channels={"AtomPositions": found, "SetSample": {}},
            calibration=Calibration(current_pA=self.current_pA, beam_energy_keV=60.0),
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name = scenario_name(scenario)
        u = random.uniform(random.fold(keys, 0), 2)
        nearest = PAIR_EV[0] + u[:, 0] * (PAIR_EV[1] - PAIR_EV[0])
        second = SECOND_EV[0] + u[:, 1] * (SECOND_EV[1] - SECOND_EV[0])
        if name == "shifted":
            nearest, second = PAIR_EV[1] + 0.008 * u[:, 0], SECOND_EV[1] + 0.003 * u[:, 1]
        wrong = name == "misspecified"
        three = np.full(len(keys), self.triangle_eV if wrong else 0.0)
        barrier = np.full(len(keys), self.record.barrier_eV * (1 + (self.barrier_error if wrong else 0.0)))
        energies = np.stack([nearest, second, three], axis=1)
        return World(random.fold(keys, 1), energies, barrier, np.zeros(len(keys), np.int64), np.zeros((len(keys), 2)))

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        nothing = np.zeros(batch.rows)
        if batch.kind == "SetSample":
            change = self._asked_member(world, batch) != world.member
            seconds = np.where(change, self.exchange_s, 0.0) + column(batch, "settle_s").astype(np.float64)
            return CostBatch(seconds, nothing, nothing, nothing)
        exposed = np.array([self._exposure_s(frame) for frame in frames(batch)])
        return CostBatch(exposed + self.settle_s, electrons(self.current_pA, 1.0) * exposed, nothing, nothing)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        cost = self.price(world, batch)
        done = np.ones(batch.rows, bool)
        if batch.kind == "SetSample":
            after = replace(world, member=self._asked_member(world, batch))
            return after, ResultBatch(batch.kind, {}, {}, {}, done, cost, world.probe_nm)
        wanted = frames(batch)
        rows = max(most_atoms(frame, self.spacing_nm) for frame in wanted)
        found = [self._seen(world, row, frame, keys[row : row + 1], rows) for row, frame in enumerate(wanted)]
        values = {name: np.stack([f[i] for f in found]) for i, name in enumerate(("position", "intensity", "species"))}
        number = Axis("atom", "", np.arange(float(rows)))
        axes = dict.fromkeys(values, (number,)) | {"position": (number, Axis("coordinate", "", np.arange(2.0)))}
        centre = np.array([frame.center_nm for frame in wanted], dtype=np.float64)
        units = dict(self.describe().channels[batch.kind])
        return replace(world, probe_nm=centre), ResultBatch(batch.kind, values, units, axes, done, cost, centre)

    def flawless(self) -> AlloyLibrary:
        return replace(self, spread=0.0, collected=1.0, jitter_nm=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """Energies, and fraction and frozen-in temperature [members] of the members."""
        return {
            "pair_eV": float(world.energies_eV[row, 0]),
            "second_eV": float(world.energies_eV[row, 1]),
            "triangle_eV": float(world.energies_eV[row, 2]),
            "frozen_K": np.array([m.frozen_K(float(world.barrier_eV[row])) for m in self.members]),
            "fraction": np.array([m.fraction for m in self.members]),
        }

    def electrons_per_atom(self, frame: ScanImage) -> float:
        """Electrons that fall on one metal atom's cell."""
        area = frame.size_nm[0] * frame.size_nm[1] / (self.spacing_nm**2 * np.sqrt(0.75))
        return float(electrons(self.current_pA, 1.0) * self._exposure_s(frame) / area)

    @property
    def detector(self) -> Detector:
        """What turns atoms into brightness."""
        return Detector(1.0, self.contrast, self.spread, self.collected, self.jitter_nm)

    def spins(self, world: World, row: int, member: int) -> NDArray[np.int8]:
        """The frozen configuration [side * side] of one member."""
        chosen = self.members[member]
        seed = int(random.fold(world.seeds[row : row + 1], member)[0] % np.uint64(2**31))
        nearest, second, three = (float(e) for e in world.energies_eV[row])
        frozen_K = chosen.frozen_K(float(world.barrier_eV[row]))
        energies = (nearest, second, three)
        return frozen_spins(self.side, energies, chosen.fraction, frozen_K, self.anneal_sweeps, seed)

    @cached_property
    def _places_nm(self) -> Floats:
        """All atoms [side * side, 2] of the field, folded into its rectangle."""
        places = model_of(self.side).lattice.positions * self.spacing_nm
        size = np.array(self.describe().field.size_nm)
        places[:, 0] %= size[0]
        return np.asarray(places + self.spacing_nm / 4 - size / 2, np.float64)

    def _seen(self, world: World, row: int, frame: ScanImage, key: Keys, rows: int) -> tuple[Floats, Floats, Floats]:
        spins = self.spins(world, row, int(world.member[row]))
        per_atom = self.electrons_per_atom(frame)
        return seen(spins, self._places_nm, frame, key, self.detector, per_atom, rows, NUMBERS)

    def _exposure_s(self, frame: ScanImage) -> float:
        return frame.shape[0] * frame.shape[1] * frame.dwell_s

    def _asked_member(self, world: World, batch: RequestBatch) -> NDArray[np.int64]:
        for name in ("temperature_K", "field_T"):
            if any(value is not None for value in np.ravel(column(batch, name))):
                raise NotSupported(f"alloy_library: members are frozen, SetSample cannot set {name}")
        known = {member.name: number for number, member in enumerate(self.members)}
        asked = column(batch, "member")
        unknown = [str(name) for name in asked if name is not None and str(name) not in known]
        if unknown:
            raise OutOfReach(f"alloy_library has no member {unknown[0]!r}; it has m00 to {self.members[-1].name}")
        pairs = zip(asked, world.member, strict=True)
        return np.array([old if name is None else known[str(name)] for name, old in pairs], np.int64)
