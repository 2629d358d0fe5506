"""Which hops bring a dopant nearer to its target where vacancies are in the way, and where the beam fills one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_lattice import UNIT, bonds, distances, patch, placed
from agents.planning.hop_search import search, vacant_near
from agents.planning.hop_sight import sight
from agents.planning.hops import Situation, situation
from agents.protocol import Observation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
NONE_SEEN: Final = np.empty((0, 2))
_REACH_BONDS: Final = 4.5
BESIDE_SILICON: Final = 60.0
"""What a hop costs to a site next to other silicon, which the beam would move too: only where there is no other way."""
_TAKEN: Final = 1000.0
"""The same of a site on which it is: silicon does not change places with silicon."""
_PATIENCE: Final = 4.0
"""How long the beam waits for a carbon to jump into a vacancy, in times of what that takes on average."""
_BLIND: Final = 2.0
"""The same where no look shows the vacancy."""
_NEAR_NM: Final = 0.05
_REMEMBERED_BONDS: Final = 2.8
"""Vacancies farther away are forgotten where looks show none: they may have moved."""
_BESIDE_BONDS: Final = 1.2
_REGULAR: Final = 0.3
"""[bonds] As near to its site has to be what stands beside the dopant."""


@dataclass(frozen=True)
class Routes:
    """gain [n]: by how many bonds a hop to each neighbour that is there shortens the way, at most 1.

    Where the way begins with filling a vacancy, `filling_nm` [1, 2] is the carbon, from the dopant, that shall jump.
    """

    gain: Floats
    filling_nm: Floats


def routes(now: Situation, bonds_nm: Floats, vacant_nm: Floats = NONE_SEEN, filling: float = 4.0) -> Routes:
    """For vacancies [v, 2] from the dopant, `filling` being how many hops it is worth to fill one."""
    sites = patch().whole @ bonds_nm
    target = int(np.hypot(*(sites - now.target_nm).T).argmin())
    near = placed(now.neighbours_nm, bonds_nm)
    toll = tolls(now.others_nm, bonds_nm)
    whole = distances(target, np.empty(0, dtype=np.int64), toll)
    vacant = placed(vacant_nm, bonds_nm)
    around = distances(target, vacant, toll)
    if around[0] <= whole[0] + filling:
        return Routes(_gain(around[0], around[near] + toll[near], near), NONE_SEEN)
    known = vacant_near(vacant, sites, target, _REACH_BONDS * BOND_NM)
    far, step = search(0, target, known, filling, whole, toll)
    if not np.isfinite(far):  # what is remembered of vacancies that are not in sight cannot be right
        known = frozenset(v for v in known if v <= 3)
        far, step = search(0, target, known, filling, whole, toll)
    beyond = np.array([search(int(n), target, known, filling, whole, toll)[0] for n in near]) + toll[near]
    if step.carbon >= 0:
        return Routes(_gain(far, beyond, near), sites[[step.carbon]])
    first = near == step.hop if step.hop in near else np.arange(len(near)) == now.wanted
    return Routes(np.where(first, 1.0, _gain(far, beyond, near)), NONE_SEEN)


def tolls(others_nm: Floats, bonds_nm: Floats) -> Floats:
    """What a hop to each site [S] of the patch costs more because of other silicon [a, 2] from the dopant."""
    links, toll = patch().links, np.zeros(len(patch().whole))
    taken = placed(others_nm, bonds_nm)
    taken = taken[taken >= 0]
    toll[links[np.isin(links[:, 0], taken), 1]] = BESIDE_SILICON
    toll[taken] = _TAKEN
    return toll


def gains(now: Situation) -> Floats:
    """By how many bonds a hop to each neighbour [k] shortens the shortest way to the target: 1 or -1."""
    return routes(now, bonds(now.neighbours_nm)).gain


def _gain(own: float, others: Floats, near: NDArray[np.int64]) -> Floats:
    """From hops to the target of the dopant's site and of its neighbours; what is no neighbour gains nothing."""
    if not np.isfinite(own):
        return np.full(len(near), -1.0)
    return np.where((near >= 1) & (near <= 3), np.clip(own - others, -1.0, 1.0), -1.0)


