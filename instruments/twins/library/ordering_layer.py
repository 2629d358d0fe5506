"""A layer of two-state moments on a square lattice that order while one waits, under a spin-sensitive scanning probe.

E / k = J sum s s - mu B sum s with J above 0: antiferromagnetic below a temperature that the field lowers. The layer
relaxes by heat bath, `sweeps_per_s` attempts a site and second, in whatever temperature and field were set last, also
while it is scanned; a frame is then read at once, as if the probe were fast. `SetSample` sets temperature and field and
waits; `AtomPositions` answers as an ideal detector: places, and a contrast whose sign is that of the moment but for
noise, `noise` at a dwell of one millisecond.

What a prior of neighbours does not know, switched off at 0: `second_fraction`, a ferromagnetic coupling of second
neighbours (part of J), and `lag_K`, by which the layer is warmer than the thermometer says; both only in
`misspecified`.

Scenarios: `matched` draws moment and coupling from `MOMENT_K_T` and `COUPLING_K`; `shifted` above their upper ends.

Not modelled: drift, the tip's own field, steps and vacancies, slow growth of domains beyond what heat bath does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.errors import InvalidRequest, NotSupported
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.library.atoms import inside, most_atoms
from instruments.twins.library.requests import frames
from instruments.twins.reach import column, within
from instruments.twins.scenario import scenario_name
from physics_priors.bounds import Bounds, violations
from physics_priors.ising.lattice import square
from physics_priors.ising.model import Field as FieldTerm
from physics_priors.ising.model import Model, Pair
from physics_priors.ising.sampling import Sampler

MOMENT_K_T: Final = (20.0, 50.0)
COUPLING_K: Final = (50.0, 130.0)
_REFERENCE_DWELL_S: Final = 1e-3
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """B layers: spins [B, side^2], temperature and field [B] as set, parameters [B, 4], what a row is keyed by."""

    spins: NDArray[np.int8]
    temperature_K: Floats
    field_T: Floats
    parameters: Floats
    """Moment [K/T], coupling [K], second neighbours' coupling [K], and how much warmer the layer is [K]."""
    probe_nm: Floats


