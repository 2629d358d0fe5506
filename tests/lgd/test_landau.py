"""Bulk Landau theory against the physics sheet: checks 43 to 47, 51, 54, 57 and 58."""

import warnings

import numpy as np
import pytest

from physics_priors.lgd import coercive, flexoelectricity, plates, tip
from physics_priors.lgd.flexoelectricity import Flexoelectric, FlexoelectricInstability
from physics_priors.lgd.landau import Landau, first_order, transition
from physics_priors.lgd.materials import BARIUM_TITANATE, BARIUM_TITANATE_BELL, LEAD_TITANATE, STRONTIUM_TITANATE
from physics_priors.lgd.two_dimensional import TwoDimensional

ROOM_K = 298.15
PHASES = [("rhombohedral", "orthorhombic"), ("orthorhombic", "tetragonal"), ("tetragonal", "cubic")]


def test_lead_titanate_at_room_temperature() -> None:
    landau = LEAD_TITANATE.landau(ROOM_K)
    P0 = landau.spontaneous()
    permittivity = np.diag(landau.permittivity((0, 0, P0)))
    assert pytest.approx(0.75704, rel=1e-3) == P0
    assert float(landau.energy((0, 0, P0))) == pytest.approx(-7.391e7, rel=1e-3)
    assert permittivity[2] == pytest.approx(65.9, rel=1e-3)
    assert permittivity[0] == pytest.approx(123.4, rel=1e-3)
    assert landau.phase()[0] == "tetragonal"


def test_lead_titanate_when_warm_and_its_strain() -> None:
    sizes = [LEAD_TITANATE.landau(273.15 + t).spontaneous() for t in (100, 200, 300, 400)]
    np.testing.assert_allclose(sizes, [0.730, 0.688, 0.635, 0.558], atol=6e-4)
    e, P0 = LEAD_TITANATE.elastic, LEAD_TITANATE.landau(ROOM_K).spontaneous()
    assert e.q11 * P0**2 == pytest.approx(0.0510, abs=1e-4)
    assert e.q12 * P0**2 == pytest.approx(-0.0149, abs=1e-4)


def test_lead_titanate_is_of_first_order() -> None:
    landau = LEAD_TITANATE.landau(ROOM_K)
    at, jump, limit = first_order(landau.a11, landau.a111)
    assert 479 + at / 3.8e5 == pytest.approx(492.48, abs=0.01)
    assert jump == pytest.approx(0.3747, abs=1e-4)
    assert 479 + limit / 3.8e5 == pytest.approx(496.98, abs=0.01)
    assert LEAD_TITANATE.landau(273.15 + 492.0).phase()[0] == "tetragonal"
    assert LEAD_TITANATE.landau(273.15 + 493.0).phase()[0] == "cubic"


def test_intrinsic_coercive_field_of_lead_titanate() -> None:
    field, P = coercive.intrinsic(LEAD_TITANATE.landau(ROOM_K))
    assert field == pytest.approx(1.612e8, rel=2e-3)
    assert pytest.approx(0.5233, rel=2e-3) == P


def test_barium_titanate_of_eighth_order() -> None:
    assert BARIUM_TITANATE.landau(ROOM_K).spontaneous() == pytest.approx(0.2600, abs=1e-4)
    ranges = [(180, 230), (260, 300), (390, 400)]
    found = [transition(*p, BARIUM_TITANATE.landau, *r) - 273.15 for p, r in zip(PHASES, ranges, strict=True)]
    np.testing.assert_allclose(found, [-70.97, 8.02, 125.00], atol=0.3)


def test_barium_titanate_of_bell() -> None:
    assert BARIUM_TITANATE_BELL.landau(298.0).spontaneous() == pytest.approx(0.26523, abs=1e-5)
    ranges = [(180, 230), (260, 300), (388, 394)]
    found = [transition(*p, BARIUM_TITANATE_BELL.landau, *r) for p, r in zip(PHASES, ranges, strict=True)]
    np.testing.assert_allclose(found, [201.8, 282.5, 392.3], atol=0.5)


