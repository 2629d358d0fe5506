"""The compiled core: coercive fields, rates, noise, electrostatics, what it refuses; checks 45, 56 and 58b."""

import numpy as np
import pytest

from physics_priors.lgd import coercive
from physics_priors.lgd.flexoelectricity import Flexoelectric, FlexoelectricInstability
from physics_priors.lgd.forward import Forward
from physics_priors.lgd.landau import VACUUM_F_M, Landau
from physics_priors.lgd.materials import LEAD_TITANATE, Elastic, Gradient
from physics_priors.lgd.plates import Gap as Plate
from physics_priors.lgd.system import FREE, Diverged, Gap, Reduced, System, Thermal, UnstableStep

QUARTIC = Landau(-0.5, 0.25)
GRADIENT = Gradient(1.0, 0.2, 0.4, 0.3)


def test_intrinsic_coercive_field_by_a_slow_sweep() -> None:
    landau = LEAD_TITANATE.landau(298.15)
    units = Reduced.of(landau, LEAD_TITANATE.gradient.across)
    core = Forward(System(units.landau(landau), 1, largest=1.3), (1, 1))
    known, _ = coercive.intrinsic(landau)
    sweep = np.linspace(0.97, 1.01, 401) * known / units.field
    P, switched = np.full((1, 1, 1, 1), -1.0), np.nan
    for field in sweep:
        P = core.advance(P, 20_000, field=field)
        if P[0, 0, 0, 0] > 0:
            switched = field * units.field
            break
    assert switched == pytest.approx(1.612e8, rel=2e-3)


@pytest.mark.parametrize(("omega", "ratio"), [(0.01, 1.202), (0.1, 1.777)])
def test_coercive_field_rises_with_the_rate(omega: float, ratio: float) -> None:
    core = Forward(System(QUARTIC, 1, largest=1.5), (1, 1))
    step = 2 * np.pi / omega / 60_000
    time = (np.arange(90_000) + 0.5) * step
    wave = np.sin(omega * time)[:, None]
    P = np.full((1, 1, 1, 1), -1.0)
    first = 57_000
    P = core.advance(P, first, step=step, waves=wave[:first])
    for index in range(first, len(wave), 20):
        before, P = P, core.advance(P, 20, step=step, waves=wave[index : index + 20])
        if P[0, 0, 0, 0] > 0 >= before[0, 0, 0, 0]:
            break
    assert wave[index, 0] / coercive.quartic(-1.0, 1.0)[0] == pytest.approx(ratio, rel=5e-3)


@pytest.mark.parametrize(("cells", "volume"), [(1024, 2.0), (4096, 0.5)])
def test_thermal_noise_of_one_harmonic_mode(cells: int, volume: float) -> None:
    """<P^2> = kT / (2 alpha V) for cells without gradient energy."""
    thermal = Thermal(0.01, volume)
    side = int(np.sqrt(cells))
    core = Forward(System(Landau(1.0), 1, thermal=thermal, largest=1.0), (side, side))
    step = core.system.stable_step() / 100
    P = core.advance(np.zeros((1, 1, side, side)), 400, step=step, keys=[1])
    seen = []
    for index in range(60):
        P = core.advance(P, 100, step=step, keys=[1], begin=400 + 100 * index)
        seen.append(np.mean(P**2))
    assert np.mean(seen) == pytest.approx(0.01 / (2 * volume), rel=0.02)


def test_thermal_noise_of_the_mean_does_not_depend_on_the_grid() -> None:
    """The same sheet on a coarse and a fine grid: the uniform mode has kT / (2 alpha V_total) on both."""
    found = []
    for side, spacing in ((4, 2.0), (8, 1.0)):
        system = System(Landau(0.5), 1, (spacing, spacing), GRADIENT, thermal=Thermal(0.02, spacing**2), largest=1.0)
        core, rows = Forward(system, (side, side)), 300
        step, P = 0.02, np.zeros((rows, 1, side, side))
        keys = np.arange(rows)
        P = core.advance(P, 200, step=step, keys=keys)
        means = []
        for index in range(20):
            P = core.advance(P, 100, step=step, keys=keys, begin=200 + 100 * index)
            means.append(P.mean(axis=(1, 2, 3)))
        found.append(np.mean(np.square(means)))
    expected = 0.02 / (2 * 0.5 * 64)
    np.testing.assert_allclose(found, expected, rtol=0.08)  # 6000 dependent samples: 2 to 3 %


