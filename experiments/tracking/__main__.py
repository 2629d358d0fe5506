"""The projector's own process: `python -m experiments.tracking FOLDER --follow`, or once without `--follow`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.config.settings import Tracking
from experiments.tracking import address, sync
from experiments.tracking.follow import BEHIND, COMPLETE, Campaign, follow


def main(arguments: Sequence[str] | None = None) -> int:
    """Project one run folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.tracking", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--uri", help="where MLflow is; without it, a database in the folder of all runs")
    parser.add_argument("--experiment", default=Tracking.experiment)
    parser.add_argument("--follow", action="store_true", help="until the parent process closes standard input or dies")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the process whose death ends it")
    given = parser.parse_args(arguments)
    settings = Tracking(uri=given.uri, experiment=given.experiment)
    if not given.follow:
        return _once(given.folder, settings)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    if hasattr(os, "nice"):
        os.nice(10)  # the loop goes first
    return follow(given.folder, address.resolve(settings, given.folder), given.experiment, Campaign(given.parent))


def _once(folder: Path, settings: Tracking) -> int:
    done = sync([folder], settings)
    print(*(each.line() for each in done), sep="\n")
    return BEHIND if any(each.error for each in done) else COMPLETE


if __name__ == "__main__":
    sys.exit(main())
