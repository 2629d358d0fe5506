"""Find the best of a million compositions."""

from __future__ import annotations

from environments.tasks.search_composition import SearchComposition
from instruments.twins.library.composition_space import CompositionSpace


def core_and_task() -> tuple[CompositionSpace, SearchComposition]:
    """The twin's core and the task, with their defaults."""
    return CompositionSpace(), SearchComposition()