def test_noise_depends_on_key_step_and_cell_alone() -> None:
    system = System(QUARTIC, 2, (1.0, 1.0), GRADIENT, thermal=Thermal(0.01, 1.0))
    core = Forward(system, (5, 6))
    P = np.zeros((3, 2, 5, 6))
    keys = np.array([7, 8, 9], np.uint64)
    whole = core.advance(P, 10, keys=keys)
    part = core.advance(core.advance(P, 4, keys=keys), 6, keys=keys, begin=4)
    np.testing.assert_array_equal(whole, part)
    np.testing.assert_array_equal(core.advance(P[1:2], 10, keys=keys[1:2]), whole[1:2])
    assert np.abs(whole[0] - whole[1]).min() > 0
    with pytest.raises(ValueError, match="keys"):
        core.advance(P, 1)
    with pytest.raises(ValueError, match="noise"):
        core.relax(P)


def test_a_row_does_not_see_its_batch_with_every_term_on() -> None:
    elastic = Elastic(3.0, 1.2, 0.9, 0.3, -0.1, 0.15)
    system = System(
        QUARTIC, 3, (0.8, 0.9), GRADIENT, plate=0.2, depolarisation=2.0, elastic=elastic,
        flexoelectric=Flexoelectric(0.3, -0.2, 0.1),
    )  # fmt: skip
    P = np.random.default_rng(0).normal(size=(3, 3, 8, 10)) * 0.3
    core = Forward(system, (8, 10))
    whole = core.advance(P, 7)
    np.testing.assert_array_equal(core.advance(P[2:], 7)[0], whole[2])


def test_steps_that_are_too_long_are_refused() -> None:
    core = Forward(System(QUARTIC, 1, (1.0, 1.0), GRADIENT), (4, 4))
    stable = core.system.stable_step()
    with pytest.raises(UnstableStep, match="where explicit integration is stable"):
        core.advance(np.zeros((1, 1, 4, 4)), 1, step=1.01 * stable)
    assert core.system.step() < stable


def test_the_stable_step_is_near_the_true_limit() -> None:
    """At the limit a checkerboard does not grow, and the limit is not far below the one of its own rate."""
    system = System(Landau(0.5), 1, (1.0, 1.0), GRADIENT, largest=1.0)
    board = 1e-3 * (-1.0) ** np.add.outer(np.arange(8), np.arange(8))[None, None]
    size = np.abs(Forward(system, (8, 8)).advance(board, 200, step=system.stable_step())).max()
    assert size <= 1e-3 * (1 + 1e-9)
    rate = np.abs(Forward(system, (8, 8)).force(board)).max() / 1e-3
    assert 2 / rate == pytest.approx(system.stable_step(), rel=1e-6)


