"""Write a letter into a poled ferroelectric surface."""

from __future__ import annotations

from environments.tasks.write_domains import WriteDomains
from instruments.twins.spm.scanning_probe import ScanningProbe


def core_and_task() -> tuple[ScanningProbe, WriteDomains]:
    """The twin's core and the task, with their defaults."""
    return ScanningProbe(), WriteDomains()
