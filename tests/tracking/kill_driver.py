"""Projects one campaign in each folder of runs, killed -9 at the first boundary, the second, and so on.

MLflow is imported once and every projection is a forked child. After each kill another child completes the work.
Ends where a child passes all its boundaries alive; prints the boundaries that were died at, as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

from experiments.tracking.address import resolve
from experiments.tracking.projector import Projector
from experiments.tracking.store import quiet

quiet()
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402, F401

from experiments.config.settings import Tracking  # noqa: E402


def project(folder: Path, die_at: int, note: int) -> None:
    seen = 0

    def at(name: str) -> None:
        nonlocal seen
        if seen == die_at:
            os.write(note, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    projector = Projector(folder, resolve(Tracking(), folder), Tracking.experiment, at=at)
    projector.catch_up(live=False)
    projector.upload()


def in_child(folder: Path, die_at: int) -> tuple[int, str]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            project(folder, die_at, write)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    os.close(write)
    name = os.read(read, 100).decode()
    os.close(read)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), name


died_at = []
for number, runs in enumerate(sys.argv[1:]):
    folder = Path(runs) / "film-s3"
    code, name = in_child(folder, number)
    if code == 0:
        break
    assert code == -signal.SIGKILL, code
    died_at.append(name)
    assert in_child(folder, -1)[0] == 0
print(json.dumps(died_at))
