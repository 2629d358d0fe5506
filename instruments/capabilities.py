"""What an instrument can do, within which limits, and what is known of its calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physics_priors.bounds import Bounds


@dataclass(frozen=True)
class Calibration:
    """The calibration record; None is honest ignorance, and what depends on it is refused."""

    current_pA: float | None = None
    pixel_size_nm: float | None = None
    scan_rotation_rad: float | None = None
    flyback_s: float | None = None
    beam_energy_keV: float | None = None
    convergence_mrad: float | None = None
    detector_gain: float | None = None
    lever_sensitivity_nm_V: float | None = None


@dataclass(frozen=True)
class Field:
    """The rectangle of the sample frame that can be reached: centre and (width, height) [nm]."""

    center_nm: tuple[float, float]
    size_nm: tuple[float, float]

    def contains(self, places_nm: NDArray[np.float64]) -> bool:
        """Whether all places [n, 2] lie inside; a picometre of rounding is forgiven."""
        half = np.array(self.size_nm) / 2 + 1e-3
        return bool(np.all(np.abs(places_nm - np.array(self.center_nm)) <= half))

    def __str__(self) -> str:
        (x, y), (w, h) = self.center_nm, self.size_nm
        return f"x {x - w / 2:g} to {x + w / 2:g} nm, y {y - h / 2:g} to {y + h / 2:g} nm"


@dataclass(frozen=True)
class Sites:
    """The only places that exist, on recorded data: a grid of (rows, columns), positions [rows*columns, 2] nm."""

    shape: tuple[int, int]
    positions_nm: NDArray[np.float64]


@dataclass(frozen=True)
class Capabilities:
    """The answer of `Instrument.describe`.

    requests names the request kinds it answers; channels gives, for each of them, channel name -> unit;
    limits gives bounds by request field name (say "bias_V" or "dwell_s"); `episodes` says whether it can be
    reset to a fresh sample (twins only); `blanker` whether the beam can be blanked between requests.
    """

    name: str
    family: Literal["STEM", "SPM"]
    simulated: bool
    requests: frozenset[str]
    field: Field
    channels: Mapping[str, Mapping[str, str]]
    calibration: Calibration = Calibration()
    limits: Mapping[str, Bounds] = dataclasses.field(default_factory=dict)
    blanker: bool = True
    episodes: bool = False
    sites: Sites | None = None
    settings: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """Per request kind, the values that a request must carry (recorded data: its fixed sweep), by field name."""
