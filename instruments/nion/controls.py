"""Controls of the column: looked for before they are used, set, read back, in the project's names and nm."""

from __future__ import annotations

import math
from collections.abc import Mapping

from instruments.errors import HardwareFault, NotSupported, OutOfReach
from instruments.nion.microscope import Microscope
from instruments.nion.site import Site
from instruments.requests import MoveStage, Register, SetAberrations, SetOptics

_M = 1e-9
_FOLLOWS = 1e-6
"""A control follows where it reads what was asked to this part."""
_THIRD_ORDER = {"C3": 100.0, "S3": 100.0, "A3": 100.0}
Pair = tuple[float, float]


class Controls:
    """Blanker, stage and aberrations by the site's map. Raises HardwareFault where a control does not exist."""

    def __init__(self, stack: Microscope, site: Site) -> None:
        self._stack, self._site = stack, site
        missing = [name for name in site.controls if stack.value(name) is None]
        if missing:
            raise HardwareFault(f"this column has no control {', '.join(missing)}: correct the site map")
        self._stage_m, self._registered_nm = self._stage_now_m(), (0.0, 0.0)
        self._start_nm = {name: self._aberration_nm(name) for name in site.aberrations}

    def calibration(self) -> dict[str, float]:
        """Current [pA], energy [keV] and convergence [mrad] as the column says them."""
        site = self._site
        return {
            "current_pA": 1e12 * self._value(site.current),
            "energy_keV": 1e-3 * self._value(site.energy),
            "convergence_mrad": 1e3 * self._value(site.convergence),
        }

    def state(self) -> dict[str, float]:
        """Read-back values for a measurement."""
        x, y = self.moved_nm()
        real = {f"{name}_nm": self._aberration_nm(name)[0] for name in self._site.aberrations}
        return {"stage_x_nm": x, "stage_y_nm": y, "blanked": self._value(self._site.blanker), **real}

    def blank(self) -> None:
        """Blank the beam; raises HardwareFault where it does not say that it is."""
        self._set(self._site.blanker, 1.0)

    def unblank(self) -> None:
        """Let the beam through."""
        self._set(self._site.blanker, 0.0)

    def moved_nm(self) -> Pair:
        """Where the stage is, from where it was at the start."""
        (x, y), (x0, y0) = self._stage_now_m(), self._stage_m
        return (x - x0) / _M, (y - y0) / _M

    def register(self, request: Register) -> None:
        """Remember where the sample is from where the stage says that it is."""
        self._registered_nm = request.shift_nm

    def offset_nm(self) -> Pair:
        """What is added to a place of the sample to get the place of the scan."""
        (x, y), (dx, dy) = self.moved_nm(), self._registered_nm
        return x + dx, y + dy

    def check_stage(self, request: MoveStage) -> None:
        """Raise where the stage cannot, or shall not, go."""
        if request.shift_nm[2] or any(request.tilt_rad):
            raise NotSupported("the stage moves along x and y from here, and does not tilt")
        reach = self._site.stage_range_nm
        for now, step in zip(self.moved_nm(), request.shift_nm, strict=False):
            if abs(now + step) > reach:
                raise OutOfReach(f"the stage may be {reach:g} nm from its start, not {now + step:g}")

    def move_stage(self, request: MoveStage) -> None:
        """Move by the request's (x, y)."""
        for name, now, step in zip(self._site.stage, self._stage_now_m(), request.shift_nm, strict=False):
            self._set(name, now + step * _M)

    def check_aberrations(self, request: SetAberrations) -> None:
        """Raise where an aberration is unknown here or would go too far."""
        self._check_names(dict(zip(request.names, request.values_nm, strict=True)))
        for name, pair in self.targets(request).items():
            reach = self._site.aberration_range_nm * _THIRD_ORDER.get(name, 1.0)
            if not math.hypot(*pair) <= reach:
                raise OutOfReach(f"{name} may be {reach:g} nm, not {math.hypot(*pair):g}")

    def check_optics(self, request: SetOptics) -> None:
        """Raise NotSupported where a lens has no control here; the current has none."""
        if request.current_pA is not None:
            raise NotSupported("the current is what the column says: it cannot be set from here")
        self._check_names(_of_optics(request))

    def set_optics(self, request: SetOptics) -> None:
        """Set defocus, astigmatism and coma, as far as they are given."""
        self.set_aberrations(_of_optics(request))

    def set_lenses(self, request: SetAberrations) -> None:
        """Set aberrations, from where they are or from the start."""
        self.set_aberrations(self.targets(request))

    def targets(self, request: SetAberrations) -> dict[str, Pair]:
        """Where each aberration shall be [nm]: from where it is, or from where it was at the start."""
        found = {}
        for name, (a, b) in zip(request.names, request.values_nm, strict=True):
            x, y = self._aberration_nm(name) if request.relative else self._start_nm[name]
            found[name] = (x + a, y + b)
        return found

    def set_aberrations(self, values_nm: Mapping[str, Pair]) -> None:
        """Set aberrations by CEOS name, as (real, imaginary) parts."""
        for name, pair in values_nm.items():
            controls, factor = self._site.aberrations[name]
            for control, value in zip(controls, pair, strict=False):
                self._set(control, factor * value * _M)

    def _check_names(self, values_nm: Mapping[str, Pair]) -> None:
        unknown = set(values_nm) - set(self._site.aberrations)
        if unknown:
            raise NotSupported(f"no control for {', '.join(sorted(unknown))}; for {', '.join(self._site.aberrations)}")
        for name, (_, imaginary) in values_nm.items():
            if imaginary and len(self._site.aberrations[name][0]) == 1:
                raise NotSupported(f"{name} has one control here, for its real part: the imaginary one must be 0")

    def _aberration_nm(self, name: str) -> Pair:
        controls, factor = self._site.aberrations[name]
        parts = [self._value(control) / factor / _M for control in controls]
        return (parts[0], parts[1] if len(parts) > 1 else 0.0)

    def _stage_now_m(self) -> Pair:
        x, y = self._site.stage
        return self._value(x), self._value(y)

    def _value(self, control: str) -> float:
        value = self._stack.value(control)
        if value is None:
            raise HardwareFault(f"the control {control} is gone")
        return value

    def _set(self, control: str, value: float) -> None:
        if not self._stack.set(control, value):
            raise HardwareFault(f"the column took no value for {control}")
        got = self._value(control)
        if not math.isclose(got, value, rel_tol=_FOLLOWS, abs_tol=1e-15):
            raise HardwareFault(f"{control} was set to {value:g} and reads {got:g}")


def _of_optics(request: SetOptics) -> dict[str, Pair]:
    """Aberrations [nm] by CEOS name that the request sets."""
    chosen = {"C1": request.defocus_nm, "A1": request.astigmatism_nm, "B2": request.coma_nm}
    return {n: v if isinstance(v, tuple) else (v, 0.0) for n, v in chosen.items() if v is not None}
