"""The state of B scanning probe twins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments.twins.domains import Floats

Map = NDArray[np.float32]
ON, SETPOINT_NN, PROPORTIONAL, INTEGRAL_HZ, CONTACT = range(5)
AMPLITUDE_V, FREQUENCY_HZ = range(2)
CHANGING: Final = (
    "clock_s",
    "probe_nm",
    "registered_nm",
    "creep_nm",
    "feedback",
    "drive",
    "polarisation",
    "screening",
    "charge_V",
)


@dataclass(frozen=True)
class World:
    """B samples and their probes; maps are [B, N, N]."""

    clock_s: Floats
    probe_nm: Floats
    registered_nm: Floats
    """Where the sample frame was declared to lie in the scanner's, [B, 2]."""
    creep_nm: Floats
    """How far the scanner still has to creep, [B, 2]."""
    feedback: Floats
    """[B, 5]: on, set-point [nN], proportional gain, integral gain [Hz], in contact."""
    drive: Floats
    """[B, 2]: amplitude [V], frequency [Hz]."""
    polarisation: Map
    """In units of P0."""
    screening: Map
    """What the screening charge compensates, in units of P0: it follows the polarisation slowly."""
    charge_V: Map
    """Potential of injected charge."""
    random_field: Floats
    softness: Floats
    height_nm: Floats
    surface_nm: Floats
    """The topography as the tip traces it."""
    stiffness: Floats
    """Relative change of contact stiffness, about -1 .. 1."""
    tip: Floats
    """[B, 10], see `kernels.drive`."""
    heading: Floats
    """Unit vector [B, 2] of the drift."""
    parameters: dict[str, Any]
    """Hidden parameters [B] by name, see `sample.HIDDEN`."""
