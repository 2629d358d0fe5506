"""The campaign's side: spawn the projector, and at the end wait for it, but not for long."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import experiments
from experiments.config.settings import Tracking
from experiments.tracking import address, state

_LET_DIE_S = 2.0


class Projection:
    """A projector at work, or the reason why there is none; nothing here raises into the campaign."""

    def __init__(self, folder: Path, uri: str, process: subprocess.Popen[bytes] | None, why_not: str = "") -> None:
        self._folder, self._uri, self._process, self._why_not = folder, uri, process, why_not

    def finish(self, timeout_s: float) -> str:
        """Let the projector complete its work; returns one line for the user, empty when tracking is off.

        Call it once, after the report is written: this is when the run's files are uploaded. Afterwards no process
        is left, whatever MLflow does.
        """
        if self._process is None:
            return self._behind(self._why_not) if self._why_not else ""
        code = _end(self._process, timeout_s)
        if code == 0:
            return f"MLflow: {address.ui_command(self._uri)}"
        reason = state.load(self._folder).error
        ended = f"the projector ended with code {code}, see {self._folder / 'tracking.log'}"
        return self._behind(reason or (ended if code is not None else f"not done within {timeout_s:g} s"))

    def _behind(self, why: str) -> str:
        return f"MLflow tracking is behind ({why}); later: probewright sync {shlex.quote(str(self._folder))}"


def start(folder: Path, settings: Tracking) -> Projection:
    """Spawn the projector of a run folder whose journal has begun."""
    uri = address.resolve(settings, folder)
    if not settings.enabled:
        return Projection(folder, uri, None)
    try:
        return Projection(folder, uri, _spawn(folder.absolute(), uri, settings.experiment))
    except OSError as error:
        return Projection(folder, uri, None, f"the projector could not be started: {error}")


def _spawn(folder: Path, uri: str, experiment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "experiments.tracking", str(folder), "--follow"]
    command += ["--uri", uri, "--experiment", experiment, "--parent", str(os.getpid())]
    with (folder / "tracking.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closed by `finish` or by our death
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is the campaign's business
        )


def _environment() -> dict[str, str]:
    root = str(Path(experiments.__file__).parent.parent)
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _end(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    """The exit code, None when it had to be ended."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_LET_DIE_S)
        return None
