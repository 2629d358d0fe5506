"""Bring three silicon atoms in graphene to a pattern in a STEM."""

from __future__ import annotations

from environments.tasks.arrange_dopants import ArrangeDopants
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.samples import Graphene


def core_and_task() -> tuple[StemMicroscope, ArrangeDopants]:
    """The twin's core and the task."""
    task = ArrangeDopants()
    return StemMicroscope(sample=Graphene(5.0, 5.0, silicon=task.dopants)), task
