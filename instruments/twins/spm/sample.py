"""Hidden samples: polarisation with its random fields and soft or dead grains, topography, stiffness, tip and lever.

Everything is [B, N, N] on a square grid that repeats outside of the field. See `kernels` for the units of polarisation
and field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from instruments import keys as random
from instruments.keys import Keys
from instruments.twins.domains import Floats, Waves
from physics_priors.lgd.tip import disc_distance_nm, sphere_distance_nm

# name: (typical value, standard deviation); those in SCALES are lognormal, deviation relative
HIDDEN: Final = {
    "coercive_V": (2.5, 0.12),
    "imprint_V": (0.0, 0.20),
    "tip_radius": (1.0, 0.08),
    "switching_s": (2e-4, 0.30),
    "screening_s": (0.3, 0.30),
    "disorder": (0.075, 0.15),
    "piezo_pm": (40.0, 0.12),
    "electrostatic_pm_V": (1.0, 0.30),
    "potential_V": (0.2, 0.20),
    "free_Hz": (75e3, 0.02),
    "quality": (150.0, 0.12),
    "roughness": (1.0, 0.20),
    "injection": (0.12, 0.30),
    "ionic_pm_V2": (1.2, 0.30),
    "ionic_s": (0.1, 0.30),
}
"""coercive_V makes the coercive field of the homogeneous crystal under the tip; switching_s is 1 / (L |a|); disorder
the random field's standard deviation [units of |a| P0]; tip_radius, roughness, disorder and injection multiply what
the core's arguments say; ionic_pm_V2 is 0 unless misspecified."""
SCALES: Final = frozenset(HIDDEN) - {"imprint_V", "potential_V"}
EPS_33, EPS_11 = 65.9, 123.4
"""Permittivity of PbTiO3 at 25 C (physics sheet, check 43)."""
_PINNING_NM: Final = 6.0
_OUTSIDE_SD: Final = 3.0
COERCIVE_FIELD: Final = 2.0 / (3.0 * np.sqrt(3.0))
TIPS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "sphere": lambda radius_nm: sphere_distance_nm(radius_nm, EPS_33, EPS_11),
    "disc": disc_distance_nm,
    "lorentzian": lambda radius_nm: radius_nm,
}
"""Width d [nm] of the field under a tip of a shape: (1 + r^2 / d^2)^-1.5, or to the power -1 for the Lorentzian toy."""
DEAD, SOFT = 1.5, 0.35
"""Softness of dead (paraelectric) and of soft grains: the quadratic coefficient is |a| (softness - 1)."""


@dataclass(frozen=True)
class Look:
    """What the core's arguments say about its samples."""

    grid: int
    field_nm: float
    wall_nm: float
    period_nm: float
    grown: str
    tip_shape: str
    tip_radius_nm: float
    depolarisation: float
    dead_share: float
    soft_share: float
    roughness_nm: float
    disorder: float
    injection: float


@dataclass(frozen=True)
class Sample:
    """One sample per row; `tip` [B, 10] as `kernels.drive` wants it."""

    polarisation: Floats
    random_field: Floats
    softness: Floats
    height_nm: Floats
    surface_nm: Floats
    stiffness: Floats
    tip: Floats
    parameters: dict[str, Floats]


def parameters(keys: Keys, shifted: bool) -> dict[str, Floats]:
    """Hidden parameters [B] by name; shifted ones lie more than three standard deviations out."""
    z = random.normal(keys, len(HIDDEN))
    if shifted:
        z = z + _OUTSIDE_SD * np.sign(z)
    found = {}
    for column, (name, (typical, sd)) in enumerate(HIDDEN.items()):
        found[name] = typical * np.exp(sd * z[:, column]) if name in SCALES else typical + sd * z[:, column]
    return found


