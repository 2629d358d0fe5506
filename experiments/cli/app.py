"""The commands of `probewright`; what they do lies in the modules that each imports when it is called."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.completing import complete_override, complete_run
from experiments.cli.exits import USAGE, reported

app = typer.Typer(
    name="probewright",
    help="Autonomous experiments on electron and scanning-probe microscopes.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class OnAmbiguous(Enum):
    """What to do with a command whose fate is not known."""

    ask = "ask"
    repeat = "repeat"
    skip = "skip"


Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="Hydra overrides: agent=sobol seed=3 budget.steps=20 (see docs/commands.md).",
        autocompletion=complete_override,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Argument(help="Run folder; the latest one in runs/ if not given.", autocompletion=complete_run),
]
ConfigDirs = Annotated[
    list[Path] | None,
    typer.Option("--config-dir", help="A folder with YAML (and modules) of your own; may be given several times."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something goes wrong.")]


@app.command()
def run(
    overrides: Overrides = None,
    multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="Run every combination of the values given, seed=0,1,2.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print positions, minutes, electrons and fluence, and ask.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Go on after --dry-run without asking.")] = False,
    config_dir: ConfigDirs = None,
    debug: Debug = False,
) -> None:
    """Run a campaign to the end of its budget; the last line printed is its run folder."""
    from experiments.cli import running, sweeping

    start = sweeping.sweep if multirun else running.run
    with reported(debug):
        code = start(overrides or [], config_dir or [], dry_run=dry_run, yes=yes)
    raise typer.Exit(code)


@app.command()
def resume(
    folder: Folder = None,
    on_ambiguous: Annotated[
        OnAmbiguous | None,
        typer.Option(help="A command whose fate is not known: ask, repeat it, or skip it."),
    ] = None,
    config_dir: ConfigDirs = None,
    debug: Debug = False,
) -> None:
    """Continue a campaign that was killed or interrupted."""
    from experiments.cli import running

    with reported(debug):
        code = running.resume(folder, on_ambiguous and on_ambiguous.value, config_dir or [])
    raise typer.Exit(code)


@app.command(context_settings={"ignore_unknown_options": True})
def answer(
    folder: Annotated[Path, typer.Argument(help="Run folder.", autocompletion=complete_run)],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ANSWER]",
            help="approve [N] | veto | measure at=X,Y [nm] | measure candidate=N | measure action=A,B; "
            "without one, the open question is shown.",
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="Why; kept in the journal and shown in the report.")] = "",
    debug: Debug = False,
) -> None:
    """Answer a campaign that runs with hitl=approve, from any terminal."""
    from experiments.cli import answering

    with reported(debug):
        code = answering.answer(folder, words or [], note)
    raise typer.Exit(code)


@app.command()
def status(folder: Folder = None, debug: Debug = False) -> None:
    """Show a run, or all runs of a folder of runs."""
    from experiments.cli.statuses import print_status

    with reported(debug):
        print_status(folder)


@app.command()
def sync(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folders; all in runs/ if not given.", autocompletion=complete_run),
    ] = None,
    debug: Debug = False,
) -> None:
    """Tell MLflow what it does not know yet of a run."""
    from experiments.cli import running

    with reported(debug):
        code = running.sync(folders or [])
    raise typer.Exit(code)


@app.command()
def report(folder: Folder = None, debug: Debug = False) -> None:
    """Write report.html of a run again and print where it is."""
    from experiments.cli import running

    with reported(debug):
        running.report(folder)


@app.command()
def benchmark(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="suite=smoke seeds=20 executor.workers=4 (see docs/benchmarks.md); or: compare OLD NEW."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run cells again that failed or took too long.")] = False,
    config_dir: ConfigDirs = None,
    debug: Debug = False,
) -> None:
    """Compare policies on a suite of tasks, or two suites that have run; the last line printed is the folder."""
    from experiments.cli import benchmarking

    given = overrides or []
    with reported(debug):
        if given[:1] == ["compare"]:
            code = benchmarking.compare(given[1:])
        else:
            code = benchmarking.benchmark(given, config_dir or [], retry=retry)
    raise typer.Exit(code)


@app.command()
def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="training=NAME steps=100000 (see docs/training.md); or: resume=FOLDER."),
    ] = None,
    config_dir: ConfigDirs = None,
    debug: Debug = False,
) -> None:
    """Train a policy on a twin; the last line printed is the folder with the policy."""
    from experiments.cli import training

    with reported(debug):
        code = training.train(overrides or [], config_dir or [])
    raise typer.Exit(code)


@app.command()
def export(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folders, or folders of runs.", autocompletion=complete_run),
    ] = None,
    minari: Annotated[
        str, typer.Option(metavar="NAME-v0", help="Name of the Minari data set that is made of them.")
    ] = "",
    debug: Debug = False,
) -> None:
    """Write campaigns as a data set for offline learning; the last line printed is its folder."""
    from experiments.cli import exporting

    with reported(debug):
        code = exporting.export(folders or [], minari)
    raise typer.Exit(code)


@app.command()
def serve(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="instrument=NAME and its keys; or: keys FOLDER CLIENT... (see docs/bridge.md)."),
    ] = None,
    address: Annotated[str, typer.Option(help="Where; without --keys only this machine.")] = "tcp://127.0.0.1:5555",
    keys: Annotated[Path | None, typer.Option(help="The folder that `serve keys` made.")] = None,
    folder: Annotated[Path | None, typer.Option(help="For audit log and ledger; a file `stop` in it ends it.")] = None,
    limits: Annotated[Path | None, typer.Option(help="JSON file with the instrument's own limits.")] = None,
    lease_s: Annotated[float, typer.Option(help="Silence [s] of a client after which it is made safe.")] = 5.0,
    config_dir: ConfigDirs = None,
    debug: Debug = False,
) -> None:
    """Serve an instrument to other processes and machines, or make keys for them."""
    from experiments.cli import serving

    given = overrides or []
    with reported(debug):
        if given[:1] == ["keys"]:
            code = serving.make_keys(given[1:])
        else:
            code = serving.serve(
                given, config_dir or [], address=address, keys=keys, folder=folder, limits=limits, lease_s=lease_s
            )
    raise typer.Exit(code)


@app.command()
def doctor(debug: Debug = False) -> None:
    """Check the installation, the disk, the tracking database and the data; exit 1 if something is wrong."""
    from experiments.doctor import examine

    with reported(debug):
        code = examine()
    raise typer.Exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; a usage error is one line."""
    try:
        code = app(args=arguments, prog_name="probewright", standalone_mode=False)
    except typer.Abort:
        print("aborted", file=sys.stderr)
        return 1
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
        return USAGE
    return code if isinstance(code, int) else 0
