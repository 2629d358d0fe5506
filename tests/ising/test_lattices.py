import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physics_priors.ising import alloy, closed_form, exact, lattice
from physics_priors.ising.errors import LatticeError
from physics_priors.ising.model import Model, Pair, pair_model, triangle_model

SQUARE, TRIANGULAR = lattice.square(4, 4), lattice.triangular(4, 4)


def test_critical_temperatures() -> None:  # check 32
    found = [closed_form.critical_temperature(kind) for kind in ("square", "honeycomb", "triangular")]
    np.testing.assert_allclose(found, [2.269185, 1.518651, 3.640957], atol=1e-6)


@pytest.mark.parametrize(
    ("temperature", "u", "c", "m"),
    [
        (1.5, -1.951117, 0.197275, 0.986500),
        (2.0, -1.745565, 0.724871, 0.911319),
        (2.2, -1.546489, 1.414278, 0.784755),
        (2.5, -1.106079, 0.861698, 0.0),
        (3.0, -0.817310, 0.401380, 0.0),
        (5.0, -0.428229, 0.097652, 0.0),
    ],
)
def test_onsager(temperature: float, u: float, c: float, m: float) -> None:  # check 33
    np.testing.assert_allclose(closed_form.onsager(temperature), (u, c, m), atol=1e-5)


def test_triangular_lattice() -> None:  # checks 36 and 37
    found = [closed_form.triangular_energy(t) for t in (2.5, 3.0, 5.0)]
    np.testing.assert_allclose(found, [-2.87886, -2.68033, -0.98954], atol=1e-5)
    ordered = [closed_form.triangular_magnetisation(t) for t in (3.0, 3.5)]
    np.testing.assert_allclose(ordered, [0.93622, 0.79565], atol=1e-5)
    assert closed_form.triangular_residual_entropy() == pytest.approx(0.32307, abs=1e-5)


def test_four_by_four_exactly() -> None:  # what checks 34 and 35 sample
    square = exact.thermodynamics(pair_model(SQUARE), 2.0)
    np.testing.assert_allclose(list(square.values()), [-1.755380, 0.605533, 0.918943, 0.868922, 0.644811], atol=1e-6)
    triangular = exact.thermodynamics(pair_model(TRIANGULAR), 3.0)
    np.testing.assert_allclose([triangular[n] for n in ("u", "c", "abs_m")], [-2.686011, 0.515636, 0.938732], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(4, 9), columns=st.integers(4, 9), seed=st.integers(0, 10_000))
def test_triangle_identities_hold_for_every_configuration(rows: int, columns: int, seed: int) -> None:  # check 38
    tri = lattice.triangular(rows, columns)
    spins = np.random.default_rng(seed).choice([-1, 1], len(tri)).astype(np.int8)
    counts = alloy.triangle_counts(tri, spins)
    bonds = tri.bonds[0]
    assert counts.sum() == 2 * len(tri)
    assert counts[1] + counts[2] == (spins[bonds[:, 0]] != spins[bonds[:, 1]]).sum()
    assert counts[1] + 2 * counts[2] + 3 * counts[3] == 6 * (spins == 1).sum()


@settings(max_examples=20, deadline=None)
@given(w1=st.floats(-2, 2), w2=st.floats(-2, 2), seed=st.integers(0, 10_000))
def test_triangle_energies_are_those_of_the_spin_model(w1: float, w2: float, seed: int) -> None:
    spins = np.random.default_rng(seed).choice([-1, 1], (6, 16)).astype(np.int8)
    counts = alloy.triangle_counts(TRIANGULAR, spins)
    energy = w1 * counts[:, 1] + w2 * counts[:, 2]
    log = triangle_model(TRIANGULAR).statistics(spins) @ alloy.theta_of(w1, w2)
    np.testing.assert_allclose(np.diff(energy + log), 0, atol=1e-9)
    np.testing.assert_allclose(alloy.triangle_energies(*alloy.theta_of(w1, w2)[1:]), (w1, w2), atol=1e-12)


