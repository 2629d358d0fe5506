"""What `run`, `resume`, `sync` and `report` do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.cli.exits import DONE, FAILED
from experiments.cli.folders import many_runs, one_run

if TYPE_CHECKING:
    from experiments.campaign import Result
    from experiments.config.settings import CampaignSettings

OnAmbiguous = Literal["ask", "repeat", "skip"]


def run(overrides: Sequence[str], config_dirs: Sequence[Path], *, dry_run: bool, yes: bool) -> int:
    """Compose, check and run a campaign; returns the exit code."""
    from experiments.config import compose

    settings = compose(overrides, config_dirs)
    if dry_run:
        show_plan(settings)
        if not confirmed(yes):
            return DONE
    return finished(conducted(settings))


def conducted(settings: CampaignSettings, *, sweep_id: str = "") -> Result:
    """Run a campaign with its progress on standard error."""
    from experiments import campaign
    from experiments.campaign.people.keyboard import keyboard
    from experiments.campaign.watch import Terminal

    return campaign.run(settings, sweep_id=sweep_id, watch=Terminal(), command=command_line(), terminal=keyboard())


def resume(folder: Path | None, on_ambiguous: OnAmbiguous | None, config_dirs: Sequence[Path]) -> int:
    """Continue the run in `folder`; returns the exit code."""
    from experiments import campaign
    from experiments.campaign.people.keyboard import keyboard
    from experiments.campaign.watch import Terminal
    from experiments.config.sources import make_importable, user_dirs

    make_importable(user_dirs(config_dirs))
    resumed = campaign.resume(one_run(folder), on_ambiguous=on_ambiguous, watch=Terminal(), terminal=keyboard())
    return finished(resumed)


def finished(result: Result) -> int:
    """Print a summary, on standard error why it did not end well, and the run folder as the last line."""
    from experiments.cli.ending import print_summary

    print_summary(result.folder)
    if result.exit_code != DONE:
        print(f"{result.status}: {' '.join(result.message.split())}", file=sys.stderr)
    print(result.folder, flush=True)
    return result.exit_code


def sync(folders: Sequence[Path]) -> int:
    """Tell MLflow of the runs; returns 1 where it could not be told of one."""
    from experiments import tracking

    code = DONE
    for done in tracking.sync(many_runs(folders)):
        print(done.line(), file=sys.stderr if done.error else sys.stdout)
        code = FAILED if done.error else code
    return code


def report(folder: Path | None) -> None:
    """Write the report and print its path."""
    from experiments import report as reports

    print(reports.write(one_run(folder)))


def show_plan(settings: CampaignSettings) -> None:
    """Print what a campaign would do and spend at most."""
    from experiments.campaign import plan
    from experiments.cli.planned import lines

    print("\n".join(lines(plan(settings))))


def confirmed(yes: bool) -> bool:
    """Whether to go on: `--yes`, or a yes typed on a terminal."""
    if yes:
        return True
    if not sys.stdin.isatty():
        print("nothing was done; --yes goes on without asking")
        return False
    import typer

    return typer.confirm("Go on?")


def command_line() -> str:
    """The command as it was typed."""
    name = Path(sys.argv[0]).name
    return shlex.join([name if name not in ("", "__main__.py") else "probewright", *sys.argv[1:]])
