"""Running and resuming: builds the parts, opens the journal, conducts the loop, and leaves everything in order."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from environments.environment import Environment
from experiments.campaign import folder as folders
from experiments.campaign import provenance
from experiments.campaign.accounts import Book, FreshSample, SampleBook
from experiments.campaign.commander import Commander
from experiments.campaign.ended import Ended, Result
from experiments.campaign.journal import Journal, JournalDamaged, JournalError, open_reader
from experiments.campaign.journal.writer import Boundary
from experiments.campaign.logs import logging_to
from experiments.campaign.loop import Loop
from experiments.campaign.past import Past, read_past
from experiments.campaign.people.asking import People
from experiments.campaign.people.mailbox import Mailbox
from experiments.campaign.people.questions import Source
from experiments.campaign.signals import StopRequest, stopping
from experiments.campaign.summary import summarise
from experiments.campaign.watch import Nobody, Watch
from experiments.config import Parts, build, from_plain, to_plain
from experiments.config.settings import CampaignSettings
from instruments.account import Account
from instruments.guard import needs_current, require_current
from instruments.seam import Instrument, Twin

log = logging.getLogger(__name__)


def no_boundary(name: str) -> None:
    """Does nothing at a boundary of the journal; tests put a kill here."""


@dataclass(frozen=True)
class Run:
    """A campaign that is under way: what the end of it needs."""

    loop: Loop
    folder: Path
    journal: Journal
    instrument: Instrument
    book: Book
    settings: CampaignSettings


def run(
    settings: CampaignSettings,
    *,
    sweep_id: str = "",
    watch: Watch | None = None,
    command: str = "",
    boundary: Boundary = no_boundary,
    parts: Parts | None = None,
    durable: bool = True,
    terminal: Source | None = None,
) -> Result:
    """Conduct a new campaign to its end; `parts` stand in for those that the settings name.

    Where people are asked, they answer by `terminal`, or from elsewhere by files in the run folder.

    One that is not `durable` waits for no disk: for benchmarks, whose cells are run again when the machine dies.
    Raises ConfigError, InstrumentError, JournalError where it cannot even begin; whatever happens later is a Result.
    """
    parts = parts or build(settings)
    _check(settings, parts)
    run_folder = folders.new_folder(settings.runs, settings.name, settings.seed)
    config = to_plain(settings)
    folders.write_yaml(run_folder / "config.yaml", config)
    journal = Journal(run_folder / "journal.sqlite", boundary, durable=durable)
    try:
        journal.begin(_meta(settings, config, sweep_id, command))
    except BaseException:
        journal.close()
        raise
    return _conduct(settings, parts, run_folder, journal, Past(), watch or Nobody(), terminal)


def resume(
    run_folder: Path,
    *,
    on_ambiguous: Literal["ask", "repeat", "skip"] | None = None,
    watch: Watch | None = None,
    boundary: Boundary = no_boundary,
    parts: Parts | None = None,
    terminal: Source | None = None,
) -> Result:
    """Go on with a campaign that was killed or interrupted; a finished one is left as it is.

    Raises JournalError where there is nothing to go on with, or where it is being run.
    """
    run_folder = run_folder.absolute()
    path = run_folder / "journal.sqlite"
    if not path.is_file():
        raise JournalDamaged(f"{run_folder} holds no campaign: there is no journal.sqlite in it")
    journal = Journal(path, boundary)
    try:
        journal_meta, past, done = _read(path, run_folder)
        if done is not None:
            journal.close()
            return done
        settings = from_plain(journal_meta["config"])
        if on_ambiguous is not None:
            settings = replace(settings, on_ambiguous=on_ambiguous)
        parts = parts or build(settings)
        journal.take_over()
        journal.add("resume", [("resumed", len(past.decisions), _comparison(journal_meta))])
    except BaseException:
        journal.close()
        raise
    past.resumed += 1
    return _conduct(settings, parts, run_folder, journal, past, watch or Nobody(), terminal)


def _read(path: Path, run_folder: Path) -> tuple[dict[str, Any], Past, Result | None]:
    with open_reader(path) as reader:
        meta = reader.meta()
        if not meta:
            raise JournalDamaged(f"{run_folder} was killed before its campaign began: run it again")
        closed = reader.last("closed")
        if closed is not None and closed.payload["status"] == "finished":
            why = f"it had finished before: {closed.payload['message']}"
            return meta, Past(), Result(run_folder, "finished", closed.payload["ended_by"], why)
        return meta, read_past(reader), None


def _check(settings: CampaignSettings, parts: Parts) -> None:
    """Fail before anything is begun."""
    capabilities = parts.instrument.describe()
    if settings.budget.electrons is not None or needs_current(settings.guard):
        require_current(capabilities)
    parts.task.check(capabilities)
    if isinstance(parts.instrument, Twin):
        parts.instrument.reset(settings.seed, settings.scenario)


def _meta(settings: CampaignSettings, config: dict[str, Any], sweep_id: str, command: str) -> dict[str, Any]:
    import time

    return {
        "campaign_id": uuid.uuid4().hex[:12],
        "name": settings.name,
        "created": time.time(),
        "config": config,
        "config_sha": provenance.config_hash(config),
        "seed": settings.seed,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "threads": provenance.machine()["OMP_NUM_THREADS"],
        "git": provenance.git_state(Path(__file__).parent),
        "sweep_id": sweep_id,
        "command": command,
    }


def _comparison(meta: dict[str, Any]) -> dict[str, Any]:
    """Whether what follows can be bit for bit what an unbroken run would have done."""
    changed = provenance.differences(meta["versions"], provenance.versions())
    changed += provenance.differences(meta["machine"], provenance.machine())
    why = "continued, not bit-exact: " + "; ".join(changed) if changed else "same machine, versions and threads"
    return {"bit_exact": not changed, "why": why}


def _conduct(
    settings: CampaignSettings,
    parts: Parts,
    run_folder: Path,
    journal: Journal,
    past: Past,
    watch: Watch,
    terminal: Source | None,
) -> Result:
    stop = StopRequest(run_folder / "stop")
    (run_folder / "stop").unlink(missing_ok=True)
    watch.begin(settings, run_folder)
    with logging_to(run_folder / "log.jsonl"):
        projection = _start_tracking(settings, run_folder, watch)
        under_way = _open(settings, parts, run_folder, journal, past, stop, watch)
        under_way.loop.people = _people(under_way.loop, run_folder, terminal)
        try:
            with stopping(stop, parts.instrument.make_safe):
                ended = _guarded(under_way)
        finally:
            parts.instrument.make_safe()
        result = _close(under_way, ended, watch)
        parts.instrument.close()
        if projection is not None:
            watch.say(projection.finish(settings.tracking.finish_s))
    watch.end(result)
    return result


def _open(
    settings: CampaignSettings,
    parts: Parts,
    run_folder: Path,
    journal: Journal,
    past: Past,
    stop: StopRequest,
    watch: Watch,
) -> Run:
    with open_reader(run_folder / "journal.sqlite") as reader:
        campaign_id = str(reader.meta()["campaign_id"])
    capabilities = parts.instrument.describe()
    account = Account(capabilities.field, settings.guard.fluence_pixel_nm)
    book = _book(settings, run_folder.parent, capabilities.name, account, campaign_id)
    if isinstance(parts.instrument, Twin):
        parts.instrument.reset(settings.seed, settings.scenario)
        if past.snapshot is not None:
            parts.instrument.restore(past.snapshot)
    commander = Commander(
        parts.instrument, journal, past, account, book, settings.guard, settings.budget, stop, settings.on_ambiguous
    )
    environment = Environment(parts.instrument, parts.task, scenario=settings.scenario)
    loop = Loop(campaign_id, settings, environment, parts.agent, commander, stop, watch)
    return Run(loop, run_folder, journal, parts.instrument, book, settings)


def _people(loop: Loop, run_folder: Path, terminal: Source | None) -> People | None:
    if loop.settings.hitl.mode == "off":
        return None
    sources = [Mailbox(run_folder)] if terminal is None else [Mailbox(run_folder), terminal]
    return People(loop.settings.hitl, loop.commander, loop.stop, loop.watch, run_folder, sources)


def _book(settings: CampaignSettings, runs: Path, instrument: str, account: Account, campaign_id: str) -> Book:
    if not settings.sample:
        return FreshSample()
    book = SampleBook(runs, instrument, settings.sample)
    for id, request, cost in book.earlier(campaign_id):
        account.book(id, request, cost)
    return book


def _guarded(under_way: Run) -> Ended:
    """The loop's end, also where something broke: a bug in agent, task or driver ends the campaign, not the record."""
    try:
        return under_way.loop.run()
    except KeyboardInterrupt:
        return Ended("interrupted", "interrupted", "interrupted at once by a second signal")
    except JournalError as error:
        log.exception("the journal cannot be written")
        return Ended("failed", "failed", str(error))
    except Exception as error:
        log.exception("the campaign broke")
        return Ended("failed", "failed", f"{type(error).__name__}: {error}")


