"""Each check of the conformance suite is broken on purpose, so that none of them is one that cannot fail."""

import dataclasses
import math
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instruments.capabilities import Capabilities
from instruments.check import check
from instruments.check.checks import CHECKS
from instruments.check.report import CheckFailed
from instruments.cost import Cost
from instruments.embedded import Embedded
from instruments.errors import InstrumentError
from instruments.measurement import Measurement
from instruments.requests import KINDS, PointSpectrum, Request
from instruments.seam import Instrument, Stop
from instruments.twins.flat import Flat
from physics_priors.bounds import Bounds

PLACE = PointSpectrum((0.0, 0.0), 0.1)
NEVER = threading.Event()


class Sound(Embedded):
    """Conforms; the others break one thing each."""

    def __init__(self) -> None:
        super().__init__(Flat(noise=0.1))


class Restless(Sound):
    calls = 0

    def describe(self) -> Capabilities:
        self.calls += 1
        return dataclasses.replace(super().describe(), name=f"flat {self.calls}")


class Undeclared(Sound):
    def describe(self) -> Capabilities:
        return dataclasses.replace(super().describe(), channels={})


class OtherUnit(Sound):
    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        measurement = super().acquire(request, id=id, stop=stop)
        channels = {n: dataclasses.replace(c, unit="A") for n, c in measurement.channels.items()}
        return dataclasses.replace(measurement, channels=channels)


class Underpriced(Sound):
    def price(self, request: Request) -> Cost:
        return super().price(request).scaled(0.99)


class NegativePrice(Sound):
    def price(self, request: Request) -> Cost:
        return dataclasses.replace(super().price(request), bias_V_s=math.nan)


class Substituting(Sound):
    """Answers what it cannot do with what it can."""

    def price(self, request: Request) -> Cost:
        return super().price(request if request.kind == "PointSpectrum" else PLACE)


class Clipping(Sound):
    """Moves a place outside of the field to its border."""

    def _inside(self, request: Request) -> Request:
        position = getattr(request, "position_nm", None)
        if position is None or not all(map(math.isfinite, position)):
            return request
        x, y = np.clip(position, -500, 500)
        return dataclasses.replace(request, position_nm=(float(x), float(y)))  # type: ignore[call-arg]

    def price(self, request: Request) -> Cost:
        return super().price(self._inside(request))

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        return super().acquire(self._inside(request), id=id, stop=stop)


class MovesFirst(Sound):
    """Looks at the place only after it has moved."""

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        try:
            return super().acquire(request, id=id, stop=stop)
        except InstrumentError:
            self._world = dataclasses.replace(self._world, probe_nm=self._world.probe_nm + 1.0)
            raise


class Boasting(Sound):
    """Declares a limit that it does not hold."""

    def describe(self) -> Capabilities:
        return dataclasses.replace(super().describe(), limits={"exposure_s": Bounds("s", 1e-6, 1.0)})


class Fixed(Sound):
    """Declares a setting that it does not insist on."""

    def describe(self) -> Capabilities:
        return dataclasses.replace(super().describe(), settings={"PointSpectrum": {"exposure_s": 0.5}})


class Trusting(Sound):
    """Does not look at a request again."""

    def price(self, request: Request) -> Cost:
        return super().price(PLACE)

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        return super().acquire(PLACE, id=id, stop=stop)


class Repeating(Sound):
    """Carries an id out again."""

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        self._done.pop(id, None)
        return super().acquire(request, id=id, stop=stop)


class Forgetful(Sound):
    def lookup(self, id: str) -> Measurement | None:
        return None


class Inventive(Sound):
    def lookup(self, id: str) -> Measurement | None:
        return super().lookup(id) or self.acquire(PLACE, id="made up", stop=NEVER)


class Deaf(Sound):
    """Never asks whether to stop."""

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        return super().acquire(request, id=id, stop=NEVER)


class Unsafe(Sound):
    def make_safe(self) -> None:
        pass


class Locked(Sound):
    """Lets make_safe wait for the acquisition to end."""

    def make_safe(self) -> None:
        with self._busy:
            super().make_safe()


class Dead(Sound):
    """Does nothing more after make_safe."""

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        if self._safe.is_set():
            raise InstrumentError("safe for good")
        return super().acquire(request, id=id, stop=stop)


class Hanging(Sound):
    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        time.sleep(5)
        return super().acquire(request, id=id, stop=stop)


class ZeroFilling(Sound):
    """Fills what was not reached with zeros."""

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        measurement = super().acquire(request, id=id, stop=stop)
        channels = {n: dataclasses.replace(c, values=np.nan_to_num(c.values)) for n, c in measurement.channels.items()}
        filled = dataclasses.replace(measurement, channels=channels)
        self._done[id] = (self._done[id][0], filled)
        return filled


