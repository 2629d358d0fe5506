"""Fourfold silicon all of whose neighbours stand beside vacancies: these are filled from outside first.

The beam has to stand on a neighbour to bring the silicon back, and a carbon that has a vacancy beside it mostly jumps
into that sooner. A carbon on the vacancy's other side, three hops from the silicon, can jump into it instead: then the
vacancy is where it does no harm. Where no look shows that, the beam stands there for as long as a jump takes, and
longer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_belief import PROBE_BONDS
from agents.planning.hop_lattice import patch, placed
from agents.planning.hops import Situation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
_LEAST: Final = 0.1
"""Of the beam, which a carbon out of its reach gets: with less it is not waited for."""


def carbon_outside(now: Situation, bonds_nm: Floats, vacant_nm: Floats) -> Floats | None:
    """The carbon [2] nm from the dopant that shall jump; None where a neighbour has no vacancy [v, 2] beside it.

    Or where the beam reaches no such carbon. Of several, the one that gets most of the beam.
    """
    links, sites = patch().links, patch().whole @ bonds_nm
    vacant = set(placed(vacant_nm, bonds_nm).tolist())
    holes = [_beside(int(n), links) & vacant for n in placed(now.neighbours_nm, bonds_nm)]
    if not holes or not all(holes):
        return None
    carbons = [c for hole in min(holes, key=len) for c in sorted(_beside(hole, links) - vacant) if c > 3]
    gets = [_gets(sites[c], now.reach_nm) / len(_beside(c, links) & vacant) for c in carbons]
    if not gets or max(gets) < _LEAST:
        return None
    return np.asarray(sites[carbons[int(np.argmax(gets))]])


def _beside(site: int, links: NDArray[np.int64]) -> set[int]:
    return set(links[links[:, 0] == site, 1].tolist())


def _gets(carbon_nm: Floats, reach_nm: float) -> float:
    """What part of the beam a carbon gets of a beam that goes as near to it as it may."""
    away = carbon_nm - np.clip(carbon_nm, -reach_nm, reach_nm)
    return float(np.exp(-np.square(away).sum() / (2.0 * (PROBE_BONDS * BOND_NM) ** 2)))
