"""Payloads too large for the database: one immutable file each, named by its hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from experiments.campaign.journal.errors import JournalDamaged

INLINE_BYTES = 256 * 1024


def write(folder: Path, data: bytes) -> tuple[str, str]:
    """Write bytes durably under their hash; returns (name relative to the folder's parent, sha256)."""
    sha = hashlib.sha256(data).hexdigest()
    folder.mkdir(exist_ok=True)
    target = folder / f"{sha[:32]}.msgpack"
    if not target.exists():
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(folder)
    return f"{folder.name}/{target.name}", sha


def read(path: Path, sha: str) -> bytes:
    """The bytes of an artifact; raises JournalDamaged where they are missing or changed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalDamaged(f"artifact {path.name} cannot be read: {error.strerror}") from None
    if hashlib.sha256(data).hexdigest() != sha:
        raise JournalDamaged(f"artifact {path.name} does not match its hash")
    return data


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable (a no-op where folders cannot be synced, as on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
