"""What differs from column to column, and has to be measured there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from instruments.site import Site
from physics_priors.bounds import POSITIVE_NM, Bounds

Turn = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class ColumnSite(Site):
    """What every column's site must measure; None is not measured yet, and what needs it is refused.

    `shift` is how the probe moves in the image [nm] per unit of the vendor's beam shift, `stage` how the sample does
    per nm of the stage; rows are (x, y) of the image: x along columns, y along rows, row 0 at the smallest y.
    """

    field_nm: Annotated[float, POSITIVE_NM] = 1000.0
    """Side of what frames may reach, around where the beam is when the driver connects."""
    current_pA: Annotated[float, Bounds("pA", 0.0)] | None = None
    energy_keV: Annotated[float, Bounds("keV", 0.0, open_low=True)] | None = None
    shift: Turn | None = None
    stage: Turn | None = None
    stage_range_nm: Annotated[float, POSITIVE_NM] = 100_000.0
    """How far every axis may go from where it is when the driver connects; a limit of the site's own."""
    tilt_range_rad: Annotated[float, Bounds("rad", 0.0, 1.5)] = 0.2
    stage_error_nm: Annotated[float, Bounds("nm", 0.0)] = 1.0
    tilt_error_rad: Annotated[float, Bounds("rad", 0.0)] = 1e-4
    """How far from its target the stage may rest."""
    shortest_dwell_s: Annotated[float, Bounds("s", 0.0, 1.0, open_low=True)] = 1e-7
    longest_dwell_s: Annotated[float, Bounds("s", 0.0, 1.0, open_low=True)] = 1e-3
    longest_frame_s: Annotated[float, Bounds("s", 0.0, 600.0, open_low=True)] = 10.0
    """Nothing is known to end a frame: until it is safe, that long may pass where blanking waits for it."""
    overhead_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 1.0
    patience_s: Annotated[float, Bounds("s", 0.0, 3600.0, open_low=True)] = 30.0
    """A call that takes this on top of three times its price is given up as hung."""

    def contradictions(self) -> list[str]:
        said = [] if self.shortest_dwell_s <= self.longest_dwell_s else ["shortest_dwell_s is above longest_dwell_s"]
        return said + [
            f"{name} is no turn of the plane: its determinant is 0"
            for name in ("shift", "stage")
            if (turn := getattr(self, name)) is not None and abs(np.linalg.det(np.array(turn))) < 1e-12
        ]
