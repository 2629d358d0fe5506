"""The lattice model with random-field defects, and tilts beside the polarisation."""

import numpy as np
import pytest

from physics_priors.lgd.landau import Landau
from physics_priors.lgd.lattice import Lattice, random_fields
from physics_priors.lgd.materials import Gradient
from physics_priors.lgd.system import System, UnstableStep
from physics_priors.lgd.tilts import Coupling, Tilted, strontium_titanate_tilt

GRADIENT = Gradient(1.0, 0.0, 0.5, 0.5)


def test_numbers_of_the_lattice() -> None:
    assert Lattice().coercive() == pytest.approx(0.8663, abs=1e-4)
    assert Lattice(coupling=0.0).uniform() == pytest.approx(1.2166, abs=1e-4)
    assert Lattice().uniform() == pytest.approx(1.755, abs=1e-3)


def test_the_uniform_state_and_the_single_cell() -> None:
    lattice = Lattice(depolarisation=0.0)
    rest, seen = lattice.run(np.ones((1, 1, 6, 6)), np.zeros((2000, 1)), 0.01)
    np.testing.assert_allclose(rest, 1.755, atol=1e-3)
    assert seen[0, -1, 0] == pytest.approx(rest.mean())
    single = Lattice(depolarisation=0.0, coupling=0.0)
    for field, switched in ((0.99, False), (1.01, True)):
        waves = np.full((20_000, 1), field * single.coercive())
        rest, _ = single.run(np.full((1, 1, 1, 1), -1.2166), waves, 0.02)
        assert (rest[0, 0, 0, 0] > 0) == switched


def test_edges_depolarisation_and_defects() -> None:
    start = np.ones((1, 1, 8, 8))
    free, _ = Lattice(depolarisation=0.0, periodic=False).run(start, np.zeros((1000, 1)), 0.01)
    assert free[0, 0, 0, 0] < free[0, 0, 0, 4] < free[0, 0, 4, 4]
    held, _ = Lattice(of="mean").run(start, np.zeros((1000, 1)), 0.01)
    assert held.mean() == pytest.approx(np.sqrt((2 + 1.85 - 0.2) / 1.25), abs=1e-3)
    totals = Lattice(of="total").run(start, np.zeros((1000, 1)), 0.005)[0]
    assert np.abs(totals).max() < 0.5 < held.min()
    field = random_fields(np.random.default_rng(0).uniform(size=(1, 1, 100, 100)), 2.0, 0.3)
    assert np.mean(field != 0) == pytest.approx(0.3, abs=0.02)
    assert abs(field.mean()) < 0.05


def test_lattice_rows_are_independent_and_wrong_input_is_told() -> None:
    rng = np.random.default_rng(1)
    P, field = rng.normal(size=(3, 2, 5, 6)), rng.normal(size=(3, 2, 5, 6))
    waves = rng.normal(size=(50, 2))
    lattice = Lattice(of="mean")
    whole, seen = lattice.run(P, waves, 0.01, field)
    alone, own = lattice.run(P[1:2], waves, 0.01, field[1:2])
    np.testing.assert_array_equal(alone[0], whole[1])
    np.testing.assert_array_equal(own[0], seen[1])
    with pytest.raises(UnstableStep, match="is stable"):
        lattice.run(P, waves, 1.0, field)
    with pytest.raises(ValueError, match="finite"):
        Lattice(alpha=np.nan)


def test_tilt_coupling_belongs_to_its_energy() -> None:
    rng = np.random.default_rng(0)
    coupling, P, tilt = Coupling(0.7, -0.3, 0.4), rng.normal(size=(1, 3, 2, 2)), rng.normal(size=(1, 3, 2, 2))
    step = 1e-6
    for component in range(3):
        move = np.zeros_like(P)
        move[0, component] = step
        slope = (coupling.energy(P + move, tilt) - coupling.energy(P - move, tilt)) / (2 * step)
        np.testing.assert_allclose(coupling.field(P, tilt)[:, component], -slope, rtol=1e-6, atol=1e-8)


def test_tilts_that_compete_with_polarisation_suppress_it() -> None:
    system = System(Landau(-0.5, 0.25), 1, (1.0, 1.0), GRADIENT)
    for t11, there in ((1.0, False), (0.0, True)):
        both = Tilted(system, System(Landau(-1.0, 0.5), 1, (1.0, 1.0), GRADIENT), Coupling(t11))
        P, tilt = both.advance(np.full((1, 1, 3, 3), 0.1), np.full((1, 1, 3, 3), 1.0), 3000)
        assert (np.abs(P).max() > 0.5) == there
        assert tilt.min() > 0.9
    apart = both.without_coupling()
    assert apart.coupling.t11 == 0.0
    with pytest.raises(UnstableStep):
        both.advance(P, tilt, 1, step=10.0)


def test_tilt_of_strontium_titanate_sets_in_at_105_K() -> None:
    assert strontium_titanate_tilt(110.0).spontaneous() == 0.0
    assert strontium_titanate_tilt(100.0).spontaneous() > 1e-12
