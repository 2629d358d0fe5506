"""Whatever a policy does is a row that says so, and the other cells go on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.benchmark.cell import Row
from experiments.benchmark.engine import run_suite
from experiments.benchmark.executors import Executor, Inline, Processes
from experiments.benchmark.plan import plan
from experiments.benchmark.suite import Entry, Suite

POLICIES = Path(__file__).with_name("policies")
FLAT = Entry("loop_discovery", overrides=("instrument=flat", "task=find_peak", "task.shape=[5,5]"))

SAYS = {
    "Crashes": ("failed", r"ZeroDivisionError: a bug of"),
    "CrashesInBegin": ("failed", r"KeyError: 'weights'"),
    "SaysNan": ("failed", r"step 1: the agent gave no valid action: .*nan"),
    "SaysNothing": ("failed", r"'NoneType' object has no attribute"),
    "IsLate": ("cheated", r"overran the deadline of 1 s 1 times"),
    "Repeats": ("cheated", r"asked for 3 places twice"),
    "Quits": ("failed", r"SystemExit: no licence"),
    "AsksTheInstrument": ("cheated", r"reached for truth \(truth\)"),
    "AsksForTheCore": ("cheated", r"reached for truth \(core\)"),
    "AsksTheTwin": ("cheated", r"reached for truth \(truth\)"),
    "AsksAloud": ("cheated", r"reached for truth \(truth\); then PermissionError: "),
    "WalksFrames": ("ok", r""),
    "Prints": ("ok", r""),
}
FATAL = {
    "Hangs": ("timeout", r"took longer than 8 s and was ended"),
    "Exits": ("failed", r"its process ended with exit code 3"),
    "Kills": ("failed", r"its process was killed by signal 9, 2 times over"),
}


def suite(*policies: str) -> Suite:
    named = {name: [f"agent={{_target_: misbehaving.{name}}}"] for name in policies}
    return Suite(
        "bad", {"random": ["agent=random"], **named}, {"flat": FLAT}, seeds=1, steps=4, timeout_s=8, deadline_s=1
    )


def rows(folder: Path, executor: Executor, *policies: str) -> dict[str, Row]:
    planned = plan(suite(*policies), [POLICIES])
    return {row.policy: row for row in run_suite(planned, folder, executor).rows}


def test_what_a_policy_does_is_said_in_its_row(tmp_path: Path) -> None:
    found = rows(tmp_path, Inline(), *SAYS)
    for policy, (status, words) in SAYS.items():
        assert found[policy].status == status, f"{policy}: {found[policy]}"
        assert re.search(words, found[policy].error), f"{policy}: {found[policy].error}"
    assert found["random"].status == found["oracle"].status == "ok"
    assert found["Prints"].areas == found["random"].areas


def test_what_ends_the_process_ends_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.benchmark.executors.ATTEMPTS", 2)
    found = rows(tmp_path, Processes(2), *FATAL)
    for policy, (status, words) in FATAL.items():
        assert found[policy].status == status, f"{policy}: {found[policy]}"
        assert re.fullmatch(words + ".*", found[policy].error), f"{policy}: {found[policy].error}"
    assert found["random"].status == found["oracle"].status == "ok"


def test_a_cheat_keeps_its_figures_beside_the_fault(tmp_path: Path) -> None:
    row = rows(tmp_path, Inline(), "Repeats")["Repeats"]
    assert len(row.regret) == 4
    assert row.regret == [row.regret[0]] * 4
    assert set(row.areas) == {"steps", "seconds", "electrons"}
