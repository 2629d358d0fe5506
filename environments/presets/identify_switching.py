"""How one spot switches, waveform by waveform."""

from __future__ import annotations

from environments.tasks.identify_switching import IdentifySwitching
from instruments.twins.spm.switching import Switching


def core_and_task() -> tuple[Switching, IdentifySwitching]:
    """The twin's core and the task, with their defaults."""
    return Switching(), IdentifySwitching()
