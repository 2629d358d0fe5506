"""How long the command line takes to answer."""

import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.registry import Measured, figure

RUNS = 15


@figure("cli.help_s", "s")
def help_s() -> Measured:
    """Median time of `probewright --help`, beside that of a Python that does nothing."""
    probewright = Path(sysconfig.get_path("scripts")) / "probewright"
    ours, bare = [], []
    for _ in range(RUNS):  # in turns, so that a busy machine slows both alike
        ours.append(_seconds([str(probewright), "--help"]))
        bare.append(_seconds([sys.executable, "-c", "pass"]))
    return Measured(
        value=statistics.median(ours),
        reference=statistics.median(bare),
        compared="probewright --help against python -c pass, whole process, in turns",
        limit=0.3,
        details={"runs": RUNS, "slowest_s": max(ours)},
    )


def _seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started
