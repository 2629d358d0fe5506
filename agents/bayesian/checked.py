"""Options that must be one of a few words, an odd number or a positive one: what is not is refused in one line."""

from __future__ import annotations

import math
from typing import Any, get_args


def must_be_one_of(name: str, value: str, allowed: Any) -> None:
    """Raises ValueError unless `value` is one of the words of the Literal `allowed`."""
    if value not in get_args(allowed):
        raise ValueError(f"{name} must be one of {', '.join(get_args(allowed))}, got {value!r}")


def must_have_a_centre(patch_pixels: int) -> None:
    """Raises ValueError unless patches of so many pixels a side have a central one."""
    if patch_pixels < 1 or patch_pixels % 2 == 0:
        raise ValueError(f"patch_pixels must be odd, so that a patch has a centre, got {patch_pixels}")


def must_be_told(noise_std: float | None) -> None:
    """Raises ValueError where the standard deviation of a measurement is given and is no positive number."""
    if noise_std is not None and not (math.isfinite(noise_std) and noise_std > 0.0):
        raise ValueError(f"noise_std is above 0, got {noise_std!r}: leave it out where it is not known")
