"""A campaign in one process, answered from another."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.campaign import status
from experiments.campaign.journal import JournalError, open_reader
from experiments.cli import main

ASKING = ("run", "hitl=approve", "agent=sobol", "budget.steps=2", "tracking=off", "report=false")


def waiting(step: int, process: subprocess.Popen) -> Path:
    """The run folder, once its campaign waits for an answer at a step."""
    for _ in range(1200):
        for folder in Path("runs").glob("*s0*"):
            try:
                if (found := status(folder)).state == "waiting" and f"step {step} " in found.message:
                    return folder
            except JournalError:
                pass
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it never asked")


def test_a_second_terminal_answers(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "experiments.cli", *ASKING]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        folder = str(waiting(1, process))
        assert main(["answer", folder]) == 0
        assert "step 1: measure candidate" in capsys.readouterr().out
        assert main(["answer", folder, "measure", "at=-100,200", "--note", "a wall"]) == 0
        assert capsys.readouterr().out.startswith("step 1: measure at (-100, 200) nm")
        waiting(2, process)
        assert main(["answer", folder, "measure", "candidate=99999"]) == 1
        assert "not followed" in capsys.readouterr().err
        waiting(2, process)
        assert main(["answer", folder, "obey"]) == 2
        assert main(["answer", folder, "approve"]) == 0
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"probewright answer {Path(folder).absolute()} approve | veto" in err.decode()
    with open_reader(Path(folder) / "journal.sqlite") as reader:
        answers = [event.payload for event in reader.events(kinds=("answer",))]
    assert [(a["verb"], a["by"]) for a in answers] == [
        ("measure", "answer command"),
        ("measure", "answer command"),
        ("approve", "answer command"),
    ]
    assert answers[0]["note"] == "a wall"
    assert main(["answer", folder, "approve"]) == 1  # it asks nothing any more


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_it_is_answered_where_it_runs() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "experiments.cli", *ASKING]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        folder = waiting(1, process)
        os.write(ours, b"nonsense\nv\n")
        time.sleep(0.5)
        waiting(1, process)
        os.write(ours, b"a 2\n")
        _, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "'nonsense' is no answer" in err.decode()
    with open_reader(folder / "journal.sqlite") as reader:
        answers = [(e.payload["verb"], e.payload["count"], e.payload["by"]) for e in reader.events(kinds=("answer",))]
    assert answers == [("veto", 1, "terminal"), ("approve", 2, "terminal")]
