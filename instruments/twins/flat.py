"""The trivial twin, to be read first: spectra whose height is a known quadratic of the position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import electrons
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.reach import column, within
from instruments.twins.scenario import scenario_name
from physics_priors.bounds import Bounds

ENERGY = Axis("energy", "eV", np.arange(8.0))


@dataclass(frozen=True)
class World:
    """Where the probe is, where the hidden optimum lies (both [B, 2] nm), and the power law of the fall from it."""

    probe_nm: NDArray[np.float64]
    optimum_nm: NDArray[np.float64]
    power: int


@dataclass(frozen=True)
class Flat:
    """Spectra of 8 energies, each worth 1 - |position - optimum|^2 / field^2, over a square centred on (0, 0) nm.

    matched: the optimum is uniform over the square of half the field's side. shifted: it lies in the left fifth of
    the field. misspecified: as matched, but the value falls linearly with distance and is no quadratic.
    """

    changing: ClassVar[tuple[str, ...]] = ("probe_nm",)

    field_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 1000.0
    noise: Annotated[float, Bounds("counts", 0.0)] = 0.0
    """Standard deviation of every energy of a spectrum."""
    travel_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 1000.0
    current_pA: Annotated[float, Bounds("pA", 0.0)] = 10.0

    def describe(self) -> Capabilities:
        return Capabilities(
            name="flat",
            family="STEM",
            simulated=True,
            requests=frozenset({"PointSpectrum"}),
            field=Field((0.0, 0.0), (self.field_nm, self.field_nm)),
            channels={"PointSpectrum": {"signal": "counts"}},
            calibration=Calibration(current_pA=self.current_pA),
            limits={"exposure_s": Bounds("s", 1e-6, 3600.0)},
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name = scenario_name(scenario)
        place = random.uniform(random.fold(keys, 0), 2) - 0.5
        left = np.array([[-0.4, 0.0]]) + place * np.array([[0.2, 1.0]])
        optimum = self.field_nm * (left if name == "shifted" else place / 2)
        return World(np.zeros((len(keys), 2)), optimum, 1 if name == "misspecified" else 2)

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        travel_s = np.linalg.norm(batch.each["position_nm"] - world.probe_nm, axis=1) / self.travel_nm_s
        exposure_s = column(batch, "exposure_s").astype(np.float64)
        nothing = np.zeros(batch.rows)
        return CostBatch(travel_s + exposure_s, electrons(self.current_pA, 1.0) * exposure_s, nothing, nothing)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        position = np.asarray(batch.each["position_nm"], dtype=np.float64)
        spectra = np.repeat(self.value(world, position)[:, None], len(ENERGY.values), axis=1)
        if self.noise:
            spectra += self.noise * random.normal(keys, len(ENERGY.values))
        done = np.ones(batch.rows, dtype=bool)
        units, axes = {"signal": "counts"}, {"signal": (ENERGY,)}
        result = ResultBatch(batch.kind, {"signal": spectra}, units, axes, done, self.price(world, batch), position)
        return replace(world, probe_nm=position), result

    def flawless(self) -> Flat:
        return replace(self, noise=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        return {"optimum_nm": world.optimum_nm[row], "optimum": 1.0}

    def value(self, world: World, position_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Noise-free value [B] at positions [B, 2]."""
        distance = np.linalg.norm(position_nm - world.optimum_nm, axis=1) / self.field_nm
        return np.asarray(1.0 - distance**world.power, dtype=np.float64)
