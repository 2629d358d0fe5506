"""What tasks share that move dopants: parking the beam beside one until the trace ends the dwell, and looking at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from environments.dopant_watch import bands_of, counts_in_a_sample
from environments.needs import needs_atoms_and_dwells
from environments.places import extent_nm
from environments.rows import SHARED
from environments.task import Brief
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities, Field
from instruments.errors import OutOfReach
from instruments.keys import Keys
from instruments.request_columns import Conditions
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pixels = Annotated[int, Bounds("pixels", 4, 1024)]


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
class DopantState:
    """B rows: what does not change in an episode. `frame` is that of a look, low_nm and high_nm [2] the field's."""

    capabilities: Capabilities = field(metadata=SHARED)
    frame: ScanImage = field(metadata=SHARED)
    low_nm: Floats = field(metadata=SHARED)
    high_nm: Floats = field(metadata=SHARED)
    keys: Keys

    def centers(self, dopant_nm: Floats) -> Floats:
        """The middle [B, 2] of looks at dopants [B, 2]: as near to them as the field lets a frame be."""
        half = 0.5 * self.frame.size_nm[0]
        return np.clip(dopant_nm, self.low_nm + half, self.high_nm - half)


@dataclass(frozen=True)
class DopantTask:
    """Settings and steps that are the same for one dopant and for several; `sought` says what the value is."""

    editable: ClassVar[tuple[str, ...]] = (
        "keys", "home_nm", "bands", "rise", "dopant_nm", "near_nm", "target_nm", "numbers",
    )  # fmt: skip
    """Fields of a state that nobody else holds: its only holder may edit their rows."""

    element: Annotated[int, Bounds("", 1, 118)] = 14
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

    name = "dopants"
    sought = "distance"

    def __post_init__(self) -> None:
        if not (self.shortest_s < self.longest_s and self.nearest_bonds <= self.farthest_bonds):
            raise ValueError("shortest_s must be below longest_s, and nearest_bonds not above farthest_bonds")
        if self.looks.size_nm < 2.5 * self.bond_nm:
            raise ValueError(f"looks.size_nm={self.looks.size_nm:g} shows no neighbours: at least 2.5 bonds")

    def check(self, capabilities: Capabilities) -> None:
        """Raises where the instrument cannot do what the task asks for."""
        needs_atoms_and_dwells(capabilities, self.name)
        if min(capabilities.field.size_nm) < self.looks.size_nm + 2 * self.margin_nm:
            raise OutOfReach(f"{self.name}: looks and margin do not fit into {capabilities.field}")

    def survey(self, state: Any) -> Sequence[RequestBatch]:
        """One look at the whole field."""
        return [RequestBatch("AtomPositions", len(state.keys), {}, self.surveying(state))]

    def surveying(self, state: DopantState) -> dict[str, Any]:
        """What requests of such a look share."""
        return {"frame": self.looks.survey(state.capabilities.field)}

    def brief(self, state: Any, row: int) -> Brief:
        """No list of candidates: the actions are a continuum."""
        return Brief("minimise", self.sought, "bonds", extent_nm=extent_nm(state.capabilities.field))

    @property
    def sample_s(self) -> float:
        """Between two samples of the trace."""
        return self.longest_s / self.samples

    @property
    def kernel(self) -> Any:
        """The compiled part, which loads Numba."""
        from environments import dopant_kernel

        return dopant_kernel

    def begun(self, keys: Keys, capabilities: Capabilities) -> dict[str, Any]:
        """The fields of a `DopantState`."""
        area = capabilities.field
        middle, half = np.array(area.center_nm), np.array(area.size_nm) / 2
        ends = {"low_nm": middle - half, "high_nm": middle + half}
        return {"capabilities": capabilities, "frame": self.looks.close(area), **ends, "keys": keys}

    def bands(self, state: DopantState, survey: ResultBatch, intensity: Floats, species: Floats) -> Floats:
        """Levels [B, 3] of the trace between which a dwell goes on, see `dopant_watch`; 0 where none ends one."""
        scale = counts_in_a_sample(state.capabilities, survey.units.get("intensity", ""), self.sample_s)
        if not (scale and self.watch):
            return np.zeros((len(state.keys), 3))
        return bands_of(intensity, species, self.element, scale)

    def dwelling(
        self, state: DopantState, actions: Floats, dopant_nm: Floats, bands: Floats, wanted: Bools | None = None
    ) -> tuple[RequestBatch, Floats]:
        """Dwells of actions (x, y, dwell) [B, 3] beside dopants [B, 2], and the centers [B, 2] of looks at these."""
        rows = len(actions)
        place, seconds, centers = np.empty((rows, 2)), np.empty(rows), np.empty((rows, 2))
        self.kernel.aimed(
            actions, dopant_nm, self.reach_nm, self.shortest_s, self.longest_s, state.low_nm, state.high_nm,
            0.5 * state.frame.size_nm[0], place, seconds, centers,
        )  # fmt: skip
        until: Any = Conditions(bands)
        each = {"position_nm": place, "longest_s": seconds, "until": until}
        return RequestBatch("Dwell", rows, each, {"sample_s": self.sample_s}, wanted), centers
