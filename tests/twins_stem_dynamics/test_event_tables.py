# mypy: disable-error-code="untyped-decorator"
"""What kernels look up, and the pairs that they list, against the arrays and laws that they come from."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from instruments import keys
from instruments.twins.stem.event_memory import find_pairs, recall_pairs
from instruments.twins.stem.event_rates import hop_factors
from instruments.twins.stem.event_tuples import (
    CENTRE,
    COUNT,
    DIFFERENT,
    HOP,
    MOST_ODD,
    MOST_PAIRS,
    NEIGHBOUR,
    VACANCIES,
)  # fmt: skip
from instruments.twins.stem.event_views import scratch, tables_of
from instruments.twins.stem.microscope import StemMicroscope
from instruments.twins.stem.samples import Graphene


@njit
def tables(block: Any) -> Any:
    shared, optics, law, detector, _ = tables_of(block)
    return shared[0].copy(), shared[1].copy(), optics[0].copy(), optics[2].copy(), optics[3], law[1].copy(), detector


@njit
def listed(world: Any, key: np.uint64, block: Any) -> Any:
    shared, optics, _, _, _ = tables_of(block)
    found, recalled = scratch(block), scratch(block)
    find_pairs(key, world + found, shared, optics[5])
    recall_pairs(key, world + recalled, shared, optics[5])
    return found, recalled


def test_a_block_holds_the_tables_that_it_was_made_of() -> None:
    core = StemMicroscope(sample=Graphene(3.0, 3.0, silicon=1))
    made, block = core.optics(core.begin(keys.keys([0]), {}).aberrations_nm[0])
    xy, near, probe, lattice, steps, parts, detector = tables(block)
    np.testing.assert_array_equal(xy, core.sites.positions_nm[:, :2])
    np.testing.assert_array_equal(near, core.sites.neighbours)
    np.testing.assert_array_equal(probe, made.kernel[0])
    np.testing.assert_array_equal(lattice, made.kernel[2])
    assert steps == made.kernel[3]
    np.testing.assert_array_equal(parts, core.law.compiled().parts)
    assert detector == (core.detector.gain, core.detector.offset, core.detector.dark_per_s, core.detector.quantised)


@pytest.mark.parametrize(("boundary_deg", "rest"), [(0.0, 0), (5.0, 3)])
def test_pairs_are_those_of_the_sites_that_are_no_carbon_and_hop_as_the_truth_says(
    boundary_deg: float, rest: int
) -> None:
    """Sites are looked through by eight, and the rest one by one; there is a vacancy at the end."""
    core = StemMicroscope(sample=Graphene(3.0, 3.0, silicon=2, boundary_deg=boundary_deg))
    assert len(core.sites) % 8 == rest
    world = core.begin(keys.keys([5]), {})
    species = world.species[0].copy()
    species[-1] = 0
    rows = (
        world.hidden[0], world.moving[0], species, world.bonding[0], world.landed[0], world.log[0], world.booked[0],
        world.remembered[0],
    )  # fmt: skip
    (pairs, odd, work), again = listed(rows, world.site_keys[0], core.optics(world.aberrations_nm[0])[1])
    pairs, centres = pairs[: int(work[COUNT])], np.flatnonzero(species != 6)
    assert work[VACANCIES] == 1
    assert work[DIFFERENT] == len(centres)
    wanted = [(int(c), int(n)) for c in centres for n in core.sites.neighbours[c] if n >= 0 and species[n] == 6]
    assert [(int(p[CENTRE]), int(p[NEIGHBOUR])) for p in pairs] == wanted
    silicon = np.flatnonzero(species == 14)
    factors = hop_factors(core, world, 0, silicon)
    for c, own in zip(silicon, factors, strict=True):
        slots = [list(core.sites.neighbours[c]).index(int(p[NEIGHBOUR])) for p in pairs if p[CENTRE] == c]
        np.testing.assert_allclose(pairs[pairs[:, CENTRE] == c, HOP], own[slots], rtol=1e-12)
    assert np.isfinite(odd[: len(centres)]).all()
    remembered = bool(world.remembered[0, 0])
    assert remembered == (len(pairs) <= MOST_PAIRS and len(centres) <= MOST_ODD)
    np.testing.assert_array_equal(again[0][: len(pairs)], pairs)
    np.testing.assert_array_equal(again[1][: len(centres)], odd[: len(centres)])
    np.testing.assert_array_equal(again[2], work)
