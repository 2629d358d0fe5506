"""Walls and surfaces in closed form and on a grid: checks 48 to 50, 52, 53 and 55."""

from dataclasses import replace

import numpy as np
import pytest

from physics_priors.lgd import surfaces, walls
from physics_priors.lgd.differentiable import Differentiable
from physics_priors.lgd.forward import Forward
from physics_priors.lgd.landau import Landau
from physics_priors.lgd.materials import BARIUM_TITANATE_BELL, LEAD_TITANATE, Gradient
from physics_priors.lgd.system import FREE, Reduced, System

QUARTIC = Landau(-0.5, 0.25)
"""a = -1, b = 1 of f = a P^2/2 + b P^4/4."""
ISOTROPIC = Gradient(1.0, 0.0, 0.5, 0.5)


def _line(landau: Landau, g: float, dx: float, edge: float = FREE) -> System:
    gradient = Gradient(g, 0.0, g / 2, g / 2)
    return System(landau, 1, (1.0, dx), gradient, column_edges=(edge, FREE))


def _energy(system: System, P: np.ndarray) -> float:
    import torch

    return float(Differentiable(system, P.shape[2:]).energy(torch.tensor(P))[0])


def test_kink_relaxed_on_a_grid() -> None:
    P0, delta, energy = walls.kink(-1.0, 1.0, 1.0)
    assert energy == pytest.approx(0.942809, abs=1e-6)
    dx = delta / 10
    x = (np.arange(200) - 99.5) * dx
    system = _line(QUARTIC, 1.0, dx)
    rest = Forward(system, (1, 200)).relax(np.sign(x)[None, None, None])
    found = (_energy(system, rest) - 200 * float(QUARTIC.energy((0, 0, P0)))) * dx
    assert found == pytest.approx(energy, rel=5e-3)
    np.testing.assert_allclose(rest[0, 0, 0], P0 * np.tanh(x / delta), atol=3e-3)


def test_wall_of_lead_titanate() -> None:
    landau, g = LEAD_TITANATE.landau(298.15), LEAD_TITANATE.gradient.across
    wall = walls.wall(landau, g)
    assert wall.width == pytest.approx(0.492e-9, rel=1e-2)
    assert wall.shape == pytest.approx(1.662, rel=1e-2)
    assert wall.energy == pytest.approx(132.8e-3, rel=1e-2)
    assert wall.full_width == pytest.approx(1.27e-9, rel=1e-2)
    clamped = walls.wall(landau, g, walls.clamping(LEAD_TITANATE.elastic))
    assert clamped.energy == pytest.approx(228e-3, rel=1e-2)
    assert clamped.full_width == pytest.approx(0.71e-9, rel=1e-2)


def test_wall_of_barium_titanate_is_clamped() -> None:
    material = BARIUM_TITANATE_BELL
    wall = walls.wall(material.landau(298.0), material.gradient.across, walls.clamping(material.elastic))
    assert wall.energy == pytest.approx(5.88e-3, rel=1e-2)
    assert walls.tanh_width(wall.profile, wall.P0, wall.width) == pytest.approx(0.636e-9, rel=1e-2)


def test_eighth_order_has_no_closed_form() -> None:
    with pytest.raises(ValueError, match="2-4-6"):
        walls.wall(Landau(-1.0, 0.1, a1111=1.0), 1.0)


def test_wall_of_lead_titanate_on_a_grid_with_and_without_strain() -> None:
    """The elastic term of the grid makes the clamped wall that the closed form has, without being told."""
    material, landau = LEAD_TITANATE, LEAD_TITANATE.landau(298.15)
    units = Reduced.of(landau, material.gradient.across)
    wall = walls.wall(landau, material.gradient.across)
    clamped = walls.wall(landau, material.gradient.across, walls.clamping(material.elastic))
    n, dx = 128, wall.width / 4 / units.length
    x = (np.arange(n) - n / 2 + 0.5) * dx
    start = np.zeros((1, 2, 1, n))
    start[0, 1, 0] = np.where(np.abs(x) < n * dx / 4, 1.0, -1.0)
    plain = System(units.landau(landau), 2, (1.0, dx), units.gradient(material.gradient))
    elastic = units.elastic(material.elastic)
    held = (elastic.q12, elastic.q11, elastic.q12, 0.0, 0.0, 0.0)
    strained = replace(plain, elastic=elastic, strain=held)
    for system, known in ((plain, wall), (strained, clamped)):
        rest = Forward(system, (1, n)).relax(start, tolerance=1e-6)
        bulk = n * float(units.landau(landau).energy((0, 0, 1.0)))
        energy = (_energy(system, rest) - bulk) * dx / 2 * units.energy * units.length
        assert energy == pytest.approx(known.energy, rel=0.02)


