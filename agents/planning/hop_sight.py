"""What a look shows of the lattice around a dopant: sites at which atoms stand, and sites that are vacant.

For observations that have the atoms of the last look and its frame (`atoms_shown` of the task). A site too near to the
edge of the frame is out of sight. Where an atom stands at no site, as beside a turned bond, sites near it may be its
own and are not taken for vacant.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_lattice import patch, placed
from agents.protocol import Observation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
_EDGE_BONDS: Final = 0.2
_FAR_BONDS: Final = 4.5
"""Bonds are taken from the neighbours: sites farther away may not be where they seem."""
_ASTRAY_BONDS: Final = 0.85
_NONE: Final = 1e-6


class Sight(NamedTuple):
    """Sites of the patch that a look showed: those at which an atom stands, and those that are vacant."""

    taken: frozenset[int]
    vacant: frozenset[int]


BLIND: Final = Sight(frozenset(), frozenset())


def sight(observation: Observation, bonds_nm: Floats) -> Sight:
    """What the observation shows of the sites around a dopant whose ideal bonds are [3, 2]; nothing without atoms."""
    if "atoms" not in observation:
        return BLIND
    shown = np.asarray(observation["atoms"], dtype=np.float64).reshape(-1, 2)
    ways = shown[np.abs(shown).max(1) > _NONE]
    frame = np.asarray(observation["frame"], dtype=np.float64).reshape(2, 2)
    far = np.hypot(*ways.T).max() - _EDGE_BONDS if len(ways) == len(shown) else _FAR_BONDS
    sites = patch().whole @ bonds_nm / BOND_NM
    inside = np.all((sites > frame[:, 0] + _EDGE_BONDS) & (sites < frame[:, 1] - _EDGE_BONDS), axis=1)
    seen = np.flatnonzero(inside & (np.hypot(*sites.T) < min(far, _FAR_BONDS)))
    at = placed(BOND_NM * ways, bonds_nm)
    near_astray = (np.hypot(*np.moveaxis(ways[at < 0][:, None] - sites, -1, 0)) < _ASTRAY_BONDS).any(0)
    return Sight(frozenset(at[at > 0].tolist()), frozenset(seen[~near_astray[seen]].tolist()) - {0, *at.tolist()})
