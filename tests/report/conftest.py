"""Finished, broken and unfinished run folders, written through the real journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.campaign.journal import Journal
from instruments.cost import Cost
from instruments.measurement import Axis, Channel, Measurement
from instruments.requests import BiasSpectroscopy, ScanImage

EXTENT = (-1000.0, 1000.0, -1000.0, 1000.0)
SIDE = 16


@dataclass
class Plan:
    """What the written campaign shall look like."""

    steps: int = 12
    survey: bool = True
    image: bool = True
    curves: bool = True
    model: bool = True
    dose: bool = False
    objective: str = "maximise"
    fail: Callable[[int], bool] = lambda step: False
    reject: Callable[[int], bool] = lambda step: step % 7 == 3
    reason: str = "the expected improvement is largest here"
    failure: str = "the fit did not converge"
    value: Callable[[int, float], float] = lambda step, value: value
    closed: dict[str, str] | None = field(
        default_factory=lambda: {"status": "finished", "ended_by": "steps", "message": ""}
    )
    extra: Sequence[tuple[str, int, dict[str, Any]]] = ()


def positions() -> np.ndarray:
    """Centres of a grid of SIDE x SIDE over the field, row by row from the smallest y."""
    axis = (np.arange(SIDE) + 0.5) / SIDE * 2000.0 - 1000.0
    x, y = np.meshgrid(axis, axis)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def truth(places: np.ndarray) -> np.ndarray:
    """A smooth bump of loop areas [pm V], largest at (400, -300) nm."""
    return 40.0 + 160.0 * np.exp(-(((places - [400.0, -300.0]) / 500.0) ** 2).sum(1))


class Written:
    """Writes one campaign into a folder, event by event as a campaign does."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan, self.folder = plan, folder
        self.records: list[tuple[str, int, dict[str, Any]]] = []
        self.places, self.draws = positions(), np.random.default_rng(5)
        self.value, self.accepted, self.spent = np.zeros(0), np.zeros(0, bool), Cost()

    def all(self) -> Path:
        """Write the journal and let it go."""
        self.survey()
        for step in range(1, self.plan.steps + 1):
            self.step(step)
        if self.plan.model and self.plan.steps:
            mean = truth(self.places)
            self.records.append(("model", self.plan.steps, {"mean": mean, "std": 5.0 + mean / 20.0}))
        self.records += self.plan.extra
        if self.plan.closed is not None:
            self.records.append(("closed", self.plan.steps, self.plan.closed))
        self.folder.mkdir()
        journal = Journal(self.folder / "journal.sqlite")
        journal.begin(META)
        journal.add("all", self.records)
        journal.close()
        return self.folder

    def survey(self) -> None:
        image = self.scan() if self.plan.survey else None
        body = {"objective": self.plan.objective, "value_name": "loop area", "value_unit": "pm V"}
        body |= {"candidates": self.places / 1000.0, "positions_nm": self.places, "pixels": None}
        told = self.plan.image and image is not None
        body |= {"images": {"amplitude": image} if told else {}, "extent_nm": EXTENT if told else None}
        self.records.append(("brief", 0, body))

    def scan(self) -> np.ndarray:
        request = ScanImage((0.0, 0.0), (2000.0, 2000.0), (32, 32), 1e-3)
        image = np.hypot(*np.meshgrid(np.linspace(-1, 1, 32), np.linspace(-1, 1, 32)))
        axes = tuple(Axis(name, "nm", np.linspace(-1000, 1000, 32)) for name in ("y", "x"))
        measured = Measurement("survey", request, {"amplitude": Channel(image, "pm", axes)}, self.cost(1.5))
        self.command("survey", 0, request, "survey")
        self.records.append(("result", 0, {"id": "survey", "measurement": measured, "snapshot": None}))
        return image

    def step(self, step: int) -> None:
        index = int(self.draws.integers(len(self.places)))
        place = (float(self.places[index, 0]), float(self.places[index, 1]))
        area = float(truth(self.places[[index]])[0])
        figures = {"mean": area + self.draws.normal() * 8.0, "std": 8.0} if self.plan.model and step > 1 else {}
        decision = {"action": self.places[index] / 1000.0, "candidate": index, "reason": self.plan.reason}
        self.records.append(("decision", step, decision | {"figures": figures, "decide_s": 0.02}))
        self.measure(step, place, area)
        failed, off = self.plan.fail(step), self.plan.reject(step)
        value = float("nan") if failed else self.plan.value(step, area * (50.0 if off else 1.0))
        self.value = np.append(self.value, value)
        self.accepted = np.append(self.accepted, not (failed or off) and np.isfinite(value))
        outcome = {"value": value, "accepted": self.accepted, "reward": 0.0, "terminated": False, "best_value": value}
        outcome |= {"best_step": None, "seconds": self.spent.seconds, "electrons": self.spent.electrons}
        self.records.append(("outcome", step, outcome | {"position_nm": place}))

    def measure(self, step: int, place: tuple[float, float], area: float) -> None:
        request, name = BiasSpectroscopy(place, -8.0, 8.0, 64, 1e-3), f"m{step}"
        self.command(name, step, request, "action")
        cost = self.cost(2.0)
        if self.plan.fail(step):
            body = {"error": "HardwareFault", "message": self.plan.failure, "cost": cost, "snapshot": None}
            self.records.append(("failed", step, {"id": name} | body))
            return
        bias = np.interp(np.arange(64), [0, 16, 48, 64], [0.0, 8.0, -8.0, 0.0])
        delay = np.where((np.arange(64) >= 16) & (np.arange(64) < 48), -2.0, 2.0)
        loop = area / 10.0 * np.tanh((bias - delay) / 1.5) + self.draws.normal(size=64)
        channels = {"piezoresponse": Channel(loop, "pm", (Axis("bias", "V", bias),))} if self.plan.curves else {}
        measured = Measurement(name, request, channels, cost, position_nm=place)
        self.records.append(("result", step, {"id": name, "measurement": measured, "snapshot": None}))

    def command(self, name: str, step: int, request: Any, purpose: str) -> None:
        self.records.append(("command", step, {"id": name, "request": request, "cost": Cost(9.0), "purpose": purpose}))

    def cost(self, seconds: float) -> Cost:
        cost = Cost(seconds, 3.1e6 * seconds if self.plan.dose else 0.0)
        self.spent = self.spent + cost
        return cost


META: dict[str, Any] = {
    "campaign_id": "c0ffee",
    "name": "loop_discovery",
    "created": 1.7e9,
    "config": {
        "name": "loop_discovery",
        "seed": 3,
        "instrument": {
            "_target_": "instruments.embedded.Embedded",
            "core": {"_target_": "instruments.twins.ferroelectric_film.FerroelectricFilm"},
        },
        "task": {"_target_": "environments.tasks.spectroscopy_map.SpectroscopyMap"},
        "agent": {"_target_": "agents.bayesian.GaussianProcess"},
        "scenario": {"name": "matched"},
        "budget": {"steps": 60},
    },
    "config_sha": "ab" * 32,
    "seed": 3,
    "versions": {"python": "3.11.2", "numpy": "2.3.0", "mlflow": "-"},
    "git": {"commit": "0123456789abcdef", "dirty": True},
    "threads": {"OMP_NUM_THREADS": "1"},
    "sweep_id": "",
    "command": "probewright run seed=3",
}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run folder; keywords are the fields of `Plan`."""
    return lambda name="run", **fields: Written(tmp_path / name, Plan(**fields)).all()
