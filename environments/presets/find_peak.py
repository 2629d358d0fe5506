"""The trivial task on the flat twin."""

from __future__ import annotations

from environments.tasks.find_peak import FindPeak
from instruments.twins.flat import Flat


def core_and_task() -> tuple[Flat, FindPeak]:
    """The twin's core and the task, with their defaults."""
    return Flat(), FindPeak()
