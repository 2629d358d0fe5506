"""The tags of a campaign's run: what it ran on, and how it ended."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.campaign.journal import Reader
from experiments.tracking.rows import clean, cut
from experiments.tracking.runs import SWEEP

TAG_LENGTH = 5000
"""What every MLflow server of the last years holds."""


def of_campaign(meta: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What is known from the start."""
    git = dict(meta.get("git") or {})
    tags = {
        "mlflow.source.name": "probewright",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": git.pop("commit", None),
        "mlflow.user": _user(),
        SWEEP: meta.get("sweep_id"),
        "probewright.name": meta.get("name"),
        "probewright.seed": meta.get("seed"),
        "probewright.config_sha": meta.get("config_sha"),
        "probewright.threads": meta.get("threads"),
        "probewright.folder": folder.absolute(),
        "probewright.host": platform.node(),
        **{f"probewright.git.{name}": value for name, value in git.items()},
        **{f"probewright.version.{name}": value for name, value in (meta.get("versions") or {}).items()},
    }
    return {clean(name): cut(str(value), TAG_LENGTH) for name, value in tags.items() if value not in (None, "")}


def of_ending(reader: Reader, ended: Mapping[str, Any]) -> dict[str, str]:
    """How it stands: status, what ended it, and a short text for the run's page."""
    said = {f"probewright.{name}": str(ended.get(name, "")) for name in ("status", "ended_by", "message")}
    return {
        name: cut(value, TAG_LENGTH) for name, value in (said | {"mlflow.note.content": _note(reader, ended)}).items()
    }


def _note(reader: Reader, ended: Mapping[str, Any]) -> str:
    brief, outcome = reader.last("brief"), reader.last("outcome")
    lines = [f"**{reader.meta().get('name', '')}**: {ended['status']}"]
    if ended.get("message"):
        lines.append(str(ended["message"]))
    if brief is not None:
        lines.append(str(brief.payload.get("objective") or ""))
    if outcome is not None and outcome.payload.get("best_step") is not None:
        unit = (brief.payload.get("value_unit") or "") if brief is not None else ""
        best, step = outcome.payload["best_value"], outcome.payload["best_step"]
        lines.append(f"Best value {best:.4g} {unit} at step {step} of {outcome.step}.")
    return "\n\n".join(line for line in lines if line)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in containers
        return ""
