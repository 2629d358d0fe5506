"""What a law is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from physics_priors.prior import Parameters

Floats = NDArray[np.float64]


class Law(Protocol):
    """A mean function with a prior over its parameters."""

    @property
    def name(self) -> str:
        """What it is called among its rivals."""
        ...

    @property
    def parameters(self) -> Parameters:
        """The uncertain numbers, with units and what is believed of them."""
        ...

    def mean(self, theta: Floats, x: Floats) -> Floats:
        """The value [n, m] that parameters theta [n, P] predict at x [m, d], in the units of the measured value."""
        ...
