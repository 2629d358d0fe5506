"""Map the phase boundary of a layer that orders live."""

from __future__ import annotations

from environments.tasks.map_phase_diagram import MapPhaseDiagram
from instruments.twins.library.ordering_layer import OrderingLayer


def core_and_task() -> tuple[OrderingLayer, MapPhaseDiagram]:
    """The twin's core and the task, with their defaults."""
    return OrderingLayer(), MapPhaseDiagram()
