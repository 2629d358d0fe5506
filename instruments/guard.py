"""The guard: a pure rule that prices and refuses requests, and the account it is applied to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from physics_priors.bounds import Bounds


@dataclass(frozen=True)
class Zone:
    """A disc of the sample frame that must not be touched."""

    center_nm: tuple[float, float]
    radius_nm: Annotated[float, Bounds("nm", 0.0)]


@dataclass(frozen=True)
class Limits:
    """What the guard allows, over all that was ever booked on the account; None means no limit.

    fluence_e_A2 limits the peak of the sample-frame fluence map, averaged over pixels of `fluence_pixel_nm`.
    """

    seconds: Annotated[float, Bounds("s", 0.0)] | None = None
    electrons: Annotated[float, Bounds("electrons", 0.0)] | None = None
    fluence_e_A2: Annotated[float, Bounds("e/A^2", 0.0)] | None = None
    fluence_pixel_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 1.0
    travel_nm: Annotated[float, Bounds("nm", 0.0)] | None = None
    bias_V: Annotated[float, Bounds("V", 0.0)] | None = None
    force_nN: Annotated[float, Bounds("nN", 0.0)] | None = None
    exclude: tuple[Zone, ...] = ()
