"""Learn the interactions of an alloy from a library of frozen members."""

from __future__ import annotations

from environments.tasks.learn_interactions import LearnInteractions
from instruments.twins.library.alloy_library import AlloyLibrary


def core_and_task() -> tuple[AlloyLibrary, LearnInteractions]:
    """The twin's core and the task, with their defaults."""
    return AlloyLibrary(), LearnInteractions()
