"""What `run`, `resume`, `sync` and `report` do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli.exits import BY_STATUS, DONE, FAILED
from experiments.cli.folders import many_runs, one_run

if TYPE_CHECKING:
    from experiments.campaign import Result
    from experiments.config.settings import CampaignSettings


def run(overrides: Sequence[str], config_dirs: Sequence[Path], *, dry_run: bool, yes: bool) -> int:
    """Compose, check and run a campaign; returns the exit code."""
    from experiments import campaign
    from experiments.config import compose

    settings = compose(overrides, config_dirs)
    if dry_run:
        show_plan(settings)
        if not confirmed(yes):
            return DONE
    return finished(campaign.run(settings, command=command_line()))


def resume(folder: Path | None, on_ambiguous: str | None, config_dirs: Sequence[Path]) -> int:
    """Continue the run in `folder`; returns the exit code."""
    from experiments import campaign
    from experiments.config.sources import make_importable, user_dirs

    make_importable(user_dirs(config_dirs))
    return finished(campaign.resume(one_run(folder), on_ambiguous=on_ambiguous))


def finished(result: Result) -> int:
    """Say how a campaign ended: why on standard error if not well, its folder as the last line."""
    code = BY_STATUS[result.status]
    if code != DONE and result.message:
        print(f"{result.status}: {' '.join(result.message.split())}", file=sys.stderr)
    print(result.folder, flush=True)
    return code


def sync(folders: Sequence[Path]) -> int:
    """Tell MLflow of the runs; returns 1 where it could not be told of one."""
    from experiments import tracking
    from experiments.campaign.journal import open_reader
    from experiments.config import from_plain

    code = DONE
    for folder in many_runs(folders):
        with open_reader(folder / "journal.sqlite") as reader:
            settings = from_plain(reader.meta()["config"])
        try:
            print(f"{folder}: {tracking.sync([folder], settings.tracking)}")
        except Exception as error:
            print(f"error: {folder}: {type(error).__name__}: {error}", file=sys.stderr)
            code = FAILED
    return code


def report(folder: Path | None) -> None:
    """Write the report and print its path."""
    from experiments import report as reports

    print(reports.write(one_run(folder)))


def show_plan(settings: CampaignSettings) -> None:
    """Print what a campaign would do at most."""
    from experiments.campaign import plan

    print(plan(settings))


def confirmed(yes: bool) -> bool:
    """Whether to go on: `--yes`, or a yes typed on a terminal."""
    if yes:
        return True
    if not sys.stdin.isatty():
        print("nothing was done: add --yes to go on")
        return False
    import typer

    return typer.confirm("Go on?")


def command_line() -> str:
    """The command as it was typed."""
    return shlex.join(["probewright", *sys.argv[1:]])
