"""Where to park the beam and for how long: the most progress expected per second.

With the law known, dwells repeated until one bond is gained take, on average, what one dwell takes over the progress
that it is expected to bring: a renewal's reward (S. M. Ross, Applied Probability Models, 1970). Silicon that becomes
fourfold costs the seconds until it is threefold again, which is progress lost at the best rate; to bring it back is
progress gained. Where the law is uncertain, progress per second is averaged over draws of the posterior. That favours
places which may turn out fast: a dwell in vain is soon noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.planning.hop_belief import PROBE_BONDS, factors, hits
from agents.planning.hop_border import held_back, near_border
from agents.planning.hop_chain import Stay, stay
from agents.planning.hop_glare import dimmed
from agents.planning.hop_refill import carbon_outside
from agents.planning.hop_routes import Surroundings, routes, vacancies_beside
from agents.planning.hops import Situation
from physics_priors.beam.hop import BOND_NM

Floats = NDArray[np.float64]
ALONG: Final = np.linspace(0.3, 1.2, 10)
ACROSS: Final = np.linspace(-0.3, 0.3, 5)
FILL: Final = -1
TURN_BACK: Final = -2
CLOSE: Final = -3
_SILICON: Final = (14.0 / 6.0) ** 1.6
"""How much brighter silicon is than carbon, roughly."""
_RISE: Final = 0.4
"""Of the way from a carbon to the silicon: where the task's watch ends a dwell."""
_LIKELY: Final = 0.7
"""Chance of being fourfold from which on all neighbours are looked at: each of them brings silicon back."""
_ASIDE: Final = 0.3
"""What a vacancy costs that is not in the way, of one that is."""
_LEAST_PACE: Final = 0.2
"""Of what silicon hops at best: what threefold silicon is worth where no hop brings it nearer."""
_LOST_BONDS: Final = 5.0
"""What losing the silicon costs, in bonds: more would cost more where nothing is lost, see docs/planning.md."""
_TINY: Final = 1e-12
_ACROSS: Final = 1.9
"""[bonds] Carbon farther out does not fill a vacancy beside the silicon but one behind."""
_TURNING_S: Final = 6.0
"""How long the beam stays on a turned bond before one looks."""


@dataclass(frozen=True)
class Plan:
    """beam_nm [2] from the silicon, which of the dwells, bonds gained per second, and the neighbour that is meant.

    In the place of a neighbour, `FILL` where a carbon shall jump into a vacancy, `CLOSE` where one
    farther out shall, which most looks do not show, `TURN_BACK` where a bond shall turn.
    """

    beam_nm: Floats
    dwell: int
    bonds_per_s: float
    towards: int


@dataclass(frozen=True)
class Clock:
    """dwells_s [d] that may be chosen, `between_s` lost with every one, and whether the trace ends them.

    `lost_s`: how often the beam throws out a carbon that it stands on [1/s]; `filling_s`: what a vacancy in the way
    costs; `seen`: chance that the trace ends a dwell when silicon comes to where it should show it.
    """

    dwells_s: Floats
    between_s: float
    watched: bool
    lost_s: float = 0.0
    filling_s: float = 60.0
    seen: float = 1.0


@dataclass(frozen=True)
class Beams:
    """What the beam does at m places for n parameters: rates [n, m, k] of hops to each neighbour, electrons on each.

    `own` [n, m]: the rate to the neighbour that is nearest to the beam, which is what the trace shows where `ends`;
    `steady`: whether it leaves a dwell in peace before.
    """

    rates: Floats
    struck: Floats
    own: Floats
    steady: NDArray[np.bool_]
    ends: NDArray[np.bool_]

    @staticmethod
    def at(places: Floats, now: Situation, theta: Floats, watched: bool) -> Beams:
        """For places [m, 2] and parameters [n, 10]."""
        shape, near = theta[:, 1:9], now.neighbours_nm
        rates = theta[:, 0, None, None] * factors(shape, places, near[None])
        under = np.argmin(np.square(places[:, None] - near).sum(-1), axis=1)
        own = rates[:, np.arange(len(places)), under]
        seen = seen_by_the_trace(shape, places, near[under]) if watched else (np.True_, np.False_)
        steady, ends = (np.broadcast_to(each, own.shape) for each in seen)
        return Beams(rates, hits(shape, places, near[None]), own, steady, ends)


