"""Units of length and of bias as files spell them."""

from __future__ import annotations

from typing import Final

NM: Final = {
    "m": 1e9, "meter": 1e9, "meters": 1e9, "metre": 1e9, "metres": 1e9,
    "mm": 1e6,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3, "micrometre": 1e3,
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "\u00c5": 0.1, "\u212b": 0.1, "angstrom": 0.1, "angstroms": 0.1, "Angstrom": 0.1, "ang": 0.1,
    "pm": 1e-3,
}  # fmt: skip
"""Length [nm] of each unit. "A" is left out: it is an ampere as often as an angstrom."""

VOLT: Final = {"V": 1.0, "v": 1.0, "volt": 1.0, "volts": 1.0, "Volts": 1.0, "Volt": 1.0, "mV": 1e-3, "kV": 1e3}
"""Bias [V] of each unit; any other unit is no bias."""
