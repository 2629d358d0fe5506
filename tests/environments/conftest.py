"""A small core of images, loops and atoms, with recognisable values in its truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Capabilities, Field
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.hysteresis import staircase
from physics_priors.bounds import Bounds

PLANTED = 0.73121973


@dataclass(frozen=True)
class World:
    probe_nm: NDArray[np.float64]
    hidden: NDArray[np.float64]


@dataclass(frozen=True)
class SmallFilm:
    """Loops whose half height grows along x, on a field of 100 nm; `fault` spoils them in a stated way."""

    changing: ClassVar[tuple[str, ...]] = ("probe_nm",)
    noise: float = 0.01
    fault: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None
    images: bool = True
    unit: str = "pm"

    def describe(self) -> Capabilities:
        kinds = {"BiasSpectroscopy": {"response": "pm"}}
        if self.images:
            kinds["ScanImage"] = {"height": "nm"}
        limits = {"low_V": Bounds("V", -10.0, 10.0), "high_V": Bounds("V", -10.0, 10.0)}
        field = Field((50.0, 0.0), (100.0, 100.0))
        return Capabilities("small film", "SPM", True, frozenset(kinds), field, kinds, limits=limits, episodes=True)

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        return World(np.zeros((len(keys), 2)), random.uniform(keys, 1))

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        nothing = np.zeros(batch.rows)
        return CostBatch(nothing + 2.0, nothing, nothing, nothing)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        make = self._image if batch.kind == "ScanImage" else self._loops
        channel, unit, values, axes, where = make(world, batch, keys)
        done, cost = np.ones(batch.rows, bool), self.price(world, batch)
        result = ResultBatch(batch.kind, {channel: values}, {channel: unit}, {channel: axes}, done, cost, where)
        return replace(world, probe_nm=where), result

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        return {"hidden": float(world.hidden[row, 0]), "planted": PLANTED, "map": np.full((4, 4), PLANTED)}

    def _image(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[Any, ...]:
        rows, columns = batch.shared["shape"]
        values = random.normal(keys, rows * columns).reshape(-1, rows, columns) + 1e3
        axes = (Axis("y", "nm", np.arange(float(rows))), Axis("x", "nm", np.arange(float(columns))))
        return "height", "nm", values, axes, np.asarray(batch.each["center_nm"])

    def _loops(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[Any, ...]:
        s = batch.shared
        bias = np.array(staircase(s["low_V"], s["high_V"], s["points"], s["cycles"]))
        where = np.asarray(batch.each["position_nm"])
        height = 1.0 + where[:, 0] / 100.0 + 0.1 * world.hidden[:, 0]
        rising = np.roll(bias, -1) > bias
        loops = height[:, None] * np.tanh((bias - np.where(rising, 2.0, -2.0)) / 0.5)
        loops = loops + self.noise * random.normal(keys, len(bias))
        loops = loops if self.fault is None else self.fault(loops)
        return "response", self.unit, loops, (Axis("bias", "V", bias),), where


@pytest.fixture(scope="session")
def small_film() -> type[SmallFilm]:
    return SmallFilm


@pytest.fixture(scope="session")
def planted() -> float:
    return PLANTED


@pytest.fixture(scope="session")
def two_step_loop() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bias and a square loop: half height 2, coercive voltages -3 and +3, 128 points of +-8 V."""
    bias = np.array(staircase(-8.0, 8.0, 128))
    rising = np.roll(bias, -1) > bias
    return bias, 2.0 * np.where(bias > np.where(rising, 3.0, -3.0), 1.0, -1.0)