def best(now: Situation, gain: Floats, risk: Floats, theta: Floats, clock: Clock) -> Plan:
    """The best place and dwell for equally likely parameters [n, 10], the last whether the silicon is fourfold.

    `gain` and `risk` [k] are of the neighbours: bonds that a hop to it gains, and seconds that every second of the beam
    on it will cost because it may leave.
    """
    places, towards = _places(now, gain, bool(theta[:, 9].mean() > _LIKELY))
    beams = Beams.at(places, now, theta, clock.watched)
    found = worth(beams, gain, risk, theta, clock).mean(0)
    found = np.where(found > 0.0, found * dimmed(places, now.glare_nm)[:, None], found)
    found -= _LOST_BONDS * lost_per_s(beams, theta, clock, near_border(now.room_nm)).mean(0)
    place, dwell = np.unravel_index(int(np.argmax(found)), found.shape)
    return Plan(places[place], int(dwell), float(found[place, dwell]), int(towards[place]))


def worth(beams: Beams, gain: Floats, risk: Floats, theta: Floats, clock: Clock) -> Floats:
    """Bonds per second [n, m, dwells] of dwells at some places, for each of some parameters."""
    shape, struck, own = theta[:, 1:9], beams.struck, beams.own
    total, progress = beams.rates.sum(-1), beams.rates @ gain
    fold, unfold = shape[:, 6, None] * struck.sum(-1), shape[:, 7, None] * struck.sum(-1)
    back_s = (1.0 + clock.between_s / clock.dwells_s.max()) / np.maximum(unfold.max(1), 1e-6)
    longer = 1.0 + (struck @ risk)[..., None]
    chain = total[..., None], fold[..., None], unfold[..., None]
    ended = np.where(beams.ends, clock.seen * own, 0.0)
    gained, lasts, still = _dwells(ended, progress, stay(*chain, np.zeros((1, 1, 1)), clock.dwells_s), clock)
    rate = gained / (lasts * longer + back_s[:, None, None] * still)
    folded = theta[:, 9] > 0.5
    if folded.any():
        hop, up, down = (v[folded] for v in chain)
        begun = stay(hop, up, down, np.ones((1, 1, 1)), clock.dwells_s)
        gained, lasts, still = _dwells(ended[folded], progress[folded], begun, clock)
        pace = theta[folded, 0] / (1.0 + theta[folded, 0] * clock.between_s)
        value = (back_s[folded] * np.maximum(rate[folded].max((1, 2)), _LEAST_PACE * pace))[:, None, None]
        rate[folded] = (gained + value * (1.0 - still)) / (lasts * longer[folded])
    return np.asarray(np.where(beams.steady[..., None], rate, np.minimum(rate, 0.0)))


def lost_per_s(beams: Beams, theta: Floats, clock: Clock, at_border: bool = False) -> Floats:
    """How often silicon runs out of sight [n, m, dwells]: it hops thrice in a dwell that the first hop does not end.

    At the border of the field twice is enough. The second and the third hop are taken to be as quick as the first one
    to anywhere; fourfold silicon has to become threefold before.
    """
    total = beams.rates.sum(-1)
    unseen = 1.0 - np.where(beams.ends, clock.seen * beams.own, 0.0) / np.maximum(total, _TINY)
    hops = total[..., None] * clock.dwells_s
    fewer = 1.0 + hops if at_border else 1.0 + hops + 0.5 * np.square(hops)
    away = unseen[..., None] * (1.0 - np.exp(-hops) * fewer)
    folded = theta[:, 9] > 0.5
    unfold = theta[folded, 8, None] * beams.struck[folded].sum(-1)
    away[folded] *= 1.0 - np.exp(-unfold[..., None] * clock.dwells_s)
    return np.asarray(away / (clock.dwells_s + clock.between_s))