def test_a_transition_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="do not change places"):
        transition("orthorhombic", "tetragonal", BARIUM_TITANATE.landau, 300.0, 330.0)


def test_strontium_titanate_stays_cubic() -> None:
    assert STRONTIUM_TITANATE.landau(ROOM_K).phase()[0] == "cubic"
    assert STRONTIUM_TITANATE.landau(30.0).a1 == pytest.approx(0.0, abs=1e-6)


def test_quartic_coercive_field() -> None:
    field, P = coercive.quartic(-1.0, 1.0)
    assert field == pytest.approx(0.384900, abs=1e-6)
    assert pytest.approx(1 / np.sqrt(3)) == P
    assert coercive.intrinsic(Landau(-0.5, 0.25)) == pytest.approx((field, P))


@pytest.mark.parametrize("eighth", [False, True])
def test_slope_and_curvature_belong_to_the_energy(eighth: bool) -> None:
    landau = BARIUM_TITANATE.landau(ROOM_K) if eighth else LEAD_TITANATE.landau(ROOM_K)
    P = np.random.default_rng(0).normal(size=(5, 3)) * 0.3
    step = 1e-6
    moves = step * np.eye(3)
    slope = np.stack([(landau.energy(P + m) - landau.energy(P - m)) / (2 * step) for m in moves], -1)
    np.testing.assert_allclose(landau.slope(P), slope, rtol=1e-6, atol=1.0)
    curvature = np.stack([(landau.slope(P + m) - landau.slope(P - m)) / (2 * step) for m in moves], -1)
    np.testing.assert_allclose(landau.curvature(P), curvature, rtol=1e-6, atol=1e3)


@pytest.mark.parametrize("wrong", [{"a1": np.nan}, {"a1": -1.0, "a11": np.inf}, {"a1": -1.0, "a11": 1.0, "a111": -1.0}])
def test_wrong_coefficients_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"finite|without end|above 0"):
        Landau(**wrong)


def test_flexoelectric_scale_and_bound() -> None:
    assert flexoelectricity.kogan_V() == pytest.approx(3.69, abs=0.01)
    assert flexoelectricity.bounds(LEAD_TITANATE.gradient, LEAD_TITANATE.elastic)[0] == pytest.approx(4.26, abs=0.01)
    barium = flexoelectricity.bounds(BARIUM_TITANATE_BELL.gradient, BARIUM_TITANATE_BELL.elastic)
    assert barium == pytest.approx((11.8, 1.04), abs=0.05)
    assert flexoelectricity.field_V_m(3.0, 1e6) == 3e6


def test_flexoelectricity_beyond_the_bound_warns() -> None:
    with pytest.warns(FlexoelectricInstability, match="f11=4.3 V is beyond 4.26 V"):
        assert not flexoelectricity.check(Flexoelectric(4.3), LEAD_TITANATE.gradient, LEAD_TITANATE.elastic)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flexoelectricity.check(Flexoelectric(4.2), LEAD_TITANATE.gradient, LEAD_TITANATE.elastic)
    with pytest.raises(ValueError, match="not finite"):
        Flexoelectric(np.inf)


def test_half_widths_of_the_tip() -> None:
    d, gamma = 7.0, 0.6
    widths = d * np.array([tip.POTENTIAL_HALF_WIDTH, tip.FIELD_HALF_WIDTH])
    assert widths / d == pytest.approx([np.sqrt(3), 0.7664], abs=1e-4)
    assert float(tip.potential_V(widths[0], 0.0, 2.0, d, gamma)) == pytest.approx(1.0)
    centre = float(tip.normal_field_V_nm(0.0, 0.0, 2.0, d, gamma))
    assert centre == pytest.approx(2.0 / (gamma * d))
    assert float(tip.normal_field_V_nm(widths[1], 0.0, 2.0, d, gamma)) == pytest.approx(centre / 2)
    assert tip.sphere_distance_nm(50.0, 65.9, 123.4) == pytest.approx(45.0, abs=0.5)
    assert float(tip.lorentzian(5.0, 5.0)) == 0.5


