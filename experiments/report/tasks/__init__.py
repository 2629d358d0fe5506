"""Sections that a report has for one task only: the file with the task's name, where there is one.

Such a file has `sections(story, reader, truth) -> list[Markup]`; `truth` is what a twin knew, by name, empty on an
instrument that is no twin and before its campaign has finished. A section that cannot be drawn costs the report
nothing but itself.
"""

from __future__ import annotations

import importlib
import logging
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.campaign.journal import Reader
from experiments.report.markup import Markup, el, section
from experiments.report.story import Story

Truth = dict[str, NDArray[Any]]
_log = logging.getLogger(__name__)


def of_task(story: Story, reader: Reader) -> list[Markup]:
    """The sections of the story's task."""
    name = str(story.brief.get("task") or "")
    module = f"{__name__}.{name}"
    if not name.isidentifier() or find_spec(module) is None:
        return []
    try:
        drawn: list[Markup] = importlib.import_module(module).sections(story, reader, truth_of(story))
    except Exception as error:
        _log.exception("the sections of %s could not be drawn", name)
        return [section(name.replace("_", " "), el("p", f"could not be drawn: {type(error).__name__}: {error}"))]
    return drawn


def truth_of(story: Story) -> Truth:
    """What the twin knew, read from `truth.npz`; empty where there is none."""
    path = story.folder / "truth.npz"
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