def draw(keys: Keys, look: Look, scenario: str) -> Sample:
    """Fresh samples [B], settled without bias."""
    own = [random.fold(keys, word) for word in range(8)]
    theta = parameters(own[0], shifted=scenario == "shifted")
    waves = Waves(look.grid, look.field_nm)
    rows = len(keys)

    def length(value_nm: float) -> Floats:
        return np.full(rows, value_nm)

    misfit = scenario == "misspecified"
    grains = waves.noise(own[1], waves.hump(length(70.0)))
    softness = _softness(grains, look, 2.0 if misfit else 1.0)
    per_V = COERCIVE_FIELD / theta["coercive_V"]
    pinning = waves.noise(own[2], waves.hump(length(_PINNING_NM)))
    slow = waves.noise(own[3], waves.hump(length(110.0)))
    random_field = _maps(look.disorder * theta["disorder"]) * (pinning + 0.7 * slow) + _maps(per_V * theta["imprint_V"])
    height = _maps(look.roughness_nm * theta["roughness"]) * (
        waves.noise(own[4], waves.hump(length(45.0))) + 1.5 * np.tanh(4.0 * grains)
    )
    radius_nm = look.tip_radius_nm * theta["tip_radius"]
    return Sample(
        polarisation=_grown(own[5], own[6], waves, look),
        random_field=random_field,
        softness=softness,
        height_nm=height,
        surface_nm=convolved(height, radius_nm, waves.pixel_nm),
        stiffness=0.5 * waves.noise(own[7], waves.hump(length(60.0))) - 0.5 * np.tanh(4.0 * grains),
        tip=_tip(theta, per_V, radius_nm, waves.pixel_nm, look, 3.0 if misfit else 1.0),
        parameters={**theta, "tip_radius_nm": radius_nm, "ionic_pm_V2": theta["ionic_pm_V2"] * misfit},
    )


def convolved(height_nm: Floats, radius_nm: Floats, pixel_nm: float) -> Floats:
    """Topography [B, N, N] as a spherical tip of radius [B] traces it: the height of its lowest point, by dilation."""
    steepest = float(np.ptp(height_nm)) if height_nm.size else 0.0
    reach = int(np.ceil(np.sqrt(2.0 * float(radius_nm.max()) * max(steepest, 0.0)) / pixel_nm)) if len(radius_nm) else 0
    reach = min(reach, 4)
    traced = height_nm.copy()
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            away = pixel_nm * np.hypot(i, j)
            inside = np.maximum(radius_nm**2 - away**2, 0.0)
            drop = np.where(away < radius_nm, radius_nm - np.sqrt(inside), np.inf)
            traced = np.maximum(traced, np.roll(height_nm, (i, j), axis=(1, 2)) - _maps(drop))
    return traced


def _softness(grains: Floats, look: Look, more: float) -> Floats:
    from scipy.special import ndtri

    softness = np.zeros_like(grains)
    dead, soft = min(more * look.dead_share, 0.45), min(more * look.soft_share, 0.45)
    if soft > 0:
        softness[grains < ndtri(soft)] = SOFT
    if dead > 0:
        softness[grains > ndtri(1.0 - dead)] = DEAD
    return softness


def _grown(level_keys: Keys, angle_keys: Keys, waves: Waves, look: Look) -> Floats:
    rows = len(level_keys)
    if look.grown == "poled":
        return np.full((rows, look.grid, look.grid), -1.0)
    period = np.full(rows, look.period_nm)
    level = waves.noise(level_keys, waves.ring(period, random.uniform(angle_keys, 1)[:, 0] * np.pi))
    return np.tanh(waves.signed_distance(level, period) / look.wall_nm)


def _tip(
    theta: Mapping[str, Floats], per_V: Floats, radius_nm: Floats, pixel_nm: float, look: Look, more: float
) -> Floats:
    rows = len(per_V)
    screening = theta["screening_s"] / theta["switching_s"]
    columns = [
        per_V,
        np.maximum(TIPS[look.tip_shape](radius_nm) / pixel_nm, 0.5),
        np.full(rows, 1.0 if look.tip_shape == "lorentzian" else 1.5),
        np.full(rows, 0.5 * (look.wall_nm / pixel_nm) ** 2),
        np.full(rows, look.depolarisation),
        screening,
        theta["injection"] * look.injection * more,
        0.02 / theta["switching_s"],
        np.maximum(0.35 * radius_nm / pixel_nm, 0.6),
        np.ones(rows),
    ]
    return np.stack(columns, axis=1)


def _maps(values: Floats) -> Floats:
    return values[:, None, None]
