"""The run folder: where a campaign keeps all that it leaves behind."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from experiments.campaign.journal.errors import JournalFull

NEEDED_BYTES = 100 * 2**20


def new_folder(runs: Path, name: str, seed: int) -> Path:
    """Make `runs/<name>-<date>-<time>-s<seed>-<4 hex>` after a look at the free space; raises JournalFull."""
    runs.mkdir(parents=True, exist_ok=True)
    require_space(runs)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = runs.absolute() / f"{name}-{stamp}-s{seed}-{secrets.token_hex(2)}"
    folder.mkdir()
    return folder


def require_space(folder: Path, needed: int = NEEDED_BYTES) -> None:
    """Raise JournalFull where a campaign would soon fill the disk."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise JournalFull(
            f"{folder} has {free / 2**20:.0f} MiB free, a campaign needs {needed / 2**20:.0f}: "
            "free some, or choose another place with runs=FOLDER"
        )


def write_atomic(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_yaml(path: Path, config: Mapping[str, Any]) -> None:
    """Write a configuration as YAML, as it would be typed."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # in C where PyYAML was built with it: ten times as fast
    write_atomic(path, yaml.dump(dict(config), Dumper=dumper, sort_keys=False, allow_unicode=True))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; NaN becomes null, so that every reader can read it."""
    write_atomic(path, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")


def write_truth(path: Path, truth: Mapping[str, Any]) -> None:
    """Write what a twin knew as arrays; names inside a mapping are joined by dots, what is no array is left out."""
    import numpy as np

    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **dict(_arrays(truth)))
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _arrays(truth: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    import numpy as np

    for name, value in truth.items():
        if isinstance(value, Mapping):
            yield from _arrays(value, f"{prefix}{name}.")
        elif (array := np.asarray(value)).dtype.kind in "fiubcU":
            yield f"{prefix}{name}", array


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):
        return None
    return value
