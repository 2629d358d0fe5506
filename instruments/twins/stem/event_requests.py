"""What each request does to the worlds of the STEM microscope: from batches to kernels and back to results."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch, ResultBatch
from instruments.errors import InvalidRequest, OutOfReach
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.request_columns import Conditions, frames_of
from instruments.requests import ScanImage
from instruments.twins.later import Later
from instruments.twins.raster import pixel_centers
from instruments.twins.reach import column, shared, within
from instruments.twins.stem.event_frames import lines_of, offset_nm, part_of, pixels_of, row_frames, scanned, visits
from instruments.twins.stem.event_lenses import lenses_of, turned_to
from instruments.twins.stem.event_shares import FEW, drawn, shares_of
from instruments.twins.stem.world import (
    CLOCK,
    PARKED_X,
    PARKED_Y,
    SCALE,
    World,
)  # fmt: skip

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

Floats = NDArray[np.float64]
Done = tuple[World, ResultBatch]
MOST: Final = 2**24
"""Pixels or samples of one request."""
_NONE: Final = np.array([[0.0, 0.0, 0.0]])


def allowed(core: StemMicroscope, world: World, batch: RequestBatch) -> None:
    """Raise where a request cannot be carried out though it lies in the field and within limits."""
    if batch.kind == "MoveStage" and np.any(column(batch, "tilt_rad")):
        raise OutOfReach("stem_microscope: the stage does not tilt")
    if batch.kind in ("SetOptics", "SetAberrations"):
        lenses_of(world, batch)
    pixels = pixels_of(batch)
    if pixels > MOST:
        raise InvalidRequest(f"{batch.kind}: {pixels} pixels or samples in one request are too many: at most {MOST}")


def longest_s(core: StemMicroscope, batch: RequestBatch) -> tuple[Floats | float, float]:
    """Seconds with the beam on the sample, and seconds more."""
    kind = batch.kind
    if kind in ("SetOptics", "SetAberrations", "MoveStage"):
        return 0.0, core.settle_s
    if kind == "Register":
        return 0.0, core.latency_s
    if kind == "Dwell":
        return column(batch, "longest_s").astype(np.float64), core.latency_s
    if kind in ("PointSpectrum", "CameraFrame"):
        return float(shared(batch, "exposure_s")), core.latency_s
    if kind == "BeamPath":
        return column(batch, "points_nm").shape[1] * float(shared(batch, "dwell_s")), core.latency_s
    if kind == "LineScan":
        return int(shared(batch, "points")) * float(shared(batch, "dwell_s")) + core.flyback_s, core.latency_s
    rows, columns, dwell_s = scanned(batch)
    return rows * (columns * dwell_s + core.flyback_s), core.latency_s


def dwell(core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float) -> Done:
    """Park the beam, and watch."""
    places, longest = np.asarray(batch.each["position_nm"], dtype=np.float64), _longest(batch)
    sample_s = float(shared(batch, "sample_s"))
    most = float(longest[0]) if len(longest) == 1 else float(longest.max())
    _refuse_places(core, batch, places)
    if most > 600.0 or most / sample_s > MOST:
        within(core.describe(), batch)
        allowed(core, world, batch)
    rows = batch.rows
    trace, spent = np.empty((rows, math.ceil(most / sample_s - 1e-9))), np.empty(rows)
    samples, later = np.empty(rows, np.int64), rows >= FEW
    limit = np.inf if reached == 1.0 else _left(core, reached, most)
    after = _fresh(core, world)
    until, arrays = _until(batch), _arrays(after)
    idle = latency_s(core, reached, most)
    shares = shares_of(core, world)
    for block, first, last in shares:
        core.kernels.in_threads(
            core.threads, first, last, core.kernels.dwell, places, longest, sample_s, until, limit, idle, core.blanker,
            core.counting_noise, later, keys, world.site_keys, arrays, block, trace, samples, spent,
        )  # fmt: skip
    values: Mapping[str, Floats] = {"haadf": trace}
    if later:
        values = Later({"haadf": lambda: drawn(core, shares, core.kernels.draw_trace, keys, trace, samples)})
    return after, _result(core, world, batch.kind, values, _trace_axes(trace.shape[1], sample_s), spent, idle, places)


def atoms(core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float) -> Done:
    """Scan frames, and say which atoms stand in them."""
    centers, one = frames_of(batch)
    _refuse_frames(core, batch, centers, one)
    rows, (width, height) = batch.rows, one.size_nm
    frame = (width, height, float(one.shape[0]), float(one.shape[1]), one.dwell_s, core.flyback_s, one.rotation_rad)
    whole = one.shape[0] * (one.shape[1] * one.dwell_s + core.flyback_s)
    count = _room(core, width, height)
    position, intensity, species = np.empty((rows, count, 2)), np.empty((rows, count)), np.empty((rows, count))
    sites, doses, later = np.empty((rows, count), np.int64), np.empty(rows), rows >= FEW
    spent, after = np.empty(rows), _fresh(core, world)
    idle, arrays = latency_s(core, reached, whole), _arrays(after)
    limit = np.inf if reached == 1.0 else _left(core, reached, whole)
    shares = shares_of(core, world)
    for block, first, last in shares:
        core.kernels.in_threads(
            core.threads, first, last, core.kernels.look, centers, frame, limit, idle, core.blanker,
            core.counting_noise, later, keys, world.site_keys, arrays, block, position, intensity, species, sites,
            doses, spent,
        )  # fmt: skip
    values: Mapping[str, Floats] = {"position": position, "intensity": intensity, "species": species}
    if later:
        draw = core.kernels.draw_look
        own = {"intensity": lambda: drawn(core, shares, draw, keys, intensity, sites, doses)}
        values = Later({**values, **own})
    return after, _result(core, world, batch.kind, values, _atom_axes(count), spent, idle, centers)


def scan(core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float) -> Done:
    """Frames, parts of frames and lines, with all that a scan does wrong."""
    within(core.describe(), batch)
    allowed(core, world, batch)
    beam_s, idle = longest_s(core, batch)
    whole = float(np.max(beam_s))
    limit = np.inf if reached == 1.0 else _left(core, reached, whole)
    idle = latency_s(core, reached, whole)
    frames = row_frames(batch)
    rows, columns = part_of(batch, frames[0])
    after, spent, signals = _fresh(core, world), np.empty(batch.rows), []
    for row in range(batch.rows):
        lines = lines_of(core, world, frames[row], row, keys[row : row + 1], idle).part(rows, columns)
        places, seconds = visits(lines, frames[row].dwell_s, core.flyback_s)
        scaled = places * (1.0 + world.hidden[row, SCALE])
        signal = np.empty(len(places))
        spent[row] = _run(core, world, after, row, scaled, seconds, limit, idle, keys, signal)
        signals.append(signal.reshape(len(lines.starts_nm), -1)[:, 1:])
        after.moving[row, PARKED_X : PARKED_Y + 1] = places[-1]
    found = np.stack(signals)
    centers = np.array([frame.center_nm for frame in frames])
    if batch.kind == "LineScan":
        distance = Axis("distance", "nm", pixel_centers(frames[0].size_nm[0], found.shape[2]))
        return after, _result(
            core, world, batch.kind, {"haadf": found[:, 0]}, {"haadf": (distance,)}, spent, idle, centers
        )
    y, x = (
        pixel_centers(frames[0].size_nm[1], frames[0].shape[0]),
        pixel_centers(frames[0].size_nm[0], frames[0].shape[1]),
    )
    axes = {"haadf": (Axis("y", "nm", y[rows]), Axis("x", "nm", x[columns]))}
    return after, _result(core, world, batch.kind, {"haadf": found}, axes, spent, idle, centers)


def path(core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float) -> Done:
    """A beam that is parked at one place after the other."""
    within(core.describe(), batch)
    allowed(core, world, batch)
    points = np.array(column(batch, "points_nm"), dtype=np.float64)
    dwell_s, count = float(shared(batch, "dwell_s")), points.shape[1]
    whole = count * dwell_s
    limit = np.inf if reached == 1.0 else _left(core, reached, whole)
    idle, seconds = latency_s(core, reached, whole), np.full(count, dwell_s)
    after, spent, signal = _fresh(core, world), np.empty(batch.rows), np.empty((batch.rows, count))
    for row in range(batch.rows):
        time_s = world.moving[row, CLOCK] + idle + dwell_s * (np.arange(count) + 0.5)
        places = (1.0 + world.hidden[row, SCALE]) * points[row] + offset_nm(world, row, time_s, parked=True)
        spent[row] = _run(core, world, after, row, places, seconds, limit, idle, keys, signal[row])
        after.moving[row, PARKED_X : PARKED_Y + 1] = points[row, -1]
    axes = {"haadf": (Axis("point", "", np.arange(float(count))),)}
    return after, _result(core, world, batch.kind, {"haadf": signal}, axes, spent, idle, points.mean(axis=1))


def settle(core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float) -> Done:
    """Lenses, stage and registration: what they set, and the time that they take."""
    within(core.describe(), batch)
    allowed(core, world, batch)
    seconds = reached * longest_s(core, batch)[1]
    after = _fresh(core, world)
    for block, first, last in shares_of(core, world):
        core.kernels.rest(first, last, seconds, core.blanker, keys, world.site_keys, _arrays(after), block)
    after = turned_to(core, after, batch)
    return after, _result(
        core, world, batch.kind, {}, {}, np.zeros(batch.rows), seconds, np.full((batch.rows, 2), np.nan)
    )


def _recorded(core: StemMicroscope, world: World, batch: RequestBatch, keys: Keys, reached: float) -> Done:
    from instruments.twins.stem.event_detectors import park

    return park(core, world, batch, keys, reached)


PERFORMS: Final[Mapping[str, Callable[[StemMicroscope, World, RequestBatch, Keys, float], Done]]] = {
    "Dwell": dwell,
    "AtomPositions": atoms,
    **dict.fromkeys(("ScanImage", "SubScan", "LineScan"), scan),
    "BeamPath": path,
    **dict.fromkeys(("PointSpectrum", "CameraFrame"), _recorded),
    **dict.fromkeys(("SetOptics", "SetAberrations", "MoveStage", "Register"), settle),
}


def _fresh(core: StemMicroscope, world: World) -> World:
    """The world that a request changes: a copy, unless the twin works in place."""
    if core.in_place:
        return world.changed()
    return world.changed(
        moving=world.moving.copy(),
        species=world.species.copy(),
        bonding=world.bonding.copy(),
        landed=world.landed.copy(),
        log=world.log.copy(),
        booked=world.booked.copy(),
        remembered=world.remembered.copy(),
    )


def _arrays(world: World) -> tuple[Any, ...]:
    return (
        world.hidden, world.moving, world.species, world.bonding, world.landed, world.log, world.booked,
        world.remembered,
    )  # fmt: skip


def _run(
    core: StemMicroscope, world: World, after: World, row: int, places: Floats, seconds: Floats, limit_s: float,
    idle_s: float, keys: Keys, signal: Floats,
) -> float:  # fmt: skip
    """Exposures of one row."""
    spent: float = core.kernels.run(
        row, np.ascontiguousarray(places), seconds, limit_s, idle_s, core.blanker, core.counting_noise, keys,
        world.site_keys, _arrays(after), core.optics(world.aberrations_nm[row])[1], signal,
    )  # fmt: skip
    return spent


def latency_s(core: StemMicroscope, reached: float, beam_s: float) -> float:
    """Of the time before a request what was reached of it."""
    return min(core.latency_s, reached * (core.latency_s + beam_s))


def _left(core: StemMicroscope, reached: float, beam_s: float) -> float:
    """Seconds with the beam in a request that is ended early."""
    return max(reached * (core.latency_s + beam_s) - core.latency_s, 0.0)


def _result(
    core: StemMicroscope, world: World, kind: str, values: Mapping[str, Floats], axes: Mapping[str, tuple[Axis, ...]],
    beam_s: Floats, idle_s: float, where: Floats,
) -> ResultBatch:  # fmt: skip
    units = core.describe().channels[kind]
    cost, done = core.cost(world, beam_s, idle_s), np.empty(len(beam_s), dtype=bool)
    done.fill(True)
    return ResultBatch(kind, values, units, axes, done, cost, where)


def _longest(batch: RequestBatch) -> Floats:
    if "longest_s" in batch.each:
        return np.asarray(batch.each["longest_s"], dtype=np.float64)
    return np.full(batch.rows, float(batch.shared["longest_s"]))


def _until(batch: RequestBatch) -> Floats:
    """(low, high, samples) of every row, [B, 3]; samples 0 for no condition."""
    if "until" not in batch.each:
        one = batch.shared.get("until")
        values = (0.0, 0.0, 0.0) if one is None else (one.low, one.high, float(one.samples))
        return np.tile(np.array(values), (batch.rows, 1))
    wanted: Any = batch.each["until"]
    if isinstance(wanted, Conditions):
        return wanted.bands
    return np.array([(0.0, 0.0, 0.0) if u is None else (u.low, u.high, float(u.samples)) for u in wanted])


@lru_cache(maxsize=1024)
def _trace_axes(count: int, sample_s: float) -> dict[str, tuple[Axis, ...]]:
    times = (np.arange(count) + 0.5) * sample_s
    times.flags.writeable = False
    return {"haadf": (Axis("time", "s", np.asarray(times)),)}


@cache
def _atom_axes(count: int) -> dict[str, tuple[Axis, ...]]:
    atom = Axis("atom", "", np.arange(float(count)))
    return {"position": (atom, Axis("coordinate", "", np.arange(2.0))), "intensity": (atom,), "species": (atom,)}


def _room(core: StemMicroscope, width: float, height: float) -> int:
    """No fewer than the atoms of any frame of a size."""
    sites = core.sites
    density = max(len(sites) / (sites.extent_nm[0] * sites.extent_nm[1]), 38.2)
    return min(int(1.05 * density * width * height + 10.0 * (width + height) + 8), len(sites))


def _refuse_places(core: StemMicroscope, batch: RequestBatch, places: Floats) -> None:
    width, height = core.sites.extent_nm
    if not core.kernels.inside(places, width / 2, height / 2):
        within(core.describe(), batch)


def _refuse_frames(core: StemMicroscope, batch: RequestBatch, centers: Floats, one: ScanImage) -> None:
    (width, height), half = one.size_nm, core.sites.extent_nm
    turned = one.rotation_rad != 0.0
    if turned or not core.kernels.inside(centers, half[0] / 2 - width / 2, half[1] / 2 - height / 2):
        within(core.describe(), batch)
    if not 1e-8 <= one.dwell_s <= 100.0 or one.shape[0] * one.shape[1] > MOST:
        pixels = one.shape[0] * one.shape[1]
        raise InvalidRequest(f"{batch.kind}: {pixels} pixels of {one.dwell_s:g} s: at most {MOST}, from 1e-8 to 100 s")