def seen_by_the_trace(shape: Floats, places: Floats, under_nm: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a dwell at each place [n, m] goes on while the silicon is where it was, and ends when it comes.

    The trace has to rise above what is between the two atoms under the beam: near the silicon it is there from the
    beginning, and where the beam is far from the neighbour `under_nm` [m, 2] a hop does not bring it there.
    """
    beam = places[None] + shape[:, None, 2:4]
    silicon = np.exp(-np.square(beam).sum(-1) / (2.0 * (PROBE_BONDS * BOND_NM) ** 2))
    carbon = np.exp(-np.square(beam - under_nm).sum(-1) / (2.0 * (PROBE_BONDS * BOND_NM) ** 2))
    limit = _RISE * _SILICON + (1.0 - _RISE)
    return _SILICON * silicon + carbon < 0.95 * limit, _SILICON * carbon + silicon > 1.05 * limit


def _dwells(ended: Floats, progress: Floats, chain: Stay, clock: Clock) -> tuple[Floats, Floats, Floats]:
    """Bonds expected of a dwell, its seconds with those between, and the chance that it ends with fourfold silicon."""
    lasts = clock.dwells_s - ended[..., None] * chain.integral
    return progress[..., None] * chain.seconds, np.asarray(clock.between_s + lasts), chain.fourfold


def _places(now: Situation, gain: Floats, everywhere: bool) -> tuple[Floats, NDArray[np.int64]]:
    """Places [n, 2] around every neighbour that brings the silicon nearer, or around all, and which neighbour it is."""
    grid = np.stack(np.meshgrid(ALONG, ACROSS, indexing="ij"), -1).reshape(-1, 2)
    good = np.flatnonzero(np.logical_or(everywhere, gain >= min(gain.max(), 0.5)))
    ways = now.neighbours_nm[good]
    found = [grid @ np.stack([way, np.array([-way[1], way[0]])]) for way in ways]
    return np.concatenate(found), np.repeat(good, len(grid))


def decide(now: Situation, around: Surroundings, theta: Floats, clock: Clock) -> Plan:
    """The best dwell for what is known of the lattice: a vacancy may have to be filled, a bond to be turned back.

    A carbon that shall jump is looked at as often as costs least: a look's time, or half a dwell in vain.
    """
    if not around.regular:
        short = int(np.abs(clock.dwells_s - _TURNING_S).argmin())
        return Plan(-theta[:, 3:5].mean(0), short, 0.0, TURN_BACK)
    wait = int(np.abs(clock.dwells_s - np.sqrt(2.0 * clock.between_s * clock.filling_s)).argmin())
    fourfold, hops = theta[:, 9] > 0.5, len(now.neighbours_nm) > 0
    worth_it = clock.filling_s * _pace(around.bonds_nm, theta, clock) if len(around.vacant_nm) else 1.0
    way = routes(now, around.bonds_nm, around.vacant_nm, worth_it)
    likely = theta[fourfold] if len(way.filling_nm) and fourfold.mean() > 0.5 else theta
    outside = carbon_outside(now, around.bonds_nm, around.vacant_nm) if fourfold.mean() > 0.5 else None
    if outside is not None:
        return Plan(outside - theta[:, 3:5].mean(0), wait, 0.0, CLOSE)
    if hops and (not len(way.filling_nm) or likely is not theta):
        lost = clock.lost_s * clock.filling_s * np.where(way.gain > 0.0, 1.0, _ASIDE)
        gain = held_back(way.gain, now.neighbours_nm, now.room_nm)
        return best(now, gain, lost + vacancies_beside(now, around), likely, clock)
    if not len(way.filling_nm):
        return Plan(now.wanted_nm, len(clock.dwells_s) - 1, 0.0, FILL)
    across = float(np.hypot(*way.filling_nm[0])) > _ACROSS * BOND_NM
    return Plan(way.filling_nm[0] - theta[:, 3:5].mean(0), wait, 0.0, CLOSE if across else FILL)


def _pace(bonds_nm: Floats, theta: Floats, clock: Clock) -> float:
    """Bonds per second where all neighbours are there."""
    now = Situation(bonds_nm, 3.0 * bonds_nm[0], 1.0)
    return best(now, np.array([1.0, -1.0, -1.0]), np.zeros(3), theta, clock).bonds_per_s