def test_equal_triangle_energies_are_a_pair_model_with_half_of_them() -> None:
    np.testing.assert_allclose(alloy.theta_of(0.8, 0.8), [0, 0.4, 0])


@pytest.mark.parametrize(
    ("w", "fractions", "energy"),
    [
        ((0.5, 0.5), (0.358088, 0.394231, 0.199774, 0.047907), 0.594005),
        ((-0.5, -0.5), (0.237970, 0.591103, 0.166384, 0.004543), -0.757487),
        ((0.5, -0.5), (0.370954, 0.339451, 0.270735, 0.018860), 0.068717),
        ((-0.5, 0.5), (0.203584, 0.662125, 0.127499, 0.006792), -0.534626),
    ],
)
def test_alloy_averages_at_fixed_composition(
    w: tuple[float, float], fractions: tuple[float, ...], energy: float
) -> None:
    spins = exact.configurations(16, 5)
    p = exact.probabilities(triangle_model(TRIANGULAR), alloy.theta_of(*w), spins)
    counts = p @ alloy.triangle_counts(TRIANGULAR, spins)
    np.testing.assert_allclose(counts / 32, fractions, atol=1e-6)
    assert counts[1:3] @ w / 16 == pytest.approx(energy, abs=1e-6)


def test_lattices_have_the_bonds_that_they_should() -> None:
    for made, first, second in ((SQUARE, 4, 4), (TRIANGULAR, 6, 6), (lattice.honeycomb(5, 6), 3, 6)):
        assert {len(near) for near in made.neighbours(1)} == {first}
        assert {len(near) for near in made.neighbours(2)} == {second}
    assert lattice.square(4, 6).bipartite
    assert lattice.honeycomb(4, 4).bipartite
    assert not TRIANGULAR.bipartite
    assert not lattice.square(5, 4).bipartite
    opened = lattice.triangular(5, 7, periodic=False)
    length = np.linalg.norm(np.diff(opened.positions[opened.bonds[0]], axis=1)[:, 0], axis=1)
    np.testing.assert_allclose(length, 1)
    rebuilt = lattice.general(opened.positions, opened.bonds[0])
    assert len(rebuilt.triangles) == len(opened.triangles)


def test_local_fields_are_what_a_flip_changes() -> None:
    model = triangle_model(TRIANGULAR, shells=2)
    spins = np.random.default_rng(0).choice([-1, 1], 16).astype(np.int8)
    for site in range(16):
        up, down = spins.copy(), spins.copy()
        up[site], down[site] = 1, -1
        change = (model.statistics(up) - model.statistics(down)) / 2
        np.testing.assert_allclose(model.local_statistics(spins)[site], change)


def test_directions_add_up_to_the_shell() -> None:
    spins = np.random.default_rng(1).choice([-1, 1], (3, 16)).astype(np.int8)
    whole = pair_model(TRIANGULAR).statistics(spins)[:, 0]
    np.testing.assert_allclose(pair_model(TRIANGULAR, directional=True).statistics(spins).sum(-1), whole)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(LatticeError, match="at least 3"):
        lattice.square(2, 8)
    with pytest.raises(LatticeError, match="shells 1 to 3"):
        Model(SQUARE, (Pair(4),)).statistics(np.ones(16, np.int8))
    with pytest.raises(LatticeError, match="no nearest-neighbour triangles"):
        triangle_model(SQUARE).statistics(np.ones(16, np.int8))
    with pytest.raises(LatticeError, match="only once"):
        Model(SQUARE, (Pair(1), Pair(1)))
    with pytest.raises(LatticeError, match="twice"):
        lattice.general(np.zeros((3, 2)), np.array([[0, 1], [1, 0]]))
    with pytest.raises(LatticeError, match="two different sites"):
        lattice.general(np.zeros((3, 2)), np.array([[0, 3]]))
    with pytest.raises(LatticeError, match="above zero"):
        closed_form.onsager(0.0)
    with pytest.raises(LatticeError, match="J must be positive"):
        closed_form.critical_temperature("triangular", -1.0)
