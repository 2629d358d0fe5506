"""Move silicon in graphene in the default STEM."""

from __future__ import annotations

from environments.tasks.move_dopant import MoveDopant
from instruments.twins.stem.microscope import StemMicroscope


def core_and_task() -> tuple[StemMicroscope, MoveDopant]:
    """The twin's core and the task; nobody looks back at a world here, so that it works in place."""
    return StemMicroscope(in_place=True), MoveDopant()
