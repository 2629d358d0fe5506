"""The command line as its users meet it: exit codes, one-line errors, what stands on the last line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from experiments.campaign.journal import open_reader
from experiments.cli import main
from experiments.cli.completing import complete_override

QUICK = ("agent=random", "budget.steps=3", "tracking=off")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], list[str]]:
    """Exit code, lines on standard output, lines on standard error."""
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def in_a_process(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "experiments.cli", *arguments], capture_output=True, text=True)


def test_a_run_ends_with_its_folder_on_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "run", *QUICK, "seed=3")
    folder = Path(out[-1])
    summary = json.loads((folder / "summary.json").read_text())
    assert code == 0
    assert (summary["status"], summary["ended_by"], summary["steps"], summary["seed"]) == ("finished", "steps", 3, 3)
    with open_reader(folder / "journal.sqlite") as reader:
        assert reader.meta()["config"]["budget"]["steps"] == 3
    assert any(line.startswith("best ") for line in out)


def test_status_report_and_resume_take_the_latest_run(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "run", *QUICK)
    _, out, _ = run(capsys, "run", *QUICK, "name=second")
    folder = Path(out[-1])
    code, out, _ = run(capsys, "status")
    assert code == 0
    assert [line.split()[1:3] for line in out[1:]] == [["finished", "3"], ["finished", "3"]]
    assert out[2].startswith(folder.name)
    (folder / "report.html").unlink(missing_ok=True)
    code, out, _ = run(capsys, "report")
    assert (code, out[-1]) == (0, str(Path("runs") / folder.name / "report.html"))
    assert (folder / "report.html").is_file()
    code, out, _ = run(capsys, "resume")
    assert (code, out[-1]) == (0, str(folder))


def test_a_dry_run_prices_and_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "run", *QUICK, "--dry-run")
    assert code == 0
    said = {line[:18].strip(): line[19:] for line in out}
    assert said["measurements"] == "at most 3"
    assert "electrons" in said["in total"]
    assert "nm" in said["positions"]
    assert said["peak fluence"].endswith("one place")
    assert not list(Path.cwd().glob("runs/*/journal.sqlite"))


def test_a_dry_run_goes_on_with_yes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "run", *QUICK, "--dry-run", "--yes")
    assert code == 0
    assert (Path(out[-1]) / "journal.sqlite").is_file()


def test_a_sweep_runs_the_others_when_one_fails(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "run", "--multirun", *QUICK, "seed=0,-1,2")
    rows = out[-3:]
    assert code == 1
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert ["finished" in row for row in rows] == [True, False, True]
    assert "seed=-1 is outside" in rows[1]
    assert any("seed=-1 is outside" in line for line in err)
    sweeps = set()
    for row in (rows[0], rows[2]):
        with open_reader(Path(row.split()[-1]) / "journal.sqlite") as reader:
            sweeps.add(reader.meta()["sweep_id"])
    assert len(sweeps) == 1
    assert sweeps != {""}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "sead=3"], "unknown key 'sead'; did you mean 'seed'? keys here: "),
        (["run", "agent=gausian"], "unknown agent 'gausian'; did you mean 'gaussian_process'? there are: "),
        (["run", "budget.steps=-4"], "budget.steps=-4 is outside [1, 1e+06] steps"),
        (["run", "--multirun", "sead=0,1"], "unknown key 'sead'"),
        (["run", "--config-dir", "absent"], "there is no such folder"),
        (["run", "--bogus"], "No such option: --bogus"),
        (["runn"], "No such command 'runn'"),
        (["status", "absent"], "there is no run in absent"),
        (["status"], "there is no run in runs"),
        (["resume", "--on-ambiguous", "hope"], "'hope' is not one of"),
        (["resume", "absent"], "absent is no run folder"),
        (["sync"], "there is no run in runs"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("error: ")
    assert said in err[0]


def test_a_traceback_comes_only_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert not any("Traceback" in line for line in run(capsys, "run", "sead=3")[2])
    assert any("Traceback" in line for line in run(capsys, "run", "sead=3", "--debug")[2])


def test_a_refusal_of_the_guard_has_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "run", *QUICK, "guard.exclude=[{center_nm: [0, 0], radius_nm: 1000000}]")
    assert code == 3
    assert (Path(out[-1]) / "journal.sqlite").is_file()
    assert any(line.startswith("refused: ") for line in err)


def test_an_interrupted_run_says_so_and_can_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "agent=random", "budget.steps=100000", "tracking=off", "instrument.pace=0.01"]
    with subprocess.Popen([sys.executable, "-m", "experiments.cli", *arguments], stdout=subprocess.PIPE) as process:
        journal = _wait_for_a_step(tmp_path / "runs")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert Path(out.decode().splitlines()[-1]) == journal.parent
    assert run(capsys, "status", str(journal.parent))[1][1].split()[1] == "interrupted"


def _wait_for_a_step(runs: Path) -> Path:
    for _ in range(600):
        for journal in runs.glob("*/journal.sqlite"):
            with open_reader(journal) as reader:
                if reader.last("outcome") is not None:
                    return journal
        time.sleep(0.1)
    raise AssertionError("the campaign made no step within a minute")


def test_a_damaged_journal_does_not_hide_the_other_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "run", *QUICK)
    damaged = Path("runs/damaged")
    damaged.mkdir()
    (damaged / "journal.sqlite").write_bytes(b"not a database" * 100)
    code, out, _ = run(capsys, "status")
    assert code == 0
    assert sum("unreadable" in line for line in out) == 1
    assert sum("finished" in line for line in out) == 1


HEAVY = (
    *("botorch", "gpytorch", "gymnasium", "h5py", "hydra", "matplotlib", "mlflow", "numba", "numpy", "omegaconf"),
    *("pandas", "rich", "scipy", "stable_baselines3", "torch", "xarray", "yaml"),
)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["doctor", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from experiments.cli import main; code = main(sys.argv[2:]); "
        "print(code, *sorted(set(sys.argv[1].split(',')) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, ",".join(HEAVY), *arguments], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0", done.stderr


def test_no_command_shows_the_help() -> None:
    done = in_a_process([])
    assert "Commands:" in done.stdout + done.stderr


def test_overrides_are_completed() -> None:
    assert complete_override("ag") == ["agent="]
    assert {"agent=sobol", "agent=random"} <= set(complete_override("agent="))
    assert complete_override("agent=sob") == ["agent=sobol"]
    assert complete_override("budget.e") == ["budget.electrons="]


def test_bash_is_offered_the_completions() -> None:
    asked = {"_PROBEWRIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "probewright run agent=sob", "COMP_CWORD": "2"}
    code = "from experiments.cli import main; main([])"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["agent=sobol"]
