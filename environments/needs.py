"""What tasks ask of an instrument before they begin."""

from __future__ import annotations

from instruments.capabilities import Capabilities
from instruments.errors import CalibrationUnknown, NotSupported


def needs_atoms_and_dwells(capabilities: Capabilities, task: str) -> None:
    """Raises NotSupported without looks at atoms or dwells, CalibrationUnknown without a known beam current."""
    for kind in ("AtomPositions", "Dwell"):
        if kind not in capabilities.requests:
            raise NotSupported(f"{capabilities.name} has no {kind}, which {task} needs")
    if capabilities.calibration.current_pA is None:
        raise CalibrationUnknown(f"{capabilities.name}: {task} needs a known beam current (current_pA)")