@dataclass(frozen=True)
class OrderingLayer:
    """The twin; see the module's text for the physics and the scenarios."""

    changing: ClassVar[tuple[str, ...]] = ("spins", "temperature_K", "field_T", "probe_nm")

    side: Annotated[int, Bounds("sites", 8, 256)] = 32
    spacing_nm: Annotated[float, Bounds("nm", 0.05, 5.0)] = 0.35
    sweeps_per_s: Annotated[float, Bounds("1/s", 0.0, 1e5)] = 60.0
    coldest_K: Annotated[float, Bounds("K", 1.0, 1000.0)] = 20.0
    warmest_K: Annotated[float, Bounds("K", 1.0, 4000.0)] = 500.0
    strongest_T: Annotated[float, Bounds("T", 0.0, 50.0)] = 12.0
    ramp_K_s: Annotated[float, Bounds("K/s", 0.0, open_low=True)] = 5.0
    noise: Annotated[float, Bounds("", 0.0)] = 0.15
    second_fraction: Annotated[float, Bounds("", -1.0, 1.0)] = 0.12
    lag_K: Annotated[float, Bounds("K", 0.0, 100.0)] = 4.0
    jitter_nm: Annotated[float, Bounds("nm", 0.0, 1.0)] = 0.01
    settle_s: Annotated[float, Bounds("s", 0.0)] = 0.2

    def __post_init__(self) -> None:
        said = violations(self)
        if self.side % 2:
            said = [*said, "side must be even: the layer has two sublattices"]
        if said:
            raise InvalidRequest("OrderingLayer: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        width = self.side * self.spacing_nm
        return Capabilities(
            name="ordering_layer",
            family="SPM",
            simulated=True,
            requests=frozenset({"AtomPositions", "SetSample"}),
            field=Field((0.0, 0.0), (width, width)),
            channels={"AtomPositions": {"position": "nm", "intensity": ""}, "SetSample": {}},
            calibration=Calibration(),
            limits={
                "temperature_K": Bounds("K", self.coldest_K, self.warmest_K),
                "field_T": Bounds("T", 0.0, self.strongest_T),
                "settle_s": Bounds("s", 0.0, 3600.0),
            },
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name, rows = scenario_name(scenario), len(keys)
        u = random.uniform(random.fold(keys, 0), 2)
        low, high = np.array([MOMENT_K_T, COUPLING_K]).T
        drawn = high + 0.25 * (high - low) * u if name == "shifted" else low + (high - low) * u
        wrong = name == "misspecified"
        second = drawn[:, 1] * (self.second_fraction if wrong else 0.0)
        lag = np.full(rows, self.lag_K if wrong else 0.0)
        spins = np.where(random.uniform(random.fold(keys, 1), self.side**2) < 0.5, -1, 1).astype(np.int8)
        warm = np.full(rows, self.warmest_K)
        parameters = np.column_stack([drawn, second, lag])
        return World(spins, warm, np.zeros(rows), parameters, np.zeros((rows, 2)))

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        nothing = np.zeros(batch.rows)
        if batch.kind == "SetSample":
            temperature_K, _ = self._asked(world, batch)
            ramp_s = np.abs(temperature_K - world.temperature_K) / self.ramp_K_s
            return CostBatch(ramp_s + column(batch, "settle_s").astype(np.float64), nothing, nothing, nothing)
        scanned = np.array([f.shape[0] * f.shape[1] * f.dwell_s for f in frames(batch)])
        return CostBatch(scanned + self.settle_s, nothing, nothing, nothing)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        cost = self.price(world, batch)
        if batch.kind == "SetSample":
            temperature_K, field_T = self._asked(world, batch)
            world = replace(world, temperature_K=temperature_K, field_T=field_T)
            after = self._relaxed(world, cost.seconds, random.fold(keys, 1))
            return after, ResultBatch(batch.kind, {}, {}, {}, np.ones(batch.rows, bool), cost, world.probe_nm)
        after = self._relaxed(world, cost.seconds, random.fold(keys, 1))
        return self._seen(after, batch, cost, keys)

    def flawless(self) -> OrderingLayer:
        return replace(self, noise=0.0, jitter_nm=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """The parameters, and the state's staggered moment, which is the order parameter."""
        names = ("moment_K_T", "coupling_K", "second_K", "lag_K")
        own = {name: float(value) for name, value in zip(names, world.parameters[row], strict=True)}
        r, c = np.divmod(np.arange(self.side**2), self.side)
        return own | {"staggered": float(abs((world.spins[row] * (-1.0) ** (r + c)).mean()))}

    def _relaxed(self, world: World, seconds: Floats, keys: Keys) -> World:
        """Every layer after so many seconds at its temperature and field."""
        spins = world.spins.copy()
        for row, passed in enumerate(seconds):
            sweeps = int(np.ceil(passed * self.sweeps_per_s))
            if sweeps:
                seed = int(keys[row] % np.uint64(2**62))
                chain = Sampler(model_of(self.side), self._theta(world, row), seed=seed, start=spins[row])
                chain.run(sweeps)
                spins[row] = chain.configurations()[0]
        return replace(world, spins=spins)

    def _theta(self, world: World, row: int) -> Floats:
        moment, coupling, second, lag = world.parameters[row]
        theta = np.array([moment * world.field_T[row], -coupling, second]) / (world.temperature_K[row] + lag)
        return np.asarray(theta, np.float64)

    def _seen(self, world: World, batch: RequestBatch, cost: CostBatch, keys: Keys) -> tuple[World, ResultBatch]:
        wanted = frames(batch)
        rows = max(most_atoms(frame, self.spacing_nm) for frame in wanted)
        position, intensity = np.full((batch.rows, rows, 2), np.nan), np.full((batch.rows, rows), np.nan)
        for row, frame in enumerate(wanted):
            kept = np.flatnonzero(inside(self._places_nm, frame))[:rows]
            noise = random.normal(keys[row : row + 1], 3 * len(kept)).reshape(3, -1)
            deviation = self.noise * np.sqrt(_REFERENCE_DWELL_S / frame.dwell_s)
            position[row, : len(kept)] = self._places_nm[kept] + self.jitter_nm * noise[1:].T
            intensity[row, : len(kept)] = world.spins[row, kept] + deviation * noise[0]
        number = Axis("atom", "", np.arange(float(rows)))
        axes = {"position": (number, Axis("coordinate", "", np.arange(2.0))), "intensity": (number,)}
        centre = np.array([frame.center_nm for frame in wanted], dtype=np.float64)
        units, values = {"position": "nm", "intensity": ""}, {"position": position, "intensity": intensity}
        done = np.ones(batch.rows, bool)
        return replace(world, probe_nm=centre), ResultBatch(batch.kind, values, units, axes, done, cost, centre)

    @cached_property
    def _places_nm(self) -> Floats:
        places = model_of(self.side).lattice.positions * self.spacing_nm
        return np.asarray(places - (self.side - 1) * self.spacing_nm / 2, np.float64)

    def _asked(self, world: World, batch: RequestBatch) -> tuple[Floats, Floats]:
        if any(name is not None for name in column(batch, "member")):
            raise NotSupported("ordering_layer is a single sample: it has no library members")
        asked = [column(batch, name) for name in ("temperature_K", "field_T")]
        now = (world.temperature_K, world.field_T)
        temperature_K, field_T = (
            np.array([old if new is None else float(new) for new, old in zip(a, n, strict=True)], np.float64)
            for a, n in zip(asked, now, strict=True)
        )
        return temperature_K, field_T


@lru_cache(maxsize=4)
def model_of(side: int) -> Model:
    """The periodic layer with all terms that the twin may have."""
    return Model(square(side, side), (FieldTerm(), Pair(1), Pair(2)))
