"""Dwells with a detector's trace: scans of no extent around one place, one line at a time, the beam blanked between.

Swift records no detector while its probe is parked, so the scan is made to stand still: a line of a thousandth of a
nanometre, whose pixels are the trace. Lines are short, so that what the trace shows ends a dwell in time; each of them
is whole or nothing, as every frame is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instruments.errors import NotSupported, OutOfReach, Stopped
from instruments.measurement import Axis, Channel
from instruments.nion.arrays import all_there, as_asked
from instruments.nion.microscope import Microscope, Raster
from instruments.nion.scans import Scans
from instruments.nion.watch import Watch
from instruments.requests import Dwell, Until
from instruments.vendor import Channels

Floats = NDArray[np.float64]
_EXTENT_NM = 1e-3
_PIXELS = 4096
"""Most in a line."""
_SAMPLES = 100_000
_FLYBACK = 2


class Line(NamedTuple):
    """So many samples in one scan, of so many pixels each."""

    samples: int
    pixels: int
    pixel_s: float

    @property
    def exposed_s(self) -> float:
        """With the flyback, which stands where the line does."""
        return (self.samples * self.pixels + _FLYBACK) * self.pixel_s


@dataclass
class Trace:
    """What was seen so far, and the seconds that it took."""

    channels: Channels
    seconds: float
    complete: bool


class Dwells:
    """The parked beam of one stack.

    `line_s` is how long a line may be, `pixel_s` how long a pixel, `overhead_s` what a line takes on top of both.
    """

    def __init__(self, stack: Microscope, scans: Scans, *, line_s: float, pixel_s: float, overhead_s: float) -> None:
        self._stack, self._scans = stack, scans
        self._line_s, self._pixel_s, self._overhead_s = line_s, pixel_s, overhead_s

    def check(self, request: Dwell) -> None:
        """Raise NotSupported where its condition is on no channel, OutOfReach where it has too many samples."""
        until, known = request.until, self._scans.channels
        if until is not None and until.channel not in known:
            raise NotSupported(f"a dwell cannot end on {until.channel!r}: there are {', '.join(sorted(known))}")
        count = request.longest_s / request.sample_s
        if count > _SAMPLES:
            raise OutOfReach(f"a trace of {count:.3g} samples: at most {_SAMPLES}")

    def seconds(self, request: Dwell) -> float:
        """Of the whole dwell."""
        return sum(line.exposed_s + self._overhead_s for line in self._lines(request))

    def record(self, request: Dwell, watch: Watch, beam: Callable[[bool], None]) -> Trace:
        """The trace, NaN where it was not reached; `beam` lets the beam through and blanks it.

        It ends with the line in which the condition came true. One that is stopped keeps its whole lines; Stopped where
        there is none.
        """
        wanted, count = self._scans.channels, math.ceil(request.longest_s / request.sample_s - 1e-9)
        traces = {name: np.full(count, np.nan) for name in wanted}
        done, spent_s, outside, complete = 0, 0.0, 0, True
        for line in self._lines(request):
            try:
                watch.judge("dwell")
                spent_s += line.exposed_s + self._overhead_s
                found = self._line(request, line, watch, beam)
            except Stopped:
                if not done:
                    raise
                complete = False
                break
            for name, values in found.items():
                traces[name][done : done + line.samples] = values
            done += line.samples
            if request.until is not None:
                outside = _outside(found[request.until.channel], request.until, outside)
                if outside >= request.until.samples:
                    break
        times: Floats = (np.arange(count, dtype=np.float64) + 0.5) * request.sample_s
        time = Axis("time", "s", times)
        return Trace({n: Channel(v, wanted[n], (time,)) for n, v in traces.items()}, spent_s, complete)

    def _line(self, request: Dwell, line: Line, watch: Watch, beam: Callable[[bool], None]) -> dict[str, Floats]:
        """Counts [samples] of every channel; the beam is on for this line alone."""
        raster = self._raster(request, line)
        try:
            beam(True)
            found = self._stack.scan(raster)
        except Exception:
            watch.judge("dwell")
            raise
        finally:
            beam(False)
        watch.judge("dwell")  # what an abort released looks like a line, and is none
        names = self._scans.channels
        samples = {}
        for name, taken in zip(names, all_there(found, len(names)), strict=True):
            as_asked(taken, raster, raster.shape, name)
            values = np.asarray(taken.values, dtype=np.float64)
            samples[name] = values.reshape(line.samples, line.pixels).sum(axis=1)
        return samples

    def _lines(self, request: Dwell) -> list[Line]:
        """All lines of a dwell: as many whole samples as fit, and a shorter one for the rest of the time."""
        whole = math.floor(request.longest_s / request.sample_s + 1e-9)
        rest_s = request.longest_s - whole * request.sample_s
        pixels = math.ceil(request.sample_s / self._pixel_s - 1e-9)
        most = max(1, min(int(self._line_s / request.sample_s + 1e-9), _PIXELS // pixels))
        lengths = [most] * (whole // most) + ([whole % most] if whole % most else [])
        lines = [Line(length, pixels, request.sample_s / pixels) for length in lengths]
        if rest_s > 1e-6 * request.sample_s:
            pixels = math.ceil(rest_s / self._pixel_s - 1e-9)
            lines.append(Line(1, pixels, rest_s / pixels))
        return lines

    def _raster(self, request: Dwell, line: Line) -> Raster:
        columns = line.samples * line.pixels
        return self._scans.raster_at(request.position_nm, _EXTENT_NM / columns**2, (1, columns), line.pixel_s)


def _outside(trace: Floats, until: Until, before: int) -> int:
    """Samples in a row outside the band, at the end of the trace or where they were enough."""
    for value in trace:
        before = before + 1 if value < until.low or value > until.high else 0
        if before >= until.samples:
            break
    return before
