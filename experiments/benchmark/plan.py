"""The plan of a suite: one line a cell, content-hashed, written once and read back by whoever resumes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.benchmark.suite import ORACLE, Suite
from experiments.campaign.folder import write_atomic
from experiments.campaign.provenance import config_hash
from experiments.config import ConfigError, from_plain, to_plain
from experiments.config.composing import compose_plain


@dataclass(frozen=True)
class Cell:
    """One campaign: its id is a hash of its configuration (`config`, a key of the plan's configurations) and seed."""

    id: str
    policy: str
    task: str
    scenario: str
    seed: int
    config: str


@dataclass(frozen=True)
class Plan:
    """Cells, and the configurations they share, by hash; the configurations hold no seed."""

    suite: Suite
    cells: Sequence[Cell]
    configs: Mapping[str, Mapping[str, Any]]

    def settings_of(self, cell: Cell) -> dict[str, Any]:
        """The plain configuration of a cell, its seed filled in."""
        return {**self.configs[cell.config], "seed": cell.seed}


def plan(suite: Suite, config_dirs: Sequence[Path] = ()) -> Plan:
    """Compose every combination once and number its seeds; raises ConfigError before anything runs."""
    if suite.baseline not in suite.policies:
        raise ConfigError(f"baseline={suite.baseline!r} is not a policy of the suite: {', '.join(suite.policies)}")
    if ORACLE in suite.policies:
        raise ConfigError(f"a policy cannot be called {ORACLE!r}: that is the reference that is given truth")
    configs: dict[str, Mapping[str, Any]] = {}
    cells: list[Cell] = []
    for policy, task, scenario, config in _combinations(suite, config_dirs):
        sha = config_hash(config)[:16]
        configs[sha] = config
        for seed in range(suite.first_seed, suite.first_seed + suite.seeds):
            cells.append(Cell(_id(policy, sha, seed), policy, task, scenario, seed, sha))
    return Plan(suite, _oracles_first(cells), configs)


def _combinations(suite: Suite, config_dirs: Sequence[Path]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    policies = {ORACLE: ["agent=random"], **suite.policies}
    for task, entry in suite.tasks.items():
        for scenario in entry.scenarios:
            for policy, own in policies.items():
                shared = [f"campaign={entry.campaign}", f"scenario={scenario}", "tracking=off", "report=false"]
                budget = [] if suite.steps is None else [f"budget.steps={suite.steps}"]
                overrides = [*shared, *budget, *entry.overrides, *own]
                if suite.deadline_s is not None:
                    overrides.append(f"deadline_s={suite.deadline_s}")
                config = _composed(f"policy {policy} on {task}", overrides, config_dirs)
                yield policy, task, scenario, {k: v for k, v in config.items() if k not in ("seed", "runs")}


def _composed(where: str, overrides: Sequence[str], config_dirs: Sequence[Path]) -> dict[str, Any]:
    try:
        return to_plain(from_plain(compose_plain(overrides, config_dirs)))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _id(policy: str, config: str, seed: int) -> str:
    return hashlib.sha256(f"{policy}/{config}/{seed}".encode()).hexdigest()[:16]


def _oracles_first(cells: list[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: cell.policy != ORACLE)


def write(plan: Plan, folder: Path) -> None:
    """Write plan.jsonl and configs.json."""
    write_atomic(folder / "configs.json", json.dumps(plan.configs))
    write_atomic(folder / "plan.jsonl", "".join(json.dumps(asdict(cell)) + "\n" for cell in plan.cells))


def fingerprint(plan: Plan) -> str:
    """Eight characters that two plans share when they have the same cells."""
    return hashlib.sha256("".join(sorted(cell.id for cell in plan.cells)).encode()).hexdigest()[:8]
