"""Electron microscopes' formats through RosettaSciIO (GPL-3.0): an extra, io-em, imported in this file alone."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import rsciio  # noqa: F401  the extra is asked for by its name before any of its plug-ins

from instruments.capabilities import Calibration
from instruments.replay.found import Contents, Found, FoundAxis, Wanted, role_of

_GATAN: Final = "digitalmicrograph"
PLUGINS: Final = {".hspy": "hspy", ".dm3": _GATAN, ".dm4": _GATAN, ".emd": "emd", ".ser": "tia"}


def read(path: Path, wanted: Wanted) -> Contents:
    """All images and grids of spectra in the file, with beam energy, current and convergence where it says."""
    plugin = importlib.import_module(f"rsciio.{PLUGINS[path.suffix.lower()]}")
    signals = plugin.file_reader(str(path))
    arrays = [_found(index, signal) for index, signal in enumerate(signals)]
    return Contents(tuple(a for a in arrays if a.values.ndim in (2, 3)), _calibration(signals))


def _found(index: int, signal: Mapping[str, Any]) -> Found:
    metadata = signal.get("metadata", {})
    title = str(_deep(metadata, "General", "title") or f"signal {index}")
    # "Electrons (Counts)" in HyperSpy's way of writing quantities.
    _, _, unit = str(_deep(metadata, "Signal", "quantity") or "").partition("(")
    values = np.asarray(signal["data"])
    axes = sorted(signal["axes"], key=lambda axis: axis.get("index_in_array", 0))
    return Found(title, title, unit.rstrip(") "), values, tuple(_axis(axis) for axis in axes))


def _axis(axis: Mapping[str, Any]) -> FoundAxis:
    name = str(axis.get("name") or "")
    unit = str(axis.get("units") or "")
    unit = "" if unit.strip("<>").lower() in ("undefined", "none", "px") else unit
    if "axis" in axis:
        values = np.asarray(axis["axis"], dtype=np.float64)
    else:
        values = float(axis["offset"]) + float(axis["scale"]) * np.arange(int(axis["size"]), dtype=np.float64)
    return FoundAxis(name, unit, values, role_of(name))


def _calibration(signals: list[dict[str, Any]]) -> Calibration:
    for signal in signals:
        tem = _deep(signal.get("metadata", {}), "Acquisition_instrument", "TEM")
        if isinstance(tem, Mapping):
            current_nA = tem.get("beam_current")
            return Calibration(
                current_pA=None if not current_nA else 1e3 * float(current_nA),
                beam_energy_keV=_number(tem.get("beam_energy")),
                convergence_mrad=_number(tem.get("convergence_angle")),
            )
    return Calibration()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _deep(mapping: Any, *names: str) -> Any:
    for name in names:
        if not isinstance(mapping, Mapping) or name not in mapping:
            return None
        mapping = mapping[name]
    return mapping
