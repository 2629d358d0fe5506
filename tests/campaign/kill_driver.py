"""Run by test_kills.py in a process of its own: campaigns killed at every boundary of the journal, and one whole.

Everything is imported once; each campaign is a fork of this process, killed with SIGKILL at a named boundary and then
resumed by another fork. Prints one JSON object: for each boundary, whether the kill hit and what then differed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.trajectories import final_state, measured_twice, trajectory
from experiments.campaign.journal import JournalDamaged, artifacts
from experiments.campaign.running import no_boundary, resume, run
from experiments.config import compose

STEPS = 9


def main(folder: Path) -> None:
    artifacts.INLINE_BYTES = 32 * 1024  # so that the survey of the twin becomes an artifact, and that boundary is met
    whole = folder / "whole"
    _fork(lambda: _go(whole, no_boundary))
    names = _boundaries(folder / "named")
    found = {f"{name} #{nth}": _killed_at(folder, name, nth, whole) for name in names for nth in _occasions(name)}
    print(json.dumps(found))


def _occasions(name: str) -> tuple[int, ...]:
    return (1, 4) if "command" in name or "result" in name else (1,)


def _killed_at(folder: Path, name: str, nth: int, whole: Path) -> dict[str, object]:
    runs = folder / f"{name.replace(' ', '-')}-{nth}"
    if name.endswith(("resume", "take over")):  # boundaries that only a resumed campaign meets
        _fork(lambda: _go(runs, _killer("after result", 3)))
    hit = _fork(lambda: _go(runs, _killer(name, nth))) == -signal.SIGKILL
    ended = _fork(lambda: _go(runs, no_boundary))
    ours, theirs = _begun(runs), _begun(whole)
    return {
        "hit": hit,
        "ended": ended,
        "same trajectory": trajectory(ours) == trajectory(theirs),
        "same final state": final_state(ours) == final_state(theirs),
        "measured twice": measured_twice(ours),
    }


def _go(runs: Path, boundary: Callable[[str], None]) -> None:
    if runs.is_dir() and (begun := _find(runs)) is not None:
        result = resume(begun, boundary=boundary)
    else:
        quiet = ["agent=sobol", "tracking=off", "report=false"]
        settings = compose([*quiet, f"budget.steps={STEPS}", "checkpoint_every=4", f"runs={runs}", "seed=5"], [])
        result = run(settings, boundary=boundary)
    if result.status != "finished":
        raise SystemExit(3)


def _find(runs: Path) -> Path | None:
    for folder in sorted(runs.iterdir()):
        try:
            trajectory(folder)
        except (JournalDamaged, KeyError):
            continue
        return folder
    return None


def _begun(runs: Path) -> Path:
    found = _find(runs)
    assert found is not None
    return found


def _killer(name: str, nth: int) -> Callable[[str], None]:
    left = [nth]

    def kill(at: str) -> None:
        if at == name:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _boundaries(runs: Path) -> list[str]:
    """Every boundary that a run and its resumption meet, found by listening to them."""
    listed = runs.with_suffix(".txt")

    def listen(name: str) -> None:
        with listed.open("a") as file:
            file.write(name + "\n")

    kill = _killer("after result", 3)
    _fork(lambda: _go(runs, lambda name: (listen(name), kill(name))[0]))
    _fork(lambda: _go(runs, listen))
    return sorted(set(listed.read_text().splitlines()))


def _fork(act: Callable[[], None]) -> int:
    """Exit code of a fork that does this; negative where a signal killed it."""
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        try:
            act()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(Path(sys.argv[1]))
