"""`latest.json`: the last measurement of each figure, and the machines that they were made on."""

import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LATEST = Path(__file__).with_name("latest.json")
SCHEMA_VERSION = 1


def record(line: dict[str, Any], machine: dict[str, Any], path: Path = LATEST) -> None:
    """Replaces the entry of `line["id"]`; machines that no figure refers to any more are dropped."""
    latest = read(path)
    key = hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:8]
    entry = {key_: value for key_, value in line.items() if key_ != "id"}
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    latest["figures"][line["id"]] = {**entry, "date": date, "commit": _commit(), "machine": key}
    latest["machines"][key] = machine
    used = {figure["machine"] for figure in latest["figures"].values()}
    latest["machines"] = {name: latest["machines"][name] for name in sorted(used)}
    latest["figures"] = dict(sorted(latest["figures"].items()))
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(latest, indent=2) + "\n")
    os.replace(partial, path)


def read(path: Path = LATEST) -> dict[str, Any]:
    """What is kept so far; empty where nothing was measured yet."""
    if not path.exists():
        return {"schema_version": SCHEMA_VERSION, "figures": {}, "machines": {}}
    latest: dict[str, Any] = json.loads(path.read_text())
    if latest.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"{path.name} has schema version {latest.get('schema_version')}, not {SCHEMA_VERSION}")
    return latest


def _commit() -> str:
    """Short hash of the measured commit, with a plus sign where tracked files differ from it; empty outside git."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "..", ":!latest.json"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return ""
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