def _close(under_way: Run, ended: Ended, watch: Watch) -> Result:
    loop, commander = under_way.loop, under_way.loop.commander
    commander.pending = [r for r in commander.pending if r[0] != "decision"]
    closed = {"status": ended.status, "ended_by": ended.ended_by, "message": ended.message}
    try:
        if loop.tally.steps and ended.status != "failed":
            loop.note_model()
        commander.flush("close", ("closed", loop.tally.steps, closed))
    except JournalError as error:
        log.exception("the journal cannot be closed")
        ended = Ended("failed", "failed", str(error))
    finally:
        under_way.journal.close()
        under_way.book.close()
    for what, write in (("summary", _write_summary), ("truth", _write_truth), ("report", _write_report)):
        try:
            write(under_way, ended)
        except Exception as error:
            log.exception("the %s could not be written", what)
            watch.say(f"the {what} could not be written ({type(error).__name__}: {error}); see log.jsonl")
    return Result(under_way.folder, ended.status, ended.ended_by, ended.message)


def _write_summary(under_way: Run, ended: Ended) -> None:
    content = summarise(under_way.loop, ended, under_way.folder, under_way.loop.decide_s)
    folders.write_json(under_way.folder / "summary.json", content)


def _write_truth(under_way: Run, ended: Ended) -> None:
    """What only a twin knows, for the report alone: nobody decides anything any more."""
    if under_way.settings.report and ended.status == "finished" and isinstance(under_way.instrument, Twin):
        folders.write_truth(under_way.folder / "truth.npz", under_way.instrument.truth())


def _write_report(under_way: Run, ended: Ended) -> None:
    if not under_way.settings.report:
        return
    from experiments import report

    report.write(under_way.folder)


def _start_tracking(settings: CampaignSettings, run_folder: Path, watch: Watch) -> Any:
    if not settings.tracking.enabled:
        return None
    from experiments import tracking

    try:
        return tracking.start(run_folder, settings.tracking)
    except Exception as error:
        log.exception("tracking could not be started")
        watch.say(f"MLflow is not told ({type(error).__name__}: {error}); later: probewright sync {run_folder}")
        return None


__all__: Sequence[str] = ("resume", "run")
