"""The dark-field detector: counted electrons, then an amplifier with a gain and an offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from instruments.errors import InvalidRequest
from instruments.keys import Keys
from physics_priors.bounds import Bounds, violations
from physics_priors.electron import ELECTRONS_PER_PA_S

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """Signal = gain times counted electrons plus offset, in whole steps up to 16 bit where `quantised`."""

    gain: Annotated[float, Bounds("signal/electron", 0.0, 1e6, open_low=True)] = 1.0
    offset: Annotated[float, Bounds("signal", -1e6, 1e6)] = 0.0
    dark_per_s: Annotated[float, Bounds("electrons/s", 0.0, 1e9)] = 0.0
    """Counts without a beam."""
    quantised: bool = False

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("Detector: " + "; ".join(said))

    def signal(self, fraction: Floats, current_pA: float, dwell_s: float, key: Keys) -> Floats:
        """What is recorded where `fraction` of the beam's electrons is expected to arrive; fresh for every key."""
        from instruments.twins.stem.kernels import count

        counted = np.empty(fraction.shape)
        electrons = current_pA * ELECTRONS_PER_PA_S * dwell_s
        count(np.ascontiguousarray(fraction).ravel(), electrons, self.dark_per_s * dwell_s, key[0], counted.ravel())
        return self._read_out(counted)

    def expected(self, fraction: Floats, current_pA: float, dwell_s: float) -> Floats:
        """The mean of `signal`, not quantised."""
        electrons = np.maximum(fraction, 0.0) * current_pA * ELECTRONS_PER_PA_S * dwell_s
        return self.gain * (electrons + self.dark_per_s * dwell_s) + self.offset

    def _read_out(self, counted: Floats) -> Floats:
        signal = counted if self.gain == 1.0 and self.offset == 0.0 else self.gain * counted + self.offset
        return np.clip(np.rint(signal), 0.0, 65535.0) if self.quantised else signal
