"""Igor Pro by command files, as public scripts speak to Asylum's software: there is no channel for errors.

A file of commands is written, a program hands it to Igor, values come back in a file. Whether a command was carried out
is known only from values that are read back.
"""

from __future__ import annotations

import math
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from instruments.errors import ConnectionLost, DataInvalid, HardwareFault

_WAVE = "ProbewrightRead"


class Igor:
    """One command file at a time; one that is not taken within `timeout_s` is given up.

    `send` hands the command file over; `processes` lists what runs, and must name `process`, because handing over to
    an Igor that does not run would start one and wait for ever.
    """

    def __init__(
        self,
        folder: Path,
        send: Sequence[str],
        *,
        processes: Sequence[str],
        process: str,
        timeout_s: float,
        settle_s: float,
    ) -> None:
        self._commands, self._answer = folder / "ToIgor.arcmd", folder / "probewright.txt"
        self._send, self._processes, self._process = list(send), list(processes), process
        self._timeout_s, self._settle_s = timeout_s, settle_s
        self._turn = threading.RLock()

    def run(self, *commands: str) -> None:
        """Have commands carried out; what became of them must be read back."""
        with self._turn:
            self._running()
            self._commands.write_text("\n".join(commands) + "\n", encoding="utf-8")
            self._done(self._send, "hand a command over to Igor: is a dialog open?")
            time.sleep(self._settle_s)

    def read(self, names: Sequence[str]) -> list[float]:
        """The values of variables; raises DataInvalid where not every one is a number."""
        made = [f"{_WAVE}[{k}] = {_of(name)}" for k, name in enumerate(names)]
        saved = str(self._answer).replace("\\", "\\\\")
        with self._turn:
            self._answer.unlink(missing_ok=True)  # a command that fails leaves the last answer where it is
            self.run(f"Make/N=({len(names)})/O {_WAVE}", *made, f'Save/O/G/J {_WAVE} as "{saved}"')
            told = self._answer.read_text(encoding="utf-8") if self._answer.exists() else ""
        return _numbers(told, names)

    def _running(self) -> None:
        if self._process not in self._done(self._processes, "list what runs"):
            raise ConnectionLost(f"{self._process} does not run: start the control software first")

    def _done(self, command: list[str], what: str) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self._timeout_s, check=False)
        except subprocess.TimeoutExpired:
            raise HardwareFault(f"it took more than {self._timeout_s:g} s to {what}") from None
        except OSError as error:
            raise ConnectionLost(f"{command[0]} cannot be run to {what}: {error}") from None
        if done.returncode:
            raise HardwareFault(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
        return done.stdout


def number(value: float) -> str:
    """A number as Igor reads it."""
    return f"{value:.10g}"


def _of(name: str) -> str:
    return f'td_ReadValue("{name}")' if "." in name else f'GV("{name}")'


def _numbers(told: str, names: Sequence[str]) -> list[float]:
    try:
        values = [float(word) for word in told.split()]
    except ValueError:
        values = []
    if len(values) != len(names) or not all(map(math.isfinite, values)):
        raise DataInvalid(f"asked for {', '.join(names)}, Igor answered {told.split() or 'nothing'}")
    return values
