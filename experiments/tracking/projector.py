"""Bring one campaign's MLflow run up to date with its journal; may be killed anywhere and begun again.

Exactly once, in three steps: the upper bound of what will be sent is written down, it is sent, the high-water mark
follows. Whoever finds the two apart asks MLflow what has arrived. SQL backends drop a repeated metric by themselves
(time and step come from the journal, so the key is equal); file stores would keep it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock

from experiments.campaign.journal import Event, Reader, open_reader
from experiments.tracking import artifacts, dataset, runs, state, tags
from experiments.tracking.errors import TrackingError
from experiments.tracking.rows import KINDS, Row, flatten, milliseconds, rows
from experiments.tracking.store import Store, connect

METRICS_PER_BATCH = 1000
PARAMETERS_PER_BATCH = 100
LIFECYCLE = ("opened", "resumed", "closed")
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED", "refused": "FAILED"}
KILLED = {"status": "killed", "ended_by": "killed", "message": "the process ended without closing the campaign"}
RUNNING = {"status": "running", "ended_by": "", "message": ""}

Boundary = Callable[[str], None]
"""Called with a name where the outside world or the state file has just changed; tests kill the process there."""


class Projector:
    """Projects the journal in `folder` to one experiment at one address. One at a time: see `folder_lock`."""

    def __init__(
        self,
        folder: Path,
        uri: str,
        experiment: str,
        *,
        store: Store | None = None,
        batch: int = METRICS_PER_BATCH,
        at: Boundary = lambda name: None,
    ) -> None:
        self.folder = folder
        self._uri, self._experiment, self._store, self._batch, self._at = uri, experiment, store, batch, at
        known = state.load(folder)
        here = (known.uri, known.experiment) == (uri, experiment)
        self.state = known if here else state.State(uri, experiment)
        self._run: Any = None
        self._since: Event | None = None

    def catch_up(self, *, live: bool) -> int:
        """Project all that the journal holds by now; returns how many metrics were sent.

        live says whether somebody still writes it: if not and it was never closed, the run was killed. Raises
        MLflow's errors as they come; the next call goes on from there.
        """
        with open_reader(self.folder / artifacts.JOURNAL) as reader:
            if not reader.meta():
                return 0
            try:
                self._open(reader)
                sent = sum(self._send(batch) for batch in self._batches(reader))
                self._tell(reader, live)
            except Exception:
                self._run = None  # look again at what MLflow has
                raise
        return sent

    def upload(self) -> None:
        """Upload the files of an ended run that are new or have changed."""
        if self._run is None:
            return
        with open_reader(self.folder / artifacts.JOURNAL) as reader:
            last = _last(reader)
        sent = artifacts.upload(
            self.store.client, self.state.run_id, self.folder, self.state.artifacts, last.seq if last else 0
        )
        for arrived in sent:
            self._at("artifact sent")
            self._save(artifacts=arrived)

    def note_error(self, error: str) -> None:
        """Write down why the projection is behind; an empty text when it no longer is."""
        if error != self.state.error:
            self._save(error=error)

    @property
    def store(self) -> Store:
        """The way to MLflow, opened at first use."""
        if self._store is None:
            self._store = connect(self._uri, self._experiment, self.folder)
        return self._store

    def _open(self, reader: Reader) -> None:
        if self._run is not None:
            return
        self._run = self._existing() or self._adopted(reader)
        if not self.state.described:
            self._describe(reader)

    def _existing(self) -> Any:
        from mlflow.exceptions import MlflowException

        if not self.state.run_id:
            return None
        try:
            run = self.store.client.get_run(self.state.run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            self.state = state.State(self._uri, self._experiment)  # that database is gone: project all of it again
            return None
        if run.info.lifecycle_stage == "deleted":
            raise TrackingError(
                f"its MLflow run was deleted: mlflow runs restore --run-id {run.info.run_id}, "
                f"or remove {self.folder / state.NAME} to project it anew"
            )
        return run

    def _adopted(self, reader: Reader) -> Any:
        meta = reader.meta()
        said = tags.of_campaign(meta, self.folder)
        run, new = runs.campaign_run(
            self.store, meta["campaign_id"], self.folder.name, milliseconds(meta["created"]), said
        )
        self._at("run created")
        newest = reader.last("outcome")
        doubtful = 0 if new or newest is None else newest.seq
        self._save(run_id=run.info.run_id, in_flight=doubtful)
        self._at("run known")
        return run

    def _describe(self, reader: Reader) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        meta, client, run_id = reader.meta(), self.store.client, self.state.run_id
        known = self._run.data.params
        parameters = [Param(k, v) for k, v in flatten(meta["config"]).items() if k not in known]
        for some in _chunks(parameters, PARAMETERS_PER_BATCH):
            client.log_batch(run_id, params=some)
        self._at("parameters sent")
        context = [InputTag("mlflow.data.context", "instrument")]
        inputs = [
            DatasetInput(Dataset(s.name, s.digest, s.kind, s.about_json()), context)
            for s in dataset.sources(meta["config"], int(meta["seed"]))
        ]
        client.log_inputs(run_id, datasets=inputs)
        self._at("inputs sent")
        self._save(described=True)

    def _batches(self, reader: Reader) -> Iterator[list[Row]]:
        batch: list[Row] = []
        size = 0
        for row in rows(reader.events(self.state.high_water, KINDS)):
            if batch and size + len(row.metrics) > self._batch:
                yield batch
                batch, size = [], 0
            batch.append(row)
            size += len(row.metrics)
        if batch:
            yield batch

    def _send(self, batch: Sequence[Row]) -> int:
        from mlflow.entities import Metric

        metrics = [Metric(name, value, r.t_ms, r.step) for r in batch for name, value in r.metrics.items()]
        if batch[0].seq <= self.state.in_flight:
            metrics = self._missing(metrics)
        self._save(in_flight=max(batch[-1].seq, self.state.in_flight))
        self._at("in flight")
        for some in _chunks(metrics, METRICS_PER_BATCH):  # one, unless a single row is longer than a batch
            self.store.client.log_batch(self.state.run_id, metrics=some)
        self._at("metrics sent")
        self._save(high_water=batch[-1].seq)
        self._at("high water")
        return len(metrics)

    def _missing(self, metrics: Sequence[Any]) -> list[Any]:
        arrived = {
            (name, metric.timestamp, metric.step)
            for name in {m.key for m in metrics}
            for metric in self.store.client.get_metric_history(self.state.run_id, name)
        }
        return [m for m in metrics if (m.key, m.timestamp, m.step) not in arrived]

    def _tell(self, reader: Reader, live: bool) -> None:
        since, said = self._standing(reader, live)
        status = STATUS.get(said["status"], "RUNNING" if said is RUNNING else "KILLED")
        told = f"{status} {since.seq}" if since else status
        if told == self.state.told and self._run.info.status == status:
            return
        last = since if since and since.kind == "closed" else _last(reader)
        end_ms = milliseconds(last.t) if last else milliseconds(reader.meta()["created"])
        self._write_status(status, end_ms, tags.of_ending(reader, said))
        self._save(told=told)
        self._run = self.store.client.get_run(self.state.run_id)

    def _standing(self, reader: Reader, live: bool) -> tuple[Event | None, Mapping[str, Any]]:
        """The event that says how the campaign stands, and what it says: the last of opened, resumed and closed."""
        for event in reader.events(self._since.seq if self._since else 0, LIFECYCLE):
            self._since = event
        if self._since is not None and self._since.kind == "closed":
            return self._since, self._since.payload
        return self._since, RUNNING if live else KILLED

    def _write_status(self, status: str, end_ms: int, said: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        client, run_id = self.store.client, self.state.run_id
        client.log_batch(run_id, tags=[RunTag(k, v) for k, v in said.items()])
        runs.tell(self.store, run_id, status, end_ms)
        self._at(f"status {status}")
        parent = self._run.data.tags.get(runs.PARENT)
        if parent:
            runs.settle_parent(self.store, parent, end_ms)
            self._at("parent settled")

    def _save(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        state.save(self.folder, self.state)


def folder_lock(folder: Path) -> filelock.FileLock:
    """Held by whoever projects a campaign; it goes with its process."""
    return filelock.FileLock(folder / "tracking.lock", thread_local=False)


def _last(reader: Reader) -> Event | None:
    """The newest event of a kind that is small to read."""
    kinds = ("opened", "resumed", "closed", "command", "failed", "decision", "outcome")
    return max(
        (event for kind in kinds if (event := reader.last(kind)) is not None), key=lambda event: event.seq, default=None
    )


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