def test_surface_value_is_the_exact_one() -> None:
    """sqrt 2 lambda / L_C = 1: 0.4142 of the bulk, where the linear form says 0.5."""
    extrapolation, dx = 1 / np.sqrt(2), 0.05
    system = _line(QUARTIC, 1.0, dx, extrapolation)
    rest = Forward(system, (1, 200)).relax(np.ones((1, 1, 1, 200)), tolerance=1e-7)[0, 0, 0]
    ghost = rest[0] * (extrapolation / dx - 0.5) / (extrapolation / dx + 0.5)
    assert (rest[0] + ghost) / 2 == pytest.approx(0.4142, abs=2e-3)
    z = (np.arange(200) + 0.5) * dx
    np.testing.assert_allclose(rest, surfaces.exact_profile(z, 1.0, 1.0, extrapolation), atol=2e-3)


def test_surface_ratios_of_the_sheet() -> None:
    ratios = [surfaces.surface_ratio(np.sqrt(2), s) for s in (0.25, 0.5, 1, 2, 4)]
    np.testing.assert_allclose(ratios, [0.1231, 0.2361, 0.4142, 0.6180, 0.7808], atol=1e-4)
    linear = [float(surfaces.linear_profile(0.0, 1.0, np.sqrt(2), s)) for s in (0.25, 0.5, 1, 2, 4)]
    np.testing.assert_allclose(linear, [0.2, 0.333, 0.5, 0.667, 0.8], atol=1e-3)


def test_profile_of_the_talk_and_its_refit() -> None:
    correlation, extrapolation = surfaces.from_fit(1.1, 0.5)
    assert (correlation, extrapolation) == pytest.approx((1.556, 1.1), abs=1e-3)
    z = np.linspace(0, 11, 20)
    clean = surfaces.linear_profile(z, 0.787, correlation, extrapolation)
    np.testing.assert_allclose(clean, 0.787 * (1 - 0.5 * np.exp(-z / 1.1)))
    rng = np.random.default_rng(0)
    fits = np.array([surfaces.fit(z, clean * (1 + 0.02 * rng.normal(size=20))) for _ in range(60)])
    assert fits[:, 1].mean() == pytest.approx(1.56, abs=0.05)
    assert fits[:, 2].mean() == pytest.approx(1.10, abs=0.04)
    assert fits[:, 1].std() == pytest.approx(0.10, abs=0.04)
    assert fits[:, 2].std() == pytest.approx(0.07, abs=0.03)


def test_linear_form_is_biased_where_the_exact_one_is_not() -> None:
    z = np.linspace(0, 8, 40)
    exact = surfaces.exact_profile(z, 1.0, 1.0, 1 / np.sqrt(2))
    assert surfaces.fit(z, exact, exact=True)[2] == pytest.approx(1 / np.sqrt(2), rel=1e-4)
    assert abs(surfaces.fit(z, exact)[2] * np.sqrt(2) - 1) > 0.1


def test_driven_wall_moves_as_theory_says() -> None:
    """v = 3/2 L E delta / P0 at E = 0.01, from the mean of P, whose rate is 2 P0 v over the length."""
    delta, field, n = np.sqrt(2.0), 0.01, 600
    dx = delta / 10
    x = (np.arange(n) - n / 2) * dx
    core = Forward(_line(QUARTIC, 1.0, dx), (1, n))
    P = np.tanh(x / delta)[None, None, None]
    steps = int(30 / core.system.step())
    P = core.advance(P, steps, field=field)
    later = core.advance(P, steps, field=field)
    middle = [np.interp(0.0, row[0, 0, 0], x) for row in (P, later)]
    speed = (middle[0] - middle[1]) / (steps * core.system.step())
    assert speed == pytest.approx(walls.velocity(1.0, field, delta, 1.0), rel=5e-3)
