"""Igor's binary waves, version 5, as Asylum's software writes its images: what a driver needs of them.

The layout is WaveMetrics' public one (Technical Note 003): headers of 64 and 320 bytes, numbers, a note, labels.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instruments.errors import DataInvalid

_BIN, _WAVE = 64, 320
_LABEL = 32
_TYPES = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 72: "u1", 80: "u2", 96: "u4"}


@dataclass(frozen=True)
class Wave:
    """Layers by label, each [x, y] as Igor keeps them; the step of every axis; the note's lines "name: value"."""

    layers: Mapping[str, NDArray[np.float64]]
    scale: tuple[float, ...]
    note: Mapping[str, str]


def read_wave(content: bytes) -> Wave:
    """A wave of two or three dimensions; raises DataInvalid for whatever else, and for a part of one."""
    if len(content) < _BIN + _WAVE:
        raise DataInvalid(f"{len(content)} bytes are no Igor wave")
    order = "<" if content[:2] == b"\5\0" else ">"
    version, _, size, formula, note, units, *rest = struct.unpack(f"{order}hh4i4i4i3i", content[:_BIN])
    if version != 5:
        raise DataInvalid(f"an Igor wave of version {version}: this reader knows version 5")
    axis_units, labels = sum(rest[:4]), list(rest[4:8])
    dims = struct.unpack(f"{order}4i", content[_BIN + 68 : _BIN + 84])
    scale = struct.unpack(f"{order}4d", content[_BIN + 84 : _BIN + 116])
    (kind,) = struct.unpack(f"{order}h", content[_BIN + 16 : _BIN + 18])
    shape = tuple(n for n in dims if n > 0)
    if kind not in _TYPES or len(shape) not in (2, 3):
        raise DataInvalid(f"an Igor wave of type {kind} and shape {shape} is no image")
    dtype = np.dtype(order + _TYPES[kind])
    end = _BIN + _WAVE + dtype.itemsize * math.prod(shape)
    if len(content) < _BIN + size + formula + note + units + axis_units + sum(labels) or end > _BIN + size:
        raise DataInvalid(f"only a part of an Igor wave: {len(content)} bytes")
    values = np.frombuffer(content[_BIN + _WAVE : end], dtype).reshape(shape, order="F").astype(np.float64)
    at = _BIN + size + formula
    text = content[at : at + note].decode("utf-8", "replace")
    names = _names(content[at + note + units + axis_units :], labels, 1 if len(shape) == 2 else shape[2])
    layers = values[:, :, None] if len(shape) == 2 else values
    return Wave({name: layers[:, :, k] for k, name in enumerate(names)}, scale[: len(shape)], _lines(text))


def _names(content: bytes, sizes: list[int], layers: int) -> list[str]:
    """Labels of the third axis: one for all of it, then one for each layer."""
    own = content[sum(sizes[:2]) : sum(sizes[:3])]
    names = [own[i : i + _LABEL].split(b"\0")[0].decode("utf-8", "replace") for i in range(0, len(own), _LABEL)][1:]
    return [names[k] if k < len(names) and names[k] else f"layer {k}" for k in range(layers)]


def _lines(text: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in text.split("\r") if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}
