"""An image of Asylum's software as a measurement's channels: it must say of itself what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid
from instruments.measurement import Axis, Channel
from instruments.requests import ScanImage
from instruments.templates.ibw import Wave

Named = tuple[str, str, str, float]
"""Label in the file, channel, unit, factor."""
CHANNELS: tuple[Named, ...] = (
    ("HeightRetrace", "height", "nm", 1e9),
    ("AmplitudeRetrace", "amplitude", "nm", 1e9),
    ("DeflectionRetrace", "deflection", "nm", 1e9),
    ("PhaseRetrace", "phase", "deg", 1.0),
)
NOTED = ("ScanSize", "XOffset", "YOffset", "ScanAngle", "ScanRate")
"""What the note of an image must say."""


def channels_of(
    wave: Wave, request: ScanImage, asked: Mapping[str, float], channels: Sequence[Named], *, low_first: bool
) -> dict[str, Channel]:
    """The channels that were asked for, row 0 at the smallest y; raises DataInvalid for another image, or a part."""
    _same(wave, asked)
    known = {label: (name, unit, factor) for label, name, unit, factor in channels}
    found = {}
    for label, layer in wave.layers.items():
        if label in known:
            name, unit, factor = known[label]
            rows = layer.T if low_first else layer.T[::-1]
            found[name] = Channel(_whole(label, rows, request) * factor, unit, _axes(request))
    missing = set(request.channels) - set(found)
    if missing or not found:
        raise DataInvalid(f"no {', '.join(sorted(missing)) or 'known channel'} in a file of {', '.join(wave.layers)}")
    return {name: found[name] for name in request.channels or found}


def near(name: str, asked: float) -> float:
    """How far from what was asked a value may be: the software rounds rates to what its clock gives."""
    return {"ScanRate": 0.01 * asked, "ScanSize": 1e-3 * asked, "ScanAngle": 1e-3}.get(name, 1e-11)


def _same(wave: Wave, asked: Mapping[str, float]) -> None:
    for name in NOTED:
        try:
            noted = float(wave.note[name])
        except (KeyError, ValueError):
            raise DataInvalid(f"the image's own note does not say {name}") from None
        if not abs(noted - asked[name]) <= near(name, asked[name]):
            raise DataInvalid(f"the image's own note says {name} {noted:g}, asked was {asked[name]:g}")


def _whole(label: str, rows: NDArray[np.float64], request: ScanImage) -> NDArray[np.float64]:
    if rows.shape != request.shape or not np.all(np.isfinite(rows)):
        raise DataInvalid(f"{label}: {rows.shape} came for {request.shape}, or only a part was scanned")
    return np.ascontiguousarray(rows)


def _axes(request: ScanImage) -> tuple[Axis, Axis]:
    sides = (("y", request.shape[0], request.size_nm[1]), ("x", request.shape[1], request.size_nm[0]))
    y, x = (Axis(name, "nm", (np.arange(n) + 0.5) / n * size - size / 2) for name, n, size in sides)
    return (y, x)
