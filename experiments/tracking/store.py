"""The way to MLflow: quiet, with short timeouts, the database created by one process only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from experiments.tracking import address
from experiments.tracking.errors import TrackingError

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # retrying is ours: it looks first at what has arrived
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # what goes wrong is raised as well
    "MLFLOW_ALLOW_FILE_STORE": "true",  # only ever used where the user's address names one
}


@dataclass(frozen=True)
class Store:
    """A client of one MLflow, one experiment in it, and the lock under which runs are created there."""

    uri: str
    client: Any
    experiment_id: str
    lock: filelock.FileLock

    def search(self, condition: str, *, limit: int = 100) -> list[Any]:
        """Runs of the experiment that fulfil a condition in MLflow's own words, deleted ones left out."""
        return list(self.client.search_runs([self.experiment_id], condition, max_results=limit))


def quiet() -> None:
    """Set what MLflow reads from the environment when it is imported, unless the user did."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def prepare(uri: str) -> None:
    """Create the database of a local address, or bring it to the present schema.

    Once, whoever comes first; nothing to do for a server.
    """
    folder = address.local_folder(uri)
    if folder is not None:
        with address.lock(uri, folder):
            _client(uri)


def connect(uri: str, experiment: str, folder: Path) -> Store:
    """A store for the campaign in `folder`; raises TrackingError, or MLflow's own error when it is out of reach."""
    lock = address.lock(uri, folder)
    with lock:
        client = _client(uri)
        return Store(uri, client, _experiment(client, experiment, address.artifact_location(uri)), lock)


def _client(uri: str) -> Any:
    quiet()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    make: Callable[[], Any] = lambda: MlflowClient(tracking_uri=uri, registry_uri=uri)  # noqa: E731
    try:
        return make()
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
    _upgrade(uri)
    return make()


def _upgrade(uri: str) -> None:
    command = [sys.executable, "-P", "-m", "mlflow", "db", "upgrade", uri]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrackingError(f"{uri} was made by another MLflow version and cannot be upgraded: {why}")


def _experiment(client: Any, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the MLflow experiment {name!r} was deleted: mlflow experiments restore -x {found.experiment_id}, "
            "or choose another tracking.experiment"
        )
    return str(found.experiment_id)
