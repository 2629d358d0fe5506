"""`probewright serve` from a shell."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from experiments.cli import main
from instruments.bridge.remote import RemoteTwin
from instruments.requests import PointSpectrum


def test_an_instrument_is_served_until_the_stop_file(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    limits = tmp_path / "limits.json"
    limits.write_text('{"seconds": 5.0}')
    command = [sys.executable, "-m", "experiments.cli", "serve", "instrument=flat", "--address", "tcp://127.0.0.1:*"]
    options = ["--folder", str(folder), "--limits", str(limits)]
    server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    name, _, address = server.stdout.readline().strip().partition(" at ")
    assert name == "flat"
    remote = RemoteTwin(address)
    remote.reset(3, {})
    assert remote.acquire(PointSpectrum((0.0, 0.0), 1.0), id="a", stop=threading.Event()).complete
    with pytest.raises(Exception, match="exceed the account's 5"):
        remote.acquire(PointSpectrum((0.0, 0.0), 4.5), id="b", stop=threading.Event())
    remote.close()
    (folder / "stop").touch()
    assert server.wait(20) == 0
    server.stdout.close()
    assert '"what": "ended"' in (folder / "audit.jsonl").read_text()


def test_other_machines_are_not_served_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "instrument=flat", "--address", "tcp://0.0.0.0:5555"]) == 2
    assert "give keys (probewright serve keys FOLDER NAME" in capsys.readouterr().err


def test_limits_that_are_misspelt_are_not_served_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "limits.json"
    path.write_text('{"bias": 3}')
    assert main(["serve", "instrument=flat", "--limits", str(path)]) == 2
    assert "unknown limit bias" in capsys.readouterr().err
