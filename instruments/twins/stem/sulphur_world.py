"""Worlds of the sulphur sheet: what is hidden in each, and how it is drawn in each scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.keys import Keys
from instruments.twins.stem.samples.sites import Sites
from physics_priors.beam import charging, contamination, etching, healing, sulphur
from physics_priors.beam.knock_on import BARN_NM2
from physics_priors.distributions import LogUniform, Uniform
from physics_priors.prior import Parameter, Parameters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HIDDEN: Final = Parameters(
    (
        *sulphur.SULPHUR,
        sulphur.HOP_BARN,
        healing.HEALING,
        *etching.ETCHING,
        *contamination.CONTAMINATION,
        *charging.CHARGING,
        Parameter(
            "near_factor", "", LogUniform(2.0, 6.0), "loss beside a vacancy over loss elsewhere; misspecified only"
        ),
        Parameter(
            "park_nm", "nm", Uniform(0.03, 0.06), "a parked beam's distance from the scanned one; misspecified only"
        ),
    )
)
"""What a world draws. The table's support factor spans 0.1 to 1, so rates differ tenfold between worlds."""
LOG: Final = 1024
"""Events that are kept in the log; later ones happen all the same."""
LOST, HOPPED, COLLAPSED, HEALED = 0, 1, 2, 3
"""Kinds of events in the log."""


@dataclass(frozen=True)
class World:
    """B sheets; N sites, their species 0 where vacant. Lengths in nm, times in s."""

    clock_s: Floats
    registered_nm: Floats
    """Where the sample frame was declared to lie in the scanner's, [B, 2]."""
    species: Ints
    """[B, N]"""
    landed: Floats
    """Electrons by where the middle of the probe was, [B, rows, columns]."""
    log: Floats
    """Events [B, LOG, 4]: instant, site, kind, destination."""
    logged: Ints
    """Events that ever happened, [B]."""
    loaded: NDArray[np.bool_]
    """Atoms [B, N] on which a molecule of residual gas sits."""
    charge_V: Floats
    """Potential of the sheet, [B]."""
    hidden: dict[str, Floats]
    """The drawn numbers [B] by name."""
    loss_nm2: Floats
    """Cross section of every site, [B, N], 0 for metal."""
    drift_nm_s: Floats
    """[B, 2]"""
    park_nm: Floats
    """Where a parked beam is, less where it is said to be, [B, 2]."""
    bent: Floats
    """Unit vector [B, 2] of where charge bends the beam."""


def draw(keys: Keys, scenario: str) -> dict[str, Floats]:
    """The hidden numbers [B] of each world by name.

    shifted: loss, three to five times more than any prior expects, more from the entrance than from the exit side.
    misspecified: loss is faster beside vacancies, and a parked beam is not where a scanned one is.
    """
    drawn = HIDDEN.named(HIDDEN.sample(random.uniform(random.fold(keys, 0), len(HIDDEN))))
    if scenario == "shifted":
        drawn["support"] = 3.0 + 2.0 * drawn["support"]
        drawn["top_over_bottom"] = 1.0 / drawn["top_over_bottom"]
    if scenario != "misspecified":
        drawn["near_factor"] = np.ones_like(drawn["near_factor"])
        drawn["park_nm"] = np.zeros_like(drawn["park_nm"])
    return drawn


def cross_sections_nm2(
    keys: Keys, hidden: dict[str, Floats], metal: sulphur.Metal, energy_keV: float, side: Ints, disorder: float
) -> Floats:
    """Loss cross section [B, N] of sites by their side (0 metal, 1 top, 2 bottom), each with its own disorder."""
    spread = np.exp(disorder * random.normal(random.fold(keys, 1), len(side)))
    rows = []
    for row in range(len(keys)):
        names = ("table_z", "support", "top_over_bottom")
        loss = sulphur.SulphurLoss(metal, *(float(hidden[name][row]) for name in names))
        barn = np.array([0.0, float(loss.top_barn(energy_keV)), float(loss.bottom_barn(energy_keV))])
        rows.append(barn[side] * BARN_NM2)
    return np.array(rows) * spread


def headings(keys: Keys, word: int) -> Floats:
    """A random unit vector [B, 2] for every world."""
    angle = 2.0 * np.pi * random.uniform(random.fold(keys, word), 1)[:, 0]
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def shares(sites: Sites, before: World, after: World, row: int, begin_s: float, spent_s: float) -> dict[int, Floats]:
    """By element, which part of an exposure every site held it, [N]; events beyond the log are not known."""
    species = before.species[row].copy()
    found = {int(z): np.zeros(len(species)) for z in np.unique(sites.species)}
    last, kept = begin_s, slice(int(before.logged[row]), min(int(after.logged[row]), LOG))
    for instant, site, kind, to in after.log[row, kept]:
        _stood(found, species, instant - last)
        last, where = float(instant), int(site)
        if kind == HOPPED:
            species[int(to)] = species[where]
        species[where] = 0
    _stood(found, species, begin_s + spent_s - last)
    return {z: share / max(spent_s, 1e-12) for z, share in found.items()}


def _stood(found: dict[int, Floats], species: Ints, seconds: float) -> None:
    """Add a time to the share of the element that each site holds."""
    for element, share in found.items():
        share += seconds * (species == element)