def _turned(eta: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return eta @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def test_symmetries_of_the_two_dimensional_energy() -> None:
    rng = np.random.default_rng(0)
    material = TwoDimensional(*rng.normal(size=11))
    eta = rng.normal(size=(100, 3))
    here = material.energy(eta)
    for image in (_turned(eta, 120), eta * [1, -1, 1], -eta):
        np.testing.assert_allclose(material.energy(image), here, atol=1e-10, rtol=1e-10)
    assert np.max(np.abs(material.energy(_turned(eta, 60)) - here)) > 0.1
    coupled = TwoDimensional(b15=0.0, c111=0.5, c222=0.3, c113=0.2)
    np.testing.assert_allclose(coupled.energy(_turned(eta, 60)), coupled.energy(eta), atol=1e-9, rtol=1e-10)


def test_slope_of_the_two_dimensional_energy_and_curvature() -> None:
    rng = np.random.default_rng(1)
    material = TwoDimensional(*rng.normal(size=11))
    eta, step = rng.normal(size=(20, 3)), 1e-6
    moves = step * np.eye(3)
    slope = np.stack([(material.energy(eta + m) - material.energy(eta - m)) / (2 * step) for m in moves], -1)
    np.testing.assert_allclose(material.slope(eta), slope, atol=1e-5, rtol=1e-6)
    bent = TwoDimensional(a11=1.0, a33=1.0, b33=0.0, f=3.0)
    rest = bent.relax(np.zeros((2, 3)), np.array([0.1, -0.1]))
    np.testing.assert_allclose(rest[:, 2], [-0.15, 0.15], atol=1e-9)
    sheet = np.broadcast_to(rest[0], (4, 4, 3))
    assert bent.energy_of_field(sheet, 1.0, 0.1) == pytest.approx(16 * (0.15**2 - 0.3 * 0.15))


def test_depolarisation_of_a_plate() -> None:
    P0 = LEAD_TITANATE.landau(ROOM_K).spontaneous()
    assert plates.screened_V_m(P0, 100e-9, 0.1e-9, 1.0, 10.0) == pytest.approx(-1.68e8, rel=3e-3)
    gap = plates.Gap(20e-9, 0.4e-9)
    field = gap.field_V_m(0.5, 2.0)
    surface = gap.surface_V(0.5, 2.0)
    in_gap = -(2.0 - surface) / gap.gap_m
    eps0 = plates.VACUUM_F_M
    assert surface == pytest.approx(-field * gap.thickness_m)
    assert eps0 * 7.0 * field + 0.5 == pytest.approx(eps0 * in_gap)
    assert plates.ripple_factor(0.0, 1e-8, 7.0) == pytest.approx(1 / (eps0 * 7.0))
    assert plates.ripple_factor(1e12, 1e-8, 7.0) < 1e-3 / (eps0 * 7.0)


def test_surface_ions_screen_and_answer_to_pressure() -> None:
    gap, P = plates.Gap(20e-9, 0.4e-9), 0.6
    ions = plates.SurfaceIons()
    charge, field = ions.equilibrium(gap, P)
    assert charge < 0
    assert abs(field) < 0.05 * abs(gap.field_V_m(P, 0.0))
    assert ions.charge_C_m2(gap.surface_V(P, 0.0, charge)) == pytest.approx(charge, rel=1e-6)
    zero = plates.SurfaceIons(energies_eV=(0.0, 0.0)).equilibrium(gap, 0.0)
    assert zero == pytest.approx((0.0, 0.0), abs=1e-6)
    charges = [plates.SurfaceIons(pressure=p).equilibrium(gap, 0.0)[0] for p in (1e-4, 1.0, 1e4)]
    assert charges[0] > charges[1] > charges[2]
    assert charges[0] == pytest.approx(-charges[2], rel=1e-6)
