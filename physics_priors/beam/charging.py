"""Charging of insulators: a potential that grows under the beam, leaks away, and bends the probe aside.

One resistor and one capacitor: enough to make equal doses at different currents unequal, which is what matters to
whoever infers rates. All numbers are tunables.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physics_priors.beam.knock_on import not_negative, positive
from physics_priors.distributions import LogUniform
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]

_SAID = "tunable: sample and support"
CHARGING: Final = Parameters(
    (
        Parameter("potential_V_pA", "V/pA", LogUniform(1e-4, 0.1), _SAID),
        Parameter("leak_s", "s", LogUniform(0.1, 100.0), _SAID),
        Parameter("shift_nm_V", "nm/V", LogUniform(0.01, 1.0), _SAID),
    )
)


def potential_V(
    potential_at_first_V: ArrayLike,
    current_pA: ArrayLike,
    seconds: ArrayLike,
    potential_V_pA: ArrayLike,
    leak_s: ArrayLike,
) -> Floats:
    """Potential [V] after a time at a current; it approaches current times `potential_V_pA`."""
    final = not_negative(current_pA, "current_pA") * np.asarray(potential_V_pA, dtype=np.float64)
    decay = np.exp(-not_negative(seconds, "seconds") / positive(leak_s, "leak_s"))
    return np.asarray(final + (np.asarray(potential_at_first_V, dtype=np.float64) - final) * decay)
