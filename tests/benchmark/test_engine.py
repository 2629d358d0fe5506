"""Suites of real small cells: planned by content, paired by seed, resumed without repeating anything."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
import yaml

from benchmarks.cell_kills import Logged
from experiments.benchmark import engine, results
from experiments.benchmark.cell import Row, run_cell
from experiments.benchmark.executors import Inline
from experiments.benchmark.oracles import BestFirst
from experiments.benchmark.plan import Plan, fingerprint, plan
from experiments.benchmark.suite import ORACLE, Entry, Suite
from experiments.benchmark.truth import true_values
from experiments.campaign.journal import open_reader
from experiments.campaign.journal.errors import JournalHeld
from experiments.config import ConfigError, build, compose

FLAT = ("instrument=flat", "task=find_peak", "task.shape=[5,5]")
FILM = ("task.shape=[8,8]", "task.survey_image.shape=[16,16]")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "own_policy.md"


def suite(*overrides: str, **policies: str) -> Suite:
    named = {name: [override] for name, override in policies.items()}
    entry = Entry("loop_discovery", overrides=(*FLAT, *overrides))
    return Suite("small", {"random": ["agent=random"], **named}, {"flat": entry}, seeds=2, steps=3)


def ids(of: Plan) -> set[str]:
    return {cell.id for cell in of.cells}


def bare(row: Row) -> dict[str, Any]:
    """What two runs of a cell share."""
    return {name: value for name, value in row.as_dict().items() if name not in ("wall_s", "decide_ms")}


def logged(folder: Path) -> str:
    return f"agent={{_target_: {Logged.__module__}.Logged, log: {folder / 'log'}}}"


def test_the_same_suite_has_the_same_ids() -> None:
    assert ids(plan(suite())) == ids(plan(suite()))
    assert fingerprint(plan(suite())) == fingerprint(plan(suite()))
    turned = dataclasses.replace(
        suite(sobol="agent=sobol"), policies={"sobol": ["agent=sobol"], "random": ["agent=random"]}
    )
    assert ids(plan(turned)) == ids(plan(suite(sobol="agent=sobol")))


def test_writing_a_default_out_changes_no_id() -> None:
    assert ids(plan(suite("instrument.core.noise=0.0", "checkpoint_every=25"))) == ids(plan(suite()))


@pytest.mark.parametrize(
    "change",
    [
        "instrument.core.noise=0.1",
        "instrument.core.current_pA=11",
        "task.exposure_s=0.2",
        "task.tries=29",
        "task.shape=[5,6]",
        "budget.seconds=100",
        "guard.electrons=1e12",
        "scenario={name: shifted}",
        "sample=a",
        "checkpoint_every=26",
        "on_ambiguous=skip",
    ],
)
def test_changing_any_value_changes_every_id(change: str) -> None:
    assert not ids(plan(suite(change))) & ids(plan(suite()))


def test_adding_to_a_suite_keeps_the_ids_of_what_was_there() -> None:
    wider = dataclasses.replace(suite(sobol="agent=sobol"), seeds=3)
    assert ids(plan(suite())) < ids(plan(wider))
    assert fingerprint(plan(suite())) != fingerprint(plan(wider))


def test_a_policy_cannot_pose_as_the_oracle() -> None:
    with pytest.raises(ConfigError, match="reference that is given truth"):
        plan(suite(**{ORACLE: "agent=random"}))
    with pytest.raises(ConfigError, match="'best' is not a policy"):
        plan(dataclasses.replace(suite(), baseline="best"))


def test_policies_of_one_seed_see_one_sample(tmp_path: Path) -> None:
    film = Suite(
        "pairs",
        {"random": ["agent=random"], "sobol": ["agent=sobol"]},
        {"film": Entry("loop_discovery", overrides=FILM)},
        seeds=2,
        steps=2,
    )
    of = plan(film)
    seen: dict[int, list[Mapping[str, bytes]]] = {0: [], 1: []}
    for cell in of.cells:
        assert run_cell(cell, of.settings_of(cell), tmp_path, keep=True).status == "ok"
        seen[cell.seed].append(survey(tmp_path / "kept" / cell.id))
    for images in seen.values():
        assert len(images) == 3
        assert images[0] == images[1] == images[2]
    assert seen[0][0].keys() == seen[1][0].keys() == {"amplitude", "phase", "piezoresponse", "height"}
    assert all(seen[0][0][name] != seen[1][0][name] for name in seen[0][0])


def survey(run_folder: Path) -> dict[str, bytes]:
    with open_reader(run_folder / "journal.sqlite") as reader:
        first = next(iter(reader.events(kinds=("result",))))
    assert first.step == 0
    return {name: channel.values.tobytes() for name, channel in first.payload["measurement"].channels.items()}


def test_what_has_finished_is_not_run_again(tmp_path: Path) -> None:
    of = plan(suite(logged=logged(tmp_path)))
    first = engine.run_suite(of, tmp_path, Inline())
    assert (tmp_path / "log").read_text().split()[1::2] == ["0", "1"]
    written, told = (tmp_path / "results.jsonl").read_bytes(), []
    second = engine.run_suite(of, tmp_path, Inline(), lambda row, done, of: told.append(row))
    assert second.rows == first.rows
    assert told == []
    assert (tmp_path / "results.jsonl").read_bytes() == written
    assert len((tmp_path / "log").read_text().split()) == 4


def test_a_line_that_was_cut_off_is_run_again_and_nothing_else(tmp_path: Path) -> None:
    of = plan(suite(logged=logged(tmp_path)))
    first = engine.run_suite(of, tmp_path, Inline())
    path = tmp_path / "results.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    told: list[tuple[str, int, int]] = []
    second = engine.run_suite(of, tmp_path, Inline(), lambda row, done, of: told.append((row.id, done, of)))
    assert told == [(of.cells[-1].id, 6, 6)]
    assert [bare(row) for row in second.rows] == [bare(row) for row in first.rows]
    assert [bare(row) for row in results.read(path).values()] == [bare(row) for row in first.rows]


def test_rows_survive_being_written(tmp_path: Path) -> None:
    finished = engine.run_suite(plan(suite()), tmp_path, Inline())
    assert {row.id: row for row in finished.rows} == results.read(tmp_path / "results.jsonl")


def test_a_failed_cell_is_not_the_end_and_is_tried_again_when_asked(tmp_path: Path) -> None:
    of = plan(suite(broken="agent={_target_: agents.external.External, command: [sh, -c, exit 4]}"))
    finished = engine.run_suite(of, tmp_path, Inline())
    found = {row.policy: row for row in finished.rows}
    assert found["broken"].status == "failed"
    assert "ended with exit code 4" in found["broken"].error
    assert found["random"].status == "ok"
    told: list[str] = []
    engine.run_suite(of, tmp_path, Inline(), lambda row, done, of: told.append(row.policy), retry=True)
    assert told == ["broken", "broken"]


def test_a_suite_that_is_being_run_is_refused(tmp_path: Path) -> None:
    with (
        filelock.FileLock(tmp_path / "suite.lock"),
        pytest.raises(JournalHeld, match="is being run by another process"),
    ):
        engine.run_suite(plan(suite()), tmp_path, Inline())


def test_journals_of_the_first_seed_are_kept_and_nothing_of_the_others(tmp_path: Path) -> None:
    of = plan(suite())
    engine.run_suite(of, tmp_path, Inline())
    first = {cell.id for cell in of.cells if cell.seed == 0}
    assert {folder.name for folder in (tmp_path / "kept").iterdir()} == first
    assert list((tmp_path / "running").iterdir()) == []


def test_the_optimum_that_is_stated_beats_what_search_finds_on_every_seed(tmp_path: Path) -> None:
    film = Suite("optimum", {"random": ["agent=random"]}, {"film": Entry("loop_discovery")}, seeds=4, steps=15)
    rows = engine.run_suite(plan(film), tmp_path, Inline()).rows
    for seed in range(4):
        oracle, search = (next(r for r in rows if r.seed == seed and r.policy == p) for p in (ORACLE, "random"))
        assert oracle.regret == [0.0] * 15
        assert oracle.best >= search.best
        assert search.regret[0] > 0.0
        assert oracle.areas["steps"] == pytest.approx(1 / 15)
        assert all(oracle.areas[name] < search.areas[name] for name in oracle.areas)


def test_true_values_are_the_twins_own_and_their_largest_is_known_in_closed_form(tmp_path: Path) -> None:
    settings = compose([*FLAT, "agent=random", "instrument.core.noise=0.5", "seed=3"])
    parts = build(settings)
    truth = true_values(settings, parts, tmp_path)
    parts.instrument.reset(3, settings.scenario)  # type: ignore[attr-defined]
    optimum = parts.instrument.truth()["optimum_nm"]  # type: ignore[attr-defined]
    places = parts.task.brief(parts.task.start(np.zeros(1, np.uint64), parts.instrument.describe()), 0).positions_nm
    assert places is not None
    np.testing.assert_allclose(truth, 1.0 - ((places - optimum) ** 2).sum(-1) / 1000.0**2, rtol=1e-6)


def test_the_oracle_takes_what_has_no_value_last() -> None:
    from agents.check import trivial_problem
    from agents.protocol import AgentError

    problem = trivial_problem()
    truth = np.arange(49.0)
    truth[48] = np.nan
    oracle = BestFirst(truth)
    oracle.begin(problem, 0)
    assert oracle.act({}).candidate == 47
    with pytest.raises(AgentError, match="candidates that its truth is about"):
        BestFirst(truth[:3]).begin(problem, 0)


def test_the_documented_policy_enters_by_one_override(tmp_path: Path) -> None:
    """The very file and the very override of docs/own_policy.md, on a small task."""
    code, _ = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    (tmp_path / "my_policy.py").write_text(code)
    ((name, override),) = re.findall(r'"policies\.(\w+)=\[(agent={.*})\]"', DOCUMENT.read_text())
    of = plan(suite(**{name: override}))
    rows = [row for row in engine.run_suite(of, tmp_path, Inline()).rows if row.policy == name]
    assert [row.status for row in rows] == ["ok", "ok"]
    assert len(set(rows[0].regret + rows[1].regret)) > 1


def test_a_documented_policy_in_a_process_enters_by_one_override(tmp_path: Path) -> None:
    _, code = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    (tmp_path / "my_policy.py").write_text(code)
    given = next(line for line in DOCUMENT.read_text().splitlines() if "policies.mine=[agent=external" in line)
    policies = yaml.safe_load(given.partition("policies.mine=")[2].rstrip('"'))
    assert policies == ["agent=external", "agent.command=[python, my_policy.py]"]
    of = plan(dataclasses.replace(suite(), policies={"random": ["agent=random"], "mine": policies}))
    rows = {(row.policy, row.seed): row for row in engine.run_suite(of, tmp_path, Inline()).rows}
    assert rows["mine", 0].status == "ok", rows["mine", 0].error
    assert rows["mine", 0].regret != rows["mine", 1].regret
