"""Where to park the beam and for how long: the most progress expected per second.

A hop to a neighbour makes the way to the target one bond shorter or one longer. With the rates known, dwells repeated
until one bond is gained take, on average, what one dwell takes over the progress that it is expected to bring: a
renewal's reward (S. M. Ross, Applied Probability Models, 1970). Where the rates are uncertain, progress per second is
averaged over draws of the posterior. That favours places which may turn out fast: a dwell in vain is soon noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_belief import factors
from agents.planning.hops import Situation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
ALONG: Final = np.linspace(0.3, 1.2, 10)
ACROSS: Final = np.linspace(-0.3, 0.3, 5)
_LEAST: Final = 1e-300


@dataclass(frozen=True)
class Plan:
    """beam_nm [2] from the silicon, which of the dwells, bonds gained per second, and the neighbour that is meant."""

    beam_nm: Floats
    dwell: int
    bonds_per_s: float
    towards: int


def gains(now: Situation) -> Floats:
    """By how many bonds a hop to each neighbour [k] shortens the shortest way to the target: 1 or -1.

    On a honeycomb a way is written in the three bonds u of a site, c1 u1 + c2 u2 + c3 u3, with whole numbers whose sum
    is 0 or 1; it takes |c1| + |c2| + |c3| hops. Where the neighbours seen do not span it, the nearest counts.
    """
    ways = now.neighbours_nm[:3]
    if len(ways) == 2:
        ways = np.vstack([ways, -ways.sum(0)])
    if len(ways) < 3:
        return np.where(np.arange(len(now.neighbours_nm)) == now.wanted, 1.0, -1.0)
    free = np.linalg.lstsq(np.vstack([ways.T, np.full(3, BOND_NM)]), np.append(now.target_nm, 0.0), rcond=None)[0]
    whole = [np.round(free + s / 3.0) for s in (0, 1)]
    off = [np.abs(free + s / 3.0 - w).sum() + 10.0 * abs(w.sum() - s) for s, w in zip((0, 1), whole, strict=True)]
    count = whole[int(np.argmin(off))][: len(now.neighbours_nm)]
    found = np.where(count >= 1, 1.0, -1.0)
    if (found > 0).any():
        return np.asarray(found)
    return np.where(np.arange(len(now.neighbours_nm)) == now.wanted, 1.0, -1.0)


def best(now: Situation, theta: Floats, dwells_s: Floats, between_s: float, watched: bool) -> Plan:
    """The best place and dwell for equally likely parameters [n, 7], `between_s` being lost with every dwell."""
    gain = gains(now)
    places, towards = _places(now, gain)
    rates = theta[:, 0, None, None] * factors(theta[:, 1:], places, now.neighbours_nm[None])
    under = np.argmin(np.square(places[:, None] - now.neighbours_nm).sum(-1), axis=1)
    own = rates[:, np.arange(len(places)), under]
    total = rates.sum(-1)
    progress = (rates @ gain) / np.maximum(total, _LEAST)
    found = np.array([bonds_per_s(own, total, progress, s, between_s, watched).mean(0) for s in dwells_s])
    dwell, place = np.unravel_index(int(np.argmax(found)), found.shape)
    return Plan(places[place], int(dwell), float(found[dwell, place]), int(towards[place]))


def bonds_per_s(
    own: Floats, total: Floats, progress: Floats, seconds: float, between_s: float, watched: bool
) -> Floats:
    """Expected bonds per second of dwells of at most `seconds`, of the shape of `total`.

    `own` is the rate to the neighbour under the beam, which ends a dwell where it is watched, `progress` the bonds that
    a hop gains on average.
    """
    stays = np.exp(-total * seconds)
    hops = 1.0 - stays
    lasts: Floats | float = seconds
    if watched:
        share = own / np.maximum(total, _LEAST)
        lasts = seconds * (1.0 - share * hops) + share * (hops / np.maximum(total, _LEAST) - seconds * stays)
    return np.asarray(progress * hops / (between_s + lasts))


def _places(now: Situation, gain: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Places [n, 2] around every neighbour that brings the silicon nearer, and which neighbour it is."""
    grid = np.stack(np.meshgrid(ALONG, ACROSS, indexing="ij"), -1).reshape(-1, 2)
    good = np.flatnonzero(gain > 0)
    ways = now.neighbours_nm[good]
    found = [grid @ np.stack([way, np.array([-way[1], way[0]])]) for way in ways]
    return np.concatenate(found), np.repeat(good, len(grid))
