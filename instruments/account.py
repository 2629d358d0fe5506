"""The account: what was booked on a sample's area, and the fluence map in its frame.

The worst case is booked when a command is journalled and replaced by the actual cost when it is done; what became
of neither stays booked: an ambiguous command counts as spent.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from instruments.capabilities import Field
from instruments.cost import Cost
from instruments.errors import OutOfReach
from instruments.requests import LineScan, Request, ScanImage, SubScan

_LARGEST_MAP = 4096
_LANDED = 1024


class FluenceMap:
    """Electrons per square angstrom over a field, in square pixels; memory 8 bytes a pixel, made when first used."""

    def __init__(self, field: Field, pixel_nm: float) -> None:
        shape = [int(np.ceil(side / pixel_nm)) for side in reversed(field.size_nm)]
        if max(shape) > _LARGEST_MAP:
            raise OutOfReach(
                f"a fluence pixel of {pixel_nm:g} nm makes a map of {shape[1]} x {shape[0]}; at most {_LARGEST_MAP} "
                f"a side: set guard.fluence_pixel_nm to {max(field.size_nm) / _LARGEST_MAP:.3g} nm or more"
            )
        self.pixel_nm = pixel_nm
        self.map_e_A2 = np.zeros(shape)
        self._corner = np.array(field.center_nm) - np.array(field.size_nm) / 2

    def add(self, places_nm: NDArray[np.float64], electrons: float) -> None:
        """Add electrons, shared equally by the places [n, 2] (negative electrons take them back)."""
        np.add.at(self.map_e_A2, self._pixels(places_nm), electrons / len(places_nm) / self._area_A2)

    def peak_with(self, places_nm: NDArray[np.float64], electrons: float) -> float:
        """The peak [e/A^2] of the touched pixels if `add` were called."""
        rows, columns = self._pixels(places_nm)
        flat = rows * self.map_e_A2.shape[1] + columns
        touched, count = np.unique(flat, return_counts=True)
        added = count * (electrons / len(places_nm) / self._area_A2)
        return float((self.map_e_A2.ravel()[touched] + added).max())

    @property
    def _area_A2(self) -> float:
        return self.pixel_nm**2 * 100.0

    def _pixels(self, places_nm: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        index = np.floor((places_nm - self._corner) / self.pixel_nm).astype(np.intp)
        columns, rows = np.clip(index, 0, np.array(self.map_e_A2.shape[::-1]) - 1).T
        return rows, columns


class Account:
    """What was spent, command by command; the opening cost is what earlier campaigns left on it."""

    def __init__(self, field: Field, fluence_pixel_nm: float = 1.0) -> None:
        self.booked = Cost()
        self.travel_nm = 0.0
        self._field, self._pixel_nm = field, fluence_pixel_nm
        self._fluence: FluenceMap | None = None
        self._landed: list[tuple[Request, float]] = []
        """Electrons that are not yet in the map: it is drawn when somebody asks, or when they are many."""
        self._at: NDArray[np.float64] | None = None
        self._open: dict[str, tuple[Request, Cost]] = {}

    def book(self, id: str, request: Request, worst: Cost) -> None:
        """Book a command before it is carried out; a second booking of an id changes nothing."""
        if id in self._open:
            return
        self._open[id] = (request, worst)
        places = request.places_nm()
        if len(places):
            self.travel_nm += self._path_nm(places)
            self._at = places[-1]
        self._spend(request, worst)

    def settle(self, id: str, actual: Cost) -> None:
        """Replace what was booked for a command by its actual cost."""
        request, worst = self._open[id]
        self._spend(request, worst.scaled(-1.0) + actual)
        self._open[id] = (request, actual)

    def travel_to(self, request: Request) -> float:
        """Path [nm] from the present place through the places of a request."""
        places = request.places_nm()
        return self._path_nm(places) if len(places) else 0.0

    @property
    def peak_fluence_e_A2(self) -> float:
        """The largest fluence anywhere [e/A^2]."""
        return 0.0 if self._fluence is None else float(self._map().map_e_A2.max())

    def peak_fluence_with(self, request: Request, electrons: float) -> float:
        """The largest fluence [e/A^2] where the request puts its electrons, if it were carried out."""
        if electrons == 0.0:
            return self.peak_fluence_e_A2
        return self._map().peak_with(footprint_nm(request, self._pixel_nm), electrons)

    def _spend(self, request: Request, cost: Cost) -> None:
        self.booked = self.booked + cost
        if cost.electrons != 0.0:
            self._fluence = self._fluence or FluenceMap(self._field, self._pixel_nm)
            self._landed.append((request, cost.electrons))
            if len(self._landed) >= _LANDED:
                self._map()

    def _map(self) -> FluenceMap:
        """The fluence map, with all that landed in it."""
        self._fluence = self._fluence or FluenceMap(self._field, self._pixel_nm)
        landed, self._landed = self._landed, []
        for request, electrons in landed:
            self._fluence.add(footprint_nm(request, self._pixel_nm), electrons)
        return self._fluence

    def _path_nm(self, places: NDArray[np.float64]) -> float:
        """Length of the path from the present place through places [n, 2], n >= 1."""
        (x, y), *rest = places.tolist()
        length = 0.0 if self._at is None else math.hypot(x - self._at[0], y - self._at[1])
        for next_x, next_y in rest:
            length += math.hypot(next_x - x, next_y - y)
            x, y = next_x, next_y
        return length


def footprint_nm(request: Request, pixel_nm: float) -> NDArray[np.float64]:
    """Places [n, 2] that share a request's electrons equally, spaced at most half a fluence pixel apart."""
    frame = getattr(request, "frame", None)
    if isinstance(frame, ScanImage) and not isinstance(request, SubScan):
        return footprint_nm(frame, pixel_nm)
    places = request.places_nm()
    if isinstance(request, ScanImage | SubScan):
        origin, right, up = places[0], places[1] - places[0], places[3] - places[0]
        s, t = (_steps(float(np.linalg.norm(side)), pixel_nm) for side in (right, up))
        grid = origin + s[:, None, None] * right + t[None, :, None] * up
        return np.asarray(grid.reshape(-1, 2))
    if isinstance(request, LineScan):
        t = _steps(float(np.linalg.norm(places[1] - places[0])), pixel_nm)
        return np.asarray(places[0] + t[:, None] * (places[1] - places[0]))
    return places


def _steps(length_nm: float, pixel_nm: float) -> NDArray[np.float64]:
    count = max(1, int(np.ceil(2 * length_nm / pixel_nm)))
    return (np.arange(count) + 0.5) / count
