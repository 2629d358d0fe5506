"""What a vendor's driver says of its software: one call for one thing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instruments.errors import NotSupported
from instruments.requests import ScanImage

Stage = tuple[float, float, float, float, float]
"""x, y, z [nm], two tilts [rad]."""
Frames = Callable[[], Mapping[str, NDArray[Any]]]
"""Fetches counts [rows, columns] by channel."""
Spectrum = Callable[[], tuple[NDArray[Any], NDArray[np.float64]]]
"""Fetches counts and energies [eV]."""


class Scope(ABC):
    """The calls of a column's software; a driver overrides those that it knows. They may raise anything."""

    spectrum_name = ""
    """Channel of point spectra."""

    @abstractmethod
    def _reach(self) -> None:
        """Connect, and set nothing."""

    def _further(self) -> Mapping[str, Callable[[], Any]]:
        """What else can be read without setting anything, by name."""
        return {}

    @abstractmethod
    def _set_blank(self, on: bool) -> None:
        """Ask for it."""

    @abstractmethod
    def _blanked(self) -> bool:
        """What the column says of it."""

    @abstractmethod
    def _scan(self, request: ScanImage) -> Callable[[], Frames]:
        """Set the scan while the beam is blanked and read it back; the call that scans, and blocks until it is done.

        What that gives is called when the beam is blanked again.
        """

    @abstractmethod
    def _check_scan(self, request: ScanImage) -> None:
        """Raise NotSupported or OutOfReach for a square frame that this vendor cannot scan."""

    def _get_shift(self) -> tuple[float, float]:
        """Beam shift in the vendor's units."""
        raise NotSupported("nothing is known of this vendor's beam shift")

    def _set_shift(self, shift: tuple[float, float]) -> None:
        """Set it and read it back."""
        raise NotSupported("nothing is known of this vendor's beam shift")

    def _get_stage(self) -> Stage:
        raise NotSupported("nothing is known of this vendor's stage")

    def _set_stage(self, target: Stage, moves: tuple[bool, ...]) -> None:
        """Move the axes that are true, and wait until they rest."""
        raise NotSupported("nothing is known of this vendor's stage")

    def _set_defocus_nm(self, value: float) -> None:
        """Set it, overfocus positive, and read it back."""
        raise NotSupported("nothing is known of this vendor's focus")

    def _park(self, fraction: tuple[float, float], width_nm: float) -> None:
        """Park the blanked probe at a fraction of the last image, from its first column and row.

        Raises HardwareFault where the scan is no longer as wide as that image.
        """
        raise NotSupported("nothing is known of how this vendor parks a probe")

    def _spectra(self, exposure_s: float) -> Callable[[], Spectrum]:
        """Set the spectrometer and read it back; the call that exposes, as that of `_scan`."""
        raise NotSupported("nothing is known of this vendor's spectrometer")

    def _spectrum_s(self, exposure_s: float) -> float:
        """How long the beam may be on for a spectrum of this exposure."""
        return exposure_s
