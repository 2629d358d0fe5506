"""How long whole suites of the benchmark take, from the command to the report."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.registry import Measured, figure

WORKERS = 2


@figure("benchmark.smoke_s", "s")
def smoke_s() -> Measured:
    """Time of `probewright benchmark suite=smoke` from nothing to its report, on two cores."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        took, summary = _timed(name)
        again, _ = _timed(name)
    assert summary["status"]["ok"] == summary["cells"], summary["status"]
    return Measured(
        value=took,
        reference=again,
        compared="the suite run from nothing, against the same command when every cell is finished",
        limit=60.0,
        threads=WORKERS,
        details={"cells": summary["cells"], "seeds": len(summary["seeds"])},
    )


def _timed(runs: str) -> tuple[float, dict[str, Any]]:
    """Seconds that the command took, and the summary it left."""
    command = [_probewright(), "benchmark", "suite=smoke", f"executor.workers={WORKERS}", f"runs={runs}"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took = time.perf_counter() - began
    return took, json.loads((Path(done.stdout.splitlines()[-1]) / "summary.json").read_text())


def _probewright() -> str:
    """The installed command, of this interpreter."""
    return str(Path(sysconfig.get_path("scripts")) / f"probewright{'.exe' if sys.platform == 'win32' else ''}")
