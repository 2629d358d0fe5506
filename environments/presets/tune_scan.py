"""Tune the height loop on a rough surface."""

from __future__ import annotations

from environments.tasks.tune_scan import TuneScan
from instruments.twins.spm.scanning_probe import ScanningProbe


def core_and_task() -> tuple[ScanningProbe, TuneScan]:
    """The twin's core, rough, and the task with its defaults."""
    return ScanningProbe(roughness_nm=8.0), TuneScan()