def test_growth_beyond_what_the_step_allows_is_told() -> None:
    core = Forward(System(QUARTIC, 1), (1, 1))
    with pytest.raises(Diverged, match="no number"):
        core.advance(np.ones((1, 1, 1, 1)), 50, field=1e6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"spacing": (0.0, 1.0)}, "spacing"),
        ({"mobility": np.nan}, "mobility"),
        ({"components": 4}, "components"),
        ({"gradient": Gradient(np.nan, 0, 0, 0)}, "not finite"),
        ({"depolarisation": 1.0}, "depolarisation"),
        ({"components": 2, "plate": 1.0}, "plate"),
        ({"flexoelectric": Flexoelectric()}, "flexoelectric needs"),
        ({"strain": (0.0,) * 6}, "strain needs"),
        ({"components": 2, "depolarisation": 1.0, "row_edges": (FREE, FREE)}, "no edges"),
        ({"components": 2, "gradient": GRADIENT, "row_edges": (FREE, FREE)}, "mixed gradient"),
        ({"row_edges": (-1.0, FREE)}, "below 0"),
        ({"gap": Gap(1.0, 1.0, 1.0)}, "gap needs"),
    ],
)
def test_what_cannot_be_honoured_is_refused(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        System(QUARTIC, **wrong)


def test_wrong_fields_are_refused() -> None:
    core = Forward(System(QUARTIC, 1), (2, 2))
    with pytest.raises(ValueError, match="not a finite number"):
        core.advance(np.zeros((1, 1, 2, 2)), 1, field=np.nan)
    with pytest.raises(ValueError, match="P must be"):
        core.advance(np.zeros((1, 2, 2, 2)), 1)
    with pytest.raises(ValueError, match="waves must be"):
        core.advance(np.zeros((1, 1, 2, 2)), 3, waves=np.zeros((2, 1)))
    with pytest.raises(ValueError, match="not finite"):
        System(QUARTIC, 1, plate=np.inf)
    with pytest.raises(ValueError, match="volume above 0"):
        Thermal(0.1, 0.0)


def test_flexocoupling_beyond_the_bound_warns_and_is_unstable() -> None:
    """The dispersion of P1 along x: 2 a1 + (g - f^2 / C11) k^2, negative beyond f = sqrt(g C11)."""
    elastic = Elastic(4.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    n = 16
    wave = np.zeros((1, 2, 1, n))
    wave[0, 0, 0] = 1e-6 * np.sin(2 * np.pi * 3 * np.arange(n) / n)
    for f11, warns in ((1.5, False), (2.5, True)):
        flexo = Flexoelectric(f11, 0.0, 0.0)
        if warns:
            with pytest.warns(FlexoelectricInstability, match="beyond 2 V"):
                system = System(Landau(0.05), 2, (1.0, 1.0), GRADIENT, elastic=elastic, flexoelectric=flexo)
        else:
            system = System(Landau(0.05), 2, (1.0, 1.0), GRADIENT, elastic=elastic, flexoelectric=flexo)
        rate = Forward(system, (1, n)).force(wave)[0, 0, 0] / np.where(wave[0, 0, 0] == 0, 1, wave[0, 0, 0])
        k = 2 * np.pi * 3 / n
        discrete = 4 * np.sin(k / 2) ** 2
        expected = -(0.1 + 1.0 * discrete - f11**2 / 4.0 * k**2)
        np.testing.assert_allclose(rate[2:4], expected, rtol=1e-6)
        assert (expected > 0) == warns


def test_depolarisation_of_a_longitudinal_wave() -> None:
    """A head-to-head wave feels -P / eps, a transverse one nothing."""
    system = System(Landau(0.5), 2, (1.0, 1.0), depolarisation=0.25)
    core, n = Forward(system, (8, 16)), 16
    wave = np.zeros((1, 2, 8, n))
    wave[0, 0] = 0.1 * np.sin(2 * np.pi * 3 * np.arange(n) / n)
    np.testing.assert_allclose(core.force(wave)[0, 0], -(1 + 4.0) * wave[0, 0], atol=1e-12)
    across = np.zeros_like(wave)
    across[0, 1] = wave[0, 0]
    np.testing.assert_allclose(core.force(across)[0, 1], -across[0, 1], atol=1e-12)


def test_slab_with_a_gap_agrees_with_the_plate() -> None:
    plate = Plate(20e-9, 0.4e-9)
    gap = Gap(0.4e-9, VACUUM_F_M * 7.0, VACUUM_F_M * 1.0, planar_V=1.5)
    edges = (FREE, FREE)
    system = System(Landau(1e8), 2, (1e-9, 1e-9), row_edges=edges, gap=gap)
    P = np.zeros((1, 2, 20, 4))
    P[0, 1] = 0.3
    field = Forward(system, (20, 4)).force(P) + 2e8 * P
    np.testing.assert_allclose(field[0, 1], plate.field_V_m(0.3, 1.5), rtol=1e-9)
    np.testing.assert_allclose(field[0, 0], 0.0, atol=1e-3)


def test_slab_field_is_the_slope_of_an_energy() -> None:
    """Without bias the operator from P to E is symmetric and never positive."""
    gap = Gap(0.5, 2.0, 1.0)
    system = System(Landau(0.0 + 1e-12), 2, (1.0, 0.7), row_edges=(FREE, FREE), gap=gap)
    core, shape = Forward(system, (3, 5)), (1, 2, 3, 5)
    matrix = np.array([core.force(unit.reshape(shape)).ravel() for unit in np.eye(30)])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-11)
    assert np.linalg.eigvalsh(matrix).max() < 1e-9


def test_defects_as_fields_and_as_local_transition_temperature() -> None:
    core = Forward(System(QUARTIC, 1), (1, 2))
    P = core.relax(np.full((1, 1, 1, 2), 0.1), shift=np.array([[[0.0, 1.0]]]))
    np.testing.assert_allclose(P[0, 0, 0], [1.0, 0.0], atol=1e-6)
    pinned = core.relax(np.full((1, 1, 1, 2), 0.1), field=np.array([[[[0.0, -0.5]]]]))
    assert pinned[0, 0, 0, 0] > 0 > pinned[0, 0, 0, 1]


def test_single_precision_follows_double() -> None:
    rng = np.random.default_rng(0)
    P = 0.1 * rng.normal(size=(1, 2, 32, 32))
    system = System(Landau(-0.5, 0.25, 0.4), 2, (1.0, 1.0), GRADIENT)
    single = Forward(system, (32, 32), np.float32).advance(P, 300)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, Forward(system, (32, 32)).advance(P, 300), atol=1e-4)
