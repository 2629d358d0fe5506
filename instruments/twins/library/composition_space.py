"""A space of compositions too large for a grid: every member is a word of bits, its property is one number.

A member says for each of `sites` places which of two elements stands there; 2^20 members by default. The property is a
sum over places and over pairs of places, scaled to unit variance over the space, read as the mean of a noisy spectrum.

Scenarios: `matched` is the pairs alone; `shifted` makes pairs twice as strong against places; `misspecified` adds what
pairs do not show: a rare motif (one member in 2^motif has it) that raises the property by `bonus` standard deviations.

Not modelled: that members must be made before they can be measured takes `synthesis_s` and never fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import electrons
from instruments.errors import NotSupported, OutOfReach
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.reach import column, within
from instruments.twins.scenario import scenario_name
from physics_priors.bounds import Bounds

ENERGY: Final = Axis("energy", "eV", np.arange(8.0))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """B spaces: single [B, n], pair [B, n, n] (upper triangle), motif and its sites [B, n] (0 where free), member."""

    single: Floats
    pair: Floats
    motif: NDArray[np.int8]
    bonus: Floats
    member: NDArray[np.int8]
    """[B, n] of -1 and 1."""


@dataclass(frozen=True)
class CompositionSpace:
    """The twin; see the module's text."""

    changing: ClassVar[tuple[str, ...]] = ("member",)

    sites: Annotated[int, Bounds("sites", 4, 60)] = 20
    motif: Annotated[int, Bounds("sites", 1, 20)] = 6
    bonus: Annotated[float, Bounds("", 0.0)] = 4.0
    noise: Annotated[float, Bounds("", 0.0)] = 0.1
    """Standard deviation of every energy of a spectrum, in standard deviations of the property."""
    current_pA: Annotated[float, Bounds("pA", 0.0)] = 10.0
    synthesis_s: Annotated[float, Bounds("s", 0.0)] = 600.0

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        return Capabilities(
            name="composition_space",
            family="STEM",
            simulated=True,
            requests=frozenset({"SetSample", "PointSpectrum"}),
            field=Field((0.0, 0.0), (10.0, 10.0)),
            channels={"PointSpectrum": {"signal": ""}, "SetSample": {}},
            calibration=Calibration(current_pA=self.current_pA),
            limits={"exposure_s": Bounds("s", 1e-6, 3600.0)},
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name, n, rows = scenario_name(scenario), self.sites, len(keys)
        single = random.normal(random.fold(keys, 0), n) / np.sqrt(2 * n)
        pair = np.triu(random.normal(random.fold(keys, 1), n * n).reshape(rows, n, n), 1)
        pair *= (2.0 if name == "shifted" else 1.0) / np.sqrt(n * (n - 1))
        spread = np.sqrt(np.square(single).sum(1) + np.square(pair).sum((1, 2)))
        order = np.argsort(random.uniform(random.fold(keys, 2), n), axis=1)
        sign = np.where(random.uniform(random.fold(keys, 3), n) < 0.5, -1, 1)
        motif = np.where(order < min(self.motif, n), sign, 0).astype(np.int8)
        bonus = np.full(rows, self.bonus if name == "misspecified" else 0.0)
        member = -np.ones((rows, n), np.int8)
        return World(single / spread[:, None], pair / spread[:, None, None], motif, bonus, member)

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        nothing = np.zeros(batch.rows)
        if batch.kind == "SetSample":
            changed = (self._asked(world, batch) != world.member).any(1)
            seconds = np.where(changed, self.synthesis_s, 0.0) + column(batch, "settle_s").astype(np.float64)
            return CostBatch(seconds, nothing, nothing, nothing)
        exposure_s = column(batch, "exposure_s").astype(np.float64)
        return CostBatch(exposure_s.copy(), electrons(self.current_pA, 1.0) * exposure_s, nothing, nothing)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        cost, done = self.price(world, batch), np.ones(batch.rows, bool)
        if batch.kind == "SetSample":
            nowhere = np.zeros((batch.rows, 2))
            after = replace(world, member=self._asked(world, batch))
            return after, ResultBatch(batch.kind, {}, {}, {}, done, cost, nowhere)
        spectra = np.repeat(self.value(world, world.member)[:, None], len(ENERGY.values), axis=1)
        if self.noise:
            spectra = spectra + self.noise * random.normal(keys, len(ENERGY.values))
        place = np.asarray(column(batch, "position_nm"), np.float64)
        axes = {"signal": (ENERGY,)}
        return world, ResultBatch(batch.kind, {"signal": spectra}, {"signal": ""}, axes, done, cost, place)

    def flawless(self) -> CompositionSpace:
        return replace(self, noise=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """The terms of the property."""
        return {"single": world.single[row], "pair": world.pair[row], "motif": world.motif[row]}

    def value(self, world: World, member: NDArray[np.int8]) -> Floats:
        """The property [B] of members [B, n]."""
        s = member.astype(np.float64)
        plain = np.einsum("bi,bi->b", world.single, s) + np.einsum("bij,bi,bj->b", world.pair, s, s)
        has = ((world.motif == 0) | (world.motif == member)).all(1)
        return np.asarray(plain + world.bonus * has, np.float64)

    def _asked(self, world: World, batch: RequestBatch) -> NDArray[np.int8]:
        for name in ("temperature_K", "field_T"):
            if any(value is not None for value in np.ravel(column(batch, name))):
                raise NotSupported(f"composition_space: SetSample cannot set {name}")
        found = world.member.copy()
        for row, name in enumerate(column(batch, "member")):
            if name is None:
                continue
            word = str(name)
            if len(word) != self.sites or set(word) - {"0", "1"}:
                raise OutOfReach(f"composition_space: a member is a word of {self.sites} bits, not {word!r}")
            found[row] = [1 if bit == "1" else -1 for bit in word]
        return found
