"""`python -m experiments.run`: Hydra's own habits on the same configuration, with our errors and exit codes."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from experiments.campaign.journal import open_reader
from experiments.config.composing import compose_plain
from experiments.run import main

QUICK = ("agent=random", "budget.steps=2", "tracking=off")
LAUNCHERS = {
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("hydra/launcher=submitit_local",),
}


def application(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments.run", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def require(launcher: str) -> None:
    module = {"joblib": "joblib_launcher", "submitit_local": "submitit_launcher"}.get(launcher)
    if module is not None and find_spec(f"hydra_plugins.hydra_{module}") is None:
        pytest.skip("the extra `launchers` is not installed")


def sweep_of(folder: Path) -> str:
    with open_reader(folder / "journal.sqlite") as reader:
        return str(reader.meta()["sweep_id"])


def test_one_campaign_leaves_its_run_folder_and_nothing_else(tmp_path: Path) -> None:
    done = application(*QUICK, "seed=5")
    folder = Path(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert "-s5-" in folder.name
    assert sweep_of(folder) == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs"]
    assert [entry.name for entry in (tmp_path / "runs").iterdir() if entry.is_dir()] == [folder.name]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_jobs_of_a_sweep_share_its_name(tmp_path: Path, launcher: str) -> None:
    require(launcher)
    done = application("--multirun", *LAUNCHERS[launcher], *QUICK, "seed=0,1")
    assert done.returncode == 0, done.stderr
    folders = sorted(journal.parent for journal in tmp_path.glob("runs/*/journal.sqlite"))
    (sweep,) = (tmp_path / "runs" / "sweeps").iterdir()
    assert [sweep_of(folder) for folder in folders] == [sweep.name, sweep.name]
    assert {folder.name.split("-")[-2] for folder in folders} == {"s0", "s1"}


def test_a_failed_job_does_not_stop_the_others(tmp_path: Path) -> None:
    done = application("--multirun", *QUICK, "seed=-1,1,2")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: seed=-1 is outside [0, 2.14748e+09]"
    assert "Traceback" not in done.stderr
    (sweep,) = (tmp_path / "runs" / "sweeps").iterdir()
    assert [sweep_of(journal.parent) for journal in tmp_path.glob("runs/*/journal.sqlite")] == [sweep.name, sweep.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sead=3"], "unknown key 'sead'; did you mean 'seed'?"),
        (["agent.acquisiton=x"], "unknown key 'agent.acquisiton'; did you mean 'agent.acquisition'?"),
        (["--multirun", "agent=gausian,sobol"], "unknown agent 'gausian'; did you mean 'gaussian_process'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    for full in ("0", "1"):
        monkeypatch.setenv("HYDRA_FULL_ERROR", full)
        assert main() == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert said in err.splitlines()[-1]
        assert (len(err.splitlines()) == 1) == (full == "0")
        assert ("Traceback" in err) == (full == "1")


def test_cfg_job_prints_what_would_be_run() -> None:
    done = application("--cfg", "job", *QUICK, "agent=gaussian_process", "agent.beta=7")
    printed = yaml.safe_load(done.stdout)
    assert printed == compose_plain([*QUICK, "agent=gaussian_process", "agent.beta=7"])
    assert printed["agent"]["beta"] == 7


def test_info_and_tab_completion() -> None:
    assert "campaign/loop_discovery" in application("--info", "defaults").stdout
    asked = "python -m experiments.run agent=so"
    code = "import sys; sys.argv = ['run.py', '-sc', 'query=bash']; from experiments.run import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"COMP_LINE": asked.replace("-m experiments.run", "run.py")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["agent=sobol"], done.stderr
