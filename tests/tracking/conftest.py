"""Journals written by the real writer, and a database that was migrated once for the whole session."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.campaign.journal import Journal
from experiments.config.settings import Tracking
from experiments.tracking import address
from experiments.tracking.store import Store, connect, prepare

TWIN = {"_target_": "instruments.embedded.Embedded", "core": {"_target_": "instruments.twins.film.Film"}, "pace": 0.0}


UPSTREAM = [
    # MLflow 3.17 loads runs with SQLAlchemy's `noload`, which SQLAlchemy 2.1 deprecates
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            for said in UPSTREAM:
                item.add_marker(pytest.mark.filterwarnings(said))


class Recorded:
    """A campaign's journal in a run folder, written event by event."""

    def __init__(self, folder: Path, *, campaign_id: str = "", sweep_id: str = "", **config: Any) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.step = 0
        self.journal = Journal(folder / "journal.sqlite")
        plain = {"name": "film", "instrument": TWIN, "seed": 3, "budget": {"steps": 5, "seconds": None}, **config}
        self.journal.begin(
            {
                "campaign_id": campaign_id or folder.name,
                "name": "film",
                "created": 1_700_000_000.25,
                "config": plain,
                "config_sha": "abc123",
                "seed": 3,
                "versions": {"probewright": "0.1.0", "torch": "2.13.0"},
                "git": {"commit": "0123abc", "dirty": True},
                "threads": 1,
                "sweep_id": sweep_id,
            }
        )
        self.journal.add("brief", [("brief", 0, {"objective": "find the largest loop", "value_unit": "pm"})])

    def decide(self, **figures: float) -> None:
        """The next step's decision."""
        self.step += 1
        decision = {"action": np.zeros(2), "candidate": 7, "reason": "far", "figures": figures, "decide_s": 0.004}
        self.journal.add("decision", [("decision", self.step, decision)])

    def outcome(self, value: float = math.nan) -> None:
        """What came of it."""
        payload = {
            "value": value,
            "accepted": np.array([True] * (self.step - 1) + [not math.isnan(value)]),
            "reward": 0.5,
            "terminated": False,
            "best_value": 9.0,
            "best_step": 1,
            "seconds": 2.5 * self.step,
            "electrons": 1e6 * self.step,
            "position_nm": (1.0, 2.0),
        }
        self.journal.add("outcome", [("outcome", self.step, payload)])

    def steps(self, number: int) -> Recorded:
        """Whole steps with plain values."""
        for _ in range(number):
            self.decide(std=0.1 * self.step)
            self.outcome(float(self.step))
        return self

    def end(self, status: str = "finished", ended_by: str = "steps") -> Recorded:
        """Close the campaign and let go of the journal."""
        closed = {"status": status, "ended_by": ended_by, "message": f"ended by {ended_by}"}
        self.journal.add("closed", [("closed", self.step, closed)])
        self.journal.close()
        return self

    def resume(self) -> Recorded:
        """Open it again, as `resume` does."""
        self.journal = Journal(self.folder / "journal.sqlite")
        self.journal.take_over()
        self.journal.add("resumed", [("resumed", self.step, {"bit_exact": True, "why": ""})])
        return self


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    prepare(address.sqlite_uri(path))
    return path


@pytest.fixture
def runs(tmp_path: Path, template: Path) -> Path:
    """A folder of all runs with its own database."""
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(template, folder / "mlflow.db")
    return folder


@pytest.fixture
def uri(runs: Path) -> str:
    return address.sqlite_uri(runs / "mlflow.db")


@pytest.fixture
def store(runs: Path, uri: str) -> Store:
    return connect(uri, Tracking.experiment, runs / "any")


@pytest.fixture
def recorded(runs: Path) -> Iterator[type[Recorded]]:
    """Makes campaigns; closes the journals that a test leaves open."""
    made: list[Recorded] = []

    def make(name: str = "film-s3", **given: Any) -> Recorded:
        made.append(Recorded(runs / name, **given))
        return made[-1]

    yield make
    for each in made:
        each.journal.close()


def history(store: Store, run_id: str) -> Mapping[str, list[tuple[int, float]]]:
    """Every metric's (step, value) pairs, as MLflow holds them."""
    names = store.client.get_run(run_id).data.metrics
    return {n: sorted((m.step, m.value) for m in store.client.get_metric_history(run_id, n)) for n in names}


@pytest.fixture
def points() -> Any:
    return history
