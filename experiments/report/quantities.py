"""Numbers as people read them: few significant digits, SI prefixes, minutes and hours."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MISSING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PREFIX = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
_EXPONENT = re.compile(r"\^(-?\d+)(?![.\d])")
_TAKES_PREFIX = {"A", "C", "F", "Hz", "J", "N", "Pa", "S", "V", "W", "eV", "m", "s"}


@dataclass(frozen=True)
class Scale:
    """A unit to show numbers in: shown = factor * number, with `unit` behind it."""

    factor: float
    unit: str

    def shown(self, values: ArrayLike) -> NDArray[np.float64]:
        """The numbers in the shown unit."""
        return np.asarray(values, dtype=float) * self.factor

    def label(self, name: str) -> str:
        """An axis label or a column head: name [unit]."""
        return f"{name} [{self.unit}]" if self.unit else name

    def text(self, value: float, digits: int = 4) -> str:
        """The number without its unit."""
        return number(value * self.factor, digits)

    def quantity(self, value: float) -> str:
        """The number with its unit; a power of ten in the unit goes to the number."""
        joint = "×" if self.unit.startswith("10") else " "
        return f"{self.text(value)}{joint}{self.unit}".strip() if math.isfinite(value) else MISSING


def scale_of(values: ArrayLike, unit: str) -> Scale:
    """The scale in which the largest finite |value| is between 1 and 1000, or the numbers as they are if near."""
    magnitude = np.abs(np.asarray(values, dtype=float))
    magnitude = magnitude[np.isfinite(magnitude) & (magnitude > 0)]
    if not len(magnitude):
        return Scale(1.0, unit)
    largest = float(magnitude.max())
    exponent = 3 * math.floor(math.log10(largest) / 3)
    if unit in _TAKES_PREFIX and exponent in _PREFIX:
        return Scale(10.0**-exponent, _PREFIX[exponent] + unit)
    if 0.01 <= largest < 1e5:
        return Scale(1.0, unit)
    return Scale(10.0**-exponent, f"10{_power(exponent)} {unit}".strip())


def unit_text(unit: str) -> str:
    """A unit as it is shown: without the marks that some files set it in TeX with, and with raised exponents."""
    plain = re.sub(r"[${}]", "", unit)
    return _EXPONENT.sub(lambda found: _power(int(found[1])), plain)


def length_scale(span_nm: float) -> Scale:
    """Nanometres, or micrometres for spans of two and more."""
    return Scale(1e-3, "µm") if span_nm >= 2000 else Scale(1.0, "nm")


def time_scale(longest_s: float) -> Scale:
    """Seconds, minutes or hours, for an axis that ends at `longest_s`."""
    if longest_s >= 3 * 3600:
        return Scale(1 / 3600, "h")
    return Scale(1 / 60, "min") if longest_s >= 180 else Scale(1.0, "s")


def number(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits; very large and small ones as a power of ten."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}×10{_power(int(exponent))}".replace("-", "−")
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{decimals}f}".replace(",", " ").replace("-", "−")


def count(many: float) -> str:
    """A whole number, in groups of three digits."""
    return f"{round(many):,}".replace(",", " ")


def quantity(value: float, unit: str, digits: int = 4) -> str:
    """A number with its unit, with an SI prefix where the unit takes one."""
    if not math.isfinite(value):
        return MISSING
    scale = scale_of([value], unit) if unit in _TAKES_PREFIX else Scale(1.0, unit)
    return f"{scale.text(value, digits)} {scale.unit}".strip()


def duration(seconds: float) -> str:
    """Seconds as ms, s, min or h."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 120:
        return quantity(seconds, "s", 3)
    whole = round(seconds)
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def electrons(count: float) -> str:
    """A number of electrons with two significant digits: more are not known."""
    return f"{number(count, 2)} e⁻" if math.isfinite(count) else MISSING


def position(place_nm: tuple[float, float] | None, scale: Scale) -> str:
    """(x, y) in the given length scale, to a thousandth of what is usual to see."""
    if place_nm is None or not all(math.isfinite(v) for v in place_nm):
        return MISSING
    digits = 3 if scale.unit == "µm" else 1
    x, y = (f"{v * scale.factor:.{digits}f}".replace("-", "−") for v in place_nm)
    return f"({x}, {y})"


def _power(exponent: int) -> str:
    return str(exponent).translate(_SUPERSCRIPT)
