"""Write the report of a run folder: one page, nothing outside it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.campaign.journal import open_reader
from experiments.report import figures, people, tables
from experiments.report.headline import headline, key_figures
from experiments.report.markup import Markup, el, page, section
from experiments.report.story import Story, read
from experiments.report.tasks import of_task


def write(folder: Path) -> Path:
    """Write `report.html` into a run folder, from its journal alone, and return its path.

    The campaign may still be running. Raises JournalDamaged where there is no readable journal.
    """
    story = read(folder.absolute())
    with open_reader(folder / "journal.sqlite") as reader:
        drawn = [*figures.all_of(story, reader), *of_task(story, reader)]
    text = page(f"{story.meta.get('name') or folder.name} – Probewright", *_body(story, drawn))
    return _replace(folder / "report.html", text)


def _body(story: Story, drawn: list[Markup]) -> list[Markup]:
    body = [headline(story), key_figures(story), *drawn]
    if story.steps:
        body.append(section("Every decision", tables.decisions(story)))
    else:
        body.append(el("p", "No decision was made, so there is nothing to draw."))
    if story.asked.questions:
        body.append(section("What people decided", people.answers(story)))
    body.append(section("What else happened", tables.incidents(story)))
    body.append(section("How to repeat it", *_repeat(story)))
    written = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return [*body, el("footer", f"Written by Probewright on {written} from {story.folder.name}/journal.sqlite.")]


def _repeat(story: Story) -> list[Markup]:
    meta = story.meta
    git: Mapping[str, Any] = meta.get("git") or {}
    commit = f"{git['commit']}{' with uncommitted changes' if git.get('dirty') else ''}" if git.get("commit") else ""
    versions = ", ".join(f"{name} {text}" for name, text in (meta.get("versions") or {}).items() if text != "-")
    entries = {
        "Campaign": str(meta.get("campaign_id", "")),
        "Seed": str(meta.get("seed", "")),
        "Sweep": str(meta.get("sweep_id") or ""),
        "Configuration": str(meta.get("config_sha", "")),
        "Git commit": commit,
        "Versions": versions,
        "Machine": _flat(meta.get("machine") or meta.get("threads")),
        "Folder": str(story.folder),
    }
    shown = [tables.facts(entries, "What the run was made with")]
    command = str(meta.get("command") or "")
    if command:
        shown.insert(0, el("pre", el("code", command)))
    config = _config(story)
    if config:
        shown.append(el("details", el("summary", "The whole configuration"), el("pre", el("code", config))))
    return shown


def _config(story: Story) -> str:
    import yaml

    try:
        return (story.folder / "config.yaml").read_text(encoding="utf-8")
    except OSError:
        config = story.meta.get("config")
        return str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True)) if config else ""


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {item}" for name, item in value.items() if item not in ("", None))
    return "" if value is None else str(value)


def _replace(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path