@dataclass(frozen=True)
class Surroundings:
    """What is known of the lattice around a dopant: bonds_nm [3, 2] of its site, and vacancies [v, 2] nm from it.

    `regular` is False where its neighbours stand as a honeycomb's do not: beside a bond that is turned. `waited`
    (x, y, s): the carbon, nm from the dopant, that shall jump into a vacancy, and for how long the beam was on it.
    carbons_nm [c, 2]: those that the last look showed.
    """

    bonds_nm: Floats = field(default_factory=lambda: BOND_NM * UNIT)
    vacant_nm: Floats = field(default_factory=NONE_SEEN.copy)
    regular: bool = True
    waited: Floats = field(default_factory=lambda: np.zeros(3))
    carbons_nm: Floats = field(default_factory=NONE_SEEN.copy)

    def waited_for(self, beam_nm: Floats, seconds: float, before: Surroundings, filling_s: float) -> Surroundings:
        """After the beam was on a carbon beside a vacancy, `before` having been known; a jump takes `filling_s`.

        Where the vacancy is filled, the carbon's site is vacant; if it does not jump for long, it was not there, unless
        it is seen.
        """
        carbon, spent = self._waited(beam_nm, seconds, (3.0**0.5,))
        if (spent < _PATIENCE * filling_s or _among(self.carbons_nm, carbon)) and self.beside >= before.beside:
            return replace(self, waited=np.array([*carbon, spent]))
        return replace(self, waited=np.zeros(3), vacant_nm=_with(self.vacant_nm, carbon))

    def closed(self, beam_nm: Floats, seconds: float, filling_s: float) -> Surroundings:
        """After the beam was on a carbon three hops away; one that no look shows will have jumped when it had time."""
        carbon, spent = self._waited(beam_nm, seconds, (2.0, 7.0**0.5))
        away = np.hypot(*(self.vacant_nm - carbon).T)
        if _among(self.vacant_nm, carbon):
            return replace(self, waited=np.zeros(3))
        waiting = spent < _BLIND * filling_s or _among(self.carbons_nm, carbon)
        if waiting and len(away) and away.min() < _BESIDE_BONDS * BOND_NM:
            return replace(self, waited=np.array([*carbon, spent]))
        kept = self.vacant_nm[np.arange(len(away)) != away.argmin()] if len(away) else self.vacant_nm
        return replace(self, waited=np.zeros(3), vacant_nm=np.vstack([kept, carbon]))

    def _waited(self, beam_nm: Floats, seconds: float, bonds_away: tuple[float, ...]) -> tuple[Floats, float]:
        """The carbon [2] of those some bonds away that the beam was on, and for how long in all [s]."""
        sites = patch().whole @ self.bonds_nm
        there = np.abs(np.hypot(*sites.T)[:, None] / BOND_NM - np.array(bonds_away)).min(1) < 0.1
        carbon = sites[int(np.where(there, np.hypot(*(sites - beam_nm).T), np.inf).argmin())]
        same = self.waited[2] > 0.0 and float(np.hypot(*(self.waited[:2] - carbon))) < _NEAR_NM
        return carbon, seconds + (float(self.waited[2]) if same else 0.0)

    @property
    def beside(self) -> int:
        """How many vacancies are beside the dopant."""
        return int(np.isin(placed(self.vacant_nm, self.bonds_nm), [1, 2, 3]).sum())

    def looked(self, observation: Observation, way_nm: Floats | None = None) -> Surroundings:
        """After a look, and after the dopant went `way_nm` [2] where it did.

        A site beside the dopant at which no atom is seen is vacant, or out of sight and no way either. A carbon that is
        gone from there while the dopant stayed has jumped into the vacancy beside it, where there is one. Of other
        sites that are in sight, what is seen holds.
        """
        now = situation(observation)
        vacant = self.vacant_nm if way_nm is None else self.vacant_nm - way_nm
        known = self._bonds_after(way_nm)
        there = bonds(now.neighbours_nm, known)
        near, before = placed(now.neighbours_nm, there, _REGULAR), placed(vacant, there)
        if (near < 0).any() or len(set(near.tolist())) < len(near):
            return Surroundings(known, vacant, False)
        missing = [k for k in (1, 2, 3) if k not in near]
        places = patch().whole @ there
        taken = set() if way_nm is not None else _jumped_into(set(missing) - set(before.tolist()), before)
        seen = sight(observation, there)
        far_nm = (_REACH_BONDS if seen.taken else _REMEMBERED_BONDS) * BOND_NM
        remembered = [k for k in before.tolist() if k > 3 and np.hypot(*places[k]) < far_nm]
        gone = {k for k in {*remembered, *seen.vacant} - seen.taken if k > 3} - (taken - seen.vacant)
        found = places[sorted({*missing, *gone})].reshape(-1, 2)
        unchanged = way_nm is None and len(found) == len(self.vacant_nm)
        return Surroundings(there, found, True, self.waited if unchanged else np.zeros(3), places[sorted(seen.taken)])

    def state(self) -> dict[str, NDArray[Any]]:
        """As arrays."""
        kept = {"bonds_nm": self.bonds_nm, "vacant_nm": self.vacant_nm, "waited": self.waited}
        kept |= {"carbons_nm": self.carbons_nm}
        return {**kept, "regular": np.array(self.regular)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Surroundings:
        """From `state`."""
        known, vacant, waited, carbons = (
            np.array(state[name], dtype=np.float64) for name in ("bonds_nm", "vacant_nm", "waited", "carbons_nm")
        )
        return cls(known, vacant, bool(state["regular"]), waited, carbons)

    def _bonds_after(self, way_nm: Floats | None) -> Floats:
        """Those of the site that the dopant went to: the other sublattice's are opposite."""
        site = 0 if way_nm is None else int(placed(way_nm, self.bonds_nm)[0])
        return self.bonds_nm * (-1.0 if site > 0 and patch().whole[site].sum() == 1 else 1.0)


def _with(vacant_nm: Floats, place_nm: Floats) -> Floats:
    """Vacancies and one more, where it is not among them."""
    return vacant_nm if _among(vacant_nm, place_nm) else np.vstack([vacant_nm, place_nm])


def _among(places_nm: Floats, place_nm: Floats) -> bool:
    """Whether one of some places [n, 2] is this one [2]."""
    return bool((np.hypot(*(places_nm - place_nm).T) < _NEAR_NM).any())


def _jumped_into(gone: set[int], vacant: NDArray[np.int64]) -> set[int]:
    """The vacancies into which carbon that is gone from some sites must have jumped: where there was one alone."""
    links = patch().links
    ways = [links[(links[:, 0] == site) & np.isin(links[:, 1], vacant[vacant > 3]), 1] for site in gone]
    return {int(way[0]) for way in ways if len(way) == 1}


def vacancies_beside(now: Situation, around: Surroundings) -> Floats:
    """How many vacancies each neighbour [n] has beside it, into which it may jump."""
    _, links = patch()
    vacant = placed(around.vacant_nm, around.bonds_nm)
    near = placed(now.neighbours_nm, around.bonds_nm)
    return np.array([np.isin(links[links[:, 0] == site, 1], vacant).sum() for site in near], dtype=np.float64)


def cost_of(now: Situation, bonds_nm: Floats) -> float:
    """Hops to the target in a lattice without vacancies, with the tolls of other silicon."""
    sites = patch().whole @ bonds_nm
    target = int(np.hypot(*(sites - now.target_nm).T).argmin())
    return float(distances(target, np.empty(0, dtype=np.int64), tolls(now.others_nm, bonds_nm))[0])
