"""Rows by hand, and one small suite that has really run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from experiments.benchmark.cell import Row

SMALL = (
    *("suite=smoke", "steps=5", "executor=inline", "~policies.gaussian_process", "target=0.3"),
    "tasks.film.overrides=[task.shape=[8,8], task.survey_image.shape=[16,16]]",
)
"""The suite smoke at a size for tests: 10 seeds, random and Sobol, 5 of 64 places."""

MakeRow = Callable[..., Row]


@pytest.fixture(autouse=True)
def own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget afterwards what a working folder made importable."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("my_policy", None)


@pytest.fixture(scope="session")
def row() -> MakeRow:
    """A row by hand: `regret` is its curve; every step takes `pace` seconds and `dose` electrons."""

    def make(
        policy: str,
        seed: int,
        regret: Sequence[float] = (),
        *,
        task: str = "film",
        scenario: str = "matched",
        status: str = "ok",
        error: str = "",
        pace: float = 2.0,
        dose: float = 0.0,
    ) -> Row:
        steps = range(1, len(regret) + 1)
        return Row(
            *(f"{policy}-{task}-{scenario}-{seed}", policy, task, scenario, seed, status, error),  # type: ignore[arg-type]
            regret=list(regret),
            seconds=[pace * n for n in steps],
            electrons=[dose * n for n in steps],
            best=1.0 - regret[-1] if regret else float("nan"),
            decide_ms={"p50": 1.0, "p99": 2.0} if regret else {},
            wall_s=0.1,
        )

    return make


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """The overrides of `small_suite`."""
    return SMALL


@pytest.fixture(scope="session")
def small_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a suite that was run by the command; to be read only."""
    from experiments.cli import main

    runs = tmp_path_factory.mktemp("suite")
    assert main(["benchmark", *SMALL, f"runs={runs}"]) == 0
    (folder,) = (runs / "benchmarks").iterdir()
    return folder
