"""`probewright benchmark` as its users meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.benchmark.plan import plan
from experiments.benchmark.settings import build_executor, compose_benchmark, without_absent
from experiments.cli import main
from experiments.config.errors import ConfigError
from experiments.config.sources import groups

ONE = (
    *("suite=smoke", "seeds=1", "steps=3", "executor=inline", "~policies.gaussian_process", "~policies.sobol"),
    "tasks.film.overrides=[task.shape=[6,6], task.survey_image.shape=[16,16]]",
)
"""One seed of the baseline and the oracle, and what a test adds."""

POLICY = """
from pathlib import Path
from agents.baselines.random_search import RandomSearch

class Mine(RandomSearch):
    def act(self, observation, *, pending=(), deadline_s=None):
        if Path("broken").exists():
            raise RuntimeError("no idea")
        return super().act(observation, pending=pending, deadline_s=deadline_s)
"""
MINE = "+policies.mine=[agent={_target_: my_policy.Mine}]"


def run(capsys, *arguments):
    """Exit code, lines on standard output, lines on standard error."""
    code = main(["benchmark", *arguments])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def rows_of(folder):
    return [json.loads(line) for line in (Path(folder) / "results.jsonl").read_text().splitlines()]


def test_it_ends_with_table_report_and_folder(capsys):
    code, out, err = run(capsys, *ONE, "+policies.second=[agent=sobol]")
    folder = Path(out[-1])
    assert code == 0
    assert folder.parent == Path.cwd() / "runs" / "benchmarks"
    assert out[-2] == f"report  {folder / 'report.html'}"
    assert (folder / "report.html").is_file()
    assert [line.split()[0] for line in out[1:5]] == ["policy", "random", "second", "oracle"]
    assert err[0] == f"smoke: 3 cells in {folder}"
    assert err[-1].startswith("3/3 cells")


def test_finished_cells_are_not_run_again(capsys, small, small_suite):
    before = (small_suite / "results.jsonl").read_bytes()
    changed = (small_suite / "results.jsonl").stat().st_mtime_ns
    code, out, err = run(capsys, *small, f"runs={small_suite.parent.parent}")
    assert (code, out[-1]) == (0, str(small_suite))
    assert (small_suite / "results.jsonl").read_bytes() == before
    assert (small_suite / "results.jsonl").stat().st_mtime_ns == changed
    assert len(err) == 1


def test_a_policy_of_ones_own_is_one_override(capsys):
    Path("my_policy.py").write_text(POLICY)
    code, out, _ = run(capsys, *ONE, MINE)
    assert code == 0
    (mine,) = [row for row in rows_of(out[-1]) if row["policy"] == "mine"]
    assert (mine["status"], len(mine["regret"])) == ("ok", 3)
    (config,) = [c for c in json.loads((Path(out[-1]) / "configs.json").read_text()).values() if "mine" in str(c)] or [
        {}
    ]
    agents = {str(c["agent"]) for c in json.loads((Path(out[-1]) / "configs.json").read_text()).values()}
    assert str({"_target_": "my_policy.Mine"}) in agents
    assert config == {}


def test_a_failing_policy_is_a_row_and_can_be_tried_again(capsys):
    Path("my_policy.py").write_text(POLICY)
    Path("broken").touch()
    code, out, err = run(capsys, *ONE, MINE)
    assert code == 0
    assert any("mine on film, matched, seed 0: failed" in line and "no idea" in line for line in err)
    assert any(line.startswith("mine ") and "1, 0 of 1" in line for line in out)
    Path("broken").unlink()
    _, out, _ = run(capsys, *ONE, MINE)
    assert {row["policy"]: row["status"] for row in rows_of(out[-1])}["mine"] == "failed"
    _, out, _ = run(capsys, "--retry", *ONE, MINE)
    assert {row["policy"]: row["status"] for row in rows_of(out[-1])} == dict.fromkeys(
        ("oracle", "random", "mine"), "ok"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["suite=smok"], "unknown suite 'smok'; did you mean 'smoke'? there are: smoke, "),
        (["seed=3"], "unknown key 'seed'; did you mean 'seeds'?"),
        (["seeds=0"], "seeds=0 is outside [1, 10000] seeds"),
        (["executor=inlin"], "unknown executor 'inlin'; did you mean 'inline'?"),
        (["executor.wokers=4"], "unknown key 'executor.wokers'; did you mean 'executor.workers'?"),
        (["executor.workers=0"], "executor.workers=0 is outside [1, 1024] processes"),
        (["executor={_target_: pathlib.Path}"], "is not an Executor"),
        (["tasks.film.scenario=[matched]"], "did you mean 'tasks.film.scenarios'?"),
        (["tasks.film.scenarios=[mached]"], "unknown scenario 'mached'; did you mean 'matched'?"),
        (["+policies.mine=[agent=gausian]"], "policy mine on film: unknown agent 'gausian'; did you mean 'gaussian_"),
        (["+policies.mine=[agent={_target_: nowhere.Mine}]"], "policy mine on film: agent._target_='nowhere.Mine'"),
        (["+policies.oracle=[agent=sobol]"], "a policy cannot be called 'oracle'"),
        (["baseline=sobl"], "baseline='sobl' is not a policy"),
        (["name=../x"], "names a folder"),
        (["compare", "absent", "absent"], "absent is no benchmark"),
        (["compare", "one"], "compare takes two folders"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("error: ")
    assert said in err[0]
    assert not Path("runs").exists()


def test_compare_says_what_became_worse(capsys, small_suite):
    code, out, _ = run(capsys, "compare", str(small_suite), str(small_suite))
    assert code == 0
    assert out[-1] == "0 significant regressions in 3 comparisons"
    worse = [row | {"regret": [1.0] * 5} if row["policy"] == "sobol" else row for row in rows_of(small_suite)]
    kept = [row for row in worse if row["policy"] != "random"]
    Path("worse.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    code, out, _ = run(capsys, "compare", str(small_suite), "worse.jsonl")
    assert code == 1
    assert [line.split()[0] for line in out if "REGRESSION" in line] == ["sobol"]
    assert "only in the old one: random, film, matched" in out
    code, out, _ = run(capsys, "compare", "worse.jsonl", str(small_suite))
    assert code == 0
    assert any(line.startswith("sobol") and line.endswith("better") for line in out)


def test_ctrl_c_leaves_a_folder_that_goes_on(tmp_path, capsys):
    arguments = [*ONE, "seeds=40", "executor=processes", "executor.workers=1", "steps=30"]
    command = [sys.executable, "-m", "experiments.cli", "benchmark", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as process:
        results = _wait_for_rows(tmp_path, 2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.splitlines() == [str(results.parent)]
    assert err.splitlines()[-1].startswith(
        "interrupted; what is finished is kept. To go on: probewright benchmark suite="
    )
    finished = rows_of(results.parent)
    assert 2 <= len(finished) < 80
    assert {row["status"] for row in finished} == {"ok"}


def _wait_for_rows(folder, count):
    for _ in range(600):
        for results in folder.glob("runs/benchmarks/*/results.jsonl"):
            if results.read_text().count("\n") >= count:
                return results
        time.sleep(0.1)
    raise AssertionError("no cell was finished within a minute")


SUITES = groups(named=("suite",))["suite"]


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_composes_and_has_a_plan(suite):
    settings = compose_benchmark([f"suite={suite}", "seeds=2"])
    assert settings.suite.name == suite
    try:
        here, left_out = without_absent(settings.suite)
    except ConfigError as error:
        assert all(task.optional for task in settings.suite.tasks.values())
        pytest.skip(f"nothing of suite {suite} can be built here: {error}")
    planned = plan(here)
    problems = sum(len(task.scenarios) for task in here.tasks.values())
    assert len(planned.cells) == 2 * problems * (len(here.policies) + 1)
    assert set(here.tasks) | set(left_out) == set(settings.suite.tasks)


@pytest.mark.parametrize("executor", groups(named=("executor",))["executor"])
def test_every_executor_builds(executor):
    assert list(build_executor(compose_benchmark([f"executor={executor}"])).rows([])) == []


def test_tasks_without_their_data_are_left_out_and_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PROBEWRIGHT_DATA", str(tmp_path / "nowhere"))
    here, left_out = without_absent(compose_benchmark(["suite=standard"]).suite)
    assert set(here.tasks) == {"film", "hill"}
    assert set(left_out) == {"beps_pto", "cafm_bfo", "eels_interface"}
    assert "no file at" in left_out["beps_pto"]


def test_a_task_that_must_be_there_is_not_left_out(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PROBEWRIGHT_DATA", str(tmp_path / "nowhere"))
    task = "tasks={beps: {campaign: beps_pto}, other: {campaign: beps_pto, optional: true}}"
    code, out, _ = run(capsys, *ONE[:-1], "~tasks.film", f"+{task}")
    assert code == 0  # it is planned, and its cells say what is missing
    assert {row["status"] for row in rows_of(out[-1])} == {"failed"}


def test_a_users_suite_is_found(tmp_path):
    folder = tmp_path / "lab"
    (folder / "suite").mkdir(parents=True)
    (folder / "suite" / "mine.yaml").write_text(
        "# @package _global_\nname: mine\nseeds: 3\npolicies: {random: [agent=random]}\n"
        "tasks: {film: {campaign: loop_discovery}}\n"
    )
    assert compose_benchmark(["suite=mine"], [folder]).suite.seeds == 3
