"""Where MLflow is: absolute addresses, the lock that belongs to each, the command that opens its UI."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

import filelock

from experiments.config.settings import Tracking

SQLITE = "sqlite:///"
LOCK_PATIENCE_S = 120.0
"""Longer than eight processes need that wait for the first of them to create the database."""


def resolve(settings: Tracking, folder: Path) -> str:
    """The absolute address for a run folder: without a `uri`, a database in the folder of all runs."""
    if settings.uri is None:
        return sqlite_uri(folder.absolute().parent / "mlflow.db")
    return absolute(settings.uri)


def absolute(uri: str) -> str:
    """The same address, independent of the working directory; a bare path is one of a file store."""
    if uri.startswith(SQLITE):
        return sqlite_uri(Path(uri.removeprefix(SQLITE)).absolute())
    parts = urlsplit(uri)
    if len(parts.scheme) <= 1:  # a path, on Windows with its drive letter
        return Path(uri).absolute().as_uri()
    if parts.scheme == "file":
        return Path(unquote(parts.netloc + parts.path)).absolute().as_uri()
    return uri.rstrip("/")


def sqlite_uri(path: Path) -> str:
    """The address of a database file."""
    return f"{SQLITE}{path.as_posix()}"


def local_folder(uri: str) -> Path | None:
    """The folder that a local database or file store lives in; None for a server."""
    if uri.startswith(SQLITE):
        return Path(uri.removeprefix(SQLITE)).parent
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    return None


def artifact_location(uri: str) -> str | None:
    """Where a new experiment keeps its artifacts; None where the server decides."""
    folder = local_folder(uri)
    return None if folder is None else (folder / "mlartifacts").as_uri()


def lock(uri: str, folder: Path) -> filelock.FileLock:
    """The lock under which runs and experiments are created: beside a local store, else in the folder of all runs."""
    place = local_folder(uri) or folder.absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(place / "mlflow.lock", timeout=LOCK_PATIENCE_S, thread_local=False)


def ui_command(uri: str) -> str:
    """The one command that opens MLflow's own UI."""
    if local_folder(uri) is None:
        return f"open {uri}"
    prefix = "MLFLOW_ALLOW_FILE_STORE=true " if uri.startswith("file:") and os.name == "posix" else ""
    return f"{prefix}mlflow ui --backend-store-uri {shlex.quote(uri)}"
