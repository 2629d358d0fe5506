"""The guard: a pure rule that prices and refuses requests.

`check(request, price, account, limits)` is the same rule in a campaign, in an environment and, with limits of its
own, on the server side of a bridge. What was booked so far is kept by `instruments.account.Account`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from instruments.account import Account
from instruments.capabilities import Capabilities
from instruments.cost import Cost
from instruments.errors import CalibrationUnknown
from instruments.requests import Request
from physics_priors.bounds import Bounds


@dataclass(frozen=True)
class Zone:
    """A disc of the sample frame that must not be touched."""

    center_nm: tuple[float, float]
    radius_nm: Annotated[float, Bounds("nm", 0.0)]


@dataclass(frozen=True)
class Limits:
    """What the guard allows, over all that was ever booked on the account; None means no limit.

    fluence_e_A2 limits the peak of the sample-frame fluence map, averaged over pixels of `fluence_pixel_nm`;
    travel_nm the summed distance between places.
    """

    seconds: Annotated[float, Bounds("s", 0.0)] | None = None
    electrons: Annotated[float, Bounds("electrons", 0.0)] | None = None
    fluence_e_A2: Annotated[float, Bounds("e/A^2", 0.0)] | None = None
    fluence_pixel_nm: Annotated[float, Bounds("nm", 0.0, open_low=True)] = 1.0
    travel_nm: Annotated[float, Bounds("nm", 0.0)] | None = None
    bias_V: Annotated[float, Bounds("V", 0.0)] | None = None
    force_nN: Annotated[float, Bounds("nN", 0.0)] | None = None
    exclude: tuple[Zone, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing is limited, so that no request can be refused."""
        totals = (self.seconds, self.electrons, self.fluence_e_A2, self.travel_nm, self.bias_V, self.force_nN)
        return not self.exclude and all(limit is None for limit in totals)


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused; `final` when no later request can pass either, because a total is used up."""

    rule: str
    message: str
    final: bool = False


def needs_current(limits: Limits) -> bool:
    """Whether the limits are about dose, which cannot be kept account of without a known current."""
    return limits.electrons is not None or limits.fluence_e_A2 is not None


def require_current(capabilities: Capabilities) -> None:
    """Raise CalibrationUnknown where dose shall be limited on a beam of unknown current."""
    if capabilities.family == "STEM" and capabilities.calibration.current_pA is None:
        raise CalibrationUnknown(
            f"{capabilities.name}: the beam current is not known, so a dose limit cannot be kept; "
            "measure it and set it (current_pA), or drop the limit on electrons"
        )


def check(request: Request, price: Cost, account: Account, limits: Limits) -> Cost | Refusal:
    """The worst-case cost if the request may be carried out, else why not. Changes nothing."""
    for refusal in _refusals(request, price, account, limits):
        return refusal
    return price


def _refusals(request: Request, price: Cost, account: Account, limits: Limits) -> Iterator[Refusal]:
    yield from _totals(price, account, limits)
    yield from _peaks(request, limits)
    yield from _zones(request, limits)
    if limits.travel_nm is not None:
        travelled = account.travel_nm + account.travel_to(request)
        if travelled > limits.travel_nm:
            yield Refusal("travel", f"{travelled:.4g} nm travelled would exceed {limits.travel_nm:.4g} nm")
    if limits.fluence_e_A2 is not None:
        peak = account.peak_fluence_with(request, price.electrons)
        if peak > limits.fluence_e_A2:
            yield Refusal("fluence", f"peak fluence {peak:.4g} e/A^2 would exceed {limits.fluence_e_A2:.4g} e/A^2")


def _totals(price: Cost, account: Account, limits: Limits) -> Iterator[Refusal]:
    for name in ("seconds", "electrons"):
        limit, total = getattr(limits, name), getattr(account.booked, name) + getattr(price, name)
        if limit is not None and total > limit:
            yield Refusal(name, f"{total:.6g} {name} would exceed the account's {limit:.6g}", final=True)


def _peaks(request: Request, limits: Limits) -> Iterator[Refusal]:
    if limits.bias_V is not None and request.peak_bias_V() > limits.bias_V:
        yield Refusal("bias", f"{request.peak_bias_V():g} V exceeds {limits.bias_V:g} V")
    if limits.force_nN is not None and request.peak_force_nN() > limits.force_nN:
        yield Refusal("force", f"{request.peak_force_nN():g} nN exceeds {limits.force_nN:g} nN")


def _zones(request: Request, limits: Limits) -> Iterator[Refusal]:
    if not limits.exclude:
        return
    places = request.places_nm()
    for zone in limits.exclude:
        if len(places) and _distance_to_hull(places, np.array(zone.center_nm)) <= zone.radius_nm:
            x, y = zone.center_nm
            yield Refusal(
                "exclusion zone", f"{request.kind} touches the zone of {zone.radius_nm:g} nm at ({x:g}, {y:g})"
            )


def _distance_to_hull(corners: np.ndarray[tuple[int, ...], np.dtype[np.float64]], point: object) -> float:
    """Distance [nm] of a point to what the corners [n, 2] outline: 0 inside a polygon, a path counts as lines."""
    p = np.asarray(point, dtype=float)
    ends = np.roll(corners, -1, axis=0)
    along = ends - corners
    length2 = np.maximum((along**2).sum(-1), 1e-300)
    t = np.clip(((p - corners) * along).sum(-1) / length2, 0.0, 1.0)
    edges = float(np.linalg.norm(corners + t[:, None] * along - p, axis=-1).min())
    cross = along[:, 0] * (p - corners)[:, 1] - along[:, 1] * (p - corners)[:, 0]
    inside = len(corners) >= 3 and (np.all(cross >= 0) or np.all(cross <= 0))
    return 0.0 if inside else edges
