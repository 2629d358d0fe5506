"""Project what is missing, and end the MLflow runs of campaigns that died."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from experiments.campaign.journal import JournalError, is_held, open_reader
from experiments.config.settings import Tracking
from experiments.tracking import address, runs, state
from experiments.tracking.artifacts import JOURNAL
from experiments.tracking.projector import Projector, folder_lock
from experiments.tracking.retry import one_line
from experiments.tracking.store import Store, connect

HERE = "probewright.host"
FOLDER = "probewright.folder"


@dataclass(frozen=True)
class Synced:
    """What became of one campaign: how many metrics were sent and its status, or why not."""

    folder: Path
    run_id: str = ""
    status: str = ""
    metrics: int = 0
    error: str = ""

    def line(self) -> str:
        """One line for the user."""
        said = f"not synced: {self.error}" if self.error else f"{self.status.lower()}, {self.metrics} metrics sent"
        return f"{self.folder.name}: {said}"


class Stores:
    """One way to each MLflow; one that is out of reach is not tried again for every campaign."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Store] = {}
        self._lost: dict[str, Exception] = {}

    def get(self, uri: str, experiment: str, folder: Path) -> Store:
        """The store, connected at first use; raises what connecting raised, each time."""
        if uri in self._lost:
            raise self._lost[uri]
        if (uri, experiment) not in self._open:
            try:
                self._open[uri, experiment] = connect(uri, experiment, folder)
            except Exception as error:
                self._lost[uri] = error
                raise
        return self._open[uri, experiment]

    def connected(self) -> list[Store]:
        """Those that were reached."""
        return list(self._open.values())


def sync(folders: Iterable[Path], settings: Tracking | None = None) -> list[Synced]:
    """Project everything that is not yet; may be repeated.

    Without settings each campaign goes where its own configuration sends it. An MLflow run of this machine that
    says RUNNING while nobody writes its journal is ended as KILLED, also where its folder was not named.
    """
    stores = Stores()
    done = [_sync(folder.absolute(), settings, stores) for folder in folders]
    seen = {each.folder for each in done}
    for store in stores.connected():
        done += [_reconcile(store, run, settings, stores) for run in _orphans(store, seen)]
    return done


def _sync(folder: Path, settings: Tracking | None, stores: Stores) -> Synced:
    lock = folder_lock(folder)
    try:
        if not (folder / JOURNAL).is_file():
            return Synced(folder, error=f"there is no {JOURNAL} in it")
        with lock.acquire(timeout=0):
            return _project(folder, settings, stores)
    except filelock.Timeout:
        return Synced(folder, error="it is being projected right now")
    except JournalError as error:
        return Synced(folder, error=one_line(error))


def _project(folder: Path, settings: Tracking | None, stores: Stores) -> Synced:
    uri, experiment = _where(folder, settings)
    projector = Projector(folder, uri, experiment)
    try:
        live = is_held(folder / JOURNAL)
        projector = Projector(folder, uri, experiment, store=stores.get(uri, experiment, folder))
        sent = projector.catch_up(live=live)
        if not live:
            projector.upload()
        projector.note_error("")
    except JournalError:
        raise
    except Exception as error:  # MLflow's, requests', sqlalchemy's, ours
        said = one_line(error)
        with suppress(OSError):  # what keeps the state from being written is what `said` says already
            projector.note_error(said)
        return Synced(folder, projector.state.run_id, error=said)
    if not projector.state.run_id:
        return Synced(folder, error="its campaign was killed before it began")
    return Synced(folder, projector.state.run_id, projector.state.told.partition(" ")[0], sent)


def _where(folder: Path, settings: Tracking | None) -> tuple[str, str]:
    if settings is not None:
        return address.resolve(settings, folder), settings.experiment
    with open_reader(folder / JOURNAL) as reader:
        own: Mapping[str, Any] = reader.meta().get("config", {}).get("tracking", {})
    experiment = own.get("experiment", Tracking.experiment)
    known = state.load(folder)
    if own.get("uri") is not None and known.uri:  # as it was resolved then, in the campaign's working directory
        return known.uri, experiment
    return address.resolve(Tracking(uri=own.get("uri")), folder), experiment


def _orphans(store: Store, seen: set[Path]) -> list[Any]:
    condition = f"attributes.status = 'RUNNING' and tags.`{runs.KIND}` = 'campaign' and tags.`{HERE}` = '{_host()}'"
    return [run for run in store.search(condition, limit=1000) if Path(run.data.tags[FOLDER]) not in seen]


def _reconcile(store: Store, run: Any, settings: Tracking | None, stores: Stores) -> Synced:
    folder = Path(run.data.tags[FOLDER])
    if (folder / JOURNAL).is_file():
        return _sync(folder, settings, stores)
    end_ms = max((m.timestamp for m in _newest(store, run)), default=run.info.start_time)
    runs.tell(store, run.info.run_id, "KILLED", end_ms)
    parent = run.data.tags.get(runs.PARENT)
    if parent:
        runs.settle_parent(store, parent, end_ms)
    return Synced(folder, run.info.run_id, "KILLED")


def _newest(store: Store, run: Any) -> list[Any]:
    name = next(iter(run.data.metrics), None)
    return list(store.client.get_metric_history(run.info.run_id, name)) if name else []


def _host() -> str:
    return platform.node()