class Pretending(Sound):
    """Says that what was stopped is complete."""

    def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
        measurement = dataclasses.replace(super().acquire(request, id=id, stop=stop), complete=True)
        self._done[id] = (self._done[id][0], measurement)
        return measurement


class Seedless(Sound):
    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        super().reset(0, scenario)


class Drawing(Sound):
    drawn = 0

    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        self.drawn += 1
        super().reset(self.drawn, scenario)


class Remembering(Sound):
    def reset(self, seed: int, scenario: Mapping[str, Any]) -> None:
        done = self._done
        super().reset(seed, scenario)
        self._done = done


class Amnesiac(Sound):
    """Its snapshot lacks the count of requests."""

    def snapshot(self) -> Mapping[str, Any]:
        return {**super().snapshot(), "requests": 0}


class Heavy(Sound):
    def snapshot(self) -> Mapping[str, Any]:
        return {**super().snapshot(), "ballast": np.zeros(1_000_000)}


class Pickled(Sound):
    def snapshot(self) -> Mapping[str, Any]:
        return {**super().snapshot(), "event": threading.Event()}


class Open(Sound):
    def close(self) -> None:
        pass


class OnceClosed(Sound):
    def close(self) -> None:
        self._open()
        super().close()


BROKEN = {
    Restless: "describes_itself",
    Undeclared: "describes_itself",
    OtherUnit: "results_carry_declared_units",
    Underpriced: "price_bounds_cost",
    NegativePrice: "price_bounds_cost",
    Substituting: "unsupported_is_refused",
    Clipping: "out_of_reach_is_refused",
    MovesFirst: "out_of_reach_is_refused",
    Boasting: "limits_are_held",
    Fixed: "settings_are_held",
    Trusting: "invalid_is_refused",
    Repeating: "ids_are_idempotent",
    Forgetful: "lookup_tells",
    Inventive: "lookup_tells",
    Deaf: "stop_is_heeded",
    ZeroFilling: "stop_is_heeded",
    Pretending: "stop_is_heeded",
    Unsafe: "make_safe_is_heeded",
    Locked: "make_safe_is_heeded",
    Dead: "make_safe_is_not_final",
    Hanging: "results_carry_declared_units",
    Seedless: "reset_is_deterministic",
    Drawing: "reset_is_deterministic",
    Remembering: "reset_is_deterministic",
    Amnesiac: "snapshots_restore",
    Heavy: "snapshots_restore",
    Pickled: "snapshots_restore",
    Open: "close_is_final",
    OnceClosed: "close_is_final",
}


def test_a_sound_instrument_passes_everything_that_applies() -> None:
    report = check(Sound())
    assert report.ok
    assert {f.name for f in report.findings if f.outcome == "skipped"} == {"settings_are_held"}
    assert isinstance(Sound(), Instrument)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_instrument_is_found_out(broken: type[Embedded]) -> None:
    report = check(broken(), patience_s=0.2)
    assert BROKEN[broken] in report.failed
    with pytest.raises(CheckFailed, match=BROKEN[broken]):
        report.raise_for_failures()


def test_every_check_is_broken_at_least_once() -> None:
    assert set(BROKEN.values()) == {test.__name__ for test in CHECKS}


def test_requests_of_ones_own_are_tried_instead_of_the_examples() -> None:
    asked = []

    class Listening(Sound):
        def acquire(self, request: Request, *, id: str, stop: Stop) -> Measurement:
            asked.append(request)
            return super().acquire(request, id=id, stop=stop)

    assert check(Listening(), [PLACE]).ok
    assert PLACE in asked
    assert {r.exposure_s for r in asked if isinstance(r, PointSpectrum)} <= {0.1, math.inf, 7201.0}


def test_the_report_says_what_is_wrong_in_one_line_each() -> None:
    lines = str(check(Underpriced())).splitlines()
    assert lines[0] == "flat"
    assert len(lines) == 1 + len(CHECKS)
    assert any("failed" in line and "priced at" in line for line in lines)


def test_from_a_shell(checkout: Path) -> None:
    def run(target: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "instruments.check", target]
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=120, check=False)

    sound = run("instruments.twins.flat:Flat")
    assert sound.returncode == 0
    assert "passed  close_is_final" in sound.stdout
    unknown = run("instruments.twins.flat:Flt")
    assert unknown.returncode == 2
    assert "cannot be built" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def test_every_kind_of_request_is_known_to_the_examples() -> None:
    from instruments.check.examples import _MAKERS

    assert set(_MAKERS) == set(KINDS)
