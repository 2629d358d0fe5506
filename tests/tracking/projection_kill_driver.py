"""Projects one campaign in each folder of runs, killed -9 at the first boundary, the second, and so on.

MLflow is imported once and every projection is a forked child, until one passes all its boundaries alive. Then what
the dead ones left is completed. Prints the boundaries that were died at, as JSON.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.tracking.address import resolve
from experiments.tracking.projector import Boundary, Projector
from experiments.tracking.store import quiet

quiet()
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402, F401

from experiments.config.settings import Tracking  # noqa: E402


def project(folder: Path, at: Boundary) -> None:
    projector = Projector(folder, resolve(Tracking(), folder), Tracking.experiment, batch=20, at=at)
    projector.catch_up(live=False)
    projector.upload()


def die_at(number: int, note: int) -> Boundary:
    left = number

    def at(name: str) -> None:
        nonlocal left
        if left == 0:
            os.write(note, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    return at


def in_child(work: Callable[[int], None]) -> tuple[int, str]:
    """Its exit code, and what it wrote to the descriptor it was given."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(write)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    os.close(write)
    said = os.read(read, 100).decode()
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def main(folders: Sequence[Path]) -> list[str]:
    died_at: list[str] = []
    for number, folder in enumerate(folders):
        code, name = in_child(lambda note, f=folder, n=number: project(f, die_at(n, note)))
        if code == 0:
            break
        assert code == -signal.SIGKILL, code
        died_at.append(name)
    for folder in folders[: len(died_at)]:
        project(folder, lambda name: None)
    return died_at


print(json.dumps(main([Path(runs) / "film-s3" for runs in sys.argv[1:]])))
