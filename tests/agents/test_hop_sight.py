"""What a look shows of the lattice around a dopant, and what is known of vacancies by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.planning.hop_lattice import bonds, patch, placed
from agents.planning.hop_routes import Surroundings
from agents.planning.hop_sight import BLIND, sight
from physics_priors.beam.hop import BOND_NM

WAYS = BOND_NM * np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
SITES = patch().whole @ bonds(WAYS) / BOND_NM
HALF = 2.12
"""[bonds] Half a look of 0.6 nm."""


def seen(gone: tuple[int, ...] = (), center: Any = (0.0, 0.0), shown: int = 24, noise: float = 0.05) -> dict[str, Any]:
    """An observation of a lattice some of whose sites are vacant, by a look around `center` [bonds]."""
    x, y = center
    frame = np.array([x - HALF, x + HALF, y - HALF, y + HALF])
    inside = np.all((frame[::2] < SITES) & (frame[1::2] > SITES), axis=1)
    there = np.array([k for k in np.flatnonzero(inside) if k > 0 and k not in gone])
    there = there[np.argsort(np.hypot(*SITES[there].T))][:shown]
    atoms = np.zeros((shown, 2))
    atoms[: len(there)] = SITES[there] + noise * np.random.default_rng(0).normal(size=(len(there), 2))
    near = np.zeros((3, 2))
    own = [k for k in (1, 2, 3) if k not in gone]
    near[: len(own)] = SITES[own] * BOND_NM / 0.2
    return {
        "neighbours": near.ravel(),
        "target": np.array([3.0, 0.0]),
        "last": np.zeros(2),
        "atoms": atoms.ravel(),
        "frame": frame,
    }


def beyond(bonds_away: float) -> list[int]:
    """Sites as far from the dopant."""
    return np.flatnonzero(np.abs(np.hypot(*SITES.T) - bonds_away) < 0.01).tolist()


def test_sites_in_the_frame_without_an_atom_are_vacant() -> None:
    second = beyond(3.0**0.5)
    whole = sight(seen(), bonds(WAYS))
    assert whole.vacant == frozenset()
    assert whole.taken >= {1, 2, 3, *second}
    damaged = sight(seen((1, second[2])), bonds(WAYS))
    assert damaged.vacant == {1, second[2]}


def test_what_is_out_of_the_frame_is_not_known() -> None:
    second = beyond(3.0**0.5)
    left = sight(seen(tuple(second), center=(-1.0, 0.0)), bonds(WAYS))
    right = {k for k in second if SITES[k, 0] > 1.0}
    assert len(right) == 2
    assert left.vacant == set(second) - right
    assert not left.taken & right


def test_a_list_that_is_full_says_nothing_of_sites_beyond_its_last_atom() -> None:
    second = beyond(3.0**0.5)
    few = sight(seen((second[0],), shown=3), bonds(WAYS))
    assert few.taken == {1, 2, 3}
    assert few.vacant == frozenset()
    assert sight(seen((second[0],), shown=10), bonds(WAYS)).vacant == {second[0]}


def test_sites_near_an_atom_that_stands_at_none_are_not_taken_for_vacant() -> None:
    one = beyond(3.0**0.5)[0]
    other = min(beyond(2.0) + beyond(7.0**0.5), key=lambda k: float(np.hypot(*(SITES[k] - SITES[one]))))
    turned = seen((one, other))
    middle, half = 0.5 * (SITES[one] + SITES[other]), 0.5 * (SITES[one] - SITES[other])
    atoms = turned["atoms"].reshape(-1, 2).copy()
    free = np.flatnonzero(~atoms.any(1))[:2]
    atoms[free] = middle + np.array([[-half[1], half[0]], [half[1], -half[0]]])
    assert one in sight(turned, bonds(WAYS)).vacant
    assert not sight({**turned, "atoms": atoms.ravel()}, bonds(WAYS)).vacant & {one, other}


def test_observations_without_atoms_show_nothing() -> None:
    assert sight({"neighbours": np.zeros(6)}, bonds(WAYS)) == BLIND


def test_what_is_in_sight_holds_and_the_rest_is_remembered() -> None:
    second = beyond(3.0**0.5)
    ideal = bonds(WAYS)
    known = Surroundings(ideal, SITES[[second[0], *beyond(4.0)[:1]]] * BOND_NM)
    after = known.looked(seen((second[1],)))
    assert set(placed(after.vacant_nm, after.bonds_nm).tolist()) == {second[1], beyond(4.0)[0]}
    assert len(after.carbons_nm) >= 8
    again = Surroundings.restored(after.state())
    np.testing.assert_array_equal(again.carbons_nm, after.carbons_nm)


def test_a_carbon_that_is_seen_is_waited_for_until_it_is_gone() -> None:
    second = beyond(3.0**0.5)
    carbon_nm = SITES[second[0]] * BOND_NM
    hole = min((1, 2, 3), key=lambda k: float(np.hypot(*(SITES[k] - SITES[second[0]]))))
    around = Surroundings().looked(seen((hole,)))
    for _ in range(10):
        around = around.waited_for(carbon_nm, 6.0, around, 10.0)
    assert around.waited[2] == pytest.approx(60.0), "not given up"
    jumped = around.looked(seen((second[0],)))
    assert jumped.beside == 0
    after = jumped.waited_for(carbon_nm, 6.0, around, 10.0)
    assert len(after.vacant_nm) == 1, "the vacancy that is seen already is not there twice"


def test_a_carbon_farther_out_has_jumped_when_its_site_is_seen_vacant() -> None:
    outside = next(k for k in beyond(2.0) if np.abs(SITES[k]).max() < HALF - 0.25)
    around = Surroundings().looked(seen((outside,)))
    closed = around.closed(SITES[outside] * BOND_NM, 6.0, 1000.0)
    assert closed.waited[2] == 0.0
    np.testing.assert_array_equal(closed.vacant_nm, around.vacant_nm)
