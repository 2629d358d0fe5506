"""What a campaign measures on, as MLflow's dataset input: a recorded file, or a twin and its seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instruments.errors import DataInvalid
from instruments.replay.place import locate

PATH_KEYS = frozenset({"path", "image_path"})
"""What a replay names its files with."""
DIGEST_LENGTH = 36
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Name, digest (at most 36 characters), the kind of source and what is known of it."""

    name: str
    digest: str
    kind: str
    about: Mapping[str, str]

    def about_json(self) -> str:
        """`about` as MLflow's database wants it."""
        return json.dumps(dict(self.about), sort_keys=True)


def sources(config: Mapping[str, Any], seed: int) -> list[Source]:
    """The recorded files an instrument is made of; where there are none, the twin."""
    instrument = config.get("instrument", {})
    files = [_recorded(_located(text)) for text in _paths(instrument)]
    return files or [_twin(instrument, seed)]


def _paths(node: Mapping[str, Any]) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _paths(value)
        elif key in PATH_KEYS and isinstance(value, str) and value:
            yield value


def _located(text: str) -> Path:
    try:
        return locate(text)
    except DataInvalid:  # the campaign read it; it has been moved since
        return Path(text)


def _recorded(path: Path) -> Source:
    digest = sha256(path)
    return Source(path.name, digest[:DIGEST_LENGTH], "local", {"uri": path.name, "sha256": digest})


def _twin(instrument: Mapping[str, Any], seed: int) -> Source:
    core = instrument.get("core")
    target = str((core if isinstance(core, Mapping) else instrument).get("_target_", "instrument"))
    return Source(target.rpartition(".")[2], f"seed-{seed}", "code", {"uri": target, "seed": str(seed)})


def sha256(path: Path) -> str:
    """The hash of a file, or of a folder's files with their names; `missing` where there is neither."""
    if path.is_dir():
        whole = hashlib.sha256()
        for part in sorted(p for p in path.rglob("*") if p.is_file()):
            whole.update(f"{part.relative_to(path).as_posix()} {_of_file(part)}\n".encode())
        return whole.hexdigest()
    return _of_file(path) if path.is_file() else "missing"


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
